/* The forest's kernels for AVX-512 (Ice Lake and later, Zen 4 and later); see forest_isa.h.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_MODELS_FOREST_AVX512_H
#define TACT_MODELS_FOREST_AVX512_H
#include "models/forest_isa.h"

extern const struct forest_isa forest_isa_avx512;

#endif
