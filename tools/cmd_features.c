/* tact features: the policy's features of customers at instants of the past, from the raw history of what happened.
 *
 *   events.jsonl --by customer and arrival--> state --at each instant--> a CSV row of features
 *
 * The same functions as on a server apply the events and read the features, so a model that is trained on these rows sees when
 * it serves what it saw when it learned. A row sees what had arrived by its instant and nothing later.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/csv.h"
#include "base/hash.h"
#include "decide/journey.h"
#include "models/offline/feature_cell.h"
#include "state/codec.h"
#include "tools/commands.h"
#include "tools/progress.h"
#include "tools/workload.h"
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

enum { INSTANTS_MAX = 50 * 1000 * 1000, CUSTOMER_MEMORY = 1 << 30, ROW_MAX = 4 << 20, TURNOVER_EVENTS = 256 };
enum { REJECTED_LISTED = 20 };
#define SECONDS_BELOW_MS INT64_C(100000000000) /* 1973 in milliseconds, 5138 in seconds */
#define EVENTS_MEMORY ((size_t)16 << 30)

static int run(int argc, char **argv);

const struct command command_features = {
    .name = "features",
    .brief = "features of customers at instants of the past, from their history",
    .arguments = "",
    .details =
        "Applies a history of events as a server would, customer by customer in order of arrival, and writes the policy's\n"
        "features (but pair features) as they were at each instant asked for, as models see them: durations in hours, unknown\n"
        "as an empty field. EVENTS is JSON Lines: {\"signal\": SignalRequest} and {\"upsert\": UpsertRequest} as the wire has\n"
        "them; a line arrives at its as_of_ms, else at the latest time_ms of its signals. AT is a CSV with customer_id and time\n"
        "(RFC 3339, or milliseconds); without it, one row a customer, at their last event. What a server would reject is told\n"
        "with its line, the rows do without it, and the exit code is 1.\n\n"
        "  {\"signal\":{\"customer_id\":\"c1\",\"signals\":[{\"event_id\":\"e1\",\"name\":\"purchase\",\"time_ms\":1736944200000,\n"
        "    \"properties\":{\"amount\":{\"number_value\":30}}}]}}\n\n"
        "  tact features --policy tools/examples/retail --events history.jsonl --at moments.csv --out features.csv",
    .run = run,
};

struct moment {
    struct str customer;
    int64_t at_ms;
    size_t line; /* of the file, to write rows in its order */
};

struct arrival {
    const struct workload_call *call;
    int64_t at_ms;
};

struct job {
    const char *folder, *events, *at, *out_path;
    bool json;
    const struct policy *policy;
    struct workload_calls calls;
    struct arrival *arrivals; /* by customer, then arrival, then line */
    struct moment *moments;   /* by customer, then instant */
    size_t moment_count, moment_capacity;
    struct arena texts, customer, moment;
    struct buf blob, row;
    struct str *rows; /* by line, when instants were asked for */
    FILE *out;
    struct progress progress;
    uint64_t row_count, customers, rejected;
};

/* ---- what is asked for ---- */

static int add_moment(struct job *j, struct str customer, int64_t at_ms, struct error *e)
{
    if (j->moment_count == INSTANTS_MAX)
        return error_set(e, ERR_NOSPACE, "more than %d instants", INSTANTS_MAX);
    if (j->moment_count == j->moment_capacity) {
        size_t capacity = j->moment_capacity ? 2 * j->moment_capacity : 1024;
        struct moment *grown = realloc(j->moments, capacity * sizeof *grown);
        if (!grown)
            return error_set(e, ERR_NOSPACE, "the instants do not fit the memory");
        j->moments = grown;
        j->moment_capacity = capacity;
    }
    j->moments[j->moment_count] = (struct moment){customer, at_ms, j->moment_count};
    j->moment_count++;
    return 0;
}

static long column(const struct csv_record *r, const char *name)
{
    for (size_t i = 0; i < r->count; i++)
        if (str_is(r->fields[i], name))
            return (long)i;
    return -1;
}

/* Seconds where milliseconds are meant would be read as some day of January 1970. */
static bool is_seconds(int64_t time_ms)
{
    return time_ms > 0 && time_ms < SECONDS_BELOW_MS;
}

static bool instant_of(struct str text, int64_t *out)
{
    char digits[24], *end;
    if (timestamp_parse(text, out))
        return true;
    if (text.n == 0 || text.n >= sizeof digits)
        return false;
    memcpy(digits, text.p, text.n);
    digits[text.n] = 0;
    errno = 0;
    *out = strtoll(digits, &end, 10);
    return *end == 0 && errno == 0 && *out > 0 && *out <= TIMESTAMP_MAX_MS;
}

