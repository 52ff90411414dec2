/* POSIX TZ strings; see posixtz.h. A year's two changes are computed when asked for: one lookup looks at the
 * changes of the years around it, because hours up to 167 can push a change over the turn of the year.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/posixtz.h"
#include "base/civil.h"

enum { DAY_S = 86400, NAME_MIN = 3, NAME_MAX = 30, RULE_HOURS_MAX = 167, OFFSET_HOURS_MAX = 24 };

struct scan {
    const char *p, *end;
};

static bool take(struct scan *s, char c)
{
    if (s->p == s->end || *s->p != c)
        return false;
    s->p++;
    return true;
}

/* Decimal digits up to max; -1 when there is none or the value is over it. */
static int number(struct scan *s, int max)
{
    int v = -1;
    while (s->p < s->end && *s->p >= '0' && *s->p <= '9') {
        v = (v < 0 ? 0 : v) * 10 + (*s->p++ - '0');
        if (v > max)
            return -1;
    }
    return v;
}

static bool name_byte(char c, bool quoted)
{
    bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    return letter || (quoted && ((c >= '0' && c <= '9') || c == '+' || c == '-'));
}

static bool name(struct scan *s)
{
    bool quoted = take(s, '<');
    const char *from = s->p;
    while (s->p < s->end && name_byte(*s->p, quoted))
        s->p++;
    long n = s->p - from;
    return n >= NAME_MIN && n <= NAME_MAX && (!quoted || take(s, '>'));
}

/* [+-]hh[:mm[:ss]] in seconds. */
static bool hms(struct scan *s, int hours_max, int32_t *out)
{
    bool minus = take(s, '-');
    if (!minus)
        take(s, '+');
    int hours = number(s, hours_max), minutes = 0, seconds = 0;
    if (hours >= 0 && take(s, ':')) {
        minutes = number(s, 59);
        if (minutes >= 0 && take(s, ':'))
            seconds = number(s, 59);
    }
    if (hours < 0 || minutes < 0 || seconds < 0)
        return false;
    int32_t v = hours * 3600 + minutes * 60 + seconds;
    *out = minus ? -v : v;
    return true;
}

static bool rule_day(struct scan *s, struct posixtz_rule *r)
{
    int day, month, week, weekday;
    if (take(s, 'M')) {
        month = number(s, 12);
        if (month < 1 || !take(s, '.'))
            return false;
        week = number(s, 5);
        if (week < 1 || !take(s, '.'))
            return false;
        weekday = number(s, 6);
        r->kind = RULE_MONTH;
        r->month = (uint8_t)month;
        r->week = (uint8_t)week;
        r->weekday = (uint8_t)weekday;
        return weekday >= 0;
    }
    r->kind = take(s, 'J') ? RULE_JULIAN : RULE_ZERO_BASED;
    day = number(s, 365);
    r->day = (uint16_t)day;
    return day >= (r->kind == RULE_JULIAN);
}

static bool rule(struct scan *s, struct posixtz_rule *r)
{
    *r = (struct posixtz_rule){.time_s = 2 * 3600};
    return take(s, ',') && rule_day(s, r) && (!take(s, '/') || hms(s, RULE_HOURS_MAX, &r->time_s));
}

bool posixtz_parse(struct str text, struct posixtz *out)
{
    struct scan s = {text.p, text.p + text.n};
    struct posixtz z = {0};
    int32_t west;
    if (!name(&s) || !hms(&s, OFFSET_HOURS_MAX, &west))
        return false;
    z.std_s = -west;
    if (s.p < s.end) {
        if (!name(&s))
            return false;
        z.has_dst = true;
        z.dst_s = z.std_s + 3600;
        if (s.p < s.end && *s.p != ',') {
            if (!hms(&s, OFFSET_HOURS_MAX, &west))
                return false;
            z.dst_s = -west;
        }
        if (!rule(&s, &z.start) || !rule(&s, &z.end) || s.p < s.end)
            return false;
    }
    *out = z;
    return true;
}

/* Local seconds since 1970, in the clock that is left, at which the rule strikes. */
static int64_t strikes(const struct posixtz_rule *r, int32_t year)
{
    int64_t day;
    if (r->kind == RULE_MONTH) {
        int64_t first = civil_days(year, r->month, 1);
        int64_t next = r->month == 12 ? civil_days(year + 1, 1, 1) : civil_days(year, r->month + 1, 1);
        day = first + (r->weekday - civil_weekday(first) + 7) % 7 + 7 * (r->week - 1);
        if (day >= next)
            day -= 7;
    } else {
        day = civil_days(year, 1, 1) + r->day;
        if (r->kind == RULE_JULIAN && !(civil_leap(year) && r->day >= 60))
            day--;
    }
    return day * DAY_S + r->time_s;
}

static void narrow(struct tz_span *span, int64_t t, int64_t boundary)
{
    if (boundary <= t && boundary > span->start)
        span->start = boundary;
    if (boundary > t && boundary < span->end)
        span->end = boundary;
}

struct tz_span posixtz_span(const struct posixtz *z, int64_t t)
{
    if (!z->has_dst)
        return (struct tz_span){INT64_MIN, INT64_MAX, z->std_s};
    int32_t year;
    int8_t month, day;
    civil_from_days(floor_div(t + z->std_s, DAY_S), &year, &month, &day);
    struct tz_span span = {civil_days(year, 1, 1) * DAY_S - z->std_s,
                           civil_days(year + 1, 1, 1) * DAY_S - z->std_s, z->std_s};
    int64_t end = strikes(&z->end, year - 2) - z->dst_s;
    for (int32_t y = year - 2; y <= year + 1; y++) {
        int64_t start = strikes(&z->start, y) - z->std_s, next_end = strikes(&z->end, y + 1) - z->dst_s;
        int64_t until = start < end ? end : next_end;
        narrow(&span, t, start);
        narrow(&span, t, until);
        if (start <= t && t < until)
            span.offset_s = z->dst_s;
        end = next_end;
    }
    return span;
}
