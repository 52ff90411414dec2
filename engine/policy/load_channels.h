/* Sections channels, aliases, places of a policy.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_POLICY_LOAD_CHANNELS_H
#define TACT_POLICY_LOAD_CHANNELS_H
#include "policy/load.h"

/* Section places; before the features. */
void load_places(struct loader *l);

/* Of load_schema.c: an item of channels, of aliases. */
void load_channel(struct loader *l, const struct yaml_node *key, const struct yaml_node *value, size_t index);
void load_alias(struct loader *l, const struct yaml_node *key, const struct yaml_node *value, size_t index);

#endif
