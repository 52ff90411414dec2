/* Off-policy evaluation against a slow oracle that works from the definitions: long doubles, and whole matrices rows × actions
 * of logged probabilities, target probabilities and predictions, from which it takes what it needs itself. Then each
 * warning on both sides of its edge, rows that must be refused, positions, clusters, differences.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/offline/ope.h"
#include "base/rng.h"
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

/* ---- rows that must be refused ---- */

static void refuse(struct ope *x, struct ope_row row, const char *word)
{
    struct error e = {0};
    struct ope_result before, after;
    ope_result(x, &before);
    assert_int_equal(ope_add(x, &row, &e), ERR_INVALID);
    assert_int_equal(ope_add(x, &row, NULL), ERR_INVALID);
    if (!strstr(e.text, word) || !strstr(e.text, "allowed"))
        fail_msg("\"%s\" does not say %s", e.text, word);
    ope_result(x, &after);
    assert_int_equal(after.rows, before.rows); /* not counted */
    assert_int_equal(after.warnings, before.warnings);
    assert_memory_equal(after.figures, before.figures, sizeof before.figures);
    assert_memory_equal(&after.sequence, &before.sequence, sizeof before.sequence);
}

static void test_refused(void **state)
{
    (void)state;
    static const double bad[] = {NAN, INFINITY, -INFINITY, 1.1e50, -1.1e50, 1e308};
    struct ope *x =
        ope_new(&(struct ope_options){.positions = 2, .model = true, .reward_low = -1, .reward_high = 1});
    struct ope *free_rewards = ope_new(&(struct ope_options){.model = false});
    const struct ope_row good = {1, 1, 1, 0, 0, 7, 1};
    add(x, good);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct ope_row row = good;
        row.weight = bad[i];
        refuse(x, row, "weight");
        row = good;
        row.reward = bad[i];
        refuse(x, row, "reward");
        row.position = 0;
        refuse(free_rewards, row, "reward");
        row = good;
        row.logged = bad[i];
        refuse(x, row, "logged probability");
        row = good;
        row.model_logged = bad[i];
        refuse(x, row, "prediction");
        row = good;
        row.model_value = bad[i];
        refuse(x, row, "value");
    }
    struct ope_row row = good;
    row.weight = -1e-9;
    refuse(x, row, "weight is -1e-09; allowed is 0 to 1e+50");
    row = good;
    row.reward = 1.5;
    refuse(x, row, "reward is 1.5; allowed is -1 to 1");
    row = good;
    row.logged = 0;
    refuse(x, row, "logged probability is 0");
    row.logged = 1.0001;
    refuse(x, row, "logged probability is 1.0001");
    row = good;
    row.position = 2;
    refuse(x, row, "position is 2; allowed is 0 to 1");
    row = good; /* the edges themselves are fine */
    row.weight = 1e50;
    row.reward = -1;
    row.model_logged = -1e50;
    row.logged = 1e-300;
    add(x, row);
    struct ope_result r;
    ope_result(x, &r);
    assert_int_equal(r.rows, 2);
    assert_true(isfinite(r.figures[OPE_DR].value) && isfinite(r.effective_rows));
    ope_free(&x);
    ope_free(&free_rewards);
}

/* ---- warnings ---- */

/* 1,000 rows of weight 1, all rewarded, then `more` rows of the kind given. */
static struct ope *with(struct ope_options o, size_t more, struct ope_row row)
{
    struct ope *x = ope_new(&o);
    for (uint64_t i = 0; i < 1000; i++)
        add(x, (struct ope_row){.weight = 1, .reward = 1, .logged = 0.5, .cluster = i});
    for (uint64_t i = 0; i < more; i++) {
        row.cluster = 1000 + i;
        add(x, row);
    }
    return x;
}

