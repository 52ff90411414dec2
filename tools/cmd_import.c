/* tact import: files of customers, straight into the store (import/direct.h), or a CSV to a server, one upsert a row, many at
 * once:
 *
 *   csv record --import_row--> held --(its customer has no row under way)--> sent --> answered
 *                  |                                                          |  \-> sent again after a pause, a bounded
 *                  +--> rejected <----------- INVALID_ARGUMENT ---------------+      number of times; then import stops
 *
 * Invariants: at most --in-flight rows are sent and not answered; rows of one customer go one after the
 * other, in the file's order, so that the last one wins; a row is counted once, as imported, rejected or
 * unfinished. Upserts may be repeated, so an import that stopped is simply run again.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "net/grpc_client.h"
#include "tools/answer.h"
#include "tools/client.h"
#include "tools/commands.h"
#include "tools/import/direct.h"
#include "tools/import/rows.h"
#include "tools/parallel.h"
#include "tools/progress.h"
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <sys/stat.h>

enum {
    ATTEMPTS_MAX = 10, /* of one row; pauses double from PAUSE_MS to PAUSE_MAX_MS: 10 s in all */
    PAUSE_MS = 50,
    PAUSE_MAX_MS = 2000,
    TICK_MS = 25,
    SHOWN_MAX = 100,     /* rejected rows told on stderr */
    HOPELESS_ROWS = 100, /* when none of so many was taken, the file or its mapping is wrong: stop */
    MESSAGE_MAX = 256 * 1024,
    REJECT_TEXT_MAX = 1024,
    FILES_MAX = 64
};

static int run(int argc, char **argv);

const struct command command_import = {
    .name = "import",
    .brief = "load customers and their history from CSV and JSON Lines files",
    .arguments = "FILE…",
    .details =
        "With --store, straight into the store, beside servers or without: tables (.csv, .tsv, with --customer-column)\n"
        "and JSON Lines (.jsonl): {\"upsert\": UpsertRequest}, {\"signal\": SignalRequest}, {\"record_contact\": "
        "RecordContactRequest},\n"
        "{\"record\": RecordRequest}, each as of its as_of_ms, else its latest time_ms, else --time, else when its file was "
        "written.\n"
        "What is newer stays: attributes set since, consents, wishes. A customer is written whole or not at all, and "
        "keeps a\n"
        "mark of the import: run it again after whatever stopped it, and it goes on; nothing counts twice. All FILEs "
        "together\n"
        "are one import. It is not in the decision log.\n\n"
        "  tact import --store unix:///var/lib/tact/redis/redis.sock --policy tools/examples/retail people.csv history.jsonl \\\n"
        "      --customer-column id\n\n"
        "With --server, one table through a server that runs. One row is one customer: attributes and consents are set,\n"
        "those not named stay. FILE.csv is RFC 4180 in UTF-8 with a header; - is standard input. Every column must be an\n"
        "attribute (by its own name or by --column), the customer's id, a consent, or left out with --column NAME=.\n"
        "Types: as the policy says with --policy, else those in --column (string, number, int, bool, time), else string.\n"
        "An empty cell changes nothing. Bad rows are reported with their line and left out; the exit code is then 1.\n"
        "Running it again is safe.\n\n"
        "  tact import --server 127.0.0.1:50051 customers.csv --customer-column id --policy "
        "tools/examples/retail\n"
        "  tact import --server 127.0.0.1:50051 c.csv --customer-column id --column spend=spend_365d:number "
        "--column note= \\\n"
        "      --consent email:promotional=newsletter --consent-time 2025-01-15T00:00:00Z --rejects bad.csv",
    .run = run,
};

struct options {
    const char *server, *store, *rejects, *policy, *separator, *consent_time, *time_zone, *time, *time_column, *temp;
    struct import_options rows;
    int64_t in_flight, timeout_ms, threads, time_ms;
    bool dry_run, json;
};

