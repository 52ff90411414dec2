/* Distinct texts and their codes, in order of first appearance: the categories of a column, the names of a header. A
 * hash table with open addressing; at most FRAME_CATEGORIES_MAX texts, which live in an arena, packed.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_OFFLINE_FRAME_WORDS_H
#define TACT_OFFLINE_FRAME_WORDS_H
#include "base/arena.h"
#include <stdint.h>

/* Short texts packed into blocks of an arena. */
struct text_pool {
    struct arena *arena;
    char *at;
    size_t left;
};

/* A copy; p is NULL without memory. */
struct str text_pool_copy(struct text_pool *pool, struct str text);

struct words {
    struct str *texts; /* by code; malloc's */
    uint32_t count, capacity;
    uint64_t *slots; /* high half: of the hash; low half: code + 1, or 0 */
    size_t slot_count;
};

/* The code of a text, a new one if it is new. ERR_INVALID: one text too many; ERR_NOSPACE: no memory. */
int words_code(struct words *w, struct text_pool *pool, struct str text, uint32_t *code);
void words_free(struct words *w);

#endif
