/* A small host for the tests of expr: slots from a table (those called action.x vary), findings kept, loads
 * counted.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_EXPR_HARNESS_H
#define TESTS_EXPR_HARNESS_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include "expr/expr.h"

enum { FINDINGS_MAX = 64, SLOTS_MAX = 64 };

struct finding {
    enum diag_severity severity;
    size_t offset;
    char text[512];
};

struct test_slot {
    const char *name;
    uint8_t kind, element;
    enum expr_motion motion;
    struct value value; /* EXPR_CLOCK: at time 0 */
};

struct harness {
    struct arena arena, request;
    struct expr_program *program;
    struct expr_scope scope;
    struct expr_report report;
    struct expr_source source;
    const struct test_slot *slots;
    struct value values[SLOTS_MAX];
    int loads[SLOTS_MAX];
    size_t count;
    struct finding findings[FINDINGS_MAX];
    size_t finding_count;
    /* named features: compiled expressions */
    struct str feature_names[SLOTS_MAX];
    expr_id features[SLOTS_MAX];
    size_t feature_count;
};

static inline void harness_report(void *ctx, enum diag_severity severity, size_t offset, const char *text)
{
    struct harness *h = ctx;
    if (h->finding_count == FINDINGS_MAX)
        return;
    struct finding *f = &h->findings[h->finding_count++];
    f->severity = severity;
    f->offset = offset;
    snprintf(f->text, sizeof f->text, "%s", text);
}

static inline int harness_ident(void *ctx, struct str path, struct expr_symbol *out)
{
    struct harness *h = ctx;
    for (size_t i = 0; i < h->count; i++) {
        if (str_is(path, h->slots[i].name)) {
            *out = (struct expr_symbol){.kind = EXPR_SYM_SLOT, .slot = (uint32_t)i};
            return 0;
        }
    }
    for (size_t i = 0; i < h->feature_count; i++) {
        if (str_eq(path, h->feature_names[i])) {
            *out = (struct expr_symbol){.kind = EXPR_SYM_NODE, .node = h->features[i]};
            return 0;
        }
    }
    if (str_is(path, "limits.two")) {
        *out = (struct expr_symbol){.kind = EXPR_SYM_CONST, .constant = value_int(2)};
        return 0;
    }
    return ERR_NOTFOUND;
}

/* sum(path, window) and min(path, window) are slots of that very text; shop.open(x) is slot "t". */
static inline int harness_call(void *ctx, struct str name, const struct expr_arg *args, size_t count,
                               size_t offset, const struct expr_report *report, struct expr_symbol *out)
{
    struct harness *h = ctx;
    if (str_is(name, "shop.open"))
        return harness_ident(ctx, STR("t"), out);
    if (!str_is(name, "sum") && !str_is(name, "min"))
        return ERR_NOTFOUND;
    if (count != 2 || args[0].path.n == 0 || args[1].constant.type != VALUE_DURATION) {
        report->add(report->ctx, DIAG_ERROR, count ? args[count - 1].offset : offset,
                    "aggregates are written as in sum(purchase.amount, 30d)");
        return ERR_INVALID;
    }
    char text[200];
    snprintf(text, sizeof text, "%.*s(%.*s, %lldh)", STR_ARG(name), STR_ARG(args[0].path),
             (long long)args[1].constant.integer / 3600000);
    if (harness_ident(h, str_from(text), out) == 0)
        return 0;
    report->add(report->ctx, DIAG_ERROR, args[0].offset, "there is no such signal property");
    return ERR_INVALID;
}

static inline void harness_each(void *ctx, void (*visit)(void *arg, struct str name), void *arg)
{
    struct harness *h = ctx;
    for (size_t i = 0; i < h->count; i++)
        visit(arg, str_from(h->slots[i].name));
    for (size_t i = 0; i < h->feature_count; i++)
        visit(arg, h->feature_names[i]);
    visit(arg, STR("sum"));
}

static inline struct value harness_load(void *ctx, uint32_t slot, int64_t now_ms)
{
    struct harness *h = ctx;
    struct value v = h->values[slot];
    h->loads[slot]++;
    if (h->slots[slot].motion == EXPR_CLOCK && v.type > VALUE_ERROR) {
        v.integer += now_ms;
        if (v.type == VALUE_DURATION && v.integer > DURATION_MAX_MS)
            v.integer = DURATION_MAX_MS;
    }
    return v;
}

static const struct str harness_tiers[] = {{"basic", 5}, {"silver", 6}, {"gold", 4}};

static inline void harness_init(struct harness *h, const struct test_slot *slots, size_t count)
{
    memset(h, 0, sizeof *h);
    arena_init(&h->arena, 64 << 20);
    arena_init(&h->request, 64 << 20);
    h->program = expr_program_new(&h->arena);
    assert_non_null(h->program);
    h->scope = (struct expr_scope){.ctx = h, .ident = harness_ident, .call = harness_call, .each_name = harness_each};
    h->report = (struct expr_report){h, harness_report};
    h->source = (struct expr_source){.ctx = h, .load = harness_load};
    h->slots = slots;
    h->count = count;
    assert_true(count <= SLOTS_MAX);
    for (size_t i = 0; i < count; i++) {
        struct expr_slot slot = {.name = str_from(slots[i].name),
                                 .type = {slots[i].kind, slots[i].element},
                                 .motion = slots[i].motion,
                                 .varies = str_starts(str_from(slots[i].name), STR("action."))};
        if (str_is(slot.name, "profile.tier")) {
            slot.domain = harness_tiers;
            slot.domain_count = 3;
        }
        h->values[i] = slots[i].value;
        assert_int_equal(expr_slot_add(h->program, &slot), i);
    }
}

static inline void harness_free(struct harness *h)
{
    arena_free(&h->arena);
    arena_free(&h->request);
}

static inline int harness_compile(struct harness *h, const char *text, uint8_t want, expr_id *id)
{
    h->finding_count = 0;
    /* an exact copy, so that a sanitizer sees reads past the end */
    size_t n = strlen(text);
    char *copy = malloc(n ? n : 1);
    memcpy(copy, text, n);
    int rc = expr_compile(h->program, &h->scope, (struct str){copy, n}, (struct expr_type){want, 0},
                          &h->report, id);
    free(copy);
    return rc;
}

static inline void harness_feature(struct harness *h, const char *name, const char *text)
{
    expr_id id;
    assert_int_equal(harness_compile(h, text, VALUE_UNKNOWN, &id), 0);
    expr_name(h->program, id, str_from(name));
    h->feature_names[h->feature_count] = str_from(name);
    h->features[h->feature_count++] = id;
}

/* The value with its type, as in "int 5", "unknown absent", "error: …". Valid until the next call. */
static inline const char *harness_show(struct value v)
{
    static char text[1024];
    struct buf out;
    buf_init(&out, sizeof text - 1);
    if (v.type == VALUE_UNKNOWN)
        buf_str(&out, v.detail == UNKNOWN_ABSENT ? STR("unknown absent") : STR("unknown unreadable"));
    else if (v.type != VALUE_ERROR && v.type != VALUE_NULL)
        buf_printf(&out, "%s ", value_type_name((enum value_type)v.type));
    if (v.type != VALUE_UNKNOWN)
        value_format(v, &out);
    snprintf(text, sizeof text, "%.*s", (int)out.n, (const char *)out.p);
    buf_free(&out);
    return text;
}

#endif
