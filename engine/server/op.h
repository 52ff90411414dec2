/* One call as a table of steps. A step does its work, sets op->step to the next one and returns MORE (go on),
 * PARK (a callback will resume) or DONE. All kinds of calls share the steps; what differs is in four
 * functions a kind (struct op_methods).
 *
 *                    +--------------- LOAD <-- UNCERTAIN with time left, or EXISTS ----+
 *                    v                       ^                                         |
 *   DECODE -> TURN -> (LOAD) -> APPLY -> COMMIT -> SETTLE -> LOG -> LOGGED -> ANSWER   |
 *                                 ^                  |  \______________________________/
 *                                 +---- CONFLICT ----+         (any step may FAIL -> DONE)
 *
 * Export goes from LOAD over GATHER, which reads what is kept beside the person's other ids and the dictionary, to APPLY. Forget
 * goes from APPLY over ERASE, for these ids, to COMMIT. Of a person who was forgotten APPLY refuses what would be kept
 * (ERR_FORGOTTEN).
 *
 * Where the id turns out to lead to another customer, APPLY goes there: to LOAD with that customer's turn, by way of MERGE when
 * more than one step or a merge under way is in between (merging.h). Merge itself goes DECODE, TURN, MERGE, LOG.
 *
 * Where limits look at the customer's household, APPLY goes to HOUSEHOLD and comes back, and COMMIT to JOIN (op_household.h).
 *
 * Calls of one customer that wait behind one that is about to write are folded into its write (fold.h): each is applied to what
 * the one before made of the state, and one compare-and-set takes them all. From LOG on every call goes its own way. The turn is
 * passed once all of them are handed to the log, so the log has a customer's writes in the order of their versions.
 *
 * Invariants: a store or log callback only stores its result and resumes. A call that parks is in exactly one
 * of: its customer's turn list, another's fold, the store's hands, the log's hands. APPLY may run many times and starts from
 * the blob each time. A write is never reported as not done unless the store said so.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_SERVER_OP_H
#define TACT_SERVER_OP_H
#include "decide/outcome_wire.h"
#include "decide/request_wire.h"
#include "server/export.h"
#include "server/worker.h"
#include <protobuf-c/protobuf-c.h>

#define OP_STEPS(X)                                                                                          \
    X(STEP_DECODE, op_step_decode)                                                                           \
    X(STEP_TURN, op_step_turn)                                                                               \
    X(STEP_LOAD, op_step_load)                                                                               \
    X(STEP_MERGE, op_step_merge)                                                                             \
    X(STEP_APPLY, op_step_apply)                                                                             \
    X(STEP_COMMIT, op_step_commit)                                                                           \
    X(STEP_SETTLE, op_step_settle)                                                                           \
    X(STEP_LOG, op_step_log)                                                                                 \
    X(STEP_LOGGED, op_step_logged)                                                                           \
    X(STEP_ANSWER, op_step_answer)                                                                           \
    X(STEP_GATHER, op_step_gather)                                                                           \
    X(STEP_ERASE, op_step_erase)                                                                             \
    X(STEP_HOUSEHOLD, op_step_household)                                                                     \
    X(STEP_JOIN, op_step_join)

enum { WORKER_FOLD_MAX = 64 }; /* calls in one write */

enum op_step {
#define X(name, function) name,
    OP_STEPS(X)
#undef X
        STEP_COUNT
};
enum step_result { STEP_MORE, STEP_PARK, STEP_DONE };

struct op;
struct turn;
struct merging;

struct op_methods {
    const ProtobufCMessageDescriptor *request;
    /* Checks the request against policy and limits; fills customer, writes, record_id and what the kind
     * needs. */
    int (*check)(struct op *op, struct error *e);
    /* From op->state (decoded from the blob): changes it, says in op->dirty whether it must be written. */
    int (*apply)(struct op *op, struct error *e);
    /* The log record's bytes, in the arena; NULL: nothing is logged. */
    int (*record)(struct op *op, struct str *out, struct error *e);
    int (*answer)(struct op *op, struct str *out, struct error *e);
};

/* The customer's household (op_household.h). */
struct household_part {
    char id_bytes[1 + DECIDE_CUSTOMER_MAX];
    struct str id;       /* as the store wants it; in id_bytes */
    struct buf blob;     /* as it was when the call was applied */
    struct buf fresh;    /* as this call wrote it */
    struct state state;
    const struct contact *before; /* the customer's contacts before the call was applied */
    uint32_t before_count;
    enum store_status status;
    bool wanted, loaded, used, dirty, answered;
    bool unknown; /* the store cannot be asked, or for none of that name */
    bool aside;   /* blob cannot be read */
    bool later;   /* blob has a later format */
};

