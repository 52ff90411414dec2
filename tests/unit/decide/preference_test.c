/* What people ask for themselves, and what signals do to their consent. Pauses, quiet hours and contacts less often are
 * compared with a walk minute by minute that knows nothing of how they are looked ahead.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"
#include "decide/apply.h"
#include "decide/outcome_wire.h"
#include "decide/request_wire.h"
#include "state/merge.h"
#include "state/preferences.h"

static const char policy[] =
    "brand: {name: T, time_zone: Asia/Tehran, locales: [en]}\n"
    "profile: {zone: time_zone}\n"
    "signals:\n"
    "  unsubscribe: {properties: {why: string}, consent: {withdraw: [promotional, ask]}}\n"
    "  stop_all: {consent: {withdraw: [promotional], channel: all}}\n"
    "  opt_in: {consent: {grant: [promotional], channel: sms}}\n"
    "  opt_in_here: {consent: {grant: [promotional], channel: own}}\n"
    "channels:\n"
    "  mail: {direction: outbound, consent: [promotional, ask], content: [body],\n"
    "         quiet_hours: {from: \"23:00\", to: \"05:00\", except: [transactional, service]}}\n"
    "  sms: {direction: outbound, content: [body]}\n"
    "  web: {direction: inbound, content: [body]}\n"
    "actions:\n"
    "  - {id: promo, issue: i, group: g, purpose: promotional, value: 4.0, treatments: [{channel: mail, body: x}, {channel: sms, body: x}, {channel: web, body: x}]}\n"
    "  - {id: ask, issue: i, group: g, purpose: ask, value: 3.0, treatments: [{channel: mail, body: x}, {channel: sms, body: x}]}\n"
    "  - {id: serve, issue: i, group: g, purpose: service, value: 2.0, treatments: [{channel: mail, body: x}, {channel: sms, body: x}]}\n"
    "  - {id: bill, issue: i, group: g, purpose: transactional, value: 1.0, treatments: [{channel: mail, body: x}, {channel: sms, body: x}]}\n"
    "  - {id: here, issue: i, group: g, purpose: service, value: 9.0, suitability: \"preferences.channel == channel\", treatments: [{channel: web, body: x}, {channel: sms, body: x}]}\n";

static void decide_at(struct fixture *f, const char *channel, int64_t at_ms)
{
    static struct decide_input in;
    f->request.channel = (uint32_t)policy_channel_find(f->policy, str_from(channel));
    f->request.explain = true;
    in = input_of(f);
    in.now_ms = at_ms;
    run(f, &in);
}

static const struct candidate *candidate(struct fixture *f, const char *action)
{
    return &f->decision.candidates[policy_action_find(f->policy, str_from(action))];
}

static void begin(struct fixture *f)
{
    use_policy(f, policy);
    consent(f, "mail", PURPOSE_PROMOTIONAL, true);
    consent(f, "mail", PURPOSE_ASK, true);
    consent(f, "sms", PURPOSE_PROMOTIONAL, true);
}

static void set(struct fixture *f, struct preferences p)
{
    preferences_set(&f->state, &p);
}

static void a_pause_holds_back_what_nobody_waits_for(void **state)
{
    struct fixture *f = *state;
    begin(f);
    int64_t until = NOW + 3 * DAY;
    set(f, (struct preferences){.pause_ms = NOW, .paused_until_ms = until});
    decide_at(f, "mail", NOW);
    assert_chosen(f, "serve");
    assert_int_equal(candidate(f, "promo")->block.kind, BLOCK_PREFERENCE);
    assert_int_equal(candidate(f, "ask")->block.kind, BLOCK_PREFERENCE);
    assert_int_equal(candidate(f, "bill")->block.kind, BLOCK_NONE);
    decide_at(f, "web", NOW); /* inbound: they came to us */
    assert_chosen(f, "promo");
    decide_at(f, "mail", until);
    assert_chosen(f, "promo");
    set(f, (struct preferences){.pause_ms = NOW + 1}); /* taken back */
    decide_at(f, "mail", NOW + 1);
    assert_chosen(f, "promo");
}

