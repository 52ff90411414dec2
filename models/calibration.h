/* A calibration: from a model's margin to what the label really was at such margins, in the label's unit (a probability
 * for binary labels). Part of a bundle; fitted offline (models/offline/calibrate.h), applied on the decision path: no
 * allocation, the same bits on every machine (+ − × ÷, comparisons and exact_exp only).
 *
 *   none       the objective's own link: 1/(1+exp(-m)) for binary:logistic, exp(m) for count:poisson, reg:gamma and
 *              reg:tweedie, m itself for reg:squarederror
 *   platt      1/(1+exp(-(a·m+b))) (Platt 1999); binary labels only
 *   isotonic   through points (x[i], y[i]), x strictly rising and y not falling, in straight lines between them, flat
 *              outside (Zadrozny and Elkan 2002; points of the pool-adjacent-violators solution)
 *
 * none and isotonic keep the order of margins to the last bit: the larger never gets the smaller value. Platt does so up to
 * rounding (and turns it round when a < 0).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_MODELS_CALIBRATION_H
#define TACT_MODELS_CALIBRATION_H
#include <stdbool.h>
#include <stddef.h>

enum { CALIBRATION_POINTS_MAX = 1000 };

enum link { LINK_IDENTITY, LINK_LOGISTIC, LINK_EXP };
enum calibration_kind { CALIBRATION_NONE, CALIBRATION_PLATT, CALIBRATION_ISOTONIC };

/* All zero: none. Whoever makes one keeps a, b, x and y finite and the points in order: it is not looked at here. */
struct calibration {
    enum calibration_kind kind;
    double a, b;         /* platt */
    const double *x, *y; /* isotonic; live as long as whoever made it says */
    size_t count;        /* 1 to CALIBRATION_POINTS_MAX */
};

/* NaN margins give NaN. LINK_EXP stays finite: margins above 700 count as 700. Platt stays a number: infinite margins count
 * as the largest float. The link is used by CALIBRATION_NONE only. */
double calibration_apply(const struct calibration *c, enum link link, float margin);

#endif
