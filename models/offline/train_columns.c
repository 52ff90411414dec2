/* One float column a feature, then all of them turned into rows, a block at a time so that both sides stay in the cache; see
 * train_columns.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/offline/train_columns.h"
#include <math.h>
#include <stdlib.h>

enum { BLOCK = 256 };

struct filling {
    struct train_data *d;
    const struct train_config *c;
    const struct frame *f;
    const uint32_t *rows;
    const int64_t *times;
    struct diags *diags;
    struct error *e;
};

static bool wants_until(const struct train_feature *f)
{
    return f->is_date && f->part == PART_AGE && f->until == UNTIL_COLUMN;
}

void train_columns_want(const struct train_config *c, struct frame_want *wants, size_t *count)
{
    for (size_t i = 0; i < c->feature_count; i++) {
        const struct train_feature *f = &c->features[i];
        if (f->is_id)
            continue;
        enum frame_type type = f->is_date                   ? FRAME_TIME
                               : f->type == BUNDLE_BOOL     ? FRAME_BOOL
                               : f->type == BUNDLE_CATEGORY ? FRAME_CATEGORY
                                                            : FRAME_FLOAT;
        wants[(*count)++] =
            (struct frame_want){.column = f->column, .type = type, .low = 1, .high = 0, .what = "a feature"};
        if (wants_until(f))
            wants[(*count)++] = (struct frame_want){
                .column = f->until_column, .type = FRAME_TIME, .low = 1, .high = 0, .what = "a feature"};
    }
}

/* ---- dates ---- */

static float date_part(const struct train_feature *f, int64_t ms)
{
    struct civil t;
    tz_local(f->zone, ms, &t);
    switch (f->part) {
    case PART_FULL_YEAR:
        return (float)t.year;
    case PART_MONTH:
        return (float)(t.month - 1);
    case PART_DATE:
        return (float)t.day;
    case PART_DAY_OF_WEEK:
        return (float)t.weekday;
    case PART_DAY_OF_YEAR:
        return (float)t.yearday;
    case PART_HOURS:
        return (float)t.hour;
    case PART_AGE:
        break;
    }
    return NAN;
}

static void fill_dates(const struct filling *x, const struct train_feature *f,
                       const struct frame_column *from, const struct frame_column *until, float *out)
{
    for (size_t i = 0; i < x->d->n; i++) {
        size_t row = x->rows[i];
        int64_t at = from->times[row], end = f->until_ms;
        if (f->until == UNTIL_COLUMN && until)
            end = until->times[row];
        else if (f->until == UNTIL_TIME && x->times)
            end = x->times[row];
        if (at == INT64_MIN || (f->part == PART_AGE && end == INT64_MIN))
            out[i] = NAN;
        else
            out[i] = f->part == PART_AGE ? (float)(((double)end - (double)at) / 3600000.0) : date_part(f, at);
    }
}

/* ---- categories ---- */

