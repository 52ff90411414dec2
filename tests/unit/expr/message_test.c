/* What people read when an expression is wrong: the place, what is wrong, what to write instead. Each broken
 * expression gives exactly the findings listed, so that one mistake is one message.
 * SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

static const struct test_slot slots[] = {
    {"profile.tier", VALUE_STRING, 0, EXPR_STILL, {0}},
    {"profile.age", VALUE_INT, 0, EXPR_STILL, {0}},
    {"profile.spend", VALUE_DOUBLE, 0, EXPR_STILL, {0}},
    {"profile.city", VALUE_STRING, 0, EXPR_STILL, {0}},
    {"profile.vip", VALUE_BOOL, 0, EXPR_STILL, {0}},
    {"tags", VALUE_LIST, VALUE_STRING, EXPR_STILL, {0}},
    {"now", VALUE_TIMESTAMP, 0, EXPR_CLOCK, {0}},
    {"idle", VALUE_DURATION, 0, EXPR_CLOCK, {0}},
    {"sum(purchase.amount, 720h)", VALUE_DOUBLE, 0, EXPR_STEPS, {0}},
    {"anything", VALUE_UNKNOWN, 0, EXPR_STILL, {0}},
};
enum { SLOTS = sizeof slots / sizeof *slots };

struct message_case {
    const char *text;
    size_t offset;
    const char *expected; /* part of the only finding */
    uint8_t want;
};

static const struct message_case syntax[] = {
    {"", 0, "the expression is empty", 0},
    {"  // nothing", 0, "the expression is empty", 0},
    {"1 +", 3, "the expression ends where a value is expected", 0},
    {"(1 + 2", 6, "ends before the closing ')'", 0},
    {"1 + 2)", 5, "')' closes nothing", 0},
    {"[1, 2", 5, "ends before the closing ']'", 0},
    {"size(tags", 9, "ends before the closing ')'", 0},
    {"size(tags 1)", 10, "unexpected '1' where ',' or ')' or an operator is expected", 0},
    {"min(1,)", 6, "unexpected ')' where a value is expected", 0},
    {"1 2", 2, "unexpected '2' after a complete expression; an operator such as && or == is missing", 0},
    {"profile.vip and true", 12, "unexpected 'and'; write &&", 0},
    {"profile.vip or true", 12, "write ||", 0},
    {"profile.city not in tags", 13, "write ! before the value", 0},
    {"profile.city is null", 13, "write ==", 0},
    {"profile.age = 3", 12, "a single = does not compare; write ==", 0},
    {"profile.age === 3", 12, "there is no ===; write ==", 0},
    {"profile.age !== 3", 12, "drop one =", 0},
    {"profile.age <> 3", 12, "there is no <>; write !=", 0},
    {"profile.vip & true", 12, "a single & is no operator; write && for and", 0},
    {"profile.vip | true", 12, "write || for or", 0},
    {"profile.age > 3;", 15, "has no ; at its end", 0},
    {"1 # comment", 2, "a comment starts with //", 0},
    {"$x", 0, "'$' is not part of any operator or name", 0},
    {"caf\xc3\xa9 == 1", 3, "'\xc3\xa9' is not allowed outside strings", 0},
    {"profile.city == \xe2\x80\x9ctehran\xe2\x80\x9d", 16, "typographic quote", 0},
    {"'abc", 0, "no closing quote on its line", 0},
    {"'abc\ndef'", 0, "no closing quote on its line", 0},
    {"'''abc''", 0, "no closing triple quote", 0},
    {"'a\\qb'", 2, "unknown escape", 0},
    {"'\\x4'", 1, "\\x 2, \\u 4, \\U 8", 0},
    {"'\\08'", 1, "three digits", 0},
    {"'\\ud800'", 1, "no Unicode code point", 0},
    {"b'abc'", 0, "there are no bytes", 0},
    {"12u", 0, "there are no unsigned numbers", 0},
    {"5min", 0, "'5min' is neither a number nor a duration", 0},
    {"1.5ms", 0, "whole milliseconds", 0},
    {"0x", 0, "a hexadecimal number is 0x and the digits", 0},
    {"9223372036854775808", 0, "too large for an int of 64 bits", 0},
    {"99999999999999999999", 0, "too large for an int of 64 bits", 0},
    {"1e999", 0, "too large for a double", 0},
    {"idle < 1h 30m", 10, "a duration is written without spaces, as in 1h30m", 0},
    {"{'a': 1}", 0, "there are no maps here", 0},
    {"profile{}", 7, "there are no messages or maps here", 0},
    {"profile.", 8, "a name is expected after '.'", 0},
    {"if == 1", 0, "'if' is a reserved word", 0},
    {"in tags", 0, "'in' needs a value on its left", 0},
    {"profile.vip ? 1", 15, "a ':' is expected", 0},
    {"* 3", 0, "unexpected '*' where a value is expected", 0},
    {"'\xff'", 1, "not well-formed UTF-8", 0},
    {"1 + \x01", 4, "a control character", 0},
    {"`a` == 1", 0, "names in backquotes", 0},
};

