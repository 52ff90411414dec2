/* Changing a state: event ids seen, contacts, consents, and that the order of arrival leaves no trace.
 * SPDX-License-Identifier: Apache-2.0 */
#include "context.h"
#include <math.h>

/* ---- ids seen ---- */

static void repeats_change_nothing(void **state)
{
    struct context *t = *state;
    struct value values[BUY_PROPERTIES] = {value_double(2)};
    struct signal g = {.index = BUY, .event = 7, .time_ms = NOW - HOUR, .properties = values};
    assert_int_equal(state_apply(&t->s, &g, NOW), 1);
    struct str before = blob_of(&t->s, 1, &t->arena);
    assert_int_equal(state_apply(&t->s, &g, NOW), 0);
    assert_int_equal(state_apply(&t->s, &g, NOW + HOUR), 0);
    assert_same_bytes(before, blob_of(&t->s, 1, &t->arena));
}

static void seen_for_an_hour(void **state)
{
    struct context *t = *state;
    for (uint64_t i = 0; i < 100; i++)
        assert_int_equal(state_see(&t->s, i, NOW), 1);
    for (uint64_t i = 0; i < 100; i++)
        assert_int_equal(state_see(&t->s, i, NOW + HOUR), 0);
    assert_int_equal(state_see(&t->s, 100, NOW + HOUR), 1); /* an hour is not over yet: nothing goes */
    assert_int_equal(t->s.seen_count, 101);
    int64_t later = NOW + HOUR + MINUTE; /* arrivals are known by the minute */
    assert_int_equal(state_see(&t->s, 101, later), 1); /* all but the last 16 of those an hour old */
    assert_int_equal(t->s.seen_count, STATE_SEEN_LEAST + 1);
    assert_int_equal(state_see(&t->s, 0, later), 1);
    assert_int_equal(state_see(&t->s, 99, later), 0);
}

static void the_last_sixteen_stay(void **state)
{
    struct context *t = *state;
    for (uint64_t i = 0; i < STATE_SEEN_LEAST; i++)
        assert_int_equal(state_see(&t->s, i, NOW), 1);
    state_prune(&t->s, NOW + 300 * DAY);
    for (uint64_t i = 0; i < STATE_SEEN_LEAST; i++)
        assert_int_equal(state_see(&t->s, i, NOW + 300 * DAY), 0);
}

static void at_most_4096_are_kept(void **state)
{
    struct context *t = *state;
    for (uint64_t i = 0; i < 3 * STATE_SEEN_MOST; i++) {
        assert_int_equal(state_see(&t->s, i, NOW), 1);
        assert_true(t->s.seen_count <= STATE_SEEN_MOST);
    }
    assert_int_equal(t->s.seen_count, STATE_SEEN_MOST);
    assert_int_equal(state_see(&t->s, 2 * STATE_SEEN_MOST, NOW), 0);
    assert_int_equal(state_see(&t->s, 2 * STATE_SEEN_MOST - 1, NOW), 1);
}

/* ---- contacts ---- */

static struct contact contact_at(uint8_t decision, uint32_t action, int64_t time_ms)
{
    return (struct contact){.decision = {{decision}}, .action = action, .channel = 1, .time_ms = time_ms};
}

static void contacts_are_kept_by_time(void **state)
{
    struct context *t = *state;
    struct rng rng;
    rng_seed(&rng, 31);
    for (int i = 0; i < 200; i++) {
        struct contact k = random_contact(&rng, NOW);
        int rc = state_contact_add(&t->s, &k, NOW);
        assert_true(rc == 0 || rc == ERR_EXISTS);
        for (uint32_t c = 1; c < t->s.contact_count; c++)
            assert_true(t->s.contacts[c - 1].time_ms <= t->s.contacts[c].time_ms);
        assert_non_null(state_contact_find(&t->s, k.decision, k.action));
    }
}

static void one_contact_a_decision_and_action(void **state)
{
    struct context *t = *state;
    struct contact k = contact_at(1, 5, NOW);
    assert_int_equal(state_contact_add(&t->s, &k, NOW), 0);
    assert_int_equal(state_contact_add(&t->s, &k, NOW), ERR_EXISTS);
    k.action = 6;
    assert_int_equal(state_contact_add(&t->s, &k, NOW), 0);
    assert_int_equal(t->s.contact_count, 2);
    assert_int_equal(state_contact_find(&t->s, k.decision, 0)->action, 5);
    assert_int_equal(state_contact_find(&t->s, k.decision, 6)->action, 6);
    assert_null(state_contact_find(&t->s, k.decision, 7));
    state_contact_remove(&t->s, state_contact_find(&t->s, k.decision, 5));
    assert_null(state_contact_find(&t->s, k.decision, 5));
    assert_int_equal(t->s.contact_count, 1);
    assert_int_equal(state_contact_find(&t->s, k.decision, 0)->action, 6);
}

