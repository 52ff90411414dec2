/* Contact policy: consent, quiet hours, frequency caps, cooldowns, reservations, and what they say.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#define BRAND "brand: {name: T, time_zone: UTC, locales: [en, fa]}\n"

static void consents(void **state)
{
    struct fixture *f = *state;
    use_policy(f, BRAND "channels: {mail: {direction: outbound, consent: [promotional]}}\n"
                        "actions:\n"
                        "  - {id: promo, issue: i, group: g, purpose: promotional, value: 9, treatments: "
                        "[{channel: mail, body: x}]}\n"
                        "  - {id: help, issue: i, group: h, purpose: service, value: 2, treatments: "
                        "[{channel: mail, body: x}]}\n");
    struct decide_input in = input_of(f);
    run(f, &in);
    assert_chosen(f, "help"); /* service needs none here */
    assert_int_equal(candidate_of(f, "promo")->stage, STAGE_CONTACT_POLICY);
    assert_text(explain_candidate(&f->decision, candidate_of(f, "promo"), &f->arena),
                "no consent for this purpose on mail");
    struct evidence *evidence;
    const struct candidate *c = candidate_of(f, "promo");
    size_t n = explain_evidence(&f->decision, c->action, &c->block, &evidence, &f->arena);
    assert_evidence(evidence, n, "consent", "unknown");
    consent(f, "mail", PURPOSE_PROMOTIONAL, false);
    run(f, &in);
    c = candidate_of(f, "promo");
    n = explain_evidence(&f->decision, c->action, &c->block, &evidence, &f->arena);
    assert_evidence(evidence, n, "consent", "withdrawn");

    use_policy(f,
               BRAND "channels: {mail: {direction: outbound, consent: [promotional, ask]}, "
                     "sms: {direction: outbound, consent_unknown: allow}}\n"
                     "actions: [{id: promo, issue: i, group: g, purpose: promotional, value: 9, treatments: "
                     "[{channel: mail, body: x}, {channel: sms, body: x}]}]\n");
    struct decide_input mail = input_of(f);
    run(f, &mail);
    assert_suppressed(f, CAUSE_CONSENT, "");
    assert_int_equal(f->decision.suppression.waits_count, 1);
    assert_text(f->decision.suppression.waits_for[0], "consent");
    assert_int_equal(f->decision.suppression.scope.purpose, PURPOSE_PROMOTIONAL);
    assert_int_equal(f->decision.suppression.scope.channel, channel_named(f, "mail"));
    f->request.channel = channel_named(f, "sms");
    struct decide_input sms = input_of(f);
    run(f, &sms);
    assert_chosen(f, "promo");
    consent(f, "sms", PURPOSE_PROMOTIONAL, false);
    run(f, &sms);
    assert_suppressed(f, CAUSE_CONSENT, "");
}

/* Of somebody who was forgotten nothing is known: outbound they hear only what they wait for, which is advice, and no booking. */
static void the_forgotten(void **state)
{
    struct fixture *f = *state;
    use_policy(
        f, BRAND
        "channels: {mail: {direction: outbound, consent: []}, web: {direction: inbound}}\n"
        "actions:\n"
        "  - {id: promo, issue: i, group: g, purpose: promotional, value: 9, treatments: "
        "[{channel: mail, body: x}, {channel: web, body: x}]}\n"
        "  - {id: poll, issue: i, group: g, purpose: ask, value: 8, treatments: [{channel: mail, body: x}]}\n"
        "  - {id: help, issue: i, group: h, purpose: service, value: 2, treatments: [{channel: mail, body: "
        "x}]}\n"
        "  - {id: receipt, issue: i, group: h, purpose: transactional, value: 1, treatments: "
        "[{channel: mail, body: x}], active: {to: 2025-01-15}}\n");
    struct decide_input in = input_of(f);
    run(f, &in);
    assert_chosen(f, "promo");
    state_clear(&f->state, NOW - HOUR);
    f->request.max_actions = 4;
    run(f, &in);
    assert_int_equal(f->decision.choice_count, 2);
    assert_text(
        explain_candidate(&f->decision, candidate_of(f, "promo"), &f->arena),
        "the customer was forgotten at 2025-01-15T11:00:00Z and has given no new consent: only service and "
        "transactional messages may go out");
    assert_int_equal(candidate_of(f, "poll")->stage, STAGE_CONTACT_POLICY);
    assert_int_equal(candidate_of(f, "help")->stage, STAGE_CHOSEN);
    assert_int_equal(candidate_of(f, "receipt")->stage, STAGE_CHOSEN);
    f->request.mode = MODE_RESERVE;
    run(f, &in);
    assert_suppressed(f, CAUSE_FORGOTTEN, "");
    const struct suppression *s = &f->decision.suppression;
    assert_true(s->next_eligible_ms == 0); /* no time lifts it */
    assert_int_equal(s->waits_count, 1);
    assert_text(s->waits_for[0], "consent");
    assert_evidence(s->evidence, s->evidence_count, "forgotten_at", "2025-01-15T11:00:00Z");
    assert_int_equal(s->scope.channel, channel_named(f, "mail"));
    f->request.mode = MODE_PEEK;
    f->request.channel = channel_named(f, "web");
    run(f, &in);
    assert_chosen(f, "promo"); /* as to anybody who comes by */
}

