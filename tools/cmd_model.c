/* tact model: bundles made from other people's models, looked at, checked and compared.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tools/cmd_model.h"
#include "tools/actions.h"
#include "tools/commands.h"

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

static int run(int argc, char **argv)
{
    return actions_run(&command_model, "bundles from models that XGBoost saved (JSON or UBJSON, 1.0 to 3.x)", "[options]", actions,
                       argc, argv);
}
