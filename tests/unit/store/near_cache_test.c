/* The near cache over the simulated store. By hand: what fills it, what empties it, what the watch's end makes of it, its bound.
 * And at random: two processes, one with two caches, over a network that delays and reorders, whose watches and connections
 * break, with a store that is flushed. At every instant what a cache calls current is what the store has, or was replaced no
 * longer ago than word of it can take; and never older than what its process has acknowledged.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/rng.h"
#include "store/near_cache.h"
#include "store/sim_store.h"
#include "store/store_key.h"
#include <stdio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

static int64_t sim_clock(void *ctx)
{
    return sim_now(ctx);
}

struct answer {
    bool done;
    enum store_status status;
};

static void on_answer(void *user, const struct store_reply *r)
{
    struct answer *a = user;
    *a = (struct answer){true, r->status};
}

struct bench {
    struct sim *sim;
    struct store *conn, *other; /* other: without a cache */
    struct store *cache;
};

static struct str blob_of(char bytes[32], uint64_t version)
{
    memset(bytes, 'x', 32);
    bytes[0] = 2;
    store_version_bytes(version, bytes + STORE_VERSION_AT);
    return (struct str){bytes, 32};
}

static void write_one(struct bench *b, struct store *to, const char *customer, uint64_t expected, uint64_t version)
{
    char bytes[32];
    struct answer a = {0};
    struct store_commit c = {.customer = str_from(customer), .expected = expected, .blob = blob_of(bytes, version)};
    store_commit(to, &c, sim_now(b->sim) + 1000000, on_answer, &a);
    while (!a.done)
        assert_true(sim_step(b->sim));
    assert_int_equal(a.status, STORE_OK);
}

static void read_one(struct bench *b, const char *customer)
{
    struct answer a = {0};
    store_read(b->cache, str_from(customer), NULL, sim_now(b->sim) + 1000000, on_answer, &a);
    while (!a.done)
        assert_true(sim_step(b->sim));
    assert_int_equal(a.status, STORE_OK);
}

/* The version that is cached: -1 nothing, -2 something that is not current. */
static int64_t has(struct bench *b, const char *customer)
{
    struct store_cached c;
    if (!store_cached(b->cache, str_from(customer), &c))
        return -1;
    return c.current ? (int64_t)store_version(c.blob) : -2;
}

static void open_bench(struct bench *b, size_t bytes_max)
{
    static const struct sim_options o = {.delay_min_us = 50, .delay_max_us = 60};
    b->sim = sim_new(1, &o);
    b->conn = sim_connect(b->sim);
    b->other = sim_connect(b->sim);
    b->cache = near_cache_new(b->conn, &(struct near_cache_options){bytes_max, sim_clock, b->sim, NULL});
    sim_run(b->sim, 10); /* the watch comes on */
}

static void close_bench(struct bench *b)
{
    sim_free(&b->sim);
    near_cache_free(&b->cache);
}

static void what_fills_and_empties_it(void **state)
{
    (void)state;
    struct bench b;
    open_bench(&b, 1 << 20);
    assert_int_equal(has(&b, "c"), -1);
    read_one(&b, "c");
    assert_int_equal(has(&b, "c"), 0); /* known to be absent */
    write_one(&b, b.cache, "c", 0, 7);
    assert_int_equal(has(&b, "c"), 7);
    write_one(&b, b.other, "c", 7, 8);
    sim_run(b.sim, 10);
    assert_int_equal(has(&b, "c"), -1);
    read_one(&b, "c");
    assert_int_equal(has(&b, "c"), 8);
    sim_flush(b.sim);
    sim_run(b.sim, 10);
    assert_int_equal(has(&b, "c"), -1);
    /* a conflict brings the fresh one, an uncertain write takes away what is there */
    write_one(&b, b.other, "c", 0, 9);
    char bytes[32];
    struct answer a = {0};
    struct store_commit c = {.customer = STR("c"), .expected = 5, .blob = blob_of(bytes, 10)};
    store_commit(b.cache, &c, sim_now(b.sim) + 1000000, on_answer, &a);
    sim_run(b.sim, 10);
    assert_int_equal(a.status, STORE_CONFLICT);
    assert_int_equal(has(&b, "c"), 9);
    sim_set_options(b.sim, &(struct sim_options){.delay_min_us = 50, .delay_max_us = 60, .drop_reply = 1});
    a.done = false;
    c.expected = 9;
    store_commit(b.cache, &c, sim_now(b.sim) + 1000, on_answer, &a);
    assert_int_equal(has(&b, "c"), -1); /* from when it is sent */
    sim_run(b.sim, 10);
    assert_int_equal(a.status, STORE_UNCERTAIN);
    assert_int_equal(has(&b, "c"), -1);
    close_bench(&b);
}

