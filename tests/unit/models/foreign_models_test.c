/* Models that others wrote, from before XGBoost 1.0 to 3.1, and what they are known to predict (../shared/data/xgb-models):
 *
 *   saved as JSON or UBJSON   read and scored by us: the predictions beside the file, and those of libxgboost
 *   the old binary format     refused, saying how to convert; converted by libxgboost, both ways, then as above
 *   dumps, other libraries'   refused
 *
 * No file of the folder is passed over: each is in the tables below or under one of the rules, and what is no model is
 * refused as one. Near means within NEAR_RELATIVE of the prediction or NEAR_ABSOLUTE. Skipped where there is no such folder.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/rng.h"
#include "models/booster.h"
#include "models/forest_score.h"
#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <fts.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <xgboost/c_api.h>

#define FOLDER SOURCE_DIR "/../shared/data/xgb-models"
#define GBDT_RS "gbdt-rs/xgb-data/"
#define TREELITE "treelite-2021/examples/"
#define H2O "h2o-predictor/xgboost-predictor/src/test/resources/"

enum { FILE_MAX = 1 << 20, MEMORY_MAX = 256 << 20, RANDOM_ROWS = 500, CLASSES_MAX = 8 };
static const double NEAR_RELATIVE = 5e-6, NEAR_ABSOLUTE = 1e-6;

/* ---- what there is ---- */

enum layout {
    NO_DATA,
    LIBSVM,     /* label index:value …, the index as it stands (whether it is counted from 0 or 1); others are missing */
    CSV         /* the first columns, as many as the model has features; nothing is missing there */
};

enum kind { MARGINS, CHANCES, CLASS_CHANCES, CLASS };

struct foreign {
    const char *model, *data;
    enum layout layout;
    const char *predictions; /* NULL: none but libxgboost's own */
    enum kind kind;          /* of them */
    size_t trees;            /* the first that they are of; 0: all */
};

/* Written by save_model as JSON or UBJSON. */
static const struct foreign saved[] = {
    {TREELITE "xgb_toy_categorical/xgb_toy_categorical_model.json", TREELITE "xgb_toy_categorical/xgb_toy_categorical.test",
     LIBSVM, TREELITE "xgb_toy_categorical/xgb_toy_categorical.test.pred", MARGINS, 0},
    {"vespa/binary_breast_cancer.ubj", "xgboost-go/breast_cancer_test.libsvm", LIBSVM, NULL, MARGINS, 0},
};

