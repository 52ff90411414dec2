/* since(feature): when what a feature counts began to be counted, for rules that must not take a window for whole that is not.
 *
 *   when: "cart_value_24h > 0.0 || now - since(cart_value_24h) < 24h"
 *
 * A timestamp, the first of all (year 1) when nothing was missed; unknown while the customer's events are taken by a server
 * whose policy lacks it, until the next one. The feature is one call over signals (aggregate_calls.h).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_POLICY_SINCE_CALL_H
#define TACT_POLICY_SINCE_CALL_H
#include "policy/load.h"

/* A call of an expression, as expr_scope.call gets it. */
int since_call_symbol(struct loader *l, struct str name, const struct expr_arg *args, size_t count, size_t offset,
                      const struct expr_report *report, struct expr_symbol *out);

#endif
