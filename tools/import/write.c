/* Writing an import's customers; see write.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tools/import/write.h"
#include "base/clock.h"
#include "base/rng.h"
#include "state/codec.h"
#include "store/redis_store.h"
#include "tools/parallel.h"
#include <stdlib.h>
#include <sys/random.h>

enum {
    BATCH_CUSTOMERS = 64,
    BATCHES = 16, /* BATCH_CUSTOMERS × BATCHES customers are under way */
    COMMAND_MS = 60000,
    NAMES_A_CALL = 1000,
    READ_AFTER_FOUND = 1024 /* customers that are read first after one was found */
};

/* ---- the store ---- */

struct import_store {
    uv_loop_t loop;
    uv_async_t built;
    uv_timer_t patience;
    struct store *store;
    char status[256];
    bool ready, lost, over;
};

static void on_status(void *user, bool ready, const char *text)
{
    struct import_store *s = user;
    s->lost |= s->ready && !ready;
    s->ready = ready;
    snprintf(s->status, sizeof s->status, "%s", text);
}

static void on_built(uv_async_t *handle)
{
    (void)handle; /* it ends the loop's turn */
}

static void on_patience(uv_timer_t *timer)
{
    ((struct import_store *)timer->data)->over = true;
}

static int64_t command_deadline(void)
{
    return clock_mono_us() + COMMAND_MS * INT64_C(1000);
}

int import_store_open(struct import_store **out, const char *url, struct error *e)
{
    struct import_store *s = calloc(1, sizeof *s);
    ASSERT(s && uv_loop_init(&s->loop) == 0);
    const struct redis_store_options options = {
        .link = {.stall_ms = COMMAND_MS}, .status = on_status, .user = s, .quiet = true};
    ASSERT(uv_async_init(&s->loop, &s->built, on_built) == 0);
    ASSERT(uv_timer_init(&s->loop, &s->patience) == 0);
    s->patience.data = s;
    *out = s;
    int rc = redis_store_new(&s->store, &s->loop, url, &options, e);
    if (rc)
        return rc;
    uv_timer_start(&s->patience, on_patience, IMPORT_CONNECT_MS, 0);
    /* A store that is there and says no will not say yes while we wait. */
    while (!s->ready && !s->over && !s->status[0])
        uv_run(&s->loop, UV_RUN_ONCE);
    uv_timer_stop(&s->patience);
    if (s->ready)
        return 0;
    return error_set(e, ERR_UNAVAILABLE, "the store: %s", s->status[0] ? s->status : "no answer");
}

void import_store_close(struct import_store **gone)
{
    struct import_store *s = *gone;
    *gone = NULL;
    if (!s)
        return;
    redis_store_free(&s->store);
    uv_close((uv_handle_t *)&s->built, NULL);
    uv_close((uv_handle_t *)&s->patience, NULL);
    uv_run(&s->loop, UV_RUN_DEFAULT);
    ASSERT(uv_loop_close(&s->loop) == 0);
    free(s);
}

struct names_call {
    const struct str *list;
    size_t count;
    struct names *names;
    bool done;
    int code;
    struct error *e;
};

static void on_names(void *user, const struct store_reply *r)
{
    struct names_call *c = user;
    c->done = true;
    if (r->status != STORE_OK) {
        c->code = error_set(c->e, ERR_UNAVAILABLE, "the names' ids: %s", r->error ? r->error : store_status_name(r->status));
        return;
    }
    for (size_t i = 0; i < c->count && !c->code; i++)
        if (names_add(c->names, c->list[i], r->ids[i]))
            c->code = error_set(c->e, ERR_CONFLICT, "the store's dictionary gives '%.*s' another id than before",
                                STR_ARG(c->list[i]));
}

int import_store_names(struct import_store *s, const struct str *list, size_t count, struct names *names, struct error *e)
{
    int rc = 0;
    for (size_t at = 0; at < count && !rc; at += NAMES_A_CALL) {
        size_t n = count - at < NAMES_A_CALL ? count - at : NAMES_A_CALL;
        struct names_call c = {.list = list + at, .count = n, .names = names, .e = e};
        store_names(s->store, c.list, n, command_deadline(), on_names, &c);
        while (!c.done)
            uv_run(&s->loop, UV_RUN_ONCE);
        rc = c.code;
    }
    return rc;
}

