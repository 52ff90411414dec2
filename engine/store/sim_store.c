/* The simulated store; see sim_store.h.
 *
 * Three kinds of event, in one heap by (time, seeded tie): a request arrives and is applied to the data,
 * which decides the reply; the reply arrives at the caller; a deadline passes. A call is told once and freed
 * when none of its events is left. Bytes are copied in at the call and again at the application, so that
 * nothing points into the data set.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "store/sim_apply.h"
#include "store/store_key.h"

static const struct store_ops sim_ops;

/* ---- calls and events ---- */

static void call_unlink(struct call *c)
{
    if (!c->conn)
        return;
    if (c->previous)
        c->previous->next = c->next;
    else
        c->conn->open = c->next;
    if (c->next)
        c->next->previous = c->previous;
    c->conn = NULL;
}

static void call_free(struct call *c)
{
    call_unlink(c);
    sim_drop(&c->customer);
    sim_drop(&c->aside);
    sim_drop(&c->blob);
    sim_drop(&c->record);
    for (size_t i = 0; i < c->names_count && c->names; i++)
        sim_drop(&c->names[i]);
    free(c->names);
    sim_drop(&c->reply_blob);
    sim_drop(&c->reply_record);
    free(c->reply_ids);
    for (size_t i = 0; i < c->reply_names_count; i++)
        sim_drop(&c->reply_names[i]);
    free(c->reply_names);
    for (size_t i = 0; i < c->reply_items_count; i++) {
        sim_drop(&c->reply_items[i].name);
        sim_drop(&c->reply_items[i].value);
    }
    free(c->reply_items);
    free(c);
}

static struct event *schedule(struct sim *sim, int64_t time_us, void (*run)(struct sim *, struct event *),
                              struct call *c)
{
    struct event *ev = sim_take(sizeof *ev);
    ev->node =
        (struct heap_node){.key = time_us > sim->now_us ? time_us : sim->now_us, .tie = rng_u64(&sim->rng)};
    ev->run = run;
    ev->call = c;
    c->events++;
    heap_push(&sim->events, &ev->node);
    return ev;
}

/* So that virtual time need not run on to the deadlines of what is answered. */
static void forget_deadline(struct call *c)
{
    if (!c->deadline)
        return;
    heap_remove(&c->conn->sim->events, &c->deadline->node);
    free(c->deadline);
    c->deadline = NULL;
    c->events--;
}

static bool chance(struct sim *sim, double probability)
{
    return rng_double(&sim->rng) < probability;
}

static int64_t delay(struct sim *sim)
{
    int64_t least = sim->options.delay_min_us > 0 ? sim->options.delay_min_us : 1;
    int64_t most = sim->options.delay_max_us > least ? sim->options.delay_max_us : least;
    return least + (int64_t)rng_below(&sim->rng, (uint64_t)(most - least) + 1);
}

/* Not before what the connection sent earlier, unless order may change. */
static int64_t in_order(const struct sim *sim, int64_t *last, int64_t time_us)
{
    if (!sim->options.reorder && time_us <= *last)
        time_us = *last + 1;
    *last = time_us > *last ? time_us : *last;
    return time_us;
}

static void tell(struct call *c, const struct store_reply *reply)
{
    if (c->told)
        return;
    c->told = true;
    forget_deadline(c);
    call_unlink(c);
    c->cb(c->user, reply);
}

static void tell_failure(struct call *c, bool maybe_applied, const char *why)
{
    bool uncertain = maybe_applied && !sim_only_reads(c);
    tell(c, &(struct store_reply){.status = uncertain ? STORE_UNCERTAIN : STORE_UNAVAILABLE, .error = why});
}

static void event_done(struct event *ev)
{
    if (ev->call && --ev->call->events == 0)
        call_free(ev->call);
    sim_drop(&ev->customer);
    free(ev);
}

/* ---- watching ---- */

static void untrack_all(struct conn *conn)
{
    for (struct tracked *t = conn->tracked, *next; t; t = next) {
        next = t->hh.next;
        HASH_DEL(conn->tracked, t);
        sim_drop(&t->customer);
        free(t);
    }
}

void sim_track(struct conn *conn, struct str customer)
{
    struct tracked *t = NULL;
    if (!conn || !conn->watching)
        return;
    HASH_FIND(hh, conn->tracked, customer.p, customer.n, t);
    if (t)
        return;
    t = sim_take(sizeof *t);
    t->customer = sim_copy(customer);
    HASH_ADD_KEYPTR(hh, conn->tracked, t->customer.p, t->customer.n, t);
}

