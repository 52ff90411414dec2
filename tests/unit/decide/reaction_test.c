/* How a customer took what was shown before, as pair features; and contacts made outside, counted against every limit.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"
#include "decide/apply.h"
#include "decide/outcome_wire.h"
#include "state/merge.h"
#include "state/reactions.h"

static const char policy[] =
    "brand: {name: T, time_zone: UTC, locales: [en]}\n"
    "channels:\n"
    "  mail: {direction: outbound, consent: [], content: [body]}\n"
    "  sms: {direction: outbound, consent: [], content: [body]}\n"
    "  web: {direction: inbound, content: [body]}\n"
    "features:\n"
    "  shown_h: {expr: \"shown_age(action.id)\"}\n"
    "  group_h: {expr: \"shown_age(action.group)\"}\n"
    "  times: {expr: \"shown(action.id)\"}\n"
    "  ignored_here: {expr: \"ignored(action.id)\"}\n"
    "  ignored_there: {expr: \"ignored(action.group)\"}\n"
    "  answers: {expr: \"responded(action.id) + converted(action.id) * 10 + rejected(action.group) * 100\"}\n"
    "actions:\n"
    "  - {id: a, issue: i, group: g, purpose: promotional, value: 2.0, suitability: \"ignored(action.id) < 2\",\n"
    "     treatments: [{channel: mail, body: a}, {channel: web, body: a}, {channel: sms, body: a}]}\n"
    "  - {id: b, issue: i, group: g, purpose: promotional, value: 1.0,\n"
    "     treatments: [{channel: mail, body: b}, {channel: web, body: b}, {channel: sms, body: b}]}\n"
    "  - {id: c, issue: j, group: h, purpose: service, value: 1.0, applicability: \"false\",\n"
    "     treatments: [{channel: mail, body: c}]}\n"
    "contact_policy:\n"
    "  - {id: per_group, scope: {group: g}, at_most: 2, per: 7d}\n"
    "  - {id: per_channel, scope: {channel: mail}, at_most: 1, per: 7d}\n"
    "  - {id: per_purpose, scope: {purpose: service}, at_most: 3, per: 7d}\n"
    "  - {id: per_action, scope: {action: each}, at_most: 2, per: 7d}\n";

static struct value feature(struct fixture *f, const char *name, const char *action, int64_t at_ms)
{
    static struct view v;
    assert_int_equal(view_init(&v, f->policy, &f->state, NULL, 0, false, at_ms, &f->arena), 0);
    expr_eval_vary(&v.ev, (uint32_t)policy_action_find(f->policy, str_from(action)));
    return expr_eval(&v.ev, f->policy->features[policy_feature_find(f->policy, str_from(name))].node);
}

static void through_the_store(struct fixture *f)
{
    struct buf b;
    struct error e;
    buf_init(&b, STATE_BLOB_MAX);
    assert_int_equal(state_encode(&f->state, 1, &b, &e), 0);
    struct str blob = arena_str(&f->arena, (struct str){(const char *)b.p, b.n});
    buf_free(&b);
    assert_int_equal(state_decode(&f->state, &f->policy->schema, blob, &f->arena, &e), 0);
}

static void outcome(struct fixture *f, Tact__V1__RecordRequest__Kind kind, const char *action, const char *channel,
                    uint8_t decision, int64_t time_ms)
{
    struct error e = {0};
    struct outcome o = {.kind = kind,
                        .event = ++f->events,
                        .decision = {{decision}},
                        .action = f->policy->actions[policy_action_find(f->policy, str_from(action))].word.id,
                        .channel = f->policy->channels[policy_channel_find(f->policy, str_from(channel))].word.id,
                        .time_ms = time_ms};
    assert_int_equal(outcome_apply(&o, f->policy, &f->state, NOW, &e), 1);
}
static void decide_now(struct fixture *f)
{
    static struct decide_input in;
    in = input_of(f);
    run(f, &in);
}

#define KIND(k) TACT__V1__RECORD_REQUEST__KIND__##k

static void what_was_ignored(void **state)
{
    struct fixture *f = *state;
    use_policy(f, policy);
    assert_true(feature(f, "shown_h", "a", NOW).integer == DURATION_MAX_MS);
    assert_int_equal(feature(f, "ignored_here", "a", NOW).integer, 0);
    outcome(f, KIND(IMPRESSION), "a", "web", 1, NOW - 3 * DAY);
    outcome(f, KIND(IMPRESSION), "a", "web", 2, NOW - 2 * HOUR);
    outcome(f, KIND(IMPRESSION), "b", "web", 3, NOW - 2 * DAY);
    through_the_store(f);
    assert_true(feature(f, "shown_h", "a", NOW).integer == 2 * HOUR);
    assert_true(feature(f, "shown_h", "b", NOW).integer == 2 * DAY);
    assert_true(feature(f, "group_h", "b", NOW).integer == 2 * HOUR);
    assert_true(feature(f, "group_h", "c", NOW).integer == DURATION_MAX_MS);
    assert_int_equal(feature(f, "times", "a", NOW).integer, 2);
    /* the latest is ignored once a day has passed */
    assert_int_equal(feature(f, "ignored_here", "a", NOW).integer, 1);
    assert_int_equal(feature(f, "ignored_here", "a", NOW + 22 * HOUR - 1).integer, 1);
    assert_int_equal(feature(f, "ignored_here", "a", NOW + 22 * HOUR).integer, 2);
    assert_int_equal(feature(f, "ignored_there", "b", NOW).integer, 2);
    /* an answer, whichever, ends it; what was shown after it counts */
    outcome(f, KIND(RESPONSE), "a", "web", 1, NOW - HOUR);
    outcome(f, KIND(CONVERSION), "a", "web", 1, NOW - HOUR);
    outcome(f, KIND(REJECTION), "b", "web", 3, NOW - 30 * MINUTE);
    through_the_store(f);
    assert_int_equal(feature(f, "ignored_here", "a", NOW + 2 * DAY).integer, 0);
    assert_int_equal(feature(f, "ignored_there", "a", NOW + 2 * DAY).integer, 0);
    assert_int_equal(feature(f, "answers", "a", NOW).integer, 111);
    assert_true(feature(f, "shown_h", "a", NOW).integer == 2 * HOUR);
    outcome(f, KIND(IMPRESSION), "a", "web", 4, NOW - 2 * MINUTE);
    assert_int_equal(feature(f, "ignored_here", "a", NOW + DAY).integer, 1);
    /* before an action is looked at, nothing is known of it */
    static struct view v;
    assert_int_equal(view_init(&v, f->policy, &f->state, NULL, 0, false, NOW, &f->arena), 0);
    long at = policy_feature_find(f->policy, STR("times"));
    assert_int_equal(expr_eval(&v.ev, f->policy->features[at].node).type, VALUE_UNKNOWN);
    state_prune(&f->state, NOW + 401 * DAY);
    assert_int_equal(f->state.reaction_count, 0);
}

