/* Training; see trainer.h.
 *
 * The watched matrix is given to the booster at its creation, beside the training one: XGBoost then keeps its
 * margins between rounds and adds only the new trees. The best rounds are cut out with XGBoosterSlice, which
 * keeps base score and objective but not the features' names, so those are set again.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/trainer.h"
#include "models/booster.h"
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <xgboost/c_api.h>

enum { MATRIX_TRAIN, MATRIX_WATCH, MATRICES };

struct training {
    const struct trainer_data *data;
    const struct trainer_options *o;
    DMatrixHandle matrices[MATRICES];
    BoosterHandle booster, best; /* best: cut out of booster, or NULL */
    struct error *e;
};

/* The matrix needs the types to train, the booster both to save them with the model. */
static int set_features(struct training *t, BoosterHandle booster)
{
    const struct trainer_data *data = t->data;
    const char **texts = calloc(data->features, sizeof *texts);
    int rc = texts ? 0 : error_set(t->e, ERR_NOSPACE, "out of memory");
    for (int which = 0; which < 2 && !rc; which++) {
        if (which == 0 ? !data->names : !data->categorical)
            continue;
        for (size_t i = 0; i < data->features; i++)
            texts[i] = which == 0 ? data->names[i] : data->categorical[i] ? "c" : "float";
        const char *field = which == 0 ? "feature_name" : "feature_type";
        for (int m = 0; m < MATRICES; m++)
            if (t->matrices[m] &&
                XGDMatrixSetStrFeatureInfo(t->matrices[m], field, texts, data->features) != 0)
                rc = xgboost_failed(ERR_INVALID, "cannot name the features", t->e);
        if (!rc && XGBoosterSetStrFeatureInfo(booster, field, texts, data->features) != 0)
            rc = xgboost_failed(ERR_INVALID, "cannot name the features", t->e);
    }
    free(texts);
    return rc;
}

static int make_matrix(DMatrixHandle *out, const struct trainer_data *data, struct error *e)
{
    char array[160];
    xgboost_array(array, data->rows, data->n, data->features);
    if (XGDMatrixCreateFromDense(array, "{\"missing\":NaN,\"nthread\":1}", out) != 0 ||
        XGDMatrixSetFloatInfo(*out, "label", data->labels, data->n) != 0 ||
        (data->weights && XGDMatrixSetFloatInfo(*out, "weight", data->weights, data->n) != 0))
        return xgboost_failed(ERR_INVALID, "cannot take the training rows", e);
    return 0;
}

/* ---- parameters ---- */

static double weight_of(const struct trainer_data *data, size_t i)
{
    return data->weights ? (double)data->weights[i] : 1;
}

static double base_score(const struct trainer_data *data, const char *objective)
{
    double sum = 0, weights = 0;
    if (strcmp(objective, "binary:logistic") == 0)
        return 0.5;
    for (size_t i = 0; i < data->n; i++) {
        sum += weight_of(data, i) * (double)data->labels[i];
        weights += weight_of(data, i);
    }
    return weights > 0 ? sum / weights : 0.5;
}

/* "(0,1,-1)", to be freed; NULL without memory. */
static char *monotone_text(const struct trainer_data *data)
{
    char *text = malloc(data->features * 3 + 3), *at = text;
    if (!text)
        return NULL;
    for (size_t i = 0; i < data->features; i++)
        at += sprintf(at, "%c%d", i ? ',' : '(', (data->monotone[i] > 0) - (data->monotone[i] < 0));
    strcpy(at, ")");
    return text;
}

static int set_param(struct training *t, const char *key, const char *value)
{
    return XGBoosterSetParam(t->booster, key, value) == 0 ? 0 : xgboost_failed(ERR_INVALID, key, t->e);
}

