/* The store on a real Redis that works: the contract, forgotten scripts, limits, policies that are refused,
 * volume. Broken connections are in redis_fault_test.c.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit/store/fixture.h"

static void test_contract(void **state)
{
    struct fixture *f = *state;
    struct contract c = {.turn = fixture_turn, .now = fixture_now, .user = f};
    c.a = open_store(f, DEFAULTS, NULL);
    c.b = open_store(f, DEFAULTS, NULL);
    contract_all(&c);
    redis_store_free(&c.a);
    redis_store_free(&c.b);
    assert_null(c.a);
}

static void test_keys_as_documented(void **state)
{
    struct fixture *f = *state;
    struct contract c = {.turn = fixture_turn, .now = fixture_now, .user = f};
    struct redis_store_options o = {.prefix = "other"};
    struct got g = {0};
    struct id128 record = id_of(9);
    c.a = open_store(f, o, NULL);
    struct store_commit commit = {.customer = STR("a}b%c"),
                                  .blob = blob_of(1, "x"),
                                  .record_id = &record,
                                  .record = STR("r"),
                                  .record_ttl_ms = 500000};
    assert_int_equal(do_commit(&c, c.a, commit, &g), STORE_OK);
    redisContext *redis = redisConnectUnix(redis_embedded_url(f->redis) + strlen("unix://"));
    redisReply *r = redisCommand(redis, "STRLEN other:{a%%7Db%%25c}:s");
    assert_int_equal(r->integer, commit.blob.n);
    freeReplyObject(r);
    r = redisCommand(redis, "PTTL other:{a%%7Db%%25c}:d:090203040506070809"
                            "0a0b0c0d0e0fff");
    assert_in_range(r->integer, 400000, 500000);
    freeReplyObject(r);
    redisFree(redis);
    got_free(&g);
    redis_store_free(&c.a);
}

static void test_forgotten_scripts(void **state)
{
    enum { CALLS = 500 };
    struct fixture *f = *state;
    struct contract c = {.turn = fixture_turn, .now = fixture_now, .user = f};
    struct got g[CALLS] = {{0}}, once = {.ids_wanted = 1};
    struct str name = STR("after flush");
    c.a = open_store(f, DEFAULTS, NULL);
    order(f, "SCRIPT FLUSH");
    for (int i = 0; i < CALLS; i++) {
        char id[32];
        snprintf(id, sizeof id, "flush%d", i);
        struct store_commit commit = {.customer = str_from(id), .blob = blob_of(1, "x")};
        store_commit(c.a, &commit, soon(&c), on_got, &g[i]);
    }
    for (int i = 0; i < CALLS; i++) {
        assert_int_equal(await(&c, &g[i]), STORE_OK);
        got_free(&g[i]);
    }
    order(f, "SCRIPT FLUSH");
    store_names(c.a, &name, 1, soon(&c), on_got, &once);
    assert_int_equal(await(&c, &once), STORE_OK);
    assert_true(once.ids[0] > 0);
    got_free(&once);
    order(f, "SCRIPT FLUSH");
    store_secret(c.a, soon(&c), on_got, &once);
    assert_int_equal(await(&c, &once), STORE_OK);
    got_free(&once);
    assert_int_equal(redis_store_stats(c.a).connects, 1);
    redis_store_free(&c.a);
}

static void on_count(void *user, const struct store_reply *r)
{
    int *counts = user;
    counts[r->status]++;
}

static void test_ten_thousand_at_once(void **state)
{
    enum { CALLS = 10000 };
    struct fixture *f = *state;
    struct contract c = {.turn = fixture_turn, .now = fixture_now, .user = f};
    int counts[STORE_REFUSED + 1] = {0};
    char text[1001];
    memset(text, 'b', 1000);
    text[1000] = 0;
    c.a = open_store(f, DEFAULTS, NULL);
    for (int i = 0; i < CALLS; i++) {
        char id[32];
        snprintf(id, sizeof id, "many%d", i);
        struct store_commit commit = {.customer = str_from(id), .blob = blob_of(1, text)};
        store_commit(c.a, &commit, c.now(NULL) + 50 * CONTRACT_SECOND_US, on_count, counts);
    }
    while (counts[STORE_OK] < CALLS) {
        fixture_turn(f);
        for (int s = STORE_OK + 1; s <= STORE_REFUSED; s++)
            assert_int_equal(counts[s], 0);
    }
    assert_int_equal(redis_store_stats(c.a).unanswered, 0);
    assert_int_equal(redis_store_stats(c.a).unanswered_bytes, 0);
    redis_store_free(&c.a);
}

static void test_bounds(void **state)
{
    struct fixture *f = *state;
    struct contract c = {.turn = fixture_turn, .now = fixture_now, .user = f};
    struct redis_store_options o = {.link = {.max_commands = 12}};
    int counts[STORE_REFUSED + 1] = {0};
    c.a = open_store(f, o, NULL);
    for (int i = 0; i < 30; i++)
        store_read(c.a, STR("c"), NULL, soon(&c), on_count, counts);
    assert_int_equal(counts[STORE_OK] + counts[STORE_UNAVAILABLE], 0);
    while (counts[STORE_OK] + counts[STORE_UNAVAILABLE] < 30)
        fixture_turn(f);
    assert_int_equal(counts[STORE_OK], 12); /* room for the greeting, too */
    redis_store_free(&c.a);

    memset(counts, 0, sizeof counts);
    o.link = (struct redis_link_options){.max_bytes = 10000};
    c.a = open_store(f, o, NULL);
    char text[3001];
    memset(text, 'b', 3000);
    text[3000] = 0;
    for (int i = 0; i < 5; i++) {
        struct store_commit commit = {.customer = STR("bounded"), .expected = 1, .blob = blob_of(2, text)};
        store_commit(c.a, &commit, soon(&c), on_count, counts);
    }
    while (counts[STORE_CONFLICT] + counts[STORE_UNAVAILABLE] < 5)
        fixture_turn(f);
    assert_int_equal(counts[STORE_CONFLICT], 3); /* 3 of a little over 3,100 bytes fit */
    redis_store_free(&c.a);
}

