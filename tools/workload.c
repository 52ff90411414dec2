/* Reading a workload; see workload.h. SPDX-License-Identifier: Apache-2.0 */
#include "tools/workload.h"
#include "decide/apply.h"
#include "decide/journey.h"
#include "decide/request_wire.h"
#include "net/proto_check.h"
#include "net/proto_json.h"
#include "server/op_decide.h"
#include "state/codec.h"
#include <errno.h>
#include <stdlib.h>

enum { LINE_MAX_BYTES = 1 << 20, LINE_MEMORY_MAX = 16 << 20, DEPTH_MAX = 8 };

/* ---- lines ---- */

const char *workload_path(enum workload_kind kind)
{
    static const char *const paths[] = {"/tact.v1.Decisions/Decide", "/tact.v1.Customers/Upsert",
                                        "/tact.v1.Customers/Signal"};
    return paths[kind];
}

static const ProtobufCMessageDescriptor *descriptor(enum workload_kind kind)
{
    const ProtobufCMessageDescriptor *const all[] = {&tact__v1__decide_request__descriptor,
                                                     &tact__v1__upsert_request__descriptor,
                                                     &tact__v1__signal_request__descriptor};
    return all[kind];
}

static struct str trimmed(struct str s)
{
    while (s.n && (s.p[0] == ' ' || s.p[0] == '\t'))
        s = (struct str){s.p + 1, s.n - 1};
    while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
        s.n--;
    return s;
}

/* {"key": value} as both; false when the line is nothing like it. */
static bool one_pair(struct str line, struct str *key, struct str *value)
{
    line = trimmed(line);
    if (line.n < 2 || line.p[0] != '{' || line.p[line.n - 1] != '}')
        return false;
    struct str inside = trimmed((struct str){line.p + 1, line.n - 2});
    const char *end = inside.n && inside.p[0] == '"' ? memchr(inside.p + 1, '"', inside.n - 1) : NULL;
    if (!end)
        return false;
    *key = (struct str){inside.p + 1, (size_t)(end - inside.p) - 1};
    struct str rest = trimmed((struct str){end + 1, inside.n - (size_t)(end + 1 - inside.p)});
    *value = rest.n ? trimmed((struct str){rest.p + 1, rest.n - 1}) : rest;
    return rest.n && rest.p[0] == ':';
}

static const struct {
    const char *key;
    enum workload_kind kind;
} wrappers[] = {{"upsert", WORKLOAD_UPSERT}, {"signal", WORKLOAD_SIGNAL}, {"decide", WORKLOAD_DECIDE}};

/* Takes the wrapper off a line: {"upsert":{…}} is an UpsertRequest. */
static int unwrap(struct str *line, bool history, enum workload_kind *kind, struct error *e)
{
    struct str key = {0}, value;
    bool pair = one_pair(*line, &key, &value);
    *kind = WORKLOAD_DECIDE;
    for (size_t i = 0; pair && i < sizeof wrappers / sizeof *wrappers; i++)
        if (str_is(key, wrappers[i].key) && !(history && wrappers[i].kind == WORKLOAD_DECIDE)) {
            *kind = wrappers[i].kind;
            *line = value;
            return 0;
        }
    if (!history)
        return 0;
    return error_set(e, ERR_INVALID, "expected {\"signal\": {…}} or {\"upsert\": {…}}, got %s%.*s",
                     key.n ? "the field " : "no object", STR_ARG(str_cut(key, 64)));
}

