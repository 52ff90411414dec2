/* Bytes into a server connection without a socket. The first byte steers: bit 0 puts a client's preface and
 * SETTINGS before the rest, bit 1 lets handlers hold their calls until the end, bit 2 leaves the output in
 * the session until the end, bit 3 drains early; the upper four bits are the size of a read (0: all at once).
 * The counts must add up whatever came.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "net/grpc_session.h"

struct fuzz {
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
    struct grpc_method methods[] = {{"/a/b", on_call, &f, NULL}, {"/t.S/Echo", on_call, &f, NULL}, {0}};
    struct grpc_options options = {.message_max = 1000, .streams_max = 20};
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
    }
    for (size_t i = 0; i < f.held_count / 2; i++)
        grpc_reply(f.held[i], "x", 1);
    drain(&f);
    grpc_session_free(&f.session);
    struct grpc_counts *n = &f.host.counts;
    ASSERT(n->calls_started == n->calls_ok + n->calls_failed + n->calls_cancelled + n->calls_now);
    ASSERT(n->calls_now == f.held_count - f.held_count / 2);
    grpc_host_free(&f.host);
    for (size_t i = f.held_count / 2; i < f.held_count; i++)
        grpc_fail(f.held[i], GRPC_INTERNAL, "late");
    return 0;
}
