/* Cells; see frame_cell.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/offline/frame_cell.h"
#include "base/excerpt.h"
#include "models/offline/frame_time.h"
#include <float.h>
#include <math.h>
#include <strings.h>

/* From here on a double rounds to an infinite float: half way between the largest float and 2^128. */
#define FLOAT_END 0x1.ffffffp127

static bool listed(const struct str *words, size_t count, struct str cell)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq(words[i], cell))
            return true;
    return false;
}

bool cell_is_missing_word(const struct cell_rule *r, struct str cell)
{
    return listed(r->options->missing, r->options->missing_count, cell) ||
           listed(r->want->missing, r->want->missing_count, cell);
}

static uint64_t lengths_of(const struct str *words, size_t count)
{
    uint64_t bits = 0;
    for (size_t i = 0; i < count; i++)
        bits |= UINT64_C(1) << (words[i].n < 63 ? words[i].n : 63);
    return bits;
}

void cell_rule_init(struct cell_rule *r, const struct frame_want *want, const struct frame_options *o)
{
    bool any = !(want->low < want->high);
    double most = want->type == FRAME_FLOAT ? nextafter(FLOAT_END, 0) : INFINITY;
    *r = (struct cell_rule){.want = want,
                            .options = o,
                            .low = any || want->low < -most ? -most : want->low,
                            .high = any || want->high > most ? most : want->high,
                            .lengths = lengths_of(o->missing, o->missing_count) |
                                       lengths_of(want->missing, want->missing ? want->missing_count : 0)};
}

/* Words by which people and programs say that they know no value. */
static const char *missing_hint(struct str cell)
{
    static const char *const words[] = {"na",  "n/a",  "nan",    "null",    "none",    "nil",
                                        "nat", "#n/a", "#null!", "\\n",     "-",       "--",
                                        ".",   "?",    "???",    "missing", "unknown", "undefined"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (cell.n == strlen(words[i]) && strncasecmp(cell.p, words[i], cell.n) == 0)
            return " (if it means missing, name it as a missing word)";
    return "";
}

/* ---- numbers ---- */

const char *cell_number_trouble(const struct cell_rule *r, struct str cell, char room[CELL_TROUBLE])
{
    char shown[EXCERPT], why[NUMBER_TROUBLE];
    double v;
    if (!number_read(cell, &v)) {
        snprintf(room, CELL_TROUBLE, "%s%s", number_trouble(cell, why, sizeof why), missing_hint(cell));
        return room;
    }
    excerpt(cell, shown);
    bool low = v < r->low;
    if (r->want->type == FRAME_FLOAT && fabs(v) >= FLOAT_END)
        snprintf(room, CELL_TROUBLE, "%s is too large for a 32-bit number (the largest is about 3.4e38)",
                 shown);
    else if (low && r->low == DBL_MIN)
        snprintf(room, CELL_TROUBLE, "%s is not above 0", shown);
    else
        snprintf(room, CELL_TROUBLE, "%s is %s %.15g, the %s allowed", shown, low ? "below" : "above",
                 low ? r->low : r->high, low ? "least" : "most");
    return room;
}

/* ---- others ---- */

const char *cell_bool(struct str cell, float *out, char room[CELL_TROUBLE])
{
    static const char *const words[] = {"0", "1", "false", "true", "no", "yes", "f", "t", "n", "y"};
    char shown[EXCERPT];
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (cell.n == strlen(words[i]) && strncasecmp(cell.p, words[i], cell.n) == 0) {
            *out = (float)(i % 2);
            return NULL;
        }
    double v;
    if (number_read(cell, &v) && (v == 0 || v == 1)) {
        *out = v == 1 ? 1 : 0;
        return NULL;
    }
    snprintf(room, CELL_TROUBLE,
             "%s is neither yes nor no; allowed: true, false, yes, no, t, f, y, n, 1, 0%s",
             excerpt(cell, shown), missing_hint(cell));
    return room;
}

const char *cell_time(const struct cell_rule *r, struct str cell, int64_t *out, char room[CELL_TROUBLE])
{
    char why[FRAME_TIME_TROUBLE];
    if (!frame_time_read(cell, r->options->zone, out, why))
        return NULL;
    snprintf(room, CELL_TROUBLE, "%s%s", why, missing_hint(cell));
    return room;
}

const char *cell_missing_trouble(struct str cell, char room[CELL_TROUBLE])
{
    char shown[EXCERPT];
    if (cell.n == 0)
        snprintf(room, CELL_TROUBLE, "there is no value, and every row needs one");
    else
        snprintf(room, CELL_TROUBLE, "%s means missing, and every row needs a value", excerpt(cell, shown));
    return room;
}
