/* What is wrong with a table: every wrong cell, row, header and file, with its exact message and place, the same however
 * the input drips.
 * SPDX-License-Identifier: Apache-2.0 */
#include "frame_told.h"
#include <float.h>

/* ---- wrong cells ---- */

static void test_wrong_times(void **state)
{
    (void)state;
#define NO_TIME                                                                                              \
    " is no time; write 2025-01-31, 2025-01-31 10:00:00, 2025-01-31T10:00:00Z, or seconds or milliseconds "  \
    "since 1970"
#define NO_EPOCH                                                                                             \
    " is neither seconds (9 or 10 digits) nor milliseconds (12 or 13) since 1970; a date is written "        \
    "2025-01-31"
    static const struct {
        const char *cell, *said;
    } cases[] = {
        {"2023-02-30", "'2023-02-30' does not exist; February 2023 has 28 days"},
        {"2024-02-30 10:00:00", "'2024-02-30 10:00:00' does not exist; February 2024 has 29 days"},
        {"1900-02-29", "'1900-02-29' does not exist; February 1900 has 28 days"},
        {"2023-04-31", "'2023-04-31' does not exist; April 2023 has 30 days"},
        {"2023-01-00", "'2023-01-00' does not exist; January 2023 has 31 days"},
        {"2023-13-01", "'2023-13-01' has a month that does not exist; write year-month-day, like 2025-01-31"},
        {"0000-00-00", "'0000-00-00' has a year that does not exist; write year-month-day, like 2025-01-31"},
        {"2023-01-01 24:00:00", "'2023-01-01 24:00:00' has a time of day that does not exist; hours go to "
                                "23, minutes and seconds to 59"},
        {"2023-01-01T10:60", "'2023-01-01T10:60' has a time of day that does not exist; hours go to 23, "
                             "minutes and seconds to 59"},
        {"31/01/2025", "'31/01/2025'" NO_TIME},
        {"2025-1-31", "'2025-1-31'" NO_TIME},
        {"2025-01-31T", "'2025-01-31T'" NO_TIME},
        {"2025-01-31 10", "'2025-01-31 10'" NO_TIME},
        {"2025-01-31 10:00:", "'2025-01-31 10:00:'" NO_TIME},
        {"2025-01-31 10:00:00.", "'2025-01-31 10:00:00.'" NO_TIME},
        {"2025-01-31 10:00:00 CET", "'2025-01-31 10:00:00 CET'" NO_TIME},
        {"2025-01-31 10:00:00+24:00", "'2025-01-31 10:00:00+24:00'" NO_TIME},
        {"2025-01-31 10:00:00+03:", "'2025-01-31 10:00:00+03:'" NO_TIME},
        {"2025-01-31Z", "'2025-01-31Z'" NO_TIME},
        {"yesterday", "'yesterday'" NO_TIME},
        {"NaT", "'NaT'" NO_TIME " (if it means missing, name it as a missing word)"},
        {"20250131", "'20250131'" NO_EPOCH},
        {"2025", "'2025'" NO_EPOCH},
        {"0", "'0'" NO_EPOCH},
        {"45000.5", "'45000.5'" NO_EPOCH}, /* a spreadsheet's day number */
        {"1738281600000000", "'1738281600000000'" NO_EPOCH},
        {"20250131103000", "'20250131103000'" NO_EPOCH},
        {"2025013110", "'2025013110' looks like a date without dashes; write 2025-01-31 10:00"},
        {"202501311030", "'202501311030' looks like a date without dashes; write 2025-01-31 10:30"},
    };
    const struct frame_want want = {.column = STR("t"), .type = FRAME_TIME, ANY};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct frame f;
        char text[200], wanted[400];
        snprintf(text, sizeof text, "x,t\n1,%s\n", cases[i].cell);
        snprintf(wanted, sizeof wanted, "2:3 column 't': %s\n", cases[i].said);
        struct told t = read_text(&f, text, &want, 1, NULL);
        assert_string_equal(t.findings, wanted);
    }
}

