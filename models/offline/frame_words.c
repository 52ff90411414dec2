/* Distinct texts; see frame_words.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/offline/frame_words.h"
#include "base/hash.h"
#include "models/offline/frame.h"
#include <stdlib.h>

enum { BLOCK = 64 * 1024, FIRST = 64 };

struct str text_pool_copy(struct text_pool *pool, struct str text)
{
    if (text.n > pool->left) {
        size_t n = text.n > BLOCK / 4 ? text.n : BLOCK;
        char *block = arena_alloc(pool->arena, n);
        if (!block)
            return (struct str){0};
        if (n == text.n) /* a long one gets its own; the block under way goes on */
            return (struct str){memcpy(block, text.p, n), n};
        pool->at = block;
        pool->left = n;
    }
    if (text.n == 0)
        return STR("");
    char *p = memcpy(pool->at, text.p, text.n);
    pool->at += text.n;
    pool->left -= text.n;
    return (struct str){p, text.n};
}

static bool grow_slots(struct words *w)
{
    size_t n = w->slot_count ? w->slot_count * 2 : 2 * FIRST;
    uint64_t *slots = calloc(n, sizeof *slots);
    if (!slots)
        return false;
    for (uint32_t code = 0; code < w->count; code++) {
        uint64_t h = hash64(w->texts[code].p, w->texts[code].n);
        size_t i = h & (n - 1);
        while (slots[i])
            i = (i + 1) & (n - 1);
        slots[i] = (h >> 32) << 32 | (code + 1);
    }
    free(w->slots);
    w->slots = slots;
    w->slot_count = n;
    return true;
}

static bool grow_texts(struct words *w)
{
    uint32_t n = w->capacity ? w->capacity * 2 : FIRST;
    struct str *texts = realloc(w->texts, n * sizeof *texts);
    if (!texts)
        return false;
    w->texts = texts;
    w->capacity = n;
    return true;
}

int words_code(struct words *w, struct text_pool *pool, struct str text, uint32_t *code)
{
    if (2 * (size_t)w->count >= w->slot_count && !grow_slots(w))
        return ERR_NOSPACE;
    uint64_t h = hash64(text.p, text.n);
    size_t i = h & (w->slot_count - 1);
    for (; w->slots[i]; i = (i + 1) & (w->slot_count - 1)) {
        *code = (uint32_t)w->slots[i] - 1;
        if (w->slots[i] >> 32 == h >> 32 && str_eq(w->texts[*code], text))
            return 0;
    }
    if (w->count == FRAME_CATEGORIES_MAX)
        return ERR_INVALID;
    if (w->count == w->capacity && !grow_texts(w))
        return ERR_NOSPACE;
    struct str copy = text_pool_copy(pool, text);
    if (!copy.p)
        return ERR_NOSPACE;
    *code = w->count;
    w->texts[w->count++] = copy;
    w->slots[i] = (h >> 32) << 32 | w->count;
    return 0;
}

void words_free(struct words *w)
{
    free(w->texts);
    free(w->slots);
    *w = (struct words){0};
}
