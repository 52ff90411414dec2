/* The decision function, stage by stage: what each stage stops and says, what wins, what fills several slots.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"
#include <math.h>

#define BRAND "brand: {name: T, time_zone: UTC, locales: [en, fa]}\n"
#define CHANNELS                                                                                             \
    "channels:\n"                                                                                            \
    "  mail: {direction: outbound, cost: 0.01, consent: [promotional]}\n"                                    \
    "  web: {direction: inbound, placements: [top, side]}\n"
#define TREATED ", treatments: [{channel: mail, body: hello}, {channel: web, body: hello}]}\n"
#define ACTION(id, more) "  - {id: " id ", issue: i, group: g, purpose: service, value: 2, " more TREATED

static const char plain[] = BRAND CHANNELS "actions:\n" ACTION("one", "starting_propensity: 0.5");

static void the_only_action_is_chosen(void **state)
{
    struct fixture *f = *state;
    use_policy(f, plain);
    struct decide_input in = input_of(f);
    run(f, &in);
    assert_chosen(f, "one");
    const struct choice *c = &f->decision.choices[0];
    assert_true(c->factors.propensity == 0.5 && c->factors.value == 2 && c->factors.context_weight == 1);
    assert_true(c->factors.lever == 1 && c->factors.contact_cost == 0.01 && !c->factors.from_model);
    assert_true(c->priority == 0.5 * 2 - 0.01);
    assert_true(c->action_probability == 1);
    assert_text(c->treatment->id, "one.mail");
    assert_text(c->content[0], "hello");
    assert_int_equal(candidate_of(f, "one")->stage, STAGE_CHOSEN);
}

/* ---- stage 3 ---- */

static void dates_and_schedules(void **state)
{
    struct fixture *f = *state;
    use_policy(f, BRAND CHANNELS "actions:\n" ACTION("later", "active: {from: 2025-01-16}")
                      ACTION("over", "active: {to: 2025-01-14}")
                          ACTION("evening", "active: {weekly: [\"wed 18:00-20:00\"]}"));
    struct decide_input in = input_of(f);
    run(f, &in);
    assert_suppressed(f, CAUSE_NOTHING_TO_OFFER, "");
    assert_true(f->decision.suppression.next_eligible_ms == NOW + 6 * HOUR);
    assert_int_equal(f->decision.suppression.waits_count, 0);
    assert_true(f->decision.suppression.withheld < 0);
    assert_text(f->decision.suppression.text, "none of 3 actions fits: 3 out of schedule");
    assert_int_equal(candidate_of(f, "over")->stage, STAGE_SCHEDULE);
    assert_text(explain_candidate(&f->decision, candidate_of(f, "over"), &f->arena),
                "outside its dates or weekly schedule");
    in.now_ms = NOW + 6 * HOUR;
    run(f, &in);
    assert_chosen(f, "evening");
    in.now_ms = NOW + 8 * HOUR;
    run(f, &in);
    assert_true(f->decision.suppression.next_eligible_ms == NOW + 12 * HOUR); /* later begins */
    in.now_ms = NOW + 12 * HOUR;
    run(f, &in);
    assert_chosen(f, "later");
    in.now_ms = NOW - 12 * HOUR; /* the last day is inclusive: over until midnight */
    run(f, &in);
    assert_suppressed(f, CAUSE_NOTHING_TO_OFFER, "");
    in.now_ms = NOW - 12 * HOUR - 1;
    run(f, &in);
    assert_chosen(f, "over");
}

static void treatments(void **state)
{
    struct fixture *f = *state;
    use_policy(f, BRAND CHANNELS
               "actions:\n"
               "  - {id: one, issue: i, group: g, purpose: service, value: 2, treatments: [\n"
               "      {channel: web, id: any, body: any}, {channel: web, id: fa, locale: fa, body: salam},\n"
               "      {channel: web, id: side, placement: side, locale: en, body: side}]}\n");
    struct decide_input in = input_of(f);
    run(f, &in);
    assert_suppressed(f, CAUSE_NOTHING_TO_OFFER, "");
    assert_int_equal(candidate_of(f, "one")->stage, STAGE_TREATMENT);
    assert_text(f->decision.suppression.text, "none of 1 actions fits: 1 without a treatment here");
    assert_true(f->decision.suppression.next_eligible_ms == 0);
    static const struct {
        const char *locale, *placement, *treatment;
    } cases[] = {
        {"", NULL, "any"},      {"fa", NULL, "fa"},   {"fa-IR", NULL, "fa"}, {"de", NULL, "any"},
        {"en", "side", "side"}, {"fa", "side", "fa"}, {"en", "top", "any"},  {"en-GB", "side", "side"},
    };
    f->request.channel = channel_named(f, "web");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct str placement = str_from(cases[i].placement);
        f->request.locale = str_from(cases[i].locale);
        f->request.placements = &placement;
        f->request.placement_count = placement.n > 0;
        run(f, &in);
        assert_chosen(f, "one");
        assert_text(f->decision.choices[0].treatment->id, cases[i].treatment);
        assert_true(str_eq(f->decision.choices[0].placement, placement));
    }
}

