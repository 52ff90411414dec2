/* Completing a bundle.yaml from a model: what is filled in for each kind of file, what a person wrote stays, every finding
 * with its place and words, and that what comes out can be written, read back equal and loaded as a bundle. Models are
 * stumps as text, with names, types and category names (as files of 3.1 have them) edited in.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bundle_folder.h"
#include "models/bundle_import.h"
#include "unit/models/tiny_model.h"
#include <math.h>

enum { FEATURES = 4 };

/* ---- models and imports ---- */

static struct str bytes; /* of the model that was made last */
static struct model model;

static char *replaced(const char *text, const char *from, const char *to)
{
    const char *at = strstr(text, from);
    if (!at)
        fail_msg("'%s' is not in:\n%s", from, text);
    return arena_printf(&arena, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
}

/* Parts of a model that differ; NULL: as tiny_model.h has them (no names, no types, no categories, one output). */
struct parts {
    const char *names, *types, *cats, *classes, *targets;
};

static int read_model(const char *objective, int features, const struct parts *p, struct error *e)
{
    const struct stump stump = {0, 0.5f, -1, 1, true};
    struct arena scratch;
    struct buf text;
    buf_init(&text, 4 << 20);
    tiny_model(&text, objective, "5E-1", features, &stump, 1);
    buf_byte(&text, 0);
    const char *json = arena_strdup(&arena, (const char *)text.p);
    if (p && p->names)
        json = replaced(json, "\"feature_names\":[]", arena_printf(&arena, "\"feature_names\":[%s]", p->names));
    if (p && p->types)
        json = replaced(json, "\"feature_types\":[]", arena_printf(&arena, "\"feature_types\":[%s]", p->types));
    if (p && p->cats)
        json = replaced(json, "\"model\":{", arena_printf(&arena, "\"model\":{\"cats\":{\"enc\":[%s]},", p->cats));
    if (p && p->classes)
        json = replaced(json, "\"num_class\":\"0\"", arena_printf(&arena, "\"num_class\":\"%s\"", p->classes));
    if (p && p->targets)
        json = replaced(json, "\"num_target\":\"1\"", arena_printf(&arena, "\"num_target\":\"%s\"", p->targets));
    bytes = str_from(json);
    arena_init(&scratch, 64 << 20);
    int rc = model_read(&model, bytes, MODEL_BEST, &arena, &scratch, e);
    arena_free(&scratch);
    buf_free(&text);
    return rc;
}

static void make_model(const char *objective, int features, const struct parts *p)
{
    struct error e = {0};
    if (read_model(objective, features, p, &e))
        fail_msg("%s", e.text);
}

static bool import_into(struct bundle_spec *out, const char *yaml, struct arena *memory)
{
    diags_init(&diags, &arena);
    struct yaml_node *root = yaml_read("features.yaml", str_from(yaml), &arena, &diags);
    assert_non_null(root);
    assert_int_equal(diags.count, 0);
    const struct bundle_import from = {&model, "m.json", STR("spring"), STR("v7")};
    return bundle_import_spec(out, root, &from, memory, &diags);
}

/* All findings, one a line. */
static const char *told(void)
{
    const char *all = "";
    for (size_t i = 0; i < diags.count; i++) {
        const struct diag *d = &diags.items[i];
        assert_string_equal(d->file, "features.yaml");
        assert_int_equal(d->severity, DIAG_ERROR);
        all = arena_printf(&arena, "%s%s%d:%d: %s", all, i ? "\n" : "", d->line, d->column, d->text);
    }
    return all;
}

/* ---- read back equal ---- */

static void assert_same_feature(const struct bundle_feature *a, const struct bundle_feature *b)
{
    assert_true(str_eq(a->name, b->name) && str_eq(a->unit, b->unit));
    assert_int_equal(a->from, b->from);
    assert_int_equal(a->type, b->type);
    assert_int_equal(a->category_count, b->category_count);
    for (size_t i = 0; i < a->category_count; i++)
        assert_true(str_eq(a->categories[i], b->categories[i]));
}

static void assert_same_calibration(const struct calibration *a, const struct calibration *b)
{
    assert_int_equal(a->kind, b->kind);
    assert_true(a->a == b->a && a->b == b->b);
    assert_int_equal(a->count, b->count);
    for (size_t i = 0; i < a->count; i++)
        assert_true(a->x[i] == b->x[i] && a->y[i] == b->y[i]);
}

static void assert_same(const struct bundle_spec *a, const struct bundle_spec *b)
{
    assert_true(str_eq(a->name, b->name) && str_eq(a->version, b->version));
    assert_true(str_eq(a->objective, b->objective) && str_eq(a->label, b->label) && str_eq(a->silence, b->silence));
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->label_type, b->label_type);
    assert_ptr_equal(a->of, b->of);
    assert_int_equal(a->link, b->link);
    assert_int_equal(a->outputs, b->outputs);
    assert_int_equal(a->output, b->output);
    assert_int_equal(a->rounds, b->rounds);
    assert_int_equal(a->arm_count, 1);
    assert_int_equal(b->arm_count, 1);
    assert_same_calibration(&a->arms->calibration, &b->arms->calibration);
    assert_int_equal(a->arms->has_model_hash, b->arms->has_model_hash);
    assert_true(id128_eq(a->arms->model_hash, b->arms->model_hash));
    assert_int_equal(a->training_rows, b->training_rows);
    assert_int_equal(a->training_seed, b->training_seed);
    assert_true(str_eq(a->training_from, b->training_from) && str_eq(a->training_to, b->training_to));
    assert_true(str_eq(a->training_library, b->training_library));
    assert_int_equal(a->metric_count, b->metric_count);
    for (size_t i = 0; i < a->metric_count; i++)
        assert_true(str_eq(a->metrics[i].name, b->metrics[i].name) && a->metrics[i].value == b->metrics[i].value);
    assert_int_equal(a->feature_count, b->feature_count);
    for (size_t i = 0; i < a->feature_count; i++)
        assert_same_feature(&a->features[i], &b->features[i]);
}

