/* Operators and functions on values. CEL's rules: integer arithmetic that overflows is an error, not a wrap;
 * doubles follow IEEE 754 (1.0/0.0 is infinite); int and double never mix in arithmetic but compare by their
 * exact numeric value; values of other unlike types are unequal and have no order. Types were checked at
 * compile time where they are known; here they are looked at again, since a slot may be of any type and a
 * host may break its promise, which must give an error, not a crash.
 *
 * Strings compare by bytes, which for UTF-8 is the order of code points.
 * SPDX-License-Identifier: Apache-2.0 */
#include "expr/ops.h"
#include "expr/calendar.h"
#include "expr/convert.h"
#include <math.h>

static const char no_overload[] = "no such overload for these types";

struct value ops_absorb(struct value a, struct value b)
{
    if (a.type == VALUE_UNKNOWN && b.type == VALUE_UNKNOWN)
        return a.detail == UNKNOWN_UNREADABLE ? a : b;
    if (a.type == VALUE_UNKNOWN || b.type == VALUE_UNKNOWN)
        return a.type == VALUE_UNKNOWN ? a : b;
    return a.type == VALUE_ERROR ? a : b;
}

/* ---- equality and order ---- */

/* Exact, without rounding the int. */
static int order_int_double(int64_t i, double d)
{
    if (isnan(d))
        return ORDER_NONE;
    if (d >= 0x1p63)
        return -1;
    if (d < -0x1p63)
        return 1;
    int64_t whole = (int64_t)d;
    if (i != whole)
        return i < whole ? -1 : 1;
    double fraction = d - (double)whole;
    return fraction > 0 ? -1 : fraction < 0;
}

static int order_double(double a, double b)
{
    if (isnan(a) || isnan(b))
        return ORDER_NONE;
    return (a > b) - (a < b);
}

int ops_order(struct value a, struct value b)
{
    if (a.type == VALUE_INT && b.type == VALUE_DOUBLE)
        return order_int_double(a.integer, b.number);
    if (a.type == VALUE_DOUBLE && b.type == VALUE_INT) {
        int order = order_int_double(b.integer, a.number);
        return order == ORDER_NONE ? order : -order;
    }
    if (a.type != b.type)
        return ORDER_MISTYPED;
    switch (a.type) {
    case VALUE_INT:
    case VALUE_TIMESTAMP:
    case VALUE_DURATION:
        return (a.integer > b.integer) - (a.integer < b.integer);
    case VALUE_DOUBLE:
        return order_double(a.number, b.number);
    case VALUE_BOOL:
        return (int)a.boolean - (int)b.boolean;
    case VALUE_STRING: {
        int order = str_cmp(value_str(a), value_str(b));
        return (order > 0) - (order < 0);
    }
    default:
        return ORDER_MISTYPED;
    }
}

bool ops_equal(struct value a, struct value b)
{
    if (a.type == VALUE_STRING && b.type == VALUE_STRING)
        return str_eq(value_str(a), value_str(b));
    if (a.type == VALUE_LIST && b.type == VALUE_LIST) {
        bool same = a.n == b.n;
        for (uint32_t i = 0; same && i < a.n; i++)
            same = ops_order(a.list[i], b.list[i]) == 0 ||
                   (a.list[i].type == VALUE_NULL && b.list[i].type == VALUE_NULL);
        return same;
    }
    if (a.type == VALUE_NULL && b.type == VALUE_NULL)
        return true;
    return ops_order(a, b) == 0;
}

struct value ops_compare(enum expr_op op, struct value a, struct value b)
{
    int order = ops_order(a, b);
    if (order == ORDER_MISTYPED)
        return value_error(no_overload);
    if (order == ORDER_NONE)
        return value_bool(false);
    switch (op) {
    case OP_LT:
        return value_bool(order < 0);
    case OP_LE:
        return value_bool(order <= 0);
    case OP_GT:
        return value_bool(order > 0);
    default:
        return value_bool(order >= 0);
    }
}

static struct value in_list(struct value a, struct value list)
{
    if (list.type != VALUE_LIST)
        return value_error(no_overload);
    for (uint32_t i = 0; i < list.n; i++)
        if (ops_equal(a, list.list[i]))
            return value_bool(true);
    return value_bool(false);
}

static struct value in_sorted(struct value a, struct value list)
{
    uint32_t low = 0, high = list.n;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = ops_order(a, list.list[middle]);
        if (order == ORDER_MISTYPED)
            return in_list(a, list);
        if (order == 0)
            return value_bool(true);
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return value_bool(false);
}

