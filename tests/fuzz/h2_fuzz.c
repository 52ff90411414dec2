/* Bytes into a server connection without a socket. The first byte steers: bit 0 puts a client's preface and
 * SETTINGS before the rest, bit 1 lets handlers hold their calls until the end, bit 2 leaves the output in
 * the session until the end, bit 3 drains early; the upper four bits are the size of a read (0: all at once).
 * The counts must add up whatever came. /a/s takes a stream: each message's first byte says what its handler does (d: done at
 * once, f: fail the call, s: stop the stream, o: the oldest one is done; else it waits), and one that ends is answered when
 * all are done, or at the very end.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "net/grpc_session.h"
#include <stdlib.h>

enum { MESSAGE_MAX = 1000 };

struct stream {
    struct stream *next;
    struct fuzz *fuzz;
    struct grpc_call *call; /* NULL: answered */
    size_t sizes[GRPC_STREAM_MESSAGES_MAX];
    size_t messages, done;
    bool stopped, ended;
    enum grpc_status status;
};

struct fuzz {
    struct stream *streams;
    struct grpc_host host;
    struct grpc_session session;
    struct grpc_call *held[256];
    size_t held_count;
    bool hold;
};

static void on_call(void *user, struct grpc_call *call, struct str request)
{
    struct fuzz *f = user;
    ASSERT(request.p && request.n <= f->host.options.message_max);
    (void)grpc_call_header(call, "user-agent");
    if (f->hold && f->held_count < 256)
        f->held[f->held_count++] = call;
    else if (request.n && request.p[0] == 'f')
        grpc_fail(call, GRPC_ABORTED, "%.*s", STR_ARG(request));
    else
        grpc_reply(call, request.p, request.n);
}

static void answer(struct stream *s, enum grpc_status status)
{
    struct grpc_call *call = s->call;
    s->call = NULL;
    if (status == GRPC_OK)
        grpc_reply(call, "x", 1);
    else
        grpc_fail(call, status, "why");
}

static void oldest_done(struct stream *s)
{
    size_t n = s->sizes[s->done++ % GRPC_STREAM_MESSAGES_MAX];
    grpc_message_done(s->call, n);
}

static void *on_opened(void *user, struct grpc_call *call)
{
    struct fuzz *f = user;
    struct stream *s = calloc(1, sizeof *s);
    ASSERT(s);
    *s = (struct stream){.next = f->streams, .fuzz = f, .call = call};
    f->streams = s;
    return s;
}

static void on_message(void *stream, struct str message)
{
    struct stream *s = stream;
    ASSERT(s->call && !s->stopped && !s->ended && message.p && message.n <= MESSAGE_MAX);
    ASSERT(s->messages - s->done < GRPC_STREAM_MESSAGES_MAX && s->call->counted <= s->fuzz->host.window);
    s->sizes[s->messages++ % GRPC_STREAM_MESSAGES_MAX] = message.n;
    switch (message.n ? message.p[0] : 0) {
    case 'd':
        while (s->done < s->messages)
            oldest_done(s);
        break;
    case 'o':
        oldest_done(s);
        break;
    case 's':
        grpc_stream_stop(s->call);
        s->stopped = true;
        break;
    case 'f':
        answer(s, GRPC_ABORTED);
        break;
    default:
        break;
    }
}

static void on_ended(void *stream, enum grpc_status status, const char *why)
{
    struct stream *s = stream;
    ASSERT(s->call && !s->stopped && !s->ended && why);
    s->ended = true;
    s->status = status;
    if (s->done == s->messages)
        answer(s, status);
}

static const struct grpc_stream_hooks hooks = {on_opened, on_message, on_ended};

/* The handlers of half of what is left are done; with the server gone, all. */
static void end_streams(struct fuzz *f, size_t share, size_t *left)
{
    size_t n = 0;
    *left = 0;
    for (struct stream *s = f->streams; s; s = s->next) {
        if (!s->call)
            continue;
        if (n++ % share) {
            ++*left;
            continue;
        }
        while (s->call && s->done < s->messages)
            oldest_done(s);
        if (s->call)
            answer(s, s->status);
    }
}

static void on_wake(struct grpc_session *s)
{
    (void)s;
}

static void drain(struct fuzz *f)
{
    uint8_t out[1000];
    while (h2_pump_drain(&f->session.pump, out, sizeof out) > 0)
        ;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0";
    if (size == 0)
        return 0;
    uint8_t how = data[0];
    struct fuzz f = {.hold = how & 2};
    struct grpc_method methods[] = {{"/a/b", on_call, &f, NULL}, {"/t.S/Echo", on_call, &f, NULL},
                                    {"/a/s", NULL, &f, &hooks}, {0}};
    struct grpc_options options = {.message_max = MESSAGE_MAX, .streams_max = 20};
    struct error e;
    ASSERT(grpc_host_init(&f.host, methods, &options, &e) == 0);
    ASSERT(grpc_session_init(&f.session, &f.host, on_wake, &e) == 0);
    int r = how & 1 ? grpc_session_feed(&f.session, preface, sizeof preface, 1) : 0;
    size_t step = how >> 4 ? how >> 4 : size;
    for (size_t at = 1; at < size && r == 0; at += step) {
        r = grpc_session_feed(&f.session, data + at, size - at < step ? size - at : step,
                              (int64_t)at * 1000000);
        if (!(how & 4))
            drain(&f);
        if (how & 8)
            grpc_session_drain(&f.session, at & 1);
        if (f.session.unfinished && how & 0x10)
            grpc_session_continue(&f.session);
        grpc_session_sweep(&f.session, (int64_t)at * 1000);
    }
    for (size_t i = 0; i < f.held_count / 2; i++)
        grpc_reply(f.held[i], "x", 1);
    size_t left;
    end_streams(&f, 2, &left);
    drain(&f);
    grpc_session_end_streams(&f.session, GRPC_UNAVAILABLE, "the end");
    grpc_session_free(&f.session);
    struct grpc_counts *n = &f.host.counts;
    ASSERT(n->calls_started == n->calls_ok + n->calls_failed + n->calls_cancelled + n->calls_now);
    left = 0;
    for (struct stream *s = f.streams; s; s = s->next)
        left += s->call != NULL;
    ASSERT(n->calls_now == f.held_count - f.held_count / 2 + left && f.session.streams == 0);
    grpc_host_free(&f.host);
    for (size_t i = f.held_count / 2; i < f.held_count; i++)
        grpc_fail(f.held[i], GRPC_INTERNAL, "late");
    end_streams(&f, 1, &left);
    for (struct stream *s = f.streams, *next; s; s = next) {
        next = s->next;
        ASSERT(!s->call);
        free(s);
    }
    return 0;
}
