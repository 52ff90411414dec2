/* Two states of one person; see merge.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "state/merge.h"
#include "base/arena_buf.h"
#include "state/aggregate_kinds.h"
#include "state/codec.h"
#include "state/coverage.h"
#include "state/identity.h"
#include "state/imports.h"
#include "state/journey.h"
#include "state/preferences.h"
#include "state/reactions.h"

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* ---- attributes ---- */

static const struct kept_attribute *kept_find(const struct state *s, uint32_t id)
{
    for (uint32_t i = 0; i < s->kept_attribute_count; i++)
        if (s->kept_attributes[i].id == id)
            return &s->kept_attributes[i];
    return NULL;
}

/* The value of another type that another policy keeps under this policy's name: it counts when it is the later. */
static int merge_odd_attribute(struct state *into, const struct kept_attribute *k)
{
    uint32_t index = k->id < into->schema->id_limit ? into->schema->attribute_of_id[k->id] : 0;
    const struct kept_attribute *there = kept_find(into, k->id);
    int64_t there_ms = there ? there->time_ms : index ? into->attribute_ms[index - 1] : 0;
    if (there_ms >= k->time_ms)
        return 0;
    if (index) {
        into->attributes[index - 1] = value_unknown(UNKNOWN_ABSENT);
        into->attribute_ms[index - 1] = 0;
    }
    if (there) {
        into->kept_attributes[there - into->kept_attributes] = *k;
        return 0;
    }
    if (state_keep_attribute(into, k))
        return ERR_NOSPACE;
    for (uint32_t i = into->kept_attribute_count - 1; i > 0 && into->kept_attributes[i - 1].id > k->id; i--) {
        into->kept_attributes[i] = into->kept_attributes[i - 1];
        into->kept_attributes[i - 1] = *k;
    }
    return 0;
}

static int merge_attributes(struct state *into, const struct state *from)
{
    for (size_t i = 0; i < into->schema->attribute_count; i++) {
        const struct kept_attribute *odd = kept_find(into, into->schema->attributes[i].id);
        int64_t there_ms = later(into->attribute_ms[i], odd ? odd->time_ms : 0);
        if (from->attribute_ms[i] > there_ms &&
            state_offer_attribute(into, i, from->attributes[i], from->attribute_ms[i]) < 0)
            return ERR_NOSPACE;
    }
    int rc = 0;
    for (uint32_t i = 0; i < from->kept_attribute_count && !rc; i++)
        rc = merge_odd_attribute(into, &from->kept_attributes[i]);
    return rc;
}

/* ---- aggregates ---- */

static int merge_aggregate(struct state *into, const struct state *from, size_t k)
{
    const struct aggregate_state *b = aggregate_look(from, k);
    struct aggregate_state *a = aggregate_look(into, k);
    if (!a || !b)
        return into->aggregates[k].damaged || from->aggregates[k].damaged ? ERR_CORRUPT : ERR_NOSPACE;
    a->since_ms = later(a->since_ms, b->since_ms);
    enum aggregate_kind kind = into->schema->aggregates[k].kind;
    if (aggregate_empty(kind, b))
        return 0;
    a->changed = true;
    return aggregate_ops(kind)->merge(a, b, into->arena);
}

/* An entry of another policy's aggregate, or such an orphan, in its parts. */
struct other {
    unsigned kind; /* enum entry_kind of the aggregate; 0: it is none */
    bool orphan;
    uint64_t day;
    struct str payload;
};

static struct other other_of(const struct raw_entry *e)
{
    struct other o = {.payload = e->payload};
    if (tag_kind(e->tag) == ENTRY_ORPHAN) {
        struct cursor c = cursor_of(e->payload.p, e->payload.n);
        o.orphan = true;
        o.kind = cursor_byte(&c);
        o.day = cursor_varint(&c);
        o.payload = (struct str){(const char *)c.p, cursor_left(&c)};
    } else {
        o.kind = tag_kind(e->tag);
    }
    if (o.kind < ENTRY_AGGREGATES || o.kind >= ENTRY_AGGREGATES_END)
        o.kind = 0;
    return o;
}

static int read_other(struct str payload, const struct aggregate_ops *ops, struct aggregate_state *out,
                      struct arena *arena)
{
    struct cursor c = cursor_of(payload.p, payload.n);
    *out = (struct aggregate_state){.decoded = true};
    int rc = ops->get(&c, out, arena);
    return rc == ERR_NOSPACE ? rc : rc || c.failed || cursor_left(&c) ? ERR_CORRUPT : 0;
}

/* Merges two payloads of one kind into the entry e. What cannot be read stays as it is there. */
static int merge_payloads(struct state *into, struct raw_entry *e, const struct other *a, const struct other *b)
{
    const struct aggregate_ops *ops = aggregate_ops((enum aggregate_kind)(a->kind - ENTRY_AGGREGATES));
    struct aggregate_state x, y;
    struct arena_buf out;
    int rc = read_other(a->payload, ops, &x, into->arena);
    if (!rc)
        rc = read_other(b->payload, ops, &y, into->arena);
    if (rc)
        return rc == ERR_NOSPACE ? rc : 0;
    if (ops->merge(&x, &y, into->arena))
        return ERR_NOSPACE;
    arena_buf_init(&out, into->arena, a->payload.n + b->payload.n + 64);
    if (a->orphan) {
        buf_byte(&out.buf, (uint8_t)a->kind);
        buf_varint(&out.buf, a->day > b->day ? a->day : b->day);
    }
    ops->put(&out.buf, &x);
    if (!buf_ok(&out.buf))
        return ERR_NOSPACE;
    e->payload = arena_buf_take(&out);
    return e->payload.p ? 0 : ERR_NOSPACE;
}

