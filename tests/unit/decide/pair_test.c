/* Pair features in decisions: each action sees its own value, whoever was looked at before, in rules, worth, texts,
 * evidence and next_eligible_at. The oracle is the same policy with the features written out in each action's own
 * expressions, where action.x is a constant and nothing varies.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"
#include "tact/v1/decisions.pb-c.h"

enum { ACTIONS = 4, YAML_MAX = 8000, CUSTOMERS = 400 };

/* ---- one policy, with features or without ---- */

static const struct {
    const char *name, *text;
} features[] = {
    {"same", "last(view.category) == action.category"},
    {"rested", "age(buy) > (action.pushy ? 6h : 30h)"},
    {"worth", "action.margin * ($same ? 3.0 : 1.0)"},
    {"words", "action.id + ' for ' + profile.name"},
    {"busy", "count(view, 24h) > 2"}, /* about the customer alone */
    {"fits", "!$busy || $same"},
};
enum { FEATURES = sizeof features / sizeof features[0] };

#define TEXTS                                                                                                \
    "     treatments: [{channel: web, title: \"{{ $words }}! {{ $same | default: ? }}\"},\n"                 \
    "       {channel: mail, title: \"{{ $words }}\"}]}\n"
static const char *const actions[ACTIONS] = {
    "  - {id: shoes, issue: sell, group: shop, purpose: promotional, value: \"$worth\", suitability: "
    "\"$rested\",\n"
    "     features: {category: shoes, pushy: true, margin: 2}, \n" TEXTS,
    "  - {id: hats, issue: sell, group: shop, purpose: promotional, value: \"$worth + 0.5\", eligibility: "
    "[\"$fits\", \"$rested\"],\n"
    "     features: {category: hats, pushy: false, margin: 1.5}, \n" TEXTS,
    "  - {id: ask, issue: care, group: desk, purpose: ask, value: 1, context_weight: \"$same ? 2.0 : "
    "0.25\",\n"
    "     applicability: {when: \"$busy && $same\", on_unknown: allow},\n"
    "     features: {category: shoes, pushy: false, margin: 4}, \n" TEXTS,
    "  - {id: help, issue: care, group: desk, purpose: service, value: 1.2, lever: \"$worth\",\n"
    "     suitability: \"!($same) && $rested\", features: {category: coats, pushy: true, margin: 1}, "
    "\n" TEXTS,
};

struct policy_yaml {
    char at[YAML_MAX];
    size_t n;
};

static void put(struct policy_yaml *y, struct str s)
{
    assert_true(y->n + s.n < sizeof y->at);
    memcpy(y->at + y->n, s.p, s.n);
    y->n += s.n;
    y->at[y->n] = 0;
}

/* $name stands for a feature: its name, or in ( ) what it stands for. */
static void put_filled(struct policy_yaml *y, const char *text, bool written_out)
{
    for (;;) {
        size_t n = strcspn(text, "$"), i = 0;
        put(y, (struct str){text, n});
        text += n;
        if (!*text++)
            return;
        n = strspn(text, "abcdefghijklmnopqrstuvwxyz");
        while (!str_is((struct str){text, n}, features[i].name))
            assert_true(++i < FEATURES);
        put(y, written_out ? STR("(") : str_from(features[i].name));
        if (written_out) {
            put_filled(y, features[i].text, true);
            put(y, STR(")"));
        }
        text += n;
    }
}

/* order: which action stands where. */
static void make_policy(struct policy_yaml *y, const size_t order[ACTIONS], bool written_out)
{
    y->n = 0;
    put(y, STR("brand: {name: T, time_zone: UTC, locales: [en]}\n"
               "profile: {name: string}\n"
               "signals:\n  view: {properties: {category: string}}\n  buy: {properties: {}}\n"
               "channels:\n  web: {direction: inbound}\n  mail: {direction: outbound, cost: 0.01}\n"));
    if (!written_out) {
        put(y, STR("features:\n"));
        for (size_t i = 0; i < FEATURES; i++) {
            put(y, STR("  "));
            put(y, str_from(features[i].name));
            put(y, STR(": {expr: \""));
            put_filled(y, features[i].text, false);
            put(y, STR("\"}\n"));
        }
    }
    put(y, STR("actions:\n"));
    for (size_t i = 0; i < ACTIONS; i++)
        put_filled(y, actions[order[i]], written_out);
    put(y, STR("suppressions:\n  - {id: loud, when: \"count(view, 1h) > 4\", block: {purpose: promotional}}\n"
               "contact_policy:\n  - {id: rare, scope: {group: each}, at_most: 1, per: 3d}\n"));
}

