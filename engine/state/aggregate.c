/* Aggregates over signals; see aggregate.h and state.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "state/aggregate.h"
#include <math.h>

void aggregate_init(struct aggregate_state *a)
{
    *a = (struct aggregate_state){.last_ms = INT64_MIN};
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* Saturating, so that no sequence of events can wrap a sum. */
static int64_t add_saturating(int64_t a, int64_t b)
{
    int64_t sum;
    if (__builtin_add_overflow(a, b, &sum))
        return a > 0 ? INT64_MAX : INT64_MIN;
    return sum;
}

/* The least bucket index that the window sees at now. */
static int64_t first_visible(const struct schema_aggregate *def, int64_t now_ms)
{
    return floor_div(now_ms - def->window_ms, def->width_ms);
}

/* Makes room for one more item of `size` bytes; doubles. */
static void *grow(struct arena *arena, void *items, uint32_t count, uint32_t *capacity, size_t size)
{
    if (count < *capacity)
        return items;
    uint32_t wanted = *capacity ? *capacity * 2 : 4;
    void *grown = arena_alloc(arena, wanted * size);
    if (!grown)
        return NULL;
    if (count)
        memcpy(grown, items, count * size);
    *capacity = wanted;
    return grown;
}

static int bucket_add(struct aggregate_state *a, int64_t index, int64_t value, struct arena *arena)
{
    uint32_t at = a->count;
    while (at > 0 && a->buckets[at - 1].index > index)
        at--;
    if (at > 0 && a->buckets[at - 1].index == index) {
        a->buckets[at - 1].value = add_saturating(a->buckets[at - 1].value, value);
        return 0;
    }
    struct bucket *buckets = grow(arena, a->buckets, a->count, &a->capacity, sizeof *buckets);
    if (!buckets)
        return ERR_NOSPACE;
    memmove(buckets + at + 1, buckets + at, (a->count - at) * sizeof *buckets);
    buckets[at] = (struct bucket){index, value};
    a->buckets = buckets;
    a->count++;
    return 0;
}

uint64_t aggregate_case_key(struct value v)
{
    if (v.type == VALUE_STRING)
        return hash64_seed(v.string, v.n, VALUE_STRING);
    int64_t raw = v.type == VALUE_BOOL ? v.boolean : v.integer;
    return hash64_seed(&raw, sizeof raw, v.type);
}

static bool case_before(const struct open_case *a, const struct open_case *b)
{
    return a->opened_ms != b->opened_ms ? a->opened_ms < b->opened_ms : a->key < b->key;
}

/* Which of two cases goes first when there are too many: one that is closed, so that no open one is lost to it; then the
 * one of which nothing was heard the longest. */
static bool case_weaker(const struct open_case *a, const struct open_case *b)
{
    bool a_open = a->opened_ms > a->closed_ms, b_open = b->opened_ms > b->closed_ms;
    int64_t a_latest = a_open ? a->opened_ms : a->closed_ms, b_latest = b_open ? b->opened_ms : b->closed_ms;
    if (a_open != b_open)
        return b_open;
    return a_latest != b_latest ? a_latest < b_latest : a->key < b->key;
}

static void cases_drop(struct aggregate_state *a, uint32_t at)
{
    memmove(a->cases + at, a->cases + at + 1, (a->count - at - 1) * sizeof *a->cases);
    a->count--;
}

static int case_insert(struct aggregate_state *a, const struct open_case *c, struct arena *arena)
{
    struct open_case *cases = grow(arena, a->cases, a->count, &a->capacity, sizeof *cases);
    if (!cases)
        return ERR_NOSPACE;
    a->cases = cases;
    uint32_t at = a->count;
    while (at > 0 && case_before(c, &cases[at - 1]))
        at--;
    memmove(cases + at + 1, cases + at, (a->count - at) * sizeof *cases);
    cases[at] = *c;
    a->count++;
    return 0;
}

