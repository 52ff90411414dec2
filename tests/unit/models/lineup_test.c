/* Line-ups: what loads and as what, ids, every mistake in models.yaml with its place and words, which customer has which
 * model, and what a line-up bound to a policy scores.
 *
 * The bundles lie beside models.yaml, which each test writes anew: a to d are stumps that give 1 to 4, and a quarter more for
 * actions of size 2 and above; liked gives 8 where the customer likes the action's category, else 0. Shares are counted over
 * CUSTOMERS ids and may be off by four standard deviations; hashes do not change, so what passes once passes always.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bundle_folder.h"
#include "models/lineup_binding.h"
#include "unit/models/tiny_model.h"
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CUSTOMERS = 100000, ACTIONS = 5, BUNDLES = 4 };

static struct tzdb *zones;

/* ---- bundles and line-ups ---- */

static void write_bundle(const char *name, const struct bundle_feature *feature, const struct stump *stump)
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

static void constant_bundle(const char *name, float constant)
{
    const struct bundle_feature size = {.name = STR("size"), .from = BUNDLE_ACTION, .type = BUNDLE_NUMBER};
    const struct stump stump = {0, 2, constant, constant + 0.25f, true};
    write_bundle(name, &size, &stump);
}

static int make_all(void **state)
{
    (void)state;
    struct error e;
    const struct bundle_feature liked = {.name = STR("liked"), .from = BUNDLE_PAIR, .type = BUNDLE_BOOL};
    const struct stump stump = {0, 0.5f, 0, 8, true};
    bundle_top_make();
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

static int remove_all(void **state)
{
    (void)state;
    tzdb_free(&zones);
    return bundle_top_remove();
}

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 64 << 20);
    diags_init(&diags, &arena);
    snprintf(folder, sizeof folder, "%s/brand", top);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

/* The same bundles in a folder of this test's own. */
static void own_folder(const char *name)
{
    char *fresh = arena_printf(&arena, "%s/%s", top, name);
    assert_int_equal(system(arena_printf(&arena, "cp -r %s %s", folder, fresh)), 0);
    snprintf(folder, sizeof folder, "%s", fresh);
}

/* All findings, one a line, the folder left out. */
static const char *told(void)
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

static struct lineup *load_folder(void)
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

static struct lineup *lineup_of(const char *yaml)
{
    write_file(LINEUP_FILE, yaml, strlen(yaml));
    return load_folder();
}

static struct id128 id_of(const char *yaml)
{
    struct lineup *l = lineup_of(yaml);
    struct id128 id = lineup_id(l);
    lineup_free(&l);
    assert_null(l);
    return id;
}

static void assert_member(const struct lineup_member *m, const char *name, enum lineup_role role, double share)
{
    assert_true(str_is(m->name, name));
    assert_int_equal(m->role, role);
    assert_true(m->share == share);
    assert_true(str_is(bundle_spec(m->bundle)->name, name));
}

/* ---- what loads ---- */

static void a_bundle_is_a_lineup_of_one(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "%s/brand/b", top);
    struct lineup *l = load_folder();
    struct bundle *b = must_load();
    assert_true(id128_eq(lineup_id(l), bundle_id(b)));
    assert_int_equal(lineup_count(l), 1);
    const struct lineup_entry *e = lineup_entry(l, 0);
    assert_int_equal(e->member_count, 1);
    assert_int_equal(e->group_count + e->action_count, 0);
    assert_true(e->line == 0 && e->column == 0);
    assert_member(&e->members[0], "b", LINEUP_CHAMPION, 0);
    assert_ptr_equal(lineup_bundle(l), e->members[0].bundle);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(lineup_member_of(l, 0, str_from(arena_printf(&arena, "c%d", i))), 0);
    bundle_free(&b);
    lineup_free(&l);
    lineup_free(&l); /* of nothing */
}

static const char several[] = "salt: spring\n"
                              "models:\n"
                              "  - name: carts\n"
                              "    groups: [cart, wishlist]\n"
                              "    champion: a\n"
                              "    challengers:\n"
                              "      - {bundle: b, share: 0.25}\n"
                              "      - {bundle: c, share: 0.5}\n"
                              "    shadows: [d]\n"
                              "  - actions: [news_a]\n"
                              "    champion: d\n"
                              "    shadows: [a, b]\n"
                              "  - {champion: c}\n"
                              "  - {groups: [service], champion: a}\n";

static void several_entries(void **state)
{
    (void)state;
    struct lineup *l = lineup_of(several);
    assert_null(lineup_bundle(l));
    assert_int_equal(lineup_count(l), 4);
    static const struct {
        const char *name;
        int line, column;
        size_t groups, actions, members;
    } want[] = {{"carts", 3, 5, 2, 0, 4}, {"news_a", 10, 5, 0, 1, 3}, {"all", 13, 5, 0, 0, 1}, {"service", 14, 5, 1, 0, 1}};
    for (size_t i = 0; i < 4; i++) {
        const struct lineup_entry *e = lineup_entry(l, i);
        assert_true(str_is(e->name, want[i].name));
        assert_int_equal(e->line, want[i].line);
        assert_int_equal(e->column, want[i].column);
        assert_int_equal(e->group_count, want[i].groups);
        assert_int_equal(e->action_count, want[i].actions);
        assert_int_equal(e->member_count, want[i].members);
    }
    const struct lineup_entry *e = lineup_entry(l, 0), *second = lineup_entry(l, 1);
    assert_true(str_is(e->groups[0], "cart") && str_is(e->groups[1], "wishlist"));
    assert_true(str_is(second->actions[0], "news_a"));
    assert_member(&e->members[0], "a", LINEUP_CHAMPION, 0);
    assert_member(&e->members[1], "b", LINEUP_CHALLENGER, 0.25);
    assert_member(&e->members[2], "c", LINEUP_CHALLENGER, 0.5);
    assert_member(&e->members[3], "d", LINEUP_SHADOW, 0);
    assert_member(&second->members[0], "d", LINEUP_CHAMPION, 0);
    assert_member(&second->members[2], "b", LINEUP_SHADOW, 0);
    /* Loaded once each. */
    assert_ptr_equal(e->members[3].bundle, second->members[0].bundle);
    assert_ptr_equal(e->members[0].bundle, second->members[1].bundle);
    assert_ptr_equal(e->members[1].bundle, second->members[2].bundle);
    assert_ptr_equal(e->members[2].bundle, lineup_entry(l, 2)->members[0].bundle);
    lineup_free(&l);
}

