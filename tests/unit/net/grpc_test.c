/* Server and client over real sockets, in one process on one loop: calls that succeed and fail, deadlines,
 * cancelling, many at once, draining, peers that misbehave, Unix sockets.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/clock.h"
#include "net/grpc_client.h"
#include "net/grpc_server.h"
#include "net/h2_pump.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { LIMIT_MS = 20000, PARKED_MAX = 8192 };

struct world {
    uv_loop_t loop;
    struct grpc_server *server;
    struct grpc_client *client;
    char bound[128];
    struct grpc_call *parked[PARKED_MAX];
    size_t parked_count;
    bool done;
    /* of the last answers */
    int ended, ok;
    int status;
    char text[4096];
    size_t text_n;
    uint8_t *message;
    size_t message_n;
    int64_t deadline_left_us;
    char header[64];
};

static void on_echo(void *user, struct grpc_call *call, struct str request)
{
    struct world *w = user;
    int64_t deadline = grpc_call_deadline_us(call);
    w->deadline_left_us = deadline == INT64_MAX ? INT64_MAX : deadline - clock_mono_us();
    struct str agent = grpc_call_header(call, "user-agent");
    snprintf(w->header, sizeof w->header, "%.*s", STR_ARG(agent));
    grpc_reply(call, request.p, request.n);
}

static void on_park(void *user, struct grpc_call *call, struct str request)
{
    struct world *w = user;
    (void)request;
    assert_true(w->parked_count < PARKED_MAX);
    w->parked[w->parked_count++] = call;
}

/* The request is a status number, then the text. */
static void on_fail(void *user, struct grpc_call *call, struct str request)
{
    (void)user;
    grpc_fail(call, (enum grpc_status)request.p[0], "%.*s", (int)request.n - 1, request.p + 1);
}

/* The request is a 4-byte size; the answer has so many bytes. */
static void on_big(void *user, struct grpc_call *call, struct str request)
{
    (void)user;
    uint32_t n;
    memcpy(&n, request.p, sizeof n);
    uint8_t *p = grpc_reserve(call, n + 10);
    if (!p) {
        grpc_fail(call, GRPC_RESOURCE_EXHAUSTED, "too big");
        return;
    }
    for (uint32_t i = 0; i < n; i++)
        p[i] = (uint8_t)(i * 7);
    grpc_reply_reserved(call, n);
}

static struct world *open_world_at(const char *address, struct grpc_options options)
{
    struct world *w = calloc(1, sizeof *w);
    struct error e = {0};
    struct grpc_method methods[] = {{"/t.S/Echo", on_echo, w, NULL},
                                    {"/t.S/Park", on_park, w, NULL},
                                    {"/t.S/Fail", on_fail, w, NULL},
                                    {"/t.S/Big", on_big, w, NULL},
                                    {0}};
    assert_int_equal(uv_loop_init(&w->loop), 0);
    assert_int_equal(grpc_server_new(&w->server, &w->loop, methods, &options, &e), 0);
    if (grpc_server_listen(w->server, address, w->bound, &e) != 0)
        fail_msg("%s", e.text);
    assert_int_equal(grpc_client_new(&w->client, &w->loop, w->bound, &e), 0);
    return w;
}

static struct world *open_world(void)
{
    return open_world_at("127.0.0.1:0", (struct grpc_options){0});
}

static void on_limit(uv_timer_t *timer)
{
    *(bool *)timer->data = true;
}

