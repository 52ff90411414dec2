/* Aggregates over signals; see aggregate.h and state.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "state/aggregate_decay.h"
#include "state/aggregate_keys.h"
#include "state/aggregate_last.h"
#include "state/aggregate_open.h"
#include "state/aggregate_ring.h"
#include "state/aggregate_top.h"
#include "state/coverage.h"

const struct aggregate_ops *aggregate_ops(enum aggregate_kind kind)
{
    static const struct aggregate_ops *const table[AGGREGATE_KINDS] = {
        [AGGREGATE_COUNT] = &aggregate_ring_count, [AGGREGATE_SUM] = &aggregate_ring_sum,
        [AGGREGATE_MIN] = &aggregate_ring_min,     [AGGREGATE_MAX] = &aggregate_ring_max,
        [AGGREGATE_LAST] = &aggregate_last,        [AGGREGATE_LAST_AT] = &aggregate_last_at,
        [AGGREGATE_OPEN] = &aggregate_open,        [AGGREGATE_KEYS] = &aggregate_keys,
        [AGGREGATE_DECAYED] = &aggregate_decayed,  [AGGREGATE_MOOD] = &aggregate_mood,
        [AGGREGATE_TOP] = &aggregate_top,          [AGGREGATE_HOURS] = &aggregate_ring_hours,
    };
    return table[kind];
}

/* ---- shared by the kinds ---- */

bool items_grow(struct aggregate_state *a, size_t size, struct arena *arena)
{
    if (a->count < a->capacity)
        return true;
    uint32_t wanted = a->capacity ? a->capacity * 2 : 4;
    void *grown = arena_alloc(arena, wanted * size);
    if (!grown)
        return false;
    if (a->count)
        memcpy(grown, a->items, a->count * size);
    a->items = grown;
    a->capacity = wanted;
    return true;
}

void items_open(struct aggregate_state *a, uint32_t at, size_t size)
{
    char *p = (char *)a->items + at * size;
    memmove(p + size, p, (a->count - at) * size);
    a->count++;
}

void items_drop(struct aggregate_state *a, uint32_t at, uint32_t n, size_t size)
{
    if (n == 0)
        return;
    char *p = (char *)a->items + at * size;
    memmove(p, p + n * size, (a->count - at - n) * size);
    a->count -= n;
}

int items_room(const struct cursor *c, struct aggregate_state *a, size_t least, size_t size, struct arena *arena)
{
    size_t n = cursor_left(c) / least + 1;
    if (n > AGGREGATE_ITEMS_MAX)
        return ERR_CORRUPT;
    a->items = arena_alloc(arena, n * size);
    a->capacity = (uint32_t)n;
    return a->items ? 0 : ERR_NOSPACE;
}

int64_t bucket_leaves(const struct schema_aggregate *def, int64_t index)
{
    int64_t end;
    if (__builtin_mul_overflow(index + 1, def->width_ms, &end))
        return INT64_MAX;
    return add_saturating(end, def->window_ms);
}

bool never_stale(const struct schema_aggregate *def, struct str raw, int64_t now_ms)
{
    (void)def, (void)raw, (void)now_ms;
    return false;
}

bool always_stale(const struct schema_aggregate *def, struct str raw, int64_t now_ms)
{
    (void)def, (void)raw, (void)now_ms;
    return true;
}

bool ring_stale(const struct schema_aggregate *def, struct str raw, int64_t now_ms)
{
    struct cursor c = cursor_of(raw.p, raw.n);
    return cursor_svarint(&c) < first_visible(def, now_ms);
}

/* ---- one aggregate of a state ---- */

struct aggregate_state *aggregate_look(const struct state *s, size_t aggregate)
{
    struct aggregate_state *a = &s->aggregates[aggregate];
    if (a->decoded || !a->raw.p)
        return a;
    if (a->damaged)
        return NULL;
    struct aggregate_state read = {.raw = a->raw, .decoded = true, .since_ms = a->since_ms};
    struct cursor c = cursor_of(a->raw.p, a->raw.n);
    int rc = aggregate_ops(s->schema->aggregates[aggregate].kind)->get(&c, &read, s->arena);
    if (rc == ERR_NOSPACE)
        return NULL;
    if (rc || c.failed || cursor_left(&c)) {
        a->damaged = true;
        return NULL;
    }
    *a = read;
    return a;
}

bool aggregate_empty(enum aggregate_kind kind, const struct aggregate_state *a)
{
    if (a->raw.p && !a->changed)
        return false;
    return a->count == 0 && !(kind == AGGREGATE_TOP && a->weight > 0);
}

int aggregate_event(struct state *s, const struct schema_feed *feed, const struct signal *signal, int64_t now_ms)
{
    const struct schema_aggregate *def = &s->schema->aggregates[feed->aggregate];
    const struct aggregate_ops *ops = aggregate_ops(def->kind);
    struct aggregate_event e = {.time_ms = signal->time_ms,
                                .rank = (uint16_t)(signal->event >> 48),
                                .closes = feed->closes,
                                .week_hour = signal->week_hour};
    if (feed->property != UINT32_MAX) {
        e.value = signal->properties[feed->property];
        if (e.value.type == VALUE_UNKNOWN)
            return 0;
    }
    struct aggregate_state *a = aggregate_look(s, feed->aggregate);
    if (!a)
        return s->aggregates[feed->aggregate].damaged ? ERR_CORRUPT : ERR_NOSPACE;
    a->changed = true;
    (void)ops->prune(def, a, now_ms);
    return ops->apply(def, a, &e, now_ms, s->arena);
}

void aggregate_prune(const struct state *s, size_t aggregate, int64_t now_ms)
{
    const struct schema_aggregate *def = &s->schema->aggregates[aggregate];
    const struct aggregate_ops *ops = aggregate_ops(def->kind);
    struct aggregate_state *a = &s->aggregates[aggregate];
    if (a->since_ms && aggregate_windowed(def->kind) && a->since_ms <= now_ms - def->window_ms - def->width_ms)
        a->since_ms = 0; /* all that it looks at, it has seen */
    if (!a->raw.p && a->count == 0)
        return;
    if (!a->changed && !ops->stale(def, a->raw, now_ms))
        return;
    a = aggregate_look(s, aggregate);
    if (a && ops->prune(def, a, now_ms))
        a->changed = true;
}

/* ---- reading ---- */

struct value state_aggregate(const struct state *s, size_t aggregate, int64_t now_ms)
{
    const struct schema_aggregate *def = &s->schema->aggregates[aggregate];
    const struct aggregate_state *a = aggregate_look(s, aggregate);
    return a ? aggregate_ops(def->kind)->value(def, a, now_ms) : value_unknown(UNKNOWN_UNREADABLE);
}

int64_t state_aggregate_next_change(const struct state *s, size_t aggregate, int64_t t_ms)
{
    const struct schema_aggregate *def = &s->schema->aggregates[aggregate];
    const struct aggregate_state *a = aggregate_look(s, aggregate);
    return a && a->count ? aggregate_ops(def->kind)->next_change(def, a, t_ms) : INT64_MAX;
}

int64_t state_since(const struct state *s, size_t aggregate, int64_t now_ms)
{
    return coverage_has(s, aggregate) ? s->aggregates[aggregate].since_ms : now_ms;
}
