/* Names of a policy's expressions; see symbols.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "policy/symbols.h"
#include "policy/action_fields.h"
#include "policy/aggregate_calls.h"
#include "policy/load_journey.h"
#include "policy/load_was.h"
#include "policy/reaction_calls.h"
#include "policy/since_call.h"

/* ---- slots ---- */

static struct expr_slot field_slot(const struct schema_field *f)
{
    return (struct expr_slot){.name = f->path,
                              .type = {f->type, 0},
                              .domain = f->domain,
                              .domain_count = f->domain_count,
                              .ranged = f->ranged,
                              .least = f->least,
                              .most = f->most};
}

static void set_range(struct expr_slot *s, double least, double most)
{
    s->ranged = true;
    s->least = least;
    s->most = most;
}

/* The property that an aggregate over one looks at; NULL: it looks at none. */
static const struct schema_field *property_of(const struct schema *schema, uint32_t aggregate)
{
    for (size_t i = 0; i < schema->signal_count; i++)
        for (size_t k = 0; k < schema->signals[i].feed_count; k++) {
            const struct schema_feed *feed = &schema->signals[i].feeds[k];
            if (feed->aggregate == aggregate && feed->property != UINT32_MAX)
                return &schema->signals[i].properties[feed->property];
        }
    return NULL;
}

/* What the values of an aggregate keep to: parts to 0 and 1, the mood to a sentiment's range, the last, least, largest and
 * mean of a property to the property's. */
static void aggregate_range(const struct schema *schema, const struct policy_slot *slot, struct expr_slot *s)
{
    enum aggregate_kind kind = schema->aggregates[slot->index].kind;
    bool share = slot->kind == SLOT_RATIO && schema->aggregates[slot->second].kind == kind;
    bool alike = slot->kind == SLOT_AGGREGATE && (kind == AGGREGATE_LAST || kind == AGGREGATE_MIN || kind == AGGREGATE_MAX);
    if (slot->kind == SLOT_AFFINITY || share)
        set_range(s, 0, 1);
    else if (kind == AGGREGATE_MOOD)
        set_range(s, -1, 1);
    else if (slot->kind == SLOT_RATIO || alike) {
        const struct schema_field *f = property_of(schema, slot->index);
        if (f && f->ranged)
            set_range(s, f->least, f->most);
    }
}

/* A slot over an aggregate, by the call that makes it. */
static struct expr_slot aggregate_slot(struct loader *l, const struct policy_slot *slot)
{
    const struct schema_aggregate *aggregates = l->policy->schema.aggregates, *a = &aggregates[slot->index];
    /* what stands in the parentheses of the aggregate's own name */
    const char *open = memchr(a->name.p, '(', a->name.n);
    struct str inside = {open, a->name.n - (size_t)(open - a->name.p)};
    bool moves = aggregate_windowed(a->kind) || aggregate_decays(a->kind);
    struct expr_slot s = {.name = a->name, .type = {a->type, 0}, .motion = moves ? EXPR_STEPS : EXPR_STILL};
    switch (slot->kind) {
    case SLOT_SINCE:
        return (struct expr_slot){.name = loader_text(l, "since(%.*s)", STR_ARG(a->name)), .type = {VALUE_TIMESTAMP, 0}};
    case SLOT_AGE:
        s = (struct expr_slot){.name = loader_text(l, "age%.*s", STR_ARG(inside)),
                               .type = {VALUE_DURATION, 0},
                               .motion = EXPR_CLOCK};
        break;
    case SLOT_RATIO:
        s.name = aggregates[slot->second].kind == a->kind ? loader_text(l, "share%.*s", STR_ARG(inside))
                                                          : loader_text(l, "mean%.*s", STR_ARG(inside));
        s.type.kind = VALUE_DOUBLE;
        break;
    case SLOT_REPEATS:
        s.name = loader_text(l, "repeats%.*s", STR_ARG(inside));
        break;
    case SLOT_HOUR:
        s.name = loader_text(l, "hour_affinity%.*s", STR_ARG(inside));
        break;
    case SLOT_AFFINITY: {
        struct str key = slot->second == UINT32_MAX ? value_str(slot->key) : l->policy->fields[slot->second];
        s.name = slot->second == UINT32_MAX
                     ? loader_text(l, "affinity('%.*s', %.*s", STR_ARG(key), (int)inside.n - 1, inside.p + 1)
                     : loader_text(l, "affinity(action.%.*s, %.*s", STR_ARG(key), (int)inside.n - 1, inside.p + 1);
        s.type.kind = VALUE_DOUBLE;
        s.varies = slot->second != UINT32_MAX;
        break;
    }
    default:
        if (a->kind == AGGREGATE_KEYS)
            s.name = loader_text(l, "distinct%.*s", STR_ARG(inside));
    }
    aggregate_range(&l->policy->schema, slot, &s);
    return s;
}

