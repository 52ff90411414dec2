/* A server connection without a socket, against an nghttp2 client that may break every rule: what each wrong
 * request is answered with, cuts at every byte, floods, resets, draining, allocation failures.
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit/net/pair.h"

static void test_cut_everywhere(void **state)
{
    (void)state;
    for (size_t cut = 0; cut < 80; cut++) {
        struct pair *p = open_pair((struct grpc_options){0});
        p->cut = cut;
        for (int i = 0; i < 3; i++) {
            const struct answer *a =
                ask(p, "/t.S/Echo", HELLO, 10, HEADERS("x-tenant", "fashion", "grpc-timeout", "250m"));
            assert_int_equal(a->http, 200);
            assert_int_equal(a->grpc, 0);
            assert_int_equal(a->body_n, 10);
            assert_memory_equal(a->body, HELLO, 10);
            assert_int_equal(a->reset, 0);
        }
        assert_string_equal(p->header, "fashion");
        assert_int_equal(p->deadline_us, p->now_ns / 1000 + 250000);
        assert_int_equal(p->arrived_ns, p->now_ns);
        assert_int_equal(p->handled, 3);
        assert_int_equal(p->host.counts.connections_broken, 0);
        close_pair(p);
    }
}

/* The message in pieces of one stream, DATA frames cut by the client. */
static void test_message_in_pieces(void **state)
{
    (void)state;
    struct pair *p = open_pair((struct grpc_options){0});
    struct body body = {.p = HELLO, .n = 0, .open = true};
    int32_t stream = submit(p, "/t.S/Echo", &body, NULL);
    for (size_t i = 0; i < 10; i++) {
        exchange(p);
        assert_int_equal(p->handled, 0);
        body.n = i + 1;
        nghttp2_session_resume_data(p->client, stream);
    }
    exchange(p);
    body.open = false;
    nghttp2_session_resume_data(p->client, stream);
    exchange(p);
    assert_int_equal(p->handled, 1);
    assert_int_equal(answer_of(p, stream)->grpc, 0);
    close_pair(p);
}

