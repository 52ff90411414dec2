/* What a model file says about itself, checked: an XGBoost tree model (gbtree or dart) with one output a row,
 * whose trees can be walked without leaving them. libxgboost checks none of this: a child or split index out
 * of range is a wild read when it predicts. Nothing is given to it that has not passed here.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_MODELS_MODEL_H
#define TACT_MODELS_MODEL_H
#include "models/doc.h"

enum { MODEL_FILE_MAX = 64 * 1024 * 1024, MODEL_TREES_MAX = 100 * 1000, MODEL_CATEGORY_MAX = 1 << 20 };

struct model_info {
    struct str objective;   /* "binary:logistic" */
    struct str booster;     /* "gbtree" or "dart" */
    size_t features;        /* columns */
    size_t trees, depth;    /* depth: the deepest leaf, the root being at 0 */
    double base_score;      /* as the file has it, before any link function */
    bool base_score_vector; /* written as "[5E-1]" by newer versions; older ones ignore it in silence */
    int version[3];         /* of the library that wrote it; -1 when not given */
    const struct doc_value *feature_names, *feature_types; /* arrays of strings, empty, or NULL */
    const struct doc_value *tree_list;                     /* one object a tree */
};

/* Everything points into root's tree. ERR_INVALID says what is wrong, with the tree and node. */
int model_inspect(struct model_info *out, const struct doc_value *root, struct arena *scratch,
                  struct error *e) MUST_CHECK;

#endif
