/* Calls over signals in a policy's expressions, and the same as YAML (`features:`): what there is, what each takes, and
 * which aggregate of the schema and slot of the program it becomes. A path is a signal or a property, "cart_add.price".
 *
 *   count(signal or property …, window)        events in the window, or those that have the property
 *   sum, mean, min, max(number, window)        sum takes several
 *   last(property), last_at(signal …), age(signal …)
 *   open(property that opens, property that closes, window)
 *   distinct, repeats(property …, window)      values; events of the most frequent one
 *   share(signal or number, filter, window)    the part of the count or sum that passes the filter
 *   decayed(signal or number …, half-life)
 *   top(property …, half-life)                 the key with the largest decayed weight; half-life 30d when not given
 *   affinity(property …, action.x or 'text', half-life)  that key's part of the weight; a pair feature for action.x; 30d
 *   hour_affinity(signal …, window)            how inclined the customer is at this hour of the week; 180d when not given
 *   mood, mood(half-life), negative_moments(window)  over all signals with a sentiment (7d), or with `negative:`
 *
 * All but open, mood and negative_moments take a filter as well, an expression over the event's own properties and channel:
 * sum(item_returned.amount, 30d, item_returned.reason == 'size'). It stands after the window; a bool property is one
 * anywhere after the first path.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_POLICY_AGGREGATE_CALLS_H
#define TACT_POLICY_AGGREGATE_CALLS_H
#include "policy/load.h"

enum { CALL_PATHS_MAX = 16 };

/* A call by its parts. */
struct aggregate_call {
    struct str op;
    size_t offset; /* of the call; for findings */
    struct {
        struct str path;
        size_t offset;
        bool closes; /* open */
    } paths[CALL_PATHS_MAX];
    size_t path_count;
    bool span_given;
    int64_t span_ms; /* window or half-life */
    size_t span_offset;
    struct str filter; /* empty: none */
    size_t filter_offset;
    const struct expr_report *filter_report; /* of the text that the filter stands in */
    struct value key;                        /* affinity, when it is a constant */
};

/* The names of all calls, NULL at the end. */
extern const char *const aggregate_call_names[];
bool aggregate_call_is(struct str op);
/* "count(cart_add, 24h)". */
const char *aggregate_call_example(struct str op);
/* What its span is called in YAML: "window", "half_life", or NULL when it has none. */
const char *aggregate_call_span(struct str op);

/* The slot, or false after a finding. */
bool aggregate_call(struct loader *l, const struct aggregate_call *call, const struct expr_report *report, uint32_t *slot);
/* The bare name `mood`, over its usual half-life; false when no signal has a sentiment. */
bool aggregate_call_mood(struct loader *l, uint32_t *slot);
/* A call of an expression, as expr_scope.call gets it. */
int aggregate_call_symbol(struct loader *l, struct str op, const struct expr_arg *args, size_t count, size_t offset,
                          const struct expr_report *report, struct expr_symbol *out);

#endif
