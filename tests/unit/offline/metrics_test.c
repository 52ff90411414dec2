/* Figures of predictions against slow, direct computations: AUC and DeLong's variance pair by pair, losses by their formulas in
 * long double, calibration error row by row. Whether the intervals cover the truth is in coverage_test.c, uplift in
 * uplift_test.c.
 *
 * With --dump it prints its figures of made rows instead, one JSON object a line, for tests/conformance/metrics_test.py, which
 * makes the same rows by the same formulas (see made_row) and compares with other people's code.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/offline/metrics.h"
#include "base/rng.h"
#include "models/offline/calibrate.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { ROWS_MAX = 5000 };
static double scores[ROWS_MAX];
static float labels[ROWS_MAX], weights[ROWS_MAX];

static void near(double got, double want, double relative)
{
    if (!(fabs(got - want) <= relative * (1e-300 + fabs(want))))
        fail_msg("%.17g, not %.17g", got, want);
}

static void no_interval(struct metric m)
{
    assert_true(isnan(m.low) && isnan(m.high));
}

static void no_figure(struct metric m)
{
    assert_true(isnan(m.value));
    no_interval(m);
}

/* ---- AUC ---- */

static double beats(double a, double b)
{
    return a > b ? 1 : a == b ? 0.5 : 0;
}

/* The definition, and DeLong, DeLong and Clarke-Pearson's structural components (equations 4 and 5), pair by pair. */
static double slow_auc(size_t n, double *variance)
{
    double positives = 0, negatives = 0, wins = 0, s10 = 0, s01 = 0;
    for (size_t i = 0; i < n; i++)
        *(labels[i] > 0.5f ? &positives : &negatives) += 1;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < n; k++)
            if (labels[i] > 0.5f && !(labels[k] > 0.5f))
                wins += beats(scores[i], scores[k]);
    double auc = wins / (positives * negatives);
    for (size_t i = 0; i < n; i++) {
        double component = 0;
        bool positive = labels[i] > 0.5f;
        for (size_t k = 0; k < n; k++)
            if ((labels[k] > 0.5f) != positive)
                component += positive ? beats(scores[i], scores[k]) : beats(scores[k], scores[i]);
        if (positive)
            s10 += pow(component / negatives - auc, 2) / (positives - 1);
        else
            s01 += pow(component / positives - auc, 2) / (negatives - 1);
    }
    *variance = s10 / positives + s01 / negatives;
    return auc;
}

static void test_auc(void **state)
{
    (void)state;
    struct rng r;
    rng_seed(&r, 1);
    int compared = 0;
    for (int round = 0; round < 300; round++) {
        size_t n = 2 + rng_below(&r, 120), positives = 0;
        unsigned steps = (unsigned)rng_below(&r, 4); /* 0: no ties */
        for (size_t i = 0; i < n; i++) {
            labels[i] = rng_below(&r, 3) == 0;
            positives += labels[i] > 0;
            double s = rng_normal(&r) + (double)labels[i];
            scores[i] = steps ? floor(s * steps) : s;
        }
        struct metric m = metric_auc(scores, labels, n);
        if (positives == 0 || positives == n) {
            no_figure(m);
            continue;
        }
        double variance, want = slow_auc(n, &variance);
        near(m.value, want, 1e-14);
        if (positives < 2 || n - positives < 2) {
            no_interval(m);
            continue;
        }
        near(m.low, fmax(0, want - 1.9599639845400545 * sqrt(variance)), 1e-9);
        near(m.high, fmin(1, want + 1.9599639845400545 * sqrt(variance)), 1e-9);
        compared++;
    }
    assert_true(compared > 250);
}

static void test_auc_by_hand(void **state)
{
    (void)state;
    const double s[] = {0.1, 0.4, 0.35, 0.8}, edges[] = {-INFINITY, -INFINITY, 0, INFINITY};
    const float y[] = {0, 0, 1, 1}, one[] = {1, 1, 1, 1}, nan[] = {0, NAN, 1, 1}, mixed[] = {0, 1, 0, 1};
    assert_true(metric_auc(s, y, 4).value == 0.75);
    assert_true(metric_auc(edges, y, 4).value == 1);
    assert_true(metric_auc(edges, mixed, 4).value == 0.625);
    const float halves[] = {0.5f, 0.5f, 0.75f, 1};
    assert_true(metric_auc(s, halves, 4).value == 0.75);
    const double not_one[] = {0.1, NAN, 0.2, 0.3};
    no_figure(metric_auc(s, one, 4));
    no_figure(metric_auc(s, nan, 4));
    no_figure(metric_auc(not_one, y, 4));
    no_figure(metric_auc(s, y, 0));
    struct metric perfect = metric_auc(edges, y, 4);
    assert_true(perfect.low == 1 && perfect.high == 1);
}