static void the_customers_locale(void **state)
{
    struct fixture *f = *state;
    use_policy(
        f, BRAND CHANNELS
        "profile: {language: locale}\n"
        "actions:\n"
        "  - {id: one, issue: i, group: g, purpose: service, value: 2, treatments: [\n"
        "      {channel: mail, locale: en, body: hello}, {channel: mail, locale: fa, body: salam}]}\n");
    struct decide_input in = input_of(f);
    run(f, &in);
    assert_text(f->decision.choices[0].content[0], "hello"); /* the brand's first */
    set_profile(f, "language", value_string(STR("fa")));
    run(f, &in);
    assert_text(f->decision.choices[0].content[0], "salam");
    f->request.locale = STR("en");
    run(f, &in);
    assert_text(f->decision.choices[0].content[0], "hello");
}

/* ---- stage 4 ---- */

static void engagement(void **state)
{
    struct fixture *f = *state;
    use_policy(f, BRAND CHANNELS
               "profile: {tier: string}\n"
               "signals: {buy: {properties: {n: int}}}\n"
               "actions:\n" ACTION(
                   "one", "eligibility: \"profile.tier == 'gold'\", applicability: \"count(buy, 1h) > 0\", "
                          "suitability: [\"true\", {id: calm, when: \"count(buy, 1d) < 3\"}]"));
    struct decide_input in = input_of(f);
    run(f, &in);
    assert_suppressed(f, CAUSE_ENGAGEMENT_POLICY, "");
    const struct candidate *c = candidate_of(f, "one");
    assert_int_equal(c->stage, STAGE_ELIGIBILITY);
    assert_text(explain_rule(f->policy, &c->block), "one.eligibility");
    assert_text(explain_candidate(&f->decision, c, &f->arena), "not eligible (one.eligibility)");
    assert_int_equal(f->decision.suppression.waits_count, 1);
    assert_text(f->decision.suppression.waits_for[0], "profile.tier");
    struct evidence *evidence;
    size_t n = explain_evidence(&f->decision, c->action, &c->block, &evidence, &f->arena);
    assert_int_equal(n, 1);
    assert_evidence(evidence, n, "profile.tier", "unknown");
    set_profile(f, "tier", value_string(STR("gold")));
    run(f, &in);
    assert_int_equal(candidate_of(f, "one")->stage, STAGE_APPLICABILITY);
    assert_text(f->decision.suppression.waits_for[0], "buy");
    assert_text(f->decision.suppression.text, "none of 1 actions fits: 1 not applicable now");
    for (int i = 0; i < 3; i++)
        happen(f, "buy", NULL, value_int(1), NOW - MINUTE);
    run(f, &in);
    assert_int_equal(candidate_of(f, "one")->stage, STAGE_SUITABILITY);
    assert_text(explain_candidate(&f->decision, candidate_of(f, "one"), &f->arena), "not suitable (calm)");
    /* When the day is over the hour is over too. */
    assert_true(f->decision.suppression.next_eligible_ms == 0);
    forget_customer(f);
    set_profile(f, "tier", value_string(STR("gold")));
    happen(f, "buy", NULL, value_int(1), NOW - MINUTE);
    run(f, &in);
    assert_chosen(f, "one");
}

