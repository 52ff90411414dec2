/* tact evaluate: what another policy would have earned, from rows of the past.
 *
 *   rows:     a CSV (--csv) or a server's log (--log)                        models/offline/{eval_rows,eval_log}
 *   targets:  arms, uniform, a table, columns, a policy with its model       evaluate_targets, evaluate_policy
 *   rewards:  a table, columns, a fitted model, or the policy's own model    evaluate_targets, models/offline/evaluate
 *   report:   evaluate_report; --gate turns it into an exit code
 *
 * All names of actions are gathered before anything is laid out by action, since a table of a target may name actions that the
 * rows lack.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/number.h"
#include "tools/client.h"
#include "tools/commands.h"
#include "tools/evaluate_policy.h"
#include "tools/evaluate_report.h"
#include "tools/evaluate_targets.h"
#include "tools/progress.h"
#include "tools/value_text.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>

enum { TARGETS_MAX = OPTION_LIST_MAX + 4, EVALUATE_MEMORY = 64 << 20, FEATURES_MAX = 1024 };

static int run(int argc, char **argv);

const struct command command_evaluate = {
    .name = "evaluate",
    .brief = "what another policy would have earned, from rows of the past",
    .arguments = "",
    .details =
        "Off-policy evaluation: rows say which action was taken, with which probability, and what came of "
        "it; targets "
        "say what\n"
        "another policy would have done. Prints its value by IPS, clipped IPS, SNIPS, and, with expected "
        "rewards, by "
        "the direct\n"
        "method, doubly robust and SWITCH, with bootstrap intervals, an interval that holds at any time "
        "(with "
        "--reward-range), and\n"
        "whether the figure can be trusted. Several targets may be given at once.\n\n"
        "  tact evaluate --csv past.csv --action sent --reward visit --probability 0.3333 --silence none "
        "--arm mail "
        "--arm silence\n"
        "  tact evaluate --csv log.csv --action item_id --position position --reward click --probability p "
        "\\\n"
        "      --target-table policy.csv --expected-features age,device --reward-range 0:1\n"
        "  tact evaluate --csv held_out.csv --action segment --reward visit --probability shares --map 'Mens "
        "E-Mail=mens_mail' \\\n"
        "      --silence 'No E-Mail' --policy tools/examples/hillstrom --model build/bundle --channel email "
        "\\\n"
        "      --consent email:promotional --cost 0.077 --reference silence --gate\n"
        "  tact evaluate --log tact-data/log --reward-from conversion --within 7d --policy new-policy "
        "--model new-bundle",
    .run = run,
};

struct options {
    /* rows */
    const char *csv, *action, *reward, *probability, *position, *customer, *separator, *positive;
    struct option_list maps, silences, missing;
    /* targets */
    struct option_list arms;
    bool uniform;
    const char *target_table, *target_columns, *policy, *model, *channel, *placement, *locale, *as_of;
    struct option_list consents, columns;
    /* expected rewards */
    const char *expected_table, *expected_columns, *expected_features;
    bool no_model;
    int64_t folds;
    /* figures */
    const char *cost, *clip, *switch_at, *level, *reward_range, *reference, *estimator, *decisions;
    int64_t resamples, seed;
    bool gate, anytime, by_position, json;
};

struct job {
    const struct options *o;
    struct arena arena;
    struct eval_rows rows;
    struct frame extra; /* columns of targets, of expected rewards, of features: in this order */
    size_t target_count, expected_count, feature_count;
    char separator;
    double cost, reference_value;
    struct ope_options ope;
    struct tzdb *zones;
    struct snapshot *snapshot;
    struct eval_target targets[TARGETS_MAX];
    size_t targets_used, main; /* main: the one that --gate looks at */
    double *tables[3], *expected_owned[2];
    uint32_t *choices;
    struct eval_rewards rewards;
    struct progress progress;
};

/* ---- options ---- */

static int read_double(const char *option, const char *text, double low, double high, double *out,
                       struct error *e)
{
    if (!text)
        return 0;
    if (!number_read(str_from(text), out) || *out < low || *out > high)
        return error_set(e, ERR_INVALID, "--%s: '%.60s' is no number from %g to %g", option, text, low, high);
    return 0;
}

static int read_range(struct job *j, struct error *e)
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

