/* Forgetting and expiry at their edges, in virtual time: what two servers know at once and a moment later, what is refused and
 * what lifts it, a log that cannot be written, states that cannot be read or are of a later version, states and tombstones past
 * their time that are still there. tests/sim/forget_test.c has the races.
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit/server/calls.h"
#include "state/codec.h"
#include "tact/v1/log.pb-c.h"
#include "tact/v1/outcomes.pb-c.h"

#define DAY_US (INT64_C(86400) * 1000000)
enum { TOMBSTONE = STATE_HEAD + 2 + 6 };

static const struct sim_options network = {.delay_min_us = 50, .delay_max_us = 100};

static int setup(void **state)
{
    (void)state;
    sim_world_start(&world, 7, &network, zones, SOURCE_DIR "/tests/cases/policies/forget", 2);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    sim_world_stop(&world);
    return 0;
}

/* ---- calls ---- */

static struct reply call_on(int server, enum op_kind kind, const void *m)
{
    struct reply r;
    submit(server, kind, m, &r);
    run_until_done(&r);
    return r;
}

static struct reply note_of(int server, const char *customer, const char *event_id)
{
    Tact__V1__Signal s = TACT__V1__SIGNAL__INIT, *list = &s;
    Tact__V1__SignalRequest m = TACT__V1__SIGNAL_REQUEST__INIT;
    s.event_id = (char *)event_id;
    s.name = (char *)"note";
    m.customer_id = (char *)customer;
    m.signals = &list;
    m.n_signals = 1;
    return call_on(server, OP_SIGNAL, &m);
}

static struct reply note(int server, const char *event_id)
{
    return note_of(server, "mina", event_id);
}

static struct reply upsert(int server, const char *name, bool granted, int64_t time_ms)
{
    Tact__V1__Consent c = TACT__V1__CONSENT__INIT, *list = &c;
    Tact__V1__Value v = TACT__V1__VALUE__INIT;
    Tact__V1__UpsertRequest__ProfileEntry p = TACT__V1__UPSERT_REQUEST__PROFILE_ENTRY__INIT, *profile = &p;
    Tact__V1__UpsertRequest m = TACT__V1__UPSERT_REQUEST__INIT;
    v.kind_case = TACT__V1__VALUE__KIND_STRING_VALUE;
    v.string_value = (char *)name;
    p.key = (char *)"name";
    p.value = &v;
    m.customer_id = (char *)"mina";
    m.profile = &profile;
    m.n_profile = name ? 1 : 0;
    c.channel = (char *)"email";
    c.purpose = (char *)"promotional";
    c.granted = granted;
    c.time_ms = time_ms;
    m.consents = &list;
    m.n_consents = time_ms ? 1 : 0;
    return call_on(server, OP_UPSERT, &m);
}

static struct reply forget(int server)
{
    Tact__V1__ForgetRequest m = TACT__V1__FORGET_REQUEST__INIT;
    m.customer_id = (char *)"mina";
    return call_on(server, OP_FORGET, &m);
}

/* When mina was forgotten, as a call that must succeed says; repeated: whether that was before. */
static int64_t forgotten(int server, bool repeated)
{
    struct reply r = forget(server);
    assert_int_equal(r.status, GRPC_OK);
    Tact__V1__ForgetResponse *f = tact__v1__forget_response__unpack(NULL, r.n, r.bytes);
    assert_non_null(f);
    int64_t at = f->forgotten_ms;
    assert_int_equal(f->repeated_before, repeated);
    tact__v1__forget_response__free_unpacked(f, NULL);
    return at;
}

static bool found(int server)
{
    Tact__V1__GetRequest m = TACT__V1__GET_REQUEST__INIT;
    m.customer_id = (char *)"mina";
    struct reply r = call_on(server, OP_GET, &m);
    assert_int_equal(r.status, GRPC_OK);
    Tact__V1__GetResponse *g = tact__v1__get_response__unpack(NULL, r.n, r.bytes);
    assert_non_null(g);
    bool yes = g->found;
    tact__v1__get_response__free_unpacked(g, NULL);
    return yes;
}

