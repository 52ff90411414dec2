/* Bundles of the kinds with arms, and s_learners: written and loaded again, files, ids and golden columns of each arm,
 * calibrations, and the places and words of refusals. Models are stumps whose margins are known.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bundle_folder.h"
#include "models/booster.h"
#include "models/trainer.h"
#include "unit/models/tiny_model.h"
#include <math.h>
#include <unistd.h>

enum { ARMS = 3, COLUMNS = 2, GOLDEN = 3 };

static const float rows[GOLDEN * COLUMNS] = {1, 5, NAN, -2, 3, NAN};
static struct bundle_feature features[COLUMNS] = {
    {.name = STR("spend"), .from = BUNDLE_CUSTOMER, .type = BUNDLE_NUMBER},
    {.name = STR("visits"), .from = BUNDLE_CUSTOMER, .type = BUNDLE_NUMBER}};
static const double xs[] = {-1, 0.1, 2.5, 3, 4}, ys[] = {0, 1.0 / 3, 1.0 / 3, 0.75, 1};

/* A t_learner of silence, mens_mail and an action whose name is no file's. */
struct learner {
    struct bundle_spec spec;
    struct bundle_arm arms[ARMS];
    struct buf bytes[ARMS];
    struct str models[ARMS];
};

static void tiny(struct learner *l, size_t arm, const char *objective, float below, float above)
{
    const struct stump stump = {(int)(arm % COLUMNS), 2, below, above, true};
    buf_clear(&l->bytes[arm]);
    tiny_model(&l->bytes[arm], objective, strncmp(objective, "reg:sq", 6) == 0 ? "0E0" : "5E-1", COLUMNS,
               &stump, 1);
    l->models[arm] = (struct str){(const char *)l->bytes[arm].p, l->bytes[arm].n};
}

static void make_learner(struct learner *l, const char *objective, enum bundle_label label)
{
    *l =
        (struct learner){.spec = {.name = STR("spring"),
                                  .version = STR("1"),
                                  .objective = str_from(objective),
                                  .label = STR("spent within 7 days"),
                                  .kind = BUNDLE_T_LEARNER,
                                  .label_type = label,
                                  .training_rows = -1,
                                  .training_seed = -1,
                                  .features = features,
                                  .feature_count = COLUMNS,
                                  .arm_count = ARMS},
                         .arms = {{.arm = STR("silence")}, {.arm = STR("mens_mail")}, {.arm = STR("a b/ü")}}};
    l->spec.arms = l->arms;
    l->spec.of = objective_find(l->spec.objective);
    assert_non_null(l->spec.of);
    l->spec.link = l->spec.of->link;
    for (size_t i = 0; i < ARMS; i++) {
        buf_init(&l->bytes[i], 1 << 20);
        tiny(l, i, objective, (float)i, (float)i + 0.5f);
    }
}

static void free_learner(struct learner *l)
{
    for (size_t i = 0; i < ARMS; i++)
        buf_free(&l->bytes[i]);
}

static void write_learner(const struct learner *l)
{
    struct error e = {0};
    if (bundle_write(folder, &l->spec, l->models, rows, NULL, GOLDEN, &e))
        fail_msg("%s", e.text);
}

static int setup(void **state)
{
    static int number;
    struct learner *l = calloc(1, sizeof *l);
    arena_init(&arena, 64 << 20);
    diags_init(&diags, &arena);
    snprintf(folder, sizeof folder, "%s/k%d", top, number++);
    make_learner(l, "reg:squarederror", BUNDLE_MONEY);
    *state = l;
    return 0;
}

static int teardown(void **state)
{
    free_learner(*state);
    free(*state);
    arena_free(&arena);
    return 0;
}

