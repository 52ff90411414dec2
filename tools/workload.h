/* Reading a workload's folder as `tact simulate --workload` writes it (models/offline/r1.h): its lines as calls of
 * tact.v1, and its customers as the blobs that a server would keep, made by the same functions. For benchmarks and
 * tests. One thread.
 *
 *   customers.jsonl, requests.jsonl --workload_read--> calls --workload_customers--> a blob a customer
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_TOOLS_WORKLOAD_H
#define TACT_TOOLS_WORKLOAD_H
#include "decide/request_wire.h"

enum workload_kind { WORKLOAD_DECIDE, WORKLOAD_UPSERT, WORKLOAD_SIGNAL };

struct workload_call {
    enum workload_kind kind;
    struct str customer;
    int64_t as_of_ms;
    size_t line;        /* of the file, from 1 */
    struct str message; /* packed tact.v1 request */
};

struct workload_calls {
    struct workload_call *items;
    size_t count, capacity;
    size_t customers; /* of the file, skipped ones too; the lines of one stand together */
};

/* "/tact.v1.Decisions/Decide" and so on. */
const char *workload_path(enum workload_kind kind);

/* Which lines are wanted. */
struct workload_filter {
    void *ctx;
    bool (*keep)(void *ctx, struct str customer); /* whose; NULL: all. The others are skipped unread, which is much faster. */
    bool history;                                 /* what happened to customers only: no decisions */
};

/* The lines of a file, in the arena (items: freed by workload_calls_free). A line is {"upsert": {…}}, {"decide": {…}},
 * {"signal": {…}}, or a DecideRequest without that wrapper. ERR_IO, ERR_NOSPACE, or ERR_INVALID with file and line. */
int workload_read(struct workload_calls *out, const char *file, const struct workload_filter *filter,
                  struct arena *arena, struct error *e) MUST_CHECK;
void workload_calls_free(struct workload_calls *c);

struct workload_customers;

/* When a call arrives at a server: its as_of_ms, else the latest of its signals; INT64_MIN: neither is given. *earliest: the
 * least of all its times; INT64_MAX: none. */
int64_t workload_arrival(const struct workload_call *call, struct arena *scratch, int64_t *earliest);
/* Applies one call to a customer's state, as of arrival_ms; a decision counts by the contact that it books. 1: it changed the
 * state, which a server would write now; 0: it did not. ERR_INVALID: the
 * call does not fit the policy, and changed nothing. batch: which signals were rejected while others counted; NULL: one that
 * is wrong makes the call so. */
int workload_apply(const struct workload_call *call, int64_t arrival_ms, const struct policy *p, struct state *s,
                   struct arena *arena, struct signal_batch *batch, struct error *e) MUST_CHECK;

/* Applies the calls in order to customers never seen before, under a bound policy and without a model; decisions count by
 * the contacts that they book. Blobs are written as of each call's as_of_ms. The arena keeps them. */
int workload_customers_make(struct workload_customers **out, const struct policy *p,
                            const struct workload_calls *calls, struct arena *arena,
                            struct error *e) MUST_CHECK;
void workload_customers_free(struct workload_customers **c);
size_t workload_customers_count(const struct workload_customers *c);
/* In order of first appearance. */
struct str workload_customers_blob(const struct workload_customers *c, size_t index);
/* Empty for one that is not there. */
struct str workload_customers_find(const struct workload_customers *c, struct str customer);

#endif
