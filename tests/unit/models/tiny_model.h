/* Models small enough to score by hand: a base score and stumps, as XGBoost 1.7 writes them in JSON (which later versions
 * read too). A row's margin is the base score before the link, plus one leaf of each stump.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_MODELS_TINY_MODEL_H
#define TESTS_MODELS_TINY_MODEL_H
#include "base/buf.h"

/* below when the feature is under the threshold, above when not, missing's leaf is one of them. */
struct stump {
    int feature;
    float threshold, below, above;
    bool missing_is_below;
};

static inline void tiny_tree(struct buf *out, int features, int number, const struct stump *t)
{
    buf_printf(out,
               "%s{\"base_weights\":[0.0,0.0,0.0],\"categories\":[],\"categories_nodes\":[],\"categories_"
               "segments\":[],"
               "\"categories_sizes\":[],\"default_left\":[%d,0,0],\"id\":%d,\"left_children\":[1,-1,-1],"
               "\"loss_changes\":[1.0,0.0,0.0],\"parents\":[2147483647,0,0],\"right_children\":[2,-1,-1],"
               "\"split_conditions\":[%.8e,%.8e,%.8e],\"split_indices\":[%d,0,0],\"split_type\":[0,0,0],"
               "\"sum_hessian\":[2.0,1.0,1.0],\"tree_param\":{\"num_deleted\":\"0\",\"num_feature\":\"%d\","
               "\"num_nodes\":\"3\",\"size_leaf_vector\":\"0\"}}",
               number ? "," : "", t->missing_is_below, number, (double)t->threshold, (double)t->below,
               (double)t->above, t->feature, features);
}

/* Appends the model to out. base_score as text, in the label's space. */
static inline void tiny_model(struct buf *out, const char *objective, const char *base_score, int features,
                              const struct stump *stumps, int count)
{
    buf_printf(out,
               "{\"learner\":{\"attributes\":{},\"feature_names\":[],\"feature_types\":[],"
               "\"gradient_booster\":{\"model\":{\"gbtree_model_param\":{\"num_parallel_tree\":\"1\","
               "\"num_trees\":\"%d\",\"size_leaf_vector\":\"0\"},\"tree_info\":[",
               count);
    for (int i = 0; i < count; i++)
        buf_printf(out, "%s0", i ? "," : "");
    buf_printf(out, "],\"trees\":[");
    for (int i = 0; i < count; i++)
        tiny_tree(out, features, i, &stumps[i]);
    buf_printf(
        out,
        "]},\"name\":\"gbtree\"},\"learner_model_param\":{\"base_score\":\"%s\",\"boost_from_average\":\"1\","
        "\"num_class\":\"0\",\"num_feature\":\"%d\",\"num_target\":\"1\"},\"objective\":{\"name\":\"%s\","
        "\"reg_loss_param\":{\"scale_pos_weight\":\"1\"},"
        "\"poisson_regression_param\":{\"max_delta_step\":\"0.7\"},"
        "\"tweedie_regression_param\":{\"tweedie_variance_power\":\"1.5\"}}},\"version\":[1,7,4]}",
        base_score, features, objective);
}

#endif