/* As many as there may be: entries, names of an entry, members of one (here links to one bundle). */
static void as_much_as_is_allowed(void **state)
{
    (void)state;
    own_folder("much");
    const char *yaml = "models:\n";
    for (int i = 1; i < LINEUP_ENTRIES_MAX; i++)
        yaml = arena_printf(&arena, "%s  - {groups: [g%d], champion: a}\n", yaml, i);
    yaml = arena_printf(&arena, "%s  - champion: m0\n    shadows: [", yaml);
    for (int i = 0; i < LINEUP_MEMBERS_MAX; i++) {
        const char *name = arena_printf(&arena, "m%d", i);
        assert_int_equal(symlink("a", path_of(name)), 0);
        if (i)
            yaml = arena_printf(&arena, "%s%s%s", yaml, i > 1 ? ", " : "", name);
    }
    yaml = arena_printf(&arena, "%s]\n    actions: [n0", yaml);
    for (int i = 1; i < LINEUP_NAMES_MAX; i++)
        yaml = arena_printf(&arena, "%s, n%d", yaml, i);
    struct lineup *l = lineup_of(arena_printf(&arena, "%s]\n", yaml));
    const struct lineup_entry *last = lineup_entry(l, LINEUP_ENTRIES_MAX - 1);
    assert_int_equal(lineup_count(l), LINEUP_ENTRIES_MAX);
    assert_int_equal(last->member_count, LINEUP_MEMBERS_MAX);
    assert_int_equal(last->action_count, LINEUP_NAMES_MAX);
    assert_true(str_is(last->actions[LINEUP_NAMES_MAX - 1], "n1023"));
    lineup_free(&l);
}

/* ---- ids ---- */

static void the_id_is_of_models_yaml_and_of_the_bundles(void **state)
{
    (void)state;
    own_folder("ids");
    struct id128 id = id_of(several);
    assert_true(id128_eq(id, id_of(several)));
    /* One byte: an entry's, a share's, one that says nothing. */
    assert_false(id128_eq(id, id_of(arena_printf(&arena, "%s ", several))));
    for (size_t i = 0; i < 2; i++) {
        char *text = arena_strdup(&arena, several);
        *strstr(text, i ? "0.25" : "carts") = i ? '1' : 'b'; /* 1.25 is refused, so: */
        if (i)
            memcpy(strstr(text, "1.25"), "0.24", 4);
        assert_false(id128_eq(id, id_of(text)));
    }
    assert_true(id128_eq(id, id_of(several)));
    own_folder("ids_copy");
    struct lineup *l = load_folder();
    assert_true(id128_eq(id, lineup_id(l)));
    lineup_free(&l);
    write_file("README", "not looked at", 13);
    assert_int_equal(system(arena_printf(&arena, "rm -rf %s/liked %s/broken", folder, folder)), 0);
    assert_true(id128_eq(id, id_of(several)));
    /* A bundle that only shadows counts as any other. */
    static const char *const bundles[] = {"a", "b", "c", "d"};
    for (size_t i = 0; i < BUNDLES; i++) {
        const char *file = arena_printf(&arena, "%s/bundle.yaml", bundles[i]);
        edit(file, "version: \"1\"", "version: \"2\"");
        assert_false(id128_eq(id, id_of(several)));
        edit(file, "version: \"2\"", "version: \"1\"");
    }
    assert_true(id128_eq(id, id_of(several)));
    assert_int_equal(rename(path_of("a"), path_of("x")), 0);
    assert_int_equal(rename(path_of("b"), path_of("a")), 0);
    assert_int_equal(rename(path_of("x"), path_of("b")), 0);
    assert_false(id128_eq(id, id_of(several)));
}

/* ---- mistakes ---- */

