/* Cases that are opened and closed, by key; see aggregate_kinds.h.
 *
 *   open  for each case: 8 bytes key | byte (1 opened, 2 closed) | s opened | s closed − opened (or s closed alone)
 *
 * A case takes 15 bytes while it is open, 18 to 21 when it was closed.
 * SPDX-License-Identifier: Apache-2.0 */
#include "state/aggregate_open.h"
#include "state/codec_value.h"

enum { CASE_OPENED = 1, CASE_CLOSED = 2 };

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

static int case_insert(struct aggregate_state *a, const struct open_case *c, struct arena *arena)
{
    if (!items_grow(a, sizeof *a->cases, arena))
        return ERR_NOSPACE;
    uint32_t at = a->count;
    while (at > 0 && case_before(c, &a->cases[at - 1]))
        at--;
    items_open(a, at, sizeof *a->cases);
    a->cases[at] = *c;
    return 0;
}

/* A case is known by its key; it keeps its latest opening and its latest closing (INT64_MIN: none). */
static int case_event(struct aggregate_state *a, uint64_t key, int64_t opened_ms, int64_t closed_ms,
                      struct arena *arena)
{
    struct open_case c = {key, INT64_MIN, INT64_MIN};
    for (uint32_t i = 0; i < a->count; i++)
        if (a->cases[i].key == key) {
            c = a->cases[i];
            items_drop(a, i, 1, sizeof *a->cases);
            break;
        }
    c.opened_ms = opened_ms > c.opened_ms ? opened_ms : c.opened_ms;
    c.closed_ms = closed_ms > c.closed_ms ? closed_ms : c.closed_ms;
    if (a->count == STATE_CASES_MAX) {
        uint32_t weakest = 0;
        for (uint32_t i = 1; i < a->count; i++)
            if (case_weaker(&a->cases[i], &a->cases[weakest]))
                weakest = i;
        if (case_weaker(&c, &a->cases[weakest]))
            return 0;
        items_drop(a, weakest, 1, sizeof *a->cases);
    }
    return case_insert(a, &c, arena);
}

static int open_apply(const struct schema_aggregate *def, struct aggregate_state *a, const struct aggregate_event *e,
                      int64_t now_ms, struct arena *arena)
{
    (void)def, (void)now_ms;
    return case_event(a, aggregate_case_key(e->value), e->closes ? INT64_MIN : e->time_ms,
                      e->closes ? e->time_ms : INT64_MIN, arena);
}

/* Openings and closings that have left the window say nothing any more: an opening that counts is later than both. What
 * is forgotten does not depend on the order of arrival, and neither does what stays. A closing inside the window stays,
 * since an earlier opening may still arrive. */
static bool open_prune(const struct schema_aggregate *def, struct aggregate_state *a, int64_t now_ms)
{
    int64_t gone_ms = now_ms - def->window_ms;
    uint32_t kept = 0;
    bool changed = false;
    for (uint32_t i = 0; i < a->count; i++) {
        struct open_case c = a->cases[i];
        bool old_opening = c.opened_ms != INT64_MIN && c.opened_ms <= gone_ms;
        bool old_closing = c.closed_ms != INT64_MIN && c.closed_ms <= gone_ms;
        changed |= old_opening || old_closing;
        if (old_opening)
            c.opened_ms = INT64_MIN;
        if (old_closing)
            c.closed_ms = INT64_MIN;
        if (c.opened_ms == INT64_MIN && c.closed_ms == INT64_MIN)
            continue;
        uint32_t at = kept++; /* at most i */
        for (; at > 0 && case_before(&c, &a->cases[at - 1]); at--)
            a->cases[at] = a->cases[at - 1];
        a->cases[at] = c;
    }
    a->count = kept;
    return changed;
}

static struct value open_value(const struct schema_aggregate *def, const struct aggregate_state *a, int64_t now_ms)
{
    int64_t open = 0;
    for (uint32_t i = 0; i < a->count; i++) {
        const struct open_case *c = &a->cases[i];
        open += c->opened_ms > c->closed_ms && c->opened_ms > now_ms - def->window_ms;
    }
    return value_int(open);
}

static int64_t open_next_change(const struct schema_aggregate *def, const struct aggregate_state *a, int64_t t_ms)
{
    int64_t next = INT64_MAX;
    for (uint32_t i = 0; i < a->count; i++) {
        const struct open_case *c = &a->cases[i];
        int64_t leaves = c->opened_ms > c->closed_ms ? c->opened_ms + def->window_ms : INT64_MIN;
        if (leaves > t_ms && leaves < next)
            next = leaves;
    }
    return next;
}

static void open_put(struct buf *out, const struct aggregate_state *a)
{
    for (uint32_t i = 0; i < a->count; i++) {
        const struct open_case *k = &a->cases[i];
        bool opened = k->opened_ms != INT64_MIN, closed = k->closed_ms != INT64_MIN;
        buf_u64le(out, k->key);
        buf_byte(out, (uint8_t)((opened ? CASE_OPENED : 0) | (closed ? CASE_CLOSED : 0)));
        if (opened)
            buf_svarint(out, k->opened_ms);
        if (closed)
            buf_svarint(out, opened ? k->closed_ms - k->opened_ms : k->closed_ms);
    }
}

static int open_get(struct cursor *c, struct aggregate_state *a, struct arena *arena)
{
    int rc = items_room(c, a, 10, sizeof *a->cases, arena);
    while (!rc && cursor_left(c) && !c->failed) {
        struct open_case k = {cursor_u64le(c), INT64_MIN, INT64_MIN};
        uint8_t flags = cursor_byte(c);
        if (a->count == STATE_CASES_MAX || flags == 0 || flags > (CASE_OPENED | CASE_CLOSED))
            return ERR_CORRUPT;
        if (flags & CASE_OPENED) {
            k.opened_ms = cursor_svarint(c);
            if (!time_ok(k.opened_ms))
                return ERR_CORRUPT;
        }
        if (flags & CASE_CLOSED) {
            int64_t v = cursor_svarint(c);
            if (__builtin_add_overflow(v, flags & CASE_OPENED ? k.opened_ms : 0, &k.closed_ms) ||
                !time_ok(k.closed_ms))
                return ERR_CORRUPT;
        }
        a->cases[a->count++] = k;
    }
    return rc;
}

static int open_merge(struct aggregate_state *a, const struct aggregate_state *b, struct arena *arena)
{
    int rc = 0;
    for (uint32_t i = 0; i < b->count && !rc; i++)
        rc = case_event(a, b->cases[i].key, b->cases[i].opened_ms, b->cases[i].closed_ms, arena);
    return rc;
}

const struct aggregate_ops aggregate_open = {open_apply,       open_prune, always_stale, open_value,
                                             open_next_change, open_put,   open_get,     open_merge};
