/* What a stretch of trees gives for one customer, as flat lists in which nothing is a surprise to the processor. Filling them is
 * the same for all kinds of instructions, and is compiled with each one's switches: for the forest's kernels only.
 *
 *   leaves     value to add, and the row of candidates who may reach it, tree by tree
 *   compares   open nodes whose candidates are to be found by comparing
 *   ands       word ← word and another, or its complement: leaves below compared nodes
 *
 * Words are numbered: those of the leaves first, then (from leaf_max on) those of the compares. An exit that leads to
 * another tile is a leaf that adds −0, which changes no sum; its word says who goes there.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_MODELS_FOREST_CHUNK_H
#define TACT_MODELS_FOREST_CHUNK_H
#include "models/forest_inner.h"

#define NO_WORD UINT32_MAX

struct forest_and {
    uint32_t word, with;
    uint64_t invert;
};
struct forest_step { /* a tile to look at; the word of those who go there, or NO_WORD */
    uint32_t tile, word;
};

struct forest_chunk {
    const uint64_t *rows; /* of regions, row_words apart (0: all the same) */
    size_t row_words;
    bool compare_actions; /* not by rows */
    size_t leaf_count, leaf_max, compare_count, compare_max, and_count, and_max;
    float *values;
    const uint64_t **leaf_rows;
    uint32_t *compares; /* of forest.open */
    struct forest_and *ands;
    struct forest_step *steps;
};

/* Exits below a node, by the way that leads there. */
struct forest_sides {
    uint64_t left[TILE_NODES], right[TILE_NODES];
};
extern const struct forest_sides forest_sides;

typedef void (*forest_reach)(const struct forest *f, const uint8_t *codes, const uint32_t *tiles, size_t n,
                             uint64_t *leaves, uint64_t *nodes);

/* Number of a block's thresholds that are ≤ x, which is not so for NaN. */
typedef unsigned (*forest_not_above)(const float *block, float x);

/* The codes of a group's columns. */
static inline __attribute__((always_inline)) void chunk_encode(const struct forest *f, const struct forest_group *g,
                                                               const float *x, uint8_t *out, forest_not_above not_above)
{
    for (uint32_t i = 0; i < g->count; i++) {
        const struct forest_column *c = &f->columns[g->first + i];
        float v = x[c->feature];
        if (__builtin_expect(c->set >= 0, 0)) {
            out[i] = forest_set_code(f, c, v);
            continue;
        }
        const float *t = f->thresholds + c->first;
        unsigned block = not_above(t, v);
        unsigned count = block * COLUMN_BLOCK + not_above(t + COLUMN_BLOCK * (1 + block), v);
        out[i] = (uint8_t)(v != v ? 0 : 1 + count);
    }
    forest_none_code(g, out);
}

static inline uint32_t chunk_rank(uint64_t word, uint64_t bit)
{
    return (uint32_t)__builtin_popcountll(word & (bit - 1));
}

/* The leaves of a tile. Four at once, whether they are there or not: how many there are is what the processor cannot foresee. */
static inline void chunk_leaves(struct forest_chunk *c, const struct forest *f, uint32_t tile, uint64_t leaves)
{
    const float *value = f->values + (size_t)tile * TILE_EXITS;
    const uint32_t *region = f->regions + (size_t)tile * TILE_EXITS;
    size_t at = c->leaf_count, end = at + (size_t)__builtin_popcountll(leaves);
    for (; at < end; at += CHUNK_AT_ONCE)
        UNROLL for (size_t k = 0; k < CHUNK_AT_ONCE; k++) {
            int exit = __builtin_ctzll(leaves | UINT64_C(1) << 63);
            c->values[at + k] = value[exit];
            c->leaf_rows[at + k] = c->rows + region[exit] * c->row_words;
            leaves &= leaves - 1;
        }
    c->leaf_count = end;
}

static inline void chunk_and(struct forest_chunk *c, uint32_t word, uint32_t with, bool invert)
{
    c->ands[c->and_count++] = (struct forest_and){word, with, -(uint64_t)invert};
}