/* No limit of the policy looks at it, but the person may ask for less often later. */
static void what_was_sent_before_counts(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    begin(f);
    struct outcome o = {.kind = TACT__V1__RECORD_REQUEST__KIND__SENT,
                        .event = 77,
                        .decision = {{9}},
                        .action = f->policy->actions[policy_action_find(f->policy, STR("promo"))].word.id,
                        .channel = f->policy->channels[policy_channel_find(f->policy, STR("mail"))].word.id,
                        .time_ms = NOW - HOUR};
    assert_int_equal(outcome_apply(&o, f->policy, &f->state, NOW, &e), 1);
    set(f, (struct preferences){.less_ms = NOW, .less_at_most = 1, .less_per_ms = 7 * DAY});
    decide_at(f, "mail", NOW);
    assert_int_equal(candidate(f, "promo")->block.kind, BLOCK_PREFERENCE);
}

static void the_reason_says_so(void **state)
{
    struct fixture *f = *state;
    const char *only =
        "brand: {name: T, time_zone: UTC, locales: [en]}\n"
        "channels: {sms: {direction: outbound, consent: [], content: [body]}}\n"
        "actions: [{id: promo, issue: i, group: g, purpose: promotional, value: 4.0, treatments: [{channel: sms, body: x}]}]\n";
    use_policy(f, only);
    set(f, (struct preferences){.pause_ms = NOW, .paused_until_ms = NOW + DAY});
    decide_at(f, "sms", NOW);
    assert_suppressed(f, CAUSE_PREFERENCE, "");
    const struct suppression *s = &f->decision.suppression;
    assert_text(s->text, "the customer asked for a pause until 2025-01-16T12:00:00Z");
    assert_true(s->next_eligible_ms == NOW + DAY && s->ends_ms == NOW + DAY);
    assert_int_equal(s->lifted_count, 1);
    assert_text(s->lifted_by[0], "preferences");
    use_policy(f, only);
    set(f, (struct preferences){.quiet_ms = NOW, .quiet_from = 11 * 60, .quiet_to = 13 * 60});
    decide_at(f, "sms", NOW);
    assert_text(f->decision.suppression.text, "quiet hours of the customer's own");
    assert_true(f->decision.suppression.next_eligible_ms == NOW + HOUR);
    use_policy(f, only);
    set(f, (struct preferences){.less_ms = NOW, .less_at_most = 1, .less_per_ms = 7 * DAY});
    contacted(f, "promo", "sms", NOW - 2 * DAY);
    decide_at(f, "sms", NOW);
    assert_text(f->decision.suppression.text, "the customer asked for at most 1 contact in 7d");
    assert_true(f->decision.suppression.next_eligible_ms == NOW + 5 * DAY);
    set(f, (struct preferences){.less_ms = NOW + 1, .less_at_most = 0, .less_per_ms = 7 * DAY});
    decide_at(f, "sms", NOW);
    assert_true(f->decision.suppression.next_eligible_ms == 0); /* only they can lift it */
    assert_text(f->decision.suppression.waits_for[0], "preferences");
}

