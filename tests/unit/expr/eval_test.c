/* What expressions give: cases derived by hand from CEL's definition (cel-spec, doc/langdef.md) and from
 * expr.h, the full truth tables of && and ||, laziness, sharing of nodes, evidence.
 * SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#define INT(i)                                                                                               \
    {                                                                                                        \
        .type = VALUE_INT, .integer = (i)                                                                    \
    }
#define BOOL(b)                                                                                              \
    {                                                                                                        \
        .type = VALUE_BOOL, .boolean = (b)                                                                   \
    }
#define DOUBLE(d)                                                                                            \
    {                                                                                                        \
        .type = VALUE_DOUBLE, .number = (d)                                                                  \
    }
#define STRING(s)                                                                                            \
    {                                                                                                        \
        .type = VALUE_STRING, .n = sizeof(s) - 1, .string = "" s                                             \
    }
#define ABSENT                                                                                               \
    {                                                                                                        \
        .type = VALUE_UNKNOWN, .detail = UNKNOWN_ABSENT                                                      \
    }
#define UNREADABLE                                                                                           \
    {                                                                                                        \
        .type = VALUE_UNKNOWN, .detail = UNKNOWN_UNREADABLE                                                  \
    }
#define BROKEN                                                                                               \
    {                                                                                                        \
        .type = VALUE_ERROR, .error = "broken"                                                               \
    }
#define BROKEN2                                                                                              \
    {                                                                                                        \
        .type = VALUE_ERROR, .error = "broken 2"                                                             \
    }

static const struct value tag_items[] = {STRING("a"), STRING("b")};

/* 2025-01-15T12:00:00Z is a Wednesday. */
enum { NOW_S = 1736942400 };

static const struct test_slot slots[] = {
    {"t", VALUE_BOOL, 0, EXPR_STILL, BOOL(true)},
    {"f", VALUE_BOOL, 0, EXPR_STILL, BOOL(false)},
    {"u", VALUE_BOOL, 0, EXPR_STILL, ABSENT},
    {"r", VALUE_BOOL, 0, EXPR_STILL, UNREADABLE},
    {"e", VALUE_BOOL, 0, EXPR_STILL, BROKEN},
    {"e2", VALUE_BOOL, 0, EXPR_STILL, BROKEN2},
    {"i", VALUE_INT, 0, EXPR_STILL, INT(7)},
    {"zero", VALUE_INT, 0, EXPR_STILL, INT(0)},
    {"big", VALUE_INT, 0, EXPR_STILL, INT(INT64_MAX)},
    {"low", VALUE_INT, 0, EXPR_STILL, INT(INT64_MIN)},
    {"iu", VALUE_INT, 0, EXPR_STILL, ABSENT},
    {"ir", VALUE_INT, 0, EXPR_STILL, UNREADABLE},
    {"ie", VALUE_INT, 0, EXPR_STILL, BROKEN},
    {"d", VALUE_DOUBLE, 0, EXPR_STILL, DOUBLE(2.5)},
    {"dz", VALUE_DOUBLE, 0, EXPR_STILL, DOUBLE(0)},
    {"s", VALUE_STRING, 0, EXPR_STILL, STRING("abc")},
    {"empty", VALUE_STRING, 0, EXPR_STILL, STRING("")},
    {"now", VALUE_TIMESTAMP, 0, EXPR_CLOCK, {.type = VALUE_TIMESTAMP}},
    {"old", VALUE_TIMESTAMP, 0, EXPR_STILL, {.type = VALUE_TIMESTAMP, .integer = INT64_C(1736899200000)}},
    {"never", VALUE_DURATION, 0, EXPR_CLOCK, {.type = VALUE_DURATION, .integer = DURATION_MAX_MS}},
    {"gap", VALUE_DURATION, 0, EXPR_STILL, {.type = VALUE_DURATION, .integer = 5400000}},
    {"profile.tier", VALUE_STRING, 0, EXPR_STILL, STRING("gold")},
    {"profile.name", VALUE_STRING, 0, EXPR_STILL, STRING("Zo\xc3\xab")},
    {"profile.gone", VALUE_STRING, 0, EXPR_STILL, ABSENT},
    {"profile.lost", VALUE_STRING, 0, EXPR_STILL, UNREADABLE},
    {"tags",
     VALUE_LIST,
     VALUE_STRING,
     EXPR_STILL,
     {.type = VALUE_LIST, .detail = VALUE_STRING, .n = 2, .list = tag_items}},
    {"any", VALUE_UNKNOWN, 0, EXPR_STILL, INT(3)},
    {"any_s", VALUE_UNKNOWN, 0, EXPR_STILL, STRING("x")},
    {"sum(purchase.amount, 720h)", VALUE_DOUBLE, 0, EXPR_STEPS, DOUBLE(99.5)},
    {"min(cart_add.price, 24h)", VALUE_DOUBLE, 0, EXPR_STEPS, DOUBLE(4)},
    {"lie", VALUE_INT, 0, EXPR_STILL, STRING("not an int")},
    {"nan", VALUE_DOUBLE, 0, EXPR_STILL, DOUBLE(__builtin_nan(""))},
};
enum { SLOTS = sizeof slots / sizeof *slots };

