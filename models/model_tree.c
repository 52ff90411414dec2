/* A tree of a model file, checked and made flat; see model.h. The layout is that of XGBoost's doc/model.schema, whose older
 * forms lack split_type and the lists of categories, and whose trees of leaf vectors keep their values in base_weights
 * (2.0 to 3.1) or leaf_weights (later).
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/model_tree.h"
#include <math.h>

struct tree_check {
    struct model_reader *r;
    const struct doc_value *tree;
    size_t number;
    int32_t count, vector; /* nodes; outputs of a leaf vector, or 0 */
    int32_t *left, *right, *parent, *split, *kind, *default_left, *set;
    float *condition;
};

static int wrong(const struct tree_check *t, int64_t node, const char *what)
{
    return error_set(t->r->e, ERR_INVALID, "the model is broken: tree %zu, node %lld: %s", t->number, (long long)node, what);
}

static int full(struct error *e)
{
    return error_set(e, ERR_NOSPACE, "the model needs more memory than is allowed");
}

/* The array of a tree with a number for each of n things. */
static const struct doc_value *array_of(const struct tree_check *t, const char *key, size_t n, const char *things)
{
    const struct doc_value *array = doc_get(t->tree, key);
    if (doc_is_array(array) && array->count == n)
        return array;
    error_set(t->r->e, ERR_INVALID, "the model is broken: tree %zu: %s does not have one number for each of %zu %s", t->number,
              key, n, things);
    return NULL;
}

/* One whole number a node, in scratch. NULL after an error. */
static int32_t *wholes(const struct tree_check *t, const char *key, int32_t low, int32_t high, const char *otherwise)
{
    size_t n = (size_t)t->count;
    const struct doc_value *array = array_of(t, key, n, "nodes");
    int32_t *out = array ? arena_alloc(t->r->scratch, n * sizeof *out) : NULL;
    if (array && !out)
        full(t->r->e);
    if (out && !doc_wholes(array, low, high, out)) {
        error_set(t->r->e, ERR_INVALID, "the model is broken: tree %zu: %s", t->number, otherwise);
        return NULL;
    }
    return out;
}

static float *floats(const struct tree_check *t, const char *key, size_t n, const char *things)
{
    const struct doc_value *array = array_of(t, key, n, things);
    float *out = array ? arena_alloc(t->r->scratch, n * sizeof *out + 1) : NULL;
    if (array && !out)
        full(t->r->e);
    if (out && !doc_floats(array, out)) {
        error_set(t->r->e, ERR_INVALID, "the model is broken: tree %zu: %s holds something that is no number", t->number, key);
        return NULL;
    }
    return out;
}

static int read_arrays(struct tree_check *t)
{
    static const char *const others[] = {"loss_changes", "sum_hessian", "base_weights"};
    size_t n = (size_t)t->count;
    for (size_t i = 0; i < sizeof others / sizeof *others && !t->vector; i++)
        if (!array_of(t, others[i], n, "nodes"))
            return ERR_INVALID;
    t->left = wholes(t, "left_children", -1, MODEL_NODES_MAX, "a child out of range");
    t->right = t->left ? wholes(t, "right_children", -1, MODEL_NODES_MAX, "a child out of range") : NULL;
    t->parent = t->right ? wholes(t, "parents", -1, INT32_MAX, "a parent out of range") : NULL;
    /* What is not used (a leaf's split index) may be any number. */
    t->split = t->parent ? wholes(t, "split_indices", INT32_MIN, INT32_MAX, "a split index is no whole number") : NULL;
    t->condition = t->split ? floats(t, "split_conditions", n, "nodes") : NULL;
    t->default_left = t->condition ? wholes(t, "default_left", 0, 1, "default_left is neither 0 nor 1") : NULL;
    if (t->default_left && doc_get(t->tree, "split_type")) {
        t->kind = wholes(t, "split_type", 0, 1, "an unknown kind of split");
        if (!t->kind)
            return t->r->e->code;
    }
    return t->default_left ? 0 : t->r->e->code;
}

/* ---- categories ---- */

static int32_t largest(const int32_t *list, int32_t n)
{
    int32_t most = 0;
    for (int32_t i = 0; i < n; i++)
        most = list[i] > most ? list[i] : most;
    return most;
}

static int add_set(struct tree_check *t, int32_t node, const int32_t *members, int32_t n)
{
    struct model_reader *r = t->r;
    if (r->m->set_count == r->set_capacity) {
        size_t wanted = r->set_capacity ? r->set_capacity * 2 : 64;
        struct model_set *fresh = arena_alloc(r->keep, wanted * sizeof *fresh);
        if (!fresh)
            return full(r->e);
        if (r->m->set_count)
            memcpy(fresh, r->sets, r->m->set_count * sizeof *fresh);
        r->sets = fresh;
        r->set_capacity = wanted;
    }
    uint32_t count = n ? (uint32_t)largest(members, n) / 32 + 1 : 0;
    uint32_t *words = arena_zalloc(r->keep, count * sizeof *words);
    if (!words)
        return full(r->e);
    for (int32_t i = 0; i < n; i++)
        words[members[i] / 32] |= 1u << (members[i] % 32);
    r->sets[r->m->set_count] = (struct model_set){words, count};
    t->set[node] = (int32_t)r->m->set_count++;
    return 0;
}

