/* Calls over signals; see aggregate_calls.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "policy/aggregate_calls.h"
#include "policy/action_fields.h"
#include "policy/signal_filter.h"
#include "policy/symbols.h"
#include <stdarg.h>

enum measure { MEASURE_VALUE, MEASURE_AGE, MEASURE_MEAN, MEASURE_SHARE, MEASURE_REPEATS, MEASURE_AFFINITY, MEASURE_HOUR };
enum takes {
    TAKES_SIGNAL = 1,
    TAKES_PROPERTY = 2,
    TAKES_NUMBER = 4,
    TAKES_PAIR = 8,    /* of properties: that opens, that closes */
    TAKES_NOTHING = 16 /* all signals of a kind are meant */
};
enum span { SPAN_NONE, SPAN_WINDOW, SPAN_HALF_LIFE };

struct shape {
    const char *op;
    enum aggregate_kind kind;
    enum measure measure;
    unsigned takes; /* enum takes bits */
    bool many;      /* paths */
    enum span span;
    int64_t span_ms; /* when none is given; 0: one must be */
    const char *example;
};

#define DAY_MS INT64_C(86400000)

#define SHAPES(X)                                                                                                     \
    X(count, COUNT, VALUE, TAKES_SIGNAL | TAKES_PROPERTY, true, WINDOW, 0, "count(cart_add, 24h)")                    \
    X(sum, SUM, VALUE, TAKES_NUMBER, true, WINDOW, 0, "sum(cart_add.price, 24h)")                                     \
    X(mean, SUM, MEAN, TAKES_NUMBER, false, WINDOW, 0, "mean(purchase.amount, 90d)")                                  \
    X(min, MIN, VALUE, TAKES_NUMBER, false, WINDOW, 0, "min(purchase.amount, 90d)")                                   \
    X(max, MAX, VALUE, TAKES_NUMBER, false, WINDOW, 0, "max(purchase.amount, 90d)")                                   \
    X(last, LAST, VALUE, TAKES_PROPERTY, false, NONE, 0, "last(cart_add.sku)")                                        \
    X(last_at, LAST_AT, VALUE, TAKES_SIGNAL, true, NONE, 0, "last_at(cart_add)")                                      \
    X(age, LAST_AT, AGE, TAKES_SIGNAL, true, NONE, 0, "age(cart_add)")                                                \
    X(open, OPEN, VALUE, TAKES_PAIR, true, WINDOW, 0, "open(support_contact.case, support_resolved.case, 90d)")       \
    X(distinct, KEYS, VALUE, TAKES_PROPERTY, true, WINDOW, 0, "distinct(view.category, 30d)")                         \
    X(repeats, KEYS, REPEATS, TAKES_PROPERTY, true, WINDOW, 0, "repeats(support_contact.topic, 30d)")                 \
    X(share, SUM, SHARE, TAKES_SIGNAL | TAKES_NUMBER, false, WINDOW, 0,                                               \
      "share(purchase.amount, purchase.reward, 365d)")                                                                \
    X(decayed, DECAYED, VALUE, TAKES_SIGNAL | TAKES_NUMBER, true, HALF_LIFE, 0, "decayed(view, 7d)")                  \
    X(top, TOP, VALUE, TAKES_PROPERTY, true, HALF_LIFE, 30 * DAY_MS, "top(view.category, 30d)")                       \
    X(affinity, TOP, AFFINITY, TAKES_PROPERTY, true, HALF_LIFE, 30 * DAY_MS,                                          \
      "affinity(view.category, action.category, 30d)")                                                                \
    X(hour_affinity, HOURS, HOUR, TAKES_SIGNAL, true, WINDOW, 180 * DAY_MS, "hour_affinity(view, purchase, 180d)")    \
    X(mood, MOOD, VALUE, TAKES_NOTHING, false, HALF_LIFE, 7 * DAY_MS, "mood(7d)")                                     \
    X(negative_moments, COUNT, VALUE, TAKES_NOTHING, false, WINDOW, 0, "negative_moments(30d)")

