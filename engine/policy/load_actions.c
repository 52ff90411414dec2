/* Section actions of a policy.
 *
 *   actions:
 *     - id: cart_reminder
 *       issue: conversion                business purpose; any word
 *       group: cart                      family; any word
 *       purpose: promotional             promotional | service | transactional | ask
 *       value: 3.5                       of a positive response; a number or an expression (double)
 *       context_weight: "…"              default 1, also when unknown; a number or an expression
 *       lever: 1                         default 1; a number or an expression
 *       starting_propensity: 0.05        used while no model scores the action
 *       active: {from: 2025-01-01, to: 2025-12-31, weekly: ["sat-thu 09:00-20:00"]}
 *                                        in the brand's zone, dates inclusive
 *       eligibility: "expression"        or {when, on_unknown, id}, or a list of those
 *       applicability, suitability       the same
 *       features: {discount: 0.1}        constants: action.discount in expressions, in features that look at
 *                                        the action, and in models
 *       treatments: [{channel: email, locale: fa, placement: …, id: …, <content field>: "a {{ hole }}"}]
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "policy/load_actions.h"
#include "policy/action_fields.h"
#include "policy/symbols.h"

static const char *const engagement_names[ENGAGEMENT_COUNT] = {"eligibility", "applicability", "suitability"};

/* The index of a word in a growing list; words are issues or groups. */
static bool word_index(struct loader *l, const struct yaml_node *n, const char *kind,
                       struct policy_word *words, size_t *count, uint32_t *out)
{
    struct str name;
    if (!loader_name(l, n, true, kind, &name))
        return false;
    for (size_t i = 0; i < *count; i++)
        if (str_eq(words[i].name, name)) {
            *out = (uint32_t)i;
            return true;
        }
    *out = (uint32_t)*count;
    words[(*count)++] =
        (struct policy_word){.name = name, .path = loader_text(l, "%s.%.*s", kind, STR_ARG(name))};
    return true;
}

/* ---- engagement policy ---- */

static bool load_rule(struct loader *l, const struct yaml_node *n, const struct policy_action *a,
                      enum engagement kind, size_t index, struct policy_rule *rule)
{
    static const char *const keys[] = {"when", "on_unknown", "id", NULL};
    rule->id = loader_text(l, index ? "%.*s.%s.%zu" : "%.*s.%s", STR_ARG(a->word.name),
                           engagement_names[kind], index + 1);
    rule->on_unknown = ON_UNKNOWN_BLOCK;
    if (n->kind == YAML_SCALAR)
        return loader_expr(l, n, VALUE_BOOL, &rule->when);
    if (!yaml_expect(l->diags, n, YAML_MAPPING, "a rule like {when: \"…\", on_unknown: allow}"))
        return false;
    yaml_known_keys(l->diags, n, "a rule", keys);
    loader_on_unknown(l, n, &rule->on_unknown);
    if (yaml_get(n, "id") && !loader_name(l, yaml_get(n, "id"), true, "rule id", &rule->id))
        return false;
    if (!yaml_get(n, "when")) {
        yaml_diag(l->diags, DIAG_ERROR, n, "a rule needs when: \"expression\"");
        return false;
    }
    return loader_expr(l, yaml_get(n, "when"), VALUE_BOOL, &rule->when);
}

static void load_engagement(struct loader *l, const struct yaml_node *action, struct policy_action *a,
                            enum engagement kind)
{
    const struct yaml_node *n = yaml_get(action, engagement_names[kind]);
    if (!n)
        return;
    bool list = n->kind == YAML_SEQUENCE;
    size_t count = list ? n->count : 1;
    a->rules[kind] = loader_alloc(l, count * sizeof *a->rules[kind]);
    for (size_t i = 0; a->rules[kind] && i < count; i++)
        if (load_rule(l, list ? n->items[i] : n, a, kind, i, &a->rules[kind][a->rule_count[kind]]))
            a->rule_count[kind]++;
}

/* ---- schedule ---- */

static void load_date(struct loader *l, const struct yaml_node *active, const char *key, int64_t *out)
{
    const struct yaml_node *n = yaml_get(active, key);
    struct str text;
    if (n && yaml_string(l->diags, n, &text) &&
        !local_time_parse(text, l->policy->zone, strcmp(key, "to") == 0, out))
        yaml_diag(l->diags, DIAG_ERROR, n,
                  "expected a date like 2025-01-31 or a time like 2025-01-31T18:00, got '%.*s'",
                  STR_ARG(text));
}

