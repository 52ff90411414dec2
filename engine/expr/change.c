/* When a value may next change. Each node follows a *law* for a while: a constant, or a line through the
 * present value with a whole slope per millisecond (`now` and ages rise by 1, -age falls by 1). Upwards:
 *
 *   + -        of lines is a line until it leaves the type's range
 *   comparing  lines is constant until they cross
 *   calendar   of a rising line is constant until its next edge in the zone; int(timestamp): the next second
 *   && ||      are constant as long as the operand that decides is, else as long as all are
 *   ?:         follows its branch; min and max follow the winner until another overtakes it
 *   unknown    operands keep the result unknown
 *
 * What has no rule and moves gets until = now + 1 ms. A law may end earlier than needed, never later.
 * Crossings are computed in 128 bits, so nothing here overflows.
 *
 * Laws are kept per node like values, so a shared node is looked at once an instant. Recursion is as deep as
 * evaluation's.
 * SPDX-License-Identifier: Apache-2.0 */
#include "expr/change.h"
#include "base/civil.h"
#include "expr/calendar.h"
#include "expr/eval.h"
#include "expr/ops.h"

enum { SLOPE_MAX = 1000 };

static struct expr_law law_of(struct expr_eval *ev, expr_id id);

static const struct expr_law forever = {INT64_MAX, 0};

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* now + dt, dt at least 1. */
static int64_t after(const struct expr_eval *ev, __int128 dt)
{
    __int128 at = (__int128)ev->now_ms + (dt < 1 ? 1 : dt);
    return at > INT64_MAX ? INT64_MAX : (int64_t)at;
}

static struct expr_law next_ms(const struct expr_eval *ev)
{
    return (struct expr_law){after(ev, 1), 0};
}

static bool moves_linearly(struct value v)
{
    return v.type == VALUE_INT || v.type == VALUE_TIMESTAMP || v.type == VALUE_DURATION;
}

/* The first dt >= 1 at which value + slope * dt is at or beyond target, in the direction of slope (not 0);
 * the line has not reached it yet. */
static __int128 reaches(__int128 value, int32_t slope, __int128 target)
{
    __int128 distance = slope > 0 ? target - value : value - target, step = slope > 0 ? slope : -slope;
    return (distance + step - 1) / step;
}

/* The first instant at which "low <= value + slope * dt <= high" is another answer than now. */
static int64_t range_changes(const struct expr_eval *ev, __int128 value, int32_t slope, __int128 low,
                             __int128 high)
{
    if (slope == 0 || (value > high && slope > 0) || (value < low && slope < 0))
        return INT64_MAX;
    if (value > high)
        return after(ev, reaches(value, slope, high));
    if (value < low)
        return after(ev, reaches(value, slope, low));
    return after(ev, slope > 0 ? reaches(value, slope, high + 1) : reaches(value, slope, low - 1));
}

/* ---- leaves ---- */

static struct expr_law slot_law(struct expr_eval *ev, const struct expr_node *n, struct value v)
{
    const struct expr_slot *slot = &ev->program->slots[n->a];
    if (slot->motion == EXPR_STEPS) {
        if (!ev->source->next_change)
            return next_ms(ev);
        int64_t at = ev->source->next_change(ev->source->ctx, n->a, ev->now_ms);
        return (struct expr_law){at > ev->now_ms ? at : after(ev, 1), 0};
    }
    if (slot->motion == EXPR_STILL || value_is_missing(v))
        return forever;
    if (!moves_linearly(v))
        return next_ms(ev);
    int64_t top = v.type == VALUE_DURATION    ? DURATION_MAX_MS
                  : v.type == VALUE_TIMESTAMP ? TIMESTAMP_MAX_MS
                                              : INT64_MAX;
    if (v.integer >= top)
        return v.type == VALUE_DURATION ? forever : next_ms(ev);
    return (struct expr_law){after(ev, (__int128)top - v.integer), 1};
}

/* ---- lines ---- */

