/* A model bundle: a folder with all that serving a model needs, which proves itself when it is loaded.
 *
 *     model.ubj or model.json    as XGBoost wrote it (models/model.h); kinds with arms: a file for each
 *     bundle.yaml                what it is, its features in order (models/bundle_spec.h)
 *     golden.csv                 rows with the margins its training library gave (models/golden.h)
 *
 * Its id is the hash of these files' names and bytes (bundle.yaml, golden.csv, the models as bundle.yaml lists
 * them), so a copy has the same id and a changed byte another. Other files in the folder are not looked at. A
 * loaded bundle is immutable: any thread may read it and score with its forests. What it is bound to in a policy is
 * decided elsewhere.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_MODELS_BUNDLE_H
#define TACT_MODELS_BUNDLE_H
#include "base/hash.h"
#include "models/bundle_spec.h"
#include "models/forest.h"
#include "models/golden.h"

struct bundle;

/* Reads the folder, checks everything that can be checked and scores the golden rows; refuses the bundle
 * unless each margin agrees to 1e-5 (absolute below 1, relative above). Findings go to diags, with file, line
 * and column; the error sums up: ERR_NOTFOUND without the folder or one of its files, ERR_INVALID otherwise.
 * Takes milliseconds to seconds: never on an event loop. */
int bundle_load(struct bundle **out, const char *folder, struct diags *diags, struct error *e) MUST_CHECK;
void bundle_free(struct bundle **b);

/* All of these live as long as the bundle. */
const struct bundle_spec *bundle_spec(const struct bundle *b);
const struct golden *bundle_golden(const struct bundle *b);
struct id128 bundle_id(const struct bundle *b);
struct str bundle_model(const struct bundle *b, size_t arm); /* the bytes of an arm's model file */
const struct forest *bundle_forest(const struct bundle *b, size_t arm); /* its model, compiled */
const char *bundle_file(const struct bundle *b, size_t arm); /* its name within the folder */
const char *bundle_folder(const struct bundle *b);
size_t bundle_trees(const struct bundle *b); /* of all models */
/* The files that its id covers, as they were read; names within the folder. */
void bundle_each_file(const struct bundle *b, void (*visit)(void *ctx, const char *name, struct str bytes), void *ctx);

#endif
