/* bench_forest: the forest scorer beside libxgboost's in-place prediction (one thread, its handle reused), in turn in one run.
 *
 * A model of full trees over 64 features: 48 of the customer, `pair` of the pair, the rest of the action; every node draws its
 * feature and its threshold evenly, and the way of missing values by a coin. So no tree is spared by having stopped early. A
 * figure is the median of alternating pairs of measurements; in a pair both score the same candidates of the same customers:
 * ours from the customer's row, the action numbers and the pairs' values, libxgboost from full rows that lie ready. Times are the
 * process's processor time. All margins are compared (`differing`).
 *
 * Loading is measured apart (--load), one thread too: from a file's bytes in memory to what can score. Ours is reading, checking
 * and compiling with roles; libxgboost's is to create a handle and load, without checks; its first prediction is measured too.
 *
 *   bench_forest [--candidates LIST] [--trees LIST] [--depths LIST] [--pairs LIST] [--actions N] [--instructions NAME]
 *                [--runs N] [--load] [--svg FOLDER]
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "base/rng.h"
#include "models/booster.h"
#include "models/forest_score.h"
#include "tools/options.h"
#include "tools/svg_plot.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <time.h>
#include <xgboost/c_api.h>

enum {
    FEATURES = 64,
    SHARED = 48,
    PAIR_MAX = FEATURES - SHARED,
    CANDIDATES_MAX = 100 * 1000,
    TREES_MAX = 10 * 1000,
    DEPTH_MAX = 12,
    NODES_MAX = (2 << DEPTH_MAX) - 1,
    LIST_MAX = 16,
    RUNS_MAX = 101,
    LOADS = 3,
    CUSTOMERS = 32,                 /* that a measurement goes through */
    VISITS_MAX = 100 * 1000 * 1000, /* fewer, where they would be more nodes for libxgboost than this */
    ROUND_US = 4000                 /* a measurement lasts so long at least */
};

/* Rising numbers. */
struct list {
    int64_t v[LIST_MAX];
    size_t n;
};

struct options {
    const char *candidates, *trees, *depths, *pairs, *instructions, *svg;
    int64_t runs, actions;
    bool load;
};

struct figure {
    double ours_us, theirs_us, ratio;
};

