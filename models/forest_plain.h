/* The forest's kernels in plain C; see forest_isa.h.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_MODELS_FOREST_PLAIN_H
#define TACT_MODELS_FOREST_PLAIN_H
#include "models/forest_isa.h"

extern const struct forest_isa forest_isa_plain;

/* Exits of tiles by walking them: no more than six steps each, for which nothing is better where there are no byte permutes. */
void forest_plain_walk(const struct forest *f, const uint8_t *codes, const uint32_t *tiles, size_t n, uint32_t *exits);

#endif
