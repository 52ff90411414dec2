/* What a customer's state holds, as the policy declares it: attributes, signals with their properties, aggregates over
 * signals with the filters of their events. Built once while a policy loads, then immutable; memory is the policy's arena.
 *
 * An aggregate is named by its canonical text, "sum(cart_add.price, 24h)", and lives in the blob under that name's id, so
 * two policies that ask for the same aggregate share its data, and one that is removed keeps its bytes until it is asked for
 * again. Another window is another aggregate: it starts empty, and says since when it counts (coverage.h).
 *
 * Renaming. What is renamed says what it was called before (`was`, the latest first), and the store goes on knowing it by the
 * oldest of these: ids are for good, names are for people. `tier: {was: level}` lives under the id of "profile.level"; where
 * basket_add was cart_add, "sum(basket_add.price, 24h)" lives under that of "sum(cart_add.price, 24h)". So
 *   - servers of the old and the new policy read and write the same entries: each sees at once what the other writes, nothing
 *     is copied, nothing counts twice, and going back to the old policy loses nothing;
 *   - requests may use any of the names, the policy's own texts only the new one;
 *   - `was` stays in the policy for as long as anybody's data is to be found by it: without it the thing is a new one.
 * What lies under another of the names listed is joined to the rest when it is read, and moved there at the next write
 * (former.h): of an attribute what was set later, of aggregates the union. So where `was` was forgotten at first and data came
 * to lie under the new name too, the list has that as well: `tier: {was: [tier, level]}`. A name that is not listed is never
 * looked at: it may have been that of something else, which an old server still writes.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_STATE_SCHEMA_H
#define TACT_STATE_SCHEMA_H
#include "base/arena.h"
#include "expr/expr.h"
#include "state/names.h"

enum {
    SCHEMA_ATTRIBUTES_MAX = 4096,
    SCHEMA_SIGNALS_MAX = 1024,
    SCHEMA_PROPERTIES_MAX = 64, /* of one signal */
    SCHEMA_AGGREGATES_MAX = 4096,
    SCHEMA_WAS_MAX = 8 /* earlier names of one thing */
};
#define WINDOW_MIN_MS INT64_C(60000)            /* 1 minute */
#define WINDOW_MAX_MS (INT64_C(400) * 86400000) /* 400 days */

/* What something was called before. */
struct schema_was {
    struct str *names; /* the latest first; may hold the present one, and nothing else's */
    struct str *paths; /* of attributes and signals: the same as the dictionary has them, "profile.level" */
    size_t count;
};

/* An attribute of the profile, a property of a signal, a field of the request's context. */
struct schema_field {
    struct str name;          /* "tier" */
    struct str path;          /* "profile.tier": its name in expressions and, unless it was renamed, in the dictionary */
    struct schema_was was;
    uint32_t id;              /* dictionary id; 0 until schema_bind (attributes only) */
    uint8_t type;             /* VALUE_BOOL, VALUE_INT, VALUE_DOUBLE, VALUE_STRING or VALUE_TIMESTAMP */
    const struct str *domain; /* allowed strings, or NULL */
    size_t domain_count;
    bool ranged; /* a number or int from least to most */
    double least, most;
    bool sentiment; /* a property: how the customer feels, -1 to 1; all of them make up the mood */
};

enum aggregate_kind {
    AGGREGATE_COUNT,   /* events in the window, or those that have a property: int */
    AGGREGATE_SUM,     /* of a number or int property in the window: double */
    AGGREGATE_MIN,     /* the least of a number or int property in the window; unknown when none; MAX alike */
    AGGREGATE_MAX,
    AGGREGATE_LAST,    /* a property of the latest event that has it; unknown when none */
    AGGREGATE_LAST_AT, /* time of the latest event; also gives age */
    AGGREGATE_OPEN,    /* cases (by key) opened and not closed, opened within the window: int */
    AGGREGATE_KEYS,    /* events of the window by a property's value; gives distinct (int) and repeats (int) */
    AGGREGATE_DECAYED, /* sum of 2^(-age / half-life), of a property's value times that: double */
    AGGREGATE_MOOD,    /* the same of a sentiment over the larger of 1 and the sum of weights: double */
    AGGREGATE_TOP,     /* the keys of a property by decayed weight; gives top (string) and affinity (double) */
    AGGREGATE_HOURS,   /* events of the window by hour of the customer's week; gives hour_affinity (double) */
    AGGREGATE_KINDS
};

/* Where an aggregate's events come from. */
struct aggregate_source {
    uint32_t signal;
    uint32_t property; /* of that signal; UINT32_MAX: none */
    uint32_t filter;   /* of that signal (schema_signal.filters); UINT32_MAX: every event */
    bool closes;       /* open only: the event closes the case */
};

struct schema_aggregate {
    struct str name;       /* canonical text */
    struct schema_was was; /* the same with earlier names of its signals and properties; the last is the dictionary's */
    uint32_t id;           /* dictionary id; 0 until schema_bind */
    enum aggregate_kind kind;
    int64_t window_ms;    /* COUNT, SUM, MIN, MAX, OPEN, KEYS, HOURS */
    int64_t width_ms;     /* of a bucket: window / 24, at least 1; of HOURS window / 4 */
    int64_t half_life_ms; /* DECAYED, MOOD, TOP: whole minutes */
    uint8_t type;         /* of its value, of TOP and KEYS of what top and distinct give */
};

