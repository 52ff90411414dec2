/* Weekly schedules and quiet hours: what they say, and that stepping from change to change finds exactly what
 * looking at every minute finds, in zones whose clocks jump by an hour, by half an hour (Lord Howe), and at
 * midnight (Tehran until 2022, Cairo).
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/rng.h"
#include "policy/schedule.h"

#define MINUTE_MS INT64_C(60000)
#define HOUR_MS INT64_C(3600000)
#define DAY_MS INT64_C(86400000)

enum { CHANGES_MAX = 20000 };

static struct tzdb *zones;

static int setup(void **state)
{
    (void)state;
    struct error e;
    return tzdb_load(&zones, NULL, &e);
}

static int teardown(void **state)
{
    (void)state;
    tzdb_free(&zones);
    return 0;
}

static const struct tz *zone(const char *name)
{
    const struct tz *tz = tz_find(zones, str_from(name));
    assert_non_null(tz);
    return tz;
}

static int64_t at(const struct tz *tz, const char *text)
{
    int64_t ms;
    assert_true(local_time_parse(str_from(text), tz, false, &ms));
    return ms;
}

/* ---- what is read ---- */

static void test_clock(void **state)
{
    (void)state;
    int16_t minute = -1;
    assert_true(clock_parse(STR("08:05"), false, &minute));
    assert_int_equal(minute, 8 * 60 + 5);
    assert_true(clock_parse(STR("00:00"), false, &minute));
    assert_int_equal(minute, 0);
    assert_true(clock_parse(STR("24:00"), true, &minute));
    assert_int_equal(minute, MINUTES_OF_DAY);
    const char *bad[] = {"24:00", "8:00", "08:60", "25:00", "08.00", "08:0", "", "08:00 ", "-1:00", "0a:00"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(clock_parse(str_from(bad[i]), false, &minute));
    assert_false(clock_parse(STR("24:01"), true, &minute));
}

static void test_weekly_parse(void **state)
{
    (void)state;
    const struct {
        const char *text;
        uint8_t days;
        int16_t from, to;
    } good[] = {
        {"daily 00:00-24:00", 0x7f, 0, 1440},        {"sun 09:00-10:30", 0x01, 540, 630},
        {"sat-thu 09:00-20:00", 0x5f, 540, 1200},    {"fri-sat 22:00-06:00", 0x60, 1320, 360},
        {"mon,wed,fri 08:00-09:00", 0x2a, 480, 540}, {"mon-wed,sat 08:00-09:00", 0x4e, 480, 540},
        {"wed-wed 01:00-02:00", 0x08, 60, 120},      {"mon 22:00-00:00", 0x02, 1320, 0},
    };
    const char *why = NULL;
    struct weekly_span s;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(weekly_parse(str_from(good[i].text), &s, &why));
        assert_int_equal(s.days, good[i].days);
        assert_int_equal(s.from_minute, good[i].from);
        assert_int_equal(s.to_minute, good[i].to);
    }
    const struct {
        const char *text, *why;
    } bad[] = {
        {"", "expected days and hours"},
        {"daily", "expected days and hours"},
        {"mo 09:00-10:00", "expected days like"},
        {"mon, 09:00-10:00", "expected days like"},
        {",mon 09:00-10:00", "expected days like"},
        {"mon--wed 09:00-10:00", "expected days like"},
        {"mon 09:00", "expected hours"},
        {"mon 9:00-10:00", "expected hours"},
        {"mon 24:00-10:00", "expected hours"},
        {"mon 09:00-09:00", "the hours are empty"},
        {"Mon 09:00-10:00", "expected days like"},
        {"mon  09:00-10:00", "expected hours"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(weekly_parse(str_from(bad[i].text), &s, &why));
        assert_non_null(strstr(why, bad[i].why));
    }
}

static void test_local_time(void **state)
{
    (void)state;
    const struct tz *tehran = zone("Asia/Tehran");
    int64_t ms;
    assert_true(local_time_parse(STR("2025-01-15T12:00"), tehran, false, &ms));
    assert_int_equal(ms, INT64_C(1736929800000)); /* 08:30 UTC */
    assert_true(local_time_parse(STR("2025-01-15 12:00:30"), tehran, false, &ms));
    assert_int_equal(ms, INT64_C(1736929830000));
    assert_true(local_time_parse(STR("2025-12-31"), tz_find(zones, STR("UTC")), true, &ms));
    assert_int_equal(ms, INT64_C(1767225600000)); /* the end of the day: 2026-01-01 */
    assert_true(local_time_parse(STR("2024-02-29"), tehran, false, &ms));
    const char *bad[] = {"2025-02-29",        "2025-13-01",       "2025-00-10",
                         "2025-01-00",        "2025-01-32",       "2025-1-01",
                         "25-01-01",          "2025/01/01",       "",
                         "2025-01-15T",       "2025-01-15T24:00", "2025-01-15T12",
                         "2025-01-15T12:00Z", "2025-01-15T12:60", "2025-01-15T12:00:60",
                         "2025-01-15x12:00"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(local_time_parse(str_from(bad[i]), tehran, false, &ms));
}

/* ---- what it means ---- */

static struct weekly weekly_of(const char *text)
{
    struct weekly w = {.count = 1};
    const char *why;
    assert_true(weekly_parse(str_from(text), &w.spans[0], &why));
    return w;
}

static void test_weekly_open(void **state)
{
    (void)state;
    const struct tz *tehran = zone("Asia/Tehran");
    const struct {
        const char *span, *time;
        bool open;
    } cases[] = {
        {"sat-thu 09:00-20:00", "2025-01-15T09:00", true}, /* a Wednesday */
        {"sat-thu 09:00-20:00", "2025-01-15T08:59:59", false},
        {"sat-thu 09:00-20:00", "2025-01-15T20:00", false},
        {"sat-thu 09:00-20:00", "2025-01-17T12:00", false}, /* a Friday */
        {"fri 22:00-06:00", "2025-01-17T23:00", true},
        {"fri 22:00-06:00", "2025-01-18T05:59", true}, /* the night after it */
        {"fri 22:00-06:00", "2025-01-18T06:00", false},
        {"fri 22:00-06:00", "2025-01-17T05:00", false}, /* the night before */
        {"wed 00:00-24:00", "2025-01-15T23:59:59", true},
        {"wed 00:00-24:00", "2025-01-16T00:00", false},
        {"wed 23:00-00:00", "2025-01-15T23:30", true},
        {"wed 23:00-00:00", "2025-01-16T00:00", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct weekly w = weekly_of(cases[i].span);
        assert_int_equal(weekly_open(&w, tehran, at(tehran, cases[i].time)), cases[i].open);
    }
    struct weekly always = {.count = 0}, two = weekly_of("mon 09:00-10:00");
    assert_true(weekly_open(&always, tehran, 0));
    assert_int_equal(weekly_next_change(&always, tehran, 0), INT64_MAX);
    two.spans[two.count++] = weekly_of("wed 12:00-13:00").spans[0];
    assert_true(weekly_open(&two, tehran, at(tehran, "2025-01-15T12:30")));
    assert_true(weekly_open(&two, tehran, at(tehran, "2025-01-13T09:30")));
    assert_false(weekly_open(&two, tehran, at(tehran, "2025-01-13T12:30")));
}

static void test_quiet(void **state)
{
    (void)state;
    const struct tz *tehran = zone("Asia/Tehran"), *berlin = zone("Europe/Berlin");
    const struct quiet_hours night = {21 * 60, 8 * 60}, noon = {12 * 60, 13 * 60};
    int64_t evening = at(tehran, "2025-01-15T22:30");
    assert_true(quiet_at(&night, tehran, evening));
    assert_false(quiet_at(&night, berlin, evening)); /* 20:00 there */
    assert_int_equal(quiet_next_change(&night, tehran, evening),
                     at(tehran, "2025-01-16T00:00") + 8 * HOUR_MS);
    assert_int_equal(quiet_next_change(&night, berlin, evening), evening + HOUR_MS);
    assert_true(quiet_at(&noon, tehran, at(tehran, "2025-01-15T12:00")));
    assert_false(quiet_at(&noon, tehran, at(tehran, "2025-01-15T13:00")));
    assert_int_equal(quiet_next_change(&noon, tehran, at(tehran, "2025-01-15T13:00")),
                     at(tehran, "2025-01-16T12:00"));
}

/* ---- changes, against every minute ---- */

/* A weekly schedule or quiet hours, as one thing that is on or off. */
struct rule {
    const struct tz *tz;
    struct weekly weekly;
    struct quiet_hours quiet;
    bool is_quiet;
};

static bool is_on(const struct rule *r, int64_t t)
{
    return r->is_quiet ? quiet_at(&r->quiet, r->tz, t) : weekly_open(&r->weekly, r->tz, t);
}

static int64_t next_of(const struct rule *r, int64_t t)
{
    return r->is_quiet ? quiet_next_change(&r->quiet, r->tz, t) : weekly_next_change(&r->weekly, r->tz, t);
}

/* Instants in (from, to] at which the rule is not what it was a minute before. */
static size_t changes_by_minute(const struct rule *r, int64_t from, int64_t to, int64_t *out)
{
    size_t n = 0;
    bool before = is_on(r, from);
    for (int64_t t = from + MINUTE_MS; t <= to; t += MINUTE_MS) {
        bool now = is_on(r, t);
        if (now != before && n < CHANGES_MAX)
            out[n++] = t;
        before = now;
    }
    return n;
}

static size_t changes_by_step(const struct rule *r, int64_t from, int64_t to, int64_t *out)
{
    size_t n = 0;
    bool before = is_on(r, from);
    for (int64_t t = next_of(r, from); t <= to; t = next_of(r, t)) {
        bool now = is_on(r, t);
        if (now != before && n < CHANGES_MAX)
            out[n++] = t;
        before = now;
        assert_true(next_of(r, t) > t);
    }
    return n;
}

static int64_t first_after(const int64_t *changes, size_t n, int64_t t)
{
    for (size_t i = 0; i < n; i++)
        if (changes[i] > t)
            return changes[i];
    return INT64_MAX;
}

static void check_span(const struct rule *r, int64_t from, int64_t to, struct rng *rng)
{
    static int64_t minutes[CHANGES_MAX], steps[CHANGES_MAX];
    size_t n = changes_by_minute(r, from, to, minutes), m = changes_by_step(r, from, to, steps);
    assert_int_equal(n, m);
    assert_memory_equal(minutes, steps, n * sizeof *minutes);
    for (int i = 0; i < 20; i++) { /* from anywhere, not just from a change */
        int64_t t = from + (int64_t)rng_below(rng, (uint64_t)(to - from));
        int64_t next = next_of(r, t);
        assert_true(next > t);
        assert_true(next <= first_after(minutes, n, t));
        assert_int_equal(is_on(r, next - 1), is_on(r, t));
    }
}

static int32_t offset_at(const struct tz *tz, int64_t t)
{
    struct civil c;
    tz_local(tz, t, &c);
    return c.offset_s;
}

static const char *const spans[] = {"sat-thu 09:00-20:00", "daily 02:10-02:40",  "sun 01:45-03:15",
                                    "fri 22:00-06:00",     "daily 00:00-24:00",  "sat 23:59-00:00",
                                    "daily 00:20-00:50",   "sun,mon 02:40-02:10"};
static const struct quiet_hours quiets[] = {{21 * 60, 8 * 60}, {2 * 60 + 20, 2 * 60 + 50},
                                            {23 * 60 + 59, 1}, {2 * 60 + 30, 2 * 60 + 29},
                                            {0, 60},           {23 * 60, 0}};

static void check_all(const struct tz *tz, int64_t from, int64_t to, struct rng *rng)
{
    for (size_t i = 0; i < sizeof spans / sizeof *spans; i++) {
        struct rule r = {.tz = tz, .weekly = weekly_of(spans[i])};
        check_span(&r, from, to, rng);
    }
    for (size_t i = 0; i < sizeof quiets / sizeof *quiets; i++) {
        struct rule r = {.tz = tz, .quiet = quiets[i], .is_quiet = true};
        check_span(&r, from, to, rng);
    }
}

/* Every clock change of these years, with two days before it and three after. */
static void check_zone(const char *name, int first_year, int last_year, size_t least_changes)
{
    const struct tz *tz = zone(name);
    struct rng rng;
    rng_seed(&rng, 7);
    size_t found = 0;
    int64_t end = civil_days(last_year + 1, 1, 1) * DAY_MS;
    for (int64_t t = civil_days(first_year, 1, 1) * DAY_MS; t < end; t += HOUR_MS)
        if (offset_at(tz, t) != offset_at(tz, t + HOUR_MS)) {
            check_all(tz, t - 2 * DAY_MS, t + 3 * DAY_MS, &rng);
            found++;
        }
    assert_true(found >= least_changes);
    check_all(tz, end, end + 10 * DAY_MS, &rng);
}

static void test_berlin(void **state)
{
    (void)state;
    check_zone("Europe/Berlin", 2023, 2026, 8);
}

static void test_new_york(void **state)
{
    (void)state;
    check_zone("America/New_York", 2005, 2008, 8);
}

static void test_tehran(void **state)
{
    (void)state;
    check_zone("Asia/Tehran", 1977, 1980, 4); /* at one time UTC+4 */
    check_zone("Asia/Tehran", 2019, 2024, 8); /* at midnight, until 2022 */
}

static void test_lord_howe(void **state)
{
    (void)state;
    check_zone("Australia/Lord_Howe", 2023, 2026, 8);
}

static void test_others(void **state)
{
    (void)state;
    check_zone("Africa/Cairo", 2023, 2025, 6);
    check_zone("Pacific/Apia", 2011, 2011, 3); /* a day left out */
    check_zone("Africa/Casablanca", 2018, 2021, 6);
    check_zone("UTC", 2024, 2024, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clock),      cmocka_unit_test(test_weekly_parse),
        cmocka_unit_test(test_local_time), cmocka_unit_test(test_weekly_open),
        cmocka_unit_test(test_quiet),      cmocka_unit_test(test_berlin),
        cmocka_unit_test(test_new_york),   cmocka_unit_test(test_tehran),
        cmocka_unit_test(test_lord_howe),  cmocka_unit_test(test_others),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
