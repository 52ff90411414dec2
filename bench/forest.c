/* bench_forest: the forest scorer beside libxgboost's in-place prediction (one thread, its handle reused), in turn in one run.
 *
 * A model of full trees over 64 features: 48 of the customer, `pair` of the pair, the rest of the action; every node draws its
 * feature and its threshold evenly, and the way of missing values by a coin. So no tree is spared by having stopped early. Each
 * figure is the median of alternating pairs of measurements; in a pair both score the same candidates of the same customers:
 * ours from the customer's row, the action numbers and the pairs' values, libxgboost from full rows that lie ready. All
 * margins are compared (`differing`).
 *
 *   bench_forest [--candidates LIST] [--trees LIST] [--depths LIST] [--pairs LIST] [--subset N] [--instructions NAME]
 *                [--pairs-measured N] [--svg FOLDER]
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "base/clock.h"
#include "base/rng.h"
#include "models/booster.h"
#include "models/forest_score.h"
#include "tools/options.h"
#include "tools/svg_plot.h"
#include <math.h>
#include <stdlib.h>

enum { FEATURES = 64, SHARED = 48, POINTS_MAX = 16, RUNS_MAX = 101, CUSTOMERS_MAX = 64, LONG_US = 4000 };

struct options {
    const char *candidates, *trees, *depths, *pairs, *instructions, *svg;
    int64_t runs, subset, customers;
};

/* ---- a model ---- */

static void put_u32(struct buf *b, uint32_t v)
{
    v = __builtin_bswap32(v);
    buf_append(b, &v, sizeof v);
}

static void put_u64(struct buf *b, uint64_t v)
{
    put_u32(b, (uint32_t)(v >> 32));
    put_u32(b, (uint32_t)v);
}

static void put_sized(struct buf *b, const char *text)
{
    size_t n = strlen(text);
    buf_byte(b, 'L');
    put_u64(b, n);
    buf_append(b, text, n);
}

static void put_key(struct buf *b, const char *key)
{
    put_sized(b, key);
}

static void put_string(struct buf *b, const char *key, const char *text)
{
    put_key(b, key);
    buf_byte(b, 'S');
    put_sized(b, text);
}

static void put_number(struct buf *b, const char *key, long v)
{
    char text[32];
    snprintf(text, sizeof text, "%ld", v);
    put_string(b, key, text);
}

/* The head of an array of n numbers. */
static void put_array(struct buf *b, const char *key, char type, size_t n)
{
    put_key(b, key);
    buf_byte(b, '[');
    buf_byte(b, '$');
    buf_byte(b, (uint8_t)type);
    buf_byte(b, '#');
    buf_byte(b, 'L');
    put_u64(b, n);
}

static void put_wholes(struct buf *b, const char *key, const int32_t *v, size_t n)
{
    put_array(b, key, 'l', n);
    for (size_t i = 0; i < n; i++)
        put_u32(b, (uint32_t)v[i]);
}

static void put_floats(struct buf *b, const char *key, const float *v, size_t n)
{
    put_array(b, key, 'd', n);
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &v[i], sizeof bits);
        put_u32(b, bits);
    }
}

static void put_bytes(struct buf *b, const char *key, const uint8_t *v, size_t n)
{
    put_array(b, key, 'U', n);
    buf_append(b, v, n);
}

static void put_empty(struct buf *b, const char *key, char type)
{
    put_array(b, key, type, 0);
}

struct tree {
    int32_t *left, *right, *parent, *split;
    float *condition, *zero;
    uint8_t *default_left, *kind;
};

static void draw_tree(struct tree *t, struct rng *r, int depth)
{
    int32_t inner = (1 << depth) - 1, n = 2 * inner + 1;
    for (int32_t i = 0; i < n; i++) {
        t->left[i] = i < inner ? 2 * i + 1 : -1;
        t->right[i] = i < inner ? 2 * i + 2 : -1;
        t->parent[i] = i ? (i - 1) / 2 : INT32_MAX;
        t->split[i] = i < inner ? (int32_t)rng_below(r, FEATURES) : 0;
        t->condition[i] = (float)(i < inner ? rng_double(r) : (rng_double(r) - 0.5) * 0.1);
        t->default_left[i] = i < inner ? (uint8_t)rng_below(r, 2) : 0;
    }
}

