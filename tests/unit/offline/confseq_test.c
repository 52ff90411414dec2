/* The confidence sequence: against the definition worked out in long doubles from all values at every step; against the whole
 * tree of what small worlds can do, where the chance of ever being wrong is a sum without sampling; and against the
 * empirical Bernstein bounds, which it must never be below.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/offline/confseq.h"
#include "base/rng.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

enum { VALUES = 300 };

/* ln of the product of 1 + λ(x − c) times exp(−λ(m − c)) over all values; c is the mean before, at most 1. */
static long double bet(const double *x, int n, long double rate, long double m)
{
    long double sum = 0, exponent = 0;
    for (int i = 0; i < n; i++) {
        long double centre = (0.5L + sum) / (i + 1);
        centre = centre < 1 ? centre : 1;
        exponent += logl(1 + rate * (x[i] - centre)) - rate * (m - centre);
        sum += x[i];
    }
    return exponent;
}

/* The m at which the mixture of bets is 1/alpha, by halving; 0 when it is below even at 0. */
static long double oracle(const double *x, int n, double alpha)
{
    long double at_zero[CONFSEQ_RATES], low = 0, high = 64;
    for (int j = 0; j < CONFSEQ_RATES; j++)
        at_zero[j] = bet(x, n, ldexpl(1, -1 - j), 0);
    for (int i = 0; i < 64; i++) {
        long double middle = i == 0 ? 0 : (low + high) / 2, total = 0;
        for (int j = 0; j < CONFSEQ_RATES; j++)
            total += expl(at_zero[j] - ldexpl(1, -1 - j) * n * middle) / CONFSEQ_RATES;
        if (total * alpha <= 1 && i == 0)
            return 0;
        if (total * alpha > 1)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static double value_of(int kind, double u)
{
    switch (kind) {
    case 0:
        return 1;
    case 1:
        return u;
    case 2:
        return u < 0.1 ? 9 : 0;
    case 3:
        return u < 0.01 ? 60 : 0.1;
    case 4:
        return 5 * u; /* a mean above 1: the centre stops at 1 */
    default:
        return 0;
    }
}

static void test_oracle(void **state)
{
    (void)state;
    static const double alphas[] = {0.025, 0.2, 0.001};
    for (int kind = 0; kind < 6; kind++) {
        double x[VALUES], alpha = alphas[kind % 3];
        struct confseq s;
        struct rng r;
        rng_seed(&r, 5 + (uint64_t)kind);
        confseq_init(&s, alpha);
        long double best = 0;
        int moved = 0;
        for (int i = 0; i < VALUES; i++) {
            x[i] = value_of(kind, rng_double(&r));
            confseq_add(&s, x[i]);
            long double bound = oracle(x, i + 1, alpha);
            moved += bound > best;
            best = fmaxl(best, bound);
            if (fabs(s.low - (double)best) > 1e-9)
                fail_msg("kind %d, value %d: %.12g, expected %.12Lg", kind, i, s.low, best);
        }
        assert_true(kind == 5 ? moved == 0 : moved > 5);
    }
}

/* ---- every path ---- */

/* Values 0, small and big with chances that give the mean; which comes next may depend on the past: with `reacts`, the big
 * one becomes four times as big and a quarter as likely while the last value was 0. */
struct tree {
    double mean, big, alpha;
    bool reacts;
    int depth;
    double wrong;   /* chance that the bound is ever above the mean */
    double capital; /* mean of the mixture against the true mean at the leaves */
};

static double mixture(const struct confseq *s, double m)
{
    double total = 0;
    for (int j = 0; j < CONFSEQ_RATES; j++)
        total += exp(s->growth[j] - ldexp(1, -1 - j) * (double)s->n * m) / CONFSEQ_RATES;
    return total;
}

static void walk(struct tree *t, struct confseq s, double chance, int depth, bool after_zero)
{
    bool wrong = s.low > t->mean;
    if (wrong)
        t->wrong += chance;
    if (depth == t->depth)
        t->capital += chance * mixture(&s, t->mean);
    if (depth == t->depth || wrong)
        return;
    double big = t->reacts && after_zero ? 4 * t->big : t->big, small = t->mean / 2;
    double p_small = 0.3, p_big = (t->mean - p_small * small) / big;
    const double values[3] = {0, small, big}, chances[3] = {1 - p_small - p_big, p_small, p_big};
    for (int i = 0; i < 3; i++) {
        struct confseq next = s;
        confseq_add(&next, values[i]);
        walk(t, next, chance * chances[i], depth + 1, i == 0);
    }
}

static void test_every_path(void **state)
{
    (void)state;
    static const double means[] = {0.1, 0.5, 0.9}, bigs[] = {1.5, 6, 50};
    double most = 0;
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 3; k++)
            for (int reacts = 0; reacts < 2; reacts++) {
                struct tree t = {means[i], bigs[k], 0.3, reacts, 9, 0, 0};
                struct confseq s;
                confseq_init(&s, t.alpha);
                walk(&t, s, 1, 0, false);
                if (t.wrong > t.alpha)
                    fail_msg("mean %g, big %g: wrong with chance %g", t.mean, t.big, t.wrong);
                most = fmax(most, t.wrong);
                confseq_init(&s, 1e-30); /* never wrong here, so that all leaves are reached */
                t.wrong = t.capital = 0;
                walk(&t, s, 1, 0, false);
                assert_true(t.wrong == 0);
                if (!(t.capital <= 1 + 1e-12 && t.capital > 0.5))
                    fail_msg("mean %g, big %g: capital %.15g", t.mean, t.big, t.capital);
            }
    assert_true(most > 0.02); /* it can be wrong: the check is one */
}

/* [Σ λ x − ln(1/alpha') − Σ ψ(λ)(x − c)²] / Σ λ with a fixed λ of the mixture and alpha' = alpha/J, its share. */
static void test_above_bernstein(void **state)
{
    (void)state;
    for (int kind = 1; kind < 5; kind++) {
        struct rng r;
        struct confseq s;
        double sum = 0, best = 0, spent[CONFSEQ_RATES] = {0}, alpha = 0.05;
        rng_seed(&r, 50 + (uint64_t)kind);
        confseq_init(&s, alpha);
        for (int n = 1; n <= 20000; n++) {
            double x = value_of(kind, rng_double(&r)), centre = fmin((0.5 + sum) / n, 1);
            confseq_add(&s, x);
            sum += x;
            for (int j = 0; j < CONFSEQ_RATES; j++) {
                double rate = ldexp(1, -1 - j);
                spent[j] += (-log1p(-rate) - rate) * (x - centre) * (x - centre);
                best = fmax(best, (sum - (log(CONFSEQ_RATES / alpha) + spent[j]) / rate) / n);
            }
            if (s.low < best - 1e-9)
                fail_msg("kind %d, value %d: %g is below %g", kind, n, s.low, best);
        }
        double mean = kind == 1 ? 0.5 : kind == 2 ? 0.9 : kind == 3 ? 0.699 : 2.5;
        assert_true(s.low < mean && s.low > 0.7 * mean && best > 0.5 * mean);
    }
}

/* Values as large as ope lets through move it without breaking it. */
static void test_huge(void **state)
{
    (void)state;
    struct confseq s;
    confseq_init(&s, 0.025);
    for (int i = 0; i < 100; i++)
        confseq_add(&s, i % 2 ? 1e100 : 0);
    assert_true(isfinite(s.low) && s.low >= 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_oracle), cmocka_unit_test(test_every_path),
                                       cmocka_unit_test(test_above_bernstein), cmocka_unit_test(test_huge)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
