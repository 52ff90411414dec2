/* The private Redis: start, stop, one owner a folder, deaths on either side, paths that do not fit, clear
 * errors.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit/store/fixture.h"
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>

static struct redis_embedded *start(const char *folder, const struct redis_embedded_options *o)
{
    struct redis_embedded *r;
    struct error e = {0};
    if (redis_embedded_start(&r, folder, o, &e) < 0)
        fail_msg("%s", e.text);
    return r;
}

/* The path in "unix://…", without the escapes (tests that use them do not come here). */
static const char *socket_of(const struct redis_embedded *r)
{
    return redis_embedded_url(r) + strlen("unix://");
}

static long long ask(const struct redis_embedded *r, const char *command, char *text, size_t size)
{
    redisContext *c = redisConnectUnix(socket_of(r));
    assert_true(c && !c->err);
    redisReply *reply = redisCommand(c, command);
    assert_non_null(reply);
    assert_int_not_equal(reply->type, REDIS_REPLY_ERROR);
    const redisReply *last = reply->type == REDIS_REPLY_ARRAY ? reply->element[reply->elements - 1] : reply;
    if (text)
        snprintf(text, size, "%s", last->str ? last->str : "");
    long long n = last->integer;
    freeReplyObject(reply);
    redisFree(c);
    return n;
}

static void test_start_and_stop(void **state)
{
    char folder[256], inner[300], text[64], socket_path[300];
    struct stat s;
    (void)state;
    temporary_folder(folder);
    snprintf(inner, sizeof inner, "%s/data", folder);
    struct redis_embedded *r = start(inner, NULL);
    assert_true(redis_embedded_alive(r));
    ask(r, "CONFIG GET appendfsync", text, sizeof text);
    assert_string_equal(text, "everysec");
    ask(r, "CONFIG GET maxmemory-policy", text, sizeof text);
    assert_string_equal(text, "noeviction");
    ask(r, "CONFIG GET save", text, sizeof text);
    assert_string_equal(text, "");
    ask(r, "CONFIG GET port", text, sizeof text);
    assert_string_equal(text, "0");
    ask(r, "CONFIG GET appendonly", text, sizeof text);
    assert_string_equal(text, "yes");
    ask(r, "SET kept 1", NULL, 0);
    assert_int_equal(stat(inner, &s), 0);
    assert_int_equal(s.st_mode & 0777, 0700);
    snprintf(socket_path, sizeof socket_path, "%s", socket_of(r));
    assert_int_equal(stat(socket_path, &s), 0);
    assert_int_equal(s.st_mode & 0077, 0);
    pid_t pid = redis_embedded_pid(r);
    redis_embedded_stop(&r);
    assert_null(r);
    assert_int_equal(kill(pid, 0), -1);
    assert_int_equal(stat(socket_path, &s), -1);

    struct redis_embedded_options o = {.sync_always = true, .maxmemory_bytes = 64 << 20};
    r = start(inner, &o);
    ask(r, "CONFIG GET appendfsync", text, sizeof text);
    assert_string_equal(text, "always");
    ask(r, "CONFIG GET maxmemory", text, sizeof text);
    assert_string_equal(text, "67108864");
    ask(r, "GET kept", text, sizeof text);
    assert_string_equal(text, "1");
    redis_embedded_stop(&r);
    redis_embedded_stop(&r); /* stopping nothing is fine */
    remove_folder(folder);
}

static void test_one_owner(void **state)
{
    char folder[256], own[32];
    struct redis_embedded *second = NULL;
    struct error e = {0};
    (void)state;
    temporary_folder(folder);
    struct redis_embedded *r = start(folder, NULL);
    assert_int_equal(redis_embedded_start(&second, folder, NULL, &e), ERR_EXISTS);
    assert_null(second);
    snprintf(own, sizeof own, "process %ld", (long)getpid());
    assert_non_null(strstr(e.text, own));
    assert_non_null(strstr(e.text, folder));
    assert_true(redis_embedded_alive(r));
    ask(r, "PING", NULL, 0);
    redis_embedded_stop(&r);
    r = start(folder, NULL);
    redis_embedded_stop(&r);
    remove_folder(folder);
}

