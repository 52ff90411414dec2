/* Decide: what it checks, does with the state, logs and answers.
 *
 * Idempotence: with a request_id the decision id is a hash of customer and request_id, so every repeat, on
 * any server, looks at the same record beside the blob. RESERVE always keeps a record (in the same atomic
 * step as the contact), PEEK and FRESH keep one when they have a request_id. A record that is there is the
 * answer.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/op_decide.h"
#include "decide/apply.h"
#include "decide/decision_wire.h"
#include "net/proto_check.h"
#include "server/kept.h"
#include "server/op_household.h"
#include "server/shadows.h"
#include "tact/v1/log.pb-c.h"

struct id128 op_decision_id(struct str customer, struct str request_id, struct arena *arena)
{
    static const char label[] = "tact decision";
    size_t n = sizeof label + customer.n + 1 + request_id.n;
    char *text = arena_alloc(arena, n);
    ASSERT(text != NULL);
    memcpy(text, label, sizeof label);
    memcpy(text + sizeof label, customer.p, customer.n);
    text[sizeof label + customer.n] = 0;
    memcpy(text + sizeof label + customer.n + 1, request_id.p, request_id.n);
    return hash128(text, n);
}

uint64_t op_decision_seed(struct id128 id)
{
    return hash64_seed(id.bytes, sizeof id.bytes, 0x5eed);
}

static int check(struct op *op, struct error *e)
{
    const Tact__V1__DecideRequest *m = (const Tact__V1__DecideRequest *)op->message;
    struct decide_request *r = &op->decide.request;
    int rc = op_as_of(op, m->as_of_ms, e);
    if (!rc)
        rc = request_decide(m, op->snapshot->policy, op->now_ms, &op->arena, r, e);
    if (rc)
        return rc;
    op->customer = r->customer;
    op->writes = r->mode == MODE_RESERVE || r->signal_count > 0;
    if (r->request_id.n) {
        op->decide.id = op_decision_id(r->customer, r->request_id, &op->arena);
    } else {
        uint64_t random[2] = {rng_u64(worker_rng(op->worker)), rng_u64(worker_rng(op->worker))};
        memcpy(op->decide.id.bytes, random, sizeof random);
    }
    if (r->request_id.n || r->mode == MODE_RESERVE)
        op->record_id = &op->decide.id;
    op->cached_will_do = r->mode == MODE_PEEK && !op->record_id;
    op->degrades = r->mode != MODE_RESERVE && !op->record_id && !op->writes;
    return 0;
}

static int keep_record(struct op *op, struct error *e)
{
    const struct decide_request *r = &op->decide.request;
    struct kept k = {.mode = r->mode,
                     .choices = (uint8_t)op->decide.decision.choice_count,
                     .digest = kept_digest(r),
                     .channel = op->snapshot->policy->channels[r->channel].word.name,
                     .decision = op->decide.bytes};
    op->record_wanted = true;
    return kept_write(&k, &op->arena, &op->record_bytes)
               ? error_set(e, ERR_NOSPACE, "the request's memory is full")
               : 0;
}

/* A kept reservation is a permission to send only while its contact counts: else somebody else may have the slot. */
static int check_booking(struct op *op, struct error *e)
{
    const struct contact *c = state_contact_find(&op->state, op->decide.id, 0);
    if (c && contact_counts(c, op->now_ms))
        return 0;
    return error_set(e, ERR_EXISTS,
                     "request_id: its booking has lapsed or was given back, so it holds no slot; reserve "
                     "with a new request_id");
}

/* The recorded decision is the answer, if it is one for this request. */
static int repeat(struct op *op, struct error *e)
{
    static const char *const modes[] = {"PEEK", "FRESH", "RESERVE"};
    const struct decide_request *r = &op->decide.request;
    struct str mine = op->snapshot->policy->channels[r->channel].word.name;
    struct kept k;
    if (!kept_read((struct str){(const char *)op->recorded.p, op->recorded.n}, &k))
        return error_set(e, ERR_CORRUPT, "the recorded decision of this request_id cannot be read");
    if (!str_eq(k.channel, mine) || k.mode != r->mode)
        return error_set(e, ERR_INVALID,
                         "request_id: used before for channel %.*s, mode %s; one id belongs to one request",
                         STR_ARG(k.channel), (unsigned)k.mode <= MODE_RESERVE ? modes[k.mode] : "?");
    if (k.digest != kept_digest(r))
        return error_set(e, ERR_INVALID,
                         "request_id: used before with other placements, locale, max_actions or signals; one "
                         "id belongs to one request");
    op->decide.repeated = true;
    op->decide.bytes = k.decision;
    return k.mode == MODE_RESERVE && k.choices ? check_booking(op, e) : 0;
}

