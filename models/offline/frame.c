/* Tables by columns; see frame.h. Reading is one pass: the CSV reader gives a record, each wanted cell goes straight to
 * its column's array. While findings come up, cells hold anything; the table is thrown away then.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/offline/frame.h"
#include "base/hash.h"
#include "models/offline/frame_array.h"
#include "models/offline/frame_cell.h"
#include "models/offline/frame_findings.h"
#include "models/offline/frame_header.h"
#include "models/offline/frame_input.h"
#include "models/offline/frame_words.h"
#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { ROWS_FIRST = 64 };

/* A table under way. */
struct table {
    struct frame *f;
    const struct frame_options *o;
    struct cell_rule *rules; /* one a wanted column */
    struct words *words;     /* the same; of categories */
    size_t *fields;          /* the same; which field of a record */
    size_t capacity;         /* rows that the arrays have room for */
    struct text_pool pool;
    struct findings findings;
    struct header header;
    struct error *e;
};

static size_t element_size(enum frame_type type)
{
    switch (type) {
    case FRAME_DOUBLE:
        return sizeof(double);
    case FRAME_FLOAT:
    case FRAME_BOOL:
        return sizeof(float);
    case FRAME_CATEGORY:
        return sizeof(uint32_t);
    case FRAME_TIME:
        return sizeof(int64_t);
    default:
        return sizeof(struct str);
    }
}

/* ---- memory ---- */

static bool resize(void *array, size_t rows, size_t size)
{
    void *p;
    memcpy(&p, array, sizeof p); /* array: the address of a pointer to any type */
    p = array_resize(p, rows * size);
    if (p)
        memcpy(array, &p, sizeof p);
    return p;
}

/* All arrays for as many rows. Growing leaves pages untouched, shrinking gives them back. */
static int resize_all(struct table *t, size_t rows)
{
    struct frame *f = t->f;
    bool ok = resize(&f->lines, rows, sizeof *f->lines) &&
              (!t->o->hash_rows || resize(&f->row_hashes, rows, sizeof *f->row_hashes));
    for (size_t i = 0; ok && i < f->column_count; i++)
        ok = resize(&f->columns[i].numbers, rows, element_size(f->columns[i].type));
    if (!ok)
        return error_set(t->e, ERR_NOSPACE, "%s: out of memory at row %zu of %zu columns", f->name, f->rows,
                         f->column_count);
    t->capacity = rows;
    return 0;
}

static int table_begin(struct table *t, const struct frame_want *wants, size_t count)
{
    struct frame *f = t->f;
    f->columns = calloc(count ? count : 1, sizeof *f->columns);
    t->rules = calloc(count ? count : 1, sizeof *t->rules);
    t->words = calloc(count ? count : 1, sizeof *t->words);
    t->fields = calloc(count ? count : 1, sizeof *t->fields);
    if (!f->columns || !t->rules || !t->words || !t->fields)
        return error_set(t->e, ERR_NOSPACE, "out of memory");
    f->column_count = count;
    for (size_t i = 0; i < count; i++) {
        f->columns[i].type = wants[i].type;
        f->columns[i].name = arena_str(&f->arena, wants[i].column);
        if (!f->columns[i].name.p)
            return error_set(t->e, ERR_NOSPACE, "out of memory");
        cell_rule_init(&t->rules[i], &wants[i], t->o);
    }
    return 0;
}

/* Categories go to the frame, the rest goes. */
static void table_end(struct table *t)
{
    for (size_t i = 0; t->words && i < t->f->column_count; i++) {
        struct frame_column *c = &t->f->columns[i];
        c->categories = t->words[i].texts;
        c->category_count = t->words[i].count;
        t->words[i].texts = NULL;
        words_free(&t->words[i]);
    }
    free(t->rules);
    free(t->words);
    free(t->fields);
}

