/* Figures of predictions; see metrics.h for what each is and where it comes from.
 *
 * Rows that are sorted are sorted by all that the figure uses of them (prediction first, then what the label makes of it), so
 * that rows which compare equal may stand in any order, and neither the caller's order nor the C library's qsort shows in a
 * figure's bits.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/offline/metrics.h"
#include "models/offline/resample.h"
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

static const double normal_975 = 1.959963984540054; /* 97.5% quantile of the standard normal */
static const double probability_min = 1e-15;
static const double poisson_mean_min = 1e-9;

static const struct metric no_metric = {(double)NAN, (double)NAN, (double)NAN};

static void *have_room(size_t n, size_t size)
{
    void *p = calloc(n, size);
    ASSERT(p != NULL || n == 0);
    return p;
}

static struct metric with_normal_interval(double value, double variance, double low, double high)
{
    double half = normal_975 * sqrt(variance);
    struct metric m = {value, value - half, value + half};
    if (m.low < low)
        m.low = low;
    if (m.high > high)
        m.high = high;
    return m;
}

/* ---- rank ---- */

struct scored {
    double score;
    bool positive;
};

static int by_score(const void *a, const void *b)
{
    double x = ((const struct scored *)a)->score, y = ((const struct scored *)b)->score;
    return (x > y) - (x < y);
}

/* Rows from i on with the same score; returns where the next score begins. */
static size_t count_ties(const struct scored *rows, size_t n, size_t i, uint64_t *positives,
                         uint64_t *negatives)
{
    size_t end = i;
    *positives = *negatives = 0;
    for (; end < n && !(rows[end].score > rows[i].score); end++) {
        *positives += rows[end].positive;
        *negatives += !rows[end].positive;
    }
    return end;
}

/* DeLong's variance: of the share of negatives that each positive beats, and of positives that beat each negative. */
static double auc_variance(const struct scored *rows, size_t n, uint64_t positives, uint64_t negatives,
                           double auc)
{
    double of_positives = 0, of_negatives = 0, all_p = (double)positives, all_q = (double)negatives;
    uint64_t p, q, p_below = 0, q_below = 0;
    for (size_t i = 0; i < n; p_below += p, q_below += q) {
        i = count_ties(rows, n, i, &p, &q);
        double beaten = ((double)q_below + (double)q / 2) / all_q - auc;
        double beating = ((double)(positives - p_below - p) + (double)p / 2) / all_p - auc;
        of_positives += (double)p * beaten * beaten;
        of_negatives += (double)q * beating * beating;
    }
    return of_positives / (all_p - 1) / all_p + of_negatives / (all_q - 1) / all_q;
}

struct metric metric_auc(const double *scores, const float *labels, size_t n)
{
    struct scored *rows = have_room(n, sizeof *rows);
    struct metric m = no_metric;
    uint64_t positives = 0, negatives = 0, p, q, q_below = 0, doubled = 0;
    for (size_t i = 0; i < n; i++) {
        if (isnan(scores[i]) || isnan(labels[i]))
            goto out;
        rows[i] = (struct scored){scores[i], labels[i] > 0.5f};
        positives += rows[i].positive;
    }
    negatives = n - positives;
    if (!positives || !negatives)
        goto out;
    qsort(rows, n, sizeof *rows, by_score);
    for (size_t i = 0; i < n; q_below += q) {
        i = count_ties(rows, n, i, &p, &q);
        doubled += p * (2 * q_below + q);
    }
    m.value = (double)doubled / (2 * (double)positives * (double)negatives);
    if (positives > 1 && negatives > 1)
        m = with_normal_interval(m.value, auc_variance(rows, n, positives, negatives, m.value), 0, 1);
out:
    free(rows);
    return m;
}

/* ---- losses ---- */

static double minus_log(double p)
{
    return -log(p < probability_min ? probability_min : p);
}

/* −ln(1 − p); exact for small p, where 1 − p is not. */
static double minus_log_rest(double p)
{
    return p < 0 ? 0 : p > 0.5 ? minus_log(1 - p) : -log1p(-p);
}

static double log_loss(double p, double y)
{
    if (!(y >= 0 && y <= 1) || isnan(p))
        return (double)NAN;
    double loss = 0;
    if (y > 0)
        loss += y * (p > 1 ? 0 : minus_log(p));
    if (y < 1)
        loss += (1 - y) * minus_log_rest(p);
    return loss;
}

