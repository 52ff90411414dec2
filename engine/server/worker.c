/* The worker: calls in, answers out; turns of customers; pool of calls. See worker.h and op.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/worker.h"
#include "server/merging.h"
#include "server/op.h"
#include "server/shadows.h"
#include <stdlib.h>

/* A customer whose calls take turns: the first of the list has the turn. */
struct turn {
    struct turn *next; /* of the bucket, or the free list */
    uint32_t bucket;
    struct op *first, *last;
};

struct worker {
    struct worker_config config;
    struct names *names;
    struct snapshot *snapshot;
    struct rng rng;
    struct worker_stats stats;
    struct turn *turns[WORKER_TURN_BUCKETS];
    struct turn *free_turns;
    struct op *free_ops;
    struct op *all_ops; /* under way or free */
    uint32_t ops, pooled;
    struct op *ready_first, *ready_last; /* calls whose turn came; run by the outermost worker_pass_turn */
    bool running_ready;
    bool stopped;
};

enum { POOL_OPS_MAX = 256 };

const char *op_kind_name(enum op_kind k)
{
    static const char *const names[] = {
#define X(kind, name, path) name,
        OP_KINDS(X)
#undef X
    };
    return (unsigned)k < OP_KIND_COUNT ? names[k] : "?";
}

const char *op_kind_path(enum op_kind k)
{
    static const char *const paths[] = {
#define X(kind, name, path) path,
        OP_KINDS(X)
#undef X
    };
    return (unsigned)k < OP_KIND_COUNT ? paths[k] : "?";
}

struct worker *worker_new(const struct worker_config *c, struct names *names, struct snapshot *snapshot_take)
{
    struct worker *w = calloc(1, sizeof *w);
    ASSERT(w != NULL);
    w->config = *c;
    w->names = names;
    worker_set_snapshot(w, snapshot_take);
    rng_seed(&w->rng, c->seed);
    w->stats.reads_ns = calloc(1, sizeof *w->stats.reads_ns);
    w->stats.writes_ns = calloc(1, sizeof *w->stats.writes_ns);
    ASSERT(w->stats.reads_ns && w->stats.writes_ns);
    return w;
}

static void op_free(struct op *op)
{
    struct worker *w = op->worker;
    if (op->all_previous)
        op->all_previous->all_next = op->all_next;
    else
        w->all_ops = op->all_next;
    if (op->all_next)
        op->all_next->all_previous = op->all_previous;
    merging_free(&op->merging);
    arena_free(&op->arena);
    buf_free(&op->blob);
    buf_free(&op->recorded);
    buf_free(&op->fresh);
    buf_free(&op->household.blob);
    buf_free(&op->household.fresh);
    free(op);
}

static void turns_free(struct turn *t)
{
    while (t) {
        struct turn *next = t->next;
        free(t);
        t = next;
    }
}

void worker_free(struct worker **worker)
{
    struct worker *w = *worker;
    if (!w)
        return;
    while (w->all_ops) {
        snapshot_release(&w->all_ops->snapshot);
        op_free(w->all_ops);
    }
    for (size_t i = 0; i < WORKER_TURN_BUCKETS; i++)
        turns_free(w->turns[i]);
    turns_free(w->free_turns);
    snapshot_release(&w->snapshot);
    free(w->stats.reads_ns);
    free(w->stats.writes_ns);
    free(w);
    *worker = NULL;
}

/* ---- calls ---- */

static struct op *op_new(struct worker *w)
{
    struct op *op = w->free_ops;
    if (op) {
        w->free_ops = op->next;
        w->pooled--;
        struct op kept = *op;
        *op = (struct op){.arena = kept.arena,
                          .blob = kept.blob,
                          .recorded = kept.recorded,
                          .fresh = kept.fresh,
                          .household = {.blob = kept.household.blob, .fresh = kept.household.fresh},
                          .all_next = kept.all_next,
                          .all_previous = kept.all_previous};
    } else {
        op = calloc(1, sizeof *op);
        ASSERT(op != NULL);
        arena_init(&op->arena, WORKER_ARENA_MAX);
        buf_init(&op->blob, STATE_BLOB_MAX);
        buf_init(&op->recorded, STATE_BLOB_MAX);
        buf_init(&op->fresh, STATE_BLOB_MAX + 64);
        buf_init(&op->household.blob, STATE_BLOB_MAX);
        buf_init(&op->household.fresh, STATE_BLOB_MAX + 64);
        op->all_next = w->all_ops;
        if (w->all_ops)
            w->all_ops->all_previous = op;
        w->all_ops = op;
    }
    op->magic = OP_MAGIC;
    op->worker = w;
    return op;
}

void worker_submit(struct worker *w, enum op_kind kind, struct str request, int64_t deadline_us,
                   worker_done done, void *user)
{
    if (w->ops >= WORKER_OPS_MAX) {
        done(user, &(struct worker_result){.status = GRPC_RESOURCE_EXHAUSTED,
                                           .text = "too many calls under way; try again later"});
        return;
    }
    struct op *op = op_new(w);
    w->ops++;
    op->kind = kind;
    op->request = request;
    op->snapshot = w->snapshot ? snapshot_hold(w->snapshot) : NULL;
    op->started_us = w->config.clock.mono_us(w->config.clock.ctx);
    op->deadline_us = deadline_us;
    if (deadline_us == INT64_MAX)
        op->deadline_us = op->started_us + (int64_t)WORKER_TIME_DEFAULT_MS * 1000;
    op->done = done;
    op->user = user;
    op->step = STEP_DECODE;
    op_run(op);
}

