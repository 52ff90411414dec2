/* Aggregates kept as a sparse ring of buckets: counts, sums, extremes, hours of the week; see aggregate_kinds.h.
 *
 *   count, sum, hours  s index of the first | s value | then for each next bucket: v index gap − 1 | s value
 *   min, max           the same with a number (codec_value.h) for the value
 *
 * A customer of typical size has 1 to 6 buckets, of 2 to 5 bytes each.
 * SPDX-License-Identifier: Apache-2.0 */
#include "state/aggregate_ring.h"
#include "state/codec_value.h"
#include <math.h>

/* ---- changing ---- */

/* The bucket of that index, made with zero when there is none; NULL when the arena is full. fresh: whether it was made. */
static struct bucket *bucket_at(struct aggregate_state *a, int64_t index, bool *fresh, struct arena *arena)
{
    uint32_t at = a->count;
    while (at > 0 && a->buckets[at - 1].index > index)
        at--;
    *fresh = at == 0 || a->buckets[at - 1].index != index;
    if (!*fresh)
        return &a->buckets[at - 1];
    if (!items_grow(a, sizeof *a->buckets, arena))
        return NULL;
    items_open(a, at, sizeof *a->buckets);
    a->buckets[at] = (struct bucket){.index = index};
    return &a->buckets[at];
}

static double number_of(struct value v)
{
    return v.type == VALUE_INT ? (double)v.integer : v.number;
}

static int bucket_add(struct aggregate_state *a, int64_t index, int64_t value, struct arena *arena)
{
    bool fresh;
    struct bucket *b = bucket_at(a, index, &fresh, arena);
    if (!b)
        return ERR_NOSPACE;
    b->value = add_saturating(b->value, value);
    return 0;
}

static int bucket_pick(struct aggregate_state *a, int64_t index, double number, bool least, struct arena *arena)
{
    bool fresh;
    struct bucket *b = bucket_at(a, index, &fresh, arena);
    if (!b)
        return ERR_NOSPACE;
    if (fresh || (least ? number < b->number : number > b->number))
        b->number = number;
    return 0;
}

static int count_apply(const struct schema_aggregate *def, struct aggregate_state *a, const struct aggregate_event *e,
                       int64_t now_ms, struct arena *arena)
{
    int64_t index = ms_floor(e->time_ms, def->width_ms);
    return index < first_visible(def, now_ms) ? 0 : bucket_add(a, index, 1, arena);
}

static int sum_apply(const struct schema_aggregate *def, struct aggregate_state *a, const struct aggregate_event *e,
                     int64_t now_ms, struct arena *arena)
{
    int64_t index = ms_floor(e->time_ms, def->width_ms);
    if (index < first_visible(def, now_ms))
        return 0;
    return bucket_add(a, index, llround(number_of(e->value) * STATE_SUM_SCALE), arena);
}

static int extreme_apply(const struct schema_aggregate *def, struct aggregate_state *a,
                         const struct aggregate_event *e, int64_t now_ms, struct arena *arena)
{
    int64_t index = ms_floor(e->time_ms, def->width_ms);
    if (index < first_visible(def, now_ms))
        return 0;
    return bucket_pick(a, index, number_of(e->value), def->kind == AGGREGATE_MIN, arena);
}

static int hours_apply(const struct schema_aggregate *def, struct aggregate_state *a, const struct aggregate_event *e,
                       int64_t now_ms, struct arena *arena)
{
    int64_t period = ms_floor(e->time_ms, def->width_ms);
    return period < first_visible(def, now_ms) ? 0 : bucket_add(a, period * WEEK_HOURS + e->week_hour, 1, arena);
}

static bool prune_below(struct aggregate_state *a, int64_t least)
{
    uint32_t gone = 0;
    while (gone < a->count && a->buckets[gone].index < least)
        gone++;
    items_drop(a, 0, gone, sizeof *a->buckets);
    return gone > 0;
}

static bool ring_prune(const struct schema_aggregate *def, struct aggregate_state *a, int64_t now_ms)
{
    return prune_below(a, first_visible(def, now_ms));
}

