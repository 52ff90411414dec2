/* The right to be forgotten against everything at once: a person of whom something is kept in every place is forgotten, by one
 * or two callers, while their signals, reservations and decisions run on two servers over a network that delays, reorders,
 * stalls and loses messages, and servers are killed. Whatever happens, from the moment that a Forget is acknowledged
 *   - the store has one key of them, which holds a tombstone and nothing else, at every step, whatever arrives late,
 *   - signals sent from then on are refused, reservations get none, and no decision knows their name;
 * and when a consent is given anew, the person has that and what came after it, with nothing of before.
 * TACT_SIM_SEEDS sets the number of seeds (1,000); a failure prints its seed, TACT_SIM_SEED runs that one alone.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "sim/sender.h"
#include "state/codec.h"
#include "tact/v1/customers.pb-c.h"
#include "tact/v1/log.pb-c.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

enum { SERVERS = 2, SIGNALS = 12, RESERVES = 8, PEEKS = 8, FORGETS = 2 };
enum { TOMBSTONE = STATE_HEAD + 2 + 6 };
#define SECOND INT64_C(1000000)
#define STATE_KEY "tact:{maryam}:s"
#define NAME "Quentinella" /* what must not be left anywhere */

enum what { PLANT, SIGNAL, RESERVE, PEEK, FORGET, CONSENT, LATER, WHATS };
static const enum op_kind kinds[WHATS] = {OP_UPSERT, OP_SIGNAL, OP_DECIDE, OP_DECIDE,
                                          OP_FORGET, OP_UPSERT, OP_SIGNAL};

struct run;
/* A request, sent until it is answered. */
struct sender {
    struct sim_sender base;
    struct run *run;
    enum what what;
    uint8_t bytes[512];
    size_t n;
};

struct run {
    struct sim_world world;
    uint64_t seed;
    struct sender plants[2], signals[SIGNALS], reserves[RESERVES], peeks[PEEKS], forgets[FORGETS], consent,
        later;
    int waiting;
    bool forgotten, lifted;
};

/* What happened over all seeds, so that the race is one. */
static struct {
    uint64_t applied, refused, reserved, suppressed, named, unnamed, conflicts, records;
} seen;

#define CHECK(run, condition)                                                                                \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fail_msg("seed %llu: not true: %s", (unsigned long long)(run)->seed, #condition);                \
        }                                                                                                    \
    } while (0)

static bool holds(struct str bytes, const char *text)
{
    return bytes.n && memmem(bytes.p, bytes.n, text, strlen(text)) != NULL;
}

/* ---- requests ---- */

static void pack(struct sender *s, struct run *run, enum what what, const ProtobufCMessage *m)
{
    *s = (struct sender){.run = run, .what = what, .n = protobuf_c_message_get_packed_size(m)};
    CHECK(run, s->n <= sizeof s->bytes);
    protobuf_c_message_pack(m, s->bytes);
}

static void make_signal(struct sender *s, struct run *run, enum what what, const char *event_id)
{
    Tact__V1__Signal g = TACT__V1__SIGNAL__INIT, *list = &g;
    Tact__V1__Value v = TACT__V1__VALUE__INIT;
    Tact__V1__Signal__PropertiesEntry text = TACT__V1__SIGNAL__PROPERTIES_ENTRY__INIT, *properties = &text;
    Tact__V1__SignalRequest m = TACT__V1__SIGNAL_REQUEST__INIT;
    v.kind_case = TACT__V1__VALUE__KIND_STRING_VALUE;
    v.string_value = (char *)(what == LATER ? "somebody" : NAME);
    text.key = (char *)"text";
    text.value = &v;
    g.event_id = (char *)event_id;
    g.name = (char *)"note";
    g.properties = &properties;
    g.n_properties = 1;
    m.customer_id = (char *)"maryam";
    m.signals = &list;
    m.n_signals = 1;
    pack(s, run, what, &m.base);
}

static void make_decide(struct sender *s, struct run *run, enum what what, int number)
{
    char id[32];
    Tact__V1__DecideRequest m = TACT__V1__DECIDE_REQUEST__INIT;
    snprintf(id, sizeof id, "%s-%d", what == RESERVE ? "reserve" : "peek", number);
    m.request_id = id;
    m.customer_id = (char *)"maryam";
    m.channel = (char *)(what == RESERVE ? "email" : "web");
    m.mode = what == RESERVE ? TACT__V1__MODE__RESERVE : TACT__V1__MODE__PEEK;
    pack(s, run, what, &m.base);
}

