/* The customer of a policy's test: what its `given` says, as a server would have come to know it. Profile, preferences and
 * consents without `ago` were there before the first event; then signals, contacts and consents come one by one, each at its
 * own time, and after each the journey's stage is recorded. So stage_since, previous_stage and `leave` are a server's.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_DECIDE_POLICY_GIVEN_H
#define TACT_DECIDE_POLICY_GIVEN_H
#include "policy/policy_test.h"

/* The state as it is at the test's now, in the arena. The policy is bound. */
int policy_given(const struct policy *p, const struct policy_test *t, struct arena *arena, struct state *s,
                 struct error *e) MUST_CHECK;

#endif