static struct expr_slot slot_describe(struct loader *l, const struct policy_slot *slot)
{
    const struct policy *p = l->policy;
    switch (slot->kind) {
    case SLOT_NOW:
        return (struct expr_slot){.name = STR("now"), .type = {VALUE_TIMESTAMP, 0}, .motion = EXPR_CLOCK};
    case SLOT_CHANNEL:
        return (struct expr_slot){.name = STR("channel"),
                                  .type = {VALUE_STRING, 0},
                                  .domain = loader_channel_names(l),
                                  .domain_count = p->channel_count};
    case SLOT_ATTRIBUTE:
        return field_slot(&p->schema.attributes[slot->index]);
    case SLOT_CONTEXT:
        return field_slot(&p->context[slot->index]);
    case SLOT_ACTION: {
        const struct loader_field *f = action_field_find(l, p->fields[slot->index]);
        return (struct expr_slot){.name = f->path,
                                  .type = {f->type, 0},
                                  .varies = true,
                                  .domain = f->values,
                                  .domain_count = f->value_count};
    }
    case SLOT_PREFERENCE:
        if (slot->index == 1)
            return (struct expr_slot){.name = STR("preferences.paused_until"), .type = {VALUE_TIMESTAMP, 0}};
        return (struct expr_slot){.name = STR("preferences.channel"),
                                  .type = {VALUE_STRING, 0},
                                  .domain = loader_channel_names(l),
                                  .domain_count = p->channel_count};
    case SLOT_STAGE:
    case SLOT_STAGE_BEFORE:
    case SLOT_STAGE_SINCE:
    case SLOT_PREVIOUS_STAGE:
    case SLOT_TOUCH:
    case SLOT_FOLLOWED:
        return journey_slot(l, slot);
    case SLOT_REACTION:
        return reaction_slot(l, slot);
    default:
        return aggregate_slot(l, slot);
    }
}

static bool same_slot(const struct policy_slot *a, const struct policy_slot *b)
{
    if (a->kind != b->kind || a->index != b->index || a->second != b->second || a->key.type != b->key.type)
        return false;
    if (a->key.type == VALUE_DURATION)
        return a->key.integer == b->key.integer;
    return a->key.type != VALUE_STRING || str_eq(value_str(a->key), value_str(b->key));
}

