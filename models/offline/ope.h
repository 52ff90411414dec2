/* Off-policy evaluation: what another policy would have earned, from rows that were logged under this one. Streaming: one
 * row at a time in bounded memory, any number of rows.
 *
 * A row i: action a_i was chosen with probability p_i and gave reward r_i. The target policy would have chosen a with
 * probability π_i(a). A model of the reward, when there is one, predicts q_i(a). What the formulas need of it:
 *
 *   w_i = π_i(a_i) / p_i          weight
 *   q_i = q_i(a_i)                predicted reward of the logged action
 *   v_i = Σ_a π_i(a) q_i(a)       predicted value of the target policy
 *
 *   IPS          1/n Σ w r                                        (Horvitz and Thompson 1952)
 *   clipped IPS  1/n Σ min(w, clip) r                             (Ionides 2008)
 *   SNIPS        Σ w r / Σ w                                      (Swaminathan and Joachims 2015)
 *   DM           1/n Σ v
 *   DR           1/n Σ [v + w (r − q)]                            (Dudík, Langford and Li 2011)
 *   SWITCH-DR    1/n Σ [v + 1(w ≤ switch) w (r − q)]              (Wang, Agarwal and Dudík 2017)
 *
 * By position: each row stands at one position; the same figures over the rows of each position, besides all rows.
 *
 * Intervals: see struct ope_figure (bootstrap) and struct ope_result (confidence sequence).
 *
 * One thread an evaluation. Deterministic.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_OFFLINE_OPE_H
#define TACT_OFFLINE_OPE_H
#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { OPE_POSITIONS_MAX = 1024, OPE_RESAMPLES_MAX = 100000 };
#define OPE_MAGNITUDE_MAX 1e50 /* of weights, rewards and predictions, so that no sum or square overflows */

#define OPE_ESTIMATORS(X)                                                                                    \
    X(OPE_IPS, "ips")                                                                                        \
    X(OPE_CLIPPED, "clipped_ips")                                                                            \
    X(OPE_SNIPS, "snips")                                                                                    \
    X(OPE_DM, "dm")                                                                                          \
    X(OPE_DR, "dr")                                                                                          \
    X(OPE_SWITCH, "switch_dr")
enum ope_estimator {
#define X(name, text) name,
    OPE_ESTIMATORS(X)
#undef X
        OPE_ESTIMATOR_COUNT
};
const char *ope_estimator_name(enum ope_estimator k);

struct ope_row {
    double weight;       /* w_i: 0 to OPE_MAGNITUDE_MAX */
    double reward;       /* within ±OPE_MAGNITUDE_MAX, as are the predictions */
    double logged;       /* p_i in (0,1]: for diagnostics */
    double model_logged; /* q_i; not looked at without a model */
    double model_value;  /* v_i */
    uint64_t cluster;    /* whose row it is; a number of its own for each row when rows are independent */
    uint32_t position;   /* < positions */
};

struct ope_options {
    size_t positions;       /* 0 counts as 1 */
    bool model;             /* rows carry model_logged and model_value: DM, DR and SWITCH exist */
    double clip, switch_at; /* > 0; 0: 10 */
    int resamples;          /* 0: no bootstrap */
    double level;           /* in (0,1); 0: 0.95 */
    uint64_t seed;
    /* The range of rewards, for confidence sequences; equal: none are made. A reward outside it is ERR_INVALID. */
    double reward_low, reward_high;
    /* The largest weight that the design of both policies allows (largest π / smallest p; not what the rows happen to show), or
     * 0 when it is not known. A row above it is ERR_INVALID. The upper end of a confidence sequence is much lower with it. */
    double weight_max;
};

struct ope_interval {
    double low, high;
};

/* Percentile bootstrap. Whole clusters are resampled (all rows of a customer stay together), each with a Poisson(1)
 * count drawn from a hash of (seed, cluster, resample) (ope_bootstrap.h), so rows need not be kept or sorted, two evaluations
 * with one seed resample alike, and differences between them have paired intervals. Of B resampled values in order, the ends
 * are the k-th from below and from above, k = floor((B + 1)(1 − level) / 2), at least 1 (Efron and Tibshirani 1993).
 * Resamples in which a figure does not exist (no rows, no weight) are left out; were they more than 1%, as with fewer than
 * about five clusters, there is no interval. It cannot know of rare large weights that the log happens not to contain: heed
 * the warnings. */
struct ope_figure {
    double value;
    double standard_error;         /* of the bootstrap; NaN without one */
    struct ope_interval bootstrap; /* NaN without one */
};

