/* The commands `tact model show` and `tact model check` are in cmd_model.h.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_TOOLS_MODEL_SHOW_H
#define TACT_TOOLS_MODEL_SHOW_H
#include "tools/cmd_model.h"

#endif
