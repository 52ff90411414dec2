/* Shadows beside decisions: what they may take of a request's memory, and which of them are counted.
 * SPDX-License-Identifier: Apache-2.0 */
#include "sim/world.h" /* before the folder's globals, which its locals would shadow */
#include "unit/models/lineup_folder.h"
#include "decide/decision_wire.h"
#include "server/op.h"
#include "server/shadows.h"
#include "state/codec.h"
#include "tact/v1/log.pb-c.h"

enum { GROUPS = 7, SHADOWS = 15 };

static struct sim_world world;
static const struct sim_options network = {.delay_min_us = 50, .delay_max_us = 100};

static const char *policy_folder(void)
{
    return arena_printf(&arena, "%s/policy", folder);
}

/* A policy of so many actions in seven groups serves, without a model. */
static void start(const char *name, int actions)
{
    struct buf text;
    own_folder(name);
    buf_init(&text, 4 << 20);
    buf_printf(&text, "brand: {name: T, time_zone: UTC, locales: [en]}\n"
                      "signals: {cart_add: {properties: {price: number}}}\n"
                      "features: {cart_adds: {count: cart_add, window: 24h}}\n"
                      "channels: {web: {direction: inbound}}\n"
                      "actions:\n");
    for (int i = 0; i < actions; i++)
        buf_printf(&text, "  - {id: action_%d, issue: i, group: g%d, purpose: service, value: %d, features: {size: %d}, "
                          "treatments: [{channel: web, body: x}]}\n", i, i % GROUPS, 1 + i % 5, i % 4);
    assert_true(buf_ok(&text));
    assert_int_equal(mkdir(policy_folder(), 0755), 0);
    write_file("policy/policy.yaml", (const char *)text.p, text.n);
    buf_free(&text);
    sim_world_start(&world, 7, &network, zones, policy_folder(), 1);
}

/* A line-up serves from here on. */
static void serve(const char *yaml)
{
    struct error e = {0};
    write_file(LINEUP_FILE, yaml, strlen(yaml));
    diags_init(&diags, &arena);
    struct snapshot *s = snapshot_load(policy_folder(), folder, zones, &diags);
    if (!s)
        fail_msg("%s", told());
    assert_int_equal(policy_bind_interning(s->policy, world.names, &e), 0);
    worker_set_snapshot(world.servers[0].worker, s);
}

/* An entry a group, each with the same fifteen shadows: copies of b. */
static const char *many_shadows(int entries)
{
    const char *yaml = "models:\n", *shadows = "";
    for (int i = 0; i < SHADOWS; i++) {
        assert_int_equal(system(arena_printf(&arena, "cp -r %s/b %s/s%d", folder, folder, i)), 0);
        shadows = arena_printf(&arena, "%s%ss%d", shadows, i ? ", " : "", i);
    }
    for (int i = 0; i < entries; i++)
        yaml = arena_printf(&arena, "%s  - {groups: [g%d], champion: a, shadows: [%s]}\n", yaml, i, shadows);
    return yaml;
}

/* ---- a call ---- */

struct reply {
    bool done;
    int status;
    char text[256];
};

static void on_done(void *user, const struct worker_result *r)
{
    struct reply *reply = user;
    reply->done = true;
    reply->status = r->status;
    snprintf(reply->text, sizeof reply->text, "%s", r->text ? r->text : "");
}

/* With a signal, so that it writes, and with every action explained. */
static void decide_once(const char *event_id)
{
    Tact__V1__DecideRequest m;
    Tact__V1__Signal s, *list = &s;
    struct reply reply = {0};
    tact__v1__decide_request__init(&m);
    tact__v1__signal__init(&s);
    s.event_id = (char *)event_id;
    s.name = (char *)"cart_add";
    m.customer_id = (char *)"mina";
    m.channel = (char *)"web";
    m.explain = true;
    m.signals = &list;
    m.n_signals = 1;
    uint8_t bytes[256];
    size_t n = tact__v1__decide_request__pack(&m, bytes);
    worker_submit(world.servers[0].worker, OP_DECIDE, (struct str){(const char *)bytes, n}, INT64_MAX, on_done, &reply);
    for (size_t steps = 0; !reply.done; steps++)
        assert_true(steps < 100000 && sim_step(world.sim));
    if (reply.status != GRPC_OK)
        fail_msg("%d %s", reply.status, reply.text);
}

