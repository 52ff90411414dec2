/* The store on a Redis that is slow, stopped, killed, cut off in the middle of a reply, or never there: every
 * call gets one answer, in time, with the status that is true; and the store comes back by itself.
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit/store/fixture.h"

static const struct redis_link_options quick = {.backoff_min_ms = 5, .backoff_max_ms = 40};

static void on_count(void *user, const struct store_reply *r)
{
    int *counts = user;
    counts[r->status]++;
}

static int total(const int counts[STORE_REFUSED + 1])
{
    int n = 0;
    for (int s = 0; s <= STORE_REFUSED; s++)
        n += counts[s];
    return n;
}

/* Lets the loop write what was asked for; the requests' bytes are then in the kernel. */
static void flush_requests(struct fixture *f)
{
    uv_run(&f->loop, UV_RUN_NOWAIT);
}

static void test_deadlines_keep_the_connection(void **state)
{
    struct fixture *f = *state;
    struct contract c = {.turn = fixture_turn, .now = fixture_now, .user = f};
    struct got write = {0}, read = {0}, g = {0};
    c.a = open_store(f, DEFAULTS, NULL);
    order(f, "CLIENT PAUSE 300");
    int64_t start = c.now(NULL);
    struct store_commit commit = {.customer = STR("paused"), .blob = blob_of(1, "x")};
    store_commit(c.a, &commit, start + 20000, on_got, &write);
    store_read(c.a, STR("other"), NULL, start + 30000, on_got, &read);
    assert_int_equal(await(&c, &write), STORE_UNCERTAIN);
    assert_true(c.now(NULL) >= start + 20000);
    assert_int_equal(await(&c, &read), STORE_UNAVAILABLE);
    assert_int_equal(redis_store_stats(c.a).unanswered, 2);
    /* The next answer is its own, not one of the late ones; the write had only been late. */
    assert_int_equal(do_read(&c, c.a, STR("paused"), NULL, &g), STORE_OK);
    assert_int_equal(store_version((struct str){g.blob, g.blob_n}), 1);
    assert_int_equal(write.calls + read.calls, 2);
    assert_int_equal(redis_store_stats(c.a).late_replies, 2);
    assert_int_equal(redis_store_stats(c.a).connects, 1);
    got_free(&write);
    got_free(&read);
    got_free(&g);
    redis_store_free(&c.a);
}

static void test_many_deadlines(void **state)
{
    enum { CALLS = 1000 };
    struct fixture *f = *state;
    struct contract c = {.turn = fixture_turn, .now = fixture_now, .user = f};
    int counts[STORE_REFUSED + 1] = {0};
    c.a = open_store(f, DEFAULTS, NULL);
    kill(redis_embedded_pid(f->redis), SIGSTOP);
    int64_t start = c.now(NULL);
    for (int i = 0; i < CALLS; i++) /* the deadlines in no order */
        store_read(c.a, STR("c"), NULL, start + 200000 + (i * 7919) % 50000, on_count, counts);
    while (counts[STORE_UNAVAILABLE] < CALLS)
        fixture_turn(f);
    assert_int_equal(total(counts), CALLS);
    size_t owed = redis_store_stats(c.a).unanswered; /* all, unless this machine needs 200 ms to send them */
    assert_true(owed > 0);
    kill(redis_embedded_pid(f->redis), SIGCONT);
    while (redis_store_stats(c.a).late_replies < owed)
        fixture_turn(f);
    assert_int_equal(total(counts), CALLS);
    assert_int_equal(redis_store_stats(c.a).connects, 1);
    redis_store_free(&c.a);
}

static void test_client_kill(void **state)
{
    struct fixture *f = *state;
    struct contract c = {.turn = fixture_turn, .now = fixture_now, .user = f};
    struct redis_store_options o = {.link = quick};
    struct told t = {0};
    struct got g = {0};
    c.a = open_store(f, o, &t);
    for (int i = 1; i <= 3; i++) {
        order(f, "CLIENT KILL TYPE normal SKIPME yes");
        while (t.downs < i)
            fixture_turn(f);
        assert_false(t.ready);
        until_ready(f, c.a);
        while (t.ups < i + 1)
            fixture_turn(f);
        assert_int_equal(do_read(&c, c.a, STR("c"), NULL, &g), STORE_OK);
    }
    assert_int_equal(redis_store_stats(c.a).connects, 4);
    got_free(&g);
    redis_store_free(&c.a);
}

