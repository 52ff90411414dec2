/* Line-ups: what loads and as what, ids, every mistake in models.yaml with its place and words, and which customer has which
 * model. Shares are counted over CUSTOMERS ids and may be off by four standard deviations; hashes do not change, so what passes
 * once passes always.
 * SPDX-License-Identifier: Apache-2.0 */
#include "lineup_folder.h"

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
         "1:1: unknown key 'modles' in models.yaml; did you mean models? allowed: salt, models"},
        {"models:", "slat: x\nmodels:",
         "1:1: unknown key 'slat' in models.yaml; did you mean salt? allowed: salt, models"},
        {"models:", "challengers: []\nmodels:", "1:1: unknown key 'challengers' in models.yaml; allowed: salt, models"},
        {"models:", "salt: [x]\nmodels:", "1:7: expected text, got a list"},
        {"models:", "salt:\nmodels:", "1:6: expected text, got nothing"},
        {"models:", "salt: a\nsalt: b\nmodels:", "2:1: duplicate key 'salt'; it stands at line 1 already"},
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
         "4:5: unknown key 'campion' in an entry of models; did you mean champion? " ENTRY_KEYS},
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
         "6:21: unknown key 'shares' in a challenger; did you mean share? allowed: bundle, share"},
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
    };
    return cmocka_run_group_tests(tests, make_all, remove_all);
}
