/* Expressions: Common Expression Language (CEL) as DESIGN section 6 uses it, compiled into one program of
 * distinct sub-expressions that all rules of a policy share.
 *
 *   text --parse--> tree --check, fold--> nodes of a program --evaluate, each at most once--> value
 *
 * A program is a table of hash-consed nodes: rules that contain the same sub-expression share its node, and
 * an evaluation computes it at most once and only when somebody asks. Leaves that come from outside are
 * *slots* (a profile attribute, an aggregate, `now`): the host declares them and loads their values on demand
 * through struct expr_source. expr knows nothing of customers or policies.
 *
 * Types: null, bool, int (64 bit, overflow is an error), double, string, timestamp, duration (both in ms),
 * list of constants of one type. Arithmetic is strict as in CEL; comparisons may mix int and double. What CEL
 * has and this has not (uint, bytes, maps, messages, macros but has, matches, type, dyn) is a located error.
 *
 * Unknown (value.h) follows CEL: it spreads through everything except `unknown || true`, `unknown && false`
 * and the ternary branch not taken; error and unknown together give unknown. `has(x)` is false for an absent
 * value and unknown for one that could not be read.
 *
 * Some slots *vary*: their value depends on which of several things is looked at (for a policy: which action).
 * Every node knows whether a varying slot is below it; expr_eval_vary turns to another thing and forgets just
 * those nodes, so that what does not depend on the thing is still computed once.
 *
 * Extensions: duration literals `72h` `30d` `2w` `1h30m`, -x of a duration, min, max (arguments of one type;
 * a NaN wins), abs, floor, ceil, round (half away from zero), distance_m(lat1, lon1, lat2, lon2) in metres
 * (haversine, radius 6,371,008.8 m, to the millimetre), nearest_m(lat, lon, list of latitudes and longitudes in turn), the
 * least such distance, and calls that the host resolves.
 *
 * Building is single-threaded; a built program is immutable and may be shared; an expr_eval is one request's.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_EXPR_EXPR_H
#define TACT_EXPR_EXPR_H
#include "base/arena.h"
#include "base/tz.h"
#include "expr/value.h"

/* Limits of one expression's text; past them compilation reports an error. */
enum { EXPR_TEXT_MAX = 8192, EXPR_DEPTH_MAX = 64, EXPR_LIST_MAX = 1000 };

typedef uint32_t expr_id; /* a node of a program */
#define EXPR_NONE UINT32_MAX

struct expr_type {
    uint8_t kind;    /* enum value_type; VALUE_UNKNOWN means any type */
    uint8_t element; /* of a list */
};

/* How a slot's value moves with the clock while nothing happens. */
enum expr_motion {
    EXPR_STILL, /* it does not (profile attribute, request field) */
    EXPR_CLOCK, /* rises by 1 ms a ms (`now`, the age of a signal) unless it is at DURATION_MAX_MS or unknown
                 */
    EXPR_STEPS  /* is constant between instants that the source's next_change names (windowed aggregates) */
};

struct expr_slot {
    struct str name; /* as people write it: "profile.tier", "sum(cart_add.price, 24h)" */
    struct expr_type type;
    enum expr_motion motion;
    const struct str
        *domain; /* all possible strings, or NULL; comparing with another one is reported as a warning */
    size_t domain_count;
    bool ranged; /* a number from least to most; a comparison that cannot be otherwise is reported as a warning */
    double least, most;
    bool varies; /* the value depends on which of several things is looked at; for policies: the action */
};

struct expr_program;

/* All memory of the program comes from arena, which must outlive it. NULL when the arena is full. */
struct expr_program *expr_program_new(struct arena *arena);
/* Declares a slot (name and domain are not copied; they outlive the program); returns its number, counting
 * from 0. */
uint32_t expr_slot_add(struct expr_program *p, const struct expr_slot *slot);
size_t expr_slot_count(const struct expr_program *p);
const struct expr_slot *expr_slot_at(const struct expr_program *p, uint32_t slot);
size_t expr_node_count(const struct expr_program *p);

/* ---- compiling ---- */

