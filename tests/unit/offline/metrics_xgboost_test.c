/* AUC, log loss, squared and absolute error against what XGBoost itself says of a model on the same rows, with weights and
 * without. It sums in single precision and says some six digits.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/rng.h"
#include "models/booster.h"
#include "models/offline/metrics.h"
#include "models/trainer.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <xgboost/c_api.h>

enum { ROWS = 3000, COLUMNS = 2 };

static float rows[ROWS * COLUMNS], labels[ROWS], weights[ROWS];

static int make_data(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, 17);
    for (size_t i = 0; i < ROWS; i++) {
        rows[i * COLUMNS] = (float)rng_normal(&rng);
        rows[i * COLUMNS + 1] = (float)rng_below(&rng, 5); /* few values: many ties */
        double margin = (double)rows[i * COLUMNS] - 0.4 * (double)rows[i * COLUMNS + 1];
        labels[i] = rng_double(&rng) < 1 / (1 + exp(-margin));
        weights[i] = (float)(1 + rng_below(&rng, 6)) / 4;
    }
    return 0;
}

/* XGBoost's figure of a model on all rows. */
static double theirs(const struct buf *model, const char *metric, bool weighted)
{
    BoosterHandle booster;
    DMatrixHandle matrix;
    const char *names[] = {"t"}, *text;
    char key[40];
    assert_int_equal(XGDMatrixCreateFromMat(rows, ROWS, COLUMNS, NAN, &matrix), 0);
    assert_int_equal(XGDMatrixSetFloatInfo(matrix, "label", labels, ROWS), 0);
    if (weighted)
        assert_int_equal(XGDMatrixSetFloatInfo(matrix, "weight", weights, ROWS), 0);
    assert_int_equal(XGBoosterCreate(&matrix, 1, &booster), 0);
    assert_int_equal(XGBoosterSetParam(booster, "nthread", "1"), 0);
    assert_int_equal(XGBoosterLoadModelFromBuffer(booster, model->p, model->n), 0);
    assert_int_equal(XGBoosterSetParam(booster, "eval_metric", metric), 0);
    assert_int_equal(XGBoosterEvalOneIter(booster, 0, &matrix, names, 1, &text), 0);
    snprintf(key, sizeof key, "t-%s:", metric);
    const char *at = strstr(text, key);
    assert_non_null(at);
    double value = atof(at + strlen(key));
    XGBoosterFree(booster);
    XGDMatrixFree(matrix);
    return value;
}

static void test_figures(void **state)
{
    (void)state;
    static const struct trainer_param params[] = {{"max_depth", "2"}, {"eta", "0.3"}};
    static float margins[ROWS];
    static double scores[ROWS], probabilities[ROWS];
    struct booster *b = NULL;
    struct buf model;
    struct error e = {0};
    buf_init(&model, 1 << 20);
    const struct trainer_data data = {.rows = rows, .labels = labels, .n = ROWS, .features = COLUMNS};
    if (trainer_fit(&data, params, 2, 5, 3, &model, &e) || booster_open(&b, model.p, model.n, &e) ||
        booster_margins(b, rows, ROWS, COLUMNS, margins, &e))
        fail_msg("%s", e.text);
    for (size_t i = 0; i < ROWS; i++) {
        scores[i] = (double)margins[i];
        probabilities[i] = 1 / (1 + exp(-scores[i]));
    }
    double auc = theirs(&model, "auc", false);
    assert_true(auc > 0.6 && auc < 0.95);
    assert_float_equal(metric_auc(scores, labels, ROWS).value, auc, 2e-6);
    assert_float_equal(metric_auc(probabilities, labels, ROWS).value, auc, 2e-6);
    double seen[2];
    for (int weighted = 0; weighted < 2; weighted++) {
        const float *w = weighted ? weights : NULL;
        double root = sqrt(metric_squared(probabilities, labels, w, ROWS).value);
        seen[weighted] = theirs(&model, "logloss", weighted);
        assert_float_equal(metric_log_loss(probabilities, labels, w, ROWS).value, seen[weighted], 2e-6);
        assert_float_equal(root, theirs(&model, "rmse", weighted), 2e-6);
        assert_float_equal(metric_absolute(probabilities, labels, w, ROWS).value,
                           theirs(&model, "mae", weighted), 2e-6);
    }
    assert_true(fabs(seen[0] - seen[1]) > 1e-4); /* weights matter here */
    booster_free(&b);
    buf_free(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_figures)};
    return cmocka_run_group_tests(tests, make_data, NULL);
}