struct eval_case {
    const char *text, *expected;
};

static const struct eval_case literals[] = {
    {"true", "bool true"},
    {"false", "bool false"},
    {"null", "null"},
    {"0", "int 0"},
    {"-9223372036854775808", "int -9223372036854775808"},
    {"9223372036854775807", "int 9223372036854775807"},
    {"0x1F", "int 31"},
    {"-0xff", "int -255"},
    {"007", "int 7"},
    {"1.5", "double 1.5"},
    {".5", "double 0.5"},
    {"1e3", "double 1000"},
    {"-2.5E-3", "double -0.0025"},
    {"6.02e+23", "double 6.02e+23"},
    {"'it''s'", NULL},
    {"'abc'", "string abc"},
    {"\"it's\"", "string it's"},
    {"'a\\tb'", "string a\tb"},
    {"'\\x41\\u00e9\\U0001F600\\101'", "string A\xc3\xa9\xf0\x9f\x98\x80"
                                       "A"},
    {"'\\a\\b\\f\\n\\r\\v\\\\\\?\\'\\\"\\`'", "string \a\b\f\n\r\v\\?'\"`"},
    {"r'a\\n'", "string a\\n"},
    {"R\"a\\\"", "string a\\"},
    {"'''it's \"here\"\nnow'''", "string it's \"here\"\nnow"},
    {"\"\"\"a\r\nb\"\"\"", "string a\nb"},
    {"r'''\\d'''", "string \\d"},
    {"''", "string "},
    {"''''''", "string "},
    {"72h", "duration 72h"},
    {"30d", "duration 30d"},
    {"2w", "duration 14d"},
    {"90m", "duration 1h30m"},
    {"1h30m", "duration 1h30m"},
    {"250ms", "duration 250ms"},
    {"1.5s", "duration 1s500ms"},
    {"-15s", "duration -15s"},
    {"-(15s)", "duration -15s"},
    {"[1, 2, 3]", "list [1, 2, 3]"},
    {"['a', 'b',]", "list [a, b]"},
    {"[]", "list []"},
    {"[1 + 1, -1]", "list [2, -1]"},
    {"1 // one\n + 1", "int 2"},
    {"  1\t+\r\n1\f", "int 2"},
    {"limits.two + 1", "int 3"},
};

