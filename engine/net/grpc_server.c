/* Sockets, listeners, idle connections and draining of a gRPC server; the protocol is in grpc_session, the
 * writing in h2_link.
 *
 *     listening --drain--> DRAINING --no connections left--> DONE
 *
 * Every uv handle of the server is counted; grpc_server_free closes those that are left, and the memory goes
 * with the last of them. A sweep twice a second closes connections that are late with their preface, idle, or
 * do not read; one told to go that stays is closed CLOSE_GRACE_MS later.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "net/grpc_server.h"
#include "base/clock.h"
#include "net/address.h"
#include "net/grpc_session.h"
#include "net/grpc_stream.h"
#include "net/h2_link.h"
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utlist.h>

enum { SWEEP_MS = 500, CLOSE_GRACE_MS = 5000, DRAIN_IDLE_MS = 1000, BACKLOG = 1024, LISTENERS_MAX = 16 };

struct conn {
    struct h2_link link; /* first */
    struct grpc_session session;
    struct grpc_server *server;
    struct conn *prev, *next;
    uint64_t opened_ms, active_ms;
    uint64_t close_by_ms; /* 0: not told to go */
};

struct listener {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } u; /* first */
    struct grpc_server *server;
    struct listener *next;
    bool waiting; /* a connection could not be taken for lack of memory */
};

enum server_state { SERVING, DRAINING, DONE };

struct grpc_server {
    struct grpc_host host;
    struct h2_io io;
    uv_timer_t sweep, grace;
    uv_idle_t more; /* runs while streams wait for their next turn */
    struct listener *listeners;
    size_t listener_count;
    struct conn *conns;
    enum server_state state;
    uint64_t drains_ms; /* since when */
    bool freeing;
    size_t handles; /* uv handles not yet closed, connections and listeners among them */
    void (*done)(void *user);
    void *done_user;
};

/* ---- handles ---- */

static void handle_gone(struct grpc_server *s)
{
    ASSERT(s->handles > 0);
    if (--s->handles > 0 || !s->freeing)
        return;
    grpc_host_free(&s->host);
    free(s);
}

static void on_part_closed(uv_handle_t *handle)
{
    handle_gone(handle->data);
}

static void on_listener_closed(uv_handle_t *handle)
{
    struct listener *l = (struct listener *)handle;
    struct grpc_server *s = l->server;
    free(l);
    handle_gone(s);
}

static void close_listeners(struct grpc_server *s)
{
    while (s->listeners) {
        struct listener *l = s->listeners;
        s->listeners = l->next;
        uv_close(&l->u.handle, on_listener_closed);
    }
}

/* All connections are gone while draining: tell the owner, once. */
static void check_drained(struct grpc_server *s)
{
    if (s->state != DRAINING || s->conns || s->freeing)
        return;
    s->state = DONE;
    uv_timer_stop(&s->grace);
    uv_timer_stop(&s->sweep);
    if (s->done)
        s->done(s->done_user);
}

/* ---- connections ---- */

static void on_conn_input(struct h2_link *l, const uint8_t *p, size_t n)
{
    struct conn *c = (struct conn *)l;
    (void)!grpc_session_feed(&c->session, p, n,
                             clock_mono_ns()); /* a broken pump is closed once it is drained */
}

static void on_conn_closed(struct h2_link *l, int error)
{
    (void)error;
    struct conn *c = (struct conn *)l;
    struct grpc_server *s = c->server;
    DL_DELETE(s->conns, c);
    s->host.counts.connections_now--;
    grpc_session_free(&c->session);
    free(c);
    check_drained(s);
    handle_gone(s);
}

static const struct h2_link_hooks conn_hooks = {.input = on_conn_input, .closed = on_conn_closed};

static void on_more(uv_idle_t *idle)
{
    struct grpc_server *s = idle->data;
    struct conn *c, *next;
    uv_idle_stop(idle); /* wake starts it again */
    DL_FOREACH_SAFE(s->conns, c, next)
    if (c->session.unfinished && !c->link.closing)
        grpc_session_continue(&c->session);
}

