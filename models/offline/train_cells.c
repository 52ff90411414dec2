/* Labels, arms and probabilities; see train_cells.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/offline/train_cells.h"
#include <math.h>
#include <stdlib.h>

void train_finding(struct train_loading *l, size_t row, const char *text)
{
    if (l->found++ < FRAME_FINDINGS_MAX)
        diag_add(l->diags, DIAG_ERROR, l->d->name, (int)l->f->lines[row], 0, "%s", text);
}

static int out_of_memory(struct train_loading *l)
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
static void wrong_labels(struct train_loading *l, const struct frame_column *column, const int *values)
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
        train_finding(l, i, text);
    }
    free(seen);
}

static int binary_labels(struct train_loading *l)
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

static void number_labels(struct train_loading *l)
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
            train_finding(l, l->rows[i], text);
        } else if (!isfinite(l->d->labels[i])) {
            snprintf(text, sizeof text, "label %.40s is %.15g, which is too large",
                     l->f->columns[l->label].name.p, v);
            train_finding(l, l->rows[i], text);
        }
    }
}

int train_read_labels(struct train_loading *l)
{
    l->d->labels = malloc(l->d->n * sizeof *l->d->labels);
    if (!l->d->labels)
        return out_of_memory(l);
    if (l->c->label_type == BUNDLE_BINARY)
        return binary_labels(l);
    number_labels(l);
    return 0;
}

int train_settle_objective(struct train_loading *l)
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

static bool add_arm(struct train_loading *l, struct str name)
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
static struct str meaning(struct train_loading *l, struct str text, size_t row)
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
    train_finding(l, row, message);
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

int train_make_arms(struct train_loading *l)
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
static uint32_t arm_at(struct train_loading *l, size_t row)
{
    uint32_t code = l->f->columns[l->action].codes[row];
    if (code != FRAME_MISSING)
        return l->text_arms[code];
    if (missing_is_silence(l->c))
        return (uint32_t)l->d->silence;
    train_finding(l, row, "the action is missing; if that means no contact, write silence: [\"\"]");
    return UINT32_MAX;
}

int train_choose_rows(struct train_loading *l)
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

/* ---- probabilities ---- */

static int shares_by_action(struct train_loading *l)
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

/* Over all rows. Of a column: by the harmonic mean of the arm's own p, since E[1/p | a] = 1/P(a). */
static void arm_probabilities(struct train_loading *l)
{
    struct train_data *d = l->d;
    size_t all = d->side_rows[SIDE_TRAIN] + d->side_rows[SIDE_ASIDE];
    d->own_p = l->c->p_from == P_COLUMN;
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

int train_read_probabilities(struct train_loading *l)
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
        train_finding(l, l->rows[i], text);
    }
    return 0;
}

int train_probabilities(struct train_loading *l)
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