/* ---- customers under way ---- */

struct batch;

/* Holds once its customer is written: another state may take the event that this one did not. */
struct refusal {
    const struct flight *flight;
    struct import_place place;
    const char *why;
};

struct flight {
    struct batch *batch;
    struct import_customer *customer;
    struct str id; /* where it is written: another when the customer was merged into that */
    bool todo; /* to be built, then written */
    bool read_first;
    struct buf blob; /* as it is in the store, as far as known */
    enum import_built built;
    size_t at, n; /* of the new blob in the batch's buffer */
    uint64_t expected;
    unsigned conflicts;
    unsigned moves;
};

/* Is in the list of free ones, in the store's hands (pending > 0), or in a builder's. */
struct batch {
    struct import_writer *w;
    struct batch *next; /* free */
    struct flight flights[BATCH_CUSTOMERS];
    size_t count, pending;
    struct buf out;
    struct arena reasons;
    struct refusal *refused;
    size_t refused_count, refused_capacity;
};

struct import_writer {
    struct import_store *s;
    struct import_writing what;
    struct parallel *builders;
    struct import_builder builder[PARALLEL_THREADS_MAX];
    struct rng rng[PARALLEL_THREADS_MAX];
    struct batch batches[BATCHES];
    struct batch *free;
    size_t under_way; /* batches */
    size_t read_first; /* so many customers */
    struct import_counts counts;
    struct error stopped;
};

static void stop(struct import_writer *w, int code, const char *why)
{
    if (!w->stopped.code)
        error_set(&w->stopped, code, "%s", why);
}

/* ---- building, on a builder's thread ---- */

static void add_refusal(const struct flight *f, const uint8_t *event, const char *why)
{
    struct import_event head;
    struct batch *b = f->batch;
    if (b->refused_count == b->refused_capacity) {
        b->refused_capacity = b->refused_capacity ? 2 * b->refused_capacity : 16;
        b->refused = realloc(b->refused, b->refused_capacity * sizeof *b->refused);
        ASSERT(b->refused != NULL);
    }
    import_event_head(event, &head);
    const char *kept = arena_strdup(&b->reasons, why);
    b->refused[b->refused_count++] = (struct refusal){f, head.place, kept ? kept : "it cannot be applied"};
}

static void on_refused(void *ctx, const uint8_t *event, const char *why)
{
    add_refusal(ctx, event, why);
}

/* As if it had not been built yet. */
static void forget_refusals(struct batch *b, const struct flight *f)
{
    size_t left = 0;
    for (size_t i = 0; i < b->refused_count; i++)
        if (b->refused[i].flight != f)
            b->refused[left++] = b->refused[i];
    b->refused_count = left;
    memset(f->customer->failed, 0, f->customer->count);
}

static void build_one(struct import_writer *w, size_t thread, struct batch *b, struct flight *f)
{
    struct error e = {0};
    struct import_customer *c = f->customer;
    uint64_t version = state_version_make(clock_wall_ms(), rng_u64(&w->rng[thread]));
    forget_refusals(b, f);
    f->at = b->out.n;
    f->built = import_build(&w->builder[thread], c, (struct str){(const char *)f->blob.p, f->blob.n}, version, &b->out,
                            &f->expected, on_refused, f, &e);
    f->n = b->out.n - f->at;
    if (f->built != IMPORT_REFUSED)
        return;
    b->out.n = f->at;
    for (size_t i = 0; i < c->count; i++)
        if (!c->failed[i]) {
            c->failed[i] = 1;
            add_refusal(f, c->events[i].event, e.text);
        }
}

static void build_batch(void *ctx, size_t thread, void *job)
{
    struct batch *b = job;
    buf_clear(&b->out);
    for (size_t i = 0; i < b->count; i++)
        if (b->flights[i].todo)
            build_one(ctx, thread, b, &b->flights[i]);
}

static void on_batch_built(void *ctx)
{
    uv_async_send(&((struct import_writer *)ctx)->s->built);
}

/* ---- what the store says ---- */