static const struct shape shapes[] = {
#define X(op, kind, measure, takes, many, span, span_ms, example)                                                     \
    {#op, AGGREGATE_##kind, MEASURE_##measure, takes, many, SPAN_##span, span_ms, example},
    SHAPES(X)
#undef X
};

const char *const aggregate_call_names[] = {
#define X(op, kind, measure, takes, many, span, span_ms, example) #op,
    SHAPES(X)
#undef X
        NULL};

static const struct shape *shape_of(struct str op)
{
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        if (str_is(op, shapes[i].op))
            return &shapes[i];
    return NULL;
}

bool aggregate_call_is(struct str op)
{
    return shape_of(op) != NULL;
}

const char *aggregate_call_example(struct str op)
{
    return shape_of(op)->example;
}

const char *aggregate_call_span(struct str op)
{
    static const char *const words[] = {NULL, "window", "half_life"};
    return words[shape_of(op)->span];
}

/* ---- findings ---- */

/* report may be NULL: nobody listens. */
static void complain(const struct expr_report *report, size_t offset, const char *format, ...) PRINTF_LIKE(3, 4);
static void complain(const struct expr_report *report, size_t offset, const char *format, ...)
{
    if (!report)
        return;
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    report->add(report->ctx, DIAG_ERROR, offset, text);
}

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
    struct suggest s;
    suggest_init(&s, name);
    for (size_t i = 0; i < schema->signal_count; i++)
        suggest_offer(&s, schema->signals[i].name);
    struct str best = suggest_best(&s);
    complain(report, offset, "unknown signal '%.*s'%s%.*s%s declared: %.*s", STR_ARG(name),
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
    struct suggest s;
    suggest_init(&s, name);
    for (size_t i = 0; i < g->property_count; i++)
        suggest_offer(&s, g->properties[i].name);
    struct str best = suggest_best(&s);
    struct str declared = STR("none");
    if (g->property_count)
        declared = list_of(l, &g->properties->name, sizeof *g->properties, g->property_count);
    complain(report, offset, "signal %.*s has no property '%.*s'%s%.*s%s declared: %.*s", STR_ARG(g->name),
             STR_ARG(name), best.n ? "; did you mean " : "", STR_ARG(best), best.n ? "?" : ";", STR_ARG(declared));
    return false;
}

static bool is_number(uint8_t type)
{
    return type == VALUE_DOUBLE || type == VALUE_INT || type == VALUE_UNKNOWN;
}

/* One path of a call as a source. */
static bool source_of(struct loader *l, const struct shape *shape, struct str path, size_t offset,
                      const struct expr_report *report, struct aggregate_source *out)
{
    const char *dot = memchr(path.p, '.', path.n);
    struct str head = {path.p, dot ? (size_t)(dot - path.p) : path.n};
    bool properties = shape->takes & (TAKES_PROPERTY | TAKES_NUMBER | TAKES_PAIR);
    *out = (struct aggregate_source){.property = UINT32_MAX, .filter = UINT32_MAX};
    if (!dot && !(shape->takes & TAKES_SIGNAL)) {
        complain(report, offset, "expected a property like cart_add.price, got '%.*s'", STR_ARG(path));
        return false;
    }
    if (dot && !properties) {
        complain(report, offset, "%s is about a signal, not a property; it is used like %s", shape->op, shape->example);
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
        complain(report, offset, "%s needs a number; %.*s is a %s", shape->op, STR_ARG(path), value_type_name(type));
        return false;
    }
    return true;
}

/* ---- the parts of a call ---- */

/* A path after the first that names a bool property of the first one's signal is a filter: share(a.x, a.is_y, 30d). */
static bool is_flag(const struct loader *l, const struct aggregate_call *call, struct str path)
{
    const struct schema *schema = &l->policy->schema;
    const char *dot = memchr(path.p, '.', path.n);
    if (!dot || call->path_count == 0 || call->filter.n)
        return false;
    struct str head = {path.p, (size_t)(dot - path.p)}, tail = {dot + 1, path.n - head.n - 1};
    struct str first = call->paths[0].path;
    long signal = schema_signal_find(schema, head);
    if (signal < 0 || !str_starts(first, head) || (first.n > head.n && first.p[head.n] != '.'))
        return false;
    long property = schema_property(&schema->signals[signal], tail);
    return property >= 0 && schema->signals[signal].properties[property].type == VALUE_BOOL;
}

static bool check_span(const struct aggregate_call *call, const struct shape *shape, const struct expr_report *report,
                       int64_t *span_ms)
{
    *span_ms = call->span_given ? call->span_ms : shape->span_ms;
    if (shape->span == SPAN_NONE || *span_ms == 0) {
        if (shape->span == SPAN_NONE && !call->span_given)
            return true;
        complain(report, call->offset, "%s is used like %s", shape->op, shape->example);
        return false;
    }
    int64_t least = shape->kind == AGGREGATE_HOURS ? 7 * DAY_MS : WINDOW_MIN_MS;
    if (*span_ms >= least && *span_ms <= WINDOW_MAX_MS &&
        (shape->span != SPAN_HALF_LIFE || *span_ms % 60000 == 0))
        return true;
    if (shape->span == SPAN_HALF_LIFE)
        complain(report, call->span_offset, "a half-life is from 1m to 400d, in whole minutes");
    else
        complain(report, call->span_offset, "a window%s is from %s to 400d",
                 shape->kind == AGGREGATE_HOURS ? " of hours of the week" : "",
                 shape->kind == AGGREGATE_HOURS ? "7d" : "1m");
    return false;
}

static bool check_paths(const struct aggregate_call *call, const struct shape *shape, const struct expr_report *report)
{
    size_t keys = shape->measure == MEASURE_AFFINITY && call->key.type == VALUE_UNKNOWN;
    size_t least = shape->takes & TAKES_NOTHING ? 0 : shape->takes & TAKES_PAIR ? 2 : 1 + keys;
    bool good = call->path_count >= least && (shape->many || call->path_count == least);
    if (good && (shape->takes & TAKES_PAIR)) {
        size_t closing = 0;
        for (size_t i = 0; i < call->path_count; i++)
            closing += call->paths[i].closes;
        good = closing > 0 && closing < call->path_count;
    }
    if (!good)
        complain(report, call->offset, "%s is used like %s", shape->op, shape->example);
    return good;
}

static bool check_filter(struct loader *l, const struct aggregate_call *call, const struct shape *shape,
                         const struct expr_report *report, struct aggregate_source *sources, size_t count)
{
    if (!call->filter.n && shape->measure == MEASURE_SHARE) {
        complain(report, call->offset, "share needs a filter; it is used like %s", shape->example);
        return false;
    }
    if (!call->filter.n)
        return true;
    if (shape->takes & (TAKES_PAIR | TAKES_NOTHING)) {
        complain(call->filter_report, call->filter_offset, "%s takes no filter; it is used like %s", shape->op,
                 shape->example);
        return false;
    }
    for (size_t i = 1; i < count; i++)
        if (sources[i].signal != sources[0].signal) {
            complain(call->filter_report, call->filter_offset,
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

/* mood: every property of type sentiment. negative_moments: every signal that says when it is a bad moment. */
static size_t sources_of_all(struct loader *l, const struct shape *shape, struct aggregate_source **out)
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

static bool all_sources(struct loader *l, const struct aggregate_call *call, const struct shape *shape,
                        const struct expr_report *report, struct aggregate_source **sources, size_t *count)
{
    *count = sources_of_all(l, shape, sources);
    if (*count > 0)
        return true;
    if (shape->kind == AGGREGATE_MOOD)
        complain(report, call->offset, "mood needs a signal with a property of type sentiment, as in "
                                       "support_contact: {properties: {sentiment: sentiment}}");
    else
        complain(report, call->offset, "negative_moments needs a signal that says when it is one, as in "
                                       "device_fault: {negative: true}");
    return false;
}

static bool named_sources(struct loader *l, const struct aggregate_call *call, const struct shape *shape,
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
        for (size_t k = 0; k < i && !(shape->takes & TAKES_PAIR); k++)
            if ((*out)[k].signal == (*out)[i].signal && (*out)[k].property == (*out)[i].property) {
                complain(report, call->paths[i].offset, "%.*s is here twice", STR_ARG(call->paths[i].path));
                return false;
            }
    }
    return check_filter(l, call, shape, report, *out, *count);
}

/* ---- slots ---- */

static long add_aggregate(struct loader *l, const struct aggregate_call *call, const struct expr_report *report,
                          const struct aggregate_spec *spec)
{
    size_t before = l->policy->schema.aggregate_count;
    long index = schema_aggregate_add(&l->policy->schema, spec);
    if (index < 0 && before >= SCHEMA_AGGREGATES_MAX)
        complain(report, call->offset, "more than %d aggregates", SCHEMA_AGGREGATES_MAX);
    else if (index < 0)
        l->full = true;
    return index;
}

/* What mean and share divide by: events that have the property, or the same without the filter. */
static long add_divisor(struct loader *l, const struct aggregate_call *call, const struct expr_report *report,
                        const struct shape *shape, const struct aggregate_spec *spec)
{
    struct aggregate_source source = spec->sources[0];
    struct aggregate_spec divisor = *spec;
    divisor.sources = &source;
    if (shape->measure == MEASURE_MEAN)
        divisor.kind = AGGREGATE_COUNT;
    else
        source.filter = UINT32_MAX;
    return add_aggregate(l, call, report, &divisor);
}

/* The key of an affinity: a field of actions, or a constant. */
static bool affinity_slot(struct loader *l, const struct aggregate_call *call, const struct expr_report *report,
                          struct policy_slot *slot)
{
    slot->kind = SLOT_AFFINITY;
    slot->second = UINT32_MAX;
    slot->key = call->key;
    if (call->key.type != VALUE_UNKNOWN)
        return true;
    struct str path = call->paths[call->path_count - 1].path;
    size_t offset = call->paths[call->path_count - 1].offset;
    const struct loader_field *f = NULL;
    if (str_starts(path, STR("action.")))
        f = action_field_find(l, (struct str){path.p + 7, path.n - 7});
    if (!f) {
        complain(report, offset, "expected what to look for, a field that some action has (action.category) or a text "
                                 "('shoes'), got '%.*s'",
                 STR_ARG(path));
        return false;
    }
    uint32_t field = action_field_use(l, f);
    slot->second = field;
    return field != EXPR_NONE;
}

static bool make_slot(struct loader *l, const struct aggregate_call *call, const struct shape *shape,
                      const struct expr_report *report, const struct aggregate_spec *spec, struct policy_slot *slot)
{
    long index = add_aggregate(l, call, report, spec);
    if (index < 0)
        return false;
    *slot = (struct policy_slot){.kind = SLOT_AGGREGATE, .index = (uint32_t)index};
    switch (shape->measure) {
    case MEASURE_VALUE:
        return true;
    case MEASURE_AGE:
        slot->kind = SLOT_AGE;
        return true;
    case MEASURE_REPEATS:
        slot->kind = SLOT_REPEATS;
        return true;
    case MEASURE_HOUR:
        slot->kind = SLOT_HOUR;
        return true;
    case MEASURE_AFFINITY:
        return affinity_slot(l, call, report, slot);
    case MEASURE_MEAN:
    case MEASURE_SHARE: {
        long divisor = add_divisor(l, call, report, shape, spec);
        slot->kind = SLOT_RATIO;
        slot->second = (uint32_t)divisor;
        return divisor >= 0;
    }
    }
    return false;
}

bool aggregate_call(struct loader *l, const struct aggregate_call *call, const struct expr_report *report, uint32_t *slot)
{
    const struct shape *shape = shape_of(call->op);
    struct aggregate_source *sources;
    struct aggregate_spec spec = {.kind = shape->kind};
    if (!check_paths(call, shape, report) || !check_span(call, shape, report, &spec.span_ms))
        return false;
    bool all = shape->takes & TAKES_NOTHING;
    if (all && call->filter.n)
        return check_filter(l, call, shape, report, NULL, 0);
    if (all ? !all_sources(l, call, shape, report, &sources, &spec.source_count)
            : !named_sources(l, call, shape, report, &sources, &spec.source_count))
        return false;
    spec.sources = sources;
    spec.word = all ? shape->op : NULL;
    if (shape->measure == MEASURE_SHARE && sources[0].property == UINT32_MAX)
        spec.kind = AGGREGATE_COUNT;
    struct policy_slot wanted;
    if (!make_slot(l, call, shape, report, &spec, &wanted))
        return false;
    *slot = symbols_slot(l, &wanted);
    return *slot != EXPR_NONE;
}

static bool take_argument(struct loader *l, struct aggregate_call *call, const struct shape *shape,
                          const struct expr_arg *arg, const struct expr_report *report)
{
    bool flag = arg->path.n && is_flag(l, call, arg->path);
    if ((arg->deferred || flag) && !call->filter.n) {
        call->filter = arg->text;
        call->filter_offset = arg->offset;
        call->filter_report = report;
    } else if (arg->path.n && !arg->deferred && call->path_count < CALL_PATHS_MAX) {
        call->paths[call->path_count].path = arg->path;
        call->paths[call->path_count++].offset = arg->offset;
    } else if (arg->constant.type == VALUE_DURATION && !call->span_given) {
        call->span_given = true;
        call->span_ms = arg->constant.integer;
        call->span_offset = arg->offset;
    } else if (shape->measure == MEASURE_AFFINITY && arg->constant.type == VALUE_STRING &&
               call->key.type == VALUE_UNKNOWN) {
        call->key = arg->constant;
    } else {
        complain(report, arg->offset, "%s is used like %s", shape->op, shape->example);
        return false;
    }
    return true;
}

bool aggregate_call_mood(struct loader *l, uint32_t *slot)
{
    struct aggregate_source *sources;
    const struct shape *shape = shape_of(STR("mood"));
    struct aggregate_call call = {.op = STR("mood")};
    return sources_of_all(l, shape, &sources) > 0 && aggregate_call(l, &call, NULL, slot);
}

int aggregate_call_symbol(struct loader *l, struct str op, const struct expr_arg *args, size_t count, size_t offset,
                          const struct expr_report *report, struct expr_symbol *out)
{
    const struct shape *shape = shape_of(op);
    if (!shape)
        return ERR_NOTFOUND;
    struct aggregate_call call = {.op = op, .offset = offset};
    for (size_t i = 0; i < count; i++)
        if (!take_argument(l, &call, shape, &args[i], report))
            return ERR_INVALID;
    if (shape->takes & TAKES_PAIR && call.path_count == 2)
        call.paths[1].closes = true;
    *out = (struct expr_symbol){.kind = EXPR_SYM_SLOT};
    return aggregate_call(l, &call, report, &out->slot) ? 0 : ERR_INVALID;
}
