/* The latest event, and a property of it. Internal to state.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_STATE_AGGREGATE_LAST_H
#define TACT_STATE_AGGREGATE_LAST_H
#include "state/aggregate_kinds.h"

extern const struct aggregate_ops aggregate_last, aggregate_last_at;

#endif
