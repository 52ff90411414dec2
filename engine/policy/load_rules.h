/* Sections suppressions and contact_policy of a policy.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_POLICY_LOAD_RULES_H
#define TACT_POLICY_LOAD_RULES_H
#include "policy/load.h"

void load_rules(struct loader *l);

#endif
