/* Latency histogram in fixed memory (19 KiB): 64 buckets a power of two, so a value is known to within 1/64
 * (1.6%), from 1 ns to 73 minutes; values below 64 ns are exact, longer ones than 73 minutes count in the
 * last bucket. Recording is a few instructions. The idea is Tene's HdrHistogram. Not thread-safe: one a
 * thread, merged by whoever reports.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_BASE_HIST_H
#define TACT_BASE_HIST_H
#include <stdint.h>

enum {
    HIST_SUB_BITS = 6,
    HIST_TOP_BITS = 42,
    HIST_BUCKETS = ((HIST_TOP_BITS - HIST_SUB_BITS + 1) << HIST_SUB_BITS) + 1,
};

/* Zeroed memory is an empty histogram. */
struct hist {
    uint64_t buckets[HIST_BUCKETS];
    uint64_t count, sum; /* of all values, exact (sum wraps after 584 years) */
    uint64_t least, most;
};

void hist_clear(struct hist *h);
void hist_record(struct hist *h, uint64_t ns);
void hist_merge(struct hist *into, const struct hist *from);
/* The smallest value v, rounded up to the end of its bucket, such that at least the share q of the values is
 * <= v; q is clamped to [0, 1]. Never above the greatest value; 0 when empty. q = 0.5 is the median. */
uint64_t hist_percentile(const struct hist *h, double q);

/* 0 when empty. */
static inline uint64_t hist_min(const struct hist *h)
{
    return h->least;
}
static inline uint64_t hist_max(const struct hist *h)
{
    return h->most;
}
static inline uint64_t hist_count(const struct hist *h)
{
    return h->count;
}
static inline uint64_t hist_sum(const struct hist *h)
{
    return h->sum;
}
static inline double hist_mean(const struct hist *h)
{
    return h->count ? (double)h->sum / (double)h->count : 0;
}

#endif
