/* Shadows; see shadow.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "decide/shadow.h"
#include <math.h>

/* A limit may stop, after the first choice, what was ranked behind it. What could
 * not be rendered was ranked too: it is the models that are compared. */
static bool competed(const struct decision *d, const struct candidate *c)
{
    return c->scored && (c->stage == STAGE_CHOSEN || c->stage == STAGE_ARBITRATION || c->stage == STAGE_RENDER ||
                         (c->stage == STAGE_CONTACT_POLICY && d->choice_count > 0));
}

struct best {
    long action;
    double priority;
};

static void offer(struct best *b, const struct policy *p, uint32_t action, double priority)
{
    bool first = b->action < 0;
    if (priority <= 0)
        return;
    bool ahead = !first && (priority > b->priority ||
                            (priority >= b->priority &&
                             str_cmp(p->actions[action].word.name, p->actions[b->action].word.name) < 0));
    if (first || ahead)
        *b = (struct best){(long)action, priority};
}

static int compare(const struct decision *d,
                   int (*score)(const void *ctx, struct expr_eval *ev, const uint32_t *actions, size_t count,
                                struct arena *arena, struct model_score *out, struct error *e),
                   const void *ctx, struct arena *arena, struct shadow_result *out, struct error *e)
{
    const struct policy *p = d->input->policy;
    uint32_t *actions = arena_alloc(arena, p->action_count * sizeof *actions);
    struct model_score *scores = arena_zalloc(arena, p->action_count * sizeof *scores);
    struct best now = {-1, 0}, then = {-1, 0};
    size_t n = 0;
    *out = (struct shadow_result){.best = -1};
    if (!actions || !scores)
        return error_set(e, ERR_NOSPACE, "the request's memory is full");
    for (uint32_t i = 0; i < p->action_count; i++)
        if (competed(d, &d->candidates[i]))
            actions[n++] = i;
    int rc = n ? score(ctx, d->ev, actions, n, arena, scores, e) : 0;
    for (size_t i = 0; i < n && !rc; i++) {
        const struct candidate *c = &d->candidates[actions[i]];
        const struct model_score *s = &scores[i];
        offer(&now, p, actions[i], c->priority);
        offer(&then, p, actions[i], s->known ? factors_priority(&c->factors, s->propensity, s->baseline) : c->priority);
        out->candidates += s->known;
        out->sum_abs += s->known ? fabs(s->propensity - c->factors.propensity) : 0;
    }
    out->best = then.action;
    out->differs = now.action != then.action;
    return rc;
}

int shadow_compare(const struct decision *d,
                   int (*score)(const void *ctx, struct expr_eval *ev, const uint32_t *actions, size_t count,
                                struct arena *arena, struct model_score *out, struct error *e),
                   const void *ctx, struct arena *arena, struct shadow_result *out, struct error *e)
{
    struct arena_mark mark = arena_mark(arena);
    int rc = compare(d, score, ctx, arena, out, e);
    arena_rewind(arena, mark);
    expr_eval_forget(d->ev); /* features that are strings or lists were in what was given back */
    return rc;
}
