/* Margins to values; see calibration.h. Any thread may call, at any time.
 *
 * Order to the last bit: neighbouring floats are so far apart that exact_exp, within 1 ulp of a double, keeps their order, and
 * rounding keeps the order of + − × ÷ by a fixed operand. In a straight line the share t of a segment can round up to 1 and
 * y0 + (y1 − y0)·t past y1, so y1 is its ceiling.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/calibration.h"
#include "base/error.h"
#include "base/exact.h"
#include <float.h>

static const double exp_margin_max = 700;

static double logistic(double t)
{
    return 1 / (1 + exact_exp(-t));
}

static double linked(enum link link, double m)
{
    switch (link) {
    case LINK_IDENTITY:
        return m;
    case LINK_LOGISTIC:
        return logistic(m);
    case LINK_EXP:
        return exact_exp(m > exp_margin_max ? exp_margin_max : m);
    }
    ASSERT(false);
    return m;
}

static double platt(const struct calibration *c, double m)
{
    if (m > (double)FLT_MAX)
        m = (double)FLT_MAX;
    if (m < -(double)FLT_MAX)
        m = -(double)FLT_MAX;
    return logistic(c->a * m + c->b);
}

static double isotonic(const struct calibration *c, double m)
{
    ASSERT(c->count > 0);
    size_t low = 0, high = c->count - 1;
    if (m <= c->x[low])
        return c->y[low];
    if (m >= c->x[high])
        return c->y[high];
    while (high - low > 1) { /* x[low] <= m < x[high] */
        size_t middle = low + (high - low) / 2;
        if (c->x[middle] <= m)
            low = middle;
        else
            high = middle;
    }
    double t = (m - c->x[low]) / (c->x[high] - c->x[low]);
    double y = c->y[low] + (c->y[high] - c->y[low]) * t;
    return y > c->y[high] ? c->y[high] : y;
}

double calibration_apply(const struct calibration *c, enum link link, float margin)
{
    double m = (double)margin;
    if (m != m)
        return m;
    switch (c->kind) {
    case CALIBRATION_NONE:
        return linked(link, m);
    case CALIBRATION_PLATT:
        return platt(c, m);
    case CALIBRATION_ISOTONIC:
        return isotonic(c, m);
    }
    ASSERT(false);
    return m;
}