static bool hours_prune(const struct schema_aggregate *def, struct aggregate_state *a, int64_t now_ms)
{
    return prune_below(a, first_visible(def, now_ms) * WEEK_HOURS);
}

static bool hours_stale(const struct schema_aggregate *def, struct str raw, int64_t now_ms)
{
    struct cursor c = cursor_of(raw.p, raw.n);
    return cursor_svarint(&c) < first_visible(def, now_ms) * WEEK_HOURS;
}

/* ---- reading ---- */

static int64_t total(const struct aggregate_state *a, int64_t least)
{
    int64_t sum = 0;
    for (uint32_t i = a->count; i-- > 0 && a->buckets[i].index >= least;)
        sum = add_saturating(sum, a->buckets[i].value);
    return sum;
}

static struct value count_value(const struct schema_aggregate *def, const struct aggregate_state *a, int64_t now_ms)
{
    return value_int(total(a, first_visible(def, now_ms)));
}

static struct value sum_value(const struct schema_aggregate *def, const struct aggregate_state *a, int64_t now_ms)
{
    return value_double((double)total(a, first_visible(def, now_ms)) / STATE_SUM_SCALE);
}

static struct value extreme_value(const struct schema_aggregate *def, const struct aggregate_state *a, int64_t now_ms)
{
    int64_t least = first_visible(def, now_ms);
    bool any = false;
    double best = 0;
    for (uint32_t i = a->count; i-- > 0 && a->buckets[i].index >= least;) {
        double n = a->buckets[i].number;
        if (!any || (def->kind == AGGREGATE_MIN ? n < best : n > best))
            best = n;
        any = true;
    }
    if (!any)
        return value_unknown(UNKNOWN_ABSENT);
    return def->type == VALUE_INT ? value_int((int64_t)best) : value_double(best);
}

static struct value hours_value(const struct schema_aggregate *def, const struct aggregate_state *a, int64_t now_ms)
{
    (void)def, (void)a, (void)now_ms;
    return value_unknown(UNKNOWN_ABSENT); /* a number an hour: state_hour_affinity */
}

static int64_t ring_next_change(const struct schema_aggregate *def, const struct aggregate_state *a, int64_t t_ms)
{
    for (uint32_t i = 0; i < a->count; i++) {
        int64_t leaves = bucket_leaves(def, a->buckets[i].index);
        if (leaves > t_ms)
            return leaves;
    }
    return INT64_MAX;
}

static int64_t hours_next_change(const struct schema_aggregate *def, const struct aggregate_state *a, int64_t t_ms)
{
    for (uint32_t i = 0; i < a->count; i++) {
        int64_t leaves = bucket_leaves(def, ms_floor(a->buckets[i].index, WEEK_HOURS));
        if (leaves > t_ms)
            return leaves;
    }
    return INT64_MAX;
}

struct value state_hour_affinity(const struct state *s, size_t aggregate, int week_hour, int64_t now_ms)
{
    const struct schema_aggregate *def = &s->schema->aggregates[aggregate];
    const struct aggregate_state *a = aggregate_look(s, aggregate);
    if (!a)
        return value_unknown(UNKNOWN_UNREADABLE);
    int64_t least = first_visible(def, now_ms) * WEEK_HOURS, all = 0, quarters = 0;
    for (uint32_t i = a->count; i-- > 0 && a->buckets[i].index >= least;) {
        int64_t hour = a->buckets[i].index - ms_floor(a->buckets[i].index, WEEK_HOURS) * WEEK_HOURS;
        int64_t apart = (hour - week_hour + WEEK_HOURS) % WEEK_HOURS, n = a->buckets[i].value;
        n = n < 0 ? 0 : n > INT64_MAX / 8 ? INT64_MAX / 8 : n; /* whatever a writer made of it */
        int64_t weight = apart == 0                             ? 4
                         : apart == 1 || apart == WEEK_HOURS - 1 ? 2
                         : apart % 24 == 0                       ? 1
                                                                 : 0;
        all = add_saturating(all, n);
        quarters = add_saturating(quarters, n * weight);
    }
    double w = (double)quarters / (4 * 3.5);
    return value_double(((double)WEEK_HOURS * w + 1) / ((double)all + 1));
}

/* ---- payload ---- */

