/* Rows for evaluation from a CSV; see eval_rows.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/offline/eval_rows.h"
#include "base/hash.h"
#include <float.h>
#include <math.h>
#include <stdlib.h>

enum { ROWS_MEMORY = 64 << 20, OWN_WANTS = 5 };

static int by_text(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static int full(struct error *e)
{
    return error_set(e, ERR_NOSPACE, "the rows do not fit the memory");
}

long eval_action(const struct eval_rows *r, struct str name)
{
    const struct str *at =
        r->action_count ? bsearch(&name, r->actions, r->action_count, sizeof name, by_text) : NULL;
    return at ? at - r->actions : -1;
}

int eval_actions_add(struct eval_rows *r, const struct str *names, size_t count, struct error *e)
{
    struct str *all = arena_alloc(&r->arena, (r->action_count + count) * sizeof *all);
    uint32_t *moved = malloc((r->action_count + 1) * sizeof *moved);
    if (!all || !moved) {
        free(moved);
        return full(e);
    }
    if (r->action_count)
        memcpy(all, r->actions, r->action_count * sizeof *all);
    size_t n = r->action_count;
    for (size_t i = 0; i < count; i++)
        if (eval_action(r, names[i]) < 0)
            all[n++] = arena_str(&r->arena, names[i]);
    qsort(all, n, sizeof *all, by_text);
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (!kept || !str_eq(all[kept - 1], all[i]))
            all[kept++] = all[i];
    if (kept > EVAL_ACTIONS_MAX) {
        free(moved);
        return error_set(e, ERR_INVALID, "%s: %zu different actions; at most %d are allowed", r->name, kept,
                         EVAL_ACTIONS_MAX);
    }
    for (size_t i = 0, k = 0; i < kept; i++)
        if (k < r->action_count && str_eq(all[i], r->actions[k]))
            moved[k++] = (uint32_t)i;
    for (size_t i = 0; i < r->n; i++)
        r->action[i] = moved[r->action[i]];
    free(moved);
    r->actions = all;
    r->action_count = kept;
    r->silence = eval_action(r, STR(EVAL_SILENCE));
    return 0;
}

/* What the action column's text stands for. */
static struct str action_of(const struct eval_columns *c, struct str text)
{
    for (size_t i = 0; i < c->silence_count; i++)
        if (str_eq(c->silence[i], text))
            return STR(EVAL_SILENCE);
    for (size_t i = 0; i < c->map_count; i++)
        if (str_eq(c->map[i].from, text))
            return c->map[i].to;
    return text;
}

static size_t first_row_with(const struct frame_column *c, size_t rows, uint32_t code)
{
    size_t i = 0;
    while (i < rows && c->codes[i] != code)
        i++;
    return i;
}

/* Does a cell with this text count as missing? */
static bool is_missing(const struct frame_options *o, struct str word)
{
    bool missing = word.n == 0;
    for (size_t i = 0; o && i < o->missing_count; i++)
        missing = missing || str_eq(o->missing[i], word);
    return missing;
}

/* Do cells without a text mean that nobody was contacted? */
static bool missing_is_silence(const struct eval_columns *c, const struct frame_options *o)
{
    bool means = false;
    for (size_t i = 0; i < c->silence_count; i++)
        means = means || is_missing(o, c->silence[i]);
    return means;
}

/* Every word of the mapping must stand in the file: a misspelt one would leave its rows unmapped in silence. */
static int check_words(const struct eval_rows *r, const struct eval_columns *c,
                       const struct frame_column *column, const struct frame_options *o, struct error *e)
{
    for (size_t i = 0; i < c->map_count + c->silence_count; i++) {
        struct str word = i < c->map_count ? c->map[i].from : c->silence[i - c->map_count];
        struct suggest s;
        bool found = i >= c->map_count && column->missing && is_missing(o, word);
        suggest_init(&s, word);
        for (size_t k = 0; k < column->category_count; k++) {
            found |= str_eq(column->categories[k], word);
            suggest_offer(&s, column->categories[k]);
        }
        struct str best = suggest_best(&s);
        if (!found)
            return error_set(e, ERR_INVALID, "%s: column '%.*s' has no '%.*s'%s%.*s%s", r->name,
                             STR_ARG(column->name), STR_ARG(word), best.n ? "; did you mean " : "",
                             STR_ARG(best), best.n ? "?" : "");
    }
    return 0;
}