struct import;

struct row {
    struct import *import;
    size_t line;
    struct buf message, raw;
    int attempts;
    int64_t retry_us; /* when to send it again; 0: it is not waiting */
};

struct import {
    const struct options *o;
    const char *file;
    struct csv *csv;
    struct import_map map;
    struct arena arena, row_arena;
    FILE *rejects;
    uint64_t file_bytes;
    struct progress progress;
    /* rows under way */
    uv_loop_t loop;
    uv_timer_t timer;
    struct grpc_client *client;
    struct row *rows;
    uint64_t *customers; /* hash of row i's customer; 0: row i is free */
    size_t row_count, under_way;
    struct row *held; /* read, but not sent: its customer has a row under way */
    uint64_t held_customer;
    bool no_more;         /* the file's end, or stopped */
    struct error stopped; /* why the import gave up; code 0: it did not */
    /* counts of rows */
    uint64_t imported, created, rejected, unfinished;
    size_t unfinished_line; /* the first */
};

/* ---- rejected rows ---- */

static void stop(struct import *im, const char *format, ...) PRINTF_LIKE(2, 3);
static void stop(struct import *im, const char *format, ...)
{
    va_list args;
    im->no_more = true;
    if (im->stopped.code)
        return;
    im->stopped.code = ERR_UNAVAILABLE;
    va_start(args, format);
    vsnprintf(im->stopped.text, sizeof im->stopped.text, format, args);
    va_end(args);
}

static void reject_json(size_t line, const char *why)
{
    json_t *o = json_pack("{s:I, s:s}", "line", (json_int_t)line, "rejected", why);
    char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;
    printf("%s\n", text ? text : "{}");
    free(text);
    json_decref(o);
}

/* text: "…: why" for people, beginning with the file and line. why: without them. */
static void reject(struct import *im, size_t line, struct str raw, const char *text, const char *why)
{
    im->rejected++;
    if (im->o->json) {
        reject_json(line, why);
    } else if (im->rejected <= SHOWN_MAX) {
        progress_clear(&im->progress);
        answer_text(text, REJECT_TEXT_MAX, stderr); /* it holds what stood in the file */
        fputs(im->rejected == SHOWN_MAX
                  ? "\n(further rejected rows are only counted; --rejects FILE keeps all)\n"
                  : "\n",
              stderr);
    }
    if (im->rejects) {
        struct buf b;
        buf_init(&b, 4 * REJECT_TEXT_MAX + CSV_RECORD_MAX);
        buf_printf(&b, "%zu%c", line, im->o->separator[0]);
        csv_write_field(&b, str_from(why), im->o->separator[0]);
        buf_byte(&b, (uint8_t)im->o->separator[0]);
        buf_str(&b, raw);
        buf_byte(&b, '\n');
        fwrite(b.p, 1, b.n, im->rejects);
        buf_free(&b);
    }
    if (im->rejected >= HOPELESS_ROWS && im->imported == 0)
        stop(im, "none of the first %d rows was taken; the rest was not tried", HOPELESS_ROWS);
}

static void reject_at(struct import *im, size_t line, struct str raw, const char *why)
{
    char text[REJECT_TEXT_MAX + 300];
    snprintf(text, sizeof text, "%.200s:%zu: %s", im->file, line, why);
    reject(im, line, raw, text, why);
}

static int open_rejects(struct import *im, const struct csv_record *header)
{
    struct stat in, out;
    const char *path = im->o->rejects;
    char s = im->o->separator[0];
    if (!path)
        return EXIT_OK;
    if (stat(im->file, &in) == 0 && stat(path, &out) == 0 && in.st_dev == out.st_dev &&
        in.st_ino == out.st_ino)
        return client_usage(&command_import, "--rejects %s is the file to be imported", path);
    im->rejects = fopen(path, "w");
    if (!im->rejects)
        return client_failed(&command_import, "%s: %s", path, strerror(errno));
    const char *raw = header->raw.p;
    size_t n = header->raw.n;
    fprintf(im->rejects, IMPORT_REJECTED_LINE "%c" IMPORT_REJECTED_BECAUSE "%c%.*s\n", s, s, (int)n, raw);
    return EXIT_OK;
}

