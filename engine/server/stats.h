/* Counts of workers for people and scripts.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_SERVER_STATS_H
#define TACT_SERVER_STATS_H
#include "server/worker.h"
#include "store/near_cache.h"
#include <stdio.h>

/* Counts of one worker and its near cache, or of several added up. */
struct stats {
    struct worker_stats worker;
    struct near_cache_stats cache;
    bool has_cache;
    uint64_t score_ns; /* spent in models */
};

/* Empty, with histograms of its own. */
void stats_init(struct stats *s);
void stats_free(struct stats *s);
void stats_add(struct stats *into, const struct stats *from);

/* One logfmt line: stats decisions_ok=… p50_us=… p99_us=… (of those that only read) write_p50_us=… model_share=… chosen=…
 * suppressed_<cause>=…, the calls of each kind, and of each shadow model of an entry:
 *
 *     shadow_<entry>_<bundle>=…            decisions that it looked on at
 *     shadow_<entry>_<bundle>_differ=…     that it would have ranked another action first
 *     shadow_<entry>_<bundle>_failed=…     that it could not score
 *     shadow_<entry>_<bundle>_mean_abs=…   difference of propensities
 *
 * shadows_uncounted=… uses of shadows beyond WORKER_SHADOWS_MAX, where there are any.
 * cache_…: the near cache (near_cache.h), where there is one; cache_races: replies that were not kept since something came between. */
void stats_print(const struct stats *s, FILE *out);

#endif