static int set_params(struct training *t)
{
    const struct trainer_options *o = t->o;
    const char *objective = o->objective ? o->objective : "binary:logistic";
    char seed[24], base[32];
    double mean = base_score(t->data, objective);
    bool above_0 = strcmp(objective, "count:poisson") == 0 || strcmp(objective, "reg:gamma") == 0 ||
                   strcmp(objective, "reg:tweedie") == 0;
    if (above_0 && !(mean > 0))
        return error_set(t->e, ERR_INVALID, "no row has a label above 0, so there is nothing for %s to learn", objective);
    snprintf(seed, sizeof seed, "%" PRIu64, o->seed & INT64_MAX);
    snprintf(base, sizeof base, "%.9g", mean);
    const struct trainer_param ours[] = {{"objective", objective},
                                         {"tree_method", "hist"},
                                         {"base_score", base},
                                         {"nthread", "1"},
                                         {"seed", seed}};
    int rc = 0;
    for (size_t i = 0; i < sizeof ours / sizeof *ours && !rc; i++)
        rc = set_param(t, ours[i].key, ours[i].value);
    for (size_t i = 0; i < o->param_count && !rc; i++) {
        const char *key = o->params[i].key;
        if (strcmp(key, "nthread") == 0 || strcmp(key, "n_jobs") == 0)
            return error_set(t->e, ERR_INVALID,
                             "%s cannot be set: training uses one thread, to be repeatable", key);
        rc = set_param(t, key, o->params[i].value);
    }
    if (!rc && t->data->monotone) {
        char *text = monotone_text(t->data);
        rc =
            text ? set_param(t, "monotone_constraints", text) : error_set(t->e, ERR_NOSPACE, "out of memory");
        free(text);
    }
    return rc;
}

/* ---- watching ---- */

/* The objective's loss of one row, from the margin, without the parts that depend on the label alone where that
 * keeps it finite. rho: Tweedie's variance power. */
static double loss_of(const char *objective, double rho, double margin, double y)
{
    if (strcmp(objective, "binary:logistic") == 0) /* log(1 + exp(m)) − y m, without overflow */
        return (margin > 0 ? margin : 0) + log1p(exp(-fabs(margin))) - y * margin;
    if (strcmp(objective, "count:poisson") == 0)
        return exp(margin) - y * margin;
    if (strcmp(objective, "reg:gamma") == 0)
        return margin + y * exp(-margin);
    if (strcmp(objective, "reg:tweedie") == 0)
        return exp((2 - rho) * margin) / (2 - rho) - y * exp((1 - rho) * margin) / (1 - rho);
    return (margin - y) * (margin - y);
}

static double tweedie_power(const struct trainer_options *o)
{
    double rho = 1.5;
    for (size_t i = 0; i < o->param_count; i++)
        if (strcmp(o->params[i].key, "tweedie_variance_power") == 0)
            rho = strtod(o->params[i].value, NULL);
    return rho;
}

static int watched_loss(struct training *t, double rho, double *out)
{
    static const char config[] = "{\"type\":1,\"training\":false,\"iteration_begin\":0,\"iteration_end\":0,"
                                 "\"strict_shape\":false}";
    const struct trainer_data *watch = t->o->watch;
    const char *objective = t->o->objective ? t->o->objective : "binary:logistic";
    const bst_ulong *shape;
    bst_ulong dimensions;
    const float *margins;
    if (XGBoosterPredictFromDMatrix(t->booster, t->matrices[MATRIX_WATCH], config, &shape, &dimensions,
                                    &margins) != 0)
        return xgboost_failed(ERR_INTERNAL, "cannot predict the rows kept aside", t->e);
    double sum = 0, weights = 0;
    for (size_t i = 0; i < watch->n; i++) {
        double w = weight_of(watch, i);
        sum += w * loss_of(objective, rho, (double)margins[i], (double)watch->labels[i]);
        weights += w;
    }
    *out = sum / weights;
    return isfinite(*out)
               ? 0
               : error_set(t->e, ERR_INVALID, "the loss of the rows kept aside is not a number; lower eta");
}

/* ---- rounds ---- */

