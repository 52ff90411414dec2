/* Signal, Upsert and RecordContact as calls: see op.h for the methods they export.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_SERVER_OP_CUSTOMER_H
#define TACT_SERVER_OP_CUSTOMER_H
#include "server/op.h"

extern const struct op_methods op_signal_methods, op_upsert_methods, op_contact_methods;

#endif