void frame_free(struct frame *f)
{
    for (size_t i = 0; i < f->column_count; i++) {
        array_free(f->columns[i].numbers);
        free(f->columns[i].categories);
    }
    free(f->columns);
    array_free(f->lines);
    array_free(f->row_hashes);
    arena_free(&f->arena);
    *f = (struct frame){0};
}

/* ---- rows ---- */

/* The cell's place, where its bytes are the file's (not those of a field with doubled quotes). */
static void cell_finding(struct table *t, size_t i, struct str cell, const struct csv_record *r,
                         const char *why)
{
    char column[COLUMN_SHOWN];
    uintptr_t from = (uintptr_t)r->raw.p, at = (uintptr_t)cell.p;
    size_t line = r->line, place = 0;
    if (at >= from && at <= from + r->raw.n) {
        place = at - from + 1;
        for (size_t k = 0; k < at - from; k++)
            if (r->raw.p[k] == '\n') {
                line++;
                place = at - from - k;
            }
    }
    finding_add(&t->findings, line, place, "column %s: %s", column_shown(t->rules[i].want, column), why);
}

static int take_category(struct table *t, size_t i, struct str cell)
{
    struct frame_column *c = &t->f->columns[i];
    int rc = words_code(&t->words[i], &t->pool, cell, &c->codes[t->f->rows]);
    char column[COLUMN_SHOWN];
    if (rc == ERR_INVALID)
        return error_set(t->e, ERR_NOSPACE, "%s: column %s has over %d different values; is it a category?",
                         t->f->name, column_shown(t->rules[i].want, column), FRAME_CATEGORIES_MAX);
    return rc ? error_set(t->e, ERR_NOSPACE, "%s: out of memory at row %zu", t->f->name, t->f->rows) : 0;
}

static int take_text(struct table *t, size_t i, struct str cell)
{
    struct str *text = &t->f->columns[i].texts[t->f->rows];
    *text = text_pool_copy(&t->pool, cell);
    return text->p ? 0 : error_set(t->e, ERR_NOSPACE, "%s: out of memory at row %zu", t->f->name, t->f->rows);
}

static void set_missing(struct frame_column *c, size_t row)
{
    c->missing++;
    switch (c->type) {
    case FRAME_DOUBLE:
        c->numbers[row] = (double)NAN;
        break;
    case FRAME_FLOAT:
    case FRAME_BOOL:
        c->floats[row] = NAN;
        break;
    case FRAME_CATEGORY:
        c->codes[row] = FRAME_MISSING;
        break;
    case FRAME_TIME:
        c->times[row] = INT64_MIN;
        break;
    default:
        c->texts[row] = STR("");
    }
}

static int take_cell(struct table *t, size_t i, const struct csv_record *r)
{
    const struct cell_rule *rule = &t->rules[i];
    struct frame_column *c = &t->f->columns[i];
    struct str cell = r->fields[t->fields[i]];
    size_t row = t->f->rows;
    char room[CELL_TROUBLE];
    const char *why = NULL;
    if (c->type != FRAME_CATEGORY && c->type != FRAME_TEXT)
        cell = cell_trimmed(cell);
    if (cell_missing(rule, cell)) {
        set_missing(c, row);
        if (rule->want->required)
            cell_finding(t, i, cell, r, cell_missing_trouble(cell, room));
        return 0;
    }
    switch (c->type) {
    case FRAME_DOUBLE:
        why = cell_double(rule, cell, &c->numbers[row], room);
        break;
    case FRAME_FLOAT:
        why = cell_float(rule, cell, &c->floats[row], room);
        break;
    case FRAME_BOOL:
        why = cell_bool(cell, &c->floats[row], room);
        break;
    case FRAME_TIME:
        why = cell_time(rule, cell, &c->times[row], room);
        break;
    case FRAME_CATEGORY:
        return take_category(t, i, cell);
    default:
        return take_text(t, i, cell);
    }
    if (why)
        cell_finding(t, i, cell, r, why);
    return 0;
}

