/* What a client-streaming call takes in, on the server's side: the body as it comes, message by message to the hooks of
 * its method (struct grpc_stream_hooks), and its flow-control window. Not for users of the module.
 *
 *     OPEN --half-close and all handed on, broken body, cancel, deadline, drain--> OVER    hooks: ended
 *       \________________________ grpc_stream_stop, answer ______________________/         no hook
 *
 * Bytes of the body are in one of: the call's buffer, from `taken` on (not handed on); with the handler (under way);
 * given back to the window. The first two are never more than the window of the host, which is twice a largest message
 * with its prefix: nghttp2 gives back in halves, so half of it must hold a message.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_NET_GRPC_STREAM_H
#define TACT_NET_GRPC_STREAM_H
#include "net/grpc_call.h"

#define GRPC_STREAM_STOPPING "this server is stopping"

/* The headers of a streaming method were good. */
void grpc_stream_open(struct grpc_call *c);
void grpc_stream_data(struct grpc_call *c, const uint8_t *p, size_t n);
/* The peer has closed its side, or it is the next turn. */
void grpc_stream_go_on(struct grpc_call *c);
/* No more is taken in, and the handler is told, when it was not yet. The call may be freed. Nothing happens to a call that
 * is no stream, or is over. */
void grpc_stream_over(struct grpc_call *c, enum grpc_status status, const char *why);
/* It is the peer's turn: nothing is under way. */
bool grpc_stream_waits(const struct grpc_call *c);

#endif
