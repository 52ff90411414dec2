/* XGBoost's parameters from train.yaml; see train_params.h. Ranges are those of XGBoost's own documentation, with an upper
 * bound where it has none.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/offline/train_params.h"
#include <float.h>

enum param_type { PARAM_NUMBER, PARAM_WHOLE, PARAM_WORD, PARAM_SWITCH };

static const char *const trees[] = {"hist", "approx", "exact", NULL};
static const char *const grow[] = {"depthwise", "lossguide", NULL};
static const char *const boosters[] = {"gbtree", "dart", NULL};
static const char *const samples[] = {"uniform", "weighted", NULL};
static const char *const normalize[] = {"tree", "forest", NULL};

static const struct param {
    const char *name;
    enum param_type type;
    double low, high; /* inclusive */
    const char *const *words;
} table[] = {
    {"alpha", PARAM_NUMBER, 0, 1e9, NULL},
    {"booster", PARAM_WORD, 0, 0, boosters},
    {"colsample_bylevel", PARAM_NUMBER, 0.001, 1, NULL},
    {"colsample_bynode", PARAM_NUMBER, 0.001, 1, NULL},
    {"colsample_bytree", PARAM_NUMBER, 0.001, 1, NULL},
    {"eta", PARAM_NUMBER, 1e-6, 1, NULL},
    {"gamma", PARAM_NUMBER, 0, 1e9, NULL},
    {"grow_policy", PARAM_WORD, 0, 0, grow},
    {"lambda", PARAM_NUMBER, 0, 1e9, NULL},
    {"learning_rate", PARAM_NUMBER, 1e-6, 1, NULL},
    {"max_bin", PARAM_WHOLE, 2, 65536, NULL},
    {"max_cat_threshold", PARAM_WHOLE, 1, 4096, NULL},
    {"max_cat_to_onehot", PARAM_WHOLE, 1, 4096, NULL},
    {"max_delta_step", PARAM_NUMBER, 0, 1e9, NULL},
    {"max_depth", PARAM_WHOLE, 1, 30, NULL},
    {"max_leaves", PARAM_WHOLE, 0, 1 << 20, NULL},
    {"min_child_weight", PARAM_NUMBER, 0, 1e12, NULL},
    {"min_split_loss", PARAM_NUMBER, 0, 1e9, NULL},
    {"normalize_type", PARAM_WORD, 0, 0, normalize},
    {"one_drop", PARAM_SWITCH, 0, 0, NULL},
    {"rate_drop", PARAM_NUMBER, 0, 1, NULL},
    {"reg_alpha", PARAM_NUMBER, 0, 1e9, NULL},
    {"reg_lambda", PARAM_NUMBER, 0, 1e9, NULL},
    {"sample_type", PARAM_WORD, 0, 0, samples},
    {"scale_pos_weight", PARAM_NUMBER, 1e-6, 1e6, NULL},
    {"skip_drop", PARAM_NUMBER, 0, 1, NULL},
    {"subsample", PARAM_NUMBER, 0.001, 1, NULL},
    {"tree_method", PARAM_WORD, 0, 0, trees},
    {"tweedie_variance_power", PARAM_NUMBER, 1.001, 1.999, NULL},
};
enum { PARAMS = sizeof table / sizeof *table };

/* Names that XGBoost has and that stand elsewhere here. */
static const struct {
    const char *name, *instead;
} refused[] = {
    {"nthread", "training uses one thread, so that it can be repeated bit by bit"},
    {"n_jobs", "training uses one thread, so that it can be repeated bit by bit"},
    {"seed", "write seed: at the top of the file"},
    {"random_state", "write seed: at the top of the file"},
    {"base_score", "it is 0.5 for binary:logistic and the mean of the labels otherwise"},
    {"eval_metric", "early_stopping uses the objective's own loss"},
    {"monotone_constraints", "write monotone: {FEATURE: increasing} at the top of the file"},
    {"num_boost_round", "write rounds"},
    {"n_estimators", "write rounds"},
    {"early_stopping_rounds", "write early_stopping: {rounds: 20} at the top of the file"},
    {"verbosity", "training prints nothing of XGBoost's own"},
    {"num_parallel_tree", "one tree a round is what bundles hold"},
};

const char *train_param(const struct train_config *c, const char *key)
{
    for (size_t i = 0; i < c->param_count; i++)
        if (strcmp(c->params[i].key, key) == 0)
            return c->params[i].value;
    return NULL;
}

