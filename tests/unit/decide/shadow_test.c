/* What a shadow would have made of a decision, against a recomputation of this file's own: which actions compete, what each
 * is worth with the shadow's propensities, which comes first. The models are tables of scores; all numbers are dyadic, so
 * that sums and products are exact and ties are ties.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"
#include "decide/shadow.h"
#include <math.h>

enum { ACTIONS = 8, ROUNDS = 3000 };

static const char policy_text[] =
    "brand: {name: T, time_zone: UTC, locales: [en]}\n"
    "profile: {gold: bool, stop: bool, name: string, likes: string}\n"
    "channels: {web: {direction: inbound}, mail: {direction: outbound, consent: [], cost: 0.25}}\n"
    "features: {liked: {expr: \"profile.likes == action.kind\"}}\n"
    "suppressions: [{id: s, when: \"profile.stop\", block: {group: held}, on_unknown: allow}]\n"
    "actions:\n"
#define TREATED "treatments: [{channel: web, body: x}, {channel: mail, body: x}]}\n"
    "  - {id: zebra, issue: i, group: g, purpose: service, value: 4, features: {kind: hat}, " TREATED
    "  - {id: ant, issue: i, group: g, purpose: service, value: 4, features: {kind: shoe}, " TREATED
    "  - {id: mole, issue: i, group: held, purpose: service, value: 8, lever: 2, context_weight: 0.25, " TREATED
    "  - {id: gilt, issue: i, group: g, purpose: service, value: 4, eligibility: profile.gold, " TREATED
    "  - {id: cat, issue: i, group: held, purpose: service, value: 2, starting_propensity: 0.5, " TREATED
    "  - {id: bee, issue: i, group: g, purpose: service, value: 4, starting_propensity: 0.5,\n"
    "     treatments: [{channel: web, body: \"{{ profile.name }}\"}, {channel: mail, body: \"{{ profile.name }}\"}]}\n"
    "  - {id: ants, issue: i, group: held, purpose: service, value: 1, starting_propensity: 0.125,\n"
    "     eligibility: profile.gold, " TREATED
    "  - {id: yak, issue: i, group: g, purpose: service, value: 1, lever: 0.5, " TREATED;

/* The same by hand. */
static const struct {
    const char *id;
    double weight; /* value × context weight × lever */
    bool gold, held;
} actions_of[ACTIONS] = {{"zebra", 4, false, false}, {"ant", 4, false, false}, {"mole", 4, false, true},
                         {"gilt", 4, true, false},   {"cat", 2, false, true},  {"bee", 4, false, false},
                         {"ants", 1, true, true},    {"yak", 0.5, false, false}};
enum { ZEBRA, ANT, MOLE, GILT, CAT, BEE, ANTS, YAK };

/* A model: what it says of each action, how often it was asked, and of which actions at last. */
struct table {
    struct model_score of[ACTIONS];
    int calls, fails; /* fails: a code that it gives, once asked */
    size_t asked;
    uint32_t actions[ACTIONS];
};

static int table_score(void *ctx, struct str customer, struct expr_eval *ev, const uint32_t *actions, size_t count,
                       struct arena *arena, struct model_score *out, struct error *e)
{
    struct table *t = ctx;
    (void)customer;
    (void)ev;
    (void)arena;
    t->calls++;
    t->asked = count;
    assert_true(count > 0 && count <= ACTIONS);
    for (size_t i = 0; i < count; i++) {
        t->actions[i] = actions[i];
        out[i] = t->of[actions[i]];
    }
    return t->fails ? error_set(e, t->fails, "the table is torn") : 0;
}

static int shadow_score(const void *ctx, struct expr_eval *ev, const uint32_t *actions, size_t count, struct arena *arena,
                        struct model_score *out, struct error *e)
{
    return table_score((void *)ctx, (struct str){0}, ev, actions, count, arena, out, e);
}

/* Propensities, in the order of the policy; NAN: not known. */
static struct table table_of(const double propensities[ACTIONS])
{
    struct table t = {0};
    for (size_t i = 0; i < ACTIONS; i++)
        if (!isnan(propensities[i]))
            t.of[i] = (struct model_score){true, propensities[i], 0};
    return t;
}

