/* What protobuf-c's descriptors say of a message type's fields, where its own interface does not answer:
 * sizes, maps, JSON names, presence. Pure; any thread.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_NET_PROTO_FIELDS_H
#define TACT_NET_PROTO_FIELDS_H
#include "base/str.h"
#include <protobuf-c/protobuf-c.h>

/* Bytes of one element in a repeated field's array, which is also the size of a field that is not repeated.
 */
size_t proto_element_size(ProtobufCType type);

/* protobuf-c keeps no mark for map<K, V>: protoc makes it a repeated message PARENT.NameEntry {K key = 1; V
 * value = 2;}, and refuses another one of that name. */
bool proto_is_map(const ProtobufCMessageDescriptor *parent, const ProtobufCFieldDescriptor *f);
/* The two fields of a map's entry. */
const ProtobufCFieldDescriptor *proto_map_key(const ProtobufCFieldDescriptor *map);
const ProtobufCFieldDescriptor *proto_map_value(const ProtobufCFieldDescriptor *map);

/* Whether name is the field's JSON name (lowerCamelCase) or its original one. */
bool proto_has_name(const ProtobufCFieldDescriptor *f, struct str name);
/* NULL when there is none. */
const ProtobufCFieldDescriptor *proto_find_field(const ProtobufCMessageDescriptor *d, struct str name);

static inline bool proto_in_oneof(const ProtobufCFieldDescriptor *f)
{
    return f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF;
}
static inline void *proto_member(const ProtobufCMessage *m, unsigned offset)
{
    return (char *)(uintptr_t)m + offset;
}
/* Elements of a repeated field. */
static inline size_t *proto_count(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
    return proto_member(m, f->quantifier_offset);
}
/* Whether a field that is not repeated is set: by its oneof's case, its has_ flag, or by not being the zero
 * value. */
bool proto_is_set(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f);
/* Sets the case or flag, where the field has one. */
void proto_mark_set(ProtobufCMessage *m, const ProtobufCFieldDescriptor *f);

#endif