static int read_moments(struct job *j, struct csv *csv, struct error *e)
{
    struct csv_record r;
    enum csv_result got = csv_next(csv, &r, e);
    if (got == CSV_BAD || got == CSV_FAILED)
        return ERR_INVALID;
    long who = got == CSV_RECORD ? column(&r, "customer_id") : -1, when = got == CSV_RECORD ? column(&r, "time") : -1;
    if (who < 0 || when < 0)
        return error_set(e, ERR_INVALID, "%s:1: the columns customer_id and time are needed", j->at);
    while ((got = csv_next(csv, &r, e)) == CSV_RECORD) {
        int64_t at_ms;
        if ((size_t)who >= r.count || (size_t)when >= r.count || r.fields[who].n == 0)
            return error_set(e, ERR_INVALID, "%s:%zu: customer_id or time is missing", j->at, r.line);
        bool good = instant_of(r.fields[when], &at_ms);
        if (good && is_seconds(at_ms) && !memchr(r.fields[when].p, '-', r.fields[when].n))
            return error_set(e, ERR_INVALID, "%s:%zu: '%.*s' seems to be in seconds; write Unix milliseconds", j->at, r.line,
                             STR_ARG(r.fields[when]));
        if (!good)
            return error_set(e, ERR_INVALID, "%s:%zu: '%.*s' is no time like 2025-01-15T12:00:00Z, or milliseconds", j->at,
                             r.line, STR_ARG(r.fields[when]));
        struct str customer = arena_str(&j->texts, r.fields[who]);
        if (!customer.p)
            return error_set(e, ERR_NOSPACE, "the instants do not fit the memory");
        int rc = add_moment(j, customer, at_ms, e);
        if (rc)
            return rc;
    }
    return got == CSV_END ? 0 : ERR_INVALID;
}

/* ---- in order ---- */

static int by_customer(const void *a, const void *b)
{
    const struct arrival *x = a, *y = b;
    int c = str_cmp(x->call->customer, y->call->customer);
    if (c)
        return c;
    if (x->at_ms != y->at_ms)
        return x->at_ms < y->at_ms ? -1 : 1;
    return (x->call->line > y->call->line) - (x->call->line < y->call->line);
}

static int moments_by_customer(const void *a, const void *b)
{
    const struct moment *x = a, *y = b;
    int c = str_cmp(x->customer, y->customer);
    if (c)
        return c;
    return (x->at_ms > y->at_ms) - (x->at_ms < y->at_ms);
}

static int sort_arrivals(struct job *j, struct error *e)
{
    j->arrivals = malloc((j->calls.count + 1) * sizeof *j->arrivals);
    if (!j->arrivals)
        return error_set(e, ERR_NOSPACE, "the events do not fit the memory");
    for (size_t i = 0; i < j->calls.count; i++) {
        arena_reset(&j->moment);
        const struct workload_call *call = &j->calls.items[i];
        int64_t earliest;
        j->arrivals[i] = (struct arrival){call, workload_arrival(call, &j->moment, &earliest)};
        if (j->arrivals[i].at_ms == INT64_MIN)
            return error_set(e, ERR_INVALID, "%s:%zu: no as_of_ms and no time_ms, of customer %.*s", j->events, call->line,
                             STR_ARG(str_cut(call->customer, 64)));
        if (is_seconds(earliest))
            return error_set(e, ERR_INVALID, "%s:%zu: %lld seems to be in seconds; as_of_ms and time_ms are Unix milliseconds",
                             j->events, call->line, (long long)earliest);
    }
    qsort(j->arrivals, j->calls.count, sizeof *j->arrivals, by_customer);
    return 0;
}

/* Without a file: the last arrival of each. */
static int default_moments(struct job *j, struct error *e)
{
    int rc = 0;
    for (size_t i = 0; i < j->calls.count && !rc; i++) {
        bool last = i + 1 == j->calls.count ||
                    !str_eq(j->arrivals[i].call->customer, j->arrivals[i + 1].call->customer);
        if (last)
            rc = add_moment(j, j->arrivals[i].call->customer, j->arrivals[i].at_ms, e);
    }
    return rc;
}

/* ---- one customer ---- */

/* Through its blob, so that a long history needs no more memory than a short one. */
static int turn_over(struct job *j, struct state *s, int64_t now_ms, struct error *e)
{
    buf_clear(&j->blob);
    state_prune(s, now_ms);
    int rc = state_encode(s, 1, &j->blob, e);
    arena_reset(&j->customer);
    struct str blob = arena_str(&j->customer, (struct str){(const char *)j->blob.p, j->blob.n});
    if (!rc && !blob.p)
        rc = error_set(e, ERR_NOSPACE, "the state does not fit the memory");
    return rc ? rc : state_decode(s, &j->policy->schema, blob, &j->customer, e);
}

