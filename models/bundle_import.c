/* Completing a bundle.yaml from a model; see bundle_import.h. It is done on the tree of YAML nodes, so that all checks and
 * messages are those of any bundle.yaml; what is added stands where the mapping stands that it is added to.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/bundle_import.h"

struct import {
    const struct bundle_import *from;
    struct arena *arena;
    struct diags *d;
    bool full; /* memory */
};

static struct yaml_node *node(struct import *m, const struct yaml_node *at, enum yaml_kind kind)
{
    struct yaml_node *n = arena_zalloc(m->arena, sizeof *n);
    if (!n) {
        m->full = true;
        return NULL;
    }
    n->kind = kind;
    n->file = at->file;
    n->line = at->line;
    n->column = at->column;
    return n;
}

/* A text; quoted, so that it is nothing else. */
static struct yaml_node *text(struct import *m, const struct yaml_node *at, struct str s)
{
    struct yaml_node *n = node(m, at, YAML_SCALAR);
    if (n) {
        n->quoted = true;
        n->style = YAML_DOUBLE_QUOTED;
        n->text = n->source = arena_str(m->arena, s);
        m->full |= !n->text.p;
    }
    return n;
}

static struct yaml_node *whole(struct import *m, const struct yaml_node *at, size_t v)
{
    struct yaml_node *n = text(m, at, str_from(arena_printf(m->arena, "%zu", v)));
    if (n) {
        n->quoted = false;
        n->style = YAML_PLAIN;
    }
    return n;
}

static void add(struct import *m, struct yaml_node *mapping, const char *key, struct yaml_node *value)
{
    struct yaml_node **keys = arena_alloc(m->arena, (mapping->count + 1) * sizeof *keys);
    struct yaml_node **items = arena_alloc(m->arena, (mapping->count + 1) * sizeof *items);
    struct yaml_node *k = text(m, mapping, str_from(key));
    if (!keys || !items || !k || !value) {
        m->full = true;
        return;
    }
    if (mapping->count) {
        memcpy(keys, mapping->keys, mapping->count * sizeof *keys);
        memcpy(items, mapping->items, mapping->count * sizeof *items);
    }
    keys[mapping->count] = k;
    items[mapping->count] = value;
    mapping->keys = keys;
    mapping->items = items;
    mapping->count++;
}

static void add_missing(struct import *m, struct yaml_node *mapping, const char *key, struct yaml_node *value)
{
    if (!yaml_get(mapping, key))
        add(m, mapping, key, value);
}

/* ---- features ---- */

static const char *type_of(const struct model *model, size_t at)
{
    struct str type = model->feature_types ? model->feature_types[at] : (struct str){0};
    bool named = model->categories && model->categories[at].count;
    return str_is(type, "c") || str_is(type, "categorical") || named ? "category" : str_is(type, "i") ? "bool" : "number";
}

static struct yaml_node *categories(struct import *m, const struct yaml_node *at, const struct model_categories *c)
{
    struct yaml_node *list = node(m, at, YAML_SEQUENCE);
    struct yaml_node **items = arena_alloc(m->arena, c->count * sizeof *items + 1);
    if (!list || !items) {
        m->full = true;
        return NULL;
    }
    for (size_t i = 0; i < c->count; i++)
        items[i] = text(m, at, c->texts[i]);
    list->items = items;
    list->count = c->count;
    return list;
}

static void tell_uncategorized(struct import *m, const struct yaml_node *feature, size_t at)
{
    const struct yaml_node *name = yaml_get(feature, "name");
    struct str text = name && name->kind == YAML_SCALAR ? name->text : str_from(arena_printf(m->arena, "%zu", at));
    yaml_diag(m->d, DIAG_ERROR, feature,
              "feature %.*s of %s is categorical, and the file does not say what its codes mean (those of XGBoost 3.1 and "
              "later trained on a data frame do): list its categories, in the order of their codes",
              STR_ARG(text), m->from->file);
}

