/* Client-streaming calls on a server connection without a socket: bodies cut at every byte, windows that run out, ends of
 * every kind, handlers that are early, late, or never done.
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit/net/pair.h"
#include "base/rng.h"
#include "net/grpc_stream.h"

#define PATH "/t.S/Stream"
enum { MESSAGES_MAX = 20000 };

/* What the hooks of one test's streams saw; the last stream is the one that is asked. */
struct seen {
    struct grpc_call *call;
    int opened, ended;
    size_t count; /* of messages */
    struct buf bytes;
    size_t sizes[MESSAGES_MAX];
    size_t done; /* of messages, in order */
    enum grpc_status status;
    char why[200];
    bool hold;       /* messages are done by the test */
    bool late;       /* so is the answer */
    size_t fail_at;  /* message that the handler fails the call at; 0: none */
    bool stop_first; /* and it stops the stream before */
};

static void *on_opened(void *user, struct grpc_call *call)
{
    struct seen *s = user;
    s->opened++;
    s->call = call;
    return s;
}

static void on_message(void *stream, struct str message)
{
    struct seen *s = stream;
    assert_int_equal(s->ended, 0);
    assert_true(s->count < MESSAGES_MAX);
    s->sizes[s->count++] = message.n;
    buf_str(&s->bytes, message);
    if (s->count == s->fail_at) {
        if (s->stop_first)
            grpc_stream_stop(s->call);
        grpc_fail(s->call, GRPC_ABORTED, "enough");
    } else if (!s->hold) {
        s->done++;
        grpc_message_done(s->call, message.n);
    }
}

static void reply(struct seen *s)
{
    struct grpc_call *call = s->call;
    s->call = NULL;
    if (s->status == GRPC_OK)
        grpc_reply(call, "done", 4);
    else
        grpc_fail(call, s->status, "%s", s->why);
}

static void on_ended(void *stream, enum grpc_status status, const char *why)
{
    struct seen *s = stream;
    s->ended++;
    s->status = status;
    snprintf(s->why, sizeof s->why, "%s", why);
    if (!s->late)
        reply(s);
}

static const struct grpc_stream_hooks hooks = {on_opened, on_message, on_ended};

static struct pair *open_streams(struct seen *s, struct grpc_options options)
{
    *s = (struct seen){0};
    buf_init(&s->bytes, 64 << 20);
    return open_pair_with(options, (struct grpc_method){PATH, NULL, s, &hooks});
}

static void close_streams(struct pair *p, struct seen *s)
{
    close_pair(p);
    buf_free(&s->bytes);
}

static void done(struct seen *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t size = s->sizes[s->done++];
        grpc_message_done(s->call, size);
    }
}

/* Appends a message of n bytes that follow from its number. */
static void add_message(struct buf *body, size_t n, unsigned number)
{
    uint8_t prefix[GRPC_PREFIX];
    grpc_frame_write(prefix, n);
    buf_append(body, prefix, sizeof prefix);
    for (size_t i = 0; i < n; i++)
        buf_byte(body, (uint8_t)(number * 31 + i * 7));
    assert_true(buf_ok(body));
}

static void check_messages(const struct seen *s, size_t count)
{
    size_t at = 0;
    assert_int_equal(s->count, count);
    for (size_t m = 0; m < count; m++)
        for (size_t i = 0; i < s->sizes[m]; i++, at++)
            if (s->bytes.p[at] != (uint8_t)(m * 31 + i * 7))
                fail_msg("message %zu, byte %zu", m, i);
    assert_int_equal(at, s->bytes.n);
}

static void check_ok(struct pair *p, int32_t stream)
{
    const struct answer *a = answer_of(p, stream);
    assert_true(a->closed);
    assert_int_equal(a->http, 200);
    assert_int_equal(a->grpc, 0);
    assert_int_equal(a->body_n, 9);
    assert_memory_equal(a->body, "\0\0\0\0\4done", 9);
}

