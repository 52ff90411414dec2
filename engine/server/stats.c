/* Counts of a worker as one line.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/stats.h"
#include "store/near_cache.h"
#include <inttypes.h>
#include <sys/resource.h>

static double cpu_seconds(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-6;
}

static double percentile_us(const struct hist *h, double q)
{
    return (double)hist_percentile(h, q) / 1000;
}

static void print_cache(const struct store *cache, FILE *out)
{
    struct near_cache_stats c = near_cache_stats(cache);
    fprintf(out, " cache_hits=%" PRIu64 " cache_misses=%" PRIu64 " cache_fills=%" PRIu64 " cache_races=%" PRIu64, c.hits, c.misses,
            c.fills, c.races);
    fprintf(out, " cache_changes=%" PRIu64 " cache_evicted=%" PRIu64 " cache_losses=%" PRIu64, c.changes, c.evicted, c.losses);
    fprintf(out, " cache_entries=%zu cache_bytes=%zu cache_watching=%d", c.entries, c.bytes, c.watching);
}

void stats_print(const struct worker *w, const struct store *cache, FILE *out)
{
    const struct worker_stats *s = worker_stats(w);
    double cpu = cpu_seconds();
    fprintf(out,
            "stats decisions_ok=%" PRIu64 " reads=%" PRIu64 " p50_us=%.0f p99_us=%.0f writes=%" PRIu64
            " write_p50_us=%.0f write_p99_us=%.0f",
            s->decisions_ok, hist_count(s->reads_ns), percentile_us(s->reads_ns, 0.5),
            percentile_us(s->reads_ns, 0.99), hist_count(s->writes_ns), percentile_us(s->writes_ns, 0.5),
            percentile_us(s->writes_ns, 0.99));
    fprintf(out, " cpu_s=%.2f model_s=%.2f model_share=%.2f", cpu, (double)s->score_ns * 1e-9,
            cpu > 0 ? (double)s->score_ns * 1e-9 / cpu : 0);
    fprintf(out, " chosen=%" PRIu64, s->chosen);
    for (int c = 0; c < 16; c++)
        if (s->suppressed[c])
            fprintf(out, " suppressed_%s=%" PRIu64, suppression_cause_name((enum suppression_cause)c),
                    s->suppressed[c]);
    static const char *const kinds[] = {"decide", "signal", "upsert", "get", "contact", "record", "forget", "export"};
    for (int k = 0; k < OP_KIND_COUNT; k++)
        fprintf(out, " %s=%" PRIu64 " %s_failed=%" PRIu64, kinds[k], s->ops[k], kinds[k], s->failed[k]);
    for (size_t i = 0; i < WORKER_SHADOWS_MAX && s->shadows[i].id[0]; i++) {
        const struct shadow_stats *c = &s->shadows[i];
        fprintf(out, " shadow_%s_%s=%" PRIu64, c->entry, c->name, c->decisions);
        fprintf(out, " shadow_%s_%s_failed=%" PRIu64, c->entry, c->name, c->failed);
        fprintf(out, " shadow_%s_%s_differ=%" PRIu64, c->entry, c->name, c->differ);
        fprintf(out, " shadow_%s_%s_mean_abs=%.3g", c->entry, c->name, c->candidates ? c->sum_abs / (double)c->candidates : 0);
    }
    if (s->shadows_uncounted)
        fprintf(out, " shadows_uncounted=%" PRIu64, s->shadows_uncounted);
    fprintf(out, " repeated=%" PRIu64 " conflicts=%" PRIu64 " uncertain=%" PRIu64 " unlogged=%" PRIu64,
            s->repeated, s->conflicts, s->uncertain, s->unlogged);
    fprintf(out, " unverified=%" PRIu64 " fail_safe=%" PRIu64, s->unverified, s->fail_safe);
    if (cache)
        print_cache(cache, out);
    fprintf(out, " folded=%" PRIu64 " unreadable=%" PRIu64 " set_aside=%" PRIu64 "\n", s->folded, s->unreadable,
            s->set_aside);
    fflush(out);
}
