/* Sections suppressions and contact_policy of a policy.
 *
 *   suppressions:
 *     - {id, when: "expression", block: {purpose, issue, group, channel, action} or {everything: true},
 *        on_unknown: block | allow, reason: "text for people"}
 *   contact_policy:
 *     - {id, scope: {channel, purpose, issue, group, action}, at_most: 2, per: 7d, window: rolling, over: household}
 *     - {id, scope: {…}, cooldown: 48h, over: customer}
 *
 * A scope's fields must all match; in a contact policy a field may be `each` (counted for each value on its
 * own). Without fields a limit counts every contact. Over a household it counts those of all who name the same one; of who
 * names none, their own.
 * A suppression is about many actions at once, so its `when` cannot look at the action: it is evaluated once
 * for all of them.
 * SPDX-License-Identifier: Apache-2.0 */
#include "policy/load_rules.h"
#include "state/state.h"

#define DAY_MS INT64_C(86400000)

enum { COOLDOWN_HORIZON_LEAST_DAYS = 30 };

struct scope_field {
    const char *key;
    uint32_t *out;
    const struct str *names; /* first name; stride apart */
    size_t stride, count;
};

static const struct str *name_at(const struct scope_field *f, size_t i)
{
    return (const struct str *)(const void *)((const char *)f->names + i * f->stride);
}

static void scope_word(struct loader *l, const struct yaml_node *n, const struct scope_field *f, bool each)
{
    struct str word;
    if (!yaml_string(l->diags, n, &word))
        return;
    if (each && str_is(word, "each")) {
        *f->out = SCOPE_EACH;
        return;
    }
    struct str *allowed = loader_alloc(l, (f->count + 1) * sizeof *allowed);
    for (size_t i = 0; allowed && i < f->count; i++) {
        allowed[i] = *name_at(f, i);
        if (str_eq(allowed[i], word)) {
            *f->out = (uint32_t)i;
            return;
        }
    }
    if (allowed)
        loader_unknown_word(l, n, f->key, word, allowed, f->count);
}

/* Several fields that no action has together. What a purpose and a channel alone do not cover may be a guard for later. */
static void warn_of_nothing(struct loader *l, const struct yaml_node *n, const struct policy_scope *s, size_t set)
{
    const struct policy *p = l->policy;
    if (set < 2 || (s->issue == SCOPE_ANY && s->group == SCOPE_ANY && s->action == SCOPE_ANY))
        return;
    for (uint32_t i = 0; i < p->action_count; i++)
        for (size_t k = 0; k < p->actions[i].treatment_count; k++)
            if (policy_scope_covers(s, p, i, p->actions[i].treatments[k].channel))
                return;
    yaml_diag(l->diags, DIAG_WARNING, n, "no action is all of these, so this never holds anything back");
}

static void load_scope(struct loader *l, const struct yaml_node *n, bool limit, struct policy_scope *s)
{
    static const char *const block_keys[] = {"purpose", "issue",      "group", "channel",
                                             "action",  "everything", NULL};
    static const char *const limit_keys[] = {"purpose", "issue", "group", "channel", "action", NULL};
    struct policy *p = l->policy;
    *s = (struct policy_scope){false, SCOPE_ANY, SCOPE_ANY, SCOPE_ANY, SCOPE_ANY, SCOPE_ANY};
    if (!yaml_expect(l->diags, n, YAML_MAPPING,
                     limit ? "a scope like {channel: email}" : "block like {purpose: promotional}"))
        return;
    yaml_known_keys(l->diags, n, limit ? "scope" : "block", limit ? limit_keys : block_keys);
    const struct scope_field fields[] = {
        {"purpose", &s->purpose, &p->purposes[0].name, sizeof p->purposes[0], PURPOSE_COUNT},
        {"issue", &s->issue, &p->issues[0].name, sizeof p->issues[0], p->issue_count},
        {"group", &s->group, &p->groups[0].name, sizeof p->groups[0], p->group_count},
        {"channel", &s->channel, &p->channels[0].word.name, sizeof p->channels[0], p->channel_count},
        {"action", &s->action, &p->actions[0].word.name, sizeof p->actions[0], p->action_count},
    };
    size_t set = 0, errors = l->diags->errors;
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        if (yaml_get(n, fields[i].key)) {
            scope_word(l, yaml_get(n, fields[i].key), &fields[i], limit);
            set++;
        }
    if (l->diags->errors == errors)
        warn_of_nothing(l, n, s, set);
    if (limit)
        return;
    if (yaml_get(n, "everything"))
        (void)yaml_bool(l->diags, yaml_get(n, "everything"), &s->everything);
    if (s->everything && set)
        yaml_diag(l->diags, DIAG_ERROR, n, "everything: true goes without other fields");
    if (!s->everything && !set && n->count == (yaml_get(n, "everything") != NULL))
        yaml_diag(l->diags, DIAG_ERROR, n, "block names nothing; write everything: true to block all");
}