/* What a person left out of a feature. */
static void complete_feature(struct import *m, struct yaml_node *feature, size_t at)
{
    const struct model *model = m->from->model;
    add_missing(m, feature, "from", text(m, feature, STR("customer")));
    add_missing(m, feature, "type", text(m, feature, str_from(type_of(model, at))));
    const struct yaml_node *type = yaml_get(feature, "type");
    bool category = type && type->kind == YAML_SCALAR && str_is(type->text, "category");
    const struct yaml_node *listed = yaml_get(feature, "categories");
    bool known = model->categories && model->categories[at].count;
    if (category && known && !listed)
        add(m, feature, "categories", categories(m, feature, &model->categories[at]));
    else if (category && !listed)
        tell_uncategorized(m, feature, at);
}

static long find_name(const struct model *model, struct str name)
{
    for (size_t i = 0; i < model->features; i++)
        if (str_eq(model->feature_names[i], name))
            return (long)i;
    return -1;
}

/* The file's name of a feature, for "did you mean". */
static void tell_unknown(struct import *m, const struct yaml_node *name)
{
    struct suggest s;
    suggest_init(&s, name->text);
    for (size_t i = 0; i < m->from->model->features; i++)
        suggest_offer(&s, m->from->model->feature_names[i]);
    struct str best = suggest_best(&s);
    yaml_diag(m->d, DIAG_ERROR, name, "%s has no feature '%.*s'%s%.*s%s", m->from->file, STR_ARG(name->text),
              best.n ? "; did you mean " : "", STR_ARG(best), best.n ? "?" : "");
}

/* The features that are listed, put where the model has them. False after a finding. */
static bool place_listed(struct import *m, const struct yaml_node *listed, struct yaml_node **all)
{
    const struct model *model = m->from->model;
    size_t errors = m->d->errors;
    for (size_t i = 0; listed && i < listed->count; i++) {
        struct yaml_node *f = listed->items[i];
        const struct yaml_node *name = yaml_get(f, "name");
        if (!yaml_expect(m->d, f, YAML_MAPPING, "a feature"))
            continue;
        if (!name || name->kind != YAML_SCALAR) {
            yaml_diag(m->d, DIAG_ERROR, f, "a feature needs 'name'");
            continue;
        }
        long at = model->feature_names ? find_name(model, name->text) : (long)i;
        if (at < 0)
            tell_unknown(m, name);
        else if ((size_t)at < model->features && all[at])
            yaml_diag(m->d, DIAG_ERROR, name, "feature '%.*s' is listed twice", STR_ARG(name->text));
        else if ((size_t)at < model->features)
            all[at] = f;
    }
    if (!model->feature_names && listed && listed->count != model->features)
        yaml_diag(m->d, DIAG_ERROR, listed,
                  "%s does not name its features: all %zu must be listed, in its order", m->from->file, model->features);
    return m->d->errors == errors;
}

static void complete_features(struct import *m, struct yaml_node *root)
{
    const struct model *model = m->from->model;
    const struct yaml_node *listed = yaml_get(root, "features");
    struct yaml_node **all = arena_zalloc(m->arena, model->features * sizeof *all);
    struct yaml_node *list = node(m, listed ? listed : root, YAML_SEQUENCE);
    m->full |= !all || !list;
    if (m->full || (listed && !yaml_expect(m->d, listed, YAML_SEQUENCE, "features")))
        return;
    if (!listed && !model->feature_names) {
        yaml_diag(m->d, DIAG_ERROR, root, "%s does not name its features: all %zu must be listed under 'features', in its order",
                  m->from->file, model->features);
        return;
    }
    if (!place_listed(m, listed, all))
        return;
    for (size_t i = 0; i < model->features && !m->full; i++) {
        if (!all[i] && (all[i] = node(m, list, YAML_MAPPING)))
            add(m, all[i], "name", text(m, list, model->feature_names[i]));
        if (all[i])
            complete_feature(m, all[i], i);
    }
    list->items = all;
    list->count = model->features;
    for (size_t i = 0; i < root->count; i++)
        if (str_is(root->keys[i]->text, "features")) {
            root->items[i] = list;
            return;
        }
    add(m, root, "features", list);
}

/* ---- the rest ---- */

