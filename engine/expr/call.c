/* Functions and methods. One table says which there are, how they are written and how many arguments they
 * take; a type rule per group says what goes in and comes out.
 *
 * A call that is not in the table goes to the host with its arguments described (a dotted name, a constant, an
 * expression that the host compiles in a scope of its own), not compiled to nodes: sum(cart_add.price, 24h) names a
 * property, it does not read a value. min and max are
 * both: with a name among the arguments that is no value they are offered to the host first
 * (min(cart_add.price, 30d) is an aggregate).
 * SPDX-License-Identifier: Apache-2.0 */
#include "expr/call.h"
#include "expr/calendar.h"
#include "expr/convert.h"
#include <math.h>

enum form { FUNCTION = 1, METHOD = 2 };

struct builtin {
    const char *name;
    enum expr_op op;
    uint8_t form;  /* enum form bits */
    uint8_t least; /* arguments, the receiver of a method included */
    uint8_t most;  /* 0: no limit */
    const char *example;
};

static const struct builtin builtins[] = {
    {"size", OP_SIZE, FUNCTION | METHOD, 1, 1, "size(x)"},
    {"startsWith", OP_STARTS, METHOD, 2, 2, "x.startsWith('a')"},
    {"endsWith", OP_ENDS, METHOD, 2, 2, "x.endsWith('a')"},
    {"contains", OP_CONTAINS, METHOD, 2, 2, "x.contains('a')"},
    {"int", OP_TO_INT, FUNCTION, 1, 1, "int(x)"},
    {"double", OP_TO_DOUBLE, FUNCTION, 1, 1, "double(x)"},
    {"string", OP_TO_STRING, FUNCTION, 1, 1, "string(x)"},
    {"bool", OP_TO_BOOL, FUNCTION, 1, 1, "bool(x)"},
    {"timestamp", OP_TO_TIMESTAMP, FUNCTION, 1, 1, "timestamp('2025-01-15T12:00:00Z')"},
    {"duration", OP_TO_DURATION, FUNCTION, 1, 1, "duration('72h')"},
    {"getFullYear", OP_FULL_YEAR, METHOD, 1, 2, "now.getFullYear()"},
    {"getMonth", OP_MONTH, METHOD, 1, 2, "now.getMonth()"},
    {"getDate", OP_DATE, METHOD, 1, 2, "now.getDate()"},
    {"getDayOfMonth", OP_DAY_OF_MONTH, METHOD, 1, 2, "now.getDayOfMonth()"},
    {"getDayOfWeek", OP_DAY_OF_WEEK, METHOD, 1, 2, "now.getDayOfWeek('Asia/Tehran')"},
    {"getDayOfYear", OP_DAY_OF_YEAR, METHOD, 1, 2, "now.getDayOfYear()"},
    {"getHours", OP_HOURS, METHOD, 1, 2, "now.getHours('Asia/Tehran')"},
    {"getMinutes", OP_MINUTES, METHOD, 1, 2, "now.getMinutes()"},
    {"getSeconds", OP_SECONDS, METHOD, 1, 2, "now.getSeconds()"},
    {"getMilliseconds", OP_MILLISECONDS, METHOD, 1, 2, "now.getMilliseconds()"},
    {"abs", OP_ABS, FUNCTION, 1, 1, "abs(x)"},
    {"floor", OP_FLOOR, FUNCTION, 1, 1, "floor(x)"},
    {"ceil", OP_CEIL, FUNCTION, 1, 1, "ceil(x)"},
    {"round", OP_ROUND, FUNCTION, 1, 1, "round(x)"},
    {"min", OP_MIN, FUNCTION, 1, 0, "min(a, b)"},
    {"max", OP_MAX, FUNCTION, 1, 0, "max(a, b)"},
    {"distance_m", OP_DISTANCE, FUNCTION, 4, 4, "distance_m(lat1, lon1, lat2, lon2)"},
    {"nearest_m", OP_NEAREST, FUNCTION, 3, 3, "nearest_m(lat, lon, places.shops)"},
    {"has", OP_HAS, FUNCTION, 1, 1, "has(profile.tier)"},
};
enum { BUILTINS = sizeof builtins / sizeof *builtins };

