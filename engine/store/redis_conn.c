/* One connection to Redis; see redis_conn.h.
 *
 * hiredis 0.14 runs its NULL callbacks before the clean-up hook, 1.x after it. Both orders are right here,
 * since `lost` is told at the first sign of either, while the dying context still has the bytes that never
 * left. redisAsyncFree is never called from hiredis's connect callback, where 0.14 would free at once what it
 * still uses. The struct outlives the context until libuv has closed the poll handle.
 * SPDX-License-Identifier: Apache-2.0 */
#include "store/redis_conn.h"
#include <hiredis/async.h>
#include <hiredis/sds.h>
#include <stdlib.h>

struct redis_conn {
    struct redis_conn_owner owner;
    redisAsyncContext *ac; /* NULL once hiredis has let go */
    uv_poll_t poll;
    int events;        /* polled for */
    uint64_t appended; /* bytes handed to hiredis */
    bool connected, flushing, lost;
};

static const char *reason(const redisAsyncContext *ac)
{
    return ac->c.err && ac->c.errstr[0] ? ac->c.errstr : "connection closed";
}

static void end(struct redis_conn *conn, const char *why)
{
    if (conn->lost)
        return;
    conn->lost = true;
    conn->owner.lost(conn->owner.user, why, conn->appended - sdslen(conn->ac->c.obuf));
}

/* ---- hiredis's event hooks ---- */

static void on_poll(uv_poll_t *poll, int status, int events);

static void poll_for(struct redis_conn *conn, int events)
{
    if (events == conn->events)
        return;
    conn->events = events;
    if (events)
        uv_poll_start(&conn->poll, events, on_poll);
    else
        uv_poll_stop(&conn->poll);
}

static void hook_add_read(void *data)
{
    struct redis_conn *conn = data;
    poll_for(conn, conn->events | UV_READABLE);
}

static void hook_del_read(void *data)
{
    struct redis_conn *conn = data;
    poll_for(conn, conn->events & ~UV_READABLE);
}

/* Once connected, writes wait for the owner's flush; only what the socket did not take then is polled for. */
static void hook_add_write(void *data)
{
    struct redis_conn *conn = data;
    if (conn->connected && !conn->flushing && !(conn->events & UV_WRITABLE))
        conn->owner.wake(conn->owner.user);
    else
        poll_for(conn, conn->events | UV_WRITABLE);
}

static void hook_del_write(void *data)
{
    struct redis_conn *conn = data;
    poll_for(conn, conn->events & ~UV_WRITABLE);
}

static void on_poll_closed(uv_handle_t *handle)
{
    struct redis_conn *conn = handle->data;
    struct redis_conn_owner owner = conn->owner;
    free(conn);
    owner.gone(owner.user);
}

static void hook_cleanup(void *data)
{
    struct redis_conn *conn = data;
    end(conn, reason(conn->ac));
    conn->ac = NULL;
    conn->events = 0;
    uv_close((uv_handle_t *)&conn->poll, on_poll_closed);
}

static void handle_write(struct redis_conn *conn)
{
    conn->flushing = true;
    redisAsyncHandleWrite(conn->ac);
    conn->flushing = false;
}

/* hiredis aborts the process on a reply that nobody asked for. What comes while nothing is owed is either the
 * end of the stream, which hiredis may see, or a reason to leave (`-ERR max number of clients reached`, a
 * server that is no Redis). */
static bool unasked(struct redis_conn *conn)
{
    char bytes[128], why[192];
    if (!conn->connected || conn->owner.owed(conn->owner.user))
        return false;
    ssize_t n = recv(conn->ac->c.fd, bytes, sizeof bytes, MSG_PEEK | MSG_DONTWAIT);
    if (n <= 0)
        return false;
    for (ssize_t i = 0; i < n; i++)
        if (bytes[i] < ' ' || bytes[i] > '~')
            n = i;
    snprintf(why, sizeof why, "Redis said, without being asked: %.*s", (int)n, bytes);
    redis_conn_drop(conn, why);
    return true;
}

/* On a poll error libuv has stopped polling: both handlers run, so that one of them finds the socket's error.
 */
static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct redis_conn *conn = poll->data;
    if (status < 0) {
        conn->events = 0;
        events = UV_READABLE | UV_WRITABLE;
    }
    if (conn->ac && (events & UV_READABLE) && !unasked(conn))
        redisAsyncHandleRead(conn->ac);
    if (conn->ac && (events & UV_WRITABLE))
        handle_write(conn);
    if (conn->ac && status < 0)
        redis_conn_drop(conn, uv_strerror(status));
}

/* ---- hiredis's callbacks ---- */

static void on_reply(redisAsyncContext *ac, void *reply, void *command)
{
    struct redis_conn *conn = ac->data;
    bool surplus = reply && ac->replies.head == NULL && ac->c.reader->pos < ac->c.reader->len;
    if (!reply)
        end(conn, reason(ac));
    conn->owner.reply(conn->owner.user, command, conn->lost ? NULL : reply, surplus);
}

static void on_connect(const redisAsyncContext *ac, int status)
{
    struct redis_conn *conn = ac->data;
    if (status != REDIS_OK) {
        end(conn, reason(ac));
    } else if (!conn->lost) {
        conn->connected = true;
        conn->owner.up(conn->owner.user);
    }
}

/* ---- the owner's side ---- */

int redis_conn_open(struct redis_conn **out, uv_loop_t *loop, const struct redis_url *url,
                    const char *address, const struct redis_conn_owner *owner, struct error *why)
{
    int rc = 0;
    struct redis_conn *conn = calloc(1, sizeof *conn);
    redisAsyncContext *ac =
        url->path[0] ? redisAsyncConnectUnix(url->path) : redisAsyncConnect(address, url->port);
    ASSERT(conn != NULL && ac != NULL);
    if (ac->err)
        rc = error_set(why, ERR_IO, "%s", ac->errstr);
    else if ((rc = uv_poll_init(loop, &conn->poll, ac->c.fd)) < 0)
        rc = error_set(why, ERR_IO, "%s", uv_strerror(rc));
    if (rc < 0) {
        redisAsyncFree(ac);
        free(conn);
        return rc;
    }
    conn->owner = *owner;
    conn->poll.data = conn;
    conn->ac = ac;
    ac->data = conn;
    ac->ev.data = conn;
    ac->ev.addRead = hook_add_read;
    ac->ev.delRead = hook_del_read;
    ac->ev.addWrite = hook_add_write;
    ac->ev.delWrite = hook_del_write;
    ac->ev.cleanup = hook_cleanup;
    redisAsyncSetConnectCallback(ac, on_connect);
    *out = conn;
    return 0;
}

bool redis_conn_send(struct redis_conn *conn, const char *bytes, size_t size, void *command)
{
    if (!conn->ac || redisAsyncFormattedCommand(conn->ac, on_reply, command, bytes, size) != REDIS_OK)
        return false;
    conn->appended += size;
    return true;
}

uint64_t redis_conn_appended(const struct redis_conn *conn)
{
    return conn->appended;
}

void redis_conn_flush(struct redis_conn *conn)
{
    if (conn->ac && conn->connected && !(conn->events & UV_WRITABLE))
        handle_write(conn);
}

void redis_conn_drop(struct redis_conn *conn, const char *why)
{
    end(conn, why);
    if (conn->ac)
        redisAsyncFree(conn->ac);
}
