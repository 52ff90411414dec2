/* The CSV reader: RFC 4180's own examples, what is refused and where the reader goes on after it, lines,
 * limits, and the same answers however the input is cut into reads.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/csv.h"
#include "base/rng.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

/* Input in pieces of `piece` bytes; fails with EIO at the end when `fails`. */
struct input {
    const char *p;
    size_t n, piece;
    bool fails;
};

static long give(void *ctx, char *p, size_t n)
{
    struct input *in = ctx;
    if (in->n == 0)
        return in->fails ? -EIO : 0;
    n = n < in->piece ? n : in->piece;
    n = n < in->n ? n : in->n;
    memcpy(p, in->p, n);
    in->p += n;
    in->n -= n;
    return (long)n;
}

/* All that the reader says of a text: "line[field|field]" for records, "line!error" for bad ones, one after
 * the other. */
static char *told(const char *text, size_t n, char separator, size_t piece)
{
    struct input in = {text, n, piece, false};
    struct csv *c = csv_new("f", separator, give, &in);
    struct csv_record r;
    struct error e = {0};
    struct buf out;
    enum csv_result rc;
    assert_non_null(c);
    buf_init(&out, SIZE_MAX / 2);
    uint64_t before = 0;
    while ((rc = csv_next(c, &r, &e)) != CSV_END && rc != CSV_FAILED) {
        buf_printf(&out, "%zu%c", r.line, rc == CSV_RECORD ? '[' : '!');
        if (rc == CSV_BAD) { /* the record says the same as the error */
            char said[600];
            snprintf(said, sizeof said, "f:%zu:%zu: %s", r.bad_line, r.bad_column, r.bad);
            assert_string_equal(said, e.text);
        }
        for (size_t i = 0; i < r.count; i++) {
            buf_str(&out, i ? STR("|") : STR(""));
            buf_str(&out, r.fields[i]);
        }
        buf_str(&out, rc == CSV_RECORD ? STR("]") : str_from(e.text));
        assert_true(csv_offset(c) > before && csv_offset(c) <= n);
        before = csv_offset(c);
    }
    assert_true(rc == CSV_FAILED || csv_offset(c) == n);
    if (rc == CSV_FAILED)
        buf_printf(&out, "failed: %s", e.text);
    buf_byte(&out, 0);
    assert_true(buf_ok(&out));
    csv_free(&c);
    assert_null(c);
    return (char *)out.p;
}

#define SAYS(text, wanted) says(text, sizeof(text) - 1, wanted)
static void says(const char *text, size_t n, const char *wanted)
{
    for (size_t piece = 1; piece <= n + 1; piece++) {
        char *got = told(text, n, ',', piece);
        assert_string_equal(got, wanted);
        free(got);
    }
}

static void test_rfc4180(void **state)
{
    (void)state;
    SAYS("aaa,bbb,ccc\r\nzzz,yyy,xxx\r\n", "1[aaa|bbb|ccc]2[zzz|yyy|xxx]");
    SAYS("aaa,bbb,ccc\r\nzzz,yyy,xxx", "1[aaa|bbb|ccc]2[zzz|yyy|xxx]");
    SAYS("\"aaa\",\"bbb\",\"ccc\"\r\nzzz,yyy,xxx", "1[aaa|bbb|ccc]2[zzz|yyy|xxx]");
    SAYS("\"aaa\",\"b\r\nbb\",\"ccc\"\r\nzzz,yyy,xxx", "1[aaa|b\r\nbb|ccc]3[zzz|yyy|xxx]");
    SAYS("\"aaa\",\"b\"\"bb\",\"ccc\"", "1[aaa|b\"bb|ccc]");
}

