/* The parts of the simulated store. Internal to sim_store.c, which has calls, events and watches, and sim_apply.c, which has what
 * the store does with a request that has arrived.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_STORE_SIM_PARTS_H
#define TACT_STORE_SIM_PARTS_H
#include "base/rng.h"
#include "store/heap.h"
#include "store/sim_data.h"
#include "store/sim_store.h"
#include <stdlib.h>
#include <uthash.h>

enum { SIM_START_US = 1000000 };
#define SIM_PREFIX "tact"

enum kind { KIND_READ, KIND_COMMIT, KIND_NAMES, KIND_SECRET, KIND_HELD, KIND_DICTIONARY };

struct conn;
struct event;

/* A customer that a connection has read: it is told of the next change. */
struct tracked {
    UT_hash_handle hh;
    struct str customer;
};

struct call {
    struct conn *conn;            /* NULL: its server was killed */
    struct call *previous, *next; /* open calls of the connection */
    enum kind kind;
    store_cb cb;
    void *user;
    bool told;
    int events;             /* that point here */
    struct event *deadline; /* one of them, gone once told */
    struct str customer, aside, blob, record, *names;
    size_t names_count;
    uint64_t expected;
    struct id128 record_id;
    bool with_record, forget, unchanged;
    uint64_t watch; /* the connection's when it was sent */
    int64_t ttl_ms, blob_ttl_ms;
    struct store_reply reply;
    struct str reply_blob, reply_record;
    uint32_t *reply_ids;
    struct str *reply_names;
    size_t reply_names_count, reply_names_room;
    struct store_item *reply_items;
    size_t reply_items_count, reply_items_room;
};

struct event {
    struct heap_node node;
    void (*run)(struct sim *sim, struct event *ev);
    struct call *call;
    void (*fn)(void *user);
    void *user;
    struct conn *told; /* a watcher's word: to whom, of which watch */
    uint64_t watch;
    struct str customer;
};

struct conn {
    struct store base;
    struct sim *sim;
    struct conn *next;
    struct call *open;
    bool up;
    int64_t last_arrival_us, last_reply_us; /* for order */
    struct store_watcher watcher;
    bool watching;  /* as the store sees it; the watcher hears of it later */
    uint64_t watch; /* which one: what an earlier one had still to tell is lost */
    struct tracked *tracked;
};

struct sim {
    struct sim_options options;
    struct rng rng;
    int64_t now_us;
    struct heap events;
    struct sim_data data;
    struct conn *conns;
    const char *refusal;
    uint32_t last_name;
    uint8_t secret[STORE_SECRET_BYTES];
    bool has_secret;
    struct sim_stats stats;
};

static inline void *sim_take(size_t size)
{
    void *p = calloc(1, size ? size : 1);
    ASSERT(p != NULL);
    return p;
}

static inline struct str sim_copy(struct str s)
{
    char *p = sim_take(s.n);
    if (s.n)
        memcpy(p, s.p, s.n);
    return (struct str){p, s.n};
}

static inline void sim_drop(struct str *s)
{
    free((char *)(uintptr_t)s->p);
    *s = (struct str){NULL, 0};
}

static inline struct str sim_value_get(struct sim *sim, struct str key)
{
    return sim_data_get(&sim->data, key, sim->now_us);
}

static inline void sim_value_put(struct sim *sim, struct str key, struct str data, int64_t ttl_ms)
{
    sim_data_put(&sim->data, key, data, ttl_ms ? sim->now_us + ttl_ms * 1000 : INT64_MAX);
}

static inline bool sim_only_reads(const struct call *c)
{
    return c->kind == KIND_READ || c->kind == KIND_HELD || c->kind == KIND_DICTIONARY;
}

/* A connection has read a customer: it is told of the next change. NULL: its server was killed. */
void sim_track(struct conn *conn, struct str customer);
/* Tells all who have read the customer; writer NULL: nobody wrote, it is over. */
void sim_changed(struct sim *sim, const struct call *writer, struct str customer);

#endif