/* The categories that go right at a node: slices of one list, one a categorical node, nodes ascending. */
static int read_categories(struct tree_check *t)
{
    const struct doc_value *nodes = doc_get(t->tree, "categories_nodes"), *all = doc_get(t->tree, "categories");
    const struct doc_value *segments = doc_get(t->tree, "categories_segments"), *sizes = doc_get(t->tree, "categories_sizes");
    struct arena *s = t->r->scratch;
    t->set = arena_alloc(s, (size_t)t->count * sizeof *t->set);
    if (!t->set)
        return full(t->r->e);
    memset(t->set, 0xFF, (size_t)t->count * sizeof *t->set);
    if (!nodes && !all && !segments && !sizes)
        return 0;
    if (!doc_is_array(nodes) || !doc_is_array(all) || !doc_is_array(segments) || !doc_is_array(sizes) ||
        segments->count != nodes->count || sizes->count != nodes->count || all->count > INT32_MAX)
        return wrong(t, 0, "its lists of categories do not agree");
    size_t n = nodes->count;
    int32_t *node = arena_alloc(s, n * sizeof *node), *from = arena_alloc(s, n * sizeof *from);
    int32_t *size = arena_alloc(s, n * sizeof *size), *list = arena_alloc(s, all->count * sizeof *list);
    if (!node || !from || !size || !list)
        return full(t->r->e);
    if (!doc_wholes(all, 0, MODEL_CATEGORY_MAX - 1, list))
        return wrong(t, 0, "a category's code is not a whole number below 16777216");
    if (!doc_wholes(nodes, 0, t->count - 1, node) || !doc_wholes(segments, 0, (int32_t)all->count, from) ||
        !doc_wholes(sizes, 0, (int32_t)all->count, size))
        return wrong(t, 0, "categories past the end of their list");
    int64_t total = 0;
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && node[i] <= node[i - 1])
            return wrong(t, node[i], "categorical nodes are not ascending");
        total += size[i];
        if (size[i] > (int32_t)all->count - from[i] || total > (int64_t)all->count)
            return wrong(t, node[i], "categories past the end of their list");
        int rc = add_set(t, node[i], list + from[i], size[i]);
        if (rc)
            return rc;
    }
    return 0;
}

/* ---- structure ---- */

static bool is_leaf(const struct tree_check *t, int32_t node)
{
    /* Later vector trees keep a leaf's number where the right child was. */
    return t->left[node] == -1 && (t->right[node] == -1 || t->vector);
}

static int check_split(const struct tree_check *t, int32_t node)
{
    if (t->split[node] < 0 || (size_t)t->split[node] >= t->r->m->features)
        return wrong(t, node, "it splits on a feature that the model does not have");
    bool categorical = t->kind && t->kind[node];
    if (categorical && t->set[node] < 0)
        return wrong(t, node, "it splits on categories but has none");
    if (!categorical && isnan(t->condition[node]))
        return wrong(t, node, "its threshold is no number");
    return 0;
}

/* The library follows parents when it loads. A node without one is the root (written as -1 or 2^31 - 1). */
static int check_parents(const struct tree_check *t)
{
    if (t->parent[0] != -1 && t->parent[0] != INT32_MAX)
        return wrong(t, 0, "the root has a parent");
    for (int32_t node = 1; node < t->count; node++)
        if (t->parent[node] < 0 || t->parent[node] >= t->count)
            return wrong(t, node, "a parent out of range");
    return 0;
}

static int check_children(const struct tree_check *t, uint8_t *had)
{
    for (int32_t node = 0; node < t->count; node++) {
        int32_t left = t->left[node], right = t->right[node];
        if (is_leaf(t, node))
            continue;
        if (left <= 0 || right <= 0 || left >= t->count || right >= t->count || left == right)
            return wrong(t, node, "a child out of range");
        if (t->parent[left] != node || t->parent[right] != node)
            return wrong(t, node, "a child that does not call it its parent");
        if (had[left]++ || had[right]++)
            return wrong(t, node, "a child that another node has too");
        int rc = check_split(t, node);
        if (rc)
            return rc;
    }
    return 0;
}

/* Every node is the child of at most one other and the root of none, so that no walk from the root can cycle; and the
 * walk's leaves are counted. */
