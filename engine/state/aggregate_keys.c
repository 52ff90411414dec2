/* Events of a window by the value of a property: how many values, and how often the most frequent came; see
 * aggregate_kinds.h.
 *
 *   keys  v different keys | 4 bytes each, ascending | s index of the first cell | then for each cell: (but the first: v index
 *         gap) | v which key | v events
 *
 * A key takes 4 bytes and a cell, one of its values in a bucket, 3. The latest STATE_CELLS_MAX cells are kept, by (index, key): a cell that
 * was dropped can never come back among them, so what is kept does not depend on the order of arrival, and is the same when
 * two states are merged. While no more than that fall into the window, the results are exact (values are told apart by 32
 * bits of hash); past it they are those of the latest cells.
 * SPDX-License-Identifier: Apache-2.0 */
#include "state/aggregate_keys.h"

static int cell_add(struct aggregate_state *a, int64_t index, uint32_t key, uint32_t count, struct arena *arena)
{
    uint32_t at = a->count;
    while (at > 0 && (a->cells[at - 1].index > index ||
                      (a->cells[at - 1].index == index && a->cells[at - 1].key > key)))
        at--;
    if (at > 0 && a->cells[at - 1].index == index && a->cells[at - 1].key == key) {
        uint32_t *n = &a->cells[at - 1].count;
        *n = *n > UINT32_MAX - count ? UINT32_MAX : *n + count;
        return 0;
    }
    if (a->count == STATE_CELLS_MAX) {
        if (at == 0)
            return 0; /* older than all that are kept */
        memmove(a->cells, a->cells + 1, (at - 1) * sizeof *a->cells);
        a->cells[at - 1] = (struct key_cell){index, key, count};
        return 0;
    }
    if (!items_grow(a, sizeof *a->cells, arena))
        return ERR_NOSPACE;
    items_open(a, at, sizeof *a->cells);
    a->cells[at] = (struct key_cell){index, key, count};
    return 0;
}

static int keys_apply(const struct schema_aggregate *def, struct aggregate_state *a, const struct aggregate_event *e,
                      int64_t now_ms, struct arena *arena)
{
    int64_t index = ms_floor(e->time_ms, def->width_ms);
    if (index < first_visible(def, now_ms))
        return 0;
    return cell_add(a, index, (uint32_t)(aggregate_case_key(e->value) >> 32), 1, arena);
}

static bool keys_prune(const struct schema_aggregate *def, struct aggregate_state *a, int64_t now_ms)
{
    int64_t least = first_visible(def, now_ms);
    uint32_t gone = 0;
    while (gone < a->count && a->cells[gone].index < least)
        gone++;
    items_drop(a, 0, gone, sizeof *a->cells);
    return gone > 0;
}

/* Visits each key that the window sees once: how many there are, and the most events of one. */
static int64_t keys_visible(const struct schema_aggregate *def, const struct aggregate_state *a, int64_t now_ms,
                            int64_t *most)
{
    int64_t least = first_visible(def, now_ms), distinct = 0;
    uint32_t from = 0;
    while (from < a->count && a->cells[from].index < least)
        from++;
    *most = 0;
    for (uint32_t i = from; i < a->count; i++) {
        bool first = true;
        for (uint32_t k = from; k < i && first; k++)
            first = a->cells[k].key != a->cells[i].key;
        if (!first)
            continue;
        int64_t events = 0;
        for (uint32_t k = i; k < a->count; k++)
            events += a->cells[k].key == a->cells[i].key ? a->cells[k].count : 0;
        distinct++;
        *most = events > *most ? events : *most;
    }
    return distinct;
}

static struct value keys_value(const struct schema_aggregate *def, const struct aggregate_state *a, int64_t now_ms)
{
    int64_t most;
    return value_int(keys_visible(def, a, now_ms, &most));
}

struct value state_repeats(const struct state *s, size_t aggregate, int64_t now_ms)
{
    const struct aggregate_state *a = aggregate_look(s, aggregate);
    if (!a)
        return value_unknown(UNKNOWN_UNREADABLE);
    int64_t most;
    (void)keys_visible(&s->schema->aggregates[aggregate], a, now_ms, &most);
    return value_int(most);
}

