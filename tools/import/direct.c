/* Files straight into the store; see direct.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tools/import/direct.h"
#include "base/clock.h"
#include "server/snapshot.h"
#include "tools/answer.h"
#include "tools/client.h"
#include "tools/commands.h"
#include "tools/import/read.h"
#include "tools/import/rejects.h"
#include "tools/import/write.h"
#include "tools/parallel.h"
#include "tools/progress.h"
#include <inttypes.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE_INPUT = 16 << 20, /* bytes of files a piece */ HOPELESS_LINES = 100 };

struct import {
    const struct import_direct *o;
    struct snapshot *snapshot;
    struct names *names;
    struct import_store *store;
    struct spread *spread;
    struct import_rejects *rejects;
    struct import_writer *writer;
    struct import_counts counts;
    struct progress progress;
    uint64_t file_bytes, bytes_before; /* of all files; of those read */
    uint64_t taken, rejected;          /* lines */
    int64_t until_ms;
    bool hopeless;
    struct error io; /* of the sink */
    struct id128 content;
};

/* ---- reading ---- */

static bool take(void *ctx, struct str events, size_t count, int64_t latest_ms)
{
    struct import *im = ctx;
    im->taken += count;
    im->until_ms = latest_ms > im->until_ms ? latest_ms : im->until_ms;
    return im->o->dry_run || spread_add(im->spread, events, &im->io) == 0;
}

static bool reject(void *ctx, const struct import_place *place, const char *why, struct str raw)
{
    struct import *im = ctx;
    im->rejected++;
    progress_clear(&im->progress);
    import_rejects_add(im->rejects, place, why, raw);
    im->hopeless = im->taken == 0 && im->rejected >= HOPELESS_LINES;
    return !im->hopeless;
}

static void at(void *ctx, uint64_t bytes)
{
    struct import *im = ctx;
    if (im->file_bytes)
        progress_at(&im->progress, (im->bytes_before + bytes) / 1024, im->file_bytes / 1024 + 1);
}

static void on_header(void *ctx, struct str raw)
{
    import_rejects_header(((struct import *)ctx)->rejects, raw);
}

static bool ends_with(const char *path, const char *const *ends)
{
    const char *dot = strrchr(path, '.');
    for (; dot && *ends; ends++)
        if (strcasecmp(dot, *ends) == 0)
            return true;
    return false;
}

/* By its name; where that says nothing, whoever names the column of customers means a table. */
static bool is_table(const struct import_direct *o, const char *path)
{
    static const char *const tables[] = {".csv", ".tsv", NULL}, *const lines[] = {".jsonl", ".ndjson", ".json", NULL};
    return ends_with(path, tables) || (o->rows.customer_column && !ends_with(path, lines));
}

static int check_files(const struct import_direct *o, struct error *e)
{
    for (size_t i = 0; i < o->file_count; i++)
        if (is_table(o, o->files[i]) && !o->rows.customer_column)
            return error_set(e, ERR_INVALID, "%s: a table needs --customer-column NAME", o->files[i]);
    return 0;
}

/* When a file was written; now for what is none. */
static int64_t written_ms(const char *path, int64_t now_ms)
{
    struct stat st;
    if (strcmp(path, "-") == 0 || stat(path, &st) || !S_ISREG(st.st_mode))
        return now_ms;
    int64_t ms = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
    return ms > 0 && ms < now_ms ? ms : now_ms;
}

static int read_files(struct import *im, size_t threads, struct error *e)
{
    const struct import_direct *o = im->o;
    const struct import_sink sink = {im, take, reject, at};
    int64_t now_ms = clock_wall_ms();
    struct import_reading r = {.policy = im->snapshot->policy,
                               .rows = o->rows,
                               .time_column = o->time_column,
                               .separator = o->separator,
                               .threads = threads};
    int rc = client_zone(r.policy->zones, o->time_zone, &r.rows.zone, e);
    r.rows.policy = r.policy;
    for (size_t i = 0; i < o->file_count && !rc && !im->hopeless && !im->io.code; i++) {
        const struct import_file file = {o->files[i], (uint32_t)i, is_table(o, o->files[i])};
        struct stat st;
        r.clock = (struct import_clock){.default_ms = o->time_ms ? o->time_ms : written_ms(o->files[i], now_ms),
                                        .latest_ms = now_ms + STATE_AHEAD_MS};
        rc = import_read(&r, &file, &sink, on_header, &im->content, e);
        im->bytes_before += stat(o->files[i], &st) == 0 ? (uint64_t)st.st_size : 0;
    }
    if (!rc && im->io.code) {
        *e = im->io;
        rc = e->code;
    }
    return rc;
}

