/* Names of a policy's expressions; see symbols.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "policy/symbols.h"
#include "policy/action_fields.h"
#include <stdarg.h>

static const char *const calls[] = {"count", "sum", "last", "last_at", "age", "open", NULL};

/* ---- slots ---- */

static void slot_describe(struct loader *l, enum slot_kind kind, uint32_t index, struct expr_slot *s)
{
    const struct policy *p = l->policy;
    switch (kind) {
    case SLOT_NOW:
        *s = (struct expr_slot){.name = STR("now"), .type = {VALUE_TIMESTAMP, 0}, .motion = EXPR_CLOCK};
        break;
    case SLOT_CHANNEL:
        *s = (struct expr_slot){.name = STR("channel"),
                                .type = {VALUE_STRING, 0},
                                .domain = loader_channel_names(l),
                                .domain_count = p->channel_count};
        break;
    case SLOT_ATTRIBUTE:
    case SLOT_CONTEXT: {
        const struct schema_field *f =
            kind == SLOT_ATTRIBUTE ? &p->schema.attributes[index] : &p->context[index];
        *s = (struct expr_slot){
            .name = f->path, .type = {f->type, 0}, .domain = f->domain, .domain_count = f->domain_count};
        break;
    }
    case SLOT_AGGREGATE: {
        const struct schema_aggregate *a = &p->schema.aggregates[index];
        bool windowed = a->kind == AGGREGATE_COUNT || a->kind == AGGREGATE_SUM || a->kind == AGGREGATE_OPEN;
        *s = (struct expr_slot){
            .name = a->name, .type = {a->type, 0}, .motion = windowed ? EXPR_STEPS : EXPR_STILL};
        break;
    }
    case SLOT_AGE: {
        const struct schema_aggregate *a = &p->schema.aggregates[index];
        struct str signal = p->schema.signals[a->signal].name;
        *s = (struct expr_slot){.name = loader_text(l, "age(%.*s)", STR_ARG(signal)),
                                .type = {VALUE_DURATION, 0},
                                .motion = EXPR_CLOCK};
        break;
    }
    case SLOT_ACTION: {
        const struct loader_field *f = action_field_find(l, p->fields[index]);
        *s = (struct expr_slot){.name = f->path,
                                .type = {f->type, 0},
                                .varies = true,
                                .domain = f->values,
                                .domain_count = f->value_count};
        break;
    }
    }
}

uint32_t symbols_slot(struct loader *l, enum slot_kind kind, uint32_t index)
{
    struct policy *p = l->policy;
    for (size_t i = 0; i < p->slot_count; i++)
        if (p->slots[i].kind == kind && p->slots[i].index == index)
            return (uint32_t)i;
    struct expr_slot s;
    slot_describe(l, kind, index, &s);
    if ((p->slot_count & (p->slot_count - 1)) == 0) {
        struct policy_slot *grown = loader_alloc(l, (p->slot_count ? p->slot_count * 2 : 1) * sizeof *grown);
        if (!grown)
            return EXPR_NONE;
        if (p->slot_count)
            memcpy(grown, p->slots, p->slot_count * sizeof *grown);
        p->slots = grown;
    }
    uint32_t slot = expr_slot_add(p->program, &s);
    if (slot == EXPR_NONE) {
        l->full = true;
        return EXPR_NONE;
    }
    p->slots[p->slot_count++] = (struct policy_slot){kind, index};
    return slot;
}

/* ---- identifiers ---- */

static bool split(struct str path, struct str *head, struct str *tail)
{
    for (size_t i = 0; i < path.n; i++)
        if (path.p[i] == '.') {
            *head = (struct str){path.p, i};
            *tail = (struct str){path.p + i + 1, path.n - i - 1};
            return true;
        }
    return false;
}

static int slot_symbol(struct loader *l, enum slot_kind kind, long index, struct expr_symbol *out)
{
    if (index < 0)
        return ERR_NOTFOUND;
    *out = (struct expr_symbol){.kind = EXPR_SYM_SLOT, .slot = symbols_slot(l, kind, (uint32_t)index)};
    return out->slot == EXPR_NONE ? ERR_NOTFOUND : 0;
}

static long context_find(const struct policy *p, struct str name)
{
    for (size_t i = 0; i < p->context_count; i++)
        if (str_eq(p->context[i].name, name))
            return (long)i;
    return -1;
}

/* A constant in an action's own expressions; elsewhere a slot that varies with the action. */
static int action_symbol(struct loader *l, struct str name, struct expr_symbol *out)
{
    const struct policy_action *a = l->action;
    if (!a) {
        const struct loader_field *f = action_field_find(l, name);
        uint32_t index = f ? action_field_use(l, f) : EXPR_NONE;
        return slot_symbol(l, SLOT_ACTION, index == EXPR_NONE ? -1 : (long)index, out);
    }
    *out = (struct expr_symbol){.kind = EXPR_SYM_CONST, .constant = action_word(l->policy, a, name)};
    for (size_t i = 0; i < a->attribute_count; i++)
        if (str_eq(a->attributes[i].name, name))
            out->constant = a->attributes[i].value;
    return out->constant.type == VALUE_UNKNOWN ? ERR_NOTFOUND : 0;
}

