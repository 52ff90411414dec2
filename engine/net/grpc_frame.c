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
