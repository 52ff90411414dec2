/* Values of expressions, profile attributes, signal properties and request context. 16 bytes, passed by
 * value. Strings and lists point into memory that outlives the value (policy arena, request arena).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_EXPR_VALUE_H
#define TACT_EXPR_VALUE_H
#include "base/buf.h"
#include "base/str.h"
#include <stdint.h>

enum value_type {
    VALUE_UNKNOWN = 0, /* CEL unknown: see enum unknown_why in `detail` */
    VALUE_ERROR,       /* an evaluation error; `error` says which */
    VALUE_NULL,
    VALUE_BOOL,
    VALUE_INT,
    VALUE_DOUBLE,
    VALUE_STRING,
    VALUE_TIMESTAMP, /* milliseconds since 1970 UTC */
    VALUE_DURATION,  /* milliseconds */
    VALUE_LIST
};

enum unknown_why {
    UNKNOWN_ABSENT = 0,
    UNKNOWN_UNREADABLE = 1 /* the state could not be read or has expired */
};

struct value {
    uint8_t type;   /* enum value_type */
    uint8_t detail; /* VALUE_UNKNOWN: enum unknown_why; VALUE_LIST: element type */
    uint32_t n;     /* bytes of a string, elements of a list */
    union {
        bool boolean;
        int64_t integer; /* int; ms for timestamp and duration */
        double number;
        const char *string;
        const struct value *list;
        const char *error; /* static or arena text */
    };
};

/* CEL's range of durations: 10,000 years of 365.25 days; also the age of what never happened. */
#define DURATION_MAX_MS INT64_C(315576000000000)
/* Timestamps: 0001-01-01 to 9999-12-31T23:59:59.999Z. */
#define TIMESTAMP_MIN_MS INT64_C(-62135596800000)
#define TIMESTAMP_MAX_MS INT64_C(253402300799999)

static inline struct value value_unknown(enum unknown_why why)
{
    return (struct value){.type = VALUE_UNKNOWN, .detail = (uint8_t)why};
}
static inline struct value value_error(const char *text)
{
    return (struct value){.type = VALUE_ERROR, .error = text};
}
static inline struct value value_bool(bool b)
{
    return (struct value){.type = VALUE_BOOL, .boolean = b};
}
static inline struct value value_int(int64_t i)
{
    return (struct value){.type = VALUE_INT, .integer = i};
}
static inline struct value value_double(double d)
{
    return (struct value){.type = VALUE_DOUBLE, .number = d};
}
static inline struct value value_string(struct str s)
{
    return (struct value){.type = VALUE_STRING, .n = (uint32_t)s.n, .string = s.p};
}
static inline struct value value_timestamp(int64_t ms)
{
    return (struct value){.type = VALUE_TIMESTAMP, .integer = ms};
}
static inline struct value value_duration(int64_t ms)
{
    return (struct value){.type = VALUE_DURATION, .integer = ms};
}
static inline struct str value_str(struct value v)
{
    return (struct str){v.string, v.n};
}

/* "bool", "int", "double", "string", "timestamp", "duration", "list", "null", "unknown", "error". */
const char *value_type_name(enum value_type type);

/* Same type and same value, bit for bit (for hash-consing and tests; not CEL's ==). */
bool value_same(struct value a, struct value b);

/* For people: 3.5, true, text (not quoted), 2025-01-15T12:00:00Z, 72h, 1d3h, [a, b], unknown, error: ….
 * Doubles in the shortest form that reads back the same (3 for 3.0, 1e+21, NaN, Infinity); durations in days
 * down to milliseconds, except that whole days up to three are hours, as people say them. The same on every
 * machine. */
void value_format(struct value v, struct buf *out);

/* The shortest decimal that reads back as d: plain from 1e-6 to below 1e21, else with an exponent. Returns
 * the length; a NUL follows. */
enum { DOUBLE_TEXT = 40 };
size_t double_format(double d, char text[DOUBLE_TEXT]);

/* "72h", "1d12h", "90m", "1.5s", "250ms", "30d", "2w": one or more number-unit parts, optional leading "-";
 * units ms s m h d w; at most DURATION_MAX_MS. False when it is none or is finer than 1 ms. */
bool duration_parse(struct str text, int64_t *ms);
/* RFC 3339: "2025-01-15T12:00:00Z", "…+03:30", fractions to ms. */
bool timestamp_parse(struct str text, int64_t *ms);

#endif
