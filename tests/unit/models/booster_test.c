/* The reference scorer and training: margins against a walk over the trees written here, missing values,
 * categories, DART, base scores of newer versions, broken bytes.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/rng.h"
#include "models/booster.h"
#include "models/model.h"
#include "models/trainer.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <dirent.h>
#include <xgboost/c_api.h>

enum { ROWS = 400, COLUMNS = 4, ROUNDS = 12, CATEGORIES = 5 };

static float rows[ROWS * COLUMNS], labels[ROWS];
static const bool categorical[COLUMNS] = {false, false, false, true};
static const char *const names[COLUMNS] = {"age", "spend", "clicks", "city"};
static const struct trainer_data data = {.rows = rows,
                                         .labels = labels,
                                         .n = ROWS,
                                         .features = COLUMNS,
                                         .names = names,
                                         .categorical = categorical};

static int make_data(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, 7);
    for (size_t i = 0; i < ROWS; i++) {
        float *r = &rows[i * COLUMNS];
        for (size_t k = 0; k < 3; k++)
            r[k] = rng_below(&rng, 5) == 0 ? NAN : (float)rng_normal(&rng);
        r[3] = (float)rng_below(&rng, CATEGORIES);
        double z = (isnan(r[0]) ? 1.5 : (double)r[0]) + (r[3] == 2 || r[3] == 4 ? 1 : -1);
        labels[i] = rng_double(&rng) < 1 / (1 + exp(-z));
    }
    return 0;
}

static struct buf train(const struct trainer_param *params, size_t count)
{
    struct buf model;
    struct error e = {0};
    buf_init(&model, 16 << 20);
    if (trainer_fit(&data, params, count, ROUNDS, 11, &model, &e))
        fail_msg("%s", e.text);
    return model;
}

static struct booster *must_open(const void *bytes, size_t n)
{
    struct booster *b = NULL;
    struct error e = {0};
    if (booster_open(&b, bytes, n, &e))
        fail_msg("%s", e.text);
    return b;
}

static double number(const struct doc_value *array, int64_t i)
{
    double v = NAN;
    assert_true(doc_number_at(array, (size_t)i, &v));
    return v;
}

/* One row through one tree, from the file's own numbers; the leaf's value. */
static float walk(const struct doc_value *tree, const float *row)
{
    const struct doc_value *left = doc_get(tree, "left_children"), *right = doc_get(tree, "right_children");
    const struct doc_value *split = doc_get(tree, "split_indices"), *at = doc_get(tree, "split_conditions");
    const struct doc_value *nodes = doc_get(tree, "categories_nodes"), *all = doc_get(tree, "categories");
    int64_t node = 0;
    while (number(left, node) >= 0) {
        float v = row[(size_t)number(split, node)];
        bool go_left;
        if (isnan(v)) {
            go_left = number(doc_get(tree, "default_left"), node) != 0;
        } else if (number(doc_get(tree, "split_type"), node) == 1) {
            size_t k = 0;
            while (number(nodes, (int64_t)k) != (double)node)
                k++;
            int64_t from = (int64_t)number(doc_get(tree, "categories_segments"), (int64_t)k);
            int64_t size = (int64_t)number(doc_get(tree, "categories_sizes"), (int64_t)k);
            bool in = false;
            for (int64_t i = from; i < from + size; i++)
                in |= number(all, i) == (double)v;
            go_left = !in;
        } else {
            go_left = v < (float)number(at, node);
        }
        node = (int64_t)number(go_left ? left : right, node);
    }
    return (float)number(at, node);
}