/* ---- losses ---- */

typedef struct metric metric_of(const double *, const float *, const float *, size_t);
typedef long double loss_of(long double prediction, long double label);

static long double slow_log_loss(long double p, long double y)
{
    p = p < 1e-15L ? 1e-15L : p > 1 - 1e-15L ? 1 - 1e-15L : p;
    return -y * logl(p) - (1 - y) * logl(1 - p);
}

static long double slow_squared(long double p, long double y)
{
    return p * p - 2 * p * y + y * y;
}

static long double slow_absolute(long double p, long double y)
{
    return p > y ? p - y : y - p;
}

static long double slow_poisson(long double p, long double y)
{
    p = p < 1e-9L ? 1e-9L : p;
    return 2 * ((y > 0 ? y * (logl(y) - logl(p)) : 0) - (y - p));
}

static void compare_loss(metric_of *metric, loss_of *loss, const float *w, size_t n)
{
    long double weight = 0, sum = 0, squares = 0, used = 0;
    for (size_t i = 0; i < n; i++) {
        weight += w ? w[i] : 1;
        sum += (w ? w[i] : 1) * loss(scores[i], labels[i]);
        used += w == NULL || w[i] > 0;
    }
    for (size_t i = 0; i < n; i++)
        squares += powl((w ? w[i] : 1) / weight * (loss(scores[i], labels[i]) - sum / weight), 2);
    long double half = 1.9599639845400545L * sqrtl(squares * used / (used - 1));
    struct metric m = metric(scores, labels, w, n);
    near(m.value, (double)(sum / weight), 1e-12);
    near(m.low, (double)fmaxl(0, sum / weight - half), 1e-9);
    near(m.high, (double)(sum / weight + half), 1e-9);
}

static void test_losses(void **state)
{
    (void)state;
    struct rng r;
    rng_seed(&r, 2);
    for (int round = 0; round < 100; round++) {
        size_t n = 5 + rng_below(&r, 500);
        for (size_t i = 0; i < n; i++) {
            scores[i] = rng_below(&r, 20) ? rng_double(&r) : rng_below(&r, 2) ? 1e-12 : 1 - 1e-12;
            labels[i] = rng_below(&r, 10) ? rng_double(&r) < scores[i] : (float)rng_double(&r);
            weights[i] = (float)(rng_below(&r, 6) ? rng_double(&r) * 4 : 0);
        }
        weights[0] = weights[1] = 1;
        const float *w = round % 2 ? weights : NULL;
        compare_loss(metric_log_loss, slow_log_loss, w, n);
        compare_loss(metric_squared, slow_squared, w, n);
        for (size_t i = 0; i < n; i++) {
            scores[i] = exp(rng_normal(&r));
            labels[i] = (float)(rng_below(&r, 2) ? rng_below(&r, 6) : 0);
        }
        compare_loss(metric_poisson, slow_poisson, w, n);
        for (size_t i = 0; i < n; i++) {
            scores[i] = rng_normal(&r) * 100;
            labels[i] = (float)(scores[i] + rng_normal(&r));
        }
        compare_loss(metric_absolute, slow_absolute, w, n);
    }
}

