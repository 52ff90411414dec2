/* Checker and compiler: from the syntax tree to nodes of the program, types known bottom-up.
 *
 * A tree that has a mistake gives no node; its parents stay silent about it, so that each mistake is reported
 * once and several in one expression are all reported. Type VALUE_UNKNOWN ("any") is the type of what only
 * the request knows; operators take it and look again while evaluating.
 *
 * Folding: a strict operator over constants becomes its result; && and || lose operands that decide nothing
 * and collapse when one decides; ?: with a constant condition becomes a branch. What always fails (1/0) is
 * reported, even where it would never be evaluated, for nobody writes that on purpose.
 *
 * Messages name the types, then the way out: what to write instead.
 * SPDX-License-Identifier: Apache-2.0 */
#include "expr/check.h"
#include "expr/call.h"
#include "expr/ops.h"
#include "expr/calendar.h"
#include "expr/operators.h"
#include <stdarg.h>
#include <stdlib.h>

/* Memory of one compilation: the tree and messages; the text is bounded, so this is never reached by trees.
 */
enum { COMPILE_ARENA_LIMIT = 8 * 1024 * 1024 };

/* ---- reporting ---- */

expr_id check_error(struct checker *c, size_t at, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    c->errors++;
    c->report->add(c->report->ctx, DIAG_ERROR, at, text);
    return EXPR_NONE;
}

void check_warning(struct checker *c, size_t at, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    c->report->add(c->report->ctx, DIAG_WARNING, at, text);
}

struct str check_text(const struct checker *c, const struct ast *a)
{
    enum { LONGEST = 40 };
    struct str s = {c->source.p + a->start, a->end - a->start};
    return s.n <= LONGEST && !memchr(s.p, '\n', s.n) ? s : STR("x");
}

static void offer_name(void *arg, struct str name)
{
    suggest_offer(arg, name);
}

struct str check_suggest(const struct checker *c, struct str word, const char *const *extra, size_t count)
{
    struct suggest s;
    suggest_init(&s, word);
    if (c->scope->each_name)
        c->scope->each_name(c->scope->ctx, offer_name, &s);
    for (size_t i = 0; i < count; i++)
        suggest_offer(&s, str_from(extra[i]));
    return suggest_best(&s);
}

struct expr_type check_type(const struct checker *c, expr_id id)
{
    return expr_type_of(c->program, id);
}

const char *check_type_text(struct expr_type t, char text[TYPE_TEXT])
{
    if (t.kind == VALUE_LIST && t.element != VALUE_UNKNOWN)
        snprintf(text, TYPE_TEXT, "list of %s", value_type_name((enum value_type)t.element));
    else
        snprintf(text, TYPE_TEXT, "%s",
                 t.kind == VALUE_UNKNOWN ? "any type" : value_type_name((enum value_type)t.kind));
    return text;
}

const char *check_as_double(struct checker *c, const struct ast *a)
{
    struct str text = check_text(c, a);
    bool digits = a->kind == AST_LITERAL && a->value.type == VALUE_INT && !memchr(text.p, 'x', text.n);
    const char *s = digits ? arena_printf(c->arena, "%.*s.0", STR_ARG(text))
                           : arena_printf(c->arena, "double(%.*s)", STR_ARG(text));
    return s ? s : "double(x)";
}

/* ---- nodes ---- */

static expr_id no_space(struct checker *c)
{
    c->nospace = true;
    return EXPR_NONE;
}

expr_id check_constant(struct checker *c, struct value v)
{
    expr_id id = expr_node_constant(c->program, v);
    return id == EXPR_NONE ? no_space(c) : id;
}

expr_id check_symbol(struct checker *c, const struct expr_symbol *symbol)
{
    expr_id id = EXPR_NONE;
    switch (symbol->kind) {
    case EXPR_SYM_CONST:
        return check_constant(c, symbol->constant);
    case EXPR_SYM_NODE:
        ASSERT(symbol->node < c->program->node_count);
        return symbol->node;
    case EXPR_SYM_SLOT:
        id = expr_node_slot(c->program, symbol->slot);
        break;
    }
    return id == EXPR_NONE ? no_space(c) : id;
}

/* A name of a zone needs the data base, which only an evaluation has. */
static bool foldable(const struct checker *c, enum expr_op op, const expr_id *ids, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (!expr_constant(c->program, ids[i]))
            return false;
    if (!op_is_calendar(op))
        return true;
    struct str zone = value_str(*expr_constant(c->program, ids[1]));
    int32_t seconds;
    return zone.n == 0 || str_is(zone, "UTC") || zone_fixed(zone, &seconds);
}