static const struct eval_case operators[] = {
    {"1 + 2 * 3", "int 7"},
    {"(1 + 2) * 3", "int 9"},
    {"10 - 4 - 3", "int 3"},
    {"100 / 10 / 5", "int 2"},
    {"7 % 4 * 2", "int 6"},
    {"-7 / 2", "int -3"},
    {"-7 % 2", "int -1"},
    {"7 % -2", "int 1"},
    {"2 - -2", "int 4"},
    {"--2", "int 2"},
    {"-i", "int -7"},
    {"!!t", "bool true"},
    {"1 + 1 == 2", "bool true"},
    {"1 < 2 == true", "bool true"},
    {"t || f && f", "bool true"},
    {"(t || f) && f", "bool false"},
    {"!f && t", "bool true"},
    {"!t || t", "bool true"},
    {"t ? 1 : 2", "int 1"},
    {"f ? 1 : f ? 2 : 3", "int 3"},
    {"t ? f ? 1 : 2 : 3", NULL},
    {"t ? (f ? 1 : 2) : 3", "int 2"},
    {"f || t ? 'y' : 'n'", "string y"},
    {"i - 1 in [6, 8]", "bool true"},
    {"d + 1.0", "double 3.5"},
    {"d * 2.0", "double 5"},
    {"1.0 / 3.0", "double 0.3333333333333333"},
    {"d / dz", "double Infinity"},
    {"-d / dz", "double -Infinity"},
    {"dz / dz == dz / dz", "bool false"},
    {"nan != nan", "bool true"},
    {"nan < 1.0 || nan >= 1.0", "bool false"},
    {"s + 'def'", "string abcdef"},
    {"empty + s", "string abc"},
    {"[1] + [2, 3]", "list [1, 2, 3]"},
    {"tags + ['c']", "list [a, b, c]"},
    {"[] + tags", "list [a, b]"},
    {"gap + 30m", "duration 2h"},
    {"gap - 2h", "duration -30m"},
    {"old + 1h", "timestamp 2025-01-15T01:00:00Z"},
    {"1h + old", "timestamp 2025-01-15T01:00:00Z"},
    {"old - 24h", "timestamp 2025-01-14T00:00:00Z"},
    {"now - old", "duration 12h"},
    {"[1, 2, 3][1]", "int 2"},
    {"tags[0] + tags[1]", "string ab"},
    {"tags[2]", "error: the index is outside the list"},
    {"tags[-1]", "error: the index is outside the list"},
    {"tags[zero]", "string a"},
    /* overflow and division */
    {"big + 1", "error: int overflow"},
    {"low - 1", "error: int overflow"},
    {"big * 2", "error: int overflow"},
    {"-low", "error: int overflow"},
    {"low / -1", "error: int overflow"},
    {"low % -1", "error: int overflow"},
    {"low * -1", "error: int overflow"},
    {"i / zero", "error: division by zero"},
    {"i % zero", "error: modulus by zero"},
    {"big - 1", "int 9223372036854775806"},
    {"never + 1ms", "error: duration out of range"},
    {"now - never", "error: timestamp out of range"},
    {"-never", "duration -3652500d"},
    {"old + never", "error: timestamp out of range"},
};

static const struct eval_case comparisons[] = {
    {"i == 7", "bool true"},
    {"i == 7.0", "bool true"},
    {"i != 7.5", "bool true"},
    {"i < 7.5", "bool true"},
    {"7.5 > i", "bool true"},
    {"big == 9223372036854775808.0", "bool false"},
    {"big < 9223372036854775808.0", "bool true"},
    {"9223372036854775808.0 > big", "bool true"},
    {"low == -9223372036854775808.0", "bool true"},
    {"9007199254740993 == 9007199254740992.0", "bool false"},
    {"9007199254740993 > 9007199254740992.0", "bool true"},
    {"i < nan", "bool false"},
    {"0.0 == -0.0", "bool true"},
    {"'a' < 'b'", "bool true"},
    {"'B' < 'a'", "bool true"},
    {"'a' < 'aa'", "bool true"},
    {"'z' < '\\u00e9'", "bool true"},
    {"'\\uffff' < '\\U00010000'", "bool true"},
    {"s >= 'abc'", "bool true"},
    {"f < t", "bool true"},
    {"t <= t", "bool true"},
    {"72h == 3d", "bool true"},
    {"gap < 2h", "bool true"},
    {"old < now", "bool true"},
    {"timestamp('2025-01-15T03:30:00+03:30') == old", "bool true"},
    {"null == null", "bool true"},
    {"null != null", "bool false"},
    {"[1, 2] == [1, 2]", "bool true"},
    {"[1, 2] == [1.0, 2.0]", "bool true"},
    {"[1, 2] == [2, 1]", "bool false"},
    {"tags != ['a']", "bool true"},
    {"1 in [1, 2]", "bool true"},
    {"i in [1.0, 7.0]", "bool true"},
    {"i in []", "bool false"},
    {"'b' in tags", "bool true"},
    {"s in ['x', 'abc']", "bool true"},
    {"s in ['k','j','i','h','g','f','e','d','abc','a']", "bool true"},
    {"s in ['k','j','i','h','g','f','e','d','abd','a']", "bool false"},
    {"i in [10,9,8,7,6,5,4,3,2,1]", "bool true"},
    {"i in [10,9,8,17,6,5,4,3,2,1]", "bool false"},
    {"iu in [10,9,8,17,6,5,4,3,2,1]", "unknown absent"},
    {"any == 3", "bool true"},
    {"any == 'x'", "bool false"},
    {"any != 'x'", "bool true"},
    {"any < 'x'", "error: no such overload for these types"},
    {"any < 4", "bool true"},
    {"any + 1", "int 4"},
    {"any_s + 1", "error: no such overload for these types"},
    {"any in [1, 3]", "bool true"},
    {"any in any_s", "error: no such overload for these types"},
    {"any == null", "bool false"},
    {"lie + 1", "error: no such overload for these types"},
    {"lie == 1", "bool false"},
    {"t && any", "error: no such overload for these types"},
    {"f && any", "bool false"},
    {"true && any", "error: no such overload for these types"},
    {"!any", "error: no such overload for these types"},
    {"any ? 1 : 2", "error: no such overload for these types"},
};

