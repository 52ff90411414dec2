/* Training through libxgboost's C API: same rows, parameters and seed give the same bytes on the same library
 * version (one thread, hist, a base score that does not depend on the version). And the two measures that
 * every training reports. Offline only.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_MODELS_TRAINER_H
#define TACT_MODELS_TRAINER_H
#include "base/buf.h"
#include "base/error.h"

enum { TRAINER_ROUNDS_MAX = 10000 };

struct trainer_param {
    const char *key, *value;
};

struct trainer_data {
    const float *rows; /* n rows of features floats; NaN is missing; a category is its code */
    const float *labels;
    const float *weights; /* or NULL */
    size_t n, features;
    const char *const *names; /* one a feature, or NULL */
    const bool *categorical;  /* one a feature, or NULL: none is */
};

/* Trains for rounds and appends the model, as UBJSON, to out. Parameters (may be NULL with count 0) come
 * after our defaults (objective binary:logistic, tree_method hist, base_score 0.5) and override them; nthread
 * is always 1. ERR_INVALID has XGBoost's message when it refuses a parameter or the data. */
int trainer_fit(const struct trainer_data *data, const struct trainer_param *params, size_t count, int rounds,
                uint64_t seed, struct buf *out, struct error *e) MUST_CHECK;

/* Area under the ROC curve: the chance that a positive (label > 0.5) scores above a negative, ties counting
 * half (Mann and Whitney 1947), exact. NaN when either class is missing or memory runs out. Scores are not
 * NaN. */
double trainer_auc(const float *scores, const float *labels, size_t n);

/* Mean negative log likelihood of labels in {0, 1} under probabilities in [0,1], which are kept 1e-15 away
 * from 0 and 1. NaN when n is 0. */
double trainer_log_loss(const float *probabilities, const float *labels, size_t n);

#endif
