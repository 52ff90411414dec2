/* The five bytes before every gRPC message (compressed flag, big-endian length), read from a body that may be
 * cut anywhere. Unary: one body holds one message, fed in pieces. Streaming: messages one after the other, taken
 * from the front of what has come. Pure; any thread.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_NET_GRPC_FRAME_H
#define TACT_NET_GRPC_FRAME_H
#include "base/buf.h"

enum { GRPC_PREFIX = 5 };

struct grpc_frame {
    uint8_t prefix[GRPC_PREFIX];
    uint8_t prefix_n;
    uint32_t length; /* of the message, known when prefix_n is GRPC_PREFIX */
};

enum grpc_frame_result {
    GRPC_FRAME_OK,         /* so far */
    GRPC_FRAME_COMPRESSED, /* the flag is set (or is neither 0 nor 1) */
    GRPC_FRAME_TOO_LONG, /* frame->length is more than the message's buffer may hold; known from the prefix on
                          */
    GRPC_FRAME_EXTRA,    /* bytes after the message */
    GRPC_FRAME_NO_MEMORY,
    GRPC_FRAME_PART, /* of grpc_frame_next: more must come */
};

/* Takes the body's next bytes and appends the message's to message. A result other than OK is final. */
enum grpc_frame_result grpc_frame_feed(struct grpc_frame *f, struct buf *message, const uint8_t *p, size_t n);

/* The first message of body, in place: OK and its bytes; PART when it is not all there; COMPRESSED; TOO_LONG, where
 * message->n is its length and message->p NULL. */
enum grpc_frame_result grpc_frame_next(struct str body, size_t message_max, struct str *message);

static inline bool grpc_frame_whole(const struct grpc_frame *f, const struct buf *message)
{
    return f->prefix_n == GRPC_PREFIX && message->n == f->length;
}

static inline void grpc_frame_write(uint8_t out[GRPC_PREFIX], size_t length)
{
    out[0] = 0;
    out[1] = (uint8_t)(length >> 24);
    out[2] = (uint8_t)(length >> 16);
    out[3] = (uint8_t)(length >> 8);
    out[4] = (uint8_t)length;
}

#endif
