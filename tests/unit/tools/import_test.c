/* An import's parts: lines become events, events of millions come together by customer and in order whatever the files' order,
 * and blobs are those of the same events in order, over what is there and never over what is newer. And the corpus of the fuzz
 * target.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fuzz/import_line_fuzz.c"
#include "fuzz/corpus.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "base/rng.h"
#include "state/imports.h"
#include "tools/import/spread.h"
#include "tools/parallel.h"
#include <stdlib.h>
#include <unistd.h>

#define HOUR INT64_C(3600000)
#define DAY (24 * HOUR)

enum { CUSTOMERS = 500, LINES = 40000, PIECES = 3 };

static const struct import_clock at_now = {FUZZ_NOW, FUZZ_NOW + STATE_AHEAD_MS};

static void replays_the_corpus(void **state)
{
    (void)state;
    assert_true(corpus_replay("tests/fuzz/corpus/import_line") >= 12);
}

/* ---- lines ---- */

static int line(const char *text, struct buf *out, struct error *e)
{
    const struct import_place place = {0, 1, 0};
    arena_reset(&arena);
    return import_line(str_from(text), fuzz_policy(), &at_now, &place, &arena, out, e);
}

static void lines_are_taken_or_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *why; /* NULL: taken */
    } cases[] = {
        {"{\"signal\":{\"customer_id\":\"c\",\"signals\":[{\"event_id\":\"e\",\"name\":\"visit\"}]}}", NULL},
        {" { \"signal\" : {\"customer_id\":\"c\",\"signals\":[{\"event_id\":\"e\",\"name\":\"visit\"}]} } ", NULL},
        {"{\"rejected_line\":3,\"rejected_because\":\"a \\\"b\\\", c\",\"upsert\":{\"customer_id\":\"c\"}}", NULL},
        {"{\"upsert\":{\"customer_id\":\"c\"},\"more\":1}", "not valid JSON"},
        {"{\"upsrt\":{\"customer_id\":\"c\"}}", "did you mean upsert?"},
        {"[]", "expected one object"},
        {"{}", "expected one object"},
        {"{\"rejected_line\":3}", "expected one object"},
        {"{\"upsert\":{\"customer_id\":\"\"}}", "customer_id is empty"},
        {"{\"upsert\":{\"customer_id\":\"c\",\"as_of_ms\":-5}}", "no time in Unix milliseconds"},
        {"{\"upsert\":{\"customer_id\":\"c\",\"as_of_ms\":1836942400000}}", "ahead of now"},
        {"{\"signal\":{\"customer_id\":\"c\",\"signals\":[{\"event_id\":\"e\",\"name\":\"visit\"},{\"event_id\":\"f\",\"name\":\"visi\"}]}}",
         "signals[1].name: unknown 'visi'; did you mean visit?"},
        {"{\"record\":{\"customer_id\":\"c\",\"outcome_id\":\"o\",\"kind\":\"RESPONSE\",\"handle\":\"h\"}}", "cannot be read here"},
        {"{\"record\":{\"customer_id\":\"c\",\"outcome_id\":\"o\",\"kind\":\"RESPONSE\",\"decision_id\":\"k\",\"action_id\":\"crt\"}}",
         "did you mean cart?"},
    };
    struct buf out;
    buf_init(&out, 1 << 20);
    if (!arena.limit)
        arena_init(&arena, 256 << 20);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct error e = {.text = ""};
        buf_clear(&out);
        int rc = line(cases[i].text, &out, &e);
        if (cases[i].why ? rc != ERR_INVALID || !strstr(e.text, cases[i].why) || out.n : rc || !out.n)
            fail_msg("%s: %d %s", cases[i].text, rc, e.text);
    }
    buf_free(&out);
}

