/* The sections of train.yaml, one function each, in a table in the order in which they need one another; see train_config.h.
 * Lists of features are in train_features.c, XGBoost's parameters in train_params.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/offline/train_config.h"
#include "models/offline/train_features.h"
#include "models/offline/train_params.h"
#include <math.h>

struct reader {
    struct train_config *c;
    const struct yaml_node *root;
    const struct tzdb *zones;
    struct arena *arena;
    struct diags *d;
};

static void full(struct reader *r, const struct yaml_node *at)
{
    yaml_diag(r->d, DIAG_ERROR, at, "the file needs more memory than is allowed for loading");
}

/* A column's name, or text as a mapping's only value: {column: NAME}. */
static void read_column(struct reader *r, const struct yaml_node *n, const char *what, struct str *out)
{
    static const char *const keys[] = {"column", NULL};
    if (!yaml_expect(r->d, n, YAML_MAPPING, what))
        return;
    yaml_known_keys(r->d, n, what, keys);
    const struct yaml_node *column = yaml_get(n, "column");
    if (column)
        train_text_read(out, column, r->d);
    else
        yaml_diag(r->d, DIAG_ERROR, n, "%s needs 'column'", what);
}

static void read_name(struct reader *r, const struct yaml_node *n)
{
    train_text_read(&r->c->name, n, r->d);
}

static void read_version(struct reader *r, const struct yaml_node *n)
{
    train_text_read(&r->c->version, n, r->d);
}

static void read_kind(struct reader *r, const struct yaml_node *n)
{
    static const char *const kinds[] = {"propensity", "s_learner", "t_learner", "transformed", NULL};
    size_t kind = BUNDLE_PROPENSITY;
    yaml_choice(r->d, n, kinds, &kind);
    r->c->kind = (enum bundle_kind)kind;
}

/* ---- the table ---- */

static void read_separator(struct reader *r, const struct yaml_node *n)
{
    bool one = n->kind == YAML_SCALAR && n->text.n == 1 && strchr(",;|\t", n->text.p[0]);
    if (one)
        r->c->separator = n->text.p[0];
    else if (n->kind == YAML_SCALAR && str_is(n->text, "tab"))
        r->c->separator = '\t';
    else
        yaml_diag(r->d, DIAG_ERROR, n, "expected \",\", \";\", \"|\" or tab for separator");
}

static void read_missing(struct reader *r, const struct yaml_node *n)
{
    struct train_config *c = r->c;
    if (!yaml_expect(r->d, n, YAML_SEQUENCE, "missing"))
        return;
    if (n->count > TRAIN_MISSING_MAX) {
        yaml_diag(r->d, DIAG_ERROR, n, "%zu words for missing values; at most %d are allowed", n->count,
                  TRAIN_MISSING_MAX);
        return;
    }
    c->missing = arena_zalloc(r->arena, n->count * sizeof *c->missing);
    if (!c->missing) {
        full(r, n);
        return;
    }
    for (size_t i = 0; i < n->count; i++) /* null here is the word that stands there */
        if (n->items[i]->kind == YAML_SCALAR)
            c->missing[c->missing_count++] = n->items[i]->text;
        else
            yaml_expect(r->d, n->items[i], YAML_SCALAR, "a word for missing values");
}

static void read_data(struct reader *r, const struct yaml_node *n)
{
    static const char *const keys[] = {"separator", "missing", "time_zone", NULL};
    if (!yaml_expect(r->d, n, YAML_MAPPING, "data"))
        return;
    yaml_known_keys(r->d, n, "data", keys);
    const struct yaml_node *separator = yaml_get(n, "separator"), *missing = yaml_get(n, "missing");
    const struct yaml_node *zone = yaml_get(n, "time_zone");
    if (separator)
        read_separator(r, separator);
    if (missing)
        read_missing(r, missing);
    if (zone)
        train_zone_read(&r->c->zone, zone, r->zones, r->d);
}

