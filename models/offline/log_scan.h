/* Reading a whole log as decoded records, for what works offline on decisions and outcomes: pass 1 gathers the dictionary
 * (all NamesRecords), pass 2 gives the records of the wanted kinds in the order of the segments. Damage is told and passed
 * over. One thread.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_OFFLINE_LOG_SCAN_H
#define TACT_OFFLINE_LOG_SCAN_H
#include "base/arena.h"
#include "log/log_reader.h"
#include "state/names.h"
#include "tact/v1/decisions.pb-c.h"
#include "tact/v1/log.pb-c.h"

struct log_scan {
    /* set by the caller; any may be NULL */
    int (*decision)(void *ctx, const Tact__V1__DecisionRecord *m, struct error *e); /* not 0 ends the scan */
    int (*outcome)(void *ctx, const Tact__V1__OutcomeRecord *m, struct error *e);
    void (*damage)(void *ctx, const char *text);                /* the rest of that segment is passed over */
    void (*progress)(void *ctx, uint64_t done, uint64_t total); /* bytes of both passes */
    void *ctx;
    /* while a callback runs */
    const struct log_reader *reader; /* for log_read_where */
    struct names *names;             /* the log's dictionary; given by the caller, or made for the scan */
    struct arena *work;              /* emptied after each record */
};

/* ERR_NOTFOUND (no such folder, no segment in it), ERR_INVALID (a file), ERR_IO, ERR_CONFLICT (two dictionaries in one log),
 * ERR_NOSPACE, or what a callback gave. */
int log_scan(struct log_scan *s, const char *folder, struct error *e) MUST_CHECK;

/* A message of its bytes, in the arena; NULL when they are none. */
ProtobufCMessage *log_message(const ProtobufCMessageDescriptor *type, const void *p, size_t n,
                              struct arena *arena);
/* A decision's request, about the customer whose state was decided on, whatever name it came with. */
Tact__V1__DecideRequest *log_request(const Tact__V1__DecisionRecord *m, struct arena *arena);

#endif
