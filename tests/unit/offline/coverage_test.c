/* Do 95% intervals hold the truth in 95% of data sets? 400 small data sets from worlds whose truth is known in closed form, with
 * fixed seeds, so a pass is a pass for ever. Between 91% and 98% must; the calibration error's, by the triangle
 * inequality, may hold it always.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/rng.h"
#include "models/offline/metrics.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

enum { SETS = 400, LEAST = SETS * 91 / 100, MOST = SETS * 98 / 100, ROWS = 400, RESAMPLES = 200 };

static double predictions[ROWS], p[ROWS];
static float labels[ROWS], weights[ROWS];
static uint8_t treated[ROWS];

static int holds(struct metric m, double truth)
{
    return m.low <= truth && truth <= m.high;
}

static void check(const char *figure, int held, int most)
{
    print_message("%s: %d of %d\n", figure, held, SETS);
    if (held < LEAST || held > most)
        fail_msg("%s: the truth was held in %d of %d data sets", figure, held, SETS);
}

/* Positives normal around 1, negatives around 0: the chance that one beats another is Φ(1/√2). Also in steps, where ties
 * count: by the distribution of steps. */
static void test_auc(void **state)
{
    (void)state;
    struct rng r;
    rng_seed(&r, 1);
    int smooth = 0, stepped = 0;
    double truth = 0.5 * erfc(-0.5), with_ties = 0, below = 0;
    for (int k = -20; k <= 20; k++) { /* floor(score): k has the chance Φ(k + 1) − Φ(k), and shifted by 1 */
        double negative = 0.5 * (erfc(-(k + 1) / sqrt(2)) - erfc(-k / sqrt(2)));
        double positive = 0.5 * (erfc(-k / sqrt(2)) - erfc(-(k - 1) / sqrt(2)));
        with_ties += positive * (below + negative / 2);
        below += negative;
    }
    for (int s = 0; s < SETS; s++) {
        for (size_t i = 0; i < ROWS; i++) {
            labels[i] = rng_double(&r) < 0.3;
            predictions[i] = rng_normal(&r) + (double)labels[i];
        }
        smooth += holds(metric_auc(predictions, labels, ROWS), truth);
        for (size_t i = 0; i < ROWS; i++)
            predictions[i] = floor(predictions[i]);
        stepped += holds(metric_auc(predictions, labels, ROWS), with_ties);
    }
    check("AUC", smooth, MOST);
    check("AUC with ties", stepped, MOST);
}

/* Ten predictions, equally likely, what is true at each, and a weight that depends on it. */
static double prediction_of(int k)
{
    return 0.05 + 0.1 * k;
}
static double truth_of(int k)
{
    return 0.1 + 0.07 * k;
}
static double weight_of(int k)
{
    return 1 + k % 3;
}

enum { LOG_LOSS, BRIER, WEIGHTED_LOG_LOSS, WEIGHTED_BRIER, POISSON, ABSOLUTE, LOSSES };

static void add_truths(double truths[LOSSES])
{
    double weight = 0;
    for (int k = 0; k < 10; k++) {
        double q = prediction_of(k), t = truth_of(k), w = weight_of(k);
        double loss = -t * log(q) - (1 - t) * log(1 - q), square = t * (1 - q) * (1 - q) + (1 - t) * q * q;
        truths[LOG_LOSS] += loss / 10;
        truths[BRIER] += square / 10;
        truths[WEIGHTED_LOG_LOSS] += w * loss;
        truths[WEIGHTED_BRIER] += w * square;
        truths[POISSON] += (t * 2 * (-log(q) - 1 + q) + (1 - t) * 2 * q) / 10;
        truths[ABSOLUTE] += (t * (1 - q) + (1 - t) * q) / 10;
        weight += w;
    }
    truths[WEIGHTED_LOG_LOSS] /= weight;
    truths[WEIGHTED_BRIER] /= weight;
}