struct op {
    unsigned magic;
    struct worker *worker;
    enum op_kind kind;
    enum op_step step;
    struct snapshot *snapshot;
    struct arena arena;
    struct arena_mark checked; /* where APPLY's memory begins */
    struct str request;
    ProtobufCMessage *message;
    int64_t started_us, deadline_us, now_ms;
    struct str customer; /* whose state it is; another than asked where that id leads there */
    struct str asked;
    struct merging *merging;
    uint32_t moves;
    uint64_t via; /* the merge by which the id asked for leads to the customer in one step; 0: not so */
    bool cached_will_do; /* the near cache's state is good enough (a write is checked by the store anyway) */
    bool from_cache;     /* the blob is the near cache's */
    bool degrades;       /* answers as well as it can when the store cannot be asked */
    bool writes; /* may change the customer: takes its turn */
    bool has_turn;
    struct turn *turn;
    struct op *next;                    /* in a turn's list, or the free list */
    struct op *folded, *fold_next;      /* those whose writes go with this one's, in order; the next such */
    struct op *all_next, *all_previous; /* in the worker's list of all its calls */
    struct op *ready_next;              /* in the worker's list of calls whose turn came */
    const struct id128 *record_id;
    /* what the store said */
    enum store_status store_status;
    char store_error[160];
    struct buf blob, recorded; /* copies */
    /* what APPLY made */
    struct state state;
    bool elsewhere;        /* nothing yet: the customer's id leads to another */
    bool recorded_kept;    /* `recorded` came from an id before this one */
    bool stateless;        /* the store cannot be asked, and nothing is known */
    bool unverified;       /* it cannot be asked; the blob is what was known a while ago */
    bool unreadable;       /* the blob: torn, foreign or of a later format; `state` is a new one */
    bool later_format;     /* that: a write would lose what a newer server knows */
    bool aside;            /* the commit under way sets it aside */
    bool dirty;         /* the state must be written */
    struct journey before; /* what was recorded of the journey before this write */
    bool record_wanted; /* record_bytes must be kept under record_id */
    struct str record_bytes;
    struct buf fresh;     /* the new blob */
    uint64_t new_version; /* 0: not written */
    struct household_part household;
    uint32_t reruns;
    bool uncertain;       /* an earlier write may have happened */
    int log_status;
    /* kinds' own */
    union {
        struct {
            struct decide_request request;
            struct id128 id;
            bool repeated;    /* answer is a recorded decision */
            struct str bytes; /* Decision */
            struct decision decision;
            struct decide_input input;
        } decide;
        struct {
            struct signal_batch batch;
            uint32_t applied;
        } signal;
        struct {
            struct outside_contact outside;
            bool repeated;
        } contact;
        struct {
            struct upsert changes;
            bool created;
        } upsert;
        struct {
            struct outcome outcome;
            struct str given; /* customer_id beside a handle: as asked then, or whom that is */
            struct handle handle;
            uint8_t scratch[HANDLE_MAX];
            struct str action; /* id, for the log */
            bool repeated;
        } record;
        struct forget {
            bool repeated;
            const struct identity *others; /* the person's other ids, of which nothing may be left either */
            uint32_t count, at;
            enum { OTHER_NEXT, OTHER_READ, OTHER_WRITTEN } asked; /* of the store, about the one at `at` */
        } forget;
        struct {
            struct export_names names;
            struct store_item *items;
            size_t item_count;
            const struct identity *others; /* the person's other ids, beside which something may be kept too */
            uint32_t count, at;
            bool known; /* they are */
        } export;
        struct {
            struct str from, to;
        } merge;
    };
    worker_done done;
    void *user;
    int64_t stage_ns[STEP_COUNT];
    enum op_step parked; /* the step that parked, and when */
    int64_t parked_ns;
};

enum { OP_MAGIC = 0x74616374 };

/* Runs steps until one parks or is done. */
void op_run(struct op *op);
/* Applies the call to the state in op->blob. */
int op_apply(struct op *op, struct error *e) MUST_CHECK;
/* The blob of what APPLY made, with a version of its own, in op->fresh; nothing when it changed nothing. */
int op_make_blob(struct op *op, struct error *e) MUST_CHECK;
/* By when one try at the store must be answered (a read: with time left to answer without, where that will do); and whether the
 * call's time is over. */
int64_t op_try_deadline(const struct op *op);
int64_t op_read_deadline(const struct op *op);
bool op_time_is_over(const struct op *op);
uint64_t op_new_version(struct op *op);

/* Turns (worker.c): true when it is this call's turn now; else it parks and op_run is called when it is. */
bool worker_take_turn(struct op *op);
void worker_pass_turn(struct op *op);
/* Leaves the turn that it has for that of another customer: as worker_take_turn. Of the same it keeps it. */
bool worker_change_turn(struct op *op, struct str customer);
/* The next call that waits for the turn of this one, which has it; NULL: none. And takes it out, or puts it back as the next. */
struct op *worker_waiting(const struct op *op);
void worker_take_waiting(struct op *op);
void worker_put_back(struct op *op, struct op *waiting);
void worker_op_over(struct op *op);
bool worker_stopped(const struct worker *w);
struct worker_stats *worker_stats_of(struct worker *w);
struct rng *worker_rng(struct worker *w);
const struct worker_config *worker_config_of(const struct worker *w);
const struct names *worker_names(const struct worker *w);

#include "server/op_common.h"

#endif
