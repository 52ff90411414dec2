/* The objectives that a bundle's model may have been trained for: what its margins are, and what becomes of them.
 *
 *   binary:logistic reg:logistic binary:logitraw    a binary label; the chance is 1 / (1 + e^−margin)
 *   reg:squarederror reg:absoluteerror              counts or money; the margin itself
 *   count:poisson reg:tweedie reg:gamma             counts or money; e^margin
 *   multi:softprob multi:softmax                    a binary label, "it is this class": e^margin over the sum of all classes'
 *   binary:hinge rank:pairwise rank:ndcg rank:map   margins only order: a calibration must make values of them
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_MODELS_OBJECTIVE_H
#define TACT_MODELS_OBJECTIVE_H
#include "base/str.h"
#include "models/calibration.h"

enum bundle_label { BUNDLE_BINARY, BUNDLE_COUNT, BUNDLE_MONEY };

struct objective {
    const char *name;
    enum link link;
    bool fits[BUNDLE_MONEY + 1]; /* label types */
    bool orders;                 /* its margins only order */
    bool classes;                /* a margin a class */
};

/* NULL when bundles may not have it. */
const struct objective *objective_find(struct str name);
/* Their names, ended by NULL; with fit, only those that a label type fits. */
extern const char *const objective_names[];
size_t objective_names_for(enum bundle_label label, const char *out[], size_t most);

/* What XGBoost's own predict gives for a row: for classes the chance of one (but see objective_class); for binary:hinge 0 or
 * 1. */
double objective_predict(const struct objective *o, const float *margins, size_t outputs, size_t output);
/* Whether predict gives the number of the likeliest class in place of chances: multi:softmax. */
bool objective_gives_class(const struct objective *o);
bool objective_gives_sign(const struct objective *o); /* 1 where the margin is above 0, else 0 */
/* That number; of equal margins the first, as XGBoost does. */
size_t objective_class(const float *margins, size_t outputs);
/* The chance of one class. Finite margins: exact_exp in the order of the classes. */
double objective_softmax(const float *margins, size_t outputs, size_t output);

#endif