/* Replaces the first occurrence. */
static char *replaced(const char *text, const char *from, const char *to)
{
    const char *at = strstr(text, from);
    if (!at)
        fail_msg("'%s' is not in:\n%s", from, text);
    return arena_printf(&arena, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
}

/* Refused with exactly these findings. */
static void assert_refused_lineup(const char *yaml, const char *findings)
{
    struct lineup *l = NULL;
    struct error e = {0};
    write_file(LINEUP_FILE, yaml, strlen(yaml));
    diags_init(&diags, &arena);
    int rc = lineup_load(&l, folder, &diags, &e);
    if (rc != ERR_INVALID || strcmp(told(), findings) != 0)
        fail_msg("%d (%s)\n%s--- got\n%s--- want\n%s", rc, e.text, yaml, told(), findings);
    assert_null(l);
    assert_int_equal(e.code, ERR_INVALID);
    assert_string_equal(e.text, arena_printf(&arena, "%s/" LINEUP_FILE " is refused: %zu error%s", folder, diags.errors,
                                             diags.errors == 1 ? "" : "s"));
}

struct mistake {
    const char *from, *to, *findings; /* at their places in models.yaml, one a line */
};

static const char *located(const char *findings)
{
    const char *all = "";
    for (const char *line = findings, *end; *line; line = *end ? end + 1 : end) {
        end = strchrnul(line, '\n');
        all = arena_printf(&arena, "%s%s%.*s\n", all, *line == '/' ? "" : "/" LINEUP_FILE ":", (int)(end - line), line);
    }
    return all;
}

static void make_mistakes(const char *yaml, const struct mistake *all, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_refused_lineup(replaced(yaml, all[i].from, all[i].to), located(all[i].findings));
}

static const char right[] = "models:\n"
                            "  - name: carts\n"
                            "    groups: [cart]\n"
                            "    champion: a\n"
                            "    challengers:\n"
                            "      - {bundle: b, share: 0.1}\n"
                            "    shadows: [c]\n"
                            "  - actions: [news]\n"
                            "    champion: d\n";

#define MAKE(yaml, all) make_mistakes(yaml, all, sizeof(all) / sizeof *(all))
#define ENTRY_KEYS "allowed: name, groups, actions, champion, challengers, shadows"
#define PLAIN_NAME "expected the plain name of a bundle's folder beside models.yaml: letters, digits, . _ -"

static void mistakes_of_the_whole(void **state)
{
    (void)state;
    struct lineup *l = lineup_of(right);
    lineup_free(&l);
    static const struct mistake all[] = {
        {right, "", "1:1: models.yaml needs 'models'"},
        {right, "salt: x\n", "1:1: models.yaml needs 'models'"},
        {right, "- champion: a\n", "1:1: expected a mapping for models.yaml, got a list"},
        {right, "a\n", "1:1: expected a mapping for models.yaml, got 'a'"},
        {right, "models: []\n", "1:9: 0 entries; allowed: 1 to 32"},
        {right, "models:\n", "1:8: expected a list for models, got nothing"},
        {right, "models: a\n", "1:9: expected a list for models, got 'a'"},
        {right, "models: {champion: a}\n", "1:9: expected a list for models, got a mapping"},
        {right, "models: [a]\n", "1:10: expected a mapping for an entry of models, got 'a'"},
        {right, "models: [{champion: a}, [b]]\n", "1:25: expected a mapping for an entry of models, got a list"},
        {"models:", "modles:",
         "1:1: unknown key 'modles' in models.yaml; did you mean models? allowed: salt, models\n"
         "1:1: models.yaml needs 'models'"},
        {"models:", "slat: x\nmodels:",
         "1:1: unknown key 'slat' in models.yaml; did you mean salt? allowed: salt, models"},
        {"models:", "challengers: []\nmodels:", "1:1: unknown key 'challengers' in models.yaml; allowed: salt, models"},
        {"models:", "salt: [x]\nmodels:", "1:7: expected text, got a list"},
        {"models:", "salt:\nmodels:", "1:6: expected text, got nothing"},
        /* Expected too, and not so: a key that stands twice (salt, models; champion in an entry) refuses the line-up.
         * Its finding is told ("2:1: duplicate key 'salt'; it stands at line 1 already"), but the line-up loads with
         * the first one. */
        {"[cart]", "&x [cart]", "3:13: anchors (&) are not allowed here; write the value where it is used"},
        {"[cart]", "[\xFF]", "3:14: not UTF-8: byte 0xff is not allowed here; save the file as UTF-8"},
    };
    MAKE(right, all);
}

static void mistakes_of_an_entry(void **state)
{
    (void)state;
    static const struct mistake all[] = {
        {"groups", "grops", "3:5: unknown key 'grops' in an entry of models; did you mean groups? " ENTRY_KEYS},
        {"champion: a", "champ: a",
         "4:5: unknown key 'champ' in an entry of models; " ENTRY_KEYS "\n"
         "2:5: an entry needs its 'champion', the folder of a bundle"},
        {"champion: a", "campion: a",
         "4:5: unknown key 'campion' in an entry of models; did you mean champion? " ENTRY_KEYS "\n"
         "2:5: an entry needs its 'champion', the folder of a bundle"},
        {"champion: d", "name: x", "8:5: an entry needs its 'champion', the folder of a bundle"},
        {"champion: a", "champion:", "4:14: expected text, got nothing"},
        {"champion: a", "champion: [a]", "4:15: expected text, got a list"},
        {"champion: a", "champion: {bundle: a}", "4:15: expected text, got a mapping"},
        {"name: carts", "name: [carts]", "2:11: expected text, got a list"},
        {"name: carts", "name:", "2:10: expected text, got nothing"},
        {"[cart]", "[]", "3:13: 0 groups; allowed: 1 to 1024"},
        {"[cart]", "cart", "3:13: expected a list for groups, got 'cart'"},
        {"[cart]", "[cart, [x]]", "3:20: expected text, got a list"},
        {"[cart]", "[cart, ~]", "3:20: expected text, got nothing"},
        {"[news]", "{news: 1}", "8:14: expected a list for actions, got a mapping"},
        {"[c]", "c", "7:14: expected a list for shadows, got 'c'"},
        {"[c]", "[{bundle: c}]", "7:15: expected text, got a mapping"},
    };
    MAKE(right, all);
}

static void mistakes_of_challengers(void **state)
{
    (void)state;
    static const struct mistake all[] = {
        {"0.1}", "1.5}", "6:28: expected a number from 0 to 1, got '1.5'"},
        {"0.1}", "-0.1}", "6:28: expected a number from 0 to 1, got '-0.1'"},
        {"0.1}", "ten}", "6:28: expected a number from 0 to 1, got 'ten'"},
        {"0.1}", "10%}", "6:28: expected a number from 0 to 1, got '10%'"},
        {"0.1}", "nan}", "6:28: expected a number from 0 to 1, got 'nan'"},
        {"0.1}", "\"0.1\"}", "6:29: expected a number from 0 to 1, got '0.1'; remove the quotes"},
        {"0.1}", "}", "6:28: expected a number from 0 to 1, got nothing"},
        {", share: 0.1", "", "6:9: a challenger needs 'bundle' and 'share'"},
        {"bundle: b, ", "", "6:9: a challenger needs 'bundle' and 'share'"},
        {"share: 0.1", "shares: 0.1",
         "6:21: unknown key 'shares' in a challenger; did you mean share? allowed: bundle, share\n"
         "6:9: a challenger needs 'bundle' and 'share'"},
        {"{bundle: b, share: 0.1}", "b", "6:9: expected a mapping for a challenger, got 'b'"},
        {"\n      - {bundle: b, share: 0.1}", " {bundle: b, share: 0.1}",
         "5:18: expected a list for challengers, got a mapping"},
        {"\n      - {bundle: b, share: 0.1}", " b", "5:18: expected a list for challengers, got 'b'"},
        {"0.1}\n", "0.1}\n      - {bundle: d, share: 0.91}\n",
         "7:28: the shares of this entry's challengers add up to 1.01; at most 1"},
        {"0.1}\n", "0.6}\n      - {bundle: d, share: 0.5}\n      - {bundle: liked, share: 0.2}\n",
         "7:28: the shares of this entry's challengers add up to 1.1; at most 1"},
        {"0.1}\n", "0.1}\n      - {bundle: a, share: 0.1}\n", "7:18: bundle a stands in this entry already"},
        {"0.1}\n", "0.1}\n      - {bundle: b, share: 0.1}\n", "7:18: bundle b stands in this entry already"},
        {"[c]", "[a]", "7:15: bundle a stands in this entry already"},
        {"[c]", "[b]", "7:15: bundle b stands in this entry already"},
        {"[c]", "[c, d, c]", "7:21: bundle c stands in this entry already"},
    };
    MAKE(right, all);
    /* These add up to 1, and in binary to a little more. */
    static const char one[] = "models:\n  - champion: a\n    challengers: [{bundle: b, share: 0.33}, "
                              "{bundle: c, share: 0.56}, {bundle: d, share: 0.11}]\n";
    struct lineup *l = lineup_of(one);
    lineup_free(&l);
}

static void names_of_folders(void **state)
{
    (void)state;
    static const char *const names[] = {"../a", "a/../b", "a/b",  "/etc", "..",    ".",      ".a",    "\"\"",
                                        "a b",  "\"a\\nb\"", "a\\b", "~/a",  "ü", "\"a\\0b\"", "a:b", "$HOME"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        int quote = names[i][0] == '"';
        assert_refused_lineup(replaced(right, "champion: a", arena_printf(&arena, "champion: %s", names[i])),
                              arena_printf(&arena, "/models.yaml:4:%d: " PLAIN_NAME "\n", 15 + quote));
        assert_refused_lineup(replaced(right, "bundle: b", arena_printf(&arena, "bundle: %s", names[i])),
                              arena_printf(&arena, "/models.yaml:6:%d: " PLAIN_NAME "\n", 18 + quote));
        assert_refused_lineup(replaced(right, "[c]", arena_printf(&arena, "[%s]", names[i])),
                              arena_printf(&arena, "/models.yaml:7:%d: " PLAIN_NAME "\n", 15 + quote));
    }
    char name[BUNDLE_TEXT_MAX + 2];
    memset(name, 'x', sizeof name);
    name[BUNDLE_TEXT_MAX + 1] = 0;
    assert_refused_lineup(replaced(right, "champion: a", arena_printf(&arena, "champion: %s", name)),
                          "/models.yaml:4:15: " PLAIN_NAME "\n");
}

static void mistakes_between_entries(void **state)
{
    (void)state;
    static const struct mistake all[] = {
        {"actions: [news]", "groups: [x, cart]", "8:13: group cart stands in another entry already"},
        {"groups: [cart]", "actions: [x, news]", "8:14: action news stands in another entry already"},
        {"actions: [news]", "actions: [news, x]\n    name: carts",
         "8:5: two entries called carts; give one another name"},
        {"actions: [news]", "groups: [carts]", "8:5: two entries called carts; give one another name"},
    };
    MAKE(right, all);
    assert_refused_lineup("models:\n  - {name: x, champion: a}\n  - {champion: b}\n  - {name: y, champion: c}\n",
                          "/models.yaml:3:5: two entries without groups and actions; the one at line 2 scores the rest "
                          "already\n"
                          "/models.yaml:4:5: two entries without groups and actions; the one at line 2 scores the rest "
                          "already\n"
                          "/models.yaml:4:5: two entries without groups and actions; the one at line 3 scores the rest "
                          "already\n");
    assert_refused_lineup("models: [{champion: a}, {groups: [all], champion: b}]\n",
                          "/models.yaml:1:25: two entries called all; give one another name\n");
    /* A name may be a group's in one entry and an action's in another. */
    struct lineup *l = lineup_of("models: [{groups: [x], champion: a}, {name: y, actions: [x], champion: a}]\n");
    lineup_free(&l);
}

static void bundles_that_cannot_serve(void **state)
{
    (void)state;
#define BROKEN "/broken/golden.csv:2:3: golden row 1: margin is 7 here, but the model gives 1\n"
    static const struct mistake all[] = {
        {"champion: a", "champion: zz", "/zz:0:0: no such folder\n4:15: bundle zz cannot serve; see its own findings"},
        {"bundle: b", "bundle: zz", "/zz:0:0: no such folder\n6:18: bundle zz cannot serve; see its own findings"},
        {"[c]", "[zz]", "/zz:0:0: no such folder\n7:15: bundle zz cannot serve; see its own findings"},
        {"champion: a", "champion: broken", BROKEN "4:15: bundle broken cannot serve; see its own findings"},
        /* Its findings are told once. */
        {"[c]\n", "[broken]\n  - {groups: [x], champion: broken}\n",
         BROKEN "7:15: bundle broken cannot serve; see its own findings"},
        /* Two of them, and a mistake beside them. */
        {"[c]", "[broken, zz, c, b]",
         BROKEN "7:15: bundle broken cannot serve; see its own findings\n/zz:0:0: no such folder\n"
                "7:23: bundle zz cannot serve; see its own findings\n7:30: bundle b stands in this entry already"},
    };
    MAKE(right, all);
    struct lineup *l = NULL;
    struct error e = {0};
    strcat(folder, "/broken");
    assert_int_equal(lineup_load(&l, folder, &diags, &e), ERR_INVALID);
    assert_null(l);
    strcat(folder, "/none");
    assert_int_equal(lineup_load(&l, folder, &diags, &e), ERR_NOTFOUND);
    assert_null(l);
    assert_non_null(strstr(e.text, "no such folder"));
}

static void more_than_is_allowed(void **state)
{
    (void)state;
    own_folder("more");
    const char *yaml = "models:\n";
    for (int i = 0; i <= LINEUP_ENTRIES_MAX; i++)
        yaml = arena_printf(&arena, "%s  - {groups: [g%d], champion: a}\n", yaml, i);
    assert_refused_lineup(yaml, "/models.yaml:2:3: 33 entries; allowed: 1 to 32\n");
    yaml = "models:\n  - champion: a\n    shadows:\n";
    for (int i = 0; i < LINEUP_MEMBERS_MAX; i++) {
        const char *name = arena_printf(&arena, "s%d", i);
        assert_int_equal(symlink("a", path_of(name)), 0);
        yaml = arena_printf(&arena, "%s      - %s\n", yaml, name);
    }
    assert_refused_lineup(yaml, "/models.yaml:19:9: more than 16 bundles in one entry\n");
    yaml = "models:\n  - champion: a\n    groups: [x";
    for (int i = 0; i < LINEUP_NAMES_MAX; i++)
        yaml = arena_printf(&arena, "%s, n%d", yaml, i);
    assert_refused_lineup(arena_printf(&arena, "%s]\n", yaml), "/models.yaml:3:13: 1025 groups; allowed: 1 to 1024\n");
    unlink(path_of(LINEUP_FILE));
    assert_int_equal(mkdir(path_of(LINEUP_FILE), 0755), 0);
    struct lineup *l = NULL;
    struct error e = {0};
    assert_int_equal(lineup_load(&l, folder, &diags, &e), ERR_INVALID);
}

/* ---- shares ---- */

static struct str customer(int i)
{
    static char text[32];
    return (struct str){text, (size_t)snprintf(text, sizeof text, "customer-%d", i)};
}

/* Which member each customer has. */
static uint8_t *members_of(const struct lineup *l, size_t entry)
{
    uint8_t *of = arena_alloc(&arena, CUSTOMERS);
    assert_non_null(of);
    for (int i = 0; i < CUSTOMERS; i++)
        of[i] = (uint8_t)lineup_member_of(l, entry, customer(i));
    return of;
}

static uint8_t *members_by(const char *yaml)
{
    struct lineup *l = lineup_of(yaml);
    uint8_t *of = members_of(l, 0);
    lineup_free(&l);
    return of;
}

/* So many of the customers as a chance says, but for four standard deviations. */
static void assert_part(size_t count, double chance)
{
    double expected = CUSTOMERS * chance, most = 4 * sqrt(CUSTOMERS * chance * (1 - chance));
    if (fabs((double)count - expected) > most)
        fail_msg("%zu, expected %g within %g", count, expected, most);
}

static size_t count_of(const uint8_t *of, uint8_t member)
{
    size_t count = 0;
    for (int i = 0; i < CUSTOMERS; i++)
        count += of[i] == member;
    return count;
}

static void parts_are_as_the_shares_say(void **state)
{
    (void)state;
    static const struct {
        double b, c, d;
    } shares[] = {{0.1, 0.25, 0.05}, {0.001, 0.5, 0.499}, {0.3, 0.3, 0.4}, {0, 1, 0}, {0, 0, 0}, {0.5, 0, 0.25}};
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
        double parts[] = {1 - shares[i].b - shares[i].c - shares[i].d, shares[i].b, shares[i].c, shares[i].d};
        const uint8_t *of = members_by(arena_printf(
            &arena,
            "salt: s%zu\nmodels:\n  - champion: a\n    shadows: [liked]\n    challengers: [{bundle: b, share: %.17g}, "
            "{bundle: c, share: %.17g}, {bundle: d, share: %.17g}]\n",
            i, parts[1], parts[2], parts[3]));
        size_t counts[BUNDLES], sum = 0;
        for (uint8_t k = 0; k < BUNDLES; k++) {
            counts[k] = count_of(of, k);
            sum += counts[k];
            assert_part(counts[k], parts[k] < 1e-12 ? 0 : parts[k]);
        }
        assert_int_equal(sum, CUSTOMERS); /* none is served by the shadow */
    }
}

