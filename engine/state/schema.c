/* Schema of a customer's state; see schema.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "state/schema.h"
#include "base/hash.h"
#include "state/coverage.h"

void schema_init(struct schema *s, struct arena *arena)
{
    *s = (struct schema){.arena = arena};
}

long schema_attribute(const struct schema *s, struct str name)
{
    for (size_t i = 0; i < s->attribute_count; i++)
        if (str_eq(s->attributes[i].name, name))
            return (long)i;
    return -1;
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
    for (size_t i = 0; i < s->property_count; i++)
        if (str_eq(s->properties[i].name, name))
            return (long)i;
    return -1;
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
static void put_sources(struct buf *b, const struct schema *s, const struct aggregate_spec *a, bool closing)
{
    bool first = true;
    for (size_t i = 0; i < a->source_count; i++) {
        const struct aggregate_source *from = &a->sources[i];
        const struct schema_signal *signal = &s->signals[from->signal];
        if (from->closes != closing)
            continue;
        buf_printf(b, "%s%.*s", first ? "" : " + ", STR_ARG(signal->name));
        if (from->property != UINT32_MAX)
            buf_printf(b, ".%.*s", STR_ARG(signal->properties[from->property].name));
        first = false;
    }
}

struct str schema_aggregate_name(const struct schema *s, const struct aggregate_spec *a)
{
    const struct aggregate_source *first = &a->sources[0];
    struct buf b;
    buf_init(&b, 64 * 1024);
    buf_printf(&b, "%s(", a->word ? a->word : words[a->kind]);
    if (!a->word) {
        put_sources(&b, s, a, false);
        if (a->kind == AGGREGATE_OPEN) {
            buf_printf(&b, ", ");
            put_sources(&b, s, a, true);
        }
        buf_printf(&b, "%s", a->span_ms ? ", " : "");
    }
    if (a->span_ms)
        value_format(value_duration(a->span_ms), &b);
    if (!a->word && first->filter != UINT32_MAX) {
        buf_printf(&b, ", ");
        buf_str(&b, s->signals[first->signal].filters[first->filter].text);
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

long schema_aggregate_add(struct schema *s, const struct aggregate_spec *wanted)
{
    struct schema_aggregate a = {.name = schema_aggregate_name(s, wanted), .kind = wanted->kind};
    if (!a.name.p)
        return -1;
    for (size_t i = 0; i < s->aggregate_count; i++)
        if (str_eq(s->aggregates[i].name, a.name))
            return (long)i;
    if (s->aggregate_count >= SCHEMA_AGGREGATES_MAX)
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

long schema_filter_add(struct schema *s, uint32_t signal, struct str text, expr_id when)
{
    struct schema_signal *g = &s->signals[signal];
    for (size_t i = 0; i < g->filter_count; i++)
        if (str_eq(g->filters[i].text, text))
            return (long)i;
    struct schema_filter *filters = arena_alloc(s->arena, (g->filter_count + 1) * sizeof *filters);
    struct str copy = arena_str(s->arena, text);
    if (!filters || !copy.p)
        return -1;
    if (g->filter_count)
        memcpy(filters, g->filters, g->filter_count * sizeof *filters);
    filters[g->filter_count] = (struct schema_filter){copy, when};
    g->filters = filters;
    return (long)g->filter_count++;
}

void schema_each_name(const struct schema *s, void (*visit)(void *ctx, struct str name), void *ctx)
{
    for (size_t i = 0; i < s->attribute_count; i++)
        visit(ctx, s->attributes[i].path);
    for (size_t i = 0; i < s->aggregate_count; i++)
        visit(ctx, s->aggregates[i].name);
    for (size_t i = 0; s->keeps_touches && i < s->signal_count; i++)
        visit(ctx, s->signals[i].path);
}

static int bind_one(const struct names *names, struct str name, uint32_t *id, uint32_t *limit,
                    struct error *e)
{
    *id = names_find(names, name);
    if (!*id)
        return error_set(e, ERR_NOTFOUND, "the dictionary of names lacks '%.*s'", STR_ARG(name));
    if (*id >= *limit)
        *limit = *id + 1;
    return 0;
}

int schema_bind(struct schema *s, const struct names *names, struct error *e)
{
    uint32_t limit = 1;
    int rc = 0;
    for (size_t i = 0; i < s->attribute_count && !rc; i++)
        rc = bind_one(names, s->attributes[i].path, &s->attributes[i].id, &limit, e);
    for (size_t i = 0; i < s->aggregate_count && !rc; i++)
        rc = bind_one(names, s->aggregates[i].name, &s->aggregates[i].id, &limit, e);
    uint32_t ignored = 1;
    for (size_t i = 0; s->keeps_touches && i < s->signal_count && !rc; i++)
        rc = bind_one(names, s->signals[i].path, &s->signals[i].id, &ignored, e);
    if (rc)
        return rc;
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