static int read_numbers(struct job *j, struct error *e)
{
    const struct options *o = j->o;
    j->ope = (struct ope_options){.clip = 10,
                                  .switch_at = 10,
                                  .level = 0.95,
                                  .resamples = (int)o->resamples,
                                  .seed = (uint64_t)o->seed};
    int rc = read_double("cost", o->cost, 0, 1e12, &j->cost, e);
    if (!rc)
        rc = read_double("clip", o->clip, 1e-9, 1e12, &j->ope.clip, e);
    if (!rc)
        rc = read_double("switch", o->switch_at, 1e-9, 1e12, &j->ope.switch_at, e);
    if (!rc)
        rc = read_double("level", o->level, 0.5, 0.9999, &j->ope.level, e);
    return rc ? rc : read_range(j, e);
}

/* ---- rows from a CSV ---- */

static int read_map(struct job *j, struct eval_columns *c, struct str *missing, struct str *silences,
                    struct eval_map *maps, struct error *e)
{
    const struct options *o = j->o;
    for (int i = 0; i < o->maps.count; i++) {
        const char *equals = strrchr(o->maps.items[i], '=');
        if (!equals || !equals[1])
            return error_set(e, ERR_INVALID, "--map: '%.80s' is not TEXT=ACTION", o->maps.items[i]);
        maps[i] =
            (struct eval_map){{o->maps.items[i], (size_t)(equals - o->maps.items[i])}, str_from(equals + 1)};
    }
    for (int i = 0; i < o->silences.count; i++)
        silences[i] = str_from(o->silences.items[i]);
    for (int i = 0; i < o->missing.count; i++)
        missing[i] = str_from(o->missing.items[i]);
    c->map = maps;
    c->map_count = (size_t)o->maps.count;
    c->silence = silences;
    c->silence_count = (size_t)o->silences.count;
    return 0;
}

static int read_probability(struct job *j, struct eval_columns *c, struct error *e)
{
    const char *text = j->o->probability;
    double p;
    if (strcmp(text, "shares") == 0) {
        c->shares = true;
    } else if (number_read(str_from(text), &p)) {
        if (!(p > 0 && p <= 1))
            return error_set(e, ERR_INVALID,
                             "--probability: %s; an action probability is above 0 and at most 1", text);
        c->constant_p = p;
    } else {
        c->probability = str_from(text);
    }
    return 0;
}

/* Features of the reward model come as texts or numbers: a column whose every value is a number is one. */
static int feature_wants(struct job *j, struct frame_want *wants, size_t *count, struct error *e)
{
    const char *text = j->o->expected_features;
    *count = 0;
    while (text && *text) {
        size_t n = strcspn(text, ",");
        if (n == 0 || *count == FEATURES_MAX)
            return error_set(e, ERR_INVALID,
                             "--expected-features: names of columns, parted by commas, at most %d",
                             FEATURES_MAX);
        wants[(*count)++] = (struct frame_want){.column = {text, n}, .type = FRAME_CATEGORY, .low = 1};
        text += n + (text[n] == ',');
    }
    return 0;
}

/* Wants of prefixed columns and features, in the order of struct job's comment. */
static int gather_wants(struct job *j, struct frame_want **out, size_t *count, struct error *e)
{
    const struct options *o = j->o;
    struct str *header;
    size_t header_count;
    char separator = o->separator ? o->separator[0] : 0;
    int rc = frame_header(o->csv, separator, &j->arena, &header, &header_count, &j->separator, e);
    if (rc)
        return rc;
    struct frame_want *targets = NULL, *expected = NULL;
    struct frame_want *features = arena_alloc(&j->arena, FEATURES_MAX * sizeof *features);
    struct frame_want *all = arena_alloc(&j->arena, (2 * header_count + FEATURES_MAX) * sizeof *all);
    if (!features || !all)
        return error_set(e, ERR_NOSPACE, "out of memory");
    if (o->target_columns)
        rc = targets_wants(&targets, &j->target_count, header, header_count, o->target_columns, true,
                           &j->arena, e);
    if (!rc && o->expected_columns)
        rc = targets_wants(&expected, &j->expected_count, header, header_count, o->expected_columns, false,
                           &j->arena, e);
    if (!rc)
        rc = feature_wants(j, features, &j->feature_count, e);
    if (rc)
        return rc;
    size_t n = 0;
    for (size_t i = 0; i < j->target_count; i++)
        all[n++] = targets[i];
    for (size_t i = 0; i < j->expected_count; i++)
        all[n++] = expected[i];
    for (size_t i = 0; i < j->feature_count; i++)
        all[n++] = features[i];
    *out = all;
    *count = n;
    return 0;
}

