/* Warnings about data; see train_check.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/offline/train_check.h"
#include "models/offline/metrics.h"
#include "models/offline/train_params.h"
#include <math.h>
#include <stdlib.h>

struct checking {
    const struct train_data *d;
    const struct train_config *c;
    struct diags *diags;
    uint32_t *rows; /* the sample for leaks */
    size_t count;
    double *values; /* [count] a feature as a score */
    float *labels;  /* [count] */
    double *sums;   /* by category, and how many */
    size_t *counts;
};

static void warn_feature(const struct checking *x, size_t k, const char *format, double number)
{
    const struct train_feature *f = &x->c->features[k];
    char text[200];
    snprintf(text, sizeof text, format, number); /* formats are literals below, with at most one %g */
    diag_add(x->diags, DIAG_WARNING, x->c->file, f->line, f->column_at, "feature %.*s %s", STR_ARG(f->name),
             text);
}

/* ---- leaks ---- */

/* Every row outside the test part, or an even sample of them that does not depend on their order. */
static void take_sample(struct checking *x)
{
    const struct train_data *d = x->d;
    enum { SALT_LEAKS = 3 };
    double share = (double)TRAIN_LEAK_ROWS / (double)(d->n - d->side_rows[SIDE_TEST] + 1);
    for (size_t i = 0; i < d->n && x->count < TRAIN_LEAK_ROWS; i++) {
        if (d->side[i] == SIDE_TEST ||
            (share < 1 && train_hash_share(d->keys[i], x->c->split_seed, SALT_LEAKS) >= share))
            continue;
        x->labels[x->count] = d->labels[i];
        x->rows[x->count++] = (uint32_t)i;
    }
}

static double correlation(const double *a, const float *b, size_t n)
{
    double ma = 0, mb = 0, aa = 0, bb = 0, ab = 0;
    for (size_t i = 0; i < n; i++) {
        ma += a[i] / (double)n;
        mb += (double)b[i] / (double)n;
    }
    for (size_t i = 0; i < n; i++) {
        double x = a[i] - ma, y = (double)b[i] - mb;
        aa += x * x;
        bb += y * y;
        ab += x * y;
    }
    return aa > 0 && bb > 0 ? ab / sqrt(aa * bb) : 0;
}

/* A category's score: the mean label that it has on the first half; the second half is what is left to judge. */
static size_t score_categories(struct checking *x, size_t k, float *labels)
{
    const struct bundle_feature *spec = &x->d->specs[k];
    enum { SALT_HALF = 4 };
    size_t n = 0;
    double all = 0, seen = 0;
    for (size_t c = 0; c <= spec->category_count; c++) {
        x->sums[c] = 0;
        x->counts[c] = 0;
    }
    for (int half = 0; half < 2; half++)
        for (size_t j = 0; j < x->count; j++) {
            uint32_t i = x->rows[j];
            float v = x->d->rows[i * x->d->features + k];
            size_t c = isnan(v) ? spec->category_count : (size_t)v;
            if ((train_hash_share(x->d->keys[i], x->c->split_seed, SALT_HALF) < 0.5) == (half == 0)) {
                if (half == 0) {
                    x->sums[c] += (double)x->labels[j];
                    x->counts[c]++;
                    all += (double)x->labels[j];
                    seen++;
                } else {
                    x->values[n] =
                        x->counts[c] ? x->sums[c] / (double)x->counts[c] : all / (seen > 0 ? seen : 1);
                    labels[n++] = x->labels[j];
                }
            }
        }
    return n;
}

static void check_leak(struct checking *x, size_t k, float *halves)
{
    const float *labels = x->labels;
    size_t n = x->count;
    bool category = x->d->specs[k].type == BUNDLE_CATEGORY, binary = x->c->label_type == BUNDLE_BINARY;
    if (category) {
        n = score_categories(x, k, halves);
        labels = halves;
    } else {
        n = 0;
        for (size_t j = 0; j < x->count;
             j++) { /* without a value: below all for an order, left out of a sum */
            double v = (double)x->d->rows[x->rows[j] * x->d->features + k];
            if (isnan(v) && !binary)
                continue;
            x->values[n] = isnan(v) ? (double)-INFINITY : v;
            halves[n++] = x->labels[j];
        }
        labels = halves;
    }
    if (n < 20)
        return;
    double figure = binary ? metric_auc(x->values, labels, n).value : correlation(x->values, labels, n);
    double least = binary ? 1 - TRAIN_LEAK : -TRAIN_LEAK;
    if (figure >= TRAIN_LEAK || figure <= least)
        warn_feature(x, k,
                     binary
                         ? "alone nearly decides the label (AUC %.4f): it leaks, unless it is known before "
                           "the contact"
                         : "alone nearly decides the label (correlation %.4f): it leaks, unless it is known "
                           "before the contact",
                     figure);
}

