/* Conversions, as CEL defines them: int(double) cuts towards zero and fails outside int's range;
 * int(timestamp) is whole seconds since 1970; string(duration) is seconds ("5400s", "1.5s"); bool(string)
 * takes the words that Go's ParseBool takes. Text is read in full or not at all; Tact never leaves the C
 * locale, so numbers have a point.
 * SPDX-License-Identifier: Apache-2.0 */
#include "expr/convert.h"
#include "base/civil.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>

static const char no_overload[] = "no such overload for these types";

/* Bit per enum value_type that a conversion takes. */
static unsigned allowed(enum expr_op op)
{
    enum {
        B = 1 << VALUE_BOOL,
        I = 1 << VALUE_INT,
        D = 1 << VALUE_DOUBLE,
        S = 1 << VALUE_STRING,
        T = 1 << VALUE_TIMESTAMP,
        L = 1 << VALUE_DURATION
    };
    switch (op) {
    case OP_TO_INT:
        return I | D | S | T;
    case OP_TO_DOUBLE:
        return I | D | S;
    case OP_TO_STRING:
        return B | I | D | S | T | L;
    case OP_TO_BOOL:
        return B | S;
    case OP_TO_TIMESTAMP:
        return T | S | I;
    case OP_TO_DURATION:
        return L | S;
    default:
        return 0;
    }
}

bool convert_allowed(enum expr_op op, enum value_type from)
{
    return from == VALUE_UNKNOWN || (allowed(op) >> from & 1);
}

static struct value int_from_text(struct str s)
{
    static const char bad[] = "the string is not an int";
    bool negative = s.n > 0 && s.p[0] == '-';
    size_t i = s.n > 0 && (s.p[0] == '-' || s.p[0] == '+');
    if (i == s.n)
        return value_error(bad);
    int64_t r = 0;
    for (; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return value_error(bad);
        int digit = s.p[i] - '0';
        if (__builtin_mul_overflow(r, 10, &r) ||
            __builtin_sub_overflow(r, digit, &r)) /* negative reaches farther */
            return value_error("int overflow");
    }
    if (!negative && r == INT64_MIN)
        return value_error("int overflow");
    return value_int(negative ? r : -r);
}

static struct value int_from_double(double d)
{
    if (!(d > -0x1p63 && d < 0x1p63))
        return value_error("the double is outside int's range");
    return value_int((int64_t)d);
}

static struct value double_from_text(struct str s)
{
    static const char bad[] = "the string is not a double";
    static const char *const special[] = {"NaN", "Infinity", "+Infinity", "-Infinity", "Inf", "+Inf", "-Inf"};
    char text[400];
    if (s.n == 0 || s.n >= sizeof text)
        return value_error(bad);
    memcpy(text, s.p, s.n);
    text[s.n] = 0;
    bool known = strspn(text, "0123456789+-.eE") == s.n;
    for (size_t i = 0; i < sizeof special / sizeof *special; i++)
        known |= str_is(s, special[i]);
    char *end;
    double d = strtod(text, &end);
    if (!known || *end || end == text)
        return value_error(bad);
    return value_double(d);
}

static struct value bool_from_text(struct str s)
{
    static const char *const yes[] = {"true", "True", "TRUE", "t", "T", "1"};
    static const char *const no[] = {"false", "False", "FALSE", "f", "F", "0"};
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) {
        if (str_is(s, yes[i]))
            return value_bool(true);
        if (str_is(s, no[i]))
            return value_bool(false);
    }
    return value_error("the string is not a bool");
}

static struct value timestamp_from(struct value v)
{
    int64_t ms;
    if (v.type == VALUE_INT) {
        if (v.integer < TIMESTAMP_MIN_MS / 1000 || v.integer > TIMESTAMP_MAX_MS / 1000)
            return value_error("timestamp out of range");
        return value_timestamp(v.integer * 1000);
    }
    if (timestamp_parse(value_str(v), &ms))
        return value_timestamp(ms);
    return value_error("the string is not a timestamp as in 2025-01-15T12:00:00Z");
}

static struct value text_of(struct value v, struct arena *arena)
{
    char text[64]; /* longest: a double, 25 */
    struct buf out = {.p = (uint8_t *)text, .capacity = sizeof text, .limit = sizeof text};
    if (v.type == VALUE_DURATION) {
        uint64_t ms = v.integer < 0 ? 0 - (uint64_t)v.integer : (uint64_t)v.integer;
        buf_printf(&out, "%s%llu", v.integer < 0 ? "-" : "", (unsigned long long)(ms / 1000));
        if (ms % 1000) {
            buf_printf(&out, ".%03u", (unsigned)(ms % 1000));
            while (out.p[out.n - 1] == '0')
                out.n--;
        }
        buf_byte(&out, 's');
    } else {
        value_format(v, &out);
    }
    struct str s = arena_str(arena, (struct str){text, out.n});
    return s.p && buf_ok(&out) ? value_string(s) : value_error("out of request memory");
}

struct value convert(enum expr_op op, struct value v, struct arena *arena)
{
    if (!convert_allowed(op, (enum value_type)v.type))
        return value_error(no_overload);
    int64_t ms;
    switch (op) {
    case OP_TO_INT:
        if (v.type == VALUE_STRING)
            return int_from_text(value_str(v));
        if (v.type == VALUE_TIMESTAMP)
            return value_int(floor_div(v.integer, 1000));
        return v.type == VALUE_DOUBLE ? int_from_double(v.number) : v;
    case OP_TO_DOUBLE:
        if (v.type == VALUE_STRING)
            return double_from_text(value_str(v));
        return v.type == VALUE_INT ? value_double((double)v.integer) : v;
    case OP_TO_STRING:
        return v.type == VALUE_STRING ? v : text_of(v, arena);
    case OP_TO_BOOL:
        return v.type == VALUE_STRING ? bool_from_text(value_str(v)) : v;
    case OP_TO_TIMESTAMP:
        return v.type == VALUE_TIMESTAMP ? v : timestamp_from(v);
    default:
        if (v.type == VALUE_DURATION)
            return v;
        if (duration_parse(value_str(v), &ms))
            return value_duration(ms);
        return value_error("the string is not a duration as in 72h, 1d12h, 90m, 1.5s");
    }
}
