/* The worker's promises at their edges, in virtual time: repeats, wrong repeats, a log that cannot be
 * written, a store that refuses or is gone, a customer that everybody changes, thousands that wait for one
 * turn, as_of, handles.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit/server/calls.h"
#include "state/codec.h"
#include "server/op.h"
#include "tact/v1/log.pb-c.h"
#include "tact/v1/outcomes.pb-c.h"

static const struct sim_options network = {.delay_min_us = 50, .delay_max_us = 100};

static int setup(void **state)
{
    (void)state;
    sim_world_start(&world, 7, &network, zones, SOURCE_DIR "/tests/cases/policies/reserve", 2);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    sim_world_stop(&world);
    return 0;
}

static void a_repeat_is_the_recorded_decision(void **state)
{
    (void)state;
    Tact__V1__DecideRequest m = decide_request("r1", "email", TACT__V1__MODE__RESERVE);
    struct reply first = call(OP_DECIDE, &m), second = call(OP_DECIDE, &m);
    Tact__V1__DecideResponse *a = decided(&first), *b = decided(&second);
    assert_false(a->meta->recorded);
    assert_true(b->meta->recorded);
    assert_string_equal(a->handles[0], b->handles[0]);
    uint8_t x[2048], y[2048];
    size_t n = tact__v1__decision__pack(a->decision, x);
    assert_int_equal(tact__v1__decision__pack(b->decision, y), n);
    assert_memory_equal(x, y, n);
    tact__v1__decide_response__free_unpacked(a, NULL);
    tact__v1__decide_response__free_unpacked(b, NULL);

    m = decide_request("r1", "web", TACT__V1__MODE__PEEK);
    first = call(OP_DECIDE, &m);
    assert_int_equal(first.status, GRPC_INVALID_ARGUMENT);
    assert_non_null(strstr(first.text, "used before for channel email, mode RESERVE"));

    /* PEEK with a request_id is recorded too. */
    m = decide_request("r2", "web", TACT__V1__MODE__PEEK);
    first = call(OP_DECIDE, &m);
    second = call(OP_DECIDE, &m);
    b = decided(&second);
    assert_true(b->meta->recorded);
    tact__v1__decide_response__free_unpacked(b, NULL);
}

static struct reply outcome_by_handle(const char *id, int kind, const char *handle)
{
    Tact__V1__RecordRequest o;
    tact__v1__record_request__init(&o);
    o.outcome_id = (char *)id;
    o.kind = (Tact__V1__RecordRequest__Kind)kind;
    o.handle = (char *)handle;
    return call(OP_RECORD, &o);
}

/* A request that reaches two servers at once: the one that comes second is a repeat, of a booking that it had not read. */
static void a_repeat_at_the_same_time(void **state)
{
    (void)state;
    static const int modes[] = {TACT__V1__MODE__RESERVE, TACT__V1__MODE__FRESH};
    for (int round = 0; round < 20; round++) {
        char id[16];
        snprintf(id, sizeof id, "r%d", round);
        Tact__V1__DecideRequest m = decide_request(id, round ? "web" : "email", modes[round > 0]);
        struct reply replies[2];
        submit(0, OP_DECIDE, &m.base, &replies[0]);
        submit(1, OP_DECIDE, &m.base, &replies[1]);
        Tact__V1__DecideResponse *d[2];
        for (int i = 0; i < 2; i++) {
            run_until_done(&replies[i]);
            d[i] = decided(&replies[i]);
        }
        assert_int_equal(d[0]->meta->recorded + d[1]->meta->recorded, 1);
        assert_string_equal(d[0]->handles[0], d[1]->handles[0]);
        for (int i = 0; i < 2; i++)
            tact__v1__decide_response__free_unpacked(d[i], NULL);
    }
}

