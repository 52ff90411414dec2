/* Slots of a policy's program, loaded from state, context and clock.
 * SPDX-License-Identifier: Apache-2.0 */
#include "decide/view.h"
#include "decide/apply.h"
#include "decide/journey.h"
#include "expr/ops.h"
#include "state/aggregate.h"
#include "state/journey.h"
#include "state/reactions.h"

static struct value ratio(const struct state *s, uint32_t part, uint32_t whole, int64_t now_ms)
{
    struct value a = state_aggregate(s, part, now_ms), b = state_aggregate(s, whole, now_ms);
    if (value_is_missing(a) || value_is_missing(b))
        return value_is_missing(a) ? a : b;
    double over = b.type == VALUE_INT ? (double)b.integer : b.number;
    if (over == 0)
        return value_unknown(UNKNOWN_ABSENT);
    return value_double((a.type == VALUE_INT ? (double)a.integer : a.number) / over);
}

static struct value affinity(const struct view *v, const struct policy_slot *s, int64_t now_ms)
{
    struct value key = s->key;
    if (s->second != UINT32_MAX)
        key = v->action == UINT32_MAX ? value_unknown(UNKNOWN_ABSENT) : v->policy->actions[v->action].fields[s->second];
    return state_affinity(v->state, s->index, key, now_ms);
}

static const struct reaction *reaction_of(const struct view *v, const struct policy_slot *s)
{
    const struct policy_action *a = &v->policy->actions[v->action];
    return reaction_find(v->state, s->second ? v->policy->groups[a->group].id : a->word.id);
}

static struct value load_reaction(const struct view *v, const struct policy_slot *s, int64_t now_ms)
{
    if (v->action == UINT32_MAX)
        return value_unknown(UNKNOWN_ABSENT);
    const struct reaction *r = reaction_of(v, s);
    switch ((enum policy_reaction)s->index) {
    case REACTION_SHOWN_AGE:
        return reaction_age(r, now_ms);
    case REACTION_SHOWN:
        return value_int(r ? r->shown : 0);
    case REACTION_IGNORED:
        return value_int(reaction_ignored(r, now_ms));
    case REACTION_RESPONDED:
        return value_int(r ? r->responded : 0);
    case REACTION_CONVERTED:
        return value_int(r ? r->converted : 0);
    case REACTION_REJECTED:
        return value_int(r ? r->rejected : 0);
    }
    return value_unknown(UNKNOWN_ABSENT);
}

static struct value load_preference(const struct view *v, uint32_t which)
{
    const struct preferences *p = &v->state->preferences;
    if (which == 1)
        return p->paused_until_ms ? value_timestamp(p->paused_until_ms) : value_unknown(UNKNOWN_ABSENT);
    long at = p->channel ? policy_channel_of_id(v->policy, p->channel) : -1;
    return at < 0 ? value_unknown(UNKNOWN_ABSENT) : value_string(v->policy->channels[at].word.name);
}

/* ---- journey ---- */

static struct str stage_name(const struct policy *p, long stage)
{
    return stage < 0 ? STR("") : p->stages[stage].word.name;
}

static struct str previous_name(const struct policy *p, const struct journey *j)
{
    for (size_t i = 0; j->previous && i < p->stage_count; i++)
        if (p->stages[i].word.id == j->previous)
            return p->stages[i].word.name;
    return STR("");
}

/* The name of a dictionary id among the policy's signals and actions; empty for another. */
static struct str touch_name(const struct policy *p, uint32_t id)
{
    for (size_t i = 0; i < p->schema.signal_count; i++)
        if (p->schema.signals[i].id == id)
            return p->schema.signals[i].name;
    long action = policy_action_of_id(p, id);
    return action < 0 ? STR("") : p->actions[action].word.name;
}

static struct value load_touch(const struct view *v, uint32_t which)
{
    if (v->state->touch_count == 0)
        return value_unknown(UNKNOWN_ABSENT);
    const struct touch *t = &v->state->touches[v->state->touch_count - 1];
    if (which == 0)
        return value_string(touch_name(v->policy, t->id));
    long channel = t->channel ? policy_channel_of_id(v->policy, t->channel) : -1;
    return channel < 0 ? value_unknown(UNKNOWN_ABSENT) : value_string(v->policy->channels[channel].word.name);
}

/* Whether the recorded stage still is the stage; one that this policy lacks never is. */
static bool stays(struct view *v, long recorded)
{
    return journey_stage(v) == recorded && (recorded >= 0 || v->state->journey.stage == 0);
}