static const struct message_case names[] = {
    {"profile.teir == 'gold'", 0, "unknown name 'profile.teir'; did you mean profile.tier?", 0},
    {"true || profile.tierr == 'gold'", 8, "did you mean profile.tier?", 0},
    {"gold", 0, "unknown name 'gold'; if it is text, write it in quotes: 'gold'", 0},
    {"order.total > 3.0", 0, "unknown name 'order.total'; the schema and the features declare no such name",
     0},
    {"profile.tier.level == 'x'", 0, "profile.tier is of type string and has no field 'level'", 0},
    {"tags[0].x", 8, "a value of type string has no field 'x'", 0},
    {"size == 3", 0, "'size' is a function; it needs arguments in ( )", 0},
    {"lenght(tags)", 0, "unknown function 'lenght'", 0},
    {"sizes(tags)", 0, "unknown function 'sizes'; did you mean size?", 0},
    {"profile.city.startswith('a')", 13, "unknown method 'startswith'; did you mean startsWith?", 0},
    {"summ(purchase.amount, 30d)", 0, "unknown function 'summ'; did you mean sum?", 0},
    {"sum(purchase.amount, 30)", 21, "aggregates are written as in sum(purchase.amount, 30d)", 0},
    {"sum(purchase.mount, 30d)", 4, "there is no such signal property", 0},
    {"now()", 0, "'now' is a value, not a function; write it without ( )", 0},
    {"startsWith(profile.city, 'a')", 0, "startsWith is a method; write x.startsWith('a')", 0},
    {"profile.age.int()", 12, "int is a function; write int(x)", 0},
    {"profile.city.matches('a.*')", 13, "regular expressions (matches) are not supported; use startsWith", 0},
    {"uint(3)", 0, "there are no unsigned ints; use int(x)", 0},
    {"tags.exists(x, x == 'a')", 5, "macros over lists", 0},
    {"size()", 0, "size takes 1 argument, not 0; write it as in size(x)", 0},
    {"profile.city.contains()", 13, "contains takes 1 argument, not 0", 0},
    {"distance_m(1.0, 2.0)", 0, "distance_m takes 4 arguments, not 2", 0},
    {"max()", 0, "max takes 1 argument or more, not 0", 0},
    {"has(1 + 1)", 4, "has() asks whether a name or an aggregate has a value, as in has(profile.tier)", 0},
    {"has(profile.teir)", 4, "did you mean profile.tier?", 0},
};