static void expect_failure(const char *folder, const char *binary, int code, const char *words)
{
    struct redis_embedded_options o = {.binary = binary, .start_timeout_ms = 300};
    struct redis_embedded *r = NULL;
    struct error e = {0};
    int rc = redis_embedded_start(&r, folder, &o, &e);
    assert_int_equal(rc, code);
    assert_null(r);
    if (!strstr(e.text, words))
        fail_msg("'%s' does not say '%s'", e.text, words);
}

static void test_errors(void **state)
{
    char folder[256], path[300];
    (void)state;
    temporary_folder(folder);
    expect_failure(folder, "no-such-redis-server", ERR_NOTFOUND, "Debian package redis-server");
    expect_failure(folder, "/no/such/redis-server", ERR_NOTFOUND, "/no/such/redis-server");
    expect_failure(folder, "/bin/false", ERR_IO, "stopped while starting");
    expect_failure("/no/such/parent/folder", NULL, ERR_IO, "/no/such/parent/folder");

    snprintf(path, sizeof path, "%s/not-a-program", folder);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
    assert_int_equal(write(fd,
                           "\x7f"
                           "ELF",
                           4),
                     4);
    close(fd);
    expect_failure(folder, path, ERR_IO, "cannot run");

    snprintf(path, sizeof path, "%s/silent", folder);
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
    const char *script = "#!/bin/sh\necho no wish to serve\nexec sleep 600\n";
    assert_int_equal(write(fd, script, strlen(script)), strlen(script));
    close(fd);
    expect_failure(folder, path, ERR_TIMEOUT, "no wish to serve");

    /* PATH is where it is looked for first. */
    const char *before = getenv("PATH");
    char *kept = strdup(before ? before : "");
    setenv("PATH", "/nowhere", 1);
    struct redis_embedded *r = start(folder, NULL); /* and then the usual folders */
    setenv("PATH", kept, 1);
    free(kept);
    redis_embedded_stop(&r);
    remove_folder(folder);
}

/* A process of its own that starts a Redis on the folder, tells its pid, and waits to be killed. */
static pid_t server_process(const char *folder, pid_t *redis)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct redis_embedded *r;
        struct error e;
        pid_t child = redis_embedded_start(&r, folder, NULL, &e) < 0 ? 0 : redis_embedded_pid(r);
        if (child)
            ask(r, "INCR starts", NULL, 0);
        if (write(ends[1], &child, sizeof child) != (ssize_t)sizeof child)
            _exit(1);
        for (;;)
            pause();
    }
    close(ends[1]);
    struct pollfd p = {.fd = ends[0], .events = POLLIN};
    assert_int_equal(poll(&p, 1, GUARD_MS), 1);
    assert_int_equal(read(ends[0], redis, sizeof *redis), sizeof *redis);
    close(ends[0]);
    assert_true(*redis > 0);
    return pid;
}

