/* Messages to and from JSON; see proto_json.h. Writing goes straight to the buffer, since jansson has no
 * order of its own to keep and no 64-bit unsigned integers; reading goes over jansson's parsed values.
 * SPDX-License-Identifier: Apache-2.0 */
#include "net/proto_json.h"
#include "base/hash.h"
#include "net/json_line.h"
#include "net/proto_fields.h"
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>

/* ---- writing ---- */

struct writer {
    struct buf *out;
    int indent;
    struct error *e;
};

static void new_line(const struct writer *w, int depth)
{
    if (!w->indent)
        return;
    buf_byte(w->out, '\n');
    for (int i = 0; i < depth * w->indent; i++)
        buf_byte(w->out, ' ');
}

static int write_string(const struct writer *w, const ProtobufCFieldDescriptor *f, struct str s)
{
    size_t bad = s.n ? utf8_bad_at(s.p, s.n) : 0;
    if (bad)
        return error_set(w->e, ERR_INVALID, "%s: not valid UTF-8 at byte %zu", f->name, bad);
    buf_byte(w->out, '"');
    for (size_t i = 0, start = 0; i <= s.n; i++) {
        unsigned char c = i < s.n ? (unsigned char)s.p[i] : 0;
        if (i < s.n && c >= 0x20 && c != '"' && c != '\\' && c != 0x7f)
            continue;
        if (i > start)
            buf_append(w->out, s.p + start, i - start);
        start = i + 1;
        if (i == s.n)
            break;
        const char *found = strchr("\"\"\\\\\bb\ff\nn\rr\tt", c);
        if (c && found && (c == '"' || c == '\\' || c < 0x20))
            buf_printf(w->out, "\\%c", found[1]);
        else
            buf_printf(w->out, "\\u%04x", c);
    }
    buf_byte(w->out, '"');
    return 0;
}

static void write_bytes(const struct writer *w, const ProtobufCBinaryData *b)
{
    buf_byte(w->out, '"');
    char *to = (char *)buf_reserve(w->out, (b->len + 2) / 3 * 4);
    size_t n = to && b->len ? base64url_encode(b->data, b->len, to) : 0;
    for (size_t i = 0; i < n; i++)
        to[i] = to[i] == '-' ? '+' : to[i] == '_' ? '/' : to[i];
    while (n % 4)
        to[n++] = '=';
    w->out->n += n;
    buf_byte(w->out, '"');
}

/* The fewest digits that read back as the same number. */
static void write_real(const struct writer *w, double v, bool is_float)
{
    char text[32];
    if (!isfinite(v)) {
        buf_printf(w->out, "\"%s\"", isnan(v) ? "NaN" : v < 0 ? "-Infinity" : "Infinity");
        return;
    }
    if (v == 0 && signbit(v)) { /* "-0" would be read as the integer 0 */
        buf_str(w->out, STR("-0.0"));
        return;
    }
    for (int digits = is_float ? 6 : 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, v);
        if (is_float ? strtof(text, NULL) == (float)v : strtod(text, NULL) == v)
            break;
    }
    buf_str(w->out, str_from(text));
}

static int write_message(const struct writer *w, const ProtobufCMessage *m, int depth);

/* One element; p points to it. quoted: as the key of a map. */
static int write_value(const struct writer *w, const ProtobufCFieldDescriptor *f, const void *p, int depth,
                       bool quoted)
{
    struct buf *out = w->out;
    const char *quote = quoted ? "\"" : "";
    switch (f->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        buf_printf(out, "%s%" PRId32 "%s", quote, *(const int32_t *)p, quote);
        return 0;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        buf_printf(out, "%s%" PRIu32 "%s", quote, *(const uint32_t *)p, quote);
        return 0;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        buf_printf(out, "\"%" PRId64 "\"", *(const int64_t *)p);
        return 0;
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        buf_printf(out, "\"%" PRIu64 "\"", *(const uint64_t *)p);
        return 0;
    case PROTOBUF_C_TYPE_FLOAT:
        write_real(w, (double)*(const float *)p, true);
        return 0;
    case PROTOBUF_C_TYPE_DOUBLE:
        write_real(w, *(const double *)p, false);
        return 0;
    case PROTOBUF_C_TYPE_BOOL:
        buf_printf(out, "%s%s%s", quote, *(const protobuf_c_boolean *)p ? "true" : "false", quote);
        return 0;
    case PROTOBUF_C_TYPE_ENUM: {
        const ProtobufCEnumValue *v =
            protobuf_c_enum_descriptor_get_value(f->descriptor, *(const int32_t *)p);
        if (v)
            buf_printf(out, "\"%s\"", v->name);
        else
            buf_printf(out, "%" PRId32, *(const int32_t *)p);
        return 0;
    }
    case PROTOBUF_C_TYPE_STRING:
        return write_string(w, f, str_from(*(const char *const *)p));
    case PROTOBUF_C_TYPE_BYTES:
        write_bytes(w, p);
        return 0;
    case PROTOBUF_C_TYPE_MESSAGE:
        return write_message(w, *(ProtobufCMessage *const *)p, depth);
    }
    return error_set(w->e, ERR_INTERNAL, "%s: unknown field type", f->name);
}