static const struct eval_case functions[] = {
    {"size('')", "int 0"},
    {"size(profile.name)", "int 3"},
    {"profile.name.size()", "int 3"},
    {"size('\\U0001F600')", "int 1"},
    {"size(tags)", "int 2"},
    {"[1, 2].size()", "int 2"},
    {"s.startsWith('ab')", "bool true"},
    {"s.startsWith('')", "bool true"},
    {"s.startsWith('abcd')", "bool false"},
    {"s.endsWith('bc')", "bool true"},
    {"s.endsWith('ab')", "bool false"},
    {"s.contains('b')", "bool true"},
    {"'abc'.contains('')", "bool true"},
    {"s.contains('ca')", "bool false"},
    {"profile . name . contains ( 'Zo' )", "bool true"},
    {".s", "string abc"},
    {"int(d)", "int 2"},
    {"int(-d)", "int -2"},
    {"int('42')", "int 42"},
    {"int('-9223372036854775808')", "int -9223372036854775808"},
    {"int(s)", "error: the string is not an int"},
    {"int(d * 1e30)", "error: the double is outside int's range"},
    {"int(d * 4e18)", "error: the double is outside int's range"},
    {"int(nan)", "error: the double is outside int's range"},
    {"int(now)", "int 1736942400"},
    {"int(timestamp('1969-12-31T23:59:59.5Z'))", "int -1"},
    {"double(i)", "double 7"},
    {"double('1e3')", "double 1000"},
    {"double(s)", "error: the string is not a double"},
    {"double('-Infinity') < 0.0", "bool true"},
    {"string(i)", "string 7"},
    {"string(d)", "string 2.5"},
    {"string(3.0)", "string 3"},
    {"string(t)", "string true"},
    {"string(gap)", "string 5400s"},
    {"string(-1500ms)", "string -1.5s"},
    {"string(old)", "string 2025-01-15T00:00:00Z"},
    {"bool('true')", "bool true"},
    {"bool('0')", "bool false"},
    {"bool('TRUE') && bool('T') && bool('t') && bool('1') && bool('True')", "bool true"},
    {"bool(s)", "error: the string is not a bool"},
    {"timestamp(0)", "timestamp 1970-01-01T00:00:00Z"},
    {"timestamp('2024-02-29T23:59:59.999Z')", "timestamp 2024-02-29T23:59:59.999Z"},
    {"timestamp(old)", "timestamp 2025-01-15T00:00:00Z"},
    {"duration('1h30m')", "duration 1h30m"},
    {"duration('-1.5h')", "duration -1h30m"},
    {"duration(s)", "error: the string is not a duration as in 72h, 1d12h, 90m, 1.5s"},
    {"now.getFullYear()", "int 2025"},
    {"now.getMonth()", "int 0"},
    {"now.getDate()", "int 15"},
    {"now.getDayOfMonth()", "int 14"},
    {"now.getDayOfWeek()", "int 3"},
    {"now.getDayOfYear()", "int 14"},
    {"now.getHours()", "int 12"},
    {"now.getMinutes()", "int 0"},
    {"(now + 61s).getSeconds()", "int 1"},
    {"(now + 1234ms).getMilliseconds()", "int 234"},
    {"now.getHours('+03:30')", "int 15"},
    {"now.getMinutes('+03:30')", "int 30"},
    {"now.getHours('UTC')", "int 12"},
    {"now.getDate('-12:30')", "int 14"},
    {"now.getHours('Asia/Tehran')", "int 15"},
    {"now.getHours('Europe/Berlin')", "int 13"},
    {"timestamp('2025-07-01T12:00:00Z').getHours('Europe/Berlin')", "int 14"},
    {"now.getHours('Mars/Olympus')", "error: unknown time zone"},
    {"gap.getHours()", "int 1"},
    {"gap.getMinutes()", "int 90"},
    {"gap.getSeconds()", "int 5400"},
    {"(gap + 321ms).getMilliseconds()", "int 321"},
    {"(-90m).getHours()", "int -1"},
    {"72h.getHours()", "int 72"},
    {"min(3, 1, 2)", "int 1"},
    {"max(1.5, d)", "double 2.5"},
    {"max('a', s)", "string abc"},
    {"min(gap, 1h)", "duration 1h"},
    {"max(old, now)", "timestamp 2025-01-15T12:00:00Z"},
    {"max(i)", "int 7"},
    {"max(nan, d)", "double NaN"},
    {"min(d, nan, 1.0)", "double NaN"},
    {"max(i, iu)", "unknown absent"},
    {"max(ie, i, ir)", "unknown unreadable"},
    {"min(any, 2)", "int 2"},
    {"min(any, 2.0)", "error: no such overload for these types"},
    {"min(cart_add.price, 1d)", "double 4"},
    {"sum(purchase.amount, 30d) > 50.0", "bool true"},
    {"sum(purchase.amount, duration('30d')) / max(d, 1.0)", "double 39.8"},
    {"shop.open(1)", "bool true"},
    {"abs(-i)", "int 7"},
    {"abs(-2.5)", "double 2.5"},
    {"abs(-90m)", "duration 1h30m"},
    {"abs(low)", "error: int overflow"},
    {"floor(-d)", "double -3"},
    {"ceil(d)", "double 3"},
    {"round(d)", "double 3"},
    {"round(-d)", "double -3"},
    {"round(2.4)", "double 2"},
    {"distance_m(0.0, 0.0, 0.0, 0.0)", "double 0"},
    {"distance_m(0.0, 0.0, 0.0, 180.0)", "double 20015114.442"},
    {"distance_m(35.6892, 51.389, 52.52, 13.405)", "double 3504568.939"},
    {"nearest_m(35.70, 51.40, [35.757, 51.409, 35.6892, 51.389, 32.65, 51.67, 52.52, 13.405])", "double 1558.509"},
    {"nearest_m(35.70, 51.40, [35.757, 51.409, 35.6892, 51.389]) == distance_m(35.70, 51.40, 35.6892, 51.389)", "bool true"},
    {"nearest_m(nan, 51.40, [35.757, 51.409])", "error: a latitude is outside -90 to 90"},
    {"distance_m(d + 90.0, 0.0, 0.0, 0.0)", "error: a latitude is outside -90 to 90"},
    {"distance_m(nan, 0.0, 0.0, 0.0)", "error: a latitude is outside -90 to 90"},
    {"distance_m(0.0, 0.0, 0.0, d * 100.0)", "error: a longitude is outside -180 to 180"},
};

