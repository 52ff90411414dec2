/* The targets of `tact evaluate` over the cost of a contact (evaluate.h). A target that is given as data does the same at every
 * cost; a policy decides anew, as if its channel cost that much.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_TOOLS_EVALUATE_CURVE_H
#define TACT_TOOLS_EVALUATE_CURVE_H
#include "tools/evaluate.h"

/* Net values over --costs, printed, and drawn with --svg. */
int evaluate_curve(struct evaluate_job *j, struct error *e) MUST_CHECK;

#endif
