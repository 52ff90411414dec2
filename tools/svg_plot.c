/* A line chart; see svg_plot.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tools/svg_plot.h"
#include <math.h>

/* Pixels; doubles, since all places are. */
static const double WIDTH = 760, HEIGHT = 460, LEFT = 84, RIGHT = 24, TOP = 48, BOTTOM = 64, LEGEND_LINE = 18;

static const char *const colours[SVG_SERIES_MAX] = {"#0072B2", "#D55E00", "#009E73", "#CC79A7",
                                                    "#56B4E9", "#E69F00", "#444444", "#999999"};

/* Of an axis. With log they are logarithms. */
struct range {
    double low, high;
    bool log;
};

size_t svg_ticks(double low, double high, double ticks[SVG_TICKS_MAX])
{
    if (!(high > low))
        return 0;
    double raw = (high - low) / 6, power = pow(10, floor(log10(raw))), step = 10 * power;
    static const double nice[] = {1, 2, 5};
    for (int i = 2; i >= 0; i--)
        if (nice[i] * power >= raw)
            step = nice[i] * power;
    size_t n = 0;
    for (double k = ceil(low / step - 1e-9); k * step <= high + 1e-9 * step && n < SVG_TICKS_MAX; k++)
        ticks[n++] = k == 0 ? 0 : k * step;
    return n;
}

size_t svg_log_ticks(double low, double high, double ticks[SVG_TICKS_MAX])
{
    static const double parts[] = {1, 2, 5};
    if (!(low > 0) || high < 10 * low * (1 - 1e-9))
        return low > 0 ? svg_ticks(low, high, ticks) : 0;
    double decades = log10(high / low), step = ceil(decades / (SVG_TICKS_MAX - 1) - 1e-9);
    size_t n = 0, each = decades <= 3 + 1e-9 ? 3 : 1;
    for (double k = floor(log10(low) / step) * step; k <= log10(high) + 1e-9; k += step)
        for (size_t i = 0; i < each; i++) {
            double tick = parts[i] * pow(10, k);
            if (tick >= low * (1 - 1e-9) && tick <= high * (1 + 1e-9) && n < SVG_TICKS_MAX)
                ticks[n++] = tick;
        }
    return n;
}

static size_t range_ticks(struct range r, double ticks[SVG_TICKS_MAX])
{
    return r.log ? svg_log_ticks(pow(10, r.low), pow(10, r.high), ticks) : svg_ticks(r.low, r.high, ticks);
}

static double scaled(struct range r, double v)
{
    ASSERT(!r.log || v > 0);
    return r.log ? log10(v) : v;
}

static void include(struct range *r, double v)
{
    r->low = fmin(r->low, scaled(*r, v));
    r->high = fmax(r->high, scaled(*r, v));
}

static void find_ranges(const struct svg_plot *p, struct range *x, struct range *y)
{
    *x = (struct range){INFINITY, -INFINITY, p->log_x};
    *y = (struct range){INFINITY, -INFINITY, p->log_y};
    for (size_t s = 0; s < p->count; s++)
        for (size_t i = 0; i < p->series[s].n; i++) {
            include(x, p->series[s].x[i]);
            include(y, p->series[s].y[i]);
            if (p->series[s].low) {
                include(y, p->series[s].low[i]);
                include(y, p->series[s].high[i]);
            }
        }
    if (!(x->high > x->low))
        *x = (struct range){0, 1, p->log_x};
    double room = y->high > y->low ? (y->high - y->low) * 0.05 : fabs(y->high) * 0.1 + 1e-6;
    *y = isfinite(room) ? (struct range){y->low - room, y->high + room, p->log_y} : (struct range){0, 1, p->log_y};
}

static double place_x(struct range r, double v)
{
    return LEFT + (scaled(r, v) - r.low) / (r.high - r.low) * (WIDTH - LEFT - RIGHT);
}

static double place_y(struct range r, double v)
{
    return HEIGHT - BOTTOM - (scaled(r, v) - r.low) / (r.high - r.low) * (HEIGHT - TOP - BOTTOM);
}

static void text(struct buf *out, double x, double y, const char *attributes, const char *words)
{
    buf_printf(out, "<text x=\"%.1f\" y=\"%.1f\" %s>", x, y, attributes);
    for (const char *c = words; *c; c++) {
        if (*c == '<')
            buf_printf(out, "&lt;");
        else if (*c == '&')
            buf_printf(out, "&amp;");
        else if ((unsigned char)*c >= 0x20)
            buf_byte(out, (uint8_t)*c);
    }
    buf_printf(out, "</text>\n");
}