static bool id_of(struct loader *l, const struct yaml_node *n, const char *what, struct str *id)
{
    const struct yaml_node *at = yaml_get(n, "id");
    if (!at) {
        yaml_diag(l->diags, DIAG_ERROR, n, "%s needs an id: answers and reports name it", what);
        return false;
    }
    if (!loader_name(l, at, true, "id", id))
        return false;
    bool twice = false;
    for (size_t i = 0; i < l->policy->suppression_count; i++)
        twice = twice || str_eq(l->policy->suppressions[i].rule.id, *id);
    for (size_t i = 0; i < l->policy->limit_count; i++)
        twice = twice || str_eq(l->policy->limits[i].id, *id);
    if (twice)
        yaml_diag(l->diags, DIAG_ERROR, at, "a second rule is called %.*s", STR_ARG(*id));
    return !twice;
}

/* ---- what cannot look at the action ---- */

static bool name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
}

/* Where the name stands in an expression, outside quotes; 0 when it does not. */
static size_t place_of(struct str text, struct str name)
{
    char quote = 0;
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (quote || c == '\'' || c == '"') {
            quote = !quote ? c : c == quote ? 0 : quote;
            continue;
        }
        bool here = str_starts((struct str){text.p + i, text.n - i}, name) &&
                    (i == 0 || !name_byte(text.p[i - 1])) &&
                    (i + name.n == text.n || !name_byte(text.p[i + name.n]));
        if (here)
            return i;
    }
    return 0;
}

struct looker {
    const struct expr_program *program;
    struct str name; /* of the first leaf that looks at the action */
};

static void find_looker(void *ctx, expr_id leaf, struct str name)
{
    struct looker *k = ctx;
    if (!k->name.n && expr_varies(k->program, leaf))
        k->name = name;
}

/* Reports an expression that depends on the action. */
static bool about_all_actions(struct loader *l, const struct yaml_node *n, expr_id when)
{
    struct looker k = {.program = l->policy->program};
    if (!expr_varies(l->policy->program, when))
        return true;
    expr_leaves(l->policy->program, when, find_looker, &k);
    bool feature = policy_feature_find(l->policy, k.name) >= 0;
    const char *text =
        loader_text(l,
                    "%s%.*s looks at the action; a suppression is about many actions: write it "
                    "as a rule of each action instead (eligibility, applicability, suitability)",
                    feature ? "feature " : "", STR_ARG(k.name))
            .p;
    if (text)
        yaml_diag_at(l->diags, DIAG_ERROR, n, place_of(n->text, k.name), text);
    return false;
}

/* ---- suppressions ---- */

static void visit_suppression(struct loader *l, const struct yaml_node *key, const struct yaml_node *n,
                              size_t index)
{
    static const char *const keys[] = {"id", "when", "block", "on_unknown", "reason", NULL};
    (void)key;
    (void)index;
    struct policy_suppression s = {0};
    if (!yaml_expect(l->diags, n, YAML_MAPPING, "a suppression"))
        return;
    yaml_known_keys(l->diags, n, "suppression", keys);
    bool good = id_of(l, n, "a suppression", &s.rule.id);
    loader_on_unknown(l, n, &s.rule.on_unknown);
    if (!yaml_get(n, "when"))
        yaml_diag(l->diags, DIAG_ERROR, n, "a suppression needs when: \"expression\"");
    else if (loader_expr(l, yaml_get(n, "when"), VALUE_BOOL, &s.rule.when))
        (void)about_all_actions(l, yaml_get(n, "when"), s.rule.when);
    if (!yaml_get(n, "block"))
        yaml_diag(l->diags, DIAG_ERROR, n,
                  "a suppression needs block: what it holds back, e.g. {purpose: promotional}");
    else
        load_scope(l, yaml_get(n, "block"), false, &s.block);
    if (yaml_get(n, "reason"))
        (void)yaml_string(l->diags, yaml_get(n, "reason"), &s.reason);
    if (good) /* its id is known to tests, whatever else is wrong */
        l->policy->suppressions[l->policy->suppression_count++] = s;
}

static void load_cap(struct loader *l, const struct yaml_node *n, struct policy_limit *limit)
{
    static const char *const windows[] = {"rolling", NULL};
    const struct yaml_node *at_most = yaml_get(n, "at_most"), *per = yaml_get(n, "per");
    int64_t most = 1;
    size_t window;
    if (!at_most || !per)
        yaml_diag(l->diags, DIAG_ERROR, n, "a limit needs at_most and per (a frequency cap), or cooldown");
    if (at_most && yaml_int(l->diags, at_most, 0, STATE_CONTACTS_MAX - 1, &most))
        limit->at_most = (uint32_t)most;
    if (per)
        (void)loader_duration(l, per, 1000, &limit->per_ms);
    if (yaml_get(n, "window"))
        (void)yaml_choice(l->diags, yaml_get(n, "window"), windows, &window);
}

