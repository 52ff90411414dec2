/* Models that are made to cost more than they say: deep trees, wide leaf vectors, lists that name one slice often, files of
 * which two readers would see different halves. Each is refused in words, or scored within a request's memory.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/rng.h"
#include "models/forest_score.h"
#include "unit/models/tiny_model.h"
#include <stdlib.h>

enum { REQUEST_MEMORY = 8 << 20, FEATURES = 3, ACTIONS = 20, READ_MEMORY = 64 << 20 };

/* ---- files ---- */

static int read_text(const char *text, struct error *e)
{
    struct arena keep, scratch;
    struct model m;
    arena_init(&keep, READ_MEMORY);
    arena_init(&scratch, READ_MEMORY);
    *e = (struct error){0};
    int rc = model_read(&m, (struct str){text, strlen(text)}, MODEL_BEST, &keep, &scratch, e);
    arena_free(&keep);
    arena_free(&scratch);
    return rc;
}

/* The file of one stump with a text of it replaced. The caller frees it. */
static char *file_with(const char *old, const char *fresh)
{
    struct buf file, out;
    buf_init(&file, READ_MEMORY);
    buf_init(&out, READ_MEMORY);
    struct stump stump = {0, 0.5f, -1, 1, true};
    tiny_model(&file, "binary:logistic", "5E-1", FEATURES, &stump, 1);
    buf_append(&file, "", 1);
    const char *whole = (const char *)file.p, *at = old ? strstr(whole, old) : whole;
    assert_non_null(at);
    buf_printf(&out, "%.*s%s%s", (int)(at - whole), whole, fresh, at + (old ? strlen(old) : 0));
    buf_append(&out, "", 1);
    buf_free(&file);
    return (char *)out.p;
}

static void refused(const char *old, const char *fresh, const char *words)
{
    struct error e;
    char *text = file_with(old, fresh);
    int rc = read_text(text, &e);
    if (rc != ERR_INVALID || !strstr(e.text, words))
        fail_msg("%s: %d, '%s', expected '%s'", fresh, rc, e.text, words);
    free(text);
}

static void test_the_file_itself_is_read(void **state)
{
    (void)state;
    struct error e;
    char *text = file_with(NULL, "");
    assert_int_equal(read_text(text, &e), 0);
    free(text);
}

static void test_nothing_is_said_twice(void **state)
{
    (void)state;
    refused("\"left_children\":", "\"left_children\":[1000000000,-1,-1],\"left_children\":", "two members of one name");
    refused("\"version\":[1,7,4]", "\"version\":[1,7,4],\"Model\":{\"learner\":{}}", "both Model and learner");
}

static void test_slices_of_categories_do_not_overlap(void **state)
{
    (void)state;
    struct error e;
    char *text = file_with("\"categories\":[],\"categories_nodes\":[],\"categories_segments\":[],\"categories_sizes\":[]",
                           "\"categories\":[0,1,2],\"categories_nodes\":[0,1],\"categories_segments\":[0,0],"
                           "\"categories_sizes\":[3,3]");
    assert_int_equal(read_text(text, &e), ERR_INVALID);
    assert_non_null(strstr(e.text, "categories past the end of their list"));
    free(text);
}

/* A chain of that many splits, each a left child of the one above. */
static char *chain(int levels)
{
    struct buf b;
    buf_init(&b, READ_MEMORY);
    int n = 2 * levels + 1;
    buf_printf(&b, "{\"learner\":{\"attributes\":{},\"feature_names\":[],\"feature_types\":[],\"gradient_booster\":{\"model\":{"
                   "\"gbtree_model_param\":{\"num_parallel_tree\":\"1\",\"num_trees\":\"1\",\"size_leaf_vector\":\"0\"},"
                   "\"tree_info\":[0],\"trees\":[{\"id\":0,\"tree_param\":{\"num_nodes\":\"%d\",\"size_leaf_vector\":\"0\"}",
               n);
    static const char *const zeros[] = {"base_weights", "default_left", "loss_changes", "split_conditions",
                                        "split_indices", "split_type", "sum_hessian"};
    for (size_t k = 0; k < sizeof zeros / sizeof *zeros; k++) {
        buf_printf(&b, ",\"%s\":[0", zeros[k]);
        for (int i = 1; i < n; i++)
            buf_printf(&b, ",0");
        buf_printf(&b, "]");
    }
    /* nodes 2i + 1 and 2i + 2 are below 2i - 1 (the root: 0) */
    const char *const sides[] = {"left_children", "right_children"};
    for (int side = 0; side < 2; side++) {
        buf_printf(&b, ",\"%s\":[%d", sides[side], 1 + side);
        for (int i = 1; i < n; i++)
            buf_printf(&b, ",%d", i % 2 && i + 2 < n ? i + 2 + side : -1);
        buf_printf(&b, "]");
    }
    buf_printf(&b, ",\"parents\":[2147483647,0,0");
    for (int i = 3; i < n; i++)
        buf_printf(&b, ",%d", i % 2 ? i - 2 : i - 3);
    buf_printf(&b, "]}]},\"name\":\"gbtree\"},\"learner_model_param\":{\"base_score\":\"5E-1\",\"num_class\":\"0\",\"num_feature\":"
                   "\"1\",\"num_target\":\"1\"},\"objective\":{\"name\":\"binary:logistic\",\"reg_loss_param\":"
                   "{\"scale_pos_weight\":\"1\"}}},\"version\":[1,7,4]}");
    buf_append(&b, "", 1);
    return (char *)b.p;
}

