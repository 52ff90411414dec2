/* A binary heap of things that have a time: deadlines of commands, events of the simulation. Intrusive: the
 * node sits inside the thing, so that taking one out of the middle costs O(log n) and no search. Equal keys
 * come out by `tie`. Out of memory stops the process.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_STORE_HEAP_H
#define TACT_STORE_HEAP_H
#include "base/error.h"
#include <stdint.h>

struct heap_node {
    int64_t key;
    uint64_t tie;
    size_t at; /* 1-based place in the heap; 0: in none */
};
struct heap {
    struct heap_node **nodes;
    size_t count, capacity;
};

/* The struct of `type` whose member `member` is *node. */
#define HEAP_OWNER(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

void heap_push(struct heap *h, struct heap_node *node);
/* Takes node out; does nothing when it is in no heap. */
void heap_remove(struct heap *h, struct heap_node *node);
/* The first by (key, tie), or NULL. */
struct heap_node *heap_first(const struct heap *h);
void heap_free(struct heap *h);

#endif
