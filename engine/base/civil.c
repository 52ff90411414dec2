/* Dates and day numbers; see civil.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/civil.h"
#include "base/error.h"

enum { ERA_DAYS = 146097, EPOCH_DAYS = 719468 }; /* days of 400 years; days from 0000-03-01 to 1970-01-01 */

int64_t civil_days(int32_t year, int month, int day)
{
    ASSERT(month >= 1 && month <= 12);
    int64_t y = (int64_t)year - (month <= 2);
    int64_t era = floor_div(y, 400);
    int64_t of_era = y - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5;
    return era * ERA_DAYS + of_era * 365 + of_era / 4 - of_era / 100 + of_year - EPOCH_DAYS + day - 1;
}

void civil_from_days(int64_t days, int32_t *year, int8_t *month, int8_t *day)
{
    days += EPOCH_DAYS;
    int64_t era = floor_div(days, ERA_DAYS);
    int64_t d = days - era * ERA_DAYS;                                 /* [0, 146096] */
    int64_t y = (d - d / 1460 + d / 36524 - d / (ERA_DAYS - 1)) / 365; /* [0, 399] */
    int64_t of_year = d - (365 * y + y / 4 - y / 100);                 /* [0, 365] from March 1 */
    int64_t m = (5 * of_year + 2) / 153;                               /* [0, 11] from March */
    *day = (int8_t)(of_year - (153 * m + 2) / 5 + 1);
    *month = (int8_t)(m < 10 ? m + 3 : m - 9);
    *year = (int32_t)(y + era * 400 + (*month <= 2));
}

bool civil_leap(int32_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

int civil_weekday(int64_t days)
{
    return (int)(days + 4 - 7 * floor_div(days + 4, 7)); /* 1970-01-01 was a Thursday */
}