/* A plain variance of losses over n, and weights that say how many rows a row is for the value. */
static void test_losses_by_hand(void **state)
{
    (void)state;
    const double p[] = {0.5, 0.25, 0.75, 0};
    const float y[] = {1, 0, 0, 0}, w[] = {2, 1, 1, 0};
    struct metric m = metric_squared(p, y, NULL, 4); /* 1/4, 1/16, 9/16, 0 */
    near(m.value, 0.21875, 1e-15);
    near(m.high - m.value,
         1.9599639845400545 * sqrt((0.0009765625 + 0.0244140625 + 0.1181640625 + 0.0478515625) / 12), 1e-12);
    assert_true(m.low == 0); /* cut */
    near(metric_squared(p, y, w, 4).value, (0.5 + 0.0625 + 0.5625) / 4, 1e-15);
    near(metric_log_loss(p, y, NULL, 4).value, (log(2) - log(0.75) - log(0.25)) / 4, 1e-15);
    near(metric_log_loss(p, y, NULL, 1).value, log(2), 1e-15);
    assert_true(metric_squared(p, y, NULL, 2).high > metric_squared(p, y, NULL, 2).value);
    near(metric_absolute(p, y, NULL, 4).value, 0.375, 1e-15);
    near(metric_poisson(p, y, NULL, 2).value, (2 * (log(2) - 0.5) + 0.5) / 2, 1e-14);
    const double sure[] = {0, 1};
    const float wrong[] = {1, 0};
    near(metric_log_loss(sure, wrong, NULL, 1).value, -log(1e-15), 1e-12);
    near(metric_log_loss(sure + 1, wrong + 1, NULL, 1).value, -log(1e-15), 1e-12);
    near(metric_poisson(sure, wrong, NULL, 1).value, 2 * (log(1e9) - 1 + 1e-9), 1e-12);
    const double outside[] = {-0.5, 1.5};
    near(metric_log_loss(outside, wrong, NULL, 2).value, -log(1e-15), 1e-12);
    assert_true(metric_log_loss(outside, y + 3, NULL, 1).value == 0);
    assert_true(metric_log_loss(outside + 1, y, NULL, 1).value == 0);
    const double small[] = {1e-18};
    const float none[] = {0};
    assert_true(metric_log_loss(small, none, NULL, 1).value == 1e-18); /* not 0: 1 − p would round to 1 */
}

static void test_no_figure(void **state)
{
    (void)state;
    metric_of *const all[] = {metric_log_loss, metric_squared, metric_absolute, metric_poisson};
    const double p[] = {0.5, 0.25}, nan[] = {0.5, NAN};
    const float y[] = {1, 0}, gap[] = {1, NAN}, zero[] = {0, 0}, first[] = {1, 0}, minus[] = {1, -1};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        no_figure(all[i](p, y, NULL, 0));
        no_figure(all[i](nan, y, NULL, 2));
        no_figure(all[i](p, gap, NULL, 2));
        no_figure(all[i](p, y, gap, 2));
        no_figure(all[i](p, y, zero, 2));
        no_figure(all[i](p, y, minus, 2));
        assert_true(all[i](nan, gap, first, 2).value > 0); /* weight 0: not looked at */
        no_interval(all[i](nan, gap, first, 2));
        no_interval(all[i](p, y, NULL, 1));
    }
    const float below[] = {-0.5f, 0}, above[] = {1.5f, 0};
    no_figure(metric_log_loss(p, below, NULL, 2));
    no_figure(metric_log_loss(p, above, NULL, 2));
    no_figure(metric_poisson(p, below, NULL, 2));
}

/* ---- calibration error ---- */

/* The bin of each row by counting, without sorting: a row's bin is what its place among different predictions says. */
static double slow_calibration_error(size_t n, size_t bins, struct calibration_point *points, size_t *count)
{
    double sum = 0, edge = -INFINITY;
    for (*count = 0; edge < INFINITY; ++*count) {
        size_t taken = 0, best = n, left = 0;
        double next = INFINITY;
        for (size_t i = 0; i < n; i++)
            taken += scores[i] <= edge;
        if (taken == n)
            break;
        size_t target = taken * bins / n + 1; /* in n-ths of a bin */
        for (size_t i = 0; i < n; i++) {      /* the least prediction with enough rows at or below it */
            size_t at_or_below = 0;
            for (size_t k = 0; k < n; k++)
                at_or_below += scores[k] <= scores[i];
            if (at_or_below * bins >= target * n && at_or_below >= taken + 2 && scores[i] < next) {
                next = scores[i];
                best = at_or_below;
            }
        }
        left = n - best;
        if (left <= 1)
            next = INFINITY;
        double predicted = 0, observed = 0, rows = 0;
        for (size_t i = 0; i < n; i++)
            if (scores[i] > edge && scores[i] <= next) {
                predicted += scores[i];
                observed += (double)labels[i];
                rows++;
            }
        sum += fabs(predicted - observed) / (double)n;
        points[*count] = (struct calibration_point){predicted / rows, observed / rows, (size_t)rows};
        edge = next;
    }
    return sum;
}

