/* Off-policy evaluation against a slow oracle that works from the definitions: long doubles, and whole matrices rows × actions
 * of logged probabilities, target probabilities and predictions, from which it takes what it needs itself. Then an
 * example by hand, positions, clusters, differences. Warnings and bad rows are in ope_warning_test.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/offline/ope.h"
#include "base/rng.h"
#include "models/offline/confseq.h"
#include "models/offline/ope_bootstrap.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { ACTIONS = 4, ROWS_MAX = 300, RESAMPLES = 199 };

struct log {
    size_t rows;
    double logged[ROWS_MAX][ACTIONS], target[ROWS_MAX][ACTIONS], model[ROWS_MAX][ACTIONS];
    unsigned action[ROWS_MAX];
    double reward[ROWS_MAX];
    uint64_t cluster[ROWS_MAX];
    uint32_t position[ROWS_MAX];
};

static void random_distribution(struct rng *r, double *p)
{
    double sum = 0;
    for (int a = 0; a < ACTIONS; a++)
        sum += p[a] = 0.05 + rng_double(r) * rng_double(r);
    for (int a = 0; a < ACTIONS; a++)
        p[a] /= sum;
}

/* Clusters of about three rows, anywhere in the log. */
static struct log *log_random(uint64_t seed, size_t rows, uint32_t positions)
{
    struct log *l = calloc(1, sizeof *l);
    assert_non_null(l);
    struct rng r;
    rng_seed(&r, seed);
    l->rows = rows;
    for (size_t i = 0; i < rows; i++) {
        random_distribution(&r, l->logged[i]);
        random_distribution(&r, l->target[i]);
        for (int a = 0; a < ACTIONS; a++)
            l->model[i][a] = rng_normal(&r);
        l->action[i] = (unsigned)rng_below(&r, ACTIONS);
        l->reward[i] = l->model[i][l->action[i]] + rng_normal(&r);
        l->cluster[i] = rng_below(&r, rows / 3 + 1);
        l->position[i] = (uint32_t)rng_below(&r, positions);
    }
    return l;
}

static struct ope_row log_row(const struct log *l, size_t i)
{
    unsigned a = l->action[i];
    struct ope_row row = {.weight = l->target[i][a] / l->logged[i][a],
                          .reward = l->reward[i],
                          .logged = l->logged[i][a],
                          .model_logged = l->model[i][a],
                          .cluster = l->cluster[i],
                          .position = l->position[i]};
    for (int k = 0; k < ACTIONS; k++)
        row.model_value += l->target[i][k] * l->model[i][k];
    return row;
}

static void add(struct ope *x, struct ope_row row)
{
    struct error e = {0};
    if (ope_add(x, &row, &e))
        fail_msg("refused: %s", e.text);
}

static struct ope *evaluate(const struct log *l, struct ope_options o)
{
    struct ope *x = ope_new(&o);
    assert_non_null(x);
    for (size_t i = 0; i < l->rows; i++)
        add(x, log_row(l, i));
    return x;
}

/* ---- the oracle ---- */

enum { ORACLE_LOGGED = OPE_ESTIMATOR_COUNT, ORACLE_WEIGHT, ORACLE_COUNT };

/* A figure of the definition, row i counting times[i]; position UINT32_MAX: all. */
static double oracle(const struct log *l, int k, double clip, double switch_at, uint32_t position,
                     const unsigned *times)
{
    long double over = 0, under = 0;
    for (size_t i = 0; i < l->rows; i++) {
        if (position != UINT32_MAX && l->position[i] != position)
            continue;
        long double w = 0, q = 0, v = 0, r = l->reward[i], n = times ? times[i] : 1;
        for (unsigned a = 0; a < ACTIONS; a++) {
            long double chosen = l->action[i] == a ? 1 : 0;
            w += chosen * l->target[i][a] / l->logged[i][a];
            q += chosen * l->model[i][a];
            v += (long double)l->target[i][a] * l->model[i][a];
        }
        const long double terms[ORACLE_COUNT] = {
            [OPE_IPS] = w * r,          [OPE_CLIPPED] = (w < clip ? w : clip) * r,
            [OPE_SNIPS] = w * r,        [OPE_DM] = v,
            [OPE_DR] = v + w * (r - q), [OPE_SWITCH] = w <= switch_at ? v + w * (r - q) : v,
            [ORACLE_LOGGED] = r,        [ORACLE_WEIGHT] = w,
        };
        over += n * terms[k];
        under += n * (k == OPE_SNIPS ? w : 1);
    }
    return under > 0 ? (double)(over / under) : NAN;
}

