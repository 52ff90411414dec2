/* Helpers of the offline tests: scratch folders, files, policies from text.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_TESTS_OFFLINE_FILES_H
#define TACT_TESTS_OFFLINE_FILES_H
#include "policy/policy.h"
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#define RETAIL SOURCE_DIR "/tools/examples/retail"

static inline int remove_one(const char *path, const struct stat *info, int kind, struct FTW *ftw)
{
    (void)info, (void)kind, (void)ftw;
    return remove(path);
}

static inline void remove_all(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline int scratch_make(void **state)
{
    char *path = strdup("/tmp/tact_offline_XXXXXX");
    *state = path && mkdtemp(path) ? path : NULL;
    return *state ? 0 : -1;
}

static inline int scratch_remove(void **state)
{
    remove_all(*state);
    free(*state);
    return 0;
}

static inline void write_text_file(const char *folder, const char *name, const char *text)
{
    char *path = NULL;
    mkdir(folder, 0755);
    assert_true(asprintf(&path, "%s/%s", folder, name) > 0);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    free(path);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static inline struct policy *load_policy(const char *folder, const struct tzdb *zones)
{
    struct arena arena;
    struct diags diags;
    arena_init(&arena, 16 << 20);
    diags_init(&diags, &arena);
    struct policy *p = policy_load(folder, zones, &diags);
    if (!p) {
        diags_print(&diags, stderr);
        fail_msg("%s does not load", folder);
    }
    arena_free(&arena);
    return p;
}

static inline struct tzdb *load_zones(void)
{
    struct error e = {0};
    struct tzdb *zones;
    if (tzdb_load(&zones, NULL, &e))
        fail_msg("%s", e.text);
    return zones;
}

#endif
