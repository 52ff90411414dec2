/* One call on the server's side, and what all calls of a server share (the host). Not for users of the
 * module: those see grpc_server.h.
 *
 *     RECEIVING --whole request--> HELD --grpc_reply, grpc_fail--> ANSWERED --stream closed--> back to the
 * pool
 *         \______ refused by us ________________________________/
 *
 * A client-streaming call is HELD from its headers on; see grpc_stream.h for what it takes in meanwhile.
 *
 * A call lives as long as its stream is open or its handler holds it, whichever is longer. When the stream
 * closes first (reset, connection lost) the call is cancelled, and its answer only frees it. When the
 * connection goes first, session becomes NULL; when even the server does, host becomes NULL as well.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_NET_GRPC_CALL_H
#define TACT_NET_GRPC_CALL_H
#include "base/buf.h"
#include "net/grpc_frame.h"
#include "net/grpc_server.h"
#include "net/h2_pump.h"

enum {
    GRPC_HEADERS_MAX = 16 * 1024, /* a request's header list, as HTTP/2 counts it */
    GRPC_REPLY_MAX = 64 * 1024 * 1024,
    GRPC_TEXT_MAX = 2048,                 /* of a status message, before encoding */
    GRPC_POOL_MAX = 1024,                 /* spare calls kept */
    GRPC_POOL_BUFFER_MAX = 8 * 1024,      /* a bigger buffer is not kept with a spare call */
    GRPC_CONNECTION_BYTES_MAX = 64 << 20, /* requests not answered yet, a connection */
    GRPC_HOST_BYTES_MAX = 512 << 20,      /* and a server */
};

enum grpc_call_state { CALL_RECEIVING, CALL_HELD, CALL_ANSWERED };

/* What the headers were found to be; the answer to a bad one is given when all are read. */
enum grpc_header_flag {
    SAW_POST = 1,
    SAW_GRPC = 2,     /* content-type */
    SAW_ENCODING = 4, /* grpc-encoding other than identity */
    SAW_BAD_TIMEOUT = 8,
    SAW_TOO_MUCH = 16, /* over GRPC_HEADERS_MAX */
    SAW_NO_MEMORY = 32,
};

struct grpc_session;

struct grpc_host {
    struct grpc_method *methods;
    size_t method_count;
    struct grpc_options options; /* no zeros */
    struct grpc_counts counts;
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *h2_options;
    struct grpc_call *pool;
    size_t pooled;
    struct grpc_call *held; /* by handlers */
    size_t request_bytes;
    size_t window; /* of a stream, in bytes */
};

/* What a streaming call takes in; grpc_stream.c. */
struct grpc_intake {
    void *stream;       /* of the hooks */
    size_t taken;       /* of the body: messages handed on */
    uint32_t under_way; /* messages handed on and not done */
    bool open;          /* hooks are called */
    bool handing;       /* a message hook is running */
};

struct grpc_call {
    struct grpc_host *host;                  /* NULL: the server is gone */
    struct grpc_session *session;            /* NULL: the connection is gone */
    struct grpc_call *prev, *next;           /* of the session; next alone: in the pool */
    struct grpc_call *held_prev, *held_next; /* of the host, while a handler holds it */
    const struct grpc_method *method;
    int64_t deadline_us, arrived_ns;
    int32_t stream;
    enum grpc_call_state state;
    unsigned saw;
    bool stream_open;
    bool request_ended; /* the peer has closed its side */
    uint32_t headers_size;
    struct grpc_frame frame;
    struct buf
        headers; /* (u16 name length, u16 value length, name, value)*, native order; ":path" when not ours */
    struct buf request; /* unary: the message; streaming: the body from a message's prefix on, at `taken` */
    size_t counted;     /* in request_bytes of session and host */
    struct grpc_intake intake;
    struct buf reply; /* prefix and message */
    size_t reply_sent;
};

/* NULL without memory. */
struct grpc_call *grpc_call_new(struct grpc_host *host, struct grpc_session *session, int32_t stream);
/* The stream is gone. The call may be freed. */
void grpc_call_stream_closed(struct grpc_call *c);
/* A request header. */
void grpc_call_add_header(struct grpc_call *c, struct str name, struct str value);
/* All headers are read: refuses the call when they are bad. */
void grpc_call_headers_done(struct grpc_call *c);
void grpc_call_data(struct grpc_call *c, const uint8_t *p, size_t n);
/* The request's end: hands it to the handler, or refuses it. */
void grpc_call_request_done(struct grpc_call *c, int64_t now_ns);
/* The connection is gone, its stream too: as grpc_call_stream_closed, and the call forgets the session. */
void grpc_call_session_closed(struct grpc_call *c);
/* So many bytes more may be held for a request. */
bool grpc_call_fits(const struct grpc_call *c, size_t n);
/* Its bytes are, or are no longer, held for a request. */
void grpc_call_count(struct grpc_call *c, size_t n);
void grpc_call_uncount(struct grpc_call *c, size_t n);
/* Ends a call that is RECEIVING. */
void grpc_call_refuse(struct grpc_call *c, enum grpc_status status, const char *format, ...) PRINTF_LIKE(3, 4);
/* Frees the pool and lets go of calls that handlers hold. */
void grpc_calls_abandon(struct grpc_host *host);

#endif
