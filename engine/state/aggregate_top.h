/* The keys of a property by decayed weight. Internal to state.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_STATE_AGGREGATE_TOP_H
#define TACT_STATE_AGGREGATE_TOP_H
#include "state/aggregate_kinds.h"

extern const struct aggregate_ops aggregate_top;

#endif
