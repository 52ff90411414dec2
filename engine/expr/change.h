/* How a value moves with the clock while nothing else happens. Internal to expr.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_EXPR_CHANGE_H
#define TACT_EXPR_CHANGE_H
#include "expr/program.h"

/* From now up to, not including, until_ms: the value is v + slope * (t - now) when v is an int, a timestamp
 * or a duration, and v otherwise. What is unknown or an error now stays so. */
struct expr_law {
    int64_t until_ms; /* after now; INT64_MAX: for ever */
    int32_t slope;    /* per ms; 0 unless v is an int, a timestamp or a duration */
};

#endif