static struct scorer scorer;
static struct decide_input input;

static void decide_by(struct fixture *f, struct table *champion)
{
    scorer = (struct scorer){.model_id = "m", .ctx = champion, .score = table_score};
    input = input_of(f);
    input.scorer = &scorer;
    run(f, &input);
}

static struct shadow_result compare(struct fixture *f, const struct table *shadow)
{
    struct shadow_result r = {0};
    struct error e = {0};
    if (shadow_compare(&f->decision, shadow_score, shadow, &f->arena, &r, &e))
        fail_msg("%s", e.text);
    return r;
}

static void assert_result(struct shadow_result r, uint32_t candidates, double sum_abs, long best, bool differs)
{
    if (r.candidates != candidates || r.sum_abs != sum_abs || r.best != best || r.differs != differs)
        fail_msg("got %u candidates, %g, best %ld, %d; want %u, %g, %ld, %d", r.candidates, r.sum_abs, r.best, r.differs,
                 candidates, sum_abs, best, differs);
}

static int setup(void **state)
{
    int rc = fixture_setup(state);
    use_policy(*state, policy_text);
    return rc;
}

/* ---- by hand ---- */

/* gilt is not eligible; all others compete. */
static const double plain[ACTIONS] = {0.5, 0.25, 0.125, 0.875, 0.125, 0.125, 0.5, 0.25};

static void the_champion_as_its_own_shadow(void **state)
{
    struct fixture *f = *state;
    struct table champion = table_of(plain), shadow = champion;
    decide_by(f, &champion);
    assert_chosen(f, "zebra");
    assert_result(compare(f, &shadow), 6, 0, ZEBRA, false);
    assert_int_equal(shadow.calls, 1);
    static const uint32_t asked[] = {ZEBRA, ANT, MOLE, CAT, BEE, YAK}; /* neither gilt nor ants */
    assert_int_equal(shadow.asked, 6);
    assert_memory_equal(shadow.actions, asked, sizeof asked);
}

static void the_best_two_swapped(void **state)
{
    struct fixture *f = *state;
    double swapped[ACTIONS];
    memcpy(swapped, plain, sizeof plain);
    swapped[ZEBRA] = 0.25;
    swapped[ANT] = 0.5;
    struct table champion = table_of(plain), shadow = table_of(swapped);
    decide_by(f, &champion);
    assert_result(compare(f, &shadow), 6, 0.5, ANT, true);
    /* Another order behind the first one is none that matters. */
    memcpy(swapped, plain, sizeof plain);
    swapped[ANT] = 0.125;
    swapped[MOLE] = 0.25;
    shadow = table_of(swapped);
    assert_result(compare(f, &shadow), 6, 0.25, ZEBRA, false);
    /* What does not compete is not looked at, however good. */
    memcpy(swapped, plain, sizeof plain);
    swapped[GILT] = 1;
    swapped[ANTS] = 1;
    shadow = table_of(swapped);
    assert_result(compare(f, &shadow), 6, 0, ZEBRA, false);
    set_profile(f, "gold", value_bool(true));
    decide_by(f, &champion);
    assert_chosen(f, "gilt");
    assert_result(compare(f, &shadow), 8, 0.625, GILT, false);
}

static void ties_go_by_id(void **state)
{
    struct fixture *f = *state;
    double even[ACTIONS] = {0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5};
    struct table champion = table_of(plain), shadow = table_of(even);
    decide_by(f, &champion);
    assert_result(compare(f, &shadow), 6, 0.25 + 3 * 0.375 + 0.25, ANT, true); /* of zebra, ant, mole, bee */
    even[ANT] = 0.375;
    shadow = table_of(even);
    assert_result(compare(f, &shadow), 6, 0.125 + 3 * 0.375 + 0.25, BEE, true);
    even[BEE] = 0.375;
    shadow = table_of(even);
    assert_int_equal(compare(f, &shadow).best, MOLE);
    even[CAT] = 1; /* of half the value */
    shadow = table_of(even);
    assert_int_equal(compare(f, &shadow).best, CAT);
    /* Between champions: the decision's own tie. */
    champion = table_of(even);
    decide_by(f, &champion);
    assert_chosen(f, "cat");
    assert_result(compare(f, &champion), 6, 0, CAT, false);
}

