/* tact-demo-train: trains the demonstration's model on the CSV that `tact simulate` writes
 * (models/offline/simulate.h says its columns), and writes a bundle.
 *
 *   columns --> features: types and categories from the data --> rows --> train on 4 of 5 customers -->
 * measure on the rest
 *
 * A column whose values are all true or false is a bool, all numbers a number, anything else a category, its
 * categories in order of the alphabet; a column without any value is left out. Customers are split by the
 * hash of their id, so that no one stands on both sides. Beside AUC and log loss of the model it tells those
 * of the true propensities: nothing can do better. The same data, rounds and seed give the same bundle on the
 * same version of XGBoost.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"
#include "base/hash.h"
#include "models/booster.h"
#include "models/bundle_write.h"
#include "models/trainer.h"
#include "base/csv.h"
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdlib.h>

enum { EXIT_USAGE = 2, ROWS_MAX = 5000000, GOLDEN_ROWS = 200, MODEL_MAX = 64 << 20 };
static const size_t memory_max = (size_t)8 << 30;

/* ---- the data ---- */

/* A column of the file: its cells as floats (a category's code in order of first appearance). */
struct column {
    struct str name;
    enum { COLUMN_OTHER, COLUMN_CUSTOMER, COLUMN_ACTION } role;
    struct str *texts; /* distinct values so far, for everything that is no number */
    size_t text_count, text_capacity, values;
    bool numbers, bools; /* all values so far are */
    uint32_t *cells;     /* [rows]: 0 for missing, else index of the text + 1 */
};

struct data {
    struct arena arena;
    struct column *columns;
    size_t column_count, rows, capacity;
    size_t customer, time, truth, label; /* columns by name */
    bool *held_out;                      /* [rows] */
    size_t held_out_count;
    float *labels, *truths;
    char from[11], to[11]; /* dates */
};

static bool is_number(struct str s, double *out)
{
    char text[64], *end;
    if (s.n == 0 || s.n >= sizeof text || !memchr("+-.0123456789", s.p[0], 13))
        return false;
    memcpy(text, s.p, s.n);
    text[s.n] = 0;
    *out = strtod(text, &end);
    return *end == 0 && isfinite(*out);
}

/* The place of a cell's text among its column's, added if it is new. Columns with many numbers are looked up
 * by hash. */
struct interner {
    uint32_t *slots; /* text index + 1 */
    size_t size;
};

static int intern(struct data *d, struct column *c, struct interner *in, struct str text, uint32_t *out,
                  struct error *e)
{
    if (c->text_count * 2 >= in->size) {
        size_t size = in->size ? in->size * 2 : 64;
        uint32_t *slots = calloc(size, sizeof *slots);
        if (!slots)
            return error_set(e, ERR_NOSPACE, "out of memory");
        for (uint32_t i = 0; i < c->text_count; i++) {
            size_t at = hash64(c->texts[i].p, c->texts[i].n) & (size - 1);
            while (slots[at])
                at = (at + 1) & (size - 1);
            slots[at] = i + 1;
        }
        free(in->slots);
        *in = (struct interner){slots, size};
    }
    size_t at = hash64(text.p, text.n) & (in->size - 1);
    while (in->slots[at] && !str_eq(c->texts[in->slots[at] - 1], text))
        at = (at + 1) & (in->size - 1);
    if (!in->slots[at]) {
        if (c->text_count == c->text_capacity) {
            size_t capacity = c->text_capacity ? c->text_capacity * 2 : 64;
            struct str *texts = realloc(c->texts, capacity * sizeof *texts);
            if (!texts)
                return error_set(e, ERR_NOSPACE, "out of memory");
            c->texts = texts;
            c->text_capacity = capacity;
        }
        struct str copy = arena_str(&d->arena, text);
        if (!copy.p)
            return error_set(e, ERR_NOSPACE, "the data do not fit the memory");
        double number;
        c->numbers = c->numbers && is_number(text, &number);
        c->bools = c->bools && (str_is(text, "true") || str_is(text, "false"));
        c->texts[c->text_count] = copy;
        in->slots[at] = (uint32_t)++c->text_count;
    }
    *out = in->slots[at];
    return 0;
}

