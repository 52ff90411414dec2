/* What a policy is once it is loaded: sections joined over files, features in any order, scopes, links,
 * names, the id; and that running out of memory anywhere is a finding. SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/buf.h"
#include "policy/policy.h"
#include "policy/policy_test.h"
#include "unit/policy/policy_fixture.h"
#include <stdlib.h>

static struct policy *load_within(const struct policy_text *files, size_t count, size_t memory_max)
{
    return policy_load_texts("p", files, count, zones, memory_max, &diags);
}

static struct policy *load(const struct policy_text *files, size_t count, size_t warnings)
{
    size_t before = diags.warnings;
    struct policy *p = load_within(files, count, POLICY_MEMORY_MAX);
    if (!p)
        diags_print(&diags, stderr);
    assert_non_null(p);
    assert_int_equal(diags.warnings - before, warnings);
    return p;
}

#define BRAND "brand: {name: Acme, time_zone: Asia/Tehran, locales: [fa, en], week_start: saturday}\n"

static const struct policy_text parts[] = {
    {"1.yaml",
     {BRAND "profile: {tier: {type: string, values: [basic, gold]}, zone: time_zone, lang: locale}\n"
            "context: {device: string}\n"
            "signals:\n"
            "  cart_add: {properties: {price: number}}\n"
            "  ping:\n"
            "channels:\n"
            "  email: {direction: outbound, cost: 0.5, quiet_hours: {from: \"21:00\", to: \"08:00\"}}\n"
            "  web: {direction: inbound, format: html, placements: [hero, side]}\n",
      0}},
    {"2.yaml",
     {"features:\n"
      "  late: {expr: \"early > 1.0 && middle\"}\n"
      "  middle: {expr: \"early < 10.0\"}\n"
      "actions:\n"
      "  - {id: sale, issue: sell, group: shoes, purpose: promotional, value: 2, lever: \"action.boost\",\n"
      "     active: {from: 2025-01-01, to: 2025-01-31, weekly: [\"sat-thu 09:00-20:00\"]},\n"
      "     eligibility: [late, {when: \"profile.tier == 'gold'\", on_unknown: allow}],\n"
      "     features: {boost: 1.5, label: \"1.5\", hot: true, code: 0x10},\n"
      "     treatments: [{channel: email, locale: fa, subject: s}, {channel: web, placement: hero, title: "
      "t}]}\n",
      0}},
    {"3.yaml",
     {"features:\n"
      "  early: {sum: cart_add.price, window: 24h}\n"
      "actions:\n"
      "  - {id: help, issue: serve, group: care, purpose: service, value: \"early + 1.0\",\n"
      "     treatments: [{channel: email, body: b, id: my_own}]}\n"
      "suppressions:\n"
      "  - {id: no_sale, when: \"count(ping, 1h) > 0\", block: {purpose: promotional, channel: web}}\n"
      "  - {id: silence, when: \"late\", block: {everything: true}, reason: because}\n"
      "  - {id: no_care, when: \"true\", block: {group: care, issue: sell}}\n"
      "contact_policy:\n"
      "  - {id: cap, scope: {channel: email}, at_most: 2, per: 90d}\n"
      "  - {id: pause, scope: {group: each, purpose: promotional}, cooldown: 48h}\n",
      0}},
};
enum { PARTS = sizeof parts / sizeof *parts };

static void texts(struct policy_text out[PARTS])
{
    for (size_t i = 0; i < PARTS; i++)
        out[i] = (struct policy_text){parts[i].name, str_from(parts[i].text.p)};
}

static struct policy *load_parts(void)
{
    struct policy_text files[PARTS];
    texts(files);
    return load(files, PARTS, 1); /* no_care covers no action */
}

static void test_brand_and_channels(void **state)
{
    (void)state;
    struct policy *p = load_parts();
    assert_true(str_is(p->brand, "Acme"));
    assert_true(str_is(tz_name(p->zone), "Asia/Tehran"));
    assert_int_equal(p->week_start, 6);
    assert_int_equal(p->locale_count, 2);
    assert_int_equal(p->zone_attribute, 1);
    assert_int_equal(p->locale_attribute, 2);
    const struct policy_channel *email = &p->channels[policy_channel_find(p, STR("email"))];
    const struct policy_channel *web = &p->channels[policy_channel_find(p, STR("web"))];
    assert_true(email->outbound && email->quiet_set && !email->html);
    assert_int_equal(email->quiet.from_minute, 21 * 60);
    assert_true(email->cost > 0.49 && email->cost < 0.51);
    assert_true(email->consent[PURPOSE_PROMOTIONAL] && !email->consent[PURPOSE_SERVICE]);
    assert_int_equal(email->confirm_within_ms, 3600000);
    assert_true(!web->outbound && web->html && !web->quiet_set && !web->consent[PURPOSE_PROMOTIONAL]);
    assert_int_equal(policy_placement_find(web, STR("side")), 1);
    assert_int_equal(policy_placement_find(web, STR("top")), -1);
    assert_int_equal(policy_channel_find(p, STR("sms")), -1);
    policy_free(&p);
    assert_null(p);
}

