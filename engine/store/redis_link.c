/* One kept-alive connection to Redis; the states are drawn in redis_link.h.
 *
 * A link outlives redis_link_free until its handles, connections and look-up are gone (`refs`). Commands wait
 * in two queues: `flight` (handed to the connection, oldest first) and `failed` (to be told from the loop).
 * The memory of a command in flight goes when the connection gives it back, by a reply or by NULL, also when
 * its owner has long been told: by its deadline, or by on_lost, which tells all of them what became of them.
 * SPDX-License-Identifier: Apache-2.0 */
#include "store/redis_link.h"
#include "store/redis_conn.h"
#include "store/resp.h"
#include "base/clock.h"
#include "base/rng.h"
#include <errno.h>
#include <hiredis/hiredis.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/random.h>

enum { ADDRESSES_MAX = 8, TICK_MIN_MS = 5, TICK_MAX_MS = 250, BACKOFF_SHIFT_MAX = 16 };

enum link_state { LINK_CLOSED, LINK_CONNECTING, LINK_GREETING, LINK_READY };

struct queue {
    struct link_command *head, *tail;
    size_t count;
};

struct redis_link {
    uv_loop_t *loop;
    struct redis_url url;
    struct redis_link_options options;
    struct redis_link_owner owner;
    char place[REDIS_PLACE_MAX];
    enum link_state state;
    bool closing;
    int refs;                  /* open handles, connections, a running look-up */
    struct redis_conn *conn;   /* while it lives for us: from opening to on_lost */
    uv_timer_t state_timer;    /* CLOSED: backoff; CONNECTING, GREETING: time-out; READY: tick */
    uv_timer_t deadline_timer; /* the earliest deadline */
    int64_t deadline_armed_us; /* INT64_MAX: not armed */
    uv_idle_t turn;            /* active while there is something to flush or to tell */
    struct queue flight, failed;
    size_t bytes;
    struct heap deadlines;
    int64_t last_reply_us, last_sent_us;
    unsigned attempt; /* since the last READY */
    bool refused;     /* the last attempt was */
    struct rng rng;
    uv_getaddrinfo_t lookup;
    bool looking;
    char addresses[ADDRESSES_MAX][INET6_ADDRSTRLEN + 16];
    unsigned address_count;
    char address[INET6_ADDRSTRLEN + 16]; /* of the newest connection */
    bool status_due, status_ready, status_told;
    char text[512], told[512];
    uint64_t connects, late_replies, sequence;
};

/* ---- queues ---- */

static void push(struct queue *q, struct link_command *c)
{
    c->next = NULL;
    if (q->tail)
        q->tail->next = c;
    else
        q->head = c;
    q->tail = c;
    q->count++;
}

static struct link_command *pop(struct queue *q)
{
    struct link_command *c = q->head;
    if (c) {
        q->head = c->next;
        if (!q->head)
            q->tail = NULL;
        c->next = NULL;
        q->count--;
    }
    return c;
}

static struct link_command *pop_flight(struct redis_link *link)
{
    struct link_command *c = pop(&link->flight);
    if (c) {
        link->bytes -= c->size;
        heap_remove(&link->deadlines, &c->deadline);
    }
    return c;
}

/* Tells the owner, once. The callback may free the link, and that may free a command that hiredis still
 * holds: c is not touched afterwards. */
static void tell(struct link_command *c, enum link_outcome outcome, const redisReply *reply, const char *why)
{
    struct link_result r = {outcome, reply, why};
    void (*cb)(struct link_command *, const struct link_result *) = c->cb;
    c->cb = NULL;
    c->again = false;
    if (cb)
        cb(c, &r);
}

/* ---- life ---- */

static void unref(struct redis_link *link)
{
    if (--link->refs > 0)
        return;
    ASSERT(link->closing && !link->flight.head && !link->failed.head);
    heap_free(&link->deadlines);
    free(link);
}

static void on_handle_closed(uv_handle_t *handle)
{
    unref(handle->data);
}

static void on_turn(uv_idle_t *turn);

static void wake(struct redis_link *link)
{
    if (!link->closing)
        uv_idle_start(&link->turn, on_turn);
}

static void say(struct redis_link *link, bool ready, const char *text)
{
    snprintf(link->text, sizeof link->text, "%s: %s", link->place, text);
    link->status_due = true;
    link->status_ready = ready;
    wake(link);
}