static void put_tree(struct buf *b, const struct tree *t, size_t n, long id)
{
    buf_byte(b, '{');
    put_floats(b, "base_weights", t->zero, n);
    put_empty(b, "categories", 'l');
    put_empty(b, "categories_nodes", 'l');
    put_empty(b, "categories_segments", 'L');
    put_empty(b, "categories_sizes", 'L');
    put_bytes(b, "default_left", t->default_left, n);
    put_key(b, "id");
    buf_byte(b, 'L');
    put_u64(b, (uint64_t)id);
    put_wholes(b, "left_children", t->left, n);
    put_floats(b, "loss_changes", t->zero, n);
    put_wholes(b, "parents", t->parent, n);
    put_wholes(b, "right_children", t->right, n);
    put_floats(b, "split_conditions", t->condition, n);
    put_wholes(b, "split_indices", t->split, n);
    put_bytes(b, "split_type", t->kind, n);
    put_floats(b, "sum_hessian", t->zero, n);
    put_key(b, "tree_param");
    buf_byte(b, '{');
    put_number(b, "num_deleted", 0);
    put_number(b, "num_feature", FEATURES);
    put_number(b, "num_nodes", (long)n);
    put_number(b, "size_leaf_vector", 0);
    buf_byte(b, '}');
    buf_byte(b, '}');
}

static void put_trees(struct buf *b, int trees, int depth)
{
    size_t n = ((size_t)2 << depth) - 1;
    struct rng r;
    struct tree t = {calloc(n, 4), calloc(n, 4), calloc(n, 4), calloc(n, 4),
                     calloc(n, 4), calloc(n, 4), calloc(n, 1), calloc(n, 1)};
    rng_seed(&r, (uint64_t)(trees * 100 + depth));
    put_key(b, "trees");
    buf_byte(b, '[');
    for (int i = 0; i < trees; i++) {
        draw_tree(&t, &r, depth);
        put_tree(b, &t, n, i);
    }
    buf_byte(b, ']');
    void *parts[] = {t.left, t.right, t.parent, t.split, t.condition, t.zero, t.default_left, t.kind};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        free(parts[i]);
}

/* As XGBoost 1.7 writes a model in UBJSON. */
static void write_model(struct buf *b, int trees, int depth)
{
    buf_byte(b, '{');
    put_key(b, "learner");
    buf_byte(b, '{');
    put_key(b, "attributes");
    buf_append(b, "{}", 2);
    put_key(b, "feature_names");
    buf_append(b, "[]", 2);
    put_key(b, "feature_types");
    buf_append(b, "[]", 2);
    put_key(b, "gradient_booster");
    buf_byte(b, '{');
    put_key(b, "model");
    buf_byte(b, '{');
    put_key(b, "gbtree_model_param");
    buf_byte(b, '{');
    put_number(b, "num_parallel_tree", 1);
    put_number(b, "num_trees", trees);
    put_number(b, "size_leaf_vector", 0);
    buf_byte(b, '}');
    put_key(b, "tree_info");
    buf_byte(b, '[');
    for (int i = 0; i < trees; i++)
        buf_append(b, "i\0", 2);
    buf_byte(b, ']');
    put_trees(b, trees, depth);
    buf_byte(b, '}');
    put_string(b, "name", "gbtree");
    buf_byte(b, '}');
    put_key(b, "learner_model_param");
    buf_byte(b, '{');
    put_string(b, "base_score", "5E-1");
    put_number(b, "num_class", 0);
    put_number(b, "num_feature", FEATURES);
    put_number(b, "num_target", 1);
    buf_byte(b, '}');
    put_key(b, "objective");
    buf_byte(b, '{');
    put_string(b, "name", "binary:logistic");
    put_key(b, "reg_loss_param");
    buf_byte(b, '{');
    put_number(b, "scale_pos_weight", 1);
    buf_byte(b, '}');
    buf_byte(b, '}');
    buf_byte(b, '}');
    put_key(b, "version");
    buf_append(b, "[i\1i\7i\4]", 8);
    buf_byte(b, '}');
}

/* ---- a case ---- */

struct bench {
    const struct options *o;
    struct arena arena, keep;
    struct model model;
    struct booster *booster;
    /* of one split of the features */
    struct forest *forest;
    struct forest_catalog *catalog;
    size_t pair;
    /* of one number of candidates */
    size_t n, customers;
    uint32_t *actions;
    float *shared, *pairs, *rows, *ours, *theirs;
    uint64_t differing;
};