static void test_many_names(void **state)
{
    enum { NAMES = STORE_NAMES_MAX };
    struct fixture *f = *state;
    struct contract c = {.turn = fixture_turn, .now = fixture_now, .user = f};
    struct redis_store_options o = {.prefix = "dictionary"};
    struct got g = {.ids_wanted = 8};
    struct str *names = calloc(NAMES, sizeof *names);
    char *text = malloc(NAMES * 8);
    for (int i = 0; i < NAMES; i++) {
        names[i] = (struct str){text + i * 8, 8};
        snprintf(text + i * 8, 8, "n%06d", i);
    }
    c.a = open_store(f, o, NULL);
    store_names(c.a, names, NAMES, c.now(NULL) + 50 * CONTRACT_SECOND_US, on_got, &g);
    assert_int_equal(await(&c, &g), STORE_OK);
    for (uint32_t i = 0; i < 8; i++)
        assert_int_equal(g.ids[i], i + 1);
    got_free(&g);
    g.ids_wanted = 8;
    store_names(c.a, names + NAMES - 8, 8, soon(&c), on_got, &g);
    assert_int_equal(await(&c, &g), STORE_OK);
    for (uint32_t i = 0; i < 8; i++)
        assert_int_equal(g.ids[i], NAMES - 8 + i + 1);
    got_free(&g);
    free(names);
    free(text);
    redis_store_free(&c.a);
}

static void test_out_of_memory(void **state)
{
    struct fixture *f = *state;
    struct contract c = {.turn = fixture_turn, .now = fixture_now, .user = f};
    struct got g = {.ids_wanted = 1};
    struct id128 record = id_of(8);
    struct str name = STR("no room for this name");
    c.a = open_store(f, DEFAULTS, NULL);
    struct store_commit commit = {.customer = STR("oom"), .blob = blob_of(1, "fits")};
    assert_int_equal(do_commit(&c, c.a, commit, &g), STORE_OK);
    order(f, "CONFIG SET maxmemory 1mb");
    commit = (struct store_commit){.customer = STR("oom"),
                                   .expected = 1,
                                   .blob = blob_of(2, "does not"),
                                   .record_id = &record,
                                   .record = STR("r"),
                                   .record_ttl_ms = 1000000};
    assert_int_equal(do_commit(&c, c.a, commit, &g), STORE_REFUSED);
    assert_non_null(strstr(g.error, "OOM"));
    assert_int_equal(do_read(&c, c.a, STR("oom"), &record, &g),
                     STORE_OK); /* reads go on, nothing half-done */
    assert_int_equal(store_version((struct str){g.blob, g.blob_n}), 1);
    assert_int_equal(g.record_n, 0);
    commit.expected = 9;
    assert_int_equal(do_commit(&c, c.a, commit, &g),
                     STORE_CONFLICT); /* a conflict writes nothing: no error */
    got_free(&g);
    store_names(c.a, &name, 1, soon(&c), on_got, &g);
    assert_int_equal(await(&c, &g), STORE_REFUSED);
    order(f, "CONFIG SET maxmemory 0");
    commit.expected = 1;
    assert_int_equal(do_commit(&c, c.a, commit, &g), STORE_OK);
    got_free(&g);
    redis_store_free(&c.a);
}