static int ident(void *ctx, struct str path, struct expr_symbol *out)
{
    struct loader *l = ctx;
    struct str head, tail;
    if (split(path, &head, &tail)) {
        if (str_is(head, "profile"))
            return slot_symbol(l, SLOT_ATTRIBUTE, schema_attribute(&l->policy->schema, tail), out);
        if (str_is(head, "context"))
            return slot_symbol(l, SLOT_CONTEXT, context_find(l->policy, tail), out);
        if (str_is(head, "action"))
            return action_symbol(l, tail, out);
        return ERR_NOTFOUND;
    }
    if (str_is(path, "now"))
        return slot_symbol(l, SLOT_NOW, 0, out);
    if (str_is(path, "channel"))
        return slot_symbol(l, SLOT_CHANNEL, 0, out);
    long feature = policy_feature_find(l->policy, path);
    if (feature < 0)
        return ERR_NOTFOUND;
    if (l->policy->features[feature].node == EXPR_NONE) {
        /* One with an error of its own stands for anything, so that its users get no second finding. */
        if (!l->features[feature].settled && !l->features[feature].broken)
            l->missed = feature;
        *out = (struct expr_symbol){.kind = EXPR_SYM_CONST, .constant = value_unknown(UNKNOWN_ABSENT)};
        return 0;
    }
    *out = (struct expr_symbol){.kind = EXPR_SYM_NODE, .node = l->policy->features[feature].node};
    return 0;
}

static void visit_prefixed(struct loader *l, const char *prefix, struct str name,
                           void (*visit)(void *arg, struct str name), void *arg)
{
    char *text = arena_printf(l->arena, "%s.%.*s", prefix, STR_ARG(name));
    if (text)
        visit(arg, str_from(text));
}

static void each_name(void *ctx, void (*visit)(void *arg, struct str name), void *arg)
{
    struct loader *l = ctx;
    const struct policy *p = l->policy;
    visit(arg, STR("now"));
    visit(arg, STR("channel"));
    for (size_t i = 0; i < p->schema.attribute_count; i++)
        visit(arg, p->schema.attributes[i].path);
    for (size_t i = 0; i < p->context_count; i++)
        visit(arg, p->context[i].path);
    for (size_t i = 0; i < p->feature_count; i++)
        visit(arg, p->features[i].name);
    for (const char *const *c = calls; *c; c++)
        visit(arg, str_from(*c));
    if (!l->action) {
        for (size_t i = 0; i < l->field_count; i++)
            visit(arg, l->fields[i].path);
        return;
    }
    for (const char *const *w = action_words; *w; w++)
        visit_prefixed(l, "action", str_from(*w), visit, arg);
    for (size_t i = 0; i < l->action->attribute_count; i++)
        visit_prefixed(l, "action", l->action->attributes[i].name, visit, arg);
}

/* ---- aggregate calls ---- */

static void complain(const struct expr_report *report, size_t offset, const char *format, ...)
    PRINTF_LIKE(3, 4);
static void complain(const struct expr_report *report, size_t offset, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    report->add(report->ctx, DIAG_ERROR, offset, text);
}

static struct str list_of(struct loader *l, const struct str *words, size_t stride, size_t n)
{
    struct buf b;
    buf_init(&b, 400);
    for (size_t i = 0; i < n && b.n < 300; i++)
        buf_printf(&b, "%s%.*s", i ? ", " : "",
                   STR_ARG(*(const struct str *)(const void *)((const char *)words + i * stride)));
    struct str s = arena_str(l->arena, (struct str){(const char *)b.p, b.n});
    buf_free(&b);
    return s;
}

static bool find_signal(struct loader *l, struct str name, size_t offset, const struct expr_report *report,
                        uint32_t *out)
{
    const struct schema *schema = &l->policy->schema;
    long at = schema_signal_find(schema, name);
    if (at >= 0) {
        *out = (uint32_t)at;
        return true;
    }
    struct suggest s;
    suggest_init(&s, name);
    for (size_t i = 0; i < schema->signal_count; i++)
        suggest_offer(&s, schema->signals[i].name);
    struct str best = suggest_best(&s);
    complain(report, offset, "unknown signal '%.*s'%s%.*s%s declared: %.*s", STR_ARG(name),
             best.n ? "; did you mean " : "", STR_ARG(best), best.n ? "?" : ";",
             STR_ARG(list_of(l, &schema->signals->name, sizeof *schema->signals, schema->signal_count)));
    return false;
}

