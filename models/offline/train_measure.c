/* Measuring; see train_measure.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/offline/train_measure.h"
#include "models/offline/train_policies.h"
#include <math.h>
#include <stdlib.h>

enum { MEASURES_MEMORY = 16 << 20, DRAWS = 50 * 1000 * 1000, RESAMPLES_LEAST = 50, RESAMPLES_MOST = 500 };

struct measuring {
    struct train_measures *out;
    const struct train_data *d;
    const struct train_config *c;
    const uint32_t *rows;
    size_t count;
    const double *predictions; /* list after list, each count long */
    const volatile sig_atomic_t *cancel;
    struct error *e;
};

static int cancelled(const struct measuring *x)
{
    return x->cancel && *x->cancel ? error_set(x->e, ERR_UNAVAILABLE, "stopped before the training was done")
                                   : 0;
}

static int out_of_memory(struct error *e)
{
    return error_set(e, ERR_NOSPACE, "out of memory");
}

/* So many that the work stays bounded. */
static int resamples_of(size_t rows)
{
    size_t n = DRAWS / (rows + 1);
    return n < RESAMPLES_LEAST ? RESAMPLES_LEAST : n > RESAMPLES_MOST ? RESAMPLES_MOST : (int)n;
}

/* ---- models ---- */

/* The rows of one model, side by side. */
struct columns {
    double *predictions;
    float *labels, *weights;
    size_t n;
};

static int make_columns(struct columns *v, const struct measuring *x)
{
    *v = (struct columns){malloc((x->count + 1) * sizeof *v->predictions),
                          malloc((x->count + 1) * sizeof *v->labels),
                          x->d->weights ? malloc((x->count + 1) * sizeof *v->weights) : NULL, 0};
    return v->predictions && v->labels && (v->weights || !x->d->weights) ? 0 : out_of_memory(x->e);
}

static void free_columns(struct columns *v)
{
    free(v->predictions);
    free(v->labels);
    free(v->weights);
}

static void put(struct columns *v, const struct measuring *x, size_t k, double prediction)
{
    uint32_t i = x->rows[k];
    v->predictions[v->n] = prediction;
    v->labels[v->n] = x->d->labels[i];
    if (v->weights)
        v->weights[v->n] = x->d->weights[i];
    v->n++;
}

static void figure(struct train_score *s, const char *name, struct metric m)
{
    s->figures[s->count++] = (struct train_figure){name, m};
}

static struct metric root(struct metric m)
{
    return (struct metric){sqrt(m.value), sqrt(m.low), sqrt(m.high)};
}

static void score(const struct measuring *x, long arm, const struct columns *v)
{
    struct train_score *s = &x->out->scores[x->out->score_count++];
    const double *p = v->predictions;
    *s = (struct train_score){.arm = arm, .rows = v->n};
    for (size_t i = 0; i < v->n; i++) {
        s->mean_label += (double)v->labels[i] / (double)v->n;
        s->mean_prediction += p[i] / (double)v->n;
    }
    if (x->c->label_type == BUNDLE_BINARY) {
        figure(s, "auc", metric_auc(p, v->labels, v->n));
        figure(s, "log_loss", metric_log_loss(p, v->labels, v->weights, v->n));
        figure(s, "brier", metric_squared(p, v->labels, v->weights, v->n));
        figure(s, "calibration_error",
               metric_calibration_error(p, v->labels, v->n, MEASURE_BINS, x->c->seed, s->points,
                                        &s->point_count));
        return;
    }
    figure(s, "rmse", root(metric_squared(p, v->labels, v->weights, v->n)));
    figure(s, "mae", metric_absolute(p, v->labels, v->weights, v->n));
    const struct objective *objective = objective_find(x->d->objective);
    if (objective && objective->link == LINK_EXP)
        figure(s, "poisson_deviance", metric_poisson(p, v->labels, v->weights, v->n));
}