static double squared(double prediction, double y)
{
    return (prediction - y) * (prediction - y);
}

static double absolute(double prediction, double y)
{
    return fabs(prediction - y);
}

static double poisson_deviance(double mean, double y)
{
    if (!(y >= 0) || isnan(mean))
        return (double)NAN;
    if (mean < poisson_mean_min)
        mean = poisson_mean_min;
    double d = 2 * ((y > 0 ? y * log(y / mean) : 0) - y + mean);
    return d < 0 ? 0 : d; /* rounding, where y and the mean are near */
}

static struct metric mean_loss(double (*loss)(double, double), const double *predictions, const float *labels,
                               const float *weights, size_t n)
{
    double weight = 0, sum = 0, squares = 0;
    size_t rows = 0;
    for (size_t i = 0; i < n; i++) {
        double w = weights ? (double)weights[i] : 1;
        if (!(w >= 0))
            return no_metric;
        if (w > 0) {
            rows++;
            weight += w;
            sum += w * loss(predictions[i], (double)labels[i]);
        }
    }
    if (rows == 0 || isnan(sum))
        return no_metric;
    double mean = sum / weight, m = (double)rows;
    for (size_t i = 0; i < n; i++) {
        double w = weights ? (double)weights[i] : 1;
        if (w > 0) {
            double off = w * (loss(predictions[i], (double)labels[i]) - mean);
            squares += off * off;
        }
    }
    if (rows == 1)
        return (struct metric){mean, (double)NAN, (double)NAN};
    return with_normal_interval(mean, squares / (weight * weight) * (m / (m - 1)), 0, (double)INFINITY);
}

struct metric metric_log_loss(const double *probabilities, const float *labels, const float *weights,
                              size_t n)
{
    return mean_loss(log_loss, probabilities, labels, weights, n);
}

struct metric metric_squared(const double *predictions, const float *labels, const float *weights, size_t n)
{
    return mean_loss(squared, predictions, labels, weights, n);
}

struct metric metric_absolute(const double *predictions, const float *labels, const float *weights, size_t n)
{
    return mean_loss(absolute, predictions, labels, weights, n);
}

struct metric metric_poisson(const double *predictions, const float *labels, const float *weights, size_t n)
{
    return mean_loss(poisson_deviance, predictions, labels, weights, n);
}

/* ---- calibration ---- */

struct predicted {
    double prediction, label;
};

static int by_prediction(const void *a, const void *b)
{
    const struct predicted *x = a, *y = b;
    if (x->prediction < y->prediction || x->prediction > y->prediction)
        return x->prediction < y->prediction ? -1 : 1;
    return (x->label > y->label) - (x->label < y->label);
}

/* Where the bin that begins at `begin` ends: the first change of prediction at or past the next multiple of n / bins, two
 * rows at least; a single row that would be left over joins it. */
static size_t bin_end(const struct predicted *rows, size_t n, size_t bins, size_t begin)
{
    size_t share = begin * bins / n + 1, target = (share * n + bins - 1) / bins, end = begin + 2;
    while (end < n && (end < target || !(rows[end].prediction > rows[end - 1].prediction)))
        end++;
    return end + 1 >= n ? n : end;
}

/* Fills points and returns how many there are (at most bins); *gap is the figure. Leaves in rows[i].prediction the row's
 * chance error: its part of the bin's gap, less the gap, to the scale of an unbiased variance. */
static size_t fill_bins(struct predicted *rows, size_t n, size_t bins, struct calibration_point *points,
                        double *gap)
{
    size_t count = 0;
    *gap = 0;
    for (size_t begin = 0, end; begin < n; begin = end) {
        end = bin_end(rows, n, bins, begin);
        double predicted = 0, observed = 0, k = (double)(end - begin);
        for (size_t i = begin; i < end; i++) {
            predicted += rows[i].prediction;
            observed += rows[i].label;
        }
        points[count++] = (struct calibration_point){predicted / k, observed / k, end - begin};
        double mean = (predicted - observed) / k, scale = k > 1 ? sqrt(k / (k - 1)) : 0;
        *gap += k / (double)n * fabs(mean);
        for (size_t i = begin; i < end; i++)
            rows[i].prediction = (rows[i].prediction - rows[i].label - mean) * scale;
    }
    return count;
}