void worker_op_over(struct op *op)
{
    struct worker *w = op->worker;
    ASSERT(op->magic == OP_MAGIC);
    op->magic = 0;
    merging_free(&op->merging);
    snapshot_release(&op->snapshot);
    w->ops--;
    if (w->pooled >= POOL_OPS_MAX) {
        op_free(op);
        return;
    }
    arena_reset(&op->arena);
    buf_clear(&op->blob);
    buf_clear(&op->recorded);
    buf_clear(&op->fresh);
    buf_clear(&op->household.blob);
    buf_clear(&op->household.fresh);
    op->next = w->free_ops;
    w->free_ops = op;
    w->pooled++;
}

/* ---- turns ---- */

bool worker_take_turn(struct op *op)
{
    struct worker *w = op->worker;
    uint32_t bucket = (uint32_t)(hash64(op->customer.p, op->customer.n) % WORKER_TURN_BUCKETS);
    struct turn *t = w->turns[bucket];
    while (t && !str_eq(t->first->customer, op->customer))
        t = t->next;
    op->has_turn = true;
    op->next = NULL;
    if (t) {
        op->turn = t;
        t->last->next = op;
        t->last = op;
        return false;
    }
    t = w->free_turns;
    if (t)
        w->free_turns = t->next;
    else
        t = malloc(sizeof *t);
    ASSERT(t != NULL);
    *t = (struct turn){.next = w->turns[bucket], .bucket = bucket, .first = op, .last = op};
    w->turns[bucket] = t;
    op->turn = t;
    return true;
}

/* Many that wait may end at once (their time is over): a list instead of recursion keeps the stack flat. */
static void run_next(struct worker *w, struct op *op)
{
    op->ready_next = NULL;
    if (w->ready_first)
        w->ready_last->ready_next = op;
    else
        w->ready_first = op;
    w->ready_last = op;
    if (w->running_ready)
        return;
    w->running_ready = true;
    while (w->ready_first) {
        struct op *next = w->ready_first;
        w->ready_first = next->ready_next;
        op_run(next);
    }
    w->running_ready = false;
}

/* The turn's first goes, and this is next; without one the turn is over. */
static void leave(struct worker *w, struct turn *t, struct op *next)
{
    t->first = next;
    if (next)
        return;
    struct turn **link = &w->turns[t->bucket];
    while (*link != t)
        link = &(*link)->next;
    *link = t->next;
    t->next = w->free_turns;
    w->free_turns = t;
}

void worker_pass_turn(struct op *op)
{
    struct worker *w = op->worker;
    struct op *next = op->next;
    ASSERT(op->turn->first == op);
    op->has_turn = false;
    leave(w, op->turn, next);
    if (next)
        run_next(w, next);
}

/* Out of the old one's list first: a turn is known by the customer of its first call, which is about to be another. In the new one's
 * before the next call runs, so that calls of one customer stay in their order. */
bool worker_change_turn(struct op *op, struct str customer)
{
    struct worker *w = op->worker;
    struct op *next = op->next;
    ASSERT(op->has_turn && op->turn->first == op);
    bool same = str_eq(op->customer, customer);
    op->customer = customer;
    if (same)
        return true;
    leave(w, op->turn, next);
    bool mine = worker_take_turn(op);
    if (next)
        run_next(w, next);
    return mine;
}

struct op *worker_waiting(const struct op *op)
{
    return op->has_turn ? op->next : NULL;
}

void worker_take_waiting(struct op *op)
{
    struct turn *t = op->turn;
    struct op *taken = op->next;
    ASSERT(t->first == op && taken);
    op->next = taken->next;
    if (t->last == taken)
        t->last = op;
    taken->next = NULL;
    taken->has_turn = false;
}

void worker_put_back(struct op *op, struct op *waiting)
{
    struct turn *t = op->turn;
    ASSERT(op->has_turn && t->first == op);
    waiting->next = op->next;
    op->next = waiting;
    if (t->last == op)
        t->last = waiting;
    waiting->turn = t;
    waiting->has_turn = true;
}

/* ---- the rest ---- */

void worker_stop(struct worker *w)
{
    w->stopped = true;
}

bool worker_stopped(const struct worker *w)
{
    return w->stopped;
}

void worker_set_snapshot(struct worker *w, struct snapshot *snapshot_take)
{
    snapshot_release(&w->snapshot);
    w->snapshot = snapshot_take;
    shadows_serve(w);
}

void worker_set_secret(struct worker *w, const uint8_t secret[STORE_SECRET_BYTES])
{
    memcpy(w->config.secret, secret, sizeof w->config.secret);
}

struct snapshot *worker_snapshot(const struct worker *w)
{
    return w->snapshot;
}

const struct worker_stats *worker_stats(const struct worker *w)
{
    return &w->stats;
}

uint32_t worker_ops(const struct worker *w)
{
    return w->ops;
}

struct worker_stats *worker_stats_of(struct worker *w)
{
    return &w->stats;
}

struct rng *worker_rng(struct worker *w)
{
    return &w->rng;
}

const struct worker_config *worker_config_of(const struct worker *w)
{
    return &w->config;
}

const struct names *worker_names(const struct worker *w)
{
    return w->names;
}
