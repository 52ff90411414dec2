/* train.yaml: what `tact train` learns from which columns of a table, and how. Reading and checking only, without the table;
 * every mistake is a finding at file:line:column, all of them in one run.
 *
 *     name: retail_propensity
 *     version: "2025-02-01"             # default "1"
 *     kind: propensity                  # or s_learner, t_learner, transformed: models/bundle_spec.h says what they are
 *     data: {separator: ";", missing: [NA, unknown], time_zone: Asia/Tehran}    # separator: , ; | or tab; default: found
 *     label: {column: y, type: binary, positive: "yes", negative: "no", text: subscribed within 7 days}
 *                                       # binary without positive and negative: 1 and 0, true and false;
 *                                       # count: whole, at least 0; money: any number. type: binary is the default
 *     action: {column: segment, map: {"Mens E-Mail": mens_mail}, silence: ["No E-Mail"]}
 *                                       # without map the texts are action ids; all uplift kinds need silence
 *     action_probability: shares        # of the logged action: observed shares of the training rows (default), a number in (0,1),
 *                                       # {column: p}, or {by_action: {mens_mail: 0.3, silence: 0.4}}
 *     time: {column: time}              # gives the bundle's training window
 *     customer: {column: id}            # rows of one customer stay on one side of every split
 *     weight: {column: w}
 *     class_weight: balanced            # or {positive: 3}; shifts the probabilities, which calibration puts right
 *     features:
 *       - {name: recency, type: number, unit: months}
 *       - {name: is_member, column: member, type: bool}
 *       - {name: city, type: category, categories: [Rome, Oslo]}    # without a list: found in the training rows, by text
 *       - {name: id, from: action, type: category}                  # the mapped action; in rows of silence "silence"
 *       - {name: discount, from: action, type: number}              # column action.discount
 *       - {name: same_category, from: pair, type: bool}
 *       - {name: weekday, column: time, type: date, part: day_of_week, time_zone: Europe/Rome}
 *                                       # full_year, month (0 January), date (1 to 31), day_of_week (0 Sunday), day_of_year (from
 *                                       # 0), hours; as CEL's getFullYear and its kin
 *       - {name: tenure, column: joined, type: date, part: age, until: time}
 *                                       # hours until another column, until the row's time, or until a date
 *     split: {test: 0.25, seed: 1}      # by hash of the customer, else of the row's text: the order of the file has no say
 *     aside: 0.2                        # share of the training rows for early stopping and calibration (default when either is on)
 *     model: {rounds: 200, eta: 0.1, max_depth: 3}     # XGBoost's parameters by their own names (train_params.h); what is not
 *                                       # named has XGBoost's own default. Without `model:` rounds: 200, eta: 0.1, max_depth: 3,
 *                                       # min_child_weight: 20, lambda: 1, subsample: 1
 *     early_stopping: {rounds: 20}
 *     cross_validation: {folds: 5}
 *     monotone: {campaign: decreasing}  # or increasing
 *     calibration: platt                # or none (default), isotonic
 *     costs: [0, 0.077]                 # of a contact, in the label's unit, for the table of policies; default [0]
 *     seed: 1                           # of training and of intervals
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_OFFLINE_TRAIN_CONFIG_H
#define TACT_OFFLINE_TRAIN_CONFIG_H
#include "base/tz.h"
#include "models/bundle_spec.h"
#include "models/trainer.h"

enum {
    TRAIN_COSTS_MAX = 16,
    TRAIN_MISSING_MAX = 64,
    TRAIN_FOLDS_MAX = 50,
    TRAIN_TEXTS_MAX = 4096 /* of the action column */
};

enum train_part {
    PART_FULL_YEAR,
    PART_MONTH,
    PART_DATE,
    PART_DAY_OF_WEEK,
    PART_DAY_OF_YEAR,
    PART_HOURS,
    PART_AGE
};
enum train_until { UNTIL_COLUMN, UNTIL_TIME, UNTIL_INSTANT };
enum train_p { P_SHARES, P_NUMBER, P_COLUMN, P_BY_ACTION };

struct train_feature {
    struct str name, column, unit;
    enum bundle_from from;
    enum bundle_type type;  /* of the bundle: a date becomes a number */
    bool is_id;             /* the action itself; no column */
    struct str *categories; /* a fixed list, or NULL */
    size_t category_count;
    bool is_date;
    enum train_part part;
    enum train_until until; /* PART_AGE */
    struct str until_column;
    int64_t until_ms;
    const struct tz *zone;
    int monotone;        /* -1 decreasing, 0, 1 increasing */
    int line, column_at; /* of its place in the file */
};

/* A text of the action column and what it means. */
struct train_text {
    struct str text;
    struct str action; /* BUNDLE_SILENCE for a text of silence */
    int line, column_at;
};

struct train_share {
    struct str action; /* or BUNDLE_SILENCE */
    double p;
    int line, column_at;
};

/* Texts live as long as the arena of the YAML tree, names of zones as long as the data base. */
struct train_config {
    const char *file;
    struct str name, version;
    enum bundle_kind kind;
    char separator; /* 0: found */
    struct str *missing;
    size_t missing_count;
    const struct tz *zone;
    struct str label_column, positive, negative, label_text; /* positive, negative: empty when not given */
    enum bundle_label label_type;
    struct str action_column; /* empty: none */
    bool has_map;
    struct train_text *texts; /* the map's, then those of silence */
    size_t text_count;
    bool has_silence;
    enum train_p p_from;
    double p;
    struct str p_column;
    struct train_share *shares; /* P_BY_ACTION */
    size_t share_count;
    struct str time_column, customer_column, weight_column; /* empty: none */
    bool balanced;
    double positive_weight; /* 1 without class_weight */
    struct train_feature *features;
    size_t feature_count;
    double test, aside;
    uint64_t split_seed, seed;
    struct str objective;
    struct trainer_param *params;
    size_t param_count;
    int rounds;
    int patience; /* 0: no early stopping */
    int folds;    /* 0: no cross-validation */
    enum calibration_kind calibration;
    double costs[TRAIN_COSTS_MAX];
    size_t cost_count;
};

/* From the tree of a file; false after findings. zones outlives the config. */
bool train_config_read(struct train_config *out, const struct yaml_node *root, const struct tzdb *zones,
                       struct arena *arena, struct diags *d);

/* Is it a kind that compares with silence? */
static inline bool train_is_uplift(const struct train_config *c)
{
    return c->kind != BUNDLE_PROPENSITY;
}
/* Has it one model for all actions? */
static inline bool train_is_single(const struct train_config *c)
{
    return c->kind == BUNDLE_PROPENSITY || c->kind == BUNDLE_S_LEARNER;
}

#endif
