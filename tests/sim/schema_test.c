/* An old and a new policy at once: a server of each over one store, where the new one renames an attribute, a signal and a
 * property, removes and adds others and looks at another window (tests/cases/policies/schema_old, schema_new). Each customer's
 * calls come one after the other, to either server at random, by either name; events are told again, to the same server or the
 * other. In the end
 *   - what both policies ask for is what all events make, on either server;
 *   - what one alone asks for is what the events make that its server took, and it says since when that is all of them: when
 *     nothing was missed it is what all events make, and never does it lack one that came after `since`;
 *   - attributes of both, and of either alone, have the value that was set last.
 * Once over a quiet network, where it is known which server took what, and once with faults and kills, where it is known of
 * what came after `since`. TACT_SIM_SEEDS sets the number of seeds (300); a failure prints its seed, TACT_SIM_SEED runs that one
 * alone.
 * SPDX-License-Identifier: Apache-2.0 */
#include "sim/world.h"
#include "decide/apply.h"
#include "state/aggregate.h"
#include "state/codec.h"
#include "tact/v1/customers.pb-c.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

enum { OLD, NEW, SERVERS };
enum { CUSTOMERS = 4, CALLS = 24, EVENTS_MAX = 3, TRIES_MAX = 400 };
enum { SHARED = 11 }; /* aggregates of both policies */
enum { BUY, VISIT, FAX, CHAT, KINDS };
#define SECOND INT64_C(1000000)
#define DAY_MS INT64_C(86400000)

struct event {
    int kind;
    char id[24];
    int64_t time_ms;
    double number;
    const char *text;
    int64_t sent_ms; /* first */
    int taken_by;    /* the server that took it, on a quiet network; -1: nobody yet */
};

/* What one kind of event, or an attribute, is called by each of the policies; NULL: it does not know it. */
static const char *const signal_names[KINDS][SERVERS] = {{"buy", "purchase"}, {"visit", "visit"}, {"fax", NULL}, {NULL, "chat"}};
static const char *const number_names[KINDS][SERVERS] = {{"cost", "price"}, {NULL, NULL}, {"pages", NULL}, {NULL, "mood"}};
static const char *const text_names[KINDS] = {"what", "page", NULL, NULL};
enum { LEVEL, CITY, POINTS, EMAIL, ATTRIBUTES };
static const char *const attribute_names[ATTRIBUTES][SERVERS] = {
    {"level", "tier"}, {"city", "city"}, {"points", NULL}, {NULL, "email"}};

struct run;

/* A customer's calls, one after the other. */
struct customer {
    struct run *run;
    int id, only; /* the one server that it ever calls, or -1 */
    struct event events[CALLS * EVENTS_MAX];
    int event_count;
    struct event *batch[EVENTS_MAX]; /* of the call under way */
    int batch_count, attribute;      /* the latter -1: it is a call of signals */
    int value;                       /* of the attribute */
    int calls, tries, to;
    uint64_t attempt;
    int64_t called_ms;
    int set[ATTRIBUTES]; /* the values that were set; -1: never */
    int writer;          /* the server that took the last new event, or -1 */
    int64_t since[SERVERS]
                 [2]; /* when a server came to count again after the other had: not before, not after; 0: nothing missed */
    bool done;
};

struct run {
    struct sim_world world;
    uint64_t seed;
    bool faults;
    struct customer customers[CUSTOMERS];
    int done;
};

struct try_context {
    struct customer *customer;
    uint64_t attempt;
};

