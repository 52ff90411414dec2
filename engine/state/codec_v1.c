/* Blobs of format 1; see codec_v1.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "state/codec_v1.h"
#include "state/aggregate_kinds.h"
#include "state/codec.h"
#include "state/codec_lists.h"
#include "state/codec_value.h"
#include <math.h>

enum v1_kind { V1_ATTRIBUTE, V1_AGGREGATE, V1_CONTACTS, V1_CONSENTS, V1_SEEN };
enum { V1_KIND_BITS = 3 };

/* The rest of the cursor as a value. */
static bool get_value(struct cursor *c, struct value *out)
{
    uint8_t type = cursor_byte(c);
    switch (type) {
    case VALUE_BOOL:
        *out = value_bool(cursor_byte(c) != 0);
        return !c->failed;
    case VALUE_INT:
    case VALUE_TIMESTAMP:
        *out = type == VALUE_INT ? value_int(cursor_svarint(c)) : value_timestamp(cursor_svarint(c));
        return !c->failed && (type == VALUE_INT || time_ok(out->integer));
    case VALUE_DOUBLE: {
        uint64_t bits = cursor_u64le(c);
        double d;
        memcpy(&d, &bits, sizeof d);
        *out = value_double(d);
        return !c->failed && isfinite(d);
    }
    case VALUE_STRING: {
        size_t n = cursor_left(c);
        *out = value_string((struct str){(const char *)cursor_bytes(c, n), n});
        return !c->failed;
    }
    default:
        return false;
    }
}

/* It was set by a write before this one at the latest. */
static int64_t written_ms(const struct state *s)
{
    int64_t ms = (int64_t)(s->version >> 22);
    return ms > 0 && ms <= TIMESTAMP_MAX_MS ? ms : 1;
}

static int get_attribute(struct state *s, uint64_t id, struct cursor *c)
{
    struct kept_attribute k = {.id = (uint32_t)id, .time_ms = written_ms(s)};
    if (id == 0 || id > NAMES_MAX || !get_value(c, &k.value) || cursor_left(c))
        return ERR_CORRUPT;
    uint32_t index = id < s->schema->id_limit ? s->schema->attribute_of_id[id] : 0;
    if (index == 0 || k.value.type != s->schema->attributes[index - 1].type)
        return state_keep_attribute(s, &k);
    s->attributes[index - 1] = k.value;
    s->attribute_ms[index - 1] = k.time_ms;
    return 0;
}

static int get_last(struct aggregate_state *a, bool value, struct cursor *c)
{
    a->count = 1;
    a->last_ms = cursor_svarint(c);
    uint16_t rank = (uint16_t)(cursor_u64le(c) >> 48);
    if (value) {
        a->rank = rank;
        if (!get_value(c, &a->last))
            return ERR_CORRUPT;
    }
    return c->failed || cursor_left(c) || !time_ok(a->last_ms) ? ERR_CORRUPT : 0;
}

static int get_aggregate(struct state *s, uint64_t id, struct cursor *c)
{
    uint32_t index = id < s->schema->id_limit ? s->schema->aggregate_of_id[id] : 0;
    if (index == 0)
        return 0;
    enum aggregate_kind kind = s->schema->aggregates[index - 1].kind;
    struct aggregate_state a = {.decoded = true, .changed = true};
    int rc;
    if (kind == AGGREGATE_LAST || kind == AGGREGATE_LAST_AT)
        rc = get_last(&a, kind == AGGREGATE_LAST, c);
    else if (kind == AGGREGATE_COUNT || kind == AGGREGATE_SUM || kind == AGGREGATE_OPEN)
        rc = aggregate_ops(kind)->get(c, &a, s->arena);
    else
        rc = ERR_CORRUPT; /* format 1 had no others */
    if (!rc && !c->failed)
        s->aggregates[index - 1] = a;
    return rc ? rc : c->failed ? ERR_CORRUPT : 0;
}

static int get_seen(struct cursor *c, struct state *s)
{
    size_t most = cursor_left(c) / 9 + 1;
    s->seen_capacity = (uint32_t)(most < STATE_SEEN_MOST ? most : STATE_SEEN_MOST);
    s->seen = arena_alloc(s->arena, s->seen_capacity * sizeof *s->seen);
    s->seen_minutes = arena_alloc(s->arena, s->seen_capacity * sizeof *s->seen_minutes);
    if (!s->seen || !s->seen_minutes)
        return ERR_NOSPACE;
    uint32_t latest = 0;
    for (int64_t arrived_ms = 0; cursor_left(c) && !c->failed;) {
        if (__builtin_add_overflow(arrived_ms, cursor_svarint(c), &arrived_ms) || !time_ok(arrived_ms) ||
            s->seen_count == s->seen_capacity)
            return ERR_CORRUPT;
        int64_t minute = arrived_ms > 0 ? (arrived_ms + 59999) / 60000 : 0;
        latest = minute > latest ? (uint32_t)minute : latest;
        s->seen_minutes[s->seen_count] = latest;
        s->seen[s->seen_count++] = cursor_u64le(c);
    }
    return c->failed ? ERR_CORRUPT : 0;
}

static int get_entry(struct state *s, unsigned kind, uint64_t id, struct cursor *c)
{
    if (kind == V1_ATTRIBUTE)
        return get_attribute(s, id, c);
    if (kind == V1_AGGREGATE)
        return get_aggregate(s, id, c);
    if (id == 0 && kind == V1_CONTACTS)
        return contacts_get(c, s);
    if (id == 0 && kind == V1_CONSENTS)
        return consents_get(c, s);
    if (id == 0 && kind == V1_SEEN)
        return get_seen(c, s);
    return 0; /* nothing ever wrote others */
}

/* Format 1 does not say which aggregates counted the customer's events: those with data did, the others from now on. */
static void settle_since(struct state *s)
{
    if (s->seen_count == 0)
        return;
    s->coverage = s->schema->coverage;
    for (size_t i = 0; i < s->schema->aggregate_count; i++)
        if (!s->aggregates[i].changed)
            s->aggregates[i].since_ms = written_ms(s);
}

int state_decode_v1(struct state *s, struct cursor *c, struct str blob, struct error *e)
{
    bool first = true;
    for (uint64_t before = 0; cursor_left(c);) {
        size_t at = (size_t)((const char *)c->p - blob.p);
        uint64_t tag = cursor_varint(c), n = cursor_varint(c);
        unsigned kind = tag & ((1 << V1_KIND_BITS) - 1);
        uint64_t id = tag >> V1_KIND_BITS, order = (uint64_t)kind << (64 - V1_KIND_BITS) | id;
        const uint8_t *payload = n <= cursor_left(c) ? cursor_bytes(c, (size_t)n) : NULL;
        if (!payload || c->failed || (!first && order <= before))
            return error_set(e, ERR_CORRUPT, "the customer's state is torn at byte %zu of %zu", at, blob.n);
        before = order;
        first = false;
        struct cursor entry = cursor_of(payload, (size_t)n);
        int rc = get_entry(s, kind, id, &entry);
        if (rc == ERR_NOSPACE)
            return error_set(e, rc, "the request's memory is full");
        if (rc)
            return error_set(e, ERR_CORRUPT, "the customer's state has an unreadable entry at byte %zu of %zu", at,
                             blob.n);
    }
    settle_since(s);
    return 0;
}