static void test_stall(void **state)
{
    struct fixture *f = *state;
    struct contract c = {.turn = fixture_turn, .now = fixture_now, .user = f};
    struct redis_store_options o = {.link = quick};
    struct told t = {0};
    struct got write = {0}, g = {0};
    o.link.stall_ms = 150;
    o.link.connect_timeout_ms = 100;
    c.a = open_store(f, o, &t);
    kill(redis_embedded_pid(f->redis), SIGSTOP);
    struct store_commit commit = {.customer = STR("stalled"), .blob = blob_of(1, "x")};
    store_commit(c.a, &commit, soon(&c), on_got, &write);
    assert_int_equal(await(&c, &write), STORE_UNCERTAIN);
    assert_non_null(strstr(write.error, "lost"));
    while (t.downs == 0)
        fixture_turn(f);
    assert_non_null(strstr(t.text, "stalled"));
    while (!strstr(t.text, "no connection within")) /* a stopped Redis accepts and says nothing */
        fixture_turn(f);
    assert_int_equal(do_read(&c, c.a, STR("c"), NULL, &g), STORE_UNAVAILABLE);
    kill(redis_embedded_pid(f->redis), SIGCONT);
    until_ready(f, c.a);
    assert_int_equal(do_read(&c, c.a, STR("c"), NULL, &g), STORE_OK);
    got_free(&write);
    got_free(&g);
    redis_store_free(&c.a);
}

static void test_idle_connection_is_watched(void **state)
{
    struct fixture *f = *state;
    struct redis_store_options o = {.link = quick};
    struct told t = {0};
    o.link.stall_ms = 100;
    o.link.idle_ping_ms = 50;
    struct store *s = open_store(f, o, &t);
    kill(redis_embedded_pid(f->redis), SIGSTOP);
    while (t.downs == 0) /* nobody asks anything, and yet it is noticed */
        fixture_turn(f);
    assert_non_null(strstr(t.text, "stalled"));
    kill(redis_embedded_pid(f->redis), SIGCONT);
    until_ready(f, s);
    redis_store_free(&s);
}

static void restart_redis(struct fixture *f)
{
    struct error e = {0};
    int64_t limit = clock_mono_us() + 30 * CONTRACT_SECOND_US;
    while (redis_embedded_alive(f->redis)) {
        assert_true(clock_mono_us() < limit);
        uv_run(&f->loop, UV_RUN_NOWAIT);
    }
    if (redis_embedded_restart(f->redis, true, &e) < 0)
        fail_msg("%s", e.text);
}

