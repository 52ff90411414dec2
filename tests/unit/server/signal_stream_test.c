/* Streams of signals over a simulated store, in virtual time: what is counted, what is rejected, and that what a stream
 * acknowledges when it fails is in the store, whatever failed and when.
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit/net/pair.h"
#include "server/signal_stream.h"
#include "sim/world.h"
#include "tact/v1/customers.pb-c.h"
#include <inttypes.h>

enum { REQUESTS = 300, CUSTOMERS = 90, SEEDS = 150 };

static struct tzdb *zones;
static struct sim_world world;
static struct pair *pair;
static struct signal_streams *streams;
static const struct sim_options network = {.delay_min_us = 50, .delay_max_us = 400, .reorder = true};

static void start(uint64_t seed)
{
    sim_world_start(&world, seed, &network, zones, SOURCE_DIR "/tests/cases/policies/reserve", 1);
    streams = signal_streams_new(world.servers[0].worker);
    pair = open_pair_with((struct grpc_options){0},
                          (struct grpc_method){SIGNAL_STREAM_PATH, NULL, streams, &signal_stream_hooks});
}

static void stop(void)
{
    while (worker_ops(world.servers[0].worker))
        assert_true(sim_step(world.sim));
    close_pair(pair);
    signal_streams_free(&streams);
    sim_world_stop(&world);
}

static void add(struct buf *body, const char *customer, const char *event_id, const char *name)
{
    Tact__V1__Signal s, *list = &s;
    Tact__V1__SignalRequest m;
    tact__v1__signal__init(&s);
    tact__v1__signal_request__init(&m);
    s.event_id = (char *)event_id;
    s.name = (char *)name;
    m.customer_id = (char *)customer;
    m.signals = &list;
    m.n_signals = name ? 1 : 0;
    uint8_t bytes[512], prefix[GRPC_PREFIX];
    size_t n = tact__v1__signal_request__pack(&m, bytes);
    grpc_frame_write(prefix, n);
    buf_append(body, prefix, sizeof prefix);
    buf_append(body, bytes, n);
}

/* Requests from `from` on, of CUSTOMERS customers. */
static void add_many(struct buf *body, int from)
{
    char customer[16], event_id[16];
    buf_init(body, 1 << 20);
    for (int i = from; i < REQUESTS; i++) {
        snprintf(customer, sizeof customer, "c%d", i % CUSTOMERS);
        snprintf(event_id, sizeof event_id, "e%d", i);
        add(body, customer, event_id, "cart_add");
    }
}

/* Until the stream is answered, at most so many events. */
static const struct answer *run(int32_t stream, size_t most)
{
    exchange(pair);
    while (!answer_of(pair, stream)->closed && most-- > 0 && sim_step(world.sim))
        exchange(pair);
    exchange(pair);
    return answer_of(pair, stream);
}

static Tact__V1__SignalStreamResponse *response(const struct answer *a)
{
    assert_true(a->closed);
    assert_int_equal(a->grpc, GRPC_OK);
    assert_true(a->body_n < sizeof a->body);
    Tact__V1__SignalStreamResponse *r =
        tact__v1__signal_stream_response__unpack(NULL, a->body_n - GRPC_PREFIX, a->body + GRPC_PREFIX);
    assert_non_null(r);
    return r;
}

static void check_sum(const struct answer *a, uint64_t requests, uint64_t applied, uint64_t repeats)
{
    Tact__V1__SignalStreamResponse *r = response(a);
    assert_int_equal(r->requests, requests);
    assert_int_equal(r->applied, applied);
    assert_int_equal(r->repeats, repeats);
    assert_int_equal(r->rejected_count, 0);
    tact__v1__signal_stream_response__free_unpacked(r, NULL);
}

static void counts(void **state)
{
    (void)state;
    struct buf bytes;
    start(1);
    add_many(&bytes, 0);
    for (int again = 0; again < 2; again++) {
        struct body body = {.p = bytes.p, .n = bytes.n};
        const struct answer *a = run(submit(pair, SIGNAL_STREAM_PATH, &body, NULL), SIZE_MAX);
        check_sum(a, REQUESTS, again ? 0 : REQUESTS, again ? REQUESTS : 0);
    }
    const struct worker_stats *stats = worker_stats(world.servers[0].worker);
    assert_int_equal(stats->ops[OP_SIGNAL], 2 * REQUESTS);
    assert_int_equal(stats->conflicts, 0); /* turns, not races */
    buf_free(&bytes);
    stop();
}

