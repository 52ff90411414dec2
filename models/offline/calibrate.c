/* Fits of calibrations; see calibrate.h.
 *
 * Isotonic: rows are sorted by (margin, label, weight), so that rows which compare equal are the same; runs of equal margins
 * become blocks, and a stack of blocks whose means rise takes one after the other: while the block below does not have a
 * smaller mean, the two are pooled. Every block is pushed once and pooled away at most once.
 *
 * Platt: a convex function of two numbers. The margins are first brought to mean 0 and deviation 1, which makes the 2×2 system
 * well conditioned whatever the model's scale; a and b are brought back at the end.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/offline/calibrate.h"
#include "base/exact.h"
#include <float.h>
#include <math.h>
#include <stdlib.h>

struct row {
    double margin, label, weight;
};

static int by_margin(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    if (x->margin < y->margin || x->margin > y->margin)
        return x->margin < y->margin ? -1 : 1;
    if (x->label < y->label || x->label > y->label)
        return x->label < y->label ? -1 : 1;
    return (x->weight > y->weight) - (x->weight < y->weight);
}

static int check_row(size_t number, float margin, float label, bool binary, struct error *e)
{
    if (!isfinite(margin) || !isfinite(label))
        return error_set(e, ERR_INVALID, "row %zu: the %s is no finite number", number,
                         isfinite(margin) ? "label" : "margin");
    if (binary && (label < 0 || label > 1 || (label > 0 && label < 1)))
        return error_set(e, ERR_INVALID, "row %zu: the label is %g; Platt's calibration allows 0 and 1",
                         number, (double)label);
    return 0;
}

/* Copies the rows that have weight; the caller frees *rows, also after an error. */
static int take_rows(struct row **rows, size_t *count, const float *margins, const float *labels,
                     const float *weights, size_t n, bool binary, struct error *e)
{
    *count = 0;
    *rows = calloc(n + 1, sizeof **rows);
    if (!*rows)
        return error_set(e, ERR_NOSPACE, "out of memory");
    bool differ = false;
    for (size_t i = 0; i < n; i++) {
        float w = weights ? weights[i] : 1.0f;
        if (!isfinite(w) || w < 0)
            return error_set(e, ERR_INVALID, "row %zu: the weight is %g; it must be 0 or more", i + 1,
                             (double)w);
        if (w <= 0)
            continue;
        int rc = check_row(i + 1, margins[i], labels[i], binary, e);
        if (rc)
            return rc;
        (*rows)[*count] = (struct row){(double)margins[i] + 0.0, (double)labels[i], (double)w}; /* −0 is 0 */
        differ =
            differ || (*rows)[*count].margin > (*rows)->margin || (*rows)[*count].margin < (*rows)->margin;
        ++*count;
    }
    if (*count == 0)
        return error_set(e, ERR_INVALID, "a calibration needs rows; there are none%s",
                         n ? " with a weight above 0" : "");
    if (!differ)
        return error_set(e, ERR_INVALID,
                         "all margins are %g: the model makes no difference that a calibration could use",
                         (*rows)->margin);
    return 0;
}

/* ---- isotonic ---- */

/* Rows with margins first to last. */
struct block {
    double first, last, sum, weight; /* sum of weight × label */
};

static double mean(const struct block *b)
{
    return b->sum / b->weight;
}

static struct block pooled(const struct block *low, const struct block *high)
{
    return (struct block){low->first, high->last, low->sum + high->sum, low->weight + high->weight};
}

/* Blocks with rising means, in place of the rows' equal margins; returns how many. */
static size_t pool_violators(struct block *blocks, const struct row *rows, size_t n)
{
    size_t count = 0;
    for (size_t i = 0; i < n;) {
        struct block b = {rows[i].margin, rows[i].margin, 0, 0};
        for (; i < n && !(rows[i].margin > b.first); i++) {
            b.sum += rows[i].weight * rows[i].label;
            b.weight += rows[i].weight;
        }
        while (count && mean(&blocks[count - 1]) >= mean(&b))
            b = pooled(&blocks[--count], &b);
        blocks[count++] = b;
    }
    return count;
}

/* Pools runs of blocks as long as the squared error within a run stays at `limit` or below (greedy, which gives the fewest
 * runs); into out (may be blocks) where it is not NULL. Returns how many, and in *points how many points they make. */