static const struct eval_case unknowns[] = {
    {"iu + 1", "unknown absent"},
    {"iu + ir", "unknown unreadable"},
    {"ir + iu", "unknown unreadable"},
    {"ie + iu", "unknown absent"},
    {"iu + ie", "unknown absent"},
    {"ie + 1", "error: broken"},
    {"ie + i / zero", "error: broken"},
    {"i / zero + ie", "error: division by zero"},
    {"iu == iu", "unknown absent"},
    {"iu in [1]", "unknown absent"},
    {"-iu", "unknown absent"},
    {"!u", "unknown absent"},
    {"!r", "unknown unreadable"},
    {"!e", "error: broken"},
    {"u ? 1 : 2", "unknown absent"},
    {"e ? 1 : 2", "error: broken"},
    {"t ? 1 : ie", "int 1"},
    {"f ? iu : 2", "int 2"},
    {"t ? iu : 2", "unknown absent"},
    {"string(iu)", "unknown absent"},
    {"profile.gone.size()", "unknown absent"},
    {"profile.gone == 'x' || t", "bool true"},
    {"profile.lost == 'x' && f", "bool false"},
    {"has(profile.tier)", "bool true"},
    {"has(profile.gone)", "bool false"},
    {"has(profile.lost)", "unknown unreadable"},
    {"has(e)", "error: broken"},
    {"!has(profile.gone) || profile.gone == 'x'", "bool true"},
    {"has(sum(purchase.amount, 30d))", "bool true"},
    {"has(limits.two)", "bool true"},
    {"has(min(cart_add.price, 24h))", "bool true"},
    {"t || ie / zero > 0", "bool true"},
    {"ie / zero > 0 || t", "bool true"},
    {"f && ie > 0", "bool false"},
    {"ie > 0 && f", "bool false"},
};