static void load_active(struct loader *l, const struct yaml_node *n, struct policy_action *a)
{
    static const char *const keys[] = {"from", "to", "weekly", NULL};
    if (!yaml_expect(l->diags, n, YAML_MAPPING, "active like {from: 2025-01-01, to: 2025-12-31}"))
        return;
    yaml_known_keys(l->diags, n, "active", keys);
    load_date(l, n, "from", &a->from_ms);
    load_date(l, n, "to", &a->to_ms);
    if (a->to_ms <= a->from_ms)
        yaml_diag(l->diags, DIAG_ERROR, n, "active ends before it begins");
    const struct yaml_node *weekly = yaml_get(n, "weekly");
    if (!weekly || !yaml_expect(l->diags, weekly, YAML_SEQUENCE, "a list like [\"sat-thu 09:00-20:00\"]"))
        return;
    if (weekly->count > WEEKLY_MAX) {
        yaml_diag(l->diags, DIAG_ERROR, weekly, "more than %d weekly spans", WEEKLY_MAX);
        return;
    }
    for (size_t i = 0; i < weekly->count; i++) {
        struct str text;
        const char *why;
        if (!yaml_string(l->diags, weekly->items[i], &text))
            continue;
        if (weekly_parse(text, &a->weekly.spans[a->weekly.count], &why))
            a->weekly.count++;
        else
            yaml_diag(l->diags, DIAG_ERROR, weekly->items[i], "%s, got '%.*s'", why, STR_ARG(text));
    }
}

/* ---- attributes ---- */

static void load_attributes(struct loader *l, const struct yaml_node *n, struct policy_action *a)
{
    if (!yaml_expect(l->diags, n, YAML_MAPPING, "features like {discount: 0.1}"))
        return;
    a->attributes = loader_alloc(l, n->count * sizeof *a->attributes);
    for (size_t i = 0; a->attributes && i < n->count; i++) {
        struct policy_attribute *attribute = &a->attributes[a->attribute_count];
        if (!loader_name(l, n->keys[i], false, "feature name", &attribute->name) ||
            !yaml_expect(l->diags, n->items[i], YAML_SCALAR, "a number, true, false or text"))
            continue;
        bool taken = false;
        for (const char *const *w = action_words; *w; w++)
            taken = taken || str_is(attribute->name, *w);
        if (taken)
            yaml_diag(l->diags, DIAG_ERROR, n->keys[i],
                      "action.%.*s is built in and means the action's own %.*s", STR_ARG(attribute->name),
                      STR_ARG(attribute->name));
        attribute->value = action_constant(n->items[i]);
        a->attribute_count++;
    }
}

/* ---- treatments ---- */

static bool is_treatment_key(struct str key)
{
    return str_is(key, "id") || str_is(key, "channel") || str_is(key, "locale") || str_is(key, "placement");
}

static bool has_key(const struct yaml_node *n, struct str key)
{
    for (size_t i = 0; i < n->count; i++)
        if (str_eq(n->keys[i]->text, key))
            return true;
    return false;
}

static bool content_allowed(struct loader *l, const struct policy_channel *c, const struct yaml_node *key)
{
    for (size_t i = 0; i < c->content_count; i++)
        if (str_eq(c->content[i], key->text))
            return true;
    if (c->content_count == 0)
        return true;
    struct str *allowed = loader_alloc(l, (c->content_count + 4) * sizeof *allowed);
    if (!allowed)
        return false;
    memcpy(allowed, c->content, c->content_count * sizeof *allowed);
    static const char *const fixed[] = {"id", "channel", "locale", "placement"};
    for (size_t i = 0; i < 4; i++)
        allowed[c->content_count + i] = str_from(fixed[i]);
    loader_unknown_word(l, key, "content field", key->text, allowed, c->content_count + 4);
    return false;
}

/* The fields of a treatment; one that would show nothing is a mistake. */
static void load_content(struct loader *l, const struct yaml_node *n, const struct policy_channel *c,
                         struct policy_treatment *t)
{
    t->content = loader_alloc(l, n->count * sizeof *t->content);
    struct expr_scope scope = symbols_scope(l);
    size_t fields = 0, errors = l->diags->errors;
    for (size_t i = 0; t->content && i < n->count; i++) {
        struct str text;
        if (is_treatment_key(n->keys[i]->text))
            continue;
        fields++;
        if (!content_allowed(l, c, n->keys[i]) || !yaml_string(l->diags, n->items[i], &text))
            continue;
        struct scalar_report r;
        struct policy_content *content = &t->content[t->content_count];
        content->name = n->keys[i]->text;
        int rc = template_compile(text, l->policy->program, &scope, scalar_report(&r, l->diags, n->items[i]),
                                  l->arena, &content->text);
        l->full = l->full || rc == ERR_NOSPACE;
        if (rc == 0)
            t->content_count++;
    }
    if (fields == 0)
        yaml_diag(l->diags, DIAG_ERROR, n, "the treatment has no content, e.g. title: \"…\"");
    for (size_t i = 0; l->diags->errors == errors && i < c->content_count; i++)
        if (!has_key(n, c->content[i]))
            yaml_diag(l->diags, DIAG_WARNING, n,
                      "the treatment has no %.*s, which the content of channel %.*s lists; where none is meant write "
                      "%.*s: \"\"",
                      STR_ARG(c->content[i]), STR_ARG(c->word.name), STR_ARG(c->content[i]));
}