static void a_repeat_must_ask_the_same(void **state)
{
    (void)state;
    Tact__V1__DecideRequest m = decide_request("r1", "web", TACT__V1__MODE__PEEK);
    struct reply r = call(OP_DECIDE, &m);
    assert_int_equal(r.status, GRPC_OK);
    m.max_actions = 2;
    r = call(OP_DECIDE, &m);
    assert_int_equal(r.status, GRPC_INVALID_ARGUMENT);
    assert_non_null(strstr(r.text, "used before with other placements, locale, max_actions or signals"));
    m.max_actions = 0;
    Tact__V1__Signal signal, *list = &signal;
    tact__v1__signal__init(&signal);
    signal.event_id = (char *)"new";
    signal.name = (char *)"cart_add";
    m.signals = &list;
    m.n_signals = 1;
    r = call(OP_DECIDE, &m);
    assert_int_equal(r.status, GRPC_INVALID_ARGUMENT);
}

/* A kept reservation gives permission only while it holds its slot. */
static void a_lapsed_booking_is_no_permission(void **state)
{
    (void)state;
    Tact__V1__DecideRequest a = decide_request("a", "email", TACT__V1__MODE__RESERVE);
    Tact__V1__DecideRequest b = decide_request("b", "email", TACT__V1__MODE__RESERVE);
    struct reply r = call(OP_DECIDE, &a);
    Tact__V1__DecideResponse *first = decided(&r);
    r = call(OP_DECIDE, &b);
    Tact__V1__DecideResponse *second = decided(&r);
    r = outcome_by_handle("o1", TACT__V1__RECORD_REQUEST__KIND__SENT, second->handles[0]);
    assert_int_equal(r.status, GRPC_OK);
    sim_run_until(world.sim, sim_now(world.sim) + INT64_C(2) * 3600 * 1000000); /* confirm_within is 1 h */
    r = call(OP_DECIDE, &a);
    assert_int_equal(r.status, GRPC_ALREADY_EXISTS);
    assert_non_null(strstr(r.text, "its booking has lapsed or was given back"));
    r = call(OP_DECIDE, &b); /* confirmed */
    tact__v1__decide_response__free_unpacked(decided(&r), NULL);
    r = outcome_by_handle("o2", TACT__V1__RECORD_REQUEST__KIND__NOT_SENT, second->handles[0]);
    assert_int_equal(r.status, GRPC_INVALID_ARGUMENT);
    assert_non_null(strstr(r.text, "recorded as sent or answered before, and stays counted"));
    r = call(OP_DECIDE, &b);
    tact__v1__decide_response__free_unpacked(decided(&r), NULL);
    Tact__V1__DecideRequest c = decide_request("c", "email", TACT__V1__MODE__RESERVE);
    r = call(OP_DECIDE, &c);
    Tact__V1__DecideResponse *third = decided(&r);
    r = outcome_by_handle("o3", TACT__V1__RECORD_REQUEST__KIND__NOT_SENT, third->handles[0]);
    assert_int_equal(r.status, GRPC_OK);
    r = call(OP_DECIDE, &c);
    assert_int_equal(r.status, GRPC_ALREADY_EXISTS);
    tact__v1__decide_response__free_unpacked(third, NULL);
    tact__v1__decide_response__free_unpacked(first, NULL);
    tact__v1__decide_response__free_unpacked(second, NULL);
}

static void outcomes_fit_their_channel(void **state)
{
    (void)state;
    Tact__V1__DecideRequest m = decide_request("", "email", TACT__V1__MODE__RESERVE);
    struct reply r = call(OP_DECIDE, &m);
    Tact__V1__DecideResponse *d = decided(&r);
    r = outcome_by_handle("o1", TACT__V1__RECORD_REQUEST__KIND__IMPRESSION, d->handles[0]);
    assert_int_equal(r.status, GRPC_INVALID_ARGUMENT);
    assert_non_null(strstr(r.text, "IMPRESSION is for inbound channels; email is outbound"));
    tact__v1__decide_response__free_unpacked(d, NULL);
    m = decide_request("", "web", TACT__V1__MODE__PEEK);
    r = call(OP_DECIDE, &m);
    d = decided(&r);
    r = outcome_by_handle("o2", TACT__V1__RECORD_REQUEST__KIND__SENT, d->handles[0]);
    assert_int_equal(r.status, GRPC_INVALID_ARGUMENT);
    /* No limit counts contacts on the web: any number of impressions leaves the state small. */
    for (int i = 0; i < STATE_CONTACTS_MAX + 100; i++) {
        char id[32];
        snprintf(id, sizeof id, "i%d", i);
        r = outcome_by_handle(id, TACT__V1__RECORD_REQUEST__KIND__IMPRESSION, d->handles[0]);
        assert_int_equal(r.status, GRPC_OK);
    }
    tact__v1__decide_response__free_unpacked(d, NULL);
    m = decide_request("", "email", TACT__V1__MODE__RESERVE);
    r = call(OP_DECIDE, &m);
    assert_int_equal(r.status, GRPC_OK);
}

