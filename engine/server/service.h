/* The services of tact.v1 on a gRPC server: each call goes to the worker, each answer back to its call.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_SERVER_SERVICE_H
#define TACT_SERVER_SERVICE_H
#include "net/grpc_server.h"
#include "server/worker.h"

struct service;

/* worker outlives the service. */
int service_new(struct service **out, uv_loop_t *loop, struct worker *worker, struct error *e) MUST_CHECK;
struct grpc_server *service_grpc(struct service *s);
/* After its gRPC server has drained. */
void service_free(struct service **s);

#endif