static void quiet_hours(void **state)
{
    struct fixture *f = *state;
    use_policy(f, BRAND "profile: {zone: time_zone}\n"
                        "channels: {mail: {direction: outbound, consent: [], quiet_hours: {from: \"21:00\", "
                        "to: \"08:00\", except: [transactional]}}}\n"
                        "actions:\n"
                        "  - {id: promo, issue: i, group: g, purpose: promotional, value: 9, treatments: "
                        "[{channel: mail, body: x}]}\n"
                        "  - {id: receipt, issue: i, group: g, purpose: transactional, value: 1, treatments: "
                        "[{channel: mail, body: x}],"
                        " active: {to: 2025-01-15}}\n");
    struct decide_input in = input_of(f);
    run(f, &in);
    assert_chosen(f, "promo");
    set_profile(f, "zone", value_string(STR("Asia/Tokyo"))); /* 21:00 there */
    run(f, &in);
    assert_chosen(f, "receipt");
    assert_text(explain_candidate(&f->decision, candidate_of(f, "promo"), &f->arena), "quiet hours on mail");
    in.now_ms = NOW + 12 * HOUR; /* the receipt is over; 09:00 in Tokyo */
    run(f, &in);
    assert_chosen(f, "promo");
    in.now_ms = NOW + 24 * HOUR;
    run(f, &in);
    assert_suppressed(f, CAUSE_QUIET_HOURS, "");
    const struct suppression *s = &f->decision.suppression;
    assert_true(s->next_eligible_ms == NOW + 35 * HOUR); /* 08:00 in Tokyo */
    assert_evidence(s->evidence, s->evidence_count, "quiet_hours", "21:00-08:00");
    assert_evidence(s->evidence, s->evidence_count, "local_time", "21:00");
    assert_evidence(s->evidence, s->evidence_count, "time_zone", "Asia/Tokyo");
    in.now_ms = NOW + 24 * HOUR - 1;
    run(f, &in);
    assert_chosen(f, "promo");
}

#define LIMITED                                                                                              \
    BRAND                                                                                                    \
    "channels: {mail: {direction: outbound, consent: [], confirm_within: 30m}, sms: {direction: "            \
    "outbound, consent: []}}\n"                                                                              \
    "actions:\n"                                                                                             \
    "  - {id: a, issue: i, group: g, purpose: service, value: 9, treatments: [{channel: mail, body: "        \
    "x}, {channel: sms, body: x}]}\n"                                                                        \
    "  - {id: b, issue: i, group: g, purpose: service, value: 8, treatments: [{channel: mail, body: "        \
    "x}]}\n"                                                                                                 \
    "  - {id: c, issue: j, group: h, purpose: ask, value: 7, treatments: [{channel: mail, body: x}]}\n"      \
    "contact_policy:\n"

static void frequency_caps(void **state)
{
    struct fixture *f = *state;
    use_policy(f, LIMITED "  - {id: weekly, scope: {channel: mail}, at_most: 2, per: 7d}\n");
    struct decide_input in = input_of(f);
    contacted(f, "a", "mail", NOW - 7 * DAY); /* just left */
    contacted(f, "a", "mail", NOW - 6 * DAY);
    contacted(f, "a", "sms", NOW - DAY); /* another channel */
    run(f, &in);
    assert_chosen(f, "a");
    contacted(f, "c", "mail", NOW - HOUR);
    run(f, &in);
    assert_suppressed(f, CAUSE_FREQUENCY_CAP, "weekly");
    const struct suppression *s = &f->decision.suppression;
    assert_true(s->next_eligible_ms == NOW + DAY);
    assert_int_equal(s->scope.channel, channel_named(f, "mail"));
    assert_text(s->text, "weekly: at most 2 contacts in 7d");
    assert_evidence(s->evidence, s->evidence_count, "at_most", "2");
    assert_evidence(s->evidence, s->evidence_count, "per", "7d");
    in.now_ms = NOW + DAY;
    run(f, &in);
    assert_chosen(f, "a");
    in.now_ms--;
    run(f, &in);
    assert_suppressed(f, CAUSE_FREQUENCY_CAP, "weekly");
}

