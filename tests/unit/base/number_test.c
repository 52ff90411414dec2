/* Numbers from text: the oracle is strtod of the C library (correctly rounded in glibc), on random decimal strings of all
 * shapes, on the exact middles between doubles and their neighbours in the last digit, and on every power of ten; the
 * grammar is checked against a regular expression. Then what is said of texts that are no numbers.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/number.h"
#include "base/rng.h"
#include <float.h>
#include <locale.h>
#include <math.h>
#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static uint64_t bits_of(double v)
{
    uint64_t b;
    memcpy(&b, &v, sizeof b);
    return b;
}

/* The text as it is, in memory of exactly its size, so that sanitizers see a byte too many. */
static bool read_exactly(const char *text, size_t n, double *out)
{
    char *copy = malloc(n ? n : 1);
    assert_non_null(copy);
    memcpy(copy, text, n);
    bool ok = number_read((struct str){copy, n}, out);
    free(copy);
    return ok;
}

static void expect_strtod(const char *text)
{
    double wanted = strtod(text, NULL), got = 12345;
    bool ok = read_exactly(text, strlen(text), &got);
    if (ok == (bool)isinf(wanted) || (ok && bits_of(got) != bits_of(wanted)))
        fail_msg("%.100s: %s %.17g, strtod says %.17g", text, ok ? "read as" : "refused;", got, wanted);
    if (!ok)
        assert_true(got == 12345);
}

static void random_digits(struct rng *rng, char *out, int n)
{
    for (int i = 0; i < n; i++)
        out[i] = (char)('0' + rng_below(rng, rng_below(rng, 4) ? 10 : 2));
    out[n] = 0;
}

/* Any sign, up to 24 digits (now and then up to 900) before and after the point, any exponent. */
static void random_text(struct rng *rng, char *out)
{
    int most = rng_below(rng, 200) ? 12 : 450;
    int whole = (int)rng_below(rng, (uint64_t)most + 1), part = (int)rng_below(rng, (uint64_t)most + 1);
    if (whole + part == 0)
        whole = 1;
    char *p = out;
    if (rng_below(rng, 3) == 0)
        *p++ = rng_below(rng, 2) ? '-' : '+';
    if (rng_below(rng, 8) == 0)
        p += sprintf(p, "%0*d", (int)rng_below(rng, 30) + 1, 0);
    random_digits(rng, p, whole);
    p += whole;
    if (part || rng_below(rng, 5) == 0)
        *p++ = '.';
    random_digits(rng, p, part);
    p += part;
    if (rng_below(rng, 2)) {
        int range = rng_below(rng, 2) ? 30 : rng_below(rng, 10) ? 340 : 5000;
        p += sprintf(p, "%c%+d", rng_below(rng, 2) ? 'e' : 'E',
                     (int)rng_below(rng, 2 * (uint64_t)range + 1) - range);
    }
    *p = 0;
}

static void test_random_texts(void **state)
{
    (void)state;
    char text[2000];
    struct rng rng;
    rng_seed(&rng, 1);
    for (int i = 0; i < 500000; i++) {
        random_text(&rng, text);
        expect_strtod(text);
    }
}

static double random_double(struct rng *rng)
{
    for (;;) {
        uint64_t b = rng_u64(rng);
        if (rng_below(rng, 2)) /* of everyday size */
            b = (b & UINT64_C(0x800FFFFFFFFFFFFF)) | (uint64_t)(1023 - 70 + rng_below(rng, 140)) << 52;
        double v;
        memcpy(&v, &b, sizeof v);
        if (isfinite(v))
            return v;
    }
}

/* What programs print is read back to the last bit. */
static void test_round_trip(void **state)
{
    (void)state;
    char text[400];
    struct rng rng;
    rng_seed(&rng, 2);
    for (int i = 0; i < 200000; i++) {
        double v = random_double(&rng), got;
        snprintf(text, sizeof text, "%.17g", v);
        assert_true(read_exactly(text, strlen(text), &got));
        if (bits_of(got) != bits_of(v))
            fail_msg("%s", text);
        for (int digits = 1; digits <= 19; digits += 3) {
            snprintf(text, sizeof text, "%.*e", digits - 1, v);
            expect_strtod(text);
        }
    }
}

