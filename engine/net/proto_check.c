/* Walking a message's bytes by its descriptor; see proto_check.h. The walk mirrors what
 * protobuf_c_message_unpack (1.4.1 to 1.5) allocates, in the arena's units of 16 bytes:
 *
 *   - the message itself, sizeof_message;
 *   - one record of 32 bytes a field on the wire, in slabs of 32, 64, 128 … records; the first 16 are on its
 * stack;
 *   - one array a repeated field that has elements, one array of unknown fields, a copy of each unknown
 * field's bytes;
 *   - a copy of every string (with its NUL) and of every bytes field that is not empty, also of those that a
 * later one of the same field replaces, since the arena frees nothing.
 *
 * Recursion goes as deep as depth_max.
 * SPDX-License-Identifier: Apache-2.0 */
#include "net/proto_check.h"
#include "base/buf.h"
#include "net/proto_fields.h"
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>

enum {
    UNIT = 16,
    SCANNED_SIZE = 32,
    SLAB_FIRST = 16,
    WIRE_VARINT = 0,
    WIRE_64 = 1,
    WIRE_LENGTH = 2,
    WIRE_32 = 5
};

struct walk {
    const struct proto_limits *limits;
    size_t decoded;
    struct error *e;
};

/* A message being walked, and the field it is in. */
struct level {
    const struct level *up;
    const ProtobufCMessageDescriptor *d;
    const ProtobufCFieldDescriptor *field;
    size_t index; /* of the field's element */
    int depth;
    size_t fields, unknown;            /* on the wire so far */
    uint32_t counts[PROTO_FIELDS_MAX]; /* elements so far, by field */
};

/* ---- errors ---- */

static size_t write_path(const struct level *l, char path[PROTO_PATH_MAX])
{
    size_t n = l->up ? write_path(l->up, path) : 0;
    if (!l->field)
        return n;
    int more =
        l->field->label == PROTOBUF_C_LABEL_REPEATED
            ? snprintf(path + n, PROTO_PATH_MAX - n, "%s%s[%zu]", n ? "." : "", l->field->name, l->index)
            : snprintf(path + n, PROTO_PATH_MAX - n, "%s%s", n ? "." : "", l->field->name);
    n += more > 0 ? (size_t)more : 0;
    return n < PROTO_PATH_MAX ? n : PROTO_PATH_MAX - 1;
}

static int fail(const struct walk *w, const struct level *l, const char *format, ...) PRINTF_LIKE(3, 4);
static int fail(const struct walk *w, const struct level *l, const char *format, ...)
{
    char path[PROTO_PATH_MAX] = "", text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    size_t n = write_path(l, path);
    return error_set(w->e, ERR_INVALID, "%s%s%s", path, n ? ": " : "", text);
}

/* ---- what decoding costs ---- */

/* One allocation. */
static int cost(struct walk *w, const struct level *l, size_t n)
{
    size_t most = w->limits->decoded_max - w->decoded;
    size_t need = n ? (n + UNIT - 1) / UNIT * UNIT : UNIT;
    if (n > most || need > most)
        return fail(w, l, "too large: the message takes more than %zu bytes once decoded",
                    w->limits->decoded_max);
    w->decoded += need;
    return 0;
}

/* A field on the wire: its record may need a new slab. */
static int cost_record(struct walk *w, struct level *l)
{
    size_t n = l->fields++; /* slabs begin at 16, 48, 112 … = 16 (2^k − 1) */
    if (n < SLAB_FIRST || n % SLAB_FIRST != 0)
        return 0;
    size_t slabs = n / SLAB_FIRST + 1;
    return (slabs & (slabs - 1)) == 0 ? cost(w, l, slabs * SLAB_FIRST * SCANNED_SIZE) : 0;
}

/* What is known of the message's cost only at its end. */
static int cost_arrays(struct walk *w, struct level *l)
{
    l->field = NULL;
    for (unsigned i = 0; i < l->d->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &l->d->fields[i];
        if (f->label != PROTOBUF_C_LABEL_REPEATED || l->counts[i] == 0)
            continue;
        int r = cost(w, l, l->counts[i] * proto_element_size(f->type));
        if (r != 0)
            return r;
    }
    return l->unknown ? cost(w, l, l->unknown * sizeof(ProtobufCMessageUnknownField)) : 0;
}

