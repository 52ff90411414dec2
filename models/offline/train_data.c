/* Reading the table for training; see train_data.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/offline/train_data.h"
#include "base/clock.h"
#include "models/offline/frame.h"
#include "models/offline/train_columns.h"
#include <math.h>
#include <stdlib.h>

static const size_t memory_max = (size_t)4 << 30; /* names, categories, small lists */

enum { WANTS_OF_ROWS = 6, NO_COLUMN = -1 };

/* While a table is taken in. */
struct loading {
    struct train_data *d;
    const struct train_config *c;
    struct frame *f;
    long label, action, p, time, customer, weight; /* columns of the frame, or NO_COLUMN */
    uint32_t *rows;                                /* [d->n] the frame's row of each of ours */
    uint32_t *text_arms;                           /* the arm of each text of the action column */
    struct diags *diags;
    struct error *e;
    size_t found; /* findings about cells */
};

/* Cells are found wrong by the thousand at times; the first few are shown. */
static void finding(struct loading *l, size_t row, const char *text)
{
    if (l->found++ < FRAME_FINDINGS_MAX)
        diag_add(l->diags, DIAG_ERROR, l->d->name, (int)l->f->lines[row], 0, "%s", text);
}

static int out_of_memory(struct loading *l)
{
    return error_set(l->e, ERR_NOSPACE, "out of memory");
}

/* ---- labels ---- */

/* -1: neither. */
static int binary_of(const struct train_config *c, struct str text)
{
    static const struct {
        const char *text;
        int value;
    } words[] = {{"1", 1},    {"0", 0},     {"true", 1}, {"false", 0},
                 {"True", 1}, {"False", 0}, {"TRUE", 1}, {"FALSE", 0}};
    if (c->positive.n)
        return str_eq(text, c->positive) ? 1 : str_eq(text, c->negative) ? 0 : -1;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (str_is(text, words[i].text))
            return words[i].value;
    return -1;
}

/* Every text that is no label, at the first line that has it. */
static void wrong_labels(struct loading *l, const struct frame_column *column, const int *values)
{
    char text[400];
    bool *seen = calloc(column->category_count + 1, sizeof *seen);
    for (size_t i = 0; seen && i < l->f->rows; i++) {
        uint32_t code = column->codes[i];
        if (code == FRAME_MISSING || seen[code])
            continue;
        seen[code] = true;
        if (values[code] >= 0)
            continue;
        struct str s = column->categories[code];
        int shown = s.n < 60 ? (int)s.n : 60;
        if (l->c->positive.n)
            snprintf(
                text, sizeof text, "label %.*s is '%.*s'; allowed: '%.*s' (positive) and '%.*s' (negative)",
                STR_ARG(l->c->label_column), shown, s.p, STR_ARG(l->c->positive), STR_ARG(l->c->negative));
        else
            snprintf(text, sizeof text,
                     "label %.*s is '%.*s'; allowed: 1 and 0, true and false, or name two texts as "
                     "label.positive and label.negative",
                     STR_ARG(l->c->label_column), shown, s.p);
        finding(l, i, text);
    }
    free(seen);
}

static int binary_labels(struct loading *l)
{
    const struct frame_column *column = &l->f->columns[l->label];
    int *values = calloc(column->category_count + 1, sizeof *values);
    bool good = true;
    if (!values)
        return out_of_memory(l);
    for (size_t k = 0; k < column->category_count; k++) {
        values[k] = binary_of(l->c, column->categories[k]);
        good = good && values[k] >= 0;
    }
    if (!good)
        wrong_labels(l, column, values);
    for (size_t i = 0; good && i < l->d->n; i++)
        l->d->labels[i] = (float)values[column->codes[l->rows[i]]];
    free(values);
    return 0;
}

static void number_labels(struct loading *l)
{
    const double *numbers = l->f->columns[l->label].numbers;
    char text[160];
    for (size_t i = 0; i < l->d->n; i++) {
        double v = numbers[l->rows[i]];
        l->d->labels[i] = (float)v;
        if (l->c->label_type == BUNDLE_COUNT && (v < 0 || v != floor(v) || v > 1e9)) {
            snprintf(text, sizeof text,
                     "label %.40s is %.15g; allowed: whole numbers from 0 to 1e9 (type count)",
                     l->f->columns[l->label].name.p, v);
            finding(l, l->rows[i], text);
        } else if (!isfinite(l->d->labels[i])) {
            snprintf(text, sizeof text, "label %.40s is %.15g, which is too large",
                     l->f->columns[l->label].name.p, v);
            finding(l, l->rows[i], text);
        }
    }
}

