/* Calibrations against libm and against a plain walk over the points in long double; order to the last bit over neighbouring
 * floats; and bits that no build and no machine may change.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/calibration.h"
#include "base/rng.h"
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static const struct calibration none = {.kind = CALIBRATION_NONE};

static void near(double got, double want, double relative)
{
    if (!(fabs(got - want) <= relative * fabs(want)))
        fail_msg("%.17g, not %.17g", got, want);
}

static void test_links(void **state)
{
    (void)state;
    struct rng r;
    rng_seed(&r, 1);
    for (int i = 0; i < 100000; i++) {
        float m = (float)(rng_normal(&r) * (i % 2 ? 3 : 40));
        assert_true(calibration_apply(&none, LINK_IDENTITY, m) == (double)m);
        near(calibration_apply(&none, LINK_LOGISTIC, m), 1 / (1 + exp(-(double)m)), 1e-15);
        near(calibration_apply(&none, LINK_EXP, m), exp(m), 5e-16);
    }
    assert_true(calibration_apply(&none, LINK_LOGISTIC, 0) == 0.5);
    assert_true(calibration_apply(&none, LINK_LOGISTIC, INFINITY) == 1);
    assert_true(calibration_apply(&none, LINK_LOGISTIC, -INFINITY) == 0);
    assert_true(calibration_apply(&none, LINK_LOGISTIC, -FLT_MAX) == 0);
    near(calibration_apply(&none, LINK_EXP, 700), exp(700), 1e-15);
    assert_true(calibration_apply(&none, LINK_EXP, INFINITY) == calibration_apply(&none, LINK_EXP, 700));
    assert_true(calibration_apply(&none, LINK_EXP, 701) == calibration_apply(&none, LINK_EXP, 700));
    assert_true(calibration_apply(&none, LINK_EXP, -INFINITY) == 0);
}

static void test_platt(void **state)
{
    (void)state;
    struct rng r;
    rng_seed(&r, 2);
    for (int i = 0; i < 100000; i++) {
        struct calibration c = {.kind = CALIBRATION_PLATT, .a = rng_normal(&r) * 2, .b = rng_normal(&r)};
        float m = (float)(rng_normal(&r) * 5);
        double t = c.a * (double)m + c.b;
        near(calibration_apply(&c, LINK_LOGISTIC, m), 1 / (1 + exp(-t)), 1e-15);
    }
    struct calibration flat = {.kind = CALIBRATION_PLATT, .a = 0, .b = 0};
    assert_true(calibration_apply(&flat, LINK_LOGISTIC, INFINITY) == 0.5);
    assert_true(calibration_apply(&flat, LINK_LOGISTIC, -INFINITY) == 0.5);
    struct calibration falling = {.kind = CALIBRATION_PLATT, .a = -1, .b = 3};
    assert_true(calibration_apply(&falling, LINK_LOGISTIC, INFINITY) == 0);
    assert_true(calibration_apply(&falling, LINK_LOGISTIC, -INFINITY) == 1);
}

/* count points, x strictly rising floats, y not falling. */
static void make_points(struct rng *r, double *x, double *y, size_t count, double scale)
{
    float at = (float)(rng_normal(r) * scale);
    double value = rng_double(r) * 0.01;
    for (size_t i = 0; i < count; i++) {
        x[i] = (double)at;
        y[i] = value;
        float next = at + (float)(rng_double(r) * scale / (double)count);
        at = next > at && rng_below(r, 5) ? next : nextafterf(at, INFINITY);
        value += rng_below(r, 2) ? rng_double(r) / (double)count : 0;
    }
}

static double walked(const double *x, const double *y, size_t count, double m)
{
    if (m <= x[0])
        return y[0];
    for (size_t i = 1; i < count; i++)
        if (m <= x[i]) {
            long double share = ((long double)m - x[i - 1]) / ((long double)x[i] - x[i - 1]);
            return (double)(y[i - 1] * (1 - share) + y[i] * share);
        }
    return y[count - 1];
}

static void test_isotonic(void **state)
{
    (void)state;
    struct rng r;
    rng_seed(&r, 3);
    static const size_t counts[] = {1, 2, 3, 4, 7, 50, CALIBRATION_POINTS_MAX};
    double x[CALIBRATION_POINTS_MAX], y[CALIBRATION_POINTS_MAX];
    for (size_t k = 0; k < sizeof counts / sizeof *counts; k++) {
        size_t n = counts[k];
        make_points(&r, x, y, n, 8);
        struct calibration c = {.kind = CALIBRATION_ISOTONIC, .x = x, .y = y, .count = n};
        for (size_t i = 0; i < n; i++)
            assert_true(calibration_apply(&c, LINK_LOGISTIC, (float)x[i]) == y[i]);
        for (int i = 0; i < 3000; i++) {
            float m = (float)(x[0] + (rng_double(&r) * 1.4 - 0.2) * (x[n - 1] - x[0] + 0.1));
            double got = calibration_apply(&c, LINK_LOGISTIC, m), want = walked(x, y, n, m);
            if (fabs(got - want) > 1e-15)
                fail_msg("%zu points, margin %a: %.17g, not %.17g", n, m, got, want);
        }
        assert_true(calibration_apply(&c, LINK_EXP, -INFINITY) == y[0]);
        assert_true(calibration_apply(&c, LINK_EXP, INFINITY) == y[n - 1]);
    }
}

