/* From a model's trees to tiles, columns and regions; see forest_inner.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/forest_inner.h"
#include "base/hash.h"
#include <math.h>
#include <stdlib.h>

enum { MEMORY_DEFAULT = 64 * 1024 * 1024, NO_INDEX = -1 };

/* An array that doubles. */
struct list {
    void *p;
    size_t n, capacity, size, align;
};

/* A part of a tree that is not a tile yet: the next one but those that wait before it. */
struct pending {
    uint32_t root, node, region;
};

enum node_kind { NODE_NONE, NODE_THRESHOLD, NODE_SET };

/* A tile of the group that is being filled: what its nodes compare, until the group's ranks are known. */
struct draft {
    uint32_t tile;
    float threshold[TILE_NODES];
    uint8_t kind[TILE_NODES];
};

struct column_draft {
    uint32_t feature;
    int32_t set;
    uint32_t count;
    float thresholds[COLUMN_THRESHOLDS + 1];
};

struct builder {
    struct forest *f;
    const struct model *m;
    struct list tiles, varies, infos, values, regions, groups, columns, thresholds, open, chains, pending, drafts;
    struct list conditions; /* open nodes of actions that differ: indices of open, hashed */
    struct list known;      /* chains, hashed */
    uint32_t roots;
    struct column_draft *column; /* of the group */
    size_t column_count;
    int32_t *column_of; /* [features], by threshold; NO_INDEX */
    int32_t *set_of;    /* the model's sets: the first one that is equal */
    uint32_t vector_output;         /* of the tree that is being built */
    const struct forest *values_of; /* the same tiles with all features shared, or NULL */
    bool failed;
};

/* ---- lists ---- */

static struct list list_of(size_t size)
{
    return (struct list){.size = size, .align = size % 64 == 0 ? 64 : 16};
}

/* Room for n more, or NULL. */
static void *list_add(struct builder *b, struct list *l, size_t n)
{
    if (l->n + n > l->capacity) {
        size_t wanted = l->capacity ? l->capacity : 16;
        while (wanted < l->n + n)
            wanted *= 2;
        size_t bytes = (wanted * l->size + 63) / 64 * 64;
        void *fresh = aligned_alloc(64, bytes);
        if (!fresh) {
            b->failed = true;
            return NULL;
        }
        if (l->n)
            memcpy(fresh, l->p, l->n * l->size);
        free(l->p);
        l->p = fresh;
        l->capacity = wanted;
    }
    void *out = (char *)l->p + l->n * l->size;
    memset(out, 0, n * l->size);
    l->n += n;
    return out;
}

/* The list's memory, no larger than it must be; the caller's from now on. */
static void *list_take(struct builder *b, struct list *l)
{
    size_t bytes = (l->n * l->size + 63) / 64 * 64;
    void *out = aligned_alloc(64, bytes ? bytes : 64);
    if (!out)
        b->failed = true;
    else if (l->n)
        memcpy(out, l->p, l->n * l->size);
    b->f->bytes += bytes;
    free(l->p);
    *l = (struct list){0};
    return out;
}

/* ---- hashed lists of indices: open addressing, a power of two ---- */

static size_t slot_of(uint64_t hash, size_t capacity)
{
    return (size_t)(hash & (capacity - 1));
}

/* Doubles the table when it is half full; hash_of tells an entry's hash. Entries are index + 1. */
static bool table_room(struct builder *b, struct list *t, uint64_t (*hash_of)(const struct builder *b, uint32_t i))
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
        size_t at = slot_of(hash_of(b, old[i] - 1), wanted);
        while (fresh[at])
            at = slot_of(at + 1, wanted);
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