static int by_text(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static bool is_plain(struct str s)
{
    bool plain = s.n > 0 && s.n <= BUNDLE_TEXT_MAX;
    for (size_t i = 0; plain && i < s.n; i++)
        plain = (unsigned char)s.p[i] >= 0x20 && s.p[i] != 0x7F;
    return plain;
}

static int complain(const struct filling *x, const struct train_feature *f, const char *text)
{
    diag_add(x->diags, DIAG_ERROR, x->c->file, f->line, f->column_at, "feature %.*s: %s", STR_ARG(f->name),
             text);
    return 0;
}

/* The categories that the rows outside the test part have, in order of their text. */
static int find_categories(const struct filling *x, const struct train_feature *f,
                           const struct frame_column *from, struct bundle_feature *spec)
{
    bool *seen = calloc(from->category_count + 1, sizeof *seen);
    size_t count = 0;
    char text[160];
    if (!seen)
        return error_set(x->e, ERR_NOSPACE, "out of memory");
    for (size_t i = 0; i < x->d->n; i++) {
        uint32_t code = from->codes[x->rows[i]];
        if (code != FRAME_MISSING && x->d->side[i] != SIDE_TEST && !seen[code]) {
            seen[code] = true;
            count++;
        }
    }
    int rc = 0;
    if (count == 0) {
        rc = complain(x, f, "no training row has a value; leave the feature out, or list its categories");
    } else if (count > BUNDLE_CATEGORIES_MAX) {
        snprintf(text, sizeof text,
                 "%zu categories in the training rows; at most %d are allowed; leave the feature out, or "
                 "list those that matter",
                 count, BUNDLE_CATEGORIES_MAX);
        rc = complain(x, f, text);
    } else if (!(spec->categories = arena_alloc(&x->d->arena, count * sizeof *spec->categories))) {
        rc = error_set(x->e, ERR_NOSPACE, "the data do not fit the memory");
    } else {
        for (size_t k = 0; k < from->category_count && !rc; k++) {
            if (!seen[k])
                continue;
            if (!is_plain(from->categories[k])) {
                snprintf(text, sizeof text, "a category is over %d bytes or has line breaks: '%.40s…'",
                         BUNDLE_TEXT_MAX, from->categories[k].p ? from->categories[k].p : "");
                complain(x, f, text);
                break;
            }
            struct str copy = arena_str(&x->d->arena, from->categories[k]);
            if (!copy.p)
                rc = error_set(x->e, ERR_NOSPACE, "the data do not fit the memory");
            spec->categories[spec->category_count++] = copy;
        }
        if (spec->category_count)
            qsort(spec->categories, spec->category_count, sizeof *spec->categories, by_text);
    }
    free(seen);
    return rc;
}

/* The code of a text among fixed categories, which are in no order. */
static float fixed_code(const struct bundle_feature *spec, struct str text)
{
    for (size_t i = 0; i < spec->category_count; i++)
        if (str_eq(spec->categories[i], text))
            return (float)i;
    return NAN;
}

static float sorted_code(const struct bundle_feature *spec, struct str text)
{
    if (spec->category_count == 0)
        return NAN;
    struct str *at =
        bsearch(&text, spec->categories, spec->category_count, sizeof *spec->categories, by_text);
    return at ? (float)(at - spec->categories) : NAN;
}

static int fill_categories(const struct filling *x, const struct train_feature *f,
                           const struct frame_column *from, struct bundle_feature *spec, float *out)
{
    int rc = 0;
    if (f->categories) {
        spec->categories = f->categories;
        spec->category_count = f->category_count;
    } else {
        rc = find_categories(x, f, from, spec);
    }
    float *codes = rc ? NULL : malloc((from->category_count + 1) * sizeof *codes);
    if (!codes)
        return rc ? rc : error_set(x->e, ERR_NOSPACE, "out of memory");
    for (size_t k = 0; k < from->category_count; k++)
        codes[k] =
            f->categories ? fixed_code(spec, from->categories[k]) : sorted_code(spec, from->categories[k]);
    for (size_t i = 0; i < x->d->n; i++) {
        uint32_t code = from->codes[x->rows[i]];
        out[i] = code == FRAME_MISSING ? NAN : codes[code];
    }
    free(codes);
    return 0;
}

/* The action itself; the categories are the arms that have training rows. */
static int fill_id(const struct filling *x, struct bundle_feature *spec, float *out)
{
    const struct train_data *d = x->d;
    spec->categories = arena_alloc(&x->d->arena, d->arm_count * sizeof *spec->categories);
    if (!spec->categories)
        return error_set(x->e, ERR_NOSPACE, "the data do not fit the memory");
    for (size_t a = 0; a < d->arm_count; a++)
        if (d->arms[a].rows[SIDE_TRAIN] + d->arms[a].rows[SIDE_ASIDE])
            spec->categories[spec->category_count++] = d->arms[a].name;
    if (spec->category_count)
        qsort(spec->categories, spec->category_count, sizeof *spec->categories, by_text);
    for (size_t i = 0; i < d->n; i++)
        out[i] = sorted_code(spec, d->arms[d->arm_of[i]].name);
    return 0;
}

/* ---- rows ---- */

/* Of a row of silence everything that an action would say is missing, but its id. */
static void silence_missing(const struct filling *x, float *column)
{
    const struct train_data *d = x->d;
    for (size_t i = 0; d->silence >= 0 && i < d->n; i++)
        if (d->arm_of[i] == (uint32_t)d->silence)
            column[i] = NAN;
}

static int fill_column(const struct filling *x, size_t index, size_t *at, float *out)
{
    const struct train_feature *f = &x->c->features[index];
    struct bundle_feature *spec = &x->d->specs[index];
    *spec = (struct bundle_feature){.name = f->name, .from = f->from, .type = f->type, .unit = f->unit};
    if (f->is_id)
        return fill_id(x, spec, out);
    const struct frame_column *from = &x->f->columns[(*at)++], *until = NULL;
    if (wants_until(f))
        until = &x->f->columns[(*at)++];
    int rc = 0;
    if (f->is_date)
        fill_dates(x, f, from, until, out);
    else if (f->type == BUNDLE_CATEGORY)
        rc = fill_categories(x, f, from, spec, out);
    else
        for (size_t i = 0; i < x->d->n; i++)
            out[i] = from->floats[x->rows[i]];
    if (!rc && f->from != BUNDLE_CUSTOMER)
        silence_missing(x, out);
    return rc;
}

/* Columns of BLOCK features at a time, turned into rows. */
static void turn(float *rows, size_t n, size_t features, float *const *columns, size_t first, size_t count)
{
    for (size_t from = 0; from < n; from += BLOCK) {
        size_t to = from + BLOCK < n ? from + BLOCK : n;
        for (size_t k = 0; k < count; k++)
            for (size_t i = from; i < to; i++)
                rows[i * features + first + k] = columns[k][i];
    }
}

int train_columns_fill(struct train_data *d, const struct train_config *c, const struct frame *f,
                       const uint32_t *rows, const int64_t *times, size_t first, struct diags *diags,
                       struct error *e)
{
    enum { TOGETHER = 16 };
    struct filling x = {d, c, f, rows, times, diags, e};
    float *columns[TOGETHER] = {0};
    size_t errors = diags->errors, at = first;
    int rc = 0;
    d->features = c->feature_count;
    d->specs = arena_zalloc(&d->arena, c->feature_count * sizeof *d->specs);
    d->rows = malloc(d->n * c->feature_count * sizeof *d->rows);
    bool full = !d->specs || !d->rows;
    for (size_t k = 0; k < TOGETHER && !full; k++)
        full = !(columns[k] = malloc(d->n * sizeof(float)));
    if (full)
        rc = error_set(e, ERR_NOSPACE, "out of memory");
    for (size_t i = 0; i < c->feature_count && !rc; i += TOGETHER) {
        size_t count = c->feature_count - i < TOGETHER ? c->feature_count - i : TOGETHER;
        for (size_t k = 0; k < count && !rc; k++)
            rc = fill_column(&x, i + k, &at, columns[k]);
        if (!rc)
            turn(d->rows, d->n, d->features, columns, i, count);
    }
    for (size_t k = 0; k < TOGETHER; k++)
        free(columns[k]);
    if (!rc && diags->errors > errors)
        rc = error_set(e, ERR_INVALID, "%s: the features cannot be made", d->name);
    return rc;
}
