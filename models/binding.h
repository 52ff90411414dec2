/* A bundle bound to a policy: each of the model's features is found in the policy by name, the actions' part of every row is
 * computed once, and a decision fills in the customer's part and asks the forest scorer.
 *
 *   from: customer   a feature of the policy with that name that does not look at the action. number: an int, a double, or a
 *                    duration, which counts in hours; bool: a bool, 0 or 1; category: a string, its place in the bundle's
 *                    list
 *   from: action     action.<name>: a constant of each action; `id` is its id
 *   from: pair       a feature of the policy that looks at the action, evaluated for each of them
 *   missing          unknown values, errors, strings that are not in the list, constants that an action lacks
 *
 * An action that the bundle does not know (no arm of its name; or not among the categories of `id`; or called as silence is)
 * is not scored: known is false, and so it is where a model gives no finite number.
 *
 * Immutable: any thread may score with it. Bundle and policy outlive it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_MODELS_BINDING_H
#define TACT_MODELS_BINDING_H
#include "models/bundle.h"
#include "models/model_score.h"
#include "policy/policy.h"

struct binding;

/* Findings (a feature the policy lacks, of another type) go to diags at their place in bundle.yaml, and as warnings the
 * policy's actions that the bundle does not know and the arms that the policy lacks. NULL after an error. */
struct binding *binding_new(const struct bundle *bundle, const struct policy *policy, struct diags *diags);
/* The same for some of the policy's actions (one bool an action; NULL: all): what it does not know of others is no warning. */
struct binding *binding_new_for(const struct bundle *bundle, const struct policy *policy, const bool *mine,
                                struct diags *diags);
void binding_free(struct binding **b);

/* Rows of `count` actions into out: count × bundle features, row by row. As a model was trained on; scoring needs no whole rows. Leaves ev's
 * action (expr_eval_vary) anywhere. */
void binding_rows(const struct binding *b, struct expr_eval *ev, const uint32_t *actions, size_t count,
                  float *out);
size_t binding_features(const struct binding *b);
const char *binding_id(const struct binding *b); /* the bundle's id as text */

/* Whether the bundle knows an action, by its index in the policy. */
bool binding_knows(const struct binding *b, uint32_t action);

/* Calibrated scores of the actions, as bundle_spec.h says for each kind; a struct scorer's function. binding: struct
 * binding; customer is not looked at. Memory from the arena only. */
int binding_score(void *binding, struct str customer, struct expr_eval *ev, const uint32_t *actions, size_t count,
                  struct arena *arena, struct model_score *out, struct error *e);

/* Scores all actions for the customers of the golden rows, so that the first real one does not wait for memory. An error: a
 * request with this much memory could not. */
int binding_warm(const struct binding *b, struct arena *arena, struct error *e) MUST_CHECK;

/* A value of the policy as a model's feature. */
float binding_value(const struct bundle_feature *f, struct value v);

#endif