static void test_wrong_requests(void **state)
{
    (void)state;
    static char big[18000];
    memset(big, 'v', sizeof big - 1);
    static const char *const type[][3] = {
        {"content-type", "application/json"}, {"content-type", "application/grpcx"}, {"content-type", NULL}};
    struct {
        const char *path, *bytes;
        size_t n;
        const char *const *extra;
        int http, grpc;
        const char *text;
    } cases[] = {
        {"/t.S/Echo", "", 0, NULL, 200, GRPC_UNIMPLEMENTED, "no message; /t.S/Echo takes exactly one"},
        {"/t.S/Echo", "\0\0\0", 3, NULL, 200, GRPC_INVALID_ARGUMENT,
         "the request ends inside the 5 bytes before the message"},
        {"/t.S/Echo", HELLO, 9, NULL, 200, GRPC_INVALID_ARGUMENT,
         "the request ends inside the message: 4 of 5 bytes"},
        {"/t.S/Echo", HELLO "\0\0\0\0\0", 15, NULL, 200, GRPC_UNIMPLEMENTED,
         "more than one message; /t.S/Echo takes exactly one"},
        {"/t.S/Echo", "\1\0\0\0\5hello", 10, NULL, 200, GRPC_INTERNAL,
         "the message is marked as compressed, but grpc-encoding is identity"},
        {"/t.S/Echo", "\0\0\4\0\1", 5, NULL, 200, GRPC_RESOURCE_EXHAUSTED,
         "a message of 262145 bytes; at most 262144"},
        {"/t.S/Echo", "\0\xff\xff\xff\xff", 5, NULL, 200, GRPC_RESOURCE_EXHAUSTED,
         "a message of 4294967295 bytes; at most 262144"},
        {"/t.S/Echo", HELLO, 10, HEADERS("grpc-encoding", "gzip"), 200, GRPC_UNIMPLEMENTED,
         "grpc-encoding: compressed messages are not understood; allowed: identity"},
        {"/t.S/Echo", HELLO, 10, HEADERS("grpc-timeout", "1000000000S"), 200, GRPC_INVALID_ARGUMENT,
         "grpc-timeout: not a timeout; allowed: 1 to 8 digits and one of H M S m u n"},
        {"/t.S/Nothing", HELLO, 10, NULL, 200, GRPC_UNIMPLEMENTED,
         "/t.S/Nothing is not a method here; allowed: /t.S/Echo, /t.S/Hold"},
        {"/t.S/Echo", HELLO, 10, HEADERS("x-big", big), 200, GRPC_RESOURCE_EXHAUSTED,
         "the request's headers take more than 16384 bytes (32 are added for each)"},
        {"/t.S/Echo", HELLO, 10, HEADERS(":method", "GET"), 405, -1, ""},
        {"/t.S/Echo", HELLO, 10, type[0], 415, -1, ""},
        {"/t.S/Echo", HELLO, 10, type[1], 415, -1, ""},
        {"/t.S/Echo", HELLO, 10, HEADERS("content-type", "application/grpc+proto"), 200, 0, ""},
        {"/t.S/Echo", HELLO, 10, HEADERS("content-type", "application/grpc; charset=x"), 200, 0, ""},
        {"/t.S/Echo", HELLO, 10, HEADERS("grpc-encoding", "identity"), 200, 0, ""},
    };
    struct pair *p = open_pair((struct grpc_options){0});
    size_t count = sizeof cases / sizeof *cases;
    for (size_t i = 0; i < ANSWERS_MAX; i++)
        p->answers[i].grpc = -1;
    for (size_t i = 0; i < count; i++) {
        const struct answer *a = ask(p, cases[i].path, cases[i].bytes, cases[i].n, cases[i].extra);
        assert_int_equal(a->http, cases[i].http);
        assert_int_equal(a->grpc, cases[i].grpc);
        assert_string_equal(a->text, cases[i].text);
        assert_int_equal(a->reset, 0);
    }
    assert_int_equal(p->handled, 3);
    /* Removed headers, which the table above cannot express. */
    const char *const no_te[] = {"te", NULL, NULL};
    const char *const no_type[] = {"content-type", NULL, NULL};
    assert_int_equal(ask(p, "/t.S/Echo", HELLO, 10, no_te)->grpc, 0);
    assert_int_equal(ask(p, "/t.S/Echo", HELLO, 10, no_type)->http, 415);
    const struct answer *a = ask(p, "/t.S/Echo", HELLO, 10, HEADERS(":method", "PUT"));
    assert_string_equal(a->allow, "POST");
    a = ask(p, "/t.S/Echo", HELLO, 10, HEADERS("grpc-encoding", "zstd"));
    assert_string_equal(a->encodings, "identity");
    assert_int_equal(p->host.counts.connections_broken, 0);
    close_pair(p);
}

/* An answer before the request's end: status at once, then RST_STREAM(NO_ERROR), and the rest is ignored. */
static void test_early_answer(void **state)
{
    (void)state;
    struct pair *p = open_pair((struct grpc_options){.message_max = 100});
    struct body body = {.p = "\0\0\0\0\x65", .n = 5, .open = true};
    int32_t stream = submit(p, "/t.S/Echo", &body, NULL);
    exchange(p);
    const struct answer *a = answer_of(p, stream);
    assert_int_equal(a->grpc, GRPC_RESOURCE_EXHAUSTED);
    assert_string_equal(a->text, "a message of 101 bytes; at most 100");
    assert_true(a->closed);
    assert_int_equal(a->reset, NGHTTP2_NO_ERROR);
    assert_null(p->session.calls);
    /* The same from the headers alone. */
    body = (struct body){.open = true};
    stream = submit(p, "/t.S/No", &body, NULL);
    exchange(p);
    assert_int_equal(answer_of(p, stream)->grpc, GRPC_UNIMPLEMENTED);
    assert_true(answer_of(p, stream)->closed);
    close_pair(p);
}

