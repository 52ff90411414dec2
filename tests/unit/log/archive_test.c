/* The archive: whole folders, once, safely from several processes, and nothing outside it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "log_files.h"
#include "log/archive.h"
#include <utime.h>

static void expect_file(const char *log, const char *name, const char *contents)
{
    char path[600];
    size_t n;
    snprintf(path, sizeof path, "%s/%s", log, name);
    uint8_t *p = file_read(path, &n);
    p[n] = 0;
    assert_string_equal((char *)p, contents);
    free(p);
}

/* Entries of a folder, hidden ones too. */
static int entries(const char *log, const char *name)
{
    char path[600];
    snprintf(path, sizeof path, "%s/%s", log, name);
    DIR *dir = opendir(path);
    int n = 0;
    for (struct dirent *entry; dir && (entry = readdir(dir));)
        n += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    if (dir)
        closedir(dir);
    return n;
}

static void make(const char *folder, const char *name, const char *contents)
{
    char path[600];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (contents)
        file_write(path, contents, strlen(contents));
    else
        assert_int_equal(mkdir(path, 0755), 0);
}

static void test_put(void **state)
{
    static char big_text[300000];
    struct error e = {0};
    char path[4096];
    struct archive_file files[] = {{"policy.yaml", STR("brand: x\n")},
                                   {"actions/a.yaml", STR("actions: []\n")},
                                   {"actions/deep/er/b.yaml", {NULL, 0}},
                                   {"model.json", {big_text, sizeof big_text - 1}}};
    memset(big_text, 'x', sizeof big_text - 1);
    assert_int_equal(archive_path(*state, "policies", "abc", path, &e), ERR_NOTFOUND);
    assert_int_equal(archive_put(*state, "policies", "abc", files, 4, &e), 0);
    assert_int_equal(archive_path(*state, "policies", "abc", path, &e), 0);
    assert_true(strncmp(path, *state, strlen(*state)) == 0 && strstr(path, "/policies/abc"));
    expect_file(*state, "policies/abc/policy.yaml", "brand: x\n");
    expect_file(*state, "policies/abc/actions/a.yaml", "actions: []\n");
    expect_file(*state, "policies/abc/actions/deep/er/b.yaml", "");
    expect_file(*state, "policies/abc/model.json", big_text);
    files[0].bytes = STR("other");
    assert_int_equal(archive_put(*state, "policies", "abc", files, 4, &e),
                     0); /* there already: left as it is */
    expect_file(*state, "policies/abc/policy.yaml", "brand: x\n");
    assert_int_equal(entries(*state, "policies"), 1); /* no leftovers */
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0755);
}

static void test_bad_names(void **state)
{
    struct error e = {0};
    char path[4096], longest[ARCHIVE_NAME_MAX + 2], part[300], deep[100] = "";
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    memset(part, 'a', 256);
    part[256] = 0;
    for (int i = 0; i < ARCHIVE_DEPTH_MAX; i++)
        strcat(deep, "a/");
    strcat(deep, "a");
    const char *const names[] = {"",     "/etc/passwd", "../x",    "a/../../x", "a/..",  "..", ".",  "a/./b",
                                 "a//b", "a/",          ".hidden", "a/.git",    longest, part, deep, NULL};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct archive_file files[] = {{"good", STR("x")}, {names[i], STR("evil")}};
        e = (struct error){0};
        assert_int_equal(archive_put(*state, "k", "id", files, 2, &e), ERR_INVALID);
        assert_true(e.text[0]);
        assert_int_equal(archive_path(*state, "k", "id", path, &e), ERR_NOTFOUND);
        assert_int_equal(entries(*state, "k"), 0);
    }
    struct archive_file twice[] = {{"a/b", STR("x")}, {"a/b", STR("y")}},
                        both[] = {{"a", STR("x")}, {"a/b", STR("y")}};
    assert_int_equal(archive_put(*state, "k", "id", twice, 2, &e), ERR_INVALID);
    assert_int_equal(archive_put(*state, "k", "id", both, 2, &e), ERR_INVALID);
    assert_int_equal(archive_put(*state, "k", "id", twice, 0, &e), ERR_INVALID);
    static const char *const ids[] = {
        "",     ".",    "..",
        "../x", "a/b",  ".put-x",
        "a b",  "a\nb", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        assert_int_equal(archive_put(*state, "k", ids[i], twice, 1, &e), ERR_INVALID);
        assert_int_equal(archive_put(*state, ids[i], "id", twice, 1, &e), ERR_INVALID);
        assert_int_equal(archive_path(*state, ids[i], "id", path, &e), ERR_INVALID);
    }
    assert_int_equal(archive_put("/nonexistent", "k", "id", twice, 1, &e), ERR_IO);
    assert_int_equal(entries(*state, ""), 1);
}