static const struct {
    const char *name, *text;
} unsupported[] = {
    {"matches", "regular expressions (matches) are not supported; use startsWith, endsWith or contains"},
    {"uint", "there are no unsigned ints; use int(x)"},
    {"bytes", "there are no bytes; use a string"},
    {"type", "type() is not supported; types are known from the schema"},
    {"dyn", "dyn() is not supported; types are known from the schema"},
    {"all", "macros over lists (all, exists, map, filter) are not supported; use x in [...]"},
    {"exists", "macros over lists (all, exists, map, filter) are not supported; use x in [...]"},
    {"exists_one", "macros over lists (all, exists, map, filter) are not supported; use x in [...]"},
    {"map", "macros over lists (all, exists, map, filter) are not supported; use x in [...]"},
    {"filter", "macros over lists (all, exists, map, filter) are not supported; use x in [...]"},
};

static const struct builtin *find_builtin(struct str name)
{
    for (size_t i = 0; i < BUILTINS; i++)
        if (str_is(name, builtins[i].name))
            return &builtins[i];
    return NULL;
}

bool call_is_builtin(struct str name)
{
    return find_builtin(name) != NULL;
}

/* ---- calls of the host ---- */

/* Whether the whole dotted name is a value of the scope. */
static bool resolves(struct checker *c, struct str path, struct expr_symbol *symbol)
{
    return c->scope->ident && c->scope->ident(c->scope->ctx, path, symbol) == 0;
}

static bool mentions_name(const struct ast *a)
{
    if (a->kind == AST_NAME)
        return true;
    for (const struct ast *e = a->first; e; e = e->next)
        if (mentions_name(e))
            return true;
    return false;
}

static bool describe(struct checker *c, const struct ast *a, bool defers, struct expr_arg *arg)
{
    *arg = (struct expr_arg){.constant = value_unknown(UNKNOWN_ABSENT),
                             .text = {c->source.p + a->start, a->end - a->start},
                             .offset = a->start};
    arg->path = check_path(c, a);
    arg->deferred = defers && arg->path.n == 0 && mentions_name(a);
    if (arg->deferred)
        return !c->nospace;
    struct expr_symbol symbol;
    expr_id id;
    if (arg->path.n == 0)
        id = check_ast(c, a);
    else if (resolves(c, arg->path, &symbol))
        id = check_symbol(c, &symbol);
    else
        return !c->nospace; /* the host knows what the name is */
    if (id == EXPR_NONE)
        return false;
    const struct value *v = expr_constant(c->program, id);
    if (v)
        arg->constant = *v;
    return true;
}

/* Offers the call to the host. ERR_NOTFOUND: the host has none; else *out is the node, or EXPR_NONE after a
 * report. */
static int host_call(struct checker *c, const struct ast *a, struct str name, const struct ast *first,
                     size_t count, expr_id *out)
{
    *out = EXPR_NONE;
    if (!c->scope->call)
        return ERR_NOTFOUND;
    struct expr_arg *args = arena_alloc(c->arena, count * sizeof *args);
    if (!args) {
        c->nospace = true;
        return 0;
    }
    bool good = true;
    size_t i = 0;
    bool defers = c->scope->defers && c->scope->defers(c->scope->ctx, name);
    for (const struct ast *e = first; e; e = e->next)
        good &= describe(c, e, defers, &args[i++]);
    if (!good)
        return 0;
    struct expr_symbol symbol = {0};
    int rc = c->scope->call(c->scope->ctx, name, args, count, a->at, c->report, &symbol);
    if (rc == 0)
        *out = check_symbol(c, &symbol);
    else if (rc != ERR_NOTFOUND)
        c->errors++; /* the host reported it */
    return rc == ERR_NOTFOUND ? rc : 0;
}