static int write_entry(const struct writer *w, const ProtobufCFieldDescriptor *map,
                       const ProtobufCMessage *entry, int depth)
{
    const ProtobufCFieldDescriptor *key = proto_map_key(map), *value = proto_map_value(map);
    int r = write_value(w, key, proto_member(entry, key->offset), depth, true);
    buf_str(w->out, w->indent ? STR(": ") : STR(":"));
    return r != 0 ? r : write_value(w, value, proto_member(entry, value->offset), depth, false);
}

static int write_repeated(const struct writer *w, const ProtobufCMessage *m,
                          const ProtobufCFieldDescriptor *f, int depth)
{
    bool map = proto_is_map(m->descriptor, f);
    size_t n = *proto_count(m, f), size = proto_element_size(f->type);
    const char *elements = *(char *const *)proto_member(m, f->offset);
    buf_byte(w->out, map ? '{' : '[');
    for (size_t i = 0; i < n; i++) {
        if (i)
            buf_byte(w->out, ',');
        new_line(w, depth + 1);
        const void *p = elements + i * size;
        int r = map ? write_entry(w, f, *(ProtobufCMessage *const *)p, depth + 1)
                    : write_value(w, f, p, depth + 1, false);
        if (r != 0)
            return error_prefix(w->e, "%s[%zu]", f->name, i);
    }
    new_line(w, depth);
    buf_byte(w->out, map ? '}' : ']');
    return 0;
}

static int write_message(const struct writer *w, const ProtobufCMessage *m, int depth)
{
    bool first = true;
    if (depth > 3 * PROTO_JSON_DEPTH_MAX)
        return error_set(w->e, ERR_INVALID, "nested too deep");
    buf_byte(w->out, '{');
    for (unsigned i = 0; m && i < m->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
        bool repeated = f->label == PROTOBUF_C_LABEL_REPEATED;
        if (repeated ? *proto_count(m, f) == 0 : !proto_is_set(m, f))
            continue;
        if (!first)
            buf_byte(w->out, ',');
        first = false;
        new_line(w, depth + 1);
        buf_printf(w->out, w->indent ? "\"%s\": " : "\"%s\":", f->name);
        int r = repeated ? write_repeated(w, m, f, depth + 1)
                         : write_value(w, f, proto_member(m, f->offset), depth + 1, false);
        if (r != 0)
            return r;
    }
    if (!first)
        new_line(w, depth);
    buf_byte(w->out, '}');
    return 0;
}

int proto_to_json(const ProtobufCMessage *m, int indent, struct buf *out, struct error *e)
{
    struct writer w = {out, indent, e};
    int r = write_message(&w, m, 0);
    if (r == 0 && !buf_ok(out))
        return error_set(e, ERR_NOSPACE, "the JSON text takes more than %zu bytes", out->limit);
    return r;
}

/* ---- reading ---- */

enum { STEPS_MAX = 3 * PROTO_JSON_DEPTH_MAX };

struct reader {
    struct str text;
    struct arena *arena;
    struct error *e;
    struct json_step steps[STEPS_MAX]; /* where we are */
    bool in_map[STEPS_MAX];
    size_t depth;
};

