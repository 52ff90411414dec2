/* Outcomes.Record as a call.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_SERVER_OP_OUTCOME_H
#define TACT_SERVER_OP_OUTCOME_H
#include "server/op.h"

extern const struct op_methods op_record_methods;

#endif
