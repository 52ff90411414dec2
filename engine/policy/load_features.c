/* Section features of a policy.
 *
 *   features: name: "expression" | {expr: "expression"} |
 *                   {<call>: signal, signal.property or a list of them, window: 30d | half_life: 7d, where: "filter"} |
 *                   {open: [signal.property that opens, signal.property that closes], window} (either may be a list) |
 *                   {mood: half-life} | {negative_moments: window}; each of the mappings may have was: an earlier name
 *                   or a list of them (load_was.h)
 *
 * The calls stand in aggregate_calls.h; `where` is their filter: {sum: item_returned.amount, window: 30d,
 * where: "item_returned.reason == 'size'"}.
 *
 * A feature whose expression looks at the action (action.id, .issue, .group, .purpose, or action.<name>, a
 * constant under the actions' `features:`) is a pair feature, customer x action:
 *
 *   same_category: {expr: "last(cart_add.category) == action.category"}
 *   likes_category: {affinity: [view.category, action.category], half_life: 30d}
 *
 * Wherever an action's own expressions or a model use it, it has its value for that action; it is unknown for
 * an action that lacks the constant. Actions that have it must agree on its type (numbers are doubles).
 * Suppressions, which are about many actions, cannot use it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "policy/load_features.h"
#include "policy/aggregate_calls.h"
#include "policy/load_journey.h"
#include "policy/load_was.h"

static bool take_path(struct loader *l, const struct yaml_node *n, struct aggregate_call *call, bool closes)
{
    if (call->path_count == CALL_PATHS_MAX) {
        yaml_diag(l->diags, DIAG_ERROR, n, "at most %d signals or properties", CALL_PATHS_MAX);
        return false;
    }
    call->paths[call->path_count].closes = closes;
    return yaml_string(l->diags, n, &call->paths[call->path_count++].path);
}

/* A path, or a list of paths; of open, each of the two may be a list. */
static bool take_paths(struct loader *l, const struct yaml_node *n, struct aggregate_call *call, bool pair, bool closes)
{
    if (n->kind != YAML_SEQUENCE && !pair)
        return take_path(l, n, call, closes);
    if (pair && (n->kind != YAML_SEQUENCE || n->count != 2)) {
        yaml_diag(l->diags, DIAG_ERROR, n,
                  "open needs two properties: [support_contact.case, support_resolved.case]");
        return false;
    }
    for (size_t i = 0; i < n->count; i++)
        if (pair ? !take_paths(l, n->items[i], call, false, i == 1) : !take_path(l, n->items[i], call, closes))
            return false;
    return true;
}

static bool take_span(struct loader *l, const struct yaml_node *n, struct aggregate_call *call)
{
    call->span_given = true;
    return loader_duration(l, n, WINDOW_MIN_MS, &call->span_ms);
}

static bool take_modifiers(struct loader *l, const struct yaml_node *value, const char *op, struct aggregate_call *call)
{
    static const char *const spans[] = {"window", "half_life"};
    const char *span = aggregate_call_span(call->op);
    for (size_t i = 0; i < 2; i++) {
        const struct yaml_node *n = yaml_get(value, spans[i]);
        if (!n)
            continue;
        if (!span) {
            yaml_diag(l->diags, DIAG_ERROR, n, "%s has no %s: it looks at all events", op, spans[i]);
            return false;
        }
        if (strcmp(span, spans[i]) != 0 || call->span_given) {
            yaml_diag(l->diags, DIAG_ERROR, n, "%s has one %s, not a %s", op, span, spans[i]);
            return false;
        }
        if (!take_span(l, n, call))
            return false;
    }
    return true;
}

static bool needs_span(const char *op)
{
    static const char *const optional[] = {"top", "affinity", "hour_affinity", "mood"};
    for (size_t i = 0; i < sizeof optional / sizeof optional[0]; i++)
        if (strcmp(op, optional[i]) == 0)
            return false;
    return aggregate_call_span(str_from(op)) != NULL;
}

