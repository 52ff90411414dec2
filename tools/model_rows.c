/* Rows of a bundle's features; see model_rows.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tools/model_rows.h"
#include <math.h>
#include <stdlib.h>

enum { MEMORY_MAX = 1 << 30 };

static int full(struct error *e)
{
    return error_set(e, ERR_NOSPACE, "the rows need more memory than is allowed");
}

static bool has_column(const struct str *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (str_is(names[i], name))
            return true;
    return false;
}

/* The columns of expected values that the file has: all margins, else all predictions, else none. */
static size_t expected_columns(struct model_rows *r, const struct bundle_spec *spec, const struct str *names, size_t count,
                               const char **columns)
{
    for (int predictions = 0; predictions < 2; predictions++) {
        size_t width = golden_width(spec, predictions), found = 0;
        for (size_t k = 0; k < width; k++) {
            columns[k] = golden_column(spec, predictions, k, &r->arena);
            found += columns[k] && has_column(names, count, columns[k]);
        }
        if (found == width) {
            r->golden.predictions = predictions;
            r->golden.width = width;
            return width;
        }
    }
    return 0;
}

/* Nothing says what such a column is for. */
static struct str other_column(const struct bundle_spec *spec, const char *const *expected, size_t width, const struct str *names,
                               size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bool known = false;
        for (size_t k = 0; k < spec->feature_count && !known; k++)
            known = str_eq(spec->features[k].name, names[i]);
        for (size_t k = 0; k < width && !known; k++)
            known = str_is(names[i], expected[k]);
        if (!known)
            return names[i];
    }
    return (struct str){0};
}

/* As Python, R and SQL write a missing value; those that are no category of the feature. */
static bool missing_words(struct model_rows *r, const struct bundle_feature *f, struct frame_want *want)
{
    static const struct str words[] = {STR("NaN"),  STR("nan"),  STR("<NA>"), STR("NA"),
                                       STR("N/A"),  STR("None"), STR("null"), STR("NULL")};
    struct str *kept = arena_alloc(&r->arena, sizeof words);
    for (size_t i = 0; kept && i < sizeof words / sizeof *words; i++)
        if (f->type != BUNDLE_CATEGORY || bundle_category(f, words[i]) < 0)
            kept[want->missing_count++] = words[i];
    want->missing = kept;
    return kept;
}

static bool want_features(struct model_rows *r, struct frame_want *wants, const struct bundle_spec *spec)
{
    static const enum frame_type types[] = {
        [BUNDLE_NUMBER] = FRAME_FLOAT, [BUNDLE_BOOL] = FRAME_BOOL, [BUNDLE_CATEGORY] = FRAME_CATEGORY};
    for (size_t i = 0; i < spec->feature_count; i++) {
        const struct bundle_feature *f = &spec->features[i];
        wants[i] = (struct frame_want){.column = f->name, .type = types[f->type], .what = "a feature"};
        if (!missing_words(r, f, &wants[i]))
            return false;
    }
    return true;
}

static bool is_number(struct str s)
{
    bool digits = s.n > 0;
    for (size_t i = 0; i < s.n && digits; i++)
        digits = (s.p[i] >= '0' && s.p[i] <= '9') || s.p[i] == '.';
    return digits;
}

static void tell_category(const struct model_rows *r, const struct bundle_feature *f, struct str word, int line,
                          struct diags *d)
{
    struct suggest s;
    suggest_init(&s, word);
    for (size_t i = 0; i < f->category_count; i++)
        suggest_offer(&s, f->categories[i]);
    struct str best = suggest_best(&s), first = f->category_count ? f->categories[0] : (struct str){0};
    if (best.n)
        diag_add(d, DIAG_ERROR, r->frame.name, line, 0,
                 "column %.*s: '%.*s' is not among the bundle's %zu categories of it; did you mean %.*s?", STR_ARG(f->name),
                 STR_ARG(word), f->category_count, STR_ARG(best));
    else
        diag_add(d, DIAG_ERROR, r->frame.name, line, 0,
                 "column %.*s: '%.*s' is not among the bundle's %zu categories of it ('%.*s' is)%s", STR_ARG(f->name),
                 STR_ARG(word), f->category_count, STR_ARG(first),
                 is_number(word) ? "; a category stands by its name, not by its code" : "");
}

