/* The first byte picks a message type, the rest is its bytes. What proto_measure lets pass must decode, take
 * exactly what was measured, and be strings and messages that can be packed and pass again.
 * SPDX-License-Identifier: Apache-2.0 */
#include "net/proto_check.h"
#include "tests/unit/net/kinds.h"
#include <stdlib.h>
#include <tact/v1/customers.pb-c.h>
#include <tact/v1/log.pb-c.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const ProtobufCMessageDescriptor *const types[] = {
        &kinds_descriptor, &tact__v1__decide_request__descriptor, &tact__v1__signal_request__descriptor,
        &tact__v1__decision__descriptor, &tact__v1__log_record__descriptor};
    struct proto_limits limits = {.depth_max = 10, .decoded_max = 16 << 20};
    if (size == 0)
        return 0;
    const ProtobufCMessageDescriptor *d = types[data[0] % (sizeof types / sizeof *types)];
    struct str bytes = {(const char *)data + 1, size - 1};
    struct error e = {.text = ""};
    size_t decoded;
    if (proto_measure(d, bytes, &limits, &decoded, &e) != 0) {
        ASSERT(e.code == ERR_INVALID && e.text[0]);
        return 0;
    }
    struct arena arena;
    arena_init(&arena, decoded);
    ProtobufCMessage *m = proto_decode(d, bytes, &limits, &arena, &e);
    ASSERT(m && arena.used == decoded);
    size_t n = protobuf_c_message_get_packed_size(m);
    uint8_t *packed = malloc(n + 1);
    ASSERT(packed && protobuf_c_message_pack(m, packed) == n);
    ASSERT(proto_check(d, (struct str){(char *)packed, n}, &limits, &e) == 0);
    free(packed);
    arena_free(&arena);
    return 0;
}
