/* The `tact` program: finds the subcommand and runs it. Exit codes: 0 done, 1 failed, 2 wrong usage.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"
#include "tools/commands.h"
#include <signal.h>
#include <stdio.h>
#include <string.h>

static const struct command *const commands[] = {&command_serve,
                                                 &command_check,
                                                 &command_decide,
                                                 &command_signal,
                                                 &command_outcome,
                                                 &command_customer,
                                                 &command_import,
                                                 &command_features,
                                                 &command_simulate,
                                                 &command_train,
                                                 &command_evaluate,
                                                 &command_replay,
                                                 &command_model,
                                                 NULL};

static int help(FILE *out, int code)
{
    fprintf(out, "tact %s: decides what to say to a customer, here, now, or that nothing is said\n\n",
            TACT_VERSION);
    fprintf(out, "usage: tact COMMAND [options]\n\ncommands:\n");
    for (const struct command *const *c = commands; *c; c++)
        fprintf(out, "  %-10s %s\n", (*c)->name, (*c)->brief);
    fprintf(out, "\n`tact COMMAND --help` says how to use one, with an example.\n");
    return code;
}

/* `help customer get` as `customer get --help`. */
static void help_last(int argc, char **argv)
{
    static char asked[] = "--help";
    memmove(argv + 1, argv + 2, (size_t)(argc - 2) * sizeof *argv);
    argv[argc - 1] = asked;
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    if (argc > 2 && strcmp(argv[1], "help") == 0)
        help_last(argc, argv);
    if (argc < 2)
        return help(stderr, EXIT_USAGE);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0)
        return help(stdout, EXIT_OK);
    if (strcmp(argv[1], "--version") == 0) {
        printf("tact %s\n", TACT_VERSION);
        return EXIT_OK;
    }
    struct suggest s;
    suggest_init(&s, str_from(argv[1]));
    for (const struct command *const *c = commands; *c; c++) {
        if (strcmp(argv[1], (*c)->name) == 0)
            return (*c)->run(argc - 1, argv + 1);
        suggest_offer(&s, str_from((*c)->name));
    }
    struct str best = suggest_best(&s);
    fprintf(stderr, "tact: unknown command '%s'%s%.*s%s\n", argv[1], best.n ? "; did you mean " : "",
            STR_ARG(best), best.n ? "?" : "");
    return help(stderr, EXIT_USAGE);
}
