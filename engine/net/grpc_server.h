/* gRPC over cleartext HTTP/2 (prior knowledge) for unary calls, on a libuv loop. Knows nothing of Tact: it hands a method's
 * request bytes to a handler and sends back bytes or a status. One thread: everything here is called on the loop's.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_NET_GRPC_SERVER_H
#define TACT_NET_GRPC_SERVER_H
#include "base/error.h"
#include "base/str.h"
#include <stdint.h>
#include <uv.h>

/* Status codes of gRPC (grpc/status.h), name, number. */
#define GRPC_STATUSES(X)                                                                                     \
    X(OK, 0)                                                                                                 \
    X(CANCELLED, 1)                                                                                          \
    X(UNKNOWN, 2)                                                                                            \
    X(INVALID_ARGUMENT, 3)                                                                                   \
    X(DEADLINE_EXCEEDED, 4)                                                                                  \
    X(NOT_FOUND, 5)                                                                                          \
    X(ALREADY_EXISTS, 6)                                                                                     \
    X(PERMISSION_DENIED, 7)                                                                                  \
    X(RESOURCE_EXHAUSTED, 8)                                                                                 \
    X(FAILED_PRECONDITION, 9)                                                                                \
    X(ABORTED, 10)                                                                                           \
    X(OUT_OF_RANGE, 11)                                                                                      \
    X(UNIMPLEMENTED, 12)                                                                                     \
    X(INTERNAL, 13)                                                                                          \
    X(UNAVAILABLE, 14)                                                                                       \
    X(DATA_LOSS, 15)                                                                                         \
    X(UNAUTHENTICATED, 16)

enum grpc_status {
#define X(name, number) GRPC_##name = number,
    GRPC_STATUSES(X)
#undef X
};
const char *grpc_status_name(int status); /* "OK" …; "?" for other numbers */

struct grpc_server;
struct grpc_call;

/* Called when a whole request message has arrived. request points into the call and lives until it is answered. The
 * handler answers now or later, exactly once, with grpc_reply or grpc_fail (also after a cancel). */
typedef void (*grpc_handler)(void *user, struct grpc_call *call, struct str request);

struct grpc_method {
    const char *path; /* "/tact.v1.Decisions/Decide" */
    grpc_handler handler;
    void *user;
};

struct grpc_options {
    size_t message_max;       /* bytes of one request; more is RESOURCE_EXHAUSTED; 0: 256 KiB */
    uint32_t streams_max;     /* concurrent calls a connection; 0: 1,000 */
    uint32_t connections_max; /* more are closed at once; 0: 1,024 */
    uint32_t idle_s;          /* a connection without a call this long is sent GOAWAY and closed; 0: 300 */
};

/* methods: terminated by a NULL path; copied. */
int grpc_server_new(struct grpc_server **out, uv_loop_t *loop, const struct grpc_method *methods,
                    const struct grpc_options *options, struct error *e) MUST_CHECK;
/* address: "127.0.0.1:0", "[::1]:50051", "unix:/path" (an old socket file nobody listens on is removed; mode 0600). Fills
 * bound with what clients use ("127.0.0.1:40123"). May be called several times. */
int grpc_server_listen(struct grpc_server *s, const char *address, char bound[128], struct error *e) MUST_CHECK;
/* Stops listening, sends GOAWAY, lets calls finish for at most grace_ms, then closes all; then done(user). */
void grpc_server_drain(struct grpc_server *s, int64_t grace_ms, void (*done)(void *user), void *user);
/* After done, and after the loop ran once more. */
void grpc_server_free(struct grpc_server **s);

struct grpc_counts {
    uint64_t calls_started, calls_ok, calls_failed, calls_cancelled;
    uint64_t connections_opened, connections_refused, connections_broken; /* broken: protocol errors */
    uint32_t connections_now, calls_now;
};
void grpc_server_counts(const struct grpc_server *s, struct grpc_counts *out);

/* ---- a call ---- */

/* Monotonic (clock_mono_us) deadline of grpc-timeout, or INT64_MAX. */
int64_t grpc_call_deadline_us(const struct grpc_call *c);
/* When the request's last byte was read (clock_mono_ns). */
int64_t grpc_call_arrived_ns(const struct grpc_call *c);
/* True once the peer has reset the stream or gone; an answer is then dropped, but must still be given. */
bool grpc_call_cancelled(const struct grpc_call *c);
/* A request header (lower-case name), or an empty slice. Only user metadata and te, user-agent are kept. */
struct str grpc_call_header(const struct grpc_call *c, const char *name);

/* Copies message; the call is gone after. */
void grpc_reply(struct grpc_call *c, const void *message, size_t n);
/* Room for a message of at most n bytes inside the call, to encode into without a copy; NULL without memory. Then
 * grpc_reply_reserved with the real length. */
uint8_t *grpc_reserve(struct grpc_call *c, size_t n);
void grpc_reply_reserved(struct grpc_call *c, size_t n);
/* text is percent-encoded as gRPC asks; at most 2 KiB of it is sent. */
void grpc_fail(struct grpc_call *c, enum grpc_status status, const char *format, ...) PRINTF_LIKE(3, 4);

#endif
