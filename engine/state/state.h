/* One customer's state: decoded form, blob codec, and the pure functions that change it.
 *
 *   blob --state_decode--> struct state --state_apply, state_contact_…, state_set_…--> struct state --state_encode--> blob   (codec.h)
 *
 * A decoded state lives in one request's arena. Everything that changes it takes `now` as an argument and does no I/O.
 *
 * Blob (format 2), all integers little-endian or varint (LEB128; s: zigzag):
 *   u8 format | u64 version | u32 checksum | entries
 *   entry = varint kind + 32 × id | varint length | payload
 *   version   unique a write: milliseconds << 22 | 22 random bits; never 0
 *   checksum  low half of XXH3-64 of the entries with seed version ^ format
 * Kinds and payloads stand in codec.h and in the files of the aggregates. Entries are in order of (kind, id). Every payload
 * can be read without the policy that asked for it, so any server can merge, export and expire what another policy keeps.
 * What this policy has no name for is kept and written back: servers with an older and a newer policy share a store. An
 * attribute, or a last, whose value has another type than this policy declares is unknown here until it is set anew.
 * Blobs of format 1 (codec_v1.h) are read, and written as format 2.
 *
 * Aggregates are decoded when they are first looked at; one that nobody touched is written back as it was read. Bytes that
 * were damaged on the way fail the checksum, and the whole blob is ERR_CORRUPT. An aggregate that cannot be read all the
 * same (a writer's mistake) is unknown (unreadable), and no event can be applied to it (ERR_CORRUPT), so that it is never
 * overwritten.
 *
 * Order of arrival does not matter for any aggregate: sums are 64-bit fixed point (10^-4), last is by (event time, 16 bits of
 * the event id's hash, value), cases keep the latest opening and closing, decayed sums agree to 1e-9. Events older than an
 * aggregate's window do not change it. (Order can matter past STATE_CASES_MAX cases, past STATE_TOP_MAX keys of a top, and
 * where a sum leaves 64 bits.) Duplicates are known by the 64-bit hash of their event id for an hour of arrival time and at
 * least the last 16, at most the last 4,096 events.
 *
 * An aggregate that a policy added later has `since`: it counts what happened from then on. The same where servers with a
 * policy that lacks it took the customer's events for a while (coverage.h).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_STATE_STATE_H
#define TACT_STATE_STATE_H
#include "base/arena.h"
#include "base/hash.h"
#include "state/schema.h"

enum {
    STATE_FORMAT = 2,
    STATE_BLOB_MAX = 1024 * 1024,
    STATE_SEEN_LEAST = 16,
    STATE_SEEN_MOST = 4096,
    STATE_CONTACTS_MAX = 1000, /* a customer; past it no further contact is accepted (ERR_NOSPACE) */
    STATE_CONSENTS_MAX = 256,
    STATE_CASES_MAX =
        64, /* cases an aggregate keeps; past it closed ones go first, then those opened first */
    STATE_CELLS_MAX = 64, /* (bucket, key) pairs a KEYS aggregate keeps: the latest; past it, it counts those only */
    STATE_TOP_MAX = 16,   /* keys of a TOP aggregate */
    STATE_KEY_MAX = 64,   /* bytes of such a key; longer ones are told apart by their first 64 */
    STATE_TOUCHES_MAX = 16,
    STATE_IMPORTS_MAX = 8, /* bulk imports that are remembered for each id of a customer: the latest (imports.h) */
    STATE_IMPORTS_MOST = 512, /* of all ids together */
    STATE_IDENTITIES_MAX = 256, /* merges that one customer may come of; past it no further one is accepted */
    STATE_TEXT_MAX = 1024 /* bytes of a string attribute or property */
};
#define STATE_SEEN_MS INT64_C(3600000)
#define STATE_STALE_MS WINDOW_MAX_MS /* what no policy has asked for so long is dropped */
#define STATE_AHEAD_MS INT64_C(300000) /* events may lie this far ahead of now */
#define STATE_NUMBER_MAX 1e12          /* magnitude of numbers in signals and attributes */
#define STATE_SUM_SCALE 10000          /* fixed point of sums */