/* The middle between a double and the next, all its digits, and the same with one more or one less in the last place
 * of 17, 18, 19, 20 digits and at the end. */
static void middle_of(double v)
{
    char text[1200], near[1300];
    long double middle = ((long double)v + (long double)nextafter(v, INFINITY)) / 2; /* 64 bits hold it */
    snprintf(text, sizeof text, "%.780Le", middle);
    expect_strtod(text);
    char *e = strchr(text, 'e');
    assert_non_null(e);
    snprintf(near, sizeof near, "%.*s1%s", (int)(e - text), text, e);
    expect_strtod(near);
    for (int digits = 16; digits <= 21; digits++) {
        snprintf(near, sizeof near, "%.*Le", digits - 1, middle);
        expect_strtod(near);
        char *last = strchr(near, 'e') - 1;
        if (*last > '0') {
            (*last)--;
            expect_strtod(near);
            (*last)++;
        }
        if (*last < '9') {
            (*last)++;
            expect_strtod(near);
        }
    }
}

static void test_middles(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, 3);
    for (int i = 0; i < 40000; i++)
        middle_of(fabs(random_double(&rng)));
    middle_of(0);
    middle_of(DBL_MIN);
    middle_of(nextafter(DBL_MIN, 0));
    middle_of(1);
    middle_of(0x1p53);
    /* exact ties of few digits: w * 10^q with w * 5^q an odd multiple of the half step */
    for (int i = 0; i < 50000; i++) {
        uint64_t w =
            (UINT64_C(1) << 53 | (rng_u64(&rng) >> 11)) * 2 + 1; /* 55 bits, the last one is the half */
        char text[64];
        snprintf(text, sizeof text, "%llu", (unsigned long long)w);
        expect_strtod(text);
        for (int q = 1; q <= 4; q++) { /* w / 2^q is a tie too; 5^q * w has to fit */
            unsigned __int128 five = w;
            for (int k = 0; k < q; k++)
                five *= 5;
            if (five >> 64)
                break;
            snprintf(text, sizeof text, "%llue-%d", (unsigned long long)five, q);
            expect_strtod(text);
        }
        for (int q = 1; q <= 23; q++) { /* w * 5^q over 54 bits */
            uint64_t v = w;
            for (int k = 0; k < q; k++)
                v /= 5;
            snprintf(text, sizeof text, "%llue%d", (unsigned long long)(v | 1), q);
            expect_strtod(text);
        }
    }
}

static void test_edges(void **state)
{
    (void)state;
    static const char *const texts[] = {"0",
                                        "-0",
                                        "+0",
                                        "0.0",
                                        "-0e5",
                                        "0e999999999999999999999",
                                        "-0.000e-99",
                                        "00012",
                                        "5.",
                                        ".5",
                                        "-.5e1",
                                        "+5.e-1",
                                        "9007199254740992",
                                        "9007199254740993",
                                        "9007199254740993.0000000000000000000000001",
                                        "18446744073709551615",
                                        "18446744073709551616",
                                        "9999999999999999999",
                                        "10000000000000000000",
                                        "99999999999999999999",
                                        "1e22",
                                        "1e23",
                                        "123456789012345678e-17",
                                        "2.2250738585072011e-308",
                                        "2.2250738585072014e-308",
                                        "4.9406564584124654e-324",
                                        "2.4703282292062327e-324",
                                        "2.4703282292062328e-324",
                                        "1e-400",
                                        "-1e-400",
                                        "1.7976931348623157e308",
                                        "1.7976931348623158e308",
                                        "1.7976931348623159e308",
                                        "-1.7976931348623159e308",
                                        "1e308",
                                        "1e309",
                                        "-1e309",
                                        "1e99999999999999999999",
                                        "1e-99999999999999999999",
                                        "0.000000000000000000000000000000000000000000000000012345",
                                        "6.02214076e23",
                                        "7.2057594037927933e16",
                                        "8.5e-64",
                                        "1.2345678901234567e-64",
                                        "1e64",
                                        "1.9999999999999999999e64"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        expect_strtod(texts[i]);
    char text[64];
    for (int e = -345; e <= 310; e++) {
        static const char *const heads[] = {
            "1", "9", "9007199254740993", "18446744073709551615", "1.5", "7450580596923828125"};
        for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
            snprintf(text, sizeof text, "%se%d", heads[i], e);
            expect_strtod(text);
        }
    }
    /* a megabyte of zeros, and the exponent that undoes it */
    enum { MANY = 1 << 20 };
    char *large = malloc(MANY + 32);
    assert_non_null(large);
    memset(large, '0', MANY);
    large[1] = '.';
    snprintf(large + MANY, 32, "125e%d", MANY);
    double got;
    assert_true(number_read(str_from(large), &got));
    assert_true(got == 12.5);
    memset(large, '7', MANY);
    snprintf(large + MANY, 32, "e-%d", MANY);
    assert_true(number_read(str_from(large), &got));
    assert_true(got == 0.77777777777777777);
    free(large);
}

