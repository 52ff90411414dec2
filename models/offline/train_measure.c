/* Measuring; see train_measure.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/offline/train_measure.h"
#include "models/offline/ope.h"
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
    struct error *e;
};

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
    enum link link = LINK_IDENTITY;
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
               metric_calibration_error(p, v->labels, v->n, MEASURE_BINS, x->c->seed, NULL, NULL));
        return;
    }
    figure(s, "rmse", root(metric_squared(p, v->labels, v->weights, v->n)));
    figure(s, "mae", metric_absolute(p, v->labels, v->weights, v->n));
    if (bundle_objective_link(x->d->objective, &link) && link == LINK_EXP)
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
        if (own != arm && own != (uint32_t)x->d->silence)
            continue;
        treated[v->n] = own == arm;
        p[v->n] = train_pair_probability(x->d, i, arm);
        put(v, x, k, uplift_of(x, arm, k));
    }
    u.rows = v->n;
    int rc = metric_uplift(&u.m, v->predictions, v->labels, treated, p, v->n, resamples_of(v->n), x->c->seed);
    if (rc && rc != ERR_INVALID) /* without rows of both there is no figure */
        return out_of_memory(x->e);
    x->out->uplifts[x->out->uplift_count++] = u;
    return 0;
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

/* ---- policies ---- */

/* The mean label of silence outside the test part: all that a transformed model's reward lacks. */
static double silent_mean(const struct train_data *d)
{
    double sum = 0, n = 0;
    for (size_t i = 0; i < d->n; i++)
        if (d->side[i] != SIDE_TEST && d->arm_of[i] == (uint32_t)d->silence) {
            sum += (double)d->labels[i];
            n++;
        }
    return n > 0 ? sum / n : 0;
}

/* The arm that a policy takes at the k-th row; the first of equals, silence before all. */
static size_t choose(const struct measuring *x, const struct train_policy *policy, size_t k)
{
    size_t best = (size_t)x->d->silence;
    double most = x->predictions[best * x->count + k];
    if (policy->kind != POLICY_BEST)
        return policy->kind == POLICY_ARM ? policy->arm : best;
    for (size_t a = 0; a < x->d->arm_count; a++) {
        double q = x->predictions[a * x->count + k] - policy->cost;
        if ((long)a != x->d->silence && q > most) {
            best = a;
            most = q;
        }
    }
    return best;
}

static int run_policy(const struct measuring *x, struct train_policy *policy, double base, struct ope **out)
{
    const struct train_data *d = x->d;
    const struct ope_options options = {
        .positions = 1, .model = true, .resamples = resamples_of(x->count), .seed = x->c->seed};
    struct ope *o = ope_new(&options);
    size_t silent = 0;
    int rc = o ? 0 : out_of_memory(x->e);
    for (size_t k = 0; k < x->count && !rc; k++) {
        uint32_t i = x->rows[k], own = d->arm_of[i];
        size_t arm = choose(x, policy, k);
        double own_cost = (long)own == d->silence ? 0 : policy->cost;
        double arm_cost = (long)arm == d->silence ? 0 : policy->cost;
        silent += (long)arm == d->silence;
        const struct ope_row row = {.weight = arm == own ? 1 / d->p[i] : 0,
                                    .reward = (double)d->labels[i] - own_cost,
                                    .logged = d->p[i],
                                    .model_logged = base + x->predictions[own * x->count + k] - own_cost,
                                    .model_value = base + x->predictions[arm * x->count + k] - arm_cost,
                                    .cluster = d->keys[i]};
        rc = ope_add(o, &row, x->e);
        if (rc)
            error_prefix(x->e, "%s:%u", d->name, d->lines[i]);
    }
    policy->silent = x->count ? (double)silent / (double)x->count : 0;
    *out = o;
    return rc;
}

static struct metric metric_of(const struct ope_figure *f)
{
    return (struct metric){f->value, f->bootstrap.low, f->bootstrap.high};
}

static void read_result(struct train_policy *policy, const struct ope *o, const struct ope *nobody)
{
    struct ope_result result;
    struct ope_figure difference;
    ope_result(o, &result);
    ope_difference(o, nobody, OPE_DR, &difference);
    policy->value = metric_of(&result.figures[OPE_DR]);
    policy->over_nobody = metric_of(&difference);
    policy->trusted = result.trusted;
    for (unsigned bit = 1; bit && !policy->warning[0]; bit <<= 1)
        if (result.warnings & bit)
            ope_warning_text(&result, (enum ope_warning)bit, policy->warning, sizeof policy->warning);
}

/* One policy after another; nobody's stays for the differences. */
static int measure_policies(const struct measuring *x)
{
    const struct train_data *d = x->d;
    double base = x->c->kind == BUNDLE_TRANSFORMED ? silent_mean(d) : 0;
    struct train_policy nobody = {.kind = POLICY_NOBODY};
    struct ope *reference = NULL;
    x->out->policies =
        arena_zalloc(&x->out->arena, x->c->cost_count * (d->arm_count + 1) * sizeof *x->out->policies);
    int rc = x->out->policies ? run_policy(x, &nobody, base, &reference) : out_of_memory(x->e);
    for (size_t k = 0; k < x->c->cost_count && !rc; k++)
        for (size_t which = 0; which <= d->arm_count && !rc; which++) {
            /* the best first, then each arm, silence being arm 0 and shown last */
            struct train_policy *policy = &x->out->policies[x->out->policy_count++];
            struct ope *o = NULL;
            *policy = (struct train_policy){.cost = x->c->costs[k], .kind = POLICY_BEST};
            if (which == d->arm_count)
                policy->kind = POLICY_NOBODY;
            else if (which > 0) {
                policy->kind = POLICY_ARM;
                policy->arm = which;
            }
            rc = run_policy(x, policy, base, &o);
            if (!rc)
                read_result(policy, o, reference);
            ope_free(&o);
        }
    ope_free(&reference);
    return rc;
}

void train_policy_name(const struct train_policy *p, const struct train_data *d, char *text, size_t n)
{
    if (p->kind == POLICY_ARM)
        snprintf(text, n, "all %.*s", STR_ARG(d->arms[p->arm].name));
    else
        snprintf(text, n, "%s", p->kind == POLICY_BEST ? "best of all" : "nobody");
}

int train_measure(struct train_measures *out, const struct train_data *d, const struct train_config *c,
                  const uint32_t *rows, size_t count, const double *predictions, bool policies,
                  struct error *e)
{
    struct measuring x = {out, d, c, rows, count, predictions, e};
    *out = (struct train_measures){0};
    arena_init(&out->arena, MEASURES_MEMORY);
    int rc = c->kind == BUNDLE_TRANSFORMED ? 0 : measure_models(&x);
    if (!rc && train_is_uplift(c))
        rc = measure_uplifts(&x);
    if (!rc && train_is_uplift(c) && policies)
        rc = measure_policies(&x);
    if (rc)
        train_measures_free(out);
    return rc;
}

void train_measures_free(struct train_measures *m)
{
    arena_free(&m->arena);
    *m = (struct train_measures){0};
}
