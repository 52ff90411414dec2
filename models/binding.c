/* A bundle bound to a policy; see binding.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/binding.h"
#include "models/forest_score.h"
#include "models/name_list.h"
#include <math.h>
#include <stdlib.h>

enum { WARM_ROWS = 32 };

/* A column that a feature of the policy fills. */
struct column {
    size_t at;
    expr_id node;
    const struct bundle_feature *feature;
};

struct binding {
    const struct bundle *bundle;
    const struct policy *policy;
    const struct bundle_spec *spec;
    struct forest_catalog *catalog; /* of the one model: the policy's actions, then nobody contacted; NULL with arms */
    size_t features;
    struct column *customer, *pair;
    size_t customer_count, pair_count;
    float *action_rows; /* [action_count][features]; NaN in the customer's and the pairs' columns */
    float *silence_row; /* the same of nobody contacted; s_learner */
    long *arms;         /* [action_count]; -1: not known */
    long silence;       /* arm of a t_learner; else -1 */
    const bool *mine;   /* while binding */
    char id[ID128_TEXT];
};

float binding_value(const struct bundle_feature *f, struct value v)
{
    switch (v.type) {
    case VALUE_BOOL:
        return v.boolean ? 1.0f : 0.0f;
    case VALUE_INT:
        return (float)v.integer;
    case VALUE_DOUBLE:
        return (float)v.number;
    case VALUE_DURATION:
        return (float)((double)v.integer / 3600000.0);
    case VALUE_STRING: {
        long code = f->type == BUNDLE_CATEGORY ? bundle_category(f, value_str(v)) : -1;
        return code < 0 ? NAN : (float)code;
    }
    default:
        return NAN;
    }
}

/* What type a feature must have for the policy's values; NULL when it has it. */
static const char *type_wanted(const struct bundle_feature *f, enum value_type policys)
{
    switch (policys) {
    case VALUE_INT:
    case VALUE_DOUBLE:
    case VALUE_DURATION:
        return f->type == BUNDLE_NUMBER ? NULL : "the policy's values are numbers (int, double or duration), so its type is: number";
    case VALUE_BOOL:
        return f->type == BUNDLE_BOOL ? NULL : "the policy's values are true or false, so its type is: bool";
    case VALUE_STRING:
        return f->type == BUNDLE_CATEGORY ? NULL : "the policy's values are strings, so its type is: category";
    default:
        return "the policy's values are no numbers, bools or strings";
    }
}

static void add_at(struct diags *d, const struct binding *b, enum diag_severity severity, int line,
                   int column, const char *text)
{
    char file[4096];
    snprintf(file, sizeof file, "%s/bundle.yaml", bundle_folder(b->bundle));
    diag_add(d, severity, file, line, column, "%s", text);
}

static void complain(struct diags *d, const struct binding *b, const struct bundle_feature *f,
                     const char *what, struct str best)
{
    char text[BUNDLE_TEXT_MAX * 2 + 200];
    snprintf(text, sizeof text, "feature %.*s: %s%s%.*s%s", STR_ARG(f->name), what,
             best.n ? "; did you mean " : "", STR_ARG(best), best.n ? "?" : "");
    add_at(d, b, DIAG_ERROR, f->line, f->column, text);
}

/* ---- features ---- */

/* Unknown when the action has no such attribute. */
static struct value attribute_of(const struct policy_action *a, struct str name)
{
    for (size_t i = 0; i < a->attribute_count; i++)
        if (str_eq(a->attributes[i].name, name))
            return a->attributes[i].value;
    return str_is(name, "id") ? value_string(a->word.name) : value_unknown(UNKNOWN_ABSENT);
}

static void complain_unknown(const struct binding *b, const struct bundle_feature *f, struct diags *d)
{
    const struct policy *p = b->policy;
    for (size_t i = 0; i < p->action_count; i++)
        if (attribute_of(&p->actions[i], f->name).type != VALUE_UNKNOWN) {
            complain(d, b, f, "the policy has no feature of this name, but its actions have such an attribute: from: action",
                     (struct str){0});
            return;
        }
    struct suggest s;
    suggest_init(&s, f->name);
    for (size_t i = 0; i < p->feature_count; i++)
        suggest_offer(&s, p->features[i].name);
    complain(d, b, f, "the policy has no feature of this name", suggest_best(&s));
}

