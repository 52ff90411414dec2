/* The learner around the trees of a model file; see model.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/model.h"
#include "models/model_tree.h"
#include <math.h>
#include <stdlib.h>

enum { BASE_TEXT_MAX = 32 };

static int incomplete(struct error *e, const char *what)
{
    return error_set(e, ERR_INVALID, "not a model that can be served: %s", what);
}

static int full(struct error *e)
{
    return error_set(e, ERR_NOSPACE, "the model needs more memory than is allowed");
}

/* ---- texts ---- */

/* A list of texts, copied; *out NULL when it is empty or absent. */
static int keep_texts(struct model_reader *r, const struct doc_value *list, const struct str **out)
{
    *out = NULL;
    if (!list || !list->count)
        return 0;
    struct str *texts = arena_alloc(r->keep, list->count * sizeof *texts);
    if (!texts)
        return full(r->e);
    for (size_t i = 0; i < list->count; i++) {
        const struct doc_value *item = doc_item(list, i);
        if (!item || item->kind != DOC_STRING)
            return incomplete(r->e, "feature_names or feature_types hold something that is no text");
        texts[i] = arena_str(r->keep, item->text);
        if (!texts[i].p)
            return full(r->e);
    }
    *out = texts;
    return 0;
}

static int read_features(struct model_reader *r, const struct doc_value *learner)
{
    struct model *m = r->m;
    const struct doc_value *names = doc_get(learner, "feature_names"), *types = doc_get(learner, "feature_types");
    for (int i = 0; i < 2; i++) {
        const struct doc_value *list = i ? types : names;
        if (list && (!doc_is_array(list) || (list->count && list->count != m->features)))
            return incomplete(r->e, "feature_names or feature_types do not have one text a feature");
    }
    int rc = keep_texts(r, names, &m->feature_names);
    return rc ? rc : keep_texts(r, types, &m->feature_types);
}

/* One feature's category texts: bytes of all, cut at offsets. */
static int read_strings(struct model_reader *r, const struct doc_value *enc, struct model_categories *out)
{
    const struct doc_value *offsets = doc_get(enc, "offsets"), *values = doc_get(enc, "values");
    if (!doc_is_array(offsets) || !doc_is_array(values) || values->count > INT32_MAX)
        return incomplete(r->e, "its category names cannot be read");
    if (!offsets->count) /* a feature without categories */
        return 0;
    int32_t *at = arena_alloc(r->scratch, offsets->count * sizeof *at);
    int32_t *bytes = arena_alloc(r->scratch, values->count * sizeof *bytes + 1);
    char *text = arena_alloc(r->keep, values->count + 1);
    struct str *texts = arena_alloc(r->keep, offsets->count * sizeof *texts);
    if (!at || !bytes || !text || !texts)
        return full(r->e);
    if (!doc_wholes(offsets, 0, (int32_t)values->count, at) || !doc_wholes(values, -128, 255, bytes))
        return incomplete(r->e, "its category names cannot be read");
    /* Python's package (3.1, 3.2) counts characters where it stores bytes, so names beyond ASCII are cut wrongly: none is better
     * than a wrong one. */
    for (size_t i = 0; i < values->count; i++) {
        text[i] = (char)(bytes[i] & 0xFF);
        if (bytes[i] < 0 || bytes[i] > 0x7E)
            return 0;
    }
    for (size_t i = 0; i + 1 < offsets->count; i++) {
        if (at[i + 1] < at[i])
            return incomplete(r->e, "its category names cannot be read");
        texts[i] = (struct str){text + at[i], (size_t)(at[i + 1] - at[i])};
    }
    *out = (struct model_categories){texts, offsets->count - 1};
    return 0;
}

/* One feature's categories that were numbers: their texts are the numbers. */
static int read_numbers(struct model_reader *r, const struct doc_value *enc, struct model_categories *out)
{
    const struct doc_value *values = doc_get(enc, "values");
    if (!doc_is_array(values))
        return incomplete(r->e, "its category names cannot be read");
    struct str *texts = arena_alloc(r->keep, values->count * sizeof *texts + 1);
    for (size_t i = 0; texts && i < values->count; i++) {
        double v;
        if (!doc_number_at(values, i, &v))
            return incomplete(r->e, "its category names cannot be read");
        char text[40];
        snprintf(text, sizeof text, "%.15g", v);
        if (strtod(text, NULL) != v)
            snprintf(text, sizeof text, "%.17g", v);
        texts[i] = arena_str(r->keep, str_from(text));
        if (!texts[i].p)
            return full(r->e);
    }
    if (!texts)
        return full(r->e);
    *out = (struct model_categories){texts, values->count};
    return 0;
}

