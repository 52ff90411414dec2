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
 * What a contact with arm a adds is estimated from rows of a and of silence, weighted by the inverse of the probability with which
 * each got what it got. Where every arm's probability is known and the same for all rows, among these two: p_a/(p_a + p_silence).
 * Where only the logged action's is known and may depend on the row (action_probability: {column: p}), no probability of another arm
 * is guessed: over all rows, those of a count y/p, those of silence −y/p and all others 0, whose mean is the effect, whatever p
 * depends on (Horvitz and Thompson 1952).
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
    bool own_p;       /* p is all that is known: it comes from a column */
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

/* Whether row i says something of what an arm adds to silence: a row of either, or with own_p any. */
bool train_tells_of(const struct train_data *d, size_t i, size_t arm);
/* The probability, in (0,1), with which such a row got the arm and not silence: p_a / (p_a + p_silence); with own_p p of a row of the
 * arm, 1 − p of one of silence, and 1/2, which does not matter, of others, whose label counts as 0. */
double train_pair_probability(const struct train_data *d, size_t i, size_t arm);

#endif