static void test_wrong_numbers(void **state)
{
    (void)state;
    struct frame f;
    const struct frame_want wants[] = {
        {.column = STR("age"),
         .type = FRAME_FLOAT,
         .required = true,
         .low = 0,
         .high = 120,
         .what = "the label"},
        {.column = STR("p"), .type = FRAME_DOUBLE, .low = DBL_MIN, .high = 1},
    };
    struct told t = read_text(&f,
                              "id,age,p\n"
                              "1,\"1,5\",1\n"
                              "2,\"1.000,50\",1\n"
                              "3,1 000,1\n"
                              "4,12%,1\n"
                              "5,$5,1\n"
                              "6,,1\n"
                              "7,-1,1.5\n"
                              "8,150,0\n"
                              "9,1e39,1\n",
                              wants, 2, NULL);
    assert_string_equal(
        t.findings,
        "2:4 column 'age' (the label): '1,5' has a decimal comma; write 1.5\n"
        "3:4 column 'age' (the label): '1.000,50' has a decimal comma and dots inside; write 1000.50\n"
        "4:3 column 'age' (the label): '1 000' has spaces inside; write 1000\n"
        "5:3 column 'age' (the label): '12%' has a percent sign; write 12 or its hundredth, the same "
        "way in every row\n"
        "6:3 column 'age' (the label): '$5' has a currency sign; write 5\n"
        "7:3 column 'age' (the label): there is no value, and every row needs one\n"
        "8:3 column 'age' (the label): '-1' is below 0, the least allowed\n"
        "8:6 column 'p': '1.5' is above 1, the most allowed\n"
        "9:3 column 'age' (the label): '150' is above 120, the most allowed\n"
        "9:7 column 'p': '0' is not above 0\n");
    assert_string_equal(
        t.e.text, "t.csv:2:4: column 'age' (the label): '1,5' has a decimal comma; write 1.5 (and 9 more; "
                  "reading stopped there)");
    const struct frame_want large[] = {{.column = STR("a"), .type = FRAME_FLOAT, ANY},
                                       {.column = STR("a"), .type = FRAME_DOUBLE}};
    t = read_text(&f, "a\n3.4028236e38\n1e400\nNaN\n", large, 2, NULL);
    assert_string_equal(
        t.findings, "2:1 column 'a': '3.4028236e38' is too large for a 32-bit number (the largest is about "
                    "3.4e38)\n"
                    "3:1 column 'a': '1e400' is too large for a number (the largest is about 1.8e308)\n"
                    "3:1 column 'a': '1e400' is too large for a number (the largest is about 1.8e308)\n"
                    "4:1 column 'a': 'NaN' is no number (if it means missing, name it as a missing word)\n"
                    "4:1 column 'a': 'NaN' is no number (if it means missing, name it as a missing word)\n");
    assert_string_equal(
        t.e.text, "t.csv:2:1: column 'a': '3.4028236e38' is too large for a 32-bit number (the largest is "
                  "about 3.4e38) (and 4 more)");
}

static void test_places(void **state)
{
    (void)state;
    struct frame f;
    const struct str na = STR("NA");
    const struct frame_want want = {
        .column = STR("b"), .type = FRAME_DOUBLE, .missing = &na, .missing_count = 1, .required = true};
    /* behind a field of two lines; in a field with doubled quotes, whose bytes are not the file's */
    struct told t = read_text(&f,
                              "\xef\xbb\xbf"
                              "a,b\n\"x\ny\", z\nx,\"say \"\"no\"\"\"\nx, NA\n",
                              &want, 1, NULL);
    assert_string_equal(t.findings, "3:5 column 'b': 'z' is no number\n"
                                    "4:0 column 'b': 'say \"no\"' is no number\n"
                                    "5:4 column 'b': 'NA' means missing, and every row needs a value\n");
    assert_string_equal(t.e.text, "t.csv:3:5: column 'b': 'z' is no number (and 2 more)");
    t = read_text(&f, "a,b\n1,q\n", &want, 1, NULL);
    assert_string_equal(t.e.text, "t.csv:2:3: column 'b': 'q' is no number");
}

/* ---- wrong files ---- */

