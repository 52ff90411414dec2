/* Time zones from TZif files (RFC 8536), without the process's TZ, so that a zone is an argument like any
 * other. The data base is immutable after loading and is part of the `world` of a decision: its id names
 * exactly the bytes it was read from. All lookups are pure and allocate nothing; a loaded data base may be
 * read by any number of threads.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_BASE_TZ_H
#define TACT_BASE_TZ_H
#include "base/buf.h"
#include "base/civil.h"
#include "base/hash.h"
#include <stdint.h>

struct tzdb;
struct tz;

/* A broken-down local time. Proleptic Gregorian. */
struct civil {
    int32_t year;                            /* 1970 … */
    int8_t month, day, hour, minute, second; /* month and day from 1 */
    int16_t millisecond;
    int8_t weekday;   /* 0 = Sunday */
    int16_t yearday;  /* from 0 */
    int32_t offset_s; /* seconds east of UTC; ignored by tz_utc */
};

enum { TZ_ZONES_MAX = 10000, TZ_FILE_MAX = 1 << 20, TZ_BYTES_MAX = 64 << 20 };

/* Reads every zone below dir (NULL: /usr/share/zoneinfo), without posix/, right/, posixrules, and localtime,
 * which is the machine's own and no zone of the data base; a file that is no TZif, or one with leap seconds,
 * is skipped. "UTC" is always there. ERR_IO when dir cannot be read or holds no zone (the text names the
 * package tzdata), ERR_CORRUPT for a damaged TZif file (the text names it). */
int tzdb_load(struct tzdb **out, const char *dir, struct error *e) MUST_CHECK;
/* The same from the bytes that tzdb_bytes gave: names and TZif contents, sorted by name. */
int tzdb_from_bytes(struct tzdb **out, const void *p, size_t n, struct error *e) MUST_CHECK;
void tzdb_bytes(const struct tzdb *db, struct buf *out);
struct id128 tzdb_id(const struct tzdb *db); /* content hash of tzdb_bytes */
void tzdb_free(struct tzdb **db);

/* NULL when there is no such zone. Names as in IANA's data base, case-sensitive. Lives as long as db. */
const struct tz *tz_find(const struct tzdb *db, struct str name);
struct str tz_name(const struct tz *tz);
/* The name nearest to a misspelt one; empty when none is near. */
struct str tz_nearest(const struct tzdb *db, struct str name);
/* Order by name. */
size_t tzdb_count(const struct tzdb *db);
const struct tz *tzdb_at(const struct tzdb *db, size_t index);

void tz_local(const struct tz *tz, int64_t utc_ms, struct civil *out);
/* Local to UTC; weekday, yearday and offset_s are not looked at. Fields beyond their range carry over (day 32
 * is the next month's first; hour 24 is the next day). A time that a jump forward skips counts from before
 * the jump (02:30 becomes 03:30); one that occurs twice is the first. */
int64_t tz_utc(const struct tz *tz, const struct civil *local);

#endif
