/* The actions of `tact customer`.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_TOOLS_CMD_CUSTOMER_H
#define TACT_TOOLS_CMD_CUSTOMER_H
#include "tools/options.h"

extern const struct command command_customer_get, command_customer_export, command_customer_merge, command_customer_forget;

#endif