static const size_t in_order[ACTIONS] = {0, 1, 2, 3};

static void use(struct fixture *f, const size_t order[ACTIONS], bool written_out)
{
    static struct policy_yaml yaml;
    make_policy(&yaml, order, written_out);
    use_policy(f, yaml.at);
}

/* ---- customers ---- */

/* The same customer and request for the same seed, whatever the policy looks like. */
static struct decide_input become(struct fixture *f, uint64_t seed)
{
    static const char *const categories[] = {"shoes", "hats", "coats", "gloves"}, *const ids[] = {
                                                                                      "shoes", "hats", "ask",
                                                                                      "help"};
    struct rng rng;
    rng_seed(&rng, seed);
    arena_reset(&f->arena);
    forget_customer(f);
    f->events = 0;
    if (rng_below(&rng, 5))
        set_profile(f, "name", value_string(STR("Ann")));
    if (rng_below(&rng, 4) == 0)
        consent(f, "mail", PURPOSE_PROMOTIONAL, true);
    /* one draw a statement: the order of arguments is the compiler's */
    for (uint64_t n = rng_below(&rng, 7); n > 0; n--) {
        struct value category = value_string(str_from(categories[rng_below(&rng, 4)]));
        const char *property = rng_below(&rng, 6) ? "category" : NULL;
        int64_t most = rng_below(&rng, 3) ? 2 * HOUR : 3 * DAY;
        happen(f, "view", property, category, NOW - (int64_t)rng_below(&rng, (uint64_t)most));
    }
    if (rng_below(&rng, 3))
        happen(f, "buy", NULL, value_int(0), NOW - (int64_t)rng_below(&rng, 40 * HOUR));
    if (rng_below(&rng, 4) == 0) {
        const char *id = ids[rng_below(&rng, 4)];
        struct contact k = contact_of(f, id, "web", NOW - (int64_t)rng_below(&rng, 4 * DAY));
        memset(k.decision.bytes, 1, sizeof k.decision.bytes);
        assert_int_equal(state_contact_add(&f->state, &k, NOW), 0);
    }
    uint32_t channel = (uint32_t)rng_below(&rng, 2);
    f->request = (struct decide_request){.customer = STR("c1"),
                                         .channel = channel,
                                         .max_actions = 1 + (uint32_t)rng_below(&rng, 3),
                                         .explain = true};
    struct decide_input in = input_of(f);
    in.state_unreadable = rng_below(&rng, 15) == 0;
    if (in.state_unreadable)
        forget_customer(f);
    return in;
}

/* What was decided, as text that does not tell the order of the policy's actions, nor what its features are. */
static void tell(struct fixture *f, uint64_t seed, struct buf *out)
{
    struct decide_input in = become(f, seed);
    run(f, &in);
    const struct decision *d = &f->decision;
    buf_clear(out);
    for (size_t i = 0; i < d->choice_count; i++) {
        const struct choice *k = &d->choices[i];
        buf_printf(out, "%.*s %a %a %a %a '%.*s'\n", STR_ARG(k->action->word.name), k->priority,
                   k->factors.value, k->factors.context_weight, k->factors.lever, STR_ARG(k->content[0]));
    }
    if (d->suppressed) {
        const struct suppression *s = &d->suppression;
        buf_printf(out, "%s %.*s %.*s %a %lld %lld: %.*s\n", suppression_cause_name(s->cause),
                   STR_ARG(s->rule),
                   STR_ARG(s->withheld < 0 ? STR("-") : f->policy->actions[s->withheld].word.name),
                   s->withheld_priority, (long long)s->next_eligible_ms, (long long)s->ends_ms,
                   STR_ARG(s->cause == CAUSE_RENDERING ? STR("") : s->text)); /* that one names the source */
    }
    for (size_t i = 0; i < ACTIONS; i++) {
        static const char *const ids[ACTIONS] = {"ask", "hats", "help", "shoes"};
        const struct candidate *k = candidate_of(f, ids[i]);
        buf_printf(out, "%s %s %a %a %a %a\n", ids[i], candidate_stage_name(k->stage), k->priority,
                   k->factors.value, k->factors.context_weight, k->factors.lever);
    }
    assert_true(buf_ok(out));
    buf_byte(out, 0);
}

static void assert_told(const struct buf *got, const struct buf *want, uint64_t seed)
{
    if (strcmp((const char *)got->p, (const char *)want->p) != 0)
        fail_msg("customer %llu: got\n%swant\n%s", (unsigned long long)seed, (const char *)got->p,
                 (const char *)want->p);
}

/* ---- against the policy written out ---- */