/* The log failed after the store had the signals: the retry is answered with the kept decision, and logs them. */
static void a_repeats_signals_reach_the_log(void **state)
{
    (void)state;
    Tact__V1__DecideRequest m = decide_request("r1", "web", TACT__V1__MODE__PEEK);
    Tact__V1__Signal signal, *list = &signal;
    tact__v1__signal__init(&signal);
    signal.event_id = (char *)"e1";
    signal.name = (char *)"cart_add";
    m.signals = &list;
    m.n_signals = 1;
    world.log_status = ERR_NOSPACE;
    struct reply r = call(OP_DECIDE, &m);
    assert_int_equal(r.status, GRPC_UNAVAILABLE);
    world.log_status = 0;
    uint64_t records = world.records;
    r = call(OP_DECIDE, &m);
    Tact__V1__DecideResponse *d = decided(&r);
    assert_true(d->meta->recorded);
    assert_int_equal(world.records, records + 1);
    tact__v1__decide_response__free_unpacked(d, NULL);
}

static void after_a_day_the_record_is_gone_but_not_the_contact(void **state)
{
    (void)state;
    Tact__V1__DecideRequest m = decide_request("r1", "email", TACT__V1__MODE__RESERVE);
    struct reply r = call(OP_DECIDE, &m);
    Tact__V1__DecideResponse *d = decided(&r);
    Tact__V1__RecordRequest o;
    tact__v1__record_request__init(&o);
    o.outcome_id = (char *)"o1";
    o.kind = TACT__V1__RECORD_REQUEST__KIND__SENT;
    o.handle = d->handles[0];
    r = call(OP_RECORD, &o);
    assert_int_equal(r.status, GRPC_OK);
    tact__v1__decide_response__free_unpacked(d, NULL);
    sim_run_until(world.sim, sim_now(world.sim) + INT64_C(25) * 3600 * 1000000);
    r = call(OP_DECIDE, &m);
    assert_int_equal(r.status, GRPC_ALREADY_EXISTS);
    assert_non_null(strstr(r.text, "more than 24 h ago"));
}

static void signals_need_the_log_decisions_do_not(void **state)
{
    (void)state;
    world.log_status = ERR_NOSPACE;
    struct reply r = signal_once("e1");
    assert_int_equal(r.status, GRPC_UNAVAILABLE);
    Tact__V1__DecideRequest m = decide_request("r1", "email", TACT__V1__MODE__RESERVE);
    r = call(OP_DECIDE, &m);
    assert_int_equal(r.status, GRPC_OK);
    assert_int_equal(worker_stats(world.servers[0].worker)->unlogged, 1);
    world.log_sick = true; /* known by now: nothing is even tried */
    r = signal_once("e2");
    assert_int_equal(r.status, GRPC_UNAVAILABLE);
    assert_non_null(strstr(r.text, "disk full"));
    world.log_status = 0;
    world.log_sick = false;
    uint64_t records = world.records;
    r = signal_once("e1"); /* it had reached the store: acknowledged as a repeat, and now in the log */
    assert_int_equal(r.status, GRPC_OK);
    Tact__V1__SignalResponse *s = tact__v1__signal_response__unpack(NULL, r.n, r.bytes);
    assert_int_equal(s->repeats, 1);
    tact__v1__signal_response__free_unpacked(s, NULL);
    assert_int_equal(world.records, records + 1);
}

