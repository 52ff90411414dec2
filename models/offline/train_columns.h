/* From columns of a frame to rows of floats, as the config's features say; see train_data.h.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_OFFLINE_TRAIN_COLUMNS_H
#define TACT_OFFLINE_TRAIN_COLUMNS_H
#include "models/offline/frame.h"
#include "models/offline/train_data.h"

/* The column that a feature reads; wants has room for two a feature. */
void train_columns_want(const struct train_config *c, struct frame_want *wants, size_t *count);

/* Fills d->rows and d->specs. rows[i] is the frame's row of d's row i; times are the config's time column or NULL. first is the
 * place of the features' first column in the frame, as train_columns_want put them. Frees nothing of the frame. */
int train_columns_fill(struct train_data *d, const struct train_config *c, const struct frame *f,
                       const uint32_t *rows, const int64_t *times, size_t first, struct diags *diags,
                       struct error *e) MUST_CHECK;

#endif