static int backoff_ms(struct redis_link *link)
{
    unsigned shift = link->attempt < BACKOFF_SHIFT_MAX ? link->attempt : BACKOFF_SHIFT_MAX;
    int64_t most = link->options.backoff_max_ms;
    int64_t delay = (int64_t)link->options.backoff_min_ms << shift;
    if (delay > most || link->refused)
        delay = most;
    link->refused = false;
    link->attempt++;
    return (int)(delay / 2 + (int64_t)rng_below(&link->rng, (uint64_t)(delay - delay / 2) + 1));
}

static int tick_ms(const struct redis_link *link)
{
    int shortest = link->options.stall_ms < link->options.idle_ping_ms ? link->options.stall_ms
                                                                       : link->options.idle_ping_ms;
    int tick = shortest / 8;
    return tick < TICK_MIN_MS ? TICK_MIN_MS : tick > TICK_MAX_MS ? TICK_MAX_MS : tick;
}

static void on_state_timer(uv_timer_t *timer);

/* The one place where the state changes. Says which timer the new state runs under. */
static void set_state(struct redis_link *link, enum link_state to)
{
    enum link_state from = link->state;
    ASSERT(to == LINK_CLOSED || to == from + 1);
    link->state = to;
    uv_update_time(link->loop);
    switch (to) {
    case LINK_CLOSED:
        uv_timer_start(&link->state_timer, on_state_timer, (uint64_t)backoff_ms(link), 0);
        break;
    case LINK_CONNECTING:
        uv_timer_start(&link->state_timer, on_state_timer, (uint64_t)link->options.connect_timeout_ms, 0);
        break;
    case LINK_GREETING:
        break;
    case LINK_READY:
        link->attempt = 0;
        link->connects++;
        link->last_reply_us = link->last_sent_us = clock_mono_us();
        uv_timer_start(&link->state_timer, on_state_timer, (uint64_t)tick_ms(link), (uint64_t)tick_ms(link));
        break;
    }
}

/* ---- deadlines ---- */

static void on_deadline(uv_timer_t *timer);

static void arm_deadline(struct redis_link *link, int64_t now)
{
    struct heap_node *first = heap_first(&link->deadlines);
    if (!first || link->closing || first->key >= link->deadline_armed_us)
        return;
    int64_t ms = (first->key - now + 999) / 1000;
    link->deadline_armed_us = first->key;
    uv_update_time(link->loop);
    uv_timer_start(&link->deadline_timer, on_deadline, ms < 0 ? 0 : (uint64_t)ms, 0);
}

static void on_deadline(uv_timer_t *timer)
{
    struct redis_link *link = timer->data;
    int64_t now = clock_mono_us();
    struct heap_node *node;
    link->deadline_armed_us = INT64_MAX;
    while ((node = heap_first(&link->deadlines)) && node->key <= now) {
        struct link_command *c = HEAP_OWNER(node, struct link_command, deadline);
        heap_remove(&link->deadlines, node);
        tell(c, LINK_NO_REPLY, NULL, "no reply within the deadline");
    }
    arm_deadline(link, now);
}

/* ---- commands ---- */

/* Tells everything in flight what became of it. Their memory stays the connection's to give back. */
static void drain_flight(struct redis_link *link, const char *why)
{
    struct link_command *c;
    while ((c = pop_flight(link)))
        tell(c, c->sent ? LINK_NO_REPLY : LINK_NOT_SENT, NULL, why);
}

static void on_lost(void *user, const char *why, uint64_t written)
{
    struct redis_link *link = user;
    link->conn = NULL;
    for (struct link_command *c = link->flight.head; c; c = c->next)
        c->sent = c->end <= written;
    if (!link->closing) {
        say(link, false, why);
        set_state(link, LINK_CLOSED);
    }
    drain_flight(link, "the connection to Redis was lost");
}

static void on_reply(void *user, void *command, const redisReply *reply, bool surplus)
{
    struct redis_link *link = user;
    struct link_command *c = command;
    if (!reply) { /* told by on_lost */
        free(c);
        return;
    }
    struct link_command *oldest = pop_flight(link);
    ASSERT(oldest == c);
    link->last_reply_us = clock_mono_us();
    if (!c->cb && c->deadline_us != INT64_MAX)
        link->late_replies++;
    void (*cb)(struct link_command *, const struct link_result *) = c->cb;
    tell(c, LINK_REPLY, reply, NULL);
    if (surplus && link->conn)
        redis_conn_drop(link->conn, "Redis sent more replies than it was asked for");
    if (!c->again) {
        free(c);
        return;
    }
    c->cb = cb;
    redis_link_send(link, c);
}

