/* bench_decide: what a decision costs in process, stage by stage, on workload R1; one thread, no sockets, no store.
 *
 *   customers.jsonl --the server's own functions--> blobs
 *   request --request--> checked --decode--> state --rules--> candidates --score--> propensities --choose--> rendered
 *           --encode--> bytes of a Decision
 *
 * Blocks of requests alternate with the reference: libxgboost alone (in-place prediction) on the very rows that the
 * block's decisions were scored on; its margins are also compared with our propensities (`differing`). A round goes once
 * over all requests; `us` is the median of all decisions of all rounds, so that those which the machine's other work
 * interrupted do not count; p99_us tells of them. Calls of malloc within the timed part are counted by standing in for it
 * (glibc's own are behind; not under a sanitizer), those while the model scores apart, and the reference's too: where
 * scorer_mallocs is reference_mallocs, all of them are libxgboost's.
 *
 * Only the customers that are asked for are made, since the others would never be looked at.
 *
 *   bench_decide --workload FOLDER --requests FILE --variant NAME [--count N] [--rounds N]
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/exact.h"
#include "decide/decision_wire.h"
#include "decide/request_wire.h"
#include "models/booster.h"
#include "models/binding.h"
#include "net/proto_check.h"
#include "state/codec.h"
#include "tools/options.h"
#include "tools/workload.h"
#include <math.h>
#include <stdlib.h>

#if defined(__has_feature)
#define CLANG_SANITIZES (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#else
#define CLANG_SANITIZES 0
#endif
static uint64_t mallocs;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || CLANG_SANITIZES || !defined(__GLIBC__)
enum { COUNTING = 0 };
#else
enum { COUNTING = 1 };
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);

void *malloc(size_t n)
{
    mallocs++;
    return __libc_malloc(n);
}
void *calloc(size_t n, size_t size)
{
    mallocs++;
    return __libc_calloc(n, size);
}
void *realloc(void *p, size_t n)
{
    mallocs++;
    return __libc_realloc(p, n);
}
#endif

enum { BLOCK = 64, ROUNDS_MAX = 1000, SCRATCH_MAX = 16 << 20, MODEL_BYTES_MAX = 64 << 20 };

#define STAGES(X)                                                                                            \
    X(STAGE_REQUEST, "request")                                                                              \
    X(STAGE_DECODE, "decode")                                                                                \
    X(STAGE_RULES, "rules")                                                                                  \
    X(STAGE_SCORE, "score")                                                                                  \
    X(STAGE_CHOOSE, "choose")                                                                                \
    X(STAGE_ENCODE, "encode")                                                                                \
    X(STAGE_ALL, "all")
enum stage {
#define X(name, text) name,
    STAGES(X)
#undef X
        STAGES_COUNT
};

struct options {
    const char *workload, *requests, *variant;
    int64_t count, rounds;
};

struct bench {
    struct arena memory; /* of the whole run */
    struct tzdb *zones;
    struct names *names;
    struct policy *policy;
    struct bundle *bundle;
    struct binding *binding;
    struct scorer scorer; /* counts what the binding's allocates */
    struct booster *reference;
    struct workload_customers *customers;
    struct workload_calls requests;
    struct str *blobs;    /* one a request */
    size_t all_customers; /* of the workload */
    struct arena arena;   /* of one decision */
    struct decision decision;
    struct decide_request request;
    struct state state;
    struct decide_input input;
    int64_t stage_from_ns; /* for the probe */
    int64_t stage_ns[STAGES_COUNT];
    /* of a block: rows that were scored, and what they got */
    float *rows, *margins;
    uint32_t *actions;
    double *propensities;
    size_t row_counts[BLOCK];
    /* results */
    double *us[STAGES_COUNT + 1]; /* one a decision and round; the last list is the reference's */
    size_t us_count;
    uint64_t scored, differing, suppressed, mallocs, scorer_mallocs, reference_mallocs;
};

/* ---- loading ---- */

static int count_score(void *ctx, struct str customer, struct expr_eval *ev, const uint32_t *actions, size_t count,
                       struct arena *arena, struct model_score *out, struct error *e)
{
    struct bench *b = ctx;
    uint64_t before = mallocs;
    int rc = binding_score(b->binding, customer, ev, actions, count, arena, out, e);
    b->scorer_mallocs += mallocs - before;
    return rc;
}

