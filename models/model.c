/* Checks of a model's tree of values; see model.h. The layout is that of XGBoost's doc/model.schema (1.x
 * to 3.x).
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/model.h"
#include <math.h>
#include <stdlib.h>

enum { FEATURES_MAX = 1 << 20, NODES_MAX = 1 << 24 };

struct tree_check {
    const struct doc_value *left, *right, *parent, *split, *condition, *kind, *category_nodes;
    int64_t nodes;
    size_t features, number;
    struct error *e;
};

static int wrong(const struct tree_check *t, int64_t node, const char *what)
{
    return error_set(t->e, ERR_INVALID, "the model is broken: tree %zu, node %lld: %s", t->number,
                     (long long)node, what);
}

static int incomplete(struct error *e, const char *what)
{
    return error_set(e, ERR_INVALID, "not a model that can be served: %s", what);
}

/* A whole number of an array, -2 when it is none (no index in a model is -2). */
static int64_t whole_at(const struct doc_value *array, int64_t index)
{
    double v;
    if (!doc_number_at(array, (size_t)index, &v) || !(v >= -1 && v <= (double)NODES_MAX) || v != floor(v))
        return -2;
    return (int64_t)v;
}

/* The array of a tree with one number a node. */
static const struct doc_value *per_node(const struct tree_check *t, const struct doc_value *tree,
                                        const char *key)
{
    const struct doc_value *array = doc_get(tree, key);
    if (doc_is_array(array) && array->count == (size_t)t->nodes)
        return array;
    error_set(t->e, ERR_INVALID,
              "the model is broken: tree %zu: %s does not have one number for each of %lld nodes", t->number,
              key, (long long)t->nodes);
    return NULL;
}

/* The categories that go one way at a node: slices of one list, one a categorical node, nodes ascending. */
static int check_categories(struct tree_check *t, const struct doc_value *tree)
{
    const struct doc_value *nodes = doc_get(tree, "categories_nodes"), *all = doc_get(tree, "categories");
    const struct doc_value *segments = doc_get(tree, "categories_segments"),
                           *sizes = doc_get(tree, "categories_sizes");
    t->category_nodes = nodes;
    if (!nodes && !all && !segments && !sizes)
        return 0;
    if (!doc_is_array(nodes) || !doc_is_array(all) || !doc_is_array(segments) || !doc_is_array(sizes) ||
        segments->count != nodes->count || sizes->count != nodes->count)
        return wrong(t, 0, "its lists of categories do not agree");
    int64_t before = -1;
    for (size_t i = 0; i < nodes->count; i++) {
        int64_t node = whole_at(nodes, (int64_t)i);
        double from, size;
        if (node <= before || node >= t->nodes)
            return wrong(t, node, "categorical nodes are not ascending");
        if (!doc_number_at(segments, i, &from) || !doc_number_at(sizes, i, &size) || !(from >= 0) ||
            !(size >= 0) || !(from + size <= (double)all->count))
            return wrong(t, node, "categories past the end of their list");
        before = node;
    }
    for (size_t i = 0; i < all->count; i++) {
        double category;
        if (!doc_number_at(all, i, &category) || !(category >= 0 && category < (double)MODEL_CATEGORY_MAX) ||
            category != floor(category))
            return wrong(t, 0, "a category's code is not a small whole number");
    }
    return 0;
}

/* Categorical nodes come in ascending order, so *next walks their list once. */
static int check_split(struct tree_check *t, int64_t node, size_t *next)
{
    int64_t split = whole_at(t->split, node), kind = t->kind ? whole_at(t->kind, node) : 0;
    double condition;
    if (split < 0 || (size_t)split >= t->features)
        return wrong(t, node, "it splits on a feature that the model does not have");
    if (!doc_number_at(t->condition, (size_t)node, &condition))
        return wrong(t, node, "it has no split condition");
    if (kind != 0 && kind != 1)
        return wrong(t, node, "an unknown kind of split");
    while (t->category_nodes && *next < t->category_nodes->count &&
           whole_at(t->category_nodes, (int64_t)*next) < node)
        (*next)++;
    if (kind == 1 && whole_at(t->category_nodes, (int64_t)*next) != node)
        return wrong(t, node, "it splits on categories but has none");
    return 0;
}

/* The library follows parents when it loads. A node without one is the root (written as -1 or 2^31 - 1). */
static int check_parents(const struct tree_check *t)
{
    double root;
    if (!doc_number_at(t->parent, 0, &root) || (root != -1 && root != INT32_MAX))
        return wrong(t, 0, "the root has a parent");
    for (int64_t node = 1; node < t->nodes; node++) {
        int64_t parent = whole_at(t->parent, node);
        if (parent < 0 || parent >= t->nodes)
            return wrong(t, node, "a parent out of range");
    }
    return 0;
}

/* Every node is the child of at most one other and the root of none, so that no walk from the root can cycle.
 */
