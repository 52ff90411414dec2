/* Fuzz target: any text as an expression. It either compiles or is refused with findings whose places lie in
 * the text; what compiles gives the same node again, evaluates at any instant to what a fresh evaluation
 * gives there, has the type it was declared with, and does not change before the instant that
 * expr_next_change names. All that for one thing after the other, for slots that vary, and to and fro.
 * SPDX-License-Identifier: Apache-2.0 */
#include "expr/expr.h"
#include <stdlib.h>

enum { MEMORY_MAX_BYTES = 16 << 20 };

static const struct str tiers[] = {{"basic", 5}, {"gold", 4}};
static const struct value tag_items[] = {{.type = VALUE_STRING, .n = 1, .string = "a"}};

static const struct fuzz_slot {
    struct expr_slot slot;
    struct value value; /* EXPR_CLOCK: at time 0 */
} slots[] = {
    {{.name = {"now", 3}, .type = {VALUE_TIMESTAMP, 0}, .motion = EXPR_CLOCK}, {.type = VALUE_TIMESTAMP}},
    {{.name = {"t", 1}, .type = {VALUE_BOOL, 0}}, {.type = VALUE_BOOL, .boolean = true}},
    {{.name = {"u", 1}, .type = {VALUE_BOOL, 0}}, {.type = VALUE_UNKNOWN}},
    {{.name = {"e", 1}, .type = {VALUE_INT, 0}}, {.type = VALUE_ERROR, .error = "broken"}},
    {{.name = {"i", 1}, .type = {VALUE_INT, 0}}, {.type = VALUE_INT, .integer = 7}},
    {{.name = {"big", 3}, .type = {VALUE_INT, 0}}, {.type = VALUE_INT, .integer = INT64_MIN}},
    {{.name = {"k", 1}, .type = {VALUE_INT, 0}, .motion = EXPR_CLOCK}, {.type = VALUE_INT}},
    {{.name = {"d", 1}, .type = {VALUE_DOUBLE, 0}}, {.type = VALUE_DOUBLE, .number = 2.5}},
    {{.name = {"s", 1}, .type = {VALUE_STRING, 0}}, {.type = VALUE_STRING, .n = 3, .string = "abc"}},
    {{.name = {"p.tier", 6}, .type = {VALUE_STRING, 0}, .domain = tiers, .domain_count = 2},
     {.type = VALUE_STRING, .n = 4, .string = "gold"}},
    {{.name = {"age", 3}, .type = {VALUE_DURATION, 0}, .motion = EXPR_CLOCK}, {.type = VALUE_DURATION}},
    {{.name = {"tags", 4}, .type = {VALUE_LIST, VALUE_STRING}},
     {.type = VALUE_LIST, .detail = VALUE_STRING, .n = 1, .list = tag_items}},
    {{.name = {"any", 3}}, {.type = VALUE_DURATION, .integer = 5000}},
    {{.name = {"step", 4}, .type = {VALUE_INT, 0}, .motion = EXPR_STEPS}, {.type = VALUE_INT}},
    {{.name = {"vb", 2}, .type = {VALUE_BOOL, 0}, .varies = true}, {.type = VALUE_BOOL}},
    {{.name = {"vi", 2}, .type = {VALUE_INT, 0}, .varies = true}, {.type = VALUE_INT}},
    {{.name = {"vd", 2}, .type = {VALUE_DOUBLE, 0}, .varies = true}, {.type = VALUE_DOUBLE}},
    {{.name = {"vs", 2}, .type = {VALUE_STRING, 0}, .domain = tiers, .domain_count = 2, .varies = true},
     {.type = VALUE_STRING}},
    {{.name = {"vage", 4}, .type = {VALUE_DURATION, 0}, .motion = EXPR_CLOCK, .varies = true},
     {.type = VALUE_DURATION}},
    {{.name = {"vstep", 5}, .type = {VALUE_INT, 0}, .motion = EXPR_STEPS, .varies = true},
     {.type = VALUE_INT}},
};
enum { SLOTS = sizeof slots / sizeof *slots, THINGS = 3 }; /* the last thing knows nothing */

