/* The Poisson bootstrap of sums, streaming (Chamandy, Muralidharan, Najmi and Naidu 2012, "Estimating uncertainty for massive
 * data streams"). Each cluster c counts K(c, b) times in resample b, with K drawn from Poisson(1) by a hash of (seed, c, b).
 * So nothing is kept of a row, rows of a cluster may come in any order and any distance apart, and two bootstraps with one
 * seed draw alike: what is computed from both, resample by resample, is paired.
 *
 *   sum_k of resample b  =  Σ over rows  K(cluster of the row, b) · values_k of the row
 *
 * Memory: 64 bytes × positions × resamples. Time: about 4 ns a row and resample on one core, less when a cluster's rows
 * follow each other. One thread each. Deterministic: the same rows in the same order give the same bits.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_OFFLINE_OPE_BOOTSTRAP_H
#define TACT_OFFLINE_OPE_BOOTSTRAP_H
#include <stddef.h>
#include <stdint.h>

enum { OPE_BOOTSTRAP_SUMS = 8 };

struct ope_bootstrap;
/* NULL without memory. Both counts are at least 1, asserted. */
struct ope_bootstrap *ope_bootstrap_new(size_t positions, size_t resamples, uint64_t seed);
void ope_bootstrap_free(struct ope_bootstrap **b);
/* position < positions, asserted. */
void ope_bootstrap_add(struct ope_bootstrap *b, uint64_t cluster, size_t position,
                       const double values[OPE_BOOTSTRAP_SUMS]);
/* [resamples][OPE_BOOTSTRAP_SUMS] over the rows of a position, or over all. Valid until the next call. */
const double *ope_bootstrap_at(struct ope_bootstrap *b, size_t position);
const double *ope_bootstrap_all(struct ope_bootstrap *b);

/* How often cluster counts in resample. */
unsigned ope_bootstrap_count(uint64_t seed, uint64_t cluster, uint64_t resample);
/* Poisson(1) by inversion of a uniform 64-bit number, exact to 2^-64; 0 to 20. */
unsigned ope_poisson(uint64_t uniform);

#endif