static void test_margins_equal_a_walk(void **state)
{
    (void)state;
    const struct trainer_param params[] = {{"max_depth", "4"}, {"base_score", "0.3"}};
    struct buf model = train(params, 2);
    struct booster *b = must_open(model.p, model.n);
    assert_int_equal(booster_model(b)->features, COLUMNS);
    assert_int_equal(booster_model(b)->tree_count, ROUNDS);
    assert_true(str_is(booster_model(b)->objective, "binary:logistic"));
    assert_float_equal(booster_model(b)->base_score[0], 0.3, 1e-7);
    float margins[ROWS];
    struct error e = {0};
    assert_int_equal(booster_margins(b, rows, ROWS, COLUMNS, margins, &e), 0);
    struct arena arena;
    arena_init(&arena, 64 << 20);
    struct doc_value *root;
    assert_int_equal(doc_read(&root, (struct str){(char *)model.p, model.n}, &arena, &e), 0);
    const struct doc_value *trees =
        doc_get(doc_get(doc_get(doc_get(root, "learner"), "gradient_booster"), "model"), "trees");
    assert_int_equal(trees->count, ROUNDS);
    assert_true(booster_model(b)->depth > 0 && booster_model(b)->depth <= 4);
    int categorical_splits = 0;
    for (size_t i = 0; i < ROWS; i++) {
        float sum = 0;
        for (size_t t = 0; t < trees->count; t++)
            sum += walk(doc_item(trees, t), &rows[i * COLUMNS]);
        double expected = (double)sum + log(0.3 / 0.7);
        assert_float_equal(margins[i], expected, 1e-5);
        float one;
        assert_int_equal(booster_margins(b, &rows[i * COLUMNS], 1, COLUMNS, &one, &e), 0);
        assert_memory_equal(&one, &margins[i], sizeof one);
    }
    for (size_t t = 0; t < trees->count; t++)
        categorical_splits += (int)doc_get(doc_item(trees, t), "categories_nodes")->count;
    assert_true(categorical_splits > 0);
    assert_int_equal(booster_margins(b, rows, 0, COLUMNS, margins, &e), 0);
    assert_int_equal(booster_margins(b, rows, 1, COLUMNS - 1, margins, &e), ERR_INVALID);
    assert_string_equal(e.text, "rows of 3 features for a model of 4");
    arena_free(&arena);
    booster_free(&b);
    assert_null(b);
    booster_free(&b);
    buf_free(&model);
}

static void test_missing_goes_its_own_way(void **state)
{
    (void)state;
    struct buf model = train(NULL, 0);
    struct booster *b = must_open(model.p, model.n);
    struct error e = {0};
    float probe[3][COLUMNS] = {{NAN, 0, 0, 0}, {-9, 0, 0, 0}, {NAN, NAN, NAN, NAN}}, out[3];
    assert_int_equal(booster_margins(b, &probe[0][0], 3, COLUMNS, out, &e), 0);
    assert_true(out[0] > out[1]); /* a missing age counts as 1.5 in the data */
    assert_true(isfinite(out[2]));
    booster_free(&b);
    buf_free(&model);
}

static void test_training_is_repeatable(void **state)
{
    (void)state;
    const struct trainer_param params[] = {{"subsample", "0.5"}, {"max_depth", "3"}};
    struct buf first = train(params, 2), second = train(params, 2), other;
    assert_int_equal(first.n, second.n);
    assert_memory_equal(first.p, second.p, first.n);
    struct error e = {0};
    buf_init(&other, 16 << 20);
    assert_int_equal(trainer_fit(&data, params, 2, ROUNDS, 12, &other, &e), 0);
    assert_true(other.n != first.n || memcmp(other.p, first.p, first.n) != 0);
    buf_free(&first);
    buf_free(&second);
    buf_free(&other);
}

static void test_training_refusals(void **state)
{
    (void)state;
    struct error e = {0};
    struct buf out;
    buf_init(&out, 100);
    assert_int_equal(trainer_fit(&data, NULL, 0, 2, 0, &out, &e), ERR_NOSPACE);
    buf_clear(&out);
    assert_int_equal(trainer_fit(&data, NULL, 0, 0, 0, &out, &e), ERR_INVALID);
    assert_int_equal(trainer_fit(&data, &(struct trainer_param){"nthread", "4"}, 1, 1, 0, &out, &e),
                     ERR_INVALID);
    assert_string_equal(e.text, "nthread cannot be set: training uses one thread, to be repeatable");
    assert_int_equal(trainer_fit(&data, &(struct trainer_param){"objective", "no:such"}, 1, 1, 0, &out, &e),
                     ERR_INVALID);
    assert_non_null(strstr(e.text, "XGBoost says: Unknown objective function: `no:such`"));
    assert_null(strstr(e.text, "Stack trace"));
    static const char *const above_0[] = {"count:poisson", "reg:tweedie", "reg:gamma"};
    static const float zeros[ROWS];
    struct trainer_data none = data;
    none.labels = zeros;
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(trainer_run(&none, &(struct trainer_options){.objective = above_0[i], .rounds = 1}, &out, NULL, &e),
                         ERR_INVALID);
        assert_non_null(strstr(e.text, "no row has a label above 0"));
    }
    none = data;
    none.n = 0;
    assert_int_equal(trainer_fit(&none, NULL, 0, 1, 0, &out, &e), ERR_INVALID);
    assert_int_equal(out.n, 0);
    buf_free(&out);
}