static int tier_of(const struct reply *r)
{
    Tact__V1__DecideResponse *d = decided(r);
    int tier = d->decision->state_tier;
    tact__v1__decide_response__free_unpacked(d, NULL);
    return tier;
}

/* Without the store, what only reads is answered as well as can be, and says so; what must write is not. */
static void a_store_that_refuses_or_is_gone(void **state)
{
    (void)state;
    sim_refuse_writes(world.sim, "OOM command not allowed when used memory > 'maxmemory'");
    struct reply r = signal_once("e1");
    assert_int_equal(r.status, GRPC_UNAVAILABLE);
    assert_non_null(strstr(r.text, "OOM"));
    Tact__V1__DecideRequest m = decide_request("", "web", TACT__V1__MODE__PEEK), booked = decide_request("r", "email", TACT__V1__MODE__RESERVE);
    r = call(OP_DECIDE, &m); /* reads still work */
    assert_int_equal(tier_of(&r), TACT__V1__STATE_TIER__CURRENT);
    sim_refuse_writes(world.sim, NULL);
    sim_set_up(world.sim, world.servers[0].conn, false);
    sim_run_until(world.sim, sim_now(world.sim)); /* it is heard of */
    r = call(OP_DECIDE, &m);
    assert_int_equal(tier_of(&r), TACT__V1__STATE_TIER__UNVERIFIED);
    m.mode = TACT__V1__MODE__FRESH;
    r = call(OP_DECIDE, &m);
    assert_int_equal(tier_of(&r), TACT__V1__STATE_TIER__FAIL_SAFE);
    m.mode = TACT__V1__MODE__PEEK;
    m.customer_id = (char *)"never seen here";
    r = call(OP_DECIDE, &m);
    assert_int_equal(tier_of(&r), TACT__V1__STATE_TIER__FAIL_SAFE);
    m.customer_id = (char *)"mina";
    r = call(OP_DECIDE, &booked);
    assert_int_equal(r.status, GRPC_UNAVAILABLE);
    m.request_id = (char *)"recorded";
    r = call(OP_DECIDE, &m);
    assert_int_equal(r.status, GRPC_UNAVAILABLE);
    m.request_id = (char *)"";
    r = signal_once("e1");
    assert_int_equal(r.status, GRPC_UNAVAILABLE);
    sim_run_until(world.sim, sim_now(world.sim) + 60000001);
    r = call(OP_DECIDE, &m);
    assert_int_equal(tier_of(&r), TACT__V1__STATE_TIER__FAIL_SAFE);
    const struct worker_stats *stats = worker_stats(world.servers[0].worker);
    assert_int_equal(stats->unverified, 1);
    assert_int_equal(stats->fail_safe, 3);
    sim_set_up(world.sim, world.servers[0].conn, true);
    r = call(OP_DECIDE, &m);
    assert_int_equal(tier_of(&r), TACT__V1__STATE_TIER__CURRENT);
    r = signal_once("e1");
    assert_int_equal(r.status, GRPC_OK);
}

static uint64_t decided_on; /* version of the state */

static void keep_state_version(struct str record)
{
    Tact__V1__LogRecord *r = tact__v1__log_record__unpack(NULL, record.n, (const uint8_t *)record.p);
    assert_non_null(r);
    if (r->record_case == TACT__V1__LOG_RECORD__RECORD_DECISION)
        decided_on = state_version((struct str){(const char *)r->decision->state.data, r->decision->state.len});
    tact__v1__log_record__free_unpacked(r, NULL);
}

static uint64_t peeked(int server, int mode)
{
    Tact__V1__DecideRequest m = decide_request("", "web", mode);
    struct reply r;
    submit(server, OP_DECIDE, &m.base, &r);
    run_until_done(&r);
    assert_int_equal(r.status, GRPC_OK);
    return decided_on;
}

