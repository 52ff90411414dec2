/* The kinds of aggregates: one table of functions a way of keeping data. Internal to state.
 *
 * Payloads can be read without a definition: `def` may be NULL in get, put and merge, which serve the entries of other
 * policies too.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_STATE_AGGREGATE_KINDS_H
#define TACT_STATE_AGGREGATE_KINDS_H
#include "state/aggregate.h"

struct aggregate_event {
    int64_t time_ms;
    uint16_t rank;      /* high bits of the event id's hash */
    bool closes;
    int week_hour;
    struct value value; /* of the source's property; VALUE_UNKNOWN: the source has none */
};

struct aggregate_ops {
    /* One event, whose property, if its source has one, is known. */
    int (*apply)(const struct schema_aggregate *def, struct aggregate_state *a, const struct aggregate_event *e,
                 int64_t now_ms, struct arena *arena);
    /* Drops what counts no more at now; whether it dropped something. */
    bool (*prune)(const struct schema_aggregate *def, struct aggregate_state *a, int64_t now_ms);
    /* Whether prune may find something in a payload that is not decoded. */
    bool (*stale)(const struct schema_aggregate *def, struct str raw, int64_t now_ms);
    struct value (*value)(const struct schema_aggregate *def, const struct aggregate_state *a, int64_t now_ms);
    int64_t (*next_change)(const struct schema_aggregate *def, const struct aggregate_state *a, int64_t t_ms);
    /* The payload. get: ERR_CORRUPT, or ERR_NOSPACE when the arena is full. */
    void (*put)(struct buf *out, const struct aggregate_state *a);
    int (*get)(struct cursor *c, struct aggregate_state *a, struct arena *arena);
    /* Adds b to a: as if b's events had been applied to a too. Neither is pruned. */
    int (*merge)(struct aggregate_state *a, const struct aggregate_state *b, struct arena *arena);
};

const struct aggregate_ops *aggregate_ops(enum aggregate_kind kind);
/* The aggregate, decoded; NULL when it cannot be read or the arena is full. */
struct aggregate_state *aggregate_look(const struct state *s, size_t aggregate);
/* ERR_NOSPACE, ERR_CORRUPT; the source's filter has been asked. */
int aggregate_event(struct state *s, const struct schema_feed *feed, const struct signal *signal, int64_t now_ms) MUST_CHECK;
void aggregate_prune(const struct state *s, size_t aggregate, int64_t now_ms);
bool aggregate_empty(enum aggregate_kind kind, const struct aggregate_state *a);

/* ---- shared by the kinds ---- */

enum { AGGREGATE_ITEMS_MAX = 100000 }; /* that are read from one payload */

static inline int64_t ms_floor(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* The least bucket index that the window sees at now. */
static inline int64_t first_visible(const struct schema_aggregate *def, int64_t now_ms)
{
    return ms_floor(now_ms - def->window_ms, def->width_ms);
}

/* When bucket `index` leaves: first_visible passes it when now − window reaches (index + 1) × width. */
int64_t bucket_leaves(const struct schema_aggregate *def, int64_t index);
/* Saturating, so that no sequence of events can wrap a sum. */
static inline int64_t add_saturating(int64_t a, int64_t b)
{
    int64_t sum;
    if (__builtin_add_overflow(a, b, &sum))
        return a > 0 ? INT64_MAX : INT64_MIN;
    return sum;
}
/* Room for one more item of `size` bytes in a->items; doubles. */
bool items_grow(struct aggregate_state *a, size_t size, struct arena *arena);
/* Opens or closes a gap at `at`. */
void items_open(struct aggregate_state *a, uint32_t at, size_t size);
void items_drop(struct aggregate_state *a, uint32_t at, uint32_t n, size_t size);
/* Room for the items that fit in the cursor, each at least `least` bytes. ERR_CORRUPT past AGGREGATE_ITEMS_MAX, ERR_NOSPACE. */
int items_room(const struct cursor *c, struct aggregate_state *a, size_t least, size_t size, struct arena *arena);

bool never_stale(const struct schema_aggregate *def, struct str raw, int64_t now_ms);
bool always_stale(const struct schema_aggregate *def, struct str raw, int64_t now_ms);
/* The index of a payload that begins with its least one. */
bool ring_stale(const struct schema_aggregate *def, struct str raw, int64_t now_ms);

#endif