/* Why a command cannot go out now, or NULL. */
static const char *obstacle(const struct redis_link *link, const struct link_command *c, int64_t now)
{
    if (link->closing)
        return "the store is closed";
    if (link->state != LINK_READY && !(link->state == LINK_GREETING && c->greeting))
        return link->text;
    if (c->deadline_us <= now)
        return "the deadline had passed";
    if (link->flight.count >= link->options.max_commands || c->size > link->options.max_bytes - link->bytes)
        return "too many commands are waiting for Redis";
    return NULL;
}

void redis_link_send(struct redis_link *link, struct link_command *c)
{
    int64_t now = clock_mono_us();
    const char *why = obstacle(link, c, now);
    if (!why && !redis_conn_send(link->conn, c->bytes, c->size, c))
        why = "the connection to Redis is closing";
    if (why) {
        redis_link_fail(link, c, why);
        return;
    }
    c->end = redis_conn_appended(link->conn);
    c->sent_us = link->last_sent_us = now;
    link->bytes += c->size;
    push(&link->flight, c);
    if (c->deadline_us != INT64_MAX) {
        c->deadline = (struct heap_node){.key = c->deadline_us, .tie = link->sequence++};
        heap_push(&link->deadlines, &c->deadline);
        arm_deadline(link, now);
    }
}

void redis_link_fail(struct redis_link *link, struct link_command *c, const char *why)
{
    if (link->closing) { /* only a resend gets here: its owner is not inside a call of ours */
        tell(c, LINK_NOT_SENT, NULL, why);
        free(c);
        return;
    }
    c->why = why;
    push(&link->failed, c);
    wake(link);
}

static void fail_one(struct redis_link *link)
{
    struct link_command *c = pop(&link->failed);
    tell(c, LINK_NOT_SENT, NULL, c->why);
    free(c);
}

static void deliver_status(struct redis_link *link)
{
    if (!link->status_due || link->closing)
        return;
    link->status_due = false;
    if (link->status_told && !link->status_ready && strcmp(link->told, link->text) == 0)
        return;
    link->status_told = true;
    snprintf(link->told, sizeof link->told, "%s", link->status_ready ? "" : link->text);
    if (link->owner.status)
        link->owner.status(link->owner.user, link->status_ready, link->text);
}

/* Once a loop turn, while there is work: tells failures, writes what was asked for. What callbacks add here
 * wakes the next turn. */
static void on_turn(uv_idle_t *turn)
{
    struct redis_link *link = turn->data;
    uv_idle_stop(turn);
    for (size_t n = link->failed.count; n > 0 && link->failed.head; n--)
        fail_one(link);
    if (link->conn)
        redis_conn_flush(link->conn);
    deliver_status(link);
}

/* ---- the link's own commands ---- */

struct own_command {
    struct link_command command;
    struct redis_link *link;
    char bytes[];
};

/* AUTH or SELECT answered: an error ends the greeting. */
static void on_greeting_reply(struct link_command *c, const struct link_result *r)
{
    struct redis_link *link = ((struct own_command *)c)->link;
    if (r->outcome == LINK_REPLY && r->reply->type == REDIS_REPLY_ERROR)
        redis_link_refuse(link, r->reply->str, false);
}

/* cb NULL: nobody waits for the reply. */
static void send_own(struct redis_link *link, const struct str *args, size_t count,
                     void (*cb)(struct link_command *c, const struct link_result *r))
{
    size_t size = resp_size(args, count);
    struct own_command *own = calloc(1, sizeof *own + size + 1);
    ASSERT(own != NULL);
    resp_write(own->bytes, args, count);
    own->link = link;
    own->command = (struct link_command){
        .cb = cb, .deadline_us = INT64_MAX, .bytes = own->bytes, .size = size, .greeting = true};
    redis_link_send(link, &own->command);
}

/* ---- connecting ---- */

static void attempt_failed(struct redis_link *link, const char *why)
{
    say(link, false, why);
    set_state(link, LINK_CLOSED);
}

static void greet(struct redis_link *link)
{
    char db[16];
    if (link->url.password[0]) {
        struct str args[3] = {STR("AUTH"), str_from(link->url.user), str_from(link->url.password)};
        if (!link->url.user[0])
            args[1] = args[2];
        send_own(link, args, link->url.user[0] ? 3 : 2, on_greeting_reply);
    }
    if (link->url.db) {
        snprintf(db, sizeof db, "%d", link->url.db);
        struct str args[2] = {STR("SELECT"), str_from(db)};
        send_own(link, args, 2, on_greeting_reply);
    }
    link->owner.greet(link->owner.user);
}

