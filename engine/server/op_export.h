/* Customers.Export as a call: see op.h for the methods it exports.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_SERVER_OP_EXPORT_H
#define TACT_SERVER_OP_EXPORT_H
#include "server/op.h"

extern const struct op_methods op_export_methods;
/* LOAD: asks the store for all that is held; the call goes on with GATHER. */
void op_export_load(struct op *op);
/* GATHER: asks for the dictionary, so that what other servers' policies keep has names. */
enum step_result op_step_gather(struct op *op);

#endif