static expr_id unknown_call(struct checker *c, const struct ast *a)
{
    const char *names[BUILTINS];
    for (size_t i = 0; i < BUILTINS; i++)
        names[i] = builtins[i].name;
    struct expr_symbol symbol;
    if (a->kind == AST_CALL && resolves(c, a->name, &symbol))
        return check_error(c, a->at, "'%.*s' is a value, not a function; write it without ( )",
                           STR_ARG(a->name));
    struct str best = check_suggest(c, a->name, names, BUILTINS);
    const char *what = a->kind == AST_METHOD ? "method" : "function";
    if (best.n)
        return check_error(c, a->at, "unknown %s '%.*s'; did you mean %.*s?", what, STR_ARG(a->name),
                           STR_ARG(best));
    return check_error(c, a->at, "unknown %s '%.*s'", what, STR_ARG(a->name));
}

/* A method that the language has not: perhaps a host's call with a dotted name. */
static expr_id other_call(struct checker *c, const struct ast *a)
{
    expr_id id;
    for (size_t i = 0; i < sizeof unsupported / sizeof *unsupported; i++)
        if (str_is(a->name, unsupported[i].name))
            return check_error(c, a->at, "%s", unsupported[i].text);
    struct str name = a->name;
    const struct ast *first = a->first;
    size_t count = a->count;
    if (a->kind == AST_METHOD) {
        struct str path = check_path(c, a->first);
        char *dotted = path.n ? arena_printf(c->arena, "%.*s.%.*s", STR_ARG(path), STR_ARG(a->name)) : NULL;
        if (!dotted)
            return unknown_call(c, a);
        name = str_from(dotted);
        first = first->next;
        count--;
    }
    if (host_call(c, a, name, first, count, &id) == 0)
        return id;
    return unknown_call(c, a);
}

/* ---- has ---- */

static expr_id check_has(struct checker *c, const struct ast *a)
{
    const struct ast *e = a->first;
    bool name = check_path(c, e).n > 0;
    bool call = e->kind == AST_CALL && !find_builtin(e->name);
    if (c->nospace)
        return EXPR_NONE;
    if (!name && !call && !(e->kind == AST_CALL && (str_is(e->name, "min") || str_is(e->name, "max"))))
        return check_error(c, e->start,
                           "has() asks whether a name or an aggregate has a value, as in has(profile.tier)");
    expr_id id = check_ast(c, e);
    if (id == EXPR_NONE)
        return EXPR_NONE;
    const struct value *v = expr_constant(c->program, id);
    if (v && v->type > VALUE_ERROR)
        return check_constant(c, value_bool(true));
    return check_add(c, OP_HAS, type_of_kind(VALUE_BOOL), &id, 1, a->at);
}

/* ---- types of arguments ---- */

struct call {
    const struct builtin *b;
    const struct ast *ast;
    uint32_t count;
    expr_id *ids;
    struct expr_type *types;
};

static const struct ast *argument(const struct call *call, uint32_t i)
{
    const struct ast *e = call->ast->first;
    while (i-- > 0)
        e = e->next;
    return e;
}

/* Reports that argument i has a wrong type; wanted is "a string" and the like. */
static expr_id wrong_argument(struct checker *c, const struct call *call, uint32_t i, const char *wanted)
{
    const struct ast *e = argument(call, i);
    char text[TYPE_TEXT];
    check_type_text(call->types[i], text);
    return check_error(c, e->start, "%s takes %s, but this is of type %s; write it as in %s", call->b->name,
                       wanted, text, call->b->example);
}