struct grid {
    struct list candidates, trees, depths, pairs;
    struct figure *figures; /* [tree][depth][pair][candidates] */
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

/* A key, or after 'S' a value. */
static void put_text(struct buf *b, const char *text)
{
    size_t n = strlen(text);
    buf_byte(b, 'L');
    put_u64(b, n);
    buf_append(b, text, n);
}

static void put_string(struct buf *b, const char *key, const char *text)
{
    put_text(b, key);
    buf_byte(b, 'S');
    put_text(b, text);
}

static void put_number(struct buf *b, const char *key, long v)
{
    char text[32];
    snprintf(text, sizeof text, "%ld", v);
    put_string(b, key, text);
}

static void put_object(struct buf *b, const char *key)
{
    put_text(b, key);
    buf_byte(b, '{');
}

static void put_ends(struct buf *b, int n)
{
    for (int i = 0; i < n; i++)
        buf_byte(b, '}');
}

/* The head of an array of n numbers. */
static void put_array(struct buf *b, const char *key, char type, size_t n)
{
    put_text(b, key);
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

struct tree {
    int32_t left[NODES_MAX], right[NODES_MAX], parent[NODES_MAX], split[NODES_MAX];
    float condition[NODES_MAX], zero[NODES_MAX];
    uint8_t default_left[NODES_MAX], kind[NODES_MAX];
};

/* A full tree, node i's children being 2i + 1 and 2i + 2. */
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
    put_array(b, "categories", 'l', 0);
    put_array(b, "categories_nodes", 'l', 0);
    put_array(b, "categories_segments", 'L', 0);
    put_array(b, "categories_sizes", 'L', 0);
    put_bytes(b, "default_left", t->default_left, n);
    put_text(b, "id");
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
    put_object(b, "tree_param");
    put_number(b, "num_deleted", 0);
    put_number(b, "num_feature", FEATURES);
    put_number(b, "num_nodes", (long)n);
    put_number(b, "size_leaf_vector", 0);
    put_ends(b, 2);
}

static void put_trees(struct buf *b, int trees, int depth)
{
    size_t n = ((size_t)2 << depth) - 1;
    struct rng r;
    struct tree *t = calloc(1, sizeof *t);
    ASSERT(t != NULL);
    rng_seed(&r, (uint64_t)(trees * 100 + depth));
    put_text(b, "trees");
    buf_byte(b, '[');
    for (int i = 0; i < trees; i++) {
        draw_tree(t, &r, depth);
        put_tree(b, t, n, i);
    }
    buf_byte(b, ']');
    free(t);
}

/* As XGBoost 1.7 writes a model in UBJSON. */
static void write_model(struct buf *b, int trees, int depth)
{
    buf_byte(b, '{');
    put_object(b, "learner");
    put_text(b, "attributes");
    buf_append(b, "{}", 2);
    put_text(b, "feature_names");
    buf_append(b, "[]", 2);
    put_text(b, "feature_types");
    buf_append(b, "[]", 2);
    put_object(b, "gradient_booster");
    put_object(b, "model");
    put_object(b, "gbtree_model_param");
    put_number(b, "num_parallel_tree", 1);
    put_number(b, "num_trees", trees);
    put_number(b, "size_leaf_vector", 0);
    put_ends(b, 1);
    put_text(b, "tree_info");
    buf_byte(b, '[');
    for (int i = 0; i < trees; i++)
        buf_append(b, "i\0", 2);
    buf_byte(b, ']');
    put_trees(b, trees, depth);
    put_ends(b, 1);
    put_string(b, "name", "gbtree");
    put_ends(b, 1);
    put_object(b, "learner_model_param");
    put_string(b, "base_score", "5E-1");
    put_number(b, "num_class", 0);
    put_number(b, "num_feature", FEATURES);
    put_number(b, "num_target", 1);
    put_ends(b, 1);
    put_object(b, "objective");
    put_string(b, "name", "binary:logistic");
    put_object(b, "reg_loss_param");
    put_number(b, "scale_pos_weight", 1);
    put_ends(b, 3);
    put_text(b, "version");
    buf_append(b, "[i\1i\7i\4]", 8);
    put_ends(b, 1);
}

/* ---- a case ---- */

struct bench {
    const struct options *o;
    enum forest_instructions instructions;
    struct arena arena, keep;
    struct buf file;
    struct model model;
    struct booster *booster;
    /* of one split of the features */
    size_t pair;
    struct forest *forest;
    /* of one number of candidates */
    size_t n, action_count, customers;
    float *action_rows; /* [action][FEATURES] */
    struct forest_catalog *catalog;
    uint32_t *actions;
    float *shared, *pairs, *rows, *ours, *theirs;
    uint64_t differing;
};

static int compile(struct bench *b, size_t pair, struct error *e)
{
    enum forest_role roles[FEATURES];
    for (size_t k = 0; k < FEATURES; k++)
        roles[k] = k < SHARED ? FOREST_SHARED : k < FEATURES - pair ? FOREST_ACTION : FOREST_PAIR;
    b->pair = pair;
    return forest_compile(&b->forest, &b->model, &(struct forest_options){.roles = roles, .instructions = b->instructions}, e);
}

/* The file into b->model. */
static int read_model(struct bench *b, struct error *e)
{
    struct arena scratch;
    arena_reset(&b->keep);
    arena_init(&scratch, MODEL_MEMORY_MAX);
    int rc = model_read(&b->model, (struct str){(char *)b->file.p, b->file.n}, MODEL_BEST, &b->keep, &scratch, e);
    arena_free(&scratch);
    return rc;
}

/* Values in the thresholds' range; one in twenty is missing. */
static float draw_value(struct rng *r)
{
    return rng_below(r, 20) == 0 ? NAN : (float)rng_double(r);
}

/* The actions' features. */
static int draw_actions(struct bench *b, size_t count, struct error *e)
{
    struct rng r;
    rng_seed(&r, 3);
    b->action_count = count;
    b->action_rows = malloc(count * FEATURES * sizeof *b->action_rows);
    ASSERT(b->action_rows != NULL);
    for (size_t i = 0; i < count * FEATURES; i++)
        b->action_rows[i] = draw_value(&r);
    return forest_catalog_new(&b->catalog, b->forest, b->action_rows, count, e);
}

/* A customer's row and its pairs' values, and the full rows that libxgboost gets. */
static void draw_customer(struct bench *b, size_t customer, struct rng *r)
{
    float *shared = b->shared + customer * FEATURES, *pairs = b->pairs + customer * b->n * b->pair;
    for (size_t k = 0; k < FEATURES; k++)
        shared[k] = draw_value(r);
    for (size_t i = 0; i < b->n; i++)
        for (size_t k = 0; k < FEATURES; k++) {
            float *cell = &b->rows[(customer * b->n + i) * FEATURES + k];
            *cell = k < SHARED ? shared[k] : b->action_rows[b->actions[i] * FEATURES + k];
            if (k >= FEATURES - b->pair)
                *cell = pairs[i * b->pair + k - (FEATURES - b->pair)] = draw_value(r);
        }
}

/* n candidates, spread over the catalog, of each customer. */
static void draw_candidates(struct bench *b, size_t n, size_t customers)
{
    struct rng r;
    rng_seed(&r, n);
    b->n = n;
    b->customers = customers;
    b->actions = malloc(n * sizeof *b->actions);
    b->shared = malloc(customers * FEATURES * sizeof(float));
    b->pairs = malloc(customers * n * (b->pair + 1) * sizeof(float));
    b->rows = malloc(customers * n * FEATURES * sizeof(float));
    b->ours = malloc(customers * n * sizeof(float));
    b->theirs = malloc(customers * n * sizeof(float));
    ASSERT(b->actions && b->shared && b->pairs && b->rows && b->ours && b->theirs);
    for (size_t i = 0; i < n; i++)
        b->actions[i] = (uint32_t)(i * b->action_count / n);
    for (size_t c = 0; c < customers; c++)
        draw_customer(b, c, &r);
}

static void free_candidates(struct bench *b)
{
    void *parts[] = {b->actions, b->shared, b->pairs, b->rows, b->ours, b->theirs, b->action_rows};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        free(parts[i]);
    b->actions = NULL;
    b->shared = b->pairs = b->rows = b->ours = b->theirs = b->action_rows = NULL;
    forest_catalog_free(&b->catalog);
}

/* ---- measuring ---- */

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

/* Processor time of the whole process, so that what else runs on the core does not count, and a second thread would. */
static int64_t now_ns(void)
{
    struct timespec t;
    ASSERT(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) == 0);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/* Microseconds a customer, over as many rounds as take ROUND_US. */
static int measure(struct bench *b, int (*score)(struct bench *b, struct error *e), double *us, struct error *e)
{
    int64_t from = now_ns(), took = 0;
    size_t rounds = 0;
    while (took < (int64_t)ROUND_US * 1000) {
        int rc = score(b, e);
        if (rc)
            return rc;
        rounds++;
        took = now_ns() - from;
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

static int compare(struct bench *b, struct figure *out, struct error *e)
{
    double ours[RUNS_MAX], theirs[RUNS_MAX], ratios[RUNS_MAX];
    size_t runs = (size_t)b->o->runs;
    int rc = score_ours(b, e); /* warm */
    if (!rc)
        rc = score_theirs(b, e);
    b->differing = 0;
    for (size_t i = 0; i < b->customers * b->n && !rc; i++)
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

/* Milliseconds since a moment, which becomes now. */
static double lap_ms(int64_t *from)
{
    int64_t before = *from;
    *from = now_ns();
    return (double)(*from - before) * 1e-6;
}

/* Of one row of zeros. */
static bool predict_first(BoosterHandle handle, DMatrixHandle proxy)
{
    static const float row[FEATURES];
    char array[160];
    const bst_ulong *shape;
    bst_ulong dimensions;
    const float *margins;
    xgboost_array(array, row, 1, FEATURES);
    return XGBoosterPredictFromDense(handle, array,
                                     "{\"type\":1,\"training\":false,\"iteration_begin\":0,\"iteration_end\":0,"
                                     "\"strict_shape\":false,\"cache_id\":0,\"missing\":NaN}",
                                     proxy, &shape, &dimensions, &margins) == 0;
}

static int load_theirs(const struct bench *b, double *ms, double *first_ms, struct error *e)
{
    BoosterHandle handle = NULL;
    DMatrixHandle proxy = NULL;
    int64_t from = now_ns();
    bool ok = XGBoosterCreate(NULL, 0, &handle) == 0 && XGBoosterSetParam(handle, "nthread", "1") == 0 &&
              XGBoosterLoadModelFromBuffer(handle, b->file.p, b->file.n) == 0;
    *ms = lap_ms(&from);
    ok = ok && XGProxyDMatrixCreate(&proxy) == 0 && predict_first(handle, proxy);
    *first_ms = lap_ms(&from);
    int rc = ok ? 0 : xgboost_failed(ERR_INTERNAL, "cannot load the model", e);
    if (proxy)
        XGDMatrixFree(proxy);
    if (handle)
        XGBoosterFree(handle);
    return rc;
}

static int measure_load(struct bench *b, int64_t trees, int64_t depth, size_t pair, struct error *e)
{
    double read[LOADS], compiled[LOADS], ours[LOADS], theirs[LOADS], first[LOADS], ratios[LOADS];
    for (size_t i = 0; i < LOADS; i++) {
        int64_t from = now_ns();
        int rc = read_model(b, e);
        read[i] = lap_ms(&from);
        if (!rc)
            rc = compile(b, pair, e);
        compiled[i] = lap_ms(&from);
        forest_free(&b->forest);
        if (!rc)
            rc = load_theirs(b, &theirs[i], &first[i], e);
        if (rc)
            return rc;
        ours[i] = read[i] + compiled[i];
        ratios[i] = theirs[i] / ours[i];
    }
    printf("bench=forest_load trees=%lld depth=%lld pair=%zu file_bytes=%zu read_ms=%.2f compile_ms=%.2f ours_ms=%.2f "
           "libxgboost_ms=%.2f libxgboost_first_ms=%.2f ratio=%.2f\n",
           (long long)trees, (long long)depth, pair, b->file.n, median(read, LOADS), median(compiled, LOADS),
           median(ours, LOADS), median(theirs, LOADS), median(first, LOADS), median(ratios, LOADS));
    fflush(stdout);
    return 0;
}

/* ---- the grid ---- */

static struct figure *figure_at(const struct grid *g, size_t t, size_t d, size_t p, size_t c)
{
    return &g->figures[((t * g->depths.n + d) * g->pairs.n + p) * g->candidates.n + c];
}

static int run_point(struct bench *b, struct grid *g, const size_t at[4], struct error *e)
{
    int64_t trees = g->trees.v[at[0]], depth = g->depths.v[at[1]], n = g->candidates.v[at[3]];
    int64_t actions = b->o->actions ? b->o->actions : n, customers = VISITS_MAX / (n * trees * depth);
    struct figure *f = figure_at(g, at[0], at[1], at[2], at[3]);
    int rc = draw_actions(b, (size_t)actions, e);
    if (!rc) {
        draw_candidates(b, (size_t)n, (size_t)(customers < 1 ? 1 : customers < CUSTOMERS ? customers : CUSTOMERS));
        rc = compare(b, f, e);
    }
    if (!rc)
        printf("bench=forest candidates=%zu actions=%lld trees=%lld depth=%lld pair=%zu isa=%s ours_us=%.2f "
               "libxgboost_us=%.2f ratio=%.2f differing=%llu customers=%zu flat=%d bytes=%zu catalog_bytes=%zu\n",
               b->n, (long long)actions, (long long)trees, (long long)depth, b->pair,
               forest_instructions_name(forest_instructions_of(b->forest)), f->ours_us, f->theirs_us, f->ratio,
               (unsigned long long)b->differing, b->customers, forest_is_flat(b->forest), forest_bytes(b->forest),
               forest_catalog_bytes(b->catalog));
    fflush(stdout);
    free_candidates(b);
    return rc;
}

static int run_model(struct bench *b, struct grid *g, size_t t, size_t d, struct error *e)
{
    int64_t trees = g->trees.v[t], depth = g->depths.v[d];
    buf_init(&b->file, (size_t)1 << 30);
    write_model(&b->file, (int)trees, (int)depth);
    int rc = buf_ok(&b->file) ? 0 : error_set(e, ERR_NOSPACE, "the model's file is too large");
    if (!rc && b->o->load)
        rc = measure_load(b, trees, depth, (size_t)g->pairs.v[0], e);
    if (!rc)
        rc = read_model(b, e);
    if (!rc)
        rc = booster_open(&b->booster, b->file.p, b->file.n, e);
    buf_free(&b->file);
    for (size_t p = 0; p < g->pairs.n && !rc; p++) {
        rc = compile(b, (size_t)g->pairs.v[p], e);
        for (size_t c = 0; c < g->candidates.n && !rc; c++)
            rc = run_point(b, g, (const size_t[]){t, d, p, c}, e);
        forest_free(&b->forest);
    }
    booster_free(&b->booster);
    return rc;
}

/* ---- charts ---- */

enum chart { BY_CANDIDATES, BY_TREES, CHARTS };
enum { CHART_TREES = 200, CHART_CANDIDATES = 100, CHART_DEPTH = 6, CHART_PAIR = 0 };

static size_t find(const struct list *l, int64_t v)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->v[i] == v)
            return i;
    return SIZE_MAX;
}

/* The figure of a chart's i-th point, or NULL when the grid does not have it. */
static const struct figure *chart_figure(const struct grid *g, enum chart chart, size_t i)
{
    size_t d = find(&g->depths, CHART_DEPTH), p = find(&g->pairs, CHART_PAIR);
    size_t t = chart == BY_TREES ? i : find(&g->trees, CHART_TREES);
    size_t c = chart == BY_TREES ? find(&g->candidates, CHART_CANDIDATES) : i;
    bool has = t < g->trees.n && d < g->depths.n && p < g->pairs.n && c < g->candidates.n;
    return has ? figure_at(g, t, d, p, c) : NULL;
}

static int write_file(const char *folder, const char *name, const struct buf *bytes, struct error *e)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "wbe");
    bool good = f && buf_ok(bytes) && fwrite(bytes->p, 1, bytes->n, f) == bytes->n;
    if (f && fclose(f) != 0)
        good = false;
    return good ? 0 : error_set(e, ERR_IO, "%s: %s", path, strerror(errno));
}

