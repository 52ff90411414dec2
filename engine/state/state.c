/* Changing one customer's state; see state.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "state/state.h"
#include "state/aggregate.h"
#include "state/codec.h"

/* Ids seen stay for an hour of arrival, and at least the last STATE_SEEN_LEAST, at most STATE_SEEN_MOST. */
static void seen_prune(struct state *s, int64_t now_ms)
{
    uint32_t gone = 0;
    while (s->seen_count - gone > STATE_SEEN_MOST - 1 ||
           (s->seen_count - gone > STATE_SEEN_LEAST && s->seen[gone].arrived_ms < now_ms - STATE_SEEN_MS))
        gone++;
    if (gone) {
        memmove(s->seen, s->seen + gone, (s->seen_count - gone) * sizeof *s->seen);
        s->seen_count -= gone;
    }
}

int state_see(struct state *s, uint64_t event, int64_t now_ms)
{
    for (uint32_t i = s->seen_count; i-- > 0;)
        if (s->seen[i].hash == event)
            return 0;
    seen_prune(s, now_ms);
    if (s->seen_count == s->seen_capacity) {
        uint32_t capacity = s->seen_capacity ? s->seen_capacity * 2 : 32;
        struct seen_event *seen = arena_alloc(s->arena, capacity * sizeof *seen);
        if (!seen)
            return ERR_NOSPACE;
        if (s->seen_count)
            memcpy(seen, s->seen, s->seen_count * sizeof *seen);
        s->seen = seen;
        s->seen_capacity = capacity;
    }
    s->seen[s->seen_count++] = (struct seen_event){event, now_ms};
    return 1;
}

int state_apply(struct state *s, const struct signal *signal, int64_t now_ms)
{
    const struct schema_signal *def = &s->schema->signals[signal->index];
    int fresh = state_see(s, signal->event, now_ms);
    if (fresh <= 0)
        return fresh;
    for (size_t i = 0; i < def->feed_count; i++) {
        uint32_t k = def->feeds[i];
        const struct schema_aggregate *aggregate = &s->schema->aggregates[k];
        aggregate_prune(aggregate, &s->aggregates[k], now_ms);
        if (aggregate_apply(aggregate, &s->aggregates[k], signal, now_ms, s->arena))
            return ERR_NOSPACE;
    }
    return 1;
}

/* What an older policy, with another type, kept of the attribute goes: it was set anew, or removed. */
static void forget_kept(struct state *s, uint64_t tag)
{
    uint32_t left = 0;
    for (uint32_t i = 0; i < s->kept_count; i++)
        if (s->kept[i].tag != tag)
            s->kept[left++] = s->kept[i];
    s->kept_count = left;
}

int state_set_attribute(struct state *s, size_t attribute, struct value v)
{
    if (v.type == VALUE_STRING) {
        struct str copy = arena_str(s->arena, value_str(v));
        if (!copy.p)
            return ERR_NOSPACE;
        v = value_string(copy);
    }
    s->attributes[attribute] = v;
    if (s->kept_count)
        forget_kept(s, state_tag(ENTRY_ATTRIBUTE, s->schema->attributes[attribute].id));
    return 0;
}

static int consent_order(const struct consent *a, const struct consent *b)
{
    if (a->channel != b->channel)
        return a->channel < b->channel ? -1 : 1;
    return (a->purpose > b->purpose) - (a->purpose < b->purpose);
}