static const struct foreign old[] = {
    {"leaves/xgagaricus.model", "leaves/agaricus_test.libsvm", LIBSVM, "leaves/xgagaricus_true_predictions.txt", CHANCES, 0},
    {"leaves/xg_dart_agaricus.model", "leaves/agaricus_test.libsvm", LIBSVM,
     "leaves/xg_dart_agaricus_true_predictions.txt", MARGINS, 10},
    {"leaves/xgblin_agaricus.model", "leaves/agaricus_test.libsvm", LIBSVM, "leaves/xgblin_agaricus_true_predictions.txt",
     CHANCES, 0},
    {"leaves/xgblin_agaricus.model", "leaves/agaricus_test.libsvm", LIBSVM,
     "leaves/xgblin_agaricus_true_raw_predictions.txt", MARGINS, 0},
    {"leaves/xgdermatology.model", "leaves/dermatology_test.libsvm", LIBSVM, "leaves/xgdermatology_true_predictions.txt",
     MARGINS, 0},
    {GBDT_RS "xgb_binary_logistic/xgb.model", GBDT_RS "xgb_binary_logistic/agaricus.txt.test", LIBSVM,
     GBDT_RS "xgb_binary_logistic/pred.csv", CHANCES, 0},
    {GBDT_RS "xgb_binary_logitraw/xgb.model", GBDT_RS "xgb_binary_logitraw/agaricus.txt.test", LIBSVM,
     GBDT_RS "xgb_binary_logitraw/pred.csv", MARGINS, 0},
    {GBDT_RS "xgb_multi_softmax/xgb.model", GBDT_RS "xgb_multi_softmax/dermatology.data.test", CSV,
     GBDT_RS "xgb_multi_softmax/pred.csv", CLASS, 0},
    {GBDT_RS "xgb_multi_softprob/xgb.model", GBDT_RS "xgb_multi_softprob/dermatology.data.test", CSV,
     GBDT_RS "xgb_multi_softprob/pred.csv", CLASS_CHANCES, 0},
    {GBDT_RS "xgb_rank_pairwise/xgb.model", GBDT_RS "xgb_rank_pairwise/mq2008.test", LIBSVM,
     GBDT_RS "xgb_rank_pairwise/pred.csv", MARGINS, 0},
    {GBDT_RS "xgb_reg_linear/xgb.model", GBDT_RS "xgb_reg_linear/machine.txt.test", LIBSVM,
     GBDT_RS "xgb_reg_linear/pred.csv", MARGINS, 0},
    {GBDT_RS "xgb_reg_logistic/xgb.model", GBDT_RS "xgb_reg_logistic/agaricus.txt.test", LIBSVM,
     GBDT_RS "xgb_reg_logistic/pred.csv", CHANCES, 0},
    {TREELITE "dermatology/dermatology.model", TREELITE "dermatology/dermatology.test", LIBSVM,
     TREELITE "dermatology/dermatology.test.margin", MARGINS, 0},
    {TREELITE "dermatology/dermatology.model", TREELITE "dermatology/dermatology.test", LIBSVM,
     TREELITE "dermatology/dermatology.test.prob", CLASS_CHANCES, 0},
    {TREELITE "mushroom/mushroom.model", TREELITE "mushroom/agaricus.test", LIBSVM, TREELITE "mushroom/agaricus.test.margin",
     MARGINS, 0},
    {TREELITE "mushroom/mushroom.model", TREELITE "mushroom/agaricus.test", LIBSVM, TREELITE "mushroom/agaricus.test.prob",
     CHANCES, 0},
    {H2O "boosterBytes.bin", NULL, NO_DATA, NULL, MARGINS, 0},
    {H2O "prostate/boosterBytesProstateDart.bin", NULL, NO_DATA, NULL, MARGINS, 0},
    {H2O "prostate/boosterBytesProstateLinear.bin", NULL, NO_DATA, NULL, MARGINS, 0},
    {H2O "prostate/boosterBytesProstateTree.bin", NULL, NO_DATA, NULL, MARGINS, 0},
    {H2O "prostate/boosterBytesProstateTreeVersion12.bin", NULL, NO_DATA, NULL, MARGINS, 0},
};

enum { SAVED = sizeof saved / sizeof *saved, OLD = sizeof old / sizeof *old };

enum role { UNKNOWN, SAVED_MODEL, OLD_MODEL, DUMP, OTHER_LIBRARYS, DATA, PREDICTIONS, LICENCE, TEXT, ROLES };
static const char *const role_names[ROLES] = {
    "unknown", "saved models", "models in the old binary format", "dumps", "models of another library",
    "data",    "predictions",  "licences",                        "texts"};

/* Files that are in no table. */
static const struct rule {
    const char *pattern;
    enum role role;
} rules[] = {
    {"SOURCE.txt", TEXT},
    {"*/LICENSE*", LICENCE},
    {H2O "prostate/recreate*.txt", TEXT},
    {"vespa/binary_breast_cancer-features.txt", TEXT},
    {"vespa/binary_breast_cancer.json", DUMP},
    {"vespa/xgboost.*.json", DUMP},
    {"xgboost-go/*_dump*.json", DUMP},
    {"xgboost-go/*_test.libsvm", DATA},                       /* the dumps' */
    {"xgboost-go/*_true_prediction*.txt", PREDICTIONS},       /* the dumps' */
    {"leaves/csrmat.libsvm", DATA},                           /* no model's: its parser's */
    {"leaves/densemat.libsvm", DATA},
    {GBDT_RS "*/gbdt.model", OTHER_LIBRARYS},
};