static int draw(const struct bench *b, const struct grid *g, enum chart chart, struct error *e)
{
    static const char *const files[] = {"forest_candidates.svg", "forest_trees.svg"};
    const struct list *along = chart == BY_TREES ? &g->trees : &g->candidates;
    double x[LIST_MAX], y[2][LIST_MAX];
    char title[128], ours[64], theirs[64], library[24];
    for (size_t i = 0; i < along->n; i++) {
        const struct figure *f = chart_figure(g, chart, i);
        x[i] = (double)along->v[i];
        y[0][i] = f->theirs_us;
        y[1][i] = f->ours_us;
    }
    booster_library(library);
    snprintf(theirs, sizeof theirs, "libxgboost %s, one thread", library);
    snprintf(ours, sizeof ours, "Tact, one thread, %s", forest_instructions_name(b->instructions));
    if (chart == BY_TREES)
        snprintf(title, sizeof title, "Scoring %d candidates by trees of depth %d", CHART_CANDIDATES, CHART_DEPTH);
    else
        snprintf(title, sizeof title, "Scoring the candidates of a decision by %d trees of depth %d", CHART_TREES, CHART_DEPTH);
    const struct svg_series series[] = {{.name = theirs, .x = x, .y = y[0], .n = along->n, .dashed = true, .dots = true},
                                        {.name = ours, .x = x, .y = y[1], .n = along->n, .dots = true}};
    struct buf out;
    buf_init(&out, 1 << 20);
    svg_plot_write(&out, &(struct svg_plot){.title = title,
                                            .x_label = chart == BY_TREES ? "trees" : "candidates, which are all actions of the catalog",
                                            .y_label = "microseconds a decision",
                                            .series = series,
                                            .count = 2,
                                            .log_x = true,
                                            .log_y = true,
                                            .legend_left = true});
    int rc = write_file(b->o->svg, files[chart], &out, e);
    buf_free(&out);
    return rc;
}

