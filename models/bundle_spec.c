/* Reading and writing bundle.yaml; see bundle_spec.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/bundle_spec.h"
#include "base/exact.h"
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

static const char *const kind_names[] = {"propensity", "s_learner", "t_learner", "transformed", NULL};
static const char *const from_names[] = {"customer", "action", "pair", NULL};
static const char *const type_names[] = {"number", "bool", "category", NULL};
static const char *const root_keys[] = {"name",       "version",     "kind",     "objective",
                                        "label",      "calibration", "training", "metrics",
                                        "model_hash", "features",    NULL};

/* A required key's value, or NULL after a finding at the mapping. */
static const struct yaml_node *need(struct diags *d, const struct yaml_node *mapping, const char *key,
                                    const char *what)
{
    const struct yaml_node *n = yaml_get(mapping, key);
    if (!n)
        yaml_diag(d, DIAG_ERROR, mapping, "%s needs '%s'", what, key);
    return n;
}

/* Text of 1 to BUNDLE_TEXT_MAX bytes on one line. */
static void read_text(struct diags *d, const struct yaml_node *n, struct str *out)
{
    if (!n || !yaml_string(d, n, out))
        return;
    bool plain = out->n > 0 && out->n <= BUNDLE_TEXT_MAX;
    for (size_t i = 0; plain && i < out->n; i++)
        plain = (unsigned char)out->p[i] >= 0x20 && out->p[i] != 0x7F;
    if (!plain)
        yaml_diag(d, DIAG_ERROR, n, "expected 1 to %d bytes of text on one line", BUNDLE_TEXT_MAX);
}

static void read_objective(struct bundle_spec *s, const struct yaml_node *n, struct diags *d)
{
    read_text(d, n, &s->objective);
    if (!n)
        return;
    s->objective_line = n->line;
    s->objective_column = n->column;
    if (s->objective.n && !str_is(s->objective, "binary:logistic"))
        yaml_diag(d, DIAG_ERROR, n, "objective %.*s is not served by this version; served: binary:logistic",
                  s->objective.n < 64 ? (int)s->objective.n : 64, s->objective.p);
}

static void read_kind(struct bundle_spec *s, const struct yaml_node *n, struct diags *d)
{
    size_t kind = BUNDLE_PROPENSITY;
    if (n && yaml_choice(d, n, kind_names, &kind) && kind != BUNDLE_PROPENSITY)
        yaml_diag(d, DIAG_ERROR, n, "kind %s is not served by this version; served: propensity",
                  kind_names[kind]);
    s->kind = (enum bundle_kind)kind;
}

static void read_calibration(struct bundle_spec *s, const struct yaml_node *n, struct diags *d)
{
    static const char *const ways[] = {"platt", NULL}, *const keys[] = {"a", "b", NULL};
    s->platt_a = 1;
    if (!n || (n->kind == YAML_SCALAR && str_is(n->text, "none")))
        return;
    if (n->kind != YAML_MAPPING) {
        yaml_diag(d, DIAG_ERROR, n, "expected none or {platt: {a: …, b: …}} for calibration");
        return;
    }
    yaml_known_keys(d, n, "calibration", ways);
    const struct yaml_node *platt = need(d, n, "platt", "calibration");
    if (!platt || !yaml_expect(d, platt, YAML_MAPPING, "platt"))
        return;
    yaml_known_keys(d, platt, "platt", keys);
    const struct yaml_node *a = need(d, platt, "a", "platt"), *b = need(d, platt, "b", "platt");
    s->platt =
        a && b && yaml_double(d, a, -1000, 1000, &s->platt_a) && yaml_double(d, b, -1000, 1000, &s->platt_b);
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
    read_text(d, yaml_get(n, "library"), &s->training_library);
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
        read_text(d, n->keys[i], &m->name);
        yaml_double(d, n->items[i], -INFINITY, INFINITY, &m->value);
    }
}

static int text_order(const void *a, const void *b)
{
    const struct yaml_node *x = *(struct yaml_node *const *)a, *y = *(struct yaml_node *const *)b;
    int c = str_cmp(x->text, y->text);
    if (c)
        return c;
    return x->line != y->line ? (x->line > y->line) - (x->line < y->line)
                              : (x->column > y->column) - (x->column < y->column);
}

static void report_repeated(const struct yaml_node *list, struct arena *arena, struct diags *d)
{
    struct yaml_node **sorted = arena_memdup(arena, list->items, list->count * sizeof *sorted);
    if (!sorted)
        return;
    qsort(sorted, list->count, sizeof *sorted, text_order);
    for (size_t i = 1; i < list->count; i++)
        if (str_eq(sorted[i]->text, sorted[i - 1]->text))
            yaml_diag(d, DIAG_ERROR, sorted[i], "category '%.*s' stands in the list twice",
                      STR_ARG(sorted[i]->text));
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
    for (size_t i = 0; f->categories && i < n->count; i++)
        read_text(d, n->items[i], &f->categories[f->category_count++]);
    if (d->errors == errors)
        report_repeated(n, arena, d);
}