/* Runs the loop until *flag or the limit. */
#define RUN_UNTIL(w, condition)                                                                              \
    do {                                                                                                     \
        bool late = false;                                                                                   \
        uv_timer_t limit;                                                                                    \
        uv_timer_init(&(w)->loop, &limit);                                                                   \
        limit.data = &late;                                                                                  \
        uv_timer_start(&limit, on_limit, LIMIT_MS, 0);                                                       \
        while (!(condition) && !late)                                                                        \
            uv_run(&(w)->loop, UV_RUN_ONCE);                                                                 \
        uv_close((uv_handle_t *)&limit, NULL);                                                               \
        uv_run(&(w)->loop, UV_RUN_NOWAIT);                                                                   \
        if (late)                                                                                            \
            fail_msg("not within %d ms: %s", LIMIT_MS, #condition);                                          \
    } while (0)

static void on_drained(void *user)
{
    struct world *w = user;
    w->done = true;
}

static struct grpc_counts counts(struct world *w)
{
    struct grpc_counts n;
    grpc_server_counts(w->server, &n);
    assert_int_equal(n.calls_started, n.calls_ok + n.calls_failed + n.calls_cancelled + n.calls_now);
    return n;
}

static void close_world(struct world *w)
{
    grpc_client_close(&w->client);
    if (w->server && !w->done) {
        grpc_server_drain(w->server, 1000, on_drained, w);
        RUN_UNTIL(w, w->done);
    }
    grpc_server_free(&w->server);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&w->loop), 0);
    free(w->message);
    free(w);
}

static void on_answer(void *user, const struct grpc_result *r)
{
    struct world *w = user;
    w->ended++;
    w->ok += r->status == GRPC_OK;
    w->status = r->status;
    w->text_n = r->text.n < sizeof w->text ? r->text.n : sizeof w->text - 1;
    if (w->text_n)
        memcpy(w->text, r->text.p, w->text_n);
    w->text[w->text_n] = 0;
    free(w->message);
    w->message = malloc(r->message.n + 1);
    w->message_n = r->message.n;
    if (r->message.n)
        memcpy(w->message, r->message.p, r->message.n);
    assert_true(r->elapsed_us >= 0);
}

static void call(struct world *w, const char *path, const void *p, size_t n, int64_t deadline_ms)
{
    int before = w->ended;
    grpc_call_unary(w->client, path, p, n, deadline_ms, on_answer, w);
    assert_int_equal(w->ended, before);
    RUN_UNTIL(w, w->ended == before + 1);
}

static void test_echo(void **state)
{
    (void)state;
    struct world *w = open_world();
    call(w, "/t.S/Echo", "hello", 5, 0);
    assert_int_equal(w->status, GRPC_OK);
    assert_int_equal(w->message_n, 5);
    assert_memory_equal(w->message, "hello", 5);
    assert_true(w->deadline_left_us == INT64_MAX);
    assert_int_equal(strncmp(w->header, "tact/", 5), 0);
    call(w, "/t.S/Echo", "", 0, 5000);
    assert_int_equal(w->status, GRPC_OK);
    assert_int_equal(w->message_n, 0);
    assert_true(w->deadline_left_us > 0 && w->deadline_left_us <= 5000000);
    struct grpc_counts n = counts(w);
    assert_int_equal(n.calls_ok, 2);
    assert_int_equal(n.connections_opened, 1);
    assert_int_equal(n.calls_now, 0);
    close_world(w);
}

static void test_large(void **state)
{
    (void)state;
    struct world *w = open_world();
    size_t n = 256 * 1024;
    uint8_t *p = malloc(n + 1);
    for (size_t i = 0; i <= n; i++)
        p[i] = (uint8_t)(i * 31);
    call(w, "/t.S/Echo", p, n, 0);
    assert_int_equal(w->status, GRPC_OK);
    assert_int_equal(w->message_n, n);
    assert_memory_equal(w->message, p, n);
    call(w, "/t.S/Echo", p, n + 1, 0);
    assert_int_equal(w->status, GRPC_RESOURCE_EXHAUSTED);
    assert_string_equal(w->text, "a message of 262145 bytes; at most 262144");
    uint32_t big = 20 << 20;
    call(w, "/t.S/Big", &big, sizeof big, 0);
    assert_int_equal(w->status, GRPC_OK);
    assert_int_equal(w->message_n, big);
    for (uint32_t i = 0; i < big; i++)
        if (w->message[i] != (uint8_t)(i * 7))
            fail_msg("byte %u", i);
    big = 65 << 20;
    call(w, "/t.S/Big", &big, sizeof big, 0);
    assert_int_equal(w->status, GRPC_RESOURCE_EXHAUSTED);
    call(w, "/t.S/Echo", "x", 1, 0);
    assert_int_equal(w->status, GRPC_OK);
    assert_int_equal(counts(w).connections_opened, 1);
    free(p);
    close_world(w);
}

