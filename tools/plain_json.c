/* Plain JSON as messages; see plain_json.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tools/plain_json.h"
#include "base/number.h"
#include "net/proto_fields.h"

enum { FIELDS_MAX = 64, INTEGER_DIGITS_MAX = 18 };

/* At the first thing that is not plain, reading has failed. */
struct plain {
    char *p, *end;
    struct arena *arena;
    int depth;
};

static void skip_space(struct plain *r)
{
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\t' || *r->p == '\n' || *r->p == '\r'))
        r->p++;
}

/* Takes that character, after spaces. */
static inline bool take(struct plain *r, char c)
{
    if (r->p < r->end && *r->p == c) { /* mostly there are none */
        r->p++;
        return true;
    }
    skip_space(r);
    if (r->p == r->end || *r->p != c)
        return false;
    r->p++;
    return true;
}

/* After an element: true when another follows, *ended when `close` came. */
static bool another(struct plain *r, char close, bool *ended)
{
    *ended = take(r, close);
    return !*ended && take(r, ',');
}

static bool read_string(struct plain *r, struct str *out)
{
    if (!take(r, '"'))
        return false;
    const char *from = r->p;
    unsigned char all = 0;
    for (; r->p < r->end && *r->p != '"'; r->p++) {
        unsigned char c = (unsigned char)*r->p;
        if (c < 0x20 || c == '\\')
            return false;
        all |= c;
    }
    if (r->p == r->end)
        return false;
    *out = (struct str){from, (size_t)(r->p - from)};
    r->p++;
    return !(all & 0x80) || utf8_bad_at(out->p, out->n) == 0;
}

static bool is_digit(const struct plain *r)
{
    return r->p < r->end && *r->p >= '0' && *r->p <= '9';
}

static bool read_digits(struct plain *r)
{
    bool any = is_digit(r);
    while (is_digit(r))
        r->p++;
    return any;
}

/* A number's text. whole: it has neither a point nor an exponent. */
static bool number_text(struct plain *r, struct str *out, bool *whole)
{
    skip_space(r);
    const char *from = r->p;
    if (r->p < r->end && *r->p == '-')
        r->p++;
    bool zero = r->p < r->end && *r->p == '0';
    const char *digits = r->p;
    if (!read_digits(r) || (zero && r->p - digits > 1))
        return false;
    *whole = true;
    if (r->p < r->end && *r->p == '.') {
        *whole = false;
        r->p++;
        if (!read_digits(r))
            return false;
    }
    if (r->p < r->end && (*r->p == 'e' || *r->p == 'E')) {
        *whole = false;
        r->p++;
        if (r->p < r->end && (*r->p == '+' || *r->p == '-'))
            r->p++;
        if (!read_digits(r))
            return false;
    }
    *out = (struct str){from, (size_t)(r->p - from)};
    return true;
}

static bool integer_of(struct str text, int64_t *out)
{
    bool minus = text.n && text.p[0] == '-';
    uint64_t n = 0;
    if (text.n - minus > INTEGER_DIGITS_MAX)
        return false;
    for (size_t i = minus; i < text.n; i++)
        n = n * 10 + (uint64_t)(text.p[i] - '0');
    *out = minus ? -(int64_t)n : (int64_t)n;
    return true;
}

static bool read_int64(struct plain *r, int64_t *out)
{
    struct str text;
    bool whole;
    return number_text(r, &text, &whole) && whole && integer_of(text, out);
}

static bool read_double(struct plain *r, double *out)
{
    struct str text;
    bool whole;
    int64_t n;
    if (!number_text(r, &text, &whole))
        return false;
    if (!whole)
        return number_read(text, out);
    if (!integer_of(text, &n))
        return false;
    *out = (double)n;
    return true;
}

static bool read_word(struct plain *r, struct str word)
{
    if ((size_t)(r->end - r->p) < word.n || memcmp(r->p, word.p, word.n) != 0)
        return false;
    r->p += word.n;
    return true;
}

static bool read_bool(struct plain *r, protobuf_c_boolean *out)
{
    skip_space(r);
    *out = read_word(r, STR("true"));
    return *out || read_word(r, STR("false"));
}

static bool end_string(struct plain *r, const char **out)
{
    struct str text;
    if (!read_string(r, &text))
        return false;
    r->p[-1] = 0;
    *out = text.p;
    return true;
}

static bool read_enum(struct plain *r, const ProtobufCEnumDescriptor *d, int32_t *out)
{
    char name[64];
    struct str text;
    if (!read_string(r, &text) || text.n >= sizeof name)
        return false;
    memcpy(name, text.p, text.n);
    name[text.n] = 0;
    const ProtobufCEnumValue *v = protobuf_c_enum_descriptor_get_value_by_name(d, name);
    *out = v ? v->value : 0;
    return v != NULL;
}

static ProtobufCMessage *read_message(struct plain *r, const ProtobufCMessageDescriptor *d);