enum { RULES = sizeof rules / sizeof *rules };

/* ---- files ---- */

static bool folder_is_there(void)
{
    DIR *dir = opendir(FOLDER);
    if (!dir) {
        print_message("no folder %s: skipped\n", FOLDER);
        skip();
        return false;
    }
    closedir(dir);
    return true;
}

/* With a NUL after it. */
static struct str read_whole(struct arena *a, const char *path)
{
    FILE *in = fopen(arena_printf(a, "%s/%s", FOLDER, path), "rb");
    char *bytes = arena_zalloc(a, FILE_MAX + 1);
    if (!in)
        fail_msg("%s: %s", path, strerror(errno));
    assert_non_null(bytes);
    size_t n = fread(bytes, 1, FILE_MAX, in);
    if (n == FILE_MAX || ferror(in))
        fail_msg("%s cannot be read, or is larger than %d bytes", path, FILE_MAX);
    fclose(in);
    return (struct str){bytes, n};
}

/* All numbers of a text, in doubles. */
static double *read_numbers(struct arena *a, const char *path, size_t *n)
{
    struct str text = read_whole(a, path);
    double *out = arena_alloc(a, text.n * sizeof *out);
    assert_non_null(out);
    *n = 0;
    for (const char *at = text.p; *(at += strspn(at, ", \t\r\n"));) {
        char *end;
        out[(*n)++] = strtod(at, &end);
        if (end == at)
            fail_msg("%s: no number at byte %zu", path, (size_t)(at - text.p));
        at = end;
    }
    return out;
}

struct rows {
    float *cells; /* [n][features] */
    size_t n, features;
};

static void read_libsvm_row(const char *path, const char *line, struct rows *rows, float *row)
{
    char *end;
    for (size_t k = 0; k < rows->features; k++)
        row[k] = NAN;
    (void)strtod(line, &end); /* the label */
    for (const char *at = end; *(at += strspn(at, " \t\r"));) {
        unsigned long k = strtoul(at, &end, 10);
        if (end == at || *end != ':' || k >= rows->features)
            fail_msg("%s, row %zu: not an entry of a row of %zu: %s", path, rows->n, rows->features, at);
        row[k] = strtof(end + 1, &end);
        at = end;
    }
}

static void read_csv_row(const char *path, const char *line, struct rows *rows, float *row)
{
    for (size_t k = 0; k < rows->features; k++) {
        char *end;
        row[k] = strtof(line, &end);
        if (end == line || *end != ',')
            fail_msg("%s, row %zu, column %zu: no number", path, rows->n, k);
        line = end + 1;
    }
}

static struct rows read_rows(struct arena *a, const char *path, enum layout layout, size_t features)
{
    struct str text = read_whole(a, path);
    size_t lines = 1;
    for (size_t i = 0; i < text.n; i++)
        lines += text.p[i] == '\n';
    struct rows rows = {arena_alloc(a, lines * features * sizeof(float)), 0, features};
    assert_non_null(rows.cells);
    char *rest, *line = strtok_r((char *)text.p, "\n", &rest);
    for (; line; line = strtok_r(NULL, "\n", &rest), rows.n++)
        (layout == LIBSVM ? read_libsvm_row : read_csv_row)(path, line, &rows, rows.cells + rows.n * features);
    return rows;
}