static int64_t keys_next_change(const struct schema_aggregate *def, const struct aggregate_state *a, int64_t t_ms)
{
    for (uint32_t i = 0; i < a->count; i++) {
        int64_t leaves = bucket_leaves(def, a->cells[i].index);
        if (leaves > t_ms)
            return leaves;
    }
    return INT64_MAX;
}

/* The different keys of the cells, ascending; how many there are. */
static uint32_t keys_of(const struct aggregate_state *a, uint32_t keys[STATE_CELLS_MAX])
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < a->count; i++) {
        uint32_t at = n;
        while (at > 0 && keys[at - 1] > a->cells[i].key)
            at--;
        if (at > 0 && keys[at - 1] == a->cells[i].key)
            continue;
        memmove(keys + at + 1, keys + at, (n - at) * sizeof *keys);
        keys[at] = a->cells[i].key;
        n++;
    }
    return n;
}

static void keys_put(struct buf *out, const struct aggregate_state *a)
{
    uint32_t keys[STATE_CELLS_MAX], n = keys_of(a, keys);
    buf_varint(out, n);
    for (uint32_t i = 0; i < n; i++)
        buf_u32le(out, keys[i]);
    for (uint32_t i = 0; i < a->count; i++) {
        const struct key_cell *k = &a->cells[i];
        uint32_t which = 0;
        while (keys[which] != k->key)
            which++;
        if (i == 0)
            buf_svarint(out, k->index);
        else
            buf_varint(out, (uint64_t)(k->index - a->cells[i - 1].index));
        buf_varint(out, which);
        buf_varint(out, k->count);
    }
}

static bool get_keys(struct cursor *c, uint32_t keys[STATE_CELLS_MAX], uint64_t *count)
{
    *count = cursor_varint(c);
    if (*count == 0 || *count > STATE_CELLS_MAX)
        return false;
    for (uint64_t i = 0; i < *count; i++) {
        keys[i] = cursor_u32le(c);
        if (i > 0 && keys[i] <= keys[i - 1])
            return false;
    }
    return !c->failed;
}

static int keys_get(struct cursor *c, struct aggregate_state *a, struct arena *arena)
{
    uint32_t keys[STATE_CELLS_MAX];
    uint64_t key_count;
    if (!get_keys(c, keys, &key_count))
        return ERR_CORRUPT;
    int rc = items_room(c, a, 3, sizeof *a->cells, arena);
    while (!rc && cursor_left(c) && !c->failed) {
        struct key_cell k = {0};
        if (a->count == 0) {
            k.index = cursor_svarint(c);
        } else {
            uint64_t gap = cursor_varint(c);
            if (gap > INT64_MAX || __builtin_add_overflow(a->cells[a->count - 1].index, (int64_t)gap, &k.index))
                return ERR_CORRUPT;
        }
        uint64_t which = cursor_varint(c), n = cursor_varint(c);
        if (which >= key_count)
            return ERR_CORRUPT;
        k.key = keys[which];
        bool in_order = a->count == 0 || k.index > a->cells[a->count - 1].index ||
                        k.key > a->cells[a->count - 1].key;
        if (a->count == STATE_CELLS_MAX || !in_order || n == 0 || n > UINT32_MAX || k.index >= INT64_MAX / 2 ||
            k.index <= INT64_MIN / 2)
            return ERR_CORRUPT;
        k.count = (uint32_t)n;
        a->cells[a->count++] = k;
    }
    return rc;
}

static int keys_merge(struct aggregate_state *a, const struct aggregate_state *b, struct arena *arena)
{
    int rc = 0;
    for (uint32_t i = 0; i < b->count && !rc; i++)
        rc = cell_add(a, b->cells[i].index, b->cells[i].key, b->cells[i].count, arena);
    return rc;
}

/* The first index stands behind the keys. */
static bool keys_stale(const struct schema_aggregate *def, struct str raw, int64_t now_ms)
{
    struct cursor c = cursor_of(raw.p, raw.n);
    uint64_t n = cursor_varint(&c);
    (void)cursor_bytes(&c, n > STATE_CELLS_MAX ? 0 : (size_t)n * 4);
    return cursor_svarint(&c) < first_visible(def, now_ms);
}

const struct aggregate_ops aggregate_keys = {keys_apply,       keys_prune, keys_stale, keys_value,
                                             keys_next_change, keys_put,   keys_get,   keys_merge};
