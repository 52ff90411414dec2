/* Signal, Upsert, RecordContact: what is known of a customer.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/op_customer.h"
#include "decide/apply.h"
#include "tact/v1/log.pb-c.h"

/* ---- Signal ---- */

static int signal_check(struct op *op, struct error *e)
{
    const Tact__V1__SignalRequest *m = (const Tact__V1__SignalRequest *)op->message;
    int rc = op_as_of(op, m->as_of_ms, e);
    if (!rc)
        rc = op_customer(op, m->customer_id, m->alias, e);
    if (!rc)
        rc = request_signals(m, op->snapshot->policy, op->now_ms, &op->arena, &op->signal.batch, e);
    op->writes = op->cached_will_do = true;
    return rc;
}

static int signal_apply(struct op *op, struct error *e)
{
    const struct signal_batch *b = &op->signal.batch;
    if (apply_refuse_forgotten(&op->state, e))
        return ERR_FORGOTTEN;
    int applied = apply_signals(op->snapshot->policy, &op->state, b->signals, b->count, op->now_ms, e);
    if (applied < 0)
        return applied;
    if (!op->uncertain || (uint32_t)applied > op->signal.applied) /* else what is seen now may be our own */
        op->signal.applied = (uint32_t)applied;
    op->dirty = applied > 0;
    return 0;
}

static int signal_record(struct op *op, struct str *out, struct error *e)
{
    Tact__V1__LogRecord head;
    Tact__V1__SignalRecord m;
    tact__v1__log_record__init(&head);
    tact__v1__signal_record__init(&m);
    op_log_head(op, &head);
    m.request = (ProtobufCBinaryData){op->request.n, (uint8_t *)op->request.p};
    m.now_ms = op->now_ms;
    m.new_version = op->dirty ? op->new_version : 0;
    head.record_case = TACT__V1__LOG_RECORD__RECORD_SIGNAL;
    head.signal = &m;
    return op_pack(op, &head.base, out, e);
}

/* As it came, at most as long as an event id may be. */
static char *event_id_of(struct op *op, const char *id)
{
    size_t n = strnlen(id, DECIDE_ID_MAX + 1);
    if (n <= DECIDE_ID_MAX)
        return (char *)id;
    for (n = DECIDE_ID_MAX; n > 0 && ((unsigned char)id[n] & 0xc0) == 0x80;) /* not within a character */
        n--;
    return (char *)arena_str(&op->arena, (struct str){id, n}).p;
}

static int rejections(struct op *op, Tact__V1__SignalResponse *r, struct error *e)
{
    const Tact__V1__SignalRequest *m = (const Tact__V1__SignalRequest *)op->message;
    const struct signal_batch *b = &op->signal.batch;
    Tact__V1__Rejection *items = arena_alloc(&op->arena, b->rejected_count * sizeof *items);
    r->rejected = arena_alloc(&op->arena, b->rejected_count * sizeof *r->rejected);
    for (size_t i = 0; items && r->rejected && i < b->rejected_count; i++) {
        tact__v1__rejection__init(&items[i]);
        items[i].index = (uint32_t)b->rejected[i].index;
        items[i].event_id = event_id_of(op, m->signals[b->rejected[i].index]->event_id);
        items[i].reason = (char *)b->rejected[i].reason;
        if (!items[i].event_id)
            break;
        r->rejected[r->n_rejected++] = &items[i];
    }
    return r->n_rejected == b->rejected_count ? 0 : error_set(e, ERR_NOSPACE, "the request's memory is full");
}

static int signal_answer(struct op *op, struct str *out, struct error *e)
{
    Tact__V1__SignalResponse r;
    tact__v1__signal_response__init(&r);
    r.applied = op->signal.applied;
    r.repeats = (uint32_t)op->signal.batch.count - op->signal.applied;
    int rc = rejections(op, &r, e);
    return rc ? rc : op_pack(op, &r.base, out, e);
}

const struct op_methods op_signal_methods = {&tact__v1__signal_request__descriptor, signal_check,
                                             signal_apply, signal_record, signal_answer};

/* ---- Upsert ---- */

