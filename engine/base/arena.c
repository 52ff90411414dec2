/* Arena of doubling chunks; see arena.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

enum { CHUNK_FIRST = 16 * 1024, CHUNK_MAX = 1024 * 1024, ALIGN = 16 };

struct arena_chunk {
    struct arena_chunk *next;
    size_t size, used;
    _Alignas(ALIGN) unsigned char bytes[];
};

void arena_init(struct arena *a, size_t limit)
{
    *a = (struct arena){.limit = limit};
}

/* What follows the current chunk is unused. What of it is too small is freed rather than passed over: else allocations that grow
 * from one rewind to the next would hold far more than the limit. */
static struct arena_chunk *chunk_after(struct arena *a, size_t need)
{
    struct arena_chunk *c = a->current;
    while (c && c->next) {
        struct arena_chunk *next = c->next;
        if (next->size >= need)
            return next;
        c->next = next->next;
        free(next);
    }
    size_t size = c ? c->size * 2 : CHUNK_FIRST;
    if (size > CHUNK_MAX)
        size = CHUNK_MAX;
    if (size < need)
        size = need;
    struct arena_chunk *fresh = malloc(sizeof *fresh + size);
    if (!fresh)
        return NULL;
    *fresh = (struct arena_chunk){.size = size};
    *(c ? &c->next : &a->first) = fresh;
    return fresh;
}

void *arena_alloc(struct arena *a, size_t size)
{
    if (size > SIZE_MAX / 2)
        return NULL;
    size_t need = size ? (size + ALIGN - 1) & ~(size_t)(ALIGN - 1) : ALIGN;
    if (need > a->limit || a->used > a->limit - need)
        return NULL;
    struct arena_chunk *c = a->current;
    if (!c || c->size - c->used < need) {
        c = chunk_after(a, need);
        if (!c)
            return NULL;
        c->used = 0;
        a->current = c;
    }
    void *p = c->bytes + c->used;
    c->used += need;
    a->used += need;
    return p;
}

void *arena_zalloc(struct arena *a, size_t size)
{
    void *p = arena_alloc(a, size);
    return p ? memset(p, 0, size) : NULL;
}

void *arena_memdup(struct arena *a, const void *p, size_t n)
{
    void *copy = arena_alloc(a, n);
    if (copy && n)
        memcpy(copy, p, n);
    return copy;
}

char *arena_strdup(struct arena *a, const char *c)
{
    return arena_memdup(a, c, strlen(c) + 1);
}

struct str arena_str(struct arena *a, struct str s)
{
    char *copy = arena_alloc(a, s.n + 1);
    if (!copy)
        return (struct str){0};
    if (s.n)
        memcpy(copy, s.p, s.n);
    copy[s.n] = 0;
    return (struct str){copy, s.n};
}

char *arena_printf(struct arena *a, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *p = n < 0 ? NULL : arena_alloc(a, (size_t)n + 1);
    if (p)
        vsnprintf(p, (size_t)n + 1, format, again);
    va_end(again);
    return p;
}

size_t arena_held(const struct arena *a)
{
    size_t held = 0;
    for (const struct arena_chunk *c = a->first; c; c = c->next)
        held += c->size;
    return held;
}

void arena_reset(struct arena *a)
{
    size_t kept = 0;
    struct arena_chunk **link = &a->first;
    while (*link) {
        struct arena_chunk *c = *link;
        if (kept + c->size > ARENA_KEEP) {
            *link = c->next;
            free(c);
            continue;
        }
        kept += c->size;
        c->used = 0;
        link = &c->next;
    }
    a->current = a->first;
    a->used = 0;
}

void arena_free(struct arena *a)
{
    while (a->first) {
        struct arena_chunk *next = a->first->next;
        free(a->first);
        a->first = next;
    }
    *a = (struct arena){.limit = a->limit};
}

struct arena_mark arena_mark(const struct arena *a)
{
    return (struct arena_mark){a->current, a->current ? a->current->used : 0, a->used};
}

void arena_rewind(struct arena *a, struct arena_mark mark)
{
    a->used = mark.used;
    a->current = mark.chunk ? mark.chunk : a->first;
    if (a->current)
        a->current->used = mark.chunk_used;
}
