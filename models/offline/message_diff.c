/* The comparison; see message_diff.h. It recurses as deep as the message types nest, which for tact.v1 is a
 * handful. SPDX-License-Identifier: Apache-2.0 */
#include "models/offline/message_diff.h"
#include "expr/value.h"
#include <inttypes.h>

static const void *at(const ProtobufCMessage *m, unsigned offset)
{
    return (const char *)m + offset;
}

/* Values of fields lie in memory as their types say; copied out, since a list's elements are reached by
 * stride. */
#define READ(type, p) (*(const type *)(const void *)(p))

static size_t width_of(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_ENUM:
        return 4;
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    default:
        return 8;
    }
}

static bool same(ProtobufCType type, const void *a, const void *b)
{
    if (type == PROTOBUF_C_TYPE_STRING)
        return strcmp(READ(char *, a), READ(char *, b)) == 0;
    if (type == PROTOBUF_C_TYPE_BYTES) {
        const ProtobufCBinaryData *x = a, *y = b;
        return str_eq((struct str){(const char *)x->data, x->len},
                      (struct str){(const char *)y->data, y->len});
    }
    return memcmp(a, b, width_of(type)) == 0; /* bit by bit: 0.0 and −0.0 are other bytes on the wire */
}

/* Bytes that are no text (a flipped bit in a recorded string) as \xHH. */
static void show_bytes(const char *text, size_t n, char out[DIFF_TEXT_MAX])
{
    size_t at = (size_t)snprintf(out, DIFF_TEXT_MAX, "\"");
    for (size_t i = 0; i < n && i < DIFF_SHOWN_MAX; i++) {
        unsigned char byte = (unsigned char)text[i];
        bool plain = byte >= 0x20 && byte < 0x7F;
        at += (size_t)snprintf(out + at, DIFF_TEXT_MAX - at, plain ? "%c" : "\\x%02x", byte);
    }
    snprintf(out + at, DIFF_TEXT_MAX - at, n > DIFF_SHOWN_MAX ? "\"…" : "\"");
}

static void show_string(const char *text, char out[DIFF_TEXT_MAX])
{
    size_t n = strlen(text), shown = n;
    if (utf8_bad_at(text, n)) {
        show_bytes(text, n, out);
        return;
    }
    if (n > DIFF_SHOWN_MAX)
        for (shown = DIFF_SHOWN_MAX; shown > 0 && ((unsigned char)text[shown] & 0xC0) == 0x80;)
            shown--;
    snprintf(out, DIFF_TEXT_MAX, "\"%.*s\"%s", (int)shown, text, shown < n ? "…" : "");
}

static void show(const ProtobufCFieldDescriptor *f, const void *p, char out[DIFF_TEXT_MAX])
{
    switch (f->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        snprintf(out, DIFF_TEXT_MAX, "%" PRId32, READ(int32_t, p));
        break;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        snprintf(out, DIFF_TEXT_MAX, "%" PRIu32, READ(uint32_t, p));
        break;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        snprintf(out, DIFF_TEXT_MAX, "%" PRId64, READ(int64_t, p));
        break;
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        snprintf(out, DIFF_TEXT_MAX, "%" PRIu64, READ(uint64_t, p));
        break;
    case PROTOBUF_C_TYPE_FLOAT:
        snprintf(out, DIFF_TEXT_MAX, "%.9g", (double)READ(float, p));
        break;
    case PROTOBUF_C_TYPE_DOUBLE:
        double_format(READ(double, p), out);
        break;
    case PROTOBUF_C_TYPE_BOOL:
        snprintf(out, DIFF_TEXT_MAX, "%s", READ(protobuf_c_boolean, p) ? "true" : "false");
        break;
    case PROTOBUF_C_TYPE_ENUM: {
        const ProtobufCEnumValue *v = protobuf_c_enum_descriptor_get_value(f->descriptor, READ(int, p));
        snprintf(out, DIFF_TEXT_MAX, v ? "%s" : "%s (%d)", v ? v->name : "unknown", READ(int, p));
        break;
    }
    case PROTOBUF_C_TYPE_STRING:
        show_string(READ(char *, p), out);
        break;
    case PROTOBUF_C_TYPE_BYTES:
        snprintf(out, DIFF_TEXT_MAX, "%zu bytes", ((const ProtobufCBinaryData *)p)->len);
        break;
    case PROTOBUF_C_TYPE_MESSAGE:
        snprintf(out, DIFF_TEXT_MAX, "set");
        break;
    }
}

