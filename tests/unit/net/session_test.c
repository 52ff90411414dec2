/* A server connection without a socket, against an nghttp2 client that may break every rule: what each wrong
 * request is answered with, cuts at every byte, floods, resets, draining, allocation failures.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "net/grpc_session.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>

enum { ANSWERS_MAX = 4096, OUT = 4096 };

struct answer {
    int http, grpc;
    char text[512], allow[16], encodings[32];
    uint8_t body[256];
    size_t body_n;
    bool closed;
    uint32_t reset; /* the error code of the close */
};

struct pair {
    struct grpc_host host;
    struct grpc_session session;
    nghttp2_session *client;
    struct answer *answers; /* by stream id / 2 */
    struct grpc_call *held[ANSWERS_MAX];
    size_t held_count;
    int handled;
    int64_t now_ns, deadline_us, arrived_ns;
    char header[64];
    size_t cut; /* feed so many bytes at a time; 0: all */
    uint32_t goaway;
    int goaways;
    bool woken, broken;
};

static void on_echo(void *user, struct grpc_call *call, struct str request)
{
    struct pair *p = user;
    p->handled++;
    p->deadline_us = grpc_call_deadline_us(call);
    p->arrived_ns = grpc_call_arrived_ns(call);
    snprintf(p->header, sizeof p->header, "%.*s", STR_ARG(grpc_call_header(call, "x-tenant")));
    grpc_reply(call, request.p, request.n);
}

static void on_hold(void *user, struct grpc_call *call, struct str request)
{
    struct pair *p = user;
    (void)request;
    p->held[p->held_count++] = call;
}

static void on_wake(struct grpc_session *s)
{
    struct pair *p = (struct pair *)((char *)s - offsetof(struct pair, session));
    p->woken = true;
}

static struct answer *answer_of(struct pair *p, int32_t stream)
{
    assert_true(stream / 2 < ANSWERS_MAX);
    return &p->answers[stream / 2];
}

static int on_header(nghttp2_session *h2, const nghttp2_frame *frame, const uint8_t *name, size_t name_n,
                     const uint8_t *value, size_t value_n, uint8_t flags, void *user)
{
    (void)h2;
    (void)flags;
    struct answer *a = answer_of(user, frame->hd.stream_id);
    struct str n = {(const char *)name, name_n}, v = {(const char *)value, value_n};
    if (str_is(n, ":status"))
        a->http = atoi(v.p);
    else if (str_is(n, "grpc-status"))
        a->grpc = atoi(v.p);
    else if (str_is(n, "grpc-message"))
        snprintf(a->text, sizeof a->text, "%.*s", STR_ARG(v));
    else if (str_is(n, "allow"))
        snprintf(a->allow, sizeof a->allow, "%.*s", STR_ARG(v));
    else if (str_is(n, "grpc-accept-encoding"))
        snprintf(a->encodings, sizeof a->encodings, "%.*s", STR_ARG(v));
    return 0;
}

static int on_data(nghttp2_session *h2, uint8_t flags, int32_t stream, const uint8_t *bytes, size_t n,
                   void *user)
{
    (void)h2;
    (void)flags;
    struct answer *a = answer_of(user, stream);
    for (size_t i = 0; i < n && a->body_n < sizeof a->body; i++)
        a->body[a->body_n++] = bytes[i];
    return 0;
}

static int on_close(nghttp2_session *h2, int32_t stream, uint32_t error_code, void *user)
{
    (void)h2;
    struct answer *a = answer_of(user, stream);
    a->closed = true;
    a->reset = error_code;
    return 0;
}

static int on_frame(nghttp2_session *h2, const nghttp2_frame *frame, void *user)
{
    (void)h2;
    struct pair *p = user;
    if (frame->hd.type == NGHTTP2_GOAWAY) {
        p->goaways++;
        p->goaway = frame->goaway.error_code;
    }
    return 0;
}

static struct pair *open_pair(struct grpc_options options)
{
    struct pair *p = calloc(1, sizeof *p);
    p->answers = calloc(ANSWERS_MAX, sizeof *p->answers);
    p->now_ns = 5000000000;
    struct grpc_method methods[] = {{"/t.S/Echo", on_echo, p, NULL}, {"/t.S/Hold", on_hold, p, NULL}, {0}};
    struct error e = {0};
    assert_int_equal(grpc_host_init(&p->host, methods, &options, &e), 0);
    assert_int_equal(grpc_session_init(&p->session, &p->host, on_wake, &e), 0);
    nghttp2_session_callbacks *cb;
    nghttp2_session_callbacks_new(&cb);
    nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_close);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
    nghttp2_option *option;
    nghttp2_option_new(&option);
    nghttp2_option_set_peer_max_concurrent_streams(option, 100000);
    nghttp2_option_set_no_http_messaging(option, 1);
    assert_int_equal(nghttp2_session_client_new2(&p->client, cb, p, option), 0);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(cb);
    nghttp2_submit_settings(p->client, 0, NULL, 0);
    return p;
}