/* The cause of an e-mail's suppression, or -1 when there is something to say; action: what that is (NULL: not looked at). */
static int asked(int server, int mode, const char *request_id, const char *action)
{
    Tact__V1__DecideRequest m = decide_request(request_id, "email", mode);
    struct reply r = call_on(server, OP_DECIDE, &m);
    Tact__V1__DecideResponse *d = decided(&r);
    int cause = d->decision->n_choices ? -1 : (int)d->decision->suppression->cause;
    if (action && cause == -1)
        assert_string_equal(d->decision->choices[0]->action_id, action);
    tact__v1__decide_response__free_unpacked(d, NULL);
    return cause;
}

static void check_refused(struct reply r)
{
    assert_int_equal(r.status, GRPC_FAILED_PRECONDITION);
    assert_non_null(strstr(r.text, "the customer was forgotten at 2025-01-15T"));
    assert_non_null(strstr(r.text, "until an Upsert grants a consent that was given after that"));
}

/* Writes bytes in the place of mina's state, as somebody else; the servers hear of it. */
static void put_state(struct str bytes)
{
    sim_put(world.sim, "tact:{mina}:s", bytes);
    sim_run_until(world.sim, sim_now(world.sim) + 1000);
}

/* ---- tests ---- */

/* The server that forgot knows nothing at once; the other when it asks, or when the store's word has come. */
static void both_servers_forget(void **state)
{
    (void)state;
    assert_int_equal(upsert(0, "Mina", true, SIM_EPOCH_MS).status, GRPC_OK);
    assert_int_equal(asked(0, TACT__V1__MODE__RESERVE, "r0", "offer"), -1);
    for (int server = 0; server < 2; server++)
        assert_int_equal(asked(server, TACT__V1__MODE__PEEK, "", "offer"), -1); /* in both near caches */
    forgotten(0, false);
    assert_int_equal(sim_key_count(world.sim), 1); /* the kept reservation is gone too */
    assert_int_equal(sim_get(world.sim, "tact:{mina}:s").n, TOMBSTONE);
    uint64_t calls = sim_stats(world.sim).calls;
    assert_int_equal(asked(0, TACT__V1__MODE__PEEK, "", "notice"), -1); /* what they wait for, as advice */
    assert_true(sim_stats(world.sim).calls == calls);                   /* from its cache */
    assert_int_equal(asked(1, TACT__V1__MODE__FRESH, "", "notice"), -1);
    sim_run_until(world.sim, sim_now(world.sim) + 200);
    assert_int_equal(asked(1, TACT__V1__MODE__PEEK, "", "notice"), -1);
    assert_int_equal(asked(1, TACT__V1__MODE__RESERVE, "r1", NULL), TACT__V1__SUPPRESSION__CAUSE__FORGOTTEN);
    assert_int_equal(asked(1, TACT__V1__MODE__RESERVE, "r0", NULL), TACT__V1__SUPPRESSION__CAUSE__FORGOTTEN);
    assert_false(found(0) || found(1));
    assert_int_equal(sim_key_count(world.sim), 1);
}