static void make_upsert(struct sender *s, struct run *run, enum what what)
{
    Tact__V1__Consent c = TACT__V1__CONSENT__INIT, *consents = &c;
    Tact__V1__Value v = TACT__V1__VALUE__INIT;
    Tact__V1__UpsertRequest__ProfileEntry name = TACT__V1__UPSERT_REQUEST__PROFILE_ENTRY__INIT,
                                          *profile = &name;
    Tact__V1__UpsertRequest m = TACT__V1__UPSERT_REQUEST__INIT;
    v.kind_case = TACT__V1__VALUE__KIND_STRING_VALUE;
    v.string_value = (char *)NAME;
    name.key = (char *)"name";
    name.value = &v;
    c.channel = (char *)"email";
    c.purpose = (char *)"promotional";
    c.granted = true;
    c.source = (char *)(what == PLANT ? NAME : "anew");
    m.customer_id = (char *)"maryam";
    m.consents = &consents;
    m.n_consents = 1;
    m.profile = &profile;
    m.n_profile = what == PLANT;
    pack(s, run, what, &m.base);
}

static void make_requests(struct run *run)
{
    char id[32];
    Tact__V1__ForgetRequest forget = TACT__V1__FORGET_REQUEST__INIT;
    forget.customer_id = (char *)"maryam";
    make_upsert(&run->plants[0], run, PLANT);
    make_decide(&run->plants[1], run, RESERVE, -1);
    for (int i = 0; i < SIGNALS; i++) {
        snprintf(id, sizeof id, "event-%d", i);
        make_signal(&run->signals[i], run, SIGNAL, id);
    }
    for (int i = 0; i < RESERVES; i++)
        make_decide(&run->reserves[i], run, RESERVE, i);
    for (int i = 0; i < PEEKS; i++)
        make_decide(&run->peeks[i], run, PEEK, i);
    for (int i = 0; i < FORGETS; i++)
        pack(&run->forgets[i], run, FORGET, &forget.base);
    make_upsert(&run->consent, run, CONSENT);
    make_signal(&run->later, run, LATER, "later");
}

/* ---- answers ---- */

static void take_signal(struct run *run, bool after, const struct worker_result *r)
{
    CHECK(run, !after || r->status == GRPC_FAILED_PRECONDITION);
    seen.applied += r->status == GRPC_OK;
    seen.refused += r->status == GRPC_FAILED_PRECONDITION;
}

static void take_decision(struct run *run, const struct sender *s, bool after, const struct worker_result *r)
{
    CHECK(run, r->status == GRPC_OK);
    Tact__V1__DecideResponse *m =
        tact__v1__decide_response__unpack(NULL, r->message.n, (const uint8_t *)r->message.p);
    CHECK(run, m && m->decision);
    const Tact__V1__Decision *d = m->decision;
    bool choice = d->n_choices > 0, named = holds(r->message, NAME);
    bool forgotten = !choice && d->suppression->cause == TACT__V1__SUPPRESSION__CAUSE__FORGOTTEN;
    CHECK(run, !after || (!named && !m->meta->recorded));
    CHECK(run, !after || s->what == PEEK || forgotten);
    seen.reserved += s->what == RESERVE && choice;
    seen.suppressed += forgotten;
    seen.named += s->what == PEEK && named;
    seen.unnamed += s->what == PEEK && !named;
    tact__v1__decide_response__free_unpacked(m, NULL);
}

static void take(struct run *run, const struct sender *s, bool after, const struct worker_result *r)
{
    switch (s->what) {
    case SIGNAL:
        take_signal(run, after, r);
        break;
    case RESERVE:
    case PEEK:
        take_decision(run, s, after, r);
        break;
    case FORGET:
        CHECK(run, r->status == GRPC_OK && seen.records > 0);
        run->forgotten = true;
        break;
    default:
        CHECK(run, r->status == GRPC_OK);
    }
}

static void on_answer(struct sim_sender *base, const struct worker_result *r, bool after)
{
    struct sender *s = (struct sender *)base;
    take(s->run, s, after, r);
    s->run->waiting -= !base->done;
}

/* ---- sending ---- */

/* A Forget was acknowledged when it was sent. */
static bool is_after(const struct sim_sender *s)
{
    return ((const struct sender *)s)->run->forgotten;
}

static void too_many_tries(const struct sim_sender *s)
{
    CHECK(((const struct sender *)s)->run, s->tries <= SIM_TRIES_MAX);
}