static void range_of(uint8_t type, __int128 *low, __int128 *high)
{
    *low = type == VALUE_DURATION ? -DURATION_MAX_MS : type == VALUE_TIMESTAMP ? TIMESTAMP_MIN_MS : INT64_MIN;
    *high = type == VALUE_DURATION ? DURATION_MAX_MS : type == VALUE_TIMESTAMP ? TIMESTAMP_MAX_MS : INT64_MAX;
}

/* + and - of two lines a, b. The sum is followed without regard to its type's range, and the law ends where
 * it enters or leaves the range. */
static struct expr_law sum_law(struct expr_eval *ev, enum expr_op op, struct value a, struct expr_law la,
                               struct value b, struct expr_law lb)
{
    int64_t until = earlier(la.until_ms, lb.until_ms);
    int32_t slope = op == OP_ADD ? la.slope + lb.slope : la.slope - lb.slope;
    if (la.slope == 0 && lb.slope == 0)
        return (struct expr_law){until, 0};
    if (slope > SLOPE_MAX || slope < -SLOPE_MAX)
        return next_ms(ev);
    __int128 sum = op == OP_ADD ? (__int128)a.integer + b.integer : (__int128)a.integer - b.integer, low,
             high;
    bool points = a.type == VALUE_TIMESTAMP || b.type == VALUE_TIMESTAMP;
    bool length = a.type == b.type && a.type != VALUE_INT; /* duration ± duration, timestamp - timestamp */
    range_of(length ? VALUE_DURATION : points ? VALUE_TIMESTAMP : VALUE_INT, &low, &high);
    until = earlier(until, range_changes(ev, sum, slope, low, high));
    return (struct expr_law){until, sum < low || sum > high ? 0 : slope};
}

static struct expr_law negative_law(struct expr_eval *ev, enum expr_op op, struct value a, struct expr_law la)
{
    if (la.slope == 0)
        return la;
    if (a.integer == INT64_MIN)
        return next_ms(ev);
    if (op == OP_NEG) {
        __int128 low, high;
        range_of(a.type, &low, &high);
        int64_t until = range_changes(ev, -(__int128)a.integer, -la.slope, low, high);
        return (struct expr_law){earlier(la.until_ms, until), -la.slope};
    }
    /* ABS: a line until a changes its sign */
    bool rises = a.integer > 0 || (a.integer == 0 && la.slope > 0);
    int64_t until = rises ? range_changes(ev, a.integer, la.slope, 0, INT64_MAX)
                          : range_changes(ev, a.integer, la.slope, INT64_MIN + 1, 0);
    return (struct expr_law){earlier(la.until_ms, until), rises ? la.slope : -la.slope};
}

/* Comparisons: constant until the difference a - b comes to the other side of what op asks. */
static struct expr_law compare_law(struct expr_eval *ev, enum expr_op op, struct value a, struct expr_law la,
                                   struct value b, struct expr_law lb)
{
    static const __int128 far = (__int128)1 << 80; /* beyond any difference */
    int64_t until = earlier(la.until_ms, lb.until_ms);
    int32_t slope = la.slope - lb.slope;
    if (slope == 0)
        return (struct expr_law){until, 0};
    if (a.type != b.type)
        return next_ms(ev);
    __int128 difference = (__int128)a.integer - b.integer;
    __int128 low = op == OP_EQ || op == OP_NE ? 0 : -far, high = op == OP_LT || op == OP_GE ? -1 : 0;
    return (struct expr_law){earlier(until, range_changes(ev, difference, slope, low, high)), 0};
}

/* ---- steps of lines ---- */

/* Division that cuts towards zero: constant until the next multiple. */
static struct expr_law quotient_law(struct expr_eval *ev, struct value a, struct expr_law la, int64_t unit)
{
    int64_t q = a.integer / unit;
    __int128 target = la.slope > 0 ? ((__int128)q + 1) * unit : ((__int128)q - 1) * unit;
    if (q < 0 && la.slope > 0)
        target = (__int128)q * unit + 1;
    else if (q > 0 && la.slope < 0)
        target = (__int128)q * unit - 1;
    return (struct expr_law){earlier(la.until_ms, after(ev, reaches(a.integer, la.slope, target))), 0};
}

