/* A small CSV reader and writer for golden rows; see golden.h. Columns in messages count characters from 1.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/golden.h"
#include "base/csv.h"
#include <math.h>
#include <stdlib.h>

enum { MARGIN_NAME = BUNDLE_TEXT_MAX + 8 };

struct golden_csv {
    const char *file, *p, *end;
    int line, column;
    int field_line, field_column; /* where the current field's text begins */
    bool row_ends;                /* after the current field */
    struct arena *arena;
    struct diags *d;
};

static void step(struct golden_csv *c)
{
    unsigned char byte = (unsigned char)*c->p++;
    if (byte == '\n') {
        c->line++;
        c->column = 1;
    } else if ((byte & 0xC0) != 0x80) {
        c->column++;
    }
}

static bool csv_fail(struct golden_csv *c, const char *text)
{
    diag_add(c->d, DIAG_ERROR, c->file, c->field_line, c->field_column, "%s", text);
    return false;
}

/* The text in quotes, with doubled quotes made single. */
static bool quoted_field(struct golden_csv *c, struct str *out)
{
    step(c);
    c->field_column = c->column;
    const char *close = c->p;
    while (close < c->end && (*close != '"' || (close + 1 < c->end && close[1] == '"')))
        close += *close == '"' ? 2 : 1;
    char *text = arena_alloc(c->arena, (size_t)(close - c->p));
    size_t n = 0;
    if (!text)
        return csv_fail(c, "the file needs more memory than is allowed for loading");
    while (c->p < c->end) {
        if (*c->p == '"') {
            if (c->p + 1 >= c->end || c->p[1] != '"') {
                step(c);
                *out = (struct str){text, n};
                return true;
            }
            step(c);
        }
        text[n++] = *c->p;
        step(c);
    }
    return csv_fail(c, "a quote that is never closed");
}

/* The next field of the row. False after a finding. */
static bool csv_field(struct golden_csv *c, struct str *out)
{
    c->field_line = c->line;
    c->field_column = c->column;
    if (c->p < c->end && *c->p == '"') {
        if (!quoted_field(c, out))
            return false;
    } else {
        const char *from = c->p;
        while (c->p < c->end && *c->p != ',' && *c->p != '\n' && *c->p != '\r')
            step(c);
        *out = (struct str){from, (size_t)(c->p - from)};
    }
    if (c->p < c->end && *c->p == '\r' && c->p + 1 < c->end && c->p[1] == '\n')
        step(c);
    c->row_ends = c->p >= c->end || *c->p == '\n';
    if (!c->row_ends && *c->p != ',') {
        c->field_line = c->line;
        c->field_column = c->column;
        return csv_fail(c, "expected a comma or the line's end");
    }
    if (c->p < c->end)
        step(c);
    return true;
}

static bool count_fail(struct golden_csv *c, const char *what, size_t n, size_t wanted)
{
    if (c->row_ends)
        diag_add(c->d, DIAG_ERROR, c->file, c->field_line, c->field_column,
                 "%s ends after %zu of %zu columns", what, n, wanted);
    else
        diag_add(c->d, DIAG_ERROR, c->file, c->field_line, c->field_column, "%s has more than %zu columns",
                 what, wanted);
    return false;
}

size_t golden_width(const struct bundle_spec *spec, bool predictions)
{
    return predictions ? spec->arm_count : bundle_margins(spec);
}

/* The name of a column of expected values, before any quoting: margin, margin.<arm>, margin.<output>, prediction. */
static const char *expected_name(const struct bundle_spec *spec, bool predictions, size_t at, char out[MARGIN_NAME])
{
    const char *word = predictions ? "prediction" : "margin";
    if (bundle_has_arms(spec))
        snprintf(out, MARGIN_NAME, "%s.%.*s", word, STR_ARG(spec->arms[at].arm));
    else if (!predictions && spec->outputs > 1)
        snprintf(out, MARGIN_NAME, "%s.%zu", word, at);
    else
        snprintf(out, MARGIN_NAME, "%s", word);
    return out;
}

static bool wrong_column(struct golden_csv *c, const struct bundle_spec *spec, size_t at, struct str field,
                         struct str expected)
{
    diag_add(c->d, DIAG_ERROR, c->file, c->field_line, c->field_column,
             "column %zu is '%.*s', expected '%.*s' (the features of bundle.yaml in order, then margin%s)", at + 1,
             field.n < 64 ? (int)field.n : 64, field.p ? field.p : "", STR_ARG(expected),
             bundle_has_arms(spec)   ? ".<arm> for each arm in order"
             : spec->outputs > 1     ? ".<number> for each output, or prediction"
                                     : ", or prediction");
    return false;
}

const char *golden_column(const struct bundle_spec *spec, bool predictions, size_t k, struct arena *arena)
{
    char name[MARGIN_NAME];
    return arena_strdup(arena, expected_name(spec, predictions, k, name));
}