static void arms_are_written_and_read(void **state)
{
    struct learner *l = *state;
    l->arms[1].calibration = (struct calibration){.kind = CALIBRATION_ISOTONIC, .x = xs, .y = ys, .count = 5};
    l->arms[0].file = STR("nobody.json");
    write_learner(l);
    struct bundle *b = must_load();
    const struct bundle_spec *s = bundle_spec(b);
    assert_int_equal(s->kind, BUNDLE_T_LEARNER);
    assert_int_equal(s->label_type, BUNDLE_MONEY);
    assert_int_equal(s->link, LINK_IDENTITY);
    assert_int_equal(s->arm_count, ARMS);
    static const char *const files[] = {"nobody.json", "mens_mail.json", "arm_2.json"};
    for (size_t i = 0; i < ARMS; i++) {
        assert_true(str_eq(s->arms[i].arm, l->arms[i].arm));
        assert_true(str_is(s->arms[i].file, files[i]));
        assert_string_equal(bundle_file(b, i), files[i]);
        assert_true(str_eq(bundle_model(b, i), l->models[i]));
        assert_true(s->arms[i].has_model_hash);
        assert_true(id128_eq(s->arms[i].model_hash, hash128(l->models[i].p, l->models[i].n)));
    }
    const struct calibration *c = &s->arms[1].calibration;
    assert_int_equal(c->kind, CALIBRATION_ISOTONIC);
    assert_int_equal(c->count, 5);
    assert_memory_equal(c->x, xs, sizeof xs);
    assert_memory_equal(c->y, ys, sizeof ys);
    assert_int_equal(bundle_trees(b), ARMS);
    const struct golden *g = bundle_golden(b);
    assert_int_equal(g->n, GOLDEN);
    assert_int_equal(g->width, ARMS);
    /* By hand: feature arm % 2 under 2 or missing gives arm, else arm + 0.5. */
    const float margins[GOLDEN * ARMS] = {0, 1.5f, 2, 0, 1, 2, 0.5f, 1, 2.5f};
    assert_memory_equal(g->expected, margins, sizeof margins);
    bundle_free(&b);
    size_t n;
    const char *csv = read_file("golden.csv", &n);
    assert_non_null(strstr(csv, "spend,visits,margin.silence,margin.mens_mail,margin.a b/ü\n1,5,0,1.5,2\n"));
}

static void predictions_are_in_the_labels_unit(void **state)
{
    (void)state;
    struct bundle_arm arms[2] = {
        {.line = 1}, {.calibration = {.kind = CALIBRATION_ISOTONIC, .x = xs, .y = ys, .count = 5}}};
    struct bundle_spec s = {.arms = arms, .arm_count = 2, .kind = BUNDLE_T_LEARNER, .link = LINK_EXP};
    s.label_type = BUNDLE_COUNT;
    assert_float_equal(bundle_predict(&s, 0, (float[]){1.5f}), exp(1.5), 1e-14);
    assert_true(bundle_predict(&s, 1, (float[]){2.75f}) == 1.0 / 3 + (0.75 - 1.0 / 3) * 0.5);
    assert_true(bundle_predict(&s, 1, (float[]){-9}) == 0 && bundle_predict(&s, 1, (float[]){9}) == 1);
    s.link = LINK_IDENTITY;
    s.label_type = BUNDLE_MONEY;
    assert_true(bundle_predict(&s, 0, (float[]){-2.5f}) == -2.5);
    s.kind = BUNDLE_TRANSFORMED; /* a difference of chances may be negative */
    s.label_type = BUNDLE_BINARY;
    assert_true(bundle_predict(&s, 0, (float[]){-0.25f}) == -0.25);
    s.kind = BUNDLE_PROPENSITY;
    assert_true(bundle_predict(&s, 0, (float[]){-0.25f}) == 0 && bundle_predict(&s, 0, (float[]){1.5f}) == 1);
    assert_true(isnan(bundle_predict(&s, 0, (float[]){NAN})));
}

