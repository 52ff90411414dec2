/* A message type with every kind of field that proto3 has, singular (ids 1 to 17), repeated (18 to 34), in a
 * oneof (35 to 37) and a map (38), for tests; our own .proto files use only some. Written by hand in the form
 * that protoc-c generates.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_TESTS_KINDS_H
#define TACT_TESTS_KINDS_H
#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <string.h>
#include <tact/v1/decisions.pb-c.h>

struct kinds;

/* name, C type, protobuf type, descriptor, default */
#define KINDS(X)                                                                                             \
    X(i32, int32_t, INT32, NULL, NULL)                                                                       \
    X(s32, int32_t, SINT32, NULL, NULL)                                                                      \
    X(sf32, int32_t, SFIXED32, NULL, NULL)                                                                   \
    X(u32, uint32_t, UINT32, NULL, NULL)                                                                     \
    X(f32, uint32_t, FIXED32, NULL, NULL)                                                                    \
    X(i64, int64_t, INT64, NULL, NULL)                                                                       \
    X(s64, int64_t, SINT64, NULL, NULL)                                                                      \
    X(sf64, int64_t, SFIXED64, NULL, NULL)                                                                   \
    X(u64, uint64_t, UINT64, NULL, NULL)                                                                     \
    X(f64, uint64_t, FIXED64, NULL, NULL)                                                                    \
    X(real_single, float, FLOAT, NULL, NULL)                                                                 \
    X(real_double, double, DOUBLE, NULL, NULL)                                                               \
    X(truth, protobuf_c_boolean, BOOL, NULL, NULL)                                                           \
    X(mode, int32_t, ENUM, &tact__v1__mode__descriptor, NULL)                                                \
    X(text, char *, STRING, NULL, &protobuf_c_empty_string)                                                  \
    X(raw, ProtobufCBinaryData, BYTES, NULL, NULL)                                                           \
    X(child, struct kinds *, MESSAGE, &kinds_descriptor, NULL)

#define X(name, type, kind, descriptor, default_value) KINDS_##name,
enum { KINDS(X) KINDS_COUNT };
#undef X

struct kinds_entry {
    ProtobufCMessage base;
    int64_t key;
    struct kinds *value;
};

struct kinds {
    ProtobufCMessage base;
#define X(name, type, kind, descriptor, default_value)                                                       \
    type name;                                                                                               \
    size_t n_many_##name;                                                                                    \
    type *many_##name;
    KINDS(X)
#undef X
    uint32_t one_case;
    union {
        char *one_text;
        int64_t one_int;
        struct kinds *one_child;
    };
    size_t n_by_id;
    struct kinds_entry **by_id;
};

extern const ProtobufCMessageDescriptor kinds_descriptor, kinds_entry_descriptor;

static void kinds_init(ProtobufCMessage *m)
{
    struct kinds *k = (struct kinds *)m;
    *k = (struct kinds){.base = {&kinds_descriptor, 0, NULL},
                        .text = (char *)(uintptr_t)protobuf_c_empty_string};
}

static void kinds_entry_init(ProtobufCMessage *m)
{
    struct kinds_entry *k = (struct kinds_entry *)m;
    *k = (struct kinds_entry){.base = {&kinds_entry_descriptor, 0, NULL}};
}

#define FIELD(name, id, label, kind, quantifier, at, descriptor, default_value, flags)                       \
    {                                                                                                        \
        name, id, PROTOBUF_C_LABEL_##label, PROTOBUF_C_TYPE_##kind, quantifier, at, descriptor,              \
            default_value, flags, 0, NULL, NULL                                                              \
    }

static const ProtobufCFieldDescriptor kinds_fields[] = {
#define X(name, type, kind, descriptor, default_value)                                                       \
    FIELD(#name, KINDS_##name + 1, NONE, kind, 0, offsetof(struct kinds, name), descriptor, default_value, 0),
    KINDS(X)
#undef X
#define X(name, type, kind, descriptor, default_value)                                                       \
    FIELD("many_" #name, KINDS_COUNT + KINDS_##name + 1, REPEATED, kind,                                     \
          offsetof(struct kinds, n_many_##name), offsetof(struct kinds, many_##name), descriptor,            \
          default_value, 0),
        KINDS(X)
#undef X
            FIELD("one_text", 35, NONE, STRING, offsetof(struct kinds, one_case),
                  offsetof(struct kinds, one_text), NULL, &protobuf_c_empty_string,
                  PROTOBUF_C_FIELD_FLAG_ONEOF),
    FIELD("one_int", 36, NONE, INT64, offsetof(struct kinds, one_case), offsetof(struct kinds, one_int), NULL,
          NULL, PROTOBUF_C_FIELD_FLAG_ONEOF),
    FIELD("one_child", 37, NONE, MESSAGE, offsetof(struct kinds, one_case), offsetof(struct kinds, one_child),
          &kinds_descriptor, NULL, PROTOBUF_C_FIELD_FLAG_ONEOF),
    FIELD("by_id", 38, REPEATED, MESSAGE, offsetof(struct kinds, n_by_id), offsetof(struct kinds, by_id),
          &kinds_entry_descriptor, NULL, 0),
};

static const ProtobufCFieldDescriptor kinds_entry_fields[] = {
    FIELD("key", 1, NONE, INT64, 0, offsetof(struct kinds_entry, key), NULL, NULL, 0),
    FIELD("value", 2, NONE, MESSAGE, 0, offsetof(struct kinds_entry, value), &kinds_descriptor, NULL, 0),
};
#undef FIELD

static const ProtobufCIntRange kinds_ranges[] = {{1, 0}, {0, 38}}, kinds_entry_ranges[] = {{1, 0}, {0, 2}};

const ProtobufCMessageDescriptor kinds_descriptor = {
    .magic = PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC,
    .name = "test.Kinds",
    .sizeof_message = sizeof(struct kinds),
    .n_fields = 38,
    .fields = kinds_fields,
    .n_field_ranges = 1,
    .field_ranges = kinds_ranges,
    .message_init = kinds_init,
};

const ProtobufCMessageDescriptor kinds_entry_descriptor = {
    .magic = PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC,
    .name = "test.Kinds.ByIdEntry",
    .sizeof_message = sizeof(struct kinds_entry),
    .n_fields = 2,
    .fields = kinds_entry_fields,
    .n_field_ranges = 1,
    .field_ranges = kinds_entry_ranges,
    .message_init = kinds_entry_init,
};

#endif