static void warned(struct ope *x, unsigned warnings, const char *word)
{
    struct ope_result r;
    char text[512];
    ope_result(x, &r);
    if (r.warnings != warnings)
        fail_msg("warnings %u, expected %u", r.warnings, warnings);
    assert_true(r.trusted == ((warnings & ~(unsigned)(OPE_WARN_SMALL_P | OPE_WARN_CLIPPED)) == 0));
    for (unsigned bit = 1; word && bit <= warnings; bit <<= 1)
        if (warnings & bit) {
            ope_warning_text(&r, (enum ope_warning)bit, text, sizeof text);
            if (!strstr(text, word))
                fail_msg("\"%s\" does not say %s", text, word);
        }
    ope_free(&x);
}

static void test_warnings_of_weights(void **state)
{
    (void)state;
    const struct ope_options plain = {0};
    const struct ope_row none = {.weight = 0, .reward = 1, .logged = 0.5};
    struct ope_row row = {.weight = 5, .reward = 1, .logged = 0.5};
    warned(with(plain, 0, row), 0, NULL);
    warned(with(plain, 10, none), 0, NULL); /* mean 0.990: within 2% */
    warned(with(plain, 25, none), OPE_WARN_MEAN_WEIGHT, "mean weight is 0.9756");
    row = (struct ope_row){.weight = 9, .reward = 1, .logged = 0.5};
    warned(with(plain, 5, row), 0, NULL); /* mean 1.0398, but its standard error is 0.0178: 2.2 of them */
    warned(with(plain, 30, row), OPE_WARN_MEAN_WEIGHT, "1.233"); /* 1270/1030, standard error 0.042 */
    row.weight = 52;
    warned(with(plain, 1, row), 0, NULL); /* 52/1052 of the weight: 4.94%; mean 1.05, standard error 0.05 */
    row.weight = 54;
    warned(with(plain, 1, row), OPE_WARN_LARGE, "weight 54 carries 5.1%"); /* 54/1054 */
    row.weight = 400;
    warned(with(plain, 1, row), OPE_WARN_FEW | OPE_WARN_LARGE | OPE_WARN_MEAN_WEIGHT | OPE_WARN_CLIPPED,
           NULL); /* 1400²/161000 effective rows */
    row = (struct ope_row){.weight = 1, .reward = 1, .logged = 1e-4};
    warned(with(plain, 1, row), 0, NULL);
    row.logged = 0.99e-4;
    warned(with(plain, 1, row), OPE_WARN_SMALL_P, "go down to 9.9e-05");
}

/* Effective rows below 1% of rows though above 100: 20,000 rows, 150 of them carry all weight. */
static void test_warning_effective(void **state)
{
    (void)state;
    for (int few = 0; few < 2; few++) {
        size_t rows = few ? 20000 : 14000;
        struct ope *x = ope_new(&(struct ope_options){0});
        for (size_t i = 0; i < rows; i++)
            add(x,
                (struct ope_row){
                    .weight = i < 150 ? (double)rows / 150 : 0, .reward = 1, .logged = 0.005, .cluster = i});
        warned(x, few ? OPE_WARN_FEW | OPE_WARN_CLIPPED : OPE_WARN_CLIPPED, NULL);
    }
    struct ope *x = ope_new(&(struct ope_options){0}); /* 99 rows that are all alike */
    for (uint64_t i = 0; i < 99; i++)
        add(x, (struct ope_row){.weight = 1, .reward = 1, .logged = 0.5, .cluster = i});
    warned(x, OPE_WARN_FEW, "99 rows count as much as 99.0 rows");
    x = ope_new(&(struct ope_options){0});
    for (uint64_t i = 0; i < 100; i++)
        add(x, (struct ope_row){.weight = 1, .reward = 1, .logged = 0.5, .cluster = i});
    warned(x, 0, NULL);
}