/* ---- the walk ---- */

static int wire_of(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
        return WIRE_32;
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return WIRE_64;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        return WIRE_LENGTH;
    default:
        return WIRE_VARINT;
    }
}

static const char *wire_name(int wire)
{
    static const char *const names[] = {"a varint", "64 bits",       "a length",
                                        "a group",  "a group's end", "32 bits"};
    return names[wire];
}

/* Tags and lengths: at most 5 bytes and 32 bits. */
static bool small_varint(struct cursor *c, uint32_t *value)
{
    const uint8_t *start = c->p;
    uint64_t v = cursor_varint(c);
    *value = (uint32_t)v;
    return !c->failed && c->p - start <= 5 && v <= UINT32_MAX;
}

static int check_text(const struct walk *w, const struct level *l, const uint8_t *p, size_t n)
{
    const uint8_t *nul = n ? memchr(p, 0, n) : NULL;
    if (nul)
        return fail(w, l, "a NUL character at byte %zu; text must not have any", (size_t)(nul - p) + 1);
    size_t bad = n ? utf8_bad_at((const char *)p, n) : 0;
    return bad ? fail(w, l, "not valid UTF-8 at byte %zu", bad) : 0;
}

static int check_packed(const struct walk *w, struct level *l, uint32_t *count, struct cursor c)
{
    ProtobufCType type = l->field->type;
    int wire = wire_of(type);
    size_t size = wire == WIRE_64 ? 8 : 4;
    if (wire != WIRE_VARINT) {
        if (cursor_left(&c) % size != 0)
            return fail(w, l, "a packed field of %zu bytes, which is no multiple of %zu", cursor_left(&c),
                        size);
        *count += (uint32_t)(cursor_left(&c) / size);
        return 0;
    }
    for (; cursor_left(&c) > 0; ++*count) {
        l->index = *count;
        const uint8_t *start = c.p;
        cursor_varint(&c);
        if (c.failed)
            return fail(w, l, "a broken varint in a packed field");
        if (type == PROTOBUF_C_TYPE_BOOL && c.p - start > 1) /* protobuf-c makes room for one a byte */
            return fail(w, l, "a packed bool of more than one byte");
    }
    return 0;
}

static int check_message(struct walk *w, struct level *l, struct cursor c);

/* The contents of a known field with a length. */
static int check_bytes(struct walk *w, struct level *l, uint32_t *count, const uint8_t *p, size_t n)
{
    switch (l->field->type) {
    case PROTOBUF_C_TYPE_STRING: {
        int r = check_text(w, l, p, n);
        return r != 0 ? r : cost(w, l, n + 1);
    }
    case PROTOBUF_C_TYPE_BYTES:
        return n ? cost(w, l, n) : 0;
    case PROTOBUF_C_TYPE_MESSAGE: {
        if (l->field->label != PROTOBUF_C_LABEL_REPEATED && *count > 0)
            return fail(w, l, "given twice");
        if (l->depth >= w->limits->depth_max)
            return fail(w, l, "nested too deep; at most %d messages inside each other", w->limits->depth_max);
        struct level inner;
        inner.up = l;
        inner.d = l->field->descriptor;
        inner.depth = l->depth + 1;
        return check_message(w, &inner, cursor_of(p, n));
    }
    default:
        ASSERT(false);
    }
}

static int check_known(struct walk *w, struct level *l, int wire, struct cursor *c)
{
    const ProtobufCFieldDescriptor *f = l->field;
    uint32_t *count = &l->counts[f - l->d->fields];
    int wanted = wire_of(f->type);
    bool packed = wire == WIRE_LENGTH && wanted != WIRE_LENGTH && f->label == PROTOBUF_C_LABEL_REPEATED;
    l->index = *count;
    if (wire != wanted && !packed)
        return fail(w, l, "written as %s; allowed: %s", wire_name(wire), wire_name(wanted));
    uint32_t n;
    switch (wire) {
    case WIRE_VARINT:
        cursor_varint(c);
        break;
    case WIRE_64:
        cursor_bytes(c, 8);
        break;
    case WIRE_32:
        cursor_bytes(c, 4);
        break;
    default: {
        const uint8_t *p = small_varint(c, &n) ? cursor_bytes(c, n) : NULL;
        if (!p)
            return fail(w, l, "a length that is broken or goes beyond the end");
        int r = packed ? check_packed(w, l, count, cursor_of(p, n)) : check_bytes(w, l, count, p, n);
        *count += !packed;
        return r;
    }
    }
    ++*count;
    return c->failed ? fail(w, l, "a broken number, or one that goes beyond the end") : 0;
}