static int load_policy(struct bench *b, const char *folder, struct diags *d, struct error *e)
{
    char path[4096];
    int rc = tzdb_load(&b->zones, NULL, e);
    if (rc)
        return rc;
    b->names = names_new();
    snprintf(path, sizeof path, "%s/policy", folder);
    b->policy = policy_load(path, b->zones, d);
    if (!b->policy)
        return error_set(e, ERR_INVALID, "%s does not load", path);
    rc = policy_bind_interning(b->policy, b->names, e);
    snprintf(path, sizeof path, "%s/bundle", folder);
    if (!rc)
        rc = bundle_load(&b->bundle, path, d, e);
    if (rc)
        return rc;
    b->binding = binding_new(b->bundle, b->policy, d);
    if (!b->binding)
        return error_set(e, ERR_INVALID, "%s does not fit the policy", path);
    b->scorer = (struct scorer){.model_id = binding_id(b->binding), .ctx = b, .score = count_score};
    return 0;
}

/* The reference reads the model file by itself: it shares nothing with what is measured. */
static int load_reference(struct bench *b, const char *folder, struct error *e)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/bundle/model.json", folder);
    FILE *in = fopen(path, "rbe");
    char *bytes = malloc(MODEL_BYTES_MAX);
    int rc = in && bytes ? 0 : error_set(e, ERR_IO, "cannot read %s", path);
    if (!rc)
        rc = booster_open(&b->reference, bytes, fread(bytes, 1, MODEL_BYTES_MAX, in), e);
    if (in)
        fclose(in);
    free(bytes);
    return rc;
}

