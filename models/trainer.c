/* Training and its measures; see trainer.h.
 * Why base_score is set: XGBoost 1.7 starts binary:logistic at 0.5, later versions estimate it from the
 * labels, and the same call would give different models.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/trainer.h"
#include "models/booster.h"
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <xgboost/c_api.h>

/* The matrix needs the types to train, the booster both to save them with the model. */
static int set_features(DMatrixHandle matrix, BoosterHandle booster, const struct trainer_data *data,
                        struct error *e)
{
    const char **texts = calloc(data->features, sizeof *texts);
    int rc = texts ? 0 : error_set(e, ERR_NOSPACE, "out of memory");
    for (int which = 0; which < 2 && !rc; which++) {
        if (which == 0 ? !data->names : !data->categorical)
            continue;
        for (size_t i = 0; i < data->features; i++)
            texts[i] = which == 0 ? data->names[i] : data->categorical[i] ? "c" : "float";
        const char *field = which == 0 ? "feature_name" : "feature_type";
        if (XGDMatrixSetStrFeatureInfo(matrix, field, texts, data->features) != 0 ||
            XGBoosterSetStrFeatureInfo(booster, field, texts, data->features) != 0)
            rc = xgboost_failed(ERR_INVALID, "cannot name the features", e);
    }
    free(texts);
    return rc;
}

static int make_matrix(DMatrixHandle *out, const struct trainer_data *data, struct error *e)
{
    char array[160];
    snprintf(array, sizeof array,
             "{\"data\":[%" PRIuPTR ",true],\"shape\":[%zu,%zu],\"typestr\":\"<f4\",\"version\":3}",
             (uintptr_t)data->rows, data->n, data->features);
    if (XGDMatrixCreateFromDense(array, "{\"missing\":NaN,\"nthread\":1}", out) != 0 ||
        XGDMatrixSetFloatInfo(*out, "label", data->labels, data->n) != 0 ||
        (data->weights && XGDMatrixSetFloatInfo(*out, "weight", data->weights, data->n) != 0))
        return xgboost_failed(ERR_INVALID, "cannot take the training rows", e);
    return 0;
}

static int set_params(BoosterHandle booster, const struct trainer_param *params, size_t count, uint64_t seed,
                      struct error *e)
{
    char seed_text[24];
    snprintf(seed_text, sizeof seed_text, "%" PRIu64, seed & INT64_MAX);
    const struct trainer_param ours[] = {{"objective", "binary:logistic"},
                                         {"tree_method", "hist"},
                                         {"base_score", "0.5"},
                                         {"nthread", "1"},
                                         {"seed", seed_text}};
    size_t own = sizeof ours / sizeof *ours;
    for (size_t i = 0; i < own + count; i++) {
        const struct trainer_param *p = i < own ? &ours[i] : &params[i - own];
        if (i >= own && (strcmp(p->key, "nthread") == 0 || strcmp(p->key, "n_jobs") == 0))
            return error_set(e, ERR_INVALID, "%s cannot be set: training uses one thread, to be repeatable",
                             p->key);
        if (XGBoosterSetParam(booster, p->key, p->value) != 0)
            return xgboost_failed(ERR_INVALID, p->key, e);
    }
    return 0;
}

int trainer_fit(const struct trainer_data *data, const struct trainer_param *params, size_t count, int rounds,
                uint64_t seed, struct buf *out, struct error *e)
{
    if (data->n == 0 || data->features == 0)
        return error_set(e, ERR_INVALID, "no training rows");
    if (rounds < 1 || rounds > TRAINER_ROUNDS_MAX)
        return error_set(e, ERR_INVALID, "%d rounds; allowed: 1 to %d", rounds, TRAINER_ROUNDS_MAX);
    DMatrixHandle matrix = NULL;
    BoosterHandle booster = NULL;
    XGBSetGlobalConfig("{\"verbosity\":0}");
    int rc = make_matrix(&matrix, data, e);
    if (rc)
        goto out;
    if (XGBoosterCreate(&matrix, 1, &booster) != 0) {
        rc = xgboost_failed(ERR_INTERNAL, "cannot make a booster", e);
        goto out;
    }
    rc = set_features(matrix, booster, data, e);
    if (!rc)
        rc = set_params(booster, params, count, seed, e);
    for (int i = 0; i < rounds && !rc; i++)
        if (XGBoosterUpdateOneIter(booster, i, matrix) != 0)
            rc = xgboost_failed(ERR_INVALID, "cannot train", e);
    if (rc)
        goto out;
    bst_ulong n = 0;
    const char *bytes = NULL;
    if (XGBoosterSaveModelToBuffer(booster, "{\"format\":\"ubj\"}", &n, &bytes) != 0) {
        rc = xgboost_failed(ERR_INTERNAL, "cannot save the model", e);
        goto out;
    }
    buf_append(out, bytes, n);
    if (!buf_ok(out))
        rc = error_set(e, ERR_NOSPACE, "the model is larger than %zu bytes", out->limit);
out:
    if (booster)
        XGBoosterFree(booster);
    if (matrix)
        XGDMatrixFree(matrix);
    return rc;
}

struct scored {
    float score;
    bool positive;
};

static int by_score(const void *a, const void *b)
{
    float x = ((const struct scored *)a)->score, y = ((const struct scored *)b)->score;
    return (x > y) - (x < y);
}

double trainer_auc(const float *scores, const float *labels, size_t n)
{
    struct scored *s = malloc((n ? n : 1) * sizeof *s);
    if (!s)
        return NAN;
    for (size_t i = 0; i < n; i++)
        s[i] = (struct scored){scores[i], labels[i] > 0.5f};
    qsort(s, n, sizeof *s, by_score);
    /* Counts double and stay whole, so that nothing is rounded: pairs won count 2, ties 1. */
    uint64_t positives = 0, negatives = 0, won = 0;
    for (size_t i = 0; i < n;) {
        uint64_t p = 0, q = 0;
        float score = s[i].score;
        do {
            p += s[i].positive;
            q += !s[i].positive;
        } while (++i < n && s[i].score == score);
        won += 2 * p * negatives + p * q;
        positives += p;
        negatives += q;
    }
    free(s);
    return positives && negatives ? (double)won / (2.0 * (double)positives * (double)negatives) : (double)NAN;
}

double trainer_log_loss(const float *probabilities, const float *labels, size_t n)
{
    const double edge = 1e-15;
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        double p = (double)probabilities[i];
        p = p < edge ? edge : p > 1 - edge ? 1 - edge : p;
        sum -= labels[i] > 0.5f ? log(p) : log1p(-p);
    }
    return n ? sum / (double)n : (double)NAN;
}
