/* Section features of a policy.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_POLICY_LOAD_FEATURES_H
#define TACT_POLICY_LOAD_FEATURES_H
#include "policy/load.h"

/* After load_schema. */
void load_features(struct loader *l);

#endif
