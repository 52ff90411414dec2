/* Slices: comparing, "did you mean", UTF-8 (the table of well-formed sequences in Unicode 15, section 3.9,
 * and the usual ways to break it).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

static void test_compare(void **state)
{
    (void)state;
    assert_true(str_eq(STR("a"), str_from("a")));
    assert_false(str_eq(STR("a"), STR("b")));
    assert_false(str_eq(STR("a"), STR("ab")));
    assert_true(str_eq((struct str){NULL, 0}, STR("")));
    assert_true(str_is((struct str){0}, ""));
    assert_int_equal(str_from(NULL).n, 0);
    assert_true(str_cmp(STR("a"), STR("ab")) < 0);
    assert_true(str_cmp(STR("b"), STR("ab")) > 0);
    assert_int_equal(str_cmp(STR("ab"), STR("ab")), 0);
    assert_true(str_cmp(STR("\x7f"), STR("\x80")) < 0); /* bytes, not signed characters */
    assert_int_equal(str_cmp((struct str){0}, (struct str){0}), 0);
    assert_true(str_starts(STR("abc"), STR("ab")));
    assert_true(str_starts(STR("abc"), (struct str){0}));
    assert_false(str_starts(STR("a"), STR("ab")));
    assert_int_equal(str_cut(STR("سلام"), 8).n, 8);
    assert_int_equal(str_cut(STR("سلام"), 7).n, 6); /* two bytes a letter */
    assert_int_equal(str_cut(STR("سلام"), 1).n, 0);
}

static const char *suggestion(const char *word)
{
    static const char *const allowed[] = {"promotional", "service", "transactional", "ask", "email", "sms"};
    static char best[80];
    struct suggest s;
    suggest_init(&s, str_from(word));
    for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++)
        suggest_offer(&s, str_from(allowed[i]));
    struct str b = suggest_best(&s);
    memcpy(best, b.n ? b.p : "", b.n);
    best[b.n] = 0;
    return best;
}

static void test_suggest(void **state)
{
    (void)state;
    assert_string_equal(suggestion("promotionl"), "promotional");   /* one left out */
    assert_string_equal(suggestion("promotionnal"), "promotional"); /* one too many */
    assert_string_equal(suggestion("promotoinal"), "promotional");  /* neighbours swapped */
    assert_string_equal(suggestion("pramatianol"), "");             /* four wrong */
    assert_string_equal(suggestion("pramatianal"), "promotional");  /* three */
    assert_string_equal(suggestion("servise"), "service");
    assert_string_equal(suggestion("emial"), "email");
    assert_string_equal(suggestion("asl"), "ask");
    assert_string_equal(suggestion("sm"), "sms"); /* one is always allowed */
    assert_string_equal(suggestion("xyz"), "");
    assert_string_equal(suggestion(""), "");
    assert_string_equal(suggestion("service"), "service");
    struct suggest s;
    char lengthy[66];
    memset(lengthy, 'a', sizeof lengthy);
    suggest_init(&s, (struct str){lengthy, 65});
    suggest_offer(&s, (struct str){lengthy, 64});
    assert_int_equal(suggest_best(&s).n, 0); /* too long to be considered */
    suggest_init(&s, (struct str){lengthy, 64});
    suggest_offer(&s, (struct str){lengthy, 65});
    suggest_offer(&s, (struct str){lengthy, 63});
    assert_int_equal(suggest_best(&s).n, 63);
    suggest_init(&s, STR("abcd")); /* the first of equals */
    suggest_offer(&s, STR("abcx"));
    suggest_offer(&s, STR("abcy"));
    assert_true(str_is(suggest_best(&s), "abcx"));
}