/* The bundle's code of each of the column's categories; false after a finding. */
static bool category_codes(const struct model_rows *r, const struct frame_column *c, const struct bundle_feature *f,
                           float *codes, struct diags *d)
{
    bool ok = true;
    for (size_t k = 0; k < c->category_count; k++) {
        long code = bundle_category(f, c->categories[k]);
        codes[k] = (float)code;
        if (code >= 0)
            continue;
        ok = false;
        for (size_t i = 0; i < r->frame.rows; i++)
            if (c->codes[i] == k) {
                tell_category(r, f, c->categories[k], (int)r->frame.lines[i], d);
                break;
            }
    }
    return ok;
}

static bool put_column(struct model_rows *r, const struct bundle_spec *spec, size_t at, struct diags *d)
{
    const struct frame_column *c = &r->frame.columns[at];
    const struct bundle_feature *f = &spec->features[at];
    float *codes = f->type == BUNDLE_CATEGORY ? arena_alloc(&r->arena, (c->category_count + 1) * sizeof *codes) : NULL;
    if (f->type == BUNDLE_CATEGORY && (!codes || !category_codes(r, c, f, codes, d)))
        return false;
    for (size_t i = 0; i < r->golden.n; i++) {
        float *cell = &r->golden.rows[i * spec->feature_count + at];
        if (codes)
            *cell = c->codes[i] == FRAME_MISSING ? NAN : codes[c->codes[i]];
        else
            *cell = c->floats[i];
    }
    return true;
}

static int put_rows(struct model_rows *r, const struct bundle_spec *spec, size_t rows_max, size_t expected,
                    struct diags *d, struct error *e)
{
    size_t errors = d->errors, n = r->frame.rows;
    r->golden.n = rows_max && n > rows_max ? rows_max : n;
    r->golden.features = spec->feature_count;
    r->golden.rows = arena_alloc(&r->arena, r->golden.n * spec->feature_count * sizeof(float));
    r->golden.expected = expected ? arena_alloc(&r->arena, r->golden.n * expected * sizeof(float)) : NULL;
    if (!r->golden.rows || (expected && !r->golden.expected))
        return full(e);
    for (size_t i = 0; i < spec->feature_count; i++)
        (void)put_column(r, spec, i, d);
    for (size_t k = 0; k < expected; k++)
        for (size_t i = 0; i < r->golden.n; i++)
            r->golden.expected[i * expected + k] = r->frame.columns[spec->feature_count + k].floats[i];
    golden_find_classes(&r->golden, spec);
    return d->errors == errors ? 0 : error_set(e, ERR_INVALID, "%s has values that the bundle does not know", r->frame.name);
}

int model_rows_read(struct model_rows *r, const char *path, const struct bundle_spec *spec, size_t rows_max,
                    struct diags *d, struct error *e)
{
    struct str *names;
    size_t count, width = bundle_margins(spec) + spec->arm_count;
    *r = (struct model_rows){0};
    arena_init(&r->arena, MEMORY_MAX);
    const char **columns = arena_alloc(&r->arena, width * sizeof *columns);
    struct frame_want *wants = arena_zalloc(&r->arena, (spec->feature_count + width) * sizeof *wants);
    int rc = columns && wants ? frame_header(path, 0, &r->arena, &names, &count, NULL, e) : full(e);
    if (!rc) {
        size_t expected = expected_columns(r, spec, names, count, columns);
        r->other = other_column(spec, columns, expected, names, count);
        if (!want_features(r, wants, spec))
            rc = full(e);
        for (size_t k = 0; k < expected; k++)
            wants[spec->feature_count + k] = (struct frame_want){
                .column = str_from(columns[k]), .type = FRAME_FLOAT, .required = true, .what = "what is expected"};
        if (!rc)
            rc = frame_read(&r->frame, path, wants, spec->feature_count + expected, &(struct frame_options){0}, d, e);
        if (!rc)
            rc = put_rows(r, spec, rows_max, expected, d, e);
    }
    if (rc)
        model_rows_free(r);
    return rc;
}

void model_rows_free(struct model_rows *r)
{
    frame_free(&r->frame);
    arena_free(&r->arena);
    *r = (struct model_rows){0};
}
