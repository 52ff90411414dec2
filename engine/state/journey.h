/* Where a customer is on their way: the current stage, the one before, and the last touch points.
 *
 *   journey  v stage id (0: none) | s entered ms | v previous stage id
 *   touches  the newest first: s seconds | then v seconds before | and each: v id | v channel id (0: not told)
 *
 * A touch point is a signal, or a contact that was sent or shown (ids of the dictionary, "signal.purchase", "action.welcome").
 * The latest STATE_TOUCHES_MAX are kept, by (second, id, channel), the same one once, so order of arrival does not matter and
 * two states merge. 4 to 7 bytes each. Stages depend on when they were looked at; see decide/journey.h.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_STATE_JOURNEY_H
#define TACT_STATE_JOURNEY_H
#include "state/state.h"

void touch_add(struct state *s, uint32_t id, uint32_t channel, int64_t time_ms);
/* Whether an a among the touch points came before a b, by at most within_ms. */
bool touch_followed(const struct state *s, uint32_t a, uint32_t b, int64_t within_ms);
/* The stage that was entered later stays; the touch points of both. */
void journey_merge(struct state *into, const struct state *from);

void journey_put(struct buf *out, const struct state *s);
int journey_get(struct cursor *c, struct state *s) MUST_CHECK;
void touches_put(struct buf *out, const struct state *s);
int touches_get(struct cursor *c, struct state *s) MUST_CHECK;

#endif