/* Sent, and shown later: one contact, shown once. */
static void a_contact_is_shown_once(void **state)
{
    struct fixture *f = *state;
    use_policy(f, policy);
    outcome(f, KIND(SENT), "a", "mail", 7, NOW - 2 * DAY);
    outcome(f, KIND(SENT), "a", "mail", 7, NOW - 2 * DAY);
    assert_int_equal(feature(f, "times", "a", NOW).integer, 1);
    outcome(f, KIND(NOT_SENT), "a", "mail", 9, NOW - DAY); /* was never shown */
    outcome(f, KIND(SENT), "a", "mail", 8, NOW - DAY);
    assert_int_equal(feature(f, "times", "a", NOW).integer, 2);
}

/* The rule that looks at it: what was ignored twice is not said again, until it is answered. */
/* Where no contact is kept, it is the same. */
static void shown_once_without_a_contact(void **state)
{
    struct fixture *f = *state;
    use_policy(f, "brand: {name: T, time_zone: UTC, locales: [en]}\n"
                  "channels: {web: {direction: inbound, content: [body]}}\n"
                  "features: {times: {expr: \"shown(action.id)\"}}\n"
                  "actions:\n  - {id: a, issue: i, group: g, purpose: promotional, value: 2.0,\n"
                  "     treatments: [{channel: web, body: a}]}\n");
    outcome(f, KIND(IMPRESSION), "a", "web", 1, NOW);
    outcome(f, KIND(IMPRESSION), "a", "web", 1, NOW);
    assert_int_equal(f->state.contact_count, 0);
    assert_int_equal(feature(f, "times", "a", NOW).integer, 1);
    outcome(f, KIND(IMPRESSION), "a", "web", 2, NOW);
    assert_int_equal(feature(f, "times", "a", NOW).integer, 2);
}

static void a_rule_looks_at_it(void **state)
{
    struct fixture *f = *state;
    use_policy(f, policy);
    f->request.channel = (uint32_t)policy_channel_find(f->policy, STR("sms"));
    decide_now(f);
    assert_true(str_is(f->decision.choices[0].action->word.name, "a"));
    outcome(f, KIND(IMPRESSION), "a", "web", 1, NOW - 30 * DAY);
    outcome(f, KIND(IMPRESSION), "a", "web", 2, NOW - 29 * DAY);
    decide_now(f);
    assert_true(str_is(f->decision.choices[0].action->word.name, "b"));
    outcome(f, KIND(RESPONSE), "a", "web", 2, NOW - 28 * DAY);
    decide_now(f);
    assert_true(str_is(f->decision.choices[0].action->word.name, "a"));
}

