/* Schema of a customer's state; see schema.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "state/schema.h"
#include "base/hash.h"
#include "state/coverage.h"

void schema_init(struct schema *s, struct arena *arena)
{
    *s = (struct schema){.arena = arena};
}

static long field_find(const struct schema_field *fields, size_t count, struct str name)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq(fields[i].name, name))
            return (long)i;
    return -1;
}

long schema_attribute(const struct schema *s, struct str name)
{
    return field_find(s->attributes, s->attribute_count, name);
}

long schema_signal_find(const struct schema *s, struct str name)
{
    for (size_t i = 0; i < s->signal_count; i++)
        if (str_eq(s->signals[i].name, name))
            return (long)i;
    return -1;
}

long schema_property(const struct schema_signal *s, struct str name)
{
    return field_find(s->properties, s->property_count, name);
}

/* ---- earlier names ---- */

bool schema_was_called(const struct schema_was *was, struct str name)
{
    for (size_t i = 0; i < was->count; i++)
        if (str_eq(was->names[i], name))
            return true;
    return false;
}

long schema_field_told(const struct schema_field *fields, size_t count, struct str name)
{
    long at = field_find(fields, count, name);
    for (size_t i = 0; at < 0 && i < count; i++)
        if (schema_was_called(&fields[i].was, name))
            at = (long)i;
    return at;
}

long schema_attribute_told(const struct schema *s, struct str name)
{
    return schema_field_told(s->attributes, s->attribute_count, name);
}

long schema_signal_told(const struct schema *s, struct str name)
{
    long at = schema_signal_find(s, name);
    for (size_t i = 0; at < 0 && i < s->signal_count; i++)
        if (schema_was_called(&s->signals[i].was, name))
            at = (long)i;
    return at;
}

struct str schema_name_at(struct str name, const struct schema_was *was, size_t age)
{
    size_t most = age < was->count ? age : was->count;
    return most ? was->names[most - 1] : name;
}

size_t schema_signal_depth(const struct schema_signal *s)
{
    size_t depth = s->was.count;
    for (size_t i = 0; i < s->property_count; i++)
        depth = s->properties[i].was.count > depth ? s->properties[i].was.count : depth;
    return depth;
}

/* The dictionary's name of an attribute, a signal or an aggregate. */
static struct str stored(struct str path, const struct schema_was *was)
{
    return was->count ? was->paths[was->count - 1] : path;
}

bool aggregate_windowed(enum aggregate_kind kind)
{
    return kind == AGGREGATE_COUNT || kind == AGGREGATE_SUM || kind == AGGREGATE_MIN || kind == AGGREGATE_MAX ||
           kind == AGGREGATE_OPEN || kind == AGGREGATE_KEYS || kind == AGGREGATE_HOURS;
}

bool aggregate_decays(enum aggregate_kind kind)
{
    return kind == AGGREGATE_DECAYED || kind == AGGREGATE_MOOD || kind == AGGREGATE_TOP;
}

static const char *const words[AGGREGATE_KINDS] = {
    [AGGREGATE_COUNT] = "count", [AGGREGATE_SUM] = "sum",         [AGGREGATE_MIN] = "min",
    [AGGREGATE_MAX] = "max",     [AGGREGATE_LAST] = "last",       [AGGREGATE_LAST_AT] = "last_at",
    [AGGREGATE_OPEN] = "open",   [AGGREGATE_KEYS] = "keys",       [AGGREGATE_DECAYED] = "decayed",
    [AGGREGATE_MOOD] = "mood",   [AGGREGATE_TOP] = "top",         [AGGREGATE_HOURS] = "hours",
};

