/* Exactly once: every signal is sent twice, in any order within an hour, to servers that share one store over a network that
 * delays, reorders, stalls and loses messages, while servers are killed; a sender that hears nothing sends again. Whatever
 * happens, in the end each customer's state says what the set of events says: counts and sums kept here by hand, and every
 * aggregate as if each event had come once, in order. And the log has a server's writes in the order of their versions.
 * TACT_SIM_SEEDS sets the number of seeds (2,000); a failure prints its seed, TACT_SIM_SEED runs that one alone.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "sim/events.h"
#include "sim/sender.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

enum { SERVERS = 2, CUSTOMERS = 4, BATCHES = 30, BATCH_MAX = 4, COPIES = 2 };
#define SECOND INT64_C(1000000)
#define HOUR (3600 * SECOND)

/* A SignalRequest, sent COPIES times, each until it is acknowledged. */
struct batch {
    int customer, count;
    struct event events[BATCH_MAX];
    uint8_t bytes[1024];
    size_t n;
};

struct run;
struct sender {
    struct sim_sender base;
    struct run *run;
    struct batch *batch;
};

struct run {
    struct sim_world world;
    uint64_t seed;
    struct batch batches[BATCHES];
    struct sender senders[BATCHES * COPIES];
    int done;
    uint64_t applied; /* as acknowledged */
};

#define CHECK(run, condition)                                                                                \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fail_msg("seed %llu: not true: %s", (unsigned long long)(run)->seed, #condition);                \
        }                                                                                                    \
    } while (0)

/* ---- the events ---- */

static void customer_id(int customer, char id[16])
{
    snprintf(id, 16, "c%d", customer);
}

static void make_batch(struct run *run, int which, int *events)
{
    struct batch *b = &run->batches[which];
    struct arena a;
    char id[16];
    Tact__V1__Signal *list[BATCH_MAX];
    Tact__V1__SignalRequest m;
    arena_init(&a, 1 << 20);
    b->customer = (int)sim_random(run->world.sim, CUSTOMERS);
    b->count = 1 + (int)sim_random(run->world.sim, BATCH_MAX);
    for (int i = 0; i < b->count; i++) {
        draw_event(run->world.sim, &b->events[i], (*events)++);
        list[i] = event_message(&b->events[i], &a);
    }
    tact__v1__signal_request__init(&m);
    customer_id(b->customer, id);
    m.customer_id = id;
    m.n_signals = (size_t)b->count;
    m.signals = list;
    b->n = tact__v1__signal_request__get_packed_size(&m);
    CHECK(run, b->n <= sizeof b->bytes);
    tact__v1__signal_request__pack(&m, b->bytes);
    arena_free(&a);
}

/* ---- sending ---- */

static void on_answer(struct sim_sender *base, const struct worker_result *r, bool mark)
{
    struct sender *s = (struct sender *)base;
    struct run *run = s->run;
    (void)mark;
    CHECK(run, r->status == GRPC_OK);
    Tact__V1__SignalResponse *m = tact__v1__signal_response__unpack(NULL, r->message.n, (const uint8_t *)r->message.p);
    CHECK(run, m && m->n_rejected == 0 && m->applied + m->repeats == (uint32_t)s->batch->count);
    run->applied += m->applied;
    tact__v1__signal_response__free_unpacked(m, NULL);
    run->done += !base->done;
}

static void too_many_tries(const struct sim_sender *s)
{
    CHECK(((const struct sender *)s)->run, s->tries <= SIM_TRIES_MAX);
}

static void kill_one(void *user)
{
    (void)sim_kill_one(&((struct run *)user)->world);
}

static void restart_dead(void *user)
{
    sim_restart_dead(&((struct run *)user)->world, SERVERS);
}

/* Half of the senders at once, so that they queue, the others at any time within 50 minutes. */
static void start(struct run *run, bool faults)
{
    struct sim *sim = run->world.sim;
    int events = 0, n = 0;
    for (int i = 0; i < BATCHES; i++) {
        make_batch(run, i, &events);
        for (int copy = 0; copy < COPIES; copy++) {
            struct sender *s = &run->senders[n++];
            struct batch *b = &run->batches[i];
            *s = (struct sender){.run = run, .batch = b};
            s->base = (struct sim_sender){.world = &run->world,
                                          .servers = SERVERS,
                                          .kind = OP_SIGNAL,
                                          .request = {(const char *)b->bytes, b->n},
                                          .answered = on_answer,
                                          .failed = too_many_tries};
            sim_send_within(&s->base, sim_random(sim, 2) ? 2000 : HOUR * 5 / 6);
        }
    }
    for (int k = 0; faults && k < 6; k++) {
        int64_t at = sim_now(sim) + (k ? (int64_t)sim_random(sim, HOUR * 5 / 6) : (int64_t)sim_random(sim, 3000));
        sim_at(sim, at, kill_one, run);
        sim_at(sim, at + SECOND / 2, restart_dead, run);
    }
}