static void old_and_lapsed_contacts_go(void **state)
{
    struct context *t = *state;
    struct contact old = contact_at(1, 1, NOW - 30 * DAY), kept = contact_at(2, 1, NOW - 30 * DAY + 1),
                   lapsed = contact_at(3, 1, NOW - 2 * DAY), late = contact_at(4, 1, NOW - 2 * DAY);
    lapsed.expires_ms = NOW - DAY;
    late.expires_ms = NOW - DAY + 1; /* the channel may still say that it was sent */
    assert_int_equal(state_contact_add(&t->s, &old, NOW - 10 * DAY), 0);
    assert_int_equal(state_contact_add(&t->s, &kept, NOW - 10 * DAY), 0);
    assert_int_equal(state_contact_add(&t->s, &lapsed, NOW - 2 * DAY), 0);
    assert_int_equal(state_contact_add(&t->s, &late, NOW - 2 * DAY), 0);
    assert_int_equal(t->s.contact_count, 4);
    struct contact fresh = contact_at(5, 1, NOW);
    assert_int_equal(state_contact_add(&t->s, &fresh, NOW), 0);
    assert_null(state_contact_find(&t->s, old.decision, 0));
    assert_null(state_contact_find(&t->s, lapsed.decision, 0));
    assert_non_null(state_contact_find(&t->s, kept.decision, 0));
    assert_non_null(state_contact_find(&t->s, late.decision, 0));
    assert_false(contact_counts(&late, NOW));
    assert_true(contact_counts(&late, late.expires_ms - 1));
    assert_false(contact_counts(&late, late.expires_ms));
    assert_true(contact_counts(&kept, NOW + 400 * DAY));
}

static void contacts_are_bounded(void **state)
{
    struct context *t = *state;
    for (uint32_t i = 0; i < STATE_CONTACTS_MAX; i++) {
        struct contact k = contact_at(0, i + 1, NOW);
        assert_int_equal(state_contact_add(&t->s, &k, NOW), 0);
    }
    struct contact more = contact_at(1, 1, NOW), same = contact_at(0, 1, NOW);
    assert_int_equal(state_contact_add(&t->s, &more, NOW), ERR_NOSPACE);
    assert_int_equal(state_contact_add(&t->s, &same, NOW), ERR_EXISTS);
    assert_int_equal(state_contact_add(&t->s, &more, NOW + 30 * DAY), 0); /* the others have left */
    assert_int_equal(t->s.contact_count, 1);
}

/* ---- consents ---- */

static void give(struct context *t, bool granted, int64_t time_ms, const char *source)
{
    struct consent c = {
        .channel = 1, .purpose = 2, .granted = granted, .time_ms = time_ms, .source = str_from(source)};
    assert_int_equal(state_set_consent(&t->s, &c), 0);
}

static void the_newer_consent_wins(void **state)
{
    struct context *t = *state;
    assert_int_equal(state_consent(&t->s, 1, 2), -1);
    give(t, true, NOW, "a");
    assert_int_equal(state_consent(&t->s, 1, 2), 1);
    give(t, false, NOW - 1, "b");
    assert_int_equal(state_consent(&t->s, 1, 2), 1);
    give(t, false, NOW, "b"); /* tie: withdrawn */
    assert_int_equal(state_consent(&t->s, 1, 2), 0);
    give(t, true, NOW, "a");
    assert_int_equal(state_consent(&t->s, 1, 2), 0);
    give(t, true, NOW + 1, "c");
    assert_int_equal(state_consent(&t->s, 1, 2), 1);
    assert_int_equal(state_consent(&t->s, 2, 1), -1);
    assert_int_equal(t->s.consent_count, 1);
    give(t, true, NOW + 1, "a");
    give(t, true, NOW + 1, "b");
    assert_true(str_is(t->s.consents[0].source, "a"));
}

static void consents_are_bounded(void **state)
{
    struct context *t = *state;
    for (uint32_t i = 0; i < STATE_CONSENTS_MAX; i++) {
        struct consent c = {
            .channel = (i * 7919) % STATE_CONSENTS_MAX, .purpose = 1, .granted = true, .time_ms = NOW};
        assert_int_equal(state_set_consent(&t->s, &c), 0);
    }
    for (uint32_t i = 1; i < t->s.consent_count; i++)
        assert_true(t->s.consents[i - 1].channel < t->s.consents[i].channel);
    struct consent more = {.channel = 5000, .purpose = 1, .time_ms = NOW},
                   again = {.channel = 5, .purpose = 1, .time_ms = NOW + 1};
    assert_int_equal(state_set_consent(&t->s, &more), ERR_NOSPACE);
    assert_int_equal(state_set_consent(&t->s, &again), 0);
    assert_int_equal(state_consent(&t->s, 5, 1), 0);
}

