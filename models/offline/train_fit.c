/* Fitting and predicting; see train_fit.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/offline/train_fit.h"
#include "models/offline/calibrate.h"
#include <math.h>
#include <stdlib.h>

enum { PREDICT_BLOCK = 1 << 16, POINTS_MEMORY = 64 << 20 };

/* The rows of one model and one use, one after the other. */
struct gathered {
    float *rows, *labels, *weights; /* weights may be NULL */
    size_t n;
};

struct fitting {
    struct train_models *out;
    const struct train_data *d;
    const struct train_config *c;
    const uint8_t *use;
    const struct train_fit_options *o;
    struct diags *diags;
    struct error *e;
    size_t done; /* models */
};

static int out_of_memory(struct error *e)
{
    return error_set(e, ERR_NOSPACE, "out of memory");
}

double train_transformed(const struct train_data *d, size_t i, size_t arm)
{
    double p = train_pair_probability(d, i, arm), y = (double)d->labels[i];
    if (d->arm_of[i] == arm)
        return y / p;
    return d->arm_of[i] == (uint32_t)d->silence ? -y / (1 - p) : 0;
}

/* Does row i belong to the model of an arm? */
static bool is_of(const struct fitting *x, size_t i, long arm)
{
    if (arm < 0 || x->d->arm_of[i] == (uint32_t)arm)
        return true;
    return x->c->kind == BUNDLE_TRANSFORMED && train_tells_of(x->d, i, (size_t)arm);
}

/* ---- rows ---- */

static void gathered_free(struct gathered *g)
{
    free(g->rows);
    free(g->labels);
    free(g->weights);
    *g = (struct gathered){0};
}

static int gather(struct gathered *g, const struct fitting *x, enum train_use use, long arm)
{
    const struct train_data *d = x->d;
    size_t n = 0, at = 0, width = d->features;
    *g = (struct gathered){0};
    for (size_t i = 0; i < d->n; i++)
        n += x->use[i] == use && is_of(x, i, arm);
    g->rows = malloc((n * width + 1) * sizeof *g->rows);
    g->labels = malloc((n + 1) * sizeof *g->labels);
    g->weights = d->weights ? malloc((n + 1) * sizeof *g->weights) : NULL;
    if (!g->rows || !g->labels || (d->weights && !g->weights)) {
        gathered_free(g);
        return out_of_memory(x->e);
    }
    for (size_t i = 0; i < d->n; i++) {
        if (x->use[i] != use || !is_of(x, i, arm))
            continue;
        memcpy(g->rows + at * width, d->rows + i * width, width * sizeof *g->rows);
        g->labels[at] =
            x->c->kind == BUNDLE_TRANSFORMED ? (float)train_transformed(d, i, (size_t)arm) : d->labels[i];
        if (d->weights)
            g->weights[at] = d->weights[i];
        at++;
    }
    g->n = n;
    return 0;
}

/* How much more a positive row counts. */
static double positive_weight(const struct train_config *c, const struct gathered *g)
{
    double positive = 0, negative = 0;
    if (!c->balanced)
        return c->positive_weight;
    for (size_t i = 0; i < g->n; i++) {
        double w = g->weights ? (double)g->weights[i] : 1;
        positive += g->labels[i] > 0.5f ? w : 0;
        negative += g->labels[i] > 0.5f ? 0 : w;
    }
    return positive > 0 && negative > 0 ? negative / positive : 1;
}

static int weigh_classes(struct gathered *g, double positive, struct error *e)
{
    if (positive == 1)
        return 0;
    if (!g->weights) {
        g->weights = malloc((g->n + 1) * sizeof *g->weights);
        if (!g->weights)
            return out_of_memory(e);
        for (size_t i = 0; i < g->n; i++)
            g->weights[i] = 1;
    }
    for (size_t i = 0; i < g->n; i++)
        if (g->labels[i] > 0.5f)
            g->weights[i] = (float)((double)g->weights[i] * positive);
    return 0;
}

/* ---- one model ---- */

static const char *arm_text(const struct fitting *x, long arm, char text[BUNDLE_TEXT_MAX + 20])
{
    if (arm < 0)
        snprintf(text, BUNDLE_TEXT_MAX + 20, "the model");
    else
        snprintf(text, BUNDLE_TEXT_MAX + 20, "the model of %.*s", STR_ARG(x->d->arms[arm].name));
    return text;
}

/* The margins of the rows aside decide; when they cannot, the model stays as it is. */
static int calibrate(struct fitting *x, struct train_model *m, const struct gathered *aside)
{
    struct error why = {0};
    char text[BUNDLE_TEXT_MAX + 20];
    float *margins = malloc((aside->n + 1) * sizeof *margins);
    if (!margins)
        return out_of_memory(x->e);
    int rc = booster_margins(m->booster, aside->rows, aside->n, x->d->features, margins, x->e);
    if (!rc) {
        int failed =
            x->c->calibration == CALIBRATION_PLATT
                ? calibrate_platt(&m->calibration, margins, aside->labels, aside->weights, aside->n, &why)
                : calibrate_isotonic(&m->calibration, margins, aside->labels, aside->weights, aside->n,
                                     &x->out->arena, &why);
        if (failed) {
            m->calibration = (struct calibration){.kind = CALIBRATION_NONE};
            diag_add(x->diags, DIAG_WARNING, x->d->name, 0, 0, "%s is left without calibration: %s",
                     arm_text(x, m->arm, text), why.text);
        }
    }
    free(margins);
    return rc;
}