static void read_label(struct reader *r, const struct yaml_node *n)
{
    static const char *const keys[] = {"column", "type", "positive", "negative", "text", NULL};
    static const char *const types[] = {"binary", "count", "money", NULL};
    struct train_config *c = r->c;
    size_t type = BUNDLE_BINARY;
    if (!yaml_expect(r->d, n, YAML_MAPPING, "label"))
        return;
    yaml_known_keys(r->d, n, "label", keys);
    const struct yaml_node *column = yaml_get(n, "column"), *positive = yaml_get(n, "positive");
    const struct yaml_node *negative = yaml_get(n, "negative"), *text = yaml_get(n, "text");
    if (yaml_get(n, "type"))
        yaml_choice(r->d, yaml_get(n, "type"), types, &type);
    c->label_type = (enum bundle_label)type;
    if (!column)
        yaml_diag(r->d, DIAG_ERROR, n, "label needs 'column'");
    else if (train_text_read(&c->label_column, column, r->d))
        c->label_text = c->label_column;
    if (text)
        train_text_read(&c->label_text, text, r->d);
    if (type != BUNDLE_BINARY && (positive || negative)) {
        yaml_diag(r->d, DIAG_ERROR, yaml_key(n, positive ? "positive" : "negative"),
                  "positive and negative are for type binary only");
        return;
    }
    if (!positive != !negative)
        yaml_diag(r->d, DIAG_ERROR, n, "label needs '%s' where '%s' is given",
                  positive ? "negative" : "positive", positive ? "positive" : "negative");
    bool both = positive && negative && train_text_read(&c->positive, positive, r->d) &&
                train_text_read(&c->negative, negative, r->d);
    if (both && str_eq(c->positive, c->negative))
        yaml_diag(r->d, DIAG_ERROR, negative, "positive and negative are the same text");
}

/* ---- actions ---- */

static void add_text(struct reader *r, const struct yaml_node *at, struct str text, struct str action)
{
    struct train_config *c = r->c;
    for (size_t i = 0; i < c->text_count; i++)
        if (str_eq(c->texts[i].text, text)) {
            yaml_diag(r->d, DIAG_ERROR, at, "'%.*s' stands at line %d already", STR_ARG(text),
                      c->texts[i].line);
            return;
        }
    c->texts[c->text_count++] = (struct train_text){text, action, at->line, at->column};
}

static void read_map(struct reader *r, const struct yaml_node *n)
{
    if (!yaml_expect(r->d, n, YAML_MAPPING, "map"))
        return;
    r->c->has_map = true;
    if (n->count == 0)
        yaml_diag(r->d, DIAG_ERROR, n, "the map of actions is empty; without a map the texts are action ids");
    for (size_t i = 0; i < n->count; i++) {
        struct str action;
        if (!train_text_read(&action, n->items[i], r->d))
            continue;
        if (str_is(action, BUNDLE_SILENCE))
            yaml_diag(r->d, DIAG_ERROR, n->items[i],
                      "no action may be called %s; texts of rows without a contact stand in action.silence",
                      BUNDLE_SILENCE);
        else if (!n->keys[i]->repeated)
            add_text(r, n->keys[i], n->keys[i]->text, action);
    }
}

static void read_silence(struct reader *r, const struct yaml_node *n)
{
    if (!yaml_expect(r->d, n, YAML_SEQUENCE, "silence"))
        return;
    r->c->has_silence = n->count > 0;
    for (size_t i = 0; i < n->count; i++) {
        if (n->items[i]->kind != YAML_SCALAR)
            yaml_expect(r->d, n->items[i], YAML_SCALAR, "a text of silence");
        else
            add_text(r, n->items[i], n->items[i]->text, STR(BUNDLE_SILENCE));
    }
}

static void read_action(struct reader *r, const struct yaml_node *n)
{
    static const char *const keys[] = {"column", "map", "silence", NULL};
    struct train_config *c = r->c;
    if (!yaml_expect(r->d, n, YAML_MAPPING, "action"))
        return;
    yaml_known_keys(r->d, n, "action", keys);
    const struct yaml_node *map = yaml_get(n, "map"), *silence = yaml_get(n, "silence");
    size_t most = (map ? map->count : 0) + (silence ? silence->count : 0);
    if (yaml_get(n, "column"))
        train_text_read(&c->action_column, yaml_get(n, "column"), r->d);
    else
        yaml_diag(r->d, DIAG_ERROR, n, "action needs 'column'");
    if (most > TRAIN_TEXTS_MAX) {
        yaml_diag(r->d, DIAG_ERROR, n, "%zu texts of actions; at most %d are allowed", most, TRAIN_TEXTS_MAX);
        return;
    }
    c->texts = arena_zalloc(r->arena, most * sizeof *c->texts);
    if (!c->texts) {
        full(r, n);
        return;
    }
    if (map)
        read_map(r, map);
    if (silence)
        read_silence(r, silence);
}

