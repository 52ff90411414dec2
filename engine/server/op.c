/* The steps that all calls share; see op.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/op.h"
#include "server/fold.h"
#include "decide/journey.h"
#include "base/clock.h"
#include "base/logging.h"
#include "net/proto_check.h"
#include "server/merging.h"
#include "state/codec.h"
#include "state/identity.h"
#include "server/op_customer.h"
#include "server/op_get.h"
#include "server/op_household.h"
#include "server/op_decide.h"
#include "server/op_export.h"
#include "server/op_forget.h"
#include "server/op_merge.h"
#include "server/op_outcome.h"
#include "tact/v1/log.pb-c.h"

enum { DECODE_DEPTH_MAX = 8, DECODED_MAX = 8 << 20, STORE_TRY_MS = 500, MOVES_CACHED = 8 };

static const struct op_methods *methods_of(const struct op *op)
{
    static const struct op_methods *const table[OP_KIND_COUNT] = {
        [OP_DECIDE] = &op_decide_methods,   [OP_SIGNAL] = &op_signal_methods,
        [OP_UPSERT] = &op_upsert_methods,   [OP_GET] = &op_get_methods,
        [OP_CONTACT] = &op_contact_methods, [OP_RECORD] = &op_record_methods,
        [OP_FORGET] = &op_forget_methods,   [OP_EXPORT] = &op_export_methods,
        [OP_MERGE] = &op_merge_methods,
    };
    return table[op->kind];
}

/* ---- steps ---- */

static enum step_result fail_error(struct op *op, const struct error *e)
{
    return op_fail(op, op_status(e->code), "%s", e->text);
}

static enum step_result op_step_decode(struct op *op)
{
    static const struct proto_limits limits = {DECODE_DEPTH_MAX, DECODED_MAX};
    struct error e = {0};
    if (!op->snapshot)
        return op_fail(op, GRPC_UNAVAILABLE, "not ready: the store was not reached yet, so no policy serves");
    op->message = proto_decode(methods_of(op)->request, op->request, &limits, &op->arena, &e);
    if (!op->message || methods_of(op)->check(op, &e))
        return fail_error(op, &e);
    op->asked = op->customer;
    op->checked = arena_mark(&op->arena);
    op->step = STEP_TURN;
    return STEP_MORE;
}

/* Signals and outcomes must be in the log before they are acknowledged; a decision alone may go unlogged. */
static bool must_log(const struct op *op)
{
    return op->kind != OP_DECIDE || op->decide.request.signal_count > 0;
}

static enum step_result op_step_turn(struct op *op)
{
    op->step = op->kind == OP_MERGE ? STEP_MERGE : STEP_LOAD;
    if (!op->writes)
        return STEP_MORE;
    char why[128];
    const struct sink *sink = &worker_config_of(op->worker)->sink;
    if (must_log(op) && !sink->healthy(sink->ctx, why))
        return op_fail(op, GRPC_UNAVAILABLE, "the log cannot be written (%s), so nothing can be acknowledged",
                       why);
    return worker_take_turn(op) ? STEP_MORE : STEP_PARK;
}

static void on_store(void *user, const struct store_reply *r)
{
    struct op *op = user;
    ASSERT(op->magic == OP_MAGIC);
    op->store_status = r->status;
    snprintf(op->store_error, sizeof op->store_error, "%s", r->error ? r->error : "");
    bool read = op->step == STEP_APPLY && r->status == STORE_OK;
    if ((read && !op->recorded_kept) || r->status == STORE_EXISTS) {
        buf_clear(&op->recorded);
        buf_str(&op->recorded, r->record);
    }
    if (read || r->status == STORE_CONFLICT) {
        buf_clear(&op->blob);
        buf_str(&op->blob, r->blob);
    }
    op_run(op);
}

/* Each try has a part of the call's time, so that an uncertain one can be asked about. */
int64_t op_try_deadline(const struct op *op)
{
    const struct worker_clock *c = &worker_config_of(op->worker)->clock;
    int64_t at = c->mono_us(c->ctx) + STORE_TRY_MS * 1000;
    return at < op->deadline_us ? at : op->deadline_us;
}

