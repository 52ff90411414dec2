/* Customers.Forget as a call: see op.h for the methods it exports.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_SERVER_OP_FORGET_H
#define TACT_SERVER_OP_FORGET_H
#include "server/op.h"

extern const struct op_methods op_forget_methods;

#endif
