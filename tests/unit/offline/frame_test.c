/* Tables: every type of column, separators found, limits, growth over many sizes, files, zstd whole, torn and broken,
 * progress; the same answer however the input drips. What is wrong with a table: frame_wrong_test.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include "frame_told.h"
#include "base/hash.h"
#include "base/rng.h"
#include <errno.h>
#include <float.h>
#include <math.h>
#include <zstd.h>

/* ---- types ---- */

static void test_numbers(void **state)
{
    (void)state;
    struct frame f;
    const struct frame_want wants[] = {{.column = STR("a"), .type = FRAME_DOUBLE, ANY},
                                       {.column = STR("b"), .type = FRAME_FLOAT},
                                       {.column = STR("a"), .type = FRAME_FLOAT, ANY}};
    expect_read(&f, "a,x,b\n1,z,2.5\n-0.1,,\n \t3e2 ,z, \n\"4\",\"p,q\",\"-1e-60\"\n,z,3.4028235e38\n", wants,
                3, NULL);
    assert_int_equal(f.rows, 5);
    assert_int_equal(f.column_count, 3);
    const double *a = f.columns[0].numbers;
    const float *b = f.columns[1].floats;
    assert_true(a[0] == 1 && a[1] == -0.1 && a[2] == 300 && a[3] == 4 && isnan(a[4]));
    assert_true(b[0] == 2.5f && isnan(b[1]) && isnan(b[2]) && b[3] == 0 && signbit(b[3]) && b[4] == FLT_MAX);
    assert_true(f.columns[2].floats[1] == -0.1f);
    assert_int_equal(f.columns[0].missing, 1);
    assert_int_equal(f.columns[1].missing, 2);
    assert_int_equal(f.header_count, 3);
    assert_true(str_is(f.header[1], "x"));
    assert_string_equal(f.name, "t.csv");
    assert_int_equal(frame_find(&f, STR("b")), 1);
    assert_int_equal(frame_find(&f, STR("x")), -1); /* not wanted */
    assert_null(f.row_hashes);
    frame_free(&f);
    assert_null(f.columns);
    frame_free(&f);
}

static void test_bools(void **state)
{
    (void)state;
    struct frame f;
    const struct frame_want want = {.column = STR("b"), .type = FRAME_BOOL, ANY};
    expect_read(&f, "b,i\ntrue,\nFALSE,\nYes,\nno,\nT,\nf,\ny,\nN,\n1,\n0,\n1.0,\n0.0,\n True,\n-0,\n,\n",
                &want, 1, NULL);
    static const float wanted[] = {1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0};
    assert_int_equal(f.rows, COUNT(wanted) + 1);
    assert_memory_equal(f.columns[0].floats, wanted, sizeof wanted - sizeof(float));
    assert_true(f.columns[0].floats[13] == 0 && !signbit(f.columns[0].floats[13]));
    assert_true(isnan(f.columns[0].floats[14]));
    frame_free(&f);
    struct told t = read_text(&f, "b\nmaybe\n2\nn/a\n", &want, 1, NULL);
    assert_string_equal(
        t.findings,
        "2:1 column 'b': 'maybe' is neither yes nor no; allowed: true, false, yes, no, t, f, y, n, 1, 0\n"
        "3:1 column 'b': '2' is neither yes nor no; allowed: true, false, yes, no, t, f, y, n, 1, 0\n"
        "4:1 column 'b': 'n/a' is neither yes nor no; allowed: true, false, yes, no, t, f, y, n, 1, 0 (if "
        "it means missing, name it as a missing word)\n");
}