static int insert_other(struct state *into, const struct raw_entry *e)
{
    if (state_keep(into, e->tag, e->payload))
        return ERR_NOSPACE;
    for (uint32_t i = into->kept_count - 1; i > 0 && tag_order(into->kept[i - 1].tag) > tag_order(e->tag); i--) {
        into->kept[i] = into->kept[i - 1];
        into->kept[i - 1] = *e;
    }
    return 0;
}

/* Aggregates are merged; of anything else of which nobody here knows what it is, into's stays. */
static int merge_other(struct state *into, const struct raw_entry *e)
{
    struct other b = other_of(e);
    for (uint32_t i = 0; i < into->kept_count; i++) {
        struct raw_entry *there = &into->kept[i];
        struct other a = other_of(there);
        bool same = there->tag == e->tag || (a.kind && a.kind == b.kind && tag_id(there->tag) == tag_id(e->tag));
        if (!same)
            continue;
        return a.kind && a.kind == b.kind ? merge_payloads(into, there, &a, &b) : 0;
    }
    return insert_other(into, e);
}

/* ---- lists ---- */

static int merge_contacts(struct state *into, const struct state *from)
{
    uint32_t most = into->contact_count + from->contact_count, n = 0, i = 0, k = 0;
    if (from->contact_count == 0)
        return 0;
    struct contact *all = arena_alloc(into->arena, most * sizeof *all);
    if (!all)
        return ERR_NOSPACE;
    while (i < into->contact_count || k < from->contact_count) {
        int order = i == into->contact_count   ? 1
                    : k == from->contact_count ? -1
                                               : state_contact_order(&into->contacts[i], &from->contacts[k]);
        all[n++] = order <= 0 ? into->contacts[i] : from->contacts[k];
        i += order <= 0;
        k += order >= 0;
    }
    uint32_t gone = n > STATE_CONTACTS_MAX ? n - STATE_CONTACTS_MAX : 0;
    into->contacts = all + gone;
    into->contact_count = n - gone;
    into->contact_capacity = most - gone;
    return 0;
}

static int merge_consents(struct state *into, const struct state *from)
{
    for (uint32_t i = 0; i < from->consent_count; i++) {
        const struct consent *c = &from->consents[i];
        bool fits = into->consent_count < STATE_CONSENTS_MAX || state_consent(into, c->channel, c->purpose) >= 0;
        if (fits && state_set_consent(into, c))
            return ERR_NOSPACE;
    }
    return 0;
}

static bool has_seen(const struct state *s, uint64_t event)
{
    for (uint32_t i = 0; i < s->seen_count; i++)
        if (s->seen[i] == event)
            return true;
    return false;
}

static int merge_seen(struct state *into, const struct state *from)
{
    uint32_t most = into->seen_count + from->seen_count, n = 0, i = 0, k = 0;
    uint64_t *seen = arena_alloc(into->arena, most * sizeof *seen);
    uint32_t *minutes = arena_alloc(into->arena, most * sizeof *minutes);
    if (!seen || !minutes)
        return ERR_NOSPACE;
    while (i < into->seen_count || k < from->seen_count) {
        bool theirs = i == into->seen_count ||
                      (k < from->seen_count && from->seen_minutes[k] < into->seen_minutes[i]);
        const struct state *s = theirs ? from : into;
        uint32_t *at = theirs ? &k : &i;
        if (!theirs || !has_seen(into, s->seen[*at])) {
            seen[n] = s->seen[*at];
            minutes[n++] = s->seen_minutes[*at];
        }
        ++*at;
    }
    uint32_t gone = n > STATE_SEEN_MOST ? n - STATE_SEEN_MOST : 0;
    into->seen = seen + gone;
    into->seen_minutes = minutes + gone;
    into->seen_count = n - gone;
    into->seen_capacity = most - gone;
    return 0;
}

/* Whether a tombstone on either side ends the merge before it begins. */
static bool stays_forgotten(struct state *into, const struct state *from)
{
    bool again = false;
    for (uint32_t i = 0; i < from->consent_count; i++)
        again |= consent_ends_forgotten(&from->consents[i], into->forgotten_ms);
    if (into->forgotten_ms && again)
        state_clear(into, 0);
    if (into->forgotten_ms)
        into->forgotten_ms = later(into->forgotten_ms, from->forgotten_ms);
    return into->forgotten_ms || from->forgotten_ms;
}

int state_merge(struct state *into, const struct state *from, int64_t now_ms)
{
    if (stays_forgotten(into, from))
        return 0;
    int rc = merge_attributes(into, from);
    bool events = from->coverage.p != NULL;
    if (events) {
        for (size_t k = 0; k < into->schema->aggregate_count; k++)
            if (!coverage_has(from, k))
                into->aggregates[k].since_ms = now_ms;
        coverage_adopt(into, now_ms);
    }
    for (size_t k = 0; k < into->schema->aggregate_count && !rc; k++)
        rc = merge_aggregate(into, from, k);
    for (uint32_t i = 0; i < from->kept_count && !rc; i++)
        rc = merge_other(into, &from->kept[i]);
    if (!rc)
        rc = merge_contacts(into, from);
    if (!rc)
        rc = merge_consents(into, from);
    into->lost_ms = later(into->lost_ms, from->lost_ms);
    journey_merge(into, from);
    preferences_set(into, &from->preferences);
    if (!rc)
        rc = reactions_merge(into, from);
    if (!rc)
        rc = imports_merge(into, from);
    if (!rc)
        rc = identities_merge(into, from);
    if (!rc)
        rc = merge_seen(into, from);
    into->exists = into->exists || from->exists;
    return rc;
}
