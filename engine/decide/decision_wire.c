/* Packing a struct decision as tact.v1.Decision with protobuf-c; all of it in the request's arena.
 * SPDX-License-Identifier: Apache-2.0 */
#include "decide/decision_wire.h"
#include "decide/explain.h"
#include "tact/v1/decisions.pb-c.h"

/* The arena, and whether it ran full: checked once at the end. */
struct packer {
    struct arena *arena;
    bool full;
};

static void *take(struct packer *p, size_t size)
{
    void *m = arena_zalloc(p->arena, size);
    if (!m)
        p->full = true;
    return m;
}

static char *text(struct packer *p, struct str s)
{
    if (s.n == 0)
        return (char *)protobuf_c_empty_string;
    struct str copy = arena_str(p->arena, s);
    if (!copy.p) {
        p->full = true;
        return (char *)protobuf_c_empty_string;
    }
    return (char *)copy.p;
}

/* A list of pointers to `count` messages of `size` bytes each. */
static void **list(struct packer *p, size_t count, size_t size)
{
    void **items = take(p, (count ? count : 1) * sizeof *items);
    char *bodies = take(p, (count ? count : 1) * size);
    if (!items || !bodies)
        return NULL;
    for (size_t i = 0; i < count; i++)
        items[i] = bodies + i * size;
    return items;
}

static Tact__V1__Factors *factors_message(struct packer *p, const struct factors *f)
{
    Tact__V1__Factors *m = take(p, sizeof *m);
    if (!m)
        return NULL;
    tact__v1__factors__init(m);
    m->propensity = f->propensity;
    m->baseline = f->baseline;
    m->propensity_from_model = f->from_model;
    m->value = f->value;
    m->context_weight = f->context_weight;
    m->lever = f->lever;
    m->contact_cost = f->contact_cost;
    return m;
}

static void evidence_messages(struct packer *p, const struct evidence *items, size_t count, size_t *n,
                              Tact__V1__Evidence ***out)
{
    *out = (Tact__V1__Evidence **)list(p, count, sizeof(Tact__V1__Evidence));
    *n = 0;
    for (size_t i = 0; *out && i < count; i++) {
        p->full = p->full || !items[i].value.p;
        tact__v1__evidence__init((*out)[i]);
        (*out)[i]->name = text(p, items[i].name);
        (*out)[i]->value = text(p, items[i].value);
        (*out)[i]->counts_since_ms = items[i].counts_since_ms;
        (*n)++;
    }
}

static void choice_message(struct packer *p, const struct decision *d, const struct choice *c,
                           Tact__V1__Choice *m)
{
    const struct policy *policy = d->input->policy;
    tact__v1__choice__init(m);
    m->action_id = text(p, c->action->word.name);
    m->issue = text(p, policy->issues[c->action->issue].name);
    m->group = text(p, policy->groups[c->action->group].name);
    m->purpose = text(p, policy->purposes[c->action->purpose].name);
    m->placement = text(p, c->placement);
    m->treatment_id = text(p, c->treatment->id);
    m->locale = text(p, c->treatment->locale);
    m->priority = c->priority;
    m->factors = factors_message(p, &c->factors);
    m->action_probability = c->action_probability;
    m->content = (Tact__V1__Choice__ContentEntry **)list(p, c->treatment->content_count,
                                                         sizeof(Tact__V1__Choice__ContentEntry));
    for (size_t i = 0; m->content && i < c->treatment->content_count; i++) {
        tact__v1__choice__content_entry__init(m->content[i]);
        m->content[i]->key = text(p, c->treatment->content[i].name);
        m->content[i]->value = text(p, c->content[i]);
        m->n_content++;
    }
}

static Tact__V1__Scope *scope_message(struct packer *p, const struct policy *policy,
                                      const struct policy_scope *s)
{
    Tact__V1__Scope *m = take(p, sizeof *m);
    if (!m)
        return NULL;
    tact__v1__scope__init(m);
    m->everything = s->everything;
    if (s->purpose < PURPOSE_COUNT)
        m->purpose = text(p, policy->purposes[s->purpose].name);
    if (s->issue < policy->issue_count)
        m->issue = text(p, policy->issues[s->issue].name);
    if (s->group < policy->group_count)
        m->group = text(p, policy->groups[s->group].name);
    if (s->channel < policy->channel_count)
        m->channel = text(p, policy->channels[s->channel].word.name);
    if (s->action < policy->action_count)
        m->action = text(p, policy->actions[s->action].word.name);
    return m;
}