static int read_header(struct data *d, const struct csv_record *r, struct error *e)
{
    static const char *const others[] = {"customer",        "time", "action", "action_probability",
                                         "true_propensity", "label"};
    size_t *places[] = {&d->customer, &d->time, NULL, NULL, &d->truth, &d->label};
    d->columns = arena_zalloc(&d->arena, r->count * sizeof *d->columns);
    d->column_count = r->count;
    for (size_t k = 0; k < 6; k++)
        if (places[k])
            *places[k] = SIZE_MAX;
    for (size_t i = 0; d->columns && i < r->count; i++) {
        struct column *c = &d->columns[i];
        *c = (struct column){.role = COLUMN_CUSTOMER, .numbers = true, .bools = true};
        c->name = arena_str(&d->arena, r->fields[i]);
        for (size_t k = 0; k < 6; k++)
            if (str_is(c->name, others[k])) {
                c->role = COLUMN_OTHER;
                if (places[k])
                    *places[k] = i;
            }
        if (str_starts(c->name, STR("action."))) {
            c->role = COLUMN_ACTION;
            c->name = (struct str){c->name.p + 7, c->name.n - 7};
        }
    }
    for (size_t k = 0; k < 6; k++)
        if (places[k] && *places[k] == SIZE_MAX)
            return error_set(e, ERR_INVALID,
                             "the data have no column %s; expected what `tact simulate` writes", others[k]);
    return 0;
}

static int grow_rows(struct data *d, struct error *e)
{
    if (d->rows < d->capacity)
        return 0;
    d->capacity = d->capacity ? d->capacity * 2 : 4096;
    for (size_t i = 0; i < d->column_count; i++) {
        uint32_t *cells = realloc(d->columns[i].cells, d->capacity * sizeof *cells);
        if (!cells)
            return error_set(e, ERR_NOSPACE, "out of memory");
        d->columns[i].cells = cells;
    }
    return 0;
}

static int read_row(struct data *d, const struct csv_record *r, struct interner *in, const char *path,
                    struct error *e)
{
    if (r->count != d->column_count)
        return error_set(e, ERR_INVALID, "%s:%zu: %zu fields, but the header has %zu", path, r->line,
                         r->count, d->column_count);
    if (d->rows == ROWS_MAX)
        return error_set(e, ERR_NOSPACE, "%s: more than %d rows", path, ROWS_MAX);
    int rc = grow_rows(d, e);
    for (size_t i = 0; !rc && i < r->count; i++) {
        struct column *c = &d->columns[i];
        c->cells[d->rows] = 0;
        if (r->fields[i].n) {
            c->values++;
            rc = intern(d, c, &in[i], r->fields[i], &c->cells[d->rows], e);
        }
    }
    d->rows++;
    return rc;
}

static int read_data(struct data *d, const char *path, struct error *e)
{
    struct csv *csv;
    struct csv_record r;
    struct interner *in = NULL;
    int rc = csv_open(&csv, path, ',', e);
    if (rc)
        return rc;
    enum csv_result got = csv_next(csv, &r, e);
    if (got == CSV_RECORD)
        rc = read_header(d, &r, e);
    else
        rc = got == CSV_END ? error_set(e, ERR_INVALID, "%s is empty", path) : ERR_INVALID;
    if (!rc && !(in = calloc(d->column_count, sizeof *in)))
        rc = error_set(e, ERR_NOSPACE, "out of memory");
    while (!rc && (got = csv_next(csv, &r, e)) != CSV_END)
        rc = got == CSV_RECORD ? read_row(d, &r, in, path, e) : ERR_INVALID;
    for (size_t i = 0; in && i < d->column_count; i++)
        free(in[i].slots);
    free(in);
    csv_free(&csv);
    if (!rc && d->rows == 0)
        rc = error_set(e, ERR_INVALID, "%s has no rows", path);
    return rc;
}