/* What was read, and how it was understood: the same again is the same import. */
static uint64_t content_of(const struct import *im)
{
    const struct import_options *r = &im->o->rows;
    struct buf b;
    buf_init(&b, 1 << 20);
    buf_append(&b, im->content.bytes, sizeof im->content.bytes);
    for (int i = 0; i < r->columns.count; i++)
        buf_printf(&b, "column %s\n", r->columns.items[i]);
    for (int i = 0; i < r->consents.count; i++)
        buf_printf(&b, "consent %s\n", r->consents.items[i]);
    buf_printf(&b, "%s\n%s\n%" PRId64 " %d\n%s\n%s\n%" PRId64 " %c", r->customer_column ? r->customer_column : "",
               r->consent_source, r->consent_time_ms, r->remove_empty, im->o->time_zone ? im->o->time_zone : "",
               im->o->time_column ? im->o->time_column : "", im->o->time_ms, im->o->separator);
    uint64_t content = hash64(b.p, b.n);
    buf_free(&b);
    return content;
}

/* ---- writing ---- */

static void refused(void *ctx, const struct import_place *place, const char *why)
{
    struct import *im = ctx;
    im->rejected++;
    progress_clear(&im->progress);
    import_rejects_add_late(im->rejects, place, why);
}

static void written(void *ctx)
{
    struct import *im = ctx;
    const struct import_counts *c = import_writer_counts(im->writer);
    progress_at(&im->progress, c->events + c->events_before, im->taken);
}

static int write_all(struct import *im, size_t threads, struct error *e)
{
    const struct import_writing what = {.policy = im->snapshot->policy,
                                        .content = content_of(im),
                                        .until_ms = im->until_ms,
                                        .threads = threads,
                                        .ctx = im,
                                        .refused = refused,
                                        .written = written};
    int rc = 0;
    im->writer = import_writer_new(im->store, &what);
    for (size_t i = 0; i < spread_pieces(im->spread) && !rc; i++) {
        struct spread_group g;
        rc = spread_group(im->spread, i, &g, e);
        if (!rc)
            rc = import_write(im->writer, &g, e);
    }
    im->counts = *import_writer_counts(im->writer);
    import_writer_free(&im->writer);
    return rc;
}

/* ---- the policy and the store ---- */

static int bind(struct import *im, struct error *e)
{
    const struct import_direct *o = im->o;
    im->names = names_new();
    if (o->dry_run)
        return policy_bind_interning(im->snapshot->policy, im->names, e);
    int rc = import_store_open(&im->store, o->store, e);
    if (!rc)
        rc = import_store_names(im->store, im->snapshot->names, im->snapshot->name_count, im->names, e);
    return rc ? rc : policy_bind(im->snapshot->policy, im->names, e);
}

static int open_rejects(struct import *im, struct error *e)
{
    const struct import_direct *o = im->o;
    bool table = is_table(o, o->files[0]);
    for (size_t i = 1; i < o->file_count && o->rejects; i++)
        if (is_table(o, o->files[i]) != table)
            return error_set(e, ERR_INVALID, "--rejects: tables and JSON Lines go into one file each; import them one after the other");
    const struct import_rejects_options r = {.path = o->rejects,
                                             .files = o->files,
                                             .file_count = o->file_count,
                                             .table = table,
                                             .json = o->json,
                                             .separator = o->separator};
    return import_rejects_open(&im->rejects, &r, e);
}

static size_t pieces_for(struct import *im)
{
    bool known = true;
    for (size_t i = 0; i < im->o->file_count; i++) {
        struct stat st;
        if (stat(im->o->files[i], &st) == 0 && S_ISREG(st.st_mode))
            im->file_bytes += (uint64_t)st.st_size;
        else
            known = false;
    }
    uint64_t pieces = im->file_bytes / PIECE_INPUT + 1;
    return known && pieces < SPREAD_PIECES_MAX ? (size_t)pieces : SPREAD_PIECES_MAX;
}

/* ---- the whole ---- */

