/* What in the data speaks against a training that would otherwise go through: findings that a person should see before
 * believing a figure. All are warnings but one.
 *
 *   leaks      a feature that alone nearly decides the label: an AUC of 0.98 in either direction for binary labels, else a
 *              correlation of 0.98; of a category by the mean label of each on one half of the rows, seen on the other half
 *   features   the same value in all training rows; no value at all; categories over 1,000; an action's attribute that has
 *              several values within one action
 *   arms       fewer than 50 training rows, no positives; no row at all, which is an error for t_learner, transformed
 *              and s_learner
 *   sizes      a test part of fewer than 100 rows, or with fewer than 10 positives or negatives
 *   weights    class weights without calibration; row weights, which not all figures take
 *   zone       dates that are read in a zone which others must be told
 *
 * Only rows outside the test part are looked at for leaks, at most TRAIN_LEAK_ROWS of them, evenly spread by hash.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_OFFLINE_TRAIN_CHECK_H
#define TACT_OFFLINE_TRAIN_CHECK_H
#include "models/offline/train_data.h"

enum { TRAIN_LEAK_ROWS = 50000, TRAIN_MANY_CATEGORIES = 1000, TRAIN_FEW_ROWS = 50, TRAIN_FEW_TESTED = 100 };
#define TRAIN_LEAK 0.98

/* ERR_INVALID after an error among the findings. */
int train_check(const struct train_data *d, const struct train_config *c, struct diags *diags,
                struct error *e) MUST_CHECK;

#endif
