/* Sections brand, profile, context, signals of a policy, and those of load_channels.h but places.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_POLICY_LOAD_SCHEMA_H
#define TACT_POLICY_LOAD_SCHEMA_H
#include "policy/load.h"

void load_schema(struct loader *l);

#endif