static void test_killed_redis(void **state)
{
    enum { KEPT = 500 };
    struct fixture *f = *state;
    struct contract c = {.turn = fixture_turn, .now = fixture_now, .user = f};
    struct redis_store_options o = {.link = quick};
    struct got write = {0}, read = {0}, late = {0}, g = {0};
    int counts[STORE_REFUSED + 1] = {0};
    char id[32];
    c.a = open_store(f, o, NULL);
    for (uint64_t i = 0; i < KEPT; i++) {
        snprintf(id, sizeof id, "kept%d", (int)i);
        struct store_commit commit = {.customer = str_from(id), .blob = blob_of(i + 1, "x")};
        store_commit(c.a, &commit, soon(&c), on_count, counts);
    }
    while (counts[STORE_OK] < KEPT)
        fixture_turn(f);

    kill(redis_embedded_pid(f->redis), SIGSTOP);
    struct store_commit commit = {.customer = STR("unknown"), .blob = blob_of(1, "x")};
    store_commit(c.a, &commit, soon(&c), on_got, &write);
    store_read(c.a, STR("unknown"), NULL, soon(&c), on_got, &read);
    flush_requests(f);
    kill(redis_embedded_pid(f->redis), SIGKILL);
    while (redis_embedded_alive(f->redis))
        ;
    commit.customer = STR("never sent");
    store_commit(c.a, &commit, soon(&c), on_got, &late); /* the socket is dead, though we do not know yet */
    assert_int_equal(await(&c, &write), STORE_UNCERTAIN);
    assert_int_equal(await(&c, &read), STORE_UNAVAILABLE);
    assert_int_equal(await(&c, &late), STORE_UNAVAILABLE);
    assert_int_equal(do_commit(&c, c.a, commit, &g), STORE_UNAVAILABLE);

    restart_redis(f);
    until_ready(f, c.a);
    for (uint64_t i = 0; i < KEPT; i++) { /* what was acknowledged is there */
        snprintf(id, sizeof id, "kept%d", (int)i);
        assert_int_equal(do_read(&c, c.a, str_from(id), NULL, &g), STORE_OK);
        assert_int_equal(store_version((struct str){g.blob, g.blob_n}), i + 1);
    }
    assert_int_equal(do_commit(&c, c.a, commit, &g), STORE_OK); /* scripts are loaded again */
    got_free(&write);
    got_free(&read);
    got_free(&late);
    got_free(&g);
    redis_store_free(&c.a);
}

/* Ten commits of 1 MB to a stopped Redis: the socket takes the first bytes only. After the kill, those that
 * had not left whole are certainly not done. */
static void test_half_written(void **state)
{
    enum { CALLS = 10, SIZE = 1 << 20 };
    struct fixture *f = *state;
    struct contract c = {.turn = fixture_turn, .now = fixture_now, .user = f};
    struct redis_store_options o = {.link = quick};
    struct got g[CALLS] = {{0}}, small = {0}, again = {0};
    char id[32], *big = calloc(1, SIZE);
    big[1] = 1;
    c.a = open_store(f, o, NULL);
    kill(redis_embedded_pid(f->redis), SIGSTOP);
    struct store_commit commit = {.customer = STR("half-small"), .blob = blob_of(1, "x")};
    store_commit(c.a, &commit, soon(&c), on_got, &small);
    for (int i = 0; i < CALLS; i++) {
        snprintf(id, sizeof id, "half%d", i);
        struct store_commit one = {.customer = str_from(id), .blob = {big, SIZE}};
        store_commit(c.a, &one, soon(&c), on_got, &g[i]);
    }
    flush_requests(f);
    kill(redis_embedded_pid(f->redis), SIGKILL);
    assert_int_equal(await(&c, &small), STORE_UNCERTAIN);
    for (int i = 0; i < CALLS; i++) {
        enum store_status status = await(&c, &g[i]);
        assert_true(status == STORE_UNAVAILABLE || (status == STORE_UNCERTAIN && i < CALLS - 1));
        assert_true(i == 0 || status == STORE_UNAVAILABLE || g[i - 1].status == STORE_UNCERTAIN);
    }
    assert_int_equal(g[CALLS - 1].status, STORE_UNAVAILABLE);
    restart_redis(f);
    until_ready(f, c.a);
    for (int i = 0; i < CALLS; i++) {
        snprintf(id, sizeof id, "half%d", i);
        assert_int_equal(do_read(&c, c.a, str_from(id), NULL, &again), STORE_OK);
        assert_true(g[i].status == STORE_UNCERTAIN || again.blob_n == 0);
        got_free(&g[i]);
    }
    got_free(&small);
    got_free(&again);
    free(big);
    redis_store_free(&c.a);
}

/* ---- a proxy between the store and Redis, in the same loop ---- */

struct pair {
    struct proxy *proxy;
    uv_tcp_t client;
    uv_pipe_t server;
    uv_connect_t connect;
    bool closing;
    int open;
};