static void read_shares(struct reader *r, const struct yaml_node *n)
{
    struct train_config *c = r->c;
    if (!yaml_expect(r->d, n, YAML_MAPPING, "by_action"))
        return;
    if (n->count > TRAIN_TEXTS_MAX) {
        yaml_diag(r->d, DIAG_ERROR, n, "%zu actions; at most %d are allowed", n->count, TRAIN_TEXTS_MAX);
        return;
    }
    c->shares = arena_zalloc(r->arena, n->count * sizeof *c->shares);
    if (!c->shares) {
        full(r, n);
        return;
    }
    double sum = 0;
    bool good = true;
    for (size_t i = 0; i < n->count; i++) {
        const struct yaml_node *at = n->items[i];
        struct train_share *s = &c->shares[c->share_count++];
        *s = (struct train_share){n->keys[i]->text, 0, at->line, at->column};
        bool read = yaml_double(r->d, at, 0, 1, &s->p);
        if (read && (s->p <= 0 || s->p >= 1)) {
            yaml_diag(r->d, DIAG_ERROR, at, "an action probability lies between 0 and 1, neither included");
            read = false;
        }
        good = good && read;
        sum += s->p;
    }
    if (good && sum > 1 + 1e-6)
        yaml_diag(r->d, DIAG_ERROR, n, "the probabilities of by_action sum to %.6g; at most 1 is possible",
                  sum);
    c->p_from = P_BY_ACTION;
}

static void read_probability(struct reader *r, const struct yaml_node *n)
{
    static const char *const keys[] = {"column", "by_action", NULL};
    struct train_config *c = r->c;
    if (n->kind == YAML_SCALAR && str_is(n->text, "shares")) {
        c->p_from = P_SHARES;
        return;
    }
    if (n->kind == YAML_MAPPING) {
        yaml_known_keys(r->d, n, "action_probability", keys);
        const struct yaml_node *column = yaml_get(n, "column"), *by = yaml_get(n, "by_action");
        if (!column == !by)
            yaml_diag(r->d, DIAG_ERROR, n, "action_probability needs either 'column' or 'by_action'");
        else if (by)
            read_shares(r, by);
        else if (train_text_read(&c->p_column, column, r->d))
            c->p_from = P_COLUMN;
        return;
    }
    if (!yaml_is_number(n, &c->p) || c->p <= 0 || c->p >= 1)
        yaml_diag(
            r->d, DIAG_ERROR, n,
            "expected shares, a number between 0 and 1 (neither included), {column: NAME} or {by_action: "
            "{ACTION: NUMBER}}");
    c->p_from = P_NUMBER;
}

/* ---- columns of their own, weights ---- */

static void read_time(struct reader *r, const struct yaml_node *n)
{
    read_column(r, n, "time", &r->c->time_column);
}

static void read_customer(struct reader *r, const struct yaml_node *n)
{
    read_column(r, n, "customer", &r->c->customer_column);
}

static void read_weight(struct reader *r, const struct yaml_node *n)
{
    read_column(r, n, "weight", &r->c->weight_column);
}

static void read_class_weight(struct reader *r, const struct yaml_node *n)
{
    static const char *const keys[] = {"positive", NULL};
    struct train_config *c = r->c;
    if (c->label_type != BUNDLE_BINARY || c->kind == BUNDLE_TRANSFORMED)
        yaml_diag(r->d, DIAG_ERROR, n, "class_weight is for binary labels of kinds that predict the label");
    if (n->kind == YAML_SCALAR && str_is(n->text, "balanced")) {
        c->balanced = true;
        return;
    }
    if (n->kind != YAML_MAPPING) {
        yaml_diag(r->d, DIAG_ERROR, n, "expected balanced or {positive: NUMBER} for class_weight");
        return;
    }
    yaml_known_keys(r->d, n, "class_weight", keys);
    if (yaml_get(n, "positive"))
        yaml_double(r->d, yaml_get(n, "positive"), 1e-6, 1e6, &c->positive_weight);
    else
        yaml_diag(r->d, DIAG_ERROR, n, "class_weight needs 'positive'");
}

static void read_features(struct reader *r, const struct yaml_node *n)
{
    train_features_read(r->c, n, r->zones, r->arena, r->d);
}

static void read_monotone(struct reader *r, const struct yaml_node *n)
{
    train_monotone_read(r->c, n, r->d);
}

