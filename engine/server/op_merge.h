/* Customers.Merge: two ids are one person. SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_SERVER_OP_MERGE_H
#define TACT_SERVER_OP_MERGE_H
#include "server/op.h"

extern const struct op_methods op_merge_methods;

#endif
