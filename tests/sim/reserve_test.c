/* The last slot: many callers reserve at once for one customer with a cap of two, or for the members of one household whose cap
 * that is, through several servers over one simulated store that delays, reorders, stalls and loses messages, while a server is
 * killed and callers try again with the same request_id. Whatever happens: never more than two contacts, no request with
 * two, every answer a contact or a suppression that names the cap, and repeats answer with the same bytes.
 * TACT_SIM_SEEDS sets the number of seeds (1,000); a failure prints its seed, TACT_SIM_SEED runs that one
 * alone.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "sim/sender.h"
#include "state/codec.h"
#include "tact/v1/customers.pb-c.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

enum { CALLERS = 64, SERVERS = 2, CAP = 2, MEMBERS = 5 };

struct caller {
    struct sim_sender base;
    struct run *run;
    int number;
    bool chosen;
    uint8_t request[256];
    size_t request_n;
    uint8_t decision[2048]; /* the first answer's Decision */
    size_t decision_n;
};

struct run {
    struct sim_world world;
    struct caller callers[CALLERS];
    uint64_t seed;
    int answered, members; /* 1: one customer without a household */
    int named; /* members who have named their household */
};

#define CHECK(run, condition)                                                                                \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fail_msg("seed %llu: not true: %s", (unsigned long long)(run)->seed, #condition);                \
        }                                                                                                    \
    } while (0)

static void take_answer(struct caller *c, struct str message)
{
    struct run *run = c->run;
    Tact__V1__DecideResponse *r =
        tact__v1__decide_response__unpack(NULL, message.n, (const uint8_t *)message.p);
    CHECK(run, r && r->decision);
    if (r->decision->n_choices) {
        c->chosen = true;
        CHECK(run, r->n_handles == 1);
    } else {
        CHECK(run, r->decision->suppression != NULL);
        CHECK(run, strcmp(r->decision->suppression->rule, "email_weekly") == 0);
        CHECK(run, r->decision->suppression->cause == TACT__V1__SUPPRESSION__CAUSE__FREQUENCY_CAP);
    }
    size_t n = tact__v1__decision__get_packed_size(r->decision);
    CHECK(run, n <= sizeof c->decision);
    uint8_t bytes[sizeof c->decision];
    tact__v1__decision__pack(r->decision, bytes);
    if (c->base.done)
        CHECK(run, n == c->decision_n && memcmp(bytes, c->decision, n) == 0);
    memcpy(c->decision, bytes, n);
    c->decision_n = n;
    tact__v1__decide_response__free_unpacked(r, NULL);
}

static void on_answer(struct sim_sender *base, const struct worker_result *r, bool mark)
{
    struct caller *c = (struct caller *)base;
    (void)mark;
    CHECK(c->run, r->status == GRPC_OK);
    take_answer(c, r->message);
    c->run->answered += !base->done;
}

static void too_many_tries(const struct sim_sender *s)
{
    CHECK(((const struct caller *)s)->run, s->tries <= SIM_TRIES_MAX);
}

static void kill_one(void *user)
{
    struct run *run = user;
    sim_server_kill(&run->world, (int)sim_random(run->world.sim, SERVERS));
}

static void restart_dead(void *user)
{
    sim_restart_dead(&((struct run *)user)->world, SERVERS);
}

static void customer_id(const struct run *run, int member, char id[16])
{
    if (run->members == 1)
        snprintf(id, 16, "maryam");
    else
        snprintf(id, 16, "m%d", member);
}

static void make_request(struct caller *c)
{
    char id[32], customer[16];
    Tact__V1__DecideRequest m;
    tact__v1__decide_request__init(&m);
    snprintf(id, sizeof id, "request-%d", c->number);
    m.request_id = id;
    customer_id(c->run, c->number % c->run->members, customer);
    m.customer_id = customer;
    m.channel = (char *)"email";
    m.mode = TACT__V1__MODE__RESERVE;
    c->request_n = tact__v1__decide_request__pack(&m, c->request);
}

static void read_state(struct run *run, const char *key, struct state *s, struct arena *arena)
{
    const struct schema *schema = &worker_snapshot(run->world.servers[0].worker)->policy->schema;
    struct error e;
    CHECK(run, state_decode(s, schema, sim_get(run->world.sim, key), arena, &e) == 0);
}

/* The two contacts in the store are those of the two callers that were told so, and the household has the same. */
static void check_store(struct run *run)
{
    struct arena arena;
    struct state states[MEMBERS], household;
    uint32_t contacts = 0;
    arena_init(&arena, 4 << 20);
    read_state(run, "tact:{home}:h", &household, &arena);
    for (int i = 0; i < run->members; i++) {
        char id[16], key[32];
        customer_id(run, i, id);
        snprintf(key, sizeof key, "tact:{%s}:s", id);
        read_state(run, key, &states[i], &arena);
        contacts += states[i].contact_count;
        for (uint32_t k = 0; run->members > 1 && k < states[i].contact_count; k++)
            CHECK(run, state_contact_find(&household, states[i].contacts[k].decision, states[i].contacts[k].action));
    }
    CHECK(run, contacts == CAP);
    CHECK(run, household.contact_count == (run->members > 1 ? CAP : 0));
    int chosen = 0;
    for (int i = 0; i < CALLERS; i++) {
        struct caller *c = &run->callers[i];
        chosen += c->chosen;
        Tact__V1__Decision *d = tact__v1__decision__unpack(NULL, c->decision_n, c->decision);
        struct id128 id = {{0}};
        CHECK(run, d && id128_parse(str_from(d->decision_id), &id));
        CHECK(run, (state_contact_find(&states[i % run->members], id, 0) != NULL) == c->chosen);
        tact__v1__decision__free_unpacked(d, NULL);
    }
    CHECK(run, chosen == CAP);
    arena_free(&arena);
}

