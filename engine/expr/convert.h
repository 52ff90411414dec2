/* Conversions between types: int() double() string() bool() timestamp() duration(). Internal to expr.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_EXPR_CONVERT_H
#define TACT_EXPR_CONVERT_H
#include "expr/program.h"

/* op is OP_TO_INT to OP_TO_DURATION; v is neither unknown nor an error. Text goes to arena. */
struct value convert(enum expr_op op, struct value v, struct arena *arena);
/* Whether CEL has that conversion; true for VALUE_UNKNOWN (any type). */
bool convert_allowed(enum expr_op op, enum value_type from);

#endif
