/* Customers.Forget as a call: see op.h for the methods it exports.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_SERVER_OP_FORGET_H
#define TACT_SERVER_OP_FORGET_H
#include "server/op.h"

extern const struct op_methods op_forget_methods;
/* ERASE: what is kept beside the person's other ids goes. */
enum step_result op_step_erase(struct op *op);

#endif