/* The first column after the features says whether margins or predictions are expected. */
static bool read_header(struct golden_csv *c, const struct bundle_spec *spec, struct golden *g)
{
    size_t wanted = spec->feature_count + golden_width(spec, false);
    for (size_t i = 0; i < wanted; i++) {
        char name[MARGIN_NAME];
        struct str field, expected;
        if (!csv_field(c, &field))
            return false;
        if (i == spec->feature_count && str_starts(field, STR("prediction"))) {
            g->predictions = true;
            wanted = spec->feature_count + golden_width(spec, true);
        }
        expected = i < spec->feature_count
                       ? spec->features[i].name
                       : str_from(expected_name(spec, g->predictions, i - spec->feature_count, name));
        if (!str_eq(field, expected))
            return wrong_column(c, spec, i, field, expected);
        if (c->row_ends != (i + 1 == wanted))
            return count_fail(c, "the header", i + 1, wanted);
    }
    return true;
}

/* A decimal number that fits a float. */
static bool parse_number(struct str s, float *out)
{
    char text[64], *end;
    if (s.n == 0 || s.n >= sizeof text)
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!s.p[i] || !strchr("+-.0123456789eE", s.p[i]))
            return false;
    memcpy(text, s.p, s.n);
    text[s.n] = 0;
    *out = strtof(text, &end);
    return *end == 0 && end != text && isfinite(*out);
}

static bool parse_value(struct golden_csv *c, const struct bundle_feature *f, struct str field, float *out)
{
    *out = NAN;
    if (field.n == 0)
        return true;
    long code;
    switch (f->type) {
    case BUNDLE_NUMBER:
        if (parse_number(field, out))
            return true;
        break;
    case BUNDLE_BOOL:
        *out = str_is(field, "true") || str_is(field, "1");
        if (*out > 0 || str_is(field, "false") || str_is(field, "0"))
            return true;
        break;
    case BUNDLE_CATEGORY:
        code = bundle_category(f, field);
        *out = (float)code;
        if (code >= 0)
            return true;
        break;
    }
    static const char *const expected[] = {"a number", "true or false", "one of its categories"};
    diag_add(c->d, DIAG_ERROR, c->file, c->field_line, c->field_column, "expected %s for %.*s, got '%.*s'",
             expected[f->type], STR_ARG(f->name), field.n < 64 ? (int)field.n : 64, field.p);
    return false;
}

/* An expected value of row n. */
static bool read_expected(struct golden_csv *c, const struct bundle_spec *spec, struct golden *g, size_t n, size_t k,
                          struct str field)
{
    size_t at = n * g->width + k;
    char name[MARGIN_NAME];
    g->lines[at] = c->field_line;
    g->columns[at] = c->field_column;
    if (parse_number(field, &g->expected[at]))
        return true;
    diag_add(c->d, DIAG_ERROR, c->file, c->field_line, c->field_column,
             "expected a number for %s, got '%.*s'", expected_name(spec, g->predictions, k, name),
             field.n < 64 ? (int)field.n : 64, field.p ? field.p : "");
    return false;
}

/* One row into place n of g. False after a finding. */
static bool read_row(struct golden_csv *c, const struct bundle_spec *spec, struct golden *g, size_t n)
{
    size_t wanted = g->features + g->width;
    for (size_t i = 0; i < wanted; i++) {
        struct str field;
        if (!csv_field(c, &field))
            return false;
        bool ok = i < g->features ? parse_value(c, &spec->features[i], field, &g->rows[n * g->features + i])
                                  : read_expected(c, spec, g, n, i - g->features, field);
        if (!ok)
            return false;
        if (c->row_ends != (i + 1 == wanted))
            return count_fail(c, "the row", i + 1, wanted);
    }
    return true;
}

static bool make_room(struct golden *g, struct golden_csv *c, const struct bundle_spec *spec)
{
    size_t lines = 1;
    for (const char *p = c->p; p < c->end; p++)
        lines += *p == '\n';
    if (lines > GOLDEN_ROWS_MAX + 1)
        lines = GOLDEN_ROWS_MAX + 1;
    g->features = spec->feature_count;
    g->width = golden_width(spec, g->predictions);
    g->rows = arena_alloc(c->arena, lines * g->features * sizeof *g->rows);
    g->expected = arena_alloc(c->arena, lines * g->width * sizeof *g->expected);
    g->lines = arena_alloc(c->arena, lines * g->width * sizeof *g->lines);
    g->columns = arena_alloc(c->arena, lines * g->width * sizeof *g->columns);
    return (g->rows && g->expected && g->lines && g->columns) ||
           csv_fail(c, "the file needs more memory than is allowed for loading");
}

