/* Schemas and random states for the tests of state: a fixed schema with every kind of attribute and
 * aggregate, and random parts of it, which stand for the policies of different servers over one dictionary of
 * names.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_STATE_FIXTURE_H
#define TESTS_STATE_FIXTURE_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include "base/rng.h"
#include "state/aggregate.h"
#include "state/codec.h"

#define NOW INT64_C(1736931600000)
#define MINUTE INT64_C(60000)
#define HOUR INT64_C(3600000)
#define DAY INT64_C(86400000)

enum { BUY, OPENED, CLOSED, SEEN_PAGE, SIGNALS };
enum { BUY_AMOUNT, BUY_SKU, BUY_QTY, BUY_GIFT, BUY_WHEN, BUY_PROPERTIES };
enum { EVERY_ATTRIBUTE = 0x3f, EVERY_AGGREGATE = 0x3fffffff, EVERY_EXACT_AGGREGATE = 0x00ffffff };

static inline struct schema_field field_of(struct arena *arena, const char *prefix, const char *name,
                                           uint8_t type)
{
    return (struct schema_field){
        .name = str_from(name), .path = str_from(arena_printf(arena, "%s.%s", prefix, name)), .type = type};
}

static inline void add_signal(struct schema *s, const char *name, const char *const *names,
                              const uint8_t *types, size_t count)
{
    struct schema_signal *g = &s->signals[s->signal_count++];
    *g = (struct schema_signal){.name = str_from(name), .property_count = count};
    g->properties = arena_zalloc(s->arena, (count + 1) * sizeof *g->properties);
    assert_non_null(g->properties);
    for (size_t i = 0; i < count; i++)
        g->properties[i] = field_of(s->arena, name, names[i], types[i]);
}

static inline void add_aggregate(struct schema *s, enum aggregate_kind kind, uint32_t signal,
                                 uint32_t property, int64_t span_ms)
{
    const struct aggregate_source sources[] = {{signal, property, UINT32_MAX, false}, {CLOSED, 0, UINT32_MAX, true}};
    struct aggregate_spec a = {
        .kind = kind, .span_ms = span_ms, .sources = sources, .source_count = kind == AGGREGATE_OPEN ? 2 : 1};
    assert_true(schema_aggregate_add(s, &a) >= 0);
}

static const struct {
    enum aggregate_kind kind;
    uint32_t signal, property;
    int64_t span_ms;
} all_aggregates[] = {
    {AGGREGATE_COUNT, BUY, UINT32_MAX, MINUTE},  {AGGREGATE_COUNT, BUY, UINT32_MAX, DAY},
    {AGGREGATE_COUNT, BUY, UINT32_MAX, 7 * DAY}, {AGGREGATE_COUNT, SEEN_PAGE, UINT32_MAX, 90 * MINUTE},
    {AGGREGATE_SUM, BUY, BUY_AMOUNT, DAY},       {AGGREGATE_SUM, BUY, BUY_AMOUNT, 400 * DAY},
    {AGGREGATE_SUM, BUY, BUY_QTY, 7 * HOUR + 1}, {AGGREGATE_LAST, BUY, BUY_AMOUNT, 0},
    {AGGREGATE_LAST, BUY, BUY_SKU, 0},           {AGGREGATE_LAST, BUY, BUY_QTY, 0},
    {AGGREGATE_LAST, BUY, BUY_GIFT, 0},          {AGGREGATE_LAST, BUY, BUY_WHEN, 0},
    {AGGREGATE_LAST_AT, BUY, UINT32_MAX, 0},     {AGGREGATE_LAST_AT, OPENED, UINT32_MAX, 0},
    {AGGREGATE_OPEN, OPENED, 0, 90 * DAY},       {AGGREGATE_OPEN, OPENED, 0, 3 * HOUR},
    {AGGREGATE_MIN, BUY, BUY_AMOUNT, 7 * DAY},   {AGGREGATE_MAX, BUY, BUY_QTY, 5 * HOUR},
    {AGGREGATE_MAX, BUY, BUY_AMOUNT, 400 * DAY}, {AGGREGATE_COUNT, BUY, BUY_GIFT, 30 * DAY},
    {AGGREGATE_KEYS, BUY, BUY_SKU, 30 * DAY},    {AGGREGATE_KEYS, BUY, BUY_QTY, 2 * HOUR},
    {AGGREGATE_HOURS, BUY, UINT32_MAX, 28 * DAY}, {AGGREGATE_HOURS, SEEN_PAGE, UINT32_MAX, 400 * DAY},
    /* those below agree to roundings only when the order is another */
    {AGGREGATE_DECAYED, BUY, BUY_AMOUNT, 7 * DAY}, {AGGREGATE_DECAYED, SEEN_PAGE, UINT32_MAX, HOUR},
    {AGGREGATE_MOOD, BUY, BUY_AMOUNT, 3 * DAY},    {AGGREGATE_TOP, BUY, BUY_SKU, 30 * DAY},
    {AGGREGATE_TOP, BUY, BUY_QTY, 2 * DAY},        {AGGREGATE_TOP, OPENED, 0, 20 * DAY},
};
enum { AGGREGATES = sizeof all_aggregates / sizeof all_aggregates[0] };

