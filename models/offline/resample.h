/* What the bootstraps of figures share: how often a row is in a resample, and percentiles. A row's count is Poisson(1), each row
 * by itself (Oza and Russell 2001; Chamandy et al. 2012), so that a resample is one pass over rows that lie as they lie: no
 * index is drawn, nothing is sorted again. Figures are divided by the resample's own number of rows.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_OFFLINE_RESAMPLE_H
#define TACT_OFFLINE_RESAMPLE_H
#include "base/rng.h"
#include <stddef.h>
#include <stdint.h>

/* 32 random bits make a count: a table answers for the upper 8 where they alone decide (251 of 256), else the distribution
 * function is walked. Counts end at 11 (the chance of more is below 1e-9). One thread each. */
struct resample {
    struct rng rng;
    uint64_t bits;
    int bits_left;
    uint8_t table[256];
};

void resample_init(struct resample *r, uint64_t seed);
uint32_t resample_count_slow(uint32_t u);

static inline uint32_t resample_count(struct resample *r)
{
    if (!r->bits_left) {
        r->bits = rng_u64(&r->rng);
        r->bits_left = 2;
    }
    uint32_t u = (uint32_t)r->bits;
    r->bits >>= 32;
    r->bits_left--;
    uint32_t count = r->table[u >> 24];
    return count == UINT8_MAX ? resample_count_slow(u) : count;
}

void resample_sort(double *values, size_t n);
/* The value below which a share (0 to 1) of the sorted values lies, in straight lines between them (Hyndman and Fan 1996,
 * type 7); NaN when n is 0. */
double resample_quantile(const double *sorted, size_t n, double share);

#endif
