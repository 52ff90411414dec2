/* Typed text; see value_text.h. SPDX-License-Identifier: Apache-2.0 */
#include "tools/value_text.h"
#include "expr/value.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <strings.h>

enum { NUMBER_TEXT_MAX = 400 }; /* the longest double has 1,077 digits; nobody writes it */

static const char *const type_names[TEXT_COUNT] = {
#define X(id, name) name,
    VALUE_TEXTS(X)
#undef X
};

int value_text_type(struct str name, enum value_text *out, struct error *e)
{
    struct suggest s;
    if (str_is(name, "timestamp")) /* as policies spell it */
        name = STR("time");
    suggest_init(&s, name);
    for (int i = TEXT_STRING; i < TEXT_COUNT; i++) {
        if (str_is(name, type_names[i])) {
            *out = (enum value_text)i;
            return 0;
        }
        suggest_offer(&s, str_from(type_names[i]));
    }
    struct str best = suggest_best(&s);
    return error_set(e, ERR_INVALID, "unknown type '%.*s'%s%.*s%s; allowed: string, number, int, bool, time",
                     (int)(name.n > 40 ? 40 : name.n), name.p, best.n ? "; did you mean " : "", STR_ARG(best),
                     best.n ? "?" : "");
}

/* ---- numbers ---- */

static size_t digits(struct str s, size_t at)
{
    size_t from = at;
    while (at < s.n && s.p[at] >= '0' && s.p[at] <= '9')
        at++;
    return at - from;
}

/* JSON's grammar: -?(0|[1-9][0-9]*)(.[0-9]+)?([eE][+-]?[0-9]+)? */
static bool is_json_number(struct str s, bool *whole)
{
    size_t at = s.n && s.p[0] == '-', n = digits(s, at);
    if (n == 0 || (n > 1 && s.p[at] == '0'))
        return false;
    at += n;
    *whole = at == s.n;
    if (at < s.n && s.p[at] == '.') {
        n = digits(s, at + 1);
        if (n == 0)
            return false;
        at += n + 1;
    }
    if (at < s.n && (s.p[at] == 'e' || s.p[at] == 'E')) {
        at++;
        at += at < s.n && (s.p[at] == '+' || s.p[at] == '-');
        n = digits(s, at);
        if (n == 0)
            return false;
        at += n;
    }
    return at == s.n;
}

static bool to_int(struct str s, int64_t *out)
{
    char text[NUMBER_TEXT_MAX], *end;
    if (s.n == 0 || s.n >= sizeof text ||
        !(s.p[0] == '-' || s.p[0] == '+' || (s.p[0] >= '0' && s.p[0] <= '9')))
        return false;
    memcpy(text, s.p, s.n);
    text[s.n] = 0;
    errno = 0;
    *out = strtoll(text, &end, 10);
    return errno == 0 && end == text + s.n;
}

/* What strtod takes but hexadecimal, infinity and NaN; overflow is refused. */
static bool to_number(struct str s, double *out)
{
    char text[NUMBER_TEXT_MAX], *end;
    if (s.n == 0 || s.n >= sizeof text)
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!strchr("0123456789+-.eE", s.p[i]) || !s.p[i])
            return false;
    memcpy(text, s.p, s.n);
    text[s.n] = 0;
    *out = strtod(text, &end);
    return end == text + s.n && isfinite(*out);
}

/* ---- times ---- */

int time_text_parse(struct str text, int64_t *ms, struct error *e)
{
    if (timestamp_parse(text, ms) && *ms > 0)
        return 0;
    return error_set(
        e, ERR_INVALID,
        "'%.*s' is no time; write RFC 3339, like 2025-01-15T12:00:00Z or 2025-01-15T15:30:00+03:30",
        (int)(text.n > 40 ? 40 : text.n), text.p);
}

static bool to_time(struct str s, int64_t *ms)
{
    char text[32];
    if (s.n != strlen("2025-01-15"))
        return timestamp_parse(s, ms);
    snprintf(text, sizeof text, "%.*sT00:00:00Z", STR_ARG(s));
    return timestamp_parse(str_from(text), ms);
}

/* ---- values ---- */

static int set_string(struct str text, struct arena *arena, Tact__V1__Value *out, struct error *e)
{
    struct str copy = arena_str(arena, text);
    if (!copy.p)
        return error_set(e, ERR_NOSPACE, "too much text");
    out->kind_case = TACT__V1__VALUE__KIND_STRING_VALUE;
    out->string_value = (char *)copy.p;
    return 0;
}

