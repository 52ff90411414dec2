/* Client streaming over real sockets, both sides on one loop: sending faster than the server takes, early answers, cancels,
 * deadlines, draining, servers that go.
 * SPDX-License-Identifier: Apache-2.0 */
#include "net/grpc_client.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LIMIT_MS = 20000, SLOW_BATCH = 40 };

/* What the server does with the one stream of a test. */
enum manner { AT_ONCE, SLOWLY, NEVER };

struct world {
    uv_loop_t loop;
    uv_timer_t limit, slow;
    struct grpc_server *server;
    struct grpc_client *client;
    bool late, drained;
    enum manner manner;
    struct grpc_call *call; /* the server's */
    uint64_t messages, done, sum;
    uint32_t waiting[GRPC_STREAM_MESSAGES_MAX]; /* sizes, by number */
    uint64_t fail_at;
    bool ended;
    enum grpc_status why;
    /* the client's side */
    struct client_call *stream;
    int answers, rooms, status;
    char text[256];
    uint64_t reply[2];
    uint64_t sent, refused;
};

static void finish(struct world *w)
{
    struct grpc_call *call = w->call;
    if (!call || !w->ended || w->done < w->messages)
        return;
    w->call = NULL;
    uint64_t out[2] = {w->messages, w->sum};
    if (w->why == GRPC_OK)
        grpc_reply(call, out, sizeof out);
    else
        grpc_fail(call, w->why, "after %d", (int)w->done);
}

static void one_done(struct world *w)
{
    grpc_message_done(w->call, w->waiting[w->done++ % GRPC_STREAM_MESSAGES_MAX]);
}

static void *on_opened(void *user, struct grpc_call *call)
{
    struct world *w = user;
    w->call = call;
    return w;
}

static void on_message(void *stream, struct str message)
{
    struct world *w = stream;
    assert_true(w->messages - w->done < GRPC_STREAM_MESSAGES_MAX);
    w->waiting[w->messages++ % GRPC_STREAM_MESSAGES_MAX] = (uint32_t)message.n;
    for (size_t i = 0; i < message.n; i++)
        w->sum += (uint8_t)message.p[i];
    if (w->messages == w->fail_at) {
        struct grpc_call *call = w->call;
        w->call = NULL;
        grpc_fail(call, GRPC_ABORTED, "enough");
    } else if (w->manner == AT_ONCE) {
        one_done(w);
    }
}

static void on_ended(void *stream, enum grpc_status status, const char *why)
{
    struct world *w = stream;
    (void)why;
    w->ended = true;
    w->why = status;
    finish(w);
}

static const struct grpc_stream_hooks hooks = {on_opened, on_message, on_ended};

static void on_slow(uv_timer_t *timer)
{
    struct world *w = timer->data;
    for (int i = 0; i < SLOW_BATCH && w->manner == SLOWLY && w->call && w->done < w->messages; i++)
        one_done(w);
    finish(w);
}

static void on_limit(uv_timer_t *timer)
{
    struct world *w = timer->data;
    w->late = true;
}

static struct world *open_world(enum manner manner)
{
    struct world *w = calloc(1, sizeof *w);
    struct error e = {0};
    char bound[128];
    struct grpc_method methods[] = {{"/t.S/Sum", NULL, w, &hooks}, {0}};
    w->manner = manner;
    assert_int_equal(uv_loop_init(&w->loop), 0);
    uv_timer_init(&w->loop, &w->limit);
    uv_timer_init(&w->loop, &w->slow);
    w->limit.data = w->slow.data = w;
    uv_timer_start(&w->limit, on_limit, LIMIT_MS, 0);
    uv_timer_start(&w->slow, on_slow, 1, 1);
    assert_int_equal(grpc_server_new(&w->server, &w->loop, methods, NULL, &e), 0);
    assert_int_equal(grpc_server_listen(w->server, "127.0.0.1:0", bound, &e), 0);
    assert_int_equal(grpc_client_new(&w->client, &w->loop, bound, &e), 0);
    return w;
}

#define RUN_UNTIL(w, condition)                                                                              \
    do {                                                                                                     \
        while (!(condition) && !(w)->late)                                                                   \
            uv_run(&(w)->loop, UV_RUN_ONCE);                                                                 \
        if (!(condition))                                                                                    \
            fail_msg("not within %d ms: %s", LIMIT_MS, #condition);                                          \
    } while (0)

static void close_world(struct world *w)
{
    struct grpc_counts n;
    grpc_server_counts(w->server, &n);
    assert_int_equal(n.calls_started, n.calls_ok + n.calls_failed + n.calls_cancelled + n.calls_now);
    grpc_client_close(&w->client);
    grpc_server_free(&w->server);
    uv_close((uv_handle_t *)&w->limit, NULL);
    uv_close((uv_handle_t *)&w->slow, NULL);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&w->loop), 0);
    if (w->call) /* the server let go of it */
        grpc_fail(w->call, GRPC_ABORTED, "late");
    free(w);
}