/* Findings of the YAML form stand at the node that they are about, whatever the offset says. */
static bool aggregate_feature(struct loader *l, const struct yaml_node *value, const char *op, expr_id *out)
{
    const struct yaml_node *n = yaml_get(value, op), *where = yaml_get(value, "where");
    struct aggregate_call call = {.op = str_from(op)};
    bool of_all = strcmp(op, "mood") == 0 || strcmp(op, "negative_moments") == 0;
    if (of_all ? !take_span(l, n, &call) : !take_paths(l, n, &call, strcmp(op, "open") == 0, false))
        return false;
    if (!take_modifiers(l, value, op, &call))
        return false;
    if (needs_span(op) && !call.span_given) {
        const char *span = aggregate_call_span(call.op);
        yaml_diag(l->diags, DIAG_ERROR, n, "%s needs a %s, e.g. %s: 30d", op, span, span);
        return false;
    }
    struct scalar_report r, of_filter;
    if (where && !yaml_string(l->diags, where, &call.filter))
        return false;
    if (where && call.filter.n == 0) {
        yaml_diag(l->diags, DIAG_ERROR, where,
                  "an empty filter; leave where out, or write one like \"cart_add.price > 10.0\"");
        return false;
    }
    if (where)
        call.filter_report = scalar_report(&of_filter, l->diags, where);
    const struct yaml_node *at = n;
    while (at->kind == YAML_SEQUENCE && at->count > 0)
        at = at->items[0];
    uint32_t slot;
    if (!aggregate_call(l, &call, scalar_report(&r, l->diags, at), &slot))
        return false;
    *out = expr_node_slot(l->policy->program, slot);
    return true;
}

enum { FEATURE_KINDS_MAX = 32 };

/* The calls and expr, NULL at the end. */
static void feature_kinds(const char *kinds[FEATURE_KINDS_MAX])
{
    size_t n = 0;
    for (; aggregate_call_names[n]; n++)
        kinds[n] = aggregate_call_names[n];
    ASSERT(n + 2 <= FEATURE_KINDS_MAX);
    kinds[n] = "expr";
    kinds[n + 1] = NULL;
}

/* False after a finding. */
static bool check_keys(struct loader *l, const struct yaml_node *value)
{
    static const char *const modifiers[] = {"window", "half_life", "where", "was", NULL};
    const char *keys[FEATURE_KINDS_MAX + 4];
    size_t errors = l->diags->errors, n = 0;
    feature_kinds(keys);
    while (keys[n])
        n++;
    memcpy(keys + n, modifiers, sizeof modifiers);
    yaml_known_keys(l->diags, value, "a feature", keys);
    return l->diags->errors == errors;
}

/* Which of the kinds the feature has; NULL after a finding, which a key that nobody knows has had. */
static const char *kind_of(struct loader *l, const struct yaml_node *value, bool odd)
{
    const char *op = NULL, *kinds[FEATURE_KINDS_MAX];
    feature_kinds(kinds);
    for (size_t i = 0; kinds[i]; i++) {
        if (!yaml_get(value, kinds[i]))
            continue;
        if (op) {
            yaml_diag(l->diags, DIAG_ERROR, yaml_key(value, kinds[i]), "a feature is one of %s and %s, not both", op,
                      kinds[i]);
            return NULL;
        }
        op = kinds[i];
    }
    if (!op && !odd)
        yaml_diag(l->diags, DIAG_ERROR, value, "a feature needs one of %s", yaml_list_words(l->arena, kinds));
    return op;
}

static bool compile_feature(struct loader *l, const struct loader_feature *f, expr_id *out)
{
    const struct yaml_node *value = f->value;
    if (value->kind == YAML_SCALAR)
        return loader_expr(l, value, VALUE_UNKNOWN, out);
    if (!yaml_expect(l->diags, value, YAML_MAPPING,
                     "a feature like {sum: cart_add.price, window: 24h} or {expr: \"…\"}"))
        return false;
    const char *op = kind_of(l, value, f->odd);
    if (!op)
        return false;
    if (strcmp(op, "expr") == 0)
        return loader_expr(l, yaml_get(value, "expr"), VALUE_UNKNOWN, out);
    return aggregate_feature(l, value, op, out);
}

