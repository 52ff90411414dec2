/* The plain kind of JSON that programs write, as a protobuf-c message in one pass: what proto_from_json (net/proto_json.h) would
 * make of it, at a fifth of the time, or NULL. NULL says nothing about the text but that it is not plain: it has a mistake, an
 * escape in a string, a camelCase name, a null, a number in a string, or more than is foreseen here. Ask proto_from_json then.
 * Pure; any thread.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_TOOLS_PLAIN_JSON_H
#define TACT_TOOLS_PLAIN_JSON_H
#include "base/arena.h"
#include <protobuf-c/protobuf-c.h>

enum { PLAIN_JSON_DEPTH_MAX = 8, PLAIN_JSON_ITEMS_MAX = 64 /* of a list or map */ };

/* The message lives in the arena; its strings are the text's own, each ended by a NUL in its quote's place. */
ProtobufCMessage *plain_json(const ProtobufCMessageDescriptor *d, char *text, size_t n, struct arena *arena);

#endif
