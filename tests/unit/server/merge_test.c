/* Ids and aliases of one person, call by call, in virtual time: an alias opens a customer nobody knows, a merge says whose it
 * is, and every call finds that customer by either name; what was decided before stays decided; what is refused; each of a
 * merge's writes may be the last that its server did.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "sim/world.h"
#include "server/merging.h"
#include "state/codec.h"
#include "state/identity.h"
#include "state/merge.h"
#include "tact/v1/customers.pb-c.h"
#include "tact/v1/log.pb-c.h"
#include "tact/v1/outcomes.pb-c.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

struct reply {
    bool done;
    int status;
    char text[512];
    uint8_t bytes[16384];
    size_t n;
};

static struct tzdb *zones;
static struct sim_world world;
static const struct sim_options network = {.delay_min_us = 50, .delay_max_us = 100};
static char folder[] = "/tmp/tact_merge.XXXXXX";
static const char policy[] =
    "brand: {name: T, time_zone: Asia/Tehran, locales: [en]}\n"
    "aliases: [phone, device]\n"
    "profile: {tier: string}\n"
    "signals: {buy: {properties: {price: number}}}\n"
    "features: {buys: {count: buy, window: 30d}, spend: {sum: buy.price, window: 30d}}\n"
    "channels: {email: {direction: outbound, consent: [], confirm_within: 1h}, web: {direction: inbound}}\n"
    "contact_policy: [{id: weekly, at_most: 2, per: 7d}]\n"
    "actions:\n"
    "  - {id: hello, issue: i, group: g, purpose: promotional, value: 1,\n"
    "     treatments: [{channel: web, title: hello}, {channel: email, title: hello}]}\n";

static void on_done(void *user, const struct worker_result *r)
{
    struct reply *reply = user;
    assert_false(reply->done); /* exactly once */
    reply->done = true;
    reply->status = r->status;
    snprintf(reply->text, sizeof reply->text, "%s", r->text ? r->text : "");
    assert_true(r->message.n <= sizeof reply->bytes);
    memcpy(reply->bytes, r->message.p ? r->message.p : "", r->message.n);
    reply->n = r->message.n;
}

/* Of server 0, or of 1. */
static struct reply call_of(int server, enum op_kind kind, const void *message)
{
    const ProtobufCMessage *m = message;
    struct reply reply = {0};
    size_t n = protobuf_c_message_get_packed_size(m);
    uint8_t *bytes = arena_alloc(&world.memory, n);
    protobuf_c_message_pack(m, bytes);
    worker_submit(world.servers[server].worker, kind, (struct str){(const char *)bytes, n}, INT64_MAX, on_done, &reply);
    for (size_t steps = 0; !reply.done; steps++)
        assert_true(steps < 100000 && sim_step(world.sim));
    return reply;
}

static struct reply call(enum op_kind kind, const void *message)
{
    return call_of(0, kind, message);
}

static void ok(struct reply r)
{
    if (r.status != GRPC_OK)
        fail_msg("status %d: %s", r.status, r.text);
}

static void refused(struct reply r, int status, const char *text)
{
    assert_int_equal(r.status, status);
    assert_string_equal(r.text, text);
}

/* "phone:1" is an alias, anything else an id. */
static Tact__V1__Alias *alias_of(const char *name, Tact__V1__Alias *out, char **id)
{
    static char type[2][16];
    static int turn;
    const char *colon = strchr(name, ':');
    turn = !turn;
    if (!colon) {
        *id = (char *)name;
        return NULL;
    }
    tact__v1__alias__init(out);
    snprintf(type[turn], sizeof type[turn], "%.*s", (int)(colon - name), name);
    out->type = type[turn];
    out->value = (char *)colon + 1;
    return out;
}

static void buy(const char *who, const char *event_id, double price)
{
    Tact__V1__Alias alias;
    Tact__V1__Signal s = TACT__V1__SIGNAL__INIT, *list = &s;
    Tact__V1__Value v = TACT__V1__VALUE__INIT;
    Tact__V1__Signal__PropertiesEntry p = TACT__V1__SIGNAL__PROPERTIES_ENTRY__INIT, *properties = &p;
    Tact__V1__SignalRequest m = TACT__V1__SIGNAL_REQUEST__INIT;
    v.kind_case = TACT__V1__VALUE__KIND_NUMBER_VALUE;
    v.number_value = price;
    p.key = (char *)"price";
    p.value = &v;
    s.event_id = (char *)event_id;
    s.name = (char *)"buy";
    s.properties = &properties;
    s.n_properties = 1;
    m.alias = alias_of(who, &alias, &m.customer_id);
    m.signals = &list;
    m.n_signals = 1;
    ok(call(OP_SIGNAL, &m));
}