/* Files of 3.1 and later: the categories of a data frame, by feature; those of features that have none are empty. */
static int read_cats(struct model_reader *r, const struct doc_value *model)
{
    const struct doc_value *enc = doc_get(doc_get(model, "cats"), "enc");
    if (!enc || enc->kind != DOC_ARRAY || enc->count == 0)
        return 0;
    if (enc->count != r->m->features)
        return incomplete(r->e, "its category names are not those of its features");
    struct model_categories *all = arena_zalloc(r->keep, enc->count * sizeof *all);
    if (!all)
        return full(r->e);
    for (size_t i = 0; i < enc->count; i++) {
        const struct doc_value *one = doc_item(enc, i);
        int rc = doc_get(one, "offsets") ? read_strings(r, one, &all[i]) : read_numbers(r, one, &all[i]);
        if (rc)
            return rc;
    }
    r->m->categories = all;
    return 0;
}

/* ---- base score ---- */

static enum model_link link_of(const struct model *m)
{
    static const char *const logit[] = {"binary:logistic", "reg:logistic"};
    static const char *const logarithm[] = {"count:poisson", "reg:gamma", "reg:tweedie", "survival:cox",
                                            "survival:aft"};
    for (size_t i = 0; i < sizeof logit / sizeof *logit; i++)
        if (str_is(m->objective, logit[i]))
            return MODEL_LOGIT;
    for (size_t i = 0; i < sizeof logarithm / sizeof *logarithm; i++)
        if (str_is(m->objective, logarithm[i]))
            return MODEL_LOG;
    /* Until 1.3 binary:logitraw took its base score for a chance; since then it is a margin. */
    bool old = m->version[0] == 1 && m->version[1] >= 0 && m->version[1] < 4;
    return old && str_is(m->objective, "binary:logitraw") ? MODEL_LOGIT : MODEL_IDENTITY;
}

/* Since 3.2 XGBoost takes chances up to 0 and 1, of labels that are all the same, and keeps its distance from both. */
static float settled(const struct model *m, enum model_link link, float score)
{
    const float least = 1e-6f;
    bool keeps = link == MODEL_LOGIT && (m->version[0] > 3 || (m->version[0] == 3 && m->version[1] >= 2));
    if (!keeps || !(score >= 0 && score <= 1))
        return score;
    return score < least ? least : score > 1.0f - least ? 1.0f - least : score;
}

/* As XGBoost does it, in float. */
static float through(enum model_link link, float score)
{
    switch (link) {
    case MODEL_LOGIT:
        return -logf(1.0f / score - 1.0f);
    case MODEL_LOG:
        return logf(score);
    default:
        return score;
    }
}

static int bad_base_score(struct model_reader *r, const struct doc_value *value)
{
    struct str s = value && value->kind == DOC_STRING ? value->text : (struct str){0};
    return error_set(r->e, ERR_INVALID,
                     "not a model that can be served: base_score is '%.*s', expected one number, or one for each of its %zu "
                     "outputs",
                     s.n < 64 ? (int)s.n : 64, s.p ? s.p : "", r->m->outputs);
}

/* The next number of "5E-1" or "1,2,3"; the rest stays in s. */
static bool next_number(struct str *s, float *out)
{
    char text[BASE_TEXT_MAX], *end;
    size_t n = 0;
    while (n < s->n && s->p[n] != ',')
        n++;
    if (n == 0 || n >= sizeof text)
        return false;
    memcpy(text, s->p, n);
    text[n] = 0;
    *out = strtof(text, &end);
    *s = n < s->n ? (struct str){s->p + n + 1, s->n - n - 1} : (struct str){0};
    return *end == 0 && end != text && isfinite(*out);
}

