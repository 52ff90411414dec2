/* The simulated store: the contract, and what is its own: the same seed gives the same history, losses end in
 * the right status, a killed server is never called back.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit/store/contract.h"
#include "store/sim_store.h"

static const struct sim_options calm = {.delay_min_us = 100, .delay_max_us = 900};

static void turn(void *user)
{
    sim_step(user);
}

static int64_t now(void *user)
{
    return sim_now(user);
}

static void test_contract(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct sim_options o = calm;
        o.reorder = seed % 2;
        struct sim *sim = sim_new(seed, &o);
        struct contract c = {
            .a = sim_connect(sim), .b = sim_connect(sim), .turn = turn, .now = now, .user = sim};
        contract_all(&c);
        sim_free(&sim);
        assert_null(sim);
    }
}

/* One history: two servers add to a counter over a bad network, one call at a time each. */
struct player {
    struct sim *sim;
    struct store *s;
    uint64_t expected, *hash, *fresh;
    int calls, ok, unsure;
};

static void play(void *user);

static void on_played(void *user, const struct store_reply *r)
{
    struct player *p = user;
    *p->hash = (*p->hash ^ (uint64_t)sim_now(p->sim) ^ (uint64_t)r->status << 56) * 0x9e3779b97f4a7c15;
    p->ok += r->status == STORE_OK;
    p->unsure += r->status == STORE_UNCERTAIN;
    if (r->status == STORE_CONFLICT)
        p->expected = store_version(r->blob);
    if (p->calls > 0)
        sim_at(p->sim, sim_now(p->sim) + 50, play, p);
}

static void play(void *user)
{
    struct player *p = user;
    struct store_commit commit = {
        .customer = STR("c"), .expected = p->expected, .blob = blob_of(++*p->fresh, "")};
    p->expected = *p->fresh;
    p->calls--;
    store_commit(p->s, &commit, sim_now(p->sim) + 3000, on_played, p);
}

static uint64_t history(uint64_t seed, int *ok, int *unsure)
{
    struct sim_options o = {.delay_min_us = 10,
                            .delay_max_us = 2000,
                            .drop_request = 0.05,
                            .drop_reply = 0.05,
                            .stall = 0.02,
                            .stall_us = 5000};
    uint64_t hash = seed, fresh = 0;
    struct sim *sim = sim_new(seed, &o);
    struct player players[2];
    for (int i = 0; i < 2; i++) {
        players[i] =
            (struct player){.sim = sim, .s = sim_connect(sim), .hash = &hash, .fresh = &fresh, .calls = 100};
        sim_at(sim, 0, play, &players[i]);
    }
    assert_true(sim_run(sim, 1000000) < 1000000);
    *ok = players[0].ok + players[1].ok;
    *unsure = players[0].unsure + players[1].unsure;
    sim_free(&sim);
    return hash;
}

static void test_same_seed_same_history(void **state)
{
    (void)state;
    int ok[2], unsure[2];
    uint64_t first = history(42, &ok[0], &unsure[0]);
    assert_int_equal(first, history(42, &ok[1], &unsure[1]));
    assert_int_equal(ok[0], ok[1]);
    assert_true(ok[0] > 20 && unsure[0] > 3);
    assert_int_not_equal(first, history(43, &ok[1], &unsure[1]));
}

static void test_lost_messages(void **state)
{
    (void)state;
    struct sim_options o = calm;
    o.drop_request = 1;
    struct sim *sim = sim_new(7, &o);
    struct contract c = {.a = sim_connect(sim), .turn = turn, .now = now, .user = sim};
    struct got g = {0};
    struct store_commit commit = {.customer = STR("c"), .blob = blob_of(5, "x")};
    int64_t deadline = sim_now(sim) + 2000;
    store_commit(c.a, &commit, deadline, on_got, &g);
    assert_int_equal(await(&c, &g), STORE_UNCERTAIN);
    assert_int_equal(sim_now(sim), deadline);
    assert_int_equal(sim_get(sim, "tact:{c}:s").n, 0);
    assert_int_equal(do_read(&c, c.a, STR("c"), NULL, &g), STORE_UNAVAILABLE);

    o.drop_request = 0;
    o.drop_reply = 1;
    sim_set_options(sim, &o);
    assert_int_equal(do_commit(&c, c.a, commit, &g), STORE_UNCERTAIN); /* done, and nobody knows */
    assert_int_equal(store_version(sim_get(sim, "tact:{c}:s")), 5);
    assert_int_equal(do_read(&c, c.a, STR("c"), NULL, &g), STORE_UNAVAILABLE);

    /* A stalled request: the caller has given up, the write still comes. */
    o = calm;
    o.stall = 1;
    o.stall_us = 10 * CONTRACT_SECOND_US;
    sim_set_options(sim, &o);
    commit.expected = 5;
    commit.blob = blob_of(6, "late");
    assert_int_equal(do_commit(&c, c.a, commit, &g), STORE_UNCERTAIN);
    assert_int_equal(store_version(sim_get(sim, "tact:{c}:s")), 5);
    sim_run_until(sim, sim_now(sim) + 20 * CONTRACT_SECOND_US);
    assert_int_equal(store_version(sim_get(sim, "tact:{c}:s")), 6);
    assert_int_equal(sim_stats(sim).late_replies, 1);

    o = calm;
    sim_set_options(sim, &o);
    sim_refuse_writes(sim, "OOM");
    commit.expected = 6;
    assert_int_equal(do_commit(&c, c.a, commit, &g), STORE_REFUSED);
    assert_string_equal(g.error, "OOM");
    assert_int_equal(do_read(&c, c.a, STR("c"), NULL, &g), STORE_OK);
    sim_refuse_writes(sim, NULL);
    assert_int_equal(do_commit(&c, c.a, commit, &g), STORE_OK);
    got_free(&g);
    sim_free(&sim);
}

