/* libuv plumbing of an HTTP/2 connection; see h2_link.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "net/h2_link.h"
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

static void flush(struct h2_link *l);

static void sleep_again(struct h2_link *l)
{
    if (!l->woken)
        return;
    l->woken = false;
    DL_DELETE(l->io->woken, l);
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct h2_io *io = (struct h2_io *)((char *)prepare - offsetof(struct h2_io, prepare));
    while (io->woken) {
        struct h2_link *l = io->woken;
        sleep_again(l);
        flush(l);
    }
}

static void ignore_sigpipe(void)
{
    struct sigaction now;
    if (sigaction(SIGPIPE, NULL, &now) == 0 && !(now.sa_flags & SA_SIGINFO) && now.sa_handler == SIG_DFL)
        signal(SIGPIPE, SIG_IGN);
}

int h2_io_init(struct h2_io *io, uv_loop_t *loop)
{
    ignore_sigpipe();
    io->loop = loop;
    io->woken = NULL;
    int r = uv_prepare_init(loop, &io->prepare);
    if (r == 0)
        r = uv_prepare_start(&io->prepare, on_prepare);
    uv_unref((uv_handle_t *)&io->prepare);
    return r;
}

void h2_io_close(struct h2_io *io, uv_close_cb closed)
{
    uv_close((uv_handle_t *)&io->prepare, closed);
}

int h2_link_init(struct h2_link *l, struct h2_io *io, int family, struct h2_pump *pump,
                 const struct h2_link_hooks *hooks)
{
    l->io = io;
    l->pump = pump;
    l->hooks = hooks;
    return family == AF_UNIX ? uv_pipe_init(io->loop, &l->u.pipe, 0) : uv_tcp_init(io->loop, &l->u.tcp);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    (void)suggested;
    struct h2_link *l = (struct h2_link *)handle;
    *out = uv_buf_init((char *)l->io->in, sizeof l->io->in);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *bytes);

/* Reads unless the peer lets too much wait. */
static void steer_reading(struct h2_link *l)
{
    bool want = !(l->pending && h2_pump_queued(l->pump) > H2_QUEUED_MAX);
    if (l->closing || want == l->reading)
        return;
    l->reading = want;
    if (!want)
        uv_read_stop(&l->u.stream);
    else if (uv_read_start(&l->u.stream, on_alloc, on_read) != 0)
        h2_link_close(l, UV_EIO);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *bytes)
{
    struct h2_link *l = (struct h2_link *)stream;
    if (n < 0) {
        h2_link_close(l, (int)n);
        return;
    }
    if (n == 0)
        return;
    l->hooks->input(l, (const uint8_t *)bytes->base, (size_t)n);
    h2_link_wake(l);
    steer_reading(l);
}

void h2_link_opened(struct h2_link *l)
{
    l->opened = true;
    if (l->u.handle.type == UV_TCP)
        uv_tcp_nodelay(&l->u.tcp, 1);
    steer_reading(l);
    h2_link_wake(l);
}

void h2_link_wake(struct h2_link *l)
{
    if (l->woken || l->closing || !l->opened || l->pending)
        return;
    l->woken = true;
    DL_APPEND(l->io->woken, l);
}

static void on_written(uv_write_t *write, int status)
{
    struct h2_link *l = write->data;
    free(l->pending);
    l->pending = NULL;
    if (status < 0) {
        h2_link_close(l, status);
        return;
    }
    flush(l);
    steer_reading(l);
}

/* The kernel took only a part: keep the rest and let libuv wait for the socket. */
static void write_rest(struct h2_link *l, const uint8_t *rest, size_t n)
{
    l->pending = malloc(n);
    if (!l->pending) {
        h2_link_close(l, UV_ENOMEM);
        return;
    }
    memcpy(l->pending, rest, n);
    l->stalled_ms = uv_now(l->io->loop);
    l->write.data = l;
    uv_buf_t bytes = uv_buf_init((char *)l->pending, (unsigned)n);
    int r = uv_write(&l->write, &l->u.stream, &bytes, 1, on_written);
    if (r < 0) {
        free(l->pending);
        l->pending = NULL;
        h2_link_close(l, r);
    }
}

static void flush(struct h2_link *l)
{
    uint8_t *out = l->io->out;
    while (!l->closing && !l->pending) {
        size_t n = h2_pump_drain(l->pump, out, H2_WRITE_SIZE);
        if (n == 0)
            break;
        uv_buf_t bytes = uv_buf_init((char *)out, (unsigned)n);
        int r = uv_try_write(&l->u.stream, &bytes, 1);
        size_t taken = r > 0 ? (size_t)r : 0;
        if (r < 0 && r != UV_EAGAIN)
            h2_link_close(l, r);
        else if (taken < n)
            write_rest(l, out + taken, n - taken);
        else if (n < H2_WRITE_SIZE)
            break;
    }
    if (!l->closing && !l->pending && h2_pump_finished(l->pump))
        h2_link_close(l, 0);
}

static void on_closed(uv_handle_t *handle)
{
    struct h2_link *l = (struct h2_link *)handle;
    free(l->pending);
    l->pending = NULL;
    l->hooks->closed(l, l->error);
}

void h2_link_close(struct h2_link *l, int error)
{
    if (l->closing)
        return;
    if (l->opened && !l->pending && error != UV_EOF && error != UV_ECONNRESET && error != UV_EPIPE) {
        size_t n = h2_pump_drain(l->pump, l->io->out, H2_WRITE_SIZE);
        uv_buf_t bytes = uv_buf_init((char *)l->io->out, (unsigned)n);
        if (n > 0)
            (void)!uv_try_write(&l->u.stream, &bytes, 1);
    }
    l->closing = true;
    l->error = error;
    sleep_again(l);
    uv_close(&l->u.handle, on_closed);
}