static void the_id_is_of_all_files(void **state)
{
    struct learner *l = *state;
    write_learner(l);
    struct bundle *b = must_load();
    struct id128 id = bundle_id(b);
    bundle_free(&b);
    /* Names with their NUL, lengths in 8 bytes, bytes; bundle.yaml, golden.csv, the models in the order of arms. */
    static const char *const names[] = {"bundle.yaml", "golden.csv", "silence.json", "mens_mail.json",
                                        "arm_2.json"};
    struct hasher *h = hasher_new();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t n;
        const char *bytes = read_file(names[i], &n);
        const uint8_t size[8] = {(uint8_t)n, (uint8_t)(n >> 8), (uint8_t)(n >> 16)};
        hasher_add(h, names[i], strlen(names[i]) + 1);
        hasher_add(h, size, sizeof size);
        hasher_add(h, bytes, n);
    }
    assert_true(id128_eq(id, hasher_take(&h)));
    /* Another last arm, right by its golden rows but not the file of that hash. */
    tiny(l, 2, "reg:squarederror", 2, 2.5f);
    buf_byte(&l->bytes[2], ' ');
    write_file("arm_2.json", (const char *)l->bytes[2].p, l->bytes[2].n);
    assert_refused(ERR_INVALID, "/arm_2.json:0:0: not the file that bundle.yaml was written for: its hash is "
                                "not model_hash\n");
}

static void a_golden_row_of_one_arm_disagrees(void **state)
{
    struct learner *l = *state;
    write_learner(l);
    edit("golden.csv", "3,,0.5,1,2.5", "3,,0.5,7,2.5");
    assert_refused(ERR_INVALID,
                   "/golden.csv:4:8: golden row 3: margin.mens_mail is 7 here, but the model gives 1\n");
    edit("golden.csv", "1,5,0,1.5,2", "1,5,8,1.5,2.1");
    assert_refused(ERR_INVALID,
                   "/golden.csv:2:5: golden row 1: margin.silence is 8 here, but the model gives 0\n"
                   "/golden.csv:4:8: golden row 3: margin.mens_mail is 7 here, but the model gives 1\n"
                   "/golden.csv:2:11: golden row 1: margin.a b/ü is 2.0999999 here, but the model gives 2\n");
    edit("golden.csv", "1,5,8,1.5,2.1", "1,5,8,x,2.1");
    assert_refused(ERR_INVALID, "/golden.csv:2:7: expected a number for margin.mens_mail, got 'x'\n");
    edit("golden.csv", "margin.mens_mail", "margin");
    assert_refused(ERR_INVALID,
                   "/golden.csv:1:29: column 4 is 'margin', expected 'margin.mens_mail' (the "
                   "features of bundle.yaml in order, then margin.<arm> for each arm in order)\n");
}

static void files_of_arms_are_missing_or_others(void **state)
{
    struct learner *l = *state;
    write_learner(l);
    assert_int_equal(rename(path_of("silence.json"), path_of("spare.json")), 0);
    assert_int_equal(unlink(path_of("arm_2.json")), 0);
    assert_refused(ERR_NOTFOUND, "/silence.json:0:0: cannot open: No such file or directory\n"
                                 "/arm_2.json:0:0: cannot open: No such file or directory\n");
    write_file("silence.json", (const char *)l->models[0].p, l->models[0].n);
    tiny(l, 2, "count:poisson", 2, 2.5f);
    write_file("arm_2.json", (const char *)l->models[2].p, l->models[2].n);
    size_t n;
    char *hash = strstr(strstr(read_file("bundle.yaml", &n), "arm_2.json"), ", model_hash: ");
    edit("bundle.yaml", arena_printf(&arena, "%.48s", hash), "");
    assert_refused(ERR_INVALID,
                   "/bundle.yaml:4:13: objective is reg:squarederror, but arm_2.json says count:poisson\n");
}

static void one_model_may_be_json(void **state)
{
    struct learner *l = *state;
    struct error e = {0};
    l->spec.kind = BUNDLE_PROPENSITY;
    l->spec.arm_count = 1;
    l->arms[0] = (struct bundle_arm){0};
    write_learner(l);
    struct bundle *b = must_load();
    assert_string_equal(bundle_file(b, 0), "model.json");
    bundle_free(&b);
    strcat(folder, "x");
    l->arms[0].file = STR("model.ubj");
    assert_int_equal(bundle_write(folder, &l->spec, l->models, rows, NULL, GOLDEN, &e), ERR_INVALID);
    assert_string_equal(e.text, "the model for model.ubj is JSON; its name must end in .json");
    l->arms[0].file = STR("other.json");
    assert_int_equal(bundle_write(folder, &l->spec, l->models, rows, NULL, GOLDEN, &e), ERR_INVALID);
    assert_string_equal(e.text, "a model's file cannot be called other.json");
}

