/* Scoring with a compiled forest; see forest.h.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_MODELS_FOREST_SCORE_H
#define TACT_MODELS_FOREST_SCORE_H
#include "models/forest_catalog.h"

struct forest_input {
    const float *shared;                  /* [features]; the action's and the pair's columns are not looked at */
    const struct forest_catalog *catalog; /* NULL where no feature is the action's */
    const uint32_t *actions;              /* [n] of the catalog, each at most once; NULL: 0, 1, 2, … */
    const float *pairs;                   /* [n][pair features], in the order of the features; NULL where there are none */
    size_t n;
};

/* The margins of n candidates, n × outputs, candidate by candidate. Memory comes from the arena: ERR_NOSPACE when it is full. */
int forest_score(const struct forest *f, const struct forest_input *in, struct arena *arena, float *out,
                 struct error *e) MUST_CHECK;

/* What codes and chunk of a request need, at most; it does not depend on n. */
size_t forest_score_bytes(const struct forest *f);

/* The margins of n whole rows of forest_features floats, whatever the roles. */
int forest_rows(const struct forest *f, const float *rows, size_t n, struct arena *arena, float *out,
                struct error *e) MUST_CHECK;

#endif
