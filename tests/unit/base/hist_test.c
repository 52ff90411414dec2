/* The histogram against sorted values, and its edges.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/hist.h"
#include "base/rng.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

enum { N = 20000 };

static int order(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void test_percentiles(void **state)
{
    (void)state;
    static uint64_t values[N];
    static struct hist h, halves[2];
    struct rng r;
    rng_seed(&r, 1);
    uint64_t sum = 0;
    for (int i = 0; i < N; i++) {
        values[i] = (uint64_t)exp(rng_double(&r) * 28); /* 1 ns to 24 minutes, evenly by order of magnitude */
        hist_record(&h, values[i]);
        hist_record(&halves[i % 2], values[i]);
        sum += values[i];
    }
    qsort(values, N, sizeof *values, order);
    hist_merge(&halves[0], &halves[1]);
    assert_memory_equal(&h, &halves[0], sizeof h);
    assert_int_equal(hist_count(&h), N);
    assert_int_equal(hist_sum(&h), sum);
    assert_int_equal(hist_min(&h), values[0]);
    assert_int_equal(hist_max(&h), values[N - 1]);
    assert_float_equal(hist_mean(&h), (double)sum / N, 1e-6 * (double)sum / N);
    for (int k = 1; k <= 1000; k++) {
        uint64_t exact = values[(N * k + 999) / 1000 - 1], told = hist_percentile(&h, k / 1000.0);
        assert_true(told >= exact);
        assert_true(told - exact <= exact / 64);
    }
    assert_int_equal(hist_percentile(&h, 0), values[0]);
    assert_int_equal(hist_percentile(&h, 1), values[N - 1]);
    assert_int_equal(hist_percentile(&h, 7), values[N - 1]);
    assert_int_equal(hist_percentile(&h, NAN), values[0]);
}

static void test_edges(void **state)
{
    (void)state;
    static struct hist h, empty;
    assert_int_equal(hist_percentile(&h, 0.5), 0);
    assert_int_equal(hist_min(&h), 0);
    hist_merge(&h, &empty);
    assert_int_equal(hist_count(&h), 0);
    hist_record(&h, 0);
    assert_int_equal(hist_percentile(&h, 0.5), 0);
    hist_record(&h, UINT64_MAX);
    assert_int_equal(hist_max(&h), UINT64_MAX);
    assert_int_equal(hist_percentile(&h, 1), UINT64_MAX);
    hist_clear(&h);
    for (unsigned k = 0; k < 64; k++) /* each power of two and its neighbours lands within the stated error */
        for (int d = -1; d <= 1; d++) {
            uint64_t v = ((uint64_t)1 << k) + (uint64_t)(int64_t)d;
            hist_clear(&h);
            hist_record(&h, v);
            hist_record(&h, UINT64_MAX);
            uint64_t told = hist_percentile(&h, 0.5);
            assert_true(v >> HIST_TOP_BITS ? told == UINT64_MAX : told >= v && told - v <= v / 64);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_percentiles), cmocka_unit_test(test_edges)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
