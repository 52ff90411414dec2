/* The actions of `tact model`.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_TOOLS_CMD_MODEL_H
#define TACT_TOOLS_CMD_MODEL_H
#include "tools/options.h"

extern const struct command command_model_import, command_model_check, command_model_show, command_model_diff,
    command_model_predict;

#endif
