/* A call's part in its customer's household (decide/household.h): read before the call is applied, written before the customer
 * is. Two steps of op.h:
 *
 *   APPLY --> HOUSEHOLD (reads) --> APPLY --> COMMIT --> JOIN (writes) --> COMMIT
 *                                    ^                    |
 *                                    +----- CONFLICT -----+
 *
 * A household that cannot be read is full for as long as its limits look back. SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_SERVER_OP_HOUSEHOLD_H
#define TACT_SERVER_OP_HOUSEHOLD_H
#include "server/op.h"

/* Before the call is applied to op->state. op->household.wanted: it must be read first, and nothing is applied. */
int op_household_begin(struct op *op, struct error *e) MUST_CHECK;
/* After it was applied. ERR_NOSPACE: the household has too many contacts. */
int op_household_end(struct op *op, struct error *e) MUST_CHECK;
/* For decide_input; NULL: none. */
const struct state *op_household(const struct op *op);
/* Whether a call's write waits for another customer's than its own, so that it cannot go with one of others. */
bool op_household_may_matter(const struct op *op);

enum step_result op_step_household(struct op *op);
enum step_result op_step_join(struct op *op);
/* The customer changed: it starts from what this call wrote, or has read. */
void op_household_rerun(struct op *op);

#endif