static void on_answer(void *user, const struct grpc_result *r)
{
    struct world *w = user;
    w->answers++;
    w->stream = NULL;
    w->status = r->status;
    snprintf(w->text, sizeof w->text, "%.*s", STR_ARG(r->text));
    if (r->status == GRPC_OK) {
        assert_int_equal(r->message.n, sizeof w->reply);
        memcpy(w->reply, r->message.p, sizeof w->reply);
    }
}

static void on_room(void *user)
{
    struct world *w = user;
    w->rooms++;
}

static void begin(struct world *w, int64_t deadline_ms)
{
    w->stream = grpc_client_begin(w->client, "/t.S/Sum", deadline_ms, on_answer, on_room, w);
    assert_non_null(w->stream);
    assert_int_equal(w->answers, 0);
}

/* As many as the client takes, at most count; false when it refused one. */
static bool send_some(struct world *w, const uint8_t *p, size_t n, uint64_t count)
{
    for (; w->stream && w->sent < count; w->sent++)
        if (!grpc_client_send(w->stream, p, n)) {
            w->refused++;
            return false;
        }
    return true;
}

/* All of count, waiting for room. */
static void send_all(struct world *w, const uint8_t *p, size_t n, uint64_t count)
{
    while (!send_some(w, p, n, count)) {
        int rooms = w->rooms;
        RUN_UNTIL(w, w->rooms > rooms || !w->stream);
    }
}

static void check_sum(struct world *w, uint64_t messages, uint64_t sum)
{
    RUN_UNTIL(w, w->answers);
    assert_int_equal(w->answers, 1);
    assert_int_equal(w->status, GRPC_OK);
    assert_int_equal(w->reply[0], messages);
    assert_int_equal(w->reply[1], sum);
}

static void test_empty(void **state)
{
    (void)state;
    struct world *w = open_world(AT_ONCE);
    begin(w, 0);
    grpc_client_end(w->stream);
    check_sum(w, 0, 0);
    close_world(w);
}

static void test_sizes(void **state)
{
    (void)state;
    static uint8_t bytes[256 * 1024];
    memset(bytes, 1, sizeof bytes);
    for (int manner = AT_ONCE; manner <= SLOWLY; manner++) {
        static const size_t sizes[] = {0, 1, 1000, 20000, sizeof bytes};
        uint64_t messages = 0, sum = 0;
        struct world *w = open_world((enum manner)manner);
        begin(w, 0);
        for (int i = 0; i < 60; i++) {
            w->sent = 0;
            send_all(w, bytes, sizes[i % 5], 1);
            messages++;
            sum += sizes[i % 5];
        }
        grpc_client_end(w->stream);
        check_sum(w, messages, sum);
        assert_true(w->refused > 0);
        assert_int_equal(w->refused, w->rooms);
        close_world(w);
    }
}

static void test_many(void **state)
{
    (void)state;
    for (int manner = AT_ONCE; manner <= SLOWLY; manner++) { /* at once: a read has more of them than a turn */
        struct world *w = open_world((enum manner)manner);
        begin(w, 0);
        send_all(w, (const uint8_t *)"\1\2\3", 3, 20000);
        grpc_client_end(w->stream);
        check_sum(w, 20000, 6 * 20000);
        close_world(w);
    }
}

/* With pauses longer than the loop has anything to do: deferred, then resumed. */
static void test_trickle(void **state)
{
    (void)state;
    struct world *w = open_world(AT_ONCE);
    begin(w, 0);
    for (uint64_t i = 1; i <= 20; i++) {
        assert_true(send_some(w, (const uint8_t *)"\1", 1, i));
        RUN_UNTIL(w, w->messages == i);
    }
    grpc_client_end(w->stream);
    check_sum(w, 20, 20);
    close_world(w);
}

/* The server is not done with any: what both sides hold is bounded, and the sender is refused. */
static void test_held_up(void **state)
{
    (void)state;
    static uint8_t bytes[1000];
    struct world *w = open_world(NEVER);
    begin(w, 0);
    while (w->rooms < 10 && send_some(w, bytes, sizeof bytes, UINT64_MAX)) /* until it is refused with nothing moving */
        ;
    for (int quiet = 0; quiet < 50;) {
        int rooms = w->rooms;
        uv_run(&w->loop, UV_RUN_ONCE); /* on_slow wakes it every ms */
        if (w->rooms > rooms)
            assert_false(send_some(w, bytes, sizeof bytes, UINT64_MAX));
        quiet = w->rooms > rooms ? 0 : quiet + 1;
    }
    assert_int_equal(w->messages, GRPC_STREAM_MESSAGES_MAX);
    assert_true(w->sent * 1005 <= 2 * (256 * 1024 + 5) + GRPC_CLIENT_QUEUE_MAX + 1005);
    w->manner = SLOWLY;
    send_all(w, bytes, sizeof bytes, w->sent + 1000);
    grpc_client_end(w->stream);
    check_sum(w, w->sent, 0);
    close_world(w);
}