static bool read_value(struct plain *r, const ProtobufCFieldDescriptor *f, void *p)
{
    int64_t n;
    switch (f->type) {
    case PROTOBUF_C_TYPE_STRING:
        return end_string(r, p);
    case PROTOBUF_C_TYPE_INT64:
        return read_int64(r, p);
    case PROTOBUF_C_TYPE_UINT32:
        if (!read_int64(r, &n) || n < 0 || n > UINT32_MAX)
            return false;
        *(uint32_t *)p = (uint32_t)n;
        return true;
    case PROTOBUF_C_TYPE_DOUBLE:
        return read_double(r, p);
    case PROTOBUF_C_TYPE_BOOL:
        return read_bool(r, p);
    case PROTOBUF_C_TYPE_ENUM:
        return read_enum(r, f->descriptor, p);
    case PROTOBUF_C_TYPE_MESSAGE:
        *(ProtobufCMessage **)p = read_message(r, f->descriptor);
        return *(ProtobufCMessage **)p != NULL;
    default:
        return false;
    }
}

static ProtobufCMessage *new_message(struct plain *r, const ProtobufCMessageDescriptor *d)
{
    ProtobufCMessage *m = arena_alloc(r->arena, d->sizeof_message);
    if (m)
        protobuf_c_message_init(d, m);
    return m;
}

/* A map's entry that differs from those before it. */
static ProtobufCMessage *read_entry(struct plain *r, const ProtobufCFieldDescriptor *map, void *const *before, size_t count)
{
    const ProtobufCFieldDescriptor *key = proto_map_key(map), *value = proto_map_value(map);
    ProtobufCMessage *entry = key->type == PROTOBUF_C_TYPE_STRING ? new_message(r, map->descriptor) : NULL;
    const char **text = entry ? proto_member(entry, key->offset) : NULL;
    if (!entry || !end_string(r, text) || !take(r, ':') || !read_value(r, value, proto_member(entry, value->offset)))
        return NULL;
    for (size_t i = 0; i < count; i++)
        if (strcmp(*(const char **)proto_member(before[i], key->offset), *text) == 0)
            return NULL;
    return entry;
}

/* Lists of messages and maps; other lists are not plain, but for lists of strings. */
static bool read_repeated(struct plain *r, ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
    void *items[PLAIN_JSON_ITEMS_MAX];
    size_t n = 0;
    bool map = proto_is_map(m->descriptor, f), ended;
    if ((f->type != PROTOBUF_C_TYPE_MESSAGE && f->type != PROTOBUF_C_TYPE_STRING) || !take(r, map ? '{' : '['))
        return false;
    ended = take(r, map ? '}' : ']');
    for (bool more = !ended; more; more = another(r, map ? '}' : ']', &ended)) {
        if (n == PLAIN_JSON_ITEMS_MAX)
            return false;
        items[n] = map ? read_entry(r, f, items, n) : NULL;
        if (map ? !items[n] : !read_value(r, f, &items[n]))
            return false;
        n++;
    }
    *proto_count(m, f) = n;
    *(void **)proto_member(m, f->offset) = n ? arena_memdup(r->arena, items, n * sizeof *items) : NULL;
    return ended && (n == 0 || *(void **)proto_member(m, f->offset));
}

/* Fields mostly come in the order in which they are declared. */
static const ProtobufCFieldDescriptor *find_field(const ProtobufCMessageDescriptor *d, struct str name, unsigned guess)
{
    for (unsigned i = 0; i < d->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &d->fields[(guess + i) % d->n_fields];
        if (strncmp(f->name, name.p, name.n) == 0 && f->name[name.n] == 0)
            return f;
    }
    return NULL;
}

static bool read_field(struct plain *r, ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
    if (f->label == PROTOBUF_C_LABEL_REPEATED)
        return read_repeated(r, m, f);
    if (proto_in_oneof(f) && *(uint32_t *)proto_member(m, f->quantifier_offset))
        return false;
    proto_mark_set(m, f);
    return read_value(r, f, proto_member(m, f->offset));
}

static ProtobufCMessage *read_message(struct plain *r, const ProtobufCMessageDescriptor *d)
{
    uint64_t given = 0;
    unsigned guess = 0;
    bool ended = false;
    if (r->depth == PLAIN_JSON_DEPTH_MAX || d->n_fields == 0 || d->n_fields > FIELDS_MAX || !take(r, '{'))
        return NULL;
    ProtobufCMessage *m = new_message(r, d);
    r->depth++;
    ended = m && take(r, '}');
    for (bool more = m && !ended; more; more = another(r, '}', &ended)) {
        struct str name;
        if (!read_string(r, &name) || !take(r, ':'))
            return NULL;
        const ProtobufCFieldDescriptor *f = find_field(d, name, guess);
        unsigned at = f ? (unsigned)(f - d->fields) : 0;
        if (!f || given >> at & 1 || !read_field(r, m, f))
            return NULL;
        given |= UINT64_C(1) << at;
        guess = at + 1;
    }
    r->depth--;
    return ended ? m : NULL;
}

ProtobufCMessage *plain_json(const ProtobufCMessageDescriptor *d, char *text, size_t n, struct arena *arena)
{
    struct plain r = {.p = text, .end = text + n, .arena = arena};
    ProtobufCMessage *m = read_message(&r, d);
    skip_space(&r);
    return r.p == r.end ? m : NULL;
}