static struct event *watch_event(struct sim *sim, struct conn *conn, int64_t time_us,
                                 void (*run)(struct sim *, struct event *))
{
    struct event *ev = sim_take(sizeof *ev);
    ev->node =
        (struct heap_node){.key = time_us > sim->now_us ? time_us : sim->now_us, .tie = rng_u64(&sim->rng)};
    ev->run = run;
    ev->told = conn;
    ev->watch = conn->watch;
    heap_push(&sim->events, &ev->node);
    return ev;
}

static void run_changed(struct sim *sim, struct event *ev)
{
    struct conn *conn = ev->told;
    if (conn && conn->watching && conn->watch == ev->watch) {
        sim->stats.changes_told++;
        conn->watcher.changed(conn->watcher.user, ev->customer);
    }
}

static void run_watch_on(struct sim *sim, struct event *ev)
{
    struct conn *conn = ev->told;
    (void)sim;
    if (!conn || !conn->watcher.watching || conn->watch != ev->watch || conn->watching || !conn->up)
        return;
    conn->watching = true;
    conn->watcher.watching(conn->watcher.user, true);
}

static void run_watch_off(struct sim *sim, struct event *ev)
{
    (void)sim;
    if (ev->told)
        ev->told->watcher.watching(ev->told->watcher.user, false);
}

/* What it had tracked it has forgotten; what was on the way is lost. */
static void watch_ends(struct sim *sim, struct conn *conn, int64_t detect_us, int64_t off_us)
{
    if (!conn->watcher.watching)
        return;
    untrack_all(conn);
    conn->watch++;
    conn->watching = false;
    watch_event(sim, conn, sim->now_us + detect_us, run_watch_off);
    watch_event(sim, conn, sim->now_us + detect_us + off_us, run_watch_on);
}

/* Tells all who have read it, but for the writer (NULL: nobody's), whose own calls come in order. */
void sim_changed(struct sim *sim, const struct call *writer, struct str customer)
{
    for (struct conn *conn = sim->conns; conn; conn = conn->next) {
        struct tracked *t = NULL;
        if (customer.n) {
            HASH_FIND(hh, conn->tracked, customer.p, customer.n, t);
            bool own = writer && writer->conn == conn && writer->watch == conn->watch && !sim->options.reorder;
            if (!t || own)
                continue;
            HASH_DEL(conn->tracked, t);
            sim_drop(&t->customer);
            free(t);
        } else {
            untrack_all(conn);
        }
        if (conn->watching)
            watch_event(sim, conn, sim->now_us + delay(sim), run_changed)->customer = sim_copy(customer);
    }
}

/* ---- events ---- */

static void run_reply(struct sim *sim, struct event *ev)
{
    if (ev->call->told)
        sim->stats.late_replies++;
    tell(ev->call, &ev->call->reply);
}

static void run_arrival(struct sim *sim, struct event *ev)
{
    struct call *c = ev->call;
    sim_apply(sim, c);
    if (chance(sim, sim->options.drop_reply)) {
        sim->stats.lost_replies++;
        return;
    }
    int64_t at = sim->now_us + delay(sim);
    if (c->conn)
        at = in_order(sim, &c->conn->last_reply_us, at);
    schedule(sim, at, run_reply, c);
}

static void run_deadline(struct sim *sim, struct event *ev)
{
    (void)sim;
    ev->call->deadline = NULL;
    tell_failure(ev->call, true, "no reply within the deadline");
}

static void run_unsent(struct sim *sim, struct event *ev)
{
    (void)sim;
    tell_failure(ev->call, false, "the store cannot be reached");
}

static void run_refused(struct sim *sim, struct event *ev)
{
    (void)sim;
    tell(ev->call, &ev->call->reply);
}

static void run_lost(struct sim *sim, struct event *ev)
{
    (void)sim;
    tell_failure(ev->call, true, "the connection to the store was lost");
}

static void run_nothing(struct sim *sim, struct event *ev)
{
    (void)sim;
    (void)ev;
}

static void run_user(struct sim *sim, struct event *ev)
{
    (void)sim;
    ev->fn(ev->user);
}

/* ---- the store's calls ---- */

static struct call *call_new(struct store *store, enum kind kind, store_cb cb, void *user)
{
    struct conn *conn = (struct conn *)store;
    struct call *c = sim_take(sizeof *c);
    c->conn = conn;
    c->kind = kind;
    c->cb = cb;
    c->user = user;
    c->next = conn->open;
    if (c->next)
        c->next->previous = c;
    conn->open = c;
    c->watch = conn->watch;
    conn->sim->stats.calls++;
    return c;
}

