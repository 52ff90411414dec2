/* Cutting trees into tiles; see forest_tiles.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/forest_tiles.h"
#include "models/forest_columns.h"
#include "models/forest_regions.h"
#include "models/forest_score.h"
#include <stdlib.h>

/* What a tile is made of, before it is written. */
struct cut {
    const struct model_tree *tree;
    int levels, used;                           /* that it may have; that it has */
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
    c->used = level + 1 > c->used ? level + 1 : c->used;
    cut_below(c, n->left, level + 1, path);
    cut_below(c, n->right, level + 1, path | 1u << level);
}

static void cut_tile(struct cut *c, const struct model_tree *tree, uint32_t node, int levels)
{
    *c = (struct cut){.tree = tree, .levels = levels};
    memset(c->exits, 0xFF, sizeof c->exits); /* NO_INDEX */
    cut_below(c, (int32_t)node, 0, 0);
}

/* How many levels the root's tile gets: so many that those below it, of a tree that is full, have all of theirs. */
static int root_levels(const struct model_tree *tree)
{
    return tree->depth <= TILE_LEVELS ? TILE_LEVELS : (int)(tree->depth - 1) % TILE_LEVELS + 1;
}

/* The regions of the exits, and the open nodes in order of their bits. */
static void open_nodes(struct builder *b, const struct cut *c, struct forest_tile_info *info, uint64_t *varies,
                       uint32_t *node_open)
{
    info->open = (uint32_t)b->open.n;
    if (!b->f->action_count && !b->f->pair_count)
        return;
    for (int k = 0; k < TILE_NODES; k++) {
        enum forest_role role = c->nodes[k] ? b->f->roles[c->nodes[k]->feature] : FOREST_SHARED;
        if (role == FOREST_SHARED)
            continue;
        *varies |= UINT64_C(1) << k;
        if (role == FOREST_PAIR)
            info->pairs |= UINT64_C(1) << k;
        node_open[k] = forest_add_open(b, c->nodes[k], role);
    }
}

/* The regions of all exits, from the tile's down: at a node of the action they part. */
static void exit_regions(struct builder *b, const struct cut *c, uint64_t actions, const uint32_t *node_open, uint32_t region,
                         uint32_t *out)
{
    uint32_t at[TILE_NODES + TILE_EXITS];
    if (!actions) {
        for (uint32_t i = 0; i < TILE_EXITS && region; i++)
            out[i] = c->exits[i] < 0 ? 0 : region;
        return;
    }
    at[0] = region;
    for (uint32_t level = 0; level < TILE_LEVELS; level++)
        for (uint32_t path = 0; path < 1u << level; path++) {
            uint32_t first = (1u << level) - 1, node = first + path, left = (2u << level) - 1 + path;
            bool open = actions >> node & 1;
            at[left] = open ? forest_region_of(b, at[node], node_open[node], false) : at[node];
            at[left + (1u << level)] = open ? forest_region_of(b, at[node], node_open[node], true) : at[node];
        }
    for (uint32_t i = 0; i < TILE_EXITS; i++)
        out[i] = c->exits[i] < 0 ? 0 : at[TILE_NODES - 1 + i];
}

/* What is open is no column's. */
static void write_nodes(struct builder *b, const struct cut *c, uint64_t varies, uint32_t tile)
{
    const struct model_node *closed[TILE_NODES];
    for (int k = 0; k < TILE_NODES; k++)
        closed[k] = varies >> k & 1 ? NULL : c->nodes[k];
    if (!forest_group_takes(b, closed))
        forest_group_close(b);
    forest_group_add(b, tile, closed);
}

