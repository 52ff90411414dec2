/* How good the models of a training are, on rows that they have not seen, every figure with a 95% interval.
 *
 *   models    of what predicts the label: AUC, log loss, Brier score and calibration error where it is binary; else root mean
 *             squared error, mean absolute error, and where the link is exp the Poisson deviance. Of a model an arm, on
 *             that arm's rows
 *   uplift    of each arm against silence, on the rows of both: Qini, AUUC, average effect (metrics.h)
 *   policies  what a customer would bring under simple policies (train_policies.h)
 *
 * Weights of rows count in the models' figures but the AUC and the calibration error; uplift and policies are of rows.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_OFFLINE_TRAIN_MEASURE_H
#define TACT_OFFLINE_TRAIN_MEASURE_H
#include "models/offline/metrics.h"
#include "models/offline/train_data.h"

enum { MEASURE_FIGURES_MAX = 4, MEASURE_BINS = 10 };

struct train_figure {
    const char *name; /* "auc" */
    struct metric m;
};

struct train_score {
    long arm; /* -1: one model of all */
    size_t rows;
    double mean_label, mean_prediction;
    struct train_figure figures[MEASURE_FIGURES_MAX];
    size_t count;
    struct calibration_point points[MEASURE_BINS]; /* of a binary label */
    size_t point_count;
};

struct train_uplift {
    size_t arm, rows;
    struct uplift_metrics m;
};

enum train_policy_kind { POLICY_BEST, POLICY_ARM, POLICY_NOBODY };

struct train_policy {
    double cost;
    enum train_policy_kind kind;
    size_t arm; /* POLICY_ARM */
    struct metric value, over_nobody;
    double silent; /* share of rows without a contact */
    bool trusted;
    char warning[256]; /* the first one; "" without */
};

struct train_measures {
    struct train_score *scores;
    size_t score_count;
    struct train_uplift *uplifts;
    size_t uplift_count;
    struct train_policy *policies;
    size_t policy_count;
    struct arena arena;
};

/* Of rows (indices into d) with predictions as train_predict gives them. policies: whether that table is wanted. cancel: as in
 * models/trainer.h, looked at between figures. */
int train_measure(struct train_measures *out, const struct train_data *d, const struct train_config *c,
                  const uint32_t *rows, size_t count, const double *predictions, bool policies,
                  const volatile sig_atomic_t *cancel, struct error *e) MUST_CHECK;
void train_measures_free(struct train_measures *m);

#endif
