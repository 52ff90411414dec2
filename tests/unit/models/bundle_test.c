/* Bundles: written and loaded again, ids, and every way to be refused, with the place and words of the
 * finding.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bundle_folder.h"
#include "base/rng.h"
#include "models/binding.h"
#include "models/booster.h"
#include "models/bundle_write.h"
#include "models/trainer.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ROWS = 200, COLUMNS = 4, GOLDEN = 6 };

static float rows[ROWS * COLUMNS], labels[ROWS];
static struct str cities[] = {STR("Tehran"), STR("Paris, \"FR\""), STR("سلام")};
static struct bundle_feature features[COLUMNS] = {
    {.name = STR("cart_value_24h"), .from = BUNDLE_CUSTOMER, .type = BUNDLE_NUMBER, .unit = STR("EUR")},
    {.name = STR("profile.spend"), .from = BUNDLE_CUSTOMER, .type = BUNDLE_NUMBER},
    {.name = STR("member"), .from = BUNDLE_CUSTOMER, .type = BUNDLE_BOOL},
    {.name = STR("city"),
     .from = BUNDLE_ACTION,
     .type = BUNDLE_CATEGORY,
     .categories = cities,
     .category_count = 3}};
static struct bundle_metric metrics[] = {{STR("auc"), 0.75}, {STR("log loss"), 1e-7}};
static struct bundle_arm arm = {.calibration = {.kind = CALIBRATION_PLATT, .a = 0.5, .b = 0.1}};
static const struct bundle_spec spec = {.name = STR("retail: \"x\""),
                                        .version = STR("1"),
                                        .objective = STR("binary:logistic"),
                                        .label = STR("clicked \\ within 7 days"),
                                        .arms = &arm,
                                        .arm_count = 1,
                                        .training_rows = ROWS,
                                        .training_seed = 5,
                                        .training_from = STR("2025-01-01"),
                                        .training_to = STR("2025-01-31"),
                                        .training_library = STR("xgboost"),
                                        .metrics = metrics,
                                        .metric_count = 2,
                                        .features = features,
                                        .feature_count = COLUMNS};
static struct buf model;

static int make_all(void **state)
{
    struct rng rng;
    rng_seed(&rng, 5);
    for (size_t i = 0; i < ROWS; i++) {
        float *r = &rows[i * COLUMNS];
        r[0] = rng_below(&rng, 4) == 0 ? NAN : (float)rng_normal(&rng);
        r[1] = (float)rng_normal(&rng);
        r[2] = (float)rng_below(&rng, 2);
        r[3] = (float)rng_below(&rng, 3);
        labels[i] = r[1] + r[2] > 0.5f || r[3] == 1;
    }
    const char *names[COLUMNS] = {"cart_value_24h", "profile.spend", "member", "city"};
    const bool categorical[COLUMNS] = {false, false, false, true};
    struct trainer_data data = {.rows = rows,
                                .labels = labels,
                                .n = ROWS,
                                .features = COLUMNS,
                                .names = names,
                                .categorical = categorical};
    struct error e = {0};
    buf_init(&model, 4 << 20);
    if (trainer_fit(&data, NULL, 0, 5, 1, &model, &e))
        fail_msg("%s", e.text);
    return bundle_top_make(state);
}

static int remove_all(void **state)
{
    buf_free(&model);
    return bundle_top_remove(state);
}

static const struct str *model_bytes(void)
{
    static struct str bytes;
    bytes = (struct str){(char *)model.p, model.n};
    return &bytes;
}

/* A fresh good bundle for each test. */
static int setup(void **state)
{
    (void)state;
    static int number;
    struct error e = {0};
    arena_init(&arena, 64 << 20);
    diags_init(&diags, &arena);
    snprintf(folder, sizeof folder, "%s/b%d", top, number++);
    if (bundle_write(folder, &spec, model_bytes(), rows, NULL, GOLDEN, &e))
        fail_msg("%s", e.text);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

static void test_round_trip(void **state)
{
    (void)state;
    struct bundle *b = must_load();
    const struct bundle_spec *s = bundle_spec(b);
    assert_true(str_eq(s->name, spec.name));
    assert_true(str_eq(s->version, spec.version));
    assert_true(str_eq(s->label, spec.label));
    assert_int_equal(s->kind, BUNDLE_PROPENSITY);
    assert_int_equal(s->arm_count, 1);
    const struct calibration *c = &s->arms[0].calibration;
    assert_true(c->kind == CALIBRATION_PLATT && c->a == 0.5 && c->b == 0.1);
    assert_float_equal(bundle_predict(s, 0, (float[]){2}), 1 / (1 + exp(-1.1)), 1e-15);
    assert_int_equal(s->training_rows, ROWS);
    assert_int_equal(s->training_seed, 5);
    assert_true(str_is(s->training_from, "2025-01-01") && str_is(s->training_to, "2025-01-31"));
    assert_true(str_is(s->training_library, "xgboost"));
    assert_int_equal(s->metric_count, 2);
    assert_true(str_is(s->metrics[1].name, "log loss") && s->metrics[1].value == 1e-7);
    assert_int_equal(s->feature_count, COLUMNS);
    for (size_t i = 0; i < COLUMNS; i++) {
        assert_true(str_eq(s->features[i].name, features[i].name));
        assert_true(str_eq(s->features[i].unit, features[i].unit));
        assert_int_equal(s->features[i].from, features[i].from);
        assert_int_equal(s->features[i].type, features[i].type);
    }
    for (long i = 0; i < 3; i++)
        assert_int_equal(bundle_category(&s->features[3], cities[i]), i);
    assert_int_equal(bundle_category(&s->features[3], STR("Rome")), -1);
    const struct golden *g = bundle_golden(b);
    assert_int_equal(g->n, GOLDEN);
    for (size_t i = 0; i < GOLDEN * COLUMNS; i++)
        assert_true(g->rows[i] == rows[i] || (isnan(g->rows[i]) && isnan(rows[i])));
    assert_true(str_eq(bundle_model(b, 0), *model_bytes()));
    assert_int_equal(bundle_trees(b), 5);
    assert_string_equal(bundle_folder(b), folder);
    bundle_free(&b);
    assert_null(b);
}

/* Of rows that a file does not hold, as many as it does: exactly where what they expect is known, else a few less. */
static void test_golden_fitting(void **state)
{
    (void)state;
    enum { WIDE = 900, MANY = 1000 };
    struct bundle_feature *wide = arena_zalloc(&arena, WIDE * sizeof *wide);
    float *values = arena_alloc(&arena, WIDE * MANY * sizeof *values), *expected = arena_alloc(&arena, MANY * sizeof *expected);
    struct rng rng;
    struct bundle_spec s = spec;
    rng_seed(&rng, 3);
    for (size_t i = 0; i < WIDE; i++)
        wide[i].name = str_from(arena_printf(&arena, "f%zu", i));
    for (size_t i = 0; i < WIDE * MANY; i++)
        values[i] = (float)rng_normal(&rng);
    for (size_t i = 0; i < MANY; i++)
        expected[i] = (float)rng_normal(&rng);
    s.features = wide;
    s.feature_count = WIDE;
    struct golden g = {.n = MANY, .rows = values, .expected = expected};
    size_t n = golden_fitting(&g, &s);
    assert_true(n > 500 && n < MANY);
    for (size_t k = n; k <= n + 1; k++) {
        struct buf text;
        buf_init(&text, GOLDEN_FILE_MAX);
        golden_write(&text, &s, values, expected, false, k);
        assert_true(buf_ok(&text) == (k == n));
        buf_free(&text);
    }
    g.expected = NULL;
    size_t unknown = golden_fitting(&g, &s);
    assert_true(unknown <= n && unknown + 2 >= n);
    g.n = 7;
    assert_int_equal(golden_fitting(&g, &s), 7);
}

/* The codes of short lists, which are searched one by one, and of long ones, which are sorted. */
static void test_categories_are_found(void **state)
{
    (void)state;
    static const size_t counts[] = {1, 2, 8, 9, 10, 100, 4095, BUNDLE_CATEGORIES_MAX};
    struct str *words = arena_alloc(&arena, BUNDLE_CATEGORIES_MAX * sizeof *words);
    for (size_t i = 0; i < BUNDLE_CATEGORIES_MAX; i++) { /* in no order; some begin others, some are not ASCII */
        size_t k = i * 2741 % BUNDLE_CATEGORIES_MAX;
        words[i] = str_from(arena_printf(&arena, "%s%zu", k % 3 ? "c" : "\xD8\xB3", k));
    }
    for (size_t at = 0; at < sizeof counts / sizeof *counts; at++) {
        struct bundle_feature many = {
            .name = STR("c"), .type = BUNDLE_CATEGORY, .categories = words, .category_count = counts[at]};
        struct bundle_spec wanted = spec, got;
        struct buf text;
        wanted.features = &many;
        wanted.feature_count = 1;
        buf_init(&text, 1 << 20);
        bundle_spec_write(&text, &wanted);
        struct yaml_node *root = yaml_read("bundle.yaml", (struct str){(char *)text.p, text.n}, &arena, &diags);
        assert_true(root && bundle_spec_read(&got, root, &arena, &diags));
        const struct bundle_feature *f = &got.features[0];
        assert_true((f->sorted != NULL) == (counts[at] > 8));
        for (size_t i = 0; i < counts[at]; i++) {
            assert_int_equal(bundle_category(f, words[i]), i);
            assert_true(binding_value(f, value_string(words[i])) == (float)i);
        }
        for (size_t i = counts[at]; i < BUNDLE_CATEGORIES_MAX; i++)
            assert_int_equal(bundle_category(f, words[i]), -1);
        const struct str unknown[] = {STR(""),     STR("c"),        STR("d"),        STR("c0x"),
                                      STR("c\0"), STR("\xFF\xFF"), STR("\xD8\xB3"), {words[0].p, words[0].n - 1}};
        for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
            long linear = bundle_category(&many, unknown[i]);
            assert_int_equal(bundle_category(f, unknown[i]), linear);
            assert_true(linear >= 0 || isnan(binding_value(f, value_string(unknown[i]))));
        }
        buf_free(&text);
    }
}

