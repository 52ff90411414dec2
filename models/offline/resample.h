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

/* 32 random bits make a count: a table answers for the upper 8 where they alone decide (251 of 256), and only else are the other
 * 24 drawn and the distribution function walked; so eight counts cost about one random number. Counts end at 11 (the chance
 * of more is below 1e-9). One thread each. */
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
        r->bits_left = 8;
    }
    uint32_t upper = r->bits & 0xff;
    r->bits >>= 8;
    r->bits_left--;
    uint32_t count = r->table[upper];
    return count == UINT8_MAX ? resample_count_slow(upper << 24 | (uint32_t)(rng_u64(&r->rng) >> 40)) : count;
}

/* The counts of one row in eight resamples, so that what walks over the rows does it once for eight. */
enum { RESAMPLE_LANES = 8 };
static inline void resample_lanes(struct resample *r, double counts[RESAMPLE_LANES])
{
    uint64_t bits = rng_u64(&r->rng);
    for (int k = 0; k < RESAMPLE_LANES; k++, bits >>= 8) {
        uint32_t upper = bits & 0xff, count = r->table[upper];
        if (count == UINT8_MAX)
            count = resample_count_slow(upper << 24 | (uint32_t)(rng_u64(&r->rng) >> 40));
        counts[k] = count;
    }
}

void resample_sort(double *values, size_t n);
/* The value below which a share (0 to 1) of the sorted values lies, in straight lines between them (Hyndman and Fan 1996,
 * type 7); NaN when n is 0. */
double resample_quantile(const double *sorted, size_t n, double share);

#endif
