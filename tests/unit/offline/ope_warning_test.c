/* What off-policy evaluation refuses and what it warns of: bad rows, each with its message; each warning on both sides of its
 * edge, with figures small enough to check by hand. The figures themselves are in ope_test.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/offline/ope.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static void near(double got, double expected, double relative)
{
    if (isnan(got) != isnan(expected) || fabs(got - expected) > relative * (1 + fabs(expected)))
        fail_msg("got %.17g, expected %.17g", got, expected);
}

static void add(struct ope *x, struct ope_row row)
{
    struct error e = {0};
    if (ope_add(x, &row, &e))
        fail_msg("refused: %s", e.text);
}

/* ---- rows that must be refused ---- */

static void refuse(struct ope *x, struct ope_row row, const char *word)
{
    struct error e = {0};
    struct ope_result before, after;
    ope_result(x, &before);
    assert_int_equal(ope_add(x, &row, &e), ERR_INVALID);
    assert_int_equal(ope_add(x, &row, NULL), ERR_INVALID);
    if (!strstr(e.text, word) || !strstr(e.text, "allowed"))
        fail_msg("\"%s\" does not say %s", e.text, word);
    ope_result(x, &after);
    assert_int_equal(after.rows, before.rows); /* not counted */
    assert_int_equal(after.warnings, before.warnings);
    assert_memory_equal(after.figures, before.figures, sizeof before.figures);
    assert_memory_equal(&after.sequence, &before.sequence, sizeof before.sequence);
}

static void test_refused(void **state)
{
    (void)state;
    static const double bad[] = {NAN, INFINITY, -INFINITY, 1.1e50, -1.1e50, 1e308};
    struct ope *x =
        ope_new(&(struct ope_options){.positions = 2, .model = true, .reward_low = -1, .reward_high = 1});
    struct ope *free_rewards = ope_new(&(struct ope_options){.model = false});
    const struct ope_row good = {1, 1, 1, 0, 0, 7, 1};
    add(x, good);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct ope_row row = good;
        row.weight = bad[i];
        refuse(x, row, "weight");
        row = good;
        row.reward = bad[i];
        refuse(x, row, "reward");
        row.position = 0;
        refuse(free_rewards, row, "reward");
        row = good;
        row.logged = bad[i];
        refuse(x, row, "logged probability");
        row = good;
        row.model_logged = bad[i];
        refuse(x, row, "prediction");
        row = good;
        row.model_value = bad[i];
        refuse(x, row, "value");
    }
    struct ope_row row = good;
    row.weight = -1e-9;
    refuse(x, row, "weight is -1e-09; allowed is 0 to 1e+50");
    row = good;
    row.reward = 1.5;
    refuse(x, row, "reward is 1.5; allowed is -1 to 1");
    row = good;
    row.logged = 0;
    refuse(x, row, "logged probability is 0");
    row.logged = 1.0001;
    refuse(x, row, "logged probability is 1.0001");
    row = good;
    row.position = 2;
    refuse(x, row, "position is 2; allowed is 0 to 1");
    row = good; /* the edges themselves are fine */
    row.weight = 1e50;
    row.reward = -1;
    row.model_logged = -1e50;
    row.logged = 1e-300;
    add(x, row);
    struct ope_result r;
    ope_result(x, &r);
    assert_int_equal(r.rows, 2);
    assert_true(isfinite(r.figures[OPE_DR].value) && isfinite(r.effective_rows));
    ope_free(&x);
    ope_free(&free_rewards);
}

/* ---- warnings ---- */

/* 1,000 rows of weight 1, all rewarded, then `more` rows of the kind given. */
static struct ope *with(struct ope_options o, size_t more, struct ope_row row)
{
    struct ope *x = ope_new(&o);
    for (uint64_t i = 0; i < 1000; i++)
        add(x, (struct ope_row){.weight = 1, .reward = 1, .logged = 0.5, .cluster = i});
    for (uint64_t i = 0; i < more; i++) {
        row.cluster = 1000 + i;
        add(x, row);
    }
    return x;
}