/* Leaves a call that can do without the store time to. */
int64_t op_read_deadline(const struct op *op)
{
    const struct worker_clock *c = &worker_config_of(op->worker)->clock;
    int64_t now_us = c->mono_us(c->ctx), at = op_try_deadline(op), early = now_us + (op->deadline_us - now_us) / 4 * 3;
    return !op->degrades || at < early ? at : early;
}

bool op_time_is_over(const struct op *op)
{
    const struct worker_clock *c = &worker_config_of(op->worker)->clock;
    return c->mono_us(c->ctx) >= op->deadline_us;
}

static enum step_result fail_stopped(struct op *op)
{
    return op_fail(op, GRPC_UNAVAILABLE, "this server is stopping; retry with the same ids");
}

/* The near cache's blob, when it is current or at most so old (negative: only when it is current). */
static bool take_cached(struct op *op, int64_t max_stale_us)
{
    const struct worker_config *config = worker_config_of(op->worker);
    struct store_cached c;
    if (!store_cached(config->store, op->customer, &c))
        return false;
    if (!c.current && config->clock.mono_us(config->clock.ctx) - c.known_us > max_stale_us)
        return false;
    buf_clear(&op->blob);
    buf_str(&op->blob, c.blob);
    if (!op->recorded_kept)
        buf_clear(&op->recorded);
    op->store_status = STORE_OK;
    op->from_cache = true;
    op->unverified = !c.current;
    return true;
}

static void do_without(struct op *op)
{
    buf_clear(&op->blob);
    op->stateless = true;
    worker_stats_of(op->worker)->fail_safe++;
}

/* The store cannot be asked, and the call can do without: it takes what is known of the customer, or nothing. */
static void degrade(struct op *op)
{
    if (!op->cached_will_do || !take_cached(op, worker_config_of(op->worker)->max_stale_us)) {
        do_without(op);
        return;
    }
    op->unverified = true;
    worker_stats_of(op->worker)->unverified++;
}

static enum step_result op_step_load(struct op *op)
{
    if (worker_stopped(op->worker))
        return fail_stopped(op);
    if (op_time_is_over(op))
        return op_fail(op, GRPC_DEADLINE_EXCEEDED, "out of time before the customer's state was read%s",
                       op->uncertain ? "; an earlier write may have happened: retry with the same ids"
                                       : "");
    op->from_cache = false;
    if (op->kind == OP_EXPORT) {
        op_export_load(op);
        return STEP_PARK;
    }
    op->step = STEP_APPLY;
    if (op->cached_will_do && take_cached(op, -1))
        return STEP_MORE;
    store_read(worker_config_of(op->worker)->store, op->customer, op->record_id, op_read_deadline(op), on_store, op);
    return STEP_PARK;
}

/* A blob that cannot be read: decisions go on without it; what is written starts anew beside it, and says so. */
static int start_anew(struct op *op, int why, struct error *e)
{
    op->unreadable = true;
    op->later_format = why == ERR_UNAVAILABLE;
    worker_stats_of(op->worker)->unreadable++;
    if (op->kind == OP_GET || (op->later_format && op->kind != OP_DECIDE && op->kind != OP_EXPORT))
        return why;
    if (state_empty(&op->state, &op->snapshot->policy->schema, &op->arena))
        return error_set(e, ERR_NOSPACE, "the request's memory is full");
    op->state.lost_ms = op->now_ms;
    return 0;
}

int op_apply(struct op *op, struct error *e)
{
    const struct worker_clock *clock = &worker_config_of(op->worker)->clock;
    struct str blob = {(const char *)op->blob.p, op->blob.n};
    arena_rewind(&op->arena, op->checked);
    op->dirty = op->record_wanted = op->unreadable = op->later_format = false;
    int rc = state_decode(&op->state, &op->snapshot->policy->schema, blob, &op->arena, e);
    if (rc == ERR_CORRUPT || rc == ERR_UNAVAILABLE)
        rc = start_anew(op, rc, e);
    op->unreadable |= op->stateless;
    if (rc)
        return rc;
    op->elsewhere = op->state.redirect.target.n > 0;
    if (op->elsewhere)
        return 0;
    if (policy_expire(op->snapshot->policy, &op->state, clock->wall_ms(clock->ctx)))
        buf_clear(&op->blob);
    op->before = op->state.journey;
    rc = op_household_begin(op, e);
    if (rc || op->household.wanted)
        return rc;
    rc = methods_of(op)->apply(op, e);
    return rc ? rc : op_household_end(op, e);
}

