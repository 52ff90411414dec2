/* Households at their edges, in virtual time: one request that two servers of different policies decide at once, members
 * who were contacted under one id, a name that is no household's. tests/sim/reserve_test.c has the fight for the last slot.
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit/server/calls.h"
#include "state/codec.h"

static const struct sim_options network = {.delay_min_us = 50, .delay_max_us = 100};
static char folder[] = "/tmp/tact_household.XXXXXX", file[64];

/* As the cases' policy, but it proposes another action. The household's type and the limit are filled in. */
static const char other_policy[] =
    "brand: {name: Test, time_zone: UTC, locales: [en]}\n"
    "profile: {home: %s}\n"
    "signals: {cart_add: {properties: {price: number}}}\n"
    "channels: {email: {direction: outbound, cost: 0.001, consent: [], confirm_within: 1h}, web: {direction: inbound}}\n"
    "contact_policy: [{id: email_weekly, scope: {channel: email}, at_most: 2, per: 7d, over: %s}]\n"
    "actions: [{id: gift, issue: growth, group: offers, purpose: promotional, value: 1,\n"
    "  treatments: [{channel: email, subject: Hello}, {channel: web, title: Hello}]}]\n";

static void write_policy(const char *type, const char *over)
{
    FILE *f = fopen(file, "w");
    assert_non_null(f);
    assert_true(fprintf(f, other_policy, type, over) >= 0);
    assert_int_equal(fclose(f), 0);
}