static void check_cases(const struct eval_case *cases, size_t count)
{
    struct harness h;
    struct tzdb *zones;
    struct error error;
    harness_init(&h, slots, SLOTS);
    assert_int_equal(tzdb_load(&zones, NULL, &error), 0);
    h.source.zones = zones;
    for (size_t i = 0; i < count; i++) {
        expr_id id;
        struct expr_eval ev;
        int rc = harness_compile(&h, cases[i].text, VALUE_UNKNOWN, &id);
        if (!cases[i].expected) {
            assert_int_equal(rc, ERR_INVALID);
            continue;
        }
        if (rc)
            fail_msg("%s: %s", cases[i].text, h.finding_count ? h.findings[0].text : "no finding");
        arena_reset(&h.request);
        assert_int_equal(expr_eval_init(&ev, h.program, &h.source, NOW_S * INT64_C(1000), &h.request), 0);
        struct value v = expr_eval(&ev, id);
        const char *shown = harness_show(v);
        if (strcmp(shown, cases[i].expected) != 0)
            fail_msg("%s gives %s, not %s", cases[i].text, shown, cases[i].expected);
        struct expr_type type = expr_type_of(h.program, id);
        if (type.kind != VALUE_UNKNOWN && v.type > VALUE_ERROR)
            assert_int_equal(type.kind, v.type);
    }
    tzdb_free(&zones);
    harness_free(&h);
}

#define CASES(name)                                                                                          \
    static void name##_cases(void **state)                                                                   \
    {                                                                                                        \
        (void)state;                                                                                         \
        check_cases(name, sizeof name / sizeof *name);                                                       \
    }
CASES(literals)
CASES(operators)
CASES(comparisons)
CASES(functions)
CASES(unknowns)

/* The expected entry for operands a, b of && (or: false) or || (or: true), by CEL's definition. */
static const char *truth(const char *a, const char *b, bool or)
{
    const char *decides = or ? "t" : "f", *passes = or ? "f" : "t";
    if (!strcmp(a, decides) || !strcmp(b, decides))
        return or ? "bool true" : "bool false";
    if (!strcmp(a, "r") || !strcmp(b, "r"))
        return "unknown unreadable";
    if (!strcmp(a, "u") || !strcmp(b, "u"))
        return "unknown absent";
    if (!strcmp(a, passes) && !strcmp(b, passes))
        return or ? "bool false" : "bool true";
    return !strcmp(a, "e") || !strcmp(b, "e") ? !strcmp(a, "e2") ? "error: broken 2" : "error: broken"
                                              : "error: broken 2";
}

static void truth_tables(void **state)
{
    (void)state;
    static const char *const operands[] = {"t", "f", "u", "r", "e", "e2"};
    struct harness h;
    harness_init(&h, slots, SLOTS);
    for (int a = 0; a < 6; a++) {
        for (int b = 0; b < 6; b++) {
            for (int or = 0; or < 2; or ++) {
                char text[32];
                expr_id id;
                struct expr_eval ev;
                snprintf(text, sizeof text, "%s %s %s", operands[a], or ? "||" : "&&", operands[b]);
                assert_int_equal(harness_compile(&h, text, VALUE_BOOL, &id), 0);
                arena_reset(&h.request);
                assert_int_equal(expr_eval_init(&ev, h.program, &h.source, 0, &h.request), 0);
                const char *shown = harness_show(expr_eval(&ev, id));
                if (strcmp(shown, truth(operands[a], operands[b], or)) != 0)
                    fail_msg("%s gives %s, not %s", text, shown, truth(operands[a], operands[b], or));
            }
        }
    }
    harness_free(&h);
}

static int loads_of(const struct harness *h, const char *name)
{
    for (size_t i = 0; i < h->count; i++)
        if (!strcmp(h->slots[i].name, name))
            return h->loads[i];
    fail_msg("no slot %s", name);
    return -1;
}

static void loads_lazily_and_once(void **state)
{
    (void)state;
    struct harness h;
    struct expr_eval ev;
    expr_id a, b, c;
    harness_init(&h, slots, SLOTS);
    assert_int_equal(harness_compile(&h, "f && s == 'abc' && i > 3", VALUE_BOOL, &a), 0);
    assert_int_equal(harness_compile(&h, "t ? i > 3 : s == 'abc'", VALUE_BOOL, &b), 0);
    assert_int_equal(harness_compile(&h, "now > old || i > 3 || d > 1.0", VALUE_BOOL, &c), 0);
    assert_int_equal(expr_eval_init(&ev, h.program, &h.source, NOW_S * INT64_C(1000), &h.request), 0);
    size_t used = h.request.used;
    assert_false(expr_eval(&ev, a).boolean);
    assert_int_equal(loads_of(&h, "f"), 1);
    assert_int_equal(loads_of(&h, "s"), 0);
    assert_int_equal(loads_of(&h, "i"), 0);
    assert_true(expr_eval(&ev, b).boolean);
    assert_true(expr_eval(&ev, b).boolean);
    assert_true(expr_eval(&ev, c).boolean);
    assert_int_equal(loads_of(&h, "i"), 1);
    assert_int_equal(loads_of(&h, "s"), 0);
    assert_int_equal(loads_of(&h, "d"), 0);
    assert_int_equal(loads_of(&h, "now"), 1);
    assert_int_equal(loads_of(&h, "old"), 1);
    assert_int_equal(h.request.used, used); /* nothing allocated */
    expr_eval_at(&ev, 0);
    assert_true(expr_eval(&ev, c).boolean); /* now is 1970: old > now, but i > 3 */
    assert_true(expr_eval(&ev, b).boolean);
    assert_int_equal(loads_of(&h, "now"), 2);
    assert_int_equal(loads_of(&h, "old"), 1); /* does not depend on the clock */
    assert_int_equal(loads_of(&h, "i"), 1);
    harness_free(&h);
}

