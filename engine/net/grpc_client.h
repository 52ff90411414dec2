/* A gRPC client for unary and client-streaming calls over cleartext HTTP/2, on a libuv loop: one connection, any
 * number of calls in flight. For Tact's own command-line tools and load tests. One thread.
 *
 * A call that the server surely did not begin (refused stream, or above the last one of its GOAWAY) is sent
 * once more on a fresh connection, unless it is a stream of which something was sent; all other losses are reported.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_NET_GRPC_CLIENT_H
#define TACT_NET_GRPC_CLIENT_H
#include "net/grpc_server.h"

struct grpc_client;

enum {
    GRPC_CLIENT_CALLS_MAX = 100000,             /* in flight; more end with RESOURCE_EXHAUSTED */
    GRPC_CLIENT_MESSAGE_MAX = 64 * 1024 * 1024, /* a reply */
    GRPC_CLIENT_QUEUE_MAX = 256 * 1024,         /* bytes of a stream that wait for the server's window */
};

struct grpc_result {
    int status;         /* enum grpc_status; UNAVAILABLE when the connection failed, DEADLINE_EXCEEDED */
    struct str message; /* the reply's bytes; valid during the callback */
    struct str text;    /* grpc-message, decoded */
    int64_t elapsed_us;
};
typedef void (*grpc_client_cb)(void *user, const struct grpc_result *r);

/* address as for grpc_server_listen; a host name is looked up here and now. Connects lazily; a lost
 * connection is opened again by the next call. */
int grpc_client_new(struct grpc_client **out, uv_loop_t *loop, const char *address,
                    struct error *e) MUST_CHECK;
/* cb is called exactly once, never from inside grpc_call_unary. path as in struct grpc_method; path and
 * message are copied. deadline_ms: from now; at most 0: none. */
void grpc_call_unary(struct grpc_client *c, const char *path, const void *message, size_t n,
                     int64_t deadline_ms, grpc_client_cb cb, void *user);
/* ---- client streaming ---- */

struct client_call;

/* A call whose messages follow, one by one, then grpc_client_end. cb as above, possibly before that: the server may answer
 * when it likes. The pointer is good until cb is called. room: see grpc_client_send; may be NULL. */
struct client_call *grpc_client_begin(struct grpc_client *c, const char *path, int64_t deadline_ms, grpc_client_cb cb,
                                      void (*room)(void *user), void *user);
/* Copies the message. False when GRPC_CLIENT_QUEUE_MAX bytes wait already, because the server takes no more: send it
 * again when room(user) was called, from the loop, once. A message that is bigger alone waits for an empty queue. What
 * is sent after the call has ended, before cb told so, is dropped. */
bool grpc_client_send(struct client_call *call, const void *message, size_t n) MUST_CHECK;
/* No more messages. */
void grpc_client_end(struct client_call *call);
/* Tells the server, and ends with CANCELLED. */
void grpc_client_cancel(struct client_call *call);

size_t grpc_client_in_flight(const struct grpc_client *c);
/* Calls in flight end with UNAVAILABLE (from the loop); frees after the loop ran. */
void grpc_client_close(struct grpc_client **c);

/* Opens, calls once, runs a loop of its own until the answer, closes: for tools that make one call. cb as
 * above. */
int grpc_call_once(const char *address, const char *path, const void *message, size_t n, int64_t deadline_ms,
                   grpc_client_cb cb, void *user, struct error *e) MUST_CHECK;

#endif
