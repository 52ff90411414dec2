/* What a model says of one action. Here, so that models can fill it in and the decision function can read it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_MODELS_MODEL_SCORE_H
#define TACT_MODELS_MODEL_SCORE_H
#include <stdbool.h>

/* In the label's unit: chances for a binary label, else numbers or money. All finite where known. */
struct model_score {
    bool known; /* false: the model does not know this action; its starting propensity counts */
    double
        propensity; /* when contacted with it; of a `transformed` model the difference that the contact makes */
    double baseline; /* when not contacted; 0 where the model says nothing of silence */
};

#endif
