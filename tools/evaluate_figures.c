/* Targets, expected rewards, figures and the gate of `tact evaluate`; see evaluate_figures.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tools/evaluate_figures.h"
#include "base/csv.h"
#include "base/number.h"
#include "tools/evaluate_curve.h"
#include "tools/evaluate_report.h"
#include "tools/evaluate_targets.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>

/* ---- numbers ---- */

int evaluate_number(const char *option, const char *text, double low, double high, double *out,
                    struct error *e)
{
    if (!text)
        return 0;
    if (!number_read(str_from(text), out) || *out < low || *out > high)
        return error_set(e, ERR_INVALID, "--%s: '%.60s' is no number from %g to %g", option, text, low, high);
    return 0;
}

static int read_range(struct evaluate_job *j, struct error *e)
{
    const char *text = j->o->reward_range, *colon = text ? strchr(text, ':') : NULL;
    if (!text)
        return 0;
    if (!colon || !number_read((struct str){text, (size_t)(colon - text)}, &j->ope.reward_low) ||
        !number_read(str_from(colon + 1), &j->ope.reward_high) || j->ope.reward_low >= j->ope.reward_high)
        return error_set(e, ERR_INVALID, "--reward-range: '%.60s' is no range; write LOW:HIGH, as 0:1", text);
    /* What a contact costs moves the lowest reward. */
    j->ope.reward_low -= j->cost;
    return 0;
}

static int read_numbers(struct evaluate_job *j, struct error *e)
{
    const struct evaluate_options *o = j->o;
    j->ope = (struct ope_options){.clip = 10,
                                  .switch_at = 10,
                                  .level = 0.95,
                                  .resamples = (int)o->resamples,
                                  .seed = (uint64_t)o->seed};
    int rc = evaluate_number("cost", o->cost, 0, 1e12, &j->cost, e);
    if (!rc)
        rc = evaluate_number("clip", o->clip, 1e-9, 1e12, &j->ope.clip, e);
    if (!rc)
        rc = evaluate_number("switch", o->switch_at, 1e-9, 1e12, &j->ope.switch_at, e);
    if (!rc)
        rc = evaluate_number("smallest-p", o->smallest_p, 1e-12, 1, &j->smallest_p, e);
    if (!rc)
        rc = evaluate_number("level", o->level, 0.5, 0.9999, &j->ope.level, e);
    return rc ? rc : read_range(j, e);
}

/* ---- names ---- */

static const struct frame_column *choices_column(const struct evaluate_job *j)
{
    return &j->extra.columns[j->target_count + j->expected_count + j->feature_count];
}

/* All actions that any target names, before anything is laid out. */
int evaluate_actions(struct evaluate_job *j, struct error *e)
{
    const struct evaluate_options *o = j->o;
    size_t before = j->rows.action_count;
    int rc = 0;
    if (o->target_table)
        rc = targets_table(&j->tables[0], &j->rows, o->target_table, "probability", true, e);
    if (!rc && o->expected_table)
        rc = targets_table(&j->tables[1], &j->rows, o->expected_table, "reward", false, e);
    for (int i = 0; i < 2; i++) { /* only their names were wanted */
        free(j->tables[i]);
        j->tables[i] = NULL;
    }
    for (size_t i = 0; i < j->target_count + j->expected_count && !rc; i++) {
        const char *prefix = i < j->target_count ? o->target_columns : o->expected_columns;
        struct str name = j->extra.columns[i].name;
        name = (struct str){name.p + strlen(prefix), name.n - strlen(prefix)};
        rc = eval_actions_add(&j->rows, &name, 1, e);
    }
    if (o->target_choices && !rc) {
        const struct frame_column *c = choices_column(j);
        rc = eval_actions_add(&j->rows, c->categories, c->category_count, e);
    }
    for (int i = 0; i < o->arms.count && !rc; i++) {
        struct str name = str_from(o->arms.items[i]);
        if (str_is(name, EVAL_SILENCE) || eval_action(&j->rows, name) >= 0)
            rc = eval_actions_add(&j->rows, &name, 1, e);
        else
            rc = error_set(e, ERR_INVALID, "--arm: no row has the action '%.80s'", o->arms.items[i]);
    }
    if (!rc && j->choices && j->rows.action_count != before)
        rc = error_set(e, ERR_INVALID, "a table names an action that neither the log nor the policy has");
    if (!rc && o->cost && j->rows.silence < 0)
        rc = error_set(e, ERR_INVALID,
                       "--cost: no row is silent; say with --silence TEXT which action is no contact");
    return rc;
}

