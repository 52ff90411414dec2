/* A policy with its model as a target of off-policy evaluation: asks the decision function, as the server does, and the model
 * for what it expects of every action.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_OFFLINE_POLICY_TARGET_H
#define TACT_OFFLINE_POLICY_TARGET_H
#include "decide/decide.h"
#include "models/bundle_spec.h"
#include "models/offline/eval_rows.h"

struct policy_target {
    const struct policy *policy;     /* bound */
    const struct scorer *scorer;     /* NULL: rules and values only */
    const struct bundle_spec *model; /* NULL likewise */
    const char *world_id;
    /* set by policy_target_open */
    bool
        expects; /* the model predicts every action of the policy and silence: it can be a model of the reward */
    uint32_t *index; /* of the policy's actions: in the rows' */
    uint32_t *all;
    struct model_score *scores;
};

/* Adds the policy's actions and silence to the rows. check: an action of the rows that the policy lacks is ERR_INVALID, with
 * its line and a did-you-mean; else it is only never chosen. */
int policy_target_open(struct policy_target *t, struct eval_rows *r, bool check, struct arena *arena,
                       struct error *e) MUST_CHECK;
int policy_target_decide(const struct policy_target *t, const struct state *state, const struct state *household,
                         const struct decide_request *request, int64_t now_ms, uint64_t seed,
                         struct arena *arena, struct decision *out, struct error *e) MUST_CHECK;
/* The rows' index of what a decision chose first: an action or silence. */
uint32_t policy_target_choice(const struct policy_target *t, const struct eval_rows *r,
                              const struct decision *d);
/* What the model expects of each action of the rows at this decision: those that the policy lacks are 0 (their target
 * probability is 0). Clears t->expects when the model does not know an action after all. */
int policy_target_expect(struct policy_target *t, const struct eval_rows *r, const struct decision *d,
                         double *out, struct arena *arena, struct error *e) MUST_CHECK;

#endif
