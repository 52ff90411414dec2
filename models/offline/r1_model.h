/* The model of workload R1 as a bundle: 200 full trees of depth 6 over 64 features, written as XGBoost 1.7 writes a JSON
 * model (later versions read it), without the library, so that the bytes are the same on every machine. Splits are
 * numeric (a category's code is compared as a number) and spread evenly over the features; a leaf is small, so that
 * propensities lie between 1% and 30%. Golden rows carry the margins of a walk over the trees written here: they are
 * from outside every scorer.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_OFFLINE_R1_MODEL_H
#define TACT_OFFLINE_R1_MODEL_H
#include <stdio.h>

enum {
    R1_TREES = 200,
    R1_DEPTH = 6,
    R1_SPLITS = (1 << R1_DEPTH) - 1,
    R1_LEAVES = 1 << R1_DEPTH,
    R1_GOLDEN = 64
};

struct r1_model;

struct r1_model *r1_model_new(void); /* NULL without memory */
void r1_model_free(struct r1_model **m);
void r1_model_json(const struct r1_model *m, FILE *out);   /* model.json */
void r1_model_yaml(FILE *out);                             /* bundle.yaml, of all of them */
void r1_model_golden(const struct r1_model *m, FILE *out); /* golden.csv */
/* The margin of one row of R1_FEATURES floats (NaN: missing): float sums in the order of the trees. */
float r1_model_margin(const struct r1_model *m, const float *row);

#endif