static expr_id check_conversion(struct checker *c, const struct call *call)
{
    static const uint8_t to[] = {
        [OP_TO_INT] = VALUE_INT,   [OP_TO_DOUBLE] = VALUE_DOUBLE,       [OP_TO_STRING] = VALUE_STRING,
        [OP_TO_BOOL] = VALUE_BOOL, [OP_TO_TIMESTAMP] = VALUE_TIMESTAMP, [OP_TO_DURATION] = VALUE_DURATION};
    enum expr_op op = call->b->op;
    uint8_t from = call->types[0].kind;
    struct str source = check_text(c, argument(call, 0));
    if (from == to[op])
        return call->ids[0];
    if (convert_allowed(op, (enum value_type)from))
        return check_add(c, op, type_of_kind(to[op]), call->ids, 1, call->ast->at);
    char text[TYPE_TEXT];
    check_type_text(call->types[0], text);
    if (from == VALUE_DURATION)
        return check_error(c, call->ast->at,
                           "%s cannot convert a duration; write %.*s.getSeconds() and its kin", call->b->name,
                           STR_ARG(source));
    if (op == OP_TO_DURATION)
        return check_error(c, call->ast->at,
                           "duration cannot convert a value of type %s; a duration has a unit, as in 72h",
                           text);
    if (from == VALUE_BOOL)
        return check_error(c, call->ast->at, "%s cannot convert a bool; write %.*s ? 1%s : 0%s",
                           call->b->name, STR_ARG(source), op == OP_TO_DOUBLE ? ".0" : "",
                           op == OP_TO_DOUBLE ? ".0" : "");
    return check_error(c, call->ast->at, "%s cannot convert a value of type %s", call->b->name, text);
}

static expr_id check_text_method(struct checker *c, const struct call *call)
{
    for (uint32_t i = 0; i < 2; i++) {
        uint8_t kind = call->types[i].kind;
        if (i == 0 && kind == VALUE_LIST && call->b->op == OP_CONTAINS)
            return check_error(c, call->ast->at, "contains is for strings; for a list write x in list");
        if (kind != VALUE_STRING && kind != VALUE_UNKNOWN)
            return wrong_argument(c, call, i, i ? "a string in ( )" : "a string before the dot");
    }
    return check_add(c, call->b->op, type_of_kind(VALUE_BOOL), call->ids, 2, call->ast->at);
}

/* The zone of an accessor: a constant, and one that there is. */
static expr_id check_zone(struct checker *c, const struct call *call)
{
    const struct ast *e = argument(call, 1);
    const struct value *zone = expr_constant(c->program, call->ids[1]);
    int32_t seconds;
    if (call->types[0].kind == VALUE_DURATION)
        return check_error(c, e->start, "a duration has no time zone; write %s()", call->b->name);
    if (!zone || zone->type != VALUE_STRING)
        return check_error(c, e->start, "the time zone is a constant string, as in %s('Asia/Tehran')", call->b->name);
    struct str name = value_str(*zone);
    bool fixed = zone_fixed(name, &seconds);
    if (name.n == 0 || (fixed && seconds == INT32_MIN))
        return check_error(
            c, e->start, "'%.*s' is no time zone; write a name as in 'Asia/Tehran', or an offset as in '+03:30'",
            STR_ARG(name));
    if (c->scope->zoneless && !fixed && !str_is(name, "UTC"))
        return check_error(c, e->start, "a zone's name is not known here; write an offset as in '+03:30'");
    if (fixed || !c->scope->zones || tz_find(c->scope->zones, name))
        return call->ids[1];
    struct str best = tz_nearest(c->scope->zones, name);
    return check_error(c, e->start,
                       "unknown time zone '%.*s'%s%.*s%s allowed: names of the IANA data base, or an offset as in '+03:30'",
                       STR_ARG(name), best.n ? "; did you mean " : "", STR_ARG(best), best.n ? "?" : ";");
}