static bool load_treatment(struct loader *l, const struct yaml_node *n, const struct policy_action *a,
                           struct policy_treatment *t)
{
    struct policy *p = l->policy;
    struct str channel;
    if (!yaml_expect(l->diags, n, YAML_MAPPING, "a treatment like {channel: email, subject: \"…\"}"))
        return false;
    const struct yaml_node *at = yaml_get(n, "channel");
    if (!at) {
        yaml_diag(l->diags, DIAG_ERROR, n, "a treatment needs a channel");
        return false;
    }
    if (!yaml_string(l->diags, at, &channel))
        return false;
    long found = policy_channel_find(p, channel);
    if (found < 0) {
        loader_unknown_word(l, at, "channel", channel, loader_channel_names(l), p->channel_count);
        return false;
    }
    t->channel = (uint32_t)found;
    const struct policy_channel *c = &p->channels[found];
    if ((at = yaml_get(n, "locale")) && yaml_string(l->diags, at, &t->locale)) {
        bool known = p->locale_count == 0;
        for (size_t i = 0; i < p->locale_count; i++)
            known = known || str_eq(p->locales[i], t->locale);
        if (!known)
            loader_unknown_word(l, at, "locale", t->locale, p->locales, p->locale_count);
    }
    if ((at = yaml_get(n, "placement")) && yaml_string(l->diags, at, &t->placement) &&
        policy_placement_find(c, t->placement) < 0)
        loader_unknown_word(l, at, "placement", t->placement, c->placements, c->placement_count);
    t->id = loader_text(l, "%.*s.%.*s%s%.*s%s%.*s", STR_ARG(a->word.name), STR_ARG(channel),
                        t->placement.n ? "." : "", STR_ARG(t->placement), t->locale.n ? "." : "",
                        STR_ARG(t->locale));
    if ((at = yaml_get(n, "id")))
        (void)loader_name(l, at, true, "treatment id", &t->id);
    load_content(l, n, c, t);
    return true;
}

static void load_treatments(struct loader *l, const struct yaml_node *action, struct policy_action *a)
{
    const struct yaml_node *n = yaml_get(action, "treatments");
    if (!n || (n->kind == YAML_SEQUENCE && n->count == 0)) {
        yaml_diag(l->diags, DIAG_ERROR, action, "action %.*s has no treatments, so it could never be shown",
                  STR_ARG(a->word.name));
        return;
    }
    if (!yaml_expect(l->diags, n, YAML_SEQUENCE, "a list of treatments"))
        return;
    a->treatments = loader_alloc(l, n->count * sizeof *a->treatments);
    for (size_t i = 0; a->treatments && i < n->count; i++)
        if (load_treatment(l, n->items[i], a, &a->treatments[a->treatment_count]))
            a->treatment_count++;
    for (size_t i = 0; i < a->treatment_count; i++)
        for (size_t k = 0; k < i; k++)
            if (str_eq(a->treatments[i].id, a->treatments[k].id))
                yaml_diag(l->diags, DIAG_ERROR, n,
                          "two treatments are called %.*s: same channel, placement and locale; "
                          "remove one or give it an id",
                          STR_ARG(a->treatments[i].id));
}

/* ---- one action ---- */

static void load_words(struct loader *l, const struct yaml_node *n, struct policy_action *a)
{
    static const char *const purposes[] = {
#define X(name, text) text,
        POLICY_PURPOSES(X)
#undef X
            NULL};
    struct policy *p = l->policy;
    const struct yaml_node *at;
    size_t purpose;
    if ((at = yaml_get(n, "issue")))
        (void)word_index(l, at, "issue", p->issues, &p->issue_count, &a->issue);
    else
        yaml_diag(l->diags, DIAG_ERROR, n, "action %.*s has no issue", STR_ARG(a->word.name));
    if ((at = yaml_get(n, "group")))
        (void)word_index(l, at, "group", p->groups, &p->group_count, &a->group);
    else
        yaml_diag(l->diags, DIAG_ERROR, n, "action %.*s has no group", STR_ARG(a->word.name));
    if (!(at = yaml_get(n, "purpose")))
        yaml_diag(l->diags, DIAG_ERROR, n, "action %.*s has no purpose: %s", STR_ARG(a->word.name),
                  yaml_list_words(l->arena, purposes));
    else if (yaml_choice(l->diags, at, purposes, &purpose))
        a->purpose = (enum purpose)purpose;
}

