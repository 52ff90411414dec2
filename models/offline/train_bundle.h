/* From a training to its bundle, and whether such a bundle binds to a policy.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_OFFLINE_TRAIN_BUNDLE_H
#define TACT_OFFLINE_TRAIN_BUNDLE_H
#include "models/offline/train.h"
#include "policy/policy.h"

/* The bundle of models and metrics in folder, with golden rows spread over the test part. Errors as of bundle_write. */
int train_bundle_write(const char *folder, const struct train_result *r, const struct train_models *models,
                       const struct bundle_metric *metrics, size_t metric_count, struct error *e) MUST_CHECK;

/* Loads the policy and compares its actions with those of the data: one that the policy lacks is an error, one that the
 * data lack a warning. Then binds a bundle of one round, made beside out and removed; its findings stand at the features'
 * places in the config. */
int train_bundle_try(const char *out, const char *policy_folder, const struct tzdb *zones,
                     const struct train_result *r, struct diags *diags, struct error *e) MUST_CHECK;

/* ERR_EXISTS when a bundle cannot be written there because something is there; ERR_INVALID for an impossible name. */
int train_bundle_free_place(const char *folder, struct error *e) MUST_CHECK;

#endif
