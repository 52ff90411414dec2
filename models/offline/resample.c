/* Poisson(1) counts by inversion; see resample.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/offline/resample.h"
#include <math.h>
#include <stdlib.h>

/* below[k] = round(2^32 · P(count ≤ k)); P(count ≤ k) = e⁻¹ Σ_{j≤k} 1/j!. */
static const uint32_t below[] = {1580030169, 3160060337, 3950075422, 4213413784, 4279248374, 4292415292,
                                 4294609778, 4294923276, 4294962463, 4294966817, 4294967253};
enum { BELOW = sizeof below / sizeof *below };

uint32_t resample_count_slow(uint32_t u)
{
    uint32_t count = 0;
    while (count < BELOW && u >= below[count])
        count++;
    return count;
}

void resample_init(struct resample *r, uint64_t seed)
{
    rng_seed(&r->rng, seed);
    r->bits = 0;
    r->bits_left = 0;
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t first = resample_count_slow(i << 24), last = resample_count_slow(i << 24 | 0xffffff);
        r->table[i] = first == last ? (uint8_t)first : UINT8_MAX;
    }
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void resample_sort(double *values, size_t n)
{
    qsort(values, n, sizeof *values, by_value);
}

double resample_quantile(const double *sorted, size_t n, double share)
{
    if (n == 0)
        return (double)NAN;
    double rank = share * (double)(n - 1);
    size_t i = (size_t)rank;
    if (i + 1 >= n)
        return sorted[n - 1];
    return sorted[i] + (sorted[i + 1] - sorted[i]) * (rank - (double)i);
}