/* What a name or a host call stands for. */
struct expr_symbol {
    enum { EXPR_SYM_SLOT, EXPR_SYM_NODE, EXPR_SYM_CONST } kind;
    uint32_t slot;
    expr_id node; /* a named feature that was compiled before */
    struct value constant;
};

/* An argument of a call that the language does not define. path: "cart_add.price" when it is a dotted name,
 * else empty (it lives as long as the call; copy it to keep it); constant: its value when it is a literal, a
 * constant of the scope or folds to one (duration literal, string …; lives as long as the program), else type
 * VALUE_UNKNOWN. deferred: an expression that the host compiles itself, if it wants it (see expr_scope.defers). text,
 * offset: its source text and the place of that. */
struct expr_arg {
    struct str path;
    struct value constant;
    bool deferred;
    struct str text;
    size_t offset;
};

struct expr_report {
    void *ctx;
    /* offset: byte in the source text that the finding is about. text lives as long as the call. */
    void (*add)(void *ctx, enum diag_severity severity, size_t offset, const char *text);
};

/* Names visible to an expression. */
struct expr_scope {
    void *ctx;
    /* Longest-match is done by the compiler: it asks for "a.b.c", then "a.b", then "a". 0, or ERR_NOTFOUND.
     */
    int (*ident)(void *ctx, struct str path, struct expr_symbol *out);
    /* A call `name(args)` that is not CEL's: 0, or ERR_NOTFOUND when the scope has no such call either, or
     * ERR_INVALID after it reported what is wrong. name may be dotted, as in catalog.price(x). min and max
     * come here too, when one of their arguments is a dotted name that ident does not know:
     * min(cart_add.price, 30d). offset: of the name. */
    int (*call)(void *ctx, struct str name, const struct expr_arg *args, size_t count, size_t offset,
                const struct expr_report *report, struct expr_symbol *out);
    /* Whether arguments of this call that are neither a name nor without any name in them are the host's to compile, in a
     * scope of its own: `item_returned.reason == 'size'` in sum(item_returned.amount, 30d, …). May be NULL: none are. */
    bool (*defers)(void *ctx, struct str name);
    /* About a name that ident does not know, though it means something elsewhere, in arena: "it is a call; write mood(7d)".
     * NULL: nothing is known of it. The pointer may be NULL. */
    const char *(*advice)(void *ctx, struct str path, struct arena *arena);
    /* What getHours('Asia/Tehran') and its kin may name; NULL: not checked. zoneless: who evaluates has no zones, so that an
     * offset is needed. */
    const struct tzdb *zones;
    bool zoneless;
    /* Every name and call of the scope, for "did you mean"; may be NULL. */
    void (*each_name)(void *ctx, void (*visit)(void *arg, struct str name), void *arg);
};

/* Compiles source into p. want: the type that the result must have (kind VALUE_UNKNOWN: any). On success *out
 * is the root node and 0 is returned; else ERR_INVALID and at least one finding of severity DIAG_ERROR was
 * reported (the first syntax error, or all type errors), or ERR_NOSPACE when the arena is full. Each text
 * says what is wrong and what is allowed. Constant sub-expressions are folded; folding that yields an error
 * (1/0) is reported. The source may be freed after. */
int expr_compile(struct expr_program *p, const struct expr_scope *scope, struct str source,
                 struct expr_type want, const struct expr_report *report, expr_id *out) MUST_CHECK;

/* The expression in its one spelling, in arena: one space between tokens where people write one, strings in single
 * quotes, numbers and durations as value_format writes them. Empty when it is no expression, or the arena is full. */
struct str expr_canonical(struct str source, struct arena *arena);
/* The same with other names: word stands for each name before a dot (head empty), and for the one after it (head: the name
 * before, as written). */
struct str expr_canonical_as(struct str source, struct str (*word)(void *ctx, struct str head, struct str word), void *ctx,
                             struct arena *arena);