/* The grammar, from a regular expression over all short texts of the bytes that matter. */
static void test_grammar(void **state)
{
    (void)state;
    static const char letters[] = "0759+-.eE x,";
    enum { LETTERS = sizeof letters - 1, LENGTH = 5 };
    regex_t form;
    assert_int_equal(
        regcomp(&form, "^[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?$", REG_EXTENDED | REG_NOSUB), 0);
    int total = 1, accepted = 0;
    for (int n = 0; n <= LENGTH; n++, total *= LETTERS)
        for (int k = 0; k < total; k++) {
            char text[LENGTH + 1] = "";
            for (int i = 0, rest = k; i < n; i++, rest /= LETTERS)
                text[i] = letters[rest % LETTERS];
            bool wanted = regexec(&form, text, 0, NULL, 0) == 0;
            double got;
            accepted += wanted;
            if (read_exactly(text, (size_t)n, &got) != (wanted && isfinite(strtod(text, NULL))))
                fail_msg("'%s' %s", text, wanted ? "is a number" : "is none");
            if (wanted)
                expect_strtod(text);
        }
    assert_true(accepted > 5000);
    regfree(&form);
    static const char *const none[] = {"NaN",       "inf",      "-Infinity", "0x10", "1_000",
                                       "12345678x", "1234567 ", " 1",        "1e5 ", "1f"};
    double got;
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_false(read_exactly(none[i], strlen(none[i]), &got));
    assert_false(number_read((struct str){NULL, 0}, &got));
    assert_false(number_read((struct str){"1\0", 2}, &got));
    assert_true(
        number_read((struct str){"12345678901", 3}, &got)); /* what is behind the slice does not count */
    assert_true(got == 123);
}

/* A locale with a decimal comma, where the machine has one, changes nothing. */
static void test_locale(void **state)
{
    (void)state;
    double got;
    const char *found = setlocale(LC_NUMERIC, "de_DE.UTF-8");
    assert_true(number_read(STR("1.5e-300"), &got));
    assert_true(got == 1.5e-300);
    assert_false(number_read(STR("1,5"), &got));
    if (found)
        setlocale(LC_NUMERIC, "C");
}

