/* A signal applied under a policy; see apply.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "decide/apply.h"
#include "state/journey.h"
#include "state/reactions.h"
#include <stdio.h>

enum { SOURCE_BYTES = POLICY_NAME_MAX + 8 };

const struct tz *apply_zone(const struct policy *p, const struct state *s)
{
    long at = p->zone_attribute;
    if (at < 0 || s->attributes[at].type != VALUE_STRING)
        return p->zone;
    const struct tz *found = tz_find(p->zones, value_str(s->attributes[at]));
    return found ? found : p->zone;
}

int apply_week_hour(const struct policy *p, const struct state *s, int64_t t_ms)
{
    struct civil local;
    tz_local(apply_zone(p, s), t_ms, &local);
    return local.weekday * 24 + local.hour;
}

/* "signal unsubscribe" is where a consent comes from that a signal changed. */
static int consent_effect(const struct policy *p, struct state *s, const struct signal *signal)
{
    const struct policy_consent_effect *e = &p->effects[signal->index];
    long own = signal->channel.n ? policy_channel_find(p, signal->channel) : -1;
    char source[SOURCE_BYTES];
    snprintf(source, sizeof source, "signal %.*s", STR_ARG(p->schema.signals[signal->index].name));
    for (uint32_t i = 0; e->set && i < p->channel_count; i++) {
        bool here = e->channel == EFFECT_ALL_CHANNELS || e->channel == i ||
                    (e->channel == EFFECT_OWN_CHANNEL && (own == (long)i || (own < 0 && !e->granted)));
        for (int k = 0; here && k < PURPOSE_COUNT; k++) {
            struct consent c = {.channel = p->channels[i].word.id,
                                .purpose = p->purposes[k].id,
                                .granted = e->granted,
                                .time_ms = signal->time_ms,
                                .source = str_from(source)};
            if (e->purposes[k] && p->channels[i].consent[k] && state_set_consent(s, &c))
                return ERR_NOSPACE;
        }
    }
    return 0;
}

int apply_refuse_forgotten(const struct state *s, struct error *e)
{
    if (!s->forgotten_ms)
        return 0;
    struct buf when;
    buf_init(&when, 64);
    value_format(value_timestamp(s->forgotten_ms), &when);
    error_set(e, ERR_FORGOTTEN,
              "the customer was forgotten at %.*s: nothing is kept of them until an Upsert grants a consent that was given after "
              "that",
              (int)when.n, (const char *)when.p);
    buf_free(&when);
    return ERR_FORGOTTEN;
}

int apply_signal(const struct policy *p, struct state *s, const struct signal *signal, int64_t now_ms)
{
    struct signal local = *signal;
    local.week_hour = apply_week_hour(p, s, signal->time_ms);
    int applied = state_apply(s, &local, now_ms);
    int rc = applied > 0 ? consent_effect(p, s, signal) : 0;
    return rc ? rc : applied;
}

int apply_signals(const struct policy *p, struct state *s, const struct signal *signals, size_t count, int64_t now_ms,
                  struct error *e)
{
    int applied = 0;
    for (size_t i = 0; i < count; i++) {
        int rc = apply_signal(p, s, &signals[i], now_ms);
        if (rc == ERR_CORRUPT)
            return error_set(e, rc, "the customer's state has an aggregate that cannot be read");
        if (rc < 0)
            return error_set(e, rc, "the customer's state does not fit the request's memory");
        applied += rc;
    }
    return applied;
}

/* The dictionary ids by which the policy asks: of the action, of its group; 0 where it does not. */
static void reaction_ids(const struct policy *p, long action, uint32_t ids[2])
{
    const struct policy_action *a = action < 0 ? NULL : &p->actions[action];
    ids[0] = a && p->schema.reactions_by_action ? a->word.id : 0;
    ids[1] = a && p->schema.reactions_by_group ? p->groups[a->group].id : 0;
}

int apply_shown(const struct policy *p, struct state *s, long action, uint32_t channel_id, int64_t time_ms)
{
    uint32_t ids[2];
    int rc = 0;
    reaction_ids(p, action, ids);
    for (int i = 0; i < 2 && !rc; i++)
        if (ids[i])
            rc = reaction_shown(s, ids[i], time_ms);
    if (action >= 0 && p->schema.keeps_touches)
        touch_add(s, p->actions[action].word.id, channel_id, time_ms);
    return rc;
}

int apply_answered(const struct policy *p, struct state *s, long action, enum contact_outcome outcome, int64_t time_ms)
{
    uint32_t ids[2];
    int rc = 0;
    reaction_ids(p, action, ids);
    for (int i = 0; i < 2 && !rc; i++)
        if (ids[i])
            rc = reaction_answered(s, ids[i], outcome, time_ms);
    return rc;
}
