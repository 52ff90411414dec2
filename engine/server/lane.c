/* A worker's thread; see lane.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/lane.h"
#include "base/logging.h"
#include "server/mailbox.h"
#include "server/service.h"
#include "store/redis_store.h"
#include <pthread.h>
#include <stdlib.h>

struct lane {
    struct lane_options options;
    pthread_t thread;
    uv_loop_t loop;
    struct mailbox *mailbox;
    uv_async_t log_wake;
    struct log_outbox *outbox;
    struct store *redis, *cache; /* the near cache before it; NULL: none */
    struct names *names;
    struct worker *worker;
    struct service *service;
};

/* ---- the thread ---- */

static void *run(void *user)
{
    struct lane *l = user;
    uv_run(&l->loop, UV_RUN_DEFAULT);
    return NULL;
}

static void on_log_wake(uv_async_t *async)
{
    log_outbox_poll(((struct lane *)async->data)->outbox);
}

static void wake_log(void *user)
{
    uv_async_send(user);
}

static void on_store_status(void *user, bool ready, const char *text)
{
    struct lane *l = user;
    (void)text;
    if (ready)
        l->options.store_ready(l->options.user);
}

static int start_store(struct lane *l, struct error *e)
{
    const struct lane_options *o = &l->options;
    struct redis_store_options so = {.prefix = o->prefix, .status = on_store_status, .user = l, .quiet = true};
    int rc = redis_store_new(&l->redis, &l->loop, o->store_url, &so, e);
    if (rc || !o->cache_bytes)
        return rc;
    struct near_cache_options no = {.bytes_max = o->cache_bytes,
                                    .now_us = o->config.clock.mono_us,
                                    .ctx = o->config.clock.ctx,
                                    .hints = o->hints};
    l->cache = near_cache_new(l->redis, &no);
    return 0;
}

static int start_worker(struct lane *l, struct error *e)
{
    struct worker_config config = l->options.config;
    l->log_wake.data = l;
    if (uv_async_init(&l->loop, &l->log_wake, on_log_wake))
        return error_set(e, ERR_IO, "no event handle");
    l->outbox = log_outbox_new(l->options.log, wake_log, &l->log_wake);
    config.store = l->cache ? l->cache : l->redis;
    config.sink = sink_of_outbox(l->outbox);
    l->names = names_new();
    l->worker = worker_new(&config, l->names, NULL);
    return service_new(&l->service, &l->loop, l->worker, e);
}

/* Ends what was started, on the thread, or without one. */
static void close_all(void *user)
{
    struct lane *l = user;
    if (l->outbox)
        log_outbox_poll(l->outbox);
    service_free(&l->service);
    if (l->log_wake.data)
        uv_close((uv_handle_t *)&l->log_wake, NULL);
    if (l->mailbox)
        mailbox_close(&l->mailbox);
}

static void stop_store(void *user)
{
    struct lane *l = user;
    if (l->worker)
        worker_stop(l->worker);
    redis_store_free(&l->redis);
}

static void lane_free(struct lane **lane)
{
    struct lane *l = *lane;
    *lane = NULL;
    worker_free(&l->worker);
    near_cache_free(&l->cache);
    names_free(&l->names);
    uv_run(&l->loop, UV_RUN_DEFAULT);
    uv_loop_close(&l->loop);
    free(l);
}

int lane_start(struct lane **out, const struct lane_options *o, struct error *e)
{
    struct lane *l = calloc(1, sizeof *l);
    ASSERT(l != NULL);
    l->options = *o;
    uv_loop_init(&l->loop);
    int rc = mailbox_open(&l->mailbox, &l->loop, e);
    if (!rc)
        rc = start_store(l, e);
    if (!rc)
        rc = start_worker(l, e);
    if (!rc && pthread_create(&l->thread, NULL, run, l))
        rc = error_set(e, ERR_IO, "no thread for a worker");
    if (rc) {
        stop_store(l);
        close_all(l);
        lane_free(&l);
        return rc;
    }
    *out = l;
    return 0;
}

/* ---- orders ---- */

