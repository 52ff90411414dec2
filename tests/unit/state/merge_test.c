/* Two states become one: what comes out is what one state would be that had been told everything; and what servers with
 * other policies do to a customer's aggregates meanwhile.
 * SPDX-License-Identifier: Apache-2.0 */
#include "context.h"
#include "state/coverage.h"
#include "state/merge.h"

enum { EVENTS = 60, CONSENTS = 8, CONTACTS = 12 };

/* Half of the events to each of two, or all to one. The bytes are the same, but for ids seen; decayed values to 1e-9. */
static void a_merge_is_the_union(void **state)
{
    struct context *t = *state;
    struct rng rng;
    struct arena events;
    rng_seed(&rng, 41);
    arena_init(&events, 16 << 20);
    for (int round = 0; round < 200; round++) {
        struct schema schema;
        struct state one, two, all;
        arena_reset(&t->arena);
        arena_reset(&events);
        arena_reset(&t->schemas);
        bool exact = round % 2;
        make_schema(&schema, &t->schemas, EVERY_ATTRIBUTE, exact ? EVERY_EXACT_AGGREGATE : EVERY_AGGREGATE, 0);
        bind_schema(&schema, t->names);
        empty_state(&one, &schema, &t->arena);
        empty_state(&two, &schema, &t->arena);
        empty_state(&all, &schema, &t->arena);
        int64_t span = round % 3 ? 4 * HOUR : 120 * DAY;
        for (int i = 0; i < EVENTS; i++) {
            struct signal g = random_signal(&rng, &schema, NOW, span, &events);
            assert_int_equal(state_apply(rng_below(&rng, 2) ? &one : &two, &g, NOW), 1);
            assert_int_equal(state_apply(&all, &g, NOW), 1);
        }
        for (int i = 0; i < CONSENTS; i++) {
            struct consent c = random_consent(&rng);
            assert_int_equal(state_set_consent(rng_below(&rng, 2) ? &one : &two, &c), 0);
            assert_int_equal(state_set_consent(&all, &c), 0);
        }
        for (int i = 0; i < CONTACTS; i++) {
            struct contact k = random_contact(&rng, NOW);
            k.decision.bytes[0] = (uint8_t)i;
            assert_int_equal(state_contact_add(rng_below(&rng, 2) ? &one : &two, &k, NOW), 0);
            assert_int_equal(state_contact_add(&all, &k, NOW), 0);
        }
        for (size_t i = 0; i < schema.attribute_count; i++) {
            struct value v = random_value(&rng, schema.attributes[i].type, &events);
            int64_t at = NOW - (int64_t)i;
            assert_int_equal(state_set_attribute(i % 2 ? &one : &two, i, v, at), 0);
            assert_int_equal(state_set_attribute(&all, i, v, at), 0);
            v = random_value(&rng, schema.attributes[i].type, &events);
            assert_int_equal(state_set_attribute(i % 2 ? &two : &one, i, v, at - 1), 0); /* older */
        }
        one.lost_ms = round % 3 ? NOW - round : 0;
        two.lost_ms = round % 2 ? NOW - 3 : 0;
        int64_t lost_ms = one.lost_ms > two.lost_ms ? one.lost_ms : two.lost_ms;
        all.lost_ms = lost_ms;
        through_the_store(t, &one, &schema);
        if (round % 5)
            through_the_store(t, &two, &schema);
        assert_int_equal(state_merge(&one, &two, NOW), 0);
        assert_true(one.lost_ms == lost_ms);
        for (size_t i = 0; i < schema.aggregate_count; i++)
            for (int64_t at = NOW; at < NOW + 40 * DAY; at += 13 * DAY)
                close_to(state_aggregate(&all, i, at), state_aggregate(&one, i, at));
        assert_int_equal(one.seen_count, EVENTS);
        one.seen_count = all.seen_count = 0;
        state_prune(&one, NOW);
        state_prune(&all, NOW);
        if (exact)
            assert_same_bytes(blob_of(&all, 1, &t->arena), blob_of(&one, 1, &t->arena));
    }
    arena_free(&events);
}

