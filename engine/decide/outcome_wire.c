/* Outcomes and contacts against the policy and a state; see outcome_wire.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "decide/outcome_wire.h"
#include "decide/apply.h"
#include "decide/request_fields.h"
#include <math.h>

/* ---- outcomes of decisions ---- */

static int outcome_contact(const struct outcome *o, const struct policy *p, struct state *s, int64_t now_ms,
                           struct contact **out, struct error *e)
{
    *out = state_contact_find(s, o->decision, o->action);
    bool makes = o->kind == TACT__V1__RECORD_REQUEST__KIND__SENT ||
                 o->kind == TACT__V1__RECORD_REQUEST__KIND__IMPRESSION;
    if (*out || !makes)
        return 0;
    if (!o->action || !o->channel)
        return error_set(e, ERR_NOTFOUND,
                         "no such decision is kept for this customer; pass the choice's handle");
    long at = policy_action_of_id(p, o->action);
    if (!policy_keeps_contact(p, at, o->channel))
        return 0; /* nothing looks at it: it would only fill the list */
    struct contact k = {
        .decision = o->decision, .action = o->action, .channel = o->channel, .time_ms = o->time_ms};
    if (at >= 0) {
        k.purpose = p->purposes[p->actions[at].purpose].id;
        k.group = p->groups[p->actions[at].group].id;
        k.issue = p->issues[p->actions[at].issue].id;
    }
    int rc = state_contact_add(s, &k, now_ms);
    if (rc)
        return error_set(e, rc, "more than %d contacts are kept for this customer", STATE_CONTACTS_MAX);
    *out = state_contact_find(s, o->decision, o->action);
    return 0;
}

/* Saturates: no number of outcomes can wrap it. */
static void add_value(struct contact *k, double value)
{
    int64_t more = llround(value * STATE_SUM_SCALE);
    if (__builtin_add_overflow(k->value, more, &k->value))
        k->value = more > 0 ? INT64_MAX : INT64_MIN;
}

/* Whether this choice was shown before, as told by another outcome: 1, 0, ERR_NOSPACE. The contact remembers it; where none is
 * kept the list of what was seen does, for an hour. */
static int shown_before(const struct outcome *o, const struct contact *k, struct state *s, int64_t now_ms)
{
    static const char label[] = "shown";
    if (k)
        return (k->outcomes & (CONTACT_SENT | CONTACT_IMPRESSION)) != 0;
    uint64_t choice = hash64_seed(label, sizeof label, hash64_seed(&o->decision, sizeof o->decision, o->action));
    int fresh = state_see(s, choice, now_ms);
    return fresh < 0 ? fresh : !fresh;
}

/* Money given back: it takes from the value and is no answer. */
static bool is_refund(const struct outcome *o)
{
    return o->kind == TACT__V1__RECORD_REQUEST__KIND__CONVERSION && o->value < 0;
}

/* How the customer took it: by action, by group, where the policy asks. A contact that was sent and then shown was shown once. */
static int outcome_reaction(const struct outcome *o, const struct policy *p, struct state *s, const struct contact *k,
                            int64_t now_ms)
{
    bool shows = o->kind == TACT__V1__RECORD_REQUEST__KIND__SENT || o->kind == TACT__V1__RECORD_REQUEST__KIND__IMPRESSION;
    enum contact_outcome answer = o->kind == TACT__V1__RECORD_REQUEST__KIND__RESPONSE     ? CONTACT_RESPONSE
                                  : o->kind == TACT__V1__RECORD_REQUEST__KIND__CONVERSION ? CONTACT_CONVERSION
                                                                                          : CONTACT_REJECTION;
    if (o->kind == TACT__V1__RECORD_REQUEST__KIND__NOT_SENT || is_refund(o))
        return 0;
    int before = shows ? shown_before(o, k, s, now_ms) : 0;
    if (before)
        return before < 0 ? before : 0;
    long at = policy_action_of_id(p, o->action);
    return shows ? apply_shown(p, s, at, o->channel, o->time_ms) : apply_answered(p, s, at, answer, o->time_ms);
}

/* What was made stays counted, in whatever order the reports come: NOT_SENT gives back only what nobody said was sent. */
static int not_sent(struct state *s, struct contact *k, struct error *e)
{
    if (k->outcomes)
        return error_set(e, ERR_INVALID,
                         "kind: NOT_SENT; this contact was recorded as sent or answered before, and stays counted");
    state_contact_remove(s, k);
    return 1;
}

int outcome_apply(const struct outcome *o, const struct policy *p, struct state *s, int64_t now_ms,
                  struct error *e)
{
    static const uint32_t bits[] = {[TACT__V1__RECORD_REQUEST__KIND__SENT] = CONTACT_SENT,
                                    [TACT__V1__RECORD_REQUEST__KIND__IMPRESSION] = CONTACT_IMPRESSION,
                                    [TACT__V1__RECORD_REQUEST__KIND__RESPONSE] = CONTACT_RESPONSE,
                                    [TACT__V1__RECORD_REQUEST__KIND__CONVERSION] = CONTACT_CONVERSION,
                                    [TACT__V1__RECORD_REQUEST__KIND__REJECTION] = CONTACT_REJECTION};
    int fresh = state_see(s, o->event, now_ms);
    if (fresh == 0)
        return 0;
    if (fresh < 0)
        return error_set(e, ERR_NOSPACE, "the request's memory is full");
    struct contact *k;
    int rc = outcome_contact(o, p, s, now_ms, &k, e);
    if (!rc && outcome_reaction(o, p, s, k, now_ms))
        rc = error_set(e, ERR_NOSPACE, "the request's memory is full");
    if (rc || !k)
        return rc ? rc : 1;
    if (o->kind == TACT__V1__RECORD_REQUEST__KIND__NOT_SENT)
        return not_sent(s, k, e);
    k->outcomes |= is_refund(o) ? 0 : bits[o->kind];
    k->expires_ms = 0; /* sent, shown, or answered, so it was sent */
    if (o->kind == TACT__V1__RECORD_REQUEST__KIND__CONVERSION)
        add_value(k, o->value);
    return 1;
}