static void warned(struct ope *x, unsigned warnings, const char *word)
{
    struct ope_result r;
    char text[512];
    ope_result(x, &r);
    if (r.warnings != warnings)
        fail_msg("warnings %u, expected %u", r.warnings, warnings);
    assert_true(r.trusted == ((warnings & ~(unsigned)(OPE_WARN_SMALL_P | OPE_WARN_CLIPPED)) == 0));
    for (unsigned bit = 1; word && bit <= warnings; bit <<= 1)
        if (warnings & bit) {
            ope_warning_text(&r, (enum ope_warning)bit, text, sizeof text);
            if (!strstr(text, word))
                fail_msg("\"%s\" does not say %s", text, word);
        }
    ope_free(&x);
}

static void test_warnings_of_weights(void **state)
{
    (void)state;
    const struct ope_options plain = {0};
    const struct ope_row none = {.weight = 0, .reward = 1, .logged = 0.5};
    struct ope_row row = {.weight = 5, .reward = 1, .logged = 0.5};
    warned(with(plain, 0, row), 0, NULL);
    warned(with(plain, 10, none), 0, NULL); /* mean 0.990: within 2% */
    warned(with(plain, 25, none), OPE_WARN_MEAN_WEIGHT, "mean weight is 0.9756");
    row = (struct ope_row){.weight = 9, .reward = 1, .logged = 0.5};
    warned(with(plain, 5, row), 0, NULL); /* mean 1.0398, but its standard error is 0.0178: 2.2 of them */
    warned(with(plain, 30, row), OPE_WARN_MEAN_WEIGHT, "1.233"); /* 1270/1030, standard error 0.042 */
    row.weight = 52;
    warned(with(plain, 1, row), 0, NULL); /* 52/1052 of the weight: 4.94%; mean 1.05, standard error 0.05 */
    row.weight = 54;
    warned(with(plain, 1, row), OPE_WARN_LARGE, "weight 54 carries 5.1%"); /* 54/1054 */
    row.weight = 400;
    warned(with(plain, 1, row), OPE_WARN_FEW | OPE_WARN_LARGE | OPE_WARN_MEAN_WEIGHT | OPE_WARN_CLIPPED,
           NULL); /* 1400²/161000 effective rows */
    row = (struct ope_row){.weight = 1, .reward = 1, .logged = 1e-3};
    warned(with(plain, 1, row), 0, NULL);
    row.logged = 0.99e-4;
    warned(with(plain, 1, row), OPE_WARN_SMALL_P, "go down to 9.9e-05");
}

/* Effective rows below 1% of rows though above 100: 20,000 rows, 150 of them carry all weight. */
static void test_warning_effective(void **state)
{
    (void)state;
    for (int few = 0; few < 2; few++) {
        size_t rows = few ? 20000 : 14000;
        struct ope *x = ope_new(&(struct ope_options){0});
        for (size_t i = 0; i < rows; i++)
            add(x,
                (struct ope_row){
                    .weight = i < 150 ? (double)rows / 150 : 0, .reward = 1, .logged = 0.005, .cluster = i});
        warned(x, few ? OPE_WARN_FEW | OPE_WARN_CLIPPED : OPE_WARN_CLIPPED, NULL);
    }
    struct ope *x = ope_new(&(struct ope_options){0}); /* 99 rows that are all alike */
    for (uint64_t i = 0; i < 99; i++)
        add(x, (struct ope_row){.weight = 1, .reward = 1, .logged = 0.5, .cluster = i});
    warned(x, OPE_WARN_FEW, "99 rows count as much as 99.0 rows");
    x = ope_new(&(struct ope_options){0});
    for (uint64_t i = 0; i < 100; i++)
        add(x, (struct ope_row){.weight = 1, .reward = 1, .logged = 0.5, .cluster = i});
    warned(x, 0, NULL);
}