/* Copies the sets, and finds for each the first equal one. */
static bool keep_sets(struct builder *b)
{
    const struct model *m = b->m;
    size_t words = 0, capacity = 16;
    for (size_t i = 0; i < m->set_count; i++)
        words += m->sets[i].count;
    while (capacity < m->set_count * 2)
        capacity *= 2;
    b->set_of = malloc((m->set_count + 1) * sizeof *b->set_of);
    b->f->sets = malloc((m->set_count + 1) * sizeof *b->f->sets);
    b->f->set_words = malloc((words + 1) * sizeof *b->f->set_words);
    int32_t *table = malloc(capacity * sizeof *table);
    bool ok = b->set_of && b->f->sets && b->f->set_words && table;
    if (ok)
        memset(table, 0xFF, capacity * sizeof *table);
    uint32_t *at = b->f->set_words;
    for (size_t i = 0; ok && i < m->set_count; i++) {
        const struct model_set *s = &m->sets[i];
        size_t slot = slot_of(set_hash(s), capacity);
        while (table[slot] >= 0 && !sets_equal(&m->sets[table[slot]], s))
            slot = slot_of(slot + 1, capacity);
        if (table[slot] < 0)
            table[slot] = (int32_t)i;
        b->set_of[i] = table[slot];
        b->f->sets[i] = (struct model_set){at, s->count};
        if (s->count)
            memcpy(at, s->words, s->count * sizeof *at);
        at += s->count;
    }
    b->f->bytes += words * sizeof *at + m->set_count * sizeof *b->f->sets;
    free(table);
    return ok;
}

/* ---- groups ---- */

static int32_t find_column(const struct builder *b, uint32_t feature, int32_t set)
{
    if (set < 0)
        return b->column_of[feature];
    for (size_t i = 0; i < b->column_count; i++) {
        const struct column_draft *c = &b->column[i];
        if (c->set == set && c->feature == feature)
            return (int32_t)i;
    }
    return NO_INDEX;
}

static int32_t add_column(struct builder *b, uint32_t feature, int32_t set)
{
    int32_t at = find_column(b, feature, set);
    if (at >= 0)
        return at;
    at = (int32_t)b->column_count++;
    struct column_draft *c = &b->column[at];
    c->feature = feature;
    c->set = set;
    c->count = 0;
    if (set < 0)
        b->column_of[feature] = at;
    return at;
}