static void test_depth_has_a_limit(void **state)
{
    (void)state;
    struct error e;
    char *deepest = chain(MODEL_DEPTH_MAX), *deeper = chain(MODEL_DEPTH_MAX + 1);
    int rc = read_text(deepest, &e);
    if (rc)
        fail_msg("%s", e.text);
    assert_int_equal(read_text(deeper, &e), ERR_INVALID);
    assert_non_null(strstr(e.text, "deeper than 4096"));
    free(deepest);
    free(deeper);
}

/* ---- compiled ---- */

/* A full tree whose nodes ask all features in turn. */
static struct model_tree full_tree(uint32_t depth, struct rng *rng)
{
    uint32_t splits = (1u << depth) - 1, n = 2 * splits + 1;
    struct model_node *nodes = calloc(n, sizeof *nodes);
    for (uint32_t i = 0; i < n; i++) {
        bool leaf = i >= splits;
        nodes[i] = (struct model_node){.left = leaf ? -1 : (int32_t)(2 * i + 1),
                                       .right = leaf ? -1 : (int32_t)(2 * i + 2),
                                       .feature = leaf ? 0 : i % FEATURES,
                                       .value = (float)rng_double(rng),
                                       .set = -1};
    }
    return (struct model_tree){.nodes = nodes, .count = n, .leaves = splits + 1, .depth = depth, .weight = 1};
}

static float walked(const struct model *m, const float *row)
{
    const struct model_node *n = m->trees[0].nodes;
    while (n->left >= 0)
        n = &m->trees[0].nodes[model_goes_right(m->sets, n, row[n->feature]) ? n->right : n->left];
    return m->base[0] + n->value;
}

/* Whatever its depth, a model that compiles is scored within a request's memory. */
static void check_depth(uint32_t depth, enum forest_role third)
{
    struct rng rng;
    rng_seed(&rng, depth);
    struct model_tree tree = full_tree(depth, &rng);
    float base = 0.25f, rows[ACTIONS][FEATURES], pairs[ACTIONS], out[ACTIONS];
    struct model m = {.features = FEATURES, .outputs = 1, .trees = &tree, .tree_count = 1, .base = &base, .depth = depth};
    enum forest_role roles[FEATURES] = {FOREST_SHARED, FOREST_ACTION, third};
    struct forest *f = NULL;
    struct forest_catalog *c = NULL;
    struct error e = {0};
    struct arena arena;
    arena_init(&arena, REQUEST_MEMORY);
    float shared[] = {(float)rng_double(&rng), 0, (float)rng_double(&rng)};
    for (size_t i = 0; i < ACTIONS; i++) {
        pairs[i] = (float)rng_double(&rng);
        rows[i][0] = shared[0];
        rows[i][1] = (float)rng_double(&rng);
        rows[i][2] = third == FOREST_PAIR ? pairs[i] : shared[2];
    }
    int rc = forest_compile(&f, &m, &(struct forest_options){.roles = roles}, &e);
    if (!rc)
        rc = forest_catalog_new(&c, f, rows[0], ACTIONS, &e);
    struct forest_input in = {.shared = rows[0], .catalog = c, .pairs = third == FOREST_PAIR ? pairs : NULL, .n = ACTIONS};
    if (!rc)
        rc = forest_score(f, &in, &arena, out, &e);
    if (rc)
        fail_msg("depth %u: %s", depth, e.text);
    for (size_t i = 0; i < ACTIONS; i++)
        if (out[i] != walked(&m, rows[i]))
            fail_msg("depth %u, action %zu: %.9g, expected %.9g", depth, i, (double)out[i], (double)walked(&m, rows[i]));
    forest_catalog_free(&c);
    forest_free(&f);
    arena_free(&arena);
    free((void *)tree.nodes);
}

