/* Customers.Get: what is held of a customer, and what the policy makes of it now.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/op_get.h"
#include "decide/explain.h"
#include "decide/journey.h"
#include "state/aggregate.h"
#include "state/preferences.h"
#include "state/reactions.h"
#include <stdlib.h>

static int get_check(struct op *op, struct error *e)
{
    const Tact__V1__GetRequest *m = (const Tact__V1__GetRequest *)op->message;
    int rc = op_as_of(op, m->as_of_ms, e);
    return rc ? rc : op_customer(op, m->customer_id, m->alias, e);
}

static int get_apply(struct op *op, struct error *e)
{
    (void)op;
    (void)e;
    return 0;
}

/* An attribute as a wire value (all members but strings need no memory). */
static void wire_value(struct value v, struct arena *arena, Tact__V1__Value *out)
{
    tact__v1__value__init(out);
    switch (v.type) {
    case VALUE_STRING: {
        struct str copy = arena_str(arena, value_str(v));
        out->kind_case = TACT__V1__VALUE__KIND_STRING_VALUE;
        out->string_value = copy.p ? (char *)copy.p : (char *)protobuf_c_empty_string;
        break;
    }
    case VALUE_DOUBLE:
        out->kind_case = TACT__V1__VALUE__KIND_NUMBER_VALUE;
        out->number_value = v.number;
        break;
    case VALUE_BOOL:
        out->kind_case = TACT__V1__VALUE__KIND_BOOL_VALUE;
        out->bool_value = v.boolean;
        break;
    case VALUE_INT:
        out->kind_case = TACT__V1__VALUE__KIND_INT_VALUE;
        out->int_value = v.integer;
        break;
    case VALUE_TIMESTAMP:
        out->kind_case = TACT__V1__VALUE__KIND_TIME_MS;
        out->time_ms = v.integer;
        break;
    default:
        break;
    }
}

/* A list of `count` zeroed messages, as protobuf-c wants it: pointers to bodies. */
static void **messages(struct op *op, size_t count, size_t size, struct error *e)
{
    void **items = arena_zalloc(&op->arena, (count + 1) * sizeof *items);
    char *bodies = arena_zalloc(&op->arena, (count + 1) * size);
    if (!items || !bodies) {
        error_set(e, ERR_NOSPACE, "the request's memory is full");
        return NULL;
    }
    for (size_t i = 0; i < count; i++)
        items[i] = bodies + i * size;
    return items;
}

static int get_profile(struct op *op, Tact__V1__GetResponse *r, struct error *e)
{
    const struct schema *schema = &op->snapshot->policy->schema;
    r->profile =
        (Tact__V1__GetResponse__ProfileEntry **)messages(op, schema->attribute_count, sizeof **r->profile, e);
    Tact__V1__Value *values = arena_alloc(&op->arena, (schema->attribute_count + 1) * sizeof *values);
    if (!r->profile || !values)
        return ERR_NOSPACE;
    for (size_t i = 0; i < schema->attribute_count; i++) {
        if (op->state.attributes[i].type == VALUE_UNKNOWN)
            continue;
        Tact__V1__GetResponse__ProfileEntry *entry = r->profile[r->n_profile];
        tact__v1__get_response__profile_entry__init(entry);
        wire_value(op->state.attributes[i], &op->arena, &values[r->n_profile]);
        entry->key = (char *)arena_str(&op->arena, schema->attributes[i].name).p;
        entry->value = &values[r->n_profile++];
        if (!entry->key)
            return ERR_NOSPACE;
    }
    return 0;
}

static int get_consents(struct op *op, Tact__V1__GetResponse *r, struct error *e)
{
    r->consents = (Tact__V1__Consent **)messages(op, op->state.consent_count, sizeof **r->consents, e);
    if (!r->consents)
        return ERR_NOSPACE;
    for (uint32_t i = 0; i < op->state.consent_count; i++) {
        const struct consent *c = &op->state.consents[i];
        Tact__V1__Consent *m = r->consents[r->n_consents++];
        tact__v1__consent__init(m);
        m->channel = op_word(op, c->channel);
        m->purpose = op_word(op, c->purpose);
        m->granted = c->granted;
        m->time_ms = c->time_ms;
        m->source = (char *)arena_str(&op->arena, c->source).p;
        if (!m->source)
            return ERR_NOSPACE;
    }
    return 0;
}

