/* Features as cells of a CSV that models are trained on: what models/binding.h would give a model, so durations in hours, numbers
 * as 32-bit floats, unknown as nothing.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_OFFLINE_FEATURE_CELL_H
#define TACT_OFFLINE_FEATURE_CELL_H
#include "expr/value.h"

void feature_cell(struct buf *out, struct value v);
/* Quoted where it must be. */
void feature_text(struct buf *out, struct str s);
void feature_float(struct buf *out, float f);

#endif