/* How long a state stays, and what is left when somebody was forgotten. */
static void test_retention(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t days, tombstone_days;
    } cases[] = {{"", 0, 0},
                 {", retention: 1d", 1, 400},
                 {", retention: 52w", 364, 400},
                 {", retention: 4000d", 4000, 4000}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[512];
        snprintf(text, sizeof text,
                 "brand: {name: B, time_zone: UTC, locales: [en]%s}\nchannels: {web: {direction: inbound}}\n"
                 "actions: [{id: a, issue: i, group: g, purpose: service, value: 1, treatments: [{channel: "
                 "web, title: t}]}]\n",
                 cases[i].text);
        const struct policy_text file = {"p.yaml", str_from(text)};
        struct policy *p = load(&file, 1, 0);
        assert_true(p->retention_ms == cases[i].days * 86400000);
        struct state s = {.forgotten_ms = 0};
        assert_true(policy_keeps_ms(p, &s) == cases[i].days * 86400000);
        s.forgotten_ms = 1;
        assert_true(policy_keeps_ms(p, &s) == cases[i].tombstone_days * 86400000);
        policy_free(&p);
    }
}

static void test_actions(void **state)
{
    (void)state;
    struct policy *p = load_parts();
    assert_int_equal(p->action_count, 2);
    const struct policy_action *sale = &p->actions[0], *help = &p->actions[1];
    assert_true(str_is(sale->word.name, "sale") && str_is(sale->word.path, "action.sale"));
    assert_int_equal(sale->from_ms, INT64_C(1735677000000)); /* 2025-01-01T00:00+03:30 */
    assert_int_equal(sale->to_ms, INT64_C(1738355400000));   /* the end of 2025-01-31 */
    assert_int_equal(help->from_ms, INT64_MIN);
    assert_int_equal(help->to_ms, INT64_MAX);
    assert_int_equal(sale->weekly.count, 1);
    assert_int_equal(sale->rule_count[ENGAGEMENT_ELIGIBILITY], 2);
    assert_true(str_is(sale->rules[ENGAGEMENT_ELIGIBILITY][0].id, "sale.eligibility"));
    assert_true(str_is(sale->rules[ENGAGEMENT_ELIGIBILITY][1].id, "sale.eligibility.2"));
    assert_int_equal(sale->rules[ENGAGEMENT_ELIGIBILITY][0].on_unknown, ON_UNKNOWN_BLOCK);
    assert_int_equal(sale->rules[ENGAGEMENT_ELIGIBILITY][1].on_unknown, ON_UNKNOWN_ALLOW);
    const struct value *value = expr_constant(p->program, sale->value),
                       *lever = expr_constant(p->program, sale->lever);
    assert_non_null(value);
    assert_non_null(lever);
    assert_true(value_same(*value, value_double(2)));
    assert_true(value_same(*lever, value_double(1.5)));
    assert_null(expr_constant(p->program, help->value));
    assert_int_equal(sale->attribute_count, 4);
    assert_int_equal(sale->attributes[1].value.type, VALUE_STRING); /* quoted */
    assert_int_equal(sale->attributes[2].value.type, VALUE_BOOL);
    assert_int_equal(sale->attributes[3].value.type, VALUE_STRING); /* no decimal number */
    assert_int_equal(sale->treatment_count, 2);
    assert_true(str_is(sale->treatments[0].id, "sale.email.fa"));
    assert_true(str_is(sale->treatments[1].id, "sale.web.hero"));
    assert_true(str_is(help->treatments[0].id, "my_own"));
    assert_int_equal(help->purpose, PURPOSE_SERVICE);
    policy_free(&p);
}