/* "5E-1" or, since 3.1, "[5E-1]" or "[1E0,2E0,3E0]". */
static int read_base_score(struct model_reader *r, const struct doc_value *param)
{
    struct model *m = r->m;
    const struct doc_value *value = doc_get(param, "base_score");
    float *score = arena_alloc(r->keep, m->outputs * sizeof *score), *base = arena_alloc(r->keep, m->outputs * sizeof *base);
    if (!score || !base)
        return full(r->e);
    size_t n = 0;
    if (value && value->kind == DOC_NUMBER) {
        score[n++] = (float)value->number;
    } else if (value && value->kind == DOC_STRING) {
        struct str s = value->text;
        if (s.n >= 2 && s.p[0] == '[' && s.p[s.n - 1] == ']')
            s = (struct str){s.p + 1, s.n - 2};
        do {
            if (n == m->outputs || !next_number(&s, &score[n++]))
                return bad_base_score(r, value);
        } while (s.p);
    }
    if ((n != 1 && n != m->outputs) || !isfinite(score[0]))
        return bad_base_score(r, value);
    enum model_link link = link_of(m);
    for (size_t k = 0; k < m->outputs; k++) {
        score[k] = settled(m, link, score[n == 1 ? 0 : k]);
        base[k] = through(link, score[k]);
        if (!isfinite(base[k]))
            return error_set(r->e, ERR_INVALID,
                             "not a model that can be served: base_score is %.9g, which %.*s has no margin for",
                             (double)score[k], STR_ARG(m->objective));
    }
    m->base_score = score;
    m->base = base;
    return 0;
}

/* ---- learner ---- */

static void read_version(struct model *m, const struct doc_value *root)
{
    for (int i = 0; i < 3; i++) {
        double v;
        m->version[i] = -1;
        if (doc_number_at(doc_get(root, "version"), (size_t)i, &v) && v >= 0 && v < 10000)
            m->version[i] = (int)v;
    }
}

/* Classes or targets; XGBoost has no model with both. */
static int read_outputs(struct model_reader *r, const struct doc_value *param)
{
    int64_t classes = 0, targets = 1;
    if (doc_get(param, "num_class") && !doc_whole(doc_get(param, "num_class"), 0, MODEL_OUTPUTS_MAX, &classes))
        return incomplete(r->e, "num_class is out of range");
    if (doc_get(param, "num_target") && !doc_whole(doc_get(param, "num_target"), 0, MODEL_OUTPUTS_MAX, &targets))
        return incomplete(r->e, "num_target is out of range");
    if (classes > 1 && targets > 1)
        return incomplete(r->e, "it has several classes and several targets");
    r->m->outputs = (size_t)(classes > 1 ? classes : targets > 1 ? targets : 1);
    return 0;
}

static int read_learner(struct model_reader *r, const struct doc_value *learner)
{
    struct model *m = r->m;
    const struct doc_value *param = doc_get(learner, "learner_model_param");
    const struct doc_value *objective = doc_get(doc_get(learner, "objective"), "name");
    const struct doc_value *best = doc_get(doc_get(learner, "attributes"), "best_iteration");
    int64_t n;
    if (!param || !objective || objective->kind != DOC_STRING)
        return incomplete(r->e, "it has no learner with an objective");
    m->objective = arena_str(r->keep, objective->text);
    if (!m->objective.p)
        return full(r->e);
    if (!doc_whole(doc_get(param, "num_feature"), 1, MODEL_FEATURES_MAX, &n))
        return incomplete(r->e, "num_feature is out of range");
    m->features = (size_t)n;
    m->best_iteration = -1;
    if (best && !doc_whole(best, 0, MODEL_TREES_MAX, &n))
        return incomplete(r->e, "its attribute best_iteration is no number of a round");
    if (best)
        m->best_iteration = (long)n;
    int rc = read_outputs(r, param);
    if (!rc)
        rc = read_features(r, learner);
    return rc ? rc : read_base_score(r, param);
}

/* ---- boosters ---- */

