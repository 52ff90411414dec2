/* Checks of a protobuf message's bytes before protobuf-c decodes them, by its descriptor: protobuf-c 1.4 has
 * no depth limit, keeps unchecked UTF-8, cuts strings at NUL, and turns 1 MiB of empty messages into 88 MB.
 * After proto_check says 0, decoding into an arena of `decoded_max` bytes cannot fail for lack of room and
 * every string is whole, valid UTF-8. SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_NET_PROTO_CHECK_H
#define TACT_NET_PROTO_CHECK_H
#include "base/arena.h"
#include <protobuf-c/protobuf-c.h>

struct proto_limits {
    int depth_max;      /* nested messages */
    size_t decoded_max; /* bytes that the decoded tree may take */
};

/* ERR_INVALID with "signals[2].event_id: not valid UTF-8 at byte 7" or what else is wrong (truncated field,
 * group, wrong wire type for a known field, string with a NUL byte, too deep, too large). Unknown fields are
 * skipped, checked only for form. */
int proto_check(const ProtobufCMessageDescriptor *d, struct str bytes, const struct proto_limits *limits,
                struct error *e) MUST_CHECK;

/* proto_check, then decode into the arena (nothing to free but the arena). NULL and *e on failure. */
ProtobufCMessage *proto_decode(const ProtobufCMessageDescriptor *d, struct str bytes,
                               const struct proto_limits *limits, struct arena *arena, struct error *e);

/* A protobuf-c allocator over an arena; free does nothing. */
ProtobufCAllocator proto_arena_allocator(struct arena *arena);

#endif