static struct reply merge_by(int server, const char *from, const char *to)
{
    Tact__V1__Alias aliases[2];
    Tact__V1__MergeRequest m = TACT__V1__MERGE_REQUEST__INIT;
    m.from_alias = alias_of(from, &aliases[0], &m.from);
    m.to_alias = alias_of(to, &aliases[1], &m.to);
    return call_of(server, OP_MERGE, &m);
}

/* They are this customer now; whether they were one before. */
static bool merge(const char *from, const char *to, const char *customer)
{
    struct reply r = merge_by(0, from, to);
    ok(r);
    Tact__V1__MergeResponse *m = tact__v1__merge_response__unpack(NULL, r.n, r.bytes);
    assert_non_null(m);
    assert_string_equal(m->customer_id, customer);
    bool before = m->merged_before;
    tact__v1__merge_response__free_unpacked(m, NULL);
    return before;
}

static Tact__V1__GetResponse *get(int server, const char *who)
{
    Tact__V1__Alias alias;
    Tact__V1__GetRequest m = TACT__V1__GET_REQUEST__INIT;
    m.alias = alias_of(who, &alias, &m.customer_id);
    struct reply r = call_of(server, OP_GET, &m);
    ok(r);
    Tact__V1__GetResponse *g = tact__v1__get_response__unpack(NULL, r.n, r.bytes);
    assert_non_null(g);
    return g;
}

/* What is held under a name: customer, purchases, how many other names. */
static void holds(const char *who, const char *customer, const char *buys, size_t identities)
{
    for (int server = 0; server < 2; server++) {
        Tact__V1__GetResponse *g = get(server, who);
        assert_true(g->found);
        assert_string_equal(g->customer_id, customer);
        assert_string_equal(g->features[0]->key, "buys");
        assert_string_equal(g->features[0]->value, buys);
        assert_int_equal(g->n_identities, identities);
        tact__v1__get_response__free_unpacked(g, NULL);
    }
}

static struct reply ask_decision(const char *who, const char *request_id, const char *channel, int mode)
{
    Tact__V1__Alias alias;
    Tact__V1__DecideRequest m = TACT__V1__DECIDE_REQUEST__INIT;
    m.alias = alias_of(who, &alias, &m.customer_id);
    m.request_id = (char *)request_id;
    m.channel = (char *)channel;
    m.mode = (Tact__V1__Mode)mode;
    return call(OP_DECIDE, &m);
}

static Tact__V1__DecideResponse *decided(struct reply r)
{
    ok(r);
    Tact__V1__DecideResponse *d = tact__v1__decide_response__unpack(NULL, r.n, r.bytes);
    assert_non_null(d);
    return d;
}