static const struct message_case types[] = {
    {"profile.age + 1.5", 12, "int + double: int and double do not mix; write double(profile.age)", 0},
    {"profile.spend + 1", 14, "double + int: int and double do not mix; write 1.0", 0},
    {"profile.spend / 12", 14, "write 12.0", 0},
    {"profile.spend % 2.0", 14, "double % double: % takes two ints", 0},
    {"profile.city + 1", 13, "string + int: write string(1) to join texts", 0},
    {"profile.vip + true", 12, "bool + bool: + takes two ints, doubles, strings, lists or durations", 0},
    {"2 * idle", 2, "durations are not multiplied or divided; write the length itself, as in 72h", 0},
    {"now + 3600", 4, "timestamp + int: a duration needs a unit, as in 72h", 0},
    {"now + now", 4, "timestamp + timestamp: + takes", 0},
    {"idle - now", 5, "duration - timestamp: - takes", 0},
    {"tags - ['a']", 5, "- takes two ints", 0},
    {"-profile.city", 0, "- takes an int, a double or a duration; this is of type string", 0},
    {"!profile.age", 1, "! takes a bool, but profile.age is of type int; compare it, as in profile.age > 0",
     0},
    {"profile.vip && profile.age", 15, "&& takes a bool, but profile.age is of type int", 0},
    {"profile.city || true", 0, "as in profile.city == 'text'", 0},
    {"profile.age ? 1 : 2", 0, "the condition of ?: takes a bool", 0},
    {"profile.vip ? 1 : 2.0", 12, "the branches of ?: are int and double; write 1.0", 0},
    {"profile.vip ? 'a' : 2", 12, "the branches of ?: are string and int; both must have one type", 0},
    {"profile.age == '5'", 12, "int == string: leave out the quotes", 0},
    {"profile.city == 5", 13, "string == int: write it in quotes: '5'", 0},
    {"profile.city == profile.age", 13, "write string(profile.age)", 0},
    {"idle < '72h'", 5, "duration < string: write 72h without quotes", 0},
    {"idle < 72", 5, "duration < int: a duration needs a unit, as in 72h", 0},
    {"now < 72h", 4, "timestamp < duration: subtract first, as in now - x < 72h", 0},
    {"now > '2025-01-15T12:00:00Z'", 4, "write timestamp('2025-01-15T12:00:00Z')", 0},
    {"now > '2025-01-15'", 4, "a timestamp is written as in timestamp('2025-01-15T12:00:00Z')", 0},
    {"profile.tier == null", 13, "it is never null; to ask whether it is there write !has(profile.tier)", 0},
    {"profile.tier != null", 13, "write has(profile.tier)", 0},
    {"null < null", 5, "values of type null have no order", 0},
    {"1 < profile.age < 3", 16, "comparisons do not chain; write a < b && b < c", 0},
    {"tags == 'a'", 5, "compare values of one type", 0},
    {"tags < ['a']", 5, "lists have no order", 0},
    {"profile.tier in 'gold'", 13,
     "in looks into a list; to look into a text write 'gold'.contains(profile.tier)", 0},
    {"profile.age in profile.age", 12, "in takes a list on its right", 0},
    {"profile.age in ['a']", 12, "int in list of string: the value and the elements must have one type", 0},
    {"['a', 1]", 6, "a list holds one type: this is int, the first element is string", 0},
    {"[1.0, 1]", 6, "write ints as in 1.0", 0},
    {"[profile.age]", 1, "a list holds constants only; compare with == and || instead", 0},
    {"[[1]]", 1, "a list cannot hold lists", 0},
    {"tags['a']", 4, "the index in [ ] is an int that counts from 0; this is of type string", 0},
    {"profile.city[0]", 12, "[ ] takes an element of a list; this is of type string", 0},
    {"size(profile.age)", 5, "size takes a string or a list, but this is of type int", 0},
    {"profile.age.contains('a')", 0, "contains takes a string before the dot, but this is of type int", 0},
    {"tags.contains('a')", 5, "contains is for strings; for a list write x in list", 0},
    {"profile.city.contains(5)", 22, "contains takes a string in ( ), but this is of type int", 0},
    {"int(idle)", 0, "int cannot convert a duration; write idle.getSeconds() and its kin", 0},
    {"int(profile.vip)", 0, "int cannot convert a bool; write profile.vip ? 1 : 0", 0},
    {"duration(72)", 0, "duration cannot convert a value of type int; a duration has a unit", 0},
    {"idle.getDayOfWeek()", 5, "getDayOfWeek is for timestamps; durations have getHours", 0},
    {"profile.age.getHours()", 0, "getHours takes a timestamp before the dot", 0},
    {"now.getHours(profile.city)", 13, "the time zone is a constant string, as in getHours('Asia/Tehran')",
     0},
    {"now.getHours('+3:30')", 13, "'+3:30' is no time zone", 0},
    {"now.getHours('')", 13, "'' is no time zone", 0},
    {"idle.getHours('UTC')", 14, "a duration has no time zone; write getHours()", 0},
    {"min(profile.age, 1.5)", 4, "min: int and double do not mix; write double(profile.age)", 0},
    {"max(1.5, 2)", 9, "write 2.0", 0},
    {"max(1, 'a')", 7, "max takes arguments of one type; this is string, the first is int", 0},
    {"max(true, false)", 4, "max takes numbers, strings, timestamps or durations", 0},
    {"floor(profile.age)", 6, "floor takes a double; an int is whole already", 0},
    {"nearest_m(35.0, 51.0, [1.0, 2.0, 3.0])", 22,
     "nearest_m takes a list of places, or of latitudes and longitudes in turn, as in nearest_m(lat, lon, places.shops)", 0},
    {"nearest_m(35.0, 51.0, [91.0, 2.0])", 22, "nearest_m takes a list of places", 0},
    {"nearest_m(35, 51.0, [1.0, 2.0])", 10, "nearest_m takes doubles; write 35.0", 0},
    {"distance_m(35, 51.0, 52.0, 13.0)", 11, "distance_m takes doubles; write 35.0", 0},
    {"1 / 0", 2, "this always fails: division by zero", 0},
    {"profile.vip || 1 / 0 > 0", 17, "this always fails: division by zero", 0},
    {"9223372036854775807 + 1", 20, "this always fails: int overflow", 0},
    {"int('x')", 0, "this always fails: the string is not an int", 0},
    {"int('9223372036854775808')", 0, "this always fails: int overflow", 0},
    {"timestamp('2025-02-30T00:00:00Z')", 0, "this always fails: the string is not a timestamp", 0},
    {"[1, 2][2]", 6, "this always fails: the index is outside the list", 0},
    {"profile.age", 0, "this place takes a bool, but profile.age is of type int; compare it", VALUE_BOOL},
    {"profile.age", 0, "a double is wanted here, but this is an int; write double(profile.age)",
     VALUE_DOUBLE},
    {"12", 0, "write 12.0", VALUE_DOUBLE},
    {"profile.age", 0, "string is wanted here, but this is of type int", VALUE_STRING},
};

