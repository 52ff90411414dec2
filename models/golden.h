/* golden.csv: rows with the margins that another program (the training library) gave them. A bundle is served
 * only when our scorers give the same. Header: the feature names in order, then margin; in a bundle with arms a
 * column margin.<arm> for each arm in order, in one of a model with several outputs margin.0, margin.1, …. In place of
 * margins there may be predictions (prediction, prediction.<arm>): what XGBoost's predict gives without output_margin, for
 * the output that is the label; of multi:softmax the number of the class (or, where they are not all numbers of classes, the
 * chances that scikit-learn's predict_proba makes of it). A missing value is empty; categories are text, booleans true or
 * false (or 1 and 0); fields may be quoted as in RFC 4180.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_MODELS_GOLDEN_H
#define TACT_MODELS_GOLDEN_H
#include "models/bundle_spec.h"

/* How far a model may be from what a golden row expects: absolute below 1, relative above. */
#define GOLDEN_TOLERANCE 1e-5

enum { GOLDEN_ROWS_MAX = 10000, GOLDEN_FILE_MAX = 8 * 1024 * 1024 };

struct golden {
    size_t n, features, width; /* width: expected values a row (bundle_margins; one an arm of predictions) */
    bool predictions;          /* not margins */
    bool classes;              /* the predictions are numbers of classes */
    float *rows;               /* n × features; NaN is missing; a category is its code */
    float *expected;           /* n × width */
    int *lines, *columns;      /* where each of them stands; n × width */
};

/* False after findings at their place; file is the name in messages. All of out lives in the arena. */
bool golden_read(struct golden *out, const char *file, struct str text, const struct bundle_spec *spec,
                 struct arena *arena, struct diags *d);
/* expected: n × width, margins or predictions. */
void golden_write(struct buf *out, const struct bundle_spec *spec, const float *rows, const float *expected,
                  bool predictions, size_t n);
/* How many of the rows, from the first, a file of GOLDEN_FILE_MAX holds, with what they expect (NULL: whatever it will be). */
size_t golden_fitting(const struct golden *g, const struct bundle_spec *spec);
/* How many expected values a row has, and the name of column k of them: margin, margin.<arm>, margin.<output>, prediction. NULL
 * when the arena is full. */
size_t golden_width(const struct bundle_spec *spec, bool predictions);
const char *golden_column(const struct bundle_spec *spec, bool predictions, size_t k, struct arena *arena);

/* Fills in g->classes once all else is known; golden_read does it. */
void golden_find_classes(struct golden *g, const struct bundle_spec *spec);
/* What expected value k of a row should be, by the margins that a model gives the row. Of predictions that jump (the class with the
 * greatest margin; a margin's sign) it is `expected` where the margins are within the tolerance of that. */
double golden_given(const struct golden *g, const struct bundle_spec *spec, const float *margins, size_t k, float expected);

#endif