static double resampled_noise(const struct predicted *rows, size_t n, const struct calibration_point *points,
                              size_t count, struct resample *r)
{
    double noise = 0;
    for (size_t b = 0, i = 0; b < count; b++) {
        double sum = 0;
        uint64_t drawn = 0;
        for (size_t end = i + points[b].n; i < end; i++) {
            uint32_t c = resample_count(r);
            drawn += c;
            sum += c * rows[i].prediction;
        }
        if (drawn)
            noise += (double)points[b].n / (double)n * fabs(sum / (double)drawn);
    }
    return noise;
}

struct metric metric_calibration_error(const double *predictions, const float *labels, size_t n, size_t bins,
                                       uint64_t seed, struct calibration_point *points, size_t *count)
{
    struct metric m = no_metric;
    struct predicted *rows = have_room(n, sizeof *rows);
    if (bins > n)
        bins = n;
    struct calibration_point *own = have_room(bins, sizeof *own);
    size_t filled = 0;
    if (n == 0 || bins == 0)
        goto out;
    for (size_t i = 0; i < n; i++) {
        rows[i] = (struct predicted){predictions[i], (double)labels[i]};
        if (!isfinite(rows[i].prediction) || !isfinite(rows[i].label))
            goto out;
    }
    qsort(rows, n, sizeof *rows, by_prediction);
    filled = fill_bins(rows, n, bins, own, &m.value);
    for (size_t b = 0; points && b < filled; b++)
        points[b] = own[b];
    if (n > 1) {
        double noise[CALIBRATION_ERROR_RESAMPLES];
        struct resample r;
        resample_init(&r, seed);
        for (size_t k = 0; k < CALIBRATION_ERROR_RESAMPLES; k++)
            noise[k] = resampled_noise(rows, n, own, filled, &r);
        resample_sort(noise, CALIBRATION_ERROR_RESAMPLES);
        double reach = resample_quantile(noise, CALIBRATION_ERROR_RESAMPLES, 0.95);
        m.low = m.value > reach ? m.value - reach : 0;
        m.high = m.value + reach;
    }
out:
    if (count)
        *count = filled;
    free(own);
    free(rows);
    return m;
}

/* ---- uplift ---- */

struct ranked {
    double uplift, gain; /* gain: t·y/p − (1−t)·y/(1−p) */
};

/* Rows in falling order of uplift; rows ends[k−1] to ends[k] have equal predictions. */
struct ranking {
    double *gains;
    size_t *ends;
    size_t n, groups;
};

static int by_uplift(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    if (x->uplift < y->uplift || x->uplift > y->uplift)
        return x->uplift > y->uplift ? -1 : 1;
    return (x->gain > y->gain) - (x->gain < y->gain);
}

static void ranking_free(struct ranking *k)
{
    free(k->gains);
    free(k->ends);
    *k = (struct ranking){0};
}

/* False when an input is not what it may be. */
static bool weigh_rows(struct ranked *rows, const double *uplift, const float *labels, const uint8_t *treated,
                       const double *p, size_t n)
{
    size_t contacted = 0;
    for (size_t i = 0; i < n; i++) {
        double y = (double)labels[i];
        if (!isfinite(uplift[i]) || !isfinite(y) || treated[i] > 1 || !(p[i] > 0 && p[i] < 1))
            return false;
        contacted += treated[i];
        rows[i] = (struct ranked){uplift[i], treated[i] ? y / p[i] : -y / (1 - p[i])};
    }
    return contacted > 0 && contacted < n;
}

static int ranking_make(struct ranking *k, const double *uplift, const float *labels, const uint8_t *treated,
                        const double *p, size_t n)
{
    *k = (struct ranking){0};
    if (n == 0)
        return ERR_INVALID;
    struct ranked *rows = calloc(n, sizeof *rows);
    k->gains = calloc(n, sizeof *k->gains);
    k->ends = calloc(n, sizeof *k->ends);
    k->n = n;
    int rc = ERR_NOSPACE;
    if (!rows || !k->gains || !k->ends)
        goto out;
    rc = ERR_INVALID;
    if (!weigh_rows(rows, uplift, labels, treated, p, n))
        goto out;
    qsort(rows, n, sizeof *rows, by_uplift);
    for (size_t i = 0; i < n; i++) {
        k->gains[i] = rows[i].gain;
        if (i + 1 == n || rows[i + 1].uplift < rows[i].uplift)
            k->ends[k->groups++] = i + 1;
    }
    rc = 0;
out:
    free(rows);
    if (rc)
        ranking_free(k);
    return rc;
}

