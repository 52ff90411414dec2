/* What the tests against a real Redis share: a private redis-server in a folder of its own, a loop with a
 * guard against hanging, stores on it, and a blocking connection for orders to the server.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_TESTS_STORE_FIXTURE_H
#define TACT_TESTS_STORE_FIXTURE_H
#include "unit/store/contract.h"
#include "store/redis_embedded.h"
#include "store/redis_store.h"
#include "base/clock.h"
#include <ftw.h>
#include <hiredis/hiredis.h>
#include <signal.h>
#include <unistd.h>

enum { GUARD_MS = 60000 };

struct fixture {
    char folder[256];
    struct redis_embedded *redis;
    uv_loop_t loop;
    uv_timer_t guard;
};

static inline void on_guard(uv_timer_t *timer)
{
    (void)timer;
    fail_msg("the loop ran for a minute without what the test waits for");
}

static inline int remove_one(const char *path, const struct stat *s, int type, struct FTW *ftw)
{
    (void)s;
    (void)type;
    (void)ftw;
    return remove(path);
}

static inline void remove_folder(const char *folder)
{
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void temporary_folder(char folder[256])
{
    const char *base = getenv("TMPDIR");
    snprintf(folder, 256, "%s/tact-test-XXXXXX", base ? base : "/tmp");
    assert_non_null(mkdtemp(folder));
}

static inline void fixture_loop_open(struct fixture *f)
{
    assert_int_equal(uv_loop_init(&f->loop), 0);
    uv_timer_init(&f->loop, &f->guard);
    uv_timer_start(&f->guard, on_guard, GUARD_MS, 0);
}

static inline void fixture_loop_close(struct fixture *f)
{
    uv_close((uv_handle_t *)&f->guard, NULL);
    for (int i = 0; i < 1000 && uv_loop_alive(&f->loop); i++)
        uv_run(&f->loop, UV_RUN_ONCE);
    assert_int_equal(uv_loop_close(&f->loop), 0); /* nothing was left open */
}

static inline int fixture_open_with(void **state, const struct redis_embedded_options *o)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct error e = {0};
    temporary_folder(f->folder);
    if (redis_embedded_start(&f->redis, f->folder, o, &e) < 0)
        fail_msg("%s", e.text);
    fixture_loop_open(f);
    *state = f;
    return 0;
}

static inline int fixture_open(void **state)
{
    return fixture_open_with(state, NULL);
}

/* For tests that kill Redis and count what is left: with everysec it may hold writes back for up to two seconds while the
 * disk is busy, acknowledged or not. */
static inline int fixture_open_synced(void **state)
{
    struct redis_embedded_options o = {.sync_always = true};
    return fixture_open_with(state, &o);
}

static inline int fixture_close(void **state)
{
    struct fixture *f = *state;
    fixture_loop_close(f);
    redis_embedded_stop(&f->redis);
    remove_folder(f->folder);
    free(f);
    return 0;
}

static inline void fixture_turn(void *user)
{
    uv_run(&((struct fixture *)user)->loop, UV_RUN_ONCE);
}

static inline int64_t fixture_now(void *user)
{
    (void)user;
    return clock_mono_us();
}

/* One order, answered with OK (or whatever is not an error) on a connection of its own. */
static inline void order(struct fixture *f, const char *command)
{
    redisContext *c = redisConnectUnix(redis_embedded_url(f->redis) + strlen("unix://"));
    assert_true(c && !c->err);
    redisReply *r = redisCommand(c, command);
    assert_non_null(r);
    if (r->type == REDIS_REPLY_ERROR)
        fail_msg("%s: %s", command, r->str);
    freeReplyObject(r);
    redisFree(c);
}

struct told {
    int ups, downs;
    bool ready;
    char text[512];
};

static inline void on_told(void *user, bool ready, const char *text)
{
    struct told *t = user;
    t->ready = ready;
    t->ups += ready;
    t->downs += !ready;
    snprintf(t->text, sizeof t->text, "%s", text);
}

static inline struct store *open_url(struct fixture *f, const char *url, struct redis_store_options o,
                                     struct told *t)
{
    struct store *s;
    struct error e = {0};
    uv_timer_start(&f->guard, on_guard, GUARD_MS, 0); /* a minute for each store */
    o.quiet = true;
    o.status = t ? on_told : NULL;
    o.user = t;
    if (redis_store_new(&s, &f->loop, url, &o, &e) < 0)
        fail_msg("%s", e.text);
    return s;
}

static inline void until_ready(struct fixture *f, const struct store *s)
{
    while (!store_ready(s))
        uv_run(&f->loop, UV_RUN_ONCE);
}

static inline struct store *open_store(struct fixture *f, struct redis_store_options o, struct told *t)
{
    struct store *s = open_url(f, redis_embedded_url(f->redis), o, t);
    until_ready(f, s);
    return s;
}

#define DEFAULTS ((struct redis_store_options){.prefix = NULL})

#endif
