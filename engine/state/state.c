/* Changing one customer's state; see state.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "state/state.h"
#include "base/arena_buf.h"
#include "state/aggregate_kinds.h"
#include "state/codec.h"
#include "state/coverage.h"
#include "state/journey.h"
#include "state/reactions.h"

#define DAY_MS INT64_C(86400000)

enum { SEEN_MINUTES = STATE_SEEN_MS / 60000 };

/* Rounded up, so that nothing is forgotten early. */
static uint32_t minute_of(int64_t ms)
{
    int64_t minute = ms > 0 ? (ms + 59999) / 60000 : 0;
    return minute < UINT32_MAX ? (uint32_t)minute : UINT32_MAX;
}

/* Ids seen stay for an hour of arrival, and at least the last STATE_SEEN_LEAST, at most STATE_SEEN_MOST. */
static void seen_prune(struct state *s, int64_t now_ms)
{
    uint32_t gone = 0;
    int64_t least = ms_floor(now_ms, 60000) - SEEN_MINUTES;
    while (s->seen_count - gone > STATE_SEEN_MOST - 1 ||
           (s->seen_count - gone > STATE_SEEN_LEAST && s->seen_minutes[gone] < least))
        gone++;
    if (gone) {
        s->seen_count -= gone;
        memmove(s->seen, s->seen + gone, s->seen_count * sizeof *s->seen);
        memmove(s->seen_minutes, s->seen_minutes + gone, s->seen_count * sizeof *s->seen_minutes);
    }
}

static bool seen_grow(struct state *s)
{
    uint32_t capacity = s->seen_capacity ? s->seen_capacity * 2 : 32;
    uint64_t *seen = arena_alloc(s->arena, capacity * sizeof *seen);
    uint32_t *minutes = arena_alloc(s->arena, capacity * sizeof *minutes);
    if (!seen || !minutes)
        return false;
    if (s->seen_count) {
        memcpy(seen, s->seen, s->seen_count * sizeof *seen);
        memcpy(minutes, s->seen_minutes, s->seen_count * sizeof *minutes);
    }
    s->seen = seen;
    s->seen_minutes = minutes;
    s->seen_capacity = capacity;
    return true;
}

static bool seen_has(const struct state *s, uint64_t event)
{
    uint64_t found = 0; /* no early end, so that it runs in vectors: a busy customer has thousands */
    for (uint32_t i = 0; i < s->seen_count; i++)
        found |= s->seen[i] == event;
    return found;
}

int state_see(struct state *s, uint64_t event, int64_t now_ms)
{
    if (seen_has(s, event))
        return 0;
    seen_prune(s, now_ms);
    if (s->seen_count == s->seen_capacity && !seen_grow(s))
        return ERR_NOSPACE;
    uint32_t minute = minute_of(now_ms), before = s->seen_count ? s->seen_minutes[s->seen_count - 1] : 0;
    s->seen[s->seen_count] = event;
    s->seen_minutes[s->seen_count++] = minute > before ? minute : before; /* servers' clocks differ */
    return 1;
}

/* What a signal's filters see. */
struct filter_source {
    const struct schema_signal *def;
    const struct signal *signal;
};

static struct value filter_load(void *ctx, uint32_t slot, int64_t now_ms)
{
    (void)now_ms;
    const struct filter_source *f = ctx;
    uint32_t property = f->def->slots[slot];
    if (property != SCHEMA_CHANNEL)
        return f->signal->properties[property];
    return f->signal->channel.n ? value_string(f->signal->channel) : value_unknown(UNKNOWN_ABSENT);
}

/* passes[filter]; what is unknown, or an error, does not pass. */
static int filters_ask(const struct schema_signal *def, const struct signal *signal, bool *passes,
                       struct arena *arena)
{
    struct filter_source f = {def, signal};
    struct expr_source source = {.ctx = &f, .load = filter_load};
    struct expr_eval ev;
    if (expr_eval_init(&ev, def->program, &source, signal->time_ms, arena))
        return ERR_NOSPACE;
    for (size_t i = 0; i < def->filter_count; i++) {
        struct value v = expr_eval(&ev, def->filters[i].when);
        passes[i] = v.type == VALUE_BOOL && v.boolean;
    }
    return 0;
}

int state_apply(struct state *s, const struct signal *signal, int64_t now_ms)
{
    const struct schema_signal *def = &s->schema->signals[signal->index];
    int fresh = state_see(s, signal->event, now_ms);
    if (fresh <= 0)
        return fresh;
    coverage_adopt(s, now_ms);
    bool *passes = def->filter_count ? arena_alloc(s->arena, def->filter_count) : NULL;
    int rc = def->filter_count && !passes ? ERR_NOSPACE : 0;
    if (!rc && def->filter_count)
        rc = filters_ask(def, signal, passes, s->arena);
    if (!rc && s->schema->keeps_touches && !def->quiet)
        touch_add(s, def->id, signal->channel_id, signal->time_ms);
    for (size_t i = 0; i < def->feed_count && !rc; i++)
        if (def->feeds[i].filter == UINT32_MAX || passes[def->feeds[i].filter])
            rc = aggregate_event(s, &def->feeds[i], signal, now_ms);
    return rc ? rc : 1;
}