static bool close_rejects(struct import *im)
{
    if (!im->rejects)
        return true;
    bool failed = ferror(im->rejects);
    failed |= fclose(im->rejects) != 0;
    im->rejects = NULL;
    if (failed)
        client_failed(&command_import, "%s: writing failed: %s", im->o->rejects, strerror(errno));
    return !failed;
}

/* ---- reading ---- */

static struct row *free_row(struct import *im)
{
    for (size_t i = 0; i < im->row_count; i++)
        if (!im->customers[i] && &im->rows[i] != im->held)
            return &im->rows[i];
    return NULL;
}

/* The next good row into *row; bad ones are rejected on the way. False at the end. */
static bool read_row(struct import *im, struct row *row, uint64_t *customer)
{
    while (!im->no_more) {
        struct csv_record r;
        struct error e = {0};
        Tact__V1__UpsertRequest m;
        enum csv_result rc = csv_next(im->csv, &r, &e);
        if (rc == CSV_END) {
            im->no_more = true;
        } else if (rc == CSV_FAILED) {
            stop(im, "%s", e.text);
        } else if (rc == CSV_BAD) {
            const char *why = strstr(e.text, ": "); /* behind file:line:column */
            reject(im, r.line, r.raw, e.text, why ? why + 2 : e.text);
        } else {
            arena_reset(&im->row_arena);
            int bad = import_row(&im->map, &r, clock_wall_ms(), &im->row_arena, &m, &e);
            size_t n = bad ? 0 : tact__v1__upsert_request__get_packed_size(&m);
            if (n > MESSAGE_MAX)
                bad = error_set(&e, ERR_INVALID, "%zu bytes; a request has at most 256 KiB", n);
            if (bad) {
                reject_at(im, r.line, r.raw, e.text);
                continue;
            }
            buf_clear(&row->message);
            buf_clear(&row->raw);
            uint8_t *p = buf_reserve(&row->message, n + 1);
            ASSERT(p != NULL);
            row->message.n = tact__v1__upsert_request__pack(&m, p);
            buf_str(&row->raw, r.raw);
            row->line = r.line;
            row->attempts = 0;
            *customer = hash64(m.customer_id, strlen(m.customer_id)) | 1;
            return true;
        }
    }
    return false;
}

/* ---- sending ---- */

static void pump(struct import *im);

static void row_done(struct import *im, const struct row *row)
{
    im->customers[row - im->rows] = 0;
    im->under_way--;
}

static void leave_unfinished(struct import *im, const struct row *row)
{
    if (!im->unfinished++ || row->line < im->unfinished_line)
        im->unfinished_line = row->line;
    row_done(im, row);
}

static bool may_help_later(int status)
{
    return status == GRPC_UNAVAILABLE || status == GRPC_ABORTED || status == GRPC_DEADLINE_EXCEEDED ||
           status == GRPC_RESOURCE_EXHAUSTED;
}

static void count_imported(struct import *im, struct str answer)
{
    Tact__V1__UpsertResponse *r =
        tact__v1__upsert_response__unpack(NULL, answer.n, (const uint8_t *)answer.p);
    im->imported++;
    im->created += r && r->created;
    if (r)
        tact__v1__upsert_response__free_unpacked(r, NULL);
}