static void test_categories_and_texts(void **state)
{
    (void)state;
    struct frame f;
    struct error e;
    const struct frame_want wants[] = {{.column = STR("c"), .type = FRAME_CATEGORY, ANY},
                                       {.column = STR("t"), .type = FRAME_TEXT, ANY}};
    expect_read(&f, "c,t\nred,one\nblue,\n,\"say \"\"two\"\"\"\nred,\"a\nb\"\n red,\xc3\xa9\nblue,z\n", wants,
                2, NULL);
    static const uint32_t codes[] = {0, 1, FRAME_MISSING, 0, 2, 1};
    const struct str *texts = f.columns[1].texts;
    assert_int_equal(f.rows, 6);
    assert_memory_equal(f.columns[0].codes, codes, sizeof codes);
    assert_int_equal(f.columns[0].category_count, 3);
    assert_true(str_is(f.columns[0].categories[0], "red") && str_is(f.columns[0].categories[2], " red"));
    assert_true(str_is(texts[0], "one") && str_is(texts[1], "") && texts[1].p &&
                str_is(texts[2], "say \"two\""));
    assert_true(str_is(texts[3], "a\nb") && str_is(texts[4], "\xc3\xa9"));
    assert_int_equal(f.columns[0].missing, 1);
    assert_int_equal(f.columns[1].missing, 1);
    static const uint32_t lines[] = {2, 3, 4, 5, 7, 8};
    assert_memory_equal(f.lines, lines, sizeof lines);
    for (int again = 0; again < 2; again++) { /* sorted once, sorted again: the same */
        static const uint32_t sorted[] = {2, 1, FRAME_MISSING, 2, 0, 1};
        assert_int_equal(frame_sort_categories(&f.columns[0], f.rows, &e), 0);
        assert_memory_equal(f.columns[0].codes, sorted, sizeof sorted);
        assert_true(str_is(f.columns[0].categories[0], " red") && str_is(f.columns[0].categories[2], "red"));
    }
    frame_free(&f);
}

static void expect_time(const char *cell, const struct tz *zone, int64_t ms)
{
    struct frame f;
    char text[100];
    const struct frame_want want = {.column = STR("t"), .type = FRAME_TIME, ANY};
    const struct frame_options o = {.zone = zone};
    snprintf(text, sizeof text, "t,x\n%s,\n,\n", cell);
    expect_read(&f, text, &want, 1, &o);
    if (f.columns[0].times[0] != ms)
        fail_msg("%s: %lld", cell, (long long)f.columns[0].times[0]);
    assert_true(f.columns[0].times[1] == INT64_MIN);
    frame_free(&f);
}

static void test_times(void **state)
{
    (void)state;
    const int64_t day = INT64_C(1738281600000); /* 2025-01-31 */
    struct tzdb *zones = load_zones();
    const struct tz *tehran = tz_find(zones, STR("Asia/Tehran")),
                    *berlin = tz_find(zones, STR("Europe/Berlin"));
    expect_time("2025-01-31", NULL, day);
    expect_time("2025-01-31 10:00", NULL, day + 36000000);
    expect_time(" 2025-01-31 10:00:05 ", NULL, day + 36005000);
    expect_time("2025-01-31T10:00:05.1239", NULL, day + 36005123);
    expect_time("2025-01-31t10:00:05.5z", NULL, day + 36005500);
    expect_time("2025-01-31T10:00:00+03:30", NULL, day + 23400000);
    expect_time("2025-01-31 10:00:00+0330", tehran, day + 23400000);
    expect_time("2025-01-31 10:00:00 -02", NULL, day + 43200000);
    expect_time("2025-01-31 10:00:00 UTC", tehran, day + 36000000);
    expect_time("2025-01-31", tehran, day - 12600000);
    expect_time("2025-01-31 10:00:00", tehran, day + 23400000);
    expect_time("2024-03-31 02:30:00", berlin, INT64_C(1711848600000)); /* skipped: as 03:30 */
    expect_time("2024-10-27 02:30:00", berlin, INT64_C(1729989000000)); /* twice: the first */
    expect_time("1965-03-01", NULL, INT64_C(-152668800000));
    expect_time("0001-01-01", NULL, INT64_C(-62135596800000));
    expect_time("9999-12-31 23:59:59.999", NULL, INT64_C(253402300799999));
    expect_time("2024-02-29", NULL, INT64_C(1709164800000));
    expect_time("1738281600", tehran, day);
    expect_time("1738281600.25", NULL, day + 250);
    expect_time("1738281600000", NULL, day);
    expect_time("1.7382816e9", NULL, day);
    expect_time("-152668800", NULL, INT64_C(-152668800000));
    tzdb_free(&zones);
}

