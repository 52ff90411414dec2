/* train.yaml: what is read, what the defaults are, and the exact words for each mistake.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "models/offline/train_config.h"
#include "models/offline/train_params.h"
#include <stdio.h>

static struct tzdb *zones;
static struct arena arena;

static int open_zones(void **state)
{
    (void)state;
    struct error e = {0};
    arena_init(&arena, 64 << 20);
    return tzdb_load(&zones, NULL, &e);
}

static int close_zones(void **state)
{
    (void)state;
    tzdb_free(&zones);
    arena_free(&arena);
    return 0;
}

/* All findings, one a line, as "line:column: text". */
static bool read_text(const char *text, struct train_config *c, char *findings, size_t size)
{
    struct diags d;
    diags_init(&d, &arena);
    struct yaml_node *root = yaml_read("t.yaml", str_from(text), &arena, &d);
    bool good = root && train_config_read(c, root, zones, &arena, &d);
    assert_true(good == (d.errors == 0));
    size_t n = 0;
    findings[0] = 0;
    for (size_t i = 0; i < d.count && n < size; i++)
        n += (size_t)snprintf(findings + n, size - n, "%s%d:%d: %s", i ? "\n" : "", d.items[i].line,
                              d.items[i].column, d.items[i].text);
    return good;
}

static void good(const char *text, struct train_config *c)
{
    char findings[4096];
    if (!read_text(text, c, findings, sizeof findings))
        fail_msg("%s", findings);
}

/* The findings of a text are exactly these. */
static void expect(const char *text, const char *expected)
{
    struct train_config c;
    char findings[8192];
    read_text(text, &c, findings, sizeof findings);
    if (strcmp(findings, expected) != 0)
        fail_msg("of:\n%s\ngot:\n%s\nexpected:\n%s", text, findings, expected);
}

#define LEAST "name: n\nkind: propensity\nlabel: {column: y}\nfeatures: [{name: a, type: number}]\n"
#define UPLIFT "name: n\nkind: t_learner\nlabel: {column: y}\nfeatures: [{name: a, type: number}]\n"

static void test_defaults(void **state)
{
    (void)state;
    struct train_config c;
    good(LEAST, &c);
    assert_true(str_is(c.version, "1") && c.kind == BUNDLE_PROPENSITY && c.label_type == BUNDLE_BINARY);
    assert_true(str_is(c.label_column, "y") && str_is(c.label_text, "y"));
    assert_true(c.rounds == 200 && c.patience == 0 && c.folds == 0 && c.aside == 0);
    assert_true(c.test == 0.25 && c.split_seed == 1 && c.seed == 1);
    assert_string_equal(train_param(&c, "eta"), "0.1");
    assert_string_equal(train_param(&c, "max_depth"), "3");
    assert_string_equal(train_param(&c, "min_child_weight"), "20");
    assert_string_equal(train_param(&c, "lambda"), "1");
    assert_string_equal(train_param(&c, "subsample"), "1");
    assert_true(c.calibration == CALIBRATION_NONE && c.cost_count == 1 && c.costs[0] == 0);
    assert_true(c.p_from == P_SHARES && c.feature_count == 1 && str_is(c.features[0].column, "a"));
    good(LEAST "model: {max_depth: 5}\ncalibration: platt\n", &c);
    assert_true(c.param_count == 1 && c.rounds == 200 && c.aside == 0.2);
}