/* Own quiet hours in the person's zone, a pause, less often, and the channel's quiet hours, all at once, against a walk. */
static void looking_ahead_is_a_walk(void **state)
{
    struct fixture *f = *state;
    static const char *const zones[] = {"Asia/Tehran", "America/New_York", "Asia/Kolkata"};
    struct rng rng;
    rng_seed(&rng, 81);
    for (int round = 0; round < 60; round++) {
        begin(f);
        const struct tz *zone = tz_find(f->zones, str_from(zones[round % 3]));
        set_profile(f, "zone", value_string(str_from(zones[round % 3])));
        struct preferences p = {0};
        if (rng_below(&rng, 2)) {
            p.quiet_ms = 1;
            p.quiet_from = (int16_t)rng_below(&rng, 1440);
            p.quiet_to = (int16_t)((p.quiet_from + 1 + (int)rng_below(&rng, 1200)) % 1440);
        }
        if (rng_below(&rng, 2)) {
            p.pause_ms = 1;
            p.paused_until_ms = NOW + (int64_t)rng_below(&rng, 2000) * MINUTE;
        }
        if (rng_below(&rng, 2)) {
            p.less_ms = 1;
            p.less_at_most = 1 + (uint32_t)rng_below(&rng, 2);
            p.less_per_ms = (int64_t)(1 + rng_below(&rng, 48)) * HOUR;
        }
        set(f, p);
        int64_t contacts[4];
        const char *const about[] = {"promo", "ask", "serve", "promo"};
        for (int i = 0; i < 4; i++) {
            contacts[i] = NOW - (int64_t)(1 + rng_below(&rng, 3000)) * MINUTE;
            contacted(f, about[i], i == 3 ? "web" : "sms", contacts[i]);
        }
        decide_at(f, "mail", NOW);
        if (candidate(f, "promo")->block.kind == BLOCK_NONE)
            continue;
        struct view v;
        struct gate g;
        struct blocker last;
        assert_int_equal(view_init(&v, f->policy, &f->state, NULL, 0, false, NOW, &f->arena), 0);
        gate_init(&g, &v, &f->request, false);
        int64_t next = gate_next_eligible(&g, 0, NOW, GATE_HORIZON, &last), at = NOW;
        for (; at < NOW + 10 * DAY; at += MINUTE) {
            struct civil local;
            tz_local(zone, at, &local);
            int minute = local.hour * 60 + local.minute, n = 0;
            bool own = p.quiet_ms && (p.quiet_from < p.quiet_to ? minute >= p.quiet_from && minute < p.quiet_to
                                                                : minute >= p.quiet_from || minute < p.quiet_to);
            for (int i = 0; i < 2; i++) /* the service contact and the one on the web do not count */
                n += contacts[i] + p.less_per_ms > at;
            bool blocked = own || minute >= 23 * 60 || minute < 5 * 60 || at < p.paused_until_ms ||
                           (p.less_ms && n >= (int)p.less_at_most);
            if (!blocked)
                break;
        }
        assert_true(next == at);
    }
}

static void the_preferred_channel_is_a_word(void **state)
{
    struct fixture *f = *state;
    begin(f);
    decide_at(f, "web", NOW);
    assert_chosen(f, "promo");
    set(f, (struct preferences){.channel_ms = NOW, .channel = f->policy->channels[2].word.id});
    decide_at(f, "web", NOW);
    assert_chosen(f, "here");
    decide_at(f, "sms", NOW);
    assert_chosen(f, "promo");
}

static void newer_wishes_stand_and_ties_are_strict(void **state)
{
    struct fixture *f = *state;
    begin(f);
    struct preferences *p = &f->state.preferences;
    set(f, (struct preferences){.less_ms = NOW, .less_at_most = 4, .less_per_ms = 7 * DAY});
    set(f, (struct preferences){.less_ms = NOW - 1, .less_at_most = 1, .less_per_ms = 7 * DAY});
    assert_int_equal(p->less_at_most, 4);
    set(f, (struct preferences){.less_ms = NOW, .less_at_most = 2, .less_per_ms = 3 * DAY}); /* more a day */
    assert_int_equal(p->less_at_most, 4);
    set(f, (struct preferences){.less_ms = NOW, .less_at_most = 4, .less_per_ms = 8 * DAY});
    assert_true(p->less_per_ms == 8 * DAY);
    set(f, (struct preferences){.pause_ms = NOW, .paused_until_ms = NOW + DAY, .quiet_ms = NOW, .quiet_from = 60, .quiet_to = 30});
    set(f, (struct preferences){.pause_ms = NOW, .quiet_ms = NOW, .quiet_from = PREFERENCE_NO_QUIET, .quiet_to = PREFERENCE_NO_QUIET});
    assert_true(p->paused_until_ms == NOW + DAY && p->quiet_from == 60);
    struct buf b;
    struct error e;
    buf_init(&b, 1000);
    assert_int_equal(state_encode(&f->state, 1, &b, &e), 0);
    struct state again, empty;
    assert_int_equal(state_decode(&again, &f->policy->schema, (struct str){(const char *)b.p, b.n}, &f->arena, &e), 0);
    assert_memory_equal(&again.preferences, p, sizeof *p);
    assert_int_equal(state_decode(&empty, &f->policy->schema, (struct str){0}, &f->arena, &e), 0);
    assert_int_equal(state_merge(&empty, &again, NOW), 0);
    assert_memory_equal(&empty.preferences, p, sizeof *p);
    buf_free(&b);
}