/* ---- splits, training ---- */

static void read_split(struct reader *r, const struct yaml_node *n)
{
    static const char *const keys[] = {"test", "seed", NULL};
    int64_t seed = 1;
    if (!yaml_expect(r->d, n, YAML_MAPPING, "split"))
        return;
    yaml_known_keys(r->d, n, "split", keys);
    if (yaml_get(n, "test"))
        yaml_double(r->d, yaml_get(n, "test"), 0.01, 0.9, &r->c->test);
    if (yaml_get(n, "seed") && yaml_int(r->d, yaml_get(n, "seed"), 0, INT64_MAX, &seed))
        r->c->split_seed = (uint64_t)seed;
}

static void read_aside(struct reader *r, const struct yaml_node *n)
{
    yaml_double(r->d, n, 0.01, 0.9, &r->c->aside);
}

static void read_model(struct reader *r, const struct yaml_node *n)
{
    train_params_read(r->c, n, r->arena, r->d);
}

/* {KEY: whole number}. */
static void read_one_number(struct reader *r, const struct yaml_node *n, const char *what, const char *key,
                            int low, int high, int *out)
{
    const char *const keys[] = {key, NULL};
    int64_t v = 0;
    if (!yaml_expect(r->d, n, YAML_MAPPING, what))
        return;
    yaml_known_keys(r->d, n, what, keys);
    if (!yaml_get(n, key))
        yaml_diag(r->d, DIAG_ERROR, n, "%s needs '%s'", what, key);
    else if (yaml_int(r->d, yaml_get(n, key), low, high, &v))
        *out = (int)v;
}

static void read_early(struct reader *r, const struct yaml_node *n)
{
    read_one_number(r, n, "early_stopping", "rounds", 1, TRAINER_ROUNDS_MAX, &r->c->patience);
    const char *booster = train_param(r->c, "booster");
    if (booster && strcmp(booster, "dart") == 0)
        yaml_diag(r->d, DIAG_ERROR, n,
                  "early_stopping needs booster gbtree: with dart, later rounds change earlier trees");
}

static void read_folds(struct reader *r, const struct yaml_node *n)
{
    read_one_number(r, n, "cross_validation", "folds", 2, TRAIN_FOLDS_MAX, &r->c->folds);
}

static void read_calibration(struct reader *r, const struct yaml_node *n)
{
    static const char *const ways[] = {"none", "platt", "isotonic", NULL};
    size_t way = CALIBRATION_NONE;
    if (!yaml_choice(r->d, n, ways, &way))
        return;
    r->c->calibration = (enum calibration_kind)way;
    if (way == CALIBRATION_PLATT && r->c->label_type != BUNDLE_BINARY)
        yaml_diag(r->d, DIAG_ERROR, n, "platt is for binary labels; allowed here: none or isotonic");
    if (way != CALIBRATION_NONE && r->c->kind == BUNDLE_TRANSFORMED)
        yaml_diag(r->d, DIAG_ERROR, n,
                  "calibration is not for kind transformed: nobody's true difference is known");
}

static void read_costs(struct reader *r, const struct yaml_node *n)
{
    struct train_config *c = r->c;
    if (!yaml_expect(r->d, n, YAML_SEQUENCE, "costs"))
        return;
    if (n->count == 0 || n->count > TRAIN_COSTS_MAX) {
        yaml_diag(r->d, DIAG_ERROR, n, "%zu costs; allowed: 1 to %d", n->count, TRAIN_COSTS_MAX);
        return;
    }
    if (!train_is_uplift(c))
        yaml_diag(r->d, DIAG_ERROR, n, "costs are for s_learner, t_learner and transformed");
    c->cost_count = n->count;
    for (size_t i = 0; i < n->count; i++)
        yaml_double(r->d, n->items[i], 0, INFINITY, &c->costs[i]);
}

static void read_seed(struct reader *r, const struct yaml_node *n)
{
    int64_t seed;
    if (yaml_int(r->d, n, 0, INT64_MAX, &seed))
        r->c->seed = (uint64_t)seed;
}

