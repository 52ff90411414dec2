/* The part of bundle.yaml about its models: one an arm, each with a file, a calibration and a hash. Internal to models;
 * bundle_spec.h says what it looks like.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_MODELS_BUNDLE_ARMS_H
#define TACT_MODELS_BUNDLE_ARMS_H
#include "models/bundle_spec.h"

/* Fills s->arms from the mapping; kind, label type, objective and link are read before. What is wrong becomes a finding. */
void bundle_arms_read(struct bundle_spec *s, const struct yaml_node *root, struct arena *arena,
                      struct diags *d);
/* As the mapping's keys calibration and model_hash, or its list of arms. */
void bundle_calibration_write(struct buf *out, const struct bundle_spec *s);
void bundle_models_write(struct buf *out, const struct bundle_spec *s);

/* Whether a model's file may be called so: letters, digits, . _ -, not . first, ending in .ubj or .json. */
bool bundle_file_name_ok(struct str name);

/* Shared with bundle_spec.c: a required key's value, or NULL after a finding; text of one line; text in double quotes. */
const struct yaml_node *bundle_need(struct diags *d, const struct yaml_node *mapping, const char *key,
                                    const char *what);
bool bundle_text_ok(struct str s);
void bundle_text_read(struct diags *d, const struct yaml_node *n, struct str *out);
void bundle_text_write(struct buf *out, struct str s);

#endif