/* ---- contacts made outside ---- */

/* The dictionary id of a word of the policy, 0 for an empty one. */
static int word_id(const char *field, const char *text, const struct policy_word *words, size_t count, uint32_t *out,
                   struct error *e)
{
    *out = 0;
    if (!text[0])
        return 0;
    for (size_t i = 0; i < count; i++)
        if (str_is(words[i].name, text)) {
            *out = words[i].id;
            return 0;
        }
    return request_unknown(e, field, str_from(text), count ? &words->name : NULL, sizeof *words, count);
}

/* What it was about, by the action. */
static int of_action(const Tact__V1__RecordContactRequest *m, const struct policy *p, struct outside_contact *out,
                     struct error *e)
{
    out->action = policy_action_find(p, str_from(m->action_id));
    if (out->action < 0)
        return request_unknown(e, "action_id", str_from(m->action_id), p->action_count ? &p->actions->word.name : NULL,
                               sizeof *p->actions, p->action_count);
    const struct policy_action *a = &p->actions[out->action];
    const struct {
        const char *field, *given;
        struct str is;
    } parts[] = {{"purpose", m->purpose, p->purposes[a->purpose].name},
                 {"group", m->group, p->groups[a->group].name},
                 {"issue", m->issue, p->issues[a->issue].name}};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (parts[i].given[0] && !str_is(parts[i].is, parts[i].given))
            return error_set(e, ERR_INVALID, "%s: %s of action %s is %.*s; leave it out", parts[i].field, parts[i].field,
                             m->action_id, STR_ARG(parts[i].is));
    out->contact.action = a->word.id;
    out->contact.purpose = p->purposes[a->purpose].id;
    out->contact.group = p->groups[a->group].id;
    out->contact.issue = p->issues[a->issue].id;
    return 0;
}

int contact_decision(struct str customer, struct str contact_id, struct arena *arena, struct id128 *out)
{
    static const char label[] = "tact contact";
    size_t n = sizeof label + customer.n + 1 + contact_id.n;
    char *text = arena_alloc(arena, n);
    if (!text)
        return ERR_NOSPACE;
    memcpy(text, label, sizeof label);
    memcpy(text + sizeof label, customer.p, customer.n);
    text[sizeof label + customer.n] = 0;
    memcpy(text + sizeof label + customer.n + 1, contact_id.p, contact_id.n);
    *out = hash128(text, n);
    return 0;
}

int request_contact(const Tact__V1__RecordContactRequest *m, struct str customer, const struct policy *p, int64_t now_ms,
                    struct arena *arena, struct outside_contact *out, struct error *e)
{
    struct str id;
    *out = (struct outside_contact){.action = -1};
    struct contact *k = &out->contact;
    int rc = request_id("contact_id", m->contact_id, DECIDE_ID_MAX, &id, e);
    if (rc)
        return rc;
    long channel = policy_channel_find(p, str_from(m->channel));
    if (channel < 0)
        return request_unknown(e, "channel", str_from(m->channel), &p->channels->word.name, sizeof *p->channels,
                               p->channel_count);
    k->channel = p->channels[channel].word.id;
    rc = m->action_id[0] ? of_action(m, p, out, e) : word_id("purpose", m->purpose, p->purposes, PURPOSE_COUNT, &k->purpose, e);
    if (!rc && !m->action_id[0])
        rc = word_id("group", m->group, p->groups, p->group_count, &k->group, e);
    if (!rc && !m->action_id[0])
        rc = word_id("issue", m->issue, p->issues, p->issue_count, &k->issue, e);
    if (!rc)
        rc = request_time("", m->time_ms, now_ms, &k->time_ms, e);
    if (rc)
        return rc;
    if (contact_decision(customer, id, arena, &k->decision))
        return error_set(e, ERR_NOSPACE, "the request's memory is full");
    k->outcomes = p->channels[channel].outbound ? CONTACT_SENT : CONTACT_IMPRESSION;
    out->event = hash64_seed(id.p, id.n, EVENT_SEED_CONTACT);
    return 0;
}

int outside_contact_apply(const struct outside_contact *c, const struct policy *p, struct state *s, int64_t now_ms,
                          struct error *e)
{
    /* Its own place in the list says longer than the ids seen whether it was recorded before. */
    if (state_contact_find(s, c->contact.decision, 0))
        return 0;
    int fresh = state_see(s, c->event, now_ms);
    if (fresh == 0)
        return 0;
    if (fresh < 0 || apply_shown(p, s, c->action, c->contact.channel, c->contact.time_ms))
        return error_set(e, ERR_NOSPACE, "the request's memory is full");
    int rc = state_contact_add(s, &c->contact, now_ms);
    return rc ? error_set(e, rc, "more than %d contacts are kept for this customer", STATE_CONTACTS_MAX) : 1;
}