/* ---- arithmetic ---- */

static struct value duration_checked(bool overflow, int64_t ms)
{
    if (overflow || ms > DURATION_MAX_MS || ms < -DURATION_MAX_MS)
        return value_error("duration out of range");
    return value_duration(ms);
}

static struct value timestamp_checked(bool overflow, int64_t ms)
{
    if (overflow || ms < TIMESTAMP_MIN_MS || ms > TIMESTAMP_MAX_MS)
        return value_error("timestamp out of range");
    return value_timestamp(ms);
}

static struct value int_arithmetic(enum expr_op op, int64_t a, int64_t b)
{
    int64_t r = 0;
    bool overflow;
    switch (op) {
    case OP_ADD:
        overflow = __builtin_add_overflow(a, b, &r);
        break;
    case OP_SUB:
        overflow = __builtin_sub_overflow(a, b, &r);
        break;
    case OP_MUL:
        overflow = __builtin_mul_overflow(a, b, &r);
        break;
    default:
        if (b == 0)
            return value_error(op == OP_DIV ? "division by zero" : "modulus by zero");
        overflow = a == INT64_MIN && b == -1;
        if (!overflow)
            r = op == OP_DIV ? a / b : a % b;
    }
    return overflow ? value_error("int overflow") : value_int(r);
}

static struct value double_arithmetic(enum expr_op op, double a, double b)
{
    switch (op) {
    case OP_ADD:
        return value_double(a + b);
    case OP_SUB:
        return value_double(a - b);
    case OP_MUL:
        return value_double(a * b);
    case OP_DIV:
        return value_double(a / b);
    default:
        return value_error(no_overload);
    }
}

static struct value time_arithmetic(enum expr_op op, struct value a, struct value b)
{
    int64_t r = 0;
    if (op == OP_ADD) {
        bool overflow = __builtin_add_overflow(a.integer, b.integer, &r);
        if (a.type == VALUE_DURATION && b.type == VALUE_DURATION)
            return duration_checked(overflow, r);
        if (a.type != b.type)
            return timestamp_checked(overflow, r);
    } else if (op == OP_SUB) {
        bool overflow = __builtin_sub_overflow(a.integer, b.integer, &r);
        if (a.type == b.type)
            return duration_checked(overflow, r);
        if (a.type == VALUE_TIMESTAMP)
            return timestamp_checked(overflow, r);
    }
    return value_error(no_overload);
}

static struct value join_strings(const struct ops_env *env, struct value a, struct value b)
{
    if (a.n == 0 || b.n == 0)
        return a.n == 0 ? b : a;
    if ((size_t)a.n + b.n > OPS_STRING_MAX)
        return value_error("the string is longer than 64 KiB");
    char *p = arena_alloc(env->arena, (size_t)a.n + b.n);
    if (!p)
        return value_error("out of request memory");
    memcpy(p, a.string, a.n);
    memcpy(p + a.n, b.string, b.n);
    return value_string((struct str){p, (size_t)a.n + b.n});
}

static struct value join_lists(const struct ops_env *env, struct value a, struct value b)
{
    if (a.n == 0 || b.n == 0)
        return a.n == 0 ? b : a;
    if (a.n > EXPR_LIST_MAX || b.n > EXPR_LIST_MAX - a.n)
        return value_error("the list has more than 1000 elements");
    struct value *items = arena_alloc(env->arena, (a.n + b.n) * sizeof *items);
    if (!items)
        return value_error("out of request memory");
    memcpy(items, a.list, a.n * sizeof *items);
    memcpy(items + a.n, b.list, b.n * sizeof *items);
    return (struct value){.type = VALUE_LIST,
                          .detail = a.detail == b.detail ? a.detail : VALUE_UNKNOWN,
                          .n = a.n + b.n,
                          .list = items};
}

static bool is_time(struct value v)
{
    return v.type == VALUE_TIMESTAMP || v.type == VALUE_DURATION;
}

static struct value arithmetic(const struct ops_env *env, enum expr_op op, struct value a, struct value b)
{
    if (a.type == VALUE_INT && b.type == VALUE_INT)
        return int_arithmetic(op, a.integer, b.integer);
    if (a.type == VALUE_DOUBLE && b.type == VALUE_DOUBLE)
        return double_arithmetic(op, a.number, b.number);
    if (is_time(a) && is_time(b))
        return time_arithmetic(op, a, b);
    if (op == OP_ADD && a.type == VALUE_STRING && b.type == VALUE_STRING)
        return join_strings(env, a, b);
    if (op == OP_ADD && a.type == VALUE_LIST && b.type == VALUE_LIST)
        return join_lists(env, a, b);
    return value_error(no_overload);
}

