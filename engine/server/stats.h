/* A worker's counts for people and scripts.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_SERVER_STATS_H
#define TACT_SERVER_STATS_H
#include "server/worker.h"
#include <stdio.h>

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
void stats_print(const struct worker *w, const struct store *cache, FILE *out);

#endif
