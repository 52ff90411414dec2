/* Bundles beside a models.yaml that each test writes anew: a to d are stumps that give 1 to 4, and a quarter more for actions of
 * size 2 and above; liked gives 8 where the customer likes the action's category, else 0; broken's golden row is wrong.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_MODELS_LINEUP_FOLDER_H
#define TESTS_MODELS_LINEUP_FOLDER_H
#include "bundle_folder.h"
#include "models/lineup_binding.h"
#include "unit/models/tiny_model.h"
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CUSTOMERS = 100000, BUNDLES = 4 };

static struct tzdb *zones;

/* ---- bundles and line-ups ---- */

static inline void write_bundle(const char *name, const struct bundle_feature *feature, const struct stump *stump)
{
    struct error e = {0};
    struct buf model;
    struct bundle_arm arm = {0};
    struct bundle_feature copy = *feature;
    const float row = 1;
    struct bundle_spec spec = {.name = str_from(name),
                               .version = STR("1"),
                               .objective = STR("reg:squarederror"),
                               .label = STR("spent"),
                               .label_type = BUNDLE_MONEY,
                               .arms = &arm,
                               .arm_count = 1,
                               .training_rows = -1,
                               .training_seed = -1,
                               .features = &copy,
                               .feature_count = 1};
    buf_init(&model, 1 << 16);
    tiny_model(&model, "reg:squarederror", "0E0", 1, stump, 1);
    const struct str bytes = {(const char *)model.p, model.n};
    if (bundle_write(path_of(name), &spec, &bytes, &row, NULL, 1, &e))
        fail_msg("%s", e.text);
    buf_free(&model);
}

static inline void constant_bundle(const char *name, float constant)
{
    const struct bundle_feature size = {.name = STR("size"), .from = BUNDLE_ACTION, .type = BUNDLE_NUMBER};
    const struct stump stump = {0, 2, constant, constant + 0.25f, true};
    write_bundle(name, &size, &stump);
}

static inline int make_all(void **state)
{
    struct error e;
    const struct bundle_feature liked = {.name = STR("liked"), .from = BUNDLE_PAIR, .type = BUNDLE_BOOL};
    const struct stump stump = {0, 0.5f, 0, 8, true};
    bundle_top_make(state);
    arena_init(&arena, 64 << 20);
    snprintf(folder, sizeof folder, "%s/brand", top);
    assert_int_equal(mkdir(folder, 0755), 0);
    for (int i = 0; i < BUNDLES; i++)
        constant_bundle((const char[]){(char)('a' + i), 0}, (float)(i + 1));
    write_bundle("liked", &liked, &stump);
    assert_int_equal(system(arena_printf(&arena, "cp -r %s/a %s/broken", folder, folder)), 0);
    write_file("broken/golden.csv", "size,margin\n1,7\n", 16);
    arena_free(&arena);
    return tzdb_load(&zones, NULL, &e);
}

static inline int remove_all(void **state)
{
    tzdb_free(&zones);
    return bundle_top_remove(state);
}

static inline int setup(void **state)
{
    (void)state;
    arena_init(&arena, 64 << 20);
    diags_init(&diags, &arena);
    snprintf(folder, sizeof folder, "%s/brand", top);
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

/* The same bundles in a folder of this test's own. */
static inline void own_folder(const char *name)
{
    char *fresh = arena_printf(&arena, "%s/%s", top, name);
    assert_int_equal(system(arena_printf(&arena, "cp -r %s %s", folder, fresh)), 0);
    snprintf(folder, sizeof folder, "%s", fresh);
}

/* All findings, one a line, the folder left out. */
static inline const char *told(void)
{
    const char *all = "";
    for (size_t i = 0; i < diags.count; i++) {
        const struct diag *d = &diags.items[i];
        size_t skip = strncmp(d->file, folder, strlen(folder)) == 0 ? strlen(folder) : 0;
        all = arena_printf(&arena, "%s%s%s:%d:%d: %s", all, d->severity == DIAG_WARNING ? "warning: " : "",
                           d->file + skip, d->line, d->column, d->text);
        all = arena_printf(&arena, "%s\n", all);
    }
    return all;
}

static inline struct lineup *load_folder(void)
{
    struct lineup *l = NULL;
    struct error e = {0};
    diags_init(&diags, &arena);
    if (lineup_load(&l, folder, &diags, &e))
        fail_msg("%s\n%s", e.text, told());
    assert_int_equal(diags.count, 0);
    assert_string_equal(lineup_folder(l), folder);
    return l;
}

static inline struct lineup *lineup_of(const char *yaml)
{
    write_file(LINEUP_FILE, yaml, strlen(yaml));
    return load_folder();
}

static inline struct id128 id_of(const char *yaml)
{
    struct lineup *l = lineup_of(yaml);
    struct id128 id = lineup_id(l);
    lineup_free(&l);
    assert_null(l);
    return id;
}

static inline void assert_member(const struct lineup_member *m, const char *name, enum lineup_role role, double share)
{
    assert_true(str_is(m->name, name));
    assert_int_equal(m->role, role);
    assert_true(m->share == share);
    assert_true(str_is(bundle_spec(m->bundle)->name, name));
}

static inline struct str customer(int i)
{
    static char text[32];
    return (struct str){text, (size_t)snprintf(text, sizeof text, "customer-%d", i)};
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
