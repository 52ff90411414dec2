/* The blob: what is encoded comes back, to the bit and in one form only; what other policies wrote stays as
 * it is; and no damage to it does more than an error.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

struct context {
    struct arena arena, schemas;
    struct names *names;
};

static int setup(void **state)
{
    struct context *t = calloc(1, sizeof *t);
    arena_init(&t->arena, 64 << 20);
    arena_init(&t->schemas, 64 << 20);
    t->names = names_new();
    *state = t;
    return 0;
}

static int teardown(void **state)
{
    struct context *t = *state;
    arena_free(&t->arena);
    arena_free(&t->schemas);
    names_free(&t->names);
    free(t);
    return 0;
}

/* ---- equality of decoded states ---- */

static void same_value(struct value a, struct value b)
{
    assert_int_equal(a.type, b.type);
    if (a.type == VALUE_STRING)
        assert_true(str_eq(value_str(a), value_str(b)));
    else if (a.type != VALUE_UNKNOWN)
        assert_true(value_same(a, b));
}

/* What each aggregate gives at a few instants, and when it next changes. */
static void same_aggregates(const struct state *a, const struct state *b)
{
    static const int64_t ahead[] = {0, HOUR, 20 * DAY};
    for (size_t i = 0; i < a->schema->aggregate_count; i++)
        for (size_t k = 0; k < 3; k++) {
            same_value(state_aggregate(a, i, NOW + ahead[k]), state_aggregate(b, i, NOW + ahead[k]));
            assert_true(state_aggregate_next_change(a, i, NOW + ahead[k]) ==
                        state_aggregate_next_change(b, i, NOW + ahead[k]));
        }
}

static void same_state(const struct state *a, const struct state *b)
{
    const struct schema *schema = a->schema;
    for (size_t i = 0; i < schema->attribute_count; i++) {
        same_value(a->attributes[i], b->attributes[i]);
        assert_true(a->attribute_ms[i] == b->attribute_ms[i]);
    }
    same_aggregates(a, b);
    assert_int_equal(a->contact_count, b->contact_count);
    for (uint32_t i = 0; i < a->contact_count; i++) {
        const struct contact *x = &a->contacts[i], *y = &b->contacts[i];
        assert_true(id128_eq(x->decision, y->decision));
        assert_true(x->action == y->action && x->channel == y->channel && x->purpose == y->purpose &&
                    x->group == y->group && x->issue == y->issue && x->time_ms == y->time_ms &&
                    x->expires_ms == y->expires_ms && x->outcomes == y->outcomes && x->value == y->value);
    }
    assert_int_equal(a->consent_count, b->consent_count);
    for (uint32_t i = 0; i < a->consent_count; i++) {
        const struct consent *x = &a->consents[i], *y = &b->consents[i];
        assert_true(x->channel == y->channel && x->purpose == y->purpose && x->granted == y->granted &&
                    x->time_ms == y->time_ms && str_eq(x->source, y->source));
    }
    assert_int_equal(a->seen_count, b->seen_count);
    for (uint32_t i = 0; i < a->seen_count; i++)
        assert_true(a->seen[i] == b->seen[i] && a->seen_minutes[i] == b->seen_minutes[i]);
}

/* A blob around entries, with a right head. */
static struct str blob_around(const void *entries, size_t n, uint64_t version, struct arena *arena)
{
    struct buf b;
    buf_init(&b, STATE_BLOB_MAX);
    buf_byte(&b, STATE_FORMAT);
    buf_u64le(&b, version);
    buf_u32le(&b, state_checksum(STATE_FORMAT, version, (struct str){entries, n}));
    buf_append(&b, entries, n);
    struct str blob = arena_str(arena, (struct str){(const char *)b.p, b.n});
    buf_free(&b);
    return blob;
}

/* ---- tests ---- */

