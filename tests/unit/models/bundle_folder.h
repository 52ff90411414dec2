/* For the tests of bundles: a folder for each test, its files read, written and edited, and what loading it says.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_MODELS_BUNDLE_FOLDER_H
#define TESTS_MODELS_BUNDLE_FOLDER_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "models/bundle_write.h"

static char top[] = "/tmp/bundle_test.XXXXXX";
static char folder[64];
static struct arena arena;
static struct diags diags;

static inline int bundle_top_make(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(top));
    return 0;
}

static inline int bundle_top_remove(void **state)
{
    (void)state;
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", top);
    return system(command);
}

static inline const char *path_of(const char *name)
{
    return arena_printf(&arena, "%s/%s", folder, name);
}

static inline char *read_file(const char *name, size_t *n)
{
    char *bytes = arena_zalloc(&arena, 1 << 20);
    FILE *in = fopen(path_of(name), "rb");
    assert_non_null(in);
    *n = fread(bytes, 1, (1 << 20) - 1, in);
    fclose(in);
    return bytes;
}

static inline void write_file(const char *name, const char *bytes, size_t n)
{
    FILE *out = fopen(path_of(name), "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(bytes, 1, n, out), n);
    assert_int_equal(fclose(out), 0);
}

/* Replaces the first occurrence in a file of the bundle. */
static inline void edit(const char *name, const char *from, const char *to)
{
    size_t n;
    char *text = read_file(name, &n), *at = strstr(text, from);
    if (!at)
        fail_msg("'%s' is not in %s:\n%s", from, name, text);
    char *fresh = arena_printf(&arena, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    write_file(name, fresh, strlen(fresh));
}

/* The bundle must be refused with exactly these findings, each "file:line:column: text", the folder left out.
 */
static inline void assert_refused(int code, const char *expected)
{
    struct bundle *b = NULL;
    struct error e = {0};
    diags_init(&diags, &arena);
    assert_int_equal(bundle_load(&b, folder, &diags, &e), code);
    assert_null(b);
    assert_int_equal(e.code, code);
    assert_non_null(strstr(e.text, "is refused: "));
    char *all = arena_strdup(&arena, "");
    for (size_t i = 0; i < diags.count; i++) {
        const struct diag *d = &diags.items[i];
        const char *file = strncmp(d->file, folder, strlen(folder)) == 0 ? d->file + strlen(folder) : d->file;
        all = arena_printf(&arena, "%s%s:%d:%d: %s\n", all, file, d->line, d->column, d->text);
    }
    assert_string_equal(all, expected);
}

static inline struct bundle *must_load(void)
{
    struct bundle *b = NULL;
    struct error e = {0};
    diags_init(&diags, &arena);
    if (bundle_load(&b, folder, &diags, &e))
        fail_msg("%s", e.text);
    assert_int_equal(diags.count, 0);
    return b;
}

#endif
