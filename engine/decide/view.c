/* Slots of a policy's program, loaded from state, context and clock.
 * SPDX-License-Identifier: Apache-2.0 */
#include "decide/view.h"
#include "state/aggregate.h"

static struct value load(void *ctx, uint32_t slot, int64_t now_ms)
{
    const struct view *v = ctx;
    const struct policy_slot *s = &v->policy->slots[slot];
    switch (s->kind) {
    case SLOT_NOW:
        return value_timestamp(now_ms);
    case SLOT_CHANNEL:
        return v->channel == UINT32_MAX ? value_unknown(UNKNOWN_ABSENT)
                                        : value_string(v->policy->channels[v->channel].word.name);
    case SLOT_CONTEXT:
        return v->context ? v->context[s->index] : value_unknown(UNKNOWN_ABSENT);
    case SLOT_ACTION:
        return v->action == UINT32_MAX ? value_unknown(UNKNOWN_ABSENT)
                                       : v->policy->actions[v->action].fields[s->index];
    case SLOT_ATTRIBUTE:
    case SLOT_AGGREGATE:
    case SLOT_AGE:
        break;
    }
    if (v->unreadable)
        return value_unknown(UNKNOWN_UNREADABLE);
    if (s->kind == SLOT_ATTRIBUTE)
        return v->state->attributes[s->index];
    return s->kind == SLOT_AGE ? state_age(v->state, s->index, now_ms)
                               : state_aggregate(v->state, s->index, now_ms);
}

static void vary(void *ctx, uint32_t which)
{
    struct view *v = ctx;
    v->action = which;
}

static int64_t next_change(void *ctx, uint32_t slot, int64_t t_ms)
{
    const struct view *v = ctx;
    const struct policy_slot *s = &v->policy->slots[slot];
    if (s->kind != SLOT_AGGREGATE || v->unreadable)
        return INT64_MAX;
    return state_aggregate_next_change(v->state, s->index, t_ms);
}

int view_init(struct view *v, const struct policy *p, const struct state *s, const struct value *context,
              uint32_t channel, bool unreadable, int64_t now_ms, struct arena *arena)
{
    *v = (struct view){.policy = p,
                       .state = s,
                       .context = context,
                       .channel = channel,
                       .action = UINT32_MAX,
                       .unreadable = unreadable};
    v->source = (struct expr_source){v, load, next_change, p->zones, vary};
    return expr_eval_init(&v->ev, p->program, &v->source, now_ms, arena);
}

const struct tz *view_zone(const struct view *v)
{
    long at = v->policy->zone_attribute;
    if (at < 0 || v->unreadable || v->state->attributes[at].type != VALUE_STRING)
        return v->policy->zone;
    const struct tz *found = tz_find(v->policy->zones, value_str(v->state->attributes[at]));
    return found ? found : v->policy->zone;
}