/* ---- entry ---- */

static int read_list(const char *name, const char *text, int64_t low, int64_t high, struct list *out, struct error *e)
{
    const char *p = text;
    while (out->n < LIST_MAX) {
        char *end;
        int64_t v = strtoll(p, &end, 10);
        if (end == p || v < low || v > high || (out->n && v <= out->v[out->n - 1]))
            break;
        out->v[out->n++] = v;
        if (!*end)
            return 0;
        if (*end != ',')
            break;
        p = end + 1;
    }
    return error_set(e, ERR_INVALID, "--%s %s: expected up to %d rising numbers from %lld to %lld with commas between", name,
                     text, LIST_MAX, (long long)low, (long long)high);
}

static int check_options(struct bench *b, struct grid *g, struct error *e)
{
    const struct options *o = b->o;
    int rc = read_list("candidates", o->candidates, 1, CANDIDATES_MAX, &g->candidates, e);
    if (!rc)
        rc = read_list("trees", o->trees, 1, TREES_MAX, &g->trees, e);
    if (!rc)
        rc = read_list("depths", o->depths, 1, DEPTH_MAX, &g->depths, e);
    if (!rc)
        rc = read_list("pairs", o->pairs, 0, PAIR_MAX, &g->pairs, e);
    if (rc)
        return rc;
    if (o->actions && o->actions < g->candidates.v[g->candidates.n - 1])
        return error_set(e, ERR_INVALID, "--actions %lld: fewer than candidates", (long long)o->actions);
    if (o->instructions && !forest_instructions_find(o->instructions, &b->instructions))
        return error_set(e, ERR_INVALID, "unknown instructions '%s'; allowed: plain, avx2, avx512", o->instructions);
    if (!forest_isa_of(b->instructions))
        return error_set(e, ERR_INVALID, "this machine has no %s instructions", forest_instructions_name(b->instructions));
    b->instructions = forest_isa_of(b->instructions)->instructions;
    return 0;
}

