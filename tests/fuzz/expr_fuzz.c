/* Fuzz target: any text as an expression. It either compiles or is refused with findings whose places lie in
 * the text; what compiles gives the same node again, evaluates at any instant to what a fresh evaluation
 * gives there, has the type it was declared with, and does not change before the instant that
 * expr_next_change names.
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
};
enum { SLOTS = sizeof slots / sizeof *slots, STEP = SLOTS - 1 };

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
        REQUIRE(args[i].length > 0);
    if (count == 1)
        return ident(ctx, STR("d"), out);
    report->add(report->ctx, DIAG_ERROR, 0, "one argument");
    return ERR_INVALID;
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

static struct value load(void *ctx, uint32_t slot, int64_t now_ms)
{
    (void)ctx;
    struct value v = slots[slot].value;
    if (slots[slot].slot.motion == EXPR_CLOCK)
        v.integer += now_ms;
    else if (slots[slot].slot.motion == EXPR_STEPS)
        v.integer = now_ms / 1000;
    return v;
}

static int64_t next_change(void *ctx, uint32_t slot, int64_t t_ms)
{
    (void)ctx;
    (void)slot;
    return (t_ms / 1000 + 1) * 1000;
}

static void evaluate(const struct expr_program *p, expr_id id)
{
    static const int64_t instants[] = {0, 1, 999, 59999, 3599000, 5400000, 86399999, INT64_C(1743296399000)};
    struct expr_source source = {.load = load, .next_change = next_change, .zones = zones};
    struct arena arena;
    struct expr_eval ev, fresh;
    arena_init(&arena, MEMORY_MAX_BYTES);
    REQUIRE(expr_eval_init(&ev, p, &source, 0, &arena) == 0);
    for (size_t i = 0; i < sizeof instants / sizeof *instants; i++) {
        expr_eval_at(&ev, instants[i]);
        struct value v = expr_eval(&ev, id);
        uint8_t kind = expr_type_of(p, id).kind;
        REQUIRE(v.type <= VALUE_ERROR || kind == VALUE_UNKNOWN || kind == v.type);
        REQUIRE(expr_eval_init(&fresh, p, &source, instants[i], &arena) == 0);
        REQUIRE(value_same(v, expr_eval(&fresh, id)));
        int64_t next = expr_next_change(&ev, id);
        REQUIRE(next > instants[i]);
        /* the last millisecond before, one in the middle, one in a day at most */
        int64_t before = next - 1 - instants[i] > 86400000 ? instants[i] + 86400000 : next - 1;
        expr_eval_at(&fresh, instants[i] + (before - instants[i]) / 2);
        REQUIRE(value_same(v, expr_eval(&fresh, id)));
        expr_eval_at(&fresh, before);
        REQUIRE(value_same(v, expr_eval(&fresh, id)));
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
    struct expr_scope scope = {NULL, ident, call, each_name};
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