static struct expr_law calendar_law(struct expr_eval *ev, const struct expr_node *n, struct value a,
                                    struct expr_law la)
{
    enum expr_op op = (enum expr_op)n->op;
    if (la.slope == 0)
        return la;
    if (a.type == VALUE_DURATION) {
        int64_t unit = op == OP_HOURS ? 3600000 : op == OP_MINUTES ? 60000 : op == OP_SECONDS ? 1000 : 0;
        return unit ? quotient_law(ev, a, la, unit) : next_ms(ev);
    }
    struct value name = eval_node(ev, n->b);
    struct zone zone;
    if (a.type != VALUE_TIMESTAMP || la.slope < 0 || a.integer < TIMESTAMP_MIN_MS ||
        a.integer > TIMESTAMP_MAX_MS)
        return next_ms(ev);
    if (zone_find(ev->source->zones, value_str(name), &zone))
        return (struct expr_law){la.until_ms, 0}; /* an error that stays */
    __int128 dt = reaches(a.integer, la.slope, calendar_next(op, &zone, a.integer));
    return (struct expr_law){earlier(la.until_ms, after(ev, dt)), 0};
}

static struct expr_law convert_law(struct expr_eval *ev, enum expr_op op, struct value a, struct expr_law la)
{
    if (la.slope == 0)
        return la;
    if (op == OP_TO_INT && a.type == VALUE_TIMESTAMP && la.slope > 0) {
        int64_t second = floor_div(a.integer, 1000);
        return (struct expr_law){
            earlier(la.until_ms, after(ev, reaches(a.integer, la.slope, ((__int128)second + 1) * 1000))), 0};
    }
    bool same = (op == OP_TO_INT && a.type == VALUE_INT) ||
                (op == OP_TO_TIMESTAMP && a.type == VALUE_TIMESTAMP) ||
                (op == OP_TO_DURATION && a.type == VALUE_DURATION);
    return same ? la : next_ms(ev);
}

/* ---- operators with many operands ---- */

static struct expr_law chain_law(struct expr_eval *ev, const struct expr_node *n)
{
    const expr_id *ids = ev->program->args + n->a;
    bool decides = n->op == OP_OR;
    int64_t until = INT64_MAX;
    for (uint32_t i = 0; i < n->b; i++) {
        struct value v = eval_node(ev, ids[i]);
        struct expr_law law = law_of(ev, ids[i]);
        if (v.type == VALUE_BOOL && v.boolean == decides)
            return law; /* as long as it decides, the others do not matter */
        until = earlier(until, law.until_ms);
    }
    return (struct expr_law){until, 0};
}

static struct expr_law ternary_law(struct expr_eval *ev, const struct expr_node *n)
{
    struct value condition = eval_node(ev, n->a);
    struct expr_law law = law_of(ev, n->a);
    if (condition.type != VALUE_BOOL)
        return (struct expr_law){law.until_ms, 0};
    struct expr_law branch = law_of(ev, condition.boolean ? n->b : n->c);
    return (struct expr_law){earlier(law.until_ms, branch.until_ms), branch.slope};
}

/* MIN and MAX. All operands are there. */
static struct expr_law pick_law(struct expr_eval *ev, const struct expr_node *n)
{
    const expr_id *ids = ev->program->args + n->a;
    struct value best = eval_node(ev, ids[0]);
    struct expr_law law = law_of(ev, ids[0]);
    int64_t until = law.until_ms;
    bool lines = law.slope != 0;
    for (uint32_t i = 1; i < n->b; i++) { /* among equals the one that will win */
        struct value v = eval_node(ev, ids[i]);
        struct expr_law other = law_of(ev, ids[i]);
        int order = ops_order(v, best);
        int32_t ahead = n->op == OP_MIN ? law.slope - other.slope : other.slope - law.slope;
        bool wins = n->op == OP_MIN ? order < 0 : order == 1;
        until = earlier(until, other.until_ms);
        lines |= other.slope != 0;
        if (wins || (order == 0 && ahead > 0)) {
            best = v;
            law = other;
        }
    }
    for (uint32_t i = 0; lines && i < n->b; i++) {
        struct value v = eval_node(ev, ids[i]);
        struct expr_law other = law_of(ev, ids[i]);
        if (v.type != best.type || !moves_linearly(v))
            return next_ms(ev);
        enum expr_op stays = n->op == OP_MIN ? OP_LE : OP_GE; /* best against v, while best wins */
        until = earlier(until, compare_law(ev, stays, best, law, v, other).until_ms);
    }
    return (struct expr_law){until, law.slope};
}