/* The tree at which each round ends, into ends; the number of rounds, or 0 after an error. */
static size_t read_rounds(struct model_reader *r, const struct doc_value *model, int32_t *ends)
{
    const struct doc_value *rounds = doc_get(model, "iteration_indptr"), *param = doc_get(model, "gbtree_model_param");
    size_t trees = r->m->trees_in_file;
    int64_t parallel = 1;
    if (doc_get(param, "num_parallel_tree") &&
        !doc_whole(doc_get(param, "num_parallel_tree"), 0, MODEL_TREES_MAX, &parallel)) {
        incomplete(r->e, "num_parallel_tree is out of range");
        return 0;
    }
    r->m->parallel = (size_t)(parallel ? parallel : 1);
    if (rounds) {
        if (!doc_is_array(rounds) || rounds->count == 0 || rounds->count > MODEL_TREES_MAX + 1 ||
            !doc_wholes(rounds, 0, (int32_t)trees, ends) || ends[0] != 0 || ends[rounds->count - 1] != (int32_t)trees) {
            incomplete(r->e, "iteration_indptr does not go from 0 to the number of trees");
            return 0;
        }
        for (size_t i = 1; i < rounds->count; i++)
            if (ends[i] < ends[i - 1]) {
                incomplete(r->e, "iteration_indptr is not ascending from 0");
                return 0;
            }
        memmove(ends, ends + 1, (rounds->count - 1) * sizeof *ends);
        return rounds->count - 1;
    }
    size_t step = r->m->parallel * r->m->outputs, count = 0;
    for (size_t at = step; at < trees + step; at += step)
        ends[count++] = (int32_t)(at < trees ? at : trees);
    return count;
}

static int choose_rounds(struct model_reader *r, const struct doc_value *model, enum model_rounds which)
{
    struct model *m = r->m;
    int32_t *ends = arena_alloc(r->scratch, (m->trees_in_file + MODEL_TREES_MAX + 2) * sizeof *ends);
    if (!ends)
        return full(r->e);
    r->e->code = 0;
    size_t rounds = read_rounds(r, model, ends);
    if (r->e->code)
        return r->e->code;
    m->rounds_in_file = m->rounds = rounds;
    m->tree_count = m->trees_in_file;
    if (which == MODEL_BEST && m->best_iteration >= 0) {
        if ((size_t)m->best_iteration >= rounds)
            return error_set(r->e, ERR_INVALID,
                             "not a model that can be served: best_iteration is %ld, but it has %zu rounds, numbered from 0",
                             m->best_iteration, rounds);
        m->rounds = (size_t)m->best_iteration + 1;
        m->tree_count = (size_t)ends[m->best_iteration];
    }
    return 0;
}

static int read_weights(struct model_reader *r, const struct doc_value *weights)
{
    struct model *m = r->m;
    if (!weights)
        return 0;
    float *w = arena_alloc(r->scratch, m->trees_in_file * sizeof *w + 1);
    if (!w)
        return full(r->e);
    if (!doc_is_array(weights) || weights->count != m->trees_in_file)
        return incomplete(r->e, "weight_drop does not have one number a tree");
    if (!doc_floats(weights, w))
        return incomplete(r->e, "weight_drop holds something that is no number");
    for (size_t i = 0; i < m->trees_in_file; i++) {
        if (!isfinite(w[i]))
            return incomplete(r->e, "weight_drop holds something that is not finite");
        m->trees[i].weight = w[i];
    }
    m->dart = true;
    return 0;
}

/* All trees are checked, also those that do not count. */
static int read_trees(struct model_reader *r, const struct doc_value *model)
{
    struct model *m = r->m;
    const struct doc_value *list = doc_get(model, "trees"), *info = doc_get(model, "tree_info");
    int32_t *output = arena_alloc(r->scratch, m->trees_in_file * sizeof *output + 1);
    if (!output)
        return full(r->e);
    if (!doc_is_array(info) || info->count != m->trees_in_file)
        return incomplete(r->e, "tree_info does not have one number a tree");
    if (!doc_wholes(info, 0, (int32_t)m->outputs - 1, output))
        return error_set(r->e, ERR_INVALID,
                         "not a model that can be served: tree_info names an output that it does not have; it has %zu",
                         m->outputs);
    for (size_t i = 0; i < m->trees_in_file; i++) {
        struct arena_mark mark = arena_mark(r->scratch);
        m->trees[i] = (struct model_tree){.output = (uint32_t)output[i], .weight = 1};
        int rc = model_read_tree(r, doc_item(list, i), i, &m->trees[i]);
        if (rc)
            return rc;
        arena_rewind(r->scratch, mark);
        if (m->trees[i].depth > m->depth)
            m->depth = m->trees[i].depth;
    }
    m->sets = r->sets;
    return 0;
}

