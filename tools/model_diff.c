/* tact model diff, tact model predict: bundles on rows.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tools/model_diff.h"
#include "models/bundle.h"
#include "models/forest_score.h"
#include "tools/cmd_model.h"
#include "tools/model_lineup.h"
#include "tools/model_rows.h"
#include <jansson.h>
#include <math.h>
#include <stdlib.h>

enum { ARENA_MAX = 1 << 30, TEXT_MEMORY = 16 << 20 };

static int run_diff(int argc, char **argv);
static int run_predict(int argc, char **argv);

const struct command command_model_diff = {
    .name = "model diff",
    .brief = "how far two bundles' predictions are apart",
    .arguments = "A B",
    .details = "Scores the same rows by both: those of --rows, found by the features' names, or else the golden rows of A where B\n"
               "has the same features. Prints means, the distribution of the difference, and correlations.\n\n"
               "  tact model diff bundles/clicks_v3 bundles/clicks_v4 --rows sample.csv",
    .run = run_diff,
};

const struct command command_model_predict = {
    .name = "model predict",
    .brief = "a bundle's predictions for rows of a CSV file",
    .arguments = "BUNDLE",
    .details = "Prints a CSV of margins (one an output or arm) and the prediction in the label's unit, calibrated, for each row of\n"
               "--rows, whose columns are found by the features' names.\n\n"
               "  tact model predict bundles/clicks_v3 --rows sample.csv > predictions.csv",
    .run = run_predict,
};

/* A bundle and what it makes of rows. */
struct scored {
    struct bundle *bundle;
    struct model_rows rows;
    const struct golden *golden;
    float *margins;   /* [n][arms × outputs] */
    double *predicted; /* [n][arms] */
};

/* ---- scoring ---- */

static int load(struct scored *s, const char *folder, struct diags *d, struct error *e)
{
    return model_is_lineup(folder) ? model_refuse_lineup(folder, e) : bundle_load(&s->bundle, folder, d, e);
}

static int score(struct scored *s, struct arena *arena, struct error *e)
{
    const struct bundle_spec *spec = bundle_spec(s->bundle);
    size_t n = s->golden->n, outputs = spec->outputs, arms = spec->arm_count;
    float *one = arena_alloc(arena, n * outputs * sizeof *one);
    s->margins = arena_alloc(arena, n * arms * outputs * sizeof *s->margins);
    s->predicted = arena_alloc(arena, n * arms * sizeof *s->predicted);
    int rc = one && s->margins && s->predicted ? 0 : error_set(e, ERR_NOSPACE, "too many rows");
    for (size_t k = 0; k < arms && !rc; k++) {
        rc = forest_rows(bundle_forest(s->bundle, k), s->golden->rows, n, arena, one, e);
        for (size_t i = 0; i < n && !rc; i++) {
            memcpy(s->margins + (i * arms + k) * outputs, one + i * outputs, outputs * sizeof *one);
            s->predicted[i * arms + k] = bundle_predict(spec, k, one + i * outputs);
        }
    }
    return rc;
}

static void free_scored(struct scored *s)
{
    model_rows_free(&s->rows);
    bundle_free(&s->bundle);
}

/* ---- difference ---- */

