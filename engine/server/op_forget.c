/* Customers.Forget: what is held of a person goes, in one step of the store, and a tombstone stays.
 *
 *   known --Forget--> tombstone --Upsert with a consent given after it--> known anew, with nothing of before
 *
 * The tombstone has a version of its own, so whoever still decides on the old state loses the compare-and-set, reads the
 * tombstone, and is refused. The cache is never asked: a repeat is one only if the store says so.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/op_forget.h"
#include "tact/v1/log.pb-c.h"

static int check(struct op *op, struct error *e)
{
    const Tact__V1__ForgetRequest *m = (const Tact__V1__ForgetRequest *)op->message;
    struct str id;
    int rc = op_as_of(op, m->as_of_ms, e);
    if (!rc)
        rc = request_id("customer_id", m->customer_id, DECIDE_CUSTOMER_MAX, &op->customer, e);
    if (!rc && m->request_id[0])
        rc = request_id("request_id", m->request_id, DECIDE_ID_MAX, &id, e);
    op->writes = true;
    return rc;
}

static int apply(struct op *op, struct error *e)
{
    (void)e;
    op->dirty = !op->state.forgotten_ms;
    op->forget.repeated = !op->dirty && (!op->uncertain || op->forget.repeated);
    if (op->dirty)
        state_clear(&op->state, op->now_ms);
    op->before = op->state.journey; /* that they were in a stage is forgotten too */
    return 0;
}

static int record(struct op *op, struct str *out, struct error *e)
{
    const Tact__V1__ForgetRequest *asked = (const Tact__V1__ForgetRequest *)op->message;
    Tact__V1__LogRecord head;
    Tact__V1__ForgetRecord m;
    tact__v1__log_record__init(&head);
    tact__v1__forget_record__init(&m);
    op_log_head(op, &head);
    m.customer_id = asked->customer_id;
    m.request_id = asked->request_id;
    m.now_ms = op->now_ms;
    m.new_version = op->dirty ? op->new_version : 0;
    head.record_case = TACT__V1__LOG_RECORD__RECORD_FORGET;
    head.forget = &m;
    return op_pack(op, &head.base, out, e);
}

static int answer(struct op *op, struct str *out, struct error *e)
{
    Tact__V1__ForgetResponse r;
    tact__v1__forget_response__init(&r);
    r.forgotten_ms = op->state.forgotten_ms;
    r.repeated_before = op->forget.repeated;
    return op_pack(op, &r.base, out, e);
}

const struct op_methods op_forget_methods = {&tact__v1__forget_request__descriptor, check, apply, record,
                                             answer};