static int fail(const struct reader *r, const char *format, ...) PRINTF_LIKE(2, 3);
static int fail(const struct reader *r, const char *format, ...)
{
    char path[200] = "", text[320];
    size_t n = 0;
    for (size_t i = 0; i < r->depth && n < sizeof path; i++) {
        struct str key = r->steps[i].key;
        if (!key.p)
            n += (size_t)snprintf(path + n, sizeof path - n, "[%zu]", r->steps[i].index);
        else if (r->in_map[i])
            n += (size_t)snprintf(path + n, sizeof path - n, "[\"%.*s\"]", STR_ARG(key));
        else
            n += (size_t)snprintf(path + n, sizeof path - n, "%s%.*s", n ? "." : "", STR_ARG(key));
    }
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return error_set(r->e, ERR_INVALID, "line %d: %s%s%s", json_line(r->text, r->steps, r->depth), path,
                     r->depth ? ": " : "", text);
}

static int no_memory(const struct reader *r)
{
    return error_set(r->e, ERR_NOSPACE, "the message does not fit the memory that is left for it");
}

static int enter(struct reader *r, struct json_step step, bool in_map)
{
    if (r->depth == STEPS_MAX)
        return fail(r, "nested too deep");
    r->in_map[r->depth] = in_map;
    r->steps[r->depth++] = step;
    return 0;
}

static const char *kind_of(const json_t *v)
{
    static const char *const names[] = {"an object", "a list",        "a string",      "a number",
                                        "a number",  "a truth value", "a truth value", "null"};
    return names[json_typeof(v)];
}

static int read_signed(const struct reader *r, struct str text, int64_t least, int64_t most, int64_t *out)
{
    char copy[32], *end;
    if (text.n > 0 && text.n < sizeof copy && strchr("-0123456789", text.p[0])) {
        memcpy(copy, text.p, text.n);
        copy[text.n] = 0;
        errno = 0;
        *out = strtoll(copy, &end, 10);
        if (end == copy + text.n && errno == 0 && *out >= least && *out <= most)
            return 0;
    }
    return fail(r, "%.*s is not a whole number from %" PRId64 " to %" PRId64,
                (int)(text.n < 40 ? text.n : 40), text.p ? text.p : "", least, most);
}

static int read_unsigned(const struct reader *r, struct str text, uint64_t most, uint64_t *out)
{
    char copy[32], *end;
    if (text.n > 0 && text.n < sizeof copy && strchr("0123456789", text.p[0])) {
        memcpy(copy, text.p, text.n);
        copy[text.n] = 0;
        errno = 0;
        *out = strtoull(copy, &end, 10);
        if (end == copy + text.n && errno == 0 && *out <= most)
            return 0;
    }
    return fail(r, "%.*s is not a whole number from 0 to %" PRIu64, (int)(text.n < 40 ? text.n : 40),
                text.p ? text.p : "", most);
}

