/* Any bytes as a model file. Reading stays within its arenas; what is taken has trees whose walks all end, at leaves, within the
 * depth that was promised. Then forests are compiled from it, by every kind of instructions that is here, in tiles and flat, with
 * roles of the features drawn from the bytes' hash; and the margins of drawn rows and candidates are, bit for bit, those of a
 * plain walk over the trees as models/model.h describes it, which is written out here.
 *
 * Models beyond a size are read but not compiled, so that an input takes milliseconds.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"
#include "base/rng.h"
#include "models/forest_score.h"
#include <math.h>

enum {
    MEMORY_MAX = 64 << 20, /* of each arena */
    FEATURES_MAX = 256,    /* of what is compiled, as all below */
    OUTPUTS_MAX = 16,
    TREES_MAX = 64,
    NODES_MAX = 2048,
    SET_WORDS_MAX = 4096,
    ROWS = 5,
    ACTIONS_MAX = 800,
    CANDIDATES_MAX = 150,
    WAYS_MAX = FOREST_AVX512 + 1
};

static struct arena keep, scratch, arena;
static volatile uint64_t texts_hash; /* so that the texts are read */

/* ---- the model as it was read ---- */

static const struct model_node *leaf_or_split(const struct model *m, const struct model_tree *t, int32_t at)
{
    ASSERT(at >= 0 && (uint32_t)at < t->count);
    const struct model_node *n = &t->nodes[at];
    ASSERT((n->left < 0) == (n->right < 0));
    ASSERT(n->left < 0 || (n->feature < m->features && n->set < (int32_t)m->set_count));
    return n;
}

static void check_leaf(const struct model *m, const struct model_tree *t, const struct model_node *n)
{
    ASSERT(t->vectors || isfinite(n->value));
    for (size_t k = 0; k < m->outputs && t->vectors; k++)
        ASSERT(n->value >= 0 && isfinite(t->vectors[(size_t)n->value * m->outputs + k]));
}

/* Every walk there is. */
static void check_walks(const struct model *m, const struct model_tree *t)
{
    struct step {
        int32_t node;
        uint32_t depth;
    } *stack = arena_alloc(&arena, (t->count + 1) * sizeof *stack);
    uint32_t n = 0, leaves = 0, seen = 0, deepest = 0;
    ASSERT(stack && t->count > 0 && t->output < m->outputs && isfinite(t->weight));
    stack[n++] = (struct step){0, 0};
    while (n > 0) {
        struct step s = stack[--n];
        const struct model_node *node = leaf_or_split(m, t, s.node);
        ASSERT(s.depth <= t->depth && seen++ < t->count);
        if (node->left < 0) {
            check_leaf(m, t, node);
            deepest = s.depth > deepest ? s.depth : deepest;
            leaves++;
            continue;
        }
        stack[n++] = (struct step){node->left, s.depth + 1};
        stack[n++] = (struct step){node->right, s.depth + 1};
    }
    ASSERT(leaves == t->leaves && deepest == t->depth && t->depth <= m->depth);
    arena_reset(&arena);
}

/* All of their bytes can be read. */
static void check_texts(const struct model *m)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < m->features; i++) {
        sum += m->feature_names ? hash64(m->feature_names[i].p, m->feature_names[i].n) : 0;
        sum += m->feature_types ? hash64(m->feature_types[i].p, m->feature_types[i].n) : 0;
        for (size_t k = 0; m->categories && k < m->categories[i].count; k++)
            sum += hash64(m->categories[i].texts[k].p, m->categories[i].texts[k].n);
    }
    texts_hash = sum;
}

static void check_model(const struct model *m)
{
    ASSERT(m->features > 0 && m->features <= MODEL_FEATURES_MAX && m->outputs > 0 && m->outputs <= MODEL_OUTPUTS_MAX);
    ASSERT(m->tree_count <= m->trees_in_file && m->rounds <= m->rounds_in_file && (m->linear || m->trees));
    for (size_t k = 0; k < m->outputs; k++)
        ASSERT(isfinite(m->base[k]) && isfinite(m->base_score[k]));
    for (size_t i = 0; i < (m->linear ? (m->features + 1) * m->outputs : 0); i++)
        ASSERT(isfinite(m->linear[i]));
    for (size_t t = 0; t < m->trees_in_file; t++)
        check_walks(m, &m->trees[t]);
    check_texts(m);
}

