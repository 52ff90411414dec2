/* Section journey of a policy; see load_journey.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "policy/load_journey.h"
#include "policy/action_fields.h"
#include "policy/symbols.h"
#include "state/schema.h"

enum { STAGES_MAX = 64 };

static const char *const names[] = {"stage",           "previous_stage",     "stage_age",   "stage_since",
                                    "last_touch.name", "last_touch.channel", "followed_by", NULL};

const char *const *journey_names(const struct loader *l)
{
    return l->policy->schema.keeps_touches ? names : names + sizeof names / sizeof names[0] - 1;
}

bool journey_would_know(const struct loader *l, struct str name)
{
    for (const char *const *n = names; *n && !l->policy->schema.keeps_touches; n++)
        if (str_is(name, *n))
            return true;
    return false;
}

/* ---- the section ---- */

/* The list of stages; NULL when there is none. A second one is reported once. */
static const struct yaml_node *stages_of(struct loader *l, bool report)
{
    static const char *const keys[] = {"stages", NULL};
    const struct yaml_node *found = NULL;
    for (size_t f = 0; f < l->file_count; f++) {
        const struct yaml_node *n = yaml_get(l->files[f], "journey");
        if (!n)
            continue;
        if (found && report)
            yaml_diag(l->diags, DIAG_ERROR, n, "a second journey section; the first is in %s", found->file);
        found = found ? found : n;
    }
    if (!found || found->kind != YAML_MAPPING) {
        if (found && report)
            (void)yaml_expect(l->diags, found, YAML_MAPPING, "a journey like {stages: [{id: new, enter: \"…\"}]}");
        return NULL;
    }
    if (report)
        yaml_known_keys(l->diags, found, "journey", keys);
    const struct yaml_node *stages = yaml_get(found, "stages");
    if (!stages || stages->kind != YAML_SEQUENCE || stages->count == 0 || stages->count > STAGES_MAX) {
        if (report)
            yaml_diag(l->diags, DIAG_ERROR, stages ? stages : found, "a journey has a list of 1 to %d stages, like "
                                                                      "stages: [{id: new, enter: \"…\"}]",
                      STAGES_MAX);
        return NULL;
    }
    return stages;
}

static bool is_stage(const struct policy *p, struct str name)
{
    for (size_t i = 0; i < p->stage_count; i++)
        if (str_eq(p->stages[i].word.name, name))
            return true;
    return false;
}

static void load_stage_name(struct loader *l, const struct yaml_node *n)
{
    static const char *const keys[] = {"id", "enter", "leave", NULL};
    struct policy *p = l->policy;
    const struct yaml_node *id;
    struct str name = {0};
    if (!yaml_expect(l->diags, n, YAML_MAPPING, "a stage like {id: new, enter: \"count(purchase, 400d) == 0\"}"))
        return;
    yaml_known_keys(l->diags, n, "a stage", keys);
    if (!(id = yaml_get(n, "id")))
        yaml_diag(l->diags, DIAG_ERROR, n, "a stage needs an id");
    if (!id || !loader_name(l, id, true, "stage", &name))
        return;
    if (str_is(name, "none")) {
        yaml_diag(l->diags, DIAG_ERROR, id, "'none' means no stage, and cannot be one");
        return;
    }
    if (is_stage(p, name)) {
        yaml_diag(l->diags, DIAG_ERROR, id, "a second stage is called %.*s", STR_ARG(name));
        return;
    }
    p->stages[p->stage_count++] = (struct policy_stage){
        .word = {.name = name, .path = loader_text(l, "stage.%.*s", STR_ARG(name))},
        .enter = EXPR_NONE,
        .leave = EXPR_NONE};
}

void load_stage_names(struct loader *l)
{
    struct policy *p = l->policy;
    size_t errors = l->diags->errors;
    const struct yaml_node *stages = stages_of(l, true);
    p->stages = stages ? loader_alloc(l, stages->count * sizeof *p->stages) : NULL;
    l->journey_broken = !stages && l->diags->errors > errors;
    for (size_t i = 0; p->stages && i < stages->count; i++)
        load_stage_name(l, stages->items[i]);
    p->schema.keeps_touches = stages || l->journey_broken;
}

struct slot_search {
    const struct policy *policy;
    bool circular;
    struct str request; /* what it looks at of a request; empty: nothing */
};

static void search_slot(void *ctx, uint32_t slot)
{
    struct slot_search *s = ctx;
    enum slot_kind kind = s->policy->slots[slot].kind;
    s->circular |= kind == SLOT_STAGE || kind == SLOT_STAGE_SINCE || kind == SLOT_PREVIOUS_STAGE;
    if (kind == SLOT_CHANNEL || kind == SLOT_CONTEXT)
        s->request = expr_slot_at(s->policy->program, slot)->name;
}