static int upsert(struct fixture *f, Tact__V1__Preferences *m, struct error *e)
{
    Tact__V1__UpsertRequest r = TACT__V1__UPSERT_REQUEST__INIT;
    struct upsert u;
    r.preferences = m;
    int rc = request_upsert(&r, f->policy, NOW, &f->arena, &u, e);
    return rc ? rc : upsert_apply(&u, &f->state, NOW, e);
}

static void refused(struct fixture *f, Tact__V1__Preferences *m, const char *text)
{
    struct error e = {0};
    assert_int_equal(upsert(f, m, &e), ERR_INVALID);
    assert_string_equal(e.text, text);
    tact__v1__preferences__init(m);
}

static void wishes_over_the_wire(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    begin(f);
    Tact__V1__Preferences m = TACT__V1__PREFERENCES__INIT;
    char *clear[] = {(char *)"pause", (char *)"quiet_hours"};
    m.channel = (char *)"sms";
    m.quiet_from = (char *)"22:30";
    m.quiet_to = (char *)"07:00";
    m.paused_until_ms = NOW + DAY;
    m.at_most = 2;
    m.per_ms = 7 * DAY;
    assert_int_equal(upsert(f, &m, &e), 0);
    struct preferences *p = &f->state.preferences;
    assert_true(p->quiet_from == 22 * 60 + 30 && p->quiet_to == 7 * 60 && p->paused_until_ms == NOW + DAY);
    assert_true(p->less_at_most == 2 && p->less_per_ms == 7 * DAY && p->channel == f->policy->channels[1].word.id);
    tact__v1__preferences__init(&m);
    m.clear = clear;
    m.n_clear = 2;
    m.time_ms = NOW + 1;
    assert_int_equal(upsert(f, &m, &e), 0);
    assert_true(p->quiet_from == PREFERENCE_NO_QUIET && p->paused_until_ms == 0 && p->less_at_most == 2);

    tact__v1__preferences__init(&m);
    m.channel = (char *)"smss";
    refused(f, &m, "preferences.channel: unknown 'smss'; did you mean sms?; allowed: mail, sms, web");
    m.quiet_from = (char *)"22:00";
    refused(f, &m, "preferences.quiet_from: given without quiet_to");
    m.quiet_from = (char *)"24:00";
    m.quiet_to = (char *)"07:00";
    refused(f, &m, "preferences.quiet_from: '24:00' is no time of day like 22:00");
    m.quiet_from = m.quiet_to = (char *)"07:00";
    refused(f, &m, "preferences.quiet_to: the same as quiet_from; for no contact at all ask for a pause");
    m.at_most = 1;
    refused(f, &m, "preferences.per_ms: 0; 1 hour to 30 days in whole minutes is allowed");
    m.per_ms = 31 * DAY;
    refused(f, &m, "preferences.per_ms: 2678400000; 1 hour to 30 days in whole minutes is allowed");
    m.per_ms = 7 * DAY;
    m.at_most = 0;
    refused(f, &m, "preferences.at_most: 0; 1 to 1000 is allowed; for no contact at all ask for a pause, or withdraw consent");
    m.paused_until_ms = -1;
    refused(f, &m, "preferences.paused_until_ms: -1 is no time in Unix milliseconds");
    clear[0] = (char *)"quite_hours";
    m.clear = clear;
    m.n_clear = 1;
    refused(f, &m, "preferences.clear[0]: unknown 'quite_hours'; did you mean quiet_hours?; allowed: channel, quiet_hours, pause, less_often");
    clear[0] = (char *)"pause";
    m.clear = clear;
    m.n_clear = 1;
    m.paused_until_ms = NOW + DAY;
    refused(f, &m, "preferences.clear[0]: pause is set by the same request");
    m.time_ms = NOW + 301000;
    refused(f, &m, "preferences.time_ms: 301 s ahead of the server's time; at most 300 s are allowed");
}