/* Whatever would be kept is refused, also by the server whose cache does not know yet; only a new consent lifts it. */
static void nothing_is_taken_until_a_consent(void **state)
{
    (void)state;
    assert_int_equal(note(1, "e0").status, GRPC_OK);
    int64_t at_ms = forgotten(0, false);
    check_refused(note(1, "e1"));
    check_refused(note(0, "e1"));
    check_refused(upsert(1, "Mina", false, 0));
    check_refused(upsert(1, "Mina", false, at_ms + 1));
    check_refused(upsert(1, "Mina", true, at_ms));
    Tact__V1__RecordContactRequest k = TACT__V1__RECORD_CONTACT_REQUEST__INIT;
    k.customer_id = (char *)"mina";
    k.contact_id = (char *)"k1";
    k.channel = (char *)"email";
    check_refused(call_on(1, OP_CONTACT, &k));
    Tact__V1__RecordRequest o = TACT__V1__RECORD_REQUEST__INIT;
    o.customer_id = (char *)"mina";
    o.outcome_id = (char *)"o1";
    o.decision_id = (char *)"00112233445566778899aabbccddeeff";
    o.kind = TACT__V1__RECORD_REQUEST__KIND__SENT;
    check_refused(call_on(1, OP_RECORD, &o));
    Tact__V1__Signal s = TACT__V1__SIGNAL__INIT, *list = &s;
    s.event_id = (char *)"e2";
    s.name = (char *)"note";
    Tact__V1__DecideRequest d = decide_request("", "web", TACT__V1__MODE__PEEK);
    d.signals = &list;
    d.n_signals = 1;
    check_refused(call_on(1, OP_DECIDE, &d));
    assert_true(forgotten(1, true) == at_ms);
    assert_int_equal(sim_key_count(world.sim), 1);

    sim_run_until(world.sim, sim_now(world.sim) + 1000000);
    assert_int_equal(asked(0, TACT__V1__MODE__PEEK, "", "notice"),
                     -1); /* server 0 has the tombstone in its cache */
    assert_int_equal(upsert(1, NULL, true, at_ms + 1).status, GRPC_OK);
    assert_int_equal(note(0, "e0").status, GRPC_OK); /* told of it or not */
    assert_true(found(0) && found(1));
    assert_int_equal(asked(0, TACT__V1__MODE__RESERVE, "r2", "offer"), -1);
    assert_true(forgotten(0, false) > at_ms);
    assert_int_equal(sim_key_count(world.sim), 1);
}

static struct {
    int forgets, writes;
} logged;

static void count_forgets(struct str record)
{
    Tact__V1__LogRecord *r = tact__v1__log_record__unpack(NULL, record.n, (const uint8_t *)record.p);
    assert_non_null(r);
    assert_int_equal(r->record_case, TACT__V1__LOG_RECORD__RECORD_FORGET);
    assert_string_equal(r->forget->customer_id, "mina");
    assert_string_equal(r->forget->request_id, "");
    assert_null(r->stage_change);
    logged.forgets++;
    logged.writes += r->forget->new_version != 0;
    tact__v1__log_record__free_unpacked(r, NULL);
}

/* Acknowledged only with the log; what is tried again is known by the tombstone and logged once more. */
static void forgetting_needs_the_log(void **state)
{
    (void)state;
    assert_int_equal(note(0, "e0").status, GRPC_OK);
    world.log_sick = true;
    assert_int_equal(forget(0).status, GRPC_UNAVAILABLE);
    assert_true(found(0));
    world.log_sick = false;
    world.log_status = ERR_IO;
    world.on_record = count_forgets;
    logged.forgets = logged.writes = 0;
    assert_int_equal(forget(0).status, GRPC_UNAVAILABLE);
    world.log_status = 0;
    forgotten(1, true);
    assert_true(logged.forgets == 2 && logged.writes == 1);
}

/* Bytes that cannot be read are erased with what was set aside before; those of a later version only by its servers. */
static void what_cannot_be_read_is_forgotten(void **state)
{
    (void)state;
    char bytes[64];
    for (int round = 0; round < 2; round++) {
        assert_int_equal(upsert(0, "Mina", true, sim_wall_ms(&world)).status, GRPC_OK);
        struct str blob = sim_get(world.sim, "tact:{mina}:s");
        size_t n = round ? 5 : blob.n - 3;
        assert_in_range(blob.n, 30, sizeof bytes);
        memcpy(bytes, blob.p, blob.n);
        put_state((struct str){bytes, n});
        assert_int_equal(note(0, "e0").status, GRPC_OK);
        assert_int_equal(sim_key_count(world.sim), 2);
        put_state((struct str){bytes, n});
        forgotten(1, false);
        assert_int_equal(sim_key_count(world.sim), 1);
        assert_int_equal(sim_get(world.sim, "tact:{mina}:s").n, TOMBSTONE);
        sim_run_until(world.sim, sim_now(world.sim) + 1000000);
    }
    assert_int_equal(upsert(0, "Mina", true, sim_wall_ms(&world)).status, GRPC_OK);
    struct str blob = sim_get(world.sim, "tact:{mina}:s");
    memcpy(bytes, blob.p, blob.n);
    bytes[0] = STATE_FORMAT + 1;
    put_state((struct str){bytes, blob.n});
    struct reply r = forget(0);
    assert_int_equal(r.status, GRPC_UNAVAILABLE);
    assert_non_null(strstr(r.text, "this version of the server reads up to"));
    blob = sim_get(world.sim, "tact:{mina}:s");
    assert_memory_equal(blob.p, bytes, blob.n);
}