static void plain_json_declines_the_rest(void **state)
{
    (void)state;
    static const char *const plain[] = {"{\"customer_id\":\"c\",\"as_of_ms\":12}", "{}", " { \"profile\" : { } , \"consents\" : [ ] } ",
                                        "{\"customer_id\":\"\xd8\xb3\"}"};
    static const char *const other[] = {"",
                                        "{",
                                        "{\"customer_id\":\"c\"",
                                        "{\"customer_id\":\"c\",}",
                                        "{\"customer_id\":\"c\"}x",
                                        "{\"customer_id\":\"\\u0041\"}",
                                        "{\"customerId\":\"c\"}",
                                        "{\"customer_id\":null}",
                                        "{\"customer_id\":\"\xff\"}",
                                        "{\"customer_id\":\"a\x01\"}",
                                        "{\"as_of_ms\":\"12\"}",
                                        "{\"as_of_ms\":012}",
                                        "{\"as_of_ms\":1.0}",
                                        "{\"as_of_ms\":-}",
                                        "{\"as_of_ms\":1234567890123456789}",
                                        "{\"as_of_ms\":1,\"as_of_ms\":1}",
                                        "{\"profile\":{\"a\":{\"int_value\":1,\"bool_value\":true}}}",
                                        "{\"profile\":{\"a\":{},\"a\":{}}}",
                                        "{\"profile\":{\"a\":{\"number_value\":1.}}}",
                                        "{\"profile\":{\"a\":{\"number_value\":1e999}}}",
                                        "{\"profile\":{\"a\":{\"bool_value\":tru}}}"};
    if (!arena.limit)
        arena_init(&arena, 256 << 20);
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
        arena_reset(&arena);
        both_read_the_same(str_from(plain[i]));
        char *copy = arena_strdup(&arena, plain[i]);
        assert_non_null(plain_json(&tact__v1__upsert_request__descriptor, copy, strlen(copy), &arena));
    }
    for (size_t i = 0; i < sizeof other / sizeof other[0]; i++) {
        arena_reset(&arena);
        char *copy = arena_memdup(&arena, other[i], strlen(other[i]) + 1);
        if (plain_json(&tact__v1__upsert_request__descriptor, copy, strlen(other[i]), &arena))
            fail_msg("%s is not plain", other[i]);
        both_read_the_same(str_from(other[i]));
    }
}

/* ---- spreading ---- */

static void add_line(struct buf *out, const char *text, uint64_t number)
{
    struct error e = {0};
    const struct import_place place = {0, number, 0};
    arena_reset(&arena);
    if (import_line(str_from(text), fuzz_policy(), &at_now, &place, &arena, out, &e))
        fail_msg("%s: %s", text, e.text);
}

/* Every line is in exactly one group, its customer's; a group is in order of time, lines of one time in the files' order. */
static void lines_come_together(void **state)
{
    (void)state;
    struct rng rng;
    struct error e = {0};
    struct buf events;
    static int64_t time_of[LINES + 1];
    static int whose[LINES + 1];
    uint64_t lines = 0, customers = 0;
    struct spread *s = spread_new(PIECES, "/tmp");
    rng_seed(&rng, 8);
    buf_init(&events, 64 << 20);
    for (uint64_t i = 1; i <= LINES; i++) {
        char text[400];
        whose[i] = (int)rng_below(&rng, CUSTOMERS);
        time_of[i] = FUZZ_NOW - HOUR * (int64_t)rng_below(&rng, 50);
        snprintf(text, sizeof text,
                 "{\"signal\":{\"customer_id\":\"c%d\",\"signals\":[{\"event_id\":\"e%d\",\"name\":\"buy\",\"time_ms\":%lld,"
                 "\"properties\":{\"sku\":{\"string_value\":\"a long name of a thing, to fill the buffers\"}}}]}}",
                 whose[i], (int)i, (long long)time_of[i]);
        add_line(&events, text, i);
        if (i % 100 == 0 || i == LINES) {
            assert_int_equal(spread_add(s, (struct str){(const char *)events.p, events.n}, &e), 0);
            buf_clear(&events);
        }
    }
    static bool seen[CUSTOMERS];
    for (size_t piece = 0; piece < spread_pieces(s); piece++) {
        struct spread_group g;
        assert_int_equal(spread_group(s, piece, &g, &e), 0);
        for (size_t k = 0; k < g.count; k++) {
            const struct import_customer *c = &g.customers[k];
            int id = atoi(c->id.p + 1);
            uint64_t before = 0;
            assert_false(seen[id]);
            seen[id] = true;
            customers++;
            for (size_t i = 0; i < c->count; i++) {
                struct import_event event;
                import_event_head(c->events[i].event, &event);
                uint64_t number = event.place.line;
                assert_int_equal(whose[number], id);
                assert_true(event.time_ms == time_of[number] && c->events[i].time_ms == event.time_ms);
                assert_true(!before || time_of[before] < time_of[number] || (time_of[before] == time_of[number] && before < number));
                before = number;
                lines++;
            }
        }
    }
    assert_int_equal(lines, LINES);
    assert_int_equal(customers, CUSTOMERS);
    buf_free(&events);
    spread_free(&s);
}