static void test_all_of_it(void **state)
{
    (void)state;
    struct train_config c;
    good("name: n\nversion: \"7\"\nkind: s_learner\n"
         "data: {separator: tab, missing: [NA, null], time_zone: Asia/Tehran}\n"
         "label: {column: spend, type: money, text: spend in two weeks}\n"
         "action: {column: seg, map: {\"Mens E-Mail\": mens, W: womens}, silence: [No, \"\"]}\n"
         "action_probability: {by_action: {mens: 0.3, womens: 0.3, silence: 0.4}}\n"
         "time: {column: t}\ncustomer: {column: id}\nweight: {column: w}\n"
         "features:\n"
         "  - {name: a, type: number, unit: days}\n"
         "  - {name: c, type: category, categories: [x, y]}\n"
         "  - {name: id, from: action, type: category}\n"
         "  - {name: discount, from: action, type: number}\n"
         "  - {name: pair, from: pair, type: bool, column: p}\n"
         "  - {name: day, column: t, type: date, part: day_of_week, time_zone: Europe/Rome}\n"
         "  - {name: tenure, column: j, type: date, part: age, until: time}\n"
         "  - {name: old, column: j, type: date, part: age, until: 2025-01-31}\n"
         "  - {name: gap, column: j, type: date, part: age, until: k}\n"
         "split: {test: 0.5, seed: 9}\naside: 0.3\n"
         "model: {objective: reg:tweedie, rounds: 30, eta: 0.05, tweedie_variance_power: 1.2, one_drop: "
         "true}\n"
         "early_stopping: {rounds: 5}\ncross_validation: {folds: 3}\nmonotone: {a: decreasing, pair: "
         "increasing}\n"
         "calibration: isotonic\ncosts: [0, 0.1]\nseed: 4\n",
         &c);
    assert_true(c.separator == '\t' && c.missing_count == 2 && str_is(c.missing[1], "null"));
    assert_true(c.text_count == 4 && str_is(c.texts[0].action, "mens") &&
                str_is(c.texts[3].action, "silence"));
    assert_true(c.p_from == P_BY_ACTION && c.share_count == 3 && c.shares[2].p == 0.4);
    assert_true(c.features[0].monotone == -1 && c.features[4].monotone == 1);
    assert_true(c.features[1].category_count == 2 && c.features[2].is_id);
    assert_true(str_is(c.features[3].column, "action.discount") && str_is(c.features[4].column, "p"));
    assert_true(c.features[5].is_date && c.features[5].part == PART_DAY_OF_WEEK);
    assert_true(str_is(tz_name(c.features[5].zone), "Europe/Rome") && str_is(tz_name(c.zone), "Asia/Tehran"));
    assert_true(c.features[6].until == UNTIL_TIME && c.features[8].until == UNTIL_COLUMN);
    assert_true(c.features[7].until == UNTIL_INSTANT && c.features[7].until_ms == 1738269000000);
    assert_true(str_is(c.objective, "reg:tweedie") && c.rounds == 30 && c.param_count == 3);
    assert_string_equal(train_param(&c, "one_drop"), "1");
    assert_true(c.patience == 5 && c.folds == 3 && c.aside == 0.3 && c.seed == 4 && c.split_seed == 9);
}

static void test_mistakes_at_the_top(void **state)
{
    (void)state;
    expect("{}", "1:1: a training needs 'name'\n1:1: a training needs 'kind'\n1:1: a training needs 'label'\n"
                 "1:1: a training needs 'features'");
    expect("- a", "1:1: expected a mapping for a training, got a list");
    expect(
        LEAST "calibraton: platt\n",
        "5:1: unknown key 'calibraton' in a training; did you mean calibration? allowed: name, version, "
        "kind, "
        "data, label, action, action_probability, time, customer, weight, class_weight, features, monotone, "
        "split, aside, model, early_stopping, cross_validation, calibration, costs, seed");
    expect("name: n\nkind: tlearner\nlabel: {column: y}\nfeatures: [{name: a, type: number}]\n",
           "2:7: expected propensity, s_learner, t_learner or transformed, got 'tlearner'; did you mean "
           "t_learner?");
    expect(UPLIFT, "2:7: t_learner needs 'action'");
    expect(UPLIFT "action: {column: s}\n",
           "5:9: t_learner needs the texts of rows without a contact: silence: [\"…\"]");
    expect(UPLIFT "action: {column: s, silence: []}\n", "5:30: the list of silence is empty");
    expect(LEAST "action_probability: shares\n", "5:1: action_probability needs 'action'");
    expect(LEAST "aside: 0.1\n",
           "5:1: aside has no use without early_stopping or calibration; all training rows are trained on");
    expect(LEAST "costs: [0]\n", "5:8: costs are for s_learner, t_learner and transformed");
    expect(UPLIFT "action: {column: s, silence: [n]}\ncosts: [-1]\n",
           "6:9: expected a number of at least 0, got '-1'");
    expect(LEAST "split: {test: 0.95}\nseed: x\n", "5:15: expected a number from 0.01 to 0.9, got '0.95'\n"
                                                   "6:7: expected a whole number of at least 0, got 'x'");
    expect(LEAST "data: {separator: x, missing: NA, time_zone: Asia/Teheran}\n",
           "5:19: expected \",\", \";\", \"|\" or tab for separator\n5:31: expected a list for missing, got "
           "'NA'\n"
           "5:46: unknown time zone 'Asia/Teheran'; did you mean Asia/Tehran? names are IANA's, e.g. "
           "Europe/Rome");
    expect(LEAST "time: {}\ncustomer: c\nweight: {colum: w}\n",
           "5:7: time needs 'column'\n6:11: expected a mapping for customer, got 'c'\n"
           "7:10: unknown key 'colum' in weight; did you mean column? allowed: column");
}

