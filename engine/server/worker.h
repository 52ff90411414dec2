/* A worker: one thread's worth of deciding. It takes calls of tact.v1 as bytes and answers with bytes, over
 * an asynchronous store and log, and knows neither sockets nor loops nor clocks: the server gives it Redis,
 * the log's thread and the machine's clock; a simulation gives it virtual ones.
 *
 *   worker_submit(kind, bytes) --> steps (op.h) --> done(status, bytes)
 *
 * Calls that change a customer take turns: a worker never races with itself, only with other servers, through
 * the store's compare-and-set.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_SERVER_WORKER_H
#define TACT_SERVER_WORKER_H
#include "base/hist.h"
#include "base/rng.h"
#include "decide/handle.h"
#include "net/grpc_server.h"
#include "server/sink.h"
#include "server/snapshot.h"
#include "store/store.h"

enum {
    WORKER_OPS_MAX = 20000,      /* calls under way; more are RESOURCE_EXHAUSTED */
    WORKER_RERUNS_MAX = 64,      /* times a call runs again because the customer changed; then ABORTED */
    WORKER_ARENA_MAX = 16 << 20, /* memory of one call */
    WORKER_TURN_BUCKETS = 4096,
    WORKER_SHADOWS_MAX = 32, /* bundles of entries that are counted as shadows */
    WORKER_TIME_DEFAULT_MS = 2000 /* a call without a deadline */
};
#define WORKER_RECORD_TTL_MS INT64_C(86400000) /* how long a recorded decision answers repeats */

struct worker_clock {
    void *ctx;
    int64_t (*wall_ms)(void *ctx);
    int64_t (*mono_us)(void *ctx); /* the store's deadlines count on it */
};

/* What a call is: its name in counts, its path. */
#define OP_KINDS(X)                                                                                          \
    X(OP_DECIDE, "decide", "/tact.v1.Decisions/Decide")                                                      \
    X(OP_SIGNAL, "signal", "/tact.v1.Customers/Signal")                                                      \
    X(OP_UPSERT, "upsert", "/tact.v1.Customers/Upsert")                                                      \
    X(OP_GET, "get", "/tact.v1.Customers/Get")                                                               \
    X(OP_CONTACT, "contact", "/tact.v1.Customers/RecordContact")                                             \
    X(OP_MERGE, "merge", "/tact.v1.Customers/Merge")                                                         \
    X(OP_RECORD, "record", "/tact.v1.Outcomes/Record")                                                      \
    X(OP_FORGET, "forget", "/tact.v1.Customers/Forget")                                                      \
    X(OP_EXPORT, "export", "/tact.v1.Customers/Export")
enum op_kind {
#define X(kind, name, path) kind,
    OP_KINDS(X)
#undef X
        OP_KIND_COUNT
};
const char *op_kind_name(enum op_kind k);
const char *op_kind_path(enum op_kind k);

struct worker_config {
    struct store *store;
    struct sink sink;
    struct worker_clock clock;
    const char *server; /* this server's name, at most HANDLE_SERVER_MAX bytes */
    uint64_t seed;      /* of ids and versions; unpredictable in production */
    bool allow_as_of;
    int64_t max_stale_us; /* of states that a decision may use when the store cannot be asked */
    bool ack_batched; /* calls that change state answer before their record is on disk */
    uint8_t secret[STORE_SECRET_BYTES];
};

/* What a shadow model of the line-up would have done. */
struct shadow_stats {
    char id[ID128_TEXT], name[64];        /* of its bundle */
    char entry[64];                       /* which it shadows; cut, and what is no letter, digit, . _ - is _ */
    uint64_t decisions, differ, failed;   /* differ: another best action, or silence instead of one */
    uint64_t candidates;
    double sum_abs;                       /* of differences of propensities */
    bool serves;                          /* in the line-up that serves; else another bundle may take its place */
    uint64_t used;                        /* uses of all shadows until its last one */
};

struct worker_stats {
    uint64_t ops[OP_KIND_COUNT], failed[OP_KIND_COUNT];
    uint64_t decisions_ok, chosen, suppressed[16]; /* by enum suppression_cause */
    uint64_t repeated, reruns, conflicts, uncertain, unlogged;
    uint64_t unverified, fail_safe; /* decisions without the store: on a state known before, on none */
    uint64_t merges; /* states of customers that became part of another's */
    uint64_t folded; /* calls whose write went with another's */
    uint64_t unreadable, set_aside; /* customers' states: times one could not be read; of these, set aside at a write */
    struct shadow_stats shadows[WORKER_SHADOWS_MAX];
    uint64_t shadow_uses, shadows_uncounted; /* by shadows that found no place among them */
    /* Decisions that were OK, from submit to done: those that only read, and those that wrote (a contact, signals) and so
     * waited for the store's compare-and-set and the log's disk. */
    struct hist *reads_ns, *writes_ns;
};

struct worker;
struct op;

/* names stays the caller's, outlives the worker, and may grow on the same thread. snapshot: taken. */
struct worker *worker_new(const struct worker_config *c, struct names *names, struct snapshot *snapshot_take);
/* Calls under way end without an answer (a killed server in a simulation): nobody may call back into them any
 * more. */
void worker_free(struct worker **w);

struct worker_result {
    int status;         /* enum grpc_status */
    const char *text;   /* when it is not OK */
    struct str message; /* the answer's bytes; valid during the callback */
};
typedef void (*worker_done)(void *user, const struct worker_result *r);

/* request stays valid until done. deadline_us on the worker's clock; INT64_MAX for none. done may be called
 * from inside. */
void worker_submit(struct worker *w, enum op_kind kind, struct str request, int64_t deadline_us,
                   worker_done done, void *user);

/* The store goes away now: calls under way and new ones end with UNAVAILABLE instead of asking it. */
void worker_stop(struct worker *w);

/* New calls use this snapshot (bound to the worker's names). NULL: no policy serves; calls get UNAVAILABLE.
 */
void worker_set_snapshot(struct worker *w, struct snapshot *snapshot_take);
/* Before the first call is decided: what handles are signed with. */
void worker_set_secret(struct worker *w, const uint8_t secret[STORE_SECRET_BYTES]);
struct snapshot *worker_snapshot(const struct worker *w);
const struct worker_stats *worker_stats(const struct worker *w);
uint32_t worker_ops(const struct worker *w); /* under way */

#endif
