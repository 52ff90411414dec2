/* Rows, targets and rewards of off-policy evaluation: actions renumbered as names join, tables and matrices that say the same give
 * the same, unsupported choices found by position, and a reward model that never predicts a row from itself.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/rng.h"
#include "models/offline/evaluate.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

static char path[64];

static void write_csv(const char *text)
{
    snprintf(path, sizeof path, "/tmp/tact-evaluate-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (long)strlen(text));
    close(fd);
}

static int read_rows(struct eval_rows *r, const struct eval_columns *c, struct error *e)
{
    struct frame extra;
    struct diags diags;
    struct arena arena;
    struct frame_options options = {0};
    arena_init(&arena, 1 << 20);
    diags_init(&diags, &arena);
    int rc = eval_rows_read(r, path, c, &options, NULL, 0, &extra, &diags, e);
    if (!rc)
        frame_free(&extra);
    arena_free(&arena);
    unlink(path);
    return rc;
}

static const struct eval_map maps[] = {{{"Men's", 5}, {"mens", 4}}, {{"Women's", 7}, {"womens", 6}}};
static const struct str silences[] = {{"None", 4}};
static const struct eval_columns columns = {.action = {"arm", 3},
                                            .reward = {"y", 1},
                                            .position = {"slot", 4},
                                            .customer = {"who", 3},
                                            .probability = {"p", 1},
                                            .map = maps,
                                            .map_count = 2,
                                            .silence = silences,
                                            .silence_count = 1};

static void small(struct eval_rows *r)
{
    struct error e;
    write_csv("who,arm,slot,y,p\na,Women's,top,1,0.5\nb,None,top,0,0.25\na,Men's,side,2.5,0.5\nc,Women's,"
              "side,0,1\n");
    if (read_rows(r, &columns, &e))
        fail_msg("%s", e.text);
}

static void test_rows_of_a_csv(void **state)
{
    (void)state;
    struct eval_rows r;
    struct error e;
    small(&r);
    assert_int_equal(r.n, 4);
    assert_int_equal(r.action_count, 3); /* by their names: mens, silence, womens */
    assert_true(str_is(r.actions[0], "mens") && str_is(r.actions[1], "silence") &&
                str_is(r.actions[2], "womens"));
    assert_int_equal(r.silence, 1);
    assert_true(r.action[0] == 2 && r.action[1] == 1 && r.action[2] == 0 && r.action[3] == 2);
    assert_true(r.position_count == 2 && str_is(r.positions[0], "side") && r.position[0] == 1 &&
                r.position[3] == 0);
    assert_true(r.cluster[0] == r.cluster[2] && r.cluster[0] != r.cluster[1]);
    assert_true(r.reward[2] == 2.5 && r.p[1] == 0.25 && r.lines[3] == 5);
    /* Names that join renumber the rows, and twice the same name is one. */
    const struct str more[] = {STR("aaa"), STR("nothing"), STR("aaa"), STR("mens")};
    assert_int_equal(eval_actions_add(&r, more, 4, &e), 0);
    assert_int_equal(r.action_count, 5);
    assert_true(r.silence == 3 && r.action[0] == 4 && r.action[1] == 3 && r.action[2] == 1);
    assert_true(eval_action(&r, STR("nothing")) == 2 && eval_action(&r, STR("none")) < 0);
    eval_rows_free(&r);
}

static void test_empty_cells_as_silence(void **state)
{
    (void)state;
    struct eval_rows r;
    struct error e;
    const struct str empty[] = {STR("")};
    struct eval_columns c = columns;
    c.silence = empty;
    write_csv("who,arm,slot,y,p\na,Women's,top,1,0.5\nb,,top,0,0.25\nc,Men's,top,0,0.25\n");
    assert_int_equal(read_rows(&r, &c, &e), 0);
    assert_int_equal(r.action_count, 3);
    assert_true(r.silence == 1 && r.action[1] == 1 && r.action[0] == 2 && r.action[2] == 0);
    eval_rows_free(&r);
    /* Without an empty cell that word is one too many; without the word an empty cell is. */
    write_csv("who,arm,slot,y,p\na,Women's,top,1,0.5\nc,Men's,top,0,0.25\n");
    assert_int_equal(read_rows(&r, &c, &e), ERR_INVALID);
    assert_non_null(strstr(e.text, "column 'arm' has no ''"));
    c.silence_count = 0;
    write_csv("who,arm,slot,y,p\na,Women's,top,1,0.5\nb,,top,0,0.25\nc,Men's,top,0,0.25\n");
    assert_int_equal(read_rows(&r, &c, &e), ERR_INVALID);
    assert_non_null(strstr(e.text, ":3:3: column 'arm' (the action): there is no value"));
}

