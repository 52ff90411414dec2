/* The server's side of one HTTP/2 connection, without a socket: h2_pump_feed takes what the peer sent,
 * h2_pump_drain gives what it should get, handlers are called in between. All flood limits are here.
 *
 * Flow control: the connection's window is given back as bytes come. A unary call needs no more than its first window;
 * of a streaming call it is given back message by message (grpc_stream.h).
 *
 * Limits: header list GRPC_HEADERS_MAX; streams as in grpc_options, where calls that the peer cancelled and
 * whose handler has not answered yet may be as many again; SESSION_RESETS_MAX resets and SESSION_CHATTER_MAX
 * frames that move nothing (PING, SETTINGS, PRIORITY, empty DATA) in a second. Past those two the connection
 * ends with ENHANCE_YOUR_CALM.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_NET_GRPC_SESSION_H
#define TACT_NET_GRPC_SESSION_H
#include "net/grpc_call.h"

enum {
    SESSION_RESETS_MAX = 2000,   /* a second; and never less than streams_max */
    SESSION_CHATTER_MAX = 20000, /* a second */
    SESSION_TURN_MAX = 256,      /* messages of streams handed on before other connections have their turn */
    SESSION_WINDOW = 4 << 20,    /* bytes a connection may have on the way */
};

/* Events in the current second. */
struct grpc_rate {
    int64_t second;
    uint32_t count;
};

struct grpc_session {
    struct h2_pump pump;
    struct grpc_host *host;
    void (*wake)(struct grpc_session *s); /* there is something to write */
    struct grpc_call *calls;              /* with an open stream, or held by a handler */
    struct grpc_call *current;            /* whose frames come now */
    size_t request_bytes;
    uint32_t streams;        /* calls that take in messages */
    uint32_t budget;         /* messages of theirs that may still be handed on in this turn */
    bool unfinished;         /* some wait for the next one: grpc_session_continue, soon; wake has told */
    uint32_t cancelled_held; /* calls that handlers hold, whose stream is gone */
    int64_t now_ns;          /* of the last input */
    struct grpc_rate resets, chatter;
    bool settled; /* the peer's SETTINGS came: it speaks HTTP/2 */
    bool touched; /* a call moved since the owner last cleared this */
    bool broken;
    bool draining, drained; /* GOAWAY announced, final */
};

/* Fills the shared parts: callbacks, options with defaults. methods as for grpc_server_new. */
int grpc_host_init(struct grpc_host *host, const struct grpc_method *methods,
                   const struct grpc_options *options, struct error *e) MUST_CHECK;
/* After all its sessions. */
void grpc_host_free(struct grpc_host *host);

/* s: zeroed. now_ns: clock_mono_ns. */
int grpc_session_init(struct grpc_session *s, struct grpc_host *host, void (*wake)(struct grpc_session *s),
                      struct error *e) MUST_CHECK;
int grpc_session_feed(struct grpc_session *s, const uint8_t *p, size_t n, int64_t now_ns) MUST_CHECK;
/* No new calls, in two steps: the peer is told, and when it has surely heard (or at once when hurry) the door
 * closes. */
void grpc_session_drain(struct grpc_session *s, bool hurry);
/* Another turn for its streams. */
void grpc_session_continue(struct grpc_session *s);
/* Ends the streams whose deadline has passed. */
void grpc_session_sweep(struct grpc_session *s, int64_t now_us);
/* All streams take in no more: their handlers are told so. */
void grpc_session_end_streams(struct grpc_session *s, enum grpc_status status, const char *why);
/* Cancels what is open. */
void grpc_session_free(struct grpc_session *s);

#endif
