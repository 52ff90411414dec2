/* Features of train.yaml; see train_features.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/offline/train_features.h"
#include "expr/value.h"
#include "policy/schedule.h"
#include <stdlib.h>

struct features {
    struct train_config *c;
    const struct tzdb *zones;
    struct arena *arena;
    struct diags *d;
};

bool train_text_read(struct str *out, const struct yaml_node *n, struct diags *d)
{
    struct str text;
    if (!yaml_string(d, n, &text))
        return false;
    bool plain = text.n > 0 && text.n <= BUNDLE_TEXT_MAX;
    for (size_t i = 0; plain && i < text.n; i++)
        plain = (unsigned char)text.p[i] >= 0x20 && text.p[i] != 0x7F;
    if (plain)
        *out = text;
    else
        yaml_diag(d, DIAG_ERROR, n, "expected 1 to %d bytes of text on one line", BUNDLE_TEXT_MAX);
    return plain;
}

void train_zone_read(const struct tz **out, const struct yaml_node *n, const struct tzdb *zones,
                     struct diags *d)
{
    struct str name;
    if (!yaml_string(d, n, &name))
        return;
    const struct tz *found = tz_find(zones, name);
    if (found) {
        *out = found;
        return;
    }
    struct suggest s;
    suggest_init(&s, name);
    for (size_t i = 0; i < tzdb_count(zones); i++)
        suggest_offer(&s, tz_name(tzdb_at(zones, i)));
    yaml_diag(d, DIAG_ERROR, n, "unknown time zone '%.*s'%s%.*s%s names are IANA's, e.g. Europe/Rome",
              name.n < 60 ? (int)name.n : 60, name.p, suggest_best(&s).n ? "; did you mean " : ";",
              STR_ARG(suggest_best(&s)), suggest_best(&s).n ? "?" : "");
}

/* ---- dates ---- */

/* Until what an age counts: a date, "time", or the name of a column. */
static void read_until(struct features *r, struct train_feature *f, const struct yaml_node *n)
{
    struct str text;
    if (!train_text_read(&text, n, r->d))
        return;
    if (str_is(text, "time")) {
        f->until = UNTIL_TIME;
        if (!r->c->time_column.n)
            yaml_diag(r->d, DIAG_ERROR, n, "until: time needs 'time: {column: …}' at the top of the file");
    } else if (local_time_parse(text, f->zone, false, &f->until_ms) || timestamp_parse(text, &f->until_ms)) {
        f->until = UNTIL_INSTANT;
    } else {
        f->until = UNTIL_COLUMN;
        f->until_column = text;
    }
}

static void read_date(struct features *r, struct train_feature *f, const struct yaml_node *n)
{
    static const char *const parts[] = {"full_year",   "month", "date", "day_of_week",
                                        "day_of_year", "hours", "age",  NULL};
    const struct yaml_node *part = yaml_get(n, "part"), *until = yaml_get(n, "until");
    size_t index = PART_AGE;
    f->is_date = true;
    f->zone = r->c->zone;
    if (yaml_get(n, "time_zone"))
        train_zone_read(&f->zone, yaml_get(n, "time_zone"), r->zones, r->d);
    if (!part) {
        yaml_diag(r->d, DIAG_ERROR, n, "a feature of type date needs 'part': %s",
                  yaml_list_words(r->arena, parts));
        return;
    }
    if (!yaml_choice(r->d, part, parts, &index))
        return;
    f->part = (enum train_part)index;
    if (f->part == PART_AGE && !until)
        yaml_diag(r->d, DIAG_ERROR, part, "part age needs 'until': a column, time, or a date as 2025-01-31");
    else if (f->part != PART_AGE && until)
        yaml_diag(r->d, DIAG_ERROR, yaml_key(n, "until"), "until is for part age only");
    else if (until)
        read_until(r, f, until);
}

