/* A server connection without a socket and an nghttp2 client that may break every rule, joined back to back: what
 * tests of calls and streams share. One method answers with what it gets, one holds its calls; a test may add one.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_TESTS_NET_PAIR_H
#define TACT_TESTS_NET_PAIR_H
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
    uint8_t body[1024];
    size_t body_n;
    size_t total; /* of the body, of which `body` has the first */
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

static inline void on_wake(struct grpc_session *s)
{
    struct pair *p = (struct pair *)((char *)s - offsetof(struct pair, session));
    p->woken = true;
}

static inline struct answer *answer_of(struct pair *p, int32_t stream)
{
    assert_true(stream / 2 < ANSWERS_MAX);
    return &p->answers[stream / 2];
}

static inline int on_header(nghttp2_session *h2, const nghttp2_frame *frame, const uint8_t *name, size_t name_n,
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

static inline int on_data(nghttp2_session *h2, uint8_t flags, int32_t stream, const uint8_t *bytes, size_t n,
                   void *user)
{
    (void)h2;
    (void)flags;
    struct answer *a = answer_of(user, stream);
    a->total += n;
    for (size_t i = 0; i < n && a->body_n < sizeof a->body; i++)
        a->body[a->body_n++] = bytes[i];
    return 0;
}

static inline int on_close(nghttp2_session *h2, int32_t stream, uint32_t error_code, void *user)
{
    (void)h2;
    struct answer *a = answer_of(user, stream);
    a->closed = true;
    a->reset = error_code;
    return 0;
}

static inline int on_frame(nghttp2_session *h2, const nghttp2_frame *frame, void *user)
{
    (void)h2;
    struct pair *p = user;
    if (frame->hd.type == NGHTTP2_GOAWAY) {
        p->goaways++;
        p->goaway = frame->goaway.error_code;
    }
    return 0;
}

static inline void on_echo(void *user, struct grpc_call *call, struct str request)
{
    struct pair *p = user;
    p->handled++;
    p->deadline_us = grpc_call_deadline_us(call);
    p->arrived_ns = grpc_call_arrived_ns(call);
    snprintf(p->header, sizeof p->header, "%.*s", STR_ARG(grpc_call_header(call, "x-tenant")));
    grpc_reply(call, request.p, request.n);
}

static inline void on_hold(void *user, struct grpc_call *call, struct str request)
{
    struct pair *p = user;
    (void)request;
    p->held[p->held_count++] = call;
}

static inline struct pair *open_pair_with(struct grpc_options options, struct grpc_method extra)
{
    struct pair *p = calloc(1, sizeof *p);
    p->answers = calloc(ANSWERS_MAX, sizeof *p->answers);
    p->now_ns = 5000000000;
    struct grpc_method methods[] = {{"/t.S/Echo", on_echo, p, NULL}, {"/t.S/Hold", on_hold, p, NULL}, extra, {0}};
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

static inline struct pair *open_pair(struct grpc_options options)
{
    return open_pair_with(options, (struct grpc_method){0});
}

static inline void close_pair(struct pair *p)
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

static inline void feed(struct pair *p, const uint8_t *bytes, size_t n)
{
    size_t step = p->cut ? p->cut : n;
    for (size_t at = 0; at < n && !p->broken; at += step)
        if (grpc_session_feed(&p->session, bytes + at, n - at < step ? n - at : step, p->now_ns) != 0)
            p->broken = true;
}

/* Server to client; false when there was nothing. */
static inline bool answer(struct pair *p)
{
    uint8_t out[OUT];
    bool any = false;
    for (size_t n; (n = h2_pump_drain(&p->session.pump, out, p->cut ? p->cut : OUT)) > 0; any = true)
        assert_int_equal(nghttp2_session_mem_recv(p->client, out, n), (ssize_t)n);
    return any;
}

/* Both ways until nobody has anything to say. */
static inline void exchange(struct pair *p)
{
    for (bool any = true; any;) {
        const uint8_t *bytes;
        any = false;
        for (ssize_t n; (n = nghttp2_session_mem_send(p->client, &bytes)) > 0; any = true)
            feed(p, bytes, (size_t)n);
        if (p->session.unfinished)
            grpc_session_continue(&p->session);
        any = answer(p) || any || p->session.unfinished;
    }
}

struct body {
    const void *p;
    size_t n, at;
    bool open; /* do not end the stream */
};

static inline ssize_t read_body(nghttp2_session *h2, int32_t stream, uint8_t *out, size_t capacity, uint32_t *flags,
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

static inline nghttp2_nv field(const char *name, const char *value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name), strlen(value),
                        0};
}

/* A request: NULL-terminated extra header names and values replace or add to the usual ones; a NULL value
 * removes. */
static inline int32_t submit(struct pair *p, const char *path, struct body *body, const char *const *extra)
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

static inline const struct answer *ask(struct pair *p, const char *path, const void *bytes, size_t n,
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

#endif
