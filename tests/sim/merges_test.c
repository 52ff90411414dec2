/* Two ids are one person: signals and merges, each sent twice, at the same time, in chains and rings, to servers that share one
 * store over a network that delays, reorders, stalls and loses messages, while servers are killed between any two steps. In
 * the end all ids of a person lead to one customer, on any server, and its state is that of one who was told everything, each
 * event once; ids that were not merged are apart. Then every id is forgotten, while further merges go on among them: nothing is left
 * of anybody, wherever a merge stood.
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

enum { SERVERS = 2, IDS = 7, BATCHES = 20, BATCH_MAX = 3, MERGES_MAX = 10, COPIES = 2 };
enum { CALLS_MAX = BATCHES + 2 * MERGES_MAX + IDS };
#define SECOND INT64_C(1000000)

/* Sent COPIES times, each until it is acknowledged. */
struct call {
    enum op_kind kind;
    int from, to; /* of a merge; of signals both are the customer */
    int count;
    struct event events[BATCH_MAX];
    uint8_t bytes[1024];
    size_t n;
};

struct run;
struct sender {
    struct sim_sender base;
    struct run *run;
};

struct run {
    struct sim_world world;
    uint64_t seed;
    struct call calls[CALLS_MAX];
    int call_count, events;
    struct sender senders[CALLS_MAX * COPIES];
    int done, sent;
    int person[IDS]; /* whose an id is in the end: the least id of them */
    char led_to[16]; /* what the last Get said */
    bool answered, found, forgotten, forgetting;
};

#define CHECK(run, condition)                                                                                \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fail_msg("seed %llu: not true: %s", (unsigned long long)(run)->seed, #condition);                \
        }                                                                                                    \
    } while (0)

/* ---- the calls ---- */

static char *id_text(int id, char text[16])
{
    snprintf(text, 16, "c%d", id);
    return text;
}

static void pack(struct run *run, struct call *c, const ProtobufCMessage *m)
{
    c->n = protobuf_c_message_get_packed_size(m);
    CHECK(run, c->n <= sizeof c->bytes);
    protobuf_c_message_pack(m, c->bytes);
}

static void make_signals(struct run *run)
{
    struct sim *sim = run->world.sim;
    struct call *c = &run->calls[run->call_count++];
    struct arena a;
    char text[16];
    Tact__V1__Signal *list[BATCH_MAX];
    Tact__V1__SignalRequest m;
    arena_init(&a, 1 << 20);
    *c = (struct call){.kind = OP_SIGNAL, .count = 1 + (int)sim_random(sim, BATCH_MAX)};
    c->from = c->to = (int)sim_random(sim, IDS);
    for (int i = 0; i < c->count; i++) {
        draw_event(sim, &c->events[i], run->events++);
        list[i] = event_message(&c->events[i], &a);
    }
    tact__v1__signal_request__init(&m);
    m.customer_id = id_text(c->from, text);
    m.n_signals = (size_t)c->count;
    m.signals = list;
    pack(run, c, &m.base);
    arena_free(&a);
}

static void make_merge(struct run *run, int from, int to)
{
    struct call *c = &run->calls[run->call_count++];
    char texts[2][16];
    Tact__V1__MergeRequest m;
    *c = (struct call){.kind = OP_MERGE, .from = from, .to = to};
    tact__v1__merge_request__init(&m);
    m.from = id_text(from, texts[0]);
    m.to = id_text(to, texts[1]);
    pack(run, c, &m.base);
}

static void make_forget(struct run *run, int id)
{
    struct call *c = &run->calls[run->call_count++];
    char text[16];
    Tact__V1__ForgetRequest m;
    *c = (struct call){.kind = OP_FORGET, .from = id, .to = id};
    tact__v1__forget_request__init(&m);
    m.customer_id = id_text(id, text);
    pack(run, c, &m.base);
}

/* Any pairs; every other time a ring among them, or a chain. */
static void make_merges(struct run *run)
{
    struct sim *sim = run->world.sim;
    int n = 1 + (int)sim_random(sim, MERGES_MAX), shape = (int)sim_random(sim, 4), length = 2 + (int)sim_random(sim, IDS - 1);
    for (int i = 0; i < n; i++) {
        if (shape == 0 && i < length)
            make_merge(run, i, (i + 1) % length);
        else if (shape == 1 && i + 1 < IDS)
            make_merge(run, i, i + 1);
        else
            make_merge(run, (int)sim_random(sim, IDS), (int)sim_random(sim, IDS));
    }
}

