/* Uplift figures: against the formula of the head of metrics.h evaluated at every depth by summing over all rows, against a
 * table worked out by hand, and their intervals against the jackknife. Poisson counts against the distribution they are to have.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/rng.h"
#include "models/offline/metrics.h"
#include "models/offline/resample.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

enum { ROWS_MAX = 2000 };
static double uplift[ROWS_MAX], p[ROWS_MAX];
static float labels[ROWS_MAX];
static uint8_t treated[ROWS_MAX];

static void close_to(double got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance))
        fail_msg("%.17g, not %.17g", got, want);
}

/* steps > 0: predictions with ties. */
static void make_rows(struct rng *r, size_t n, unsigned steps)
{
    for (size_t i = 0; i < n; i++) {
        double u = rng_double(r);
        uplift[i] = steps ? floor(u * steps) / steps : u;
        p[i] = 0.2 + 0.6 * rng_double(r);
        treated[i] = rng_double(r) < p[i];
        labels[i] = (float)(rng_normal(r) + (treated[i] ? u : 0.3));
    }
    treated[0] = 1;
    treated[1] = 0;
}

/* g at the depth of all rows with a prediction of `least` or more, skipping one row; *depth: how many they are. */
static double slow_gain(size_t n, double least, size_t skip, double *depth)
{
    double with = 0, without = 0, rows = 0;
    *depth = 0;
    for (size_t i = 0; i < n; i++) {
        if (i == skip)
            continue;
        rows++;
        if (uplift[i] < least)
            continue;
        ++*depth;
        if (treated[i])
            with += (double)labels[i] / p[i];
        else
            without += (double)labels[i] / (1 - p[i]);
    }
    return (with - without) / rows;
}

/* The area by trapezoids from one prediction to the next smaller one. */
static struct uplift_metrics slow_uplift(size_t n, size_t skip)
{
    double area = 0, at = 0, gain = 0, above = INFINITY, rows = (double)n - (skip < n);
    while (at < rows) {
        double next = -INFINITY, depth;
        for (size_t i = 0; i < n; i++)
            if (i != skip && uplift[i] < above && uplift[i] > next)
                next = uplift[i];
        double next_gain = slow_gain(n, next, skip, &depth);
        area += (depth - at) / rows * (gain + next_gain) / 2;
        at = depth;
        gain = next_gain;
        above = next;
    }
    return (struct uplift_metrics){{.value = area - gain / 2}, {.value = area}, {.value = gain}};
}

/* The curve at a share of rows. */
static double slow_curve(size_t n, double share)
{
    double at = 0, gain = 0, above = INFINITY, row = share * (double)n;
    while (at < row) {
        double next = -INFINITY, depth;
        for (size_t i = 0; i < n; i++)
            if (uplift[i] < above && uplift[i] > next)
                next = uplift[i];
        double next_gain = slow_gain(n, next, n, &depth);
        if (depth >= row)
            return gain + (next_gain - gain) * (row - at) / (depth - at);
        at = depth;
        gain = next_gain;
        above = next;
    }
    return gain;
}

static void test_slow(void **state)
{
    (void)state;
    struct rng r;
    rng_seed(&r, 1);
    for (int round = 0; round < 200; round++) {
        size_t n = 2 + rng_below(&r, 80);
        make_rows(&r, n, (unsigned)rng_below(&r, 3) * 6);
        struct uplift_metrics got, want = slow_uplift(n, n);
        assert_int_equal(metric_uplift(&got, uplift, labels, treated, p, n, 0, 1), 0);
        close_to(got.qini.value, want.qini.value, 1e-12);
        close_to(got.auuc.value, want.auuc.value, 1e-12);
        close_to(got.ate.value, want.ate.value, 1e-12);
        assert_true(isnan(got.qini.low) && isnan(got.auuc.high) && isnan(got.ate.low));
        struct uplift_point curve[14];
        assert_int_equal(metric_uplift_curve(curve, 13, uplift, labels, treated, p, n), 0);
        for (int k = 0; k <= 13; k++) {
            assert_true(curve[k].depth == k / 13.0);
            close_to(curve[k].gain, slow_curve(n, k / 13.0), 1e-11);
        }
        close_to(curve[13].gain, got.ate.value, 1e-13);
    }
}