static int read_line(struct workload_call *out, struct str line, bool history, struct arena *scratch, struct arena *arena,
                     struct error *e)
{
    int rc = unwrap(&line, history, &out->kind, e);
    if (rc)
        return rc;
    ProtobufCMessage *m = proto_from_json_line(descriptor(out->kind), line, scratch, e);
    if (!m)
        return e->code ? e->code : ERR_INVALID;
    const char *customer;
    const Tact__V1__Alias *alias;
    if (out->kind == WORKLOAD_DECIDE) {
        alias = ((const Tact__V1__DecideRequest *)m)->alias;
        customer = ((const Tact__V1__DecideRequest *)m)->customer_id;
        out->as_of_ms = ((const Tact__V1__DecideRequest *)m)->as_of_ms;
    } else if (out->kind == WORKLOAD_UPSERT) {
        alias = ((const Tact__V1__UpsertRequest *)m)->alias;
        customer = ((const Tact__V1__UpsertRequest *)m)->customer_id;
        out->as_of_ms = ((const Tact__V1__UpsertRequest *)m)->as_of_ms;
    } else {
        alias = ((const Tact__V1__SignalRequest *)m)->alias;
        customer = ((const Tact__V1__SignalRequest *)m)->customer_id;
        out->as_of_ms = ((const Tact__V1__SignalRequest *)m)->as_of_ms;
    }
    if (alias)
        return error_set(e, ERR_INVALID, "alias: lines name customers by customer_id, which of an alias is \"type:value\"");
    uint8_t *bytes = arena_alloc(arena, protobuf_c_message_get_packed_size(m));
    out->customer = arena_str(arena, str_from(customer));
    if (!bytes || !out->customer.p)
        return error_set(e, ERR_NOSPACE, "the file does not fit the memory");
    out->message = (struct str){(const char *)bytes, protobuf_c_message_pack(m, bytes)};
    return 0;
}

/* The customer's id as it stands in a line, without reading all of it. False: nothing plain to be found. */
static bool peek_customer(struct str line, struct str *out)
{
    static const char key[] = "\"customer_id\":\"";
    const char *at = memmem(line.p, line.n, key, sizeof key - 1);
    if (!at)
        return false;
    at += sizeof key - 1;
    const char *end = memchr(at, '"', (size_t)(line.p + line.n - at));
    if (!end || memchr(at, '\\', (size_t)(end - at)))
        return false;
    *out = (struct str){at, (size_t)(end - at)};
    return true;
}

static struct workload_call *next_call(struct workload_calls *c)
{
    if (c->count == c->capacity) {
        size_t capacity = c->capacity ? 2 * c->capacity : 1024;
        struct workload_call *items = realloc(c->items, capacity * sizeof *items);
        if (!items)
            return NULL;
        c->items = items;
        c->capacity = capacity;
    }
    return &c->items[c->count++];
}

struct reading {
    struct workload_calls *out;
    const struct workload_filter *filter;
    struct arena *scratch, *arena;
    struct buf before; /* id of the line before */
};

static int take_line(struct reading *r, struct str line, size_t number, struct error *e)
{
    struct str id;
    bool known = peek_customer(line, &id);
    if (!known || !str_eq(id, (struct str){(const char *)r->before.p, r->before.n})) {
        r->out->customers++;
        buf_clear(&r->before);
        if (known)
            buf_str(&r->before, id);
    }
    if (known && r->filter && r->filter->keep && !r->filter->keep(r->filter->ctx, id))
        return 0;
    struct workload_call *call = next_call(r->out);
    if (!call)
        return error_set(e, ERR_NOSPACE, "the file does not fit the memory");
    *call = (struct workload_call){.line = number};
    arena_reset(r->scratch);
    return read_line(call, line, r->filter && r->filter->history, r->scratch, r->arena, e);
}

int workload_read(struct workload_calls *out, const char *file, const struct workload_filter *filter,
                  struct arena *arena, struct error *e)
{
    struct arena scratch;
    struct reading r = {out, filter, &scratch, arena, {0}};
    char *text = NULL;
    size_t capacity = 0, number = 0;
    int rc = 0;
    *out = (struct workload_calls){0};
    FILE *in = fopen(file, "rbe");
    if (!in)
        return error_set(e, ERR_IO, "%s: %s", file, strerror(errno));
    arena_init(&scratch, LINE_MEMORY_MAX);
    buf_init(&r.before, LINE_MAX_BYTES);
    for (ssize_t n; !rc && (n = getline(&text, &capacity, in)) >= 0;) {
        number++;
        while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r'))
            n--;
        if (n > 0)
            rc = take_line(&r, (struct str){text, (size_t)n}, number, e);
    }
    if (rc)
        error_prefix(e, "%s:%zu", file, number);
    else if (ferror(in))
        rc = error_set(e, ERR_IO, "%s: %s", file, strerror(errno));
    fclose(in);
    free(text);
    buf_free(&r.before);
    arena_free(&scratch);
    if (rc)
        workload_calls_free(out);
    return rc;
}

