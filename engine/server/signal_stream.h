/* Customers.SignalStream: each message of a stream is a Signal of its own to the worker; one answer for all at the end.
 * customers.proto says what its callers may rely on.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_SERVER_SIGNAL_STREAM_H
#define TACT_SERVER_SIGNAL_STREAM_H
#include "net/grpc_server.h"
#include "server/worker.h"

#define SIGNAL_STREAM_PATH "/tact.v1.Customers/SignalStream"
enum {
    SIGNAL_STREAM_REJECTIONS_MAX = 1000,      /* told in an answer */
    SIGNAL_STREAMS_REJECTIONS_MAX = 64 << 20, /* bytes of those kept for all open streams; later ones are only counted */
};

/* What all streams of a worker share. */
struct signal_streams;

/* worker outlives the streams. */
struct signal_streams *signal_streams_new(struct worker *worker);
/* Streams that are open live on: the memory goes with the last of them. */
void signal_streams_free(struct signal_streams **s);

/* For a grpc_method whose user is a struct signal_streams. */
extern const struct grpc_stream_hooks signal_stream_hooks;

#endif
