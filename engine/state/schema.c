/* Schema of a customer's state; see schema.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "state/schema.h"

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

static struct str duration_text(struct arena *arena, int64_t ms)
{
    struct buf b;
    buf_init(&b, 256);
    value_format(value_duration(ms), &b);
    struct str s = arena_str(arena, (struct str){(const char *)b.p, b.n});
    buf_free(&b);
    return s;
}

struct str schema_aggregate_name(const struct schema *s, const struct schema_aggregate *a)
{
    const struct schema_signal *signal = &s->signals[a->signal];
    struct str sn = signal->name;
    struct str pn = a->property == UINT32_MAX ? (struct str){0} : signal->properties[a->property].name;
    const char *text = NULL;
    switch (a->kind) {
    case AGGREGATE_COUNT:
        text = arena_printf(s->arena, "count(%.*s, %.*s)", STR_ARG(sn),
                            STR_ARG(duration_text(s->arena, a->window_ms)));
        break;
    case AGGREGATE_SUM:
        text = arena_printf(s->arena, "sum(%.*s.%.*s, %.*s)", STR_ARG(sn), STR_ARG(pn),
                            STR_ARG(duration_text(s->arena, a->window_ms)));
        break;
    case AGGREGATE_LAST:
        text = arena_printf(s->arena, "last(%.*s.%.*s)", STR_ARG(sn), STR_ARG(pn));
        break;
    case AGGREGATE_LAST_AT:
        text = arena_printf(s->arena, "last_at(%.*s)", STR_ARG(sn));
        break;
    case AGGREGATE_OPEN: {
        const struct schema_signal *closer = &s->signals[a->close_signal];
        text = arena_printf(s->arena, "open(%.*s.%.*s, %.*s.%.*s, %.*s)", STR_ARG(sn), STR_ARG(pn),
                            STR_ARG(closer->name), STR_ARG(closer->properties[a->close_property].name),
                            STR_ARG(duration_text(s->arena, a->window_ms)));
        break;
    }
    }
    return str_from(text);
}

static uint8_t aggregate_type(const struct schema *s, const struct schema_aggregate *a)
{
    switch (a->kind) {
    case AGGREGATE_COUNT:
    case AGGREGATE_OPEN:
        return VALUE_INT;
    case AGGREGATE_SUM:
        return VALUE_DOUBLE;
    case AGGREGATE_LAST:
        return s->signals[a->signal].properties[a->property].type;
    case AGGREGATE_LAST_AT:
        return VALUE_TIMESTAMP;
    }
    return VALUE_UNKNOWN;
}

static bool feed(struct schema *s, uint32_t signal, uint32_t aggregate)
{
    struct schema_signal *g = &s->signals[signal];
    for (size_t i = 0; i < g->feed_count; i++)
        if (g->feeds[i] == aggregate)
            return true;
    uint32_t *feeds = arena_alloc(s->arena, (g->feed_count + 1) * sizeof *feeds);
    if (!feeds)
        return false;
    if (g->feed_count)
        memcpy(feeds, g->feeds, g->feed_count * sizeof *feeds);
    feeds[g->feed_count++] = aggregate;
    g->feeds = feeds;
    return true;
}

long schema_aggregate_add(struct schema *s, const struct schema_aggregate *wanted)
{
    struct schema_aggregate a = *wanted;
    a.name = schema_aggregate_name(s, &a);
    if (!a.name.p)
        return -1;
    for (size_t i = 0; i < s->aggregate_count; i++)
        if (str_eq(s->aggregates[i].name, a.name))
            return (long)i;
    if (s->aggregate_count >= SCHEMA_AGGREGATES_MAX)
        return -1;
    a.id = 0;
    a.type = aggregate_type(s, &a);
    a.width_ms = a.window_ms / 24 > 0 ? a.window_ms / 24 : 1;
    if ((s->aggregate_count & (s->aggregate_count - 1)) == 0) {
        size_t capacity = s->aggregate_count ? s->aggregate_count * 2 : 1;
        struct schema_aggregate *grown = arena_alloc(s->arena, capacity * sizeof *grown);
        if (!grown)
            return -1;
        if (s->aggregate_count)
            memcpy(grown, s->aggregates, s->aggregate_count * sizeof *grown);
        s->aggregates = grown;
    }
    uint32_t index = (uint32_t)s->aggregate_count;
    s->aggregates[s->aggregate_count++] = a;
    if (!feed(s, a.signal, index) || (a.kind == AGGREGATE_OPEN && !feed(s, a.close_signal, index)))
        return -1;
    return (long)index;
}

void schema_each_name(const struct schema *s, void (*visit)(void *ctx, struct str name), void *ctx)
{
    for (size_t i = 0; i < s->attribute_count; i++)
        visit(ctx, s->attributes[i].path);
    for (size_t i = 0; i < s->aggregate_count; i++)
        visit(ctx, s->aggregates[i].name);
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
    return 0;
}
