/* Binary operators: which types they take, what they give, and what to say when the types do not fit.
 *
 * Arithmetic never mixes int and double (CEL); comparisons do. Comparing a name that has a fixed set of
 * values with another text is legal but surely a mistake: it is reported as a warning.
 * SPDX-License-Identifier: Apache-2.0 */
#include "expr/operators.h"
#include "expr/ops.h"
#include <stdlib.h>

struct side {
    const struct ast *ast;
    expr_id id;
    struct expr_type type;
    const struct value *constant; /* or NULL */
};

static const char *op_text(enum expr_op op)
{
    switch (op) {
    case OP_EQ:
        return "==";
    case OP_NE:
        return "!=";
    case OP_LT:
        return "<";
    case OP_LE:
        return "<=";
    case OP_GT:
        return ">";
    case OP_GE:
        return ">=";
    case OP_IN:
        return "in";
    case OP_ADD:
        return "+";
    case OP_SUB:
        return "-";
    case OP_MUL:
        return "*";
    case OP_DIV:
        return "/";
    case OP_MOD:
        return "%";
    default:
        return "[]";
    }
}

static bool numeric(uint8_t kind)
{
    return kind == VALUE_INT || kind == VALUE_DOUBLE;
}

static bool is_any(const struct side *s)
{
    return s->type.kind == VALUE_UNKNOWN;
}

/* The side of that kind, the left one first; NULL when there is none. */
static const struct side *side_of(const struct side *l, const struct side *r, enum value_type kind)
{
    return l->type.kind == kind ? l : r->type.kind == kind ? r : NULL;
}

/* ---- arithmetic ---- */

static bool arithmetic_type(enum expr_op op, struct expr_type l, struct expr_type r, struct expr_type *out)
{
    static const uint8_t T = VALUE_TIMESTAMP, D = VALUE_DURATION;
    if (l.kind == VALUE_UNKNOWN || r.kind == VALUE_UNKNOWN) {
        *out = type_of_kind(VALUE_UNKNOWN);
        return true;
    }
    *out = l;
    if (l.kind == r.kind) {
        if (l.kind == VALUE_INT || (l.kind == VALUE_DOUBLE && op != OP_MOD))
            return true;
        if (l.kind == VALUE_LIST && l.element != r.element)
            out->element = l.element == VALUE_UNKNOWN   ? r.element
                           : r.element == VALUE_UNKNOWN ? l.element
                                                        : VALUE_UNKNOWN;
        if (l.kind == VALUE_STRING || l.kind == VALUE_LIST)
            return op == OP_ADD;
        if (l.kind == T)
            *out = type_of_kind(VALUE_DURATION);
        return (l.kind == T && op == OP_SUB) || (l.kind == D && (op == OP_ADD || op == OP_SUB));
    }
    *out = type_of_kind(VALUE_TIMESTAMP);
    return (l.kind == T && r.kind == D && (op == OP_ADD || op == OP_SUB)) ||
           (l.kind == D && r.kind == T && op == OP_ADD);
}

static expr_id arithmetic_error(struct checker *c, const struct ast *a, const struct side *l,
                                const struct side *r)
{
    static const char *const takes[] = {
        [OP_ADD] = "two ints, doubles, strings, lists or durations, or a timestamp and a duration",
        [OP_SUB] = "two ints, doubles, durations or timestamps, or a timestamp and a duration",
        [OP_MUL] = "two ints or two doubles",
        [OP_DIV] = "two ints or two doubles",
        [OP_MOD] = "two ints"};
    enum expr_op op = (enum expr_op)a->op;
    char text[2][TYPE_TEXT];
    const char *left = check_type_text(l->type, text[0]), *right = check_type_text(r->type, text[1]);
    const char *sign = op_text(op);
    const struct side *i = side_of(l, r, VALUE_INT), *s = side_of(l, r, VALUE_STRING);
    if (i && side_of(l, r, VALUE_DOUBLE) && op != OP_MOD)
        return check_error(c, a->at, "%s %s %s: int and double do not mix; write %s", left, sign, right,
                           check_as_double(c, i->ast));
    if (s && op == OP_ADD) {
        const struct side *other = s == l ? r : l;
        struct str source = check_text(c, other->ast);
        if (other->type.kind != VALUE_LIST && other->type.kind != VALUE_NULL)
            return check_error(c, a->at, "%s + %s: write string(%.*s) to join texts", left, right,
                               STR_ARG(source));
    }
    if (side_of(l, r, VALUE_DURATION) && (i || side_of(l, r, VALUE_DOUBLE)) && op != OP_MOD)
        return check_error(c, a->at, "%s %s %s: %s", left, sign, right,
                           op == OP_MUL || op == OP_DIV
                               ? "durations are not multiplied or divided; write the length itself, as in 72h"
                               : "a duration needs a unit, as in 72h");
    if (side_of(l, r, VALUE_TIMESTAMP) && i && (op == OP_ADD || op == OP_SUB))
        return check_error(c, a->at, "%s %s %s: a duration needs a unit, as in 72h", left, sign, right);
    return check_error(c, a->at, "%s %s %s: %s takes %s", left, sign, right, sign, takes[op]);
}

