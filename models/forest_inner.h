/* How a compiled forest lies in memory; for the forest_*.c only.
 *
 * A tile is a complete binary tree of six levels cut out of a tree: 63 nodes, 64 exits. The node at level l that the first l
 * steps lead to stands at 2^l − 1 + (its path), where step k of a path is bit k: so the children of the nodes of a level,
 * all left ones first, then all right ones, are the next level, and reaching it is one AND, shift and OR a side. Where the tree
 * ends earlier, the nodes below go left always. An exit is a leaf or another tile.
 *
 * What a node compares is a column: the customer's value as a rank. A column is (feature, default way) with all thresholds
 * that the nodes of a group of tiles have there, sorted; rank(x) = the number of thresholds ≤ x, a byte. A node with the k-th
 * threshold (from 0) goes right when rank(x) > k. A missing value has rank 0 (always left) or 255 (always right). A set of
 * categories is a column of its own, rank 0 or 255. Groups follow one another in the order of tiles and end where a column would
 * get a 256th threshold, or there would be a 257th column; their ranks are found anew.
 *
 * Regions say which actions reach a leaf: those that pass a chain of conditions on the action's features. Region 0 is all.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_MODELS_FOREST_INNER_H
#define TACT_MODELS_FOREST_INNER_H
#include "models/forest.h"

enum {
    TILE_LEVELS = 6,
    TILE_NODES = 64, /* the last is not used */
    TILE_EXITS = 64,
    GROUP_COLUMNS = 256,
    COLUMN_THRESHOLDS = 255,
    COLUMN_BLOCK = 16, /* thresholds are looked at in blocks of so many, after the last of each block */
    BATCH = 8,         /* tiles at a time */
    BLOCK_WORDS = 2,   /* 64-bit words of candidates at a time */
    BLOCK = 64 * BLOCK_WORDS,
    RANK_NEVER = 255,
    TREE_LEAVES_MAX = 1 << 16 /* of a tree with open nodes */
};

struct forest_column {
    uint32_t feature;
    uint32_t first; /* of thresholds: the last ones of full blocks (16 floats), then the blocks; NaN after the end */
    int32_t set;    /* else -1 */
    uint8_t default_right;
};

struct forest_group {
    uint32_t first, count; /* columns */
};

struct forest_tile {
    _Alignas(64) uint8_t column[TILE_NODES];
    uint8_t rank[TILE_NODES];
};

/* What is not looked at for every tile. */
struct forest_tile_info {
    uint64_t children; /* exits that are tiles */
    uint64_t pairs;    /* nodes of the pair */
    uint32_t group;
    uint32_t open; /* first of its open nodes in forest.open, in order of their bits */
};

/* A node that is not the customer's. */
struct forest_open {
    float threshold;
    uint32_t slot; /* of the action's features or of the pair's */
    int32_t set;
    uint8_t default_right, pair;
};

/* Actions of the parent region that go one way at an open node. */
struct forest_region {
    uint32_t parent, open;
    bool right;
};

struct forest {
    const struct forest_isa *isa;
    enum forest_instructions instructions;
    size_t features, outputs, trees; /* trees: one for each output of a vector */
    float *base;                     /* [outputs] */
    enum forest_role *roles;
    uint32_t *action_features, *pair_features;
    uint32_t *slots; /* [features]: a feature's place among the action's or the pair's */
    size_t action_count, pair_count;

    struct model_set *sets;
    uint32_t *set_words;

    /* tiles; the first `trees` are roots, in order of outputs */
    size_t tile_count, group_count, region_count;
    struct forest_tile *tiles;
    uint64_t *varies; /* [tile]: its open nodes */
    struct forest_tile_info *infos;
    float *values;   /* [tile][64]: of exits that are leaves */
    uint32_t *exits; /* [tile][64]: the region of a leaf, or a tile */
    uint32_t *roots; /* [outputs + 1]: the first root of each output */
    struct forest_group *groups;
    struct forest_column *columns;
    float *thresholds;
    struct forest_open *open;
    struct forest_region *regions;
    size_t open_count, tree_leaves_max, tree_tiles_max, tree_open_max;
    bool has_open;

    /* instead of tiles */
    bool flat;
    struct model_node *nodes;
    struct forest_flat_tree {
        uint32_t first, output; /* node; leaves have the value that they add */
    } *flat_trees;
    float *linear;

    struct forest *whole; /* all features shared; NULL when this one is so */
    size_t bytes;
};

struct forest_catalog {
    const struct forest *forest;
    size_t actions, words;
    float *values;   /* [action feature][words * 64]; NaN after the end */
    uint64_t *rows;  /* [region][words]; NULL when they would need too much memory */
    size_t bytes;
};

/* Kernels, one set for each kind of instructions. Blocks: up to BLOCK candidates. */
struct forest_isa {
    enum forest_instructions instructions;
    /* Ranks of a group's columns into out[GROUP_COLUMNS]; x: [features]. */
    void (*ranks)(const struct forest *f, const struct forest_group *g, const float *x, uint8_t *out);
    /* n ≤ BATCH tiles: leaves that can be reached, and nodes on the way. ranks: [group][GROUP_COLUMNS]. */
    void (*reach)(const struct forest *f, const uint8_t *ranks, const uint32_t *tiles, size_t n, uint64_t *leaves,
                  uint64_t *nodes);
    /* The same without open nodes: the exit. */
    void (*walk)(const struct forest *f, const uint8_t *ranks, const uint32_t *tiles, size_t n, uint32_t *exits);
    /* Candidates whose value goes right at a threshold; count ≤ BLOCK values, a multiple of 64. */
    void (*compare)(const float *x, float threshold, bool default_right, size_t count, uint64_t *out);
    /* sums[i] += values[k] for each k in order, where bit i of rows[k][word…] is set; i < lanes ≤ BLOCK, and the sums up to the
     * next multiple of 16 may be written. */
    void (*add)(const float *values, const uint64_t *const *rows, size_t n, size_t word, size_t lanes, float *sums);
};
extern const struct forest_isa forest_isa_plain;
#if defined(__x86_64__)
extern const struct forest_isa forest_isa_avx2, forest_isa_avx512;
#endif
/* NULL when this machine lacks them. */
const struct forest_isa *forest_isa_of(enum forest_instructions i);

static inline uint8_t forest_set_rank(const struct forest *f, const struct forest_column *c, float x)
{
    bool right = x != x ? c->default_right : model_set_has(&f->sets[c->set], x);
    return right ? RANK_NEVER : 0;
}

/* Whether one value goes right at an open node; the words of many (a multiple of 64, at most BLOCK). */
static inline bool forest_open_right(const struct forest *f, const struct forest_open *o, float x)
{
    if (x != x)
        return o->default_right;
    return o->set >= 0 ? model_set_has(&f->sets[o->set], x) : !(x < o->threshold);
}
static inline void forest_open_words(const struct forest *f, const struct forest_open *o, const float *x, size_t count,
                                     uint64_t *out)
{
    if (o->set < 0) {
        f->isa->compare(x, o->threshold, o->default_right, count, out);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (i % 64 == 0)
            out[i / 64] = 0;
        out[i / 64] |= (uint64_t)forest_open_right(f, o, x[i]) << (i % 64);
    }
}

#endif
