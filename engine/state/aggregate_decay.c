/* Decayed sums and moods; see aggregate_kinds.h and aggregate_decay.h.
 *
 *   decayed, mood  v half-life in minutes | s latest event | 8 bytes Σ value × w | (mood) 8 bytes Σ w
 *
 * w = 2^(−age / half-life) at the latest event. An event that arrives late is added with the weight that it has by then; one
 * that is later than all moves the reference. Sums of doubles in another order differ by roundings only (1e-9 is promised,
 * 1e-13 is seen).
 * SPDX-License-Identifier: Apache-2.0 */
#include "state/aggregate_decay.h"
#include "base/exact.h"
#include "state/codec_value.h"
#include <math.h>

#define LN_2 0.693147180559945309417

double decay_weight(int64_t age_ms, int64_t half_life_ms)
{
    if (age_ms <= 0)
        return 1;
    double halvings = (double)age_ms / (double)half_life_ms;
    return halvings > (double)DECAY_HALVINGS_MAX ? 0 : exact_exp(-halvings * LN_2);
}

static int64_t step_of(int64_t half_life_ms)
{
    return half_life_ms / DECAY_STEPS > 0 ? half_life_ms / DECAY_STEPS : 1;
}

int64_t decay_instant(int64_t latest_ms, int64_t half_life_ms, int64_t now_ms)
{
    int64_t step = step_of(half_life_ms), at = ms_floor(now_ms, step) * step;
    return at > latest_ms ? at : latest_ms;
}

int64_t decay_end(int64_t latest_ms, int64_t half_life_ms, int halvings)
{
    return add_saturating(latest_ms, half_life_ms * halvings);
}

int64_t decay_next_step(int64_t latest_ms, int64_t half_life_ms, int64_t t_ms)
{
    int64_t step = step_of(half_life_ms), from = t_ms > latest_ms ? t_ms : latest_ms;
    if (decay_instant(latest_ms, half_life_ms, t_ms) > decay_end(latest_ms, half_life_ms, DECAY_HALVINGS_MAX))
        return INT64_MAX;
    return (ms_floor(from, step) + 1) * step;
}

int64_t decay_get_half_life(struct cursor *c)
{
    uint64_t minutes = cursor_varint(c);
    return minutes > (uint64_t)(WINDOW_MAX_MS / 60000) ? 0 : (int64_t)minutes * 60000;
}

bool decay_stale(const struct schema_aggregate *def, struct str raw, int64_t now_ms)
{
    struct cursor c = cursor_of(raw.p, raw.n);
    (void)cursor_varint(&c);
    return decay_end(cursor_svarint(&c), def->half_life_ms, DECAY_HALVINGS_MAX) < now_ms;
}

/* Adds sums that are relative to `at`. */
static void add(struct aggregate_state *a, int64_t half_life_ms, int64_t at_ms, double sum, double weight)
{
    if (a->count == 0) {
        a->count = 1;
        a->half_life_min = (uint32_t)(half_life_ms / 60000);
        a->last_ms = at_ms;
        a->sum = sum;
        a->weight = weight;
        return;
    }
    double theirs = decay_weight(a->last_ms - at_ms, half_life_ms), ours = decay_weight(at_ms - a->last_ms, half_life_ms);
    a->sum = a->sum * ours + sum * theirs;
    a->weight = a->weight * ours + weight * theirs;
    if (at_ms > a->last_ms)
        a->last_ms = at_ms;
}

static int apply(const struct schema_aggregate *def, struct aggregate_state *a, const struct aggregate_event *e,
                 int64_t now_ms, struct arena *arena)
{
    (void)now_ms, (void)arena;
    double value = e->value.type == VALUE_UNKNOWN ? 1
                   : e->value.type == VALUE_INT   ? (double)e->value.integer
                                                  : e->value.number;
    add(a, def->half_life_ms, e->time_ms, value, 1);
    return 0;
}

static bool prune(const struct schema_aggregate *def, struct aggregate_state *a, int64_t now_ms)
{
    int64_t end_ms = decay_end(a->last_ms, def->half_life_ms, DECAY_HALVINGS_MAX);
    if (a->count == 0 || decay_instant(a->last_ms, def->half_life_ms, now_ms) <= end_ms)
        return false;
    a->count = 0;
    return true;
}

static struct value decayed_value(const struct schema_aggregate *def, const struct aggregate_state *a, int64_t now_ms)
{
    if (a->count == 0)
        return value_double(0);
    int64_t at = decay_instant(a->last_ms, def->half_life_ms, now_ms);
    return value_double(a->sum * decay_weight(at - a->last_ms, def->half_life_ms));
}

static struct value mood_value(const struct schema_aggregate *def, const struct aggregate_state *a, int64_t now_ms)
{
    if (a->count == 0)
        return value_double(0);
    double faded = decay_weight(decay_instant(a->last_ms, def->half_life_ms, now_ms) - a->last_ms, def->half_life_ms);
    double weight = a->weight * faded;
    return value_double(a->sum * faded / (weight > 1 ? weight : 1));
}

static int64_t next_change(const struct schema_aggregate *def, const struct aggregate_state *a, int64_t t_ms)
{
    return decay_next_step(a->last_ms, def->half_life_ms, t_ms);
}

static void put(struct buf *out, const struct aggregate_state *a)
{
    buf_varint(out, a->half_life_min);
    buf_svarint(out, a->last_ms);
    decay_put_number(out, a->sum);
}

static void mood_put(struct buf *out, const struct aggregate_state *a)
{
    put(out, a);
    decay_put_number(out, a->weight);
}

static int get(struct cursor *c, struct aggregate_state *a, struct arena *arena)
{
    (void)arena;
    int64_t half_life_ms = decay_get_half_life(c);
    a->half_life_min = (uint32_t)(half_life_ms / 60000);
    a->count = 1;
    a->last_ms = cursor_svarint(c);
    a->sum = decay_get_number(c);
    a->weight = 1;
    return half_life_ms > 0 && time_ok(a->last_ms) && isfinite(a->sum) ? 0 : ERR_CORRUPT;
}

static int mood_get(struct cursor *c, struct aggregate_state *a, struct arena *arena)
{
    int rc = get(c, a, arena);
    a->weight = decay_get_number(c);
    return rc || !isfinite(a->weight) || a->weight < 0 ? ERR_CORRUPT : 0;
}

static int merge(struct aggregate_state *a, const struct aggregate_state *b, struct arena *arena)
{
    (void)arena;
    if (b->count)
        add(a, b->half_life_min * INT64_C(60000), b->last_ms, b->sum, b->weight);
    return 0;
}

const struct aggregate_ops aggregate_decayed = {apply, prune, decay_stale, decayed_value, next_change, put, get, merge};
const struct aggregate_ops aggregate_mood = {apply,       prune,    decay_stale, mood_value,
                                             next_change, mood_put, mood_get,    merge};
