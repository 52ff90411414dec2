/* A private Redis for a server without one: a redis-server (or valkey-server) child on a Unix socket, its
 * data in a folder of ours, append-only file on, no eviction, no TCP port.
 *
 * The folder is locked (flock on `lock`) by us and by the child together, so that a second server is refused
 * as long as either lives, and after a kill -9 a new one starts at once. The child gets SIGTERM when the
 * thread that started it dies, runs in a session of its own (a Ctrl-C reaches the server, which drains, not
 * its Redis), and logs to redis.log. Starting and stopping block, for a bounded time: not for a running loop.
 * Start from a thread that lives as long as the server. One thread at a time.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_STORE_REDIS_EMBEDDED_H
#define TACT_STORE_REDIS_EMBEDDED_H
#include "base/error.h"
#include <stdint.h>
#include <sys/types.h>

struct redis_embedded;

struct redis_embedded_options {
    const char *binary; /* NULL: redis-server, else valkey-server, in PATH and the usual folders */
    /* appendfsync always: nothing that was acknowledged is ever lost. Else everysec: a power cut loses up to two seconds,
     * and so may a kill -9 of Redis while its background sync is slow, since it then holds its writes back. */
    bool sync_always;
    uint64_t maxmemory_bytes; /* 0: no limit */
    int start_timeout_ms;     /* 0: REDIS_EMBEDDED_START_MS; loading a big file takes its time */
    int stop_timeout_ms;      /* 0: REDIS_EMBEDDED_STOP_MS, then SIGKILL */
    int lock_timeout_ms;      /* 0: REDIS_EMBEDDED_LOCK_MS; how long a dead server's Redis may take to die */
};
enum { REDIS_EMBEDDED_START_MS = 60000, REDIS_EMBEDDED_STOP_MS = 10000, REDIS_EMBEDDED_LOCK_MS = 5000 };

/* Makes the folder (mode 0700, its parent must exist), starts the child and waits until it answers PING.
 * options may be NULL. ERR_NOTFOUND: no binary (the text names the packages); ERR_EXISTS: another server uses
 * the folder; ERR_IO, ERR_TIMEOUT: it did not start (the text ends with its last log line). */
int redis_embedded_start(struct redis_embedded **out, const char *folder,
                         const struct redis_embedded_options *options, struct error *e) MUST_CHECK;
/* SIGTERM, a bounded wait, then SIGKILL; removes the socket, unlocks, frees. */
void redis_embedded_stop(struct redis_embedded **r);

/* The address for redis_store_new; lives as long as r and does not change over a restart. */
const char *redis_embedded_url(const struct redis_embedded *r);
pid_t redis_embedded_pid(const struct redis_embedded *r);

/* Whether the child lives; reaps it when not. Does not block. */
bool redis_embedded_alive(struct redis_embedded *r);
/* After a death: starts it again on the same data and socket. wait false: returns at once, the store's link
 * finds it. */
int redis_embedded_restart(struct redis_embedded *r, bool wait, struct error *e) MUST_CHECK;

#endif