/* The requests' customers, sorted. */
static int by_text(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static bool is_asked(void *ctx, struct str customer)
{
    const struct bench *b = ctx;
    return bsearch(&customer, b->blobs, b->requests.count, sizeof *b->blobs, by_text) != NULL;
}

static int load_requests(struct bench *b, const struct options *o, struct error *e)
{
    int rc = workload_read(&b->requests, o->requests, NULL, &b->memory, e);
    if (rc)
        return rc;
    if (b->requests.count > (size_t)o->count)
        b->requests.count = (size_t)o->count;
    b->requests.count -= b->requests.count % BLOCK;
    b->blobs = arena_alloc(&b->memory, (b->requests.count + 1) * sizeof *b->blobs);
    return b->blobs && b->requests.count
               ? 0
               : error_set(e, ERR_INVALID, "%s: fewer than %d requests", o->requests, BLOCK);
}

static int load_customers(struct bench *b, const struct options *o, struct error *e)
{
    char path[4096];
    struct workload_calls calls;
    const struct workload_filter asked = {.ctx = b, .keep = is_asked};
    for (size_t i = 0; i < b->requests.count; i++) /* their ids first, for is_asked */
        b->blobs[i] = b->requests.items[i].customer;
    qsort(b->blobs, b->requests.count, sizeof *b->blobs, by_text);
    snprintf(path, sizeof path, "%s/customers.jsonl", o->workload);
    int rc = workload_read(&calls, path, &asked, &b->memory, e);
    if (rc)
        return rc;
    b->all_customers = calls.customers;
    rc = workload_customers_make(&b->customers, b->policy, &calls, &b->memory, e);
    workload_calls_free(&calls);
    for (size_t i = 0; i < b->requests.count && !rc; i++) {
        b->blobs[i] = workload_customers_find(b->customers, b->requests.items[i].customer);
        if (!b->blobs[i].n)
            rc = error_set(e, ERR_NOTFOUND, "%s: no customer %.*s", path,
                           STR_ARG(b->requests.items[i].customer));
    }
    return rc;
}

static int load(struct bench *b, const struct options *o, struct error *e)
{
    struct diags d;
    arena_init(&b->memory, (size_t)8 << 30);
    arena_init(&b->arena, SCRATCH_MAX);
    diags_init(&d, &b->memory);
    int rc = load_policy(b, o->workload, &d, e);
    diags_print(&d, stderr);
    if (!rc)
        rc = load_reference(b, o->workload, e);
    if (!rc)
        rc = load_requests(b, o, e);
    if (!rc)
        rc = load_customers(b, o, e);
    if (rc)
        return rc;
    size_t most = BLOCK * b->policy->action_count, features = binding_features(b->binding);
    b->rows = arena_alloc(&b->memory, most * features * sizeof *b->rows);
    b->margins = arena_alloc(&b->memory, most * sizeof *b->margins);
    b->actions = arena_alloc(&b->memory, most * sizeof *b->actions);
    b->propensities = arena_alloc(&b->memory, most * sizeof *b->propensities);
    for (int s = 0; s <= STAGES_COUNT; s++) {
        b->us[s] = arena_alloc(&b->memory, b->requests.count * (size_t)o->rounds * sizeof *b->us[s]);
        if (!b->us[s])
            return error_set(e, ERR_NOSPACE, "out of memory");
    }
    return b->rows && b->margins && b->actions && b->propensities
               ? 0
               : error_set(e, ERR_NOSPACE, "out of memory");
}

static void unload(struct bench *b)
{
    workload_calls_free(&b->requests);
    workload_customers_free(&b->customers);
    if (b->reference)
        booster_free(&b->reference);
    if (b->binding)
        binding_free(&b->binding);
    bundle_free(&b->bundle);
    if (b->policy)
        policy_free(&b->policy);
    if (b->names)
        names_free(&b->names);
    if (b->zones)
        tzdb_free(&b->zones);
    arena_free(&b->arena);
    arena_free(&b->memory);
}

/* ---- one decision ---- */

static void stage_ends(struct bench *b, enum stage stage)
{
    int64_t now = clock_mono_ns();
    b->stage_ns[stage] += now - b->stage_from_ns;
    b->stage_from_ns = now;
}

static void at_point(void *ctx, enum decide_point point)
{
    stage_ends(ctx, point == DECIDE_GATED ? STAGE_RULES : STAGE_SCORE);
}

static int decide_one(struct bench *b, size_t index, struct error *e)
{
    static const struct proto_limits limits = {8, 1 << 20};
    const struct decide_probe probe = {b, at_point};
    const struct workload_call *call = &b->requests.items[index];
    struct str bytes;
    arena_reset(&b->arena);
    b->stage_from_ns = clock_mono_ns();
    ProtobufCMessage *m =
        proto_decode(&tact__v1__decide_request__descriptor, call->message, &limits, &b->arena, e);
    int rc = m ? request_decide((const Tact__V1__DecideRequest *)m, b->policy, call->as_of_ms, &b->arena,
                                &b->request, e)
               : ERR_INVALID;
    if (rc)
        return rc;
    stage_ends(b, STAGE_REQUEST);
    rc = state_decode(&b->state, &b->policy->schema, b->blobs[index], &b->arena, e);
    if (rc)
        return rc;
    stage_ends(b, STAGE_DECODE);
    b->input = (struct decide_input){.policy = b->policy,
                                     .scorer = &b->scorer,
                                     .world_id = "",
                                     .state = &b->state,
                                     .request = &b->request,
                                     .now_ms = call->as_of_ms,
                                     .seed = index,
                                     .probe = &probe};
    rc = decide(&b->input, &b->arena, &b->decision, e);
    if (rc)
        return rc;
    stage_ends(b, STAGE_CHOOSE);
    rc = decision_encode(&b->decision, &b->arena, &bytes, e);
    stage_ends(b, STAGE_ENCODE);
    b->input.probe = NULL;
    return rc;
}

/* Keeps the rows of the decision just made, as the scorer saw them; at most one a request and action. */
static size_t keep_rows(struct bench *b, size_t at)
{
    const struct decision *d = &b->decision;
    size_t count = 0;
    for (uint32_t i = 0; i < b->policy->action_count; i++)
        if (d->candidates[i].scored) {
            b->actions[at + count] = i;
            b->propensities[at + count++] = d->candidates[i].factors.propensity;
        }
    binding_rows(b->binding, d->ev, b->actions + at, count, b->rows + at * binding_features(b->binding));
    return count;
}

/* ---- rounds ---- */

/* The reference on the rows of a block, decision by decision. */
static int reference_block(struct bench *b, struct error *e)
{
    size_t at = 0, features = binding_features(b->binding);
    for (size_t i = 0; i < BLOCK; i++) {
        uint64_t before = mallocs;
        int64_t from = clock_mono_ns();
        int rc = booster_margins(b->reference, b->rows + at * features, b->row_counts[i], features,
                                 b->margins + at, e);
        if (rc)
            return rc;
        b->us[STAGES_COUNT][b->us_count - BLOCK + i] = (double)(clock_mono_ns() - from) / 1000;
        b->reference_mallocs += mallocs - before;
        at += b->row_counts[i];
    }
    for (size_t i = 0; i < at; i++) {
        double p = 1 / (1 + exact_exp(-(double)b->margins[i]));
        b->differing += !(fabs(p - b->propensities[i]) <= 1e-12);
    }
    b->scored += at;
    return 0;
}

static void keep_times(struct bench *b)
{
    for (int s = 0; s < STAGE_ALL; s++)
        b->stage_ns[STAGE_ALL] += b->stage_ns[s];
    for (int s = 0; s < STAGES_COUNT; s++)
        b->us[s][b->us_count] = (double)b->stage_ns[s] / 1000;
    b->us_count++;
}

static int run_block(struct bench *b, size_t from, struct error *e)
{
    size_t at = 0;
    for (size_t i = 0; i < BLOCK; i++) {
        uint64_t before = mallocs;
        memset(b->stage_ns, 0, sizeof b->stage_ns);
        int rc = decide_one(b, from + i, e);
        if (rc)
            return rc;
        b->mallocs += mallocs - before;
        b->suppressed += b->decision.suppressed;
        keep_times(b);
        at += b->row_counts[i] = keep_rows(b, at);
    }
    return reference_block(b, e);
}

/* The sums are those of the last round; times add up over all rounds. */
static int run_round(struct bench *b, struct error *e)
{
    b->scored = b->differing = b->suppressed = b->mallocs = b->scorer_mallocs = b->reference_mallocs = 0;
    for (size_t i = 0; i < b->requests.count; i += BLOCK) {
        int rc = run_block(b, i, e);
        if (rc)
            return rc;
    }
    return 0;
}

static int by_number(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Of sorted values; q = 0.5 is the median. */
static double percentile(const double *values, size_t n, double q)
{
    return values[(size_t)(q * (double)(n - 1) + 0.5)];
}

static void report(struct bench *b, const struct options *o)
{
    static const char *const names[] = {
#define X(name, text) text,
        STAGES(X)
#undef X
    };
    for (int s = 0; s <= STAGES_COUNT; s++)
        qsort(b->us[s], b->us_count, sizeof *b->us[s], by_number);
    double all = percentile(b->us[STAGE_ALL], b->us_count, 0.5), calls = (double)b->requests.count;
    double reference = percentile(b->us[STAGES_COUNT], b->us_count, 0.5);
    for (int s = 0; s < STAGES_COUNT; s++) {
        double us = percentile(b->us[s], b->us_count, 0.5);
        printf("bench=decide workload=r1 variant=%s stage=%s candidates=%g us=%.2f p99_us=%.2f share=%.3f",
               o->variant, names[s], round(10 * (double)b->scored / calls) / 10, us,
               percentile(b->us[s], b->us_count, 0.99), us / all);
        if (s == STAGE_SCORE)
            printf(" reference=libxgboost_inplace reference_us=%.2f ratio=%.2f differing=%llu", reference,
                   reference / us, (unsigned long long)b->differing);
        if (s == STAGE_ALL)
            printf(" requests=%zu customers=%zu rounds=%d suppressed=%.4f", b->requests.count,
                   b->all_customers, (int)o->rounds, (double)b->suppressed / calls);
        if (s == STAGE_ALL && COUNTING)
            printf(" mallocs=%g scorer_mallocs=%g reference_mallocs=%g",
                   (double)(b->mallocs - b->scorer_mallocs) / calls, (double)b->scorer_mallocs / calls,
                   (double)b->reference_mallocs / calls);
        printf("\n");
    }
}

static int run(int argc, char **argv);
static const struct command command = {
    .name = "bench_decide",
    .brief = "what a decision costs in process, stage by stage",
    .arguments = "",
    .details = "Reads a folder of `tact simulate --workload r1` and a file of its requests.",
    .run = run,
};

static int run(int argc, char **argv)
{
    struct options o = {.variant = "full", .count = 10000, .rounds = 5};
    int words;
    const struct option_def defs[] = {
        {.name = "workload", .value = "FOLDER", .help = "policy, bundle, customers", .text = &o.workload},
        {.name = "requests", .value = "FILE", .help = "DecideRequests, a line each", .text = &o.requests},
        {.name = "variant", .value = "NAME", .help = "stands in the lines", .text = &o.variant},
        {.name = "count",
         .value = "N",
         .help = "requests a round, at most",
         .number = &o.count,
         .low = BLOCK,
         .high = INT32_MAX},
        {.name = "rounds",
         .value = "N",
         .help = "how often",
         .number = &o.rounds,
         .low = 1,
         .high = ROUNDS_MAX},
        {0},
    };
    int rc = options_parse(&command, defs, argc, argv, NULL, 0, 0, &words);
    if (rc >= 0)
        return rc;
    if (!o.workload || !o.requests) {
        fprintf(stderr, "bench_decide: --workload and --requests are required\n");
        return EXIT_USAGE;
    }
    struct error e = {0};
    struct bench *b = calloc(1, sizeof *b);
    if (!b)
        return EXIT_FAILED;
    rc = load(b, &o, &e);
    if (!rc)
        rc = run_round(b, &e); /* warm up */
    b->us_count = 0;
    for (int64_t i = 0; i < o.rounds && !rc; i++)
        rc = run_round(b, &e);
    if (!rc)
        report(b, &o);
    else
        fprintf(stderr, "bench_decide: %s\n", e.text);
    unload(b);
    free(b);
    return rc ? EXIT_FAILED : EXIT_OK;
}

int main(int argc, char **argv)
{
    return run(argc, argv);
}
