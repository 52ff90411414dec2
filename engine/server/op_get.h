/* Customers.Get as a call: see op.h for the methods it exports.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_SERVER_OP_GET_H
#define TACT_SERVER_OP_GET_H
#include "server/op.h"

extern const struct op_methods op_get_methods;

#endif