/* Unknown in each kind of rule, with both answers. */
static void unknown_in_rules(void **state)
{
    static const char *const kinds[] = {"eligibility", "applicability", "suitability"};
    struct fixture *f = *state;
    for (int kind = 0; kind < 4; kind++)
        for (int allow = 0; allow < 2; allow++) {
            char yaml[2000], rule[200] = "", suppression[300] = "";
            const char *answer = allow ? "allow" : "block";
            if (kind < 3)
                snprintf(rule, sizeof rule, "%s: {when: \"profile.tier == 'gold'\", on_unknown: %s}, ",
                         kinds[kind], answer);
            else
                snprintf(suppression, sizeof suppression,
                         "suppressions: [{id: s, when: \"profile.tier == 'gold'\", block: {everything: "
                         "true}, on_unknown: %s}]\n",
                         answer);
            snprintf(yaml, sizeof yaml,
                     BRAND CHANNELS "profile: {tier: string}\n%sactions:\n"
                                    "  - {id: one, issue: i, group: g, purpose: service, value: 2, "
                                    "%streatments: [{channel: mail, body: x}]}\n",
                     suppression, rule);
            use_policy(f, yaml);
            struct decide_input in = input_of(f);
            run(f, &in);
            assert_true(f->decision.suppressed == !allow);
            if (!allow)
                assert_int_equal(f->decision.suppression.cause,
                                 kind < 3 ? CAUSE_ENGAGEMENT_POLICY : CAUSE_SUPPRESSION_RULE);
            set_profile(f, "tier", value_string(STR("gold")));
            run(f, &in);
            assert_true(f->decision.suppressed == (kind == 3));
            set_profile(f, "tier", value_string(STR("basic")));
            run(f, &in);
            assert_true(f->decision.suppressed == (kind != 3));
        }
}

/* ---- stage 5 ---- */

static const char suppressing[] =
    BRAND CHANNELS "signals: {support: {properties: {case: string}}, solved: {properties: {case: string}}}\n"
                   "actions:\n"
                   "  - {id: promo, issue: i, group: g, purpose: promotional, value: 9" TREATED
                   "  - {id: help, issue: i, group: h, purpose: service, value: 2" TREATED "suppressions:\n"
                   "  - {id: open_case, when: \"open(support.case, solved.case, 90d) > 0\", block: {purpose: "
                   "promotional}, reason: a case is open}\n"
                   "  - {id: just_asked, when: \"age(support) < 2h\", block: {channel: mail}}\n"
                   "  - {id: group_rest, when: \"age(solved) < 1h\", block: {group: h, channel: web}}\n";

static void suppression_rules(void **state)
{
    struct fixture *f = *state;
    use_policy(f, suppressing);
    consent(f, "mail", PURPOSE_PROMOTIONAL, true);
    struct decide_input in = input_of(f);
    run(f, &in);
    assert_chosen(f, "promo");
    happen(f, "support", "case", value_string(STR("c")), NOW - HOUR);
    run(f, &in);
    assert_suppressed(f, CAUSE_SUPPRESSION_RULE, "open_case");
    const struct suppression *s = &f->decision.suppression;
    assert_int_equal(s->withheld, action_named(f, "promo"));
    assert_true(s->withheld_priority == 9 * 0.05 - 0.01);
    assert_true(s->next_eligible_ms == NOW - HOUR + 90 * DAY);
    assert_int_equal(s->scope.purpose, PURPOSE_PROMOTIONAL);
    assert_true(s->scope.channel == SCOPE_ANY && !s->scope.everything);
    assert_evidence(s->evidence, s->evidence_count, "open(support.case, solved.case, 90d)", "1");
    assert_text(s->text, "open_case holds back promotional: a case is open");
    assert_text(explain_rule(f->policy, &candidate_of(f, "help")->block), "just_asked");
    assert_int_equal(candidate_of(f, "help")->stage, STAGE_SUPPRESSED);

    f->request.channel = channel_named(f, "web"); /* just_asked is about mail */
    run(f, &in);
    assert_chosen(f, "help");
    assert_text(explain_rule(f->policy, &candidate_of(f, "promo")->block), "open_case");
    f->request.channel = channel_named(f, "mail");
    in.now_ms = NOW + HOUR; /* two hours after the contact */
    run(f, &in);
    assert_chosen(f, "help");

    in.now_ms = NOW;
    happen(f, "solved", "case", value_string(STR("c")), NOW - MINUTE);
    run(f, &in);
    assert_suppressed(f, CAUSE_SUPPRESSION_RULE, "just_asked");
    assert_true(f->decision.suppression.next_eligible_ms == NOW + HOUR);
    assert_text(f->decision.suppression.text, "just_asked holds back channel mail");
    f->request.channel = channel_named(f, "web");
    run(f, &in);
    assert_chosen(f, "promo");
    assert_text(explain_rule(f->policy, &candidate_of(f, "help")->block), "group_rest");
}

