/* A line chart as an SVG file: series with optional bands (intervals), axes with round ticks, even or logarithmic, a legend. Text is
 * plain SVG text, so that any viewer shows it; no script, no font of its own. Colours are told apart by people with colour blindness
 * (Okabe and Ito 2008).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_TOOLS_SVG_PLOT_H
#define TACT_TOOLS_SVG_PLOT_H
#include "base/buf.h"

enum { SVG_SERIES_MAX = 8, SVG_TICKS_MAX = 12 };

struct svg_series {
    const char *name;
    const double *x, *y;      /* finite, x rising; above 0 on a logarithmic axis */
    const double *low, *high; /* or NULL: no band */
    size_t n;
    bool dashed, dots; /* dots: a mark at each point, where the points are few */
};

struct svg_plot {
    const char *title, *x_label, *y_label;
    const struct svg_series *series;
    size_t count; /* at most SVG_SERIES_MAX */
    bool log_x, log_y;
    bool legend_left; /* in the upper left corner, which lines that rise leave free; else in the upper right one */
};

/* Appends the whole file. Texts are escaped. */
void svg_plot_write(struct buf *out, const struct svg_plot *p);

/* Round numbers between low and high, at most SVG_TICKS_MAX (1, 2 or 5 times a power of ten apart); returns how many. */
size_t svg_ticks(double low, double high, double ticks[SVG_TICKS_MAX]);

/* The same for a logarithmic axis, low above 0: 1, 2 and 5 times powers of ten; over more than three decades powers of ten alone;
 * within less than one decade those of svg_ticks. */
size_t svg_log_ticks(double low, double high, double ticks[SVG_TICKS_MAX]);

#endif