static void test_forms(void **state)
{
    (void)state;
    SAYS("", "");
    SAYS("a", "1[a]");
    SAYS("a,", "1[a|]");
    SAYS(",", "1[|]");
    SAYS(",\n,", "1[|]2[|]");
    SAYS("\"\"", "1[]");
    SAYS("\"\"\"\"", "1[\"]");
    SAYS("\"\"\"a\"\"b\"\"\",\"\"\"\"\"\",c", "1[\"a\"b\"|\"\"|c]");
    SAYS("\"a\"", "1[a]");
    SAYS("\"a\"\n\"b\"\r\n", "1[a]2[b]");
    SAYS("a,b\nc\r\nd,e,f\n", "1[a|b]2[c]3[d|e|f]"); /* counts may differ: that is the reader's business */
    SAYS(" a , b ", "1[ a | b ]");
    SAYS("\"a\r\n\r\nb\"\nc", "1[a\r\n\r\nb]4[c]");
    SAYS("\"a\rb\"", "1[a\rb]");
    SAYS("\xef\xbb\xbf\"a\",b\n", "1[a|b]");
    SAYS("\xef\xbb\xbf", "");
    SAYS("a\n\xef\xbb\xbf"
         "b",
         "1[a]2[\xef\xbb\xbf"
         "b]"); /* no mark there, but a character */
    SAYS("\xd9\x85\xd8\xb4\xd8\xaa\xd8\xb1\xdb\x8c,\xf0\x9f\x99\x82",
         "1[\xd9\x85\xd8\xb4\xd8\xaa\xd8\xb1\xdb\x8c|\xf0\x9f\x99\x82]");
}

static void test_blank_lines(void **state)
{
    (void)state;
    SAYS("\n\r\n", "");
    SAYS("\n\na\r\n\r\n\nb\n\n", "3[a]6[b]");
    SAYS(" \n", "1[ ]");
    SAYS("\"\"\n", "1[]");
}

static void test_refused(void **state)
{
    (void)state;
#define QUOTE_INSIDE "a quote inside an unquoted field; quote the whole field and double quotes inside it"
#define QUOTE_AFTER "text after a closing quote; a quote inside a quoted field is written twice"
#define CR_ALONE "a carriage return alone; quote the field, or end lines with LF or CRLF"
    SAYS("a\nb,c\"d\"\ne", "1[a]2!f:2:4: " QUOTE_INSIDE "3[e]");
    SAYS("b\"", "1!f:1:2: " QUOTE_INSIDE);
    SAYS("\"b\"c,d\r\ne", "1!f:1:4: " QUOTE_AFTER "2[e]");
    SAYS("\"x\ny\" ,d\ne", "1!f:2:3: " QUOTE_AFTER "3[e]");
    SAYS("a\rb\nc", "1!f:1:2: " CR_ALONE "2[c]");
    SAYS("a\r", "1!f:1:2: " CR_ALONE);
    SAYS("\r", "1!f:1:1: " CR_ALONE);
    /* a quote that nobody closes costs its own line, not the rest of the file */
    SAYS("a,b\nc,\"d\ne,f\ng\n", "1[a|b]2!f:2:3: a quote that nobody closes3[e|f]4[g]");
    SAYS("\"", "1!f:1:1: a quote that nobody closes");
    SAYS("\"a\"\"", "1!f:1:1: a quote that nobody closes");
    /* bytes */
    SAYS("a\nb,\xff,c\nd", "1[a]2!f:2:3: not valid UTF-8"
                           "3[d]");
    SAYS("\"x\n\xc3(\ny\"\nd", "1!f:2:1: not valid UTF-8"
                               "4[d]"); /* the record's end is known */
    SAYS("12345678\xed\xa0\x80\nd", "1!f:1:9: not valid UTF-8"
                                    "2[d]");
    SAYS("a\0b\nc", "1!f:1:2: a NUL byte"
                    "2[c]");
    SAYS("abcdefgh\0\xff\nc", "1!f:1:9: a NUL byte"
                              "2[c]");
    SAYS("\xff\xfe"
         "a\0",
         "failed: f:1:1: this is UTF-16; save it as UTF-8");
    SAYS("\xfe\xff\0a", "failed: f:1:1: this is UTF-16; save it as UTF-8");
}