static void nothing_is_worth_it(void **state)
{
    struct fixture *f = *state;
    const double nothing[ACTIONS] = {0}, less[ACTIONS] = {-0.5, -1, -0.25, 2, -0.125, -0.5, 2, -0.25};
    struct table champion = table_of(plain), shadow = table_of(nothing);
    decide_by(f, &champion);
    assert_result(compare(f, &shadow), 6, 1.375, -1, true); /* a priority of 0 is silence */
    shadow = table_of(less);
    assert_result(compare(f, &shadow), 6, 1 + 1.25 + 0.375 + 0.25 + 0.625 + 0.5, -1, true);
    /* Contacts cost: 0.25 by mail, which 4 × 1/16 are worth, and no more. */
    f->request.channel = channel_named(f, "mail");
    double sixteenth[ACTIONS] = {0.0625, 0.0625, 0.0625, 1, 0.0625, 0.0625, 1, 0.0625};
    decide_by(f, &champion);
    assert_chosen(f, "zebra");
    shadow = table_of(sixteenth);
    assert_int_equal(compare(f, &shadow).best, -1);
    sixteenth[BEE] = 0.078125;
    shadow = table_of(sixteenth);
    assert_int_equal(compare(f, &shadow).best, BEE);
    /* The champion is silent, and the shadow is, or not. */
    champion = table_of(nothing);
    decide_by(f, &champion);
    assert_suppressed(f, CAUSE_NOT_WORTH_IT, "");
    assert_result(compare(f, &champion), 6, 0, -1, false);
    assert_result(compare(f, &shadow), 6, 5 * 0.0625 + 0.078125, BEE, true);
}

static void baselines_count(void **state)
{
    struct fixture *f = *state;
    struct table champion = table_of(plain), shadow = table_of(plain);
    champion.of[ZEBRA].baseline = 0.375; /* leaves 0.125 */
    decide_by(f, &champion);
    assert_chosen(f, "ant");
    assert_result(compare(f, &shadow), 6, 0, ZEBRA, true); /* the propensities are the same */
    shadow.of[ANT].baseline = -0.5;
    assert_result(compare(f, &shadow), 6, 0, ANT, false);
    for (size_t i = 0; i < ACTIONS; i++)
        shadow.of[i].baseline = 0.5;
    assert_result(compare(f, &shadow), 6, 0, -1, true);
}

static void what_the_shadow_does_not_know(void **state)
{
    struct fixture *f = *state;
    double partly[ACTIONS] = {NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN};
    struct table champion = table_of(plain), shadow = table_of(partly);
    champion.of[CAT].known = champion.of[BEE].known = false; /* start at 0.5: worth 1 and 2, as zebra's 0.5 × 4 */
    decide_by(f, &champion);
    assert_int_equal(f->decision.candidates[CAT].factors.from_model, false);
    assert_result(compare(f, &shadow), 0, 0, BEE, false);
    partly[MOLE] = 0.75;
    shadow = table_of(partly);
    assert_result(compare(f, &shadow), 1, 0.625, MOLE, true);
    /* A shadow may know what the champion does not: told from the starting propensity. */
    partly[MOLE] = NAN;
    partly[BEE] = 0.25;
    shadow = table_of(partly);
    assert_result(compare(f, &shadow), 1, 0.25, ZEBRA, true);
    /* What is not known may have any numbers beside it. */
    shadow.of[ZEBRA] = (struct model_score){false, 9, 9};
    assert_result(compare(f, &shadow), 1, 0.25, ZEBRA, true);
}

