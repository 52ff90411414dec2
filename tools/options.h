/* Command-line options of the subcommands, from one table each: parsing, errors with "did you mean", and --help come from it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_TOOLS_OPTIONS_H
#define TACT_TOOLS_OPTIONS_H
#include <stdbool.h>
#include <stdint.h>

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, OPTION_LIST_MAX = 64 };

struct option_list {
    const char *items[OPTION_LIST_MAX];
    int count;
};

/* One option. Exactly one of the targets is set. */
struct option_def {
    const char *name;  /* "customer"; written --customer VALUE or --customer=VALUE */
    const char *value; /* what VALUE is, in help: "ID"; NULL for a switch */
    const char *help;
    const char **text;
    int64_t *number;
    int64_t low, high; /* of number */
    bool *flag;
    struct option_list *list; /* may be given several times */
};

struct command {
    const char *name;
    const char *brief;     /* one line for `tact --help` */
    const char *arguments; /* "POLICY", "[FILE…]" or "" */
    const char *details;   /* paragraphs of --help, with an example */
    int (*run)(int argc, char **argv);
};

/* Parses argv[1…] by the table (ended by a NULL name). Words that are no options go to args (at most `most`, at least `least`
 * of them). Returns -1 to go on, or an exit code: 0 after --help, EXIT_USAGE after a message. */
int options_parse(const struct command *c, const struct option_def *defs, int argc, char **argv,
                  const char **args, int least, int most, int *count);

#endif
