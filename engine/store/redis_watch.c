/* Redis's word of changed keys; see redis_watch.h.
 *
 * The struct is freed when its last handle has closed (`refs`): the timer, and the stream of each attempt, of which only the
 * newest is looked at.
 * SPDX-License-Identifier: Apache-2.0 */
#include "store/redis_watch.h"
#include "store/resp.h"
#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <stdlib.h>

enum watch_state { WATCH_OFF, WATCH_CONNECTING, WATCH_GREETING, WATCH_UP, WATCH_PAUSE };
enum { READ_BYTES = 16384, GREETING_MAX = 2048, PAUSE_SHIFT_MAX = 6 };

struct link {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    };
    uv_connect_t connect;
    struct redis_watch *watch;
    char bytes[READ_BYTES];
};

struct redis_watch {
    uv_loop_t *loop;
    struct redis_url url;
    struct redis_watch_owner owner;
    char address[INET6_ADDRSTRLEN + 16];
    enum watch_state state;
    bool closing;
    int refs;
    uv_timer_t timer;
    struct link *link; /* of the newest attempt; NULL: none */
    redisReader *reader;
    long long client_id;
    unsigned attempt;
    uint64_t heard_ms; /* uv_now of the last bytes */
};

static void unref(struct redis_watch *w)
{
    if (--w->refs == 0)
        free(w);
}

static void on_link_closed(uv_handle_t *handle)
{
    struct link *link = handle->data;
    struct redis_watch *w = link->watch;
    free(link);
    unref(w);
}

static void on_timer_closed(uv_handle_t *handle)
{
    unref(handle->data);
}

static void connect_now(struct redis_watch *w);
static void on_timer(uv_timer_t *timer);

static void drop(struct redis_watch *w)
{
    bool was_up = w->state == WATCH_UP;
    if (w->link)
        uv_close(&w->link->handle, on_link_closed);
    w->link = NULL;
    if (w->reader)
        redisReaderFree(w->reader);
    w->reader = NULL;
    if (w->closing)
        return;
    unsigned shift = w->attempt < PAUSE_SHIFT_MAX ? w->attempt : PAUSE_SHIFT_MAX;
    int pause = WATCH_PAUSE_MIN_MS << shift;
    w->attempt++;
    w->state = WATCH_PAUSE;
    uv_timer_start(&w->timer, on_timer, (uint64_t)(pause < WATCH_PAUSE_MAX_MS ? pause : WATCH_PAUSE_MAX_MS), 0);
    if (was_up)
        w->owner.lost(w->owner.user);
}

/* ---- writing ---- */

struct writing {
    uv_write_t request;
    char bytes[];
};

static void on_written(uv_write_t *request, int status)
{
    (void)status; /* reading finds out */
    free(request->data);
}

static void send_bytes(struct redis_watch *w, const char *bytes, size_t n)
{
    struct writing *o = malloc(sizeof *o + n);
    ASSERT(o != NULL);
    memcpy(o->bytes, bytes, n);
    o->request.data = o;
    uv_buf_t b = uv_buf_init(o->bytes, (unsigned)n);
    if (uv_write(&o->request, &w->link->stream, &b, 1, on_written))
        free(o);
}

static size_t add(char *out, size_t at, const struct str *args, size_t count)
{
    size_t n = resp_size(args, count);
    ASSERT(at + n < GREETING_MAX);
    resp_write(out + at, args, count);
    return at + n;
}

static void greet(struct redis_watch *w)
{
    char bytes[GREETING_MAX];
    size_t n = 0;
    w->state = WATCH_GREETING;
    w->client_id = 0;
    if (w->url.password[0]) {
        struct str args[3] = {STR("AUTH"), str_from(w->url.user), str_from(w->url.password)};
        if (!w->url.user[0])
            args[1] = args[2];
        n = add(bytes, n, args, w->url.user[0] ? 3 : 2);
    }
    n = add(bytes, n, (struct str[]){STR("CLIENT"), STR("ID")}, 2);
    n = add(bytes, n, (struct str[]){STR("SUBSCRIBE"), STR("__redis__:invalidate")}, 2);
    send_bytes(w, bytes, n);
}

/* ---- reading ---- */

static bool says(const redisReply *r, const char *word)
{
    return r->type == REDIS_REPLY_STRING && strcmp(r->str, word) == 0;
}

/* False: Redis said something that ends the connection. */
static bool take(struct redis_watch *w, const redisReply *r)
{
    if (r->type == REDIS_REPLY_ERROR)
        return false;
    if (r->type == REDIS_REPLY_INTEGER) {
        w->client_id = r->integer;
        return true;
    }
    if (r->type != REDIS_REPLY_ARRAY || r->elements < 2)
        return r->type == REDIS_REPLY_STATUS; /* of AUTH */
    if (says(r->element[0], "subscribe") && w->state == WATCH_GREETING && w->client_id) {
        w->state = WATCH_UP;
        w->attempt = 0;
        uv_timer_start(&w->timer, on_timer, WATCH_PING_MS, WATCH_PING_MS);
        w->owner.up(w->owner.user, w->client_id);
    } else if (says(r->element[0], "message") && r->elements == 3) {
        w->owner.changed(w->owner.user, r->element[2]->type == REDIS_REPLY_ARRAY ? r->element[2] : NULL);
    }
    return true; /* and pongs */
}