/* A tile's leaves; first: the word of the lowest. Then what those below compared nodes must do there. */
static inline void chunk_conditions(struct forest_chunk *c, const struct forest *f, uint32_t tile, uint64_t leaves,
                                    uint64_t compared, uint32_t first)
{
    uint64_t varies = f->varies[tile];
    uint32_t open = f->infos[tile].open;
    for (; compared; compared &= compared - 1) {
        uint64_t bit = compared & -compared, left, below;
        int node = __builtin_ctzll(compared);
        uint32_t with = (uint32_t)(c->leaf_max + c->compare_count);
        c->compares[c->compare_count++] = open + chunk_rank(varies, bit);
        left = leaves & forest_sides.left[node];
        for (below = left | (leaves & forest_sides.right[node]); below; below &= below - 1) {
            uint64_t leaf = below & -below;
            chunk_and(c, first + chunk_rank(leaves, leaf), with, (left & leaf) != 0);
        }
    }
}

/* Exits that lead to tiles: remembered. */
static inline size_t chunk_inner(struct forest_chunk *c, const struct forest *f, uint32_t tile, uint64_t leaves,
                                 uint64_t compared, uint32_t first, uint32_t within, size_t depth)
{
    uint64_t told = 0;
    for (uint64_t left = compared; left; left &= left - 1)
        told |= forest_sides.left[__builtin_ctzll(left)] | forest_sides.right[__builtin_ctzll(left)];
    for (uint64_t inner = leaves & f->infos[tile].children; inner; inner &= inner - 1) {
        uint64_t exit = inner & -inner;
        uint32_t word = first + chunk_rank(leaves, exit);
        bool known = within == NO_WORD && !(told & exit);
        c->steps[depth++] =
            (struct forest_step){forest_child(f, tile, (uint32_t)__builtin_ctzll(exit)), known ? NO_WORD : word};
    }
    return depth;
}

static inline uint64_t chunk_compared(const struct forest_chunk *c, const struct forest *f, uint32_t tile, uint64_t nodes)
{
    return nodes & (c->compare_actions ? f->varies[tile] : f->infos[tile].pairs);
}

/* One tile, whatever it is; the number of steps that wait. */
static inline size_t chunk_tile(struct forest_chunk *c, const struct forest *f, uint32_t tile, uint32_t within,
                                uint64_t leaves, uint64_t nodes, size_t depth)
{
    uint64_t compared = chunk_compared(c, f, tile, nodes);
    uint32_t first = (uint32_t)c->leaf_count;
    chunk_leaves(c, f, tile, leaves);
    if (within != NO_WORD)
        for (uint32_t i = first; i < c->leaf_count; i++)
            chunk_and(c, i, within, false);
    if (compared)
        chunk_conditions(c, f, tile, leaves, compared, first);
    if (leaves & f->infos[tile].children)
        depth = chunk_inner(c, f, tile, leaves, compared, first, within, depth);
    return depth;
}

static inline void chunk_below(struct forest_chunk *c, const struct forest *f, const uint8_t *codes, size_t depth,
                               forest_reach reach)
{
    while (depth > 0) {
        struct forest_step at[BATCH];
        uint32_t tiles[BATCH];
        uint64_t leaves[BATCH], nodes[BATCH];
        size_t n = 0;
        for (; n < BATCH && depth > 0; n++) {
            at[n] = c->steps[--depth];
            tiles[n] = at[n].tile;
        }
        reach(f, codes, tiles, n, leaves, nodes);
        for (size_t i = 0; i < n; i++)
            depth = chunk_tile(c, f, at[i].tile, at[i].word, leaves[i], nodes[i], depth);
    }
}

/* Trees from root on, up to end or until the chunk may not hold another BATCH; the next root. An empty chunk takes at least
 * one BATCH. */
static inline uint32_t chunk_fill(struct forest_chunk *c, const struct forest *f, const uint8_t *codes, uint32_t root,
                                  uint32_t end, forest_reach reach)
{
    size_t exits = (f->tree_leaves_max + f->tree_tiles_max) * BATCH;
    for (; root < end; root += BATCH) {
        uint32_t tiles[BATCH];
        uint64_t leaves[BATCH], nodes[BATCH];
        size_t n = end - root < BATCH ? end - root : BATCH;
        if (c->leaf_count + exits > c->leaf_max || c->and_count + exits * CHUNK_ANDS > c->and_max ||
            c->compare_count + f->tree_open_max * BATCH > c->compare_max)
            return root;
        for (size_t i = 0; i < n; i++)
            tiles[i] = root + (uint32_t)i;
        reach(f, codes, tiles, n, leaves, nodes);
        for (size_t i = 0; i < n; i++) {
            size_t depth = chunk_tile(c, f, tiles[i], NO_WORD, leaves[i], nodes[i], 0);
            if (depth)
                chunk_below(c, f, codes, depth, reach);
        }
    }
    return end;
}

#endif