/* Reads of every size, and DATA frames that end at every byte. */
static void test_cut_everywhere(void **state)
{
    (void)state;
    struct buf bytes;
    buf_init(&bytes, 10000);
    static const size_t sizes[] = {0, 5, 1, 0, 70, 3};
    enum { COUNT = sizeof sizes / sizeof *sizes };
    for (unsigned i = 0; i < COUNT; i++)
        add_message(&bytes, sizes[i], i);
    for (size_t cut = 0; cut < 120; cut++) {
        struct seen s;
        struct pair *p = open_streams(&s, (struct grpc_options){0});
        p->cut = cut;
        struct body body = {.p = bytes.p, .n = bytes.n};
        int32_t stream = submit(p, PATH, &body, NULL);
        exchange(p);
        check_messages(&s, COUNT);
        check_ok(p, stream);
        assert_int_equal(s.ended, 1);
        close_streams(p, &s);
    }
    for (size_t first = 0; first <= bytes.n; first++) {
        struct seen s;
        struct pair *p = open_streams(&s, (struct grpc_options){0});
        struct body body = {.p = bytes.p, .n = first, .open = true};
        int32_t stream = submit(p, PATH, &body, NULL);
        exchange(p);
        assert_int_equal(s.opened, 1);
        size_t whole = 0;
        for (size_t at = 0; whole < COUNT && at + GRPC_PREFIX + sizes[whole] <= first; whole++)
            at += GRPC_PREFIX + sizes[whole];
        check_messages(&s, whole);
        body.n = bytes.n;
        nghttp2_session_resume_data(p->client, stream);
        exchange(p);
        check_messages(&s, COUNT);
        assert_int_equal(s.ended, 0);
        body.open = false; /* an empty DATA frame ends the stream */
        nghttp2_session_resume_data(p->client, stream);
        exchange(p);
        check_ok(p, stream);
        close_streams(p, &s);
    }
    buf_free(&bytes);
}

static ssize_t read_then_trailers(nghttp2_session *h2, int32_t stream, uint8_t *out, size_t capacity, uint32_t *flags,
                                  nghttp2_data_source *source, void *user)
{
    ssize_t n = read_body(h2, stream, out, capacity, flags, source, user);
    nghttp2_nv trailer = field("x-checksum", "1");
    if (*flags & NGHTTP2_DATA_FLAG_EOF) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        nghttp2_submit_trailer(h2, stream, &trailer, 1);
    }
    return n;
}

/* No message; the side closed by HEADERS, by DATA, by trailers. */
static void test_ends(void **state)
{
    (void)state;
    struct seen s;
    struct pair *p = open_streams(&s, (struct grpc_options){0});
    int32_t stream = submit(p, PATH, NULL, NULL);
    exchange(p);
    check_ok(p, stream);
    assert_int_equal(s.opened, 1);
    assert_int_equal(s.count, 0);
    s.ended = 0;
    struct body empty = {.p = ""};
    stream = submit(p, PATH, &empty, NULL);
    exchange(p);
    check_ok(p, stream);
    s.ended = 0;
    struct body body = {.p = HELLO, .n = 10};
    nghttp2_nv fields[] = {field(":method", "POST"), field(":scheme", "http"), field(":path", PATH), field(":authority", "x"),
                           field("content-type", "application/grpc")};
    nghttp2_data_provider provider = {.source = {.ptr = &body}, .read_callback = read_then_trailers};
    stream = nghttp2_submit_request(p->client, NULL, fields, 5, &provider, NULL);
    exchange(p);
    check_ok(p, stream);
    assert_int_equal(s.count, 1);
    assert_int_equal(p->host.counts.calls_ok, 3);
    close_streams(p, &s);
}