static void load_worth(struct loader *l, const struct yaml_node *n, struct policy_action *a)
{
    a->value = a->context_weight = a->lever = expr_node_constant(l->policy->program, value_double(1));
    const struct yaml_node *at = yaml_get(n, "value");
    if (at)
        (void)loader_number_expr(l, at, &a->value);
    else
        yaml_diag(l->diags, DIAG_ERROR, n, "action %.*s has no value: what a positive response is worth",
                  STR_ARG(a->word.name));
    if ((at = yaml_get(n, "context_weight")))
        (void)loader_number_expr(l, at, &a->context_weight);
    if ((at = yaml_get(n, "lever")))
        (void)loader_number_expr(l, at, &a->lever);
    a->starting_propensity = 0.05;
    if ((at = yaml_get(n, "starting_propensity")))
        (void)yaml_double(l->diags, at, 0, 1, &a->starting_propensity);
}

static void visit_action(struct loader *l, const struct yaml_node *key, const struct yaml_node *n,
                         size_t index)
{
    static const char *const keys[] = {"id",
                                       "issue",
                                       "group",
                                       "purpose",
                                       "value",
                                       "context_weight",
                                       "lever",
                                       "starting_propensity",
                                       "active",
                                       "eligibility",
                                       "applicability",
                                       "suitability",
                                       "features",
                                       "treatments",
                                       NULL};
    (void)key;
    (void)index;
    struct policy *p = l->policy;
    if (!yaml_expect(l->diags, n, YAML_MAPPING, "an action"))
        return;
    yaml_known_keys(l->diags, n, "action", keys);
    struct policy_action *a = &p->actions[p->action_count];
    *a = (struct policy_action){.from_ms = INT64_MIN, .to_ms = INT64_MAX};
    const struct yaml_node *id = yaml_get(n, "id");
    if (!id) {
        yaml_diag(l->diags, DIAG_ERROR, n, "an action needs an id");
        return;
    }
    if (!loader_name(l, id, true, "action id", &a->word.name))
        return;
    if (policy_action_find(p, a->word.name) >= 0) {
        yaml_diag(l->diags, DIAG_ERROR, id, "action %.*s is declared twice", STR_ARG(a->word.name));
        return;
    }
    a->word.path = loader_text(l, "action.%.*s", STR_ARG(a->word.name));
    load_words(l, n, a);
    if (yaml_get(n, "features"))
        load_attributes(l, yaml_get(n, "features"), a);
    l->action = a;
    load_worth(l, n, a);
    if (yaml_get(n, "active"))
        load_active(l, yaml_get(n, "active"), a);
    for (int kind = 0; kind < ENGAGEMENT_COUNT; kind++)
        load_engagement(l, n, a, (enum engagement)kind);
    load_treatments(l, n, a);
    l->action = NULL;
    p->action_count++;
}

void load_actions(struct loader *l)
{
    struct policy *p = l->policy;
    size_t count = loader_count(l, "actions");
    for (int i = 0; i < PURPOSE_COUNT; i++) {
        p->purposes[i].name = str_from(purpose_name((enum purpose)i));
        p->purposes[i].path = loader_text(l, "purpose.%s", purpose_name((enum purpose)i));
    }
    if (count > POLICY_ACTIONS_MAX)
        diag_add(l->diags, DIAG_ERROR, p->folder.p, 0, 0, "%zu actions; at most %d", count,
                 POLICY_ACTIONS_MAX);
    p->actions = loader_alloc(l, (count + 1) * sizeof *p->actions);
    p->issues = loader_alloc(l, (count + 1) * sizeof *p->issues);
    p->groups = loader_alloc(l, (count + 1) * sizeof *p->groups);
    if (count > POLICY_ACTIONS_MAX || !p->actions || !p->issues || !p->groups)
        return;
    loader_each(l, "actions", YAML_SEQUENCE, visit_action);
    if (count == 0)
        diag_add(l->diags, DIAG_ERROR, p->folder.p, 0, 0, "no actions: there is nothing to decide about");
}
