/* Reading and writing bundle.yaml; see bundle_spec.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/bundle_spec.h"
#include "models/bundle_arms.h"
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

enum { WORDS_MAX = 32, LINEAR_MAX = 8 /* categories that are searched one by one */ };

static const char *const kind_names[] = {"propensity", "s_learner", "t_learner", "transformed", NULL};
static const char *const from_names[] = {"customer", "action", "pair", NULL};
static const char *const type_names[] = {"number", "bool", "category", NULL};
static const char *const rounds_names[] = {[MODEL_BEST] = "best", [MODEL_ALL] = "all", NULL};
static const char *const label_names[] = {"binary", "count", "money", NULL};
static const char *const root_keys[] = {"name",     "version",  "kind",       "objective",   "label",
                                        "label_type", "outputs", "output",     "trees",       "silence",
                                        "calibration", "training", "metrics",  "model_hash",  "arms",
                                        "features",   NULL};

bool bundle_has_arms(const struct bundle_spec *s)
{
    return s->kind == BUNDLE_T_LEARNER || s->kind == BUNDLE_TRANSFORMED;
}

/* A word of a list; false after a finding, or without the node. */
static bool read_word(struct diags *d, const struct yaml_node *n, const char *const names[], size_t *out)
{
    return n && yaml_choice(d, n, names, out);
}

static void read_objective(struct bundle_spec *s, const struct yaml_node *n, bool label_known,
                           struct diags *d)
{
    size_t at;
    if (!read_word(d, n, objective_names, &at))
        return;
    s->objective = n->text;
    s->objective_line = n->line;
    s->objective_column = n->column;
    s->of = objective_find(n->text);
    ASSERT(s->of != NULL); /* read_word took one of their names */
    s->link = s->of->link;
    if (s->kind == BUNDLE_TRANSFORMED) {
        if (!str_is(s->objective, "reg:squarederror"))
            yaml_diag(d, DIAG_ERROR, n, "kind transformed needs objective reg:squarederror, got %.*s",
                      STR_ARG(s->objective));
        return;
    }
    if (!label_known || s->of->fits[s->label_type])
        return;
    const char *words[WORDS_MAX + 1] = {0};
    objective_names_for(s->label_type, words, WORDS_MAX);
    yaml_diag(d, DIAG_ERROR, n, "objective %.*s does not fit label_type %s; allowed: %s",
              STR_ARG(s->objective), label_names[s->label_type], yaml_list_words(d->arena, words));
}

/* Kind, label and objective, which what follows is read by; false after a finding about the kind. */
static bool read_nature(struct bundle_spec *s, const struct yaml_node *root, struct diags *d)
{
    size_t kind = BUNDLE_PROPENSITY, label = BUNDLE_BINARY;
    const struct yaml_node *type = yaml_get(root, "label_type");
    bool kind_known = read_word(d, bundle_need(d, root, "kind", "a bundle"), kind_names, &kind);
    bool label_known = !type || read_word(d, type, label_names, &label);
    s->kind = (enum bundle_kind)kind;
    s->label_type = (enum bundle_label)label;
    read_objective(s, bundle_need(d, root, "objective", "a bundle"), kind_known && label_known, d);
    return kind_known;
}

/* Which of a model's outputs is the label. */
static void read_output(struct bundle_spec *s, const struct yaml_node *root, struct diags *d)
{
    const struct yaml_node *outputs = yaml_get(root, "outputs"), *output = yaml_get(root, "output");
    int64_t n = 1, at = 0;
    s->outputs = 1;
    s->output = 0;
    if (!outputs && !output) {
        if (s->of && s->of->classes)
            yaml_diag(d, DIAG_ERROR, yaml_get(root, "objective"),
                      "objective %.*s gives a chance for each class: 'outputs' must say how many, and 'output' which one is "
                      "the label, from 0",
                      STR_ARG(s->objective));
        return;
    }
    if (bundle_has_arms(s)) {
        yaml_diag(d, DIAG_ERROR, outputs ? outputs : output, "outputs are for kinds with one model only");
        return;
    }
    if (!outputs || !output) {
        yaml_diag(d, DIAG_ERROR, outputs ? outputs : output, "'outputs' and 'output' go together");
        return;
    }
    if (yaml_int(d, outputs, 2, MODEL_OUTPUTS_MAX, &n) && yaml_int(d, output, 0, n - 1, &at)) {
        s->outputs = (size_t)n;
        s->output = (size_t)at;
    }
}