/* Four customers, p = 1/2: gains 2·1, 0, 0, −2·1 in falling order of uplift over 4: g = 0, 1/2, 1/2, 1/2, 0. The area is
 * (1/4 + 1/2 + 1/2 + 1/4) / 4. With unequal shares p = 1/5 and 4/5: gains 5, 0, 0, −5 over 4. */
static void test_by_hand(void **state)
{
    (void)state;
    const double u[] = {0.1, 0.4, 0.3, 0.2}, half[] = {0.5, 0.5, 0.5, 0.5}, unequal[] = {0.8, 0.2, 0.5, 0.5};
    const float y[] = {1, 1, 0, 0};
    const uint8_t t[] = {0, 1, 0, 1};
    struct uplift_metrics m;
    assert_int_equal(metric_uplift(&m, u, y, t, half, 4, 0, 1), 0);
    close_to(m.auuc.value, 0.375, 1e-15);
    close_to(m.ate.value, 0, 1e-15);
    close_to(m.qini.value, 0.375, 1e-15);
    assert_int_equal(metric_uplift(&m, u, y, t, unequal, 4, 0, 1), 0);
    close_to(m.auuc.value, 5.0 / 4 * 3 / 4, 1e-15);
    struct uplift_point curve[5];
    assert_int_equal(metric_uplift_curve(curve, 4, u, y, t, half, 4), 0);
    static const double want[] = {0, 0.5, 0.5, 0.5, 0};
    for (int i = 0; i < 5; i++)
        assert_true(curve[i].depth == i / 4.0 && curve[i].gain == want[i]);
}

/* g known as a function: uplift falls from 1 to 0 over n rows of each group in pairs of equal prediction, labels of the treated
 * u and of the others 0, p = 1/2: pair k of m adds u_k/m, u_k = 1 − (k − ½)/m; g(d) = d − d²/2, area 1/2 − 1/6. */
static void test_closed_form(void **state)
{
    (void)state;
    enum { PAIRS = 500 };
    for (size_t i = 0; i < PAIRS; i++) {
        double u = 1 - ((double)i + 0.5) / PAIRS;
        uplift[2 * i] = uplift[2 * i + 1] = u;
        treated[2 * i] = 1;
        treated[2 * i + 1] = 0;
        labels[2 * i] = (float)u;
        labels[2 * i + 1] = 0;
        p[2 * i] = p[2 * i + 1] = 0.5;
    }
    struct uplift_metrics m;
    struct uplift_point curve[11];
    assert_int_equal(metric_uplift(&m, uplift, labels, treated, p, 2 * PAIRS, 0, 1), 0);
    close_to(m.ate.value, 0.5, 1e-7);
    close_to(m.auuc.value, 1.0 / 3, 1e-6);
    close_to(m.qini.value, 1.0 / 12, 1e-6);
    assert_int_equal(metric_uplift_curve(curve, 10, uplift, labels, treated, p, 2 * PAIRS), 0);
    for (int k = 0; k <= 10; k++)
        close_to(curve[k].gain, k / 10.0 - k * k / 200.0, 1e-7);
}

static void test_order_and_ties(void **state)
{
    (void)state;
    struct rng r;
    rng_seed(&r, 2);
    make_rows(&r, 900, 40);
    struct uplift_metrics first, again;
    assert_int_equal(metric_uplift(&first, uplift, labels, treated, p, 900, 50, 9), 0);
    for (size_t i = 900; i-- > 1;) {
        size_t k = rng_below(&r, i + 1);
        double u = uplift[i], q = p[i];
        float y = labels[i];
        uint8_t t = treated[i];
        uplift[i] = uplift[k];
        p[i] = p[k];
        labels[i] = labels[k];
        treated[i] = treated[k];
        uplift[k] = u;
        p[k] = q;
        labels[k] = y;
        treated[k] = t;
    }
    assert_int_equal(metric_uplift(&again, uplift, labels, treated, p, 900, 50, 9), 0);
    assert_memory_equal(&first, &again, sizeof first);
    assert_int_equal(metric_uplift(&again, uplift, labels, treated, p, 900, 50, 10), 0);
    assert_true(first.auuc.value == again.auuc.value && first.auuc.low < again.auuc.high);
    assert_memory_not_equal(&first, &again, sizeof first); /* another seed */
    for (size_t i = 0; i < 900; i++)
        uplift[i] = 0.25;
    assert_int_equal(metric_uplift(&first, uplift, labels, treated, p, 900, 50, 9), 0);
    close_to(first.qini.value, 0, 1e-15);
    close_to(first.qini.low, 0, 1e-15);
    close_to(first.qini.high, 0, 1e-15);
}

