/* tact model: bundles made from other people's models, looked at, checked and compared.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tools/cmd_model.h"
#include "base/str.h"
#include "tools/commands.h"
#include <stdio.h>
#include <string.h>

static int run(int argc, char **argv);

const struct command command_model = {
    .name = "model",
    .brief = "import, check, show and compare model bundles",
    .arguments = "ACTION",
    .details = "",
    .run = run,
};

static const struct command *const actions[] = {&command_model_import, &command_model_check, &command_model_show,
                                                &command_model_diff,   &command_model_predict, NULL};

/* "import" of "model import". */
static const char *action_name(const struct command *c)
{
    return c->name + strlen("model ");
}

static int help(FILE *out, int code)
{
    fprintf(out, "tact model: bundles from models that XGBoost saved (JSON or UBJSON, 1.0 to 3.x)\n\n"
                 "usage: tact model ACTION [options]\n\nactions:\n");
    for (const struct command *const *c = actions; *c; c++)
        fprintf(out, "  %-10s %s\n", action_name(*c), (*c)->brief);
    fprintf(out, "\n`tact model ACTION --help` says how to use one, with an example.\n");
    return code;
}

static int run(int argc, char **argv)
{
    if (argc < 2)
        return help(stderr, EXIT_USAGE);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0)
        return help(stdout, EXIT_OK);
    struct suggest s;
    suggest_init(&s, str_from(argv[1]));
    for (const struct command *const *c = actions; *c; c++) {
        if (strcmp(argv[1], action_name(*c)) == 0)
            return (*c)->run(argc - 1, argv + 1);
        suggest_offer(&s, str_from(action_name(*c)));
    }
    struct str best = suggest_best(&s);
    fprintf(stderr, "tact model: unknown action '%s'%s%.*s%s\n", argv[1], best.n ? "; did you mean " : "", STR_ARG(best),
            best.n ? "?" : "");
    return help(stderr, EXIT_USAGE);
}
