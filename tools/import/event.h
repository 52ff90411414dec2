/* One line of a history, checked against the policy, as bytes for the way through temporary files, and applied to a state.
 *
 *   line --import_line--> bytes --import_event_head--> whose, when --import_event_apply--> state
 *
 * A line of JSON is {"upsert": UpsertRequest}, {"signal": SignalRequest}, {"record_contact": RecordContactRequest} or
 * {"record": RecordRequest}, as the wire has them; what a file of rejected lines has before that is passed over. It is of its
 * as_of_ms, else of the latest time_ms in it, else of the time that the caller says. A line is taken whole or not at all.
 *
 * A record names its decision by decision_id, or a contact that was imported by that contact's contact_id; a handle is a
 * server's and cannot be read here.
 *
 * Pure. The bytes hold dictionary ids and indices of the bound policy: they are for this process alone.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_TOOLS_IMPORT_EVENT_H
#define TACT_TOOLS_IMPORT_EVENT_H
#include "policy/policy.h"
#include "state/state.h"
#include "tact/v1/customers.pb-c.h"

/* What stands before a rejected line in the file of rejected ones: columns of a table, or members of an object. */
#define IMPORT_REJECTED_LINE "rejected_line"
#define IMPORT_REJECTED_BECAUSE "rejected_because"

/* Where a line stands. */
struct import_place {
    uint32_t file; /* of the import's */
    uint64_t line; /* from 1 */
    uint64_t offset;
};

enum { IMPORT_EVENT_CUSTOMER = 22 /* where in an event the customer's id is */ };

struct import_clock {
    int64_t default_ms; /* of lines that say no time */
    int64_t latest_ms;  /* none may be later */
};

/* Appends the line's event. scratch is the caller's to reset; what it holds is not needed after. ERR_INVALID: what is wrong. */
int import_line(struct str line, const struct policy *p, const struct import_clock *clock, const struct import_place *place,
                struct arena *scratch, struct buf *out, struct error *e) MUST_CHECK;
/* The same for a row of a table, made into a request (rows.h). time_ms 0: the clock's default. */
int import_upsert(const Tact__V1__UpsertRequest *m, int64_t time_ms, const struct policy *p, const struct import_clock *clock,
                  const struct import_place *place, struct arena *scratch, struct buf *out, struct error *e) MUST_CHECK;

/* Whose it is, and when it arrived: what grouping needs. */
struct import_key {
    uint64_t customer_hash;
    int64_t time_ms;
    struct str customer;
};
/* Of the event at p; gives the place of the next. The bytes are import_line's. */
static inline const uint8_t *import_event_key(const uint8_t *p, struct import_key *out)
{
    uint32_t size;
    uint16_t n;
    memcpy(&size, p, sizeof size);
    memcpy(&out->customer_hash, p + 4, sizeof out->customer_hash);
    memcpy(&out->time_ms, p + 12, sizeof out->time_ms);
    memcpy(&n, p + 20, sizeof n);
    out->customer = (struct str){(const char *)p + IMPORT_EVENT_CUSTOMER, n};
    return p + size;
}

struct import_event {
    struct import_place place;
    struct str customer;
    uint64_t customer_hash;
    int64_t time_ms;
    struct cursor rest;
};
/* The event at p, up to what its kind has; gives the place of the next. */
const uint8_t *import_event_head(const uint8_t *p, struct import_event *out);

/* Whether it grants a consent after which somebody who was forgotten may be known again. */
bool import_event_ends_forgotten(const struct import_event *event, int64_t forgotten_ms);

/* Applies it as a server that got it at its time; ids of events that `known` has seen are passed over. 1 applied, 0 a repeat;
 * ERR_NOTFOUND, ERR_NOSPACE, ERR_CORRUPT with a text: the state is then not to be used. */
int import_event_apply(const struct import_event *event, const struct policy *p, const struct state *known, struct state *s,
                       struct arena *scratch, struct error *e) MUST_CHECK;

#endif