static void test_missing_words(void **state)
{
    (void)state;
    struct frame f;
    const struct str words[] = {STR("NA"), STR("null")},
                     more[] = {STR("-999"), STR("a word that is longer than sixty-three bytes; "
                                                "it has ninety-three of them, all counted")};
    const struct frame_want wants[] = {
        {.column = STR("n"), .type = FRAME_DOUBLE, .missing = more, .missing_count = 2, ANY},
        {.column = STR("c"), .type = FRAME_CATEGORY, ANY},
        {.column = STR("b"), .type = FRAME_BOOL, ANY},
        {.column = STR("t"), .type = FRAME_TIME, ANY},
        {.column = STR("x"), .type = FRAME_TEXT, .missing = more, .missing_count = 2, ANY}};
    const struct frame_options o = {.missing = words, .missing_count = 2};
    expect_read(&f,
                "n,c,b,t,x\nNA,NA,null, NA ,NA\n-999,-999,1,2025-01-31,-999\n-9990,na,0,2025-01-31,\"a word "
                "that is longer "
                "than sixty-three bytes; it has ninety-three of them, all counted\"\n",
                wants, 5, &o);
    assert_true(isnan(f.columns[0].numbers[0]) && isnan(f.columns[0].numbers[1]) &&
                f.columns[0].numbers[2] == -9990);
    assert_int_equal(f.columns[1].codes[0], FRAME_MISSING);
    assert_int_equal(f.columns[1].category_count, 2);
    assert_true(isnan(f.columns[2].floats[0]));
    assert_true(f.columns[3].times[0] == INT64_MIN);
    assert_int_equal(f.columns[4].missing, 3);
    frame_free(&f);
}

static void test_separators(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        char given;
    } cases[] = {{"a,b\n1,2\n", 0},
                 {"a;b\n1;2\n", 0},
                 {"a\tb\n1\t2\n", 0},
                 {"a|b\n1|2\n", 0},
                 {"a;b\n1;2\n", ';'},
                 {"\n\na;b\n1;2\n", 0},
                 {"\"x,y,z\";a;b\n0;1;2\n", 0},
                 {"a:b,c,a,b\n0,0,1,2\n", 0},
                 {"a,b,p;q\n1,2,3\n", 0},
                 {"\"x;\n;;\",a,b\n0,1,2\n", 0}};
    const struct frame_want wants[] = {{.column = STR("a"), .type = FRAME_FLOAT},
                                       {.column = STR("b"), .type = FRAME_FLOAT}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct frame f;
        const struct frame_options o = {.separator = cases[i].given};
        expect_read(&f, cases[i].text, wants, 2, &o);
        assert_true(f.columns[0].floats[0] == 1 && f.columns[1].floats[0] == 2);
        frame_free(&f);
    }
}

static void test_limits(void **state)
{
    (void)state;
    struct frame f;
    const struct frame_want want = {.column = STR("a"), .type = FRAME_FLOAT};
    struct frame_options o = {.rows_max = 3};
    expect_read(&f, "a\n1\n2\n3\n", &want, 1, &o);
    assert_int_equal(f.rows, 3);
    frame_free(&f);
    o.rows_max = 2;
    struct told t = read_text(&f, "a\n1\n2\n3\n", &want, 1, &o);
    assert_int_equal(t.rc, ERR_NOSPACE);
    assert_string_equal(t.e.text, "t.csv: over 2 rows");
    expect_read(&f, "a,b\n1,2\n", NULL, 0, NULL); /* no column wanted: rows are counted */
    assert_int_equal(f.rows, 1);
    frame_free(&f);
    struct input in = {"a\n1\nx", 5, 1, 0};
    assert_int_equal(frame_read_source(&f, "t", give, &in, &want, 1, NULL, NULL, NULL),
                     ERR_INVALID); /* nobody listens */
}

static void test_category_limit(void **state)
{
    (void)state;
    enum { MOST = FRAME_CATEGORIES_MAX };
    struct buf text;
    struct frame f;
    buf_init(&text, 64 << 20);
    buf_str(&text, STR("id\n"));
    for (int i = 0; i < MOST; i++)
        buf_printf(&text, "c%d\n", i);
    const struct frame_want want = {.column = STR("id"), .type = FRAME_CATEGORY, .what = "feature id"};
    struct told t = read_bytes(&f, (struct str){(const char *)text.p, text.n}, SIZE_MAX, &want, 1, NULL);
    assert_int_equal(t.rc, 0);
    assert_int_equal(f.columns[0].category_count, MOST);
    for (uint32_t i = 0; i < MOST; i++)
        assert_true(f.columns[0].codes[i] == i);
    assert_true(str_is(f.columns[0].categories[MOST - 1], "c1048575"));
    frame_free(&f);
    buf_str(&text, STR("c7\none more\n"));
    t = read_bytes(&f, (struct str){(const char *)text.p, text.n}, SIZE_MAX, &want, 1, NULL);
    assert_int_equal(t.rc, ERR_NOSPACE);
    assert_string_equal(
        t.e.text, "t.csv: column 'id' (feature id) has over 1048576 different values; is it a category?");
    buf_free(&text);
}