static expr_id fold(struct checker *c, enum expr_op op, const expr_id *ids, uint32_t count, size_t at)
{
    struct arena_mark mark = arena_mark(c->arena);
    struct value *v = arena_alloc(c->arena, count * sizeof *v);
    if (!v)
        return no_space(c);
    bool given = false; /* the host declared a constant that is an error or unknown */
    for (uint32_t i = 0; i < count; i++) {
        v[i] = *expr_constant(c->program, ids[i]);
        given |= value_is_missing(v[i]);
    }
    struct value r = ops_apply(&(struct ops_env){.arena = c->arena}, op, v, count);
    expr_id id = r.type == VALUE_ERROR && !given ? check_error(c, at, "this always fails: %s", r.error)
                                                 : check_constant(c, r);
    arena_rewind(c->arena, mark);
    return id;
}

expr_id check_add(struct checker *c, enum expr_op op, struct expr_type type, const expr_id *ids,
                  uint32_t count, size_t at)
{
    bool strict = op != OP_AND && op != OP_OR && op != OP_TERNARY && op != OP_HAS;
    if (strict && foldable(c, op, ids, count))
        return fold(c, op, ids, count, at);
    expr_id id;
    int rc = node_add(c->program, op, type, ids, count, &id);
    if (rc == ERR_INVALID)
        return check_error(c, at, "with the features it uses, the expression nests deeper than %d levels",
                           EXPR_NODE_DEPTH_MAX);
    return rc ? no_space(c) : id;
}

/* ---- names ---- */

/* The dotted name's parts are copied together, since blanks may stand around the dots. */
struct str check_path(struct checker *c, const struct ast *a)
{
    size_t length = 0;
    const struct ast *part;
    for (part = a; part->kind == AST_SELECT; part = part->first)
        length += part->name.n + 1;
    if (part->kind != AST_NAME)
        return (struct str){0};
    length += part->name.n;
    char *p = arena_alloc(c->arena, length);
    if (!p) {
        no_space(c);
        return (struct str){0};
    }
    char *end = p + length;
    for (part = a; part->kind == AST_SELECT; part = part->first) {
        end -= part->name.n;
        memcpy(end, part->name.p, part->name.n);
        *--end = '.';
    }
    memcpy(p, part->name.p, part->name.n);
    return (struct str){p, length};
}

static expr_id unknown_name(struct checker *c, const struct ast *a, struct str path)
{
    const char *advice = c->scope->advice ? c->scope->advice(c->scope->ctx, path, c->arena) : NULL;
    if (advice)
        return check_error(c, a->start, "'%.*s' is no value here: %s", STR_ARG(path), advice);
    struct str best = check_suggest(c, path, NULL, 0);
    if (best.n)
        return check_error(c, a->start, "unknown name '%.*s'; did you mean %.*s?", STR_ARG(path),
                           STR_ARG(best));
    if (call_is_builtin(path))
        return check_error(c, a->start, "'%.*s' is a function; it needs arguments in ( )", STR_ARG(path));
    if (a->kind == AST_NAME)
        return check_error(c, a->start, "unknown name '%.*s'; if it is text, write it in quotes: '%.*s'",
                           STR_ARG(path), STR_ARG(path));
    return check_error(c, a->start, "unknown name '%.*s'; the schema and the features declare no such name",
                       STR_ARG(path));
}

static expr_id check_name(struct checker *c, const struct ast *a)
{
    struct str path = check_path(c, a), prefix = path;
    struct expr_symbol symbol = {0};
    if (path.n == 0)
        return EXPR_NONE;
    if (c->scope->ident && c->scope->ident(c->scope->ctx, path, &symbol) == 0)
        return check_symbol(c, &symbol);
    const struct ast *part = a;
    while (part->kind == AST_SELECT) {
        prefix.n -= part->name.n + 1;
        struct str field = part->name;
        part = part->first;
        if (!c->scope->ident || c->scope->ident(c->scope->ctx, prefix, &symbol) != 0)
            continue;
        expr_id id = check_symbol(c, &symbol);
        if (id == EXPR_NONE)
            return EXPR_NONE;
        struct str best = check_suggest(c, path, NULL, 0);
        char type[TYPE_TEXT];
        if (best.n && !str_eq(best, prefix))
            return check_error(c, a->start, "unknown name '%.*s'; did you mean %.*s?", STR_ARG(path),
                               STR_ARG(best));
        return check_error(c, a->start, "%.*s is of type %s and has no field '%.*s'", STR_ARG(prefix),
                           check_type_text(check_type(c, id), type), STR_ARG(field));
    }
    return unknown_name(c, a, path);
}