static void test_cancel(void **state)
{
    (void)state;
    struct pair *p = open_pair((struct grpc_options){.streams_max = 10});
    struct body hold = {.p = HELLO, .n = 10};
    int32_t stream = submit(p, "/t.S/Hold", &hold, NULL);
    exchange(p);
    assert_int_equal(p->held_count, 1);
    assert_false(grpc_call_cancelled(p->held[0]));
    nghttp2_submit_rst_stream(p->client, 0, stream, NGHTTP2_CANCEL);
    exchange(p);
    assert_true(grpc_call_cancelled(p->held[0]));
    assert_int_equal(p->session.cancelled_held, 1);
    grpc_fail(p->held[0], GRPC_ABORTED, "late");
    assert_int_equal(p->session.cancelled_held, 0);
    assert_int_equal(p->host.counts.calls_cancelled, 1);
    /* While the request still comes. */
    struct body half = {.p = HELLO, .n = 7, .open = true};
    stream = submit(p, "/t.S/Hold", &half, NULL);
    exchange(p);
    nghttp2_submit_rst_stream(p->client, 0, stream, NGHTTP2_CANCEL);
    exchange(p);
    assert_int_equal(p->host.counts.calls_cancelled, 2);
    assert_int_equal(p->held_count, 1);
    /* Cancelled calls whose handlers have not answered count: as many again as streams, then no more. */
    for (int i = 0; i < 15; i++) {
        struct body b = {.p = HELLO, .n = 10};
        stream = submit(p, "/t.S/Hold", &b, NULL);
        exchange(p);
        if (i < 10)
            nghttp2_submit_rst_stream(p->client, 0, stream, NGHTTP2_CANCEL);
        else
            assert_int_equal(answer_of(p, stream)->reset, NGHTTP2_REFUSED_STREAM);
        exchange(p);
    }
    assert_int_equal(p->held_count, 11);
    for (int i = 1; i < 11; i++)
        grpc_reply(p->held[i], "x", 1);
    assert_int_equal(ask(p, "/t.S/Echo", HELLO, 10, NULL)->grpc, 0);
    close_pair(p);
}

static void test_rapid_reset(void **state)
{
    (void)state;
    struct pair *p = open_pair((struct grpc_options){0});
    int sent = 0;
    for (; sent < ANSWERS_MAX - 1 && p->goaways == 0; sent++) {
        struct body b = {.open = true};
        int32_t stream = submit(p, "/t.S/Echo", &b, NULL);
        exchange(p);
        nghttp2_submit_rst_stream(p->client, 0, stream, NGHTTP2_CANCEL);
        exchange(p);
        if (sent == 1500)
            p->now_ns += 1000000000; /* the next second */
    }
    assert_int_equal(sent, 1501 + SESSION_RESETS_MAX + 1);
    assert_int_equal(p->goaway, NGHTTP2_ENHANCE_YOUR_CALM);
    assert_true(h2_pump_finished(&p->session.pump));
    assert_int_equal(p->host.counts.connections_broken, 1);
    close_pair(p);
}

static void test_chatter(void **state)
{
    (void)state;
    struct pair *p = open_pair((struct grpc_options){0});
    exchange(p);
    int sent = 0;
    for (; sent < 2 * SESSION_CHATTER_MAX && p->goaways == 0; sent++) {
        nghttp2_submit_ping(p->client, 0, NULL);
        exchange(p);
    }
    assert_in_range(sent, SESSION_CHATTER_MAX - 10, SESSION_CHATTER_MAX);
    assert_int_equal(p->goaway, NGHTTP2_ENHANCE_YOUR_CALM);
    close_pair(p);
    /* Acknowledgements that pile up because the peer reads nothing: nghttp2's own limit. */
    p = open_pair((struct grpc_options){0});
    exchange(p);
    static const uint8_t ping[17] = {0, 0, 8, 6}, settings[9] = {0, 0, 0, 4};
    for (sent = 0; sent < 5000 && !p->broken; sent++)
        feed(p, sent % 2 ? ping : settings, sent % 2 ? sizeof ping : sizeof settings);
    assert_in_range(sent, 900, 1100);
    answer(p);
    assert_true(h2_pump_finished(&p->session.pump));
    assert_int_equal(p->host.counts.connections_broken, 1);
    close_pair(p);
}