static int check_nodes(struct tree_check *t, struct arena *scratch, size_t *deepest)
{
    uint32_t *depth = arena_zalloc(scratch, (size_t)t->nodes * sizeof *depth);
    uint32_t *queue = arena_alloc(scratch, (size_t)t->nodes * sizeof *queue);
    if (!depth || !queue)
        return error_set(t->e, ERR_NOSPACE, "the model needs more memory than is allowed");
    size_t next = 0;
    for (int64_t node = 0; node < t->nodes; node++) {
        int64_t left = whole_at(t->left, node), right = whole_at(t->right, node);
        if (left == -1 && right == -1)
            continue;
        if (left <= 0 || right <= 0 || left >= t->nodes || right >= t->nodes || left == right)
            return wrong(t, node, "a child out of range");
        if (whole_at(t->parent, left) != node || whole_at(t->parent, right) != node)
            return wrong(t, node, "a child that does not call it its parent");
        if (depth[left]++ || depth[right]++)
            return wrong(t, node, "a child that another node has too");
        int rc = check_split(t, node, &next);
        if (rc)
            return rc;
    }
    size_t head = 0, tail = 1;
    depth[0] = queue[0] = 0;
    while (head < tail) {
        uint32_t node = queue[head++];
        if (depth[node] > *deepest)
            *deepest = depth[node];
        int64_t children[2] = {whole_at(t->left, node), whole_at(t->right, node)};
        double leaf;
        if (children[0] < 0 && (!doc_number_at(t->condition, node, &leaf) || !isfinite(leaf)))
            return wrong(t, node, "a leaf whose value is no finite number");
        for (int i = 0; i < 2 && children[i] > 0; i++) {
            depth[children[i]] = depth[node] + 1;
            queue[tail++] = (uint32_t)children[i];
        }
    }
    return 0;
}

