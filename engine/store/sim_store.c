/* The simulated store; see sim_store.h.
 *
 * Three kinds of event, in one heap by (time, seeded tie): a request arrives and is applied to the data,
 * which decides the reply; the reply arrives at the caller; a deadline passes. A call is told once and freed
 * when none of its events is left. Bytes are copied in at the call and again at the application, so that
 * nothing points into the data set.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "store/sim_store.h"
#include "store/heap.h"
#include "store/sim_data.h"
#include "store/store_key.h"
#include "base/rng.h"
#include <stdlib.h>
#include <uthash.h>

enum { SIM_START_US = 1000000 };
static const char prefix[] = "tact";

enum kind { KIND_READ, KIND_COMMIT, KIND_NAMES, KIND_SECRET, KIND_HELD, KIND_DICTIONARY };

struct conn;
struct event;

/* A customer that a connection has read: it is told of the next change. */
struct tracked {
    UT_hash_handle hh;
    struct str customer;
};

struct call {
    struct conn *conn;            /* NULL: its server was killed */
    struct call *previous, *next; /* open calls of the connection */
    enum kind kind;
    store_cb cb;
    void *user;
    bool told;
    int events;             /* that point here */
    struct event *deadline; /* one of them, gone once told */
    struct str customer, aside, blob, record, *names;
    size_t names_count;
    uint64_t expected;
    struct id128 record_id;
    bool with_record, forget, unchanged;
    uint64_t watch; /* the connection's when it was sent */
    int64_t ttl_ms, blob_ttl_ms;
    struct store_reply reply;
    struct str reply_blob, reply_record;
    uint32_t *reply_ids;
    struct str *reply_names;
    size_t reply_names_count, reply_names_room;
    struct store_item *reply_items;
    size_t reply_items_count, reply_items_room;
};

struct event {
    struct heap_node node;
    void (*run)(struct sim *sim, struct event *ev);
    struct call *call;
    void (*fn)(void *user);
    void *user;
    struct conn *told; /* a watcher's word: to whom, of which watch */
    uint64_t watch;
    struct str customer;
};

struct conn {
    struct store base;
    struct sim *sim;
    struct conn *next;
    struct call *open;
    bool up;
    int64_t last_arrival_us, last_reply_us; /* for order */
    struct store_watcher watcher;
    bool watching;  /* as the store sees it; the watcher hears of it later */
    uint64_t watch; /* which one: what an earlier one had still to tell is lost */
    struct tracked *tracked;
};

struct sim {
    struct sim_options options;
    struct rng rng;
    int64_t now_us;
    struct heap events;
    struct sim_data data;
    struct conn *conns;
    const char *refusal;
    uint32_t last_name;
    uint8_t secret[STORE_SECRET_BYTES];
    bool has_secret;
    struct sim_stats stats;
};

static const struct store_ops sim_ops;

static void *take(size_t size)
{
    void *p = calloc(1, size ? size : 1);
    ASSERT(p != NULL);
    return p;
}

static struct str copy(struct str s)
{
    char *p = take(s.n);
    if (s.n)
        memcpy(p, s.p, s.n);
    return (struct str){p, s.n};
}

static void drop(struct str *s)
{
    free((char *)(uintptr_t)s->p);
    *s = (struct str){NULL, 0};
}

/* ---- the data ---- */

static struct str data_get(struct sim *sim, struct str key)
{
    return sim_data_get(&sim->data, key, sim->now_us);
}

static void data_put(struct sim *sim, struct str key, struct str data, int64_t ttl_ms)
{
    sim_data_put(&sim->data, key, data, ttl_ms ? sim->now_us + ttl_ms * 1000 : INT64_MAX);
}

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
    drop(&c->customer);
    drop(&c->aside);
    drop(&c->blob);
    drop(&c->record);
    for (size_t i = 0; i < c->names_count && c->names; i++)
        drop(&c->names[i]);
    free(c->names);
    drop(&c->reply_blob);
    drop(&c->reply_record);
    free(c->reply_ids);
    for (size_t i = 0; i < c->reply_names_count; i++)
        drop(&c->reply_names[i]);
    free(c->reply_names);
    for (size_t i = 0; i < c->reply_items_count; i++) {
        drop(&c->reply_items[i].name);
        drop(&c->reply_items[i].value);
    }
    free(c->reply_items);
    free(c);
}

