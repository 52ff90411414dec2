/* Off-policy evaluation, streaming; ope.h has the formulas. Every figure is a quotient of two of eight sums over rows, and so is
 * its value in a resample: the table `figures` says which two. A row adds its eight numbers to the tally of its position and
 * to the bootstrap (ope_bootstrap.c); results are read off from either in the same way.
 *
 * What needs a row's weight besides the sums (largest, squares, what clipping took) stands in the tally, by position; the
 * figures over all rows add the tallies up.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/offline/ope.h"
#include "models/offline/confseq.h"
#include "models/offline/ope_bootstrap.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double CUT_DEFAULT = 10, LEVEL_DEFAULT = 0.95;
static const double UNDEFINED_MAX = 0.01; /* share of resamples without a value that an interval survives */

static const double MEAN_OFF = 0.02, MEAN_OFF_ERRORS = 3, MEAN_FAR_OFF = 0.25;
static const double EFFECTIVE_MIN = 100, EFFECTIVE_SHARE_MIN = 0.01, LARGEST_SHARE_MAX = 0.05;
static const double UNSUPPORTED_MAX = 0.01, SMALL_P = 1e-3, CUT_SHARE_MAX = 0.05;
enum { REWARDED_MIN = 10 };

enum sum { SUM_ROWS, SUM_REWARD, SUM_WEIGHT, SUM_IPS, SUM_CLIPPED, SUM_DM, SUM_DR, SUM_SWITCH, SUM_COUNT };
_Static_assert((int)SUM_COUNT == (int)OPE_BOOTSTRAP_SUMS, "a resample holds all sums");

enum figure { FIGURE_LOGGED = OPE_ESTIMATOR_COUNT, FIGURE_MEAN_WEIGHT, FIGURE_COUNT };
static const struct {
    enum sum over, under;
    bool model;
} figures[FIGURE_COUNT] = {
    [OPE_IPS] = {SUM_IPS, SUM_ROWS, false},
    [OPE_CLIPPED] = {SUM_CLIPPED, SUM_ROWS, false},
    [OPE_SNIPS] = {SUM_IPS, SUM_WEIGHT, false},
    [OPE_DM] = {SUM_DM, SUM_ROWS, true},
    [OPE_DR] = {SUM_DR, SUM_ROWS, true},
    [OPE_SWITCH] = {SUM_SWITCH, SUM_ROWS, true},
    [FIGURE_LOGGED] = {SUM_REWARD, SUM_ROWS, false},
    [FIGURE_MEAN_WEIGHT] = {SUM_WEIGHT, SUM_ROWS, false},
};

/* The rows of one position, or of all. */
struct tally {
    double sums[SUM_COUNT];
    size_t rows, rewarded; /* rewarded: with weight and a reward that is not 0 */
    double squares;        /* Σ w² */
    double largest, smallest_p;
    double clipped_away, switched; /* weight beyond the clip; weight of rows above the switch */
    double unsupported;
};

struct ope {
    struct ope_options o;            /* with the defaults in place */
    struct ope_bootstrap *bootstrap; /* NULL: none */
    double *values;                  /* [resamples] of the figure at hand */
    struct confseq below, above;     /* of w·r and w·(1 − r), scaled */
    struct confseq controlled;       /* with weight_max: of the latter's control variate */
    struct tally tallies[];          /* [positions] */
};

const char *ope_estimator_name(enum ope_estimator k)
{
    static const char *const names[] = {
#define X(name, text) [name] = text,
        OPE_ESTIMATORS(X)
#undef X
    };
    ASSERT((unsigned)k < OPE_ESTIMATOR_COUNT);
    return names[k];
}

const char *ope_warning_name(enum ope_warning w)
{
    const char *name = NULL;
    switch (w) {
#define X(warning, bit, text)                                                                                \
    case warning:                                                                                            \
        name = text;                                                                                         \
        break;
        OPE_WARNINGS(X)
#undef X
    }
    ASSERT(name);
    return name;
}

static bool has_sequence(const struct ope *x)
{
    return x->o.reward_low < x->o.reward_high;
}