static void random_states_come_back(void **state)
{
    struct context *t = *state;
    struct rng rng;
    struct error e = {0};
    rng_seed(&rng, 11);
    for (int round = 0; round < 400; round++) {
        struct schema schema;
        struct state s, again;
        arena_reset(&t->arena);
        arena_reset(&t->schemas);
        make_schema(&schema, &t->schemas, (unsigned)rng_below(&rng, 64),
                    (unsigned)rng_below(&rng, UINT64_C(1) << AGGREGATES), 0);
        bind_schema(&schema, t->names);
        empty_state(&s, &schema, &t->arena);
        assert_false(s.exists);
        fill_state(&s, &rng, NOW);
        struct str blob = blob_of(&s, 77 + (uint64_t)round, &t->arena);
        assert_same_bytes(blob, blob_of(&s, 77 + (uint64_t)round, &t->arena));
        assert_true(state_version(blob) == 77 + (uint64_t)round);
        assert_int_equal(state_decode(&again, &schema, blob, &t->arena, &e), 0);
        assert_true(again.exists && again.version == 77 + (uint64_t)round);
        assert_int_equal(again.kept_count, 0);
        same_state(&s, &again);
        assert_same_bytes(blob, blob_of(&again, 77 + (uint64_t)round, &t->arena));
    }
}

static void other_policies_entries_stay_as_they_are(void **state)
{
    struct context *t = *state;
    struct rng rng;
    struct error e = {0};
    rng_seed(&rng, 12);
    uint32_t kept = 0;
    for (int round = 0; round < 300; round++) {
        struct schema whole, part;
        struct state s, there;
        arena_reset(&t->arena);
        arena_reset(&t->schemas);
        make_schema(&whole, &t->schemas, EVERY_ATTRIBUTE, EVERY_AGGREGATE, 0);
        bind_schema(&whole, t->names);
        make_schema(&part, &t->schemas, (unsigned)rng_below(&rng, 64),
                    (unsigned)rng_below(&rng, UINT64_C(1) << AGGREGATES), 0);
        bind_schema(&part, t->names);
        empty_state(&s, &whole, &t->arena);
        fill_state(&s, &rng, NOW);
        struct str blob = blob_of(&s, 5, &t->arena);
        assert_int_equal(state_decode(&there, &part, blob, &t->arena, &e), 0);
        kept += there.kept_count + there.kept_attribute_count;
        assert_same_bytes(blob, blob_of(&there, 5, &t->arena));
        /* What the other server changes is seen here again, with all that it did not know. */
        struct consent c = {.channel = 1, .purpose = 2, .granted = true, .time_ms = NOW, .source = STR("x")};
        assert_int_equal(state_set_consent(&there, &c), 0);
        assert_int_equal(state_decode(&there, &whole, blob_of(&there, 6, &t->arena), &t->arena, &e), 0);
        assert_int_equal(there.kept_count + there.kept_attribute_count, 0);
        assert_int_equal(state_set_consent(&s, &c), 0);
        same_state(&s, &there);
    }
    assert_true(kept > 1000);
}

/* Kinds that no version knows yet, and some of ours with an id, at every place in the order. */
static void unknown_kinds_are_kept(void **state)
{
    struct context *t = *state;
    struct schema schema;
    struct state s;
    struct error e = {0};
    make_schema(&schema, &t->schemas, EVERY_ATTRIBUTE, EVERY_AGGREGATE, 0);
    bind_schema(&schema, t->names);
    struct buf b;
    buf_init(&b, 1000);
    const struct {
        unsigned kind;
        uint64_t id;
        const char *payload;
    } entries[] = {
        {ENTRY_CONTACTS, 3, "hi"},         {ENTRY_SINCE, 5000, "\2"}, {15, 0, ""}, {ENTRY_AGGREGATES, 5000, "x"},
        {ENTRY_AGGREGATES + 14, 7, "new"}, {30, UINT64_MAX >> 5, "y"}, {ENTRY_ORPHAN, 5000, "\20\1raw"},
    };
    for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++) {
        buf_varint(&b, state_tag(entries[i].kind, entries[i].id));
        buf_varint(&b, strlen(entries[i].payload));
        buf_str(&b, str_from(entries[i].payload));
    }
    struct str bytes = blob_around(b.p, b.n, 9, &t->arena);
    buf_free(&b);
    assert_int_equal(state_decode(&s, &schema, bytes, &t->arena, &e), 0);
    assert_int_equal(s.kept_count, 7);
    assert_same_bytes(bytes, blob_of(&s, 9, &t->arena));
    struct consent c = {.channel = 1, .purpose = 2, .time_ms = NOW};
    assert_int_equal(state_set_consent(&s, &c), 0);
    assert_int_equal(state_decode(&s, &schema, blob_of(&s, 9, &t->arena), &t->arena, &e), 0);
    assert_int_equal(s.kept_count, 7);
    assert_int_equal(s.consent_count, 1);
}