static bool set_bool(struct str text, Tact__V1__Value *out)
{
    static const char *const words[] = {"false", "true", "no", "yes", "0", "1"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (text.n != strlen(words[i]) || strncasecmp(text.p, words[i], text.n) != 0)
            continue;
        out->kind_case = TACT__V1__VALUE__KIND_BOOL_VALUE;
        out->bool_value = i % 2;
        return true;
    }
    return false;
}

static int guess(struct str text, struct arena *arena, Tact__V1__Value *out, struct error *e)
{
    bool whole;
    if (text.n >= 2 && (text.p[0] == '"' || text.p[0] == '\'') && text.p[text.n - 1] == text.p[0])
        return set_string((struct str){text.p + 1, text.n - 2}, arena, out, e);
    if (str_is(text, "true") || str_is(text, "false"))
        return value_text_parse(TEXT_BOOL, text, arena, out, e);
    if (is_json_number(text, &whole)) {
        if (whole && to_int(text, &out->int_value)) {
            out->kind_case = TACT__V1__VALUE__KIND_INT_VALUE;
            return 0;
        }
        if (!whole && to_number(text, &out->number_value)) {
            out->kind_case = TACT__V1__VALUE__KIND_NUMBER_VALUE;
            return 0;
        }
    }
    int64_t ms;
    if (timestamp_parse(text, &ms)) {
        out->kind_case = TACT__V1__VALUE__KIND_TIME_MS;
        out->time_ms = ms;
        return 0;
    }
    return set_string(text, arena, out, e);
}

int value_text_parse(enum value_text type, struct str text, struct arena *arena, Tact__V1__Value *out,
                     struct error *e)
{
    static const char *const allowed[TEXT_COUNT] = {
        [TEXT_NUMBER] = "a decimal number like 3 or -0.25",
        [TEXT_INT] = "a whole number of 64 bits",
        [TEXT_BOOL] = "true or false (also yes, no, 1, 0)",
        [TEXT_TIME] = "a time like 2025-01-15T12:00:00Z, or a date like 2025-01-15"};
    tact__v1__value__init(out);
    switch (type) {
    case TEXT_STRING:
        return set_string(text, arena, out, e);
    case TEXT_NUMBER:
        out->kind_case = TACT__V1__VALUE__KIND_NUMBER_VALUE;
        if (to_number(text, &out->number_value))
            return 0;
        break;
    case TEXT_INT:
        out->kind_case = TACT__V1__VALUE__KIND_INT_VALUE;
        if (to_int(text, &out->int_value))
            return 0;
        break;
    case TEXT_BOOL:
        if (set_bool(text, out))
            return 0;
        break;
    case TEXT_TIME:
        out->kind_case = TACT__V1__VALUE__KIND_TIME_MS;
        if (to_time(text, &out->time_ms))
            return 0;
        break;
    default:
        return guess(text, arena, out, e);
    }
    return error_set(e, ERR_INVALID, "'%.*s' is not %s", (int)(text.n > 40 ? 40 : text.n), text.p,
                     allowed[type]);
}

int value_pair_parse(struct str text, struct arena *arena, struct value_pair *out, struct error *e)
{
    const char *equals = text.n ? memchr(text.p, '=', text.n) : NULL;
    if (!equals || equals == text.p)
        return error_set(e, ERR_INVALID, "'%.*s': expected name=value or name:type=value",
                         (int)(text.n > 80 ? 80 : text.n), text.p);
    struct str key = {text.p, (size_t)(equals - text.p)}, value = {equals + 1, text.n - key.n - 1};
    const char *colon = memchr(key.p, ':', key.n);
    enum value_text type = TEXT_GUESS;
    if (colon) {
        struct str name = {colon + 1, (size_t)(equals - colon - 1)};
        key.n = (size_t)(colon - key.p);
        int rc = value_text_type(name, &type, e);
        if (rc) {
            error_prefix(e, "%.*s", (int)(key.n > 80 ? 80 : key.n), key.p);
            return rc;
        }
    }
    struct str copy = arena_str(arena, key);
    if (!copy.p)
        return error_set(e, ERR_NOSPACE, "too much text");
    out->key = (char *)copy.p;
    int rc = value_text_parse(type, value, arena, &out->value, e);
    if (rc)
        error_prefix(e, "%.*s", (int)(key.n > 80 ? 80 : key.n), key.p);
    return rc;
}

size_t value_text_split(struct str text, char c)
{
    char quote = 0;
    for (size_t i = 0; i < text.n; i++) {
        if (quote && text.p[i] == quote)
            quote = 0;
        else if (!quote && text.p[i] == c)
            return i;
        else if (!quote && (text.p[i] == '"' || text.p[i] == '\'') && i > 0 && text.p[i - 1] == '=')
            quote = text.p[i]; /* only where a value begins: it's is no quote */
    }
    return text.n;
}
