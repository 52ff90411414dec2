/* For the tests of decide: policies from YAML text, customers' states, requests.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_DECIDE_FIXTURE_H
#define TESTS_DECIDE_FIXTURE_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "base/rng.h"
#include "decide/decision_wire.h"
#include "decide/explain.h"
#include "state/codec.h"

/* Wednesday, 2025-01-15T12:00 UTC. */
#define NOW INT64_C(1736942400000)
#define MINUTE INT64_C(60000)
#define HOUR INT64_C(3600000)
#define DAY INT64_C(86400000)

struct fixture {
    struct tzdb *zones;
    struct names *names;
    struct policy *policy;
    struct arena arena;
    struct state state;
    struct decide_request request;
    struct decision decision;
    uint64_t events;
};

static inline int fixture_setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct error e;
    assert_int_equal(tzdb_load(&f->zones, NULL, &e), 0);
    f->names = names_new();
    arena_init(&f->arena, 64 << 20);
    *state = f;
    return 0;
}

static inline int fixture_teardown(void **state)
{
    struct fixture *f = *state;
    policy_free(&f->policy);
    names_free(&f->names);
    arena_free(&f->arena);
    tzdb_free(&f->zones);
    free(f);
    return 0;
}

/* Loads a folder, or with text the one file that it is. */
static inline struct policy *policy_of(struct fixture *f, const char *folder, const char *text)
{
    struct arena findings;
    struct diags d;
    struct error e = {0};
    arena_init(&findings, 1 << 20);
    diags_init(&d, &findings);
    const struct policy_text file = {"policy.yaml", str_from(text)};
    struct policy *p = text ? policy_load_texts(folder, &file, 1, f->zones, POLICY_MEMORY_MAX, &d)
                            : policy_load(folder, f->zones, &d);
    if (!p)
        diags_print(&d, stderr);
    arena_free(&findings);
    assert_non_null(p);
    if (policy_bind_interning(p, f->names, &e))
        fail_msg("%s", e.text);
    return p;
}

/* The policy of this text; the one before is freed. The state is empty, the request a PEEK of the first channel. */
static inline void use_policy(struct fixture *f, const char *yaml)
{
    struct error e = {0};
    policy_free(&f->policy);
    arena_reset(&f->arena);
    f->policy = policy_of(f, "test", yaml);
    assert_int_equal(state_decode(&f->state, &f->policy->schema, (struct str){0}, &f->arena, &e), 0);
    f->request = (struct decide_request){.customer = STR("c1"), .max_actions = 1};
}

static inline void forget_customer(struct fixture *f)
{
    struct error e = {0};
    assert_int_equal(state_decode(&f->state, &f->policy->schema, (struct str){0}, &f->arena, &e), 0);
}

static inline uint32_t action_named(const struct fixture *f, const char *id)
{
    long at = policy_action_find(f->policy, str_from(id));
    assert_true(at >= 0);
    return (uint32_t)at;
}

static inline uint32_t channel_named(const struct fixture *f, const char *name)
{
    long at = policy_channel_find(f->policy, str_from(name));
    assert_true(at >= 0);
    return (uint32_t)at;
}

/* An event with one property, or none (property NULL). */
static inline void happen(struct fixture *f, const char *signal, const char *property, struct value v,
                          int64_t time_ms)
{
    const struct schema *s = &f->policy->schema;
    struct value values[SCHEMA_PROPERTIES_MAX] = {{0}};
    long at = schema_signal_find(s, str_from(signal));
    assert_true(at >= 0);
    if (property) {
        long k = schema_property(&s->signals[at], str_from(property));
        assert_true(k >= 0);
        values[k] = v;
    }
    struct signal g = {.index = (uint32_t)at, .event = ++f->events, .time_ms = time_ms, .properties = values};
    assert_int_equal(state_apply(&f->state, &g, NOW), 1);
}

static inline void set_profile(struct fixture *f, const char *name, struct value v)
{
    long at = schema_attribute(&f->policy->schema, str_from(name));
    assert_true(at >= 0);
    assert_int_equal(state_set_attribute(&f->state, (size_t)at, v, NOW), 0);
}

static inline void consent(struct fixture *f, const char *channel, enum purpose purpose, bool granted)
{
    struct consent c = {.channel = f->policy->channels[channel_named(f, channel)].word.id,
                        .purpose = f->policy->purposes[purpose].id,
                        .granted = granted,
                        .time_ms = NOW};
    assert_int_equal(state_set_consent(&f->state, &c), 0);
}

static inline struct contact contact_of(const struct fixture *f, const char *action, const char *channel,
                                        int64_t time_ms)
{
    static uint8_t serial;
    const struct policy_action *a = &f->policy->actions[action_named(f, action)];
    return (struct contact){.decision = {{++serial, 1}},
                            .action = a->word.id,
                            .channel = f->policy->channels[channel_named(f, channel)].word.id,
                            .purpose = f->policy->purposes[a->purpose].id,
                            .group = f->policy->groups[a->group].id,
                            .issue = f->policy->issues[a->issue].id,
                            .time_ms = time_ms};
}

static inline void contacted(struct fixture *f, const char *action, const char *channel, int64_t time_ms)
{
    struct contact k = contact_of(f, action, channel, time_ms);
    assert_int_equal(state_contact_add(&f->state, &k, NOW), 0);
}

static inline struct decide_input input_of(const struct fixture *f)
{
    return (struct decide_input){.policy = f->policy,
                                 .world_id = "world",
                                 .state = &f->state,
                                 .request = &f->request,
                                 .now_ms = NOW,
                                 .seed = 7,
                                 .decision_id = {{0xd, 0xe, 0xc}}};
}

/* Decides with this input; *in must outlive the use of f->decision. */
static inline void run(struct fixture *f, const struct decide_input *in)
{
    struct error e = {0};
    int rc = decide(in, &f->arena, &f->decision, &e);
    if (rc)
        fail_msg("decide: %s", e.text);
}

static inline void assert_text(struct str got, const char *want)
{
    if (!str_is(got, want))
        fail_msg("got '%.*s', want '%s'", STR_ARG(got), want);
}

static inline void assert_chosen(const struct fixture *f, const char *action)
{
    if (f->decision.choice_count == 0)
        fail_msg("want %s, got suppressed by %s: %.*s", action,
                 suppression_cause_name(f->decision.suppression.cause),
                 STR_ARG(f->decision.suppression.text));
    assert_false(f->decision.suppressed);
    assert_text(f->decision.choices[0].action->word.name, action);
}

static inline void assert_suppressed(const struct fixture *f, enum suppression_cause cause, const char *rule)
{
    const struct suppression *s = &f->decision.suppression;
    assert_true(f->decision.suppressed);
    assert_int_equal(f->decision.choice_count, 0);
    if (s->cause != cause)
        fail_msg("want %s, got %s: %.*s", suppression_cause_name(cause), suppression_cause_name(s->cause),
                 STR_ARG(s->text));
    assert_text(s->rule, rule);
    assert_true(s->text.n > 0);
}

static inline const struct candidate *candidate_of(const struct fixture *f, const char *action)
{
    return &f->decision.candidates[action_named(f, action)];
}

static inline void assert_evidence(const struct evidence *items, size_t count, const char *name,
                                   const char *value)
{
    for (size_t i = 0; i < count; i++)
        if (str_is(items[i].name, name)) {
            assert_text(items[i].value, value);
            return;
        }
    fail_msg("no evidence called %s", name);
}

#endif