/* An attribute or the last of a property that another policy declares with another type. */
static void changed_types_are_kept_until_set(void **state)
{
    struct context *t = *state;
    struct rng rng;
    struct error e = {0};
    struct schema old, young;
    struct state s, there;
    rng_seed(&rng, 13);
    make_schema(&old, &t->schemas, EVERY_ATTRIBUTE, EVERY_AGGREGATE, 0);
    bind_schema(&old, t->names);
    make_schema(&young, &t->schemas, EVERY_ATTRIBUTE, EVERY_AGGREGATE, 1);
    bind_schema(&young, t->names);
    empty_state(&s, &old, &t->arena);
    for (size_t i = 0; i < old.attribute_count; i++)
        assert_int_equal(state_set_attribute(&s, i, random_value(&rng, old.attributes[i].type, &t->arena), NOW), 0);
    struct value buy[BUY_PROPERTIES] = {value_double(1), value_string(STR("sku")), value_int(3)};
    struct signal g = {.index = BUY, .event = 1, .time_ms = NOW, .properties = buy};
    assert_int_equal(state_apply(&s, &g, NOW), 1);
    struct str blob = blob_of(&s, 5, &t->arena);

    assert_int_equal(state_decode(&there, &young, blob, &t->arena, &e), 0);
    assert_int_equal(there.kept_attribute_count, 6);
    for (size_t i = 0; i < young.attribute_count; i++)
        assert_int_equal(there.attributes[i].type, VALUE_UNKNOWN);
    size_t last_sku = aggregate_named(&young, "last(buy.sku)");
    assert_int_equal(state_aggregate(&there, last_sku, NOW).type, VALUE_UNKNOWN);
    assert_same_bytes(blob, blob_of(&there, 5, &t->arena));

    /* Set anew: the new value alone. Removed: nothing. */
    assert_int_equal(state_set_attribute(&there, 0, random_value(&rng, young.attributes[0].type, &t->arena), NOW), 0);
    assert_int_equal(state_set_attribute(&there, 1, value_unknown(UNKNOWN_ABSENT), NOW), 0);
    buy[BUY_SKU] = value_int(8);
    g.event = 2;
    g.time_ms = NOW - 1; /* older than the text that is there */
    assert_int_equal(state_apply(&there, &g, NOW), 1);
    assert_int_equal(state_aggregate(&there, last_sku, NOW).type, VALUE_UNKNOWN);
    g.event = 3;
    g.time_ms = NOW + 1;
    assert_int_equal(state_apply(&there, &g, NOW), 1);
    assert_int_equal(state_decode(&s, &old, blob_of(&there, 6, &t->arena), &t->arena, &e), 0);
    assert_int_equal(s.kept_attribute_count, 1);
    assert_int_equal(s.attributes[0].type, VALUE_UNKNOWN);
    assert_int_equal(s.attributes[1].type, VALUE_UNKNOWN);
    assert_true(s.attribute_ms[1] == NOW); /* the removal is remembered */
    assert_int_equal(s.attributes[2].type, old.attributes[2].type);
    assert_int_equal(state_decode(&there, &young, blob_of(&s, 7, &t->arena), &t->arena, &e), 0);
    assert_int_equal(there.attributes[0].type, young.attributes[0].type);
    assert_int_equal(state_aggregate(&there, last_sku, NOW).integer, 8);
}

