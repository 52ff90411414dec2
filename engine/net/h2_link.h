/* An HTTP/2 connection on a libuv stream: joins an h2_pump to a TCP or Unix socket. Shared by server and
 * client.
 *
 *   - One write a loop turn: whatever happens in a turn marks the link (h2_link_wake) and is written just
 * before the loop polls again, straight from a scratch buffer that all links of a loop share. Only what the
 * kernel does not take is copied and waits for the socket.
 *   - Bounded: while such a rest waits nothing more is drained from the pump; and when many control frames
 * wait too, the link stops reading, so that a peer that sends but does not read costs a known amount of
 * memory.
 *   - Closing is final and idempotent. The closed hook comes from the loop, never from inside another call.
 *
 * One thread: the loop's.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_NET_H2_LINK_H
#define TACT_NET_H2_LINK_H
#include "net/h2_pump.h"
#include <uv.h>

enum {
    H2_READ_SIZE = 64 * 1024,   /* a read */
    H2_WRITE_SIZE = 128 * 1024, /* a write */
    H2_QUEUED_MAX = 1000,       /* frames that may wait behind a write before reading stops */
};

struct h2_link;

/* What links of one loop share. Big: embed it in something that is allocated once. */
struct h2_io {
    uv_loop_t *loop;
    uv_prepare_t prepare; /* .data is the owner's */
    struct h2_link *woken;
    uint8_t in[H2_READ_SIZE], out[H2_WRITE_SIZE];
};

struct h2_link_hooks {
    /* Bytes arrived: feed the pump. */
    void (*input)(struct h2_link *l, const uint8_t *p, size_t n);
    /* The handle is gone, the link may be freed; error is 0 or a libuv error (UV_EOF: the peer closed). */
    void (*closed)(struct h2_link *l, int error);
};

struct h2_link {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } u;
    struct h2_io *io;
    struct h2_pump *pump;
    const struct h2_link_hooks *hooks;
    struct h2_link *prev, *next; /* among the woken */
    uv_write_t write;
    uint8_t *pending;    /* what the kernel did not take; NULL: nothing */
    uint64_t stalled_ms; /* uv_now when pending began to wait */
    int error;
    bool woken, opened, reading, closing;
};

/* Also makes the process ignore SIGPIPE, when it is still handled by default: writing to a closed socket is
 * an error here. */
int h2_io_init(struct h2_io *io, uv_loop_t *loop);
/* closed is the prepare handle's; then io may be freed. */
void h2_io_close(struct h2_io *io, uv_close_cb closed);

/* l: zeroed. Makes the handle (AF_UNIX: a pipe, else TCP); then accept, open or connect it and call
 * h2_link_opened. On an error there is nothing to close. */
int h2_link_init(struct h2_link *l, struct h2_io *io, int family, struct h2_pump *pump,
                 const struct h2_link_hooks *hooks);
/* The socket is connected: read and write from now on. */
void h2_link_opened(struct h2_link *l);
/* The pump may have something to write. */
void h2_link_wake(struct h2_link *l);
/* Best effort to write what the pump has, then close. */
void h2_link_close(struct h2_link *l, int error);

#endif
