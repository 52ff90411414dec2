/* The decision: run every action through the gate, score what is left, rank, fill the slots, render; or say why not.
 *
 *   gate (stages 3–6) --> score (8) --> arbitrate (9) --> fill placements, limits again for each choice --> render (11)
 *                    \--> nothing left: suppression (explain.c)
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "decide/decide.h"
#include "base/arena_buf.h"
#include "decide/explain.h"
#include "decide/gate.h"
#include <math.h>

enum { RENDER_FIRST = 4 * 1024, RENDER_MAX = 256 * 1024 };

const char *candidate_stage_name(enum candidate_stage s)
{
    static const char *const names[] = {"chosen",        "schedule",    "treatment",  "eligibility",
                                        "applicability", "suitability", "suppressed", "contact_policy",
                                        "arbitration",   "render"};
    return (size_t)s < sizeof names / sizeof names[0] ? names[s] : "?";
}

const char *suppression_cause_name(enum suppression_cause c)
{
    static const char *const names[] = {
#define X(name, number, text) [number] = text,
        SUPPRESSION_CAUSES(X)
#undef X
    };
    return (size_t)c < sizeof names / sizeof names[0] ? names[c] : "?";
}

static enum candidate_stage stage_of(const struct blocker *b)
{
    switch (b->kind) {
    case BLOCK_SCHEDULE:
        return STAGE_SCHEDULE;
    case BLOCK_TREATMENT:
        return STAGE_TREATMENT;
    case BLOCK_ENGAGEMENT:
        return (enum candidate_stage)(STAGE_ELIGIBILITY + (int)b->engagement);
    case BLOCK_SUPPRESSION:
        return STAGE_SUPPRESSED;
    case BLOCK_STATE:
    case BLOCK_CONSENT:
    case BLOCK_QUIET:
    case BLOCK_PREFERENCE:
    case BLOCK_LIMIT:
    case BLOCK_FORGOTTEN:
        return STAGE_CONTACT_POLICY;
    case BLOCK_NONE:
        break;
    }
    return STAGE_ARBITRATION;
}

/* ---- score and arbitrate ---- */

static double number_of(struct expr_eval *ev, expr_id id, double when_unknown)
{
    struct value v = expr_eval(ev, id);
    if (v.type != VALUE_DOUBLE)
        return when_unknown;
    return isfinite(v.number) ? v.number : 0;
}

static inline void probe_at(const struct decide_input *in, enum decide_point point)
{
    if (in->probe)
        in->probe->at(in->probe->ctx, point);
}

double factors_priority(const struct factors *f, double propensity, double baseline)
{
    double gain = (propensity - baseline) * f->value * f->context_weight * f->lever;
    /* What left the range of doubles cannot be ranked (a NaN compares with nothing): worth nothing. */
    return (isfinite(gain) ? gain : 0) - f->contact_cost;
}

/* Fills in factors and priority of the candidates listed. */
static int score(const struct decide_input *in, struct expr_eval *ev, struct arena *arena,
                 struct candidate *candidates, const uint32_t *actions, size_t count, struct error *e)
{
    const struct policy *p = in->policy;
    struct model_score *scores = arena_zalloc(arena, count * sizeof *scores);
    if (!scores)
        return error_set(e, ERR_NOSPACE, "the request's memory is full");
    if (in->scorer && count) {
        int rc = in->scorer->score(in->scorer->ctx, in->request->customer, ev, actions, count, arena, scores, e);
        if (rc)
            return rc;
    }
    probe_at(in, DECIDE_SCORED);
    for (size_t i = 0; i < count; i++) {
        const struct policy_action *a = &p->actions[actions[i]];
        struct candidate *c = &candidates[actions[i]];
        expr_eval_vary(ev, actions[i]);
        c->factors = (struct factors){
            .propensity = scores[i].known ? scores[i].propensity : a->starting_propensity,
            .baseline = scores[i].known ? scores[i].baseline : 0,
            .from_model = scores[i].known,
            /* What a response is worth must be known; a weight or lever that is not known changes nothing. */
            .value = number_of(ev, a->value, 0),
            .context_weight = number_of(ev, a->context_weight, 1),
            .lever = number_of(ev, a->lever, 1),
            .contact_cost = p->channels[in->request->channel].cost,
        };
        c->priority = factors_priority(&c->factors, c->factors.propensity, c->factors.baseline);
        c->scored = true;
    }
    return 0;
}

/* Best first; ties by action id: a total order. */
struct ranking {
    const struct policy *policy;
    const struct candidate *candidates;
};

static bool ranks_before(const struct ranking *r, uint32_t a, uint32_t b)
{
    double x = r->candidates[a].priority, y = r->candidates[b].priority;
    if (x > y || x < y)
        return x > y;
    return str_cmp(r->policy->actions[a].word.name, r->policy->actions[b].word.name) < 0;
}

