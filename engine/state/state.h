/* One customer's state: decoded form, blob codec, and the pure functions that change it.
 *
 *   blob --state_decode--> struct state --state_apply, state_contact_…, state_set_…--> struct state --state_encode--> blob   (codec.h)
 *
 * A decoded state lives in one request's arena. Everything that changes it takes `now` as an argument and does no I/O.
 *
 * Blob, all integers little-endian or varint (LEB128; s: zigzag):
 *   u8 format (1) | u64 version (unique a write: milliseconds << 22 | 22 random bits; never 0) | entries
 *   entry = varint kind + 8 × id | varint length | payload
 *     kind 0 attribute id        type byte, value
 *     kind 1 aggregate id        by kind of aggregate, see codec.c
 *     kind 2 contacts            see codec.c
 *     kind 3 consents
 *     kind 4 event ids seen
 * Entries are in order of (kind, id). An entry whose kind or id this policy does not know is kept as it is and written
 * back, so that servers with an older and a newer policy share a store; so is an attribute, or a last, whose value has
 * another type than this policy declares, until it is set anew or removed. An entry that cannot be read is an error of the
 * whole blob (ERR_CORRUPT), which is then never overwritten.
 *
 * Order of arrival does not matter for counts, sums, last, last_at and open: sums are 64-bit fixed point (10^-4), last is by
 * (event time, event id hash), cases keep the latest opening and closing. Events older than an aggregate's window do
 * not change it. (Past STATE_CASES_MAX cases, and where a sum leaves 64 bits, order can matter.) Duplicates are known by the 64-bit hash of their event id for an hour of arrival time and at least
 * the last 16, at most the last 4,096 events.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_STATE_STATE_H
#define TACT_STATE_STATE_H
#include "base/arena.h"
#include "base/hash.h"
#include "state/schema.h"

enum {
    STATE_FORMAT = 1,
    STATE_BLOB_MAX = 1024 * 1024,
    STATE_SEEN_LEAST = 16,
    STATE_SEEN_MOST = 4096,
    STATE_CONTACTS_MAX = 1000, /* a customer; past it no further contact is accepted (ERR_NOSPACE) */
    STATE_CONSENTS_MAX = 256,
    STATE_CASES_MAX =
        64, /* cases an aggregate keeps; past it closed ones go first, then those opened first */
    STATE_TEXT_MAX = 1024 /* bytes of a string attribute or property */
};
#define STATE_SEEN_MS INT64_C(3600000)
#define STATE_AHEAD_MS INT64_C(300000) /* events may lie this far ahead of now */
#define STATE_NUMBER_MAX 1e12          /* magnitude of numbers in signals and attributes */
#define STATE_SUM_SCALE 10000          /* fixed point of sums */

struct bucket {
    int64_t index; /* floor(event time / width) */
    int64_t value; /* events, or sum × STATE_SUM_SCALE */
};

struct open_case {
    uint64_t key;                 /* hash of the case's key */
    int64_t opened_ms, closed_ms; /* latest of each; INT64_MIN: never */
};

/* One aggregate's data; which members count depends on its kind. */
struct aggregate_state {
    uint32_t count, capacity; /* buckets or cases */
    union {
        struct bucket *buckets;  /* by index, ascending */
        struct open_case *cases; /* by (opened, key), ascending */
    };
    int64_t last_ms; /* last, last_at; INT64_MIN: nothing yet */
    uint64_t last_event;
    struct value last;
};

enum contact_outcome {
    CONTACT_SENT = 1,
    CONTACT_IMPRESSION = 2,
    CONTACT_RESPONSE = 4,
    CONTACT_CONVERSION = 8,
    CONTACT_REJECTION = 16
};

struct contact {
    struct id128 decision;
    uint32_t action, channel, purpose, group, issue; /* dictionary ids */
    int64_t time_ms;
    int64_t expires_ms; /* a reservation nobody confirmed; 0: confirmed */
    uint32_t outcomes;  /* enum contact_outcome */
    int64_t value;      /* of conversions × STATE_SUM_SCALE */
};

struct consent {
    uint32_t channel, purpose; /* dictionary ids */
    bool granted;
    int64_t time_ms;
    struct str source;
};

struct seen_event {
    uint64_t hash;
    int64_t arrived_ms;
};

struct raw_entry {
    uint64_t tag; /* kind + 8 × id */
    struct str payload;
};

struct state {
    const struct schema *schema;
    struct arena *arena;
    bool exists;                        /* there is a blob */
    uint64_t version;                   /* of the blob it was read from; 0: none */
    struct value *attributes;           /* [schema->attribute_count]; VALUE_UNKNOWN where absent */
    struct aggregate_state *aggregates; /* [schema->aggregate_count] */
    struct contact *contacts;           /* by (time, decision id, action) ascending */
    uint32_t contact_count, contact_capacity;
    struct consent *consents; /* by (channel, purpose) */
    uint32_t consent_count, consent_capacity;
    struct seen_event *seen; /* by arrival */
    uint32_t seen_count, seen_capacity;
    struct raw_entry *kept; /* entries of other policies */
    uint32_t kept_count, kept_capacity;
};

/* An event about the customer, checked against the schema by the caller. */
struct signal {
    uint32_t index; /* of schema->signals */
    uint64_t event; /* hash of the event id */
    int64_t time_ms;
    const struct value *properties; /* [property_count]; VALUE_UNKNOWN where absent */
};

/* ---- changing ---- */

/* Applies one event: 1 applied, 0 seen before, ERR_NOSPACE when the arena is full. Forgets what no window can see at now. */
int state_apply(struct state *s, const struct signal *signal, int64_t now_ms) MUST_CHECK;
/* Remembers an id (of an outcome, say): 1 new, 0 seen before, ERR_NOSPACE. */
int state_see(struct state *s, uint64_t event, int64_t now_ms) MUST_CHECK;
/* Drops what no window, limit or duplicate check can look at any more; called before a state is written. */
void state_prune(struct state *s, int64_t now_ms);
/* VALUE_UNKNOWN removes. Strings are copied. */
int state_set_attribute(struct state *s, size_t attribute, struct value v) MUST_CHECK;
/* Keeps the newer of both; ties: withdrawn wins, then the source that sorts first. ERR_NOSPACE past STATE_CONSENTS_MAX. */
int state_set_consent(struct state *s, const struct consent *c) MUST_CHECK;
/* Adds a contact, dropping those older than the schema's horizon and lapsed reservations first. ERR_EXISTS when the decision
 * has a contact for this action; ERR_NOSPACE when STATE_CONTACTS_MAX are kept. */
int state_contact_add(struct state *s, const struct contact *c, int64_t now_ms) MUST_CHECK;
/* The contact of a decision (action 0: its first), or NULL. */
struct contact *state_contact_find(const struct state *s, struct id128 decision, uint32_t action);
void state_contact_remove(struct state *s, struct contact *c);

/* ---- reading (aggregates: aggregate.h) ---- */

/* 1 granted, 0 withdrawn, -1 unknown. */
int state_consent(const struct state *s, uint32_t channel, uint32_t purpose);
/* Whether a contact counts at an instant: confirmed, or reserved and not lapsed. */
static inline bool contact_counts(const struct contact *c, int64_t at_ms)
{
    return c->expires_ms == 0 || at_ms < c->expires_ms;
}

#endif
