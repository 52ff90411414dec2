/* Objectives; see objective.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/objective.h"
#include "base/exact.h"

static const struct objective objectives[] = {
    {"binary:logistic", LINK_LOGISTIC, {[BUNDLE_BINARY] = true}, false, false},
    {"reg:squarederror", LINK_IDENTITY, {[BUNDLE_COUNT] = true, [BUNDLE_MONEY] = true}, false, false},
    {"count:poisson", LINK_EXP, {[BUNDLE_COUNT] = true}, false, false},
    {"reg:tweedie", LINK_EXP, {[BUNDLE_COUNT] = true, [BUNDLE_MONEY] = true}, false, false},
    {"reg:gamma", LINK_EXP, {[BUNDLE_MONEY] = true}, false, false},
    {"reg:logistic", LINK_LOGISTIC, {[BUNDLE_BINARY] = true}, false, false},
    {"binary:logitraw", LINK_LOGISTIC, {[BUNDLE_BINARY] = true}, false, false},
    {"reg:absoluteerror", LINK_IDENTITY, {[BUNDLE_COUNT] = true, [BUNDLE_MONEY] = true}, false, false},
    {"multi:softprob", LINK_IDENTITY, {[BUNDLE_BINARY] = true}, false, true},
    {"multi:softmax", LINK_IDENTITY, {[BUNDLE_BINARY] = true}, false, true},
    {"binary:hinge", LINK_IDENTITY, {[BUNDLE_BINARY] = true}, true, false},
    {"rank:pairwise", LINK_IDENTITY, {true, true, true}, true, false},
    {"rank:ndcg", LINK_IDENTITY, {true, true, true}, true, false},
    {"rank:map", LINK_IDENTITY, {true, true, true}, true, false},
};
enum { OBJECTIVES = sizeof objectives / sizeof *objectives };

const char *const objective_names[] = {
    "binary:logistic", "reg:squarederror",  "count:poisson",  "reg:tweedie",   "reg:gamma",
    "reg:logistic",    "binary:logitraw",   "reg:absoluteerror", "multi:softprob", "multi:softmax",
    "binary:hinge",    "rank:pairwise",     "rank:ndcg",      "rank:map",      NULL};

const struct objective *objective_find(struct str name)
{
    for (size_t i = 0; i < OBJECTIVES; i++)
        if (str_is(name, objectives[i].name))
            return &objectives[i];
    return NULL;
}

size_t objective_names_for(enum bundle_label label, const char *out[], size_t most)
{
    size_t n = 0;
    for (size_t i = 0; i < OBJECTIVES && n < most; i++)
        if (objectives[i].fits[label])
            out[n++] = objectives[i].name;
    return n;
}

double objective_softmax(const float *margins, size_t outputs, size_t output)
{
    double most = (double)margins[0], sum = 0;
    for (size_t k = 1; k < outputs; k++)
        if ((double)margins[k] > most)
            most = (double)margins[k];
    for (size_t k = 0; k < outputs; k++)
        sum += exact_exp((double)margins[k] - most);
    return exact_exp((double)margins[output] - most) / sum;
}

bool objective_gives_class(const struct objective *o)
{
    return str_is(STR("multi:softmax"), o->name);
}

size_t objective_class(const float *margins, size_t outputs)
{
    size_t best = 0;
    for (size_t k = 1; k < outputs; k++)
        if (margins[k] > margins[best])
            best = k;
    return best;
}

double objective_predict(const struct objective *o, const float *margins, size_t outputs, size_t output)
{
    static const struct calibration none = {.kind = CALIBRATION_NONE};
    if (o->classes)
        return objective_softmax(margins, outputs, output);
    if (str_is(STR("binary:hinge"), o->name))
        return margins[output] > 0 ? 1 : 0;
    if (str_is(STR("binary:logitraw"), o->name))
        return (double)margins[output];
    return calibration_apply(&none, o->link, margins[output]);
}
