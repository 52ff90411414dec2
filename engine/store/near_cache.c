/* The near cache; see near_cache.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "store/near_cache.h"
#include <stdlib.h>

enum { TABLE_LEAST = 1024, MALLOC_OVERHEAD = 16, UNWATCHED = 0 };

struct entry {
    struct entry *chain, *newer, *older; /* of the bucket; by use */
    uint64_t hash;
    uint64_t ticket; /* of the read or write under way whose reply may fill it */
    uint64_t epoch;  /* of the watch in which it was filled */
    uint32_t hint;
    uint32_t key_n, blob_n;
    bool valid; /* else a marker */
    char bytes[]; /* customer, blob */
};

/* A read or write under way. */
struct call {
    struct near_cache *cache;
    struct call *next;               /* free ones */
    struct call *all_next;
    store_cb cb;
    void *user;
    uint64_t hash, ticket;
    uint64_t epoch; /* UNWATCHED: nobody tells of changes to what it brings */
    uint32_t hint;
    struct str customer, blob; /* of a write: what it writes; copies */
    size_t capacity;
    char *bytes;
};

struct near_cache {
    struct store base;
    struct store *inner;
    struct near_cache_options options;
    struct entry **table;
    size_t table_size;
    struct entry *newest, *oldest;
    struct call *free_calls, *all_calls;
    uint64_t tickets, epoch;
    int64_t lost_us; /* when the last watch was lost */
    struct near_cache_stats stats;
};

/* ---- entries ---- */

static uint64_t hash_of(struct str customer)
{
    return hash64(customer.p, customer.n);
}

static size_t entry_bytes(const struct entry *e)
{
    return sizeof *e + MALLOC_OVERHEAD + e->key_n + e->blob_n;
}

static struct entry **place_of(const struct near_cache *c, struct str customer, uint64_t hash)
{
    struct entry **at = &c->table[hash & (c->table_size - 1)];
    while (*at && ((*at)->hash != hash || !str_eq((struct str){(*at)->bytes, (*at)->key_n}, customer)))
        at = &(*at)->chain;
    return at;
}

static void use_unlink(struct near_cache *c, struct entry *e)
{
    *(e->newer ? &e->newer->older : &c->newest) = e->older;
    *(e->older ? &e->older->newer : &c->oldest) = e->newer;
}

static void use_first(struct near_cache *c, struct entry *e)
{
    e->newer = NULL;
    e->older = c->newest;
    *(c->newest ? &c->newest->newer : &c->oldest) = e;
    c->newest = e;
}

static void remove_at(struct near_cache *c, struct entry **at)
{
    struct entry *e = *at;
    *at = e->chain;
    use_unlink(c, e);
    c->stats.entries--;
    c->stats.bytes -= entry_bytes(e);
    free(e);
}

static void remove_entry(struct near_cache *c, struct str customer, uint64_t hash)
{
    struct entry **at = place_of(c, customer, hash);
    if (*at)
        remove_at(c, at);
}

static void remove_all(struct near_cache *c)
{
    for (size_t i = 0; i < c->table_size; i++)
        while (c->table[i])
            remove_at(c, &c->table[i]);
}

static void grow(struct near_cache *c)
{
    size_t size = c->table_size * 2;
    struct entry **table = calloc(size, sizeof(struct entry *));
    ASSERT(table != NULL);
    for (struct entry *e = c->newest; e; e = e->older) {
        struct entry **to = &table[e->hash & (size - 1)];
        e->chain = *to;
        *to = e;
    }
    free(c->table);
    c->table = table;
    c->table_size = size;
}

/* In place of what is there. */
static struct entry *put(struct near_cache *c, struct str customer, uint64_t hash, struct str blob)
{
    remove_entry(c, customer, hash);
    struct entry *e = malloc(sizeof *e + customer.n + blob.n);
    ASSERT(e != NULL);
    *e = (struct entry){.hash = hash, .key_n = (uint32_t)customer.n, .blob_n = (uint32_t)blob.n};
    memcpy(e->bytes, customer.p, customer.n);
    if (blob.n)
        memcpy(e->bytes + customer.n, blob.p, blob.n);
    c->stats.bytes += entry_bytes(e);
    while (c->oldest && c->stats.bytes > c->options.bytes_max) {
        struct entry *old = c->oldest;
        remove_at(c, place_of(c, (struct str){old->bytes, old->key_n}, old->hash));
        c->stats.evicted++;
    }
    if (++c->stats.entries > c->table_size)
        grow(c);
    struct entry **to = &c->table[hash & (c->table_size - 1)];
    e->chain = *to;
    *to = e;
    use_first(c, e);
    return e;
}

/* ---- hints ---- */