/* A put that was killed long ago leaves a folder that the next put removes; a fresh one is somebody's work.
 */
static void test_stale(void **state)
{
    struct error e = {0};
    struct archive_file file = {"a", STR("x")};
    char path[600];
    make(*state, "k", NULL);
    make(*state, "k/.put-old000", NULL);
    make(*state, "k/.put-old000/sub", NULL);
    make(*state, "k/.put-old000/sub/file", "left");
    make(*state, "k/.put-new000", NULL);
    snprintf(path, sizeof path, "%s/k/.put-old000", (char *)*state);
    struct utimbuf long_ago = {1000000000, 1000000000};
    assert_int_equal(utime(path, &long_ago), 0);
    assert_int_equal(archive_put(*state, "k", "id", &file, 1, &e), 0);
    assert_int_equal(entries(*state, "k"), 2);
    assert_int_equal(entries(*state, "k/.put-old000"), 0);
    assert_int_equal(access(path, F_OK), -1);
}

enum { PROCESSES = 4, IDS = 60, FILES = 8 };

/* Puts the same ids as its brothers; all files of one put carry the putter's mark. */
static void put_many(const char *log, int mark, int gate)
{
    char byte, contents[2] = {(char)('A' + mark), 0};
    CHILD_CHECK(read(gate, &byte, 1) == 0); /* all begin when the parent closes the other end */
    for (int id = 0; id < IDS; id++) {
        struct archive_file files[FILES];
        char names[FILES][16], text[16];
        struct error e = {0};
        for (int k = 0; k < FILES; k++) {
            snprintf(names[k], sizeof names[k], "d%d/f%d", k % 2, k);
            files[k] = (struct archive_file){names[k], str_from(contents)};
        }
        snprintf(text, sizeof text, "id%d", id);
        int rc = archive_put(log, "k", text, files, FILES, &e);
        if (rc)
            fprintf(stderr, "%s\n", e.text);
        CHILD_CHECK(rc == 0);
        char path[4096];
        CHILD_CHECK(archive_path(log, "k", text, path, &e) == 0);
        for (int k = 0; k < FILES; k++) { /* whole as soon as put returns */
            char file[4300];
            snprintf(file, sizeof file, "%s/%s", path, names[k]);
            CHILD_CHECK(access(file, R_OK) == 0);
        }
    }
}

static void test_concurrent(void **state)
{
    pid_t pids[PROCESSES];
    int gate[2];
    assert_int_equal(pipe2(gate, O_CLOEXEC), 0);
    fflush(NULL);
    for (int k = 0; k < PROCESSES; k++) {
        pids[k] = fork();
        assert_true(pids[k] >= 0);
        if (pids[k] == 0) {
            close(gate[1]);
            put_many(*state, k, gate[0]);
            _exit(0);
        }
    }
    close(gate[0]);
    close(gate[1]);
    for (int k = 0; k < PROCESSES; k++) {
        int status;
        assert_int_equal(waitpid(pids[k], &status, 0), pids[k]);
        assert_int_equal(status, 0);
    }
    assert_int_equal(entries(*state, "k"), IDS);
    for (int id = 0; id < IDS; id++) {
        char name[64], marks = 0;
        for (int k = 0; k < FILES; k++) {
            size_t n;
            char path[600];
            snprintf(path, sizeof path, "%s/k/id%d/d%d/f%d", (char *)*state, id, k % 2, k);
            uint8_t *p = file_read(path, &n);
            assert_int_equal(n, 1);
            assert_true(k == 0 || marks == (char)p[0]); /* never a mix of two putters */
            marks = (char)p[0];
            free(p);
        }
        snprintf(name, sizeof name, "k/id%d", id);
        assert_int_equal(entries(*state, name), 2);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_make, scratch_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_put), TEST(test_bad_names), TEST(test_stale), TEST(test_concurrent)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