/* Writes the tile that begins at a node; what is below it becomes pending. */
static void add_tile(struct builder *b, uint32_t number, const struct pending *p, int levels)
{
    const struct model_tree *tree = &b->m->trees[number];
    struct cut c;
    cut_tile(&c, tree, p->node, levels);
    uint32_t tile = (uint32_t)b->tiles.n, node_open[TILE_NODES] = {0};
    forest_list_add(b, &b->tiles, 1);
    uint64_t *varies = forest_list_add(b, &b->varies, 1);
    struct forest_tile_info *info = forest_list_add(b, &b->infos, 1);
    float *values = b->whole ? NULL : forest_list_add(b, &b->values, TILE_EXITS);
    uint32_t *regions = forest_list_add(b, &b->regions, TILE_EXITS);
    if (b->failed)
        return;
    b->f->levels = c.used > b->f->levels ? c.used : b->f->levels;
    open_nodes(b, &c, info, varies, node_open);
    if (!b->failed)
        write_nodes(b, &c, *varies, tile);
    info->first_child = b->roots + (uint32_t)b->pending.n;
    if (!b->failed)
        exit_regions(b, &c, *varies & ~info->pairs, node_open, p->region, regions);
    for (uint32_t i = 0; i < TILE_EXITS && !b->failed; i++) {
        if (c.exits[i] < 0)
            continue;
        const struct model_node *n = &tree->nodes[c.exits[i]];
        if (values)
            values[i] = n->left < 0 ? forest_leaf_value(b, tree, n) : -0.0f;
        if (n->left < 0)
            continue;
        struct pending *next = forest_list_add(b, &b->pending, 1);
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

/* False when it becomes larger than memory_max. What the group at hand will need is counted on the safe side. */
static bool small_enough(const struct builder *b, size_t memory_max)
{
    size_t tile = sizeof(struct forest_tile) + sizeof(uint64_t) + sizeof(struct forest_tile_info);
    size_t per_column = (COLUMN_THRESHOLDS + 2 * COLUMN_BLOCK) * sizeof(float) + sizeof(struct forest_column);
    tile += b->whole ? (b->open.n ? TILE_EXITS * sizeof(uint32_t) : 0) : TILE_EXITS * sizeof(float);
    return b->f->bytes + b->tiles.n * tile + b->open.n * b->open.size + b->chains.n * b->chains.size +
               b->thresholds.n * sizeof(float) + b->columns.n * b->columns.size + (b->groups.n + 1) * b->groups.size +
               b->column_count * per_column <=
           memory_max;
}

static bool build_tiles(struct builder *b, const struct root *roots, size_t n, size_t memory_max)
{
    uint32_t *tiles = calloc(n + 1, sizeof *tiles), *open = calloc(n + 1, sizeof *open);
    bool ok = tiles && open;
    b->failed |= !ok;
    b->roots = (uint32_t)n;
    for (uint32_t i = 0; i < n && ok; i++) {
        const struct model_tree *t = &b->m->trees[roots[i].tree];
        b->vector_output = roots[i].output;
        uint32_t before = (uint32_t)b->open.n;
        add_tile(b, roots[i].tree, &(struct pending){.root = i}, root_levels(t));
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
        forest_group_close(b);
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
    f->has_open = b->open.n > 0;
    f->tiles = forest_list_take(b, &b->tiles);
    f->varies = forest_list_take(b, &b->varies);
    f->infos = forest_list_take(b, &b->infos);
    if (!b->whole)
        f->values = forest_list_take(b, &b->values);
    else
        f->values = b->whole->values;
    if (f->has_open)
        f->regions = forest_list_take(b, &b->regions);
    f->groups = forest_list_take(b, &b->groups);
    f->columns = forest_list_take(b, &b->columns);
    f->thresholds = forest_list_take(b, &b->thresholds);
    f->open = forest_list_take(b, &b->open);
    f->chains = forest_list_take(b, &b->chains);
}


/* Tiles of full trees; others may have more. */
static size_t likely_tiles(const struct model *m)
{
    size_t tiles = 0;
    for (size_t i = 0; i < m->tree_count; i++) {
        const struct model_tree *t = &m->trees[i];
        tiles += (t->depth <= TILE_LEVELS ? 1 : t->leaves / TILE_EXITS + 1) * (t->vectors ? m->outputs : 1);
    }
    return tiles;
}

static bool reserve(struct builder *b, size_t memory_max)
{
    size_t tiles = likely_tiles(b->m);
    if (tiles > memory_max / sizeof(struct forest_tile)) /* it will not get so far */
        return true;
    return forest_list_reserve(b, &b->tiles, tiles) && forest_list_reserve(b, &b->varies, tiles) &&
           forest_list_reserve(b, &b->infos, tiles) && forest_list_reserve(b, &b->regions, tiles * TILE_EXITS) &&
           (b->whole || forest_list_reserve(b, &b->values, tiles * TILE_EXITS));
}

static bool start(struct builder *b, size_t memory_max)
{
    size_t columns = b->f->features;
    b->tiles = forest_list(sizeof(struct forest_tile));
    b->varies = forest_list(sizeof(uint64_t));
    b->infos = forest_list(sizeof(struct forest_tile_info));
    b->values = forest_list(sizeof(float));
    b->regions = forest_list(sizeof(uint32_t));
    b->groups = forest_list(sizeof(struct forest_group));
    b->columns = forest_list(sizeof(struct forest_column));
    b->thresholds = forest_list(sizeof(float));
    b->open = forest_list(sizeof(struct forest_open));
    b->chains = forest_list(sizeof(struct forest_region));
    b->pending = forest_list(sizeof(struct pending));
    b->drafts = forest_list(sizeof(struct draft));
    b->column = malloc(GROUP_COLUMNS * sizeof *b->column);
    b->column_of = malloc(columns * sizeof *b->column_of);
    if (!b->column || !b->column_of || !reserve(b, memory_max) || !forest_keep_sets(b) || !forest_list_add(b, &b->chains, 1))
        return false;
    memset(b->column_of, 0xFF, columns * sizeof *b->column_of);
    return true;
}

int forest_tiles_build(struct forest *f, const struct model *m, const struct forest *whole, size_t memory_max)
{
    struct builder b = {.f = f, .m = m, .whole = whole};
    struct root *roots = malloc((m->tree_count * m->outputs + 1) * sizeof *roots);
    f->roots = malloc((m->outputs + 1) * sizeof *f->roots);
    int rc = ERR_NOSPACE;
    if (roots && f->roots && start(&b, memory_max)) {
        f->trees = list_roots(&b, roots);
        bool ok = build_tiles(&b, roots, f->trees, memory_max);
        if (ok)
            take_lists(&b);
        rc = b.failed ? ERR_NOSPACE : !ok || forest_score_bytes(f) > SCORE_MEMORY_MAX ? 1 : 0;
    }
    builder_free(&b);
    free(roots);
    return rc;
}
