/* Which of a model's rounds count, for people.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_TOOLS_MODEL_IMPORT_H
#define TACT_TOOLS_MODEL_IMPORT_H
#include "models/model.h"
#include <stdio.h>

/* "  trees        57 of 100: up to best_iteration 56; depth 6" */
void model_print_rounds(const struct model *m, FILE *out);

#endif