static void on_round(void *user, int round, int rounds)
{
    struct fitting *x = user;
    uint64_t all = (uint64_t)rounds;
    if (x->o->progress)
        x->o->progress(x->o->user, (uint64_t)x->done * all + (uint64_t)round, x->out->count * all);
}

static int boost(struct fitting *x, struct train_model *m, const struct gathered *rows,
                 const struct gathered *aside)
{
    const struct train_data *d = x->d;
    size_t width = d->features;
    char objective[64];
    const char **names = arena_alloc(&x->out->arena, width * sizeof *names);
    bool *categorical = arena_alloc(&x->out->arena, width * sizeof *categorical);
    int *monotone = arena_alloc(&x->out->arena, width * sizeof *monotone);
    bool any = false;
    if (!names || !categorical || !monotone)
        return out_of_memory(x->e);
    for (size_t i = 0; i < width; i++) {
        names[i] = arena_str(&x->out->arena, d->specs[i].name).p;
        categorical[i] = d->specs[i].type == BUNDLE_CATEGORY;
        monotone[i] = x->c->features[i].monotone;
        any = any || monotone[i];
        if (!names[i])
            return out_of_memory(x->e);
    }
    snprintf(objective, sizeof objective, "%.*s", STR_ARG(d->objective));
    const struct trainer_data train = {rows->rows, rows->labels, rows->weights, rows->n,
                                       width,      names,        categorical,   any ? monotone : NULL};
    const struct trainer_data watch = {.rows = aside->rows,
                                       .labels = aside->labels,
                                       .weights = aside->weights,
                                       .n = aside->n,
                                       .features = width};
    const struct trainer_options options = {.objective = objective,
                                            .params = x->c->params,
                                            .param_count = x->c->param_count,
                                            .rounds = x->c->rounds,
                                            .seed = x->c->seed,
                                            .watch = x->c->patience ? &watch : NULL,
                                            .patience = x->c->patience,
                                            .progress = on_round,
                                            .user = x,
                                            .cancel = x->o->cancel};
    struct trainer_result result = {0};
    buf_init(&m->bytes, TRAIN_MODEL_MAX);
    int rc = trainer_run(&train, &options, &m->bytes, &result, x->e);
    m->rounds = result.rounds;
    m->rows = rows->n;
    return rc ? rc : booster_open(&m->booster, m->bytes.p, m->bytes.n, x->e);
}

static int fit_one(struct fitting *x, struct train_model *m)
{
    struct gathered rows = {0}, aside = {0};
    char text[BUNDLE_TEXT_MAX + 20];
    bool needs_aside = x->c->patience > 0 || x->c->calibration != CALIBRATION_NONE;
    int rc = gather(&rows, x, USE_TRAIN, m->arm);
    if (!rc && needs_aside)
        rc = gather(&aside, x, USE_ASIDE, m->arm);
    if (!rc && (rows.n == 0 || (needs_aside && aside.n == 0)))
        rc = error_set(x->e, ERR_INVALID, "%s has %zu rows to train on and %zu aside; more rows are needed",
                       arm_text(x, m->arm, text), rows.n, aside.n);
    struct gathered plain = aside; /* calibration knows no class weights */
    float *kept = NULL;
    double positive = rc ? 1 : positive_weight(x->c, &rows);
    if (!rc && aside.weights && positive != 1) {
        kept = malloc((aside.n + 1) * sizeof *kept);
        if (kept)
            memcpy(kept, aside.weights, aside.n * sizeof *kept);
        else
            rc = out_of_memory(x->e);
        plain.weights = kept;
    }
    if (!rc)
        rc = weigh_classes(&rows, positive, x->e);
    if (!rc && aside.n)
        rc = weigh_classes(&aside, positive, x->e);
    if (!rc)
        rc = boost(x, m, &rows, &aside);
    gathered_free(&rows);
    if (!rc && x->c->calibration != CALIBRATION_NONE)
        rc = calibrate(x, m, &plain);
    gathered_free(&aside);
    free(kept);
    return rc;
}

/* ---- all of them ---- */