/* Whatever we write ourselves must be readable, at the ends of every range. */
static void extremes_can_be_read_again(void **state)
{
    struct context *t = *state;
    struct schema schema;
    struct state s, again;
    struct error e = {0};
    make_schema(&schema, &t->schemas, EVERY_ATTRIBUTE, EVERY_AGGREGATE, 0);
    bind_schema(&schema, t->names);
    empty_state(&s, &schema, &t->arena);
    struct contact k = {.action = NAMES_MAX,
                        .channel = 1,
                        .time_ms = NOW,
                        .expires_ms = NOW + WINDOW_MAX_MS,
                        .outcomes = UINT32_MAX,
                        .value = INT64_MIN};
    assert_int_equal(state_contact_add(&s, &k, NOW), 0);
    k = (struct contact){.action = 2, .channel = 1, .time_ms = NOW, .expires_ms = NOW - 1};
    assert_int_equal(state_contact_add(&s, &k, NOW), 0);
    struct value buy[BUY_PROPERTIES] = {value_double(STATE_NUMBER_MAX), value_string(STR("")),
                                        value_int(-1000000000000)};
    const int64_t times[] = {NOW + STATE_AHEAD_MS, NOW - 400 * DAY, 0, TIMESTAMP_MIN_MS};
    for (uint64_t i = 0; i < 4; i++) {
        struct signal g = {.index = BUY, .event = UINT64_MAX - i, .time_ms = times[i], .properties = buy};
        assert_int_equal(state_apply(&s, &g, NOW), 1);
    }
    struct value key[] = {value_string(STR("c"))};
    for (uint32_t i = 0; i < 4; i++) {
        struct signal g = {
            .index = i % 2 ? OPENED : CLOSED, .event = i, .time_ms = times[i], .properties = key};
        assert_int_equal(state_apply(&s, &g, NOW), 1);
    }
    struct str blob = blob_of(&s, UINT64_MAX, &t->arena);
    assert_int_equal(state_decode(&again, &schema, blob, &t->arena, &e), 0);
    assert_int_equal(again.contact_count, 2);
    assert_true(again.contacts[0].expires_ms == NOW + WINDOW_MAX_MS ||
                again.contacts[1].expires_ms == NOW + WINDOW_MAX_MS);
    assert_same_bytes(blob, blob_of(&again, UINT64_MAX, &t->arena));
}

/* Full lists come back whole. */
static void full_lists_come_back(void **state)
{
    struct context *t = *state;
    struct schema schema;
    struct state s, again;
    struct error e = {0};
    make_schema(&schema, &t->schemas, EVERY_ATTRIBUTE, EVERY_AGGREGATE, 0);
    bind_schema(&schema, t->names);
    empty_state(&s, &schema, &t->arena);
    for (uint32_t i = 0; i < STATE_CONTACTS_MAX; i++) {
        struct contact k = {.action = 1, .time_ms = NOW};
        memcpy(k.decision.bytes, &i, sizeof i);
        assert_int_equal(state_contact_add(&s, &k, NOW), 0);
    }
    for (uint32_t i = 0; i < STATE_CONSENTS_MAX; i++) {
        struct consent c = {.channel = i, .purpose = 1, .time_ms = NOW};
        assert_int_equal(state_set_consent(&s, &c), 0);
    }
    for (uint64_t i = 0; i < STATE_SEEN_MOST + 10; i++)
        assert_int_equal(state_see(&s, i, NOW), 1);
    assert_int_equal(s.seen_count, STATE_SEEN_MOST);
    assert_int_equal(state_decode(&again, &schema, blob_of(&s, 3, &t->arena), &t->arena, &e), 0);
    same_state(&s, &again);
    assert_int_equal(state_see(&again, 1000000, NOW), 1);
    assert_int_equal(again.seen_count, STATE_SEEN_MOST);
}

/* Uses everything that a decoded state offers, so that the sanitizers see it. */
static void use_state(struct state *s, struct arena *arena)
{
    struct error e = {0};
    struct rng rng;
    rng_seed(&rng, 1);
    const int64_t times[] = {NOW, 0, NOW + 100 * DAY};
    for (size_t k = 0; k < 3; k++)
        for (size_t i = 0; i < s->schema->aggregate_count; i++) {
            read_aggregate(s, i, times[k]);
            assert_true(state_aggregate_next_change(s, i, times[k]) > times[k]);
        }
    struct str blob = blob_of(s, 1, arena);
    struct state again;
    assert_int_equal(state_decode(&again, s->schema, blob, arena, &e), 0);
    assert_same_bytes(blob, blob_of(&again, 1, arena));
    for (int i = 0; i < 8; i++) {
        struct signal g = random_signal(&rng, s->schema, NOW, 6 * HOUR, arena);
        int rc = state_apply(s, &g, NOW);
        assert_true(rc >= 0 || rc == ERR_CORRUPT);
    }
    state_prune(s, NOW);
    (void)blob_of(s, 2, arena);
}