static void close_pair(struct pair *p)
{
    nghttp2_session_del(p->client);
    grpc_session_free(&p->session);
    struct grpc_counts *n = &p->host.counts;
    assert_int_equal(n->calls_started, n->calls_ok + n->calls_failed + n->calls_cancelled + n->calls_now);
    assert_int_equal(p->host.request_bytes, 0);
    grpc_host_free(&p->host);
    free(p->answers);
    free(p);
}

static void feed(struct pair *p, const uint8_t *bytes, size_t n)
{
    size_t step = p->cut ? p->cut : n;
    for (size_t at = 0; at < n && !p->broken; at += step)
        if (grpc_session_feed(&p->session, bytes + at, n - at < step ? n - at : step, p->now_ns) != 0)
            p->broken = true;
}

/* Server to client; false when there was nothing. */
static bool answer(struct pair *p)
{
    uint8_t out[OUT];
    bool any = false;
    for (size_t n; (n = h2_pump_drain(&p->session.pump, out, p->cut ? p->cut : OUT)) > 0; any = true)
        assert_int_equal(nghttp2_session_mem_recv(p->client, out, n), (ssize_t)n);
    return any;
}

/* Both ways until nobody has anything to say. */
static void exchange(struct pair *p)
{
    for (bool any = true; any;) {
        const uint8_t *bytes;
        any = false;
        for (ssize_t n; (n = nghttp2_session_mem_send(p->client, &bytes)) > 0; any = true)
            feed(p, bytes, (size_t)n);
        any = answer(p) || any;
    }
}

struct body {
    const void *p;
    size_t n, at;
    bool open; /* do not end the stream */
};

static ssize_t read_body(nghttp2_session *h2, int32_t stream, uint8_t *out, size_t capacity, uint32_t *flags,
                         nghttp2_data_source *source, void *user)
{
    (void)h2;
    (void)stream;
    (void)user;
    struct body *b = source->ptr;
    size_t n = b->n - b->at < capacity ? b->n - b->at : capacity;
    if (n == 0 && b->open)
        return NGHTTP2_ERR_DEFERRED;
    if (n)
        memcpy(out, (const uint8_t *)b->p + b->at, n);
    b->at += n;
    if (b->at == b->n && !b->open)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)n;
}

static nghttp2_nv field(const char *name, const char *value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name), strlen(value),
                        0};
}

/* A request: NULL-terminated extra header names and values replace or add to the usual ones; a NULL value
 * removes. */
static int32_t submit(struct pair *p, const char *path, struct body *body, const char *const *extra)
{
    nghttp2_nv fields[40] = {field(":method", "POST"), field(":scheme", "http"),
                             field(":path", path),     field(":authority", "x"),
                             field("te", "trailers"),  field("content-type", "application/grpc")};
    size_t n = 6;
    for (; extra && *extra; extra += 2) {
        size_t i = 0;
        while (i < n && strcmp((char *)fields[i].name, extra[0]) != 0)
            i++;
        if (extra[1]) {
            fields[i] = field(extra[0], extra[1]);
            n += i == n;
        } else {
            assert_true(i < n);
            memmove(&fields[i], &fields[i + 1], (--n - i) * sizeof *fields);
        }
    }
    nghttp2_data_provider provider = {.source = {.ptr = body}, .read_callback = read_body};
    int32_t stream = nghttp2_submit_request(p->client, NULL, fields, n, body ? &provider : NULL, NULL);
    assert_true(stream > 0);
    return stream;
}

static const struct answer *ask(struct pair *p, const char *path, const void *bytes, size_t n,
                                const char *const *extra)
{
    struct body body = {.p = bytes, .n = n};
    int32_t stream = submit(p, path, &body, extra);
    exchange(p);
    assert_true(answer_of(p, stream)->closed);
    return answer_of(p, stream);
}

#define HEADERS(...) ((const char *const[]){__VA_ARGS__, NULL, NULL})
#define HELLO "\0\0\0\0\5hello"

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