static void on_answer(void *user, const struct grpc_result *r)
{
    struct row *row = user;
    struct import *im = row->import;
    char text[REJECT_TEXT_MAX];
    snprintf(text, sizeof text, "%s: %.*s", grpc_status_name(r->status),
             (int)(r->text.n > 900 ? 900 : r->text.n), r->text.p ? r->text.p : "");
    row->attempts++;
    if (r->status == GRPC_OK) {
        count_imported(im, r->message);
        row_done(im, row);
    } else if (r->status == GRPC_INVALID_ARGUMENT || r->status == GRPC_FAILED_PRECONDITION ||
               (r->status == GRPC_RESOURCE_EXHAUSTED && row->attempts >= ATTEMPTS_MAX)) {
        row_done(im, row);
        reject_at(im, row->line, (struct str){(char *)row->raw.p, row->raw.n}, text);
    } else if (may_help_later(r->status) && row->attempts < ATTEMPTS_MAX && !im->stopped.code) {
        int64_t pause_ms = (int64_t)PAUSE_MS << (row->attempts - 1);
        pause_ms = pause_ms < PAUSE_MAX_MS ? pause_ms : PAUSE_MAX_MS;
        /* spread by up to a quarter, so that rows do not come back all at once */
        row->retry_us = clock_mono_us() + pause_ms * (1000 + (row - im->rows) % 256);
    } else {
        stop(im, "line %zu, after %d attempt%s: %s", row->line, row->attempts, row->attempts == 1 ? "" : "s",
             text);
        leave_unfinished(im, row);
    }
    pump(im);
}

static void send_row(struct import *im, struct row *row)
{
    row->retry_us = 0;
    grpc_call_unary(im->client, "/tact.v1.Customers/Upsert", row->message.p, row->message.n,
                    im->o->timeout_ms, on_answer, row);
}

static bool customer_under_way(const struct import *im, uint64_t customer)
{
    for (size_t i = 0; i < im->row_count; i++)
        if (im->customers[i] == customer)
            return true;
    return false;
}

/* Sends as many rows as may be under way, and ends it all after the last one. */
static void pump(struct import *im)
{
    while (im->under_way < im->row_count && !im->stopped.code) {
        if (!im->held) {
            struct row *row = free_row(im);
            if (!row || !read_row(im, row, &im->held_customer))
                break;
            im->held = row;
        }
        if (customer_under_way(im, im->held_customer))
            break;
        im->customers[im->held - im->rows] = im->held_customer;
        im->under_way++;
        send_row(im, im->held);
        im->held = NULL;
    }
    if (im->held && im->stopped.code) {
        im->under_way++;
        leave_unfinished(im, im->held);
        im->held = NULL;
    }
    if (im->under_way == 0 && !im->held && im->no_more && im->client) {
        uv_close((uv_handle_t *)&im->timer, NULL);
        grpc_client_close(&im->client);
    }
}

static void on_tick(uv_timer_t *timer)
{
    struct import *im = timer->data;
    int64_t now_us = clock_mono_us();
    for (size_t i = 0; i < im->row_count; i++) {
        struct row *row = &im->rows[i];
        if (!im->customers[i] || !row->retry_us)
            continue;
        if (im->stopped.code)
            leave_unfinished(im, row);
        else if (now_us >= row->retry_us)
            send_row(im, row);
    }
    if (im->file_bytes)
        progress_at(&im->progress, csv_offset(im->csv) / 1024, im->file_bytes / 1024 + 1);
    pump(im);
}

/* ---- the whole ---- */

static int transfer(struct import *im)
{
    struct error e = {0};
    ASSERT(uv_loop_init(&im->loop) == 0);
    int rc = grpc_client_new(&im->client, &im->loop, im->o->server, &e);
    if (!rc) {
        ASSERT(uv_timer_init(&im->loop, &im->timer) == 0);
        im->timer.data = im;
        uv_timer_start(&im->timer, on_tick, TICK_MS, TICK_MS);
        pump(im);
    }
    uv_run(&im->loop, UV_RUN_DEFAULT);
    ASSERT(uv_loop_close(&im->loop) == 0);
    return rc ? client_failed(&command_import, "%s", e.text) : EXIT_OK;
}

