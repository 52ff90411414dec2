/* The forest's kernels for AVX2; see forest_isa.h.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_MODELS_FOREST_AVX2_H
#define TACT_MODELS_FOREST_AVX2_H
#include "models/forest_isa.h"

extern const struct forest_isa forest_isa_avx2;

#endif