static expr_id stage_rule(struct loader *l, const struct yaml_node *n)
{
    struct policy *p = l->policy;
    expr_id id = EXPR_NONE;
    l->in_stage_rule = true;
    bool good = loader_expr(l, n, VALUE_BOOL, &id);
    l->in_stage_rule = false;
    if (!good)
        return EXPR_NONE;
    struct slot_search s = {.policy = p};
    expr_slots(p->program, id, search_slot, &s);
    if (s.circular)
        yaml_diag(l->diags, DIAG_ERROR, n, "a stage depends on itself through a feature that looks at the stage; write "
                                           "`stage` here instead, the one before this rule is looked at");
    if (expr_varies(p->program, id))
        yaml_diag(l->diags, DIAG_ERROR, n, "a stage is the customer's, whatever action is looked at");
    if (s.request.n)
        yaml_diag(l->diags, DIAG_ERROR, n, "a stage is the customer's, whatever is asked: %.*s is of one request",
                  STR_ARG(s.request));
    return s.circular || s.request.n || expr_varies(p->program, id) ? EXPR_NONE : id;
}

/* Stages that nobody comes into. */
static void warn_unreached(struct loader *l, const struct yaml_node *n, const struct policy_stage *stage)
{
    const struct policy *p = l->policy;
    const struct value *enter = stage->enter == EXPR_NONE ? NULL : expr_constant(p->program, stage->enter);
    if (enter && enter->type == VALUE_BOOL && !enter->boolean)
        yaml_diag(l->diags, DIAG_WARNING, n, "enter is never true, so nobody comes into stage %.*s",
                  STR_ARG(stage->word.name));
    for (const struct policy_stage *before = p->stages; before < stage; before++) {
        const struct value *always = before->enter == EXPR_NONE ? NULL : expr_constant(p->program, before->enter);
        bool takes = stage->enter == before->enter || (always && always->type == VALUE_BOOL && always->boolean);
        if (stage->enter == EXPR_NONE || before->leave != EXPR_NONE || !takes)
            continue;
        yaml_diag(l->diags, DIAG_WARNING, n,
                  "whenever this is true %.*s, which stands before, is entered, so nobody comes into stage %.*s",
                  STR_ARG(before->word.name), STR_ARG(stage->word.name));
        return;
    }
}

void load_stage_rules(struct loader *l)
{
    struct policy *p = l->policy;
    const struct yaml_node *stages = p->stage_count ? stages_of(l, false) : NULL;
    for (size_t i = 0; stages && i < stages->count; i++) {
        const struct yaml_node *n = stages->items[i], *id = n->kind == YAML_MAPPING ? yaml_get(n, "id") : NULL;
        for (size_t k = 0; id && k < p->stage_count; k++) {
            struct policy_stage *stage = &p->stages[k];
            if (!str_eq(stage->word.name, id->text) || stage->enter != EXPR_NONE)
                continue;
            if (!yaml_get(n, "enter"))
                yaml_diag(l->diags, DIAG_ERROR, n, "stage %.*s has no enter: when a customer comes into it",
                          STR_ARG(stage->word.name));
            else
                stage->enter = stage_rule(l, yaml_get(n, "enter"));
            if (yaml_get(n, "leave"))
                stage->leave = stage_rule(l, yaml_get(n, "leave"));
            if (yaml_get(n, "enter"))
                warn_unreached(l, yaml_get(n, "enter"), stage);
        }
    }
}

/* ---- what expressions say of it ---- */

static int slot_of(struct loader *l, const struct policy_slot *wanted, struct expr_symbol *out)
{
    *out = (struct expr_symbol){.kind = EXPR_SYM_SLOT, .slot = symbols_slot(l, wanted)};
    return out->slot == EXPR_NONE ? ERR_NOTFOUND : 0;
}

/* now - stage_since, so that its law is that of its parts. */
static int age_of_stage(struct loader *l, struct expr_symbol *out)
{
    struct expr_scope scope = symbols_scope(l);
    struct expr_report silent = {NULL, NULL};
    *out = (struct expr_symbol){.kind = EXPR_SYM_NODE};
    return expr_compile(l->policy->program, &scope, STR("now - stage_since"), (struct expr_type){VALUE_DURATION, 0},
                        &silent, &out->node)
               ? ERR_NOTFOUND
               : 0;
}

int journey_symbol(struct loader *l, struct str path, struct expr_symbol *out)
{
    if (!l->policy->schema.keeps_touches)
        return ERR_NOTFOUND;
    if (str_is(path, "stage_age"))
        return age_of_stage(l, out);
    static const struct {
        const char *path;
        enum slot_kind kind;
        uint32_t index;
    } slots[] = {{"stage", SLOT_STAGE, 0},
                 {"stage_since", SLOT_STAGE_SINCE, 0},
                 {"previous_stage", SLOT_PREVIOUS_STAGE, 0},
                 {"last_touch.name", SLOT_TOUCH, 0},
                 {"last_touch.channel", SLOT_TOUCH, 1}};
    for (size_t i = 0; i < sizeof slots / sizeof slots[0]; i++)
        if (str_is(path, slots[i].path)) {
            struct policy_slot wanted = {.kind = slots[i].kind, .index = slots[i].index};
            if (l->in_stage_rule && wanted.kind <= SLOT_PREVIOUS_STAGE)
                wanted = (struct policy_slot){.kind = SLOT_STAGE_BEFORE, .index = (uint32_t)i};
            return slot_of(l, &wanted, out);
        }
    return ERR_NOTFOUND;
}

