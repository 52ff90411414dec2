/* Earlier names of what was renamed; see load_was.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "policy/load_was.h"

/* ---- reading ---- */

static size_t name_count(const struct yaml_node *n)
{
    return n->kind == YAML_SEQUENCE ? n->count : 1;
}

static const struct yaml_node *name_node(const struct yaml_node *n, size_t i)
{
    return n->kind == YAML_SEQUENCE ? n->items[i] : n;
}

void loader_was(struct loader *l, const struct yaml_node *declaration, const char *prefix, struct schema_was *out)
{
    const struct yaml_node *n = declaration->kind == YAML_MAPPING ? yaml_get(declaration, "was") : NULL;
    *out = (struct schema_was){0};
    if (!n)
        return;
    size_t count = name_count(n);
    if (n->kind == YAML_MAPPING || count == 0 || count > SCHEMA_WAS_MAX) {
        yaml_diag(l->diags, DIAG_ERROR, n, "was takes an earlier name, or a list of 1 to %d, the latest first", SCHEMA_WAS_MAX);
        return;
    }
    out->names = loader_alloc(l, count * sizeof *out->names);
    out->paths = prefix ? loader_alloc(l, count * sizeof *out->paths) : out->names;
    for (size_t i = 0; i < count && out->names && out->paths; i++) {
        struct str name;
        if (!loader_name(l, name_node(n, i), false, "earlier name", &name))
            continue;
        out->names[out->count] = name;
        if (prefix)
            out->paths[out->count] = loader_text(l, "%s%.*s", prefix, STR_ARG(name));
        out->count++;
    }
}

/* ---- checking ---- */

/* Things among which a name means one: attributes, signals, properties of a signal, features. */
struct family {
    struct loader *l;
    const char *what; /* "attribute" */
    const void *living; /* the first of the structures whose first member is their name */
    size_t stride, count;
    const struct yaml_node **lists; /* that were seen before, with their owners */
    struct str *owners;
    size_t seen;
};

static bool is_living(const struct family *f, struct str name)
{
    for (size_t i = 0; i < f->count; i++)
        if (str_eq(*(const struct str *)(const void *)((const char *)f->living + i * f->stride), name))
            return true;
    return false;
}

/* Who has the name among its earlier ones already; empty: nobody. */
static struct str other_owner(const struct family *f, struct str name)
{
    for (size_t i = 0; i < f->seen; i++)
        for (size_t k = 0; k < name_count(f->lists[i]); k++)
            if (str_eq(name_node(f->lists[i], k)->text, name))
                return f->owners[i];
    return (struct str){0};
}

static void check_name(struct family *f, struct str owner, const struct yaml_node *n, size_t i)
{
    const struct yaml_node *at = name_node(n, i);
    struct diags *d = f->l->diags;
    struct str other = other_owner(f, at->text);
    for (size_t k = 0; k < i; k++)
        if (str_eq(name_node(n, k)->text, at->text)) {
            yaml_diag(d, DIAG_ERROR, at, "'%.*s' is here twice", STR_ARG(at->text));
            return;
        }
    if (str_eq(at->text, owner)) {
        if (name_count(n) == 1)
            yaml_diag(d, DIAG_ERROR, at, "'%.*s' is what this %s is called now; was says what it was called before",
                      STR_ARG(owner), f->what);
    } else if (is_living(f, at->text)) {
        yaml_diag(d, DIAG_ERROR, at, "'%.*s' is the name of another %s of this policy; was says names that nothing else has now",
                  STR_ARG(at->text), f->what);
    } else if (other.n) {
        yaml_diag(d, DIAG_ERROR, at, "'%.*s' is an earlier name of %.*s too; each was that of one %s", STR_ARG(at->text),
                  STR_ARG(other), f->what);
    }
}

static void check_list(struct family *f, struct str owner, const struct yaml_node *declaration)
{
    const struct yaml_node *n = declaration->kind == YAML_MAPPING ? yaml_get(declaration, "was") : NULL;
    if (!n || n->kind == YAML_MAPPING || name_count(n) > SCHEMA_WAS_MAX)
        return;
    for (size_t i = 0; i < name_count(n); i++)
        if (name_node(n, i)->kind != YAML_SCALAR)
            return;
    for (size_t i = 0; i < name_count(n); i++)
        check_name(f, owner, n, i);
    f->lists[f->seen] = n;
    f->owners[f->seen++] = owner;
}