void workload_calls_free(struct workload_calls *c)
{
    free(c->items);
    *c = (struct workload_calls){0};
}

/* ---- customers ---- */

struct customer {
    struct str id, blob;
};

struct workload_customers {
    struct customer *items;
    uint32_t *slots; /* index + 1, by hash of the id */
    size_t count, mask;
};

static uint32_t *slot_of(const struct workload_customers *c, struct str id)
{
    size_t at = hash64(id.p, id.n) & c->mask;
    while (c->slots[at] && !str_eq(c->items[c->slots[at] - 1].id, id))
        at = (at + 1) & c->mask;
    return &c->slots[at];
}

/* A decision as a server without a model makes it, and what it books. */
static int apply_decide(const Tact__V1__DecideRequest *m, int64_t arrival_ms,
                        const struct policy *p, struct state *s, struct arena *arena, struct error *e)
{
    struct decide_request r;
    struct decision d;
    int rc = request_decide(m, p, arrival_ms, arena, &r, e);
    if (!rc)
        rc = apply_signals(p, s, r.signals, r.signal_count, arrival_ms, e);
    if (rc < 0)
        return rc;
    bool changed = rc > 0;
    struct id128 id = op_decision_id(r.customer, r.request_id, arena);
    const struct decide_input in = {.policy = p,
                                    .world_id = "",
                                    .state = s,
                                    .request = &r,
                                    .now_ms = arrival_ms,
                                    .seed = op_decision_seed(id),
                                    .decision_id = id};
    rc = decide(&in, arena, &d, e);
    if (!rc && r.mode == MODE_RESERVE && d.choice_count) {
        changed = true;
        rc = decision_reserve(&d, s, e);
    }
    return rc ? rc : changed;
}

int workload_apply(const struct workload_call *call, int64_t arrival_ms, const struct policy *p, struct state *s,
                   struct arena *arena, struct signal_batch *batch, struct error *e)
{
    static const struct proto_limits limits = {DEPTH_MAX, LINE_MEMORY_MAX};
    struct signal_batch own;
    bool strict = !batch;
    batch = batch ? batch : &own;
    *batch = (struct signal_batch){0};
    ProtobufCMessage *m = proto_decode(descriptor(call->kind), call->message, &limits, arena, e);
    if (!m)
        return ERR_INVALID;
    if (call->kind == WORKLOAD_UPSERT) {
        struct upsert u;
        int rc = request_upsert((const Tact__V1__UpsertRequest *)m, p, arrival_ms, arena, &u, e);
        if (!rc)
            rc = upsert_apply(&u, s, arrival_ms, e);
        return rc ? rc : 1;
    }
    if (call->kind == WORKLOAD_DECIDE)
        return apply_decide((const Tact__V1__DecideRequest *)m, arrival_ms, p, s, arena, e);
    const Tact__V1__SignalRequest *request = (const Tact__V1__SignalRequest *)m;
    int rc = request_signals(request, p, arrival_ms, arena, batch, e);
    if (!rc && strict && batch->rejected_count)
        return error_set(e, ERR_INVALID, "%s", batch->rejected[0].reason);
    if (!rc)
        rc = apply_signals(p, s, batch->signals, batch->count, arrival_ms, e);
    return rc < 0 ? rc : rc > 0;
}

