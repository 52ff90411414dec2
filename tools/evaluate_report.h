/* How `tact evaluate` tells its figures: a table for people, or one JSON object a line with 17 digits.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_TOOLS_EVALUATE_REPORT_H
#define TACT_TOOLS_EVALUATE_REPORT_H
#include "models/offline/evaluate.h"

struct evaluate_report {
    const struct eval_rows *rows;
    bool json, by_position, brief;
    double level;
    const char *reference;        /* what differences are against: "as logged", "silence", "the value 0.1" */
    double reference_value;       /* of the last kind; else NaN */
    enum ope_estimator estimator; /* the one that --gate looks at and that the summary names */
};

/* The rows: how many, shares of actions. */
void evaluate_report_rows(const struct evaluate_report *r);
/* One target; reference: its evaluation, or NULL for the logged value or a number. silent: share, or NaN to leave it out. */
void evaluate_report_target(const struct evaluate_report *r, const char *name, double silent,
                            const struct ope *x, const struct ope *reference);

#endif
