/* A policy's own tests, as its files state them. They are read here and run by decide/policy_run.h through
 * the decision function itself.
 *
 *   tests:
 *     - name: no promotion with an open case
 *       now: 2025-01-15T12:00                     in the brand's zone; this is the default
 *       given:
 *         channel: email                          or under expect
 *         placements: [home_hero]
 *         locale: fa
 *         mode: PEEK | FRESH | RESERVE            default PEEK
 *         context: {device: phone}
 *         profile: {tier: gold}
 *         consents: [{channel: email, purpose: promotional, granted: true, ago: 3d}]
 *         signals: [{support_contact: {case: c1, topic: broken}, channel: phone, ago: 2h}]
 *         contacts: [{action: cart_reminder, channel: email, ago: 2d, answer: response | conversion | rejection}]
 *         preferences: {channel: sms, quiet_hours: {from: "22:00", to: "07:00"}, pause: 3d, at_most: 2, per: 7d}
 *       expect:
 *         action: cart_reminder                   the best choice; or `none`
 *         not_action: [a, b]                      none of the choices
 *         suppressed_by: open_support_case        rule or limit id, or a cause: quiet_hours, consent, …
 *         not_suppressed_by: [id]                 no suppression rule of this list fires
 *         next_eligible_in: 70h                   from now until next_eligible_at; `never`
 *         content: {subject: "…"}                 of the best choice
 *         stage: at_risk                          of the journey; `none`
 *
 * What has an `ago` happened so long before now and arrived then, in that order; of signals and contacts without one, ago is
 * 0. Profile, preferences and consents without one were there before everything else. Values are checked as a server checks
 * them.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_POLICY_POLICY_TEST_H
#define TACT_POLICY_POLICY_TEST_H
#include "policy/load.h"
#include "state/state.h"

struct test_signal {
    uint32_t signal;
    uint32_t channel; /* UINT32_MAX: not told */
    int64_t ago_ms;
    struct value *properties; /* [property_count of the signal] */
};
struct test_contact {
    uint32_t action, channel;
    enum contact_outcome outcome; /* 0: no answer */
    int64_t ago_ms;
};
struct test_consent {
    uint32_t channel;
    enum purpose purpose;
    bool granted;
    int64_t ago_ms; /* TEST_BEFORE_ALL: not told */
};
#define TEST_BEFORE_ALL INT64_C(-1)
struct test_text {
    struct str name, text;
};

enum { TEST_ACTION_ANY = -1, TEST_ACTION_NONE = -2 };

struct policy_test {
    struct str name;
    const char *file;
    int line, column;
    int64_t now_ms;
    uint32_t channel;
    struct str locale;
    bool reserve;
    struct str *placements;
    size_t placement_count;
    struct value *context;    /* [context_count] */
    struct value *attributes; /* [attribute_count]; VALUE_UNKNOWN: not given */
    struct test_signal *signals;
    struct test_contact *contacts;
    struct test_consent *consents;
    struct preferences preferences; /* its channel is an index here */
    size_t signal_count, contact_count, consent_count;
    /* expected */
    long action; /* index, TEST_ACTION_ANY or TEST_ACTION_NONE */
    uint32_t *not_actions;
    size_t not_action_count;
    struct str suppressed_by; /* empty: not checked */
    struct str *not_suppressed_by;
    size_t not_suppressed_count;
    bool next_set, next_never;
    int64_t next_in_ms;
    struct test_text *content;
    size_t content_count;
    bool stage_set;
    long stage; /* index, or -1: none */
};

void load_policy_tests(struct loader *l);

#endif
