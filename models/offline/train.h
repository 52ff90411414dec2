/* A whole training: table and train.yaml in, bundle and report out.
 *
 *   config --> policy --> table --> checks --> does it bind? --> cross-validation --> models --> figures --> bundle
 *
 * Nothing is left behind by a training that fails or is cancelled: the bundle appears whole as the last step, and the file of the
 * test rows after it. Whether it
 * binds to the policy is found out before the training, with a bundle of one round that is written beside the wanted one and
 * removed; so a wrong feature costs seconds, and its finding stands at its line in train.yaml.
 *
 * The same table, config, seed and version of XGBoost give the same bytes of the bundle.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_OFFLINE_TRAIN_H
#define TACT_OFFLINE_TRAIN_H
#include "models/offline/train_fit.h"
#include "models/offline/train_measure.h"

enum { TRAIN_GOLDEN_ROWS = 200 };

struct train_job {
    const char *csv, *config, *out;
    const char *policy;       /* folder, or NULL */
    const char *test_rows;    /* file for the rows of the test part, or NULL; train_test_rows.h */
    const struct tzdb *zones; /* outlives the result */
    bool has_seed;            /* in place of the config's */
    uint64_t seed;
    void (*progress)(void *user, const char *what, uint64_t done, uint64_t total); /* or NULL */
    void *user;
    const volatile sig_atomic_t *cancel; /* or NULL */
};

struct train_result {
    struct train_config config;
    struct train_data data;
    struct train_models models;
    struct train_measures test, cv;
    bool has_cv;
    struct train_stage folds_stage, fit_stage, measure_stage, write_stage; /* and the data's two */
    struct arena arena;
};

/* Findings (errors and warnings) go to diags; the error sums up. ERR_EXISTS: out is there and not empty;
 * ERR_UNAVAILABLE: cancelled. On an error out is empty. */
int train_run(struct train_result *out, const struct train_job *job, struct diags *diags,
              struct error *e) MUST_CHECK;
void train_result_free(struct train_result *r);

#endif