static void test_raw(void **state)
{
    (void)state;
    struct input in = {.p = "a,\"b\"\"c\"\r\nx\"y\r\n\n\"p\nq\"\nlast", .piece = 3};
    struct csv_record r;
    struct error e = {0};
    in.n = strlen(in.p);
    struct csv *c = csv_new("f", ',', give, &in);
    assert_int_equal(csv_next(c, &r, &e), CSV_RECORD);
    assert_true(str_is(r.raw, "a,\"b\"\"c\""));
    assert_int_equal(csv_next(c, &r, &e), CSV_BAD);
    assert_true(str_is(r.raw, "x\"y"));
    assert_int_equal(csv_next(c, &r, &e), CSV_RECORD);
    assert_true(str_is(r.raw, "\"p\nq\""));
    assert_int_equal(r.line, 4);
    assert_int_equal(csv_next(c, &r, &e), CSV_RECORD);
    assert_true(str_is(r.raw, "last"));
    assert_int_equal(r.line, 6);
    assert_int_equal(csv_next(c, &r, &e), CSV_END);
    assert_int_equal(csv_next(c, &r, &e), CSV_END);
    csv_free(&c);
    csv_free(&c);
}

static void test_separator(void **state)
{
    (void)state;
    char *got = told("a;b,c;\"d;e\"\n", 12, ';', 4);
    assert_string_equal(got, "1[a|b,c|d;e]");
    free(got);
    got = told("a\tb\n", 4, '\t', 4);
    assert_string_equal(got, "1[a|b]");
    free(got);
}

static void test_read_failure(void **state)
{
    (void)state;
    struct input in = {"a\nb", 3, 1, true};
    struct csv_record r;
    struct error e = {0};
    struct csv *c = csv_new("f", ',', give, &in);
    assert_int_equal(csv_next(c, &r, &e), CSV_RECORD);
    assert_int_equal(csv_next(c, &r, &e), CSV_FAILED); /* "b" may not be whole */
    assert_string_equal(e.text, "f: reading failed: Input/output error");
    memset(&e, 0, sizeof e);
    assert_int_equal(csv_next(c, &r, &e), CSV_FAILED);
    assert_int_equal(e.code, ERR_IO);
    csv_free(&c);
    assert_int_equal(csv_open(&c, "/nonexistent/x.csv", ',', &e), ERR_IO);
    assert_null(c);
    assert_string_equal(e.text, "/nonexistent/x.csv: No such file or directory");
    assert_int_equal(csv_open(&c, "/", ',', &e), 0); /* opens, but cannot be read */
    assert_int_equal(csv_next(c, &r, &e), CSV_FAILED);
    assert_string_equal(e.text, "/: reading failed: Is a directory");
    csv_free(&c);
}

/* "x,": then n bytes of `fill`, then tail. */
static char *long_text(size_t n, const char *head, const char *tail, size_t *length)
{
    *length = strlen(head) + n + strlen(tail);
    char *text = malloc(*length + 1);
    assert_non_null(text);
    memcpy(text, head, strlen(head));
    memset(text + strlen(head), 'z', n);
    memcpy(text + strlen(head) + n, tail, strlen(tail) + 1);
    return text;
}

static void expect_long(size_t n, const char *head, const char *tail, const char *wanted_end, bool whole)
{
    size_t length;
    char *text = long_text(n, head, tail, &length);
    for (size_t piece = 1000; piece < 10000000; piece *= 100) {
        char *got = told(text, length, ',', piece);
        size_t at = strlen(got) - strlen(wanted_end);
        assert_true(strlen(got) >= strlen(wanted_end));
        assert_string_equal(got + at, wanted_end);
        assert_int_equal(strlen(got) > n, whole);
        free(got);
    }
    free(text);
}