/* Both charts have their points in the grid. */
static int check_charts(const struct grid *g, struct error *e)
{
    if (chart_figure(g, BY_CANDIDATES, 1) && chart_figure(g, BY_TREES, 1))
        return 0;
    return error_set(e, ERR_INVALID,
                     "--svg draws depth %d with %d features of the pair: several numbers of candidates by %d trees, and "
                     "several of trees for %d candidates; the lists lack some of these",
                     CHART_DEPTH, CHART_PAIR, CHART_TREES, CHART_CANDIDATES);
}

static int run_grid(struct bench *b, struct error *e)
{
    struct grid g = {0};
    int rc = check_options(b, &g, e);
    if (rc)
        return rc;
    g.figures = calloc(g.trees.n * g.depths.n * g.pairs.n * g.candidates.n, sizeof *g.figures);
    ASSERT(g.figures != NULL);
    arena_init(&b->arena, 1 << 30);
    arena_init(&b->keep, MODEL_MEMORY_MAX);
    if (b->o->svg)
        rc = check_charts(&g, e);
    for (size_t t = 0; t < g.trees.n && !rc; t++)
        for (size_t d = 0; d < g.depths.n && !rc; d++)
            rc = run_model(b, &g, t, d, e);
    for (int i = 0; i < CHARTS && b->o->svg && !rc; i++)
        rc = draw(b, &g, (enum chart)i, e);
    arena_free(&b->arena);
    arena_free(&b->keep);
    free(g.figures);
    return rc;
}

