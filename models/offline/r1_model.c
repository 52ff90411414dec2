/* The model of workload R1; see r1_model.h. Every node draws its feature evenly from all 64, its split within the
 * feature's range, and the way of missing values by a coin. Splits are whole hundredths and leaves whole 100,000ths, so
 * that their decimal text has few digits and every reader gets the same float.
 *
 * Leaves are -0.0136 ± 0.045, evenly: 200 of them add up to a margin of -2.72 with a standard deviation of 0.37, whose
 * logistic is 6%; 1% and 30% are five deviations away.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/offline/r1_model.h"
#include "base/rng.h"
#include "models/offline/r1_features.h"
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

enum {
    MODEL_SEED = 2,
    GOLDEN_SEED = 3,
    NODES = R1_SPLITS + R1_LEAVES,
    LEAF_MEAN = -1360,
    LEAF_SPREAD = 4500
};

struct tree {
    uint8_t feature[R1_SPLITS];
    int split[R1_SPLITS]; /* hundredths; a smaller value goes left */
    bool missing_left[R1_SPLITS];
    int leaf[R1_LEAVES]; /* 100,000ths */
};

struct r1_model {
    struct tree trees[R1_TREES];
};

static int draw_split(struct rng *r, const struct r1_feature *f)
{
    if (f->type == R1_BOOL)
        return 50;
    if (f->type == R1_CATEGORY)
        return 50 + 100 * (int)rng_below(r, r1_word_count(f->words) - 1);
    return f->low + (int)rng_below(r, (uint64_t)(f->high - f->low + 1));
}

struct r1_model *r1_model_new(void)
{
    struct r1_model *m = calloc(1, sizeof *m);
    struct rng r;
    rng_seed(&r, MODEL_SEED);
    for (size_t t = 0; m && t < R1_TREES; t++) {
        struct tree *tree = &m->trees[t];
        for (size_t i = 0; i < R1_SPLITS; i++) {
            tree->feature[i] = (uint8_t)rng_below(&r, R1_FEATURES);
            tree->split[i] = draw_split(&r, &r1_features[tree->feature[i]]);
            tree->missing_left[i] = rng_below(&r, 2) == 0;
        }
        for (size_t i = 0; i < R1_LEAVES; i++)
            tree->leaf[i] = LEAF_MEAN - LEAF_SPREAD + (int)rng_below(&r, 2 * LEAF_SPREAD + 1);
    }
    return m;
}

void r1_model_free(struct r1_model **m)
{
    free(*m);
    *m = NULL;
}

/* A decimal number as a reader of the file gets it. */
static float decimal(int units, int scale)
{
    return (float)((double)units / (double)scale);
}

float r1_model_margin(const struct r1_model *m, const float *row)
{
    float sum = 0;
    for (size_t t = 0; t < R1_TREES; t++) {
        const struct tree *tree = &m->trees[t];
        size_t node = 0;
        while (node < R1_SPLITS) {
            float v = row[tree->feature[node]];
            bool left = isnan(v) ? tree->missing_left[node] : v < decimal(tree->split[node], 100);
            node = 2 * node + (left ? 1 : 2);
        }
        sum += decimal(tree->leaf[node - R1_SPLITS], 100000);
    }
    return sum;
}

/* ---- model.json ---- */

static void put_decimal(FILE *out, int units, int scale, int digits)
{
    fprintf(out, "%s%d.%0*d", units < 0 ? "-" : "", abs(units) / scale, digits, abs(units) % scale);
}

enum array { CHILD_LEFT, CHILD_RIGHT, PARENT, FEATURE, CONDITION, MISSING, ZERO, NOTHING, COVER };

/* One number of a node. Trees are full, so nodes are numbered as a heap: children of i are 2i + 1 and 2i + 2. */
static void put_number(FILE *out, const struct tree *t, enum array array, int node)
{
    bool leaf = node >= R1_SPLITS;
    int cover = 4096;
    switch (array) {
    case CHILD_LEFT:
    case CHILD_RIGHT:
        fprintf(out, "%d", leaf ? -1 : 2 * node + (array == CHILD_LEFT ? 1 : 2));
        break;
    case PARENT:
        fprintf(out, "%d", node ? (node - 1) / 2 : 2147483647);
        break;
    case FEATURE:
        fprintf(out, "%d", leaf ? 0 : t->feature[node]);
        break;
    case CONDITION:
        if (leaf)
            put_decimal(out, t->leaf[node - R1_SPLITS], 100000, 5);
        else
            put_decimal(out, t->split[node], 100, 2);
        break;
    case MISSING:
        fprintf(out, "%d", !leaf && t->missing_left[node]);
        break;
    case ZERO:
    case NOTHING:
        fputs(array == ZERO ? "0" : "0E0", out);
        break;
    case COVER: /* rows that passed: halved at each split */
        for (int i = node; i > 0; i = (i - 1) / 2)
            cover /= 2;
        fprintf(out, "%d.0", cover);
        break;
    }
}

