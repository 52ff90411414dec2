/* The forest scorer against libxgboost: randomly trained models, awkward rows, random roles of the features, random catalogs and
 * candidates, on every kind of instructions: not one bit differs.
 *
 *   TACT_FOREST_MODELS   how many models (300; without optimization 12), the first seed being TACT_FOREST_SEED (1)
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "models/booster.h"
#include "models/forest_score.h"
#include "random_model.h"
#include <stdio.h>

#ifdef TACT_EMULATED
extern const struct forest_isa forest_isa_avx512_emulated;
#endif

#ifdef __OPTIMIZE__
enum { MODELS = 300 };
#else
enum { MODELS = 12 }; /* the emulated instructions are slow here */
#endif
enum { ROWS = 1000, ACTIONS_MAX = 300, CUSTOMERS = 6 };

/* A kind of instructions, by name or (emulated) by its kernels. */
struct way {
    const char *name;
    struct forest_options options;
};
static struct way ways[8];
static size_t way_count;

static int list_ways(void **state)
{
    (void)state;
    for (int i = FOREST_PLAIN; i <= FOREST_AVX512; i++)
        if (forest_instructions_here((enum forest_instructions)i))
            ways[way_count++] = (struct way){forest_instructions_name((enum forest_instructions)i),
                                             {.instructions = (enum forest_instructions)i}};
#ifdef TACT_EMULATED
    ways[way_count++] = (struct way){"avx512 emulated", {.isa = &forest_isa_avx512_emulated}};
#endif
    printf("instructions:");
    for (size_t i = 0; i < way_count; i++)
        printf(" %s%s", ways[i].name, i + 1 < way_count ? "," : "\n");
    return 0;
}

static long number_from(const char *name, long otherwise)
{
    const char *text = getenv(name);
    return text ? atol(text) : otherwise;
}

/* One model under test. */
struct trial {
    struct random_model random;
    struct model model;
    struct booster *booster;
    struct arena keep, scratch, arena;
    struct rng rng;
    uint64_t seed;
    size_t margins;
};

static void expect_same(const struct trial *t, const char *what, const float *given, const float *expected, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (memcmp(&given[i], &expected[i], sizeof *given) != 0)
            fail_msg("seed %llu (%s): %s: margin %zu is %.9g (%a), libxgboost gives %.9g (%a)", (unsigned long long)t->seed,
                     t->random.text, what, i, (double)given[i], (double)given[i], (double)expected[i], (double)expected[i]);
}

static void margins_of(struct trial *t, const float *rows, size_t n, float *out)
{
    struct error e = {0};
    if (booster_margins(t->booster, rows, n, t->model.features, out, &e))
        fail_msg("%s", e.text);
    t->margins += n * t->model.outputs;
}

static struct forest *must_compile(const struct trial *t, const struct forest_options *o)
{
    struct forest *f = NULL;
    struct error e = {0};
    if (forest_compile(&f, &t->model, o, &e))
        fail_msg("seed %llu: %s", (unsigned long long)t->seed, e.text);
    return f;
}

static void fill_rows(struct trial *t, float *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < t->model.features; k++)
            rows[i * t->model.features + k] = random_probe(&t->rng, &t->random, &t->model, k);
}

static void try_whole_rows(struct trial *t, const float *rows, const float *expected)
{
    float *given = malloc(ROWS * t->model.outputs * sizeof *given);
    for (size_t w = 0; w < way_count; w++)
        for (int flat = 0; flat < 2; flat++) {
            struct forest_options o = ways[w].options;
            struct error e = {0};
            o.memory_max = flat ? 1 : 0;
            struct forest *f = must_compile(t, &o);
            assert_true(forest_is_flat(f) == (flat == 1));
            assert_int_equal(forest_rows(f, rows, ROWS, &t->arena, given, &e), 0);
            expect_same(t, ways[w].name, given, expected, ROWS * t->model.outputs);
            arena_reset(&t->arena);
            forest_free(&f);
        }
    free(given);
}

/* Candidates of one customer, and the rows that they are. */
struct case_ {
    enum forest_role roles[RANDOM_FEATURES_MAX];
    size_t actions, n, pairs;
    uint32_t chosen[ACTIONS_MAX];
    float *shared, *catalog, *pair_values, *rows, *expected, *given;
};

static void draw_case(struct trial *t, struct case_ *c)
{
    size_t features = t->model.features;
    uint64_t weights = rng_below(&t->rng, 5);
    c->pairs = 0;
    for (size_t k = 0; k < features; k++) {
        uint64_t r = rng_below(&t->rng, 10);
        c->roles[k] = weights == 0 ? FOREST_ACTION : r < 2 * weights ? FOREST_SHARED : r % 2 ? FOREST_ACTION : FOREST_PAIR;
        c->pairs += c->roles[k] == FOREST_PAIR;
    }
    c->actions = 1 + rng_below(&t->rng, rng_below(&t->rng, 3) ? 130 : ACTIONS_MAX);
    fill_rows(t, c->catalog, c->actions);
}

