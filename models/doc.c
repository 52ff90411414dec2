/* JSON and UBJSON readers that share one tree; see doc.h. Both descend recursively, at most DOC_DEPTH_MAX
 * deep. An array that holds only numbers is packed: JSON numbers as doubles, UBJSON's typed arrays stay where
 * they are, big-endian.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/doc.h"
#include "base/number.h"
#include <math.h>
#include <stdlib.h>

enum { NUMBER_TEXT_MAX = 63 };

struct doc_reader {
    const char *start, *p, *end;
    struct arena *arena;
    struct error *e;
    int depth;
};

static bool bad(struct doc_reader *r, const char *what)
{
    bool cut = r->p >= r->end || strstr(what, "past the end");
    error_set(r->e, ERR_INVALID, "not a model document: %s at byte %zu%s", what, (size_t)(r->p - r->start),
              cut ? "; is the file cut off or damaged?" : "");
    return false;
}

static bool full(struct doc_reader *r)
{
    error_set(r->e, ERR_NOSPACE, "the model needs more than %zu MiB to read",
              r->arena->limit / (1024 * 1024));
    return false;
}

static size_t left(const struct doc_reader *r)
{
    return (size_t)(r->end - r->p);
}

/* Room for one more element in an array that doubles. */
static bool grow(struct doc_reader *r, void **items, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity)
        return true;
    size_t wanted = *capacity ? *capacity * 2 : 4;
    void *fresh = arena_alloc(r->arena, wanted * size);
    if (!fresh)
        return full(r);
    if (count)
        memcpy(fresh, *items, count * size);
    *items = fresh;
    *capacity = wanted;
    return true;
}

static struct doc_value *add_item(struct doc_reader *r, struct doc_value *array, size_t *capacity)
{
    void *items = array->items;
    if (!grow(r, &items, array->count, capacity, sizeof *array->items))
        return NULL;
    array->items = items;
    struct doc_value *item = &array->items[array->count++];
    *item = (struct doc_value){0};
    return item;
}

static struct doc_member *add_member(struct doc_reader *r, struct doc_value *object, size_t *capacity)
{
    void *members = object->members;
    if (!grow(r, &members, object->count, capacity, sizeof *object->members))
        return NULL;
    object->members = members;
    struct doc_member *member = &object->members[object->count++];
    *member = (struct doc_member){0};
    return member;
}