/* ---- targets and expected rewards ---- */

static void add_target(struct evaluate_job *j, struct eval_target t)
{
    ASSERT(j->targets_used < EVALUATE_TARGETS_MAX);
    j->targets[j->targets_used++] = t;
}

/* Every action that the rows have, alike. */
static int uniform_table(struct evaluate_job *j, struct error *e)
{
    const struct eval_rows *r = &j->rows;
    double *t = calloc(r->position_count * r->action_count + 1, sizeof *t);
    size_t logged = 0;
    if (!t)
        return error_set(e, ERR_NOSPACE, "out of memory");
    for (size_t i = 0; i < r->n; i++)
        t[r->action[i]] = 1;
    for (size_t a = 0; a < r->action_count; a++)
        logged += t[a] > 0;
    for (size_t a = 0; a < r->action_count; a++)
        t[a] = t[a] > 0 ? 1.0 / (double)logged : 0;
    for (size_t p = 1; p < r->position_count; p++)
        memcpy(t + p * r->action_count, t, r->action_count * sizeof *t);
    j->tables[2] = t;
    return 0;
}

/* The action that a column names in each row. */
static int column_choices(struct evaluate_job *j, struct error *e)
{
    const struct frame_column *c = choices_column(j);
    uint32_t *places = malloc((c->category_count + 1) * sizeof *places);
    j->column_choices = malloc((j->rows.n + 1) * sizeof *j->column_choices);
    int rc = places && j->column_choices ? 0 : error_set(e, ERR_NOSPACE, "out of memory");
    for (size_t i = 0; i < c->category_count && !rc; i++)
        places[i] = (uint32_t)eval_action(&j->rows, c->categories[i]);
    for (size_t i = 0; i < j->rows.n && !rc; i++)
        j->column_choices[i] = places[c->codes[i]];
    free(places);
    return rc;
}

static int make_targets(struct evaluate_job *j, struct error *e)
{
    const struct evaluate_options *o = j->o;
    int rc = 0;
    if (j->choices)
        add_target(j, (struct eval_target){.name = arena_printf(&j->arena, "policy %s", o->policy),
                                           .kind = TARGET_CHOICES,
                                           .choices = j->choices});
    if (o->target_choices) {
        rc = column_choices(j, e);
        add_target(j, (struct eval_target){.name = arena_printf(&j->arena, "column %s", o->target_choices),
                                           .kind = TARGET_CHOICES,
                                           .choices = j->column_choices});
    }
    if (!rc && o->target_columns) {
        rc = targets_columns(&j->tables[0], &j->rows, &j->extra, 0, j->target_count, o->target_columns, true,
                             e);
        add_target(j, (struct eval_target){.name = arena_printf(&j->arena, "columns %s*", o->target_columns),
                                           .kind = TARGET_MATRIX,
                                           .matrix = j->tables[0]});
    }
    if (!rc && o->target_table) {
        rc = targets_table(&j->tables[1], &j->rows, o->target_table, "probability", true, e);
        add_target(j, (struct eval_target){.name = arena_printf(&j->arena, "table %s", o->target_table),
                                           .kind = TARGET_TABLE,
                                           .table = j->tables[1]});
    }
    if (!rc && o->uniform) {
        rc = uniform_table(j, e);
        add_target(j, (struct eval_target){.name = "uniform", .kind = TARGET_TABLE, .table = j->tables[2]});
    }
    for (int i = 0; i < o->arms.count && !rc; i++)
        add_target(j,
                   (struct eval_target){.name = arena_printf(&j->arena, "arm %s", o->arms.items[i]),
                                        .kind = TARGET_ARM,
                                        .arm = (uint32_t)eval_action(&j->rows, str_from(o->arms.items[i]))});
    return rc;
}