/* The bootstrap's spread is the jackknife's (Efron 1979) but for chance: (n − 1)/n Σ (without row i − mean)². */
static void test_jackknife(void **state)
{
    (void)state;
    enum { N = 250, RESAMPLES = 8000 };
    struct rng r;
    rng_seed(&r, 3);
    make_rows(&r, N, 12);
    double each[3][N], mean[3] = {0}, variance[3] = {0};
    for (size_t i = 0; i < N; i++) {
        struct uplift_metrics m = slow_uplift(N, i);
        each[0][i] = m.qini.value;
        each[1][i] = m.auuc.value;
        each[2][i] = m.ate.value;
        for (int k = 0; k < 3; k++)
            mean[k] += each[k][i] / N;
    }
    for (int k = 0; k < 3; k++)
        for (size_t i = 0; i < N; i++)
            variance[k] += (N - 1.0) / N * (each[k][i] - mean[k]) * (each[k][i] - mean[k]);
    struct uplift_metrics m;
    assert_int_equal(metric_uplift(&m, uplift, labels, treated, p, N, RESAMPLES, 4), 0);
    const struct metric *all[] = {&m.qini, &m.auuc, &m.ate};
    for (int k = 0; k < 3; k++) {
        double ratio = (all[k]->high - all[k]->low) / (2 * 1.9599639845400545 * sqrt(variance[k]));
        if (!(ratio > 0.95 && ratio < 1.05))
            fail_msg("figure %d: the interval has %g of the jackknife's width", k, ratio);
        assert_true(all[k]->low < all[k]->value && all[k]->value < all[k]->high);
    }
}

static void refused(size_t n, int resamples)
{
    struct uplift_metrics m;
    struct uplift_point curve[2] = {{5, 5}, {5, 5}};
    assert_int_equal(metric_uplift(&m, uplift, labels, treated, p, n, resamples, 1), ERR_INVALID);
    assert_true(isnan(m.qini.value) && isnan(m.auuc.low) && isnan(m.ate.high));
    if (resamples == 0) {
        assert_int_equal(metric_uplift_curve(curve, 1, uplift, labels, treated, p, n), ERR_INVALID);
        assert_true(curve[0].gain == 5 && curve[1].depth == 5);
    }
}

static void test_refused(void **state)
{
    (void)state;
    struct rng r;
    rng_seed(&r, 5);
    make_rows(&r, 10, 0);
    refused(0, 0);
    refused(10, -1);
    refused(10, UPLIFT_RESAMPLES_MAX + 1);
    struct uplift_point curve[1];
    assert_int_equal(metric_uplift_curve(curve, 0, uplift, labels, treated, p, 10), ERR_INVALID);
    static const double wrong_p[] = {0, 1, -0.5, 1.5, NAN};
    for (size_t i = 0; i < sizeof wrong_p / sizeof *wrong_p; i++) {
        make_rows(&r, 10, 0);
        p[7] = wrong_p[i];
        refused(10, 0);
    }
    static const double not_finite[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < 3; i++) {
        make_rows(&r, 10, 0);
        uplift[9] = not_finite[i];
        refused(10, 0);
        make_rows(&r, 10, 0);
        labels[0] = (float)not_finite[i];
        refused(10, 0);
    }
    make_rows(&r, 10, 0);
    treated[3] = 2;
    refused(10, 0);
    memset(treated, 1, 10);
    refused(10, 0);
    memset(treated, 0, 10);
    refused(10, 0);
}