/* Missing values, thresholds, their neighbours, and numbers of about their size. */
static struct rows random_rows(struct arena *a, const struct model *m)
{
    struct rows rows = {arena_alloc(a, RANDOM_ROWS * m->features * sizeof(float)), RANDOM_ROWS, m->features};
    struct rng rng;
    rng_seed(&rng, m->features);
    for (size_t i = 0; i < rows.n * rows.features; i++) {
        uint64_t way = rng_below(&rng, 8);
        float *x = &rows.cells[i];
        *x = way < 2 ? NAN : (float)(rng_normal(&rng) * (way < 5 ? 1 : 40));
        for (int k = 0; way > 4 && m->tree_count && k < 40; k++) {
            const struct model_tree *t = &m->trees[rng_below(&rng, m->tree_count)];
            const struct model_node *n = &t->nodes[rng_below(&rng, t->count)];
            if (n->left < 0 || n->feature != i % m->features)
                continue;
            *x = n->set >= 0 ? (float)rng_below(&rng, 8) : way == 5 ? nextafterf(n->value, -INFINITY) : n->value;
            break;
        }
    }
    return rows;
}

/* ---- near ---- */

/* The largest differences so far. */
struct gap {
    double relative, absolute;
    size_t compared;
};

static bool is_near(double given, double expected)
{
    double d = fabs(given - expected);
    return d <= NEAR_RELATIVE * fabs(expected) || d <= NEAR_ABSOLUTE;
}

static void expect_near(struct gap *gap, const char *what, size_t i, double given, double expected)
{
    double d = fabs(given - expected);
    if (!is_near(given, expected))
        fail_msg("%s: number %zu is %.9g, expected %.9g", what, i, given, expected);
    if (d > gap->absolute)
        gap->absolute = d;
    if (d > 0 && d / fabs(expected) > gap->relative)
        gap->relative = d / fabs(expected);
    gap->compared++;
}

static void expect_all_near(struct gap *gap, const char *what, const float *given, const float *expected, size_t n)
{
    for (size_t i = 0; i < n; i++)
        expect_near(gap, what, i, (double)given[i], (double)expected[i]);
}

/* One row's margins as what the kind says; how many numbers that is. */
static size_t transform(enum kind kind, const float *margins, size_t outputs, double *out)
{
    double sum = 0, most = (double)margins[0];
    for (size_t k = 0; k < outputs; k++)
        most = fmax(most, (double)margins[k]);
    for (size_t k = 0; k < outputs; k++) {
        double m = (double)margins[k];
        out[k] = kind == MARGINS ? m : kind == CHANCES ? 1 / (1 + exp(-m)) : exp(m - most);
        sum += out[k];
    }
    for (size_t k = 0; kind == CLASS_CHANCES && k < outputs; k++)
        out[k] /= sum;
    if (kind != CLASS)
        return outputs;
    size_t best = 0;
    while ((double)margins[best] < most)
        best++;
    out[0] = (double)best;
    return 1;
}

/* ---- reading and scoring ---- */

static int try_read(struct model *m, struct str bytes, struct arena *a, struct error *e)
{
    struct arena scratch;
    arena_init(&scratch, MEMORY_MAX);
    int rc = model_read(m, bytes, MODEL_ALL, a, &scratch, e);
    arena_free(&scratch);
    return rc;
}

static void must_read(struct model *m, struct str bytes, struct arena *a, const char *path)
{
    struct error e = {0};
    if (try_read(m, bytes, a, &e))
        fail_msg("%s: %s", path, e.text);
}

static void expect_refused(struct str bytes, const char *path, const char *const *texts)
{
    struct arena a;
    struct model m;
    struct error e = {0};
    arena_init(&a, MEMORY_MAX);
    if (try_read(&m, bytes, &a, &e) != ERR_INVALID || e.code != ERR_INVALID || !e.text[0])
        fail_msg("%s: not refused as invalid: %s", path, e.text);
    for (; *texts; texts++)
        if (!strstr(e.text, *texts))
            fail_msg("%s: '%s' is not in '%s'", path, *texts, e.text);
    arena_free(&a);
}