/* The sources that open (or all), or those that close: "a.case + b.case". */
static void put_sources(struct buf *b, const struct schema *s, const struct aggregate_spec *a, size_t age, bool closing)
{
    bool first = true;
    for (size_t i = 0; i < a->source_count; i++) {
        const struct aggregate_source *from = &a->sources[i];
        const struct schema_signal *signal = &s->signals[from->signal];
        if (from->closes != closing)
            continue;
        struct str name = schema_name_at(signal->name, &signal->was, age);
        buf_printf(b, "%s%.*s", first ? "" : " + ", STR_ARG(name));
        if (from->property != UINT32_MAX) {
            const struct schema_field *f = &signal->properties[from->property];
            name = schema_name_at(f->name, &f->was, age);
            buf_printf(b, ".%.*s", STR_ARG(name));
        }
        first = false;
    }
}

/* A filter's text with names of that age. */
static struct str filter_text(const struct schema_signal *g, uint32_t filter, size_t age)
{
    size_t depth = schema_signal_depth(g), most = age < depth ? age : depth;
    return most ? g->filters[filter].was[most - 1] : g->filters[filter].text;
}

struct str schema_aggregate_name(const struct schema *s, const struct aggregate_spec *a, size_t age)
{
    const struct aggregate_source *first = &a->sources[0];
    struct buf b;
    buf_init(&b, 64 * 1024);
    buf_printf(&b, "%s(", a->word ? a->word : words[a->kind]);
    if (!a->word) {
        put_sources(&b, s, a, age, false);
        if (a->kind == AGGREGATE_OPEN) {
            buf_printf(&b, ", ");
            put_sources(&b, s, a, age, true);
        }
        buf_printf(&b, "%s", a->span_ms ? ", " : "");
    }
    if (a->span_ms)
        value_format(value_duration(a->span_ms), &b);
    if (!a->word && first->filter != UINT32_MAX) {
        buf_printf(&b, ", ");
        buf_str(&b, filter_text(&s->signals[first->signal], first->filter, age));
    }
    buf_byte(&b, ')');
    if (b.n > NAME_MAX_BYTES) {
        struct id128 whole = hash128(b.p, b.n);
        char text[ID128_TEXT];
        id128_text(whole, text);
        static const char more[] = "… ";
        b.n = str_cut((struct str){(const char *)b.p, b.n}, NAME_MAX_BYTES - (sizeof more - 1) - (ID128_TEXT - 1)).n;
        buf_printf(&b, "%s%s", more, text);
        ASSERT(b.n <= NAME_MAX_BYTES);
    }
    struct str name = buf_ok(&b) ? arena_str(s->arena, (struct str){(const char *)b.p, b.n}) : (struct str){0};
    buf_free(&b);
    return name;
}

static uint8_t aggregate_type(const struct schema *s, const struct aggregate_spec *a)
{
    const struct aggregate_source *first = &a->sources[0];
    switch (a->kind) {
    case AGGREGATE_COUNT:
    case AGGREGATE_OPEN:
    case AGGREGATE_KEYS:
        return VALUE_INT;
    case AGGREGATE_MIN:
    case AGGREGATE_MAX:
    case AGGREGATE_LAST:
        return s->signals[first->signal].properties[first->property].type;
    case AGGREGATE_LAST_AT:
        return VALUE_TIMESTAMP;
    case AGGREGATE_TOP:
        return VALUE_STRING;
    default:
        return VALUE_DOUBLE;
    }
}

static bool feed(struct schema *s, const struct aggregate_source *from, uint32_t aggregate)
{
    struct schema_signal *g = &s->signals[from->signal];
    struct schema_feed *feeds = arena_alloc(s->arena, (g->feed_count + 1) * sizeof *feeds);
    if (!feeds)
        return false;
    if (g->feed_count)
        memcpy(feeds, g->feeds, g->feed_count * sizeof *feeds);
    feeds[g->feed_count++] = (struct schema_feed){aggregate, from->property, from->filter, from->closes};
    g->feeds = feeds;
    return true;
}

static bool aggregate_append(struct schema *s, const struct schema_aggregate *a)
{
    if ((s->aggregate_count & (s->aggregate_count - 1)) == 0) {
        size_t capacity = s->aggregate_count ? s->aggregate_count * 2 : 1;
        struct schema_aggregate *grown = arena_alloc(s->arena, capacity * sizeof *grown);
        if (!grown)
            return false;
        if (s->aggregate_count)
            memcpy(grown, s->aggregates, s->aggregate_count * sizeof *grown);
        s->aggregates = grown;
    }
    s->aggregates[s->aggregate_count++] = *a;
    return true;
}

