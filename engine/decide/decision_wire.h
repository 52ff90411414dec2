/* A decision as the bytes of tact.v1.Decision: what is hashed, logged, replayed and answered.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_DECIDE_DECISION_WIRE_H
#define TACT_DECIDE_DECISION_WIRE_H
#include "decide/decide.h"

/* Packs the decision into the arena. Deterministic. */
int decision_encode(const struct decision *d, struct arena *arena, struct str *out,
                    struct error *e) MUST_CHECK;

#endif