/* By tiles, and by nodes kept flat: the same bits. */
static float *score(const struct model *m, const struct rows *rows, struct arena *a)
{
    float *margins[2];
    size_t size = rows->n * m->outputs * sizeof(float);
    for (int flat = 0; flat < 2; flat++) {
        struct forest_options o = {.memory_max = flat};
        struct forest *f = NULL;
        struct error e = {0};
        margins[flat] = arena_alloc(a, size);
        assert_non_null(margins[flat]);
        if (forest_compile(&f, m, &o, &e) || forest_rows(f, rows->cells, rows->n, a, margins[flat], &e))
            fail_msg("%s", e.text);
        forest_free(&f);
    }
    assert_memory_equal(margins[0], margins[1], size);
    return margins[0];
}

/* ---- libxgboost ---- */

/* Either way of asking it: the handle, for what it alone can load, or our own wrapper. */
struct library {
    BoosterHandle handle;
    struct booster *booster;
};

static void expect_ok(int rc, const char *path)
{
    if (rc)
        fail_msg("%s: XGBoost says: %s", path, XGBGetLastError());
}

/* False when this version no longer reads the old format; up to 3.0 it does. */
static bool library_load(struct library *l, const char *path)
{
    char whole[1024];
    int major, minor, patch;
    snprintf(whole, sizeof whole, "%s/%s", FOLDER, path);
    XGBSetGlobalConfig("{\"verbosity\":0}");
    XGBoostVersion(&major, &minor, &patch);
    expect_ok(XGBoosterCreate(NULL, 0, &l->handle), path);
    expect_ok(XGBoosterSetParam(l->handle, "nthread", "1"), path);
    if (XGBoosterLoadModel(l->handle, whole) == 0)
        return true;
    if (major < 3 || (major == 3 && minor == 0))
        fail_msg("%s: XGBoost says: %s", path, XGBGetLastError());
    print_message("%s: XGBoost %d.%d.%d does not read the old binary format: not compared\n", path, major, minor, patch);
    XGBoosterFree(l->handle);
    return false;
}

static struct str library_save(struct library *l, const char *path, const char *format, struct arena *a)
{
    char config[32];
    const char *bytes;
    bst_ulong n;
    snprintf(config, sizeof config, "{\"format\":\"%s\"}", format);
    expect_ok(XGBoosterSaveModelToBuffer(l->handle, config, &n, &bytes), path);
    struct str copy = arena_str(a, (struct str){bytes, n});
    assert_non_null(copy.p);
    return copy;
}

static void library_matrix_margins(struct library *l, const struct foreign *f, const struct rows *rows, float *out, size_t n)
{
    DMatrixHandle matrix;
    char config[128];
    const bst_ulong *shape;
    const float *margins;
    bst_ulong dimensions, total = 1, features = 0;
    expect_ok(XGBoosterGetNumFeature(l->handle, &features), f->model);
    assert_int_equal(features, rows->features);
    snprintf(config, sizeof config,
             "{\"type\":1,\"training\":false,\"iteration_begin\":0,\"iteration_end\":%zu,\"strict_shape\":false}", f->trees);
    expect_ok(XGDMatrixCreateFromMat(rows->cells, rows->n, rows->features, NAN, &matrix), f->model);
    expect_ok(XGBoosterPredictFromDMatrix(l->handle, matrix, config, &shape, &dimensions, &margins), f->model);
    for (bst_ulong i = 0; i < dimensions; i++)
        total *= shape[i];
    assert_int_equal(total, n);
    memcpy(out, margins, n * sizeof *out);
    XGDMatrixFree(matrix);
}

static float *library_margins(struct library *l, const struct foreign *f, const struct model *m, const struct rows *rows,
                              struct arena *a)
{
    float *out = arena_alloc(a, rows->n * m->outputs * sizeof *out);
    struct error e = {0};
    assert_non_null(out);
    if (!l->booster)
        library_matrix_margins(l, f, rows, out, rows->n * m->outputs);
    else if (booster_margins(l->booster, rows->cells, rows->n, rows->features, out, &e))
        fail_msg("%s: %s", f->model, e.text);
    return out;
}

