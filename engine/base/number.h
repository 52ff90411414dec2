/* Decimal numbers as data files write them, read fast: the one way in which the offline tools turn text into doubles.
 *
 *     [+-] digits [. digits] [(e|E) [+-] digits]
 *
 * With at least one digit before the e; ".5" and "5." are numbers; "NaN", "inf" and hexadecimal are none. Correctly
 * rounded (to nearest, ties to even) whatever the locale: the double is what strtod gives in the C locale. A number too
 * small for a double is a subnormal or zero; one too large is refused.
 *
 * How: up to 19 digits make an integer w and the text is w * 10^q.
 *   w <= 2^53 and |q| <= 22    both are exact doubles, one multiplication or division rounds once (Clinger 1990)
 *   |q| <= 64                  w times a 128-bit power of ten (Lemire, "Number parsing at a gigabyte per second", 2021,
 *                              algorithm 1; no case is left undecided: Mushtak and Lemire 2023)
 *   else                       strtod
 * So floats printed with all their 17 digits, as pandas and R write them, do not fall back. Pure; any thread.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_BASE_NUMBER_H
#define TACT_BASE_NUMBER_H
#include "base/str.h"
#include <stdbool.h>

/* The whole text, without spaces around. False when it is no number or beyond the range of doubles; *out stays. */
bool number_read(struct str text, double *out);

/* What is wrong with a text that number_read refuses, and what to write instead, for messages: "'1,5' has a decimal
 * comma; write 1.5", "'1 000' has spaces inside; write 1000", "'n/a' is no number". In room, n bytes (at least
 * NUMBER_TROUBLE); the text is shown as excerpt.h says and must be UTF-8. */
enum { NUMBER_TROUBLE = 256 };
const char *number_trouble(struct str text, char *room, size_t n);

#endif
