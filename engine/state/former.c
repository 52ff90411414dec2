/* Data under earlier names; see former.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "state/former.h"
#include "state/aggregate_kinds.h"
#include "state/codec.h"
#include "state/journey.h"

static const struct schema_former *former_of(const struct schema *schema, int what, uint64_t id)
{
    for (size_t i = 0; i < schema->former_count; i++)
        if (schema->formers[i].id == id && (int)schema->formers[i].what == what)
            return &schema->formers[i];
    return NULL;
}

/* Takes the first kept attribute out that is one of ours by an earlier name: its index, or -1. */
static long take_attribute(struct state *s, struct kept_attribute *out)
{
    for (uint32_t i = 0; i < s->kept_attribute_count; i++) {
        *out = s->kept_attributes[i];
        const struct schema_former *f = former_of(s->schema, FORMER_ATTRIBUTE, out->id);
        if (!f || (out->value.type != VALUE_UNKNOWN && out->value.type != s->schema->attributes[f->index].type))
            continue;
        uint32_t after = --s->kept_attribute_count - i;
        memmove(s->kept_attributes + i, s->kept_attributes + i + 1, after * sizeof *out);
        return (long)f->index;
    }
    return -1;
}

static int join_attributes(struct state *s)
{
    struct kept_attribute k;
    for (long at; (at = take_attribute(s, &k)) >= 0;)
        if (k.time_ms != s->attribute_ms[at] && state_offer_attribute(s, (size_t)at, k.value, k.time_ms) < 0)
            return ERR_NOSPACE;
    return 0;
}

/* The aggregate that an entry is of, by an earlier name of it, and its payload; -1: none. */
static long former_aggregate(const struct schema *schema, const struct raw_entry *e, struct str *payload)
{
    unsigned kind = tag_kind(e->tag);
    const struct schema_former *f = former_of(schema, FORMER_AGGREGATE, tag_id(e->tag));
    if (!f)
        return -1;
    *payload = e->payload;
    if (kind == ENTRY_ORPHAN) {
        struct cursor c = cursor_of(e->payload.p, e->payload.n);
        kind = cursor_byte(&c);
        (void)cursor_varint(&c);
        *payload = (struct str){(const char *)c.p, cursor_left(&c)};
        if (c.failed)
            return -1;
    }
    return kind == ENTRY_AGGREGATES + (unsigned)schema->aggregates[f->index].kind ? (long)f->index : -1;
}

/* 1 joined, 0 left alone because one of both cannot be read. */
static int join_payload(struct state *s, size_t index, struct str payload)
{
    const struct aggregate_ops *ops = aggregate_ops(s->schema->aggregates[index].kind);
    struct aggregate_state other = {.decoded = true}, *own = &s->aggregates[index];
    if (!own->raw.p && !own->changed) {
        own->raw = payload;
        return 1;
    }
    struct cursor c = cursor_of(payload.p, payload.n);
    int rc = ops->get(&c, &other, s->arena);
    if (rc == ERR_NOSPACE)
        return rc;
    if (rc || c.failed || cursor_left(&c))
        return 0;
    own = aggregate_look(s, index);
    if (!own)
        return s->aggregates[index].damaged ? 0 : ERR_NOSPACE;
    if (aggregate_empty(s->schema->aggregates[index].kind, &other))
        return 1;
    own->changed = true;
    rc = ops->merge(own, &other, s->arena);
    return rc ? rc : 1;
}

/* When an earlier name's part began to count; whatever else stands there is left alone. */
static bool join_since(struct state *s, const struct raw_entry *e)
{
    const struct schema_former *f = former_of(s->schema, FORMER_AGGREGATE, tag_id(e->tag));
    struct cursor c = cursor_of(e->payload.p, e->payload.n);
    int64_t since_ms = f ? cursor_svarint(&c) : 0;
    if (!f || c.failed || cursor_left(&c))
        return false;
    int64_t *own_ms = &s->aggregates[f->index].since_ms;
    *own_ms = since_ms > *own_ms ? since_ms : *own_ms;
    return true;
}

static int join_aggregates(struct state *s)
{
    uint32_t left = 0, count = s->kept_count;
    for (uint32_t i = 0; i < count; i++) {
        struct raw_entry e = s->kept[i];
        struct str payload;
        int joined = 0;
        if (tag_kind(e.tag) == ENTRY_SINCE) {
            joined = join_since(s, &e);
        } else {
            long index = former_aggregate(s->schema, &e, &payload);
            joined = index < 0 ? 0 : join_payload(s, (size_t)index, payload);
        }
        if (joined < 0)
            return joined;
        if (!joined)
            s->kept[left++] = e;
    }
    s->kept_count = left;
    return 0;
}

/* They stand in order of time and id. */
static void join_touches(struct state *s)
{
    struct touch all[STATE_TOUCHES_MAX];
    uint32_t count = s->touch_count;
    memcpy(all, s->touches, count * sizeof *all);
    s->touch_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct schema_former *f = former_of(s->schema, FORMER_SIGNAL, all[i].id);
        touch_add(s, f ? s->schema->signals[f->index].id : all[i].id, all[i].channel, all[i].second * 1000);
    }
}

int former_join(struct state *s)
{
    int rc = join_attributes(s);
    if (!rc)
        rc = join_aggregates(s);
    if (!rc && s->touch_count)
        join_touches(s);
    return rc;
}