static int run(int argc, char **argv);
static const struct command command = {
    .name = "bench_forest",
    .brief = "the forest scorer beside libxgboost",
    .arguments = "",
    .details = "Scores a grid of models and candidates by both, in turn. LIST: rising numbers with commas between.",
    .run = run,
};

static int run(int argc, char **argv)
{
    struct options o = {.candidates = "100", .trees = "200", .depths = "6", .pairs = "0", .runs = 10};
    int words;
    const struct option_def defs[] = {
        {.name = "candidates", .value = "LIST", .help = "of a decision (100)", .text = &o.candidates},
        {.name = "trees", .value = "LIST", .help = "of the model (200)", .text = &o.trees},
        {.name = "depths", .value = "LIST", .help = "of the trees, 1 to 12 (6)", .text = &o.depths},
        {.name = "pairs", .value = "LIST", .help = "features of the pair, 0 to 16 (0)", .text = &o.pairs},
        {.name = "actions", .value = "N", .help = "of the catalog; 0: the candidates are all of them", .number = &o.actions,
         .low = 0, .high = CANDIDATES_MAX},
        {.name = "instructions", .value = "NAME", .help = "plain, avx2 or avx512; else the best here", .text = &o.instructions},
        {.name = "runs", .value = "N", .help = "pairs of measurements (10)", .number = &o.runs, .low = 1, .high = RUNS_MAX},
        {.name = "load", .help = "measure loading too", .flag = &o.load},
        {.name = "svg", .value = "FOLDER", .help = "draw cost against candidates and against trees", .text = &o.svg},
        {0},
    };
    int rc = options_parse(&command, defs, argc, argv, NULL, 0, 0, &words);
    if (rc >= 0)
        return rc;
    struct error e = {0};
    struct bench *b = calloc(1, sizeof *b);
    ASSERT(b != NULL);
    b->o = &o;
    rc = run_grid(b, &e);
    if (rc)
        fprintf(stderr, "bench_forest: %s\n", e.text);
    free(b);
    return rc ? EXIT_FAILED : EXIT_OK;
}

int main(int argc, char **argv)
{
    return run(argc, argv);
}