static Tact__V1__Suppression *suppression_message(struct packer *p, const struct decision *d)
{
    const struct suppression *s = &d->suppression;
    Tact__V1__Suppression *m = take(p, sizeof *m);
    if (!m)
        return NULL;
    tact__v1__suppression__init(m);
    m->cause = (Tact__V1__Suppression__Cause)s->cause;
    m->rule = text(p, s->rule);
    m->scope = scope_message(p, d->input->policy, &s->scope);
    evidence_messages(p, s->evidence, s->evidence_count, &m->n_evidence, &m->evidence);
    if (s->withheld >= 0)
        m->withheld_action_id = text(p, d->input->policy->actions[s->withheld].word.name);
    m->withheld_priority = s->withheld_priority;
    m->next_eligible_at_ms = s->next_eligible_ms;
    m->waits_for = take(p, (s->waits_count + 1) * sizeof *m->waits_for);
    for (size_t i = 0; m->waits_for && i < s->waits_count; i++)
        m->waits_for[m->n_waits_for++] = text(p, s->waits_for[i]);
    m->ends_at_ms = s->ends_ms;
    m->lifted_by = take(p, (s->lifted_count + 1) * sizeof *m->lifted_by);
    for (size_t i = 0; m->lifted_by && i < s->lifted_count; i++)
        m->lifted_by[m->n_lifted_by++] = text(p, s->lifted_by[i]);
    m->text = text(p, s->text);
    return m;
}

static void candidate_message(struct packer *p, const struct decision *d, const struct candidate *c,
                              Tact__V1__Candidate *m)
{
    struct evidence *evidence;
    tact__v1__candidate__init(m);
    m->action_id = text(p, d->input->policy->actions[c->action].word.name);
    m->stage = (Tact__V1__Candidate__Stage)c->stage;
    m->rule = text(p, explain_rule(d->input->policy, &c->block));
    struct str reason = explain_candidate(d, c, p->arena);
    m->reason = text(p, reason);
    size_t n = explain_evidence(d, c->action, &c->block, &evidence, p->arena);
    p->full = p->full || !reason.p || !evidence;
    evidence_messages(p, evidence, n, &m->n_evidence, &m->evidence);
    if (c->scored) {
        m->priority = c->priority;
        m->factors = factors_message(p, &c->factors);
    }
}

static void head(struct packer *p, const struct decision *d, Tact__V1__Decision *m)
{
    const struct decide_input *in = d->input;
    char id[ID128_TEXT];
    id128_text(in->decision_id, id);
    tact__v1__decision__init(m);
    m->decision_id = text(p, str_from(id));
    m->decided_at_ms = in->now_ms;
    m->seed = in->seed;
    m->policy_id = text(p, str_from(in->policy->id));
    m->model_id = text(p, str_from(in->scorer ? in->scorer->model_id : ""));
    m->world_id = text(p, str_from(in->world_id));
    m->engine_version = (char *)ENGINE_VERSION;
    m->state_tier = in->state_unreadable   ? TACT__V1__STATE_TIER__FAIL_SAFE
                    : in->state_unverified ? TACT__V1__STATE_TIER__UNVERIFIED
                                           : TACT__V1__STATE_TIER__CURRENT;
}

/* Which model each entry of a line-up had for the customer. */
static void models(struct packer *p, const struct decision *d, Tact__V1__Decision *m)
{
    const struct scorer *scorer = d->input->scorer;
    struct model_use uses[MODEL_USES_MAX];
    size_t count = scorer && scorer->uses ? scorer->uses(scorer->ctx, d->input->request->customer, uses, MODEL_USES_MAX) : 0;
    m->models = (Tact__V1__ModelUse **)list(p, count, sizeof(Tact__V1__ModelUse));
    for (size_t i = 0; m->models && i < count; i++) {
        Tact__V1__ModelUse *use = m->models[i];
        tact__v1__model_use__init(use);
        use->entry = text(p, uses[i].entry);
        use->bundle = text(p, uses[i].bundle);
        use->bundle_id = text(p, str_from(uses[i].bundle_id));
        use->challenger = uses[i].challenger;
        m->n_models++;
    }
}

int decision_encode(const struct decision *d, struct arena *arena, struct str *out, struct error *e)
{
    struct packer p = {.arena = arena};
    Tact__V1__Decision m;
    head(&p, d, &m);
    models(&p, d, &m);
    m.choices = (Tact__V1__Choice **)list(&p, d->choice_count, sizeof(Tact__V1__Choice));
    for (size_t i = 0; m.choices && i < d->choice_count; i++) {
        choice_message(&p, d, &d->choices[i], m.choices[i]);
        m.n_choices++;
    }
    if (d->suppressed)
        m.suppression = suppression_message(&p, d);
    if (d->input->request->explain) {
        size_t count = d->input->policy->action_count;
        m.candidates = (Tact__V1__Candidate **)list(&p, count, sizeof(Tact__V1__Candidate));
        for (size_t i = 0; m.candidates && i < count; i++) {
            candidate_message(&p, d, &d->candidates[i], m.candidates[i]);
            m.n_candidates++;
        }
    }
    size_t n = p.full ? 0 : tact__v1__decision__get_packed_size(&m);
    uint8_t *bytes = p.full ? NULL : arena_alloc(arena, n);
    if (!bytes)
        return error_set(e, ERR_NOSPACE, "the request's memory is full");
    *out = (struct str){(const char *)bytes, tact__v1__decision__pack(&m, bytes)};
    return 0;
}
