/* The stage that a customer is in. Stages move with what is written of a customer, and with time: whoever reads the stage gets
 * the one that holds now, by the rules over the state as it is; whoever writes the customer records it (journey_step), with
 * the instant at which it was seen. So a stage that time has ended is not acted on, and "when was it entered" is known only
 * once something was written.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_DECIDE_JOURNEY_H
#define TACT_DECIDE_JOURNEY_H
#include "decide/view.h"

/* The index of the stage that holds at the view's instant; -1: none. Evaluates rules through v->ev. */
long journey_stage(struct view *v);
/* The stage that the state says; -1: none, or one that this policy lacks. */
long journey_recorded(const struct policy *p, const struct state *s);
/* The first instant after the view's at which journey_stage may be another. */
int64_t journey_next_change(struct view *v);

/* Records the stage of now: 1 it changed, 0 it did not, ERR_NOSPACE. */
int journey_step(const struct policy *p, struct state *s, int64_t now_ms, struct arena *arena) MUST_CHECK;

#endif