static void test_broken_bodies(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
        int grpc;
        const char *text;
    } cases[] = {
        {HELLO "\1\0\0\0\1x", 16, GRPC_INTERNAL, "a message is marked as compressed, but grpc-encoding is identity"},
        {HELLO "\0\0\4\0\1", 15, GRPC_RESOURCE_EXHAUSTED, "a message of 262145 bytes; at most 262144"},
        {HELLO "\0\xff\xff\xff\xff", 15, GRPC_RESOURCE_EXHAUSTED, "a message of 4294967295 bytes; at most 262144"},
        {HELLO "\0\0\0", 13, GRPC_INVALID_ARGUMENT, "the request ends inside a message"},
        {HELLO "\0\0\0\0\2x", 16, GRPC_INVALID_ARGUMENT, "the request ends inside a message"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct seen s;
        struct pair *p = open_streams(&s, (struct grpc_options){0});
        const struct answer *a = ask(p, PATH, cases[i].bytes, cases[i].n, NULL);
        assert_int_equal(s.count, 1); /* what is before it was handed on */
        assert_int_equal(s.ended, 1);
        assert_int_equal(a->grpc, cases[i].grpc);
        assert_string_equal(a->text, cases[i].text);
        assert_int_equal(p->host.counts.calls_failed, 1);
        assert_int_equal(ask(p, "/t.S/Echo", HELLO, 10, NULL)->grpc, 0);
        close_streams(p, &s);
    }
    struct seen s;
    struct pair *p = open_streams(&s, (struct grpc_options){0});
    const struct answer *a = ask(p, PATH, HELLO, 10, HEADERS("grpc-encoding", "gzip"));
    assert_int_equal(a->grpc, GRPC_UNIMPLEMENTED);
    assert_string_equal(a->encodings, "identity");
    assert_int_equal(s.opened, 0);
    a = ask(p, "/t.S/Echo", HELLO HELLO, 20, NULL);
    assert_int_equal(a->grpc, GRPC_UNIMPLEMENTED);
    assert_string_equal(a->text, "more than one message; /t.S/Echo takes exactly one");
    close_streams(p, &s);
}

/* A handler that is never done: messages stop at the bound, bytes at the window, and the rest comes as it gets done. */
static void exhaust(size_t size, size_t count)
{
    struct seen s;
    struct pair *p = open_streams(&s, (struct grpc_options){0});
    struct buf bytes;
    buf_init(&bytes, 64 << 20);
    for (unsigned i = 0; i < count; i++)
        add_message(&bytes, size, i);
    s.hold = s.late = true;
    struct body body = {.p = bytes.p, .n = bytes.n};
    int32_t stream = submit(p, PATH, &body, NULL);
    exchange(p);
    size_t window = p->host.window, most = window / (size + GRPC_PREFIX);
    assert_int_equal(window, 2 * (256 * 1024 + GRPC_PREFIX));
    assert_int_equal(s.count, most < GRPC_STREAM_MESSAGES_MAX ? most : GRPC_STREAM_MESSAGES_MAX);
    assert_int_equal(p->session.request_bytes, window);
    assert_int_equal(body.at, window);
    assert_true(s.call->request.capacity <= 4 * window);
    /* The others of the connection do not wait for it. */
    assert_int_equal(ask(p, "/t.S/Echo", HELLO, 10, NULL)->grpc, 0);
    while (s.done < count) {
        assert_true(s.done < s.count);
        done(&s, 1);
        if (s.done % 50 == 0 || s.done == s.count || s.done == count)
            exchange(p);
        assert_true(p->session.request_bytes <= window);
    }
    assert_int_equal(s.ended, 1);
    assert_int_equal(p->session.request_bytes, 0);
    reply(&s);
    exchange(p);
    check_messages(&s, count);
    check_ok(p, stream);
    buf_free(&bytes);
    close_streams(p, &s);
}

static void test_window(void **state)
{
    (void)state;
    exhaust(100, 15000);
    exhaust(20000, 100);
    exhaust(256 * 1024, 9);
}

