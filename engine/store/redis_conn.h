/* One connection to Redis for one time: a hiredis asynchronous context and its poll handle. It is opened,
 * carries commands, is lost once, and is gone; what lasts over several of them is redis_link.h. This is our
 * own adapter of hiredis to libuv, since the stock one never reports a refused connection (hiredis 0.14).
 *
 * Order of what the owner hears: up (unless lost comes first), replies, lost (exactly once, whoever noticed),
 * gone (the memory and the loop's handle are free). For each command handed over there is exactly one reply
 * call; with NULL, at the latest before gone, when no reply came. One thread: the loop's.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_STORE_REDIS_CONN_H
#define TACT_STORE_REDIS_CONN_H
#include "store/redis_url.h"
#include <stdint.h>
#include <uv.h>

struct redisReply;
struct redis_conn;

struct redis_conn_owner {
    void *user;
    void (*up)(
        void *user); /* the socket is connected; commands may be sent, redis_conn_drop may not be called */
    /* surplus: the server sent more bytes although nothing else was asked; the connection must be dropped. */
    void (*reply)(void *user, void *command, const struct redisReply *reply, bool surplus);
    /* written: how many bytes of all that was handed over went to the socket. */
    void (*lost)(void *user, const char *why, uint64_t written);
    void (*gone)(void *user);
    void (*wake)(void *user);       /* there are bytes to write: call redis_conn_flush soon */
    bool (*owed)(const void *user); /* whether a reply is owed */
};

/* address: of url.host, resolved; not used for a Unix socket. On failure `why` has the reason and nothing is
 * called. */
int redis_conn_open(struct redis_conn **out, uv_loop_t *loop, const struct redis_url *url,
                    const char *address, const struct redis_conn_owner *owner, struct error *why) MUST_CHECK;
/* Bytes are copied; a NUL follows them. False: the connection is ending and reply will not be called. */
bool redis_conn_send(struct redis_conn *conn, const char *bytes, size_t size, void *command) MUST_CHECK;
/* Bytes handed over so far: a command's last byte is at this place in the stream. */
uint64_t redis_conn_appended(const struct redis_conn *conn);
/* Writes what was handed over; what the socket does not take goes out when it can. */
void redis_conn_flush(struct redis_conn *conn);
/* Ends it; lost is called now, unless it was. */
void redis_conn_drop(struct redis_conn *conn, const char *why);

#endif