static int take_row(struct table *t, const struct csv_record *r)
{
    struct frame *f = t->f;
    if (r->count != t->header.count) {
        finding_add(&t->findings, r->line, 0, "a row of %zu field%s; the header has %zu%s", r->count,
                    r->count == 1 ? "" : "s", t->header.count,
                    r->count > t->header.count ? " (quote texts that hold the separator)" : "");
        return 0;
    }
    if (t->o->rows_max && f->rows == t->o->rows_max)
        return error_set(t->e, ERR_NOSPACE, "%s: over %zu rows", f->name, t->o->rows_max);
    if (f->rows == t->capacity) {
        int rc = resize_all(t, t->capacity ? t->capacity * 2 : ROWS_FIRST);
        if (rc)
            return rc;
    }
    for (size_t i = 0; i < f->column_count && t->findings.count < FRAME_FINDINGS_MAX; i++) {
        int rc = take_cell(t, i, r);
        if (rc)
            return rc;
    }
    f->lines[f->rows] = r->line < UINT32_MAX ? (uint32_t)r->line : UINT32_MAX;
    if (t->o->hash_rows)
        f->row_hashes[f->rows] = hash64(r->raw.p, r->raw.n);
    f->rows++;
    return 0;
}

static int take_rows(struct table *t, struct csv *csv, struct frame_input *in)
{
    struct csv_record r;
    while (t->findings.count < FRAME_FINDINGS_MAX) {
        int rc = 0;
        switch (csv_next(csv, &r, t->e)) {
        case CSV_RECORD:
            rc = take_row(t, &r);
            break;
        case CSV_BAD:
            record_finding(&t->findings, &r);
            break;
        case CSV_END:
            if (t->f->rows == 0 && t->findings.count == 0)
                finding_add(&t->findings, 0, 0, "the file has a header but no rows");
            return t->findings.count ? ERR_INVALID : resize_all(t, t->f->rows);
        default:
            if (frame_input_error(in)->code)
                *t->e = *frame_input_error(in);
            size_t n = strlen(t->e->text);
            snprintf(t->e->text + n, sizeof t->e->text - n, " (after line %zu)", r.line - 1);
            return t->e->code;
        }
        if (rc)
            return rc;
    }
    return ERR_INVALID;
}

static int read_table(struct table *t, struct frame_input *in, const struct frame_want *wants, size_t count)
{
    struct csv *csv = NULL;
    int rc = header_read(&t->header, &csv, in, t->o->separator, &t->f->arena, &t->findings, t->e);
    if (!rc) {
        t->f->header = t->header.names;
        t->f->header_count = t->header.count;
        t->f->separator = t->header.separator;
        rc = table_begin(t, wants, count);
    }
    if (!rc)
        rc = header_bind(&t->header, wants, count, t->fields, &t->findings, t->e);
    if (!rc && t->findings.count)
        rc = ERR_INVALID;
    if (!rc)
        rc = take_rows(t, csv, in);
    csv_free(&csv);
    return rc;
}

/* ---- the interface ---- */

/* opened: what opening the input gave. */
static int read_input(struct frame *out, struct frame_input *in, int opened, const char *name,
                      const struct frame_want *wants, size_t count, const struct frame_options *o,
                      struct diags *diags, struct error *e)
{
    struct table t = {.f = out, .o = o, .pool = {.arena = &out->arena}, .e = e};
    *out = (struct frame){0};
    snprintf(out->name, sizeof out->name, "%s", name);
    arena_init(&out->arena, SIZE_MAX / 2);
    t.findings = (struct findings){.file = out->name, .diags = diags};
    if (opened == ERR_INVALID)
        finding_add(&t.findings, 1, 1, "%s", e->text);
    int rc = opened ? opened : read_table(&t, in, wants, count);
    table_end(&t);
    if (rc == ERR_INVALID)
        findings_error(&t.findings, e);
    if (rc)
        frame_free(out);
    return rc;
}

