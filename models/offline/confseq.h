/* A lower confidence sequence for a mean: one value at a time goes in, and the bound holds at every moment together with all
 * bounds before it, with probability 1 − alpha. So one may look after every value and stop when one likes.
 *
 * For values x ≥ 0, however large, whose mean given the past is m, about 0 to 1 (Mineiro 2022, "A lower confidence sequence
 * for the changing mean of non-negative right heavy-tailed observations with bounded mean"; Waudby-Smith and Ramdas 2024,
 * "Estimating means of bounded random variables by betting"; Ville 1939; mixtures: Robbins 1970). Bet a share λ of the
 * capital on x being above c, where c in [0,1] is the mean of what came before:
 *
 *   y_i = x_i − c_i ≥ −1                  E[1 + λ y_i] exp(−λ (m − c_i)) = (1 + λ(m − c_i)) exp(−λ (m − c_i)) ≤ 1
 *   M_t(m) = Σ_j 1/J exp(G_j(t) − λ_j t m),   G_j(t) = Σ_i [ln(1 + λ_j y_i) + λ_j c_i]
 *
 * So M is a supermartingale from 1 at the true mean, and ever exceeds 1/alpha with probability alpha at most. The bound is
 * the m at which M_t(m) = 1/alpha. Since ln(1 + λy) ≥ λy − y² (−ln(1 − λ) − λ) for y ≥ −1 (Fan, Grama and Liu 2015), it is never
 * below the empirical Bernstein bound with the same λ and c; over off-policy rewards it came out three times as narrow as that
 * bound with the usual predictable plug-in λ. The λ_j are 1/2, 1/4, …: the one that fits n and the variance is found by the
 * mixture at a cost of ln J.
 *
 * The largest bound so far is kept, from 0. That is right when m is the same for all values; when it drifts, each bound by
 * itself is one of the mean of the m_i so far, but the largest need not be.
 *
 * Plain memory, nothing to free; one thread each. About 0.2 µs a value.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_OFFLINE_CONFSEQ_H
#define TACT_OFFLINE_CONFSEQ_H
#include <stdint.h>

enum { CONFSEQ_RATES = 20 };

struct confseq {
    double log_inverse_alpha;
    uint64_t n;
    double sum;                   /* of values */
    double growth[CONFSEQ_RATES]; /* G_j */
    double low;                   /* the bound: the largest so far, at least 0 */
};

/* alpha in (0,1), asserted. */
void confseq_init(struct confseq *s, double alpha);
/* x ≥ 0 and finite, asserted. */
void confseq_add(struct confseq *s, double x);

#endif
