/* Events by the value of a property. Internal to state.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_STATE_AGGREGATE_KEYS_H
#define TACT_STATE_AGGREGATE_KEYS_H
#include "state/aggregate_kinds.h"

extern const struct aggregate_ops aggregate_keys;

#endif