#define REQUIRE(condition)                                                                                   \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            abort();                                                                                         \
    } while (0)

static struct tzdb *zones;

static int ident(void *ctx, struct str path, struct expr_symbol *out)
{
    (void)ctx;
    for (uint32_t i = 0; i < SLOTS; i++) {
        if (str_eq(path, slots[i].slot.name)) {
            *out = (struct expr_symbol){.kind = EXPR_SYM_SLOT, .slot = i};
            return 0;
        }
    }
    return ERR_NOTFOUND;
}

static int call(void *ctx, struct str name, const struct expr_arg *args, size_t count, size_t offset,
                const struct expr_report *report, struct expr_symbol *out)
{
    (void)offset;
    if (!str_is(name, "sum") && !str_is(name, "min"))
        return ERR_NOTFOUND;
    for (size_t i = 0; i < count; i++)
        REQUIRE(args[i].text.n > 0);
    if (count == 1)
        return ident(ctx, STR("d"), out);
    report->add(report->ctx, DIAG_ERROR, 0, "one argument");
    return ERR_INVALID;
}

static bool defers(void *ctx, struct str name)
{
    (void)ctx;
    return str_is(name, "sum");
}

static void each_name(void *ctx, void (*visit)(void *arg, struct str name), void *arg)
{
    (void)ctx;
    for (uint32_t i = 0; i < SLOTS; i++)
        visit(arg, slots[i].slot.name);
}

struct findings {
    size_t size, errors;
};

static void add(void *ctx, enum diag_severity severity, size_t offset, const char *text)
{
    struct findings *f = ctx;
    REQUIRE(offset <= f->size);
    REQUIRE(text[0]);
    f->errors += severity == DIAG_ERROR;
}

/* One evaluator's look at the slots. */
struct look {
    uint32_t which;
    struct expr_source source;
    struct expr_eval ev;
};

static struct value load(void *ctx, uint32_t slot, int64_t now_ms)
{
    const struct look *k = ctx;
    struct value v = slots[slot].value;
    int64_t thing = 0;
    if (slots[slot].slot.varies) {
        if (k->which >= THINGS - 1)
            return value_unknown(UNKNOWN_ABSENT);
        thing = k->which + 1;
        v.boolean = thing == 1;
        if (v.type == VALUE_STRING)
            return value_string(tiers[thing - 1]);
        if (v.type == VALUE_DOUBLE)
            return value_double(0.5 * (double)thing);
        if (v.type == VALUE_INT || v.type == VALUE_DURATION)
            v.integer = 7 * thing;
    }
    if (slots[slot].slot.motion == EXPR_CLOCK)
        v.integer += now_ms;
    else if (slots[slot].slot.motion == EXPR_STEPS)
        v.integer = now_ms / (1000 + 500 * thing);
    return v;
}

static int64_t next_change(void *ctx, uint32_t slot, int64_t t_ms)
{
    const struct look *k = ctx;
    int64_t width = slots[slot].slot.varies ? 1000 + 500 * (int64_t)(k->which + 1) : 1000;
    if (slots[slot].slot.varies && k->which >= THINGS - 1)
        return INT64_MAX;
    return (t_ms / width + 1) * width;
}

static void vary(void *ctx, uint32_t which)
{
    struct look *k = ctx;
    k->which = which;
}

static void look_init(struct look *k, const struct expr_program *p, int64_t now_ms, struct arena *arena)
{
    *k = (struct look){
        .which = EXPR_NONE,
        .source = {.ctx = k, .load = load, .next_change = next_change, .zones = zones, .vary = vary}};
    REQUIRE(expr_eval_init(&k->ev, p, &k->source, now_ms, arena) == 0);
}

