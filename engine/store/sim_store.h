/* A simulated store: the contract of store.h in virtual time, for tests that must see every order of events
 * and every lost message, and see it again from the same seed. Several connections (one a simulated server)
 * share one data set. Nothing happens by itself: sim_step runs the next event, in order of virtual time;
 * equal times come out in seeded order. Requests and replies take a seeded delay; they may be lost, and then
 * the deadline tells the caller, exactly as with Redis: STORE_UNAVAILABLE for a read, STORE_UNCERTAIN for the
 * rest. Deadlines are virtual microseconds (sim_now). One thread. Out of memory stops the process.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_STORE_SIM_STORE_H
#define TACT_STORE_SIM_STORE_H
#include "store/store.h"

struct sim;

struct sim_options {
    int64_t delay_min_us, delay_max_us; /* one way; at least 1 */
    bool reorder; /* else one connection's requests arrive, and its replies return, in order */
    double drop_request, drop_reply; /* probability that the message is lost */
    double stall;                    /* probability that a request waits stall_us more before it runs */
    int64_t stall_us;
};

struct sim *sim_new(uint64_t seed, const struct sim_options *o);
/* Frees everything; callbacks of open calls are not called. */
void sim_free(struct sim **sim);
/* New options for messages sent from now on. */
void sim_set_options(struct sim *sim, const struct sim_options *o);

int64_t sim_now(const struct sim *sim); /* starts at 1,000,000 */
/* Runs the next event; false when there is none. */
bool sim_step(struct sim *sim);
/* Runs all events up to and including `until_us`, then the time is that. */
void sim_run_until(struct sim *sim, int64_t until_us);
/* Runs until no event is left or `most` were run; returns how many. */
size_t sim_run(struct sim *sim, size_t most);
/* Calls fn at that time (now, when it has passed). */
void sim_at(struct sim *sim, int64_t time_us, void (*fn)(void *user), void *user);
/* A draw from the simulation's own seed, for scenarios. */
uint64_t sim_random(struct sim *sim, uint64_t bound);

/* A connection. Lives until sim_disconnect or sim_free. */
struct store *sim_connect(struct sim *sim);
/* A killed server: what it has sent may still arrive and apply, or not; its callbacks are never called. */
void sim_disconnect(struct sim *sim, struct store **conn);
/* The network between this server and the store. Down: open calls end as Redis's do when the connection is
 * lost, not yet arrived requests are lost or not by a seeded draw, new calls are STORE_UNAVAILABLE. */
void sim_set_up(struct sim *sim, struct store *conn, bool up);
/* The watch of changes (store_watch) comes on by itself, a delay after it is asked for. This breaks it: changes on the way are
 * lost, the watcher hears of it detect_us later, and of a new watch off_us after that. */
void sim_break_watch(struct sim *sim, struct store *conn, int64_t detect_us, int64_t off_us);
/* FLUSHALL. */
void sim_flush(struct sim *sim);
/* All writes are refused with this text (as OOM, READONLY); NULL: accepted again. Static text. */
void sim_refuse_writes(struct sim *sim, const char *error);

/* A value by its whole key ("tact:{c1}:s"); empty when absent or expired. Valid until the next step. */
struct str sim_get(struct sim *sim, const char *key);
size_t sim_key_count(struct sim *sim);
/* Writes any bytes there, as somebody who is no server might; servers that watch are told. */
void sim_put(struct sim *sim, const char *key, struct str bytes);
struct sim_stats {
    uint64_t changes_told;
    uint64_t calls, applied, lost_requests, lost_replies, late_replies;
};
struct sim_stats sim_stats(const struct sim *sim);

#endif
