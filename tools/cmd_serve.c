/* tact serve: runs a server.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/serve.h"
#include "base/logging.h"
#include "tools/commands.h"
#include <stdio.h>
#include <string.h>

static int run(int argc, char **argv);

const struct command command_serve = {
    .name = "serve",
    .brief = "run a server",
    .arguments = "",
    .details =
        "Serves tact.v1 over gRPC (cleartext HTTP/2, prior knowledge). Without --store it starts a private "
        "Redis in the\n"
        "data folder and stops it on exit. SIGTERM drains and stops, SIGHUP loads policy and model again (a "
        "bad folder\n"
        "changes nothing), SIGUSR1 prints counts.\n\n"
        "  tact serve --policy tools/examples/retail --listen 127.0.0.1:50051\n"
        "  tact serve --policy p --model bundle --store redis://127.0.0.1:6379 --listen unix:/run/tact.sock",
    .run = run,
};

static int check_name(const char *name)
{
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_");
    if (n == 0 || n > 32 || name[n]) {
        fprintf(stderr, "tact serve: --name needs 1 to 32 of a-z, 0-9, - and _, got '%s'\n", name);
        return EXIT_USAGE;
    }
    return -1;
}

/* -1 to go on, or an exit code. */
static int check(const struct serve_options *o, const struct option_list *listen)
{
    if (!o->policy) {
        fprintf(stderr, "tact serve: --policy FOLDER is required; `tact serve --help` says more\n");
        return EXIT_USAGE;
    }
    if (listen->count > SERVE_LISTEN_MAX) {
        fprintf(stderr, "tact serve: at most %d --listen\n", SERVE_LISTEN_MAX);
        return EXIT_USAGE;
    }
    return o->name ? check_name(o->name) : -1;
}

static void take_addresses(struct serve_options *o, const struct option_list *listen)
{
    o->listen[0] = "127.0.0.1:50051";
    o->listen_count = listen->count ? listen->count : 1;
    for (int i = 0; i < listen->count; i++)
        o->listen[i] = listen->items[i];
}

static int run(int argc, char **argv)
{
    struct serve_options o = {.data = "tact-data", .drain_ms = 10000, .workers = 1, .cache_mb = 64, .max_stale_ms = 60000};
    struct option_list listen = {0};
    bool verbose = false;
    int count;
    const struct option_def defs[] = {
        {.name = "policy", .value = "FOLDER", .help = "the policy (required)", .text = &o.policy},
        {.name = "model",
         .value = "FOLDER",
         .help = "a model bundle, or a line-up of several (models.yaml); without one, rules and values only",
         .text = &o.model},
        {.name = "listen",
         .value = "ADDRESS",
         .help = "host:port (port 0: any) or unix:/path; default 127.0.0.1:50051",
         .list = &listen},
        {.name = "store",
         .value = "URL",
         .help = "redis://host:port or unix:///path; default: a private Redis",
         .text = &o.store},
        {.name = "prefix",
         .value = "WORD",
         .help = "of all keys in the store; default tact",
         .text = &o.prefix},
        {.name = "data",
         .value = "FOLDER",
         .help = "private Redis and log; default tact-data",
         .text = &o.data},
        {.name = "log", .value = "FOLDER", .help = "the decision log; default <data>/log", .text = &o.log},
        {.name = "name",
         .value = "NAME",
         .help = "of this server, in logs and handles; default: made up",
         .text = &o.name},
        {.name = "allow-as-of",
         .help = "requests may say when they happen (demo, tests, simulation)",
         .flag = &o.allow_as_of},
        {.name = "log-batched", .help = "answer before the log record is on disk", .flag = &o.ack_batched},
        {.name = "redis-sync-always",
         .help = "the private Redis syncs every write",
         .flag = &o.redis_sync_always},
        {.name = "workers",
         .value = "N",
         .help = "threads that decide, each with connections of its own; default 1, which fills a core",
         .number = &o.workers,
         .low = 1,
         .high = SERVE_WORKERS_MAX},
        {.name = "cache-mb",
         .value = "N",
         .help = "memory for customers' states that were used before; 0: ask the store each time; default 64",
         .number = &o.cache_mb,
         .low = 0,
         .high = 1 << 20},
        {.name = "max-stale-ms",
         .value = "N",
         .help = "how long ago a state must have been known that a decision uses while the store cannot be asked; default 60000",
         .number = &o.max_stale_ms,
         .low = 0,
         .high = 86400000},
        {.name = "drain-ms",
         .value = "N",
         .help = "time for calls to finish on SIGTERM; default 10000",
         .number = &o.drain_ms,
         .low = 0,
         .high = 600000},
        {.name = "verbose", .help = "more messages", .flag = &verbose},
        {0},
    };
    int rc = options_parse(&command_serve, defs, argc, argv, NULL, 0, 0, &count);
    if (rc < 0)
        rc = check(&o, &listen);
    if (rc >= 0)
        return rc;
    take_addresses(&o, &listen);
    if (verbose)
        logging_set_level(LEVEL_DEBUG);
    struct error e = {0};
    if (serve_run(&o, &e)) {
        fprintf(stderr, "tact serve: %s\n", e.text);
        return EXIT_FAILED;
    }
    return EXIT_OK;
}