static void shares_nodes(void **state)
{
    (void)state;
    struct harness h;
    expr_id a, b, c;
    harness_init(&h, slots, SLOTS);
    assert_int_equal(harness_compile(&h, "i > 3 && profile.tier == 'gold'", VALUE_BOOL, &a), 0);
    size_t nodes = expr_node_count(h.program);
    assert_int_equal(harness_compile(&h, " i>3 /* no */ ", VALUE_BOOL, &b), ERR_INVALID);
    assert_int_equal(harness_compile(&h, "(i) > 3 && (profile.tier == \"gold\") // same", VALUE_BOOL, &b), 0);
    assert_int_equal(a, b);
    assert_int_equal(expr_node_count(h.program), nodes);
    assert_int_equal(harness_compile(&h, "profile.tier == 'gold' && i > 3", VALUE_BOOL, &c), 0);
    assert_int_not_equal(a, c);
    assert_int_equal(expr_node_count(h.program), nodes + 1); /* only the && is another */
    assert_int_equal(harness_compile(&h, "3 < i", VALUE_BOOL, &c), 0);
    assert_int_equal(expr_node_count(h.program), nodes + 2);
    assert_int_equal(harness_compile(&h, "f || 1 + 1 == 2", VALUE_BOOL, &c), 0);
    assert_true(expr_constant(h.program, c)->boolean);
    assert_int_equal(harness_compile(&h, "true && i > 3 && !false", VALUE_BOOL, &b), 0);
    assert_int_equal(harness_compile(&h, "i > 3", VALUE_BOOL, &c), 0);
    assert_int_equal(b, c);
    /* many nodes: growth keeps what was there */
    for (int k = 0; k < 5000; k++) {
        char text[64];
        snprintf(text, sizeof text, "i + %d > 3", k + 100);
        assert_int_equal(harness_compile(&h, text, VALUE_BOOL, &c), 0);
    }
    nodes = expr_node_count(h.program);
    assert_int_equal(harness_compile(&h, "i + 2600 > 3 || i + 4000 > 3", VALUE_BOOL, &c), 0);
    assert_int_equal(expr_node_count(h.program), nodes + 1);
    harness_free(&h);
}

struct names {
    char text[256];
};

static void add_leaf(void *ctx, expr_id leaf, struct str name)
{
    struct names *n = ctx;
    assert_true(leaf != EXPR_NONE);
    size_t used = strlen(n->text);
    snprintf(n->text + used, sizeof n->text - used, "%.*s;", STR_ARG(name));
}

static void add_slot(void *ctx, uint32_t slot)
{
    add_leaf(ctx, 0, str_from(slots[slot].name));
}

static void tells_evidence(void **state)
{
    (void)state;
    struct harness h;
    expr_id id;
    struct names leaves = {0}, below = {0};
    harness_init(&h, slots, SLOTS);
    harness_feature(&h, "loyal", "profile.tier == 'gold' && i > 3");
    harness_feature(&h, "rich", "loyal && sum(purchase.amount, 30d) > 50.0");
    assert_int_equal(harness_compile(&h, "i > 1 && rich || loyal || i < 0 || size(s) == 3", VALUE_BOOL, &id),
                     0);
    expr_leaves(h.program, id, add_leaf, &leaves);
    assert_string_equal(leaves.text, "i;rich;loyal;s;");
    expr_slots(h.program, id, add_slot, &below);
    assert_string_equal(below.text, "i;profile.tier;sum(purchase.amount, 720h);s;");
    expr_name(h.program, h.features[0], STR("other")); /* the first name stays */
    memset(&leaves, 0, sizeof leaves);
    expr_leaves(h.program, h.features[0], add_leaf, &leaves);
    assert_string_equal(leaves.text, "loyal;");
    harness_free(&h);
}

