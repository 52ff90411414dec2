/* Households of calls; see op_household.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/op_household.h"
#include "base/clock.h"
#include "base/logging.h"
#include "decide/household.h"
#include "state/codec.h"

bool op_household_may_matter(const struct op *op)
{
    bool looks = op->kind == OP_DECIDE || op->kind == OP_RECORD || op->kind == OP_CONTACT || op->kind == OP_FORGET;
    return looks && op->snapshot->policy->household_limits;
}

/* Whose contact it is about; none for Forget. */
static struct id128 decision_of(const struct op *op)
{
    return op->kind == OP_DECIDE    ? op->decide.id
           : op->kind == OP_RECORD  ? op->record.outcome.decision
           : op->kind == OP_CONTACT ? op->contact.outside.contact.decision
                                    : (struct id128){{0}};
}

static bool is_loaded(const struct op *op, struct str id)
{
    const struct household_part *h = &op->household;
    return h->loaded && h->id.n == id.n + 1 && memcmp(h->id.p + 1, id.p, id.n) == 0;
}

/* The id outlives what APPLY makes. */
static void want(struct op *op, struct str id)
{
    struct household_part *h = &op->household;
    h->id_bytes[0] = STORE_HOUSEHOLD;
    memcpy(h->id_bytes + 1, id.p, id.n);
    h->id = (struct str){h->id_bytes, id.n + 1};
    h->wanted = true;
    h->loaded = false;
}

static int fail_full(int code, struct error *e)
{
    return error_set(e, code, "more than %d contacts are kept for this customer's household", STATE_CONTACTS_MAX);
}

int op_household_begin(struct op *op, struct error *e)
{
    struct household_part *h = &op->household;
    h->used = h->wanted = h->dirty = false;
    if (!op_household_may_matter(op))
        return 0;
    struct str id = household_of(op->snapshot->policy, &op->state);
    if (id.n == 0)
        return 0;
    if (id.n > DECIDE_CUSTOMER_MAX) { /* a text from before it named households: nobody knows whom they share with */
        h->unknown = true;
        h->loaded = false;
    } else if (!is_loaded(op, id)) {
        want(op, id);
        return 0;
    }
    int rc = household_decode(&h->state, &op->snapshot->policy->schema, (struct str){(const char *)h->blob.p, h->blob.n},
                              h->unknown, op->now_ms, &op->arena, e);
    if (rc < 0)
        return rc;
    h->aside = rc == HOUSEHOLD_LOST && !h->unknown;
    h->later = rc == HOUSEHOLD_LATER;
    h->used = true;
    h->dirty = household_prepare(&h->state, &op->state, decision_of(op));
    if (op->kind == OP_DECIDE && op->decide.request.mode == MODE_RESERVE && !h->unknown) {
        rc = household_restore(&h->state, &op->state, decision_of(op), op->now_ms);
        if (rc < 0)
            return fail_full(rc, e);
        h->dirty |= rc > 0;
    }
    h->before_count = op->state.contact_count;
    h->before = arena_memdup(&op->arena, op->state.contacts, op->state.contact_count * sizeof *h->before);
    return h->before ? 0 : error_set(e, ERR_NOSPACE, "the request's memory is full");
}

int op_household_end(struct op *op, struct error *e)
{
    struct household_part *h = &op->household;
    if (!h->used || h->unknown)
        return 0;
    int changed = household_follow(&h->state, h->before, h->before_count, &op->state, op->now_ms);
    if (changed < 0)
        return fail_full(changed, e);
    h->dirty |= changed > 0;
    return 0;
}

const struct state *op_household(const struct op *op)
{
    return op->household.used ? &op->household.state : NULL;
}

void op_household_rerun(struct op *op)
{
    struct household_part *h = &op->household;
    if (!h->fresh.n)
        return;
    struct buf swap = h->blob;
    h->blob = h->fresh;
    h->fresh = swap;
    buf_clear(&h->fresh);
}

/* ---- reading ---- */

static void on_read(void *user, const struct store_reply *r)
{
    struct op *op = user;
    struct household_part *h = &op->household;
    ASSERT(op->magic == OP_MAGIC);
    h->status = r->status;
    snprintf(op->store_error, sizeof op->store_error, "%s", r->error ? r->error : "");
    if (r->status == STORE_OK || r->status == STORE_CONFLICT) {
        buf_clear(&h->blob);
        buf_str(&h->blob, r->blob);
    }
    h->answered = true;
    op_run(op);
}

