/* Texts in messages; see excerpt.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/excerpt.h"
#include <stdint.h>

const char *excerpt(struct str text, char out[EXCERPT])
{
    size_t n = text.n;
    if (n > EXCERPT_SHOWN)
        for (n = EXCERPT_SHOWN; n > 0 && ((uint8_t)text.p[n] & 0xC0) == 0x80; n--) {
        }
    char *p = out;
    *p++ = '\'';
    for (size_t i = 0; i < n; i++)
        *p++ = (uint8_t)text.p[i] < 0x20 || text.p[i] == 0x7F ? '?' : text.p[i];
    *p = 0;
    strcat(p, n < text.n ? "…'" : "'");
    return out;
}