static void as_if_written_out(void **state)
{
    struct fixture *f = *state;
    static const size_t orders[][ACTIONS] = {{0, 1, 2, 3}, {3, 2, 1, 0}, {2, 0, 3, 1}};
    static struct buf want[CUSTOMERS];
    struct buf got;
    size_t chosen = 0, later = 0;
    use(f, in_order, true);
    assert_int_equal(f->policy->feature_count, 0);
    for (uint64_t i = 0; i < CUSTOMERS; i++) {
        buf_init(&want[i], 1 << 16);
        tell(f, i, &want[i]);
        chosen += f->decision.choice_count;
        later += f->decision.suppressed && f->decision.suppression.next_eligible_ms > 0;
    }
    assert_true(chosen > CUSTOMERS / 2 && later > CUSTOMERS / 20);
    buf_init(&got, 1 << 16);
    for (size_t order = 0; order < sizeof orders / sizeof orders[0]; order++) {
        use(f, orders[order], false);
        for (uint64_t i = 0; i < CUSTOMERS; i++) {
            tell(f, i, &got);
            assert_told(&got, &want[i], i);
        }
    }
    for (size_t i = 0; i < CUSTOMERS; i++)
        buf_free(&want[i]);
    buf_free(&got);
}

/* ---- the same bytes ---- */

static void the_same_bytes_again(void **state)
{
    struct fixture *f = *state;
    use(f, in_order, false);
    for (uint64_t i = 0; i < CUSTOMERS; i++) {
        struct decide_input in = become(f, i);
        struct arena other;
        struct decision d;
        struct state s;
        struct buf blob;
        struct error e = {0};
        struct str bytes, again;
        run(f, &in);
        assert_int_equal(decision_encode(&f->decision, &f->arena, &bytes, &e), 0);
        arena_init(&other, 16 << 20);
        buf_init(&blob, STATE_BLOB_MAX);
        assert_int_equal(state_encode(&f->state, 1, &blob, &e), 0);
        struct str text = {(const char *)blob.p, blob.n};
        assert_int_equal(state_decode(&s, &f->policy->schema, text, &other, &e), 0);
        in.state = &s;
        assert_int_equal(decide(&in, &other, &d, &e), 0);
        assert_int_equal(decision_encode(&d, &other, &again, &e), 0);
        assert_true(str_eq(bytes, again));
        buf_free(&blob);
        arena_free(&other);
    }
}

/* ---- by hand ---- */

static const Tact__V1__Candidate *wire_candidate(const Tact__V1__Decision *m, const char *id)
{
    for (size_t i = 0; i < m->n_candidates; i++)
        if (strcmp(m->candidates[i]->action_id, id) == 0)
            return m->candidates[i];
    fail_msg("no candidate %s", id);
    return NULL;
}

static void assert_wire_evidence(const Tact__V1__Decision *m, const char *id, const char *name,
                                 const char *value)
{
    const Tact__V1__Candidate *c = wire_candidate(m, id);
    for (size_t i = 0; i < c->n_evidence; i++)
        if (strcmp(c->evidence[i]->name, name) == 0) {
            assert_string_equal(c->evidence[i]->value, value);
            return;
        }
    fail_msg("%s has no evidence %s", id, name);
}

#define TWO_HEAD                                                                                             \
    "brand: {name: T, time_zone: UTC, locales: [en]}\n"                                                      \
    "signals:\n  view: {properties: {category: string}}\n"                                                   \
    "channels:\n  web: {direction: inbound, placements: [top, side]}\n"                                      \
    "features:\n"                                                                                            \
    "  gain: {expr: \"action.margin * 2.0\"}\n"                                                              \
    "  since: {expr: \"age(view)\"}\n"                                                                       \
    "  calm: {expr: \"action.pushy || since > 48h\"}\n"                                                      \
    "  keen: {expr: \"last(view.category) == action.category\"}\n"                                           \
    "actions:\n"
#define ONE(id, rest, constants)                                                                             \
    "  - {id: " id ", issue: i, group: g, purpose: ask, value: gain, " rest " features: {" constants         \
    "}, treatments: [{channel: web, title: \"{{ gain }} {{ action.id }}\"}]}\n"