static void read_trees(struct bundle_spec *s, const struct yaml_node *n, struct diags *d)
{
    size_t at = MODEL_BEST;
    if (n && yaml_choice(d, n, rounds_names, &at))
        s->rounds = (enum model_rounds)at;
}

/* Margins that only order need a calibration; a class's chance takes none. */
static void check_calibration(const struct bundle_spec *s, const struct yaml_node *root, struct diags *d)
{
    const struct yaml_node *n = yaml_get(root, "calibration");
    for (size_t i = 0; i < s->arm_count && s->of; i++) {
        if (s->of->orders && s->arms[i].calibration.kind == CALIBRATION_NONE)
            yaml_diag(d, DIAG_ERROR, yaml_get(root, "objective"),
                      "the margins of %.*s only order; calibration must make values of them (platt or isotonic)",
                      STR_ARG(s->objective));
        if (s->of->classes && s->arms[i].calibration.kind != CALIBRATION_NONE)
            yaml_diag(d, DIAG_ERROR, n ? n : root, "the chances of %.*s take no calibration", STR_ARG(s->objective));
    }
}

/* The word for nobody contacted, and the feature that says it. */
static void read_silence(struct bundle_spec *s, const struct yaml_node *root, struct diags *d)
{
    const struct yaml_node *n = yaml_get(root, "silence");
    if (s->kind != BUNDLE_S_LEARNER) {
        if (n)
            yaml_diag(d, DIAG_ERROR, yaml_key(root, "silence"), "silence is for kind s_learner only");
        return;
    }
    n = bundle_need(d, root, "silence", "kind s_learner");
    bundle_text_read(d, n, &s->silence);
    if (!n || !s->silence.n || !s->features)
        return;
    const struct bundle_feature *id = bundle_id_feature(s);
    if (!id)
        yaml_diag(d, DIAG_ERROR, yaml_get(root, "features"),
                  "kind s_learner needs the feature {name: id, from: action, type: category}");
    else if (bundle_category(id, s->silence) < 0)
        yaml_diag(d, DIAG_ERROR, n, "'%.*s' is not among the categories of feature id", STR_ARG(s->silence));
}

static bool is_date(struct str s)
{
    static const char shape[] = "dddd-dd-dd";
    for (size_t i = 0; s.n == sizeof shape - 1 && i < s.n; i++)
        if (shape[i] == 'd' ? s.p[i] < '0' || s.p[i] > '9' : s.p[i] != shape[i])
            return false;
    return s.n == sizeof shape - 1;
}

static void read_date(struct diags *d, const struct yaml_node *n, struct str *out)
{
    if (n && yaml_string(d, n, out) && !is_date(*out))
        yaml_diag(d, DIAG_ERROR, n, "expected a date as 2025-01-31");
}

static void read_training(struct bundle_spec *s, const struct yaml_node *n, struct diags *d)
{
    static const char *const keys[] = {"rows", "from", "to", "seed", "library", NULL};
    s->training_rows = s->training_seed = -1;
    if (!n || !yaml_expect(d, n, YAML_MAPPING, "training"))
        return;
    yaml_known_keys(d, n, "training", keys);
    const struct yaml_node *rows = yaml_get(n, "rows"), *seed = yaml_get(n, "seed");
    if (rows)
        yaml_int(d, rows, 0, INT64_MAX, &s->training_rows);
    if (seed)
        yaml_int(d, seed, 0, INT64_MAX, &s->training_seed);
    read_date(d, yaml_get(n, "from"), &s->training_from);
    read_date(d, yaml_get(n, "to"), &s->training_to);
    bundle_text_read(d, yaml_get(n, "library"), &s->training_library);
    if (s->training_from.n && s->training_to.n && str_cmp(s->training_from, s->training_to) > 0)
        yaml_diag(d, DIAG_ERROR, yaml_get(n, "to"), "the training window ends before it begins");
}