static int setup(void **state)
{
    char file[64];
    (void)state;
    strcpy(strrchr(folder, '.'), ".XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(file, sizeof file, "%s/policy.yaml", folder);
    FILE *f = fopen(file, "w");
    assert_non_null(f);
    assert_true(fputs(policy, f) >= 0);
    assert_int_equal(fclose(f), 0);
    sim_world_start(&world, 7, &network, zones, folder, 2);
    return 0;
}

static int teardown(void **state)
{
    char file[64];
    (void)state;
    snprintf(file, sizeof file, "%s/policy.yaml", folder);
    sim_world_stop(&world);
    return unlink(file) + rmdir(folder);
}

/* A device that nobody knows, a phone, a customer: one after the other they turn out to be one. */
static void an_alias_becomes_somebody(void **state)
{
    (void)state;
    buy("device:x", "e1", 10);
    buy("device:x", "e2", 10);
    holds("device:x", "device:x", "2", 0);
    buy("mina", "e3", 10);
    assert_false(merge("device:x", "mina", "mina"));
    assert_true(merge("device:x", "mina", "mina"));
    assert_true(merge("mina", "device:x", "mina"));
    holds("device:x", "mina", "3", 1);
    buy("device:x", "e4", 10); /* by its alias */
    buy("device:x", "e1", 10); /* again, as it came before the merge */
    holds("mina", "mina", "4", 1);
    assert_false(merge("phone:1", "mina", "mina")); /* a name that nobody had used */
    buy("phone:1", "e5", 10);
    holds("phone:1", "mina", "5", 2);
    Tact__V1__GetResponse *g = get(0, "mina");
    assert_string_equal(g->identities[0]->customer_id, "device:x");
    assert_string_equal(g->identities[1]->customer_id, "phone:1");
    assert_true(g->identities[0]->time_ms >= SIM_EPOCH_MS && g->identities[0]->time_ms <= g->identities[1]->time_ms);
    tact__v1__get_response__free_unpacked(g, NULL);
}

/* Each of a chain leads to its end, and in one step once somebody has walked it after a day. */
static void chains_are_walked_and_shortened(void **state)
{
    (void)state;
    char id[8], next[8], event[8];
    enum { CHAIN = 6 };
    for (int i = 0; i < CHAIN; i++) {
        snprintf(id, sizeof id, "c%d", i);
        snprintf(event, sizeof event, "e%d", i);
        buy(id, event, 1);
    }
    for (int i = 0; i + 1 < CHAIN; i++) {
        snprintf(id, sizeof id, "c%d", i);
        snprintf(next, sizeof next, "c%d", i + 1);
        assert_false(merge(id, next, next));
    }
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < CHAIN; i++) {
            snprintf(id, sizeof id, "c%d", i);
            holds(id, "c5", "6", 5);
        }
        sim_run_until(world.sim, sim_now(world.sim) + INT64_C(25) * 3600 * 1000000);
    }
    struct state s;
    struct arena arena;
    struct error e;
    arena_init(&arena, 1 << 20);
    const struct policy *p = worker_snapshot(world.servers[0].worker)->policy;
    assert_int_equal(state_decode(&s, &p->schema, sim_get(world.sim, "tact:{c0}:s"), &arena, &e), 0);
    assert_true(str_is(s.redirect.target, "c5"));
    arena_free(&arena);
    assert_true(merge("c5", "c0", "c5"));
    buy("new", "e9", 1);
    assert_false(merge("c2", "new", "new")); /* the end of its way goes */
    holds("c0", "new", "7", 6);
}

/* A kept decision is the answer to its request_id, and its booking counts, whoever the customer is by now. */
static void what_was_decided_stays_decided(void **state)
{
    (void)state;
    Tact__V1__DecideResponse *first = decided(ask_decision("device:x", "r1", "email", TACT__V1__MODE__RESERVE));
    assert_int_equal(first->decision->n_choices, 1);
    assert_string_equal(first->customer_id, "device:x");
    Tact__V1__DecideResponse *other = decided(ask_decision("mina", "r1", "email", TACT__V1__MODE__RESERVE));
    assert_string_equal(other->customer_id, "");
    assert_false(merge("device:x", "mina", "mina"));
    Tact__V1__DecideResponse *again = decided(ask_decision("device:x", "r1", "email", TACT__V1__MODE__RESERVE));
    assert_true(again->meta->recorded);
    assert_string_equal(again->handles[0], first->handles[0]);
    assert_string_equal(again->customer_id, "mina");
    Tact__V1__DecideResponse *theirs = decided(ask_decision("mina", "r1", "email", TACT__V1__MODE__RESERVE));
    assert_true(theirs->meta->recorded);
    Tact__V1__DecideResponse *third = decided(ask_decision("mina", "r2", "email", TACT__V1__MODE__RESERVE));
    assert_int_equal(third->decision->n_choices, 0); /* two contacts of one person in this week, booked by two names */
    Tact__V1__RecordRequest outcome = TACT__V1__RECORD_REQUEST__INIT;
    outcome.outcome_id = (char *)"o1";
    outcome.kind = TACT__V1__RECORD_REQUEST__KIND__NOT_SENT;
    outcome.handle = first->handles[0];
    ok(call(OP_RECORD, &outcome));
    Tact__V1__DecideResponse *fourth = decided(ask_decision("device:x", "r3", "email", TACT__V1__MODE__RESERVE));
    assert_int_equal(fourth->decision->n_choices, 1);
    outcome.outcome_id = (char *)"o2";
    outcome.handle = fourth->handles[0];
    outcome.customer_id = (char *)"device:x"; /* as asked */
    ok(call(OP_RECORD, &outcome));
    outcome.outcome_id = (char *)"o3";
    outcome.kind = TACT__V1__RECORD_REQUEST__KIND__SENT;
    outcome.customer_id = (char *)"mina"; /* whom that is */
    ok(call(OP_RECORD, &outcome));
    outcome.outcome_id = (char *)"o4";
    outcome.customer_id = (char *)"sara";
    refused(call(OP_RECORD, &outcome), GRPC_INVALID_ARGUMENT, "customer_id: the handle belongs to another customer");
    Tact__V1__DecideResponse *all[] = {first, other, again, theirs, third, fourth};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        tact__v1__decide_response__free_unpacked(all[i], NULL);
}