static void only_an_event_lifts_it(void **state)
{
    struct fixture *f = *state;
    use_policy(f, BRAND CHANNELS
               "profile: {blocked: bool}\n"
               "signals: {left: {properties: {}}, back: {properties: {}}}\n"
               "actions:\n" ACTION(
                   "one", "starting_propensity: 0.5") "suppressions: [{id: gone, when: \"profile.blocked || "
                                                      "age(left) < age(back)\", block: {everything: true},"
                                                      " on_unknown: allow}]\n");
    struct decide_input in = input_of(f);
    run(f, &in);
    assert_chosen(f, "one");
    happen(f, "left", NULL, value_int(0), NOW - HOUR);
    run(f, &in);
    assert_suppressed(f, CAUSE_SUPPRESSION_RULE, "gone");
    const struct suppression *s = &f->decision.suppression;
    assert_true(s->next_eligible_ms == 0);
    assert_true(s->scope.everything);
    assert_int_equal(s->waits_count, 3);
    assert_text(s->waits_for[0], "profile.blocked");
    assert_text(s->waits_for[1], "left");
    assert_text(s->waits_for[2], "back");
    happen(f, "back", NULL, value_int(0), NOW - MINUTE);
    run(f, &in);
    assert_chosen(f, "one");
}

/* Events ahead of the server's clock: of two, the one that is further ahead is younger all the time. */
static void ages_of_events_ahead(void **state)
{
    struct fixture *f = *state;
    use_policy(f, BRAND CHANNELS
               "signals: {a: {properties: {}}, b: {properties: {}}}\n"
               "actions:\n" ACTION(
                   "one", "starting_propensity: 0.5") "suppressions: [{id: rest, when: \"age(b) <= age(a) + "
                                                      "1m\", block: {everything: true}}]\n");
    struct decide_input in = input_of(f);
    happen(f, "a", NULL, value_int(0), NOW + 5 * MINUTE);
    happen(f, "b", NULL, value_int(0), NOW + 3 * MINUTE + 30 * 1000);
    run(f, &in);
    assert_chosen(f, "one");
    forget_customer(f);
    happen(f, "a", NULL, value_int(0), NOW + 5 * MINUTE);
    happen(f, "b", NULL, value_int(0), NOW + 4 * MINUTE);
    run(f, &in);
    assert_suppressed(f, CAUSE_SUPPRESSION_RULE, "rest");
    assert_true(f->decision.suppression.next_eligible_ms == 0);
}

/* ---- stages 8 and 9 ---- */

static void the_best_wins_and_ties_go_by_id(void **state)
{
    struct fixture *f = *state;
    use_policy(
        f,
        BRAND CHANNELS "signals: {buy: {properties: {n: number}}}\nactions:\n" ACTION(
            "zebra", "starting_propensity: 0.2") ACTION("ant", "starting_propensity: 0.2")
            ACTION("weighted", "starting_propensity: 0.1, context_weight: \"count(buy, 1h) > 0 ? 3.0 : 1.0\"")
                ACTION("lever", "starting_propensity: 0.1, lever: 1.5") ACTION(
                    "wild", "starting_propensity: 0.1, context_weight: \"sum(buy.n, 1h) * 1e308 * 1e308\""));
    struct decide_input in = input_of(f);
    f->request.max_actions = 5;
    run(f, &in);
    assert_int_equal(f->decision.choice_count, 4); /* wild: 0 * … is 0 */
    static const char *const order[] = {"ant", "zebra", "lever", "weighted"};
    for (size_t i = 0; i < 4; i++)
        assert_text(f->decision.choices[i].action->word.name, order[i]);
    assert_text(explain_candidate(&f->decision, candidate_of(f, "wild"), &f->arena),
                "not worth a contact: its priority is not above that of silence, 0");
    happen(f, "buy", "n", value_double(1), NOW - MINUTE);
    f->request.max_actions = 1;
    run(f, &in);
    assert_chosen(f, "weighted");
    assert_text(explain_candidate(&f->decision, candidate_of(f, "ant"), &f->arena), "outranked");
    assert_true(candidate_of(f, "wild")->priority == -0.01); /* infinite, so worth nothing */
}

