/* tact simulate: people of a known world live with a policy, and what they were shown and answered becomes
 * training data.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/offline/simulate.h"
#include "tools/commands.h"
#include "tools/progress.h"
#include "tools/simulate_r1.h"
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static int run(int argc, char **argv);

const struct command command_simulate = {
    .name = "simulate",
    .brief = "simulate customers and write training data",
    .arguments = "",
    .details = "Simulated customers with tastes, moods and troubles live for some days from 2025-01-01 with "
               "the policy of a folder.\n"
               "At each moment one action is drawn from those that the policy allows, and the customer "
               "responds with a known\n"
               "chance. Writes one row of CSV a moment: the policy's features, the action's, the probability "
               "of the draw, the\n"
               "true propensity and the label. The same arguments give the same bytes on every machine.\n\n"
               "The policy declares the signals of tools/examples/retail.\n\n"
               "  tact simulate --policy tools/examples/retail --customers 2000 --days 60 --seed 7 --out "
               "build/demo/data.csv",
    .run = run,
};

static void show(void *user, uint64_t done, uint64_t total)
{
    progress_at(user, done, total);
}

/* Into a file beside the wanted one, renamed when it is whole. */
static int write_csv(struct simulate_options *o, const char *path, struct simulate_result *result,
                     struct error *e)
{
    char fresh[4096];
    if (snprintf(fresh, sizeof fresh, "%s.part", path) >= (int)sizeof fresh)
        return error_set(e, ERR_INVALID, "--out: the name is too long");
    o->out = fopen(fresh, "wbe");
    if (!o->out)
        return error_set(e, ERR_IO, "%s: %s", fresh, strerror(errno));
    int rc = simulate(o, result, e);
    if (fclose(o->out) != 0 && !rc)
        rc = error_set(e, ERR_IO, "%s: %s", fresh, strerror(errno));
    if (!rc && rename(fresh, path) != 0)
        rc = error_set(e, ERR_IO, "%s: %s", path, strerror(errno));
    if (rc)
        unlink(fresh);
    return rc;
}

static int simulate_policy(const char *folder, struct simulate_options *o, const char *path,
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

static int run(int argc, char **argv)
{
    const char *policy = NULL, *out = NULL;
    int64_t customers = 2000, days = 60, seed = 7;
    bool json = false;
    int count;
    const struct option_def defs[] = {
        {.name = "policy", .value = "FOLDER", .help = "the policy", .text = &policy},
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
        {.name = "out", .value = "FILE", .help = "the CSV to write", .text = &out},
        {.name = "json", .help = "print the summary as JSON", .flag = &json},
        {0},
    };
    if (simulate_workload_asked(argc, argv))
        return simulate_workload(argc, argv);
    int rc = options_parse(&command_simulate, defs, argc, argv, NULL, 0, 0, &count);
    if (rc >= 0)
        return rc;
    if (!policy || !out) {
        fprintf(stderr, "tact simulate: --%s is missing\n", policy ? "out" : "policy");
        return EXIT_USAGE;
    }
    struct error e = {0};
    struct tzdb *zones;
    struct progress progress;
    struct simulate_result result = {0};
    struct simulate_options o = {
        .customers = (uint32_t)customers, .days = (uint32_t)days, .seed = (uint64_t)seed};
    o.progress = show;
    o.user = &progress;
    progress_begin(&progress, "customers");
    rc = tzdb_load(&zones, NULL, &e);
    if (!rc) {
        rc = simulate_policy(policy, &o, out, zones, &result, &e);
        tzdb_free(&zones);
    }
    progress_clear(&progress);
    if (rc) {
        fprintf(stderr, "tact simulate: %s\n", e.text);
        return EXIT_FAILED;
    }
    const char *format = json ? "{\"rows\":%llu,\"positives\":%llu,\"mean_true_propensity\":%.6f}\n"
                              : "%llu rows, %llu responses, mean true propensity %.4f\n";
    printf(format, (unsigned long long)result.rows, (unsigned long long)result.positives, result.truth);
    return EXIT_OK;
}
