/* tact simulate --workload r1; see simulate_r1.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tools/simulate_r1.h"
#include "models/offline/r1.h"
#include "tools/options.h"
#include "tools/progress.h"
#include <stdio.h>
#include <string.h>

static const struct command command = {
    .name = "simulate",
    .brief = "write the reference workload R1",
    .arguments = "--workload r1",
    .details =
        "Writes a folder with all that a benchmark needs: policy, model bundle, customers.jsonl and "
        "requests.jsonl.\n"
        "The same arguments give the same bytes on every machine. Requests carry as_of_ms in the week of "
        "2025-01-13,\n"
        "so a server needs --allow-as-of.\n\n"
        "  tact simulate --workload r1 --customers 5000 --requests 20000 --variant full --out r1",
    .run = simulate_workload,
};

bool simulate_workload_asked(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--workload") == 0 || strncmp(argv[i], "--workload=", 11) == 0)
            return true;
    return false;
}

static void show(void *user, uint64_t done, uint64_t total)
{
    progress_at(user, done, total);
}

static int check(const char *workload, const char *variant, const char *out, bool zipf, bool uniform)
{
    if (strcmp(workload, "r1") != 0)
        fprintf(stderr, "tact simulate: --workload '%s' is unknown; allowed: r1\n", workload);
    else if (strcmp(variant, "full") != 0 && strcmp(variant, "filtered") != 0)
        fprintf(stderr, "tact simulate: --variant '%s' is unknown; allowed: full, filtered\n", variant);
    else if (!out)
        fprintf(stderr, "tact simulate: --out is missing\n");
    else if (zipf && uniform)
        fprintf(stderr, "tact simulate: --zipf and --uniform exclude each other; give one\n");
    else
        return -1;
    return EXIT_USAGE;
}

int simulate_workload(int argc, char **argv)
{
    const char *workload = "", *variant = "full", *out = NULL;
    int64_t customers = R1_CUSTOMERS, requests = R1_REQUESTS, seed = 7;
    bool zipf = false, uniform = false, requests_only = false;
    int count;
    const struct option_def defs[] = {
        {.name = "workload", .value = "NAME", .help = "r1", .text = &workload},
        {.name = "out", .value = "FOLDER", .help = "where to write", .text = &out},
        {.name = "customers",
         .value = "N",
         .help = "how many (100000)",
         .number = &customers,
         .low = 1,
         .high = R1_CUSTOMERS_MAX},
        {.name = "requests",
         .value = "N",
         .help = "how many (100000)",
         .number = &requests,
         .low = 1,
         .high = R1_REQUESTS_MAX},
        {.name = "seed",
         .value = "N",
         .help = "another seed, other customers and requests (7)",
         .number = &seed,
         .low = 0,
         .high = INT64_MAX},
        {.name = "variant",
         .value = "NAME",
         .help = "full: all 100 actions reach the model; filtered: about 30",
         .text = &variant},
        {.name = "zipf",
         .help = "few customers are asked for often, exponent 0.99 (the default)",
         .flag = &zipf},
        {.name = "uniform", .help = "all customers are asked for alike", .flag = &uniform},
        {.name = "requests-only", .help = "write requests.jsonl alone", .flag = &requests_only},
        {0},
    };
    int rc = options_parse(&command, defs, argc, argv, NULL, 0, 0, &count);
    if (rc < 0)
        rc = check(workload, variant, out, zipf, uniform);
    if (rc >= 0)
        return rc;
    struct error e = {0};
    struct progress progress;
    struct r1_options o = {.out = out,
                           .customers = (uint32_t)customers,
                           .requests = (uint32_t)requests,
                           .seed = (uint64_t)seed,
                           .filtered = strcmp(variant, "filtered") == 0,
                           .uniform = uniform,
                           .requests_only = requests_only,
                           .progress = show,
                           .user = &progress};
    progress_begin(&progress, "customers");
    rc = r1_write(&o, &e);
    progress_clear(&progress);
    if (rc) {
        fprintf(stderr, "tact simulate: %s\n", e.text);
        return EXIT_FAILED;
    }
    return EXIT_OK;
}