static void reservations_lapse(void **state)
{
    struct fixture *f = *state;
    use_policy(f, LIMITED "  - {id: daily, at_most: 1, per: 1d}\n");
    struct decide_input in = input_of(f);
    struct contact k = contact_of(f, "c", "mail", NOW - 10 * MINUTE);
    k.expires_ms = NOW + 20 * MINUTE;
    assert_int_equal(state_contact_add(&f->state, &k, NOW), 0);
    run(f, &in);
    assert_suppressed(f, CAUSE_FREQUENCY_CAP, "daily");
    assert_true(f->decision.suppression.next_eligible_ms == NOW + 20 * MINUTE);
    in.now_ms = NOW + 20 * MINUTE;
    run(f, &in);
    assert_chosen(f, "a");
    state_contact_find(&f->state, k.decision, 0)->expires_ms = 0; /* it was sent */
    run(f, &in);
    assert_suppressed(f, CAUSE_FREQUENCY_CAP, "daily");
    assert_true(f->decision.suppression.next_eligible_ms == NOW - 10 * MINUTE + DAY);
}

static void cooldowns_and_each(void **state)
{
    struct fixture *f = *state;
    use_policy(f, LIMITED "  - {id: same_action, scope: {action: each}, cooldown: 48h}\n"
                          "  - {id: same_group, scope: {group: each, channel: mail}, cooldown: 2h}\n"
                          "  - {id: asks, scope: {purpose: ask}, at_most: 0, per: 1d}\n");
    struct decide_input in = input_of(f);
    run(f, &in);
    assert_chosen(f, "a");
    contacted(f, "a", "sms", NOW - HOUR);
    run(f, &in);
    assert_chosen(f, "b"); /* a in its cooldown; the group's is about mail alone */
    assert_text(explain_candidate(&f->decision, candidate_of(f, "a"), &f->arena),
                "same_action: contacted less than 48h ago");
    contacted(f, "b", "mail", NOW - HOUR);
    run(f, &in);
    assert_suppressed(f, CAUSE_COOLDOWN, "same_action"); /* a is the best of those held back */
    assert_text(explain_rule(f->policy, &candidate_of(f, "b")->block), "same_action");
    assert_true(f->decision.suppression.next_eligible_ms == NOW + 47 * HOUR);
    assert_text(explain_rule(f->policy, &candidate_of(f, "c")->block), "asks");
    forget_customer(f);
    contacted(f, "b", "mail", NOW - HOUR);
    run(f, &in);
    assert_text(explain_rule(f->policy, &candidate_of(f, "a")->block), "same_group");
    assert_true(f->decision.suppression.next_eligible_ms == NOW + HOUR);
}

static void limits_count_within_one_decision(void **state)
{
    struct fixture *f = *state;
    use_policy(f, LIMITED "  - {id: one_a_group, scope: {group: each}, at_most: 1, per: 1d}\n");
    struct decide_input in = input_of(f);
    struct error e = {0};
    f->request.max_actions = 3;
    run(f, &in);
    assert_int_equal(f->decision.choice_count, 2);
    assert_text(f->decision.choices[0].action->word.name, "a");
    assert_text(f->decision.choices[1].action->word.name, "c");
    assert_int_equal(candidate_of(f, "b")->stage, STAGE_CONTACT_POLICY);
    assert_text(explain_rule(f->policy, &candidate_of(f, "b")->block), "one_a_group");
    /* Booked, the next decision sees them until they lapse. */
    assert_int_equal(decision_reserve(&f->decision, &f->state, &e), 0);
    assert_int_equal(f->state.contact_count, 2);
    assert_true(f->state.contacts[0].expires_ms == NOW + 30 * MINUTE && f->state.contacts[0].time_ms == NOW);
    assert_int_equal(decision_reserve(&f->decision, &f->state, &e), ERR_EXISTS);
    run(f, &in);
    assert_suppressed(f, CAUSE_FREQUENCY_CAP, "one_a_group");
    assert_true(f->decision.suppression.next_eligible_ms == NOW + 30 * MINUTE);
    use_policy(f, LIMITED "  - {id: two, at_most: 2, per: 1d}\n");
    struct decide_input two = input_of(f);
    f->request.max_actions = 3;
    run(f, &two);
    assert_int_equal(f->decision.choice_count, 2);
    assert_text(explain_rule(f->policy, &candidate_of(f, "c")->block), "two");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(consents),
        TEST(quiet_hours),
        TEST(frequency_caps),
        TEST(the_forgotten),
        TEST(reservations_lapse),
        TEST(cooldowns_and_each),
        TEST(limits_count_within_one_decision),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