/* The JSON form of a trained model, from the library. */
static char *as_json(const struct buf *model)
{
    BoosterHandle b;
    bst_ulong n;
    const char *bytes;
    assert_int_equal(XGBoosterCreate(NULL, 0, &b), 0);
    assert_int_equal(XGBoosterLoadModelFromBuffer(b, model->p, model->n), 0);
    assert_int_equal(XGBoosterSaveModelToBuffer(b, "{\"format\":\"json\"}", &n, &bytes), 0);
    char *copy = calloc(1, n + 200);
    memcpy(copy, bytes, n);
    XGBoosterFree(b);
    return copy;
}

/* Replaces the text between a marker's end and the next quote. */
static void replace_after(char *text, const char *marker, const char *fresh)
{
    char *at = strstr(text, marker);
    assert_non_null(at);
    at += strlen(marker);
    char *end = strchr(at, '"');
    memmove(at + strlen(fresh), end, strlen(end) + 1);
    memcpy(at, fresh, strlen(fresh));
}

static void test_json_and_vector_base_score(void **state)
{
    (void)state;
    struct buf model = train(&(struct trainer_param){"base_score", "0.2"}, 1);
    char *json = as_json(&model);
    struct error e = {0};
    float expected[ROWS], margins[ROWS];
    struct booster *b = must_open(model.p, model.n);
    assert_int_equal(booster_margins(b, rows, ROWS, COLUMNS, expected, &e), 0);
    booster_free(&b);
    const char *forms[] = {NULL, "2E-1", "[2E-1]"};
    for (size_t i = 0; i < 3; i++) {
        if (forms[i])
            replace_after(json, "\"base_score\":\"", forms[i]);
        b = must_open(json, strlen(json));
        assert_int_equal(booster_margins(b, rows, ROWS, COLUMNS, margins, &e), 0);
        assert_memory_equal(margins, expected, sizeof margins);
        booster_free(&b);
    }
    const char *bad[] = {"[2E-1,3E-1]", "abc", "", "[]", "nan"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        replace_after(json, "\"base_score\":\"", bad[i]);
        assert_int_equal(booster_open(&b, json, strlen(json), &e), ERR_INVALID);
        assert_non_null(strstr(e.text, "base_score"));
    }
    free(json);
    buf_free(&model);
}

/* What Booster.serialize writes has its model within, in either form; the library's own margins are those of the trained one. */
static void test_serialized(void **state)
{
    (void)state;
    const struct trainer_param params[] = {{"max_depth", "4"}};
    struct buf model = train(params, 1);
    float whole[ROWS], within[ROWS];
    struct error e = {0};
    struct booster *b = must_open(model.p, model.n);
    assert_int_equal(booster_margins(b, rows, ROWS, COLUMNS, whole, &e), 0);
    booster_free(&b);
    BoosterHandle handle;
    bst_ulong n;
    const char *bytes;
    assert_int_equal(XGBoosterCreate(NULL, 0, &handle), 0);
    assert_int_equal(XGBoosterLoadModelFromBuffer(handle, model.p, model.n), 0);
    assert_int_equal(XGBoosterSerializeToBuffer(handle, &n, &bytes), 0);
    b = must_open(bytes, n);
    assert_true(booster_model(b)->from > 1 && booster_model(b)->bytes < n);
    assert_int_equal(booster_margins(b, rows, ROWS, COLUMNS, within, &e), 0);
    assert_memory_equal(whole, within, sizeof whole);
    booster_free(&b);
    XGBoosterFree(handle);
    char *json = as_json(&model), *text;
    assert_true(asprintf(&text, "{\"Config\":{\"a\":[1]}, \"Model\" : %s }", json) > 0);
    b = must_open(text, strlen(text));
    assert_int_equal(booster_margins(b, rows, ROWS, COLUMNS, within, &e), 0);
    assert_memory_equal(whole, within, sizeof whole);
    booster_free(&b);
    assert_int_equal(booster_open(&b, "{\"Model\":[1]}", 13, &e), ERR_INVALID);
    assert_non_null(strstr(e.text, "its Model is no object"));
    free(text);
    free(json);
    buf_free(&model);
}