/* Trains; *kept is how many rounds the model shall have. */
static int boost(struct training *t, int *kept, double *loss)
{
    const struct trainer_options *o = t->o;
    double rho = tweedie_power(o);
    *kept = 0;
    *loss = INFINITY;
    for (int i = 0; i < o->rounds; i++) {
        if (o->cancel && *o->cancel)
            return error_set(t->e, ERR_UNAVAILABLE, "stopped before the training was done");
        if (XGBoosterUpdateOneIter(t->booster, i, t->matrices[MATRIX_TRAIN]) != 0)
            return xgboost_failed(ERR_INVALID, "cannot train", t->e);
        if (o->progress)
            o->progress(o->user, i + 1, o->rounds);
        if (!o->watch)
            continue;
        double now = INFINITY;
        int rc = watched_loss(t, rho, &now);
        if (rc)
            return rc;
        if (now < *loss) {
            *loss = now;
            *kept = i + 1;
        } else if (i + 1 - *kept >= o->patience) {
            break;
        }
    }
    if (!o->watch)
        *kept = o->rounds;
    return 0;
}

static int cut(struct training *t, int kept)
{
    int trained = 0;
    if (XGBoosterBoostedRounds(t->booster, &trained) != 0)
        return xgboost_failed(ERR_INTERNAL, "cannot count the rounds", t->e);
    if (kept == trained)
        return 0;
    if (XGBoosterSlice(t->booster, 0, kept, 1, &t->best) != 0)
        return xgboost_failed(ERR_INTERNAL, "cannot keep the best rounds", t->e);
    return set_features(t, t->best);
}

static int save(struct training *t, struct buf *out)
{
    bst_ulong n = 0;
    const char *bytes = NULL;
    BoosterHandle booster = t->best ? t->best : t->booster;
    if (XGBoosterSaveModelToBuffer(booster, "{\"format\":\"ubj\"}", &n, &bytes) != 0)
        return xgboost_failed(ERR_INTERNAL, "cannot save the model", t->e);
    buf_append(out, bytes, n);
    return buf_ok(out) ? 0
                       : error_set(t->e, ERR_NOSPACE,
                                   "the model is larger than %zu bytes; train fewer rounds", out->limit);
}

static int check(const struct trainer_data *data, const struct trainer_options *o, struct error *e)
{
    if (data->n == 0 || data->features == 0)
        return error_set(e, ERR_INVALID, "no training rows");
    if (o->rounds < 1 || o->rounds > TRAINER_ROUNDS_MAX)
        return error_set(e, ERR_INVALID, "%d rounds; allowed: 1 to %d", o->rounds, TRAINER_ROUNDS_MAX);
    if (o->watch && o->watch->n == 0)
        return error_set(e, ERR_INVALID, "no rows are kept aside to stop by");
    ASSERT(!o->watch || (o->patience > 0 && o->watch->features == data->features));
    return 0;
}

int trainer_run(const struct trainer_data *data, const struct trainer_options *o, struct buf *out,
                struct trainer_result *result, struct error *e)
{
    struct training t = {.data = data, .o = o, .e = e};
    int kept = 0, rc = check(data, o, e);
    double loss = NAN;
    if (rc)
        return rc;
    XGBSetGlobalConfig("{\"verbosity\":0}");
    rc = make_matrix(&t.matrices[MATRIX_TRAIN], data, e);
    if (!rc && o->watch)
        rc = make_matrix(&t.matrices[MATRIX_WATCH], o->watch, e);
    if (!rc && XGBoosterCreate(t.matrices, o->watch ? 2 : 1, &t.booster) != 0)
        rc = xgboost_failed(ERR_INTERNAL, "cannot make a booster", e);
    if (!rc)
        rc = set_features(&t, t.booster);
    if (!rc)
        rc = set_params(&t);
    if (!rc)
        rc = boost(&t, &kept, &loss);
    if (!rc)
        rc = cut(&t, kept);
    if (!rc)
        rc = save(&t, out);
    if (!rc && result)
        *result = (struct trainer_result){kept, o->watch ? loss : (double)NAN};
    if (t.best)
        XGBoosterFree(t.best);
    if (t.booster)
        XGBoosterFree(t.booster);
    for (int i = 0; i < MATRICES; i++)
        if (t.matrices[i])
            XGDMatrixFree(t.matrices[i]);
    return rc;
}

int trainer_fit(const struct trainer_data *data, const struct trainer_param *params, size_t count, int rounds,
                uint64_t seed, struct buf *out, struct error *e)
{
    const struct trainer_options o = {.params = params, .param_count = count, .rounds = rounds, .seed = seed};
    return trainer_run(data, &o, out, NULL, e);
}