static void test_deep_trees_are_scored_in_little_memory(void **state)
{
    (void)state;
    for (uint32_t depth = 11; depth <= 18; depth++) {
        check_depth(depth, FOREST_PAIR);
        check_depth(depth, FOREST_SHARED);
    }
}

/* A row goes through one way of each tree: how long all are together is bounded. */
static void test_long_ways_have_a_limit(void **state)
{
    enum { DEPTH = 4000, TREES = (1 << 20) / (DEPTH + 1) };
    (void)state;
    struct model_node *nodes = calloc(2 * DEPTH + 1, sizeof *nodes);
    for (int32_t i = 0; i <= 2 * DEPTH; i++) { /* 2i + 1 and 2i + 2 are below 2i */
        bool split = i % 2 == 0 && i < 2 * DEPTH;
        nodes[i] = (struct model_node){
            .left = split ? i + 1 : -1, .right = split ? i + 2 : -1, .set = -1, .value = split ? 0.5f : (float)i};
    }
    struct model_tree *trees = calloc(TREES + 1, sizeof *trees);
    for (size_t i = 0; i <= TREES; i++)
        trees[i] = (struct model_tree){.nodes = nodes, .count = 2 * DEPTH + 1, .leaves = DEPTH + 1, .depth = DEPTH, .weight = 1};
    float base = 0, row[FEATURES] = {0.75f}, out[ACTIONS];
    struct model m = {.features = FEATURES, .outputs = 1, .trees = trees, .tree_count = TREES, .base = &base, .depth = DEPTH};
    struct forest *f = NULL;
    struct error e = {0};
    if (forest_compile(&f, &m, &(struct forest_options){0}, &e))
        fail_msg("%s", e.text);
    /* All candidates are one row. */
    struct arena arena;
    arena_init(&arena, REQUEST_MEMORY);
    struct forest_input in = {.shared = row, .n = ACTIONS};
    assert_int_equal(forest_score(f, &in, &arena, out, &e), 0);
    for (size_t i = 0; i < ACTIONS; i++)
        assert_true(out[i] == (float)(2 * DEPTH) * TREES);
    forest_free(&f);
    m.tree_count = TREES + 1;
    assert_int_equal(forest_compile(&f, &m, &(struct forest_options){0}, &e), ERR_NOSPACE);
    assert_non_null(strstr(e.text, "nodes of the model's trees; allowed: 1048576"));
    arena_free(&arena);
    free(nodes);
    free(trees);
}

/* Leaves that share one vector are few bytes in a file, and would be a node for each output. */
static void test_wide_vectors_have_a_limit(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, 1);
    struct model_tree tree = full_tree(16, &rng);
    float *base = calloc(MODEL_OUTPUTS_MAX, sizeof *base), *vectors = calloc(MODEL_OUTPUTS_MAX, sizeof *vectors);
    for (uint32_t i = 0; i < tree.count; i++)
        if (tree.nodes[i].left < 0)
            ((struct model_node *)tree.nodes)[i].value = 0;
    tree.vectors = vectors;
    struct model m = {.features = FEATURES, .outputs = MODEL_OUTPUTS_MAX, .trees = &tree, .tree_count = 1, .base = base, .depth = 16};
    struct forest *f = NULL;
    struct error e = {0};
    assert_int_equal(forest_compile(&f, &m, &(struct forest_options){0}, &e), ERR_NOSPACE);
    assert_null(f);
    assert_non_null(strstr(e.text, "allowed: 1024 MiB"));
    free(base);
    free(vectors);
    free((void *)tree.nodes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_file_itself_is_read),
        cmocka_unit_test(test_nothing_is_said_twice),
        cmocka_unit_test(test_slices_of_categories_do_not_overlap),
        cmocka_unit_test(test_depth_has_a_limit),
        cmocka_unit_test(test_deep_trees_are_scored_in_little_memory),
        cmocka_unit_test(test_long_ways_have_a_limit),
        cmocka_unit_test(test_wide_vectors_have_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