/* A decision is kept beside bytes that cannot be read as long as it can be told whether they are still there. */
static void records_beside_what_cannot_be_read(void **state)
{
    (void)state;
    char bytes[64] = "\2torn and foreign";
    Tact__V1__DecideRequest m = decide_request("r1", "web", TACT__V1__MODE__PEEK);
    put_state((struct str){bytes, 17});
    for (int round = 0; round < 2; round++) {
        struct reply r = call_on(0, OP_DECIDE, &m);
        Tact__V1__DecideResponse *d = decided(&r);
        assert_int_equal(d->decision->state_tier, TACT__V1__STATE_TIER__FAIL_SAFE);
        assert_int_equal(d->meta->recorded, round);
        tact__v1__decide_response__free_unpacked(d, NULL);
        assert_int_equal(sim_key_count(world.sim), 2);
    }
    forgotten(0, false);
    assert_int_equal(upsert(0, NULL, true, sim_wall_ms(&world) + 1000).status, GRPC_OK);
    put_state((struct str){bytes, 4});
    for (int round = 0; round < 2; round++) {
        struct reply r = call_on(0, OP_DECIDE, &m);
        Tact__V1__DecideResponse *d = decided(&r);
        assert_int_equal(d->meta->recorded, false);
        tact__v1__decide_response__free_unpacked(d, NULL);
        assert_int_equal(sim_key_count(world.sim), 1);
    }
}

static struct reply merge(int server, const char *from, const char *to)
{
    Tact__V1__MergeRequest m = TACT__V1__MERGE_REQUEST__INIT;
    m.from = (char *)from;
    m.to = (char *)to;
    return call_on(server, OP_MERGE, &m);
}

/* Two ids with a kept decision and bytes set aside each, which become mina; the other two keys are where they lead. */
static void make_merged(void)
{
    static const char *const ids[] = {"phone-1", "laptop"};
    for (int i = 0; i < 2; i++) {
        char key[32];
        Tact__V1__DecideRequest d = decide_request("r1", "web", TACT__V1__MODE__PEEK);
        snprintf(key, sizeof key, "tact:{%s}:s", ids[i]);
        d.customer_id = (char *)ids[i];
        sim_put(world.sim, key, STR("\2 torn"));
        assert_int_equal(note_of(0, ids[i], "e1").status, GRPC_OK);
        assert_int_equal(call_on(0, OP_DECIDE, &d).status, GRPC_OK);
    }
    assert_int_equal(note(0, "e2").status, GRPC_OK);
    assert_int_equal(merge(0, "phone-1", "laptop").status, GRPC_OK);
    assert_int_equal(merge(0, "laptop", "mina").status, GRPC_OK);
    assert_int_equal(sim_key_count(world.sim), 7);
}

static void check_merged_gone(void)
{
    assert_int_equal(sim_key_count(world.sim), 3);
    assert_int_equal(sim_get(world.sim, "tact:{mina}:s").n, TOMBSTONE);
    assert_true(sim_get(world.sim, "tact:{phone-1}:s").n < 40 && sim_get(world.sim, "tact:{laptop}:s").n < 40);
}