/* Which events of a signal an aggregate counts: true for those it does. */
struct schema_filter {
    struct str text;            /* canonical */
    struct str was[SCHEMA_WAS_MAX]; /* the same with the earlier names of signal and properties; [schema_signal_depth] */
    expr_id when;               /* of the signal's program */
};

/* What an event feeds. */
struct schema_feed {
    uint32_t aggregate, property, filter; /* as in struct aggregate_source */
    bool closes;
};

struct schema_signal {
    struct str name;
    struct str path; /* "signal.cart_add": its name in the dictionary, unless it was renamed */
    struct schema_was was;
    uint32_t id;     /* 0 until schema_bind, or where no touch points are kept */
    bool quiet;      /* its events are no touch points */
    struct schema_field *properties;
    size_t property_count;
    struct schema_feed *feeds;
    size_t feed_count;
    /* Filters see the event alone, never the customer or the clock, so that the order of arrival does not matter. Slots are
     * the properties and the channel: slot k is property slots[k], or SCHEMA_CHANNEL. program: NULL without filters. */
    struct expr_program *program;
    uint32_t *slots;
    struct schema_filter *filters;
    size_t filter_count;
    uint32_t negative; /* which of its events are bad moments: a filter, UINT32_MAX (all), or SIGNAL_NEVER_NEGATIVE */
};
#define SCHEMA_CHANNEL UINT32_MAX
#define SIGNAL_NEVER_NEGATIVE (UINT32_MAX - 1)

/* An id under which data of something may lie besides its own. */
struct schema_former {
    uint32_t id;
    enum { FORMER_ATTRIBUTE, FORMER_AGGREGATE, FORMER_SIGNAL } what;
    uint32_t index;
};

struct schema {
    struct schema_field *attributes;
    size_t attribute_count;
    struct schema_signal *signals;
    size_t signal_count;
    struct schema_aggregate *aggregates;
    size_t aggregate_count;
    int64_t contact_horizon_ms; /* contacts older than this no limit looks at */
    bool keeps_touches; /* the policy has a journey */
    bool reactions_by_action, reactions_by_group; /* some expression asks how the customer took them */
    /* by dictionary id, up to id_limit: index + 1 of the attribute or aggregate, 0 for neither */
    uint32_t id_limit;
    uint16_t *attribute_of_id, *aggregate_of_id;
    struct schema_former *formers; /* of what was renamed; mostly none */
    size_t former_count;
    struct str coverage; /* the ids of its aggregates, as blobs hold them (coverage.h) */
    struct arena *arena;
};

void schema_init(struct schema *s, struct arena *arena);
/* Index, or -1. */
long schema_attribute(const struct schema *s, struct str name);
long schema_signal_find(const struct schema *s, struct str name);
long schema_property(const struct schema_signal *s, struct str name);
/* The same by any name that it has or had: of what comes from outside. */
long schema_attribute_told(const struct schema *s, struct str name);
long schema_signal_told(const struct schema *s, struct str name);
long schema_field_told(const struct schema_field *fields, size_t count, struct str name);
bool schema_was_called(const struct schema_was *was, struct str name);
/* The name of age 0 (now), 1 (before) and so on; the oldest when there are not so many. */
struct str schema_name_at(struct str name, const struct schema_was *was, size_t age);
/* How many earlier names a signal or a property of it has at most. */
size_t schema_signal_depth(const struct schema_signal *s);

/* An aggregate that is wanted. span_ms: its window or half-life, by kind; 0 for LAST and LAST_AT. word: the name it has
 * instead of the text made of its sources ("mood": it stays the same aggregate when a policy adds a signal to it), or NULL. */
struct aggregate_spec {
    enum aggregate_kind kind;
    int64_t span_ms;
    const struct aggregate_source *sources;
    size_t source_count; /* at least 1 */
    const char *word;
};

/* Finds the aggregate or adds it (name, type and width are filled in). Returns its index, or -1 past the limit or without
 * memory. */
long schema_aggregate_add(struct schema *s, const struct aggregate_spec *wanted);
/* The filter of a signal by its canonical text, added when it is new (it is copied, its texts are not): its index, or -1
 * without memory. */
long schema_filter_add(struct schema *s, uint32_t signal, const struct schema_filter *wanted);
/* Canonical text of an aggregate with its sources' names of that age, in the schema's arena; a text over NAME_MAX_BYTES ends in
 * a hash of it. */
struct str schema_aggregate_name(const struct schema *s, const struct aggregate_spec *a, size_t age);
/* Whether kind is over a window (else over a half-life, or over all events). */
bool aggregate_windowed(enum aggregate_kind kind);
bool aggregate_decays(enum aggregate_kind kind);

/* Visits every dictionary name that blobs of this schema need; earlier ones among them. */
void schema_each_name(const struct schema *s, void (*visit)(void *ctx, struct str name), void *ctx);
/* Fills in the ids. ERR_NOTFOUND when the dictionary lacks a name. */
int schema_bind(struct schema *s, const struct names *names, struct error *e) MUST_CHECK;

#endif