/* Whether a field that is not repeated is there: one of a oneof, a message; all others always are. */
static bool present(const ProtobufCFieldDescriptor *f, const ProtobufCMessage *m)
{
    if (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
        return READ(uint32_t, at(m, f->quantifier_offset)) == f->id;
    return f->type != PROTOBUF_C_TYPE_MESSAGE || READ(void *, at(m, f->offset)) != NULL;
}

/* A path that grows as the comparison goes down. */
struct walk {
    struct message_difference *out;
    size_t n;
};

static size_t enter(struct walk *w, const char *name, long index)
{
    size_t before = w->n;
    char part[160];
    snprintf(part, sizeof part, index < 0 ? "%s%s" : "%s%s[%ld]", before ? "." : "", name, index);
    int n = snprintf(w->out->field + before, DIFF_TEXT_MAX - before, "%s", part);
    w->n += (size_t)n < DIFF_TEXT_MAX - before ? (size_t)n : DIFF_TEXT_MAX - 1 - before;
    return before;
}

static void leave(struct walk *w, size_t before)
{
    w->n = before;
    w->out->field[before] = 0;
}

static bool differ(struct walk *w, const ProtobufCMessage *a, const ProtobufCMessage *b);

static bool values_differ(struct walk *w, const ProtobufCFieldDescriptor *f, const void *a, const void *b,
                          long index)
{
    size_t before = enter(w, f->name, index);
    if (f->type == PROTOBUF_C_TYPE_MESSAGE) {
        if (differ(w, READ(ProtobufCMessage *, a), READ(ProtobufCMessage *, b)))
            return true;
    } else if (!same(f->type, a, b)) {
        show(f, a, w->out->a);
        show(f, b, w->out->b);
        return true;
    }
    leave(w, before);
    return false;
}

static bool lists_differ(struct walk *w, const ProtobufCFieldDescriptor *f, const ProtobufCMessage *a,
                         const ProtobufCMessage *b)
{
    size_t x = READ(size_t, at(a, f->quantifier_offset)), y = READ(size_t, at(b, f->quantifier_offset));
    const char *p = READ(char *, at(a, f->offset)), *q = READ(char *, at(b, f->offset));
    size_t width = width_of(f->type);
    for (size_t i = 0; i < x && i < y; i++)
        if (values_differ(w, f, p + i * width, q + i * width, (long)i))
            return true;
    if (x == y)
        return false;
    enter(w, f->name, -1);
    snprintf(w->out->a, DIFF_TEXT_MAX, "%zu items", x);
    snprintf(w->out->b, DIFF_TEXT_MAX, "%zu items", y);
    return true;
}

static bool differ(struct walk *w, const ProtobufCMessage *a, const ProtobufCMessage *b)
{
    for (unsigned i = 0; i < a->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &a->descriptor->fields[i];
        if (f->label == PROTOBUF_C_LABEL_REPEATED) {
            if (lists_differ(w, f, a, b))
                return true;
            continue;
        }
        bool x = present(f, a), y = present(f, b);
        if (x && y && values_differ(w, f, at(a, f->offset), at(b, f->offset), -1))
            return true;
        if (x != y) {
            enter(w, f->name, -1);
            snprintf(w->out->a, DIFF_TEXT_MAX, x ? "set" : "not set");
            snprintf(w->out->b, DIFF_TEXT_MAX, y ? "set" : "not set");
            return true;
        }
    }
    return false;
}

bool message_diff(const ProtobufCMessage *a, const ProtobufCMessage *b, struct message_difference *out)
{
    ASSERT(a->descriptor == b->descriptor);
    struct walk w = {.out = out};
    *out = (struct message_difference){0};
    return differ(&w, a, b);
}
