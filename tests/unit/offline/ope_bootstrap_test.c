/* The Poisson bootstrap's draws: the distribution exactly (its table against long doubles at every edge), independence between
 * clusters, resamples and seeds statistically, with fixed seeds, so that a pass is a pass for ever; and the sums against
 * one addition after the other. What ope makes of them is in ope_test.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/offline/ope_bootstrap.h"
#include "base/rng.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

/* The smallest number that gives at least k. */
static uint64_t edge(unsigned k)
{
    uint64_t low = 0, high = UINT64_MAX;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (ope_poisson(middle) >= k)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* P(X < k) · 2^64 by summing the upper tail, which is small where the edges are close to 2^64. */
static void test_edges(void **state)
{
    (void)state;
    assert_int_equal(ope_poisson(0), 0);
    assert_int_equal(ope_poisson(UINT64_MAX), 20);
    for (unsigned k = 1; k <= 20; k++) {
        long double term = expl(-1), tail = 0;
        for (unsigned j = 1; j <= k; j++)
            term /= j;
        for (unsigned j = k; j < k + 30; j++, term /= j)
            tail += term;
        uint64_t at = edge(k);
        long double above = (long double)(UINT64_MAX - at) + 1; /* how many numbers give k or more */
        if (fabsl(above - tail * 0x1p64L) > 1 + 4 * tail)       /* a floor, and the long double's own 2^-64 */
            fail_msg("%u: %Lg numbers, expected %Lg", k, above, tail * 0x1p64L);
        assert_int_equal(ope_poisson(at - 1), k - 1);
        assert_int_equal(ope_poisson(at), k);
    }
}

static void within(double sum, double expected, double deviation)
{
    if (fabs(sum - expected) > 4.5 * deviation)
        fail_msg("%g, expected %g ± %g", sum, expected, deviation);
}

/* Moments of one draw, and products of draws that must not know of each other: next cluster, next resample, next seed, a
 * cluster far away. Centred draws have variance 1, squares of them 3 (fourth central moment 4), products of two 1. */
static void test_independence(void **state)
{
    (void)state;
    enum { CLUSTERS = 2000, TIMES = 200 };
    double n = (double)CLUSTERS * TIMES, mean = 0, variance = 0, third = 0, products[5] = {0};
    for (uint64_t c = 0; c < CLUSTERS; c++)
        for (uint64_t b = 0; b < TIMES; b++) {
            double k = ope_bootstrap_count(1, c, b) - 1.0;
            mean += k;
            variance += k * k;
            third += k * k * k;
            products[0] += k * (ope_bootstrap_count(1, c + 1, b) - 1.0);
            products[1] += k * (ope_bootstrap_count(1, c, b + 1) - 1.0);
            products[2] += k * (ope_bootstrap_count(2, c, b) - 1.0);
            products[3] += k * (ope_bootstrap_count(1, c + (UINT64_C(1) << 63), b) - 1.0);
            products[4] += k * (ope_bootstrap_count(1, c + 1, b + 1) - 1.0);
        }
    within(mean, 0, sqrt(n));
    within(variance, n, sqrt(3 * n));
    within(third, n, sqrt(40 * n)); /* sixth central moment 41, third 1 */
    for (int i = 0; i < 5; i++)
        within(products[i], 0, sqrt(n));
}

/* What a resample's total over many clusters does: mean and variance are the number of clusters. */
static void test_totals(void **state)
{
    (void)state;
    enum { CLUSTERS = 500, TIMES = 1000 };
    double sum = 0, squares = 0;
    for (uint64_t b = 0; b < TIMES; b++) {
        double total = -(double)CLUSTERS;
        for (uint64_t c = 0; c < CLUSTERS; c++)
            total += ope_bootstrap_count(77, c * 1000, b);
        sum += total;
        squares += total * total;
    }
    within(sum, 0, sqrt((double)CLUSTERS * TIMES));
    within(squares / CLUSTERS, TIMES, sqrt(2.0 * TIMES));
}

/* Rows of few clusters in many positions, more than a block of them, in every mixture: integers, so that sums are exact. */
static void test_sums(void **state)
{
    (void)state;
    enum { POSITIONS = 5, TIMES = 37, ROWS = 1500 };
    struct ope_bootstrap *b = ope_bootstrap_new(POSITIONS, TIMES, 99);
    double(*expected)[TIMES][OPE_BOOTSTRAP_SUMS] = calloc(POSITIONS + 1, sizeof *expected);
    struct rng r;
    rng_seed(&r, 3);
    uint64_t cluster = 0;
    for (int i = 0; i < ROWS; i++) {
        if (rng_below(&r, 3) == 0)
            cluster = rng_below(&r, 40);
        size_t position = rng_below(&r, POSITIONS);
        double values[OPE_BOOTSTRAP_SUMS];
        for (int k = 0; k < OPE_BOOTSTRAP_SUMS; k++)
            values[k] = (double)rng_below(&r, 2000) - 1000;
        ope_bootstrap_add(b, cluster, position, values);
        for (uint64_t t = 0; t < TIMES; t++)
            for (int k = 0; k < OPE_BOOTSTRAP_SUMS; k++) {
                double term = ope_bootstrap_count(99, cluster, t) * values[k];
                expected[position][t][k] += term;
                expected[POSITIONS][t][k] += term;
            }
        if (i % 400 == 0)
            assert_memory_equal(ope_bootstrap_all(b), expected[POSITIONS], sizeof *expected);
    }
    for (size_t p = 0; p < POSITIONS; p++)
        assert_memory_equal(ope_bootstrap_at(b, p), expected[p], sizeof *expected);
    assert_memory_equal(ope_bootstrap_all(b), expected[POSITIONS], sizeof *expected);
    free(expected);
    ope_bootstrap_free(&b);
    assert_null(b);
    ope_bootstrap_free(&b);
    assert_null(
        ope_bootstrap_new(SIZE_MAX / 2, SIZE_MAX / 2, 0)); /* more than there is, without an overflow */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_edges), cmocka_unit_test(test_independence),
                                       cmocka_unit_test(test_totals), cmocka_unit_test(test_sums)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
