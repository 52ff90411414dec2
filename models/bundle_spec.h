/* bundle.yaml: what a model is and what it eats. The parse part of a bundle, without the model, so that it
 * can be tested and fuzzed by itself; and its inverse.
 *
 *     name: retail_propensity
 *     version: "2025-02-01"
 *     kind: propensity                  # s_learner, t_learner, transformed: reserved, refused by this version
 *     objective: binary:logistic
 *     label: clicked within 7 days
 *     calibration: {platt: {a: 0.97, b: -0.02}}   # or none, the default: p = 1 / (1 + exp(-(a * margin + b)))
 *     training: {rows: 51234, from: 2024-11-01, to: 2025-01-31, seed: 7, library: xgboost 1.7.4}
 *     metrics: {auc: 0.741, log_loss: 0.212}      # any names
 *     model_hash: 6f0c…                 # optional: XXH3-128 of the model file, 32 hexadecimal digits
 *     features:                         # in the model's order
 *       - {name: cart_value_24h, from: customer, type: number, unit: EUR}
 *       - {name: is_member, from: customer, type: bool}
 *       - {name: category, from: action, type: category, categories: [fashion, home]}   # code = place from 0
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_MODELS_BUNDLE_SPEC_H
#define TACT_MODELS_BUNDLE_SPEC_H
#include "base/buf.h"
#include "base/hash.h"
#include "policy/yaml_values.h"

enum {
    BUNDLE_FEATURES_MAX = 1024,
    BUNDLE_CATEGORIES_MAX = 4096,
    BUNDLE_METRICS_MAX = 256,
    BUNDLE_TEXT_MAX = 256
};

enum bundle_kind { BUNDLE_PROPENSITY, BUNDLE_S_LEARNER, BUNDLE_T_LEARNER, BUNDLE_TRANSFORMED };
enum bundle_from { BUNDLE_CUSTOMER, BUNDLE_ACTION, BUNDLE_PAIR };
enum bundle_type { BUNDLE_NUMBER, BUNDLE_BOOL, BUNDLE_CATEGORY };

struct bundle_feature {
    struct str name;
    enum bundle_from from; /* customer: a feature or expression of the policy; action: an attribute, or id */
    enum bundle_type type;
    struct str *categories; /* a category's code is its index */
    size_t category_count;
    struct str unit;  /* empty when not given */
    int line, column; /* in bundle.yaml; 0 when made by hand */
};

struct bundle_metric {
    struct str name;
    double value;
};

struct bundle_spec {
    struct str name, version, objective, label;
    enum bundle_kind kind;
    bool platt;
    double platt_a, platt_b;                                 /* 1 and 0 without calibration */
    int64_t training_rows, training_seed;                    /* -1: not given */
    struct str training_from, training_to, training_library; /* empty: not given */
    struct bundle_metric *metrics;
    size_t metric_count;
    bool has_model_hash;
    struct id128 model_hash;
    struct bundle_feature *features;
    size_t feature_count;
    int line, column; /* of the list of features */
    int objective_line, objective_column;
};

/* Reads and checks the whole mapping; false after findings, all of them. What a later version will serve
 * (other kinds, objectives, pair features) is parsed, then refused by name. Texts stay in the node's arena.
 */
bool bundle_spec_read(struct bundle_spec *out, const struct yaml_node *root, struct arena *arena,
                      struct diags *d);
/* The same as YAML text, read back equal. */
void bundle_spec_write(struct buf *out, const struct bundle_spec *spec);

/* The code of a category, or -1. Linear: for checks, not for serving. */
long bundle_category(const struct bundle_feature *f, struct str text);

/* 1 / (1 + exp(-(a * margin + b))), in [0,1]. */
double bundle_probability(const struct bundle_spec *spec, float margin);

#endif