static void a_rule_held_all_back(void **state)
{
    struct fixture *f = *state;
    struct table champion = table_of(plain), shadow = table_of(plain);
    set_profile(f, "stop", value_bool(true));
    decide_by(f, &champion);
    assert_result(compare(f, &shadow), 4, 0, ZEBRA, false); /* the group alone: neither mole nor cat */
    use_policy(f, "brand: {name: T, time_zone: UTC, locales: [en]}\n"
                  "channels: {web: {direction: inbound}}\n"
                  "suppressions: [{id: all, when: \"true\", block: {everything: true}}]\n"
                  "actions:\n"
                  "  - {id: a, issue: i, group: g, purpose: service, value: 4, treatments: [{channel: web, body: x}]}\n"
                  "  - {id: b, issue: i, group: g, purpose: service, value: 4, treatments: [{channel: web, body: x}]}\n");
    champion = table_of(plain);
    decide_by(f, &champion);
    assert_suppressed(f, CAUSE_SUPPRESSION_RULE, "all");
    assert_true(candidate_of(f, "a")->scored); /* to say what was withheld */
    shadow = table_of((const double[]){0.125, 1, 1, 1, 1, 1, 1, 1});
    assert_result(compare(f, &shadow), 0, 0, -1, false);
    assert_int_equal(shadow.calls, 0);
}

/* bee competed though it could not be rendered: the ranking is compared. */
static void a_text_that_cannot_be_rendered(void **state)
{
    struct fixture *f = *state;
    double best[ACTIONS];
    memcpy(best, plain, sizeof plain);
    best[BEE] = 1;
    struct table champion = table_of(best), shadow = table_of(best);
    decide_by(f, &champion);
    assert_chosen(f, "zebra");
    assert_int_equal(candidate_of(f, "bee")->stage, STAGE_RENDER);
    assert_result(compare(f, &shadow), 6, 0, BEE, false);
    shadow = table_of(plain);
    assert_result(compare(f, &shadow), 6, 0.875, ZEBRA, true);
}

/* What a limit stopped after the first choice used it up was ranked behind it, and competed. */
static void a_limit_that_the_first_choice_uses_up(void **state)
{
    struct fixture *f = *state;
    use_policy(f, "brand: {name: T, time_zone: UTC, locales: [en]}\n"
                  "channels: {web: {direction: inbound}}\n"
                  "contact_policy: [{id: one, scope: {group: g}, at_most: 1, per: 1d}]\n"
                  "actions:\n"
                  "  - {id: first, issue: i, group: g, purpose: service, value: 1, treatments: [{channel: web, body: x}]}\n"
                  "  - {id: second, issue: i, group: g, purpose: service, value: 1, treatments: [{channel: web, body: x}]}\n");
    struct table champion = table_of((const double[]){0.875, 0.5, 0, 0, 0, 0, 0, 0});
    struct table shadow = table_of((const double[]){0.125, 0.875, 0, 0, 0, 0, 0, 0});
    f->request.max_actions = 2;
    decide_by(f, &champion);
    assert_int_equal(f->decision.choice_count, 1);
    assert_int_equal(candidate_of(f, "second")->stage, STAGE_CONTACT_POLICY);
    assert_result(compare(f, &shadow), 2, 0.75 + 0.375, 1, true);
}

static void several_choices(void **state)
{
    struct fixture *f = *state;
    struct table champion = table_of(plain), shadow = table_of(plain);
    f->request.max_actions = 3;
    set_profile(f, "name", value_string(STR("Noor")));
    decide_by(f, &champion);
    assert_int_equal(f->decision.choice_count, 3);
    assert_result(compare(f, &shadow), 6, 0, ZEBRA, false);
    shadow.of[BEE].propensity = 1; /* which was ranked, and not chosen */
    assert_int_equal(candidate_of(f, "bee")->stage, STAGE_CHOSEN);
    assert_int_equal(candidate_of(f, "mole")->stage, STAGE_ARBITRATION);
    assert_result(compare(f, &shadow), 6, 0.875, BEE, true);
    shadow.of[MOLE].propensity = 2;
    assert_result(compare(f, &shadow), 6, 0.875 + 1.875, MOLE, true);
}