static void test_statuses(void **state)
{
    (void)state;
    struct world *w = open_world();
    for (int status = 1; status <= 16; status++) {
        char request[64];
        int n = snprintf(request, sizeof request, "%c100%% نشد\n%d", status, status);
        call(w, "/t.S/Fail", request, (size_t)n, 0);
        assert_int_equal(w->status, status);
        assert_string_equal(w->text, request + 1);
        assert_int_equal(w->message_n, 0);
    }
    char *request = malloc(5000);
    request[0] = GRPC_ABORTED;
    memset(request + 1, 'a', 2047);
    memcpy(request + 2047, "\xd9\x86", 2); /* a character that straddles byte 2048 */
    memset(request + 2049, 'b', 2000);
    call(w, "/t.S/Fail", request, 4049, 0);
    assert_int_equal(w->status, GRPC_ABORTED);
    assert_int_equal(w->text_n, 2048);
    request[2047] = 'a';
    memcpy(request + 2048, "\xd9\x86", 2);
    call(w, "/t.S/Fail", request, 4049, 0);
    assert_int_equal(w->text_n, 2047);
    free(request);
    call(w, "/t.S/Ecko", "x", 1, 0);
    assert_int_equal(w->status, GRPC_UNIMPLEMENTED);
    assert_string_equal(w->text, "/t.S/Ecko is not a method here; did you mean /t.S/Echo?");
    call(w, "/other.Service/Method", "x", 1, 0);
    assert_int_equal(w->status, GRPC_UNIMPLEMENTED);
    assert_string_equal(
        w->text,
        "/other.Service/Method is not a method here; allowed: /t.S/Echo, /t.S/Park, /t.S/Fail, /t.S/Big");
    assert_int_equal(counts(w).calls_failed, 20);
    close_world(w);
}

static void test_deadline_and_cancel(void **state)
{
    (void)state;
    struct world *w = open_world();
    call(w, "/t.S/Park", "x", 1, 50);
    assert_int_equal(w->status, GRPC_DEADLINE_EXCEEDED);
    assert_int_equal(w->parked_count, 1);
    struct grpc_call *parked = w->parked[0];
    RUN_UNTIL(w, grpc_call_cancelled(parked));
    assert_int_equal(counts(w).calls_now, 1);
    assert_true(grpc_call_deadline_us(parked) <= clock_mono_us());
    grpc_reply(parked, "late", 4);
    assert_int_equal(counts(w).calls_cancelled, 1);
    assert_int_equal(counts(w).calls_now, 0);
    assert_int_equal(w->ended, 1);
    call(w, "/t.S/Echo", "on", 2, 0);
    assert_int_equal(w->status, GRPC_OK);
    assert_int_equal(counts(w).connections_opened, 1);
    close_world(w);
}

static void test_many_at_once(void **state)
{
    (void)state;
    struct world *w = open_world();
    for (int i = 0; i < 1000; i++)
        grpc_call_unary(w->client, "/t.S/Park", &i, sizeof i, 0, on_answer, w);
    RUN_UNTIL(w, w->parked_count == 1000);
    assert_int_equal(counts(w).calls_now, 1000);
    assert_int_equal(w->ended, 0);
    for (size_t i = w->parked_count; i-- > 0;)
        grpc_reply(w->parked[i], &i, sizeof i);
    RUN_UNTIL(w, w->ended == 1000);
    assert_int_equal(w->ok, 1000);
    /* More than the server lets in at a time: the rest waits in the client. */
    w->parked_count = 0;
    w->ended = 0;
    for (int i = 0; i < 3000; i++)
        grpc_call_unary(w->client, i % 2 ? "/t.S/Park" : "/t.S/Echo", &i, sizeof i, 0, on_answer, w);
    size_t answered = 0;
    while (w->ended < 3000) {
        RUN_UNTIL(w, answered < w->parked_count || w->ended == 3000);
        assert_true(counts(w).calls_now <= 1000);
        for (; answered < w->parked_count; answered++)
            grpc_reply(w->parked[answered], "", 0);
    }
    assert_int_equal(w->ok, 4000);
    assert_int_equal(counts(w).connections_opened, 1);
    close_world(w);
}

