/* When aggregates change, against brute force at every millisecond of a window; what is forgotten and what is
 * kept.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "context.h"

static bool same(struct value a, struct value b)
{
    if (a.type == VALUE_STRING && b.type == VALUE_STRING)
        return str_eq(value_str(a), value_str(b));
    return value_same(a, b);
}

/* Windows of a minute or two and events within them, so that each millisecond can be looked at. */
static void next_change_is_the_first_change(void **state)
{
    struct context *t = *state;
    static const int64_t widths[] = {MINUTE, MINUTE + 1, MINUTE + 13, 2 * MINUTE};
    struct rng rng;
    rng_seed(&rng, 21);
    size_t changes = 0;
    for (int round = 0; round < 12; round++) {
        struct schema schema;
        struct state s;
        arena_reset(&t->arena);
        arena_reset(&t->schemas);
        make_schema(&schema, &t->schemas, 0, 0, 0);
        int64_t window = widths[round % 4];
        add_aggregate(&schema, AGGREGATE_COUNT, BUY, UINT32_MAX, window);
        add_aggregate(&schema, AGGREGATE_SUM, BUY, BUY_QTY, window);
        add_aggregate(&schema, AGGREGATE_OPEN, OPENED, 0, window);
        add_aggregate(&schema, AGGREGATE_LAST, BUY, BUY_SKU, 0);
        add_aggregate(&schema, AGGREGATE_MIN, BUY, BUY_QTY, window);
        add_aggregate(&schema, AGGREGATE_MAX, BUY, BUY_AMOUNT, window);
        add_aggregate(&schema, AGGREGATE_KEYS, BUY, BUY_SKU, window);
        add_aggregate(&schema, AGGREGATE_DECAYED, BUY, BUY_QTY, MINUTE);
        add_aggregate(&schema, AGGREGATE_MOOD, BUY, BUY_AMOUNT, MINUTE);
        add_aggregate(&schema, AGGREGATE_TOP, BUY, BUY_SKU, MINUTE);
        bind_schema(&schema, t->names);
        empty_state(&s, &schema, &t->arena);
        for (int i = 0; i < 80; i++) {
            struct signal g = random_signal(&rng, &schema, NOW, 2 * window, &t->arena);
            if (g.time_ms > NOW + MINUTE)
                g.time_ms = NOW + MINUTE;
            assert_true(state_apply(&s, &g, NOW) >= 0);
        }
        for (size_t k = 0; k < schema.aggregate_count; k++) {
            int64_t next = state_aggregate_next_change(&s, k, NOW);
            struct value before = state_aggregate(&s, k, NOW);
            for (int64_t at = NOW + 1; at < NOW + 5 * MINUTE; at++) {
                struct value v = state_aggregate(&s, k, at);
                if (!same(v, before)) {
                    assert_true(at == next); /* never missed */
                    changes++;
                }
                if (at == next) {
                    next = state_aggregate_next_change(&s, k, at);
                    assert_true(next > at);
                    /* A bucket of value 0 leaves without a change; all else that is announced happens. */
                    enum aggregate_kind kind = schema.aggregates[k].kind;
                    if (kind == AGGREGATE_COUNT || kind == AGGREGATE_OPEN)
                        assert_false(same(v, before));
                }
                before = v;
            }
            int steps = 0; /* what decays goes on until it is nothing */
            for (; next != INT64_MAX && aggregate_decays(schema.aggregates[k].kind); steps++) {
                int64_t at = next;
                next = state_aggregate_next_change(&s, k, at);
                assert_true(next > at);
                if (next == INT64_MAX) {
                    struct value v = state_aggregate(&s, k, at);
                    assert_true(v.type == VALUE_UNKNOWN || (v.type == VALUE_DOUBLE && v.number == 0));
                    assert_true(same(v, state_aggregate(&s, k, at + DAY)));
                }
            }
            assert_true(next == INT64_MAX && steps <= DECAY_STEPS * DECAY_HALVINGS_MAX + 1);
        }
    }
    assert_true(changes > 100);
}