static int check_unknown(struct walk *w, struct level *l, uint32_t tag, int wire, struct cursor *c)
{
    const uint8_t *start = c->p;
    uint32_t n;
    l->unknown++;
    l->field = NULL;
    switch (wire) {
    case WIRE_VARINT:
        cursor_varint(c);
        break;
    case WIRE_64:
        cursor_bytes(c, 8);
        break;
    case WIRE_32:
        cursor_bytes(c, 4);
        break;
    default:
        if (!small_varint(c, &n) || !cursor_bytes(c, n))
            c->failed = true;
    }
    if (c->failed)
        return fail(w, l, "unknown field %" PRIu32 ": broken, or goes beyond the end", tag);
    return cost(w, l, (size_t)(c->p - start));
}

/* l: up, d and depth are set. */
static int check_message(struct walk *w, struct level *l, struct cursor c)
{
    ASSERT(l->d->n_fields <= PROTO_FIELDS_MAX);
    l->field = NULL;
    l->fields = l->unknown = 0;
    memset(l->counts, 0, l->d->n_fields * sizeof *l->counts);
    int r = cost(w, l, l->d->sizeof_message);
    while (r == 0 && cursor_left(&c) > 0) {
        uint32_t key;
        l->field = NULL;
        if (!small_varint(&c, &key) || key >> 3 == 0)
            return fail(w, l, "a broken field number");
        int wire = (int)(key & 7);
        if (wire != WIRE_VARINT && wire != WIRE_64 && wire != WIRE_LENGTH && wire != WIRE_32)
            return fail(w, l,
                        "field %" PRIu32
                        ": a group or unknown wire type; allowed: varint, 32 and 64 bits, length",
                        key >> 3);
        r = cost_record(w, l);
        if (r != 0)
            break;
        l->field = l->d->n_fields ? protobuf_c_message_descriptor_get_field(l->d, key >> 3) : NULL;
        r = l->field ? check_known(w, l, wire, &c) : check_unknown(w, l, key >> 3, wire, &c);
    }
    return r == 0 ? cost_arrays(w, l) : r;
}

int proto_measure(const ProtobufCMessageDescriptor *d, struct str bytes, const struct proto_limits *limits,
                  size_t *decoded, struct error *e)
{
    struct walk w = {.limits = limits, .e = e};
    struct level outermost;
    *decoded = 0;
    if (bytes.n > INT_MAX)
        return error_set(e, ERR_INVALID, "too large: %zu bytes", bytes.n);
    outermost.up = NULL;
    outermost.d = d;
    outermost.depth = 0;
    int r = check_message(&w, &outermost, cursor_of(bytes.p, bytes.n));
    *decoded = w.decoded;
    return r;
}

int proto_check(const ProtobufCMessageDescriptor *d, struct str bytes, const struct proto_limits *limits,
                struct error *e)
{
    size_t decoded;
    return proto_measure(d, bytes, limits, &decoded, e);
}

/* ---- decoding ---- */

static void *allocate(void *arena, size_t n)
{
    return arena_alloc(arena, n);
}

static void release(void *arena, void *p)
{
    (void)arena;
    (void)p;
}

ProtobufCAllocator proto_arena_allocator(struct arena *arena)
{
    return (ProtobufCAllocator){.alloc = allocate, .free = release, .allocator_data = arena};
}

ProtobufCMessage *proto_decode(const ProtobufCMessageDescriptor *d, struct str bytes,
                               const struct proto_limits *limits, struct arena *arena, struct error *e)
{
    if (proto_check(d, bytes, limits, e) != 0)
        return NULL;
    ProtobufCAllocator allocator = proto_arena_allocator(arena);
    ProtobufCMessage *m = protobuf_c_message_unpack(d, &allocator, bytes.n, (const uint8_t *)bytes.p);
    if (!m)
        error_set(e, ERR_NOSPACE, "the message does not fit the memory that is left for it");
    return m;
}