/* A case is known by its key; it keeps its latest opening and its latest closing. */
static int case_event(struct aggregate_state *a, uint64_t key, bool opens, int64_t time_ms,
                      struct arena *arena)
{
    struct open_case c = {key, INT64_MIN, INT64_MIN};
    for (uint32_t i = 0; i < a->count; i++)
        if (a->cases[i].key == key) {
            c = a->cases[i];
            cases_drop(a, i);
            break;
        }
    int64_t *latest = opens ? &c.opened_ms : &c.closed_ms;
    if (time_ms > *latest)
        *latest = time_ms;
    if (a->count == STATE_CASES_MAX) {
        uint32_t weakest = 0;
        for (uint32_t i = 1; i < a->count; i++)
            if (case_weaker(&a->cases[i], &a->cases[weakest]))
                weakest = i;
        if (case_weaker(&c, &a->cases[weakest]))
            return 0;
        cases_drop(a, weakest);
    }
    return case_insert(a, &c, arena);
}

static int open_apply(const struct schema_aggregate *def, struct aggregate_state *a,
                      const struct signal *signal, struct arena *arena)
{
    int rc = 0;
    if (signal->index == def->signal) {
        struct value key = signal->properties[def->property];
        if (key.type != VALUE_UNKNOWN)
            rc = case_event(a, aggregate_case_key(key), true, signal->time_ms, arena);
    }
    if (!rc && signal->index == def->close_signal) {
        struct value key = signal->properties[def->close_property];
        if (key.type != VALUE_UNKNOWN)
            rc = case_event(a, aggregate_case_key(key), false, signal->time_ms, arena);
    }
    return rc;
}

static int last_apply(const struct schema_aggregate *def, struct aggregate_state *a,
                      const struct signal *signal, struct arena *arena)
{
    bool later =
        signal->time_ms > a->last_ms || (signal->time_ms == a->last_ms && signal->event > a->last_event);
    if (def->kind == AGGREGATE_LAST) {
        struct value v = signal->properties[def->property];
        if (v.type == VALUE_UNKNOWN || !later)
            return 0;
        if (v.type == VALUE_STRING) {
            struct str copy = arena_str(arena, value_str(v));
            if (!copy.p)
                return ERR_NOSPACE;
            v = value_string(copy);
        }
        a->last = v;
    }
    if (later) {
        a->last_ms = signal->time_ms;
        a->last_event = signal->event;
    }
    return 0;
}

int aggregate_apply(const struct schema_aggregate *def, struct aggregate_state *a,
                    const struct signal *signal, int64_t now_ms, struct arena *arena)
{
    switch (def->kind) {
    case AGGREGATE_COUNT:
    case AGGREGATE_SUM: {
        int64_t index = floor_div(signal->time_ms, def->width_ms);
        if (index < first_visible(def, now_ms))
            return 0;
        int64_t value = 1;
        if (def->kind == AGGREGATE_SUM) {
            struct value v = signal->properties[def->property];
            if (v.type == VALUE_UNKNOWN)
                return 0;
            double number = v.type == VALUE_INT ? (double)v.integer : v.number;
            value = llround(number * STATE_SUM_SCALE);
        }
        return bucket_add(a, index, value, arena);
    }
    case AGGREGATE_LAST:
    case AGGREGATE_LAST_AT:
        return last_apply(def, a, signal, arena);
    case AGGREGATE_OPEN:
        return open_apply(def, a, signal, arena);
    }
    return 0;
}

/* Openings and closings that have left the window say nothing any more: an opening that counts is later than both. What
 * is forgotten does not depend on the order of arrival, and neither does what stays. A closing inside the window stays,
 * since an earlier opening may still arrive. */
static void cases_prune(struct aggregate_state *a, int64_t gone_ms)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < a->count; i++) {
        struct open_case c = a->cases[i];
        if (c.opened_ms <= gone_ms)
            c.opened_ms = INT64_MIN;
        if (c.closed_ms <= gone_ms)
            c.closed_ms = INT64_MIN;
        if (c.opened_ms == INT64_MIN && c.closed_ms == INT64_MIN)
            continue;
        uint32_t at = kept++; /* at most i */
        for (; at > 0 && case_before(&c, &a->cases[at - 1]); at--)
            a->cases[at] = a->cases[at - 1];
        a->cases[at] = c;
    }
    a->count = kept;
}

