/* The generator against numbers computed independently (in Python, from the published algorithms), and its
 * derived draws against what their distributions must look like; the seeds are fixed, so a pass is a pass for
 * ever.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/rng.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

static void test_known(void **state)
{
    (void)state;
    static const struct {
        uint64_t seed, first[4], thousandth;
    } cases[] = {
        {0,
         {0x99ec5f36cb75f2b4, 0xbf6e1f784956452a, 0x1a5f849d4933e6e0, 0x6aa594f1262d2d2c},
         0x7aac8c483a2edd2f},
        {1,
         {0xb3f2af6d0fc710c5, 0x853b559647364cea, 0x92f89756082a4514, 0x642e1c7bc266a3a7},
         0xb8517c33c344d153},
        {20250115,
         {0xa53a55f88ea59d85, 0x03cc74cf3712e61d, 0x84f0c067730032ac, 0xe27b094c92f92859},
         0x0009270faf5a3323},
        {UINT64_MAX,
         {0x8f5520d52a7ead08, 0xc476a018caa1802d, 0x81de31c0d260469e, 0xbf658d7e065f3c2f},
         0xc3c93ea5cde434cc},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rng r;
        rng_seed(&r, cases[i].seed);
        for (int k = 0; k < 4; k++)
            assert_true(rng_u64(&r) == cases[i].first[k]);
        for (int k = 4; k < 999; k++)
            rng_u64(&r);
        assert_true(rng_u64(&r) == cases[i].thousandth);
    }
}

/* Pearson's chi-square of n draws over k cells must lie within six standard deviations (2k) of its mean (k -
 * 1). */
static void even(const unsigned *cells, unsigned k, double n)
{
    double chi = 0, expected = n / k;
    for (unsigned i = 0; i < k; i++)
        chi += (cells[i] - expected) * (cells[i] - expected) / expected;
    assert_true(fabs(chi - (k - 1)) < 6 * sqrt(2.0 * k));
}

enum { DRAWS = 300000 };

static void test_uniform(void **state)
{
    (void)state;
    static const uint64_t bounds[] = {1, 2, 3, 7, 100, 1000};
    struct rng r;
    rng_seed(&r, 9);
    for (size_t b = 0; b < sizeof bounds / sizeof *bounds; b++) {
        unsigned cells[1000] = {0};
        for (int i = 0; i < DRAWS; i++) {
            uint64_t v = rng_below(&r, bounds[b]);
            assert_true(v < bounds[b]);
            cells[v]++;
        }
        even(cells, (unsigned)bounds[b], DRAWS);
    }
    unsigned thirds[3] = {0}; /* a bound that plain modulo would favour by half */
    for (int i = 0; i < DRAWS; i++)
        thirds[rng_below(&r, (uint64_t)3 << 62) >> 62]++;
    even(thirds, 3, DRAWS);
    unsigned bits[64] = {0}, cells[64] = {0};
    double sum = 0, squares = 0;
    for (int i = 0; i < DRAWS; i++) {
        uint64_t v = rng_u64(&r);
        for (int k = 0; k < 64; k++)
            bits[k] += v >> k & 1;
        double d = rng_double(&r);
        assert_true(d >= 0 && d < 1);
        cells[(int)(d * 64)]++;
        sum += d;
        squares += d * d;
    }
    for (int k = 0; k < 64; k++)
        assert_true(fabs(bits[k] - DRAWS / 2.0) < 6 * sqrt(DRAWS / 4.0));
    even(cells, 64, DRAWS);
    assert_true(fabs(sum / DRAWS - 0.5) < 6 * sqrt(1.0 / 12 / DRAWS));
    assert_true(fabs(squares / DRAWS - 1.0 / 3) < 6 * sqrt(4.0 / 45 / DRAWS));
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Kolmogorov and Smirnov's distance from the normal distribution function; 2/sqrt(n) is passed once in 1,500.
 */
static void test_normal(void **state)
{
    (void)state;
    static double x[DRAWS];
    struct rng r;
    rng_seed(&r, 10);
    double sum = 0, worst = 0;
    for (int i = 0; i < DRAWS; i++) {
        x[i] = rng_normal(&r);
        sum += x[i];
    }
    assert_true(fabs(sum / DRAWS) < 6 / sqrt(DRAWS));
    qsort(x, DRAWS, sizeof *x, by_value);
    for (int i = 0; i < DRAWS; i++)
        worst = fmax(worst, fabs(0.5 * erfc(-x[i] / sqrt(2)) - (i + 0.5) / DRAWS));
    assert_true(worst < 2 / sqrt(DRAWS));
    assert_true(x[0] < -3.5 && x[DRAWS - 1] > 3.5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_known), cmocka_unit_test(test_uniform),
                                       cmocka_unit_test(test_normal)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
