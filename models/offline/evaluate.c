/* Rows, a target and rewards into the estimators; see evaluate.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/offline/evaluate.h"
#include "models/booster.h"
#include "models/calibration.h"
#include "models/trainer.h"
#include <math.h>
#include <stdlib.h>

double eval_probability(const struct eval_target *t, const struct eval_rows *r, size_t row, uint32_t action)
{
    switch (t->kind) {
    case TARGET_ARM:
        return action == t->arm;
    case TARGET_TABLE:
        return t->table[r->position[row] * r->action_count + action];
    case TARGET_MATRIX:
        return t->matrix[row * r->action_count + action];
    case TARGET_CHOICES:
        return action == t->choices[row];
    }
    return 0;
}

double eval_silent_share(const struct eval_target *t, const struct eval_rows *r)
{
    double sum = 0;
    for (size_t i = 0; r->silence >= 0 && i < r->n; i++)
        sum += eval_probability(t, r, i, (uint32_t)r->silence);
    return r->n ? sum / (double)r->n : 0;
}

/* Which actions the log has at each position: one bit a cell would do, a byte is simpler. */
static uint8_t *logged_actions(const struct eval_rows *r)
{
    uint8_t *seen = calloc(r->position_count * r->action_count + 1, 1);
    for (size_t i = 0; seen && i < r->n; i++)
        seen[r->position[i] * r->action_count + r->action[i]] = 1;
    return seen;
}

static double expected(const struct eval_rewards *m, const struct eval_rows *r, size_t row, uint32_t action,
                       double cost)
{
    double q = m->matrix ? m->matrix[row * r->action_count + action]
                         : m->table[r->position[row] * r->action_count + action];
    return (long)action == r->silence ? q : q - cost;
}

/* The one action that the target takes for certain, or -1. */
static long certain(const struct eval_target *t, size_t row)
{
    return t->kind == TARGET_ARM ? (long)t->arm : t->kind == TARGET_CHOICES ? (long)t->choices[row] : -1;
}

static void fill_row(struct ope_row *out, double *unsupported, const struct eval_rows *r, size_t i,
                     const struct eval_target *t, const struct eval_rewards *m, double cost,
                     const uint8_t *seen)
{
    uint32_t a = r->action[i];
    const uint8_t *here = seen + r->position[i] * r->action_count;
    *out = (struct ope_row){.weight = eval_probability(t, r, i, a) / r->p[i],
                            .reward = (long)a == r->silence ? r->reward[i] : r->reward[i] - cost,
                            .logged = r->p[i],
                            .cluster = r->cluster[i],
                            .position = r->position[i]};
    bool model = m->matrix || m->table;
    if (model)
        out->model_logged = expected(m, r, i, a, cost);
    *unsupported = 0;
    long sure = certain(t, i);
    uint32_t from = sure < 0 ? 0 : (uint32_t)sure, to = sure < 0 ? (uint32_t)r->action_count : from + 1;
    for (uint32_t k = from; k < to; k++) {
        double p = eval_probability(t, r, i, k);
        if (model)
            out->model_value += p * expected(m, r, i, k, cost);
        if (!here[k])
            *unsupported += p;
    }
}

int evaluate(struct ope **out, const struct eval_rows *r, const struct eval_target *t,
             const struct eval_rewards *rewards, double cost, struct ope_options options, struct error *e)
{
    options.positions = r->position_count;
    options.model = rewards->matrix || rewards->table;
    uint8_t *seen = logged_actions(r);
    struct ope *x = seen ? ope_new(&options) : NULL;
    int rc = x ? 0 : error_set(e, ERR_NOSPACE, "the evaluation does not fit the memory");
    for (size_t i = 0; i < r->n && !rc; i++) {
        struct ope_row row;
        double unsupported;
        fill_row(&row, &unsupported, r, i, t, rewards, cost, seen);
        if ((rc = ope_add(x, &row, e))) {
            if (r->lines)
                error_prefix(e, "%s:%u", r->name, r->lines[i]);
            break;
        }
        if (unsupported > 0)
            ope_unsupported(x, r->position[i], unsupported);
    }
    free(seen);
    if (rc && x)
        ope_free(&x);
    *out = rc ? NULL : x;
    return rc;
}

/* ---- the reward model ---- */

enum { PREDICT_ROWS = 4096 }; /* of the model at once, about */

/* Columns: the features, then the action, then the position where there are several. */
struct fitting {
    const struct eval_rows *r;
    const struct eval_model_features *f;
    size_t width;
    bool *categorical;
    bool binary;
    float *rows, *labels; /* of one fit */
};

static void put_row(const struct fitting *g, float *out, size_t i, uint32_t action)
{
    if (g->f->count)
        memcpy(out, g->f->rows + i * g->f->count, g->f->count * sizeof *out);
    out[g->f->count] = (float)action;
    if (g->r->position_count > 1)
        out[g->f->count + 1] = (float)g->r->position[i];
}

