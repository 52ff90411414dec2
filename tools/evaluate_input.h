/* Rows for `tact evaluate` from a CSV or a log, and what a policy decides on them (evaluate.h).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_TOOLS_EVALUATE_INPUT_H
#define TACT_TOOLS_EVALUATE_INPUT_H
#include "tools/evaluate.h"

/* The rows, the policy loaded, and what it decides on them. */
int evaluate_input(struct evaluate_job *j, struct error *e) MUST_CHECK;
/* What the policy decides when a contact on its channel costs so much; NaN: what the policy says. */
int evaluate_decide(struct evaluate_job *j, double cost, struct error *e) MUST_CHECK;

#endif