static bool find_property(struct loader *l, struct str path, size_t offset, const struct expr_report *report,
                          uint32_t *signal, uint32_t *property)
{
    struct str head, tail;
    if (!split(path, &head, &tail)) {
        complain(report, offset, "expected a property like cart_add.price, got '%.*s'", STR_ARG(path));
        return false;
    }
    if (!find_signal(l, head, offset, report, signal))
        return false;
    const struct schema_signal *g = &l->policy->schema.signals[*signal];
    long at = schema_property(g, tail);
    if (at >= 0) {
        *property = (uint32_t)at;
        return true;
    }
    struct suggest s;
    suggest_init(&s, tail);
    for (size_t i = 0; i < g->property_count; i++)
        suggest_offer(&s, g->properties[i].name);
    struct str best = suggest_best(&s);
    struct str declared = STR("none");
    if (g->property_count)
        declared = list_of(l, &g->properties->name, sizeof *g->properties, g->property_count);
    complain(report, offset, "signal %.*s has no property '%.*s'%s%.*s%s declared: %.*s", STR_ARG(head),
             STR_ARG(tail), best.n ? "; did you mean " : "", STR_ARG(best), best.n ? "?" : ";",
             STR_ARG(declared));
    return false;
}

struct shape {
    const char *op;
    enum aggregate_kind kind;
    size_t paths;
    bool property, window;
    const char *example;
};

static const struct shape shapes[] = {
    {"count", AGGREGATE_COUNT, 1, false, true, "count(cart_add, 24h)"},
    {"sum", AGGREGATE_SUM, 1, true, true, "sum(cart_add.price, 24h)"},
    {"last", AGGREGATE_LAST, 1, true, false, "last(cart_add.sku)"},
    {"last_at", AGGREGATE_LAST_AT, 1, false, false, "last_at(cart_add)"},
    {"age", AGGREGATE_LAST_AT, 1, false, false, "age(cart_add)"},
    {"open", AGGREGATE_OPEN, 2, true, true, "open(support_contact.case, support_resolved.case, 90d)"},
};

static const struct shape *shape_of(struct str op)
{
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        if (str_is(op, shapes[i].op))
            return &shapes[i];
    return NULL;
}

static bool check_shape(const struct symbols_call *call, const struct shape *shape,
                        const struct expr_report *report)
{
    bool window_ok = shape->window ? call->window_ms >= WINDOW_MIN_MS && call->window_ms <= WINDOW_MAX_MS
                                   : call->window_ms == 0;
    if (call->path_count == shape->paths && window_ok)
        return true;
    if (call->path_count == shape->paths && shape->window && call->window_ms != 0)
        complain(report, call->window_offset, "a window is from 1m to 400d");
    else
        complain(report, call->offsets[0], "%s is used like %s", shape->op, shape->example);
    return false;
}

bool symbols_aggregate(struct loader *l, const struct symbols_call *call, const struct expr_report *report,
                       uint32_t *slot)
{
    const struct shape *shape = shape_of(call->op);
    if (!shape || !check_shape(call, shape, report))
        return false;
    struct schema *schema = &l->policy->schema;
    struct schema_aggregate a = {.kind = shape->kind, .property = UINT32_MAX, .window_ms = call->window_ms};
    if (shape->property ? !find_property(l, call->args[0], call->offsets[1], report, &a.signal, &a.property)
                        : !find_signal(l, call->args[0], call->offsets[1], report, &a.signal))
        return false;
    if (shape->paths == 2 &&
        !find_property(l, call->args[1], call->offsets[2], report, &a.close_signal, &a.close_property))
        return false;
    if (a.kind == AGGREGATE_SUM) {
        const struct schema_field *f = &schema->signals[a.signal].properties[a.property];
        if (f->type != VALUE_DOUBLE && f->type != VALUE_INT && f->type != VALUE_UNKNOWN) {
            complain(report, call->offsets[1], "sum needs a number; %.*s is a %s", STR_ARG(call->args[0]),
                     value_type_name(f->type));
            return false;
        }
    }
    long index = schema_aggregate_add(schema, &a);
    if (index < 0) {
        complain(report, call->offsets[0], "more than %d aggregates", SCHEMA_AGGREGATES_MAX);
        return false;
    }
    *slot = symbols_slot(l, str_is(call->op, "age") ? SLOT_AGE : SLOT_AGGREGATE, (uint32_t)index);
    return *slot != EXPR_NONE;
}

static int call_symbol(void *ctx, struct str name, const struct expr_arg *args, size_t count, size_t offset,
                       const struct expr_report *report, struct expr_symbol *out)
{
    struct loader *l = ctx;
    const struct shape *shape = shape_of(name);
    if (!shape)
        return ERR_NOTFOUND;
    struct symbols_call call = {.op = name, .offsets = {offset}};
    for (size_t i = 0; i < count; i++) {
        if (args[i].constant.type == VALUE_DURATION && call.window_ms == 0 && i == count - 1) {
            call.window_ms = args[i].constant.integer;
            call.window_offset = args[i].offset;
        } else if (args[i].path.n && call.path_count < 3) {
            call.args[call.path_count] = args[i].path;
            call.offsets[++call.path_count] = args[i].offset;
        } else {
            complain(report, args[i].offset, "%s is used like %s", shape->op, shape->example);
            return ERR_INVALID;
        }
    }
    *out = (struct expr_symbol){.kind = EXPR_SYM_SLOT};
    return symbols_aggregate(l, &call, report, &out->slot) ? 0 : ERR_INVALID;
}

struct expr_scope symbols_scope(struct loader *l)
{
    return (struct expr_scope){l, ident, call_symbol, each_name};
}