static void expect_refused(const char *json, const char *text)
{
    struct booster *b = NULL;
    struct error e = {0};
    assert_int_equal(booster_open(&b, json, strlen(json), &e), ERR_INVALID);
    assert_null(b);
    if (!strstr(e.text, text))
        fail_msg("'%s' is not in '%s'", text, e.text);
}

/* Puts text in place of what stands between two others, the first time. */
static char *with(const char *json, const char *before, const char *after, const char *text)
{
    char *out;
    const char *from = strstr(json, before);
    assert_non_null(from);
    from += strlen(before);
    const char *to = strstr(from, after);
    assert_non_null(to);
    assert_true(asprintf(&out, "%.*s%s%s", (int)(from - json), json, text, to) > 0);
    return out;
}

/* What our reader takes, but libxgboost would read past its memory for, or score otherwise. */
static void test_what_the_library_misreads(void **state)
{
    (void)state;
    struct buf model = train((const struct trainer_param[]){{"max_depth", "1"}}, 1);
    char *json = as_json(&model), *left = with(json, "\"left_children\":[", "]", "2,-1,-1"),
         *right = with(left, "\"right_children\":[", "]", "1,-1,-1");
    expect_refused(right, "tree 0, node 0: its right child is not the one after its left");
    char *best = with(json, "\"attributes\":{", "}", "\"best_iteration\":\"0\""),
         *parallel = with(best, "\"num_parallel_tree\":\"", "\"", "2"), *listed;
    const char *at = strstr(parallel, "\"gbtree_model_param\"");
    assert_non_null(at);
    bool lists = strstr(parallel, "\"iteration_indptr\"") != NULL; /* since 2.0 */
    assert_true(asprintf(&listed, "%.*s%s%s", (int)(at - parallel), parallel,
                         lists ? "" : "\"iteration_indptr\":[0,1,2,3,4,5,6,7,8,9,10,11,12],", at) > 0);
    expect_refused(listed, "XGBoost counts 1 rounds by num_parallel_tree (2)");
    char *texts[] = {json, left, right, best, parallel, listed};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        free(texts[i]);
    buf_free(&model);
}

/* By our own reader alone: the library that is linked may not know such a file. keep holds what is read. */
static int read_only(const char *json, struct model *m, struct arena *keep, struct error *e)
{
    struct arena scratch;
    arena_init(keep, 16 << 20);
    arena_init(&scratch, 16 << 20);
    int rc = model_read(m, str_from(json), MODEL_BEST, keep, &scratch, e);
    arena_free(&scratch);
    return rc;
}

/* A name's escapes: XGBoost writes and reads "\u" as it is, Python writes beyond the BMP as two halves. */
static void test_escapes_of_names(void **state)
{
    (void)state;
    static const struct {
        const char *written, *name; /* NULL: refused */
    } all[] = {{"a\\user", "a\\user"},          {"\\u00e9t\\u00E9", "été"}, {"\\ud83d\\ude00!", "😀!"}, {"\\ud83d!", NULL},
               {"\\ude00\\ud83d", NULL},         {"a\\\\b\\/\\n", "a\\b/\n"}, {"\\u12", "\\u12"},       {"\\ud83d\\u0041", NULL}};
    struct buf model = train(&(struct trainer_param){"max_depth", "2"}, 1);
    char *json = as_json(&model);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        char *text = with(json, "\"feature_names\":[\"", "\"", all[i].written);
        struct model m;
        struct error e = {0};
        struct arena keep;
        int rc = read_only(text, &m, &keep, &e);
        if (rc != (all[i].name ? 0 : ERR_INVALID))
            fail_msg("%zu: %d %s", i, rc, e.text);
        if (all[i].name)
            assert_true(str_is(m.feature_names[0], all[i].name));
        arena_free(&keep);
        free(text);
    }
    free(json);
    buf_free(&model);
}