static int by_number(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct ranked {
    double value;
    size_t at;
};

static int by_value(const void *a, const void *b)
{
    return by_number(&((const struct ranked *)a)->value, &((const struct ranked *)b)->value);
}

/* Mean ranks of ties. False without memory. */
static bool ranks_of(const double *v, size_t n, double *out)
{
    struct ranked *r = malloc((n + 1) * sizeof *r);
    for (size_t i = 0; r && i < n; i++)
        r[i] = (struct ranked){v[i], i};
    if (r)
        qsort(r, n, sizeof *r, by_value);
    for (size_t i = 0, end; r && i < n; i = end) {
        for (end = i + 1; end < n && r[end].value <= r[i].value;)
            end++;
        for (size_t k = i; k < end; k++)
            out[r[k].at] = (double)(i + end - 1) / 2;
    }
    free(r);
    return r != NULL;
}

static double mean(const double *v, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += v[i];
    return n ? sum / (double)n : 0;
}

static double pearson(const double *a, const double *b, size_t n)
{
    double ma = mean(a, n), mb = mean(b, n), ab = 0, aa = 0, bb = 0;
    for (size_t i = 0; i < n; i++) {
        ab += (a[i] - ma) * (b[i] - mb);
        aa += (a[i] - ma) * (a[i] - ma);
        bb += (b[i] - mb) * (b[i] - mb);
    }
    return aa > 0 && bb > 0 ? ab / sqrt(aa * bb) : NAN;
}

static double quantile(const double *sorted, size_t n, double q)
{
    return sorted[(size_t)(q * (double)(n - 1) + 0.5)];
}

bool model_diff_of(struct model_diff *out, const double *a, const double *b, size_t n)
{
    double *off = malloc((n + 1) * sizeof *off), *ra = malloc((n + 1) * sizeof *ra), *rb = malloc((n + 1) * sizeof *rb);
    bool ok = off && ra && rb && n > 0 && ranks_of(a, n, ra) && ranks_of(b, n, rb);
    *out = (struct model_diff){.n = n, .mean_a = mean(a, n), .mean_b = mean(b, n)};
    for (size_t i = 0; ok && i < n; i++) {
        off[i] = fabs(a[i] - b[i]);
        if (off[i] > off[out->worst])
            out->worst = i;
    }
    if (ok) {
        out->pearson = pearson(a, b, n);
        out->spearman = pearson(ra, rb, n);
        out->mean_abs = mean(off, n);
        qsort(off, n, sizeof *off, by_number);
        out->p50 = quantile(off, n, 0.5);
        out->p90 = quantile(off, n, 0.9);
        out->p99 = quantile(off, n, 0.99);
        out->most = off[n - 1];
    }
    free(off);
    free(ra);
    free(rb);
    return ok;
}

static bool same_features(const struct bundle_spec *a, const struct bundle_spec *b)
{
    bool same = a->feature_count == b->feature_count;
    for (size_t i = 0; same && i < a->feature_count; i++) {
        const struct bundle_feature *x = &a->features[i], *y = &b->features[i];
        same = str_eq(x->name, y->name) && x->type == y->type && x->category_count == y->category_count;
        for (size_t k = 0; same && k < x->category_count; k++)
            same = str_eq(x->categories[k], y->categories[k]);
    }
    return same;
}

/* The rows of both. */
static int take_rows(struct scored s[2], const char *rows, struct diags *d, struct error *e)
{
    for (int i = 0; i < 2; i++) {
        const struct bundle_spec *spec = bundle_spec(s[i].bundle);
        int rc = rows ? model_rows_read(&s[i].rows, rows, spec, 0, d, e) : 0;
        if (rc)
            return rc;
        s[i].golden = rows ? &s[i].rows.golden : bundle_golden(s[0].bundle);
    }
    if (!rows && !same_features(bundle_spec(s[0].bundle), bundle_spec(s[1].bundle)))
        return error_set(e, ERR_INVALID, "the bundles have other features or categories; give rows with --rows CSV");
    if (bundle_spec(s[0].bundle)->arm_count != 1 || bundle_spec(s[1].bundle)->arm_count != 1)
        return error_set(e, ERR_INVALID, "bundles with a model for each action are not compared");
    return 0;
}

static void print_diff(const struct model_diff *f, const char *a, const char *b, bool json)
{
    if (json) {
        json_t *o = json_pack("{s:s, s:s, s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:I}", "a", a, "b", b, "rows",
                              (json_int_t)f->n, "mean_a", f->mean_a, "mean_b", f->mean_b, "mean_abs", f->mean_abs, "p50",
                              f->p50, "p90", f->p90, "p99", f->p99, "max", f->most, "worst_row", (json_int_t)f->worst + 1);
        json_object_set_new(o, "pearson", isnan(f->pearson) ? json_null() : json_real(f->pearson));
        json_object_set_new(o, "spearman", isnan(f->spearman) ? json_null() : json_real(f->spearman));
        char *s = o ? json_dumps(o, JSON_COMPACT) : NULL;
        printf("%s\n", s ? s : "{}");
        free(s);
        json_decref(o);
        return;
    }
    printf("%zu rows\n", f->n);
    printf("  mean prediction   %.6g (%s), %.6g (%s)\n", f->mean_a, a, f->mean_b, b);
    printf("  difference        mean %.3g, median %.3g, 90%% below %.3g, 99%% below %.3g, largest %.3g (row %zu of them)\n",
           f->mean_abs, f->p50, f->p90, f->p99, f->most, f->worst + 1);
    if (isnan(f->pearson))
        printf("  correlation       none: one of them gives every row the same\n");
    else
        printf("  correlation       %.5f; of ranks %.5f\n", f->pearson, f->spearman);
}

static int run_diff(int argc, char **argv)
{
    const char *folders[2], *rows = NULL;
    bool json = false;
    int count;
    const struct option_def defs[] = {
        {.name = "rows", .value = "CSV", .help = "rows with the features of both, by name", .text = &rows},
        {.name = "json", .help = "one JSON object", .flag = &json},
        {0},
    };
    int rc = options_parse(&command_model_diff, defs, argc, argv, folders, 2, 2, &count);
    if (rc >= 0)
        return rc;
    struct scored s[2] = {{0}};
    struct arena arena, text;
    struct diags d;
    struct error e = {0};
    struct model_diff f;
    arena_init(&arena, ARENA_MAX);
    arena_init(&text, TEXT_MEMORY);
    diags_init(&d, &text);
    rc = load(&s[0], folders[0], &d, &e);
    if (!rc)
        rc = load(&s[1], folders[1], &d, &e);
    if (!rc)
        rc = take_rows(s, rows, &d, &e);
    for (int i = 0; i < 2 && !rc; i++)
        rc = score(&s[i], &arena, &e);
    if (!rc && !model_diff_of(&f, s[0].predicted, s[1].predicted, s[0].golden->n))
        rc = error_set(&e, ERR_NOSPACE, "out of memory");
    diags_print(&d, stderr);
    if (rc)
        fprintf(stderr, "tact model diff: %s\n", e.text);
    else
        print_diff(&f, folders[0], folders[1], json);
    free_scored(&s[0]);
    free_scored(&s[1]);
    arena_free(&arena);
    arena_free(&text);
    return rc ? EXIT_FAILED : EXIT_OK;
}

/* ---- predictions ---- */

static void print_predictions(const struct scored *s, struct arena *arena)
{
    const struct bundle_spec *spec = bundle_spec(s->bundle);
    size_t width = golden_width(spec, false), arms = spec->arm_count;
    for (size_t k = 0; k < width; k++)
        printf("%s,", golden_column(spec, false, k, arena));
    for (size_t k = 0; k < arms; k++)
        printf("%s%c", golden_column(spec, true, k, arena), k + 1 < arms ? ',' : '\n');
    for (size_t i = 0; i < s->golden->n; i++) {
        for (size_t k = 0; k < width; k++)
            printf("%.9g,", (double)s->margins[i * width + k]);
        for (size_t k = 0; k < arms; k++)
            printf("%.17g%c", s->predicted[i * arms + k], k + 1 < arms ? ',' : '\n');
    }
}

static int run_predict(int argc, char **argv)
{
    const char *folder, *rows = NULL;
    int count;
    const struct option_def defs[] = {
        {.name = "rows", .value = "CSV", .help = "rows with the bundle's features, by name (required)", .text = &rows},
        {0},
    };
    int rc = options_parse(&command_model_predict, defs, argc, argv, &folder, 1, 1, &count);
    if (rc >= 0)
        return rc;
    if (!rows) {
        fprintf(stderr, "tact model predict: --rows CSV is required; `tact model predict --help` says more\n");
        return EXIT_USAGE;
    }
    struct scored s = {0};
    struct arena arena, text;
    struct diags d;
    struct error e = {0};
    arena_init(&arena, ARENA_MAX);
    arena_init(&text, TEXT_MEMORY);
    diags_init(&d, &text);
    rc = load(&s, folder, &d, &e);
    if (!rc)
        rc = model_rows_read(&s.rows, rows, bundle_spec(s.bundle), 0, &d, &e);
    s.golden = &s.rows.golden;
    if (!rc)
        rc = score(&s, &arena, &e);
    diags_print(&d, stderr);
    if (rc)
        fprintf(stderr, "tact model predict: %s\n", e.text);
    else
        print_predictions(&s, &arena);
    free_scored(&s);
    arena_free(&arena);
    arena_free(&text);
    return rc ? EXIT_FAILED : EXIT_OK;
}