static int write_row(struct job *j, const struct state *s, const struct moment *m, struct error *e)
{
    const struct policy *p = j->policy;
    struct view v;
    arena_reset(&j->moment);
    if (view_init(&v, p, s, NULL, UINT32_MAX, false, m->at_ms, &j->moment))
        return error_set(e, ERR_NOSPACE, "the features do not fit the memory");
    buf_clear(&j->row);
    feature_text(&j->row, m->customer);
    buf_byte(&j->row, ',');
    value_format(value_timestamp(m->at_ms), &j->row);
    for (size_t i = 0; i < p->feature_count; i++) {
        if (expr_varies(p->program, p->features[i].node))
            continue;
        buf_byte(&j->row, ',');
        feature_cell(&j->row, expr_eval(&v.ev, p->features[i].node));
    }
    buf_byte(&j->row, '\n');
    if (!buf_ok(&j->row))
        return error_set(e, ERR_NOSPACE, "a row is over %d bytes", ROW_MAX);
    j->rows[m->line] = arena_str(&j->texts, (struct str){(const char *)j->row.p, j->row.n});
    j->row_count++;
    return j->rows[m->line].p ? 0 : error_set(e, ERR_NOSPACE, "the rows do not fit the memory");
}

static void reject(struct job *j, size_t line, const char *reason)
{
    progress_clear(&j->progress);
    if (j->rejected++ < REJECTED_LISTED)
        fprintf(stderr, "%s:%zu: %s\n", j->events, line, reason);
}

/* One arrival, as a server takes it: what is wrong of it is told, and the rest counts. */
static int arrive(struct job *j, const struct arrival *a, struct state *s, struct error *e)
{
    struct signal_batch batch;
    struct error why = {0};
    int rc = workload_apply(a->call, a->at_ms, j->policy, s, &j->customer, &batch, &why);
    if (rc < 0 && rc != ERR_INVALID) {
        *e = why;
        return error_prefix(e, "%s:%zu", j->events, a->call->line);
    }
    for (size_t i = 0; i < batch.rejected_count; i++)
        reject(j, a->call->line, batch.rejected[i].reason);
    if (rc < 0 && batch.rejected_count == 0)
        reject(j, a->call->line, why.text);
    if (rc > 0 && journey_step(j->policy, s, a->at_ms, &j->customer) < 0)
        return error_set(e, ERR_NOSPACE, "the state does not fit the memory");
    return 0;
}

/* Its arrivals [from, to) and its moments [first, last). */
static int one_customer(struct job *j, size_t from, size_t to, size_t first, size_t last, struct error *e)
{
    struct state s;
    arena_reset(&j->customer);
    int rc = state_decode(&s, &j->policy->schema, (struct str){0}, &j->customer, e);
    for (size_t m = first; m < last && !rc; m++) {
        for (; from < to && j->arrivals[from].at_ms <= j->moments[m].at_ms && !rc; from++) {
            rc = arrive(j, &j->arrivals[from], &s, e);
            if (!rc && from % TURNOVER_EVENTS == 0)
                rc = turn_over(j, &s, j->arrivals[from].at_ms, e);
        }
        if (!rc)
            rc = write_row(j, &s, &j->moments[m], e);
    }
    return rc;
}

static int all_customers(struct job *j, struct error *e)
{
    int rc = 0;
    size_t from = 0;
    for (size_t first = 0, last; first < j->moment_count && !rc; first = last) {
        struct str who = j->moments[first].customer;
        for (last = first; last < j->moment_count && str_eq(j->moments[last].customer, who);)
            last++;
        while (from < j->calls.count && str_cmp(j->arrivals[from].call->customer, who) < 0)
            from++;
        size_t to = from;
        while (to < j->calls.count && str_eq(j->arrivals[to].call->customer, who))
            to++;
        rc = one_customer(j, from, to, first, last, e);
        j->customers++;
        from = to;
        progress_at(&j->progress, last, j->moment_count);
    }
    return rc;
}

/* ---- all ---- */

static int write_rows(struct job *j, struct error *e)
{
    const struct policy *p = j->policy;
    fprintf(j->out, "customer_id,time");
    for (size_t i = 0; i < p->feature_count; i++)
        if (!expr_varies(p->program, p->features[i].node))
            fprintf(j->out, ",%.*s", STR_ARG(p->features[i].name));
    fputc('\n', j->out);
    for (size_t i = 0; i < j->moment_count; i++)
        fwrite(j->rows[i].p, 1, j->rows[i].n, j->out);
    if (fflush(j->out) || ferror(j->out))
        return error_set(e, ERR_IO, "cannot write %s: %s", j->out_path ? j->out_path : "standard output", strerror(errno));
    return 0;
}

