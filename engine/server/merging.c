/* Ways of ids, and merges; see merging.h.
 *
 *   WALK --(next id)--> WALK --+--(a merge under way)--> TAKE OVER --> END --> WALK from the start
 *                              +--(a ring)--> TAKE BACK --> WALK from the start
 *                              +--(long)--> SHORTEN --+
 *                              +----------------------+--> arrived: done, or WALK of `to`, or BEGIN --> WALK from the start
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/merging.h"
#include "decide/apply.h"
#include "decide/journey.h"
#include "decide/request_fields.h"
#include "state/codec.h"
#include "state/identity.h"
#include "state/merge.h"
#include <stdlib.h>

enum {
    NODES_MAX = 4 * STATE_IDENTITIES_MAX, /* ids on one way */
    LONG = 2                              /* steps of a way that is shortened */
};

/* What the store was asked last. */
enum phase {
    PHASE_START,
    PHASE_WALK,
    PHASE_TAKE_OVER,
    PHASE_END,
    PHASE_RING,      /* the one that is to be taken back is read */
    PHASE_TAKE_BACK,
    PHASE_SHORTEN,
    PHASE_READ_FROM, /* once more, to begin */
    PHASE_BEGIN,
    PHASE_DONE
};

struct node {
    struct str id;
    uint64_t version;
    struct redirect to;
    const struct identity *identities; /* while its merge is under way; without their ids */
    uint32_t identity_count;
};

struct id_text {
    char text[STORE_CUSTOMER_MAX];
    size_t n;
};

struct merging {
    struct str from, to;
    bool of_to; /* to's way is walked */
    enum phase phase;
    struct arena arena; /* of one walk */
    struct node *nodes; /* [NODES_MAX] */
    size_t count;
    long under_way;        /* the last of the nodes whose merge is; -1: none */
    bool erases;           /* it went to somebody who was forgotten: nothing is left beside the id either */
    struct buf there;      /* blob of `at` */
    struct buf moving;     /* blob of that node */
    struct buf fresh;      /* what is written */
    struct str at;         /* the id that is read */
    struct id_text root, first, second; /* of this walk; of from's, of to's */
    uint64_t merge, began; /* the number that BEGIN writes; the one that it wrote */
    struct id_text began_from;
    uint32_t restarts;
    enum store_status status;
    char error[160];
    bool given_up;
};

struct merging *merging_new(struct str from, struct str to)
{
    struct merging *m = calloc(1, sizeof *m);
    ASSERT(m != NULL);
    m->from = from;
    m->to = to;
    m->nodes = calloc(NODES_MAX, sizeof *m->nodes);
    ASSERT(m->nodes != NULL);
    arena_init(&m->arena, WORKER_ARENA_MAX);
    buf_init(&m->there, STATE_BLOB_MAX);
    buf_init(&m->moving, STATE_BLOB_MAX);
    buf_init(&m->fresh, STATE_BLOB_MAX + 64);
    return m;
}

void merging_free(struct merging **merging)
{
    struct merging *m = *merging;
    if (!m)
        return;
    arena_free(&m->arena);
    buf_free(&m->there);
    buf_free(&m->moving);
    buf_free(&m->fresh);
    free(m->nodes);
    free(m);
    *merging = NULL;
}

static struct str id_str(const struct id_text *t)
{
    return (struct str){t->text, t->n};
}

static void id_set(struct id_text *t, struct str id)
{
    t->n = id.n < sizeof t->text ? id.n : sizeof t->text;
    memcpy(t->text, id.p, t->n);
}

struct str merging_customer(const struct merging *m)
{
    return id_str(&m->root);
}

struct str merging_from(const struct merging *m)
{
    return id_str(m->began ? &m->began_from : &m->root);
}

uint64_t merging_began(const struct merging *m)
{
    return m->began;
}

bool merging_given_up(const struct merging *m)
{
    return m->given_up;
}

/* ---- the store ---- */