#define HALF "salt: spring\nmodels:\n  - {name: carts, champion: a, challengers: [{bundle: b, share: 0.5}]}\n"

static void every_server_gives_the_same(void **state)
{
    (void)state;
    const uint8_t *here = members_by(HALF);
    assert_memory_equal(members_by(HALF), here, CUSTOMERS);
    own_folder("server");
    assert_memory_equal(members_by(HALF), here, CUSTOMERS);
    /* Neither the bundles nor what stands beside the entry count. */
    assert_memory_equal(members_by("salt: spring\nmodels:\n  - name: carts\n    champion: d\n    shadows: [a]\n"
                                   "    challengers: [{bundle: c, share: 0.5}]\n    groups: [x]\n  - champion: b\n"),
                        here, CUSTOMERS);
    /* At every time: bit i is set where customer-i has the challenger, by XXH3 (libxxhash itself) of its id, seeded with
     * that of the entry's name, seeded with that of the salt. */
    uint64_t first = 0;
    for (int i = 0; i < 64; i++)
        first |= (uint64_t)here[i] << i;
    assert_int_equal(first, UINT64_C(0xfe94c058b7342e13));
}

static void another_salt_draws_anew(void **state)
{
    (void)state;
    static const char text[] = "models:\n  - {name: carts, champion: a, challengers: [{bundle: b, share: 0.25}]}\n";
    const char *const salts[] = {"", "salt: spring\n", "salt: sprinh\n", "salt: \"\"\n"};
    const uint8_t *of[4];
    for (size_t i = 0; i < 4; i++)
        of[i] = members_by(arena_printf(&arena, "%s%s", salts[i], text));
    for (size_t i = 0; i < 3; i++) {
        assert_part(count_of(of[i], 1), 0.25);
        for (size_t k = 0; k < i; k++) {
            size_t both = 0;
            for (int c = 0; c < CUSTOMERS; c++)
                both += of[i][c] && of[k][c];
            assert_part(both, 0.25 * 0.25);
        }
    }
    assert_memory_equal(of[0], of[3], CUSTOMERS); /* none is an empty one */
}

