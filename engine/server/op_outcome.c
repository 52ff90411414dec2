/* Outcomes.Record: what became of a decision.
 * SPDX-License-Identifier: Apache-2.0 */
#include "net/proto_check.h"
#include "server/op_outcome.h"
#include "decide/apply.h"
#include "server/kept.h"
#include "tact/v1/log.pb-c.h"
#include <math.h>

static int other_customer(struct error *e)
{
    return error_set(e, ERR_INVALID, "customer_id: the handle belongs to another customer");
}

static int by_handle(struct op *op, const Tact__V1__RecordRequest *m, struct error *e)
{
    struct handle *h = &op->record.handle;
    int rc = handle_read(str_from(m->handle), worker_config_of(op->worker)->secret, op->record.scratch, h, e);
    if (rc)
        return rc;
    struct str given = str_from(m->customer_id);
    if (h->customer.n == 0 && given.n == 0)
        return error_set(e, ERR_INVALID,
                         "customer_id: needed with this handle, since the id is over %d bytes",
                         HANDLE_CUSTOMER_MAX);
    if (h->customer.n == 0 && hash64(given.p, given.n) != h->customer_hash)
        return other_customer(e);
    op->customer = h->customer.n ? h->customer : given;
    op->record.given = given;
    char id[ID128_TEXT];
    id128_text(h->decision, id);
    if (m->decision_id[0] && strcmp(m->decision_id, id) != 0)
        return error_set(e, ERR_INVALID, "decision_id: the handle belongs to another decision, %s", id);
    const char *action = op_word(op, h->action);
    if (m->action_id[0] && strcmp(m->action_id, action) != 0)
        return error_set(e, ERR_INVALID, "action_id: the handle belongs to another action, %s", action);
    op->record.outcome.decision = h->decision;
    op->record.outcome.action = h->action;
    op->record.outcome.channel = h->channel;
    return 0;
}

static int by_decision_id(struct op *op, const Tact__V1__RecordRequest *m, struct error *e)
{
    if (!m->decision_id[0])
        return error_set(e, ERR_INVALID, "handle: needed, or customer_id and decision_id instead of it");
    int rc = request_id("customer_id", m->customer_id, DECIDE_CUSTOMER_MAX, &op->customer, e);
    if (rc)
        return rc;
    if (!id128_parse(str_from(m->decision_id), &op->record.outcome.decision))
        return error_set(
            e, ERR_INVALID,
            "decision_id: expected 32 lower-case hexadecimal digits as Decide gave them (or a handle)");
    if (!m->action_id[0])
        return 0;
    char *path = arena_printf(&op->arena, "action.%s", m->action_id);
    op->record.outcome.action = path ? names_find(worker_names(op->worker), str_from(path)) : 0;
    if (!op->record.outcome.action)
        return error_set(e, ERR_INVALID, "action_id: unknown '%.80s'", m->action_id);
    return 0;
}

static int check(struct op *op, struct error *e)
{
    const Tact__V1__RecordRequest *m = (const Tact__V1__RecordRequest *)op->message;
    struct outcome *o = &op->record.outcome;
    struct str id;
    int rc = op_as_of(op, m->as_of_ms, e);
    if (!rc)
        rc = request_id("outcome_id", m->outcome_id, DECIDE_ID_MAX, &id, e);
    if (rc)
        return rc;
    if (m->kind <= TACT__V1__RECORD_REQUEST__KIND__UNSPECIFIED ||
        m->kind > TACT__V1__RECORD_REQUEST__KIND__REJECTION)
        return error_set(e, ERR_INVALID,
                         "kind: %d; allowed: SENT, NOT_SENT, IMPRESSION, RESPONSE, CONVERSION, REJECTION",
                         (int)m->kind);
    if (!isfinite(m->value) || fabs(m->value) > STATE_NUMBER_MAX)
        return error_set(e, ERR_INVALID, "value: must be finite and at most 1e12 in size");
    if (m->value != 0 && m->kind != TACT__V1__RECORD_REQUEST__KIND__CONVERSION)
        return error_set(e, ERR_INVALID, "value: only a CONVERSION has one");
    o->time_ms = m->time_ms ? m->time_ms : op->now_ms;
    if (m->time_ms < 0)
        return error_set(e, ERR_INVALID, "time_ms: %lld is no time in Unix milliseconds",
                         (long long)m->time_ms);
    if (o->time_ms > op->now_ms + STATE_AHEAD_MS)
        return error_set(e, ERR_INVALID, "time_ms: at most 300 s ahead of the server's time are allowed");
    o->kind = m->kind;
    o->value = m->value;
    o->event = hash64_seed(id.p, id.n, EVENT_SEED_OUTCOME);
    op->writes = true;
    rc = m->handle[0] ? by_handle(op, m, e) : by_decision_id(op, m, e);
    op->record_id = &o->decision;
    return rc;
}

static int several(struct error *e)
{
    return error_set(
        e, ERR_INVALID,
        "action_id: needed, since this decision made several choices (or pass the choice's handle)");
}