static void check_options(const struct ope_options *o)
{
    ASSERT(o->positions >= 1 && o->positions <= OPE_POSITIONS_MAX);
    ASSERT(o->clip > 0 && o->switch_at > 0);
    ASSERT(o->resamples >= 0 && o->resamples <= OPE_RESAMPLES_MAX);
    ASSERT(o->level > 0 && o->level < 1);
    ASSERT(fabs(o->reward_low) <= OPE_MAGNITUDE_MAX && fabs(o->reward_high) <= OPE_MAGNITUDE_MAX);
    ASSERT(o->reward_low <= o->reward_high);
    ASSERT(o->weight_max == 0 || (o->weight_max >= 1 && o->weight_max <= OPE_MAGNITUDE_MAX));
}

struct ope *ope_new(const struct ope_options *options)
{
    struct ope_options o = *options;
    o.positions = o.positions ? o.positions : 1;
    o.clip = o.clip == 0 ? CUT_DEFAULT : o.clip;
    o.switch_at = o.switch_at == 0 ? CUT_DEFAULT : o.switch_at;
    o.level = o.level == 0 ? LEVEL_DEFAULT : o.level;
    check_options(&o);
    struct ope *x = calloc(1, sizeof *x + o.positions * sizeof x->tallies[0]);
    if (!x)
        return NULL;
    x->o = o;
    for (size_t p = 0; p < o.positions; p++)
        x->tallies[p].smallest_p = INFINITY;
    confseq_init(&x->below, (1 - o.level) / 2);
    /* Two bounds for the upper end share its error, and the better one counts. */
    confseq_init(&x->above, (1 - o.level) / (o.weight_max > 0 ? 4 : 2));
    confseq_init(&x->controlled, (1 - o.level) / 4);
    if (o.resamples) {
        x->bootstrap = ope_bootstrap_new(o.positions, (size_t)o.resamples, o.seed);
        x->values = calloc((size_t)o.resamples, sizeof *x->values);
        if (!x->bootstrap || !x->values)
            ope_free(&x);
    }
    return x;
}

void ope_free(struct ope **x)
{
    if (!*x)
        return;
    ope_bootstrap_free(&(*x)->bootstrap);
    free((*x)->values);
    free(*x);
    *x = NULL;
}

/* ---- rows in ---- */

static int check_range(const char *what, double value, double low, double high, struct error *e)
{
    if (value >= low && value <= high)
        return 0;
    return error_set(e, ERR_INVALID, "the %s is %.10g; allowed is %.10g to %.10g", what, value, low, high);
}

static int check_row(const struct ope *x, const struct ope_row *row, struct error *e)
{
    double most = OPE_MAGNITUDE_MAX;
    /* A quotient of probabilities may be above its bound by a rounding. */
    int error =
        check_range("weight", row->weight, 0, x->o.weight_max > 0 ? x->o.weight_max * (1 + 1e-9) : most, e);
    if (!error && has_sequence(x))
        error = check_range("reward", row->reward, x->o.reward_low, x->o.reward_high, e);
    if (!error)
        error = check_range("reward", row->reward, -most, most, e);
    if (!error && !(row->logged > 0 && row->logged <= 1))
        error = error_set(e, ERR_INVALID, "the logged probability is %.10g; allowed is above 0, up to 1",
                          row->logged);
    if (!error && x->o.model)
        error = check_range("model's prediction for the logged action", row->model_logged, -most, most, e);
    if (!error && x->o.model)
        error = check_range("model's value of the target policy", row->model_value, -most, most, e);
    if (!error && row->position >= x->o.positions)
        error = error_set(e, ERR_INVALID, "the position is %u; allowed is 0 to %zu", row->position,
                          x->o.positions - 1);
    return error;
}

/* The control variate of w·(1 − r), shifted and scaled to be ≥ 0; r is 1 − r here. */
static double controlled(const struct ope *x, double w, double r)
{
    double most = x->o.weight_max;
    double c = x->above.n ? fmin(fmax(x->above.sum / (double)x->above.n, 0), 1) : 1;
    return fmax((c + w * (r - c) + (most - 1)) / most, 0);
}