static expr_id check_select(struct checker *c, const struct ast *a)
{
    const struct ast *part = a;
    while (part->kind == AST_SELECT)
        part = part->first;
    if (part->kind == AST_NAME)
        return check_name(c, a);
    expr_id id = check_ast(c, a->first);
    if (id == EXPR_NONE)
        return EXPR_NONE;
    char type[TYPE_TEXT];
    return check_error(c, a->at,
                       "a value of type %s has no field '%.*s'; only names of the schema have dots in them",
                       check_type_text(check_type(c, id), type), STR_ARG(a->name));
}

/* ---- lists, conditions ---- */

static expr_id check_list(struct checker *c, const struct ast *a)
{
    if (a->count > EXPR_LIST_MAX)
        return check_error(c, a->at, "the list has %u elements; the limit is %d", a->count, EXPR_LIST_MAX);
    struct value *items = arena_alloc(c->arena, a->count * sizeof *items);
    if (!items)
        return no_space(c);
    size_t errors = c->errors;
    uint32_t n = 0;
    for (const struct ast *e = a->first; e; e = e->next) {
        expr_id id = check_ast(c, e);
        if (id == EXPR_NONE)
            continue;
        const struct value *v = expr_constant(c->program, id);
        if (!v)
            check_error(c, e->start, "a list holds constants only; compare with == and || instead");
        else if (v->type == VALUE_LIST)
            check_error(c, e->start, "a list cannot hold lists");
        else if (value_is_missing(*v))
            check_error(c, e->start, "a list cannot hold a value that is never known");
        else if (n > 0 && v->type != items[0].type)
            check_error(c, e->start, "a list holds one type: this is %s, the first element is %s%s",
                        value_type_name(v->type), value_type_name(items[0].type),
                        v->type + items[0].type == VALUE_INT + VALUE_DOUBLE ? "; write ints as in 1.0" : "");
        else
            items[n++] = *v;
    }
    if (c->errors > errors || c->nospace)
        return EXPR_NONE;
    return check_constant(
        c, (struct value){
               .type = VALUE_LIST, .detail = n ? items[0].type : VALUE_UNKNOWN, .n = n, .list = items});
}

static bool is_bool(const struct checker *c, expr_id id)
{
    uint8_t kind = check_type(c, id).kind;
    return kind == VALUE_BOOL || kind == VALUE_UNKNOWN;
}

/* Says that a condition is not a bool, and how to make one. */
static expr_id not_bool(struct checker *c, const struct ast *a, expr_id id, const char *where)
{
    char type[TYPE_TEXT];
    struct expr_type t = check_type(c, id);
    struct str text = check_text(c, a);
    const char *rest = t.kind == VALUE_INT        ? " > 0"
                       : t.kind == VALUE_DOUBLE   ? " > 0.0"
                       : t.kind == VALUE_DURATION ? " < 72h"
                       : t.kind == VALUE_STRING   ? " == 'text'"
                                                  : NULL;
    check_type_text(t, type);
    if (!rest || a->kind == AST_LITERAL || (a->kind == AST_BINARY && !a->parens))
        return check_error(c, a->start, "%s takes a bool, but this is of type %s; compare it with something",
                           where, type);
    return check_error(c, a->start, "%s takes a bool, but %.*s is of type %s; compare it, as in %.*s%s",
                       where, STR_ARG(text), type, STR_ARG(text), rest);
}

static expr_id check_chain(struct checker *c, const struct ast *a)
{
    bool decides = a->op == OP_OR; /* the operand value that decides */
    const char *where = decides ? "||" : "&&";
    bool failed = false, decided = false;
    uint32_t n = 0;
    expr_id *ids = arena_alloc(c->arena, a->count * sizeof *ids);
    if (!ids)
        return no_space(c);
    for (const struct ast *e = a->first; e; e = e->next) {
        expr_id id = check_ast(c, e);
        if (id != EXPR_NONE && !is_bool(c, id))
            id = not_bool(c, e, id, where);
        if (id == EXPR_NONE) {
            failed = true;
            continue;
        }
        const struct value *v = expr_constant(c->program, id);
        if (v && v->type == VALUE_BOOL)
            decided |= v->boolean == decides;
        else
            ids[n++] = id;
    }
    if (failed)
        return EXPR_NONE;
    if (decided || n == 0)
        return check_constant(c, value_bool(decided == decides));
    if (n == 1 && check_type(c, ids[0]).kind == VALUE_BOOL)
        return ids[0];
    return check_add(c, (enum expr_op)a->op, type_of_kind(VALUE_BOOL), ids, n, a->at);
}