static void expect_wrong(const char *bytes, size_t n, const struct frame_want *wants, size_t count,
                         char separator, const char *findings)
{
    const struct frame_options o = {.separator = separator};
    for (size_t piece = 1; piece < 1000; piece = piece * 4 + 3) {
        struct frame f;
        struct told t = read_bytes(&f, (struct str){bytes, n}, piece, wants, count, &o);
        assert_int_equal(t.rc, ERR_INVALID);
        assert_string_equal(t.findings, findings);
    }
}

#define EXPECT_WRONG(bytes, separator, findings)                                                             \
    expect_wrong(bytes, sizeof(bytes) - 1, wants, COUNT(wants), separator, findings)

static void test_wrong_rows(void **state)
{
    (void)state;
    const struct frame_want wants[] = {{.column = STR("a"), .type = FRAME_CATEGORY, ANY}};
    EXPECT_WRONG("a,b\n1,2\n1\n1,2,3\n\n1,2\n", 0,
                 "3:0 a row of 1 field; the header has 2\n"
                 "4:0 a row of 3 fields; the header has 2 (quote texts that hold the separator)\n");
    EXPECT_WRONG("a,b\nx\"y,2\n", 0,
                 "2:2 a quote inside an unquoted field; quote the whole field and double quotes inside it\n");
    EXPECT_WRONG("a,b\n\"x\"y,2\n1,2\n\"open,3\n", 0,
                 "2:4 text after a closing quote; a quote inside a quoted field is written twice\n"
                 "4:1 a quote that nobody closes\n");
    EXPECT_WRONG("a,b\n1,caf\xe9\n", 0,
                 "2:6 not valid UTF-8 (is it Latin-1 or Windows-1252? save the file as UTF-8)\n");
    EXPECT_WRONG("caf\xe9,b\n1,2\n", 0,
                 "1:4 not valid UTF-8 (is it Latin-1 or Windows-1252? save the file as UTF-8)\n");
    EXPECT_WRONG("a,b\n1,x\0y\n", 0, "2:4 a NUL byte (is the file UTF-16 or damaged? save it as UTF-8)\n");
    EXPECT_WRONG("a,b\n1,x\ry\n", 0,
                 "2:4 a carriage return alone; quote the field, or end lines with LF or CRLF\n");
    EXPECT_WRONG("a,b\n1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n", 0,
                 "2:0 a row of 1 field; the header has 2\n3:0 a row of 1 field; the header has 2\n"
                 "4:0 a row of 1 field; the header has 2\n5:0 a row of 1 field; the header has 2\n"
                 "6:0 a row of 1 field; the header has 2\n7:0 a row of 1 field; the header has 2\n"
                 "8:0 a row of 1 field; the header has 2\n9:0 a row of 1 field; the header has 2\n"
                 "10:0 a row of 1 field; the header has 2\n11:0 a row of 1 field; the header has 2\n");
}

static void test_wrong_files(void **state)
{
    (void)state;
    const struct frame_want wants[] = {{.column = STR("a"), .type = FRAME_CATEGORY, ANY}};
    EXPECT_WRONG("", 0, "0:0 the file is empty; the first line names the columns\n");
    EXPECT_WRONG("\n\r\n\n", 0, "0:0 the file is empty; the first line names the columns\n");
    EXPECT_WRONG("a,b\n", 0, "0:0 the file has a header but no rows\n");
    EXPECT_WRONG("a", 0, "0:0 the file has a header but no rows\n");
    EXPECT_WRONG("\xff\xfe"
                 "a\0,\0b\0\n\0",
                 0, "1:1 this is UTF-16; save it as UTF-8\n");
    EXPECT_WRONG("\xfe\xff\0a\0,\0b\0\n", 0, "1:1 this is UTF-16; save it as UTF-8\n");
    EXPECT_WRONG("a\0,\0b\0\n\0", 0, "1:1 this is UTF-16 without a mark; save it as UTF-8\n");
    EXPECT_WRONG("\0a\0,\0b\0\n", 0, "1:1 this is UTF-16 without a mark; save it as UTF-8\n");
    EXPECT_WRONG("\x1f\x8b\x08\0abcdefgh", 0, "1:1 this is gzip; unpack it, or compress with zstd\n");
    EXPECT_WRONG("BZh91AY&SYabc", 0, "1:1 this is bzip2; unpack it, or compress with zstd\n");
    EXPECT_WRONG("\xfd"
                 "7zXZ\0",
                 0, "1:1 this is xz; unpack it, or compress with zstd\n");
    EXPECT_WRONG(
        "PK\x03\x04xl", 0,
        "1:1 this is a ZIP archive or an Excel workbook; unpack it, or save the sheet as CSV UTF-8\n");
    EXPECT_WRONG("\xd0\xcf\x11\xe0\xa1", 0, "1:1 this is an Excel workbook; save the sheet as CSV UTF-8\n");
    EXPECT_WRONG("PAR1\x15\x04", 0, "1:1 this is Parquet; write the table as CSV\n");
}