/* A number or a string as text for the integer parsers: 5, "5", 5.0 and 1e3. */
static int integer_text(const struct reader *r, const json_t *v, char copy[32], struct str *text)
{
    if (json_is_string(v)) {
        *text = (struct str){json_string_value(v), json_string_length(v)};
        return 0;
    }
    if (json_is_integer(v)) {
        snprintf(copy, 32, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
    } else if (json_is_real(v)) {
        double d = json_real_value(v);
        bool whole = fabs(d) < 1e19 && d == floor(d);
        snprintf(copy, 32, whole ? "%.0f" : "%.17g", whole && d == 0 ? 0.0 : d);
    } else {
        return fail(r, "%s; allowed: a whole number, or one in a string", kind_of(v));
    }
    *text = str_from(copy);
    return 0;
}

static int read_real(const struct reader *r, const json_t *v, double *out)
{
    if (json_is_number(v)) {
        *out = json_number_value(v);
        return 0;
    }
    if (!json_is_string(v))
        return fail(r, "%s; allowed: a number, \"NaN\", \"Infinity\", \"-Infinity\"", kind_of(v));
    const char *text = json_string_value(v);
    char *end;
    if (strcmp(text, "NaN") == 0)
        *out = (double)NAN;
    else if (strcmp(text, "Infinity") == 0)
        *out = (double)INFINITY;
    else if (strcmp(text, "-Infinity") == 0)
        *out = -(double)INFINITY;
    else if (strspn(text, "0123456789+-.eE") != strlen(text) || (*out = strtod(text, &end), *end) ||
             end == text || !isfinite(*out))
        return fail(r, "\"%.40s\" is no number; allowed: a number, \"NaN\", \"Infinity\", \"-Infinity\"",
                    text);
    return 0;
}

static int read_enum(const struct reader *r, const ProtobufCFieldDescriptor *f, const json_t *v, int32_t *out)
{
    const ProtobufCEnumDescriptor *d = f->descriptor;
    if (!json_is_string(v)) {
        char copy[32];
        struct str text;
        int64_t n = 0;
        int code = integer_text(r, v, copy, &text);
        code = code != 0 ? code : read_signed(r, text, INT32_MIN, INT32_MAX, &n);
        *out = (int32_t)n;
        return code;
    }
    const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value_by_name(d, json_string_value(v));
    if (value) {
        *out = value->value;
        return 0;
    }
    struct suggest suggest;
    char allowed[200] = "";
    size_t n = 0;
    suggest_init(&suggest, str_from(json_string_value(v)));
    for (unsigned i = 0; i < d->n_values; i++) {
        suggest_offer(&suggest, str_from(d->values[i].name));
        if (n + strlen(d->values[i].name) + 3 < sizeof allowed)
            n += (size_t)snprintf(allowed + n, sizeof allowed - n, "%s%s", n ? ", " : "", d->values[i].name);
    }
    struct str best = suggest_best(&suggest);
    if (best.n)
        return fail(r, "there is no \"%.60s\"; did you mean %.*s?", json_string_value(v), STR_ARG(best));
    return fail(r, "there is no \"%.60s\"; allowed: %s", json_string_value(v), allowed);
}

/* Standard or URL alphabet, with or without padding. */
static int read_bytes(const struct reader *r, const json_t *v, ProtobufCBinaryData *out)
{
    size_t n = json_string_length(v);
    const char *text = json_string_value(v);
    while (n > 0 && json_string_length(v) - n < 2 && text[n - 1] == '=')
        n--;
    char *copy = arena_memdup(r->arena, text, n);
    uint8_t *data = arena_alloc(r->arena, n * 3 / 4);
    if (!copy || !data)
        return no_memory(r);
    for (size_t i = 0; i < n; i++)
        copy[i] = copy[i] == '+' ? '-' : copy[i] == '/' ? '_' : copy[i];
    long length = base64url_decode((struct str){copy, n}, data);
    if (length < 0)
        return fail(r, "not base64");
    *out = (ProtobufCBinaryData){(size_t)length, length ? data : NULL};
    return 0;
}

static int read_message(struct reader *r, const ProtobufCMessageDescriptor *d, const json_t *v,
                        ProtobufCMessage **out);

static int read_integer(const struct reader *r, ProtobufCType type, struct str text, void *p)
{
    int64_t s = 0;
    uint64_t u = 0;
    int code;
    switch (type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        code = read_signed(r, text, INT32_MIN, INT32_MAX, &s);
        *(int32_t *)p = (int32_t)s;
        return code;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        code = read_unsigned(r, text, UINT32_MAX, &u);
        *(uint32_t *)p = (uint32_t)u;
        return code;
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        return read_unsigned(r, text, UINT64_MAX, p);
    default:
        return read_signed(r, text, INT64_MIN, INT64_MAX, p);
    }
}

/* One element into p. */
static int read_value(struct reader *r, const ProtobufCFieldDescriptor *f, const json_t *v, void *p)
{
    char copy[32];
    struct str text;
    double real = 0;
    int code;
    switch (f->type) {
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_DOUBLE:
        code = read_real(r, v, &real);
        /* half a step above the greatest float, from where rounding gives infinity */
        if (code == 0 && f->type == PROTOBUF_C_TYPE_FLOAT && isfinite(real) && fabs(real) >= 0x1.ffffffp+127)
            return fail(r, "%g does not fit a float", real);
        if (f->type == PROTOBUF_C_TYPE_FLOAT)
            *(float *)p = (float)real;
        else
            *(double *)p = real;
        return code;
    case PROTOBUF_C_TYPE_BOOL:
        if (!json_is_boolean(v))
            return fail(r, "%s; allowed: true, false", kind_of(v));
        *(protobuf_c_boolean *)p = json_is_true(v);
        return 0;
    case PROTOBUF_C_TYPE_ENUM:
        return read_enum(r, f, v, p);
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
        if (!json_is_string(v))
            return fail(r, "%s; allowed: a string", kind_of(v));
        if (f->type == PROTOBUF_C_TYPE_BYTES)
            return read_bytes(r, v, p);
        text = arena_str(r->arena, (struct str){json_string_value(v), json_string_length(v)});
        *(const char **)p = text.p;
        return text.p ? 0 : no_memory(r);
    case PROTOBUF_C_TYPE_MESSAGE:
        return read_message(r, f->descriptor, v, p);
    default:
        code = integer_text(r, v, copy, &text);
        return code != 0 ? code : read_integer(r, f->type, text, p);
    }
}

static int read_key(struct reader *r, const ProtobufCFieldDescriptor *f, struct str key, void *p)
{
    switch (f->type) {
    case PROTOBUF_C_TYPE_STRING: {
        struct str copy = arena_str(r->arena, key);
        *(const char **)p = copy.p;
        return copy.p ? 0 : no_memory(r);
    }
    case PROTOBUF_C_TYPE_BOOL:
        if (!str_is(key, "true") && !str_is(key, "false"))
            return fail(r, "a key of this map is \"true\" or \"false\"");
        *(protobuf_c_boolean *)p = str_is(key, "true");
        return 0;
    default:
        if (key.n > 1 &&
            (key.p[0] == '0' || str_starts(key, STR("-0")))) /* else "5" and "05" could be two keys */
            return fail(r, "a number that is a key has no leading zeros");
        return read_integer(r, f->type, key, p);
    }
}

static ProtobufCMessage *new_message(const struct reader *r, const ProtobufCMessageDescriptor *d)
{
    ProtobufCMessage *m = arena_alloc(r->arena, d->sizeof_message);
    if (m)
        protobuf_c_message_init(d, m);
    return m;
}

static int read_entry(struct reader *r, const ProtobufCFieldDescriptor *map, struct str key, const json_t *v,
                      void *p)
{
    const ProtobufCFieldDescriptor *value = proto_map_value(map);
    ProtobufCMessage *entry = new_message(r, map->descriptor);
    if (!entry)
        return no_memory(r);
    *(ProtobufCMessage **)p = entry;
    int code = read_key(r, proto_map_key(map), key, proto_member(entry, proto_map_key(map)->offset));
    if (code != 0)
        return code;
    if (json_is_null(v))
        return fail(r, "null; a map's value must be given");
    return read_value(r, value, v, proto_member(entry, value->offset));
}

static int read_repeated(struct reader *r, const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f,
                         json_t *v)
{
    bool map = proto_is_map(m->descriptor, f);
    if (map ? !json_is_object(v) : !json_is_array(v))
        return fail(r, "%s; allowed: %s", kind_of(v), map ? "an object" : "a list");
    size_t n = map ? json_object_size(v) : json_array_size(v), size = proto_element_size(f->type);
    if (n == 0)
        return 0;
    char *elements = arena_zalloc(r->arena, n * size);
    if (!elements)
        return no_memory(r);
    void *iterator = map ? json_object_iter(v) : NULL;
    for (size_t i = 0; i < n; i++) {
        struct str key = str_from(map ? json_object_iter_key(iterator) : NULL);
        int code = enter(r, (struct json_step){key, i}, map);
        if (code != 0)
            return code;
        const json_t *element = map ? json_object_iter_value(iterator) : json_array_get(v, i);
        if (map)
            code = read_entry(r, f, key, element, elements + i * size);
        else
            code = read_value(r, f, element, elements + i * size);
        if (code != 0)
            return code;
        r->depth--;
        iterator = map ? json_object_iter_next(v, iterator) : NULL;
    }
    *proto_count(m, f) = n;
    *(char **)proto_member(m, f->offset) = elements;
    return 0;
}

static int no_such_field(const struct reader *r, const ProtobufCMessageDescriptor *d, struct str name)
{
    struct suggest suggest;
    char allowed[200] = "";
    size_t n = 0;
    suggest_init(&suggest, name);
    for (unsigned i = 0; i < d->n_fields; i++) {
        suggest_offer(&suggest, str_from(d->fields[i].name));
        if (n + strlen(d->fields[i].name) + 3 < sizeof allowed)
            n += (size_t)snprintf(allowed + n, sizeof allowed - n, "%s%s", n ? ", " : "", d->fields[i].name);
    }
    struct str best = suggest_best(&suggest);
    if (best.n)
        return fail(r, "no such field; did you mean %.*s?", STR_ARG(best));
    return fail(r, "no such field; allowed: %s", n ? allowed : "none");
}

static int read_field(struct reader *r, ProtobufCMessage *m, struct str name, json_t *v, uint8_t *given)
{
    const ProtobufCFieldDescriptor *f = proto_find_field(m->descriptor, name);
    if (!f)
        return no_such_field(r, m->descriptor, name);
    size_t at = (size_t)(f - m->descriptor->fields);
    if (given[at])
        return fail(r, "given twice, by both of its names");
    given[at] = 1;
    if (json_is_null(v))
        return 0;
    if (f->label == PROTOBUF_C_LABEL_REPEATED)
        return read_repeated(r, m, f, v);
    if (proto_in_oneof(f)) {
        uint32_t other = *(uint32_t *)proto_member(m, f->quantifier_offset);
        if (other)
            return fail(r, "only one of this and %s may be given",
                        protobuf_c_message_descriptor_get_field(m->descriptor, other)->name);
    }
    proto_mark_set(m, f);
    return read_value(r, f, v, proto_member(m, f->offset));
}

/* A message that is one of several, such as Value, is what people write as the plain value. */
static int no_object(const struct reader *r, const ProtobufCMessageDescriptor *d, const json_t *v)
{
    char allowed[200] = "";
    size_t n = 0;
    for (unsigned i = 0; i < d->n_fields; i++) {
        if (!proto_in_oneof(&d->fields[i]))
            return fail(r, "%s; allowed: an object", kind_of(v));
        if (n + strlen(d->fields[i].name) + 3 < sizeof allowed)
            n += (size_t)snprintf(allowed + n, sizeof allowed - n, "%s%s", n ? ", " : "", d->fields[i].name);
    }
    return fail(r, "%s; allowed: an object%s%s", kind_of(v), n ? " with one of " : "", allowed);
}

static int read_message(struct reader *r, const ProtobufCMessageDescriptor *d, const json_t *v,
                        ProtobufCMessage **out)
{
    if (!json_is_object(v))
        return no_object(r, d, v);
    ProtobufCMessage *m = new_message(r, d);
    uint8_t *given = arena_zalloc(r->arena, d->n_fields);
    if (!m || !given)
        return no_memory(r);
    json_t *object = (json_t *)(uintptr_t)v;
    for (void *i = json_object_iter(object); i; i = json_object_iter_next(object, i)) {
        struct str name = str_from(json_object_iter_key(i));
        int code = enter(r, (struct json_step){name, 0}, false);
        if (code == 0)
            code = read_field(r, m, name, json_object_iter_value(i), given);
        if (code != 0)
            return code;
        r->depth--;
    }
    *out = m;
    return 0;
}

ProtobufCMessage *proto_from_json(const ProtobufCMessageDescriptor *d, struct str text, struct arena *arena,
                                  struct error *e)
{
    json_error_t wrong;
    json_t *v = json_loadb(text.p ? text.p : "", text.n, JSON_REJECT_DUPLICATES, &wrong);
    if (!v) {
        error_set(e, ERR_INVALID, "line %d: not valid JSON: %s", wrong.line > 0 ? wrong.line : 1, wrong.text);
        return NULL;
    }
    struct reader r = {.text = text, .arena = arena, .e = e};
    ProtobufCMessage *m = NULL;
    if (read_message(&r, d, v, &m) != 0)
        m = NULL;
    json_decref(v);
    return m;
}

ProtobufCMessage *proto_from_json_line(const ProtobufCMessageDescriptor *d, struct str text, struct arena *arena,
                                       struct error *e)
{
    static const char here[] = "line 1: ";
    ProtobufCMessage *m = proto_from_json(d, text, arena, e);
    if (!m && strncmp(e->text, here, sizeof here - 1) == 0)
        memmove(e->text, e->text + sizeof here - 1, strlen(e->text) - (sizeof here - 1) + 1);
    return m;
}
