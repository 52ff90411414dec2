/* libxgboost behind one prediction call; see booster.h. What the library needs of its callers, found the hard
 * way: nthread is set before the first prediction and no parameter is ever set on a live handle (a parameter
 * makes the next prediction configure anew, which takes milliseconds and is not thread-safe); results stand
 * in thread-local memory until the next call, so they are copied; a base_score written as "[5E-1]" by newer
 * versions loads without an error and is ignored by older ones, so our own reading of the file is compared
 * with the library's and wins.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/booster.h"
#include "models/model.h"
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <xgboost/c_api.h>

struct booster {
    BoosterHandle handle;
    DMatrixHandle proxy; /* holds a prediction's input; kept so that it is made once */
    size_t features, trees;
    double base_score;
    struct str objective;
    struct arena arena;        /* the texts */
    struct str *names, *types; /* one a feature, or NULL */
};

static const char margin_config[] =
    "{\"type\":1,\"training\":false,\"iteration_begin\":0,\"iteration_end\":0,"
    "\"strict_shape\":false,\"cache_id\":0,\"missing\":NaN}";

enum { OPEN_MEMORY_MAX = 1024 * 1024 * 1024, TEXTS_MAX = 16 * 1024 * 1024 };

int xgboost_failed(int code, const char *what, struct error *e)
{
    const char *text = XGBGetLastError();
    const char *from = text;
    /* "[12:00:00] ./src/learner.cc:1008: message" */
    const char *place = *from == '[' ? strstr(from, "] ") : NULL;
    const char *after = place ? strstr(place, ": ") : NULL;
    if (after)
        from = after + 2;
    const char *stack = strstr(from, "\nStack trace");
    int n = (int)(stack ? (size_t)(stack - from) : strlen(from));
    while (n > 0 && (from[n - 1] == '\n' || from[n - 1] == ' '))
        n--;
    return error_set(e, code, "%s: XGBoost says: %.*s", what, n < 300 ? n : 300, from);
}

void booster_library(char text[24])
{
    int major = 0, minor = 0, patch = 0;
    XGBoostVersion(&major, &minor, &patch);
    snprintf(text, 24, "%d.%d.%d", major, minor, patch);
}

/* What the library took for the base score. */
static int library_base_score(struct booster *b, double *out, struct error *e)
{
    bst_ulong n = 0;
    const char *config = NULL;
    if (XGBoosterSaveJsonConfig(b->handle, &n, &config) != 0)
        return xgboost_failed(ERR_INVALID, "cannot read back the configuration", e);
    struct arena arena;
    arena_init(&arena, 16 * 1024 * 1024);
    struct doc_value *root;
    int rc = doc_read(&root, (struct str){config, n}, &arena, e);
    if (!rc) {
        const struct doc_value *param = doc_get(doc_get(root, "learner"), "learner_model_param");
        const struct doc_value *value = doc_get(param, "base_score");
        struct str s = value && value->kind == DOC_STRING ? value->text : (struct str){0};
        char text[64] = "", *end;
        if (s.n > 0 && s.n < sizeof text)
            memcpy(text, s.p, s.n);
        char *number = text[0] == '[' ? text + 1 : text;
        *out = strtod(number, &end);
        if (end == number)
            rc = error_set(e, ERR_INTERNAL, "XGBoost's configuration has no base_score");
    }
    arena_free(&arena);
    return rc;
}

/* Makes the library use the file's base score. */
static int settle_base_score(struct booster *b, struct error *e)
{
    double taken;
    int rc = library_base_score(b, &taken, e);
    if (rc || (float)taken == (float)b->base_score)
        return rc;
    char text[32];
    snprintf(text, sizeof text, "%.9g", b->base_score);
    if (XGBoosterSetParam(b->handle, "base_score", text) != 0)
        return xgboost_failed(ERR_INVALID, "cannot set the model's base_score", e);
    rc = library_base_score(b, &taken, e);
    if (!rc && (float)taken != (float)b->base_score) {
        char library[24];
        booster_library(library);
        rc = error_set(e, ERR_INVALID,
                       "the model's base_score is %.9g, but XGBoost %s takes it for %.9g; save the model "
                       "with that version",
                       b->base_score, library, taken);
    }
    return rc;
}

/* A copy of a list of texts, NULL when it is empty. */
static int keep_texts(struct booster *b, const struct doc_value *list, struct str **out, struct error *e)
{
    *out = NULL;
    if (!list || !list->count)
        return 0;
    struct str *texts = arena_alloc(&b->arena, list->count * sizeof *texts);
    for (size_t i = 0; texts && i < list->count; i++) {
        texts[i] = arena_str(&b->arena, doc_item(list, i)->text);
        if (!texts[i].p)
            texts = NULL;
    }
    *out = texts;
    return texts ? 0
                 : error_set(e, ERR_NOSPACE,
                             "the names of the model's features need more memory than is allowed");
}

static int keep_info(struct booster *b, const struct model_info *info, struct error *e)
{
    b->features = info->features;
    b->trees = info->trees;
    b->base_score = info->base_score;
    b->objective = arena_str(&b->arena, info->objective);
    if (!b->objective.p)
        return error_set(e, ERR_NOSPACE, "the objective's name is too long");
    int rc = keep_texts(b, info->feature_names, &b->names, e);
    return rc ? rc : keep_texts(b, info->feature_types, &b->types, e);
}