/* Makes the checksum right for what the blob holds. */
static void put_checksum(char *blob, size_t n)
{
    uint64_t version = state_version((struct str){blob, n});
    uint32_t checksum = state_checksum((uint8_t)blob[0], version, (struct str){blob + STATE_HEAD, n - STATE_HEAD});
    for (int i = 0; i < 4; i++)
        blob[9 + i] = (char)(checksum >> 8 * i);
}

static void damage_is_an_error_or_harmless(void **state)
{
    struct context *t = *state;
    struct rng rng;
    struct schema schema;
    struct state s;
    rng_seed(&rng, 14);
    make_schema(&schema, &t->schemas, EVERY_ATTRIBUTE, EVERY_AGGREGATE, 0);
    bind_schema(&schema, t->names);
    size_t refused = 0, read = 0;
    struct arena blobs;
    arena_init(&blobs, 1 << 20);
    for (int round = 0; round < 6; round++) {
        arena_reset(&t->arena);
        arena_reset(&blobs);
        empty_state(&s, &schema, &t->arena);
        fill_state(&s, &rng, NOW);
        struct str blob = blob_of(&s, 99, &blobs);
        for (size_t n = 1; n < blob.n; n++) {
            struct error e = {0};
            arena_reset(&t->arena);
            /* An exact copy, so that reading past its end is seen. */
            char *prefix = malloc(n);
            memcpy(prefix, blob.p, n);
            int rc = state_decode(&s, &schema, (struct str){prefix, n}, &t->arena, &e);
            assert_true(rc == ERR_CORRUPT && e.text[0]);
            if (n > STATE_HEAD) {
                put_checksum(prefix, n);
                rc = state_decode(&s, &schema, (struct str){prefix, n}, &t->arena, &e);
                assert_true(rc == 0 || rc == ERR_CORRUPT);
                if (rc == 0)
                    use_state(&s, &t->arena);
            }
            free(prefix);
        }
        char *copy = malloc(blob.n);
        for (size_t i = 0; i < blob.n; i++)
            for (int bit = 0; bit < 9; bit++) {
                struct error e = {0};
                memcpy(copy, blob.p, blob.n);
                copy[i] = (char)(bit < 8 ? copy[i] ^ 1 << bit : ~copy[i]);
                arena_reset(&t->arena);
                int rc = state_decode(&s, &schema, (struct str){copy, blob.n}, &t->arena, &e);
                assert_true(rc == ERR_CORRUPT || (rc == ERR_UNAVAILABLE && i == 0)); /* whatever the damage */
                if (i < STATE_HEAD)
                    continue;
                /* the same under a right checksum, as a foreign writer could have made it */
                put_checksum(copy, blob.n);
                rc = state_decode(&s, &schema, (struct str){copy, blob.n}, &t->arena, &e);
                assert_true(rc == 0 || rc == ERR_CORRUPT);
                refused += rc != 0;
                read += rc == 0;
                if (rc == 0)
                    use_state(&s, &t->arena);
            }
        free(copy);
    }
    arena_free(&blobs);
    assert_true(refused > 100 && read > 100);
}

/* "double 1.5", "string 6162" (hex; - for an empty one), "bool 1", "unknown". */
static void same_text(struct value v, const char *text)
{
    if (strcmp(text, "unknown") == 0) {
        assert_int_equal(v.type, VALUE_UNKNOWN);
        return;
    }
    const char *what = strchr(text, ' ') + 1;
    assert_memory_equal(text, value_type_name((enum value_type)v.type), (size_t)(what - text) - 1);
    if (v.type == VALUE_DOUBLE)
        assert_true(v.number == strtod(what, NULL));
    else if (v.type != VALUE_STRING)
        assert_true((v.type == VALUE_BOOL ? v.boolean : v.integer) == strtoll(what, NULL, 10));
    for (uint32_t i = 0; v.type == VALUE_STRING && i < v.n; i++) {
        unsigned byte;
        assert_int_equal(sscanf(what + 2 * i, "%2x", &byte), 1);
        assert_int_equal((uint8_t)v.string[i], byte);
    }
}