static int check_walk(const struct tree_check *t, struct model_tree *out)
{
    uint32_t *depth = arena_alloc(t->r->scratch, (size_t)t->count * sizeof *depth);
    int32_t *queue = arena_alloc(t->r->scratch, (size_t)t->count * sizeof *queue);
    if (!depth || !queue)
        return full(t->r->e);
    size_t head = 0, tail = 1;
    depth[0] = 0;
    queue[0] = 0;
    while (head < tail) {
        int32_t node = queue[head++];
        if (is_leaf(t, node)) {
            if (!t->vector && !isfinite(t->condition[node]))
                return wrong(t, node, "a leaf whose value is no finite number");
            out->leaves++;
            out->depth = depth[node] > out->depth ? depth[node] : out->depth;
            continue;
        }
        if (depth[node] == MODEL_DEPTH_MAX)
            return wrong(t, node, "the tree is deeper than 4096 levels");
        depth[t->left[node]] = depth[t->right[node]] = depth[node] + 1;
        queue[tail++] = t->left[node];
        queue[tail++] = t->right[node];
    }
    return 0;
}

static int check_structure(const struct tree_check *t, struct model_tree *out)
{
    uint8_t *had = arena_zalloc(t->r->scratch, (size_t)t->count);
    if (!had)
        return full(t->r->e);
    int rc = check_parents(t);
    if (!rc)
        rc = check_children(t, had);
    return rc ? rc : check_walk(t, out);
}

/* ---- leaf vectors ---- */

/* The leaves' vectors, and each leaf's number among them as its value. */
static int read_vectors(struct tree_check *t, struct model_tree *out)
{
    size_t width = (size_t)t->vector, stored = (size_t)t->count;
    bool apart = doc_get(t->tree, "leaf_weights") != NULL;
    const struct doc_value *array = doc_get(t->tree, apart ? "leaf_weights" : "base_weights");
    if (apart && doc_is_array(array) && array->count % width == 0)
        stored = array->count / width;
    float *all = floats(t, apart ? "leaf_weights" : "base_weights", stored * width, "nodes and outputs");
    float *kept = all ? arena_alloc(t->r->keep, stored * width * sizeof *kept + 1) : NULL;
    if (!kept)
        return all ? full(t->r->e) : t->r->e->code;
    memcpy(kept, all, stored * width * sizeof *kept);
    for (int32_t node = 0; node < t->count; node++) {
        if (!is_leaf(t, node))
            continue;
        int32_t number = apart ? t->right[node] : node;
        if (number < 0 || (size_t)number >= stored)
            return wrong(t, node, "a leaf without a vector of values");
        for (size_t k = 0; k < width; k++)
            if (!isfinite(kept[(size_t)number * width + k]))
                return wrong(t, node, "a leaf whose value is no finite number");
        t->condition[node] = (float)number;
    }
    out->vectors = kept;
    return 0;
}

static int keep_nodes(const struct tree_check *t, struct model_tree *out)
{
    struct model_node *nodes = arena_alloc(t->r->keep, (size_t)t->count * sizeof *nodes);
    if (!nodes)
        return full(t->r->e);
    for (int32_t i = 0; i < t->count; i++) {
        bool leaf = is_leaf(t, i), categorical = t->kind && t->kind[i] && !leaf;
        nodes[i] = (struct model_node){.left = leaf ? -1 : t->left[i],
                                       .right = leaf ? -1 : t->right[i],
                                       .feature = leaf ? 0 : (uint32_t)t->split[i],
                                       .value = t->condition[i],
                                       .set = categorical ? t->set[i] : -1,
                                       .default_left = (uint8_t)t->default_left[i]};
    }
    out->nodes = nodes;
    out->count = (uint32_t)t->count;
    return 0;
}

int model_read_tree(struct model_reader *r, const struct doc_value *tree, size_t number, struct model_tree *out)
{
    const struct doc_value *param = doc_get(tree, "tree_param");
    struct tree_check t = {.r = r, .tree = tree, .number = number};
    int64_t count, vector = 0, id;
    if (!doc_whole(doc_get(param, "num_nodes"), 1, MODEL_NODES_MAX, &count))
        return wrong(&t, 0, "the tree does not say how many nodes it has");
    if (doc_get(param, "size_leaf_vector") && !doc_whole(doc_get(param, "size_leaf_vector"), 0, MODEL_OUTPUTS_MAX, &vector))
        return wrong(&t, 0, "size_leaf_vector is out of range");
    if (vector > 1 && (size_t)vector != r->m->outputs)
        return wrong(&t, 0, "its leaves do not have a value for each of the model's outputs");
    if (!doc_whole(doc_get(tree, "id"), (int64_t)number, (int64_t)number, &id))
        return wrong(&t, 0, "trees are not numbered in order");
    t.count = (int32_t)count;
    t.vector = vector > 1 ? (int32_t)vector : 0;
    int rc = read_arrays(&t);
    if (!rc)
        rc = read_categories(&t);
    if (!rc)
        rc = check_structure(&t, out);
    if (!rc && t.vector)
        rc = read_vectors(&t, out);
    return rc ? rc : keep_nodes(&t, out);
}