/* ---- one model ---- */

struct outcome {
    struct gap known, library; /* against the predictions beside the file, against libxgboost */
    size_t rows;
};

static void compare_known(const struct foreign *f, const struct model *m, const struct rows *rows, const float *margins,
                          struct arena *a, struct gap *gap)
{
    size_t n, at = 0;
    double *known = read_numbers(a, f->predictions, &n), one[CLASSES_MAX];
    assert_true(m->outputs <= CLASSES_MAX);
    if (n != rows->n * (f->kind == CLASS ? 1 : m->outputs))
        fail_msg("%s: %zu predictions for %zu rows of %s", f->predictions, n, rows->n, f->data);
    for (size_t i = 0; i < rows->n; i++) {
        size_t numbers = transform(f->kind, margins + i * m->outputs, m->outputs, one);
        for (size_t k = 0; k < numbers; k++, at++)
            expect_near(gap, f->model, at, one[k], known[at]);
    }
}

/* The first trees alone; that all of them say something else is seen to. */
static void cut(struct model *m, const struct foreign *f, const struct rows *rows, struct arena *a)
{
    assert_true(f->trees < m->tree_count);
    const float *all = score(m, rows, a);
    m->tree_count = f->trees;
    const float *first = score(m, rows, a);
    size_t differing = 0;
    for (size_t i = 0; i < rows->n * m->outputs; i++)
        differing += !is_near((double)all[i], (double)first[i]);
    assert_int_equal(differing, rows->n * m->outputs);
}

/* A model's bytes; its margins for the file's rows, then for random ones, are returned, *n of them. */
static float *try_bytes(const struct foreign *f, struct str bytes, struct library *l, struct arena *a, struct model *m,
                        struct outcome *o, size_t *n)
{
    must_read(m, bytes, a, f->model);
    struct rows random = random_rows(a, m), rows = random;
    if (f->data)
        rows = read_rows(a, f->data, f->layout, m->features);
    if (f->trees)
        cut(m, f, &rows, a);
    float *margins = score(m, &rows, a), *others = score(m, &random, a);
    if (f->predictions)
        compare_known(f, m, &rows, margins, a, &o->known);
    expect_all_near(&o->library, f->model, margins, library_margins(l, f, m, &rows, a), rows.n * m->outputs);
    expect_all_near(&o->library, f->model, others, library_margins(l, f, m, &random, a), random.n * m->outputs);
    size_t first = rows.n * m->outputs, second = random.n * m->outputs;
    float *all = arena_alloc(a, (first + second) * sizeof *all);
    assert_non_null(all);
    memcpy(all, margins, first * sizeof *all);
    memcpy(all + first, others, second * sizeof *all);
    *n = first + second;
    o->rows = f->data ? rows.n + random.n : random.n;
    return all;
}

static void say(const struct foreign *f, const struct model *m, const struct outcome *o)
{
    printf("%s: %.*s %.*s, %zu of %zu trees, %zu rows; ", f->model, STR_ARG(m->booster), STR_ARG(m->objective), m->tree_count,
           m->trees_in_file, o->rows);
    if (f->predictions)
        printf("against %s: relative %.2g, absolute %.2g, %zu numbers; ", strrchr(f->predictions, '/') + 1, o->known.relative,
               o->known.absolute, o->known.compared);
    printf("against libxgboost: relative %.2g, absolute %.2g, %zu margins\n", o->library.relative, o->library.absolute,
           o->library.compared);
}

