/* Filters over the events of one signal; see signal_filter.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "policy/signal_filter.h"
#include "policy/load_was.h"

struct filter_scope {
    struct loader *loader;
    struct schema_signal *signal;
    const struct expr_report *report;
    size_t offset;
};

/* The slot of a property, or of SCHEMA_CHANNEL, in the signal's program; declared at first use. */
static uint32_t slot_of(struct filter_scope *f, uint32_t property)
{
    struct schema_signal *g = f->signal;
    size_t count = expr_slot_count(g->program);
    for (size_t i = 0; i < count; i++)
        if (g->slots[i] == property)
            return (uint32_t)i;
    const struct schema_field *field = property == SCHEMA_CHANNEL ? NULL : &g->properties[property];
    struct expr_slot slot = {.name = field ? field->path : loader_text(f->loader, "%.*s.channel", STR_ARG(g->name)),
                             .type = {field ? field->type : VALUE_STRING, 0},
                             .motion = EXPR_STILL,
                             .domain = field ? field->domain : loader_channel_names(f->loader),
                             .domain_count = field ? field->domain_count : f->loader->policy->channel_count,
                             .ranged = field && field->ranged,
                             .least = field ? field->least : 0,
                             .most = field ? field->most : 0};
    uint32_t *slots = loader_alloc(f->loader, (count + 1) * sizeof *slots);
    uint32_t at = slots ? expr_slot_add(g->program, &slot) : EXPR_NONE;
    if (at == EXPR_NONE) {
        f->loader->full = true;
        return EXPR_NONE;
    }
    if (count)
        memcpy(slots, g->slots, count * sizeof *slots);
    slots[at] = property;
    g->slots = slots;
    return at;
}

static int ident(void *ctx, struct str path, struct expr_symbol *out)
{
    struct filter_scope *f = ctx;
    struct str signal = f->signal->name;
    if (!str_starts(path, signal) || path.n < signal.n + 2 || path.p[signal.n] != '.')
        return ERR_NOTFOUND;
    struct str name = {path.p + signal.n + 1, path.n - signal.n - 1};
    long property = schema_property(f->signal, name);
    if (property < 0 && !str_is(name, "channel"))
        return ERR_NOTFOUND;
    *out = (struct expr_symbol){.kind = EXPR_SYM_SLOT,
                                .slot = slot_of(f, property < 0 ? SCHEMA_CHANNEL : (uint32_t)property)};
    return out->slot == EXPR_NONE ? ERR_NOTFOUND : 0;
}

static const char *advice(void *ctx, struct str path, struct arena *arena)
{
    struct filter_scope *f = ctx;
    struct str signal = f->signal->name;
    bool own = str_starts(path, signal) && path.n > signal.n && path.p[signal.n] == '.';
    if (schema_property(f->signal, path) >= 0 || str_is(path, "channel"))
        return arena_printf(arena, "write %.*s.%.*s", STR_ARG(signal), STR_ARG(path));
    const char *was = was_advice(f->loader->policy, path, arena);
    if (was && own)
        return was;
    bool elsewhere = memchr(path.p, '.', path.n) || str_is(path, "now") || str_is(path, "stage") ||
                     policy_feature_find(f->loader->policy, path) >= 0;
    return elsewhere && !own ? arena_printf(arena, "it is not of the event") : NULL;
}

static void each_name(void *ctx, void (*visit)(void *arg, struct str name), void *arg)
{
    struct filter_scope *f = ctx;
    for (size_t i = 0; i < f->signal->property_count; i++)
        visit(arg, f->signal->properties[i].path);
    visit(arg, loader_text(f->loader, "%.*s.channel", STR_ARG(f->signal->name)));
}

static void add(void *ctx, enum diag_severity severity, size_t offset, const char *text)
{
    struct filter_scope *f = ctx;
    char whole[700];
    snprintf(whole, sizeof whole, "%s (a filter sees the event alone: properties of %.*s, and %.*s.channel)", text,
             STR_ARG(f->signal->name), STR_ARG(f->signal->name));
    f->report->add(f->report->ctx, severity, f->offset + offset, severity == DIAG_ERROR ? whole : text);
}

struct older {
    const struct schema_signal *signal;
    size_t age;
};

/* The words of a filter by what they were called. */
static struct str older_word(void *ctx, struct str head, struct str word)
{
    const struct older *o = ctx;
    const struct schema_signal *g = o->signal;
    if (head.n == 0)
        return str_eq(word, g->name) ? schema_name_at(g->name, &g->was, o->age) : word;
    long property = str_eq(head, g->name) ? schema_property(g, word) : -1;
    return property < 0 ? word : schema_name_at(word, &g->properties[property].was, o->age);
}

long signal_filter(struct loader *l, uint32_t signal, struct str text, size_t offset,
                   const struct expr_report *report)
{
    struct schema_signal *g = &l->policy->schema.signals[signal];
    if (!g->program)
        g->program = expr_program_new(l->arena);
    if (!g->program) {
        l->full = true;
        return -1;
    }
    struct filter_scope f = {l, g, report, offset};
    struct expr_scope scope = {.ctx = &f, .ident = ident, .advice = advice, .zoneless = true, .each_name = each_name};
    struct expr_report inner = {&f, add};
    expr_id when;
    int rc = expr_compile(g->program, &scope, text, (struct expr_type){VALUE_BOOL, 0}, &inner, &when);
    l->full = l->full || rc == ERR_NOSPACE;
    if (rc)
        return -1;
    if (expr_constant(g->program, when)) {
        add(&f, DIAG_ERROR, 0, "this filter is the same for every event");
        return -1;
    }
    struct schema_filter filter = {.text = expr_canonical(text, l->arena), .when = when};
    bool good = filter.text.p != NULL;
    for (size_t i = 0; i < schema_signal_depth(g); i++) {
        struct older older = {g, i + 1};
        filter.was[i] = expr_canonical_as(text, older_word, &older, l->arena);
        good = good && filter.was[i].p;
    }
    long index = good ? schema_filter_add(&l->policy->schema, signal, &filter) : -1;
    l->full = l->full || index < 0;
    return index;
}