/* What a server acknowledged its next decision sees; another's sees it when it asks, or when the store's word has come. */
static void read_your_writes(void **state)
{
    (void)state;
    world.on_record = keep_state_version;
    uint64_t stale = 0, calls = 0;
    for (int i = 0; i < 500; i++) {
        char id[16];
        snprintf(id, sizeof id, "e%d", i);
        peeked(0, TACT__V1__MODE__PEEK);
        peeked(1, TACT__V1__MODE__PEEK); /* both have it now */
        struct reply r = signal_once(id);
        assert_int_equal(r.status, GRPC_OK);
        uint64_t version = state_version(sim_get(world.sim, "tact:{mina}:s"));
        calls -= sim_stats(world.sim).calls;
        assert_true(peeked(0, TACT__V1__MODE__PEEK) == version);
        calls += sim_stats(world.sim).calls;
        stale += peeked(1, TACT__V1__MODE__PEEK) != version;
        assert_true(peeked(1, TACT__V1__MODE__FRESH) == version);
        sim_run_until(world.sim, sim_now(world.sim) + 100);
        assert_true(peeked(1, TACT__V1__MODE__PEEK) == version);
        if (i % 7 == 0) /* also when the watch breaks now and then */
            sim_break_watch(world.sim, world.servers[0].conn, 0, 10);
    }
    assert_true(calls < 100);              /* mostly from the cache */
    assert_true(stale < 500);              /* the other server's may be old for the network's delay */
}


/* Thousands of calls for one customer whose time runs out while the first one hangs: they end one after
 * another, on a flat stack. */
static void many_wait_for_one_turn(void **state)
{
    (void)state;
    enum { MANY = 15000 };
    struct sim_options stuck = network;
    stuck.drop_request = 1;
    sim_set_options(world.sim, &stuck);
    struct reply *replies = calloc(MANY, sizeof *replies);
    Tact__V1__DecideRequest m = decide_request("", "email", TACT__V1__MODE__RESERVE);
    for (int i = 0; i < MANY; i++)
        submit(0, OP_DECIDE, &m.base, &replies[i]);
    for (int i = 0; i < MANY; i++)
        run_until_done(&replies[i]);
    for (int i = 0; i < MANY; i++)
        assert_true(replies[i].status == GRPC_UNAVAILABLE || replies[i].status == GRPC_DEADLINE_EXCEEDED);
    assert_int_equal(worker_ops(world.servers[0].worker), 0);
    free(replies);
}

static struct reply get_mina(void)
{
    Tact__V1__GetRequest m;
    tact__v1__get_request__init(&m);
    m.customer_id = (char *)"mina";
    return call(OP_GET, &m);
}

static struct {
    uint64_t versions[16384];
    size_t count;
} logged;

static void keep_version(struct str record)
{
    Tact__V1__LogRecord *r = tact__v1__log_record__unpack(NULL, record.n, (const uint8_t *)record.p);
    assert_non_null(r);
    assert_int_equal(r->record_case, TACT__V1__LOG_RECORD__RECORD_SIGNAL);
    assert_true(logged.count < sizeof logged.versions / sizeof *logged.versions);
    logged.versions[logged.count++] = r->signal->new_version;
    tact__v1__log_record__free_unpacked(r, NULL);
}

/* A burst of one person's events: all count, few writes carry them, and the log has them in the order of their versions. */
static void ten_thousand_for_one_customer(void **state)
{
    (void)state;
    enum { EVENTS = 10000 };
    struct reply *replies = calloc(EVENTS, sizeof *replies);
    uint64_t writes = sim_stats(world.sim).applied;
    logged.count = 0;
    world.on_record = keep_version;
    for (int i = 0; i < EVENTS; i++) {
        char id[32];
        Tact__V1__Signal s = TACT__V1__SIGNAL__INIT, *list = &s;
        Tact__V1__SignalRequest m = TACT__V1__SIGNAL_REQUEST__INIT;
        snprintf(id, sizeof id, "e%d", i);
        s.event_id = id;
        s.name = (char *)"cart_add";
        m.customer_id = (char *)"mina";
        m.signals = &list;
        m.n_signals = 1;
        submit(0, OP_SIGNAL, &m.base, &replies[i]);
    }
    for (int i = 0; i < EVENTS; i++) {
        run_until_done(&replies[i]);
        assert_int_equal(replies[i].status, GRPC_OK);
    }
    writes = sim_stats(world.sim).applied - writes;
    assert_true(writes < 2 * EVENTS / WORKER_FOLD_MAX + 10); /* a read and a write each */
    assert_int_equal(logged.count, EVENTS);
    uint64_t version = state_version(sim_get(world.sim, "tact:{mina}:s"));
    assert_true(logged.versions[EVENTS - 1] == version);
    for (int i = 1; i < EVENTS; i++)
        assert_true(logged.versions[i] >> 22 >= logged.versions[i - 1] >> 22); /* their milliseconds */
    struct reply r = get_mina();
    Tact__V1__GetResponse *got = tact__v1__get_response__unpack(NULL, r.n, r.bytes);
    assert_non_null(got);
    assert_string_equal(got->features[0]->value, "10000");
    tact__v1__get_response__free_unpacked(got, NULL);
    free(replies);
}