static void visit_feature_name(struct loader *l, const struct yaml_node *key, const struct yaml_node *value,
                               size_t index)
{
    struct policy *p = l->policy;
    struct str name = {0};
    p->features[index].node = EXPR_NONE;
    l->features[index] = (struct loader_feature){.key = key, .value = value, .missed = -1, .odd = !check_keys(l, value)};
    if (!loader_name(l, key, false, "feature name", &name))
        return;
    loader_was(l, value, NULL, &p->features[index].was);
    loader_free_name(l, key, "a feature");
    for (const char *const *n = journey_names(l); *n; n++)
        if (str_is(name, *n))
            yaml_diag(l->diags, DIAG_ERROR, key, "'%s' is a name of the journey and cannot be a feature", *n);
    if (policy_feature_find(p, name) >= 0)
        yaml_diag(l->diags, DIAG_ERROR, key, "feature %.*s is declared twice", STR_ARG(name));
    else
        p->features[index].name = name;
}

/* Compiles one feature: false when it asked for one that is not there yet, and nothing is reported then. */
static bool settle_feature(struct loader *l, size_t index)
{
    struct policy_feature *feature = &l->policy->features[index];
    struct loader_feature *f = &l->features[index];
    struct diags saved = *l->diags;
    l->missed = -1;
    bool good = compile_feature(l, f, &feature->node);
    f->missed = l->missed;
    if (l->missed >= 0) {
        *l->diags = saved;
        feature->node = EXPR_NONE;
        return false;
    }
    f->settled = true;
    if (good)
        expr_name(l->policy->program, feature->node, feature->name);
    else
        feature->node = EXPR_NONE;
    return true;
}

/* Nothing more settles: every feature left misses another one that is left, so that following them ends in a
 * cycle. */
static void report_cycle(struct loader *l, size_t at)
{
    const struct policy *p = l->policy;
    for (size_t i = 0; i < p->feature_count; i++)
        at = (size_t)l->features[at].missed;
    size_t first = at;
    for (size_t i = (size_t)l->features[at].missed; i != at; i = (size_t)l->features[i].missed)
        first = i < first ? i : first;
    struct buf chain;
    buf_init(&chain, 300);
    at = first;
    do {
        at = (size_t)l->features[at].missed;
        l->features[at].broken = true;
        buf_printf(&chain, " -> %.*s", STR_ARG(p->features[at].name));
    } while (at != first);
    yaml_diag(l->diags, DIAG_ERROR, l->features[first].key, "feature %.*s depends on itself: %.*s%.*s",
              STR_ARG(p->features[first].name), STR_ARG(p->features[first].name), (int)chain.n,
              chain.n ? (const char *)chain.p : "");
    buf_free(&chain);
}

/* Features may refer to each other in any order: those that ask for one that is not there yet are tried
 * again, as long as each round settles at least one; then a cycle is reported, and whoever asks for one of
 * its members gets no second finding. */
void load_features(struct loader *l)
{
    struct policy *p = l->policy;
    p->features = loader_alloc(l, loader_count(l, "features") * sizeof *p->features);
    l->features = loader_alloc(l, loader_count(l, "features") * sizeof *l->features);
    if (!p->features || !l->features)
        return;
    p->feature_count = loader_count(l, "features");
    p->feature_count = loader_each(l, "features", YAML_MAPPING, visit_feature_name);
    size_t count = p->feature_count;
    for (size_t left = count; left > 0;) {
        size_t before = left;
        left = 0;
        for (size_t i = 0; i < count; i++)
            left += !l->features[i].settled && !settle_feature(l, i);
        for (size_t i = 0; left == before && i < count; i++)
            if (!l->features[i].settled) {
                report_cycle(l, i);
                break;
            }
    }
}