static bool take_cached(struct op *op)
{
    struct household_part *h = &op->household;
    struct store_cached c;
    if (!store_cached(worker_config_of(op->worker)->store, h->id, &c) || !c.current)
        return false;
    buf_clear(&h->blob);
    buf_str(&h->blob, c.blob);
    return true;
}

enum step_result op_step_household(struct op *op)
{
    struct household_part *h = &op->household;
    if (!h->answered && !(op->cached_will_do && take_cached(op))) {
        if (worker_stopped(op->worker))
            return op_fail(op, GRPC_UNAVAILABLE, "this server is stopping; retry with the same ids");
        if (op_time_is_over(op))
            return op_fail(op, GRPC_DEADLINE_EXCEEDED, "out of time before the customer's household was read%s",
                           op->uncertain ? "; an earlier write may have happened: retry with the same ids" : "");
        store_read(worker_config_of(op->worker)->store, h->id, NULL, op_read_deadline(op), on_read, op);
        return STEP_PARK;
    }
    bool failed = h->answered && h->status != STORE_OK;
    h->answered = false;
    if (failed && !op->degrades)
        return op_fail(op, GRPC_UNAVAILABLE, "the store cannot be read now: %s", op->store_error);
    if (!buf_ok(&h->blob))
        return op_fail(op, GRPC_RESOURCE_EXHAUSTED, "the household's state is over %d bytes", STATE_BLOB_MAX);
    buf_clear(&h->fresh);
    h->unknown = failed;
    h->loaded = true;
    op->step = STEP_APPLY;
    return STEP_MORE;
}

/* ---- writing ---- */

static enum step_result write_it(struct op *op)
{
    struct household_part *h = &op->household;
    struct error e = {0};
    struct str there = {(const char *)h->blob.p, h->blob.n};
    buf_clear(&h->fresh);
    state_prune(&h->state, op->now_ms);
    if (state_encode(&h->state, op_new_version(op), &h->fresh, &e))
        return op_fail(op, op_status(e.code), "%s", e.text);
    struct store_commit c = {.customer = h->id,
                             .expected = h->state.version,
                             .blob = {(const char *)h->fresh.p, h->fresh.n},
                             .blob_ttl_ms = op->snapshot->policy->schema.contact_horizon_ms};
    if (h->aside)
        c.aside = there;
    store_commit(worker_config_of(op->worker)->store, &c, op_try_deadline(op), on_read, op);
    return STEP_PARK;
}

enum step_result op_step_join(struct op *op)
{
    struct household_part *h = &op->household;
    struct worker_stats *stats = worker_stats_of(op->worker);
    if (h->later)
        return op_fail(op, GRPC_UNAVAILABLE,
                       "the state of the customer's household was written by a later version of the server; only that may change it");
    if (!h->answered)
        return worker_stopped(op->worker) ? op_fail(op, GRPC_UNAVAILABLE, "this server is stopping; retry with the same ids")
                                          : write_it(op);
    h->answered = false;
    switch (h->status) {
    case STORE_OK:
        if (h->aside)
            logging(LEVEL_ERROR, "state set aside", "household=\"%.*s\" bytes=%zu reason=\"it could not be read\"",
                    STR_ARG(((struct str){h->id.p + 1, h->id.n - 1})), h->blob.n);
        h->dirty = false;
        op->step = STEP_COMMIT;
        return STEP_MORE;
    case STORE_CONFLICT:
    case STORE_EXISTS:
    case STORE_UNCERTAIN:
        stats->conflicts += h->status == STORE_CONFLICT;
        stats->uncertain += h->status == STORE_UNCERTAIN;
        stats->reruns++;
        if (++op->reruns > WORKER_RERUNS_MAX)
            return op_fail(op, GRPC_ABORTED,
                           "the customer's household was changed by others %d times meanwhile; retry with the same ids",
                           WORKER_RERUNS_MAX);
        buf_clear(&h->fresh);
        h->loaded = h->status == STORE_CONFLICT;
        op->step = STEP_APPLY;
        return STEP_MORE;
    case STORE_UNAVAILABLE:
    case STORE_REFUSED:
        break;
    }
    return op_fail(op, GRPC_UNAVAILABLE, "the store cannot be written now: %s", op->store_error);
}