static void report(const struct import *im, int64_t elapsed_us, int64_t writing_us, bool complete)
{
    const struct import_counts *c = &im->counts;
    double seconds = (double)elapsed_us / 1e6;
    double rate = elapsed_us > 0 ? (double)(c->customers + c->before) / seconds : 0;
    if (im->o->json)
        printf("{\"customers\":%" PRIu64 ",\"created\":%" PRIu64 ",\"before\":%" PRIu64 ",\"lines\":%" PRIu64
               ",\"rejected\":%" PRIu64 ",\"conflicts\":%" PRIu64 ",\"blob_bytes\":%" PRIu64
               ",\"complete\":%s,\"seconds\":%.3f,\"writing_seconds\":%.3f}\n",
               c->customers, c->created, c->before, im->taken, im->rejected, c->conflicts, c->blob_bytes,
               complete ? "true" : "false", seconds, (double)writing_us / 1e6);
    else if (im->o->dry_run)
        printf("%" PRIu64 " lines good, %" PRIu64 " rejected; %.2f s\n", im->taken, im->rejected, seconds);
    else
        printf("%" PRIu64 " customer%s written (%" PRIu64 " new), %" PRIu64 " passed over that have this import; %" PRIu64
               " line%s, %" PRIu64 " rejected; %" PRIu64 " conflicts; %.2f s, %.0f customers/s\n",
               c->customers, c->customers == 1 ? "" : "s", c->created, c->before, im->taken, im->taken == 1 ? "" : "s", im->rejected,
               c->conflicts, seconds, rate);
}

static int run_import(struct import *im, size_t threads, int64_t *writing_us, struct error *e)
{
    const char *temp = im->o->temp ? im->o->temp : getenv("TMPDIR");
    int rc = check_files(im->o, e);
    if (!rc)
        rc = open_rejects(im, e);
    if (!rc)
        rc = bind(im, e);
    if (rc)
        return rc;
    im->spread = spread_new(pieces_for(im), temp ? temp : "/var/tmp");
    progress_begin(&im->progress, "KiB read");
    rc = read_files(im, threads, e);
    progress_clear(&im->progress);
    if (!rc && im->hopeless)
        rc = error_set(e, ERR_INVALID, "none of the first %d lines was right; the rest was not read, and nothing was written",
                       HOPELESS_LINES);
    if (rc || im->o->dry_run)
        return rc;
    int64_t from_us = clock_mono_us();
    progress_begin(&im->progress, "lines written");
    rc = write_all(im, threads, e);
    progress_clear(&im->progress);
    *writing_us = clock_mono_us() - from_us;
    return rc;
}

static int with_policy(const struct import_direct *o, struct snapshot *snapshot)
{
    struct import im = {.o = o, .snapshot = snapshot};
    struct error e = {0};
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    size_t threads = o->threads ? (size_t)o->threads : cores > 0 ? (size_t)cores : 1;
    int64_t start_us = clock_mono_us(), writing_us = 0;
    threads = threads < PARALLEL_THREADS_MAX ? threads : PARALLEL_THREADS_MAX;
    int rc = run_import(&im, threads, &writing_us, &e);
    if (import_rejects_close(&im.rejects, rc ? NULL : &e) && !rc)
        rc = e.code;
    if (im.taken || im.rejected || !rc) /* else nothing was read: the error says all */
        report(&im, clock_mono_us() - start_us, writing_us, rc == 0);
    fflush(stdout);
    if (rc && writing_us)
        client_failed(&command_import, "stopped: %s; customers are written whole or not at all: run it again to go on", e.text);
    else if (rc)
        client_failed(&command_import, "%s", e.text);
    spread_free(&im.spread);
    import_store_close(&im.store);
    names_free(&im.names);
    return rc || im.rejected ? EXIT_FAILED : EXIT_OK;
}

int import_direct(const struct import_direct *o)
{
    struct tzdb *zones = NULL;
    struct error e = {0};
    struct arena arena;
    struct diags diags;
    if (tzdb_load(&zones, NULL, &e))
        return client_failed(&command_import, "%s", e.text);
    arena_init(&arena, CLIENT_MEMORY_MAX);
    diags_init(&diags, &arena);
    struct snapshot *snapshot = snapshot_load(o->policy, NULL, zones, &diags);
    int code = EXIT_FAILED;
    if (snapshot)
        code = with_policy(o, snapshot);
    else
        diags_print(&diags, stderr);
    snapshot_release(&snapshot);
    arena_free(&arena);
    tzdb_free(&zones);
    return code;
}