/* Any sizes, read in any pieces, done in any order, at any time: all arrive, whole and in order. */
static void test_any(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, 7);
    for (int round = 0; round < 60; round++) {
        struct seen s;
        struct pair *p = open_streams(&s, (struct grpc_options){.message_max = 1000 + rng_u64(&rng) % 70000});
        size_t limit = p->host.options.message_max, count = 20 + rng_u64(&rng) % 300;
        struct buf bytes;
        buf_init(&bytes, 64 << 20);
        for (unsigned i = 0; i < count; i++) {
            uint64_t kind = rng_u64(&rng) % 10;
            add_message(&bytes, kind == 0 ? limit : kind < 3 ? rng_u64(&rng) % limit : rng_u64(&rng) % 200, i);
        }
        p->cut = round % 2 ? 1 + rng_u64(&rng) % 5000 : 0;
        s.hold = s.late = true;
        struct body body = {.p = bytes.p, .n = bytes.n};
        int32_t stream = submit(p, PATH, &body, NULL);
        bool *over = calloc(count, sizeof *over);
        exchange(p);
        for (size_t n = 0; n < count; n++) {
            size_t waiting = 0, pick;
            for (size_t i = 0; i < s.count; i++)
                waiting += !over[i];
            assert_true(waiting > 0); /* else the peer and we wait for each other */
            pick = rng_u64(&rng) % waiting;
            for (size_t i = 0; i < s.count; i++)
                if (!over[i] && pick-- == 0) {
                    over[i] = true;
                    grpc_message_done(s.call, s.sizes[i]);
                    break;
                }
            if (waiting == 1 || n + 1 == count || rng_u64(&rng) % 4 == 0)
                exchange(p);
        }
        assert_int_equal(s.ended, 1);
        reply(&s);
        exchange(p);
        check_messages(&s, count);
        check_ok(p, stream);
        free(over);
        buf_free(&bytes);
        close_streams(p, &s);
    }
}

/* Streams that stand still hold no other call up, and cost their windows until their connection's limit. */
static void test_many_stalled(void **state)
{
    (void)state;
    struct seen s;
    struct pair *p = open_streams(&s, (struct grpc_options){0});
    enum { STREAMS = 130 };
    static uint8_t zeros[1 << 20]; /* empty messages */
    struct body bodies[STREAMS];
    s.hold = s.late = true;
    for (int i = 0; i < STREAMS; i++) {
        s.count = 0;
        s.ended = 0;
        bodies[i] = (struct body){.p = zeros, .n = sizeof zeros};
        submit(p, PATH, &bodies[i], NULL);
        exchange(p);
        assert_int_equal(ask(p, "/t.S/Echo", HELLO, 10, NULL)->grpc, 0);
        assert_true(p->session.request_bytes <= GRPC_CONNECTION_BYTES_MAX);
    }
    assert_true(p->session.request_bytes > GRPC_CONNECTION_BYTES_MAX / 2);
    assert_int_equal(s.status, GRPC_RESOURCE_EXHAUSTED);
    assert_string_equal(s.why, "too many bytes in requests that are not answered yet");
    while (p->session.calls)
        grpc_fail(p->session.calls, GRPC_ABORTED, "x"), exchange(p);
    assert_int_equal(p->session.request_bytes, 0);
    close_streams(p, &s);
}

/* However many messages have come, and are done at once: other connections have their turns between. */
static void test_turns(void **state)
{
    (void)state;
    static uint8_t zeros[100000];
    struct seen s;
    struct pair *p = open_streams(&s, (struct grpc_options){0});
    struct body body = {.p = zeros, .n = sizeof zeros};
    exchange(p);
    int32_t stream = submit(p, PATH, &body, NULL);
    const uint8_t *bytes;
    size_t turns = 0;
    for (ssize_t n; (n = nghttp2_session_mem_send(p->client, &bytes)) > 0;) {
        size_t before = s.count;
        feed(p, bytes, (size_t)n);
        assert_true(s.count - before <= SESSION_TURN_MAX);
    }
    for (; p->session.unfinished; turns++) {
        size_t before = s.count;
        grpc_session_continue(&p->session);
        assert_true(s.count - before <= SESSION_TURN_MAX);
    }
    assert_int_equal(s.count, sizeof zeros / GRPC_PREFIX);
    assert_true(turns > 50);
    assert_int_equal(s.ended, 1);
    exchange(p);
    check_ok(p, stream);
    close_streams(p, &s);
}