/* UBJSON by its second byte, beside arms in JSON. */
static void an_arm_may_be_ubjson(void **state)
{
    struct learner *l = *state;
    struct error e = {0};
    const float labels[GOLDEN] = {1, 2, 3};
    const struct trainer_param params[] = {{"objective", "reg:squarederror"}, {"base_score", "0"}};
    struct trainer_data data = {.rows = rows, .labels = labels, .n = GOLDEN, .features = COLUMNS};
    buf_clear(&l->bytes[1]);
    if (trainer_fit(&data, params, 2, 2, 1, &l->bytes[1], &e))
        fail_msg("%s", e.text);
    l->models[1] = (struct str){(const char *)l->bytes[1].p, l->bytes[1].n};
    write_learner(l);
    struct bundle *b = must_load();
    assert_string_equal(bundle_file(b, 1), "mens_mail.ubj");
    assert_string_equal(bundle_file(b, 2), "arm_2.json");
    bundle_free(&b);
}

static void what_cannot_be_written(void **state)
{
    struct learner *l = *state;
    struct error e = {0};
    float margins[GOLDEN * ARMS] = {0, 1.5f, 2, 0, 1, 2, 0.5f, 1, 2.5f};
    l->arms[2].file = STR("mens_mail.json");
    assert_int_equal(bundle_write(folder, &l->spec, l->models, rows, NULL, GOLDEN, &e), ERR_INVALID);
    assert_string_equal(e.text, "two models would be in the file mens_mail.json");
    l->arms[2].file = STR("../x.json");
    assert_int_equal(bundle_write(folder, &l->spec, l->models, rows, NULL, GOLDEN, &e), ERR_INVALID);
    assert_string_equal(e.text, "a model's file cannot be called ../x.json");
    l->arms[2].file = (struct str){0};
    margins[5] = 3;
    assert_int_equal(bundle_write(folder, &l->spec, l->models, rows, margins, GOLDEN, &e), ERR_INVALID);
    assert_non_null(strstr(e.text, "golden row 2: margin.a b/ü is 3 here, but the model gives 2"));
    l->models[1] = STR("{}");
    assert_int_equal(bundle_write(folder, &l->spec, l->models, rows, NULL, GOLDEN, &e), ERR_INVALID);
    assert_string_equal(e.text,
                        "arm mens_mail: not a model that can be served: it has no learner with an objective");
    assert_int_not_equal(access(folder, F_OK), 0);
    assert_int_not_equal(system(arena_printf(&arena, "ls -d %s.?????? >/dev/null 2>&1", folder)), 0);
}

/* ---- bundle.yaml ---- */

struct bad {
    const char *from, *to, *finding;
};

static void refuse(const char *text, const struct bad *bad, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        write_file("bundle.yaml", text, strlen(text));
        edit("bundle.yaml", bad[i].from, bad[i].to);
        struct yaml_node *root;
        struct bundle_spec s;
        diags_init(&diags, &arena);
        root = yaml_read_file(path_of("bundle.yaml"), &arena, &diags);
        assert_non_null(root);
        bool read = bundle_spec_read(&s, root, &arena, &diags);
        assert_int_equal(read, bad[i].finding[0] == 0);
        char *all = arena_strdup(&arena, "");
        for (size_t k = 0; k < diags.count; k++)
            all = arena_printf(&arena, "%s%s%d:%d: %s", all, k ? "\n" : "", diags.items[k].line,
                               diags.items[k].column, diags.items[k].text);
        assert_string_equal(all, bad[i].finding);
    }
}
#define REFUSE(text, bad) refuse(text, bad, sizeof bad / sizeof *bad)