#define CHECK(run, condition)                                                                                                    \
    do {                                                                                                                         \
        if (!(condition)) {                                                                                                      \
            fail_msg("seed %llu: not true: %s", (unsigned long long)(run)->seed, #condition);                                    \
        }                                                                                                                        \
    } while (0)

/* ---- calls ---- */

static bool knows(const struct customer *c, int server)
{
    for (int i = 0; i < c->batch_count; i++)
        if (!signal_names[c->batch[i]->kind][server])
            return false;
    return c->attribute < 0 || attribute_names[c->attribute][server];
}

static void draw_event(struct customer *c, struct event *ev)
{
    static const char *const things[] = {"shoes", "shirt", "hat", "cost"};
    struct sim *sim = c->run->world.sim;
    int n = c->event_count;
    *ev = (struct event){.kind = (int)sim_random(sim, KINDS), .taken_by = -1};
    snprintf(ev->id, sizeof ev->id, "e%d-%d", c->id, n);
    ev->time_ms = SIM_EPOCH_MS - (int64_t)sim_random(sim, 40) * DAY_MS / 4 - (int64_t)sim_random(sim, 86400000);
    ev->number = ev->kind == CHAT ? (double)sim_random(sim, 21) / 10 - 1 : (double)sim_random(sim, 10000) / 100;
    ev->text = things[sim_random(sim, 4)];
    ev->sent_ms = sim_wall_ms(&c->run->world);
}

/* New events, and now and then some that were told before. */
static void draw_call(struct customer *c)
{
    struct sim *sim = c->run->world.sim;
    do {
        int before = c->event_count;
        c->batch_count = 0;
        c->attribute = -1;
        if (sim_random(sim, 4) == 0) {
            c->attribute = (int)sim_random(sim, ATTRIBUTES);
            c->value = c->calls;
        }
        for (int n = c->attribute < 0 ? 1 + (int)sim_random(sim, EVENTS_MAX) : 0; c->batch_count < n;) {
            bool again = c->event_count > 0 && sim_random(sim, 3) == 0;
            struct event *ev = &c->events[again ? (int)sim_random(sim, (uint64_t)c->event_count) : c->event_count];
            if (!again) {
                draw_event(c, ev);
                c->event_count++;
            }
            c->batch[c->batch_count++] = ev;
        }
        if (c->only < 0 ? knows(c, OLD) || knows(c, NEW) : knows(c, c->only))
            return;
        c->event_count = before; /* nobody to tell it to knows all of it */
    } while (true);
}

static Tact__V1__Value *value_of(struct arena *a, const char *text, double number)
{
    Tact__V1__Value *v = arena_alloc(a, sizeof *v);
    tact__v1__value__init(v);
    v->kind_case = text ? TACT__V1__VALUE__KIND_STRING_VALUE : TACT__V1__VALUE__KIND_NUMBER_VALUE;
    if (text)
        v->string_value = (char *)text;
    else
        v->number_value = number;
    return v;
}

static Tact__V1__Signal__PropertiesEntry *property(struct arena *a, const char *key, Tact__V1__Value *v)
{
    Tact__V1__Signal__PropertiesEntry *e = arena_alloc(a, sizeof *e);
    tact__v1__signal__properties_entry__init(e);
    e->key = (char *)key;
    e->value = v;
    return e;
}

/* by, by_property: by whose names; the new server takes both. */
static Tact__V1__Signal *message_of(const struct event *ev, int by, int by_property, struct arena *a)
{
    Tact__V1__Signal *m = arena_alloc(a, sizeof *m);
    tact__v1__signal__init(m);
    m->event_id = (char *)ev->id;
    m->name = (char *)signal_names[ev->kind][by];
    m->time_ms = ev->time_ms;
    m->properties = arena_alloc(a, 2 * sizeof *m->properties);
    if (number_names[ev->kind][by_property])
        m->properties[m->n_properties++] = property(a, number_names[ev->kind][by_property], value_of(a, NULL, ev->number));
    if (text_names[ev->kind])
        m->properties[m->n_properties++] = property(a, text_names[ev->kind], value_of(a, ev->text, 0));
    return m;
}

/* By whose names a kind of event is told to a server. */
static int told_by(struct customer *c, int server, int kind)
{
    return server == OLD || !signal_names[kind][OLD] || (signal_names[kind][NEW] && sim_random(c->run->world.sim, 2)) ? server
                                                                                                                      : OLD;
}

static size_t pack_signals(struct customer *c, char *id, uint8_t *bytes, struct arena *a)
{
    Tact__V1__Signal *list[EVENTS_MAX];
    Tact__V1__SignalRequest m;
    for (int i = 0; i < c->batch_count; i++) {
        int kind = c->batch[i]->kind, by = told_by(c, c->to, kind);
        list[i] = message_of(c->batch[i], by, told_by(c, c->to, kind), a);
    }
    tact__v1__signal_request__init(&m);
    m.customer_id = id;
    m.n_signals = (size_t)c->batch_count;
    m.signals = list;
    return tact__v1__signal_request__pack(&m, bytes);
}

static void attribute_text(int value, char text[16])
{
    snprintf(text, 16, "v%d", value);
}

static size_t pack_upsert(struct customer *c, char *id, uint8_t *bytes, struct arena *a)
{
    bool old_name = c->to == NEW && attribute_names[c->attribute][OLD] && sim_random(c->run->world.sim, 2);
    Tact__V1__UpsertRequest__ProfileEntry entry, *list[] = {&entry};
    Tact__V1__UpsertRequest m;
    char text[16];
    attribute_text(c->value, text);
    tact__v1__upsert_request__profile_entry__init(&entry);
    entry.key = (char *)attribute_names[c->attribute][old_name ? OLD : c->to];
    entry.value = value_of(a, c->attribute == POINTS ? NULL : text, c->value);
    tact__v1__upsert_request__init(&m);
    m.customer_id = id;
    m.n_profile = 1;
    m.profile = list;
    return tact__v1__upsert_request__pack(&m, bytes);
}

static void attempt(void *user);

static void next_call(void *user)
{
    struct customer *c = user;
    struct run *run = c->run;
    if (c->calls == CALLS) {
        run->done++;
        c->done = true;
        return;
    }
    c->calls++;
    c->tries = 0;
    draw_call(c);
    attempt(c);
}

/* Which events were new, and to whom; only a quiet network says so. */
static void take(struct customer *c, uint32_t applied)
{
    uint32_t fresh = 0;
    for (int i = 0; i < c->batch_count; i++) {
        fresh += c->batch[i]->taken_by < 0;
        if (c->batch[i]->taken_by < 0)
            c->batch[i]->taken_by = c->to;
    }
    CHECK(c->run, fresh == applied);
    if (fresh && c->writer >= 0 && c->writer != c->to) {
        c->since[c->to][0] = c->called_ms;
        c->since[c->to][1] = sim_wall_ms(&c->run->world);
    }
    c->writer = fresh ? c->to : c->writer;
}

static void on_answer(void *user, const struct worker_result *r)
{
    struct try_context *t = user;
    struct customer *c = t->customer;
    struct run *run = c->run;
    if (t->attempt != c->attempt)
        return;
    if (r->status != GRPC_OK) {
        CHECK(run, r->status == GRPC_UNAVAILABLE || r->status == GRPC_DEADLINE_EXCEEDED || r->status == GRPC_ABORTED);
        sim_at(run->world.sim, sim_now(run->world.sim) + 1000 + (int64_t)sim_random(run->world.sim, 20000), attempt, c);
        return;
    }
    c->attempt++;
    if (c->attribute >= 0) {
        c->set[c->attribute] = c->value;
    } else {
        Tact__V1__SignalResponse *m = tact__v1__signal_response__unpack(NULL, r->message.n, (const uint8_t *)r->message.p);
        CHECK(run, m && m->n_rejected == 0 && m->applied + m->repeats == (uint32_t)c->batch_count);
        if (!run->faults)
            take(c, m->applied);
        tact__v1__signal_response__free_unpacked(m, NULL);
    }
    int64_t pause = sim_random(run->world.sim, 4) ? SECOND : 90 * SECOND;
    sim_at(run->world.sim, sim_now(run->world.sim) + (int64_t)sim_random(run->world.sim, (uint64_t)pause), next_call, c);
}

/* A caller that hears nothing (the server was killed) asks again. */
static void give_up_waiting(void *user)
{
    struct try_context *t = user;
    if (!t->customer->done && t->attempt == t->customer->attempt)
        attempt(t->customer);
}

static void attempt(void *user)
{
    struct customer *c = user;
    struct run *run = c->run;
    struct sim_world *w = &run->world;
    enum { BYTES_MAX = 2048 };
    char id[16];
    struct arena a;
    CHECK(run, ++c->tries <= TRIES_MAX);
    c->to = (int)sim_random(w->sim, SERVERS);
    c->to = c->only >= 0 ? c->only : knows(c, c->to) ? c->to : 1 - c->to;
    c->attempt++;
    struct try_context *mine = arena_alloc(&w->memory, 2 * sizeof *mine), *watch = mine + 1;
    *mine = *watch = (struct try_context){c, c->attempt};
    sim_at(w->sim, sim_now(w->sim) + 3 * SECOND, give_up_waiting, watch);
    if (!w->servers[c->to].worker)
        return;
    uint8_t *bytes = arena_alloc(&w->memory, BYTES_MAX); /* until the answer, which may be at any time */
    CHECK(run, bytes);
    arena_init(&a, 1 << 20);
    snprintf(id, sizeof id, "c%d", c->id);
    size_t n = c->attribute < 0 ? pack_signals(c, id, bytes, &a) : pack_upsert(c, id, bytes, &a);
    CHECK(run, n <= BYTES_MAX);
    c->called_ms = sim_wall_ms(w);
    worker_submit(w->servers[c->to].worker, c->attribute < 0 ? OP_SIGNAL : OP_UPSERT, (struct str){(const char *)bytes, n},
                  sim_now(w->sim) + 2 * SECOND, on_answer, mine);
    arena_free(&a);
}

static void kill_one(void *user)
{
    struct run *run = user;
    int which = (int)sim_random(run->world.sim, SERVERS);
    if (run->world.servers[which].worker)
        sim_server_kill(&run->world, which);
}

static void restart_dead(void *user)
{
    sim_restart_dead(&((struct run *)user)->world, SERVERS);
}

static void start(struct run *run)
{
    struct sim *sim = run->world.sim;
    for (int i = 0; i < CUSTOMERS; i++) {
        struct customer *c = &run->customers[i];
        *c = (struct customer){.run = run, .id = i, .only = sim_random(sim, 8) ? -1 : (int)sim_random(sim, SERVERS), .writer = -1, .set = {-1, -1, -1, -1}};
        sim_at(sim, sim_now(sim) + (int64_t)sim_random(sim, 2000), next_call, c);
    }
    for (int k = 0; run->faults && k < 6; k++) {
        int64_t at = sim_now(sim) + (int64_t)sim_random(sim, 600 * SECOND);
        sim_at(sim, at, kill_one, run);
        sim_at(sim, at + SECOND / 2, restart_dead, run);
    }
}

/* ---- what must have come of it ---- */

static void apply_event(struct run *run, const struct policy *p, int server, const struct event *ev, int64_t now_ms,
                        struct state *s)
{
    long at = signal_names[ev->kind][server] ? schema_signal_find(&p->schema, str_from(signal_names[ev->kind][server])) : -1;
    if (at < 0)
        return;
    const struct schema_signal *g = &p->schema.signals[at];
    struct value v[2];
    size_t n = 0;
    if (number_names[ev->kind][server])
        v[n++] = value_double(ev->number);
    if (text_names[ev->kind])
        v[n++] = value_string(str_from(ev->text));
    CHECK(run, n == g->property_count);
    struct signal signal = {
        .index = (uint32_t)at, .event = hash64(ev->id, strlen(ev->id)), .time_ms = ev->time_ms, .properties = v};
    CHECK(run, apply_signal(p, s, &signal, now_ms) == 1);
}

static bool alike(struct value a, struct value b)
{
    if (a.type != b.type)
        return false;
    if (a.type == VALUE_DOUBLE)
        return fabs(a.number - b.number) <= 1e-9 * (1 + fabs(a.number));
    if (a.type == VALUE_UNKNOWN)
        return true;
    return a.type == VALUE_STRING ? str_eq(value_str(a), value_str(b)) : a.integer == b.integer;
}

static bool same_aggregate(const struct state *a, const struct state *b, size_t k, int64_t now_ms)
{
    bool same = true;
    for (int64_t ahead = 0; ahead < 3; ahead++)
        same = same && alike(state_aggregate(a, k, now_ms + ahead * DAY_MS), state_aggregate(b, k, now_ms + ahead * DAY_MS));
    return same;
}

static void differs(const struct customer *c, int server, struct str name, const char *why)
{
    fail_msg("seed %llu: customer %d, %s policy: %.*s %s", (unsigned long long)c->run->seed, c->id, server ? "new" : "old",
             STR_ARG(name), why);
}

/* Counts and sums grow with every event, so that one that is missed shows; the others are equal or not. */
static bool at_least(const struct state *got, const struct state *least, size_t k, int64_t now_ms)
{
    struct value a = state_aggregate(got, k, now_ms), b = state_aggregate(least, k, now_ms);
    enum aggregate_kind kind = got->schema->aggregates[k].kind;
    if (kind == AGGREGATE_COUNT || kind == AGGREGATE_KEYS)
        return a.integer >= b.integer;
    if (kind == AGGREGATE_SUM || kind == AGGREGATE_MAX)
        return b.type == VALUE_UNKNOWN || (a.type == VALUE_DOUBLE && a.number >= b.number - 1e-9);
    return true;
}

struct models {
    struct state all, taken, after; /* of all events; of those this server took; of those that came after `since` */
};

static void check_own_aggregate(const struct customer *c, int server, const struct state *got, struct models *m, size_t k,
                                int64_t now_ms)
{
    struct str name = got->schema->aggregates[k].name;
    int64_t since = state_since(got, k, INT64_MAX);
    if (!since && !same_aggregate(got, &m->all, k, now_ms))
        differs(c, server, name, "says that it missed nothing");
    if (!at_least(got, &m->after, k, now_ms) || !at_least(&m->all, got, k, now_ms))
        differs(c, server, name, "lacks what came after `since`, or has more than there was");
    if (c->run->faults)
        return;
    if (!same_aggregate(got, &m->taken, k, now_ms))
        differs(c, server, name, "is not what its server took");
    bool counts = c->writer < 0 || c->writer == server;
    bool right = counts ? since >= c->since[server][0] && since <= c->since[server][1] : since == INT64_MAX;
    if (!right)
        differs(c, server, name, "says another time since when it counts");
}

static void check_attributes(const struct customer *c, int server, const struct state *got)
{
    for (int i = 0; i < ATTRIBUTES; i++) {
        const char *name = attribute_names[i][server];
        long at = name ? schema_attribute(got->schema, str_from(name)) : -1;
        if (at < 0)
            continue;
        char text[16];
        attribute_text(c->set[i], text);
        struct value v = got->attributes[at];
        bool right = c->set[i] < 0 ? v.type == VALUE_UNKNOWN
                     : i == POINTS ? v.type == VALUE_INT && v.integer == c->set[i]
                                   : v.type == VALUE_STRING && str_is(value_str(v), text);
        if (!right)
            differs(c, server, str_from(name), "is not what was set last");
    }
}

static bool is_shared(const struct schema *other, uint32_t id)
{
    return id < other->id_limit && other->aggregate_of_id[id];
}

/* Returns how many of its aggregates the other policy has too. */
static size_t check_customer(const struct customer *c, int server)
{
    struct run *run = c->run;
    const struct policy *p = worker_snapshot(run->world.servers[server].worker)->policy,
                        *other = worker_snapshot(run->world.servers[1 - server].worker)->policy;
    struct arena a;
    struct state got;
    struct models m;
    struct error e;
    char key[32];
    arena_init(&a, 8 << 20);
    int64_t now_ms = sim_wall_ms(&run->world);
    snprintf(key, sizeof key, "tact:{c%d}:s", c->id);
    CHECK(run, state_decode(&got, &p->schema, sim_get(run->world.sim, key), &a, &e) == 0);
    CHECK(run, state_empty(&m.all, &p->schema, &a) == 0 && state_empty(&m.taken, &p->schema, &a) == 0 &&
                   state_empty(&m.after, &p->schema, &a) == 0);
    int64_t latest = 0;
    for (size_t k = 0; k < p->schema.aggregate_count; k++) {
        int64_t since = state_since(&got, k, INT64_MAX);
        latest = since > latest ? since : latest;
    }
    for (int i = 0; i < c->event_count; i++) {
        apply_event(run, p, server, &c->events[i], now_ms, &m.all);
        if (c->events[i].taken_by == server)
            apply_event(run, p, server, &c->events[i], now_ms, &m.taken);
        if (c->events[i].sent_ms > latest)
            apply_event(run, p, server, &c->events[i], now_ms, &m.after);
    }
    size_t shared = 0;
    for (size_t k = 0; k < p->schema.aggregate_count; k++) {
        if (!is_shared(&other->schema, p->schema.aggregates[k].id)) {
            check_own_aggregate(c, server, &got, &m, k, now_ms);
            continue;
        }
        shared++;
        if (!same_aggregate(&got, &m.all, k, now_ms))
            differs(c, server, p->schema.aggregates[k].name, "is not what all events make");
        if (state_since(&got, k, now_ms))
            differs(c, server, p->schema.aggregates[k].name, "missed something");
    }
    check_attributes(c, server, &got);
    arena_free(&a);
    return shared;
}

static void each_seed(uint64_t count, bool faults)
{
    static const char *const folders[SERVERS] = {SOURCE_DIR "/tests/cases/policies/schema_old",
                                                 SOURCE_DIR "/tests/cases/policies/schema_new"};
    struct tzdb *zones;
    struct error e;
    assert_int_equal(tzdb_load(&zones, NULL, &e), 0);
    const char *only = getenv("TACT_SIM_SEED");
    uint64_t first = only ? strtoull(only, NULL, 10) : 1;
    size_t complete = 0, partial = 0;
    for (uint64_t seed = first; seed < first + (only ? 1 : count); seed++) {
        struct sim_options o = {.delay_min_us = 20, .delay_max_us = 400, .reorder = seed % 2 == 0};
        if (faults) {
            o.drop_request = o.drop_reply = 0.02;
            o.stall = 0.01;
            o.stall_us = 900000;
        }
        struct run *run = calloc(1, sizeof *run);
        run->seed = seed;
        run->faults = faults;
        sim_world_start_each(&run->world, seed, &o, zones, folders, SERVERS);
        start(run);
        for (size_t steps = 0; run->done < CUSTOMERS && sim_step(run->world.sim); steps++)
            CHECK(run, steps < 2000000);
        CHECK(run, run->done == CUSTOMERS);
        sim_run_until(run->world.sim, sim_now(run->world.sim) + 5 * SECOND); /* late messages arrive */
        restart_dead(run);
        for (int i = 0; i < CUSTOMERS; i++) {
            CHECK(run, check_customer(&run->customers[i], OLD) == SHARED);
            CHECK(run, check_customer(&run->customers[i], NEW) == SHARED);
            partial += run->customers[i].since[NEW][0] != 0;
            complete += run->customers[i].since[NEW][0] == 0;
        }
        sim_world_stop(&run->world);
        free(run);
    }
    if (!only && !faults)
        assert_true(partial > count && complete > count / 10); /* both were seen */
    tzdb_free(&zones);
}

static uint64_t seeds(void)
{
    const char *n = getenv("TACT_SIM_SEEDS");
    return n ? strtoull(n, NULL, 10) : 300;
}

static void quiet_network(void **state)
{
    (void)state;
    each_seed(seeds(), false);
}

static void faults_kills_and_retries(void **state)
{
    (void)state;
    each_seed(seeds(), true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(quiet_network), cmocka_unit_test(faults_kills_and_retries)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
