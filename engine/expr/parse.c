/* Parser: CEL's grammar (cel-spec, doc/langdef.md, "Syntax"), by precedence climbing. From loose to tight:
 *
 *   ?:   ||   &&   == != < <= > >= in   + -   * / %   ! - (prefix)   . [] ()
 *
 * All binary operators associate to the left, ?: to the right. A run of && (or of ||) is one node with many
 * operands, so that long conditions do not nest. A minus right before a number belongs to the number, which
 * is how -9223372036854775808 can be written. Nesting is bounded by EXPR_DEPTH_MAX, both of the tree and of
 * the recursion here. The first mistake ends parsing: what follows one is noise.
 * SPDX-License-Identifier: Apache-2.0 */
#include "expr/parse.h"
#include "expr/lex.h"
#include <stdarg.h>

struct parser {
    struct lexer lexer;
    struct token token; /* the next one, not consumed yet */
    size_t last_end;    /* where the token before it ended */
    struct arena *arena;
    const struct expr_report *report;
    int nesting;
    bool failed, nospace;
};

static struct ast *parse_expr(struct parser *p);

/* ---- mistakes ---- */

static PRINTF_LIKE(3, 4) void fail(struct parser *p, size_t offset, const char *format, ...)
{
    if (p->failed)
        return;
    p->failed = true;
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    p->report->add(p->report->ctx, DIAG_ERROR, offset, text);
}

static void advance(struct parser *p)
{
    p->last_end = p->token.offset + p->token.text.n;
    p->token = lex_next(&p->lexer);
    if (p->token.kind == TOK_BAD)
        fail(p, p->token.offset, "%s", p->token.message);
}

static bool is_punct(const struct parser *p, char c)
{
    return p->token.kind == TOK_PUNCT && p->token.text.p[0] == c;
}

static bool is_word(const struct parser *p, const char *word)
{
    return p->token.kind == TOK_IDENT && str_is(p->token.text, word);
}

static bool accept(struct parser *p, char c)
{
    if (p->failed || !is_punct(p, c))
        return false;
    advance(p);
    return !p->failed;
}

/* Something stands where an operand must be. */
static void fail_operand(struct parser *p)
{
    struct str text = p->token.text;
    if (p->token.kind == TOK_END && p->last_end == 0)
        fail(p, 0, "the expression is empty");
    else if (p->token.kind == TOK_END)
        fail(p, p->token.offset, "the expression ends where a value is expected");
    else if (is_punct(p, '{'))
        fail(p, p->token.offset, "there are no maps here; use names of the schema, and lists in [ ]");
    else if (is_word(p, "in"))
        fail(p, p->token.offset, "'in' needs a value on its left, as in x in ['a', 'b']");
    else if (p->token.kind == TOK_IDENT)
        fail(p, p->token.offset, "'%.*s' is a reserved word and cannot be a name", STR_ARG(text));
    else
        fail(p, p->token.offset, "unexpected '%.*s' where a value is expected", STR_ARG(text));
}

/* Something stands where an operator or the end must be. */
static void fail_after(struct parser *p, char wanted)
{
    struct str text = p->token.text;
    size_t at = p->token.offset;
    if (is_word(p, "and") || is_word(p, "AND"))
        fail(p, at, "unexpected '%.*s'; write &&", STR_ARG(text));
    else if (is_word(p, "or") || is_word(p, "OR"))
        fail(p, at, "unexpected '%.*s'; write ||", STR_ARG(text));
    else if (is_word(p, "not"))
        fail(p, at, "unexpected 'not'; write ! before the value, as in !(x in list)");
    else if (is_word(p, "is"))
        fail(p, at, "unexpected 'is'; write ==");
    else if (is_punct(p, '{'))
        fail(p, at, "there are no messages or maps here; use names of the schema");
    else if (p->token.kind == TOK_VALUE && p->token.value.type == VALUE_DURATION)
        fail(p, at, "unexpected '%.*s'; a duration is written without spaces, as in 1h30m", STR_ARG(text));
    else if (wanted && p->token.kind == TOK_END)
        fail(p, at, "the expression ends before the closing '%c'", wanted);
    else if (wanted)
        fail(p, at, "unexpected '%.*s' where ',' or '%c' or an operator is expected", STR_ARG(text), wanted);
    else if (is_punct(p, ')') || is_punct(p, ']') || is_punct(p, '}'))
        fail(p, at, "'%.*s' closes nothing", STR_ARG(text));
    else
        fail(p, at, "unexpected '%.*s' after a complete expression; an operator such as && or == is missing",
             STR_ARG(text));
}

/* ---- trees ---- */

static struct ast *new_ast(struct parser *p, enum ast_kind kind, size_t start, size_t at)
{
    struct ast *a = p->failed ? NULL : arena_zalloc(p->arena, sizeof *a);
    if (!a) {
        p->nospace |= !p->failed;
        p->failed = true;
        return NULL;
    }
    a->kind = (uint8_t)kind;
    a->start = start;
    a->at = at;
    a->end = p->last_end;
    a->depth = 1;
    return a;
}