static bool is_small(const struct model *m)
{
    size_t nodes = 0, words = 0;
    for (size_t t = 0; t < m->tree_count; t++)
        nodes += m->trees[t].count;
    for (size_t i = 0; i < m->set_count; i++)
        words += m->sets[i].count;
    return m->features <= FEATURES_MAX && m->outputs <= OUTPUTS_MAX && m->tree_count <= TREES_MAX && nodes <= NODES_MAX &&
           words <= SET_WORDS_MAX;
}

/* ---- the plain walk ---- */

static bool goes_right(const struct model *m, const struct model_node *n, float x)
{
    if (isnan(x))
        return !n->default_left;
    if (n->set < 0)
        return !(x < n->value);
    const struct model_set *s = &m->sets[n->set];
    if (x < 0 || x >= (float)s->count * 32)
        return false;
    uint32_t category = (uint32_t)x;
    return s->words[category / 32] >> category % 32 & 1;
}

static float leaf_of(const struct model *m, const struct model_tree *t, const float *row, size_t output)
{
    const struct model_node *n = t->nodes;
    while (n->left >= 0)
        n = &t->nodes[goes_right(m, n, row[n->feature]) ? n->right : n->left];
    return t->vectors ? t->vectors[(size_t)n->value * m->outputs + output] : n->value;
}

static float trees_margin(const struct model *m, const float *row, size_t output)
{
    float sum = m->base[output];
    for (size_t i = 0; i < m->tree_count; i++) {
        const struct model_tree *t = &m->trees[i];
        if (!t->vectors && t->output != output)
            continue;
        float leaf = leaf_of(m, t, row, output);
        if (m->dart) {
            float alone = m->base[0] + leaf;
            leaf = (alone - m->base[0]) * t->weight;
        }
        sum += leaf;
    }
    return sum;
}

static float linear_margin(const struct model *m, const float *row, size_t output)
{
    float sum = m->linear[m->features * m->outputs + output] + m->base[output];
    for (size_t k = 0; k < m->features; k++)
        if (!isnan(row[k]))
            sum += row[k] * m->linear[k * m->outputs + output];
    return sum;
}

static void plain_walk(const struct model *m, const float *rows, size_t n, float *out)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < m->outputs; k++)
            out[i * m->outputs + k] = m->linear ? linear_margin(m, rows + i * m->features, k)
                                                : trees_margin(m, rows + i * m->features, k);
}

/* ---- forests ---- */

struct trial {
    const struct model *m;
    struct rng rng;
    enum forest_role roles[FEATURES_MAX];
    size_t actions, n, pair_count;
    uint32_t chosen[CANDIDATES_MAX];
    float *catalog, *shared, *pairs, *rows, *expected, *given;
};

/* What is awkward: values that nodes compare with and their neighbours, categories, what is no number. */
static float draw_value(struct trial *t, size_t feature)
{
    static const float odd[] = {NAN,   INFINITY, -INFINITY, -0.0f, 0,      -1,          2.7f,
                                -0.5f, 16777215, 16777216,  3e38f, 1e-40f, 4294967296.0f};
    const struct model *m = t->m;
    uint64_t kind = rng_below(&t->rng, 8);
    if (kind < 2)
        return odd[rng_below(&t->rng, sizeof odd / sizeof *odd)];
    if (kind == 2)
        return (float)rng_below(&t->rng, 70);
    for (int i = 0; i < 4 && m->tree_count; i++) {
        const struct model_tree *tree = &m->trees[rng_below(&t->rng, m->tree_count)];
        const struct model_node *n = &tree->nodes[rng_below(&t->rng, tree->count)];
        if (n->left >= 0 && n->feature == feature && n->set < 0)
            return kind == 3 ? nextafterf(n->value, -INFINITY) : kind == 4 ? nextafterf(n->value, INFINITY) : n->value;
    }
    return (float)rng_normal(&t->rng);
}

