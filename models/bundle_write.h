/* Writing a bundle, whole or not at all.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_MODELS_BUNDLE_WRITE_H
#define TACT_MODELS_BUNDLE_WRITE_H
#include "models/bundle.h"

/* Writes a new bundle: all files into a folder beside it (<folder>.XXXXXX; synced), which is loaded as a check and then
 * renamed, so that folder either is whole or is not there, even when the process is killed.
 *
 * models: one an arm of the spec, UBJSON or JSON. Their names end accordingly; an arm without a file name gets its own
 * name, or arm_<place> where that is no plain name. The spec's model hashes are filled in. margins: golden_count × arms,
 * or NULL: libxgboost gives them. ERR_EXISTS when folder exists and is not empty; ERR_INVALID when what was written would
 * be refused, with the first finding. */
int bundle_write(const char *folder, const struct bundle_spec *spec, const struct str *models,
                 const float *golden_rows, const float *golden_margins, size_t golden_count,
                 struct error *e) MUST_CHECK;
/* The same with golden rows that may expect predictions; expected NULL: margins by libxgboost. */
int bundle_write_golden(const char *folder, const struct bundle_spec *spec, const struct str *models,
                        const struct golden *golden, struct error *e) MUST_CHECK;

#endif