/* A server whose policy has few of the aggregates merges all the same, and the one that has them reads the union. */
static void others_aggregates_merge_too(void **state)
{
    struct context *t = *state;
    struct rng rng;
    struct arena events;
    struct error e;
    rng_seed(&rng, 42);
    arena_init(&events, 16 << 20);
    for (int round = 0; round < 100; round++) {
        struct schema whole, part;
        struct state one, two, all, x, y;
        arena_reset(&t->arena);
        arena_reset(&events);
        arena_reset(&t->schemas);
        make_schema(&whole, &t->schemas, EVERY_ATTRIBUTE, EVERY_EXACT_AGGREGATE, 0);
        bind_schema(&whole, t->names);
        make_schema(&part, &t->schemas, (unsigned)rng_below(&rng, 64), (unsigned)rng_below(&rng, 1 << 24), round % 2);
        bind_schema(&part, t->names);
        empty_state(&one, &whole, &t->arena);
        empty_state(&two, &whole, &t->arena);
        empty_state(&all, &whole, &t->arena);
        for (int i = 0; i < EVENTS; i++) {
            struct signal g = random_signal(&rng, &whole, NOW, 30 * DAY, &events);
            assert_int_equal(state_apply(rng_below(&rng, 2) ? &one : &two, &g, NOW), 1);
            assert_int_equal(state_apply(&all, &g, NOW), 1);
        }
        for (size_t i = 0; i < whole.attribute_count; i++) {
            struct value v = random_value(&rng, whole.attributes[i].type, &events);
            assert_int_equal(state_set_attribute(i % 2 ? &one : &two, i, v, NOW), 0);
            assert_int_equal(state_set_attribute(&all, i, v, NOW), 0);
        }
        assert_int_equal(state_decode(&x, &part, blob_of(&one, 1, &t->arena), &t->arena, &e), 0);
        assert_int_equal(state_decode(&y, &part, blob_of(&two, 1, &t->arena), &t->arena, &e), 0);
        assert_int_equal(state_merge(&x, &y, NOW), 0);
        assert_int_equal(state_decode(&one, &whole, blob_of(&x, 1, &t->arena), &t->arena, &e), 0);
        for (size_t i = 0; i < whole.aggregate_count; i++)
            close_to(state_aggregate(&all, i, NOW), state_aggregate(&one, i, NOW));
        for (size_t i = 0; i < whole.attribute_count; i++)
            close_to(all.attributes[i], one.attributes[i]);
    }
    arena_free(&events);
}

static void buy(struct context *t, struct state *s, int64_t now_ms)
{
    static uint64_t event;
    struct value values[BUY_PROPERTIES] = {value_double(10), value_string(STR("x")), value_int(1)};
    struct signal g = {.index = BUY, .event = ++event, .time_ms = now_ms, .properties = values};
    assert_int_equal(state_apply(s, &g, now_ms), 1);
    state_prune(s, now_ms);
    (void)t;
}

/* One customer, two servers in turn: an old policy that lacks buckets of a day, and a new one. */
static void an_aggregate_says_since_when_it_counts(void **state)
{
    struct context *t = *state;
    struct schema old, young;
    struct state s;
    unsigned all = EVERY_AGGREGATE, without_day = EVERY_AGGREGATE & ~2u; /* count(buy, 24h) */
    make_schema(&old, &t->schemas, 0, without_day, 0);
    bind_schema(&old, t->names);
    make_schema(&young, &t->schemas, 0, all, 0);
    bind_schema(&young, t->names);
    size_t day = aggregate_named(&young, "count(buy, 24h)"), week = aggregate_named(&young, "count(buy, 7d)");

    empty_state(&s, &young, &t->arena);
    buy(t, &s, NOW); /* never without it: nothing to say */
    assert_true(state_since(&s, day, NOW) == 0);
    through_the_store(t, &s, &young);
    assert_true(state_since(&s, day, NOW) == 0 && state_since(&s, week, NOW) == 0);

    through_the_store(t, &s, &old);
    buy(t, &s, NOW + MINUTE); /* missed by the day's count, whose data is kept */
    through_the_store(t, &s, &young);
    assert_int_equal(state_aggregate(&s, day, NOW + MINUTE).integer, 1);
    assert_int_equal(state_aggregate(&s, week, NOW + MINUTE).integer, 2);
    assert_true(state_since(&s, day, NOW + 2 * MINUTE) == NOW + 2 * MINUTE); /* not before it counts again */
    assert_true(state_since(&s, week, NOW + 2 * MINUTE) == 0);
    buy(t, &s, NOW + 3 * MINUTE);
    through_the_store(t, &s, &young);
    assert_true(state_since(&s, day, NOW + HOUR) == NOW + 3 * MINUTE);
    assert_true(state_since(&s, week, NOW + HOUR) == 0);
    assert_int_equal(state_aggregate(&s, day, NOW + 4 * MINUTE).integer, 2);

    buy(t, &s, NOW + 3 * DAY); /* by now a whole day has been seen */
    assert_true(state_since(&s, day, NOW + 3 * DAY) == 0);
}