/* ---- what must have come of it ---- */

static int events_of(struct run *run, int customer, const struct event **out)
{
    int n = 0;
    for (int i = 0; i < BATCHES; i++)
        for (int k = 0; run->batches[i].customer == customer && k < run->batches[i].count; k++)
            out[n++] = &run->batches[i].events[k];
    qsort(out, (size_t)n, sizeof *out, event_by_time);
    return n;
}

static void check_by_hand(struct run *run, const struct policy *p, const struct state *s, const struct event *const *events,
                          int n, int64_t now_ms)
{
    int64_t buys = 0, cents = 0;
    for (int i = 0; i < n; i++)
        if (events[i]->kind == 0) {
            buys++;
            cents += llround(events[i]->price * 100);
        }
    int64_t seen_buys = -1, seen_cents = -1;
    for (size_t k = 0; k < p->schema.aggregate_count; k++) {
        struct value v = state_aggregate(s, k, now_ms);
        if (str_is(p->schema.aggregates[k].name, "count(buy, 30d)"))
            seen_buys = v.integer;
        if (str_is(p->schema.aggregates[k].name, "sum(buy.price, 30d)"))
            seen_cents = llround(v.number * 100);
    }
    CHECK(run, seen_cents == cents);
    CHECK(run, seen_buys == buys);
}

static void check_customer(struct run *run, int customer)
{
    const struct policy *p = worker_snapshot(run->world.servers[0].worker)->policy;
    const struct event *events[BATCHES * BATCH_MAX];
    struct arena a;
    struct state got, want;
    struct error e;
    char key[32];
    arena_init(&a, 8 << 20);
    int n = events_of(run, customer, events);
    int64_t now_ms = sim_wall_ms(&run->world);
    snprintf(key, sizeof key, "tact:{c%d}:s", customer);
    CHECK(run, state_decode(&got, &p->schema, sim_get(run->world.sim, key), &a, &e) == 0);
    CHECK(run, state_empty(&want, &p->schema, &a) == 0);
    CHECK(run, events_apply(p, events, n, now_ms, &want));
    const struct schema_aggregate *differs = events_differ(&want, &got, now_ms);
    if (differs)
        fail_msg("seed %llu: customer %d: %.*s differs", (unsigned long long)run->seed, customer, STR_ARG(differs->name));
    check_by_hand(run, p, &got, events, n, now_ms);
    arena_free(&a);
}

static uint64_t each_seed(uint64_t count, bool faults)
{
    struct tzdb *zones;
    struct error e;
    assert_int_equal(tzdb_load(&zones, NULL, &e), 0);
    const char *only = getenv("TACT_SIM_SEED");
    uint64_t first = only ? strtoull(only, NULL, 10) : 1, saved = 0;
    for (uint64_t seed = first; seed < first + (only ? 1 : count); seed++) {
        struct sim_options o = {.delay_min_us = 20, .delay_max_us = 400, .reorder = seed % 2 == 0};
        if (faults) {
            o.drop_request = o.drop_reply = 0.02;
            o.stall = 0.01;
            o.stall_us = 900000;
        }
        struct run *run = calloc(1, sizeof *run);
        run->seed = seed;
        sim_world_start(&run->world, seed, &o, zones, SIM_EVENTS_POLICY, SERVERS);
        start(run, faults);
        for (size_t steps = 0; run->done < BATCHES * COPIES && sim_step(run->world.sim); steps++)
            CHECK(run, steps < 2000000);
        CHECK(run, run->done == BATCHES * COPIES);
        sim_run_until(run->world.sim, sim_now(run->world.sim) + 5 * SECOND); /* late messages arrive */
        restart_dead(run);
        for (int customer = 0; customer < CUSTOMERS; customer++)
            check_customer(run, customer);
        for (int i = 0; i < SERVERS; i++)
            saved += worker_stats(run->world.servers[i].worker)->folded;
        sim_world_stop(&run->world);
        free(run);
    }
    tzdb_free(&zones);
    return saved;
}

static uint64_t seeds(void)
{
    const char *n = getenv("TACT_SIM_SEEDS");
    return n ? strtoull(n, NULL, 10) : 2000;
}

static void quiet_network(void **state)
{
    (void)state;
    assert_true(each_seed(seeds() / 10 + 1, false) > 0); /* else nobody waited */
}

static void faults_kills_and_retries(void **state)
{
    (void)state;
    assert_true(each_seed(seeds(), true) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(quiet_network), cmocka_unit_test(faults_kills_and_retries)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