static expr_id check_calendar(struct checker *c, const struct call *call)
{
    uint8_t kind = call->types[0].kind;
    expr_id ids[2] = {call->ids[0], EXPR_NONE};
    if (kind != VALUE_TIMESTAMP && kind != VALUE_DURATION && kind != VALUE_UNKNOWN)
        return wrong_argument(c, call, 0, "a timestamp before the dot");
    if (kind == VALUE_DURATION && call->b->op < OP_HOURS)
        return check_error(
            c, call->ast->at,
            "%s is for timestamps; durations have getHours, getMinutes, getSeconds, getMilliseconds",
            call->b->name);
    ids[1] = call->count == 1 ? check_constant(c, value_string(STR(""))) : check_zone(c, call);
    if (ids[1] == EXPR_NONE)
        return EXPR_NONE;
    return check_add(c, call->b->op, type_of_kind(VALUE_INT), ids, 2, call->ast->at);
}

static expr_id check_pick(struct checker *c, const struct call *call)
{
    struct expr_type type = {0};
    uint32_t typed = 0; /* the first argument whose type is known */
    for (uint32_t i = 0; i < call->count; i++) {
        uint8_t kind = call->types[i].kind;
        if (kind == VALUE_UNKNOWN)
            continue;
        if (kind == VALUE_BOOL || kind == VALUE_NULL || kind == VALUE_LIST)
            return wrong_argument(c, call, i, "numbers, strings, timestamps or durations");
        if (type.kind == VALUE_UNKNOWN) {
            type = call->types[i];
            typed = i;
        } else if (kind + type.kind == VALUE_INT + VALUE_DOUBLE) {
            const struct ast *e = argument(call, kind == VALUE_INT ? i : typed);
            return check_error(c, e->start, "%s: int and double do not mix; write %s", call->b->name,
                               check_as_double(c, e));
        } else if (kind != type.kind) {
            return check_error(c, argument(call, i)->start,
                               "%s takes arguments of one type; this is %s, the first is %s", call->b->name,
                               value_type_name((enum value_type)kind),
                               value_type_name((enum value_type)type.kind));
        }
    }
    if (call->count == 1 && type.kind != VALUE_UNKNOWN)
        return call->ids[0];
    return check_add(c, call->b->op, type, call->ids, call->count, call->ast->at);
}

/* abs, floor, ceil, round, distance_m */
static expr_id check_math(struct checker *c, const struct call *call)
{
    struct expr_type type = type_of_kind(VALUE_DOUBLE);
    bool is_abs = call->b->op == OP_ABS;
    for (uint32_t i = 0; i < call->count; i++) {
        uint8_t kind = call->types[i].kind;
        if (is_abs && (kind == VALUE_INT || kind == VALUE_DURATION || kind == VALUE_UNKNOWN)) {
            type = call->types[i];
            continue;
        }
        if (kind == VALUE_DOUBLE || kind == VALUE_UNKNOWN)
            continue;
        const struct ast *e = argument(call, i);
        if (kind == VALUE_INT && call->b->op == OP_DISTANCE)
            return check_error(c, e->start, "distance_m takes doubles; write %s", check_as_double(c, e));
        if (kind == VALUE_INT)
            return check_error(c, e->start, "%s takes a double; an int is whole already", call->b->name);
        return wrong_argument(c, call, i, is_abs ? "an int, a double or a duration" : "a double");
    }
    return check_add(c, call->b->op, type, call->ids, call->count, call->ast->at);
}

static expr_id check_nearest(struct checker *c, const struct call *call)
{
    for (uint32_t i = 0; i < 2; i++) {
        uint8_t kind = call->types[i].kind;
        if (kind == VALUE_INT)
            return check_error(c, argument(call, i)->start, "nearest_m takes doubles; write %s",
                               check_as_double(c, argument(call, i)));
        if (kind != VALUE_DOUBLE && kind != VALUE_UNKNOWN)
            return wrong_argument(c, call, i, "a double");
    }
    const struct value *list = expr_constant(c->program, call->ids[2]);
    bool good = list && list->type == VALUE_LIST && list->n % 2 == 0 && (list->n == 0 || list->detail == VALUE_DOUBLE);
    for (uint32_t i = 0; good && i < list->n; i++)
        good = fabs(list->list[i].number) <= (i % 2 ? 180 : 90);
    if (!good)
        return check_error(c, argument(call, 2)->start,
                           "nearest_m takes a list of places, or of latitudes and longitudes in turn, as in %s", call->b->example);
    return check_add(c, OP_NEAREST, type_of_kind(VALUE_DOUBLE), call->ids, 3, call->ast->at);
}