static void a_late_reply_is_not_kept(void **state)
{
    (void)state;
    struct bench b;
    open_bench(&b, 1 << 20);
    write_one(&b, b.other, "c", 0, 1);
    /* the read's reply is slow, the word of a change that came after it is quick */
    struct answer a = {0};
    store_read(b.cache, STR("c"), NULL, sim_now(b.sim) + 1000000, on_answer, &a);
    sim_set_options(b.sim, &(struct sim_options){.delay_min_us = 5000, .delay_max_us = 5000});
    while (sim_stats(b.sim).applied < 2)
        assert_true(sim_step(b.sim));
    sim_set_options(b.sim, &(struct sim_options){.delay_min_us = 1, .delay_max_us = 1});
    write_one(&b, b.other, "c", 1, 2);
    sim_run(b.sim, 20);
    assert_true(a.done);
    assert_int_equal(has(&b, "c"), -1);
    assert_int_equal(near_cache_stats(b.cache).races, 1);
    close_bench(&b);
}

static void without_the_watch_it_is_unverified(void **state)
{
    (void)state;
    struct bench b;
    struct store_cached c;
    open_bench(&b, 1 << 20);
    write_one(&b, b.cache, "c", 0, 1);
    int64_t lost_us = sim_now(b.sim);
    sim_break_watch(b.sim, b.conn, 0, 1000000);
    sim_run_until(b.sim, lost_us + 500000);
    assert_int_equal(has(&b, "c"), -2);
    assert_true(store_cached(b.cache, STR("c"), &c) && c.known_us == lost_us);
    read_one(&b, "d");
    assert_int_equal(has(&b, "d"), -1); /* nothing new is kept meanwhile */
    sim_run_until(b.sim, lost_us + 2000000);
    assert_int_equal(has(&b, "c"), -2); /* nobody told of changes meanwhile */
    read_one(&b, "c");
    assert_int_equal(has(&b, "c"), 1);
    write_one(&b, b.cache, "e", 0, 1);
    sim_break_watch(b.sim, b.conn, 0, 1000);
    sim_run(b.sim, 10);
    sim_break_watch(b.sim, b.conn, 0, 1000);
    sim_run(b.sim, 10);
    assert_int_equal(has(&b, "e"), -1); /* of a watch before the last one that was lost */
    close_bench(&b);
}

static void it_keeps_to_its_bound(void **state)
{
    (void)state;
    struct bench b;
    enum { BOUND = 20000 };
    open_bench(&b, BOUND);
    char name[16];
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "c%d", i);
        write_one(&b, b.cache, name, 0, 1);
        assert_int_equal(has(&b, "c0"), 1); /* used all the time */
        assert_true(near_cache_stats(b.cache).bytes <= BOUND);
    }
    struct near_cache_stats s = near_cache_stats(b.cache);
    assert_true(s.entries > 100 && s.entries < 200 && s.evicted == 1000 - s.entries);
    assert_int_equal(has(&b, name), 1);
    assert_int_equal(has(&b, "c1"), -1);
    close_bench(&b);
}

/* ---- at random ---- */

enum { CACHES = 3, CUSTOMERS = 5, HISTORY = 4096, DELAY_MAX_US = 400, DETECT_MAX_US = 3000 };

struct history {
    uint64_t version[HISTORY]; /* 0: absent */
    int64_t from_us[HISTORY];
    size_t count;
};

struct scene {
    struct sim *sim;
    struct rng rng;
    struct store *conns[CACHES], *caches[CACHES];
    struct near_hints *hints; /* of caches 0 and 1 */
    struct history history[CUSTOMERS];
    size_t acknowledged[2][CUSTOMERS]; /* place in the history, by process */
    int64_t blind_until_us[CACHES];    /* its watch was broken, which it does not know yet */
    uint64_t versions, checked, current, stale;
};

static const char *const customers[CUSTOMERS] = {"a", "b", "c", "d", "e"};

static int process_of(int cache)
{
    return cache == 2;
}

static size_t place_of_version(const struct history *h, uint64_t version)
{
    for (size_t i = h->count; i-- > 0;)
        if (h->version[i] == version)
            return i;
    fail_msg("version %llu never was", (unsigned long long)version);
    return 0;
}

/* After each step: what the store has now. */
static void look(struct scene *s)
{
    for (int k = 0; k < CUSTOMERS; k++) {
        struct history *h = &s->history[k];
        char key[32];
        snprintf(key, sizeof key, "tact:{%s}:s", customers[k]);
        uint64_t version = store_version(sim_get(s->sim, key));
        if (h->version[h->count - 1] != version) {
            assert_true(h->count < HISTORY);
            h->version[h->count] = version;
            h->from_us[h->count++] = sim_now(s->sim);
        }
    }
}

struct write {
    struct scene *scene;
    int cache, customer;
    uint64_t version;
};

