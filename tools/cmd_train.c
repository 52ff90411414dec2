/* tact train: historical data to a bundle.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/offline/train_policies.h"
#include "models/offline/train_report.h"
#include "tools/commands.h"
#include "tools/progress.h"
#include <jansson.h>
#include <math.h>
#include <stdlib.h>

enum { DIAGS_MEMORY = 16 << 20, EXIT_INTERRUPTED = 130 };

static int run(int argc, char **argv);

const struct command command_train = {
    .name = "train",
    .brief = "train a model on historical data and write it as a bundle",
    .arguments = "",
    .details =
        "Reads a table (CSV, plain or zstd) as train.yaml says, trains with XGBoost on one part of the rows, "
        "measures on\n"
        "the rest, and writes a bundle: propensities, or what a contact adds against silence (s_learner, "
        "t_learner,\n"
        "transformed). The form of train.yaml stands at the top of models/offline/train_config.h. With "
        "--policy the bundle\n"
        "must fit that policy. The same table, train.yaml, seed and version of XGBoost give the same bundle, "
        "byte for byte.\n"
        "With --test-rows the rows that it is measured on are also written to a file, with the header, as "
        "they "
        "stand in the\n"
        "table and in its order, for tact evaluate and other tools; which rows they are does not depend on "
        "their order.\n\n"
        "  tact train --csv history.csv --config tools/examples/retail/training/train.yaml --out bundle\n"
        "  tact train --csv history.csv.zst --config train.yaml --out bundle --test-rows test.csv",
    .run = run,
};

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
    (void)number;
    stop = 1;
}

/* ---- JSON ---- */

/* A number that may not exist. */
static json_t *number(double v)
{
    return isfinite(v) ? json_real(v) : json_null();
}

static json_t *of_metric(struct metric m)
{
    return json_pack("{s:o, s:o, s:o}", "value", number(m.value), "low", number(m.low), "high",
                     number(m.high));
}

static json_t *of_str(struct str s)
{
    return json_stringn(s.p ? s.p : "", s.n);
}

static json_t *of_arms(const struct train_data *d)
{
    json_t *list = json_array();
    for (size_t a = 0; a < d->arm_count; a++)
        json_array_append_new(list, json_pack("{s:o, s:I, s:I, s:I, s:o}", "arm", of_str(d->arms[a].name),
                                              "train", (json_int_t)d->arms[a].rows[SIDE_TRAIN], "aside",
                                              (json_int_t)d->arms[a].rows[SIDE_ASIDE], "test",
                                              (json_int_t)d->arms[a].rows[SIDE_TEST], "probability",
                                              number(d->arms[a].p)));
    return list;
}

static json_t *of_models(const struct train_result *r)
{
    static const char *const ways[] = {"none", "platt", "isotonic"};
    json_t *list = json_array();
    for (size_t i = 0; i < r->models.count; i++) {
        const struct train_model *m = &r->models.list[i];
        json_t *o = json_pack("{s:I, s:i, s:s}", "rows", (json_int_t)m->rows, "rounds", m->rounds,
                              "calibration", ways[m->calibration.kind]);
        if (m->arm >= 0)
            json_object_set_new(o, "arm", of_str(r->data.arms[m->arm].name));
        json_array_append_new(list, o);
    }
    return list;
}

/* Rows in groups of rising prediction. */
static json_t *of_points(const struct train_score *s)
{
    json_t *list = json_array();
    for (size_t i = 0; i < s->point_count; i++)
        json_array_append_new(list, json_pack("{s:o, s:o, s:I}", "predicted", number(s->points[i].predicted),
                                              "observed", number(s->points[i].observed), "rows",
                                              (json_int_t)s->points[i].n));
    return list;
}

static json_t *of_stages(const struct train_result *r, bool cpu)
{
    const struct {
        const char *name;
        struct train_stage s;
    } stages[] = {{"read", r->data.read_stage},  {"features", r->data.features_stage},
                  {"folds", r->folds_stage},     {"fit", r->fit_stage},
                  {"measure", r->measure_stage}, {"write", r->write_stage}};
    json_t *o = json_object();
    for (size_t i = 0; i < sizeof stages / sizeof *stages; i++)
        json_object_set_new(o, stages[i].name, number(cpu ? stages[i].s.cpu_s : stages[i].s.wall_s));
    return o;
}

