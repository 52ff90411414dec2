/* Customers' events into a store: blobs are built on several threads and written with a compare-and-set each, many at once.
 *
 *   customer --(read)--> BUILD (threads) --> COMMIT --> written
 *                          ^                  | another wrote meanwhile: the fresh blob comes back
 *                          +------------------+
 *
 * Customers are expected to be new and written blindly; where one turns out to be there, those after it are read first, until
 * that finds nobody for a while. So a first import costs one command a customer, and one that is run again costs a GET.
 *
 * Invariants: a customer is written whole, with the mark of the import, or not at all; what another wrote is never overwritten,
 * since its version is another; a customer is never under way twice. When the store is lost or refuses to write, nothing more is
 * begun and import_write returns why: run again, it goes on with those who lack the mark.
 *
 * One thread, the caller's, beside the builders.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_TOOLS_IMPORT_WRITE_H
#define TACT_TOOLS_IMPORT_WRITE_H
#include "state/names.h"
#include "tools/import/spread.h"

struct import_store;

enum { IMPORT_CONNECT_MS = 30000, IMPORT_CONFLICTS_MAX = 100, IMPORT_MOVES_MAX = 256 };

/* Waits until the store serves. ERR_UNAVAILABLE says why it does not: not reachable, or one that a server refuses too. */
int import_store_open(struct import_store **out, const char *url, struct error *e) MUST_CHECK;
void import_store_close(struct import_store **s);
/* Asks the store for the ids of these names and adds them. */
int import_store_names(struct import_store *s, const struct str *list, size_t count, struct names *names,
                       struct error *e) MUST_CHECK;

struct import_counts {
    uint64_t customers, created; /* written; those of them that were not there */
    uint64_t before;             /* customers passed over that have this import */
    uint64_t events, events_before;
    uint64_t conflicts; /* others wrote meanwhile */
    uint64_t blob_bytes;
};

struct import_writing {
    const struct policy *policy;
    uint64_t content;
    int64_t until_ms;
    size_t threads;
    void *ctx;
    void (*refused)(void *ctx, const struct import_place *place, const char *why);
    void (*written)(void *ctx); /* after some customers */
};
struct import_writer;
struct import_writer *import_writer_new(struct import_store *s, const struct import_writing *w);
void import_writer_free(struct import_writer **w);
const struct import_counts *import_writer_counts(const struct import_writer *w);
/* Writes all customers of a group. */
int import_write(struct import_writer *w, const struct spread_group *g, struct error *e) MUST_CHECK;

#endif
