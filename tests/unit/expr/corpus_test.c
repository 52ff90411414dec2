/* Runs the fuzz target over its corpus, so that what fuzzing found once stays found without clang.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fuzz/expr_fuzz.c"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <dirent.h>

static void replays_the_corpus(void **state)
{
    (void)state;
    static const char folder[] = "tests/fuzz/corpus/expr";
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    int files = 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        char path[512];
        static uint8_t bytes[2 * EXPR_TEXT_MAX];
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        FILE *in = entry->d_name[0] == '.' ? NULL : fopen(path, "rb");
        if (!in)
            continue;
        size_t n = fread(bytes, 1, sizeof bytes, in);
        fclose(in);
        uint8_t *exact = malloc(n ? n : 1); /* so that a sanitizer sees reads past the end */
        memcpy(exact, bytes, n);
        assert_int_equal(LLVMFuzzerTestOneInput(exact, n), 0);
        free(exact);
        files++;
    }
    closedir(dir);
    assert_true(files >= 12);
    tzdb_free(&zones);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(replays_the_corpus)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
