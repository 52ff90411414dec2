/* Lists, tables and sets for compiling a forest; see forest_build.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/forest_build.h"
#include "base/hash.h"
#include <stdlib.h>

/* ---- lists ---- */

struct forest_list forest_list(size_t size)
{
    return (struct forest_list){.size = size};
}

static size_t bytes_of(const struct forest_list *l, size_t n)
{
    return (n * l->size + 63) / 64 * 64;
}

bool forest_list_reserve(struct builder *b, struct forest_list *l, size_t n)
{
    if (n <= l->capacity)
        return true;
    void *fresh = aligned_alloc(64, bytes_of(l, n));
    if (!fresh) {
        b->failed = true;
        return false;
    }
    if (l->n)
        memcpy(fresh, l->p, l->n * l->size);
    free(l->p);
    l->p = fresh;
    l->capacity = n;
    return true;
}

/* Room for n more, or NULL. */
void *forest_list_add(struct builder *b, struct forest_list *l, size_t n)
{
    if (l->n + n > l->capacity) {
        size_t wanted = l->capacity ? l->capacity : 16;
        while (wanted < l->n + n)
            wanted *= 2;
        if (!forest_list_reserve(b, l, wanted))
            return NULL;
    }
    void *out = (char *)l->p + l->n * l->size;
    memset(out, 0, n * l->size);
    l->n += n;
    return out;
}

/* The list's memory, no larger than it must be; the caller's from now on. */
void *forest_list_take(struct builder *b, struct forest_list *l)
{
    size_t bytes = bytes_of(l, l->n);
    if (l->p && bytes_of(l, l->capacity) == bytes) { /* as it was reserved */
        void *whole = l->p;
        b->f->bytes += bytes;
        *l = (struct forest_list){0};
        return whole;
    }
    void *out = aligned_alloc(64, bytes ? bytes : 64);
    if (!out)
        b->failed = true;
    else if (l->n)
        memcpy(out, l->p, l->n * l->size);
    b->f->bytes += bytes;
    free(l->p);
    *l = (struct forest_list){0};
    return out;
}

/* ---- hashed lists of indices: open addressing, a power of two ----
 *
 * They find what is equal to what came before, which saves memory only. So nobody looks further than TABLE_PROBES: a file may
 * choose what it holds for its hashes to meet, and must not choose how long it takes. */

size_t forest_slot(uint64_t hash, size_t capacity)
{
    return (size_t)(hash & (capacity - 1));
}

/* Doubles the table when it is half full; hash_of tells an entry's hash. Entries are index + 1. */
bool forest_table_room(struct builder *b, struct forest_list *t, uint64_t (*hash_of)(const struct builder *b, uint32_t i))
{
    size_t used = t->n;
    if (t->capacity && used * 2 < t->capacity)
        return true;
    size_t wanted = t->capacity ? t->capacity * 2 : 256;
    uint32_t *fresh = calloc(wanted, sizeof *fresh);
    if (!fresh) {
        b->failed = true;
        return false;
    }
    const uint32_t *old = t->p;
    for (size_t i = 0; i < t->capacity; i++) {
        if (!old[i])
            continue;
        size_t at = forest_slot(hash_of(b, old[i] - 1), wanted);
        size_t probes = 0;
        while (fresh[at] && ++probes < TABLE_PROBES)
            at = forest_slot(at + 1, wanted);
        if (!fresh[at])
            fresh[at] = old[i];
    }
    free(t->p);
    t->p = fresh;
    t->capacity = wanted;
    return true;
}

/* ---- sets ---- */

static bool sets_equal(const struct model_set *x, const struct model_set *y)
{
    uint32_t most = x->count > y->count ? x->count : y->count;
    for (uint32_t i = 0; i < most; i++)
        if ((i < x->count ? x->words[i] : 0) != (i < y->count ? y->words[i] : 0))
            return false;
    return true;
}

static uint64_t set_hash(const struct model_set *s)
{
    uint32_t n = s->count;
    while (n && !s->words[n - 1])
        n--;
    return hash64(s->words, n * sizeof *s->words);
}

/* For each set the first equal one. */
static bool find_equal_sets(struct builder *b)
{
    const struct model *m = b->m;
    size_t capacity = 16;
    while (capacity < m->set_count * 2)
        capacity *= 2;
    int32_t *table = malloc(capacity * sizeof *table);
    b->set_of = malloc((m->set_count + 1) * sizeof *b->set_of);
    bool ok = table && b->set_of;
    if (ok)
        memset(table, 0xFF, capacity * sizeof *table);
    for (size_t i = 0; ok && i < m->set_count; i++) {
        size_t slot = forest_slot(set_hash(&m->sets[i]), capacity);
        size_t probes = 0;
        while (table[slot] >= 0 && !sets_equal(&m->sets[table[slot]], &m->sets[i]) && ++probes < TABLE_PROBES)
            slot = forest_slot(slot + 1, capacity);
        if (table[slot] < 0)
            table[slot] = (int32_t)i;
        b->set_of[i] = probes < TABLE_PROBES ? table[slot] : (int32_t)i;
    }
    free(table);
    return ok;
}

size_t forest_set_bytes(const struct model *m)
{
    size_t words = 0;
    for (size_t i = 0; i < m->set_count; i++)
        words += m->sets[i].count;
    return words * sizeof(uint32_t) + m->set_count * sizeof(struct model_set);
}

bool forest_keep_sets(struct builder *b)
{
    const struct model *m = b->m;
    struct forest *f = b->f;
    if (!find_equal_sets(b))
        return false;
    if (b->whole) {
        f->sets = b->whole->sets;
        return true;
    }
    f->sets = malloc((m->set_count + 1) * sizeof *f->sets);
    f->set_words = malloc(forest_set_bytes(m) + 1);
    uint32_t *at = f->set_words;
    for (size_t i = 0; f->sets && at && i < m->set_count; i++) {
        const struct model_set *s = &m->sets[i];
        f->sets[i] = (struct model_set){at, s->count};
        if (s->count)
            memcpy(at, s->words, s->count * sizeof *at);
        at += s->count;
    }
    f->bytes += forest_set_bytes(m);
    return f->sets && f->set_words;
}

/* ---- leaves ---- */

float forest_leaf_value(const struct builder *b, const struct model_tree *t, const struct model_node *n)
{
    float v = t->vectors ? t->vectors[(size_t)n->value * b->m->outputs + b->vector_output] : n->value;
    if (!b->m->dart)
        return v;
    float base = b->m->base[0], sum = base + v;
    return (sum - base) * t->weight;
}

void builder_free(struct builder *b)
{
    struct forest_list *lists[] = {&b->tiles,      &b->varies, &b->infos,   &b->values,  &b->regions, &b->groups,    &b->columns,
                            &b->thresholds, &b->open,   &b->chains, &b->pending, &b->drafts, &b->conditions, &b->known};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        free(lists[i]->p);
    free(b->column);
    free(b->column_of);
    free(b->set_of);
}
