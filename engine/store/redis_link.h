/* One connection to one Redis, kept alive: hiredis's asynchronous client on libuv with an adapter of our own.
 *
 *      +------------------------- CLOSED <-------------------------------------+
 *      | backoff timer                ^ cannot connect, timer, error, refused  | lost, stalled
 *      v                              |                                        |
 *  CONNECTING ---> (connected) ---> GREETING ---- AUTH, SELECT, owner's checks ----> READY
 *
 * Commands go out and are answered in order. A command has a deadline; when it passes, its owner hears
 * NO_REPLY, the connection stays, and the late reply is thrown away when it comes. A connection that owes a
 * reply and gives none for stall_ms is dropped and opened afresh (a fresh hiredis context each time).
 * Commands are written once a loop turn, all together. What is unanswered is bounded in number and bytes;
 * past a bound a command fails at once as NOT_SENT.
 *
 * NOT_SENT is certain: Redis cannot have run the command, since its last byte never left for the socket.
 * NO_REPLY is not: it may have run.
 *
 * One thread: the loop's. Sets SIGPIPE to ignored when it still has its default, since hiredis writes with
 * write(2).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_STORE_REDIS_LINK_H
#define TACT_STORE_REDIS_LINK_H
#include "store/heap.h"
#include "store/redis_url.h"
#include <uv.h>

struct redisReply;
struct redis_link;

enum link_outcome {
    LINK_REPLY,    /* reply is set, for the time of the callback (it may be an error reply) */
    LINK_NOT_SENT, /* certainly not run; why is set */
    LINK_NO_REPLY  /* run or not; why is set */
};
struct link_result {
    enum link_outcome outcome;
    const struct redisReply *reply;
    const char *why;
};

/* First member of the owner's own struct, which comes from malloc and belongs to the link from
 * redis_link_send on; the link frees it after cb, or, when the deadline came first, after the late reply. The
 * owner sets the first group. */
struct link_command {
    void (*cb)(struct link_command *c, const struct link_result *r); /* NULL: nobody waits */
    int64_t deadline_us;                                             /* clock_mono_us; INT64_MAX: none */
    const char *bytes; /* RESP and a NUL; lives as long as the command */
    size_t size;
    bool greeting; /* part of the greeting: goes out before READY */
    bool again; /* set by cb on a reply that says "not run": sends the same bytes once more, same deadline */

    struct link_command *next;
    struct heap_node deadline;
    uint64_t end; /* where its last byte is in the connection's stream */
    int64_t sent_us;
    bool sent;
    const char *why;
};

struct redis_link_options {
    int connect_timeout_ms; /* resolving, connecting and greeting together */
    int stall_ms;           /* a reply is owed this long: drop the connection */
    int idle_ping_ms;       /* nothing was asked this long: PING, so that a dead peer is noticed */
    int backoff_min_ms, backoff_max_ms;
    size_t max_commands, max_bytes; /* unanswered */
    uint64_t seed;                  /* of the jitter; 0: from the system */
};
/* What a member that is 0 means. */
enum {
    LINK_CONNECT_TIMEOUT_MS = 2000,
    LINK_STALL_MS = 5000,
    LINK_IDLE_PING_MS = 5000,
    LINK_BACKOFF_MIN_MS = 50,
    LINK_BACKOFF_MAX_MS = 2000,
    LINK_MAX_COMMANDS = 65536,
    LINK_MAX_BYTES = 96 << 20
};

struct redis_link_owner {
    void *user;
    /* Connected and authenticated: send the checks (greeting = true), then call redis_link_accept or _refuse.
     */
    void (*greet)(void *user);
    /* READY or not any more, or still not for another reason than last time. From the loop, never from inside
     * a call. */
    void (*status)(void *user, bool ready, const char *text);
};

/* Starts connecting. url is copied. */
int redis_link_new(struct redis_link **out, uv_loop_t *loop, const struct redis_url *url,
                   const struct redis_link_options *options, const struct redis_link_owner *owner,
                   struct error *e) MUST_CHECK;
/* Calls the callbacks of all open commands, then closes; the memory goes when the loop has closed the
 * handles, so run it once more. Allowed from inside a command's callback. Commands sent from those callbacks
 * fail from inside the send. */
void redis_link_free(struct redis_link **link);

/* Takes the command, even when it fails. */
void redis_link_send(struct redis_link *link, struct link_command *c);
/* Takes the command and fails it as NOT_SENT, from the loop. why is static text. */
void redis_link_fail(struct redis_link *link, struct link_command *c, const char *why);
bool redis_link_ready(const struct redis_link *link);

void redis_link_accept(struct redis_link *link); /* GREETING -> READY */
/* GREETING -> CLOSED. soon: it will mend by itself, try as after a lost connection; else with the longest
 * backoff. */
void redis_link_refuse(struct redis_link *link, const char *why, bool soon);

/* For tests and metrics. */
struct redis_link_stats {
    uint64_t connects;     /* times READY */
    uint64_t late_replies; /* thrown away */
    size_t unanswered, unanswered_bytes;
};
struct redis_link_stats redis_link_stats(const struct redis_link *link);
const char *redis_link_place(const struct redis_link *link);
/* Of the newest connection, resolved; "" before the first, and for a Unix socket. */
const char *redis_link_address(const struct redis_link *link);

#endif
