/* Calls about how the customer took what was shown before, by the action that is looked at or by its group: pair features.
 *
 *   shown_age(action.id)    since it was last sent or shown; the maximum duration when it never was
 *   ignored(action.group)   shows since the latest answer that are a day old, at most 8
 *   shown, responded, converted, rejected(…)   how often
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_POLICY_REACTION_CALLS_H
#define TACT_POLICY_REACTION_CALLS_H
#include "policy/load.h"

/* The names of all calls, NULL at the end. */
extern const char *const reaction_call_names[];
/* ERR_NOTFOUND: the call is another. ERR_INVALID after a finding. */
int reaction_call_symbol(struct loader *l, struct str name, const struct expr_arg *args, size_t count, size_t offset,
                         const struct expr_report *report, struct expr_symbol *out);
/* The slot as expressions see it. */
struct expr_slot reaction_slot(struct loader *l, const struct policy_slot *slot);

#endif
