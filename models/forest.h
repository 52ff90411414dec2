/* The forest scorer: the margins of many candidates of one customer, equal to libxgboost's in-place prediction bit for bit.
 *
 * The candidates of a decision share the customer's features and differ in the action's, which are known beforehand, and in
 * those of the pair. So a tree is compiled into tiles of six levels (forest_inner.h), and a decision
 *
 *   1. turns the customer's features into ranks among their thresholds, once;
 *   2. compares all 63 nodes of a tile at once: one bit each, right or left. Nodes that look at the action or the pair are
 *      open: both ways count;
 *   3. finds the leaves that can be reached at all (few: three of 64 in workload R1), as bits, level by level;
 *   4. knows for each such leaf which candidates reach it, 64 to a word: from the action's features beforehand (a catalog), from
 *      the pair's by comparing them all with the node's threshold;
 *   5. adds the leaf's value to just these candidates, tree by tree, so that each candidate's sum has the order of the
 *      library's.
 *
 * The trees are not walked for each candidate; the cost is that of the leaves that differ between candidates.
 *
 * Where the candidates are few, and for whole rows, all features are taken for shared. Where a compiled model would need more
 * than memory_max bytes, its nodes are kept flat and walked.
 *
 * A forest is immutable and may be used by all threads. It is given the actions' features as a catalog (forest_catalog.h) and
 * scores (forest_score.h) without malloc, clock or global.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_MODELS_FOREST_H
#define TACT_MODELS_FOREST_H
#include "models/forest_isa.h"
#include "models/model.h"

struct forest;

/* What a feature is the same for. */
enum forest_role {
    FOREST_SHARED, /* all candidates of a decision */
    FOREST_ACTION, /* an action, in every decision */
    FOREST_PAIR    /* nothing */
};

struct forest_options {
    const enum forest_role *roles; /* one a feature; NULL: all are shared */
    enum forest_instructions instructions;
    const struct forest_isa *isa; /* for tests: instead of instructions; else NULL */
    size_t memory_max;            /* of the compiled model, bytes; 0: 64 MiB */
};

/* From a model, which is not kept. ERR_NOSPACE: out of memory, sets of categories of more than 64 MiB, or trees in which one row
 * would go through more than 2^20 nodes (milliseconds a candidate). */
int forest_compile(struct forest **out, const struct model *m, const struct forest_options *o, struct error *e) MUST_CHECK;
void forest_free(struct forest **f);

size_t forest_features(const struct forest *f);
size_t forest_outputs(const struct forest *f);
enum forest_instructions forest_instructions_of(const struct forest *f);
/* Bytes of the compiled model; whether it is walked flat, as memory_max did not hold its tiles. */
size_t forest_bytes(const struct forest *f);
bool forest_is_flat(const struct forest *f);

#endif