static expr_id check_types(struct checker *c, const struct call *call)
{
    enum expr_op op = call->b->op;
    uint8_t kind = call->types[0].kind;
    if (op == OP_SIZE) {
        if (kind != VALUE_STRING && kind != VALUE_LIST && kind != VALUE_UNKNOWN)
            return wrong_argument(c, call, 0, "a string or a list");
        return check_add(c, op, type_of_kind(VALUE_INT), call->ids, 1, call->ast->at);
    }
    if (op >= OP_TO_INT && op <= OP_TO_DURATION)
        return check_conversion(c, call);
    if (op_is_calendar(op))
        return check_calendar(c, call);
    if (op == OP_MIN || op == OP_MAX)
        return check_pick(c, call);
    if (op == OP_NEAREST)
        return check_nearest(c, call);
    if (op == OP_STARTS || op == OP_ENDS || op == OP_CONTAINS)
        return check_text_method(c, call);
    return check_math(c, call);
}

/* ---- one call ---- */

/* Whether min or max is meant as an aggregate: an argument is a name, but not of a value. */
static bool names_no_value(struct checker *c, const struct ast *a)
{
    struct expr_symbol symbol;
    for (const struct ast *e = a->first; e; e = e->next) {
        struct str path = check_path(c, e);
        if (path.n > 0 && !resolves(c, path, &symbol))
            return true;
    }
    return false;
}

static expr_id check_form(struct checker *c, const struct ast *a, const struct builtin *b)
{
    bool method = a->kind == AST_METHOD;
    if (!(b->form & (method ? METHOD : FUNCTION)))
        return check_error(c, a->at, "%s is a %s; write %s", b->name, method ? "function" : "method",
                           b->example);
    if (a->count < b->least || (b->most && a->count > b->most)) {
        uint32_t given = a->count - method, least = b->least - (uint32_t)method;
        return check_error(c, a->at, "%s takes %u argument%s%s, not %u; write it as in %s", b->name, least,
                           least == 1 ? "" : "s",
                           b->most == b->least ? ""
                           : b->most           ? " or one more"
                                               : " or more",
                           given, b->example);
    }
    return 0;
}

expr_id check_call(struct checker *c, const struct ast *a)
{
    const struct builtin *b = find_builtin(a->name);
    expr_id id;
    if (!b)
        return other_call(c, a);
    bool picks = a->kind == AST_CALL && (b->op == OP_MIN || b->op == OP_MAX);
    if (picks && names_no_value(c, a) && host_call(c, a, a->name, a->first, a->count, &id) == 0)
        return id;
    if (check_form(c, a, b) == EXPR_NONE)
        return EXPR_NONE;
    if (b->op == OP_HAS)
        return check_has(c, a);
    struct call call = {.b = b, .ast = a, .count = a->count};
    call.ids = arena_alloc(c->arena, a->count * sizeof *call.ids);
    call.types = arena_alloc(c->arena, a->count * sizeof *call.types);
    if (!call.ids || !call.types) {
        c->nospace = true;
        return EXPR_NONE;
    }
    bool good = true;
    uint32_t i = 0;
    for (const struct ast *e = a->first; e; e = e->next, i++) {
        call.ids[i] = check_ast(c, e);
        if (call.ids[i] == EXPR_NONE)
            good = false;
        else
            call.types[i] = check_type(c, call.ids[i]);
    }
    return good ? check_types(c, &call) : EXPR_NONE;
}