static expr_id check_ternary(struct checker *c, const struct ast *a)
{
    const struct ast *parts[3] = {a->first, a->first->next, a->last};
    expr_id ids[3];
    for (int i = 0; i < 3; i++)
        ids[i] = check_ast(c, parts[i]);
    if (ids[0] != EXPR_NONE && !is_bool(c, ids[0]))
        ids[0] = not_bool(c, parts[0], ids[0], "the condition of ?:");
    if (ids[0] == EXPR_NONE || ids[1] == EXPR_NONE || ids[2] == EXPR_NONE)
        return EXPR_NONE;
    struct expr_type yes = check_type(c, ids[1]), no = check_type(c, ids[2]), type = yes;
    if (yes.kind != no.kind && yes.kind != VALUE_UNKNOWN && no.kind != VALUE_UNKNOWN) {
        char text[2][TYPE_TEXT];
        check_type_text(yes, text[0]);
        check_type_text(no, text[1]);
        if (yes.kind + no.kind == VALUE_INT + VALUE_DOUBLE)
            return check_error(c, a->at, "the branches of ?: are %s and %s; write %s", text[0], text[1],
                               check_as_double(c, parts[yes.kind == VALUE_INT ? 1 : 2]));
        return check_error(c, a->at, "the branches of ?: are %s and %s; both must have one type", text[0],
                           text[1]);
    }
    if (yes.kind != no.kind)
        type = type_of_kind(VALUE_UNKNOWN);
    else if (yes.element != no.element)
        type.element = VALUE_UNKNOWN;
    const struct value *v = expr_constant(c->program, ids[0]);
    if (v && v->type == VALUE_BOOL)
        return ids[v->boolean ? 1 : 2];
    return check_add(c, OP_TERNARY, type, ids, 3, a->at);
}

static expr_id check_unary(struct checker *c, const struct ast *a)
{
    expr_id id = check_ast(c, a->first);
    if (id == EXPR_NONE)
        return EXPR_NONE;
    struct expr_type t = check_type(c, id);
    if (a->op == OP_NOT && !is_bool(c, id))
        return not_bool(c, a->first, id, "!");
    if (a->op == OP_NEG && t.kind != VALUE_INT && t.kind != VALUE_DOUBLE && t.kind != VALUE_DURATION &&
        t.kind != VALUE_UNKNOWN) {
        char text[TYPE_TEXT];
        return check_error(c, a->at, "- takes an int, a double or a duration; this is of type %s",
                           check_type_text(t, text));
    }
    return check_add(c, (enum expr_op)a->op, t, &id, 1, a->at);
}

expr_id check_ast(struct checker *c, const struct ast *a)
{
    switch ((enum ast_kind)a->kind) {
    case AST_LITERAL:
        return check_constant(c, a->value);
    case AST_NAME:
        return check_name(c, a);
    case AST_SELECT:
        return check_select(c, a);
    case AST_CALL:
    case AST_METHOD:
        return check_call(c, a);
    case AST_LIST:
        return check_list(c, a);
    case AST_UNARY:
        return check_unary(c, a);
    case AST_CHAIN:
        return check_chain(c, a);
    case AST_TERNARY:
        return check_ternary(c, a);
    case AST_BINARY:
        break;
    }
    return check_binary(c, a);
}

/* ---- the whole ---- */

static void check_want(struct checker *c, const struct ast *a, expr_id id, struct expr_type want)
{
    struct expr_type t = check_type(c, id);
    bool element = want.kind != VALUE_LIST || want.element == VALUE_UNKNOWN || t.element == VALUE_UNKNOWN ||
                   t.element == want.element;
    if (want.kind == VALUE_UNKNOWN || t.kind == VALUE_UNKNOWN || (t.kind == want.kind && element))
        return;
    char text[2][TYPE_TEXT];
    check_type_text(t, text[0]);
    check_type_text(want, text[1]);
    if (want.kind == VALUE_DOUBLE && t.kind == VALUE_INT)
        check_error(c, a->start, "a double is wanted here, but this is an int; write %s",
                    check_as_double(c, a));
    else if (want.kind == VALUE_BOOL)
        not_bool(c, a, id, "this place");
    else
        check_error(c, a->start, "%s is wanted here, but this is of type %s", text[1], text[0]);
}

int expr_compile(struct expr_program *p, const struct expr_scope *scope, struct str source,
                 struct expr_type want, const struct expr_report *report, expr_id *out)
{
    struct arena arena;
    arena_init(&arena, COMPILE_ARENA_LIMIT);
    struct checker c = {.program = p, .scope = scope, .report = report, .source = source, .arena = &arena};
    int rc = ERR_INVALID;
    expr_id id = EXPR_NONE;
    struct ast *a = parse(source, &arena, report, &c.nospace);
    if (a)
        id = check_ast(&c, a);
    if (id != EXPR_NONE)
        check_want(&c, a, id, want);
    if (c.nospace)
        rc = ERR_NOSPACE;
    else if (id != EXPR_NONE && c.errors == 0)
        rc = 0;
    *out = rc ? EXPR_NONE : id;
    arena_free(&arena);
    return rc;
}
