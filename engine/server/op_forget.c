/* Customers.Forget: what is held of a person goes, in one step of the store, and a tombstone stays.
 *
 *   known --Forget--> tombstone --Upsert with a consent given after it--> known anew, with nothing of before
 *
 * The tombstone has a version of its own, so whoever still decides on the old state loses the compare-and-set, reads the
 * tombstone, and is refused. The cache is never asked: a repeat is one only if the store says so.
 *
 * Of ids that were merged into the person's (merging.h) whatever is kept beside them goes first, one after the other, and where
 * they lead stays, so that what comes under them is refused too. Then the state goes, which alone knows them: whoever stops
 * before that begins again and finds them all. A merge meanwhile changes the state's version, and they are gone through again.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/op_forget.h"
#include "state/codec.h"
#include "state/identity.h"
#include "tact/v1/log.pb-c.h"

static int check(struct op *op, struct error *e)
{
    const Tact__V1__ForgetRequest *m = (const Tact__V1__ForgetRequest *)op->message;
    struct str id;
    int rc = op_as_of(op, m->as_of_ms, e);
    if (!rc)
        rc = op_customer(op, m->customer_id, m->alias, e);
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
    op->forget.others = op->state.identities;
    op->forget.count = op->state.identity_count;
    op->forget.at = 0;
    op->forget.asked = OTHER_NEXT;
    if (op->dirty)
        state_clear(&op->state, op->now_ms);
    op->before = op->state.journey; /* that they were in a stage is forgotten too */
    return 0;
}

/* ---- the person's other ids ---- */

static void on_other(void *user, const struct store_reply *r)
{
    struct op *op = user;
    ASSERT(op->magic == OP_MAGIC);
    op->store_status = r->status;
    snprintf(op->store_error, sizeof op->store_error, "%s", r->error ? r->error : "");
    if (op->forget.asked == OTHER_READ) {
        buf_clear(&op->recorded);
        buf_str(&op->recorded, r->blob);
    }
    op_run(op);
}

static enum step_result read_other(struct op *op)
{
    struct forget *f = &op->forget;
    while (f->at < f->count && (f->others[f->at].id.n == 0 || str_eq(f->others[f->at].id, op->customer)))
        f->at++;
    if (f->at == f->count) {
        op->step = STEP_COMMIT;
        return STEP_MORE;
    }
    if (worker_stopped(op->worker))
        return op_fail(op, GRPC_UNAVAILABLE, "this server is stopping; ask again");
    if (op_time_is_over(op))
        return op_fail(op, GRPC_DEADLINE_EXCEEDED, "out of time while the person's other ids were gone through; ask again");
    f->asked = OTHER_READ;
    store_read(worker_config_of(op->worker)->store, f->others[f->at].id, NULL, op_try_deadline(op), on_other, op);
    return STEP_PARK;
}

/* It leads to the person, and nothing else is left of it. */
static enum step_result write_other(struct op *op)
{
    struct forget *f = &op->forget;
    const struct identity *other = &f->others[f->at];
    const struct schema *schema = &op->snapshot->policy->schema;
    struct str blob = {(const char *)op->recorded.p, op->recorded.n};
    struct arena_mark mark = arena_mark(&op->arena);
    struct redirect to = {.target = op->customer, .merge = other->merge};
    struct state s;
    struct error e = {0};
    if (op->store_status != STORE_OK)
        return op_fail(op, GRPC_UNAVAILABLE, "the store cannot be read now: %s", op->store_error);
    if (!buf_ok(&op->recorded))
        return op_fail(op, GRPC_RESOURCE_EXHAUSTED, "what is kept of '%.*s' is over %d bytes", STR_ARG(other->id), STATE_BLOB_MAX);
    int rc = state_decode(&s, schema, blob, &op->arena, &e);
    if (rc && rc != ERR_CORRUPT)
        return op_fail(op, op_status(rc), "'%.*s', which is the person's: %s", STR_ARG(other->id), e.text);
    struct store_commit c = {.customer = other->id, .forget = true, .expected = rc ? 0 : s.version};
    if (rc)
        c.aside = blob;
    buf_clear(&op->fresh);
    if (redirect_only(&s, schema, &op->arena, &to) || state_encode(&s, op_new_version(op), &op->fresh, &e))
        return op_fail(op, GRPC_RESOURCE_EXHAUSTED, "the request's memory is full");
    arena_rewind(&op->arena, mark);
    c.blob = (struct str){(const char *)op->fresh.p, op->fresh.n};
    f->asked = OTHER_WRITTEN;
    store_commit(worker_config_of(op->worker)->store, &c, op_try_deadline(op), on_other, op);
    return STEP_PARK;
}

static enum step_result next_other(struct op *op)
{
    struct forget *f = &op->forget;
    f->asked = OTHER_NEXT;
    if (op->store_status == STORE_OK)
        f->at++;
    else if (op->store_status != STORE_CONFLICT && op->store_status != STORE_UNCERTAIN)
        return op_fail(op, GRPC_UNAVAILABLE, "the store cannot be written now: %s", op->store_error);
    else if (++op->reruns > WORKER_RERUNS_MAX)
        return op_fail(op, GRPC_ABORTED, "the person's other ids were changed by others %d times meanwhile; ask again",
                       WORKER_RERUNS_MAX);
    return STEP_MORE;
}

enum step_result op_step_erase(struct op *op)
{
    switch (op->forget.asked) {
    case OTHER_NEXT:
        return read_other(op);
    case OTHER_READ:
        return write_other(op);
    case OTHER_WRITTEN:
        break;
    }
    return next_other(op);
}

/* ---- log and answer ---- */

static int record(struct op *op, struct str *out, struct error *e)
{
    const Tact__V1__ForgetRequest *asked = (const Tact__V1__ForgetRequest *)op->message;
    Tact__V1__LogRecord head;
    Tact__V1__ForgetRecord m;
    tact__v1__log_record__init(&head);
    tact__v1__forget_record__init(&m);
    op_log_head(op, &head);
    m.customer_id = (char *)op->customer.p; /* not the alias that it may have been asked by */
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