static void test_trouble(void **state)
{
    (void)state;
    static const struct {
        const char *text, *said;
    } cases[] = {
        {"1,5", "'1,5' has a decimal comma; write 1.5"},
        {"-12,75", "'-12,75' has a decimal comma; write -12.75"},
        {"0,125", "'0,125' has a decimal comma; write 0.125"},
        {"1,500", "'1,500' has a comma; write 1500 or 1.500, whichever is meant"},
        {"1,234,567", "'1,234,567' has commas inside; write 1234567"},
        {"1,234.5", "'1,234.5' has commas inside; write 1234.5"},
        {"1.000,50", "'1.000,50' has a decimal comma and dots inside; write 1000.50"},
        {"1.234.567", "'1.234.567' has dots inside; write 1234567"},
        {"1 000", "'1 000' has spaces inside; write 1000"},
        {"1\u00A0000", "'1\u00A0000' has spaces inside; write 1000"},
        {"1\u202F000.5", "'1\u202F000.5' has spaces inside; write 1000.5"},
        {" 5", "' 5' has spaces around it; write 5"},
        {"5 ", "'5 ' has spaces around it; write 5"},
        {"1'000", "'1'000' has marks between its digits; write 1000"},
        {"1_000", "'1_000' has marks between its digits; write 1000"},
        {"12%", "'12%' has a percent sign; write 12 or its hundredth, the same way in every row"},
        {"12.5 %", "'12.5 %' has a percent sign; write 12.5 or its hundredth, the same way in every row"},
        {"$5", "'$5' has a currency sign; write 5"},
        {"-$5.20", "'-$5.20' has a currency sign; write -5.20"},
        {"9.99 €", "'9.99 €' has a currency sign; write 9.99"},
        {"$1,234.50", "'$1,234.50' has a currency sign; without it, it has commas inside; write 1234.50"},
        {"5kg", "'5kg' has something behind the number; write 5, the same unit in every row"},
        {"5 USD", "'5 USD' has something behind the number; write 5, the same unit in every row"},
        {"(5)", "'(5)' has parentheses; write -5"},
        {"\u22125", "'\u22125' has a typographic minus; write -5"},
        {"۱۲٫۵", "'۱۲٫۵' has digits other than 0 to 9; write 12.5"},
        {"٣", "'٣' has digits other than 0 to 9; write 3"},
        {"n/a", "'n/a' is no number"},
        {"NaN", "'NaN' is no number"},
        {"-inf", "'-inf' is not finite; write a number"},
        {"True", "'True' is no number; write 1"},
        {"no", "'no' is no number; write 0"},
        {"0x1F", "'0x1F' is hexadecimal; write it as a decimal number"},
        {"1e400", "'1e400' is too large for a number (the largest is about 1.8e308)"},
        {"2023-01-05", "'2023-01-05' is no number"},
        {"1.2.3", "'1.2.3' is no number"},
        {"-", "'-' is no number"},
        {"", "an empty text is no number"},
        {"a\nb", "'a?b' is no number"},
        {"0123456789012345678901234567890123456789", "NUMBER"},
        {"abcdefghijklmnopqrstuvwxyz abcdefghijklmnopqrstuvwxyz",
         "'abcdefghijklmnopqrstuvwxyz abcdefghijklm…' is no number"},
        {"abcdefghijklmnopqrstuvwxyz abcdefghijkl\u00E9x",
         "'abcdefghijklmnopqrstuvwxyz abcdefghijkl…' is no number"},
    };
    char room[NUMBER_TROUBLE];
    double got;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct str text = str_from(cases[i].text);
        bool number = strcmp(cases[i].said, "NUMBER") == 0;
        assert_int_equal(number_read(text, &got), number);
        if (!number)
            assert_string_equal(number_trouble(text, room, sizeof room), cases[i].said);
    }
}

/* What is offered to write instead is a number, and what is said is UTF-8, whatever the text. */
static void test_trouble_of_anything(void **state)
{
    (void)state;
    static const char *const parts[] = {"1",
                                        "23",
                                        "456",
                                        ",",
                                        ".",
                                        " ",
                                        "%",
                                        "$",
                                        "€",
                                        "-",
                                        "(",
                                        ")",
                                        "'",
                                        "\u00A0",
                                        "۱",
                                        "٫",
                                        "e",
                                        "kg",
                                        "\n",
                                        "0",
                                        "000",
                                        "\u2212",
                                        "999999999999999999999999999"};
    struct rng rng;
    rng_seed(&rng, 4);
    for (int i = 0; i < 200000; i++) {
        char text[400] = "", room[NUMBER_TROUBLE], number[NUMBER_TROUBLE];
        for (uint64_t k = rng_below(&rng, 8); k > 0; k--)
            strcat(text, parts[rng_below(&rng, sizeof parts / sizeof *parts)]);
        double got;
        if (number_read(str_from(text), &got))
            continue;
        const char *said = number_trouble(str_from(text), room, sizeof room),
                   *write = strstr(said, "; write ");
        assert_int_equal(utf8_bad_at(said, strlen(said)), 0);
        if (!write || sscanf(write, "; write %[^ ,]", number) != 1)
            continue;
        if (!number_read(str_from(number), &got))
            fail_msg("%s", said);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_texts), cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_middles),      cmocka_unit_test(test_edges),
        cmocka_unit_test(test_grammar),      cmocka_unit_test(test_locale),
        cmocka_unit_test(test_trouble),      cmocka_unit_test(test_trouble_of_anything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