/* The same from edge to edge over the longest windows. */
static void next_change_over_long_windows(void **state)
{
    struct context *t = *state;
    struct rng rng;
    rng_seed(&rng, 22);
    for (int i = 0; i < 300; i++) {
        struct signal g = random_signal(&rng, &t->schema, NOW, 500 * DAY, &t->arena);
        assert_true(state_apply(&t->s, &g, NOW) >= 0);
    }
    for (size_t k = 0; k < t->schema.aggregate_count; k++) {
        int64_t at = NOW;
        while (at != INT64_MAX) {
            int64_t next = state_aggregate_next_change(&t->s, k, at);
            assert_true(next > at);
            struct value v = state_aggregate(&t->s, k, at);
            int64_t end = next == INT64_MAX ? at + 500 * DAY : next - 1;
            for (int i = 0; i < 20; i++) {
                int64_t between = at + (int64_t)rng_below(&rng, (uint64_t)(end - at) + 1);
                assert_true(same(v, state_aggregate(&t->s, k, between)));
            }
            assert_true(same(v, state_aggregate(&t->s, k, end)));
            at = next;
        }
    }
}

static void feed(struct context *t, uint32_t signal, const char *key, int64_t time_ms, int64_t now_ms)
{
    static uint64_t event;
    struct value values[BUY_PROPERTIES] = {value_string(str_from(key))};
    struct signal g = {.index = signal, .event = ++event, .time_ms = time_ms, .properties = values};
    assert_int_equal(state_apply(&t->s, &g, now_ms), 1);
}

static int64_t open_at(struct context *t, int64_t now_ms)
{
    return state_aggregate(&t->s, aggregate_named(&t->schema, "open(opened.case, closed.case, 90d)"), now_ms)
        .integer;
}

static void cases_close_and_reopen(void **state)
{
    struct context *t = *state;
    feed(t, CLOSED, "a", NOW - HOUR, NOW); /* the closing arrives first */
    assert_int_equal(open_at(t, NOW), 0);
    feed(t, OPENED, "a", NOW - 2 * HOUR, NOW);
    assert_int_equal(open_at(t, NOW), 0);
    feed(t, OPENED, "a", NOW - MINUTE, NOW);
    assert_int_equal(open_at(t, NOW), 1);
    feed(t, CLOSED, "a", NOW - MINUTE, NOW); /* at the same time: closed */
    assert_int_equal(open_at(t, NOW), 0);
    feed(t, OPENED, "b", NOW - 90 * DAY, NOW); /* just left the window */
    assert_int_equal(open_at(t, NOW), 0);
    feed(t, OPENED, "c", NOW - 90 * DAY + 1, NOW);
    assert_int_equal(open_at(t, NOW), 1);
    assert_int_equal(open_at(t, NOW + 1), 0);
}

/* Many closed cases do not push out an open one, however old it is. */
static void an_open_case_outlives_closed_ones(void **state)
{
    struct context *t = *state;
    feed(t, OPENED, "the one", NOW - 80 * DAY, NOW);
    for (int i = 0; i < 3 * STATE_CASES_MAX; i++) {
        char key[16];
        snprintf(key, sizeof key, "case %d", i);
        feed(t, OPENED, key, NOW - DAY + i, NOW);
        feed(t, CLOSED, key, NOW - HOUR + i, NOW);
        assert_int_equal(open_at(t, NOW), 1);
    }
    for (int i = 0; i < STATE_CASES_MAX - 1; i++) {
        char key[16];
        snprintf(key, sizeof key, "open %d", i);
        feed(t, OPENED, key, NOW - i, NOW);
    }
    assert_int_equal(open_at(t, NOW), STATE_CASES_MAX);
    feed(t, OPENED, "one too many", NOW, NOW); /* the oldest goes */
    assert_int_equal(open_at(t, NOW), STATE_CASES_MAX);
    feed(t, OPENED, "older than all", NOW - 70 * DAY, NOW);
    feed(t, CLOSED, "older than all", NOW, NOW);
    assert_int_equal(open_at(t, NOW), STATE_CASES_MAX);
}