static void kill_and_wait(pid_t pid)
{
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void test_killed_server(void **state)
{
    char folder[256];
    pid_t redis;
    (void)state;
    temporary_folder(folder);
    for (int i = 1; i <= 3; i++) {
        kill_and_wait(server_process(folder, &redis));
        struct redis_embedded *r =
            start(folder, NULL); /* the old Redis has died with its server, or dies now */
        assert_int_not_equal(redis_embedded_pid(r), redis);
        assert_int_equal(ask(r, "INCR starts", NULL, 0), 2 * i);
        redis_embedded_stop(&r);
    }
    remove_folder(folder);
}

/* The Redis of a killed server cannot die (it is stopped): the folder stays refused, nobody writes beside it.
 */
static void test_old_redis_lives_on(void **state)
{
    struct redis_embedded_options impatient = {.lock_timeout_ms = 100};
    char folder[256];
    pid_t redis;
    struct redis_embedded *r = NULL;
    struct error e = {0};
    (void)state;
    temporary_folder(folder);
    pid_t server = server_process(folder, &redis);
    kill(redis, SIGSTOP);
    kill_and_wait(server);
    assert_int_equal(redis_embedded_start(&r, folder, &impatient, &e), ERR_EXISTS);
    kill(redis, SIGCONT);
    r = start(folder, NULL);
    assert_int_equal(ask(r, "INCR starts", NULL, 0), 2);
    redis_embedded_stop(&r);
    remove_folder(folder);
}

static void test_redis_dies(void **state)
{
    char folder[256], url[512];
    struct error e = {0};
    struct redis_embedded_options o = {.sync_always = true};
    (void)state;
    temporary_folder(folder);
    struct redis_embedded *r = start(folder, &o);
    snprintf(url, sizeof url, "%s", redis_embedded_url(r));
    ask(r, "SET a 1", NULL, 0);
    assert_int_equal(redis_embedded_restart(r, true, &e), 0); /* it lives: nothing to do */
    pid_t first = redis_embedded_pid(r);
    kill(first, SIGKILL);
    while (redis_embedded_alive(r))
        ;
    assert_int_equal(redis_embedded_restart(r, true, &e), 0);
    assert_int_not_equal(redis_embedded_pid(r), first);
    assert_string_equal(redis_embedded_url(r), url);
    assert_int_equal(ask(r, "INCR a", NULL, 0), 2);
    redis_embedded_stop(&r);
    remove_folder(folder);
}

static void test_stubborn_redis(void **state)
{
    char folder[256];
    struct redis_embedded_options o = {.stop_timeout_ms = 100};
    (void)state;
    temporary_folder(folder);
    struct redis_embedded *r = start(folder, &o);
    pid_t pid = redis_embedded_pid(r);
    kill(pid, SIGSTOP); /* deaf to SIGTERM */
    redis_embedded_stop(&r);
    assert_int_equal(kill(pid, 0), -1);
    remove_folder(folder);
}

static void test_long_path(void **state)
{
    char folder[256], deep[512], name[161], socket_path[300], *slash;
    pid_t redis;
    struct stat s;
    (void)state;
    temporary_folder(folder);
    memset(name, 'd', sizeof name - 1);
    name[sizeof name - 1] = 0;
    snprintf(deep, sizeof deep, "%s/%s", folder, name);
    struct redis_embedded *r = start(deep, NULL);
    snprintf(socket_path, sizeof socket_path, "%s", socket_of(r));
    assert_true(strlen(socket_path) <= REDIS_PATH_MAX);
    assert_null(strstr(socket_path, name));
    ask(r, "PING", NULL, 0);
    redis_embedded_stop(&r);
    slash = strrchr(socket_path, '/');
    *slash = 0;
    assert_int_equal(stat(socket_path, &s), -1); /* the folder of the socket went too */

    /* After a kill the socket's folder is left behind; the next start takes it away. */
    kill_and_wait(server_process(deep, &redis));
    char lock[600], text[512] = "";
    snprintf(lock, sizeof lock, "%s/lock", deep);
    int fd = open(lock, O_RDONLY | O_CLOEXEC);
    assert_true(read(fd, text, sizeof text - 1) > 0);
    close(fd);
    char *left = strchr(text, '/');
    assert_non_null(left);
    left[strcspn(left, "\n")] = 0;
    assert_int_equal(stat(left, &s), 0);
    r = start(deep, NULL);
    assert_int_equal(stat(left, &s), -1);
    redis_embedded_stop(&r);
    remove_folder(folder);
}

static void test_odd_folder_name(void **state)
{
    char folder[256], odd[300];
    struct fixture f = {.redis = NULL};
    (void)state;
    temporary_folder(folder);
    snprintf(odd, sizeof odd, "%s/a b%%20?db=1 \"q\" #", folder);
    f.redis = start(odd, NULL);
    fixture_loop_open(&f);
    struct store *s = open_store(&f, DEFAULTS, NULL); /* through the URL */
    redis_store_free(&s);
    fixture_loop_close(&f);
    redis_embedded_stop(&f.redis);
    remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_start_and_stop),
        cmocka_unit_test(test_one_owner),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_killed_server),
        cmocka_unit_test(test_old_redis_lives_on),
        cmocka_unit_test(test_redis_dies),
        cmocka_unit_test(test_stubborn_redis),
        cmocka_unit_test(test_long_path),
        cmocka_unit_test(test_odd_folder_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