static void sift_down(const struct ranking *r, uint32_t *heap, size_t n, size_t at)
{
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= n)
            return;
        if (child + 1 < n && ranks_before(r, heap[child + 1], heap[child]))
            child++;
        if (!ranks_before(r, heap[child], heap[at]))
            return;
        uint32_t spare = heap[at];
        heap[at] = heap[child];
        heap[child] = spare;
        at = child;
    }
}

/* A heap with the best on top: of many actions few are chosen, so the rest are never put in order. */
static void rank(const struct ranking *r, uint32_t *actions, size_t n)
{
    for (size_t i = n / 2; i-- > 0;)
        sift_down(r, actions, n, i);
}

static uint32_t take_best(const struct ranking *r, uint32_t *heap, size_t *n)
{
    uint32_t best = heap[0];
    heap[0] = heap[--*n];
    sift_down(r, heap, *n, 0);
    return best;
}

/* ---- choose and render ---- */

/* One text, written straight into the arena. Its holes are evaluated first, since what evaluating allocates must last. */
static int render_text(const struct template *t, struct expr_eval *ev, bool html, struct arena *arena,
                       struct str *out, struct str *missing)
{
    for (size_t i = 0; i < t->count; i++)
        if (t->parts[i].value != EXPR_NONE)
            (void)expr_eval(ev, t->parts[i].value);
    for (size_t room = RENDER_FIRST;; room *= 2) {
        struct arena_buf b;
        arena_buf_init(&b, arena, room);
        int rc = template_render(t, ev, html, &b.buf, missing);
        if (rc == 0) {
            *out = arena_buf_take(&b);
            return out->p ? 0 : ERR_NOSPACE;
        }
        arena_buf_drop(&b);
        if (rc != ERR_NOSPACE || room >= RENDER_MAX)
            return rc;
    }
}

static int render(const struct decide_input *in, struct expr_eval *ev, struct arena *arena,
                  const struct policy_treatment *t, struct choice *out, struct str *missing)
{
    const struct policy_channel *c = &in->policy->channels[t->channel];
    out->content = arena_alloc(arena, t->content_count * sizeof *out->content);
    if (!out->content)
        return ERR_NOSPACE;
    int rc = 0;
    for (size_t i = 0; i < t->content_count && !rc; i++)
        rc = render_text(&t->content[i].text, ev, c->html, arena, &out->content[i], missing);
    return rc;
}

struct slots {
    const struct decide_request *request;
    bool taken[DECIDE_PLACEMENTS_MAX];
    bool fill_all;                          /* as many choices as slots: none should stay empty */
    uint32_t wanted[DECIDE_PLACEMENTS_MAX]; /* with fill_all: actions not looked at yet that could fill it */
    size_t capacity;                        /* choices that may be made */
};

static void count_wanted(struct slots *s, const struct gate *g, const struct candidate *candidates,
                         const uint32_t *actions, size_t count)
{
    s->fill_all = s->request->placement_count > 1 && s->capacity >= s->request->placement_count;
    for (size_t i = 0; s->fill_all && i < count; i++)
        for (size_t k = 0; candidates[actions[i]].priority > 0 && k < s->request->placement_count; k++)
            s->wanted[k] +=
                gate_treatment(g, &g->policy->actions[actions[i]], s->request->placements[k]) != NULL;
}

/* The first free placement for which the action has a treatment; but where it fits several, one that nobody left could fill
 * goes first, so that no slot stays empty for its sake. NULL when there is none. */
static const struct policy_treatment *place(struct slots *s, const struct gate *g,
                                            const struct policy_action *a, size_t *placement)
{
    const struct policy_treatment *best = NULL;
    bool best_lonely = false;
    *placement = SIZE_MAX;
    if (s->request->placement_count == 0)
        return gate_treatment(g, a, (struct str){0});
    for (size_t i = 0; i < s->request->placement_count; i++) {
        const struct policy_treatment *t = gate_treatment(g, a, s->request->placements[i]);
        if (t && s->fill_all)
            s->wanted[i]--; /* by this action no more */
        bool lonely = s->fill_all && s->wanted[i] == 0;
        if (t && !s->taken[i] && (!best || (lonely && !best_lonely))) {
            *placement = i;
            best = t;
            best_lonely = lonely;
        }
    }
    return best;
}