static struct event *schedule(struct sim *sim, int64_t time_us, void (*run)(struct sim *, struct event *),
                              struct call *c)
{
    struct event *ev = take(sizeof *ev);
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

static bool only_reads(const struct call *c)
{
    return c->kind == KIND_READ || c->kind == KIND_HELD || c->kind == KIND_DICTIONARY;
}

static void tell_failure(struct call *c, bool maybe_applied, const char *why)
{
    bool uncertain = maybe_applied && !only_reads(c);
    tell(c, &(struct store_reply){.status = uncertain ? STORE_UNCERTAIN : STORE_UNAVAILABLE, .error = why});
}

static void event_done(struct event *ev)
{
    if (ev->call && --ev->call->events == 0)
        call_free(ev->call);
    drop(&ev->customer);
    free(ev);
}

/* ---- watching ---- */

static void untrack_all(struct conn *conn)
{
    for (struct tracked *t = conn->tracked, *next; t; t = next) {
        next = t->hh.next;
        HASH_DEL(conn->tracked, t);
        drop(&t->customer);
        free(t);
    }
}

static void track(struct conn *conn, struct str customer)
{
    struct tracked *t = NULL;
    if (!conn || !conn->watching)
        return;
    HASH_FIND(hh, conn->tracked, customer.p, customer.n, t);
    if (t)
        return;
    t = take(sizeof *t);
    t->customer = copy(customer);
    HASH_ADD_KEYPTR(hh, conn->tracked, t->customer.p, t->customer.n, t);
}

static struct event *watch_event(struct sim *sim, struct conn *conn, int64_t time_us,
                                 void (*run)(struct sim *, struct event *))
{
    struct event *ev = take(sizeof *ev);
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
static void changed(struct sim *sim, const struct call *writer, struct str customer)
{
    for (struct conn *conn = sim->conns; conn; conn = conn->next) {
        struct tracked *t = NULL;
        if (customer.n) {
            HASH_FIND(hh, conn->tracked, customer.p, customer.n, t);
            bool own = writer && writer->conn == conn && writer->watch == conn->watch && !sim->options.reorder;
            if (!t || own)
                continue;
            HASH_DEL(conn->tracked, t);
            drop(&t->customer);
            free(t);
        } else {
            untrack_all(conn);
        }
        if (conn->watching)
            watch_event(sim, conn, sim->now_us + delay(sim), run_changed)->customer = copy(customer);
    }
}

/* ---- what the store does with a request ---- */

/* A blob whose time is over goes when it is next looked at, and watchers are told. */
static struct str blob_there(struct sim *sim, const struct call *c, char key[STORE_KEY_MAX], struct str *blob_key)
{
    *blob_key = (struct str){key, store_key_state(key, prefix, c->customer)};
    if (sim_data_expire(&sim->data, *blob_key, sim->now_us))
        changed(sim, NULL, c->customer);
    return data_get(sim, *blob_key);
}

static void apply_read(struct sim *sim, struct call *c)
{
    char key[STORE_KEY_MAX];
    struct str blob_key;
    c->reply_blob = copy(blob_there(sim, c, key, &blob_key));
    track(c->conn, c->customer);
    if (c->with_record) {
        size_t n = store_key_record(key, prefix, c->customer, &c->record_id);
        c->reply_record = copy(data_get(sim, (struct str){key, n}));
    }
}

static bool expected_there(struct str there, uint64_t expected)
{
    return expected ? store_version(there) == expected : there.n == 0;
}

static void remove_record(void *ctx, struct str key, struct str data)
{
    (void)data;
    sim_data_remove(ctx, key);
}

/* Sets aside what is there, or forgets everything else. */
static void make_room(struct sim *sim, const struct call *c, struct str there)
{
    char text[STORE_KEY_MAX];
    struct str aside = {text, store_key_aside(text, prefix, c->customer)};
    if (!c->forget) {
        data_put(sim, aside, there, c->blob_ttl_ms);
        return;
    }
    sim_data_remove(&sim->data, aside);
    struct str records = {text, store_key_records(text, prefix, c->customer)};
    sim_data_each(&sim->data, records, sim->now_us, remove_record, &sim->data);
}

static void apply_commit(struct sim *sim, struct call *c)
{
    char blob_text[STORE_KEY_MAX], record_text[STORE_KEY_MAX];
    struct str blob_key, record_key = {NULL, 0}, there = blob_there(sim, c, blob_text, &blob_key);
    if (c->with_record) {
        record_key =
            (struct str){record_text, store_key_record(record_text, prefix, c->customer, &c->record_id)};
        const struct str *record = sim_data_find(&sim->data, record_key, sim->now_us);
        if (record) {
            c->reply.status = STORE_EXISTS;
            c->reply.error = "a record of this decision is there";
            c->reply_record = copy(*record);
            return;
        }
    }
    bool versioned = c->blob.n || c->unchanged;
    if (c->aside.n ? !str_eq(there, c->aside) : versioned && !expected_there(there, c->expected)) {
        c->reply.status = STORE_CONFLICT;
        c->reply.error = "another version is there";
        c->reply_blob = copy(there);
        track(c->conn, c->customer);
        return;
    }
    if (c->aside.n || c->forget)
        make_room(sim, c, there);
    if (c->blob.n) {
        data_put(sim, blob_key, c->blob, c->blob_ttl_ms);
        changed(sim, c, c->customer);
        track(c->conn, c->customer);
    }
    if (c->with_record)
        data_put(sim, record_key, c->record, c->ttl_ms);
}

/* Room for one more at the end of a list. */
static void *grown(void *items, size_t count, size_t *room, size_t size)
{
    if (count < *room)
        return items;
    *room = *room ? *room * 2 : 16;
    items = realloc(items, *room * size);
    ASSERT(items != NULL);
    return items;
}

static void add_item(struct call *c, enum store_item_kind kind, struct str name, struct str value)
{
    c->reply_items = grown(c->reply_items, c->reply_items_count, &c->reply_items_room, sizeof *c->reply_items);
    c->reply_items[c->reply_items_count++] = (struct store_item){kind, copy(name), copy(value)};
}

static void add_record(void *ctx, struct str key, struct str data)
{
    add_item(ctx, STORE_ITEM_RECORD, (struct str){key.p + key.n - (ID128_TEXT - 1), ID128_TEXT - 1}, data);
}

static void apply_held(struct sim *sim, struct call *c)
{
    char key[STORE_KEY_MAX];
    struct str blob_key;
    c->reply_blob = copy(blob_there(sim, c, key, &blob_key));
    struct str aside = data_get(sim, (struct str){key, store_key_aside(key, prefix, c->customer)});
    if (aside.n)
        add_item(c, STORE_ITEM_ASIDE, STR("aside"), aside);
    struct str records = {key, store_key_records(key, prefix, c->customer)};
    sim_data_each(&sim->data, records, sim->now_us, add_record, c);
}

/* The key of a name: no other key holds a NUL here, so ids are told apart from all keys. */
static size_t name_prefix(char key[STORE_KEY_MAX])
{
    size_t n = store_key_names(key, prefix);
    key[n++] = 0;
    return n;
}

static void add_name(void *ctx, struct str key, struct str data)
{
    struct call *c = ctx;
    char text[STORE_KEY_MAX];
    size_t n = name_prefix(text), room = c->reply_names_room;
    c->reply_names = grown(c->reply_names, c->reply_names_count, &c->reply_names_room, sizeof *c->reply_names);
    c->reply_ids = grown(c->reply_ids, c->reply_names_count, &room, sizeof *c->reply_ids);
    c->reply_names[c->reply_names_count] = copy((struct str){key.p + n, key.n - n});
    memcpy(&c->reply_ids[c->reply_names_count++], data.p, sizeof *c->reply_ids);
}

static void apply_dictionary(struct sim *sim, struct call *c)
{
    char key[STORE_KEY_MAX];
    sim_data_each(&sim->data, (struct str){key, name_prefix(key)}, sim->now_us, add_name, c);
}

static void apply_names(struct sim *sim, struct call *c)
{
    c->reply_ids = take(c->names_count * sizeof *c->reply_ids);
    for (size_t i = 0; i < c->names_count; i++) {
        char key[STORE_KEY_MAX + STORE_NAME_MAX];
        size_t n = name_prefix(key);
        memcpy(key + n, c->names[i].p, c->names[i].n);
        struct str whole = {key, n + c->names[i].n}, there = data_get(sim, whole);
        if (!there.n) {
            uint32_t id = ++sim->last_name;
            data_put(sim, whole, (struct str){(const char *)&id, sizeof id}, 0);
            there = data_get(sim, whole);
        }
        memcpy(&c->reply_ids[i], there.p, sizeof *c->reply_ids);
    }
}

static void apply_secret(struct sim *sim, struct call *c)
{
    (void)c;
    for (int i = 0; !sim->has_secret && i < STORE_SECRET_BYTES; i++)
        sim->secret[i] = (uint8_t)rng_u64(&sim->rng);
    sim->has_secret = true;
}

static void apply(struct sim *sim, struct call *c)
{
    static void (*const by_kind[])(struct sim *, struct call *) = {
        [KIND_READ] = apply_read,
        [KIND_COMMIT] = apply_commit,
        [KIND_NAMES] = apply_names,
        [KIND_SECRET] = apply_secret,
        [KIND_HELD] = apply_held,
        [KIND_DICTIONARY] = apply_dictionary,
    };
    c->reply = (struct store_reply){.status = STORE_OK};
    if (sim->refusal && !only_reads(c)) {
        c->reply.status = STORE_REFUSED;
        c->reply.error = sim->refusal;
        return;
    }
    by_kind[c->kind](sim, c);
    c->reply.blob = c->reply_blob;
    c->reply.record = c->reply_record;
    if (c->kind == KIND_NAMES && c->reply.status == STORE_OK)
        c->reply.ids = c->reply_ids;
    if (c->kind == KIND_SECRET)
        c->reply.secret = sim->secret;
    c->reply.items = c->reply_items;
    c->reply.item_count = c->reply_items_count;
    c->reply.names = c->reply_names;
    c->reply.name_count = c->reply_names_count;
    if (c->kind == KIND_DICTIONARY)
        c->reply.ids = c->reply_ids;
    sim->stats.applied++;
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
    apply(sim, c);
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
    struct call *c = take(sizeof *c);
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
    c->customer = copy(customer);
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
    c->customer = copy(commit->customer);
    c->aside = copy(commit->aside);
    c->blob = copy(commit->blob);
    c->expected = commit->expected;
    c->blob_ttl_ms = commit->blob_ttl_ms;
    c->forget = commit->forget;
    c->unchanged = commit->unchanged;
    c->with_record = commit->record_id != NULL;
    if (commit->record_id) {
        c->record_id = *commit->record_id;
        c->record = copy(commit->record);
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
        c->names = take(count * sizeof *c->names);
        for (size_t i = 0; i < count; i++)
            c->names[i] = copy(names[i]);
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
    c->customer = copy(customer);
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
    struct sim *sim = take(sizeof *sim);
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
    struct event *ev = take(sizeof *ev);
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
    struct conn *conn = take(sizeof *conn);
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
    changed(sim, NULL, (struct str){0});
}

void sim_refuse_writes(struct sim *sim, const char *error)
{
    sim->refusal = error;
}

struct str sim_get(struct sim *sim, const char *key)
{
    return data_get(sim, str_from(key));
}

void sim_put(struct sim *sim, const char *key, struct str bytes)
{
    char customer[STORE_CUSTOMER_MAX];
    size_t n;
    data_put(sim, str_from(key), bytes, 0);
    if (store_key_customer(str_from(key), prefix, customer, &n))
        changed(sim, NULL, (struct str){customer, n});
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