static void rejections_in_order(void **state)
{
    (void)state;
    struct buf bytes;
    start(2);
    buf_init(&bytes, 1 << 20);
    add(&bytes, "c1", "e1", "cart_add");
    add(&bytes, "c1", "e2", "cart");
    add(&bytes, "", "e3", "cart_add");
    add(&bytes, "c2", "e4", NULL);
    add(&bytes, "c2", "e5", "cart_add");
    struct body body = {.p = bytes.p, .n = bytes.n};
    Tact__V1__SignalStreamResponse *r = response(run(submit(pair, SIGNAL_STREAM_PATH, &body, NULL), SIZE_MAX));
    static const struct {
        uint64_t request;
        const char *event_id, *reason;
    } want[] = {{1, "e2", "signals[0].name: unknown 'cart'"}, {2, "e3", "customer_id is empty"}, {3, "", "signals: 0;"}};
    assert_int_equal(r->requests, 5);
    assert_int_equal(r->applied, 2);
    assert_int_equal(r->rejected_count, 3);
    assert_int_equal(r->n_rejected, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(r->rejected[i]->request, want[i].request);
        assert_string_equal(r->rejected[i]->event_id, want[i].event_id);
        assert_non_null(strstr(r->rejected[i]->reason, want[i].reason));
    }
    tact__v1__signal_stream_response__free_unpacked(r, NULL);
    buf_free(&bytes);
    stop();
}

static void on_forgotten(void *user, const struct worker_result *r)
{
    assert_int_equal(r->status, GRPC_OK);
    *(bool *)user = true;
}

static void forget(const char *customer)
{
    Tact__V1__ForgetRequest m = TACT__V1__FORGET_REQUEST__INIT;
    uint8_t bytes[128];
    bool done = false;
    m.customer_id = (char *)customer;
    size_t n = tact__v1__forget_request__pack(&m, bytes);
    worker_submit(world.servers[0].worker, OP_FORGET, (struct str){(const char *)bytes, n}, INT64_MAX,
                  on_forgotten, &done);
    while (!done)
        assert_true(sim_step(world.sim));
}

/* One person who was forgotten holds up nobody else's events. */
static void the_forgotten_are_rejections(void **state)
{
    (void)state;
    struct buf bytes;
    start(5);
    forget("c2");
    add_many(&bytes, 0);
    struct body body = {.p = bytes.p, .n = bytes.n};
    Tact__V1__SignalStreamResponse *r =
        response(run(submit(pair, SIGNAL_STREAM_PATH, &body, NULL), SIZE_MAX));
    size_t of_c2 = (REQUESTS + CUSTOMERS - 3) / CUSTOMERS;
    assert_int_equal(r->requests, REQUESTS);
    assert_int_equal(r->applied, REQUESTS - of_c2);
    assert_int_equal(r->rejected_count, of_c2);
    for (size_t i = 0; i < of_c2; i++) {
        char event_id[16];
        snprintf(event_id, sizeof event_id, "e%d", (int)(2 + i * CUSTOMERS));
        assert_int_equal(r->rejected[i]->request, 2 + i * CUSTOMERS);
        assert_string_equal(r->rejected[i]->event_id, event_id);
        assert_non_null(strstr(r->rejected[i]->reason, "the customer was forgotten at 2025-01-15T"));
    }
    tact__v1__signal_stream_response__free_unpacked(r, NULL);
    buf_free(&bytes);
    stop();
}

static bool in_store(int customer)
{
    char key[32];
    snprintf(key, sizeof key, "tact:{c%d}:s", customer);
    return sim_get(world.sim, key).n > 0;
}

static void set_fault(int kind, bool on)
{
    switch (kind) {
    case 0:
        world.log_status = on ? ERR_IO : 0;
        break;
    case 1:
        sim_set_up(world.sim, world.servers[0].conn, !on);
        break;
    case 2:
        sim_refuse_writes(world.sim, on ? "OOM" : NULL);
        break;
    default:
        world.log_sick = on;
    }
}

/* Something fails at any time: the first part that is acknowledged is in the store; sent again from there on, all is there. */
static void acknowledged_is_kept(void **state)
{
    (void)state;
    int failed = 0, some = 0;
    for (uint64_t seed = 10; seed < 10 + SEEDS; seed++) {
        struct buf bytes, rest;
        start(seed);
        add_many(&bytes, 0);
        struct body body = {.p = bytes.p, .n = bytes.n};
        int32_t stream = submit(pair, SIGNAL_STREAM_PATH, &body, NULL);
        run(stream, sim_random(world.sim, 1500));
        set_fault((int)(seed % 4), true);
        const struct answer *a = run(stream, SIZE_MAX);
        assert_true(a->closed);
        int n = REQUESTS;
        if (a->grpc != GRPC_OK) {
            const char *at = strstr(a->text, "; acknowledged: ");
            assert_int_equal(a->grpc, GRPC_UNAVAILABLE);
            assert_non_null(at);
            assert_int_equal(sscanf(at, "; acknowledged: %d requests", &n), 1);
            assert_true(n < REQUESTS);
            failed++;
            some += n > 0;
        }
        for (int i = 0; i < n; i++)
            assert_true(in_store(i % CUSTOMERS));
        set_fault((int)(seed % 4), false);
        add_many(&rest, n);
        body = (struct body){.p = rest.p, .n = rest.n};
        Tact__V1__SignalStreamResponse *r = response(run(submit(pair, SIGNAL_STREAM_PATH, &body, NULL), SIZE_MAX));
        assert_int_equal(r->requests, REQUESTS - n);
        assert_int_equal(r->applied + r->repeats, REQUESTS - n);
        tact__v1__signal_stream_response__free_unpacked(r, NULL);
        body = (struct body){.p = bytes.p, .n = bytes.n}; /* nothing is missing */
        check_sum(run(submit(pair, SIGNAL_STREAM_PATH, &body, NULL), SIZE_MAX), REQUESTS, 0, REQUESTS);
        buf_free(&bytes);
        buf_free(&rest);
        stop();
    }
    assert_true(failed > SEEDS / 2 && some > SEEDS / 4);
}