struct bucket {
    int64_t index; /* floor(event time / width); of HOURS that × 168 + the hour of the customer's week */
    union {
        int64_t value; /* events, or sum × STATE_SUM_SCALE */
        double number; /* MIN, MAX */
    };
};

struct open_case {
    uint64_t key;                 /* hash of the case's key */
    int64_t opened_ms, closed_ms; /* latest of each; INT64_MIN: never */
};

struct key_cell {
    int64_t index; /* floor(event time / width) */
    uint32_t key;  /* hash of the property's value */
    uint32_t count;
};

struct top_key {
    struct str key;
    double weight; /* at last_ms */
};

/* One aggregate's data; which members count depends on its kind. All zero: nothing. */
struct aggregate_state {
    struct str raw;             /* payload as it was read; p NULL: none */
    bool decoded;               /* the members below say what raw says */
    bool changed;               /* they say something newer */
    bool damaged;               /* raw cannot be read */
    uint16_t rank;              /* LAST: of the event */
    uint32_t half_life_min;     /* DECAYED, MOOD, TOP */
    uint32_t count, capacity;   /* of the items; LAST, LAST_AT, DECAYED, MOOD: 1 when there is something */
    union {
        void *items;
        struct bucket *buckets;  /* by index, ascending */
        struct open_case *cases; /* by (opened, key), ascending */
        struct key_cell *cells;  /* by (index, key), ascending */
        struct top_key *keys;    /* by key, ascending */
    };
    int64_t last_ms; /* LAST, LAST_AT: of the event; DECAYED, MOOD, TOP: the latest event, to which weights are relative */
    union {
        struct value last;
        struct {
            double sum, weight; /* DECAYED, MOOD: Σ value × w and Σ w at last_ms; TOP: weight */
        };
    };
    int64_t since_ms; /* it counts events from then on; 0: it missed nothing */
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

/* What a person asked for (preferences.h). A part was set or taken back at its _ms; 0: never. */
struct preferences {
    int64_t channel_ms, quiet_ms, pause_ms, less_ms;
    uint32_t channel;             /* dictionary id; 0: none */
    int16_t quiet_from, quiet_to; /* minutes of the local day; PREFERENCE_NO_QUIET: none */
    int64_t paused_until_ms;      /* 0: no pause */
    uint32_t less_at_most;        /* contacts in any less_per_ms; less_per_ms 0: as often as the policy says */
    int64_t less_per_ms;
};

/* Stages and touch points (journey.h); ids of the dictionary. */
struct journey {
    uint32_t stage, previous; /* 0: none */
    int64_t entered_ms;
};
struct touch {
    int64_t second; /* since 1970 */
    uint32_t id, channel;
};

/* A bulk import that the customer has had (imports.h). */
struct import_done {
    uint64_t mark;
    uint32_t day; /* since 1970, until which its history goes */
};

/* Where an id leads that is another customer's, and another id of this customer (identity.h). */
struct redirect {
    struct str target; /* empty: nowhere, the id is a customer's own */
    uint64_t merge;
    bool under_way; /* the rest of the state is not yet in the target's */
};
struct identity {
    uint64_t merge;
    int64_t time_ms; /* of the merge */
    struct str id;   /* empty: not kept */
};

/* An entry that this policy has no name for. */
struct raw_entry {
    uint64_t tag; /* see codec.h */
    struct str payload;
};

/* An attribute that this policy has no name for, or declares with another type. */
struct kept_attribute {
    uint32_t id;
    struct value value;
    int64_t time_ms;
};

struct state {
    const struct schema *schema;
    struct arena *arena;
    bool exists;                        /* there is a blob, and it is no tombstone */
    uint64_t version;                   /* of the blob it was read from; 0: none */
    struct value *attributes;           /* [schema->attribute_count]; VALUE_UNKNOWN where absent */
    int64_t *attribute_ms;              /* when it was set or removed; 0: never */
    struct aggregate_state *aggregates; /* [schema->aggregate_count] */
    struct contact *contacts;           /* by (time, decision id, action) ascending */
    uint32_t contact_count, contact_capacity;
    struct consent *consents; /* by (channel, purpose) */
    uint32_t consent_count, consent_capacity;
    struct preferences preferences;
    int64_t lost_ms; /* an earlier state could not be read then and was set aside (store.h); 0: never */
    int64_t forgotten_ms; /* the person was forgotten then, and this is a tombstone that holds nothing else; 0: it is none */
    struct journey journey;
    struct touch touches[STATE_TOUCHES_MAX]; /* by (second, id, channel) */
    uint32_t touch_count;
    struct reaction *reactions; /* by id (reactions.h) */
    uint32_t reaction_count, reaction_capacity;
    uint64_t *seen;         /* hashes of event ids, by arrival */
    uint32_t *seen_minutes; /* of arrival, rounded up, since 1970 */
    uint32_t seen_count, seen_capacity;
    struct import_done *imports; /* in the order in which they were made */
    uint32_t import_count, import_capacity;
    struct redirect redirect;
    struct identity *identities; /* by merge */
    uint32_t identity_count, identity_capacity;
    struct str coverage;    /* ids of the aggregates that the last writer of an event kept up (coverage.h) */
    struct raw_entry *kept; /* entries of other policies */
    uint32_t kept_count, kept_capacity;
    struct kept_attribute *kept_attributes; /* by id */
    uint32_t kept_attribute_count, kept_attribute_capacity;
};

/* An event about the customer, checked against the schema by the caller. */
struct signal {
    uint32_t index; /* of schema->signals */
    uint64_t event; /* hash of the event id */
    int64_t time_ms;
    const struct value *properties; /* [property_count]; VALUE_UNKNOWN where absent */
    struct str channel;             /* empty: not told */
    uint32_t channel_id;            /* of the dictionary; 0: not told */
    int week_hour; /* the hour of the customer's week at that time, 0 (Sunday 00:00) to 167 */
};

/* ---- changing ---- */

/* Applies one event: 1 applied, 0 seen before, ERR_NOSPACE when the arena is full, ERR_CORRUPT when it feeds an aggregate
 * that cannot be read. Forgets what no window can see at now. */
int state_apply(struct state *s, const struct signal *signal, int64_t now_ms) MUST_CHECK;
/* Remembers an id (of an outcome, say): 1 new, 0 seen before, ERR_NOSPACE. */
int state_see(struct state *s, uint64_t event, int64_t now_ms) MUST_CHECK;
/* Drops what no window, limit or duplicate check can look at any more; called before a state is written. */
void state_prune(struct state *s, int64_t now_ms);
/* Drops everything but the version. forgotten_ms: what is left is a tombstone; 0: the state of somebody never seen. */
void state_clear(struct state *s, int64_t forgotten_ms);
/* Whether this consent ends a tombstone: it was given after the forgetting. */
static inline bool consent_ends_forgotten(const struct consent *c, int64_t forgotten_ms)
{
    return c->granted && c->time_ms > forgotten_ms;
}
/* VALUE_UNKNOWN removes. Strings are copied. now_ms is remembered, or when it was set before if that is later by another
 * server's clock. ERR_NOSPACE. */
int state_set_attribute(struct state *s, size_t attribute, struct value v, int64_t now_ms) MUST_CHECK;
/* The same for a value that is known to be of time_ms: 1 set, 0 when the attribute was set or removed after that. */
int state_offer_attribute(struct state *s, size_t attribute, struct value v, int64_t time_ms) MUST_CHECK;
/* Keeps the newer of both; ties: withdrawn wins, then the source that sorts first. ERR_NOSPACE past STATE_CONSENTS_MAX. */
int state_set_consent(struct state *s, const struct consent *c) MUST_CHECK;
/* Adds a contact, dropping those older than the schema's horizon and lapsed reservations first. ERR_EXISTS when the decision
 * has a contact for this action; ERR_NOSPACE when STATE_CONTACTS_MAX are kept. */
int state_contact_add(struct state *s, const struct contact *c, int64_t now_ms) MUST_CHECK;
/* The contact of a decision (action 0: its first), or NULL. */
struct contact *state_contact_find(const struct state *s, struct id128 decision, uint32_t action);
/* By (time, decision, action). */
int state_contact_order(const struct contact *a, const struct contact *b);
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