/* The attributes and aggregates whose bits are set. shift changes every attribute's type, and the type of
 * buy.sku. */
static inline void make_schema(struct schema *s, struct arena *arena, unsigned attributes,
                               unsigned aggregates, int shift)
{
    static const uint8_t types[] = {VALUE_BOOL, VALUE_INT, VALUE_DOUBLE, VALUE_STRING, VALUE_TIMESTAMP};
    static const char *const names[] = {"a", "b", "c", "d", "e", "f"};
    static const char *const buy[] = {"amount", "sku", "qty", "gift", "when"}, *const one_case[] = {"case"};
    uint8_t buy_types[] = {VALUE_DOUBLE, VALUE_STRING, VALUE_INT, VALUE_BOOL, VALUE_TIMESTAMP};
    const uint8_t text[] = {VALUE_STRING};
    if (shift)
        buy_types[BUY_SKU] = VALUE_INT;
    schema_init(s, arena);
    s->contact_horizon_ms = 30 * DAY;
    s->attributes = arena_zalloc(arena, 6 * sizeof *s->attributes);
    s->signals = arena_zalloc(arena, SIGNALS * sizeof *s->signals);
    assert_true(s->attributes && s->signals);
    for (int i = 0; i < 6; i++)
        if (attributes >> i & 1)
            s->attributes[s->attribute_count++] =
                field_of(arena, "profile", names[i], types[(i + shift) % 5]);
    add_signal(s, "buy", buy, buy_types, BUY_PROPERTIES);
    add_signal(s, "opened", one_case, text, 1);
    add_signal(s, "closed", one_case, text, 1);
    add_signal(s, "seen_page", NULL, NULL, 0);
    for (unsigned i = 0; i < AGGREGATES; i++)
        if (aggregates >> i & 1)
            add_aggregate(s, all_aggregates[i].kind, all_aggregates[i].signal, all_aggregates[i].property,
                          all_aggregates[i].span_ms);
}

static inline size_t aggregate_named(const struct schema *s, const char *name)
{
    for (size_t i = 0; i < s->aggregate_count; i++)
        if (str_is(s->aggregates[i].name, name))
            return i;
    fail_msg("no aggregate %s", name);
    return 0;
}

/* All that can be asked of it. */
static inline void read_aggregate(const struct state *s, size_t i, int64_t now_ms)
{
    enum aggregate_kind kind = s->schema->aggregates[i].kind;
    (void)state_aggregate(s, i, now_ms);
    (void)state_since(s, i, now_ms);
    if (kind == AGGREGATE_LAST_AT)
        (void)state_age(s, i, now_ms);
    if (kind == AGGREGATE_KEYS)
        (void)state_repeats(s, i, now_ms);
    for (int hour = 0; kind == AGGREGATE_HOURS && hour < WEEK_HOURS; hour += 67)
        (void)state_hour_affinity(s, i, hour, now_ms);
    if (kind == AGGREGATE_TOP) {
        (void)state_affinity(s, i, value_string(STR("x")), now_ms);
        (void)state_affinity(s, i, value_int(7), now_ms);
        (void)state_top_error(s, i);
    }
}

static void intern_name(void *names, struct str name)
{
    names_intern(names, name);
}

static inline void bind_schema(struct schema *s, struct names *names)
{
    struct error e;
    schema_each_name(s, intern_name, names);
    assert_int_equal(schema_bind(s, names, &e), 0);
}

static inline struct value random_value(struct rng *rng, uint8_t type, struct arena *arena)
{
    static const char *const texts[] = {"", "x", "سلام", "a longer text, with = and , in it"};
    switch (type) {
    case VALUE_BOOL:
        return value_bool(rng_below(rng, 2));
    case VALUE_INT:
        return value_int(rng_below(rng, 4) ? (int64_t)rng_below(rng, 1000) - 500 : (int64_t)1e12);
    case VALUE_DOUBLE:
        return value_double((rng_double(rng) - 0.3) * 1000);
    case VALUE_STRING:
        return value_string(str_from(arena_strdup(arena, texts[rng_below(rng, 4)])));
    case VALUE_TIMESTAMP:
        return value_timestamp(NOW - (int64_t)rng_below(rng, 1000 * DAY));
    default:
        return value_unknown(UNKNOWN_ABSENT);
    }
}

