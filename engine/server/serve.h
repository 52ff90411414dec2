/* The server process: this thread accepts connections, loads policies, watches store and log, and minds signals; lanes
 * (lane.h), a thread each, decide. serve_run returns when it
 * was told to stop (SIGTERM, SIGINT) and everything is drained and closed.
 *
 *   start:   log --> policy, model --> store --> listen (UNAVAILABLE) --> store ready --> names, secret --> serve
 *   SIGHUP:  load again, off the loop --> names --> serve; a bad folder changes nothing
 *   SIGUSR1: print the counts
 *   stop:    drain calls --> stores --> log --> private Redis --> a load under way, for a second --> end
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_SERVER_SERVE_H
#define TACT_SERVER_SERVE_H
#include "base/error.h"
#include <stdint.h>

enum { SERVE_LISTEN_MAX = 16, SERVE_WORKERS_MAX = 64 };

struct serve_options {
    const char *policy; /* folder */
    const char *model;  /* folder, or NULL */
    const char *listen[SERVE_LISTEN_MAX];
    int listen_count;
    const char *store;  /* URL, or NULL: a private Redis below data */
    const char *prefix; /* of keys; NULL: tact */
    const char *data;   /* folder: private Redis */
    const char *log;    /* folder; NULL: <data>/log */
    const char *name;   /* of this server; NULL: made up */
    bool allow_as_of, ack_batched, redis_sync_always;
    int64_t drain_ms;
    int64_t workers;      /* threads that decide, 1 to SERVE_WORKERS_MAX */
    int64_t cache_mb;     /* of customers' states, of all workers together; 0: none */
    int64_t max_stale_ms; /* of those that decisions may use when the store cannot be asked */
};

/* 0 after an orderly stop. Prints "listening ADDRESS", "ready …" and at the end "stats …" on stdout. */
int serve_run(const struct serve_options *o, struct error *e) MUST_CHECK;

#endif