/* The objectives that fit, the default first. */
static const char *const *objectives_of(const struct train_config *c)
{
    static const char *const binary[] = {"binary:logistic", NULL};
    static const char *const count[] = {"count:poisson", "reg:squarederror", "reg:tweedie", NULL};
    static const char *const money[] = {"reg:squarederror", "reg:tweedie", "reg:gamma", NULL};
    static const char *const difference[] = {"reg:squarederror", NULL};
    if (c->kind == BUNDLE_TRANSFORMED)
        return difference;
    return c->label_type == BUNDLE_BINARY ? binary : c->label_type == BUNDLE_COUNT ? count : money;
}

static bool read_value(const struct param *p, const struct yaml_node *n, struct diags *d, char text[40])
{
    int64_t whole;
    double number;
    size_t index;
    bool on;
    switch (p->type) {
    case PARAM_WHOLE:
        if (!yaml_int(d, n, (int64_t)p->low, (int64_t)p->high, &whole))
            return false;
        snprintf(text, 40, "%lld", (long long)whole);
        return true;
    case PARAM_NUMBER:
        if (!yaml_double(d, n, p->low, p->high, &number))
            return false;
        snprintf(text, 40, "%.*g", DBL_DECIMAL_DIG, number);
        if (n->text.n < 40)
            snprintf(text, 40, "%.*s", STR_ARG(n->text));
        return true;
    case PARAM_WORD:
        if (!yaml_choice(d, n, p->words, &index))
            return false;
        snprintf(text, 40, "%s", p->words[index]);
        return true;
    case PARAM_SWITCH:
        if (!yaml_bool(d, n, &on))
            return false;
        snprintf(text, 40, "%d", on);
        return true;
    }
    return false;
}

static void unknown(const struct yaml_node *key, struct arena *arena, struct diags *d)
{
    const char *names[PARAMS + 3] = {"rounds", "objective"};
    struct suggest s;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        if (str_is(key->text, refused[i].name)) {
            yaml_diag(d, DIAG_ERROR, key, "%s cannot be set under model; %s", refused[i].name,
                      refused[i].instead);
            return;
        }
    for (size_t i = 0; i < PARAMS; i++)
        names[i + 2] = table[i].name;
    suggest_init(&s, key->text);
    for (size_t i = 0; names[i]; i++)
        suggest_offer(&s, str_from(names[i]));
    struct str best = suggest_best(&s);
    yaml_diag(d, DIAG_ERROR, key, "XGBoost has no parameter '%.*s' that may be set here%s%.*s%s allowed: %s",
              key->text.n < 60 ? (int)key->text.n : 60, key->text.p, best.n ? "; did you mean " : ";",
              STR_ARG(best), best.n ? "?" : "", yaml_list_words(arena, names));
}

static void add(struct train_config *c, const char *key, const char *value)
{
    c->params[c->param_count++] = (struct trainer_param){key, value};
}

static void defaults(struct train_config *c)
{
    add(c, "eta", "0.1");
    add(c, "max_depth", "3");
    add(c, "min_child_weight", "20");
    add(c, "lambda", "1");
    add(c, "subsample", "1");
}

static void read_one(struct train_config *c, const struct yaml_node *key, const struct yaml_node *value,
                     struct arena *arena, struct diags *d)
{
    char text[40];
    const struct param *p = NULL;
    for (size_t i = 0; i < PARAMS && !p; i++)
        if (str_is(key->text, table[i].name))
            p = &table[i];
    if (!p) {
        unknown(key, arena, d);
        return;
    }
    if (!read_value(p, value, d, text))
        return;
    char *kept = arena_strdup(arena, text);
    if (kept)
        add(c, p->name, kept);
    else
        yaml_diag(d, DIAG_ERROR, value, "the file needs more memory than is allowed for loading");
}

void train_params_read(struct train_config *c, const struct yaml_node *n, struct arena *arena,
                       struct diags *d)
{
    const char *const *objectives = objectives_of(c);
    size_t objective = 0;
    int64_t rounds = 200;
    c->rounds = 200;
    c->params = arena_zalloc(arena, PARAMS * sizeof *c->params);
    if (!c->params)
        return;
    if (!n) {
        defaults(c);
        return;
    }
    if (!yaml_expect(d, n, YAML_MAPPING, "model"))
        return;
    for (size_t i = 0; i < n->count; i++) {
        const struct yaml_node *key = n->keys[i], *value = n->items[i];
        if (key->repeated)
            continue;
        if (str_is(key->text, "rounds")) {
            if (yaml_int(d, value, 1, TRAINER_ROUNDS_MAX, &rounds))
                c->rounds = (int)rounds;
        } else if (str_is(key->text, "objective")) {
            if (yaml_choice(d, value, objectives, &objective))
                c->objective = str_from(objectives[objective]);
        } else {
            read_one(c, key, value, arena, d);
        }
    }
}