int journey_call_symbol(struct loader *l, struct str name, const struct expr_arg *args, size_t count, size_t offset,
                        const struct expr_report *report, struct expr_symbol *out)
{
    const struct schema *schema = &l->policy->schema;
    if (!str_is(name, "followed_by"))
        return ERR_NOTFOUND;
    long a = count > 0 ? schema_signal_find(schema, args[0].path) : -1,
         b = count > 1 ? schema_signal_find(schema, args[1].path) : -1;
    const char *wrong = NULL;
    if (!schema->keeps_touches)
        wrong = "followed_by looks at touch points, which are kept where the policy has a journey section";
    else if (count != 3 || a < 0 || b < 0 || args[2].constant.type != VALUE_DURATION)
        wrong = "followed_by is about two signals and a time: followed_by(cart_add, purchase, 7d)";
    else if (schema->signals[a].quiet || schema->signals[b].quiet)
        wrong = "a signal with touch: false is no touch point";
    else if (args[2].constant.integer < 1000 || args[2].constant.integer > WINDOW_MAX_MS)
        wrong = "the time of followed_by is from 1s to 400d";
    if (wrong) {
        report->add(report->ctx, DIAG_ERROR, count ? args[0].offset : offset, wrong);
        return ERR_INVALID;
    }
    struct policy_slot wanted = {
        .kind = SLOT_FOLLOWED, .index = (uint32_t)a, .second = (uint32_t)b, .key = args[2].constant};
    return slot_of(l, &wanted, out) ? ERR_INVALID : 0;
}

static struct expr_slot stage_slot(struct loader *l, const char *name)
{
    const struct policy *p = l->policy;
    struct str *domain = l->journey_broken ? NULL : loader_alloc(l, (p->stage_count + 1) * sizeof *domain);
    for (size_t i = 0; domain && i < p->stage_count; i++)
        domain[i] = p->stages[i].word.name;
    if (domain)
        domain[p->stage_count] = STR("");
    return (struct expr_slot){.name = str_from(name),
                              .type = {VALUE_STRING, 0},
                              .motion = EXPR_STEPS,
                              .domain = domain,
                              .domain_count = domain ? p->stage_count + 1 : 0};
}

/* All that a touch point may be called: a signal that is one, or an action; '' when this policy has neither. */
static struct expr_slot touch_slot(struct loader *l)
{
    const struct schema *schema = &l->policy->schema;
    const struct loader_field *ids = action_field_find(l, STR("id"));
    size_t actions = ids ? ids->value_count : 0, n = 0;
    struct str *domain = loader_alloc(l, (schema->signal_count + actions + 1) * sizeof *domain);
    for (size_t i = 0; domain && i < schema->signal_count; i++)
        if (!schema->signals[i].quiet)
            domain[n++] = schema->signals[i].name;
    for (size_t i = 0; domain && i < actions; i++)
        domain[n++] = ids->values[i];
    if (domain)
        domain[n++] = STR("");
    return (struct expr_slot){
        .name = STR("last_touch.name"), .type = {VALUE_STRING, 0}, .domain = domain, .domain_count = n};
}

struct expr_slot journey_slot(struct loader *l, const struct policy_slot *slot)
{
    const struct schema *schema = &l->policy->schema;
    struct expr_slot s;
    switch (slot->kind) {
    case SLOT_STAGE:
        return stage_slot(l, "stage");
    case SLOT_PREVIOUS_STAGE:
        return stage_slot(l, "previous_stage");
    case SLOT_STAGE_BEFORE:
        if (slot->index == 1)
            return (struct expr_slot){.name = STR("stage_since"), .type = {VALUE_TIMESTAMP, 0}};
        s = stage_slot(l, slot->index ? "previous_stage" : "stage");
        s.motion = EXPR_STILL;
        return s;
    case SLOT_STAGE_SINCE:
        return (struct expr_slot){.name = STR("stage_since"), .type = {VALUE_TIMESTAMP, 0}, .motion = EXPR_STEPS};
    case SLOT_TOUCH:
        return slot->index ? (struct expr_slot){.name = STR("last_touch.channel"),
                                                .type = {VALUE_STRING, 0},
                                                .domain = loader_channel_names(l),
                                                .domain_count = l->policy->channel_count}
                           : touch_slot(l);
    default: { /* SLOT_FOLLOWED */
        struct buf b;
        buf_init(&b, 64);
        value_format(slot->key, &b);
        struct str name = loader_text(l, "followed_by(%.*s, %.*s, %.*s)", STR_ARG(schema->signals[slot->index].name),
                                      STR_ARG(schema->signals[slot->second].name), (int)b.n, (const char *)b.p);
        buf_free(&b);
        return (struct expr_slot){.name = name, .type = {VALUE_BOOL, 0}};
    }
    }
}
