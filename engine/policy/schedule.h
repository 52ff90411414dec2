/* Local time rules: weekly schedules ("sat-thu 09:00-20:00") and quiet hours. Pure functions of an instant
 * and a zone.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_POLICY_SCHEDULE_H
#define TACT_POLICY_SCHEDULE_H
#include "base/arena.h"
#include "base/tz.h"

enum { WEEKLY_MAX = 16, MINUTES_OF_DAY = 24 * 60 };

/* Days (bit 0 = Sunday) and a time of day; `to` at or before `from` runs into the next day. */
struct weekly_span {
    uint8_t days;
    int16_t from_minute, to_minute; /* 0 to 1440 */
};

/* Open when any span is; without spans, always. */
struct weekly {
    struct weekly_span spans[WEEKLY_MAX];
    size_t count;
};

struct quiet_hours {
    int16_t from_minute, to_minute; /* quiet in [from, to) of local time; over midnight when to <= from */
};

/* "sat-thu 09:00-20:00", "mon,wed 22:00-06:00", "daily 08:00-24:00". False, and a sentence of what is wrong.
 */
bool weekly_parse(struct str text, struct weekly_span *out, const char **why);
/* "08:00"; 24:00 is allowed when `end` is true. */
bool clock_parse(struct str text, bool end, int16_t *minute);

bool weekly_open(const struct weekly *w, const struct tz *zone, int64_t now_ms);
/* The first instant after t at which weekly_open may differ; INT64_MAX when never. */
int64_t weekly_next_change(const struct weekly *w, const struct tz *zone, int64_t t_ms);

bool quiet_at(const struct quiet_hours *q, const struct tz *zone, int64_t now_ms);
int64_t quiet_next_change(const struct quiet_hours *q, const struct tz *zone, int64_t t_ms);

/* Local dates and times of policies: "2025-01-01", "2025-01-01T12:00", "2025-01-01T12:00:30"; day_later adds
 * a day to a bare date (for inclusive ends). False when it is none. */
bool local_time_parse(struct str text, const struct tz *zone, bool day_later, int64_t *ms);

#endif
