/* The keys of a property by decayed weight, at most STATE_TOP_MAX; see aggregate_kinds.h and aggregate_decay.h.
 *
 *   top  v half-life in minutes | s latest event | 8 bytes Σ w of all events | then for each key: v length | key | 8 bytes w
 *
 * A key takes 9 bytes and its text. Frequent keys after Misra and Gries (1982), merged after Agarwal et al. (2012), which
 * decaying does not disturb since it scales all weights alike: where there is no room for a key, the least of all weights,
 * the newcomer's included, is taken from each. So a weight is never too large, and too small by at most
 * (Σ w − Σ kept w) / (K + 1); it is exact, to roundings, while there were never more than K keys.
 * SPDX-License-Identifier: Apache-2.0 */
#include "state/aggregate_top.h"
#include "state/aggregate_decay.h"
#include "state/codec_value.h"
#include <math.h>

struct str aggregate_key_text(struct value v, char buf[STATE_KEY_MAX])
{
    if (v.type == VALUE_STRING)
        return str_cut(value_str(v), STATE_KEY_MAX);
    struct buf b;
    buf_init(&b, STATE_KEY_MAX);
    b.p = (uint8_t *)buf; /* borrowed: never grown past its capacity, never freed */
    b.capacity = STATE_KEY_MAX;
    value_format(v, &b);
    return (struct str){buf, b.n};
}

static void scale(struct aggregate_state *a, double factor)
{
    a->weight *= factor;
    for (uint32_t i = 0; i < a->count; i++)
        a->keys[i].weight *= factor;
}

/* Takes `loss` from every weight; keys without any go. */
static void take_from_all(struct aggregate_state *a, double loss)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < a->count; i++) {
        a->keys[i].weight -= loss;
        if (a->keys[i].weight > 0)
            a->keys[kept++] = a->keys[i];
    }
    a->count = kept;
}

static double least_weight(const struct aggregate_state *a)
{
    double least = a->keys[0].weight;
    for (uint32_t i = 1; i < a->count; i++)
        least = a->keys[i].weight < least ? a->keys[i].weight : least;
    return least;
}

static int key_insert(struct aggregate_state *a, uint32_t at, struct str key, double weight, struct arena *arena)
{
    if (a->count == STATE_TOP_MAX) {
        double least = least_weight(a), loss = least < weight ? least : weight;
        take_from_all(a, loss);
        weight -= loss;
        if (!(weight > 0))
            return 0;
        for (at = 0; at < a->count && str_cmp(a->keys[at].key, key) < 0;)
            at++;
    }
    struct str copy = arena_str(arena, key);
    if (!copy.p || !items_grow(a, sizeof *a->keys, arena))
        return ERR_NOSPACE;
    items_open(a, at, sizeof *a->keys);
    a->keys[at] = (struct top_key){copy, weight};
    return 0;
}

static int key_add(struct aggregate_state *a, struct str key, double weight, struct arena *arena)
{
    uint32_t at = 0;
    int order = 1;
    while (at < a->count && (order = str_cmp(a->keys[at].key, key)) < 0)
        at++;
    if (at < a->count && order == 0) {
        a->keys[at].weight += weight;
        return 0;
    }
    return key_insert(a, at, key, weight, arena);
}

/* Brings a's weights to the later of its instant and at_ms; the weight, there, of what happened at at_ms. */
static double align(struct aggregate_state *a, int64_t half_life_ms, int64_t at_ms)
{
    if (!(a->weight > 0)) {
        a->half_life_min = (uint32_t)(half_life_ms / 60000);
        a->last_ms = at_ms;
        return 1;
    }
    if (at_ms > a->last_ms) {
        scale(a, decay_weight(at_ms - a->last_ms, half_life_ms));
        a->last_ms = at_ms;
        take_from_all(a, 0); /* what has become nothing */
    }
    return decay_weight(a->last_ms - at_ms, half_life_ms);
}

static int top_apply(const struct schema_aggregate *def, struct aggregate_state *a, const struct aggregate_event *e,
                     int64_t now_ms, struct arena *arena)
{
    (void)now_ms;
    char text[STATE_KEY_MAX];
    double weight = align(a, def->half_life_ms, e->time_ms);
    if (!(weight > 0))
        return 0;
    a->weight += weight;
    return key_add(a, aggregate_key_text(e->value, text), weight, arena);
}

static bool is_over(const struct aggregate_state *a, int64_t half_life_ms, int64_t now_ms, int halvings)
{
    return decay_instant(a->last_ms, half_life_ms, now_ms) > decay_end(a->last_ms, half_life_ms, halvings);
}

static bool top_prune(const struct schema_aggregate *def, struct aggregate_state *a, int64_t now_ms)
{
    if (!(a->weight > 0) || !is_over(a, def->half_life_ms, now_ms, DECAY_HALVINGS_MAX))
        return false;
    a->count = 0;
    a->weight = 0;
    return true;
}