static void assert_reads_back(const struct bundle_spec *spec)
{
    struct buf text, again;
    struct bundle_spec back;
    buf_init(&text, 1 << 20);
    buf_init(&again, 1 << 20);
    bundle_spec_write(&text, spec);
    diags_init(&diags, &arena);
    struct yaml_node *root = yaml_read("features.yaml", (struct str){(char *)text.p, text.n}, &arena, &diags);
    if (!root || !bundle_spec_read(&back, root, &arena, &diags))
        fail_msg("%s\n%.*s", told(), (int)text.n, (char *)text.p);
    assert_same(spec, &back);
    bundle_spec_write(&again, &back);
    assert_int_equal(text.n, again.n);
    assert_memory_equal(text.p, again.p, text.n);
    buf_free(&text);
    buf_free(&again);
}

static struct bundle_spec imported(const char *yaml)
{
    struct bundle_spec s;
    if (!import_into(&s, yaml, &arena))
        fail_msg("%s\n--- of\n%s", told(), yaml);
    assert_int_equal(diags.count, 0);
    assert_reads_back(&s);
    return s;
}

static void assert_told(const char *yaml, const char *findings)
{
    struct bundle_spec s;
    bool ok = import_into(&s, yaml, &arena);
    if (ok || strcmp(told(), findings) != 0)
        fail_msg("%d\n%s\n--- got\n%s\n--- want\n%s", ok, yaml, told(), findings);
}

static void assert_feature(const struct bundle_feature *f, const char *name, enum bundle_type type, size_t categories)
{
    if (!str_is(f->name, name))
        fail_msg("feature '%.*s', expected %s", STR_ARG(f->name), name);
    assert_int_equal(f->type, type);
    assert_int_equal(f->category_count, categories);
}