static int take_actions(struct eval_rows *r, const struct eval_columns *c, const struct frame_column *column,
                        const struct frame_options *o, struct error *e)
{
    int rc = check_words(r, c, column, o, e);
    if (rc)
        return rc;
    size_t count = column->category_count + (column->missing > 0); /* missing cells come last: silence */
    struct str *names = arena_alloc(&r->arena, (count + 1) * sizeof *names);
    uint32_t *codes = malloc((count + 1) * sizeof *codes);
    if (!names || !codes) {
        free(codes);
        return full(e);
    }
    for (size_t i = 0; i < column->category_count; i++)
        names[i] = action_of(c, column->categories[i]);
    if (column->missing)
        names[count - 1] = STR(EVAL_SILENCE);
    size_t n = r->n;
    r->n = 0; /* no row has an index yet */
    rc = eval_actions_add(r, names, count, e);
    r->n = n;
    for (size_t i = 0; i < count && !rc; i++)
        codes[i] = (uint32_t)eval_action(r, names[i]);
    for (size_t i = 0; i < n && !rc; i++)
        r->action[i] = codes[column->codes[i] == FRAME_MISSING ? count - 1 : column->codes[i]];
    free(codes);
    return rc;
}

static int take_positions(struct eval_rows *r, struct frame_column *column, struct error *e)
{
    if (!column) {
        r->positions = arena_zalloc(&r->arena, sizeof *r->positions);
        r->position_count = 1;
        memset(r->position, 0, r->n * sizeof *r->position);
        return r->positions ? 0 : full(e);
    }
    int rc = frame_sort_categories(column, r->n, e);
    if (rc)
        return rc;
    r->position_count = column->category_count;
    r->positions = arena_alloc(&r->arena, (r->position_count + 1) * sizeof *r->positions);
    for (size_t i = 0; r->positions && i < r->position_count; i++)
        r->positions[i] = arena_str(&r->arena, column->categories[i]);
    memcpy(r->position, column->codes, r->n * sizeof *r->position);
    return r->positions ? 0 : full(e);
}

static int take_rewards(struct eval_rows *r, const struct eval_columns *c, const struct frame_column *column,
                        struct error *e)
{
    if (!c->positive.n) {
        memcpy(r->reward, column->numbers, r->n * sizeof *r->reward);
        return 0;
    }
    long yes = -1;
    for (size_t i = 0; i < column->category_count; i++)
        if (str_eq(column->categories[i], c->positive))
            yes = (long)i;
    if (yes < 0)
        return error_set(e, ERR_INVALID, "%s: column '%.*s' has no '%.*s'; its first value is '%.*s'",
                         r->name, STR_ARG(column->name), STR_ARG(c->positive),
                         STR_ARG(column->categories[0]));
    if (column->category_count > 2) {
        size_t row = first_row_with(column, r->n, 2);
        return error_set(
            e, ERR_INVALID,
            "%s:%u: column '%.*s' has a third value, '%.*s', beside '%.*s' and '%.*s'; two are allowed",
            r->name, r->lines[row], STR_ARG(column->name), STR_ARG(column->categories[2]),
            STR_ARG(column->categories[0]), STR_ARG(column->categories[1]));
    }
    for (size_t i = 0; i < r->n; i++)
        r->reward[i] = column->codes[i] == (uint32_t)yes;
    return 0;
}

/* The share of each action among the rows of its position. */
static int take_shares(struct eval_rows *r, struct error *e)
{
    size_t cells = r->position_count * r->action_count;
    size_t *counts = calloc(cells + 1, sizeof *counts), *totals = calloc(r->position_count, sizeof *totals);
    for (size_t i = 0; counts && totals && i < r->n; i++) {
        counts[r->position[i] * r->action_count + r->action[i]]++;
        totals[r->position[i]]++;
    }
    for (size_t i = 0; counts && totals && i < r->n; i++)
        r->p[i] =
            (double)counts[r->position[i] * r->action_count + r->action[i]] / (double)totals[r->position[i]];
    int rc = counts && totals ? 0 : full(e);
    free(counts);
    free(totals);
    return rc;
}