static void on_session_wake(struct grpc_session *session)
{
    struct conn *c = (struct conn *)((char *)session - offsetof(struct conn, session));
    h2_link_wake(&c->link);
    if (session->unfinished && !c->server->freeing)
        uv_idle_start(&c->server->more, on_more);
}

/* A connection with an initialised, unconnected handle; NULL without memory. */
static struct conn *conn_new(struct grpc_server *s, int family)
{
    struct conn *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    if (grpc_session_init(&c->session, &s->host, on_session_wake, NULL) != 0) {
        free(c);
        return NULL;
    }
    if (h2_link_init(&c->link, &s->io, family, &c->session.pump, &conn_hooks) != 0) {
        grpc_session_free(&c->session);
        free(c);
        return NULL;
    }
    c->server = s;
    c->opened_ms = c->active_ms = uv_now(s->io.loop);
    DL_APPEND(s->conns, c);
    s->handles++;
    s->host.counts.connections_now++;
    return c;
}

/* The socket is in place: serve it, or refuse it when there are too many. */
static void conn_start(struct conn *c)
{
    struct grpc_server *s = c->server;
    if (s->state != SERVING || s->host.counts.connections_now > s->host.options.connections_max) {
        s->host.counts.connections_refused++;
        h2_link_close(&c->link, 0);
        return;
    }
    s->host.counts.connections_opened++;
    h2_link_opened(&c->link);
}

static void on_passing_closed(uv_handle_t *handle)
{
    struct grpc_server *s = handle->data;
    free(handle);
    handle_gone(s);
}

/* Accepts, and gives the socket away. */
static void hand_off(struct listener *l)
{
    struct grpc_server *s = l->server;
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } *passing = malloc(sizeof *passing);
    l->waiting = !passing;
    if (!passing)
        return;
    if (l->u.handle.type == UV_NAMED_PIPE)
        uv_pipe_init(s->io.loop, &passing->pipe, 0);
    else
        uv_tcp_init(s->io.loop, &passing->tcp);
    passing->handle.data = s;
    s->handles++;
    uv_os_fd_t fd;
    if (uv_accept(&l->u.stream, &passing->stream) == 0 && uv_fileno(&passing->handle, &fd) == 0 &&
        (fd = fcntl(fd, F_DUPFD_CLOEXEC, 0)) >= 0) {
        s->host.counts.connections_opened++;
        s->host.options.hand_off(s->host.options.hand_off_user, fd);
    }
    uv_close(&passing->handle, on_passing_closed);
}

static void on_connection(uv_stream_t *stream, int status)
{
    struct listener *l = (struct listener *)stream;
    if (status < 0)
        return;
    if (l->server->host.options.hand_off) {
        hand_off(l);
        return;
    }
    struct conn *c = conn_new(l->server, l->u.handle.type == UV_NAMED_PIPE ? AF_UNIX : AF_INET);
    l->waiting = !c; /* libuv takes no other before this one is accepted; the sweep tries again */
    if (!c)
        return;
    if (uv_accept(stream, &c->link.u.stream) < 0)
        h2_link_close(&c->link, 0);
    else
        conn_start(c);
}

int grpc_server_adopt_take(struct grpc_server *s, int fd, struct error *e)
{
    struct sockaddr_storage name;
    socklen_t n = sizeof name;
    if (getsockname(fd, (struct sockaddr *)&name, &n) != 0) {
        close(fd);
        return error_set(e, ERR_INVALID, "not a socket");
    }
    struct conn *c = conn_new(s, name.ss_family);
    int r = !c                          ? UV_ENOMEM
            : name.ss_family == AF_UNIX ? uv_pipe_open(&c->link.u.pipe, fd)
                                        : uv_tcp_open(&c->link.u.tcp, fd);
    if (r < 0) {
        close(fd);
        if (c)
            h2_link_close(&c->link, 0);
        return error_set(e, ERR_IO, "cannot serve the socket: %s", uv_strerror(r));
    }
    conn_start(c);
    return 0;
}

/* ---- the sweep ---- */