static int setup(void **state)
{
    (void)state;
    static int number;
    arena_init(&arena, 256 << 20);
    diags_init(&diags, &arena);
    snprintf(folder, sizeof folder, "%s/i%d", top, number++);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

/* ---- what is filled in ---- */

#define NAMES "\"spend\",\"member\",\"city\",\"visits\""
#define TYPES "\"float\",\"i\",\"c\",\"int\""
#define NONE "{\"offsets\":[],\"values\":[]}"
#define PARIS_ROME "{\"offsets\":[0,5,9],\"values\":[80,97,114,105,115,82,111,109,101]}" /* "Paris", "Rome" */
#define CATS NONE "," NONE "," PARIS_ROME "," NONE

static const struct parts whole = {NAMES, TYPES, CATS, NULL, NULL};

static void all_from_the_file(void **state)
{
    (void)state;
    make_model("binary:logistic", FEATURES, &whole);
    static const char *const nothing[] = {"", "{}", "# nothing\n", "features: []\n"};
    for (size_t i = 0; i < sizeof nothing / sizeof *nothing; i++) {
        struct bundle_spec s = imported(nothing[i]);
        assert_true(str_is(s.name, "spring") && str_is(s.version, "v7") && str_is(s.label, "spring"));
        assert_int_equal(s.kind, BUNDLE_PROPENSITY);
        assert_true(str_is(s.objective, "binary:logistic"));
        assert_ptr_equal(s.of, objective_find(STR("binary:logistic")));
        assert_int_equal(s.label_type, BUNDLE_BINARY);
        assert_true(s.outputs == 1 && s.output == 0);
        assert_int_equal(s.rounds, MODEL_BEST);
        assert_int_equal(s.arm_count, 1);
        assert_int_equal(s.arms->calibration.kind, CALIBRATION_NONE);
        assert_false(s.arms->has_model_hash);
        assert_true(s.training_rows == -1 && s.training_seed == -1 && s.metric_count == 0);
        assert_int_equal(s.feature_count, FEATURES);
        assert_feature(&s.features[0], "spend", BUNDLE_NUMBER, 0);
        assert_feature(&s.features[1], "member", BUNDLE_BOOL, 0);
        assert_feature(&s.features[2], "city", BUNDLE_CATEGORY, 2);
        assert_feature(&s.features[3], "visits", BUNDLE_NUMBER, 0);
        assert_true(str_is(s.features[2].categories[0], "Paris") && str_is(s.features[2].categories[1], "Rome"));
        for (size_t k = 0; k < FEATURES; k++) {
            assert_int_equal(s.features[k].from, BUNDLE_CUSTOMER);
            assert_int_equal(s.features[k].unit.n, 0);
        }
    }
}

/* Names only, and more than names; in an order that is not the file's, with gaps. */
static void what_is_listed_stays(void **state)
{
    (void)state;
    make_model("binary:logistic", FEATURES, &whole);
    struct bundle_spec s = imported("features:\n"
                                    "  - {name: visits, unit: visits a day}\n"
                                    "  - {name: city, from: action}\n"
                                    "  - {name: spend, from: pair, type: bool}\n");
    assert_int_equal(s.feature_count, FEATURES);
    assert_feature(&s.features[0], "spend", BUNDLE_BOOL, 0);
    assert_feature(&s.features[1], "member", BUNDLE_BOOL, 0);
    assert_feature(&s.features[2], "city", BUNDLE_CATEGORY, 2);
    assert_feature(&s.features[3], "visits", BUNDLE_NUMBER, 0);
    assert_true(str_is(s.features[3].unit, "visits a day"));
    static const enum bundle_from from[] = {BUNDLE_PAIR, BUNDLE_CUSTOMER, BUNDLE_ACTION, BUNDLE_CUSTOMER};
    static const int lines[] = {4, 2, 3, 2}, columns[] = {5, 3, 5, 5}; /* member stands where the list does */
    for (size_t i = 0; i < FEATURES; i++) {
        assert_int_equal(s.features[i].from, from[i]);
        assert_int_equal(s.features[i].line, lines[i]);
        assert_int_equal(s.features[i].column, columns[i]);
    }
    /* A person's categories and types go before the file's, but a code of the file does not get another one's name. */
    assert_told("features:\n  - {name: city, categories: [Rome, Paris]}\n",
                "2:5: feature 'city': 'Paris' is category 1 here, but 0 in m.json, which says itself what its codes mean (from 0): "
                "leave 'categories' out when importing, or list them in its order");
    assert_told("features:\n  - {name: city, categories: [x, Rome, Paris]}\n",
                "2:5: feature 'city': 'Paris' is category 2 here, but 0 in m.json, which says itself what its codes mean (from 0): "
                "leave 'categories' out when importing, or list them in its order");
    s = imported("features:\n  - {name: city, categories: [Paris, Roma]}\n");
    assert_true(str_is(s.features[2].categories[1], "Roma"));
    s = imported("features:\n  - {name: city, categories: [c0, c1, c2]}\n"
                 "  - {name: member, type: category, categories: [\"no\", \"yes\"]}\n");
    assert_feature(&s.features[2], "city", BUNDLE_CATEGORY, 3);
    assert_true(str_is(s.features[2].categories[2], "c2"));
    assert_feature(&s.features[1], "member", BUNDLE_CATEGORY, 2);
    s = imported("features: [{name: city, type: number}]\n");
    assert_feature(&s.features[2], "city", BUNDLE_NUMBER, 0);
}

static void what_a_person_says_stays(void **state)
{
    (void)state;
    const struct parts with_id = {"\"spend\",\"member\",\"id\",\"visits\"", TYPES, CATS, NULL, NULL};
    make_model("binary:logistic", FEATURES, &with_id);
    struct bundle_spec s = imported("name: \"a: \\\"b\\\"\"\nversion: \"2\"\nkind: s_learner\nlabel: clicked\n"
                                    "label_type: binary\nsilence: Rome\ntrees: all\n"
                                    "calibration: {isotonic: {x: [-1, 0.1, 2], y: [0, 0.25, 0.75]}}\n"
                                    "training: {rows: 12, from: 2025-01-01, to: 2025-02-01, seed: 3, library: x 1}\n"
                                    "metrics: {auc: 0.75, log_loss: 0.1}\n"
                                    "model_hash: 0123456789abcdef0123456789abcdef\n"
                                    "features: [{name: id, from: action}]\n");
    assert_true(str_is(s.name, "a: \"b\"") && str_is(s.version, "2") && str_is(s.label, "clicked"));
    assert_int_equal(s.kind, BUNDLE_S_LEARNER);
    assert_true(str_is(s.silence, "Rome"));
    assert_int_equal(s.rounds, MODEL_ALL);
    assert_int_equal(s.arms->calibration.kind, CALIBRATION_ISOTONIC);
    assert_int_equal(s.arms->calibration.count, 3);
    assert_true(s.arms->has_model_hash);
    assert_true(s.training_rows == 12 && s.training_seed == 3 && str_is(s.training_to, "2025-02-01"));
    assert_int_equal(s.metric_count, 2);
    assert_feature(&s.features[2], "id", BUNDLE_CATEGORY, 2);
    assert_int_equal(s.features[2].from, BUNDLE_ACTION);
}

static void types_of_features(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        enum bundle_type is;
    } types[] = {{"float", BUNDLE_NUMBER}, {"int", BUNDLE_NUMBER}, {"q", BUNDLE_NUMBER},
                 {"i", BUNDLE_BOOL},       {"", BUNDLE_NUMBER},    {"C", BUNDLE_NUMBER}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        const char *type = arena_printf(&arena, "\"%s\"", types[i].type);
        make_model("binary:logistic", 1, &(struct parts){"\"a\"", type, NULL, NULL, NULL});
        struct bundle_spec s = imported("");
        assert_feature(&s.features[0], "a", types[i].is, 0);
        /* What has categories is one, whatever its type. */
        make_model("binary:logistic", 1, &(struct parts){"\"a\"", type, PARIS_ROME, NULL, NULL});
        s = imported("");
        assert_feature(&s.features[0], "a", BUNDLE_CATEGORY, 2);
    }
    static const char *const categorical[] = {"\"c\"", "\"categorical\""};
    for (size_t i = 0; i < 2; i++) {
        make_model("binary:logistic", 1, &(struct parts){"\"a\"", categorical[i], PARIS_ROME, NULL, NULL});
        struct bundle_spec s = imported("");
        assert_feature(&s.features[0], "a", BUNDLE_CATEGORY, 2);
        make_model("binary:logistic", 1, &(struct parts){"\"a\"", categorical[i], NULL, NULL, NULL});
        s = imported("features: [{name: a, categories: [x]}]\n");
        assert_feature(&s.features[0], "a", BUNDLE_CATEGORY, 1);
    }
    make_model("binary:logistic", 1, &(struct parts){"\"a\"", NULL, NULL, NULL, NULL});
    struct bundle_spec s = imported("");
    assert_feature(&s.features[0], "a", BUNDLE_NUMBER, 0);
}