static void test_rules(void **state)
{
    (void)state;
    struct policy *p = load_parts();
    assert_int_equal(p->suppression_count, 3);
    assert_int_equal(p->limit_count, 2);
    const struct policy_action *sale = &p->actions[0], *help = &p->actions[1];
    assert_int_equal(sale->suppression_count, 2); /* no_sale, silence */
    assert_int_equal(sale->suppressions[0], 0);
    assert_int_equal(sale->suppressions[1], 1);
    assert_int_equal(help->suppression_count, 1); /* silence; group and issue must both match */
    assert_int_equal(help->suppressions[0], 1);
    assert_int_equal(sale->limit_count, 2);
    assert_int_equal(help->limit_count, 1);
    assert_true(p->limits[1].cooldown && p->limits[1].at_most == 1);
    assert_int_equal(p->limits[1].scope.group, SCOPE_EACH);
    assert_int_equal(p->schema.contact_horizon_ms, INT64_C(90) * 86400000);
    const struct policy_scope *no_sale = &p->suppressions[0].block;
    assert_true(policy_scope_covers(no_sale, p, 0, 1));
    assert_false(policy_scope_covers(no_sale, p, 0, 0));
    assert_false(policy_scope_covers(no_sale, p, 1, 1));
    assert_true(policy_scope_covers(&p->suppressions[1].block, p, 1, 0));
    assert_true(str_is(p->suppressions[1].reason, "because"));
    policy_free(&p);
}

/* Features may be declared after their use, also in a later file; equal expressions are one node. */
static void test_features(void **state)
{
    (void)state;
    struct policy *p = load_parts();
    assert_int_equal(p->feature_count, 3);
    for (size_t i = 0; i < p->feature_count; i++)
        assert_true(p->features[i].node != EXPR_NONE);
    long late = policy_feature_find(p, STR("late"));
    assert_int_equal(expr_type_of(p->program, p->features[late].node).kind, VALUE_BOOL);
    assert_int_equal(p->features[late].node, p->suppressions[1].rule.when);
    assert_int_equal(p->schema.aggregate_count, 2);
    policy_free(&p);
}

static void test_id(void **state)
{
    (void)state;
    struct policy_text files[PARTS];
    struct policy *p = load_parts(), *again = load_parts();
    assert_int_equal(strlen(p->id), ID128_TEXT - 1);
    assert_string_equal(p->id, again->id);
    policy_free(&again);
    texts(files);
    files[0].name = "0.yaml";
    again = load(files, PARTS, 1);
    assert_string_not_equal(p->id, again->id);
    policy_free(&again);
    texts(files);
    char *longer = arena_printf(&arena, "%s# a comment\n", files[2].text.p);
    files[2].text = str_from(longer);
    again = load(files, PARTS, 1);
    assert_string_not_equal(p->id, again->id);
    policy_free(&again);
    policy_free(&p);
}

static void count_name(void *ctx, struct str name)
{
    size_t *n = ctx;
    assert_true(name.n > 0);
    (*n)++;
}

static void test_bind(void **state)
{
    (void)state;
    struct policy *p = load_parts();
    struct names *dictionary = names_new();
    struct error e = {0};
    assert_int_equal(policy_bind(p, dictionary, &e), ERR_NOTFOUND);
    assert_non_null(strstr(e.text, "the dictionary of names lacks '"));
    assert_int_equal(policy_bind_interning(p, dictionary, &e), 0);
    assert_int_equal(policy_bind(p, dictionary, &e), 0);
    size_t n = 0;
    policy_each_name(p, count_name, &n);
    assert_int_equal(n, 3 + 2 + 2 + PURPOSE_COUNT + 2 + 2 +
                            2); /* attributes, aggregates, channels, …, actions */
    for (size_t i = 0; i < p->action_count; i++)
        assert_int_equal(policy_action_of_id(p, p->actions[i].word.id), i);
    assert_int_equal(policy_channel_of_id(p, p->channels[1].word.id), 1);
    assert_int_equal(policy_action_of_id(p, p->channels[1].word.id), -1);
    policy_free(&p);
    names_free(&dictionary);
}

static void name_fits(void *ctx, struct str name)
{
    size_t *longest = ctx;
    assert_true(name.n <= NAME_MAX_BYTES);
    assert_int_equal(utf8_bad_at(name.p, name.n), 0);
    *longest = name.n > *longest ? name.n : *longest;
}

