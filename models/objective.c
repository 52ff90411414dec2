/* Objectives; see objective.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/objective.h"
#include "base/exact.h"

/* name, link, label types that fit, whether its margins only order, whether there is a margin a class */
#define OBJECTIVE_LIST(X)                                                                                    \
    X("binary:logistic", LINK_LOGISTIC, {[BUNDLE_BINARY] = true}, false, false)                              \
    X("reg:squarederror", LINK_IDENTITY, {[BUNDLE_COUNT] = true, [BUNDLE_MONEY] = true}, false, false)       \
    X("count:poisson", LINK_EXP, {[BUNDLE_COUNT] = true}, false, false)                                      \
    X("reg:tweedie", LINK_EXP, {[BUNDLE_COUNT] = true, [BUNDLE_MONEY] = true}, false, false)                 \
    X("reg:gamma", LINK_EXP, {[BUNDLE_MONEY] = true}, false, false)                                          \
    X("reg:logistic", LINK_LOGISTIC, {[BUNDLE_BINARY] = true}, false, false)                                 \
    X("binary:logitraw", LINK_LOGISTIC, {[BUNDLE_BINARY] = true}, false, false)                              \
    X("reg:absoluteerror", LINK_IDENTITY, {[BUNDLE_COUNT] = true, [BUNDLE_MONEY] = true}, false, false)      \
    X("multi:softprob", LINK_IDENTITY, {[BUNDLE_BINARY] = true}, false, true)                                \
    X("multi:softmax", LINK_IDENTITY, {[BUNDLE_BINARY] = true}, false, true)                                 \
    X("binary:hinge", LINK_IDENTITY, {[BUNDLE_BINARY] = true}, true, false)                                  \
    X("rank:pairwise", LINK_IDENTITY, {true, true, true}, true, false)                                       \
    X("rank:ndcg", LINK_IDENTITY, {true, true, true}, true, false)                                           \
    X("rank:map", LINK_IDENTITY, {true, true, true}, true, false)

#define OBJECTIVE_ROW(name, ...) {name, __VA_ARGS__},
#define OBJECTIVE_NAME(name, ...) name,
static const struct objective objectives[] = {OBJECTIVE_LIST(OBJECTIVE_ROW)};
const char *const objective_names[] = {OBJECTIVE_LIST(OBJECTIVE_NAME) NULL};
enum { OBJECTIVES = sizeof objectives / sizeof *objectives };

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

bool objective_gives_sign(const struct objective *o)
{
    return str_is(STR("binary:hinge"), o->name);
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
    if (objective_gives_sign(o))
        return margins[output] > 0 ? 1 : 0;
    if (str_is(STR("binary:logitraw"), o->name))
        return (double)margins[output];
    return calibration_apply(&none, o->link, margins[output]);
}
