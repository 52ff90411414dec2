/* What names mean in a policy's expressions: now, channel, profile.x, context.x, features, action.x (a
 * constant while an action's own expressions compile; elsewhere, as in features, a slot that varies with the
 * action looked at), and the aggregate calls count, sum, last, last_at,
 * age, open over signals.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_POLICY_SYMBOLS_H
#define TACT_POLICY_SYMBOLS_H
#include "policy/load.h"

struct expr_scope symbols_scope(struct loader *l);
/* The slot of kind and index, declared at first use; EXPR_NONE when the policy is full. */
uint32_t symbols_slot(struct loader *l, enum slot_kind kind, uint32_t index);
/* An aggregate by its parts ("cart_add.price" …): its slot, or false after a finding at its offset. Used by
 * calls and by the YAML form of features. op: "count" … "open". */
struct symbols_call {
    struct str op;
    struct str args[3]; /* paths */
    size_t offsets[4];  /* of the call, then of the args */
    size_t path_count;
    int64_t window_ms; /* 0: not given */
    size_t window_offset;
};
bool symbols_aggregate(struct loader *l, const struct symbols_call *call, const struct expr_report *report,
                       uint32_t *slot);

#endif