/* Codes become numbers where all texts of a column are numbers. */
static int feature_matrix(struct evaluate_job *j, float **out, bool *categorical, struct error *e)
{
    const struct eval_rows *r = &j->rows;
    float *rows = malloc((r->n * j->feature_count + 1) * sizeof *rows);
    int rc = rows ? 0 : error_set(e, ERR_NOSPACE, "out of memory");
    for (size_t k = 0; k < j->feature_count && !rc; k++) {
        struct frame_column *c = &j->extra.columns[j->target_count + j->expected_count + k];
        rc = frame_sort_categories(c, r->n, e);
        float *values = malloc((c->category_count + 1) * sizeof *values);
        if (!values)
            rc = error_set(e, ERR_NOSPACE, "out of memory");
        double number = 0;
        categorical[k] = false;
        for (size_t i = 0; i < c->category_count && !rc; i++)
            categorical[k] = categorical[k] || !number_read(c->categories[i], &number);
        for (size_t i = 0; i < c->category_count && !rc; i++)
            values[i] = categorical[k]                           ? (float)i
                        : number_read(c->categories[i], &number) ? (float)number
                                                                 : NAN;
        for (size_t i = 0; i < r->n && !rc; i++)
            rows[i * j->feature_count + k] = c->codes[i] == FRAME_MISSING ? NAN : values[c->codes[i]];
        free(values);
    }
    *out = rows;
    return rc;
}

static int fitted_rewards(struct evaluate_job *j, double **out, struct error *e)
{
    float *rows = NULL;
    bool *categorical = arena_alloc(&j->arena, (j->feature_count + 1) * sizeof *categorical);
    double *matrix = malloc((j->rows.n * j->rows.action_count + 1) * sizeof *matrix);
    int rc = categorical && matrix ? feature_matrix(j, &rows, categorical, e)
                                   : error_set(e, ERR_NOSPACE, "out of memory");
    const struct eval_model_features f = {rows, j->feature_count, categorical};
    if (!rc)
        rc = eval_reward_model(matrix, &j->rows, &f, (int)j->o->folds, (uint64_t)j->o->seed, e);
    free(rows);
    *out = matrix;
    return rc;
}

static int make_rewards(struct evaluate_job *j, struct error *e)
{
    const struct evaluate_options *o = j->o;
    int rc = 0;
    if (o->no_model)
        return 0;
    if (o->expected_table) {
        rc = targets_table(&j->expected_owned[0], &j->rows, o->expected_table, "reward", false, e);
        j->rewards.table = j->expected_owned[0];
    } else if (o->expected_columns) {
        rc = targets_columns(&j->expected_owned[0], &j->rows, &j->extra, j->target_count, j->expected_count,
                             o->expected_columns, false, e);
        j->rewards.matrix = j->expected_owned[0];
    } else if (o->expected_features) {
        rc = fitted_rewards(j, &j->expected_owned[0], e);
        j->rewards.matrix = j->expected_owned[0];
    } else {
        j->rewards.matrix = j->of_policy;
    }
    return rc;
}

/* ---- decisions to a file ---- */

