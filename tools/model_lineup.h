/* What `tact model` makes of a line-up.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_TOOLS_MODEL_LINEUP_H
#define TACT_TOOLS_MODEL_LINEUP_H
#include "models/lineup.h"

/* Whether it is a folder with models.yaml. */
bool model_is_lineup(const char *path);
/* Its entries and their bundles, as text or one JSON object. Findings go to diags, the error sums up. */
int model_show_lineup(const char *path, bool json, struct diags *diags, struct error *e) MUST_CHECK;
/* Loads it as a server does and, with a policy's folder, binds it. */
int model_check_lineup(const char *path, const char *policy, struct diags *diags, struct error *e) MUST_CHECK;
/* Where one bundle is wanted. */
int model_refuse_lineup(const char *path, struct error *e);

#endif