static void test_id_names_the_bytes(void **state)
{
    (void)state;
    struct bundle *b = must_load();
    struct id128 id = bundle_id(b);
    bundle_free(&b);
    struct error e = {0};
    snprintf(folder, sizeof folder, "%s/copy", top);
    assert_int_equal(bundle_write(folder, &spec, model_bytes(), rows, NULL, GOLDEN, &e), 0);
    b = must_load();
    assert_true(id128_eq(id, bundle_id(b)));
    bundle_free(&b);
    write_file("README", "not looked at", 13);
    b = must_load();
    assert_true(id128_eq(id, bundle_id(b)));
    bundle_free(&b);
    edit("bundle.yaml", "clicked", "Clicked");
    b = must_load();
    assert_false(id128_eq(id, bundle_id(b)));
    bundle_free(&b);
}

static void test_write_refusals(void **state)
{
    (void)state;
    struct error e = {0};
    assert_int_equal(bundle_write(folder, &spec, model_bytes(), rows, NULL, GOLDEN, &e), ERR_EXISTS);
    char *inside = arena_printf(&arena, "%s/bundle.yaml/b", folder);
    assert_int_equal(bundle_write(inside, &spec, model_bytes(), rows, NULL, GOLDEN, &e), ERR_IO);
    assert_non_null(strstr(e.text, "cannot make the folder"));
    inside = arena_printf(&arena, "%s/made/with/it", top); /* with what is above it */
    assert_int_equal(bundle_write(inside, &spec, model_bytes(), rows, NULL, GOLDEN, &e), 0);
    char *fresh = arena_printf(&arena, "%s/fresh", top);
    assert_int_equal(bundle_write(fresh, &spec, model_bytes(), rows, NULL, 0, &e), ERR_INVALID);
    assert_non_null(strstr(e.text, "no golden rows"));
    float margins[GOLDEN] = {0};
    assert_int_equal(bundle_write(fresh, &spec, model_bytes(), rows, margins, GOLDEN, &e), ERR_INVALID);
    assert_non_null(strstr(e.text, "golden row"));
    assert_int_equal(bundle_write("", &spec, model_bytes(), rows, NULL, GOLDEN, &e), ERR_INVALID);
    struct bundle_spec other = spec;
    other.objective = STR("reg:squarederror");
    assert_int_equal(bundle_write(fresh, &other, model_bytes(), rows, NULL, GOLDEN, &e), ERR_INVALID);
    /* Nothing is left behind. */
    assert_int_not_equal(access(fresh, F_OK), 0);
    char *command = arena_printf(&arena, "ls -d %s/*.?????? >/dev/null 2>&1", top);
    assert_int_not_equal(system(command), 0);
    /* A trailing slash and an empty folder are fine. */
    assert_int_equal(mkdir(fresh, 0755), 0);
    assert_int_equal(
        bundle_write(arena_printf(&arena, "%s/", fresh), &spec, model_bytes(), rows, NULL, 1, &e), 0);
    struct stat status;
    assert_int_equal(stat(fresh, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0755);
}

static void test_missing_files(void **state)
{
    (void)state;
    unlink(path_of("model.ubj"));
    assert_refused(ERR_NOTFOUND, ":0:0: no model.ubj or model.json\n");
    write_file("model.json", "{}", 2);
    write_file("model.ubj", "{}", 2);
    assert_refused(ERR_INVALID, ":0:0: both model.ubj and model.json; keep one\n");
    unlink(path_of("golden.csv"));
    unlink(path_of("bundle.yaml"));
    assert_refused(ERR_NOTFOUND, "/bundle.yaml:0:0: cannot open: No such file or directory\n"
                                 "/golden.csv:0:0: cannot open: No such file or directory\n");
    strcat(folder, "x");
    assert_refused(ERR_NOTFOUND, ":0:0: no such folder\n");
}

static void test_wrong_feature_count(void **state)
{
    (void)state;
    edit("bundle.yaml", "  - {name: \"member\", from: customer, type: bool}\n", "");
    assert_refused(ERR_INVALID, "/bundle.yaml:13:3: 3 features here, but model.ubj has 4\n");
}

static void test_features_that_are_not_the_models(void **state)
{
    (void)state;
    edit("bundle.yaml", "member", "membr");
    edit("bundle.yaml", "type: category,\n     categories: [\"Tehran\", \"Paris, \\\"FR\\\"\", \"سلام\"]",
         "type: number");
    assert_refused(ERR_INVALID,
                   "/bundle.yaml:15:5: feature 3 is 'membr' here, but 'member' in model.ubj\n"
                   "/bundle.yaml:16:5: feature 'city' is categorical in model.ubj; give it type category\n");
}

static void test_flipped_byte_in_the_model(void **state)
{
    (void)state;
    size_t n;
    char *bytes = read_file("model.ubj", &n);
    for (size_t at = 7; at < n; at += n / 5) {
        bytes[at] ^= 1;
        write_file("model.ubj", bytes, n);
        assert_refused(ERR_INVALID,
                       "/model.ubj:0:0: not the file that bundle.yaml was written for: its hash is not "
                       "model_hash\n");
        bytes[at] ^= 1;
    }
    write_file("model.ubj", "binf", 4);
    edit("bundle.yaml", "model_hash: ", "#");
    assert_refused(ERR_INVALID,
                   "/model.ubj:0:0: not a model document: XGBoost's old binary format, which 3.1 and later no longer "
                   "read; load it in Python with XGBoost 1.7 to 3.0 and write it with "
                   "booster.save_model(\"model.ubj\")\n");
    write_file("model.ubj", bytes, n - 1);
    assert_refused(
        ERR_INVALID,
        arena_printf(&arena, "/model.ubj:0:0: not a model document: bad length at byte %zu; is the file cut off or damaged?\n", n - 1));
}

static void test_golden_mismatch(void **state)
{
    (void)state;
    struct bundle *b = must_load();
    double margin = (double)bundle_golden(b)->expected[1];
    bundle_free(&b);
    size_t n;
    const char *text = read_file("golden.csv", &n), *line = strchr(strchr(text, '\n') + 1, '\n') + 1;
    const char *end = strchr(line, '\n'), *comma = end;
    while (*comma != ',')
        comma--;
    char *old = strndup(line, (size_t)(end - line));
    char *fresh = arena_printf(&arena, "%.*s,9", (int)(comma - line), line);
    edit("golden.csv", old, fresh);
    int column = 2;
    for (const char *p = line; p < comma; p++)
        column += ((unsigned char)*p & 0xC0) != 0x80;
    assert_refused(
        ERR_INVALID,
        arena_printf(&arena, "/golden.csv:3:%d: golden row 2: margin is 9 here, but the model gives %.9g\n",
                     column, margin));
    /* A difference of 1e-6 is none; one of 1e-4 is. */
    edit("golden.csv", fresh, arena_printf(&arena, "%.*s,%.9g", (int)(comma - line), line, margin + 1e-6));
    b = must_load();
    bundle_free(&b);
    free(old);
}

static void test_golden_form(void **state)
{
    (void)state;
    static const char head[] = "cart_value_24h,profile.spend,member,city,margin\n";
    const struct {
        const char *text, *finding;
    } bad[] = {
        {"", "1:1: column 1 is '', expected 'cart_value_24h' (the features of bundle.yaml in order, then "
             "margin, or prediction)"},
        {"cart_value_24h,spend",
         "1:16: column 2 is 'spend', expected 'profile.spend' (the features of bundle.yaml in "
         "order, then margin, or prediction)"},
        {"cart_value_24h,profile.spend\n1,2\n", "1:16: the header ends after 2 of 5 columns"},
        {"cart_value_24h,profile.spend,member,city,margin,x\n", "1:42: the header has more than 5 columns"},
        {head, "2:1: no golden rows; at least one is needed"},
        {"+1,2,true,Tehran\n", "2:10: the row ends after 4 of 5 columns"},
        {"+1,2,true,Tehran,0.5,6\n", "2:17: the row has more than 5 columns"},
        {"+1,x,true,Tehran,0\n", "2:3: expected a number for profile.spend, got 'x'"},
        {"+1,2,yes,Tehran,0\n", "2:5: expected true or false for member, got 'yes'"},
        {"+1,2,0,\"Rome\",0\n", "2:8: expected one of its categories for city, got 'Rome'"},
        {"+1,2,0,سلام,\n", "2:12: expected a number for margin, got ''"},
        {"+1,2,0,,nan\n", "2:8: expected a number for margin, got 'nan'"},
        {"+1,inf,0,,0\n", "2:3: expected a number for profile.spend, got 'inf'"},
        {"+1,1e99,0,,0\n", "2:3: expected a number for profile.spend, got '1e99'"},
        {"+1,2,0,\"Tehran,0\n", "2:8: a quote that is never closed"},
        {"+1,2,0,\"Tehran\"x,0\n", "2:15: expected a comma or the line's end"},
        {"+1,2,0,\xFF,0\n", "1:1: not UTF-8; save the file as UTF-8"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        bool row = bad[i].text[0] == '+';
        char *text = arena_printf(&arena, "%s%s", row ? head : "", bad[i].text + row);
        write_file("golden.csv", text, strlen(text));
        assert_refused(ERR_INVALID, arena_printf(&arena, "/golden.csv:%s\n", bad[i].finding));
    }
}

static void test_yaml_refusals(void **state)
{
    (void)state;
    static const char text[] = "name: x\nversion: \"1\"\nkind: propensity\nobjective: binary:logistic\n"
                               "label: clicked\nfeatures:\n  - {name: a, from: customer, type: number}\n";
    const struct {
        const char *from, *to, *finding;
    } bad[] = {
        {"label: clicked\n", "lable: clicked\n",
         "5:1: unknown key 'lable' in a bundle; did you mean label? allowed: name, version, kind, objective, "
         "label, label_type, outputs, output, trees, silence, calibration, training, metrics, model_hash, arms, "
         "features"},
        {"propensity", "propensty",
         "3:7: expected propensity, s_learner, t_learner or transformed, got 'propensty'; did you mean "
         "propensity?"},
        {"binary:logistic", "rank:ndcg",
         "4:12: the margins of rank:ndcg only order; calibration must make values of them (platt or isotonic)"},
        {"binary:logistic", "multi:softprob",
         "4:12: objective multi:softprob gives a chance for each class: 'outputs' must say how many, and 'output' which one is "
         "the label, from 0"},
        {"binary:logistic", "multi:softprob\noutputs: 3", "5:10: 'outputs' and 'output' go together"},
        {"binary:logistic", "multi:softprob\noutputs: 3\noutput: 3", "6:9: expected a whole number from 0 to 2, got '3'"},
        {"binary:logistic", "binary:logistic\ntrees: some", "5:8: expected best or all, got 'some'"},
        {"number}", "number, categories: [a]}", "7:45: categories are for type category only"},
        {"number}", "category}",
         "7:5: a feature of type category needs 'categories', in the order of their codes"},
        {"number}", "category, categories: []}", "7:59: 0 categories; allowed: 1 to 4096"},
        {"number}", "category, categories: [b, a, b]}", "7:66: category 'b' stands in the list twice"},
        {"number}", "category, categories: [[]]}", "7:60: expected text, got a list"},
        {"number}", "numbr}", "7:37: expected number, bool or category, got 'numbr'; did you mean number?"},
        {"number}", "number, units: EUR}",
         "7:45: unknown key 'units' in feature; did you mean unit? allowed: name, from, type, categories, "
         "unit"},
        {"from: customer, ", "", "7:5: a feature needs 'from'"},
        {"number}\n", "number}\n  - {name: a, from: action, type: bool}\n",
         "8:12: duplicate feature 'a'; it stands at line 7 already"},
        {"  - {name: a, from: customer, type: number}\n", "  []\n", "7:3: 0 features; allowed: 1 to 1024"},
        {"name: x", "name: \"a\\nb\"", "1:8: expected 1 to 256 bytes of text on one line"},
        {"name: x", "name:", "1:6: expected text, got nothing"},
        {"label:", "calibration: platt\nlabel:",
         "5:14: expected none, {platt: {a: …, b: …}} or {isotonic: {x: […], y: […]}} for calibration"},
        {"label:", "calibration: {platt: {a: 1}}\nlabel:", "5:22: platt needs 'b'"},
        {"label:", "calibration: {isotonc: {}}\nlabel:",
         "5:15: unknown key 'isotonc' in calibration; did you mean isotonic? allowed: platt, isotonic\n"
         "/bundle.yaml:5:24: isotonic needs 'x'\n/bundle.yaml:5:24: isotonic needs 'y'"},
        {"label:", "calibration: {}\nlabel:", "5:14: calibration needs either 'platt' or 'isotonic'"},
        {"label:", "metrics: {auc: high}\nlabel:", "5:16: expected a number, got 'high'"},
        {"label:", "training: {rows: -1, from: 2025-1-1}\nlabel:",
         "5:18: expected a whole number of at least 0, got '-1'\n/bundle.yaml:5:28: expected a date as "
         "2025-01-31"},
        {"label:", "training: {from: 2025-02-01, to: 2025-01-01}\nlabel:",
         "5:34: the training window ends before it begins"},
        {"label:", "model_hash: 12\nlabel:",
         "5:13: expected 32 lower-case hexadecimal digits (XXH3-128 of the model file)"},
        {"label:", "name: y\nlabel:", "5:1: duplicate key 'name'; it stands at line 1 already"},
        {text, "[]", "1:1: expected a mapping for a bundle, got a list"},
        {"name: x", "name: *x",
         "1:7: aliases (*) are not allowed here; write the value out, or quote the text"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        write_file("bundle.yaml", text, sizeof text - 1);
        edit("bundle.yaml", bad[i].from, bad[i].to);
        assert_refused(ERR_INVALID, arena_printf(&arena, "/bundle.yaml:%s\n", bad[i].finding));
    }
}

static void test_sum_up(void **state)
{
    (void)state;
    struct bundle *b;
    struct error e = {0};
    edit("bundle.yaml", "kind: \"propensity\"", "kind: x");
    edit("bundle.yaml", "objective: \"binary:logistic\"", "objective: x");
    assert_int_equal(bundle_load(&b, folder, &diags, &e), ERR_INVALID);
    assert_string_equal(
        e.text, arena_printf(&arena,
                             "bundle %s is refused: 2 errors; the first: %s/bundle.yaml:3:7: expected "
                             "propensity, s_learner, t_learner or transformed, got 'x'",
                             folder, folder));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_round_trip),
        TEST(test_categories_are_found),
        TEST(test_golden_fitting),
        TEST(test_id_names_the_bytes),
        TEST(test_write_refusals),
        TEST(test_missing_files),
        TEST(test_wrong_feature_count),
        TEST(test_features_that_are_not_the_models),
        TEST(test_flipped_byte_in_the_model),
        TEST(test_golden_mismatch),
        TEST(test_golden_form),
        TEST(test_yaml_refusals),
        TEST(test_sum_up),
    };
    return cmocka_run_group_tests(tests, make_all, remove_all);
}