static size_t pool_runs(struct block *out, const struct block *blocks, size_t count, double limit,
                        size_t *points)
{
    size_t runs = 0;
    *points = 0;
    for (size_t i = 0; i < count; runs++) {
        struct block run = blocks[i++];
        double error = 0;
        for (; i < count;
             i++) { /* two groups together: the error of each, and w1·w2/(w1+w2)·(mean2 − mean1)² */
            double step = mean(&blocks[i]) - mean(&run);
            double more = run.weight * (blocks[i].weight / (run.weight + blocks[i].weight)) * step * step;
            if (error + more > limit)
                break;
            error += more;
            run = pooled(&run, &blocks[i]);
        }
        *points += run.last > run.first ? 2 : 1;
        if (out)
            out[runs] = run;
    }
    return runs;
}

/* The smallest limit under which the points fit, by halving from one that no run exceeds. */
static size_t fit_points(struct block *blocks, size_t count, size_t *points)
{
    enum { HALVINGS = 60 };
    pool_runs(NULL, blocks, count, 0, points);
    if (*points <= CALIBRATION_POINTS_MAX)
        return count;
    double weight = 0, range = mean(&blocks[count - 1]) - mean(&blocks[0]);
    for (size_t i = 0; i < count; i++)
        weight += blocks[i].weight;
    double low = 0, high = weight * range * range;
    for (int i = 0; i < HALVINGS; i++) {
        double limit = low + (high - low) / 2;
        pool_runs(NULL, blocks, count, limit, points);
        *(*points <= CALIBRATION_POINTS_MAX ? &high : &low) = limit;
    }
    return pool_runs(blocks, blocks, count, high, points);
}

int calibrate_isotonic(struct calibration *out, const float *margins, const float *labels,
                       const float *weights, size_t n, struct arena *arena, struct error *e)
{
    struct row *rows;
    struct block *blocks = NULL;
    size_t count, points;
    int rc = take_rows(&rows, &count, margins, labels, weights, n, false, e);
    if (rc)
        goto out;
    blocks = calloc(count, sizeof *blocks);
    if (!blocks) {
        rc = error_set(e, ERR_NOSPACE, "out of memory");
        goto out;
    }
    qsort(rows, count, sizeof *rows, by_margin);
    count = pool_violators(blocks, rows, count);
    if (count == 1) {
        rc = error_set(e, ERR_INVALID,
                       "the labels do not rise with the margins: the model has no order to calibrate");
        goto out;
    }
    count = fit_points(blocks, count, &points);
    double *xy = arena_alloc(arena, 2 * points * sizeof *xy);
    if (!xy) {
        rc = error_set(e, ERR_NOSPACE, "%zu points of the calibration do not fit in memory", points);
        goto out;
    }
    double *x = xy, *y = xy + points;
    for (size_t i = 0, k = 0; i < count; i++) {
        x[k] = blocks[i].first;
        y[k++] = mean(&blocks[i]);
        if (blocks[i].last > blocks[i].first) {
            x[k] = blocks[i].last;
            y[k++] = mean(&blocks[i]);
        }
    }
    *out = (struct calibration){.kind = CALIBRATION_ISOTONIC, .x = x, .y = y, .count = points};
out:
    free(blocks);
    free(rows);
    return rc;
}

/* ---- Platt ---- */

struct platt {
    const struct row *rows; /* label: the smoothed target; margin: standardised */
    size_t n;
    double weight;
};

/* ln(1 + e^t) */
static double softplus(double t)
{
    return t > 0 ? t + log1p(exact_exp(-t)) : log1p(exact_exp(t));
}

/* Mean cross entropy, −t ln p − (1 − t) ln(1 − p) = ln(1 + e^f) − t f. */
static double platt_loss(const struct platt *s, double a, double b)
{
    double sum = 0;
    for (size_t i = 0; i < s->n; i++) {
        double f = a * s->rows[i].margin + b;
        sum += s->rows[i].weight * (softplus(f) - s->rows[i].label * f);
    }
    return sum / s->weight;
}

/* Gradient, and Hessian in the form of a weighted variance: Σ c = total, Σ c m = total · centre, Σ c (m − centre)² = spread, with
 * c = w p (1 − p). Nothing cancels in it (West 1979), so that it is solved well where rows far out make the plain one singular. */
struct slope {
    double by_a, by_b, total, centre, spread;
};

