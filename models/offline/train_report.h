/* The report of a training: as a table for people, and as the bundle's metrics.
 *
 * Names of metrics: FIGURE, ARM.FIGURE for models and uplift of an arm, policy.NAME.cost_C for values of policies; "cv." before
 * those of cross-validation; ".low" and ".high" after them for the ends of the interval. Figures that do not exist are left
 * out.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_OFFLINE_TRAIN_REPORT_H
#define TACT_OFFLINE_TRAIN_REPORT_H
#include "models/offline/train.h"

/* Lines of at most about 110 letters. test_rows: the file of them, or NULL. */
void train_report_print(const struct train_result *r, const char *out_folder, const char *test_rows,
                        FILE *out);

/* At most BUNDLE_METRICS_MAX; NULL without memory. */
struct bundle_metric *train_report_metrics(const struct train_result *r, struct arena *arena, size_t *count);

/* The measures that the policies come from. */
static inline const struct train_measures *train_policies(const struct train_result *r)
{
    return r->has_cv ? &r->cv : &r->test;
}

#endif