/* Since 3.2 a chance of 0 or 1, or nearer to them than 1e-6, is taken for one as near; before it is refused or taken as it is. The
 * margins are those of Python's XGBoost 3.1.1 and 3.2.0. */
static void test_base_scores_at_the_ends(void **state)
{
    (void)state;
    static const struct {
        const char *version, *score;
        double margin; /* NAN: refused */
    } all[] = {{"3,2,0", "0E0", -13.815509796142578},   {"3,2,0", "5E-7", -13.815509796142578}, {"3,2,0", "2E-6", -13.122361183166504},
               {"3,2,0", "1E0", 13.745160102844238},    {"3,2,0", "9.9999999E-1", 13.745160102844238},
               {"4,0,0", "0E0", -13.815509796142578},   {"3,1,1", "0E0", NAN},                  {"3,1,1", "5E-7", -14.508657455444336},
               {"3,1,1", "1E0", NAN},                   {"3,2,0", "-1E-9", NAN},                {"3,2,0", "1.1E0", NAN},
               {"3,1,1", "9.99999E-1", 13.745160102844238}};
    struct buf model = train(&(struct trainer_param){"max_depth", "1"}, 1);
    char *json = as_json(&model);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        char *version = with(json, "\"version\":[", "]", all[i].version),
             *text = with(version, "\"base_score\":\"", "\"", all[i].score);
        struct model m;
        struct error e = {0};
        struct arena keep;
        int rc = read_only(text, &m, &keep, &e);
        if (rc != (isnan(all[i].margin) ? ERR_INVALID : 0))
            fail_msg("%s %s: %d %s", all[i].version, all[i].score, rc, e.text);
        if (!rc && m.base[0] != (float)all[i].margin)
            fail_msg("%s %s: %.9g", all[i].version, all[i].score, (double)m.base[0]);
        arena_free(&keep);
        free(version);
        free(text);
    }
    free(json);
    buf_free(&model);
}

static void test_dart(void **state)
{
    (void)state;
    const struct trainer_param params[] = {{"booster", "dart"}, {"rate_drop", "0.5"}};
    struct buf model = train(params, 2);
    struct booster *b = must_open(model.p, model.n);
    float margins[ROWS];
    struct error e = {0};
    assert_int_equal(booster_margins(b, rows, ROWS, COLUMNS, margins, &e), 0);
    double sums[2] = {0}, counts[2] = {0};
    for (size_t i = 0; i < ROWS; i++) {
        sums[labels[i] > 0] += (double)margins[i];
        counts[labels[i] > 0]++;
    }
    assert_true(sums[1] / counts[1] > sums[0] / counts[0] + 0.5);
    booster_free(&b);
    buf_free(&model);
}

static void test_broken_models_are_refused(void **state)
{
    (void)state;
    expect_refused("", "the file is empty");
    expect_refused("binf\x01", "old binary format");
    expect_refused("{", "not a model document");
    expect_refused("{}", "no learner");
    expect_refused("{\"learner\":{}} x", "bytes after the end");
    struct buf model = train(&(struct trainer_param){"max_depth", "2"}, 1);
    char *good = as_json(&model);
    size_t n = strlen(good);
    const char *const changes[][3] = {
        {"\"left_children\":[1", "\"left_children\":[9", "tree 0, node 0: a child"},
        {"\"left_children\":[1", "\"left_children\":[0", "tree 0, node 0: a child out of range"},
        {"\"left_children\":[1,3", "\"left_children\":[1,1", "does not call it its parent"},
        {"\"num_nodes\":\"7\"", "\"num_nodes\":\"8\"", "one number for each of 8 nodes"},
        {"\"num_feature\":\"4\",\"num_t", "\"num_feature\":\"1\",\"num_t", "one text a feature"},
        {"\"name\":\"gbtree\"", "\"name\":\"gblinx\"", "expected gbtree, dart or gblinear"},
        {"\"tree_info\":[0", "\"tree_info\":[1", "names an output that it does not have"},
        {"\"num_trees\":\"12\"", "\"num_trees\":\"13\"", "num_trees"},
        {"\"id\":3", "\"id\":2", "not numbered in order"},
    };
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        char *broken = malloc(n + 1), *at;
        memcpy(broken, good, n + 1);
        at = strstr(broken, changes[i][0]);
        if (!at)
            fail_msg("%s is not in the model", changes[i][0]);
        memcpy(at, changes[i][1], strlen(changes[i][1]));
        expect_refused(broken, changes[i][2]);
        free(broken);
    }
    for (size_t cut = 0; cut < n; cut += 97) {
        char *part = strndup(good, cut);
        expect_refused(part, "not a model document");
        free(part);
    }
    free(good);
    buf_free(&model);
}