/* The objective where the config leaves it open, and what the labels must be for it. */
static int settle_objective(struct loading *l)
{
    struct train_data *d = l->d;
    float least = INFINITY, most = -INFINITY;
    for (size_t i = 0; i < d->n; i++) {
        least = d->labels[i] < least ? d->labels[i] : least;
        most = d->labels[i] > most ? d->labels[i] : most;
    }
    if (least == most)
        return error_set(l->e, ERR_INVALID,
                         "%s: the label %.*s is %.9g in all %zu rows; there is nothing to learn", d->name,
                         STR_ARG(l->c->label_column), (double)least, d->n);
    d->objective = l->c->objective;
    if (d->objective.n == 0)
        d->objective = l->c->kind == BUNDLE_TRANSFORMED    ? STR("reg:squarederror")
                       : l->c->label_type == BUNDLE_BINARY ? STR("binary:logistic")
                       : l->c->label_type == BUNDLE_COUNT  ? STR("count:poisson")
                       : least >= 0                        ? STR("reg:tweedie")
                                                           : STR("reg:squarederror");
    if (str_is(d->objective, "reg:gamma") && least <= 0)
        return error_set(l->e, ERR_INVALID,
                         "%s: reg:gamma needs labels above 0, but the least is %.9g; allowed: reg:tweedie or "
                         "reg:squarederror",
                         d->name, (double)least);
    if (str_is(d->objective, "reg:tweedie") && least < 0)
        return error_set(
            l->e, ERR_INVALID,
            "%s: reg:tweedie needs labels of at least 0, but the least is %.9g; allowed: reg:squarederror",
            d->name, (double)least);
    return 0;
}

/* ---- arms ---- */

static const struct train_text *find_text(const struct train_config *c, struct str text)
{
    for (size_t i = 0; i < c->text_count; i++)
        if (str_eq(c->texts[i].text, text))
            return &c->texts[i];
    return NULL;
}

static long find_arm(const struct train_data *d, struct str name)
{
    for (size_t i = 0; i < d->arm_count; i++)
        if (str_eq(d->arms[i].name, name))
            return (long)i;
    return -1;
}

static int by_name(const void *a, const void *b)
{
    struct str x = ((const struct train_arm *)a)->name, y = ((const struct train_arm *)b)->name;
    int order = str_is(y, BUNDLE_SILENCE) - str_is(x, BUNDLE_SILENCE); /* silence first */
    return order ? order : str_cmp(x, y);
}

static bool add_arm(struct loading *l, struct str name)
{
    struct train_data *d = l->d;
    if (find_arm(d, name) >= 0)
        return true;
    struct str copy = arena_str(&d->arena, name);
    d->arms[d->arm_count] = (struct train_arm){.name = copy, .p = NAN};
    d->arm_count++;
    return copy.p != NULL;
}

/* What a text of the action column means: an arm's name; empty after a finding. */
static struct str meaning(struct loading *l, struct str text, size_t row)
{
    const struct train_text *known = find_text(l->c, text);
    struct suggest s;
    char message[400];
    if (known)
        return known->action;
    suggest_init(&s, text);
    for (size_t i = 0; i < l->c->text_count; i++)
        suggest_offer(&s, l->c->texts[i].text);
    struct str best = suggest_best(&s);
    bool plain = text.n > 0 && text.n <= BUNDLE_TEXT_MAX && !str_is(text, BUNDLE_SILENCE);
    if (!l->c->has_map && plain)
        return text;
    if (l->c->has_map)
        snprintf(message, sizeof message,
                 "action '%.*s' is neither in action.map nor in action.silence%s%.*s%s",
                 text.n < 60 ? (int)text.n : 60, text.p, best.n ? "; did you mean '" : "", STR_ARG(best),
                 best.n ? "'?" : "");
    else
        snprintf(message, sizeof message,
                 "action '%.*s' can be no action's id; name it in action.map or in action.silence",
                 text.n < 60 ? (int)text.n : 60, text.p);
    finding(l, row, message);
    return (struct str){0};
}

