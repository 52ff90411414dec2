/* Models as XGBoost trains them, drawn from a seed: every objective that we serve, depths 1 to 12, missing values, categories
 * by value and by set, base scores, several trees a round, DART, several classes and targets, early stopping. And rows to try
 * them on, made of what is awkward: NaN, infinities, -0, values equal to thresholds, categories that are none.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_MODELS_RANDOM_MODEL_H
#define TESTS_MODELS_RANDOM_MODEL_H
#include "base/buf.h"
#include "base/rng.h"
#include "models/model.h"
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <xgboost/c_api.h>

enum { RANDOM_ROWS = 400, RANDOM_FEATURES_MAX = 300, RANDOM_CATEGORIES_MAX = 70 };

struct random_model {
    struct buf bytes; /* the file */
    size_t features;
    int categories[RANDOM_FEATURES_MAX]; /* 0: a number */
    char text[200];                      /* what it is, for messages */
};

#define XGB(call) ASSERT((call) == 0 || (fprintf(stderr, "%s\n", XGBGetLastError()), false))

static inline float random_value(struct rng *rng, int categories)
{
    if (rng_below(rng, 8) == 0)
        return NAN;
    if (categories)
        return (float)rng_below(rng, (uint64_t)categories);
    switch (rng_below(rng, 4)) {
    case 0:
        return (float)(int)rng_below(rng, 5) - 2; /* few values */
    case 1:
        return (float)(rng_normal(rng) * 1e-3);
    default:
        return (float)rng_normal(rng);
    }
}

static inline float random_label(struct rng *rng, const char *objective, int classes, double z)
{
    if (classes > 1)
        return (float)rng_below(rng, (uint64_t)classes);
    if (strncmp(objective, "binary:", 7) == 0)
        return rng_double(rng) < 1 / (1 + exp(-z));
    if (strcmp(objective, "reg:logistic") == 0)
        return (float)rng_double(rng);
    if (strncmp(objective, "rank:", 5) == 0)
        return (float)rng_below(rng, 2);
    if (strcmp(objective, "reg:gamma") == 0)
        return (float)(0.01 + exp(z));
    if (strcmp(objective, "count:poisson") == 0 || strcmp(objective, "reg:tweedie") == 0)
        return (float)rng_below(rng, 5);
    return (float)(z * 10);
}

static inline void random_param(BoosterHandle b, const char *key, const char *format, double v)
{
    char text[40];
    snprintf(text, sizeof text, format, v);
    XGB(XGBoosterSetParam(b, key, text));
}

/* Rows, labels and feature types; targets labels a row. */
static inline DMatrixHandle random_matrix(struct random_model *m, struct rng *rng, const char *objective, int classes,
                                          int targets)
{
    float *rows = malloc(RANDOM_ROWS * m->features * sizeof *rows), *labels = malloc(RANDOM_ROWS * 8 * sizeof *labels);
    const char *types[RANDOM_FEATURES_MAX];
    for (size_t i = 0; i < RANDOM_ROWS; i++) {
        double z = 0;
        for (size_t k = 0; k < m->features; k++) {
            float v = rows[i * m->features + k] = random_value(rng, m->categories[k]);
            z += (k % 3 == 0 ? 1 : -0.7) * (isnan(v) ? 0.3 : m->categories[k] ? (int)v % 3 - 1 : (double)v) /
                 sqrt((double)m->features);
        }
        for (int t = 0; t < targets; t++)
            labels[i * (size_t)targets + (size_t)t] = random_label(rng, objective, classes, z * (t + 1));
    }
    DMatrixHandle matrix;
    XGB(XGDMatrixCreateFromMat(rows, RANDOM_ROWS, m->features, NAN, &matrix));
    for (size_t k = 0; k < m->features; k++)
        types[k] = m->categories[k] ? "c" : "q";
    XGB(XGDMatrixSetStrFeatureInfo(matrix, "feature_type", types, m->features));
    char array[160];
    snprintf(array, sizeof array, "{\"data\":[%" PRIuPTR ",true],\"shape\":[%d,%d],\"typestr\":\"<f4\",\"version\":3}",
             (uintptr_t)labels, RANDOM_ROWS, targets);
    XGB(XGDMatrixSetInfoFromInterface(matrix, "label", array));
    if (strncmp(objective, "rank:", 5) == 0) {
        unsigned groups[RANDOM_ROWS / 10];
        for (size_t i = 0; i < RANDOM_ROWS / 10; i++)
            groups[i] = 10;
        XGB(XGDMatrixSetUIntInfo(matrix, "group", groups, RANDOM_ROWS / 10));
    }
    free(rows);
    free(labels);
    return matrix;
}

