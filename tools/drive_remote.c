/* Calls to a server, with retries; see drive_remote.h.
 *
 *   try --> answered (OK, or what no retry mends) --> cb
 *    ^ \--> may be mended by a retry --> timer --+
 *    +-------------------------------------------+
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tools/drive_remote.h"
#include "net/grpc_client.h"
#include <stdlib.h>

struct remote_call {
    struct drive_remote *remote;
    struct remote_call *next, *all_next; /* next: in the free list */
    uv_timer_t timer;
    enum op_kind kind;
    struct str request;
    drive_cb cb;
    void *user;
    int tries;
};

struct drive_remote {
    uv_loop_t loop;
    struct grpc_client *client;
    struct remote_call *unused, *all;
    size_t under_way;
    uint64_t retries;
};

static bool may_mend(int status)
{
    return status == GRPC_UNAVAILABLE || status == GRPC_ABORTED || status == GRPC_DEADLINE_EXCEEDED ||
           status == GRPC_RESOURCE_EXHAUSTED;
}

static void on_answer(void *user, const struct grpc_result *r);

static void try_call(struct remote_call *call)
{
    call->tries++;
    grpc_call_unary(call->remote->client, op_kind_path(call->kind), call->request.p, call->request.n,
                    REMOTE_TIMEOUT_MS, on_answer, call);
}

static void on_timer(uv_timer_t *timer)
{
    try_call(timer->data);
}

static void on_answer(void *user, const struct grpc_result *r)
{
    struct remote_call *call = user;
    struct drive_remote *remote = call->remote;
    if (may_mend(r->status) && call->tries < REMOTE_TRIES_MAX) {
        uint64_t wait_ms = REMOTE_WAIT_LEAST_MS;
        for (int i = 1; i < call->tries && wait_ms < REMOTE_WAIT_MOST_MS; i++)
            wait_ms *= 2;
        remote->retries++;
        uv_timer_start(&call->timer, on_timer, wait_ms < REMOTE_WAIT_MOST_MS ? wait_ms : REMOTE_WAIT_MOST_MS,
                       0);
        return;
    }
    drive_cb cb = call->cb;
    call->next = remote->unused;
    remote->unused = call;
    remote->under_way--;
    cb(call->user, r->status, r->message, r->text);
}

static struct remote_call *take(struct drive_remote *remote)
{
    struct remote_call *call = remote->unused;
    if (call) {
        remote->unused = call->next;
        return call;
    }
    call = calloc(1, sizeof *call);
    ASSERT(call != NULL);
    call->remote = remote;
    uv_timer_init(&remote->loop, &call->timer);
    call->timer.data = call;
    call->all_next = remote->all;
    remote->all = call;
    return call;
}

static void remote_call(void *ctx, enum op_kind kind, struct str request, drive_cb cb, void *user)
{
    struct drive_remote *remote = ctx;
    struct remote_call *call = take(remote);
    call->kind = kind;
    call->request = request;
    call->cb = cb;
    call->user = user;
    call->tries = 0;
    remote->under_way++;
    try_call(call);
}

static void remote_run(void *ctx)
{
    struct drive_remote *remote = ctx;
    while (remote->under_way)
        uv_run(&remote->loop, UV_RUN_ONCE);
}

int drive_remote_new(struct drive_remote **out, const char *address, struct error *e)
{
    struct drive_remote *r = calloc(1, sizeof *r);
    if (!r)
        return error_set(e, ERR_NOSPACE, "out of memory");
    int failed = uv_loop_init(&r->loop);
    if (failed) {
        free(r);
        return error_set(e, ERR_IO, "cannot make an event loop: %s", uv_strerror(failed));
    }
    *out = r;
    int rc = grpc_client_new(&r->client, &r->loop, address, e);
    if (rc)
        drive_remote_free(out);
    return rc;
}

static void on_timer_closed(uv_handle_t *timer)
{
    free(timer->data);
}

void drive_remote_free(struct drive_remote **out)
{
    struct drive_remote *r = *out;
    *out = NULL;
    if (!r)
        return;
    ASSERT(r->under_way == 0);
    for (struct remote_call *call = r->all, *next; call; call = next) {
        next = call->all_next;
        uv_close((uv_handle_t *)&call->timer, on_timer_closed);
    }
    grpc_client_close(&r->client);
    uv_run(&r->loop, UV_RUN_DEFAULT);
    ASSERT(uv_loop_close(&r->loop) == 0);
    free(r);
}

struct drive_caller drive_remote_caller(struct drive_remote *r)
{
    return (struct drive_caller){.ctx = r, .call = remote_call, .run = remote_run};
}

uint64_t drive_remote_retries(const struct drive_remote *r)
{
    return r->retries;
}