static void on_named(void *user, const struct worker_result *r)
{
    struct run *run = user;
    CHECK(run, r->status == GRPC_OK);
    run->named++;
}

static void name_household(struct run *run)
{
    static const struct sim_options quiet = {.delay_min_us = 20, .delay_max_us = 40};
    static uint8_t bytes[MEMBERS][128];
    sim_set_options(run->world.sim, &quiet);
    for (int i = 0; i < run->members; i++) {
        char id[16];
        Tact__V1__UpsertRequest m;
        Tact__V1__UpsertRequest__ProfileEntry entry, *entries = &entry;
        Tact__V1__Value v;
        tact__v1__upsert_request__init(&m);
        tact__v1__upsert_request__profile_entry__init(&entry);
        tact__v1__value__init(&v);
        customer_id(run, i, id);
        m.customer_id = id;
        v.kind_case = TACT__V1__VALUE__KIND_STRING_VALUE;
        v.string_value = (char *)"home";
        entry.key = (char *)"home";
        entry.value = &v;
        m.profile = &entries;
        m.n_profile = 1;
        size_t n = tact__v1__upsert_request__pack(&m, bytes[i]);
        worker_submit(run->world.servers[0].worker, OP_UPSERT, (struct str){(const char *)bytes[i], n}, INT64_MAX, on_named, run);
    }
    while (run->named < run->members)
        CHECK(run, sim_step(run->world.sim));
}

static struct run *start(uint64_t seed, const struct sim_options *o, const struct tzdb *zones, int members)
{
    struct run *run = calloc(1, sizeof *run);
    run->seed = seed;
    run->members = members;
    sim_world_start(&run->world, seed, o, zones,
                    members > 1 ? SOURCE_DIR "/tests/cases/policies/household" : SOURCE_DIR "/tests/cases/policies/reserve", SERVERS);
    if (members > 1) {
        name_household(run);
        sim_set_options(run->world.sim, o);
    }
    for (int i = 0; i < CALLERS; i++) {
        struct caller *c = &run->callers[i];
        *c = (struct caller){.run = run, .number = i};
        make_request(c);
        c->base = (struct sim_sender){.world = &run->world,
                                      .servers = SERVERS,
                                      .kind = OP_DECIDE,
                                      .request = {(const char *)c->request, c->request_n},
                                      .answered = on_answer,
                                      .failed = too_many_tries};
        sim_send_within(&c->base, 2000);
    }
    return run;
}

static uint64_t each_seed(uint64_t count, bool faults, int members)
{
    struct tzdb *zones;
    struct error e;
    assert_int_equal(tzdb_load(&zones, NULL, &e), 0);
    const char *only = getenv("TACT_SIM_SEED");
    uint64_t first = only ? strtoull(only, NULL, 10) : 1;
    uint64_t conflicts = 0;
    for (uint64_t seed = first; seed < first + (only ? 1 : count); seed++) {
        struct sim_options o = {.delay_min_us = 20, .delay_max_us = 400, .reorder = seed % 2 == 0};
        if (faults) {
            o.drop_request = o.drop_reply = 0.02;
            o.stall = 0.01;
            o.stall_us = 900000;
        }
        struct run *run = start(seed, &o, zones, members);
        if (faults) {
            sim_at(run->world.sim, 1000000 + 200 + (int64_t)sim_random(run->world.sim, 6000), kill_one, run);
            sim_at(run->world.sim, 1000000 + 500000, restart_dead, run);
        }
        for (size_t steps = 0; run->answered < CALLERS && sim_step(run->world.sim); steps++)
            CHECK(run, steps < 2000000);
        CHECK(run, run->answered == CALLERS);
        sim_run_until(run->world.sim, sim_now(run->world.sim) + 5000000); /* late messages arrive */
        check_store(run);
        for (int i = 0; i < SERVERS; i++)
            conflicts += worker_stats(run->world.servers[i].worker)->conflicts;
        sim_world_stop(&run->world);
        free(run);
    }
    tzdb_free(&zones);
    return conflicts;
}

static uint64_t seeds(void)
{
    const char *n = getenv("TACT_SIM_SEEDS");
    return n ? strtoull(n, NULL, 10) : 1000;
}

static void quiet_network(void **state)
{
    (void)state;
    uint64_t conflicts = each_seed(seeds() / 10 + 1, false, 1);
    assert_true(conflicts > 0); /* else nobody fought */
}

static void faults_kills_and_retries(void **state)
{
    (void)state;
    assert_true(each_seed(seeds(), true, 1) > 0);
}

static void a_household_on_a_quiet_network(void **state)
{
    (void)state;
    assert_true(each_seed(seeds() / 10 + 1, false, MEMBERS) > 0);
}

static void a_household_with_faults_kills_and_retries(void **state)
{
    (void)state;
    assert_true(each_seed(seeds(), true, MEMBERS) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(quiet_network),
                                       cmocka_unit_test(faults_kills_and_retries),
                                       cmocka_unit_test(a_household_on_a_quiet_network),
                                       cmocka_unit_test(a_household_with_faults_kills_and_retries)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