/* What no policy asks for any more goes 400 days after the last writer stopped keeping it up; until then it comes back. */
static void orphans_go_in_the_end(void **state)
{
    struct context *t = *state;
    struct schema old, young;
    struct state s;
    make_schema(&old, &t->schemas, 0, EVERY_AGGREGATE, 0);
    bind_schema(&old, t->names);
    make_schema(&young, &t->schemas, 0, 0, 0);
    bind_schema(&young, t->names);
    size_t last = aggregate_named(&old, "last(buy.sku)");
    empty_state(&s, &old, &t->arena);
    buy(t, &s, NOW);
    through_the_store(t, &s, &young);
    uint32_t kept = s.kept_count;
    assert_true(kept > 15);
    buy(t, &s, NOW + DAY);
    through_the_store(t, &s, &young);
    assert_int_equal(s.kept_count, kept);
    for (uint32_t i = 0; i < kept; i++)
        assert_int_equal(tag_kind(s.kept[i].tag), ENTRY_ORPHAN);
    buy(t, &s, NOW + 400 * DAY); /* they keep the day of the first */
    through_the_store(t, &s, &young);
    assert_int_equal(s.kept_count, kept);
    struct state back;
    struct error e;
    assert_int_equal(state_decode(&back, &old, blob_of(&s, 1, &t->arena), &t->arena, &e), 0);
    assert_int_equal(back.kept_count, 0);
    assert_true(str_is(value_str(state_aggregate(&back, last, NOW)), "x"));
    buy(t, &s, NOW + 402 * DAY);
    through_the_store(t, &s, &young);
    assert_int_equal(s.kept_count, 0);
}

/* Coverage as bytes: ranges of ids, and what is none. */
static void coverage_is_in_ranges(void **state)
{
    struct context *t = *state;
    assert_true(t->schema.coverage.n == 2); /* all ids in one row */
    assert_true(coverage_ok(t->schema.coverage));
    assert_true(coverage_ok((struct str){"", 0}));
    assert_false(coverage_ok(STR("\1")));
    assert_false(coverage_ok(STR("\1\0")));
    assert_false(coverage_ok(STR("\xff\xff\xff\xff\xff\x0f\x01")));
    struct schema odd;
    make_schema(&odd, &t->schemas, 0, 0x15555555, 0); /* every second */
    bind_schema(&odd, t->names);
    struct state s;
    empty_state(&s, &t->schema, &t->arena);
    s.coverage = odd.coverage;
    for (size_t i = 0; i < t->schema.aggregate_count; i++)
        assert_true(coverage_has(&s, i) == (i % 2 == 0 && i < 30));
}

/* What a tombstone means for a merge: nothing comes of one, nothing into one, but with a consent that was given after it. */
static void tombstones_merge(void **state)
{
    struct context *t = *state;
    struct rng rng;
    rng_seed(&rng, 7);
    struct state into, from;
    empty_state(&into, &t->schema, &t->arena);
    fill_state(&into, &rng, NOW);
    empty_state(&from, &t->schema, &t->arena);
    from.forgotten_ms = NOW;
    struct str before = blob_of(&into, 1, &t->arena);
    assert_int_equal(state_merge(&into, &from, NOW), 0);
    assert_same_bytes(before, blob_of(&into, 1, &t->arena));

    into = from;
    into.forgotten_ms = NOW - 5;
    assert_int_equal(state_merge(&into, &from, NOW), 0);
    assert_true(into.forgotten_ms == NOW);
    empty_state(&from, &t->schema, &t->arena);
    fill_state(&from, &rng, NOW);
    from.consent_count = 0;
    struct consent c = {.channel = 1, .purpose = 2, .granted = true, .time_ms = NOW};
    assert_int_equal(state_set_consent(&from, &c), 0);
    c = (struct consent){.channel = 1, .purpose = 3, .granted = false, .time_ms = NOW + 1};
    assert_int_equal(state_set_consent(&from, &c), 0);
    assert_int_equal(state_merge(&into, &from, NOW), 0); /* not after it, or withdrawn */
    assert_true(into.forgotten_ms == NOW && into.contact_count + into.seen_count + into.consent_count == 0);
    c = (struct consent){.channel = 1, .purpose = 2, .granted = true, .time_ms = NOW + 1};
    assert_int_equal(state_set_consent(&from, &c), 0);
    from.lost_ms = 0;
    assert_int_equal(state_merge(&into, &from, NOW), 0);
    assert_true(into.forgotten_ms == 0);
    assert_int_equal(into.contact_count, from.contact_count);
    assert_int_equal(into.seen_count, from.seen_count);
    assert_int_equal(state_consent(&into, 1, 2), 1);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_merge_is_the_union),
        TEST(others_aggregates_merge_too),
        TEST(an_aggregate_says_since_when_it_counts),
        TEST(orphans_go_in_the_end),
        TEST(coverage_is_in_ranges),
        TEST(tombstones_merge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
