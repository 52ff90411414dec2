/* Evaluates target policies on rows of the past (eval_rows.h) with the estimators of ope.h.
 *
 *   target:  what another policy would have done at each row; an arm, a table by position, a matrix of probabilities, or the
 *            one action that a policy folder with a bundle decides on
 *   rewards: what a model expects of every action at each row, for DM, DR and SWITCH; a table or a matrix
 *
 * Contact cost, where given, is taken off the reward of every row whose action is not silence, and off what the model expects.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_OFFLINE_EVALUATE_H
#define TACT_OFFLINE_EVALUATE_H
#include "models/offline/eval_rows.h"
#include "models/offline/ope.h"

enum eval_target_kind { TARGET_ARM, TARGET_TABLE, TARGET_MATRIX, TARGET_CHOICES };

struct eval_target {
    const char *name; /* in reports: "arm mens_mail", "policy tools/examples/hillstrom" */
    enum eval_target_kind kind;
    uint32_t arm;
    const double *table;     /* [positions][actions]; each row sums to 1 */
    const double *matrix;    /* [n][actions]; rows sum to 1 */
    const uint32_t *choices; /* [n] action index */
};

struct eval_rewards {
    const double *table;  /* [positions][actions], or NULL: */
    const double *matrix; /* [n][actions]; both NULL: no model */
};

/* What the target gives an action in a row. */
double eval_probability(const struct eval_target *t, const struct eval_rows *r, size_t row, uint32_t action);
/* The share of rows (weighted by the target's probability) in which the target is silent; 0 without silence. */
double eval_silent_share(const struct eval_target *t, const struct eval_rows *r);

/* Runs all rows through a new evaluation (the caller frees it with ope_free). options.positions and model are set here.
 * ERR_INVALID names the row's line. */
int evaluate(struct ope **out, const struct eval_rows *r, const struct eval_target *t,
             const struct eval_rewards *rewards, double cost, struct ope_options options,
             struct error *e) MUST_CHECK;

/* A reward model from columns of the rows: libxgboost on features, action and position, cross-fitted, so that no row is
 * predicted by a model that saw it or another row of its cluster. Objective: binary:logistic where all rewards are 0 or 1, else
 * reg:squarederror. features: [n][count], NaN missing, categories as codes. Deterministic. */
struct eval_model_features {
    const float *rows;
    size_t count;
    const bool *categorical; /* [count] */
};
int eval_reward_model(double *matrix, const struct eval_rows *r, const struct eval_model_features *f,
                      int folds, uint64_t seed, struct error *e) MUST_CHECK;

#endif
