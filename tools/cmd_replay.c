/* tact replay: makes logged decisions again and compares them byte by byte.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/offline/replay.h"
#include "decide/decide.h"
#include "tools/answer.h"
#include "tools/commands.h"
#include "tools/progress.h"
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

static int run(int argc, char **argv);

const struct command command_replay = {
    .name = "replay",
    .brief = "make logged decisions again and compare them byte by byte",
    .arguments = "LOG",
    .details =
        "LOG is a server's log folder, with the archive of policies, models and worlds in it. With --verify "
        "every decision\n"
        "is made again from what its record holds, and compared with the recorded one byte by byte. Of one "
        "that differs,\n"
        "its id, customer, place in the log and the first field that differs are told. Decisions of another "
        "engine\n"
        "version are skipped. Exit code 1 when one differs, cannot be replayed, or the log is damaged.\n\n"
        "  tact replay --verify tact-data/log\n"
        "  tact replay --verify tact-data/log --json",
    .run = run,
};

struct output {
    struct progress progress;
    bool json;
};

static void put_json(json_t *o)
{
    char *s = o ? json_dumps(o, JSON_COMPACT) : NULL;
    printf("%s\n", s ? s : "{}");
    free(s);
    json_decref(o);
}

static void print_finding(const struct replay_finding *f)
{
    if (f->trouble == REPLAY_DAMAGE) {
        printf("damage: %s\n", f->text);
        return;
    }
    printf("%s: decision %s of customer %.*s (%s, block at %llu): %s\n",
           f->trouble == REPLAY_DIFFERS ? "differs" : "fails", f->decision[0] ? f->decision : "?",
           STR_ARG(f->customer), f->file, (unsigned long long)f->offset, f->text);
    if (f->field[0])
        printf("  %s: recorded %s, replayed %s\n", f->field, f->recorded, f->replayed);
}

static void on_finding(void *user, const struct replay_finding *f)
{
    static const char *const kinds[] = {"differs", "fails", "damage"};
    struct output *out = user;
    progress_clear(&out->progress);
    if (!out->json) {
        print_finding(f);
        return;
    }
    put_json(json_pack("{s:s, s:s, s:s%, s:s, s:I, s:s, s:s, s:s, s:s}", "kind", kinds[f->trouble],
                       "decision", f->decision, "customer", f->customer.p ? f->customer.p : "", f->customer.n,
                       "file", f->file, "offset", (json_int_t)f->offset, "field", f->field, "recorded",
                       f->recorded, "replayed", f->replayed, "text", f->text));
}

static void on_progress(void *user, uint64_t done, uint64_t total)
{
    struct output *out = user;
    progress_at(&out->progress, done >> 10, total >> 10);
}

static void print_counts(const struct replay_counts *c)
{
    char a[ANSWER_NUMBER], b[ANSWER_NUMBER], d[ANSWER_NUMBER], s[ANSWER_NUMBER];
    printf("replayed %s decisions: %s identical, %s differing, %s skipped (other engine version)",
           answer_number(c->decisions, a), answer_number(c->identical, b), answer_number(c->differing, d),
           answer_number(c->skipped, s));
    if (c->failed)
        printf(", %s could not be replayed", answer_number(c->failed, a));
    if (c->damaged)
        printf("; the log is damaged in %s place%s", answer_number(c->damaged, a),
               c->damaged == 1 ? "" : "s");
    printf("\n");
}

static void print_counts_json(const struct replay_counts *c)
{
    put_json(json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:s}", "kind", "summary", "decisions",
                       (json_int_t)c->decisions, "identical", (json_int_t)c->identical, "differing",
                       (json_int_t)c->differing, "skipped", (json_int_t)c->skipped, "failed",
                       (json_int_t)c->failed, "damaged", (json_int_t)c->damaged, "engine", ENGINE_VERSION));
}

static int run(int argc, char **argv)
{
    const char *log;
    bool verify = false;
    int count;
    struct output out = {.json = false};
    const struct option_def defs[] = {
        {.name = "verify", .help = "compare byte by byte", .flag = &verify},
        {.name = "json", .help = "one JSON object a finding, and one for the counts", .flag = &out.json},
        {0},
    };
    int rc = options_parse(&command_replay, defs, argc, argv, &log, 1, 1, &count);
    if (rc >= 0)
        return rc;
    if (!verify) {
        fprintf(stderr, "tact replay: --verify is missing; it is what this version can do\n");
        return EXIT_USAGE;
    }
    struct error e = {0};
    struct replay_counts counts;
    const struct replay_options o = {
        .log = log, .finding = on_finding, .progress = on_progress, .user = &out};
    progress_begin(&out.progress, "KiB");
    rc = replay_verify(&o, &counts, &e);
    progress_clear(&out.progress);
    if (rc) {
        fprintf(stderr, "tact replay: %s\n", e.text);
        return EXIT_FAILED;
    }
    if (out.json)
        print_counts_json(&counts);
    else
        print_counts(&counts);
    return counts.differing || counts.failed || counts.damaged ? EXIT_FAILED : EXIT_OK;
}