/* The first threshold that is not below t. */
static uint32_t threshold_place(const struct column_draft *c, float t)
{
    uint32_t low = 0, high = c->count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (c->thresholds[middle] < t)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void add_threshold(struct column_draft *c, float t)
{
    uint32_t at = threshold_place(c, t);
    if (at < c->count && c->thresholds[at] == t)
        return;
    memmove(&c->thresholds[at + 1], &c->thresholds[at], (c->count - at) * sizeof t);
    c->thresholds[at] = t;
    c->count++;
}

/* A column as the kernels look at it. */
static void write_column(struct builder *b, const struct column_draft *d)
{
    struct forest_column *c = list_add(b, &b->columns, 1);
    if (!c)
        return;
    *c = (struct forest_column){.feature = d->feature, .first = (uint32_t)b->thresholds.n, .set = d->set};
    if (d->set >= 0)
        return;
    uint32_t blocks = d->count / COLUMN_BLOCK + 1, all = (1 + blocks) * COLUMN_BLOCK;
    float *t = list_add(b, &b->thresholds, all);
    if (!t)
        return;
    for (uint32_t i = 0; i < all; i++)
        t[i] = NAN;
    for (uint32_t i = 0; i < d->count / COLUMN_BLOCK; i++)
        t[i] = d->thresholds[i * COLUMN_BLOCK + COLUMN_BLOCK - 1];
    memcpy(t + COLUMN_BLOCK, d->thresholds, d->count * sizeof *t);
}

/* All its thresholds are known: the nodes' ranks are, too. */
static void close_group(struct builder *b)
{
    struct forest_tile *tiles = b->tiles.p;
    for (size_t i = 0; i < b->drafts.n; i++) {
        const struct draft *d = (const struct draft *)b->drafts.p + i;
        struct forest_tile *t = &tiles[d->tile];
        for (int k = 0; k < TILE_NODES; k++) {
            uint8_t column = t->column[k] & (COLUMN_RIGHT - 1), right = t->column[k] >> 7;
            if (d->kind[k] == NODE_NONE)
                continue;
            uint32_t at = d->kind[k] == NODE_SET ? 0 : threshold_place(&b->column[column], d->threshold[k]);
            t->least[k] = (uint8_t)(at + 2 - right);
        }
    }
    struct forest_group *g = list_add(b, &b->groups, 1);
    if (g)
        *g = (struct forest_group){(uint32_t)b->columns.n, (uint32_t)b->column_count};
    for (size_t i = 0; i < b->column_count; i++) {
        write_column(b, &b->column[i]);
        if (b->column[i].set < 0)
            b->column_of[b->column[i].feature] = NO_INDEX;
    }
    b->column_count = 0;
    b->drafts.n = 0;
}

/* Whether a group takes the columns and thresholds of a tile's nodes, counted on the safe side. */
static bool group_takes(const struct builder *b, const struct model_node *const *nodes)
{
    size_t fresh = 0;
    uint8_t more[GROUP_COLUMNS] = {0};
    for (int k = 0; k < TILE_NODES; k++) {
        const struct model_node *n = nodes[k];
        if (!n)
            continue;
        int32_t set = n->set >= 0 ? b->set_of[n->set] : NO_INDEX;
        int32_t at = find_column(b, n->feature, set);
        if (at < 0)
            fresh++;
        else if (set < 0 && b->column[at].count + ++more[at] > COLUMN_THRESHOLDS)
            return false;
    }
    return b->column_count + fresh <= COLUMN_NONE;
}

/* ---- open nodes and regions ---- */

static uint64_t condition_hash(const struct builder *b, uint32_t i)
{
    const struct forest_open *o = (const struct forest_open *)b->open.p + i;
    float threshold = o->threshold + 0.0f; /* -0 is 0 */
    uint32_t key[4] = {0, o->slot, (uint32_t)o->set, o->default_right};
    memcpy(key, &threshold, sizeof threshold);
    return hash64(key, sizeof key);
}

static uint64_t chain_hash(const struct builder *b, uint32_t i)
{
    const struct forest_region *r = (const struct forest_region *)b->chains.p + i;
    uint32_t key[3] = {r->parent, r->open, r->right};
    return hash64(key, sizeof key);
}

/* The first open node with the same condition on the action. */
static uint32_t same_condition(struct builder *b, uint32_t open)
{
    const struct forest_open *all = b->open.p, *o = &all[open];
    if (!table_room(b, &b->conditions, condition_hash))
        return open;
    uint32_t *table = b->conditions.p;
    size_t at = slot_of(condition_hash(b, open), b->conditions.capacity);
    for (; table[at]; at = slot_of(at + 1, b->conditions.capacity)) {
        const struct forest_open *x = &all[table[at] - 1];
        if (x->threshold == o->threshold && x->slot == o->slot && x->set == o->set && x->default_right == o->default_right)
            return table[at] - 1;
    }
    table[at] = open + 1;
    b->conditions.n++;
    return open;
}

/* The region of those in parent that go that way at an open node of the action. */
static uint32_t region_of(struct builder *b, uint32_t parent, uint32_t open, bool right)
{
    if (!table_room(b, &b->known, chain_hash))
        return 0;
    struct forest_region r = {parent, open, right};
    struct forest_region *fresh = list_add(b, &b->chains, 1);
    if (!fresh)
        return 0;
    *fresh = r;
    uint32_t index = (uint32_t)b->chains.n - 1, *table = b->known.p;
    size_t at = slot_of(chain_hash(b, index), b->known.capacity);
    for (; table[at]; at = slot_of(at + 1, b->known.capacity)) {
        const struct forest_region *x = (const struct forest_region *)b->chains.p + (table[at] - 1);
        if (x->parent == parent && x->open == open && x->right == right) {
            b->chains.n--;
            return table[at] - 1;
        }
    }
    table[at] = index + 1;
    b->known.n++;
    return index;
}

static uint32_t add_open(struct builder *b, const struct model_node *n, enum forest_role role)
{
    struct forest_open *o = list_add(b, &b->open, 1);
    if (o)
        *o = (struct forest_open){.threshold = n->set >= 0 ? 0 : n->value,
                                  .slot = b->f->slots[n->feature],
                                  .set = n->set >= 0 ? b->set_of[n->set] : NO_INDEX,
                                  .default_right = !n->default_left,
                                  .pair = role == FOREST_PAIR};
    return b->open.n ? (uint32_t)b->open.n - 1 : 0;
}

/* ---- tiles ---- */

/* What a tile is made of, before it is written. */
struct cut {
    const struct model_tree *tree;
    int levels;
    const struct model_node *nodes[TILE_NODES]; /* NULL: none */
    int32_t exits[TILE_EXITS];                  /* nodes of the tree; NO_INDEX: none */
};

static void cut_below(struct cut *c, int32_t node, int level, uint32_t path)
{
    const struct model_node *n = &c->tree->nodes[node];
    if (n->left < 0 || level == c->levels) {
        c->exits[path] = node;
        return;
    }
    c->nodes[(1u << level) - 1 + path] = n;
    cut_below(c, n->left, level + 1, path);
    cut_below(c, n->right, level + 1, path | 1u << level);
}

static struct cut cut_tile(const struct model_tree *tree, uint32_t node, int levels)
{
    struct cut c = {.tree = tree, .levels = levels};
    for (int i = 0; i < TILE_EXITS; i++)
        c.exits[i] = NO_INDEX;
    cut_below(&c, (int32_t)node, 0, 0);
    return c;
}

/* The nodes of a tree that would be roots of tiles, if the root's has so many levels: their number. Marks is scratch. */
static size_t count_tiles(const struct model_tree *tree, int levels, uint32_t *queue)
{
    size_t head = 0, tail = 1;
    queue[0] = 0;
    for (int first = levels; head < tail; first = TILE_LEVELS) {
        struct cut c = cut_tile(tree, queue[head++], first);
        for (int i = 0; i < TILE_EXITS; i++)
            if (c.exits[i] >= 0 && tree->nodes[c.exits[i]].left >= 0)
                queue[tail++] = (uint32_t)c.exits[i];
    }
    return tail;
}

/* How many levels the root's tile gets, so that the tree has the fewest tiles. */
static int root_levels(const struct model_tree *tree, uint32_t *queue)
{
    int best = TILE_LEVELS;
    if (tree->depth <= TILE_LEVELS)
        return best;
    size_t fewest = SIZE_MAX;
    for (int levels = TILE_LEVELS; levels > 0; levels--) {
        size_t n = count_tiles(tree, levels, queue);
        if (n < fewest) {
            fewest = n;
            best = levels;
        }
    }
    return best;
}

/* The value that a leaf adds. */
static float leaf_value(const struct builder *b, const struct model_tree *t, const struct model_node *n)
{
    float v = t->vectors ? t->vectors[(size_t)n->value * b->m->outputs + b->vector_output] : n->value;
    if (!b->m->dart)
        return v;
    float base = b->m->base[0], sum = base + v;
    return (sum - base) * t->weight;
}

/* The regions of the exits, and the open nodes in order of their bits. */
static void open_nodes(struct builder *b, const struct cut *c, struct forest_tile_info *info, uint64_t *varies,
                       uint32_t *node_open)
{
    info->open = (uint32_t)b->open.n;
    for (int k = 0; k < TILE_NODES; k++) {
        enum forest_role role = c->nodes[k] ? b->f->roles[c->nodes[k]->feature] : FOREST_SHARED;
        if (role == FOREST_SHARED)
            continue;
        *varies |= UINT64_C(1) << k;
        if (role == FOREST_PAIR)
            info->pairs |= UINT64_C(1) << k;
        node_open[k] = add_open(b, c->nodes[k], role);
    }
}

static uint32_t exit_region(struct builder *b, uint64_t actions, const uint32_t *node_open, uint32_t path, uint32_t region)
{
    for (int level = 0; level < TILE_LEVELS; level++) {
        uint32_t node = (1u << level) - 1 + (path & ((1u << level) - 1));
        if (actions >> node & 1)
            region = region_of(b, region, same_condition(b, node_open[node]), path >> level & 1);
    }
    return region;
}

static void write_nodes(struct builder *b, const struct cut *c, uint64_t varies, uint32_t tile)
{
    const struct model_node *closed[TILE_NODES];
    for (int k = 0; k < TILE_NODES; k++)
        closed[k] = varies >> k & 1 ? NULL : c->nodes[k];
    if (!group_takes(b, closed))
        close_group(b);
    struct draft *d = list_add(b, &b->drafts, 1);
    if (!d)
        return;
    d->tile = tile;
    struct forest_tile *t = (struct forest_tile *)b->tiles.p + tile;
    ((struct forest_tile_info *)b->infos.p)[tile].group = (uint32_t)b->groups.n;
    for (int k = 0; k < TILE_NODES; k++) {
        const struct model_node *n = closed[k];
        t->column[k] = COLUMN_NONE;
        t->least[k] = 1;
        if (!n)
            continue;
        int32_t set = n->set >= 0 ? b->set_of[n->set] : NO_INDEX;
        int32_t column = add_column(b, n->feature, set);
        t->column[k] = (uint8_t)(column | (n->default_left ? 0 : COLUMN_RIGHT));
        d->kind[k] = set >= 0 ? NODE_SET : NODE_THRESHOLD;
        d->threshold[k] = n->value;
        if (set < 0)
            add_threshold(&b->column[column], n->value);
    }
}

/* Writes the tile that begins at a node; what is below it becomes pending. */
static void add_tile(struct builder *b, uint32_t number, const struct pending *p, int levels)
{
    const struct model_tree *tree = &b->m->trees[number];
    struct cut c = cut_tile(tree, p->node, levels);
    uint32_t tile = (uint32_t)b->tiles.n, node_open[TILE_NODES] = {0};
    list_add(b, &b->tiles, 1);
    uint64_t *varies = list_add(b, &b->varies, 1);
    struct forest_tile_info *info = list_add(b, &b->infos, 1);
    float *values = list_add(b, &b->values, TILE_EXITS);
    uint32_t *regions = list_add(b, &b->regions, TILE_EXITS);
    if (b->failed)
        return;
    for (int k = 0; k < TILE_NODES - 1; k++)
        if (c.nodes[k] && b->f->levels < 32 - __builtin_clz((unsigned)k + 1))
            b->f->levels = 32 - __builtin_clz((unsigned)k + 1);
    open_nodes(b, &c, info, varies, node_open);
    if (!b->failed)
        write_nodes(b, &c, *varies, tile);
    info->first_child = b->roots + (uint32_t)b->pending.n;
    for (uint32_t i = 0; i < TILE_EXITS && !b->failed; i++) {
        if (c.exits[i] < 0)
            continue;
        const struct model_node *n = &tree->nodes[c.exits[i]];
        regions[i] = exit_region(b, *varies & ~info->pairs, node_open, i, p->region);
        values[i] = n->left < 0 ? leaf_value(b, tree, n) : -0.0f;
        if (n->left < 0)
            continue;
        struct pending *next = list_add(b, &b->pending, 1);
        if (!next)
            return;
        *next = (struct pending){p->root, (uint32_t)c.exits[i], regions[i]};
        info->children |= UINT64_C(1) << i;
    }
}

/* ---- all trees ---- */

/* The roots, output by output, each in the order of the file; then what is below them. */
struct root {
    uint32_t tree, output;
};

static size_t list_roots(const struct builder *b, struct root *roots)
{
    size_t n = 0;
    for (uint32_t k = 0; k < b->m->outputs; k++) {
        b->f->roots[k] = (uint32_t)n;
        for (uint32_t t = 0; t < b->m->tree_count; t++)
            if (b->m->trees[t].vectors || b->m->trees[t].output == k)
                roots[n++] = (struct root){t, k};
    }
    b->f->roots[b->m->outputs] = (uint32_t)n;
    return n;
}

/* False when it becomes larger than memory_max. */
static bool small_enough(const struct builder *b, size_t memory_max)
{
    size_t tile = sizeof(struct forest_tile) + sizeof(uint64_t) + sizeof(struct forest_tile_info) + TILE_EXITS * sizeof(float);
    return b->tiles.n * tile + b->open.n * b->open.size + b->chains.n * b->chains.size +
               b->thresholds.n * sizeof(float) <=
           memory_max;
}

static bool build_tiles(struct builder *b, const struct root *roots, size_t n, size_t memory_max)
{
    uint32_t most = 1;
    for (size_t t = 0; t < b->m->tree_count; t++)
        most = b->m->trees[t].count > most ? b->m->trees[t].count : most;
    uint32_t *queue = malloc(most * sizeof *queue), *tiles = calloc(n + 1, sizeof *tiles);
    uint32_t *open = calloc(n + 1, sizeof *open);
    bool ok = queue && tiles && open;
    b->failed |= !ok;
    b->roots = (uint32_t)n;
    for (uint32_t i = 0; i < n && ok; i++) {
        const struct model_tree *t = &b->m->trees[roots[i].tree];
        b->vector_output = roots[i].output;
        uint32_t before = (uint32_t)b->open.n;
        add_tile(b, roots[i].tree, &(struct pending){.root = i}, root_levels(t, queue));
        open[i] = (uint32_t)b->open.n - before;
        if (t->leaves > b->f->tree_leaves_max)
            b->f->tree_leaves_max = t->leaves;
        ok = !b->failed && small_enough(b, memory_max);
    }
    for (size_t at = 0; at < b->pending.n && ok; at++) {
        struct pending p = ((struct pending *)b->pending.p)[at];
        uint32_t before = (uint32_t)b->open.n;
        b->vector_output = roots[p.root].output;
        add_tile(b, roots[p.root].tree, &p, TILE_LEVELS);
        open[p.root] += (uint32_t)b->open.n - before;
        tiles[p.root]++;
        ok = !b->failed && small_enough(b, memory_max);
    }
    for (size_t i = 0; i < n && ok; i++) {
        b->f->tree_tiles_max = tiles[i] > b->f->tree_tiles_max ? tiles[i] : b->f->tree_tiles_max;
        b->f->tree_open_max = open[i] > b->f->tree_open_max ? open[i] : b->f->tree_open_max;
    }
    if (ok)
        close_group(b);
    free(queue);
    free(tiles);
    free(open);
    return ok;
}

static void take_lists(struct builder *b)
{
    struct forest *f = b->f;
    f->tile_count = b->tiles.n;
    f->group_count = b->groups.n;
    f->region_count = b->chains.n;
    f->open_count = b->open.n;
    f->has_open = b->open.n > 0;
    f->tiles = list_take(b, &b->tiles);
    f->varies = list_take(b, &b->varies);
    f->infos = list_take(b, &b->infos);
    if (!b->values_of)
        f->values = list_take(b, &b->values);
    else
        f->values = b->values_of->values;
    if (f->has_open)
        f->regions = list_take(b, &b->regions);
    f->groups = list_take(b, &b->groups);
    f->columns = list_take(b, &b->columns);
    f->thresholds = list_take(b, &b->thresholds);
    f->open = list_take(b, &b->open);
    f->chains = list_take(b, &b->chains);
}

static void builder_free(struct builder *b)
{
    struct list *lists[] = {&b->tiles,      &b->varies, &b->infos,   &b->values,  &b->regions, &b->groups,    &b->columns,
                            &b->thresholds, &b->open,   &b->chains, &b->pending, &b->drafts, &b->conditions, &b->known};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        free(lists[i]->p);
    free(b->column);
    free(b->column_of);
    free(b->set_of);
}

static bool start(struct builder *b)
{
    size_t columns = b->f->features;
    b->tiles = list_of(sizeof(struct forest_tile));
    b->varies = list_of(sizeof(uint64_t));
    b->infos = list_of(sizeof(struct forest_tile_info));
    b->values = list_of(sizeof(float));
    b->regions = list_of(sizeof(uint32_t));
    b->groups = list_of(sizeof(struct forest_group));
    b->columns = list_of(sizeof(struct forest_column));
    b->thresholds = list_of(sizeof(float));
    b->open = list_of(sizeof(struct forest_open));
    b->chains = list_of(sizeof(struct forest_region));
    b->pending = list_of(sizeof(struct pending));
    b->drafts = list_of(sizeof(struct draft));
    b->column = malloc(GROUP_COLUMNS * sizeof *b->column);
    b->column_of = malloc(columns * sizeof *b->column_of);
    if (!b->column || !b->column_of || !keep_sets(b) || !list_add(b, &b->chains, 1))
        return false;
    memset(b->column_of, 0xFF, columns * sizeof *b->column_of);
    return true;
}

/* Tiles for the roles of f; whole: the same model's, all features shared, or NULL. 1: they would be too large, or a tree has too
 * many leaves that can be open. */
static int compile_tiles(struct forest *f, const struct model *m, const struct forest *whole, size_t memory_max)
{
    struct builder b = {.f = f, .m = m, .values_of = whole};
    struct root *roots = malloc((m->tree_count * m->outputs + 1) * sizeof *roots);
    f->roots = malloc((m->outputs + 1) * sizeof *f->roots);
    int rc = ERR_NOSPACE;
    if (roots && f->roots && start(&b)) {
        f->trees = list_roots(&b, roots);
        bool ok = build_tiles(&b, roots, f->trees, memory_max);
        if (ok)
            take_lists(&b);
        rc = b.failed ? ERR_NOSPACE : !ok || (f->has_open && f->tree_leaves_max > TREE_LEAVES_MAX) ? 1 : 0;
    }
    builder_free(&b);
    free(roots);
    return rc;
}

/* ---- flat ---- */

static int keep_flat(struct forest *f, const struct model *m)
{
    struct builder b = {.f = f, .m = m};
    size_t nodes = 0, at = 0, trees = 0;
    for (size_t t = 0; t < m->tree_count; t++)
        nodes += m->trees[t].count * (m->trees[t].vectors ? m->outputs : 1);
    f->nodes = malloc((nodes + 1) * sizeof *f->nodes);
    f->flat_trees = malloc((m->tree_count * m->outputs + 1) * sizeof *f->flat_trees);
    if (!f->nodes || !f->flat_trees || !keep_sets(&b)) {
        free(b.set_of);
        return ERR_NOSPACE;
    }
    for (size_t t = 0; t < m->tree_count; t++) {
        const struct model_tree *tree = &m->trees[t];
        for (uint32_t k = 0; k < (tree->vectors ? m->outputs : 1); k++) {
            f->flat_trees[trees].first = (uint32_t)at;
            f->flat_trees[trees++].output = tree->vectors ? k : tree->output;
            b.vector_output = k;
            for (uint32_t i = 0; i < tree->count; i++, at++) {
                f->nodes[at] = tree->nodes[i];
                if (tree->nodes[i].left < 0)
                    f->nodes[at].value = leaf_value(&b, tree, &tree->nodes[i]);
            }
        }
    }
    f->trees = trees;
    f->flat = true;
    f->bytes += nodes * sizeof *f->nodes + trees * sizeof *f->flat_trees;
    free(b.set_of);
    return 0;
}

static int keep_linear(struct forest *f, const struct model *m)
{
    size_t n = (m->features + 1) * m->outputs;
    f->linear = malloc(n * sizeof *f->linear);
    if (!f->linear)
        return ERR_NOSPACE;
    memcpy(f->linear, m->linear, n * sizeof *f->linear);
    f->flat = true;
    f->bytes += n * sizeof *f->linear;
    return 0;
}

/* ---- entry ---- */

/* Which features are not shared, and each one's place among those. */
static bool number_features(struct forest *f)
{
    f->action_features = malloc((f->features + 1) * sizeof *f->action_features);
    f->pair_features = malloc((f->features + 1) * sizeof *f->pair_features);
    f->slots = calloc(f->features + 1, sizeof *f->slots);
    if (!f->action_features || !f->pair_features || !f->slots)
        return false;
    for (uint32_t i = 0; i < f->features; i++) {
        if (f->roles[i] == FOREST_ACTION) {
            f->slots[i] = (uint32_t)f->action_count;
            f->action_features[f->action_count++] = i;
        } else if (f->roles[i] == FOREST_PAIR) {
            f->slots[i] = (uint32_t)f->pair_count;
            f->pair_features[f->pair_count++] = i;
        }
    }
    return true;
}

static struct forest *forest_new(const struct model *m, const struct forest_options *o, const enum forest_role *roles)
{
    struct forest *f = calloc(1, sizeof *f);
    if (!f)
        return NULL;
    f->features = m->features;
    f->outputs = m->outputs;
    f->isa = o->isa;
    f->instructions = o->isa->instructions;
    f->base = malloc(m->outputs * sizeof *f->base);
    f->roles = calloc(m->features, sizeof *f->roles);
    if (!f->base || !f->roles) {
        forest_free(&f);
        return NULL;
    }
    memcpy(f->base, m->base, m->outputs * sizeof *f->base);
    if (roles)
        memcpy(f->roles, roles, m->features * sizeof *f->roles);
    if (!number_features(f))
        forest_free(&f);
    return f;
}

static bool all_shared(const enum forest_role *roles, size_t n)
{
    for (size_t i = 0; roles && i < n; i++)
        if (roles[i] != FOREST_SHARED)
            return false;
    return true;
}

/* One forest in one form. 1: not in tiles. */
static int compile_one(struct forest **out, const struct model *m, const struct forest_options *o,
                       const struct forest *whole, size_t memory_max, bool flat)
{
    struct forest *f = forest_new(m, o, whole ? o->roles : NULL);
    int rc = ERR_NOSPACE;
    if (f && m->linear)
        rc = keep_linear(f, m);
    else if (f)
        rc = flat ? keep_flat(f, m) : compile_tiles(f, m, whole, memory_max);
    if (rc)
        forest_free(&f);
    else
        *out = f;
    return rc;
}

int forest_compile(struct forest **out, const struct model *m, const struct forest_options *o, struct error *e)
{
    struct forest_options chosen = *o;
    size_t memory = o->memory_max ? o->memory_max : MEMORY_DEFAULT;
    struct forest *whole = NULL, *split = NULL;
    bool shared = all_shared(o->roles, m->features);
    chosen.isa = o->isa ? o->isa : forest_isa_of(o->instructions);
    if (!chosen.isa)
        return error_set(e, ERR_INVALID, "this machine has no %s instructions",
                         forest_instructions_name(o->instructions));
    int rc = compile_one(&whole, m, &chosen, NULL, memory, false);
    if (rc == 1)
        rc = compile_one(&whole, m, &chosen, NULL, memory, true);
    if (!rc && !shared) {
        size_t left = memory > whole->bytes ? memory - whole->bytes : 0;
        rc = whole->flat ? 1 : compile_one(&split, m, &chosen, whole, left, false);
        if (rc == 1) { /* every candidate as a whole row */
            split = forest_new(m, &chosen, o->roles);
            rc = split ? 0 : ERR_NOSPACE;
        }
    }
    if (rc) {
        forest_free(&whole);
        forest_free(&split);
        return error_set(e, ERR_NOSPACE, "out of memory for the compiled model");
    }
    if (split)
        split->whole = whole;
    *out = split ? split : whole;
    return 0;
}

void forest_free(struct forest **forest)
{
    struct forest *f = *forest;
    if (!f)
        return;
    if (f->whole && f->values == f->whole->values)
        f->values = NULL;
    forest_free(&f->whole);
    void *parts[] = {f->base,   f->roles,  f->action_features, f->pair_features, f->slots, f->sets,       f->set_words, f->tiles,
                     f->varies, f->infos,  f->values,          f->regions,       f->roots,      f->groups,    f->columns,
                     f->thresholds, f->open, f->chains,        f->nodes,         f->flat_trees, f->linear};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        free(parts[i]);
    free(f);
    *forest = NULL;
}

size_t forest_features(const struct forest *f)
{
    return f->features;
}

size_t forest_outputs(const struct forest *f)
{
    return f->outputs;
}

enum forest_instructions forest_instructions_of(const struct forest *f)
{
    return f->instructions;
}

size_t forest_bytes(const struct forest *f)
{
    return f->bytes + (f->whole ? f->whole->bytes : 0);
}

bool forest_is_flat(const struct forest *f)
{
    return f->whole ? f->whole->flat : f->flat;
}