struct expr_type expr_type_of(const struct expr_program *p, expr_id id);
/* The constant that a node is, or NULL. */
const struct value *expr_constant(const struct expr_program *p, expr_id id);
/* Adds (or finds) nodes without text. */
expr_id expr_node_slot(struct expr_program *p, uint32_t slot);
expr_id expr_node_constant(struct expr_program *p, struct value v);
/* Gives a node a name (a feature's), used as evidence instead of the slots below it. The first name stays. */
void expr_name(struct expr_program *p, expr_id id, struct str name);

/* Visits the evidence of a node: going down from it, each named node or slot node that is met first on a
 * path, each once, in a fixed order. Constants are not visited. name is the feature's or the slot's. */
void expr_leaves(const struct expr_program *p, expr_id id,
                 void (*visit)(void *ctx, expr_id leaf, struct str name), void *ctx);
/* Whether a varying slot is below the node. What was folded away does not count. */
bool expr_varies(const struct expr_program *p, expr_id id);
/* Visits every slot below a node, through named nodes, each once, in a fixed order. */
void expr_slots(const struct expr_program *p, expr_id id, void (*visit)(void *ctx, uint32_t slot), void *ctx);

/* ---- evaluating ---- */

struct expr_source {
    void *ctx;
    /* The slot's value at time now_ms. Called at most once a slot between two expr_eval_at; a varying slot's
     * also after each expr_eval_vary. */
    struct value (*load)(void *ctx, uint32_t slot, int64_t now_ms);
    /* For EXPR_STEPS slots: the first instant after t_ms at which the value may differ; INT64_MAX for never.
     * NULL when nobody asks expr_next_change. */
    int64_t (*next_change)(void *ctx, uint32_t slot, int64_t t_ms);
    const struct tzdb *zones; /* for getHours('Asia/Tehran') and its kin */
    /* From here on, load is about thing `which`. May be NULL. */
    void (*vary)(void *ctx, uint32_t which);
};

struct expr_eval {
    const struct expr_program *program;
    const struct expr_source *source;
    struct arena *arena; /* strings and lists made while evaluating */
    int64_t now_ms;
    uint32_t which; /* the thing looked at; EXPR_NONE: none yet */
    bool varies;    /* some node depends on it */
    uint32_t
        node_count; /* nodes that the program had at expr_eval_init; later ones cannot be evaluated here */
    struct value *memo;
    uint64_t *done;        /* bit per node: memo is its value */
    struct expr_law *laws; /* how each node's value moves (change.h) */
    uint64_t *lawful;      /* bit per node: laws has it */
};

/* ERR_NOSPACE when the arena is full. Lives until the arena is reset. Allocates all that evaluating needs
 * except strings and lists that expressions make, which come from arena too; past its limit they become
 * evaluation errors. */
int expr_eval_init(struct expr_eval *ev, const struct expr_program *p, const struct expr_source *source,
                   int64_t now_ms, struct arena *arena) MUST_CHECK;
struct value expr_eval(struct expr_eval *ev, expr_id id);
/* Moves to another instant: values that depend on the clock are computed again, the others stay. */
void expr_eval_at(struct expr_eval *ev, int64_t now_ms);
/* All values are computed again: to be called when the arena was rewound, with strings and lists that values may be. */
void expr_eval_forget(struct expr_eval *ev);
/* What expr_eval_vary does when there is something to do. */
void expr_eval_turn(struct expr_eval *ev, uint32_t which);
/* Turns to thing `which`: tells the source, and forgets the values (and how they move) of the nodes that
 * depend on varying slots; the others stay. Nothing happens when it is that thing already, or when the program
 * has no varying node. */
static inline void expr_eval_vary(struct expr_eval *ev, uint32_t which)
{
    if (ev->varies && ev->which != which)
        expr_eval_turn(ev, which);
}

/* The first instant after ev->now_ms at which the value of id may differ if nothing happens but time passing;
 * INT64_MAX when there is none. Never later than the true change; may be earlier than it (the caller looks
 * again there). Follows linear motion through + - and comparisons, min, max, ternary, && and ||, and the
 * calendar through getHours and its kin (next edge in the zone). */
int64_t expr_next_change(struct expr_eval *ev, expr_id id);

#endif
