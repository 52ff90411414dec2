/* From trees to tiles; see forest_inner.h.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_MODELS_FOREST_TILES_H
#define TACT_MODELS_FOREST_TILES_H
#include "models/forest_build.h"

/* Tiles for the roles of f; whole: the same model's, all features shared, whose values are used, or NULL. ERR_NOSPACE; 1: they would
 * need more than memory_max, or a tree has too many leaves that can be open. */
int forest_tiles_build(struct forest *f, const struct model *m, const struct forest *whole, size_t memory_max) MUST_CHECK;

#endif
