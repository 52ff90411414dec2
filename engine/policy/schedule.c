/* Weekly schedules and quiet hours; see schedule.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "policy/schedule.h"

#define DAY_MS INT64_C(86400000)

static const char *const day_names[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

static bool digits(struct str s, size_t at, size_t n, int *out)
{
    *out = 0;
    for (size_t i = at; i < at + n; i++) {
        if (i >= s.n || s.p[i] < '0' || s.p[i] > '9')
            return false;
        *out = *out * 10 + (s.p[i] - '0');
    }
    return true;
}

bool clock_parse(struct str text, bool end, int16_t *minute)
{
    int h, m;
    if (text.n != 5 || text.p[2] != ':' || !digits(text, 0, 2, &h) || !digits(text, 3, 2, &m))
        return false;
    int total = h * 60 + m;
    if (m > 59 || total > MINUTES_OF_DAY || (total == MINUTES_OF_DAY && !end))
        return false;
    *minute = (int16_t)total;
    return true;
}

static int day_parse(struct str s)
{
    for (int i = 0; i < 7; i++)
        if (str_is(s, day_names[i]))
            return i;
    return -1;
}

/* "sat-thu", "mon,wed", "daily". 0 when it is none. */
static uint8_t days_parse(struct str s)
{
    if (str_is(s, "daily"))
        return 0x7f;
    uint8_t days = 0;
    if (s.n && s.p[s.n - 1] == ',')
        return 0;
    while (s.n) {
        size_t n = 0;
        while (n < s.n && s.p[n] != ',')
            n++;
        struct str part = {s.p, n};
        int first = day_parse((struct str){part.p, part.n < 3 ? part.n : 3}), last = first;
        if (part.n == 7 && part.p[3] == '-')
            last = day_parse((struct str){part.p + 4, 3});
        else if (part.n != 3)
            return 0;
        if (first < 0 || last < 0)
            return 0;
        for (int d = first;; d = (d + 1) % 7) {
            days |= (uint8_t)(1 << d);
            if (d == last)
                break;
        }
        s = n < s.n ? (struct str){s.p + n + 1, s.n - n - 1} : (struct str){0};
    }
    return days;
}

bool weekly_parse(struct str text, struct weekly_span *out, const char **why)
{
    size_t space = 0;
    while (space < text.n && text.p[space] != ' ')
        space++;
    *why = "expected days and hours like 'sat-thu 09:00-20:00', 'mon,wed 10:00-12:00' or 'daily 08:00-24:00'";
    if (space == text.n)
        return false;
    struct str days = {text.p, space}, hours = {text.p + space + 1, text.n - space - 1};
    out->days = days_parse(days);
    if (!out->days) {
        *why = "expected days like 'sat-thu', 'mon,wed' or 'daily' (sun mon tue wed thu fri sat)";
        return false;
    }
    if (hours.n != 11 || hours.p[5] != '-' ||
        !clock_parse((struct str){hours.p, 5}, false, &out->from_minute) ||
        !clock_parse((struct str){hours.p + 6, 5}, true, &out->to_minute)) {
        *why = "expected hours like '09:00-20:00' (00:00 to 24:00)";
        return false;
    }
    if (out->from_minute == out->to_minute) {
        *why =
            "the hours are empty: they begin and end at the same minute; for the whole day write 00:00-24:00";
        return false;
    }
    return true;
}

static int64_t minute_of(const struct civil *c)
{
    return c->hour * 60 + c->minute;
}

static bool span_open(const struct weekly_span *s, const struct civil *c)
{
    int64_t minute = minute_of(c);
    int today = c->weekday, yesterday = (c->weekday + 6) % 7;
    if (s->to_minute > s->from_minute)
        return (s->days >> today & 1) && minute >= s->from_minute && minute < s->to_minute;
    return ((s->days >> today & 1) && minute >= s->from_minute) ||
           ((s->days >> yesterday & 1) && minute < s->to_minute);
}

bool weekly_open(const struct weekly *w, const struct tz *zone, int64_t now_ms)
{
    if (w->count == 0)
        return true;
    struct civil c;
    tz_local(zone, now_ms, &c);
    for (size_t i = 0; i < w->count; i++)
        if (span_open(&w->spans[i], &c))
            return true;
    return false;
}