/* Whichever id they are forgotten by, nothing is left under any of them but where it leads; all are refused, and begin anew. */
static void all_ids_are_forgotten(void **state)
{
    (void)state;
    make_merged();
    Tact__V1__ExportRequest x = TACT__V1__EXPORT_REQUEST__INIT;
    x.customer_id = (char *)"phone-1";
    struct reply r = call_on(1, OP_EXPORT, &x);
    assert_int_equal(r.status, GRPC_OK);
    Tact__V1__ExportResponse *e = tact__v1__export_response__unpack(NULL, r.n, r.bytes);
    assert_non_null(e);
    assert_non_null(strstr(e->json, "{\"customer_id\":\"mina\""));
    assert_non_null(strstr(e->json, "\"id\":\"phone-1\""));
    assert_non_null(strstr(e->json, "\"id\":\"laptop\""));
    int decisions = 0, aside = 0;
    for (const char *at = e->json; (at = strstr(at, "\"mode\":\"PEEK\"")); at++)
        decisions++;
    for (const char *at = e->json; (at = strstr(at, "\"sha1\":")); at++)
        aside++;
    assert_true(decisions == 2 && aside == 2);
    tact__v1__export_response__free_unpacked(e, NULL);

    Tact__V1__ForgetRequest f = TACT__V1__FORGET_REQUEST__INIT;
    f.customer_id = (char *)"phone-1";
    assert_int_equal(call_on(1, OP_FORGET, &f).status, GRPC_OK);
    check_merged_gone();
    check_refused(note_of(0, "phone-1", "e3"));
    check_refused(note_of(0, "laptop", "e3"));
    check_refused(note_of(0, "mina", "e3"));
    assert_int_equal(note_of(0, "other", "e1").status, GRPC_OK);
    r = merge(0, "other", "laptop");
    assert_int_equal(r.status, GRPC_FAILED_PRECONDITION);
    assert_non_null(strstr(r.text, "to: the customer was forgotten at 2025-01-15T"));
    r = merge(0, "laptop", "other");
    assert_int_equal(r.status, GRPC_FAILED_PRECONDITION);
    assert_non_null(strstr(r.text, "from: the customer was forgotten at"));
    assert_int_equal(merge(0, "laptop", "phone-1").status, GRPC_OK); /* they are one, and stay so */
    sim_run_until(world.sim, sim_now(world.sim) + 1000000);
    assert_int_equal(upsert(0, NULL, true, sim_wall_ms(&world)).status, GRPC_OK);
    assert_int_equal(note_of(1, "phone-1", "e3").status, GRPC_OK);
    assert_int_equal(merge(0, "other", "laptop").status, GRPC_OK);
}

/* What a server has left that was killed after the first write of a merge of laptop into mina. */
static void begin_merge(void)
{
    struct arena arena;
    struct state s;
    struct error e;
    struct buf b;
    arena_init(&arena, 1 << 20);
    buf_init(&b, STATE_BLOB_MAX);
    const struct schema *schema = &worker_snapshot(world.servers[0].worker)->policy->schema;
    assert_int_equal(state_decode(&s, schema, sim_get(world.sim, "tact:{laptop}:s"), &arena, &e), 0);
    s.redirect = (struct redirect){STR("mina"), 7, true};
    assert_int_equal(state_encode(&s, s.version + 1, &b, &e), 0);
    sim_put(world.sim, "tact:{laptop}:s", (struct str){(const char *)b.p, b.n});
    sim_run_until(world.sim, sim_now(world.sim) + 1000);
    buf_free(&b);
    arena_free(&arena);
}

/* A merge into mina was begun, and its server killed, before mina was forgotten: who ends it leaves nothing of that id either. */
static void what_was_being_merged_is_forgotten(void **state)
{
    (void)state;
    sim_put(world.sim, "tact:{laptop}:s", STR("\2 torn"));
    assert_int_equal(note_of(0, "laptop", "e1").status, GRPC_OK);
    Tact__V1__DecideRequest d = decide_request("r1", "web", TACT__V1__MODE__PEEK);
    d.customer_id = (char *)"laptop";
    assert_int_equal(call_on(0, OP_DECIDE, &d).status, GRPC_OK);
    begin_merge();
    assert_int_equal(note(0, "e2").status, GRPC_OK);
    forgotten(0, false);
    assert_int_equal(sim_key_count(world.sim), 4); /* both states, a decision, bytes set aside */
    check_refused(note_of(1, "laptop", "e3"));
    assert_int_equal(sim_key_count(world.sim), 2);
    assert_int_equal(sim_get(world.sim, "tact:{mina}:s").n, TOMBSTONE);
    assert_true(sim_get(world.sim, "tact:{laptop}:s").n < 40);
}