static void read_metrics(struct bundle_spec *s, const struct yaml_node *n, struct arena *arena,
                         struct diags *d)
{
    if (!n || !yaml_expect(d, n, YAML_MAPPING, "metrics"))
        return;
    if (n->count > BUNDLE_METRICS_MAX) {
        yaml_diag(d, DIAG_ERROR, n, "%zu metrics; at most %d are allowed", n->count, BUNDLE_METRICS_MAX);
        return;
    }
    s->metrics = arena_zalloc(arena, n->count * sizeof *s->metrics);
    for (size_t i = 0; s->metrics && i < n->count; i++) {
        struct bundle_metric *m = &s->metrics[s->metric_count++];
        bundle_text_read(d, n->keys[i], &m->name);
        yaml_double(d, n->items[i], -INFINITY, INFINITY, &m->value);
    }
}

struct ranked {
    struct str text;
    uint16_t code;
};

static int text_order(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    int c = str_cmp(x->text, y->text);
    return c ? c : (x->code > y->code) - (x->code < y->code);
}

/* Sorts the categories for bundle_category, and tells those that stand in the list twice. */
static void sort_categories(struct bundle_feature *f, const struct yaml_node *list, struct arena *arena, struct diags *d)
{
    size_t n = f->category_count;
    struct ranked *ranked = arena_alloc(arena, n * sizeof *ranked);
    uint16_t *sorted = arena_alloc(arena, n * sizeof *sorted);
    if (!ranked || !sorted) {
        yaml_diag(d, DIAG_ERROR, list, "the categories need more memory than is allowed for loading");
        return;
    }
    for (size_t i = 0; i < n; i++)
        ranked[i] = (struct ranked){f->categories[i], (uint16_t)i};
    qsort(ranked, n, sizeof *ranked, text_order);
    for (size_t i = 0; i < n; i++) {
        sorted[i] = ranked[i].code;
        if (i && str_eq(ranked[i].text, ranked[i - 1].text))
            yaml_diag(d, DIAG_ERROR, list->items[ranked[i].code], "category '%.*s' stands in the list twice",
                      STR_ARG(ranked[i].text));
    }
    if (n > LINEAR_MAX)
        f->sorted = sorted;
}

static void read_categories(struct bundle_feature *f, const struct yaml_node *mapping, struct arena *arena,
                            struct diags *d)
{
    const struct yaml_node *n = yaml_get(mapping, "categories");
    if (f->type != BUNDLE_CATEGORY) {
        if (n)
            yaml_diag(d, DIAG_ERROR, yaml_key(mapping, "categories"),
                      "categories are for type category only");
        return;
    }
    if (!n) {
        yaml_diag(d, DIAG_ERROR, mapping,
                  "a feature of type category needs 'categories', in the order of their codes");
        return;
    }
    if (!yaml_expect(d, n, YAML_SEQUENCE, "categories"))
        return;
    if (n->count == 0 || n->count > BUNDLE_CATEGORIES_MAX) {
        yaml_diag(d, DIAG_ERROR, n, "%zu categories; allowed: 1 to %d", n->count, BUNDLE_CATEGORIES_MAX);
        return;
    }
    size_t errors = d->errors;
    f->categories = arena_zalloc(arena, n->count * sizeof *f->categories);
    if (!f->categories)
        yaml_diag(d, DIAG_ERROR, n, "the categories need more memory than is allowed for loading");
    for (size_t i = 0; f->categories && i < n->count; i++)
        bundle_text_read(d, n->items[i], &f->categories[f->category_count++]);
    if (d->errors == errors)
        sort_categories(f, n, arena, d);
}

static void read_feature(const struct bundle_spec *s, struct bundle_feature *f, const struct yaml_node *n,
                         struct arena *arena, struct diags *d)
{
    static const char *const keys[] = {"name", "from", "type", "categories", "unit", NULL};
    size_t index = 0;
    f->line = n->line;
    f->column = n->column;
    if (!yaml_expect(d, n, YAML_MAPPING, "a feature"))
        return;
    yaml_known_keys(d, n, "feature", keys);
    const struct yaml_node *name = bundle_need(d, n, "name", "a feature"),
                           *from = bundle_need(d, n, "from", "a feature");
    const struct yaml_node *type = bundle_need(d, n, "type", "a feature");
    bundle_text_read(d, name, &f->name);
    if (from && yaml_choice(d, from, from_names, &index)) {
        f->from = (enum bundle_from)index;
        if (f->from != BUNDLE_CUSTOMER && bundle_has_arms(s))
            yaml_diag(d, DIAG_ERROR, from,
                      "kind %s has a model for each action; its features come from the customer",
                      kind_names[s->kind]);
    }
    bundle_text_read(d, yaml_get(n, "unit"), &f->unit);
    if (type && yaml_choice(d, type, type_names, &index)) {
        f->type = (enum bundle_type)index;
        read_categories(f, n, arena, d);
    }
}