/* A decision is kept beside whoever the id led to then, and found there however far it leads by now, for as long as it is kept. */
static void what_was_decided_on_the_way_stays_decided(void **state)
{
    (void)state;
    static const char *const way[] = {"device:x", "a", "b", "c", "d", "e"};
    enum { WAY = sizeof way / sizeof *way };
    Tact__V1__DecideResponse *first[WAY];
    char id[8];
    for (int i = 0; i < WAY; i++) {
        if (i)
            assert_false(merge(way[i - 1], way[i], way[i]));
        snprintf(id, sizeof id, "r%d", i);
        first[i] = decided(ask_decision("device:x", id, "web", TACT__V1__MODE__FRESH));
        assert_string_equal(first[i]->customer_id, way[i]);
    }
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < WAY; i++) {
            snprintf(id, sizeof id, "r%d", i);
            Tact__V1__DecideResponse *again = decided(ask_decision("device:x", id, "web", TACT__V1__MODE__FRESH));
            assert_true(again->meta->recorded);
            assert_string_equal(again->customer_id, "e");
            assert_string_equal(again->handles[0], first[i]->handles[0]);
            Tact__V1__RecordRequest o = TACT__V1__RECORD_REQUEST__INIT;
            char outcome[16];
            snprintf(outcome, sizeof outcome, "o%d-%d", round, i);
            o.outcome_id = outcome;
            o.kind = TACT__V1__RECORD_REQUEST__KIND__IMPRESSION;
            o.customer_id = (char *)"device:x";
            o.decision_id = again->decision->decision_id;
            ok(call(OP_RECORD, &o)); /* resolved by what was kept */
            tact__v1__decide_response__free_unpacked(again, NULL);
        }
    for (int i = 0; i < WAY; i++)
        tact__v1__decide_response__free_unpacked(first[i], NULL);
}

/* Who was forgotten and came back is asked for by the old name still, and knows of it once something is kept under it. */
static void a_name_is_known_again_after_forgetting(void **state)
{
    (void)state;
    assert_false(merge("device:x", "mina", "mina"));
    Tact__V1__ForgetRequest forget = TACT__V1__FORGET_REQUEST__INIT;
    forget.customer_id = (char *)"mina";
    ok(call(OP_FORGET, &forget));
    sim_run_until(world.sim, sim_now(world.sim) + 2000000);
    Tact__V1__Consent consent = TACT__V1__CONSENT__INIT, *consents = &consent;
    Tact__V1__UpsertRequest m = TACT__V1__UPSERT_REQUEST__INIT;
    consent.channel = (char *)"email";
    consent.purpose = (char *)"promotional";
    consent.granted = true;
    m.customer_id = (char *)"mina";
    m.consents = &consents;
    m.n_consents = 1;
    ok(call(OP_UPSERT, &m));
    holds("mina", "mina", "0", 0);
    buy("device:x", "e1", 1);
    buy("device:x", "e2", 1);
    holds("device:x", "mina", "2", 1);
}

static void what_is_refused(void **state)
{
    (void)state;
    refused(merge_by(0, "", "mina"), GRPC_INVALID_ARGUMENT, "from is empty; 1 to 256 bytes are allowed, or from_alias instead of it");
    refused(merge_by(0, "mina", "card:1"), GRPC_INVALID_ARGUMENT, "to_alias.type: unknown 'card'; allowed: phone, device");
    buy("mina", "e1", 1);
    buy("device:x", "e2", 1);
    refused(merge_by(0, "mina", "device:x"), GRPC_INVALID_ARGUMENT,
            "to: nobody knows whose 'device:x' is, and 'mina' would be known by that name; merge the other way round");
    assert_false(merge("device:x", "phone:1", "phone:1")); /* two that nobody knows */
    assert_true(merge("mina", "mina", "mina"));
    holds("mina", "mina", "1", 0);
}