static void draw_customer(struct trial *t, struct case_ *c)
{
    size_t features = t->model.features, at = 0;
    uint64_t keep = rng_below(&t->rng, 11);
    fill_rows(t, c->shared, 1);
    c->n = 0;
    for (uint32_t a = 0; a < c->actions; a++)
        if (rng_below(&t->rng, 10) < keep)
            c->chosen[c->n++] = a;
    for (size_t i = 0; i < c->n; i++)
        for (size_t k = 0; k < features; k++) {
            float *cell = &c->rows[i * features + k];
            *cell = c->roles[k] == FOREST_SHARED ? c->shared[k] : c->catalog[c->chosen[i] * features + k];
            if (c->roles[k] == FOREST_PAIR)
                *cell = c->pair_values[at++] = random_probe(&t->rng, &t->random, &t->model, k);
        }
    if (c->n)
        margins_of(t, c->rows, c->n, c->expected);
}

static void try_case(struct trial *t, struct case_ *c)
{
    struct forest *forests[8];
    struct forest_catalog *catalogs[8];
    struct error e = {0};
    draw_case(t, c);
    for (size_t w = 0; w < way_count; w++) {
        struct forest_options o = ways[w].options;
        o.roles = c->roles;
        forests[w] = must_compile(t, &o);
        assert_int_equal(forest_catalog_new(&catalogs[w], forests[w], c->catalog, c->actions, &e), 0);
    }
    for (int i = 0; i < CUSTOMERS; i++) {
        if (i == CUSTOMERS / 2) { /* an action changes */
            uint32_t a = (uint32_t)rng_below(&t->rng, c->actions);
            fill_rows(t, c->catalog + a * t->model.features, 1);
            for (size_t w = 0; w < way_count; w++)
                forest_catalog_set(catalogs[w], a, c->catalog + a * t->model.features);
        }
        draw_customer(t, c);
        for (size_t w = 0; w < way_count; w++) {
            struct forest_input in = {
                .shared = c->shared, .catalog = catalogs[w], .actions = c->chosen, .pairs = c->pair_values, .n = c->n};
            if (c->n == c->actions)
                in.actions = NULL;
            assert_int_equal(forest_score(forests[w], &in, &t->arena, c->given, &e), 0);
            expect_same(t, ways[w].name, c->given, c->expected, c->n * t->model.outputs);
            arena_reset(&t->arena);
        }
    }
    for (size_t w = 0; w < way_count; w++) {
        forest_catalog_free(&catalogs[w]);
        forest_free(&forests[w]);
    }
}

static void try_cases(struct trial *t)
{
    struct case_ *c = calloc(1, sizeof *c);
    size_t cells = ACTIONS_MAX * t->model.features, margins = ACTIONS_MAX * t->model.outputs;
    float **arrays[] = {&c->shared, &c->catalog, &c->pair_values, &c->rows, &c->expected, &c->given};
    for (size_t i = 0; i < 6; i++)
        *arrays[i] = malloc((cells > margins ? cells : margins) * sizeof(float));
    for (int i = 0; i < 3; i++)
        try_case(t, c);
    for (size_t i = 0; i < 6; i++)
        free(*arrays[i]);
    free(c);
}

static void try_model(uint64_t seed, size_t *margins)
{
    struct trial *t = calloc(1, sizeof *t);
    struct error e = {0};
    t->seed = seed;
    arena_init(&t->keep, MODEL_MEMORY_MAX);
    arena_init(&t->scratch, MODEL_MEMORY_MAX);
    arena_init(&t->arena, 64 << 20);
    random_model_make(&t->random, seed);
    rng_seed(&t->rng, seed);
    struct str bytes = {(char *)t->random.bytes.p, t->random.bytes.n};
    if (model_read(&t->model, bytes, MODEL_BEST, &t->keep, &t->scratch, &e) ||
        booster_open(&t->booster, bytes.p, bytes.n, &e))
        fail_msg("seed %llu (%s): %s", (unsigned long long)seed, t->random.text, e.text);
    if (getenv("VERBOSE"))
        printf("%llu: %s: %zu trees, depth %zu\n", (unsigned long long)seed, t->random.text, t->model.tree_count,
               t->model.depth);
    float *rows = malloc(ROWS * t->model.features * sizeof *rows), *expected = malloc(ROWS * t->model.outputs * sizeof *rows);
    fill_rows(t, rows, ROWS);
    margins_of(t, rows, ROWS, expected);
    try_whole_rows(t, rows, expected);
    try_cases(t);
    *margins += t->margins;
    free(rows);
    free(expected);
    booster_free(&t->booster);
    arena_free(&t->keep);
    arena_free(&t->scratch);
    arena_free(&t->arena);
    random_model_free(&t->random);
    free(t);
}

static void test_bits_are_those_of_libxgboost(void **state)
{
    (void)state;
    uint64_t first = (uint64_t)number_from("TACT_FOREST_SEED", 1), n = (uint64_t)number_from("TACT_FOREST_MODELS", MODELS);
    size_t margins = 0;
    for (uint64_t seed = first; seed < first + n; seed++)
        try_model(seed, &margins);
    printf("models=%llu margins=%zu differing=0\n", (unsigned long long)n, margins);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_bits_are_those_of_libxgboost)};
    return cmocka_run_group_tests(tests, list_ways, NULL);
}
