/* What a customer's state holds, as the policy declares it: attributes, signals with their properties, aggregates over
 * signals. Built once while a policy loads, then immutable; memory is the policy's arena.
 *
 * An aggregate is named by its canonical text, "sum(cart_add.price, 24h)", and lives in the blob under that name's id, so
 * two policies that ask for the same aggregate share its data, and one that is renamed or removed keeps its bytes until it is
 * asked for again.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_STATE_SCHEMA_H
#define TACT_STATE_SCHEMA_H
#include "base/arena.h"
#include "expr/value.h"
#include "state/names.h"

enum {
    SCHEMA_ATTRIBUTES_MAX = 4096,
    SCHEMA_SIGNALS_MAX = 1024,
    SCHEMA_PROPERTIES_MAX = 64, /* of one signal */
    SCHEMA_AGGREGATES_MAX = 4096
};
#define WINDOW_MIN_MS INT64_C(60000)            /* 1 minute */
#define WINDOW_MAX_MS (INT64_C(400) * 86400000) /* 400 days */

/* An attribute of the profile, a property of a signal, a field of the request's context. */
struct schema_field {
    struct str name;          /* "tier" */
    struct str path;          /* "profile.tier": its name in expressions and in the dictionary */
    uint32_t id;              /* dictionary id; 0 until schema_bind (attributes only) */
    uint8_t type;             /* VALUE_BOOL, VALUE_INT, VALUE_DOUBLE, VALUE_STRING or VALUE_TIMESTAMP */
    const struct str *domain; /* allowed strings, or NULL */
    size_t domain_count;
};

enum aggregate_kind {
    AGGREGATE_COUNT, /* events in the window: int */
    AGGREGATE_SUM,   /* of a number or int property in the window: double */
    AGGREGATE_LAST, /* a property of the latest event that has it, by (time, event id hash); unknown when none */
    AGGREGATE_LAST_AT, /* time of the latest event; also gives age */
    AGGREGATE_OPEN     /* cases (by key) opened and not closed, opened within the window: int */
};

struct schema_aggregate {
    struct str name; /* canonical text */
    uint32_t id;     /* dictionary id; 0 until schema_bind */
    enum aggregate_kind kind;
    uint32_t signal;                       /* index of the signal (that opens) */
    uint32_t property;                     /* of that signal; UINT32_MAX for count and last_at */
    uint32_t close_signal, close_property; /* open only */
    int64_t window_ms;                     /* count, sum, open */
    int64_t width_ms;                      /* of a bucket: window / 24, at least 1; count and sum */
    uint8_t type;                          /* of its value */
};

struct schema_signal {
    struct str name;
    struct schema_field *properties;
    size_t property_count;
    uint32_t *feeds; /* aggregates that an event of this signal changes */
    size_t feed_count;
};

struct schema {
    struct schema_field *attributes;
    size_t attribute_count;
    struct schema_signal *signals;
    size_t signal_count;
    struct schema_aggregate *aggregates;
    size_t aggregate_count;
    int64_t contact_horizon_ms; /* contacts older than this no limit looks at */
    /* by dictionary id, up to id_limit: index + 1 of the attribute or aggregate, 0 for neither */
    uint32_t id_limit;
    uint16_t *attribute_of_id, *aggregate_of_id;
    struct arena *arena;
};

void schema_init(struct schema *s, struct arena *arena);
/* Index, or -1. */
long schema_attribute(const struct schema *s, struct str name);
long schema_signal_find(const struct schema *s, struct str name);
long schema_property(const struct schema_signal *s, struct str name);

/* Finds the aggregate or adds it (name, type and width are filled in). Returns its index, or -1 past the limit or without
 * memory. */
long schema_aggregate_add(struct schema *s, const struct schema_aggregate *wanted);
/* Canonical text of an aggregate, in the schema's arena. */
struct str schema_aggregate_name(const struct schema *s, const struct schema_aggregate *a);

/* Visits every dictionary name that blobs of this schema need. */
void schema_each_name(const struct schema *s, void (*visit)(void *ctx, struct str name), void *ctx);
/* Fills in the ids. ERR_NOTFOUND when the dictionary lacks a name. */
int schema_bind(struct schema *s, const struct names *names, struct error *e) MUST_CHECK;

#endif
