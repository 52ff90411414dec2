/* Values: names, identity, text out and text in.
 *
 * Doubles print in the shortest form that reads back the same, so that a logged feature and the number a
 * person sees are the same number. printf("%.17g") always reads back; 15 digits always do when the number was
 * written by a person; between the two lies one trap: next to a power of two the nearest 16-digit decimal may
 * fall outside the (lopsided) rounding interval while its neighbour is inside, so the neighbour is tried as
 * well.
 *
 * Durations and timestamps are whole milliseconds everywhere; text that is finer than that is refused rather
 * than rounded (durations), or cut (timestamps, whose writers often add microseconds that nobody means).
 * SPDX-License-Identifier: Apache-2.0 */
#include "expr/value.h"
#include "base/civil.h"
#include <math.h>
#include <stdlib.h>

const char *value_type_name(enum value_type type)
{
    static const char *const names[] = {"unknown", "error",  "null",      "bool",     "int",
                                        "double",  "string", "timestamp", "duration", "list"};
    return (unsigned)type < sizeof names / sizeof *names ? names[type] : "?";
}

bool value_same(struct value a, struct value b)
{
    if (a.type != b.type)
        return false;
    switch (a.type) {
    case VALUE_UNKNOWN:
        return a.detail == b.detail;
    case VALUE_ERROR:
        return str_eq(str_from(a.error), str_from(b.error));
    case VALUE_NULL:
        return true;
    case VALUE_BOOL:
        return a.boolean == b.boolean;
    case VALUE_DOUBLE:
        return memcmp(&a.number, &b.number, sizeof a.number) == 0;
    case VALUE_STRING:
        return str_eq(value_str(a), value_str(b));
    case VALUE_LIST:
        if (a.n != b.n || a.detail != b.detail)
            return false;
        for (uint32_t i = 0; i < a.n; i++)
            if (!value_same(a.list[i], b.list[i]))
                return false;
        return true;
    default:
        return a.integer == b.integer;
    }
}

/* ---- doubles ---- */

/* Adds one to the last digit of d.ddde±xx; false when the carry runs out of the first digit. */
static bool digits_increment(char *text)
{
    char *e = strchr(text, 'e');
    for (char *c = e - 1; c >= text; c--) {
        if (*c == '.' || *c == '-')
            continue;
        if (*c < '9') {
            ++*c;
            return true;
        }
        *c = '0';
    }
    return false;
}

/* Fills text with d.ddde±xx, the fewest digits that read back as d. */
static void shortest_digits(double d, char text[DOUBLE_TEXT])
{
    bool subnormal = fabs(d) < 2.3e-308; /* few significant bits, so fewer digits may do */
    for (int digits = subnormal ? 1 : 15; digits < 17; digits++) {
        snprintf(text, DOUBLE_TEXT, "%.*e", digits - 1, d);
        if (strtod(text, NULL) == d)
            return;
        if (digits == 16 && digits_increment(text) && strtod(text, NULL) == d)
            return;
    }
    snprintf(text, DOUBLE_TEXT, "%.16e", d);
}

size_t double_format(double d, char text[DOUBLE_TEXT])
{
    if (!isfinite(d) || d == 0) {
        const char *name = isnan(d) ? "NaN" : d == 0 ? "0" : "Infinity";
        return (size_t)snprintf(text, DOUBLE_TEXT, "%s%s", !isnan(d) && signbit(d) ? "-" : "", name);
    }
    char scientific[DOUBLE_TEXT], digits[DOUBLE_TEXT];
    shortest_digits(d, scientific);
    const char *c = scientific;
    const char *sign = *c == '-' ? (c++, "-") : "";
    int n = 0;
    for (; *c != 'e'; c++)
        if (*c != '.')
            digits[n++] = *c;
    int exponent = atoi(c + 1);
    while (n > 1 && digits[n - 1] == '0')
        n--;
    int length;
    if (exponent < -6 || exponent >= 21)
        length = snprintf(text, DOUBLE_TEXT, "%s%c%s%.*se%+03d", sign, digits[0], n > 1 ? "." : "", n - 1,
                          digits + 1, exponent);
    else if (exponent < 0)
        length = snprintf(text, DOUBLE_TEXT, "%s0.%.*s%.*s", sign, -exponent - 1, "000000", n, digits);
    else if (n <= exponent + 1)
        length = snprintf(text, DOUBLE_TEXT, "%s%.*s%.*s", sign, n, digits, exponent + 1 - n,
                          "00000000000000000000");
    else
        length = snprintf(text, DOUBLE_TEXT, "%s%.*s.%.*s", sign, exponent + 1, digits, n - exponent - 1,
                          digits + exponent + 1);
    return (size_t)length;
}

