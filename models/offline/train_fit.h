/* From rows to models, as the kind says, and from models to predictions for every arm.
 *
 *   propensity, s_learner   one model of the label over all rows
 *   t_learner               a model an arm, over that arm's rows
 *   transformed             a model an arm but silence, over the rows of {arm, silence}, of the outcome
 *
 *       Z = y·1[arm]/p' − y·1[silence]/(1 − p')      p' = p_arm/(p_arm + p_silence)
 *
 *     whose mean at any x is the effect of the contact there (Athey and Imbens 2015). p' comes from the rows' own probabilities
 *     and those of the arms outside the test part (train_data.h says how when only the logged one is known).
 *
 * With early stopping or calibration, the rows aside are not trained on. A model's calibration is fitted on its rows aside,
 * with their weights but without class weights: so it puts right what class weights shift.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_OFFLINE_TRAIN_FIT_H
#define TACT_OFFLINE_TRAIN_FIT_H
#include "models/booster.h"
#include "models/offline/train_data.h"

enum { TRAIN_MODEL_MAX = 64 << 20 };

/* What a row is used for in one fit. */
enum train_use { USE_TRAIN, USE_ASIDE, USE_NOT };

struct train_model {
    long arm; /* -1: of all arms */
    struct buf bytes;
    struct booster *booster;
    struct calibration calibration; /* its points in the models' arena */
    size_t rows;                    /* trained on */
    int rounds;
};

struct train_models {
    struct train_model *list;
    size_t count;
    enum link link;
    struct arena arena;
};

struct train_fit_options {
    void (*progress)(void *user, uint64_t done, uint64_t total); /* rounds; or NULL */
    void *user;
    const volatile sig_atomic_t *cancel; /* or NULL */
};

/* use: one enum train_use a row. What goes on but is worth knowing (a calibration that cannot be fitted) is a warning. */
int train_fit(struct train_models *out, const struct train_data *d, const struct train_config *c,
              const uint8_t *use, const struct train_fit_options *o, struct diags *diags,
              struct error *e) MUST_CHECK;
void train_models_free(struct train_models *m);

/* The label to learn of row i in an arm's transformed model. */
double train_transformed(const struct train_data *d, size_t i, size_t arm);

/* Calibrated predictions of the rows (indices into d): out[a][k] of arm a and the k-th row, arm after arm, each `count` long; of
 * kind propensity, and without an action column, one list only: the logged action's. Of kind transformed silence has 0 and
 * the others their difference. For an action that is not the row's own, features from: action are that action's (the least
 * value outside the test part, where it has several) and those from: pair are missing. */
int train_predict(double *out, const struct train_models *m, const struct train_data *d,
                  const struct train_config *c, const uint32_t *rows, size_t count,
                  struct error *e) MUST_CHECK;
/* How many lists train_predict gives. */
size_t train_prediction_lists(const struct train_data *d, const struct train_config *c);

#endif