/* Reads and checks the bytes with our own reader, so that the library never sees a broken model. */
static int inspect(struct booster *b, struct str bytes, struct error *e)
{
    struct arena arena;
    arena_init(&arena, OPEN_MEMORY_MAX);
    struct doc_value *root;
    struct model_info info;
    int rc = bytes.n > MODEL_FILE_MAX ? error_set(e, ERR_NOSPACE, "the model is larger than %d MiB",
                                                  MODEL_FILE_MAX / (1024 * 1024))
                                      : doc_read(&root, bytes, &arena, e);
    if (!rc)
        rc = model_inspect(&info, root, &arena, e);
    if (!rc)
        rc = keep_info(b, &info, e);
    arena_free(&arena);
    return rc;
}

static int load(struct booster *b, const void *bytes, size_t n, struct error *e)
{
    XGBSetGlobalConfig("{\"verbosity\":0}");
    if (XGBoosterCreate(NULL, 0, &b->handle) != 0 || XGProxyDMatrixCreate(&b->proxy) != 0)
        return xgboost_failed(ERR_INTERNAL, "cannot make a booster", e);
    if (XGBoosterSetParam(b->handle, "nthread", "1") != 0)
        return xgboost_failed(ERR_INTERNAL, "cannot set nthread", e);
    if (XGBoosterLoadModelFromBuffer(b->handle, bytes, n) != 0)
        return xgboost_failed(ERR_INVALID, "cannot load the model", e);
    bst_ulong features = 0;
    if (XGBoosterGetNumFeature(b->handle, &features) != 0)
        return xgboost_failed(ERR_INVALID, "cannot load the model", e);
    if (features != b->features)
        return error_set(e, ERR_INVALID, "the model says %zu features, XGBoost reads %zu", b->features,
                         (size_t)features);
    int rc = settle_base_score(b, e);
    if (rc)
        return rc;
    /* The first prediction configures the handle: done here, not at a customer's first decision. */
    float *row = calloc(b->features, sizeof *row), margin;
    rc = row ? booster_margins(b, row, 1, b->features, &margin, e)
             : error_set(e, ERR_NOSPACE, "out of memory");
    free(row);
    if (!rc && !isfinite(margin))
        rc = error_set(e, ERR_INVALID, "the model's margins are not finite; its base_score is %.9g for %.*s",
                       b->base_score, STR_ARG(b->objective));
    return rc;
}

int booster_open(struct booster **out, const void *bytes, size_t n, struct error *e)
{
    struct booster *b = calloc(1, sizeof *b);
    if (!b)
        return error_set(e, ERR_NOSPACE, "out of memory");
    arena_init(&b->arena, TEXTS_MAX);
    int rc = inspect(b, (struct str){bytes, n}, e);
    if (!rc)
        rc = load(b, bytes, n, e);
    if (rc)
        booster_free(&b);
    else
        *out = b;
    return rc;
}

void booster_free(struct booster **b)
{
    if (!*b)
        return;
    if ((*b)->proxy)
        XGDMatrixFree((*b)->proxy);
    if ((*b)->handle)
        XGBoosterFree((*b)->handle);
    arena_free(&(*b)->arena);
    free(*b);
    *b = NULL;
}

size_t booster_features(const struct booster *b)
{
    return b->features;
}

size_t booster_trees(const struct booster *b)
{
    return b->trees;
}

struct str booster_objective(const struct booster *b)
{
    return b->objective;
}

double booster_base_score(const struct booster *b)
{
    return b->base_score;
}

struct str booster_feature_name(const struct booster *b, size_t index)
{
    return b->names && index < b->features ? b->names[index] : (struct str){0};
}

struct str booster_feature_type(const struct booster *b, size_t index)
{
    return b->types && index < b->features ? b->types[index] : (struct str){0};
}

int booster_margins(struct booster *b, const float *rows, size_t n, size_t features, float *out,
                    struct error *e)
{
    if (features != b->features)
        return error_set(e, ERR_INVALID, "rows of %zu features for a model of %zu", features, b->features);
    if (n == 0)
        return 0;
    char array[160];
    snprintf(array, sizeof array,
             "{\"data\":[%" PRIuPTR ",true],\"shape\":[%zu,%zu],\"typestr\":\"<f4\",\"version\":3}",
             (uintptr_t)rows, n, features);
    const bst_ulong *shape = NULL;
    bst_ulong dimensions = 0;
    const float *margins = NULL;
    if (XGBoosterPredictFromDense(b->handle, array, margin_config, b->proxy, &shape, &dimensions, &margins) !=
        0)
        return xgboost_failed(ERR_INTERNAL, "cannot predict", e);
    bst_ulong total = 1;
    for (bst_ulong i = 0; i < dimensions; i++)
        total *= shape[i];
    if (total != n)
        return error_set(e, ERR_INTERNAL, "XGBoost gave %zu margins for %zu rows", (size_t)total, n);
    memcpy(out, margins, n * sizeof *out);
    return 0;
}