/* The failure comes after a rejection whose reason the caller will not see. */
static void failure_after_rejection(void **state)
{
    (void)state;
    struct buf bytes;
    start(3);
    buf_init(&bytes, 1 << 20);
    add(&bytes, "c1", "e1", "cart_add");
    add(&bytes, "c1", "e2", "cart");
    struct body body = {.p = bytes.p, .n = bytes.n, .open = true};
    int32_t stream = submit(pair, SIGNAL_STREAM_PATH, &body, NULL);
    run(stream, 1000);
    grpc_session_end_streams(&pair->session, GRPC_UNAVAILABLE, "stop");
    const struct answer *a = run(stream, SIZE_MAX);
    assert_int_equal(a->grpc, GRPC_UNAVAILABLE);
    assert_string_equal(a->text, "stop; acknowledged: 2 requests, 1 signals rejected, the first in request 1");
    buf_free(&bytes);
    stop();
}

static void cancelled(void **state)
{
    (void)state;
    struct buf bytes;
    for (uint64_t seed = 500; seed < 560; seed++) {
        start(seed);
        add_many(&bytes, 0);
        struct body body = {.p = bytes.p, .n = bytes.n, .open = seed % 2};
        int32_t stream = submit(pair, SIGNAL_STREAM_PATH, &body, NULL);
        run(stream, sim_random(world.sim, 1000));
        nghttp2_submit_rst_stream(pair->client, 0, stream, NGHTTP2_CANCEL);
        exchange(pair);
        if (seed % 4 == 0)
            signal_streams_free(&streams); /* the server goes */
        bool lost = seed % 3 == 0; /* the connection too, while requests are under way */
        if (lost) {
            grpc_session_free(&pair->session);
            pair->session.calls = NULL;
        }
        while (worker_ops(world.servers[0].worker))
            assert_true(sim_step(world.sim));
        assert_int_equal(pair->host.counts.calls_now, 0);
        buf_free(&bytes);
        stop();
    }
}

/* Rejections of many open streams are kept up to a bound, then counted. */
static void rejections_of_all(void **state)
{
    (void)state;
    enum { STREAMS = 400, EACH = 1100 };
    struct buf bytes;
    char event_id[129];
    memset(event_id, 'e', 128);
    event_id[128] = 0;
    start(4);
    buf_init(&bytes, 4 << 20);
    for (int i = 0; i < EACH; i++)
        add(&bytes, "c1", event_id, "nothing");
    struct body *bodies = calloc(STREAMS, sizeof *bodies);
    uint64_t told = 0;
    for (int i = 0; i < STREAMS; i++) {
        bodies[i] = (struct body){.p = bytes.p, .n = bytes.n, .open = true};
        submit(pair, SIGNAL_STREAM_PATH, &bodies[i], NULL);
        exchange(pair);
    }
    for (int i = 0; i < STREAMS; i++) {
        int32_t stream = 2 * i + 1;
        bodies[i].open = false;
        nghttp2_session_resume_data(pair->client, stream);
        exchange(pair);
        const struct answer *a = answer_of(pair, stream);
        assert_int_equal(a->grpc, GRPC_OK);
        assert_true(a->closed);
        told += a->total;
    }
    assert_in_range(told, SIGNAL_STREAMS_REJECTIONS_MAX / 2, SIGNAL_STREAMS_REJECTIONS_MAX);
    /* Now that they are gone, there is room again. */
    struct body again = {.p = bytes.p, .n = bytes.n};
    const struct answer *a = run(submit(pair, SIGNAL_STREAM_PATH, &again, NULL), SIZE_MAX);
    assert_true(a->total > 1000 * 128);
    free(bodies);
    buf_free(&bytes);
    stop();
}

static int before(void **state)
{
    struct error e;
    (void)state;
    return tzdb_load(&zones, NULL, &e);
}

static int after(void **state)
{
    (void)state;
    tzdb_free(&zones);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts),
        cmocka_unit_test(rejections_in_order),
        cmocka_unit_test(the_forgotten_are_rejections),
        cmocka_unit_test(acknowledged_is_kept),
        cmocka_unit_test(failure_after_rejection),
        cmocka_unit_test(cancelled),
        cmocka_unit_test(rejections_of_all),
    };
    return cmocka_run_group_tests(tests, before, after);
}