static int measure_models(const struct measuring *x)
{
    size_t arms = train_is_single(x->c) ? 1 : x->d->arm_count;
    struct columns v;
    x->out->scores = arena_zalloc(&x->out->arena, arms * sizeof *x->out->scores);
    int rc = make_columns(&v, x);
    if (!rc && !x->out->scores)
        rc = out_of_memory(x->e);
    for (size_t a = 0; a < arms && !rc; a++) {
        v.n = 0;
        for (size_t k = 0; k < x->count; k++) {
            uint32_t own = x->d->arm_of && x->c->kind != BUNDLE_PROPENSITY ? x->d->arm_of[x->rows[k]] : 0;
            if (train_is_single(x->c) || own == a)
                put(&v, x, k, x->predictions[own * x->count + k]);
        }
        score(x, train_is_single(x->c) ? -1 : (long)a, &v);
        rc = cancelled(x);
    }
    free_columns(&v);
    return rc;
}

/* ---- uplift ---- */

/* The predicted difference that an arm makes at the k-th row. */
static double uplift_of(const struct measuring *x, size_t arm, size_t k)
{
    return x->predictions[arm * x->count + k] - x->predictions[(size_t)x->d->silence * x->count + k];
}

static int measure_uplift(const struct measuring *x, size_t arm, struct columns *v, uint8_t *treated,
                          double *p)
{
    struct train_uplift u = {.arm = arm};
    v->n = 0;
    for (size_t k = 0; k < x->count; k++) {
        uint32_t i = x->rows[k], own = x->d->arm_of[i];
        if (!train_tells_of(x->d, i, arm))
            continue;
        treated[v->n] = own == arm;
        p[v->n] = train_pair_probability(x->d, i, arm);
        put(v, x, k, uplift_of(x, arm, k));
        if (own != arm && own != (uint32_t)x->d->silence)
            v->labels[v->n - 1] = 0;
    }
    u.rows = v->n;
    int rc = metric_uplift(&u.m, v->predictions, v->labels, treated, p, v->n, resamples_of(v->n), x->c->seed);
    if (rc && rc != ERR_INVALID) /* without rows of both there is no figure */
        return out_of_memory(x->e);
    x->out->uplifts[x->out->uplift_count++] = u;
    return cancelled(x);
}

static int measure_uplifts(const struct measuring *x)
{
    const struct train_data *d = x->d;
    uint8_t *treated = malloc(x->count + 1);
    double *p = malloc((x->count + 1) * sizeof *p);
    struct columns v;
    int rc = make_columns(&v, x);
    x->out->uplifts = arena_zalloc(&x->out->arena, d->arm_count * sizeof *x->out->uplifts);
    if (!rc && (!treated || !p || !x->out->uplifts))
        rc = out_of_memory(x->e);
    for (size_t a = 0; a < d->arm_count && !rc; a++)
        if ((long)a != d->silence)
            rc = measure_uplift(x, a, &v, treated, p);
    free_columns(&v);
    free(treated);
    free(p);
    return rc;
}

int train_measure(struct train_measures *out, const struct train_data *d, const struct train_config *c,
                  const uint32_t *rows, size_t count, const double *predictions, bool policies,
                  const volatile sig_atomic_t *cancel, struct error *e)
{
    struct measuring x = {out, d, c, rows, count, predictions, cancel, e};
    *out = (struct train_measures){0};
    arena_init(&out->arena, MEASURES_MEMORY);
    int rc = c->kind == BUNDLE_TRANSFORMED ? 0 : measure_models(&x);
    if (!rc && train_is_uplift(c))
        rc = measure_uplifts(&x);
    if (!rc && train_is_uplift(c) && policies)
        rc = train_measure_policies(out, d, c, rows, count, predictions, resamples_of(count), cancel, e);
    if (rc)
        train_measures_free(out);
    return rc;
}

void train_measures_free(struct train_measures *m)
{
    arena_free(&m->arena);
    *m = (struct train_measures){0};
}