/* What speaks against a figure. Several may be set.
 *
 *   mean_weight            not near 1, so the probabilities are wrong or actions were never logged: more than 25% away, or more
 *                          than 2% and 3 standard errors
 *   effective_sample_size  below 100, or below 1% of rows
 *   largest_weight         one row carries over 5% of all weight
 *   no_support             over 1% of the target's choices were never logged (as told by ope_unsupported)
 *   small_probability      logged probabilities below 1/1,000
 *   clipped                clipping or the switch touches over 5% of the weight: those two figures are biased
 *   few_rewards            fewer than 10 rows with weight have a reward that is not 0
 *   empty_sequence         the confidence sequence contradicts itself: the probabilities are wrong or the value drifts */
#define OPE_WARNINGS(X)                                                                                      \
    X(OPE_WARN_MEAN_WEIGHT, 1u, "mean_weight")                                                               \
    X(OPE_WARN_FEW, 2u, "effective_sample_size")                                                             \
    X(OPE_WARN_LARGE, 4u, "largest_weight")                                                                  \
    X(OPE_WARN_NO_SUPPORT, 8u, "no_support")                                                                 \
    X(OPE_WARN_SMALL_P, 16u, "small_probability")                                                            \
    X(OPE_WARN_CLIPPED, 32u, "clipped")                                                                      \
    X(OPE_WARN_FEW_REWARDS, 64u, "few_rewards")                                                              \
    X(OPE_WARN_EMPTY, 128u, "empty_sequence")
enum ope_warning {
#define X(name, bit, text) name = bit,
    OPE_WARNINGS(X)
#undef X
};

/* Confidence sequences hold at every n at once, so one may look after every row and stop when one likes (confseq.h): from
 * below on w·r, from above on w·(1 − r) of rewards scaled to [0,1] by their stated range, each for half of what the level
 * leaves; the running intersection is kept. With weight_max W the upper end is also bounded through c + w·((1 − r) − c), c the
 * mean of w·(1 − r) so far: E[w] = 1 makes its mean the same, and where rewards are rare its variance is a small part (a control
 * variate; Thomas and Brunskill 2016). W − 1 is added and all is divided by W, so that it is not negative; the two bounds
 * share the error. Without W they ask nothing of the largest weight.
 *
 * They need p to be right, and a value that is the same for each row whatever came before: rows are independent, and nothing
 * drifts. Clusters do not enter: where rows of one customer resemble each other, the sequence is too narrow, as a bootstrap by
 * rows would be. */
struct ope_result {
    size_t rows;
    double logged_value; /* mean reward as logged: what the logging policy earned */
    struct ope_interval logged_interval;
    struct ope_figure figures[OPE_ESTIMATOR_COUNT]; /* value NaN where it does not exist */
    /* Anytime-valid interval of the IPS value, in units of reward; NaN when not made. low > high: empty. */
    struct ope_interval sequence;
    double mean_weight,
        mean_weight_error; /* its standard error: the bootstrap's; without one that of independent rows */
    double effective_rows; /* (Σw)² / Σw² (Kish 1965) */
    double largest_weight, largest_share; /* of the sum of weights */
    double smallest_p;
    double clipped_share;  /* of the sum of weights that clipping takes away */
    double switched_share; /* of the sum of weights that stands on rows above the switch; 0 without a model */
    double clip, switch_at;
    double unsupported; /* mean probability that the target gives to actions that were never logged there */
    unsigned warnings;  /* enum ope_warning */
    bool trusted; /* no warning but small_probability and clipped; false: print "do not trust this figure" */
};

struct ope;
/* NULL without memory (64 bytes × positions × resamples). Wrong options are asserted. */
struct ope *ope_new(const struct ope_options *o);
void ope_free(struct ope **x);
/* ERR_INVALID says what is wrong with the row; it is not counted then. */
int ope_add(struct ope *x, const struct ope_row *row, struct error *e) MUST_CHECK;
/* Adds probability that the target policy gives, in a row at this position, to actions that the log never has there. The
 * caller knows which, after a first pass. Once a row or summed. position < positions, probability ≥ 0 and finite: asserted. */
void ope_unsupported(struct ope *x, uint32_t position, double probability);

/* As of the rows so far; more may be added afterwards. */
void ope_result(const struct ope *x, struct ope_result *out);
/* Over the rows of one position (asserted: < positions); no confidence sequence. */
void ope_result_at(const struct ope *x, uint32_t position, struct ope_result *out);

/* Value of a minus value of b by an estimator, with the paired interval at a's level; both were given the same clusters,
 * options.seed and resamples (asserted for the last two). With b NULL: minus the logged value of a. */
void ope_difference(const struct ope *a, const struct ope *b, enum ope_estimator k, struct ope_figure *out);

/* The name for programs: "mean_weight". */
const char *ope_warning_name(enum ope_warning w);
/* The sentence for people of one warning with its figures: "the mean weight is 0.62 and must be near 1: …". */
void ope_warning_text(const struct ope_result *r, enum ope_warning w, char *text, size_t n);

#endif