static _Atomic uint32_t *hint_of(const struct near_cache *c, uint64_t hash)
{
    return &c->options.hints->counters[(hash >> 40) & (NEAR_HINTS - 1)];
}

static uint32_t hint_now(const struct near_cache *c, uint64_t hash)
{
    return c->options.hints ? atomic_load_explicit(hint_of(c, hash), memory_order_acquire) : 0;
}

/* After a write; by how much the counter moved. */
static uint32_t hint_move(const struct near_cache *c, uint64_t hash)
{
    if (!c->options.hints)
        return 0;
    atomic_fetch_add_explicit(hint_of(c, hash), 1, memory_order_acq_rel);
    return 1;
}

/* ---- calls ---- */

static struct call *call_new(struct near_cache *c, struct str customer, struct str blob, store_cb cb, void *user)
{
    struct call *call = c->free_calls;
    if (call) {
        c->free_calls = call->next;
    } else {
        call = calloc(1, sizeof *call);
        ASSERT(call != NULL);
        call->cache = c;
        call->all_next = c->all_calls;
        c->all_calls = call;
    }
    if (call->capacity < customer.n + blob.n) {
        call->capacity = customer.n + blob.n + 512;
        free(call->bytes);
        call->bytes = malloc(call->capacity);
        ASSERT(call->bytes != NULL);
    }
    if (customer.n)
        memcpy(call->bytes, customer.p, customer.n);
    if (blob.n)
        memcpy(call->bytes + customer.n, blob.p, blob.n);
    call->customer = (struct str){call->bytes, customer.n};
    call->blob = (struct str){call->bytes + customer.n, blob.n};
    call->cb = cb;
    call->user = user;
    call->hash = hash_of(customer);
    call->ticket = ++c->tickets;
    call->epoch = c->stats.watching ? c->epoch : UNWATCHED;
    call->hint = hint_now(c, call->hash);
    return call;
}

/* The marker by which the reply will know that nothing came between. An entry that is valid stays so during a read. */
static void mark(struct call *call, bool write)
{
    struct near_cache *c = call->cache;
    struct entry *e = *place_of(c, call->customer, call->hash);
    if (!c->stats.watching && !write)
        return;
    if (!e || write)
        e = put(c, call->customer, call->hash, (struct str){0});
    e->ticket = call->ticket;
}

/* Keeps a blob that the store had after the call was sent, unless something came between: false. hint: what the counter should
 * be now. */
static bool fill(struct call *call, struct str blob, uint32_t hint)
{
    struct near_cache *c = call->cache;
    struct entry *e = *place_of(c, call->customer, call->hash);
    bool mine = e && e->ticket == call->ticket;
    if (!mine || !c->stats.watching || call->epoch != c->epoch || hint_now(c, call->hash) != hint) {
        c->stats.races += c->stats.watching;
        return false;
    }
    e = put(c, call->customer, call->hash, blob);
    e->valid = true;
    e->epoch = c->epoch;
    e->hint = hint;
    c->stats.fills++;
    return true;
}

static void drop_marker(struct call *call)
{
    struct entry **at = place_of(call->cache, call->customer, call->hash);
    if (*at && (*at)->ticket == call->ticket && !(*at)->valid)
        remove_at(call->cache, at);
}

static void tell(struct call *call, const struct store_reply *r)
{
    store_cb cb = call->cb;
    void *user = call->user;
    call->next = call->cache->free_calls;
    call->cache->free_calls = call;
    cb(user, r);
}

static void on_read(void *user, const struct store_reply *r)
{
    struct call *call = user;
    if (r->status != STORE_OK || !fill(call, r->blob, call->hint))
        drop_marker(call);
    tell(call, r);
}

/* Nobody tells of our own writes: what is not kept of one takes away whatever is there. */
static void on_commit(void *user, const struct store_reply *r)
{
    struct call *call = user;
    struct near_cache *c = call->cache;
    bool wrote = call->blob.n && (r->status == STORE_OK || r->status == STORE_UNCERTAIN), kept = false;
    uint32_t moved = wrote ? hint_move(c, call->hash) : 0;
    if (r->status == STORE_OK && wrote)
        kept = fill(call, call->blob, call->hint + moved);
    else if (r->status == STORE_CONFLICT)
        kept = fill(call, r->blob, call->hint);
    if (!kept && wrote)
        remove_entry(c, call->customer, call->hash);
    else if (!kept)
        drop_marker(call);
    tell(call, r);
}

/* ---- the store's calls ---- */

static void cache_read(struct store *store, struct str customer, const struct id128 *record_id, int64_t deadline_us,
                       store_cb cb, void *user)
{
    struct near_cache *c = (struct near_cache *)store;
    struct call *call = call_new(c, customer, (struct str){0}, cb, user);
    mark(call, false);
    store_read(c->inner, customer, record_id, deadline_us, on_read, call);
}