static void no_folder_for_what_does_not_fit(void **state)
{
    (void)state;
    struct error e = {0};
    struct buf events;
    struct spread *s = spread_new(1, "/nonexistent");
    buf_init(&events, 1 << 20);
    add_line(&events, "{\"upsert\":{\"customer_id\":\"c\"}}", 1);
    int rc = 0;
    for (int i = 0; i < SPREAD_BUFFER && !rc; i++)
        rc = spread_add(s, (struct str){(const char *)events.p, events.n}, &e);
    assert_int_equal(rc, ERR_IO);
    assert_non_null(strstr(e.text, "--temp names another folder"));
    buf_free(&events);
    spread_free(&s);
}

/* ---- building ---- */

struct made {
    struct buf events, out;
    struct import_ref refs[64];
    uint8_t failed[64];
    struct import_customer customer;
    int refused;
};

static void make(struct made *m, const char *const *lines, size_t count)
{
    *m = (struct made){.customer = {.id = STR("c"), .count = count}};
    buf_init(&m->events, 1 << 20);
    buf_init(&m->out, 4 << 20);
    for (size_t i = 0; i < count; i++)
        add_line(&m->events, lines[i], i + 1);
    const uint8_t *p = m->events.p;
    for (size_t i = 0; i < count; i++) {
        struct import_event event;
        const uint8_t *next = import_event_head(p, &event);
        m->refs[i] = (struct import_ref){p, event.time_ms};
        p = next;
    }
    m->customer.events = m->refs;
    m->customer.failed = m->failed;
}

static void made_free(struct made *m)
{
    buf_free(&m->events);
    buf_free(&m->out);
}

static void count_refused(void *ctx, const uint8_t *event, const char *why)
{
    (void)event;
    assert_true(why[0]);
    ((struct made *)ctx)->refused++;
}

static struct str built(struct made *m, struct import_builder *b, struct str blob, enum import_built want)
{
    struct error e = {0};
    uint64_t expected = 99;
    buf_clear(&m->out);
    assert_int_equal(import_build(b, &m->customer, blob, 7, &m->out, &expected, count_refused, m, &e), want);
    if (want == IMPORT_BUILT)
        assert_true(expected == (blob.n ? state_version(blob) : 0));
    return (struct str){(const char *)m->out.p, m->out.n};
}

#define BUY(event, price, time)                                                                                                    \
    "{\"signal\":{\"customer_id\":\"c\",\"signals\":[{\"event_id\":\"" event "\",\"name\":\"buy\",\"time_ms\":" time                 \
    ",\"properties\":{\"price\":{\"number_value\":" price "}}}]}}"
#define NAMED(name, time) "{\"upsert\":{\"customer_id\":\"c\",\"as_of_ms\":" time ",\"profile\":{\"name\":{\"string_value\":\"" name "\"}}}}"

static void decoded(struct state *s, struct str blob)
{
    struct error e = {0};
    assert_int_equal(state_decode(s, &fuzz_policy()->schema, arena_str(&arena, blob), &arena, &e), 0);
}