static void put_tree(FILE *out, const struct tree *t, size_t id)
{
    static const struct {
        const char *name;
        enum array array;
    } arrays[] = {
        {"base_weights", NOTHING},       {"default_left", MISSING},  {"left_children", CHILD_LEFT},
        {"loss_changes", NOTHING},       {"parents", PARENT},        {"right_children", CHILD_RIGHT},
        {"split_conditions", CONDITION}, {"split_indices", FEATURE}, {"split_type", ZERO},
        {"sum_hessian", COVER}};
    fprintf(out,
            "%s{\"categories\":[],\"categories_nodes\":[],\"categories_segments\":[],\"categories_sizes\":[],"
            "\"id\":%zu,\"tree_param\":{\"num_deleted\":\"0\",\"num_feature\":\"%d\",\"num_nodes\":\"%d\","
            "\"size_leaf_vector\":\"0\"}",
            id ? "," : "", id, R1_FEATURES, NODES);
    for (size_t k = 0; k < sizeof arrays / sizeof *arrays; k++) {
        fprintf(out, ",\"%s\":[", arrays[k].name);
        for (int i = 0; i < NODES; i++) {
            if (i)
                fputc(',', out);
            put_number(out, t, arrays[k].array, i);
        }
        fputc(']', out);
    }
    fputs("}\n", out);
}

static void put_list(FILE *out, const char *name, size_t n, const char *(*item)(size_t))
{
    fprintf(out, "\"%s\":[", name);
    for (size_t i = 0; i < n; i++)
        fprintf(out, "%s%s", i ? "," : "", item(i));
    fputc(']', out);
}

static const char *name_at(size_t i)
{
    static char text[64];
    snprintf(text, sizeof text, "\"%s\"", r1_features[i].name);
    return text;
}

static const char *type_at(size_t i)
{
    return r1_features[i].type == R1_BOOL ? "\"i\"" : "\"float\"";
}

static const char *zero_at(size_t i)
{
    (void)i;
    return "0";
}

void r1_model_json(const struct r1_model *m, FILE *out)
{
    fputs("{\"learner\":{\"attributes\":{},", out);
    put_list(out, "feature_names", R1_FEATURES, name_at);
    fputc(',', out);
    put_list(out, "feature_types", R1_FEATURES, type_at);
    fprintf(out,
            ",\"gradient_booster\":{\"model\":{\"gbtree_model_param\":{\"num_parallel_tree\":\"1\",\"num_"
            "trees\":\"%d\","
            "\"size_leaf_vector\":\"0\"},",
            R1_TREES);
    put_list(out, "tree_info", R1_TREES, zero_at);
    fputs(",\"trees\":[", out);
    for (size_t t = 0; t < R1_TREES; t++)
        put_tree(out, &m->trees[t], t);
    fprintf(out,
            "]},\"name\":\"gbtree\"},\"learner_model_param\":{\"base_score\":\"5E-1\",\"boost_from_average\":"
            "\"1\","
            "\"num_class\":\"0\",\"num_feature\":\"%d\",\"num_target\":\"1\"},\"objective\":{\"name\":"
            "\"binary:logistic\","
            "\"reg_loss_param\":{\"scale_pos_weight\":\"1\"}}},\"version\":[1,7,4]}\n",
            R1_FEATURES);
}

/* ---- bundle.yaml, golden.csv ---- */

void r1_model_yaml(FILE *out)
{
    static const char *const types[] = {
        [R1_NUMBER] = "number", [R1_BOOL] = "bool", [R1_CATEGORY] = "category"};
    fputs("# Workload R1 (tact simulate --workload r1): made, not trained.\n"
          "name: r1\nversion: \"1\"\nkind: propensity\nobjective: binary:logistic\nlabel: "
          "responded\nfeatures:\n",
          out);
    for (size_t i = 0; i < R1_FEATURES; i++) {
        const struct r1_feature *f = &r1_features[i];
        const char *from = i < R1_CUSTOMER_FEATURES                        ? "customer"
                           : i < R1_CUSTOMER_FEATURES + R1_ACTION_FEATURES ? "action"
                                                                           : "pair";
        fprintf(out, "  - {name: %s, from: %s, type: %s", f->name, from, types[f->type]);
        for (size_t k = 0; f->words && f->words[k]; k++)
            fprintf(out, "%s%s", k ? ", " : ", categories: [", f->words[k]);
        fputs(f->words ? "]}\n" : "}\n", out);
    }
}

/* A value on either side of the feature's splits; one in ten is missing. */
static float draw_value(struct rng *r, const struct r1_feature *f)
{
    if (rng_below(r, 10) == 0)
        return NAN;
    if (f->type == R1_BOOL)
        return (float)rng_below(r, 2);
    if (f->type == R1_CATEGORY)
        return (float)rng_below(r, r1_word_count(f->words));
    int width = f->high - f->low;
    return decimal(f->low - width / 4 + (int)rng_below(r, (uint64_t)(width + width / 2 + 1)), 100);
}

static void put_value(FILE *out, const struct r1_feature *f, float v)
{
    if (isnan(v))
        return;
    if (f->type == R1_BOOL)
        fputs(v > 0 ? "true" : "false", out);
    else if (f->type == R1_CATEGORY)
        fputs(f->words[(size_t)v], out);
    else
        fprintf(out, "%.9g", (double)v);
}

void r1_model_golden(const struct r1_model *m, FILE *out)
{
    struct rng r;
    rng_seed(&r, GOLDEN_SEED);
    for (size_t k = 0; k < R1_FEATURES; k++)
        fprintf(out, "%s,", r1_features[k].name);
    fputs("margin\n", out);
    for (size_t i = 0; i < R1_GOLDEN; i++) {
        float row[R1_FEATURES];
        for (size_t k = 0; k < R1_FEATURES; k++) {
            row[k] = draw_value(&r, &r1_features[k]);
            put_value(out, &r1_features[k], row[k]);
            fputc(',', out);
        }
        fprintf(out, "%.9g\n", (double)r1_model_margin(m, row));
    }
}