static void draw_rows(struct trial *t, float *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < t->m->features; k++)
            rows[i * t->m->features + k] = draw_value(t, k);
}

static void draw_roles(struct trial *t)
{
    uint64_t shared = rng_below(&t->rng, 5), action = rng_below(&t->rng, 5);
    for (size_t k = 0; k < t->m->features; k++) {
        uint64_t r = rng_below(&t->rng, 8);
        t->roles[k] = r < shared ? FOREST_SHARED : r < shared + action ? FOREST_ACTION : FOREST_PAIR;
        t->pair_count += t->roles[k] == FOREST_PAIR;
    }
    t->actions = 1 + rng_below(&t->rng, rng_below(&t->rng, 6) ? 100 : ACTIONS_MAX);
    draw_rows(t, t->catalog, t->actions);
}

static float *draw_numbers(size_t n)
{
    float *p = arena_alloc(&arena, (n + 1) * sizeof *p);
    ASSERT(p != NULL);
    return p;
}

static void start(struct trial *t, const struct model *m, uint64_t seed)
{
    size_t features = m->features;
    *t = (struct trial){.m = m};
    rng_seed(&t->rng, seed);
    t->catalog = draw_numbers(ACTIONS_MAX * features);
    t->shared = draw_numbers(features);
    t->pairs = draw_numbers(CANDIDATES_MAX * features);
    t->rows = draw_numbers(CANDIDATES_MAX * features);
    t->expected = draw_numbers(CANDIDATES_MAX * m->outputs);
    t->given = draw_numbers(CANDIDATES_MAX * m->outputs);
    draw_roles(t);
}

/* A customer's candidates, and the rows that they are. */
static void draw_customer(struct trial *t)
{
    size_t features = t->m->features, at = 0;
    uint64_t of = t->actions > CANDIDATES_MAX ? 30 : 1 + rng_below(&t->rng, 8);
    draw_rows(t, t->shared, 1);
    t->n = 0;
    for (uint32_t a = 0; a < t->actions && t->n < CANDIDATES_MAX; a++)
        if (of == 1 || rng_below(&t->rng, of) == 0)
            t->chosen[t->n++] = a;
    for (size_t i = 0; i < t->n; i++)
        for (size_t k = 0; k < features; k++) {
            float *cell = &t->rows[i * features + k];
            *cell = t->roles[k] == FOREST_SHARED ? t->shared[k] : t->catalog[t->chosen[i] * features + k];
            if (t->roles[k] == FOREST_PAIR)
                *cell = t->pairs[at++] = draw_value(t, k);
        }
    plain_walk(t->m, t->rows, t->n, t->expected);
}

static void expect_same(const struct trial *t, const char *what, const struct forest *f, size_t n)
{
    for (size_t i = 0; i < n * t->m->outputs; i++)
        if (memcmp(&t->given[i], &t->expected[i], sizeof *t->given) != 0) {
            fprintf(stderr, "%s, %s%s: margin %zu of %zu rows is %a, expected %a\n", what,
                    forest_instructions_name(forest_instructions_of(f)), forest_is_flat(f) ? " (flat)" : "", i, n,
                    (double)t->given[i], (double)t->expected[i]);
            ASSERT(!"margins are those of a plain walk");
        }
}

static struct forest *compile(const struct trial *t, const struct forest_options *o)
{
    struct forest *f = NULL;
    struct error e = {0};
    int rc = forest_compile(&f, t->m, o, &e);
    ASSERT(rc == 0 && forest_features(f) == t->m->features && forest_outputs(f) == t->m->outputs);
    return f;
}