int train_fit(struct train_models *out, const struct train_data *d, const struct train_config *c,
              const uint8_t *use, const struct train_fit_options *o, struct diags *diags, struct error *e)
{
    struct fitting x = {out, d, c, use, o, diags, e, 0};
    bool single = train_is_single(c);
    *out = (struct train_models){0};
    arena_init(&out->arena, POINTS_MEMORY);
    const struct objective *objective = objective_find(d->objective);
    if (!objective)
        return error_set(e, ERR_INTERNAL, "no link for objective %.*s", STR_ARG(d->objective));
    out->link = objective->link;
    out->list = arena_zalloc(&out->arena, (single ? 1 : d->arm_count) * sizeof *out->list);
    if (!out->list)
        return out_of_memory(e);
    for (size_t a = 0; a < (single ? 1 : d->arm_count); a++)
        if (single || c->kind == BUNDLE_T_LEARNER || (long)a != d->silence)
            out->list[out->count++].arm = single ? -1 : (long)a;
    for (size_t i = 0; i < out->count; i++) {
        int rc = fit_one(&x, &out->list[i]);
        if (rc) {
            train_models_free(out);
            return rc;
        }
        x.done++;
    }
    return 0;
}

void train_models_free(struct train_models *m)
{
    for (size_t i = 0; i < m->count; i++) {
        buf_free(&m->list[i].bytes);
        booster_free(&m->list[i].booster);
    }
    arena_free(&m->arena);
    *m = (struct train_models){0};
}

/* ---- predictions ---- */

size_t train_prediction_lists(const struct train_data *d, const struct train_config *c)
{
    return c->kind == BUNDLE_PROPENSITY ? 1 : d->arm_count;
}

/* What features from: action are for each arm, [arms][features]: the least value of its rows outside the test part. */
static float *action_values(const struct train_data *d, const struct train_config *c)
{
    float *values = malloc((d->arm_count * d->features + 1) * sizeof *values);
    for (size_t k = 0; values && k < d->arm_count * d->features; k++)
        values[k] = NAN;
    for (size_t i = 0; values && i < d->n; i++)
        for (size_t k = 0; k < d->features && d->side[i] != SIDE_TEST; k++) {
            float v = d->rows[i * d->features + k], *at = &values[d->arm_of[i] * d->features + k];
            if (c->features[k].from == BUNDLE_ACTION && !isnan(v) && (isnan(*at) || v < *at))
                *at = v;
        }
    return values;
}

struct predicting {
    const struct train_data *d;
    const struct train_config *c;
    enum link link;
    float *block, *margins;
    float *actions; /* s_learner */
    struct error *e;
};

/* Rows as if their action were `arm` (-1: as they are). */
static void take_block(struct predicting *x, const uint32_t *rows, size_t count, long arm)
{
    size_t width = x->d->features;
    for (size_t k = 0; k < count; k++) {
        float *to = x->block + k * width;
        memcpy(to, x->d->rows + rows[k] * width, width * sizeof *to);
        if (arm < 0 || x->d->arm_of[rows[k]] == (uint32_t)arm)
            continue;
        for (size_t f = 0; f < width; f++)
            if (x->c->features[f].from == BUNDLE_ACTION)
                to[f] = x->actions[(size_t)arm * width + f];
            else if (x->c->features[f].from == BUNDLE_PAIR)
                to[f] = NAN;
    }
}

static int predict_list(struct predicting *x, const struct train_model *m, const uint32_t *rows, size_t count,
                        long arm, double *out)
{
    for (size_t from = 0; from < count; from += PREDICT_BLOCK) {
        size_t n = count - from < PREDICT_BLOCK ? count - from : PREDICT_BLOCK;
        take_block(x, rows + from, n, arm);
        int rc = booster_margins(m->booster, x->block, n, x->d->features, x->margins, x->e);
        if (rc)
            return rc;
        for (size_t k = 0; k < n; k++)
            out[from + k] = calibration_apply(&m->calibration, x->link, x->margins[k]);
    }
    return 0;
}

int train_predict(double *out, const struct train_models *m, const struct train_data *d,
                  const struct train_config *c, const uint32_t *rows, size_t count, struct error *e)
{
    struct predicting x = {.d = d, .c = c, .link = m->link, .e = e};
    size_t lists = train_prediction_lists(d, c), block = count < PREDICT_BLOCK ? count : PREDICT_BLOCK;
    int rc = 0;
    x.block = malloc((block * d->features + 1) * sizeof *x.block);
    x.margins = malloc((block + 1) * sizeof *x.margins);
    x.actions = c->kind == BUNDLE_S_LEARNER ? action_values(d, c) : NULL;
    if (!x.block || !x.margins || (c->kind == BUNDLE_S_LEARNER && !x.actions))
        rc = out_of_memory(e);
    for (size_t k = 0; k < lists * count && !rc; k++)
        out[k] = 0;
    for (size_t i = 0; i < m->count && !rc; i++) {
        long arm = m->list[i].arm;
        if (arm >= 0 || c->kind == BUNDLE_PROPENSITY)
            rc = predict_list(&x, &m->list[i], rows, count, -1, out + (arm < 0 ? 0 : (size_t)arm) * count);
        else
            for (size_t a = 0; a < lists && !rc; a++)
                rc = predict_list(&x, &m->list[i], rows, count, (long)a, out + a * count);
    }
    free(x.block);
    free(x.margins);
    free(x.actions);
    return rc;
}