/* ---- functions ---- */

static struct value negate(struct value a)
{
    if (a.type == VALUE_DOUBLE)
        return value_double(-a.number);
    if (a.type == VALUE_DURATION)
        return duration_checked(a.integer == INT64_MIN, a.integer == INT64_MIN ? 0 : -a.integer);
    if (a.type != VALUE_INT)
        return value_error(no_overload);
    return a.integer == INT64_MIN ? value_error("int overflow") : value_int(-a.integer);
}

static struct value absolute(struct value a)
{
    if (a.type == VALUE_DOUBLE)
        return value_double(fabs(a.number));
    if (a.type != VALUE_INT && a.type != VALUE_DURATION)
        return value_error(no_overload);
    return a.integer < 0 ? negate(a) : a;
}

static struct value rounded(enum expr_op op, struct value a)
{
    if (a.type != VALUE_DOUBLE)
        return value_error(no_overload);
    return value_double(op == OP_FLOOR ? floor(a.number) : op == OP_CEIL ? ceil(a.number) : round(a.number));
}

static struct value size_of(struct value a)
{
    if (a.type == VALUE_LIST)
        return value_int(a.n);
    if (a.type != VALUE_STRING)
        return value_error(no_overload);
    int64_t points = 0;
    for (uint32_t i = 0; i < a.n; i++)
        points += (a.string[i] & 0xc0) != 0x80; /* every byte but continuations */
    return value_int(points);
}

static struct value match(enum expr_op op, struct value a, struct value b)
{
    if (a.type != VALUE_STRING || b.type != VALUE_STRING)
        return value_error(no_overload);
    if (b.n == 0)
        return value_bool(true);
    if (b.n > a.n)
        return value_bool(false);
    switch (op) {
    case OP_STARTS:
        return value_bool(memcmp(a.string, b.string, b.n) == 0);
    case OP_ENDS:
        return value_bool(memcmp(a.string + a.n - b.n, b.string, b.n) == 0);
    default:
        return value_bool(memmem(a.string, a.n, b.string, b.n) != NULL);
    }
}

static struct value element_at(struct value list, struct value index)
{
    if (list.type != VALUE_LIST || index.type != VALUE_INT)
        return value_error(no_overload);
    if (index.integer < 0 || index.integer >= list.n)
        return value_error("the index is outside the list");
    return list.list[index.integer];
}

static struct value accessor(const struct ops_env *env, enum expr_op op, struct value a, struct value name)
{
    if (a.type == VALUE_DURATION) {
        switch (op) {
        case OP_HOURS:
            return value_int(a.integer / 3600000);
        case OP_MINUTES:
            return value_int(a.integer / 60000);
        case OP_SECONDS:
            return value_int(a.integer / 1000);
        case OP_MILLISECONDS: /* the part below a second, as CEL's conformance tests have it */
            return value_int(a.integer % 1000);
        default:
            return value_error(no_overload);
        }
    }
    if (a.type != VALUE_TIMESTAMP || name.type != VALUE_STRING)
        return value_error(no_overload);
    if (a.integer < TIMESTAMP_MIN_MS || a.integer > TIMESTAMP_MAX_MS)
        return value_error("timestamp out of range");
    struct zone zone;
    const char *wrong = zone_find(env->zones, value_str(name), &zone);
    return wrong ? value_error(wrong) : value_int(calendar_get(op, &zone, a.integer));
}

struct value ops_pick(enum expr_op op, struct value best, struct value next)
{
    if (value_is_missing(best) || value_is_missing(next))
        return ops_absorb(best, next);
    if (best.type != next.type || best.type == VALUE_BOOL)
        return value_error(no_overload);
    int order = ops_order(next, best);
    if (order == ORDER_MISTYPED)
        return value_error(no_overload);
    if (order == ORDER_NONE) /* NaN stays */
        return isnan(best.number) ? best : next;
    return (op == OP_MIN ? order < 0 : order > 0) ? next : best;
}

/* Great-circle distance in metres by the haversine formula (Sinnott 1984) on a sphere of the Earth's mean
 * radius (IUGG R1), to the millimetre, so that the last bits of a machine's sine do not show. */
