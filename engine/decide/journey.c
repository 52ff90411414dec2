/* The stage that a customer is in; see journey.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "decide/journey.h"

static bool is_true(struct view *v, expr_id rule)
{
    struct value value = expr_eval(&v->ev, rule);
    return value.type == VALUE_BOOL && value.boolean;
}

static bool is_false(struct view *v, expr_id rule)
{
    struct value value = expr_eval(&v->ev, rule);
    return value.type == VALUE_BOOL && !value.boolean;
}

long journey_recorded(const struct policy *p, const struct state *s)
{
    for (size_t i = 0; s->journey.stage && i < p->stage_count; i++)
        if (p->stages[i].word.id == s->journey.stage)
            return (long)i;
    return -1;
}

/* Unknown neither enters nor leaves. */
long journey_stage(struct view *v)
{
    const struct policy *p = v->policy;
    long now = journey_recorded(p, v->state);
    const struct policy_stage *s = now < 0 ? NULL : &p->stages[now];
    bool left = !s || (s->leave != EXPR_NONE ? is_true(v, s->leave) : is_false(v, s->enter));
    long end = left ? (long)p->stage_count : now;
    for (long i = 0; i < end; i++)
        if (i != now && is_true(v, p->stages[i].enter))
            return i;
    return left ? -1 : now;
}

int64_t journey_next_change(struct view *v)
{
    const struct policy *p = v->policy;
    int64_t next = INT64_MAX;
    for (size_t i = 0; i < p->stage_count; i++) {
        int64_t enter = expr_next_change(&v->ev, p->stages[i].enter);
        int64_t leave = p->stages[i].leave == EXPR_NONE ? INT64_MAX : expr_next_change(&v->ev, p->stages[i].leave);
        next = enter < next ? enter : next;
        next = leave < next ? leave : next;
    }
    return next;
}

int journey_step(const struct policy *p, struct state *s, int64_t now_ms, struct arena *arena)
{
    if (p->stage_count == 0)
        return 0;
    struct view v;
    if (view_init(&v, p, s, NULL, UINT32_MAX, false, now_ms, arena))
        return ERR_NOSPACE;
    long before = journey_recorded(p, s), now = journey_stage(&v);
    if (now == before && (now >= 0 || s->journey.stage == 0))
        return 0;
    s->journey = (struct journey){.stage = now < 0 ? 0 : p->stages[now].word.id,
                                  .previous = s->journey.stage,
                                  .entered_ms = now_ms};
    return 1;
}