/* In the order of reading: a section may look at those above it. */
static const struct section {
    const char *key;
    void (*read)(struct reader *r, const struct yaml_node *n);
    bool required;
} sections[] = {
    {"name", read_name, true},
    {"version", read_version, false},
    {"kind", read_kind, true},
    {"data", read_data, false},
    {"label", read_label, true},
    {"action", read_action, false},
    {"action_probability", read_probability, false},
    {"time", read_time, false},
    {"customer", read_customer, false},
    {"weight", read_weight, false},
    {"class_weight", read_class_weight, false},
    {"features", read_features, true},
    {"monotone", read_monotone, false},
    {"split", read_split, false},
    {"aside", read_aside, false},
    {"model", read_model, false},
    {"early_stopping", read_early, false},
    {"cross_validation", read_folds, false},
    {"calibration", read_calibration, false},
    {"costs", read_costs, false},
    {"seed", read_seed, false},
};
enum { SECTIONS = sizeof sections / sizeof *sections };

/* What several sections say together. */
static void check_together(struct reader *r)
{
    static const char *const kinds[] = {"propensity", "s_learner", "t_learner", "transformed"};
    struct train_config *c = r->c;
    const struct yaml_node *action = yaml_get(r->root, "action"), *kind = yaml_get(r->root, "kind");
    if (train_is_uplift(c) && !action)
        yaml_diag(r->d, DIAG_ERROR, kind, "%s needs 'action'", kinds[c->kind]);
    else if (train_is_uplift(c) && !yaml_get(action, "silence"))
        yaml_diag(r->d, DIAG_ERROR, action, "%s needs the texts of rows without a contact: silence: [\"…\"]",
                  kinds[c->kind]);
    else if (train_is_uplift(c) && !c->has_silence && yaml_get(action, "silence")->kind == YAML_SEQUENCE)
        yaml_diag(r->d, DIAG_ERROR, yaml_get(action, "silence"), "the list of silence is empty");
    if (yaml_get(r->root, "action_probability") && !action)
        yaml_diag(r->d, DIAG_ERROR, yaml_key(r->root, "action_probability"),
                  "action_probability needs 'action'");
    if (yaml_get(r->root, "aside") && !c->patience && c->calibration == CALIBRATION_NONE)
        yaml_diag(r->d, DIAG_WARNING, yaml_key(r->root, "aside"),
                  "aside has no use without early_stopping or calibration; all training rows are trained on");
    for (size_t i = 0; i < c->share_count && c->has_map; i++) {
        struct suggest s;
        bool known = str_is(c->shares[i].action, BUNDLE_SILENCE) && c->has_silence;
        suggest_init(&s, c->shares[i].action);
        for (size_t k = 0; k < c->text_count; k++) {
            known = known || str_eq(c->texts[k].action, c->shares[i].action);
            suggest_offer(&s, c->texts[k].action);
        }
        if (!known)
            diag_add(r->d, DIAG_ERROR, c->file, c->shares[i].line, c->shares[i].column_at,
                     "by_action: no action of the map is called '%.*s'%s%.*s%s", STR_ARG(c->shares[i].action),
                     suggest_best(&s).n ? "; did you mean " : "", STR_ARG(suggest_best(&s)),
                     suggest_best(&s).n ? "?" : "");
    }
}

bool train_config_read(struct train_config *c, const struct yaml_node *root, const struct tzdb *zones,
                       struct arena *arena, struct diags *d)
{
    size_t before = d->errors;
    struct reader r = {c, root, zones, arena, d};
    const char *keys[SECTIONS + 1] = {0};
    *c = (struct train_config){.file = root->file,
                               .version = STR("1"),
                               .zone = tz_find(zones, STR("UTC")),
                               .positive_weight = 1,
                               .test = 0.25,
                               .aside = 0.2,
                               .split_seed = 1,
                               .seed = 1,
                               .cost_count = 1};
    if (!yaml_expect(d, root, YAML_MAPPING, "a training"))
        return false;
    for (size_t i = 0; i < SECTIONS; i++)
        keys[i] = sections[i].key;
    yaml_known_keys(d, root, "a training", keys);
    for (size_t i = 0; i < SECTIONS; i++) {
        const struct yaml_node *n = yaml_get(root, sections[i].key);
        if (n)
            sections[i].read(&r, n);
        else if (sections[i].required)
            yaml_diag(d, DIAG_ERROR, root, "a training needs '%s'", sections[i].key);
        else if (sections[i].read == read_model)
            train_params_read(c, NULL, arena, d);
    }
    check_together(&r);
    if (!c->patience && c->calibration == CALIBRATION_NONE)
        c->aside = 0;
    return d->errors == before;
}
