/* What each operator and function does to values that are there already; used by folding and by evaluation.
 * Internal to expr. Errors are values (static texts). Nothing here calls malloc.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_EXPR_OPS_H
#define TACT_EXPR_OPS_H
#include "expr/program.h"

/* Longest string made while evaluating; lists are bounded by EXPR_LIST_MAX. */
enum { OPS_STRING_MAX = 64 * 1024 };

struct ops_env {
    struct arena *arena; /* strings and lists that are made */
    const struct tzdb *zones;
};

static inline bool value_is_missing(struct value v)
{
    return v.type <= VALUE_ERROR;
}

/* What a strict operator gives when an operand is missing: unknown wins over error, unreadable over absent,
 * the left error over the right. a or b must be missing. */
struct value ops_absorb(struct value a, struct value b);

bool ops_equal(struct value a, struct value b);
/* -1, 0, 1; ORDER_NONE when one is NaN; ORDER_MISTYPED when the types have no order in common. */
enum { ORDER_NONE = 2, ORDER_MISTYPED = 3 };
int ops_order(struct value a, struct value b);
/* OP_LT, OP_LE, OP_GT, OP_GE of values that are there. */
struct value ops_compare(enum expr_op op, struct value a, struct value b);

/* Any strict operator (not AND, OR, TERNARY, HAS, CONST, SLOT), missing operands included. */
struct value ops_apply(const struct ops_env *env, enum expr_op op, const struct value *v, uint32_t count);
/* MIN, MAX and DISTANCE take their operands one by one: fold the next operand into what the ones before gave.
 */
struct value ops_pick(enum expr_op op, struct value best, struct value next);
struct value ops_distance(const struct value v[4]);
/* v: latitude, longitude, list of latitudes and longitudes in turn: metres to the nearest, unknown without any. */
struct value ops_nearest(const struct value v[3]);

#endif