static void test_drain(void **state)
{
    (void)state;
    struct world *w = open_world();
    for (int i = 0; i < 3; i++)
        grpc_call_unary(w->client, "/t.S/Park", "x", 1, 0, on_answer, w);
    RUN_UNTIL(w, w->parked_count == 3);
    grpc_server_drain(w->server, LIMIT_MS, on_drained, w);
    assert_false(w->done);
    for (int i = 0; i < 20; i++)
        uv_run(&w->loop, UV_RUN_NOWAIT);
    assert_false(w->done);
    /* The listener is closed: new calls do not come in. */
    call(w, "/t.S/Echo", "x", 1, 0);
    assert_int_equal(w->status, GRPC_UNAVAILABLE);
    for (int i = 0; i < 3; i++)
        grpc_reply(w->parked[i], "y", 1);
    RUN_UNTIL(w, w->done);
    assert_int_equal(w->ok, 3);
    assert_int_equal(counts(w).connections_now, 0);
    close_world(w);
}

static void test_drain_grace_ends(void **state)
{
    (void)state;
    struct world *w = open_world();
    grpc_call_unary(w->client, "/t.S/Park", "x", 1, 0, on_answer, w);
    RUN_UNTIL(w, w->parked_count == 1);
    grpc_server_drain(w->server, 30, on_drained, w);
    RUN_UNTIL(w, w->done && w->ended == 1);
    assert_int_equal(w->status, GRPC_UNAVAILABLE);
    assert_true(grpc_call_cancelled(w->parked[0]));
    assert_int_equal(counts(w).calls_now, 1);
    grpc_server_free(&w->server);
    for (int i = 0; i < 5; i++)
        uv_run(&w->loop, UV_RUN_NOWAIT);
    /* The handler outlives the server: its answer must be harmless. */
    assert_int_equal(grpc_call_header(w->parked[0], "te").n, 8);
    grpc_fail(w->parked[0], GRPC_INTERNAL, "nobody hears this");
    close_world(w);
}

static void test_free_without_drain(void **state)
{
    (void)state;
    struct world *w = open_world();
    grpc_call_unary(w->client, "/t.S/Park", "x", 1, 0, on_answer, w);
    RUN_UNTIL(w, w->parked_count == 1);
    grpc_server_free(&w->server);
    RUN_UNTIL(w, w->ended == 1);
    grpc_reply(w->parked[0], "x", 1);
    assert_int_equal(w->status, GRPC_UNAVAILABLE);
    close_world(w);
}

static void on_answer_close(void *user, const struct grpc_result *r)
{
    on_answer(user, r);
    struct world *w = user;
    grpc_client_close(&w->client);
}

static void test_client_close(void **state)
{
    (void)state;
    struct world *w = open_world();
    grpc_call_unary(w->client, "/t.S/Park", "x", 1, 0, on_answer, w);
    RUN_UNTIL(w, w->parked_count == 1);
    grpc_call_unary(w->client, "/t.S/Echo", "x", 1, 0, on_answer_close, w); /* closes inside the callback */
    RUN_UNTIL(w, w->ended == 2);
    assert_int_equal(w->ok, 1);
    assert_int_equal(w->status, GRPC_UNAVAILABLE);
    RUN_UNTIL(w, grpc_call_cancelled(w->parked[0]));
    grpc_reply(w->parked[0], "x", 1);
    close_world(w);
}

static void test_nobody_listens(void **state)
{
    (void)state;
    struct world *w = open_world();
    grpc_server_drain(w->server, 0, on_drained, w);
    RUN_UNTIL(w, w->done);
    call(w, "/t.S/Echo", "x", 1, 0);
    assert_int_equal(w->status, GRPC_UNAVAILABLE);
    assert_non_null(strstr(w->text, "cannot connect to 127.0.0.1:"));
    assert_non_null(strstr(w->text, "connection refused"));
    close_world(w);
}

static void on_once(void *user, const struct grpc_result *r)
{
    assert_int_equal(r->status, GRPC_UNAVAILABLE);
    ++*(int *)user;
}