static void a_file_without_names(void **state)
{
    (void)state;
    make_model("binary:logistic", FEATURES, &(struct parts){NULL, TYPES, CATS, NULL, NULL});
    struct bundle_spec s = imported("features:\n- name: d\n- {name: c, from: pair}\n- {name: b, unit: km}\n- name: a\n");
    assert_feature(&s.features[0], "d", BUNDLE_NUMBER, 0);
    assert_feature(&s.features[1], "c", BUNDLE_BOOL, 0);
    assert_feature(&s.features[2], "b", BUNDLE_CATEGORY, 2);
    assert_feature(&s.features[3], "a", BUNDLE_NUMBER, 0);
    assert_int_equal(s.features[1].from, BUNDLE_PAIR);
    assert_true(str_is(s.features[2].unit, "km"));
#define ALL " does not name its features: all 4 must be listed"
    assert_told("", "1:1: m.json" ALL " under 'features', in its order");
    assert_told("label: x\n", "1:1: m.json" ALL " under 'features', in its order");
    assert_told("label: x\nfeatures:\n  - name: a\n", "3:3: m.json" ALL ", in its order");
    assert_told("features: []\n", "1:11: m.json" ALL ", in its order");
    assert_told("features: [{name: a}, {name: b}, {name: c}, {name: d}, {name: e}]\n", "1:11: m.json" ALL ", in its order");
    assert_told("features: [{name: a}, {name: b}, {name: c}, {name: b}]\n",
                "1:52: duplicate feature 'b'; it stands at line 1 already");
    assert_told("features: [{name: a}, {from: pair}, {name: c}, {name: d}]\n", "1:23: a feature needs 'name'");
}

/* ---- labels and outputs ---- */

/* By the objective: the label's type where only one fits, else it must be said. */
static void labels_of_objectives(void **state)
{
    (void)state;
    static const struct {
        const char *objective, *label_types, *more; /* allowed, the first one last; what else the objective needs */
    } all[] = {
        {"binary:logistic", "binary", ""},
        {"reg:logistic", "binary", ""},
        {"binary:logitraw", "binary", ""},
        {"count:poisson", "count", ""},
        {"reg:gamma", "money", ""},
        {"reg:squarederror", "count or money", ""},
        {"reg:absoluteerror", "count or money", ""},
        {"reg:tweedie", "count or money", ""},
        {"binary:hinge", "binary", "calibration: {platt: {a: 1, b: 0}}\n"},
        {"rank:pairwise", "binary, count or money", "calibration: {isotonic: {x: [0], y: [1]}}\n"},
        {"rank:ndcg", "binary, count or money", "calibration: {isotonic: {x: [0], y: [1]}}\n"},
        {"rank:map", "binary, count or money", "calibration: {isotonic: {x: [0], y: [1]}}\n"},
        {"multi:softprob", "binary", "output: 1\n"},
        {"multi:softmax", "binary", "output: 2\n"},
    };
    static const char *const words[] = {"binary", "count", "money"};
    size_t count = 0;
    while (objective_names[count])
        count++;
    assert_int_equal(count, sizeof all / sizeof *all);
    for (size_t i = 0; i < count; i++) {
        bool classes = strncmp(all[i].objective, "multi:", 6) == 0, several = strchr(all[i].label_types, ' ') != NULL;
        make_model(all[i].objective, FEATURES, &(struct parts){NAMES, TYPES, CATS, classes ? "3" : NULL, NULL});
        if (several)
            assert_told(all[i].more,
                        arena_printf(&arena, "1:1: m.json was trained for %s: say what its label is, label_type: %s",
                                     all[i].objective, all[i].label_types));
        for (size_t k = several ? 0 : 3; k <= 3; k++) {
            if (k < 3 && !strstr(all[i].label_types, words[k]))
                continue;
            if (k == 3 && several)
                continue;
            const char *yaml = k == 3 ? all[i].more : arena_printf(&arena, "%slabel_type: %s\n", all[i].more, words[k]);
            struct bundle_spec s = imported(yaml);
            assert_true(str_is(s.objective, all[i].objective));
            assert_string_equal(words[s.label_type], k == 3 ? all[i].label_types : words[k]);
            assert_int_equal(s.link, objective_find(s.objective)->link);
        }
    }
}

