/* Values of policies; see train_policies.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/offline/train_policies.h"
#include "models/offline/ope.h"
#include "models/offline/ope_bootstrap.h"
#include "models/offline/resample.h"
#include <math.h>
#include <stdlib.h>

/* A bootstrap sums the rows and seven policies. The error of a mean weight needs few
 * resamples, and none where rows are independent. */
enum { TOGETHER = OPE_BOOTSTRAP_SUMS - 1, WEIGHT_RESAMPLES = 50, CANCEL_EVERY = 4096 };

/* One policy that is evaluated; the best of all once a cost, the others once. */
struct evaluated {
    enum train_policy_kind kind;
    size_t arm;
    double cost; /* of POLICY_BEST; the others' is taken off afterwards */
    struct ope *ope;
    size_t silent;     /* rows without a contact */
    double *resampled; /* [resamples] values; NaN where no row was drawn */
};

struct evaluating {
    const struct train_data *d;
    const struct train_config *c;
    const uint32_t *rows;
    size_t count;
    const double *predictions; /* list after list, each count long */
    double base;               /* what a transformed model's predictions lack */
    struct evaluated *list;    /* nobody, the arms, the best at each cost */
    size_t n;
    struct ope_bootstrap **bootstraps; /* of TOGETHER policies each */
    size_t bootstrap_count;
    size_t resamples;
    double *room; /* [resamples] */
    struct error *e;
};

static int out_of_memory(struct error *e)
{
    return error_set(e, ERR_NOSPACE, "out of memory");
}

/* The mean label of silence outside the test part. */
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

/* ---- what is evaluated ---- */

/* Silence is arm 0 where there is one. */
static size_t at_cost(const struct evaluating *x, enum train_policy_kind kind, size_t arm, size_t cost)
{
    return kind == POLICY_NOBODY ? 0 : kind == POLICY_ARM ? arm : x->d->arm_count + cost;
}

static int prepare(struct evaluating *x)
{
    const struct ope_options options = {.positions = 1,
                                        .model = true,
                                        .resamples = x->c->customer_column.n ? WEIGHT_RESAMPLES : 0,
                                        .seed = x->c->seed};
    x->n = x->d->arm_count + x->c->cost_count;
    x->bootstrap_count = (x->n + TOGETHER - 1) / TOGETHER;
    x->list = calloc(x->n, sizeof *x->list);
    x->bootstraps = calloc(x->bootstrap_count, sizeof *x->bootstraps);
    x->room = malloc(x->resamples * sizeof *x->room);
    if (!x->list || !x->bootstraps || !x->room)
        return out_of_memory(x->e);
    for (size_t i = 0; i < x->n; i++) {
        struct evaluated *p = &x->list[i];
        bool best = i >= x->d->arm_count;
        *p = (struct evaluated){.kind = best ? POLICY_BEST
                                        : i  ? POLICY_ARM
                                             : POLICY_NOBODY,
                                .arm = best ? 0 : i,
                                .cost = best ? x->c->costs[i - x->d->arm_count] : 0,
                                .ope = ope_new(&options),
                                .resampled = malloc(x->resamples * sizeof *p->resampled)};
        if (!p->ope || !p->resampled)
            return out_of_memory(x->e);
    }
    for (size_t i = 0; i < x->bootstrap_count; i++)
        if (!(x->bootstraps[i] = ope_bootstrap_new(1, x->resamples, x->c->seed)))
            return out_of_memory(x->e);
    return 0;
}

static void finish(struct evaluating *x)
{
    for (size_t i = 0; x->list && i < x->n; i++) {
        ope_free(&x->list[i].ope);
        free(x->list[i].resampled);
    }
    for (size_t i = 0; x->bootstraps && i < x->bootstrap_count; i++)
        ope_bootstrap_free(&x->bootstraps[i]);
    free(x->list);
    free(x->bootstraps);
    free(x->room);
}

/* ---- rows ---- */

/* The arm that a policy takes at the k-th row; the first of equals, silence before all. */
static size_t choose(const struct evaluating *x, const struct evaluated *p, size_t k)
{
    size_t best = (size_t)x->d->silence;
    double most = x->predictions[best * x->count + k];
    if (p->kind != POLICY_BEST)
        return p->kind == POLICY_ARM ? p->arm : best;
    for (size_t a = 0; a < x->d->arm_count; a++) {
        double q = x->predictions[a * x->count + k] - p->cost;
        if ((long)a != x->d->silence && q > most) {
            best = a;
            most = q;
        }
    }
    return best;
}

/* Adds the k-th row to a policy; *out: its part of the doubly robust sum. */
static int add_row(struct evaluating *x, struct evaluated *p, size_t k, double *out)
{
    const struct train_data *d = x->d;
    uint32_t i = x->rows[k], own = d->arm_of[i];
    size_t arm = choose(x, p, k);
    bool silent = (long)arm == d->silence;
    const struct ope_row row = {.weight = arm == own ? 1 / d->p[i] : 0,
                                .reward = (double)d->labels[i],
                                .logged = d->p[i],
                                .model_logged = x->base + x->predictions[own * x->count + k],
                                .model_value = x->base + x->predictions[arm * x->count + k],
                                .cluster = d->keys[i]};
    p->silent += silent;
    *out = row.model_value - (silent ? 0 : p->cost) + row.weight * (row.reward - row.model_logged);
    return ope_add(p->ope, &row, x->e) ? error_prefix(x->e, "%s:%u", d->name, d->lines[i]) : 0;
}

