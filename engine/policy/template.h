/* Text with holes: "Hello {{ profile.first_name | default: there }}". A hole is an expression of the policy,
 * then filters: `default: text` (used when the value is unknown, an error or empty) and `raw` (not escaped).
 * Without a default, an unknown value makes the treatment impossible to render, and the decision takes the
 * next best action.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_POLICY_TEMPLATE_H
#define TACT_POLICY_TEMPLATE_H
#include "expr/expr.h"

enum { TEMPLATE_HOLES_MAX = 31, TEMPLATE_TEXT_MAX = 64 * 1024 };

struct template_part {
    struct str text; /* literal; or of a hole: its source, for messages */
    expr_id value;   /* EXPR_NONE: literal */
    bool has_default, raw;
    struct str fallback;
};

struct template
{
    struct template_part *parts;
    size_t count;
};

/* Compiles. Findings go to report with offsets into text; all holes are looked at. ERR_INVALID after a
 * finding of severity DIAG_ERROR, ERR_NOSPACE when the arena is full. */
int template_compile(struct str text, struct expr_program *program, const struct expr_scope *scope,
                     const struct expr_report *report, struct arena *arena, struct template *out) MUST_CHECK;

/* Appends the rendered text; values are escaped for HTML when html is set. ERR_NOTFOUND: a value without a
 * default is unknown or an error; *missing is its source. */
int template_render(const struct template *t, struct expr_eval *ev, bool html, struct buf *out,
                    struct str *missing) MUST_CHECK;

#endif