/* ---- comparing ---- */

static bool comparable(enum expr_op op, struct expr_type l, struct expr_type r)
{
    if (l.kind == VALUE_UNKNOWN || r.kind == VALUE_UNKNOWN || (numeric(l.kind) && numeric(r.kind)))
        return true;
    if (l.kind != r.kind)
        return false;
    if (l.kind == VALUE_LIST)
        return (op == OP_EQ || op == OP_NE) &&
               comparable(op, (struct expr_type){.kind = l.element}, (struct expr_type){.kind = r.element});
    return l.kind != VALUE_NULL || op == OP_EQ || op == OP_NE;
}

/* What to write instead of comparing text with other; NULL when there is nothing better to say. */
static const char *text_advice(struct checker *c, const struct side *text, const struct side *other)
{
    int64_t ms;
    struct str source = check_text(c, other->ast);
    if (text->constant && text->constant->type == VALUE_STRING) {
        struct str s = value_str(*text->constant);
        if (other->type.kind == VALUE_DURATION)
            return duration_parse(s, &ms) ? arena_printf(c->arena, "write %.*s without quotes", STR_ARG(s))
                                          : "a duration is written as in 72h";
        if (other->type.kind == VALUE_TIMESTAMP)
            return timestamp_parse(s, &ms) ? arena_printf(c->arena, "write timestamp('%.*s')", STR_ARG(s))
                                           : "a timestamp is written as in timestamp('2025-01-15T12:00:00Z')";
        if (other->type.kind == VALUE_BOOL || numeric(other->type.kind))
            return s.n > 0 && s.n <= 20 ? "leave out the quotes" : NULL;
        return NULL;
    }
    if (other->ast->kind == AST_LITERAL && (other->type.kind == VALUE_BOOL || numeric(other->type.kind)))
        return arena_printf(c->arena, "write it in quotes: '%.*s'", STR_ARG(source));
    if (other->type.kind == VALUE_LIST || other->type.kind == VALUE_NULL)
        return NULL;
    return arena_printf(c->arena, "write string(%.*s)", STR_ARG(source));
}

static const char *compare_advice(struct checker *c, const struct ast *a, const struct side *l,
                                  const struct side *r)
{
    const struct side *nothing = side_of(l, r, VALUE_NULL), *text = side_of(l, r, VALUE_STRING);
    const struct side *length = side_of(l, r, VALUE_DURATION);
    bool left_relation =
        l->ast->kind == AST_BINARY && !l->ast->parens && l->ast->op >= OP_EQ && l->ast->op <= OP_GE;
    if (left_relation && r->type.kind != VALUE_BOOL)
        return "comparisons do not chain; write a < b && b < c";
    if (nothing) {
        struct str source = check_text(c, (nothing == l ? r : l)->ast);
        return arena_printf(c->arena, "it is never null; to ask whether it is there write %shas(%.*s)",
                            a->op == OP_EQ ? "!" : "", STR_ARG(source));
    }
    if (text)
        return text_advice(c, text, text == l ? r : l);
    if (length && side_of(l, r, VALUE_TIMESTAMP))
        return "subtract first, as in now - x < 72h";
    if (length && (side_of(l, r, VALUE_INT) || side_of(l, r, VALUE_DOUBLE)))
        return "a duration needs a unit, as in 72h";
    if (side_of(l, r, VALUE_TIMESTAMP) && side_of(l, r, VALUE_INT))
        return "write timestamp('2025-01-15T12:00:00Z')";
    const struct side *list = side_of(l, r, VALUE_LIST);
    if (list && l->type.kind != r->type.kind)
        return "to look for a value in a list write x in list";
    return NULL;
}

static expr_id compare_error(struct checker *c, const struct ast *a, const struct side *l,
                             const struct side *r)
{
    char text[2][TYPE_TEXT];
    const char *left = check_type_text(l->type, text[0]), *right = check_type_text(r->type, text[1]);
    const char *sign = op_text((enum expr_op)a->op), *advice = compare_advice(c, a, l, r);
    if (l->type.kind == r->type.kind && l->type.kind != VALUE_LIST)
        return check_error(c, a->at, "%s %s %s: values of type %s have no order", left, sign, right, left);
    if (l->type.kind == r->type.kind && a->op != OP_EQ && a->op != OP_NE)
        return check_error(c, a->at, "%s %s %s: lists have no order", left, sign, right);
    return check_error(c, a->at, "%s %s %s: %s", left, sign, right,
                       advice ? advice : "compare values of one type");
}