static void test_calibration_error(void **state)
{
    (void)state;
    struct rng r;
    rng_seed(&r, 3);
    for (int round = 0; round < 200; round++) {
        size_t n = 1 + rng_below(&r, 60), bins = 1 + rng_below(&r, 12), count, want_count;
        unsigned steps = (unsigned)rng_below(&r, 3) * 7;
        for (size_t i = 0; i < n; i++) {
            scores[i] = steps ? floor(rng_double(&r) * steps) / steps : rng_double(&r);
            labels[i] = rng_double(&r) < scores[i] * scores[i];
        }
        struct calibration_point got[12], want[64];
        struct metric m = metric_calibration_error(scores, labels, n, bins, 5, got, &count);
        near(m.value, slow_calibration_error(n, bins, want, &want_count), 1e-12);
        assert_int_equal(count, want_count);
        assert_true(count <= bins);
        for (size_t b = 0; b < count; b++) {
            assert_int_equal(got[b].n, want[b].n);
            assert_true(got[b].n > 1 || n == 1);
            near(got[b].predicted, want[b].predicted, 1e-13);
            near(got[b].observed, want[b].observed, 1e-13);
        }
        if (n > 1)
            assert_true(m.low >= 0 && m.low <= m.value && m.value <= m.high);
        else
            no_interval(m);
        struct metric again = metric_calibration_error(scores, labels, n, bins, 5, NULL, NULL);
        assert_memory_equal(&m, &again, sizeof m);
    }
    size_t count = 7;
    no_figure(metric_calibration_error(scores, labels, 0, 10, 1, NULL, &count));
    assert_int_equal(count, 0);
    no_figure(metric_calibration_error(scores, labels, 5, 0, 1, NULL, NULL));
    scores[3] = INFINITY;
    no_figure(metric_calibration_error(scores, labels, 5, 2, 1, NULL, NULL));
}

/* In one bin the error's chance part is normal with a known deviation: 1.96 of them hold 95%. */
static void test_calibration_error_reach(void **state)
{
    (void)state;
    struct rng r;
    rng_seed(&r, 4);
    double mean_ratio = 0;
    enum { ROUNDS = 40, N = 500 };
    for (int round = 0; round < ROUNDS; round++) {
        double sum = 0, squares = 0;
        for (size_t i = 0; i < N; i++) {
            scores[i] = rng_double(&r);
            labels[i] = rng_double(&r) < 0.5;
            sum += scores[i] - (double)labels[i];
        }
        for (size_t i = 0; i < N; i++)
            squares += pow(scores[i] - (double)labels[i] - sum / N, 2) / (N - 1);
        struct metric m = metric_calibration_error(scores, labels, N, 1, (uint64_t)round, NULL, NULL);
        near(m.value, fabs(sum / N), 1e-12);
        mean_ratio += (m.high - m.value) / (1.9599639845400545 * sqrt(squares / N)) / ROUNDS;
    }
    assert_true(mean_ratio > 0.95 && mean_ratio < 1.05);
}

/* A Poisson(1) number as one would write it down (Knuth 1969). */
static double poisson(struct rng *r)
{
    double left = exp(-1), k = 0;
    for (double product = rng_double(r); product > left; product *= rng_double(r))
        k++;
    return k;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Small bins, with the steps of the header gone through one by one. */
static void test_calibration_error_small_bins(void **state)
{
    (void)state;
    enum { BINS = 5, EACH = 6, N = BINS * EACH, DRAWS = 40000, SEEDS = 100 };
    static double drawn[DRAWS];
    double residuals[N], reach = 0;
    struct rng r;
    rng_seed(&r, 5);
    for (size_t b = 0; b < BINS; b++) {
        double mean = 0;
        for (size_t i = b * EACH; i < (b + 1) * EACH; i++) {
            scores[i] = ((double)b + rng_double(&r)) / BINS;
            labels[i] = (float)rng_normal(&r);
            mean += (scores[i] - (double)labels[i]) / EACH;
        }
        for (size_t i = b * EACH; i < (b + 1) * EACH; i++)
            residuals[i] = (scores[i] - (double)labels[i] - mean) * sqrt(EACH / (EACH - 1.0));
    }
    for (size_t d = 0; d < DRAWS; d++) {
        drawn[d] = 0;
        for (size_t b = 0; b < BINS; b++) {
            double sum = 0, rows = 0;
            for (size_t i = b * EACH; i < (b + 1) * EACH; i++) {
                double times = poisson(&r);
                rows += times;
                sum += times * residuals[i];
            }
            drawn[d] += rows > 0 ? fabs(sum / rows) / BINS : 0;
        }
    }
    qsort(drawn, DRAWS, sizeof *drawn, by_value);
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct metric m = metric_calibration_error(scores, labels, N, BINS, seed, NULL, NULL);
        reach += (m.high - m.value) / SEEDS;
    }
    near(reach, drawn[DRAWS * 95 / 100], 0.015);
}