/* Appends an operand. False when either is missing or the tree gets too deep. */
static bool add_operand(struct parser *p, struct ast *parent, struct ast *operand)
{
    if (!parent || !operand || p->failed)
        return false;
    if (operand->depth >= parent->depth)
        parent->depth = (uint16_t)(operand->depth + 1);
    if (parent->depth > EXPR_DEPTH_MAX) {
        fail(p, parent->at, "the expression nests deeper than %d levels; split it into named features",
             EXPR_DEPTH_MAX);
        return false;
    }
    if (parent->last)
        parent->last->next = operand;
    else
        parent->first = operand;
    parent->last = operand;
    parent->count++;
    parent->end = p->last_end;
    return true;
}

static bool enter(struct parser *p)
{
    if (p->failed)
        return false;
    if (++p->nesting > EXPR_DEPTH_MAX)
        fail(p, p->token.offset, "the expression nests deeper than %d levels; split it into named features",
             EXPR_DEPTH_MAX);
    return !p->failed;
}

static struct ast *literal(struct parser *p, size_t start, struct value v)
{
    advance(p);
    struct ast *a = new_ast(p, AST_LITERAL, start, start);
    if (a)
        a->value = v;
    return a;
}

/* Expressions up to the closing character, which is consumed. */
static bool parse_list(struct parser *p, struct ast *parent, char close, bool trailing_comma)
{
    if (accept(p, close)) {
        parent->end = p->last_end;
        return true;
    }
    for (;;) {
        if (!add_operand(p, parent, parse_expr(p)))
            return false;
        bool comma = accept(p, ',');
        if (p->failed)
            return false;
        if (comma && !(trailing_comma && is_punct(p, close)))
            continue;
        if (!accept(p, close)) {
            fail_after(p, close);
            return false;
        }
        parent->end = p->last_end;
        return true;
    }
}

/* A number with the minus that stands before it, if any. */
static struct ast *parse_number(struct parser *p, size_t start, bool negative)
{
    struct token t = p->token;
    struct value v = t.value;
    if (t.kind == TOK_INT) {
        if (t.magnitude > (uint64_t)INT64_MAX + negative) {
            fail(p, start, "the number is too large for an int of 64 bits; write it with .0 for a double");
            return NULL;
        }
        v = value_int((int64_t)(negative ? 0 - t.magnitude : t.magnitude));
    } else if (negative && v.type == VALUE_DOUBLE) {
        v.number = -v.number;
    } else if (negative) {
        v.integer = -v.integer;
    }
    return literal(p, start, v);
}

static struct ast *parse_name(struct parser *p, size_t start)
{
    struct token t = p->token;
    if (str_is(t.text, "true") || str_is(t.text, "false"))
        return literal(p, start, value_bool(t.text.n == 4));
    if (str_is(t.text, "null"))
        return literal(p, start, (struct value){.type = VALUE_NULL});
    if (str_is(t.text, "in") || lex_reserved(t.text)) {
        fail_operand(p);
        return NULL;
    }
    advance(p);
    bool call = accept(p, '(');
    struct ast *a = new_ast(p, call ? AST_CALL : AST_NAME, start, t.offset);
    if (!a)
        return NULL;
    a->name = t.text;
    return !call || parse_list(p, a, ')', false) ? a : NULL;
}

static struct ast *parse_primary(struct parser *p)
{
    size_t start = p->token.offset;
    if (p->failed)
        return NULL;
    if (p->token.kind == TOK_INT || p->token.kind == TOK_VALUE)
        return parse_number(p, start, false);
    if (p->token.kind == TOK_IDENT)
        return parse_name(p, start);
    if (accept(p, '(')) {
        struct ast *a = parse_expr(p);
        if (!a)
            return NULL;
        if (!accept(p, ')')) {
            fail_after(p, ')');
            return NULL;
        }
        a->parens = true;
        a->start = start;
        a->end = p->last_end;
        return a;
    }
    if (accept(p, '[')) {
        struct ast *a = new_ast(p, AST_LIST, start, start);
        return a && parse_list(p, a, ']', true) ? a : NULL;
    }
    if (accept(p, '.')) { /* .name: a name of the outermost scope; there is only one */
        if (p->token.kind == TOK_IDENT)
            return parse_name(p, start);
    }
    if (!p->failed)
        fail_operand(p);
    return NULL;
}

/* .name, .name(…) and [index] after a value. */
static struct ast *parse_member(struct parser *p, struct ast *left)
{
    while (left && !p->failed) {
        if (accept(p, '.')) {
            struct token t = p->token;
            if (t.kind != TOK_IDENT) {
                fail(p, t.offset, "a name is expected after '.'");
                return NULL;
            }
            advance(p);
            bool call = accept(p, '(');
            struct ast *a = new_ast(p, call ? AST_METHOD : AST_SELECT, left->start, t.offset);
            if (!add_operand(p, a, left))
                return NULL;
            a->name = t.text;
            if (call && !parse_list(p, a, ')', false))
                return NULL;
            left = a;
        } else if (is_punct(p, '[')) {
            size_t at = p->token.offset;
            advance(p);
            struct ast *a = new_ast(p, AST_BINARY, left->start, at);
            if (!add_operand(p, a, left) || !add_operand(p, a, parse_expr(p)))
                return NULL;
            a->op = OP_INDEX;
            if (!accept(p, ']')) {
                fail_after(p, ']');
                return NULL;
            }
            a->end = p->last_end;
            left = a;
        } else {
            return left;
        }
    }
    return NULL;
}