/* The server may be killed after any step: who asks again finds all that is left. */
static void forgetting_is_taken_up_again(void **state)
{
    (void)state;
    int unfinished = 0;
    for (int steps = 0; steps < 60; steps++) {
        if (steps) {
            sim_world_stop(&world);
            sim_world_start(&world, (uint64_t)steps, &network, zones, SOURCE_DIR "/tests/cases/policies/forget", 2);
        }
        make_merged();
        struct reply never;
        Tact__V1__ForgetRequest f = TACT__V1__FORGET_REQUEST__INIT;
        f.customer_id = (char *)"laptop";
        submit(1, OP_FORGET, &f.base, &never);
        for (int i = 0; i < steps && !never.done; i++)
            sim_step(world.sim);
        if (never.done)
            break;
        sim_server_kill(&world, 1);
        sim_run_until(world.sim, sim_now(world.sim) + 1000000);
        size_t keys = sim_key_count(world.sim);
        unfinished += keys > 3 && keys < 7;
        assert_int_equal(call_on(0, OP_FORGET, &f).status, GRPC_OK);
        check_merged_gone();
    }
    assert_true(unfinished > 2);
}

/* Server 1 with a policy that keeps nobody longer than 30 days. */
static void make_brief(void)
{
    sim_server_kill(&world, 1);
    world.policy_folders[1] = SOURCE_DIR "/tests/cases/policies/brief";
    sim_server_start(&world, 1);
    sim_run_until(world.sim, sim_now(world.sim) + 1000);
}

/* A state past the policy's time that is still there, by another policy's word, is as good as gone. */
static void an_old_state_is_absent(void **state)
{
    (void)state;
    make_brief();
    assert_int_equal(upsert(0, "Mina", false, SIM_EPOCH_MS).status, GRPC_OK); /* a consent withdrawn */
    int64_t written_us = sim_now(world.sim);
    assert_int_equal(note(0, "e1").status, GRPC_OK);
    sim_run_until(world.sim, written_us + 30 * DAY_US - 1000000);
    assert_true(found(0) && found(1));
    assert_int_equal(asked(1, TACT__V1__MODE__PEEK, "", "offer"), -1); /* in its cache */
    sim_run_until(world.sim, written_us + 30 * DAY_US + 1000000);
    assert_true(found(0) && !found(1));
    assert_int_equal(asked(1, TACT__V1__MODE__PEEK, "", "offer"), -1); /* as of somebody never seen */
    assert_int_equal(note(1, "e2").status, GRPC_OK);
    struct arena arena;
    struct state s;
    struct error e;
    arena_init(&arena, 1 << 20);
    const struct schema *schema = &worker_snapshot(world.servers[0].worker)->policy->schema;
    assert_int_equal(state_decode(&s, schema, sim_get(world.sim, "tact:{mina}:s"), &arena, &e), 0);
    assert_true(s.exists && s.seen_count == 1 && s.consent_count == 0 &&
                s.attributes[0].type == VALUE_UNKNOWN);
    arena_free(&arena);
    sim_run_until(world.sim, sim_now(world.sim) + 29 * DAY_US);
    assert_int_equal(note(1, "e3").status, GRPC_OK); /* each write says anew */
    sim_run_until(world.sim, sim_now(world.sim) + 29 * DAY_US);
    assert_true(found(1));
    sim_run_until(world.sim, sim_now(world.sim) + DAY_US + 1000000);
    assert_int_equal(sim_key_count(world.sim), 0); /* the store let it go */
}