static void test_losses(void **state)
{
    (void)state;
    static const char *const names[LOSSES] = {"log loss",       "Brier",   "weighted log loss",
                                              "weighted Brier", "Poisson", "absolute"};
    struct rng r;
    rng_seed(&r, 2);
    int held[LOSSES] = {0};
    double truths[LOSSES] = {0};
    add_truths(truths);
    for (int s = 0; s < SETS; s++) {
        for (size_t i = 0; i < ROWS; i++) {
            int k = (int)rng_below(&r, 10);
            predictions[i] = prediction_of(k);
            labels[i] = rng_double(&r) < truth_of(k);
            weights[i] = (float)weight_of(k);
        }
        const struct metric all[LOSSES] = {metric_log_loss(predictions, labels, NULL, ROWS),
                                           metric_squared(predictions, labels, NULL, ROWS),
                                           metric_log_loss(predictions, labels, weights, ROWS),
                                           metric_squared(predictions, labels, weights, ROWS),
                                           metric_poisson(predictions, labels, NULL, ROWS),
                                           metric_absolute(predictions, labels, NULL, ROWS)};
        for (int k = 0; k < LOSSES; k++)
            held[k] += holds(all[k], truths[k]);
    }
    for (int k = 0; k < LOSSES; k++)
        check(names[k], held[k], MOST);
}

/* Labels a tenth more likely than predicted everywhere: the error is 0.1 in every bin. Then a perfect model, whose figure is
 * above 0 all the same; low is 0 then as often as promised. */
static void test_calibration_error(void **state)
{
    (void)state;
    struct rng r;
    rng_seed(&r, 3);
    int shifted = 0, perfect = 0;
    for (int s = 0; s < SETS; s++) {
        for (size_t i = 0; i < ROWS; i++) {
            predictions[i] = 0.1 + 0.7 * rng_double(&r);
            labels[i] = rng_double(&r) < predictions[i] + 0.1;
        }
        shifted +=
            holds(metric_calibration_error(predictions, labels, ROWS, 10, (uint64_t)s, NULL, NULL), 0.1);
        for (size_t i = 0; i < ROWS; i++)
            labels[i] = rng_double(&r) < predictions[i];
        struct metric m = metric_calibration_error(predictions, labels, ROWS, 10, (uint64_t)s, NULL, NULL);
        assert_true(m.value > 0.005);
        perfect += holds(m, 0);
    }
    check("calibration error, shifted", shifted, SETS);
    check("calibration error, perfect", perfect, MOST);
}

static void make_uplift_rows(struct rng *r, bool ties)
{
    for (size_t i = 0; i < ROWS; i++) {
        double u = ties ? (double)rng_below(r, 5) / 5 + 0.1 : rng_double(r);
        predictions[i] = u;
        p[i] = 0.3 + 0.4 * u;
        treated[i] = rng_double(r) < p[i];
        labels[i] = rng_double(r) < 0.2 + (treated[i] ? 0.5 * u - 0.05 : 0);
    }
}

/* True effect τ(u) = u/2 − 0.05, u uniform: what a row gains stays over the share u of rows that come after it, so AUUC is
 * ∫ τ(u) u du = 1/6 − 0.025; ATE 0.2. In five steps 0.1, 0.3, … 0.9, a step's share lies half below its middle: the same
 * formula summed. */
static void uplift_coverage(bool ties, const char *const names[3])
{
    struct rng r;
    rng_seed(&r, ties ? 4 : 5);
    double auuc = 1.0 / 6 - 0.025, ate = 0.2;
    if (ties)
        auuc = (0.0 * 0.1 + 0.1 * 0.3 + 0.2 * 0.5 + 0.3 * 0.7 + 0.4 * 0.9) / 5;
    int held[3] = {0};
    for (int s = 0; s < SETS; s++) {
        struct uplift_metrics m;
        make_uplift_rows(&r, ties);
        assert_int_equal(metric_uplift(&m, predictions, labels, treated, p, ROWS, RESAMPLES, (uint64_t)s), 0);
        held[0] += holds(m.qini, auuc - ate / 2);
        held[1] += holds(m.auuc, auuc);
        held[2] += holds(m.ate, ate);
    }
    for (int k = 0; k < 3; k++)
        check(names[k], held[k], MOST);
}

static void test_uplift(void **state)
{
    (void)state;
    uplift_coverage(false, (const char *const[]){"Qini", "AUUC", "ATE"});
}

static void test_uplift_with_ties(void **state)
{
    (void)state;
    uplift_coverage(true, (const char *const[]){"Qini with ties", "AUUC with ties", "ATE with ties"});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_auc), cmocka_unit_test(test_losses), cmocka_unit_test(test_calibration_error),
        cmocka_unit_test(test_uplift), cmocka_unit_test(test_uplift_with_ties)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