/* ---- sets of values ---- */

/* "basic, silver, gold", at most ten of them; the empty text, which stands for none, is not shown. */
static const char *domain_text(struct checker *c, const struct expr_slot *slot)
{
    enum { SHOWN = 10 };
    const char *s = "";
    size_t n = 0;
    for (size_t i = 0; i < slot->domain_count && s; i++) {
        if (slot->domain[i].n && n < SHOWN)
            s = arena_printf(c->arena, "%s%s%.*s", s, n ? ", " : "", STR_ARG(slot->domain[i]));
        n += slot->domain[i].n > 0;
    }
    if (s && n > SHOWN)
        s = arena_printf(c->arena, "%s, and %zu more", s, n - SHOWN);
    return s ? s : "";
}

static void check_domain_value(struct checker *c, const struct expr_slot *slot, struct value v, size_t at,
                               const char *consequence)
{
    if (v.type != VALUE_STRING)
        return;
    struct str text = value_str(v);
    struct suggest suggest;
    suggest_init(&suggest, text);
    for (size_t i = 0; i < slot->domain_count; i++) {
        if (str_eq(slot->domain[i], text))
            return;
        suggest_offer(&suggest, slot->domain[i]);
    }
    struct str best = suggest_best(&suggest);
    if (best.n)
        check_warning(c, at, "'%.*s' is not a value of %.*s (%s), so this is always %s; did you mean '%.*s'?",
                      STR_ARG(text), STR_ARG(slot->name), domain_text(c, slot), consequence, STR_ARG(best));
    else
        check_warning(c, at, "'%.*s' is not a value of %.*s (%s), so this is always %s", STR_ARG(text),
                      STR_ARG(slot->name), domain_text(c, slot), consequence);
}

static void check_domain(struct checker *c, const struct ast *a, const struct side *name,
                         const struct side *other)
{
    const struct expr_node *n = &c->program->nodes[name->id];
    if (n->op != OP_SLOT || !c->program->slots[n->a].domain || !other->constant)
        return;
    const struct expr_slot *slot = &c->program->slots[n->a];
    if (a->op == OP_EQ || a->op == OP_NE) {
        check_domain_value(c, slot, *other->constant, other->ast->start, a->op == OP_EQ ? "false" : "true");
        return;
    }
    if (a->op != OP_IN || other->constant->type != VALUE_LIST)
        return;
    const struct ast *e = other->ast->kind == AST_LIST ? other->ast->first : NULL;
    for (uint32_t i = 0; i < other->constant->n; i++, e = e ? e->next : NULL)
        check_domain_value(c, slot, other->constant->list[i], e ? e->start : other->ast->start,
                           "false for it");
}

/* ---- ranges ---- */

static enum expr_op mirrored(enum expr_op op)
{
    switch (op) {
    case OP_LT:
        return OP_GT;
    case OP_LE:
        return OP_GE;
    case OP_GT:
        return OP_LT;
    case OP_GE:
        return OP_LE;
    default:
        return op;
    }
}

/* Whether `x op k` can be only one thing for an x from least to most; *is what. What merely says that x keeps to its range
 * (x <= most) is let be. */
static bool decided_by_range(enum expr_op op, double k, double least, double most, bool *is)
{
    bool below = k < least, above = k > most;
    *is = op == OP_NE || (below && (op == OP_GT || op == OP_GE)) || (above && (op == OP_LT || op == OP_LE));
    return below || above || (op == OP_GT && k == most) || (op == OP_LT && k == least);
}

static void check_range(struct checker *c, const struct side *name, const struct side *other, enum expr_op op)
{
    const struct expr_node *n = &c->program->nodes[name->id];
    const struct value *k = other->constant;
    if (n->op != OP_SLOT || !c->program->slots[n->a].ranged || !k || !numeric(k->type))
        return;
    const struct expr_slot *slot = &c->program->slots[n->a];
    bool is;
    if (decided_by_range(op, k->type == VALUE_INT ? (double)k->integer : k->number, slot->least, slot->most, &is))
        check_warning(c, other->ast->start, "%.*s is from %g to %g, so this is always %s", STR_ARG(slot->name),
                      slot->least, slot->most, is ? "true" : "false");
}

/* ---- in, [] ---- */

