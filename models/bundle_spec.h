/* bundle.yaml: what a model is and what it eats. The parse part of a bundle, without the models, so that it
 * can be tested and fuzzed by itself; and its inverse.
 *
 *     name: retail_propensity
 *     version: "2025-02-01"
 *     kind: propensity                  # or s_learner, t_learner, transformed
 *     objective: binary:logistic        # or another one of objective.h
 *     label: clicked within 7 days
 *     label_type: binary                # default; count, money
 *     outputs: 5                        # of a model with several classes or targets: how many,
 *     output: 2                         # and which one is the label, from 0
 *     trees: best                       # default: those up to the model's best_iteration, where it has one; or all
 *     silence: no_mail                  # s_learner: what its action feature `id` says where nobody was contacted
 *     calibration: {platt: {a: 0.97, b: -0.02}}   # none (default) or {isotonic: {x: [-3.1, …], y: [0.04, …]}}; calibration.h
 *     training: {rows: 51234, from: 2024-11-01, to: 2025-01-31, seed: 7, library: xgboost 1.7.4}
 *     metrics: {auc: 0.741, log_loss: 0.212}      # any names
 *     model_hash: 6f0c…                 # optional: XXH3-128 of the model file, 32 hexadecimal digits
 *     features:                         # in the model's order
 *       - {name: cart_value_24h, from: customer, type: number, unit: EUR}
 *       - {name: is_member, from: customer, type: bool}
 *       - {name: category, from: action, type: category, categories: [fashion, home]}   # code = place from 0
 *       - {name: same_category, from: pair, type: bool}   # a feature of the policy that looks at the action
 *
 * Kinds, and what the score of an action is (label unit; a chance for binary labels):
 *
 *   propensity    one model; what a contact with this action brings: f(x, a); the baseline is 0
 *   s_learner     one model that saw silence as one more action: f(x, a), baseline f(x, silence): there the action's `id` is
 *                 `silence` and all its other features are missing (Künzel et al. 2019)
 *   t_learner     a model an arm, over the customer's features: f_a(x), baseline f_silence(x)
 *   transformed   a model an arm of the difference itself, trained on the outcome weighted by inverse probability (Athey and
 *                 Imbens 2015): the score is the difference, the baseline 0; reg:squarederror
 *
 * The last two have, in place of calibration and model_hash at the top, a list of their models; file names are plain, an arm
 * is an action's id, or "silence" (needed in a t_learner, not allowed in a transformed one):
 *
 *     arms:
 *       - {arm: silence, file: silence.ubj, calibration: none, model_hash: 6f0c…}
 *       - {arm: mens_mail, file: mens_mail.ubj}
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_MODELS_BUNDLE_SPEC_H
#define TACT_MODELS_BUNDLE_SPEC_H
#include "base/buf.h"
#include "base/hash.h"
#include "models/calibration.h"
#include "models/model.h"
#include "models/objective.h"
#include "policy/yaml_values.h"

enum {
    BUNDLE_FEATURES_MAX = 1024,
    BUNDLE_CATEGORIES_MAX = 4096,
    BUNDLE_METRICS_MAX = 1024,
    BUNDLE_ARMS_MAX = 256,
    BUNDLE_TEXT_MAX = 256
};
#define BUNDLE_SILENCE "silence" /* the arm of nobody contacted */

enum bundle_kind { BUNDLE_PROPENSITY, BUNDLE_S_LEARNER, BUNDLE_T_LEARNER, BUNDLE_TRANSFORMED };
enum bundle_from { BUNDLE_CUSTOMER, BUNDLE_ACTION, BUNDLE_PAIR };
enum bundle_type { BUNDLE_NUMBER, BUNDLE_BOOL, BUNDLE_CATEGORY };

struct bundle_feature {
    struct str name;
    enum bundle_from from; /* customer: a feature or expression of the policy; action: an attribute, or id */
    enum bundle_type type;
    struct str *categories; /* a category's code is its index */
    size_t category_count;
    const uint16_t *sorted; /* their codes in the order of their texts; NULL in a short list, or when made by hand */
    struct str unit;  /* empty when not given */
    int line, column; /* in bundle.yaml; 0 when made by hand */
};

struct bundle_metric {
    struct str name;
    double value;
};

/* One model of the bundle. Kinds with one model have one arm, without a name. */
struct bundle_arm {
    struct str arm;  /* action id or BUNDLE_SILENCE; empty */
    struct str file; /* within the folder; empty: model.ubj or model.json, whichever is there */
    struct calibration calibration;
    bool has_model_hash;
    struct id128 model_hash;
    int line, column;
};

struct bundle_spec {
    struct str name, version, objective, label;
    enum bundle_kind kind;
    enum bundle_label label_type;
    enum link link;     /* of the objective */
    const struct objective *of; /* the objective */
    size_t outputs, output;     /* of the model: 1 and 0 but for several classes or targets */
    enum model_rounds rounds;
    struct str silence; /* s_learner; else empty */
    struct bundle_arm *arms;
    size_t arm_count;                                        /* 1 for propensity and s_learner */
    int64_t training_rows, training_seed;                    /* -1: not given */
    struct str training_from, training_to, training_library; /* empty: not given */
    struct bundle_metric *metrics;
    size_t metric_count;
    struct bundle_feature *features;
    size_t feature_count;
    int line, column; /* of the list of features */
    int objective_line, objective_column;
};

/* Reads and checks the whole mapping; false after findings, all of them. Texts stay in the node's arena. */
bool bundle_spec_read(struct bundle_spec *out, const struct yaml_node *root, struct arena *arena,
                      struct diags *d);
/* The same as YAML text, read back equal. */
void bundle_spec_write(struct buf *out, const struct bundle_spec *spec);

/* Whether the kind has a list of models, one an arm, in place of one model. */
bool bundle_has_arms(const struct bundle_spec *s);
/* The category feature `id` from the action, or NULL. */
const struct bundle_feature *bundle_id_feature(const struct bundle_spec *s);

/* A feature may give the file's codes other names, as the policy has them, but not the file's name of one code to another: that is
 * a finding at the feature, in `yaml`; model: the file's name. */
bool bundle_categories_fit(const struct bundle_feature *f, const struct model_categories *c, const char *yaml, const char *model,
                           struct diags *d);
/* The code of a category, or -1. Decisions ask it: a binary search in what was read; linear without f->sorted. */
long bundle_category(const struct bundle_feature *f, struct str text);

/* Margins that a row of golden.csv has: one an arm, or one an output. */
size_t bundle_margins(const struct bundle_spec *spec);

/* The margins of a row (one an output) by an arm's model, in the label's unit: calibrated, in [0,1] for binary labels of a kind
 * that predicts the label (not the difference). */
double bundle_predict(const struct bundle_spec *spec, size_t arm, const float *margins);

#endif
