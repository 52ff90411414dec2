/* Open nodes and regions, known by what they ask, while a forest is compiled; see forest_inner.h.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_MODELS_FOREST_REGIONS_H
#define TACT_MODELS_FOREST_REGIONS_H
#include "models/forest_build.h"

/* The index of a new open node. */
uint32_t forest_add_open(struct builder *b, const struct model_node *n, enum forest_role role);
/* The region of those in parent that go that way at an open node of the action. */
uint32_t forest_region_of(struct builder *b, uint32_t parent, uint32_t open, bool right);

#endif