static void on_up(void *user)
{
    struct redis_link *link = user;
    set_state(link, LINK_GREETING);
    greet(link);
}

static void on_gone(void *user)
{
    unref(user);
}

static void on_wake(void *user)
{
    wake(user);
}

static bool is_owed(const void *user)
{
    return ((const struct redis_link *)user)->flight.head != NULL;
}

static void open_conn(struct redis_link *link, const char *address)
{
    struct redis_conn_owner owner = {.user = link,
                                     .up = on_up,
                                     .reply = on_reply,
                                     .lost = on_lost,
                                     .gone = on_gone,
                                     .wake = on_wake,
                                     .owed = is_owed};
    struct error why;
    snprintf(link->address, sizeof link->address, "%s", link->url.path[0] ? "" : address);
    if (redis_conn_open(&link->conn, link->loop, &link->url, address, &owner, &why) < 0)
        attempt_failed(link, why.text);
    else
        link->refs++;
}

/* IPv4 first, as hiredis does; each attempt takes the next address. */
static void keep_addresses(struct redis_link *link, const struct addrinfo *list)
{
    const int families[2] = {AF_INET, AF_INET6};
    link->address_count = 0;
    for (int f = 0; f < 2; f++) {
        for (const struct addrinfo *a = list; a && link->address_count < ADDRESSES_MAX; a = a->ai_next) {
            char *to = link->addresses[link->address_count];
            size_t size = sizeof link->addresses[0];
            if (a->ai_family != families[f])
                continue;
            const void *address = a->ai_addr;
            int rc =
                a->ai_family == AF_INET ? uv_ip4_name(address, to, size) : uv_ip6_name(address, to, size);
            if (rc == 0)
                link->address_count++;
        }
    }
}

static void on_lookup(uv_getaddrinfo_t *lookup, int status, struct addrinfo *list)
{
    struct redis_link *link = lookup->data;
    link->looking = false;
    if (!link->closing && link->state == LINK_CONNECTING && !link->conn) {
        keep_addresses(link, status == 0 ? list : NULL);
        if (link->address_count)
            open_conn(link, link->addresses[link->attempt % link->address_count]);
        else
            attempt_failed(link, status < 0 ? uv_strerror(status) : "the host has no address");
    }
    uv_freeaddrinfo(list);
    unref(link);
}

/* localhost is the loopback also where nothing resolves it. */
static void set_localhost(struct redis_link *link)
{
    snprintf(link->addresses[0], sizeof link->addresses[0], "127.0.0.1");
    snprintf(link->addresses[1], sizeof link->addresses[1], "::1");
    link->address_count = 2;
}

static void connect_now(struct redis_link *link)
{
    struct sockaddr_storage any;
    set_state(link, LINK_CONNECTING);
    if (link->url.path[0] || uv_ip4_addr(link->url.host, 1, (struct sockaddr_in *)&any) == 0 ||
        uv_ip6_addr(link->url.host, 1, (struct sockaddr_in6 *)&any) == 0) {
        open_conn(link, link->url.host);
        return;
    }
    if (strcmp(link->url.host, "localhost") == 0) {
        set_localhost(link);
        open_conn(link, link->addresses[link->attempt % link->address_count]);
        return;
    }
    if (link->looking) /* the last look-up still runs; its answer serves this attempt */
        return;
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    link->lookup.data = link;
    int rc = uv_getaddrinfo(link->loop, &link->lookup, on_lookup, link->url.host, NULL, &hints);
    if (rc < 0) {
        attempt_failed(link, uv_strerror(rc));
        return;
    }
    link->looking = true;
    link->refs++;
}

static void tick(struct redis_link *link)
{
    int64_t now = clock_mono_us();
    const struct link_command *oldest = link->flight.head;
    char why[96];
    if (oldest) {
        int64_t since = oldest->sent_us > link->last_reply_us ? oldest->sent_us : link->last_reply_us;
        if (now - since >= (int64_t)link->options.stall_ms * 1000) {
            snprintf(why, sizeof why, "stalled: no reply for %d ms", link->options.stall_ms);
            redis_conn_drop(link->conn, why);
        }
    } else if (now - link->last_sent_us >= (int64_t)link->options.idle_ping_ms * 1000) {
        struct str args[1] = {STR("PING")};
        send_own(link, args, 1, NULL);
    }
}