struct proxy {
    struct fixture *f;
    uv_tcp_t listener;
    int port, accepted;
    long pass; /* bytes of replies to let through before cutting; -1: all */
    long passed;
    bool by_bytes;       /* forward replies one byte a write */
    const char *instead; /* say this instead of the next reply, once */
};

struct chunk {
    uv_write_t write;
    char bytes[];
};

static void on_half_closed(uv_handle_t *h)
{
    struct pair *p = h->data;
    if (--p->open == 0)
        free(p);
}

static void cut(struct pair *p)
{
    if (p->closing)
        return;
    p->closing = true;
    uv_close((uv_handle_t *)&p->client, on_half_closed);
    uv_close((uv_handle_t *)&p->server, on_half_closed);
}

static void on_written(uv_write_t *write, int status)
{
    (void)status;
    free(write);
}

static void forward(uv_stream_t *to, const char *bytes, size_t n)
{
    struct chunk *c = malloc(sizeof *c + n);
    memcpy(c->bytes, bytes, n);
    uv_buf_t buf = uv_buf_init(c->bytes, (unsigned)n);
    if (uv_write(&c->write, to, &buf, 1, on_written) < 0)
        free(c);
}

static void on_room(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
    static char room[65536];
    (void)h;
    (void)suggested;
    *buf = uv_buf_init(room, sizeof room);
}

static void on_request(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
    struct pair *p = s->data;
    if (n < 0)
        cut(p);
    else if (n > 0)
        forward((uv_stream_t *)&p->server, buf->base, (size_t)n);
}

static void on_server_reply(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
    struct pair *p = s->data;
    struct proxy *x = p->proxy;
    if (n <= 0) {
        if (n < 0)
            cut(p);
        return;
    }
    if (x->instead) {
        forward((uv_stream_t *)&p->client, x->instead, strlen(x->instead));
        x->instead = NULL;
        return;
    }
    long most = x->pass < 0 ? n : x->pass - x->passed;
    long count = n < most ? n : most;
    x->passed += count;
    for (long i = 0; i < count; i += x->by_bytes ? 1 : count)
        forward((uv_stream_t *)&p->client, buf->base + i, x->by_bytes ? 1 : (size_t)count);
    if (count < n || x->passed == x->pass) {
        x->pass = -1; /* the next connection works */
        cut(p);
    }
}

static void on_server_connected(uv_connect_t *connect, int status)
{
    struct pair *p = connect->data;
    if (p->closing)
        return;
    if (status < 0) {
        cut(p);
        return;
    }
    uv_read_start((uv_stream_t *)&p->client, on_room, on_request);
    uv_read_start((uv_stream_t *)&p->server, on_room, on_server_reply);
}

static void on_accept(uv_stream_t *listener, int status)
{
    struct proxy *x = listener->data;
    struct pair *p = calloc(1, sizeof *p);
    assert_int_equal(status, 0);
    x->accepted++;
    p->proxy = x;
    p->open = 2;
    uv_tcp_init(listener->loop, &p->client);
    uv_pipe_init(listener->loop, &p->server, 0);
    p->client.data = p->server.data = p->connect.data = p;
    assert_int_equal(uv_accept(listener, (uv_stream_t *)&p->client), 0);
    uv_pipe_connect(&p->connect, &p->server, redis_embedded_url(x->f->redis) + strlen("unix://"),
                    on_server_connected);
}

static void proxy_open(struct proxy *x, struct fixture *f, int port)
{
    struct sockaddr_in a;
    int size = sizeof a;
    *x = (struct proxy){.f = f, .pass = -1};
    uv_ip4_addr("127.0.0.1", port, &a);
    uv_tcp_init(&f->loop, &x->listener);
    x->listener.data = x;
    assert_int_equal(uv_tcp_bind(&x->listener, (struct sockaddr *)&a, 0), 0);
    assert_int_equal(uv_tcp_getsockname(&x->listener, (struct sockaddr *)&a, &size), 0);
    assert_int_equal(uv_listen((uv_stream_t *)&x->listener, 16, on_accept), 0);
    x->port = ntohs(a.sin_port);
}