static void sweep_conn(struct conn *c, uint64_t now)
{
    const struct grpc_options *o = &c->server->host.options;
    uint64_t idle_ms = (uint64_t)o->idle_s * 1000;
    bool held = false;
    grpc_session_sweep(&c->session, clock_mono_us());
    for (struct grpc_call *call = c->session.calls; call && !held; call = call->next)
        held = call->state == CALL_HELD && call->stream_open && !grpc_stream_waits(call);
    if (c->session.touched || held)
        c->active_ms = now;
    c->session.touched = false;
    if (c->link.pending && now - c->link.stalled_ms >= idle_ms)
        h2_link_close(&c->link, UV_ETIMEDOUT);
    else if (!c->session.settled && now - c->opened_ms >= (uint64_t)o->preface_s * 1000)
        h2_link_close(&c->link, UV_ETIMEDOUT);
    else if (c->close_by_ms && now >= c->close_by_ms)
        h2_link_close(&c->link, UV_ETIMEDOUT);
    else if (c->server->state == DRAINING && !c->session.calls && now - c->server->drains_ms >= DRAIN_IDLE_MS)
        grpc_session_drain(&c->session, true); /* it leaves our PING unanswered, and has nothing to lose */
    else if (!c->close_by_ms && c->server->state == SERVING && now - c->active_ms >= idle_ms) {
        c->close_by_ms = now + CLOSE_GRACE_MS;
        grpc_session_end_streams(&c->session, GRPC_UNAVAILABLE, "nothing came for too long");
        grpc_session_drain(&c->session, c->session.calls == NULL);
    }
}

static void on_sweep(uv_timer_t *timer)
{
    struct grpc_server *s = timer->data;
    struct conn *c, *next;
    DL_FOREACH_SAFE(s->conns, c, next)
    sweep_conn(c, uv_now(s->io.loop));
    for (struct listener *l = s->listeners; l; l = l->next)
        if (l->waiting)
            on_connection(&l->u.stream, 0);
}

/* ---- life ---- */

