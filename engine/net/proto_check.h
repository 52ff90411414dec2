/* Checks of a protobuf message's bytes before protobuf-c decodes them, by its descriptor: protobuf-c 1.4 has
 * no depth limit, keeps unchecked UTF-8, cuts strings at NUL, and turns 1 MiB of empty messages into 88 MB.
 * After proto_check says 0, decoding into an arena of `decoded_max` bytes cannot fail for lack of room and
 * every string is whole, valid UTF-8.
 *
 * Stricter than the protobuf standard in three things: a known field of a wrong wire type is an error (the
 * standard: an unknown field); so is a varint of more than 64 bits; and so is a message field that is not
 * repeated but given twice (the standard: merged; protobuf-c loses fields there, or fails). No encoder writes
 * any of these. Pure; any thread.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_NET_PROTO_CHECK_H
#define TACT_NET_PROTO_CHECK_H
#include "base/arena.h"
#include <protobuf-c/protobuf-c.h>

enum {
    PROTO_FIELDS_MAX = 128, /* of one message type: more is a programmer error */
    PROTO_PATH_MAX = 200,   /* bytes of a path in an error's text; a longer one is cut */
};

struct proto_limits {
    int depth_max;      /* messages inside messages: 0 allows none in the outermost one */
    size_t decoded_max; /* bytes that the decoded tree may take */
};

/* ERR_INVALID with "signals[2].event_id: not valid UTF-8 at byte 7" or what else is wrong (truncated field,
 * group, wrong wire type for a known field, string with a NUL byte, too deep, too large). Unknown fields are
 * skipped, checked only for form. */
int proto_check(const ProtobufCMessageDescriptor *d, struct str bytes, const struct proto_limits *limits,
                struct error *e) MUST_CHECK;
/* The same; *decoded is what arena_alloc will count when the bytes are decoded: an upper bound for every
 * version of protobuf-c from 1.4 on, and exact for those known. */
int proto_measure(const ProtobufCMessageDescriptor *d, struct str bytes, const struct proto_limits *limits,
                  size_t *decoded, struct error *e) MUST_CHECK;

/* proto_check, then decode into the arena (nothing to free but the arena). NULL and *e on failure;
 * ERR_NOSPACE when the arena has less room left than the message needs. */
ProtobufCMessage *proto_decode(const ProtobufCMessageDescriptor *d, struct str bytes,
                               const struct proto_limits *limits, struct arena *arena, struct error *e);

/* A protobuf-c allocator over an arena; free does nothing. */
ProtobufCAllocator proto_arena_allocator(struct arena *arena);

#endif