static void axes(struct buf *out, const struct svg_plot *p, struct range x, struct range y)
{
    double ticks[SVG_TICKS_MAX];
    char word[32];
    size_t n = range_ticks(y, ticks);
    for (size_t i = 0; i < n; i++) {
        double at = place_y(y, ticks[i]);
        buf_printf(out, "<line x1=\"%.0f\" y1=\"%.1f\" x2=\"%.0f\" y2=\"%.1f\" stroke=\"#e4e4e4\"/>\n", LEFT,
                   at, WIDTH - RIGHT, at);
        snprintf(word, sizeof word, "%.6g", ticks[i]);
        text(out, LEFT - 8, at + 4, "text-anchor=\"end\" class=\"tick\"", word);
    }
    n = range_ticks(x, ticks);
    for (size_t i = 0; i < n; i++) {
        double at = place_x(x, ticks[i]);
        buf_printf(out, "<line x1=\"%.1f\" y1=\"%.0f\" x2=\"%.1f\" y2=\"%.0f\" stroke=\"#888\"/>\n", at,
                   HEIGHT - BOTTOM, at, HEIGHT - BOTTOM + 5);
        snprintf(word, sizeof word, "%.6g", ticks[i]);
        text(out, at, HEIGHT - BOTTOM + 20, "text-anchor=\"middle\" class=\"tick\"", word);
    }
    buf_printf(out, "<line x1=\"%.0f\" y1=\"%.0f\" x2=\"%.0f\" y2=\"%.0f\" stroke=\"#888\"/>\n", LEFT,
               HEIGHT - BOTTOM, WIDTH - RIGHT, HEIGHT - BOTTOM);
    text(out, (LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 18, "text-anchor=\"middle\"", p->x_label);
    buf_printf(out, "<g transform=\"translate(20 %.1f) rotate(-90)\">", (TOP + HEIGHT - BOTTOM) / 2.0);
    text(out, 0, 0, "text-anchor=\"middle\"", p->y_label);
    buf_printf(out, "</g>\n");
    text(out, LEFT, 26, "class=\"title\"", p->title);
}

static void band(struct buf *out, const struct svg_series *s, const char *colour, struct range x,
                 struct range y)
{
    buf_printf(out, "<path fill=\"%s\" fill-opacity=\"0.14\" d=\"", colour);
    for (size_t i = 0; i < s->n; i++)
        buf_printf(out, "%c%.1f %.1f", i ? 'L' : 'M', place_x(x, s->x[i]), place_y(y, s->high[i]));
    for (size_t i = s->n; i-- > 0;)
        buf_printf(out, "L%.1f %.1f", place_x(x, s->x[i]), place_y(y, s->low[i]));
    buf_printf(out, "Z\"/>\n");
}

static void line(struct buf *out, const struct svg_series *s, const char *colour, struct range x,
                 struct range y)
{
    buf_printf(out, "<path fill=\"none\" stroke=\"%s\" stroke-width=\"2\"%s d=\"", colour,
               s->dashed ? " stroke-dasharray=\"6 4\"" : "");
    for (size_t i = 0; i < s->n; i++)
        buf_printf(out, "%c%.1f %.1f", i ? 'L' : 'M', place_x(x, s->x[i]), place_y(y, s->y[i]));
    buf_printf(out, "\"/>\n");
    for (size_t i = 0; i < s->n && s->dots; i++)
        buf_printf(out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\" fill=\"%s\"/>\n", place_x(x, s->x[i]), place_y(y, s->y[i]),
                   colour);
}

/* In an upper corner, on a ground of its own. */
static void legend(struct buf *out, const struct svg_plot *p)
{
    double top = TOP + 6, left = p->legend_left ? LEFT + 4 : WIDTH - RIGHT - 230;
    buf_printf(
        out,
        "<rect x=\"%.1f\" y=\"%.1f\" width=\"226\" height=\"%.0f\" fill=\"#fff\" fill-opacity=\"0.85\"/>\n",
        left, top, (double)p->count * LEGEND_LINE + 8);
    for (size_t i = 0; i < p->count; i++) {
        double y = top + 16 + (double)i * LEGEND_LINE;
        buf_printf(
            out,
            "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\" stroke-width=\"2\"%s/>\n",
            left + 8, y - 4, left + 34, y - 4, colours[i],
            p->series[i].dashed ? " stroke-dasharray=\"6 4\"" : "");
        text(out, left + 42, y, "class=\"tick\"", p->series[i].name);
    }
}

void svg_plot_write(struct buf *out, const struct svg_plot *p)
{
    struct range x, y;
    ASSERT(p->count <= SVG_SERIES_MAX);
    find_ranges(p, &x, &y);
    buf_printf(out,
               "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 %.0f "
               "%.0f\">\n"
               "<style>text{font:13px "
               "sans-serif;fill:#222}.tick{font-size:12px;fill:#444}.title{font-size:16px}</style>\n"
               "<rect width=\"%.0f\" height=\"%.0f\" fill=\"#fff\"/>\n",
               WIDTH, HEIGHT, WIDTH, HEIGHT, WIDTH, HEIGHT);
    axes(out, p, x, y);
    for (size_t i = 0; i < p->count; i++)
        if (p->series[i].low)
            band(out, &p->series[i], colours[i], x, y);
    for (size_t i = 0; i < p->count; i++)
        line(out, &p->series[i], colours[i], x, y);
    legend(out, p);
    buf_printf(out, "</svg>\n");
}
