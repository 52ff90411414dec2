/* The policy of workload R1 as YAML: 100 actions (10 categories × 10 kinds) with a rule of each kind (eligibility on
 * the profile, applicability on aggregates, suitability on both and the context), 12 suppressions, 8 contact limits, the
 * features of r1_features.h, channels web and app (inbound), email and push (outbound). Every action has a treatment for
 * every channel. Always the same text.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_OFFLINE_R1_POLICY_H
#define TACT_OFFLINE_R1_POLICY_H
#include <stdio.h>

/* The three files of the folder. What could not be written shows in ferror. */
void r1_policy_customer(FILE *out); /* brand, profile, context, signals, channels, features */
void r1_policy_actions(FILE *out);
void r1_policy_rules(FILE *out); /* suppressions, contact limits */

#endif
