/* The reference scorer: libxgboost in this process, one row's margin at a time or many. Our own scorers must
 * agree with it bit for bit; golden rows are checked with it; where nothing faster fits, it serves.
 *
 * One booster belongs to one thread: the library's prediction changes the handle. Open one a worker from the
 * same bytes. The margin is the sum before the link function, base score included.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_MODELS_BOOSTER_H
#define TACT_MODELS_BOOSTER_H
#include "base/error.h"
#include "base/str.h"

struct booster;

/* From the bytes of a .ubj or .json file as XGBoost writes it (not kept). The bytes are checked by our own
 * reader first (models/model.h): ERR_INVALID says what is wrong, ERR_NOSPACE that the model is too large.
 * Only models with one output a row are taken. A base score that this library version would ignore is set
 * from the file. */
int booster_open(struct booster **out, const void *bytes, size_t n, struct error *e) MUST_CHECK;
void booster_free(struct booster **b);

size_t booster_features(const struct booster *b);
size_t booster_trees(const struct booster *b);
struct str booster_objective(const struct booster *b); /* lives as long as b */
double booster_base_score(const struct booster *b);    /* as in the file */

/* As the model's file names them; empty when it does not. A type is "float", "int", "i", "q" or "c"
 * (categorical). */
struct str booster_feature_name(const struct booster *b, size_t index);
struct str booster_feature_type(const struct booster *b, size_t index);

/* n rows of features floats, one after the other; NaN is missing. out has room for n. features must be the
 * model's. We allocate nothing here (the library does). On an error out is unspecified. */
int booster_margins(struct booster *b, const float *rows, size_t n, size_t features, float *out,
                    struct error *e) MUST_CHECK;

/* "1.7.4", of the library that is linked. */
void booster_library(char text[24]);

/* Internal to models: an ERR_INVALID or ERR_INTERNAL with the library's last message, without its stack
 * trace. */
int xgboost_failed(int code, const char *what, struct error *e);

#endif