/* Actions whose word is no category, which is missing to the model. */
static void warn_words(const struct binding *b, const struct bundle_feature *f, struct diags *d)
{
    const struct policy *p = b->policy;
    struct name_list l = {0};
    for (size_t i = 0; i < p->action_count; i++) {
        struct value v = attribute_of(&p->actions[i], f->name);
        if (v.type == VALUE_STRING && bundle_category(f, value_str(v)) < 0 && (!b->mine || b->mine[i]))
            name_list_add(&l, value_str(v));
    }
    if (!l.count)
        return;
    struct suggest s;
    suggest_init(&s, l.shown[0]);
    for (size_t i = 0; i < f->category_count; i++)
        suggest_offer(&s, f->categories[i]);
    struct str best = suggest_best(&s);
    char text[sizeof l.text + BUNDLE_TEXT_MAX * 2 + 200];
    snprintf(text, sizeof text,
             "feature %.*s: %zu of the policy's %zu actions have a value that is none of its categories, so missing to the "
             "model: %s%s%.*s%s",
             STR_ARG(f->name), l.count, p->action_count, name_list_text(&l), best.n ? "; did you mean " : "", STR_ARG(best),
             best.n ? "?" : "");
    add_at(d, b, DIAG_WARNING, f->line, f->column, text);
}

/* A feature of the policy, which looks at the action if it is a pair's and does not if it is the customer's. */
static void bind_feature(struct binding *b, const struct bundle_feature *f, size_t column, struct diags *d)
{
    const struct policy *p = b->policy;
    long at = policy_feature_told(p, f->name);
    if (at < 0) {
        complain_unknown(b, f, d);
        return;
    }
    expr_id node = p->features[at].node;
    const char *wanted = type_wanted(f, expr_type_of(p->program, node).kind);
    if (wanted) {
        complain(d, b, f, wanted, (struct str){0});
        return;
    }
    bool varies = expr_varies(p->program, node), pair = f->from == BUNDLE_PAIR;
    if (varies != pair) {
        complain(d, b, f,
                 varies ? "the policy's feature looks at the action, so it comes from: pair"
                        : "the policy's feature does not look at the action, so it comes from: customer",
                 (struct str){0});
        return;
    }
    struct column c = {column, node, f};
    if (pair)
        b->pair[b->pair_count++] = c;
    else
        b->customer[b->customer_count++] = c;
}

static void bind_action(struct binding *b, const struct bundle_feature *f, size_t column, struct diags *d)
{
    const struct policy *p = b->policy;
    bool found = false;
    const char *wanted = NULL;
    for (size_t i = 0; i < p->action_count; i++) {
        struct value v = attribute_of(&p->actions[i], f->name);
        if (v.type != VALUE_UNKNOWN && !wanted)
            wanted = type_wanted(f, v.type);
        found = found || v.type != VALUE_UNKNOWN;
        b->action_rows[i * b->features + column] = binding_value(f, v);
    }
    if (!found)
        complain(d, b, f, "no action of the policy has this attribute", (struct str){0});
    else if (wanted)
        complain(d, b, f, wanted, (struct str){0});
    else if (f->type == BUNDLE_CATEGORY && f != bundle_id_feature(b->spec))
        warn_words(b, f, d);
    if (b->spec->kind == BUNDLE_S_LEARNER && f == bundle_id_feature(b->spec))
        b->silence_row[column] = (float)bundle_category(f, b->spec->silence);
}

static void bind_features(struct binding *b, struct diags *d)
{
    for (size_t i = 0; i < (b->policy->action_count + 1) * b->features; i++)
        b->action_rows[i] = NAN;
    for (size_t i = 0; i < b->features; i++) {
        const struct bundle_feature *f = &b->spec->features[i];
        if (f->from == BUNDLE_ACTION)
            bind_action(b, f, i, d);
        else
            bind_feature(b, f, i, d);
    }
}

/* ---- arms ---- */

static long arm_find(const struct bundle_spec *s, struct str name)
{
    for (size_t i = 0; i < s->arm_count; i++)
        if (str_eq(s->arms[i].arm, name))
            return (long)i;
    return -1;
}