/* A call that can do without the store does without. */
static enum step_result fail_store(struct op *op, const char *what)
{
    struct merging *m = op->merging;
    if (!op->degrades)
        return op_fail(op, GRPC_UNAVAILABLE, "the store cannot be %s now: %s", what, m->error);
    m->given_up = true;
    m->phase = PHASE_DONE;
    return STEP_MORE;
}

/* The decision that the call asks for may be kept beside any id on the way: whoever was the customer when it was made. */
static void keep_record(struct op *op, struct str record)
{
    if (record.n == 0 || op->recorded_kept)
        return;
    buf_clear(&op->recorded);
    buf_str(&op->recorded, record);
    op->recorded_kept = true;
}

static void on_store(void *user, const struct store_reply *r)
{
    struct op *op = user;
    struct merging *m = op->merging;
    ASSERT(op->magic == OP_MAGIC && m);
    m->status = r->status;
    snprintf(m->error, sizeof m->error, "%s", r->error ? r->error : "");
    if (r->status == STORE_OK && (m->phase == PHASE_WALK || m->phase == PHASE_RING || m->phase == PHASE_READ_FROM)) {
        buf_clear(&m->there);
        buf_str(&m->there, r->blob);
        keep_record(op, r->record);
    }
    op_run(op);
}

static enum step_result ask(struct op *op, struct str id, enum phase phase)
{
    struct merging *m = op->merging;
    if (worker_stopped(op->worker))
        return op_fail(op, GRPC_UNAVAILABLE, "this server is stopping; retry with the same ids");
    if (op_time_is_over(op))
        return op_fail(op, GRPC_DEADLINE_EXCEEDED,
                       "out of time while ids of one customer were brought together; it may have happened: retry");
    m->at = id;
    m->phase = phase;
    store_read(worker_config_of(op->worker)->store, id, op->record_id, op_read_deadline(op), on_store, op);
    return STEP_PARK;
}

/* Writes the state in place of that version. */
static enum step_result put(struct op *op, struct str id, uint64_t expected, const struct state *s, enum phase phase)
{
    struct merging *m = op->merging;
    struct error e = {0};
    buf_clear(&m->fresh);
    uint64_t version = op_new_version(op);
    if (state_encode(s, version, &m->fresh, &e))
        return op_fail(op, op_status(e.code), "%s", e.text);
    struct store_commit c = {.customer = id,
                             .expected = expected,
                             .blob = {(const char *)m->fresh.p, m->fresh.n},
                             .blob_ttl_ms = policy_keeps_ms(op->snapshot->policy, s),
                             .forget = m->erases && phase == PHASE_END};
    m->phase = phase;
    store_commit(worker_config_of(op->worker)->store, &c, op_try_deadline(op), on_store, op);
    return STEP_PARK;
}

/* From the start; each write that went is a step ahead. */
static enum step_result again(struct op *op)
{
    struct merging *m = op->merging;
    if (m->status != STORE_OK && ++m->restarts > WORKER_RERUNS_MAX)
        return op_fail(op, GRPC_ABORTED, "the customers were changed by others %d times meanwhile; retry with the same ids",
                       WORKER_RERUNS_MAX);
    m->of_to = false;
    m->phase = PHASE_START;
    return STEP_MORE;
}

/* Whether the write that was asked for was not refused. */
static bool went(const struct merging *m)
{
    return m->status == STORE_OK || m->status == STORE_CONFLICT || m->status == STORE_UNCERTAIN;
}

static int decode(struct op *op, const struct buf *blob, struct state *s, struct error *e)
{
    struct merging *m = op->merging;
    if (!buf_ok(blob))
        return error_set(e, ERR_NOSPACE, "a customer's state is over %d bytes", STATE_BLOB_MAX);
    int rc = state_decode(s, &op->snapshot->policy->schema, (struct str){(const char *)blob->p, blob->n}, &m->arena, e);
    const struct worker_clock *clock = &worker_config_of(op->worker)->clock;
    if (!rc && s->redirect.target.n == 0)
        (void)policy_expire(op->snapshot->policy, s, clock->wall_ms(clock->ctx));
    return rc;
}