static void test_early_answer(void **state)
{
    (void)state;
    struct world *w = open_world(AT_ONCE);
    w->fail_at = 100;
    begin(w, 0);
    send_all(w, (const uint8_t *)"\1", 1, 1000000); /* ends before */
    RUN_UNTIL(w, w->answers);
    assert_int_equal(w->status, GRPC_ABORTED);
    assert_string_equal(w->text, "enough");
    assert_int_equal(w->messages, 100);
    close_world(w);
}

static void test_cancel(void **state)
{
    (void)state;
    struct world *w = open_world(NEVER);
    begin(w, 0);
    send_all(w, (const uint8_t *)"\1", 1, 100);
    RUN_UNTIL(w, w->messages == GRPC_STREAM_MESSAGES_MAX);
    grpc_client_cancel(w->stream);
    assert_int_equal(w->answers, 0);
    RUN_UNTIL(w, w->answers && w->ended);
    assert_int_equal(w->status, GRPC_CANCELLED);
    assert_int_equal(w->why, GRPC_CANCELLED);
    w->manner = SLOWLY; /* done late, with the messages that were under way: the call goes */
    RUN_UNTIL(w, !w->call);
    close_world(w);
}

static void test_deadline(void **state)
{
    (void)state;
    struct world *w = open_world(NEVER);
    begin(w, 30);
    send_all(w, (const uint8_t *)"\1", 1, 10);
    RUN_UNTIL(w, w->answers && w->ended);
    assert_int_equal(w->status, GRPC_DEADLINE_EXCEEDED);
    assert_true(w->why == GRPC_CANCELLED || w->why == GRPC_DEADLINE_EXCEEDED); /* whichever the server saw first */
    w->manner = SLOWLY;
    RUN_UNTIL(w, !w->call);
    close_world(w);
}

static void on_drained(void *user)
{
    struct world *w = user;
    w->drained = true;
}

static void test_drain(void **state)
{
    (void)state;
    struct world *w = open_world(NEVER);
    begin(w, 0);
    send_all(w, (const uint8_t *)"\1", 1, 10);
    RUN_UNTIL(w, w->messages == 10);
    grpc_server_drain(w->server, 5000, on_drained, w);
    assert_true(w->ended);
    assert_int_equal(w->why, GRPC_UNAVAILABLE);
    w->manner = SLOWLY;
    RUN_UNTIL(w, w->answers && w->drained);
    assert_int_equal(w->status, GRPC_UNAVAILABLE);
    assert_string_equal(w->text, "after 10");
    close_world(w);
}

/* A silent stream ends after idle_s with a status, a moment before its connection. */
static void test_silent(void **state)
{
    (void)state;
    struct world *w = open_world(AT_ONCE);
    struct error e = {0};
    char bound[128];
    grpc_server_free(&w->server);
    struct grpc_method methods[] = {{"/t.S/Sum", NULL, w, &hooks}, {0}};
    assert_int_equal(grpc_server_new(&w->server, &w->loop, methods, &(struct grpc_options){.idle_s = 1}, &e), 0);
    assert_int_equal(grpc_server_listen(w->server, "127.0.0.1:0", bound, &e), 0);
    grpc_client_close(&w->client);
    assert_int_equal(grpc_client_new(&w->client, &w->loop, bound, &e), 0);
    begin(w, 0);
    send_all(w, (const uint8_t *)"\1", 1, 1);
    RUN_UNTIL(w, w->answers);
    assert_int_equal(w->status, GRPC_UNAVAILABLE);
    assert_string_equal(w->text, "after 1");
    close_world(w);
}

/* Nobody listens; the server goes away in the middle. */
static void test_lost(void **state)
{
    (void)state;
    struct world *w = open_world(NEVER);
    begin(w, 0);
    send_all(w, (const uint8_t *)"\1", 1, 10);
    RUN_UNTIL(w, w->messages == 10);
    grpc_server_free(&w->server);
    RUN_UNTIL(w, w->answers);
    assert_int_equal(w->status, GRPC_UNAVAILABLE);
    assert_true(w->ended);
    assert_int_equal(w->why, GRPC_CANCELLED);
    w->answers = 0;
    begin(w, 0);
    send_all(w, (const uint8_t *)"\1", 1, 100000); /* takes and drops them */
    RUN_UNTIL(w, w->answers);
    assert_int_equal(w->status, GRPC_UNAVAILABLE);
    assert_non_null(strstr(w->text, "cannot connect"));
    struct grpc_method none[] = {{0}};
    struct error e = {0};
    assert_int_equal(grpc_server_new(&w->server, &w->loop, none, NULL, &e), 0); /* for close_world */
    close_world(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),        cmocka_unit_test(test_sizes),  cmocka_unit_test(test_many),
        cmocka_unit_test(test_trickle),      cmocka_unit_test(test_held_up), cmocka_unit_test(test_early_answer),
        cmocka_unit_test(test_cancel),       cmocka_unit_test(test_deadline), cmocka_unit_test(test_drain),
        cmocka_unit_test(test_silent),       cmocka_unit_test(test_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
