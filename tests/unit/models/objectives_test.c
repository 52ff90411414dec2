/* Margins and values of every objective that bundles may have: against stumps added by hand with libm's logarithm and
 * exponential, against libxgboost's own two kinds of prediction, and with base scores that this library version ignores.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/rng.h"
#include "models/booster.h"
#include "models/bundle_spec.h"
#include "models/trainer.h"
#include "unit/models/tiny_model.h"
#include <math.h>
#include <stdlib.h>
#include <xgboost/c_api.h>

enum { ROWS = 200, COLUMNS = 3, ROUNDS = 8 };

static const struct tried {
    const char *name;
    enum link link;
    const char *base, *vector; /* the same number, as later versions write it too */
    double number;
} objectives[] = {{"binary:logistic", LINK_LOGISTIC, "3E-1", "[3E-1]", 0.3},
                  {"reg:squarederror", LINK_IDENTITY, "-1.5E0", "[-1.5E0]", -1.5},
                  {"count:poisson", LINK_EXP, "2E0", "[2E0]", 2},
                  {"reg:tweedie", LINK_EXP, "7E-1", "[7E-1]", 0.7},
                  {"reg:gamma", LINK_EXP, "3.25E0", "[3.25E0]", 3.25}};
enum { OBJECTIVES = sizeof objectives / sizeof *objectives };

static float rows[ROWS * COLUMNS], labels[ROWS];

static int make_rows(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, 17);
    for (size_t i = 0; i < ROWS; i++) {
        for (size_t k = 0; k < COLUMNS; k++)
            rows[i * COLUMNS + k] = rng_below(&rng, 5) ? (float)rng_normal(&rng) : NAN;
        labels[i] = rows[i * COLUMNS] > 0; /* 0 or 1 */
    }
    return 0;
}

static double margin_of_base(const struct tried *o)
{
    switch (o->link) {
    case LINK_IDENTITY:
        return o->number;
    case LINK_LOGISTIC:
        return log(o->number / (1 - o->number));
    case LINK_EXP:
        return log(o->number);
    }
    return NAN;
}

static double value_of(const struct tried *o, double margin)
{
    return o->link == LINK_IDENTITY   ? margin
           : o->link == LINK_LOGISTIC ? 1 / (1 + exp(-margin))
                                      : exp(margin);
}

static struct booster *must_open(const struct buf *model)
{
    struct booster *b = NULL;
    struct error e = {0};
    if (booster_open(&b, model->p, model->n, &e))
        fail_msg("%s", e.text);
    return b;
}

static void the_objectives_are_those_of_bundles(void **state)
{
    (void)state;
    enum link link;
    for (size_t i = 0; i < OBJECTIVES; i++) {
        const struct objective *found = objective_find(str_from(objectives[i].name));
        assert_non_null(found);
        link = found->link;
        assert_int_equal(link, objectives[i].link);
    }
    assert_null(objective_find(STR("reg:pseudohubererror")));
    assert_null(objective_find(STR("")));
}

/* base_score is in the label's unit: the link's inverse of it begins the margin, in both ways to write it. */
static void margins_are_base_and_leaves(void **state)
{
    (void)state;
    const struct stump stumps[] = {{0, 0.25f, 0.5f, -0.125f, true}, {2, -1.0f, 1.0f, 0.25f, false}};
    for (size_t o = 0; o < 2 * OBJECTIVES; o++) {
        const struct tried *obj = &objectives[o / 2];
        struct buf model;
        struct error e = {0};
        float margins[ROWS];
        buf_init(&model, 1 << 16);
        tiny_model(&model, obj->name, o % 2 ? obj->vector : obj->base, COLUMNS, stumps, 2);
        struct booster *b = must_open(&model);
        assert_true(str_is(booster_model(b)->objective, obj->name));
        assert_true(booster_model(b)->base_score[0] == (float)obj->number);
        assert_int_equal(booster_margins(b, rows, ROWS, COLUMNS, margins, &e), 0);
        for (size_t i = 0; i < ROWS; i++) {
            float first = rows[i * COLUMNS], third = rows[i * COLUMNS + 2];
            double want = margin_of_base(obj) + (isnan(first) || first < 0.25f ? 0.5 : -0.125) +
                          (!isnan(third) && third < -1.0f ? 1.0 : 0.25);
            assert_float_equal(margins[i], want, 1e-6);
        }
        booster_free(&b);
        buf_free(&model);
    }
}

static void library_predictions(const struct buf *model, int type, float out[ROWS])
{
    BoosterHandle handle;
    DMatrixHandle matrix;
    bst_ulong dimensions;
    const bst_ulong *shape;
    const float *result;
    char config[160];
    snprintf(
        config, sizeof config,
        "{\"type\":%d,\"training\":false,\"iteration_begin\":0,\"iteration_end\":0,\"strict_shape\":false}",
        type);
    assert_int_equal(XGDMatrixCreateFromMat(rows, ROWS, COLUMNS, NAN, &matrix), 0);
    assert_int_equal(XGBoosterCreate(NULL, 0, &handle), 0);
    assert_int_equal(XGBoosterSetParam(handle, "nthread", "1"), 0);
    assert_int_equal(XGBoosterLoadModelFromBuffer(handle, model->p, model->n), 0);
    assert_int_equal(XGBoosterPredictFromDMatrix(handle, matrix, config, &shape, &dimensions, &result), 0);
    memcpy(out, result, ROWS * sizeof *out);
    XGBoosterFree(handle);
    XGDMatrixFree(matrix);
}