static void ages(void **state)
{
    struct context *t = *state;
    size_t at = aggregate_named(&t->schema, "last_at(opened)");
    assert_true(state_age(&t->s, at, NOW).integer == DURATION_MAX_MS);
    assert_int_equal(state_aggregate(&t->s, at, NOW).type, VALUE_UNKNOWN);
    feed(t, OPENED, "a", NOW - HOUR, NOW);
    assert_true(state_age(&t->s, at, NOW).integer == HOUR);
    feed(t, OPENED, "a", NOW - 2 * HOUR, NOW); /* older: no change */
    assert_true(state_age(&t->s, at, NOW).integer == HOUR);
    assert_true(state_aggregate(&t->s, at, NOW).integer == NOW - HOUR);
    feed(t, OPENED, "a", NOW + MINUTE, NOW); /* ahead: rises evenly all the same */
    assert_true(state_age(&t->s, at, NOW).integer == -MINUTE);
    assert_true(state_age(&t->s, at, NOW + HOUR).integer == 59 * MINUTE);
    assert_true(state_aggregate_next_change(&t->s, at, NOW) == INT64_MAX);
}

/* What leaves every window leaves the blob. */
static void old_data_goes(void **state)
{
    struct context *t = *state;
    struct rng rng;
    rng_seed(&rng, 23);
    for (int i = 0; i < 200; i++) {
        struct signal g = random_signal(&rng, &t->schema, NOW, 30 * DAY, &t->arena);
        assert_true(state_apply(&t->s, &g, NOW) >= 0);
    }
    size_t full = blob_of(&t->s, 1, &t->arena).n;
    state_prune(&t->s, NOW + 500 * DAY);
    for (size_t i = 0; i < t->schema.aggregate_count; i++)
        if (aggregate_windowed(t->schema.aggregates[i].kind))
            assert_int_equal(t->s.aggregates[i].count, 0);
    state_prune(&t->s, NOW + 5000 * DAY); /* 64 half-lives of all that decays */
    for (size_t i = 0; i < t->schema.aggregate_count; i++)
        if (aggregate_decays(t->schema.aggregates[i].kind))
            assert_int_equal(t->s.aggregates[i].count, 0);
    size_t left = blob_of(&t->s, 1, &t->arena).n;
    assert_true(left < full / 4 && left < STATE_HEAD + 7 * 40 + 16 * 9 + 20);
}

/* A window holds about 24 buckets, however many events. */
static void buckets_are_bounded(void **state)
{
    struct context *t = *state;
    struct rng rng;
    struct value values[BUY_PROPERTIES] = {value_double(1)};
    rng_seed(&rng, 24);
    for (uint64_t i = 0; i < 20000; i++) {
        int64_t now_ms = NOW + (int64_t)i * MINUTE;
        struct signal g = {.index = BUY,
                           .event = i,
                           .time_ms = now_ms - (int64_t)rng_below(&rng, 400 * DAY),
                           .properties = values};
        assert_int_equal(state_apply(&t->s, &g, now_ms), 1);
    }
    for (size_t i = 0; i < t->schema.aggregate_count; i++)
        if (t->schema.aggregates[i].kind == AGGREGATE_SUM || t->schema.aggregates[i].kind == AGGREGATE_COUNT)
            assert_true(t->s.aggregates[i].count <= 26);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(next_change_is_the_first_change),
        TEST(next_change_over_long_windows),
        TEST(cases_close_and_reopen),
        TEST(an_open_case_outlives_closed_ones),
        TEST(ages),
        TEST(old_data_goes),
        TEST(buckets_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