void aggregate_prune(const struct schema_aggregate *def, struct aggregate_state *a, int64_t now_ms)
{
    if (a->count == 0)
        return;
    if (def->kind == AGGREGATE_COUNT || def->kind == AGGREGATE_SUM) {
        int64_t least = first_visible(def, now_ms);
        uint32_t gone = 0;
        while (gone < a->count && a->buckets[gone].index < least)
            gone++;
        memmove(a->buckets, a->buckets + gone, (a->count - gone) * sizeof *a->buckets);
        a->count -= gone;
    } else if (def->kind == AGGREGATE_OPEN) {
        cases_prune(a, now_ms - def->window_ms);
    }
}

bool aggregate_empty(const struct schema_aggregate *def, const struct aggregate_state *a)
{
    if (def->kind == AGGREGATE_LAST || def->kind == AGGREGATE_LAST_AT)
        return a->last_ms == INT64_MIN;
    return a->count == 0;
}

static bool case_is_open(const struct schema_aggregate *def, const struct open_case *c, int64_t now_ms)
{
    return c->opened_ms > c->closed_ms && c->opened_ms > now_ms - def->window_ms;
}

struct value state_aggregate(const struct state *s, size_t aggregate, int64_t now_ms)
{
    const struct schema_aggregate *def = &s->schema->aggregates[aggregate];
    const struct aggregate_state *a = &s->aggregates[aggregate];
    switch (def->kind) {
    case AGGREGATE_COUNT:
    case AGGREGATE_SUM: {
        int64_t least = first_visible(def, now_ms), sum = 0;
        for (uint32_t i = a->count; i-- > 0 && a->buckets[i].index >= least;)
            sum = add_saturating(sum, a->buckets[i].value);
        return def->kind == AGGREGATE_COUNT ? value_int(sum) : value_double((double)sum / STATE_SUM_SCALE);
    }
    case AGGREGATE_LAST:
        return a->last_ms == INT64_MIN ? value_unknown(UNKNOWN_ABSENT) : a->last;
    case AGGREGATE_LAST_AT:
        return a->last_ms == INT64_MIN ? value_unknown(UNKNOWN_ABSENT) : value_timestamp(a->last_ms);
    case AGGREGATE_OPEN: {
        int64_t open = 0;
        for (uint32_t i = 0; i < a->count; i++)
            open += case_is_open(def, &a->cases[i], now_ms);
        return value_int(open);
    }
    }
    return value_unknown(UNKNOWN_ABSENT);
}

int64_t state_aggregate_next_change(const struct state *s, size_t aggregate, int64_t t_ms)
{
    const struct schema_aggregate *def = &s->schema->aggregates[aggregate];
    const struct aggregate_state *a = &s->aggregates[aggregate];
    int64_t next = INT64_MAX;
    if (def->kind == AGGREGATE_COUNT || def->kind == AGGREGATE_SUM) {
        /* first_visible passes index i when now − window reaches (i + 1) × width. */
        for (uint32_t i = 0; i < a->count && next == INT64_MAX; i++) {
            int64_t leaves = (a->buckets[i].index + 1) * def->width_ms + def->window_ms;
            if (leaves > t_ms)
                next = leaves;
        }
    } else if (def->kind == AGGREGATE_OPEN) {
        for (uint32_t i = 0; i < a->count; i++) {
            const struct open_case *c = &a->cases[i];
            int64_t leaves = c->opened_ms > c->closed_ms ? c->opened_ms + def->window_ms : INT64_MIN;
            if (leaves > t_ms && leaves < next)
                next = leaves;
        }
    }
    return next;
}

struct value state_age(const struct state *s, size_t aggregate, int64_t now_ms)
{
    int64_t last = s->aggregates[aggregate].last_ms;
    if (last == INT64_MIN || now_ms - last > DURATION_MAX_MS)
        return value_duration(DURATION_MAX_MS);
    return value_duration(now_ms - last);
}