static void test_warnings_of_use(void **state)
{
    (void)state;
    struct ope_row row = {.weight = 2, .reward = 1, .logged = 0.5, .model_value = 1};
    const struct ope_options clip = {.clip = 1.5}, cut = {.switch_at = 1.5, .model = true};
    const struct ope_options no_model = {.switch_at = 1.5};
    warned(with(clip, 15, row), 0, NULL); /* 15·0.5 of 1030 is taken away, 0.7% */
    warned(with(cut, 20, row), 0, NULL);  /* 40 of 1040 is above the switch, 3.8% */
    warned(with(cut, 27, row), OPE_WARN_MEAN_WEIGHT | OPE_WARN_CLIPPED, NULL); /* 54 of 1054, 5.1% */
    warned(with(no_model, 27, row), OPE_WARN_MEAN_WEIGHT, NULL);
    row.weight = 12; /* 10 rows: 105 of 1120 is taken away, 9.4%; mean 1.109, standard error 0.034 */
    warned(with(clip, 10, row), OPE_WARN_MEAN_WEIGHT | OPE_WARN_CLIPPED, NULL);
    for (int rewarded = 9; rewarded <= 10; rewarded++) {
        struct ope *x = ope_new(&(struct ope_options){0});
        for (int i = 0; i < 500; i++) /* the last 50 have rewards and no weight: they do not help */
            add(x, (struct ope_row){.weight = i < 450 ? 500 / 450.0 : 0,
                                    .reward = i < rewarded || i >= 450 ? -2 : 0,
                                    .logged = 0.5,
                                    .cluster = (uint64_t)i});
        warned(x, rewarded < 10 ? OPE_WARN_FEW_REWARDS : 0, "fewer than 10 rows");
    }
    for (int over = 0; over < 2; over++) {
        struct ope *x = with((struct ope_options){.positions = 3}, 0, row);
        ope_unsupported(x, 0, 6);
        ope_unsupported(x, 2, over ? 5 : 3.5);
        struct ope_result r;
        ope_result(x, &r);
        near(r.unsupported, over ? 0.011 : 0.0095, 1e-15);
        ope_result_at(x, 0, &r);
        near(r.unsupported, 0.006, 1e-15);
        warned(x, over ? OPE_WARN_NO_SUPPORT : 0, "1.1% of the target policy's choices");
    }
}

/* Weights that are 3 on average: the reward is above 3·0.9 and, by its complement, below 1 − 3·0.1. */
static void test_warning_empty(void **state)
{
    (void)state;
    for (int wrong = 0; wrong < 2; wrong++) {
        struct ope *x = ope_new(&(struct ope_options){.reward_low = -1, .reward_high = 1});
        for (uint64_t i = 0; i < 2000; i++)
            add(x, (struct ope_row){
                       .weight = wrong ? 3 : 1, .reward = i % 10 ? 1 : -1, .logged = 0.3, .cluster = i});
        struct ope_result r;
        ope_result(x, &r);
        assert_true(wrong == (r.sequence.low > r.sequence.high));
        if (!wrong)
            assert_true(r.sequence.low < 0.8 && r.sequence.low > 0.6 && r.sequence.high > 0.8 &&
                        r.sequence.high < 1);
        warned(x, wrong ? OPE_WARN_EMPTY | OPE_WARN_MEAN_WEIGHT : 0, NULL);
    }
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(ope_estimator_name(OPE_SNIPS), "snips");
    assert_string_equal(ope_estimator_name(OPE_SWITCH), "switch_dr");
    assert_string_equal(ope_warning_name(OPE_WARN_FEW), "effective_sample_size");
    struct ope *x = ope_new(&(struct ope_options){0});
    struct ope_result r;
    ope_result(x, &r);
    ope_free(&x);
#define X(name, bit, text)                                                                                   \
    {                                                                                                        \
        char long_text[512], short_text[8];                                                                  \
        ope_warning_text(&r, name, long_text, sizeof long_text);                                             \
        ope_warning_text(&r, name, short_text, sizeof short_text);                                           \
        assert_string_equal(ope_warning_name(name), text);                                                   \
        assert_true(strlen(long_text) > 40 && strlen(long_text) < 400);                                      \
        assert_memory_equal(long_text, short_text, 7);                                                       \
    }
    OPE_WARNINGS(X)
#undef X
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_oracle),
        cmocka_unit_test(test_by_hand),
        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_without_model),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_warnings_of_weights),
        cmocka_unit_test(test_warning_effective),
        cmocka_unit_test(test_warnings_of_use),
        cmocka_unit_test(test_warning_empty),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_difference),
        cmocka_unit_test(test_positions),
        cmocka_unit_test(test_clusters),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_few_clusters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