static void show(void *user, uint64_t done, uint64_t total)
{
    progress_at(user, done, total);
}

static int read_csv(struct job *j, struct error *e)
{
    const struct options *o = j->o;
    struct str missing[OPTION_LIST_MAX], silences[OPTION_LIST_MAX];
    struct eval_map maps[OPTION_LIST_MAX];
    struct eval_columns c = {.action = str_from(o->action), .reward = str_from(o->reward)};
    struct frame_want *wants;
    size_t count;
    if (o->position)
        c.position = str_from(o->position);
    if (o->customer)
        c.customer = str_from(o->customer);
    if (o->positive)
        c.positive = str_from(o->positive);
    int rc = read_map(j, &c, missing, silences, maps, e);
    if (!rc)
        rc = read_probability(j, &c, e);
    if (!rc)
        rc = gather_wants(j, &wants, &count, e);
    if (rc)
        return rc;
    struct frame_options options = {.separator = j->separator,
                                    .missing = missing,
                                    .missing_count = (size_t)o->missing.count,
                                    .progress = show,
                                    .user = &j->progress};
    struct diags diags;
    diags_init(&diags, &j->arena);
    progress_begin(&j->progress, "bytes");
    rc = eval_rows_read(&j->rows, o->csv, &c, &options, wants, count, &j->extra, &diags, e);
    progress_clear(&j->progress);
    if (rc)
        diags_print(&diags, stderr);
    return rc;
}

/* ---- names ---- */

/* All actions that any target names, before anything is laid out. */
static int gather_actions(struct job *j, struct error *e)
{
    const struct options *o = j->o;
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
    for (int i = 0; i < o->arms.count && !rc; i++) {
        struct str name = str_from(o->arms.items[i]);
        if (str_is(name, EVAL_SILENCE) || eval_action(&j->rows, name) >= 0)
            rc = eval_actions_add(&j->rows, &name, 1, e);
        else
            rc = error_set(e, ERR_INVALID, "--arm: no row has the action '%.80s'", o->arms.items[i]);
    }
    if (!rc && o->cost && j->rows.silence < 0)
        rc = error_set(e, ERR_INVALID,
                       "--cost: no row is silent; say with --silence TEXT which action is no contact");
    return rc;
}

/* ---- the policy ---- */

static int load_policy(struct job *j, struct names *names, struct error *e)
{
    struct diags diags;
    diags_init(&diags, &j->arena);
    int rc = tzdb_load(&j->zones, NULL, e);
    if (rc)
        return rc;
    j->snapshot = snapshot_load(j->o->policy, j->o->model, j->zones, &diags);
    diags_print(&diags, stderr);
    if (!j->snapshot)
        return error_set(e, ERR_INVALID, "the policy or the model is refused");
    return policy_bind_interning(j->snapshot->policy, names, e);
}

static int decide_rows(struct job *j, double **expected, struct error *e)
{
    const struct options *o = j->o;
    struct str missing[OPTION_LIST_MAX];
    struct names *names = names_new();
    struct policy_rows_options p = {.csv = o->csv,
                                    .separator = j->separator,
                                    .channel = o->channel,
                                    .placement = o->placement,
                                    .locale = o->locale,
                                    .import = {.customer_column = o->customer,
                                               .columns = o->columns,
                                               .consents = o->consents,
                                               .consent_source = "tact evaluate"},
                                    .missing = missing,
                                    .missing_count = (size_t)o->missing.count,
                                    .progress = show,
                                    .user = &j->progress};
    for (int i = 0; i < o->missing.count; i++)
        missing[i] = str_from(o->missing.items[i]);
    p.now_ms = clock_wall_ms();
    int rc = o->as_of ? time_text_parse(str_from(o->as_of), &p.now_ms, e) : 0;
    if (!rc)
        rc = load_policy(j, names, e);
    p.snapshot = j->snapshot;
    p.import.consent_time_ms = p.now_ms;
    progress_begin(&j->progress, "rows");
    if (!rc)
        rc = policy_rows(&p, &j->rows, &j->choices, expected, e);
    progress_clear(&j->progress);
    names_free(&names);
    return rc;
}

/* ---- targets and expected rewards ---- */