static void test_words_that_the_file_lacks(void **state)
{
    (void)state;
    struct eval_rows r;
    struct error e;
    const struct str wrong[] = {STR("Nobody")};
    struct eval_columns c = columns;
    c.silence = wrong;
    write_csv("who,arm,slot,y,p\na,Women's,top,1,0.5\nb,Men's,top,0,0.25\n");
    assert_int_equal(read_rows(&r, &c, &e), ERR_INVALID);
    assert_non_null(strstr(e.text, "column 'arm' has no 'Nobody'"));
    c = columns;
    c.silence_count = 0;
    c.positive = STR("yes");
    write_csv("who,arm,slot,y,p\na,Women's,top,yes,0.5\nb,Men's,top,no,0.25\nc,Men's,top,perhaps,0.25\n");
    assert_int_equal(read_rows(&r, &c, &e), ERR_INVALID);
    assert_non_null(strstr(e.text, ":4: column 'y' has a third value, 'perhaps'"));
}

static void test_a_table_and_its_matrix(void **state)
{
    (void)state;
    struct eval_rows r;
    struct error e;
    small(&r);
    /* [positions: side, top][actions: mens, silence, womens] */
    const double table[6] = {0.5, 0.25, 0.25, 0.125, 0.5, 0.375}, expected[6] = {1, 0.5, 0.25, 2, 0.75, 1.5};
    double matrix[12], rewards[12];
    for (int i = 0; i < 4; i++)
        for (int a = 0; a < 3; a++) {
            matrix[i * 3 + a] = table[r.position[i] * 3 + (uint32_t)a];
            rewards[i * 3 + a] = expected[r.position[i] * 3 + (uint32_t)a];
        }
    const struct eval_target targets[] = {{.kind = TARGET_TABLE, .table = table},
                                          {.kind = TARGET_MATRIX, .matrix = matrix}};
    const struct eval_rewards models[] = {{.table = expected}, {.matrix = rewards}};
    double first[OPE_ESTIMATOR_COUNT] = {0};
    for (int t = 0; t < 2; t++)
        for (int m = 0; m < 2; m++) {
            struct ope *x;
            struct ope_result result;
            if (evaluate(&x, &r, &targets[t], &models[m], 0.1, (struct ope_options){0}, &e))
                fail_msg("%s", e.text);
            ope_result(x, &result);
            for (int k = 0; k < OPE_ESTIMATOR_COUNT; k++) {
                if (t == 0 && m == 0)
                    first[k] = result.figures[k].value;
                assert_true(result.figures[k].value == first[k]);
            }
            ope_free(&x);
        }
    /* By hand, a contact costing 0.1: w = .375/.5, .5/.25, .5/.5, .25/1; r = .9, 0, 2.4, -.1 */
    assert_true(fabs(first[OPE_IPS] - (0.75 * 0.9 + 0 + 2.4 + 0.25 * -0.1) / 4) < 1e-15);
    double top = 0.125 * 1.9 + 0.5 * 0.75 + 0.375 * 1.4, side = 0.5 * 0.9 + 0.25 * 0.5 + 0.25 * 0.15;
    assert_true(fabs(first[OPE_DM] - (2 * top + 2 * side) / 4) < 1e-15);
    double rest = 0.75 * (0.9 - 1.4) + 2 * (0 - 0.75) + 1 * (2.4 - 0.9) + 0.25 * (-0.1 - 0.15);
    assert_true(fabs(first[OPE_DR] - ((2 * top + 2 * side) + rest) / 4) < 1e-15);
    assert_true(fabs(eval_silent_share(&targets[0], &r) - 0.375) < 1e-15);
    eval_rows_free(&r);
}

static void test_never_logged_there(void **state)
{
    (void)state;
    struct eval_rows r;
    struct error e;
    struct ope *x;
    struct ope_result result;
    small(&r);
    const struct eval_rewards none = {NULL, NULL};
    const struct eval_target mens = {.kind = TARGET_ARM, .arm = 0}; /* logged at the side, never at the top */
    assert_int_equal(evaluate(&x, &r, &mens, &none, 0, (struct ope_options){0}, &e), 0);
    ope_result_at(x, 0, &result);
    assert_true(result.unsupported == 0);
    ope_result_at(x, 1, &result);
    assert_true(result.unsupported == 1);
    ope_result(x, &result);
    assert_true(result.unsupported == 0.5);
    ope_free(&x);
    /* A row that the estimators refuse is told with its line. */
    assert_int_equal(
        evaluate(&x, &r, &mens, &none, 0, (struct ope_options){.reward_low = 0, .reward_high = 2}, &e),
        ERR_INVALID);
    assert_non_null(strstr(e.text, ":4: the reward is 2.5; allowed is 0 to 2"));
    assert_null(x);
    eval_rows_free(&r);
}