static void one_customer_is_at_most_so_many(void **state)
{
    (void)state;
    char id[16];
    for (int i = 0; i < STATE_IDENTITIES_MAX; i++) {
        snprintf(id, sizeof id, "device:%d", i);
        assert_false(merge(id, "mina", "mina"));
    }
    refused(merge_by(0, "phone:1", "mina"), GRPC_RESOURCE_EXHAUSTED,
            "to: this customer comes of 256 merges already; at most 256 are allowed");
    assert_true(merge("device:7", "mina", "mina"));
    Tact__V1__GetResponse *g = get(0, "phone:1");
    assert_false(g->found); /* nothing was begun */
    tact__v1__get_response__free_unpacked(g, NULL);
}

/* The server dies after any number of the store's writes; a decision on the other server finds one person. */
static void any_write_may_be_the_last(void **state)
{
    (void)state;
    for (int64_t dies_us = 20; dies_us < 1000; dies_us += 20) {
        char from[32], to[32], events[2][32];
        snprintf(from, sizeof from, "f%d", (int)dies_us);
        snprintf(to, sizeof to, "t%d", (int)dies_us);
        snprintf(events[0], sizeof events[0], "a%d", (int)dies_us);
        snprintf(events[1], sizeof events[1], "b%d", (int)dies_us);
        buy(from, events[0], 1);
        buy(to, events[1], 1);
        Tact__V1__MergeRequest m = TACT__V1__MERGE_REQUEST__INIT;
        struct reply never = {0};
        m.from = from;
        m.to = to;
        uint8_t *bytes = arena_alloc(&world.memory, 128);
        size_t n = tact__v1__merge_request__pack(&m, bytes);
        worker_submit(world.servers[0].worker, OP_MERGE, (struct str){(const char *)bytes, n}, INT64_MAX, on_done, &never);
        sim_run_until(world.sim, sim_now(world.sim) + dies_us);
        sim_server_kill(&world, 0);
        sim_run_until(world.sim, sim_now(world.sim) + 1000);
        Tact__V1__GetResponse *g = get(1, from);
        bool merged = strcmp(g->customer_id, to) == 0;
        assert_string_equal(g->features[0]->value, merged ? "2" : "1");
        tact__v1__get_response__free_unpacked(g, NULL);
        sim_server_start(&world, 0);
        assert_true(merge(from, to, to) == merged);
        holds(from, to, "2", 1);
    }
}

static char logged[3][64];
static uint64_t logged_merge;

static void keep_merge(struct str record)
{
    Tact__V1__LogRecord *r = tact__v1__log_record__unpack(NULL, record.n, (const uint8_t *)record.p);
    assert_non_null(r);
    if (r->record_case == TACT__V1__LOG_RECORD__RECORD_MERGE) {
        snprintf(logged[0], sizeof logged[0], "%s", r->merge->from);
        snprintf(logged[1], sizeof logged[1], "%s", r->merge->to);
        logged_merge = r->merge->merge;
    }
    if (r->record_case == TACT__V1__LOG_RECORD__RECORD_DECISION)
        snprintf(logged[2], sizeof logged[2], "%s", r->decision->customer_id);
    tact__v1__log_record__free_unpacked(r, NULL);
}

static void the_log_tells_whose_it_was(void **state)
{
    (void)state;
    world.on_record = keep_merge;
    assert_false(merge("device:x", "mina", "mina"));
    assert_string_equal(logged[0], "device:x");
    assert_string_equal(logged[1], "mina");
    assert_true(logged_merge != 0);
    tact__v1__decide_response__free_unpacked(decided(ask_decision("device:x", "", "web", TACT__V1__MODE__PEEK)), NULL);
    assert_string_equal(logged[2], "mina");
    tact__v1__decide_response__free_unpacked(decided(ask_decision("mina", "", "web", TACT__V1__MODE__PEEK)), NULL);
    assert_string_equal(logged[2], "");
    world.log_sick = true;
    assert_int_equal(merge_by(0, "phone:1", "mina").status, GRPC_UNAVAILABLE);
    world.log_sick = false;
    assert_false(merge("phone:1", "mina", "mina"));
    world.on_record = NULL;
}

