/* Writing a bundle, whole or not at all.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_MODELS_BUNDLE_WRITE_H
#define TACT_MODELS_BUNDLE_WRITE_H
#include "models/bundle.h"

/* Writes a new bundle: all files into a folder beside it (synced), which is loaded as a check and then
 * renamed, so that folder either is whole or is not there. model is UBJSON. The spec's model_hash is filled
 * in. margins may be NULL: libxgboost gives them. ERR_EXISTS when folder exists and is not empty; ERR_INVALID
 * when what was written would be refused, with the first finding. */
int bundle_write(const char *folder, const struct bundle_spec *spec, struct str model,
                 const float *golden_rows, const float *golden_margins, size_t golden_count,
                 struct error *e) MUST_CHECK;

#endif
