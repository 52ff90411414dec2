/* A model as XGBoost saved it (save_model, JSON or UBJSON, 1.0 to 3.x), read and checked into flat trees: what our own
 * scorer is compiled from, and what must hold before libxgboost may see the bytes. libxgboost checks none of this: a child
 * or split index out of range is a wild read when it predicts.
 *
 * The margin of output k is, in float and in this order:
 *
 *   base[k] + Σ over the trees t of output k, as they stand in the file, of leaf(t) × weight(t)
 *
 * where a DART tree adds ((base[0] + leaf) − base[0]) × weight: so does libxgboost's in-place prediction, which predicts
 * each tree by itself. base is the file's base_score through the objective's link. A linear model (gblinear) adds its bias
 * and base first, then value × weight feature by feature, missing ones left out.
 *
 * At a node a value x goes
 *   missing (NaN)                       the node's default way
 *   by a threshold                      left when x < threshold, else right
 *   by a set of categories              right when the whole number of x is in the set; left when it is not, when x < 0, or
 *                                       beyond the set's range
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_MODELS_MODEL_H
#define TACT_MODELS_MODEL_H
#include "models/doc.h"

enum {
    MODEL_FILE_MAX = 256 * 1024 * 1024,
    MODEL_MEMORY_MAX = 1024 * 1024 * 1024, /* what reading may need */
    MODEL_TREES_MAX = 100 * 1000,
    MODEL_FEATURES_MAX = 1 << 20,
    MODEL_NODES_MAX = 1 << 24, /* of a tree */
    MODEL_DEPTH_MAX = 4096,    /* levels of a tree */
    MODEL_OUTPUTS_MAX = 1024,
    MODEL_CATEGORY_MAX = 1 << 24 /* as in the library: floats are whole numbers up to there */
};

/* Categories whose members go right: category c is bit c % 32 of word c / 32. */
struct model_set {
    const uint32_t *words;
    uint32_t count;
};

struct model_node {
    int32_t left, right; /* of the tree's nodes; both -1: a leaf */
    uint32_t feature;
    float value;   /* threshold; of a leaf its value, or where there are vectors its number among them */
    int32_t set;   /* of the model's sets, or -1 */
    uint8_t default_left;
};

struct model_tree {
    const struct model_node *nodes; /* the root is 0; deleted nodes may stand among them, unreachable */
    uint32_t count, leaves, depth;  /* leaves that can be reached; the deepest's depth, the root being at 0 */
    uint32_t output;                /* unless vectors */
    const float *vectors;           /* [leaf's number][outputs], for trees that give all outputs at once; else NULL */
    float weight;                   /* 1 unless DART */
};

enum model_link { MODEL_IDENTITY, MODEL_LOGIT, MODEL_LOG };

/* Category strings of a feature, as files of 3.1 and later may hold them; count 0: none, or some are not ASCII (those are cut
 * wrongly by the library). */
struct model_categories {
    const struct str *texts;
    size_t count;
};

struct model {
    struct str objective;      /* "binary:logistic" */
    struct str booster;        /* "gbtree", "dart", "gblinear" */
    int version[3];            /* of the library that wrote it; -1 when not given */
    size_t features, outputs;  /* columns; margins a row: classes or targets */
    struct model_tree *trees;  /* in file order; NULL with linear */
    size_t tree_count;         /* that count: those up to the best round, or all */
    size_t trees_in_file, rounds_in_file, rounds;
    size_t parallel; /* num_parallel_tree as the file has it; libxgboost counts rounds by it even where they are listed */
    long best_iteration;       /* the file's attribute; -1: none */
    size_t depth;              /* of the deepest tree */
    bool dart;
    const float *linear;       /* gblinear: [features + 1][outputs], the bias last; else NULL */
    const float *base_score;   /* [outputs], in the label's space; as the version that wrote it takes it */
    const float *base;         /* [outputs], as margins */
    const struct model_set *sets;
    size_t set_count;
    const struct str *feature_names, *feature_types; /* [features], or NULL */
    const struct model_categories *categories;       /* [features], or NULL */
    size_t from, bytes; /* where in the file it stands: all of it, but of what Booster.serialize writes the part without configuration */
};

/* Which rounds count. BEST: up to and with best_iteration where the file has it (it was stopped early), else all. */
enum model_rounds { MODEL_BEST, MODEL_ALL };

/* Everything of out lives in keep; scratch, another arena, may be given back afterwards, and the bytes too. ERR_INVALID says what is
 * wrong, with tree and node, ERR_NOSPACE that the model is too large for the arenas. */
int model_read(struct model *out, struct str bytes, enum model_rounds which, struct arena *keep, struct arena *scratch,
               struct error *e) MUST_CHECK;

/* A category's code, whatever number it is. */
static inline bool model_set_has(const struct model_set *s, float x)
{
    if (!(x >= 0 && x < (float)MODEL_CATEGORY_MAX))
        return false;
    uint32_t c = (uint32_t)x;
    return c / 32 < s->count && (s->words[c / 32] >> (c % 32) & 1);
}
/* Whether x goes right at a node that is no leaf. */
static inline bool model_goes_right(const struct model_set *sets, const struct model_node *n, float x)
{
    if (x != x)
        return !n->default_left;
    return n->set >= 0 ? model_set_has(&sets[n->set], x) : !(x < n->value);
}

#endif