static enum step_result fail_error(struct op *op, const struct error *e)
{
    return op_fail(op, op_status(e->code), "%s", e->text);
}

/* ---- begin ---- */

/* Nothing of somebody who was forgotten goes on in another customer, nor another's in them. */
static bool refuse_forgotten(struct op *op, const char *field, const struct state *s)
{
    struct error e = {0};
    if (!apply_refuse_forgotten(s, &e))
        return false;
    error_prefix(&e, "%s", field);
    (void)op_fail(op, op_status(e.code), "%s", e.text);
    return true;
}

static enum step_result begin(struct op *op)
{
    struct merging *m = op->merging;
    struct error e = {0};
    struct state s;
    if (decode(op, &m->there, &s, &e))
        return fail_error(op, &e);
    if (s.redirect.target.n)
        return again(op);
    if (refuse_forgotten(op, "from", &s))
        return STEP_DONE;
    do
        m->merge = rng_u64(worker_rng(op->worker));
    while (m->merge == 0);
    s.redirect = (struct redirect){.target = id_str(&m->second), .merge = m->merge, .under_way = true};
    return put(op, id_str(&m->first), s.version, &s, PHASE_BEGIN);
}

/* Both ways are walked, and end apart. What must be known before anything is begun, since there is no way back. */
static enum step_result check_ends(struct op *op)
{
    struct merging *m = op->merging;
    struct error e = {0};
    struct state to;
    const struct policy *p = op->snapshot->policy;
    if (decode(op, &m->there, &to, &e))
        return fail_error(op, &e);
    if (refuse_forgotten(op, "to", &to))
        return STEP_DONE;
    if (to.identity_count >= STATE_IDENTITIES_MAX)
        return op_fail(op, GRPC_RESOURCE_EXHAUSTED, "to: this customer comes of %u merges already; at most %d are allowed",
                       to.identity_count, STATE_IDENTITIES_MAX);
    if (request_is_alias(p, id_str(&m->second)) && !request_is_alias(p, id_str(&m->first)))
        return op_fail(op, GRPC_INVALID_ARGUMENT,
                       "to: nobody knows whose '%.*s' is, and '%.*s' would be known by that name; merge the other way round",
                       STR_ARG(id_str(&m->second)), STR_ARG(id_str(&m->first)));
    return ask(op, id_str(&m->first), PHASE_READ_FROM);
}

/* ---- a way's end ---- */

static enum step_result arrived(struct op *op)
{
    struct merging *m = op->merging;
    if (m->to.n == 0) {
        m->phase = PHASE_DONE;
        return STEP_MORE;
    }
    if (!m->of_to) {
        m->first = m->root;
        m->of_to = true;
        m->phase = PHASE_START;
        return STEP_MORE;
    }
    m->second = m->root;
    if (!str_eq(id_str(&m->first), id_str(&m->second)))
        return check_ends(op);
    m->phase = PHASE_DONE;
    return STEP_MORE;
}

/* n leads to that id, and has nothing else. */
static enum step_result lead_on(struct op *op, const struct node *n, struct str target, enum phase phase)
{
    struct merging *m = op->merging;
    struct state s;
    struct redirect to = {.target = target, .merge = n->to.merge};
    if (redirect_only(&s, &op->snapshot->policy->schema, &m->arena, &to))
        return op_fail(op, GRPC_RESOURCE_EXHAUSTED, "the request's memory is full");
    return put(op, n->id, n->version, &s, phase);
}