static void test_limits(void **state)
{
    (void)state;
    expect_long(CSV_RECORD_MAX, "a\n", "\nb", "zz]3[b]", true);
    expect_long(CSV_RECORD_MAX, "a\n", "\r\nb", "zz]3[b]", true);
    expect_long(CSV_RECORD_MAX, "a\n", "", "zz]", true);
    expect_long(CSV_RECORD_MAX + 1, "a\n", "\nb", "1[a]2!f:2:1: a record of over 1 MiB3[b]", false);
    expect_long(CSV_RECORD_MAX + 1, "a\n", "\r\nb", "1[a]2!f:2:1: a record of over 1 MiB3[b]", false);
    expect_long(CSV_RECORD_MAX + 1, "a\n", "", "1[a]2!f:2:1: a record of over 1 MiB", false);
    expect_long(5 * CSV_RECORD_MAX, "a\n", "\nb", "1[a]2!f:2:1: a record of over 1 MiB3[b]", false);
    expect_long(5 * CSV_RECORD_MAX, "a\nx,", "", "1[a]2!f:2:1: a record of over 1 MiB", false);
    expect_long(CSV_RECORD_MAX - 2, "\"", "\"\nb", "zz]2[b]", true);
    expect_long(CSV_RECORD_MAX - 4, "\"", "\"\"\"\nb", "zz\"]2[b]", true);
    expect_long(
        2 * CSV_RECORD_MAX, "a,\"q\nb\n", "\nc",
        "1!f:1:3: a quoted field that does not end within 1 MiB2[b]3!f:3:1: a record of over 1 MiB4[c]",
        false);
    /* fields */
    char *text = malloc(CSV_FIELDS_MAX + 4);
    memset(text, ',', CSV_FIELDS_MAX);
    memcpy(text + CSV_FIELDS_MAX - 1, "\nb\n", 4);
    char *got = told(text, strlen(text), ',', 100000);
    assert_int_equal(strlen(got), strlen("1[]2[b]") + CSV_FIELDS_MAX - 1);
    free(got);
    memcpy(text + CSV_FIELDS_MAX - 1, ",\nb", 4);
    got = told(text, strlen(text), ',', 100000);
    assert_string_equal(got, "1!f:1:16385: a record of over 16,384 fields2[b]");
    free(got);
    free(text);
}

/* What is written is read again, from pieces of any size, over many windows. */
static void test_round_trip(void **state)
{
    (void)state;
    enum { RECORDS = 20000, FIELDS = 7 };
    static const char *const parts[] = {
        "a", ",", "\"", "\n", "\r\n", "\r", "\xc3\xa9", "lengthy text of a field ", "", "0", " "};
    struct rng rng;
    struct buf out, field, wanted;
    rng_seed(&rng, 7);
    buf_init(&out, SIZE_MAX / 2);
    buf_init(&field, 4096);
    buf_init(&wanted, SIZE_MAX / 2);
    size_t line = 1;
    for (int i = 0; i < RECORDS; i++) {
        buf_printf(&wanted, "%zu[", line);
        for (int k = 0; k < FIELDS; k++) {
            buf_clear(&field);
            for (uint64_t m = rng_below(&rng, 5); m > 0; m--)
                buf_str(&field, str_from(parts[rng_below(&rng, sizeof parts / sizeof *parts)]));
            struct str text = {(const char *)field.p, field.n};
            buf_str(&out, k ? STR(",") : STR(""));
            buf_str(&wanted, k ? STR("|") : STR(""));
            csv_write_field(&out, text, ',');
            buf_str(&wanted, text);
            for (size_t j = 0; j < text.n; j++)
                line += text.p[j] == '\n';
        }
        buf_str(&out, i % 2 ? STR("\r\n") : STR("\n"));
        buf_byte(&wanted, ']');
        line++;
    }
    buf_byte(&wanted, 0);
    assert_true(buf_ok(&out) && buf_ok(&wanted) && out.n > 1000000 /* several windows */);
    for (size_t piece = 17; piece < 10000000; piece *= 37) {
        char *got = told((const char *)out.p, out.n, ',', piece);
        assert_string_equal(got, (const char *)wanted.p);
        free(got);
    }
    buf_free(&out);
    buf_free(&field);
    buf_free(&wanted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc4180),     cmocka_unit_test(test_forms),
        cmocka_unit_test(test_blank_lines), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_raw),         cmocka_unit_test(test_separator),
        cmocka_unit_test(test_limits),      cmocka_unit_test(test_read_failure),
        cmocka_unit_test(test_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
