/* Ids that are one customer's; see identity.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "state/identity.h"
#include "state/codec.h"
#include "state/codec_value.h"

enum { UNDER_WAY = 1 };

/* The first whose merge is not less. */
static uint32_t place_of(const struct state *s, uint64_t merge)
{
    uint32_t low = 0, high = s->identity_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (s->identities[middle].merge < merge)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct identity *identities_find(const struct state *s, uint64_t merge)
{
    uint32_t at = place_of(s, merge);
    return at < s->identity_count && s->identities[at].merge == merge ? &s->identities[at] : NULL;
}

static int make_room(struct state *s)
{
    if (s->identity_count < s->identity_capacity)
        return 0;
    uint32_t capacity = s->identity_capacity ? s->identity_capacity * 2 : 4;
    struct identity *items = arena_alloc(s->arena, capacity * sizeof *items);
    if (!items)
        return ERR_NOSPACE;
    if (s->identity_count)
        memcpy(items, s->identities, s->identity_count * sizeof *items);
    s->identities = items;
    s->identity_capacity = capacity;
    return 0;
}

int identities_add(struct state *s, const struct identity *fresh)
{
    uint32_t at = place_of(s, fresh->merge);
    if (at < s->identity_count && s->identities[at].merge == fresh->merge)
        return 0;
    if (make_room(s))
        return ERR_NOSPACE;
    memmove(s->identities + at + 1, s->identities + at, (s->identity_count - at) * sizeof *s->identities);
    s->identities[at] = *fresh;
    s->identity_count++;
    return 1;
}

int identities_merge(struct state *into, const struct state *from)
{
    for (uint32_t i = 0; i < from->identity_count; i++)
        if (identities_add(into, &from->identities[i]) < 0)
            return ERR_NOSPACE;
    return 0;
}

int redirect_only(struct state *s, const struct schema *schema, struct arena *arena, const struct redirect *to)
{
    if (state_empty(s, schema, arena))
        return ERR_NOSPACE;
    s->redirect = *to;
    return 0;
}

/* ---- the blob ---- */

void identities_put(struct buf *out, const struct state *s)
{
    for (uint32_t i = 0; i < s->identity_count; i++) {
        const struct identity *d = &s->identities[i];
        buf_u64le(out, d->merge);
        buf_svarint(out, d->time_ms);
        buf_varint(out, d->id.n);
        buf_str(out, d->id);
    }
}

int identities_get(struct cursor *c, struct state *s)
{
    uint64_t before = 0;
    while (cursor_left(c) && !c->failed) {
        struct identity d = {.merge = cursor_u64le(c)};
        d.time_ms = cursor_svarint(c);
        uint64_t n = cursor_varint(c);
        if (c->failed || n > cursor_left(c) || d.merge <= before || !time_ok(d.time_ms))
            return ERR_CORRUPT;
        d.id = (struct str){(const char *)cursor_bytes(c, (size_t)n), (size_t)n};
        before = d.merge;
        if (make_room(s))
            return ERR_NOSPACE;
        s->identities[s->identity_count++] = d;
    }
    return c->failed || s->identity_count == 0 ? ERR_CORRUPT : 0;
}

void redirect_put(struct buf *out, const struct state *s)
{
    buf_byte(out, s->redirect.under_way ? UNDER_WAY : 0);
    buf_u64le(out, s->redirect.merge);
    buf_str(out, s->redirect.target);
}

int redirect_get(struct cursor *c, struct state *s)
{
    uint8_t flags = cursor_byte(c);
    struct redirect r = {.merge = cursor_u64le(c), .under_way = flags & UNDER_WAY};
    size_t n = cursor_left(c);
    if (c->failed || flags > UNDER_WAY || r.merge == 0 || n == 0)
        return ERR_CORRUPT;
    r.target = (struct str){(const char *)cursor_bytes(c, n), n};
    s->redirect = r;
    return 0;
}