struct areas {
    double qini, auuc, ate;
};

/* A group of c rows with gains of sum z that begins at depth N adds, in units of rows, z·(n − N − c/2) to the area: what it
 * gains is kept over all that follow, and on its own straight line over half of itself. Eight resamples in one walk; r: NULL
 * takes each row once, in all of them. NaN for a resample without a row. */
static void areas_of(const struct ranking *k, struct resample *r, struct areas out[RESAMPLE_LANES])
{
    enum { LANES = RESAMPLE_LANES };
    double gain[LANES] = {0}, missed[LANES] = {0}, depth[LANES] = {0}, c[LANES];
    for (int j = 0; j < LANES; j++)
        c[j] = 1;
    for (size_t g = 0, i = 0; g < k->groups; g++) {
        double z[LANES] = {0}, rows[LANES] = {0};
        for (size_t end = k->ends[g]; i < end; i++) {
            double own = k->gains[i];
            if (r)
                resample_lanes(r, c);
            for (int j = 0; j < LANES; j++) {
                rows[j] += c[j];
                z[j] += c[j] * own;
            }
        }
        for (int j = 0; j < LANES; j++) {
            missed[j] += z[j] * (depth[j] + rows[j] / 2);
            gain[j] += z[j];
            depth[j] += rows[j];
        }
    }
    for (int j = 0; j < LANES; j++) {
        double n = depth[j];
        out[j].ate = n > 0 ? gain[j] / n : (double)NAN;
        out[j].auuc = out[j].ate - missed[j] / n / n;
        out[j].qini = out[j].auuc - out[j].ate / 2;
    }
}

static struct metric with_percentiles(double value, double *resampled, size_t n)
{
    resample_sort(resampled, n);
    return (struct metric){value, resample_quantile(resampled, n, 0.025),
                           resample_quantile(resampled, n, 0.975)};
}

int metric_uplift(struct uplift_metrics *out, const double *uplift, const float *labels,
                  const uint8_t *treated, const double *p, size_t n, int resamples, uint64_t seed)
{
    *out = (struct uplift_metrics){no_metric, no_metric, no_metric};
    if (resamples < 0 || resamples > UPLIFT_RESAMPLES_MAX)
        return ERR_INVALID;
    struct ranking k;
    int rc = ranking_make(&k, uplift, labels, treated, p, n);
    if (rc)
        return rc;
    size_t times = (size_t)resamples, kept = 0;
    double *room = calloc(3 * times + 1, sizeof *room), *qini = room, *auuc = qini + times,
           *ate = auuc + times;
    struct areas a[RESAMPLE_LANES];
    struct resample r;
    if (!room) {
        ranking_free(&k);
        return ERR_NOSPACE;
    }
    resample_init(&r, seed);
    for (size_t i = 0; i < times; i++) {
        if (i % RESAMPLE_LANES == 0)
            areas_of(&k, &r, a);
        const struct areas *one = &a[i % RESAMPLE_LANES];
        if (isnan(one->ate))
            continue;
        qini[kept] = one->qini;
        auuc[kept] = one->auuc;
        ate[kept++] = one->ate;
    }
    areas_of(&k, NULL, a);
    *out =
        (struct uplift_metrics){with_percentiles(a->qini, qini, kept), with_percentiles(a->auuc, auuc, kept),
                                with_percentiles(a->ate, ate, kept)};
    free(room);
    ranking_free(&k);
    return 0;
}

int metric_uplift_curve(struct uplift_point *out, size_t points, const double *uplift, const float *labels,
                        const uint8_t *treated, const double *p, size_t n)
{
    struct ranking k;
    if (points == 0)
        return ERR_INVALID;
    int rc = ranking_make(&k, uplift, labels, treated, p, n);
    if (rc)
        return rc;
    double before = 0, after = 0; /* of the group that reaches to `end`, summed gains */
    size_t begin = 0, end = 0, group = 0;
    for (size_t j = 0; j <= points; j++) {
        double depth = (double)j / (double)points, row = depth * (double)n;
        while (group < k.groups && (double)end < row) {
            before = after;
            begin = end;
            end = k.ends[group++];
            for (size_t i = begin; i < end; i++)
                after += k.gains[i];
        }
        double share = end > begin ? (row - (double)begin) / (double)(end - begin) : 0;
        out[j] = (struct uplift_point){depth, (before + (after - before) * share) / (double)n};
    }
    ranking_free(&k);
    return 0;
}
