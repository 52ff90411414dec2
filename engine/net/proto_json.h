/* proto3 JSON mapping for protobuf-c messages by their descriptors (jansson): lowerCamelCase or original
 * field names on input, original names on output (as the .proto files and our documentation write them),
 * 64-bit integers as strings on output and strings or numbers on input, enums by name, bytes as base64, maps
 * as objects, oneofs, absent fields left out. No Any, no well-known wrapper types. SPDX-License-Identifier:
 * Apache-2.0 */
#ifndef TACT_NET_PROTO_JSON_H
#define TACT_NET_PROTO_JSON_H
#include "base/arena.h"
#include "base/buf.h"
#include <protobuf-c/protobuf-c.h>

/* indent: 0 for one line. Maps of name to message are written in the order in which they stand. */
int proto_to_json(const ProtobufCMessage *m, int indent, struct buf *out, struct error *e) MUST_CHECK;
/* NULL and *e ("line 3: signals[0].propertys: no such field; did you mean properties?") when text does not
 * fit. */
ProtobufCMessage *proto_from_json(const ProtobufCMessageDescriptor *d, struct str text, struct arena *arena,
                                  struct error *e);

#endif
