/* The checker's insides that the functions' part (call.c) shares. expr_compile itself is in expr.h. Internal
 * to expr.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_EXPR_CHECK_H
#define TACT_EXPR_CHECK_H
#include "expr/parse.h"

struct checker {
    struct expr_program *program;
    const struct expr_scope *scope;
    const struct expr_report *report;
    struct str source;
    struct arena *arena; /* of this compilation */
    size_t errors;
    bool nospace;
};

/* The node of a tree, or EXPR_NONE after the mistake was reported (or nospace was set). */
expr_id check_ast(struct checker *c, const struct ast *a);
/* Adds a node for a strict operator; folds it when all operands are constant. at: where to report that it
 * always fails. */
expr_id check_add(struct checker *c, enum expr_op op, struct expr_type type, const expr_id *ids,
                  uint32_t count, size_t at);
expr_id check_constant(struct checker *c, struct value v);
expr_id check_symbol(struct checker *c, const struct expr_symbol *symbol);

/* Report an error (returns EXPR_NONE) or a warning. */
expr_id check_error(struct checker *c, size_t at, const char *format, ...) PRINTF_LIKE(3, 4);
void check_warning(struct checker *c, size_t at, const char *format, ...) PRINTF_LIKE(3, 4);

/* "a.b.c" when the tree is a dotted name, else an empty slice. */
struct str check_path(struct checker *c, const struct ast *a);
/* The source text of a tree for a message, or "x" when it is long. */
struct str check_text(const struct checker *c, const struct ast *a);
/* The nearest name or call of the scope, or an empty slice; extra (count of them) are offered too. */
struct str check_suggest(const struct checker *c, struct str word, const char *const *extra, size_t count);

struct expr_type check_type(const struct checker *c, expr_id id);
/* "list of string", "int", "any type"; valid until two more calls with the same buffer. */
enum { TYPE_TEXT = 32 };
const char *check_type_text(struct expr_type t, char text[TYPE_TEXT]);
/* How to write the tree, which is an int, as a double: "1.0" or "double(x)". */
const char *check_as_double(struct checker *c, const struct ast *a);

static inline struct expr_type type_of_kind(enum value_type kind)
{
    return (struct expr_type){.kind = (uint8_t)kind};
}

#endif
