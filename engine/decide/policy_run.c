/* A policy's own tests; see policy/policy_test.h for their form.
 * SPDX-License-Identifier: Apache-2.0 */
#include "decide/policy_run.h"
#include "decide/apply.h"
#include "decide/journey.h"
#include "state/preferences.h"
#include "decide/gate.h"
#include "state/codec.h"
#include <stdarg.h>

static bool fail(struct arena *arena, struct str *why, const char *format, ...) PRINTF_LIKE(3, 4);
static bool fail(struct arena *arena, struct str *why, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    *why = arena_str(arena, str_from(text));
    return false;
}

/* The state that the test's `given` describes: attributes, consents, signals, contacts. The order of signals does not matter
 * to a state; of two at one time the later in the list is the last. */
static int build_state(const struct policy *p, const struct policy_test *t, struct arena *arena,
                       struct state *s, struct error *e)
{
    int rc = state_decode(s, &p->schema, (struct str){0}, arena, e);
    for (size_t i = 0; !rc && i < p->schema.attribute_count; i++)
        rc = state_set_attribute(s, i, t->attributes[i], t->now_ms);
    for (size_t i = 0; !rc && i < t->consent_count; i++) {
        struct consent c = {.channel = p->channels[t->consents[i].channel].word.id,
                            .purpose = p->purposes[t->consents[i].purpose].id,
                            .granted = t->consents[i].granted,
                            .time_ms = t->now_ms};
        rc = state_set_consent(s, &c);
    }
    for (size_t i = 0; !rc && i < t->signal_count; i++) {
        struct signal signal = {.index = t->signals[i].signal,
                                .event = i + 1,
                                .time_ms = t->now_ms - t->signals[i].ago_ms,
                                .properties = t->signals[i].properties};
        if (t->signals[i].channel != UINT32_MAX) {
            signal.channel = p->channels[t->signals[i].channel].word.name;
            signal.channel_id = p->channels[t->signals[i].channel].word.id;
        }
        int applied = apply_signal(p, s, &signal, t->now_ms);
        rc = applied < 0 ? applied : 0;
    }
    struct decide_request r = {.channel = 0};
    struct view v = {.policy = p, .state = s};
    struct gate g = {.view = &v, .policy = p, .state = s, .request = &r};
    for (size_t i = 0; !rc && i < t->contact_count; i++) {
        r.channel = t->contacts[i].channel;
        struct id128 id = {{(uint8_t)(i + 1), (uint8_t)(i >> 8)}};
        struct contact k = gate_contact(&g, t->contacts[i].action, id, t->now_ms - t->contacts[i].ago_ms);
        k.expires_ms = 0;
        rc = state_contact_add(s, &k, t->now_ms);
        if (!rc)
            rc = apply_shown(p, s, (long)t->contacts[i].action, k.channel, k.time_ms);
        if (!rc && t->contacts[i].outcome)
            rc = apply_answered(p, s, (long)t->contacts[i].action, t->contacts[i].outcome, k.time_ms);
    }
    preferences_set(s, &t->preferences);
    if (!rc && t->preferences.channel_ms)
        s->preferences.channel = p->channels[t->preferences.channel].word.id;
    return rc ? rc : journey_step(p, s, t->now_ms, arena) < 0 ? ERR_NOSPACE : 0;
}

static const char *answer_of(const struct decision *d, struct arena *arena)
{
    if (d->choice_count)
        return arena_printf(arena, "%.*s", STR_ARG(d->choices[0].action->word.name));
    const struct suppression *s = &d->suppression;
    return arena_printf(arena, "suppressed by %s%s%.*s (%.*s)", suppression_cause_name(s->cause),
                        s->rule.n ? " " : "", STR_ARG(s->rule), STR_ARG(s->text));
}

static bool check_suppressed(const struct decision *d, const struct policy_test *t)
{
    return d->suppressed && (str_eq(d->suppression.rule, t->suppressed_by) ||
                             str_is(t->suppressed_by, suppression_cause_name(d->suppression.cause)));
}

static bool check_content(const struct decision *d, const struct policy_test *t, struct arena *arena,
                          struct str *why)
{
    for (size_t i = 0; i < t->content_count; i++) {
        if (!d->choice_count)
            return fail(arena, why, "expected content, got %s", answer_of(d, arena));
        const struct choice *c = &d->choices[0];
        struct str got = {0};
        for (size_t k = 0; k < c->treatment->content_count; k++)
            if (str_eq(c->treatment->content[k].name, t->content[i].name))
                got = c->content[k];
        if (!str_eq(got, t->content[i].text))
            return fail(arena, why, "expected %.*s '%.*s', got '%.*s'", STR_ARG(t->content[i].name),
                        STR_ARG(t->content[i].text), STR_ARG(got));
    }
    return true;
}