static void check_only(struct import *im)
{
    uint64_t customer;
    while (read_row(im, &im->rows[0], &customer)) {
        im->imported++;
        if (im->file_bytes)
            progress_at(&im->progress, csv_offset(im->csv) / 1024, im->file_bytes / 1024 + 1);
    }
}

static int report(struct import *im, int64_t elapsed_us)
{
    bool dry = im->o->dry_run;
    int code = im->rejected || im->unfinished || im->stopped.code ? EXIT_FAILED : EXIT_OK;
    progress_clear(&im->progress);
    if (!close_rejects(im))
        code = EXIT_FAILED;
    if (im->o->json)
        printf("{\"%s\":%" PRIu64 ",\"created\":%" PRIu64 ",\"rejected\":%" PRIu64 ",\"unfinished\":%" PRIu64
               ",\"complete\":%s,\"seconds\":%.3f}\n",
               dry ? "good" : "imported", im->imported, im->created, im->rejected, im->unfinished,
               im->stopped.code ? "false" : "true", (double)elapsed_us / 1e6);
    else
        printf("%s: %" PRIu64 " row%s %s", im->file, im->imported, im->imported == 1 ? "" : "s",
               dry ? "good" : "imported");
    if (!im->o->json && !dry)
        printf(" (%" PRIu64 " new customer%s)", im->created, im->created == 1 ? "" : "s");
    if (!im->o->json)
        printf(", %" PRIu64 " rejected; %.2f s\n", im->rejected, (double)elapsed_us / 1e6);
    if (im->stopped.code)
        client_failed(&command_import, "stopped: %s", im->stopped.text);
    if (im->unfinished)
        fprintf(stderr,
                "%" PRIu64
                " rows from line %zu on may not be in; run it again, rows that are in do no harm\n",
                im->unfinished, im->unfinished_line);
    return code;
}

/* Reads the header; the file is then ready for its rows. */
static int prepare(struct import *im)
{
    struct csv_record header;
    struct error e = {0};
    struct stat st;
    if (csv_open(&im->csv, im->file, im->o->separator[0], &e))
        return client_failed(&command_import, "%s", e.text);
    if (strcmp(im->file, "-") != 0 && stat(im->file, &st) == 0 && S_ISREG(st.st_mode))
        im->file_bytes = (uint64_t)st.st_size;
    enum csv_result rc = csv_next(im->csv, &header, &e);
    if (rc == CSV_END)
        return client_failed(&command_import, "%s is empty; its first line names the columns", im->file);
    if (rc != CSV_RECORD)
        return client_failed(&command_import, "%s", e.text);
    if (import_map_make(&im->map, &im->o->rows, &header, &im->arena, &e))
        return client_failed(&command_import, "%s:%zu: %s", im->file, header.line, e.text);
    int code = open_rejects(im, &header);
    if (code != EXIT_OK)
        return code;
    im->row_count = im->o->dry_run ? 1 : (size_t)im->o->in_flight;
    im->rows = calloc(im->row_count, sizeof *im->rows);
    im->customers = calloc(im->row_count, sizeof *im->customers);
    ASSERT(im->rows && im->customers);
    for (size_t i = 0; i < im->row_count; i++) {
        im->rows[i].import = im;
        buf_init(&im->rows[i].message, MESSAGE_MAX + 1);
        buf_init(&im->rows[i].raw, CSV_RECORD_MAX);
    }
    return EXIT_OK;
}

