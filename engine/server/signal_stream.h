/* Customers.SignalStream: each message of a stream is a Signal of its own to the worker; one answer for all at the end.
 * customers.proto says what its callers may rely on.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_SERVER_SIGNAL_STREAM_H
#define TACT_SERVER_SIGNAL_STREAM_H
#include "net/grpc_server.h"

#define SIGNAL_STREAM_PATH "/tact.v1.Customers/SignalStream"
enum { SIGNAL_STREAM_REJECTIONS_MAX = 1000 }; /* told in an answer */

/* For a grpc_method whose user is the worker, which outlives its calls. */
extern const struct grpc_stream_hooks signal_stream_hooks;

#endif