static void refusals_of_arms(void **state)
{
    struct learner *l = *state;
    write_learner(l); /* makes the folder */
    static const char text[] =
        "name: x\nversion: \"1\"\nkind: t_learner\nobjective: binary:logistic\nlabel: visit\n"
        "arms:\n  - {arm: silence, file: silence.ubj}\n  - {arm: mens, file: mens.ubj}\n"
        "features:\n  - {name: a, from: customer, type: number}\n";
    static const struct bad bad[] = {
        {"t_learner", "t_learner", ""},
        {"t_learner", "propensity", "6:1: arms are for the kinds t_learner and transformed only"},
        {"silence,", "nobody,", "7:3: kind t_learner needs an arm silence, the model of nobody contacted"},
        {"  - {arm: mens, file: mens.ubj}\n", "", "7:3: kind t_learner needs the arm of an action"},
        {"arm: mens", "arm: silence",
         "8:11: duplicate arm 'silence'; it stands at line 7 already\n7:3: kind t_learner needs the arm of "
         "an action"},
        {"mens.ubj", "silence.ubj", "8:23: file 'silence.ubj' is the model of the arm at line 7 already"},
        {"mens.ubj", "../mens.ubj",
         "8:23: expected the plain name of a file beside this one: letters, digits, . _ -, ending in .ubj or "
         ".json"},
        {"mens.ubj", ".mens.ubj",
         "8:23: expected the plain name of a file beside this one: letters, digits, . _ -, ending in .ubj or "
         ".json"},
        {"mens.ubj", "bundle.yaml",
         "8:23: expected the plain name of a file beside this one: letters, digits, . _ -, ending in .ubj or "
         ".json"},
        {", file: mens.ubj", "", "8:5: an arm needs 'file'"},
        {"arm: mens, ", "", "8:5: an arm needs 'arm'"},
        {"mens.ubj}", "mens.ubj, hash: 1}",
         "8:33: unknown key 'hash' in an arm; allowed: arm, file, calibration, model_hash"},
        {"mens.ubj}", "mens.ubj, calibration: {platt: {a: 1, b: no}}}",
         "8:64: expected a number from -1000 to 1000, got 'no'"},
        {"mens.ubj}", "mens.ubj, calibration: {platt: {a: 1, b: 0}, isotonic: {x: [1], y: [1]}}}",
         "8:46: calibration needs either 'platt' or 'isotonic'"},
        {"mens.ubj}", "mens.ubj, calibration: {isotonic: {x: [1, 2, 2], y: [0, 1, 1]}}}",
         "8:68: isotonic x must rise; 2 comes after 2"},
        {"mens.ubj}", "mens.ubj, calibration: {isotonic: {x: [1, 2], y: [1, 0.5]}}}",
         "8:76: isotonic y must not fall; 0.5 comes after 1"},
        {"mens.ubj}", "mens.ubj, calibration: {isotonic: {x: [1, 2], y: [1, 1.5]}}}",
         "8:76: expected a number from 0 to 1, got '1.5'"},
        {"mens.ubj}", "mens.ubj, calibration: {isotonic: {x: [1, 2], y: [0, 0.5, 1]}}}",
         "8:72: isotonic has 2 x, but 3 y"},
        {"mens.ubj}", "mens.ubj, calibration: {isotonic: {x: [], y: [0]}}}",
         "8:61: 0 points; allowed: 1 to 1000"},
        {"label: visit\n", "label: visit\ncalibration: none\nmodel_hash: 1\n",
         "6:1: kind t_learner has a calibration in each of its arms, not here\n"
         "7:1: kind t_learner has a model_hash in each of its arms, not here"},
        {"label: visit\n", "label: visit\nsilence: x\n", "6:1: silence is for kind s_learner only"},
        {"from: customer", "from: pair",
         "10:21: kind t_learner has a model for each action; its features come from the customer"},
        {"arms:\n  - {arm: silence, file: silence.ubj}\n  - {arm: mens, file: mens.ubj}\n", "",
         "1:1: kind t_learner needs 'arms'"},
        {"t_learner", "transformed",
         "4:12: kind transformed needs objective reg:squarederror, got binary:logistic\n"
         "7:11: kind transformed has no arm silence: each model gives the difference from it already"},
    };
    REFUSE(text, bad);
}