static struct ast *parse_unary(struct parser *p)
{
    size_t start = p->token.offset;
    bool negative = is_punct(p, '-');
    if (p->failed || (!negative && !is_punct(p, '!')))
        return parse_member(p, parse_primary(p));
    advance(p);
    bool number =
        p->token.kind == TOK_INT || (p->token.kind == TOK_VALUE && p->token.value.type != VALUE_STRING);
    if (negative && number && !p->failed)
        return parse_member(p, parse_number(p, start, true));
    if (!enter(p))
        return NULL;
    struct ast *operand = parse_unary(p);
    p->nesting--;
    struct ast *a = new_ast(p, AST_UNARY, start, start);
    if (!add_operand(p, a, operand))
        return NULL;
    a->op = negative ? OP_NEG : OP_NOT;
    return a;
}

/* ---- operators ---- */

/* The binary operator at the current token and its precedence, loose to tight from 1; 0 when it is none. */
static int binary_operator(const struct parser *p, enum expr_op *op)
{
    static const struct {
        enum expr_op op;
        int precedence;
    } signs[] = {
        [TOK_OR] = {OP_OR, 1}, [TOK_AND] = {OP_AND, 2}, [TOK_EQ] = {OP_EQ, 3}, [TOK_NE] = {OP_NE, 3},
        [TOK_LT] = {OP_LT, 3}, [TOK_LE] = {OP_LE, 3},   [TOK_GT] = {OP_GT, 3}, [TOK_GE] = {OP_GE, 3}};
    static const char characters[] = "+-*/%";
    static const enum expr_op arithmetic[] = {OP_ADD, OP_SUB, OP_MUL, OP_DIV, OP_MOD};
    if (p->token.kind >= TOK_OR && p->token.kind <= TOK_GE) {
        *op = signs[p->token.kind].op;
        return signs[p->token.kind].precedence;
    }
    if (is_word(p, "in")) {
        *op = OP_IN;
        return 3;
    }
    const char *c = p->token.kind == TOK_PUNCT ? strchr(characters, p->token.text.p[0]) : NULL;
    if (!c)
        return 0;
    *op = arithmetic[c - characters];
    return c - characters < 2 ? 4 : 5;
}

static struct ast *parse_binary(struct parser *p, int least)
{
    struct ast *left = parse_unary(p);
    while (left && !p->failed) {
        enum expr_op op;
        int precedence = binary_operator(p, &op);
        if (precedence == 0 || precedence < least)
            return left;
        size_t at = p->token.offset;
        advance(p);
        struct ast *right = parse_binary(p, precedence + 1);
        bool chain = op == OP_AND || op == OP_OR;
        if (chain && left->kind == AST_CHAIN && left->op == op && !left->parens) {
            if (!add_operand(p, left, right))
                return NULL;
            continue;
        }
        struct ast *a = new_ast(p, chain ? AST_CHAIN : AST_BINARY, left->start, at);
        if (!add_operand(p, a, left) || !add_operand(p, a, right))
            return NULL;
        a->op = (uint8_t)op;
        left = a;
    }
    return NULL;
}

static struct ast *parse_expr(struct parser *p)
{
    if (!enter(p))
        return NULL;
    struct ast *left = parse_binary(p, 1);
    size_t at = p->token.offset;
    if (left && accept(p, '?')) {
        struct ast *a = new_ast(p, AST_TERNARY, left->start, at);
        if (!add_operand(p, a, left) || !add_operand(p, a, parse_binary(p, 1)))
            return NULL;
        if (!accept(p, ':')) {
            fail(p, p->token.offset, "a ':' is expected here: condition ? value : other value");
            return NULL;
        }
        if (!add_operand(p, a, parse_expr(p)))
            return NULL;
        left = a;
    }
    p->nesting--;
    return p->failed ? NULL : left;
}

struct ast *parse(struct str source, struct arena *arena, const struct expr_report *report, bool *nospace)
{
    struct parser p = {.lexer = {source, 0, arena}, .arena = arena, .report = report};
    size_t bad = utf8_bad_at(source.p, source.n);
    *nospace = false;
    if (source.n > EXPR_TEXT_MAX) {
        fail(&p, 0, "the expression has %zu bytes; the limit is %d", source.n, EXPR_TEXT_MAX);
        return NULL;
    }
    if (bad) {
        fail(&p, bad - 1, "the text is not well-formed UTF-8 here");
        return NULL;
    }
    advance(&p);
    struct ast *a = parse_expr(&p);
    if (!p.failed && p.token.kind != TOK_END)
        fail_after(&p, 0);
    *nospace = p.nospace;
    return p.failed ? NULL : a;
}