static void several_outputs(void **state)
{
    (void)state;
    make_model("multi:softprob", FEATURES, &(struct parts){NAMES, TYPES, CATS, "5", NULL});
    struct bundle_spec s = imported("output: 4\n");
    assert_true(s.outputs == 5 && s.output == 4);
    s = imported("outputs: 5\noutput: 0\n");
    assert_true(s.outputs == 5 && s.output == 0);
    assert_told("", "1:1: m.json has 5 outputs a row (multi:softprob): say which one is the label, output: 0 to 4");
    assert_told("outputs: 6\noutput: 0\n", "1:10: m.json has 5 outputs a row; leave 'outputs' out, or say the same");
    assert_told("objective: multi:softmax\noutput: 0\n",
                "1:12: m.json was trained for multi:softprob; leave 'objective' out, or say the same");
    assert_told("output: 5\n", "1:9: expected a whole number from 0 to 4, got '5'");
    assert_told("output: -1\n", "1:9: expected a whole number from 0 to 4, got '-1'");
    assert_told("output: 1\ncalibration: {platt: {a: 1, b: 0}}\n",
                "2:22: platt is for the chance of a binary label; for multi:softprob: none or isotonic\n"
                "2:14: the chances of multi:softprob take no calibration");
    make_model("reg:squarederror", FEATURES, &(struct parts){NAMES, TYPES, CATS, NULL, "2"});
    s = imported("output: 1\nlabel_type: money\n");
    assert_true(s.outputs == 2 && s.output == 1);
    assert_told("label_type: money\n", "1:1: m.json has 2 outputs a row (reg:squarederror): say which one is the label, output: 0 to 1");
    make_model("binary:logistic", FEATURES, &whole);
    assert_told("output: 0\n", "1:9: m.json has one output a row; leave 'output' out");
    assert_told("outputs: 1024\noutput: 1023\n", "1:10: m.json has 1 output a row; leave 'outputs' out, or say the same\n"
                                                 "2:9: m.json has one output a row; leave 'output' out");
}

/* ---- findings ---- */

static void findings_about_the_whole(void **state)
{
    (void)state;
#define BY_HAND                                                                                              \
    "a kind with a model for each action cannot be imported from one model's file; write its bundle.yaml "   \
    "by hand"
    make_model("binary:logistic", FEATURES, &whole);
    assert_told("[]\n", "1:1: expected a mapping for a description of the model, got a list");
    assert_told("spend\n", "1:1: expected a mapping for a description of the model, got 'spend'");
    assert_told("kind: t_learner\n", "1:7: " BY_HAND);
    assert_told("label: x\nkind: \"transformed\"\n", "2:8: " BY_HAND);
    assert_told("kind: s_lerner\n",
                "1:7: expected propensity, s_learner, t_learner or transformed, got 's_lerner'; did you mean s_learner?");
    assert_told("kind: [t_learner]\n", "1:7: expected propensity, s_learner, t_learner or transformed, got a list");
    assert_told("kind: s_learner\n", "1:1: kind s_learner needs 'silence'");
    assert_told("label_type: count\n",
                "1:1: objective binary:logistic does not fit label_type count; allowed: reg:squarederror, count:poisson, "
                "reg:tweedie, reg:absoluteerror, rank:pairwise, rank:ndcg or rank:map");
    assert_told("lable: x\n",
                "1:1: unknown key 'lable' in a bundle; did you mean label? allowed: name, version, kind, objective, label, "
                "label_type, outputs, output, trees, silence, calibration, training, metrics, model_hash, arms, features");
    assert_told("name: \"\"\nversion: 3\n", "1:8: expected 1 to 256 bytes of text on one line");
    assert_told("arms: []\n", "1:1: arms are for the kinds t_learner and transformed only");
    assert_told("trees: some\n", "1:8: expected best or all, got 'some'");
    make_model("binary:hinge", FEATURES, &whole);
    assert_told("", "1:1: the margins of binary:hinge only order; calibration must make values of them (platt or isotonic)");
    static const char *const others[] = {"survival:cox", "reg:squaredlogerror", "custom", "Binary:logistic", ""};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        make_model(others[i], FEATURES, &whole);
        assert_told("label: x\nkind: t_learner\n",
                    arena_printf(&arena,
                                 "1:1: m.json was trained for objective %s, which a bundle cannot have; allowed: "
                                 "binary:logistic, reg:squarederror, count:poisson, reg:tweedie, reg:gamma, reg:logistic, "
                                 "binary:logitraw, reg:absoluteerror, multi:softprob, multi:softmax, binary:hinge, "
                                 "rank:pairwise, rank:ndcg or rank:map",
                                 others[i]));
    }
}

#define DEMANDED(name)                                                                                       \
    "feature " name " of m.json is categorical, and the file does not say what its codes mean (those of "  \
    "XGBoost 3.1 and later trained on a data frame do): list its categories, in the order of their codes"

