/* How good predictions are, with intervals. All are plain functions of arrays; a figure that does not exist is NaN: no rows,
 * rows of one class only where two are needed, a NaN among the inputs, a negative weight, weights that are all 0. An
 * interval that does not exist (one row) is NaN beside a value that does. weights may be NULL (1 each) wherever they
 * appear. The sums run in a fixed order: same input, same bits; and where rows are sorted, their order of arrival does not
 * matter. Intervals are cut where the figure's range ends (0, and 1 for the AUC). Memory that cannot be had ends the
 * process, unless the function can say ERR_NOSPACE.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_OFFLINE_METRICS_H
#define TACT_OFFLINE_METRICS_H
#include "base/error.h"
#include <stddef.h>
#include <stdint.h>

/* A figure with a 95% interval. */
struct metric {
    double value, low, high;
};

/* Area under the ROC curve: the chance that a positive (label > 0.5) scores above a negative, ties counting half (Mann and
 * Whitney 1947), counted in whole numbers; interval by DeLong, DeLong and Clarke-Pearson 1988 in O(n log n) (Sun and Xu
 * 2014). Scores may be infinite. Two rows of a class at least for an interval; a perfect order has the interval [1, 1],
 * since no row contradicts it. Unweighted. */
struct metric metric_auc(const double *scores, const float *labels, size_t n);

/* The losses below: Σ w·loss / Σ w with a normal interval; variance Σ w²·(loss − mean)² / (Σ w)² · m/(m − 1), m rows with
 * weight (for equal weights: the sample variance over n). Rows with weight 0 are not looked at. */

/* Mean negative log likelihood of labels in [0,1] (NaN for others); the probability of what happened counts as 1e-15 at
 * least. */
struct metric metric_log_loss(const double *probabilities, const float *labels, const float *weights,
                              size_t n);
/* Mean squared difference (Brier 1950), also for numbers. */
struct metric metric_squared(const double *predictions, const float *labels, const float *weights, size_t n);
struct metric metric_absolute(const double *predictions, const float *labels, const float *weights, size_t n);
/* Mean Poisson deviance 2·(y·ln(y/μ) − y + μ), labels 0 or more (NaN for others); predictions are kept above 1e-9. */
struct metric metric_poisson(const double *predictions, const float *labels, const float *weights, size_t n);

/* Expected calibration error: rows in at most `bins` groups of equal count by prediction (equal predictions stay together,
 * and no group has one row only, so there may be fewer), then the mean over groups, weighted by their rows, of
 * |mean prediction − mean label| (Naeini et al. 2015, equal-mass bins).
 *
 * The figure grows with chance: a perfect model's is not 0 but the noise of its groups. So the interval comes from the
 * triangle inequality: value and truth (the same figure of endlessly many rows in the same groups) differ by at most
 * Σ share·|chance error of the group's gap|, whose 95% quantile is read off 200 bootstrap resamples of the rows within
 * groups, by `seed`. It covers the truth in about 95% for a perfect model (a little less where groups have few rows), and in
 * more where all groups err in one direction; low is 0 where the model may well be calibrated.
 *
 * points, when not NULL, has room for `bins` groups, for plots; *count (may be NULL) says how many there are. */
struct calibration_point {
    double predicted, observed;
    size_t n;
};
enum { CALIBRATION_ERROR_RESAMPLES = 200 };
struct metric metric_calibration_error(const double *predictions, const float *labels, size_t n, size_t bins,
                                       uint64_t seed, struct calibration_point *points, size_t *count);

/* ---- uplift: rows with and without the contact ----
 *
 * Rows in falling order of predicted uplift; at each depth k the gain per row is estimated from the labels of both groups,
 * weighted by the inverse of the probability with which each row got what it got, so that unequal shares are right:
 *
 *   g(k) = [ Σ_{i≤k} t_i y_i/p_i − Σ_{i≤k} (1−t_i) y_i/(1−p_i) ] / n
 *
 * in straight lines between depths, also from the first to the last row of equal predictions, so that the order in which a
 * file has them does not matter: all predictions equal make a straight line, Qini 0.
 *
 * Qini coefficient: area between g and the straight line from (0,0) to (1, g(n)) (Radcliffe 2007, in this normalisation,
 * as a share of rows on the x axis). AUUC: area under g itself (Rzepakowski and Jaroszewicz 2012; Gutierrez and Gérardy
 * 2017). Unit: the label's, per customer. Intervals: bootstrap of rows (resample.h), `resamples` times by `seed`,
 * percentile; NaN with 0 resamples. The rows are sorted once.
 *
 * treated: 1 or 0; p: probability of being treated, in (0,1).
 * ERR_INVALID: no rows, none treated or all, a prediction or label that is not finite, treated or p outside what they may
 * be, resamples below 0 or above UPLIFT_RESAMPLES_MAX, no points. ERR_NOSPACE: memory. *out is all NaN then (the curve's is
 * left as it was). */
enum { UPLIFT_RESAMPLES_MAX = 100000 };
struct uplift_metrics {
    struct metric qini, auuc, ate; /* ate: g(n), the effect of contacting all */
};
struct uplift_point {
    double depth, gain;
};
int metric_uplift(struct uplift_metrics *out, const double *uplift, const float *labels,
                  const uint8_t *treated, const double *p, size_t n, int resamples, uint64_t seed) MUST_CHECK;
/* The curve at `points`+1 equally spaced depths from 0 to 1, for plots. */
int metric_uplift_curve(struct uplift_point *out, size_t points, const double *uplift, const float *labels,
                        const uint8_t *treated, const double *p, size_t n) MUST_CHECK;

#endif