static void submit(struct sender *s, int64_t within_us)
{
    s->base = (struct sim_sender){.world = &s->run->world,
                                  .servers = SERVERS,
                                  .kind = kinds[s->what],
                                  .request = {(const char *)s->bytes, s->n},
                                  .answered = on_answer,
                                  .mark = is_after,
                                  .failed = too_many_tries};
    s->run->waiting++;
    sim_send_within(&s->base, within_us);
}

static void kill_one(void *user)
{
    struct run *run = user;
    int which = (int)sim_random(run->world.sim, SERVERS);
    if (!run->world.servers[which].worker || !run->world.servers[1 - which].worker)
        return;
    seen.conflicts += worker_stats(run->world.servers[which].worker)->conflicts;
    sim_server_kill(&run->world, which);
}

static void restart_dead(void *user)
{
    sim_restart_dead(&((struct run *)user)->world, SERVERS);
}

static void count_forgets(struct str record)
{
    Tact__V1__LogRecord *r = tact__v1__log_record__unpack(NULL, record.n, (const uint8_t *)record.p);
    assert_non_null(r);
    if (r->record_case == TACT__V1__LOG_RECORD__RECORD_FORGET) {
        seen.records++;
        assert_false(holds(record, NAME));
    }
    tact__v1__log_record__free_unpacked(r, NULL);
}

/* ---- the course of a run ---- */

/* Of a person who was forgotten there is a tombstone, as long as nobody gives a new consent. */
static void check_store(struct run *run)
{
    struct sim *sim = run->world.sim;
    if (!run->forgotten || run->lifted)
        return;
    struct str there = sim_get(sim, STATE_KEY);
    CHECK(run, sim_key_count(sim) == 1);
    CHECK(run, there.n == TOMBSTONE && (unsigned char)there.p[STATE_HEAD] == ENTRY_FORGOTTEN);
}

static void run_until_answered(struct run *run)
{
    for (size_t steps = 0; run->waiting; steps++) {
        CHECK(run, steps < 1000000 && sim_step(run->world.sim));
        check_store(run);
    }
}

/* Whatever is on its way arrives. */
static void run_out(struct run *run)
{
    int64_t until_us = sim_now(run->world.sim) + 5 * SECOND;
    while (sim_now(run->world.sim) < until_us) {
        sim_run_until(run->world.sim, sim_now(run->world.sim) + SECOND / 100);
        check_store(run);
    }
}

/* State, set aside and a kept decision, before anything goes wrong; in some seeds bytes that cannot be read. */
static void plant(struct run *run)
{
    struct sim *sim = run->world.sim;
    if (run->seed % 3 == 0)
        sim_put(sim, STATE_KEY, STR("\2 is no state of " NAME));
    for (int i = 0; i < 2; i++) {
        submit(&run->plants[i], 1);
        run_until_answered(run);
    }
    CHECK(run, sim_key_count(sim) == (run->seed % 3 ? 2 : 3));
    struct str there = sim_get(sim, STATE_KEY);
    CHECK(run, holds(there, NAME));
    if (run->seed % 3 != 1)
        return;
    char torn[512];
    CHECK(run, there.n < sizeof torn);
    memcpy(torn, there.p, there.n);
    sim_put(sim, STATE_KEY,
            (struct str){torn, there.n - 2}); /* its version stays, as that of one that is read */
}

static void race(struct run *run, bool faults)
{
    struct sim *sim = run->world.sim;
    int64_t spread_us = sim_random(sim, 2) ? 3000 : 300000;
    int forgets = 1 + (int)sim_random(sim, FORGETS);
    for (int i = 0; i < SIGNALS; i++)
        submit(&run->signals[i], spread_us);
    for (int i = 0; i < RESERVES; i++)
        submit(&run->reserves[i], spread_us);
    for (int i = 0; i < PEEKS; i++)
        submit(&run->peeks[i], spread_us);
    for (int i = 0; i < forgets; i++)
        submit(&run->forgets[i], spread_us);
    for (int k = 0; faults && k < 3; k++) {
        int64_t at = sim_now(sim) + (int64_t)sim_random(sim, (uint64_t)spread_us);
        sim_at(sim, at, kill_one, run);
        sim_at(sim, at + SECOND / 2, restart_dead, run);
    }
    run_until_answered(run);
    run_out(run);
    restart_dead(run);
}

