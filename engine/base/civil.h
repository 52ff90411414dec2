/* The proleptic Gregorian calendar: days since 1970-01-01 and back, over all years of an int32.
 * Method: eras of 400 years with years that begin in March (Hinnant, "chrono-Compatible Low-Level Date
 * Algorithms", 2013).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_BASE_CIVIL_H
#define TACT_BASE_CIVIL_H
#include <stdbool.h>
#include <stdint.h>

/* Days since 1970-01-01. month is 1 to 12 (asserted); day may be any and carries over. */
int64_t civil_days(int32_t year, int month, int day);
/* The other way; days within about ±780 billion (the years of an int32). */
void civil_from_days(int64_t days, int32_t *year, int8_t *month, int8_t *day);
bool civil_leap(int32_t year);
/* 0 is Sunday. */
int civil_weekday(int64_t days);

/* Division that rounds down; b > 0. */
static inline int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

#endif