/* A gain beyond the doubles is worth nothing, as in the decision. */
static void what_leaves_the_doubles(void **state)
{
    struct fixture *f = *state;
    use_policy(f, "brand: {name: T, time_zone: UTC, locales: [en]}\n"
                  "profile: {spend: number}\n"
                  "channels: {web: {direction: inbound}}\n"
                  "actions:\n"
                  "  - {id: huge, issue: i, group: g, purpose: service, value: \"profile.spend * 1e300\",\n"
                  "     lever: \"profile.spend * 1e20\", treatments: [{channel: web, body: x}]}\n"
                  "  - {id: small, issue: i, group: g, purpose: service, value: 1, treatments: [{channel: web, body: x}]}\n");
    struct table champion = table_of((const double[]){0.5, 0.25, 0, 0, 0, 0, 0, 0}), shadow = champion;
    set_profile(f, "spend", value_double(1));
    decide_by(f, &champion);
    assert_chosen(f, "small");
    assert_result(compare(f, &shadow), 2, 0, 1, false);
    shadow.of[0].propensity = 1e-30; /* back in their range */
    assert_int_equal(compare(f, &shadow).best, 0);
    shadow.of[0].propensity = -0.5; /* and beyond them on the other side */
    assert_result(compare(f, &shadow), 2, 1, 1, false);
}

/* ---- as a scorer ---- */

/* A shadow that looks at pairs: 0.75 where the customer likes the action's kind. */
static int score_by_feature(const void *ctx, struct expr_eval *ev, const uint32_t *actions, size_t count, struct arena *arena,
                            struct model_score *out, struct error *e)
{
    const struct policy *p = ctx;
    (void)arena;
    (void)e;
    for (size_t i = 0; i < count; i++) {
        expr_eval_vary(ev, actions[i]);
        struct value v = expr_eval(ev, p->features[0].node);
        out[i] = (struct model_score){true, v.type == VALUE_BOOL && v.boolean ? 0.75 : 0.125, 0};
    }
    return 0;
}

static struct str encoded(struct fixture *f)
{
    struct str packed;
    struct error e = {0};
    f->request.explain = true;
    assert_int_equal(decision_encode(&f->decision, &f->arena, &packed, &e), 0);
    return packed;
}

static void features_can_be_read_and_nothing_changes(void **state)
{
    struct fixture *f = *state;
    struct table champion = table_of(plain);
    struct shadow_result r;
    struct error e = {0};
    set_profile(f, "likes", value_string(STR("shoe")));
    decide_by(f, &champion);
    struct str before = encoded(f);
    assert_int_equal(shadow_compare(&f->decision, score_by_feature, f->policy, &f->arena, &r, &e), 0);
    assert_result(r, 6, 0.375 + 0.5 + 0.125, ANT, true);
    assert_true(str_eq(before, encoded(f)));
    assert_chosen(f, "zebra");
}

static void a_shadow_that_fails(void **state)
{
    static const int codes[] = {ERR_INTERNAL, ERR_NOSPACE, ERR_INVALID};
    struct fixture *f = *state;
    struct table champion = table_of(plain), shadow = table_of(plain);
    decide_by(f, &champion);
    struct str before = encoded(f);
    for (size_t i = 0; i < 3; i++) {
        struct shadow_result r;
        struct error e = {0};
        shadow.fails = codes[i];
        assert_int_equal(shadow_compare(&f->decision, shadow_score, &shadow, &f->arena, &r, &e), codes[i]);
        assert_int_equal(e.code, codes[i]);
        assert_string_equal(e.text, "the table is torn");
    }
    assert_true(str_eq(before, encoded(f)));
}

static void an_arena_that_is_full(void **state)
{
    struct fixture *f = *state;
    struct table champion = table_of(plain);
    decide_by(f, &champion);
    size_t limit = 0;
    for (int rc = -1; rc; limit += 16) {
        struct table shadow = table_of(plain);
        struct arena small;
        struct shadow_result r;
        struct error e = {0};
        arena_init(&small, limit);
        rc = shadow_compare(&f->decision, shadow_score, &shadow, &small, &r, &e);
        assert_int_equal(rc, e.code);
        assert_true(rc == 0 || rc == ERR_NOSPACE);
        assert_int_equal(shadow.calls, rc == 0);
        arena_free(&small);
    }
    assert_true(limit > 32);
}

