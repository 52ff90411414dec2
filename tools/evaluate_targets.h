/* Targets and expected rewards of `tact evaluate` that come as data: tables by action and position, columns of the CSV.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_TOOLS_EVALUATE_TARGETS_H
#define TACT_TOOLS_EVALUATE_TARGETS_H
#include "models/offline/evaluate.h"

/* A CSV with columns action, position (where the rows have positions) and `value_name`, as [positions][actions] (malloc). What
 * it does not list is 0. Probabilities: in [0,1], the sum at each position is 1 within 1e-6. ERR_INVALID names the line:
 * an action or position that the rows lack, one that is listed twice, a sum that is wrong. New actions may be added to the
 * rows by it. */
int targets_table(double **out, struct eval_rows *r, const char *path, const char *value_name,
                  bool probabilities, struct error *e) MUST_CHECK;

/* Which columns of the header are <prefix><action>, as wants for eval_rows_read; texts in the arena. ERR_INVALID when
 * there is none. */
int targets_wants(struct frame_want **out, size_t *count, const struct str *header, size_t header_count,
                  const char *prefix, bool probabilities, struct arena *arena, struct error *e) MUST_CHECK;
/* Those columns of the frame (at `from`, `count` of them) as [n][actions] (malloc). Every logged action needs its column.
 * Probabilities: each row sums to 1 within 1e-6. */
int targets_columns(double **out, struct eval_rows *r, const struct frame *f, size_t from, size_t count,
                    const char *prefix, bool probabilities, struct error *e) MUST_CHECK;

#endif
