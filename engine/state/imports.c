/* Marks of bulk imports; see imports.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "state/imports.h"
#include "state/aggregate_kinds.h"

#define DAY_MS INT64_C(86400000)
#define DAYS_MAX ((uint64_t)(TIMESTAMP_MAX_MS / DAY_MS))

uint64_t import_mark(uint64_t content, struct str customer)
{
    return hash64_seed(customer.p, customer.n, content);
}

bool imports_have(const struct state *s, uint64_t mark)
{
    for (uint32_t i = 0; i < s->import_count; i++)
        if (s->imports[i].mark == mark)
            return true;
    return false;
}

/* So many marks, of a customer who comes of so many merges. */
static uint32_t most_of(uint32_t merges)
{
    uint32_t most = STATE_IMPORTS_MAX * (1 + merges);
    return most < STATE_IMPORTS_MOST ? most : STATE_IMPORTS_MOST;
}

static int make_room(struct state *s)
{
    if (s->import_count < s->import_capacity)
        return 0;
    uint32_t capacity = s->import_capacity ? s->import_capacity * 2 : STATE_IMPORTS_MAX;
    struct import_done *items = arena_alloc(s->arena, capacity * sizeof *items);
    if (!items)
        return ERR_NOSPACE;
    if (s->import_count)
        memcpy(items, s->imports, s->import_count * sizeof *items);
    s->imports = items;
    s->import_capacity = capacity;
    return 0;
}

/* At the end; the first go where there are more. */
static int append(struct state *s, struct import_done fresh, uint32_t most)
{
    if (imports_have(s, fresh.mark))
        return 0;
    uint32_t gone = s->import_count >= most ? s->import_count - most + 1 : 0;
    if (gone) {
        s->import_count -= gone;
        memmove(s->imports, s->imports + gone, s->import_count * sizeof *s->imports);
    }
    if (make_room(s))
        return ERR_NOSPACE;
    s->imports[s->import_count++] = fresh;
    return 1;
}

int imports_add(struct state *s, uint64_t mark, int64_t until_ms)
{
    int64_t day = ms_floor(until_ms, DAY_MS);
    return append(s, (struct import_done){mark, day > 0 ? (uint32_t)day : 0}, most_of(s->identity_count));
}

int imports_merge(struct state *into, const struct state *from)
{
    uint32_t most = most_of(1 + into->identity_count + from->identity_count);
    for (uint32_t i = 0; i < from->import_count; i++)
        if (append(into, from->imports[i], most) < 0)
            return ERR_NOSPACE;
    return 0;
}

void imports_put(struct buf *out, const struct state *s)
{
    for (uint32_t i = 0; i < s->import_count; i++) {
        buf_varint(out, s->imports[i].day);
        buf_u64le(out, s->imports[i].mark);
    }
}

int imports_get(struct cursor *c, struct state *s)
{
    while (cursor_left(c) && !c->failed) {
        uint64_t day = cursor_varint(c), mark = cursor_u64le(c);
        if (c->failed || day > DAYS_MAX || s->import_count == STATE_IMPORTS_MOST || imports_have(s, mark))
            return ERR_CORRUPT;
        if (append(s, (struct import_done){mark, (uint32_t)day}, STATE_IMPORTS_MOST) < 0)
            return ERR_NOSPACE;
    }
    return c->failed || s->import_count == 0 ? ERR_CORRUPT : 0;
}