static void test_mistakes_of_labels_and_actions(void **state)
{
    (void)state;
#define LABEL(x) "name: n\nkind: propensity\nlabel: " x "\nfeatures: [{name: a, type: number}]\n"
    expect(LABEL("{}"), "3:8: label needs 'column'");
    expect(LABEL("{column: y, positive: a}"), "3:8: label needs 'negative' where 'positive' is given");
    expect(LABEL("{column: y, positive: a, negative: a}"), "3:43: positive and negative are the same text");
    expect(LABEL("{column: y, type: count, positive: a, negative: b}"),
           "3:33: positive and negative are for type binary only");
    expect(LABEL("{column: y, type: bin}"), "3:26: expected binary, count or money, got 'bin'");
    expect(LABEL("{column: y, type: money}") "calibration: platt\nclass_weight: balanced\n",
           "6:15: class_weight is for binary labels of kinds that predict the label\n"
           "5:14: platt is for binary labels; allowed here: none or isotonic");
    expect(LEAST "class_weight: heavy\n", "5:15: expected balanced or {positive: NUMBER} for class_weight");
    expect(LEAST "action: {map: {A: a, B: silence, A: c}, silence: [A, N]}\n",
           "5:34: duplicate key 'A'; it stands at line 5 already\n5:9: action needs 'column'\n"
           "5:25: no action may be called silence; texts of rows without a contact stand in action.silence\n"
           "5:51: 'A' stands at line 5 already");
    expect(LEAST "action: {column: s, map: {}}\n",
           "5:26: the map of actions is empty; without a map the texts are action ids");
#define P(x) LEAST "action: {column: s, map: {M: mens}, silence: [N]}\naction_probability: " x "\n"
    const char *form =
        "6:21: expected shares, a number between 0 and 1 (neither included), {column: NAME} or "
        "{by_action: {ACTION: NUMBER}}";
    expect(P("0"), form);
    expect(P("1"), form);
    expect(P("-0.5"), form);
    expect(P("share"), form);
    expect(P("{}"), "6:21: action_probability needs either 'column' or 'by_action'");
    expect(P("{by_action: {men: 0.5, silence: 0.2}}"),
           "6:39: by_action: no action of the map is called 'men'; did you mean mens?");
    expect(P("{by_action: {mens: 0, silence: 1.5}}"),
           "6:40: an action probability lies between 0 and 1, neither included\n"
           "6:52: expected a number from 0 to 1, got '1.5'");
    expect(P("{by_action: {mens: 0.7, silence: 0.4}}"),
           "6:33: the probabilities of by_action sum to 1.1; at most 1 is possible");
}

static void test_mistakes_of_features(void **state)
{
    (void)state;
#define F(x) "name: n\nkind: propensity\nlabel: {column: y}\nfeatures:\n  - " x "\n"
    expect(F("{type: number}"), "5:5: a feature needs 'name'");
    expect(F("{name: a}"), "5:5: a feature needs 'type': number, bool, category or date");
    expect(F("{name: a, type: numeric}"), "5:21: expected number, bool, category or date, got 'numeric'");
    expect(
        F("{name: a, type: number, form: pair}"),
        "5:29: unknown key 'form' in a feature; did you mean from? allowed: name, column, from, type, unit, "
        "categories, part, until, time_zone");
    expect(F("{name: a, type: number}\n  - {name: a, type: bool}"),
           "6:12: duplicate feature 'a'; it stands at line 5 already");
    expect(F("{name: a, type: number, categories: [x], part: month}"),
           "5:46: part is for type date only\n5:41: categories are for type category only");
    expect(F("{name: a, type: category, categories: [x, y, x]}"),
           "5:50: category 'x' stands in the list twice");
    expect(F("{name: a, type: category, categories: []}"), "5:43: 0 categories; allowed: 1 to 4096");
    expect(F("{name: a, type: date}"), "5:5: a feature of type date needs 'part': full_year, month, date, "
                                       "day_of_week, day_of_year, hours or age");
    expect(F("{name: a, type: date, part: weekday}"),
           "5:33: expected full_year, month, date, day_of_week, day_of_year, hours or age, got 'weekday'");
    expect(F("{name: a, type: date, part: age}"),
           "5:33: part age needs 'until': a column, time, or a date as 2025-01-31");
    expect(F("{name: a, type: date, part: age, until: time}"),
           "5:45: until: time needs 'time: {column: …}' at the top of the file");
    expect(F("{name: a, type: date, part: month, until: b}"), "5:40: until is for part age only");
    expect(F("{name: id, from: action, type: number}"),
           "5:5: the action's id is of type category\n"
           "5:5: the action's id needs 'action: {column: …}' at the top of the file");
    expect("name: n\nkind: t_learner\nlabel: {column: y}\naction: {column: s, silence: [n]}\n"
           "features: [{name: a, from: pair, type: number}]\n",
           "5:28: this kind has a model for each action, over features from: customer only");
    expect("name: n\nkind: s_learner\nlabel: {column: y}\naction: {column: s, silence: [n]}\n"
           "features: [{name: a, type: number}]\n",
           "5:11: s_learner needs the action among its features: {name: id, from: action, type: category}");
    expect(
        F("{name: recency, type: category}\n  - {name: b, type: number}") "monotone: {recenc: increasing, "
                                                                          "recency: increasing, b: down}\n",
        "7:12: no feature is called 'recenc'; did you mean recency?\n"
        "7:32: categories have no order; monotone is for numbers and bools\n"
        "7:56: expected increasing or decreasing, got 'down'");
}