static void attributes_are_copied(void **state)
{
    struct context *t = *state;
    size_t text = 0;
    while (t->schema.attributes[text].type != VALUE_STRING)
        text++;
    char word[] = "gold";
    assert_int_equal(state_set_attribute(&t->s, text, value_string(str_from(word)), NOW), 0);
    memset(word, 'x', 4);
    assert_true(str_is(value_str(t->s.attributes[text]), "gold"));
    assert_int_equal(state_set_attribute(&t->s, text, value_unknown(UNKNOWN_ABSENT), NOW + 1), 0);
    assert_int_equal(t->s.attributes[text].type, VALUE_UNKNOWN);
}

/* A live write wins, whatever another server's clock said; what is known to be of the past gives way to what is newer,
 * removals too. */
static void newer_attributes_stay(void **state)
{
    struct context *t = *state;
    struct error e;
    size_t text = 0;
    while (t->schema.attributes[text].type != VALUE_STRING)
        text++;
    assert_int_equal(state_offer_attribute(&t->s, text, value_string(STR("past")), NOW - 5), 1);
    assert_int_equal(state_set_attribute(&t->s, text, value_string(STR("live")), NOW), 0);
    assert_int_equal(state_offer_attribute(&t->s, text, value_string(STR("past")), NOW - 1), 0);
    assert_true(str_is(value_str(t->s.attributes[text]), "live"));
    assert_int_equal(state_set_attribute(&t->s, text, value_string(STR("slow clock")), NOW - 50), 0);
    assert_true(str_is(value_str(t->s.attributes[text]), "slow clock"));
    assert_true(t->s.attribute_ms[text] == NOW);
    assert_int_equal(state_set_attribute(&t->s, text, value_unknown(UNKNOWN_ABSENT), NOW + 10), 0);
    assert_int_equal(state_decode(&t->s, &t->schema, blob_of(&t->s, 1, &t->arena), &t->arena, &e), 0);
    assert_int_equal(state_offer_attribute(&t->s, text, value_string(STR("past")), NOW + 9), 0);
    assert_int_equal(t->s.attributes[text].type, VALUE_UNKNOWN);
    state_prune(&t->s, NOW + 11 + STATE_STALE_MS); /* so old a removal is forgotten */
    assert_int_equal(state_offer_attribute(&t->s, text, value_string(STR("past")), NOW + 9), 1);
}

/* ---- order of arrival ---- */

enum { MERGED_EVENTS = 40, MERGED_CONSENTS = 8, MERGED_CONTACTS = 8 };

static void shuffle(struct rng *rng, uint32_t *order, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        order[i] = i;
    for (uint32_t i = n; i > 1; i--) {
        uint32_t k = (uint32_t)rng_below(rng, i), spare = order[i - 1];
        order[i - 1] = order[k];
        order[k] = spare;
    }
}

/* Any order of the same events, some of them twice, through any number of encodings, gives the same blob but
 * for the ids seen, which are kept as they came. */
