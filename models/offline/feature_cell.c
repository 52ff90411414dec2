/* Features as cells of a CSV; see feature_cell.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/offline/feature_cell.h"
#include <stdio.h>
#include <stdlib.h>

void feature_text(struct buf *out, struct str s)
{
    bool quote = false;
    for (size_t i = 0; i < s.n; i++)
        quote |= s.p[i] == ',' || s.p[i] == '"' || s.p[i] == '\r' || s.p[i] == '\n';
    if (!quote) {
        buf_str(out, s);
        return;
    }
    buf_byte(out, '"');
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '"')
            buf_byte(out, '"');
        buf_byte(out, (uint8_t)s.p[i]);
    }
    buf_byte(out, '"');
}

/* The shortest decimal that reads back as the float. */
void feature_float(struct buf *out, float f)
{
    char text[32];
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)f);
        if (strtof(text, NULL) == f)
            break;
    }
    buf_printf(out, "%s", text);
}

void feature_cell(struct buf *out, struct value v)
{
    switch (v.type) {
    case VALUE_BOOL:
        buf_printf(out, v.boolean ? "true" : "false");
        break;
    case VALUE_INT:
        feature_float(out, (float)v.integer);
        break;
    case VALUE_DOUBLE:
        if (v.number - v.number == 0)
            feature_float(out, (float)v.number);
        break;
    case VALUE_DURATION:
        feature_float(out, (float)((double)v.integer / 3600000.0));
        break;
    case VALUE_STRING:
        feature_text(out, value_str(v));
        break;
    default:
        break;
    }
}