static void test_read_only(void **state)
{
    struct fixture *f = *state;
    struct contract c = {.turn = fixture_turn, .now = fixture_now, .user = f};
    struct got g = {0};
    c.a = open_store(f, DEFAULTS, NULL);
    order(f, "REPLICAOF 127.0.0.1 1");
    struct store_commit commit = {.customer = STR("replica"), .blob = blob_of(1, "x")};
    assert_int_equal(do_commit(&c, c.a, commit, &g), STORE_REFUSED);
    assert_non_null(strstr(g.error, "READONLY"));
    order(f, "REPLICAOF NO ONE");
    until_ready(f, c.a);
    assert_int_equal(do_commit(&c, c.a, commit, &g), STORE_OK);
    got_free(&g);
    redis_store_free(&c.a);
}

/* That a Lua expression is true in the fixture's Redis. */
static void holds(struct fixture *f, const char *expression)
{
    char script[512];
    redisContext *c = redisConnectUnix(redis_embedded_url(f->redis) + strlen("unix://"));
    assert_true(c && !c->err);
    snprintf(script, sizeof script, "return %s and 1 or 0", expression);
    redisReply *r = redisCommand(c, "EVAL %s 0", script);
    assert_non_null(r);
    if (r->type != REDIS_REPLY_INTEGER || r->integer != 1)
        fail_msg("%s: %s", expression, r->type == REDIS_REPLY_ERROR ? r->str : "is not so");
    freeReplyObject(r);
    redisFree(c);
}

static void test_wrong_type_in_the_key(void **state)
{
    struct fixture *f = *state;
    struct contract c = {.turn = fixture_turn, .now = fixture_now, .user = f};
    struct got g = {0};
    c.a = open_store(f, DEFAULTS, NULL);
    struct id128 record = id_of(1);
    order(f, "LPUSH tact:{list}:s x");
    order(f, "SET tact:{short}:s y");
    struct store_commit commit = {.customer = STR("list"), .blob = blob_of(1, "x")};
    assert_int_equal(do_commit(&c, c.a, commit, &g), STORE_CONFLICT);
    assert_true(str_eq((struct str){g.blob, g.blob_n}, STR(STORE_FOREIGN)));
    for (int with_record = 0; with_record < 2; with_record++) {
        assert_int_equal(do_read(&c, c.a, STR("list"), with_record ? &record : NULL, &g), STORE_OK);
        assert_true(str_eq((struct str){g.blob, g.blob_n}, STR(STORE_FOREIGN)));
    }
    commit.customer = STR("short"); /* one byte has no version, and is not nothing */
    assert_int_equal(do_commit(&c, c.a, commit, &g), STORE_CONFLICT);
    assert_true(str_eq((struct str){g.blob, g.blob_n}, STR("y")));
    commit.aside = STR("y");
    assert_int_equal(do_commit(&c, c.a, commit, &g), STORE_OK);
    commit = (struct store_commit){.customer = STR("list"), .aside = STR(STORE_FOREIGN), .blob = blob_of(1, "x")};
    assert_int_equal(do_commit(&c, c.a, commit, &g), STORE_OK);
    assert_int_equal(do_read(&c, c.a, STR("list"), NULL, &g), STORE_OK);
    assert_int_equal(g.blob_n, commit.blob.n);
    got_free(&g);
    /* Both can be had back. sha1 of "y": 95cb0bfd2977c761298d9624e4b4d4c72a39974a */
    holds(f, "redis.call('HGET', 'tact:{short}:x', '95cb0bfd2977c761298d9624e4b4d4c72a39974a') == 'y'");
    holds(f, "redis.call('RESTORE', 'back', 0, redis.call('HVALS', 'tact:{list}:x')[1]).ok == 'OK'");
    holds(f, "redis.call('LPOP', 'back') == 'x'");
    holds(f, "string.sub(redis.call('HKEYS', 'tact:{list}:x')[1], 1, 5) == 'dump:'");
    redis_store_free(&c.a);
}

