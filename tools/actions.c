/* Actions of a command; see actions.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tools/actions.h"
#include "base/str.h"
#include <stdio.h>
#include <string.h>

/* "check" of "model check". */
static const char *action_name(const struct command *c, const struct command *action)
{
    return action->name + strlen(c->name) + 1;
}

static int help(const struct command *c, const char *about, const char *arguments, const struct command *const *actions, FILE *out,
                int code)
{
    fprintf(out, "tact %s: %s\n\nusage: tact %s ACTION %s\n\nactions:\n", c->name, about, c->name, arguments);
    for (const struct command *const *a = actions; *a; a++)
        fprintf(out, "  %-10s %s\n", action_name(c, *a), (*a)->brief);
    fprintf(out, "\n`tact %s ACTION --help` says how to use one, with an example.\n", c->name);
    return code;
}

int actions_run(const struct command *c, const char *about, const char *arguments, const struct command *const *actions, int argc,
                char **argv)
{
    if (argc < 2)
        return help(c, about, arguments, actions, stderr, EXIT_USAGE);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0)
        return help(c, about, arguments, actions, stdout, EXIT_OK);
    struct suggest s;
    suggest_init(&s, str_from(argv[1]));
    for (const struct command *const *a = actions; *a; a++) {
        if (strcmp(argv[1], action_name(c, *a)) == 0)
            return (*a)->run(argc - 1, argv + 1);
        suggest_offer(&s, str_from(action_name(c, *a)));
    }
    struct str best = suggest_best(&s);
    fprintf(stderr, "tact %s: unknown action '%s'%s%.*s%s\n", c->name, argv[1], best.n ? "; did you mean " : "", STR_ARG(best),
            best.n ? "?" : "");
    return help(c, about, arguments, actions, stderr, EXIT_USAGE);
}