static struct store *open_through(struct proxy *x, struct redis_store_options o, struct told *t)
{
    char url[64];
    snprintf(url, sizeof url, "redis://127.0.0.1:%d", x->port);
    return open_url(x->f, url, o, t);
}

static void proxy_close(struct proxy *x)
{
    uv_close((uv_handle_t *)&x->listener, NULL);
    for (int i = 0; i < 10; i++) /* the pairs see the end of their stores */
        uv_run(&x->f->loop, UV_RUN_NOWAIT);
}

static void test_reply_cut_anywhere(void **state)
{
    struct fixture *f = *state;
    struct contract c = {.turn = fixture_turn, .now = fixture_now, .user = f};
    struct redis_store_options o = {.link = quick};
    struct proxy x;
    struct got g = {0};
    int unsure = 0;
    proxy_open(&x, f, 0);
    c.a = open_through(&x, o, NULL);
    until_ready(f, c.a);
    struct store_commit commit = {.customer = STR("cut"), .blob = blob_of(1, "a fresh blob of some length")};
    assert_int_equal(do_commit(&c, c.a, commit, &g), STORE_OK);
    size_t text_n = strlen("$36\r\n") + commit.blob.n + 2, script_n = strlen("*2\r\n:1\r\n") + text_n;
    size_t connects = 1;
    for (int by_script = 0; by_script < 2; by_script++) {
        enum store_status status = STORE_UNCERTAIN;
        commit.expected = by_script ? 9 : 0; /* each is a conflict, with the blob in its reply */
        for (size_t k = 0; status == STORE_UNCERTAIN; k++) {
            assert_true(k <= script_n);
            x.passed = 0;
            x.pass = (long)k;
            status = do_commit(&c, c.a, commit, &g);
            if (status == STORE_UNCERTAIN)
                unsure++;
            else /* Redis before 7.0 has no other way than the script */
                assert_true(status == STORE_CONFLICT && (k == script_n || (!by_script && k == text_n)));
            connects++;
            while (redis_store_stats(c.a).connects < connects)
                fixture_turn(f);
        }
    }
    assert_true(unsure == (int)(text_n + script_n) || unsure == (int)(2 * script_n));
    x.passed = 0;
    x.pass = 3;
    assert_int_equal(do_read(&c, c.a, STR("cut"), NULL, &g), STORE_UNAVAILABLE);
    until_ready(f, c.a);
    x.by_bytes = true;
    assert_int_equal(do_read(&c, c.a, STR("cut"), NULL, &g), STORE_OK);
    assert_int_equal(g.blob_n, commit.blob.n);
    got_free(&g);
    redis_store_free(&c.a);
    proxy_close(&x);
}

static void test_nonsense_replies(void **state)
{
    static const char *const nonsense[] = {
        "HTTP/1.1 400 Bad Request\r\n\r\n",
        "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n",
        ":zz\r\n",
        "*2\r\n:0\r\n:1\r\n+one\r\n-ERR too many\r\n",
    };
    struct fixture *f = *state;
    struct contract c = {.turn = fixture_turn, .now = fixture_now, .user = f};
    struct redis_store_options o = {.link = quick};
    struct proxy x;
    struct got g = {0};
    proxy_open(&x, f, 0);
    c.a = open_through(&x, o, NULL);
    until_ready(f, c.a);
    for (size_t i = 0; i < sizeof nonsense / sizeof *nonsense; i++) {
        x.instead = nonsense[i];
        assert_int_not_equal(do_read(&c, c.a, STR("c"), NULL, &g), STORE_OK);
        assert_int_equal(g.status, STORE_UNAVAILABLE);
        until_ready(f, c.a);
    }
    static const char *const strange[] = {"+OK\r\n", "*0\r\n", "*1\r\n:9\r\n",
                                          "$-1\r\n", ":1\r\n", "*2\r\n$1\r\nx\r\n:1\r\n"};
    struct store_commit commit = {.customer = STR("strange"), .expected = 1, .blob = blob_of(2, "x")};
    for (size_t i = 0; i < sizeof strange / sizeof *strange; i++) {
        x.instead = strange[i];
        assert_int_equal(do_commit(&c, c.a, commit, &g), STORE_UNCERTAIN);
        until_ready(f, c.a);
    }
    x.instead = "-LOADING Redis is loading the dataset in memory\r\n";
    assert_int_equal(do_commit(&c, c.a, commit, &g), STORE_UNAVAILABLE);
    x.instead = "-MASTERDOWN Link with MASTER is down\r\n";
    assert_int_equal(do_commit(&c, c.a, commit, &g), STORE_UNAVAILABLE);
    x.instead = "-MISCONF Redis is configured to save RDB snapshots\r\n";
    assert_int_equal(do_commit(&c, c.a, commit, &g), STORE_REFUSED);
    got_free(&g);
    redis_store_free(&c.a);
    proxy_close(&x);
}

