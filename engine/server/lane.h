/* A worker with its thread: event loop, connection to the store, near cache, gRPC connections. A server has one or several; the
 * process's own thread (serve.c) accepts connections, loads policies and watches over all of them, and tells them what to do
 * through their mailboxes.
 *
 * What lanes share: the log (each has its outbox), the snapshot that serves (immutable), the hints of their near caches. A customer's
 * calls may come to any of them; between lanes, as between servers, the store's compare-and-set decides.
 *
 *   lane_start --> connections, snapshots --> lane_drain --> lane_stop (the store goes) --> [the log stops] --> lane_end
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_SERVER_LANE_H
#define TACT_SERVER_LANE_H
#include "server/stats.h"

struct lane;

struct lane_options {
    const char *store_url, *prefix;
    size_t cache_bytes; /* 0: no near cache */
    struct near_hints *hints; /* NULL: it is the only lane */
    struct worker_config config; /* all but store and sink */
    struct log_writer *log;
    void *user;
    void (*store_ready)(void *user); /* on the lane's thread, each time */
};

/* Starts the thread; everything else is called from the thread that started it. */
int lane_start(struct lane **out, const struct lane_options *o, struct error *e) MUST_CHECK;
/* Serves a connection that somebody accepted. */
void lane_connection_take(struct lane *l, int fd);
void lane_set_secret(struct lane *l, const uint8_t secret[STORE_SECRET_BYTES]);
/* The snapshot serves from now on (NULL: none does); what names says it can be read with is copied. */
void lane_serve(struct lane *l, struct snapshot *snapshot, const struct names *names);
/* Lets calls finish for at most grace_ms; done on the lane's thread. */
void lane_drain(struct lane *l, int64_t grace_ms, void (*done)(void *user), void *user);

/* What the lane has counted, on its thread, valid for the time of the call. */
void lane_count(struct lane *l, void (*counted)(void *user, const struct stats *c), void *user);
uint32_t lane_calls(struct lane *l); /* under way; waits for the thread */

/* The store goes away: calls that are left end. Waits for the thread. */
void lane_stop(struct lane *l);
/* After the log has stopped: the last reports, then the thread ends. Gives the last counts (may be NULL). */
void lane_end(struct lane **l, void (*counted)(void *user, const struct stats *c), void *user);

#endif
