/* The one spelling of an expression: expr_canonical, declared in expr.h.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_EXPR_CANONICAL_H
#define TACT_EXPR_CANONICAL_H
#include "expr/expr.h"

#endif