static int load_model(struct bench *b, int trees, int depth, double ms[2], struct error *e)
{
    struct buf bytes;
    struct arena scratch;
    buf_init(&bytes, (size_t)1 << 30);
    write_model(&bytes, trees, depth);
    ASSERT(buf_ok(&bytes));
    int64_t from = clock_mono_ns();
    arena_init(&scratch, MODEL_MEMORY_MAX);
    int rc = model_read(&b->model, (struct str){(char *)bytes.p, bytes.n}, MODEL_BEST, &b->keep, &scratch, e);
    ms[0] = (double)(clock_mono_ns() - from) * 1e-6;
    arena_free(&scratch);
    if (!rc)
        rc = booster_open(&b->booster, bytes.p, bytes.n, e);
    ms[1] = (double)(clock_mono_ns() - from) * 1e-6 - 2 * ms[0];
    buf_free(&bytes);
    return rc;
}

/* Values in the thresholds' range; one in twenty is missing. */
static float draw_value(struct rng *r)
{
    return rng_below(r, 20) == 0 ? NAN : (float)rng_double(r);
}

static int split_features(struct bench *b, size_t pair, size_t actions, struct error *e)
{
    enum forest_role roles[FEATURES];
    enum forest_instructions which = FOREST_AUTO;
    struct rng r;
    for (size_t k = 0; k < FEATURES; k++)
        roles[k] = k < SHARED ? FOREST_SHARED : k < FEATURES - pair ? FOREST_ACTION : FOREST_PAIR;
    if (b->o->instructions && !forest_instructions_find(b->o->instructions, &which))
        return error_set(e, ERR_INVALID, "unknown instructions '%s'; allowed: plain, avx2, avx512", b->o->instructions);
    b->pair = pair;
    int rc = forest_compile(&b->forest, &b->model, &(struct forest_options){.roles = roles, .instructions = which}, e);
    if (rc)
        return rc;
    float *rows = malloc(actions * FEATURES * sizeof *rows);
    ASSERT(rows != NULL);
    rng_seed(&r, 3);
    for (size_t i = 0; i < actions * FEATURES; i++)
        rows[i] = draw_value(&r);
    b->rows = rows;
    return forest_catalog_new(&b->catalog, b->forest, rows, actions, e);
}

/* n candidates of the catalog, spread over it; customers; and the full rows that libxgboost gets. */
static void draw_candidates(struct bench *b, const float *catalog, size_t actions, size_t n)
{
    struct rng r;
    rng_seed(&r, n);
    b->n = n;
    b->customers = n * (size_t)b->o->customers > 200000 ? 2 + 200000 / n : (size_t)b->o->customers;
    if (b->customers > CUSTOMERS_MAX)
        b->customers = CUSTOMERS_MAX;
    b->actions = malloc(n * sizeof *b->actions);
    b->shared = malloc(b->customers * FEATURES * sizeof(float));
    b->pairs = malloc(b->customers * n * (b->pair + 1) * sizeof(float));
    b->rows = malloc(b->customers * n * FEATURES * sizeof(float));
    b->ours = malloc(b->customers * n * sizeof(float));
    b->theirs = malloc(b->customers * n * sizeof(float));
    ASSERT(b->actions && b->shared && b->pairs && b->rows && b->ours && b->theirs);
    for (size_t i = 0; i < n; i++)
        b->actions[i] = (uint32_t)(i * actions / n);
    for (size_t c = 0; c < b->customers; c++) {
        float *shared = b->shared + c * FEATURES, *pairs = b->pairs + c * n * b->pair;
        for (size_t k = 0; k < FEATURES; k++)
            shared[k] = draw_value(&r);
        for (size_t i = 0; i < n; i++)
            for (size_t k = 0; k < FEATURES; k++) {
                float *cell = &b->rows[(c * n + i) * FEATURES + k];
                *cell = k < SHARED ? shared[k] : catalog[b->actions[i] * FEATURES + k];
                if (k >= FEATURES - b->pair)
                    *cell = pairs[i * b->pair + k - (FEATURES - b->pair)] = draw_value(&r);
            }
    }
}

static void free_candidates(struct bench *b)
{
    free(b->actions);
    free(b->shared);
    free(b->pairs);
    free(b->rows);
    free(b->ours);
    free(b->theirs);
}