uint64_t op_new_version(struct op *op)
{
    const struct worker_clock *clock = &worker_config_of(op->worker)->clock;
    return state_version_make(clock->wall_ms(clock->ctx), rng_u64(worker_rng(op->worker)));
}

/* The id that the call came by leads here: who was forgotten and came back no longer knew of it. */
static int know_again(struct op *op)
{
    struct identity known = {op->via, op->now_ms, op->asked};
    if (!op->via || op->state.forgotten_ms || identities_find(&op->state, op->via))
        return 0;
    return identities_add(&op->state, &known) < 0 ? ERR_NOSPACE : 0;
}

int op_make_blob(struct op *op, struct error *e)
{
    op->new_version = 0;
    if (!op->dirty)
        return 0;
    buf_clear(&op->fresh);
    if (know_again(op))
        return error_set(e, ERR_NOSPACE, "the request's memory is full");
    if (!op->state.forgotten_ms && journey_step(op->snapshot->policy, &op->state, op->now_ms, &op->arena) < 0)
        return error_set(e, ERR_NOSPACE, "the request's memory is full");
    state_prune(&op->state, op->now_ms);
    op->new_version = op_new_version(op);
    return state_encode(&op->state, op->new_version, &op->fresh, e);
}

/* ---- ids that lead elsewhere ---- */

static enum step_result move_to(struct op *op, struct str customer)
{
    arena_rewind(&op->arena, op->checked);
    struct str copy = arena_str(&op->arena, customer);
    if (!copy.p)
        return op_fail(op, GRPC_RESOURCE_EXHAUSTED, "the request's memory is full");
    op->checked = arena_mark(&op->arena);
    op->step = STEP_LOAD;
    if (op->has_turn)
        return worker_change_turn(op, copy) ? STEP_MORE : STEP_PARK;
    op->customer = copy;
    return STEP_MORE;
}

/* Steps that need no more than to go there: the first, and as long as the near cache will do those that it may know. */
static bool goes_on(const struct op *op)
{
    bool known = op->cached_will_do && !op->writes;
    return !op->state.redirect.under_way && op->moves <= (known ? MOVES_CACHED : 1);
}

/* Calls that were folded into this one's write go on their own. */
static enum step_result follow(struct op *op)
{
    fold_undo(op);
    if (++op->moves > WORKER_RERUNS_MAX)
        return op_fail(op, GRPC_ABORTED, "the customer was merged with others %d times meanwhile; retry with the same ids",
                       WORKER_RERUNS_MAX);
    op->recorded_kept = op->recorded_kept || op->recorded.n > 0;
    if (goes_on(op)) {
        op->via = op->moves == 1 && !op->state.redirect.under_way ? op->state.redirect.merge : 0;
        return move_to(op, op->state.redirect.target);
    }
    op->via = 0;
    merging_free(&op->merging);
    op->merging = merging_new(op->moves == 1 ? op->customer : op->asked, (struct str){0});
    op->step = STEP_MERGE;
    return STEP_MORE;
}

static enum step_result op_step_merge(struct op *op)
{
    if (op->kind == OP_MERGE && !op->merging)
        op->merging = merging_new(op->merge.from, op->merge.to);
    enum step_result r = merging_run(op);
    if (r != STEP_MORE)
        return r;
    if (op->kind == OP_MERGE) {
        op->step = STEP_LOG;
        return STEP_MORE;
    }
    if (!merging_given_up(op->merging))
        return move_to(op, merging_customer(op->merging));
    do_without(op);
    op->store_status = STORE_OK; /* there is nothing to be read */
    op->step = STEP_APPLY;
    return STEP_MORE;
}

