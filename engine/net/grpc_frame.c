/* Reading length-prefixed messages; see grpc_frame.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "net/grpc_frame.h"

enum grpc_frame_result grpc_frame_feed(struct grpc_frame *f, struct buf *message, const uint8_t *p, size_t n)
{
    while (f->prefix_n < GRPC_PREFIX && n > 0) {
        f->prefix[f->prefix_n++] = *p++;
        n--;
        if (f->prefix_n < GRPC_PREFIX)
            continue;
        f->length = (uint32_t)f->prefix[1] << 24 | (uint32_t)f->prefix[2] << 16 |
                    (uint32_t)f->prefix[3] << 8 | (uint32_t)f->prefix[4];
        if (f->prefix[0] != 0)
            return GRPC_FRAME_COMPRESSED;
        if (f->length > message->limit)
            return GRPC_FRAME_TOO_LONG;
    }
    if (n == 0)
        return GRPC_FRAME_OK;
    if (n > f->length - message->n)
        return GRPC_FRAME_EXTRA;
    buf_append(message, p, n);
    return buf_ok(message) ? GRPC_FRAME_OK : GRPC_FRAME_NO_MEMORY;
}

enum grpc_frame_result grpc_frame_next(struct str body, size_t message_max, struct str *message)
{
    const uint8_t *p = (const uint8_t *)body.p;
    *message = (struct str){0};
    if (body.n > 0 && p[0] != 0)
        return GRPC_FRAME_COMPRESSED;
    if (body.n < GRPC_PREFIX)
        return GRPC_FRAME_PART;
    message->n = (size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 | (size_t)p[4];
    if (message->n > message_max)
        return GRPC_FRAME_TOO_LONG;
    if (message->n > body.n - GRPC_PREFIX)
        return GRPC_FRAME_PART;
    message->p = body.p + GRPC_PREFIX;
    return GRPC_FRAME_OK;
}