static void read_features(struct bundle_spec *s, const struct yaml_node *n, struct arena *arena,
                          struct diags *d)
{
    if (!n || !yaml_expect(d, n, YAML_SEQUENCE, "features"))
        return;
    s->line = n->line;
    s->column = n->column;
    if (n->count == 0 || n->count > BUNDLE_FEATURES_MAX) {
        yaml_diag(d, DIAG_ERROR, n, "%zu features; allowed: 1 to %d", n->count, BUNDLE_FEATURES_MAX);
        return;
    }
    s->features = arena_zalloc(arena, n->count * sizeof *s->features);
    for (size_t i = 0; s->features && i < n->count; i++) {
        struct bundle_feature *f = &s->features[s->feature_count++];
        read_feature(s, f, n->items[i], arena, d);
        for (size_t k = 0; k < i && f->name.n; k++)
            if (str_eq(s->features[k].name, f->name)) {
                yaml_diag(d, DIAG_ERROR, yaml_get(n->items[i], "name"),
                          "duplicate feature '%.*s'; it stands at line %d already", STR_ARG(f->name),
                          s->features[k].line);
                break;
            }
    }
}

bool bundle_spec_read(struct bundle_spec *s, const struct yaml_node *root, struct arena *arena,
                      struct diags *d)
{
    size_t before = d->errors;
    *s = (struct bundle_spec){0};
    if (!yaml_expect(d, root, YAML_MAPPING, "a bundle"))
        return false;
    yaml_known_keys(d, root, "a bundle", root_keys);
    bundle_text_read(d, bundle_need(d, root, "name", "a bundle"), &s->name);
    bundle_text_read(d, bundle_need(d, root, "version", "a bundle"), &s->version);
    bool kind_known = read_nature(s, root, d);
    bundle_text_read(d, bundle_need(d, root, "label", "a bundle"), &s->label);
    read_output(s, root, d);
    read_trees(s, yaml_get(root, "trees"), d);
    if (kind_known)
        bundle_arms_read(s, root, arena, d);
    check_calibration(s, root, d);
    read_training(s, yaml_get(root, "training"), d);
    read_metrics(s, yaml_get(root, "metrics"), arena, d);
    read_features(s, bundle_need(d, root, "features", "a bundle"), arena, d);
    if (kind_known)
        read_silence(s, root, d);
    const struct yaml_node *metrics = yaml_get(root, "metrics");
    if (d->errors == before && (!s->features || !s->arms || (metrics && !s->metrics)))
        yaml_diag(d, DIAG_ERROR, root, "the bundle needs more memory than is allowed for loading");
    return d->errors == before;
}

static void write_pair(struct buf *out, const char *key, struct str text)
{
    buf_printf(out, "%s: ", key);
    bundle_text_write(out, text);
}

static void write_training(struct buf *out, const struct bundle_spec *s)
{
    const char *comma = "";
    buf_printf(out, "training: {");
    if (s->training_rows >= 0) {
        buf_printf(out, "rows: %" PRId64, s->training_rows);
        comma = ", ";
    }
    const struct {
        const char *key;
        struct str text;
    } texts[] = {{"from", s->training_from}, {"to", s->training_to}, {"library", s->training_library}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (!texts[i].text.n)
            continue;
        buf_printf(out, "%s", comma);
        write_pair(out, texts[i].key, texts[i].text);
        comma = ", ";
    }
    if (s->training_seed >= 0)
        buf_printf(out, "%sseed: %" PRId64, comma, s->training_seed);
    buf_printf(out, "}\n");
}

static void write_feature(struct buf *out, const struct bundle_feature *f)
{
    buf_printf(out, "  - {");
    write_pair(out, "name", f->name);
    buf_printf(out, ", from: %s, type: %s", from_names[f->from], type_names[f->type]);
    if (f->unit.n) {
        buf_printf(out, ", ");
        write_pair(out, "unit", f->unit);
    }
    if (f->type == BUNDLE_CATEGORY) {
        buf_printf(out, ",\n     categories: [");
        for (size_t i = 0; i < f->category_count; i++) {
            buf_printf(out, "%s", i == 0 ? "" : i % 8 == 0 ? ",\n       " : ", ");
            bundle_text_write(out, f->categories[i]);
        }
        buf_printf(out, "]");
    }
    buf_printf(out, "}\n");
}