int ope_add(struct ope *x, const struct ope_row *row, struct error *e)
{
    int error = check_row(x, row, e);
    if (error)
        return error;
    double w = row->weight, r = row->reward, v = 0, rest = 0;
    if (x->o.model) {
        v = row->model_value;
        rest = w * (r - row->model_logged);
    }
    const double sums[SUM_COUNT] = {
        [SUM_ROWS] = 1,
        [SUM_REWARD] = r,
        [SUM_WEIGHT] = w,
        [SUM_IPS] = w * r,
        [SUM_CLIPPED] = fmin(w, x->o.clip) * r,
        [SUM_DM] = v,
        [SUM_DR] = v + rest,
        [SUM_SWITCH] = w <= x->o.switch_at ? v + rest : v,
    };
    struct tally *t = &x->tallies[row->position];
    for (int k = 0; k < SUM_COUNT; k++)
        t->sums[k] += sums[k];
    t->rows++;
    t->rewarded += w > 0 && r != 0;
    t->squares += w * w;
    t->largest = fmax(t->largest, w);
    t->smallest_p = fmin(t->smallest_p, row->logged);
    t->clipped_away += fmax(w - x->o.clip, 0);
    t->switched += x->o.model && w > x->o.switch_at ? w : 0;
    if (x->bootstrap)
        ope_bootstrap_add(x->bootstrap, row->cluster, row->position, sums);
    if (has_sequence(x)) {
        double range = x->o.reward_high - x->o.reward_low;
        confseq_add(&x->below, w * ((r - x->o.reward_low) / range));
        double missed = (x->o.reward_high - r) / range;
        if (x->o.weight_max > 0)
            confseq_add(&x->controlled, controlled(x, w, missed));
        confseq_add(&x->above, w * missed);
    }
    return 0;
}

void ope_unsupported(struct ope *x, uint32_t position, double probability)
{
    ASSERT(position < x->o.positions && probability >= 0 && isfinite(probability));
    x->tallies[position].unsupported += probability;
}

/* ---- figures out ---- */

static double quotient(const double *sums, unsigned k)
{
    double under = sums[figures[k].under];
    return under > 0 ? sums[figures[k].over] / under : NAN;
}