static int check_leaks(struct checking *x, struct error *e)
{
    size_t most = 1;
    for (size_t k = 0; k < x->d->features; k++)
        most = x->d->specs[k].category_count > most ? x->d->specs[k].category_count : most;
    x->rows = malloc(TRAIN_LEAK_ROWS * sizeof *x->rows);
    x->values = malloc(TRAIN_LEAK_ROWS * sizeof *x->values);
    x->labels = malloc(TRAIN_LEAK_ROWS * sizeof *x->labels);
    x->sums = malloc((most + 1) * sizeof *x->sums);
    x->counts = malloc((most + 1) * sizeof *x->counts);
    float *halves = malloc(TRAIN_LEAK_ROWS * sizeof *halves);
    bool good = x->rows && x->values && x->labels && x->sums && x->counts && halves;
    if (good) {
        take_sample(x);
        for (size_t k = 0; k < x->d->features; k++)
            if (!x->c->features[k].is_id)
                check_leak(x, k, halves);
    }
    free(x->rows);
    free(x->values);
    free(x->labels);
    free(x->sums);
    free(x->counts);
    free(halves);
    return good ? 0 : error_set(e, ERR_NOSPACE, "out of memory");
}

/* ---- features ---- */

struct range {
    float least, most;
    bool any, missing;
};

static void check_ranges(const struct checking *x, const struct range *r)
{
    for (size_t k = 0; k < x->d->features; k++) {
        if (!r[k].any)
            warn_feature(x, k, "has no value in any training row", 0);
        else if (r[k].least == r[k].most && !r[k].missing)
            warn_feature(x, k,
                         x->d->specs[k].type == BUNDLE_CATEGORY ? "has one category in all training rows"
                                                                : "is %.9g in all training rows",
                         (double)r[k].least);
        if (x->d->specs[k].category_count > TRAIN_MANY_CATEGORIES && !x->c->features[k].is_id)
            warn_feature(x, k, "has %.0f categories; is it an identifier?",
                         (double)x->d->specs[k].category_count);
    }
}

static int check_features(const struct checking *x, struct error *e)
{
    const struct train_data *d = x->d;
    struct range *r = calloc(d->features + 1, sizeof *r);
    if (!r)
        return error_set(e, ERR_NOSPACE, "out of memory");
    for (size_t i = 0; i < d->n; i++)
        for (size_t k = 0; k < d->features && d->side[i] != SIDE_TEST; k++) {
            float v = d->rows[i * d->features + k];
            if (isnan(v)) {
                r[k].missing = true;
                continue;
            }
            r[k].least = !r[k].any || v < r[k].least ? v : r[k].least;
            r[k].most = !r[k].any || v > r[k].most ? v : r[k].most;
            r[k].any = true;
        }
    check_ranges(x, r);
    free(r);
    return 0;
}

/* An attribute is a constant of its action; where the rows of one action disagree, the figures of uplift are not exact. */
static int check_attributes(const struct checking *x, struct error *e)
{
    const struct train_data *d = x->d;
    if (x->c->kind != BUNDLE_S_LEARNER)
        return 0;
    float *first = malloc((d->arm_count + 1) * sizeof *first);
    if (!first)
        return error_set(e, ERR_NOSPACE, "out of memory");
    for (size_t k = 0; k < d->features; k++) {
        bool several = false;
        if (x->c->features[k].from != BUNDLE_ACTION)
            continue;
        for (size_t a = 0; a < d->arm_count; a++)
            first[a] = NAN;
        for (size_t i = 0; i < d->n; i++) {
            float v = d->rows[i * d->features + k], *at = &first[d->arm_of[i]];
            several = several || (!isnan(*at) && v != *at);
            *at = isnan(*at) ? v : *at;
        }
        if (several)
            warn_feature(x, k, "differs between rows of one action; attributes are constants of an action",
                         0);
    }
    for (size_t k = 0; k < d->features; k++)
        if (x->c->features[k].from == BUNDLE_PAIR)
            warn_feature(x, k,
                         "is known for the logged action only; the figures of uplift take it as missing "
                         "for all others",
                         0);
    free(first);
    return 0;
}

