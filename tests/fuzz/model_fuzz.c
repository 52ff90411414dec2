/* Any bytes as a model file, up to the point where libxgboost would see them: no crash, bounded memory; and
 * what is taken has trees that a walk can never leave or circle in.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/model.h"

static struct arena arena;

static int64_t whole(const struct doc_value *array, int64_t i)
{
    double v = -2;
    ASSERT(doc_number_at(array, (size_t)i, &v));
    return (int64_t)v;
}

/* Always left, then always right: each ends at a leaf within the depth that was promised. */
static void walk(const struct model_info *m, const struct doc_value *tree)
{
    for (int side = 0; side < 2; side++) {
        const struct doc_value *children = doc_get(tree, side ? "right_children" : "left_children");
        int64_t node = 0;
        size_t depth = 0;
        while (whole(children, node) >= 0) {
            ASSERT((size_t)whole(doc_get(tree, "split_indices"), node) < m->features);
            node = whole(children, node);
            depth++;
            ASSERT(depth <= m->depth);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!arena.limit)
        arena_init(&arena, 64 << 20);
    struct doc_value *root;
    struct model_info info;
    struct error e = {0};
    arena_reset(&arena);
    if (doc_read(&root, (struct str){(const char *)data, size}, &arena, &e) ||
        model_inspect(&info, root, &arena, &e)) {
        ASSERT(e.code < 0 && e.text[0]);
        return 0;
    }
    for (size_t t = 0; t < info.trees; t++)
        walk(&info, doc_item(info.tree_list, t));
    return 0;
}