static enum step_result take_over(struct op *op)
{
    struct merging *m = op->merging;
    const struct node *n = &m->nodes[m->under_way];
    struct error e = {0};
    struct state into, from;
    int rc = decode(op, &m->there, &into, &e);
    if (!rc)
        rc = decode(op, &m->moving, &from, &e);
    if (rc)
        return fail_error(op, &e);
    const struct worker_clock *clock = &worker_config_of(op->worker)->clock;
    (void)policy_expire(op->snapshot->policy, &from, clock->wall_ms(clock->ctx)); /* it may have been left long ago */
    struct identity known = {n->to.merge, op->now_ms, n->id};
    rc = state_merge(&into, &from, op->now_ms);
    if (!rc && identities_add(&into, &known) < 0)
        rc = ERR_NOSPACE;
    if (!rc && journey_step(op->snapshot->policy, &into, op->now_ms, &m->arena) < 0)
        rc = ERR_NOSPACE;
    if (rc)
        return op_fail(op, op_status(rc), rc == ERR_CORRUPT ? "the states of '%.*s' and '%.*s' cannot be brought together: an "
                                                              "aggregate cannot be read"
                                                            : "the states of '%.*s' and '%.*s' together are too large",
                       STR_ARG(n->id), STR_ARG(id_str(&m->root)));
    m->erases = into.forgotten_ms > 0;
    into.exists = true;
    state_prune(&into, op->now_ms);
    worker_stats_of(op->worker)->merges++;
    return put(op, id_str(&m->root), into.version, &into, PHASE_TAKE_OVER);
}

static bool has(const struct node *n, uint64_t merge)
{
    for (uint32_t i = 0; i < n->identity_count; i++)
        if (n->identities[i].merge == merge)
            return true;
    return false;
}

/* A node whose merge the one at `last` has taken over, itself or with another's; NULL: none. */
static const struct node *taken_by(const struct merging *m, const struct node *last)
{
    for (size_t i = 0; i < m->count; i++)
        if (m->nodes[i].to.under_way && has(last, m->nodes[i].to.merge))
            return &m->nodes[i];
    return NULL;
}

/* Nodes from `first` on lead back to it. */
static enum step_result ring(struct op *op, size_t first)
{
    struct merging *m = op->merging;
    const struct node *least = NULL;
    for (size_t i = first; i < m->count; i++) {
        const struct node *taken = taken_by(m, &m->nodes[i]);
        if (taken)
            return lead_on(op, taken, m->nodes[i].id, PHASE_END);
        if (m->nodes[i].to.under_way && (!least || str_cmp(m->nodes[i].id, least->id) < 0))
            least = &m->nodes[i];
    }
    if (!least)
        return op_fail(op, GRPC_DATA_LOSS, "the ids of this customer lead in a ring, at '%.*s'", STR_ARG(m->nodes[first].id));
    return ask(op, least->id, PHASE_RING);
}

static enum step_result take_back(struct op *op)
{
    struct merging *m = op->merging;
    struct error e = {0};
    struct state s;
    if (decode(op, &m->there, &s, &e))
        return fail_error(op, &e);
    if (!s.redirect.under_way)
        return again(op);
    for (size_t i = 0; i < m->count; i++)
        if (str_eq(m->nodes[i].id, m->at) && m->nodes[i].to.merge != s.redirect.merge)
            return again(op);
    s.redirect = (struct redirect){0};
    return put(op, m->at, s.version, &s, PHASE_TAKE_BACK);
}

/* ---- a step ---- */

static long node_of(const struct merging *m, struct str id)
{
    for (size_t i = 0; i < m->count; i++)
        if (str_eq(m->nodes[i].id, id))
            return (long)i;
    return -1;
}

/* Nothing may be passed over that is still kept beside the ids in between, since before they led on. */
static bool may_shorten(const struct op *op)
{
    const struct merging *m = op->merging;
    const struct worker_clock *clock = &worker_config_of(op->worker)->clock;
    int64_t latest_ms = clock->wall_ms(clock->ctx) - WORKER_RECORD_TTL_MS - STATE_AHEAD_MS;
    for (size_t i = 1; i < m->count; i++)
        if (state_version_ms(m->nodes[i].version) > latest_ms)
            return false;
    return m->count >= LONG;
}