/* Room for one list a declaration. */
static bool family_init(struct family *f, struct loader *l, const char *what, size_t declarations)
{
    *f = (struct family){.l = l, .what = what};
    f->lists = loader_alloc(l, (declarations + 1) * sizeof *f->lists);
    f->owners = loader_alloc(l, (declarations + 1) * sizeof *f->owners);
    return f->lists && f->owners;
}

/* Those that are there: the names of `count` structures of `stride` bytes, whose first member is the name. */
static void family_living(struct family *f, const void *first, size_t stride, size_t count)
{
    f->living = first;
    f->stride = stride;
    f->count = count;
}

static void check_properties(struct loader *l, struct str signal, const struct yaml_node *declaration)
{
    const struct yaml_node *n = declaration->kind == YAML_MAPPING ? yaml_get(declaration, "properties") : NULL;
    long at = schema_signal_find(&l->policy->schema, signal);
    if (!n || n->kind != YAML_MAPPING || at < 0)
        return;
    const struct schema_signal *g = &l->policy->schema.signals[at];
    struct family f;
    if (!family_init(&f, l, "property", n->count))
        return;
    family_living(&f, g->properties, sizeof *g->properties, g->property_count);
    for (size_t i = 0; i < n->count; i++)
        if (!n->keys[i]->repeated)
            check_list(&f, n->keys[i]->text, n->items[i]);
}

static void check_section(struct loader *l, const char *section, struct family *f, bool properties)
{
    for (size_t i = 0; i < l->file_count; i++) {
        const struct yaml_node *n = yaml_get(l->files[i], section);
        for (size_t k = 0; n && n->kind == YAML_MAPPING && k < n->count; k++) {
            if (n->keys[k]->repeated)
                continue;
            check_list(f, n->keys[k]->text, n->items[k]);
            if (properties)
                check_properties(l, n->keys[k]->text, n->items[k]);
        }
    }
}

void load_was_check(struct loader *l)
{
    const struct policy *p = l->policy;
    const struct schema *s = &p->schema;
    struct family attributes, signals, features;
    if (!family_init(&attributes, l, "attribute", loader_count(l, "profile")) ||
        !family_init(&signals, l, "signal", loader_count(l, "signals")) ||
        !family_init(&features, l, "feature", loader_count(l, "features")))
        return;
    family_living(&attributes, s->attributes, sizeof *s->attributes, s->attribute_count);
    family_living(&signals, s->signals, sizeof *s->signals, s->signal_count);
    family_living(&features, p->features, sizeof *p->features, p->feature_count);
    check_section(l, "profile", &attributes, false);
    check_section(l, "signals", &signals, true);
    check_section(l, "features", &features, false);
}

/* ---- advice ---- */

const char *was_advice(const struct policy *p, struct str path, struct arena *arena)
{
    const struct schema *s = &p->schema;
    const char *dot = memchr(path.p, '.', path.n);
    struct str head = {path.p, dot ? (size_t)(dot - path.p) : path.n}, tail = {0};
    if (dot)
        tail = (struct str){dot + 1, path.n - head.n - 1};
    if (str_is(head, "profile") && schema_attribute(s, tail) < 0) {
        long at = schema_attribute_told(s, tail);
        return at < 0 ? NULL : arena_printf(arena, "it is called %.*s now", STR_ARG(s->attributes[at].path));
    }
    if (!dot && policy_feature_find(p, path) < 0) {
        long at = policy_feature_told(p, path);
        if (at >= 0)
            return arena_printf(arena, "it is called %.*s now", STR_ARG(p->features[at].name));
    }
    long signal = schema_signal_told(s, head);
    if (signal < 0)
        return NULL;
    const struct schema_signal *g = &s->signals[signal];
    long property = dot ? schema_field_told(g->properties, g->property_count, tail) : -1;
    bool same = str_eq(g->name, head) && (property < 0 || str_eq(g->properties[property].name, tail));
    if (same)
        return NULL;
    if (property < 0)
        return arena_printf(arena, "%s is called %.*s now", dot ? "its signal" : "it", STR_ARG(g->name));
    return arena_printf(arena, "it is called %.*s.%.*s now", STR_ARG(g->name), STR_ARG(g->properties[property].name));
}
