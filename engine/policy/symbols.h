/* What names mean in a policy's expressions: now, channel, profile.x, context.x, features, action.x (a
 * constant while an action's own expressions compile; elsewhere, as in features, a slot that varies with the
 * action looked at), and the calls over signals (aggregate_calls.h).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_POLICY_SYMBOLS_H
#define TACT_POLICY_SYMBOLS_H
#include "policy/load.h"

struct expr_scope symbols_scope(struct loader *l);
/* The slot, declared at first use; EXPR_NONE when the policy is full. */
uint32_t symbols_slot(struct loader *l, const struct policy_slot *wanted);

#endif
