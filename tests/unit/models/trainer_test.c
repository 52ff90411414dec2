/* Training against direct calls of XGBoost's C API written here: the same margins for every objective, early stopping that keeps
 * exactly the best rounds, constraints that hold, base scores, cancelling.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/rng.h"
#include "models/booster.h"
#include "models/trainer.h"
#include <math.h>
#include <stdlib.h>
#include <xgboost/c_api.h>

enum { ROWS = 600, WATCHED = 300, COLUMNS = 3 };

static float rows[(ROWS + WATCHED) * COLUMNS], labels[ROWS + WATCHED], positive[ROWS + WATCHED];
static const char *const names[COLUMNS] = {"a", "b", "city"};
static const bool categorical[COLUMNS] = {false, false, true};

static int make_data(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, 5);
    for (size_t i = 0; i < ROWS + WATCHED; i++) {
        float *r = &rows[i * COLUMNS];
        r[0] = (float)rng_normal(&rng);
        r[1] = rng_below(&rng, 4) == 0 ? NAN : (float)rng_normal(&rng);
        r[2] = (float)rng_below(&rng, 4);
        double z = (double)r[0] + (r[2] == 1 ? 1 : -0.5);
        labels[i] = rng_double(&rng) < 1 / (1 + exp(-z));
        positive[i] = (float)(exp(0.5 * z) * (0.5 + rng_double(&rng)));
    }
    return 0;
}

static struct trainer_data data_of(size_t from, size_t n, const float *y)
{
    return (struct trainer_data){.rows = rows + from * COLUMNS,
                                 .labels = y + from,
                                 .n = n,
                                 .features = COLUMNS,
                                 .names = names,
                                 .categorical = categorical};
}

static void must_train(const struct trainer_data *d, const struct trainer_options *o, struct buf *model,
                       struct trainer_result *result)
{
    struct error e = {0};
    buf_init(model, 16 << 20);
    if (trainer_run(d, o, model, result, &e))
        fail_msg("%s", e.text);
}

static double margins_of(const struct buf *model, size_t n, float *out)
{
    struct booster *b = NULL;
    struct error e = {0};
    if (booster_open(&b, model->p, model->n, &e) || booster_margins(b, rows, n, COLUMNS, out, &e))
        fail_msg("%s", e.text);
    double trees = (double)booster_model(b)->tree_count;
    booster_free(&b);
    return trees;
}

/* The same training, by hand. */
static void train_by_hand(const char *objective, const char *base, const float *y, int rounds, float *margins)
{
    DMatrixHandle matrix;
    BoosterHandle booster;
    const char *types[] = {"float", "float", "c"};
    const char *params[][2] = {{"objective", objective},
                               {"tree_method", "hist"},
                               {"base_score", base},
                               {"nthread", "1"},
                               {"seed", "3"},
                               {"max_depth", "3"},
                               {"eta", "0.2"}};
    assert_int_equal(XGDMatrixCreateFromMat(rows, ROWS, COLUMNS, NAN, &matrix), 0);
    assert_int_equal(XGDMatrixSetFloatInfo(matrix, "label", y, ROWS), 0);
    assert_int_equal(XGDMatrixSetStrFeatureInfo(matrix, "feature_type", types, COLUMNS), 0);
    assert_int_equal(XGBoosterCreate(&matrix, 1, &booster), 0);
    for (size_t i = 0; i < sizeof params / sizeof *params; i++)
        assert_int_equal(XGBoosterSetParam(booster, params[i][0], params[i][1]), 0);
    for (int i = 0; i < rounds; i++)
        assert_int_equal(XGBoosterUpdateOneIter(booster, i, matrix), 0);
    bst_ulong n;
    const float *out;
    assert_int_equal(XGBoosterPredict(booster, matrix, 1, 0, 0, &n, &out), 0);
    assert_int_equal(n, ROWS);
    memcpy(margins, out, ROWS * sizeof *margins);
    XGBoosterFree(booster);
    XGDMatrixFree(matrix);
}

static double mean(const float *y, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)y[i];
    return sum / (double)n;
}