/* Features of features: allowed to EXPR_NODE_DEPTH_MAX levels (256), and evaluated without harm at that
 * depth. */
static void bounds_depth(void **state)
{
    (void)state;
    struct harness h;
    struct expr_eval ev;
    expr_id id;
    static char names[SLOTS_MAX][16];
    harness_init(&h, slots, SLOTS);
    harness_feature(&h, "f0", "i");
    int levels = 1;
    for (int k = 1; k < 26; k++) { /* ten levels each: 251 */
        char text[128];
        snprintf(names[k], sizeof names[k], "f%d", k);
        snprintf(text, sizeof text, "-(-(-(-(-(-(-(-(-(-f%d)))))))))", k - 1);
        harness_feature(&h, names[k], text);
        levels += 10;
    }
    assert_int_equal(levels, 251);
    assert_int_equal(harness_compile(&h, "-(-(-(-(-f25))))", VALUE_INT, &id), 0);
    assert_int_equal(expr_eval_init(&ev, h.program, &h.source, 0, &h.request), 0);
    assert_int_equal(expr_eval(&ev, id).integer, -7);
    assert_int_equal(harness_compile(&h, "-(-(-(-(-(-f25)))))", VALUE_INT, &id), ERR_INVALID);
    assert_non_null(strstr(h.findings[0].text, "deeper than 256"));
    harness_free(&h);
}

/* A string that doubles in every feature stops at a limit. */
static void bounds_strings(void **state)
{
    (void)state;
    struct harness h;
    struct expr_eval ev;
    static char names[40][16];
    harness_init(&h, slots, SLOTS);
    harness_feature(&h, "g0", "s + s");
    for (int k = 1; k < 30; k++) {
        char text[64];
        snprintf(names[k], sizeof names[k], "g%d", k);
        snprintf(text, sizeof text, "g%d + g%d", k - 1, k - 1);
        harness_feature(&h, names[k], text);
    }
    assert_int_equal(expr_eval_init(&ev, h.program, &h.source, 0, &h.request), 0);
    assert_string_equal(harness_show(expr_eval(&ev, h.features[29])),
                        "error: the string is longer than 64 KiB");
    assert_true(h.request.used < 1 << 20);
    arena_free(&h.request);
    arena_init(&h.request, 48 * expr_node_count(h.program) + 200);
    assert_int_equal(expr_eval_init(&ev, h.program, &h.source, 0, &h.request), 0);
    assert_string_equal(harness_show(expr_eval(&ev, h.features[29])), "error: out of request memory");
    harness_free(&h);
}

/* A program whose arena is too small says so, wherever it runs out. */
static void runs_out_of_memory(void **state)
{
    (void)state;
    bool compiled = false;
    for (size_t limit = 0; !compiled; limit += 64) {
        struct arena arena;
        struct harness h;
        harness_init(&h, slots, 0);
        arena_init(&arena, limit);
        struct expr_program *p = expr_program_new(&arena);
        expr_id id;
        static const char text[] = "'a' + string(x) in ['b', 'c'] || x > 3 && min(x, 2) < 1";
        if (p) {
            struct expr_slot slot = {.name = STR("x"), .type = {VALUE_INT, 0}};
            static const struct test_slot named[] = {{.name = "x"}};
            h.slots = named;
            h.count = 1;
            if (expr_slot_add(p, &slot) == 0) {
                int rc = expr_compile(p, &h.scope, str_from(text), (struct expr_type){0}, &h.report, &id);
                assert_true(rc == 0 || rc == ERR_NOSPACE);
                assert_int_equal(h.finding_count, 0);
                compiled = rc == 0;
            }
        }
        assert_true(limit < 1 << 20);
        arena_free(&arena);
        harness_free(&h);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(literals_cases),        cmocka_unit_test(operators_cases),
        cmocka_unit_test(comparisons_cases),     cmocka_unit_test(functions_cases),
        cmocka_unit_test(unknowns_cases),        cmocka_unit_test(truth_tables),
        cmocka_unit_test(loads_lazily_and_once), cmocka_unit_test(shares_nodes),
        cmocka_unit_test(tells_evidence),        cmocka_unit_test(bounds_depth),
        cmocka_unit_test(bounds_strings),        cmocka_unit_test(runs_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