static int check_tree(struct model_info *m, size_t number, struct arena *scratch, struct error *e)
{
    const struct doc_value *tree = doc_item(m->tree_list, number), *param = doc_get(tree, "tree_param");
    struct tree_check t = {.features = m->features, .number = number, .e = e};
    int64_t id, leaf_size;
    if (!doc_whole(doc_get(param, "num_nodes"), 1, NODES_MAX, &t.nodes))
        return wrong(&t, 0, "the tree does not say how many nodes it has");
    if (doc_get(param, "size_leaf_vector") &&
        !doc_whole(doc_get(param, "size_leaf_vector"), 0, 1, &leaf_size))
        return wrong(&t, 0, "leaves with several values are not served");
    if (!doc_whole(doc_get(tree, "id"), (int64_t)number, (int64_t)number, &id))
        return wrong(&t, 0, "trees are not numbered in order");
    static const char *const others[] = {"default_left", "loss_changes", "sum_hessian", "base_weights"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (!per_node(&t, tree, others[i]))
            return ERR_INVALID;
    t.left = per_node(&t, tree, "left_children");
    t.right = t.left ? per_node(&t, tree, "right_children") : NULL;
    t.parent = t.right ? per_node(&t, tree, "parents") : NULL;
    t.split = t.parent ? per_node(&t, tree, "split_indices") : NULL;
    t.condition = t.split ? per_node(&t, tree, "split_conditions") : NULL;
    if (!t.condition)
        return ERR_INVALID;
    t.kind = doc_get(tree, "split_type");
    if (t.kind && !per_node(&t, tree, "split_type"))
        return ERR_INVALID;
    int rc = check_parents(&t);
    if (!rc)
        rc = check_categories(&t, tree);
    return rc ? rc : check_nodes(&t, scratch, &m->depth);
}

/* Which trees belong to which round, and that all add to the one output. */
static int check_layout(const struct model_info *m, const struct doc_value *model, struct error *e)
{
    const struct doc_value *info = doc_get(model, "tree_info"), *rounds = doc_get(model, "iteration_indptr");
    const struct doc_value *param = doc_get(model, "gbtree_model_param");
    int64_t trees, parallel;
    if (!doc_whole(doc_get(param, "num_trees"), (int64_t)m->trees, (int64_t)m->trees, &trees))
        return incomplete(e, "num_trees is not the number of trees");
    if (doc_get(param, "num_parallel_tree") &&
        !doc_whole(doc_get(param, "num_parallel_tree"), 1, MODEL_TREES_MAX, &parallel))
        return incomplete(e, "num_parallel_tree is out of range");
    if (!doc_is_array(info) || info->count != m->trees)
        return incomplete(e, "tree_info does not have one number a tree");
    for (size_t i = 0; i < m->trees; i++)
        if (whole_at(info, (int64_t)i) != 0)
            return incomplete(e, "it has several outputs a row");
    if (!rounds)
        return 0;
    int64_t before = 0;
    for (size_t i = 0; i < rounds->count; i++) {
        int64_t at = whole_at(rounds, (int64_t)i);
        if (at < before || (i == 0 && at != 0))
            return incomplete(e, "iteration_indptr is not ascending from 0");
        before = at;
    }
    if (!doc_is_array(rounds) || rounds->count == 0 || before != (int64_t)m->trees)
        return incomplete(e, "iteration_indptr does not end at the number of trees");
    return 0;
}

/* "5E-1" or, since 3.1, "[5E-1]". */
static int read_base_score(struct model_info *m, const struct doc_value *param, struct error *e)
{
    const struct doc_value *value = doc_get(param, "base_score");
    char text[64], *end = text;
    if (value && value->kind == DOC_NUMBER) {
        m->base_score = value->number;
        return isfinite(m->base_score) ? 0 : incomplete(e, "base_score is not finite");
    }
    struct str s = value && value->kind == DOC_STRING ? value->text : (struct str){0};
    m->base_score_vector = s.n >= 2 && s.p[0] == '[' && s.p[s.n - 1] == ']';
    if (m->base_score_vector) {
        s.p++;
        s.n -= 2;
    }
    if (s.n > 0 && s.n < sizeof text) {
        memcpy(text, s.p, s.n);
        text[s.n] = 0;
        m->base_score = strtod(text, &end);
    }
    if (end == text || *end || !isfinite(m->base_score))
        return error_set(e, ERR_INVALID,
                         "not a model that can be served: base_score is '%.*s', expected one number",
                         s.n < 64 ? (int)s.n : 64, s.p ? s.p : "");
    return 0;
}

static int read_learner(struct model_info *m, const struct doc_value *learner, struct error *e)
{
    const struct doc_value *param = doc_get(learner, "learner_model_param");
    const struct doc_value *objective = doc_get(doc_get(learner, "objective"), "name");
    int64_t n;
    if (!param || !objective || objective->kind != DOC_STRING)
        return incomplete(e, "it has no learner with an objective");
    m->objective = objective->text;
    if (!doc_whole(doc_get(param, "num_feature"), 1, FEATURES_MAX, &n))
        return incomplete(e, "num_feature is out of range");
    m->features = (size_t)n;
    if ((doc_get(param, "num_class") && !doc_whole(doc_get(param, "num_class"), 0, 1, &n)) ||
        (doc_get(param, "num_target") && !doc_whole(doc_get(param, "num_target"), 0, 1, &n)))
        return incomplete(e, "it has several outputs a row");
    m->feature_names = doc_get(learner, "feature_names");
    m->feature_types = doc_get(learner, "feature_types");
    for (int i = 0; i < 2; i++) {
        const struct doc_value *list = i ? m->feature_types : m->feature_names;
        if (list && (!doc_is_array(list) || (list->count && list->count != m->features)))
            return incomplete(e, "feature_names or feature_types do not have one text a feature");
        for (size_t k = 0; list && k < list->count; k++)
            if (!doc_item(list, k) || doc_item(list, k)->kind != DOC_STRING)
                return incomplete(e, "feature_names or feature_types hold something that is no text");
    }
    return read_base_score(m, param, e);
}

static void read_version(struct model_info *m, const struct doc_value *root)
{
    for (int i = 0; i < 3; i++) {
        double v;
        m->version[i] = -1;
        if (doc_number_at(doc_get(root, "version"), (size_t)i, &v) && v >= 0 && v < 10000)
            m->version[i] = (int)v;
    }
}

int model_inspect(struct model_info *m, const struct doc_value *root, struct arena *scratch, struct error *e)
{
    *m = (struct model_info){0};
    const struct doc_value *learner = doc_get(root, "learner"),
                           *booster = doc_get(learner, "gradient_booster");
    int rc = read_learner(m, learner, e);
    if (rc)
        return rc;
    read_version(m, root);
    const struct doc_value *name = doc_get(booster, "name"), *gbtree = booster;
    m->booster = name && name->kind == DOC_STRING ? name->text : (struct str){0};
    if (str_is(m->booster, "dart"))
        gbtree = doc_get(booster, "gbtree");
    else if (!str_is(m->booster, "gbtree"))
        return error_set(e, ERR_INVALID,
                         "not a model that can be served: booster '%.*s', expected gbtree or dart",
                         m->booster.n < 64 ? (int)m->booster.n : 64, m->booster.p ? m->booster.p : "");
    const struct doc_value *model = doc_get(gbtree, "model"), *weights = doc_get(booster, "weight_drop");
    m->tree_list = doc_get(model, "trees");
    if (!m->tree_list || m->tree_list->kind != DOC_ARRAY || m->tree_list->count > MODEL_TREES_MAX)
        return incomplete(e, "it has no list of trees, or too many");
    m->trees = m->tree_list->count;
    if (gbtree != booster && (!doc_is_array(weights) || weights->count != m->trees))
        return incomplete(e, "weight_drop does not have one number a tree");
    rc = check_layout(m, model, e);
    for (size_t i = 0; i < m->trees && !rc; i++) {
        struct arena_mark mark = arena_mark(scratch);
        rc = check_tree(m, i, scratch, e);
        arena_rewind(scratch, mark);
    }
    return rc;
}
