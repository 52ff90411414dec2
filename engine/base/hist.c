/* Log-linear histogram; see hist.h. Buckets 0 to 63 are the values themselves; from there on each power of
 * two [2^k, 2^(k+1)) has 64 buckets of width 2^(k-6).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/hist.h"
#include <math.h>
#include <string.h>

enum { SUB = 1 << HIST_SUB_BITS };

static unsigned bucket_of(uint64_t v)
{
    if (v >> HIST_TOP_BITS)
        return HIST_BUCKETS - 1;
    if (v < SUB)
        return (unsigned)v;
    unsigned shift = 63 - (unsigned)__builtin_clzll(v) - HIST_SUB_BITS;
    return (shift << HIST_SUB_BITS) + (unsigned)(v >> shift);
}

/* The greatest value of a bucket. */
static uint64_t bucket_top(unsigned bucket)
{
    if (bucket < SUB)
        return bucket;
    unsigned shift = (bucket >> HIST_SUB_BITS) - 1;
    uint64_t first = (uint64_t)(bucket - (shift << HIST_SUB_BITS)) << shift;
    return first + ((uint64_t)1 << shift) - 1;
}

void hist_clear(struct hist *h)
{
    memset(h, 0, sizeof *h);
}

void hist_record(struct hist *h, uint64_t ns)
{
    h->buckets[bucket_of(ns)]++;
    if (h->count == 0 || ns < h->least)
        h->least = ns;
    if (ns > h->most)
        h->most = ns;
    h->count++;
    h->sum += ns;
}

void hist_merge(struct hist *into, const struct hist *from)
{
    if (from->count == 0)
        return;
    for (unsigned i = 0; i < HIST_BUCKETS; i++)
        into->buckets[i] += from->buckets[i];
    if (into->count == 0 || from->least < into->least)
        into->least = from->least;
    if (from->most > into->most)
        into->most = from->most;
    into->count += from->count;
    into->sum += from->sum;
}

uint64_t hist_percentile(const struct hist *h, double q)
{
    if (h->count == 0)
        return 0;
    double share = q > 0 ? q < 1 ? q : 1 : 0;
    /* the factor takes rounding back: 0.003 × 20000 is 60, not 61 */
    uint64_t want = (uint64_t)ceil(share * (double)h->count * (1 - 1e-12)), seen = 0;
    if (want == 0)
        return h->least;
    for (unsigned i = 0; i < HIST_BUCKETS - 1; i++) {
        seen += h->buckets[i];
        if (seen >= want) {
            uint64_t top = bucket_top(i);
            return top < h->most ? top : h->most;
        }
    }
    return h->most;
}