static void not_worth_it(void **state)
{
    struct fixture *f = *state;
    use_policy(f, BRAND CHANNELS
               "profile: {spend: number}\nactions:\n"
               "  - {id: cheap, issue: i, group: g, purpose: service, value: 0.01" TREATED
               "  - {id: unknown, issue: i, group: g, purpose: service, value: \"profile.spend\"" TREATED
               "  - {id: negative, issue: i, group: g, purpose: service, value: \"0.0 - 5.0\"" TREATED);
    struct decide_input in = input_of(f);
    run(f, &in);
    assert_suppressed(f, CAUSE_NOT_WORTH_IT, "");
    assert_int_equal(f->decision.suppression.withheld, action_named(f, "cheap"));
    assert_true(f->decision.suppression.withheld_priority == 0.05 * 0.01 - 0.01);
    assert_int_equal(candidate_of(f, "negative")->stage, STAGE_ARBITRATION);
    f->request.channel = channel_named(f, "web"); /* no cost: worth something */
    run(f, &in);
    assert_chosen(f, "cheap");
    set_profile(f, "spend", value_double(100));
    run(f, &in);
    assert_chosen(f, "unknown");
}

struct fake_scorer {
    double propensity, baseline;
    size_t calls;
    int rc;
};

static int fake_score(void *ctx, struct str customer, struct expr_eval *ev, const uint32_t *actions, size_t count,
                      struct arena *arena, struct model_score *out, struct error *e)
{
    (void)customer;
    struct fake_scorer *s = ctx;
    (void)ev;
    (void)arena;
    s->calls++;
    for (size_t i = 0; i < count; i++)
        out[i] = (struct model_score){true, s->propensity / (double)(actions[i] + 1), s->baseline};
    return s->rc ? error_set(e, s->rc, "broken scorer") : 0;
}

static void scorers(void **state)
{
    struct fixture *f = *state;
    use_policy(f, BRAND CHANNELS "actions:\n" ACTION("b", "starting_propensity: 0.1")
                      ACTION("a", "starting_propensity: 0.2"));
    struct fake_scorer fake = {.propensity = 0.8};
    struct scorer scorer = {.model_id = "model", .ctx = &fake, .score = fake_score};
    struct decide_input in = input_of(f);
    struct decision d;
    struct error e = {0};
    in.scorer = &scorer;
    run(f, &in);
    assert_chosen(f, "b");
    assert_true(f->decision.choices[0].factors.propensity == 0.8 &&
                f->decision.choices[0].factors.from_model);
    assert_int_equal(fake.calls, 1);
    fake.propensity = (double)NAN;
    run(f, &in);
    assert_suppressed(f, CAUSE_NOT_WORTH_IT, "");
    fake.rc = ERR_INTERNAL;
    assert_int_equal(decide(&in, &f->arena, &d, &e), ERR_INTERNAL);
    assert_string_equal(e.text, "broken scorer");
}

/* ---- several choices ---- */

static void several_slots(void **state)
{
    struct fixture *f = *state;
    use_policy(
        f, BRAND CHANNELS
        "actions:\n"
        "  - {id: a, issue: i, group: g, purpose: service, value: 9, treatments: [{channel: web, placement: "
        "side, body: x}]}\n"
        "  - {id: b, issue: i, group: g, purpose: service, value: 8, treatments: [{channel: web, body: x}]}\n"
        "  - {id: c, issue: i, group: g, purpose: service, value: 7, treatments: [{channel: web, placement: "
        "side, body: x}]}\n"
        "  - {id: d, issue: i, group: g, purpose: service, value: 6, treatments: [{channel: web, placement: "
        "top, body: x}]}\n");
    struct str placements[] = {STR("top"), STR("side")};
    struct decide_input in = input_of(f);
    f->request.channel = channel_named(f, "web");
    f->request.placements = placements;
    f->request.placement_count = 2;
    f->request.max_actions = 10; /* no more than there are slots */
    run(f, &in);
    assert_int_equal(f->decision.choice_count, 2);
    assert_text(f->decision.choices[0].action->word.name, "a");
    assert_text(f->decision.choices[0].placement, "side");
    assert_text(f->decision.choices[1].action->word.name, "b");
    assert_text(f->decision.choices[1].placement, "top");
    assert_text(explain_candidate(&f->decision, candidate_of(f, "c"), &f->arena), "outranked");
    f->request.max_actions = 1;
    run(f, &in);
    assert_int_equal(f->decision.choice_count, 1);
    f->request.placement_count = 1;
    f->request.max_actions = 2;
    run(f, &in);
    assert_int_equal(f->decision.choice_count, 1);
    assert_chosen(f, "b");
    assert_int_equal(candidate_of(f, "a")->stage, STAGE_TREATMENT);
}

