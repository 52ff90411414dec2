/* Section journey of a policy, and what expressions say of it.
 *
 *   journey:
 *     stages:                            those before others go first
 *       - {id: at_risk, enter: "negative_moments(30d) >= 2", leave: "negative_moments(30d) == 0"}
 *       - {id: active, enter: "count(purchase, 90d) > 0"}
 *
 * A customer leaves a stage when its `leave` is true, or, without one, when its `enter` no longer is; and enters the first of
 * the list whose `enter` is true, a stage further up also without leaving. In none, `stage` is ''. One look moves one stage:
 * where a rule asks for the stage itself, or `leave` is true while `enter` still is, the next look may move on, or back.
 *
 *   stage, previous_stage     names
 *   stage_age, stage_since    since it was entered; unknown while time alone has changed it and nothing was written since
 *                             (in the rules of stages, these four are of the stage before the rule is looked at)
 *   last_touch.name, last_touch.channel   the latest touch point: a signal's or action's name (purchase; Get
 *                             says signal.purchase), a channel's; unknown without one
 *   followed_by(a, b, 7d)     whether signal b came after signal a by at most that, among the last 16 touch points
 *
 * A signal with `touch: false` (page views, say) is no touch point. The same signal by the same channel within one second is one
 * touch point. Stages cannot look at the request (channel, context): they are recorded when something is written.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_POLICY_LOAD_JOURNEY_H
#define TACT_POLICY_LOAD_JOURNEY_H
#include "policy/load.h"

/* Names of stages, before anything compiles. */
void load_stage_names(struct loader *l);
/* Their rules, after the features. */
void load_stage_rules(struct loader *l);

/* ERR_NOTFOUND: the name is none of the journey's. */
int journey_symbol(struct loader *l, struct str path, struct expr_symbol *out);
/* The same for followed_by; ERR_INVALID after a finding. */
int journey_call_symbol(struct loader *l, struct str name, const struct expr_arg *args, size_t count, size_t offset,
                        const struct expr_report *report, struct expr_symbol *out);
struct expr_slot journey_slot(struct loader *l, const struct policy_slot *slot);
/* Whether the policy would have this name if it had a journey. */
bool journey_would_know(const struct loader *l, struct str name);
/* The names, NULL at the end; none where the policy has no journey. */
const char *const *journey_names(const struct loader *l);

#endif