static struct str text_at(const struct data *d, size_t column, size_t row)
{
    const struct column *c = &d->columns[column];
    return c->cells[row] ? c->texts[c->cells[row] - 1] : (struct str){0};
}

/* Labels, truths, the split and the days that the data span. */
static int prepare(struct data *d, struct error *e)
{
    d->held_out = arena_alloc(&d->arena, d->rows * sizeof *d->held_out);
    d->labels = arena_alloc(&d->arena, d->rows * sizeof *d->labels);
    d->truths = arena_alloc(&d->arena, d->rows * sizeof *d->truths);
    if (!d->held_out || !d->labels || !d->truths)
        return error_set(e, ERR_NOSPACE, "the data do not fit the memory");
    struct str first = {0}, last = {0};
    for (size_t i = 0; i < d->rows; i++) {
        double label, truth;
        struct str time = text_at(d, d->time, i), customer = text_at(d, d->customer, i);
        if (!is_number(text_at(d, d->label, i), &label) || (label != 0 && label != 1) ||
            !is_number(text_at(d, d->truth, i), &truth) || truth < 0 || truth > 1 || time.n < 10 ||
            customer.n == 0)
            return error_set(e, ERR_INVALID,
                             "row %zu: customer, time, true_propensity (0 to 1) or label (0 or 1) is wrong",
                             i + 1);
        d->labels[i] = (float)label;
        d->truths[i] = (float)truth;
        d->held_out[i] = hash64(customer.p, customer.n) % 5 == 0;
        d->held_out_count += d->held_out[i];
        if (!first.p || str_cmp(time, first) < 0)
            first = time;
        if (!last.p || str_cmp(time, last) > 0)
            last = time;
    }
    snprintf(d->from, sizeof d->from, "%.10s", first.p);
    snprintf(d->to, sizeof d->to, "%.10s", last.p);
    if (d->held_out_count == 0 || d->held_out_count == d->rows)
        return error_set(e, ERR_INVALID, "too few customers to hold a fifth of them out");
    return 0;
}

static void data_free(struct data *d)
{
    for (size_t i = 0; i < d->column_count; i++) {
        free(d->columns[i].texts);
        free(d->columns[i].cells);
    }
    arena_free(&d->arena);
}

/* ---- features ---- */