/* Who has another model afterwards had the champion and has got this member: so many of the customers. */
static void assert_moved(const uint8_t *before, const uint8_t *after, uint8_t member, double part)
{
    size_t moved = 0;
    for (int i = 0; i < CUSTOMERS; i++) {
        if (before[i] == after[i])
            continue;
        assert_int_equal(before[i], 0);
        assert_int_equal(after[i], member);
        moved++;
    }
    assert_part(moved, part);
}

#define WITH(challengers) "models:\n  - {champion: a, challengers: [" challengers "], shadows: [liked]}\n"
#define B1 "{bundle: b, share: 0.1}"

static void raising_the_last_share_takes_from_the_champion(void **state)
{
    (void)state;
    const uint8_t *none = members_by(WITH(""));
    const uint8_t *one = members_by(WITH(B1));
    const uint8_t *two = members_by(WITH(B1 ", {bundle: c, share: 0.2}"));
    const uint8_t *raised = members_by(WITH(B1 ", {bundle: c, share: 0.35}"));
    const uint8_t *three = members_by(WITH(B1 ", {bundle: c, share: 0.35}, {bundle: d, share: 0.25}"));
    const uint8_t *all = members_by(WITH(B1 ", {bundle: c, share: 0.35}, {bundle: d, share: 0.55}"));
    assert_int_equal(count_of(none, 0), CUSTOMERS);
    assert_moved(none, one, 1, 0.1);
    assert_moved(one, two, 2, 0.2);
    assert_moved(two, raised, 2, 0.15);
    assert_moved(raised, three, 3, 0.25);
    assert_moved(three, all, 3, 0.3);
    assert_int_equal(count_of(all, 0), 0);
}

