/* Cases that are open. Internal to state.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_STATE_AGGREGATE_OPEN_H
#define TACT_STATE_AGGREGATE_OPEN_H
#include "state/aggregate_kinds.h"

extern const struct aggregate_ops aggregate_open;

#endif
