/* proto3 JSON mapping for protobuf-c messages by their descriptors (jansson): lowerCamelCase or original
 * field names on input, original names on output (as the .proto files and our documentation write them),
 * 64-bit integers as strings on output and strings or numbers on input, enums by name (or number), bytes as
 * base64, maps as objects, oneofs, absent fields left out, "NaN", "Infinity" and "-Infinity" as strings, null
 * for a field that is not given. No Any, no well-known wrapper types. Input is strict: an unknown or repeated
 * name, a value of a wrong type or out of range is an error. Numbers beyond 64 bits signed (large uint64)
 * must be strings on input. Pure; any thread.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_NET_PROTO_JSON_H
#define TACT_NET_PROTO_JSON_H
#include "base/arena.h"
#include "base/buf.h"
#include <protobuf-c/protobuf-c.h>

enum { PROTO_JSON_DEPTH_MAX = 32 }; /* messages inside messages */

/* Appends to out. indent: spaces a level, 0 for one line; no line break at the end. Maps are written in the
 * order in which they stand, also a key that stands twice. ERR_INVALID when a string is not UTF-8,
 * ERR_NOSPACE when out is full. */
int proto_to_json(const ProtobufCMessage *m, int indent, struct buf *out, struct error *e) MUST_CHECK;
/* NULL and *e ("line 3: signals[0].propertys: no such field; did you mean properties?") when text does not
 * fit. The message lives in the arena. */
ProtobufCMessage *proto_from_json(const ProtobufCMessageDescriptor *d, struct str text, struct arena *arena,
                                  struct error *e);
/* The same of a text that is one line of a file, whose number the caller knows: *e says no line. */
ProtobufCMessage *proto_from_json_line(const ProtobufCMessageDescriptor *d, struct str text, struct arena *arena,
                                       struct error *e);

#endif