static void put_in(struct buf *b, bool never, int64_t ms)
{
    if (never)
        buf_str(b, STR("never"));
    else
        value_format(value_duration(ms), b);
}

static bool check_next(const struct decision *d, const struct policy_test *t, struct arena *arena,
                       struct str *why)
{
    if (!t->next_set)
        return true;
    if (!d->suppressed)
        return fail(arena, why, "expected a suppression with a next_eligible_in, got %s", answer_of(d, arena));
    int64_t next = d->suppression.next_eligible_ms;
    if (next == (t->next_never ? 0 : t->now_ms + t->next_in_ms))
        return true;
    struct buf wanted, got;
    buf_init(&wanted, 128);
    buf_init(&got, 128);
    put_in(&wanted, t->next_never, t->next_in_ms);
    put_in(&got, next == 0, next - t->now_ms);
    fail(arena, why, "expected next_eligible_in %.*s, got %.*s", (int)wanted.n, (const char *)wanted.p,
         (int)got.n, (const char *)got.p);
    buf_free(&wanted);
    buf_free(&got);
    return false;
}

static bool check_rules(const struct policy *p, const struct policy_test *t, const struct decide_input *in,
                        struct arena *arena, struct str *why)
{
    struct view *v = arena_alloc(arena, sizeof *v);
    struct gate *g = arena_alloc(arena, sizeof *g);
    if (!v || !g ||
        view_init(v, p, in->state, in->request->context, in->request->channel, false, t->now_ms, arena))
        return fail(arena, why, "out of memory");
    gate_init(g, v, in->request, false);
    for (size_t i = 0; i < t->not_suppressed_count; i++)
        for (uint32_t k = 0; k < p->suppression_count; k++)
            if (str_eq(p->suppressions[k].rule.id, t->not_suppressed_by[i]) && gate_suppression_fires(g, k))
                return fail(arena, why, "%.*s fires", STR_ARG(t->not_suppressed_by[i]));
    return true;
}

static struct str stage_name(const struct policy *p, long stage)
{
    return stage < 0 ? STR("none") : p->stages[stage].word.name;
}

static bool check(const struct policy *p, const struct policy_test *t, const struct decision *d,
                  struct arena *arena, struct str *why)
{
    const char *answer = answer_of(d, arena);
    if (t->action == TEST_ACTION_NONE && d->choice_count)
        return fail(arena, why, "expected no action, got %s", answer);
    if (t->action >= 0 && (!d->choice_count || d->choices[0].action != &p->actions[t->action]))
        return fail(arena, why, "expected %.*s, got %s", STR_ARG(p->actions[t->action].word.name), answer);
    for (size_t i = 0; i < t->not_action_count; i++)
        for (size_t k = 0; k < d->choice_count; k++)
            if (d->choices[k].action == &p->actions[t->not_actions[i]])
                return fail(arena, why, "%.*s was chosen", STR_ARG(p->actions[t->not_actions[i]].word.name));
    if (t->suppressed_by.n && !check_suppressed(d, t))
        return fail(arena, why, "expected suppressed_by %.*s, got %s", STR_ARG(t->suppressed_by), answer);
    long stage = journey_recorded(p, d->input->state);
    if (t->stage_set && stage != t->stage)
        return fail(arena, why, "expected stage %.*s, got %.*s", STR_ARG(stage_name(p, t->stage)),
                    STR_ARG(stage_name(p, stage)));
    return check_next(d, t, arena, why) && check_content(d, t, arena, why) &&
           check_rules(p, t, d->input, arena, why);
}

bool policy_run_test(const struct policy *p, const struct policy_test *t, const struct scorer *scorer,
                     struct arena *arena, struct str *why)
{
    struct error e = {0};
    struct state s;
    struct decide_request r = {.customer = STR("test"),
                               .channel = t->channel,
                               .placements = t->placements,
                               .placement_count = t->placement_count,
                               .locale = t->locale,
                               .max_actions = t->placement_count ? (uint32_t)t->placement_count : 1,
                               .mode = t->reserve ? MODE_RESERVE : MODE_PEEK,
                               .context = t->context};
    struct decide_input in = {.policy = p,
                              .scorer = scorer,
                              .world_id = "",
                              .state = &s,
                              .request = &r,
                              .now_ms = t->now_ms,
                              .seed = 1};
    struct decision d;
    if (build_state(p, t, arena, &s, &e) || decide(&in, arena, &d, &e))
        return fail(arena, why, "%s", e.text[0] ? e.text : "the state could not be built");
    return check(p, t, &d, arena, why);
}