static void add_target(struct job *j, struct eval_target t)
{
    ASSERT(j->targets_used < TARGETS_MAX);
    j->targets[j->targets_used++] = t;
}

/* Every action that the rows have, alike. */
static int uniform_table(struct job *j, struct error *e)
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

static int make_targets(struct job *j, struct error *e)
{
    const struct options *o = j->o;
    int rc = 0;
    if (j->choices)
        add_target(j, (struct eval_target){.name = arena_printf(&j->arena, "policy %s", o->policy),
                                           .kind = TARGET_CHOICES,
                                           .choices = j->choices});
    if (o->target_columns) {
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
static int feature_matrix(struct job *j, float **out, bool *categorical, struct error *e)
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

static int fitted_rewards(struct job *j, double **out, struct error *e)
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

static int make_rewards(struct job *j, double *of_policy, struct error *e)
{
    const struct options *o = j->o;
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
        j->rewards.matrix = of_policy;
    }
    return rc;
}

/* ---- decisions to a file ---- */

static int write_decisions(const struct job *j, struct error *e)
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

/* "logged", a number, or an arm. */
static int find_reference(struct job *j, struct eval_target *arm, bool *is_arm, struct error *e)
{
    const char *text = j->o->reference;
    *is_arm = false;
    j->reference_value = NAN;
    if (!text || strcmp(text, "logged") == 0 || number_read(str_from(text), &j->reference_value))
        return 0;
    long at = eval_action(&j->rows, str_from(text));
    if (at < 0)
        return error_set(e, ERR_INVALID,
                         "--reference: '%.80s' is neither logged, nor a number, nor an action of the rows",
                         text);
    *arm = (struct eval_target){.name = text, .kind = TARGET_ARM, .arm = (uint32_t)at};
    *is_arm = true;
    return 0;
}

static int find_estimator(const struct job *j, enum ope_estimator *out, struct error *e)
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

/* Whether the main target's lower bound beats the reference; says why not. */
static bool gate(const struct job *j, enum ope_estimator k, const struct ope *x, const struct ope *reference)
{
    struct ope_result r, of;
    struct ope_figure d;
    ope_result(x, &r);
    ope_difference(x, reference, k, &d);
    double low = d.bootstrap.low, against = 0;
    const char *what = "the lower bound of the difference";
    if (!isnan(j->reference_value)) {
        low = j->o->anytime ? r.sequence.low : r.figures[k].bootstrap.low;
        against = j->reference_value;
        what = "the lower bound";
    } else if (j->o->anytime) {
        if (reference)
            ope_result(reference, &of);
        low = r.sequence.low;
        against = reference ? of.figures[k].value : r.logged_value;
        what = "the lower bound at any time";
    }
    bool passes = r.trusted && low > against;
    FILE *out = j->o->json ? stderr : stdout;
    fprintf(out, "\ngate: %s: %s of %s is %.5f, %s %.5f%s\n", passes ? "passed" : "FAILED", what,
            j->targets[j->main].name, low, low > against ? "above" : "not above", against,
            r.trusted ? "" : "; and the figure cannot be trusted");
    return passes;
}

static int report(struct job *j, bool *passed, struct error *e)
{
    struct eval_target arm;
    bool is_arm;
    enum ope_estimator k = OPE_SNIPS;
    struct ope *reference = NULL;
    int rc = find_reference(j, &arm, &is_arm, e);
    if (!rc)
        rc = find_estimator(j, &k, e);
    if (!rc && is_arm)
        rc = evaluate(&reference, &j->rows, &arm, &j->rewards, j->cost, j->ope, e);
    struct evaluate_report r = {.rows = &j->rows,
                                .json = j->o->json,
                                .by_position = j->o->by_position,
                                .level = j->ope.level,
                                .reference = is_arm ? arm.name : "as logged",
                                .estimator = k};
    if (!rc)
        evaluate_report_rows(&r);
    for (size_t i = 0; i < j->targets_used && !rc; i++) {
        struct ope *x = NULL;
        rc = evaluate(&x, &j->rows, &j->targets[i], &j->rewards, j->cost, j->ope, e);
        if (rc)
            break;
        double silent = j->rows.silence >= 0 ? eval_silent_share(&j->targets[i], &j->rows) : (double)NAN;
        evaluate_report_target(&r, j->targets[i].name, silent, x, reference);
        if (j->o->gate && i == j->main)
            *passed = gate(j, k, x, reference);
        ope_free(&x);
    }
    if (reference)
        ope_free(&reference);
    return rc;
}

static int evaluate_all(struct job *j, bool *passed, struct error *e)
{
    double *of_policy = NULL;
    int rc = read_numbers(j, e);
    if (!rc)
        rc = read_csv(j, e);
    if (!rc)
        rc = gather_actions(j, e);
    if (!rc && j->o->policy)
        rc = decide_rows(j, &of_policy, e);
    if (!rc)
        rc = make_targets(j, e);
    if (!rc)
        rc = make_rewards(j, of_policy, e);
    if (!rc && j->o->decisions)
        rc = write_decisions(j, e);
    if (!rc)
        rc = report(j, passed, e);
    free(of_policy);
    return rc;
}

static void job_free(struct job *j)
{
    for (int i = 0; i < 3; i++)
        free(j->tables[i]);
    free(j->expected_owned[0]);
    free(j->choices);
    if (j->snapshot)
        snapshot_release(&j->snapshot);
    if (j->zones)
        tzdb_free(&j->zones);
    if (j->rows.n)
        eval_rows_free(&j->rows);
    if (j->extra.rows)
        frame_free(&j->extra);
    arena_free(&j->arena);
}

/* What is missing or does not go together, or NULL. */
static const char *wrong_options(const struct options *o)
{
    if (!o->csv)
        return "--csv is missing";
    if (!o->action || !o->reward || !o->probability)
        return "--action, --reward and --probability say what the columns are; one is missing";
    if (!o->arms.count && !o->uniform && !o->target_table && !o->target_columns && !o->policy)
        return "no target; give --policy, --target-columns, --target-table, --uniform or --arm";
    if (o->model && !o->policy)
        return "--model goes with --policy";
    if (o->policy && !o->channel)
        return "--policy needs --channel: where the message would go";
    if (o->policy && o->position)
        return "--policy decides on one action a row; it cannot be evaluated by --position";
    if ((o->expected_table != NULL) + (o->expected_columns != NULL) + (o->expected_features != NULL) > 1)
        return "expected rewards come from one of --expected-table, --expected-columns, --expected-features";
    if (o->anytime && !o->reward_range)
        return "--anytime needs --reward-range LOW:HIGH";
    if (o->separator && (strlen(o->separator) != 1 || !strchr(",;\t|", o->separator[0])))
        return "--separator: one of , ; | and tab";
    if (o->decisions && !o->policy)
        return "--decisions goes with --policy";
    return NULL;
}

static int run(int argc, char **argv)
{
    struct options o = {.resamples = 1000, .seed = 1, .folds = 5};
    int count;
    const struct option_def defs[] = {
        {.name = "csv", .value = "FILE", .help = "rows of the past, with a header", .text = &o.csv},
        {.name = "action", .value = "COLUMN", .help = "which action was taken", .text = &o.action},
        {.name = "reward", .value = "COLUMN", .help = "what came of it: a number", .text = &o.reward},
        {.name = "positive",
         .value = "TEXT",
         .help = "the reward column's word for 1; the other word is 0",
         .text = &o.positive},
        {.name = "probability",
         .value = "COLUMN|P|shares",
         .help = "the action's probability: a column, one number, or the shares of the rows",
         .text = &o.probability},
        {.name = "position",
         .value = "COLUMN",
         .help = "the slot that the row stands at",
         .text = &o.position},
        {.name = "customer",
         .value = "COLUMN",
         .help = "whose row it is: rows of one customer are resampled together",
         .text = &o.customer},
        {.name = "map",
         .value = "TEXT=ACTION",
         .help = "a text of the action column is this action",
         .list = &o.maps},
        {.name = "silence",
         .value = "TEXT",
         .help = "a text of the action column that means no contact",
         .list = &o.silences},
        {.name = "missing", .value = "TEXT", .help = "a text that means a missing value", .list = &o.missing},
        {.name = "separator",
         .value = "C",
         .help = "between fields (found from the header)",
         .text = &o.separator},
        {.name = "policy",
         .value = "FOLDER",
         .help = "target: what this policy decides on each row",
         .text = &o.policy},
        {.name = "model", .value = "FOLDER", .help = "with this model bundle", .text = &o.model},
        {.name = "channel", .value = "NAME", .help = "where the message would go", .text = &o.channel},
        {.name = "placement", .value = "NAME", .help = "the slot that it would fill", .text = &o.placement},
        {.name = "locale", .value = "LOCALE", .help = "of the message", .text = &o.locale},
        {.name = "consent",
         .value = "CHANNEL:PURPOSE[=COLUMN]",
         .help = "consent of the customers",
         .list = &o.consents},
        {.name = "column", .value = "COLUMN=ATTRIBUTE", .help = "as of tact import", .list = &o.columns},
        {.name = "as-of", .value = "TIME", .help = "decide as of then, RFC 3339 (now)", .text = &o.as_of},
        {.name = "decisions",
         .value = "FILE",
         .help = "write what the policy decides: line,action",
         .text = &o.decisions},
        {.name = "target-columns",
         .value = "PREFIX",
         .help = "target: columns <PREFIX><action> hold its probabilities",
         .text = &o.target_columns},
        {.name = "target-table",
         .value = "FILE",
         .help = "target: a CSV of action,position,probability",
         .text = &o.target_table},
        {.name = "uniform", .help = "target: every action of the rows alike", .flag = &o.uniform},
        {.name = "arm", .value = "ACTION", .help = "target: always this action, or silence", .list = &o.arms},
        {.name = "expected-features",
         .value = "COLUMNS",
         .help = "expected rewards: a model of these, fitted on other rows",
         .text = &o.expected_features},
        {.name = "expected-columns",
         .value = "PREFIX",
         .help = "expected rewards: columns <PREFIX><action>",
         .text = &o.expected_columns},
        {.name = "expected-table",
         .value = "FILE",
         .help = "expected rewards: a CSV of action,position,reward",
         .text = &o.expected_table},
        {.name = "no-model",
         .help = "no expected rewards, not those of the policy's model either",
         .flag = &o.no_model},
        {.name = "folds",
         .value = "N",
         .help = "of --expected-features (5)",
         .number = &o.folds,
         .low = 2,
         .high = 100},
        {.name = "cost", .value = "X", .help = "of a contact, taken off the reward (0)", .text = &o.cost},
        {.name = "clip", .value = "X", .help = "of clipped IPS (10)", .text = &o.clip},
        {.name = "switch",
         .value = "X",
         .help = "of SWITCH-DR: larger weights are left to the model (10)",
         .text = &o.switch_at},
        {.name = "resamples",
         .value = "N",
         .help = "of the bootstrap (1000; 0: none)",
         .number = &o.resamples,
         .low = 0,
         .high = OPE_RESAMPLES_MAX},
        {.name = "level", .value = "X", .help = "of intervals (0.95)", .text = &o.level},
        {.name = "seed",
         .value = "N",
         .help = "of the bootstrap and the folds (1)",
         .number = &o.seed,
         .low = 0,
         .high = INT64_MAX},
        {.name = "reward-range",
         .value = "LOW:HIGH",
         .help = "the range of rewards, for intervals that hold at any time",
         .text = &o.reward_range},
        {.name = "by-position", .help = "the figures of each position too", .flag = &o.by_position},
        {.name = "reference",
         .value = "logged|ARM|X",
         .help = "what to compare with (logged)",
         .text = &o.reference},
        {.name = "estimator",
         .value = "NAME",
         .help = "to compare by (dr with expected rewards, else snips)",
         .text = &o.estimator},
        {.name = "gate", .help = "exit 1 unless the lower bound beats the reference", .flag = &o.gate},
        {.name = "anytime", .help = "the gate uses the bound that holds at any time", .flag = &o.anytime},
        {.name = "json", .help = "one JSON object a line", .flag = &o.json},
        {0},
    };
    int rc = options_parse(&command_evaluate, defs, argc, argv, NULL, 0, 0, &count);
    if (rc >= 0)
        return rc;
    const char *wrong = wrong_options(&o);
    if (wrong)
        return client_usage(&command_evaluate, "%s", wrong);
    struct error e = {0};
    bool passed = true;
    struct job *j = calloc(1, sizeof *j);
    ASSERT(j != NULL);
    j->o = &o;
    arena_init(&j->arena, EVALUATE_MEMORY);
    rc = evaluate_all(j, &passed, &e);
    job_free(j);
    free(j);
    if (rc)
        return client_failed(&command_evaluate, "%s", e.text);
    return passed ? EXIT_OK : EXIT_FAILED;
}