static void finish_batch(struct batch *b)
{
    struct import_writer *w = b->w;
    for (size_t i = 0; i < b->refused_count; i++)
        if (!b->refused[i].flight->todo)
            w->what.refused(w->what.ctx, &b->refused[i].place, b->refused[i].why);
    b->refused_count = 0;
    arena_reset(&b->reasons);
    b->next = w->free;
    w->free = b;
    w->under_way--;
    w->what.written(w->what.ctx);
}

/* All of a batch's replies are in: builds again what others changed, or ends it. */
static void settle(struct batch *b)
{
    bool again = false;
    for (size_t i = 0; i < b->count; i++)
        again |= b->flights[i].todo;
    if (again && !b->w->stopped.code)
        parallel_put(b->w->builders, b);
    else
        finish_batch(b);
}

static void take_blob(struct flight *f, struct str blob)
{
    buf_clear(&f->blob);
    buf_str(&f->blob, blob);
    if (blob.n)
        f->batch->w->read_first = READ_AFTER_FOUND;
    if (!buf_ok(&f->blob))
        stop(f->batch->w, ERR_NOSPACE, "no memory for a customer's state");
}

static void on_read(void *user, const struct store_reply *r)
{
    struct flight *f = user;
    struct import_writer *w = f->batch->w;
    if (r->status != STORE_OK)
        stop(w, ERR_UNAVAILABLE, r->error ? r->error : store_status_name(r->status));
    else
        take_blob(f, r->blob);
    if (--f->batch->pending == 0)
        settle(f->batch);
}

static size_t events_of(const struct import_customer *c)
{
    size_t n = 0;
    for (size_t i = 0; i < c->count; i++)
        n += !c->failed[i];
    return n;
}

static void on_commit(void *user, const struct store_reply *r)
{
    struct flight *f = user;
    struct import_writer *w = f->batch->w;
    if (r->status == STORE_OK) {
        f->todo = false;
        w->counts.customers++;
        w->counts.created += f->expected == 0;
        w->counts.events += events_of(f->customer);
        w->counts.blob_bytes += f->n;
    } else if (r->status == STORE_CONFLICT) {
        bool known = f->read_first || f->conflicts;
        w->counts.conflicts += known; /* else it was there before we began */
        take_blob(f, r->blob);
        if (++f->conflicts > IMPORT_CONFLICTS_MAX)
            stop(w, ERR_CONFLICT, "a customer was changed by others again and again");
    } else {
        stop(w, ERR_UNAVAILABLE, r->error ? r->error : store_status_name(r->status));
    }
    if (--f->batch->pending == 0)
        settle(f->batch);
}

/* ---- the store is asked ---- */

static void commit_one(struct flight *f)
{
    struct batch *b = f->batch;
    const struct store_commit c = {.customer = f->id,
                                   .expected = f->expected,
                                   .blob = {(const char *)b->out.p + f->at, f->n},
                                   .blob_ttl_ms = b->w->what.policy->retention_ms};
    b->pending++;
    store_commit(b->w->s->store, &c, command_deadline(), on_commit, f);
}

/* The customer was merged into another. */
static void follow_one(struct flight *f)
{
    struct batch *b = f->batch;
    f->id = arena_str(&b->reasons, (struct str){(const char *)b->out.p + f->at, f->n});
    if (!f->id.p || ++f->moves > IMPORT_MOVES_MAX) {
        stop(b->w, ERR_NOSPACE, "a customer was merged into another, and that into another, too many times");
        return;
    }
    b->pending++;
    store_read(b->w->s->store, f->id, NULL, command_deadline(), on_read, f);
}

/* After it was built. */
static void commit_batch(struct batch *b)
{
    struct import_writer *w = b->w;
    if (!buf_ok(&b->out))
        stop(w, ERR_NOSPACE, "no memory for customers' states");
    for (size_t i = 0; i < b->count; i++) {
        struct flight *f = &b->flights[i];
        if (!f->todo)
            continue;
        f->todo = f->built == IMPORT_BUILT || f->built == IMPORT_ELSEWHERE;
        if (f->built == IMPORT_BEFORE) {
            w->counts.before++;
            w->counts.events_before += f->customer->count;
        }
    }
    if (w->stopped.code) {
        finish_batch(b);
        return;
    }
    b->pending = 1; /* so that no reply ends it before the last is asked */
    for (size_t i = 0; i < b->count; i++)
        if (b->flights[i].todo && b->flights[i].built == IMPORT_ELSEWHERE)
            follow_one(&b->flights[i]);
        else if (b->flights[i].todo)
            commit_one(&b->flights[i]);
    if (--b->pending == 0)
        settle(b);
}