static void put_index(struct buf *out, const struct aggregate_state *a, uint32_t i)
{
    if (i == 0)
        buf_svarint(out, a->buckets[0].index);
    else
        buf_varint(out, (uint64_t)(a->buckets[i].index - a->buckets[i - 1].index - 1));
}

static bool get_index(struct cursor *c, const struct aggregate_state *a, int64_t *index)
{
    if (a->count == 0) {
        *index = cursor_svarint(c);
    } else {
        uint64_t gap = cursor_varint(c);
        if (gap > (uint64_t)INT64_MAX - 1 ||
            __builtin_add_overflow(a->buckets[a->count - 1].index, (int64_t)gap + 1, index))
            return false;
    }
    return *index < INT64_MAX / 2 && *index > INT64_MIN / 2;
}

static void ring_put(struct buf *out, const struct aggregate_state *a)
{
    for (uint32_t i = 0; i < a->count; i++) {
        put_index(out, a, i);
        buf_svarint(out, a->buckets[i].value);
    }
}

static int ring_get(struct cursor *c, struct aggregate_state *a, struct arena *arena)
{
    int rc = items_room(c, a, 2, sizeof *a->buckets, arena);
    while (!rc && cursor_left(c) && !c->failed) {
        int64_t index;
        if (!get_index(c, a, &index))
            return ERR_CORRUPT;
        a->buckets[a->count++] = (struct bucket){.index = index, .value = cursor_svarint(c)};
    }
    return rc;
}

static void extreme_put(struct buf *out, const struct aggregate_state *a)
{
    for (uint32_t i = 0; i < a->count; i++) {
        put_index(out, a, i);
        value_put(out, value_double(a->buckets[i].number));
    }
}

static int extreme_get(struct cursor *c, struct aggregate_state *a, struct arena *arena)
{
    int rc = items_room(c, a, 3, sizeof *a->buckets, arena);
    while (!rc && cursor_left(c) && !c->failed) {
        int64_t index;
        struct value v;
        if (!get_index(c, a, &index) || !value_get(c, &v) || v.type != VALUE_DOUBLE || fabs(v.number) > STATE_NUMBER_MAX)
            return ERR_CORRUPT;
        a->buckets[a->count++] = (struct bucket){.index = index, .number = v.number};
    }
    return rc;
}

static int ring_merge(struct aggregate_state *a, const struct aggregate_state *b, struct arena *arena)
{
    int rc = 0;
    for (uint32_t i = 0; i < b->count && !rc; i++)
        rc = bucket_add(a, b->buckets[i].index, b->buckets[i].value, arena);
    return rc;
}

static int extreme_merge(struct aggregate_state *a, const struct aggregate_state *b, bool least, struct arena *arena)
{
    int rc = 0;
    for (uint32_t i = 0; i < b->count && !rc; i++)
        rc = bucket_pick(a, b->buckets[i].index, b->buckets[i].number, least, arena);
    return rc;
}

static int min_merge(struct aggregate_state *a, const struct aggregate_state *b, struct arena *arena)
{
    return extreme_merge(a, b, true, arena);
}

static int max_merge(struct aggregate_state *a, const struct aggregate_state *b, struct arena *arena)
{
    return extreme_merge(a, b, false, arena);
}

const struct aggregate_ops aggregate_ring_count = {count_apply, ring_prune, ring_stale, count_value,
                                                   ring_next_change, ring_put, ring_get, ring_merge};
const struct aggregate_ops aggregate_ring_sum = {sum_apply, ring_prune, ring_stale, sum_value,
                                                 ring_next_change, ring_put, ring_get, ring_merge};
const struct aggregate_ops aggregate_ring_min = {extreme_apply, ring_prune, ring_stale, extreme_value,
                                                 ring_next_change, extreme_put, extreme_get, min_merge};
const struct aggregate_ops aggregate_ring_max = {extreme_apply, ring_prune, ring_stale, extreme_value,
                                                 ring_next_change, extreme_put, extreme_get, max_merge};
const struct aggregate_ops aggregate_ring_hours = {hours_apply, hours_prune, hours_stale, hours_value,
                                                   hours_next_change, ring_put, ring_get, ring_merge};