void golden_find_classes(struct golden *g, const struct bundle_spec *spec)
{
    g->classes = g->predictions && spec->of && objective_gives_class(spec->of);
    for (size_t i = 0; i < g->n * g->width && g->classes; i++) {
        float v = g->expected[i];
        g->classes = v >= 0 && v < (float)spec->outputs && v == floorf(v);
    }
}

/* Whether a margin may as well be another. */
static bool near(float a, float b)
{
    return fabs((double)a - (double)b) <= GOLDEN_TOLERANCE * fmax(1, fabs((double)b));
}

double golden_given(const struct golden *g, const struct bundle_spec *spec, const float *margins, size_t k, float expected)
{
    if (g->classes) {
        size_t best = objective_class(margins, spec->outputs);
        return (double)(near(margins[(size_t)expected], margins[best]) ? (size_t)expected : best);
    }
    if (g->predictions && spec->of && objective_gives_sign(spec->of) && near(margins[spec->output], 0) &&
        (expected == 0 || expected == 1))
        return (double)expected;
    return g->predictions ? objective_predict(spec->of, margins, spec->outputs, spec->output) : (double)margins[k];
}

bool golden_read(struct golden *g, const char *file, struct str text, const struct bundle_spec *spec,
                 struct arena *arena, struct diags *d)
{
    struct golden_csv c = {
        .file = file, .p = text.p, .end = text.p + text.n, .line = 1, .column = 1, .arena = arena, .d = d};
    c.field_line = c.field_column = 1;
    *g = (struct golden){0};
    if (str_starts(text, STR("\xEF\xBB\xBF")))
        c.p += 3;
    if (utf8_bad_at(text.p, text.n))
        return csv_fail(&c, "not UTF-8; save the file as UTF-8");
    if (!read_header(&c, spec, g) || !make_room(g, &c, spec))
        return false;
    while (c.p < c.end) {
        if (*c.p == '\n' || *c.p == '\r') {
            step(&c);
            continue;
        }
        if (g->n == GOLDEN_ROWS_MAX) {
            c.field_line = c.line;
            c.field_column = 1;
            return csv_fail(&c, "more than 10000 golden rows");
        }
        if (!read_row(&c, spec, g, g->n))
            return false;
        g->n++;
    }
    golden_find_classes(g, spec);
    c.field_line = c.line;
    c.field_column = 1;
    return g->n > 0 || csv_fail(&c, "no golden rows; at least one is needed");
}

static void write_value(struct buf *out, const struct bundle_feature *f, float v)
{
    if (isnan(v))
        return;
    if (f->type == BUNDLE_CATEGORY && v >= 0 && v < (float)f->category_count)
        csv_write_field(out, f->categories[(size_t)v], ',');
    else if (f->type == BUNDLE_BOOL && (v == 0 || v == 1))
        buf_printf(out, v > 0 ? "true" : "false");
    else
        buf_printf(out, "%.9g", (double)v);
}

static void write_header(struct buf *out, const struct bundle_spec *spec, bool predictions)
{
    char name[MARGIN_NAME];
    size_t width = golden_width(spec, predictions);
    for (size_t i = 0; i < spec->feature_count; i++) {
        csv_write_field(out, spec->features[i].name, ',');
        buf_byte(out, ',');
    }
    for (size_t k = 0; k < width; k++) {
        csv_write_field(out, str_from(expected_name(spec, predictions, k, name)), ',');
        buf_byte(out, k + 1 < width ? ',' : '\n');
    }
}

/* expected NULL: not known yet; the longest numbers stand for it. */
static void write_row(struct buf *out, const struct bundle_spec *spec, const float *row, const float *expected, size_t width)
{
    for (size_t i = 0; i < spec->feature_count; i++) {
        write_value(out, &spec->features[i], row[i]);
        buf_byte(out, ',');
    }
    for (size_t k = 0; k < width; k++)
        buf_printf(out, "%.9g%c", expected ? (double)expected[k] : -1.23456789e-38, k + 1 < width ? ',' : '\n');
}

void golden_write(struct buf *out, const struct bundle_spec *spec, const float *rows, const float *expected,
                  bool predictions, size_t n)
{
    size_t width = golden_width(spec, predictions);
    write_header(out, spec, predictions);
    for (size_t r = 0; r < n; r++)
        write_row(out, spec, rows + r * spec->feature_count, expected + r * width, width);
}

size_t golden_fitting(const struct golden *g, const struct bundle_spec *spec)
{
    struct buf text;
    size_t n = 0, width = golden_width(spec, g->predictions);
    buf_init(&text, GOLDEN_FILE_MAX);
    write_header(&text, spec, g->predictions);
    while (buf_ok(&text) && n < g->n) {
        write_row(&text, spec, g->rows + n * spec->feature_count, g->expected ? g->expected + n * width : NULL, width);
        n += buf_ok(&text);
    }
    buf_free(&text);
    return n;
}
