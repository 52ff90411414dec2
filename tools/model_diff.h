/* How far two lists of predictions are apart.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_TOOLS_MODEL_DIFF_H
#define TACT_TOOLS_MODEL_DIFF_H
#include <stdbool.h>
#include <stddef.h>

struct model_diff {
    size_t n;
    double mean_a, mean_b;
    double mean_abs, p50, p90, p99, most; /* of |a − b| */
    size_t worst;                         /* where it is largest */
    double pearson, spearman;             /* NaN where one of them never varies; Spearman by mean ranks of ties */
};

/* a and b: n finite numbers. False without memory. */
bool model_diff_of(struct model_diff *out, const double *a, const double *b, size_t n);

#endif