/* ---- memory ---- */

/* Reads a feature that is a string made of two, and takes memory as a forest does. */
static int score_by_text(const void *ctx, struct expr_eval *ev, const uint32_t *actions, size_t count, struct arena *arena,
                         struct model_score *out, struct error *e)
{
    const struct fixture *f = ctx;
    struct value v = expr_eval(ev, f->policy->features[1].node);
    assert_int_equal(v.type, VALUE_STRING);
    assert_true(str_is(value_str(v), "shoeNoor"));
    float *rows = arena_alloc(arena, count * sizeof *rows);
    if (!rows)
        return error_set(e, ERR_NOSPACE, "no room for rows");
    memset(rows, 0x5a, count * sizeof *rows);
    for (size_t i = 0; i < count; i++)
        out[i] = (struct model_score){true, (double)(actions[i] % 4) / 4, 0};
    return 0;
}

/* As a request's: what one shadow needs is enough for any number of them, and all of it is there again afterwards. */
static void any_number_of_shadows_needs_the_memory_of_one(void **state)
{
    enum { MANY = 1000, SHADOWS = 100 };
    struct fixture *f = *state;
    struct buf text;
    buf_init(&text, 1 << 20);
    buf_printf(&text, "brand: {name: T, time_zone: UTC, locales: [en]}\n"
                      "profile: {name: string, likes: string}\n"
                      "channels: {web: {direction: inbound}}\n"
                      "features: {liked: {expr: \"profile.likes == action.kind\"}, "
                      "text: {expr: \"profile.likes + profile.name\"}}\n"
                      "actions:\n");
    for (int i = 0; i < MANY; i++)
        buf_printf(&text, "  - {id: a%d, issue: i, group: g, purpose: service, value: 4, features: {kind: hat}, "
                          "treatments: [{channel: web, body: x}]}\n", i);
    buf_byte(&text, 0);
    assert_true(buf_ok(&text));
    use_policy(f, (const char *)text.p);
    buf_free(&text);
    set_profile(f, "likes", value_string(STR("shoe")));
    set_profile(f, "name", value_string(STR("Noor")));
    input = input_of(f);
    run(f, &input);
    struct arena *a = &f->arena;
    size_t used = a->used;
    a->limit = used + MANY * (sizeof(uint32_t) + sizeof(struct model_score) + sizeof(float)) + 1024;
    for (int i = 0; i < SHADOWS; i++) {
        struct shadow_result r;
        struct error e = {0};
        if (shadow_compare(&f->decision, score_by_text, f, a, &r, &e))
            fail_msg("shadow %d: %s", i, e.text);
        assert_int_equal(r.candidates, MANY);
        assert_int_equal(a->used, used);
    }
    a->limit = used + 1024; /* one that fails keeps nothing either */
    struct shadow_result r;
    struct error e = {0};
    assert_int_equal(shadow_compare(&f->decision, score_by_text, f, a, &r, &e), ERR_NOSPACE);
    assert_int_equal(a->used, used);
}

/* ---- at random ---- */

static double priority_of(const struct model_score *s, size_t action, double cost)
{
    return (s->propensity - s->baseline) * actions_of[action].weight - cost;
}

/* Worth more than silence and than `best`, ties by id. */
static bool is_better(const double priorities[ACTIONS], size_t action, long best)
{
    if (!(priorities[action] > 0))
        return false;
    if (best < 0 || priorities[action] > priorities[best])
        return true;
    return priorities[action] == priorities[best] && strcmp(actions_of[action].id, actions_of[best].id) < 0;
}