static void test_wrong_headers(void **state)
{
    (void)state;
    const struct frame_want wants[] = {{.column = STR("age"), .type = FRAME_FLOAT, .what = "feature age"},
                                       {.column = STR("label"), .type = FRAME_BOOL}};
    EXPECT_WRONG("\nid,Age, label\n1,2,3\n", 0,
                 "2:0 no column 'age' (feature age); did you mean 'Age'?\n2:0 no column 'label'; did you "
                 "mean ' label'?\n");
    EXPECT_WRONG("id,agee,label\n1,2,3\n", 0, "1:0 no column 'age' (feature age); did you mean 'agee'?\n");
    EXPECT_WRONG("age,x,age,label,age\n1,2,3,4,5\n", 0,
                 "1:0 the header has column 'age' (feature age) twice, as its 1. and 3.; rename one\n");
    EXPECT_WRONG("u;v;w;x;y;z;label\n1;2;3;4;5;6;7\n", 0,
                 "1:0 no column 'age' (feature age); the header has 7 columns, split at ';': 'u', 'v', 'w', "
                 "'x', 'y', 'z', …\n");
    EXPECT_WRONG("id;age;label\n1;2;3\n", ',',
                 "1:0 no column 'age' (feature age); split at ',' the header is one column, 'id;age;label'; "
                 "is the separator "
                 "';'?\n"
                 "1:0 no column 'label'; split at ',' the header is one column, 'id;age;label'; is the "
                 "separator ';'?\n");
    EXPECT_WRONG("id\tage\tlabel\n1\t2\t3\n", '|',
                 "1:0 no column 'age' (feature age); split at '|' the header is one column, 'id?age?label'; "
                 "is the separator "
                 "a tab?\n"
                 "1:0 no column 'label'; split at '|' the header is one column, 'id?age?label'; is the "
                 "separator a tab?\n");
    EXPECT_WRONG("number\n1\n", 0,
                 "1:0 no column 'age' (feature age); the header has one column: 'number'\n"
                 "1:0 no column 'label'; the header has one column: 'number'\n");
    EXPECT_WRONG("age,x\"y,label\n", 0,
                 "1:6 a quote inside an unquoted field; quote the whole field and double quotes inside it\n");
    struct frame f; /* columns that nobody wants may be without a name, or twice */
    expect_read(&f, ",age,x,x,label\n0,30,1,2,yes\n", wants, 2, NULL);
    assert_true(f.columns[0].floats[0] == 30 && f.columns[1].floats[0] == 1);
    frame_free(&f);
    struct frame_want many[30]; /* no more than the most findings */
    for (size_t i = 0; i < COUNT(many); i++)
        many[i] = (struct frame_want){.column = STR("nowhere")};
    struct told t = read_text(&f, "a,b\n1,2\n", many, COUNT(many), NULL);
    assert_non_null(strstr(t.e.text, "(and 9 more; reading stopped there)"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrong_times), cmocka_unit_test(test_wrong_numbers),
        cmocka_unit_test(test_places),      cmocka_unit_test(test_wrong_rows),
        cmocka_unit_test(test_wrong_files), cmocka_unit_test(test_wrong_headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