/* The first row of each text of a column, to be freed; NULL without memory. */
static uint32_t *first_rows(const struct frame *f, const struct frame_column *column)
{
    uint32_t *first = malloc((column->category_count + 1) * sizeof *first);
    for (size_t k = 0; first && k < column->category_count; k++)
        first[k] = UINT32_MAX;
    for (size_t i = 0; first && i < f->rows; i++)
        if (column->codes[i] != FRAME_MISSING && first[column->codes[i]] == UINT32_MAX)
            first[column->codes[i]] = (uint32_t)i;
    return first;
}

/* Makes the arms and says of each text which one it is. */
static int make_arms(struct loading *l)
{
    struct train_data *d = l->d;
    const struct frame_column *column = &l->f->columns[l->action];
    bool full = false;
    if (column->category_count > TRAIN_TEXTS_MAX)
        return error_set(l->e, ERR_INVALID,
                         "%s: column %.*s has %zu different texts; at most %d actions are allowed", d->name,
                         STR_ARG(column->name), column->category_count, TRAIN_TEXTS_MAX);
    struct str names[TRAIN_TEXTS_MAX];
    uint32_t *first = first_rows(l->f, column);
    d->arms = arena_zalloc(&d->arena, (column->category_count + l->c->text_count + 1) * sizeof *d->arms);
    l->text_arms = malloc((column->category_count + 1) * sizeof *l->text_arms);
    if (!d->arms || !l->text_arms || !first) {
        free(first);
        return out_of_memory(l);
    }
    for (size_t i = 0; i < l->c->text_count; i++)
        full = !add_arm(l, l->c->texts[i].action) || full;
    for (size_t k = 0; k < column->category_count; k++) {
        names[k] = meaning(l, column->categories[k], first[k]);
        full = (names[k].n && !add_arm(l, names[k])) || full;
    }
    free(first);
    if (full)
        return out_of_memory(l);
    qsort(d->arms, d->arm_count, sizeof *d->arms, by_name);
    d->silence = find_arm(d, STR(BUNDLE_SILENCE));
    for (size_t k = 0; k < column->category_count; k++)
        l->text_arms[k] = (uint32_t)find_arm(d, names[k]);
    if (l->c->kind != BUNDLE_PROPENSITY && d->arm_count > BUNDLE_ARMS_MAX)
        return error_set(l->e, ERR_INVALID, "%s: %zu actions; at most %d are allowed for this kind", d->name,
                         d->arm_count, BUNDLE_ARMS_MAX);
    return 0;
}

/* Is an empty cell of the action column one of silence? */
static bool missing_is_silence(const struct train_config *c)
{
    for (size_t i = 0; i < c->text_count; i++) {
        bool missing = c->texts[i].text.n == 0;
        for (size_t k = 0; k < c->missing_count; k++)
            missing = missing || str_eq(c->texts[i].text, c->missing[k]);
        if (missing && str_is(c->texts[i].action, BUNDLE_SILENCE))
            return true;
    }
    return false;
}

/* The arm of a row of the frame; UINT32_MAX after a finding. */
static uint32_t arm_at(struct loading *l, size_t row)
{
    uint32_t code = l->f->columns[l->action].codes[row];
    if (code != FRAME_MISSING)
        return l->text_arms[code];
    if (missing_is_silence(l->c))
        return (uint32_t)l->d->silence;
    finding(l, row, "the action is missing; if that means no contact, write silence: [\"\"]");
    return UINT32_MAX;
}

/* Which rows are used, and their arms. */
static int choose_rows(struct loading *l)
{
    struct train_data *d = l->d;
    d->read = l->f->rows;
    l->rows = malloc((d->read + 1) * sizeof *l->rows);
    d->arm_of = l->action >= 0 ? malloc((d->read + 1) * sizeof *d->arm_of) : NULL;
    if (!l->rows || (l->action >= 0 && !d->arm_of))
        return out_of_memory(l);
    for (size_t i = 0; i < d->read; i++) {
        uint32_t arm = l->action >= 0 ? arm_at(l, i) : 0;
        if (l->c->kind == BUNDLE_PROPENSITY && l->action >= 0 && d->silence >= 0 &&
            arm == (uint32_t)d->silence)
            continue;
        l->rows[d->n] = (uint32_t)i;
        if (d->arm_of)
            d->arm_of[d->n] = arm;
        d->n++;
    }
    if (d->n == 0)
        return error_set(l->e, ERR_INVALID, "%s: no row is one of a contact", d->name);
    return 0;
}

/* ---- parts ---- */