int frame_read(struct frame *out, const char *path, const struct frame_want *wants, size_t count,
               const struct frame_options *o, struct diags *diags, struct error *e)
{
    static const struct frame_options none = {0};
    struct frame_input *in = NULL;
    struct error own;
    e = e ? e : &own;
    o = o ? o : &none;
    int rc = frame_input_open(&in, path, o->progress, o->user, e);
    rc = read_input(out, in, rc, strcmp(path, "-") == 0 ? "standard input" : path, wants, count, o, diags, e);
    frame_input_free(&in);
    return rc;
}

int frame_read_source(struct frame *out, const char *name, csv_source source, void *ctx,
                      const struct frame_want *wants, size_t count, const struct frame_options *o,
                      struct diags *diags, struct error *e)
{
    static const struct frame_options none = {0};
    struct frame_input *in = NULL;
    struct error own;
    e = e ? e : &own;
    o = o ? o : &none;
    int rc = frame_input_source(&in, name, source, ctx, o->progress, o->user, e);
    rc = read_input(out, in, rc, name, wants, count, o, diags, e);
    frame_input_free(&in);
    return rc;
}

int frame_header(const char *path, char separator, struct arena *arena, struct str **names, size_t *count,
                 char *found, struct error *e)
{
    struct frame_input *in = NULL;
    struct csv *csv = NULL;
    struct header h = {0};
    struct error own;
    struct findings findings = {.file = path};
    struct stat info;
    e = e ? e : &own;
    if (strcmp(path, "-") == 0 ||
        (stat(path, &info) == 0 && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode)))
        return error_set(e, ERR_INVALID, "%s: the columns are looked at first, so this must be a file, no pipe",
                         strcmp(path, "-") == 0 ? "standard input" : path);
    int rc = frame_input_open(&in, path, NULL, NULL, e);
    if (rc == ERR_INVALID)
        finding_add(&findings, 1, 1, "%s", e->text);
    if (!rc)
        rc = header_read(&h, &csv, in, separator, arena, &findings, e);
    if (rc == ERR_INVALID)
        findings_error(&findings, e);
    csv_free(&csv);
    frame_input_free(&in);
    *names = h.names;
    *count = h.count;
    if (found)
        *found = h.separator;
    return rc;
}

long frame_find(const struct frame *f, struct str name)
{
    for (size_t i = 0; i < f->column_count; i++)
        if (str_eq(f->columns[i].name, name))
            return (long)i;
    return -1;
}

struct sorted {
    struct str text;
    uint32_t code;
};

static int sorted_order(const void *a, const void *b)
{
    return str_cmp(((const struct sorted *)a)->text, ((const struct sorted *)b)->text);
}

int frame_sort_categories(struct frame_column *c, size_t rows, struct error *e)
{
    ASSERT(c->type == FRAME_CATEGORY);
    size_t n = c->category_count;
    struct sorted *sorted = malloc((n ? n : 1) * sizeof *sorted);
    uint32_t *now = malloc((n ? n : 1) * sizeof *now); /* by the code before */
    if (!sorted || !now) {
        free(sorted);
        free(now);
        return error_set(e, ERR_NOSPACE, "out of memory for %zu categories", n);
    }
    for (size_t i = 0; i < n; i++)
        sorted[i] = (struct sorted){c->categories[i], (uint32_t)i};
    qsort(sorted, n, sizeof *sorted, sorted_order);
    for (size_t i = 0; i < n; i++) {
        c->categories[i] = sorted[i].text;
        now[sorted[i].code] = (uint32_t)i;
    }
    for (size_t row = 0; row < rows; row++)
        if (c->codes[row] != FRAME_MISSING)
            c->codes[row] = now[c->codes[row]];
    free(sorted);
    free(now);
    return 0;
}
