/* What a forest is built with: lists that grow, tables, sets of categories. For the forest's own files, while compiling.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_MODELS_FOREST_BUILD_H
#define TACT_MODELS_FOREST_BUILD_H
#include "models/forest_inner.h"

enum { NO_INDEX = -1, COLUMN_SLOTS = 512, TABLE_PROBES = 64 };

/* An array that doubles. */
struct forest_list {
    void *p;
    size_t n, capacity, size;
};

/* A part of a tree that is not a tile yet: the next one but those that wait before it. */
struct pending {
    uint32_t root, node, region;
};

enum node_kind { NODE_NONE, NODE_THRESHOLD, NODE_SET };

/* A tile of the group that is being filled: what its nodes compare, until the group's ranks are known. */
struct draft {
    uint32_t tile;
    uint8_t threshold[TILE_NODES]; /* number in its column */
    uint8_t kind[TILE_NODES];
};

struct column_draft {
    uint32_t feature;
    int32_t set;
    uint32_t count;
    float thresholds[COLUMN_THRESHOLDS + 1]; /* by number; in order once the group is closed */
    uint8_t slots[COLUMN_SLOTS];             /* hashed: number + 1 */
    uint8_t rank_of[COLUMN_THRESHOLDS + 1];  /* by number */
};

struct builder {
    struct forest *f;
    const struct model *m;
    struct forest_list tiles, varies, infos, values, regions, groups, columns, thresholds, open, chains, pending, drafts;
    struct forest_list conditions; /* open nodes of actions that differ: indices of open, hashed */
    struct forest_list known;      /* chains, hashed */
    uint32_t roots;
    struct column_draft *column; /* of the group */
    size_t column_count;
    uint32_t fullest;    /* thresholds of the column that has most */
    int32_t *column_of; /* [features], by threshold; NO_INDEX */
    int32_t *set_of;    /* the model's sets: the first one that is equal */
    uint32_t vector_output;     /* of the tree that is being built */
    const struct forest *whole; /* the same model with all features shared, whose values and sets are used; or NULL */
    bool failed;
};

/* Elements of size bytes. Adding gives room for n more, zeroed, or NULL (then the builder has failed); taking gives the list's
 * memory, no larger than it must be, to the caller. */
struct forest_list forest_list(size_t size);
void *forest_list_add(struct builder *b, struct forest_list *l, size_t n);
bool forest_list_reserve(struct builder *b, struct forest_list *l, size_t n); /* for n in all */
void *forest_list_take(struct builder *b, struct forest_list *l);

/* A table of indices + 1, open addressing, whose size is a power of two: where a hash belongs; room for one more. */
size_t forest_slot(uint64_t hash, size_t capacity);
bool forest_table_room(struct builder *b, struct forest_list *t, uint64_t (*hash_of)(const struct builder *b, uint32_t i));

/* Copies the model's sets (or uses those of whole), and finds for each the first equal one. */
bool forest_keep_sets(struct builder *b);
size_t forest_set_bytes(const struct model *m);

/* The value that a leaf adds: its own, or of its vector the builder's vector_output; with DART's weight. */
float forest_leaf_value(const struct builder *b, const struct model_tree *t, const struct model_node *n);

/* NULL where the builder keeps nothing. */
void builder_free(struct builder *b);

#endif
