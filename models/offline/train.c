/* A training, step by step; see train.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/offline/train.h"
#include "models/offline/train_bundle.h"
#include "models/offline/train_check.h"
#include "models/offline/train_report.h"
#include "models/offline/train_test_rows.h"
#include <stdlib.h>

enum { RESULT_MEMORY = 64 << 20, SALT_ASIDE = 2, SALT_FOLD = 5 };

struct run {
    struct train_result *r;
    const struct train_job *job;
    struct diags *diags;
    struct error *e;
    const char *phase; /* of the progress */
    struct train_test_rows *test_rows;
};

static int out_of_memory(struct error *e)
{
    return error_set(e, ERR_NOSPACE, "out of memory");
}

static int cancelled(struct run *x)
{
    return x->job->cancel && *x->job->cancel
               ? error_set(x->e, ERR_UNAVAILABLE, "stopped before the training was done")
               : 0;
}

static void on_progress(void *user, uint64_t done, uint64_t total)
{
    struct run *x = user;
    if (x->job->progress)
        x->job->progress(x->job->user, x->phase, done, total);
}

/* ---- steps ---- */

static int read_config(struct run *x)
{
    struct train_config *c = &x->r->config;
    struct yaml_node *root = yaml_read_file(x->job->config, &x->r->arena, x->diags);
    bool good = root && train_config_read(c, root, x->job->zones, &x->r->arena, x->diags);
    if (!good || x->diags->errors)
        return error_set(x->e, ERR_INVALID, "%s has %zu error%s", x->job->config, x->diags->errors,
                         x->diags->errors == 1 ? "" : "s");
    if (x->job->has_seed)
        c->seed = x->job->seed;
    return 0;
}

static int keep_test_rows(struct run *x, struct train_input *in)
{
    const struct train_data *d = &x->r->data;
    struct train_stage begin = train_stage_begin();
    x->phase = "bytes read again";
    int rc = train_test_rows_write(x->test_rows, in, d->separator, d->tested, d->read, x->e);
    train_stage_end(&x->r->write_stage, begin);
    return rc;
}

static int read_data(struct run *x)
{
    const struct train_input_options o = {x->job->test_rows, on_progress, x, x->job->cancel};
    struct train_input *in = NULL;
    x->phase = "bytes read";
    int rc = x->job->test_rows ? train_test_rows_new(&x->test_rows, x->job->test_rows, x->job->csv, x->e) : 0;
    if (!rc)
        rc = train_input_open(&in, x->job->csv, &o, x->e);
    if (!rc)
        rc = train_data_read(&x->r->data, &x->r->config, in, x->job->cancel, x->diags, x->e);
    if (!rc && x->test_rows)
        rc = keep_test_rows(x, in);
    train_input_free(&in);
    if (!rc)
        rc = train_check(&x->r->data, &x->r->config, x->diags, x->e);
    if (!rc && x->job->policy)
        rc = train_bundle_try(x->job->out, x->job->policy, x->job->zones, x->r, x->diags, x->e);
    return rc;
}

/* One fold's predictions, from models that saw none of its rows, into their places. */
static int fold(struct run *x, int k, uint8_t *use, uint32_t *rows, double *fresh, double *predictions)
{
    const struct train_data *d = &x->r->data;
    const struct train_config *c = &x->r->config;
    const struct train_fit_options o = {on_progress, x, x->job->cancel};
    struct train_models models = {0};
    size_t n = 0;
    for (size_t i = 0; i < d->n; i++) {
        bool here = (int)(train_hash_share(d->keys[i], c->split_seed, SALT_FOLD) * c->folds) == k;
        bool aside = train_hash_share(d->keys[i], c->split_seed, SALT_ASIDE) < c->aside;
        use[i] = here ? USE_NOT : aside ? USE_ASIDE : USE_TRAIN;
        if (here)
            rows[n++] = (uint32_t)i;
    }
    int rc = train_fit(&models, d, c, use, &o, x->diags, x->e);
    if (!rc)
        rc = train_predict(fresh, &models, d, c, rows, n, x->e);
    for (size_t list = 0; list < train_prediction_lists(d, c) && !rc; list++)
        for (size_t i = 0; i < n; i++)
            predictions[list * d->n + rows[i]] = fresh[list * n + i];
    train_models_free(&models);
    return rc ? error_prefix(x->e, "fold %d of %d", k + 1, c->folds) : 0;
}

