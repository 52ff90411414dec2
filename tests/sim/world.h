/* A small cluster in virtual time: servers (workers) over one simulated store, a log in memory, callers. For
 * tests in tests/sim.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_TESTS_SIM_WORLD_H
#define TACT_TESTS_SIM_WORLD_H
#include "server/worker.h"
#include "store/near_cache.h"
#include "store/sim_store.h"
#include "tact/v1/decisions.pb-c.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SIM_SERVERS_MAX = 4 };
#define SIM_EPOCH_MS INT64_C(1736940000000) /* 2025-01-15, afternoon in Tehran */

struct sim_server {
    struct sim_world *world;
    struct store *conn;
    struct store *store; /* a near cache before it */
    struct names *names; /* those of the store's dictionary that it asked for */
    struct worker *worker;
    unsigned life; /* of the worker: which one it is */
};

struct sim_world {
    struct sim *sim;
    const struct tzdb *zones;
    const char *policy_folders[SIM_SERVERS_MAX]; /* by server */
    struct names *names; /* the store's dictionary */
    struct sim_server servers[SIM_SERVERS_MAX];
    uint64_t records;    /* in the log */
    void (*on_record)(struct str record); /* NULL: nobody looks at them */
    int log_status;      /* what appending ends with */
    bool log_sick;       /* known to be broken */
    struct arena memory; /* of events under way: a killed server's never come back to be freed */
};

static inline int64_t sim_wall_ms(void *ctx)
{
    return SIM_EPOCH_MS + sim_now(((struct sim_world *)ctx)->sim) / 1000;
}

static inline int64_t sim_mono_us(void *ctx)
{
    return sim_now(((struct sim_world *)ctx)->sim);
}

struct sim_append {
    struct sim_server *server;
    unsigned life; /* the one that appended: a killed one gets no report */
    log_cb cb;
    void *user;
    int status;
};

static inline void sim_appended(void *user)
{
    struct sim_append *a = user;
    if (a->server->worker && a->server->life == a->life)
        a->cb(a->user, a->status);
}

static inline int sim_append(void *ctx, struct str record, log_cb cb, void *user)
{
    struct sim_server *s = ctx;
    if (s->world->on_record)
        s->world->on_record(record);
    s->world->records += s->world->log_status == 0;
    if (cb) {
        struct sim_append *a = arena_alloc(&s->world->memory, sizeof *a);
        ASSERT(a != NULL);
        *a = (struct sim_append){s, s->life, cb, user, s->world->log_status};
        sim_at(s->world->sim, sim_now(s->world->sim) + 50 + (int64_t)sim_random(s->world->sim, 500),
               sim_appended, a);
    }
    return cb ? 0 : s->world->log_status;
}

static inline bool sim_log_healthy(void *ctx, char why[128])
{
    const struct sim_server *s = ctx;
    snprintf(why, 128, "disk full");
    return !s->world->log_sick;
}

struct sim_names {
    struct names *store, *server;
};

static inline void sim_take_name(void *ctx, struct str name)
{
    struct sim_names *n = ctx;
    ASSERT(names_add(n->server, name, names_intern(n->store, name)) == 0);
}

static inline void sim_server_start(struct sim_world *w, int i)
{
    struct sim_server *s = &w->servers[i];
    struct arena arena;
    struct diags diags;
    arena_init(&arena, 1 << 20);
    diags_init(&diags, &arena);
    struct snapshot *snapshot = snapshot_load(w->policy_folders[i], NULL, w->zones, &diags);
    if (!snapshot)
        diags_print(&diags, stderr);
    ASSERT(snapshot != NULL);
    arena_free(&arena);
    struct error e;
    struct sim_names names = {w->names, names_new()};
    policy_each_name(snapshot->policy, sim_take_name, &names);
    ASSERT(policy_bind(snapshot->policy, names.server, &e) == 0);
    *s = (struct sim_server){.world = w, .conn = sim_connect(w->sim), .names = names.server, .life = s->life + 1};
    struct near_cache_options cache = {.bytes_max = 1 << 20, .now_us = sim_mono_us, .ctx = w};
    s->store = near_cache_new(s->conn, &cache);
    struct worker_config config = {.store = s->store,
                                   .sink = {s, sim_append, sim_log_healthy},
                                   .clock = {w, sim_wall_ms, sim_mono_us},
                                   .server = "sim",
                                   .max_stale_us = 60000000,
                                   .seed = sim_random(w->sim, UINT64_MAX)};
    s->worker = worker_new(&config, s->names, snapshot);
}

/* kill -9: what it has sent may still arrive; it never answers. */
static inline void sim_server_kill(struct sim_world *w, int i)
{
    struct sim_server *s = &w->servers[i];
    sim_disconnect(w->sim, &s->conn);
    worker_free(&s->worker);
    near_cache_free(&s->store);
    names_free(&s->names);
}

/* Each server with a policy of its own. */
static inline void sim_world_start_each(struct sim_world *w, uint64_t seed, const struct sim_options *o,
                                        const struct tzdb *zones, const char *const *policy_folders, int servers)
{
    *w = (struct sim_world){.sim = sim_new(seed, o), .zones = zones, .names = names_new()};
    arena_init(&w->memory, (size_t)1 << 30);
    for (int i = 0; i < servers; i++) {
        w->policy_folders[i] = policy_folders[i];
        sim_server_start(w, i);
    }
}

/* One of the first two servers, if the other lives; its number, or -1. */
static inline int sim_kill_one(struct sim_world *w)
{
    int which = (int)sim_random(w->sim, 2);
    if (!w->servers[which].worker || !w->servers[1 - which].worker)
        return -1;
    sim_server_kill(w, which);
    return which;
}

static inline void sim_restart_dead(struct sim_world *w, int servers)
{
    for (int i = 0; i < servers; i++)
        if (!w->servers[i].worker)
            sim_server_start(w, i);
}

/* Any of them that lives. */
static inline int sim_living(struct sim_world *w, int servers)
{
    int i = (int)sim_random(w->sim, (uint64_t)servers);
    while (!w->servers[i].worker)
        i = (i + 1) % servers;
    return i;
}

static inline void sim_world_start(struct sim_world *w, uint64_t seed, const struct sim_options *o,
                                   const struct tzdb *zones, const char *policy_folder, int servers)
{
    const char *folders[SIM_SERVERS_MAX];
    for (int i = 0; i < servers; i++)
        folders[i] = policy_folder;
    sim_world_start_each(w, seed, o, zones, folders, servers);
}

static inline void sim_world_stop(struct sim_world *w)
{
    for (int i = 0; i < SIM_SERVERS_MAX; i++)
        if (w->servers[i].worker)
            sim_server_kill(w, i);
    sim_free(&w->sim);
    names_free(&w->names);
    arena_free(&w->memory);
}

#endif
