/* Customers.Merge: what it checks, logs and answers; merging.h does the work.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/op_merge.h"
#include "decide/request_fields.h"
#include "server/merging.h"
#include "tact/v1/log.pb-c.h"

static int check(struct op *op, struct error *e)
{
    static const char *const from_fields[] = {"from", "from_alias"}, *const to_fields[] = {"to", "to_alias"};
    const Tact__V1__MergeRequest *m = (const Tact__V1__MergeRequest *)op->message;
    const struct policy *p = op->snapshot->policy;
    int rc = op_as_of(op, m->as_of_ms, e);
    if (!rc)
        rc = request_customer(from_fields, m->from, m->from_alias, p, &op->arena, &op->merge.from, e);
    if (!rc)
        rc = request_customer(to_fields, m->to, m->to_alias, p, &op->arena, &op->merge.to, e);
    op->customer = op->merge.from;
    op->writes = true;
    return rc;
}

static int record(struct op *op, struct str *out, struct error *e)
{
    Tact__V1__LogRecord head;
    Tact__V1__MergeRecord m;
    tact__v1__log_record__init(&head);
    tact__v1__merge_record__init(&m);
    op_log_head(op, &head);
    m.request = (ProtobufCBinaryData){op->request.n, (uint8_t *)op->request.p};
    m.now_ms = op->now_ms;
    m.from = (char *)arena_str(&op->arena, merging_from(op->merging)).p;
    m.to = (char *)arena_str(&op->arena, merging_customer(op->merging)).p;
    if (!m.from || !m.to)
        return error_set(e, ERR_NOSPACE, "the request's memory is full");
    m.merge = merging_began(op->merging);
    head.record_case = TACT__V1__LOG_RECORD__RECORD_MERGE;
    head.merge = &m;
    return op_pack(op, &head.base, out, e);
}

static int answer(struct op *op, struct str *out, struct error *e)
{
    Tact__V1__MergeResponse r;
    tact__v1__merge_response__init(&r);
    r.customer_id = (char *)arena_str(&op->arena, merging_customer(op->merging)).p;
    if (!r.customer_id)
        return error_set(e, ERR_NOSPACE, "the request's memory is full");
    r.merged_before = merging_began(op->merging) == 0;
    return op_pack(op, &r.base, out, e);
}

const struct op_methods op_merge_methods = {&tact__v1__merge_request__descriptor, check, NULL, record, answer};
