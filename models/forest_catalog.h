/* What a forest knows of the actions beforehand: which of them reach which leaves, as far as their own features say. Immutable but for
 * forest_catalog_set; any thread.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_MODELS_FOREST_CATALOG_H
#define TACT_MODELS_FOREST_CATALOG_H
#include "models/forest.h"

struct forest_catalog;

/* The actions' features: a row of forest_features floats an action, of which only those of role FOREST_ACTION are looked at. */
int forest_catalog_new(struct forest_catalog **out, const struct forest *f, const float *rows, size_t actions,
                       struct error *e) MUST_CHECK;
void forest_catalog_free(struct forest_catalog **c);
size_t forest_catalog_bytes(const struct forest_catalog *c);
/* One action's features anew (a price, a stock), without compiling anything. Nobody may score with c meanwhile. */
void forest_catalog_set(struct forest_catalog *c, size_t action, const float *row);

#endif