/* An event within `span` before now, or up to five minutes ahead of it. */
static inline struct signal random_signal(struct rng *rng, const struct schema *schema, int64_t now_ms,
                                          int64_t span, struct arena *arena)
{
    struct signal g = {.index = (uint32_t)rng_below(rng, schema->signal_count), .event = rng_u64(rng)};
    const struct schema_signal *def = &schema->signals[g.index];
    struct value *values = arena_zalloc(arena, (def->property_count + 1) * sizeof *values);
    g.time_ms = now_ms + STATE_AHEAD_MS - (int64_t)rng_below(rng, (uint64_t)(span + STATE_AHEAD_MS));
    if (rng_below(rng, 3) == 0)
        g.time_ms -= g.time_ms % MINUTE; /* ties, bucket edges */
    for (size_t i = 0; i < def->property_count; i++)
        if (rng_below(rng, 5))
            values[i] = random_value(rng, def->properties[i].type, arena);
    if (g.index == OPENED || g.index == CLOSED)
        values[0] = rng_below(rng, 20)
                        ? value_string(str_from(arena_printf(arena, "case%d", (int)rng_below(rng, 12))))
                        : value_unknown(UNKNOWN_ABSENT);
    g.properties = values;
    g.week_hour = (int)(((g.time_ms / HOUR) + 96) % 168);
    return g;
}

static inline struct consent random_consent(struct rng *rng)
{
    static const char *const sources[] = {"", "web form", "call centre"};
    return (struct consent){.channel = 200 + (uint32_t)rng_below(rng, 4),
                            .purpose = 300 + (uint32_t)rng_below(rng, 4),
                            .granted = rng_below(rng, 2),
                            .time_ms = NOW - (int64_t)rng_below(rng, 3) * MINUTE,
                            .source = str_from(sources[rng_below(rng, 3)])};
}

static inline struct contact random_contact(struct rng *rng, int64_t now_ms)
{
    struct contact k = {.action = 100 + (uint32_t)rng_below(rng, 5),
                        .channel = 200,
                        .purpose = 300,
                        .group = 400,
                        .issue = 500};
    for (int i = 0; i < 16; i++)
        k.decision.bytes[i] = (uint8_t)rng_below(rng, 4);
    k.time_ms = now_ms - (int64_t)rng_below(rng, 29 * DAY);
    if (rng_below(rng, 2)) {
        k.time_ms = now_ms - (int64_t)rng_below(rng, HOUR);
        k.expires_ms = k.time_ms + 1 + (int64_t)rng_below(rng, 2) * (WINDOW_MAX_MS - 1);
    }
    k.outcomes = (uint32_t)rng_below(rng, 32);
    k.value = rng_below(rng, 2) ? (int64_t)rng_below(rng, 100000) - 50000 : 0;
    return k;
}

static inline void fill_state(struct state *s, struct rng *rng, int64_t now_ms)
{
    for (size_t i = 0; i < s->schema->attribute_count; i++)
        if (rng_below(rng, 3))
            assert_int_equal(
                state_set_attribute(s, i, random_value(rng, s->schema->attributes[i].type, s->arena), now_ms), 0);
    int64_t span = rng_below(rng, 2) ? 6 * HOUR : 100 * DAY;
    for (uint64_t n = rng_below(rng, 60); n > 0; n--) {
        struct signal g = random_signal(rng, s->schema, now_ms, span, s->arena);
        assert_true(state_apply(s, &g, now_ms) >= 0);
    }
    for (uint64_t n = rng_below(rng, 6); n > 0; n--) {
        struct consent c = random_consent(rng);
        assert_int_equal(state_set_consent(s, &c), 0);
    }
    for (uint64_t n = rng_below(rng, 10); n > 0; n--) {
        struct contact k = random_contact(rng, now_ms);
        int rc = state_contact_add(s, &k, now_ms);
        assert_true(rc == 0 || rc == ERR_EXISTS);
    }
}

/* The blob in the arena. */
static inline struct str blob_of(const struct state *s, uint64_t version, struct arena *arena)
{
    struct buf b;
    struct error e = {0};
    buf_init(&b, STATE_BLOB_MAX);
    assert_int_equal(state_encode(s, version, &b, &e), 0);
    struct str blob = arena_str(arena, (struct str){(const char *)b.p, b.n});
    buf_free(&b);
    assert_non_null(blob.p);
    return blob;
}

static inline void empty_state(struct state *s, const struct schema *schema, struct arena *arena)
{
    struct error e = {0};
    assert_int_equal(state_decode(s, schema, (struct str){0}, arena, &e), 0);
}

static inline void assert_same_bytes(struct str a, struct str b)
{
    assert_int_equal(a.n, b.n);
    assert_memory_equal(a.p, b.p, a.n);
}

#endif