/* The arm that scores an action, or -1. */
static long arm_of(const struct bundle_spec *s, struct str action)
{
    if (bundle_has_arms(s))
        return str_is(action, BUNDLE_SILENCE) ? -1 : arm_find(s, action);
    const struct bundle_feature *id = bundle_id_feature(s);
    return (id && bundle_category(id, action) < 0) || (s->silence.n && str_eq(action, s->silence)) ? -1 : 0;
}

/* One line: the policy's actions that are scored by their starting propensity. */
static void warn_unknown(const struct binding *b, struct diags *d)
{
    struct name_list l = {0};
    for (size_t i = 0; i < b->policy->action_count; i++)
        if (b->arms[i] < 0 && (!b->mine || b->mine[i]))
            name_list_add(&l, b->policy->actions[i].word.name);
    if (!l.count)
        return;
    char line[sizeof l.text + 200];
    snprintf(line, sizeof line,
             "the bundle does not know %zu of the policy's %zu actions, which count with their starting "
             "propensity: %s",
             l.count, b->policy->action_count, name_list_text(&l));
    const struct bundle_feature *id = bundle_has_arms(b->spec) ? NULL : bundle_id_feature(b->spec);
    add_at(d, b, DIAG_WARNING, id ? id->line : b->spec->arms[0].line,
           id ? id->column : b->spec->arms[0].column, line);
}

static void warn_arm(const struct binding *b, const struct bundle_arm *a, struct diags *d)
{
    char text[BUNDLE_TEXT_MAX * 2 + 200];
    struct suggest s;
    suggest_init(&s, a->arm);
    for (size_t i = 0; i < b->policy->action_count; i++)
        if (b->arms[i] < 0)
            suggest_offer(&s, b->policy->actions[i].word.name);
    struct str best = suggest_best(&s);
    snprintf(text, sizeof text, "arm %.*s: the policy has no action of this name%s%.*s%s", STR_ARG(a->arm),
             best.n ? "; did you mean " : "", STR_ARG(best), best.n ? "?" : "");
    add_at(d, b, DIAG_WARNING, a->line, a->column, text);
}

static void bind_arms(struct binding *b, struct diags *d)
{
    const struct bundle_spec *s = b->spec;
    const struct policy *p = b->policy;
    b->silence = s->kind == BUNDLE_T_LEARNER ? arm_find(s, STR(BUNDLE_SILENCE)) : -1;
    for (size_t i = 0; i < p->action_count; i++)
        b->arms[i] = arm_of(s, p->actions[i].word.name);
    warn_unknown(b, d);
    for (size_t i = 0; i < s->arm_count && bundle_has_arms(s); i++)
        if ((long)i != b->silence && policy_action_find(p, s->arms[i].arm) < 0)
            warn_arm(b, &s->arms[i], d);
}

static void bind_catalog(struct binding *b, struct diags *d)
{
    struct error e = {0};
    if (!bundle_has_arms(b->spec) && forest_catalog_new(&b->catalog, bundle_forest(b->bundle, 0), b->action_rows,
                                                        b->policy->action_count + 1, &e))
        diag_add(d, DIAG_ERROR, bundle_folder(b->bundle), 0, 0, "%s: %s", bundle_file(b->bundle, 0), e.text);
}

struct binding *binding_new(const struct bundle *bundle, const struct policy *policy, struct diags *diags)
{
    return binding_new_for(bundle, policy, NULL, diags);
}

struct binding *binding_new_for(const struct bundle *bundle, const struct policy *policy, const bool *mine,
                                struct diags *diags)
{
    const struct bundle_spec *spec = bundle_spec(bundle);
    size_t features = spec->feature_count, actions = policy->action_count;
    struct binding *b = calloc(1, sizeof *b);
    ASSERT(b != NULL);
    *b = (struct binding){.bundle = bundle, .policy = policy, .spec = spec, .features = features, .mine = mine};
    b->customer = calloc(features, sizeof *b->customer);
    b->pair = calloc(features, sizeof *b->pair);
    b->action_rows = calloc((actions + 1) * features, sizeof *b->action_rows);
    b->arms = calloc(actions + 1, sizeof *b->arms);
    ASSERT(b->customer && b->pair && b->action_rows && b->arms);
    b->silence_row = b->action_rows + actions * features;
    id128_text(bundle_id(bundle), b->id);
    size_t errors = diags->errors;
    bind_features(b, diags);
    bind_arms(b, diags);
    if (diags->errors == errors)
        bind_catalog(b, diags);
    b->mine = NULL;
    if (diags->errors > errors)
        binding_free(&b);
    return b;
}