static void test_call_once(void **state)
{
    (void)state;
    struct error e = {0};
    int calls = 0;
    assert_int_equal(
        grpc_call_once("unix:/nonexistent/tact.sock", "/t.S/Echo", "", 0, 1000, on_once, &calls, &e), 0);
    assert_int_equal(calls, 1);
    assert_int_equal(grpc_call_once("nonsense", "/t.S/Echo", "", 0, 1000, on_once, &calls, &e), ERR_INVALID);
    assert_non_null(strstr(e.text, "nonsense: not an address; allowed: HOST:PORT"));
    assert_int_equal(calls, 1);
}

/* ---- peers that misbehave: raw sockets, non-blocking ---- */

static int raw_connect(struct world *w)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    name.sin_port = htons((uint16_t)atoi(strrchr(w->bound, ':') + 1));
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&name, sizeof name), 0);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

/* True once the server has closed; what it sent first is in seen. */
static bool raw_closed(int fd, uint8_t *seen, size_t *seen_n, size_t capacity)
{
    for (;;) {
        uint8_t bytes[4096];
        ssize_t n = read(fd, bytes, sizeof bytes);
        if (n == 0 || (n < 0 && errno == ECONNRESET))
            return true;
        if (n < 0)
            return false;
        for (ssize_t i = 0; i < n && *seen_n < capacity; i++)
            seen[(*seen_n)++] = bytes[i];
    }
}

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0"; /* and an empty SETTINGS */
enum { PREFACE = sizeof preface }; /* with the NUL of the stream id */

static void test_garbage(void **state)
{
    (void)state;
    struct world *w = open_world();
    static const char *const garbage[] = {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "\x16\x03\x01\x02\x00\x01",
                                          "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nnonsense that is no frame at all"};
    for (size_t i = 0; i < sizeof garbage / sizeof *garbage; i++) {
        int fd = raw_connect(w);
        assert_true(write(fd, garbage[i], strlen(garbage[i])) > 0);
        uint8_t seen[512];
        size_t n = 0;
        RUN_UNTIL(w, raw_closed(fd, seen, &n, sizeof seen));
        bool goaway = false;
        for (size_t at = 0; at + 9 <= n;
             at += 9 + ((size_t)seen[at] << 16 | (size_t)seen[at + 1] << 8 | seen[at + 2]))
            goaway = goaway || seen[at + 3] == 7;
        assert_true(goaway);
        close(fd);
        call(w, "/t.S/Echo", "x", 1, 0);
        assert_int_equal(w->status, GRPC_OK);
        assert_int_equal(counts(w).connections_broken, i + 1);
    }
    assert_int_equal(counts(w).connections_opened, 4);
    close_world(w);
}

static void test_silent(void **state)
{
    (void)state;
    struct world *w = open_world_at("127.0.0.1:0", (struct grpc_options){.preface_s = 1});
    int silent = raw_connect(w), half = raw_connect(w), spoken = raw_connect(w);
    uint8_t seen[2][512];
    size_t n[2] = {0};
    assert_int_equal(write(half, "PRI * HT", 8), 8);
    assert_int_equal(write(spoken, preface, PREFACE), PREFACE);
    RUN_UNTIL(w, raw_closed(silent, seen[0], &n[0], 512));
    RUN_UNTIL(w, raw_closed(half, seen[1], &n[1], 512));
    assert_int_equal(counts(w).connections_now, 1);
    close(silent);
    close(half);
    close(spoken);
    close_world(w);
}