static void only_dates(struct features *r, const struct yaml_node *n)
{
    static const char *const keys[] = {"part", "until", "time_zone"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (yaml_get(n, keys[i]))
            yaml_diag(r->d, DIAG_ERROR, yaml_key(n, keys[i]), "%s is for type date only", keys[i]);
}

/* ---- categories ---- */

static int by_text(const void *a, const void *b)
{
    return str_cmp((*(struct yaml_node *const *)a)->text, (*(struct yaml_node *const *)b)->text);
}

static void check_repeated(struct features *r, const struct yaml_node *n)
{
    struct yaml_node **sorted = arena_memdup(r->arena, n->items, n->count * sizeof *sorted);
    if (!sorted)
        return;
    qsort(sorted, n->count, sizeof *sorted, by_text);
    for (size_t i = 1; i < n->count; i++)
        if (str_eq(sorted[i]->text, sorted[i - 1]->text))
            yaml_diag(r->d, DIAG_ERROR, sorted[i], "category '%.*s' stands in the list twice",
                      STR_ARG(sorted[i]->text));
}

static void read_categories(struct features *r, struct train_feature *f, const struct yaml_node *n)
{
    if (f->type != BUNDLE_CATEGORY) {
        yaml_diag(r->d, DIAG_ERROR, n, "categories are for type category only");
        return;
    }
    if (!yaml_expect(r->d, n, YAML_SEQUENCE, "categories"))
        return;
    if (n->count == 0 || n->count > BUNDLE_CATEGORIES_MAX) {
        yaml_diag(r->d, DIAG_ERROR, n, "%zu categories; allowed: 1 to %d", n->count, BUNDLE_CATEGORIES_MAX);
        return;
    }
    f->categories = arena_zalloc(r->arena, n->count * sizeof *f->categories);
    if (!f->categories) {
        yaml_diag(r->d, DIAG_ERROR, n, "the file needs more memory than is allowed for loading");
        return;
    }
    bool good = true;
    for (size_t i = 0; i < n->count; i++)
        good = train_text_read(&f->categories[f->category_count++], n->items[i], r->d) && good;
    if (good)
        check_repeated(r, n);
}

/* ---- one feature ---- */

static void read_type(struct features *r, struct train_feature *f, const struct yaml_node *n)
{
    static const char *const types[] = {"number", "bool", "category", "date", NULL};
    const struct yaml_node *type = yaml_get(n, "type");
    size_t index = BUNDLE_NUMBER;
    if (!type) {
        yaml_diag(r->d, DIAG_ERROR, n, "a feature needs 'type': %s", yaml_list_words(r->arena, types));
        return;
    }
    if (!yaml_choice(r->d, type, types, &index))
        return;
    if (index == 3) {
        read_date(r, f, n);
        return;
    }
    f->type = (enum bundle_type)index;
    only_dates(r, n);
}

/* {name: id, from: action}: the mapped action. */
static void check_id(struct features *r, struct train_feature *f, const struct yaml_node *n)
{
    f->is_id = true;
    if (f->type != BUNDLE_CATEGORY || f->is_date)
        yaml_diag(r->d, DIAG_ERROR, n, "the action's id is of type category");
    if (yaml_get(n, "column"))
        yaml_diag(r->d, DIAG_ERROR, yaml_key(n, "column"),
                  "the action's id comes from action.column and its map; it has no column of its own");
    if (!r->c->action_column.n)
        yaml_diag(r->d, DIAG_ERROR, n, "the action's id needs 'action: {column: …}' at the top of the file");
    if (f->categories)
        yaml_diag(r->d, DIAG_ERROR, yaml_key(n, "categories"),
                  "the categories of the action's id are the actions of the training rows");
}

static void read_column(struct features *r, struct train_feature *f, const struct yaml_node *n)
{
    const struct yaml_node *column = yaml_get(n, "column");
    f->column = f->name;
    if (column) {
        train_text_read(&f->column, column, r->d);
    } else if (f->from == BUNDLE_ACTION && f->name.n) {
        char *text = arena_printf(r->arena, "action.%.*s", STR_ARG(f->name));
        f->column = str_from(text ? text : "");
    }
}

static void read_one(struct features *r, struct train_feature *f, const struct yaml_node *n)
{
    static const char *const keys[] = {"name",       "column", "from",  "type",      "unit",
                                       "categories", "part",   "until", "time_zone", NULL};
    static const char *const froms[] = {"customer", "action", "pair", NULL};
    size_t from = BUNDLE_CUSTOMER;
    f->line = n->line;
    f->column_at = n->column;
    if (!yaml_expect(r->d, n, YAML_MAPPING, "a feature"))
        return;
    yaml_known_keys(r->d, n, "a feature", keys);
    if (yaml_get(n, "name"))
        train_text_read(&f->name, yaml_get(n, "name"), r->d);
    else
        yaml_diag(r->d, DIAG_ERROR, n, "a feature needs 'name'");
    if (yaml_get(n, "from"))
        yaml_choice(r->d, yaml_get(n, "from"), froms, &from);
    f->from = (enum bundle_from)from;
    if (yaml_get(n, "unit"))
        train_text_read(&f->unit, yaml_get(n, "unit"), r->d);
    read_type(r, f, n);
    if (yaml_get(n, "categories"))
        read_categories(r, f, yaml_get(n, "categories"));
    read_column(r, f, n);
    if (f->from == BUNDLE_ACTION && str_is(f->name, "id"))
        check_id(r, f, n);
    if (!train_is_single(r->c) && f->from != BUNDLE_CUSTOMER)
        yaml_diag(r->d, DIAG_ERROR, yaml_get(n, "from"),
                  "this kind has a model for each action, over features from: customer only");
}

static void check_same(struct features *r, const struct yaml_node *list, size_t i)
{
    const struct train_feature *all = r->c->features;
    for (size_t k = 0; k < i && all[i].name.n; k++)
        if (str_eq(all[k].name, all[i].name)) {
            yaml_diag(r->d, DIAG_ERROR, yaml_get(list->items[i], "name"),
                      "duplicate feature '%.*s'; it stands at line %d already", STR_ARG(all[i].name),
                      all[k].line);
            return;
        }
}

void train_features_read(struct train_config *c, const struct yaml_node *n, const struct tzdb *zones,
                         struct arena *arena, struct diags *d)
{
    struct features r = {c, zones, arena, d};
    if (!yaml_expect(d, n, YAML_SEQUENCE, "features"))
        return;
    if (n->count == 0 || n->count > BUNDLE_FEATURES_MAX) {
        yaml_diag(d, DIAG_ERROR, n, "%zu features; allowed: 1 to %d", n->count, BUNDLE_FEATURES_MAX);
        return;
    }
    c->features = arena_zalloc(arena, n->count * sizeof *c->features);
    if (!c->features) {
        yaml_diag(d, DIAG_ERROR, n, "the file needs more memory than is allowed for loading");
        return;
    }
    bool has_id = false;
    for (size_t i = 0; i < n->count; i++) {
        c->feature_count = i + 1;
        read_one(&r, &c->features[i], n->items[i]);
        check_same(&r, n, i);
        has_id = has_id || c->features[i].is_id;
    }
    if (c->kind == BUNDLE_S_LEARNER && !has_id)
        yaml_diag(d, DIAG_ERROR, n,
                  "s_learner needs the action among its features: {name: id, from: action, type: category}");
}

void train_monotone_read(struct train_config *c, const struct yaml_node *n, struct diags *d)
{
    static const char *const ways[] = {"increasing", "decreasing", NULL};
    if (!yaml_expect(d, n, YAML_MAPPING, "monotone"))
        return;
    for (size_t i = 0; i < n->count; i++) {
        struct suggest s;
        struct train_feature *f = NULL;
        size_t way = 0;
        suggest_init(&s, n->keys[i]->text);
        for (size_t k = 0; k < c->feature_count; k++) {
            suggest_offer(&s, c->features[k].name);
            if (str_eq(c->features[k].name, n->keys[i]->text))
                f = &c->features[k];
        }
        struct str best = suggest_best(&s);
        if (!f)
            yaml_diag(d, DIAG_ERROR, n->keys[i], "no feature is called '%.*s'%s%.*s%s",
                      n->keys[i]->text.n < 60 ? (int)n->keys[i]->text.n : 60, n->keys[i]->text.p,
                      best.n ? "; did you mean " : "", STR_ARG(best), best.n ? "?" : "");
        else if (f->type == BUNDLE_CATEGORY)
            yaml_diag(d, DIAG_ERROR, n->keys[i],
                      "categories have no order; monotone is for numbers and bools");
        if (yaml_choice(d, n->items[i], ways, &way) && f)
            f->monotone = way == 0 ? 1 : -1;
    }
}
