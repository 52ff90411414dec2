/* The first byte picks a message type, the rest is JSON text. What is read must be written, read again and
 * written the same; and survive the wire.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "net/proto_check.h"
#include "net/proto_json.h"
#include "tests/unit/net/kinds.h"
#include <stdlib.h>
#include <tact/v1/customers.pb-c.h>

static void write_json(const ProtobufCMessage *m, int indent, struct buf *out)
{
    struct error e;
    buf_clear(out);
    ASSERT(proto_to_json(m, indent, out, &e) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const ProtobufCMessageDescriptor *const types[] = {
        &kinds_descriptor, &tact__v1__decide_request__descriptor, &tact__v1__signal_request__descriptor};
    if (size == 0)
        return 0;
    const ProtobufCMessageDescriptor *d = types[data[0] % (sizeof types / sizeof *types)];
    struct arena arena;
    struct buf once, again;
    struct error e = {.text = ""};
    arena_init(&arena, 64 << 20);
    buf_init(&once, 64 << 20);
    buf_init(&again, 64 << 20);
    ProtobufCMessage *m = proto_from_json(d, (struct str){(const char *)data + 1, size - 1}, &arena, &e);
    if (m) {
        write_json(m, 0, &once);
        m = proto_from_json(d, (struct str){(char *)once.p, once.n}, &arena, &e);
        ASSERT(m);
        write_json(m, 0, &again);
        ASSERT(once.n == again.n && memcmp(once.p, again.p, once.n) == 0);
        write_json(m, 2, &again);
        ASSERT(proto_from_json(d, (struct str){(char *)again.p, again.n}, &arena, &e));
        size_t n = protobuf_c_message_get_packed_size(m);
        uint8_t *packed = malloc(n + 1);
        ASSERT(packed && protobuf_c_message_pack(m, packed) == n);
        struct proto_limits limits = {.depth_max = 100, .decoded_max = 64 << 20};
        ASSERT(proto_decode(d, (struct str){(char *)packed, n}, &limits, &arena, &e));
        free(packed);
    } else {
        ASSERT(e.text[0]);
    }
    buf_free(&once);
    buf_free(&again);
    arena_free(&arena);
    return 0;
}