/* One feature in a rule and one in the value, each its own for both actions; the evidence says which value. */
static void each_action_sees_its_own(void **state)
{
    struct fixture *f = *state;
    static const char *const both[] = {
        TWO_HEAD ONE("a", "suitability: keen,", "category: shoes, margin: 2, pushy: true")
            ONE("b", "suitability: keen,", "category: hats, margin: 3, pushy: true"),
        TWO_HEAD ONE("b", "suitability: keen,", "category: hats, margin: 3, pushy: true")
            ONE("a", "suitability: keen,", "category: shoes, margin: 2, pushy: true")};
    for (size_t order = 0; order < 2; order++)
        for (int hats = 0; hats < 2; hats++) {
            use_policy(f, both[order]);
            happen(f, "view", "category", value_string(hats ? STR("hats") : STR("shoes")), NOW - HOUR);
            f->request.explain = true;
            struct decide_input in = input_of(f);
            struct error e = {0};
            struct str bytes;
            run(f, &in);
            assert_chosen(f, hats ? "b" : "a");
            assert_text(f->decision.choices[0].content[0], hats ? "6 b" : "4 a");
            assert_true(f->decision.choices[0].factors.value == (hats ? 6 : 4));
            assert_int_equal(candidate_of(f, hats ? "a" : "b")->stage, STAGE_SUITABILITY);
            assert_int_equal(decision_encode(&f->decision, &f->arena, &bytes, &e), 0);
            Tact__V1__Decision *m = tact__v1__decision__unpack(NULL, bytes.n, (const uint8_t *)bytes.p);
            assert_wire_evidence(m, hats ? "a" : "b", "keen", "false");
            assert_int_equal(wire_candidate(m, hats ? "b" : "a")->n_evidence, 0);
            tact__v1__decision__free_unpacked(m, NULL);
        }
}

/* Both are shown at once: each text has its own action's value. */
static void several_choices(void **state)
{
    struct fixture *f = *state;
    struct str placements[] = {STR("top"), STR("side")};
    use_policy(f, TWO_HEAD ONE("a", "", "margin: 2, category: x, pushy: true") ONE("b", "", "margin: 3"));
    f->request.placements = placements;
    f->request.placement_count = f->request.max_actions = 2;
    struct decide_input in = input_of(f);
    run(f, &in);
    assert_int_equal(f->decision.choice_count, 2);
    assert_text(f->decision.choices[0].content[0], "6 b");
    assert_text(f->decision.choices[1].content[0], "4 a");
}

/* A constant that an action lacks is unknown to its pair features. */
static void an_action_that_lacks_it(void **state)
{
    struct fixture *f = *state;
    use_policy(f, TWO_HEAD ONE("a", "suitability: keen,", "margin: 1")
                      ONE("b", "suitability: {when: keen, on_unknown: allow},", "margin: 1")
                          ONE("c", "suitability: keen,", "category: hats, pushy: true"));
    happen(f, "view", "category", value_string(STR("hats")), NOW - HOUR);
    struct decide_input in = input_of(f);
    run(f, &in);
    assert_chosen(f, "b");
    const struct candidate *a = candidate_of(f, "a");
    struct evidence *evidence;
    assert_int_equal(a->stage, STAGE_SUITABILITY);
    size_t n = explain_evidence(&f->decision, a->action, &a->block, &evidence, &f->arena);
    assert_int_equal(n, 1);
    assert_evidence(evidence, n, "keen", "unknown");
    /* it fits, but what it is worth is not known */
    assert_true(candidate_of(f, "c")->factors.value == 0);
    assert_int_equal(candidate_of(f, "c")->stage, STAGE_ARBITRATION);
}

#define PACED(id, value, constants)                                                                          \
    "  - {id: " id ", issue: i, group: g, purpose: ask, value: " value ", suitability: calm, " constants     \
    "treatments: [{channel: web, title: x}]}\n"
static const char paced[] =
    "brand: {name: T, time_zone: UTC, locales: [en]}\n"
    "signals:\n  view: {properties: {}}\n"
    "channels:\n  web: {direction: inbound}\n  other: {direction: inbound}\n"
    "features:\n"
    "  calm: {expr: \"age(view) > (action.pace == 'fast' ? 10h : action.pace == 'slow' ? 50h : 20h)\"}\n"
    "actions:\n" /* one may be shown now, but elsewhere */
    "  - {id: elsewhere, issue: i, group: g, purpose: ask, value: 1, features: {pace: fast},\n"
    "     eligibility: \"age(view) < 100h || calm\", treatments: [{channel: other, title: x}]}\n" PACED(
        "slow", "2", "features: {pace: slow}, ") PACED("fast", "1", "features: {pace: fast}, ")
        PACED("usual", "3", "features: {pace: usual}, ") PACED("lost", "9", "");

