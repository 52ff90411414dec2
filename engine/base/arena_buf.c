/* Text in an arena; see arena_buf.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/arena_buf.h"

void arena_buf_init(struct arena_buf *b, struct arena *arena, size_t room)
{
    *b = (struct arena_buf){.arena = arena, .mark = arena_mark(arena)};
    uint8_t *p = arena_alloc(arena, room);
    /* capacity = limit: buf_reserve fails before it would grow */
    b->buf = (struct buf){.p = p, .capacity = p ? room : 0, .limit = p ? room : 0, .failed = p == NULL};
}

struct str arena_buf_take(struct arena_buf *b)
{
    if (!b->buf.p)
        return (struct str){0};
    arena_rewind(b->arena, b->mark);
    /* Perhaps in another chunk than the room was; those bytes are untouched by rewinding. */
    char *kept = arena_alloc(b->arena, b->buf.n + 1);
    if (!kept)
        return (struct str){0};
    memmove(kept, b->buf.p, b->buf.n);
    kept[b->buf.n] = 0;
    struct str s = {kept, b->buf.n};
    b->buf = (struct buf){.failed = true};
    return s;
}

void arena_buf_drop(struct arena_buf *b)
{
    if (b->buf.p)
        arena_rewind(b->arena, b->mark);
    b->buf = (struct buf){.failed = true};
}