static int write_decisions(const struct evaluate_job *j, struct error *e)
{
    FILE *f = fopen(j->o->decisions, "wbe");
    if (!f)
        return error_set(e, ERR_IO, "%s: %s", j->o->decisions, strerror(errno));
    struct buf b;
    buf_init(&b, 1 << 20);
    fputs("line,action\n", f);
    for (size_t i = 0; i < j->rows.n; i++) {
        b.n = 0;
        csv_write_field(&b, j->rows.actions[j->choices[i]], ',');
        fprintf(f, "%u,%.*s\n", j->rows.lines[i], (int)b.n, (const char *)b.p);
    }
    buf_free(&b);
    bool failed = ferror(f) != 0;
    if (fclose(f) != 0 || failed)
        return error_set(e, ERR_IO, "%s: cannot be written", j->o->decisions);
    return 0;
}

/* ---- figures ---- */

/* "logged", an arm, or a number. Ids of actions may be numbers too: an action of the rows goes first. */
static int find_reference(struct evaluate_job *j, struct eval_target *arm, bool *is_arm, struct error *e)
{
    const char *text = j->o->reference;
    *is_arm = false;
    j->reference_value = NAN;
    if (!text || strcmp(text, "logged") == 0)
        return 0;
    long at = eval_action(&j->rows, str_from(text));
    if (at < 0 && number_read(str_from(text), &j->reference_value))
        return 0;
    if (at < 0)
        return error_set(e, ERR_INVALID,
                         "--reference: '%.80s' is neither logged, nor a number, nor an action of the rows",
                         text);
    *arm = (struct eval_target){.name = text, .kind = TARGET_ARM, .arm = (uint32_t)at};
    *is_arm = true;
    return 0;
}

int evaluate_estimator(const struct evaluate_job *j, enum ope_estimator *out, struct error *e)
{
    bool model = j->rewards.matrix || j->rewards.table;
    *out = model ? OPE_DR : OPE_SNIPS;
    if (!j->o->estimator)
        return 0;
    for (int k = 0; k < OPE_ESTIMATOR_COUNT; k++)
        if (strcmp(j->o->estimator, ope_estimator_name((enum ope_estimator)k)) == 0) {
            *out = (enum ope_estimator)k;
            return k < OPE_DM || model
                       ? 0
                       : error_set(e, ERR_INVALID, "--estimator %s needs expected rewards (--expected-…)",
                                   j->o->estimator);
        }
    return error_set(e, ERR_INVALID,
                     "--estimator: unknown '%.40s'; allowed: ips, clipped_ips, snips, dm, dr, switch_dr",
                     j->o->estimator);
}

/* The largest weight that target and logging policy allow, from what is known of both beforehand; 0 when that is not enough. */
static double largest_weight(const struct evaluate_job *j, const struct eval_target *t)
{
    const struct eval_rows *r = &j->rows;
    double p = j->smallest_p, most = t->kind == TARGET_TABLE ? 0 : 1;
    if (p == 0 && j->o->probability)
        (void)number_read(str_from(j->o->probability), &p); /* the same in every row */
    for (size_t i = 0; t->kind == TARGET_TABLE && i < r->position_count * r->action_count; i++)
        most = fmax(most, t->table[i]);
    return p > 0 ? fmax(most / p, 1) : 0;
}

static struct ope_options options_for(const struct evaluate_job *j, const struct eval_target *t)
{
    struct ope_options o = j->ope;
    o.weight_max = o.reward_low < o.reward_high ? largest_weight(j, t) : 0;
    return o;
}

/* The upper end, at any time, of what the reference earns: an arm's, or the log's, where every row has weight 1. */
static int reference_high(const struct evaluate_job *j, const struct ope *reference, double *out,
                          struct error *e)
{
    struct ope_options options = j->ope;
    struct ope_result result;
    struct ope *logged = NULL;
    int rc = 0;
    if (!reference) {
        options.resamples = 0;
        options.weight_max = 1;
        logged = ope_new(&options);
        rc = logged ? 0 : error_set(e, ERR_NOSPACE, "out of memory");
    }
    for (size_t i = 0; logged && i < j->rows.n && !rc; i++) {
        bool silent = (long)j->rows.action[i] == j->rows.silence;
        const struct ope_row row = {
            .weight = 1, .reward = j->rows.reward[i] - (silent ? 0 : j->cost), .logged = 1};
        rc = ope_add(logged, &row, e);
    }
    if (!rc) {
        ope_result(reference ? reference : logged, &result);
        *out = result.sequence.high;
    }
    ope_free(&logged);
    return rc;
}