/* What the file says too. */
static void check_known(struct import *m, const struct yaml_node *root)
{
    const struct model *model = m->from->model;
    const struct yaml_node *objective = yaml_get(root, "objective"), *outputs = yaml_get(root, "outputs"),
                           *output = yaml_get(root, "output");
    int64_t n;
    if (objective && objective->kind == YAML_SCALAR && !str_eq(objective->text, model->objective))
        yaml_diag(m->d, DIAG_ERROR, objective, "%s was trained for %.*s; leave 'objective' out, or say the same", m->from->file,
                  STR_ARG(model->objective));
    if (outputs && yaml_int(m->d, outputs, 1, MODEL_OUTPUTS_MAX, &n) && n != (int64_t)model->outputs)
        yaml_diag(m->d, DIAG_ERROR, outputs, "%s has %zu output%s a row; leave 'outputs' out, or say the same", m->from->file,
                  model->outputs, model->outputs == 1 ? "" : "s");
    if (model->outputs > 1 && !output)
        yaml_diag(m->d, DIAG_ERROR, root, "%s has %zu outputs a row (%.*s): say which one is the label, output: 0 to %zu",
                  m->from->file, model->outputs, STR_ARG(model->objective), model->outputs - 1);
    else if (model->outputs == 1 && output)
        yaml_diag(m->d, DIAG_ERROR, output, "%s has one output a row; leave 'output' out", m->from->file);
}

static void complete_label(struct import *m, struct yaml_node *root)
{
    static const char *const words[] = {"binary", "count", "money"};
    const struct objective *o = objective_find(m->from->model->objective);
    int fits = 0, only = 0;
    for (int i = BUNDLE_BINARY; o && i <= BUNDLE_MONEY; i++)
        if (o->fits[i]) {
            fits++;
            only = i;
        }
    if (yaml_get(root, "label_type") || !o)
        return;
    if (fits == 1)
        add(m, root, "label_type", text(m, root, str_from(words[only])));
    else
        yaml_diag(m->d, DIAG_ERROR, root, "%s was trained for %s: say what its label is, label_type: %s%s or money",
                  m->from->file, o->name, o->fits[BUNDLE_BINARY] ? "binary, " : "", "count");
}

bool bundle_import_spec(struct bundle_spec *out, struct yaml_node *root, const struct bundle_import *from,
                        struct arena *arena, struct diags *d)
{
    struct import m = {.from = from, .arena = arena, .d = d};
    size_t errors = d->errors;
    if (!yaml_expect(d, root, YAML_MAPPING, "a description of the model"))
        return false;
    if (!objective_find(from->model->objective)) {
        yaml_diag(d, DIAG_ERROR, root, "%s was trained for objective %.*s, which a bundle cannot have; allowed: %s", from->file,
                  STR_ARG(from->model->objective), yaml_list_words(arena, objective_names));
        return false;
    }
    const struct yaml_node *kind = yaml_get(root, "kind");
    if (kind && kind->kind == YAML_SCALAR && (str_is(kind->text, "t_learner") || str_is(kind->text, "transformed")))
        yaml_diag(d, DIAG_ERROR, kind, "a kind with a model for each action cannot be imported from one model's file; write "
                                       "its bundle.yaml by hand");
    add_missing(&m, root, "name", text(&m, root, from->name));
    add_missing(&m, root, "version", text(&m, root, from->version));
    add_missing(&m, root, "kind", text(&m, root, STR("propensity")));
    add_missing(&m, root, "objective", text(&m, root, from->model->objective));
    add_missing(&m, root, "label", text(&m, root, from->name));
    if (from->model->outputs > 1)
        add_missing(&m, root, "outputs", whole(&m, root, from->model->outputs));
    check_known(&m, root);
    complete_label(&m, root);
    complete_features(&m, root);
    if (m.full)
        yaml_diag(d, DIAG_ERROR, root, "the description needs more memory than is allowed");
    if (d->errors > errors || !bundle_spec_read(out, root, arena, d))
        return false;
    for (size_t i = 0; from->model->categories && i < out->feature_count && i < from->model->features; i++)
        (void)bundle_categories_fit(&out->features[i], &from->model->categories[i], root->file, from->file, d);
    return d->errors == errors;
}
