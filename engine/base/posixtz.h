/* The TZ strings of POSIX 8.3 ("CET-1CEST,M3.5.0,M10.5.0/3"), as they stand in the last line of a TZif file
 * and govern all time after its table (RFC 8536 section 3.3, with the hours from -167 to 167 of
 * section 3.3.1). Pure; allocates nothing.
 *
 * Daylight saving time may be behind standard time (Dublin), may last all year ("XXX3EDT4,0/0,J365/23"), and
 * may begin in one year and end in the next (the southern hemisphere).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_BASE_POSIXTZ_H
#define TACT_BASE_POSIXTZ_H
#include "base/str.h"
#include <stdint.h>

/* A stretch of UTC in which the offset does not change: start <= t < end, seconds since 1970. The neighbours
 * may have the same offset. INT64_MIN and INT64_MAX stand for no bound. */
struct tz_span {
    int64_t start, end;
    int32_t offset_s;
};

enum posixtz_rule_kind { RULE_JULIAN, RULE_ZERO_BASED, RULE_MONTH };

/* When the clock changes: a day of the year and seconds of local time from its beginning (may be negative).
 */
struct posixtz_rule {
    uint8_t kind;
    uint8_t month, week, weekday; /* RULE_MONTH: 1 to 12, 1 to 5 (5 is the last), 0 to 6 */
    uint16_t day;                 /* RULE_JULIAN: 1 to 365, never February 29; RULE_ZERO_BASED: 0 to 365 */
    int32_t time_s;
};

struct posixtz {
    int32_t std_s, dst_s; /* east of UTC; within TZ_OFFSET_MAX_S */
    bool has_dst;
    struct posixtz_rule start, end;
};

enum { TZ_OFFSET_MAX_S = 26 * 3600 };

/* False when the text is no TZ string. A string with daylight saving time and without rules is refused: RFC
 * 8536 allows none, and what it means would differ by system. */
bool posixtz_parse(struct str text, struct posixtz *out);
/* The span around t. Any t from seconds that fit a 64-bit count of milliseconds. */
struct tz_span posixtz_span(const struct posixtz *z, int64_t t);

#endif
