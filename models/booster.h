/* The reference scorer: libxgboost in this process, one row's margins at a time or many. Our own scorer (models/forest.h)
 * agrees with it bit for bit; training and tests use it; nothing is served by it.
 *
 * One booster belongs to one thread: the library's prediction changes the handle. Open one a worker from the
 * same bytes. The margin is the sum before the link function, base score included.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_MODELS_BOOSTER_H
#define TACT_MODELS_BOOSTER_H
#include "models/model.h"

struct booster;

/* From the bytes of a .ubj or .json file as XGBoost writes it (not kept). The bytes are checked by our own
 * reader first (models/model.h): ERR_INVALID says what is wrong, or that this library would score it wrongly;
 * ERR_NOSPACE that the model is too large. A base score that this library version would ignore is set from the file.
 * Rounds: those up to the best, where the file says which that is; or as told. */
int booster_open(struct booster **out, const void *bytes, size_t n, struct error *e) MUST_CHECK;
int booster_open_rounds(struct booster **out, const void *bytes, size_t n, enum model_rounds which,
                        struct error *e) MUST_CHECK;
void booster_free(struct booster **b);

/* As our own reader read it; lives as long as b. */
const struct model *booster_model(const struct booster *b);

/* n rows of features floats, one after the other; NaN is missing. out has room for n times the model's outputs, row by
 * row. features must be the model's. We allocate nothing here (the library does). On an error out is unspecified. */
int booster_margins(struct booster *b, const float *rows, size_t n, size_t features, float *out,
                    struct error *e) MUST_CHECK;

/* "1.7.4", of the library that is linked. */
void booster_library(char text[24]);

/* Internal to models: rows of floats that lie one after the other, as the library wants to be told of them. */
void xgboost_array(char out[160], const float *rows, size_t n, size_t features);
/* Internal to models: an ERR_INVALID or ERR_INTERNAL with the library's last message, without its stack
 * trace. */
int xgboost_failed(int code, const char *what, struct error *e);

#endif
