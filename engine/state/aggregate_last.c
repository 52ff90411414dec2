/* The latest event of a signal, and a property of the latest event that has it; see aggregate_kinds.h.
 *
 *   last     s time | 2 bytes rank | value (codec_value.h)
 *   last_at  s time
 *
 * The later of two events is the one with the greater (time, rank, value): a total order, so arrival does not matter. The
 * rank is 16 bits of the event id's hash; with it the properties of simultaneous events come from one of them (but for one
 * tie in 65,536).
 * SPDX-License-Identifier: Apache-2.0 */
#include "state/aggregate_last.h"
#include "state/codec_value.h"

static int by_size(double a, double b)
{
    return (a > b) - (a < b);
}

/* Any total order over values. */
static int value_order(struct value a, struct value b)
{
    if (a.type != b.type)
        return a.type < b.type ? -1 : 1;
    if (a.type == VALUE_STRING)
        return str_cmp(value_str(a), value_str(b));
    if (a.type == VALUE_DOUBLE)
        return by_size(a.number, b.number);
    if (a.type == VALUE_BOOL)
        return a.boolean - b.boolean;
    return (a.integer > b.integer) - (a.integer < b.integer);
}

static bool is_later(const struct aggregate_state *a, int64_t time_ms, uint16_t rank, struct value v)
{
    if (a->count == 0)
        return true;
    if (time_ms != a->last_ms)
        return time_ms > a->last_ms;
    return rank != a->rank ? rank > a->rank : value_order(v, a->last) > 0;
}

static int take(struct aggregate_state *a, int64_t time_ms, uint16_t rank, struct value v, struct arena *arena)
{
    if (!is_later(a, time_ms, rank, v))
        return 0;
    if (v.type == VALUE_STRING) {
        struct str copy = arena_str(arena, value_str(v));
        if (!copy.p)
            return ERR_NOSPACE;
        v = value_string(copy);
    }
    a->count = 1;
    a->last_ms = time_ms;
    a->rank = rank;
    a->last = v;
    return 0;
}

static int last_apply(const struct schema_aggregate *def, struct aggregate_state *a, const struct aggregate_event *e,
                      int64_t now_ms, struct arena *arena)
{
    (void)def, (void)now_ms;
    return take(a, e->time_ms, e->rank, e->value, arena);
}

static int last_at_apply(const struct schema_aggregate *def, struct aggregate_state *a,
                         const struct aggregate_event *e, int64_t now_ms, struct arena *arena)
{
    (void)def, (void)now_ms;
    return take(a, e->time_ms, 0, value_unknown(UNKNOWN_ABSENT), arena);
}

static bool keep(const struct schema_aggregate *def, struct aggregate_state *a, int64_t now_ms)
{
    (void)def, (void)a, (void)now_ms;
    return false;
}

/* A value of another type is another policy's: unknown here until an event sets it anew. */
static struct value last_value(const struct schema_aggregate *def, const struct aggregate_state *a, int64_t now_ms)
{
    (void)now_ms;
    return a->count && a->last.type == def->type ? a->last : value_unknown(UNKNOWN_ABSENT);
}

static struct value last_at_value(const struct schema_aggregate *def, const struct aggregate_state *a, int64_t now_ms)
{
    (void)def, (void)now_ms;
    return a->count ? value_timestamp(a->last_ms) : value_unknown(UNKNOWN_ABSENT);
}

static int64_t never(const struct schema_aggregate *def, const struct aggregate_state *a, int64_t t_ms)
{
    (void)def, (void)a, (void)t_ms;
    return INT64_MAX;
}

static void last_put(struct buf *out, const struct aggregate_state *a)
{
    buf_svarint(out, a->last_ms);
    buf_byte(out, (uint8_t)a->rank);
    buf_byte(out, (uint8_t)(a->rank >> 8));
    value_put(out, a->last);
}

static int last_get(struct cursor *c, struct aggregate_state *a, struct arena *arena)
{
    (void)arena;
    a->count = 1;
    a->last_ms = cursor_svarint(c);
    uint16_t low = cursor_byte(c);
    a->rank = (uint16_t)(low | cursor_byte(c) << 8);
    return value_get(c, &a->last) && a->last.type != VALUE_UNKNOWN && time_ok(a->last_ms) ? 0 : ERR_CORRUPT;
}

static void last_at_put(struct buf *out, const struct aggregate_state *a)
{
    buf_svarint(out, a->last_ms);
}

static int last_at_get(struct cursor *c, struct aggregate_state *a, struct arena *arena)
{
    (void)arena;
    a->count = 1;
    a->last_ms = cursor_svarint(c);
    return time_ok(a->last_ms) ? 0 : ERR_CORRUPT;
}

static int last_merge(struct aggregate_state *a, const struct aggregate_state *b, struct arena *arena)
{
    return b->count ? take(a, b->last_ms, b->rank, b->last, arena) : 0;
}

const struct aggregate_ops aggregate_last = {last_apply, keep,     never_stale, last_value,
                                             never,      last_put, last_get,    last_merge};
const struct aggregate_ops aggregate_last_at = {last_at_apply, keep,        never_stale, last_at_value,
                                                never,         last_at_put, last_at_get, last_merge};

struct value state_age(const struct state *s, size_t aggregate, int64_t now_ms)
{
    const struct aggregate_state *a = aggregate_look(s, aggregate);
    if (!a)
        return value_unknown(UNKNOWN_UNREADABLE);
    if (!a->count || now_ms - a->last_ms > DURATION_MAX_MS)
        return value_duration(DURATION_MAX_MS);
    return value_duration(now_ms - a->last_ms);
}