static void test_warnings_of_use(void **state)
{
    (void)state;
    struct ope_row row = {.weight = 2, .reward = 1, .logged = 0.5, .model_value = 1};
    const struct ope_options clip = {.clip = 1.5}, cut = {.switch_at = 1.5, .model = true};
    const struct ope_options no_model = {.switch_at = 1.5};
    warned(with(clip, 15, row), 0, NULL); /* 15·0.5 of 1030 is taken away, 0.7% */
    warned(with(cut, 20, row), 0, NULL);  /* 40 of 1040 is above the switch, 3.8% */
    warned(with(cut, 27, row), OPE_WARN_MEAN_WEIGHT | OPE_WARN_CLIPPED, NULL); /* 54 of 1054, 5.1% */
    warned(with(no_model, 27, row), OPE_WARN_MEAN_WEIGHT, NULL);
    row.weight = 12; /* 10 rows: 105 of 1120 is taken away, 9.4%; mean 1.109, standard error 0.034 */
    warned(with(clip, 10, row), OPE_WARN_MEAN_WEIGHT | OPE_WARN_CLIPPED, NULL);
    for (int rewarded = 9; rewarded <= 10; rewarded++) {
        struct ope *x = ope_new(&(struct ope_options){0});
        for (int i = 0; i < 500; i++) /* the last 50 have rewards and no weight: they do not help */
            add(x, (struct ope_row){.weight = i < 450 ? 500 / 450.0 : 0,
                                    .reward = i < rewarded || i >= 450 ? -2 : 0,
                                    .logged = 0.5,
                                    .cluster = (uint64_t)i});
        warned(x, rewarded < 10 ? OPE_WARN_FEW_REWARDS : 0, "fewer than 10 rows");
    }
    for (int over = 0; over < 2; over++) {
        struct ope *x = with((struct ope_options){.positions = 3}, 0, row);
        ope_unsupported(x, 0, 6);
        ope_unsupported(x, 2, over ? 5 : 3.5);
        struct ope_result r;
        ope_result(x, &r);
        near(r.unsupported, over ? 0.011 : 0.0095, 1e-15);
        ope_result_at(x, 0, &r);
        near(r.unsupported, 0.006, 1e-15);
        warned(x, over ? OPE_WARN_NO_SUPPORT : 0, "1.1% of the target policy's choices");
    }
}

/* Weights that are 3 on average: the reward is above 3·0.9 and, by its complement, below 1 − 3·0.1. */
static void test_warning_empty(void **state)
{
    (void)state;
    for (int wrong = 0; wrong < 2; wrong++) {
        struct ope *x = ope_new(&(struct ope_options){.reward_low = -1, .reward_high = 1});
        for (uint64_t i = 0; i < 2000; i++)
            add(x, (struct ope_row){
                       .weight = wrong ? 3 : 1, .reward = i % 10 ? 1 : -1, .logged = 0.3, .cluster = i});
        struct ope_result r;
        ope_result(x, &r);
        assert_true(wrong == (r.sequence.low > r.sequence.high));
        if (!wrong)
            assert_true(r.sequence.low < 0.8 && r.sequence.low > 0.6 && r.sequence.high > 0.8 &&
                        r.sequence.high < 1);
        warned(x, wrong ? OPE_WARN_EMPTY | OPE_WARN_MEAN_WEIGHT : 0, NULL);
    }
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(ope_estimator_name(OPE_SNIPS), "snips");
    assert_string_equal(ope_estimator_name(OPE_SWITCH), "switch_dr");
    assert_string_equal(ope_warning_name(OPE_WARN_FEW), "effective_sample_size");
    struct ope *x = ope_new(&(struct ope_options){0});
    struct ope_result r;
    ope_result(x, &r);
    ope_free(&x);
#define X(name, bit, text)                                                                                   \
    {                                                                                                        \
        char long_text[512], short_text[8];                                                                  \
        ope_warning_text(&r, name, long_text, sizeof long_text);                                             \
        ope_warning_text(&r, name, short_text, sizeof short_text);                                           \
        assert_string_equal(ope_warning_name(name), text);                                                   \
        assert_true(strlen(long_text) > 40 && strlen(long_text) < 400);                                      \
        assert_memory_equal(long_text, short_text, 7);                                                       \
    }
    OPE_WARNINGS(X)
#undef X
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),           cmocka_unit_test(test_warnings_of_weights),
        cmocka_unit_test(test_warning_effective), cmocka_unit_test(test_warnings_of_use),
        cmocka_unit_test(test_warning_empty),     cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
