/* Types of the binary operators. Internal to expr.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_EXPR_OPERATORS_H
#define TACT_EXPR_OPERATORS_H
#include "expr/check.h"

/* The node of an AST_BINARY, or EXPR_NONE. */
expr_id check_binary(struct checker *c, const struct ast *a);

#endif