/* The best action fits both slots; it takes the one that only it can fill, so that the other is filled too. */
static void no_slot_stays_empty(void **state)
{
    struct fixture *f = *state;
    use_policy(f, BRAND CHANNELS
               "actions:\n"
               "  - {id: both, issue: i, group: g, purpose: service, value: 9, treatments: [{channel: web, "
               "body: x}]}\n"
               "  - {id: hero, issue: i, group: g, purpose: service, value: 8, treatments: [{channel: web, "
               "placement: top, body: x}]}\n"
               "  - {id: other, issue: i, group: g, purpose: service, value: 7, treatments: [{channel: web, "
               "placement: top, body: x}]}\n");
    struct str placements[] = {STR("top"), STR("side")};
    struct decide_input in = input_of(f);
    f->request.channel = channel_named(f, "web");
    f->request.placements = placements;
    f->request.placement_count = 2;
    f->request.max_actions = 2;
    run(f, &in);
    assert_int_equal(f->decision.choice_count, 2);
    assert_text(f->decision.choices[0].action->word.name, "both");
    assert_text(f->decision.choices[0].placement, "side");
    assert_text(f->decision.choices[1].action->word.name, "hero");
    assert_text(f->decision.choices[1].placement, "top");
    f->request.max_actions = 1; /* one of the two: the first that was asked for */
    run(f, &in);
    assert_int_equal(f->decision.choice_count, 1);
    assert_text(f->decision.choices[0].placement, "top");
}

/* ---- stage 11 ---- */

static void rendering(void **state)
{
    struct fixture *f = *state;
    use_policy(f, BRAND
               "channels: {mail: {direction: outbound, consent: [], format: html}}\n"
               "profile: {name: string, shop: string}\n"
               "actions:\n"
               "  - {id: best, issue: i, group: g, purpose: service, value: 9, treatments: "
               "[{channel: mail, subject: \"for {{ profile.name }}\", body: \"near {{ profile.shop }}\"}]}\n"
               "  - {id: next, issue: i, group: g, purpose: service, value: 8, treatments: "
               "[{channel: mail, subject: \"for {{ profile.name | default: you }}\", body: b}]}\n");
    struct decide_input in = input_of(f);
    run(f, &in);
    assert_chosen(f, "next");
    assert_text(f->decision.choices[0].content[0], "for you");
    assert_int_equal(candidate_of(f, "best")->stage, STAGE_RENDER);
    assert_text(explain_candidate(&f->decision, candidate_of(f, "best"), &f->arena),
                "its text needs a value that is not known: profile.name");
    set_profile(f, "name", value_string(STR("<Ali & Co>")));
    run(f, &in);
    assert_chosen(f, "next");
    assert_text(f->decision.choices[0].content[0], "for &lt;Ali &amp; Co&gt;");
    set_profile(f, "shop", value_string(STR("x")));
    run(f, &in);
    assert_chosen(f, "best");
    assert_text(f->decision.choices[0].content[1], "near x");
}

static void nothing_can_be_rendered(void **state)
{
    struct fixture *f = *state;
    use_policy(f, BRAND "channels: {mail: {direction: outbound, consent: []}}\nprofile: {name: string}\n"
                        "actions: [{id: one, issue: i, group: g, purpose: service, value: 9, treatments: "
                        "[{channel: mail, body: \"{{ profile.name }}\"}]}]\n");
    struct decide_input in = input_of(f);
    run(f, &in);
    assert_suppressed(f, CAUSE_RENDERING, "");
    assert_text(f->decision.suppression.text, "no text could be rendered: profile.name is not known");
    assert_int_equal(f->decision.suppression.withheld, 0);
}