/* What the aggregate was called while its sources had their earlier names; false without memory. */
static bool aggregate_was(const struct schema *s, const struct aggregate_spec *wanted, struct schema_aggregate *a)
{
    size_t depth = 0;
    for (size_t i = 0; !wanted->word && i < wanted->source_count; i++) {
        size_t d = schema_signal_depth(&s->signals[wanted->sources[i].signal]);
        depth = d > depth ? d : depth;
    }
    if (depth == 0)
        return true;
    a->was.names = a->was.paths = arena_alloc(s->arena, depth * sizeof *a->was.names);
    for (size_t age = 1; age <= depth && a->was.names; age++) {
        struct str name = schema_aggregate_name(s, wanted, age);
        if (!name.p)
            return false;
        if (a->was.count == 0 || !str_eq(name, a->was.names[a->was.count - 1]))
            a->was.names[a->was.count++] = name;
    }
    return a->was.names != NULL;
}

long schema_aggregate_add(struct schema *s, const struct aggregate_spec *wanted)
{
    struct schema_aggregate a = {.name = schema_aggregate_name(s, wanted, 0), .kind = wanted->kind};
    if (!a.name.p)
        return -1;
    for (size_t i = 0; i < s->aggregate_count; i++)
        if (str_eq(s->aggregates[i].name, a.name))
            return (long)i;
    if (s->aggregate_count >= SCHEMA_AGGREGATES_MAX || !aggregate_was(s, wanted, &a))
        return -1;
    a.type = aggregate_type(s, wanted);
    if (aggregate_windowed(a.kind)) {
        int64_t parts = a.kind == AGGREGATE_HOURS ? 4 : 24;
        a.window_ms = wanted->span_ms;
        a.width_ms = a.window_ms / parts > 0 ? a.window_ms / parts : 1;
    } else if (aggregate_decays(a.kind)) {
        a.half_life_ms = wanted->span_ms;
    }
    if (!aggregate_append(s, &a))
        return -1;
    uint32_t index = (uint32_t)s->aggregate_count - 1;
    for (size_t i = 0; i < wanted->source_count; i++)
        if (!feed(s, &wanted->sources[i], index))
            return -1;
    return (long)index;
}

long schema_filter_add(struct schema *s, uint32_t signal, const struct schema_filter *wanted)
{
    struct schema_signal *g = &s->signals[signal];
    for (size_t i = 0; i < g->filter_count; i++)
        if (str_eq(g->filters[i].text, wanted->text))
            return (long)i;
    struct schema_filter *filters = arena_alloc(s->arena, (g->filter_count + 1) * sizeof *filters);
    if (!filters)
        return -1;
    if (g->filter_count)
        memcpy(filters, g->filters, g->filter_count * sizeof *filters);
    filters[g->filter_count] = *wanted;
    g->filters = filters;
    return (long)g->filter_count++;
}

/* ---- the dictionary ---- */

/* The names under which data may lie besides the dictionary's: all that are listed but the oldest. */
static void each_former(const struct schema_was *was, void (*visit)(void *ctx, struct str name), void *ctx)
{
    for (size_t i = 0; i + 1 < was->count; i++)
        visit(ctx, was->paths[i]);
}

void schema_each_name(const struct schema *s, void (*visit)(void *ctx, struct str name), void *ctx)
{
    size_t touches = s->keeps_touches ? s->signal_count : 0;
    for (size_t i = 0; i < s->attribute_count; i++)
        visit(ctx, stored(s->attributes[i].path, &s->attributes[i].was));
    for (size_t i = 0; i < s->aggregate_count; i++)
        visit(ctx, stored(s->aggregates[i].name, &s->aggregates[i].was));
    for (size_t i = 0; i < touches; i++)
        visit(ctx, stored(s->signals[i].path, &s->signals[i].was));
    for (size_t i = 0; i < s->attribute_count; i++)
        each_former(&s->attributes[i].was, visit, ctx);
    for (size_t i = 0; i < s->aggregate_count; i++)
        each_former(&s->aggregates[i].was, visit, ctx);
    for (size_t i = 0; i < touches; i++)
        each_former(&s->signals[i].was, visit, ctx);
}

