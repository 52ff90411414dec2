/* What a shadow model would have made of a decision: its propensities in place of those that decided, everything else the same. It
 * changes nothing.
 *
 * Compared are the candidates that competed: those that passed every rule and were ranked. Best is the one with the largest
 * priority, ties by action id, or silence where none is above 0.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_DECIDE_SHADOW_H
#define TACT_DECIDE_SHADOW_H
#include "decide/decide.h"

struct shadow_result {
    uint32_t candidates; /* that the shadow scored, among those that competed */
    double sum_abs;      /* of differences of propensities */
    long best;           /* action index; -1: silence */
    bool differs;        /* best is not what came first in the decision */
};

/* score: as struct scorer's, of the shadow; actions that it does not know keep what decided. arena: the decision's; all that is taken
 * of it is given back, so that shadows need no more room than one of them. ERR_NOSPACE; what score says. */
int shadow_compare(const struct decision *d,
                   int (*score)(const void *ctx, struct expr_eval *ev, const uint32_t *actions, size_t count,
                                struct arena *arena, struct model_score *out, struct error *e),
                   const void *ctx, struct arena *arena, struct shadow_result *out, struct error *e) MUST_CHECK;

#endif
