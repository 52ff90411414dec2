/* Evaluation: a lazy walk over the node table with a memo.
 *
 * Asking for a node first tests its bit in `done`; only then is it computed, operands from left to right, and
 * kept. So every sub-expression that rules share is computed once a request, a slot is loaded once, and what
 * no rule asks for is never loaded. Moving the clock, or turning to another of the things that slots vary
 * with, clears the bits of the nodes that depend on it (one AND per 64 nodes).
 *
 * && and || absorb: an operand that decides wins over errors and unknowns on either side of it, and the rest
 * is not looked at. When none decides, unknown wins over error (struct value merging in ops_absorb). ?:
 * evaluates one branch.
 *
 * Nothing here allocates except strings and lists that an expression makes, from the request's arena.
 * SPDX-License-Identifier: Apache-2.0 */
#include "expr/eval.h"
#include "expr/change.h"
#include "expr/ops.h"

int expr_eval_init(struct expr_eval *ev, const struct expr_program *p, const struct expr_source *source,
                   int64_t now_ms, struct arena *arena)
{
    uint32_t words = p->node_count / 64 + 1;
    *ev = (struct expr_eval){.program = p,
                             .source = source,
                             .arena = arena,
                             .now_ms = now_ms,
                             .which = EXPR_NONE,
                             .varies = p->varies,
                             .node_count = p->node_count,
                             .memo = arena_alloc(arena, p->node_count * sizeof *ev->memo),
                             .done = arena_zalloc(arena, words * sizeof *ev->done),
                             .laws = arena_alloc(arena, p->node_count * sizeof *ev->laws),
                             .lawful = arena_zalloc(arena, words * sizeof *ev->lawful)};
    return ev->memo && ev->done && ev->laws && ev->lawful ? 0 : ERR_NOSPACE;
}

/* All but the nodes of these bits, in the words [from, to). */
static void forget(struct expr_eval *ev, const uint64_t *stays, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to && i * 64 < ev->node_count; i++) {
        ev->done[i] &= stays[i];
        ev->lawful[i] &= stays[i];
    }
}

void expr_eval_at(struct expr_eval *ev, int64_t now_ms)
{
    if (now_ms == ev->now_ms)
        return;
    ev->now_ms = now_ms;
    forget(ev, ev->program->still, 0, UINT32_MAX);
}

void expr_eval_turn(struct expr_eval *ev, uint32_t which)
{
    ev->which = which;
    if (ev->source->vary)
        ev->source->vary(ev->source->ctx, which);
    forget(ev, ev->program->fixed, ev->program->varies_from, ev->program->varies_to);
}

void expr_eval_forget(struct expr_eval *ev)
{
    size_t words = ev->node_count / 64 + 1;
    memset(ev->done, 0, words * sizeof *ev->done);
    memset(ev->lawful, 0, words * sizeof *ev->lawful);
}

/* AND and OR. */
static struct value eval_chain(struct expr_eval *ev, const struct expr_node *n)
{
    const expr_id *ids = ev->program->args + n->a;
    bool decides = n->op == OP_OR;
    struct value rest = value_bool(!decides);
    for (uint32_t i = 0; i < n->b; i++) {
        struct value v = eval_node(ev, ids[i]);
        if (v.type == VALUE_BOOL) {
            if (v.boolean == decides)
                return v;
            continue;
        }
        if (!value_is_missing(v))
            v = value_error("no such overload for these types");
        rest = value_is_missing(rest) ? ops_absorb(rest, v) : v;
    }
    return rest;
}

static struct value eval_ternary(struct expr_eval *ev, const struct expr_node *n)
{
    struct value condition = eval_node(ev, n->a);
    if (condition.type == VALUE_BOOL)
        return eval_node(ev, condition.boolean ? n->b : n->c);
    return value_is_missing(condition) ? condition : value_error("no such overload for these types");
}

static struct value eval_has(struct expr_eval *ev, const struct expr_node *n)
{
    struct value v = eval_node(ev, n->a);
    if (v.type == VALUE_UNKNOWN)
        return v.detail == UNKNOWN_UNREADABLE ? v : value_bool(false);
    return v.type == VALUE_ERROR ? v : value_bool(true);
}

/* MIN, MAX, DISTANCE: any number of operands, so not gathered on the stack (but for the last, which has
 * four). */
static struct value eval_many(struct expr_eval *ev, const struct expr_node *n)
{
    const expr_id *ids = ev->program->args + n->a;
    if (n->op == OP_DISTANCE) {
        struct value v[4];
        for (int i = 0; i < 4; i++)
            v[i] = eval_node(ev, ids[i]);
        return ops_distance(v);
    }
    if (n->op == OP_NEAREST) {
        struct value v[3];
        for (int i = 0; i < 3; i++)
            v[i] = eval_node(ev, ids[i]);
        return ops_nearest(v);
    }
    struct value best = eval_node(ev, ids[0]);
    best = ops_pick((enum expr_op)n->op, best, best);
    for (uint32_t i = 1; i < n->b; i++)
        best = ops_pick((enum expr_op)n->op, best, eval_node(ev, ids[i]));
    return best;
}

static struct value eval_strict(struct expr_eval *ev, const struct expr_node *n)
{
    const struct ops_env env = {ev->arena, ev->source->zones};
    struct value v[2] = {eval_node(ev, n->a)};
    if (n->operands == 2)
        v[1] = eval_node(ev, n->b);
    return ops_apply(&env, (enum expr_op)n->op, v, n->operands);
}

/* The comparisons are most of all nodes; they skip the general way. */
static struct value eval_compare(struct expr_eval *ev, const struct expr_node *n)
{
    struct value a = eval_node(ev, n->a), b = eval_node(ev, n->b);
    if (value_is_missing(a) || value_is_missing(b))
        return ops_absorb(a, b);
    if (n->op == OP_EQ || n->op == OP_NE)
        return value_bool(ops_equal(a, b) == (n->op == OP_EQ));
    return ops_compare((enum expr_op)n->op, a, b);
}

static struct value eval_fresh(struct expr_eval *ev, const struct expr_node *n)
{
    switch (n->op) {
    case OP_SLOT:
        return ev->source->load(ev->source->ctx, n->a, ev->now_ms);
    case OP_HAS:
        return eval_has(ev, n);
    case OP_AND:
    case OP_OR:
        return eval_chain(ev, n);
    case OP_TERNARY:
        return eval_ternary(ev, n);
    case OP_EQ:
    case OP_NE:
    case OP_LT:
    case OP_LE:
    case OP_GT:
    case OP_GE:
        return eval_compare(ev, n);
    case OP_MIN:
    case OP_MAX:
    case OP_DISTANCE:
    case OP_NEAREST:
        return eval_many(ev, n);
    default:
        return eval_strict(ev, n);
    }
}

struct value eval_node(struct expr_eval *ev, expr_id id)
{
    if (bit_test(ev->done, id))
        return ev->memo[id];
    const struct expr_node *n = &ev->program->nodes[id];
    if (n->op == OP_CONST)
        return ev->program->constants[n->a];
    struct value v = eval_fresh(ev, n);
    ev->memo[id] = v;
    bit_set(ev->done, id);
    return v;
}

struct value expr_eval(struct expr_eval *ev, expr_id id)
{
    ASSERT(id < ev->node_count);
    return eval_node(ev, id);
}