/* The owner may free the watch from inside. */
static void read_replies(struct redis_watch *w, const char *bytes, size_t n)
{
    struct link *link = w->link;
    bool good = redisReaderFeed(w->reader, bytes, n) == REDIS_OK;
    while (good && w->link == link) {
        void *reply = NULL;
        good = redisReaderGetReply(w->reader, &reply) == REDIS_OK;
        if (!reply)
            break;
        good = take(w, reply);
        freeReplyObject(reply);
    }
    if (w->link == link && (!good || w->reader->len > WATCH_REPLY_MAX))
        drop(w);
}

static void on_alloc(uv_handle_t *handle, size_t wanted, uv_buf_t *out)
{
    struct link *link = handle->data;
    (void)wanted;
    *out = uv_buf_init(link->bytes, sizeof link->bytes);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *b)
{
    struct link *link = stream->data;
    struct redis_watch *w = link->watch;
    if (w->link != link || n == 0)
        return;
    w->heard_ms = uv_now(w->loop);
    w->refs++; /* the owner may free it meanwhile */
    if (n < 0)
        drop(w);
    else
        read_replies(w, b->base, (size_t)n);
    unref(w);
}

/* ---- connecting ---- */

static void on_connected(uv_connect_t *request, int status)
{
    struct link *link = request->data;
    struct redis_watch *w = link->watch;
    if (w->link != link)
        return;
    if (status || uv_read_start(&link->stream, on_alloc, on_read))
        drop(w);
    else
        greet(w);
}

static int start_tcp(struct redis_watch *w, struct link *link)
{
    struct sockaddr_storage to;
    if (uv_ip4_addr(w->address, w->url.port, (struct sockaddr_in *)&to) &&
        uv_ip6_addr(w->address, w->url.port, (struct sockaddr_in6 *)&to))
        return UV_EINVAL;
    uv_tcp_nodelay(&link->tcp, 1);
    return uv_tcp_connect(&link->connect, &link->tcp, (const struct sockaddr *)&to, on_connected);
}

static void connect_now(struct redis_watch *w)
{
    struct link *link = calloc(1, sizeof *link);
    ASSERT(link != NULL);
    int rc = w->url.path[0] ? uv_pipe_init(w->loop, &link->pipe, 0) : uv_tcp_init(w->loop, &link->tcp);
    ASSERT(rc == 0);
    link->handle.data = link->connect.data = link;
    link->watch = w;
    w->refs++;
    w->link = link;
    w->reader = redisReaderCreate();
    ASSERT(w->reader != NULL);
    w->state = WATCH_CONNECTING;
    w->heard_ms = uv_now(w->loop);
    uv_timer_start(&w->timer, on_timer, WATCH_CONNECT_MS, 0);
    if (w->url.path[0])
        uv_pipe_connect(&link->connect, &link->pipe, w->url.path, on_connected);
    else if (start_tcp(w, link))
        drop(w);
}

static void on_timer(uv_timer_t *timer)
{
    struct redis_watch *w = timer->data;
    switch (w->state) {
    case WATCH_OFF:
        break;
    case WATCH_PAUSE:
        connect_now(w);
        break;
    case WATCH_CONNECTING:
    case WATCH_GREETING:
        drop(w);
        break;
    case WATCH_UP:
        if (uv_now(w->loop) - w->heard_ms >= WATCH_STALL_MS) {
            drop(w);
        } else {
            char ping[64];
            send_bytes(w, ping, add(ping, 0, (struct str[]){STR("PING")}, 1));
        }
        break;
    }
}

struct redis_watch *redis_watch_new(uv_loop_t *loop, const struct redis_url *url, const struct redis_watch_owner *owner)
{
    struct redis_watch *w = calloc(1, sizeof *w);
    ASSERT(w != NULL);
    w->loop = loop;
    w->url = *url;
    w->owner = *owner;
    w->refs = 1;
    uv_timer_init(loop, &w->timer);
    w->timer.data = w;
    return w;
}

void redis_watch_start(struct redis_watch *w, const char *address)
{
    snprintf(w->address, sizeof w->address, "%s", address);
    if (w->state != WATCH_OFF && w->state != WATCH_PAUSE)
        drop(w);
    w->attempt = 0;
    uv_timer_stop(&w->timer);
    connect_now(w);
}

void redis_watch_free(struct redis_watch **which)
{
    struct redis_watch *w = *which;
    *which = NULL;
    if (!w || w->closing)
        return;
    w->closing = true;
    drop(w);
    uv_close((uv_handle_t *)&w->timer, on_timer_closed);
}