static void near(double got, double expected, double relative)
{
    if (isnan(got) != isnan(expected) || fabs(got - expected) > relative * (1 + fabs(expected)))
        fail_msg("got %.17g, expected %.17g", got, expected);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* How often each row counts in a resample: the count of its cluster. */
static void oracle_times(const struct log *l, uint64_t seed, uint64_t resample, unsigned *times)
{
    for (size_t i = 0; i < l->rows; i++)
        times[i] = ope_bootstrap_count(seed, l->cluster[i], resample);
}

static struct ope_figure oracle_interval(const struct log *l, int k, int minus, const struct ope_options *o,
                                         uint32_t position)
{
    double values[RESAMPLES];
    for (int b = 0; b < o->resamples; b++) {
        unsigned times[ROWS_MAX];
        oracle_times(l, o->seed, (uint64_t)b, times);
        values[b] = oracle(l, k, o->clip, o->switch_at, position, times);
        if (minus >= 0)
            values[b] -= oracle(l, minus, o->clip, o->switch_at, position, times);
    }
    long double mean = 0, squares = 0;
    for (int b = 0; b < o->resamples; b++)
        mean += values[b] / (long double)o->resamples;
    for (int b = 0; b < o->resamples; b++)
        squares += (values[b] - mean) * (values[b] - mean);
    qsort(values, (size_t)o->resamples, sizeof *values, by_value);
    int from_end = (int)floorl((o->resamples + 1) * (1 - (long double)o->level) / 2 + 1e-6L);
    double value = oracle(l, k, o->clip, o->switch_at, position, NULL);
    if (minus >= 0)
        value -= oracle(l, minus, o->clip, o->switch_at, position, NULL);
    return (struct ope_figure){value,
                               (double)sqrtl(squares / (o->resamples - 1)),
                               {values[from_end - 1], values[o->resamples - from_end]}};
}

static void near_figure(struct ope_figure got, struct ope_figure expected)
{
    near(got.value, expected.value, 1e-12);
    near(got.standard_error, expected.standard_error, 1e-10);
    near(got.bootstrap.low, expected.bootstrap.low, 1e-12);
    near(got.bootstrap.high, expected.bootstrap.high, 1e-12);
}

static void check_result(const struct log *l, const struct ope_result *r, const struct ope_options *o,
                         uint32_t position)
{
    for (int k = 0; k < OPE_ESTIMATOR_COUNT; k++)
        near_figure(r->figures[k], oracle_interval(l, k, -1, o, position));
    struct ope_figure logged = oracle_interval(l, ORACLE_LOGGED, -1, o, position);
    struct ope_figure weight = oracle_interval(l, ORACLE_WEIGHT, -1, o, position);
    near(r->logged_value, logged.value, 1e-12);
    near(r->logged_interval.low, logged.bootstrap.low, 1e-12);
    near(r->logged_interval.high, logged.bootstrap.high, 1e-12);
    near(r->mean_weight, weight.value, 1e-12);
    near(r->mean_weight_error, weight.standard_error, 1e-10);
}

static void check_diagnostics(const struct log *l, const struct ope_result *r, const struct ope_options *o,
                              uint32_t position)
{
    long double sum = 0, squares = 0, clipped = 0, switched = 0;
    double largest = 0, smallest = 1;
    size_t rows = 0;
    for (size_t i = 0; i < l->rows; i++) {
        if (position != UINT32_MAX && l->position[i] != position)
            continue;
        double p = l->logged[i][l->action[i]], w = l->target[i][l->action[i]] / p;
        rows++;
        sum += w;
        squares += (long double)w * w;
        clipped += w > o->clip ? w - o->clip : 0;
        switched += w > o->switch_at ? w : 0;
        largest = w > largest ? w : largest;
        smallest = p < smallest ? p : smallest;
    }
    assert_int_equal(r->rows, rows);
    near(r->effective_rows, (double)(sum * sum / squares), 1e-12);
    near(r->clipped_share, (double)(clipped / sum), 1e-12);
    near(r->switched_share, (double)(switched / sum), 1e-12);
    assert_true(r->largest_weight == largest);
    near(r->largest_share, largest / (double)sum, 1e-12);
    assert_true(r->smallest_p == smallest);
}

static void test_oracle(void **state)
{
    (void)state;
    static const double levels[] = {0.95, 0.9, 0.5};
    for (uint64_t seed = 1; seed <= 6; seed++) {
        uint32_t positions = seed % 2 ? 1 : 3;
        struct log *l = log_random(seed, seed < 3 ? ROWS_MAX : 40 * seed, positions);
        struct ope_options o = {.positions = positions,
                                .model = true,
                                .clip = 1.5,
                                .switch_at = 2,
                                .resamples = RESAMPLES,
                                .level = levels[seed % 3],
                                .seed = seed};
        struct ope *x = evaluate(l, o);
        struct ope_result r;
        ope_result(x, &r);
        check_result(l, &r, &o, UINT32_MAX);
        check_diagnostics(l, &r, &o, UINT32_MAX);
        assert_true(r.clipped_share > 0 && r.switched_share > 0 && r.switched_share < 1);
        for (uint32_t p = 0; p < positions; p++) {
            ope_result_at(x, p, &r);
            check_result(l, &r, &o, p);
            check_diagnostics(l, &r, &o, p);
        }
        ope_free(&x);
        assert_null(x);
        free(l);
    }
}

/* Four rows by hand. Two actions; the log chose each with 1/2, the target chooses action 0 with 3/4; the model says 0.5 for
 * action 0 and 0.25 for action 1, so v = 0.75·0.5 + 0.25·0.25 = 0.4375 in each row.
 *
 *   action  reward   w     w·r   q     w(r − q)
 *   0       1        1.5   1.5   0.5   0.75
 *   0       0        1.5   0     0.5   −0.75
 *   1       1        0.5   0.5   0.25  0.375
 *   0       1        1.5   1.5   0.5   0.75
 *   sum     3        5     3.5         1.125
 *
 * IPS 3.5/4; clipped at 1: (1 + 0 + 0.5 + 1)/4; SNIPS 3.5/5; DM 0.4375; DR 0.4375 + 1.125/4; SWITCH at 1 keeps the third row's
 * term alone: 0.4375 + 0.375/4. Effective rows 5²/(3·2.25 + 0.25) = 25/7; clipped away 3·0.5/5; switched 4.5/5. */
static const struct ope_row by_hand[] = {
    {1.5, 1, 0.5, 0.5, 0.4375, 0, 0},
    {1.5, 0, 0.5, 0.5, 0.4375, 1, 0},
    {0.5, 1, 0.5, 0.25, 0.4375, 2, 0},
    {1.5, 1, 0.5, 0.5, 0.4375, 3, 0},
};

static void test_by_hand(void **state)
{
    (void)state;
    struct ope *x = ope_new(&(struct ope_options){.model = true, .clip = 1, .switch_at = 1});
    for (size_t i = 0; i < 4; i++)
        add(x, by_hand[i]);
    struct ope_result r;
    ope_result(x, &r);
    const double expected[] = {[OPE_IPS] = 0.875, [OPE_CLIPPED] = 0.625, [OPE_SNIPS] = 0.7,
                               [OPE_DM] = 0.4375, [OPE_DR] = 0.71875,    [OPE_SWITCH] = 0.53125};
    for (int k = 0; k < OPE_ESTIMATOR_COUNT; k++) {
        near(r.figures[k].value, expected[k], 1e-15);
        assert_true(isnan(r.figures[k].standard_error));
        assert_true(isnan(r.figures[k].bootstrap.low) && isnan(r.figures[k].bootstrap.high));
    }
    near(r.logged_value, 0.75, 1e-15);
    near(r.mean_weight, 1.25, 1e-15);
    near(r.mean_weight_error, 0.25, 1e-15); /* deviations 0.25 three times and −0.75: sqrt(0.75/(4·3)) */
    near(r.effective_rows, 25.0 / 7, 1e-15);
    near(r.largest_share, 0.3, 1e-15);
    near(r.clipped_share, 0.3, 1e-15);
    near(r.switched_share, 0.9, 1e-15);
    assert_true(isnan(r.sequence.low) && isnan(r.sequence.high) && isnan(r.logged_interval.low));
    ope_free(&x);
}

/* A weight of exactly the switch stays with the reward: with the switch at 1.5 nothing is left to the model. */
static void test_switch_edge(void **state)
{
    (void)state;
    struct ope *x = ope_new(&(struct ope_options){.model = true, .switch_at = 1.5});
    for (size_t i = 0; i < 4; i++)
        add(x, by_hand[i]);
    struct ope_result r;
    ope_result(x, &r);
    near(r.figures[OPE_SWITCH].value, 0.71875, 1e-15);
    assert_true(r.switched_share == 0);
    ope_free(&x);
}

/* Rewards of −1 to 3 as shares of that range, and half of what the level leaves for each side. */
static void test_sequence(void **state)
{
    (void)state;
    struct ope *x = ope_new(&(struct ope_options){.level = 0.9, .reward_low = -1, .reward_high = 3});
    struct confseq below, above;
    struct rng rng;
    rng_seed(&rng, 8);
    confseq_init(&below, 0.05);
    confseq_init(&above, 0.05);
    for (int i = 0; i < 500; i++) {
        double reward = 4 * rng_double(&rng) - 1, weight = 2 * rng_double(&rng);
        add(x, (struct ope_row){.weight = weight, .reward = reward, .logged = 0.5});
        confseq_add(&below, weight * (reward + 1) / 4);
        confseq_add(&above, weight * (3 - reward) / 4);
        struct ope_result r;
        ope_result(x, &r);
        near(r.sequence.low, -1 + 4 * below.low, 1e-12);
        near(r.sequence.high, 3 - 4 * above.low, 1e-12);
    }
    assert_true(below.low > 0.3 && above.low > 0.3);
    ope_free(&x);
}

static void test_nothing(void **state)
{
    (void)state;
    struct ope *x =
        ope_new(&(struct ope_options){.positions = 2, .model = true, .resamples = 10, .reward_high = 5});
    struct ope_result r;
    ope_result(x, &r);
    assert_int_equal(r.rows, 0);
    assert_true(isnan(r.logged_value) && isnan(r.mean_weight) && isnan(r.smallest_p));
    for (int k = 0; k < OPE_ESTIMATOR_COUNT; k++)
        assert_true(isnan(r.figures[k].value) && isnan(r.figures[k].bootstrap.low));
    assert_true(r.sequence.low == 0 && r.sequence.high == 5);
    assert_int_equal(r.warnings, OPE_WARN_FEW | OPE_WARN_FEW_REWARDS);
    assert_false(r.trusted);
    add(x, (struct ope_row){.weight = 0, .reward = 3, .logged = 1, .position = 1}); /* rows, but no weight */
    ope_result(x, &r);
    assert_true(r.figures[OPE_IPS].value == 0 && isnan(r.figures[OPE_SNIPS].value));
    assert_true(r.effective_rows == 0 && r.largest_share == 0);
    ope_result_at(x, 0, &r);
    assert_int_equal(r.rows, 0);
    ope_free(&x);
    ope_free(&x); /* nothing to do */
}

static void test_without_model(void **state)
{
    (void)state;
    struct ope *x = ope_new(&(struct ope_options){.resamples = 50});
    for (uint64_t i = 0; i < 20; i++)
        add(x, (struct ope_row){.weight = 20, .reward = 1, .logged = 0.5, .model_logged = NAN, .cluster = i});
    struct ope_result r;
    struct ope_figure d;
    ope_result(x, &r);
    for (int k = 0; k < OPE_ESTIMATOR_COUNT; k++) {
        bool model = k == OPE_DM || k == OPE_DR || k == OPE_SWITCH;
        assert_true(isnan(r.figures[k].value) == model && isnan(r.figures[k].bootstrap.high) == model);
        ope_difference(x, x, (enum ope_estimator)k, &d);
        assert_true(isnan(d.value) == model && isnan(d.bootstrap.low) == model);
    }
    assert_true(r.figures[OPE_CLIPPED].value == 10 && r.clip == 10); /* the default */
    assert_true(r.switched_share == 0 && r.switch_at == 10);
    ope_free(&x);
}

/* ---- differences, positions, clusters ---- */

static void test_difference(void **state)
{
    (void)state;
    struct log *l = log_random(11, ROWS_MAX, 2), *other = malloc(sizeof *l);
    memcpy(other, l, sizeof *l);
    struct rng rng;
    rng_seed(&rng, 12);
    for (size_t i = 0; i < l->rows; i++)
        random_distribution(&rng, other->target[i]);
    struct ope_options o = {.positions = 2,
                            .model = true,
                            .clip = 2,
                            .switch_at = 2,
                            .resamples = RESAMPLES,
                            .level = 0.9,
                            .seed = 5};
    struct ope *a = evaluate(l, o), *same = evaluate(l, o), *b = evaluate(other, o);
    for (int k = 0; k < OPE_ESTIMATOR_COUNT; k++) {
        struct ope_figure d;
        ope_difference(a, same, (enum ope_estimator)k, &d);
        assert_true(d.value == 0 && d.standard_error == 0 && d.bootstrap.low == 0 && d.bootstrap.high == 0);
        ope_difference(a, NULL, (enum ope_estimator)k, &d);
        near_figure(d, oracle_interval(l, k, ORACLE_LOGGED, &o, UINT32_MAX));
        struct ope_figure back;
        ope_difference(a, b, (enum ope_estimator)k, &d);
        ope_difference(b, a, (enum ope_estimator)k, &back);
        near(d.value, oracle(l, k, 2, 2, UINT32_MAX, NULL) - oracle(other, k, 2, 2, UINT32_MAX, NULL), 1e-12);
        assert_true(d.bootstrap.low == -back.bootstrap.high && d.bootstrap.high == -back.bootstrap.low);
        assert_true(d.bootstrap.low < d.value && d.value < d.bootstrap.high);
        double values[RESAMPLES];
        for (int s = 0; s < RESAMPLES; s++) {
            unsigned times[ROWS_MAX];
            oracle_times(l, o.seed, (uint64_t)s, times);
            values[s] = oracle(l, k, 2, 2, UINT32_MAX, times) - oracle(other, k, 2, 2, UINT32_MAX, times);
        }
        qsort(values, RESAMPLES, sizeof *values, by_value);
        near(d.bootstrap.low, values[9], 1e-12); /* floor(200 · 0.05) = 10th */
        near(d.bootstrap.high, values[RESAMPLES - 10], 1e-12);
    }
    ope_free(&a);
    ope_free(&same);
    ope_free(&b);
    free(l);
    free(other);
}

/* A position's figures are those of an evaluation that saw nothing else. */
static void test_positions(void **state)
{
    (void)state;
    struct log *l = log_random(21, ROWS_MAX, 3);
    struct ope_options o = {.positions = 3, .model = true, .resamples = 60, .seed = 1};
    struct ope *all = evaluate(l, o);
    o.positions = 1;
    for (uint32_t p = 0; p < 3; p++) {
        struct ope *alone = ope_new(&o);
        for (size_t i = 0; i < l->rows; i++)
            if (l->position[i] == p) {
                struct ope_row row = log_row(l, i);
                row.position = 0;
                add(alone, row);
            }
        struct ope_result a, b;
        ope_result(alone, &a);
        ope_result_at(all, p, &b);
        assert_int_equal(a.rows, b.rows);
        assert_int_equal(a.warnings, b.warnings);
        for (int k = 0; k < OPE_ESTIMATOR_COUNT; k++)
            near_figure(b.figures[k], a.figures[k]);
        ope_free(&alone);
    }
    ope_free(&all);
    free(l);
}

/* Each row twice in its cluster changes no figure and no interval; without the clusters the intervals are too narrow. All
 * sums of a resample double, so the bits are the same. */
static void test_clusters(void **state)
{
    (void)state;
    struct log *l = log_random(31, ROWS_MAX, 1);
    struct ope_options o = {.model = true, .resamples = 500, .seed = 9};
    struct ope *once = ope_new(&o), *twice = ope_new(&o), *apart = ope_new(&o), *doubled = ope_new(&o);
    for (size_t i = 0; i < l->rows; i++) {
        struct ope_row row = log_row(l, i);
        row.cluster = i;
        add(once, row);
        add(twice, row);
        add(twice, row);
        add(apart, row);
        row.cluster += ROWS_MAX;
        add(apart, row);
        row.cluster = i;
        row.reward *= 2;
        row.model_logged *= 2;
        row.model_value *= 2;
        add(doubled, row);
    }
    struct ope_result a, b, c, d;
    ope_result(once, &a);
    ope_result(twice, &b);
    ope_result(apart, &c);
    ope_result(doubled, &d);
    for (int k = 0; k < OPE_ESTIMATOR_COUNT; k++) {
        near(b.figures[k].value, a.figures[k].value, 1e-12);
        assert_true(b.figures[k].standard_error == a.figures[k].standard_error);
        assert_true(b.figures[k].bootstrap.low == a.figures[k].bootstrap.low);
        assert_true(b.figures[k].bootstrap.high == a.figures[k].bootstrap.high);
        near(c.figures[k].value, a.figures[k].value, 1e-12);
        double narrower = c.figures[k].standard_error / a.figures[k].standard_error;
        assert_true(narrower > 0.6 && narrower < 0.82); /* 1/√2 */
        assert_true(d.figures[k].bootstrap.low == 2 * a.figures[k].bootstrap.low);
        assert_true(d.figures[k].bootstrap.high == 2 * a.figures[k].bootstrap.high);
    }
    ope_free(&once);
    ope_free(&twice);
    ope_free(&apart);
    ope_free(&doubled);
    free(l);
}

/* The order of rows changes rounding only, and looking in between nothing at all. */
static void test_order(void **state)
{
    (void)state;
    struct log *l = log_random(41, ROWS_MAX, 4);
    struct ope_options o = {.positions = 4, .model = true, .resamples = 80, .seed = 2};
    struct ope *forward = evaluate(l, o), *looked = ope_new(&o), *backward = ope_new(&o);
    struct ope_result a, b;
    for (size_t i = 0; i < l->rows; i++) {
        add(looked, log_row(l, i));
        if (i % 7 == 0)
            ope_result_at(looked, (uint32_t)(i % 4), &a);
        add(backward, log_row(l, l->rows - 1 - i));
    }
    ope_result(forward, &a);
    ope_result(looked, &b);
    for (int k = 0; k < OPE_ESTIMATOR_COUNT; k++)
        near_figure(b.figures[k], a.figures[k]);
    ope_result(backward, &b);
    for (int k = 0; k < OPE_ESTIMATOR_COUNT; k++)
        near_figure(b.figures[k], a.figures[k]);
    ope_free(&forward);
    ope_free(&looked);
    ope_free(&backward);
    free(l);
}

/* One cluster says nothing about spread: its resamples are all alike or empty. */
static void test_few_clusters(void **state)
{
    (void)state;
    for (uint64_t clusters = 1; clusters <= 12; clusters += 11) {
        struct ope *x = ope_new(&(struct ope_options){.resamples = 1000});
        for (uint64_t i = 0; i < 600; i++)
            add(x, (struct ope_row){
                       .weight = 1, .reward = (double)(i % 12), .logged = 0.5, .cluster = i % clusters});
        struct ope_result r;
        ope_result(x, &r);
        assert_true(r.figures[OPE_IPS].value == 5.5);
        assert_true(isnan(r.figures[OPE_IPS].bootstrap.low) == (clusters == 1));
        assert_true(isnan(r.figures[OPE_SNIPS].standard_error) == (clusters == 1));
        ope_free(&x);
    }
}

/* Clicks are rare and every action is logged alike: with the largest weight known, the upper end is a fraction of what it is without;
 * a row above that weight is refused. */
static void test_largest_weight_known(void **state)
{
    (void)state;
    struct ope_options o = {.reward_high = 1};
    struct ope *plain = ope_new(&o);
    o.weight_max = 10;
    struct ope *known = ope_new(&o);
    struct error e;
    for (int i = 0; i < 10000; i++) {
        struct ope_row row = {
            .weight = i % 10 ? 0 : 10, .reward = i % 200 == 0, .logged = 0.1, .cluster = (uint64_t)i};
        assert_int_equal(ope_add(plain, &row, &e), 0);
        assert_int_equal(ope_add(known, &row, &e), 0);
    }
    struct ope_result a, b;
    ope_result(plain, &a);
    ope_result(known, &b);
    assert_true(a.figures[OPE_IPS].value == 0.05 && b.figures[OPE_IPS].value == 0.05);
    assert_true(b.sequence.low == a.sequence.low);
    assert_true(b.sequence.high > 0.05 && b.sequence.high - 0.05 < 0.5 * (a.sequence.high - 0.05));
    struct ope_row row = {.weight = 10.1, .logged = 0.1};
    assert_int_equal(ope_add(known, &row, &e), ERR_INVALID);
    assert_string_equal(e.text, "the weight is 10.1; allowed is 0 to 10.00000001");
    ope_free(&plain);
    ope_free(&known);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_oracle),       cmocka_unit_test(test_by_hand),
        cmocka_unit_test(test_switch_edge),  cmocka_unit_test(test_sequence),
        cmocka_unit_test(test_nothing),      cmocka_unit_test(test_without_model),
        cmocka_unit_test(test_difference),   cmocka_unit_test(test_positions),
        cmocka_unit_test(test_clusters),     cmocka_unit_test(test_order),
        cmocka_unit_test(test_few_clusters), cmocka_unit_test(test_largest_weight_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
