/* Shadows of a line-up: after each decision they score what competed; how far they are from what decided goes into the decision's log
 * record and into the worker's counts.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_SERVER_SHADOWS_H
#define TACT_SERVER_SHADOWS_H
#include "server/op.h"
#include "tact/v1/log.pb-c.h"

/* Fills the record's shadows, in the op's arena. A shadow that fails is left out and counted: it may not harm a decision. */
void shadows_record(struct op *op, Tact__V1__DecisionRecord *m);

#endif