/* ---- text out ---- */

static void duration_format(int64_t ms, struct buf *out)
{
    static const struct {
        uint64_t ms;
        const char *unit;
    } parts[] = {{86400000, "d"}, {3600000, "h"}, {60000, "m"}, {1000, "s"}, {1, "ms"}};
    uint64_t left = ms < 0 ? 0 - (uint64_t)ms : (uint64_t)ms;
    if (ms < 0)
        buf_byte(out, '-');
    if (left == 0)
        buf_str(out, STR("0s"));
    size_t first = left % 86400000 == 0 && left <= 3 * 86400000 ? 1 : 0;
    for (size_t i = first; i < sizeof parts / sizeof *parts; i++) {
        if (left >= parts[i].ms)
            buf_printf(out, "%llu%s", (unsigned long long)(left / parts[i].ms), parts[i].unit);
        left %= parts[i].ms;
    }
}

static void timestamp_format(int64_t ms, struct buf *out)
{
    int64_t days = floor_div(ms, 86400000), rest = ms - days * 86400000;
    int32_t year;
    int8_t month, day;
    civil_from_days(days, &year, &month, &day);
    buf_printf(out, "%04d-%02d-%02dT%02d:%02d:%02d", (int)year, month, day, (int)(rest / 3600000),
               (int)(rest / 60000 % 60), (int)(rest / 1000 % 60));
    if (rest % 1000)
        buf_printf(out, ".%03d", (int)(rest % 1000));
    buf_byte(out, 'Z');
}

static void list_format(struct value v, struct buf *out)
{
    buf_byte(out, '[');
    for (uint32_t i = 0; i < v.n; i++) {
        if (i)
            buf_str(out, STR(", "));
        /* Lists hold no lists, so this goes one level down only. */
        if (v.list[i].type == VALUE_LIST)
            buf_str(out, STR("[…]"));
        else
            value_format(v.list[i], out);
    }
    buf_byte(out, ']');
}

void value_format(struct value v, struct buf *out)
{
    char text[DOUBLE_TEXT];
    switch (v.type) {
    case VALUE_ERROR:
        buf_printf(out, "error: %s", v.error);
        break;
    case VALUE_BOOL:
        buf_str(out, v.boolean ? STR("true") : STR("false"));
        break;
    case VALUE_INT:
        buf_printf(out, "%lld", (long long)v.integer);
        break;
    case VALUE_DOUBLE:
        buf_append(out, text, double_format(v.number, text));
        break;
    case VALUE_STRING:
        buf_str(out, value_str(v));
        break;
    case VALUE_TIMESTAMP:
        timestamp_format(v.integer, out);
        break;
    case VALUE_DURATION:
        duration_format(v.integer, out);
        break;
    case VALUE_LIST:
        list_format(v, out);
        break;
    default:
        buf_str(out, str_from(value_type_name((enum value_type)v.type)));
    }
}

/* ---- text in ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Milliseconds of the unit that starts at p, and its length; 0 when there is none. */
static int64_t unit_ms(const char *p, const char *end, size_t *length)
{
    *length = 1;
    if (p == end)
        return 0;
    switch (*p) {
    case 'm':
        if (end - p > 1 && p[1] == 's') {
            *length = 2;
            return 1;
        }
        return 60000;
    case 's':
        return 1000;
    case 'h':
        return 3600000;
    case 'd':
        return 86400000;
    case 'w':
        return 604800000;
    default:
        return 0;
    }
}