/* What was committed is logged and answered, however many shadows look on. */
static void many_actions_and_shadows(void **state)
{
    (void)state;
    start("many", 3000);
    serve(many_shadows(GROUPS));
    decide_once("e1");
    assert_int_equal(world.records, 1);
    const struct shadow_stats *c = worker_stats(world.servers[0].worker)->shadows; /* copies are one bundle */
    for (int i = 0; i < GROUPS; i++) {
        assert_string_equal(c[i].entry, arena_printf(&arena, "g%d", i));
        assert_int_equal(c[i].decisions, SHADOWS);
        assert_int_equal(c[i].failed, 0);
    }
    assert_int_equal(c[GROUPS].id[0], 0);
    sim_world_stop(&world);
}

/* ---- memory ---- */

/* A call that decided, as it comes to its record: with a large state. */
static void op_of_decision(struct op *op)
{
    struct error e = {0};
    struct snapshot *s = (struct snapshot *)worker_snapshot(world.servers[0].worker);
    *op = (struct op){.magic = OP_MAGIC, .worker = world.servers[0].worker, .snapshot = s};
    arena_init(&op->arena, WORKER_ARENA_MAX);
    assert_int_equal(state_decode(&op->state, &s->policy->schema, (struct str){0}, &op->arena, &e), 0);
    op->decide.request = (struct decide_request){.customer = STR("mina"), .max_actions = 1, .explain = true};
    op->decide.input = (struct decide_input){.policy = s->policy,
                                             .scorer = &s->scorer,
                                             .world_id = s->world_id,
                                             .state = &op->state,
                                             .request = &op->decide.request,
                                             .now_ms = SIM_EPOCH_MS};
    assert_int_equal(decide(&op->decide.input, &op->arena, &op->decide.decision, &e), 0);
    assert_int_equal(decision_encode(&op->decide.decision, &op->arena, &op->decide.bytes, &e), 0);
    buf_init(&op->blob, STATE_BLOB_MAX);
    assert_non_null(buf_reserve(&op->blob, STATE_BLOB_MAX));
    memset(op->blob.p, 0, STATE_BLOB_MAX);
    op->blob.n = STATE_BLOB_MAX;
}

/* A record that fits without shadows fits with them; those without room are left out and counted. */
static void a_record_fits_with_shadows_if_it_does_without(void **state)
{
    enum { ENTRIES = 3, ROUNDS = 64 };
    (void)state;
    start("fits", 500);
    serve(many_shadows(ENTRIES));
    struct op op;
    op_of_decision(&op);
    const struct shadow_stats *c = worker_stats(world.servers[0].worker)->shadows;
    struct arena_mark mark = arena_mark(&op.arena);
    size_t used = op.arena.used, some = 0, none = 0;
    for (int i = 0; i < ROUNDS; i++) {
        Tact__V1__DecisionRecord m;
        struct str bytes;
        struct error e = {0};
        tact__v1__decision_record__init(&m);
        m.decision = (ProtobufCBinaryData){op.decide.bytes.n, (uint8_t *)op.decide.bytes.p};
        m.state = (ProtobufCBinaryData){op.blob.n, op.blob.p};
        op.arena.limit = used + op.decide.bytes.n + op.blob.n + 4096 + (size_t)(i * i) * 1024;
        uint64_t decisions = 0, failed = 0;
        for (int k = 0; k < ENTRIES; k++) {
            decisions += c[k].decisions;
            failed += c[k].failed;
        }
        shadows_record(&op, &m);
        if (op_pack(&op, &m.base, &bytes, &e))
            fail_msg("%d: %s", i, e.text);
        for (int k = 0; k < ENTRIES; k++) {
            decisions -= c[k].decisions;
            failed -= c[k].failed;
        }
        assert_int_equal(-decisions, m.n_shadows);
        assert_int_equal(-failed, ENTRIES * SHADOWS - m.n_shadows);
        some += m.n_shadows == ENTRIES * SHADOWS;
        none += m.n_shadows == 0;
        arena_rewind(&op.arena, mark);
    }
    assert_true(some > 8 && none > 8);
    buf_free(&op.blob);
    arena_free(&op.arena);
    sim_world_stop(&world);
}

/* ---- counts ---- */