static int with_policy(struct job *j, struct error *e)
{
    const struct workload_filter history = {.history = true};
    int rc = workload_read(&j->calls, j->events, &history, &j->texts, e);
    if (!rc)
        rc = sort_arrivals(j, e);
    struct csv *csv = NULL;
    if (!rc && j->at)
        rc = csv_open(&csv, j->at, ',', e);
    if (!rc)
        rc = j->at ? read_moments(j, csv, e) : default_moments(j, e);
    csv_free(&csv);
    if (rc)
        return rc;
    qsort(j->moments, j->moment_count, sizeof *j->moments, moments_by_customer);
    j->rows = calloc(j->moment_count + 1, sizeof *j->rows);
    j->out = j->out_path ? fopen(j->out_path, "we") : stdout;
    if (!j->rows)
        return error_set(e, ERR_NOSPACE, "the rows do not fit the memory");
    if (!j->out)
        return error_set(e, ERR_IO, "cannot write %s: %s", j->out_path, strerror(errno));
    rc = all_customers(j, e);
    return rc ? rc : write_rows(j, e);
}

static void print_sum(const struct job *j)
{
    unsigned long long rows = j->row_count, customers = j->customers, rejected = j->rejected;
    if (j->json)
        fprintf(stderr, "{\"rows\":%llu,\"customers\":%llu,\"rejected\":%llu}\n", rows, customers, rejected);
    else
        fprintf(stderr, "%llu rows of %llu customers\n", rows, customers);
    if (rejected && !j->json)
        fprintf(stderr, "tact features: %llu signals or upserts were rejected, the rows do without them%s\n", rejected,
                rejected > REJECTED_LISTED ? "; the first of them stand above" : "");
}

static int start(struct job *j)
{
    struct error e = {0};
    struct tzdb *zones = NULL;
    struct arena findings;
    struct diags diags;
    arena_init(&findings, 64 << 20);
    arena_init(&j->texts, EVENTS_MEMORY);
    arena_init(&j->customer, CUSTOMER_MEMORY);
    arena_init(&j->moment, CUSTOMER_MEMORY);
    buf_init(&j->blob, STATE_BLOB_MAX);
    buf_init(&j->row, ROW_MAX);
    diags_init(&diags, &findings);
    struct names *names = names_new();
    int rc = tzdb_load(&zones, NULL, &e);
    struct policy *policy = rc ? NULL : policy_load(j->folder, zones, &diags);
    if (!rc && !policy) {
        diags_print(&diags, stderr);
        rc = error_set(&e, ERR_INVALID, "%s: the policy has %zu errors", j->folder, diags.errors);
    }
    if (!rc)
        rc = policy_bind_interning(policy, names, &e);
    j->policy = policy;
    progress_begin(&j->progress, "rows");
    if (!rc)
        rc = with_policy(j, &e);
    progress_clear(&j->progress);
    if (rc)
        fprintf(stderr, "tact features: %s\n", e.text);
    else
        print_sum(j);
    if (j->out && j->out != stdout)
        fclose(j->out);
    workload_calls_free(&j->calls);
    free(j->arrivals);
    free(j->moments);
    free(j->rows);
    policy_free(&policy);
    names_free(&names);
    tzdb_free(&zones);
    buf_free(&j->blob);
    buf_free(&j->row);
    arena_free(&j->texts);
    arena_free(&j->customer);
    arena_free(&j->moment);
    arena_free(&findings);
    return rc || j->rejected ? EXIT_FAILED : EXIT_OK;
}

static int run(int argc, char **argv)
{
    struct job j = {0};
    int count;
    const struct option_def defs[] = {
        {.name = "policy", .value = "FOLDER", .help = "whose features (required)", .text = &j.folder},
        {.name = "events", .value = "FILE", .help = "the history, as JSON Lines (required)", .text = &j.events},
        {.name = "at", .value = "FILE", .help = "customers and instants, as CSV", .text = &j.at},
        {.name = "out", .value = "FILE", .help = "the CSV to write; standard output without", .text = &j.out_path},
        {.name = "json", .help = "print the sum as JSON", .flag = &j.json},
        {0},
    };
    int rc = options_parse(&command_features, defs, argc, argv, NULL, 0, 0, &count);
    if (rc >= 0)
        return rc;
    if (!j.folder || !j.events) {
        fprintf(stderr, "tact features: --%s is missing\n", j.folder ? "events" : "policy");
        return EXIT_USAGE;
    }
    return start(&j);
}
