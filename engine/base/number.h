/* Decimal numbers as data files write them, read fast: the one way in which the offline tools turn text into
 * doubles.
 *
 *     [+-] digits [. digits] [(e|E) [+-] digits]      at least one digit; "NaN", "inf" and hexadecimal are no numbers
 *
 * Correctly rounded, as strtod in the C locale. Up to 19 digits with a decimal exponent within ±22 (nearly all
 * of real data) cost two table look-ups and one multiplication or division (Clinger 1990); the rest go to
 * strtod.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_BASE_NUMBER_H
#define TACT_BASE_NUMBER_H
#include "base/str.h"
#include <stdbool.h>

/* The whole text, without spaces around. False when it is no number or beyond the range of doubles. */
bool number_read(struct str text, double *out);

/* What is wrong with a text that number_read refuses, and what to write instead, for messages: "'1,5' has a
 * decimal comma; write 1.5", "'1 000' …", "'n/a' is no number". A static text or into room (at least 160
 * bytes). */
const char *number_trouble(struct str text, char *room, size_t n);

#endif
