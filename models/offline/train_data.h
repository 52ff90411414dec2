/* The table that train.yaml speaks of, as training takes it: rows of floats, labels, arms, probabilities, and which part of the
 * data each row belongs to.
 *
 *   frame (by columns) --> labels and arms --> parts --> categories of the training rows --> rows
 *
 * Parts: a row is `test` with probability split.test, else `aside` with probability aside, else `train`, by a hash of
 * (split.seed, key). The key is the customer's, or without one the row's text and how many equal rows stood before it: so the
 * order of the file does not matter, and equal rows are independent.
 *
 * Arms: silence first where there is one, then the actions in order of their ids. For kind propensity rows of silence are left
 * out. Probabilities by shares are those of the rows that are not test.
 *
 * When only the logged action's probability is known (action_probability: {column: p}), the probability of another arm is taken
 * to be that arm's mean over all rows, estimated by the harmonic mean of p over its own rows that are not test: an arm is logged
 * more often where p is high, which the harmonic mean undoes (E[1/p | a] = 1/P(a)).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_OFFLINE_TRAIN_DATA_H
#define TACT_OFFLINE_TRAIN_DATA_H
#include "models/offline/train_config.h"
#include "models/offline/train_input.h"

enum train_side { SIDE_TRAIN, SIDE_ASIDE, SIDE_TEST, SIDES };

struct train_arm {
    struct str name;    /* action id or BUNDLE_SILENCE */
    size_t rows[SIDES]; /* by part */
    size_t positive;    /* rows with a label that is not 0, test left out */
    double p;           /* its probability over all rows; NaN without an action column */
};

/* What a stage of a training took, on the clock and of the processor. The latter is to be compared: other programs do not show in
 * it. */
struct train_stage {
    double wall_s, cpu_s;
};
struct train_stage train_stage_begin(void);
/* Adds the time since `begin` to *sum. */
void train_stage_end(struct train_stage *sum, struct train_stage begin);

/* All of it lives until train_data_free, beside the config. */
struct train_data {
    char name[256]; /* of the file, for messages */
    size_t n;       /* rows used */
    size_t read;    /* rows of the file */
    size_t features;
    float *rows;      /* [n][features]; NaN is missing, a category is its code */
    float *labels;    /* [n] */
    float *weights;   /* [n], or NULL */
    uint32_t *arm_of; /* [n]; NULL without an action column */
    double *p;        /* [n] of the logged action; NULL without an action column */
    uint64_t *keys;   /* [n] rows with one key belong together */
    uint32_t *lines;  /* [n] in the file */
    uint8_t *side;    /* [n] enum train_side */
    uint8_t *tested;  /* [read] 1: a row of the test part */
    char separator;   /* of the file */
    size_t side_rows[SIDES];
    struct train_arm *arms;
    size_t arm_count;
    long silence;                 /* its arm, or -1 */
    struct bundle_feature *specs; /* [features], for the bundle */
    struct str objective;         /* of the config, or the default of the labels */
    char from[11], to[11];        /* days of the training rows; empty without a time column */
    struct train_stage read_stage, features_stage;
    struct arena arena;
};

/* Reads the table by the config. Findings about cells stand at the file's lines, others at those of the config; the error sums
 * up. cancel as in models/trainer.h. On an error out is empty. */
int train_data_read(struct train_data *out, const struct train_config *c, struct train_input *in,
                    const volatile sig_atomic_t *cancel, struct diags *diags, struct error *e) MUST_CHECK;
void train_data_free(struct train_data *d);

/* A number in [0,1) by hash, for splits: the same for rows with one key. */
double train_hash_share(uint64_t key, uint64_t seed, uint64_t salt);

/* The probability with which row i got arm a, had only a and silence been possible: p_a / (p_a + p_silence). */
double train_pair_probability(const struct train_data *d, size_t i, size_t arm);

#endif
