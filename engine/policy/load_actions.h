/* Section actions of a policy: engagement policy, value, schedule, treatments.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_POLICY_LOAD_ACTIONS_H
#define TACT_POLICY_LOAD_ACTIONS_H
#include "policy/load.h"

void load_actions(struct loader *l);

#endif
