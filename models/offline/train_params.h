/* The parameters of XGBoost that train.yaml may name under `model:`, each with its type and range, because XGBoost ignores
 * unknown names in silence; and early_stopping, calibration and cross_validation beside it. Names that exist but may not be set
 * there (nthread, seed, eval_metric, …) are refused with what to write instead.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_OFFLINE_TRAIN_PARAMS_H
#define TACT_OFFLINE_TRAIN_PARAMS_H
#include "models/offline/train_config.h"

/* `model:` (NULL: the defaults) into rounds, params and objective; findings for what is wrong. Call it after the label and
 * the kind are known: they decide the objectives. */
void train_params_read(struct train_config *c, const struct yaml_node *n, struct arena *arena,
                       struct diags *d);

/* Is the parameter given, and what is its value? NULL when not. */
const char *train_param(const struct train_config *c, const char *key);

#endif