static void ignore_reply(void *user, const struct store_reply *r)
{
    (void)user;
    assert_int_equal(r->status, STORE_OK);
}

static void load(const char *id, struct state *s, struct arena *arena)
{
    char key[32];
    struct error e;
    snprintf(key, sizeof key, "tact:{%s}:s", id);
    const struct policy *p = worker_snapshot(world.servers[0].worker)->policy;
    struct str blob = arena_str(arena, sim_get(world.sim, key));
    assert_int_equal(state_decode(s, &p->schema, blob, arena, &e), 0);
}

static void save(const char *id, const struct state *s)
{
    struct buf b;
    struct error e;
    buf_init(&b, STATE_BLOB_MAX);
    assert_int_equal(state_encode(s, s->version + 1, &b, &e), 0);
    struct store_commit c = {
        .customer = str_from(id), .expected = s->version, .blob = {(const char *)b.p, b.n}};
    store_commit(world.servers[1].store, &c, sim_now(world.sim) + 1000000, ignore_reply, NULL);
    buf_free(&b);
    sim_run(world.sim, 10);
}

/* a had been taken over by b, and its merge not ended, when b began one into a: nothing of a may count twice. */
static void a_ring_that_closed_after_a_part_was_taken_over(void **state)
{
    (void)state;
    struct arena arena;
    struct state a, b;
    arena_init(&arena, 4 << 20);
    buy("a", "e1", 1);
    buy("b", "e2", 1);
    load("a", &a, &arena);
    load("b", &b, &arena);
    assert_int_equal(state_merge(&b, &a, sim_wall_ms(&world)), 0);
    assert_int_equal(identities_add(&b, &(struct identity){7, SIM_EPOCH_MS, STR("a")}), 1);
    a.redirect = (struct redirect){STR("b"), 7, true};
    b.redirect = (struct redirect){STR("a"), 8, true};
    save("a", &a);
    save("b", &b);
    holds("b", "b", "2", 1); /* the way from b closes the ring */
    holds("a", "b", "2", 1);
    arena_free(&arena);
}

/* A ring in which nothing was taken over: each server takes back the same. */
static void a_ring_is_broken_at_the_least_id(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 4 << 20);
    static const char *const ids[] = {"y", "x", "z"};
    for (int i = 0; i < 3; i++) {
        struct state s;
        char event[8];
        snprintf(event, sizeof event, "e%d", i);
        buy(ids[i], event, 1);
        load(ids[i], &s, &arena);
        s.redirect = (struct redirect){str_from(ids[(i + 1) % 3]), (uint64_t)i + 20, true};
        save(ids[i], &s);
    }
    holds("y", "x", "2", 1); /* z is not on its way */
    holds("z", "x", "3", 2);
    holds("x", "x", "3", 2);
    arena_free(&arena);
}

/* Two ids whose turns stand in one bucket: a call that writes goes from the one's to the other's. */
static void a_write_moves_within_a_bucket(void **state)
{
    (void)state;
    char id[16] = "";
    uint64_t bucket = hash64("mina", 4) % WORKER_TURN_BUCKETS;
    for (int i = 0; !id[0] || hash64(id, strlen(id)) % WORKER_TURN_BUCKETS != bucket; i++)
        snprintf(id, sizeof id, "n%d", i);
    buy("mina", "e1", 1);
    assert_false(merge(id, "mina", "mina"));
    buy(id, "e2", 1);
    buy("mina", "e3", 1);
    holds(id, "mina", "3", 1);
}

/* The merge is taken back, so the call that found it under way goes to the very id that it was about. */
static void a_write_moves_to_its_own_id(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 4 << 20);
    static const char *const ids[] = {"x", "y"};
    for (int i = 0; i < 2; i++) {
        struct state s;
        char event[8];
        snprintf(event, sizeof event, "e%d", i);
        buy(ids[i], event, 1);
        load(ids[i], &s, &arena);
        s.redirect = (struct redirect){str_from(ids[1 - i]), (uint64_t)i + 20, true};
        save(ids[i], &s);
    }
    buy("x", "e2", 1);
    holds("x", "x", "2", 0);
    buy("y", "e3", 1);
    holds("x", "x", "4", 1);
    arena_free(&arena);
}

