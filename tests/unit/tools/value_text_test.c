/* Typed text: what is guessed, what each type takes and refuses, pairs, splitting outside quotes.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tools/value_text.c" /* the tool's sources are no library */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

/* The value as text with its kind: "s:abc" "i:3" "n:2.5" "b:1" "t:1736942400000", or "!error". */
static const char *parsed(enum value_text type, const char *text)
{
    static char out[600];
    struct arena arena;
    struct error e = {0};
    Tact__V1__Value v;
    arena_init(&arena, 1 << 20);
    int rc = value_text_parse(type, str_from(text), &arena, &v, &e);
    if (rc) {
        assert_int_equal(rc, ERR_INVALID);
        snprintf(out, sizeof out, "!%s", e.text);
    } else if (v.kind_case == TACT__V1__VALUE__KIND_STRING_VALUE) {
        snprintf(out, sizeof out, "s:%s", v.string_value);
    } else if (v.kind_case == TACT__V1__VALUE__KIND_NUMBER_VALUE) {
        snprintf(out, sizeof out, "n:%.17g", v.number_value);
    } else if (v.kind_case == TACT__V1__VALUE__KIND_INT_VALUE) {
        snprintf(out, sizeof out, "i:%lld", (long long)v.int_value);
    } else if (v.kind_case == TACT__V1__VALUE__KIND_BOOL_VALUE) {
        snprintf(out, sizeof out, "b:%d", v.bool_value);
    } else if (v.kind_case == TACT__V1__VALUE__KIND_TIME_MS) {
        snprintf(out, sizeof out, "t:%lld", (long long)v.time_ms);
    } else {
        snprintf(out, sizeof out, "nothing");
    }
    arena_free(&arena);
    return out;
}

#define GUESS(text, wanted) assert_string_equal(parsed(TEXT_GUESS, text), wanted)

static void test_guess(void **state)
{
    (void)state;
    GUESS("", "s:");
    GUESS("abc", "s:abc");
    GUESS("0", "i:0");
    GUESS("-0", "i:0");
    GUESS("42", "i:42");
    GUESS("-17", "i:-17");
    GUESS("9223372036854775807", "i:9223372036854775807");
    GUESS("9223372036854775808", "s:9223372036854775808"); /* an order number, not a rounded number */
    GUESS("4.5", "n:4.5");
    GUESS("-0.25", "n:-0.25");
    GUESS("1e3", "n:1000");
    GUESS("2.5E-1", "n:0.25");
    GUESS("1e999", "s:1e999");
    static const char *const strings[] = {"007",
                                          "+1",
                                          ".5",
                                          "5.",
                                          "1.2.3",
                                          "1e",
                                          "0x10",
                                          "1 ",
                                          " 1",
                                          "-",
                                          "--1",
                                          "1_000",
                                          "inf",
                                          "nan",
                                          "True",
                                          "TRUE",
                                          "yes",
                                          "2025-01-15",
                                          "2025-13-15T12:00:00Z",
                                          "\"",
                                          "'a\"",
                                          "\"a"};
    char wanted[64];
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++) {
        snprintf(wanted, sizeof wanted, "s:%s", strings[i]);
        GUESS(strings[i], wanted);
    }
    GUESS("true", "b:1");
    GUESS("false", "b:0");
    GUESS("\"42\"", "s:42");
    GUESS("'true'", "s:true");
    GUESS("''", "s:");
    GUESS("2025-01-15T12:00:00Z", "t:1736942400000");
    GUESS("2025-01-15T15:30:00+03:30", "t:1736942400000");
}

