/* gRPC methods to worker calls; see service.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/service.h"
#include "server/signal_stream.h"
#include <stdlib.h>

struct method {
    struct service *service;
    enum op_kind kind;
};

struct service {
    struct worker *worker;
    struct signal_streams *streams;
    struct grpc_server *grpc;
    struct method methods[OP_KIND_COUNT];
};

static void on_done(void *user, const struct worker_result *r)
{
    struct grpc_call *call = user;
    if (r->status == GRPC_OK)
        grpc_reply(call, r->message.p, r->message.n);
    else
        grpc_fail(call, (enum grpc_status)r->status, "%s", r->text);
}

static void on_call(void *user, struct grpc_call *call, struct str request)
{
    const struct method *m = user;
    worker_submit(m->service->worker, m->kind, request, grpc_call_deadline_us(call), on_done, call);
}

int service_new(struct service **out, uv_loop_t *loop, struct worker *worker, struct error *e)
{
    struct service *s = calloc(1, sizeof *s);
    ASSERT(s != NULL);
    s->worker = worker;
    s->streams = signal_streams_new(worker);
    struct grpc_method methods[OP_KIND_COUNT + 2] = {0};
    for (int k = 0; k < OP_KIND_COUNT; k++) {
        s->methods[k] = (struct method){s, (enum op_kind)k};
        methods[k] = (struct grpc_method){op_kind_path((enum op_kind)k), on_call, &s->methods[k], NULL};
    }
    methods[OP_KIND_COUNT] = (struct grpc_method){SIGNAL_STREAM_PATH, NULL, s->streams, &signal_stream_hooks};
    struct grpc_options options = {0};
    int rc = grpc_server_new(&s->grpc, loop, methods, &options, e);
    if (rc) {
        signal_streams_free(&s->streams);
        free(s);
    } else {
        *out = s;
    }
    return rc;
}

struct grpc_server *service_grpc(struct service *s)
{
    return s->grpc;
}

void service_free(struct service **s)
{
    if (!*s)
        return;
    grpc_server_free(&(*s)->grpc);
    signal_streams_free(&(*s)->streams);
    free(*s);
    *s = NULL;
}
