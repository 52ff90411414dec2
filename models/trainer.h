/* Training through libxgboost's C API: same rows, parameters and seed give the same bytes on the same library
 * version (one thread, hist). The base score is always said, since versions differ in what they take for it:
 * 0.5 for binary:logistic, for all others the mean of the labels (weighted as the rows are).
 *
 * With rows to watch, training stops when their loss has not fallen for `patience` rounds, and the model keeps
 * the trees up to the best round. The loss is the objective's own: log loss, squared error, Poisson, gamma or
 * Tweedie deviance. It comes from margins that XGBoost extends by each round's trees, so watching costs one
 * pass of one tree a round over the watched rows.
 *
 * Offline only. One thread a call; the cancel flag may be set by a signal handler.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_MODELS_TRAINER_H
#define TACT_MODELS_TRAINER_H
#include "base/buf.h"
#include "base/error.h"
#include <signal.h>

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
    const int *monotone;      /* one a feature: 1 rising, -1 falling, 0; or NULL */
};

struct trainer_options {
    const char *objective;              /* NULL: binary:logistic */
    const struct trainer_param *params; /* after our defaults, so that they override them */
    size_t param_count;
    int rounds;
    uint64_t seed;
    const struct trainer_data
        *watch;   /* rows to stop by, or NULL; names, types and monotone are not looked at */
    int patience; /* > 0 with watch */
    void (*progress)(void *user, int round, int rounds); /* after each round; or NULL */
    void *user;
    const volatile sig_atomic_t *cancel; /* not 0: stop after this round; or NULL */
};

struct trainer_result {
    int rounds;   /* that the model has */
    double watch; /* mean loss of the watched rows with them; NaN without */
};

/* Trains and appends the model, as UBJSON, to out. ERR_INVALID has XGBoost's message when it refuses a parameter
 * or the data; ERR_UNAVAILABLE: cancelled; ERR_NOSPACE: out is too small. result may be NULL. */
int trainer_run(const struct trainer_data *data, const struct trainer_options *o, struct buf *out,
                struct trainer_result *result, struct error *e) MUST_CHECK;

/* The same with a binary label and no options. */
int trainer_fit(const struct trainer_data *data, const struct trainer_param *params, size_t count, int rounds,
                uint64_t seed, struct buf *out, struct error *e) MUST_CHECK;

#endif
