/* Commands that have actions: `tact model check`, `tact customer get`.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_TOOLS_ACTIONS_H
#define TACT_TOOLS_ACTIONS_H
#include "tools/options.h"
#include <stddef.h>

/* Runs the action that argv[1] names, or prints help. Actions are named "model check"; a NULL ends them. about: what the command
 * is for; arguments: of the actions, "[options] ID". The exit code. */
int actions_run(const struct command *c, const char *about, const char *arguments, const struct command *const *actions, int argc,
                char **argv);

#endif