static void order_leaves_no_trace(void **state)
{
    struct context *t = *state;
    struct rng rng;
    struct arena events;
    rng_seed(&rng, 32);
    arena_init(&events, 16 << 20);
    schema_init(&t->schema, &t->schemas);
    make_schema(&t->schema, &t->schemas, EVERY_ATTRIBUTE, EVERY_EXACT_AGGREGATE, 0);
    bind_schema(&t->schema, t->names);
    for (int round = 0; round < 60; round++) {
        struct signal signals[MERGED_EVENTS];
        struct consent consents[MERGED_CONSENTS];
        struct contact contacts[MERGED_CONTACTS];
        arena_reset(&events);
        int64_t span = round % 2 ? 4 * HOUR : 120 * DAY;
        for (int i = 0; i < MERGED_EVENTS; i++)
            signals[i] = random_signal(&rng, &t->schema, NOW, span, &events);
        for (int i = 0; i < MERGED_CONSENTS; i++)
            consents[i] = random_consent(&rng);
        for (int i = 0; i < MERGED_CONTACTS; i++) {
            contacts[i] = random_contact(&rng, NOW);
            contacts[i].decision.bytes[0] = (uint8_t)i;
        }
        struct str first = {0};
        for (int order = 0; order < 6; order++) {
            uint32_t turn[MERGED_EVENTS + MERGED_CONSENTS + MERGED_CONTACTS];
            struct state s;
            struct error e;
            shuffle(&rng, turn, sizeof turn / sizeof turn[0]);
            empty_state(&s, &t->schema, &t->arena);
            for (size_t i = 0; i < sizeof turn / sizeof turn[0]; i++) {
                uint32_t k = turn[i];
                if (k < MERGED_EVENTS) {
                    assert_int_equal(state_apply(&s, &signals[k], NOW), 1);
                    if (rng_below(&rng, 4) == 0)
                        assert_int_equal(state_apply(&s, &signals[k], NOW), 0);
                } else if (k < MERGED_EVENTS + MERGED_CONSENTS) {
                    assert_int_equal(state_set_consent(&s, &consents[k - MERGED_EVENTS]), 0);
                } else {
                    assert_int_equal(
                        state_contact_add(&s, &contacts[k - MERGED_EVENTS - MERGED_CONSENTS], NOW), 0);
                }
                if (rng_below(&rng, 10) == 0) {
                    if (rng_below(&rng, 2))
                        state_prune(&s, NOW);
                    assert_int_equal(state_decode(&s, &t->schema, blob_of(&s, 1, &t->arena), &t->arena, &e),
                                     0);
                }
            }
            state_prune(&s, NOW);
            assert_int_equal(s.seen_count, MERGED_EVENTS);
            s.seen_count = 0;
            struct str blob = blob_of(&s, 1, &t->arena);
            if (order == 0)
                first = blob;
            assert_same_bytes(first, blob);
        }
        arena_reset(&t->arena);
    }
    arena_free(&events);
}

static void near(struct value a, struct value b)
{
    assert_int_equal(a.type, b.type);
    double scale = fabs(a.number) > 1 ? fabs(a.number) : 1;
    if (a.type == VALUE_DOUBLE)
        assert_true(fabs(a.number - b.number) <= 1e-9 * scale);
}

/* The same for weights that decay, to 1e-9. With four and fewer keys a top is as exact. */
static void decayed_values_agree_in_any_order(void **state)
{
    struct context *t = *state;
    struct rng rng;
    struct arena events;
    rng_seed(&rng, 33);
    arena_init(&events, 16 << 20);
    make_schema(&t->schema, &t->schemas, 0, EVERY_AGGREGATE & ~EVERY_EXACT_AGGREGATE, 0);
    bind_schema(&t->schema, t->names);
    size_t mood = aggregate_named(&t->schema, "mood(buy.amount, 72h)");
    size_t sum = aggregate_named(&t->schema, "decayed(buy.amount, 7d)");
    size_t top = aggregate_named(&t->schema, "top(buy.sku, 30d)");
    for (int round = 0; round < 60; round++) {
        struct signal signals[MERGED_EVENTS];
        struct state first = {0};
        arena_reset(&events);
        for (int i = 0; i < MERGED_EVENTS; i++)
            signals[i] = random_signal(&rng, &t->schema, NOW, round % 2 ? 4 * HOUR : 60 * DAY, &events);
        for (int order = 0; order < 6; order++) {
            uint32_t turn[MERGED_EVENTS];
            struct state s;
            struct error e;
            shuffle(&rng, turn, MERGED_EVENTS);
            empty_state(&s, &t->schema, &t->arena);
            for (size_t i = 0; i < MERGED_EVENTS; i++) {
                assert_int_equal(state_apply(&s, &signals[turn[i]], NOW), 1);
                if (rng_below(&rng, 10) == 0)
                    assert_int_equal(state_decode(&s, &t->schema, blob_of(&s, 1, &t->arena), &t->arena, &e), 0);
            }
            if (order == 0)
                first = s;
            for (int64_t at = NOW; at < NOW + 100 * DAY; at += 9 * DAY) {
                near(state_aggregate(&first, mood, at), state_aggregate(&s, mood, at));
                near(state_aggregate(&first, sum, at), state_aggregate(&s, sum, at));
                near(state_affinity(&first, top, value_string(STR("x")), at),
                     state_affinity(&s, top, value_string(STR("x")), at));
            }
        }
        arena_reset(&t->arena);
    }
    arena_free(&events);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(repeats_change_nothing),     TEST(seen_for_an_hour),
        TEST(the_last_sixteen_stay),      TEST(at_most_4096_are_kept),
        TEST(contacts_are_kept_by_time),  TEST(one_contact_a_decision_and_action),
        TEST(old_and_lapsed_contacts_go), TEST(contacts_are_bounded),
        TEST(the_newer_consent_wins),     TEST(consents_are_bounded),
        TEST(attributes_are_copied),      TEST(newer_attributes_stay),
        TEST(order_leaves_no_trace),      TEST(decayed_values_agree_in_any_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
