/* Fits of calibrations. Isotonic: against the max-min formula, and against every way to cut a few rows into blocks (the
 * quadratic program by brute force). Platt: the gradient in long double, and a grid that knows nothing of derivatives.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/offline/calibrate.h"
#include "base/rng.h"
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { ROWS_MAX = 20000 };

struct rows {
    float margins[ROWS_MAX], labels[ROWS_MAX], weights[ROWS_MAX];
    size_t n;
};
static struct rows rows; /* too large for a stack */

static int setup(void **state)
{
    struct arena *a = calloc(1, sizeof *a);
    arena_init(a, 1 << 20);
    *state = a;
    return 0;
}

static int teardown(void **state)
{
    arena_free(*state);
    free(*state);
    return 0;
}

static int by_float(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Labels that rise with the margins, more or less; steps > 0 makes equal margins. */
static void make_rows(struct rng *r, size_t n, unsigned steps, bool numbers)
{
    rows.n = n;
    for (size_t i = 0; i < n; i++) {
        double m = rng_normal(r) * 2;
        rows.margins[i] = steps ? (float)(floor(m * steps) / steps) : (float)m;
        double p = 1 / (1 + exp(-0.7 * m + 0.3));
        rows.labels[i] = numbers ? (float)(p * 10 + rng_normal(r)) : rng_double(r) < p;
        rows.weights[i] = (float)(rng_below(r, 8) ? 0.1 + rng_double(r) * 3 : 0);
    }
}

static void check_points(const struct calibration *c)
{
    assert_int_equal(c->kind, CALIBRATION_ISOTONIC);
    assert_in_range(c->count, 2, CALIBRATION_POINTS_MAX);
    for (size_t i = 0; i < c->count; i++) {
        bool found = false;
        for (size_t k = 0; k < rows.n && !found; k++)
            found = (double)rows.margins[k] == c->x[i];
        assert_true(found);
        if (i) {
            assert_true(c->x[i] > c->x[i - 1]);
            assert_true(c->y[i] >= c->y[i - 1]);
        }
        if (i > 1) /* a level has two ends and no inner point */
            assert_true(c->y[i] > c->y[i - 2]);
    }
}

/* ---- isotonic against oracles ---- */

/* Weighted mean label of rows with margins between two others. */
static double mean_between(double from, double to, const float *weights)
{
    double sum = 0, weight = 0;
    for (size_t i = 0; i < rows.n; i++)
        if ((double)rows.margins[i] >= from && (double)rows.margins[i] <= to) {
            double w = weights ? (double)weights[i] : 1;
            sum += w * (double)rows.labels[i];
            weight += w;
        }
    return sum / weight; /* NaN without weight */
}

/* max over a ≤ m of min over b ≥ m of the mean from a to b, over margins of rows with weight. */
static double max_min(double m, const float *weights)
{
    double most = -INFINITY;
    for (size_t a = 0; a < rows.n; a++) {
        if ((double)rows.margins[a] > m || (weights && weights[a] == 0))
            continue;
        double least = INFINITY;
        for (size_t b = 0; b < rows.n; b++)
            if ((double)rows.margins[b] >= m && !(weights && weights[b] == 0))
                least = fmin(least, mean_between((double)rows.margins[a], (double)rows.margins[b], weights));
        most = fmax(most, least);
    }
    return most;
}

static void test_isotonic_max_min(void **state)
{
    struct rng r;
    rng_seed(&r, 1);
    int fitted = 0;
    for (int round = 0; round < 300; round++) {
        make_rows(&r, 2 + rng_below(&r, 30), (unsigned)rng_below(&r, 4), round % 3 == 0);
        const float *weights = round % 2 ? rows.weights : NULL;
        struct calibration c;
        struct error e;
        int rc = calibrate_isotonic(&c, rows.margins, rows.labels, weights, rows.n, *state, &e);
        if (rc) {
            assert_int_equal(rc, ERR_INVALID);
            continue;
        }
        fitted++;
        check_points(&c);
        for (size_t i = 0; i < rows.n; i++) {
            if (weights && weights[i] == 0)
                continue;
            double want = max_min((double)rows.margins[i], weights);
            double got = calibration_apply(&c, LINK_LOGISTIC, rows.margins[i]);
            if (fabs(got - want) > 1e-12 * (1 + fabs(want)))
                fail_msg("round %d row %zu: %.17g, not %.17g", round, i, got, want);
        }
        arena_reset(*state);
    }
    assert_true(fitted > 200);
}

/* The least squared error of a rising function over margins sorted and different, by trying all 2^(n−1) ways to cut them into
 * blocks, each at its mean. */
static double least_squares(const float *labels, const float *weights, size_t n)
{
    double best = INFINITY;
    for (unsigned cuts = 0; cuts < 1u << (n - 1); cuts++) {
        double error = 0, last = -INFINITY;
        bool rising = true;
        for (size_t i = 0; i < n && rising;) {
            size_t end = i;
            double sum = 0, weight = 0;
            do {
                sum += (double)weights[end] * (double)labels[end];
                weight += (double)weights[end];
            } while (end++ + 1 < n && !(cuts >> (end - 1) & 1));
            rising = sum / weight >= last;
            last = sum / weight;
            for (; i < end; i++)
                error += (double)weights[i] * ((double)labels[i] - last) * ((double)labels[i] - last);
        }
        if (rising && error < best)
            best = error;
    }
    return best;
}

static void test_isotonic_brute_force(void **state)
{
    struct rng r;
    rng_seed(&r, 2);
    int fitted = 0;
    for (int round = 0; round < 200; round++) {
        make_rows(&r, 2 + rng_below(&r, 11), 0, round % 2);
        for (size_t i = 0; i < rows.n; i++)
            rows.weights[i] += 0.25f;
        qsort(rows.margins, rows.n, sizeof *rows.margins, by_float);
        struct calibration c;
        if (calibrate_isotonic(&c, rows.margins, rows.labels, rows.weights, rows.n, *state, NULL))
            continue;
        fitted++;
        double error = 0;
        for (size_t i = 0; i < rows.n; i++) {
            double off = calibration_apply(&c, LINK_LOGISTIC, rows.margins[i]) - (double)rows.labels[i];
            error += (double)rows.weights[i] * off * off;
        }
        double want = least_squares(rows.labels, rows.weights, rows.n);
        if (fabs(error - want) > 1e-11 * (1 + want))
            fail_msg("round %d: squared error %.17g, least %.17g", round, error, want);
        arena_reset(*state);
    }
    assert_true(fitted > 100);
}

static void test_isotonic_by_hand(void **state)
{
    const float margins[] = {2, -1, -0.0f, -0.0f, 5, 3, -0.0f, 4}, labels[] = {1, 0, 1, 0, 1, 0, 0, 1};
    struct calibration c;
    assert_int_equal(calibrate_isotonic(&c, margins, labels, NULL, 8, *state, NULL), 0);
    /* −1: 0 | 0: 1/3 | 2, 3: 1/2 | 4, 5: 1 */
    static const double x[] = {-1, 0, 2, 3, 4, 5}, y[] = {0, 1.0 / 3, 0.5, 0.5, 1, 1};
    assert_int_equal(c.count, 6);
    for (size_t i = 0; i < 6; i++)
        assert_true(c.x[i] == x[i] && c.y[i] == y[i]);
    assert_false(signbit(c.x[1]));
    assert_true(calibration_apply(&c, LINK_LOGISTIC, 3.5f) == 0.75);
}

/* The same points bit for bit from the same rows in another order. */
static void test_isotonic_order(void **state)
{
    struct rng r;
    rng_seed(&r, 3);
    make_rows(&r, 3000, 50, true);
    for (size_t i = 0; i < rows.n; i++) /* sums that show in which order they were made */
        rows.weights[i] = (float)exp(rng_normal(&r) * 8);
    for (size_t i = 0; i < rows.n; i += 3) {
        rows.margins[i + 1] = rows.margins[i];
        rows.labels[i + 1] = rows.labels[i];
    }
    struct calibration first, again;
    assert_int_equal(
        calibrate_isotonic(&first, rows.margins, rows.labels, rows.weights, rows.n, *state, NULL), 0);
    check_points(&first);
    for (size_t i = rows.n; i-- > 1;) {
        size_t k = rng_below(&r, i + 1);
        float m = rows.margins[i], y = rows.labels[i], w = rows.weights[i];
        rows.margins[i] = rows.margins[k];
        rows.labels[i] = rows.labels[k];
        rows.weights[i] = rows.weights[k];
        rows.margins[k] = m;
        rows.labels[k] = y;
        rows.weights[k] = w;
    }
    assert_int_equal(
        calibrate_isotonic(&again, rows.margins, rows.labels, rows.weights, rows.n, *state, NULL), 0);
    assert_int_equal(first.count, again.count);
    assert_memory_equal(first.x, again.x, first.count * sizeof *first.x);
    assert_memory_equal(first.y, again.y, first.count * sizeof *first.y);
}

/* How many points it takes when no run of sorted rows, which all rise, may have a larger squared error (by the definition). */
static size_t points_needed(double limit)
{
    size_t points = 0;
    for (size_t i = 0, end; i < rows.n; i = end) {
        for (end = i + 1; end < rows.n; end++) {
            double sum = 0, error = 0, k = (double)(end + 1 - i);
            for (size_t j = i; j <= end; j++)
                sum += (double)rows.labels[j];
            for (size_t j = i; j <= end; j++)
                error += ((double)rows.labels[j] - sum / k) * ((double)rows.labels[j] - sum / k);
            if (error > limit)
                break;
        }
        points += end - i > 1 ? 2 : 1;
    }
    return points;
}

static void test_isotonic_too_many(void **state)
{
    rows.n = 8000;
    for (size_t i = 0; i < rows.n; i++) {
        rows.margins[i] = (float)i / 64;
        rows.labels[i] = (float)((double)i * (double)i / 64e6);
    }
    struct calibration c;
    assert_int_equal(calibrate_isotonic(&c, rows.margins, rows.labels, NULL, rows.n, *state, NULL), 0);
    check_points(&c);
    double sum = 0, want = 0, largest = 0, error = 0, last = -1;
    for (size_t i = 0; i < rows.n; i++) {
        double fit = calibration_apply(&c, LINK_LOGISTIC, rows.margins[i]);
        sum += fit;
        want += (double)rows.labels[i];
        error = (fit == last ? error : 0) + (fit - (double)rows.labels[i]) * (fit - (double)rows.labels[i]);
        largest = fmax(largest, error);
        last = fit;
    }
    assert_true(fabs(sum - want) < 1e-9 * want); /* pooling keeps the mean */
    assert_true(points_needed(largest * (1 + 1e-9)) <= CALIBRATION_POINTS_MAX);
    assert_true(points_needed(largest * (1 - 1e-9)) > CALIBRATION_POINTS_MAX); /* and no pooling is finer */
}

/* As many as there is room for are not touched, one more is. */
static void test_isotonic_just_fits(void **state)
{
    struct calibration c;
    rows.n = CALIBRATION_POINTS_MAX;
    for (size_t i = 0; i <= rows.n; i++)
        rows.margins[i] = rows.labels[i] = (float)i;
    assert_int_equal(calibrate_isotonic(&c, rows.margins, rows.labels, NULL, rows.n, *state, NULL), 0);
    assert_int_equal(c.count, CALIBRATION_POINTS_MAX);
    for (size_t i = 0; i < c.count; i++)
        assert_true(c.x[i] == (double)i && c.y[i] == (double)i);
    assert_int_equal(calibrate_isotonic(&c, rows.margins, rows.labels, NULL, rows.n + 1, *state, NULL), 0);
    assert_in_range(c.count, 2, CALIBRATION_POINTS_MAX);
}

static void refused(int rc, const struct error *e, int want, const char *words)
{
    if (rc != want || e->code != want || !strstr(e->text, words))
        fail_msg("%d: %s; wanted %s", rc, e->text, words);
}

static void test_refused(void **state)
{
    struct arena small;
    struct error e;
    struct calibration c = {.a = 17};
    const float rising[] = {1, 2, 3}, falling[] = {1, 0, 0}, same[] = {2, 2, 2}, mixed[] = {0, 1, 1},
                nan[] = {0, NAN, 1}, inf[] = {0, 1, INFINITY}, minus[] = {1, 1, -1}, zero[] = {0, 0, 0},
                numbers[] = {0, 0.5f, 1};
    refused(calibrate_isotonic(&c, rising, mixed, NULL, 0, *state, &e), &e, ERR_INVALID, "there are none");
    refused(calibrate_isotonic(&c, rising, mixed, zero, 3, *state, &e), &e, ERR_INVALID, "weight above 0");
    refused(calibrate_isotonic(&c, rising, mixed, minus, 3, *state, &e), &e, ERR_INVALID,
            "row 3: the weight is -1");
    refused(calibrate_isotonic(&c, rising, mixed, nan, 3, *state, &e), &e, ERR_INVALID, "row 2: the weight");
    refused(calibrate_isotonic(&c, rising, mixed, inf, 3, *state, &e), &e, ERR_INVALID, "row 3: the weight");
    refused(calibrate_isotonic(&c, nan, mixed, NULL, 3, *state, &e), &e, ERR_INVALID, "row 2: the margin");
    refused(calibrate_isotonic(&c, inf, mixed, NULL, 3, *state, &e), &e, ERR_INVALID, "row 3: the margin");
    refused(calibrate_isotonic(&c, rising, nan, NULL, 3, *state, &e), &e, ERR_INVALID, "row 2: the label");
    refused(calibrate_isotonic(&c, same, mixed, NULL, 3, *state, &e), &e, ERR_INVALID, "all margins are 2");
    refused(calibrate_isotonic(&c, rising, falling, NULL, 3, *state, &e), &e, ERR_INVALID, "no order");
    refused(calibrate_isotonic(&c, rising, same, NULL, 3, *state, &e), &e, ERR_INVALID, "no order");
    arena_init(&small, 16);
    refused(calibrate_isotonic(&c, rising, mixed, NULL, 3, &small, &e), &e, ERR_NOSPACE, "do not fit");
    arena_free(&small);
    refused(calibrate_platt(&c, rising, mixed, NULL, 0, &e), &e, ERR_INVALID, "there are none");
    refused(calibrate_platt(&c, rising, nan, NULL, 3, &e), &e, ERR_INVALID, "row 2: the label");
    refused(calibrate_platt(&c, rising, numbers, NULL, 3, &e), &e, ERR_INVALID, "row 2: the label is 0.5");
    refused(calibrate_platt(&c, rising, rising, NULL, 3, &e), &e, ERR_INVALID, "row 2: the label is 2");
    refused(calibrate_platt(&c, rising, zero, NULL, 3, &e), &e, ERR_INVALID, "all labels are 0");
    refused(calibrate_platt(&c, same, mixed, NULL, 3, &e), &e, ERR_INVALID, "all margins are 2");
    assert_true(c.a == 17 && c.kind == CALIBRATION_NONE);
}

/* ---- Platt ---- */

/* Loss and gradient with Platt's smoothed targets, per weight. */
static long double platt_loss(long double a, long double b, const float *weights, long double gradient[2])
{
    long double positives = 0, negatives = 0, loss = 0;
    for (size_t i = 0; i < rows.n; i++)
        *(rows.labels[i] > 0 ? &positives : &negatives) += weights ? weights[i] : 1;
    gradient[0] = gradient[1] = 0;
    for (size_t i = 0; i < rows.n; i++) {
        long double w = (weights ? weights[i] : 1) / (positives + negatives), m = rows.margins[i];
        long double t = rows.labels[i] > 0 ? (positives + 1) / (positives + 2) : 1 / (negatives + 2);
        long double p = 1 / (1 + expl(-(a * m + b)));
        loss -= w * (t * logl(p) + (1 - t) * log1pl(-p));
        gradient[0] += w * (p - t) * m;
        gradient[1] += w * (p - t);
    }
    return loss;
}

static void test_platt_gradient(void **state)
{
    (void)state;
    struct rng r;
    rng_seed(&r, 4);
    for (int round = 0; round < 200; round++) {
        make_rows(&r, 3 + rng_below(&r, 300), (unsigned)rng_below(&r, 3), false);
        rows.labels[0] = 1;
        rows.labels[1] = 0;
        rows.margins[0] += 0.01f;
        const float *weights = NULL;
        if (round % 2) {
            weights = rows.weights;
            rows.weights[0] = rows.weights[1] = 1;
        }
        if (round % 5 == 0) /* the model had it the wrong way round */
            for (size_t i = 0; i < rows.n; i++)
                rows.margins[i] = -rows.margins[i];
        struct calibration c;
        struct error e;
        if (calibrate_platt(&c, rows.margins, rows.labels, weights, rows.n, &e))
            fail_msg("round %d: %s", round, e.text);
        assert_int_equal(c.kind, CALIBRATION_PLATT);
        long double g[2];
        platt_loss(c.a, c.b, weights, g);
        if (fabsl(g[0]) > 1e-13L || fabsl(g[1]) > 1e-13L)
            fail_msg("round %d: the gradient is %Lg %Lg", round, g[0], g[1]);
        if (round % 5 == 0 && rows.n > 100)
            assert_true(c.a < 0);
    }
}

/* Margins with a few that lie very far out, rare positives, weights over many magnitudes: full Newton steps overshoot here, or
 * meet a Hessian that is singular to the last digit. */
static void test_platt_far_out(void **state)
{
    (void)state;
    struct rng r;
    rng_seed(&r, 8);
    for (int round = 0; round < 600; round++) {
        const float *weights = round % 2 ? rows.weights : NULL;
        rows.n = 20 + rng_below(&r, 200);
        for (size_t i = 0; i < rows.n; i++) {
            double m = rng_normal(&r) / fabs(rng_normal(&r));
            rows.margins[i] = (float)(m * fabs(m));
            rows.labels[i] = i == 0 || (i > 1 && rng_double(&r) < 1 / (1 + exp(3 - m)));
            rows.weights[i] = (float)exp(rng_normal(&r) * 6);
        }
        struct calibration c;
        struct error e;
        if (calibrate_platt(&c, rows.margins, rows.labels, weights, rows.n, &e))
            fail_msg("round %d: %s", round, e.text);
        long double g[2], spread = 0;
        platt_loss(c.a, c.b, weights, g);
        for (size_t i = 0; i < rows.n; i++)
            spread = fmaxl(spread, fabsl(rows.margins[i]));
        if (fabsl(g[0]) > 1e-12L * spread || fabsl(g[1]) > 1e-12L)
            fail_msg("round %d: the gradient is %Lg %Lg", round, g[0], g[1]);
    }
}

/* The best of a grid, ever finer around the best so far. */
static void test_platt_grid(void **state)
{
    (void)state;
    struct rng r;
    rng_seed(&r, 5);
    for (int round = 0; round < 4; round++) {
        make_rows(&r, 100, 0, false);
        long double a = 0, b = 0, g[2], best = platt_loss(0, 0, NULL, g);
        for (long double step = 1; step > 1e-6L; step /= 2) {
            bool moved = true;
            while (moved) {
                moved = false;
                long double from_a = a, from_b = b;
                for (int i = -2; i <= 2; i++)
                    for (int k = -2; k <= 2; k++) {
                        long double loss = platt_loss(from_a + i * step, from_b + k * step, NULL, g);
                        if (loss < best) {
                            best = loss;
                            a = from_a + i * step;
                            b = from_b + k * step;
                            moved = true;
                        }
                    }
            }
        }
        struct calibration c;
        assert_int_equal(calibrate_platt(&c, rows.margins, rows.labels, NULL, rows.n, NULL), 0);
        assert_true(fabsl(c.a - a) < 1e-5L && fabsl(c.b - b) < 1e-5L);
        assert_true(platt_loss(c.a, c.b, NULL, g) <= best);
    }
}

/* Weights are numbers of rows. */
static void test_platt_weights(void **state)
{
    (void)state;
    struct rng r;
    rng_seed(&r, 6);
    make_rows(&r, 500, 0, false);
    size_t n = 500;
    for (size_t i = 0; i < 500; i++) {
        uint64_t times = rng_below(&r, 4);
        rows.weights[i] = (float)times;
        for (uint64_t k = 0; k < times; k++, n++) {
            rows.margins[n] = rows.margins[i];
            rows.labels[n] = rows.labels[i];
        }
    }
    struct calibration weighted, repeated;
    assert_int_equal(calibrate_platt(&weighted, rows.margins, rows.labels, rows.weights, 500, NULL), 0);
    assert_int_equal(calibrate_platt(&repeated, rows.margins + 500, rows.labels + 500, NULL, n - 500, NULL),
                     0);
    assert_true(fabs(weighted.a - repeated.a) < 1e-12 && fabs(weighted.b - repeated.b) < 1e-12);
}

/* Margins of any scale and place; classes that do not overlap. */
static void test_platt_extremes(void **state)
{
    (void)state;
    static const double places[][2] = {{1e-30, 0}, {1e30, 0}, {1, 100000}, {1e-3, -1}, {1000, 5e5}};
    struct rng r;
    rng_seed(&r, 7);
    make_rows(&r, 2000, 0, false);
    struct calibration plain, c;
    struct error e;
    assert_int_equal(calibrate_platt(&plain, rows.margins, rows.labels, NULL, rows.n, &e), 0);
    float moved[2000];
    for (size_t k = 0; k < sizeof places / sizeof *places; k++) {
        for (size_t i = 0; i < rows.n; i++)
            moved[i] = (float)((double)rows.margins[i] * places[k][0] + places[k][1]);
        if (calibrate_platt(&c, moved, rows.labels, NULL, rows.n, &e))
            fail_msg("place %zu: %s", k, e.text);
        for (size_t i = 0; i < rows.n; i++)
            assert_true(fabs(calibration_apply(&c, LINK_LOGISTIC, moved[i]) -
                             calibration_apply(&plain, LINK_LOGISTIC, rows.margins[i])) < 1e-3);
    }
    rows.n = 20000;
    for (size_t i = 0; i < rows.n; i++) {
        rows.margins[i] = (float)i;
        rows.labels[i] = i >= 10000;
    }
    if (calibrate_platt(&c, rows.margins, rows.labels, NULL, rows.n, &e))
        fail_msg("apart: %s", e.text);
    assert_true(isfinite(c.a) && c.a > 0 && isfinite(c.b));
    long double g[2];
    platt_loss(c.a, c.b, NULL, g);
    assert_true(fabsl(g[0]) < 1e-4L && fabsl(g[1]) < 1e-8L); /* margins here are in tens of thousands */
    const float two[] = {0, 1}, labels[] = {0, 1};
    assert_int_equal(calibrate_platt(&c, two, labels, NULL, 2, NULL), 0);
    assert_true(fabs(calibration_apply(&c, LINK_LOGISTIC, 0) - 1.0 / 3) <
                1e-9); /* the smoothed targets themselves */
    assert_true(fabs(calibration_apply(&c, LINK_LOGISTIC, 1) - 2.0 / 3) < 1e-9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_isotonic_max_min, setup, teardown),
        cmocka_unit_test_setup_teardown(test_isotonic_brute_force, setup, teardown),
        cmocka_unit_test_setup_teardown(test_isotonic_by_hand, setup, teardown),
        cmocka_unit_test_setup_teardown(test_isotonic_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_isotonic_too_many, setup, teardown),
        cmocka_unit_test_setup_teardown(test_isotonic_just_fits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
        cmocka_unit_test(test_platt_gradient),
        cmocka_unit_test(test_platt_far_out),
        cmocka_unit_test(test_platt_grid),
        cmocka_unit_test(test_platt_weights),
        cmocka_unit_test(test_platt_extremes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