static const struct shadow_stats *counts_of(const char *name)
{
    const struct worker_stats *s = worker_stats(world.servers[0].worker);
    const struct shadow_stats *found = NULL;
    for (size_t i = 0; i < WORKER_SHADOWS_MAX; i++)
        if (strcmp(s->shadows[i].name, name) == 0) {
            assert_null(found);
            found = &s->shadows[i];
        }
    return found;
}

/* A line-up after the other, more of them than are counted: each one's shadows are, and one that stays keeps its counts. */
static void counts_of_what_serves(void **state)
{
    enum { LINEUPS = 3 * WORKER_SHADOWS_MAX };
    (void)state;
    start("counts", 10);
    for (int i = 0; i < LINEUPS; i++) {
        const char *name = arena_printf(&arena, "t%d", i);
        constant_bundle(name, (float)(i + 10));
        serve(arena_printf(&arena, "models: [{champion: a, shadows: [%s, b]}]\n", name));
        decide_once(arena_printf(&arena, "x%d", i));
        decide_once(arena_printf(&arena, "y%d", i));
        assert_non_null(counts_of(name));
        assert_int_equal(counts_of(name)->decisions, 2);
        assert_non_null(counts_of("b"));
        assert_int_equal(counts_of("b")->decisions, 2 * (i + 1));
    }
    for (int i = 0; i < LINEUPS; i++) /* the last ones are there, the first ones gave way */
        assert_int_equal(counts_of(arena_printf(&arena, "t%d", i)) != NULL, i >= LINEUPS - (WORKER_SHADOWS_MAX - 1));
    assert_int_equal(worker_stats(world.servers[0].worker)->shadows_uncounted, 0);
    /* The oldest of them comes back: it serves, so it stays. */
    const char *oldest = arena_printf(&arena, "t%d", LINEUPS - (WORKER_SHADOWS_MAX - 1));
    serve(arena_printf(&arena, "models: [{champion: a, shadows: [c, %s]}]\n", oldest));
    decide_once("z");
    assert_int_equal(counts_of(oldest)->decisions, 3);
    assert_int_equal(counts_of("c")->decisions, 1);
    assert_string_equal(counts_of("c")->entry, "all");
    serve("models: [{name: the carts, champion: a, shadows: [c]}]\n"); /* another entry's are others */
    decide_once("zz");
    assert_int_equal(worker_stats(world.servers[0].worker)->shadows_uncounted, 0);
    const struct shadow_stats *s = worker_stats(world.servers[0].worker)->shadows;
    size_t found = 0;
    for (size_t i = 0; i < WORKER_SHADOWS_MAX; i++)
        if (strcmp(s[i].entry, "the_carts") == 0 && strcmp(s[i].name, "c") == 0)
            found += s[i].decisions;
    assert_int_equal(found, 1);
    sim_world_stop(&world);
}

/* More at once than are counted: that is told, and the others' counts stay theirs. */
static void more_shadows_than_are_counted(void **state)
{
    enum { EXTRA = 3 };
    (void)state;
    start("more", 10);
    const char *yaml = "models:\n";
    for (int i = 0; i < WORKER_SHADOWS_MAX + EXTRA; i++) {
        constant_bundle(arena_printf(&arena, "t%d", i), (float)(i + 10));
        if (i % 10 == 0)
            yaml = arena_printf(&arena, "%s%s  - {groups: [g%d], champion: a, shadows: [", yaml, i ? "]}\n" : "", i / 10);
        yaml = arena_printf(&arena, "%s%st%d", yaml, i % 10 ? ", " : "", i);
    }
    serve(arena_printf(&arena, "%s]}\n", yaml));
    decide_once("x");
    decide_once("y");
    for (int i = 0; i < WORKER_SHADOWS_MAX + EXTRA; i++) {
        const struct shadow_stats *c = counts_of(arena_printf(&arena, "t%d", i));
        assert_int_equal(c ? c->decisions : 0, i < WORKER_SHADOWS_MAX ? 2 : 0);
    }
    assert_int_equal(worker_stats(world.servers[0].worker)->shadows_uncounted, 2 * EXTRA);
    sim_world_stop(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(many_actions_and_shadows),
        TEST(a_record_fits_with_shadows_if_it_does_without),
        TEST(counts_of_what_serves),
        TEST(more_shadows_than_are_counted),
    };
    return cmocka_run_group_tests(tests, make_all, remove_all);
}