/* Texts up to the template's limit, and values up to theirs, escaped. */
static void long_texts(void **state)
{
    struct fixture *f = *state;
    enum { LETTERS = 60000 };
    char *yaml = malloc(LETTERS + 4000), name[STATE_TEXT_MAX + 1];
    int n = sprintf(
        yaml,
        BRAND "channels: {mail: {direction: outbound, consent: [], format: html}}\nprofile: {name: string}\n"
              "actions: [{id: one, issue: i, group: g, purpose: service, value: 9, treatments: "
              "[{channel: mail, body: \"");
    memset(yaml + n, 'x', LETTERS);
    n += LETTERS;
    for (int i = 0; i < 30; i++)
        n += sprintf(yaml + n, "{{ profile.name }}");
    strcpy(yaml + n, "\"}]}]\n");
    use_policy(f, yaml);
    free(yaml);
    memset(name, '"', STATE_TEXT_MAX);
    name[STATE_TEXT_MAX] = 0;
    set_profile(f, "name", value_string(str_from(name)));
    struct decide_input in = input_of(f);
    run(f, &in);
    assert_chosen(f, "one");
    assert_int_equal(f->decision.choices[0].content[0].n, LETTERS + 30 * STATE_TEXT_MAX * 6);
    assert_int_equal(f->decision.choices[0].content[0].p[LETTERS - 1], 'x');
    assert_memory_equal(f->decision.choices[0].content[0].p + LETTERS, "&quot;&quot;", 12);
}

/* ---- a state that cannot be read ---- */

static void unreadable_state(void **state)
{
    struct fixture *f = *state;
    use_policy(
        f, BRAND CHANNELS
        "profile: {tier: string}\n"
        "signals: {buy: {properties: {}}}\n"
        "actions:\n" ACTION("plain", "starting_propensity: 0.1") ACTION(
            "knows", "starting_propensity: 0.9, eligibility: \"profile.tier == 'gold'\"")
            ACTION("counts", "starting_propensity: 0.9, applicability: \"count(buy, 1d) == 0\"") ACTION(
                "allowed",
                "starting_propensity: 0.2, suitability: {when: \"age(buy) > 1d\", on_unknown: allow}")
                ACTION("tomorrow",
                       "starting_propensity: 0.9, active: {from: 2025-01-16}") "  - {id: web_only, issue: i, "
                                                                               "group: g, purpose: service, "
                                                                               "value: 99, treatments: "
                                                                               "[{channel: web, body: x}],"
                                                                               " eligibility: \"false\"}\n");
    struct decide_input in = input_of(f);
    in.state_unreadable = true;
    run(f, &in);
    assert_suppressed(f, CAUSE_STATE_UNREADABLE, "");
    assert_true(f->decision.suppression.next_eligible_ms == 0);
    assert_int_equal(f->decision.suppression.withheld, action_named(f, "counts")); /* ties by id */
    assert_text(f->decision.suppression.text, "the customer's state cannot be read, so nothing is sent");
    assert_int_equal(candidate_of(f, "plain")->stage, STAGE_CONTACT_POLICY);
    assert_int_equal(candidate_of(f, "tomorrow")->stage, STAGE_SCHEDULE);
    assert_int_equal(candidate_of(f, "web_only")->stage, STAGE_TREATMENT);
    f->request.channel = channel_named(f, "web");
    run(f, &in);
    assert_chosen(f, "allowed");
    assert_int_equal(candidate_of(f, "knows")->stage, STAGE_ELIGIBILITY);
    assert_int_equal(candidate_of(f, "counts")->stage, STAGE_APPLICABILITY); /* unknown, not 0 */
    in.state_unreadable = false;
    run(f, &in);
    assert_chosen(f, "counts");
}

/* After a state was lost: silence while contacts in it may count, no promotion without consent given since, for ever. */
static void lost_state(void **state)
{
    struct fixture *f = *state;
    use_policy(f, BRAND "channels:\n"
                        "  mail: {direction: outbound, consent: [promotional], consent_unknown: allow}\n"
                        "  web: {direction: inbound}\n"
                        "actions:\n" ACTION("serve", "starting_propensity: 0.5")
                            "  - {id: sell, issue: i, group: g, purpose: promotional, value: 9, starting_propensity: 0.5, treatments: "
                            "[{channel: mail, body: x}]}\n"
                            "contact_policy:\n  - {id: quarterly, scope: {channel: mail}, at_most: 1, per: 90d}\n");
    struct decide_input in = input_of(f);
    run(f, &in);
    assert_chosen(f, "sell");
    f->state.lost_ms = NOW - DAY;
    run(f, &in);
    assert_suppressed(f, CAUSE_STATE_UNREADABLE, "");
    assert_int_equal(f->decision.suppression.withheld, action_named(f, "sell"));
    assert_true(f->decision.suppression.next_eligible_ms == 0); /* waits for consent */
    in.now_ms = NOW + 89 * DAY - 1;
    run(f, &in);
    assert_suppressed(f, CAUSE_STATE_UNREADABLE, "");
    in.now_ms = NOW + 89 * DAY;
    run(f, &in);
    assert_chosen(f, "serve");
    assert_int_equal(candidate_of(f, "sell")->block.kind, BLOCK_CONSENT);
    struct consent given = {.channel = f->policy->channels[channel_named(f, "mail")].word.id,
                            .purpose = f->policy->purposes[PURPOSE_PROMOTIONAL].id,
                            .granted = true,
                            .time_ms = NOW};
    assert_int_equal(state_set_consent(&f->state, &given), 0);
    run(f, &in);
    assert_chosen(f, "sell");
    in.now_ms = NOW;
    run(f, &in);
    assert_true(f->decision.suppression.next_eligible_ms == NOW + 89 * DAY);
    f->request.channel = channel_named(f, "web");
    run(f, &in);
    assert_chosen(f, "serve");
}

