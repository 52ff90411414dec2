/* Growing arrays; see frame_array.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/offline/frame_array.h"
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* In front of the array. */
struct head {
    size_t whole;     /* bytes, with this */
    size_t unused[7]; /* so that a mapping's array begins at a cache line */
};

static bool is_mapped(size_t whole)
{
    return whole >= ARRAY_MAPPED;
}

static struct head *map(size_t whole)
{
    void *p = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

static void release(struct head *h)
{
    if (h && is_mapped(h->whole))
        munmap(h, h->whole);
    else
        free(h);
}

/* From one kind of memory to the other. */
static struct head *moved(struct head *old, size_t whole)
{
    struct head *h = is_mapped(whole) ? map(whole) : malloc(whole);
    if (!h)
        return NULL;
    memcpy(h, old, old->whole < whole ? old->whole : whole);
    release(old);
    return h;
}

void *array_resize(void *p, size_t bytes)
{
    struct head *old = p ? (struct head *)p - 1 : NULL, *h;
    if (bytes > SIZE_MAX / 2)
        return NULL;
    size_t whole = sizeof *h + bytes;
    if (old && is_mapped(old->whole) != is_mapped(whole)) {
        h = moved(old, whole);
    } else if (!is_mapped(whole)) {
        h = realloc(old, whole);
    } else if (old) {
        void *at = mremap(old, old->whole, whole, MREMAP_MAYMOVE);
        h = at == MAP_FAILED ? NULL : at;
    } else {
        h = map(whole);
    }
    if (!h)
        return NULL;
    h->whole = whole;
    return h + 1;
}

void array_free(void *p)
{
    if (p)
        release((struct head *)p - 1);
}