static void call_send(struct call *c, int64_t deadline_us, const char *fault)
{
    struct conn *conn = c->conn;
    struct sim *sim = conn->sim;
    if (fault) {
        c->reply = (struct store_reply){.status = STORE_REFUSED, .error = fault};
        schedule(sim, sim->now_us, run_refused, c);
        return;
    }
    if (!conn->up || deadline_us <= sim->now_us) {
        schedule(sim, sim->now_us, run_unsent, c);
        return;
    }
    int64_t at = in_order(sim, &conn->last_arrival_us, sim->now_us + delay(sim));
    bool stalled = chance(sim, sim->options.stall);
    c->deadline = schedule(sim, deadline_us, run_deadline, c);
    if (stalled)
        at = in_order(sim, &conn->last_arrival_us, at + sim->options.stall_us);
    if (chance(sim, sim->options.drop_request))
        sim->stats.lost_requests++;
    else
        schedule(sim, at, run_arrival, c);
}

static void sim_store_read(struct store *store, struct str customer, const struct id128 *record_id,
                           int64_t deadline_us, store_cb cb, void *user)
{
    struct call *c = call_new(store, KIND_READ, cb, user);
    c->customer = sim_copy(customer);
    c->with_record = record_id != NULL;
    if (record_id)
        c->record_id = *record_id;
    call_send(c, deadline_us, store_customer_fault(customer));
}

static void sim_store_commit(struct store *store, const struct store_commit *commit, int64_t deadline_us,
                             store_cb cb, void *user)
{
    const char *fault = store_commit_fault(commit);
    struct call *c = call_new(store, KIND_COMMIT, cb, user);
    c->customer = sim_copy(commit->customer);
    c->aside = sim_copy(commit->aside);
    c->blob = sim_copy(commit->blob);
    c->expected = commit->expected;
    c->blob_ttl_ms = commit->blob_ttl_ms;
    c->forget = commit->forget;
    c->unchanged = commit->unchanged;
    c->with_record = commit->record_id != NULL;
    if (commit->record_id) {
        c->record_id = *commit->record_id;
        c->record = sim_copy(commit->record);
        c->ttl_ms = commit->record_ttl_ms;
    }
    call_send(c, deadline_us, fault);
}

static void sim_store_names(struct store *store, const struct str *names, size_t count, int64_t deadline_us,
                            store_cb cb, void *user)
{
    const char *fault = store_names_fault(names, count);
    struct call *c = call_new(store, KIND_NAMES, cb, user);
    if (!fault) {
        c->names_count = count;
        c->names = sim_take(count * sizeof *c->names);
        for (size_t i = 0; i < count; i++)
            c->names[i] = sim_copy(names[i]);
    }
    call_send(c, deadline_us, fault);
}

static void sim_store_secret(struct store *store, int64_t deadline_us, store_cb cb, void *user)
{
    call_send(call_new(store, KIND_SECRET, cb, user), deadline_us, NULL);
}

static void sim_store_held(struct store *store, struct str customer, int64_t deadline_us, store_cb cb, void *user)
{
    struct call *c = call_new(store, KIND_HELD, cb, user);
    c->customer = sim_copy(customer);
    call_send(c, deadline_us, store_customer_fault(customer));
}

static void sim_store_dictionary(struct store *store, int64_t deadline_us, store_cb cb, void *user)
{
    call_send(call_new(store, KIND_DICTIONARY, cb, user), deadline_us, NULL);
}

static bool sim_store_ready(const struct store *store)
{
    return ((const struct conn *)store)->up;
}

static void sim_store_watch(struct store *store, const struct store_watcher *w)
{
    struct conn *conn = (struct conn *)store;
    conn->watcher = *w;
    watch_event(conn->sim, conn, conn->sim->now_us + delay(conn->sim), run_watch_on);
}

static const struct store_ops sim_ops = {
    .watch = sim_store_watch,
    .read = sim_store_read,
    .commit = sim_store_commit,
    .names = sim_store_names,
    .secret = sim_store_secret,
    .held = sim_store_held,
    .dictionary = sim_store_dictionary,
    .ready = sim_store_ready,
};

/* ---- the simulation's side ---- */

struct sim *sim_new(uint64_t seed, const struct sim_options *o)
{
    struct sim *sim = sim_take(sizeof *sim);
    sim->options = *o;
    sim->now_us = SIM_START_US;
    rng_seed(&sim->rng, seed);
    return sim;
}

void sim_free(struct sim **which)
{
    struct sim *sim = *which;
    *which = NULL;
    if (!sim)
        return;
    for (struct heap_node *node; (node = heap_first(&sim->events));) {
        heap_remove(&sim->events, node);
        event_done(HEAP_OWNER(node, struct event, node));
    }
    sim_data_clear(&sim->data);
    for (struct conn *conn = sim->conns, *next; conn; conn = next) {
        next = conn->next;
        untrack_all(conn);
        free(conn);
    }
    heap_free(&sim->events);
    free(sim);
}

void sim_set_options(struct sim *sim, const struct sim_options *o)
{
    sim->options = *o;
}

int64_t sim_now(const struct sim *sim)
{
    return sim->now_us;
}

