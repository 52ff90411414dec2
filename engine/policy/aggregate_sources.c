/* What calls over signals look at; see aggregate_sources.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "policy/aggregate_sources.h"
#include "policy/load_was.h"
#include "policy/signal_filter.h"

static struct str list_of(struct loader *l, const struct str *words, size_t stride, size_t n)
{
    struct buf b;
    buf_init(&b, 400);
    for (size_t i = 0; i < n && b.n < 300; i++)
        buf_printf(&b, "%s%.*s", i ? ", " : "",
                   STR_ARG(*(const struct str *)(const void *)((const char *)words + i * stride)));
    struct str s = arena_str(l->arena, (struct str){(const char *)b.p, b.n});
    buf_free(&b);
    return s;
}

/* ---- paths ---- */

static bool find_signal(struct loader *l, struct str name, size_t offset, const struct expr_report *report,
                        uint32_t *out)
{
    const struct schema *schema = &l->policy->schema;
    long at = schema_signal_find(schema, name);
    if (at >= 0) {
        *out = (uint32_t)at;
        return true;
    }
    const char *was = was_advice(l->policy, name, l->arena);
    if (was) {
        aggregate_complain(report, offset, "unknown signal '%.*s'; %s", STR_ARG(name), was);
        return false;
    }
    struct suggest s;
    suggest_init(&s, name);
    for (size_t i = 0; i < schema->signal_count; i++)
        suggest_offer(&s, schema->signals[i].name);
    struct str best = suggest_best(&s);
    aggregate_complain(report, offset, "unknown signal '%.*s'%s%.*s%s declared: %.*s", STR_ARG(name),
                       best.n ? "; did you mean " : "", STR_ARG(best), best.n ? "?" : ";",
                       STR_ARG(list_of(l, &schema->signals->name, sizeof *schema->signals, schema->signal_count)));
    return false;
}

static bool find_property(struct loader *l, uint32_t signal, struct str name, size_t offset,
                          const struct expr_report *report, uint32_t *property)
{
    const struct schema_signal *g = &l->policy->schema.signals[signal];
    long at = schema_property(g, name);
    if (at >= 0) {
        *property = (uint32_t)at;
        return true;
    }
    long now = schema_field_told(g->properties, g->property_count, name);
    if (now >= 0) {
        aggregate_complain(report, offset, "signal %.*s has no property '%.*s'; it is called %.*s now", STR_ARG(g->name),
                           STR_ARG(name), STR_ARG(g->properties[now].path));
        return false;
    }
    struct suggest s;
    suggest_init(&s, name);
    for (size_t i = 0; i < g->property_count; i++)
        suggest_offer(&s, g->properties[i].name);
    struct str best = suggest_best(&s);
    struct str declared = STR("none");
    if (g->property_count)
        declared = list_of(l, &g->properties->name, sizeof *g->properties, g->property_count);
    aggregate_complain(report, offset, "signal %.*s has no property '%.*s'%s%.*s%s declared: %.*s", STR_ARG(g->name),
                       STR_ARG(name), best.n ? "; did you mean " : "", STR_ARG(best), best.n ? "?" : ";",
                       STR_ARG(declared));
    return false;
}

static bool is_number(uint8_t type)
{
    return type == VALUE_DOUBLE || type == VALUE_INT || type == VALUE_UNKNOWN;
}

/* One path of a call as a source. */
static bool source_of(struct loader *l, const struct aggregate_shape *shape, struct str path, size_t offset,
                      const struct expr_report *report, struct aggregate_source *out)
{
    const char *dot = memchr(path.p, '.', path.n);
    struct str head = {path.p, dot ? (size_t)(dot - path.p) : path.n};
    bool properties = shape->takes & (TAKES_PROPERTY | TAKES_NUMBER | TAKES_PAIR);
    *out = (struct aggregate_source){.property = UINT32_MAX, .filter = UINT32_MAX};
    if (!dot && !(shape->takes & TAKES_SIGNAL)) {
        aggregate_complain(report, offset, "expected a property like cart_add.price, got '%.*s'", STR_ARG(path));
        return false;
    }
    if (dot && !properties) {
        aggregate_complain(report, offset, "%s is about a signal, not a property; it is used like %s", shape->op,
                           shape->example);
        return false;
    }
    if (!find_signal(l, head, offset, report, &out->signal))
        return false;
    if (!dot)
        return true;
    struct str tail = {dot + 1, path.n - head.n - 1};
    if (!find_property(l, out->signal, tail, offset, report, &out->property))
        return false;
    uint8_t type = l->policy->schema.signals[out->signal].properties[out->property].type;
    if ((shape->takes & TAKES_NUMBER) && !is_number(type)) {
        aggregate_complain(report, offset, "%s needs a number; %.*s is a %s", shape->op, STR_ARG(path),
                           value_type_name(type));
        return false;
    }
    return true;
}

static bool check_filter(struct loader *l, const struct aggregate_call *call, const struct aggregate_shape *shape,
                         const struct expr_report *report, struct aggregate_source *sources, size_t count)
{
    if (!call->filter.n && shape->measure == MEASURE_SHARE) {
        aggregate_complain(report, call->offset, "share needs a filter; it is used like %s", shape->example);
        return false;
    }
    if (!call->filter.n)
        return true;
    if (shape->takes & (TAKES_PAIR | TAKES_NOTHING)) {
        aggregate_complain(call->filter_report, call->filter_offset, "%s takes no filter; it is used like %s", shape->op,
                           shape->example);
        return false;
    }
    for (size_t i = 1; i < count; i++)
        if (sources[i].signal != sources[0].signal) {
            aggregate_complain(call->filter_report, call->filter_offset,
                               "a filter looks at one signal; this is about %.*s and %.*s",
                               STR_ARG(l->policy->schema.signals[sources[0].signal].name),
                               STR_ARG(l->policy->schema.signals[sources[i].signal].name));
            return false;
        }
    long filter = signal_filter(l, sources[0].signal, call->filter, call->filter_offset, call->filter_report);
    for (size_t i = 0; i < count && filter >= 0; i++)
        sources[i].filter = (uint32_t)filter;
    return filter >= 0;
}