static void read_feature(struct bundle_feature *f, const struct yaml_node *n, struct arena *arena,
                         struct diags *d)
{
    static const char *const keys[] = {"name", "from", "type", "categories", "unit", NULL};
    size_t index = 0;
    f->line = n->line;
    f->column = n->column;
    if (!yaml_expect(d, n, YAML_MAPPING, "a feature"))
        return;
    yaml_known_keys(d, n, "feature", keys);
    const struct yaml_node *name = need(d, n, "name", "a feature"), *from = need(d, n, "from", "a feature");
    const struct yaml_node *type = need(d, n, "type", "a feature");
    read_text(d, name, &f->name);
    if (from && yaml_choice(d, from, from_names, &index)) {
        f->from = (enum bundle_from)index;
        if (f->from == BUNDLE_PAIR)
            yaml_diag(d, DIAG_ERROR, from,
                      "pair features are not served by this version; served: customer and action");
    }
    read_text(d, yaml_get(n, "unit"), &f->unit);
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
        read_feature(f, n->items[i], arena, d);
        for (size_t k = 0; k < i && f->name.n; k++)
            if (str_eq(s->features[k].name, f->name)) {
                yaml_diag(d, DIAG_ERROR, yaml_get(n->items[i], "name"),
                          "duplicate feature '%.*s'; it stands at line %d already", STR_ARG(f->name),
                          s->features[k].line);
                break;
            }
    }
}

static void read_model_hash(struct bundle_spec *s, const struct yaml_node *n, struct diags *d)
{
    struct str text;
    if (!n || !yaml_string(d, n, &text))
        return;
    s->has_model_hash = id128_parse(text, &s->model_hash);
    if (!s->has_model_hash)
        yaml_diag(d, DIAG_ERROR, n, "expected 32 lower-case hexadecimal digits (XXH3-128 of the model file)");
}

bool bundle_spec_read(struct bundle_spec *s, const struct yaml_node *root, struct arena *arena,
                      struct diags *d)
{
    size_t before = d->errors;
    *s = (struct bundle_spec){0};
    if (!yaml_expect(d, root, YAML_MAPPING, "a bundle"))
        return false;
    yaml_known_keys(d, root, "a bundle", root_keys);
    read_text(d, need(d, root, "name", "a bundle"), &s->name);
    read_text(d, need(d, root, "version", "a bundle"), &s->version);
    read_kind(s, need(d, root, "kind", "a bundle"), d);
    read_objective(s, need(d, root, "objective", "a bundle"), d);
    read_text(d, need(d, root, "label", "a bundle"), &s->label);
    read_calibration(s, yaml_get(root, "calibration"), d);
    read_training(s, yaml_get(root, "training"), d);
    read_metrics(s, yaml_get(root, "metrics"), arena, d);
    read_model_hash(s, yaml_get(root, "model_hash"), d);
    read_features(s, need(d, root, "features", "a bundle"), arena, d);
    const struct yaml_node *metrics = yaml_get(root, "metrics");
    if (d->errors == before && (!s->features || (metrics && !s->metrics)))
        yaml_diag(d, DIAG_ERROR, root, "the bundle needs more memory than is allowed for loading");
    return d->errors == before;
}

/* In double quotes, so that no text is taken for anything else. */
static void write_text(struct buf *out, struct str s)
{
    buf_byte(out, '"');
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c < 0x20 || c == 0x7F)
            buf_printf(out, "\\x%02x", c);
        else if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", c);
        else
            buf_byte(out, c);
    }
    buf_byte(out, '"');
}

static void write_pair(struct buf *out, const char *key, struct str text)
{
    buf_printf(out, "%s: ", key);
    write_text(out, text);
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
            write_text(out, f->categories[i]);
        }
        buf_printf(out, "]");
    }
    buf_printf(out, "}\n");
}

void bundle_spec_write(struct buf *out, const struct bundle_spec *s)
{
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
    if (s->platt)
        buf_printf(out, "calibration: {platt: {a: %.17g, b: %.17g}}\n", s->platt_a, s->platt_b);
    else
        buf_printf(out, "calibration: none\n");
    write_training(out, s);
    if (s->metric_count)
        buf_printf(out, "metrics:\n");
    for (size_t i = 0; i < s->metric_count; i++) {
        buf_printf(out, "  ");
        write_text(out, s->metrics[i].name);
        buf_printf(out, ": %.17g\n", s->metrics[i].value);
    }
    if (s->has_model_hash) {
        char hash[ID128_TEXT];
        id128_text(s->model_hash, hash);
        write_pair(out, "model_hash", str_from(hash));
        buf_byte(out, '\n');
    }
    buf_printf(out, "features:\n");
    for (size_t i = 0; i < s->feature_count; i++)
        write_feature(out, &s->features[i]);
}

long bundle_category(const struct bundle_feature *f, struct str text)
{
    for (size_t i = 0; i < f->category_count; i++)
        if (str_eq(f->categories[i], text))
            return (long)i;
    return -1;
}

double bundle_probability(const struct bundle_spec *s, float margin)
{
    double z = s->platt ? s->platt_a * (double)margin + s->platt_b : (double)margin;
    return 1 / (1 + exact_exp(-z));
}