struct order {
    struct lane *lane;
    union {
        int fd;
        uint8_t secret[STORE_SECRET_BYTES];
        struct {
            struct snapshot *snapshot;
            struct names *names;
        } serve;
        struct {
            int64_t grace_ms;
            void (*done)(void *user);
            void *user;
        } drain;
        struct {
            void (*counted)(void *user, const struct stats *c);
            void *user;
        } count;
    };
};

static void post(struct lane *l, void (*fn)(void *user), struct order order)
{
    struct order *o = malloc(sizeof *o);
    ASSERT(o != NULL);
    *o = order;
    o->lane = l;
    mailbox_post(l->mailbox, fn, o);
}

static void take_connection(void *user)
{
    struct order *o = user;
    struct error e;
    if (grpc_server_adopt_take(service_grpc(o->lane->service), o->fd, &e))
        logging(LEVEL_WARN, "a connection was lost", "reason=\"%s\"", e.text);
    free(o);
}

void lane_connection_take(struct lane *l, int fd)
{
    post(l, take_connection, (struct order){.fd = fd});
}

static void set_secret(void *user)
{
    struct order *o = user;
    worker_set_secret(o->lane->worker, o->secret);
    free(o);
}

void lane_set_secret(struct lane *l, const uint8_t secret[STORE_SECRET_BYTES])
{
    struct order o = {.lane = l};
    memcpy(o.secret, secret, sizeof o.secret);
    post(l, set_secret, o);
}

static void serve(void *user)
{
    struct order *o = user;
    for (uint32_t id = 1; o->serve.names && id <= names_highest(o->serve.names); id++) {
        struct str text = names_text(o->serve.names, id);
        if (text.n)
            ASSERT(names_add(o->lane->names, text, id) == 0); /* they are the store's, and it does not change them */
    }
    names_free(&o->serve.names);
    worker_set_snapshot(o->lane->worker, o->serve.snapshot);
    free(o);
}

void lane_serve(struct lane *l, struct snapshot *snapshot, const struct names *names)
{
    struct order o = {.lane = l};
    o.serve.snapshot = snapshot ? snapshot_hold(snapshot) : NULL;
    o.serve.names = snapshot ? names_copy(names) : NULL;
    post(l, serve, o);
}

static void drain(void *user)
{
    struct order o = *(struct order *)user;
    free(user);
    grpc_server_drain(service_grpc(o.lane->service), o.drain.grace_ms, o.drain.done, o.drain.user);
}

void lane_drain(struct lane *l, int64_t grace_ms, void (*done)(void *user), void *user)
{
    post(l, drain, (struct order){.drain = {grace_ms, done, user}});
}

/* ---- counts ---- */

static void count_now(struct lane *l, void (*counted)(void *user, const struct stats *c), void *user)
{
    struct stats c = {.worker = *worker_stats(l->worker), .has_cache = l->cache != NULL};
    if (l->cache)
        c.cache = near_cache_stats(l->cache);
    counted(user, &c);
}

static void count(void *user)
{
    struct order *o = user;
    count_now(o->lane, o->count.counted, o->count.user);
    free(o);
}

void lane_count(struct lane *l, void (*counted)(void *user, const struct stats *c), void *user)
{
    post(l, count, (struct order){.count = {counted, user}});
}

struct asked {
    struct lane *lane;
    uint32_t calls;
};

static void ask_calls(void *user)
{
    struct asked *a = user;
    a->calls = worker_ops(a->lane->worker);
}

uint32_t lane_calls(struct lane *l)
{
    struct asked a = {.lane = l};
    mailbox_call(l->mailbox, ask_calls, &a);
    return a.calls;
}

/* ---- the end ---- */

void lane_stop(struct lane *l)
{
    mailbox_call(l->mailbox, stop_store, l);
}

void lane_end(struct lane **lane, void (*counted)(void *user, const struct stats *c), void *user)
{
    struct lane *l = *lane;
    mailbox_post(l->mailbox, close_all, l);
    pthread_join(l->thread, NULL);
    if (counted)
        count_now(l, counted, user);
    lane_free(lane);
}
