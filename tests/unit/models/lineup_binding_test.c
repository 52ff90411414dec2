/* Line-ups bound to a policy: which entry scores which action, by which model for which customer, shadows, and what is told of names
 * that the policy lacks.
 * SPDX-License-Identifier: Apache-2.0 */
#include "lineup_folder.h"

enum { ACTIONS = 5 };

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

/* The finding where some actions have no score. */
static const char *unclaimed(const double scores[ACTIONS])
{
    static const char *const ids[ACTIONS] = {"cart_a", "wish_a", "news_a", "cart_b", "news_b"};
    const char *list = "";
    int n = 0;
    for (int i = 0; i < ACTIONS; i++)
        if (isnan(scores[i]))
            list = arena_printf(&arena, "%s%s%s", list, n++ ? ", " : "", ids[i]);
    return n ? arena_printf(&arena,
                            "warning: /models.yaml:1:10: %d of the policy's 5 actions are in no entry of the line-up and have no "
                            "model, so they count with their starting propensity: %s\n", n, list)
             : "";
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
        assert_string_equal(told(), unclaimed(all[i].scores));
        assert_non_null(b.binding);
        assert_true(lineup_has_uses(b.binding));
        char id[ID128_TEXT];
        id128_text(lineup_id(b.lineup), id);
        assert_string_equal(lineup_binding_id(b.binding), id);
        assert_scores(&b, (int)i, all[i].scores);
        assert_int_equal(lineup_warm(b.binding, &arena, &(struct error){0}), 0);
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
    assert_string_equal(told(), "");
    assert_false(lineup_has_uses(b.binding));
    assert_int_equal(lineup_shadow_count(b.binding), 0);
    char id[ID128_TEXT];
    id128_text(bundle_id(lineup_bundle(b.lineup)), id);
    assert_string_equal(lineup_binding_id(b.binding), id);
    assert_scores(&b, 1, (const double[]){3, 3, 3.25, 3.25, 3});
    assert_int_equal(lineup_warm(b.binding, &arena, &(struct error){0}), 0);
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
    assert_int_equal(lineup_warm(b.binding, &arena, &(struct error){0}), 0);
    unbind(&b);
}

static void names_that_the_policy_lacks(void **state)
{
    (void)state;
    static const struct {
        const char *models, *findings;
    } all[] = {
        {"{groups: [crat, wishlist], champion: a}\n  - {champion: d}",
         "warning: /models.yaml:2:5: the policy has no action of group 'crat'; did you mean cart?\n"},
        {"{groups: [sports], champion: a}\n  - {champion: d}",
         "warning: /models.yaml:2:5: the policy has no action of group 'sports'\n"},
        {"{actions: [cart_c], champion: a}\n  - {champion: d}",
         "warning: /models.yaml:2:5: the policy has no action 'cart_c'; did you mean cart_a?\n"},
        {"{champion: a}\n  - {actions: [x, wisha], champion: b, groups: [nws]}",
         "warning: /models.yaml:3:5: the policy has no action 'x'\n"
         "warning: /models.yaml:3:5: the policy has no action 'wisha'; did you mean wish_a?\n"
         "warning: /models.yaml:3:5: the policy has no action of group 'nws'; did you mean news?\n"},
        /* A group is no action, and the other way round. */
        {"{groups: [wish_a], actions: [wishlist], champion: b}\n  - {champion: d}",
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

/* All are counted, the first eight named, none that an entry or the rest has. */
static void actions_that_no_entry_names(void **state)
{
    (void)state;
    struct bound b;
    const char *policy = policy_text;
    for (int i = 0; i < 8; i++)
        policy = arena_printf(&arena, "%s  - {id: more_%d, issue: i, group: news, purpose: service, value: 1, features: {size: 1}, "
                                      "treatments: [{channel: web, body: x}]}\n", policy, i);
    bind_lineup(&b, policy, "models:\n  - {groups: [cart], champion: a}\n  - {actions: [more_1], champion: b}\n");
    assert_string_equal(told(), "warning: /models.yaml:2:5: 10 of the policy's 13 actions are in no entry of the line-up and "
                                "have no model, so they count with their starting propensity: wish_a, news_a, news_b, more_0, more_2, "
                                "more_3, more_4, more_5 and 2 more\n");
    unbind(&b);
    bind_lineup(&b, policy, "models:\n  - {groups: [cart], champion: a}\n  - {champion: b}\n");
    assert_string_equal(told(), "");
    unbind(&b);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(which_entry_scores_which_action),
        TEST(one_bundle_scores_all),
        TEST(champions_and_challengers),
        TEST(shadows_score_what_their_entry_scores),
        TEST(names_that_the_policy_lacks),
        TEST(actions_that_no_entry_names),
        TEST(bundles_that_do_not_fit_the_policy),
        TEST(an_arena_that_is_full),
    };
    return cmocka_run_group_tests(tests, make_all, remove_all);
}