/* ---- consent by signal ---- */

static int consent_of(struct fixture *f, const char *channel, enum purpose purpose)
{
    long at = policy_channel_find(f->policy, str_from(channel));
    return state_consent(&f->state, f->policy->channels[at].word.id, f->policy->purposes[purpose].id);
}

static void tell(struct fixture *f, const char *signal, const char *channel, int64_t time_ms)
{
    struct value none[1] = {{0}};
    struct signal g = {.index = (uint32_t)schema_signal_find(&f->policy->schema, str_from(signal)),
                       .event = ++f->events,
                       .time_ms = time_ms,
                       .channel = channel ? str_from(channel) : (struct str){0},
                       .properties = none};
    assert_int_equal(apply_signal(f->policy, &f->state, &g, NOW), 1);
}

static void a_signal_withdraws_and_grants(void **state)
{
    struct fixture *f = *state;
    begin(f);
    tell(f, "unsubscribe", "mail", NOW + 1);
    assert_int_equal(consent_of(f, "mail", PURPOSE_PROMOTIONAL), 0);
    assert_int_equal(consent_of(f, "mail", PURPOSE_ASK), 0);
    assert_int_equal(consent_of(f, "sms", PURPOSE_PROMOTIONAL), 1);
    assert_int_equal(consent_of(f, "sms", PURPOSE_ASK), -1); /* nobody needs it there */
    decide_at(f, "mail", NOW + 1);
    assert_chosen(f, "serve");
    bool told = false;
    for (uint32_t i = 0; i < f->state.consent_count; i++)
        told |= str_is(f->state.consents[i].source, "signal unsubscribe");
    assert_true(told);

    begin(f);
    tell(f, "unsubscribe", NULL, NOW + 1); /* from which channel is not known: from all */
    assert_int_equal(consent_of(f, "mail", PURPOSE_PROMOTIONAL), 0);
    assert_int_equal(consent_of(f, "sms", PURPOSE_PROMOTIONAL), 0);
    tell(f, "opt_in_here", NULL, NOW + 1); /* where is not known: nowhere */
    assert_int_equal(consent_of(f, "mail", PURPOSE_PROMOTIONAL), 0);
    assert_int_equal(consent_of(f, "sms", PURPOSE_PROMOTIONAL), 0);
    tell(f, "opt_in", "web", NOW + 2);
    assert_int_equal(consent_of(f, "sms", PURPOSE_PROMOTIONAL), 1);
    assert_int_equal(consent_of(f, "mail", PURPOSE_PROMOTIONAL), 0);
    tell(f, "stop_all", "web", NOW - DAY); /* older than what they said since */
    assert_int_equal(consent_of(f, "sms", PURPOSE_PROMOTIONAL), 1);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_pause_holds_back_what_nobody_waits_for), TEST(what_was_sent_before_counts), TEST(the_reason_says_so),
        TEST(looking_ahead_is_a_walk),                  TEST(the_preferred_channel_is_a_word),
        TEST(newer_wishes_stand_and_ties_are_strict),   TEST(wishes_over_the_wire),
        TEST(a_signal_withdraws_and_grants),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