static int import_file(const struct options *o, const char *file)
{
    struct import im = {.o = o, .file = file};
    int64_t start_us = clock_mono_us();
    arena_init(&im.arena, CLIENT_MEMORY_MAX);
    arena_init(&im.row_arena, CLIENT_MEMORY_MAX);
    int code = prepare(&im);
    if (code == EXIT_OK) {
        progress_begin(&im.progress, "KiB");
        if (o->dry_run)
            check_only(&im);
        else
            code = transfer(&im);
        if (code == EXIT_OK)
            code = report(&im, clock_mono_us() - start_us);
    }
    if (!close_rejects(&im))
        code = EXIT_FAILED;
    for (size_t i = 0; im.rows && i < im.row_count; i++) {
        buf_free(&im.rows[i].message);
        buf_free(&im.rows[i].raw);
    }
    free(im.rows);
    free(im.customers);
    csv_free(&im.csv);
    arena_free(&im.row_arena);
    arena_free(&im.arena);
    return code;
}

static int import_with_policy(struct options *o, const char *file)
{
    struct tzdb *zones = NULL;
    struct error e = {0};
    struct arena arena;
    struct diags diags;
    if (!o->policy && !o->time_zone)
        return import_file(o, file);
    if (tzdb_load(&zones, NULL, &e) || client_zone(zones, o->time_zone, &o->rows.zone, &e)) {
        tzdb_free(&zones);
        return client_failed(&command_import, "%s", e.text);
    }
    arena_init(&arena, CLIENT_MEMORY_MAX);
    diags_init(&diags, &arena);
    struct policy *policy = o->policy ? policy_load(o->policy, zones, &diags) : NULL;
    int code = EXIT_FAILED;
    if (o->policy && !policy)
        diags_print(&diags, stderr);
    o->rows.policy = policy;
    if (policy || !o->policy)
        code = import_file(o, file);
    policy_free(&policy);
    arena_free(&arena);
    tzdb_free(&zones);
    return code;
}

/* What goes with --store alone, or with --server. */
static int check_way(const struct options *o, const char *const *files, int count)
{
    if (o->store && o->server)
        return client_usage(&command_import, "--store and --server: give one");
    if (o->store)
        return o->policy ? -1 : client_usage(&command_import, "--store: --policy FOLDER is required, the one that is served");
    if (o->time || o->time_column || o->temp || o->threads)
        return client_usage(&command_import, "--time, --time-column, --temp and --threads go with --store");
    if (!o->server && !o->dry_run)
        return client_usage(&command_import, "--server ADDRESS is required (or --store, or --dry-run)");
    for (int i = 0; i < count; i++) {
        size_t n = strlen(files[i]);
        if (n > 6 && strcmp(files[i] + n - 6, ".jsonl") == 0)
            return client_usage(&command_import,
                                "%s: JSON Lines go into the store (--store); to a server, signals go by `tact signal --file`",
                                files[i]);
    }
    if (!o->rows.customer_column)
        return client_usage(&command_import, "--customer-column NAME is required");
    return count == 1 ? -1 : client_usage(&command_import, "one FILE at a time goes to a server; --store takes several");
}

static int check_options(struct options *o, const char *const *files, int count)
{
    struct error e = {0};
    int rc = check_way(o, files, count);
    if (rc >= 0)
        return rc;
    if (o->time && time_text_parse(str_from(o->time), &o->time_ms, &e))
        return client_usage(&command_import, "--time: %s", e.text);
    if (strcmp(o->separator, "tab") == 0)
        o->separator = "\t";
    unsigned char s = (unsigned char)o->separator[0];
    if (!s || o->separator[1] || s > 126 || s == '"' || s == '\n' || s == '\r')
        return client_usage(&command_import, "--separator: one character like ; or the word tab");
    if (o->consent_time && time_text_parse(str_from(o->consent_time), &o->rows.consent_time_ms, &e))
        return client_usage(&command_import, "--consent-time: %s", e.text);
    return -1;
}

