/* The forest's AVX-512 kernels through SIMD Everywhere, so that they are tested on machines without AVX-512.
 * SPDX-License-Identifier: Apache-2.0 */
#define TACT_EMULATE_AVX512
#include "models/forest_avx512.c"