int grpc_server_new(struct grpc_server **out, uv_loop_t *loop, const struct grpc_method *methods,
                    const struct grpc_options *options, struct error *e)
{
    *out = NULL;
    struct grpc_server *s = calloc(1, sizeof *s);
    if (!s)
        return error_set(e, ERR_NOSPACE, "out of memory");
    int r = grpc_host_init(&s->host, methods, options, e);
    if (r != 0) {
        free(s);
        return r;
    }
    ASSERT(h2_io_init(&s->io, loop) == 0); /* these cannot fail on Linux */
    ASSERT(uv_timer_init(loop, &s->sweep) == 0 && uv_timer_init(loop, &s->grace) == 0 &&
           uv_idle_init(loop, &s->more) == 0);
    s->io.prepare.data = s->sweep.data = s->grace.data = s->more.data = s;
    s->handles = 4;
    uv_timer_start(&s->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
    uv_unref((uv_handle_t *)&s->sweep);
    *out = s;
    return 0;
}

/* A socket file that nobody listens on is left over from a server that was killed. */
static int remove_stale(const char *path, struct error *e)
{
    struct stat st;
    if (lstat(path, &st) != 0)
        return 0;
    if (!S_ISSOCK(st.st_mode))
        return error_set(e, ERR_EXISTS, "unix:%s: a file that is no socket is there", path);
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    memcpy(name.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int r = fd < 0 ? -1 : connect(fd, (struct sockaddr *)&name, sizeof name);
    bool refused = r != 0 && errno == ECONNREFUSED;
    if (fd >= 0)
        close(fd);
    if (!refused)
        return error_set(e, ERR_EXISTS, "unix:%s: somebody listens there already", path);
    return unlink(path) == 0 ? 0 : error_set(e, ERR_IO, "unix:%s: cannot remove: %s", path, strerror(errno));
}

static int listen_unix(struct listener *l, const struct address *a, char bound[128], struct error *e)
{
    int r = remove_stale(a->path, e);
    if (r != 0)
        return r;
    r = uv_pipe_bind(&l->u.pipe, a->path);
    if (r == 0 && chmod(a->path, 0600) != 0) /* before listen, so nobody can have connected */
        r = uv_translate_sys_error(errno);
    if (r == 0)
        r = uv_listen(&l->u.stream, BACKLOG, on_connection);
    if (r < 0)
        return error_set(e, ERR_IO, "unix:%s: cannot listen: %s", a->path, uv_strerror(r));
    snprintf(bound, 128, "unix:%s", a->path);
    return 0;
}

static int listen_tcp(struct listener *l, const struct address *a, const char *text, char bound[128],
                      struct error *e)
{
    struct sockaddr_storage name;
    int n = sizeof name;
    int r = uv_tcp_bind(&l->u.tcp, (const struct sockaddr *)&a->found[0], 0);
    if (r == 0)
        r = uv_listen(&l->u.stream, BACKLOG, on_connection);
    if (r == 0)
        r = uv_tcp_getsockname(&l->u.tcp, (struct sockaddr *)&name, &n);
    if (r < 0)
        return error_set(e, ERR_IO, "%s: cannot listen: %s", text, uv_strerror(r));
    address_write((struct sockaddr *)&name, bound);
    return 0;
}

int grpc_server_listen(struct grpc_server *s, const char *address, char bound[128], struct error *e)
{
    struct address a;
    int r = address_parse(address, s->io.loop, &a, e);
    if (r != 0)
        return r;
    if (s->state != SERVING || s->listener_count == LISTENERS_MAX)
        return error_set(e, ERR_NOSPACE,
                         "%s: the server listens on %d addresses already, or is being drained", address,
                         LISTENERS_MAX);
    struct listener *l = calloc(1, sizeof *l);
    if (!l)
        return error_set(e, ERR_NOSPACE, "out of memory");
    l->server = s;
    r = a.is_unix ? uv_pipe_init(s->io.loop, &l->u.pipe, 0) : uv_tcp_init(s->io.loop, &l->u.tcp);
    if (r < 0) {
        free(l);
        return error_set(e, ERR_IO, "%s: %s", address, uv_strerror(r));
    }
    s->handles++;
    r = a.is_unix ? listen_unix(l, &a, bound, e) : listen_tcp(l, &a, address, bound, e);
    if (r != 0) {
        uv_close(&l->u.handle, on_listener_closed);
        return r;
    }
    l->next = s->listeners;
    s->listeners = l;
    s->listener_count++;
    return 0;
}

static void on_grace_over(uv_timer_t *timer)
{
    struct grpc_server *s = timer->data;
    struct conn *c, *next;
    DL_FOREACH_SAFE(s->conns, c, next)
    {
        grpc_session_drain(&c->session, true);
        h2_link_close(&c->link, UV_ETIMEDOUT);
    }
    check_drained(s);
}

void grpc_server_drain(struct grpc_server *s, int64_t grace_ms, void (*done)(void *user), void *user)
{
    ASSERT(s->state == SERVING);
    s->state = DRAINING;
    s->drains_ms = uv_now(s->io.loop);
    s->done = done;
    s->done_user = user;
    close_listeners(s);
    struct conn *c;
    DL_FOREACH(s->conns, c)
    {
        grpc_session_drain(&c->session, !c->session.settled);
        grpc_session_end_streams(&c->session, GRPC_UNAVAILABLE, GRPC_STREAM_STOPPING);
    }
    /* Without connections the timer is what calls done from the loop. */
    uv_timer_start(&s->grace, on_grace_over, s->conns && grace_ms > 0 ? (uint64_t)grace_ms : 0, 0);
}

void grpc_server_free(struct grpc_server **out)
{
    struct grpc_server *s = *out;
    *out = NULL;
    if (!s)
        return;
    s->freeing = true;
    close_listeners(s);
    struct conn *c, *next;
    DL_FOREACH_SAFE(s->conns, c, next)
    h2_link_close(&c->link, 0);
    uv_close((uv_handle_t *)&s->sweep, on_part_closed);
    uv_close((uv_handle_t *)&s->grace, on_part_closed);
    uv_close((uv_handle_t *)&s->more, on_part_closed);
    h2_io_close(&s->io, on_part_closed);
}

void grpc_server_counts(const struct grpc_server *s, struct grpc_counts *out)
{
    *out = s->host.counts;
}