/* What ev says of thing `which` is what a fresh look at it says, now and until the next change. */
static void check_thing(struct expr_eval *ev, uint32_t which, const struct expr_program *p, expr_id id,
                        struct arena *arena)
{
    struct look fresh;
    int64_t now_ms = ev->now_ms;
    expr_eval_vary(ev, which);
    struct value v = expr_eval(ev, id);
    uint8_t kind = expr_type_of(p, id).kind;
    REQUIRE(v.type <= VALUE_ERROR || kind == VALUE_UNKNOWN || kind == v.type);
    look_init(&fresh, p, now_ms, arena);
    expr_eval_vary(&fresh.ev, which);
    REQUIRE(value_same(v, expr_eval(&fresh.ev, id)));
    int64_t next = expr_next_change(ev, id);
    REQUIRE(next > now_ms);
    REQUIRE(next == expr_next_change(&fresh.ev, id));
    /* the last millisecond before, one in the middle, one in a day at most */
    int64_t before = next - 1 - now_ms > 86400000 ? now_ms + 86400000 : next - 1;
    expr_eval_at(&fresh.ev, now_ms + (before - now_ms) / 2);
    REQUIRE(value_same(v, expr_eval(&fresh.ev, id)));
    expr_eval_at(&fresh.ev, before);
    REQUIRE(value_same(v, expr_eval(&fresh.ev, id)));
}

static void evaluate(const struct expr_program *p, expr_id id)
{
    static const int64_t instants[] = {0, 1, 999, 59999, 3599000, 5400000, 86399999, INT64_C(1743296399000)};
    static const uint32_t turns[] = {0, 1, 0, 2, 1};
    struct arena arena;
    struct look look;
    struct value first = {0};
    bool varies = expr_varies(p, id);
    arena_init(&arena, MEMORY_MAX_BYTES);
    look_init(&look, p, 0, &arena);
    for (size_t i = 0; i < sizeof instants / sizeof *instants; i++) {
        expr_eval_at(&look.ev, instants[i]);
        for (size_t k = 0; k < sizeof turns / sizeof *turns; k++) {
            check_thing(&look.ev, turns[k], p, id, &arena);
            if (k == 0)
                first = expr_eval(&look.ev, id);
            REQUIRE(varies || value_same(first, expr_eval(&look.ev, id)));
        }
    }
    arena_free(&arena);
}

static void ignore_leaf(void *ctx, expr_id leaf, struct str name)
{
    (void)ctx;
    REQUIRE(leaf != EXPR_NONE && name.n > 0);
}

static void ignore_slot(void *ctx, uint32_t slot)
{
    (void)ctx;
    REQUIRE(slot < SLOTS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    if (!zones && tzdb_load(&zones, NULL, NULL))
        abort();
    arena_init(&arena, MEMORY_MAX_BYTES);
    struct expr_program *p = expr_program_new(&arena);
    REQUIRE(p);
    for (uint32_t i = 0; i < SLOTS; i++)
        REQUIRE(expr_slot_add(p, &slots[i].slot) == i);
    struct findings findings = {.size = size};
    struct expr_report report = {&findings, add};
    struct expr_scope scope = {.ident = ident, .call = call, .defers = defers, .each_name = each_name};
    struct str text = {(const char *)data, size};
    expr_id id, again;
    int rc = expr_compile(p, &scope, text, (struct expr_type){0}, &report, &id);
    REQUIRE((rc == ERR_INVALID) == (findings.errors > 0));
    REQUIRE((rc == 0) == (id != EXPR_NONE));
    if (rc == 0) {
        size_t nodes = expr_node_count(p);
        REQUIRE(expr_compile(p, &scope, text, (struct expr_type){0}, &report, &again) == 0);
        REQUIRE(again == id && expr_node_count(p) == nodes);
        expr_leaves(p, id, ignore_leaf, NULL);
        expr_slots(p, id, ignore_slot, NULL);
        evaluate(p, id);
    }
    arena_free(&arena);
    return 0;
}
