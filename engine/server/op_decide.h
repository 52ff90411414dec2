/* Decide as a call: how decision ids and seeds come about. The seed is a function of the id, so a retry that
 * decides again draws the same numbers.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_SERVER_OP_DECIDE_H
#define TACT_SERVER_OP_DECIDE_H
#include "server/op.h"

extern const struct op_methods op_decide_methods;

struct id128 op_decision_id(struct str customer, struct str request_id, struct arena *arena);
uint64_t op_decision_seed(struct id128 id);

#endif