static struct value top_value(const struct schema_aggregate *def, const struct aggregate_state *a, int64_t now_ms)
{
    if (a->count == 0 || is_over(a, def->half_life_ms, now_ms, TOP_HALVINGS_MAX))
        return value_unknown(UNKNOWN_ABSENT);
    uint32_t best = 0;
    for (uint32_t i = 1; i < a->count; i++)
        if (a->keys[i].weight > a->keys[best].weight)
            best = i;
    return value_string(a->keys[best].key);
}

/* All weights fade alike, so nothing changes before it says nothing. What was dropped whole after DECAY_HALVINGS_MAX and what
 * was not, by the order of arrival, differ by less than 2^-32 of what is there while it still says something. */
static int64_t top_next_change(const struct schema_aggregate *def, const struct aggregate_state *a, int64_t t_ms)
{
    if (is_over(a, def->half_life_ms, t_ms, TOP_HALVINGS_MAX))
        return INT64_MAX;
    int64_t end = decay_end(a->last_ms, def->half_life_ms, TOP_HALVINGS_MAX);
    return decay_next_step(a->last_ms, def->half_life_ms, end > t_ms ? end : t_ms);
}

struct value state_affinity(const struct state *s, size_t aggregate, struct value key, int64_t now_ms)
{
    const struct schema_aggregate *def = &s->schema->aggregates[aggregate];
    const struct aggregate_state *a = aggregate_look(s, aggregate);
    if (!a)
        return value_unknown(UNKNOWN_UNREADABLE);
    if (key.type == VALUE_UNKNOWN)
        return key;
    if (a->count == 0 || is_over(a, def->half_life_ms, now_ms, TOP_HALVINGS_MAX))
        return value_unknown(UNKNOWN_ABSENT);
    char text[STATE_KEY_MAX];
    struct str wanted = aggregate_key_text(key, text);
    for (uint32_t i = 0; i < a->count; i++)
        if (str_eq(a->keys[i].key, wanted))
            return value_double(a->keys[i].weight / a->weight);
    return value_double(0);
}

double state_top_error(const struct state *s, size_t aggregate)
{
    const struct aggregate_state *a = aggregate_look(s, aggregate);
    if (!a || a->count == 0)
        return 0;
    double kept = 0;
    for (uint32_t i = 0; i < a->count; i++)
        kept += a->keys[i].weight;
    double error = (a->weight - kept) / (STATE_TOP_MAX + 1) / a->weight;
    return error > 0 ? error : 0;
}

static void top_put(struct buf *out, const struct aggregate_state *a)
{
    buf_varint(out, a->half_life_min);
    buf_svarint(out, a->last_ms);
    decay_put_number(out, a->weight);
    for (uint32_t i = 0; i < a->count; i++) {
        buf_varint(out, a->keys[i].key.n);
        buf_str(out, a->keys[i].key);
        decay_put_number(out, a->keys[i].weight);
    }
}

static int top_get(struct cursor *c, struct aggregate_state *a, struct arena *arena)
{
    int64_t half_life_ms = decay_get_half_life(c);
    a->half_life_min = (uint32_t)(half_life_ms / 60000);
    a->last_ms = cursor_svarint(c);
    a->weight = decay_get_number(c);
    if (half_life_ms == 0 || !time_ok(a->last_ms) || !isfinite(a->weight) || !(a->weight > 0))
        return ERR_CORRUPT;
    int rc = items_room(c, a, 9, sizeof *a->keys, arena);
    while (!rc && cursor_left(c) && !c->failed) {
        uint64_t n = cursor_varint(c);
        const uint8_t *p = n <= STATE_KEY_MAX ? cursor_bytes(c, (size_t)n) : NULL;
        if (!p)
            return ERR_CORRUPT;
        struct top_key k = {{(const char *)p, (size_t)n}, decay_get_number(c)};
        bool in_order = a->count == 0 || str_cmp(a->keys[a->count - 1].key, k.key) < 0;
        if (a->count == STATE_TOP_MAX || !in_order || !isfinite(k.weight) || !(k.weight > 0))
            return ERR_CORRUPT;
        a->keys[a->count++] = k;
    }
    return rc;
}

static int top_merge(struct aggregate_state *a, const struct aggregate_state *b, struct arena *arena)
{
    if (!(b->weight > 0))
        return 0;
    double factor = align(a, b->half_life_min * INT64_C(60000), b->last_ms);
    a->weight += b->weight * factor;
    int rc = 0;
    for (uint32_t i = 0; i < b->count && !rc; i++)
        if (b->keys[i].weight * factor > 0)
            rc = key_add(a, b->keys[i].key, b->keys[i].weight * factor, arena);
    return rc;
}

const struct aggregate_ops aggregate_top = {top_apply,       top_prune, decay_stale, top_value,
                                            top_next_change, top_put,   top_get,     top_merge};
