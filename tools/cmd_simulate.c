/* tact simulate: people of a known world live with a policy. What they were shown and answered becomes training
 * data; or they drive a server, or the decision function in this process, and the choices are judged by the truth.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/offline/simulate.h"
#include "tools/commands.h"
#include "tools/progress.h"
#include "tools/simulate_drive.h"
#include "tools/simulate_r1.h"

static int run(int argc, char **argv);

const struct command command_simulate = {
    .name = "simulate",
    .brief = "simulate customers: training data, or people who drive a server",
    .arguments = "",
    .details =
        "Simulated customers with tastes, moods and troubles live for some days from 2025-01-01 with the "
        "policy of a folder,\n"
        "which declares the signals of tools/examples/retail. The same arguments give the same bytes on "
        "every "
        "machine.\n\n"
        "Training data: at each moment one action is drawn from those that the policy allows, and the "
        "customer responds with\n"
        "a known chance. Writes one row of CSV a moment: the policy's features, the action's, the "
        "probability "
        "of the draw, the\n"
        "true propensity and the label.\n\n"
        "  tact simulate --policy tools/examples/retail --customers 2000 --days 60 --seed 7 --out "
        "build/demo/data.csv\n\n"
        "A server: --server sends profiles, consents and signals in compressed time to a running `tact serve "
        "--allow-as-of` with\n"
        "the same policy and a store that does not know these customers, asks it what to say, answers by the "
        "truth, and records\n"
        "what came of it. --in-process does the same without a server, with --model BUNDLE or by rules "
        "alone. "
        "Prints how good\n"
        "the choices were; --out writes one row of CSV a decision.\n\n"
        "  tact simulate --server 127.0.0.1:50051 --policy tools/examples/retail --customers 500 --days 30\n"
        "  tact simulate --model build/demo/bundle --policy tools/examples/retail --customers 500 --days 30 "
        "--shift 15\n\n"
        "A benchmark's workload: `tact simulate --workload r1 --help`.",
    .run = run,
};

static void show(void *user, uint64_t done, uint64_t total)
{
    progress_at(user, done, total);
}

/* ---- training data ---- */

static int write_csv(struct simulate_options *o, const char *path, struct simulate_result *result,
                     struct error *e)
{
    char fresh[SIMULATE_PATH_MAX];
    o->out = simulate_file_open(path, fresh, e);
    return o->out ? simulate_file_close(o->out, path, fresh, simulate(o, result, e), e) : e->code;
}

static int with_policy(const char *folder, struct simulate_options *o, const char *path,
                       const struct tzdb *zones, struct simulate_result *result, struct error *e)
{
    struct arena arena;
    struct diags diags;
    arena_init(&arena, 64 << 20);
    diags_init(&diags, &arena);
    struct names *names = names_new();
    struct policy *policy = policy_load(folder, zones, &diags);
    if (!policy)
        diags_print(&diags, stderr);
    int rc = policy ? policy_bind_interning(policy, names, e)
                    : error_set(e, ERR_INVALID, "%s: the policy has %zu errors", folder, diags.errors);
    o->policy = policy;
    if (!rc)
        rc = write_csv(o, path, result, e);
    policy_free(&policy);
    names_free(&names);
    arena_free(&arena);
    return rc;
}

static int make_data(const struct simulate_drive *s, struct error *e)
{
    struct tzdb *zones;
    struct simulate_result result = {0};
    struct simulate_options o = {.customers = s->options.customers,
                                 .days = s->options.days,
                                 .shift_day = s->options.shift_day,
                                 .seed = s->options.seed,
                                 .progress = s->options.progress,
                                 .user = s->options.user};
    int rc = tzdb_load(&zones, NULL, e);
    if (rc)
        return rc;
    rc = with_policy(s->policy, &o, s->out, zones, &result, e);
    tzdb_free(&zones);
    const char *format = s->json ? "{\"rows\":%llu,\"positives\":%llu,\"mean_true_propensity\":%.6f}\n"
                                 : "%llu rows, %llu responses, mean true propensity %.4f\n";
    if (!rc)
        printf(format, (unsigned long long)result.rows, (unsigned long long)result.positives, result.truth);
    return rc;
}

