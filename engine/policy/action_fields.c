/* Fields of actions as features see them; see action_fields.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "policy/action_fields.h"
#include <stdlib.h>

const char *const action_words[] = {"id", "issue", "group", "purpose", NULL};

struct value action_constant(const struct yaml_node *n)
{
    double number;
    if (!n->quoted && (str_is(n->text, "true") || str_is(n->text, "false")))
        return value_bool(str_is(n->text, "true"));
    return yaml_is_number(n, &number) ? value_double(number) : value_string(n->text);
}

struct value action_word(const struct policy *p, const struct policy_action *a, struct str name)
{
    if (str_is(name, "id"))
        return value_string(a->word.name);
    if (str_is(name, "issue"))
        return value_string(p->issues[a->issue].name);
    if (str_is(name, "group"))
        return value_string(p->groups[a->group].name);
    if (str_is(name, "purpose"))
        return value_string(str_from(purpose_name(a->purpose)));
    return value_unknown(UNKNOWN_ABSENT);
}

/* ---- gathering ---- */

/* One constant of one action. */
struct entry {
    struct str name;
    const struct yaml_node *value; /* NULL: none yet, but the name exists */
    struct value constant;
    size_t order;
};

struct entries {
    struct entry *items; /* NULL while they are counted only */
    size_t count;
};

static bool is_word(struct str name)
{
    for (const char *const *w = action_words; *w; w++)
        if (str_is(name, *w))
            return true;
    return false;
}

static void add(struct entries *e, struct str name, const struct yaml_node *value, struct value constant)
{
    if (e->items)
        e->items[e->count] = (struct entry){name, value, constant, e->count};
    e->count++;
}

static void add_action(struct entries *e, const struct yaml_node *action)
{
    for (const char *const *w = action_words; *w; w++) {
        const struct yaml_node *n = yaml_get(action, *w);
        if (n && n->kind == YAML_SCALAR)
            add(e, str_from(*w), n, value_string(n->text));
    }
    const struct yaml_node *features = yaml_get(action, "features");
    if (!features || features->kind != YAML_MAPPING)
        return;
    for (size_t i = 0; i < features->count; i++)
        if (features->items[i]->kind == YAML_SCALAR && !features->keys[i]->repeated &&
            !is_word(features->keys[i]->text))
            add(e, features->keys[i]->text, features->items[i], action_constant(features->items[i]));
}

static void add_all(const struct loader *l, struct entries *e)
{
    e->count = 0;
    for (const char *const *w = action_words; *w; w++)
        add(e, str_from(*w), NULL, value_string((struct str){0}));
    for (int i = 0; i < PURPOSE_COUNT; i++) { /* any purpose may be asked for, also one that no action has */
        struct str name = str_from(purpose_name((enum purpose)i));
        add(e, STR("purpose"), NULL, value_string(name));
    }
    for (size_t f = 0; f < l->file_count; f++) {
        const struct yaml_node *actions = yaml_get(l->files[f], "actions");
        for (size_t i = 0; actions && actions->kind == YAML_SEQUENCE && i < actions->count; i++)
            if (actions->items[i]->kind == YAML_MAPPING)
                add_action(e, actions->items[i]);
    }
}

static int by_name(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    int order = str_cmp(x->name, y->name);
    return order ? order : x->order < y->order ? -1 : x->order > y->order;
}

static int by_text(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* All that a string is in some action, each once, so that comparing it with anything else can be warned of. */
static void gather_values(struct loader *l, const struct entry *entries, size_t count, struct loader_field *f)
{
    struct str *values = loader_alloc(l, count * sizeof *values);
    size_t n = 0;
    for (size_t i = 0; values && i < count; i++)
        if (entries[i].value || entries[i].constant.n)
            values[n++] = value_str(entries[i].constant);
    if (n == 0)
        return;
    qsort(values, n, sizeof *values, by_text);
    f->values = values;
    for (size_t i = 0; i < n; i++)
        if (i == 0 || !str_eq(values[i], values[i - 1]))
            f->values[f->value_count++] = values[i];
}

static void make_field(struct loader *l, const struct entry *entries, size_t count, struct loader_field *f)
{
    *f = (struct loader_field){.name = entries[0].name,
                               .path = loader_text(l, "action.%.*s", STR_ARG(entries[0].name)),
                               .type = entries[0].constant.type};
    for (size_t i = 0; i < count; i++) {
        if (!f->first)
            f->first = entries[i].value;
        if (!f->odd && entries[i].constant.type != entries[0].constant.type)
            f->odd = entries[i].value;
    }
    if (f->odd)
        f->type = VALUE_UNKNOWN;
    if (f->type == VALUE_STRING)
        gather_values(l, entries, count, f);
}

void action_fields_read(struct loader *l)
{
    struct entries e = {0};
    add_all(l, &e);
    size_t count = e.count;
    e.items = loader_alloc(l, count * sizeof *e.items);
    l->fields = loader_alloc(l, count * sizeof *l->fields);
    if (!e.items || !l->fields)
        return;
    add_all(l, &e);
    qsort(e.items, count, sizeof *e.items, by_name);
    for (size_t from = 0, to; from < count; from = to) {
        for (to = from + 1; to < count && str_eq(e.items[to].name, e.items[from].name);)
            to++;
        make_field(l, e.items + from, to - from, &l->fields[l->field_count++]);
    }
    l->policy->fields = loader_alloc(l, l->field_count * sizeof *l->policy->fields);
}

/* ---- using ---- */

const struct loader_field *action_field_find(const struct loader *l, struct str name)
{
    size_t low = 0, high = l->field_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = str_cmp(l->fields[middle].name, name);
        if (order == 0)
            return &l->fields[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

uint32_t action_field_use(struct loader *l, const struct loader_field *field)
{
    struct policy *p = l->policy;
    if (!p->fields)
        return EXPR_NONE;
    for (size_t i = 0; i < p->field_count; i++)
        if (str_eq(p->fields[i], field->name))
            return (uint32_t)i;
    p->fields[p->field_count] = field->name;
    return (uint32_t)p->field_count++;
}

static struct value field_of(const struct policy *p, const struct policy_action *a, struct str name)
{
    for (size_t i = 0; i < a->attribute_count; i++)
        if (str_eq(a->attributes[i].name, name))
            return a->attributes[i].value;
    return action_word(p, a, name);
}

void action_fields_finish(struct loader *l)
{
    struct policy *p = l->policy;
    for (size_t i = 0; i < p->field_count; i++) {
        const struct loader_field *f = action_field_find(l, p->fields[i]);
        if (f && f->odd)
            yaml_diag(l->diags, DIAG_ERROR, f->odd,
                      "%.*s is a %s here and a %s at %s:%d; features look at it, so all actions that have it "
                      "must agree",
                      STR_ARG(f->path), value_type_name((enum value_type)action_constant(f->odd).type),
                      value_type_name((enum value_type)action_constant(f->first).type), f->first->file,
                      f->first->line);
    }
    for (size_t k = 0; p->field_count && k < p->action_count; k++) {
        struct policy_action *a = &p->actions[k];
        a->fields = loader_alloc(l, p->field_count * sizeof *a->fields);
        for (size_t i = 0; a->fields && i < p->field_count; i++)
            a->fields[i] = field_of(p, a, p->fields[i]);
    }
}
