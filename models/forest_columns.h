/* Columns of thresholds, filled group by group while a forest is compiled; see forest_inner.h.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_MODELS_FOREST_COLUMNS_H
#define TACT_MODELS_FOREST_COLUMNS_H
#include "models/forest_build.h"

/* Whether the group at hand takes the columns and thresholds of a tile's nodes (NULL: none), counted on the safe side. */
bool forest_group_takes(const struct builder *b, const struct model_node *const *nodes);
/* Adds a tile's nodes to it. */
void forest_group_add(struct builder *b, uint32_t tile, const struct model_node *const *nodes);
/* All its thresholds are known: writes its columns, and what each node asks for. */
void forest_group_close(struct builder *b);

#endif
