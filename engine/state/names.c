/* Dictionary of names: an array by id and an open-addressing table of ids by name.
 * SPDX-License-Identifier: Apache-2.0 */
#include "state/names.h"
#include "base/arena.h"
#include "base/hash.h"
#include <stdlib.h>

struct names {
    struct arena arena;
    struct str *text;  /* by id; [0] unused */
    uint32_t capacity; /* of text */
    uint32_t highest, count;
    uint32_t *table; /* ids; 0 is empty; size is a power of two */
    uint32_t table_size;
};

static void *must(void *p)
{
    ASSERT(p != NULL);
    return p;
}

struct names *names_new(void)
{
    struct names *n = must(calloc(1, sizeof *n));
    arena_init(&n->arena, (size_t)1 << 30);
    n->capacity = 64;
    n->text = must(calloc(n->capacity, sizeof *n->text));
    n->table_size = 128;
    n->table = must(calloc(n->table_size, sizeof *n->table));
    return n;
}

void names_free(struct names **n)
{
    if (!*n)
        return;
    arena_free(&(*n)->arena);
    free((*n)->text);
    free((*n)->table);
    free(*n);
    *n = NULL;
}

/* The table's place where the name is or would go. */
static uint32_t place_of(const struct names *n, struct str name)
{
    uint32_t at = (uint32_t)hash64(name.p, name.n) & (n->table_size - 1);
    while (n->table[at] && !str_eq(n->text[n->table[at]], name))
        at = (at + 1) & (n->table_size - 1);
    return at;
}

static void grow_table(struct names *n)
{
    free(n->table);
    n->table_size *= 2;
    n->table = must(calloc(n->table_size, sizeof *n->table));
    for (uint32_t id = 1; id <= n->highest; id++)
        if (n->text[id].n)
            n->table[place_of(n, n->text[id])] = id;
}

int names_add(struct names *n, struct str name, uint32_t id)
{
    if (id == 0 || id > NAMES_MAX || name.n == 0 || name.n > NAME_MAX_BYTES)
        return ERR_INVALID;
    uint32_t at = place_of(n, name);
    if (n->table[at])
        return n->table[at] == id ? 0 : ERR_CONFLICT;
    if (id <= n->highest && n->text[id].n)
        return ERR_CONFLICT;
    if (id >= n->capacity) {
        uint32_t capacity = n->capacity;
        while (capacity <= id)
            capacity *= 2;
        n->text = must(realloc(n->text, capacity * sizeof *n->text));
        memset(n->text + n->capacity, 0, (capacity - n->capacity) * sizeof *n->text);
        n->capacity = capacity;
    }
    n->text[id] = arena_str(&n->arena, name);
    ASSERT(n->text[id].p != NULL);
    n->table[at] = id;
    if (id > n->highest)
        n->highest = id;
    if (++n->count * 2 > n->table_size)
        grow_table(n);
    return 0;
}

uint32_t names_find(const struct names *n, struct str name)
{
    return n->table[place_of(n, name)];
}

uint32_t names_intern(struct names *n, struct str name)
{
    uint32_t id = names_find(n, name);
    if (id)
        return id;
    id = n->highest + 1;
    ASSERT(names_add(n, name, id) == 0);
    return id;
}

struct str names_text(const struct names *n, uint32_t id)
{
    return id && id <= n->highest ? n->text[id] : (struct str){0};
}

uint32_t names_highest(const struct names *n)
{
    return n->highest;
}

struct names *names_copy(const struct names *n)
{
    struct names *copy = names_new();
    for (uint32_t id = 1; id <= n->highest; id++)
        if (n->text[id].n)
            ASSERT(names_add(copy, n->text[id], id) == 0);
    return copy;
}