/* One that fails among those that share a write takes nothing from the others. */
static void a_fold_loses_nobody(void **state)
{
    (void)state;
    enum { CALLS = 40 };
    struct reply replies[CALLS];
    sim_refuse_writes(world.sim, "OOM command not allowed");
    for (int i = 0; i < CALLS; i++) {
        char id[32];
        Tact__V1__Signal s = TACT__V1__SIGNAL__INIT, *list = &s;
        Tact__V1__SignalRequest m = TACT__V1__SIGNAL_REQUEST__INIT;
        snprintf(id, sizeof id, "e%d", i % 30); /* the last ten are repeats */
        s.event_id = id;
        s.name = (char *)"cart_add";
        m.customer_id = (char *)"mina";
        m.signals = &list;
        m.n_signals = 1;
        submit(0, OP_SIGNAL, &m.base, &replies[i]);
    }
    run_until_done(&replies[0]);
    assert_int_equal(replies[0].status, GRPC_UNAVAILABLE);
    sim_refuse_writes(world.sim, NULL);
    uint32_t applied = 0, failed = 0;
    for (int i = 0; i < CALLS; i++) {
        run_until_done(&replies[i]);
        failed += replies[i].status == GRPC_UNAVAILABLE;
        Tact__V1__SignalResponse *got =
            replies[i].status ? NULL : tact__v1__signal_response__unpack(NULL, replies[i].n, replies[i].bytes);
        applied += got ? got->applied : 0;
        tact__v1__signal_response__free_unpacked(got, NULL);
    }
    assert_int_equal(failed, 1); /* the first alone: the others' writes were never tried */
    assert_int_equal(applied, 30); /* e0 comes again */
}

static void too_many_at_once(void **state)
{
    (void)state;
    struct reply *replies = calloc(WORKER_OPS_MAX + 1, sizeof *replies);
    Tact__V1__DecideRequest m = decide_request("", "web", TACT__V1__MODE__PEEK);
    for (int i = 0; i <= WORKER_OPS_MAX; i++)
        submit(0, OP_DECIDE, &m.base, &replies[i]);
    assert_true(replies[WORKER_OPS_MAX].done);
    assert_int_equal(replies[WORKER_OPS_MAX].status, GRPC_RESOURCE_EXHAUSTED);
    for (int i = 0; i < WORKER_OPS_MAX; i++)
        run_until_done(&replies[i]);
    assert_int_equal(replies[0].status, GRPC_OK);
    free(replies);
}

static void as_of_only_where_allowed(void **state)
{
    (void)state;
    Tact__V1__DecideRequest m = decide_request("", "web", TACT__V1__MODE__PEEK);
    m.as_of_ms = SIM_EPOCH_MS;
    struct reply r = call(OP_DECIDE, &m);
    assert_int_equal(r.status, GRPC_INVALID_ARGUMENT);
    assert_non_null(strstr(r.text, "--allow-as-of"));
}

static void ignore_reply(void *user, const struct store_reply *r)
{
    (void)user;
    assert_int_equal(r->status, STORE_OK);
}