static void test_idle(void **state)
{
    (void)state;
    struct world *w = open_world_at("127.0.0.1:0", (struct grpc_options){.idle_s = 1});
    grpc_call_unary(w->client, "/t.S/Park", "x", 1, 0, on_answer, w);
    RUN_UNTIL(w, w->parked_count == 1);
    for (int i = 0; i < 2; i++) { /* two idle times, one after the other */
        int idle = raw_connect(w);
        uint8_t seen[512];
        size_t n = 0;
        assert_int_equal(write(idle, preface, PREFACE), PREFACE);
        RUN_UNTIL(w, raw_closed(idle, seen, &n, 512));
        close(idle);
    }
    /* The connection with a call in a handler's hands is not idle, and takes more. */
    call(w, "/t.S/Echo", "x", 1, 0);
    assert_int_equal(counts(w).connections_opened, 3);
    assert_int_equal(counts(w).connections_now, 1);
    grpc_reply(w->parked[0], "x", 1);
    RUN_UNTIL(w, w->ended == 2 && counts(w).connections_now == 0);
    assert_int_equal(w->ok, 2);
    assert_int_equal(counts(w).connections_broken, 0);
    call(w, "/t.S/Echo", "x", 1, 0); /* the client connects again */
    assert_int_equal(w->status, GRPC_OK);
    assert_int_equal(counts(w).connections_opened, 4);
    close_world(w);
}

/* A client that has not heard yet how many streams it may open: what is refused goes to a second connection.
 */
static void test_refused_streams(void **state)
{
    (void)state;
    struct world *w = open_world_at("127.0.0.1:0", (struct grpc_options){.streams_max = 50});
    for (int i = 0; i < 100; i++)
        grpc_call_unary(w->client, "/t.S/Park", &i, sizeof i, 0, on_answer, w);
    RUN_UNTIL(w, w->parked_count == 100 || w->ended > 0);
    assert_int_equal(w->ended, 0);
    assert_int_equal(counts(w).connections_now, 2);
    for (int i = 0; i < 100; i++)
        grpc_reply(w->parked[i], "", 0);
    RUN_UNTIL(w, w->ended == 100);
    assert_int_equal(w->ok, 100);
    close_world(w);
}

static void test_host_name(void **state)
{
    (void)state;
    struct world *w = open_world();
    char name[64];
    struct error e;
    snprintf(name, sizeof name, "localhost%s", strrchr(w->bound, ':'));
    grpc_client_close(&w->client);
    if (grpc_client_new(&w->client, &w->loop, name, &e) != 0) {
        assert_int_equal(e.code, ERR_NOTFOUND); /* a machine without even localhost */
        close_world(w);
        skip();
    }
    call(w, "/t.S/Echo", "x", 1, 0); /* whichever address of it comes first */
    assert_int_equal(w->status, GRPC_OK);
    close_world(w);
}