/* ---- sending ---- */

static void on_answer(struct sim_sender *base, const struct worker_result *r, bool mark)
{
    struct run *run = ((struct sender *)base)->run;
    bool forgotten = run->forgetting && base->kind == OP_MERGE && r->status == GRPC_FAILED_PRECONDITION;
    (void)mark;
    if (r->status != GRPC_OK && !forgotten)
        fail_msg("seed %llu: status %d: %s", (unsigned long long)run->seed, r->status, r->text);
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

/* Calls from that one on: most at once, so that they meet; the others within a minute. */
static void send_from(struct run *run, int first, bool faults)
{
    struct sim *sim = run->world.sim;
    for (int i = first; i < run->call_count; i++)
        for (int copy = 0; copy < COPIES; copy++) {
            struct sender *s = &run->senders[run->sent++];
            const struct call *c = &run->calls[i];
            *s = (struct sender){.run = run};
            s->base = (struct sim_sender){.world = &run->world,
                                          .servers = SERVERS,
                                          .kind = c->kind,
                                          .request = {(const char *)c->bytes, c->n},
                                          .answered = on_answer,
                                          .failed = too_many_tries};
            sim_send_within(&s->base, sim_random(sim, 3) ? 3000 : 60 * SECOND);
        }
    for (int k = 0; faults && k < 8; k++) {
        int64_t at = sim_now(sim) + (int64_t)sim_random(sim, k < 4 ? 5000 : 60 * SECOND);
        sim_at(sim, at, kill_one, run);
        sim_at(sim, at + (k % 2 ? 1000 : SECOND / 2), restart_dead, run);
    }
}

/* Until all are acknowledged, late messages have arrived, and all kills are over. */
static void run_to_the_end(struct run *run)
{
    for (size_t steps = 0; run->done < run->sent && sim_step(run->world.sim); steps++)
        CHECK(run, steps < 2000000);
    CHECK(run, run->done == run->sent);
    sim_run_until(run->world.sim, sim_now(run->world.sim) + 65 * SECOND);
    for (int i = 0; i < SERVERS; i++) /* every call of a server that lives has ended */
        CHECK(run, !run->world.servers[i].worker || worker_ops(run->world.servers[i].worker) == 0);
    restart_dead(run);
}

static void start(struct run *run, bool faults)
{
    for (int i = 0; i < BATCHES; i++)
        make_signals(run);
    make_merges(run);
    send_from(run, 0, faults);
}

/* ---- what must have come of it ---- */

static void find_persons(struct run *run)
{
    for (int i = 0; i < IDS; i++)
        run->person[i] = i;
    for (int i = 0; i < run->call_count; i++) {
        int a = run->person[run->calls[i].from], b = run->person[run->calls[i].to];
        for (int k = 0; k < IDS; k++)
            if (run->person[k] == a || run->person[k] == b)
                run->person[k] = a < b ? a : b;
    }
}

static void on_get(void *user, const struct worker_result *r)
{
    struct run *run = user;
    run->answered = true;
    run->found = false;
    if (r->status == GRPC_UNAVAILABLE)
        return;
    if (r->status != GRPC_OK)
        fail_msg("seed %llu: Get: %s", (unsigned long long)run->seed, r->text);
    run->found = true;
    Tact__V1__GetResponse *m = tact__v1__get_response__unpack(NULL, r->message.n, (const uint8_t *)r->message.p);
    CHECK(run, m);
    snprintf(run->led_to, sizeof run->led_to, "%s", m->customer_id);
    run->forgotten = m->forgotten_ms > 0;
    tact__v1__get_response__free_unpacked(m, NULL);
}

/* Where an id leads, as a server says, when it can. */
static const char *ask_for(struct run *run, int server, int id)
{
    static uint8_t bytes[64];
    char text[16];
    Tact__V1__GetRequest m;
    tact__v1__get_request__init(&m);
    m.customer_id = id_text(id, text);
    size_t n = tact__v1__get_request__pack(&m, bytes);
    do {
        run->answered = false;
        worker_submit(run->world.servers[server].worker, OP_GET, (struct str){(const char *)bytes, n}, INT64_MAX, on_get, run);
        while (!run->answered)
            CHECK(run, sim_step(run->world.sim));
    } while (!run->found);
    return run->led_to;
}

static void decoded(struct run *run, const char *id, struct state *s, struct arena *a)
{
    const struct policy *p = worker_snapshot(run->world.servers[0].worker)->policy;
    struct error e;
    char key[32];
    snprintf(key, sizeof key, "tact:{%s}:s", id);
    CHECK(run, state_decode(s, &p->schema, sim_get(run->world.sim, key), a, &e) == 0);
}

static void check_person(struct run *run, int person)
{
    const struct policy *p = worker_snapshot(run->world.servers[0].worker)->policy;
    const struct event *events[BATCHES * BATCH_MAX];
    char root[16] = "", text[16];
    struct arena a;
    struct state got, want;
    int n = 0;
    uint32_t ids = 0;
    arena_init(&a, 8 << 20);
    for (int i = 0; i < IDS; i++) {
        if (run->person[i] != person)
            continue;
        ids++;
        for (int server = 0; server < SERVERS; server++) {
            const char *led_to = ask_for(run, server, i);
            if (!root[0])
                snprintf(root, sizeof root, "%s", led_to);
            CHECK(run, strcmp(led_to, root) == 0);
        }
        if (strcmp(id_text(i, text), root) == 0)
            continue;
        decoded(run, text, &got, &a);
        CHECK(run, got.redirect.target.n && !got.redirect.under_way && got.seen_count == 0);
    }
    for (int i = 0; i < run->call_count; i++)
        for (int k = 0; run->person[run->calls[i].from] == person && k < run->calls[i].count; k++)
            events[n++] = &run->calls[i].events[k];
    qsort(events, (size_t)n, sizeof *events, event_by_time);
    int64_t now_ms = sim_wall_ms(&run->world);
    decoded(run, root, &got, &a);
    CHECK(run, got.redirect.target.n == 0);
    CHECK(run, got.identity_count == ids - 1);
    CHECK(run, state_empty(&want, &p->schema, &a) == 0);
    CHECK(run, events_apply(p, events, n, now_ms, &want));
    const struct schema_aggregate *differs = events_differ(&want, &got, now_ms);
    if (differs)
        fail_msg("seed %llu: person %d, customer %s: %.*s differs", (unsigned long long)run->seed, person, root,
                 STR_ARG(differs->name));
    arena_free(&a);
}

/* Of every id, which was forgotten once by its name, there is a tombstone or where it leads. */
static void forget_all(struct run *run, bool faults)
{
    int first = run->call_count;
    char text[16], key[32];
    struct arena a;
    struct state s;
    arena_init(&a, 1 << 20);
    run->forgetting = true;
    for (int id = 0; id < IDS; id++)
        make_forget(run, id);
    make_merges(run);
    send_from(run, first, faults);
    run_to_the_end(run);
    for (int id = 0; id < IDS; id++) {
        decoded(run, id_text(id, text), &s, &a);
        CHECK(run, s.forgotten_ms || (s.redirect.target.n && !s.redirect.under_way));
        snprintf(key, sizeof key, "tact:{%s}:s", text);
        CHECK(run, sim_get(run->world.sim, key).n <= STATE_HEAD + 2 + 9 + 2); /* of a redirect, with an id of two letters */
        for (int server = 0; server < SERVERS; server++)
            CHECK(run, ask_for(run, server, id) && run->forgotten);
    }
    CHECK(run, sim_key_count(run->world.sim) == IDS);
    arena_free(&a);
}

static uint64_t each_seed(uint64_t count, bool faults)
{
    struct tzdb *zones;
    struct error e;
    assert_int_equal(tzdb_load(&zones, NULL, &e), 0);
    const char *only = getenv("TACT_SIM_SEED");
    uint64_t first = only ? strtoull(only, NULL, 10) : 1, merges = 0;
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
        run_to_the_end(run);
        find_persons(run);
        for (int id = 0; id < IDS; id++)
            if (run->person[id] == id)
                check_person(run, id);
        forget_all(run, faults);
        for (int i = 0; i < SERVERS; i++)
            merges += worker_stats(run->world.servers[i].worker)->merges;
        sim_world_stop(&run->world);
        free(run);
    }
    tzdb_free(&zones);
    return merges;
}

static uint64_t seeds(void)
{
    const char *n = getenv("TACT_SIM_SEEDS");
    return n ? strtoull(n, NULL, 10) : 2000;
}

static void quiet_network(void **state)
{
    (void)state;
    assert_true(each_seed(seeds() / 10 + 1, false) > 0);
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
