/* One cell of a table as a value, or what is wrong with it and what is allowed. The functions give NULL and the value,
 * or the reason in room; cells are trimmed before, unless a category's or a text's. Pure.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_OFFLINE_FRAME_CELL_H
#define TACT_OFFLINE_FRAME_CELL_H
#include "base/number.h"
#include "models/offline/frame.h"

enum { CELL_TROUBLE = 400 };

/* A wanted column, ready for its cells. */
struct cell_rule {
    const struct frame_want *want;
    const struct frame_options *options;
    double low, high; /* of numbers, also what fits into a float; infinite where anything is allowed */
    uint64_t lengths; /* bit n: a missing word has n bytes (63: or more) */
};

void cell_rule_init(struct cell_rule *r, const struct frame_want *want, const struct frame_options *o);

/* Without the spaces and tabs around. */
static inline struct str cell_trimmed(struct str s)
{
    for (; s.n && (s.p[0] == ' ' || s.p[0] == '\t'); s.n--)
        s.p++;
    while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
        s.n--;
    return s;
}

bool cell_is_missing_word(const struct cell_rule *r, struct str cell);
static inline bool cell_missing(const struct cell_rule *r, struct str cell)
{
    return cell.n == 0 || ((r->lengths >> (cell.n < 63 ? cell.n : 63) & 1) && cell_is_missing_word(r, cell));
}

/* Why number_read refuses the cell, or why the rule does. */
const char *cell_number_trouble(const struct cell_rule *r, struct str cell, char room[CELL_TROUBLE]);

static inline const char *cell_double(const struct cell_rule *r, struct str cell, double *out,
                                      char room[CELL_TROUBLE])
{
    if (number_read(cell, out) && *out >= r->low && *out <= r->high)
        return NULL;
    return cell_number_trouble(r, cell, room);
}

static inline const char *cell_float(const struct cell_rule *r, struct str cell, float *out,
                                     char room[CELL_TROUBLE])
{
    double v;
    const char *why = cell_double(r, cell, &v, room);
    if (!why)
        *out = (float)v;
    return why;
}

const char *cell_bool(struct str cell, float *out, char room[CELL_TROUBLE]);
const char *cell_time(const struct cell_rule *r, struct str cell, int64_t *out, char room[CELL_TROUBLE]);
/* Of a cell that is missing where a value must be. */
const char *cell_missing_trouble(struct str cell, char room[CELL_TROUBLE]);

#endif