static enum step_result at_end(struct op *op)
{
    struct merging *m = op->merging;
    id_set(&m->root, m->at);
    if (m->under_way >= 0)
        return take_over(op);
    if (may_shorten(op))
        return lead_on(op, &m->nodes[0], id_str(&m->root), PHASE_SHORTEN);
    return arrived(op);
}

static enum step_result step(struct op *op)
{
    struct merging *m = op->merging;
    struct error e = {0};
    struct state s;
    struct arena_mark mark = arena_mark(&m->arena);
    int rc = decode(op, &m->there, &s, &e);
    if (rc == ERR_NOSPACE)
        return fail_error(op, &e);
    if (rc) /* it leads nowhere; whoever needs it will say what is wrong */
        return at_end(op);
    struct node here = {m->at, s.version, s.redirect, s.identities, s.identity_count};
    const struct node *taken = taken_by(m, &here);
    if (taken)
        return lead_on(op, taken, m->at, PHASE_END);
    if (s.redirect.target.n == 0)
        return at_end(op);
    if (m->count == NODES_MAX)
        return op_fail(op, GRPC_RESOURCE_EXHAUSTED, "over %d ids lead to this customer, one by one", NODES_MAX);
    if (!here.to.under_way)
        arena_rewind(&m->arena, mark);
    struct str target = arena_str(&m->arena, s.redirect.target);
    if (!target.p)
        return op_fail(op, GRPC_RESOURCE_EXHAUSTED, "the request's memory is full");
    here.to.target = target;
    m->nodes[m->count++] = here;
    if (here.to.under_way) {
        struct buf swap = m->moving;
        m->moving = m->there;
        m->there = swap;
        m->under_way = (long)m->count - 1;
    }
    long before = node_of(m, target);
    return before >= 0 ? ring(op, (size_t)before) : ask(op, target, PHASE_WALK);
}

static enum step_result start(struct op *op)
{
    struct merging *m = op->merging;
    arena_reset(&m->arena);
    m->count = 0;
    m->under_way = -1;
    m->erases = false;
    return ask(op, m->of_to ? m->to : m->from, PHASE_WALK);
}

static enum step_result begun(struct op *op)
{
    struct merging *m = op->merging;
    if (m->status != STORE_CONFLICT) { /* uncertain: if it did not happen it will be begun again, under another number */
        m->began = m->merge;
        m->began_from = m->first;
    }
    return again(op);
}

static enum step_result go_on(struct op *op)
{
    struct merging *m = op->merging;
    bool read = m->phase == PHASE_WALK || m->phase == PHASE_RING || m->phase == PHASE_READ_FROM;
    bool needed = m->phase != PHASE_START && m->phase != PHASE_SHORTEN;
    if (read && m->status != STORE_OK)
        return fail_store(op, "read");
    if (needed && !went(m))
        return fail_store(op, "written");
    switch (m->phase) {
    case PHASE_START:
        return start(op);
    case PHASE_WALK:
        return step(op);
    case PHASE_TAKE_OVER:
        return m->status == STORE_OK ? lead_on(op, &m->nodes[m->under_way], id_str(&m->root), PHASE_END) : again(op);
    case PHASE_END:
    case PHASE_TAKE_BACK:
        return again(op);
    case PHASE_RING:
        return take_back(op);
    case PHASE_SHORTEN: /* the next one may */
        return arrived(op);
    case PHASE_READ_FROM:
        return begin(op);
    case PHASE_BEGIN:
        return begun(op);
    case PHASE_DONE:
        break;
    }
    return STEP_MORE;
}

enum step_result merging_run(struct op *op)
{
    enum step_result r;
    do
        r = go_on(op);
    while (r == STEP_MORE && op->merging->phase == PHASE_START);
    return r;
}
