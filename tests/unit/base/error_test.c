/* Errors and diagnostics: texts that are cut and not overrun, lists that stay bounded, a stable order.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"
#include "base/error.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(error_name(0), "OK");
    assert_string_equal(error_name(ERR_CORRUPT), "ERR_CORRUPT");
    assert_string_equal(error_name(-12345), "ERR_UNKNOWN");
    int before = 0;
#define X(name, number, text)                                                                                \
    assert_string_equal(error_name(name), #name);                                                            \
    assert_string_equal(error_meaning(name), text);                                                          \
    assert_int_equal(name, before - 1);                                                                      \
    before = name;
    TACT_ERRORS(X)
#undef X
    assert_non_null(error_meaning(17));
}

static void test_set_and_prefix(void **state)
{
    (void)state;
    struct error e;
    assert_int_equal(error_set(NULL, ERR_IO, "nobody reads %s", "this"), ERR_IO);
    assert_int_equal(error_prefix(NULL, "x"), 0);
    assert_int_equal(error_set(&e, ERR_INVALID, "%d is too much", 7), ERR_INVALID);
    assert_int_equal(e.code, ERR_INVALID);
    assert_int_equal(error_prefix(&e, "line %d", 3), ERR_INVALID);
    assert_string_equal(e.text, "line 3: 7 is too much");
    char lengthy[2000];
    memset(lengthy, 'x', sizeof lengthy - 1);
    lengthy[sizeof lengthy - 1] = 0;
    error_set(&e, ERR_IO, "%s", lengthy);
    assert_int_equal(strlen(e.text), sizeof e.text - 1);
    error_prefix(&e, "in front");
    assert_int_equal(strlen(e.text), sizeof e.text - 1);
    assert_int_equal(strncmp(e.text, "in front: xxx", 13), 0);
    error_prefix(&e, "%s", lengthy);
    assert_int_equal(strlen(e.text), sizeof e.text - 1);
    assert_null(strchr(e.text, ':'));
}

static char *printed(const struct diags *d)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    diags_print(d, out);
    fclose(out);
    return text;
}

static void test_diags(void **state)
{
    (void)state;
    struct arena a;
    struct diags d;
    arena_init(&a, 1 << 20);
    diags_init(&d, &a);
    char name[] = "b.yaml";
    diag_add(&d, DIAG_ERROR, name, 2, 5, "unknown key \"%s\"", "x\x1b[1m\n");
    name[0] = 'z'; /* it keeps a copy */
    diag_add(&d, DIAG_WARNING, "a.yaml", 9, 1, "late");
    diag_add(&d, DIAG_ERROR, "a.yaml", 9, 1, "later, same place");
    diag_add(&d, DIAG_ERROR, "a.yaml", 2, 0, "no column");
    diag_add(&d, DIAG_ERROR, "a.yaml", 0, 3, "no line");
    diag_add(&d, DIAG_ERROR, NULL, 0, 0, "no file");
    diags_sort(&d);
    assert_int_equal(d.errors, 5);
    assert_int_equal(d.warnings, 1);
    char *text = printed(&d);
    assert_string_equal(text, ": error: no file\n"
                              "a.yaml: error: no line\n"
                              "a.yaml:2: error: no column\n"
                              "a.yaml:9:1: warning: late\n"
                              "a.yaml:9:1: error: later, same place\n"
                              "b.yaml:2:5: error: unknown key \"x\\x1b[1m\\x0a\"\n");
    free(text);
    arena_free(&a);
}

static void test_bounded(void **state)
{
    (void)state;
    struct arena a;
    struct diags d;
    arena_init(&a, 64 << 20);
    diags_init(&d, &a);
    for (int i = 0; i < DIAGS_MAX + 500; i++)
        diag_add(&d, i % 2 ? DIAG_ERROR : DIAG_WARNING, "f", DIAGS_MAX + 500 - i, 1, "number %d", i);
    assert_int_equal(d.count, DIAGS_MAX);
    assert_int_equal(d.errors, DIAGS_MAX / 2 + 250);
    assert_int_equal(d.warnings, DIAGS_MAX / 2 + 250);
    diags_sort(&d);
    for (size_t i = 1; i < d.count; i++)
        assert_true(d.items[i - 1].line < d.items[i].line);
    char *text = printed(&d);
    assert_non_null(strstr(text, "and 500 more\n"));
    free(text);
    arena_free(&a);
    arena_init(&a, 2000); /* an arena that fills up: counted all the same, nothing half made */
    diags_init(&d, &a);
    for (int i = 0; i < 100; i++)
        diag_add(&d, DIAG_ERROR, "file", 1, 1, "a text of some length, number %d", i);
    assert_int_equal(d.errors, 100);
    assert_true(d.count < 100);
    for (size_t i = 0; i < d.count; i++)
        assert_true(d.items[i].file && d.items[i].text);
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_names), cmocka_unit_test(test_set_and_prefix),
                                       cmocka_unit_test(test_diags), cmocka_unit_test(test_bounded)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