/* What must come out, from the tables and from who competes. */
static struct shadow_result expected(const struct fixture *f, const struct table *champion, const struct table *shadow,
                                     const bool competes[ACTIONS], double cost, long *first)
{
    struct shadow_result r = {.best = -1};
    double then[ACTIONS], now[ACTIONS];
    *first = -1;
    for (size_t i = 0; i < ACTIONS; i++) {
        struct model_score s = champion->of[i];
        if (!s.known)
            s = (struct model_score){true, f->policy->actions[i].starting_propensity, 0};
        now[i] = priority_of(&s, i, cost);
        then[i] = shadow->of[i].known ? priority_of(&shadow->of[i], i, cost) : now[i];
        if (!competes[i])
            continue;
        r.candidates += shadow->of[i].known;
        r.sum_abs += shadow->of[i].known ? fabs(shadow->of[i].propensity - s.propensity) : 0;
        if (is_better(now, i, *first))
            *first = (long)i;
        if (is_better(then, i, r.best))
            r.best = (long)i;
    }
    r.differs = r.best != *first;
    return r;
}

static struct table draw_table(struct rng *rng, int eighths)
{
    struct table t = {0};
    for (size_t i = 0; i < ACTIONS; i++)
        t.of[i] = (struct model_score){rng_below(rng, 4) > 0, (double)rng_below(rng, (uint64_t)eighths) / 8,
                                       rng_below(rng, 3) ? 0 : (double)rng_below(rng, 5) / 8 - 0.25};
    return t;
}

static void every_case_against_the_recomputation(void **state)
{
    struct fixture *f = *state;
    struct rng rng;
    size_t silent = 0, differ = 0, none = 0;
    rng_seed(&rng, 11);
    for (int round = 0; round < ROUNDS; round++) {
        bool gold = rng_below(&rng, 2), stop = rng_below(&rng, 2), name = rng_below(&rng, 2), competes[ACTIONS];
        int eighths = rng_below(&rng, 5) ? 9 : 1;
        struct table champion = draw_table(&rng, eighths), shadow = draw_table(&rng, rng_below(&rng, 5) ? 9 : 1);
        const char *channel = rng_below(&rng, 2) ? "mail" : "web";
        long first;
        use_policy(f, policy_text);
        set_profile(f, "gold", value_bool(gold));
        set_profile(f, "stop", value_bool(stop));
        if (name)
            set_profile(f, "name", value_string(STR("Noor")));
        f->request.channel = channel_named(f, channel);
        f->request.max_actions = 1 + (uint32_t)rng_below(&rng, 3);
        decide_by(f, &champion);
        size_t count = 0;
        for (size_t i = 0; i < ACTIONS; i++) {
            competes[i] = (gold || !actions_of[i].gold) && !(stop && actions_of[i].held);
            count += competes[i];
        }
        struct shadow_result want = expected(f, &champion, &shadow, competes, *channel == 'm' ? 0.25 : 0, &first);
        assert_result(compare(f, &shadow), want.candidates, want.sum_abs, want.best, want.differs);
        assert_int_equal(shadow.asked, count);
        if (f->decision.choice_count && (name || first != BEE))
            assert_text(f->decision.choices[0].action->word.name, actions_of[first].id);
        silent += want.best < 0;
        differ += want.differs;
        none += want.candidates == 0;
    }
    assert_true(silent > ROUNDS / 50 && differ > ROUNDS / 4 && differ < ROUNDS && none < ROUNDS / 50);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_champion_as_its_own_shadow),
        TEST(the_best_two_swapped),
        TEST(ties_go_by_id),
        TEST(nothing_is_worth_it),
        TEST(baselines_count),
        TEST(what_the_shadow_does_not_know),
        TEST(a_rule_held_all_back),
        TEST(a_text_that_cannot_be_rendered),
        TEST(a_limit_that_the_first_choice_uses_up),
        TEST(several_choices),
        TEST(what_leaves_the_doubles),
        TEST(features_can_be_read_and_nothing_changes),
        TEST(a_shadow_that_fails),
        TEST(an_arena_that_is_full),
        TEST(any_number_of_shadows_needs_the_memory_of_one),
        TEST(every_case_against_the_recomputation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