/* ---- all nodes ---- */

/* The law of a strict operator when nothing better is known: the end of the first of its operands' laws; when
 * an operand is missing that is exact, since the result stays missing; else lines among them change the
 * result every millisecond. */
static struct expr_law common_law(struct expr_eval *ev, const struct expr_node *n, bool *missing)
{
    uint32_t count;
    const expr_id *ids = node_operands(ev->program, n, &count);
    struct expr_law law = forever;
    *missing = false;
    for (uint32_t i = 0; i < count; i++) {
        struct expr_law operand = law_of(ev, ids[i]);
        *missing |= value_is_missing(eval_node(ev, ids[i]));
        law.until_ms = earlier(law.until_ms, operand.until_ms);
        law.slope |= operand.slope != 0;
    }
    return law;
}

static struct expr_law strict_law(struct expr_eval *ev, const struct expr_node *n)
{
    bool missing;
    struct expr_law common = common_law(ev, n, &missing);
    enum expr_op op = (enum expr_op)n->op;
    if (missing || common.slope == 0)
        return (struct expr_law){common.until_ms, 0};
    if (op == OP_MIN || op == OP_MAX)
        return pick_law(ev, n);
    if (op == OP_DISTANCE || op == OP_NEAREST || n->operands < 1)
        return next_ms(ev);
    struct value a = eval_node(ev, n->a), b = n->operands == 2 ? eval_node(ev, n->b) : a;
    struct expr_law la = law_of(ev, n->a), lb = n->operands == 2 ? law_of(ev, n->b) : forever;
    switch (op) {
    case OP_EQ:
    case OP_NE:
    case OP_LT:
    case OP_LE:
    case OP_GT:
    case OP_GE:
        return compare_law(ev, op, a, la, b, lb);
    case OP_ADD:
    case OP_SUB:
        return moves_linearly(a) && moves_linearly(b) ? sum_law(ev, op, a, la, b, lb) : next_ms(ev);
    case OP_NEG:
    case OP_ABS:
        return negative_law(ev, op, a, la);
    case OP_TO_INT:
    case OP_TO_TIMESTAMP:
    case OP_TO_DURATION:
        return convert_law(ev, op, a, la);
    default:
        return op_is_calendar(op) ? calendar_law(ev, n, a, la) : next_ms(ev);
    }
}

static struct expr_law fresh_law(struct expr_eval *ev, expr_id id, const struct expr_node *n)
{
    switch (n->op) {
    case OP_SLOT:
        return slot_law(ev, n, eval_node(ev, id));
    case OP_HAS:
        return (struct expr_law){law_of(ev, n->a).until_ms, 0};
    case OP_AND:
    case OP_OR:
        return chain_law(ev, n);
    case OP_TERNARY:
        return ternary_law(ev, n);
    default:
        return strict_law(ev, n);
    }
}

static struct expr_law law_of(struct expr_eval *ev, expr_id id)
{
    const struct expr_node *n = &ev->program->nodes[id];
    if (!(n->moves & NODE_CLOCK))
        return forever;
    if (bit_test(ev->lawful, id))
        return ev->laws[id];
    struct expr_law law = fresh_law(ev, id, n);
    ev->laws[id] = law;
    bit_set(ev->lawful, id);
    return law;
}

int64_t expr_next_change(struct expr_eval *ev, expr_id id)
{
    ASSERT(id < ev->node_count);
    struct expr_law law = law_of(ev, id);
    return law.slope != 0 ? after(ev, 1) : law.until_ms;
}
