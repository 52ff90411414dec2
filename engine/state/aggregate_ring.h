/* Counts, sums, extremes and hours of the week: what is kept as a ring of buckets. Internal to state.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_STATE_AGGREGATE_RING_H
#define TACT_STATE_AGGREGATE_RING_H
#include "state/aggregate_kinds.h"

extern const struct aggregate_ops aggregate_ring_count, aggregate_ring_sum, aggregate_ring_min, aggregate_ring_max,
    aggregate_ring_hours;

#endif
