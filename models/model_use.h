/* Which model an entry of a line-up has for a customer. Here, so that models can tell and the decision can carry it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_MODELS_MODEL_USE_H
#define TACT_MODELS_MODEL_USE_H
#include "base/str.h"

enum { MODEL_USES_MAX = 32 };

struct model_use {
    struct str entry, bundle; /* names in models.yaml */
    const char *bundle_id;
    bool challenger; /* else the champion */
};

#endif
