/* Aggregates over signals: how one event changes each kind, what each is worth at an instant, when it next changes.
 * Buckets: index floor(time / width); a window sees bucket i at now while (i + 1) × width > now − window, so it covers at
 * least the window and at most one bucket more.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_STATE_AGGREGATE_H
#define TACT_STATE_AGGREGATE_H
#include "state/state.h"

void aggregate_init(struct aggregate_state *a);
/* Applies an event of the signal that feeds it. ERR_NOSPACE when the arena is full. */
int aggregate_apply(const struct schema_aggregate *def, struct aggregate_state *a,
                    const struct signal *signal, int64_t now_ms, struct arena *arena) MUST_CHECK;
/* Drops what no window can see at now. */
void aggregate_prune(const struct schema_aggregate *def, struct aggregate_state *a, int64_t now_ms);
bool aggregate_empty(const struct schema_aggregate *def, const struct aggregate_state *a);
/* Hash of a case's key (its type and value). */
uint64_t aggregate_case_key(struct value v);

/* An aggregate's value at now, and the first instant after t at which it may differ (INT64_MAX: never). */
struct value state_aggregate(const struct state *s, size_t aggregate, int64_t now_ms);
int64_t state_aggregate_next_change(const struct state *s, size_t aggregate, int64_t t_ms);
/* Age of the latest event of a last_at aggregate; DURATION_MAX_MS when there was none. Negative while the event lies ahead
 * of now (by a client's clock, at most STATE_AHEAD_MS): cut at 0 it would not rise by 1 ms a ms, which next_eligible_at
 * counts on. */
struct value state_age(const struct state *s, size_t aggregate, int64_t now_ms);
#endif