/* One number-unit part, added to *sum (not negative). Returns where it ends, or NULL. */
static const char *duration_part(const char *p, const char *end, int64_t *sum)
{
    int64_t whole = 0, fraction = 0, scale = 1;
    const char *start = p;
    for (; p < end && is_digit(*p); p++) {
        whole = whole * 10 + (*p - '0');
        if (whole > DURATION_MAX_MS)
            return NULL;
    }
    if (p == start)
        return NULL;
    if (p < end && *p == '.') {
        start = ++p;
        const char *last = p; /* past the last digit that is not 0 */
        for (; p < end && is_digit(*p); p++)
            if (*p != '0')
                last = p + 1;
        if (p == start || last - start > 9)
            return NULL;
        for (const char *c = start; c < last; c++, scale *= 10)
            fraction = fraction * 10 + (*c - '0');
    }
    size_t length;
    int64_t unit = unit_ms(p, end, &length);
    if (!unit || fraction * unit % scale != 0)
        return NULL;
    __int128 total = (__int128)whole * unit + fraction * unit / scale + *sum;
    if (total > DURATION_MAX_MS)
        return NULL;
    *sum = (int64_t)total;
    return p + length;
}

bool duration_parse(struct str text, int64_t *ms)
{
    const char *p = text.p, *end = text.p + text.n;
    bool negative = text.n > 0 && *p == '-';
    p += negative;
    int64_t sum = 0;
    do {
        if (text.n == 0 || !(p = duration_part(p, end, &sum)))
            return false;
    } while (p < end);
    *ms = negative ? -sum : sum;
    return true;
}

/* Exactly n digits at p[0..n). */
static bool digits(const char *p, int n, int *out)
{
    *out = 0;
    for (int i = 0; i < n; i++) {
        if (!is_digit(p[i]))
            return false;
        *out = *out * 10 + (p[i] - '0');
    }
    return true;
}

static int days_in_month(int year, int month)
{
    static const int8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return days[month - 1] + (month == 2 && civil_leap(year));
}

/* "Z" or "±hh:mm", and nothing after it. */
static bool offset_parse(const char *p, const char *end, int *minutes)
{
    int h, m;
    *minutes = 0;
    if (end - p == 1)
        return *p == 'Z' || *p == 'z';
    if (end - p != 6 || (*p != '+' && *p != '-') || p[3] != ':' || !digits(p + 1, 2, &h) ||
        !digits(p + 4, 2, &m) || h > 23 || m > 59)
        return false;
    *minutes = (h * 60 + m) * (*p == '-' ? -1 : 1);
    return true;
}

bool timestamp_parse(struct str text, int64_t *ms)
{
    const char *p = text.p, *end = text.p + text.n;
    int year, month, day, hour, minute, second, offset, fraction = 0;
    if (text.n < 20 || !digits(p, 4, &year) || p[4] != '-' || !digits(p + 5, 2, &month) || p[7] != '-' ||
        !digits(p + 8, 2, &day) || (p[10] != 'T' && p[10] != 't') || !digits(p + 11, 2, &hour) ||
        p[13] != ':' || !digits(p + 14, 2, &minute) || p[16] != ':' || !digits(p + 17, 2, &second))
        return false;
    if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, month) || hour > 23 || minute > 59 ||
        second > 59)
        return false;
    p += 19;
    if (*p == '.') {
        const char *start = ++p;
        for (int scale = 100; p < end && is_digit(*p); p++, scale /= 10)
            fraction += (*p - '0') * scale;
        if (p == start)
            return false;
    }
    if (p >= end || !offset_parse(p, end, &offset))
        return false;
    int64_t at = civil_days(year, month, day) * 86400000 +
                 ((hour * 60 + minute - offset) * 60 + second) * INT64_C(1000) + fraction;
    if (at < TIMESTAMP_MIN_MS || at > TIMESTAMP_MAX_MS)
        return false;
    *ms = at;
    return true;
}