static int setup(void **state)
{
    (void)state;
    const char *folders[] = {SOURCE_DIR "/tests/cases/policies/household", folder};
    strcpy(strrchr(folder, '.'), ".XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(file, sizeof file, "%s/policy.yaml", folder);
    write_policy("household", "household");
    sim_world_start_each(&world, 7, &network, zones, folders, 2);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    sim_world_stop(&world);
    return unlink(file) + rmdir(folder);
}

static struct reply call_on(int server, enum op_kind kind, const void *m)
{
    struct reply r;
    submit(server, kind, m, &r);
    run_until_done(&r);
    return r;
}

static void live_in(int server, const char *customer, const char *household)
{
    Tact__V1__Value v = TACT__V1__VALUE__INIT;
    Tact__V1__UpsertRequest__ProfileEntry p = TACT__V1__UPSERT_REQUEST__PROFILE_ENTRY__INIT, *profile = &p;
    Tact__V1__UpsertRequest m = TACT__V1__UPSERT_REQUEST__INIT;
    v.kind_case = TACT__V1__VALUE__KIND_STRING_VALUE;
    v.string_value = (char *)household;
    p.key = (char *)"home";
    p.value = &v;
    m.customer_id = (char *)customer;
    m.profile = &profile;
    m.n_profile = 1;
    assert_int_equal(call_on(server, OP_UPSERT, &m).status, GRPC_OK);
}

static void load(const char *key, struct state *s, struct arena *arena)
{
    struct error e;
    const struct policy *p = worker_snapshot(world.servers[0].worker)->policy;
    assert_int_equal(state_decode(s, &p->schema, sim_get(world.sim, key), arena, &e), 0);
}

/* Whatever the one has written of the other's try, in the end the household has the contact that the customer has. */
static void two_policies_decide_one_request(void **state)
{
    (void)state;
    struct arena arena;
    int differed = 0;
    arena_init(&arena, 4 << 20);
    for (int round = 0; round < 40; round++) {
        char id[16];
        struct state mina, home;
        struct reply replies[2];
        Tact__V1__DecideResponse *d[2];
        snprintf(id, sizeof id, "r%d", round);
        live_in(0, "mina", "home");
        sim_run_until(world.sim, sim_now(world.sim) + INT64_C(8) * 86400 * 1000000);
        Tact__V1__DecideRequest m = decide_request(id, "email", TACT__V1__MODE__RESERVE);
        submit(round % 2, OP_DECIDE, &m.base, &replies[0]);
        sim_run_until(world.sim, sim_now(world.sim) + round * 10);
        submit(1 - round % 2, OP_DECIDE, &m.base, &replies[1]);
        for (int i = 0; i < 2; i++) {
            run_until_done(&replies[i]);
            d[i] = decided(&replies[i]);
        }
        assert_string_equal(d[0]->decision->choices[0]->action_id, d[1]->decision->choices[0]->action_id);
        load("tact:{mina}:s", &mina, &arena);
        load("tact:{home}:h", &home, &arena);
        assert_int_equal(mina.contact_count, 1);
        assert_int_equal(home.contact_count, 1);
        assert_memory_equal(&home.contacts[0].decision, &mina.contacts[0].decision, sizeof mina.contacts[0].decision);
        assert_int_equal(home.contacts[0].action, mina.contacts[0].action);
        differed += d[0]->meta->reruns + d[1]->meta->reruns > 1;
        for (int i = 0; i < 2; i++)
            tact__v1__decide_response__free_unpacked(d[i], NULL);
    }
    assert_true(differed > 5); /* else they did not meet */
    arena_free(&arena);
}

static bool contacted(const char *customer, const char *contact_id)
{
    Tact__V1__RecordContactRequest k = TACT__V1__RECORD_CONTACT_REQUEST__INIT;
    k.customer_id = (char *)customer;
    k.contact_id = (char *)contact_id;
    k.channel = (char *)"email";
    k.time_ms = SIM_EPOCH_MS;
    struct reply r = call_on(0, OP_CONTACT, &k);
    assert_int_equal(r.status, GRPC_OK);
    Tact__V1__RecordContactResponse *m = tact__v1__record_contact_response__unpack(NULL, r.n, r.bytes);
    assert_non_null(m);
    bool before = m->repeated_before;
    tact__v1__record_contact_response__free_unpacked(m, NULL);
    return !before;
}

/* A campaign's contacts have one id for all who got it: two of a household are two contacts. */
static void members_share_a_contact_id(void **state)
{
    (void)state;
    struct arena arena;
    struct state home;
    static const char *const members[] = {"mina", "omid"};
    arena_init(&arena, 1 << 20);
    for (int i = 0; i < 2; i++) {
        live_in(0, members[i], "home");
        assert_true(contacted(members[i], "campaign-7"));
        assert_false(contacted(members[i], "campaign-7"));
    }
    load("tact:{home}:h", &home, &arena);
    assert_int_equal(home.contact_count, 2);
    Tact__V1__DecideRequest m = decide_request("r1", "email", TACT__V1__MODE__RESERVE);
    struct reply r = call_on(0, OP_DECIDE, &m);
    Tact__V1__DecideResponse *d = decided(&r);
    assert_int_equal(d->decision->n_choices, 0);
    assert_string_equal(d->decision->suppression->rule, "email_weekly");
    tact__v1__decide_response__free_unpacked(d, NULL);
    arena_free(&arena);
}

/* A text that was kept before it named households may be longer than any household's id: nobody knows with whom such a person
 * shares a limit, so nothing goes out under it, and everything else goes on. */
static void a_name_too_long_for_a_household(void **state)
{
    (void)state;
    char text[1001];
    memset(text, 'x', 1000);
    text[1000] = 0;
    sim_server_kill(&world, 1);
    write_policy("string", "customer");
    sim_server_start(&world, 1);
    live_in(1, "mina", text);
    Tact__V1__DecideRequest m = decide_request("r1", "email", TACT__V1__MODE__RESERVE);
    struct reply r = call_on(0, OP_DECIDE, &m);
    Tact__V1__DecideResponse *d = decided(&r);
    assert_int_equal(d->decision->n_choices, 0);
    assert_string_equal(d->decision->suppression->rule, "email_weekly");
    tact__v1__decide_response__free_unpacked(d, NULL);
    m = decide_request("r2", "web", TACT__V1__MODE__PEEK);
    r = call_on(0, OP_DECIDE, &m);
    d = decided(&r);
    assert_int_equal(d->decision->n_choices, 1);
    tact__v1__decide_response__free_unpacked(d, NULL);
    Tact__V1__RecordContactRequest k = TACT__V1__RECORD_CONTACT_REQUEST__INIT;
    k.customer_id = (char *)"mina";
    k.contact_id = (char *)"k1";
    k.channel = (char *)"email";
    assert_int_equal(call_on(0, OP_CONTACT, &k).status, GRPC_OK);
    Tact__V1__ForgetRequest f = TACT__V1__FORGET_REQUEST__INIT;
    f.customer_id = (char *)"mina";
    assert_int_equal(call_on(0, OP_FORGET, &f).status, GRPC_OK);
}

int main(void)
{
    struct error e;
    if (tzdb_load(&zones, NULL, &e))
        return 1;
#define EACH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {EACH(two_policies_decide_one_request), EACH(members_share_a_contact_id),
                                       EACH(a_name_too_long_for_a_household)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    tzdb_free(&zones);
    return failed;
}