static void refusals_of_labels(void **state)
{
    struct learner *l = *state;
    write_learner(l);
    static const char text[] =
        "name: x\nversion: \"1\"\nkind: propensity\nobjective: reg:tweedie\nlabel: spend\n"
        "label_type: money\ncalibration: none\n"
        "features:\n  - {name: a, from: pair, type: number}\n";
    static const struct bad bad[] = {
        {"money", "money", ""},
        {"money", "count", ""},
        {"reg:tweedie", "reg:gamma", ""},
        {"reg:tweedie", "reg:squarederror", ""},
        {"none", "{isotonic: {x: [1], y: [-7]}}", ""},
        {"money", "binary",
         "4:12: objective reg:tweedie does not fit label_type binary; allowed: binary:logistic, "
         "reg:logistic, binary:logitraw, multi:softprob, multi:softmax, binary:hinge, rank:pairwise, rank:ndcg or rank:map"},
        {"reg:tweedie", "count:poisson",
         "4:12: objective count:poisson does not fit label_type money; allowed: reg:squarederror, reg:tweedie, reg:gamma, "
         "reg:absoluteerror, rank:pairwise, rank:ndcg or rank:map"},
        {"reg:tweedie\nlabel: spend\nlabel_type: money", "reg:gamma\nlabel: spend\nlabel_type: count",
         "4:12: objective reg:gamma does not fit label_type count; allowed: reg:squarederror, count:poisson, reg:tweedie, "
         "reg:absoluteerror, rank:pairwise, rank:ndcg or rank:map"},
        {"reg:tweedie", "reg:tweedy",
         "4:12: expected binary:logistic, reg:squarederror, count:poisson, reg:tweedie, reg:gamma, reg:logistic, "
         "binary:logitraw, reg:absoluteerror, multi:softprob, multi:softmax, binary:hinge, rank:pairwise, rank:ndcg or "
         "rank:map, got 'reg:tweedy'; did you mean reg:tweedie?"},
        {"money", "mony", "6:13: expected binary, count or money, got 'mony'; did you mean money?"},
        {"none", "{platt: {a: 1, b: 0}}",
         "7:22: platt is for the chance of a binary label; for reg:tweedie: none or isotonic"},
    };
    REFUSE(text, bad);
}

static void refusals_of_s_learners(void **state)
{
    struct learner *l = *state;
    write_learner(l);
    static const char text[] =
        "name: x\nversion: \"1\"\nkind: s_learner\nobjective: binary:logistic\nlabel: visit\nsilence: "
        "no_mail\n"
        "features:\n  - {name: id, from: action, type: category, categories: [no_mail, mens]}\n";
    static const struct bad bad[] = {
        {"s_learner", "s_learner", ""},
        {"silence: no_mail\n", "", "1:1: kind s_learner needs 'silence'"},
        {"silence: no_mail", "silence: nomail", "6:10: 'nomail' is not among the categories of feature id"},
        {"name: id", "name: idd",
         "8:3: kind s_learner needs the feature {name: id, from: action, type: category}"},
        {"from: action", "from: pair",
         "8:3: kind s_learner needs the feature {name: id, from: action, type: category}"},
        {"s_learner", "propensity", "6:1: silence is for kind s_learner only"},
    };
    REFUSE(text, bad);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(arms_are_written_and_read),
        TEST(predictions_are_in_the_labels_unit),
        TEST(the_id_is_of_all_files),
        TEST(a_golden_row_of_one_arm_disagrees),
        TEST(files_of_arms_are_missing_or_others),
        TEST(one_model_may_be_json),
        TEST(an_arm_may_be_ubjson),
        TEST(what_cannot_be_written),
        TEST(refusals_of_arms),
        TEST(refusals_of_labels),
        TEST(refusals_of_s_learners),
    };
    return cmocka_run_group_tests(tests, bundle_top_make, bundle_top_remove);
}