static int cross_validate(struct run *x)
{
    const struct train_data *d = &x->r->data;
    const struct train_config *c = &x->r->config;
    size_t lists = train_prediction_lists(d, c);
    uint8_t *use = malloc(d->n);
    uint32_t *rows = malloc(d->n * sizeof *rows);
    double *fresh = malloc(lists * d->n * sizeof *fresh), *predictions = malloc(lists * d->n * sizeof *fresh);
    int rc = use && rows && fresh && predictions ? 0 : out_of_memory(x->e);
    struct train_stage begin = train_stage_begin();
    x->phase = "rounds of cross-validation";
    for (int k = 0; k < c->folds && !rc; k++)
        rc = fold(x, k, use, rows, fresh, predictions);
    train_stage_end(&x->r->folds_stage, begin);
    begin = train_stage_begin();
    for (size_t i = 0; i < d->n && !rc; i++)
        rows[i] = (uint32_t)i;
    if (!rc)
        rc = train_measure(&x->r->cv, d, c, rows, d->n, predictions, true, x->job->cancel, x->e);
    train_stage_end(&x->r->measure_stage, begin);
    x->r->has_cv = !rc;
    free(use);
    free(rows);
    free(fresh);
    free(predictions);
    return rc;
}

static int fit(struct run *x)
{
    const struct train_data *d = &x->r->data;
    const struct train_fit_options o = {on_progress, x, x->job->cancel};
    static const enum train_use uses[SIDES] = {
        [SIDE_TRAIN] = USE_TRAIN, [SIDE_ASIDE] = USE_ASIDE, [SIDE_TEST] = USE_NOT};
    struct train_stage begin = train_stage_begin();
    uint8_t *use = malloc(d->n);
    if (!use)
        return out_of_memory(x->e);
    for (size_t i = 0; i < d->n; i++)
        use[i] = (uint8_t)uses[d->side[i]];
    x->phase = "rounds";
    int rc = train_fit(&x->r->models, d, &x->r->config, use, &o, x->diags, x->e);
    free(use);
    train_stage_end(&x->r->fit_stage, begin);
    return rc;
}

static int measure(struct run *x)
{
    const struct train_data *d = &x->r->data;
    const struct train_config *c = &x->r->config;
    struct train_stage begin = train_stage_begin();
    size_t count = 0, tested = d->side_rows[SIDE_TEST];
    uint32_t *rows = malloc(tested * sizeof *rows);
    double *predictions = malloc(train_prediction_lists(d, c) * tested * sizeof *predictions);
    int rc = rows && predictions ? 0 : out_of_memory(x->e);
    for (size_t i = 0; i < d->n && !rc; i++)
        if (d->side[i] == SIDE_TEST)
            rows[count++] = (uint32_t)i;
    if (!rc)
        rc = train_predict(predictions, &x->r->models, d, c, rows, count, x->e);
    if (!rc)
        rc = train_measure(&x->r->test, d, c, rows, count, predictions, !c->folds, x->job->cancel, x->e);
    free(rows);
    free(predictions);
    train_stage_end(&x->r->measure_stage, begin);
    return rc;
}

static int write_bundle(struct run *x)
{
    size_t count = 0;
    struct train_stage begin = train_stage_begin();
    struct bundle_metric *metrics = train_report_metrics(x->r, &x->r->arena, &count);
    int rc = metrics ? train_bundle_write(x->job->out, x->r, &x->r->models, metrics, count, x->e)
                     : out_of_memory(x->e);
    if (!rc && x->test_rows && train_test_rows_place(x->test_rows, x->e))
        rc = error_prefix(x->e, "the bundle %s is written, but not the test rows", x->job->out);
    train_stage_end(&x->r->write_stage, begin);
    return rc;
}

/* ---- all of them ---- */

int train_run(struct train_result *out, const struct train_job *job, struct diags *diags, struct error *e)
{
    struct run x = {out, job, diags, e, "", NULL};
    *out = (struct train_result){.data = {.silence = -1}};
    arena_init(&out->arena, RESULT_MEMORY);
    int rc = train_bundle_free_place(job->out, e);
    if (!rc)
        rc = read_config(&x);
    if (!rc)
        rc = read_data(&x);
    if (!rc)
        rc = cancelled(&x);
    if (!rc && out->config.folds)
        rc = cross_validate(&x);
    if (!rc)
        rc = fit(&x);
    if (!rc)
        rc = measure(&x);
    if (!rc)
        rc = cancelled(&x);
    if (!rc)
        rc = write_bundle(&x);
    train_test_rows_free(&x.test_rows);
    if (rc)
        train_result_free(out);
    return rc;
}

void train_result_free(struct train_result *r)
{
    train_measures_free(&r->test);
    train_measures_free(&r->cv);
    train_models_free(&r->models);
    train_data_free(&r->data);
    arena_free(&r->arena);
}