static int add_rows(struct evaluating *x, const volatile sig_atomic_t *cancel)
{
    for (size_t k = 0; k < x->count; k++) {
        if (k % CANCEL_EVERY == 0 && cancel && *cancel)
            return error_set(x->e, ERR_UNAVAILABLE, "stopped before the training was done");
        for (size_t b = 0; b < x->bootstrap_count; b++) {
            double sums[OPE_BOOTSTRAP_SUMS] = {1};
            for (size_t j = 0; j < TOGETHER && b * TOGETHER + j < x->n; j++) {
                int rc = add_row(x, &x->list[b * TOGETHER + j], k, &sums[1 + j]);
                if (rc)
                    return rc;
            }
            ope_bootstrap_add(x->bootstraps[b], x->d->keys[x->rows[k]], 0, sums);
        }
    }
    for (size_t i = 0; i < x->n; i++) {
        const double *sums = ope_bootstrap_all(x->bootstraps[i / TOGETHER]);
        for (size_t b = 0; b < x->resamples; b++, sums += OPE_BOOTSTRAP_SUMS)
            x->list[i].resampled[b] = sums[0] > 0 ? sums[1 + i % TOGETHER] / sums[0] : (double)NAN;
    }
    return 0;
}

/* ---- figures ---- */

/* A value with the percentiles of the first n of the room. */
static struct metric with_percentiles(struct evaluating *x, double value, size_t n)
{
    resample_sort(x->room, n);
    return (struct metric){value, resample_quantile(x->room, n, 0.025), resample_quantile(x->room, n, 0.975)};
}

static void fill(struct evaluating *x, struct train_policy *out, const struct evaluated *p)
{
    const struct evaluated *nobody = &x->list[0];
    struct ope_result result, of_nobody;
    size_t n = 0;
    ope_result(p->ope, &result);
    ope_result(nobody->ope, &of_nobody);
    out->silent = x->count ? (double)p->silent / (double)x->count : 0;
    double moved = p->kind == POLICY_ARM ? out->cost : 0; /* what p->resampled has not taken off */
    double value = result.figures[OPE_DR].value - out->cost * (1 - out->silent);
    for (size_t b = 0; b < x->resamples; b++)
        if (!isnan(p->resampled[b]))
            x->room[n++] = p->resampled[b] - moved;
    out->value = with_percentiles(x, value, n);
    n = 0;
    for (size_t b = 0; b < x->resamples; b++)
        if (!isnan(p->resampled[b]))
            x->room[n++] = p->resampled[b] - moved - nobody->resampled[b];
    out->over_nobody = with_percentiles(x, value - of_nobody.figures[OPE_DR].value, n);
    out->trusted = result.trusted;
    for (unsigned bit = 1; bit && !out->warning[0]; bit <<= 1)
        if (result.warnings & bit)
            ope_warning_text(&result, (enum ope_warning)bit, out->warning, sizeof out->warning);
}

/* For each cost the best first, then each arm, nobody last. */
static void fill_all(struct evaluating *x, struct train_measures *out)
{
    for (size_t k = 0; k < x->c->cost_count; k++)
        for (size_t which = 0; which <= x->d->arm_count; which++) {
            struct train_policy *p = &out->policies[out->policy_count++];
            enum train_policy_kind kind = which == 0                ? POLICY_BEST
                                          : which < x->d->arm_count ? POLICY_ARM
                                                                    : POLICY_NOBODY;
            *p = (struct train_policy){
                .cost = x->c->costs[k], .kind = kind, .arm = kind == POLICY_ARM ? which : 0};
            fill(x, p, &x->list[at_cost(x, kind, p->arm, k)]);
        }
}

int train_measure_policies(struct train_measures *out, const struct train_data *d,
                           const struct train_config *c, const uint32_t *rows, size_t count,
                           const double *predictions, int resamples, const volatile sig_atomic_t *cancel,
                           struct error *e)
{
    struct evaluating x = {.d = d,
                           .c = c,
                           .rows = rows,
                           .count = count,
                           .predictions = predictions,
                           .base = c->kind == BUNDLE_TRANSFORMED ? silent_mean(d) : 0,
                           .resamples = (size_t)resamples,
                           .e = e};
    ASSERT(d->silence == 0 && resamples > 0);
    out->policies = arena_zalloc(&out->arena, c->cost_count * (d->arm_count + 1) * sizeof *out->policies);
    int rc = out->policies ? prepare(&x) : out_of_memory(e);
    if (!rc)
        rc = add_rows(&x, cancel);
    if (!rc)
        fill_all(&x, out);
    finish(&x);
    return rc;
}

void train_policy_name(const struct train_policy *p, const struct train_data *d, char *text, size_t n)
{
    if (p->kind == POLICY_ARM)
        snprintf(text, n, "all %.*s", STR_ARG(d->arms[p->arm].name));
    else
        snprintf(text, n, "%s", p->kind == POLICY_BEST ? "best of all" : "nobody");
}