double train_hash_share(uint64_t key, uint64_t seed, uint64_t salt)
{
    uint64_t all[3] = {key, seed, salt};
    return (double)(hash64(all, sizeof all) >> 11) * 0x1p-53;
}

/* How many rows with the same hash stood before each: makes equal rows different, whatever their order. */
static int number_equal_rows(struct loading *l, uint64_t *keys)
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

static int make_keys(struct loading *l)
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

static int split(struct loading *l)
{
    enum { SALT_TEST = 1, SALT_ASIDE = 2 };
    struct train_data *d = l->d;
    int rc = make_keys(l);
    d->side = rc ? NULL : malloc(d->n);
    if (!d->side)
        return rc ? rc : out_of_memory(l);
    for (size_t i = 0; i < d->n; i++) {
        uint64_t key = d->keys[i], seed = l->c->split_seed;
        enum train_side side = train_hash_share(key, seed, SALT_TEST) < l->c->test     ? SIDE_TEST
                               : train_hash_share(key, seed, SALT_ASIDE) < l->c->aside ? SIDE_ASIDE
                                                                                       : SIDE_TRAIN;
        d->side[i] = (uint8_t)side;
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

/* ---- probabilities ---- */

static int shares_by_action(struct loading *l)
{
    const struct train_config *c = l->c;
    for (size_t a = 0; a < l->d->arm_count; a++) {
        struct train_arm *arm = &l->d->arms[a];
        for (size_t k = 0; k < c->share_count; k++)
            if (str_eq(c->shares[k].action, arm->name))
                arm->p = c->shares[k].p;
        if (isnan(arm->p) && arm->rows[SIDE_TRAIN] + arm->rows[SIDE_ASIDE] + arm->rows[SIDE_TEST])
            return error_set(l->e, ERR_INVALID,
                             "%s: action_probability.by_action does not name %.*s, which the data have",
                             c->file, STR_ARG(arm->name));
    }
    return 0;
}

static void arm_probabilities(struct loading *l)
{
    struct train_data *d = l->d;
    size_t all = d->side_rows[SIDE_TRAIN] + d->side_rows[SIDE_ASIDE];
    for (size_t a = 0; a < d->arm_count; a++)
        d->arms[a].p =
            l->c->p_from == P_NUMBER ? l->c->p
            : l->c->p_from == P_COLUMN
                ? 0 /* Σ 1/p, below */
                : (double)(d->arms[a].rows[SIDE_TRAIN] + d->arms[a].rows[SIDE_ASIDE]) / (double)all;
    if (l->c->p_from != P_COLUMN)
        return;
    for (size_t i = 0; i < d->n; i++)
        if (d->side[i] != SIDE_TEST)
            d->arms[d->arm_of[i]].p += 1 / d->p[i];
    for (size_t a = 0; a < d->arm_count; a++)
        d->arms[a].p = (double)(d->arms[a].rows[SIDE_TRAIN] + d->arms[a].rows[SIDE_ASIDE]) / d->arms[a].p;
}

/* Those of a column; before anything is made of them, so that all wrong cells are found. */
static int read_probabilities(struct loading *l)
{
    struct train_data *d = l->d;
    char text[160];
    if (l->p < 0)
        return 0;
    d->p = malloc(d->n * sizeof *d->p);
    if (!d->p)
        return out_of_memory(l);
    for (size_t i = 0; i < d->n; i++) {
        d->p[i] = l->f->columns[l->p].numbers[l->rows[i]];
        if (d->p[i] > 0 && d->p[i] <= 1)
            continue;
        snprintf(text, sizeof text, "action probability %.40s is %.15g; allowed: above 0 and at most 1",
                 l->f->columns[l->p].name.p, d->p[i]);
        finding(l, l->rows[i], text);
    }
    return 0;
}

/* Those of the arms, and by them of the rows that have none of their own. */
static int probabilities(struct loading *l)
{
    struct train_data *d = l->d;
    int rc = 0;
    if (!d->arm_of)
        return 0;
    if (l->c->p_from == P_BY_ACTION)
        rc = shares_by_action(l);
    else
        arm_probabilities(l);
    if (rc || d->p)
        return rc;
    d->p = malloc(d->n * sizeof *d->p);
    if (!d->p)
        return out_of_memory(l);
    for (size_t i = 0; i < d->n && !rc; i++) {
        d->p[i] = d->arms[d->arm_of[i]].p;
        if (!(d->p[i] > 0))
            rc = error_set(l->e, ERR_INVALID,
                           "%s: all rows of action %.*s fell into the test part; its share is not known",
                           d->name, STR_ARG(d->arms[d->arm_of[i]].name));
    }
    return rc;
}

double train_pair_probability(const struct train_data *d, size_t i, size_t arm)
{
    bool silent = d->arm_of[i] == (uint32_t)d->silence;
    double of_arm = silent ? d->arms[arm].p : d->p[i];
    double of_silence = silent ? d->p[i] : d->arms[d->silence].p;
    return of_arm / (of_arm + of_silence);
}

/* ---- weights, times ---- */

static int weights(struct loading *l)
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
        finding(l, l->rows[i], text);
    }
    return sum > 0 || l->found ? 0 : error_set(l->e, ERR_INVALID, "%s: all weights are 0", d->name);
}