static void test_nan(void **state)
{
    (void)state;
    double x[] = {0, 1}, y[] = {0, 1};
    const struct calibration all[] = {none,
                                      {.kind = CALIBRATION_PLATT, .a = 1, .b = 0},
                                      {.kind = CALIBRATION_ISOTONIC, .x = x, .y = y, .count = 2}};
    static const enum link links[] = {LINK_IDENTITY, LINK_LOGISTIC, LINK_EXP};
    for (size_t i = 0; i < 3; i++)
        for (size_t k = 0; k < 3; k++)
            assert_true(isnan(calibration_apply(&all[i], links[k], NAN)));
}

static void walk_order(const struct calibration *c, enum link link, float from)
{
    float m = from;
    double last = calibration_apply(c, link, m);
    for (int i = 0; i < 2000; i++) {
        m = nextafterf(m, INFINITY);
        double next = calibration_apply(c, link, m);
        if (!(next >= last))
            fail_msg("link %d kind %d falls at %a: %a after %a", link, c->kind, m, next, last);
        last = next;
    }
}

static void test_order(void **state)
{
    (void)state;
    struct rng r;
    rng_seed(&r, 4);
    double x[40], y[40];
    make_points(&r, x, y, 40, 3);
    struct calibration c = {.kind = CALIBRATION_ISOTONIC, .x = x, .y = y, .count = 40};
    for (size_t i = 0; i < 40; i++) /* over each point */
        walk_order(&c, LINK_LOGISTIC, (float)x[i] - 1000 * (nextafterf((float)x[i], INFINITY) - (float)x[i]));
    for (int i = 0; i < 300; i++) {
        float scale = i % 3 == 0 ? 1e-6f : i % 3 == 1 ? 1 : 60, m = (float)rng_normal(&r) * scale;
        walk_order(&c, LINK_LOGISTIC, m);
        walk_order(&none, LINK_LOGISTIC, m);
        walk_order(&none, LINK_EXP, m);
    }
    walk_order(&none, LINK_LOGISTIC, -1000 * 0x1p-149f);
    walk_order(&none, LINK_EXP, -1000 * 0x1p-149f);
    for (int k = -20; k <= 20; k++) { /* where the reduction of the argument changes its multiple of ln 2 */
        float edge = (float)((k + 0.5) * 0.69314718055994531);
        walk_order(&none, LINK_LOGISTIC, edge - 1000 * (nextafterf(fabsf(edge), INFINITY) - fabsf(edge)));
        walk_order(&none, LINK_EXP, edge - 1000 * (nextafterf(fabsf(edge), INFINITY) - fabsf(edge)));
    }
}

static uint64_t folded(uint64_t sum, double d)
{
    uint64_t bits;
    memcpy(&bits, &d, sizeof bits);
    return sum * 31 + bits;
}

static void test_same_everywhere(void **state)
{
    (void)state;
    double x[100], y[100];
    for (int i = 0; i < 100; i++) {
        x[i] = i * 0.125 - 6;
        y[i] = (double)i * i / 16384 + i / 3 * 0.001;
    }
    const struct calibration platt = {.kind = CALIBRATION_PLATT, .a = 0.97, .b = -0.02},
                             isotonic = {.kind = CALIBRATION_ISOTONIC, .x = x, .y = y, .count = 100};
    uint64_t sums[4] = {0};
    struct rng r;
    rng_seed(&r, 6);
    for (int i = 0; i < 100000; i++) {
        float m = (float)(rng_double(&r) * 16 - 8);
        sums[0] = folded(sums[0], calibration_apply(&none, LINK_LOGISTIC, m));
        sums[1] = folded(sums[1], calibration_apply(&none, LINK_EXP, m));
        sums[2] = folded(sums[2], calibration_apply(&platt, LINK_LOGISTIC, m));
        sums[3] = folded(sums[3], calibration_apply(&isotonic, LINK_LOGISTIC, m));
    }
    static const uint64_t known[4] = {UINT64_C(5830797654737244245), UINT64_C(4601647662208637313),
                                      UINT64_C(1358456032157578831), UINT64_C(4973557281240108296)};
    for (int i = 0; i < 4; i++)
        if (sums[i] != known[i])
            fail_msg("sum %d is %llu", i, (unsigned long long)sums[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_links), cmocka_unit_test(test_platt), cmocka_unit_test(test_isotonic),
        cmocka_unit_test(test_nan),   cmocka_unit_test(test_order), cmocka_unit_test(test_same_everywhere)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