static int apply(struct op *op, struct error *e)
{
    struct decide_request *r = &op->decide.request;
    const struct snapshot *snapshot = op->snapshot;
    op->decide.repeated = false;
    r->customer = op->customer;
    if (r->signal_count && apply_refuse_forgotten(&op->state, e))
        return ERR_FORGOTTEN;
    if (op->recorded.n && !op->state.forgotten_ms)
        return repeat(op, e);
    if (r->mode == MODE_RESERVE && state_contact_find(&op->state, op->decide.id, 0))
        return error_set(
            e, ERR_EXISTS,
            "request_id: used more than 24 h ago; its contact is booked, its decision no longer kept");
    int applied = apply_signals(op->snapshot->policy, &op->state, r->signals, r->signal_count, op->now_ms, e);
    if (applied < 0)
        return applied;
    op->decide.input = (struct decide_input){.policy = snapshot->policy,
                                             .scorer = snapshot->binding ? &snapshot->scorer : NULL,
                                             .world_id = snapshot->world_id,
                                             .state = &op->state,
                                             .household = op_household(op),
                                             .request = r,
                                             .now_ms = op->now_ms,
                                             .seed = op_decision_seed(op->decide.id),
                                             .decision_id = op->decide.id,
                                             .state_unverified = op->unverified,
                                             .state_unreadable = op->unreadable};
    struct decision *d = &op->decide.decision;
    int rc = decide(&op->decide.input, &op->arena, d, e);
    if (!rc)
        rc = decision_encode(d, &op->arena, &op->decide.bytes, e);
    if (!rc && r->mode == MODE_RESERVE && d->choice_count)
        rc = decision_reserve(d, &op->state, e);
    if (!rc && op->record_id && !op->state.forgotten_ms)
        rc = keep_record(op, e);
    op->dirty = applied > 0 || (r->mode == MODE_RESERVE && d->choice_count);
    return rc;
}

/* A repeat decides nothing, but its signals must be in the log before they are acknowledged, and the first try may have
 * failed just there: they are logged again, and known by their event ids. */
static int record_signals(struct op *op, struct str *out, struct error *e)
{
    const Tact__V1__DecideRequest *asked = (const Tact__V1__DecideRequest *)op->message;
    if (asked->n_signals == 0)
        return 0;
    Tact__V1__LogRecord head;
    Tact__V1__SignalRecord m;
    Tact__V1__SignalRequest request;
    struct str bytes;
    tact__v1__log_record__init(&head);
    tact__v1__signal_record__init(&m);
    tact__v1__signal_request__init(&request);
    request.customer_id = asked->customer_id;
    request.alias = asked->alias;
    request.n_signals = asked->n_signals;
    request.signals = asked->signals;
    request.as_of_ms = asked->as_of_ms;
    int rc = op_pack(op, &request.base, &bytes, e);
    if (rc)
        return rc;
    op_log_head(op, &head);
    m.request = (ProtobufCBinaryData){bytes.n, (uint8_t *)bytes.p};
    m.now_ms = op->now_ms;
    head.record_case = TACT__V1__LOG_RECORD__RECORD_SIGNAL;
    head.signal = &m;
    return op_pack(op, &head.base, out, e);
}

static int record(struct op *op, struct str *out, struct error *e)
{
    if (op->decide.repeated)
        return record_signals(op, out, e);
    Tact__V1__LogRecord head;
    Tact__V1__DecisionRecord m;
    tact__v1__log_record__init(&head);
    tact__v1__decision_record__init(&m);
    op_log_head(op, &head);
    m.request = (ProtobufCBinaryData){op->request.n, (uint8_t *)op->request.p};
    if (!op->unreadable)
        m.state = (ProtobufCBinaryData){op->blob.n, op->blob.p};
    m.state_unreadable = op->unreadable;
    m.state_unverified = op->unverified;
    if (op->household.used && !op->household.unknown)
        m.household = (ProtobufCBinaryData){op->household.blob.n, op->household.blob.p};
    m.has_household = op->household.used;
    m.household_unknown = op->household.used && op->household.unknown;
    m.now_ms = op->now_ms;
    m.seed = op->decide.input.seed;
    m.decision_id = (ProtobufCBinaryData){sizeof op->decide.id.bytes, op->decide.id.bytes};
    m.decision = (ProtobufCBinaryData){op->decide.bytes.n, (uint8_t *)op->decide.bytes.p};
    m.new_version = op->dirty ? op->new_version : 0;
    m.policy_id = op->snapshot->policy->id;
    m.model_id = (char *)(op->snapshot->binding ? op->snapshot->scorer.model_id : "");
    m.world_id = op->snapshot->world_id;
    m.engine_version = (char *)ENGINE_VERSION;
    if (!str_eq(op->customer, str_from(((const Tact__V1__DecideRequest *)op->message)->customer_id)))
        m.customer_id = (char *)op->customer.p;
    m.reruns = op->reruns;
    shadows_record(op, &m);
    head.record_case = TACT__V1__LOG_RECORD__RECORD_DECISION;
    head.decision = &m;
    return op_pack(op, &head.base, out, e);
}