/* ---- the command ---- */

/* What excludes what: NULL when all is well. */
static const char *misfit(const struct simulate_drive *s, bool here, int64_t in_flight)
{
    if (!s->policy)
        return "--policy is missing";
    if (s->server && here)
        return "--server and --in-process exclude each other; give one";
    if (s->server && s->model)
        return "--model is for decisions in this process; a server has its own: `tact serve --model`";
    if (!s->server && in_flight)
        return "--in-flight is for --server";
    if (!s->server && !s->model && !here && !s->out)
        return "--out is missing (or give --server, --model or --in-process)";
    if (s->options.shift_day > s->options.days)
        return "--shift lies after the last day";
    return NULL;
}

static int start(struct simulate_drive *s, bool here, int64_t in_flight)
{
    const char *wrong = misfit(s, here, in_flight);
    if (wrong) {
        fprintf(stderr, "tact simulate: %s\n", wrong);
        return EXIT_USAGE;
    }
    struct error e = {0};
    struct progress progress;
    s->options.lanes = in_flight ? (uint32_t)in_flight : DRIVE_LANES;
    s->options.progress = show;
    s->options.user = &progress;
    progress_begin(&progress, "customers");
    int rc = s->server || s->model || here ? simulate_drive(s, &e) : make_data(s, &e);
    progress_clear(&progress);
    if (rc)
        fprintf(stderr, "tact simulate: %s\n", e.text);
    return rc ? EXIT_FAILED : EXIT_OK;
}

static int run(int argc, char **argv)
{
    struct simulate_drive s = {0};
    int64_t customers = 2000, days = 60, seed = 7, shift = 0, in_flight = 0;
    bool here = false;
    int count;
    const struct option_def defs[] = {
        {.name = "policy", .value = "FOLDER", .help = "the policy (required)", .text = &s.policy},
        {.name = "customers",
         .value = "N",
         .help = "how many (2000)",
         .number = &customers,
         .low = 1,
         .high = SIMULATE_CUSTOMERS_MAX},
        {.name = "days",
         .value = "N",
         .help = "how long (60)",
         .number = &days,
         .low = 1,
         .high = SIMULATE_DAYS_MAX},
        {.name = "seed",
         .value = "N",
         .help = "another seed, other people (7)",
         .number = &seed,
         .low = 0,
         .high = INT64_MAX},
        {.name = "shift",
         .value = "DAY",
         .help = "from that day (1: the first) tastes, prices and seasons are others",
         .number = &shift,
         .low = 1,
         .high = SIMULATE_DAYS_MAX},
        {.name = "out", .value = "FILE", .help = "the CSV to write", .text = &s.out},
        {.name = "server",
         .value = "ADDRESS",
         .help = "drive this server: host:port or unix:/path",
         .text = &s.server},
        {.name = "in-flight",
         .value = "N",
         .help = "customers at a time on the server (16)",
         .number = &in_flight,
         .low = 1,
         .high = DRIVE_LANES_MAX},
        {.name = "in-process", .help = "decide here, without a server", .flag = &here},
        {.name = "model", .value = "BUNDLE", .help = "the same, with this model", .text = &s.model},
        {.name = "json", .help = "print the summary as JSON", .flag = &s.json},
        {0},
    };
    if (simulate_workload_asked(argc, argv))
        return simulate_workload(argc, argv);
    int rc = options_parse(&command_simulate, defs, argc, argv, NULL, 0, 0, &count);
    if (rc >= 0)
        return rc;
    s.options = (struct drive_options){.customers = (uint32_t)customers,
                                       .days = (uint32_t)days,
                                       .shift_day = (uint32_t)shift,
                                       .seed = (uint64_t)seed};
    return start(&s, here, in_flight);
}