static int score_ours(struct bench *b, struct error *e)
{
    for (size_t c = 0; c < b->customers; c++) {
        struct forest_input in = {.shared = b->shared + c * FEATURES,
                                  .catalog = b->catalog,
                                  .actions = b->actions,
                                  .pairs = b->pairs + c * b->n * b->pair,
                                  .n = b->n};
        arena_reset(&b->arena);
        int rc = forest_score(b->forest, &in, &b->arena, b->ours + c * b->n, e);
        if (rc)
            return rc;
    }
    return 0;
}

static int score_theirs(struct bench *b, struct error *e)
{
    for (size_t c = 0; c < b->customers; c++) {
        int rc = booster_margins(b->booster, b->rows + c * b->n * FEATURES, b->n, FEATURES, b->theirs + c * b->n, e);
        if (rc)
            return rc;
    }
    return 0;
}

/* Microseconds a customer, over as many rounds as take a few milliseconds. */
static int measure(struct bench *b, int (*score)(struct bench *b, struct error *e), double *us, struct error *e)
{
    int64_t from = clock_mono_ns(), took = 0;
    size_t rounds = 0;
    while (took < (int64_t)LONG_US * 1000) {
        int rc = score(b, e);
        if (rc)
            return rc;
        rounds++;
        took = clock_mono_ns() - from;
    }
    *us = (double)took * 1e-3 / (double)(rounds * b->customers);
    return 0;
}