/* What an older policy, with another type, kept of the attribute goes: it was set anew, or removed. */
static void forget_kept(struct state *s, uint32_t id)
{
    uint32_t left = 0;
    for (uint32_t i = 0; i < s->kept_attribute_count; i++)
        if (s->kept_attributes[i].id != id)
            s->kept_attributes[left++] = s->kept_attributes[i];
    s->kept_attribute_count = left;
}

/* When it was set, under whatever type. */
static int64_t attribute_time(const struct state *s, size_t attribute)
{
    for (uint32_t i = 0; i < s->kept_attribute_count; i++)
        if (s->kept_attributes[i].id == s->schema->attributes[attribute].id)
            return s->kept_attributes[i].time_ms;
    return s->attribute_ms[attribute];
}

int state_set_attribute(struct state *s, size_t attribute, struct value v, int64_t now_ms)
{
    int64_t there_ms = attribute_time(s, attribute), time_ms = now_ms > there_ms ? now_ms : there_ms;
    if (v.type == VALUE_STRING) {
        struct str copy = arena_str(s->arena, value_str(v));
        if (!copy.p)
            return ERR_NOSPACE;
        v = value_string(copy);
    }
    s->attributes[attribute] = v;
    s->attribute_ms[attribute] = time_ms ? time_ms : 1; /* 0 says never */
    if (s->kept_attribute_count)
        forget_kept(s, s->schema->attributes[attribute].id);
    return 0;
}

int state_offer_attribute(struct state *s, size_t attribute, struct value v, int64_t time_ms)
{
    int64_t there_ms = attribute_time(s, attribute);
    if (there_ms && time_ms < there_ms)
        return 0;
    int rc = state_set_attribute(s, attribute, v, time_ms);
    return rc ? rc : 1;
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

int state_contact_order(const struct contact *a, const struct contact *b)
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

/* In order again; of two under one tag, which no writer of ours makes, one goes. */
static void kept_sort(struct state *s)
{
    uint32_t left = 0;
    for (uint32_t i = 0; i < s->kept_count; i++) {
        struct raw_entry k = s->kept[i];
        uint32_t at = left;
        while (at > 0 && tag_order(s->kept[at - 1].tag) > tag_order(k.tag))
            at--;
        if (at > 0 && s->kept[at - 1].tag == k.tag)
            continue;
        memmove(s->kept + at + 1, s->kept + at, (left - at) * sizeof *s->kept);
        s->kept[at] = k;
        left++;
    }
    s->kept_count = left;
}

/* What the last writer of events does not keep up becomes an orphan; orphans go after STATE_STALE_MS. When the arena is
 * full they stay as they are, and the next write that has memory orphans them. */
static void kept_prune(struct state *s, int64_t now_ms)
{
    int64_t today = ms_floor(now_ms, DAY_MS);
    uint32_t left = 0, orphaned = 0;
    for (uint32_t i = 0; i < s->kept_count; i++) {
        struct raw_entry k = s->kept[i];
        if (tag_kind(k.tag) == ENTRY_SINCE)
            continue;
        if (tag_kind(k.tag) == ENTRY_ORPHAN) {
            struct cursor c = cursor_of(k.payload.p, k.payload.n);
            (void)cursor_byte(&c);
            if ((int64_t)cursor_varint(&c) < today - STATE_STALE_MS / DAY_MS)
                continue;
        } else if (tag_is_aggregate(k.tag)) {
            struct arena_buf b;
            arena_buf_init(&b, s->arena, k.payload.n + 11);
            buf_byte(&b.buf, (uint8_t)tag_kind(k.tag));
            buf_varint(&b.buf, today > 0 ? (uint64_t)today : 0);
            buf_str(&b.buf, k.payload);
            struct str payload = arena_buf_take(&b);
            if (payload.p) {
                k = (struct raw_entry){state_tag(ENTRY_ORPHAN, tag_id(k.tag)), payload};
                orphaned++;
            }
        }
        s->kept[left++] = k;
    }
    s->kept_count = left;
    if (orphaned)
        kept_sort(s);
}

/* A removed attribute is remembered only to hold off what is older than its removal. */
static void attributes_prune(struct state *s, int64_t now_ms)
{
    uint32_t left = 0;
    for (uint32_t i = 0; i < s->kept_attribute_count; i++) {
        struct kept_attribute k = s->kept_attributes[i];
        if (k.value.type != VALUE_UNKNOWN || k.time_ms >= now_ms - STATE_STALE_MS)
            s->kept_attributes[left++] = k;
    }
    s->kept_attribute_count = left;
    for (size_t i = 0; i < s->schema->attribute_count; i++)
        if (s->attributes[i].type == VALUE_UNKNOWN && s->attribute_ms[i] < now_ms - STATE_STALE_MS)
            s->attribute_ms[i] = 0;
}

void state_prune(struct state *s, int64_t now_ms)
{
    for (size_t i = 0; i < s->schema->aggregate_count; i++)
        aggregate_prune(s, i, now_ms);
    attributes_prune(s, now_ms);
    contacts_prune(s, now_ms);
    reactions_prune(s, now_ms);
    seen_prune(s, now_ms);
    if (s->kept_count && s->coverage.p && str_eq(s->coverage, s->schema->coverage))
        kept_prune(s, now_ms);
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
    while (at > 0 && state_contact_order(c, &s->contacts[at - 1]) < 0)
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
