/* Binary heap; see heap.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "store/heap.h"
#include <stdlib.h>

static bool before(const struct heap_node *a, const struct heap_node *b)
{
    return a->key != b->key ? a->key < b->key : a->tie < b->tie;
}

static void put(struct heap *h, size_t at, struct heap_node *node)
{
    h->nodes[at - 1] = node;
    node->at = at;
}

static void sift_up(struct heap *h, size_t at, struct heap_node *node)
{
    while (at > 1 && before(node, h->nodes[at / 2 - 1])) {
        put(h, at, h->nodes[at / 2 - 1]);
        at /= 2;
    }
    put(h, at, node);
}

static void sift_down(struct heap *h, size_t at, struct heap_node *node)
{
    for (size_t child = at * 2; child <= h->count; child = at * 2) {
        if (child < h->count && before(h->nodes[child], h->nodes[child - 1]))
            child++;
        if (!before(h->nodes[child - 1], node))
            break;
        put(h, at, h->nodes[child - 1]);
        at = child;
    }
    put(h, at, node);
}

void heap_push(struct heap *h, struct heap_node *node)
{
    ASSERT(node->at == 0);
    if (h->count == h->capacity) {
        h->capacity = h->capacity ? h->capacity * 2 : 64;
        h->nodes = realloc(h->nodes, h->capacity * sizeof *h->nodes);
        ASSERT(h->nodes != NULL);
    }
    h->count++;
    sift_up(h, h->count, node);
}

void heap_remove(struct heap *h, struct heap_node *node)
{
    if (node->at == 0)
        return;
    size_t at = node->at;
    node->at = 0;
    struct heap_node *last = h->nodes[--h->count];
    if (last == node)
        return;
    if (at > 1 && before(last, h->nodes[at / 2 - 1]))
        sift_up(h, at, last);
    else
        sift_down(h, at, last);
}

struct heap_node *heap_first(const struct heap *h)
{
    return h->count ? h->nodes[0] : NULL;
}

void heap_free(struct heap *h)
{
    free(h->nodes);
    *h = (struct heap){0};
}