/* Whole rows, without roles. */
static void try_rows(struct trial *t, enum forest_instructions which)
{
    struct error e = {0};
    draw_rows(t, t->rows, ROWS);
    plain_walk(t->m, t->rows, ROWS, t->expected);
    for (size_t memory_max = 0; memory_max < 2; memory_max++) {
        struct forest *f = compile(t, &(struct forest_options){.instructions = which, .memory_max = memory_max});
        ASSERT(forest_rows(f, t->rows, ROWS, &arena, t->given, &e) == 0);
        expect_same(t, "rows", f, ROWS);
        forest_free(&f);
    }
}

/* Candidates of a customer by forest_score, and the same as whole rows. */
static void try_customer(struct trial *t, const struct forest *f, const struct forest_catalog *c)
{
    struct error e = {0};
    struct forest_input in = {.shared = t->shared,
                              .catalog = c,
                              .actions = t->n == t->actions ? NULL : t->chosen,
                              .pairs = t->pairs,
                              .n = t->n};
    ASSERT(forest_score(f, &in, &arena, t->given, &e) == 0);
    expect_same(t, "score", f, t->n);
    ASSERT(forest_rows(f, t->rows, t->n, &arena, t->given, &e) == 0);
    expect_same(t, "rows with roles", f, t->n);
}

/* All instructions score the same customers, between whom an action changes. */
static void try_candidates(struct trial *t, const struct forest_options *ways, size_t way_count)
{
    struct forest *forests[WAYS_MAX] = {0};
    struct forest_catalog *catalogs[WAYS_MAX] = {0};
    struct error e = {0};
    for (size_t w = 0; w < way_count; w++) {
        forests[w] = compile(t, &ways[w]);
        ASSERT(forest_catalog_new(&catalogs[w], forests[w], t->catalog, t->actions, &e) == 0);
    }
    for (int customer = 0; customer < 2; customer++) {
        uint32_t a = (uint32_t)rng_below(&t->rng, t->actions);
        draw_rows(t, t->catalog + a * t->m->features, 1);
        draw_customer(t);
        for (size_t w = 0; w < way_count; w++) {
            forest_catalog_set(catalogs[w], a, t->catalog + a * t->m->features);
            try_customer(t, forests[w], catalogs[w]);
        }
    }
    for (size_t w = 0; w < way_count; w++) {
        forest_catalog_free(&catalogs[w]);
        forest_free(&forests[w]);
    }
}

static void try_forests(const struct model *m, uint64_t seed)
{
    struct trial t;
    struct forest_options ways[WAYS_MAX];
    size_t way_count = 0;
    start(&t, m, seed);
    /* Enough; none, so flat; something between, where the tiles with roles, or all, may not fit. */
    size_t memory_max = (size_t[]){0, 0, 1, 1 + rng_below(&t.rng, 40000)}[rng_below(&t.rng, 4)];
    for (int i = FOREST_PLAIN; i <= FOREST_AVX512; i++)
        if (forest_instructions_here((enum forest_instructions)i)) {
            ways[way_count++] = (struct forest_options){
                .roles = t.roles, .instructions = (enum forest_instructions)i, .memory_max = memory_max};
            try_rows(&t, (enum forest_instructions)i);
        }
    try_candidates(&t, ways, way_count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!keep.limit) {
        arena_init(&keep, MEMORY_MAX);
        arena_init(&scratch, MEMORY_MAX);
        arena_init(&arena, MEMORY_MAX);
    }
    for (int which = MODEL_BEST; which <= MODEL_ALL; which++) {
        struct model m;
        struct error e = {0};
        arena_reset(&keep);
        arena_reset(&scratch);
        arena_reset(&arena);
        if (model_read(&m, (struct str){(const char *)data, size}, (enum model_rounds)which, &keep, &scratch, &e)) {
            ASSERT(e.code < 0 && e.text[0]);
            continue;
        }
        arena_free(&scratch); /* nothing of the model is there */
        arena_init(&scratch, MEMORY_MAX);
        check_model(&m);
        if (is_small(&m))
            try_forests(&m, hash64_seed(data, size, (uint64_t)which));
    }
    return 0;
}
