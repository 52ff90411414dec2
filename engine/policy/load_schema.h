/* Sections brand, profile, context, signals, channels, features of a policy.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_POLICY_LOAD_SCHEMA_H
#define TACT_POLICY_LOAD_SCHEMA_H
#include "policy/load.h"

void load_schema(struct loader *l);
/* Section places; before the features. */
void load_places(struct loader *l);

#endif
