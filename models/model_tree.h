/* One tree of a model file; a part of models/model.h.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_MODELS_MODEL_TREE_H
#define TACT_MODELS_MODEL_TREE_H
#include "models/model.h"

/* What is being read, and the sets of categories so far. */
struct model_reader {
    struct model *m;
    struct arena *keep, *scratch;
    struct error *e;
    struct model_set *sets;
    size_t set_capacity;
};

/* Checks a tree and keeps its nodes; number is its place. */
int model_read_tree(struct model_reader *r, const struct doc_value *tree, size_t number, struct model_tree *out)
    MUST_CHECK;

#endif