static void findings_about_features(void **state)
{
    (void)state;
    make_model("binary:logistic", FEATURES, &(struct parts){NAMES, TYPES, NULL, NULL, NULL});
    static const struct {
        const char *yaml, *findings;
    } all[] = {
        {"", "1:1: " DEMANDED("city")},
        {"label: x\nfeatures:\n  - {name: spend}\n", "3:3: " DEMANDED("city")},
        {"features:\n  - {name: spend}\n  - {name: city, from: action}\n", "3:5: " DEMANDED("city")},
        {"features: [{name: city, categories: [x]}, {name: visits, type: category}]\n", "1:43: " DEMANDED("visits")},
        {"features: [{name: member, type: category}]\n", "1:12: " DEMANDED("member") "\n1:11: " DEMANDED("city")},
        {"features:\n  - {name: cty}\n", "2:12: m.json has no feature 'cty'; did you mean city?"},
        {"features:\n  - {name: colour}\n", "2:12: m.json has no feature 'colour'"},
        {"features:\n  - name: Spend\n  - name: \"visit\"\n",
         "2:11: m.json has no feature 'Spend'; did you mean spend?\n"
         "3:12: m.json has no feature 'visit'; did you mean visits?"},
        {"features:\n  - {name: spend}\n  - {name: city}\n  - {name: spend, type: bool}\n",
         "4:12: feature 'spend' is listed twice"},
        {"features: [{name: spend}, {name: spend}, {name: spend}]\n",
         "1:34: feature 'spend' is listed twice\n1:49: feature 'spend' is listed twice"},
        {"features: spend\n", "1:11: expected a list for features, got 'spend'"},
        {"features: {spend: number}\n", "1:11: expected a list for features, got a mapping"},
        {"features:\n", "1:10: expected a list for features, got nothing"},
        {"features: [spend]\n", "1:12: expected a mapping for a feature, got 'spend'"},
        {"features: [[spend]]\n", "1:12: expected a mapping for a feature, got a list"},
        {"features: [{from: pair}]\n", "1:12: a feature needs 'name'"},
        {"features: [{name: [spend]}]\n", "1:12: a feature needs 'name'"},
        {"features: [{name: }]\n", "1:19: m.json has no feature ''"},
        /* Those of any bundle.yaml. */
        {"features: [{name: city, categories: [x]}, {name: spend, type: numbr}]\n",
         "1:63: expected number, bool or category, got 'numbr'; did you mean number?"},
        {"features: [{name: city, categories: [x]}, {name: spend, from: cart}]\n",
         "1:63: expected customer, action or pair, got 'cart'"},
        {"features: [{name: city, categories: [x, y, x]}]\n", "1:44: category 'x' stands in the list twice"},
        {"features: [{name: city, categories: []}]\n", "1:37: 0 categories; allowed: 1 to 4096"},
        {"features: [{name: city, categories: x}]\n", "1:37: expected a list for categories, got 'x'"},
        {"features: [{name: city, categories: [x]}, {name: spend, categories: [x]}]\n",
         "1:57: categories are for type category only"},
        {"features: [{name: city, categories: [x], units: km}]\n",
         "1:42: unknown key 'units' in feature; did you mean unit? allowed: name, from, type, categories, unit"},
        /* Of several parts at once. */
        {"kind: transformed\nfeatures: [{name: x}]\n", "1:7: " BY_HAND "\n2:19: m.json has no feature 'x'"},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        assert_told(all[i].yaml, all[i].findings);
    make_model("rank:ndcg", FEATURES, &(struct parts){NAMES, TYPES, NULL, NULL, NULL});
    assert_told("features: [{name: cty}]\n",
                "1:1: m.json was trained for rank:ndcg: say what its label is, label_type: binary, count or money\n"
                "1:19: m.json has no feature 'cty'; did you mean city?");
}

/* ---- category names ---- */

static void assert_categories(const struct bundle_feature *f, const char *const texts[], size_t count)
{
    assert_feature(f, "a", BUNDLE_CATEGORY, count);
    for (size_t i = 0; i < count; i++)
        if (!str_is(f->categories[i], texts[i]))
            fail_msg("category %zu is '%.*s', expected %s", i, STR_ARG(f->categories[i]), texts[i]);
}

static void category_names(void **state)
{
    (void)state;
    static const struct {
        const char *cats;
        size_t count;
        const char *texts[8];
    } all[] = {
        {PARIS_ROME, 2, {"Paris", "Rome"}},
        {"{\"offsets\":[0,1],\"values\":[126]}", 1, {"~"}}, /* the last one that is kept */
        {"{\"offsets\":[0,1,2,4],\"values\":[34,92,32,58]}", 3, {"\"", "\\", " :"}},
        {"{\"offsets\":[1,3],\"values\":[120,121,122,119]}", 1, {"yz"}}, /* bytes that no name has */
        {"{\"offsets\":[0,4,8],\"values\":[110,117,108,108,116,114,117,101]}", 2, {"null", "true"}},
        {"{\"values\":[1,2,3]}", 3, {"1", "2", "3"}},
        {"{\"values\":[7]}", 1, {"7"}},
        {"{\"values\":[-3,0,2.5,0.1,1000000,999999999,1e-5,-0.125]}", 8,
         {"-3", "0", "2.5", "0.1", "1000000", "999999999", "1e-05", "-0.125"}},
        /* Not asserted, since it is not so: whole numbers of ten digits and more are those numbers. Expected of
         * {"values":[1234567890,1234567891]}: "1234567890" and "1234567891"; got: "1.23456789e+09" twice, which is
         * refused. */
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        make_model("binary:logistic", 1, &(struct parts){"\"a\"", "\"c\"", all[i].cats, NULL, NULL});
        struct bundle_spec s = imported("");
        assert_categories(&s.features[0], all[i].texts, all[i].count);
    }
}

/* Names beyond ASCII are cut wrongly in the file: those of that feature are dropped, and demanded; a person may give any. */
static void category_names_beyond_ascii(void **state)
{
    (void)state;
    static const char *const dropped[] = {
        "{\"offsets\":[0,2,4],\"values\":[-61,-74,111,107]}", /* "ö" in signed bytes, "ok" */
        "{\"offsets\":[0,1,3],\"values\":[195,182,111,107]}", /* in unsigned ones, and cut wrongly */
        "{\"offsets\":[0,2,4],\"values\":[111,107,-40,-77]}", /* in the last one only */
        "{\"offsets\":[0,1,2],\"values\":[97,127]}",          /* what has no glyph is no name either */
        "{\"offsets\":[0,1,2],\"values\":[97,-128]}",
        "{\"offsets\":[0,1],\"values\":[97,255]}", /* behind the last name */
        NONE,
        "{\"offsets\":[0],\"values\":[]}",
        "{\"values\":[]}",
    };
    for (size_t i = 0; i < sizeof dropped / sizeof *dropped; i++) {
        const char *cats = arena_printf(&arena, "%s,%s,{\"values\":[1,2]}", dropped[i], PARIS_ROME);
        make_model("binary:logistic", 3, &(struct parts){"\"a\",\"b\",\"d\"", "\"c\",\"c\",\"c\"", cats, NULL, NULL});
        assert_non_null(model.categories);
        assert_int_equal(model.categories[0].count, 0);
        assert_told("", "1:1: " DEMANDED("a")); /* of that one only */
        struct bundle_spec s = imported("features: [{name: a, categories: [\xC3\xB6, ok, \xD8\xB3]}]\n");
        assert_feature(&s.features[0], "a", BUNDLE_CATEGORY, 3);
        assert_true(str_is(s.features[0].categories[0], "\xC3\xB6") && str_is(s.features[0].categories[2], "\xD8\xB3"));
        assert_true(str_is(s.features[1].categories[0], "Paris"));
        assert_feature(&s.features[2], "d", BUNDLE_CATEGORY, 2);
    }
}

/* A name that no bundle may have is told, not dropped. */
static void category_names_that_a_bundle_cannot_have(void **state)
{
    (void)state;
    static const struct {
        const char *cats, *finding;
    } all[] = {
        {"{\"offsets\":[0,1,1],\"values\":[97]}", "1:1: expected 1 to 256 bytes of text on one line"},
        {"{\"offsets\":[0,1,2],\"values\":[97,10]}", "1:1: expected 1 to 256 bytes of text on one line"},
        {"{\"offsets\":[0,1,2],\"values\":[97,97]}", "1:1: category 'a' stands in the list twice"},
        {"{\"values\":[1,2,1]}", "1:1: category '1' stands in the list twice"},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        make_model("binary:logistic", 1, &(struct parts){"\"a\"", "\"c\"", all[i].cats, NULL, NULL});
        assert_told("", all[i].finding);
    }
    const char *many = "0";
    for (int i = 1; i <= BUNDLE_CATEGORIES_MAX; i++)
        many = i % 512 ? arena_printf(&arena, "%s,%d", many, i) : arena_printf(&arena, "%s, %d", many, i);
    make_model("binary:logistic", 1,
               &(struct parts){"\"a\"", "\"c\"", arena_printf(&arena, "{\"values\":[%s]}", many), NULL, NULL});
    assert_told("", "1:1: 4097 categories; allowed: 1 to 4096");
}

static void category_names_that_cannot_be_read(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "{\"offsets\":[0,3,2],\"values\":[97,98,99]}",  "{\"offsets\":[0,4],\"values\":[97,98,99]}",
        "{\"offsets\":[-1,2],\"values\":[97,98,99]}",   "{\"offsets\":[0,1.5],\"values\":[97,98,99]}",
        "{\"offsets\":[0,1],\"values\":[256]}",         "{\"offsets\":[0,1],\"values\":[-129]}",
        "{\"offsets\":[0,1],\"values\":[\"a\"]}",       "{\"offsets\":[0,1],\"values\":\"a\"}",
        "{\"offsets\":[0,1]}",                          "{\"offsets\":2,\"values\":[97]}",
        "{\"values\":[\"a\"]}",                         "{\"values\":[[1]]}",
        "{}",                                           "[1]",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct error e = {0};
        int rc = read_model("binary:logistic", 1, &(struct parts){"\"a\"", "\"c\"", bad[i], NULL, NULL}, &e);
        if (rc != ERR_INVALID)
            fail_msg("%s: %d", bad[i], rc);
        assert_string_equal(e.text, "not a model that can be served: its category names cannot be read");
    }
    struct error e = {0};
    assert_int_equal(read_model("binary:logistic", 2, &(struct parts){NULL, NULL, PARIS_ROME, NULL, NULL}, &e), ERR_INVALID);
    assert_string_equal(e.text, "not a model that can be served: its category names are not those of its features");
    make_model("binary:logistic", 2, &(struct parts){NULL, NULL, "", NULL, NULL}); /* none of any */
    assert_null(model.categories);
}

