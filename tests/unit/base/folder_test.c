/* Folders are made with those above them.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/folder.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static void test_make(void **state)
{
    (void)state;
    struct error e = {0};
    struct stat info;
    char base[] = "/tmp/tact-folder-XXXXXX", path[200], file[200], longest[5000];
    assert_non_null(mkdtemp(base));
    assert_int_equal(chdir(base), 0);
    static const char *const good[] = {"a/b//c", "a/b/c", "d/", "./e/f/", "."};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        if (folder_make(good[i], &e))
            fail_msg("%s: %s", good[i], e.text);
        assert_int_equal(stat(good[i], &info), 0);
        assert_true(S_ISDIR(info.st_mode));
    }
    snprintf(path, sizeof path, "%s/g/h", base);
    assert_int_equal(folder_make(path, &e), 0);
    assert_int_equal(folder_make(path, &e), 0);
    snprintf(file, sizeof file, "%s/file", base);
    FILE *f = fopen(file, "w");
    assert_non_null(f);
    fclose(f);
    assert_int_equal(folder_make("file/below/it", &e), ERR_IO);
    assert_non_null(strstr(e.text, "cannot make the folder file:"));
    assert_int_equal(folder_make("file", &e), ERR_IO);
    assert_int_equal(folder_make("", &e), ERR_INVALID);
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    assert_int_equal(folder_make(longest, &e), ERR_INVALID);
    char command[100];
    snprintf(command, sizeof command, "rm -r %s", base);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_make)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