static struct value load_journey(struct view *v, const struct policy_slot *s)
{
    const struct policy *p = v->policy;
    const struct journey *j = &v->state->journey;
    long recorded = journey_recorded(p, v->state);
    switch (s->kind) {
    case SLOT_STAGE_BEFORE:
        if (s->index == 1)
            return j->entered_ms ? value_timestamp(j->entered_ms) : value_unknown(UNKNOWN_ABSENT);
        return value_string(s->index ? previous_name(p, j) : stage_name(p, recorded));
    case SLOT_STAGE:
        return value_string(stage_name(p, journey_stage(v)));
    case SLOT_STAGE_SINCE:
        return j->entered_ms && stays(v, recorded) ? value_timestamp(j->entered_ms) : value_unknown(UNKNOWN_ABSENT);
    case SLOT_PREVIOUS_STAGE:
        return value_string(stays(v, recorded) ? previous_name(p, j) : stage_name(p, recorded));
    case SLOT_TOUCH:
        return load_touch(v, s->index);
    default: /* SLOT_FOLLOWED */
        return value_bool(touch_followed(v->state, p->schema.signals[s->index].id, p->schema.signals[s->second].id,
                                         s->key.integer));
    }
}

static struct value since(const struct state *s, const struct policy_slot *slot)
{
    const uint32_t of[] = {slot->index, slot->second};
    int64_t since_ms = TIMESTAMP_MIN_MS;
    for (size_t i = 0; i < 2 && of[i] != UINT32_MAX; i++) {
        int64_t ms = state_since(s, of[i], INT64_MAX);
        if (ms == INT64_MAX)
            return value_unknown(UNKNOWN_ABSENT); /* it does not count at the moment */
        since_ms = ms && ms > since_ms ? ms : since_ms;
    }
    return value_timestamp(since_ms);
}

static struct value load_aggregate(const struct view *v, const struct policy_slot *s, int64_t now_ms)
{
    switch (s->kind) {
    case SLOT_AGE:
        return state_age(v->state, s->index, now_ms);
    case SLOT_RATIO:
        return ratio(v->state, s->index, s->second, now_ms);
    case SLOT_REPEATS:
        return state_repeats(v->state, s->index, now_ms);
    case SLOT_AFFINITY:
        return affinity(v, s, now_ms);
    case SLOT_SINCE:
        return since(v->state, s);
    case SLOT_HOUR:
        return state_hour_affinity(v->state, s->index, apply_week_hour(v->policy, v->state, now_ms), now_ms);
    default:
        return state_aggregate(v->state, s->index, now_ms);
    }
}

static struct value load(void *ctx, uint32_t slot, int64_t now_ms)
{
    struct view *v = ctx;
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
    default:
        break;
    }
    if (v->unreadable)
        return value_unknown(UNKNOWN_UNREADABLE);
    if (s->kind == SLOT_ATTRIBUTE)
        return v->state->attributes[s->index];
    if (s->kind == SLOT_PREFERENCE)
        return load_preference(v, s->index);
    if (s->kind >= SLOT_STAGE && s->kind <= SLOT_FOLLOWED)
        return load_journey(v, s);
    return s->kind == SLOT_REACTION ? load_reaction(v, s, now_ms) : load_aggregate(v, s, now_ms);
}

static void vary(void *ctx, uint32_t which)
{
    struct view *v = ctx;
    v->action = which;
}

/* When the hour of the customer's week is another one; not later, where the zone's offset changes meanwhile. */
static int64_t next_hour(const struct view *v, int64_t t_ms)
{
    struct civil now, then;
    const struct tz *zone = view_zone(v);
    tz_local(zone, t_ms, &now);
    int64_t next = t_ms + 3600000 - (now.minute * 60000 + now.second * 1000 + now.millisecond);
    tz_local(zone, next, &then);
    return then.offset_s == now.offset_s ? next : (t_ms / 900000 + 1) * 900000;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t next_change(void *ctx, uint32_t slot, int64_t t_ms)
{
    struct view *v = ctx;
    const struct policy_slot *s = &v->policy->slots[slot];
    if (!v->unreadable && (s->kind == SLOT_STAGE || s->kind == SLOT_STAGE_SINCE || s->kind == SLOT_PREVIOUS_STAGE))
        return journey_next_change(v);
    if (s->kind == SLOT_REACTION && !v->unreadable && v->action != UINT32_MAX)
        return reaction_next_ignored(reaction_of(v, s), t_ms);
    if (s->kind < SLOT_AGGREGATE || v->unreadable)
        return INT64_MAX;
    int64_t next = state_aggregate_next_change(v->state, s->index, t_ms);
    if (s->kind == SLOT_RATIO)
        next = earlier(next, state_aggregate_next_change(v->state, s->second, t_ms));
    if (s->kind == SLOT_HOUR && next != INT64_MAX)
        next = earlier(next, next_hour(v, t_ms));
    return next;
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
    return v->unreadable ? v->policy->zone : apply_zone(v->policy, v->state);
}