static int by_order(const void *a, const void *b)
{
    struct value x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return ops_order(x, y);
}

/* A long constant list of one type is searched by halves instead of from the front. */
static enum expr_op sort_list(struct checker *c, const struct side *l, struct side *r)
{
    enum { LINEAR_MAX = 8 };
    const struct value *list = r->constant;
    bool sorts = list && list->type == VALUE_LIST && list->n > LINEAR_MAX && l->type.kind == list->detail &&
                 (list->detail == VALUE_STRING || list->detail == VALUE_INT);
    if (!sorts)
        return OP_IN;
    struct value sorted = *list, *items = arena_memdup(c->arena, list->list, list->n * sizeof *items);
    if (!items)
        return OP_IN;
    qsort(items, list->n, sizeof *items, by_order);
    sorted.list = items;
    r->id = check_constant(c, sorted);
    return OP_IN_SORTED;
}

static expr_id check_in(struct checker *c, const struct ast *a, const struct side *l, struct side *r)
{
    char text[2][TYPE_TEXT];
    if (r->type.kind == VALUE_STRING && l->type.kind == VALUE_STRING) {
        struct str whole = check_text(c, r->ast), part = check_text(c, l->ast);
        return check_error(c, a->at, "in looks into a list; to look into a text write %.*s.contains(%.*s)",
                           STR_ARG(whole), STR_ARG(part));
    }
    if (r->type.kind != VALUE_LIST && !is_any(r))
        return check_error(c, a->at,
                           "in takes a list on its right, as in x in ['a', 'b']; this is of type %s",
                           check_type_text(r->type, text[0]));
    if (!comparable(OP_EQ, l->type, (struct expr_type){.kind = r->type.element}) ||
        l->type.kind == VALUE_LIST)
        return check_error(c, a->at, "%s in %s: the value and the elements must have one type",
                           check_type_text(l->type, text[0]), check_type_text(r->type, text[1]));
    check_domain(c, a, l, r);
    if (!l->constant && r->constant && r->constant->type == VALUE_LIST && r->constant->n == 0)
        check_warning(c, r->ast->start, "the list is empty, so this is always false");
    enum expr_op op = sort_list(c, l, r);
    if (c->nospace)
        return EXPR_NONE;
    return check_add(c, op, type_of_kind(VALUE_BOOL), (expr_id[]){l->id, r->id}, 2, a->at);
}

static expr_id check_index(struct checker *c, const struct ast *a, const struct side *l, const struct side *r)
{
    char text[TYPE_TEXT];
    if (l->type.kind != VALUE_LIST && !is_any(l))
        return check_error(c, a->at, "[ ] takes an element of a list; this is of type %s",
                           check_type_text(l->type, text));
    if (r->type.kind != VALUE_INT && !is_any(r))
        return check_error(c, a->at, "the index in [ ] is an int that counts from 0; this is of type %s",
                           check_type_text(r->type, text));
    return check_add(c, OP_INDEX, (struct expr_type){.kind = l->type.element}, (expr_id[]){l->id, r->id}, 2,
                     a->at);
}

static struct side side(struct checker *c, const struct ast *a)
{
    struct side s = {.ast = a, .id = check_ast(c, a)};
    if (s.id != EXPR_NONE) {
        s.type = check_type(c, s.id);
        s.constant = expr_constant(c->program, s.id);
    }
    return s;
}

expr_id check_binary(struct checker *c, const struct ast *a)
{
    struct side l = side(c, a->first), r = side(c, a->last);
    expr_id ids[2] = {l.id, r.id};
    struct expr_type type;
    if (l.id == EXPR_NONE || r.id == EXPR_NONE)
        return EXPR_NONE;
    switch (a->op) {
    case OP_IN:
        return check_in(c, a, &l, &r);
    case OP_INDEX:
        return check_index(c, a, &l, &r);
    case OP_ADD:
    case OP_SUB:
    case OP_MUL:
    case OP_DIV:
    case OP_MOD:
        if (!arithmetic_type((enum expr_op)a->op, l.type, r.type, &type))
            return arithmetic_error(c, a, &l, &r);
        return check_add(c, (enum expr_op)a->op, type, ids, 2, a->at);
    default:
        break;
    }
    if (!comparable((enum expr_op)a->op, l.type, r.type))
        return compare_error(c, a, &l, &r);
    check_domain(c, a, &l, &r);
    check_domain(c, a, &r, &l);
    check_range(c, &l, &r, (enum expr_op)a->op);
    check_range(c, &r, &l, mirrored((enum expr_op)a->op));
    return check_add(c, (enum expr_op)a->op, type_of_kind(VALUE_BOOL), ids, 2, a->at);
}
