/* Shadows of a line-up: after each decision they score what competed; how far they are from what decided goes into the decision's log
 * record and into the worker's counts.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_SERVER_SHADOWS_H
#define TACT_SERVER_SHADOWS_H
#include "server/op.h"
#include "tact/v1/log.pb-c.h"

/* Fills the record's shadows, in the op's arena. A shadow that fails is left out and counted: it may not harm a decision. So does one
 * that would find less memory than what is still to be packed needs. */
void shadows_record(struct op *op, Tact__V1__DecisionRecord *m);
/* To be called when another line-up serves: the counts of bundles that are no shadows in it give way to new ones'. */
void shadows_serve(struct worker *w);

#endif