void bundle_spec_write(struct buf *out, const struct bundle_spec *s)
{
    ASSERT(s->arms && s->arm_count > 0 && (bundle_has_arms(s) || s->arm_count == 1));
    const struct {
        const char *key;
        struct str text;
    } texts[] = {{"name", s->name},
                 {"version", s->version},
                 {"kind", str_from(kind_names[s->kind])},
                 {"objective", s->objective},
                 {"label", s->label}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        write_pair(out, texts[i].key, texts[i].text);
        buf_byte(out, '\n');
    }
    if (s->label_type != BUNDLE_BINARY)
        buf_printf(out, "label_type: %s\n", label_names[s->label_type]);
    if (s->outputs > 1)
        buf_printf(out, "outputs: %zu\noutput: %zu\n", s->outputs, s->output);
    if (s->rounds != MODEL_BEST)
        buf_printf(out, "trees: %s\n", rounds_names[s->rounds]);
    if (s->silence.n) {
        write_pair(out, "silence", s->silence);
        buf_byte(out, '\n');
    }
    bundle_calibration_write(out, s);
    write_training(out, s);
    if (s->metric_count)
        buf_printf(out, "metrics:\n");
    for (size_t i = 0; i < s->metric_count; i++) {
        buf_printf(out, "  ");
        bundle_text_write(out, s->metrics[i].name);
        buf_printf(out, ": %.17g\n", s->metrics[i].value);
    }
    bundle_models_write(out, s);
    buf_printf(out, "features:\n");
    for (size_t i = 0; i < s->feature_count; i++)
        write_feature(out, &s->features[i]);
}

static long find_sorted(const struct bundle_feature *f, struct str text)
{
    size_t from = 0, to = f->category_count;
    while (from < to) {
        size_t middle = (from + to) / 2;
        int c = str_cmp(f->categories[f->sorted[middle]], text);
        if (c == 0)
            return f->sorted[middle];
        if (c < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return -1;
}

long bundle_category(const struct bundle_feature *f, struct str text)
{
    if (f->sorted)
        return find_sorted(f, text);
    for (size_t i = 0; i < f->category_count; i++)
        if (str_eq(f->categories[i], text))
            return (long)i;
    return -1;
}

bool bundle_categories_fit(const struct bundle_feature *f, const struct model_categories *c, const char *yaml, const char *model,
                           struct diags *d)
{
    for (size_t k = 0; f->type == BUNDLE_CATEGORY && k < c->count; k++) {
        long code = bundle_category(f, c->texts[k]);
        if (code < 0 || code == (long)k || (k < f->category_count && str_eq(f->categories[k], c->texts[k])))
            continue;
        diag_add(d, DIAG_ERROR, yaml, f->line, f->column,
                 "feature '%.*s': '%.*s' is category %ld here, but %zu in %s, which says itself what its codes mean (from 0): leave "
                 "'categories' out when importing, or list them in its order",
                 STR_ARG(f->name), STR_ARG(c->texts[k]), code, k, model);
        return false;
    }
    return true;
}

const struct bundle_feature *bundle_id_feature(const struct bundle_spec *s)
{
    for (size_t i = 0; i < s->feature_count; i++) {
        const struct bundle_feature *f = &s->features[i];
        if (f->from == BUNDLE_ACTION && f->type == BUNDLE_CATEGORY && str_is(f->name, "id"))
            return f;
    }
    return NULL;
}

size_t bundle_margins(const struct bundle_spec *s)
{
    return s->outputs > 1 ? s->outputs : s->arm_count;
}

double bundle_predict(const struct bundle_spec *s, size_t arm, const float *margins)
{
    if (s->of && s->of->classes)
        return objective_softmax(margins, s->outputs, s->output);
    double y = calibration_apply(&s->arms[arm].calibration, s->link, margins[s->output]);
    if (s->label_type != BUNDLE_BINARY || s->kind == BUNDLE_TRANSFORMED)
        return y;
    return y < 0 ? 0 : y > 1 ? 1 : y;
}