static inline double random_base(struct rng *rng, const char *objective)
{
    if (strcmp(objective, "binary:logistic") == 0 || strcmp(objective, "reg:logistic") == 0)
        return 0.05 + 0.9 * rng_double(rng);
    if (strcmp(objective, "count:poisson") == 0 || strcmp(objective, "reg:gamma") == 0 || strcmp(objective, "reg:tweedie") == 0)
        return 0.1 + 3 * rng_double(rng);
    return rng_below(rng, 4) == 0 ? -0.0 : rng_normal(rng);
}

static inline void random_train(struct random_model *m, struct rng *rng)
{
    static const char *const objectives[] = {
        "binary:logistic", "binary:logitraw", "binary:hinge",  "reg:squarederror", "reg:logistic",  "reg:absoluteerror",
        "reg:gamma",       "reg:tweedie",     "count:poisson", "rank:pairwise",    "multi:softprob", "multi:softmax",
        "rank:ndcg",       "rank:map",        "targets"};
    const char *objective = objectives[rng_below(rng, sizeof objectives / sizeof *objectives)];
    int targets = strcmp(objective, "targets") == 0 ? 2 + (int)rng_below(rng, 3) : 1;
    if (targets > 1)
        objective = "reg:squarederror";
    int classes = strncmp(objective, "multi:", 6) == 0 ? 3 + (int)rng_below(rng, 3) : 0;
    int depth = 1 + (int)rng_below(rng, 12), rounds = 1 + (int)rng_below(rng, depth > 8 ? 6 : 16);
    /* Later versions refuse several trees a round where leaves are adapted. */
    int parallel = rng_below(rng, 5) == 0 && strcmp(objective, "reg:absoluteerror") != 0 ? 2 + (int)rng_below(rng, 2) : 1;
    bool dart = rng_below(rng, 6) == 0, leaves = rng_below(rng, 5) == 0, deep = rng_below(rng, 3) != 0;
    DMatrixHandle matrix = random_matrix(m, rng, objective, classes, targets);
    BoosterHandle b;
    XGBSetGlobalConfig("{\"verbosity\":0}");
    XGB(XGBoosterCreate(&matrix, 1, &b));
    XGB(XGBoosterSetParam(b, "objective", objective));
    XGB(XGBoosterSetParam(b, "nthread", "1"));
    XGB(XGBoosterSetParam(b, "tree_method", "hist"));
    random_param(b, "seed", "%.0f", (double)rng_below(rng, 1000000));
    random_param(b, "max_depth", "%.0f", leaves ? 0 : depth);
    random_param(b, "max_leaves", "%.0f", leaves ? 2 + (double)rng_below(rng, 120) : 0);
    XGB(XGBoosterSetParam(b, "grow_policy", leaves ? "lossguide" : "depthwise"));
    random_param(b, "eta", "%.3f", 0.1 + rng_double(rng));
    random_param(b, "lambda", "%.3f", deep ? 0.01 : 1);
    random_param(b, "min_child_weight", "%.3f", deep ? 0 : 1);
    random_param(b, "max_bin", "%.0f", rng_below(rng, 2) ? 256 : 8 + (double)rng_below(rng, 400));
    random_param(b, "max_cat_to_onehot", "%.0f", rng_below(rng, 2) ? 4 : 100);
    random_param(b, "num_parallel_tree", "%.0f", parallel);
    random_param(b, "subsample", "%.2f", parallel > 1 ? 0.7 : 1);
    if (classes)
        random_param(b, "num_class", "%.0f", classes);
    if (rng_below(rng, 3))
        random_param(b, "base_score", "%.9g", random_base(rng, objective));
    if (dart) {
        XGB(XGBoosterSetParam(b, "booster", "dart"));
        random_param(b, "rate_drop", "%.2f", 0.5);
    }
    for (int i = 0; i < rounds; i++)
        XGB(XGBoosterUpdateOneIter(b, i, matrix));
    int best = -1;
    if (rng_below(rng, 4) == 0) {
        char text[16];
        best = (int)rng_below(rng, (uint64_t)rounds);
        snprintf(text, sizeof text, "%d", best);
        XGB(XGBoosterSetAttr(b, "best_iteration", text));
    }
    bool json = rng_below(rng, 2);
    bst_ulong n;
    const char *bytes;
    XGB(XGBoosterSaveModelToBuffer(b, json ? "{\"format\":\"json\"}" : "{\"format\":\"ubj\"}", &n, &bytes));
    buf_init(&m->bytes, 64 << 20);
    buf_append(&m->bytes, bytes, n);
    snprintf(m->text, sizeof m->text,
             "%s%s %s, %zu features, depth %d%s, %d rounds (best %d) of %d trees, %d classes, %d targets", objective,
             dart ? " dart" : "", json ? "json" : "ubj", m->features, depth, leaves ? " by leaves" : "", rounds, best,
             parallel, classes, targets);
    XGB(XGBoosterFree(b));
    XGB(XGDMatrixFree(matrix));
}