static void on_written(void *user, const struct store_reply *r)
{
    struct write *w = user;
    struct scene *s = w->scene;
    if (r->status == STORE_OK) {
        look(s);
        size_t at = place_of_version(&s->history[w->customer], w->version), *there = &s->acknowledged[process_of(w->cache)][w->customer];
        *there = at > *there ? at : *there;
    }
    free(w);
}

static void on_nothing(void *user, const struct store_reply *r)
{
    (void)user, (void)r;
}

static void check_all(struct scene *s)
{
    for (int i = 0; i < CACHES; i++)
        for (int k = 0; k < CUSTOMERS; k++) {
            struct store_cached c;
            struct history *h = &s->history[k];
            if (!store_cached(s->caches[i], str_from(customers[k]), &c) || !c.current)
                continue;
            size_t at = place_of_version(h, store_version(c.blob));
            s->current++;
            assert_true(at >= s->acknowledged[process_of(i)][k]);
            if (at + 1 == h->count)
                continue;
            s->stale++;
            if (sim_now(s->sim) > s->blind_until_us[i] && sim_now(s->sim) - h->from_us[at + 1] > DELAY_MAX_US)
                fail_msg("cache %d, customer %s: version %llu, replaced %lld us ago by %llu", i, customers[k],
                         (unsigned long long)h->version[at], (long long)(sim_now(s->sim) - h->from_us[at + 1]),
                         (unsigned long long)h->version[at + 1]);
        }
}

static void act(struct scene *s)
{
    int i = (int)rng_below(&s->rng, CACHES), k = (int)rng_below(&s->rng, CUSTOMERS);
    int64_t deadline_us = sim_now(s->sim) + (rng_below(&s->rng, 10) ? 1000000 : 300);
    uint64_t what = rng_below(&s->rng, 1000);
    if (what < 500) {
        store_read(s->caches[i], str_from(customers[k]), NULL, deadline_us, on_nothing, NULL);
    } else if (what < 990) {
        struct write *w = malloc(sizeof *w);
        char bytes[32];
        struct history *h = &s->history[k];
        *w = (struct write){s, i, k, ++s->versions};
        struct store_commit c = {.customer = str_from(customers[k]),
                                 .expected = rng_below(&s->rng, 5) ? h->version[h->count - 1] : 1,
                                 .blob = blob_of(bytes, w->version)};
        store_commit(s->caches[i], &c, deadline_us, on_written, w);
    } else if (what < 994) {
        int64_t detect_us = (int64_t)rng_below(&s->rng, DETECT_MAX_US);
        s->blind_until_us[i] = sim_now(s->sim) + detect_us + 1;
        sim_break_watch(s->sim, s->conns[i], detect_us, 5000);
    } else if (what < 997) {
        sim_set_up(s->sim, s->conns[i], false);
        sim_set_up(s->sim, s->conns[i], true);
    } else {
        sim_flush(s->sim);
    }
}

static uint64_t seeds(void)
{
    const char *n = getenv("TACT_SIM_SEEDS");
    return n ? strtoull(n, NULL, 10) : 100;
}

static void whatever_comes_between(void **state)
{
    (void)state;
    uint64_t current = 0, stale = 0;
    for (uint64_t seed = 1; seed <= seeds(); seed++) {
        struct scene *s = calloc(1, sizeof *s);
        struct sim_options o = {.delay_min_us = 20, .delay_max_us = DELAY_MAX_US, .reorder = seed % 2, .drop_reply = 0.01};
        s->sim = sim_new(seed, &o);
        rng_seed(&s->rng, seed);
        s->hints = calloc(1, sizeof *s->hints);
        s->versions = 1000;
        for (int k = 0; k < CUSTOMERS; k++)
            s->history[k].count = 1;
        for (int i = 0; i < CACHES; i++) {
            s->conns[i] = sim_connect(s->sim);
            struct near_cache_options no = {seed % 3 ? 1 << 20 : 400, sim_clock, s->sim, i < 2 ? s->hints : NULL};
            s->caches[i] = near_cache_new(s->conns[i], &no);
        }
        for (int n = 0; n < 2000; n++) {
            act(s);
            for (uint64_t steps = rng_below(&s->rng, 6); steps > 0 && sim_step(s->sim); steps--) {
                look(s);
                check_all(s);
            }
        }
        sim_run(s->sim, 100000);
        look(s);
        check_all(s);
        current += s->current;
        stale += s->stale;
        sim_free(&s->sim);
        for (int i = 0; i < CACHES; i++)
            near_cache_free(&s->caches[i]);
        free(s->hints);
        free(s);
    }
    assert_true(current > 1000 * seeds() && stale > 10 * seeds()); /* else nothing was tried */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_fills_and_empties_it),          cmocka_unit_test(a_late_reply_is_not_kept),
        cmocka_unit_test(without_the_watch_it_is_unverified), cmocka_unit_test(it_keeps_to_its_bound),
        cmocka_unit_test(whatever_comes_between),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
