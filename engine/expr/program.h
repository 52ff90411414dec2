/* The compiled form: one dense table of hash-consed nodes for all expressions of a policy. A node's children
 * have smaller ids than it, so the table is in topological order. Internal to expr; the public face is
 * expr.h.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_EXPR_PROGRAM_H
#define TACT_EXPR_PROGRAM_H
#include "expr/expr.h"

/* name, how its operands are kept: 0 to 3 in a, b, c; N: args[a .. a + b) */
#define EXPR_OPS(X)                                                                                          \
    X(CONST, 0) /* a: index of the constant */                                                               \
    X(SLOT, 0)  /* a: number of the slot */                                                                  \
    X(HAS, 1)                                                                                                \
    X(AND, N)                                                                                                \
    X(OR, N)                                                                                                 \
    X(NOT, 1)                                                                                                \
    X(TERNARY, 3)                                                                                            \
    X(EQ, 2)                                                                                                 \
    X(NE, 2)                                                                                                 \
    X(LT, 2)                                                                                                 \
    X(LE, 2)                                                                                                 \
    X(GT, 2)                                                                                                 \
    X(GE, 2)                                                                                                 \
    X(IN, 2)                                                                                                 \
    X(IN_SORTED, 2) /* b: constant list of strings or ints in rising order */                                \
    X(ADD, 2)                                                                                                \
    X(SUB, 2)                                                                                                \
    X(MUL, 2)                                                                                                \
    X(DIV, 2)                                                                                                \
    X(MOD, 2)                                                                                                \
    X(NEG, 1)                                                                                                \
    X(INDEX, 2)                                                                                              \
    X(SIZE, 1)                                                                                               \
    X(STARTS, 2)                                                                                             \
    X(ENDS, 2)                                                                                               \
    X(CONTAINS, 2)                                                                                           \
    X(TO_INT, 1)                                                                                             \
    X(TO_DOUBLE, 1)                                                                                          \
    X(TO_STRING, 1)                                                                                          \
    X(TO_BOOL, 1)                                                                                            \
    X(TO_TIMESTAMP, 1)                                                                                       \
    X(TO_DURATION, 1)                                                                                        \
    X(FULL_YEAR, 2) /* FULL_YEAR to MILLISECONDS: b is a constant zone name, "" for UTC */                   \
    X(MONTH, 2)                                                                                              \
    X(DATE, 2)                                                                                               \
    X(DAY_OF_MONTH, 2)                                                                                       \
    X(DAY_OF_WEEK, 2)                                                                                        \
    X(DAY_OF_YEAR, 2)                                                                                        \
    X(HOURS, 2)                                                                                              \
    X(MINUTES, 2)                                                                                            \
    X(SECONDS, 2)                                                                                            \
    X(MILLISECONDS, 2)                                                                                       \
    X(ABS, 1)                                                                                                \
    X(FLOOR, 1)                                                                                              \
    X(CEIL, 1)                                                                                               \
    X(ROUND, 1)                                                                                              \
    X(MIN, N)                                                                                                \
    X(MAX, N)                                                                                                \
    X(DISTANCE, N)                                                                                           \
    X(NEAREST, N) /* of latitude, longitude, constant list of latitudes and longitudes in turn */

enum expr_op {
#define X(name, operands) OP_##name,
    EXPR_OPS(X)
#undef X
        OP_COUNT
};

/* Through named features, nodes may nest deeper than one text; evaluation recurses at most this deep. */
enum { EXPR_NODE_DEPTH_MAX = 256 };

enum { NODE_CLOCK = 1, NODE_VARIES = 2 };

struct expr_node {
    uint8_t op;            /* enum expr_op */
    uint8_t moves;         /* with what the value may move: NODE_CLOCK, NODE_VARIES, or both */
    uint8_t kind, element; /* struct expr_type */
    uint16_t depth;        /* 1 for a leaf */
    uint16_t operands;     /* how many of a, b, c are nodes; for N ops 0 */
    uint32_t a, b, c;
    uint32_t name; /* index into names, or EXPR_NONE */
};

struct expr_program {
    struct arena *arena;
    struct expr_node *nodes;
    uint32_t *hashes; /* a node's structural hash */
    uint64_t *still;  /* bit per node: does not depend on the clock */
    uint64_t *fixed;  /* bit per node: does not depend on a varying slot */
    bool varies;      /* some node does */
    uint32_t varies_from,
        varies_to;   /* the words of `fixed` that have bits of such nodes: from, past the last */
    uint32_t *table; /* open addressing: node id, or EXPR_NONE */
    expr_id *args;   /* operands of N ops */
    struct value *constants;
    struct expr_slot *slots;
    struct str *names;
    uint32_t node_count, node_capacity, table_size;
    uint32_t arg_count, arg_capacity;
    uint32_t constant_count, constant_capacity;
    uint32_t slot_count, slot_capacity;
    uint32_t name_count, name_capacity;
};

static inline bool op_is_nary(unsigned op)
{
    return op == OP_AND || op == OP_OR || op >= OP_MIN;
}

static inline bool op_is_calendar(unsigned op)
{
    return op >= OP_FULL_YEAR && op <= OP_MILLISECONDS;
}

/* A node's operands: up to 3 inline, or its part of args. */
static inline const expr_id *node_operands(const struct expr_program *p, const struct expr_node *n,
                                           uint32_t *count)
{
    if (op_is_nary(n->op)) {
        *count = n->b;
        return p->args + n->a;
    }
    *count = n->operands;
    return &n->a;
}

static inline bool bit_test(const uint64_t *bits, uint32_t i)
{
    return bits[i / 64] >> (i % 64) & 1;
}
static inline void bit_set(uint64_t *bits, uint32_t i)
{
    bits[i / 64] |= UINT64_C(1) << (i % 64);
}

/* Finds the node of that shape or adds it. 0, ERR_NOSPACE (arena full), ERR_INVALID (deeper than
 * EXPR_NODE_DEPTH_MAX). */
int node_add(struct expr_program *p, enum expr_op op, struct expr_type type, const expr_id *operands,
             uint32_t count, expr_id *out) MUST_CHECK;

#endif