static void test_peer_gone(void **state)
{
    (void)state;
    struct world *w = open_world();
    int fd = raw_connect(w);
    assert_int_equal(write(fd, preface, PREFACE), PREFACE);
    RUN_UNTIL(w, counts(w).connections_now == 1);
    shutdown(fd, SHUT_WR); /* half-open */
    uint8_t seen[512];
    size_t n = 0;
    RUN_UNTIL(w, raw_closed(fd, seen, &n, sizeof seen));
    assert_int_equal(counts(w).connections_now, 0);
    assert_int_equal(counts(w).connections_broken, 0);
    close(fd);
    fd = raw_connect(w);
    assert_int_equal(write(fd, preface, PREFACE), PREFACE);
    struct linger now = {1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    RUN_UNTIL(w, counts(w).connections_now == 1);
    close(fd); /* with a reset */
    RUN_UNTIL(w, counts(w).connections_now == 0);
    close_world(w);
}

/* Pings without end from a peer that reads nothing: the server must stop reading it, or hang up; memory stays
 * bounded. */
static void test_peer_never_reads(void **state)
{
    (void)state;
    struct world *w = open_world_at("127.0.0.1:0", (struct grpc_options){.idle_s = 1});
    int fd = raw_connect(w);
    assert_int_equal(write(fd, preface, PREFACE), PREFACE);
    static const uint8_t ping[17] = {0, 0, 8, 6};
    uint8_t many[17 * 512];
    for (int i = 0; i < 512; i++)
        memcpy(many + 17 * i, ping, sizeof ping);
    bool hung_up = false;
    for (int i = 0; i < 100000 && !hung_up; i++) {
        ssize_t n = send(fd, many, sizeof many, MSG_NOSIGNAL);
        hung_up = n < 0 && errno != EAGAIN;
        uv_run(&w->loop, UV_RUN_NOWAIT);
    }
    assert_true(hung_up);
    RUN_UNTIL(w, counts(w).connections_now == 0);
    assert_int_equal(counts(w).connections_broken, 1);
    close(fd);
    call(w, "/t.S/Echo", "x", 1, 0);
    assert_int_equal(w->status, GRPC_OK);
    close_world(w);
}

static ssize_t read_big(nghttp2_session *h2, int32_t stream, uint8_t *out, size_t capacity, uint32_t *flags,
                        nghttp2_data_source *source, void *user)
{
    (void)h2, (void)stream, (void)user, (void)capacity;
    memcpy(out, source->ptr, 9);
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    return 9;
}

/* Calls with big answers from a peer that grants endless flow control and reads none of them: the server
 * stops at what the kernel takes, and hangs up when nothing moves. */
static void test_answers_not_read(void **state)
{
    (void)state;
    struct world *w = open_world_at("127.0.0.1:0", (struct grpc_options){.idle_s = 1});
    int fd = raw_connect(w);
    nghttp2_session_callbacks *cb;
    nghttp2_session *h2;
    nghttp2_session_callbacks_new(&cb);
    assert_int_equal(nghttp2_session_client_new(&h2, cb, NULL), 0);
    nghttp2_session_callbacks_del(cb);
    nghttp2_settings_entry window = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, INT32_MAX};
    nghttp2_submit_settings(h2, 0, &window, 1);
    nghttp2_session_set_local_window_size(h2, 0, 0, INT32_MAX);
    uint32_t size = 1 << 20;
    uint8_t body[9] = {0, 0, 0, 0, 4};
    memcpy(body + 5, &size, 4);
    for (int i = 0; i < 90;
         i++) { /* the first one stays with its handler, so that the connection is not idle */
        nghttp2_nv fields[] = {
            H2_STATIC_FIELD(":method", "POST"), H2_STATIC_FIELD(":scheme", "http"),
            i ? H2_STATIC_FIELD(":path", "/t.S/Big") : H2_STATIC_FIELD(":path", "/t.S/Park"),
            H2_STATIC_FIELD(":authority", "x"), H2_STATIC_FIELD("content-type", "application/grpc")};
        nghttp2_data_provider provider = {.source = {.ptr = body}, .read_callback = read_big};
        assert_true(nghttp2_submit_request(h2, NULL, fields, 5, &provider, NULL) > 0);
    }
    const uint8_t *bytes;
    for (ssize_t n; (n = nghttp2_session_mem_send(h2, &bytes)) > 0;)
        assert_int_equal(write(fd, bytes, (size_t)n), n);
    nghttp2_session_del(h2);
    RUN_UNTIL(w, counts(w).calls_ok == 89 && w->parked_count == 1);
    assert_int_equal(counts(w).connections_now, 1);
    call(w, "/t.S/Echo", "x", 1, 0); /* others are served meanwhile */
    assert_int_equal(w->status, GRPC_OK);
    grpc_client_close(&w->client);
    RUN_UNTIL(w, counts(w).connections_now == 0);
    assert_true(grpc_call_cancelled(w->parked[0]));
    grpc_reply(w->parked[0], "", 0);
    close(fd);
    close_world(w);
}