static void test_mistakes_of_the_model(void **state)
{
    (void)state;
    expect(
        LEAST "model: {max_dept: 3}\n",
        "5:9: XGBoost has no parameter 'max_dept' that may be set here; did you mean max_depth? allowed: "
        "rounds, objective, alpha, booster, colsample_bylevel, colsample_bynode, colsample_bytree, eta, "
        "gamma, "
        "grow_policy, lambda, learning_rate, max_bin, max_cat_threshold, max_cat_to_onehot, max_delta_step, "
        "max_depth, max_leaves, min_child_weight, min_split_loss, normalize_type, one_drop, rate_drop, "
        "reg_alpha, reg_lambda, sample_type, scale_pos_weight, skip_drop, subsample, tree_method or "
        "tweedie_variance_power");
    expect(
        LEAST "model: {nthread: 4, seed: 1}\n",
        "5:9: nthread cannot be set under model; training uses one thread, so that it can be repeated bit by "
        "bit\n5:21: seed cannot be set under model; write seed: at the top of the file");
    expect(LEAST "model: {rounds: 0, eta: 2, max_depth: 3.5, tree_method: fast, one_drop: 1}\n",
           "5:17: expected a whole number from 1 to 10000, got '0'\n"
           "5:25: expected a number from 1e-06 to 1, got '2'\n"
           "5:39: expected a whole number from 1 to 30, got '3.5'\n"
           "5:57: expected hist, approx or exact, got 'fast'\n5:73: expected true or false, got '1'");
    expect(LEAST "model: {objective: reg:squarederror}\n",
           "5:20: expected binary:logistic, got 'reg:squarederror'");
    expect(LEAST "model: {booster: dart}\nearly_stopping: {rounds: 5}\n",
           "6:17: early_stopping needs booster gbtree: with dart, later rounds change earlier trees");
    expect(LEAST "early_stopping: {round: 5}\ncross_validation: {folds: 1}\ncalibration: plat\n",
           "5:18: unknown key 'round' in early_stopping; did you mean rounds? allowed: rounds\n"
           "6:27: expected a whole number from 2 to 50, got '1'\n"
           "7:14: expected none, platt or isotonic, got 'plat'; did you mean platt?");
    expect(
        "name: n\nkind: transformed\nlabel: {column: y}\naction: {column: s, silence: [n]}\n"
        "features: [{name: a, type: number}]\ncalibration: isotonic\nmodel: {objective: binary:logistic}\n",
        "7:20: expected reg:squarederror, got 'binary:logistic'\n"
        "6:14: calibration is not for kind transformed: nobody's true difference is known");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_all_of_it),
        cmocka_unit_test(test_mistakes_at_the_top),
        cmocka_unit_test(test_mistakes_of_labels_and_actions),
        cmocka_unit_test(test_mistakes_of_features),
        cmocka_unit_test(test_mistakes_of_the_model),
    };
    return cmocka_run_group_tests(tests, open_zones, close_zones);
}