static int fit_fold(const struct fitting *g, int fold, int folds, uint64_t seed, struct buf *model,
                    struct error *e)
{
    static const struct trainer_param binary[] = {{"objective", "binary:logistic"}},
                                      number[] = {{"objective", "reg:squarederror"}};
    static const struct trainer_param shared[] = {
        {"eta", "0.1"}, {"max_depth", "3"}, {"min_child_weight", "20"}, {"lambda", "1"}};
    struct trainer_param params[5];
    params[0] = g->binary ? binary[0] : number[0];
    memcpy(params + 1, shared, sizeof shared);
    size_t n = 0;
    for (size_t i = 0; i < g->r->n; i++) {
        if ((int)(g->r->cluster[i] % (uint64_t)folds) == fold)
            continue;
        put_row(g, g->rows + n * g->width, i, g->r->action[i]);
        g->labels[n++] = (float)g->r->reward[i];
    }
    if (n == 0)
        return error_set(e, ERR_INVALID, "too few rows (or customers) for a reward model in %d folds", folds);
    struct trainer_data data = {
        .rows = g->rows, .labels = g->labels, .n = n, .features = g->width, .categorical = g->categorical};
    return trainer_fit(&data, params, 5, 100, seed, model, e);
}

/* What the model expects of every action in the n rows `which`; rows and margins have room for them. */
static int predict_block(const struct fitting *g, struct booster *b, const size_t *which, size_t n,
                         float *rows, float *margins, double *matrix, struct error *e)
{
    static const struct calibration plain = {.kind = CALIBRATION_NONE};
    size_t actions = g->r->action_count;
    for (size_t k = 0; k < n; k++)
        for (uint32_t a = 0; a < actions; a++)
            put_row(g, rows + (k * actions + a) * g->width, which[k], a);
    int rc = n ? booster_margins(b, rows, n * actions, g->width, margins, e) : 0;
    for (size_t k = 0; k < n && !rc; k++)
        for (size_t a = 0; a < actions; a++)
            matrix[which[k] * actions + a] = calibration_apply(
                &plain, g->binary ? LINK_LOGISTIC : LINK_IDENTITY, margins[k * actions + a]);
    return rc;
}

static int predict_fold(const struct fitting *g, int fold, int folds, struct booster *b, double *matrix,
                        struct error *e)
{
    size_t actions = g->r->action_count, most = PREDICT_ROWS / actions + 1, n = 0, which[PREDICT_ROWS + 1];
    float *rows = malloc(most * actions * g->width * sizeof *rows);
    float *margins = malloc(most * actions * sizeof *margins);
    int rc = rows && margins ? 0 : error_set(e, ERR_NOSPACE, "the reward model does not fit the memory");
    for (size_t i = 0; i < g->r->n && !rc; i++) {
        if ((int)(g->r->cluster[i] % (uint64_t)folds) != fold)
            continue;
        which[n++] = i;
        if (n == most) {
            rc = predict_block(g, b, which, n, rows, margins, matrix, e);
            n = 0;
        }
    }
    if (!rc)
        rc = predict_block(g, b, which, n, rows, margins, matrix, e);
    free(rows);
    free(margins);
    return rc;
}

static int cross_fit(const struct fitting *g, int folds, uint64_t seed, double *matrix, struct error *e)
{
    int rc = 0;
    for (int fold = 0; fold < folds && !rc; fold++) {
        struct buf model;
        struct booster *b = NULL;
        buf_init(&model, 256 << 20);
        rc = fit_fold(g, fold, folds, seed, &model, e);
        if (!rc)
            rc = booster_open(&b, model.p, model.n, e);
        if (!rc)
            rc = predict_fold(g, fold, folds, b, matrix, e);
        booster_free(&b);
        buf_free(&model);
    }
    return rc;
}

int eval_reward_model(double *matrix, const struct eval_rows *r, const struct eval_model_features *f,
                      int folds, uint64_t seed, struct error *e)
{
    struct fitting g = {.r = r, .f = f, .width = f->count + 1 + (r->position_count > 1), .binary = true};
    for (size_t i = 0; i < r->n; i++)
        g.binary = g.binary && (r->reward[i] == 0 || r->reward[i] == 1);
    g.rows = malloc((r->n * g.width + 1) * sizeof *g.rows);
    g.labels = malloc((r->n + 1) * sizeof *g.labels);
    g.categorical = calloc(g.width, sizeof *g.categorical);
    int rc = g.rows && g.labels && g.categorical
                 ? 0
                 : error_set(e, ERR_NOSPACE, "the reward model does not fit the memory");
    if (!rc) {
        for (size_t i = 0; i < g.width; i++)
            g.categorical[i] = i >= f->count || (f->categorical && f->categorical[i]);
        rc = cross_fit(&g, folds, seed, matrix, e);
    }
    free(g.rows);
    free(g.labels);
    free(g.categorical);
    return rc;
}
