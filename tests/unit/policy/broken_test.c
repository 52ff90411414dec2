/* Broken policies, one folder each in tests/cases/broken: what is reported, where, and that nothing else is.
 * A folder's file `expect` has a line "file:line:column: part of the text" for every finding, in the order in
 * which they are reported; the file is "." when the whole folder is meant, and "warning: " begins the text of
 * a warning.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "policy/policy.h"
#include <dirent.h>
#include <stdlib.h>

#define FOLDERS "tests/cases/broken"
enum { CASES_LEAST = 30, LINE_MAX_BYTES = 1000 };

static struct tzdb *zones;

static int setup(void **state)
{
    (void)state;
    struct error e;
    return tzdb_load(&zones, NULL, &e);
}

static int teardown(void **state)
{
    (void)state;
    tzdb_free(&zones);
    return 0;
}

/* What a finding would be called in `expect`, whole. */
static const char *line_of(struct arena *arena, const char *folder, const struct diag *d)
{
    size_t n = strlen(folder);
    const char *file = strncmp(d->file, folder, n) == 0 && d->file[n] == '/' ? d->file + n + 1 : ".";
    return arena_printf(arena, "%s:%d:%d: %s%s", file, d->line, d->column,
                        d->severity == DIAG_WARNING ? "warning: " : "", d->text);
}

/* An expected line fits a finding when its place and severity are the same and its text is part of the
 * finding's. */
static bool fits(const char *expected, const char *found)
{
    const char *place = strstr(expected, ": ");
    if (!place || strncmp(expected, found, (size_t)(place - expected) + 2) != 0)
        return false;
    return strstr(found + (place - expected) + 2, place + 2) != NULL;
}

/* Number of lines that do not fit, printed. */
static size_t check_folder(struct arena *arena, const char *folder)
{
    struct diags diags;
    diags_init(&diags, arena);
    struct policy *p = policy_load(folder, zones, &diags);
    assert_null(p);
    FILE *f = fopen(arena_printf(arena, "%s/expect", folder), "r");
    assert_non_null(f);
    char line[LINE_MAX_BYTES];
    size_t wrong = 0, at = 0;
    for (; fgets(line, sizeof line, f); at++) {
        line[strcspn(line, "\n")] = 0;
        const char *found = at < diags.count ? line_of(arena, folder, &diags.items[at]) : "nothing";
        if (!fits(line, found)) {
            print_error("%s: expected %s\n   got %s\n", folder, line, found);
            wrong++;
        }
    }
    fclose(f);
    for (; at < diags.count; at++, wrong++)
        print_error("%s: not expected: %s\n", folder, line_of(arena, folder, &diags.items[at]));
    return wrong;
}

static void test_folders(void **state)
{
    (void)state;
    DIR *dir = opendir(FOLDERS);
    assert_non_null(dir);
    size_t cases = 0, wrong = 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        struct arena arena;
        if (entry->d_name[0] == '.')
            continue;
        arena_init(&arena, 16u << 20);
        wrong += check_folder(&arena, arena_printf(&arena, "%s/%s", FOLDERS, entry->d_name));
        arena_free(&arena);
        cases++;
    }
    closedir(dir);
    assert_int_equal(wrong, 0);
    assert_true(cases >= CASES_LEAST);
}

/* The comparison itself. */
static void test_fits(void **state)
{
    (void)state;
    assert_true(fits("a.yaml:1:2: wrong", "a.yaml:1:2: very wrong indeed"));
    assert_false(fits("a.yaml:1:2: wrong", "a.yaml:1:3: wrong"));
    assert_false(fits("a.yaml:1:2: wrong", "b.yaml:1:2: wrong"));
    assert_false(fits("a.yaml:1:2: wrong", "a.yaml:1:2: right"));
    assert_false(fits("a.yaml:1:2: wrong", "nothing"));
    assert_false(fits("no place", "no place"));
}

static void test_no_folder(void **state)
{
    (void)state;
    struct arena arena;
    struct diags diags;
    arena_init(&arena, 1u << 20);
    diags_init(&diags, &arena);
    assert_null(policy_load("tests/cases/there_is_no_such_folder", zones, &diags));
    assert_int_equal(diags.errors, 1);
    assert_non_null(strstr(diags.items[0].text, "cannot read the policy folder: No such file"));
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_folders), cmocka_unit_test(test_fits),
                                       cmocka_unit_test(test_no_folder)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