/* ---- arms and parts ---- */

static void check_arms(const struct checking *x)
{
    const struct train_data *d = x->d;
    for (size_t a = 0; a < d->arm_count; a++) {
        const struct train_arm *arm = &d->arms[a];
        size_t rows = arm->rows[SIDE_TRAIN] + arm->rows[SIDE_ASIDE];
        if ((long)a == d->silence && x->c->kind == BUNDLE_PROPENSITY)
            continue;
        if (rows == 0)
            diag_add(x->diags, train_is_uplift(x->c) ? DIAG_ERROR : DIAG_WARNING, d->name, 0, 0,
                     "action %.*s has no training rows", STR_ARG(arm->name));
        else if (rows < TRAIN_FEW_ROWS)
            diag_add(x->diags, DIAG_WARNING, d->name, 0, 0,
                     "action %.*s has %zu training rows; figures of fewer than %d mean little",
                     STR_ARG(arm->name), rows, TRAIN_FEW_ROWS);
        else if (arm->positive == 0)
            diag_add(x->diags, DIAG_WARNING, d->name, 0, 0,
                     "action %.*s has no training row with a label above 0", STR_ARG(arm->name));
    }
}

static void check_test(const struct checking *x)
{
    const struct train_data *d = x->d;
    size_t n = d->side_rows[SIDE_TEST], positive = 0;
    for (size_t i = 0; i < d->n; i++)
        positive += d->side[i] == SIDE_TEST && d->labels[i] > 0;
    size_t fewer = positive < n - positive ? positive : n - positive;
    if (n < TRAIN_FEW_TESTED)
        diag_add(x->diags, DIAG_WARNING, d->name, 0, 0,
                 "the test part has %zu rows; figures of fewer than %d mean little", n, TRAIN_FEW_TESTED);
    else if (x->c->label_type == BUNDLE_BINARY && fewer < 10)
        diag_add(x->diags, DIAG_WARNING, d->name, 0, 0,
                 "the test part has %zu positives and %zu negatives; "
                 "figures of fewer than 10 of either mean little",
                 positive, n - positive);
}

static void check_weights(const struct checking *x)
{
    bool weighted = x->c->balanced || x->c->positive_weight != 1 || train_param(x->c, "scale_pos_weight");
    if (weighted && x->c->calibration == CALIBRATION_NONE)
        diag_add(x->diags, DIAG_WARNING, x->c->file, 0, 0,
                 "class weights shift the predicted probabilities; calibration: platt puts them right");
}

/* What others must know to see the same: the servers' side reads times without a zone as UTC unless told. */
static void check_zone(const struct checking *x)
{
    bool dated = false;
    for (size_t i = 0; i < x->c->feature_count; i++)
        dated = dated || x->c->features[i].is_date;
    if (dated && x->c->zone && !str_is(tz_name(x->c->zone), "UTC"))
        diag_add(x->diags, DIAG_WARNING, x->c->file, 0, 0,
                 "times without a zone are read in %.*s here; tact import and tact evaluate read them so "
                 "with --time-zone "
                 "%.*s",
                 STR_ARG(tz_name(x->c->zone)), STR_ARG(tz_name(x->c->zone)));
}

static void check_row_weights(const struct checking *x)
{
    if (x->d->weights)
        diag_add(x->diags, DIAG_WARNING, x->c->file, 0, 0,
                 "weights count in the training, in log loss, Brier and the like; AUC, calibration error, "
                 "uplift and the "
                 "values of policies count each row once");
}

int train_check(const struct train_data *d, const struct train_config *c, struct diags *diags,
                struct error *e)
{
    struct checking x = {.d = d, .c = c, .diags = diags};
    size_t errors = diags->errors;
    check_arms(&x);
    check_test(&x);
    check_weights(&x);
    check_row_weights(&x);
    check_zone(&x);
    int rc = check_features(&x, e);
    if (!rc)
        rc = check_attributes(&x, e);
    if (!rc)
        rc = check_leaks(&x, e);
    if (!rc && diags->errors > errors)
        rc = error_set(e, ERR_INVALID, "%s: some actions cannot be learned", d->name);
    return rc;
}