/* Writes bytes in the place of mina's state. */
static void put_state(struct str bytes)
{
    struct store_commit c = {.customer = STR("mina"),
                             .expected = state_version(sim_get(world.sim, "tact:{mina}:s")),
                             .blob = bytes};
    store_commit(world.servers[1].store, &c, sim_now(world.sim) + 1000000, ignore_reply, NULL);
    sim_run(world.sim, 10);
    assert_int_equal(sim_get(world.sim, "tact:{mina}:s").n, bytes.n);
}

static void expect_decision(const char *request_id, const char *channel, int mode, int tier, bool silent)
{
    Tact__V1__DecideRequest m = decide_request(request_id, channel, mode);
    struct reply r = call(OP_DECIDE, &m);
    Tact__V1__DecideResponse *d = decided(&r);
    assert_int_equal(d->decision->state_tier, tier);
    assert_int_equal(d->decision->n_choices, silent ? 0 : 1);
    if (silent)
        assert_int_equal(d->decision->suppression->cause, TACT__V1__SUPPRESSION__CAUSE__STATE_UNREADABLE);
    tact__v1__decide_response__free_unpacked(d, NULL);
}

/* What is torn is set aside at the first write, never lost; nothing outbound follows while lost contacts may count. */
static void torn_bytes_are_set_aside(void **state)
{
    (void)state;
    struct reply r = signal_once("e1");
    assert_int_equal(r.status, GRPC_OK);
    struct str blob = sim_get(world.sim, "tact:{mina}:s");
    char torn[64];
    size_t n = blob.n - 3 < sizeof torn ? blob.n - 3 : sizeof torn;
    memcpy(torn, blob.p, n);
    put_state((struct str){torn, n});

    expect_decision("", "email", TACT__V1__MODE__PEEK, TACT__V1__STATE_TIER__FAIL_SAFE, true);
    expect_decision("", "web", TACT__V1__MODE__PEEK, TACT__V1__STATE_TIER__FAIL_SAFE, false);
    r = get_mina();
    assert_int_equal(r.status, GRPC_DATA_LOSS);
    assert_int_equal(sim_get(world.sim, "tact:{mina}:s").n, n); /* reading writes nothing */
    assert_int_equal(sim_get(world.sim, "tact:{mina}:x").n, 0);

    r = signal_once("e2");
    assert_int_equal(r.status, GRPC_OK);
    struct str aside = sim_get(world.sim, "tact:{mina}:x");
    assert_int_equal(aside.n, n);
    assert_memory_equal(aside.p, torn, n);
    const struct worker_stats *stats = worker_stats(world.servers[0].worker);
    assert_int_equal(stats->set_aside, 1);
    assert_int_equal(stats->unreadable, 4);
    r = get_mina();
    assert_int_equal(r.status, GRPC_OK);
    expect_decision("r1", "email", TACT__V1__MODE__RESERVE, TACT__V1__STATE_TIER__CURRENT, true);
    expect_decision("r2", "web", TACT__V1__MODE__PEEK, TACT__V1__STATE_TIER__CURRENT, false);
    sim_run_until(world.sim, sim_now(world.sim) + INT64_C(31) * 86400 * 1000000);
    expect_decision("r3", "email", TACT__V1__MODE__RESERVE, TACT__V1__STATE_TIER__CURRENT, false);
}