static void test_types(void **state)
{
    (void)state;
    assert_string_equal(parsed(TEXT_STRING, "42"), "s:42");
    assert_string_equal(parsed(TEXT_STRING, "\"x\""),
                        "s:\"x\""); /* a table's cell has lost its quotes already */
    assert_string_equal(parsed(TEXT_NUMBER, "3"), "n:3");
    assert_string_equal(parsed(TEXT_NUMBER, "+.5"), "n:0.5");
    assert_string_equal(parsed(TEXT_NUMBER, "0x10"), "!'0x10' is not a decimal number like 3 or -0.25");
    assert_string_equal(parsed(TEXT_NUMBER, "1e999"), "!'1e999' is not a decimal number like 3 or -0.25");
    assert_string_equal(parsed(TEXT_NUMBER, "nan"), "!'nan' is not a decimal number like 3 or -0.25");
    assert_string_equal(parsed(TEXT_NUMBER, "1,5"), "!'1,5' is not a decimal number like 3 or -0.25");
    assert_string_equal(parsed(TEXT_NUMBER, ""), "!'' is not a decimal number like 3 or -0.25");
    assert_string_equal(parsed(TEXT_INT, "007"), "i:7");
    assert_string_equal(parsed(TEXT_INT, "-9223372036854775808"), "i:-9223372036854775808");
    assert_string_equal(parsed(TEXT_INT, "9223372036854775808"),
                        "!'9223372036854775808' is not a whole number of 64 bits");
    assert_string_equal(parsed(TEXT_INT, "1.0"), "!'1.0' is not a whole number of 64 bits");
    assert_string_equal(parsed(TEXT_INT, " 1"), "!' 1' is not a whole number of 64 bits");
    assert_string_equal(parsed(TEXT_BOOL, "TRUE"), "b:1");
    assert_string_equal(parsed(TEXT_BOOL, "No"), "b:0");
    assert_string_equal(parsed(TEXT_BOOL, "1"), "b:1");
    assert_string_equal(parsed(TEXT_BOOL, "t"), "!'t' is not true or false (also yes, no, 1, 0)");
    assert_string_equal(parsed(TEXT_TIME, "2025-01-15"), "t:1736899200000");
    assert_string_equal(parsed(TEXT_TIME, "1969-12-31"), "t:-86400000");
    assert_string_equal(parsed(TEXT_TIME, "2025-01-15T15:30:00+03:30"), "t:1736942400000");
    assert_string_equal(parsed(TEXT_TIME, "2025-02-29"),
                        "!'2025-02-29' is not a time like 2025-01-15T12:00:00Z, or a date like 2025-01-15");
    assert_string_equal(
        parsed(TEXT_TIME, "1736942400000"),
        "!'1736942400000' is not a time like 2025-01-15T12:00:00Z, or a date like 2025-01-15");
    char digits[1000];
    memset(digits, '1', sizeof digits);
    digits[sizeof digits - 1] = 0;
    assert_int_equal(parsed(TEXT_NUMBER, digits)[0], '!');
    assert_int_equal(parsed(TEXT_GUESS, digits)[0], 's');
}

static void pair(const char *text, const char *key, const char *wanted)
{
    struct arena arena;
    struct error e = {0};
    struct value_pair p;
    arena_init(&arena, 1 << 20);
    int rc = value_pair_parse(str_from(text), &arena, &p, &e);
    if (!key) {
        assert_int_equal(rc, ERR_INVALID);
        assert_string_equal(e.text, wanted);
    } else {
        assert_int_equal(rc, 0);
        assert_string_equal(p.key, key);
        assert_int_equal(p.value.kind_case, TACT__V1__VALUE__KIND_STRING_VALUE);
        assert_string_equal(p.value.string_value, wanted);
    }
    arena_free(&arena);
}

static void test_pairs(void **state)
{
    (void)state;
    pair("sku=s1", "sku", "s1");
    pair("sku=", "sku", "");
    pair("sku=a=b:c", "sku", "a=b:c");
    pair("sku:string=42", "sku", "42");
    pair("sku:strin=42", NULL,
         "sku: unknown type 'strin'; did you mean string?; allowed: string, number, int, bool, time");
    pair("n:int=x", NULL, "n: 'x' is not a whole number of 64 bits");
    pair("sku", NULL, "'sku': expected name=value or name:type=value");
    pair("=x", NULL, "'=x': expected name=value or name:type=value");
    pair("", NULL, "'': expected name=value or name:type=value");
    enum value_text type;
    struct error e = {0};
    assert_int_equal(value_text_type(STR("timestamp"), &type, &e), 0);
    assert_int_equal(type, TEXT_TIME);
    assert_int_equal(value_text_type(STR(""), &type, &e), ERR_INVALID);
}

static void test_split(void **state)
{
    (void)state;
    assert_int_equal(value_text_split(STR("a=1,b=2"), ','), 3);
    assert_int_equal(value_text_split(STR("a=1"), ','), 3);
    assert_int_equal(value_text_split(STR(""), ','), 0);
    assert_int_equal(value_text_split(STR("a='x,y',b"), ','), 7);
    assert_int_equal(value_text_split(STR("a=\"x,'y\",b"), ','), 8);
    assert_int_equal(value_text_split(STR("a=it's,b"), ','), 6);
    assert_int_equal(value_text_split(STR("a='x,y"), ','), 6);
}

static void test_times(void **state)
{
    (void)state;
    int64_t ms;
    struct error e = {0};
    assert_int_equal(time_text_parse(STR("2025-01-15T12:00:00Z"), &ms, &e), 0);
    assert_int_equal(ms, 1736942400000);
    assert_int_equal(time_text_parse(STR("1970-01-01T00:00:00Z"), &ms, &e),
                     ERR_INVALID); /* 0 means "not given" */
    assert_int_equal(time_text_parse(STR("2025-01-15"), &ms, &e), ERR_INVALID);
    assert_string_equal(
        e.text,
        "'2025-01-15' is no time; write RFC 3339, like 2025-01-15T12:00:00Z or 2025-01-15T15:30:00+03:30");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_guess), cmocka_unit_test(test_types), cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_split), cmocka_unit_test(test_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
