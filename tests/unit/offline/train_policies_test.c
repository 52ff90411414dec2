/* The table of policies against one evaluation (ope.h) a policy and cost, with the costs in the rewards and predictions: the same
 * values, and intervals from the same draws.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/rng.h"
#include "models/offline/ope.h"
#include "models/offline/train_policies.h"
#include <math.h>

enum { ROWS = 3000, ARMS = 4, COSTS = 5, RESAMPLES = 399 }; /* nine policies: more than one bootstrap holds */

static float labels[ROWS];
static uint32_t arm_of[ROWS], rows[ROWS], lines[ROWS];
static double p[ROWS], predictions[ARMS * ROWS], costs[COSTS] = {0, 0.05, 0.1, 0.2, 3};
static uint64_t keys[ROWS];
static uint8_t side[ROWS];

static void make_rows(void)
{
    struct rng r;
    rng_seed(&r, 21);
    for (uint32_t i = 0; i < ROWS; i++) {
        rows[i] = i;
        keys[i] = i / 3; /* three rows a customer */
        side[i] = SIDE_TEST;
        arm_of[i] = (uint32_t)rng_below(&r, ARMS);
        p[i] = 0.25;
        for (size_t a = 0; a < ARMS; a++)
            predictions[a * ROWS + i] = 0.3 + 0.1 * rng_normal(&r) * (a > 0);
        labels[i] = rng_double(&r) < 0.3 + 0.05 * arm_of[i];
    }
}

static struct ope *evaluate(const struct train_policy *policy, double *silent)
{
    const struct ope_options options = {.positions = 1, .model = true, .resamples = RESAMPLES, .seed = 5};
    struct ope *o = ope_new(&options);
    struct error e = {0};
    double without = 0;
    assert_non_null(o);
    for (size_t i = 0; i < ROWS; i++) {
        size_t own = arm_of[i], arm = policy->kind == POLICY_ARM ? policy->arm : 0;
        for (size_t a = 1; a < ARMS && policy->kind == POLICY_BEST; a++)
            if (predictions[a * ROWS + i] - policy->cost >
                predictions[arm * ROWS + i] - (arm ? policy->cost : 0))
                arm = a;
        double own_cost = own ? policy->cost : 0, cost = arm ? policy->cost : 0;
        without += arm == 0;
        const struct ope_row row = {.weight = arm == own ? 1 / p[i] : 0,
                                    .reward = (double)labels[i] - own_cost,
                                    .logged = p[i],
                                    .model_logged = predictions[own * ROWS + i] - own_cost,
                                    .model_value = predictions[arm * ROWS + i] - cost,
                                    .cluster = keys[i]};
        assert_int_equal(ope_add(o, &row, &e), 0);
    }
    *silent = without / ROWS;
    return o;
}

static void assert_close(double got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance))
        fail_msg("%.17g, not %.17g", got, want);
}

/* Percentiles are read off a little differently: by less than a tenth of the width. */
static void assert_figure(struct metric got, const struct ope_figure *want)
{
    double width = want->bootstrap.high - want->bootstrap.low;
    assert_close(got.value, want->value, 1e-12);
    assert_close(got.low, want->bootstrap.low, 0.1 * width + 1e-12);
    assert_close(got.high, want->bootstrap.high, 0.1 * width + 1e-12);
}

static void test_equals_one_by_one(void **state)
{
    (void)state;
    struct train_arm arms[ARMS] = {
        {.name = STR("silence")}, {.name = STR("a")}, {.name = STR("b")}, {.name = STR("c")}};
    const struct train_data d = {.n = ROWS,
                                 .labels = labels,
                                 .arm_of = arm_of,
                                 .p = p,
                                 .keys = keys,
                                 .lines = lines,
                                 .side = side,
                                 .arms = arms,
                                 .arm_count = ARMS};
    struct train_config c = {
        .kind = BUNDLE_T_LEARNER, .customer_column = STR("id"), .cost_count = COSTS, .seed = 5};
    struct train_measures m = {0};
    struct error e = {0};
    for (size_t k = 0; k < COSTS; k++)
        c.costs[k] = costs[k];
    make_rows();
    arena_init(&m.arena, 1 << 20);
    assert_int_equal(train_measure_policies(&m, &d, &c, rows, ROWS, predictions, RESAMPLES, NULL, &e), 0);
    assert_int_equal(m.policy_count, COSTS * (ARMS + 1));
    for (size_t i = 0; i < m.policy_count; i++) {
        const struct train_policy *got = &m.policies[i], nobody = {.kind = POLICY_NOBODY};
        enum train_policy_kind kind = i % (ARMS + 1) == 0      ? POLICY_BEST
                                      : i % (ARMS + 1) == ARMS ? POLICY_NOBODY
                                                               : POLICY_ARM;
        struct ope_result want;
        struct ope_figure over;
        double silent, all;
        struct ope *o = evaluate(got, &silent), *reference = evaluate(&nobody, &all);
        ope_result(o, &want);
        ope_difference(o, reference, OPE_DR, &over);
        assert_int_equal(got->kind, kind);
        assert_true(got->cost == costs[i / (ARMS + 1)]);
        assert_figure(got->value, &want.figures[OPE_DR]);
        assert_figure(got->over_nobody, &over);
        assert_close(got->silent, silent, 1e-15);
        assert_int_equal(got->trusted, want.trusted);
        ope_free(&o);
        ope_free(&reference);
    }
    assert_true(m.policies[0].silent < 0.5 && m.policies[(COSTS - 1) * (ARMS + 1)].silent == 1);
    train_measures_free(&m);
    const volatile sig_atomic_t stop = 1;
    arena_init(&m.arena, 1 << 20);
    assert_int_equal(train_measure_policies(&m, &d, &c, rows, ROWS, predictions, RESAMPLES, &stop, &e),
                     ERR_UNAVAILABLE);
    train_measures_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_equals_one_by_one)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