/* A newer server's state is nobody's to write here; what needs no write is answered. */
static void a_later_format_is_left_alone(void **state)
{
    (void)state;
    struct reply r = signal_once("e1");
    assert_int_equal(r.status, GRPC_OK);
    char later[4096];
    struct str blob = sim_get(world.sim, "tact:{mina}:s");
    memcpy(later, blob.p, blob.n);
    later[0] = STATE_FORMAT + 1;
    put_state((struct str){later, blob.n});
    expect_decision("", "email", TACT__V1__MODE__PEEK, TACT__V1__STATE_TIER__FAIL_SAFE, true);
    expect_decision("r1", "email", TACT__V1__MODE__RESERVE, TACT__V1__STATE_TIER__FAIL_SAFE, true);
    Tact__V1__DecideRequest brings = decide_request("r2", "web", TACT__V1__MODE__PEEK);
    Tact__V1__Signal signal, *list = &signal;
    tact__v1__signal__init(&signal);
    signal.event_id = (char *)"e3";
    signal.name = (char *)"cart_add";
    brings.signals = &list;
    brings.n_signals = 1;
    r = call(OP_DECIDE, &brings);
    assert_int_equal(r.status, GRPC_UNAVAILABLE);
    r = signal_once("e2");
    assert_int_equal(r.status, GRPC_UNAVAILABLE);
    assert_non_null(strstr(r.text, "format 3, this version of the server reads up to 2"));
    r = get_mina();
    assert_int_equal(r.status, GRPC_UNAVAILABLE);
    struct str there = sim_get(world.sim, "tact:{mina}:s");
    assert_memory_equal(there.p, later, there.n);
    assert_int_equal(sim_get(world.sim, "tact:{mina}:x").n, 0);
}

/* A pair feature has a value only with an action, so it is none of the customer's. */
static void get_leaves_pair_features_out(void **state)
{
    (void)state;
    static const char policy[] =
        "brand: {name: T, time_zone: Asia/Tehran, locales: [en]}\n"
        "signals: {view: {properties: {category: string}}}\n"
        "channels: {web: {direction: inbound}}\n"
        "features:\n"
        "  last_viewed: {last: view.category}\n"
        "  same: {expr: \"last_viewed == action.category\"}\n"
        "  twice: {expr: \"same ? 2 : 1\"}\n"
        "  views: {count: view, window: 1d}\n"
        "actions:\n"
        "  - {id: a, issue: i, group: g, purpose: service, value: 1, features: {category: shoes},\n"
        "     treatments: [{channel: web, title: hello}]}\n";
    char folder[] = "/tmp/tact_get.XXXXXX", file[64];
    assert_non_null(mkdtemp(folder));
    snprintf(file, sizeof file, "%s/policy.yaml", folder);
    FILE *f = fopen(file, "w");
    assert_non_null(f);
    assert_true(fputs(policy, f) >= 0);
    assert_int_equal(fclose(f), 0);
    sim_world_start(&world, 7, &network, zones, folder, 1);
    Tact__V1__GetRequest m;
    tact__v1__get_request__init(&m);
    m.customer_id = (char *)"mina";
    struct reply r = call(OP_GET, &m);
    assert_int_equal(r.status, GRPC_OK);
    Tact__V1__GetResponse *got = tact__v1__get_response__unpack(NULL, r.n, r.bytes);
    assert_non_null(got);
    assert_int_equal(got->n_features, 2);
    assert_string_equal(got->features[0]->key, "last_viewed");
    assert_string_equal(got->features[1]->key, "views");
    assert_string_equal(got->features[1]->value, "0");
    tact__v1__get_response__free_unpacked(got, NULL);
    sim_world_stop(&world);
    assert_int_equal(unlink(file) + rmdir(folder), 0);
}

int main(void)
{
    struct error e;
    if (tzdb_load(&zones, NULL, &e))
        return 1;
#define EACH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        EACH(a_repeat_is_the_recorded_decision),
        EACH(a_repeat_at_the_same_time),
        EACH(a_repeat_must_ask_the_same),
        EACH(a_lapsed_booking_is_no_permission),
        EACH(outcomes_fit_their_channel),
        EACH(a_repeats_signals_reach_the_log),
        EACH(after_a_day_the_record_is_gone_but_not_the_contact),
        EACH(signals_need_the_log_decisions_do_not),
        EACH(a_store_that_refuses_or_is_gone),
        EACH(read_your_writes),
        EACH(many_wait_for_one_turn),
        EACH(ten_thousand_for_one_customer),
        EACH(a_fold_loses_nobody),
        EACH(too_many_at_once),
        EACH(as_of_only_where_allowed),
        EACH(torn_bytes_are_set_aside),
        EACH(a_later_format_is_left_alone),
        cmocka_unit_test(get_leaves_pair_features_out),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    tzdb_free(&zones);
    return failed;
}