int64_t workload_arrival(const struct workload_call *call, struct arena *scratch, int64_t *earliest)
{
    static const struct proto_limits limits = {DEPTH_MAX, LINE_MEMORY_MAX};
    struct error e;
    int64_t latest = INT64_MIN;
    *earliest = call->as_of_ms ? call->as_of_ms : INT64_MAX;
    if (call->kind != WORKLOAD_SIGNAL)
        return call->as_of_ms ? call->as_of_ms : INT64_MIN;
    const Tact__V1__SignalRequest *m =
        (const Tact__V1__SignalRequest *)proto_decode(descriptor(call->kind), call->message, &limits, scratch, &e);
    for (size_t i = 0; m && i < m->n_signals; i++) {
        int64_t time_ms = m->signals[i]->time_ms;
        if (time_ms == 0)
            continue;
        latest = time_ms > latest ? time_ms : latest;
        *earliest = time_ms < *earliest ? time_ms : *earliest;
    }
    return call->as_of_ms ? call->as_of_ms : latest;
}

/* One call as a server does it: decode, apply, prune, encode. */
static int commit(const struct workload_call *call, const struct policy *p, struct customer *c,
                  struct arena *scratch, struct buf *bytes, struct arena *arena, struct error *e)
{
    struct state s;
    arena_reset(scratch);
    buf_clear(bytes);
    int rc = state_decode(&s, &p->schema, c->blob, scratch, e);
    if (!rc)
        rc = workload_apply(call, call->as_of_ms, p, &s, scratch, NULL, e);
    if (rc < 0)
        return rc;
    if (rc > 0 && journey_step(p, &s, call->as_of_ms, scratch) < 0)
        return error_set(e, ERR_NOSPACE, "the customer's state does not fit its memory");
    state_prune(&s, call->as_of_ms);
    rc = state_encode(&s, state_version_make(call->as_of_ms, hash64(c->id.p, c->id.n)), bytes, e);
    if (rc)
        return rc;
    c->blob = arena_str(arena, (struct str){(const char *)bytes->p, bytes->n});
    return c->blob.p ? 0 : error_set(e, ERR_NOSPACE, "the customers do not fit the memory");
}

static int apply_all(struct workload_customers *c, const struct policy *p, const struct workload_calls *calls,
                     struct arena *arena, struct error *e)
{
    struct arena scratch;
    struct buf bytes;
    int rc = 0;
    arena_init(&scratch, LINE_MEMORY_MAX);
    buf_init(&bytes, STATE_BLOB_MAX);
    for (size_t i = 0; i < calls->count && !rc; i++) {
        uint32_t *slot = slot_of(c, calls->items[i].customer);
        if (!*slot) {
            c->items[c->count].id = calls->items[i].customer;
            *slot = (uint32_t)++c->count;
        }
        struct customer *customer = &c->items[*slot - 1];
        rc = commit(&calls->items[i], p, customer, &scratch, &bytes, arena, e);
        if (rc)
            error_prefix(e, "customer %.*s", STR_ARG(customer->id));
    }
    buf_free(&bytes);
    arena_free(&scratch);
    return rc;
}

int workload_customers_make(struct workload_customers **out, const struct policy *p,
                            const struct workload_calls *calls, struct arena *arena, struct error *e)
{
    struct workload_customers *c = calloc(1, sizeof *c);
    size_t size = 16;
    while (size < 2 * calls->count)
        size *= 2;
    if (c) {
        c->mask = size - 1;
        c->slots = calloc(size, sizeof *c->slots);
        c->items = calloc(calls->count + 1, sizeof *c->items);
    }
    int rc = c && c->slots && c->items ? apply_all(c, p, calls, arena, e)
                                       : error_set(e, ERR_NOSPACE, "the customers do not fit the memory");
    if (rc)
        workload_customers_free(&c);
    else
        *out = c;
    return rc;
}

void workload_customers_free(struct workload_customers **c)
{
    if (!*c)
        return;
    free((*c)->slots);
    free((*c)->items);
    free(*c);
    *c = NULL;
}

size_t workload_customers_count(const struct workload_customers *c)
{
    return c->count;
}

struct str workload_customers_blob(const struct workload_customers *c, size_t index)
{
    ASSERT(index < c->count);
    return c->items[index].blob;
}

struct str workload_customers_find(const struct workload_customers *c, struct str customer)
{
    uint32_t at = *slot_of(c, customer);
    return at ? c->items[at - 1].blob : (struct str){0};
}