static json_t *of_measures(const struct train_result *r, const struct train_measures *m)
{
    json_t *scores = json_array(), *uplifts = json_array();
    for (size_t i = 0; i < m->score_count; i++) {
        const struct train_score *s = &m->scores[i];
        json_t *o = json_pack("{s:I, s:o, s:o}", "rows", (json_int_t)s->rows, "mean_label",
                              number(s->mean_label), "mean_prediction", number(s->mean_prediction));
        if (s->arm >= 0)
            json_object_set_new(o, "arm", of_str(r->data.arms[s->arm].name));
        for (size_t k = 0; k < s->count; k++)
            json_object_set_new(o, s->figures[k].name, of_metric(s->figures[k].m));
        if (m == &r->test && s->point_count)
            json_object_set_new(o, "calibration", of_points(s));
        json_array_append_new(scores, o);
    }
    for (size_t i = 0; i < m->uplift_count; i++) {
        const struct train_uplift *u = &m->uplifts[i];
        json_array_append_new(uplifts,
                              json_pack("{s:o, s:I, s:o, s:o, s:o}", "arm", of_str(r->data.arms[u->arm].name),
                                        "rows", (json_int_t)u->rows, "qini", of_metric(u->m.qini), "auuc",
                                        of_metric(u->m.auuc), "ate", of_metric(u->m.ate)));
    }
    return json_pack("{s:o, s:o}", "models", scores, "uplift", uplifts);
}

static json_t *of_policies(const struct train_result *r)
{
    const struct train_measures *m = train_policies(r);
    json_t *list = json_array();
    for (size_t i = 0; i < m->policy_count; i++) {
        const struct train_policy *p = &m->policies[i];
        char name[BUNDLE_TEXT_MAX + 8];
        train_policy_name(p, &r->data, name, sizeof name);
        json_array_append_new(list, json_pack("{s:o, s:s, s:o, s:o, s:o, s:b, s:s}", "cost", number(p->cost),
                                              "policy", name, "value", of_metric(p->value), "over_nobody",
                                              of_metric(p->over_nobody), "silent", number(p->silent),
                                              "trusted", p->trusted, "warning", p->warning));
    }
    return list;
}

static json_t *of_warnings(const struct diags *d)
{
    json_t *list = json_array();
    for (size_t i = 0; i < d->count; i++)
        if (d->items[i].severity == DIAG_WARNING)
            json_array_append_new(list, json_pack("{s:s, s:i, s:s}", "file", d->items[i].file, "line",
                                                  d->items[i].line, "text", d->items[i].text));
    return list;
}

static int print_json(const struct train_result *r, const struct train_job *job, const struct diags *diags)
{
    static const char *const kinds[] = {"propensity", "s_learner", "t_learner", "transformed"};
    const struct train_data *d = &r->data;
    json_t *root = json_pack(
        "{s:s, s:o, s:o, s:s, s:o, s:{s:I, s:I, s:I, s:I, s:I}, s:I, s:o, s:o, s:o}", "bundle", job->out,
        "name", of_str(r->config.name), "version", of_str(r->config.version), "kind", kinds[r->config.kind],
        "objective", of_str(d->objective), "rows", "file", (json_int_t)d->read, "used", (json_int_t)d->n,
        "train", (json_int_t)d->side_rows[SIDE_TRAIN], "aside", (json_int_t)d->side_rows[SIDE_ASIDE], "test",
        (json_int_t)d->side_rows[SIDE_TEST], "features", (json_int_t)d->features, "arms", of_arms(d),
        "models", of_models(r), "test", of_measures(r, &r->test));
    if (!root)
        return -1;
    if (r->has_cv)
        json_object_set_new(root, "cv", of_measures(r, &r->cv));
    if (train_policies(r)->policy_count) {
        json_object_set_new(root, "policies_from", json_string(r->has_cv ? "cv" : "test"));
        json_object_set_new(root, "policies", of_policies(r));
    }
    json_object_set_new(root, "warning_count", json_integer((json_int_t)diags->warnings));
    json_object_set_new(root, "warnings", of_warnings(diags));
    if (job->test_rows)
        json_object_set_new(root, "test_rows", json_string(job->test_rows));
    json_object_set_new(root, "seconds", of_stages(r, false));
    json_object_set_new(root, "cpu_seconds", of_stages(r, true));
    int rc = json_dumpf(root, stdout, JSON_COMPACT | JSON_REAL_PRECISION(12));
    printf("\n");
    json_decref(root);
    return rc;
}