/* Two rows: one resample in seven has neither and is left out. */
static void test_few(void **state)
{
    (void)state;
    struct rng r;
    rng_seed(&r, 6);
    make_rows(&r, 2, 0);
    struct uplift_metrics m;
    assert_int_equal(metric_uplift(&m, uplift, labels, treated, p, 2, 200, 1), 0);
    assert_true(isfinite(m.qini.low) && isfinite(m.auuc.high));
    assert_true(m.ate.low <= m.ate.value && m.ate.value <= m.ate.high);
    assert_int_equal(metric_uplift(&m, uplift, labels, treated, p, 2, 1, 1), 0);
    assert_true(m.qini.low == m.qini.high || isnan(m.qini.low));
    assert_int_equal(metric_uplift(&m, uplift, labels, treated, p, 2, UPLIFT_RESAMPLES_MAX, 1), 0);
}

/* ---- resample.h ---- */

static void test_counts(void **state)
{
    (void)state;
    enum { DRAWS = 1000000, CELLS = 8 };
    double seen[CELLS] = {0}, chance = exp(-1), chi = 0, left = DRAWS, pairs = 0;
    struct resample r;
    resample_init(&r, 7);
    uint32_t last = 0;
    for (int i = 0; i < DRAWS; i++) {
        uint32_t c = resample_count(&r);
        seen[c < CELLS - 1 ? c : CELLS - 1]++;
        pairs += ((double)c - 1) * ((double)last - 1);
        last = c;
    }
    for (int k = 0; k < CELLS; k++) {
        double expected = k < CELLS - 1 ? DRAWS * chance : left;
        chi += (seen[k] - expected) * (seen[k] - expected) / expected;
        left -= expected;
        chance /= k + 1;
    }
    assert_true(chi < 24.3); /* 7 degrees: passed by chance once in 1,000 */
    assert_true(fabs(pairs) < 4 * sqrt(DRAWS));
    for (uint32_t high = 0; high < 256; high++) /* the table says what walking says */
        for (uint32_t k = 0; k < 64; k++) {
            uint32_t u = high << 24 | (k * 0x41041);
            if (r.table[high] != UINT8_MAX)
                assert_int_equal(r.table[high], resample_count_slow(u));
        }
    double chances[12] = {0}, lower = 0; /* by halving, where each count begins */
    for (uint32_t c = 1; c < 12; c++) {
        uint64_t low = 0, high = (uint64_t)1 << 32;
        while (high - low > 1) {
            uint64_t middle = low + (high - low) / 2;
            *(resample_count_slow((uint32_t)middle) < c ? &low : &high) = middle;
        }
        chances[c - 1] = (double)high * 0x1p-32 - lower;
        lower = (double)high * 0x1p-32;
    }
    for (int k = 0; k < 11; k++)
        assert_true(fabs(chances[k] - exp(-1 - lgamma(k + 1))) < 0x1p-32);
}

static void test_quantile(void **state)
{
    (void)state;
    double v[] = {4, 1, 3, 2, 5};
    resample_sort(v, 5);
    for (int i = 0; i < 5; i++)
        assert_true(v[i] == i + 1);
    assert_true(resample_quantile(v, 5, 0) == 1 && resample_quantile(v, 5, 1) == 5);
    close_to(resample_quantile(v, 5, 0.5), 3, 0);
    close_to(resample_quantile(v, 5, 0.025), 1.1, 1e-15);
    close_to(resample_quantile(v, 1, 0.7), 1, 0);
    assert_true(isnan(resample_quantile(v, 0, 0.5)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_slow),
                                       cmocka_unit_test(test_by_hand),
                                       cmocka_unit_test(test_closed_form),
                                       cmocka_unit_test(test_refused),
                                       cmocka_unit_test(test_order_and_ties),
                                       cmocka_unit_test(test_jackknife),
                                       cmocka_unit_test(test_few),
                                       cmocka_unit_test(test_counts),
                                       cmocka_unit_test(test_quantile)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