static enum step_result op_step_apply(struct op *op)
{
    struct error e = {0};
    bool failed = op->store_status == STORE_UNAVAILABLE || op->store_status == STORE_UNCERTAIN ||
                  op->store_status == STORE_REFUSED;
    if (failed && op->degrades && !worker_stopped(op->worker))
        degrade(op);
    else if (failed)
        return op_fail(op, GRPC_UNAVAILABLE, "the store cannot be read now: %s", op->store_error);
    if (op->kind == OP_EXPORT && !buf_ok(&op->blob))
        return op_fail(op, GRPC_RESOURCE_EXHAUSTED, EXPORT_TOO_BIG, EXPORT_MAX);
    if (!buf_ok(&op->blob) || !buf_ok(&op->recorded))
        return op_fail(op, GRPC_RESOURCE_EXHAUSTED, "the customer's state is over %d bytes", STATE_BLOB_MAX);
    if (op_apply(op, &e)) {
        if (e.code != ERR_FORGOTTEN || !op->from_cache)
            return fail_error(op, &e);
        op->cached_will_do = false; /* another server may have taken a consent that is not told of yet */
        op->step = STEP_LOAD;
        return STEP_MORE;
    }
    if (op->elsewhere)
        return follow(op);
    if (op->household.wanted) {
        op->step = STEP_HOUSEHOLD;
        return STEP_MORE;
    }
    op->step = op->kind == OP_FORGET && op->dirty ? STEP_ERASE : STEP_COMMIT;
    return STEP_MORE;
}

/* There are bytes without a version, so nobody could tell that a record came after a Forget: none is kept beside them. */
static bool is_nameless(const struct op *op)
{
    return op->unreadable && state_version((struct str){(const char *)op->blob.p, op->blob.n}) == 0;
}

static enum step_result op_step_commit(struct op *op)
{
    struct error e = {0};
    if (op->household.dirty && !op->later_format) {
        op->step = STEP_JOIN;
        return STEP_MORE;
    }
    if (op_make_blob(op, &e))
        return fail_error(op, &e);
    if (op->dirty && op->later_format)
        return op_fail(op, GRPC_UNAVAILABLE,
                       "the customer's state was written by a later version of the server; only that may change it");
    fold_waiting(op);
    const struct op *last = fold_last_write(op);
    bool record = op->record_wanted && (last || !is_nameless(op));
    if (!last && !record) {
        op->step = STEP_LOG;
        return STEP_MORE;
    }
    if (worker_stopped(op->worker))
        return fail_stopped(op);
    /* The version counts with a record alone too: else what was decided before a Forget would be kept after it. Of what cannot
     * be read it may still tell whether it is there. */
    struct str there = {(const char *)op->blob.p, op->blob.n};
    struct store_commit c = {.customer = op->customer,
                             .expected = op->unreadable ? state_version(there) : op->state.version,
                             .forget = op->kind == OP_FORGET,
                             .unchanged = true};
    op->aside = last && op->unreadable;
    if (op->aside)
        c.aside = there;
    if (last) {
        c.blob = (struct str){(const char *)last->fresh.p, last->fresh.n};
        c.blob_ttl_ms = policy_keeps_ms(last->snapshot->policy, &last->state);
    }
    if (record) {
        c.record_id = op->record_id;
        c.record = op->record_bytes;
        c.record_ttl_ms = WORKER_RECORD_TTL_MS;
    }
    op->step = STEP_SETTLE;
    store_commit(worker_config_of(op->worker)->store, &c, op_try_deadline(op), on_store, op);
    return STEP_PARK;
}

static void report_aside(const struct op *op)
{
    worker_stats_of(op->worker)->set_aside++;
    logging(LEVEL_ERROR, "state set aside", "customer=\"%.*s\" bytes=%zu reason=\"it could not be read; kept under the customer's x key\"",
            STR_ARG(op->customer), op->blob.n);
}