bool sim_step(struct sim *sim)
{
    struct heap_node *node = heap_first(&sim->events);
    if (!node)
        return false;
    struct event *ev = HEAP_OWNER(node, struct event, node);
    heap_remove(&sim->events, node);
    ASSERT(node->key >= sim->now_us);
    sim->now_us = node->key;
    ev->run(sim, ev);
    event_done(ev);
    return true;
}

void sim_run_until(struct sim *sim, int64_t until_us)
{
    for (struct heap_node *node; (node = heap_first(&sim->events)) && node->key <= until_us;)
        sim_step(sim);
    if (until_us > sim->now_us)
        sim->now_us = until_us;
}

size_t sim_run(struct sim *sim, size_t most)
{
    size_t n = 0;
    while (n < most && sim_step(sim))
        n++;
    return n;
}

void sim_at(struct sim *sim, int64_t time_us, void (*fn)(void *user), void *user)
{
    struct event *ev = sim_take(sizeof *ev);
    ev->node =
        (struct heap_node){.key = time_us > sim->now_us ? time_us : sim->now_us, .tie = rng_u64(&sim->rng)};
    ev->run = run_user;
    ev->fn = fn;
    ev->user = user;
    heap_push(&sim->events, &ev->node);
}

uint64_t sim_random(struct sim *sim, uint64_t bound)
{
    return rng_below(&sim->rng, bound);
}

struct store *sim_connect(struct sim *sim)
{
    struct conn *conn = sim_take(sizeof *conn);
    conn->base.ops = &sim_ops;
    conn->sim = sim;
    conn->up = true;
    conn->next = sim->conns;
    sim->conns = conn;
    return &conn->base;
}

/* Requests that are still under way are lost or not. */
static void lose_requests(struct sim *sim, const struct conn *conn)
{
    for (size_t i = 0; i < sim->events.count; i++) {
        struct event *ev = HEAP_OWNER(sim->events.nodes[i], struct event, node);
        if (ev->run == run_arrival && ev->call->conn == conn && chance(sim, 0.5)) {
            ev->run = run_nothing; /* it never arrives */
            sim->stats.lost_requests++;
        }
    }
}

void sim_disconnect(struct sim *sim, struct store **store)
{
    struct conn *conn = (struct conn *)*store;
    *store = NULL;
    lose_requests(sim, conn);
    while (conn->open) {
        struct call *c = conn->open;
        c->told = true;
        forget_deadline(c);
        if (c->events == 0)
            call_free(c);
        else
            call_unlink(c);
    }
    struct conn **at = &sim->conns;
    while (*at != conn)
        at = &(*at)->next;
    *at = conn->next;
    untrack_all(conn);
    for (size_t i = 0; i < sim->events.count; i++) {
        struct event *ev = HEAP_OWNER(sim->events.nodes[i], struct event, node);
        if (ev->told == conn)
            ev->told = NULL;
    }
    free(conn);
}

void sim_set_up(struct sim *sim, struct store *store, bool up)
{
    struct conn *conn = (struct conn *)store;
    if (conn->up == up)
        return;
    conn->up = up;
    if (up) {
        watch_event(sim, conn, sim->now_us + delay(sim), run_watch_on);
        return;
    }
    watch_ends(sim, conn, 0, 0);
    lose_requests(sim, conn);
    for (struct call *c = conn->open; c; c = c->next)
        if (!c->told)
            schedule(sim, sim->now_us, run_lost, c);
}

void sim_break_watch(struct sim *sim, struct store *store, int64_t detect_us, int64_t off_us)
{
    watch_ends(sim, (struct conn *)store, detect_us, off_us);
}

void sim_flush(struct sim *sim)
{
    sim_data_clear(&sim->data);
    sim_changed(sim, NULL, (struct str){0});
}

void sim_refuse_writes(struct sim *sim, const char *error)
{
    sim->refusal = error;
}

struct str sim_get(struct sim *sim, const char *key)
{
    return sim_value_get(sim, str_from(key));
}

void sim_put(struct sim *sim, const char *key, struct str bytes)
{
    char customer[STORE_CUSTOMER_MAX];
    size_t n;
    sim_value_put(sim, str_from(key), bytes, 0);
    if (store_key_customer(str_from(key), SIM_PREFIX, customer, &n))
        sim_changed(sim, NULL, (struct str){customer, n});
}

static void count_key(void *ctx, struct str key, struct str data)
{
    (void)key;
    (void)data;
    ++*(size_t *)ctx;
}

size_t sim_key_count(struct sim *sim)
{
    size_t n = 0;
    sim_data_each(&sim->data, (struct str){"", 0}, sim->now_us, count_key, &n);
    return n;
}

struct sim_stats sim_stats(const struct sim *sim)
{
    return sim->stats;
}