/* ---- answer ---- */

/* Handles are made from the Decision itself, so that a repeat gives the same ones. */
static int make_handles(struct op *op, Tact__V1__DecideResponse *m, struct error *e)
{
    const struct worker_config *config = worker_config_of(op->worker);
    const struct names *names = worker_names(op->worker);
    ProtobufCAllocator allocator = proto_arena_allocator(&op->arena);
    Tact__V1__Decision *d =
        tact__v1__decision__unpack(&allocator, op->decide.bytes.n, (const uint8_t *)op->decide.bytes.p);
    if (!d)
        return error_set(e, ERR_NOSPACE, "the request's memory is full");
    m->handles = arena_alloc(&op->arena, d->n_choices * sizeof *m->handles);
    if (!m->handles)
        return error_set(e, ERR_NOSPACE, "the request's memory is full");
    uint32_t channel = op->snapshot->policy->channels[op->decide.request.channel].word.id;
    for (size_t i = 0; i < d->n_choices; i++) {
        char *path = arena_printf(&op->arena, "action.%s", d->choices[i]->action_id);
        char *text = arena_alloc(&op->arena, HANDLE_MAX + 1);
        if (!path || !text)
            return error_set(e, ERR_NOSPACE, "the request's memory is full");
        struct handle h = {.decision = op->decide.id,
                           .time_ms = d->decided_at_ms,
                           .action = names_find(names, str_from(path)),
                           .channel = channel,
                           .probability = (float)d->choices[i]->action_probability,
                           .server = str_from(config->server),
                           .customer = op->asked};
        text[handle_make(&h, config->secret, text)] = 0;
        m->handles[m->n_handles++] = text;
    }
    return 0;
}

static const char *stage_name(enum op_step s)
{
    static const char *const names[STEP_COUNT] = {"decode", "turn", "load",   "merge",  "decide", "commit",
                                                  "settle", "log",  "logged", "answer", "gather", "erase", "household", "join"};
    return names[s];
}

static int make_meta(struct op *op, Tact__V1__Meta *meta, struct error *e)
{
    tact__v1__meta__init(meta);
    meta->server = (char *)worker_config_of(op->worker)->server;
    meta->recorded = op->decide.repeated;
    meta->reruns = op->reruns;
    meta->stages = arena_alloc(&op->arena, STEP_COUNT * sizeof *meta->stages);
    Tact__V1__StageTime *bodies = arena_alloc(&op->arena, STEP_COUNT * sizeof *bodies);
    if (!meta->stages || !bodies)
        return error_set(e, ERR_NOSPACE, "the request's memory is full");
    for (int i = 0; i < STEP_COUNT; i++) {
        if (!op->stage_ns[i])
            continue;
        Tact__V1__StageTime *t = &bodies[meta->n_stages];
        tact__v1__stage_time__init(t);
        t->stage = (char *)stage_name((enum op_step)i);
        t->ns = (uint64_t)op->stage_ns[i];
        meta->stages[meta->n_stages++] = t;
    }
    return 0;
}

static void count(struct op *op)
{
    struct worker_stats *stats = worker_stats_of(op->worker);
    stats->repeated += op->decide.repeated;
    if (op->decide.repeated)
        return;
    if (op->decide.decision.choice_count)
        stats->chosen++;
    else
        stats->suppressed[op->decide.decision.suppression.cause]++;
}

/* The Decision's bytes go into the answer as they are: field 1, length, bytes. */
static int answer(struct op *op, struct str *out, struct error *e)
{
    Tact__V1__DecideResponse m;
    Tact__V1__Meta meta;
    tact__v1__decide_response__init(&m);
    int rc = make_meta(op, &meta, e);
    if (!rc)
        rc = make_handles(op, &m, e);
    if (rc)
        return rc;
    m.meta = &meta;
    if (!str_eq(op->customer, str_from(((const Tact__V1__DecideRequest *)op->message)->customer_id)))
        m.customer_id = (char *)op->customer.p;
    size_t rest = tact__v1__decide_response__get_packed_size(&m);
    uint8_t *bytes = arena_alloc(&op->arena, op->decide.bytes.n + 16 + rest);
    if (!bytes)
        return error_set(e, ERR_NOSPACE, "the request's memory is full");
    size_t n = 0;
    bytes[n++] = 1 << 3 | 2;
    for (uint64_t v = op->decide.bytes.n; v || n == 1; v >>= 7)
        bytes[n++] = (uint8_t)((v & 0x7f) | (v > 0x7f ? 0x80 : 0));
    memcpy(bytes + n, op->decide.bytes.p, op->decide.bytes.n);
    n += op->decide.bytes.n;
    n += tact__v1__decide_response__pack(&m, bytes + n);
    *out = (struct str){(const char *)bytes, n};
    count(op);
    return 0;
}

const struct op_methods op_decide_methods = {&tact__v1__decide_request__descriptor, check, apply, record,
                                             answer};