static int read_forest(struct model_reader *r, const struct doc_value *booster, enum model_rounds which)
{
    struct model *m = r->m;
    /* DART wraps the trees, or (since 3.3) is told by its weights beside them. */
    const struct doc_value *inside = doc_get(booster, "gbtree"), *model = doc_get(inside ? inside : booster, "model");
    const struct doc_value *weights = doc_get(booster, "weight_drop"), *list = doc_get(model, "trees");
    int64_t trees;
    if (!weights)
        weights = doc_get(model, "weight_drop");
    if (!weights && str_is(m->booster, "dart"))
        return incomplete(r->e, "weight_drop does not have one number a tree");
    if (!list || list->kind != DOC_ARRAY || list->count > MODEL_TREES_MAX)
        return incomplete(r->e, "it has no list of trees, or too many");
    m->trees_in_file = list->count;
    if (!doc_whole(doc_get(doc_get(model, "gbtree_model_param"), "num_trees"), (int64_t)list->count, (int64_t)list->count,
                   &trees))
        return incomplete(r->e, "num_trees is not the number of trees");
    m->trees = arena_zalloc(r->keep, list->count * sizeof *m->trees + 1);
    if (!m->trees)
        return full(r->e);
    int rc = choose_rounds(r, model, which);
    if (!rc)
        rc = read_trees(r, model);
    if (!rc)
        rc = read_weights(r, weights);
    return rc ? rc : read_cats(r, model);
}

static int read_linear(struct model_reader *r, const struct doc_value *booster)
{
    struct model *m = r->m;
    const struct doc_value *weights = doc_get(doc_get(booster, "model"), "weights");
    size_t n = (m->features + 1) * m->outputs;
    float *linear = arena_alloc(r->keep, n * sizeof *linear);
    if (!linear)
        return full(r->e);
    if (!doc_is_array(weights) || weights->count != n || !doc_floats(weights, linear))
        return incomplete(r->e, "its weights are not one number for each feature and the bias");
    for (size_t i = 0; i < n; i++)
        if (!isfinite(linear[i]))
            return incomplete(r->e, "its weights hold something that is not finite");
    m->linear = linear;
    return 0;
}

static int read_root(struct model_reader *r, const struct doc_value *root, enum model_rounds which)
{
    struct model *m = r->m;
    const struct doc_value *learner = doc_get(root, "learner"), *booster = doc_get(learner, "gradient_booster");
    const struct doc_value *name = doc_get(booster, "name");
    read_version(m, root);
    int rc = read_learner(r, learner);
    if (rc)
        return rc;
    struct str s = name && name->kind == DOC_STRING ? name->text : (struct str){0};
    m->booster = arena_str(r->keep, s);
    if (!m->booster.p)
        return full(r->e);
    if (str_is(s, "gblinear"))
        return read_linear(r, booster);
    if (!str_is(s, "gbtree") && !str_is(s, "dart"))
        return error_set(r->e, ERR_INVALID,
                         "not a model that can be served: booster '%.*s', expected gbtree, dart or gblinear",
                         s.n < 64 ? (int)s.n : 64, s.p ? s.p : "");
    return read_forest(r, booster, which);
}

int model_read(struct model *out, struct str bytes, enum model_rounds which, struct arena *keep, struct arena *scratch,
               struct error *e)
{
    struct error local = {0};
    ASSERT(keep != scratch);
    *out = (struct model){0};
    struct model_reader r = {.m = out, .keep = keep, .scratch = scratch, .e = e ? e : &local};
    struct doc_value *root;
    if (bytes.n > MODEL_FILE_MAX)
        return error_set(e, ERR_NOSPACE, "the model is larger than %d MiB", MODEL_FILE_MAX / (1024 * 1024));
    int rc = doc_read(&root, bytes, scratch, r.e);
    if (rc)
        return rc;
    /* What Booster.serialize writes holds the model beside its configuration. */
    const struct doc_value *inner = doc_get(root, "Model");
    if (inner && inner->kind != DOC_OBJECT)
        return error_set(r.e, ERR_INVALID, "the model is broken: its Model is no object");
    if (inner && doc_get(root, "learner"))
        return error_set(r.e, ERR_INVALID, "the model is broken: it has both Model and learner");
    const struct doc_value *model = inner ? inner : root;
    out->from = (size_t)(model->text.p - bytes.p);
    out->bytes = model->text.n;
    return read_root(&r, model, which);
}