/* Any order of the same shows and answers, to one state or to two that are merged, gives the same. */
static void order_and_merging_leave_no_trace(void **state)
{
    struct fixture *f = *state;
    struct rng rng;
    rng_seed(&rng, 71);
    for (int round = 0; round < 200; round++) {
        struct { uint32_t id; bool shown; int64_t ms; } events[30];
        struct str first = {0};
        use_policy(f, policy);
        for (int i = 0; i < 30; i++) {
            events[i].id = 50 + (uint32_t)rng_below(&rng, 3);
            events[i].shown = rng_below(&rng, 3) > 0;
            events[i].ms = NOW - (int64_t)rng_below(&rng, 40) * DAY / 4;
        }
        for (int order = 0; order < 5; order++) {
            struct state two[2];
            struct error e;
            for (int k = 0; k < 2; k++)
                assert_int_equal(state_decode(&two[k], &f->policy->schema, (struct str){0}, &f->arena, &e), 0);
            for (int i = 29; i > 0; i--) {
                int k = (int)rng_below(&rng, (uint64_t)i + 1);
                __typeof__(events[0]) spare = events[i];
                events[i] = events[k];
                events[k] = spare;
            }
            for (int i = 0; i < 30; i++) {
                struct state *s = &two[order > 2 && rng_below(&rng, 2)];
                if (events[i].shown)
                    assert_int_equal(reaction_shown(s, events[i].id, events[i].ms), 0);
                else
                    assert_int_equal(reaction_answered(s, events[i].id, CONTACT_RESPONSE, events[i].ms), 0);
            }
            assert_int_equal(state_merge(&two[0], &two[1], NOW), 0);
            struct buf b;
            buf_init(&b, STATE_BLOB_MAX);
            assert_int_equal(state_encode(&two[0], 1, &b, &e), 0);
            struct str blob = arena_str(&f->arena, (struct str){(const char *)b.p, b.n});
            buf_free(&b);
            if (order == 0)
                first = blob;
            assert_true(str_eq(first, blob));
            /* by hand: of the latest eight shows after the latest answer, those that are a day old */
            for (uint32_t id = 50; id < 53; id++) {
                int64_t answered = INT64_MIN, ignored = 0;
                for (int i = 0; i < 30; i++)
                    if (events[i].id == id && !events[i].shown && events[i].ms > answered)
                        answered = events[i].ms;
                for (int i = 0; i < 30; i++) {
                    int later = 0;
                    for (int k = 0; k < 30; k++)
                        later += events[k].id == id && events[k].shown &&
                                 (events[k].ms > events[i].ms || (events[k].ms == events[i].ms && k > i));
                    ignored += events[i].id == id && events[i].shown && later < REACTION_SHOWS_MAX &&
                               events[i].ms > answered && events[i].ms <= NOW - DAY;
                }
                assert_int_equal(reaction_ignored(reaction_find(&two[0], id), NOW), ignored);
            }
        }
    }
}

/* ---- contacts made outside ---- */

static int outside(struct fixture *f, const char *id, const char *channel, const char *purpose, const char *group,
                   const char *action, struct error *e)
{
    Tact__V1__RecordContactRequest m = TACT__V1__RECORD_CONTACT_REQUEST__INIT;
    struct outside_contact c;
    m.contact_id = (char *)id;
    m.channel = (char *)channel;
    m.purpose = (char *)purpose;
    m.group = (char *)group;
    m.action_id = (char *)action;
    m.time_ms = NOW - HOUR;
    int rc = request_contact(&m, STR("maryam"), f->policy, NOW, &f->arena, &c, e);
    return rc ? rc : outside_contact_apply(&c, f->policy, &f->state, NOW, e);
}

/* What the limits say of each action on a channel. */
static struct str blocked_by(struct fixture *f, const char *action, const char *channel)
{
    f->request.channel = (uint32_t)policy_channel_find(f->policy, str_from(channel));
    f->request.max_actions = 1;
    decide_now(f);
    const struct candidate *c = &f->decision.candidates[policy_action_find(f->policy, str_from(action))];
    return c->block.kind == BLOCK_LIMIT ? f->policy->limits[c->block.index].id : STR("");
}