static void window(struct loading *l)
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
        return NO_COLUMN;
    wants[*count] = (struct frame_want){.column = column,
                                        .type = type,
                                        .required = type != FRAME_CATEGORY || strcmp(what, "the action") != 0,
                                        .low = 1,
                                        .high = 0,
                                        .what = what};
    return (long)(*count)++;
}

static int read_frame(struct loading *l, const char *path, const struct train_read_options *o,
                      size_t *first_feature)
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
                                          .hash_rows = !c->customer_column.n,
                                          .progress = o->progress,
                                          .user = o->user};
    int rc = frame_read(l->f, path, wants, count, &options, l->diags, l->e);
    free(wants);
    return rc;
}

static int take_rows(struct loading *l)
{
    struct train_data *d = l->d;
    int rc = l->action >= 0 ? make_arms(l) : 0;
    if (!rc && !l->found)
        rc = choose_rows(l);
    if (rc || (l->found && !l->rows))
        return rc;
    d->labels = malloc(d->n * sizeof *d->labels);
    d->lines = malloc(d->n * sizeof *d->lines);
    if (!d->labels || !d->lines)
        return out_of_memory(l);
    for (size_t i = 0; i < d->n; i++)
        d->lines[i] = l->f->lines[l->rows[i]];
    if (l->c->label_type == BUNDLE_BINARY)
        rc = binary_labels(l);
    else
        number_labels(l);
    if (!rc)
        rc = weights(l);
    if (!rc)
        rc = read_probabilities(l);
    if (!rc && !l->found)
        rc = settle_objective(l);
    if (!rc && !l->found)
        rc = split(l);
    if (!rc && !l->found)
        rc = probabilities(l);
    if (!rc && !l->found)
        window(l);
    return rc;
}

static void say_rest(struct loading *l, int *rc)
{
    if (l->found > FRAME_FINDINGS_MAX)
        diag_add(l->diags, DIAG_ERROR, l->d->name, 0, 0, "%zu more such findings are not shown",
                 l->found - FRAME_FINDINGS_MAX);
    if (l->found && !*rc)
        *rc = error_set(l->e, ERR_INVALID, "%s cannot be trained on: %zu finding%s", l->d->name, l->found,
                        l->found == 1 ? "" : "s");
}

int train_data_read(struct train_data *d, const struct train_config *c, const char *path,
                    const struct train_read_options *o, struct diags *diags, struct error *e)
{
    struct frame f = {0};
    struct loading l = {.d = d, .c = c, .f = &f, .diags = diags, .e = e};
    size_t first_feature = 0;
    *d = (struct train_data){.silence = -1};
    snprintf(d->name, sizeof d->name, "%s", path);
    arena_init(&d->arena, memory_max);
    int64_t start_us = clock_mono_us();
    int rc = read_frame(&l, path, o, &first_feature);
    d->read_s = (double)(clock_mono_us() - start_us) * 1e-6;
    start_us = clock_mono_us();
    if (!rc) {
        rc = take_rows(&l);
        say_rest(&l, &rc);
    }
    if (!rc && o->cancel && *o->cancel)
        rc = error_set(e, ERR_UNAVAILABLE, "stopped before the training was done");
    const int64_t *times = !rc && l.time >= 0 ? f.columns[l.time].times : NULL;
    if (!rc)
        rc = train_columns_fill(d, c, &f, l.rows, times, first_feature, diags, e);
    d->features_s = (double)(clock_mono_us() - start_us) * 1e-6;
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
    arena_free(&d->arena);
    *d = (struct train_data){.silence = -1};
}
