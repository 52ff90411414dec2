/* The first byte picks a request's type, the rest are its bytes, as they come from a client. What passes the checks is
 * applied to a customer, decided, written; every refusal says why, in well-formed UTF-8.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fuzz_policy.h"
#include "decide/apply.h"
#include "decide/decision_wire.h"
#include "decide/outcome_wire.h"
#include "decide/request_wire.h"
#include "net/proto_check.h"

enum { KINDS = 4 };

static struct arena arena;

static void refused(int rc, const struct error *e)
{
    ASSERT(rc == ERR_INVALID || rc == ERR_NOSPACE || rc == ERR_NOTFOUND);
    ASSERT(e->text[0]);
}

static void decided(const Tact__V1__DecideRequest *m, struct state *s, struct error *e)
{
    struct decide_request r;
    struct decision d;
    struct str bytes;
    int rc = request_decide(m, fuzz_policy(), FUZZ_NOW, &arena, &r, e);
    if (rc) {
        refused(rc, e);
        return;
    }
    ASSERT(r.max_actions >= 1 && r.customer.n >= 1 && r.customer.n <= DECIDE_CUSTOMER_MAX);
    ASSERT(apply_signals(fuzz_policy(), s, r.signals, r.signal_count, FUZZ_NOW, NULL) >= 0);
    struct decide_input in = {
        .policy = fuzz_policy(), .world_id = "", .state = s, .request = &r, .now_ms = FUZZ_NOW};
    ASSERT(decide(&in, &arena, &d, e) == 0);
    ASSERT(decision_encode(&d, &arena, &bytes, e) == 0);
    struct proto_limits limits = {.depth_max = 8, .decoded_max = 8 << 20};
    ASSERT(proto_check(&tact__v1__decision__descriptor, bytes, &limits, e) == 0);
    if (r.mode == MODE_RESERVE)
        ASSERT(decision_reserve(&d, s, e) == 0);
}

static void signalled(const Tact__V1__SignalRequest *m, struct state *s, struct error *e)
{
    struct signal_batch b;
    int rc = request_signals(m, fuzz_policy(), FUZZ_NOW, &arena, &b, e);
    if (rc) {
        refused(rc, e);
        return;
    }
    ASSERT(b.count + b.rejected_count == m->n_signals);
    ASSERT(apply_signals(fuzz_policy(), s, b.signals, b.count, FUZZ_NOW, e) >= 0);
}

static void upserted(const Tact__V1__UpsertRequest *m, struct state *s, struct error *e)
{
    struct upsert u;
    int rc = request_upsert(m, fuzz_policy(), FUZZ_NOW, &arena, &u, e);
    if (!rc)
        rc = upsert_apply(&u, s, FUZZ_NOW, e);
    if (rc)
        refused(rc, e);
}

/* The server has checked kind, value and time before, and resolved the names. */
static void recorded(const Tact__V1__RecordRequest *m, struct state *s, struct error *e)
{
    struct str id;
    struct outcome o = {.kind = m->kind, .value = m->value, .time_ms = FUZZ_NOW};
    if (request_id("outcome_id", m->outcome_id, DECIDE_ID_MAX, &id, e) ||
        m->kind < TACT__V1__RECORD_REQUEST__KIND__SENT ||
        m->kind > TACT__V1__RECORD_REQUEST__KIND__REJECTION ||
        !(m->value >= -STATE_NUMBER_MAX && m->value <= STATE_NUMBER_MAX))
        return;
    (void)id128_parse(str_from(m->decision_id), &o.decision);
    long action = policy_action_find(fuzz_policy(), str_from(m->action_id));
    o.event = hash64(id.p, id.n);
    o.action = action >= 0 ? fuzz_policy()->actions[action].word.id : 0;
    o.channel = action >= 0 ? fuzz_policy()->channels[0].word.id : 0;
    for (int i = 0; i < 3; i++, o.event++) {
        int rc = outcome_apply(&o, fuzz_policy(), s, FUZZ_NOW, e);
        if (rc < 0)
            refused(rc, e);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const ProtobufCMessageDescriptor *const types[KINDS] = {
        &tact__v1__decide_request__descriptor, &tact__v1__signal_request__descriptor,
        &tact__v1__upsert_request__descriptor, &tact__v1__record_request__descriptor};
    if (size == 0)
        return 0;
    if (!arena.limit)
        arena_init(&arena, 64 << 20);
    arena_reset(&arena);
    int kind = data[0] % KINDS;
    struct error e = {.text = ""};
    struct state s, again;
    struct proto_limits limits = {.depth_max = 8, .decoded_max = 8 << 20};
    ProtobufCMessage *m =
        proto_decode(types[kind], (struct str){(const char *)data + 1, size - 1}, &limits, &arena, &e);
    ASSERT(state_decode(&s, &fuzz_policy()->schema, (struct str){0}, &arena, &e) == 0);
    if (!m)
        return 0;
    if (kind == 0)
        decided((const Tact__V1__DecideRequest *)m, &s, &e);
    else if (kind == 1)
        signalled((const Tact__V1__SignalRequest *)m, &s, &e);
    else if (kind == 2)
        upserted((const Tact__V1__UpsertRequest *)m, &s, &e);
    else
        recorded((const Tact__V1__RecordRequest *)m, &s, &e);
    struct buf blob;
    buf_init(&blob, STATE_BLOB_MAX);
    state_prune(&s, FUZZ_NOW);
    ASSERT(state_encode(&s, 1, &blob, &e) == 0);
    ASSERT(state_decode(&again, &fuzz_policy()->schema, (struct str){(const char *)blob.p, blob.n}, &arena,
                        &e) == 0);
    buf_free(&blob);
    return 0;
}
