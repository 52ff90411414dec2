/* The rows of the test part as a file: cut out of the table by hand with the parts that the training tells, and compared byte by
 * byte; from a file, zstd, standard input, with quotes and CRLF; whatever the table's order; and no file where there is none.
 * SPDX-License-Identifier: Apache-2.0 */
#include "offline_files.h"
#include "base/rng.h"
#include "models/offline/train.h"
#include "models/offline/train_test_rows.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <zstd.h>

enum { ROWS = 400, TEXT_MAX = 64 * 1024 };

static struct tzdb *zones;
static char table[TEXT_MAX];
static volatile sig_atomic_t stop;

static int setup(void **state)
{
    struct error e = {0};
    return scratch_make(state) || tzdb_load(&zones, NULL, &e);
}

static int teardown(void **state)
{
    tzdb_free(&zones);
    return scratch_remove(state);
}

static const char *at(void **state, const char *name)
{
    static char paths[4][512];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", (const char *)*state, name);
    return path;
}

/* The k-th row as a person may write it: quotes where none are needed, doubled ones, a line break inside. */
static size_t row_text(char *out, size_t room, size_t k)
{
    static const char *const notes[] = {"plain",          "\"quoted\"", "\"a,b\"", "\"say \"\"hi\"\"\"",
                                        "\"two\nlines\"", " "};
    return (size_t)snprintf(out, room, "%zu.%s,%s,%d", k * 7919 % ROWS, k % 2 ? "0" : "50", notes[k % 6],
                            k * 7919 % ROWS > ROWS / 2 ? k % 4 != 0 : k % 4 == 0);
}

/* The rows' texts in an order: as numbered, or backwards. */
static size_t make_table(bool backwards, const char *end)
{
    size_t n = (size_t)snprintf(table, sizeof table, "\"x\",note,y%s", end);
    for (size_t i = 0; i < ROWS; i++) {
        n += row_text(table + n, sizeof table - n, backwards ? ROWS - 1 - i : i);
        n += (size_t)snprintf(table + n, sizeof table - n, "%s", end);
    }
    assert_true(n < sizeof table);
    return n;
}

static char *read_all(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        return NULL;
    char *text = calloc(TEXT_MAX, 1);
    assert_non_null(text);
    assert_true(fread(text, 1, TEXT_MAX - 1, f) < TEXT_MAX - 1);
    fclose(f);
    return text;
}

static int train(void **state, const char *csv, const char *out, const char *test_rows,
                 struct train_result *r, struct error *e)
{
    struct arena arena;
    struct diags diags;
    arena_init(&arena, 16 << 20);
    diags_init(&diags, &arena);
    write_text_file(*state, "t.yaml",
                    "name: n\nkind: propensity\nlabel: {column: y}\nfeatures: [{name: x, type: number}]\n"
                    "model: {rounds: 2}\n");
    const struct train_job job = {.csv = csv,
                                  .config = at(state, "t.yaml"),
                                  .out = at(state, out),
                                  .test_rows = test_rows,
                                  .zones = zones,
                                  .cancel = &stop};
    int rc = train_run(r, &job, &diags, e);
    arena_free(&arena);
    return rc;
}

/* The header and the test rows of the table as it stands, by d->tested. */
static char *cut_by_hand(const struct train_data *d, bool backwards, const char *end)
{
    char *want = calloc(TEXT_MAX, 1);
    assert_non_null(want);
    size_t n = (size_t)snprintf(want, TEXT_MAX, "\"x\",note,y%s", end), rows = 0;
    for (size_t i = 0; i < d->n; i++)
        if (d->side[i] == SIDE_TEST) {
            rows++;
            n += row_text(want + n, TEXT_MAX - n, backwards ? ROWS - 1 - i : i);
            n += (size_t)snprintf(want + n, TEXT_MAX - n, "%s", end);
        }
    assert_int_equal(rows, d->side_rows[SIDE_TEST]);
    assert_in_range(rows, ROWS / 8, ROWS / 2);
    return want;
}

static void must_give(void **state, const char *csv, const char *out, bool backwards, const char *end)
{
    struct train_result r;
    struct error e = {0};
    const char *path = at(state, "rows.csv");
    if (train(state, csv, out, path, &r, &e))
        fail_msg("%s", e.text);
    char *got = read_all(path), *want = cut_by_hand(&r.data, backwards, end);
    assert_non_null(got);
    assert_string_equal(got, want);
    free(got);
    free(want);
    train_result_free(&r);
}

static void test_bytes_as_they_stood(void **state)
{
    make_table(false, "\n");
    write_text_file(*state, "plain.csv", table);
    must_give(state, at(state, "plain.csv"), "b1", false, "\n");
    make_table(true, "\r\n");
    write_text_file(*state, "crlf.csv", table);
    must_give(state, at(state, "crlf.csv"), "b2", true, "\r\n");
}

