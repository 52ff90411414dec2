/* A policy as a target; see policy_target.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/offline/policy_target.h"

/* Every action of the rows must be one of the policy's. */
static int check_actions(const struct policy *policy, const struct eval_rows *r, struct error *e)
{
    for (size_t a = 0; a < r->action_count; a++) {
        if ((long)a == r->silence || policy_action_find(policy, r->actions[a]) >= 0)
            continue;
        struct suggest s;
        suggest_init(&s, r->actions[a]);
        for (size_t i = 0; i < policy->action_count; i++)
            suggest_offer(&s, policy->actions[i].word.name);
        struct str best = suggest_best(&s);
        size_t row = 0;
        while (row < r->n && r->action[row] != a)
            row++;
        return error_set(
            e, ERR_INVALID,
            "%s:%u: the policy has no action '%.*s'%s%.*s%s; say what it is with --map '%.*s=ACTION' or "
            "--silence '%.*s'",
            r->name, row < r->n && r->lines ? r->lines[row] : 0, STR_ARG(r->actions[a]),
            best.n ? "; did you mean " : "", STR_ARG(best), best.n ? "?" : "", STR_ARG(r->actions[a]),
            STR_ARG(r->actions[a]));
    }
    return 0;
}

int policy_target_open(struct policy_target *t, struct eval_rows *r, bool check, struct arena *arena,
                       struct error *e)
{
    const struct policy *policy = t->policy;
    int rc = check ? check_actions(policy, r, e) : 0;
    if (rc)
        return rc;
    struct str *names = arena_alloc(arena, (policy->action_count + 1) * sizeof *names);
    t->index = arena_alloc(arena, policy->action_count * sizeof *t->index);
    t->all = arena_alloc(arena, policy->action_count * sizeof *t->all);
    t->scores = arena_alloc(arena, policy->action_count * sizeof *t->scores);
    if (!names || !t->index || !t->all || !t->scores)
        return error_set(e, ERR_NOSPACE, "out of memory");
    for (size_t i = 0; i < policy->action_count; i++)
        names[i] = policy->actions[i].word.name;
    names[policy->action_count] = STR(EVAL_SILENCE);
    if ((rc = eval_actions_add(r, names, policy->action_count + 1, e)))
        return rc;
    for (size_t i = 0; i < policy->action_count; i++) {
        t->all[i] = (uint32_t)i;
        t->index[i] = (uint32_t)eval_action(r, names[i]);
    }
    t->expects =
        t->scorer && t->model && (t->model->kind == BUNDLE_S_LEARNER || t->model->kind == BUNDLE_T_LEARNER);
    return 0;
}

int policy_target_decide(const struct policy_target *t, const struct state *state, const struct state *household,
                         const struct decide_request *request, int64_t now_ms, uint64_t seed,
                         struct arena *arena, struct decision *out, struct error *e)
{
    struct decide_input *in = arena_alloc(arena, sizeof *in); /* the decision points to it */
    if (!in)
        return error_set(e, ERR_NOSPACE, "the memory for one decision is full");
    *in = (struct decide_input){.policy = t->policy,
                                .scorer = t->scorer,
                                .world_id = t->world_id,
                                .state = state,
                                .household = household,
                                .request = request,
                                .now_ms = now_ms,
                                .seed = seed};
    return decide(in, arena, out, e);
}

uint32_t policy_target_choice(const struct policy_target *t, const struct eval_rows *r,
                              const struct decision *d)
{
    return d->choice_count ? t->index[d->choices[0].action - t->policy->actions] : (uint32_t)r->silence;
}

int policy_target_expect(struct policy_target *t, const struct eval_rows *r, const struct decision *d,
                         double *out, struct arena *arena, struct error *e)
{
    size_t count = t->policy->action_count;
    int rc = t->scorer->score(t->scorer->ctx, d->input->request->customer, d->ev, t->all, count, arena, t->scores, e);
    for (size_t i = 0; i < r->action_count; i++)
        out[i] = 0;
    for (size_t i = 0; i < count && !rc; i++) {
        t->expects = t->expects && t->scores[i].known;
        out[t->index[i]] = t->scores[i].propensity;
        out[r->silence] = t->scores[i].baseline;
    }
    return rc;
}
