/* Client tracking; see redis_track.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "store/redis_track.h"
#include "store/redis_watch.h"
#include "store/resp.h"
#include "store/store_key.h"
#include "base/logging.h"
#include <hiredis/hiredis.h>
#include <stdlib.h>

enum { ORDER_MAX = 160 };

struct redis_track {
    struct redis_link *link;
    const char *prefix;
    struct redis_watch *watch;
    struct store_watcher watcher;
    long long watch_id; /* of the watch's connection while it is up; 0 */
    uint64_t session;   /* of both connections: moves on when either is lost */
    bool on;
};

struct order {
    struct link_command command;
    struct redis_track *track;
    uint64_t session;
    char bytes[ORDER_MAX];
};

static void set(struct redis_track *t, bool on)
{
    if (t->on == on)
        return;
    t->on = on;
    t->watcher.watching(t->watcher.user, on);
}

/* Either connection is lost. */
static void end(struct redis_track *t)
{
    t->session++;
    set(t, false);
}

static void on_tracking(struct link_command *command, const struct link_result *r)
{
    struct order *o = (struct order *)command;
    struct redis_track *t = o->track;
    if (r->outcome != LINK_REPLY || o->session != t->session)
        return;
    if (r->reply->type != REDIS_REPLY_ERROR)
        set(t, true);
    else
        logging(LEVEL_WARN, "the store does not tell of changes, so nothing is cached", "place=\"%s\" reason=\"%s\"",
                redis_link_place(t->link), r->reply->str);
}

/* Once both connections are there. */
static void begin(struct redis_track *t)
{
    char id[24];
    if (!t->watch_id || !redis_link_ready(t->link))
        return;
    snprintf(id, sizeof id, "%lld", t->watch_id);
    struct str args[] = {STR("CLIENT"),   STR("TRACKING"), STR("ON"),
                         STR("REDIRECT"), str_from(id),    STR("NOLOOP")};
    size_t count = sizeof args / sizeof *args;
    struct order *o = malloc(sizeof *o);
    ASSERT(o != NULL && resp_size(args, count) < ORDER_MAX);
    *o = (struct order){.command = {.cb = on_tracking, .deadline_us = INT64_MAX}, .track = t, .session = t->session};
    resp_write(o->bytes, args, count);
    o->command.bytes = o->bytes;
    o->command.size = resp_size(args, count);
    redis_link_send(t->link, &o->command);
}

static void on_up(void *user, long long client_id)
{
    struct redis_track *t = user;
    t->watch_id = client_id;
    begin(t);
}

static void on_lost(void *user)
{
    struct redis_track *t = user;
    t->watch_id = 0;
    end(t);
}

static void on_changed(void *user, const redisReply *keys)
{
    struct redis_track *t = user;
    char customer[STORE_CUSTOMER_MAX];
    size_t n;
    if (!t->on)
        return;
    if (!keys)
        t->watcher.changed(t->watcher.user, (struct str){NULL, 0});
    for (size_t i = 0; keys && i < keys->elements; i++) {
        const redisReply *key = keys->element[i];
        if (key->type == REDIS_REPLY_STRING &&
            store_key_customer((struct str){key->str, (size_t)key->len}, t->prefix, customer, &n))
            t->watcher.changed(t->watcher.user, (struct str){customer, n});
    }
}

struct redis_track *redis_track_new(uv_loop_t *loop, const struct redis_url *url, struct redis_link *link, const char *prefix,
                                    const struct store_watcher *w)
{
    struct redis_track *t = calloc(1, sizeof *t);
    ASSERT(t != NULL);
    t->link = link;
    t->prefix = prefix;
    t->watcher = *w;
    t->watch = redis_watch_new(loop, url, &(struct redis_watch_owner){t, on_up, on_lost, on_changed});
    return t;
}

/* A link that is back may lead to another server: the watch follows it. */
void redis_track_link(struct redis_track *t, bool ready)
{
    end(t);
    t->watch_id = 0;
    if (ready)
        redis_watch_start(t->watch, redis_link_address(t->link));
}

void redis_track_free(struct redis_track **which)
{
    struct redis_track *t = *which;
    *which = NULL;
    if (!t)
        return;
    redis_watch_free(&t->watch);
    free(t);
}
