/* A worker in this process; see drive_local.h. The store is the simulated one of the tests, with a perfect network:
 * a call ends when no event is left.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tools/drive_local.h"
#include "store/sim_store.h"
#include <stdlib.h>

enum { EVENTS_MAX = 1000 }; /* of one call: reading, deciding and writing need a dozen */

/* Requests say when they happen; this clock only stamps versions. 2025-01-01 UTC. */
#define LOCAL_EPOCH_MS INT64_C(1735689600000)

struct drive_local {
    struct snapshot *snapshot;
    struct names *names;
    struct sim *sim;
    struct store *store;
    struct worker *worker;
};

struct local_call {
    drive_cb cb;
    void *user;
    bool done;
};

static int64_t wall_ms(void *ctx)
{
    const struct drive_local *l = ctx;
    return LOCAL_EPOCH_MS + sim_now(l->sim) / 1000;
}

static int64_t mono_us(void *ctx)
{
    const struct drive_local *l = ctx;
    return sim_now(l->sim);
}

/* Nothing is logged, and so nobody waits for it. */
static int append(void *ctx, struct str record, log_cb cb, void *user)
{
    (void)ctx, (void)record, (void)user;
    ASSERT(cb == NULL);
    return 0;
}

static bool healthy(void *ctx, char why[128])
{
    (void)ctx, (void)why;
    return true;
}

static void end_person(struct drive_local *l)
{
    if (!l->sim)
        return;
    sim_disconnect(l->sim, &l->store);
    worker_free(&l->worker);
    sim_free(&l->sim);
}

static void local_person(void *ctx)
{
    static const struct sim_options network = {.delay_min_us = 1, .delay_max_us = 1};
    struct drive_local *l = ctx;
    end_person(l);
    l->sim = sim_new(1, &network);
    l->store = sim_connect(l->sim);
    struct worker_config config = {.store = l->store,
                                   .sink = {l, append, healthy},
                                   .clock = {l, wall_ms, mono_us},
                                   .server = "local",
                                   .seed = 1,
                                   .allow_as_of = true,
                                   .ack_batched = true};
    l->worker = worker_new(&config, l->names, snapshot_hold(l->snapshot));
}

static void on_done(void *user, const struct worker_result *r)
{
    struct local_call *call = user;
    call->done = true;
    call->cb(call->user, r->status, r->message, str_from(r->text));
}

static void local_call(void *ctx, enum op_kind kind, struct str request, drive_cb cb, void *user)
{
    struct drive_local *l = ctx;
    struct local_call call = {cb, user, false};
    worker_submit(l->worker, kind, request, INT64_MAX, on_done, &call);
    for (size_t events = 0; !call.done; events++)
        ASSERT(events < EVENTS_MAX && sim_step(l->sim));
}

static void local_run(void *ctx)
{
    (void)ctx;
}

struct drive_local *drive_local_new_take(struct snapshot *snapshot, struct names *names)
{
    struct drive_local *l = calloc(1, sizeof *l);
    ASSERT(l != NULL);
    l->snapshot = snapshot;
    l->names = names;
    return l;
}

void drive_local_free(struct drive_local **out)
{
    struct drive_local *l = *out;
    *out = NULL;
    if (!l)
        return;
    end_person(l);
    snapshot_release(&l->snapshot);
    free(l);
}

struct drive_caller drive_local_caller(struct drive_local *l)
{
    return (struct drive_caller){.ctx = l, .call = local_call, .person = local_person, .run = local_run};
}