static int upsert_check(struct op *op, struct error *e)
{
    const Tact__V1__UpsertRequest *m = (const Tact__V1__UpsertRequest *)op->message;
    int rc = op_as_of(op, m->as_of_ms, e);
    if (!rc)
        rc = op_customer(op, m->customer_id, m->alias, e);
    if (!rc)
        rc = request_upsert(m, op->snapshot->policy, op->now_ms, &op->arena, &op->upsert.changes, e);
    op->writes = op->cached_will_do = true;
    return rc;
}

static int upsert_apply_op(struct op *op, struct error *e)
{
    const struct upsert *u = &op->upsert.changes;
    for (size_t i = 0; op->state.forgotten_ms && i < u->consent_count; i++)
        if (consent_ends_forgotten(&u->consents[i], op->state.forgotten_ms))
            state_clear(&op->state, 0);
    if (apply_refuse_forgotten(&op->state, e))
        return ERR_FORGOTTEN;
    op->upsert.created = !op->state.exists || (op->uncertain && op->upsert.created);
    op->dirty = true;
    return upsert_apply(&op->upsert.changes, &op->state, op->now_ms, e);
}

static int upsert_record(struct op *op, struct str *out, struct error *e)
{
    Tact__V1__LogRecord head;
    Tact__V1__UpsertRecord m;
    tact__v1__log_record__init(&head);
    tact__v1__upsert_record__init(&m);
    op_log_head(op, &head);
    m.request = (ProtobufCBinaryData){op->request.n, (uint8_t *)op->request.p};
    m.now_ms = op->now_ms;
    m.new_version = op->new_version;
    head.record_case = TACT__V1__LOG_RECORD__RECORD_UPSERT;
    head.upsert = &m;
    return op_pack(op, &head.base, out, e);
}

static int upsert_answer(struct op *op, struct str *out, struct error *e)
{
    Tact__V1__UpsertResponse r;
    tact__v1__upsert_response__init(&r);
    r.created = op->upsert.created;
    return op_pack(op, &r.base, out, e);
}

const struct op_methods op_upsert_methods = {&tact__v1__upsert_request__descriptor, upsert_check,
                                             upsert_apply_op, upsert_record, upsert_answer};

/* ---- RecordContact ---- */

static int contact_check(struct op *op, struct error *e)
{
    const Tact__V1__RecordContactRequest *m = (const Tact__V1__RecordContactRequest *)op->message;
    int rc = op_as_of(op, m->as_of_ms, e);
    if (!rc)
        rc = op_customer(op, m->customer_id, m->alias, e);
    if (!rc)
        rc = request_contact(m, op->customer, op->snapshot->policy, op->now_ms, &op->arena, &op->contact.outside, e);
    op->writes = op->cached_will_do = true;
    return rc;
}

static int contact_apply(struct op *op, struct error *e)
{
    if (apply_refuse_forgotten(&op->state, e))
        return ERR_FORGOTTEN;
    int changed = outside_contact_apply(&op->contact.outside, op->snapshot->policy, &op->state, op->now_ms, e);
    if (changed < 0)
        return changed;
    op->contact.repeated = changed == 0 && (!op->uncertain || op->contact.repeated);
    op->dirty = changed > 0;
    return 0;
}

static int contact_record(struct op *op, struct str *out, struct error *e)
{
    Tact__V1__LogRecord head;
    Tact__V1__ContactRecord m;
    tact__v1__log_record__init(&head);
    tact__v1__contact_record__init(&m);
    op_log_head(op, &head);
    m.request = (ProtobufCBinaryData){op->request.n, (uint8_t *)op->request.p};
    m.now_ms = op->now_ms;
    m.new_version = op->dirty ? op->new_version : 0;
    head.record_case = TACT__V1__LOG_RECORD__RECORD_CONTACT;
    head.contact = &m;
    return op_pack(op, &head.base, out, e);
}

static int contact_answer(struct op *op, struct str *out, struct error *e)
{
    Tact__V1__RecordContactResponse r;
    tact__v1__record_contact_response__init(&r);
    r.repeated_before = op->contact.repeated;
    return op_pack(op, &r.base, out, e);
}

const struct op_methods op_contact_methods = {&tact__v1__record_contact_request__descriptor, contact_check,
                                              contact_apply, contact_record, contact_answer};
