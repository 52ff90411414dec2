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

static void same_aggregate(const struct schema_aggregate *def, const struct aggregate_state *a,
                           const struct aggregate_state *b)
{
    assert_int_equal(a->count, b->count);
    assert_true(a->last_ms == b->last_ms);
    if (def->kind == AGGREGATE_LAST && a->last_ms != INT64_MIN) {
        if (a->last.type == VALUE_STRING)
            assert_true(str_eq(value_str(a->last), value_str(b->last)));
        else
            assert_true(value_same(a->last, b->last));
    }
    if (a->last_ms != INT64_MIN)
        assert_true(a->last_event == b->last_event);
    for (uint32_t i = 0; i < a->count; i++) {
        if (def->kind == AGGREGATE_OPEN)
            assert_true(a->cases[i].key == b->cases[i].key &&
                        a->cases[i].opened_ms == b->cases[i].opened_ms &&
                        a->cases[i].closed_ms == b->cases[i].closed_ms);
        else
            assert_true(a->buckets[i].index == b->buckets[i].index &&
                        a->buckets[i].value == b->buckets[i].value);
    }
}

static void same_value(struct value a, struct value b)
{
    assert_int_equal(a.type, b.type);
    if (a.type == VALUE_STRING)
        assert_true(str_eq(value_str(a), value_str(b)));
    else if (a.type != VALUE_UNKNOWN)
        assert_true(value_same(a, b));
}

static void same_state(const struct state *a, const struct state *b)
{
    const struct schema *schema = a->schema;
    for (size_t i = 0; i < schema->attribute_count; i++)
        same_value(a->attributes[i], b->attributes[i]);
    for (size_t i = 0; i < schema->aggregate_count; i++)
        same_aggregate(&schema->aggregates[i], &a->aggregates[i], &b->aggregates[i]);
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
        assert_true(a->seen[i].hash == b->seen[i].hash && a->seen[i].arrived_ms == b->seen[i].arrived_ms);
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
                    (unsigned)rng_below(&rng, 1 << AGGREGATES), 0);
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
                    (unsigned)rng_below(&rng, 1 << AGGREGATES), 0);
        bind_schema(&part, t->names);
        empty_state(&s, &whole, &t->arena);
        fill_state(&s, &rng, NOW);
        struct str blob = blob_of(&s, 5, &t->arena);
        assert_int_equal(state_decode(&there, &part, blob, &t->arena, &e), 0);
        kept += there.kept_count;
        assert_same_bytes(blob, blob_of(&there, 5, &t->arena));
        /* What the other server changes is seen here again, with all that it did not know. */
        struct consent c = {.channel = 1, .purpose = 2, .granted = true, .time_ms = NOW, .source = STR("x")};
        assert_int_equal(state_set_consent(&there, &c), 0);
        assert_int_equal(state_decode(&there, &whole, blob_of(&there, 6, &t->arena), &t->arena, &e), 0);
        assert_int_equal(there.kept_count, 0);
        assert_int_equal(state_set_consent(&s, &c), 0);
        same_state(&s, &there);
    }
    assert_true(kept > 1000);
}