static void try_saved(const struct foreign *f)
{
    struct arena a;
    struct model m;
    struct outcome o = {0};
    struct library l = {0};
    struct error e = {0};
    size_t n;
    arena_init(&a, MEMORY_MAX);
    struct str bytes = read_whole(&a, f->model);
    if (booster_open_rounds(&l.booster, bytes.p, bytes.n, MODEL_ALL, &e))
        fail_msg("%s: %s", f->model, e.text);
    try_bytes(f, bytes, &l, &a, &m, &o, &n);
    assert_true(o.library.compared > 0);
    say(f, &m, &o);
    booster_free(&l.booster);
    arena_free(&a);
}

static void try_old(const struct foreign *f)
{
    static const char *const texts[] = {"old binary format", "save_model", NULL};
    struct arena a;
    struct model m;
    struct outcome o = {0};
    struct library l = {0};
    size_t n[2];
    arena_init(&a, MEMORY_MAX);
    expect_refused(read_whole(&a, f->model), f->model, texts);
    if (library_load(&l, f->model)) {
        float *json = try_bytes(f, library_save(&l, f->model, "json", &a), &l, &a, &m, &o, &n[0]);
        float *ubj = try_bytes(f, library_save(&l, f->model, "ubj", &a), &l, &a, &m, &o, &n[1]);
        assert_int_equal(n[0], n[1]);
        assert_memory_equal(json, ubj, n[0] * sizeof *json);
        say(f, &m, &o);
        XGBoosterFree(l.handle);
    }
    arena_free(&a);
}

static void test_saved_models(void **state)
{
    (void)state;
    if (!folder_is_there())
        return;
    for (size_t i = 0; i < SAVED; i++)
        try_saved(&saved[i]);
}

static void test_old_binary_models(void **state)
{
    (void)state;
    if (!folder_is_there())
        return;
    for (size_t i = 0; i < OLD; i++)
        try_old(&old[i]);
}

/* ---- a dump as a witness ---- */

static size_t whole(const json_t *node, const char *key)
{
    const json_t *v = json_object_get(node, key);
    assert_true(json_is_integer(v));
    return (size_t)json_integer_value(v);
}

/* The leaf of a dumped tree whose features are called by a number at the end of their name. */
static float walk(const json_t *node, const float *row)
{
    while (!json_object_get(node, "leaf")) {
        const char *name = json_string_value(json_object_get(node, "split"));
        assert_non_null(name);
        float x = row[strtoul(strrchr(name, '_') + 1, NULL, 10)];
        float threshold = (float)json_number_value(json_object_get(node, "split_condition"));
        size_t next = whole(node, isnan(x) ? "missing" : x < threshold ? "yes" : "no");
        const json_t *children = json_object_get(node, "children");
        size_t i = 0;
        while (i < json_array_size(children) && whole(json_array_get(children, i), "nodeid") != next)
            i++;
        node = json_array_get(children, i);
        assert_non_null(node);
    }
    return (float)json_number_value(json_object_get(node, "leaf"));
}

/* Summed in float and in the file's order, as the library does it. */
static void compare_dump(const json_t *dump, const struct model *m, const struct rows *rows, struct arena *a, struct gap *gap)
{
    double base = (double)m->base_score[0];
    const float *margins = score(m, rows, a);
    for (size_t i = 0; i < rows->n; i++) {
        float sum = (float)log(base / (1 - base));
        for (size_t t = 0; t < json_array_size(dump); t++)
            sum += walk(json_array_get(dump, t), rows->cells + i * rows->features);
        expect_near(gap, "vespa/binary_breast_cancer", i, (double)margins[i], (double)sum);
    }
}