/* Its connection dies, Redis is flushed, Redis dies: each is told, and it comes back by itself. */
static void test_the_watch_is_lost_and_comes_back(void **state)
{
    struct fixture *f = *state;
    struct contract c = {.turn = fixture_turn, .now = fixture_now, .user = f};
    struct got g = {0};
    struct error e;
    struct told_of told = {0};
    c.a = open_store(f, DEFAULTS, NULL);
    c.b = open_store(f, DEFAULTS, NULL);
    store_watch(c.a, &(struct store_watcher){&told, on_told_changed, on_told_watching});
    until(&c, &told.on, 1);
    order(f, "CLIENT KILL TYPE pubsub");
    until(&c, &told.off, 1);
    until(&c, &told.on, 2);
    struct store_commit commit = {.customer = STR("watched"), .blob = blob_of(1, "x")};
    assert_int_equal(do_read(&c, c.a, commit.customer, NULL, &g), STORE_OK);
    assert_int_equal(do_commit(&c, c.b, commit, &g), STORE_OK);
    until(&c, &told.changes, 1);
    assert_int_equal(do_read(&c, c.a, commit.customer, NULL, &g), STORE_OK);
    order(f, "FLUSHALL");
    until(&c, &told.all, 1);
    order(f, "CLIENT KILL TYPE normal"); /* the link's own */
    until(&c, &told.off, 2);
    until(&c, &told.on, 3);
    assert_int_equal(kill(redis_embedded_pid(f->redis), SIGKILL), 0);
    while (redis_embedded_alive(f->redis))
        fixture_turn(f);
    assert_int_equal(redis_embedded_restart(f->redis, true, &e), 0);
    until(&c, &told.off, 3);
    until(&c, &told.on, 4);
    until_ready(f, c.b);
    commit.customer = STR("after all that");
    assert_int_equal(do_read(&c, c.a, commit.customer, NULL, &g), STORE_OK);
    int before = told.changes;
    assert_int_equal(do_commit(&c, c.b, commit, &g), STORE_OK);
    until(&c, &told.changes, before + 1);
    assert_string_equal(told.last, "after all that");
    got_free(&g);
    redis_store_free(&c.a);
    redis_store_free(&c.b);
}

static void test_eviction_refused(void **state)
{
    struct fixture *f = *state;
    struct contract c = {.turn = fixture_turn, .now = fixture_now, .user = f};
    struct redis_store_options o = {.link = {.backoff_min_ms = 5, .backoff_max_ms = 20}};
    struct told t = {0};
    struct got g = {0};
    order(f, "CONFIG SET maxmemory-policy allkeys-lru");
    c.a = open_url(f, redis_embedded_url(f->redis), o, &t);
    while (t.downs == 0)
        fixture_turn(f);
    assert_false(store_ready(c.a));
    assert_non_null(strstr(t.text, "allkeys-lru"));
    assert_non_null(strstr(t.text, "noeviction"));
    assert_int_equal(do_read(&c, c.a, STR("c"), NULL, &g), STORE_UNAVAILABLE);
    assert_non_null(strstr(g.error, "allkeys-lru"));
    order(f, "CONFIG SET maxmemory-policy noeviction");
    until_ready(f, c.a); /* by itself, once it is mended */
    while (!t.ready)
        fixture_turn(f);
    assert_int_equal(t.ups, 1);
    assert_int_equal(t.downs, 1); /* the same refusal is told once */
    got_free(&g);
    redis_store_free(&c.a);
}