static void corrupt_blob(struct context *t, const struct schema *schema, struct str blob)
{
    struct state s;
    struct error e = {0};
    assert_int_equal(state_decode(&s, schema, blob, &t->arena, &e), ERR_CORRUPT);
    assert_true(e.text[0]);
}

static void refusals(void **state)
{
    struct context *t = *state;
    struct schema schema;
    struct state s;
    struct error e = {0};
    make_schema(&schema, &t->schemas, EVERY_ATTRIBUTE, EVERY_AGGREGATE, 0);
    bind_schema(&schema, t->names);
#define HEAD(...)                                                                                            \
    do {                                                                                                     \
        const uint8_t bytes[] = {__VA_ARGS__};                                                               \
        corrupt_blob(t, &schema, (struct str){(const char *)bytes, sizeof bytes});                           \
    } while (0)
#define ENTRIES(...)                                                                                         \
    do {                                                                                                     \
        const uint8_t bytes[] = {__VA_ARGS__};                                                               \
        corrupt_blob(t, &schema, blob_around(bytes, sizeof bytes, 1, &t->arena));                            \
    } while (0)
    HEAD(1);
    HEAD(2, 1, 0, 0, 0, 0, 0, 0, 0);             /* no checksum */
    HEAD(2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0); /* a wrong one */
    HEAD(1, 0, 0, 0, 0, 0, 0, 0, 0);             /* version 0 */
    HEAD(0, 1, 0, 0, 0, 0, 0, 0, 0);             /* format 0 */
    ENTRIES(15, 0, 15, 0);                       /* the same entry twice */
    ENTRIES(15, 0, 14, 0);                       /* not in order */
    ENTRIES(15, 1);                              /* a length past the end */
    ENTRIES(15, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1);
    ENTRIES(ENTRY_ATTRIBUTES, 3, 1, 2, 9);    /* a code that no value has */
    ENTRIES(ENTRY_ATTRIBUTES, 3, 0, 2, 1);    /* id 0 */
    ENTRIES(ENTRY_ATTRIBUTES, 3, 1, 0, 1);    /* set at no time */
    ENTRIES(ENTRY_COVERAGE, 2, 1, 0);         /* an empty range */
    ENTRIES(ENTRY_SEEN, 9, 2, 1, 2, 3, 4, 5, 6, 7);
    static const uint8_t later[] = {3, 1, 0, 0, 0, 0, 0, 0, 0};
    assert_int_equal(
        state_decode(&s, &schema, (struct str){(const char *)later, sizeof later}, &t->arena, &e),
        ERR_UNAVAILABLE);
    assert_non_null(strstr(e.text, "format 3"));
    struct arena small;
    arena_init(&small, 64);
    assert_int_equal(state_decode(&s, &schema, (struct str){0}, &small, &e), ERR_NOSPACE);
    arena_free(&small);
}

/* An aggregate that a foreign writer made unreadable, under a right checksum: unknown, and never overwritten. */
static void an_unreadable_aggregate_is_left_alone(void **state)
{
    struct context *t = *state;
    struct schema schema;
    struct state s, again;
    struct error e = {0};
    make_schema(&schema, &t->schemas, EVERY_ATTRIBUTE, EVERY_AGGREGATE, 0);
    bind_schema(&schema, t->names);
    struct value buy[BUY_PROPERTIES] = {value_double(1)};
    struct signal g = {.index = BUY, .event = 1, .time_ms = NOW, .properties = buy};
    for (size_t k = 0; k < schema.aggregate_count; k++) {
        struct buf b;
        buf_init(&b, 100);
        buf_varint(&b, state_tag(ENTRY_AGGREGATES + schema.aggregates[k].kind, schema.aggregates[k].id));
        buf_varint(&b, 2);
        buf_append(&b, "\xff\xff", 2);
        struct str blob = blob_around(b.p, b.n, 7, &t->arena);
        buf_free(&b);
        assert_int_equal(state_decode(&s, &schema, blob, &t->arena, &e), 0);
        struct value v = state_aggregate(&s, k, NOW);
        assert_int_equal(v.type, VALUE_UNKNOWN);
        assert_int_equal(v.detail, UNKNOWN_UNREADABLE);
        assert_true(state_aggregate_next_change(&s, k, NOW) == INT64_MAX);
        state_prune(&s, NOW);
        assert_same_bytes(blob, blob_of(&s, 7, &t->arena));
        assert_int_equal(state_decode(&again, &schema, blob, &t->arena, &e), 0);
        bool fed = false;
        for (size_t i = 0; i < schema.signals[BUY].feed_count; i++) {
            const struct schema_feed *f = &schema.signals[BUY].feeds[i];
            fed |= f->aggregate == k && (f->property == UINT32_MAX || f->property == BUY_AMOUNT);
        }
        assert_int_equal(state_apply(&again, &g, NOW), fed ? ERR_CORRUPT : 1);
    }
}

