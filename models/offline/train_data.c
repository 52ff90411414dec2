/* Reading the table for training; see train_data.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/offline/train_data.h"
#include "base/clock.h"
#include "models/offline/train_cells.h"
#include "models/offline/train_columns.h"
#include <math.h>
#include <stdlib.h>
#include <sys/resource.h>

static const size_t memory_max = (size_t)4 << 30; /* names, categories, small lists */

enum { WANTS_OF_ROWS = 6 };

static int out_of_memory(struct train_loading *l)
{
    return error_set(l->e, ERR_NOSPACE, "out of memory");
}

/* ---- time ---- */

struct train_stage train_stage_begin(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (struct train_stage){(double)clock_mono_us() * 1e-6,
                                (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
                                    (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-6};
}

void train_stage_end(struct train_stage *sum, struct train_stage begin)
{
    struct train_stage now = train_stage_begin();
    sum->wall_s += now.wall_s - begin.wall_s;
    sum->cpu_s += now.cpu_s - begin.cpu_s;
}

/* ---- parts ---- */

double train_hash_share(uint64_t key, uint64_t seed, uint64_t salt)
{
    uint64_t all[3] = {key, seed, salt};
    return (double)(hash64(all, sizeof all) >> 11) * 0x1p-53;
}

/* How many rows with the same hash stood before each: makes equal rows different, whatever their order. */
static int number_equal_rows(struct train_loading *l, uint64_t *keys)
{
    size_t size = 64, n = l->d->n;
    while (size < n * 2)
        size *= 2;
    struct slot {
        uint64_t hash;
        uint64_t count;
    } *slots = calloc(size, sizeof *slots);
    if (!slots)
        return out_of_memory(l);
    for (size_t i = 0; i < n; i++) {
        uint64_t hash = l->f->row_hashes[l->rows[i]];
        size_t at = hash & (size - 1);
        while (slots[at].count && slots[at].hash != hash)
            at = (at + 1) & (size - 1);
        uint64_t pair[2] = {slots[at].hash = hash, slots[at].count++};
        keys[i] = hash64(pair, sizeof pair);
    }
    free(slots);
    return 0;
}

static int make_keys(struct train_loading *l)
{
    struct train_data *d = l->d;
    d->keys = malloc(d->n * sizeof *d->keys);
    if (!d->keys)
        return out_of_memory(l);
    if (l->customer < 0)
        return number_equal_rows(l, d->keys);
    for (size_t i = 0; i < d->n; i++) {
        struct str id = l->f->columns[l->customer].texts[l->rows[i]];
        d->keys[i] = hash64(id.p, id.n);
    }
    return 0;
}

static int split(struct train_loading *l)
{
    enum { SALT_TEST = 1, SALT_ASIDE = 2 };
    struct train_data *d = l->d;
    int rc = make_keys(l);
    d->side = rc ? NULL : malloc(d->n);
    d->tested = rc ? NULL : calloc(d->read, 1);
    if (!d->side || !d->tested)
        return rc ? rc : out_of_memory(l);
    for (size_t i = 0; i < d->n; i++) {
        uint64_t key = d->keys[i], seed = l->c->split_seed;
        enum train_side side = train_hash_share(key, seed, SALT_TEST) < l->c->test     ? SIDE_TEST
                               : train_hash_share(key, seed, SALT_ASIDE) < l->c->aside ? SIDE_ASIDE
                                                                                       : SIDE_TRAIN;
        d->side[i] = (uint8_t)side;
        d->tested[l->rows[i]] = side == SIDE_TEST;
        d->side_rows[side]++;
        if (d->arm_of) {
            d->arms[d->arm_of[i]].rows[side]++;
            d->arms[d->arm_of[i]].positive += side != SIDE_TEST && d->labels[i] != 0;
        }
    }
    static const char *const names[SIDES] = {"the training part", "the part kept aside", "the test part"};
    for (int s = 0; s < SIDES; s++)
        if (d->side_rows[s] == 0 && (s != SIDE_ASIDE || l->c->aside > 0))
            return error_set(l->e, ERR_INVALID,
                             "%s: %zu rows, and none of them falls into %s; more rows are needed", d->name,
                             d->n, names[s]);
    return 0;
}

bool train_tells_of(const struct train_data *d, size_t i, size_t arm)
{
    return d->own_p || d->arm_of[i] == arm || d->arm_of[i] == (uint32_t)d->silence;
}

double train_pair_probability(const struct train_data *d, size_t i, size_t arm)
{
    const double nearly = 1 - 1e-9; /* a row that could not have got anything else has p = 1 */
    bool silent = d->arm_of[i] == (uint32_t)d->silence;
    if (d->own_p) {
        double p = d->p[i] < nearly ? d->p[i] : nearly;
        return d->arm_of[i] == arm ? p : silent ? 1 - p : 0.5;
    }
    double of_arm = silent ? d->arms[arm].p : d->p[i];
    double of_silence = silent ? d->p[i] : d->arms[d->silence].p;
    return of_arm / (of_arm + of_silence);
}

/* ---- weights, times ---- */

static int weights(struct train_loading *l)
{
    struct train_data *d = l->d;
    char text[160];
    double sum = 0;
    if (l->weight < 0)
        return 0;
    d->weights = malloc(d->n * sizeof *d->weights);
    if (!d->weights)
        return out_of_memory(l);
    for (size_t i = 0; i < d->n; i++) {
        double v = l->f->columns[l->weight].numbers[l->rows[i]];
        d->weights[i] = (float)v;
        sum += v;
        if (v >= 0 && v <= 1e12)
            continue;
        snprintf(text, sizeof text, "weight %.40s is %.15g; allowed: from 0 to 1e12",
                 l->f->columns[l->weight].name.p, v);
        train_finding(l, l->rows[i], text);
    }
    return sum > 0 || l->found ? 0 : error_set(l->e, ERR_INVALID, "%s: all weights are 0", d->name);
}

static void window(struct train_loading *l)
{
    struct train_data *d = l->d;
    int64_t first = INT64_MAX, last = INT64_MIN;
    if (l->time < 0)
        return;
    for (size_t i = 0; i < d->n; i++) {
        int64_t ms = l->f->columns[l->time].times[l->rows[i]];
        if (d->side[i] == SIDE_TEST || ms == INT64_MIN)
            continue;
        first = ms < first ? ms : first;
        last = ms > last ? ms : last;
    }
    for (int end = 0; end < 2 && first <= last; end++) {
        struct civil t;
        char day[48];
        tz_local(l->c->zone, end ? last : first, &t);
        snprintf(day, sizeof day, "%04d-%02d-%02d", t.year, t.month, t.day);
        if (t.year >= 0 && t.year <= 9999)
            memcpy(end ? d->to : d->from, day, sizeof d->to);
    }
    d->from[10] = d->to[10] = 0;
}

/* ---- all of it ---- */

static long want(struct frame_want *wants, size_t *count, struct str column, enum frame_type type,
                 const char *what)
{
    if (column.n == 0)
        return TRAIN_NO_COLUMN;
    wants[*count] = (struct frame_want){.column = column,
                                        .type = type,
                                        .required = type != FRAME_CATEGORY || strcmp(what, "the action") != 0,
                                        .low = 1,
                                        .high = 0,
                                        .what = what};
    return (long)(*count)++;
}

static int read_frame(struct train_loading *l, struct train_input *in, size_t *first_feature)
{
    const struct train_config *c = l->c;
    struct frame_want *wants = calloc(WANTS_OF_ROWS + 2 * c->feature_count, sizeof *wants);
    size_t count = 0;
    if (!wants)
        return out_of_memory(l);
    l->label = want(wants, &count, c->label_column,
                    c->label_type == BUNDLE_BINARY ? FRAME_CATEGORY : FRAME_DOUBLE, "the label");
    l->action = want(wants, &count, c->action_column, FRAME_CATEGORY, "the action");
    l->p = want(wants, &count, c->p_column, FRAME_DOUBLE, "the action's probability");
    l->time = want(wants, &count, c->time_column, FRAME_TIME, "the time");
    l->customer = want(wants, &count, c->customer_column, FRAME_TEXT, "the customer");
    l->weight = want(wants, &count, c->weight_column, FRAME_DOUBLE, "the weight");
    *first_feature = count;
    train_columns_want(c, wants, &count);
    const struct frame_options options = {.separator = c->separator,
                                          .missing = c->missing,
                                          .missing_count = c->missing_count,
                                          .zone = c->zone,
                                          .hash_rows = !c->customer_column.n};
    int rc = frame_read_source(l->f, train_input_name(in), train_input_read, in, wants, count, &options,
                               l->diags, l->e);
    free(wants);
    if (rc && train_input_failed(in, l->e))
        rc = l->e->code;
    l->d->separator = l->f->separator;
    return rc;
}

static int take_rows(struct train_loading *l)
{
    struct train_data *d = l->d;
    int rc = l->action >= 0 ? train_make_arms(l) : 0;
    if (!rc && !l->found)
        rc = train_choose_rows(l);
    if (rc || (l->found && !l->rows))
        return rc;
    d->lines = malloc(d->n * sizeof *d->lines);
    if (!d->lines)
        return out_of_memory(l);
    for (size_t i = 0; i < d->n; i++)
        d->lines[i] = l->f->lines[l->rows[i]];
    rc = train_read_labels(l);
    if (!rc)
        rc = weights(l);
    if (!rc)
        rc = train_read_probabilities(l);
    if (!rc && !l->found)
        rc = train_settle_objective(l);
    if (!rc && !l->found)
        rc = split(l);
    if (!rc && !l->found)
        rc = train_probabilities(l);
    if (!rc && !l->found)
        window(l);
    return rc;
}

static void say_rest(struct train_loading *l, int *rc)
{
    if (l->found > FRAME_FINDINGS_MAX)
        diag_add(l->diags, DIAG_ERROR, l->d->name, 0, 0, "%zu more such findings are not shown",
                 l->found - FRAME_FINDINGS_MAX);
    if (l->found && !*rc)
        *rc = error_set(l->e, ERR_INVALID, "%s cannot be trained on: %zu finding%s", l->d->name, l->found,
                        l->found == 1 ? "" : "s");
}

int train_data_read(struct train_data *d, const struct train_config *c, struct train_input *in,
                    const volatile sig_atomic_t *cancel, struct diags *diags, struct error *e)
{
    struct frame f = {0};
    struct train_loading l = {.d = d, .c = c, .f = &f, .diags = diags, .e = e};
    size_t first_feature = 0;
    *d = (struct train_data){.silence = -1};
    snprintf(d->name, sizeof d->name, "%s", train_input_name(in));
    arena_init(&d->arena, memory_max);
    struct train_stage begin = train_stage_begin();
    int rc = read_frame(&l, in, &first_feature);
    train_stage_end(&d->read_stage, begin);
    begin = train_stage_begin();
    if (!rc) {
        rc = take_rows(&l);
        say_rest(&l, &rc);
    }
    if (!rc && cancel && *cancel)
        rc = error_set(e, ERR_UNAVAILABLE, "stopped before the training was done");
    const int64_t *times = !rc && l.time >= 0 ? f.columns[l.time].times : NULL;
    if (!rc)
        rc = train_columns_fill(d, c, &f, l.rows, times, first_feature, diags, e);
    train_stage_end(&d->features_stage, begin);
    if (f.rows || f.columns)
        frame_free(&f);
    free(l.rows);
    free(l.text_arms);
    if (rc)
        train_data_free(d);
    return rc;
}

void train_data_free(struct train_data *d)
{
    free(d->rows);
    free(d->labels);
    free(d->weights);
    free(d->arm_of);
    free(d->p);
    free(d->keys);
    free(d->lines);
    free(d->side);
    free(d->tested);
    arena_free(&d->arena);
    *d = (struct train_data){.silence = -1};
}