static int by_number(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *v, size_t n)
{
    qsort(v, n, sizeof *v, by_number);
    return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

struct figure {
    double ours_us, theirs_us, ratio;
};

static int compare(struct bench *b, struct figure *out, struct error *e)
{
    double ours[RUNS_MAX], theirs[RUNS_MAX], ratios[RUNS_MAX];
    size_t runs = (size_t)b->o->runs;
    int rc = score_ours(b, e); /* warm */
    if (!rc)
        rc = score_theirs(b, e);
    b->differing = 0;
    for (size_t i = 0; i < b->customers * b->n; i++)
        b->differing += memcmp(&b->ours[i], &b->theirs[i], sizeof *b->ours) != 0;
    for (size_t i = 0; i < runs && !rc; i++) {
        rc = measure(b, score_ours, &ours[i], e);
        if (!rc)
            rc = measure(b, score_theirs, &theirs[i], e);
        if (!rc)
            ratios[i] = theirs[i] / ours[i];
    }
    if (!rc)
        *out = (struct figure){median(ours, runs), median(theirs, runs), median(ratios, runs)};
    return rc;
}

/* ---- the grid ---- */

struct grid {
    int64_t candidates[POINTS_MAX], trees[POINTS_MAX], depths[POINTS_MAX], pairs[POINTS_MAX];
    size_t candidate_count, tree_count, depth_count, pair_count;
    struct figure *figures; /* [tree][depth][pair][candidate] */
};

static struct figure *figure_at(const struct grid *g, size_t t, size_t d, size_t p, size_t c)
{
    return &g->figures[((t * g->depth_count + d) * g->pair_count + p) * g->candidate_count + c];
}

static size_t read_list(const char *text, int64_t *out)
{
    size_t n = 0;
    for (const char *p = text; *p && n < POINTS_MAX; n++) {
        char *end;
        out[n] = strtoll(p, &end, 10);
        if (end == p || out[n] < 0)
            return 0;
        p = *end == ',' ? end + 1 : end;
        if (*end && *end != ',')
            return 0;
    }
    return n;
}

static int run_point(struct bench *b, struct grid *g, size_t t, size_t d, size_t p, struct error *e)
{
    int64_t most = b->o->subset;
    for (size_t c = 0; c < g->candidate_count; c++) {
        /* The catalog is the candidates themselves, unless --subset says that it is larger. */
        int64_t actions = most ? most : g->candidates[c];
        int rc = split_features(b, (size_t)g->pairs[p], (size_t)actions, e);
        float *catalog = b->rows;
        if (!rc) {
            draw_candidates(b, catalog, (size_t)actions, (size_t)g->candidates[c]);
            struct figure *f = figure_at(g, t, d, p, c);
            rc = compare(b, f, e);
            if (!rc)
                printf("bench=forest candidates=%zu actions=%lld trees=%lld depth=%lld pair=%lld isa=%s ours_us=%.2f "
                       "libxgboost_us=%.2f ratio=%.2f differing=%llu bytes=%zu catalog_bytes=%zu\n",
                       b->n, (long long)actions, (long long)g->trees[t], (long long)g->depths[d],
                       (long long)g->pairs[p], forest_instructions_name(forest_instructions_of(b->forest)),
                       f->ours_us, f->theirs_us, f->ratio, (unsigned long long)b->differing, forest_bytes(b->forest),
                       forest_catalog_bytes(b->catalog));
            fflush(stdout);
            free_candidates(b);
        }
        free(catalog);
        forest_catalog_free(&b->catalog);
        forest_free(&b->forest);
        if (rc)
            return rc;
    }
    return 0;
}

static int run_model(struct bench *b, struct grid *g, size_t t, size_t d, struct error *e)
{
    double ms[2];
    int rc = load_model(b, (int)g->trees[t], (int)g->depths[d], ms, e);
    if (!rc)
        printf("bench=forest_load trees=%lld depth=%lld read_ms=%.1f libxgboost_ms=%.1f ratio=%.2f\n",
               (long long)g->trees[t], (long long)g->depths[d], ms[0], ms[1], ms[1] / ms[0]);
    for (size_t p = 0; p < g->pair_count && !rc; p++)
        rc = run_point(b, g, t, d, p, e);
    booster_free(&b->booster);
    arena_reset(&b->keep);
    return rc;
}

static int run(int argc, char **argv);
static const struct command command = {
    .name = "bench_forest",
    .brief = "the forest scorer beside libxgboost",
    .arguments = "",
    .details = "Scores a grid of models and candidates by both, in turn. Lists are numbers with commas between.",
    .run = run,
};

static int run(int argc, char **argv)
{
    struct options o = {.candidates = "100", .trees = "200", .depths = "6", .pairs = "0", .runs = 10, .customers = 32};
    int words;
    const struct option_def defs[] = {
        {.name = "candidates", .value = "LIST", .help = "how many", .text = &o.candidates},
        {.name = "trees", .value = "LIST", .help = "how many", .text = &o.trees},
        {.name = "depths", .value = "LIST", .help = "of the trees, 1 to 12", .text = &o.depths},
        {.name = "pairs", .value = "LIST", .help = "features of the pair, 0 to 16", .text = &o.pairs},
        {.name = "instructions", .value = "NAME", .help = "plain, avx2 or avx512", .text = &o.instructions},
        {.name = "actions", .value = "N", .help = "of the catalog; 0: as many as candidates", .number = &o.subset, .low = 0, .high = 1000000},
        {.name = "runs", .value = "N", .help = "pairs of measurements", .number = &o.runs, .low = 1, .high = RUNS_MAX},
        {.name = "svg", .value = "FOLDER", .help = "draw cost against candidates and trees", .text = &o.svg},
        {0},
    };
    int rc = options_parse(&command, defs, argc, argv, NULL, 0, 0, &words);
    if (rc >= 0)
        return rc;
    struct grid g = {0};
    g.candidate_count = read_list(o.candidates, g.candidates);
    g.tree_count = read_list(o.trees, g.trees);
    g.depth_count = read_list(o.depths, g.depths);
    g.pair_count = read_list(o.pairs, g.pairs);
    if (!g.candidate_count || !g.tree_count || !g.depth_count || !g.pair_count) {
        fprintf(stderr, "bench_forest: expected numbers with commas between, at most %d\n", POINTS_MAX);
        return EXIT_USAGE;
    }
    g.figures = calloc(g.tree_count * g.depth_count * g.pair_count * g.candidate_count, sizeof *g.figures);
    struct error e = {0};
    struct bench *b = calloc(1, sizeof *b);
    ASSERT(b && g.figures);
    b->o = &o;
    arena_init(&b->arena, 1 << 30);
    arena_init(&b->keep, MODEL_MEMORY_MAX);
    rc = 0;
    for (size_t t = 0; t < g.tree_count && !rc; t++)
        for (size_t d = 0; d < g.depth_count && !rc; d++)
            rc = run_model(b, &g, t, d, &e);
    if (rc)
        fprintf(stderr, "bench_forest: %s\n", e.text);
    arena_free(&b->arena);
    arena_free(&b->keep);
    free(b);
    free(g.figures);
    return rc ? EXIT_FAILED : EXIT_OK;
}

int main(int argc, char **argv)
{
    return run(argc, argv);
}
