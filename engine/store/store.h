/* The asynchronous store: one customer's blob, records of decisions beside it, the dictionary of names, the
 * secret. Two implementations: Redis (redis_store.h) and a deterministic simulated one for tests
 * (sim_store.h).
 *
 * Contract of every call: arguments are copied before it returns; cb is called exactly once, later, on the
 * same thread, never from inside the call, at latest at the deadline (a timer's millisecond later). What a
 * reply points to is valid during the callback. A blob's bytes 1 to 8 are its version (little-endian u64,
 * never 0); the store reads nothing else of it. Freeing a store calls the callbacks of what is still open,
 * from inside the free; a callback may free its store.
 *
 *   key tact:{<id>}:s        the blob                        (`%` and `}` in an id are written %25 and %7D)
 *   key tact:{<id>}:h        a household's blob: where a customer's id is asked for, a household's is a NUL (STORE_HOUSEHOLD) and
 *                            its id; a customer's holds no NUL. What was set aside of it is under tact:{<id>}:hx.
 *   key tact:{<id>}:x        hash: what stood in the blob's place and could not be read, by its SHA-1 (text as it was; anything
 *                            else as DUMP gives it, under dump:<SHA-1>)
 *   key tact:{<id>}:d:<hex>  a decision's record, with a time to live; same slot as the blob
 *   key tact:{<id>}:r        list: the ids of these records, so that all can be found; goes with the last of them
 *   key tact:names           hash: name -> small id, append-only     tact:secret  32 random bytes, made once
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_STORE_STORE_H
#define TACT_STORE_STORE_H
#include "base/error.h"
#include "base/hash.h"
#include "base/str.h"
#include <stdint.h>

enum { STORE_VERSION_AT = 1, STORE_VERSION_BYTES = 8, STORE_SECRET_BYTES = 32 };
/* What a blob's key reads as when it holds something that is no text (a list, a hash): no blob is that short. */
#define STORE_FOREIGN "?"
enum { STORE_HOUSEHOLD = 0 };
enum { STORE_BLOB_MIN = STORE_VERSION_AT + STORE_VERSION_BYTES };
/* Past these a call is refused (STORE_REFUSED): bytes of a customer's id (at least 1), names a call, bytes a
 * name. */
enum { STORE_CUSTOMER_MAX = 1024, STORE_NAMES_MAX = 65536, STORE_NAME_MAX = 1024 };

enum store_status {
    STORE_OK,
    STORE_CONFLICT,    /* the version was another: nothing written; `blob` is the fresh one (empty: no such
                          customer) */
    STORE_EXISTS,      /* a record of this decision is there already: nothing written; `record` is it */
    STORE_UNAVAILABLE, /* certainly not done */
    STORE_UNCERTAIN,   /* a deadline or a broken connection: done or not, nobody knows */
    STORE_REFUSED      /* not done: the store's own error (out of memory, read-only …) or a limit above; see
                          `error` */
};
const char *store_status_name(enum store_status s);

/* What is kept of a customer beside the blob. */
enum store_item_kind { STORE_ITEM_RECORD, STORE_ITEM_ASIDE };
struct store_item {
    enum store_item_kind kind;
    struct str name; /* the record's id as 32 hexadecimal digits; what was set aside: its field in the x key */
    struct str value;
};

struct store_reply {
    enum store_status status;
    struct str blob;       /* empty: absent */
    struct str record;     /* empty: absent */
    const char *error;     /* for people; NULL when OK */
    const uint32_t *ids;   /* store_names: one a name; store_dictionary: of `names` */
    const struct str *names; /* store_dictionary */
    size_t name_count;
    const struct store_item *items; /* store_held, in no order */
    size_t item_count;
    const uint8_t *secret; /* store_secret */
};
typedef void (*store_cb)(void *user, const struct store_reply *reply);

struct store_commit {
    struct str customer;
    uint64_t expected; /* version that must be there; 0: none may be */
    struct str aside;  /* not empty: instead of a version, these very bytes (or STORE_FOREIGN) must be there; they are kept
                          under the customer's x key first */
    struct str blob;   /* the new blob, with its new version; empty: leave it, only write the record */
    int64_t blob_ttl_ms; /* the blob, and what this call sets aside, go so long after this write; 0: they stay */
    bool forget;         /* with a blob: all records go, and all that was ever set aside; `aside` is only compared */
    bool unchanged;      /* with an empty blob: `expected` must be the version all the same */
    const struct id128 *record_id; /* NULL: no record */
    struct str record;
    int64_t record_ttl_ms; /* at least 1 when there is a record, and the same for all of a customer's: past it they are not found
                              by store_held and forget */
};