/* tests/cases/state_v1.txt: blobs that the last version with format 1 wrote, and what it read in them. */
static void format_1_is_read(void **state)
{
    struct context *t = *state;
    struct schema schema;
    struct state s;
    struct error e = {0};
    static char line[16384];
    size_t checks = 0, blobs = 0;
    make_schema(&schema, &t->schemas, EVERY_ATTRIBUTE, 0xffff, 0);
    FILE *in = fopen(SOURCE_DIR "/tests/cases/state_v1.txt", "r");
    assert_non_null(in);
    while (fgets(line, sizeof line, in)) {
        unsigned id, counts[3];
        int at;
        long long time_ms = NOW;
        unsigned long long hash;
        line[strcspn(line, "\n")] = 0;
        if (sscanf(line, "name %u %n", &id, &at) == 1) {
            assert_int_equal(names_add(t->names, str_from(arena_strdup(&t->schemas, line + at)), id), 0);
        } else if (strncmp(line, "blob ", 5) == 0) {
            if (blobs++ == 0)
                assert_int_equal(schema_bind(&schema, t->names, &e), 0);
            size_t n = strlen(line + 5) / 2;
            uint8_t *bytes = arena_alloc(&t->arena, n);
            for (size_t i = 0; i < n; i++)
                assert_int_equal(sscanf(line + 5 + 2 * i, "%2hhx", &bytes[i]), 1);
            assert_int_equal(state_decode(&s, &schema, (struct str){(const char *)bytes, n}, &t->arena, &e), 0);
            if (blobs % 2) { /* half of them make the way through format 2 */
                struct str second = blob_of(&s, s.version, &t->arena);
                assert_int_equal(second.p[0], 2);
                assert_int_equal(state_decode(&s, &schema, second, &t->arena, &e), 0);
            }
        } else if (sscanf(line, "attribute %u %n", &id, &at) == 1) {
            same_text(s.attributes[id], line + at);
        } else if (sscanf(line, "aggregate %u %lld %n", &id, &time_ms, &at) == 2) {
            same_text(state_aggregate(&s, id, time_ms), line + at);
        } else if (sscanf(line, "counts %u %u %u", &counts[0], &counts[1], &counts[2]) == 3) {
            assert_int_equal(s.contact_count, counts[0]);
            assert_int_equal(s.consent_count, counts[1]);
            assert_int_equal(s.seen_count, counts[2]);
        } else {
            assert_int_equal(sscanf(line, "seen %llu", &hash), 1);
            assert_int_equal(state_see(&s, hash, NOW), 0);
        }
        checks++;
    }
    fclose(in);
    assert_true(blobs == 16 && checks > 1000);
}