/* ---- sources that a call does not name ---- */

size_t aggregate_sources_of_all(struct loader *l, const struct aggregate_shape *shape, struct aggregate_source **out)
{
    const struct schema *schema = &l->policy->schema;
    size_t most = 1, n = 0;
    for (size_t i = 0; i < schema->signal_count; i++)
        most += schema->signals[i].property_count + 1;
    struct aggregate_source *sources = loader_alloc(l, most * sizeof *sources);
    for (uint32_t i = 0; sources && i < schema->signal_count; i++) {
        const struct schema_signal *g = &schema->signals[i];
        if (shape->kind == AGGREGATE_COUNT && g->negative != SIGNAL_NEVER_NEGATIVE)
            sources[n++] = (struct aggregate_source){.signal = i, .property = UINT32_MAX, .filter = g->negative};
        for (uint32_t k = 0; shape->kind == AGGREGATE_MOOD && k < g->property_count; k++)
            if (g->properties[k].sentiment)
                sources[n++] = (struct aggregate_source){.signal = i, .property = k, .filter = UINT32_MAX};
    }
    *out = sources;
    return n;
}

static bool all_sources(struct loader *l, const struct aggregate_call *call, const struct aggregate_shape *shape,
                        const struct expr_report *report, struct aggregate_source **sources, size_t *count)
{
    *count = aggregate_sources_of_all(l, shape, sources);
    if (*count > 0)
        return true;
    if (shape->kind == AGGREGATE_MOOD)
        aggregate_complain(report, call->offset, "mood needs a signal with a property of type sentiment, as in "
                           "support_contact: {properties: {sentiment: sentiment}}");
    else
        aggregate_complain(report, call->offset, "negative_moments needs a signal that says when it is one, as in "
                           "device_fault: {negative: true}");
    return false;
}

/* What counts twice: a path that is here already, or one whose events all count by the signal itself. */
static bool check_once(struct loader *l, const struct aggregate_call *call, const struct aggregate_source *sources,
                       size_t i, const struct expr_report *report)
{
    struct str path = call->paths[i].path;
    for (size_t k = 0; k < i; k++) {
        if (sources[k].signal != sources[i].signal)
            continue;
        if (sources[k].property == sources[i].property) {
            aggregate_complain(report, call->paths[i].offset, "%.*s is here twice", STR_ARG(path));
            return false;
        }
        if (sources[k].property == UINT32_MAX || sources[i].property == UINT32_MAX) {
            aggregate_complain(report, call->paths[i].offset,
                               "events of %.*s would count twice, by %.*s and by %.*s; a filter stands after the window",
                               STR_ARG(l->policy->schema.signals[sources[i].signal].name), STR_ARG(call->paths[k].path),
                               STR_ARG(path));
            return false;
        }
    }
    return true;
}

/* A case is closed by the key with which it was opened, of the same type. */
static bool check_key_type(struct loader *l, const struct aggregate_call *call, const struct aggregate_source *sources,
                           size_t i, const struct expr_report *report)
{
    const struct schema_signal *signals = l->policy->schema.signals;
    uint8_t first = signals[sources[0].signal].properties[sources[0].property].type;
    uint8_t type = signals[sources[i].signal].properties[sources[i].property].type;
    if (type == first || type == VALUE_UNKNOWN || first == VALUE_UNKNOWN)
        return true;
    aggregate_complain(report, call->paths[i].offset,
                       "%.*s is of type %s and %.*s of type %s; a case is closed by the same key that opened it",
                       STR_ARG(call->paths[0].path), value_type_name(first), STR_ARG(call->paths[i].path),
                       value_type_name(type));
    return false;
}

static bool named_sources(struct loader *l, const struct aggregate_call *call, const struct aggregate_shape *shape,
                          const struct expr_report *report, struct aggregate_source **out, size_t *count)
{
    bool key = shape->measure == MEASURE_AFFINITY && call->key.type == VALUE_UNKNOWN;
    *count = call->path_count - key;
    *out = loader_alloc(l, *count * sizeof **out);
    if (!*out)
        return false;
    for (size_t i = 0; i < *count; i++) {
        if (!source_of(l, shape, call->paths[i].path, call->paths[i].offset, report, &(*out)[i]))
            return false;
        (*out)[i].closes = call->paths[i].closes;
        bool good = shape->takes & TAKES_PAIR ? check_key_type(l, call, *out, i, report)
                                              : check_once(l, call, *out, i, report);
        if (!good)
            return false;
    }
    return check_filter(l, call, shape, report, *out, *count);
}

bool aggregate_sources(struct loader *l, const struct aggregate_call *call, const struct aggregate_shape *shape,
                       const struct expr_report *report, struct aggregate_source **sources, size_t *count)
{
    if (!(shape->takes & TAKES_NOTHING))
        return named_sources(l, call, shape, report, sources, count);
    return check_filter(l, call, shape, report, NULL, 0) && all_sources(l, call, shape, report, sources, count);
}