/* A filter of any length gives a name that the dictionary takes, also where the cut falls within a letter. */
static void test_long_names(void **state)
{
    (void)state;
    size_t longest = 0;
    for (int n = 900; n < 1060; n++) {
        char yaml[4096], text[2048] = "";
        for (int i = 0; i < n / 2; i++)
            strcat(text, "س");
        snprintf(yaml, sizeof yaml,
                 "brand: {name: T, time_zone: UTC, locales: [en]}\nsignals: {buy: {properties: {what: string}}}\n"
                 "channels: {web: {direction: inbound}}\n"
                 "features: {f: {count: buy, window: 1d, where: \"buy.what == '%s%s'\"}}\n"
                 "actions:\n  - {id: a, issue: i, group: g, purpose: service, value: 1, treatments: [{channel: web, body: x}]}\n",
                 n % 2 ? "x" : "", text);
        struct policy_text part = {"policy.yaml", str_from(yaml)};
        struct policy *p = load(&part, 1, 0);
        policy_each_name(p, name_fits, &longest);
        policy_free(&p);
    }
    assert_true(longest > NAME_MAX_BYTES - 4);
}

/* A test's values have the types of the schema, its times the brand's zone. */
static void test_policy_tests(void **state)
{
    (void)state;
    struct policy_text files[PARTS + 1];
    texts(files);
    files[PARTS] = (struct policy_text){
        "tests.yaml",
        STR("tests:\n"
            "  - name: one\n"
            "    now: 2025-01-20T10:00\n"
            "    given:\n"
            "      channel: web\n"
            "      placements: [side]\n"
            "      profile: {tier: gold}\n"
            "      signals: [{cart_add: {price: 3}, ago: 90m}, {ping: , ago: 2h}, {ping: }]\n"
            "      contacts: [{action: help, channel: email, ago: 1d}]\n"
            "      consents: [{channel: email, purpose: ask, granted: true}]\n"
            "    expect: {action: none, not_action: [sale], not_suppressed_by: [no_sale], next_eligible_in: "
            "never}\n"
            "  - {name: two, expect: {channel: email, suppressed_by: cap, next_eligible_in: 3d}}\n")};
    struct policy *p = load(files, PARTS + 1, 1);
    assert_int_equal(p->test_count, 2);
    const struct policy_test *one = &p->tests[0], *two = &p->tests[1];
    assert_int_equal(one->now_ms, INT64_C(1737354600000));
    assert_int_equal(two->now_ms, INT64_C(1736929800000));
    assert_int_equal(one->line, 2);
    assert_int_equal(one->channel, 1);
    assert_int_equal(one->action, TEST_ACTION_NONE);
    assert_int_equal(two->action, TEST_ACTION_ANY);
    assert_int_equal(one->signal_count, 3);
    assert_int_equal(one->signals[0].ago_ms, 90 * 60000);
    assert_true(value_same(one->signals[0].properties[0], value_double(3)));
    assert_int_equal(one->attributes[0].type, VALUE_STRING);
    assert_int_equal(one->attributes[1].type, VALUE_UNKNOWN);
    assert_true(one->next_never && two->next_set && two->next_in_ms == INT64_C(3) * 86400000);
    assert_int_equal(one->contacts[0].action, 1);
    policy_free(&p);
}

/* With every limit below what it needs, loading ends with a finding; it never aborts and never gives half a
 * policy. */
static void test_memory(void **state)
{
    (void)state;
    struct policy_text files[PARTS];
    texts(files);
    struct policy *p = load(files, PARTS, 1);
    size_t used = p->arena.used, fits = 0, full = 0;
    policy_free(&p);
    for (size_t limit = 0; limit <= used + 4096; limit += 208) {
        arena_reset(&arena);
        diags_init(&diags, &arena);
        p = load_within(files, PARTS, limit);
        assert_true(p ? diags.errors == 0 : diags.errors > 0);
        if (p) {
            assert_int_equal(p->action_count, 2);
            assert_int_equal(p->actions[0].limit_count, 2);
            assert_int_equal(p->arena.used, used);
        }
        fits += p != NULL;
        full += p == NULL;
        policy_free(&p);
    }
    assert_true(fits > 0);
    assert_true(full > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_brand_and_channels, begin, end),
        cmocka_unit_test_setup_teardown(test_retention, begin, end),
        cmocka_unit_test_setup_teardown(test_actions, begin, end),
        cmocka_unit_test_setup_teardown(test_rules, begin, end),
        cmocka_unit_test_setup_teardown(test_features, begin, end),
        cmocka_unit_test_setup_teardown(test_id, begin, end),
        cmocka_unit_test_setup_teardown(test_bind, begin, end),
        cmocka_unit_test_setup_teardown(test_long_names, begin, end),
        cmocka_unit_test_setup_teardown(test_policy_tests, begin, end),
        cmocka_unit_test_setup_teardown(test_memory, begin, end),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