/* ---- growth ---- */

/* A table of random cells against what was written, over the border between heap and mapping; all pieces of input. */
static void expect_growth(size_t rows, size_t piece)
{
    struct buf text;
    struct rng rng;
    struct frame f;
    buf_init(&text, 64 << 20);
    buf_str(&text, STR("d,f,c,t,x\n"));
    rng_seed(&rng, rows);
    for (size_t i = 0; i < rows; i++) {
        double d = rng_double(&rng);
        int whole = (int)rng_below(&rng, 1000), k = (int)rng_below(&rng, 50);
        buf_printf(&text, "%.17g,%d,k%d,%lld,text %zu\n", d, whole, k,
                   (long long)(INT64_C(1700000000000) + (int64_t)i), i);
    }
    assert_true(buf_ok(&text));
    const struct frame_want wants[] = {{.column = STR("x"), .type = FRAME_TEXT},
                                       {.column = STR("d"), .type = FRAME_DOUBLE},
                                       {.column = STR("c"), .type = FRAME_CATEGORY},
                                       {.column = STR("f"), .type = FRAME_FLOAT},
                                       {.column = STR("t"), .type = FRAME_TIME}};
    const struct frame_options o = {.hash_rows = true};
    struct told t = read_bytes(&f, (struct str){(const char *)text.p, text.n}, piece, wants, 5, &o);
    assert_int_equal(t.rc, 0);
    assert_int_equal(f.rows, rows);
    rng_seed(&rng, rows);
    const char *line = (const char *)text.p + strlen("d,f,c,t,x\n");
    for (size_t i = 0; i < rows; i++) {
        char name[32];
        assert_true(f.columns[1].numbers[i] == rng_double(&rng));
        assert_true(f.columns[3].floats[i] == (float)rng_below(&rng, 1000));
        snprintf(name, sizeof name, "k%d", (int)rng_below(&rng, 50));
        assert_true(str_is(f.columns[2].categories[f.columns[2].codes[i]], name));
        assert_true(f.columns[4].times[i] == INT64_C(1700000000000) + (int64_t)i);
        snprintf(name, sizeof name, "text %zu", i);
        assert_true(str_is(f.columns[0].texts[i], name));
        assert_true(f.lines[i] == i + 2);
        size_t n = strcspn(line, "\n");
        assert_true(f.row_hashes[i] == hash64(line, n));
        line += n + 1;
    }
    frame_free(&f);
    buf_free(&text);
}

static void test_growth(void **state)
{
    (void)state;
    static const size_t counts[] = {1, 63, 64, 65, 128, 1000, 65535, 65536, 131072, 150001};
    for (size_t i = 0; i < COUNT(counts); i++)
        expect_growth(counts[i], SIZE_MAX);
    expect_growth(5000, 1);
    expect_growth(70000, 4099);
}

static void test_wide(void **state)
{
    (void)state;
    struct buf text;
    struct frame f;
    buf_init(&text, 1 << 20);
    struct frame_want *wants = calloc(FRAME_COLUMNS_MAX, sizeof *wants);
    char(*names)[8] = calloc(FRAME_COLUMNS_MAX, sizeof *names);
    assert_true(wants && names);
    for (int i = 0; i < FRAME_COLUMNS_MAX; i++) {
        snprintf(names[i], sizeof names[i], "c%d", i);
        buf_printf(&text, "%s%s", i ? "," : "", names[i]);
        wants[FRAME_COLUMNS_MAX - 1 - i] =
            (struct frame_want){.column = str_from(names[i]), .type = FRAME_DOUBLE};
    }
    for (int row = 0; row < 3; row++)
        for (int i = 0; i < FRAME_COLUMNS_MAX; i++)
            buf_printf(&text, "%c%d", i ? ',' : '\n', i + row);
    struct told t =
        read_bytes(&f, (struct str){(const char *)text.p, text.n}, SIZE_MAX, wants, FRAME_COLUMNS_MAX, NULL);
    assert_int_equal(t.rc, 0);
    assert_int_equal(f.rows, 3);
    for (int i = 0; i < FRAME_COLUMNS_MAX; i++)
        assert_true(f.columns[FRAME_COLUMNS_MAX - 1 - i].numbers[2] == i + 2);
    frame_free(&f);
    free(wants);
    free(names);
    buf_free(&text);
}

