/* gRPC over cleartext HTTP/2 (prior knowledge) for unary and client-streaming calls, on a libuv loop. Knows nothing
 * of Tact: it hands a method's request bytes to a handler and sends back bytes or a status. One thread: everything
 * here is called on the loop's.
 *
 * A call's handler runs inside the loop's read; it must not block. It may answer at once or later, from any
 * callback of the same loop; all answers of a loop turn leave in one write a connection.
 *
 * Layers, each testable by itself: grpc_status, grpc_frame (text and framing) < grpc_call (one call), grpc_stream
 * (one that takes many messages) < grpc_session (one connection, without a socket) < grpc_server (sockets, idle
 * connections, draining).
 *
 * grpc_server_new and grpc_client_new make the process ignore SIGPIPE when its handling is still the default.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_NET_GRPC_SERVER_H
#define TACT_NET_GRPC_SERVER_H
#include "base/error.h"
#include "base/str.h"
#include "net/grpc_status.h"
#include <stdint.h>
#include <uv.h>

struct grpc_server;
struct grpc_call;

/* Called when a whole request message has arrived. request points into the call and lives until it is
 * answered. The handler answers now or later, exactly once, with grpc_reply or grpc_fail (also after a
 * cancel). */
typedef void (*grpc_handler)(void *user, struct grpc_call *call, struct str request);

/* A client-streaming call, from its headers on: messages one by one, then one answer.
 *
 *     opened --> message… --> ended          all of them from the loop's read, or from grpc_message_done
 *
 * Back-pressure: a message is under way until grpc_message_done. At most GRPC_STREAM_MESSAGES_MAX of a stream are, and
 * their bytes are given back to the peer's flow-control window only then; so a stream holds at most that window, twice
 * a largest message, whatever its peer sends. (The window of the connection is given back at once: a stream that waits
 * must not stop the other calls of its connection. GRPC_CONNECTION_BYTES_MAX bounds their sum.)
 *
 * The handler answers exactly once, when it likes: before `ended` too, and nothing is called any more then; after a
 * cancel too. A call that was cancelled is freed by its answer. */
struct grpc_stream_hooks {
    /* The headers are good. Returns what the others get as `stream`. It must not answer. */
    void *(*opened)(void *user, struct grpc_call *call);
    /* The bytes are valid during the call only. */
    void (*message)(void *stream, struct str message);
    /* No message comes any more; some may be under way. OK: the peer closed its side. Else why: CANCELLED (nobody waits for
     * the answer), UNAVAILABLE (the server drains, or the peer was silent for idle_s), DEADLINE_EXCEEDED (within a sweep
     * of half a second), or a broken body, with the status that it asks for. */
    void (*ended)(void *stream, enum grpc_status status, const char *why);
};
enum { GRPC_STREAM_MESSAGES_MAX = 64 }; /* handed on and not done, a stream */

struct grpc_method {
    const char *path;     /* "/tact.v1.Decisions/Decide" */
    grpc_handler handler; /* unary */
    void *user;
    const struct grpc_stream_hooks *stream; /* client streaming, and no handler; NULL: unary */
};

struct grpc_options {
    /* Accepted sockets go to it instead of being served here (grpc_server_adopt_take, of another loop's server, say). It owns fd. */
    void (*hand_off)(void *user, int fd);
    void *hand_off_user;
    size_t message_max;       /* bytes of one message; more is RESOURCE_EXHAUSTED; 0: 256 KiB */
    uint32_t streams_max;     /* concurrent calls a connection; 0: 1,000 */
    uint32_t connections_max; /* more are closed at once; 0: 1,024 */
    uint32_t idle_s;    /* a connection without a call, or whose half-sent request or unread answer does not
                           move,    is sent GOAWAY and closed after this long; 0: 300 */
    uint32_t preface_s; /* a connection must have begun to speak HTTP/2 by then; 0: 10 */
};

/* methods: terminated by a NULL path; copied, the path strings must outlive the server. */
int grpc_server_new(struct grpc_server **out, uv_loop_t *loop, const struct grpc_method *methods,
                    const struct grpc_options *options, struct error *e) MUST_CHECK;
/* address: "127.0.0.1:0", "[::1]:50051", "unix:/path" (an old socket file nobody listens on is removed; mode
 * 0600). Fills bound with what clients use ("127.0.0.1:40123"). May be called several times. */
int grpc_server_listen(struct grpc_server *s, const char *address, char bound[128],
                       struct error *e) MUST_CHECK;
/* Serves a connected TCP or Unix stream socket that somebody else accepted. Owns fd from the call on, also on
 * failure. */
int grpc_server_adopt_take(struct grpc_server *s, int fd, struct error *e) MUST_CHECK;
/* Stops listening, sends GOAWAY, ends streams with UNAVAILABLE, lets calls finish for at most grace_ms, then closes
 * all; then done(user) (may be NULL), never from inside this call. Once only. */
void grpc_server_drain(struct grpc_server *s, int64_t grace_ms, void (*done)(void *user), void *user);
/* Any time; without a drain before it, connections are closed as they are. The memory goes when the loop has
 * closed the handles (run it once more). Handlers that still hold calls must answer them all the same; such
 * answers are dropped. */
void grpc_server_free(struct grpc_server **s);

struct grpc_counts {
    uint64_t calls_started, calls_ok, calls_failed,
        calls_cancelled; /* started = ok + failed + cancelled + now */
    uint64_t connections_opened, connections_refused,
        connections_broken;              /* broken: protocol errors, floods */
    uint32_t connections_now, calls_now; /* calls not answered yet */
};
void grpc_server_counts(const struct grpc_server *s, struct grpc_counts *out);

/* ---- a call ---- */

/* Monotonic (clock_mono_us) deadline of grpc-timeout, or INT64_MAX. */
int64_t grpc_call_deadline_us(const struct grpc_call *c);
/* When the request's last byte was read (clock_mono_ns). */
int64_t grpc_call_arrived_ns(const struct grpc_call *c);
/* True once the peer has reset the stream or gone; an answer is then dropped, but must still be given. */
bool grpc_call_cancelled(const struct grpc_call *c);
/* A request header (lower-case name; the first of several), or an empty slice. Only user metadata and te,
 * user-agent are kept. Lives until the call is answered. */
struct str grpc_call_header(const struct grpc_call *c, const char *name);

/* The oldest or any other message of a stream, n bytes long, is done: the peer may send as much again, and the next
 * message is handed on, perhaps from inside. Not after the answer. */
void grpc_message_done(struct grpc_call *c, size_t n);
/* No more messages, please: neither they nor `ended` will come. The peer is held up until the answer. */
void grpc_stream_stop(struct grpc_call *c);

/* Copies message; the call is gone after. */
void grpc_reply(struct grpc_call *c, const void *message, size_t n);
/* Room for a message of at most n bytes inside the call, to encode into without a copy; NULL without memory,
 * or when n is over 64 MiB. Then grpc_reply_reserved with the real length. */
uint8_t *grpc_reserve(struct grpc_call *c, size_t n);
void grpc_reply_reserved(struct grpc_call *c, size_t n);
/* text is percent-encoded as gRPC asks; at most 2 KiB of it is sent. */
void grpc_fail(struct grpc_call *c, enum grpc_status status, const char *format, ...) PRINTF_LIKE(3, 4);

#endif