static int into_store(const struct options *o, const char *const *files, int count)
{
    const struct import_direct d = {.store = o->store,
                                    .policy = o->policy,
                                    .rejects = o->rejects,
                                    .temp = o->temp,
                                    .time_zone = o->time_zone,
                                    .time_column = o->time_column,
                                    .files = files,
                                    .file_count = (size_t)count,
                                    .time_ms = o->time_ms,
                                    .threads = o->threads,
                                    .rows = o->rows,
                                    .separator = o->separator[0],
                                    .dry_run = o->dry_run,
                                    .json = o->json};
    return import_direct(&d);
}

static int run(int argc, char **argv)
{
    struct options o = {.separator = ",",
                        .in_flight = 256,
                        .timeout_ms = CLIENT_TIMEOUT_MS,
                        .rows = {.consent_source = "import"}};
    const char *files[FILES_MAX];
    int count;
    const struct option_def defs[] = {
        {.name = "store", .value = "URL", .help = "redis://host:port or unix:///path of the store itself", .text = &o.store},
        {.name = "server", .value = "ADDRESS", .help = "host:port or unix:/path", .text = &o.server},
        {.name = "time",
         .value = "TIME",
         .help = "with --store: of lines that say none; default: when their file was written",
         .text = &o.time},
        {.name = "time-column", .value = "NAME", .help = "with --store: the column of rows' times", .text = &o.time_column},
        {.name = "temp", .value = "FOLDER", .help = "with --store: of temporary files; default TMPDIR, /var/tmp", .text = &o.temp},
        {.name = "threads",
         .value = "N",
         .help = "with --store: default one a core",
         .number = &o.threads,
         .low = 1,
         .high = PARALLEL_THREADS_MAX},
        {.name = "customer-column",
         .value = "NAME",
         .help = "the column of customers' ids (required of a table)",
         .text = &o.rows.customer_column},
        {.name = "column",
         .value = "NAME=ATTR[:TYPE]",
         .help = "what a column is; NAME= leaves it out",
         .list = &o.rows.columns},
        {.name = "policy",
         .value = "FOLDER",
         .help = "types of attributes, and checks before sending",
         .text = &o.policy},
        {.name = "consent",
         .value = "CH:PURPOSE[=COL]",
         .help = "granted in every row, or as the column says",
         .list = &o.rows.consents},
        {.name = "time-zone",
         .value = "ZONE",
         .help = "of times in the file that name none, e.g. Asia/Tehran (UTC)",
         .text = &o.time_zone},
        {.name = "consent-time",
         .value = "TIME",
         .help = "when they were given, RFC 3339; default: now. Newer ones stay; who was forgotten later stays so",
         .text = &o.consent_time},
        {.name = "consent-source",
         .value = "TEXT",
         .help = "where they come from; default import",
         .text = &o.rows.consent_source},
        {.name = "remove-empty", .help = "an empty cell removes the attribute", .flag = &o.rows.remove_empty},
        {.name = "separator",
         .value = "CHAR",
         .help = "between fields; default a comma; tab for a tab",
         .text = &o.separator},
        {.name = "in-flight",
         .value = "N",
         .help = "rows under way at once, 1 to 1000; default 256",
         .number = &o.in_flight,
         .low = 1,
         .high = 1000},
        {.name = "timeout-ms",
         .value = "N",
         .help = "of one row; default 5000",
         .number = &o.timeout_ms,
         .low = 1,
         .high = CLIENT_TIMEOUT_MAX_MS},
        {.name = "rejects",
         .value = "FILE",
         .help = "rejected rows with the reason, to mend and import",
         .text = &o.rejects},
        {.name = "dry-run",
         .help = "only checks the file (with --policy: all that the server would)",
         .flag = &o.dry_run},
        {.name = "json", .help = "one JSON object a rejected row, and one at the end", .flag = &o.json},
        {0},
    };
    int rc = options_parse(&command_import, defs, argc, argv, files, 1, FILES_MAX, &count);
    if (rc < 0)
        rc = check_options(&o, files, count);
    if (rc >= 0)
        return rc;
    return o.store ? into_store(&o, files, count) : import_with_policy(&o, files[0]);
}
