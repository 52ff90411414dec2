/* The lower confidence sequence by a mixture of bets; confseq.h has the formulas and says why they hold.
 *
 * ln M_t(m) is convex and falls in m, so Newton's steps from a bound that is too low end at the root from below: stopping early
 * costs width, never validity. Most values move nothing, which one look at the largest exponent tells without an exp.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/offline/confseq.h"
#include "base/error.h"
#include <math.h>

enum { STEPS_MAX = 60 };
static const double RATE_MAX = 0.5;

void confseq_init(struct confseq *s, double alpha)
{
    ASSERT(alpha > 0 && alpha < 1);
    *s = (struct confseq){.log_inverse_alpha = -log(alpha)};
}

/* The largest exponent G_j − λ_j n m; no term of the mixture is more than its exp. */
static double largest_exponent(const struct confseq *s, double m)
{
    double largest = -INFINITY, times = RATE_MAX * (double)s->n * m;
    for (int j = 0; j < CONFSEQ_RATES; j++, times *= 0.5)
        largest = fmax(largest, s->growth[j] - times);
    return largest;
}

/* ln M(low) − ln(1/alpha), and how fast it falls in low. */
static double excess(const struct confseq *s, double *slope)
{
    double largest = largest_exponent(s, s->low), total = 0, fall = 0;
    double rate = RATE_MAX * (double)s->n;
    for (int j = 0; j < CONFSEQ_RATES; j++, rate *= 0.5) {
        double share = exp(s->growth[j] - rate * s->low - largest);
        total += share;
        fall += share * rate;
    }
    *slope = fall / total;
    return largest + log(total / (double)CONFSEQ_RATES) - s->log_inverse_alpha;
}

void confseq_add(struct confseq *s, double x)
{
    ASSERT(x >= 0 && isfinite(x));
    double centre = fmin((0.5 + s->sum) / ((double)s->n + 1), 1); /* starts with half a value of 1 */
    double rate = RATE_MAX;
    for (int j = 0; j < CONFSEQ_RATES; j++, rate *= 0.5)
        s->growth[j] += log1p(rate * (x - centre)) + rate * centre;
    s->sum += x;
    s->n++;
    if (largest_exponent(s, s->low) <= s->log_inverse_alpha)
        return;
    for (int step = 0; step < STEPS_MAX; step++) {
        double slope, over = excess(s, &slope);
        if (!(over > 1e-12))
            break;
        s->low += over / slope;
    }
}
