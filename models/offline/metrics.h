/* How good predictions are, with intervals. All are plain functions of arrays; NaN where a figure does not exist (one class
 * only, no rows). weights may be NULL (1 each) wherever they appear. The sums run in a fixed order: same input, same bits.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_OFFLINE_METRICS_H
#define TACT_OFFLINE_METRICS_H
#include <stddef.h>
#include <stdint.h>

/* A figure with a 95% interval. */
struct metric {
    double value, low, high;
};

/* Area under the ROC curve: the chance that a positive (label > 0.5) scores above a negative, ties counting half (Mann and
 * Whitney 1947), exact; interval by DeLong, DeLong and Clarke-Pearson 1988 (Sun and Xu 2014 for O(n log n)). Unweighted. */
struct metric metric_auc(const double *scores, const float *labels, size_t n);
/* Mean negative log likelihood of labels in {0,1}; probabilities are kept 1e-15 away from 0 and 1. Normal interval. */
struct metric metric_log_loss(const double *probabilities, const float *labels, const float *weights,
                              size_t n);
/* Mean squared difference (Brier 1950), also for numbers; normal interval. */
struct metric metric_squared(const double *predictions, const float *labels, const float *weights, size_t n);
struct metric metric_absolute(const double *predictions, const float *labels, const float *weights, size_t n);
/* Mean Poisson deviance; predictions are kept above 1e-9. */
struct metric metric_poisson(const double *predictions, const float *labels, const float *weights, size_t n);

/* Expected calibration error: rows in `bins` groups of equal count by prediction (ties stay together), the weighted mean of
 * |mean prediction − mean label| (Naeini et al. 2015, equal-mass bins). Interval: 200 bootstrap resamples by `seed`. bins
 * for plots, `count` of them filled in when points is not NULL. */
struct calibration_point {
    double predicted, observed;
    size_t n;
};
struct metric metric_calibration_error(const double *predictions, const float *labels, size_t n, size_t bins,
                                       uint64_t seed, struct calibration_point *points, size_t *count);

/* ---- uplift: rows with and without the contact ----
 *
 * Rows in falling order of predicted uplift (ties keep their order of index); at each depth k the gain per row is estimated
 * from the labels of both groups, weighted by the inverse of the probability with which each row got what it got, so that
 * unequal shares are right:
 *
 *   g(k) = [ Σ_{i≤k} t_i y_i/p_i − Σ_{i≤k} (1−t_i) y_i/(1−p_i) ] / n
 *
 * Qini coefficient: area between g and the straight line from (0,0) to (1, g(n)) (Radcliffe 2007, in this normalisation,
 * as a share of rows on the x axis). AUUC: area under g itself (Rzepakowski and Jaroszewicz 2012; Gutierrez and Gérardy
 * 2017). Unit: the label's, per customer. Intervals: bootstrap of rows, `resamples` times by `seed`, percentile.
 * treated: 1 or 0; p: probability of being treated, in (0,1). */
struct uplift_metrics {
    struct metric qini, auuc, ate; /* ate: g(n), the effect of contacting all */
};
struct uplift_point {
    double depth, gain;
};
int metric_uplift(struct uplift_metrics *out, const double *uplift, const float *labels,
                  const uint8_t *treated, const double *p, size_t n, int resamples, uint64_t seed);
/* The curve at `points`+1 equally spaced depths, for plots. */
int metric_uplift_curve(struct uplift_point *out, size_t points, const double *uplift, const float *labels,
                        const uint8_t *treated, const double *p, size_t n);

#endif
