/* Tests of policies run as a server would have lived them: signals, contacts and consents at their own times, the stage
 * recorded after each; and what a test that fails says.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"
#include "decide/policy_run.h"
#include "policy/policy_test.h"

static const char head[] =
    "brand: {name: T, time_zone: UTC, locales: [en]}\n"
    "profile: {vip: bool}\n"
    "signals:\n"
    "  fault: {negative: true}\n"
    "  buy: {properties: {amount: number}}\n"
    "  nps: {properties: {score: number}}\n"
    "  unsubscribe: {consent: {withdraw: [promotional]}}\n"
    "channels:\n"
    "  app: {direction: inbound, content: [body]}\n"
    "  mail: {direction: outbound, content: [body]}\n"
    "features:\n"
    "  bad_30d: {negative_moments: 30d}\n"
    "  mean_nps: {mean: nps.score, window: 90d}\n"
    "journey:\n"
    "  stages:\n"
    "    - {id: at_risk, enter: \"bad_30d >= 2\", leave: \"bad_30d == 0\"}\n"
    "    - {id: newcomer, enter: \"count(buy, 365d) == 0\"}\n"
    "    - {id: active, enter: \"count(buy, 90d) > 0\"}\n"
    "actions:\n"
    "  - {id: long_at_risk, issue: i, group: g, purpose: service, value: 9, applicability: \"stage == 'at_risk' && "
    "stage_age == 35d && previous_stage == 'newcomer'\", treatments: [{channel: app, body: x}]}\n"
    "  - {id: back, issue: i, group: g, purpose: service, value: 8, applicability: \"stage == 'active' && "
    "previous_stage == 'at_risk' && stage_since == now - 2d\", treatments: [{channel: app, body: x}]}\n"
    "  - {id: plain, issue: i, group: g, purpose: promotional, value: 1, treatments: [{channel: app, body: x}, {channel: "
    "mail, body: x}]}\n"
    "suppressions:\n"
    "  - {id: unhappy, when: \"mean_nps < 5.0\", block: {purpose: promotional}, on_unknown: block}\n"
    "tests:\n";

static void check(struct fixture *f, const char *test, const char *expected)
{
    char text[8192];
    struct str why = STR("");
    snprintf(text, sizeof text, "%s%s", head, test);
    use_policy(f, text);
    assert_int_equal(f->policy->test_count, 1);
    (void)policy_run_test(f->policy, f->policy->tests, NULL, &f->arena, &why);
    assert_text(why, expected);
}

/* at_risk is entered with the second fault, and stays until none is left in the window: 35 days ago until now. */
static void test_signals_at_their_times(void **state)
{
    check(*state,
          "  - {name: t, given: {signals: [{fault: , ago: 20d}, {fault: , ago: 40d}, {fault: , ago: 35d}]}, "
          "expect: {channel: app, action: long_at_risk, stage: at_risk}}\n",
          "");
}

/* The purchase two days ago finds no fault in the window: at_risk is left then. */
static void test_leaving(void **state)
{
    check(*state,
          "  - {name: t, given: {signals: [{fault: , ago: 60d}, {fault: , ago: 59d}, {buy: {amount: 1}, ago: 2d}]}, "
          "expect: {channel: app, action: back, stage: active}}\n",
          "");
}

static void test_contacts_are_events(void **state)
{
    check(*state,
          "  - {name: t, given: {signals: [{fault: , ago: 60d}, {fault: , ago: 59d}, {buy: {amount: 1}, ago: 4d}], "
          "contacts: [{action: plain, channel: mail, ago: 3d}]}, expect: {channel: app, not_action: [back], stage: active}}\n",
          "");
}

/* Nobody is in a stage by what was written, but by what holds now. */
static void test_never_seen(void **state)
{
    check(*state, "  - {name: t, expect: {channel: app, stage: newcomer}}\n", "");
    check(*state, "  - {name: t, given: {profile: {vip: true}}, expect: {channel: app, stage: newcomer}}\n", "");
    check(*state, "  - {name: t, expect: {channel: app, stage: none}}\n", "expected stage none, got newcomer");
}

/* Consents were there before the first signal, unless they say when they were given. */
static void test_consents(void **state)
{
    const char *given = "given: {signals: [{nps: {score: 9}}, {unsubscribe: , ago: 1h}], consents: "
                        "[{channel: mail, purpose: promotional, granted: true";
    char test[1024];
    snprintf(test, sizeof test, "  - {name: t, %s}]}, expect: {channel: mail, suppressed_by: consent}}\n", given);
    check(*state, test, "");
    snprintf(test, sizeof test, "  - {name: t, %s, ago: 2h}]}, expect: {channel: mail, suppressed_by: consent}}\n", given);
    check(*state, test, "");
    snprintf(test, sizeof test, "  - {name: t, %s, ago: 1m}]}, expect: {channel: mail, action: plain}}\n", given);
    check(*state, test, "");
}

/* The values that decided stand in the message. */
static void test_failures_say_why(void **state)
{
    check(*state, "  - {name: t, expect: {channel: app, action: plain}}\n",
          "expected plain, got suppressed by suppression_rule unhappy (unhappy holds back promotional; mean_nps = unknown)");
    check(*state,
          "  - {name: t, given: {signals: [{nps: {score: 9}}, {fault: }]}, expect: {channel: app, action: long_at_risk}}\n",
          "expected long_at_risk, got plain; long_at_risk: not applicable now (long_at_risk.applicability); stage = newcomer, "
          "now = 2025-01-15T12:00:00Z, stage_since = 2025-01-15T12:00:00Z, previous_stage = ''");
    check(*state,
          "  - {name: t, given: {signals: [{nps: {score: 9}}, {fault: , ago: 41d}, {fault: , ago: 41d}, {buy: {amount: 1}, ago: "
          "2d}]}, expect: {channel: app, action: plain}}\n",
          "expected plain, got back; plain: outranked; its priority is 0.05, that of back 0.4");
    check(*state,
          "  - {name: t, given: {signals: [{nps: {score: 9}}]}, expect: {channel: app, suppressed_by: unhappy}}\n",
          "expected suppressed_by unhappy, got plain");
    check(*state, "  - {name: t, given: {signals: [{nps: {score: 4}}]}, expect: {channel: app, not_suppressed_by: [unhappy]}}\n",
          "unhappy fires; mean_nps = 4");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_signals_at_their_times, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_leaving, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_contacts_are_events, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_never_seen, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_consents, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_failures_say_why, fixture_setup, fixture_teardown)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