/* The vespa folder holds one model of 3.1, saved and dumped. */
static void test_the_dump_of_a_saved_model_gives_the_same(void **state)
{
    (void)state;
    if (!folder_is_there())
        return;
    struct arena a;
    struct model m;
    struct gap gap = {0};
    arena_init(&a, MEMORY_MAX);
    struct str text = read_whole(&a, "vespa/binary_breast_cancer.json");
    json_t *dump = json_loadb(text.p, text.n, 0, NULL);
    assert_true(json_is_array(dump));
    must_read(&m, read_whole(&a, "vespa/binary_breast_cancer.ubj"), &a, "vespa/binary_breast_cancer.ubj");
    assert_true(str_is(m.objective, "binary:logistic"));
    assert_int_equal(m.tree_count, json_array_size(dump));
    struct rows random = random_rows(&a, &m);
    struct rows real = read_rows(&a, "xgboost-go/breast_cancer_test.libsvm", LIBSVM, m.features);
    compare_dump(dump, &m, &real, &a, &gap);
    compare_dump(dump, &m, &random, &a, &gap);
    printf("vespa/binary_breast_cancer.ubj against its dump: relative %.2g, absolute %.2g, %zu rows\n", gap.relative,
           gap.absolute, gap.compared);
    json_decref(dump);
    arena_free(&a);
}

/* ---- every file ---- */

static void note_role(enum role *role, enum role found, const char *path)
{
    if (*role != UNKNOWN && *role != found)
        fail_msg("%s is among the %s and among the %s", path, role_names[*role], role_names[found]);
    *role = found;
}

static void look_in(const struct foreign *table, size_t n, enum role model, const char *path, enum role *role)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(path, table[i].model) == 0)
            note_role(role, model, path);
        if (table[i].data && strcmp(path, table[i].data) == 0)
            note_role(role, DATA, path);
        if (table[i].predictions && strcmp(path, table[i].predictions) == 0)
            note_role(role, PREDICTIONS, path);
    }
}

static enum role role_of(const char *path, size_t used[RULES])
{
    enum role role = UNKNOWN;
    look_in(saved, SAVED, SAVED_MODEL, path, &role);
    look_in(old, OLD, OLD_MODEL, path, &role);
    for (size_t i = 0; i < RULES; i++)
        if (fnmatch(rules[i].pattern, path, 0) == 0) {
            note_role(&role, rules[i].role, path);
            used[i]++;
        }
    return role;
}

/* What no reader of models may take. */
static void expect_no_model(const char *path, enum role role)
{
    static const char *const dump[] = {"dump_model", "save_model", NULL}, *const others[] = {"not a model document", NULL};
    struct arena a;
    arena_init(&a, MEMORY_MAX);
    if (role != SAVED_MODEL && role != OLD_MODEL)
        expect_refused(read_whole(&a, path), path, role == DUMP ? dump : others);
    arena_free(&a);
}

static void test_every_file_is_known(void **state)
{
    (void)state;
    if (!folder_is_there())
        return;
    size_t counts[ROLES] = {0}, used[RULES] = {0}, files = 0;
    char *roots[] = {(char *)FOLDER, NULL};
    FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    assert_non_null(tree);
    for (FTSENT *at; (at = fts_read(tree));) {
        const char *path = at->fts_path + (at->fts_level > 0 ? sizeof FOLDER : 0);
        if (at->fts_info == FTS_D || at->fts_info == FTS_DP)
            continue;
        enum role role = at->fts_info == FTS_F ? role_of(path, used) : UNKNOWN;
        if (role == UNKNOWN)
            fail_msg("%s is in no table and under no rule of this test", path);
        expect_no_model(path, role);
        counts[role]++;
        files++;
    }
    fts_close(tree);
    printf("%zu files:", files);
    for (int i = UNKNOWN + 1; i < ROLES; i++)
        printf(" %zu %s%s", counts[i], role_names[i], i + 1 < ROLES ? "," : "\n");
    for (size_t i = 0; i < RULES; i++)
        if (!used[i])
            fail_msg("no file is under the rule %s", rules[i].pattern);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_file_is_known),
        cmocka_unit_test(test_saved_models),
        cmocka_unit_test(test_the_dump_of_a_saved_model_gives_the_same),
        cmocka_unit_test(test_old_binary_models),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