static void check_messages(const struct message_case *cases, size_t count)
{
    struct harness h;
    harness_init(&h, slots, SLOTS);
    for (size_t i = 0; i < count; i++) {
        expr_id id;
        int rc = harness_compile(&h, cases[i].text, cases[i].want, &id);
        if (rc != ERR_INVALID || id != EXPR_NONE || h.finding_count != 1)
            fail_msg("%s: %d, %zu findings, the first: %s", cases[i].text, rc, h.finding_count,
                     h.finding_count ? h.findings[0].text : "");
        const struct finding *f = &h.findings[0];
        if (!strstr(f->text, cases[i].expected))
            fail_msg("%s: \"%s\" lacks \"%s\"", cases[i].text, f->text, cases[i].expected);
        if (f->offset != cases[i].offset || f->severity != DIAG_ERROR)
            fail_msg("%s: at %zu, not %zu: %s", cases[i].text, f->offset, cases[i].offset, f->text);
    }
    harness_free(&h);
}

#define CASES(name)                                                                                          \
    static void name##_messages(void **state)                                                                \
    {                                                                                                        \
        (void)state;                                                                                         \
        check_messages(name, sizeof name / sizeof *name);                                                    \
    }
CASES(syntax)
CASES(names)
CASES(types)

static void warns_about_values(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t offset;
        const char *expected; /* NULL: no finding */
    } cases[] = {
        {"profile.tier == 'gold'", 0, NULL},
        {"profile.tier in ['gold', 'silver']", 0, NULL},
        {"profile.city == 'staff'", 0, NULL},
        {"profile.tier == profile.city", 0, NULL},
        {"profile.tier != 'staff'", 16,
         "'staff' is not a value of profile.tier (basic, silver, gold), so this is always true"},
        {"profile.tier == 'staff'", 16, "so this is always false"},
        {"'god' == profile.tier", 0, "so this is always false; did you mean 'gold'?"},
        {"profile.tier in ['gold', 'sliver']", 25, "'sliver' is not a value of profile.tier"},
    };
    struct harness h;
    harness_init(&h, slots, SLOTS);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        expr_id id;
        assert_int_equal(harness_compile(&h, cases[i].text, VALUE_BOOL, &id), 0);
        assert_int_equal(h.finding_count, cases[i].expected != NULL);
        if (!cases[i].expected)
            continue;
        assert_int_equal(h.findings[0].severity, DIAG_WARNING);
        assert_int_equal(h.findings[0].offset, cases[i].offset);
        if (!strstr(h.findings[0].text, cases[i].expected))
            fail_msg("%s: \"%s\"", cases[i].text, h.findings[0].text);
    }
    harness_free(&h);
}