/* Any byte may be wrong: opening says so, or the model still scores; it never leaves its trees. */
static void test_flipped_bytes_do_not_crash(void **state)
{
    (void)state;
    struct buf model = train(&(struct trainer_param){"max_depth", "3"}, 1);
    struct rng rng;
    rng_seed(&rng, 3);
    int refused = 0, opened = 0;
    for (int i = 0; i < 1500; i++) {
        size_t at = rng_below(&rng, model.n);
        uint8_t before = model.p[at];
        model.p[at] ^= (uint8_t)(1u << rng_below(&rng, 8));
        struct booster *b = NULL;
        struct error e = {0};
        float margins[ROWS];
        if (booster_open(&b, model.p, model.n, &e)) {
            assert_true(e.text[0]);
            refused++;
        } else {
            (void)!booster_margins(b, rows, ROWS, COLUMNS, margins, &e);
            booster_free(&b);
            opened++;
        }
        model.p[at] = before;
    }
    assert_true(refused > 100 && opened > 100);
    buf_free(&model);
}

/* Every file of other people's models: opened and scored, or refused with a reason. */
static int try_folder(const char *folder)
{
    DIR *dir = opendir(folder);
    int opened = 0;
    for (struct dirent *d; dir && (d = readdir(dir));) {
        char path[1024];
        if (d->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, d->d_name);
        if (d->d_type == DT_DIR) {
            opened += try_folder(path);
            continue;
        }
        char *bytes = malloc(1 << 20);
        FILE *in = fopen(path, "rb");
        assert_non_null(in);
        size_t n = fread(bytes, 1, 1 << 20, in);
        fclose(in);
        struct booster *b = NULL;
        struct error e = {0};
        if (booster_open(&b, bytes, n, &e) == 0) {
            float *row = calloc(booster_model(b)->features, sizeof *row), margin = NAN;
            assert_int_equal(booster_margins(b, row, 1, booster_model(b)->features, &margin, &e), 0);
            assert_true(isfinite(margin));
            opened++;
            free(row);
            booster_free(&b);
        } else {
            assert_true(e.text[0]);
            if (getenv("VERBOSE"))
                printf("%s: %s\n", path, e.text);
        }
        free(bytes);
    }
    if (dir)
        closedir(dir);
    return opened;
}

static void test_foreign_models(void **state)
{
    (void)state;
    const char *folder = SOURCE_DIR "/../shared/data/xgb-models";
    DIR *dir = opendir(folder);
    if (!dir) {
        skip();
        return;
    }
    closedir(dir);
    assert_true(try_folder(folder) >= 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_margins_equal_a_walk),
        cmocka_unit_test(test_missing_goes_its_own_way),
        cmocka_unit_test(test_training_is_repeatable),
        cmocka_unit_test(test_training_refusals),
        cmocka_unit_test(test_json_and_vector_base_score),
        cmocka_unit_test(test_serialized),
        cmocka_unit_test(test_what_the_library_misreads),
        cmocka_unit_test(test_escapes_of_names),
        cmocka_unit_test(test_base_scores_at_the_ends),
        cmocka_unit_test(test_dart),
        cmocka_unit_test(test_broken_models_are_refused),
        cmocka_unit_test(test_flipped_bytes_do_not_crash),
        cmocka_unit_test(test_foreign_models),
    };
    return cmocka_run_group_tests(tests, make_data, NULL);
}