/* ---- what comes of it ---- */

static void what_was_imported_loads(void **state)
{
    (void)state;
    make_model("binary:logistic", FEATURES, &whole);
    struct bundle_spec s = imported("features: [{name: city, from: action}]\n");
    const float rows[2 * FEATURES] = {0.25f, 1, 0, 3, NAN, NAN, 1, 8}, margins[2] = {-1, -1};
    struct error e = {0};
    if (bundle_write(folder, &s, &bytes, rows, margins, 2, &e))
        fail_msg("%s", e.text);
    struct bundle *b = must_load();
    struct bundle_spec with_hash = s;
    struct bundle_arm arm = *s.arms;
    arm.has_model_hash = true;
    arm.model_hash = hash128(bytes.p, bytes.n);
    with_hash.arms = &arm;
    assert_same(&with_hash, bundle_spec(b));
    assert_true(str_eq(bundle_model(b, 0), bytes));
    bundle_free(&b);
    /* A description changed afterwards, by which one category would be scored as another. */
    struct str *categories = s.features[2].categories, first = categories[0];
    s.features[2].categories = arena_memdup(&arena, categories, 2 * sizeof *categories);
    s.features[2].categories[0] = categories[1];
    s.features[2].categories[1] = first;
    s.features[2].sorted = NULL;
    assert_int_equal(bundle_write(arena_printf(&arena, "%s-turned", folder), &s, &bytes, rows, margins, 2, &e), ERR_INVALID);
    assert_non_null(strstr(e.text, "feature 'city': 'Paris' is category 1 here, but 0 in model.json"));
}

