/* Fitting calibrations on rows that the model was not trained on. Deterministic.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_OFFLINE_CALIBRATE_H
#define TACT_OFFLINE_CALIBRATE_H
#include "base/arena.h"
#include "base/error.h"
#include "models/calibration.h"

/* Least squares under monotony by pool adjacent violators, weighted (weights may be NULL: 1 each); then at most
 * CALIBRATION_POINTS_MAX points: both ends of each pooled block (Robertson et al. 1988). Points live in the arena.
 * ERR_INVALID: no rows, all margins equal, a NaN, or labels that fall as margins rise throughout (one block: the
 * model has no order to calibrate). */
int calibrate_isotonic(struct calibration *out, const float *margins, const float *labels,
                       const float *weights, size_t n, struct arena *arena, struct error *e) MUST_CHECK;

/* Logistic regression of labels (0 or 1) on margins with Platt's target smoothing, by Newton's method with
 * backtracking (Lin, Lin and Weng 2007). ERR_INVALID: one class only, or a NaN. a may be negative only when the
 * data say so; it is reported as it is. */
int calibrate_platt(struct calibration *out, const float *margins, const float *labels, const float *weights,
                    size_t n, struct error *e) MUST_CHECK;

#endif