static void test_cancel(void **state)
{
    (void)state;
    struct seen s;
    struct pair *p = open_streams(&s, (struct grpc_options){0});
    /* Nothing under way: the answer comes from inside `ended`, and the call is gone. */
    struct body body = {.p = HELLO "\0\0", .n = 12, .open = true};
    int32_t stream = submit(p, PATH, &body, NULL);
    exchange(p);
    nghttp2_submit_rst_stream(p->client, 0, stream, NGHTTP2_CANCEL);
    exchange(p);
    assert_int_equal(s.status, GRPC_CANCELLED);
    assert_null(p->session.calls);
    assert_int_equal(p->host.counts.calls_cancelled, 1);
    assert_int_equal(p->session.cancelled_held, 0);
    assert_int_equal(p->session.streams, 0);
    /* Messages under way: they may be done after. */
    s.ended = 0;
    s.count = s.done = 0;
    s.hold = s.late = true;
    struct body three = {.p = HELLO HELLO HELLO, .n = 30, .open = true};
    stream = submit(p, PATH, &three, NULL);
    exchange(p);
    assert_int_equal(s.count, 3);
    done(&s, 1);
    nghttp2_submit_rst_stream(p->client, 0, stream, NGHTTP2_CANCEL);
    exchange(p);
    assert_int_equal(s.ended, 1);
    assert_true(grpc_call_cancelled(s.call));
    assert_int_equal(p->session.cancelled_held, 1);
    done(&s, 2);
    reply(&s);
    assert_int_equal(p->session.cancelled_held, 0);
    assert_int_equal(p->host.counts.calls_cancelled, 2);
    assert_int_equal(p->session.request_bytes, 0);
    assert_int_equal(ask(p, "/t.S/Echo", HELLO, 10, NULL)->grpc, 0);
    close_streams(p, &s);
}

static void test_connection_lost(void **state)
{
    (void)state;
    for (int late = 0; late < 2; late++) {
        struct seen s;
        struct pair *p = open_streams(&s, (struct grpc_options){0});
        s.hold = s.late = late;
        struct body body = {.p = HELLO HELLO, .n = 20, .open = true};
        submit(p, PATH, &body, NULL);
        exchange(p);
        assert_int_equal(s.count, 2);
        grpc_session_free(&p->session);
        p->session.calls = NULL;
        assert_int_equal(s.status, GRPC_CANCELLED);
        assert_string_equal(s.why, "the connection was lost");
        assert_int_equal(p->session.streams, 0);
        if (late) {
            done(&s, 1);
            grpc_host_free(&p->host); /* the server goes too, before the handler is done */
            done(&s, 1);
            reply(&s);
            struct error e;
            assert_int_equal(grpc_host_init(&p->host, (struct grpc_method[]){{0}}, NULL, &e), 0);
        } else {
            assert_int_equal(p->host.counts.calls_cancelled, 1);
        }
        close_streams(p, &s);
    }
}

/* The handler answers while messages come: the rest is ignored, and costs the connection's window nothing. */
static void test_early_answer(void **state)
{
    (void)state;
    static uint8_t zeros[1 << 20];
    struct seen s;
    struct pair *p = open_streams(&s, (struct grpc_options){0});
    for (int i = 0; i < 20; i++) {
        s.count = 0;
        s.fail_at = 3;
        s.stop_first = i % 2;
        struct body body = {.p = zeros, .n = sizeof zeros, .open = i % 3 == 0};
        int32_t stream = submit(p, PATH, &body, NULL);
        exchange(p);
        const struct answer *a = answer_of(p, stream);
        assert_int_equal(s.count, 3);
        assert_int_equal(s.ended, 0);
        assert_int_equal(a->grpc, GRPC_ABORTED);
        assert_string_equal(a->text, "enough");
        assert_true(a->closed);
        assert_int_equal(a->reset, NGHTTP2_NO_ERROR);
        assert_null(p->session.calls);
    }
    assert_int_equal(p->session.streams, 0);
    assert_int_equal(ask(p, "/t.S/Echo", HELLO, 10, NULL)->grpc, 0);
    /* A stream that is stopped gets no message and no end. */
    s.count = s.fail_at = 0;
    struct body body = {.p = HELLO, .n = 10, .open = true};
    int32_t stream = submit(p, PATH, &body, NULL);
    exchange(p);
    assert_int_equal(s.count, 1);
    grpc_stream_stop(s.call);
    body = (struct body){.p = HELLO, .n = 10};
    nghttp2_session_resume_data(p->client, stream);
    exchange(p);
    assert_int_equal(s.count, 1);
    assert_int_equal(s.ended, 0);
    reply(&s);
    exchange(p);
    check_ok(p, stream);
    close_streams(p, &s);
}