static void test_nothing_listens(void **state)
{
    struct fixture *f = *state;
    struct contract c = {.turn = fixture_turn, .now = fixture_now, .user = f};
    struct redis_store_options o = {.link = quick};
    struct told t = {0};
    struct got g = {0};
    struct proxy x;
    char url[512];
    proxy_open(&x, f, 0); /* a port that is free: ours for a moment */
    int port = x.port;
    proxy_close(&x);

    snprintf(url, sizeof url, "127.0.0.1:%d", port);
    c.a = open_url(f, url, o, &t);
    assert_int_equal(do_read(&c, c.a, STR("c"), NULL, &g), STORE_UNAVAILABLE);
    while (t.downs == 0)
        fixture_turn(f);
    if (!strstr(t.text, "refused"))
        fail_msg("not refused: %s", t.text);
    assert_non_null(strstr(t.text, url));
    struct store_commit commit = {.customer = STR("c"), .blob = blob_of(1, "x")};
    assert_int_equal(do_commit(&c, c.a, commit, &g), STORE_UNAVAILABLE);
    proxy_open(&x, f, port); /* somebody comes */
    until_ready(f, c.a);
    assert_int_equal(do_read(&c, c.a, STR("c"), NULL, &g), STORE_OK);
    assert_int_equal(t.downs, 1); /* many attempts, one message */
    redis_store_free(&c.a);
    proxy_close(&x);

    static const char *const names[] = {"localhost", "127.1"}; /* the second goes through the resolver */
    for (int i = 0; i < 2; i++) {
        proxy_open(&x, f, 0);
        snprintf(url, sizeof url, "%s:%d", names[i], x.port);
        c.a = open_url(f, url, o, NULL);
        until_ready(f, c.a);
        redis_store_free(&c.a);
        proxy_close(&x);
    }

    t = (struct told){0};
    snprintf(url, sizeof url, "unix://%s/no.sock", f->folder);
    c.a = open_url(f, url, o, &t);
    while (t.downs == 0)
        fixture_turn(f);
    assert_non_null(strstr(t.text, "No such file"));
    redis_store_free(&c.a);

    t = (struct told){0};
    c.a = open_url(f, "no-such-host.invalid:6379", o, &t);
    while (t.downs == 0)
        fixture_turn(f);
    assert_int_equal(do_read(&c, c.a, STR("c"), NULL, &g), STORE_UNAVAILABLE);
    redis_store_free(&c.a);
    got_free(&g);
}

/* Additions with a record each, while connections are killed all the time. An uncertain one is looked up by
 * its record. In the end the counter must be exactly the number of additions. */
struct worker {
    struct contract *c;
    struct store *s;
    int left, unsure, seed;
    uint64_t version, number, tried;
    struct id128 record;
    bool running;
};

static void work(struct worker *w);
static void look_up(struct worker *w);

static void learn(struct worker *w, struct str blob)
{
    w->version = store_version(blob);
    w->number = 0;
    if (blob.n)
        memcpy(&w->number, blob.p + STORE_BLOB_MIN, 8);
}