/* ---- files ---- */

static char *path_in(const char *folder, const char *name)
{
    char *path = NULL;
    assert_true(asprintf(&path, "%s/%s", folder, name) > 0);
    return path;
}

static char *write_bytes(const char *folder, const char *name, const void *p, size_t n)
{
    char *path = path_in(folder, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(p, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
    return path;
}

struct seen {
    uint64_t done, total;
    int calls;
};

static void see(void *user, uint64_t done, uint64_t total)
{
    struct seen *s = user;
    assert_true(done >= s->done && done <= total);
    *s = (struct seen){done, total, s->calls + 1};
}

/* Rows with a line number in them, compressible but not silly. */
static struct buf some_rows(int rows)
{
    struct buf text;
    struct rng rng;
    buf_init(&text, 64 << 20);
    rng_seed(&rng, 5);
    buf_str(&text, STR("a,b\n"));
    for (int i = 0; i < rows; i++)
        buf_printf(&text, "%d,%llu\n", i, (unsigned long long)rng_below(&rng, 100000000));
    assert_true(buf_ok(&text));
    return text;
}

static const struct frame_want a_want = {.column = STR("a"), .type = FRAME_DOUBLE};

static void expect_rows(const char *path, size_t rows, size_t file_bytes)
{
    struct frame f;
    struct error e;
    struct seen seen = {0};
    const struct frame_options o = {.progress = see, .user = &seen};
    if (frame_read(&f, path, &a_want, 1, &o, NULL, &e))
        fail_msg("%s", e.text);
    assert_int_equal(f.rows, rows);
    for (size_t i = 0; i < rows; i++)
        assert_true(f.columns[0].numbers[i] == (double)i);
    assert_string_equal(f.name, path);
    assert_int_equal(seen.total, file_bytes);
    assert_int_equal(seen.done, file_bytes);
    assert_true(seen.calls > (int)(file_bytes / 300000));
    frame_free(&f);
}

static void test_files(void **state)
{
    struct buf text = some_rows(100000);
    struct frame f;
    struct error e;
    char *path = write_bytes(*state, "plain.csv", text.p, text.n);
    expect_rows(path, 100000, text.n);
    free(path);
    path = path_in(*state, "none.csv");
    char wanted[300];
    assert_int_equal(frame_read(&f, path, &a_want, 1, NULL, NULL, &e), ERR_NOTFOUND);
    snprintf(wanted, sizeof wanted, "%s: No such file or directory", path);
    assert_string_equal(e.text, wanted);
    free(path);
    assert_int_equal(frame_read(&f, *state, &a_want, 1, NULL, NULL, &e), ERR_IO);
    snprintf(wanted, sizeof wanted, "%s: reading failed: Is a directory", (const char *)*state);
    assert_string_equal(e.text, wanted);
    struct input in = {(const char *)text.p, 1000, 10, EIO};
    assert_int_equal(frame_read_source(&f, "s", give, &in, &a_want, 1, NULL, NULL, &e), ERR_IO);
    assert_non_null(strstr(e.text, "s: reading failed: Input/output error (after line "));
    in = (struct input){"a", 1, 1, EIO};
    assert_int_equal(frame_read_source(&f, "s", give, &in, &a_want, 1, NULL, NULL, &e), ERR_IO);
    assert_string_equal(e.text, "s: reading failed: Input/output error");
    buf_free(&text);
}

static void test_standard_input(void **state)
{
    struct buf text = some_rows(50000);
    struct frame f;
    struct error e;
    char *path = write_bytes(*state, "in.csv", text.p, text.n);
    int before = dup(STDIN_FILENO);
    assert_non_null(freopen(path, "r", stdin));
    assert_int_equal(frame_read(&f, "-", &a_want, 1, NULL, NULL, &e), 0);
    assert_int_equal(f.rows, 50000);
    assert_string_equal(f.name, "standard input");
    frame_free(&f);
    assert_int_equal(frame_read(&f, "-", &a_want, 1, NULL, NULL, &e), ERR_INVALID); /* it is at its end */
    assert_string_equal(e.text, "standard input: the file is empty; the first line names the columns");
    dup2(before, STDIN_FILENO);
    close(before);
    free(path);
    buf_free(&text);
}

static struct buf compressed(const void *p, size_t n, int level)
{
    struct buf out;
    buf_init(&out, 64 << 20);
    size_t room = ZSTD_compressBound(n);
    uint8_t *to = buf_reserve(&out, room);
    assert_non_null(to);
    ZSTD_CCtx *c = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, 1);
    ZSTD_CCtx_setParameter(c, ZSTD_c_compressionLevel, level);
    size_t got = ZSTD_compress2(c, to, room, p, n);
    assert_false(ZSTD_isError(got));
    out.n = got;
    ZSTD_freeCCtx(c);
    return out;
}

static void test_zstd(void **state)
{
    struct buf text = some_rows(100000), whole = compressed(text.p, text.n, 3);
    char *path = write_bytes(*state, "rows.csv.zst", whole.p, whole.n);
    expect_rows(path, 100000, whole.n);
    free(path);
    /* a skippable frame, then the text in frames of 10,000 bytes; the extension says nothing */
    struct buf frames;
    buf_init(&frames, 64 << 20);
    buf_append(&frames, "\x5a\x2a\x4d\x18\3\0\0\0xyz", 11);
    for (size_t at = 0; at < text.n; at += 10000) {
        struct buf one = compressed(text.p + at, text.n - at < 10000 ? text.n - at : 10000, 1);
        buf_append(&frames, one.p, one.n);
        buf_free(&one);
    }
    path = write_bytes(*state, "rows.dat", frames.p, frames.n);
    expect_rows(path, 100000, frames.n);
    free(path);
    for (size_t piece = 1; piece < 100; piece += 40) { /* however it drips */
        struct frame f;
        struct told t =
            read_bytes(&f, (struct str){(const char *)frames.p, frames.n}, piece, &a_want, 1, NULL);
        assert_int_equal(t.rc, 0);
        assert_int_equal(f.rows, 100000);
        frame_free(&f);
    }
    struct buf empty = compressed("", 0, 1);
    struct frame f;
    struct told t = read_bytes(&f, (struct str){(const char *)empty.p, empty.n}, 3, &a_want, 1, NULL);
    assert_string_equal(t.e.text, "t.csv: the file is empty; the first line names the columns");
    struct buf gzip = compressed("\x1f\x8b\x08"
                                 "abcd",
                                 7, 1); /* what is inside is looked at too */
    t = read_bytes(&f, (struct str){(const char *)gzip.p, gzip.n}, 3, &a_want, 1, NULL);
    assert_string_equal(t.e.text, "t.csv:1:1: this is gzip; unpack it, or compress with zstd");
    buf_free(&gzip);
    buf_free(&empty);
    buf_free(&frames);
    buf_free(&whole);
    buf_free(&text);
}

/* Wherever a compressed file is cut, and whichever byte is changed: an error with its place, or the same rows (a byte of
 * the header may be without meaning); never other rows. */
static void test_zstd_broken(void **state)
{
    (void)state;
    struct buf text = some_rows(300), whole = compressed(text.p, text.n, 3);
    struct frame f;
    for (size_t n = 0; n < whole.n; n++) {
        char wanted[200];
        struct told t = read_bytes(&f, (struct str){(const char *)whole.p, n}, 7, &a_want, 1, NULL);
        if (n < 4) { /* not even the mark */
            assert_int_equal(t.rc, ERR_INVALID);
            continue;
        }
        assert_int_equal(t.rc, ERR_CORRUPT);
        snprintf(wanted, sizeof wanted,
                 "t.csv: broken zstd data near byte %zu: it ends in the middle; was the file cut?", n);
        assert_memory_equal(t.e.text, wanted, strlen(wanted));
    }
    int refused = 0;
    for (size_t i = 4; i < whole.n; i++) {
        whole.p[i] ^= 0x10;
        struct told t =
            read_bytes(&f, (struct str){(const char *)whole.p, whole.n}, SIZE_MAX, &a_want, 1, NULL);
        if (t.rc) {
            assert_true(t.rc == ERR_CORRUPT || t.rc == ERR_INVALID);
            refused++;
        } else {
            assert_int_equal(f.rows, 300);
            for (size_t row = 0; row < f.rows; row++)
                assert_true(f.columns[0].numbers[row] == (double)row);
            frame_free(&f);
        }
        whole.p[i] ^= 0x10;
    }
    assert_true(refused > (int)whole.n - 20);
    /* the place: bytes of the file, lines of its text */
    struct buf many = some_rows(200000), packed = compressed(many.p, many.n, 1);
    packed.n -= packed.n / 4;
    struct told t =
        read_bytes(&f, (struct str){(const char *)packed.p, packed.n}, SIZE_MAX, &a_want, 1, NULL);
    unsigned long byte, line;
    assert_int_equal(sscanf(t.e.text,
                            "t.csv: broken zstd data near byte %lu: it ends in the middle; was the file cut? "
                            "(after line %lu)",
                            &byte, &line),
                     2);
    assert_int_equal(byte, packed.n);
    assert_true(line > 50000 && line < 160000);
    buf_append(&whole, "more", 4); /* behind the last frame */
    t = read_bytes(&f, (struct str){(const char *)whole.p, whole.n}, 11, &a_want, 1, NULL);
    assert_int_equal(t.rc, ERR_CORRUPT);
    buf_free(&packed);
    buf_free(&many);
    buf_free(&whole);
    buf_free(&text);
}

static void test_header(void **state)
{
    struct arena arena;
    struct str *names;
    struct error e;
    size_t count;
    char found;
    arena_init(&arena, 1 << 20);
    char *path = write_bytes(*state, "h.csv", "\xef\xbb\xbf\"a;\";b;\n1;2;3\n", 18);
    assert_int_equal(frame_header(path, 0, &arena, &names, &count, &found, &e), 0);
    assert_int_equal(count, 3);
    assert_int_equal(found, ';');
    assert_true(str_is(names[0], "a;") && str_is(names[1], "b") && str_is(names[2], ""));
    assert_int_equal(frame_header(path, '|', &arena, &names, &count, NULL, &e), ERR_INVALID);
    free(path);
    path = write_bytes(*state, "only.csv", "a\tb", 3); /* rows are not needed */
    assert_int_equal(frame_header(path, 0, &arena, &names, &count, &found, &e), 0);
    assert_int_equal(found, '\t');
    free(path);
    struct buf packed = compressed("x,y\n1,2\n", 8, 1);
    path = write_bytes(*state, "h.zst", packed.p, packed.n);
    assert_int_equal(frame_header(path, 0, &arena, &names, &count, &found, &e), 0);
    assert_int_equal(count, 2);
    free(path);
    buf_free(&packed);
    char wanted[300];
    path = write_bytes(*state, "empty.csv", "", 0);
    assert_int_equal(frame_header(path, 0, &arena, &names, &count, &found, &e), ERR_INVALID);
    snprintf(wanted, sizeof wanted, "%s: the file is empty; the first line names the columns", path);
    assert_string_equal(e.text, wanted);
    assert_int_equal(count, 0);
    free(path);
    path = write_bytes(*state, "wide.csv",
                       "\xff\xfe"
                       "a\0",
                       4);
    assert_int_equal(frame_header(path, 0, &arena, &names, &count, &found, &e), ERR_INVALID);
    snprintf(wanted, sizeof wanted, "%s:1:1: this is UTF-16; save it as UTF-8", path);
    assert_string_equal(e.text, wanted);
    free(path);
    path = path_in(*state, "none.csv");
    assert_int_equal(frame_header(path, 0, &arena, &names, &count, &found, &e), ERR_NOTFOUND);
    free(path);
    assert_int_equal(frame_header("-", 0, &arena, &names, &count, &found, &e), ERR_INVALID);
    assert_string_equal(e.text, "standard input: the columns are looked at first, so this must be a file, no pipe");
    path = path_in(*state, "pipe");
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(frame_header(path, 0, &arena, &names, &count, &found, &e),
                     ERR_INVALID); /* without waiting for a writer */
    free(path);
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_bools),
        cmocka_unit_test(test_categories_and_texts),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_missing_words),
        cmocka_unit_test(test_separators),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_category_limit),
        cmocka_unit_test(test_growth),
        cmocka_unit_test(test_wide),
        cmocka_unit_test_setup_teardown(test_files, scratch_make, scratch_remove),
        cmocka_unit_test_setup_teardown(test_standard_input, scratch_make, scratch_remove),
        cmocka_unit_test_setup_teardown(test_zstd, scratch_make, scratch_remove),
        cmocka_unit_test(test_zstd_broken),
        cmocka_unit_test_setup_teardown(test_header, scratch_make, scratch_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
