/* An nghttp2 session as a sans-I/O pump: bytes from the peer go in, bytes for the peer come out. The same for
 * server and client, for sockets (h2_link) and for tests that have none.
 *
 * After a fatal error the pump accepts no more input; what is left in it (a GOAWAY that names the error)
 * should still be drained and sent, then the connection closed. One thread.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_NET_H2_PUMP_H
#define TACT_NET_H2_PUMP_H
#include "base/error.h"
#include <nghttp2/nghttp2.h>

struct h2_pump {
    nghttp2_session *h2; /* owned by whoever made it */
    const uint8_t *rest; /* of a frame that did not fit the last drain; inside h2 */
    size_t rest_n;
    bool failed; /* a fatal error: no more input */
    bool busy;   /* inside one of nghttp2's callbacks */
    bool dead;   /* output failed too */
};

/* ERR_CORRUPT: the peer broke the protocol (or memory ran out) so that the connection must end. */
int h2_pump_feed(struct h2_pump *p, const uint8_t *bytes, size_t n) MUST_CHECK;
/* Fills out with what is to be sent; 0: nothing, or called from inside one of nghttp2's callbacks. */
size_t h2_pump_drain(struct h2_pump *p, uint8_t *out, size_t capacity);
/* Nothing more to read or write: close the connection. */
bool h2_pump_finished(const struct h2_pump *p);
/* Frames waiting to be sent, without message bodies. */
size_t h2_pump_queued(const struct h2_pump *p);

/* A header field from two string literals; the first one's bytes are not copied by nghttp2, so they must be
 * static. */
#define H2_STATIC_FIELD(name, value)                                                                         \
    (nghttp2_nv)                                                                                             \
    {                                                                                                        \
        (uint8_t *)(uintptr_t) "" name, (uint8_t *)(uintptr_t) "" value, sizeof(name) - 1,                   \
            sizeof(value) - 1, NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE                  \
    }
/* A static name; nghttp2 copies the value. */
#define H2_FIELD(name, value, length)                                                                        \
    (nghttp2_nv)                                                                                             \
    {                                                                                                        \
        (uint8_t *)(uintptr_t) "" name, (uint8_t *)(uintptr_t)(value), sizeof(name) - 1, (length),           \
            NGHTTP2_NV_FLAG_NO_COPY_NAME                                                                     \
    }

#endif