/* A model that the library trained, loaded and asked by itself: its margins are ours bit for bit, its values are what
 * bundle_predict makes of them. */
static void the_library_says_the_same(void **state)
{
    (void)state;
    for (size_t o = 0; o < OBJECTIVES; o++) {
        const struct tried *obj = &objectives[o];
        const struct trainer_param params[] = {{"objective", obj->name}, {"base_score", obj->base}};
        float positive[ROWS], margins[ROWS], raw[ROWS], values[ROWS];
        struct buf model;
        struct error e = {0};
        for (size_t i = 0; i < ROWS; i++)
            positive[i] = labels[i] + (strcmp(obj->name, "reg:gamma") == 0 ? 0.5f : 0); /* gamma: above 0 */
        struct trainer_data data = {.rows = rows, .labels = positive, .n = ROWS, .features = COLUMNS};
        buf_init(&model, 4 << 20);
        if (trainer_fit(&data, params, 2, ROUNDS, 3, &model, &e))
            fail_msg("%s: %s", obj->name, e.text);
        struct booster *b = must_open(&model);
        assert_int_equal(booster_margins(b, rows, ROWS, COLUMNS, margins, &e), 0);
        library_predictions(&model, 1, raw);
        library_predictions(&model, 0, values);
        struct bundle_arm arm = {0};
        struct bundle_spec spec = {.label_type = obj->link == LINK_LOGISTIC ? BUNDLE_BINARY : BUNDLE_MONEY,
                                   .link = obj->link,
                                   .arms = &arm,
                                   .arm_count = 1};
        assert_memory_equal(margins, raw, sizeof margins);
        assert_true(fabsf(margins[0] - margins[1]) > 0 || fabsf(margins[0] - margins[2]) > 0);
        for (size_t i = 0; i < ROWS; i++) {
            double value = bundle_predict(&spec, 0, &margins[i]);
            assert_float_equal(value, values[i], 1e-6 * (1 + fabs(value)));
            assert_float_equal(value, value_of(obj, margins[i]), 1e-12 * (1 + fabs(value)));
        }
        booster_free(&b);
        buf_free(&model);
    }
}

static void a_base_score_outside_the_link_is_refused(void **state)
{
    (void)state;
    const struct {
        const char *objective, *base;
    } bad[] = {{"count:poisson", "0E0"},
               {"reg:tweedie", "-1E0"},
               {"binary:logistic", "1E0"},
               {"binary:logistic", "0E0"},
               {"reg:gamma", "0E0"}};
    const struct stump stump = {0, 0, 1, 2, false};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct buf model;
        struct booster *b = NULL;
        struct error e = {0};
        buf_init(&model, 1 << 16);
        tiny_model(&model, bad[i].objective, bad[i].base, COLUMNS, &stump, 1);
        assert_int_equal(booster_open(&b, model.p, model.n, &e), ERR_INVALID);
        assert_null(b);
        if (!strstr(e.text, "base_score"))
            fail_msg("%s %s: %s", bad[i].objective, bad[i].base, e.text);
        buf_free(&model);
    }
}

/* The last leaf of a trained stump becomes NaN and infinite, in the file's own form (big-endian floats). */
static void a_leaf_is_a_finite_number(void **state)
{
    (void)state;
    struct trainer_data data = {.rows = rows, .labels = labels, .n = ROWS, .features = COLUMNS};
    const struct trainer_param depth = {"max_depth", "1"};
    const uint8_t bad[][4] = {{0x7f, 0xc0, 0, 0}, {0xff, 0x80, 0, 0}};
    struct error e = {0};
    struct buf model;
    buf_init(&model, 1 << 20);
    assert_int_equal(trainer_fit(&data, &depth, 1, 1, 3, &model, &e), 0);
    uint8_t *key = memmem(model.p, model.n, "split_conditions", 16);
    assert_non_null(key);
    uint8_t *type = memmem(key, 40, "[$d#L", 5);
    assert_non_null(type);
    uint8_t *leaf = type + 5 + 8 + 2 * 4;
    for (size_t i = 0; i < 2; i++) {
        struct booster *b = NULL;
        memcpy(leaf, bad[i], 4);
        assert_int_equal(booster_open(&b, model.p, model.n, &e), ERR_INVALID);
        assert_string_equal(e.text,
                            "the model is broken: tree 0, node 2: a leaf whose value is no finite number");
    }
    buf_free(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_objectives_are_those_of_bundles),
        cmocka_unit_test(margins_are_base_and_leaves),
        cmocka_unit_test(the_library_says_the_same),
        cmocka_unit_test(a_base_score_outside_the_link_is_refused),
        cmocka_unit_test(a_leaf_is_a_finite_number),
    };
    return cmocka_run_group_tests(tests, make_rows, NULL);
}
