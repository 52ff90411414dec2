/* A policy's own tests; see policy/policy_test.h for their form.
 * SPDX-License-Identifier: Apache-2.0 */
#include "decide/policy_run.h"
#include "decide/explain.h"
#include "decide/gate.h"
#include "decide/journey.h"
#include "decide/policy_given.h"
#include "decide/request_fields.h"
#include <stdarg.h>

enum { WHY_MAX = 4096, EVIDENCE_SHOWN = 8, EVIDENCE_BYTES = 80 };

static bool fail(struct arena *arena, struct str *why, const char *format, ...) PRINTF_LIKE(3, 4);
static bool fail(struct arena *arena, struct str *why, const char *format, ...)
{
    char text[WHY_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    *why = arena_str(arena, str_cut(str_from(text), sizeof text - 4)); /* whole characters */
    return false;
}

/* "; mean_nps = unknown, stage = at_risk": the values that decided. */
static const char *evidence_text(const struct evidence *items, size_t count, struct arena *arena)
{
    const char *text = "";
    for (size_t i = 0; i < count && i < EVIDENCE_SHOWN && text; i++) {
        struct str value = items[i].value.n ? str_cut(items[i].value, EVIDENCE_BYTES) : STR("''");
        text = arena_printf(arena, "%s%s%.*s = %.*s", text, i ? ", " : "; ", STR_ARG(items[i].name), STR_ARG(value));
    }
    if (text && count > EVIDENCE_SHOWN)
        text = arena_printf(arena, "%s, …", text);
    return text ? text : "";
}

static const char *answer_of(const struct decision *d, struct arena *arena)
{
    if (d->choice_count)
        return arena_printf(arena, "%.*s", STR_ARG(d->choices[0].action->word.name));
    const struct suppression *s = &d->suppression;
    return arena_printf(arena, "suppressed by %s%s%.*s (%.*s%s)", suppression_cause_name(s->cause), s->rule.n ? " " : "",
                        STR_ARG(s->rule), STR_ARG(s->text),
                        s->block.kind == BLOCK_LIMIT ? "" : evidence_text(s->evidence, s->evidence_count, arena));
}

/* The values behind a block that its own sentence does not name. */
static const char *block_text(const struct decision *d, uint32_t action, const struct blocker *b, struct arena *arena)
{
    struct evidence *items = NULL;
    if (b->kind == BLOCK_NONE || b->kind == BLOCK_LIMIT)
        return "";
    size_t count = explain_evidence(d, action, b, &items, arena);
    return evidence_text(items, count, arena);
}

/* Why an action was not the best: ": not suitable (a.suitability; stage = at_risk)". Empty where the answer itself says it. */
static const char *lost_of(const struct decision *d, uint32_t action, struct arena *arena)
{
    const struct candidate *c = &d->candidates[action];
    if (d->suppressed && d->suppression.withheld == (long)action)
        return "";
    struct str name = d->input->policy->actions[action].word.name;
    const char *text;
    if (d->choice_count && (c->stage == STAGE_CHOSEN || c->stage == STAGE_ARBITRATION))
        text = arena_printf(arena, "; %.*s: outranked; its priority is %g, that of %.*s %g", STR_ARG(name), c->priority,
                            STR_ARG(d->choices[0].action->word.name), d->choices[0].priority);
    else
        text = arena_printf(arena, "; %.*s: %.*s%s", STR_ARG(name), STR_ARG(explain_candidate(d, c, arena)),
                            block_text(d, action, &c->block, arena));
    return text ? text : "";
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

static struct str stage_name(const struct policy *p, long stage)
{
    return stage < 0 ? STR("none") : p->stages[stage].word.name;
}

/* What made a suppression rule fire. */
static const char *fired_by(const struct decision *d, uint32_t suppression, struct arena *arena)
{
    struct blocker b = {BLOCK_SUPPRESSION, 0, &d->input->policy->suppressions[suppression].rule, suppression};
    return block_text(d, 0, &b, arena);
}

/* What is seen of the customer now: the stage, the rules that fire. */
static bool check_view(const struct policy *p, const struct policy_test *t, const struct decision *d,
                       struct arena *arena, struct str *why)
{
    const struct decide_input *in = d->input;
    struct view *v = arena_alloc(arena, sizeof *v);
    struct gate *g = arena_alloc(arena, sizeof *g);
    if (!v || !g ||
        view_init(v, p, in->state, in->request->context, in->request->channel, false, t->now_ms, arena))
        return fail(arena, why, "out of memory");
    long stage = journey_stage(v);
    if (t->stage_set && stage != t->stage)
        return fail(arena, why, "expected stage %.*s, got %.*s", STR_ARG(stage_name(p, t->stage)),
                    STR_ARG(stage_name(p, stage)));
    gate_init(g, v, in->request, false);
    for (size_t i = 0; i < t->not_suppressed_count; i++)
        for (uint32_t k = 0; k < p->suppression_count; k++)
            if (str_eq(p->suppressions[k].rule.id, t->not_suppressed_by[i]) && gate_suppression_fires(g, k))
                return fail(arena, why, "%.*s fires%s", STR_ARG(t->not_suppressed_by[i]), fired_by(d, k, arena));
    return true;
}

static bool check(const struct policy *p, const struct policy_test *t, const struct decision *d,
                  struct arena *arena, struct str *why)
{
    const char *answer = answer_of(d, arena);
    if (t->action == TEST_ACTION_NONE && d->choice_count)
        return fail(arena, why, "expected no action, got %s", answer);
    if (t->action >= 0 && (!d->choice_count || d->choices[0].action != &p->actions[t->action]))
        return fail(arena, why, "expected %.*s, got %s%s", STR_ARG(p->actions[t->action].word.name), answer,
                    lost_of(d, (uint32_t)t->action, arena));
    for (size_t i = 0; i < t->not_action_count; i++)
        for (size_t k = 0; k < d->choice_count; k++)
            if (d->choices[k].action == &p->actions[t->not_actions[i]])
                return fail(arena, why, "%.*s was chosen", STR_ARG(p->actions[t->not_actions[i]].word.name));
    if (t->suppressed_by.n && !check_suppressed(d, t))
        return fail(arena, why, "expected suppressed_by %.*s, got %s", STR_ARG(t->suppressed_by), answer);
    return check_next(d, t, arena, why) && check_content(d, t, arena, why) && check_view(p, t, d, arena, why);
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
    if (policy_given(p, t, arena, &s, &e) || decide(&in, arena, &d, &e))
        return fail(arena, why, "%s", e.text[0] ? e.text : "the state could not be built");
    return check(p, t, &d, arena, why);
}