/* Nothing may be shown now; the instants are each action's own. */
static void next_eligible_of_each(void **state)
{
    struct fixture *f = *state;
    use_policy(f, paced);
    happen(f, "view", NULL, value_int(0), NOW - 12 * HOUR);
    struct decide_input in = input_of(f);
    in.now_ms = NOW - 11 * HOUR;
    run(f, &in);
    assert_suppressed(f, CAUSE_ENGAGEMENT_POLICY, "");
    assert_int_equal(f->decision.suppression.next_eligible_ms, NOW - 2 * HOUR + 1);
    static const struct {
        const char *id;
        int64_t next_ms;
    } want[] = {{"slow", NOW + 38 * HOUR + 1},
                {"usual", NOW + 8 * HOUR + 1},
                {"lost", 0},
                {"slow", NOW + 38 * HOUR + 1}};
    struct view *v = arena_alloc(&f->arena, sizeof *v);
    struct gate g;
    struct blocker last;
    assert_int_equal(view_init(v, f->policy, &f->state, NULL, 0, false, NOW, &f->arena), 0);
    gate_init(&g, v, &f->request, NULL, false);
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        uint32_t action = action_named(f, want[i].id);
        assert_int_equal(gate_next_eligible(&g, action, NOW, GATE_HORIZON, &last), want[i].next_ms);
        assert_int_equal(v->action, action);
        struct blocker own = {BLOCK_ENGAGEMENT, ENGAGEMENT_SUITABILITY,
                              &f->policy->actions[action].rules[ENGAGEMENT_SUITABILITY][0], 0};
        uint32_t other = action_named(f, "fast"); /* nothing blocks it; looked at in between */
        assert_false(gate_blocked(&g, other, &last));
        assert_int_equal(v->action, other);
        assert_int_equal(gate_block_end(&g, action, &own, NOW), want[i].next_ms);
        assert_false(gate_blocked(&g, other, &last));
        int64_t lift = gate_lift(&g, action, &own);
        assert_true(want[i].next_ms ? lift == want[i].next_ms : lift > NOW + WINDOW_MAX_MS);
    }
    /* and when they say so they are free */
    in.now_ms = NOW - 2 * HOUR + 1;
    run(f, &in);
    assert_chosen(f, "fast");
    in.now_ms = NOW + 8 * HOUR + 1;
    run(f, &in);
    assert_chosen(f, "usual");
}

#define DEAR(id, constants)                                                                                  \
    "  - {id: " id ", issue: i, group: g, purpose: service, value: gain, features: {" constants "},\n"       \
    "     treatments: [{channel: mail, title: x}]}\n"
#define DEAR_HEAD                                                                                            \
    "brand: {name: T, time_zone: UTC, locales: [en]}\n"                                                      \
    "channels:\n  mail: {direction: outbound, cost: 1}\n"                                                    \
    "features: {gain: {expr: \"action.margin\"}}\n"                                                          \
    "actions:\n"

/* Why the best action is not worth a contact is about that action, whichever was looked at last. */
static void not_worth_it(void **state)
{
    struct fixture *f = *state;
    for (int known = 0; known < 2; known++) {
        /* an unknown margin counts as 0: more than -1, less than 0.1 */
        use_policy(f, known ? DEAR_HEAD DEAR("a", "margin: 0.1") DEAR("z", "other: 1")
                            : DEAR_HEAD DEAR("a", "other: 1") DEAR("z", "margin: -1"));
        struct decide_input in = input_of(f);
        run(f, &in);
        assert_suppressed(f, CAUSE_NOT_WORTH_IT, "");
        assert_int_equal(f->decision.suppression.withheld, action_named(f, "a"));
        const char *why = known ? "its priority is not above" : "is not known";
        struct str text = f->decision.suppression.text;
        assert_non_null(memmem(text.p, text.n, why, strlen(why)));
    }
}

/* Outside of an action there is none to look at. */
static void no_action(void **state)
{
    struct fixture *f = *state;
    use_policy(f, TWO_HEAD ONE("a", "", "margin: 2, category: x, pushy: true"));
    struct view *v = arena_alloc(&f->arena, sizeof *v);
    assert_int_equal(view_init(v, f->policy, &f->state, NULL, UINT32_MAX, false, NOW, &f->arena), 0);
    expr_id gain = f->policy->features[policy_feature_find(f->policy, STR("gain"))].node;
    struct value absent = expr_eval(&v->ev, gain);
    assert_true(absent.type == VALUE_UNKNOWN && absent.detail == UNKNOWN_ABSENT);
    expr_eval_vary(&v->ev, 0);
    assert_true(expr_eval(&v->ev, gain).number == 4);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(as_if_written_out),
        TEST(the_same_bytes_again),
        TEST(each_action_sees_its_own),
        TEST(several_choices),
        TEST(an_action_that_lacks_it),
        TEST(next_eligible_of_each),
        TEST(not_worth_it),
        TEST(no_action),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
