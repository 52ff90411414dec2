/* How a compiled forest lies in memory; for the forest_*.c only.
 *
 * A tile is a complete binary tree of six levels cut out of a tree: 63 nodes, 64 exits. The node at level l that the first l
 * steps lead to stands at 2^l − 1 + (its path), where step k of a path is bit k: so the children of the nodes of a level,
 * all left ones first, then all right ones, are the next level, and reaching it is one AND, shift and OR a side. Where the tree
 * ends earlier, the nodes below go left always. An exit is a leaf or another tile.
 *
 * What a node compares is a column: the customer's value as a code. A column is a feature with all thresholds that the nodes of
 * a group of tiles have for it, sorted. A missing value has code 0, others 1 + the number of thresholds ≤ x: a byte. A node
 * with the k-th threshold (from 0) goes right when
 *
 *   code ≥ k + 2                  where missing goes left
 *   code − 1 mod 256 ≥ k + 1      where missing goes right, since code 0 becomes 255
 *
 * A set of categories is a column of its own: 1 for others, 2 for members. One column is always 0: that of nodes that are none, or
 * open. Groups follow one another in the order of tiles and end where a column would get a 255th threshold, or there would be
 * a 128th column; their codes are found anew.
 *
 * Regions say which actions reach a leaf: those that pass a chain of conditions on the action's features. Region 0 is all.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_MODELS_FOREST_INNER_H
#define TACT_MODELS_FOREST_INNER_H
#include "models/forest_catalog.h"

enum {
    TILE_LEVELS = 6,
    TILE_NODES = 64, /* the last is not used */
    TILE_EXITS = 64,
    GROUP_COLUMNS = 128,
    COLUMN_NONE = GROUP_COLUMNS - 1, /* always 0 */
    COLUMN_NONE_FEW = 63,            /* as good, where a table of 64 codes is enough and only 6 bits are looked at */
    COLUMN_RIGHT = 128,              /* the bit of a node whose default way is right */
    COLUMN_THRESHOLDS = 254,
    COLUMN_BLOCK = 16, /* thresholds are looked at in blocks of so many, after the last of each block */
    BATCH = 8,         /* tiles at a time */
    CHUNK_AT_ONCE = 4,
    CHUNK_ANDS = TILE_LEVELS + 1, /* of an exit, at most */
    BLOCK_WORDS = 2,   /* 64-bit words of candidates at a time */
    BLOCK = 64 * BLOCK_WORDS,
    SCORE_MEMORY_MAX = 6 << 20 /* of a request, for codes and chunk: holds full trees of depth 12 with open nodes */
};

struct forest_column {
    uint32_t feature;
    uint32_t first; /* of thresholds: the last ones of full blocks (16 floats), then the blocks; NaN after the end */
    int32_t set;    /* else -1 */
};

struct forest_group {
    uint32_t first, count; /* columns */
};

struct forest_tile {
    _Alignas(64) uint8_t column[TILE_NODES];
    uint8_t least[TILE_NODES]; /* right when the code is at least this */
};

/* What is not looked at for every tile. */
struct forest_tile_info {
    uint64_t children; /* exits that are tiles */
    uint64_t pairs;    /* nodes of the pair */
    uint32_t group;
    uint32_t open;        /* first of its open nodes in forest.open, in order of their bits */
    uint32_t first_child; /* tile of its lowest exit that is one; the others follow */
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
    float *values;     /* [tile][64]: of exits that are leaves; −0 of others. Those of whole, where there is one */
    uint32_t *regions; /* [tile][64]: of exits; NULL without open nodes */
    int levels;        /* of the deepest tile */
    uint32_t *roots; /* [outputs + 1]: the first root of each output */
    struct forest_group *groups;
    struct forest_column *columns;
    float *thresholds;
    struct forest_open *open;
    struct forest_region *chains; /* [region] */
    size_t tree_leaves_max, tree_tiles_max, tree_open_max;
    bool has_open;

    /* instead of tiles */
    bool flat;
    struct model_node *nodes;
    struct forest_flat_tree {
        uint32_t first, output; /* node; leaves have the value that they add */
    } *flat_trees;
    float *linear;

    struct forest *whole; /* all features shared; NULL when this one is so */
    bool shares;          /* values and sets are whole's */
    size_t bytes;
};

struct forest_catalog {
    const struct forest *forest;
    size_t actions, words;
    float *values;   /* [action feature][words * 64]; NaN after the end */
    uint64_t *rows;  /* [region][words]; NULL when they would need too much memory */
    size_t bytes;
};

/* For loops of few, fixed steps whose arrays are to be registers. */
#define UNROLL _Pragma("GCC unroll 8")

static inline uint32_t forest_child(const struct forest *f, uint32_t tile, uint32_t exit)
{
    const struct forest_tile_info *info = &f->infos[tile];
    uint64_t before = info->children & ((UINT64_C(1) << exit) - 1);
    return info->first_child + (uint32_t)__builtin_popcountll(before);
}

static inline uint8_t forest_set_code(const struct forest *f, const struct forest_column *c, float x)
{
    return (uint8_t)(x != x ? 0 : 1 + model_set_has(&f->sets[c->set], x));
}

static inline void forest_none_code(const struct forest_group *g, uint8_t *codes)
{
    codes[COLUMN_NONE] = 0;
    if (g->count <= COLUMN_NONE_FEW)
        codes[COLUMN_NONE_FEW] = 0;
}

/* Whether one value goes right at an open node; which of 64 do. */
static inline bool forest_open_right(const struct forest *f, const struct forest_open *o, float x)
{
    if (x != x)
        return o->default_right;
    return o->set >= 0 ? model_set_has(&f->sets[o->set], x) : !(x < o->threshold);
}
static inline uint64_t forest_open_word(const struct forest *f, const struct forest_open *o, const float *x)
{
    if (o->set < 0)
        return f->isa->compare(x, o->threshold, o->default_right);
    uint64_t word = 0;
    for (int i = 0; i < 64; i++)
        word |= (uint64_t)forest_open_right(f, o, x[i]) << i;
    return word;
}

#endif
