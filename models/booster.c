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
    struct arena arena;  /* the model's */
    struct model model;
    char config[192]; /* of a prediction of margins */
};

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

void xgboost_array(char out[160], const float *rows, size_t n, size_t features)
{
    snprintf(out, 160, "{\"data\":[%" PRIuPTR ",true],\"shape\":[%zu,%zu],\"typestr\":\"<f4\",\"version\":3}", (uintptr_t)rows, n,
             features);
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

/* Makes the library use the file's base score; for a file of before 1.4 whose objective has changed its meaning since, the
 * margin. */
static int settle_base_score(struct booster *b, struct error *e)
{
    const struct model *m = &b->model;
    bool old = str_is(m->objective, "binary:logitraw");
    float wanted = old ? m->base[0] : m->base_score[0];
    double taken;
    for (size_t k = 1; k < m->outputs; k++)
        if (m->base_score[k] != m->base_score[0])
            return error_set(e, ERR_INVALID, "XGBoost's C interface cannot be given a base_score an output");
    int rc = library_base_score(b, &taken, e);
    if (rc || (float)taken == wanted)
        return rc;
    char text[32];
    snprintf(text, sizeof text, "%.9g", (double)wanted);
    if (XGBoosterSetParam(b->handle, "base_score", text) != 0)
        return xgboost_failed(ERR_INVALID, "cannot set the model's base_score", e);
    rc = library_base_score(b, &taken, e);
    if (!rc && (float)taken != wanted) {
        char library[24];
        booster_library(library);
        rc = error_set(e, ERR_INVALID,
                       "the model's base_score is %.9g, but XGBoost %s takes it for %.9g; save the model "
                       "with that version",
                       (double)wanted, library, taken);
    }
    return rc;
}

/* What libxgboost would load and score wrongly, or not at all. */
static int check_scorable(const struct model *m, struct error *e)
{
    if (m->linear)
        return error_set(e, ERR_INVALID, "XGBoost's in-place prediction does not take gblinear");
    if (m->dart && !str_is(m->booster, "dart"))
        return error_set(e, ERR_INVALID, "XGBoost before 3.3 ignores the weights of a DART model of 3.3 and later");
    for (size_t i = 0; i < m->trees_in_file; i++) {
        const struct model_tree *t = &m->trees[i];
        if (t->vectors)
            return error_set(e, ERR_INVALID, "XGBoost's C interface is not asked for leaves with several values");
        for (uint32_t k = 0; k < t->count; k++) /* its prediction never looks at right_children */
            if (t->nodes[k].left >= 0 && t->nodes[k].right != t->nodes[k].left + 1)
                return error_set(e, ERR_INVALID,
                                 "tree %zu, node %" PRIu32 ": its right child is not the one after its left, as XGBoost's "
                                 "prediction takes for granted",
                                 i, k);
    }
    if (m->tree_count < m->trees_in_file && m->rounds * m->outputs * m->parallel != m->tree_count)
        return error_set(e, ERR_INVALID,
                         "XGBoost counts %zu rounds by num_parallel_tree (%zu), which the file's list of rounds does not have",
                         m->rounds, m->parallel);
    return 0;
}

static int load(struct booster *b, const char *bytes, struct error *e)
{
    XGBSetGlobalConfig("{\"verbosity\":0}");
    if (XGBoosterCreate(NULL, 0, &b->handle) != 0 || XGProxyDMatrixCreate(&b->proxy) != 0)
        return xgboost_failed(ERR_INTERNAL, "cannot make a booster", e);
    if (XGBoosterSetParam(b->handle, "nthread", "1") != 0)
        return xgboost_failed(ERR_INTERNAL, "cannot set nthread", e);
    if (XGBoosterLoadModelFromBuffer(b->handle, bytes + b->model.from, b->model.bytes) != 0)
        return xgboost_failed(ERR_INVALID, "cannot load the model", e);
    bst_ulong features = 0;
    if (XGBoosterGetNumFeature(b->handle, &features) != 0)
        return xgboost_failed(ERR_INVALID, "cannot load the model", e);
    if (features != b->model.features)
        return error_set(e, ERR_INVALID, "the model says %zu features, XGBoost reads %zu", b->model.features,
                         (size_t)features);
    int rc = settle_base_score(b, e);
    if (rc)
        return rc;
    /* The first prediction configures the handle: done here, not at a customer's first decision. */
    float *row = calloc(b->model.features, sizeof *row), *margin = calloc(b->model.outputs, sizeof *margin);
    rc = row && margin ? booster_margins(b, row, 1, b->model.features, margin, e)
                       : error_set(e, ERR_NOSPACE, "out of memory");
    if (!rc && !isfinite(margin[0]))
        rc = error_set(e, ERR_INVALID, "the model's margins are not finite; its base_score is %.9g for %.*s",
                       (double)b->model.base_score[0], STR_ARG(b->model.objective));
    free(row);
    free(margin);
    return rc;
}

/* Reads and checks the bytes with our own reader, so that the library never sees a broken model. */
static int inspect(struct booster *b, struct str bytes, enum model_rounds which, struct error *e)
{
    struct arena scratch;
    arena_init(&scratch, MODEL_MEMORY_MAX);
    int rc = model_read(&b->model, bytes, which, &b->arena, &scratch, e);
    arena_free(&scratch);
    if (!rc)
        rc = check_scorable(&b->model, e);
    size_t rounds = b->model.tree_count < b->model.trees_in_file ? b->model.rounds : 0;
    snprintf(b->config, sizeof b->config,
             "{\"type\":1,\"training\":false,\"iteration_begin\":0,\"iteration_end\":%zu,"
             "\"strict_shape\":false,\"cache_id\":0,\"missing\":NaN}",
             rounds);
    return rc;
}

int booster_open_rounds(struct booster **out, const void *bytes, size_t n, enum model_rounds which, struct error *e)
{
    struct booster *b = calloc(1, sizeof *b);
    if (!b)
        return error_set(e, ERR_NOSPACE, "out of memory");
    arena_init(&b->arena, MODEL_MEMORY_MAX);
    int rc = inspect(b, (struct str){bytes, n}, which, e);
    if (!rc)
        rc = load(b, bytes, e);
    if (rc)
        booster_free(&b);
    else
        *out = b;
    return rc;
}

int booster_open(struct booster **out, const void *bytes, size_t n, struct error *e)
{
    return booster_open_rounds(out, bytes, n, MODEL_BEST, e);
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

const struct model *booster_model(const struct booster *b)
{
    return &b->model;
}

int booster_margins(struct booster *b, const float *rows, size_t n, size_t features, float *out,
                    struct error *e)
{
    if (features != b->model.features)
        return error_set(e, ERR_INVALID, "rows of %zu features for a model of %zu", features, b->model.features);
    if (n == 0)
        return 0;
    char array[160];
    xgboost_array(array, rows, n, features);
    const bst_ulong *shape = NULL;
    bst_ulong dimensions = 0;
    const float *margins = NULL;
    if (XGBoosterPredictFromDense(b->handle, array, b->config, b->proxy, &shape, &dimensions, &margins) !=
        0)
        return xgboost_failed(ERR_INTERNAL, "cannot predict", e);
    bst_ulong total = 1;
    for (bst_ulong i = 0; i < dimensions; i++)
        total *= shape[i];
    if (total != n * b->model.outputs)
        return error_set(e, ERR_INTERNAL, "XGBoost gave %zu margins for %zu rows", (size_t)total, n);
    memcpy(out, margins, total * sizeof *out);
    return 0;
}