static int choose(const struct decide_input *in, struct gate *g, struct arena *arena,
                  const struct ranking *ranking, uint32_t *heap, size_t count, struct decision *d)
{
    struct slots s = {.request = in->request};
    s.capacity = in->request->max_actions;
    if (in->request->placement_count && s.capacity > in->request->placement_count)
        s.capacity = in->request->placement_count;
    d->choices = arena_zalloc(arena, s.capacity * sizeof *d->choices);
    g->pending = arena_alloc(arena, s.capacity * sizeof *g->pending);
    if (!d->choices || !g->pending)
        return ERR_NOSPACE;
    count_wanted(&s, g, d->candidates, heap, count);
    while (count > 0 && d->choice_count < s.capacity) {
        uint32_t action = take_best(ranking, heap, &count);
        struct candidate *c = &d->candidates[action];
        const struct policy_action *a = &in->policy->actions[action];
        if (c->priority <= 0)
            break;
        if (g->pending_count && gate_limit_blocked(g, action, &c->block)) {
            c->stage = STAGE_CONTACT_POLICY;
            continue;
        }
        size_t placement;
        const struct policy_treatment *t = place(&s, g, a, &placement);
        if (!t)
            continue;
        struct choice *choice = &d->choices[d->choice_count];
        expr_eval_vary(&g->view->ev, action);
        int rc = render(in, &g->view->ev, arena, t, choice, &c->failed_source);
        if (rc == ERR_NOTFOUND) {
            c->stage = STAGE_RENDER;
            continue;
        }
        if (rc)
            return rc;
        choice->action = a;
        choice->treatment = t;
        choice->placement = placement == SIZE_MAX ? (struct str){0} : in->request->placements[placement];
        choice->priority = c->priority;
        choice->factors = c->factors;
        choice->action_probability = 1;
        if (placement != SIZE_MAX)
            s.taken[placement] = true;
        g->pending[g->pending_count++] = gate_contact(g, action, in->decision_id, in->now_ms);
        c->stage = STAGE_CHOSEN;
        d->choice_count++;
    }
    return 0;
}

/* ---- all ---- */

/* The actions at stages 5 and 6: what would have been proposed otherwise. Scored only when nothing else is left. */
static size_t withheld_actions(const struct decision *d, size_t count, uint32_t *out)
{
    size_t n = 0;
    for (uint32_t i = 0; i < count; i++)
        if (d->candidates[i].stage == STAGE_SUPPRESSED || d->candidates[i].stage == STAGE_CONTACT_POLICY)
            out[n++] = i;
    return n;
}

int decide(const struct decide_input *in, struct arena *arena, struct decision *out, struct error *e)
{
    const struct policy *p = in->policy;
    *out = (struct decision){.input = in};
    struct view *view = arena_alloc(arena, sizeof *view);
    struct gate *gate = arena_alloc(arena, sizeof *gate);
    uint32_t *left = arena_alloc(arena, p->action_count * sizeof *left);
    out->candidates = arena_zalloc(arena, p->action_count * sizeof *out->candidates);
    if (!view || !gate || !left || !out->candidates ||
        view_init(view, p, in->state, in->request->context, in->request->channel, in->state_unreadable,
                  in->now_ms, arena))
        return error_set(e, ERR_NOSPACE, "the request's memory is full");
    gate_init(gate, view, in->request, in->household, in->state_unreadable);
    out->ev = &view->ev;
    size_t count = 0;
    for (uint32_t i = 0; i < p->action_count; i++) {
        struct candidate *c = &out->candidates[i];
        c->action = i;
        if (!gate_blocked(gate, i, &c->block))
            left[count++] = i;
        c->stage = stage_of(&c->block);
    }
    probe_at(in, DECIDE_GATED);
    int rc = score(in, &view->ev, arena, out->candidates, left, count, e);
    if (rc)
        return rc;
    struct ranking ranking = {p, out->candidates};
    rank(&ranking, left, count);
    long best = count ? (long)left[0] : -1;
    rc = choose(in, gate, arena, &ranking, left, count, out);
    if (rc)
        return error_set(e, rc, "the request's memory is full");
    if (out->choice_count)
        return 0;
    gate->pending_count = 0;
    out->suppressed = true;
    if (count == 0) {
        count = withheld_actions(out, p->action_count, left);
        rc = score(in, &view->ev, arena, out->candidates, left, count, e);
        rank(&ranking, left, count);
        best = count ? (long)left[0] : -1;
    }
    if (!rc)
        rc = explain_suppression(out, gate, best, arena, e);
    return rc;
}

int decision_reserve(const struct decision *d, struct state *s, struct error *e)
{
    const struct decide_input *in = d->input;
    const struct gate g = {.policy = in->policy, .request = in->request};
    for (size_t i = 0; i < d->choice_count; i++) {
        uint32_t action = (uint32_t)(d->choices[i].action - in->policy->actions);
        struct contact k = gate_contact(&g, action, in->decision_id, in->now_ms);
        int rc = state_contact_add(s, &k, in->now_ms);
        if (rc)
            return rc == ERR_EXISTS ? error_set(e, rc, "this decision has booked its contact already")
                                    : error_set(e, rc, "more than %d contacts are kept for this customer",
                                                STATE_CONTACTS_MAX);
    }
    return 0;
}