int state_set_consent(struct state *s, const struct consent *c)
{
    struct consent fresh = *c;
    fresh.source = arena_str(s->arena, c->source);
    if (!fresh.source.p)
        return ERR_NOSPACE;
    uint32_t at = 0;
    while (at < s->consent_count && consent_order(&s->consents[at], c) < 0)
        at++;
    if (at < s->consent_count && consent_order(&s->consents[at], c) == 0) {
        struct consent *old = &s->consents[at];
        bool wins = c->time_ms > old->time_ms;
        if (c->time_ms == old->time_ms)
            wins = c->granted == old->granted ? str_cmp(c->source, old->source) < 0 : !c->granted;
        if (wins)
            *old = fresh;
        return 0;
    }
    if (s->consent_count == STATE_CONSENTS_MAX)
        return ERR_NOSPACE;
    if (s->consent_count == s->consent_capacity) {
        uint32_t capacity = s->consent_capacity ? s->consent_capacity * 2 : 8;
        struct consent *grown = arena_alloc(s->arena, capacity * sizeof *grown);
        if (!grown)
            return ERR_NOSPACE;
        if (s->consent_count)
            memcpy(grown, s->consents, s->consent_count * sizeof *grown);
        s->consents = grown;
        s->consent_capacity = capacity;
    }
    memmove(s->consents + at + 1, s->consents + at, (s->consent_count - at) * sizeof *s->consents);
    s->consents[at] = fresh;
    s->consent_count++;
    return 0;
}

int state_consent(const struct state *s, uint32_t channel, uint32_t purpose)
{
    for (uint32_t i = 0; i < s->consent_count; i++)
        if (s->consents[i].channel == channel && s->consents[i].purpose == purpose)
            return s->consents[i].granted;
    return -1;
}

static int contact_order(const struct contact *a, const struct contact *b)
{
    if (a->time_ms != b->time_ms)
        return a->time_ms < b->time_ms ? -1 : 1;
    int c = memcmp(a->decision.bytes, b->decision.bytes, sizeof a->decision.bytes);
    return c ? c : (a->action > b->action) - (a->action < b->action);
}

/* Drops what no limit looks at any more. A lapsed reservation is kept for a day past its end: the channel may still say
 * that it was sent after all. */
static void contacts_prune(struct state *s, int64_t now_ms)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < s->contact_count; i++) {
        const struct contact *c = &s->contacts[i];
        bool old = c->time_ms <= now_ms - s->schema->contact_horizon_ms;
        bool lapsed = c->expires_ms && c->expires_ms <= now_ms - 24 * STATE_SEEN_MS;
        if (!old && !lapsed)
            s->contacts[kept++] = *c;
    }
    s->contact_count = kept;
}

void state_prune(struct state *s, int64_t now_ms)
{
    for (size_t i = 0; i < s->schema->aggregate_count; i++)
        aggregate_prune(&s->schema->aggregates[i], &s->aggregates[i], now_ms);
    contacts_prune(s, now_ms);
    seen_prune(s, now_ms);
}

struct contact *state_contact_find(const struct state *s, struct id128 decision, uint32_t action)
{
    for (uint32_t i = 0; i < s->contact_count; i++)
        if (id128_eq(s->contacts[i].decision, decision) && (!action || s->contacts[i].action == action))
            return &s->contacts[i];
    return NULL;
}

int state_contact_add(struct state *s, const struct contact *c, int64_t now_ms)
{
    contacts_prune(s, now_ms);
    if (state_contact_find(s, c->decision, c->action))
        return ERR_EXISTS;
    if (s->contact_count == STATE_CONTACTS_MAX)
        return ERR_NOSPACE;
    if (s->contact_count == s->contact_capacity) {
        uint32_t capacity = s->contact_capacity ? s->contact_capacity * 2 : 8;
        struct contact *grown = arena_alloc(s->arena, capacity * sizeof *grown);
        if (!grown)
            return ERR_NOSPACE;
        if (s->contact_count)
            memcpy(grown, s->contacts, s->contact_count * sizeof *grown);
        s->contacts = grown;
        s->contact_capacity = capacity;
    }
    uint32_t at = s->contact_count;
    while (at > 0 && contact_order(c, &s->contacts[at - 1]) < 0)
        at--;
    memmove(s->contacts + at + 1, s->contacts + at, (s->contact_count - at) * sizeof *s->contacts);
    s->contacts[at] = *c;
    s->contact_count++;
    return 0;
}

void state_contact_remove(struct state *s, struct contact *c)
{
    uint32_t at = (uint32_t)(c - s->contacts);
    memmove(c, c + 1, (s->contact_count - at - 1) * sizeof *c);
    s->contact_count--;
}
