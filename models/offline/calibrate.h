/* Fitting calibrations on rows that the model was not trained on. Deterministic; the rows' order does not matter to the
 * isotonic one, and to Platt's in the last digits only. Weights (NULL: 1 each) say how many rows a row stands for; rows with
 * weight 0 are not looked at.
 *
 * ERR_INVALID, by both: no rows (with weight), a margin, label or weight that is not finite, a weight below 0, all margins
 * equal. ERR_NOSPACE: memory, or the arena's limit. On an error *out is as it was.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_OFFLINE_CALIBRATE_H
#define TACT_OFFLINE_CALIBRATE_H
#include "base/arena.h"
#include "base/error.h"
#include "models/calibration.h"

/* Least squares under monotony by pool adjacent violators (Robertson, Wright and Dykstra 1988); rows with equal margins are
 * one point with their mean label. The points are both ends of each pooled block (one point where they are the same), x
 * exactly the rows' margins, y rising from block to block; they live in the arena. Where that makes more than
 * CALIBRATION_POINTS_MAX, neighbouring blocks are pooled further, such that the largest squared error within a pool is as
 * small as it can be. ERR_INVALID also when a single block remains: the labels are all equal, or they fall as margins rise
 * (the model has no order to calibrate). */
int calibrate_isotonic(struct calibration *out, const float *margins, const float *labels,
                       const float *weights, size_t n, struct arena *arena, struct error *e) MUST_CHECK;

/* Logistic regression of labels (0 or 1) on margins with Platt's target smoothing (sums of weights stand for his counts), by
 * Newton's method (Lin, Lin and Weng 2007), damped where a step does not go down. ERR_INVALID also for one class only and other
 * labels. a may be negative only when the data say so; it is reported as it is. */
int calibrate_platt(struct calibration *out, const float *margins, const float *labels, const float *weights,
                    size_t n, struct error *e) MUST_CHECK;

#endif