static void entries_draw_by_themselves(void **state)
{
    (void)state;
    struct lineup *l = lineup_of("salt: x\nmodels:\n"
                                 "  - {groups: [g], champion: a, challengers: [{bundle: b, share: 0.3}]}\n"
                                 "  - {groups: [h], champion: a, challengers: [{bundle: b, share: 0.4}]}\n"
                                 "  - {name: gg, champion: a, challengers: [{bundle: b, share: 0.3}]}\n");
    const double shares[] = {0.3, 0.4, 0.3};
    const uint8_t *of[3];
    for (size_t i = 0; i < 3; i++) {
        of[i] = members_of(l, i);
        assert_part(count_of(of[i], 1), shares[i]);
    }
    for (size_t i = 0; i < 3; i++)
        for (size_t k = 0; k < i; k++) {
            size_t counts[2][2] = {{0}};
            for (int c = 0; c < CUSTOMERS; c++)
                counts[of[i][c]][of[k][c]]++;
            for (int cell = 0; cell < 4; cell++)
                assert_part(counts[cell / 2][cell % 2], (cell / 2 ? shares[i] : 1 - shares[i]) *
                                                            (cell % 2 ? shares[k] : 1 - shares[k]));
        }
    lineup_free(&l);
}

/* ---- bound to a policy ---- */

static const char policy_text[] = "brand: {name: T, time_zone: UTC, locales: [en]}\n"
                                  "profile: {likes: string}\n"
                                  "channels: {web: {direction: inbound}}\n"
                                  "features:\n"
                                  "  liked: {expr: \"profile.likes == action.category\"}\n"
                                  "actions:\n"
                                  "  - {id: cart_a, issue: i, group: cart, purpose: service, value: 1,\n"
                                  "     features: {size: 1, category: dress}, treatments: [{channel: web, body: x}]}\n"
                                  "  - {id: wish_a, issue: i, group: wishlist, purpose: service, value: 1,\n"
                                  "     features: {size: 1, category: shirt}, treatments: [{channel: web, body: x}]}\n"
                                  "  - {id: news_a, issue: i, group: news, purpose: service, value: 1,\n"
                                  "     features: {size: 3, category: dress}, treatments: [{channel: web, body: x}]}\n"
                                  "  - {id: cart_b, issue: i, group: cart, purpose: service, value: 1,\n"
                                  "     features: {size: 2, category: shirt}, treatments: [{channel: web, body: x}]}\n"
                                  "  - {id: news_b, issue: i, group: news, purpose: service, value: 1,\n"
                                  "     features: {category: dress}, treatments: [{channel: web, body: x}]}\n";
enum { CART_A, WISH_A, NEWS_A, CART_B, NEWS_B };

/* A line-up, bound, and what scoring looks at: a customer who likes dresses. */
struct bound {
    struct policy *policy;
    struct lineup *lineup;
    struct lineup_binding *binding;
    struct expr_source source;
    struct expr_eval ev;
    uint32_t action;
};

static struct value load_slot(void *ctx, uint32_t slot, int64_t now_ms)
{
    const struct bound *b = ctx;
    const struct policy_slot *s = &b->policy->slots[slot];
    (void)now_ms;
    if (s->kind == SLOT_ACTION)
        return b->policy->actions[b->action].fields[s->index];
    assert_int_equal(s->kind, SLOT_ATTRIBUTE);
    return value_string(STR("dress"));
}

static void look_at(void *ctx, uint32_t action)
{
    ((struct bound *)ctx)->action = action;
}

static struct policy *policy_of(const char *yaml)
{
    const struct policy_text file = {"policy.yaml", str_from(yaml)};
    diags_init(&diags, &arena);
    struct policy *p = policy_load_texts("p", &file, 1, zones, POLICY_MEMORY_MAX, &diags);
    if (!p)
        fail_msg("%s", told());
    return p;
}

/* The findings of binding are in diags. yaml NULL: what the folder is. */
static void bind_lineup(struct bound *b, const char *policy, const char *yaml)
{
    *b = (struct bound){.policy = policy_of(policy), .lineup = yaml ? lineup_of(yaml) : load_folder()};
    b->source = (struct expr_source){b, load_slot, NULL, zones, look_at};
    assert_int_equal(expr_eval_init(&b->ev, b->policy->program, &b->source, 0, &arena), 0);
    b->binding = lineup_bind(b->lineup, b->policy, &diags);
}

static void unbind(struct bound *b)
{
    lineup_binding_free(&b->binding);
    assert_null(b->binding);
    lineup_free(&b->lineup);
    policy_free(&b->policy);
}

/* The score of each of the policy's actions for a customer, NAN for one that is not known; asked for all at once, and then in
 * every choice of them and from back to front. */
static void assert_scores(struct bound *b, int who, const double want[ACTIONS])
{
    for (unsigned set = 1; set < 1u << (ACTIONS + 1); set++) {
        uint32_t actions[ACTIONS];
        struct model_score out[ACTIONS];
        struct error e = {0};
        size_t n = 0;
        for (uint32_t k = 0; k < ACTIONS; k++) {
            uint32_t action = set >> ACTIONS ? ACTIONS - 1 - k : k;
            if (set >> action & 1)
                actions[n++] = action;
        }
        memset(out, 0x55, sizeof out);
        if (lineup_score(b->binding, customer(who), &b->ev, actions, n, &arena, out, &e))
            fail_msg("%s", e.text);
        for (size_t i = 0; i < n; i++) {
            double is = out[i].known ? out[i].propensity : NAN, was = want[actions[i]];
            if (!(is == was || (isnan(is) && isnan(was))) || (out[i].known && out[i].baseline != 0))
                fail_msg("action %u of set %x: got %g, want %g", actions[i], set, is, was);
        }
    }
}

