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

/* At the end; the first goes where there is no room. */
static int append(struct state *s, struct import_done fresh)
{
    if (imports_have(s, fresh.mark))
        return 0;
    if (!s->imports) {
        s->imports = arena_alloc(s->arena, STATE_IMPORTS_MAX * sizeof *s->imports);
        if (!s->imports)
            return ERR_NOSPACE;
    }
    if (s->import_count == STATE_IMPORTS_MAX) {
        s->import_count--;
        memmove(s->imports, s->imports + 1, s->import_count * sizeof *s->imports);
    }
    s->imports[s->import_count++] = fresh;
    return 1;
}

int imports_add(struct state *s, uint64_t mark, int64_t until_ms)
{
    int64_t day = ms_floor(until_ms, DAY_MS);
    return append(s, (struct import_done){mark, day > 0 ? (uint32_t)day : 0});
}

int imports_merge(struct state *into, const struct state *from)
{
    for (uint32_t i = 0; i < from->import_count; i++)
        if (append(into, from->imports[i]) < 0)
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
        if (c->failed || day > DAYS_MAX || s->import_count == STATE_IMPORTS_MAX || imports_have(s, mark))
            return ERR_CORRUPT;
        if (append(s, (struct import_done){mark, (uint32_t)day}) < 0)
            return ERR_NOSPACE;
    }
    return c->failed || s->import_count == 0 ? ERR_CORRUPT : 0;
}
