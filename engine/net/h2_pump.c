/* Feeding and draining an nghttp2 session; see h2_pump.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "net/h2_pump.h"
#include <string.h>

/* What GOAWAY tells the peer about nghttp2's fatal errors. */
static uint32_t goaway_code(ssize_t error)
{
    switch (error) {
    case NGHTTP2_ERR_FLOODED:
        return NGHTTP2_ENHANCE_YOUR_CALM;
    case NGHTTP2_ERR_NOMEM:
    case NGHTTP2_ERR_CALLBACK_FAILURE:
        return NGHTTP2_INTERNAL_ERROR;
    default:
        return NGHTTP2_PROTOCOL_ERROR;
    }
}

int h2_pump_feed(struct h2_pump *p, const uint8_t *bytes, size_t n)
{
    ASSERT(!p->busy);
    if (p->failed)
        return ERR_CORRUPT;
    p->busy = true;
    ssize_t r = nghttp2_session_mem_recv(p->h2, bytes, n);
    p->busy = false;
    if (r >= 0)
        return 0;
    p->failed = true;
    if (nghttp2_session_terminate_session(p->h2, goaway_code(r)) != 0)
        p->dead = true;
    return ERR_CORRUPT;
}

size_t h2_pump_drain(struct h2_pump *p, uint8_t *out, size_t capacity)
{
    size_t n = 0;
    if (p->busy)
        return 0;
    p->busy = true;
    while (n < capacity && !p->dead) {
        if (p->rest_n == 0) {
            ssize_t r = nghttp2_session_mem_send(p->h2, &p->rest);
            if (r < 0)
                p->failed = p->dead = true;
            if (r <= 0)
                break;
            p->rest_n = (size_t)r;
        }
        size_t part = p->rest_n < capacity - n ? p->rest_n : capacity - n;
        memcpy(out + n, p->rest, part);
        n += part;
        p->rest += part;
        p->rest_n -= part;
    }
    p->busy = false;
    return n;
}

bool h2_pump_finished(const struct h2_pump *p)
{
    if (p->dead)
        return true;
    if (p->rest_n > 0 || nghttp2_session_want_write(p->h2))
        return false;
    return p->failed || !nghttp2_session_want_read(p->h2);
}

size_t h2_pump_queued(const struct h2_pump *p)
{
    return nghttp2_session_get_outbound_queue_size(p->h2);
}
