/* tact check: validates a policy folder, and a model for it, and runs the policy's own tests.
 * SPDX-License-Identifier: Apache-2.0 */
#include "decide/policy_run.h"
#include "server/snapshot.h"
#include "tools/answer.h"
#include "tools/commands.h"
#include <jansson.h>
#include <stdlib.h>

static int run(int argc, char **argv);

const struct command command_check = {
    .name = "check",
    .brief = "validate a policy folder and run its tests",
    .arguments = "POLICY",
    .details =
        "Reads every .yaml file of the folder POLICY, reports all mistakes in one run with file, line and "
        "column, then\n"
        "runs the tests that the policy holds. Exit code 1 when there is a mistake or a test fails.\n\n"
        "  tact check tools/examples/retail\n"
        "  tact check tools/examples/retail --model build/demo/bundle --json",
    .run = run,
};

static void print_json(const char *kind, const char *file, int line, int column, const char *text)
{
    json_t *o = json_pack("{s:s, s:s, s:i, s:i, s:s}", "kind", kind, "file", file, "line", line, "column",
                          column, "text", text);
    char *s = o ? json_dumps(o, JSON_COMPACT) : NULL;
    printf("%s\n", s ? s : "{}");
    free(s);
    json_decref(o);
}

static void report(const struct diags *d, bool json)
{
    if (!json) {
        diags_print(d, stdout);
        return;
    }
    for (size_t i = 0; i < d->count; i++)
        print_json(d->items[i].severity == DIAG_ERROR ? "error" : "warning", d->items[i].file,
                   d->items[i].line, d->items[i].column, d->items[i].text);
}

static size_t run_tests(const struct snapshot *s, bool json)
{
    const struct policy *p = s->policy;
    size_t failed = 0;
    for (size_t i = 0; i < p->test_count; i++) {
        struct arena arena;
        struct str why = {0};
        arena_init(&arena, 64 << 20);
        bool good = policy_run_test(p, &p->tests[i], s->binding ? &s->scorer : NULL, &arena, &why);
        const char *text = arena_printf(&arena, "test '%.*s': %.*s", STR_ARG(p->tests[i].name), STR_ARG(why));
        text = text ? text : "a test failed";
        if (!good && json)
            print_json("test", p->tests[i].file, p->tests[i].line, p->tests[i].column, text);
        else if (!good) {
            printf("%s:%d:%d: ", p->tests[i].file, p->tests[i].line, p->tests[i].column);
            answer_text(text, strlen(text), stdout);
            putchar('\n');
        }
        failed += !good;
        arena_free(&arena);
    }
    return failed;
}

static int check(const char *folder, const char *model, bool json, const struct tzdb *zones)
{
    struct arena arena;
    struct diags diags;
    struct error e = {0};
    arena_init(&arena, 64 << 20);
    diags_init(&diags, &arena);
    struct names *names = names_new();
    struct snapshot *s = snapshot_load(folder, model, zones, &diags);
    report(&diags, json);
    size_t failed = 0;
    if (s && policy_bind_interning(s->policy, names, &e))
        fprintf(stderr, "tact check: %s\n", e.text);
    else if (s)
        failed = run_tests(s, json);
    if (!s && !json)
        printf("%s%s%s: %zu error%s, %zu warning%s\n", folder, model ? " with " : "", model ? model : "",
               diags.errors, diags.errors == 1 ? "" : "s", diags.warnings, diags.warnings == 1 ? "" : "s");
    if (s && !json)
        printf("%s: %zu actions, %zu features, %zu suppressions, %zu limits; %zu warning%s; %zu of %zu tests "
               "passed\n",
               folder, s->policy->action_count, s->policy->feature_count, s->policy->suppression_count,
               s->policy->limit_count, diags.warnings, diags.warnings == 1 ? "" : "s",
               s->policy->test_count - failed, s->policy->test_count);
    if (s && failed && model && !json)
        printf("the tests ran with the scores of %s; a server takes policy and model all the same\n", model);
    int code = s && !failed && !e.code ? EXIT_OK : EXIT_FAILED;
    snapshot_release(&s);
    names_free(&names);
    arena_free(&arena);
    return code;
}

static int run(int argc, char **argv)
{
    const char *model = NULL, *folder;
    bool json = false;
    int count;
    const struct option_def defs[] = {
        {.name = "model",
         .value = "FOLDER",
         .help = "a model bundle, or a line-up, to check against the policy",
         .text = &model},
        {.name = "json", .help = "one JSON object a finding", .flag = &json},
        {0},
    };
    int rc = options_parse(&command_check, defs, argc, argv, &folder, 1, 1, &count);
    if (rc >= 0)
        return rc;
    struct tzdb *zones;
    struct error e = {0};
    if (tzdb_load(&zones, NULL, &e)) {
        fprintf(stderr, "tact check: %s\n", e.text);
        return EXIT_FAILED;
    }
    rc = check(folder, model, json, zones);
    tzdb_free(&zones);
    return rc;
}
