/* Rows of a bundle's features from a CSV file (plain or zstd), found by name in any order, other columns left out; and what another
 * program expects for them, where the file says it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_TOOLS_MODEL_ROWS_H
#define TACT_TOOLS_MODEL_ROWS_H
#include "models/golden.h"
#include "models/offline/frame.h"

struct model_rows {
    struct arena arena;
    struct frame frame;
    struct golden golden; /* rows; expected is NULL when the file has no such columns */
    struct str other;     /* the first column that is neither a feature nor expected; empty: none */
};

/* Columns margin (margin.0, …; margin.<arm>) or prediction are taken for expected values. Findings go to diags; the error sums
 * up. A category that the bundle does not have is a finding. rows_max: more rows are left out (0: none). On an error
 * out is empty. */
int model_rows_read(struct model_rows *out, const char *path, const struct bundle_spec *spec, size_t rows_max,
                    struct diags *diags, struct error *e) MUST_CHECK;
void model_rows_free(struct model_rows *r);

#endif