static void test_login(void **state)
{
    struct fixture *f = *state;
    struct redis_store_options o = {.link = {.backoff_min_ms = 5, .backoff_max_ms = 20}};
    struct told t = {0};
    char url[512];
    /* A Unix address carries no password, so the login is tried over TCP on a port that the system chose for
     * us. */
    int fd = socket(AF_INET, SOCK_STREAM, 0), port;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof a;
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &size), 0);
    close(fd);
    port = ntohs(a.sin_port);
    snprintf(url, sizeof url, "CONFIG SET port %d", port);
    order(f, url);
    order(f, "ACL SETUSER tact on >s3cret ~* &* +@all -config");

    snprintf(url, sizeof url, "redis://tact:s3cret@127.0.0.1:%d/3", port);
    struct store *s = open_url(f, url, o, &t);
    until_ready(f, s); /* although CONFIG is forbidden */
    struct contract c = {.a = s, .turn = fixture_turn, .now = fixture_now, .user = f};
    struct got g = {0};
    struct store_commit commit = {.customer = STR("db3"), .blob = blob_of(1, "x")};
    assert_int_equal(do_commit(&c, s, commit, &g), STORE_OK);
    redis_store_free(&s);
    order(f, "SELECT 3");
    s = open_store(f, DEFAULTS, NULL);
    assert_int_equal(do_read(&c, s, STR("db3"), NULL, &g), STORE_OK);
    assert_int_equal(g.blob_n, 0); /* it went to data base 3 */
    redis_store_free(&s);

    t = (struct told){0};
    snprintf(url, sizeof url, "redis://tact:wrong-one@localhost:%d", port);
    s = open_url(f, url, o, &t);
    while (t.downs == 0)
        fixture_turn(f);
    assert_non_null(strstr(t.text, "WRONGPASS"));
    assert_null(strstr(t.text, "wrong-one"));
    redis_store_free(&s);
    got_free(&g);
    order(f, "ACL DELUSER tact");
    order(f, "CONFIG SET port 0");
}

static struct store *freed_in_callback;

static void on_free_me(void *user, const struct store_reply *r)
{
    (void)r;
    ++*(int *)user;
    redis_store_free(&freed_in_callback);
}

static void test_free_with_open_calls(void **state)
{
    struct fixture *f = *state;
    int counts[STORE_REFUSED + 1] = {0}, calls = 0;
    struct store *s = open_store(f, DEFAULTS, NULL);
    struct store_commit commit = {.customer = STR("freed"), .blob = blob_of(1, "x")};
    int64_t deadline = clock_mono_us() + CONTRACT_SECOND_US;
    for (int i = 0; i < 5; i++) {
        store_commit(s, &commit, deadline, on_count, counts);
        store_read(s, commit.customer, NULL, deadline, on_count, counts);
    }
    store_read(s, commit.customer, NULL, 0, on_count, counts); /* fails, not told yet */
    redis_store_free(&s);
    assert_int_equal(counts[STORE_UNAVAILABLE], 11); /* no byte had left */

    s = open_url(f, redis_embedded_url(f->redis), DEFAULTS, NULL); /* freed while it connects */
    redis_store_free(&s);
    s = open_url(f, "redis://localhost:1", DEFAULTS, NULL); /* and while it looks a name up */
    uv_run(&f->loop, UV_RUN_NOWAIT);
    redis_store_free(&s);

    for (int way = 0; way < 3; way++) { /* a reply, a failure, a deadline: each callback frees the store */
        freed_in_callback = open_store(f, DEFAULTS, NULL);
        if (way == 2)
            order(f, "CLIENT PAUSE 300");
        deadline = clock_mono_us() + (way == 2 ? 20000 : CONTRACT_SECOND_US);
        calls = 0;
        for (int i = 0; i < 3; i++)
            store_read(freed_in_callback, STR("c"), NULL, way == 1 ? 0 : deadline, on_free_me, &calls);
        while (calls < 3)
            fixture_turn(f);
        assert_null(freed_in_callback);
    }
    order(f, "CLIENT UNPAUSE");
}

static void test_bad_arguments(void **state)
{
    struct fixture *f = *state;
    struct store *s = NULL;
    struct error e = {0};
    struct redis_store_options o = {.prefix = "a{b"};
    assert_int_equal(redis_store_new(&s, &f->loop, "nonsense://x", NULL, &e), ERR_INVALID);
    assert_null(s);
    assert_int_equal(redis_store_new(&s, &f->loop, "localhost:1", &o, &e), ERR_INVALID);
    assert_null(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_contract),
        cmocka_unit_test(test_keys_as_documented),
        cmocka_unit_test(test_forgotten_scripts),
        cmocka_unit_test(test_ten_thousand_at_once),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_many_names),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_read_only),
        cmocka_unit_test(test_wrong_type_in_the_key),
        cmocka_unit_test(test_the_watch_is_lost_and_comes_back),
        cmocka_unit_test(test_eviction_refused),
        cmocka_unit_test(test_login),
        cmocka_unit_test(test_free_with_open_calls),
        cmocka_unit_test(test_bad_arguments),
    };
    return cmocka_run_group_tests(tests, fixture_open, fixture_close);
}