static void unknown_parts_count_as_any(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    use_policy(f, policy);
    assert_int_equal(outside(f, "k1", "sms", "", "", "", &e), 1); /* an agency's, about who knows what */
    assert_int_equal(outside(f, "k1", "sms", "", "", "", &e), 0); /* a repeat */
    assert_true(str_is(blocked_by(f, "b", "sms"), ""));
    assert_int_equal(outside(f, "k2", "sms", "", "", "", &e), 1);
    assert_true(str_is(blocked_by(f, "b", "sms"), "per_group")); /* both count in group g */
    assert_true(str_is(blocked_by(f, "b", "mail"), "per_group"));
    assert_true(str_is(f->policy->limits[1].id, "per_channel"));

    use_policy(f, policy);
    assert_int_equal(outside(f, "k1", "mail", "", "h", "", &e), 1); /* another group, this channel */
    assert_true(str_is(blocked_by(f, "b", "mail"), "per_channel"));
    assert_true(str_is(blocked_by(f, "b", "sms"), ""));

    use_policy(f, policy);
    assert_int_equal(outside(f, "k1", "sms", "service", "h", "", &e), 1); /* known: counts where it belongs */
    assert_int_equal(outside(f, "k2", "sms", "service", "h", "", &e), 1);
    assert_true(str_is(blocked_by(f, "b", "sms"), "per_action")); /* which action it was is not known */

    use_policy(f, policy);
    assert_int_equal(outside(f, "k1", "sms", "", "", "b", &e), 1); /* it was this action */
    assert_true(str_is(blocked_by(f, "a", "sms"), ""));
    assert_int_equal(feature(f, "times", "b", NOW).integer, 1);
    assert_true(feature(f, "group_h", "a", NOW).integer == HOUR);
}

/* Past REACTIONS_MAX ids the latest are kept, whatever the order and also by merging. */
static void the_latest_reactions_are_kept(void **state)
{
    struct fixture *f = *state;
    struct rng rng;
    use_policy(f, policy);
    rng_seed(&rng, 5);
    enum { IDS = 2 * REACTIONS_MAX };
    for (int round = 0; round < 20; round++) {
        struct state one, two, all;
        int64_t at_ms[IDS + 1];
        assert_int_equal(state_empty(&one, &f->policy->schema, &f->arena) | state_empty(&two, &f->policy->schema, &f->arena) |
                             state_empty(&all, &f->policy->schema, &f->arena),
                         0);
        for (uint32_t i = 0; i < IDS; i++)
            at_ms[i] = NOW - (int64_t)rng_below(&rng, 100) * 1000;
        uint32_t first = (uint32_t)rng_below(&rng, IDS);
        for (uint32_t i = 0; i < IDS; i++) {
            uint32_t id = (first + i * 37) % IDS;
            assert_int_equal(reaction_shown(&all, id + 1, at_ms[id]), 0);
            assert_int_equal(reaction_shown(rng_below(&rng, 2) ? &one : &two, id + 1, at_ms[id]), 0);
        }
        assert_int_equal(reactions_merge(&one, &two), 0);
        assert_int_equal(all.reaction_count, REACTIONS_MAX);
        for (uint32_t i = 0; i < IDS; i++) {
            uint32_t later = 0;
            for (uint32_t k = 0; k < IDS; k++)
                later += at_ms[k] > at_ms[i] || (at_ms[k] == at_ms[i] && k > i);
            assert_int_equal(reaction_find(&all, i + 1) != NULL, later < REACTIONS_MAX);
            assert_int_equal(reaction_find(&one, i + 1) != NULL, later < REACTIONS_MAX);
        }
        arena_reset(&f->arena);
    }
}

static void wrong_contacts(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    use_policy(f, policy);
    assert_int_equal(outside(f, "", "sms", "", "", "", &e), ERR_INVALID);
    assert_string_equal(e.text, "contact_id is empty; 1 to 128 bytes are allowed");
    assert_int_equal(outside(f, "k", "smss", "", "", "", &e), ERR_INVALID);
    assert_string_equal(e.text, "channel: unknown 'smss'; did you mean sms?; allowed: mail, sms, web");
    assert_int_equal(outside(f, "k", "sms", "promo", "", "", &e), ERR_INVALID);
    assert_string_equal(e.text, "purpose: unknown 'promo'; allowed: promotional, service, transactional, ask");
    assert_int_equal(outside(f, "k", "sms", "", "gg", "", &e), ERR_INVALID);
    assert_string_equal(e.text, "group: unknown 'gg'; did you mean g?; allowed: g, h");
    assert_int_equal(outside(f, "k", "sms", "", "h", "a", &e), ERR_INVALID);
    assert_string_equal(e.text, "group: group of action a is g; leave it out");
    assert_int_equal(outside(f, "k", "sms", "", "", "aa", &e), ERR_INVALID);
    assert_false(f->state.contact_count);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_was_ignored),           TEST(a_contact_is_shown_once),
        TEST(a_rule_looks_at_it),         TEST(order_and_merging_leave_no_trace),
        TEST(unknown_parts_count_as_any), TEST(wrong_contacts),
        TEST(the_latest_reactions_are_kept), TEST(shown_once_without_a_contact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