/* What a near cache has of a customer's blob. */
struct store_cached {
    struct str blob; /* empty: no such customer; valid until the next call */
    bool current;    /* nobody else has changed it, as far as has been told */
    int64_t known_us; /* when it was known to be the store's; now when current */
};

/* Who wants to be told when somebody else changes what was read. */
struct store_watcher {
    void *user;
    /* The blob of a customer changed or went; customer.n 0: all may have. Once for what was read since it came on, at some time
     * after the change, maybe before the reply of a read that came earlier. The store's own writes need not be told. */
    void (*changed)(void *user, struct str customer);
    /* Off at first. Off: changes are not told any more, and some may not have been; on: they are, of what is read from now on. */
    void (*watching)(void *user, bool on);
};

struct store;
struct store_ops {
    void (*read)(struct store *s, struct str customer, const struct id128 *record_id, int64_t deadline_us,
                 store_cb cb, void *user);
    void (*commit)(struct store *s, const struct store_commit *c, int64_t deadline_us, store_cb cb,
                   void *user);
    void (*names)(struct store *s, const struct str *names, size_t count, int64_t deadline_us, store_cb cb,
                  void *user);
    void (*secret)(struct store *s, int64_t deadline_us, store_cb cb, void *user);
    void (*held)(struct store *s, struct str customer, int64_t deadline_us, store_cb cb, void *user);
    void (*dictionary)(struct store *s, int64_t deadline_us, store_cb cb, void *user);
    bool (*ready)(const struct store *s);
    void (*watch)(struct store *s, const struct store_watcher *w);
    /* NULL: it has no cache. */
    bool (*cached)(struct store *s, struct str customer, struct store_cached *out);
};
struct store {
    const struct store_ops *ops; /* first member of each implementation */
};

/* The blob and, when record_id is given, that decision's record, read together. deadline_us: clock_mono_us
 * (or the simulation's virtual time). */
static inline void store_read(struct store *s, struct str customer, const struct id128 *record_id,
                              int64_t deadline_us, store_cb cb, void *user)
{
    s->ops->read(s, customer, record_id, deadline_us, cb, user);
}

/* One atomic step: if a record is given and one is there: STORE_EXISTS. Else, if a blob is given and the
 * version there is not `expected` (or the bytes there are not `aside`): STORE_CONFLICT. Else writes blob and record: STORE_OK. With an empty blob
 * only the record is written (if absent), whatever the version unless it must be `unchanged`. */
static inline void store_commit(struct store *s, const struct store_commit *c, int64_t deadline_us,
                                store_cb cb, void *user)
{
    s->ops->commit(s, c, deadline_us, cb, user);
}

/* Ids of names (at most 65,536 of at most 1,024 bytes a call), adding the missing ones; ids count from 1 and
 * never change. */
static inline void store_names(struct store *s, const struct str *names, size_t count, int64_t deadline_us,
                               store_cb cb, void *user)
{
    s->ops->names(s, names, count, deadline_us, cb, user);
}

/* The secret that all servers share (for signing handles), made at the first call. */
static inline void store_secret(struct store *s, int64_t deadline_us, store_cb cb, void *user)
{
    s->ops->secret(s, deadline_us, cb, user);
}

/* Everything that is kept of a customer, read in one step: the blob, records, what was set aside. For rare calls. */
static inline void store_held(struct store *s, struct str customer, int64_t deadline_us, store_cb cb, void *user)
{
    s->ops->held(s, customer, deadline_us, cb, user);
}

/* All names with their ids, in no order, to read what other servers' policies named. For rare calls. */
static inline void store_dictionary(struct store *s, int64_t deadline_us, store_cb cb, void *user)
{
    s->ops->dictionary(s, deadline_us, cb, user);
}

/* Whether a call made now has a connection to go to. */
static inline bool store_ready(const struct store *s)
{
    return s->ops->ready(s);
}

/* Tells w, which is copied, from now on; once only. From the loop, never from inside a call. */
static inline void store_watch(struct store *s, const struct store_watcher *w)
{
    s->ops->watch(s, w);
}

/* What is known of a customer without asking; false: nothing. */
static inline bool store_cached(struct store *s, struct str customer, struct store_cached *out)
{
    return s->ops->cached && s->ops->cached(s, customer, out);
}

#endif
