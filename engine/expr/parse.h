/* Syntax trees of expressions. Internal to expr; a tree lives in the arena of one compilation.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_EXPR_PARSE_H
#define TACT_EXPR_PARSE_H
#include "expr/program.h"

enum ast_kind {
    AST_LITERAL, /* value */
    AST_NAME,    /* name */
    AST_SELECT,  /* operand first, name */
    AST_CALL,    /* name, arguments from first on */
    AST_METHOD,  /* name, receiver first, then the arguments */
    AST_LIST,    /* elements */
    AST_UNARY,   /* op: OP_NOT, OP_NEG */
    AST_BINARY,  /* op, two operands; also OP_INDEX */
    AST_CHAIN,   /* op: OP_AND, OP_OR; two or more operands */
    AST_TERNARY  /* three operands */
};

struct ast {
    uint8_t kind; /* enum ast_kind */
    uint8_t op;   /* enum expr_op */
    bool parens;  /* written in parentheses */
    uint16_t depth;
    uint32_t count;    /* operands */
    size_t start, end; /* in the source, with everything below it */
    size_t at;         /* what a finding about it points to: the operator, the function's name, else start */
    struct str name;
    struct value value;
    struct ast *first, *last, *next; /* operands, and the next one of the parent */
};

/* The tree, or NULL after the first mistake was reported; *nospace when memory for it ran out (nothing is
 * reported). Strings of the tree point into source or live in arena. */
struct ast *parse(struct str source, struct arena *arena, const struct expr_report *report, bool *nospace);

#endif
