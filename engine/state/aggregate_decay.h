/* Weights that halve with age, shared by decayed sums, moods and tops. Internal to state.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_STATE_AGGREGATE_DECAY_H
#define TACT_STATE_AGGREGATE_DECAY_H
#include "state/aggregate_kinds.h"

extern const struct aggregate_ops aggregate_decayed, aggregate_mood;

/* 2^(−age / half-life), the same bits on every machine; 0 past DECAY_HALVINGS_MAX half-lives, 1 for no age. */
double decay_weight(int64_t age_ms, int64_t half_life_ms);
/* The instant at which decayed values of now stand: now rounded down to a step, never before the latest event. */
int64_t decay_instant(int64_t latest_ms, int64_t half_life_ms, int64_t now_ms);
/* The first step after t at which a value with that latest event changes; INT64_MAX once it is nothing (after
 * DECAY_HALVINGS_MAX). */
int64_t decay_next_step(int64_t latest_ms, int64_t half_life_ms, int64_t t_ms);
/* When so many half-lives are over. */
int64_t decay_end(int64_t latest_ms, int64_t half_life_ms, int halvings);
/* The half-life in a payload: v minutes. 0 when it is none. */
int64_t decay_get_half_life(struct cursor *c);
/* For `stale` of payloads that begin with half-life and latest event. */
bool decay_stale(const struct schema_aggregate *def, struct str raw, int64_t now_ms);

static inline void decay_put_number(struct buf *out, double d)
{
    uint64_t bits;
    memcpy(&bits, &d, sizeof bits);
    buf_u64le(out, bits);
}
static inline double decay_get_number(struct cursor *c)
{
    uint64_t bits = cursor_u64le(c);
    double d;
    memcpy(&d, &bits, sizeof d);
    return d;
}

#endif