static inline void random_model_make(struct random_model *m, uint64_t seed)
{
    struct rng rng;
    rng_seed(&rng, seed);
    *m = (struct random_model){.features = 1 + rng_below(&rng, rng_below(&rng, 4) ? 40 : RANDOM_FEATURES_MAX)};
    bool with_categories = rng_below(&rng, 2);
    for (size_t k = 0; with_categories && k < m->features; k++)
        if (rng_below(&rng, 3) == 0)
            m->categories[k] = 2 + (int)rng_below(&rng, RANDOM_CATEGORIES_MAX - 2);
    random_train(m, &rng);
}

/* A value to try a feature with: often one that a node compares with, or its neighbour. */
static inline float random_probe(struct rng *rng, const struct random_model *m, const struct model *read, size_t feature)
{
    static const float odd[] = {NAN, INFINITY, -INFINITY, -0.0f, 0.0f, -1, 2.7f, 1e9f, -0.5f, 16777216.0f, 1e-40f};
    uint64_t kind = rng_below(rng, 10);
    if (kind == 0)
        return odd[rng_below(rng, sizeof odd / sizeof *odd)];
    if (kind < 5 && read->tree_count) {
        const struct model_tree *t = &read->trees[rng_below(rng, read->tree_count)];
        for (int i = 0; i < 20; i++) {
            const struct model_node *n = &t->nodes[rng_below(rng, t->count)];
            if (n->left < 0 || n->feature != feature || n->set >= 0)
                continue;
            return kind == 1 ? nextafterf(n->value, -INFINITY) : kind == 2 ? nextafterf(n->value, INFINITY) : n->value;
        }
    }
    if (m->categories[feature] && kind == 9)
        return (float)rng_below(rng, RANDOM_CATEGORIES_MAX + 40);
    return random_value(rng, m->categories[feature]);
}

static inline void random_model_free(struct random_model *m)
{
    buf_free(&m->bytes);
}

#endif