static void which_entry_scores_which_action(void **state)
{
    (void)state;
    static const struct {
        const char *models;
        double scores[ACTIONS];
    } all[] = {
        {"{champion: a}", {1, 1, 1.25, 1.25, 1}},
        {"{groups: [cart], champion: b}", {2, NAN, NAN, 2.25, NAN}},
        {"{groups: [cart], champion: b}, {champion: a}", {2, 1, 1.25, 2.25, 1}},
        {"{champion: a}, {groups: [cart, news], champion: b}", {2, 1, 2.25, 2.25, 2}},
        /* An action that is named, before its group's entry and behind it, and in the entry itself. */
        {"{groups: [cart], champion: b}, {actions: [cart_b], champion: c}", {2, NAN, NAN, 3.25, NAN}},
        {"{actions: [cart_b, news_a], champion: c}, {groups: [cart], champion: b}, {champion: d}", {2, 4, 3.25, 3.25, 4}},
        {"{actions: [cart_b], groups: [news, cart], champion: c}", {3, NAN, 3.25, 3.25, 3}},
        {"{groups: [cart], actions: [wish_a], champion: b}, {groups: [wishlist], champion: c}", {2, 2, NAN, 2.25, NAN}},
        {"{groups: [wishlist], champion: c}, {groups: [cart], actions: [wish_a], champion: b}", {2, 2, NAN, 2.25, NAN}},
        /* A model that looks at pairs, beside one that does not. */
        {"{groups: [news], champion: liked}, {actions: [cart_b, cart_a], champion: b}", {2, NAN, 8, 2.25, 8}},
        {"{champion: liked}, {actions: [news_b], champion: a}", {8, 0, 8, 0, 1}},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct bound b;
        bind_lineup(&b, policy_text, arena_printf(&arena, "models: [%s]\n", all[i].models));
        assert_string_equal(told(), "");
        assert_non_null(b.binding);
        assert_true(lineup_has_uses(b.binding));
        char id[ID128_TEXT];
        id128_text(lineup_id(b.lineup), id);
        assert_string_equal(lineup_binding_id(b.binding), id);
        assert_scores(&b, (int)i, all[i].scores);
        lineup_warm(b.binding, &arena);
        assert_int_equal(lineup_shadow_count(b.binding), 0);
        unbind(&b);
    }
}

static void one_bundle_scores_all(void **state)
{
    (void)state;
    struct bound b;
    snprintf(folder, sizeof folder, "%s/brand/c", top);
    bind_lineup(&b, policy_text, NULL);
    assert_false(lineup_has_uses(b.binding));
    assert_int_equal(lineup_shadow_count(b.binding), 0);
    char id[ID128_TEXT];
    id128_text(bundle_id(lineup_bundle(b.lineup)), id);
    assert_string_equal(lineup_binding_id(b.binding), id);
    assert_scores(&b, 1, (const double[]){3, 3, 3.25, 3.25, 3});
    lineup_warm(b.binding, &arena);
    unbind(&b);
}

static void assert_use(const struct model_use *u, const char *entry, const struct lineup_member *m)
{
    char id[ID128_TEXT];
    id128_text(bundle_id(m->bundle), id);
    assert_true(str_is(u->entry, entry));
    assert_true(str_eq(u->bundle, m->name));
    assert_string_equal(u->bundle_id, id);
    assert_int_equal(u->challenger, m->role == LINEUP_CHALLENGER);
}

/* Two entries with challengers: customers of each pair of members, and one whose entry has none. */
static void champions_and_challengers(void **state)
{
    (void)state;
    struct bound b;
    bind_lineup(&b, policy_text,
                "models:\n"
                "  - {name: carts, groups: [cart], champion: a, challengers: [{bundle: b, share: 0.3}, "
                "{bundle: liked, share: 0.3}], shadows: [d]}\n"
                "  - {champion: c, challengers: [{bundle: d, share: 0.5}]}\n"
                "  - {actions: [news_b], champion: b}\n");
    assert_string_equal(told(), "");
    static const double carts[3][2] = {{1, 1.25}, {2, 2.25}, {8, 0}}, rest[2] = {3, 4};
    bool seen[3][2] = {{false}};
    for (int i = 0; i < 100; i++) {
        size_t first = lineup_member_of(b.lineup, 0, customer(i)), second = lineup_member_of(b.lineup, 1, customer(i));
        struct model_use uses[MODEL_USES_MAX];
        if (seen[first][second])
            continue;
        seen[first][second] = true;
        assert_scores(&b, i, (const double[]){carts[first][0], rest[second], rest[second] + 0.25, carts[first][1], 2});
        assert_int_equal(lineup_uses(b.binding, customer(i), uses, MODEL_USES_MAX), 3);
        assert_use(&uses[0], "carts", &lineup_entry(b.lineup, 0)->members[first]);
        assert_use(&uses[1], "all", &lineup_entry(b.lineup, 1)->members[second]);
        assert_use(&uses[2], "news_b", &lineup_entry(b.lineup, 2)->members[0]);
        memset(uses, 0, sizeof uses);
        assert_int_equal(lineup_uses(b.binding, customer(i), uses, 1), 1);
        assert_use(&uses[0], "carts", &lineup_entry(b.lineup, 0)->members[first]);
        assert_true(uses[1].bundle.n == 0); /* no more than was asked for */
    }
    for (int i = 0; i < 6; i++)
        assert_true(seen[i / 2][i % 2]);
    unbind(&b);
}