static void on_looked_up(void *user, const struct store_reply *r)
{
    struct worker *w = user;
    if (r->status != STORE_OK) {
        w->running = false; /* try later */
        return;
    }
    learn(w, r->blob);
    if (r->record.n) {
        w->left--;
        w->record.bytes[0] = 0; /* a new one next time */
    }
    work(w);
}

static void look_up(struct worker *w)
{
    w->running = true;
    store_read(w->s, STR("exact"), &w->record, soon(w->c), on_looked_up, w);
}

static void on_worked(void *user, const struct store_reply *r)
{
    struct worker *w = user;
    w->running = false;
    if (r->status == STORE_UNCERTAIN)
        w->unsure++;
    if (r->status == STORE_OK) {
        w->left--;
        w->version = w->tried;
        w->number++;
        w->record.bytes[0] = 0;
        work(w);
    } else if (r->status == STORE_CONFLICT) {
        learn(w, r->blob);
        work(w);
    }
}

static void work(struct worker *w)
{
    static uint64_t fresh = 5000, records;
    char bytes[STORE_BLOB_MIN + 8] = {1};
    w->running = w->left > 0;
    if (!w->running)
        return;
    if (!w->record.bytes[0]) {
        memset(&w->record, 1, sizeof w->record);
        records++;
        memcpy(w->record.bytes + 8, &records, 8);
    }
    uint64_t next = w->number + 1;
    w->tried = ++fresh;
    store_version_bytes(w->tried, bytes + STORE_VERSION_AT);
    memcpy(bytes + STORE_BLOB_MIN, &next, 8);
    struct store_commit commit = {.customer = STR("exact"),
                                  .expected = w->version,
                                  .blob = {bytes, sizeof bytes},
                                  .record_id = &w->record,
                                  .record = STR("done"),
                                  .record_ttl_ms = 1000000};
    store_commit(w->s, &commit, soon(w->c), on_worked, w);
}

static void test_exact_under_kills(void **state)
{
    enum { WORKERS = 4, EACH = 400 };
    struct fixture *f = *state;
    struct contract c = {.turn = fixture_turn, .now = fixture_now, .user = f};
    struct redis_store_options o = {.link = {.backoff_min_ms = 1, .backoff_max_ms = 4}};
    struct worker w[WORKERS];
    struct got g = {0};
    bool running = true;
    uint64_t number;
    c.a = open_store(f, o, NULL);
    c.b = open_store(f, o, NULL);
    for (int i = 0; i < WORKERS; i++)
        w[i] = (struct worker){.c = &c, .s = i % 2 ? c.a : c.b, .left = EACH};
    for (int turn = 0; running; turn++) {
        running = false;
        for (int i = 0; i < WORKERS; i++) {
            if (w[i].left > 0 && !w[i].running && store_ready(w[i].s))
                look_up(&w[i]);
            running = running || w[i].left > 0;
        }
        if (turn % 40 == 39)
            order(f, "CLIENT KILL TYPE normal SKIPME yes");
        fixture_turn(f);
    }
    until_ready(f, c.a);
    while (do_read(&c, c.a, STR("exact"), NULL, &g) != STORE_OK)
        until_ready(f, c.a);
    memcpy(&number, g.blob + STORE_BLOB_MIN, 8);
    assert_int_equal(number, WORKERS * EACH);
    assert_true(redis_store_stats(c.a).connects > 5);
    got_free(&g);
    redis_store_free(&c.a);
    redis_store_free(&c.b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_deadlines_keep_the_connection),
        cmocka_unit_test(test_many_deadlines),
        cmocka_unit_test(test_client_kill),
        cmocka_unit_test(test_stall),
        cmocka_unit_test(test_idle_connection_is_watched),
        cmocka_unit_test(test_killed_redis),
        cmocka_unit_test(test_half_written),
        cmocka_unit_test(test_reply_cut_anywhere),
        cmocka_unit_test(test_nonsense_replies),
        cmocka_unit_test(test_nothing_listens),
        cmocka_unit_test(test_exact_under_kills),
    };
    return cmocka_run_group_tests(tests, fixture_open_synced, fixture_close);
}