static struct slope platt_slope(const struct platt *s, double a, double b)
{
    struct slope l = {.total = DBL_MIN};
    for (size_t i = 0; i < s->n; i++) {
        const struct row *r = &s->rows[i];
        double p = 1 / (1 + exact_exp(-(a * r->margin + b)));
        double w = r->weight / s->weight, off = w * (p - r->label), c = w * p * (1 - p);
        double step = r->margin - l.centre, rest = l.total;
        l.by_a += off * r->margin;
        l.by_b += off;
        l.total += c;
        l.centre += step * (c / l.total);
        l.spread += step * step * c * (rest / l.total);
    }
    l.spread += DBL_MIN;
    return l;
}

/* A step from (a, b), false when none goes down. First Newton's; while a step does not bring the loss down by a part of what
 * it promises, shorter ones, by damping (Levenberg 1944), which also turns them where the curve is flat and Newton's step would
 * leave the range of numbers. *gain: what Newton's step promises, twice. */
static bool platt_step(const struct platt *s, double *a, double *b, double *loss, double *gain)
{
    enum { TRIES = 60 };
    static const double first_damping = 1e-14, part = 1e-4, slack = 1e-12; /* slack: of rounding */
    struct slope l = platt_slope(s, *a, *b);
    double off = l.by_a - l.centre * l.by_b, damping = 0;
    *gain = off * off / l.spread + l.by_b * l.by_b / l.total;
    for (int i = 0; i < TRIES; i++) {
        double da = -off / (l.spread + damping), straight = -l.by_b / (l.total + damping);
        double db = straight - l.centre * da, promised = -(off * da + l.by_b * straight);
        double trial = platt_loss(s, *a + da, *b + db);
        if (trial <= *loss - part * promised + slack * *loss) {
            *a += da;
            *b += db;
            *loss = trial;
            return true;
        }
        damping = damping > 0 ? damping * 16 : first_damping;
    }
    return false;
}

/* True when a and b are the minimum, as near as doubles can tell. */
static bool platt_minimise(const struct platt *s, double *a, double *b)
{
    enum { STEPS = 100 };
    static const double last = 1e-22, near_enough = 1e-8;
    double loss = platt_loss(s, *a, *b), gain = 1;
    for (int k = 0; k < STEPS && gain > last; k++)
        if (!platt_step(s, a, b, &loss, &gain))
            break;
    struct slope l = platt_slope(s, *a, *b);
    return fabs(l.by_a) < near_enough && fabs(l.by_b) < near_enough;
}

/* Puts smoothed targets in the labels' place; fills the prior's log odds as the start of b. */
static int smooth_targets(struct row *rows, size_t n, double *b, struct error *e)
{
    double positives = 0, negatives = 0;
    for (size_t i = 0; i < n; i++)
        *(rows[i].label > 0 ? &positives : &negatives) += rows[i].weight;
    if (!(positives > 0 && negatives > 0))
        return error_set(e, ERR_INVALID, "all labels are %d; Platt's calibration needs rows of both classes",
                         positives > 0);
    double high = (positives + 1) / (positives + 2), low = 1 / (negatives + 2);
    for (size_t i = 0; i < n; i++)
        rows[i].label = rows[i].label > 0 ? high : low;
    *b = log((positives + 1) / (negatives + 1));
    return 0;
}

int calibrate_platt(struct calibration *out, const float *margins, const float *labels, const float *weights,
                    size_t n, struct error *e)
{
    struct row *rows;
    struct platt s = {0};
    double a = 0, b = 0, centre = 0, spread = 0;
    int rc = take_rows(&rows, &s.n, margins, labels, weights, n, true, e);
    if (!rc)
        rc = smooth_targets(rows, s.n, &b, e);
    if (rc)
        goto out;
    for (size_t i = 0; i < s.n; i++) {
        s.weight += rows[i].weight;
        centre += rows[i].weight * rows[i].margin;
    }
    centre /= s.weight;
    for (size_t i = 0; i < s.n; i++)
        spread += rows[i].weight * (rows[i].margin - centre) * (rows[i].margin - centre);
    spread = sqrt(spread / s.weight);
    for (size_t i = 0; i < s.n; i++)
        rows[i].margin = (rows[i].margin - centre) / spread;
    s.rows = rows;
    if (!platt_minimise(&s, &a, &b)) {
        rc = error_set(e, ERR_INTERNAL, "Platt's calibration found no minimum in %zu rows", s.n);
        goto out;
    }
    *out = (struct calibration){.kind = CALIBRATION_PLATT, .a = a / spread, .b = b - a * centre / spread};
out:
    free(rows);
    return rc;
}