/* The first instant after t at which the local clock shows `minute`, as long as the zone's offset stays. */
static int64_t next_clock(int64_t t_ms, int64_t offset_ms, int minute)
{
    int64_t local = t_ms + offset_ms;
    int64_t edge = floor_div(local, DAY_MS) * DAY_MS + minute % MINUTES_OF_DAY * INT64_C(60000);
    return (edge > local ? edge : edge + DAY_MS) - offset_ms;
}

static int64_t offset_ms(const struct tz *zone, int64_t t_ms)
{
    struct civil c;
    tz_local(zone, t_ms, &c);
    return c.offset_s * INT64_C(1000);
}

/* The clock change in (t, next], where any clock may show anything after, or else next. The two are at most a
 * day apart, and no zone of the data base changes its offset and back within a day. */
static int64_t until_jump(const struct tz *zone, int64_t t_ms, int64_t next)
{
    int64_t offset = offset_ms(zone, t_ms), before = t_ms, after = next;
    if (offset_ms(zone, next) == offset)
        return next;
    while (after - before > 1) {
        int64_t middle = before + (after - before) / 2;
        if (offset_ms(zone, middle) == offset)
            before = middle;
        else
            after = middle;
    }
    return after;
}

int64_t weekly_next_change(const struct weekly *w, const struct tz *zone, int64_t t_ms)
{
    if (w->count == 0)
        return INT64_MAX;
    int64_t offset = offset_ms(zone, t_ms), next = INT64_MAX;
    for (size_t i = 0; i < w->count; i++) {
        int64_t a = next_clock(t_ms, offset, w->spans[i].from_minute);
        int64_t b = next_clock(t_ms, offset, w->spans[i].to_minute);
        next = a < next ? a : next;
        next = b < next ? b : next;
    }
    return until_jump(zone, t_ms, next);
}

bool quiet_at(const struct quiet_hours *q, const struct tz *zone, int64_t now_ms)
{
    struct civil c;
    tz_local(zone, now_ms, &c);
    int64_t minute = minute_of(&c);
    if (q->to_minute > q->from_minute)
        return minute >= q->from_minute && minute < q->to_minute;
    return minute >= q->from_minute || minute < q->to_minute;
}

int64_t quiet_next_change(const struct quiet_hours *q, const struct tz *zone, int64_t t_ms)
{
    int64_t offset = offset_ms(zone, t_ms);
    int64_t a = next_clock(t_ms, offset, q->from_minute), b = next_clock(t_ms, offset, q->to_minute);
    return until_jump(zone, t_ms, a < b ? a : b);
}

bool local_time_parse(struct str text, const struct tz *zone, bool day_later, int64_t *ms)
{
    int year, month, day, hour = 0, minute = 0, second = 0;
    if (text.n < 10 || text.p[4] != '-' || text.p[7] != '-' || !digits(text, 0, 4, &year) ||
        !digits(text, 5, 2, &month) || !digits(text, 8, 2, &day))
        return false;
    if (text.n > 10 && (text.n < 16 || (text.p[10] != 'T' && text.p[10] != ' ') || text.p[13] != ':' ||
                        !digits(text, 11, 2, &hour) || !digits(text, 14, 2, &minute)))
        return false;
    if (text.n > 16 && (text.n != 19 || text.p[16] != ':' || !digits(text, 17, 2, &second)))
        return false;
    if (month < 1 || month > 12 || hour > 23 || minute > 59 || second > 59)
        return false;
    int32_t y;
    int8_t m, d;
    civil_from_days(civil_days(year, month, day), &y, &m, &d);
    if (y != year || m != month || d != day)
        return false;
    struct civil c = {.year = year,
                      .month = (int8_t)month,
                      .day = (int8_t)day,
                      .hour = (int8_t)hour,
                      .minute = (int8_t)minute,
                      .second = (int8_t)second};
    if (day_later && text.n == 10)
        civil_from_days(civil_days(year, month, day) + 1, &c.year, &c.month, &c.day);
    *ms = tz_utc(zone, &c);
    return true;
}