static int by_text(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

struct features {
    struct bundle_feature *list;
    size_t *columns; /* of the data */
    size_t count;
    float *rows; /* [data rows][count] */
};

static int feature_of(struct data *d, size_t column, struct bundle_feature *f, struct error *e)
{
    const struct column *c = &d->columns[column];
    *f = (struct bundle_feature){.name = c->name,
                                 .from = c->role == COLUMN_ACTION ? BUNDLE_ACTION : BUNDLE_CUSTOMER};
    f->type = c->bools ? BUNDLE_BOOL : c->numbers ? BUNDLE_NUMBER : BUNDLE_CATEGORY;
    if (f->type != BUNDLE_CATEGORY)
        return 0;
    if (c->text_count > BUNDLE_CATEGORIES_MAX)
        return error_set(e, ERR_INVALID,
                         "column %.*s has %zu different texts; at most %d categories are allowed",
                         STR_ARG(c->name), c->text_count, BUNDLE_CATEGORIES_MAX);
    f->categories = arena_memdup(&d->arena, c->texts, c->text_count * sizeof *f->categories);
    f->category_count = c->text_count;
    if (!f->categories)
        return error_set(e, ERR_NOSPACE, "the data do not fit the memory");
    qsort(f->categories, f->category_count, sizeof *f->categories, by_text);
    return 0;
}

static float value_of(const struct bundle_feature *f, struct str text)
{
    double number = NAN;
    if (f->type == BUNDLE_BOOL)
        return str_is(text, "true") ? 1 : 0;
    if (f->type == BUNDLE_CATEGORY)
        return (float)bundle_category(f, text);
    return is_number(text, &number) ? (float)number : NAN;
}

static int fill_column(struct data *d, struct features *f, size_t at, struct error *e)
{
    const struct column *c = &d->columns[f->columns[at]];
    float *values = malloc((c->text_count + 1) * sizeof *values);
    if (!values)
        return error_set(e, ERR_NOSPACE, "out of memory");
    values[0] = NAN;
    for (size_t k = 0; k < c->text_count; k++)
        values[k + 1] = value_of(&f->list[at], c->texts[k]);
    for (size_t i = 0; i < d->rows; i++)
        f->rows[i * f->count + at] = values[c->cells[i]];
    free(values);
    return 0;
}

static int make_features(struct data *d, struct features *f, struct error *e)
{
    *f = (struct features){.list = arena_alloc(&d->arena, d->column_count * sizeof *f->list),
                           .columns = arena_alloc(&d->arena, d->column_count * sizeof *f->columns)};
    if (!f->list || !f->columns)
        return error_set(e, ERR_NOSPACE, "the data do not fit the memory");
    int rc = 0;
    for (size_t i = 0; !rc && i < d->column_count; i++) {
        if (d->columns[i].role == COLUMN_OTHER)
            continue;
        if (d->columns[i].values == 0) {
            fprintf(stderr, "column %.*s has no value and is left out\n", STR_ARG(d->columns[i].name));
            continue;
        }
        f->columns[f->count] = i;
        rc = feature_of(d, i, &f->list[f->count++], e);
    }
    if (!rc && f->count == 0)
        rc = error_set(e, ERR_INVALID, "the data have no features");
    f->rows = rc ? NULL : arena_alloc(&d->arena, d->rows * f->count * sizeof *f->rows);
    if (!rc && !f->rows)
        rc = error_set(e, ERR_NOSPACE, "the data do not fit the memory");
    for (size_t i = 0; !rc && i < f->count; i++)
        rc = fill_column(d, f, i, e);
    return rc;
}

/* ---- training ---- */

/* The rows of one side, one after the other: those held out, or the others. */
struct side {
    float *rows, *labels, *truths;
    size_t n;
};

static int take_side(struct data *d, const struct features *f, bool held_out, struct side *out,
                     struct error *e)
{
    size_t n = held_out ? d->held_out_count : d->rows - d->held_out_count;
    *out = (struct side){arena_alloc(&d->arena, n * f->count * sizeof(float)),
                         arena_alloc(&d->arena, n * sizeof(float)), arena_alloc(&d->arena, n * sizeof(float)),
                         0};
    if (!out->rows || !out->labels || !out->truths)
        return error_set(e, ERR_NOSPACE, "the data do not fit the memory");
    for (size_t i = 0; i < d->rows; i++) {
        if (d->held_out[i] != held_out)
            continue;
        memcpy(out->rows + out->n * f->count, f->rows + i * f->count, f->count * sizeof(float));
        out->labels[out->n] = d->labels[i];
        out->truths[out->n++] = d->truths[i];
    }
    return 0;
}

static int fit(struct data *d, const struct features *f, const struct side *side, int rounds, uint64_t seed,
               struct buf *model, struct error *e)
{
    static const struct trainer_param params[] = {{"eta", "0.15"},
                                                  {"max_depth", "5"},
                                                  {"min_child_weight", "12"},
                                                  {"lambda", "2"},
                                                  {"max_cat_to_onehot", "4"}};
    const char **names = arena_alloc(&d->arena, f->count * sizeof *names);
    bool *categorical = arena_alloc(&d->arena, f->count * sizeof *categorical);
    if (!names || !categorical)
        return error_set(e, ERR_NOSPACE, "the data do not fit the memory");
    for (size_t i = 0; i < f->count; i++) {
        names[i] = arena_str(&d->arena, f->list[i].name).p;
        categorical[i] = f->list[i].type == BUNDLE_CATEGORY;
        if (!names[i])
            return error_set(e, ERR_NOSPACE, "the data do not fit the memory");
    }
    struct trainer_data t = {.rows = side->rows,
                             .labels = side->labels,
                             .n = side->n,
                             .features = f->count,
                             .names = names,
                             .categorical = categorical};
    return trainer_fit(&t, params, sizeof params / sizeof *params, rounds, seed, model, e);
}

enum { METRICS = 4 };

static int measure(struct data *d, const struct features *f, const struct side *side, struct str model,
                   struct bundle_metric out[METRICS], struct error *e)
{
    struct booster *booster = NULL;
    float *p = arena_alloc(&d->arena, side->n * sizeof *p);
    int rc = p ? booster_open(&booster, model.p, model.n, e)
               : error_set(e, ERR_NOSPACE, "the data do not fit the memory");
    if (!rc)
        rc = booster_margins(booster, side->rows, side->n, f->count, p, e);
    booster_free(&booster);
    if (rc)
        return rc;
    struct bundle_arm arm = {0};
    const struct bundle_spec plain = {.link = LINK_LOGISTIC, .arms = &arm, .arm_count = 1};
    for (size_t i = 0; i < side->n; i++)
        p[i] = (float)bundle_predict(&plain, 0, p[i]);
    out[0] = (struct bundle_metric){STR("auc"), trainer_auc(p, side->labels, side->n)};
    out[1] = (struct bundle_metric){STR("log_loss"), trainer_log_loss(p, side->labels, side->n)};
    out[2] = (struct bundle_metric){STR("auc_of_truth"), trainer_auc(side->truths, side->labels, side->n)};
    out[3] = (struct bundle_metric){STR("log_loss_of_truth"),
                                    trainer_log_loss(side->truths, side->labels, side->n)};
    for (int i = 0; i < METRICS; i++) {
        if (!isfinite(out[i].value))
            return error_set(e, ERR_INVALID,
                             "the held-out customers responded to all or to nothing; simulate more");
        out[i].value = round(out[i].value * 1e6) / 1e6;
    }
    return 0;
}

struct job {
    const char *data, *out, *name, *version;
    int64_t rounds, seed;
    bool json;
};

static int write_bundle(const struct job *job, struct data *d, struct features *f, const struct side *test,
                        struct str model, struct bundle_metric *metrics, size_t trained, struct error *e)
{
    char library[24], label[] = "responded (simulated)";
    char long_library[40];
    booster_library(library);
    snprintf(long_library, sizeof long_library, "xgboost %s", library);
    struct bundle_arm arm = {0};
    struct bundle_spec spec = {.name = str_from(job->name),
                               .version = job->version ? str_from(job->version) : str_from(d->to),
                               .kind = BUNDLE_PROPENSITY,
                               .objective = STR("binary:logistic"),
                               .label = str_from(label),
                               .arms = &arm,
                               .arm_count = 1,
                               .training_rows = (int64_t)trained,
                               .training_seed = job->seed,
                               .training_from = str_from(d->from),
                               .training_to = str_from(d->to),
                               .training_library = str_from(long_library),
                               .metrics = metrics,
                               .metric_count = METRICS,
                               .features = f->list,
                               .feature_count = f->count};
    size_t golden = test->n < GOLDEN_ROWS ? test->n : GOLDEN_ROWS;
    return bundle_write(job->out, &spec, &model, test->rows, NULL, golden, e);
}

static void report(const struct job *job, const struct data *d, size_t features, size_t trained,
                   const struct bundle_metric *m)
{
    if (job->json) {
        printf(
            "{\"rows\":%zu,\"trained\":%zu,\"held_out\":%zu,\"features\":%zu,\"auc\":%.6f,\"log_loss\":%.6f,"
            "\"auc_of_truth\":%.6f,\"log_loss_of_truth\":%.6f}\n",
            d->rows, trained, d->held_out_count, features, m[0].value, m[1].value, m[2].value, m[3].value);
        return;
    }
    printf("%zu rows, %zu features; trained on %zu, held out %zu of other customers\n", d->rows, features,
           trained, d->held_out_count);
    printf("held out: AUC %.4f, log loss %.4f (the true propensities: %.4f, %.4f)\n", m[0].value, m[1].value,
           m[2].value, m[3].value);
    printf("wrote %s\n", job->out);
}

static int train(const struct job *job, struct error *e)
{
    struct data d = {0};
    struct features f;
    struct side training, test;
    struct bundle_metric metrics[METRICS];
    struct buf model;
    arena_init(&d.arena, memory_max);
    buf_init(&model, MODEL_MAX);
    int rc = read_data(&d, job->data, e);
    if (!rc)
        rc = prepare(&d, e);
    if (!rc)
        rc = make_features(&d, &f, e);
    if (!rc)
        rc = take_side(&d, &f, false, &training, e);
    if (!rc)
        rc = take_side(&d, &f, true, &test, e);
    if (!rc)
        rc = fit(&d, &f, &training, (int)job->rounds, (uint64_t)job->seed, &model, e);
    struct str bytes = {(const char *)model.p, model.n};
    if (!rc)
        rc = measure(&d, &f, &test, bytes, metrics, e);
    if (!rc)
        rc = write_bundle(job, &d, &f, &test, bytes, metrics, training.n, e);
    if (!rc)
        report(job, &d, f.count, training.n, metrics);
    buf_free(&model);
    data_free(&d);
    return rc;
}

static int usage(FILE *out, int code)
{
    fprintf(out, "usage: tact-demo-train --data FILE --out FOLDER [options]\n\n"
                 "Reads the CSV of `tact simulate`, trains on four fifths of the customers, measures on the "
                 "rest, and writes\n"
                 "a model bundle.\n\n"
                 "  tact-demo-train --data build/demo/data.csv --out build/demo/bundle\n\n"
                 "options:\n"
                 "  --data FILE             the CSV\n"
                 "  --out FOLDER            the bundle to write; must not exist\n"
                 "  --rounds N              trees (60)\n"
                 "  --seed N                of the training (7)\n"
                 "  --name NAME             of the bundle (retail_propensity)\n"
                 "  --bundle-version TEXT   of the bundle (the last day of the data)\n"
                 "  --json                  print the measures as JSON\n"
                 "  --help                  this text\n");
    return code;
}

static bool whole_number(const char *name, const char *text, int64_t low, int64_t high, int64_t *out)
{
    char *end;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (!errno && *end == 0 && end != text && n >= low && n <= high) {
        *out = n;
        return true;
    }
    fprintf(stderr, "tact-demo-train: --%s needs a whole number from %lld to %lld\n", name, (long long)low,
            (long long)high);
    return false;
}

/* -1 to go on, or an exit code. */
static int parse(struct job *job, int argc, char **argv)
{
    static const struct option table[] = {
        {"data", required_argument, NULL, 'd'},
        {"out", required_argument, NULL, 'o'},
        {"rounds", required_argument, NULL, 'r'},
        {"seed", required_argument, NULL, 's'},
        {"name", required_argument, NULL, 'n'},
        {"bundle-version", required_argument, NULL, 'v'},
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    bool good = true;
    for (int c; good && (c = getopt_long(argc, argv, "h", table, NULL)) != -1;) {
        switch (c) {
        case 'd':
            job->data = optarg;
            break;
        case 'o':
            job->out = optarg;
            break;
        case 'r':
            good = whole_number("rounds", optarg, 1, TRAINER_ROUNDS_MAX, &job->rounds);
            break;
        case 's':
            good = whole_number("seed", optarg, 0, INT64_MAX, &job->seed);
            break;
        case 'n':
            job->name = optarg;
            break;
        case 'v':
            job->version = optarg;
            break;
        case 'j':
            job->json = true;
            break;
        case 'h':
            return usage(stdout, EXIT_SUCCESS);
        default:
            good = false;
            break;
        }
    }
    return good && job->data && job->out && optind == argc ? -1 : usage(stderr, EXIT_USAGE);
}

int main(int argc, char **argv)
{
    struct job job = {.name = "retail_propensity", .rounds = 60, .seed = 7};
    int rc = parse(&job, argc, argv);
    if (rc >= 0)
        return rc;
    struct error e = {0};
    if (!train(&job, &e))
        return EXIT_SUCCESS;
    fprintf(stderr, "tact-demo-train: %s\n", e.text);
    return EXIT_FAILURE;
}