/* Whether the main target's lower bound beats the reference; says why not. At any time, both ends have half the error. */
static int gate(const struct evaluate_job *j, enum ope_estimator k, const struct ope *x,
                const struct ope *reference, bool *passes, struct error *e)
{
    struct ope_result r;
    struct ope_figure d;
    ope_result(x, &r);
    ope_difference(x, reference, k, &d);
    double low = d.bootstrap.low, against = 0;
    const char *what = "the lower bound of the difference", *upper = "";
    int rc = 0;
    if (!isnan(j->reference_value)) {
        low = j->o->anytime ? r.sequence.low : r.figures[k].bootstrap.low;
        against = j->reference_value;
        what = j->o->anytime ? "the lower bound at any time" : "the lower bound";
    } else if (j->o->anytime) {
        rc = reference_high(j, reference, &against, e);
        low = r.sequence.low;
        what = "the lower bound at any time";
        upper = "the reference's upper bound ";
    }
    if (rc)
        return rc;
    char shown[32] = "not known";
    if (!isnan(low))
        snprintf(shown, sizeof shown, "%.5f", low);
    *passes = r.trusted && low > against;
    fprintf(j->o->json ? stderr : stdout, "\ngate: %s: %s of %s is %s, %s %s%.5f%s\n",
            *passes ? "passed" : "FAILED", what, j->targets[j->main].name, shown,
            low > against ? "above" : "not above", upper, against,
            r.trusted ? "" : "; and the figure cannot be trusted");
    return 0;
}

static int report(struct evaluate_job *j, bool *passed, struct error *e)
{
    struct eval_target arm;
    bool is_arm;
    enum ope_estimator k = OPE_SNIPS;
    struct ope *reference = NULL;
    int rc = find_reference(j, &arm, &is_arm, e);
    if (!rc)
        rc = evaluate_estimator(j, &k, e);
    if (!rc && is_arm)
        rc = evaluate(&reference, &j->rows, &arm, &j->rewards, j->cost, options_for(j, &arm), e);
    struct evaluate_report r = {.rows = &j->rows,
                                .json = j->o->json,
                                .by_position = j->o->by_position,
                                .brief = j->o->brief,
                                .level = j->ope.level,
                                .reference = is_arm ? arm.name
                                             : isnan(j->reference_value)
                                                 ? "as logged"
                                                 : arena_printf(&j->arena, "the value %s", j->o->reference),
                                .reference_value = j->reference_value,
                                .estimator = k};
    if (!rc)
        evaluate_report_rows(&r);
    for (size_t i = 0; i < j->targets_used && !rc; i++) {
        struct ope *x = NULL;
        rc = evaluate(&x, &j->rows, &j->targets[i], &j->rewards, j->cost, options_for(j, &j->targets[i]), e);
        if (rc)
            break;
        double silent = j->rows.silence >= 0 ? eval_silent_share(&j->targets[i], &j->rows) : (double)NAN;
        evaluate_report_target(&r, j->targets[i].name, silent, x, reference);
        if (j->o->gate && i == j->main)
            rc = gate(j, k, x, reference, passed, e);
        ope_free(&x);
    }
    if (reference)
        ope_free(&reference);
    return rc;
}

/* ---- all ---- */

int evaluate_figures(struct evaluate_job *j, bool *passed, struct error *e)
{
    int rc = read_numbers(j, e);
    if (!rc)
        rc = make_targets(j, e);
    if (!rc)
        rc = make_rewards(j, e);
    if (!rc && j->o->decisions)
        rc = write_decisions(j, e);
    if (rc)
        return rc;
    return j->o->costs ? evaluate_curve(j, e) : report(j, passed, e);
}