static void test_utf8_table(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t bad_at;
    } cases[] = {
        {"plain", 0},
        {"caf\xC3\xA9", 0},
        {"\xD9\x85\xD8\xB4\xD8\xAA\xD8\xB1\xDB\x8C", 0},
        {"\xC2\x80", 0},
        {"\xDF\xBF", 0},
        {"\xE0\xA0\x80", 0},
        {"\xED\x9F\xBF", 0},
        {"\xEE\x80\x80", 0},
        {"\xEF\xBF\xBF", 0},
        {"\xF0\x90\x80\x80", 0},
        {"\xF4\x8F\xBF\xBF", 0},
        {"\xF0\x9F\x98\x80!", 0},
        {"a\x80", 2}, /* a continuation by itself */
        {"\xBF", 1},
        {"\xC0\xAF", 1}, /* overlong '/' */
        {"\xC1\xBF", 1},
        {"\xE0\x80\xAF", 1},
        {"\xE0\x9F\xBF", 1},
        {"\xF0\x80\x80\xAF", 1},
        {"\xF0\x8F\xBF\xBF", 1},
        {"\xED\xA0\x80", 1}, /* surrogates */
        {"\xED\xBF\xBF", 1},
        {"ok\xED\xA0\xBD\xED\xB8\x80", 3},
        {"\xF4\x90\x80\x80", 1}, /* past U+10FFFF */
        {"\xF5\x80\x80\x80", 1},
        {"\xF8\x88\x80\x80\x80", 1}, /* five bytes */
        {"\xFE", 1},
        {"\xFF", 1},
        {"\xC3", 1}, /* cut short */
        {"\xE2\x82", 1},
        {"\xF0\x9F\x98", 1},
        {"ab\xC3(", 3}, /* a lead byte without its continuation */
        {"\xE2\x28\xA1", 1},
        {"\xE2\x82\x28", 1},
        {"\xF0\x9F\x98\x28", 1},
        {"\xC3\xA9\xC3", 3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(utf8_bad_at(cases[i].bytes, strlen(cases[i].bytes)), cases[i].bad_at);
    assert_int_equal(utf8_bad_at("a\0b", 3), 0);
    assert_int_equal(utf8_bad_at(NULL, 0), 0);
}

/* Every code point, encoded here; and every sequence of two or three bytes, of which exactly so many are
 * good. */
static void test_utf8_exhaustively(void **state)
{
    (void)state;
    for (uint32_t c = 0; c < 0x110000; c++) {
        char u[4];
        size_t n;
        if (c < 0x80) {
            u[0] = (char)c;
            n = 1;
        } else if (c < 0x800) {
            u[0] = (char)(0xC0 | c >> 6);
            u[1] = (char)(0x80 | (c & 63));
            n = 2;
        } else if (c < 0x10000) {
            u[0] = (char)(0xE0 | c >> 12);
            u[1] = (char)(0x80 | (c >> 6 & 63));
            u[2] = (char)(0x80 | (c & 63));
            n = 3;
        } else {
            u[0] = (char)(0xF0 | c >> 18);
            u[1] = (char)(0x80 | (c >> 12 & 63));
            u[2] = (char)(0x80 | (c >> 6 & 63));
            u[3] = (char)(0x80 | (c & 63));
            n = 4;
        }
        bool surrogate = c >= 0xD800 && c < 0xE000;
        if ((utf8_bad_at(u, n) == 0) == surrogate || (n > 1 && utf8_bad_at(u, n - 1) != 1))
            fail_msg("U+%04X", (unsigned)c);
    }
    size_t good = 0;
    for (uint32_t v = 0; v < 1 << 24; v++) {
        char u[3] = {(char)(v >> 16), (char)(v >> 8), (char)v};
        good += utf8_bad_at(u, 3) == 0;
    }
    size_t one = 128, two = 0x800 - 0x80, three = 0x10000 - 0x800 - 0x800;
    assert_int_equal(good, one * one * one + 2 * one * two + three);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_compare), cmocka_unit_test(test_suggest),
                                       cmocka_unit_test(test_utf8_table),
                                       cmocka_unit_test(test_utf8_exhaustively)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