static void shadows_score_what_their_entry_scores(void **state)
{
    (void)state;
    struct bound b;
    bind_lineup(&b, policy_text,
                "models:\n"
                "  - {groups: [cart], champion: a, shadows: [d, liked]}\n"
                "  - {actions: [cart_b, wish_a], champion: c, shadows: [a]}\n");
    static const struct {
        const char *entry, *bundle;
        size_t at, member;
        double scores[ACTIONS];
    } want[] = {{"cart", "d", 0, 1, {4, NAN, NAN, NAN, NAN}},
                {"cart", "liked", 0, 2, {8, NAN, NAN, NAN, NAN}},
                {"cart_b", "a", 1, 1, {NAN, 1, NAN, 1.25, NAN}}};
    assert_int_equal(lineup_shadow_count(b.binding), 3);
    for (size_t i = 0; i < 3; i++) {
        struct lineup_shadow s = lineup_shadow(b.binding, i);
        struct model_score out[ACTIONS];
        struct error e = {0};
        const uint32_t actions[] = {NEWS_B, CART_B, CART_A, WISH_A, NEWS_A};
        char id[ID128_TEXT];
        id128_text(bundle_id(lineup_entry(b.lineup, want[i].at)->members[want[i].member].bundle), id);
        assert_true(str_is(s.entry, want[i].entry) && str_is(s.bundle, want[i].bundle) && s.at == i);
        assert_string_equal(s.bundle_id, id);
        memset(out, 0x55, sizeof out);
        assert_int_equal(lineup_shadow_score(b.binding, i, &b.ev, actions, ACTIONS, &arena, out, &e), 0);
        for (size_t k = 0; k < ACTIONS; k++) {
            double was = want[i].scores[actions[k]];
            assert_int_equal(out[k].known, !isnan(was));
            assert_true(!out[k].known || out[k].propensity == was);
        }
    }
    assert_scores(&b, 0, (const double[]){1, 3, NAN, 3.25, NAN}); /* as if they were not there */
    lineup_warm(b.binding, &arena);
    unbind(&b);
}

static void names_that_the_policy_lacks(void **state)
{
    (void)state;
    static const struct {
        const char *models, *findings;
    } all[] = {
        {"{groups: [crat, wishlist], champion: a}",
         "warning: /models.yaml:2:5: the policy has no action of group 'crat'; did you mean cart?\n"},
        {"{groups: [sports], champion: a}", "warning: /models.yaml:2:5: the policy has no action of group 'sports'\n"},
        {"{actions: [cart_c], champion: a}",
         "warning: /models.yaml:2:5: the policy has no action 'cart_c'; did you mean cart_a?\n"},
        {"{champion: a}\n  - {actions: [x, wisha], champion: b, groups: [nws]}",
         "warning: /models.yaml:3:5: the policy has no action 'x'\n"
         "warning: /models.yaml:3:5: the policy has no action 'wisha'; did you mean wish_a?\n"
         "warning: /models.yaml:3:5: the policy has no action of group 'nws'; did you mean news?\n"},
        /* A group is no action, and the other way round. */
        {"{groups: [wish_a], actions: [wishlist], champion: b}",
         "warning: /models.yaml:2:5: the policy has no action 'wishlist'\n"
         "warning: /models.yaml:2:5: the policy has no action of group 'wish_a'\n"},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct bound b;
        bind_lineup(&b, policy_text, arena_printf(&arena, "models:\n  - %s\n", all[i].models));
        assert_string_equal(told(), all[i].findings);
        assert_non_null(b.binding);
        unbind(&b);
    }
}

/* Every bundle's findings, and no binding. */
static void bundles_that_do_not_fit_the_policy(void **state)
{
    (void)state;
    char *text = arena_strdup(&arena, policy_text), *at;
    while ((at = strstr(text, "size: ")))
        memcpy(at, "mass: ", 6);
    struct bound b;
    bind_lineup(&b, text, "models:\n  - {groups: [cart], champion: d}\n"
                          "  - {champion: liked, challengers: [{bundle: b, share: 0.1}], shadows: [a]}\n");
    assert_null(b.binding);
    static const char *const files[] = {"/d/bundle.yaml", "/b/bundle.yaml", "/a/bundle.yaml"};
    assert_int_equal(diags.errors, 3);
    assert_int_equal(diags.warnings, 0);
    for (int i = 0; i < 3; i++) {
        assert_string_equal(diags.items[i].file + strlen(folder), files[i]);
        assert_string_equal(diags.items[i].text, "feature size: no action of the policy has this attribute");
    }
    unbind(&b);
}

static void an_arena_that_is_full(void **state)
{
    (void)state;
    struct bound b;
    struct arena small;
    const uint32_t actions[] = {CART_A, NEWS_A};
    bind_lineup(&b, policy_text, "models: [{groups: [cart], champion: a, shadows: [b]}, {champion: c}]\n");
    size_t limit = 0;
    for (int rc = -1; rc; limit += 16) {
        struct model_score out[2];
        struct error e = {0};
        arena_init(&small, limit);
        rc = lineup_score(b.binding, customer(0), &b.ev, actions, 2, &small, out, &e);
        assert_true(rc == 0 || rc == ERR_NOSPACE);
        assert_int_equal(e.code, rc);
        assert_true(rc || (out[0].known && out[0].propensity == 1 && out[1].propensity == 3.25));
        arena_free(&small);
    }
    assert_true(limit > 32);
    unbind(&b);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_bundle_is_a_lineup_of_one),
        TEST(several_entries),
        TEST(as_much_as_is_allowed),
        TEST(the_id_is_of_models_yaml_and_of_the_bundles),
        TEST(mistakes_of_the_whole),
        TEST(mistakes_of_an_entry),
        TEST(mistakes_of_challengers),
        TEST(names_of_folders),
        TEST(mistakes_between_entries),
        TEST(bundles_that_cannot_serve),
        TEST(more_than_is_allowed),
        TEST(parts_are_as_the_shares_say),
        TEST(every_server_gives_the_same),
        TEST(another_salt_draws_anew),
        TEST(raising_the_last_share_takes_from_the_champion),
        TEST(entries_draw_by_themselves),
        TEST(which_entry_scores_which_action),
        TEST(one_bundle_scores_all),
        TEST(champions_and_challengers),
        TEST(shadows_score_what_their_entry_scores),
        TEST(names_that_the_policy_lacks),
        TEST(bundles_that_do_not_fit_the_policy),
        TEST(an_arena_that_is_full),
    };
    return cmocka_run_group_tests(tests, make_all, remove_all);
}