void binding_free(struct binding **b)
{
    if (!*b)
        return;
    forest_catalog_free(&(*b)->catalog);
    free((*b)->customer);
    free((*b)->pair);
    free((*b)->action_rows);
    free((*b)->arms);
    free(*b);
    *b = NULL;
}

size_t binding_features(const struct binding *b)
{
    return b->features;
}

const char *binding_id(const struct binding *b)
{
    return b->id;
}

bool binding_knows(const struct binding *b, uint32_t action)
{
    return b->arms[action] >= 0;
}

/* ---- rows and scores ---- */

/* The customer's columns of a row. */
static void fill_customer(const struct binding *b, struct expr_eval *ev, float *row)
{
    for (size_t k = 0; k < b->customer_count; k++)
        row[b->customer[k].at] = binding_value(b->customer[k].feature, expr_eval(ev, b->customer[k].node));
}

static float pair_value(const struct binding *b, struct expr_eval *ev, size_t k)
{
    return binding_value(b->pair[k].feature, expr_eval(ev, b->pair[k].node));
}

void binding_rows(const struct binding *b, struct expr_eval *ev, const uint32_t *actions, size_t count,
                  float *out)
{
    for (size_t i = 0; i < count; i++) {
        float *row = out + i * b->features;
        memcpy(row, b->action_rows + actions[i] * b->features, b->features * sizeof *row);
        if (i == 0)
            fill_customer(b, ev, row);
        for (size_t k = 0; k < b->customer_count; k++)
            row[b->customer[k].at] = out[b->customer[k].at];
        if (b->pair_count)
            expr_eval_vary(ev, actions[i]);
        for (size_t k = 0; k < b->pair_count; k++)
            row[b->pair[k].at] = pair_value(b, ev, k);
    }
}

static void set_score(struct model_score *s, double propensity, double baseline)
{
    if (isfinite(propensity) && isfinite(baseline))
        *s = (struct model_score){true, propensity, baseline};
}

/* The candidates of one model: the actions that it knows, and in an s_learner nobody contacted, which comes last and has no
 * pair. */
struct rows {
    uint32_t *actions;
    float *customer, *pairs, *margins;
    size_t n;
};

static int make_rows(const struct binding *b, struct expr_eval *ev, const uint32_t *actions, size_t count,
                     struct arena *arena, struct rows *r, struct error *e)
{
    r->actions = arena_alloc(arena, (count + 1) * sizeof *r->actions);
    r->customer = arena_alloc(arena, b->features * sizeof *r->customer);
    r->pairs = arena_alloc(arena, (count + 1) * b->pair_count * sizeof *r->pairs);
    r->margins = arena_alloc(arena, (count + 1) * b->spec->outputs * sizeof *r->margins);
    if (!r->actions || !r->customer || !r->pairs || !r->margins)
        return error_set(e, ERR_NOSPACE, "the request's memory is full");
    for (size_t i = 0; i < count; i++)
        if (binding_knows(b, actions[i]))
            r->actions[r->n++] = actions[i];
    if (!r->n)
        return 0;
    fill_customer(b, ev, r->customer);
    for (size_t i = 0; b->pair_count && i < r->n; i++) {
        expr_eval_vary(ev, r->actions[i]);
        for (size_t k = 0; k < b->pair_count; k++)
            r->pairs[i * b->pair_count + k] = pair_value(b, ev, k);
    }
    if (b->spec->kind != BUNDLE_S_LEARNER)
        return 0;
    for (size_t k = 0; k < b->pair_count; k++)
        r->pairs[r->n * b->pair_count + k] = NAN;
    r->actions[r->n++] = (uint32_t)b->policy->action_count;
    return 0;
}

