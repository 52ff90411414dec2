/* Counts of workers, added up, as one line; see stats.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/stats.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* ---- adding up ---- */

void stats_init(struct stats *s)
{
    *s = (struct stats){0};
    s->worker.reads_ns = calloc(1, sizeof *s->worker.reads_ns);
    s->worker.writes_ns = calloc(1, sizeof *s->worker.writes_ns);
    ASSERT(s->worker.reads_ns && s->worker.writes_ns);
}

void stats_free(struct stats *s)
{
    free(s->worker.reads_ns);
    free(s->worker.writes_ns);
    *s = (struct stats){0};
}

static void add_shadow(struct worker_stats *into, const struct shadow_stats *from)
{
    for (size_t i = 0; i < WORKER_SHADOWS_MAX; i++) {
        struct shadow_stats *c = &into->shadows[i];
        if (!c->id[0]) {
            *c = *from;
            return;
        }
        if (strcmp(c->id, from->id) == 0 && strcmp(c->entry, from->entry) == 0) {
            c->decisions += from->decisions;
            c->differ += from->differ;
            c->failed += from->failed;
            c->candidates += from->candidates;
            c->sum_abs += from->sum_abs;
            return;
        }
    }
    into->shadows_uncounted += from->decisions + from->failed;
}

static void add_worker(struct worker_stats *into, const struct worker_stats *from)
{
    for (int k = 0; k < OP_KIND_COUNT; k++) {
        into->ops[k] += from->ops[k];
        into->failed[k] += from->failed[k];
    }
    for (size_t i = 0; i < sizeof into->suppressed / sizeof *into->suppressed; i++)
        into->suppressed[i] += from->suppressed[i];
    const struct {
        uint64_t *into;
        uint64_t from;
    } plain[] = {
        {&into->decisions_ok, from->decisions_ok}, {&into->chosen, from->chosen},
        {&into->repeated, from->repeated},         {&into->reruns, from->reruns},
        {&into->conflicts, from->conflicts},       {&into->uncertain, from->uncertain},
        {&into->unlogged, from->unlogged},         {&into->unverified, from->unverified},
        {&into->fail_safe, from->fail_safe},       {&into->folded, from->folded},
        {&into->merges, from->merges},
        {&into->unreadable, from->unreadable},     {&into->set_aside, from->set_aside},
        {&into->shadow_uses, from->shadow_uses},   {&into->shadows_uncounted, from->shadows_uncounted},
    };
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        *plain[i].into += plain[i].from;
    for (size_t i = 0; i < WORKER_SHADOWS_MAX && from->shadows[i].id[0]; i++)
        add_shadow(into, &from->shadows[i]);
    hist_merge(into->reads_ns, from->reads_ns);
    hist_merge(into->writes_ns, from->writes_ns);
}

void stats_add(struct stats *into, const struct stats *from)
{
    add_worker(&into->worker, &from->worker);
    const struct near_cache_stats *c = &from->cache;
    bool first = !into->has_cache;
    into->has_cache |= from->has_cache;
    into->cache.watching = c->watching && (first || into->cache.watching);
    into->cache.hits += c->hits;
    into->cache.misses += c->misses;
    into->cache.unverified += c->unverified;
    into->cache.fills += c->fills;
    into->cache.races += c->races;
    into->cache.changes += c->changes;
    into->cache.evicted += c->evicted;
    into->cache.losses += c->losses;
    into->cache.entries += c->entries;
    into->cache.bytes += c->bytes;
    into->score_ns += from->score_ns;
}

/* ---- printing ---- */

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

static void print_cache(struct near_cache_stats c, FILE *out)
{
    fprintf(out, " cache_hits=%" PRIu64 " cache_misses=%" PRIu64 " cache_fills=%" PRIu64 " cache_races=%" PRIu64, c.hits, c.misses,
            c.fills, c.races);
    fprintf(out, " cache_changes=%" PRIu64 " cache_evicted=%" PRIu64 " cache_losses=%" PRIu64, c.changes, c.evicted, c.losses);
    fprintf(out, " cache_entries=%zu cache_bytes=%zu cache_watching=%d", c.entries, c.bytes, c.watching);
}

void stats_print(const struct stats *all, FILE *out)
{
    const struct worker_stats *s = &all->worker;
    double cpu = cpu_seconds();
    fprintf(out,
            "stats decisions_ok=%" PRIu64 " reads=%" PRIu64 " p50_us=%.0f p99_us=%.0f writes=%" PRIu64
            " write_p50_us=%.0f write_p99_us=%.0f",
            s->decisions_ok, hist_count(s->reads_ns), percentile_us(s->reads_ns, 0.5),
            percentile_us(s->reads_ns, 0.99), hist_count(s->writes_ns), percentile_us(s->writes_ns, 0.5),
            percentile_us(s->writes_ns, 0.99));
    fprintf(out, " cpu_s=%.2f model_s=%.2f model_share=%.2f", cpu, (double)all->score_ns * 1e-9,
            cpu > 0 ? (double)all->score_ns * 1e-9 / cpu : 0);
    fprintf(out, " chosen=%" PRIu64, s->chosen);
    for (int c = 0; c < 16; c++)
        if (s->suppressed[c])
            fprintf(out, " suppressed_%s=%" PRIu64, suppression_cause_name((enum suppression_cause)c),
                    s->suppressed[c]);
    for (int k = 0; k < OP_KIND_COUNT; k++) {
        const char *name = op_kind_name((enum op_kind)k);
        fprintf(out, " %s=%" PRIu64 " %s_failed=%" PRIu64, name, s->ops[k], name, s->failed[k]);
    }
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
    if (all->has_cache)
        print_cache(all->cache, out);
    fprintf(out, " merges=%" PRIu64 " folded=%" PRIu64 " unreadable=%" PRIu64 " set_aside=%" PRIu64 "\n", s->merges, s->folded,
            s->unreadable, s->set_aside);
    fflush(out);
}