static void reports_all_mistakes(void **state)
{
    (void)state;
    struct harness h;
    expr_id id;
    harness_init(&h, slots, SLOTS);
    assert_int_equal(
        harness_compile(&h, "profile.teir == 'a' || idle < '1h' || (1 / 0 + bad) * 3 > 2", VALUE_BOOL, &id),
        ERR_INVALID);
    assert_int_equal(h.finding_count, 4);
    assert_int_equal(h.findings[0].offset, 0);
    assert_int_equal(h.findings[1].offset, 28);
    assert_int_equal(h.findings[2].offset, 41);
    assert_int_equal(h.findings[3].offset, 47);
    harness_free(&h);
}

/* Text of length bytes: head, then part repeated, then tail. */
static char *repeat(const char *head, const char *part, size_t times, const char *tail)
{
    size_t n = strlen(part);
    char *text = malloc(strlen(head) + n * times + strlen(tail) + 1), *p = text + strlen(head);
    strcpy(text, head);
    for (size_t i = 0; i < times; i++, p += n)
        memcpy(p, part, n);
    strcpy(p, tail);
    return text;
}

static void states_its_limits(void **state)
{
    (void)state;
    static const struct {
        const char *head, *part;
        size_t times;
        const char *tail, *expected; /* NULL: it compiles */
    } cases[] = {
        {"1", " ", 8191, "", NULL},
        {"1", " ", 8192, "", "the expression has 8193 bytes; the limit is 8192"},
        {"", "(", 62, "1", "before the closing"},
        {"", "(", 4000, "1", "deeper than 64 levels"},
        {"", "[", 4000, "1", "deeper than 64 levels"},
        {"", "!", 63, "profile.vip", "deeper than 64 levels"},
        {"", "!", 62, "profile.vip", NULL},
        {"", "-", 4000, "profile.age", "deeper than 64 levels"},
        {"1", " + profile.age", 62, "", NULL},
        {"1", " + profile.age", 63, "", "deeper than 64 levels"},
        {"a", ".b", 4000, "", "deeper than 64 levels"},
        {"", "profile.vip ? 1 : ", 62, "2", NULL},
        {"", "profile.vip ? 1 : ", 100, "2", "deeper than 64 levels"},
        {"", "size(", 1000, "", "deeper than 64 levels"},
        {"profile.vip", " || profile.vip", 540, "", NULL}, /* a run does not nest */
        {"profile.vip", "&&profile.age>1", 540, "", NULL},
        {"profile.age in [1", ",1", 999, "]", NULL},
        {"profile.age in [1", ",1", 1000, "]", "the list has 1001 elements; the limit is 1000"},
        {"max(1", ",1", 2000, ") == 1", NULL},
    };
    struct harness h;
    harness_init(&h, slots, SLOTS);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text = repeat(cases[i].head, cases[i].part, cases[i].times, cases[i].tail);
        expr_id id;
        int rc = harness_compile(&h, text, 0, &id);
        if (rc != (cases[i].expected ? ERR_INVALID : 0))
            fail_msg("%s%s × %zu: %d %s", cases[i].head, cases[i].part, cases[i].times, rc,
                     h.finding_count ? h.findings[0].text : "");
        if (cases[i].expected && !strstr(h.findings[0].text, cases[i].expected))
            fail_msg("%s%s × %zu: %s", cases[i].head, cases[i].part, cases[i].times, h.findings[0].text);
        free(text);
    }
    harness_free(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(syntax_messages),      cmocka_unit_test(names_messages),
        cmocka_unit_test(types_messages),       cmocka_unit_test(warns_about_values),
        cmocka_unit_test(reports_all_mistakes), cmocka_unit_test(states_its_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
