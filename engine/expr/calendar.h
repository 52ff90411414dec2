/* The calendar of timestamps: getFullYear and its kin in a zone, and when they next change. Internal to expr.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_EXPR_CALENDAR_H
#define TACT_EXPR_CALENDAR_H
#include "expr/program.h"

/* A zone by name: "" and "UTC", CEL's fixed "+03:30", or a name of the data base. */
struct zone {
    const struct tz *tz; /* NULL: fixed */
    int32_t fixed_s;     /* seconds east of UTC */
};

/* Whether the text has the form of a fixed offset; *seconds is only set when its numbers are in range, else
 * INT32_MIN. */
bool zone_fixed(struct str name, int32_t *seconds);
/* NULL, or the text of the error. zones may be NULL. */
const char *zone_find(const struct tzdb *zones, struct str name, struct zone *out);

/* The accessor op (OP_FULL_YEAR to OP_MILLISECONDS) of an instant. */
int64_t calendar_get(enum expr_op op, const struct zone *zone, int64_t utc_ms);

/* The first instant after utc_ms at which the accessor may give something else. Exact for edges nearer than a
 * day and a half; for farther ones it may be up to a day early, since the zone may change its offset in
 * between. */
int64_t calendar_next(enum expr_op op, const struct zone *zone, int64_t utc_ms);

#endif