static void clock_text(int16_t minute, char text[8])
{
    snprintf(text, 8, "%02d:%02d", minute / 60 % 24, minute % 60);
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int get_preferences(struct op *op, Tact__V1__GetResponse *r)
{
    const struct preferences *p = &op->state.preferences;
    if (!preferences_any(p))
        return 0;
    Tact__V1__Preferences *m = arena_alloc(&op->arena, sizeof *m);
    if (!m)
        return ERR_NOSPACE;
    tact__v1__preferences__init(m);
    r->preferences = m;
    if (p->channel)
        m->channel = op_word(op, p->channel);
    m->paused_until_ms = p->paused_until_ms;
    m->at_most = p->less_at_most;
    m->per_ms = p->less_per_ms;
    m->time_ms = later(later(p->channel_ms, p->quiet_ms), later(p->pause_ms, p->less_ms));
    if (!p->quiet_ms || p->quiet_from == PREFERENCE_NO_QUIET)
        return 0;
    char text[2][8];
    clock_text(p->quiet_from, text[0]);
    clock_text(p->quiet_to, text[1]);
    m->quiet_from = arena_strdup(&op->arena, text[0]);
    m->quiet_to = arena_strdup(&op->arena, text[1]);
    return m->quiet_from && m->quiet_to ? 0 : ERR_NOSPACE;
}

static int get_contacts(struct op *op, Tact__V1__GetResponse *r, struct error *e)
{
    static const char *const outcomes[] = {"SENT", "IMPRESSION", "RESPONSE", "CONVERSION", "REJECTION"};
    r->contacts = (Tact__V1__Contact **)messages(op, op->state.contact_count, sizeof **r->contacts, e);
    if (!r->contacts)
        return ERR_NOSPACE;
    for (uint32_t i = 0; i < op->state.contact_count; i++) {
        const struct contact *k = &op->state.contacts[i];
        Tact__V1__Contact *m = r->contacts[r->n_contacts++];
        tact__v1__contact__init(m);
        char id[ID128_TEXT];
        id128_text(k->decision, id);
        m->decision_id = arena_strdup(&op->arena, id);
        m->outcomes = arena_alloc(&op->arena, sizeof outcomes);
        if (!m->decision_id || !m->outcomes)
            return ERR_NOSPACE;
        m->action_id = op_word(op, k->action);
        m->channel = op_word(op, k->channel);
        m->purpose = op_word(op, k->purpose);
        m->group = op_word(op, k->group);
        m->time_ms = k->time_ms;
        m->expires_ms = k->expires_ms;
        m->value = (double)k->value / STATE_SUM_SCALE;
        for (size_t b = 0; b < sizeof outcomes / sizeof outcomes[0]; b++)
            if (k->outcomes >> b & 1)
                m->outcomes[m->n_outcomes++] = (char *)outcomes[b];
    }
    return 0;
}

/* ---- journey, reactions, since when it counts ---- */

/* The name of a dictionary id as it stands there, "action.welcome"; empty when there is none. */
static char *whole_name(const struct op *op, uint32_t id)
{
    struct str path = names_text(worker_names(op->worker), id);
    return path.n ? (char *)path.p : (char *)protobuf_c_empty_string;
}

/* A touch point as the policy calls it now: the dictionary knows a renamed signal by its oldest name. */
static char *touch_name(const struct op *op, uint32_t id)
{
    const struct schema *schema = &op->snapshot->policy->schema;
    for (size_t i = 0; i < schema->signal_count; i++)
        if (schema->signals[i].id == id && schema->signals[i].was.count)
            return (char *)schema->signals[i].path.p;
    return whole_name(op, id);
}

static int get_touches(struct op *op, Tact__V1__Journey *m, struct error *e)
{
    m->touches = (Tact__V1__Touch **)messages(op, op->state.touch_count, sizeof **m->touches, e);
    if (!m->touches)
        return ERR_NOSPACE;
    for (uint32_t i = 0; i < op->state.touch_count; i++) {
        Tact__V1__Touch *touch = m->touches[m->n_touches++];
        tact__v1__touch__init(touch);
        touch->name = touch_name(op, op->state.touches[i].id);
        touch->channel = op_word(op, op->state.touches[i].channel);
        touch->time_ms = op->state.touches[i].second * 1000;
    }
    return 0;
}

static int get_journey(struct op *op, Tact__V1__GetResponse *r, struct error *e)
{
    const struct policy *p = op->snapshot->policy;
    if (!p->schema.keeps_touches)
        return 0;
    struct view *v = arena_alloc(&op->arena, sizeof *v);
    r->journey = arena_alloc(&op->arena, sizeof *r->journey);
    if (!v || !r->journey || view_init(v, p, &op->state, NULL, UINT32_MAX, false, op->now_ms, &op->arena))
        return ERR_NOSPACE;
    tact__v1__journey__init(r->journey);
    long now = journey_stage(v), recorded = journey_recorded(p, &op->state);
    if (now >= 0)
        r->journey->stage = op_word(op, p->stages[now].word.id);
    r->journey->previous_stage =
        op_word(op, now == recorded ? op->state.journey.previous : op->state.journey.stage);
    r->journey->entered_ms = now == recorded ? op->state.journey.entered_ms : 0;
    return get_touches(op, r->journey, e);
}

static int get_reactions(struct op *op, Tact__V1__GetResponse *r, struct error *e)
{
    r->reactions = (Tact__V1__Reaction **)messages(op, op->state.reaction_count, sizeof **r->reactions, e);
    if (!r->reactions)
        return ERR_NOSPACE;
    for (uint32_t i = 0; i < op->state.reaction_count; i++) {
        const struct reaction *k = &op->state.reactions[i];
        Tact__V1__Reaction *m = r->reactions[r->n_reactions++];
        tact__v1__reaction__init(m);
        m->name = whole_name(op, k->id);
        m->shown = k->shown;
        m->ignored = (uint32_t)reaction_ignored(k, op->now_ms);
        m->responded = k->responded;
        m->converted = k->converted;
        m->rejected = k->rejected;
        m->shown_ms = k->show_count ? k->shows[k->show_count - 1] * 1000 : 0;
    }
    return 0;
}

static int get_since(struct op *op, Tact__V1__GetResponse *r, struct error *e)
{
    const struct schema *schema = &op->snapshot->policy->schema;
    r->counts_since_ms = (Tact__V1__GetResponse__CountsSinceMsEntry **)messages(op, schema->aggregate_count,
                                                                                sizeof **r->counts_since_ms, e);
    if (!r->counts_since_ms)
        return ERR_NOSPACE;
    for (size_t i = 0; op->state.exists && i < schema->aggregate_count; i++) {
        int64_t since_ms = state_since(&op->state, i, op->now_ms);
        if (!since_ms)
            continue;
        Tact__V1__GetResponse__CountsSinceMsEntry *entry = r->counts_since_ms[r->n_counts_since_ms++];
        tact__v1__get_response__counts_since_ms_entry__init(entry);
        entry->key = (char *)arena_str(&op->arena, schema->aggregates[i].name).p;
        entry->value = since_ms;
        if (!entry->key)
            return ERR_NOSPACE;
    }
    return 0;
}

/* All but pair features, which have a value only where an action is looked at. */
static int get_features(struct op *op, Tact__V1__GetResponse *r, struct error *e)
{
    const struct policy *p = op->snapshot->policy;
    struct view *v = arena_alloc(&op->arena, sizeof *v);
    r->features =
        (Tact__V1__GetResponse__FeaturesEntry **)messages(op, p->feature_count, sizeof **r->features, e);
    if (!v || !r->features || view_init(v, p, &op->state, NULL, UINT32_MAX, false, op->now_ms, &op->arena))
        return ERR_NOSPACE;
    struct buf text;
    buf_init(&text, 4096);
    int rc = 0;
    for (size_t i = 0; i < p->feature_count && !rc; i++) {
        if (expr_varies(p->program, p->features[i].node))
            continue;
        Tact__V1__GetResponse__FeaturesEntry *entry = r->features[r->n_features++];
        tact__v1__get_response__features_entry__init(entry);
        buf_clear(&text);
        explain_value(expr_eval(&v->ev, p->features[i].node), &text);
        entry->key = (char *)arena_str(&op->arena, p->features[i].name).p;
        entry->value = (char *)arena_str(&op->arena, (struct str){(const char *)text.p, text.n}).p;
        rc = entry->key && entry->value ? 0 : ERR_NOSPACE;
    }
    buf_free(&text);
    return rc;
}

static int by_time(const void *a, const void *b)
{
    const Tact__V1__Identity *x = *(Tact__V1__Identity *const *)a, *y = *(Tact__V1__Identity *const *)b;
    return x->time_ms != y->time_ms ? (x->time_ms > y->time_ms) - (x->time_ms < y->time_ms)
                                    : strcmp(x->customer_id, y->customer_id);
}

static int get_identities(struct op *op, Tact__V1__GetResponse *r)
{
    const struct state *s = &op->state;
    Tact__V1__Identity *items = arena_alloc(&op->arena, s->identity_count * sizeof *items);
    r->identities = arena_alloc(&op->arena, s->identity_count * sizeof *r->identities);
    if (!items || !r->identities)
        return ERR_NOSPACE;
    for (uint32_t i = 0; i < s->identity_count; i++) {
        if (!s->identities[i].id.n)
            continue;
        Tact__V1__Identity *d = &items[r->n_identities];
        tact__v1__identity__init(d);
        d->customer_id = (char *)arena_str(&op->arena, s->identities[i].id).p;
        d->time_ms = s->identities[i].time_ms;
        if (!d->customer_id)
            return ERR_NOSPACE;
        r->identities[r->n_identities++] = d;
    }
    qsort(r->identities, r->n_identities, sizeof *r->identities, by_time);
    return 0;
}

static int get_answer(struct op *op, struct str *out, struct error *e)
{
    Tact__V1__GetResponse r;
    tact__v1__get_response__init(&r);
    r.found = op->state.exists;
    r.customer_id = (char *)op->customer.p;
    r.forgotten_ms = op->state.forgotten_ms;
    if (r.forgotten_ms)
        return op_pack(op, &r.base, out, e);
    r.state_bytes = (uint32_t)op->blob.n;
    r.version = op->state.exists ? op->state.version : 0;
    if (get_profile(op, &r, e) || get_consents(op, &r, e) || get_contacts(op, &r, e) ||
        get_preferences(op, &r) || get_journey(op, &r, e) || get_reactions(op, &r, e) || get_since(op, &r, e) || get_identities(op, &r) ||
        get_features(op, &r, e))
        return error_set(e, ERR_NOSPACE, "the request's memory is full");
    return op_pack(op, &r.base, out, e);
}

const struct op_methods op_get_methods = {&tact__v1__get_request__descriptor, get_check, get_apply, NULL,
                                          get_answer};
