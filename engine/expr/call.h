/* Calls: CEL's functions and methods, the extensions, and those that the host resolves. Internal to expr.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_EXPR_CALL_H
#define TACT_EXPR_CALL_H
#include "expr/check.h"

/* The node of an AST_CALL or AST_METHOD, or EXPR_NONE. */
expr_id check_call(struct checker *c, const struct ast *a);
/* Whether the language itself has a function or method of that name. */
bool call_is_builtin(struct str name);

#endif