/* A kind that no version knows yet, and one of ours with an id, at every place in the order. */
static void unknown_kinds_are_kept(void **state)
{
    struct context *t = *state;
    struct schema schema;
    struct state s;
    struct error e = {0};
    make_schema(&schema, &t->schemas, EVERY_ATTRIBUTE, EVERY_AGGREGATE, 0);
    bind_schema(&schema, t->names);
    static const uint8_t blob[] = {1,
                                   9,
                                   0,
                                   0,
                                   0,
                                   0,
                                   0,
                                   0,
                                   0, /* head */
                                   ENTRY_CONTACTS + 8 * 3,
                                   2,
                                   'h',
                                   'i', /* contacts 3 */
                                   5,
                                   0, /* kind 5, empty */
                                   7 + 8 * 1,
                                   1,
                                   'x', /* kind 7, id 1 */
                                   0xff,
                                   0xff,
                                   0xff,
                                   0xff,
                                   0xff,
                                   0xff,
                                   0xff,
                                   0xff,
                                   0xff,
                                   1,
                                   1,
                                   'y'}; /* kind 7, greatest id */
    struct str bytes = {(const char *)blob, sizeof blob};
    assert_int_equal(state_decode(&s, &schema, bytes, &t->arena, &e), 0);
    assert_int_equal(s.kept_count, 4);
    assert_same_bytes(bytes, blob_of(&s, 9, &t->arena));
    struct consent c = {.channel = 1, .purpose = 2, .time_ms = NOW};
    assert_int_equal(state_set_consent(&s, &c), 0);
    assert_int_equal(state_decode(&s, &schema, blob_of(&s, 9, &t->arena), &t->arena, &e), 0);
    assert_int_equal(s.kept_count, 4);
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
        assert_int_equal(state_set_attribute(&s, i, random_value(&rng, old.attributes[i].type, &t->arena)),
                         0);
    struct value buy[BUY_PROPERTIES] = {value_double(1), value_string(STR("sku")), value_int(3)};
    struct signal g = {.index = BUY, .event = 1, .time_ms = NOW, .properties = buy};
    assert_int_equal(state_apply(&s, &g, NOW), 1);
    struct str blob = blob_of(&s, 5, &t->arena);

    assert_int_equal(state_decode(&there, &young, blob, &t->arena, &e), 0);
    assert_int_equal(there.kept_count, 7);
    for (size_t i = 0; i < young.attribute_count; i++)
        assert_int_equal(there.attributes[i].type, VALUE_UNKNOWN);
    size_t last_sku = 0;
    while (young.aggregates[last_sku].kind != AGGREGATE_LAST ||
           young.aggregates[last_sku].property != BUY_SKU)
        last_sku++;
    assert_int_equal(state_aggregate(&there, last_sku, NOW).type, VALUE_UNKNOWN);
    assert_same_bytes(blob, blob_of(&there, 5, &t->arena));

    /* Set anew: the new value alone. Removed: nothing. */
    assert_int_equal(state_set_attribute(&there, 0, random_value(&rng, young.attributes[0].type, &t->arena)),
                     0);
    assert_int_equal(state_set_attribute(&there, 1, value_unknown(UNKNOWN_ABSENT)), 0);
    buy[BUY_SKU] = value_int(8);
    g.event = 2;
    assert_int_equal(state_apply(&there, &g, NOW), 1);
    assert_int_equal(state_decode(&s, &old, blob_of(&there, 6, &t->arena), &t->arena, &e), 0);
    assert_int_equal(s.kept_count, 2);
    assert_int_equal(s.attributes[0].type, VALUE_UNKNOWN);
    assert_int_equal(s.attributes[1].type, VALUE_UNKNOWN);
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
            (void)state_aggregate(s, i, times[k]);
            (void)state_age(s, i, times[k]);
            assert_true(state_aggregate_next_change(s, i, times[k]) > times[k]);
        }
    struct str blob = blob_of(s, 1, arena);
    struct state again;
    assert_int_equal(state_decode(&again, s->schema, blob, arena, &e), 0);
    assert_same_bytes(blob, blob_of(&again, 1, arena));
    for (int i = 0; i < 8; i++) {
        struct signal g = random_signal(&rng, s->schema, NOW, 6 * HOUR, arena);
        assert_true(state_apply(s, &g, NOW) >= 0);
    }
    state_prune(s, NOW);
    (void)blob_of(s, 2, arena);
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
            assert_true(rc == 0 || (rc == ERR_CORRUPT && e.text[0]));
            if (rc == 0)
                use_state(&s, &t->arena);
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
                assert_true(rc == 0 || rc == ERR_CORRUPT || (rc == ERR_INVALID && i == 0));
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

static void corrupt_blob(struct context *t, const struct schema *schema, const uint8_t *bytes, size_t n)
{
    struct state s;
    struct error e = {0};
    assert_int_equal(state_decode(&s, schema, (struct str){(const char *)bytes, n}, &t->arena, &e),
                     ERR_CORRUPT);
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
#define CORRUPT(...)                                                                                         \
    do {                                                                                                     \
        const uint8_t bytes[] = {__VA_ARGS__};                                                               \
        corrupt_blob(t, &schema, bytes, sizeof bytes);                                                       \
    } while (0)
    CORRUPT(1);
    CORRUPT(1, 0, 0, 0, 0, 0, 0, 0, 0);             /* version 0 */
    CORRUPT(0, 1, 0, 0, 0, 0, 0, 0, 0);             /* format 0 */
    CORRUPT(1, 1, 0, 0, 0, 0, 0, 0, 0, 5, 0, 5, 0); /* the same entry twice */
    CORRUPT(1, 1, 0, 0, 0, 0, 0, 0, 0, 7, 0, 5, 0); /* not in order */
    CORRUPT(1, 1, 0, 0, 0, 0, 0, 0, 0, 5, 1);       /* a length past the end */
    CORRUPT(1, 1, 0, 0, 0, 0, 0, 0, 0, 5, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1);
    CORRUPT(1, 1, 0, 0, 0, 0, 0, 0, 0, ENTRY_ATTRIBUTE + 8, 1, 9); /* a type that no state holds */
    static const uint8_t later[] = {2, 1, 0, 0, 0, 0, 0, 0, 0};
    assert_int_equal(
        state_decode(&s, &schema, (struct str){(const char *)later, sizeof later}, &t->arena, &e),
        ERR_INVALID);
    assert_non_null(strstr(e.text, "format 2"));
    struct arena small;
    arena_init(&small, 64);
    assert_int_equal(state_decode(&s, &schema, (struct str){0}, &small, &e), ERR_NOSPACE);
    arena_free(&small);
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
        TEST(versions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