static double figure_value(const struct ope *x, const double *sums, unsigned k)
{
    return figures[k].model && !x->o.model ? NAN : quotient(sums, k);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Interval and standard error of the figure's values in count resamples, which it sorts; NaN is a resample without one. */
static void summarise(double *values, size_t count, double level, struct ope_figure *out)
{
    size_t n = 0;
    double sum = 0, squares = 0;
    for (size_t i = 0; i < count; i++)
        if (!isnan(values[i]))
            sum += values[n++] = values[i];
    out->standard_error = out->bootstrap.low = out->bootstrap.high = NAN;
    if (n < 2 || (double)(count - n) > UNDEFINED_MAX * (double)count)
        return;
    qsort(values, n, sizeof *values, by_value);
    for (size_t i = 0; i < n; i++)
        squares += (values[i] - sum / (double)n) * (values[i] - sum / (double)n);
    out->standard_error = values[0] == values[n - 1] ? 0 : sqrt(squares / (double)(n - 1));
    double tail = (double)(n + 1) * (1 - level) / 2;
    size_t k = (size_t)(tail + 1e-9); /* 49.999999 of rounding is 50 */
    k = k < 1 ? 1 : k;
    out->bootstrap = (struct ope_interval){values[k - 1], values[n - k]};
}

/* sums: of all rows in question; resampled: the same in each resample, or NULL. */
static struct ope_figure figure_of(const struct ope *x, const double *sums, const double *resampled,
                                   unsigned k)
{
    struct ope_figure f = {figure_value(x, sums, k), NAN, {NAN, NAN}};
    if (!resampled)
        return f;
    size_t n = (size_t)x->o.resamples;
    for (size_t b = 0; b < n; b++)
        x->values[b] = figure_value(x, resampled + b * SUM_COUNT, k);
    summarise(x->values, n, x->o.level, &f);
    return f;
}

static struct tally total(const struct ope *x)
{
    struct tally all = {.smallest_p = INFINITY};
    for (size_t p = 0; p < x->o.positions; p++) {
        const struct tally *t = &x->tallies[p];
        for (int k = 0; k < SUM_COUNT; k++)
            all.sums[k] += t->sums[k];
        all.rows += t->rows;
        all.rewarded += t->rewarded;
        all.squares += t->squares;
        all.largest = fmax(all.largest, t->largest);
        all.smallest_p = fmin(all.smallest_p, t->smallest_p);
        all.clipped_away += t->clipped_away;
        all.switched += t->switched;
        all.unsupported += t->unsupported;
    }
    return all;
}

/* Standard error of the mean weight of independent rows. */
static double plain_error(const struct tally *t)
{
    double n = (double)t->rows, mean = t->sums[SUM_WEIGHT] / n;
    return t->rows < 2 ? NAN : sqrt(fmax(t->squares - n * mean * mean, 0) / (n * (n - 1)));
}

static unsigned warnings_of(const struct ope_result *r, const struct tally *t)
{
    double off = fabs(r->mean_weight - 1); /* NaN without rows: no warning of that kind */
    unsigned w = 0;
    if (off > MEAN_FAR_OFF || (off > MEAN_OFF && off > MEAN_OFF_ERRORS * r->mean_weight_error))
        w |= OPE_WARN_MEAN_WEIGHT;
    if (r->effective_rows < EFFECTIVE_MIN || r->effective_rows < EFFECTIVE_SHARE_MIN * (double)r->rows)
        w |= OPE_WARN_FEW;
    if (r->largest_share > LARGEST_SHARE_MAX)
        w |= OPE_WARN_LARGE;
    if (r->unsupported > UNSUPPORTED_MAX)
        w |= OPE_WARN_NO_SUPPORT;
    if (r->smallest_p < SMALL_P)
        w |= OPE_WARN_SMALL_P;
    if (r->clipped_share > CUT_SHARE_MAX || r->switched_share > CUT_SHARE_MAX)
        w |= OPE_WARN_CLIPPED;
    if (t->rewarded < REWARDED_MIN)
        w |= OPE_WARN_FEW_REWARDS;
    if (r->sequence.low > r->sequence.high)
        w |= OPE_WARN_EMPTY;
    return w;
}

static void fill(const struct ope *x, const struct tally *t, const double *resampled,
                 struct ope_interval sequence, struct ope_result *out)
{
    double weight = t->sums[SUM_WEIGHT];
    *out = (struct ope_result){.rows = t->rows, .sequence = sequence};
    for (unsigned k = 0; k < OPE_ESTIMATOR_COUNT; k++)
        out->figures[k] = figure_of(x, t->sums, resampled, k);
    struct ope_figure logged = figure_of(x, t->sums, resampled, FIGURE_LOGGED);
    struct ope_figure mean = figure_of(x, t->sums, resampled, FIGURE_MEAN_WEIGHT);
    out->logged_value = logged.value;
    out->logged_interval = logged.bootstrap;
    out->mean_weight = mean.value;
    out->mean_weight_error = isnan(mean.standard_error) ? plain_error(t) : mean.standard_error;
    out->effective_rows = t->squares > 0 ? weight / t->squares * weight : 0;
    out->largest_weight = t->largest;
    out->largest_share = weight > 0 ? t->largest / weight : 0;
    out->smallest_p = t->rows ? t->smallest_p : NAN;
    out->clipped_share = weight > 0 ? t->clipped_away / weight : 0;
    out->switched_share = weight > 0 ? t->switched / weight : 0;
    out->clip = x->o.clip;
    out->switch_at = x->o.switch_at;
    out->unsupported = t->rows ? t->unsupported / (double)t->rows : 0;
    out->warnings = warnings_of(out, t);
    out->trusted = (out->warnings & ~(unsigned)(OPE_WARN_SMALL_P | OPE_WARN_CLIPPED)) == 0;
}

void ope_result(const struct ope *x, struct ope_result *out)
{
    struct tally all = total(x);
    struct ope_interval sequence = {NAN, NAN};
    double range = x->o.reward_high - x->o.reward_low;
    if (has_sequence(x)) {
        double most = x->o.weight_max;
        double above = fmax(x->above.low, most > 0 ? most * x->controlled.low - (most - 1) : 0);
        sequence =
            (struct ope_interval){x->o.reward_low + range * x->below.low, x->o.reward_high - range * above};
    }
    fill(x, &all, x->bootstrap ? ope_bootstrap_all(x->bootstrap) : NULL, sequence, out);
}

void ope_result_at(const struct ope *x, uint32_t position, struct ope_result *out)
{
    ASSERT(position < x->o.positions);
    fill(x, &x->tallies[position], x->bootstrap ? ope_bootstrap_at(x->bootstrap, position) : NULL,
         (struct ope_interval){NAN, NAN}, out);
}

void ope_difference(const struct ope *a, const struct ope *b, enum ope_estimator k, struct ope_figure *out)
{
    ASSERT((unsigned)k < OPE_ESTIMATOR_COUNT);
    ASSERT(!b || (a->o.seed == b->o.seed && a->o.resamples == b->o.resamples));
    const struct ope *other = b ? b : a;
    unsigned minus = b ? (unsigned)k : (unsigned)FIGURE_LOGGED;
    struct tally mine = total(a), theirs = total(other);
    *out = (struct ope_figure){
        figure_value(a, mine.sums, k) - figure_value(other, theirs.sums, minus), NAN, {NAN, NAN}};
    if (!a->bootstrap)
        return;
    const double *left = ope_bootstrap_all(a->bootstrap), *right = ope_bootstrap_all(other->bootstrap);
    size_t n = (size_t)a->o.resamples;
    for (size_t i = 0; i < n; i++)
        a->values[i] =
            figure_value(a, left + i * SUM_COUNT, k) - figure_value(other, right + i * SUM_COUNT, minus);
    summarise(a->values, n, a->o.level, out);
}

/* ---- for people ---- */

void ope_warning_text(const struct ope_result *r, enum ope_warning w, char *text, size_t n)
{
    char error[48] = ""; /* of one row there is none */
    if (!isnan(r->mean_weight_error))
        snprintf(error, sizeof error, " (standard error %.2g)", r->mean_weight_error);
    switch (w) {
    case OPE_WARN_MEAN_WEIGHT:
        snprintf(text, n,
                 "the mean weight is %.4g%s and must be near 1: logged probabilities are "
                 "wrong, or the target policy chooses actions that were hardly ever logged",
                 r->mean_weight, error);
        break;
    case OPE_WARN_FEW:
        snprintf(
            text, n,
            "%zu rows count as much as %.1f rows of equal weight; at least %.0f and %.0f%% of the rows are "
            "needed: the policies differ too much for this log",
            r->rows, r->effective_rows, EFFECTIVE_MIN, 100 * EFFECTIVE_SHARE_MIN);
        break;
    case OPE_WARN_LARGE:
        snprintf(text, n, "one row with weight %.4g carries %.1f%% of all weight; at most %.0f%% is sound",
                 r->largest_weight, 100 * r->largest_share, 100 * LARGEST_SHARE_MAX);
        break;
    case OPE_WARN_NO_SUPPORT:
        snprintf(text, n,
                 "%.1f%% of the target policy's choices are actions that were never logged there: nothing is "
                 "known about what they earn",
                 100 * r->unsupported);
        break;
    case OPE_WARN_SMALL_P:
        snprintf(text, n, "logged probabilities go down to %.2g; below %.0e single rows get huge weights",
                 r->smallest_p, SMALL_P);
        break;
    case OPE_WARN_CLIPPED:
        snprintf(
            text, n,
            "clipping at %.4g takes away %.1f%% of the weight and %.1f%% is above the switch at %.4g: %s and "
            "%s are biased",
            r->clip, 100 * r->clipped_share, 100 * r->switched_share, r->switch_at,
            ope_estimator_name(OPE_CLIPPED), ope_estimator_name(OPE_SWITCH));
        break;
    case OPE_WARN_FEW_REWARDS:
        snprintf(text, n,
                 "fewer than %d rows that the target policy might have chosen have a reward: intervals mean "
                 "little",
                 REWARDED_MIN);
        break;
    case OPE_WARN_EMPTY:
        snprintf(
            text, n,
            "the confidence sequence is empty (from %.4g to %.4g): logged probabilities are wrong, or the "
            "value changed over time",
            r->sequence.low, r->sequence.high);
        break;
    }
}
