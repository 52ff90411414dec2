/* Tables and columns as targets; see evaluate_targets.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tools/evaluate_targets.h"
#include <math.h>
#include <stdlib.h>

static const double sum_tolerance = 1e-6;

/* ---- tables ---- */

static long find_position(const struct eval_rows *r, struct str name)
{
    for (size_t i = 0; i < r->position_count; i++)
        if (str_eq(r->positions[i], name))
            return (long)i;
    return -1;
}

/* Each position's probabilities must make up one choice. */
static int check_sums(const struct eval_rows *r, const double *table, const char *path, struct error *e)
{
    for (size_t p = 0; p < r->position_count; p++) {
        double sum = 0;
        for (size_t a = 0; a < r->action_count; a++)
            sum += table[p * r->action_count + a];
        if (fabs(sum - 1) > sum_tolerance)
            return error_set(e, ERR_INVALID,
                             "%s: the probabilities%s%.*s add up to %.9g; they must add up to 1", path,
                             r->position_count > 1 ? " at position " : "", STR_ARG(r->positions[p]), sum);
    }
    return 0;
}

static int fill_table(double *table, const struct eval_rows *r, const struct frame *f, const char *path,
                      struct error *e)
{
    const struct frame_column *actions = &f->columns[0], *values = &f->columns[1];
    const struct frame_column *positions = f->column_count > 2 ? &f->columns[2] : NULL;
    for (size_t i = 0; i < r->position_count * r->action_count; i++)
        table[i] = NAN;
    for (size_t i = 0; i < f->rows; i++) {
        struct str action = actions->categories[actions->codes[i]];
        long at = positions ? find_position(r, positions->categories[positions->codes[i]]) : 0;
        if (at < 0)
            return error_set(e, ERR_INVALID, "%s:%u: no row stands at position '%.*s'", path, f->lines[i],
                             STR_ARG(positions->categories[positions->codes[i]]));
        double *cell = &table[(size_t)at * r->action_count + (size_t)eval_action(r, action)];
        if (!isnan(*cell))
            return error_set(e, ERR_INVALID, "%s:%u: action '%.*s' is listed twice%s", path, f->lines[i],
                             STR_ARG(action), positions ? " at this position" : "");
        *cell = values->numbers[i];
    }
    for (size_t i = 0; i < r->position_count * r->action_count; i++)
        table[i] = isnan(table[i]) ? 0 : table[i];
    return 0;
}

int targets_table(double **out, struct eval_rows *r, const char *path, const char *value_name,
                  bool probabilities, struct error *e)
{
    const struct frame_want wants[] = {
        {.column = STR("action"), .type = FRAME_CATEGORY, .required = true, .low = 1},
        {.column = str_from(value_name),
         .type = FRAME_DOUBLE,
         .required = true,
         .low = probabilities ? 0 : 1,
         .high = probabilities ? 1 : 0},
        {.column = STR("position"), .type = FRAME_CATEGORY, .required = true, .low = 1},
    };
    struct frame f;
    struct frame_options options = {0};
    struct arena arena;
    struct diags diags;
    *out = NULL;
    arena_init(&arena, 16 << 20);
    diags_init(&diags, &arena);
    int rc = frame_read(&f, path, wants, r->position_count > 1 ? 3 : 2, &options, &diags, e);
    if (rc) {
        diags_print(&diags, stderr);
        arena_free(&arena);
        return rc;
    }
    rc = eval_actions_add(r, f.columns[0].categories, f.columns[0].category_count, e);
    double *table = rc ? NULL : malloc((r->position_count * r->action_count + 1) * sizeof *table);
    if (!rc && !table)
        rc = error_set(e, ERR_NOSPACE, "out of memory");
    if (!rc)
        rc = fill_table(table, r, &f, path, e);
    if (!rc && probabilities)
        rc = check_sums(r, table, path, e);
    frame_free(&f);
    arena_free(&arena);
    if (rc)
        free(table);
    else
        *out = table;
    return rc;
}

/* ---- columns ---- */

int targets_wants(struct frame_want **out, size_t *count, const struct str *header, size_t header_count,
                  const char *prefix, bool probabilities, struct arena *arena, struct error *e)
{
    struct frame_want *wants = arena_zalloc(arena, (header_count + 1) * sizeof *wants);
    *count = 0;
    for (size_t i = 0; wants && i < header_count; i++)
        if (str_starts(header[i], str_from(prefix)) && header[i].n > strlen(prefix))
            wants[(*count)++] = (struct frame_want){.column = header[i],
                                                    .type = FRAME_DOUBLE,
                                                    .required = true,
                                                    .low = probabilities ? 0 : 1,
                                                    .high = probabilities ? 1 : 0};
    *out = wants;
    if (!wants)
        return error_set(e, ERR_NOSPACE, "out of memory");
    return *count ? 0
                  : error_set(e, ERR_INVALID, "no column begins with '%s' and goes on with an action's name",
                              prefix);
}

/* Column k of the prefix stands for which action. */
static int map_columns(uint32_t *actions, struct eval_rows *r, const struct frame *f, size_t from,
                       size_t count, const char *prefix, struct error *e)
{
    struct str *names = calloc(count + 1, sizeof *names);
    if (!names)
        return error_set(e, ERR_NOSPACE, "out of memory");
    for (size_t k = 0; k < count; k++) {
        struct str name = f->columns[from + k].name;
        names[k] = (struct str){name.p + strlen(prefix), name.n - strlen(prefix)};
    }
    int rc = eval_actions_add(r, names, count, e);
    for (size_t k = 0; k < count && !rc; k++)
        actions[k] = (uint32_t)eval_action(r, names[k]);
    free(names);
    return rc;
}

static int check_covered(const struct eval_rows *r, const uint32_t *actions, size_t count, const char *prefix,
                         struct error *e)
{
    for (size_t i = 0; i < r->n; i++) {
        size_t k = 0;
        while (k < count && actions[k] != r->action[i])
            k++;
        if (k == count)
            return error_set(e, ERR_INVALID, "%s:%u: action '%.*s' has no column '%s%.*s'", r->name,
                             r->lines ? r->lines[i] : 0, STR_ARG(r->actions[r->action[i]]), prefix,
                             STR_ARG(r->actions[r->action[i]]));
    }
    return 0;
}

int targets_columns(double **out, struct eval_rows *r, const struct frame *f, size_t from, size_t count,
                    const char *prefix, bool probabilities, struct error *e)
{
    uint32_t *actions = malloc((count + 1) * sizeof *actions);
    double *matrix = NULL;
    int rc = actions ? map_columns(actions, r, f, from, count, prefix, e)
                     : error_set(e, ERR_NOSPACE, "out of memory");
    if (!rc)
        rc = check_covered(r, actions, count, prefix, e);
    if (!rc && !(matrix = calloc(r->n * r->action_count + 1, sizeof *matrix)))
        rc = error_set(e, ERR_NOSPACE, "out of memory");
    for (size_t i = 0; i < r->n && !rc; i++) {
        double sum = 0;
        for (size_t k = 0; k < count; k++) {
            double v = f->columns[from + k].numbers[i];
            matrix[i * r->action_count + actions[k]] = v;
            sum += v;
        }
        if (probabilities && fabs(sum - 1) > sum_tolerance)
            rc = error_set(e, ERR_INVALID,
                           "%s:%u: the columns %s… add up to %.9g; probabilities must add up to 1", r->name,
                           r->lines[i], prefix, sum);
    }
    free(actions);
    if (rc)
        free(matrix);
    *out = rc ? NULL : matrix;
    return rc;
}