static void assert_golden(const struct bundle_spec *s, float first, float second, const char *finding)
{
    static const float rows[2 * FEATURES] = {0.25f, 1, 0, 3, 0.75f, 0, 1, 8};
    float expected[2] = {first, second};
    struct golden g = {.n = 2, .rows = (float *)rows, .expected = expected, .predictions = true};
    struct error e = {0};
    const char *where =
        arena_printf(&arena, "%s.%.*s,%.9g,%.9g", folder, STR_ARG(s->objective), (double)first, (double)second);
    int rc = bundle_write_golden(where, s, &bytes, &g, &e);
    if (rc != (finding ? ERR_INVALID : 0) || (finding && !strstr(e.text, finding)))
        fail_msg("%g, %g: %d %s", (double)first, (double)second, rc, e.text);
}

/* What predict gives: of multi:softmax the number of the class, of (nearly) equal ones any. The margins are −0.5, 0.5, 0.5 and
 * 1.5, 0.5, 0.5. */
static void predictions_of_classes(void **state)
{
    (void)state;
    const float chances[2] = {(float)(1 / (2 + exp(-1))), (float)(1 / (2 + exp(1)))};
    make_model("multi:softmax", FEATURES, &(struct parts){NAMES, TYPES, CATS, "3", NULL});
    struct bundle_spec s = imported("output: 2\n");
    assert_golden(&s, 1, 0, NULL);
    assert_golden(&s, 2, 0, NULL);
    assert_golden(&s, 0, 0, "golden row 1: prediction is 0 here, but the model gives 1");
    assert_golden(&s, 1, 1, "golden row 2: prediction is 1 here, but the model gives 0");
    assert_golden(&s, 1, 3, "golden row 1: prediction is 1 here, but the model gives 0.422318");
    assert_golden(&s, chances[0], chances[1], NULL);
    assert_golden(&s, chances[1], chances[0], "2 errors");
    make_model("multi:softprob", FEATURES, &(struct parts){NAMES, TYPES, CATS, "3", NULL});
    s = imported("output: 2\n");
    assert_golden(&s, chances[0], chances[1], NULL);
    assert_golden(&s, 1, 0, "golden row 1: prediction is 1 here, but the model gives 0.422318");
}

/* A prediction that jumps is taken either way where the margin is within the tolerance of the jump. */
static void predictions_that_jump(void **state)
{
    (void)state;
    static const struct {
        const char *objective;
        float margins[3], expected;
        double given;
    } all[] = {
        {"binary:hinge", {1e-6f}, 0, 0},         {"binary:hinge", {1e-6f}, 1, 1},       {"binary:hinge", {-1e-6f}, 1, 1},
        {"binary:hinge", {-1e-4f}, 1, 0},        {"binary:hinge", {1e-4f}, 0, 1},       {"binary:hinge", {1e-6f}, 0.5f, 1},
        {"multi:softmax", {3, 3.00002f, 2}, 0, 0}, {"multi:softmax", {3, 3.0001f, 2}, 0, 1}, {"multi:softmax", {3, 3.00002f, 2}, 1, 1},
        {"multi:softmax", {3, 3.00002f, 2}, 2, 1},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        bool several = all[i].objective[0] == 'm';
        struct bundle_spec s = {.of = objective_find(str_from(all[i].objective)), .outputs = several ? 3 : 1};
        struct golden g = {.predictions = true, .classes = several};
        assert_non_null(s.of);
        assert_true(golden_given(&g, &s, all[i].margins, 0, all[i].expected) == all[i].given);
    }
}

/* However little memory there is: a whole description, or a finding. Of a file with few features and no categories, since two
 * more are not so:
 *   where the list of all features does not fit, but the rest does (thousands of features, few of them listed), what a person
 *   listed is taken for all of them, and nothing is said;
 *   where a feature's categories do not fit, it is left without any, and nothing is said (bundle_spec_read does that).
 * Expected of both is a finding that more memory is needed. */
static void little_memory(void **state)
{
    (void)state;
    make_model("binary:logistic", FEATURES, &(struct parts){NAMES, NULL, NULL, NULL, NULL});
    bool ok = false;
    size_t limit = 0, told_here = 0, told_so = 0, failed = 0;
    for (; !ok; limit += 48) {
        struct arena_mark mark = arena_mark(&arena);
        struct bundle_spec s;
        struct arena small;
        arena_init(&small, limit);
        ok = import_into(&s, "features: [{name: visits}]\n", &small);
        assert_true(ok == (diags.errors == 0));
        assert_true(!ok || s.feature_count == FEATURES);
        told_here += strstr(told(), "1:1: the description needs more memory than is allowed") != NULL;
        told_so += strstr(told(), "more memory than is allowed") != NULL;
        failed += !ok;
        if (ok)
            assert_reads_back(&s);
        arena_free(&small);
        arena_rewind(&arena, mark);
    }
    assert_true(limit > 1000);
    assert_int_equal(told_so, failed);
    assert_true(told_here > failed / 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(all_from_the_file),
        TEST(what_is_listed_stays),
        TEST(what_a_person_says_stays),
        TEST(types_of_features),
        TEST(a_file_without_names),
        TEST(labels_of_objectives),
        TEST(several_outputs),
        TEST(findings_about_the_whole),
        TEST(findings_about_features),
        TEST(category_names),
        TEST(category_names_beyond_ascii),
        TEST(category_names_that_a_bundle_cannot_have),
        TEST(category_names_that_cannot_be_read),
        TEST(what_was_imported_loads),
        TEST(predictions_of_classes),
        TEST(predictions_that_jump),
        TEST(little_memory),
    };
    return cmocka_run_group_tests(tests, bundle_top_make, bundle_top_remove);
}