static void take_clusters(struct eval_rows *r, const struct frame_column *column)
{
    for (size_t i = 0; i < r->n; i++) {
        uint64_t row = i;
        r->cluster[i] = column ? hash64(column->texts[i].p, column->texts[i].n) : hash64(&row, sizeof row);
    }
}

static int allocate(struct eval_rows *r, struct error *e)
{
    size_t n = r->n ? r->n : 1;
    r->action = malloc(n * sizeof *r->action);
    r->reward = malloc(n * sizeof *r->reward);
    r->p = malloc(n * sizeof *r->p);
    r->position = malloc(n * sizeof *r->position);
    r->cluster = malloc(n * sizeof *r->cluster);
    return r->action && r->reward && r->p && r->position && r->cluster ? 0 : full(e);
}

static int fill(struct eval_rows *r, const struct eval_columns *c, struct frame *f, const long *at,
                const struct frame_options *o, struct error *e)
{
    r->n = f->rows;
    snprintf(r->name, sizeof r->name, "%s", f->name);
    int rc = allocate(r, e);
    if (!rc) {
        r->lines = malloc((r->n + 1) * sizeof *r->lines);
        rc = r->lines ? 0 : full(e);
    }
    if (rc)
        return rc;
    memcpy(r->lines, f->lines, r->n * sizeof *r->lines);
    rc = take_actions(r, c, &f->columns[at[0]], o, e);
    if (!rc)
        rc = take_rewards(r, c, &f->columns[at[1]], e);
    if (!rc)
        rc = take_positions(r, at[2] < 0 ? NULL : &f->columns[at[2]], e);
    if (rc)
        return rc;
    take_clusters(r, at[3] < 0 ? NULL : &f->columns[at[3]]);
    if (at[4] >= 0)
        memcpy(r->p, f->columns[at[4]].numbers, r->n * sizeof *r->p);
    else if (c->shares)
        return take_shares(r, e);
    else
        for (size_t i = 0; i < r->n; i++)
            r->p[i] = c->constant_p;
    return 0;
}

int eval_rows_read(struct eval_rows *out, const char *path, const struct eval_columns *c,
                   const struct frame_options *options, const struct frame_want *wants, size_t want_count,
                   struct frame *extra, struct diags *diags, struct error *e)
{
    const struct frame_want own[OWN_WANTS] = {
        {.column = c->action,
         .type = FRAME_CATEGORY,
         .required = !missing_is_silence(c, options),
         .what = "the action",
         .low = 1},
        {.column = c->reward,
         .type = c->positive.n ? FRAME_CATEGORY : FRAME_DOUBLE,
         .required = true,
         .what = "the reward",
         .low = 1},
        {.column = c->position, .type = FRAME_CATEGORY, .required = true, .what = "the position", .low = 1},
        {.column = c->customer, .type = FRAME_TEXT, .required = true, .what = "the customer", .low = 1},
        {.column = c->probability,
         .type = FRAME_DOUBLE,
         .required = true,
         .what = "the action probability",
         .low = DBL_MIN,
         .high = 1},
    };
    long at[OWN_WANTS];
    *out = (struct eval_rows){.silence = -1};
    *extra = (struct frame){0};
    arena_init(&out->arena, ROWS_MEMORY);
    struct frame_want *all = arena_alloc(&out->arena, (want_count + OWN_WANTS) * sizeof *all);
    if (!all) {
        eval_rows_free(out);
        return full(e);
    }
    size_t n = want_count;
    if (want_count)
        memcpy(all, wants, want_count * sizeof *all);
    for (size_t i = 0; i < OWN_WANTS; i++) {
        at[i] = own[i].column.n ? (long)n : -1;
        if (own[i].column.n)
            all[n++] = own[i];
    }
    int rc = frame_read(extra, path, all, n, options, diags, e);
    if (!rc)
        rc = fill(out, c, extra, at, options, e);
    if (rc) {
        frame_free(extra);
        eval_rows_free(out);
    }
    return rc;
}

void eval_rows_free(struct eval_rows *r)
{
    free(r->action);
    free(r->reward);
    free(r->p);
    free(r->position);
    free(r->cluster);
    free(r->lines);
    arena_free(&r->arena);
    *r = (struct eval_rows){.silence = -1};
}
