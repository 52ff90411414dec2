/* Calls to the workers of a small simulated cluster, one at a time or several, for tests of tests/unit/server. Their bytes live as
 * long as the cluster.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_TESTS_SERVER_CALLS_H
#define TACT_TESTS_SERVER_CALLS_H
#include "sim/world.h"
#include "tact/v1/customers.pb-c.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

struct reply {
    bool done;
    int status;
    char text[512];
    uint8_t bytes[8192];
    size_t n;
};

static struct tzdb *zones;
static struct sim_world world;

static inline void on_done(void *user, const struct worker_result *r)
{
    struct reply *reply = user;
    assert_false(reply->done); /* exactly once */
    reply->done = true;
    reply->status = r->status;
    snprintf(reply->text, sizeof reply->text, "%s", r->text ? r->text : "");
    assert_true(r->message.n <= sizeof reply->bytes);
    memcpy(reply->bytes, r->message.p ? r->message.p : "", r->message.n);
    reply->n = r->message.n;
}

static inline void submit(int server, enum op_kind kind, const ProtobufCMessage *m, struct reply *reply)
{
    /* The request's bytes must live until the answer: they are the test's. */
    size_t n = protobuf_c_message_get_packed_size(m);
    uint8_t *bytes = arena_alloc(&world.memory, n);
    protobuf_c_message_pack(m, bytes);
    *reply = (struct reply){0};
    worker_submit(world.servers[server].worker, kind, (struct str){(const char *)bytes, n}, INT64_MAX,
                  on_done, reply);
}

static inline void run_until_done(const struct reply *reply)
{
    for (size_t steps = 0; !reply->done; steps++)
        assert_true(steps < 100000 && sim_step(world.sim));
}

static inline struct reply call(enum op_kind kind, const void *m)
{
    static struct reply reply;
    submit(0, kind, m, &reply);
    run_until_done(&reply);
    return reply;
}

static inline Tact__V1__DecideRequest decide_request(const char *request_id, const char *channel, int mode)
{
    Tact__V1__DecideRequest m;
    tact__v1__decide_request__init(&m);
    m.request_id = (char *)request_id;
    m.customer_id = (char *)"mina";
    m.channel = (char *)channel;
    m.mode = (Tact__V1__Mode)mode;
    return m;
}

static inline Tact__V1__DecideResponse *decided(const struct reply *r)
{
    assert_int_equal(r->status, GRPC_OK);
    Tact__V1__DecideResponse *d = tact__v1__decide_response__unpack(NULL, r->n, r->bytes);
    assert_non_null(d);
    return d;
}

static inline struct reply signal_once(const char *event_id)
{
    Tact__V1__Signal s, *list = &s;
    Tact__V1__SignalRequest m;
    tact__v1__signal__init(&s);
    tact__v1__signal_request__init(&m);
    s.event_id = (char *)event_id;
    s.name = (char *)"cart_add";
    m.customer_id = (char *)"mina";
    m.signals = &list;
    m.n_signals = 1;
    return call(OP_SIGNAL, &m);
}

#endif