static enum step_result op_step_settle(struct op *op)
{
    struct worker_stats *stats = worker_stats_of(op->worker);
    switch (op->store_status) {
    case STORE_OK:
        if (op->aside && op->kind != OP_FORGET)
            report_aside(op);
        op->step = STEP_LOG;
        return STEP_MORE;
    case STORE_CONFLICT:
    case STORE_EXISTS:
        stats->conflicts++;
        stats->reruns++;
        if (++op->reruns > WORKER_RERUNS_MAX)
            return op_fail(op, GRPC_ABORTED,
                           "the customer was changed by others %d times meanwhile; retry with the same ids",
                           WORKER_RERUNS_MAX);
        op_household_rerun(op);
        /* Of a record that is there only it was told: the booking that came with it is in a blob yet to be read. */
        op->step = op->store_status == STORE_EXISTS ? STEP_LOAD : STEP_APPLY;
        return STEP_MORE;
    case STORE_UNCERTAIN:
        stats->uncertain++;
        fold_uncertain(op);
        op_household_rerun(op);
        if (op_time_is_over(op))
            return op_fail(op, GRPC_DEADLINE_EXCEEDED,
                           "no answer from the store in time; it may have happened: retry with the same ids");
        op->step = STEP_LOAD;
        return STEP_MORE;
    case STORE_UNAVAILABLE:
    case STORE_REFUSED:
        break;
    }
    return op_fail(op, GRPC_UNAVAILABLE, "the store cannot be written now: %s", op->store_error);
}

static void on_log(void *user, int status)
{
    struct op *op = user;
    ASSERT(op->magic == OP_MAGIC);
    op->log_status = status;
    op_run(op);
}

/* DONE: the call failed and is gone. */
static enum step_result log_own(struct op *op)
{
    struct error e = {0};
    const struct worker_config *c = worker_config_of(op->worker);
    op->step = STEP_ANSWER;
    if (!methods_of(op)->record)
        return STEP_MORE;
    struct str bytes = {0};
    if (methods_of(op)->record(op, &bytes, &e))
        return fail_error(op, &e);
    if (bytes.n == 0)
        return STEP_MORE;
    bool waits = op->writes && !c->ack_batched;
    op->step = STEP_LOGGED;
    op->log_status = c->sink.append(c->sink.ctx, bytes, waits ? on_log : NULL, op);
    return waits && op->log_status == 0 ? STEP_PARK : STEP_MORE;
}

static enum step_result op_step_log(struct op *op)
{
    struct op *folded = op->folded;
    op->folded = NULL;
    enum step_result r = log_own(op);
    fold_log(folded);
    if (r != STEP_DONE && op->has_turn)
        worker_pass_turn(op);
    return r;
}

static enum step_result op_step_logged(struct op *op)
{
    if (op->log_status && must_log(op))
        return op_fail(op, GRPC_UNAVAILABLE, "the log could not be written; retry with the same ids");
    if (op->log_status)
        worker_stats_of(op->worker)->unlogged++;
    op->step = STEP_ANSWER;
    return STEP_MORE;
}

static enum step_result op_step_answer(struct op *op)
{
    struct error e = {0};
    struct str bytes = {0};
    if (methods_of(op)->answer(op, &bytes, &e))
        return fail_error(op, &e);
    return op_finish(op, &(struct worker_result){.status = GRPC_OK, .message = bytes});
}

/* ---- the loop ---- */

void op_run(struct op *op)
{
    static enum step_result (*const table[STEP_COUNT])(struct op *) = {
#define X(name, function) [name] = function,
        OP_STEPS(X)
#undef X
    };
    enum step_result r;
    int64_t since_ns = clock_mono_ns();
    if (op->parked_ns) /* waiting counts for the step that parked */
        op->stage_ns[op->parked] += since_ns - op->parked_ns;
    do {
        enum op_step step = op->step;
        ASSERT(op->magic == OP_MAGIC && step < STEP_COUNT);
        r = table[step](op);
        if (r == STEP_DONE)
            return;
        int64_t now_ns = clock_mono_ns();
        op->stage_ns[step] += now_ns - since_ns;
        op->parked = step;
        op->parked_ns = since_ns = now_ns;
    } while (r == STEP_MORE);
}
