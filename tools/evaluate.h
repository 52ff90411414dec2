/* The parts of `tact evaluate`, in the order in which they run:
 *
 *   evaluate_input.c     rows from a CSV or a log; the policy on each of them
 *   evaluate_figures.c   targets and expected rewards laid out by action, the estimators, the report, the gate
 *   evaluate_curve.c     the same over the cost of a contact
 *
 * All names of actions are gathered before anything is laid out by action, since a table of a target may name actions that the
 * rows lack.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_TOOLS_EVALUATE_H
#define TACT_TOOLS_EVALUATE_H
#include "models/offline/evaluate.h"
#include "server/snapshot.h"
#include "tools/options.h"
#include "tools/progress.h"

enum { EVALUATE_TARGETS_MAX = OPTION_LIST_MAX + 4, EVALUATE_MEMORY = 64 << 20, EVALUATE_FEATURES_MAX = 1024 };

struct evaluate_options {
    /* rows */
    const char *csv, *log, *reward_from, *within, *action, *reward, *probability, *position, *customer,
        *separator, *positive;
    struct option_list maps, silences, missing;
    /* targets */
    struct option_list arms;
    bool uniform;
    const char *target_table, *target_columns, *target_choices, *policy, *model, *channel, *placement,
        *locale, *as_of;
    struct option_list consents, columns;
    /* expected rewards */
    const char *expected_table, *expected_columns, *expected_features;
    bool no_model;
    int64_t folds;
    /* figures */
    const char *time_zone, *smallest_p, *cost, *clip, *switch_at, *level, *reward_range, *reference,
        *estimator, *decisions;
    int64_t resamples, seed;
    const char *costs, *svg;
    bool gate, anytime, by_position, brief, json;
};

struct evaluate_job {
    const struct evaluate_options *o;
    struct arena arena;
    struct eval_rows rows;
    struct frame extra; /* columns of targets, of expected rewards, of features: in this order */
    size_t target_count, expected_count, feature_count; /* and after them the column of --target-choices */
    char separator;
    double cost, reference_value, smallest_p; /* 0: not known */
    struct ope_options ope;
    struct names *names; /* that the policy is bound to */
    struct tzdb *zones;
    struct snapshot *snapshot;
    struct eval_target targets[EVALUATE_TARGETS_MAX];
    size_t targets_used, main; /* main: the one that --gate looks at */
    double *tables[3], *expected_owned[2];
    uint32_t *choices;        /* of the policy */
    uint32_t *column_choices; /* of --target-choices */
    double *of_policy;        /* what the policy's model expects of every action, or NULL */
    struct eval_rewards rewards;
    struct progress progress;
};

#endif
