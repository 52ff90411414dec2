/* Reading descriptors; see proto_fields.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "net/proto_fields.h"
#include <stdint.h>

size_t proto_element_size(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return 8;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    default:
        return 4;
    }
}

static char upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

/* Whether camel is snake with the letter after each '_' in upper case, and the first one when first_upper. */
static bool is_camel_of(struct str camel, const char *snake, bool first_upper)
{
    bool up = first_upper;
    size_t i = 0;
    for (; *snake; snake++) {
        if (*snake == '_') {
            up = true;
            continue;
        }
        if (i == camel.n || camel.p[i] != (up ? upper(*snake) : *snake))
            return false;
        up = false;
        i++;
    }
    return i == camel.n;
}

bool proto_is_map(const ProtobufCMessageDescriptor *parent, const ProtobufCFieldDescriptor *f)
{
    if (f->label != PROTOBUF_C_LABEL_REPEATED || f->type != PROTOBUF_C_TYPE_MESSAGE)
        return false;
    const ProtobufCMessageDescriptor *entry = f->descriptor;
    struct str name = str_from(entry->name), outer = str_from(parent->name), tail = STR("Entry");
    if (entry->n_fields != 2 || entry->fields[0].id != 1 || entry->fields[1].id != 2 ||
        !str_starts(name, outer) || name.n <= outer.n + 1 + tail.n || name.p[outer.n] != '.')
        return false;
    struct str camel = {name.p + outer.n + 1, name.n - outer.n - 1 - tail.n};
    return str_is((struct str){camel.p + camel.n, tail.n}, "Entry") && is_camel_of(camel, f->name, true) &&
           str_is(str_from(entry->fields[0].name), "key") && str_is(str_from(entry->fields[1].name), "value");
}

const ProtobufCFieldDescriptor *proto_map_key(const ProtobufCFieldDescriptor *map)
{
    return &((const ProtobufCMessageDescriptor *)map->descriptor)->fields[0];
}

const ProtobufCFieldDescriptor *proto_map_value(const ProtobufCFieldDescriptor *map)
{
    return &((const ProtobufCMessageDescriptor *)map->descriptor)->fields[1];
}

bool proto_has_name(const ProtobufCFieldDescriptor *f, struct str name)
{
    return str_is(name, f->name) || is_camel_of(name, f->name, false);
}

const ProtobufCFieldDescriptor *proto_find_field(const ProtobufCMessageDescriptor *d, struct str name)
{
    for (unsigned i = 0; i < d->n_fields; i++)
        if (proto_has_name(&d->fields[i], name))
            return &d->fields[i];
    return NULL;
}

bool proto_is_set(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
    const void *member = proto_member(m, f->offset);
    static const char zero[16];
    if (proto_in_oneof(f))
        return *(const uint32_t *)proto_member(m, f->quantifier_offset) == f->id;
    if (f->label == PROTOBUF_C_LABEL_REQUIRED)
        return true;
    switch (f->type) {
    case PROTOBUF_C_TYPE_MESSAGE:
        return *(ProtobufCMessage *const *)member != NULL;
    case PROTOBUF_C_TYPE_STRING: {
        const char *text = *(const char *const *)member;
        return text && (f->label == PROTOBUF_C_LABEL_OPTIONAL ? text != f->default_value : *text != 0);
    }
    default:
        break;
    }
    if (f->label == PROTOBUF_C_LABEL_OPTIONAL && f->quantifier_offset)
        return *(const protobuf_c_boolean *)proto_member(m, f->quantifier_offset);
    if (f->type == PROTOBUF_C_TYPE_BYTES)
        return ((const ProtobufCBinaryData *)member)->len > 0;
    return memcmp(member, zero, proto_element_size(f->type)) != 0;
}

void proto_mark_set(ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
    if (proto_in_oneof(f))
        *(uint32_t *)proto_member(m, f->quantifier_offset) = f->id;
    else if (f->label == PROTOBUF_C_LABEL_OPTIONAL && f->quantifier_offset)
        *(protobuf_c_boolean *)proto_member(m, f->quantifier_offset) = 1;
}