struct binding {
    struct schema *schema;
    const struct names *names;
    struct error *e;
    int rc;
    size_t room; /* of formers */
    struct schema_former next;
};

static uint32_t bind_id(struct binding *b, struct str name)
{
    uint32_t id = names_find(b->names, name);
    if (!id && !b->rc)
        b->rc = error_set(b->e, ERR_NOTFOUND, "the dictionary of names lacks '%.*s'", STR_ARG(name));
    return id;
}

static void bind_former(void *ctx, struct str name)
{
    struct binding *b = ctx;
    struct schema *s = b->schema;
    b->next.id = bind_id(b, name);
    if (s->former_count == b->room) {
        b->room = b->room ? b->room * 2 : 8;
        struct schema_former *grown = arena_alloc(s->arena, b->room * sizeof *grown);
        if (!grown) {
            b->rc = error_set(b->e, ERR_NOSPACE, "out of memory while binding names");
            b->room = s->former_count;
            return;
        }
        if (s->former_count)
            memcpy(grown, s->formers, s->former_count * sizeof *grown);
        s->formers = grown;
    }
    s->formers[s->former_count++] = b->next;
}

/* The id of one thing, and those of its other names. */
static uint32_t bind_one(struct binding *b, struct schema_former what, struct str path, const struct schema_was *was)
{
    b->next = what;
    each_former(was, bind_former, b);
    return bind_id(b, stored(path, was));
}

int schema_bind(struct schema *s, const struct names *names, struct error *e)
{
    struct binding b = {.schema = s, .names = names, .e = e};
    uint32_t limit = 1;
    s->former_count = 0;
    s->formers = NULL;
    for (uint32_t i = 0; i < s->attribute_count && !b.rc; i++) {
        struct schema_field *f = &s->attributes[i];
        f->id = bind_one(&b, (struct schema_former){.what = FORMER_ATTRIBUTE, .index = i}, f->path, &f->was);
        limit = f->id >= limit ? f->id + 1 : limit;
    }
    for (uint32_t i = 0; i < s->aggregate_count && !b.rc; i++) {
        struct schema_aggregate *a = &s->aggregates[i];
        a->id = bind_one(&b, (struct schema_former){.what = FORMER_AGGREGATE, .index = i}, a->name, &a->was);
        limit = a->id >= limit ? a->id + 1 : limit;
    }
    for (uint32_t i = 0; s->keeps_touches && i < s->signal_count && !b.rc; i++) {
        struct schema_signal *g = &s->signals[i];
        g->id = bind_one(&b, (struct schema_former){.what = FORMER_SIGNAL, .index = i}, g->path, &g->was);
    }
    if (b.rc)
        return b.rc;
    uint16_t *attributes = arena_zalloc(s->arena, limit * sizeof *attributes);
    uint16_t *aggregates = arena_zalloc(s->arena, limit * sizeof *aggregates);
    if (!attributes || !aggregates)
        return error_set(e, ERR_NOSPACE, "out of memory while binding names");
    for (size_t i = 0; i < s->attribute_count; i++)
        attributes[s->attributes[i].id] = (uint16_t)(i + 1);
    for (size_t i = 0; i < s->aggregate_count; i++)
        aggregates[s->aggregates[i].id] = (uint16_t)(i + 1);
    s->attribute_of_id = attributes;
    s->aggregate_of_id = aggregates;
    s->id_limit = limit;
    if (coverage_make(s))
        return error_set(e, ERR_NOSPACE, "out of memory while binding names");
    return 0;
}