static struct str name_of(const struct state *s)
{
    return value_str(s->attributes[schema_attribute(&fuzz_policy()->schema, STR("name"))]);
}

/* Over a state that knows one event, and that was given a newer name. */
static void goes_with_what_is_there(void **state)
{
    (void)state;
    static const char *const live[] = {BUY("live", "5.0", "1736940000000"), NAMED("new", "1736940000000")};
    static const char *const old[] = {NAMED("old", "1736900000000"), BUY("past", "2.0", "1736900000000"),
                                      BUY("live", "5.0", "1736940000000")};
    struct made one, two;
    struct import_builder first, second;
    struct state s;
    import_builder_init(&first, fuzz_policy(), 1, FUZZ_NOW);
    import_builder_init(&second, fuzz_policy(), 2, FUZZ_NOW);
    make(&one, live, 2);
    make(&two, old, 3);
    struct str there = built(&one, &first, (struct str){0}, IMPORT_BUILT);
    struct str both = built(&two, &second, there, IMPORT_BUILT);
    arena_reset(&arena);
    decoded(&s, both);
    assert_true(str_eq(name_of(&s), STR("new")));
    assert_int_equal(s.seen_count, 2);
    assert_true(s.seen[0] == hash64("past", 4) && s.seen[1] == hash64("live", 4)); /* by arrival */
    assert_int_equal(s.import_count, 2);
    /* and again */
    struct str kept = arena_str(&arena, both);
    built(&two, &second, kept, IMPORT_BEFORE);
    built(&one, &first, kept, IMPORT_BEFORE);
    assert_int_equal(one.refused + two.refused, 0);
    made_free(&one);
    made_free(&two);
    import_builder_free(&first);
    import_builder_free(&second);
}

static void what_cannot_be_applied_is_left_out(void **state)
{
    (void)state;
    static const char *const lines[] = {
        BUY("a", "1.0", "1736900000000"),
        "{\"record\":{\"customer_id\":\"c\",\"outcome_id\":\"o\",\"kind\":\"RESPONSE\",\"decision_id\":\"k\",\"time_ms\":1736900000000}}",
        BUY("b", "2.0", "1736900000001")};
    static const char *const right[] = {BUY("a", "1.0", "1736900000000"), BUY("b", "2.0", "1736900000001")};
    struct made m, n;
    struct import_builder b;
    import_builder_init(&b, fuzz_policy(), 1, FUZZ_NOW);
    make(&m, lines, 3);
    make(&n, right, 2);
    struct str with = built(&m, &b, (struct str){0}, IMPORT_BUILT), without = built(&n, &b, (struct str){0}, IMPORT_BUILT);
    assert_int_equal(m.refused, 1);
    assert_true(m.failed[1] && !m.failed[0] && !m.failed[2]);
    assert_true(str_eq(with, without));
    made_free(&m);
    made_free(&n);
    import_builder_free(&b);
}

#define GIVEN(granted, time)                                                                                                       \
    "{\"upsert\":{\"customer_id\":\"c\",\"as_of_ms\":" time                                                                            \
    ",\"consents\":[{\"channel\":\"mail\",\"purpose\":\"promotional\",\"granted\":" granted ",\"time_ms\":" time "}]}}"

