/* The subcommands of the `tact` program, one file each (cmd_<name>.c).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_TOOLS_COMMANDS_H
#define TACT_TOOLS_COMMANDS_H
#include "tools/options.h"

extern const struct command command_serve, command_check, command_import, command_decide, command_signal,
    command_outcome, command_features, command_replay, command_simulate, command_evaluate, command_train, command_model,
    command_customer;

#endif
