/* A second connection to the Redis of a link, over which Redis says which keys that the link has read were changed by others
 * (server-assisted client caching with RESP2: CLIENT TRACKING ... REDIRECT to a connection that is subscribed to
 * __redis__:invalidate). hiredis's asynchronous client is not used here: its subscriptions cannot be pinged in RESP2. Its reader
 * of replies is.
 *
 *   OFF --redis_watch_start--> CONNECTING --> GREETING (AUTH, CLIENT ID, SUBSCRIBE) --> UP --lost--> PAUSE --> CONNECTING ...
 *
 * It pings every WATCH_PING_MS and gives a connection up that has said nothing for WATCH_STALL_MS, so a change that never comes
 * goes unnoticed for that long at most.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_STORE_REDIS_WATCH_H
#define TACT_STORE_REDIS_WATCH_H
#include "store/redis_url.h"
#include <uv.h>

enum {
    WATCH_PING_MS = 500,
    WATCH_STALL_MS = 1500,
    WATCH_CONNECT_MS = 2000,
    WATCH_PAUSE_MIN_MS = 50,
    WATCH_PAUSE_MAX_MS = 2000,
    WATCH_REPLY_MAX = 1 << 20 /* bytes of one message */
};

struct redisReply;
struct redis_watch;

struct redis_watch_owner {
    void *user;
    void (*up)(void *user, long long client_id);
    void (*lost)(void *user); /* after up */
    void (*changed)(void *user, const struct redisReply *keys); /* an array of keys; NULL: all may have changed */
};

/* From the loop, never from inside a call. */
struct redis_watch *redis_watch_new(uv_loop_t *loop, const struct redis_url *url, const struct redis_watch_owner *owner);
/* Connects, afresh when it is connected, and again whenever it is lost. address: of url.host, resolved; copied; "" for a Unix
 * socket. */
void redis_watch_start(struct redis_watch *w, const char *address);
/* Nothing is told any more; the memory goes when the loop has closed the handles. */
void redis_watch_free(struct redis_watch **w);

#endif
