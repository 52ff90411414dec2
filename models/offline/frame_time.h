/* Times as data files write them, in milliseconds since 1970:
 *
 *     2025-01-31                               midnight in the zone
 *     2025-01-31 10:00[:00[.123]]              in the zone; T or a space between
 *     2025-01-31T10:00:00Z, … +03:30, … UTC    RFC 3339 and what databases print (+0330, +03, a space in front)
 *     1738317600, 1738317600.25                seconds since 1970, 10^8 to 10^10 (1973 to 2286), or as far before
 *     1738317600000                            milliseconds since 1970, 10^11 to 10^13
 *
 * Other numbers are refused, and so are dates without dashes (20250131, 2025013110), since a guess between these would
 * be a figure that nobody wrote. Digits behind the milliseconds are cut off. A local time that a change of clocks
 * skips or repeats is read as tz.h says.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_OFFLINE_FRAME_TIME_H
#define TACT_OFFLINE_FRAME_TIME_H
#include "base/tz.h"

enum { FRAME_TIME_TROUBLE = 256 };

/* NULL and *ms, or what is wrong and what to write instead, in room. zone NULL: UTC. The text is UTF-8. */
const char *frame_time_read(struct str text, const struct tz *zone, int64_t *ms,
                            char room[FRAME_TIME_TROUBLE]);

#endif