enum { PEOPLE = 4000 };

/* Rewards: of the feature and the action; labels of whole clusters are flipped coins in the second test. */
static void made(struct eval_rows *r, float *features, bool noise)
{
    static const struct str names[] = {STR("a"), STR("b")};
    struct rng g;
    struct error e;
    rng_seed(&g, 11);
    *r = (struct eval_rows){.silence = -1, .position_count = 1};
    arena_init(&r->arena, 1 << 20);
    r->action = calloc(PEOPLE, sizeof *r->action);
    r->reward = calloc(PEOPLE, sizeof *r->reward);
    r->p = calloc(PEOPLE, sizeof *r->p);
    r->position = calloc(PEOPLE, sizeof *r->position);
    r->cluster = calloc(PEOPLE, sizeof *r->cluster);
    assert_int_equal(eval_actions_add(r, names, 2, &e), 0);
    r->n = PEOPLE;
    for (uint32_t i = 0; i < PEOPLE; i++) {
        r->action[i] = (uint32_t)rng_below(&g, 2);
        features[i] = noise ? (float)(i / 4) : (float)rng_double(&g);
        bool coin = rng_below(&g, 2) == 1;
        if (noise && i % 4)
            coin = r->reward[i - 1] > 0; /* the four rows of a customer say the same */
        double chance = r->action[i] ? 0.8 * (double)features[i] : 0.3;
        r->reward[i] = noise ? coin : rng_double(&g) < chance;
        r->cluster[i] = noise ? i / 4 : i;
    }
}

static void test_reward_model_learns(void **state)
{
    (void)state;
    struct eval_rows r;
    struct error e;
    float *features = calloc(PEOPLE, sizeof *features);
    double *matrix = calloc(2 * PEOPLE, sizeof *matrix);
    made(&r, features, false);
    const struct eval_model_features f = {features, 1, NULL};
    if (eval_reward_model(matrix, &r, &f, 5, 1, &e))
        fail_msg("%s", e.text);
    double off = 0;
    for (size_t i = 0; i < PEOPLE; i++)
        off += fabs(matrix[2 * i] - 0.3) + fabs(matrix[2 * i + 1] - 0.8 * (double)features[i]);
    assert_true(off / (2 * PEOPLE) < 0.06);
    double *again = calloc(2 * PEOPLE, sizeof *again);
    assert_int_equal(eval_reward_model(again, &r, &f, 5, 1, &e), 0);
    assert_memory_equal(again, matrix, 2 * PEOPLE * sizeof *again);
    free(again);
    free(matrix);
    free(features);
    eval_rows_free(&r);
}

/* The feature names the customer and the label is a coin of the customer: whoever saw another row of the same customer would
 * know it. Out of fold nothing can be known. */
static void test_reward_model_never_sees_its_own(void **state)
{
    (void)state;
    struct eval_rows r;
    struct error e;
    float *features = calloc(PEOPLE, sizeof *features);
    double *matrix = calloc(2 * PEOPLE, sizeof *matrix), hits = 0;
    made(&r, features, true);
    const struct eval_model_features f = {features, 1, NULL};
    if (eval_reward_model(matrix, &r, &f, 4, 1, &e))
        fail_msg("%s", e.text);
    for (size_t i = 0; i < PEOPLE; i++)
        hits += (matrix[2 * i + r.action[i]] > 0.5) == (r.reward[i] > 0);
    assert_true(hits / PEOPLE > 0.4 && hits / PEOPLE < 0.6);
    free(matrix);
    free(features);
    eval_rows_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_of_a_csv),
        cmocka_unit_test(test_empty_cells_as_silence),
        cmocka_unit_test(test_words_that_the_file_lacks),
        cmocka_unit_test(test_a_table_and_its_matrix),
        cmocka_unit_test(test_never_logged_there),
        cmocka_unit_test(test_reward_model_learns),
        cmocka_unit_test(test_reward_model_never_sees_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