/* Bit for bit the same from rows in another order. */
static void test_row_order(void **state)
{
    (void)state;
    enum { N = 700 };
    struct rng r;
    rng_seed(&r, 6);
    for (size_t i = 0; i < N; i++) {
        scores[i] = floor(rng_double(&r) * 30) / 7;
        labels[i] = (float)(rng_below(&r, 3) ? 0 : exp(rng_normal(&r) * 6));
    }
    struct metric auc = metric_auc(scores, labels, N);
    struct metric error = metric_calibration_error(scores, labels, N, 8, 3, NULL, NULL);
    for (size_t i = N; i-- > 1;) {
        size_t k = rng_below(&r, i + 1);
        double s = scores[i];
        float y = labels[i];
        scores[i] = scores[k];
        labels[i] = labels[k];
        scores[k] = s;
        labels[k] = y;
    }
    struct metric again = metric_auc(scores, labels, N);
    assert_memory_equal(&auc, &again, sizeof auc);
    again = metric_calibration_error(scores, labels, N, 8, 3, NULL, NULL);
    assert_memory_equal(&error, &again, sizeof error);
}

/* ---- figures for others ---- */

static uint64_t mixed(uint64_t z)
{
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* The k-th uniform number of a row: splitmix64 at 8·row + k, its upper 53 bits. */
static double made(size_t row, unsigned k)
{
    return (double)(mixed((8 * (uint64_t)row + k + 1) * 0x9e3779b97f4a7c15u) >> 11) * 0x1p-53;
}

struct made_row {
    double p, mean, uplift, chance;
    float label, weight, number, margin, gain;
    uint8_t treated;
};

/* Nothing but + − × ÷ and floor, so that every language gets the same bits. ties: predictions in 50 steps. */
static struct made_row made_row(size_t i, bool ties)
{
    double u = ties ? floor(made(i, 0) * 50) / 50 + 0.01 : made(i, 0);
    struct made_row r = {
        .p = 0.1 + 0.8 * u, .mean = 0.2 + 3 * u, .uplift = u - 0.25, .chance = 0.3 + 0.4 * u};
    r.label = made(i, 1) < 0.05 + 0.7 * u * u + 0.2 * u;
    r.weight = (float)(0.5 + floor(made(i, 2) * 8) / 2);
    r.number = (float)floor(made(i, 3) * made(i, 4) * (1 + 8 * u));
    r.margin = (float)((u - 0.5) * 8);
    r.treated = made(i, 5) < r.chance;
    r.gain = made(i, 6) < 0.2 + (r.treated ? 0.3 * u : 0.05);
    return r;
}

static void print_metric(const char *name, bool ties, struct metric m)
{
    printf("{\"figure\":\"%s\",\"ties\":%s,\"value\":%.17g,\"low\":%.17g,\"high\":%.17g}\n", name,
           ties ? "true" : "false", m.value, m.low, m.high);
}

static void print_array(const char *name, const double *values, size_t n)
{
    printf(",\"%s\":[", name);
    for (size_t i = 0; i < n; i++)
        printf("%s%.17g", i ? "," : "", values[i]);
    printf("]");
}

static void dump_fits(const float *margins, const float *w, size_t n, bool ties)
{
    struct arena arena;
    struct calibration c;
    struct error e;
    arena_init(&arena, 1 << 20);
    for (int weighted = 0; weighted < 2; weighted++) {
        if (calibrate_isotonic(&c, margins, labels, weighted ? w : NULL, n, &arena, &e))
            fprintf(stderr, "isotonic: %s\n", e.text);
        printf("{\"figure\":\"isotonic\",\"ties\":%s,\"weighted\":%s", ties ? "true" : "false",
               weighted ? "true" : "false");
        print_array("x", c.x, c.count);
        print_array("y", c.y, c.count);
        printf("}\n");
        if (calibrate_platt(&c, margins, labels, weighted ? w : NULL, n, &e))
            fprintf(stderr, "platt: %s\n", e.text);
        printf("{\"figure\":\"platt\",\"ties\":%s,\"weighted\":%s,\"a\":%.17g,\"b\":%.17g}\n",
               ties ? "true" : "false", weighted ? "true" : "false", c.a, c.b);
    }
    arena_free(&arena);
}

static void dump_uplift(const double *uplift, const float *gains, const uint8_t *treated,
                        const double *chance, size_t n, bool ties)
{
    struct uplift_metrics u;
    struct uplift_point curve[21];
    if (metric_uplift(&u, uplift, gains, treated, chance, n, 2000, 1) ||
        metric_uplift_curve(curve, 20, uplift, gains, treated, chance, n))
        fprintf(stderr, "uplift: wrong rows\n");
    print_metric("qini", ties, u.qini);
    print_metric("auuc", ties, u.auuc);
    print_metric("ate", ties, u.ate);
    double gain[21];
    for (int i = 0; i <= 20; i++)
        gain[i] = curve[i].gain;
    printf("{\"figure\":\"uplift_curve\",\"ties\":%s", ties ? "true" : "false");
    print_array("gain", gain, 21);
    printf("}\n");
}

static void dump(bool ties)
{
    enum { N = 4000 };
    static double means[N], uplift[N], chance[N];
    static float numbers[N], margins[N], gains[N];
    static uint8_t treated[N];
    for (size_t i = 0; i < N; i++) {
        struct made_row r = made_row(i, ties);
        scores[i] = r.p;
        labels[i] = r.label;
        weights[i] = r.weight;
        means[i] = r.mean;
        numbers[i] = r.number;
        margins[i] = r.margin;
        uplift[i] = r.uplift;
        chance[i] = r.chance;
        treated[i] = r.treated;
        gains[i] = r.gain;
    }
    struct calibration_point points[20];
    size_t count;
    print_metric("auc", ties, metric_auc(scores, labels, N));
    print_metric("log_loss", ties, metric_log_loss(scores, labels, NULL, N));
    print_metric("log_loss_weighted", ties, metric_log_loss(scores, labels, weights, N));
    print_metric("brier", ties, metric_squared(scores, labels, NULL, N));
    print_metric("squared_weighted", ties, metric_squared(means, numbers, weights, N));
    print_metric("absolute_weighted", ties, metric_absolute(means, numbers, weights, N));
    print_metric("poisson", ties, metric_poisson(means, numbers, NULL, N));
    print_metric("poisson_weighted", ties, metric_poisson(means, numbers, weights, N));
    print_metric("calibration_error", ties,
                 metric_calibration_error(scores, labels, N, 20, 1, points, &count));
    double predicted[20], observed[20];
    for (size_t i = 0; i < count; i++) {
        predicted[i] = points[i].predicted;
        observed[i] = points[i].observed;
    }
    printf("{\"figure\":\"calibration_curve\",\"ties\":%s", ties ? "true" : "false");
    print_array("predicted", predicted, count);
    print_array("observed", observed, count);
    printf("}\n");
    dump_fits(margins, weights, N, ties);
    dump_uplift(uplift, gains, treated, chance, N, ties);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--dump") == 0) {
        dump(false);
        dump(true);
        return 0;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_auc),
                                       cmocka_unit_test(test_auc_by_hand),
                                       cmocka_unit_test(test_losses),
                                       cmocka_unit_test(test_losses_by_hand),
                                       cmocka_unit_test(test_no_figure),
                                       cmocka_unit_test(test_calibration_error),
                                       cmocka_unit_test(test_calibration_error_reach),
                                       cmocka_unit_test(test_calibration_error_small_bins),
                                       cmocka_unit_test(test_row_order)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
