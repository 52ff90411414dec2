/* What calls over signals there are and what each takes. Internal to the loading of calls (aggregate_calls.h).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_POLICY_AGGREGATE_SHAPES_H
#define TACT_POLICY_AGGREGATE_SHAPES_H
#include "policy/load.h"

#define DAY_MS INT64_C(86400000)

enum measure { MEASURE_VALUE, MEASURE_AGE, MEASURE_MEAN, MEASURE_SHARE, MEASURE_REPEATS, MEASURE_AFFINITY, MEASURE_HOUR };
enum takes {
    TAKES_SIGNAL = 1,
    TAKES_PROPERTY = 2,
    TAKES_NUMBER = 4,
    TAKES_PAIR = 8,    /* of properties: that opens, that closes */
    TAKES_NOTHING = 16 /* all signals of a kind are meant */
};
enum span { SPAN_NONE, SPAN_WINDOW, SPAN_HALF_LIFE };

struct aggregate_shape {
    const char *op;
    enum aggregate_kind kind;
    enum measure measure;
    unsigned takes; /* enum takes bits */
    bool many;      /* paths */
    enum span span;
    int64_t span_ms; /* when none is given; 0: one must be */
    const char *example;
};

/* NULL: no such call. */
const struct aggregate_shape *aggregate_shape(struct str op);
/* A finding of a call. report may be NULL: nobody listens. */
void aggregate_complain(const struct expr_report *report, size_t offset, const char *format, ...) PRINTF_LIKE(3, 4);

#endif