static void test_equals_the_library(void **state)
{
    (void)state;
    static const char *const objectives[] = {"binary:logistic", "reg:squarederror", "count:poisson",
                                             "reg:tweedie", "reg:gamma"};
    const struct trainer_param params[] = {{"max_depth", "3"}, {"eta", "0.2"}};
    for (size_t k = 0; k < sizeof objectives / sizeof *objectives; k++) {
        const float *y = k == 0 ? labels : positive;
        struct trainer_data d = data_of(0, ROWS, y);
        const struct trainer_options o = {
            .objective = objectives[k], .params = params, .param_count = 2, .rounds = 15, .seed = 3};
        float ours[ROWS], theirs[ROWS];
        struct buf model;
        char base[32];
        snprintf(base, sizeof base, "%.9g", k == 0 ? 0.5 : mean(positive, ROWS));
        must_train(&d, &o, &model, NULL);
        margins_of(&model, ROWS, ours);
        train_by_hand(objectives[k], base, y, 15, theirs);
        for (size_t i = 0; i < ROWS; i++)
            assert_float_equal(ours[i], theirs[i], 1e-5);
        buf_free(&model);
    }
}

/* The loss of the watched rows, from the margins of a model that was trained for so many rounds and not watched. */
static double watched_loss(int rounds)
{
    const struct trainer_param params[] = {{"max_depth", "4"}, {"eta", "0.3"}};
    struct trainer_data d = data_of(0, ROWS, labels);
    const struct trainer_options o = {.params = params, .param_count = 2, .rounds = rounds, .seed = 3};
    struct buf model;
    static float margins[ROWS + WATCHED];
    must_train(&d, &o, &model, NULL);
    margins_of(&model, ROWS + WATCHED, margins);
    buf_free(&model);
    double sum = 0;
    for (size_t i = ROWS; i < ROWS + WATCHED; i++) {
        double p = 1 / (1 + exp(-(double)margins[i]));
        sum -= labels[i] > 0 ? log(p) : log(1 - p);
    }
    return sum / WATCHED;
}

static void test_early_stopping_keeps_the_best_rounds(void **state)
{
    (void)state;
    enum { MOST = 60, PATIENCE = 8 };
    const struct trainer_param params[] = {{"max_depth", "4"}, {"eta", "0.3"}};
    struct trainer_data d = data_of(0, ROWS, labels), watch = data_of(ROWS, WATCHED, labels);
    struct trainer_options o = {
        .params = params, .param_count = 2, .rounds = MOST, .seed = 3, .watch = &watch, .patience = PATIENCE};
    struct trainer_result result;
    struct buf model, plain;
    must_train(&d, &o, &model, &result);
    int best = 1;
    double least = watched_loss(1);
    for (int k = 2; k <= MOST && k - best <= PATIENCE; k++) {
        double loss = watched_loss(k);
        if (loss < least) {
            least = loss;
            best = k;
        }
    }
    assert_int_equal(result.rounds, best);
    assert_true(best < MOST - PATIENCE);
    assert_float_equal(result.watch, least, 1e-6);
    static float cut[ROWS + WATCHED], whole[ROWS + WATCHED];
    assert_int_equal(margins_of(&model, ROWS + WATCHED, cut), best);
    o.watch = NULL;
    o.rounds = best;
    must_train(&d, &o, &plain, NULL);
    margins_of(&plain, ROWS + WATCHED, whole);
    assert_memory_equal(cut, whole, sizeof cut);
    struct booster *b = NULL;
    struct error e = {0};
    assert_int_equal(booster_open(&b, model.p, model.n, &e), 0);
    assert_true(str_is(booster_model(b)->feature_names[2], "city") && str_is(booster_model(b)->feature_types[2], "c"));
    booster_free(&b);
    buf_free(&model);
    buf_free(&plain);
}