static void test_zstd(void **state)
{
    static char packed[2 * TEXT_MAX];
    size_t n = ZSTD_compress(packed, sizeof packed, table, make_table(false, "\n"), 3);
    assert_false(ZSTD_isError(n));
    FILE *f = fopen(at(state, "t.csv.zst"), "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(packed, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
    must_give(state, at(state, "t.csv.zst"), "b3", false, "\n");
}

/* A pipe, which is read once; then a file that standard input has read a part of already. */
static void test_standard_input(void **state)
{
    int ends[2], before = dup(STDIN_FILENO);
    size_t n = make_table(false, "\n");
    assert_int_equal(pipe(ends), 0);
    assert_true(fcntl(ends[1], F_SETPIPE_SZ, TEXT_MAX) >= (int)n);
    assert_int_equal(write(ends[1], table, n), n);
    close(ends[1]);
    dup2(ends[0], STDIN_FILENO);
    close(ends[0]);
    must_give(state, "-", "b4", false, "\n");
    memmove(table + 6, table, n + 1);
    memcpy(table, "skip\n\n", 6);
    write_text_file(*state, "later.csv", table);
    int file = open(at(state, "later.csv"), O_RDONLY);
    assert_int_equal(lseek(file, 6, SEEK_SET), 6);
    dup2(file, STDIN_FILENO);
    close(file);
    must_give(state, "-", "b5", false, "\n");
    dup2(before, STDIN_FILENO);
    close(before);
}

/* Rows of one file, in the order of their texts. */
static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void test_order_does_not_matter(void **state)
{
    char *texts[2], *lines[2][ROWS];
    size_t count[2] = {0, 0};
    for (int k = 0; k < 2; k++) {
        struct train_result r;
        struct error e = {0};
        make_table(k, "\n");
        for (char *p = table; (p = strstr(p, "two\nlines")); p += 4) /* a line a row, to sort them */
            p[3] = '-';
        write_text_file(*state, "order.csv", table);
        assert_int_equal(
            train(state, at(state, "order.csv"), k ? "b6" : "b7", at(state, "order.out"), &r, &e), 0);
        train_result_free(&r);
        texts[k] = read_all(at(state, "order.out"));
        for (char *p = strtok(texts[k], "\n"); p && count[k] < ROWS; p = strtok(NULL, "\n"))
            lines[k][count[k]++] = p;
        qsort(lines[k], count[k], sizeof lines[k][0], by_text);
    }
    assert_int_equal(count[0], count[1]);
    assert_true(count[0] > ROWS / 8);
    for (size_t i = 0; i < count[0]; i++)
        assert_string_equal(lines[0][i], lines[1][i]);
    free(texts[0]);
    free(texts[1]);
}

static size_t entries(const char *folder)
{
    size_t n = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

static void expect_refused(void **state, const char *csv, const char *path, int code, const char *text)
{
    struct train_result r;
    struct error e = {0};
    size_t before = entries(*state);
    assert_int_equal(train(state, csv, "never", path, &r, &e), code);
    if (!strstr(e.text, text))
        fail_msg("%s, not %s", e.text, text);
    assert_int_equal(entries(*state), before);
}

static void test_nothing_is_left(void **state)
{
    char *before = read_all(at(state, "rows.csv"));
    assert_non_null(before);
    make_table(false, "\n");
    write_text_file(*state, "plain.csv", table);
    char csv[512];
    snprintf(csv, sizeof csv, "%s", at(state, "plain.csv"));
    mkdir(at(state, "folder"), 0755);
    expect_refused(state, csv, csv, ERR_INVALID, "plain.csv is the table itself");
    expect_refused(state, csv, at(state, "folder"), ERR_INVALID, "exists already and is no regular file");
    expect_refused(state, csv, "-", ERR_INVALID, "--test-rows needs the name of a file");
    expect_refused(state, csv, at(state, "none/rows.csv"), ERR_IO, "No such file");
    strcpy(table + strlen(table) - 2, "7\n"); /* no label */
    write_text_file(*state, "wrong.csv", table);
    expect_refused(state, at(state, "wrong.csv"), at(state, "rows.csv"), ERR_INVALID, "finding");
    expect_refused(state, at(state, "absent.csv"), at(state, "rows.csv"), ERR_NOTFOUND, "absent.csv");
    stop = 1;
    expect_refused(state, csv, at(state, "rows.csv"), ERR_UNAVAILABLE,
                   "stopped before the training was done");
    stop = 0;
    char *after = read_all(at(state, "rows.csv"));
    assert_string_equal(before, after);
    free(before);
    free(after);
}

/* A table that loses or gains a row between the two readings. */
static void test_changed_table(void **state)
{
    for (int grows = 0; grows < 2; grows++) {
        struct train_test_rows *rows = NULL;
        struct train_input *in = NULL;
        struct error e = {0};
        const uint8_t test[3] = {1, 1, 1};
        const char *csv = at(state, "small.csv"), *to = at(state, "small.out");
        write_text_file(*state, "small.csv", "a\n1\n2\n");
        const struct train_input_options o = {.beside = to};
        assert_int_equal(train_test_rows_new(&rows, to, csv, &e), 0);
        assert_int_equal(train_input_open(&in, csv, &o, &e), 0);
        assert_int_equal(train_test_rows_write(rows, in, ',', test, grows ? 1 : 3, &e), ERR_CONFLICT);
        assert_non_null(strstr(e.text, "small.csv changed while it was read; try again"));
        write_text_file(*state, "small.csv", "a\n1\n2\n3\n");
        assert_int_equal(train_test_rows_write(rows, in, ',', test, 3, &e), ERR_CONFLICT);
        train_input_free(&in);
        train_test_rows_free(&rows);
        assert_null(read_all(to));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_as_they_stood), cmocka_unit_test(test_zstd),
        cmocka_unit_test(test_standard_input),      cmocka_unit_test(test_order_does_not_matter),
        cmocka_unit_test(test_nothing_is_left), /* after one that wrote rows.csv */
        cmocka_unit_test(test_changed_table),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