uint32_t symbols_slot(struct loader *l, const struct policy_slot *wanted)
{
    struct policy *p = l->policy;
    for (size_t i = 0; i < p->slot_count; i++)
        if (same_slot(&p->slots[i], wanted))
            return (uint32_t)i;
    struct expr_slot s = slot_describe(l, wanted);
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
    p->slots[p->slot_count++] = *wanted;
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
    struct policy_slot wanted = {.kind = kind, .index = (uint32_t)index};
    *out = (struct expr_symbol){.kind = EXPR_SYM_SLOT, .slot = symbols_slot(l, &wanted)};
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
    int rc = journey_symbol(l, path, out);
    if (rc != ERR_NOTFOUND)
        return rc;
    if (split(path, &head, &tail)) {
        if (str_is(head, "profile"))
            return slot_symbol(l, SLOT_ATTRIBUTE, schema_attribute(&l->policy->schema, tail), out);
        if (str_is(head, "context"))
            return slot_symbol(l, SLOT_CONTEXT, context_find(l->policy, tail), out);
        if (str_is(head, "action"))
            return action_symbol(l, tail, out);
        for (size_t i = 0; str_is(head, "places") && i < l->policy->places_count; i++)
            if (str_eq(l->policy->places[i].name, tail)) {
                *out = (struct expr_symbol){.kind = EXPR_SYM_CONST, .constant = l->policy->places[i].list};
                return 0;
            }
        if (str_is(head, "preferences"))
            return slot_symbol(l, SLOT_PREFERENCE, str_is(tail, "channel") ? 0 : str_is(tail, "paused_until") ? 1 : -1, out);
        return ERR_NOTFOUND;
    }
    if (str_is(path, "now"))
        return slot_symbol(l, SLOT_NOW, 0, out);
    if (str_is(path, "channel"))
        return slot_symbol(l, SLOT_CHANNEL, 0, out);
    long feature = policy_feature_find(l->policy, path);
    if (feature < 0 && str_is(path, "mood")) {
        *out = (struct expr_symbol){.kind = EXPR_SYM_SLOT};
        return aggregate_call_mood(l, &out->slot) ? 0 : ERR_NOTFOUND;
    }
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

/* ---- names that are no values ---- */

/* The example of a call of this name; NULL: there is none. */
static const char *call_example(struct str name, struct arena *arena)
{
    if (aggregate_call_is(name))
        return aggregate_call_example(name);
    if (str_is(name, "followed_by"))
        return "followed_by(cart_add, purchase, 7d)";
    if (str_is(name, "since"))
        return "since(cart_value_24h), of a feature";
    for (const char *const *c = reaction_call_names; *c; c++)
        if (str_is(name, *c))
            return arena_printf(arena, "%s(action.id) or %s(action.group)", *c, *c);
    return NULL;
}

static const char *advice(void *ctx, struct str path, struct arena *arena)
{
    struct loader *l = ctx;
    const struct schema *schema = &l->policy->schema;
    const char *example = call_example(path, arena), *was = was_advice(l->policy, path, arena);
    struct str head = path, tail = {0};
    if (was)
        return was;
    if (str_is(path, "mood"))
        return "it needs a signal with a property of type sentiment";
    if (example)
        return arena_printf(arena, "it is a call; write %s", example);
    if (journey_would_know(l, path))
        return "stages and touch points are known where the policy has a section journey";
    bool dotted = split(path, &head, &tail);
    long signal = schema_signal_find(schema, head);
    if (signal < 0)
        return NULL;
    if (!dotted)
        return arena_printf(arena, "it is a signal; write count(%.*s, 24h) or another call over it", STR_ARG(path));
    if (schema_property(&schema->signals[signal], tail) < 0)
        return arena_printf(arena, "signal %.*s has no property '%.*s'", STR_ARG(head), STR_ARG(tail));
    return arena_printf(arena, "it is of an event; write last(%.*s) or another call over it", STR_ARG(path));
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
    for (size_t i = 0; i < p->places_count; i++)
        visit_prefixed(l, "places", p->places[i].name, visit, arg);
    visit(arg, STR("preferences.channel"));
    visit(arg, STR("preferences.paused_until"));
    for (size_t i = 0; i < p->schema.attribute_count; i++)
        visit(arg, p->schema.attributes[i].path);
    for (size_t i = 0; i < p->context_count; i++)
        visit(arg, p->context[i].path);
    for (size_t i = 0; i < p->feature_count; i++)
        visit(arg, p->features[i].name);
    for (const char *const *c = aggregate_call_names; *c; c++)
        if (strcmp(*c, "mood") != 0) /* nobody means it who did not write it */
            visit(arg, str_from(*c));
    for (const char *const *c = journey_names(l); *c; c++)
        visit(arg, str_from(*c));
    for (const char *const *c = reaction_call_names; *c; c++)
        visit(arg, str_from(*c));
    visit(arg, STR("since"));
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

/* ---- calls ---- */

static int call_symbol(void *ctx, struct str name, const struct expr_arg *args, size_t count, size_t offset,
                       const struct expr_report *report, struct expr_symbol *out)
{
    int rc = since_call_symbol(ctx, name, args, count, offset, report, out);
    if (rc == ERR_NOTFOUND)
        rc = reaction_call_symbol(ctx, name, args, count, offset, report, out);
    if (rc == ERR_NOTFOUND)
        rc = journey_call_symbol(ctx, name, args, count, offset, report, out);
    return rc == ERR_NOTFOUND ? aggregate_call_symbol(ctx, name, args, count, offset, report, out) : rc;
}

/* Filters of events are compiled in a scope of their own. */
static bool defers(void *ctx, struct str name)
{
    (void)ctx;
    return aggregate_call_is(name);
}

struct expr_scope symbols_scope(struct loader *l)
{
    return (struct expr_scope){.ctx = l,
                               .ident = ident,
                               .call = call_symbol,
                               .defers = defers,
                               .advice = advice,
                               .zones = l->policy->zones,
                               .each_name = each_name};
}