static void expect_tier(const char *who, int mode, int tier)
{
    Tact__V1__DecideResponse *d = decided(ask_decision(who, "", "web", mode));
    assert_int_equal(d->decision->state_tier, tier);
    tact__v1__decide_response__free_unpacked(d, NULL);
}

/* The store is away: a way that is known is gone without it, and where it is not, or a merge is under way, the decision is made
 * without a state, as for anybody. */
static void decisions_by_a_long_way_without_the_store(void **state)
{
    (void)state;
    struct arena arena;
    struct state s;
    arena_init(&arena, 4 << 20);
    buy("c", "e1", 1);
    assert_false(merge("a", "b", "b"));
    assert_false(merge("b", "c", "c"));
    buy("x", "e2", 1);
    load("x", &s, &arena);
    s.redirect = (struct redirect){STR("c"), 20, true};
    save("x", &s);
    sim_run_until(world.sim, sim_now(world.sim) + 1000);
    expect_tier("a", TACT__V1__MODE__PEEK, TACT__V1__STATE_TIER__CURRENT);
    uint64_t calls = sim_stats(world.sim).calls;
    expect_tier("a", TACT__V1__MODE__PEEK, TACT__V1__STATE_TIER__CURRENT);
    assert_true(sim_stats(world.sim).calls == calls);
    sim_refuse_writes(world.sim, "OOM");
    expect_tier("x", TACT__V1__MODE__PEEK, TACT__V1__STATE_TIER__FAIL_SAFE);
    sim_refuse_writes(world.sim, NULL);
    expect_tier("a", TACT__V1__MODE__PEEK, TACT__V1__STATE_TIER__CURRENT);
    sim_set_up(world.sim, world.servers[0].conn, false);
    sim_run_until(world.sim, sim_now(world.sim));
    expect_tier("a", TACT__V1__MODE__PEEK, TACT__V1__STATE_TIER__UNVERIFIED);
    expect_tier("a", TACT__V1__MODE__FRESH, TACT__V1__STATE_TIER__FAIL_SAFE);
    expect_tier("x", TACT__V1__MODE__PEEK, TACT__V1__STATE_TIER__FAIL_SAFE);
    assert_int_equal(ask_decision("x", "", "email", TACT__V1__MODE__RESERVE).status, GRPC_UNAVAILABLE);
    sim_set_up(world.sim, world.servers[0].conn, true);
    holds("x", "c", "2", 3);
    arena_free(&arena);
}

/* Torn bytes are no reason to lose them, or what is whole. */
static void what_cannot_be_read_is_not_merged(void **state)
{
    (void)state;
    buy("mina", "e1", 1);
    struct store_commit torn = {.customer = STR("torn"), .blob = STR("\2________not a state of anybody")};
    store_commit(world.servers[1].store, &torn, sim_now(world.sim) + 1000000, ignore_reply, NULL);
    sim_run(world.sim, 10);
    assert_int_equal(merge_by(0, "torn", "mina").status, GRPC_DATA_LOSS);
    assert_int_equal(merge_by(0, "mina", "torn").status, GRPC_DATA_LOSS);
    holds("mina", "mina", "1", 0);
    assert_int_equal(sim_get(world.sim, "tact:{torn}:s").n, torn.blob.n);
}

int main(void)
{
    struct error e;
    if (tzdb_load(&zones, NULL, &e))
        return 1;
#define EACH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        EACH(an_alias_becomes_somebody),
        EACH(chains_are_walked_and_shortened),
        EACH(what_was_decided_stays_decided),
        EACH(what_was_decided_on_the_way_stays_decided),
        EACH(a_name_is_known_again_after_forgetting),
        EACH(what_is_refused),
        EACH(one_customer_is_at_most_so_many),
        EACH(any_write_may_be_the_last),
        EACH(the_log_tells_whose_it_was),
        EACH(a_ring_that_closed_after_a_part_was_taken_over),
        EACH(a_ring_is_broken_at_the_least_id),
        EACH(a_write_moves_within_a_bucket),
        EACH(a_write_moves_to_its_own_id),
        EACH(decisions_by_a_long_way_without_the_store),
        EACH(what_cannot_be_read_is_not_merged),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    tzdb_free(&zones);
    return failed;
}