static void begin_batch(struct import_writer *w, const struct spread_group *g, size_t *next)
{
    struct batch *b = w->free;
    w->free = b->next;
    w->under_way++;
    bool read = w->read_first > 0;
    b->count = 0;
    while (b->count < BATCH_CUSTOMERS && *next < g->count) {
        struct flight *f = &b->flights[b->count++];
        f->customer = &g->customers[(*next)++];
        f->todo = true;
        f->read_first = read;
        f->conflicts = f->moves = 0;
        f->id = f->customer->id;
        buf_clear(&f->blob);
    }
    if (!read) {
        parallel_put(w->builders, b);
        return;
    }
    w->read_first -= b->count < w->read_first ? b->count : w->read_first;
    b->pending = b->count;
    for (size_t i = 0; i < b->count; i++)
        store_read(w->s->store, b->flights[i].customer->id, NULL, command_deadline(), on_read, &b->flights[i]);
}

int import_write(struct import_writer *w, const struct spread_group *g, struct error *e)
{
    size_t next = 0;
    while ((next < g->count && !w->stopped.code) || w->under_way) {
        struct batch *built;
        if (w->s->lost)
            stop(w, ERR_UNAVAILABLE, w->s->status);
        while (next < g->count && w->free && !w->stopped.code)
            begin_batch(w, g, &next);
        bool any = false;
        while ((built = parallel_take(w->builders, false))) {
            commit_batch(built);
            any = true;
        }
        if (w->under_way)
            uv_run(&w->s->loop, any ? UV_RUN_NOWAIT : UV_RUN_ONCE);
    }
    if (w->stopped.code)
        *e = w->stopped;
    return w->stopped.code;
}

/* ---- the writer ---- */

struct import_writer *import_writer_new(struct import_store *s, const struct import_writing *what)
{
    struct import_writer *w = calloc(1, sizeof *w);
    ASSERT(w != NULL);
    w->s = s;
    w->what = *what;
    for (size_t i = 0; i < what->threads; i++) {
        uint64_t seed;
        ASSERT(getrandom(&seed, sizeof seed, 0) == (ssize_t)sizeof seed);
        rng_seed(&w->rng[i], seed);
        import_builder_init(&w->builder[i], what->policy, what->content, what->until_ms);
    }
    for (size_t i = 0; i < BATCHES; i++) {
        struct batch *b = &w->batches[i];
        b->w = w;
        b->next = w->free;
        w->free = b;
        buf_init(&b->out, (size_t)BATCH_CUSTOMERS * (STATE_BLOB_MAX + 64));
        arena_init(&b->reasons, 64 << 20);
        for (size_t k = 0; k < BATCH_CUSTOMERS; k++) {
            b->flights[k].batch = b;
            buf_init(&b->flights[k].blob, 512 << 20); /* whatever another put there */
        }
    }
    w->builders = parallel_new(what->threads, build_batch, on_batch_built, w);
    return w;
}

void import_writer_free(struct import_writer **gone)
{
    struct import_writer *w = *gone;
    *gone = NULL;
    if (!w)
        return;
    parallel_free(&w->builders);
    for (size_t i = 0; i < w->what.threads; i++)
        import_builder_free(&w->builder[i]);
    for (size_t i = 0; i < BATCHES; i++) {
        buf_free(&w->batches[i].out);
        arena_free(&w->batches[i].reasons);
        free(w->batches[i].refused);
        for (size_t k = 0; k < BATCH_CUSTOMERS; k++)
            buf_free(&w->batches[i].flights[k].blob);
    }
    free(w);
}

const struct import_counts *import_writer_counts(const struct import_writer *w)
{
    return &w->counts;
}