static void on_state_timer(uv_timer_t *timer)
{
    struct redis_link *link = timer->data;
    char why[96];
    snprintf(why, sizeof why, "no connection within %d ms", link->options.connect_timeout_ms);
    switch (link->state) {
    case LINK_CLOSED:
        connect_now(link);
        break;
    case LINK_CONNECTING:
    case LINK_GREETING:
        if (link->conn)
            redis_conn_drop(link->conn, why);
        else
            attempt_failed(link, why);
        break;
    case LINK_READY:
        tick(link);
        break;
    }
}

/* ---- the owner's side ---- */

bool redis_link_ready(const struct redis_link *link)
{
    return link->state == LINK_READY;
}

void redis_link_accept(struct redis_link *link)
{
    if (link->state != LINK_GREETING)
        return;
    set_state(link, LINK_READY);
    say(link, true, "ready");
}

void redis_link_refuse(struct redis_link *link, const char *why, bool soon)
{
    if (link->state != LINK_GREETING)
        return;
    link->refused = !soon;
    redis_conn_drop(link->conn, why);
}

static int or_default(int value, int otherwise)
{
    return value > 0 ? value : otherwise;
}

static struct redis_link_options with_defaults(const struct redis_link_options *given)
{
    struct redis_link_options o = *given;
    o.connect_timeout_ms = or_default(o.connect_timeout_ms, LINK_CONNECT_TIMEOUT_MS);
    o.stall_ms = or_default(o.stall_ms, LINK_STALL_MS);
    o.idle_ping_ms = or_default(o.idle_ping_ms, LINK_IDLE_PING_MS);
    o.backoff_min_ms = or_default(o.backoff_min_ms, LINK_BACKOFF_MIN_MS);
    o.backoff_max_ms = or_default(o.backoff_max_ms, LINK_BACKOFF_MAX_MS);
    o.max_commands = o.max_commands ? o.max_commands : LINK_MAX_COMMANDS;
    o.max_bytes = o.max_bytes ? o.max_bytes : LINK_MAX_BYTES;
    return o;
}

static void ignore_sigpipe(void)
{
    struct sigaction now;
    if (sigaction(SIGPIPE, NULL, &now) == 0 && !(now.sa_flags & SA_SIGINFO) && now.sa_handler == SIG_DFL)
        signal(SIGPIPE, SIG_IGN);
}

int redis_link_new(struct redis_link **out, uv_loop_t *loop, const struct redis_url *url,
                   const struct redis_link_options *options, const struct redis_link_owner *owner,
                   struct error *e)
{
    uint64_t seed = options->seed;
    if (!seed && getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed)
        return error_set(e, ERR_IO, "getrandom: %s", strerror(errno));
    struct redis_link *link = calloc(1, sizeof *link);
    ASSERT(link != NULL);
    ignore_sigpipe();
    link->loop = loop;
    link->url = *url;
    link->options = with_defaults(options);
    link->owner = *owner;
    link->deadline_armed_us = INT64_MAX;
    redis_url_place(url, link->place);
    snprintf(link->text, sizeof link->text, "%s: not connected yet", link->place);
    rng_seed(&link->rng, seed);
    uv_timer_init(loop, &link->state_timer);
    uv_timer_init(loop, &link->deadline_timer);
    uv_idle_init(loop, &link->turn);
    link->state_timer.data = link->deadline_timer.data = link->turn.data = link;
    link->refs = 3;
    uv_timer_start(&link->state_timer, on_state_timer, 0, 0);
    *out = link;
    return 0;
}

void redis_link_free(struct redis_link **which)
{
    struct redis_link *link = *which;
    *which = NULL;
    if (!link || link->closing)
        return;
    link->closing = true;
    link->state = LINK_CLOSED;
    if (link->conn)
        redis_conn_drop(link->conn, "the store is closed");
    /* Freed by a callback from on_lost: what it had still to tell. */
    drain_flight(link, "the store is closed");
    while (link->failed.head)
        fail_one(link);
    if (link->looking)
        uv_cancel((uv_req_t *)&link->lookup);
    uv_close((uv_handle_t *)&link->state_timer, on_handle_closed);
    uv_close((uv_handle_t *)&link->deadline_timer, on_handle_closed);
    uv_close((uv_handle_t *)&link->turn, on_handle_closed);
}

struct redis_link_stats redis_link_stats(const struct redis_link *link)
{
    return (struct redis_link_stats){link->connects, link->late_replies, link->flight.count, link->bytes};
}

const char *redis_link_address(const struct redis_link *link)
{
    return link->address;
}

const char *redis_link_place(const struct redis_link *link)
{
    return link->place;
}