static int score_rows(const struct binding *b, struct expr_eval *ev, const uint32_t *actions, size_t count,
                      struct arena *arena, struct model_score *out, struct error *e)
{
    struct rows r = {0};
    int rc = make_rows(b, ev, actions, count, arena, &r, e);
    if (rc || !r.n)
        return rc;
    struct forest_input in = {
        .shared = r.customer, .catalog = b->catalog, .actions = r.actions, .pairs = r.pairs, .n = r.n};
    rc = forest_score(bundle_forest(b->bundle, 0), &in, arena, r.margins, e);
    if (rc)
        return rc;
    bool silence = b->spec->kind == BUNDLE_S_LEARNER;
    size_t width = b->spec->outputs;
    double baseline = silence ? bundle_predict(b->spec, 0, r.margins + (r.n - 1) * width) : 0;
    for (size_t i = 0, k = 0; i < count; i++)
        if (binding_knows(b, actions[i]))
            set_score(&out[i], bundle_predict(b->spec, 0, r.margins + k++ * width), baseline);
    return 0;
}

static int score_arm(const struct binding *b, const float *row, size_t arm, struct arena *arena, double *out,
                     struct error *e)
{
    float margin;
    int rc = forest_rows(bundle_forest(b->bundle, arm), row, 1, arena, &margin, e);
    if (!rc)
        *out = bundle_predict(b->spec, arm, &margin);
    return rc;
}

/* A model an action, all over the customer's one row. */
static int score_arms(const struct binding *b, struct expr_eval *ev, const uint32_t *actions, size_t count,
                      struct arena *arena, struct model_score *out, struct error *e)
{
    float *row = arena_alloc(arena, b->features * sizeof *row);
    if (!row)
        return error_set(e, ERR_NOSPACE, "the request's memory is full");
    double baseline = 0, value;
    bool first = true;
    int rc = 0;
    for (size_t i = 0; i < count && !rc; i++) {
        if (!binding_knows(b, actions[i]))
            continue;
        if (first) {
            memcpy(row, b->silence_row, b->features * sizeof *row); /* nothing is known beforehand: all NaN */
            fill_customer(b, ev, row);
            if (b->silence >= 0)
                rc = score_arm(b, row, (size_t)b->silence, arena, &baseline, e);
            first = false;
        }
        if (!rc)
            rc = score_arm(b, row, (size_t)b->arms[actions[i]], arena, &value, e);
        if (!rc)
            set_score(&out[i], value, baseline);
    }
    return rc;
}

int binding_score(void *binding, struct str customer, struct expr_eval *ev, const uint32_t *actions, size_t count,
                  struct arena *arena, struct model_score *out, struct error *e)
{
    (void)customer;
    const struct binding *b = binding;
    memset(out, 0, count * sizeof *out);
    return bundle_has_arms(b->spec) ? score_arms(b, ev, actions, count, arena, out, e)
                                    : score_rows(b, ev, actions, count, arena, out, e);
}

int binding_warm(const struct binding *b, struct arena *arena, struct error *e)
{
    const struct golden *g = bundle_golden(b->bundle);
    size_t actions = b->policy->action_count, n = g->n < WARM_ROWS ? g->n : WARM_ROWS;
    struct arena_mark mark = arena_mark(arena);
    float *pairs = arena_zalloc(arena, actions * b->pair_count * sizeof *pairs);
    float *margins = arena_alloc(arena, (actions + 1) * b->spec->outputs * sizeof *margins);
    int rc = pairs && margins ? 0 : error_set(e, ERR_NOSPACE, "the request's memory is full");
    for (size_t i = 0; i < n && !rc; i++) {
        const float *row = g->rows + i * b->features;
        struct forest_input in = {.shared = row, .catalog = b->catalog, .pairs = pairs, .n = actions};
        for (size_t k = 0; k < b->spec->arm_count && !rc; k++) {
            struct arena_mark before = arena_mark(arena);
            rc = b->catalog ? forest_score(bundle_forest(b->bundle, 0), &in, arena, margins, e)
                            : forest_rows(bundle_forest(b->bundle, k), row, 1, arena, margins, e);
            arena_rewind(arena, before);
        }
    }
    arena_rewind(arena, mark);
    return rc;
}