/* ---- explaining ---- */

/* More actions than anybody looks at: the earliest of all their instants. */
static void every_action_is_looked_at(void **state)
{
    struct fixture *f = *state;
    enum { ACTIONS = 300 };
    char *yaml = malloc(ACTIONS * 250 + 2000);
    int n = sprintf(yaml, BRAND CHANNELS "signals: {buy: {properties: {}}}\nactions:\n");
    for (int i = 0; i < ACTIONS; i++)
        n += sprintf(yaml + n,
                     "  - {id: a%03d, issue: i, group: g, purpose: service, value: 1, applicability: "
                     "\"age(buy) >= %dm\","
                     " treatments: [{channel: mail, body: x}]}\n",
                     i, 1000 - i);
    use_policy(f, yaml);
    free(yaml);
    happen(f, "buy", NULL, value_int(0), NOW);
    struct decide_input in = input_of(f);
    run(f, &in);
    assert_suppressed(f, CAUSE_ENGAGEMENT_POLICY, "");
    assert_true(f->decision.suppression.next_eligible_ms == NOW + (1000 - ACTIONS + 1) * MINUTE);
    assert_int_equal(f->decision.suppression.waits_count, 0);
}

/* Looking ahead is bounded, and says so. */
static void looking_ahead_ends(void **state)
{
    struct fixture *f = *state;
    use_policy(
        f,
        BRAND CHANNELS "signals: {buy: {properties: {}}}\nactions:\n" ACTION(
            "one", "applicability: \"double(int(now)) * 2.0 < 0.0 || double(now.getMilliseconds()) < 0.0\""));
    struct decide_input in = input_of(f);
    run(f, &in);
    assert_suppressed(f, CAUSE_ENGAGEMENT_POLICY, "");
    assert_true(f->decision.suppression.next_eligible_ms == 0);
    assert_non_null(
        strstr(f->decision.suppression.text.p, "; when it ends was not found within 20000 instants"));
}

/* Without memory: an error at every allocation in turn, never a crash or half an answer. */
static void memory_runs_out(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    use_policy(f, suppressing);
    happen(f, "support", "case", value_string(STR("c")), NOW - HOUR);
    f->request.explain = true;
    struct decide_input in = input_of(f);
    struct str whole = {0};
    run(f, &in);
    assert_int_equal(decision_encode(&f->decision, &f->arena, &whole, &e), 0);
    int complete = 0;
    for (size_t limit = 0; limit < 80000; limit += 64) {
        struct arena small;
        struct decision d;
        struct str bytes;
        arena_init(&small, limit);
        int rc = decide(&in, &small, &d, &e);
        if (rc == 0)
            rc = decision_encode(&d, &small, &bytes, &e);
        assert_true(rc == 0 || rc == ERR_NOSPACE);
        if (rc == 0) {
            assert_true(str_eq(bytes, whole));
            complete++;
        }
        arena_free(&small);
    }
    assert_true(complete > 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_only_action_is_chosen),
        TEST(dates_and_schedules),
        TEST(treatments),
        TEST(the_customers_locale),
        TEST(engagement),
        TEST(unknown_in_rules),
        TEST(suppression_rules),
        TEST(only_an_event_lifts_it),
        TEST(ages_of_events_ahead),
        TEST(the_best_wins_and_ties_go_by_id),
        TEST(not_worth_it),
        TEST(scorers),
        TEST(several_slots),
        TEST(no_slot_stays_empty),
        TEST(rendering),
        TEST(nothing_can_be_rendered),
        TEST(long_texts),
        TEST(unreadable_state),
        TEST(lost_state),
        TEST(every_action_is_looked_at),
        TEST(looking_ahead_ends),
        TEST(memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