static void on_never(void *user, const struct store_reply *r)
{
    (void)user;
    (void)r;
    fail_msg("a killed server was called back");
}

static void test_killed_server(void **state)
{
    (void)state;
    int applied = 0, lost = 0;
    for (uint64_t seed = 0; seed < 64; seed++) {
        struct sim *sim = sim_new(seed, &calm);
        struct store *dead = sim_connect(sim);
        struct store_commit commit = {.customer = STR("c"), .blob = blob_of(5, "x")};
        store_commit(dead, &commit, sim_now(sim) + CONTRACT_SECOND_US, on_never, NULL);
        sim_disconnect(sim, &dead);
        assert_null(dead);
        sim_run(sim, 1000);
        size_t n = sim_get(sim, "tact:{c}:s").n;
        applied += n > 0;
        lost += n == 0;
        sim_free(&sim);
    }
    assert_true(applied > 8 && lost > 8);
}

static void test_partition(void **state)
{
    (void)state;
    struct sim *sim = sim_new(11, &calm);
    struct contract c = {.a = sim_connect(sim), .b = sim_connect(sim), .turn = turn, .now = now, .user = sim};
    struct got write = {0}, read = {0}, g = {0};
    struct store_commit commit = {.customer = STR("c"), .blob = blob_of(5, "x")};
    int64_t start = sim_now(sim);
    store_commit(c.a, &commit, soon(&c), on_got, &write);
    store_read(c.a, STR("c"), NULL, soon(&c), on_got, &read);
    sim_set_up(sim, c.a, false);
    assert_int_equal(write.calls, 0);
    assert_int_equal(await(&c, &write), STORE_UNCERTAIN);
    assert_int_equal(await(&c, &read), STORE_UNAVAILABLE);
    assert_int_equal(sim_now(sim), start);
    assert_false(store_ready(c.a));
    assert_true(store_ready(c.b));
    assert_int_equal(do_commit(&c, c.a, commit, &g), STORE_UNAVAILABLE);
    assert_int_equal(do_read(&c, c.b, STR("c"), NULL, &g), STORE_OK);
    sim_set_up(sim, c.a, true);
    assert_int_equal(do_read(&c, c.a, STR("c"), NULL, &g), STORE_OK);
    sim_run(sim, 1000);
    assert_int_equal(write.calls + read.calls, 2);
    got_free(&write);
    got_free(&read);
    got_free(&g);
    sim_free(&sim);
}

static void test_order(void **state)
{
    (void)state;
    enum { CALLS = 200 };
    struct sim_options o = {.delay_min_us = 1, .delay_max_us = 100000};
    struct sim *sim = sim_new(3, &o);
    struct store *s = sim_connect(sim);
    struct got g[CALLS] = {{0}};
    for (int i = 0; i < CALLS; i++) { /* each builds on the one before, all sent at once */
        struct store_commit commit = {
            .customer = STR("c"), .expected = (uint64_t)i, .blob = blob_of((uint64_t)i + 1, "x")};
        store_commit(s, &commit, INT64_MAX, on_got, &g[i]);
    }
    for (int i = 0; i < CALLS;) {
        assert_true(sim_step(sim));
        while (i < CALLS && g[i].calls)
            i++;
        for (int k = i; k < CALLS; k++)
            assert_int_equal(g[k].calls, 0);
    }
    for (int i = 0; i < CALLS; i++) {
        assert_int_equal(g[i].status, STORE_OK);
        got_free(&g[i]);
    }
    assert_int_equal(sim_key_count(sim), 1);
    sim_free(&sim);
}

static void test_unfinished(void **state)
{
    (void)state;
    struct sim *sim = sim_new(5, &calm);
    struct store *s = sim_connect(sim);
    store_read(s, STR("c"), NULL, INT64_MAX, on_never, NULL);
    store_secret(s, INT64_MAX, on_never, NULL);
    sim_free(&sim); /* gives everything back, calls nobody */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_contract),      cmocka_unit_test(test_same_seed_same_history),
        cmocka_unit_test(test_lost_messages), cmocka_unit_test(test_killed_server),
        cmocka_unit_test(test_partition),     cmocka_unit_test(test_order),
        cmocka_unit_test(test_unfinished),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