static void load_over(struct loader *l, const struct yaml_node *n, struct policy_limit *limit)
{
    static const char *const words[] = {"customer", "household", NULL};
    size_t index = 0;
    if (!n || !yaml_choice(l->diags, n, words, &index))
        return;
    limit->household = index == 1;
    if (limit->household && l->policy->household_attribute < 0)
        yaml_diag(l->diags, DIAG_ERROR, n,
                  "nobody has a household: the profile has no attribute of that type; write e.g. household: {type: household}");
    l->policy->household_limits |= limit->household;
}

static void visit_limit(struct loader *l, const struct yaml_node *key, const struct yaml_node *n,
                        size_t index)
{
    static const char *const keys[] = {"id", "scope", "at_most", "per", "window", "cooldown", "over", NULL};
    (void)key;
    (void)index;
    struct policy_limit limit = {.at_most = 1, .per_ms = 1000};
    if (!yaml_expect(l->diags, n, YAML_MAPPING, "a limit"))
        return;
    yaml_known_keys(l->diags, n, "contact policy", keys);
    bool good = id_of(l, n, "a limit", &limit.id);
    limit.scope = (struct policy_scope){false, SCOPE_ANY, SCOPE_ANY, SCOPE_ANY, SCOPE_ANY, SCOPE_ANY};
    if (yaml_get(n, "scope"))
        load_scope(l, yaml_get(n, "scope"), true, &limit.scope);
    const struct yaml_node *cooldown = yaml_get(n, "cooldown");
    if (cooldown && (yaml_get(n, "at_most") || yaml_get(n, "per")))
        yaml_diag(l->diags, DIAG_ERROR, cooldown, "cooldown goes without at_most and per");
    else if (cooldown)
        limit.cooldown = loader_duration(l, cooldown, 1000, &limit.per_ms);
    else
        load_cap(l, n, &limit);
    load_over(l, yaml_get(n, "over"), &limit);
    if (good)
        l->policy->limits[l->policy->limit_count++] = limit;
}

/* For each action the rules and limits that can touch it, in the policy's order, so that a decision looks at
 * no others. */
static void link_action(struct loader *l, uint32_t action)
{
    struct policy *p = l->policy;
    struct policy_action *a = &p->actions[action];
    a->suppressions = loader_alloc(l, p->suppression_count * sizeof *a->suppressions);
    a->limits = loader_alloc(l, p->limit_count * sizeof *a->limits);
    if (!a->suppressions || !a->limits)
        return;
    for (size_t i = 0; i < p->suppression_count; i++) {
        struct policy_scope s = p->suppressions[i].block;
        s.channel = SCOPE_ANY;
        if (policy_scope_covers(&s, p, action, 0))
            a->suppressions[a->suppression_count++] = (uint16_t)i;
    }
    for (size_t i = 0; i < p->limit_count; i++) {
        struct policy_scope s = p->limits[i].scope;
        s.channel = SCOPE_ANY;
        if (policy_scope_covers(&s, p, action, 0))
            a->limits[a->limit_count++] = (uint16_t)i;
    }
}

/* A limit counts contacts, and these go with the state. */
static void check_retention(struct loader *l)
{
    const struct policy *p = l->policy;
    for (size_t i = 0; l->retention && i < p->limit_count; i++)
        if (p->limits[i].per_ms > p->retention_ms) {
            yaml_diag(l->diags, DIAG_ERROR, l->retention,
                      "shorter than the time of limit %.*s, whose contacts would be lost before they stop "
                      "counting; at least %lldd",
                      STR_ARG(p->limits[i].id), (long long)((p->limits[i].per_ms + DAY_MS - 1) / DAY_MS));
            return;
        }
}

void load_rules(struct loader *l)
{
    struct policy *p = l->policy;
    size_t suppressions = loader_count(l, "suppressions"), limits = loader_count(l, "contact_policy");
    if (suppressions > POLICY_RULES_MAX || limits > POLICY_RULES_MAX) {
        diag_add(l->diags, DIAG_ERROR, p->folder.p, 0, 0,
                 "%zu suppressions and %zu limits; at most %d of each", suppressions, limits,
                 POLICY_RULES_MAX);
        return;
    }
    p->suppressions = loader_alloc(l, suppressions * sizeof *p->suppressions);
    p->limits = loader_alloc(l, limits * sizeof *p->limits);
    if (!p->actions || !p->suppressions || !p->limits)
        return;
    loader_each(l, "suppressions", YAML_SEQUENCE, visit_suppression);
    loader_each(l, "contact_policy", YAML_SEQUENCE, visit_limit);
    for (size_t i = 0; i < p->action_count; i++)
        link_action(l, (uint32_t)i);
    p->schema.contact_horizon_ms = COOLDOWN_HORIZON_LEAST_DAYS * INT64_C(86400000);
    for (size_t i = 0; i < p->limit_count; i++)
        if (p->limits[i].per_ms > p->schema.contact_horizon_ms)
            p->schema.contact_horizon_ms = p->limits[i].per_ms;
    check_retention(l);
}