/* Of somebody who was forgotten: nothing, or what comes from a later consent on. */
static void the_forgotten_begin_anew_or_not(void **state)
{
    (void)state;
    static const char *const none[] = {BUY("a", "1.0", "1736900000000"), GIVEN("true", "1736910000000"),
                                       GIVEN("false", "1736920000000"), NAMED("old", "1736930000000")};
    static const char *const some[] = {BUY("a", "1.0", "1736900000000"), GIVEN("true", "1736910000000"),
                                       GIVEN("true", "1736910000001"), BUY("b", "2.0", "1736930000000")};
    struct made m, n, right;
    struct import_builder b;
    struct state s;
    struct error e;
    struct buf tombstone;
    import_builder_init(&b, fuzz_policy(), 1, FUZZ_NOW);
    make(&m, none, 4);
    make(&n, some, 4);
    make(&right, some + 2, 2);
    arena_reset(&arena);
    assert_int_equal(state_empty(&s, &fuzz_policy()->schema, &arena), 0);
    state_clear(&s, INT64_C(1736910000000));
    buf_init(&tombstone, 1 << 10);
    assert_int_equal(state_encode(&s, 5, &tombstone, &e), 0);
    struct str there = {(const char *)tombstone.p, tombstone.n};
    built(&m, &b, there, IMPORT_REFUSED);
    assert_true(m.refused == 0 && m.out.n == 0); /* all for one reason, which is the caller's to tell */
    struct str got = built(&n, &b, there, IMPORT_BUILT), want = built(&right, &b, (struct str){0}, IMPORT_BUILT);
    assert_int_equal(n.refused, 2);
    assert_true(n.failed[0] && n.failed[1] && !n.failed[2] && !n.failed[3]);
    assert_true(str_eq(got, want));
    buf_free(&tombstone);
    made_free(&m);
    made_free(&n);
    made_free(&right);
    import_builder_free(&b);
}

static void what_cannot_be_read_stays(void **state)
{
    (void)state;
    static const char *const lines[] = {BUY("a", "1.0", "1736900000000")};
    struct made m;
    struct import_builder b;
    import_builder_init(&b, fuzz_policy(), 1, FUZZ_NOW);
    make(&m, lines, 1);
    built(&m, &b, STR("?"), IMPORT_REFUSED);
    built(&m, &b, STR("\x02garbage that is no blob"), IMPORT_REFUSED);
    built(&m, &b, STR("\x09 of a later version"), IMPORT_REFUSED);
    assert_int_equal(m.out.n, 0);
    made_free(&m);
    import_builder_free(&b);
}

/* ---- threads ---- */

enum { JOBS = 5000 };

static void slow(void *ctx, size_t thread, void *job)
{
    volatile uint64_t *n = job;
    (void)ctx;
    (void)thread;
    for (uint64_t i = 0, rounds = *n % 2000; i < rounds; i++)
        *n += 2000;
}

static void jobs_come_back_in_order(void **state)
{
    (void)state;
    static uint64_t jobs[JOBS];
    struct parallel *p = parallel_new(4, slow, NULL, NULL);
    struct rng rng;
    size_t taken = 0;
    rng_seed(&rng, 3);
    assert_null(parallel_take(p, true));
    for (size_t i = 0; i < JOBS; i++) {
        jobs[i] = rng_below(&rng, 2000);
        if (parallel_under_way(p) == PARALLEL_JOBS_MAX)
            assert_ptr_equal(parallel_take(p, true), &jobs[taken++]);
        parallel_put(p, &jobs[i]);
        for (void *done; (done = parallel_take(p, false)); taken++)
            assert_ptr_equal(done, &jobs[taken]);
    }
    for (void *done; (done = parallel_take(p, true)); taken++)
        assert_ptr_equal(done, &jobs[taken]);
    assert_int_equal(taken, JOBS);
    for (size_t i = 0; i < JOBS; i++)
        assert_int_equal(jobs[i] / 2000, jobs[i] % 2000);
    parallel_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replays_the_corpus),
        cmocka_unit_test(lines_are_taken_or_refused),
        cmocka_unit_test(plain_json_declines_the_rest),
        cmocka_unit_test(lines_come_together),
        cmocka_unit_test(no_folder_for_what_does_not_fit),
        cmocka_unit_test(goes_with_what_is_there),
        cmocka_unit_test(what_cannot_be_applied_is_left_out),
        cmocka_unit_test(the_forgotten_begin_anew_or_not),
        cmocka_unit_test(what_cannot_be_read_stays),
        cmocka_unit_test(jobs_come_back_in_order),
    };
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    arena_free(&arena);
    return rc;
}