/* Forgetting leaves the version and the time, nothing else; what another writer put beside them is not read. */
static void a_tombstone_holds_only_its_time(void **state)
{
    struct context *t = *state;
    struct rng rng;
    struct schema schema;
    struct error e;
    rng_seed(&rng, 12);
    make_schema(&schema, &t->schemas, EVERY_ATTRIBUTE, EVERY_AGGREGATE, 0);
    bind_schema(&schema, t->names);
    for (int round = 0; round < 50; round++) {
        struct state s, back, anew;
        arena_reset(&t->arena);
        empty_state(&s, &schema, &t->arena);
        fill_state(&s, &rng, NOW);
        struct str whole = blob_of(&s, 7, &t->arena);
        assert_int_equal(state_decode(&s, &schema, whole, &t->arena, &e), 0);
        state_clear(&s, NOW);
        assert_true(s.version == 7 && !s.exists && s.forgotten_ms == NOW);
        struct str tombstone = blob_of(&s, 8, &t->arena);
        assert_int_equal(tombstone.n, STATE_HEAD + 2 + 6); /* tag, length, time */
        assert_int_equal(state_decode(&back, &schema, tombstone, &t->arena, &e), 0);
        assert_true(back.version == 8 && !back.exists && back.forgotten_ms == NOW);
        empty_state(&anew, &schema, &t->arena);
        anew.forgotten_ms = NOW;
        same_state(&back, &anew);

        /* An older server kept the entry and wrote its own beside it. */
        struct buf beside;
        buf_init(&beside, STATE_BLOB_MAX);
        struct str consents = STR("\x00\x02\x05\x02\x00");
        buf_byte(&beside, STATE_FORMAT);
        buf_u64le(&beside, 9);
        buf_u32le(&beside, 0);
        buf_byte(&beside, ENTRY_LOST);
        buf_byte(&beside, 1);
        buf_byte(&beside, 2);
        buf_str(&beside, (struct str){tombstone.p + STATE_HEAD, tombstone.n - STATE_HEAD});
        buf_varint(&beside, state_tag(ENTRY_AGGREGATES, 999));
        buf_varint(&beside, consents.n);
        buf_str(&beside, consents);
        uint32_t sum = state_checksum(STATE_FORMAT, 9, (struct str){(char *)beside.p + STATE_HEAD, beside.n - STATE_HEAD});
        for (int i = 0; i < 4; i++)
            beside.p[9 + i] = (uint8_t)(sum >> 8 * i);
        assert_int_equal(state_decode(&back, &schema, (struct str){(char *)beside.p, beside.n}, &t->arena, &e), 0);
        same_state(&back, &anew);
        assert_true(back.lost_ms == 0 && back.kept_count == 0 && back.forgotten_ms == NOW);
        buf_free(&beside);
    }
    /* A tombstone without a time is none. */
    struct state s;
    empty_state(&s, &schema, &t->arena);
    s.forgotten_ms = 1;
    struct str blob = blob_of(&s, 1, &t->arena);
    char *bytes = (char *)blob.p;
    bytes[blob.n - 1] = 0;
    uint32_t sum = state_checksum(STATE_FORMAT, 1, (struct str){bytes + STATE_HEAD, blob.n - STATE_HEAD});
    for (int i = 0; i < 4; i++)
        bytes[9 + i] = (char)(sum >> 8 * i);
    assert_int_equal(state_decode(&s, &schema, blob, &t->arena, &e), ERR_CORRUPT);
}

static void versions(void **state)
{
    (void)state;
    assert_true(state_version((struct str){0}) == 0);
    assert_true(state_version(STR("\1\2\0\0\0\0\0\0")) == 0);
    assert_true(state_version(STR("\1\2\0\0\0\0\0\0\1")) == 2 + (UINT64_C(1) << 56));
    assert_true(state_version_make(0, 0) == 1);
    assert_true(state_version_make(NOW, UINT64_MAX) >> 22 == (uint64_t)NOW);
    assert_true(state_version_make(NOW, 1) != state_version_make(NOW, 2));
    assert_true(state_version_make(NOW + 1, 0) > state_version_make(NOW, UINT64_MAX));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(random_states_come_back),
        TEST(other_policies_entries_stay_as_they_are),
        TEST(unknown_kinds_are_kept),
        TEST(changed_types_are_kept_until_set),
        TEST(extremes_can_be_read_again),
        TEST(full_lists_come_back),
        TEST(damage_is_an_error_or_harmless),
        TEST(refusals),
        TEST(an_unreadable_aggregate_is_left_alone),
        TEST(format_1_is_read),
        TEST(a_tombstone_holds_only_its_time),
        TEST(versions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
