/* The list `features:` of train.yaml, `monotone:` that goes with it, and zones of time by name; see train_config.h for the form.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_OFFLINE_TRAIN_FEATURES_H
#define TACT_OFFLINE_TRAIN_FEATURES_H
#include "models/offline/train_config.h"

/* What is wrong becomes a finding. Call it after kind, action, time and the zone are known. */
void train_features_read(struct train_config *c, const struct yaml_node *n, const struct tzdb *zones,
                         struct arena *arena, struct diags *d);
void train_monotone_read(struct train_config *c, const struct yaml_node *n, struct diags *d);

/* A time zone by its IANA name; *out keeps its value after a finding. */
void train_zone_read(const struct tz **out, const struct yaml_node *n, const struct tzdb *zones,
                     struct diags *d);
/* Text of 1 to BUNDLE_TEXT_MAX bytes on one line. */
bool train_text_read(struct str *out, const struct yaml_node *n, struct diags *d);

#endif