struct value ops_distance(const struct value v[4])
{
    struct value missing = v[0];
    for (int i = 1; i < 4; i++)
        if (value_is_missing(missing) || value_is_missing(v[i]))
            missing = ops_absorb(missing, v[i]);
    if (value_is_missing(missing))
        return missing;
    for (int i = 0; i < 4; i++) {
        if (v[i].type != VALUE_DOUBLE)
            return value_error(no_overload);
        if (!(fabs(v[i].number) <= (i % 2 ? 180 : 90)))
            return value_error(i % 2 ? "a longitude is outside -180 to 180"
                                     : "a latitude is outside -90 to 90");
    }
    const double radius_m = 6371008.8, degree = M_PI / 180;
    double from = v[0].number * degree, to = v[2].number * degree;
    double across = sin((to - from) / 2), along = sin((v[3].number - v[1].number) * degree / 2);
    double h = across * across + cos(from) * cos(to) * (along * along);
    return value_double(round(2 * radius_m * asin(fmin(1, sqrt(h))) * 1000) / 1000);
}

struct value ops_nearest(const struct value v[3])
{
    struct value missing = v[0];
    for (int i = 1; i < 3; i++)
        if (value_is_missing(missing) || value_is_missing(v[i]))
            missing = ops_absorb(missing, v[i]);
    if (value_is_missing(missing))
        return missing;
    if (v[2].type != VALUE_LIST || v[0].type != VALUE_DOUBLE)
        return value_error(no_overload);
    struct value best = value_unknown(UNKNOWN_ABSENT);
    for (uint32_t i = 0; i + 1 < v[2].n; i += 2) {
        /* One degree of latitude is 111,195 m on this sphere: what is further off by that alone cannot be nearer. */
        double apart_m = fabs(v[2].list[i].number - v[0].number) * 111194;
        if (best.type == VALUE_DOUBLE && apart_m > best.number)
            continue;
        const struct value pair[4] = {v[0], v[1], v[2].list[i], v[2].list[i + 1]};
        struct value d = ops_distance(pair);
        if (d.type != VALUE_DOUBLE)
            return d;
        if (best.type != VALUE_DOUBLE || d.number < best.number)
            best = d;
    }
    return best;
}

/* ---- dispatch ---- */

static struct value apply_two(const struct ops_env *env, enum expr_op op, struct value a, struct value b)
{
    switch (op) {
    case OP_EQ:
        return value_bool(ops_equal(a, b));
    case OP_NE:
        return value_bool(!ops_equal(a, b));
    case OP_LT:
    case OP_LE:
    case OP_GT:
    case OP_GE:
        return ops_compare(op, a, b);
    case OP_IN:
        return in_list(a, b);
    case OP_IN_SORTED:
        return in_sorted(a, b);
    case OP_ADD:
    case OP_SUB:
    case OP_MUL:
    case OP_DIV:
    case OP_MOD:
        return arithmetic(env, op, a, b);
    case OP_INDEX:
        return element_at(a, b);
    case OP_STARTS:
    case OP_ENDS:
    case OP_CONTAINS:
        return match(op, a, b);
    default:
        ASSERT(op_is_calendar(op));
        return accessor(env, op, a, b);
    }
}

static struct value apply_one(const struct ops_env *env, enum expr_op op, struct value a)
{
    switch (op) {
    case OP_NOT:
        return a.type == VALUE_BOOL ? value_bool(!a.boolean) : value_error(no_overload);
    case OP_NEG:
        return negate(a);
    case OP_ABS:
        return absolute(a);
    case OP_FLOOR:
    case OP_CEIL:
    case OP_ROUND:
        return rounded(op, a);
    case OP_SIZE:
        return size_of(a);
    default:
        return convert(op, a, env->arena);
    }
}

struct value ops_apply(const struct ops_env *env, enum expr_op op, const struct value *v, uint32_t count)
{
    if (op == OP_DISTANCE)
        return ops_distance(v);
    if (op == OP_NEAREST)
        return ops_nearest(v);
    if (op == OP_MIN || op == OP_MAX) {
        struct value best = ops_pick(op, v[0], v[0]); /* one operand is checked too */
        for (uint32_t i = 1; i < count; i++)
            best = ops_pick(op, best, v[i]);
        return best;
    }
    if (count == 1)
        return value_is_missing(v[0]) ? v[0] : apply_one(env, op, v[0]);
    ASSERT(count == 2);
    if (value_is_missing(v[0]) || value_is_missing(v[1]))
        return ops_absorb(v[0], v[1]);
    return apply_two(env, op, v[0], v[1]);
}
