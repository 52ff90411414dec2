/* What a policy's expressions see of one request: the state, the request's context, the clock. An expr_source over them.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_DECIDE_VIEW_H
#define TACT_DECIDE_VIEW_H
#include "decide/decide.h"

struct view {
    const struct policy *policy;
    const struct state *state;
    const struct value *context; /* [policy->context_count]; NULL: all absent */
    uint32_t channel;            /* UINT32_MAX: none */
    uint32_t action;             /* that pair features see, set by expr_eval_vary; UINT32_MAX: none */
    bool unreadable;
    struct expr_source source;
    struct expr_eval ev;
};

/* At first no action is looked at, and what pair features see of it is absent. Whoever evaluates an expression of an action
 * calls expr_eval_vary(&v->ev, its index) before. The view and all that it points to stay in place as long as ev is used. */
int view_init(struct view *v, const struct policy *p, const struct state *s, const struct value *context,
              uint32_t channel, bool unreadable, int64_t now_ms, struct arena *arena) MUST_CHECK;

/* The customer's time zone: the profile's attribute of that type, else the brand's. */
const struct tz *view_zone(const struct view *v);

#endif