static void test_broken_frames(void **state)
{
    (void)state;
    static const struct {
        uint8_t bytes[16];
        size_t n;
    } frames[] = {
        {{0, 0, 1, 0, 0, 0, 0, 0, 0, 'x'}, 10},        /* DATA on stream 0 */
        {{0, 0, 1, 0, 0, 0, 0, 0, 7, 'x'}, 10},        /* DATA on an idle stream */
        {{0, 0, 4, 3, 0, 0, 0, 0, 9, 0, 0, 0, 8}, 13}, /* RST_STREAM of an idle stream */
        {{0, 0, 1, 1, 5, 0, 0, 0, 1, 0xff}, 10},       /* broken header compression */
        {{0, 0, 1, 4, 0, 0, 0, 0, 0, 'x'}, 10},        /* SETTINGS of a wrong size */
        {{0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1}, 9},     /* a frame of 16 MB */
        {{0, 0, 4, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 13}, /* WINDOW_UPDATE by 0 */
        {{0, 0, 0, 9, 4, 0, 0, 0, 1}, 9},              /* CONTINUATION of nothing */
        {{0, 0, 4, 5, 4, 0, 0, 0, 1, 0, 0, 0, 2}, 13}, /* PUSH_PROMISE from a client */
    };
    for (size_t i = 0; i < sizeof frames / sizeof *frames; i++) {
        struct pair *p = open_pair((struct grpc_options){0});
        exchange(p);
        feed(p, frames[i].bytes, frames[i].n);
        answer(p);
        assert_int_equal(p->goaways, 1);
        assert_int_not_equal(p->goaway, 0);
        assert_true(h2_pump_finished(&p->session.pump));
        assert_int_equal(p->host.counts.connections_broken, 1);
        close_pair(p);
    }
}

static void test_drain(void **state)
{
    (void)state;
    struct pair *p = open_pair((struct grpc_options){0});
    struct body hold = {.p = HELLO, .n = 10};
    int32_t stream = submit(p, "/t.S/Hold", &hold, NULL);
    exchange(p);
    grpc_session_drain(&p->session, false);
    assert_true(p->woken);
    answer(p); /* the announcement; the client has not acknowledged */
    assert_int_equal(p->goaways, 1);
    assert_false(p->session.drained);
    exchange(p);
    assert_true(p->session.drained);
    assert_int_equal(p->goaways, 2);
    assert_int_equal(p->goaway, 0);
    assert_false(h2_pump_finished(&p->session.pump));
    grpc_reply(p->held[0], "x", 1);
    exchange(p);
    assert_int_equal(answer_of(p, stream)->grpc, 0);
    assert_true(answer_of(p, stream)->closed);
    assert_true(h2_pump_finished(&p->session.pump));
    assert_int_equal(p->host.counts.connections_broken, 0);
    close_pair(p);
}

static void test_connection_lost(void **state)
{
    (void)state;
    struct pair *p = open_pair((struct grpc_options){0});
    struct body a = {.p = HELLO, .n = 10}, b = {.p = HELLO, .n = 8, .open = true};
    submit(p, "/t.S/Hold", &a, NULL);
    submit(p, "/t.S/Hold", &b, NULL);
    exchange(p);
    struct grpc_call *held = p->held[0];
    grpc_session_free(&p->session);
    assert_int_equal(p->host.counts.calls_now, 1);
    assert_int_equal(p->host.counts.calls_cancelled, 1);
    assert_true(grpc_call_cancelled(held));
    uint8_t *room = grpc_reserve(held, 10);
    assert_non_null(room);
    grpc_reply_reserved(held, 10);
    assert_int_equal(p->host.counts.calls_cancelled, 2);
    p->session.calls = NULL;
    close_pair(p);
}

static void test_options(void **state)
{
    (void)state;
    struct grpc_host host;
    struct error e = {0};
    struct grpc_method none[] = {{0}};
    struct grpc_options options = {.message_max = (size_t)GRPC_CONNECTION_BYTES_MAX + 1};
    assert_int_equal(grpc_host_init(&host, none, &options, &e), ERR_INVALID);
    assert_non_null(strstr(e.text, "message_max is 67108865; at most 67108864"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cut_everywhere), cmocka_unit_test(test_message_in_pieces),
        cmocka_unit_test(test_wrong_requests), cmocka_unit_test(test_early_answer),
        cmocka_unit_test(test_cancel),         cmocka_unit_test(test_rapid_reset),
        cmocka_unit_test(test_chatter),        cmocka_unit_test(test_broken_frames),
        cmocka_unit_test(test_drain),          cmocka_unit_test(test_connection_lost),
        cmocka_unit_test(test_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
