/* What the kinds of calls share beside their steps: ends, messages, log heads, times; see op_common.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/op_common.h"
#include "decide/request_fields.h"
#include "server/fold.h"
#include "tact/v1/log.pb-c.h"
#include <stdarg.h>

/* ---- ends ---- */

int op_status(int code)
{
    switch (code) {
    case ERR_INVALID:
        return GRPC_INVALID_ARGUMENT;
    case ERR_NOSPACE:
        return GRPC_RESOURCE_EXHAUSTED;
    case ERR_NOTFOUND:
        return GRPC_NOT_FOUND;
    case ERR_EXISTS:
        return GRPC_ALREADY_EXISTS;
    case ERR_CONFLICT:
        return GRPC_ABORTED;
    case ERR_CORRUPT:
        return GRPC_DATA_LOSS;
    case ERR_FORGOTTEN:
        return GRPC_FAILED_PRECONDITION;
    case ERR_UNAVAILABLE:
    case ERR_IO:
        return GRPC_UNAVAILABLE;
    case ERR_TIMEOUT:
        return GRPC_DEADLINE_EXCEEDED;
    default:
        return GRPC_INTERNAL;
    }
}

enum step_result op_finish(struct op *op, const struct worker_result *r)
{
    worker_done done = op->done;
    void *user = op->user;
    struct worker_stats *stats = worker_stats_of(op->worker);
    stats->ops[op->kind]++;
    stats->failed[op->kind] += r->status != GRPC_OK;
    if (op->kind == OP_DECIDE && r->status == GRPC_OK) {
        const struct worker_clock *c = &worker_config_of(op->worker)->clock;
        stats->decisions_ok++;
        hist_record(op->writes ? stats->writes_ns : stats->reads_ns,
                    (uint64_t)(c->mono_us(c->ctx) - op->started_us) * 1000);
    }
    done(user, r);
    if (op->has_turn) {
        fold_undo(op);
        worker_pass_turn(op);
    }
    worker_op_over(op);
    return STEP_DONE;
}

enum step_result op_fail(struct op *op, int status, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return op_finish(op, &(struct worker_result){.status = status, .text = text});
}

int op_pack(struct op *op, const ProtobufCMessage *m, struct str *out, struct error *e)
{
    size_t n = protobuf_c_message_get_packed_size(m);
    uint8_t *bytes = arena_alloc(&op->arena, n);
    if (!bytes)
        return error_set(e, ERR_NOSPACE, "the request's memory is full");
    *out = (struct str){(const char *)bytes, protobuf_c_message_pack(m, bytes)};
    return 0;
}

void op_log_head(struct op *op, void *log_record)
{
    const struct worker_config *c = worker_config_of(op->worker);
    Tact__V1__LogRecord *r = log_record;
    r->written_ms = c->clock.wall_ms(c->clock.ctx);
    r->server = (char *)c->server;
    const struct journey *j = &op->state.journey;
    if (!op->dirty || (j->stage == op->before.stage && j->entered_ms == op->before.entered_ms))
        return;
    r->stage_change = arena_alloc(&op->arena, sizeof *r->stage_change);
    if (!r->stage_change)
        return; /* packing will fail too */
    tact__v1__stage_change__init(r->stage_change);
    r->stage_change->from = op_word(op, op->before.stage);
    r->stage_change->to = op_word(op, j->stage);
}

char *op_word(const struct op *op, uint32_t id)
{
    struct str path = names_text(worker_names(op->worker), id);
    const char *dot = path.n ? memchr(path.p, '.', path.n) : NULL;
    return dot ? (char *)dot + 1 : (char *)protobuf_c_empty_string;
}

int op_as_of(struct op *op, int64_t as_of_ms, struct error *e)
{
    const struct worker_config *c = worker_config_of(op->worker);
    op->now_ms = c->clock.wall_ms(c->clock.ctx);
    if (!as_of_ms)
        return 0;
    if (!c->allow_as_of)
        return error_set(
            e, ERR_INVALID,
            "as_of_ms: this server runs on its own clock; start it with --allow-as-of to allow this");
    if (as_of_ms < 0 || as_of_ms > TIMESTAMP_MAX_MS - WINDOW_MAX_MS)
        return error_set(e, ERR_INVALID, "as_of_ms: %lld is no time in Unix milliseconds",
                         (long long)as_of_ms);
    op->now_ms = as_of_ms;
    return 0;
}

int op_customer(struct op *op, const char *customer_id, const Tact__V1__Alias *alias, struct error *e)
{
    return request_customer(request_customer_fields, customer_id, alias, op->snapshot->policy, &op->arena, &op->customer, e);
}