static int compare_keys(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* Whoever reads the file with another reader might take the other of two members of one name. */
static bool keys_differ(struct doc_reader *r, const struct doc_value *object)
{
    size_t n = object->count;
    struct str *keys = arena_alloc(r->arena, (n + 1) * sizeof *keys);
    if (!keys)
        return full(r);
    for (size_t i = 0; i < n; i++)
        keys[i] = object->members[i].key;
    if (n > 1)
        qsort(keys, n, sizeof *keys, compare_keys);
    for (size_t i = 1; i < n; i++)
        if (str_eq(keys[i - 1], keys[i]))
            return bad(r, "an object has two members of one name");
    return true;
}

/* ---- JSON ---- */

static bool json_value(struct doc_reader *r, struct doc_value *out);

static void json_space(struct doc_reader *r)
{
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\t' || *r->p == '\n' || *r->p == '\r'))
        r->p++;
}

static bool json_take(struct doc_reader *r, char c)
{
    json_space(r);
    if (r->p >= r->end || *r->p != c)
        return false;
    r->p++;
    return true;
}

static bool json_word(struct doc_reader *r, const char *word)
{
    size_t n = strlen(word);
    if (left(r) < n || memcmp(r->p, word, n) != 0)
        return false;
    r->p += n;
    return true;
}

/* Four hexadecimal digits at p, or -1. */
static int json_hex(const struct doc_reader *r, const char *p)
{
    int code = 0;
    for (int i = 0; i < 4; i++) {
        char c = p < r->end ? *p++ : 0;
        int digit = c >= '0' && c <= '9'                 ? c - '0'
                    : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                         : -1;
        if (digit < 0)
            return -1;
        code = code * 16 + digit;
    }
    return code;
}

/* The code point after "\u", of a surrogate with its other half; -1 when there is none. */
static int json_code(struct doc_reader *r)
{
    int code = json_hex(r, r->p), low = -1;
    if (code >= 0xDC00 && code <= 0xDFFF)
        return -1;
    if (code >= 0xD800 && code <= 0xDBFF) {
        if ((size_t)(r->end - r->p) < 10 || r->p[4] != '\\' || r->p[5] != 'u' || (low = json_hex(r, r->p + 6)) < 0xDC00 ||
            low > 0xDFFF)
            return -1;
        r->p += 6;
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    if (code >= 0)
        r->p += 4;
    return code;
}

/* One escape after the backslash into out, at most as long as it was; the bytes written, or 0. XGBoost writes \u of a name as it is,
 * so one without digits is no escape. */
static size_t json_escape(struct doc_reader *r, char *out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    char c = r->p < r->end ? *r->p++ : 0;
    const char *known = c ? strchr(from, c) : NULL;
    if (known) {
        out[0] = to[known - from];
        return 1;
    }
    if (c == 'u' && json_hex(r, r->p) < 0) {
        memcpy(out, "\\u", 2);
        return 2;
    }
    int code = c == 'u' ? json_code(r) : -1;
    char bytes[4]; /* out may have room for no more than is written */
    size_t n = code < 0 ? 0 : utf8_put(bytes, (uint32_t)code);
    memcpy(out, bytes, n);
    return n;
}

static bool json_string(struct doc_reader *r, struct str *out)
{
    if (!json_take(r, '"'))
        return bad(r, "expected a string");
    const char *from = r->p;
    bool escaped = false;
    const char *close = from;
    for (; close < r->end && *close != '"'; close++) {
        if ((unsigned char)*close < 0x20)
            return bad(r, "control character in a string");
        if (*close == '\\') {
            escaped = true;
            if (++close >= r->end)
                break;
        }
    }
    if (close >= r->end)
        return bad(r, "string without end");
    *out = (struct str){from, (size_t)(close - from)};
    if (escaped) {
        char *text = arena_alloc(r->arena, out->n);
        size_t n = 0;
        if (!text)
            return full(r);
        while (r->p < close) {
            if (*r->p != '\\') {
                text[n++] = *r->p++;
                continue;
            }
            r->p++;
            size_t written = json_escape(r, text + n);
            if (!written)
                return bad(r, "bad escape");
            n += written;
        }
        *out = (struct str){text, n};
    }
    r->p = close + 1;
    return true;
}

static bool json_starts_number(const struct doc_reader *r)
{
    return r->p < r->end && (*r->p == '-' || (*r->p >= '0' && *r->p <= '9') || *r->p == 'N' || *r->p == 'I');
}

/* Models hold floats. A decimal that is nearly half-way between two of them may become that very middle as a double,
 * and then the wrong float: where it did, or where floats are subnormal, the neighbour on the right side is taken. */
static double settle_float(const char *text, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    bool middle = (bits & 0x1FFFFFFF) == 0x10000000, subnormal = fabs(value) < 0x1p-126;
    if ((!middle && !subnormal) || value == 0)
        return value;
    float right = strtof(text, NULL);
    return (float)value == right ? value : (double)right;
}

static bool json_number(struct doc_reader *r, double *out)
{
    static const uint8_t allowed[256] = {
        ['+'] = 1, ['-'] = 1, ['.'] = 1, ['0'] = 1, ['1'] = 1, ['2'] = 1, ['3'] = 1, ['4'] = 1,
        ['5'] = 1, ['6'] = 1, ['7'] = 1, ['8'] = 1, ['9'] = 1, ['e'] = 1, ['E'] = 1, ['N'] = 1,
        ['a'] = 1, ['I'] = 1, ['n'] = 1, ['f'] = 1, ['i'] = 1, ['t'] = 1, ['y'] = 1};
    size_t n = 0, most = left(r) < NUMBER_TEXT_MAX ? left(r) : NUMBER_TEXT_MAX;
    while (n < most && allowed[(unsigned char)r->p[n]])
        n++;
    char text[NUMBER_TEXT_MAX + 1], *end = text + n;
    memcpy(text, r->p, n);
    text[n] = 0;
    if (!number_read((struct str){r->p, n}, out))
        *out = strtod(text, &end); /* NaN, Infinity, 1e999 */
    if (n == 0 || end != text + n)
        return bad(r, "bad number");
    *out = settle_float(text, *out);
    r->p += n;
    return true;
}

/* An array of only numbers, from the first number on. */
static bool json_numbers(struct doc_reader *r, struct doc_value *out)
{
    size_t most = 1;
    for (const char *p = r->p; p < r->end && *p != ']'; p++)
        most += *p == ',';
    double *numbers = arena_alloc(r->arena, most * sizeof *numbers);
    if (!numbers)
        return full(r);
    out->kind = DOC_NUMBERS;
    out->raw = numbers;
    do {
        json_space(r);
        if (!json_number(r, &numbers[out->count]))
            return false;
        out->count++;
    } while (json_take(r, ','));
    return json_take(r, ']') || bad(r, "expected , or ]");
}

static bool json_array(struct doc_reader *r, struct doc_value *out)
{
    out->kind = DOC_ARRAY;
    json_space(r);
    if (json_take(r, ']'))
        return true;
    if (json_starts_number(r))
        return json_numbers(r, out);
    size_t capacity = 0;
    do {
        struct doc_value *item = add_item(r, out, &capacity);
        if (!item || !json_value(r, item))
            return false;
    } while (json_take(r, ','));
    return json_take(r, ']') || bad(r, "expected , or ]");
}

static bool json_object(struct doc_reader *r, struct doc_value *out)
{
    out->kind = DOC_OBJECT;
    if (json_take(r, '}'))
        return true;
    size_t capacity = 0;
    do {
        struct doc_member *member = add_member(r, out, &capacity);
        if (!member || !json_string(r, &member->key))
            return false;
        if (!json_take(r, ':'))
            return bad(r, "expected :");
        if (!json_value(r, &member->value))
            return false;
    } while (json_take(r, ','));
    return json_take(r, '}') ? keys_differ(r, out) : bad(r, "expected , or }");
}

static bool json_value(struct doc_reader *r, struct doc_value *out)
{
    json_space(r);
    char c = r->p < r->end ? *r->p : 0;
    bool ok;
    if (++r->depth > DOC_DEPTH_MAX)
        return bad(r, "nested too deep");
    if (c == '{') {
        const char *from = r->p++;
        ok = json_object(r, out);
        out->text = (struct str){from, (size_t)(r->p - from)};
    } else if (c == '[') {
        r->p++;
        ok = json_array(r, out);
    } else if (c == '"') {
        out->kind = DOC_STRING;
        ok = json_string(r, &out->text);
    } else if (json_starts_number(r)) {
        out->kind = DOC_NUMBER;
        ok = json_number(r, &out->number);
    } else {
        bool yes = json_word(r, "true");
        out->kind = yes || json_word(r, "false") ? DOC_BOOL : DOC_NULL;
        out->number = yes;
        ok = out->kind == DOC_BOOL || json_word(r, "null") || bad(r, "expected a value");
    }
    r->depth--;
    return ok;
}

/* ---- UBJSON ---- */

static bool ubj_value(struct doc_reader *r, char type, struct doc_value *out);

/* Bytes of a number, or 0 when the type is none. */
static size_t ubj_size(char type)
{
    switch (type) {
    case 'i':
    case 'U':
        return 1;
    case 'I':
        return 2;
    case 'l':
    case 'd':
        return 4;
    case 'L':
    case 'D':
        return 8;
    default:
        return 0;
    }
}

static double ubj_number(char type, const char *p)
{
    uint64_t bits = 0;
    size_t n = ubj_size(type);
    for (size_t i = 0; i < n; i++)
        bits = bits << 8 | (unsigned char)p[i];
    uint32_t low = (uint32_t)bits;
    float f;
    double d;
    switch (type) {
    case 'i':
        return (int8_t)low;
    case 'U':
        return (uint8_t)low;
    case 'I':
        return (int16_t)low;
    case 'l':
        return (int32_t)low;
    case 'L':
        return (double)(int64_t)bits;
    case 'd':
        memcpy(&f, &low, sizeof f);
        return (double)f;
    default:
        memcpy(&d, &bits, sizeof d);
        return d;
    }
}

/* The next marker; 'N' (no operation) is passed over. 0 at the end. */
static char ubj_marker(struct doc_reader *r)
{
    while (r->p < r->end && *r->p == 'N')
        r->p++;
    return r->p < r->end ? *r->p++ : 0;
}

/* A length with its type before it. */
static bool ubj_length(struct doc_reader *r, size_t *out)
{
    char type = ubj_marker(r);
    size_t size = type == 'd' || type == 'D' ? 0 : ubj_size(type);
    if (!size || left(r) < size)
        return bad(r, "bad length");
    double n = ubj_number(type, r->p);
    r->p += size;
    if (n < 0 || n > (double)left(r))
        return bad(r, "length past the end");
    *out = (size_t)n;
    return true;
}

static bool ubj_string(struct doc_reader *r, struct str *out)
{
    size_t n;
    if (!ubj_length(r, &n))
        return false;
    *out = (struct str){r->p, n};
    r->p += n;
    return true;
}

/* What may stand at the head of a container: $ and a type, # and a count. type 0 and counted false when
 * absent. */
static bool ubj_head(struct doc_reader *r, char *type, bool *counted, size_t *count)
{
    *type = 0;
    if (r->p < r->end && *r->p == '$') {
        r->p++;
        *type = ubj_marker(r);
        if (r->p >= r->end || *r->p != '#')
            return bad(r, "a typed container without count");
    }
    *counted = r->p < r->end && *r->p == '#';
    *count = 0;
    if (!*counted)
        return true;
    r->p++;
    return ubj_length(r, count);
}

static bool ubj_array(struct doc_reader *r, struct doc_value *out)
{
    char type;
    bool counted;
    size_t count, capacity = 0;
    if (!ubj_head(r, &type, &counted, &count))
        return false;
    out->kind = DOC_ARRAY;
    if (type) {
        size_t size = ubj_size(type);
        if (!size)
            return bad(r, "a typed array of no numbers");
        if (count > left(r) / size)
            return bad(r, "array past the end");
        *out = (struct doc_value){.kind = DOC_NUMBERS, .packed = type, .count = count, .raw = r->p};
        r->p += count * size;
        return true;
    }
    while (!counted || out->count < count) {
        char marker = ubj_marker(r);
        if (!counted && marker == ']')
            return true;
        struct doc_value *item = add_item(r, out, &capacity);
        if (!item || !ubj_value(r, marker, item))
            return false;
    }
    return true;
}

static bool ubj_object(struct doc_reader *r, struct doc_value *out)
{
    char type;
    bool counted;
    size_t count, capacity = 0;
    if (!ubj_head(r, &type, &counted, &count))
        return false;
    if (type)
        return bad(r, "a typed object");
    out->kind = DOC_OBJECT;
    while (!counted || out->count < count) {
        if (!counted && r->p < r->end && *r->p == '}') {
            r->p++;
            return keys_differ(r, out);
        }
        struct doc_member *member = add_member(r, out, &capacity);
        if (!member || !ubj_string(r, &member->key) || !ubj_value(r, ubj_marker(r), &member->value))
            return false;
    }
    return keys_differ(r, out);
}

static bool ubj_value(struct doc_reader *r, char type, struct doc_value *out)
{
    size_t size = ubj_size(type);
    if (size) {
        if (left(r) < size)
            return bad(r, "number past the end");
        *out = (struct doc_value){.kind = DOC_NUMBER, .number = ubj_number(type, r->p)};
        r->p += size;
        return true;
    }
    bool ok = true;
    if (++r->depth > DOC_DEPTH_MAX)
        return bad(r, "nested too deep");
    switch (type) {
    case '{': {
        const char *from = r->p - 1;
        ok = ubj_object(r, out);
        out->text = (struct str){from, (size_t)(r->p - from)};
        break;
    }
    case '[':
        ok = ubj_array(r, out);
        break;
    case 'S':
        out->kind = DOC_STRING;
        ok = ubj_string(r, &out->text);
        break;
    case 'T':
    case 'F':
        *out = (struct doc_value){.kind = DOC_BOOL, .number = type == 'T'};
        break;
    case 'Z':
        out->kind = DOC_NULL;
        break;
    default:
        ok = bad(r, "unknown value");
    }
    r->depth--;
    return ok;
}

/* ---- both ---- */

#define DUMP                                                                                                 \
    "which lacks the objective and the base score and cannot be loaded again, by XGBoost neither; write the Booster itself in "  \
    "Python, with booster.save_model(\"model.ubj\")"
#define RESAVE                                                                                               \
    "load it in Python with the XGBoost that wrote it and write it with booster.save_model(\"model.ubj\")"

/* The old binary format: a block of numbers whose first is the base score, so any bytes; then, always at the same place, the
 * length and the text of the objective. */
static bool is_old_binary(struct str b)
{
    enum { NAME_AT = 136, NAME_MAX = 64 };
    if (str_starts(b, STR("binf")) || str_starts(b, STR("bs64")))
        return true;
    if (b.n < NAME_AT + 8 + NAME_MAX)
        return false;
    size_t n = (unsigned char)b.p[NAME_AT];
    bool colon = false, ok = n > 0 && n < NAME_MAX;
    for (size_t i = 1; i < 8; i++)
        ok = ok && b.p[NAME_AT + i] == 0;
    for (size_t i = 0; ok && i < n; i++) {
        char c = b.p[NAME_AT + 8 + i];
        colon |= c == ':';
        ok = (c >= 'a' && c <= 'z') || c == ':' || c == '_';
    }
    return ok && colon;
}

static bool is_text(struct str b)
{
    bool ok = b.n > 0;
    for (size_t i = 0; ok && i < b.n && i < 256; i++)
        ok = (unsigned char)b.p[i] >= 0x20 || memchr("\t\r\n", b.p[i], 3);
    return ok;
}

/* What a file is that is no saved model, and how it becomes one; NULL when it may be one. */
static const char *foreign_format(struct str b)
{
    static const char old[] =
        "XGBoost's old binary format, which 3.1 and later no longer read; load it in Python with XGBoost 1.7 to 3.0 and write it "
        "with booster.save_model(\"model.ubj\")";
    struct str s = b;
    if (!b.n)
        return "the file is empty";
    if (is_old_binary(b))
        return old;
    while (s.n && memchr(" \t\r\n", s.p[0], 4))
        s = (struct str){s.p + 1, s.n - 1};
    if (s.n && s.p[0] == '[')
        return "a JSON dump (dump_model), " DUMP;
    if (str_starts(s, STR("booster[")) || str_starts(s, STR("0:[")) || str_starts(s, STR("digraph")))
        return "a text dump (dump_model), " DUMP;
    if (b.n > 1 && b.p[0] == '\x80' && b.p[1] <= 5)
        return "a Python pickle; " RESAVE;
    if (s.n && s.p[0] == '{')
        return NULL;
    if (is_text(b))
        return "neither JSON nor UBJSON, but some other text; a model is what booster.save_model(\"model.ubj\") writes in Python";
    return "neither JSON nor UBJSON; a model is what booster.save_model(\"model.ubj\") writes in Python";
}

bool doc_is_ubj(struct str b)
{
    return b.n > 1 && b.p[0] == '{' && (ubj_size(b.p[1]) || b.p[1] == '#' || b.p[1] == '$');
}

int doc_read(struct doc_value **out, struct str bytes, struct arena *arena, struct error *e)
{
    struct error local = {0};
    struct doc_reader r = {bytes.p, bytes.p, bytes.p + bytes.n, arena, &local, 0};
    struct doc_value *root = arena_zalloc(arena, sizeof *root);
    bool ok = root || full(&r);
    const char *foreign = foreign_format(bytes);
    if (ok && foreign)
        return error_set(e, ERR_INVALID, "not a model document: %s", foreign);
    if (ok && doc_is_ubj(bytes))
        ok = ubj_value(&r, ubj_marker(&r), root);
    else if (ok) {
        ok = json_value(&r, root);
        json_space(&r);
    }
    if (ok && (r.p != r.end || root->kind != DOC_OBJECT))
        ok = bad(&r, "bytes after the end");
    if (!ok)
        return error_set(e, local.code, "%s", local.text);
    *out = root;
    return 0;
}

const struct doc_value *doc_get(const struct doc_value *object, const char *key)
{
    if (!object || object->kind != DOC_OBJECT)
        return NULL;
    for (size_t i = 0; i < object->count; i++)
        if (str_is(object->members[i].key, key))
            return &object->members[i].value;
    return NULL;
}

const struct doc_value *doc_item(const struct doc_value *array, size_t index)
{
    return array && array->kind == DOC_ARRAY && index < array->count ? &array->items[index] : NULL;
}

bool doc_is_array(const struct doc_value *v)
{
    return v && (v->kind == DOC_ARRAY || v->kind == DOC_NUMBERS);
}

bool doc_number_at(const struct doc_value *array, size_t index, double *out)
{
    if (!array || index >= array->count)
        return false;
    if (array->kind == DOC_NUMBERS && array->packed) {
        *out = ubj_number(array->packed, (const char *)array->raw + index * ubj_size(array->packed));
        return true;
    }
    if (array->kind == DOC_NUMBERS) {
        *out = ((const double *)array->raw)[index];
        return true;
    }
    const struct doc_value *item = doc_item(array, index);
    if (!item || (item->kind != DOC_NUMBER && item->kind != DOC_BOOL))
        return false;
    *out = item->number;
    return true;
}

static uint32_t big_endian(const char *p)
{
    uint32_t bits;
    memcpy(&bits, p, sizeof bits);
    return __builtin_bswap32(bits);
}

bool doc_wholes(const struct doc_value *array, int32_t low, int32_t high, int32_t *out)
{
    size_t n = array->count;
    bool ok = true;
    if (array->kind == DOC_NUMBERS && array->packed == 'l') {
        int32_t least = INT32_MAX, most = INT32_MIN;
        for (size_t i = 0; i < n; i++) {
            int32_t v = (int32_t)big_endian((const char *)array->raw + 4 * i);
            out[i] = v;
            least = v < least ? v : least;
            most = v > most ? v : most;
        }
        return n == 0 || (least >= low && most <= high);
    }
    if (array->kind == DOC_NUMBERS && array->packed == 'U') {
        for (size_t i = 0; i < n; i++) {
            out[i] = ((const uint8_t *)array->raw)[i];
            ok &= out[i] >= low && out[i] <= high;
        }
        return ok;
    }
    for (size_t i = 0; i < n && ok; i++) {
        double v;
        ok = doc_number_at(array, i, &v) && v >= (double)low && v <= (double)high && v == floor(v);
        out[i] = ok ? (int32_t)v : 0;
    }
    return ok;
}

bool doc_floats(const struct doc_value *array, float *out)
{
    size_t n = array->count;
    if (array->kind == DOC_NUMBERS && array->packed == 'd') {
        for (size_t i = 0; i < n; i++) {
            uint32_t bits = big_endian((const char *)array->raw + 4 * i);
            memcpy(&out[i], &bits, sizeof bits);
        }
        return true;
    }
    for (size_t i = 0; i < n; i++) {
        double v;
        if (!doc_number_at(array, i, &v))
            return false;
        out[i] = (float)v;
    }
    return true;
}

bool doc_whole(const struct doc_value *v, int64_t low, int64_t high, int64_t *out)
{
    double number = NAN;
    if (v && v->kind == DOC_NUMBER)
        number = v->number;
    if (v && v->kind == DOC_STRING && v->text.n > 0 && v->text.n <= NUMBER_TEXT_MAX) {
        char text[NUMBER_TEXT_MAX + 1], *end;
        memcpy(text, v->text.p, v->text.n);
        text[v->text.n] = 0;
        double parsed = strtod(text, &end);
        if (end == text + v->text.n)
            number = parsed;
    }
    if (!(number >= (double)low && number <= (double)high) || number != floor(number))
        return false;
    *out = (int64_t)number;
    return true;
}