static void no_answer(void *user, const struct worker_result *r)
{
    struct run *run = user;
    CHECK(run, r->status == GRPC_OK && !holds(r->message, NAME));
    run->waiting--;
}

/* Both servers, from what they have in memory. */
static void peek_at_each(struct run *run)
{
    Tact__V1__DecideRequest m = TACT__V1__DECIDE_REQUEST__INIT;
    uint8_t bytes[64];
    m.customer_id = (char *)"maryam";
    m.channel = (char *)"web";
    size_t n = tact__v1__decide_request__pack(&m, bytes);
    for (int i = 0; i < SERVERS; i++) {
        run->waiting++;
        worker_submit(run->world.servers[i].worker, OP_DECIDE, (struct str){(const char *)bytes, n},
                      INT64_MAX, no_answer, run);
    }
    run_until_answered(run);
}

/* With a new consent the person begins anew. */
static void lift(struct run *run)
{
    const struct schema *schema = &worker_snapshot(run->world.servers[0].worker)->policy->schema;
    struct arena arena;
    struct state s;
    struct error e;
    run->lifted = true;
    submit(&run->consent, 1);
    run_until_answered(run);
    submit(&run->later, 1);
    run_until_answered(run);
    run_out(run);
    arena_init(&arena, 1 << 20);
    CHECK(run, sim_key_count(run->world.sim) == 1);
    CHECK(run, state_decode(&s, schema, sim_get(run->world.sim, STATE_KEY), &arena, &e) == 0);
    CHECK(run, s.exists && !s.forgotten_ms && s.consent_count == 1 && str_is(s.consents[0].source, "anew"));
    CHECK(run, s.seen_count == 1 && s.contact_count == 0 && s.reaction_count == 0 && s.lost_ms == 0);
    CHECK(run, s.attributes[0].type == VALUE_UNKNOWN && s.kept_count == 0);
    CHECK(run, !holds(sim_get(run->world.sim, STATE_KEY), NAME));
    arena_free(&arena);
}

static void each_seed(uint64_t count, bool faults)
{
    struct tzdb *zones;
    struct error e;
    assert_int_equal(tzdb_load(&zones, NULL, &e), 0);
    const char *only = getenv("TACT_SIM_SEED");
    uint64_t first = only ? strtoull(only, NULL, 10) : 1;
    memset(&seen, 0, sizeof seen);
    for (uint64_t seed = first; seed < first + (only ? 1 : count); seed++) {
        struct sim_options o = {.delay_min_us = 20, .delay_max_us = 400, .reorder = seed % 2 == 0}, quiet = o;
        if (faults) {
            o.drop_request = o.drop_reply = 0.02;
            o.stall = 0.02;
            o.stall_us = 900000;
        }
        struct run *run = calloc(1, sizeof *run);
        run->seed = seed;
        sim_world_start(&run->world, seed, &quiet, zones, SOURCE_DIR "/tests/cases/policies/forget", SERVERS);
        run->world.on_record = count_forgets;
        make_requests(run);
        plant(run);
        seen.records = 0;
        sim_set_options(run->world.sim, &o);
        race(run, faults);
        sim_set_options(run->world.sim, &quiet);
        peek_at_each(run);
        for (int i = 0; i < SERVERS; i++)
            seen.conflicts += worker_stats(run->world.servers[i].worker)->conflicts;
        lift(run);
        sim_world_stop(&run->world);
        free(run);
    }
    tzdb_free(&zones);
    if (only)
        return;
    print_message(
        "applied=%llu refused=%llu reserved=%llu suppressed=%llu named=%llu unnamed=%llu conflicts=%llu\n",
        (unsigned long long)seen.applied, (unsigned long long)seen.refused, (unsigned long long)seen.reserved,
        (unsigned long long)seen.suppressed, (unsigned long long)seen.named, (unsigned long long)seen.unnamed,
        (unsigned long long)seen.conflicts);
    assert_true(seen.applied > count && seen.refused > count && seen.reserved && seen.suppressed > count);
    assert_true(seen.named > count && seen.unnamed > count && seen.conflicts > count);
}

static uint64_t seeds(void)
{
    const char *n = getenv("TACT_SIM_SEEDS");
    return n ? strtoull(n, NULL, 10) : 1000;
}

static void quiet_network(void **state)
{
    (void)state;
    each_seed(seeds() / 10 + 1, false);
}

static void faults_kills_and_retries(void **state)
{
    (void)state;
    each_seed(seeds(), true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(quiet_network),
                                       cmocka_unit_test(faults_kills_and_retries)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
