/* Times from text; see frame_time.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/offline/frame_time.h"
#include "base/civil.h"
#include "base/excerpt.h"
#include "base/number.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { DAY_MS = 86400000 };

static const char *const months[] = {"January", "February", "March",     "April",   "May",      "June",
                                     "July",    "August",   "September", "October", "November", "December"};

/* A text under way. */
struct parse {
    struct str text;
    size_t at;
    struct civil local;
    bool has_offset;
    int offset_minutes;
};

static bool digits(struct parse *p, size_t n, int *out)
{
    *out = 0;
    if (p->text.n - p->at < n)
        return false;
    for (size_t i = 0; i < n; i++, p->at++) {
        char c = p->text.p[p->at];
        if (c < '0' || c > '9')
            return false;
        *out = *out * 10 + (c - '0');
    }
    return true;
}

static bool literal(struct parse *p, char c)
{
    if (p->at == p->text.n || p->text.p[p->at] != c)
        return false;
    p->at++;
    return true;
}

static int days_in(int year, int month)
{
    static const int8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return days[month - 1] + (month == 2 && civil_leap(year));
}

/* The text, then what is wrong with it. */
static const char *refuse(struct str text, char *room, const char *format, ...) PRINTF_LIKE(3, 4);
static const char *refuse(struct str text, char *room, const char *format, ...)
{
    char shown[EXCERPT];
    va_list args;
    size_t n = strlen(strcpy(room, excerpt(text, shown)));
    va_start(args, format);
    vsnprintf(room + n, FRAME_TIME_TROUBLE - n, format, args);
    va_end(args);
    return room;
}

/* NULL when the form is right; "" when it is none. A form that is right with a day that does not exist gets its own reason. */
static const char *take_date(struct parse *p, char *room)
{
    int year, month, day;
    if (!digits(p, 4, &year) || !literal(p, '-') || !digits(p, 2, &month) || !literal(p, '-') ||
        !digits(p, 2, &day))
        return "";
    if (year < 1 || month < 1 || month > 12)
        return refuse(p->text, room, " has a %s that does not exist; write year-month-day, like 2025-01-31",
                      year < 1 ? "year" : "month");
    if (day < 1 || day > days_in(year, month))
        return refuse(p->text, room, " does not exist; %s %d has %d days", months[month - 1], year,
                      days_in(year, month));
    p->local = (struct civil){.year = year, .month = (int8_t)month, .day = (int8_t)day};
    return NULL;
}

static const char *take_clock(struct parse *p, char *room)
{
    int hour, minute, second = 0, digit;
    if (!digits(p, 2, &hour) || !literal(p, ':') || !digits(p, 2, &minute) ||
        (literal(p, ':') && !digits(p, 2, &second)))
        return "";
    if (literal(p, '.')) {
        if (p->at == p->text.n || p->text.p[p->at] < '0' || p->text.p[p->at] > '9')
            return "";
        for (int scale = 100, left = 1; left;) {
            left = p->at < p->text.n && p->text.p[p->at] >= '0' && p->text.p[p->at] <= '9' &&
                   digits(p, 1, &digit);
            if (left)
                p->local.millisecond = (int16_t)(p->local.millisecond + digit * scale);
            scale /= 10;
        }
    }
    if (hour > 23 || minute > 59 || second > 59)
        return refuse(p->text, room,
                      " has a time of day that does not exist; hours go to 23, minutes and seconds to 59");
    p->local.hour = (int8_t)hour;
    p->local.minute = (int8_t)minute;
    p->local.second = (int8_t)second;
    return NULL;
}

/* Z, UTC, +03:30, +0330, +03, or nothing; then nothing more. */
static bool take_offset(struct parse *p)
{
    int hours, minutes = 0;
    if (p->at == p->text.n)
        return true;
    p->has_offset = true;
    bool space = literal(p, ' ');
    struct str rest = {p->text.p + p->at, p->text.n - p->at};
    if (str_is(rest, "UTC") || (!space && (str_is(rest, "Z") || str_is(rest, "z"))))
        return true;
    bool west = literal(p, '-');
    if ((!west && !literal(p, '+')) || !digits(p, 2, &hours))
        return false;
    if (p->at < p->text.n) {
        literal(p, ':');
        if (!digits(p, 2, &minutes))
            return false;
    }
    p->offset_minutes = (hours * 60 + minutes) * (west ? -1 : 1);
    return p->at == p->text.n && hours <= 23 && minutes <= 59;
}

static int64_t since_1970(const struct parse *p, const struct tz *zone)
{
    const struct civil *c = &p->local;
    if (zone && !p->has_offset)
        return tz_utc(zone, c);
    int64_t seconds = ((int64_t)c->hour * 60 + c->minute - p->offset_minutes) * 60 + c->second;
    return civil_days(c->year, c->month, c->day) * DAY_MS + seconds * 1000 + c->millisecond;
}

/* 2025013110 and 202501311030: as seconds these would be in 2034, as milliseconds in 1976. */
static bool dashless(struct str text, char written[24])
{
    struct parse p = {.text = text};
    int year, month, day, hour, minute = 0;
    if ((text.n != 10 && text.n != 12) || !digits(&p, 4, &year) || !digits(&p, 2, &month) ||
        !digits(&p, 2, &day) || !digits(&p, 2, &hour) || (text.n == 12 && !digits(&p, 2, &minute)))
        return false;
    if (year < 1970 || year > 2099 || month < 1 || month > 12 || day < 1 || day > days_in(year, month) ||
        hour > 23 || minute > 59)
        return false;
    snprintf(written, 24, "%04d-%02d-%02d %02d:%02d", year % 10000, month % 100, day % 100, hour % 100,
             minute % 100);
    return true;
}

static const char *take_number(struct str text, double v, int64_t *ms, char *room)
{
    double size = fabs(v);
    char written[24];
    if (dashless(text, written))
        return refuse(text, room, " looks like a date without dashes; write %s", written);
    if (size >= 1e8 && size < 1e10)
        *ms = llround(v * 1000);
    else if (size >= 1e11 && size < 1e13)
        *ms = llround(v);
    else
        return refuse(
            text, room,
            " is neither seconds (9 or 10 digits) nor milliseconds (12 or 13) since 1970; a date is written "
            "2025-01-31");
    return NULL;
}

const char *frame_time_read(struct str text, const struct tz *zone, int64_t *ms,
                            char room[FRAME_TIME_TROUBLE])
{
    struct parse p = {.text = text};
    double number;
    if (number_read(text, &number))
        return take_number(text, number, ms, room);
    const char *why = take_date(&p, room);
    if (!why && p.at < text.n)
        why = literal(&p, 'T') || literal(&p, 't') || literal(&p, ' ') ? take_clock(&p, room) : "";
    if (!why && !take_offset(&p))
        why = "";
    if (!why)
        *ms = since_1970(&p, zone);
    if (!why || *why)
        return why;
    return refuse(text, room,
                  " is no time; write 2025-01-31, 2025-01-31 10:00:00, 2025-01-31T10:00:00Z, or seconds or "
                  "milliseconds since 1970");
}