/* An id that was merged leads on however long only the other was written. */
static void where_ids_lead_has_no_end(void **state)
{
    (void)state;
    make_brief();
    assert_int_equal(note_of(1, "phone-1", "e1").status, GRPC_OK);
    assert_int_equal(note(1, "e1").status, GRPC_OK);
    assert_int_equal(merge(1, "phone-1", "mina").status, GRPC_OK);
    for (int days = 0; days < 60; days += 20) {
        char id[16];
        sim_run_until(world.sim, sim_now(world.sim) + 20 * DAY_US);
        snprintf(id, sizeof id, "later-%d", days);
        assert_int_equal(note(1, id).status, GRPC_OK);
    }
    assert_int_equal(note_of(1, "phone-1", "e2").status, GRPC_OK);
    assert_int_equal(sim_key_count(world.sim), 2);
    sim_run_until(world.sim, sim_now(world.sim) + 31 * DAY_US);
    assert_int_equal(sim_key_count(world.sim), 1);
    assert_false(found(1));
}

/* A merge that nobody ended in that time brings nothing of before, and is itself kept no longer. */
static void a_merge_under_way_ages(void **state)
{
    (void)state;
    struct arena arena;
    struct state s;
    struct error e;
    arena_init(&arena, 1 << 20);
    make_brief();
    assert_int_equal(note_of(1, "laptop", "e1").status, GRPC_OK);
    begin_merge(); /* by a policy that keeps it for good */
    sim_run_until(world.sim, sim_now(world.sim) + 31 * DAY_US);
    assert_int_equal(note_of(1, "laptop", "e2").status, GRPC_OK);
    const struct policy *p = worker_snapshot(world.servers[1].worker)->policy;
    assert_int_equal(state_decode(&s, &p->schema, sim_get(world.sim, "tact:{mina}:s"), &arena, &e), 0);
    assert_int_equal(s.seen_count, 1);
    assert_int_equal(s.identity_count, 1);
    s.redirect = (struct redirect){STR("other"), 8, true};
    assert_true(policy_keeps_ms(p, &s) == INT64_C(30) * 86400000);
    s.redirect.under_way = false;
    assert_true(policy_keeps_ms(p, &s) == 0);
    arena_free(&arena);
}

/* That somebody was forgotten is remembered longer than anything else. */
static void tombstones_stay_longer(void **state)
{
    (void)state;
    make_brief();
    assert_int_equal(note(1, "e1").status, GRPC_OK);
    forgotten(1, false);
    sim_run_until(world.sim, sim_now(world.sim) + 399 * DAY_US);
    struct reply r = note(1, "e2");
    assert_int_equal(r.status, GRPC_FAILED_PRECONDITION);
    sim_run_until(world.sim, sim_now(world.sim) + 2 * DAY_US);
    assert_int_equal(sim_key_count(world.sim), 0);
    assert_int_equal(note(1, "e3").status, GRPC_OK);
    sim_run_until(world.sim, sim_now(world.sim) + 1000000);
    forgotten(0, false); /* by a policy that keeps it for good */
    sim_run_until(world.sim, sim_now(world.sim) + 399 * DAY_US);
    assert_int_equal(note(1, "e4").status, GRPC_FAILED_PRECONDITION);
    sim_run_until(world.sim, sim_now(world.sim) + 2 * DAY_US);
    assert_int_equal(note(0, "e4").status, GRPC_FAILED_PRECONDITION);
    assert_int_equal(note(1, "e4").status, GRPC_OK);
}

int main(void)
{
    struct error e;
    if (tzdb_load(&zones, NULL, &e))
        return 1;
#define EACH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        EACH(both_servers_forget),
        EACH(nothing_is_taken_until_a_consent),
        EACH(forgetting_needs_the_log),
        EACH(what_cannot_be_read_is_forgotten),
        EACH(records_beside_what_cannot_be_read),
        EACH(all_ids_are_forgotten),
        EACH(what_was_being_merged_is_forgotten),
        EACH(forgetting_is_taken_up_again),
        EACH(an_old_state_is_absent),
        EACH(where_ids_lead_has_no_end),
        EACH(a_merge_under_way_ages),
        EACH(tombstones_stay_longer),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    tzdb_free(&zones);
    return failed;
}