static void test_deadline(void **state)
{
    (void)state;
    struct seen s;
    struct pair *p = open_streams(&s, (struct grpc_options){0});
    s.hold = true;
    struct body body = {.p = HELLO, .n = 10, .open = true}, other = body;
    int32_t stream = submit(p, PATH, &body, HEADERS("grpc-timeout", "250m"));
    exchange(p);
    int64_t now_us = p->now_ns / 1000;
    assert_int_equal(grpc_call_deadline_us(s.call), now_us + 250000);
    grpc_session_sweep(&p->session, now_us + 249999);
    assert_int_equal(s.ended, 0);
    grpc_session_sweep(&p->session, now_us + 250000);
    exchange(p);
    assert_int_equal(s.ended, 1);
    assert_int_equal(answer_of(p, stream)->grpc, GRPC_DEADLINE_EXCEEDED);
    assert_string_equal(answer_of(p, stream)->text, "the stream's deadline has passed");
    s.ended = 0; /* without a deadline: no end */
    submit(p, PATH, &other, NULL);
    exchange(p);
    assert_true(grpc_call_deadline_us(s.call) == INT64_MAX);
    grpc_session_sweep(&p->session, INT64_MAX - 1);
    assert_int_equal(s.ended, 0);
    close_streams(p, &s);
}

static void test_drain(void **state)
{
    (void)state;
    struct seen s;
    struct pair *p = open_streams(&s, (struct grpc_options){0});
    s.hold = s.late = true;
    struct body body = {.p = HELLO, .n = 10, .open = true}, other = body;
    int32_t stream = submit(p, PATH, &body, NULL);
    exchange(p);
    assert_false(grpc_stream_waits(s.call)); /* a message is under way */
    grpc_session_drain(&p->session, false);
    grpc_session_end_streams(&p->session, GRPC_UNAVAILABLE, GRPC_STREAM_STOPPING);
    assert_int_equal(s.status, GRPC_UNAVAILABLE);
    assert_int_equal(s.ended, 1);
    int32_t late = submit(p, PATH, &other, NULL); /* before the peer knows */
    exchange(p);
    assert_int_equal(s.opened, 1);
    assert_int_equal(answer_of(p, late)->grpc, GRPC_UNAVAILABLE);
    assert_string_equal(answer_of(p, late)->text, "this server is stopping; acknowledged: 0 requests");
    done(&s, 1);
    reply(&s);
    exchange(p);
    assert_int_equal(answer_of(p, stream)->grpc, GRPC_UNAVAILABLE);
    assert_string_equal(answer_of(p, stream)->text, "this server is stopping");
    assert_true(h2_pump_finished(&p->session.pump));
    close_streams(p, &s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cut_everywhere), cmocka_unit_test(test_ends),
        cmocka_unit_test(test_broken_bodies),  cmocka_unit_test(test_window),
        cmocka_unit_test(test_any),            cmocka_unit_test(test_many_stalled),
        cmocka_unit_test(test_turns),
        cmocka_unit_test(test_cancel),         cmocka_unit_test(test_connection_lost),
        cmocka_unit_test(test_early_answer),   cmocka_unit_test(test_deadline),
        cmocka_unit_test(test_drain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
