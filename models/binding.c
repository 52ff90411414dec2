/* A bundle bound to a policy; see binding.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/binding.h"
#include <math.h>
#include <stdlib.h>

struct customer_column {
    size_t column;
    expr_id node;
    const struct bundle_feature *feature;
};

struct binding {
    const struct bundle *bundle;
    const struct policy *policy;
    struct booster *booster;
    size_t features;
    struct customer_column *columns;
    size_t column_count;
    float *action_rows; /* [action_count][features]; NaN in the customer's columns */
    float *customer;    /* scratch: one value a customer column */
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

static bool type_fits(const struct bundle_feature *f, struct expr_type t)
{
    switch (f->type) {
    case BUNDLE_NUMBER:
        return t.kind == VALUE_INT || t.kind == VALUE_DOUBLE || t.kind == VALUE_DURATION;
    case BUNDLE_BOOL:
        return t.kind == VALUE_BOOL;
    case BUNDLE_CATEGORY:
        return t.kind == VALUE_STRING;
    }
    return false;
}

static void complain(struct diags *d, const struct binding *b, const struct bundle_feature *f,
                     const char *what, struct str best)
{
    char file[4096];
    snprintf(file, sizeof file, "%s/bundle.yaml", bundle_folder(b->bundle));
    diag_add(d, DIAG_ERROR, file, f->line, f->column, "feature %.*s: %s%s%.*s%s", STR_ARG(f->name), what,
             best.n ? "; did you mean " : "", STR_ARG(best), best.n ? "?" : "");
}

static void bind_customer(struct binding *b, const struct bundle_feature *f, size_t column, struct diags *d)
{
    const struct policy *p = b->policy;
    long at = policy_feature_find(p, f->name);
    if (at < 0) {
        struct suggest s;
        suggest_init(&s, f->name);
        for (size_t i = 0; i < p->feature_count; i++)
            suggest_offer(&s, p->features[i].name);
        complain(d, b, f, "the policy has no feature of this name", suggest_best(&s));
        return;
    }
    expr_id node = p->features[at].node;
    if (!type_fits(f, expr_type_of(p->program, node))) {
        static const char *const wanted[] = {"the policy's feature is no number (int, double or duration)",
                                             "the policy's feature is no bool",
                                             "the policy's feature is no string"};
        complain(d, b, f, wanted[f->type], (struct str){0});
        return;
    }
    b->columns[b->column_count++] = (struct customer_column){column, node, f};
}

static void bind_action(struct binding *b, const struct bundle_feature *f, size_t column, struct diags *d)
{
    const struct policy *p = b->policy;
    bool found = false;
    for (size_t i = 0; i < p->action_count; i++) {
        const struct policy_action *a = &p->actions[i];
        struct value v = value_unknown(UNKNOWN_ABSENT);
        if (str_is(f->name, "id"))
            v = value_string(a->word.name);
        for (size_t k = 0; k < a->attribute_count; k++)
            if (str_eq(a->attributes[k].name, f->name))
                v = a->attributes[k].value;
        found = found || v.type != VALUE_UNKNOWN;
        b->action_rows[i * b->features + column] = binding_value(f, v);
    }
    if (!found)
        complain(d, b, f, "no action of the policy has this attribute", (struct str){0});
}

struct binding *binding_new(const struct bundle *bundle, const struct policy *policy, struct diags *diags)
{
    const struct bundle_spec *spec = bundle_spec(bundle);
    struct binding *b = calloc(1, sizeof *b);
    ASSERT(b != NULL);
    *b = (struct binding){.bundle = bundle, .policy = policy, .features = spec->feature_count};
    b->columns = calloc(spec->feature_count + 1, sizeof *b->columns);
    b->customer = calloc(spec->feature_count + 1, sizeof *b->customer);
    b->action_rows = calloc(policy->action_count * spec->feature_count + 1, sizeof *b->action_rows);
    ASSERT(b->columns && b->customer && b->action_rows);
    id128_text(bundle_id(bundle), b->id);
    size_t errors = diags->errors;
    for (size_t i = 0; i < spec->feature_count; i++) {
        const struct bundle_feature *f = &spec->features[i];
        for (size_t k = 0; k < policy->action_count; k++)
            b->action_rows[k * b->features + i] = NAN;
        if (f->from == BUNDLE_CUSTOMER)
            bind_customer(b, f, i, diags);
        else
            bind_action(b, f, i, diags);
    }
    struct error e = {0};
    struct str model = bundle_model(bundle);
    if (booster_open(&b->booster, model.p, model.n, &e))
        diag_add(diags, DIAG_ERROR, bundle_folder(bundle), 0, 0, "%s", e.text);
    if (diags->errors > errors)
        binding_free(&b);
    return b;
}

void binding_free(struct binding **b)
{
    if (!*b)
        return;
    if ((*b)->booster)
        booster_free(&(*b)->booster);
    free((*b)->columns);
    free((*b)->customer);
    free((*b)->action_rows);
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

void binding_rows(const struct binding *b, struct expr_eval *ev, const uint32_t *actions, size_t count,
                  float *out)
{
    for (size_t k = 0; k < b->column_count; k++)
        b->customer[k] = binding_value(b->columns[k].feature, expr_eval(ev, b->columns[k].node));
    for (size_t i = 0; i < count; i++) {
        float *row = out + i * b->features;
        memcpy(row, b->action_rows + actions[i] * b->features, b->features * sizeof *row);
        for (size_t k = 0; k < b->column_count; k++)
            row[b->columns[k].column] = b->customer[k];
    }
}

int binding_score(void *binding, struct expr_eval *ev, const uint32_t *actions, size_t count,
                  struct arena *arena, double *propensity, struct error *e)
{
    struct binding *b = binding;
    float *rows = arena_alloc(arena, count * b->features * sizeof *rows);
    float *margins = arena_alloc(arena, count * sizeof *margins);
    if (!rows || !margins)
        return error_set(e, ERR_NOSPACE, "the request's memory is full");
    binding_rows(b, ev, actions, count, rows);
    int rc = booster_margins(b->booster, rows, count, b->features, margins, e);
    for (size_t i = 0; !rc && i < count; i++)
        propensity[i] = bundle_probability(bundle_spec(b->bundle), margins[i]);
    return rc;
}
