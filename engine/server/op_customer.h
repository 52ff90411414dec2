/* Signal, Upsert, RecordContact and Get as calls: see op.h for the methods they export.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_SERVER_OP_CUSTOMER_H
#define TACT_SERVER_OP_CUSTOMER_H
#include "server/op.h"

extern const struct op_methods op_signal_methods, op_upsert_methods, op_get_methods, op_contact_methods;

/* Writes an attribute or property as a wire value (all members but strings need no memory). */
void wire_value(struct value v, struct arena *arena, Tact__V1__Value *out);

#endif