/* Sending is for outbound channels, showing for inbound ones. */
static int check_direction(const struct op *op, struct error *e)
{
    const struct outcome *o = &op->record.outcome;
    const struct policy *p = op->snapshot->policy;
    long channel = policy_channel_of_id(p, o->channel);
    bool sends = o->kind == TACT__V1__RECORD_REQUEST__KIND__SENT ||
                 o->kind == TACT__V1__RECORD_REQUEST__KIND__NOT_SENT;
    bool shows = o->kind == TACT__V1__RECORD_REQUEST__KIND__IMPRESSION;
    if (channel < 0 || !(p->channels[channel].outbound ? shows : sends))
        return 0;
    return error_set(
        e, ERR_INVALID, "kind: %s; %.*s is %s",
        shows ? "IMPRESSION is for inbound channels" : "SENT and NOT_SENT are for outbound channels",
        STR_ARG(p->channels[channel].word.name), p->channels[channel].outbound ? "outbound" : "inbound");
}

/* The action and channel of a decision known by its id alone: from the contact, else from the recorded
 * decision. */
static int resolve(struct op *op, struct error *e)
{
    struct outcome *o = &op->record.outcome;
    const struct contact *k = state_contact_find(&op->state, o->decision, o->action);
    if (k && !o->action && k + 1 < op->state.contacts + op->state.contact_count &&
        id128_eq(k[1].decision, o->decision))
        return several(e);
    if (k) {
        o->action = k->action;
        o->channel = k->channel;
        return 0;
    }
    struct kept kept;
    bool known = kept_read((struct str){(const char *)op->recorded.p, op->recorded.n}, &kept);
    ProtobufCAllocator allocator = proto_arena_allocator(&op->arena);
    Tact__V1__Decision *d =
        known ? tact__v1__decision__unpack(&allocator, kept.decision.n, (const uint8_t *)kept.decision.p)
              : NULL;
    if (!d)
        return error_set(e, ERR_NOTFOUND,
                         "decision_id: no such decision is kept for this customer; pass the choice's handle");
    char *path = arena_printf(&op->arena, "channel.%.*s", STR_ARG(kept.channel));
    o->channel = path ? names_find(worker_names(op->worker), str_from(path)) : 0;
    if (!o->action && d->n_choices > 1)
        return several(e);
    for (size_t i = 0; i < d->n_choices; i++) {
        path = arena_printf(&op->arena, "action.%s", d->choices[i]->action_id);
        uint32_t action = path ? names_find(worker_names(op->worker), str_from(path)) : 0;
        if (!o->action || o->action == action) {
            o->action = action;
            op->record.handle.probability = (float)d->choices[i]->action_probability;
            return 0;
        }
    }
    return error_set(e, ERR_NOTFOUND, "this decision chose no such action");
}

static int apply(struct op *op, struct error *e)
{
    const Tact__V1__RecordRequest *m = (const Tact__V1__RecordRequest *)op->message;
    struct outcome *o = &op->record.outcome;
    if (apply_refuse_forgotten(&op->state, e))
        return ERR_FORGOTTEN;
    struct str given = op->record.given;
    if (given.n && !str_eq(given, op->asked) && !str_eq(given, op->customer))
        return other_customer(e);
    if (!m->handle[0]) {
        int rc = resolve(op, e);
        if (rc)
            return rc;
    }
    int wrong = check_direction(op, e);
    if (wrong)
        return wrong;
    int changed = outcome_apply(o, op->snapshot->policy, &op->state, op->now_ms, e);
    if (changed < 0)
        return changed;
    op->record.repeated = changed == 0 && (!op->uncertain || op->record.repeated);
    op->dirty = changed > 0;
    return 0;
}

static int record(struct op *op, struct str *out, struct error *e)
{
    struct outcome *o = &op->record.outcome;
    Tact__V1__LogRecord head;
    Tact__V1__OutcomeRecord m;
    tact__v1__log_record__init(&head);
    tact__v1__outcome_record__init(&m);
    op_log_head(op, &head);
    struct str customer = arena_str(&op->arena, op->customer);
    if (!customer.p)
        return error_set(e, ERR_NOSPACE, "the request's memory is full");
    m.request = (ProtobufCBinaryData){op->request.n, (uint8_t *)op->request.p};
    m.now_ms = op->now_ms;
    m.new_version = op->dirty ? op->new_version : 0;
    m.customer_id = (char *)customer.p;
    m.decision_id = (ProtobufCBinaryData){sizeof o->decision.bytes, o->decision.bytes};
    m.action_id = op_word(op, o->action);
    m.channel = op_word(op, o->channel);
    m.action_probability = (double)op->record.handle.probability;
    head.record_case = TACT__V1__LOG_RECORD__RECORD_OUTCOME;
    head.outcome = &m;
    return op_pack(op, &head.base, out, e);
}

static int answer(struct op *op, struct str *out, struct error *e)
{
    Tact__V1__RecordResponse r;
    tact__v1__record_response__init(&r);
    r.repeated_before = op->record.repeated;
    return op_pack(op, &r.base, out, e);
}

const struct op_methods op_record_methods = {&tact__v1__record_request__descriptor, check, apply, record,
                                             answer};
