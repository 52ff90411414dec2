/* Calendar accessors. An instant's local time is its UTC time plus the zone's offset at that instant, in
 * milliseconds; everything else is integer arithmetic on that sum, the same for zones from the data base and
 * for fixed offsets.
 *
 * The next edge is found under the present offset first. When the zone changes its offset before that edge,
 * the change itself is a possible edge (an hour may be skipped), found by bisection on "the offset is another
 * one". That is sound while the stretch holds at most one change of offset, true of every zone within a day
 * and a half; so an edge that is farther is approached: the answer is a day before it (no zone ever jumped by
 * more than a day), and the caller looks again there.
 * SPDX-License-Identifier: Apache-2.0 */
#include "expr/calendar.h"
#include "base/civil.h"

enum { DAY_MS = 86400000 };

bool zone_fixed(struct str name, int32_t *seconds)
{
    *seconds = INT32_MIN;
    if (name.n == 0 || (name.p[0] != '+' && name.p[0] != '-'))
        return false;
    if (name.n != 6 || name.p[3] != ':')
        return true;
    int part[2];
    for (int i = 0; i < 2; i++) {
        char tens = name.p[1 + i * 3], ones = name.p[2 + i * 3];
        if (tens < '0' || tens > '9' || ones < '0' || ones > '9')
            return true;
        part[i] = (tens - '0') * 10 + (ones - '0');
    }
    if (part[0] > 23 || part[1] > 59)
        return true;
    *seconds = (part[0] * 60 + part[1]) * 60 * (name.p[0] == '-' ? -1 : 1);
    return true;
}

const char *zone_find(const struct tzdb *zones, struct str name, struct zone *out)
{
    *out = (struct zone){0};
    if (name.n == 0 || str_is(name, "UTC"))
        return NULL;
    if (zone_fixed(name, &out->fixed_s))
        return out->fixed_s == INT32_MIN ? "bad time zone offset" : NULL;
    if (!zones)
        return "no time zones are loaded";
    out->tz = tz_find(zones, name);
    return out->tz ? NULL : "unknown time zone";
}

static int64_t offset_ms(const struct zone *zone, int64_t utc_ms)
{
    if (!zone->tz)
        return zone->fixed_s * INT64_C(1000);
    struct civil local;
    tz_local(zone->tz, utc_ms, &local);
    return local.offset_s * INT64_C(1000);
}

int64_t calendar_get(enum expr_op op, const struct zone *zone, int64_t utc_ms)
{
    int64_t local = utc_ms + offset_ms(zone, utc_ms);
    int64_t days = floor_div(local, DAY_MS), ms = local - days * DAY_MS;
    switch (op) {
    case OP_HOURS:
        return ms / 3600000;
    case OP_MINUTES:
        return ms / 60000 % 60;
    case OP_SECONDS:
        return ms / 1000 % 60;
    case OP_MILLISECONDS:
        return ms % 1000;
    case OP_DAY_OF_WEEK:
        return civil_weekday(days);
    default:
        break;
    }
    int32_t year;
    int8_t month, day;
    civil_from_days(days, &year, &month, &day);
    switch (op) {
    case OP_FULL_YEAR:
        return year;
    case OP_MONTH:
        return month - 1;
    case OP_DATE:
        return day;
    case OP_DAY_OF_MONTH:
        return day - 1;
    default:
        return days - civil_days(year, 1, 1); /* OP_DAY_OF_YEAR */
    }
}

/* The first local time after local at which the accessor differs. */
static int64_t local_edge(enum expr_op op, int64_t local)
{
    int64_t unit = DAY_MS;
    switch (op) {
    case OP_HOURS:
        unit = 3600000;
        break;
    case OP_MINUTES:
        unit = 60000;
        break;
    case OP_SECONDS:
        unit = 1000;
        break;
    case OP_MILLISECONDS:
        unit = 1;
        break;
    case OP_FULL_YEAR:
    case OP_MONTH: {
        int32_t year;
        int8_t month, day;
        civil_from_days(floor_div(local, DAY_MS), &year, &month, &day);
        if (op == OP_FULL_YEAR || month == 12)
            return civil_days(year + 1, 1, 1) * DAY_MS;
        return civil_days(year, month + 1, 1) * DAY_MS;
    }
    default:
        break;
    }
    return (floor_div(local, unit) + 1) * unit;
}

int64_t calendar_next(enum expr_op op, const struct zone *zone, int64_t utc_ms)
{
    int64_t offset = offset_ms(zone, utc_ms);
    int64_t edge = local_edge(op, utc_ms + offset) - offset;
    if (!zone->tz)
        return edge;
    if (edge - utc_ms > DAY_MS + DAY_MS / 2)
        return edge - DAY_MS;
    if (offset_ms(zone, edge - 1) == offset)
        return edge;
    int64_t same = utc_ms, other = edge - 1;
    while (other - same > 1) {
        int64_t middle = same + (other - same) / 2;
        if (offset_ms(zone, middle) == offset)
            same = middle;
        else
            other = middle;
    }
    return other;
}