static void cache_commit(struct store *store, const struct store_commit *commit, int64_t deadline_us, store_cb cb, void *user)
{
    struct near_cache *c = (struct near_cache *)store;
    struct call *call = call_new(c, commit->customer, commit->blob, cb, user);
    if (commit->blob.n)
        mark(call, true);
    store_commit(c->inner, commit, deadline_us, on_commit, call);
}

static void cache_names(struct store *store, const struct str *names, size_t count, int64_t deadline_us, store_cb cb,
                        void *user)
{
    store_names(((struct near_cache *)store)->inner, names, count, deadline_us, cb, user);
}

static void cache_secret(struct store *store, int64_t deadline_us, store_cb cb, void *user)
{
    store_secret(((struct near_cache *)store)->inner, deadline_us, cb, user);
}

static void cache_held(struct store *store, struct str customer, int64_t deadline_us, store_cb cb, void *user)
{
    store_held(((struct near_cache *)store)->inner, customer, deadline_us, cb, user);
}

static void cache_dictionary(struct store *store, int64_t deadline_us, store_cb cb, void *user)
{
    store_dictionary(((struct near_cache *)store)->inner, deadline_us, cb, user);
}

static bool cache_ready(const struct store *store)
{
    return store_ready(((const struct near_cache *)store)->inner);
}

static void cache_watch(struct store *store, const struct store_watcher *w)
{
    store_watch(((struct near_cache *)store)->inner, w);
}

/* When an entry of the watch that was lost, or of this one, was last known to be right; INT64_MIN: it is too old to say. */
static int64_t known_us(const struct near_cache *c, const struct entry *e)
{
    if (e->epoch == c->epoch && c->stats.watching)
        return c->options.now_us(c->options.ctx);
    return e->epoch + 1 == c->epoch ? c->lost_us : INT64_MIN;
}

static bool cache_cached(struct store *store, struct str customer, struct store_cached *out)
{
    struct near_cache *c = (struct near_cache *)store;
    uint64_t hash = hash_of(customer);
    struct entry **at = place_of(c, customer, hash), *e = *at;
    if (!e || !e->valid || e->hint != hint_now(c, hash)) {
        c->stats.misses++;
        return false;
    }
    int64_t known = known_us(c, e);
    if (known == INT64_MIN) {
        remove_at(c, at);
        c->stats.misses++;
        return false;
    }
    use_unlink(c, e);
    use_first(c, e);
    *out = (struct store_cached){.blob = {e->bytes + e->key_n, e->blob_n},
                                 .current = e->epoch == c->epoch && c->stats.watching,
                                 .known_us = known};
    c->stats.hits += out->current;
    c->stats.unverified += !out->current;
    return true;
}

static const struct store_ops cache_ops = {
    .read = cache_read,
    .commit = cache_commit,
    .names = cache_names,
    .secret = cache_secret,
    .held = cache_held,
    .dictionary = cache_dictionary,
    .ready = cache_ready,
    .watch = cache_watch,
    .cached = cache_cached,
};

/* ---- what the store tells ---- */

static void on_changed(void *user, struct str customer)
{
    struct near_cache *c = user;
    c->stats.changes++;
    if (customer.n)
        remove_entry(c, customer, hash_of(customer));
    else
        remove_all(c);
}

static void on_watching(void *user, bool on)
{
    struct near_cache *c = user;
    if (c->stats.watching && !on) {
        c->epoch++;
        c->lost_us = c->options.now_us(c->options.ctx);
        c->stats.losses++;
    }
    c->stats.watching = on;
}

/* ---- life ---- */

struct store *near_cache_new(struct store *inner, const struct near_cache_options *o)
{
    struct near_cache *c = calloc(1, sizeof *c);
    ASSERT(c != NULL);
    c->base.ops = &cache_ops;
    c->inner = inner;
    c->options = *o;
    c->epoch = UNWATCHED + 1;
    c->table_size = TABLE_LEAST;
    c->table = calloc(c->table_size, sizeof(struct entry *));
    ASSERT(c->table != NULL);
    store_watch(inner, &(struct store_watcher){c, on_changed, on_watching});
    return &c->base;
}

void near_cache_free(struct store **cache)
{
    struct near_cache *c = (struct near_cache *)*cache;
    *cache = NULL;
    if (!c)
        return;
    remove_all(c);
    free(c->table);
    for (struct call *call = c->all_calls, *next; call; call = next) {
        next = call->all_next;
        free(call->bytes);
        free(call);
    }
    free(c);
}

struct near_cache_stats near_cache_stats(const struct store *cache)
{
    return ((const struct near_cache *)cache)->stats;
}
