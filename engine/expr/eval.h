/* What evaluation shares with change.c. The public face is expr.h.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_EXPR_EVAL_H
#define TACT_EXPR_EVAL_H
#include "expr/program.h"

/* The value of a node as of ev->now_ms, computed at most once; the recursion is bounded by
 * EXPR_NODE_DEPTH_MAX. */
struct value eval_node(struct expr_eval *ev, expr_id id);

#endif