static void test_monotone(void **state)
{
    (void)state;
    const int falling[COLUMNS] = {-1, 0, 0};
    struct trainer_data d = data_of(0, ROWS, labels);
    const struct trainer_options o = {.rounds = 20, .seed = 3};
    for (int constrained = 0; constrained < 2; constrained++) {
        d.monotone = constrained ? falling : NULL;
        struct buf model;
        must_train(&d, &o, &model, NULL);
        struct booster *b = NULL;
        struct error e = {0};
        assert_int_equal(booster_open(&b, model.p, model.n, &e), 0);
        int rises = 0;
        float before = INFINITY;
        for (int k = -30; k <= 30; k++) {
            const float row[COLUMNS] = {(float)k / 10, 0, 1};
            float margin;
            assert_int_equal(booster_margins(b, row, 1, COLUMNS, &margin, &e), 0);
            rises += margin > before;
            before = margin;
        }
        assert_true(constrained ? rises == 0 : rises > 3);
        booster_free(&b);
        buf_free(&model);
    }
}

static void test_base_scores(void **state)
{
    (void)state;
    static float weights[ROWS];
    double sum = 0, all = 0;
    for (size_t i = 0; i < ROWS; i++) {
        weights[i] = (float)(i % 3);
        sum += (double)weights[i] * (double)positive[i];
        all += (double)weights[i];
    }
    struct trainer_data d = data_of(0, ROWS, positive);
    d.weights = weights;
    const struct trainer_options o = {.objective = "reg:squarederror", .rounds = 1, .seed = 3};
    struct buf model;
    must_train(&d, &o, &model, NULL);
    struct booster *b = NULL;
    struct error e = {0};
    assert_int_equal(booster_open(&b, model.p, model.n, &e), 0);
    assert_float_equal(booster_model(b)->base_score[0], sum / all, 1e-6);
    booster_free(&b);
    buf_free(&model);
}

static volatile sig_atomic_t stop;

static void stop_at_three(void *user, int round, int all)
{
    assert_int_equal(all, 50);
    *(int *)user = round;
    stop = round == 3;
}

static void test_cancelled_within_a_round(void **state)
{
    (void)state;
    int last = 0;
    struct trainer_data d = data_of(0, ROWS, labels);
    const struct trainer_options o = {
        .rounds = 50, .seed = 3, .progress = stop_at_three, .user = &last, .cancel = &stop};
    struct buf model;
    struct error e = {0};
    buf_init(&model, 1 << 20);
    stop = 0;
    assert_int_equal(trainer_run(&d, &o, &model, NULL, &e), ERR_UNAVAILABLE);
    assert_string_equal(e.text, "stopped before the training was done");
    assert_int_equal(last, 3);
    assert_int_equal(model.n, 0);
    buf_free(&model);
}

static void test_wrong_options(void **state)
{
    (void)state;
    struct trainer_data d = data_of(0, ROWS, labels), none = data_of(0, 0, labels);
    struct buf model;
    struct error e = {0};
    buf_init(&model, 1 << 20);
    struct trainer_options o = {.rounds = 5, .watch = &none, .patience = 2};
    assert_int_equal(trainer_run(&d, &o, &model, NULL, &e), ERR_INVALID);
    assert_string_equal(e.text, "no rows are kept aside to stop by");
    o = (struct trainer_options){.rounds = TRAINER_ROUNDS_MAX + 1};
    assert_int_equal(trainer_run(&d, &o, &model, NULL, &e), ERR_INVALID);
    assert_string_equal(e.text, "10001 rounds; allowed: 1 to 10000");
    o = (struct trainer_options){.rounds = 5, .objective = "reg:gamma"}; /* labels of 0 */
    assert_int_equal(trainer_run(&d, &o, &model, NULL, &e), ERR_INVALID);
    assert_non_null(strstr(e.text, "XGBoost says"));
    buf_free(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equals_the_library),
        cmocka_unit_test(test_early_stopping_keeps_the_best_rounds),
        cmocka_unit_test(test_monotone),
        cmocka_unit_test(test_base_scores),
        cmocka_unit_test(test_cancelled_within_a_round),
        cmocka_unit_test(test_wrong_options),
    };
    return cmocka_run_group_tests(tests, make_data, NULL);
}
