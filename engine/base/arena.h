/* Arena: memory that is freed all at once. Chunks come from malloc, double up to 1 MiB, and are kept over a reset (up to
 * ARENA_KEEP bytes), so that a request which reuses an arena allocates nothing. Alignment is 16. Every arena has a
 * maximum; past it arena_alloc returns NULL and that is a request error, never an abort. Not thread-safe.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_BASE_ARENA_H
#define TACT_BASE_ARENA_H
#include "base/error.h"
#include "base/str.h"
#include <stddef.h>

enum { ARENA_KEEP = 256 * 1024 };

struct arena_chunk;
struct arena {
    struct arena_chunk *first, *current;
    size_t used;  /* bytes handed out since the last reset */
    size_t limit; /* maximum of used */
};

void arena_init(struct arena *a, size_t limit);
/* NULL past the limit or without memory. size 0 gives a valid pointer. */
void *arena_alloc(struct arena *a, size_t size);
void *arena_zalloc(struct arena *a, size_t size); /* zeroed */
void *arena_memdup(struct arena *a, const void *p, size_t n);
char *arena_strdup(struct arena *a, const char *c);
char *arena_printf(struct arena *a, const char *format, ...) PRINTF_LIKE(2, 3);
/* Copies the slice, adds a NUL after it (not counted). p is NULL when it did not fit. */
struct str arena_str(struct arena *a, struct str s);
/* Bytes of its chunks; at most a few times what was handed out at once. */
size_t arena_held(const struct arena *a);
/* All memory handed out becomes invalid. */
void arena_reset(struct arena *a);
void arena_free(struct arena *a);

/* A place to return to: what was handed out since becomes invalid. */
struct arena_mark {
    struct arena_chunk *chunk;
    size_t chunk_used, used;
};
struct arena_mark arena_mark(const struct arena *a);
void arena_rewind(struct arena *a, struct arena_mark mark);

#endif