/* A client that reads nothing and answers no PING, with no call under way, does not hold up a server that stops. */
static void test_drain_of_the_silent(void **state)
{
    (void)state;
    struct world *w = open_world_at("127.0.0.1:0", (struct grpc_options){0});
    static const char hello[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";
    int fd = raw_connect(w);
    assert_int_equal(write(fd, hello, sizeof hello - 1), sizeof hello - 1);
    RUN_UNTIL(w, counts(w).connections_now == 1);
    for (int i = 0; i < 20; i++) /* its settings are read */
        uv_run(&w->loop, UV_RUN_NOWAIT);
    grpc_server_drain(w->server, 100 * LIMIT_MS, on_drained, w);
    RUN_UNTIL(w, w->done);
    assert_int_equal(counts(w).connections_now, 0);
    close(fd);
    close_world(w);
}

static void test_connections_max(void **state)
{
    (void)state;
    struct world *w = open_world_at("127.0.0.1:0", (struct grpc_options){.connections_max = 2});
    int a = raw_connect(w), b = raw_connect(w), c = raw_connect(w);
    uint8_t seen[512];
    size_t n = 0;
    RUN_UNTIL(w, raw_closed(c, seen, &n, sizeof seen));
    assert_int_equal(n, 0);
    assert_int_equal(counts(w).connections_refused, 1);
    assert_int_equal(counts(w).connections_now, 2);
    close(a);
    close(b);
    close(c);
    RUN_UNTIL(w, counts(w).connections_now == 0);
    call(w, "/t.S/Echo", "x", 1, 0);
    assert_int_equal(w->status, GRPC_OK);
    close_world(w);
}

static void test_unix(void **state)
{
    (void)state;
    char dir[] = "/tmp/tact-net-XXXXXX", address[64], path[48], bound[128];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/s", dir);
    snprintf(address, sizeof address, "unix:%s", path);
    int old = socket(AF_UNIX, SOCK_STREAM, 0); /* a socket file that nobody listens on */
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    strcpy(name.sun_path, path);
    assert_int_equal(bind(old, (struct sockaddr *)&name, sizeof name), 0);
    close(old);
    struct world *w = open_world_at(address, (struct grpc_options){0});
    assert_string_equal(w->bound, address);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    call(w, "/t.S/Echo", "hello", 5, 1000);
    assert_int_equal(w->status, GRPC_OK);
    struct error e = {0};
    assert_int_equal(grpc_server_listen(w->server, address, bound, &e), ERR_EXISTS);
    assert_non_null(strstr(e.text, "somebody listens there already"));
    snprintf(address, sizeof address, "unix:%s/file", dir);
    close(open(address + 5, O_CREAT | O_WRONLY, 0600));
    assert_int_equal(grpc_server_listen(w->server, address, bound, &e), ERR_EXISTS);
    assert_non_null(strstr(e.text, "a file that is no socket"));
    unlink(address + 5);
    assert_int_equal(grpc_server_listen(w->server, "127.0.0.1:99999", bound, &e), ERR_INVALID);
    assert_int_equal(grpc_server_listen(w->server, "127.0.0.1:0", bound, &e), 0); /* a second one */
    close_world(w);
    assert_int_equal(stat(path, &st), -1); /* the socket file is gone with the server */
    assert_int_equal(rmdir(dir), 0);
}

static void test_adopt(void **state)
{
    (void)state;
    struct world *w = open_world();
    int pair[2];
    struct error e = {0};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    assert_int_equal(grpc_server_adopt_take(w->server, pair[0], &e), 0);
    assert_int_equal(write(pair[1], preface, PREFACE), PREFACE);
    uint8_t seen[512];
    size_t n = 0;
    RUN_UNTIL(w, raw_closed(pair[1], seen, &n, sizeof seen) || n >= 9);
    assert_int_equal(seen[3], 4); /* SETTINGS */
    close(pair[1]);
    RUN_UNTIL(w, counts(w).connections_now == 0);
    int file = open("/dev/null", O_RDONLY);
    assert_int_equal(grpc_server_adopt_take(w->server, file, &e), ERR_INVALID);
    assert_int_equal(fcntl(file, F_GETFD), -1);
    close_world(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_echo),
        cmocka_unit_test(test_large),
        cmocka_unit_test(test_statuses),
        cmocka_unit_test(test_deadline_and_cancel),
        cmocka_unit_test(test_many_at_once),
        cmocka_unit_test(test_drain),
        cmocka_unit_test(test_drain_grace_ends),
        cmocka_unit_test(test_drain_of_the_silent),
        cmocka_unit_test(test_free_without_drain),
        cmocka_unit_test(test_client_close),
        cmocka_unit_test(test_nobody_listens),
        cmocka_unit_test(test_call_once),
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_silent),
        cmocka_unit_test(test_idle),
        cmocka_unit_test(test_refused_streams),
        cmocka_unit_test(test_host_name),
        cmocka_unit_test(test_peer_gone),
        cmocka_unit_test(test_peer_never_reads),
        cmocka_unit_test(test_answers_not_read),
        cmocka_unit_test(test_connections_max),
        cmocka_unit_test(test_unix),
        cmocka_unit_test(test_adopt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