/* ---- the command ---- */

struct shown {
    struct progress progress;
    const char *what;
};

static void show(void *user, const char *what, uint64_t done, uint64_t total)
{
    struct shown *s = user;
    if (s->what != what) {
        progress_clear(&s->progress);
        progress_begin(&s->progress, what);
        s->what = what;
    }
    progress_at(&s->progress, done, total);
}

static int train(struct train_job *job, bool json)
{
    struct arena arena;
    struct diags diags;
    struct error e = {0};
    struct train_result result;
    struct tzdb *zones = NULL;
    struct shown shown = {.what = NULL};
    arena_init(&arena, DIAGS_MEMORY);
    diags_init(&diags, &arena);
    progress_begin(&shown.progress, "");
    job->progress = show;
    job->user = &shown;
    int rc = tzdb_load(&zones, NULL, &e);
    if (!rc) {
        job->zones = zones;
        rc = train_run(&result, job, &diags, &e);
    }
    progress_clear(&shown.progress);
    diags_sort(&diags);
    diags_print(&diags, stderr);
    if (rc) {
        fprintf(stderr, "tact train: %s\n", e.text);
    } else {
        if (json)
            rc = print_json(&result, job, &diags);
        else
            train_report_print(&result, job->out, job->test_rows, stdout);
        if (fflush(stdout) != 0 || rc) {
            fprintf(stderr, "tact train: the report cannot be printed; the bundle %s is written\n", job->out);
            rc = ERR_IO;
        }
        train_result_free(&result);
    }
    tzdb_free(&zones);
    arena_free(&arena);
    return !rc ? EXIT_OK : stop && rc == ERR_UNAVAILABLE ? EXIT_INTERRUPTED : EXIT_FAILED;
}

static int run(int argc, char **argv)
{
    struct train_job job = {.cancel = &stop};
    int64_t seed = -1;
    bool json = false;
    int count;
    const struct option_def defs[] = {
        {.name = "csv", .value = "FILE", .help = "the table; - for standard input", .text = &job.csv},
        {.name = "config", .value = "YAML", .help = "what to learn from it, and how", .text = &job.config},
        {.name = "out", .value = "DIR", .help = "the bundle to write; must not exist", .text = &job.out},
        {.name = "policy",
         .value = "FOLDER",
         .help = "the policy that the bundle must fit",
         .text = &job.policy},
        {.name = "test-rows",
         .value = "FILE",
         .help = "also write the header and the rows of the test part there",
         .text = &job.test_rows},
        {.name = "seed",
         .value = "N",
         .help = "of training and intervals, in place of the config's",
         .number = &seed,
         .low = 0,
         .high = INT64_MAX},
        {.name = "json", .help = "print the report as JSON", .flag = &json},
        {0},
    };
    int rc = options_parse(&command_train, defs, argc, argv, NULL, 0, 0, &count);
    if (rc >= 0)
        return rc;
    if (!job.csv || !job.config || !job.out) {
        fprintf(stderr, "tact train: --%s is missing\n", !job.csv ? "csv" : !job.config ? "config" : "out");
        return EXIT_USAGE;
    }
    job.has_seed = seed >= 0;
    job.seed = (uint64_t)seed;
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    return train(&job, json);
}
