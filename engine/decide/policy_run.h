/* Runs a policy's own tests through the decision function.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_DECIDE_POLICY_RUN_H
#define TACT_DECIDE_POLICY_RUN_H
#include "decide/decide.h"
#include "policy/policy_test.h"

/* Runs one test of a bound policy. True when it passed; else why (in the arena) says what came instead. scorer may be NULL. */
bool policy_run_test(const struct policy *p, const struct policy_test *t, const struct scorer *scorer,
                     struct arena *arena, struct str *why);

#endif
