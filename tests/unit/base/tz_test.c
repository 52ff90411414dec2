/* Time zones: a small table of well-known instants, every zone of the machine against Python's zoneinfo
 * (tests/cases/tz_oracle.py), the rules of TZ strings, and damaged data.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/posixtz.h"
#include "base/rng.h"
#include "base/tz.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static struct tzdb *db;

static const struct tz *zone(const char *name)
{
    const struct tz *tz = tz_find(db, str_from(name));
    if (!tz)
        fail_msg("no zone %s", name);
    return tz;
}

static int load(void **state)
{
    (void)state;
    struct error e = {0};
    int64_t from = clock_mono_us();
    if (tzdb_load(&db, NULL, &e) != 0)
        fail_msg("%s", e.text);
    struct buf bytes;
    buf_init(&bytes, TZ_BYTES_MAX);
    tzdb_bytes(db, &bytes);
    printf("bench=tzdb_load zones=%zu bytes=%zu us=%lld\n", tzdb_count(db), bytes.n,
           (long long)(clock_mono_us() - from));
    buf_free(&bytes);
    return 0;
}

static int unload(void **state)
{
    (void)state;
    tzdb_free(&db);
    assert_null(db);
    return 0;
}

/* From IANA's data as of 2025; only rules that no later release can change. */
static void test_table(void **state)
{
    (void)state;
    static const struct {
        const char *zone;
        int64_t utc_ms;
        const char *local;
    } cases[] = {
        {"UTC", 0, "1970-01-01T00:00:00.000 4 0 +0"},
        {"UTC", -1, "1969-12-31T23:59:59.999 3 364 +0"},
        {"Asia/Tehran", 1736931600123, "2025-01-15T12:30:00.123 3 14 +12600"},
        {"Asia/Tehran", 1655000000000, "2022-06-12T06:43:20.000 0 162 +16200"},
        {"Europe/Berlin", 1711846799999, "2024-03-31T01:59:59.999 0 90 +3600"},
        {"Europe/Berlin", 1711846800000, "2024-03-31T03:00:00.000 0 90 +7200"},
        {"America/New_York", 1730613600000, "2024-11-03T01:00:00.000 0 307 -18000"},
        {"America/St_Johns", 1700000000000, "2023-11-14T18:43:20.000 2 317 -12600"},
        {"Europe/Dublin", 1720000000000, "2024-07-03T10:46:40.000 3 184 +3600"},
        {"Europe/Dublin", 1704067200000, "2024-01-01T00:00:00.000 1 0 +0"},
        {"Asia/Kathmandu", 1704067200000, "2024-01-01T05:45:00.000 1 0 +20700"},
        {"Pacific/Apia", 1325239200000, "2011-12-31T00:00:00.000 6 364 +50400"},
        {"Pacific/Apia", 1325239199000, "2011-12-29T23:59:59.000 4 362 -36000"},
        {"Africa/Monrovia", 0, "1969-12-31T23:15:30.000 3 364 -2670"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct civil c;
        char text[100];
        tz_local(zone(cases[i].zone), cases[i].utc_ms, &c);
        snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%03d %d %d %+d", (int)c.year, c.month,
                 c.day, c.hour, c.minute, c.second, c.millisecond, c.weekday, c.yearday, (int)c.offset_s);
        assert_string_equal(text, cases[i].local);
    }
}

static int64_t utc_of(const char *name, int year, int month, int day, int hour, int minute)
{
    struct civil c = {.year = year,
                      .month = (int8_t)month,
                      .day = (int8_t)day,
                      .hour = (int8_t)hour,
                      .minute = (int8_t)minute};
    return tz_utc(zone(name), &c);
}

static void test_gaps_folds_and_carries(void **state)
{
    (void)state;
    /* skipped: 02:30 becomes 03:30, which is 01:30 UTC */
    assert_int_equal(utc_of("Europe/Berlin", 2024, 3, 31, 2, 30), 1711848600000);
    assert_int_equal(utc_of("Europe/Berlin", 2024, 3, 31, 3, 30), 1711848600000);
    /* twice: the first, in summer time */
    assert_int_equal(utc_of("Europe/Berlin", 2024, 10, 27, 2, 30), 1729989000000);
    /* a whole day skipped */
    assert_int_equal(utc_of("Pacific/Apia", 2011, 12, 30, 12, 0),
                     utc_of("Pacific/Apia", 2011, 12, 31, 12, 0));
    assert_int_equal(utc_of("UTC", 2024, 2, 30, 0, 0), utc_of("UTC", 2024, 3, 1, 0, 0));
    assert_int_equal(utc_of("UTC", 2023, 12, 31, 24, 0), utc_of("UTC", 2024, 1, 1, 0, 0));
    assert_int_equal(utc_of("UTC", 2024, 1, 1, 0, -1), utc_of("UTC", 2023, 12, 31, 23, 59));
    assert_int_equal(utc_of("UTC", 2024, 0, 1, 0, 0), utc_of("UTC", 2023, 12, 1, 0, 0));
    assert_int_equal(utc_of("UTC", 2024, 13, 0, 0, 0), utc_of("UTC", 2024, 12, 31, 0, 0));
    assert_int_equal(utc_of("UTC", 2024, 25, 1, 0, 0), utc_of("UTC", 2026, 1, 1, 0, 0));
    struct civil c = {.year = 2024, .month = 1, .day = 1, .millisecond = -1};
    assert_int_equal(tz_utc(zone("UTC"), &c), 1704067199999);
    c.millisecond = 1500;
    assert_int_equal(tz_utc(zone("UTC"), &c), 1704067201500);
}

static void test_far_times(void **state)
{
    (void)state;
    static const int64_t times[] = {INT64_MIN, INT64_MIN + 1, INT64_MAX, -62135596800000, 253402300799999};
    for (size_t z = 0; z < tzdb_count(db); z++)
        for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
            struct civil c;
            tz_local(tzdb_at(db, z), times[i], &c);
            assert_in_range(c.month, 1, 12);
            assert_in_range(c.day, 1, 31);
            if (i >= 3)
                assert_int_equal(tz_utc(tzdb_at(db, z), &c), times[i]);
        }
    struct civil c = {.year = INT32_MAX, .month = 127, .day = 127, .hour = 127};
    assert_true(tz_utc(zone("Europe/Berlin"), &c) > 9000000000000000000);
    c = (struct civil){.year = INT32_MIN, .month = -128, .day = -128, .hour = -128, .millisecond = INT16_MIN};
    assert_true(tz_utc(zone("Europe/Berlin"), &c) < -9000000000000000000);
}

static void test_days(void **state)
{
    (void)state;
    assert_int_equal(civil_days(1970, 1, 1), 0);
    assert_int_equal(civil_days(2000, 2, 29), 11016);
    assert_int_equal(civil_days(0, 3, 1), -719468);
    int64_t day = civil_days(1599, 12, 31);
    for (int32_t year = 1600; year <= 2400; year++)
        for (int month = 1; month <= 12; month++) {
            static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
            int length = lengths[month - 1] + (month == 2 && civil_leap(year));
            for (int d = 1; d <= length; d++) {
                int32_t y;
                int8_t m, back;
                assert_int_equal(civil_days(year, month, d), ++day);
                civil_from_days(day, &y, &m, &back);
                assert_true(y == year && m == month && back == d);
            }
        }
    assert_int_equal(civil_weekday(civil_days(2025, 1, 15)), 3);
    assert_int_equal(civil_weekday(civil_days(1600, 1, 1)), 6);
    for (int32_t year = INT32_MIN; year < INT32_MAX - 9999999; year += 9999999) {
        int32_t y;
        int8_t m, d;
        civil_from_days(civil_days(year, 2, 28), &y, &m, &d);
        assert_true(y == year && m == 2 && d == 28);
    }
}

static void test_posix_strings(void **state)
{
    (void)state;
    static const char *const good[] = {"UTC0",
                                       "<-03>3",
                                       "<+0330>-3:30",
                                       "EST5EDT,M3.2.0,M11.1.0",
                                       "IST-1GMT0,M10.5.0,M3.5.0/1",
                                       "<-02>2<-01>,M3.5.0/-1,M10.5.0/0",
                                       "XXX3EDT4,0/0,J365/23",
                                       "AAA-24:59:59",
                                       "EET-2EEST,M3.4.4/50,M10.4.4/50",
                                       "XXX3YYY,J1/-167,365/167:59:59"};
    static const char *const bad[] = {"",
                                      "UT0",
                                      "UTC",
                                      "UTC25",
                                      "UTC-",
                                      "<UTC0",
                                      "<+1>0",
                                      "UTC0\n",
                                      "UTC0 ",
                                      "EST5EDT",
                                      "EST5EDT,M3.2.0",
                                      "EST5EDT,M0.2.0,M11.1.0",
                                      "EST5EDT,M13.2.0,M11.1.0",
                                      "EST5EDT,M3.6.0,M11.1.0",
                                      "EST5EDT,M3.0.0,M11.1.0",
                                      "EST5EDT,M3.2.7,M11.1.0",
                                      "EST5EDT,J0,J1",
                                      "EST5EDT,J366,J1",
                                      "EST5EDT,366,1",
                                      "EST5EDT,1/168,2",
                                      "EST5EDT,1,2,3",
                                      "EST5:60",
                                      "EST5:",
                                      "EST99999999999999999999"};
    struct posixtz z;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (!posixtz_parse(str_from(good[i]), &z))
            fail_msg("refused: %s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (posixtz_parse(str_from(bad[i]), &z))
            fail_msg("accepted: %s", bad[i]);
}

/* The spans tile time: each begins where the one before ended, and neither end lies outside. */
static void test_posix_spans(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int winter_s, summer_s; /* offsets on 2030-01-15 and 2030-07-15 */
    } cases[] = {{"EST5EDT,M3.2.0,M11.1.0", -18000, -14400},    {"IST-1GMT0,M10.5.0,M3.5.0/1", 0, 3600},
                 {"NZST-12NZDT,M9.5.0,M4.1.0/3", 46800, 43200}, {"XXX3EDT4,0/0,J365/23", -14400, -14400},
                 {"XXX3EDT4,0/0,J365/29", -14400, -14400},      {"XXX0YYY,J60/-160,J300/167", 0, 3600},
                 {"XXX0YYY,J300/167,J60/-160", 3600, 0},        {"XXX0YYY,365/167,J190", 3600, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct posixtz z;
        assert_true(posixtz_parse(str_from(cases[i].text), &z));
        assert_int_equal(posixtz_span(&z, civil_days(2030, 1, 15) * 86400).offset_s, cases[i].winter_s);
        assert_int_equal(posixtz_span(&z, civil_days(2030, 7, 15) * 86400).offset_s, cases[i].summer_s);
        int64_t t = civil_days(2020, 1, 1) * 86400, until = civil_days(2060, 1, 1) * 86400;
        while (t < until) {
            struct tz_span span = posixtz_span(&z, t), last = posixtz_span(&z, span.end - 1);
            assert_true(span.start <= t && t < span.end);
            assert_int_equal(last.offset_s, span.offset_s);
            assert_int_equal(last.end, span.end);
            t = span.end;
        }
    }
    struct posixtz z;
    assert_true(posixtz_parse(STR("XXX0YYY,J60,59"),
                              &z)); /* J60 is always March 1, 59 is February 29 in leap years */
    assert_int_equal(posixtz_span(&z, civil_days(2024, 2, 29) * 86400 + 3599).offset_s, 3600);
    assert_int_equal(posixtz_span(&z, civil_days(2024, 2, 29) * 86400 + 2 * 3600).offset_s, 0);
    assert_int_equal(posixtz_span(&z, civil_days(2024, 3, 1) * 86400 + 2 * 3600).offset_s, 3600);
}

static void compare_utc(const struct tz *tz, const char *line)
{
    long long ms;
    int f[9];
    struct civil c;
    assert_int_equal(sscanf(line, "u %lld %d %d %d %d %d %d %d %d %d", &ms, f, f + 1, f + 2, f + 3, f + 4,
                            f + 5, f + 6, f + 7, f + 8),
                     10);
    tz_local(tz, ms, &c);
    if (c.year != f[0] || c.month != f[1] || c.day != f[2] || c.hour != f[3] || c.minute != f[4] ||
        c.second != f[5] || c.weekday != f[6] || c.yearday != f[7] || c.offset_s != f[8] ||
        c.millisecond != (ms % 1000 + 1000) % 1000)
        fail_msg("%.*s: oracle %s ours %d-%d-%d %d:%d:%d %d", STR_ARG(tz_name(tz)), line, (int)c.year,
                 c.month, c.day, c.hour, c.minute, c.second, (int)c.offset_s);
}

static void compare_local(const struct tz *tz, const char *line)
{
    long long ms;
    int f[6];
    assert_int_equal(sscanf(line, "l %d %d %d %d %d %d %lld", f, f + 1, f + 2, f + 3, f + 4, f + 5, &ms), 7);
    struct civil c = {.year = f[0],
                      .month = (int8_t)f[1],
                      .day = (int8_t)f[2],
                      .hour = (int8_t)f[3],
                      .minute = (int8_t)f[4],
                      .second = (int8_t)f[5]};
    int64_t ours = tz_utc(tz, &c);
    if (ours != ms)
        fail_msg("%.*s: oracle %s ours %lld", STR_ARG(tz_name(tz)), line, (long long)ours);
}

static void test_oracle(void **state)
{
    (void)state;
    if (system("python3 -c 'import zoneinfo' 2>/dev/null") != 0) {
        print_message("python3 is not here: the oracle is skipped\n");
        skip();
    }
    FILE *in = popen("python3 " SOURCE_DIR "/tests/cases/tz_oracle.py", "r");
    assert_non_null(in);
    char line[256];
    const struct tz *tz = NULL;
    size_t compared = 0, zones = 0, told = 0;
    while (fgets(line, sizeof line, in)) {
        line[strcspn(line, "\n")] = 0;
        if (line[0] == 'Z') {
            tz = zone(line + 2);
            zones++;
        } else if (line[0] == 'E') {
            told = strtoul(line + 2, NULL, 10);
        } else {
            assert_non_null(tz);
            (line[0] == 'u' ? compare_utc : compare_local)(tz, line);
            compared++;
        }
    }
    assert_int_equal(pclose(in), 0);
    assert_int_equal(compared, told);
    assert_true(zones + 1 >= tzdb_count(db) && zones > 300);
    printf("oracle=zoneinfo zones=%zu compared=%zu differing=0\n", zones, compared);
}

static void test_bytes(void **state)
{
    (void)state;
    struct error e = {0};
    struct buf bytes, again;
    buf_init(&bytes, TZ_BYTES_MAX);
    buf_init(&again, TZ_BYTES_MAX);
    tzdb_bytes(db, &bytes);
    struct tzdb *copy;
    assert_int_equal(tzdb_from_bytes(&copy, bytes.p, bytes.n, &e), 0);
    assert_int_equal(tzdb_count(copy), tzdb_count(db));
    assert_true(id128_eq(tzdb_id(copy), tzdb_id(db)));
    tzdb_bytes(copy, &again);
    assert_int_equal(again.n, bytes.n);
    assert_memory_equal(again.p, bytes.p, bytes.n);
    for (size_t i = 0; i < tzdb_count(db); i++) {
        assert_true(str_eq(tz_name(tzdb_at(copy, i)), tz_name(tzdb_at(db, i))));
        assert_ptr_equal(tz_find(db, tz_name(tzdb_at(db, i))), tzdb_at(db, i));
    }
    tzdb_free(&copy);
    assert_null(tz_find(db, STR("europe/berlin")));
    assert_null(tz_find(db, STR("localtime")));
    assert_null(tz_find(db, STR("posixrules")));
    assert_null(tz_find(db, STR("")));
    assert_int_not_equal(tzdb_from_bytes(&copy, "", 0, &e), 0);
    assert_int_not_equal(tzdb_from_bytes(&copy, bytes.p, bytes.n - 1, &e), 0);
    buf_byte(&bytes, 0);
    assert_int_equal(tzdb_from_bytes(&copy, bytes.p, bytes.n, &e), ERR_CORRUPT);
    assert_null(copy);
    buf_free(&bytes);
    buf_free(&again);
}

/* Damaged bytes are refused or harmless; the sanitizers watch. */
static void test_damage(void **state)
{
    (void)state;
    struct buf bytes;
    buf_init(&bytes, TZ_BYTES_MAX);
    tzdb_bytes(db, &bytes);
    struct rng r;
    rng_seed(&r, 7);
    size_t n = bytes.n < 20000 ? bytes.n : 20000, accepted = 0;
    bytes.p[8] = 4; /* four zones of the hundreds, so that a round is quick */
    bytes.p[9] = 0;
    for (int round = 0; round < 3000; round++) {
        size_t at = rng_below(&r, n);
        uint8_t old = bytes.p[at];
        bytes.p[at] = (uint8_t)rng_u64(&r);
        struct tzdb *damaged;
        struct error e = {0};
        if (tzdb_from_bytes(&damaged, bytes.p, bytes.n, &e) == 0)
            accepted++;
        else
            assert_true(e.text[0]);
        tzdb_free(&damaged);
        bytes.p[at] = old;
    }
    assert_int_equal(accepted, 0); /* cut after four zones there is no UTC, so nothing may pass */
    buf_free(&bytes);
}

static void put(const char *folder, const char *name, const void *p, size_t n)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(p, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static void test_folders(void **state)
{
    (void)state;
    struct error e = {0};
    struct tzdb *other;
    assert_int_equal(tzdb_load(&other, "/nonexistent", &e), ERR_IO);
    assert_non_null(strstr(e.text, "tzdata"));
    char folder[] = "/tmp/tact_tz_XXXXXX", path[300], sub[100];
    assert_non_null(mkdtemp(folder));
    assert_int_equal(tzdb_load(&other, folder, &e), ERR_IO);
    assert_non_null(strstr(e.text, "tzdata"));
    snprintf(sub, sizeof sub, "%s/Moon", folder);
    assert_int_equal(mkdir(sub, 0700), 0);
    put(folder, "README", "not a zone", 10);
    static const char moon[] = "TZif2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" /* header */
                               "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\4"
                               "\0\0\0\0\0\0MMM\0"
                               "TZif2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
                               "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\4"
                               "\0\0\0\0\0\0MMM\0\nMMM-1NNN,M3.5.0,M10.5.0/3\n";
    put(sub, "Base", moon, sizeof moon - 1);
    assert_int_equal(tzdb_load(&other, folder, &e), 0);
    assert_int_equal(tzdb_count(other), 2);
    struct civil c;
    tz_local(tz_find(other, STR("Moon/Base")), 1720000000000, &c);
    assert_int_equal(c.offset_s, 7200);
    tz_local(tz_find(other, STR("UTC")), 1720000000000, &c);
    assert_int_equal(c.offset_s, 0);
    tzdb_free(&other);
    put(sub, "Base", moon, sizeof moon - 2); /* no end of the footer */
    assert_int_equal(tzdb_load(&other, folder, &e), ERR_CORRUPT);
    assert_non_null(strstr(e.text, "Moon/Base"));
    snprintf(path, sizeof path, "%s/Base", sub);
    unlink(path);
    rmdir(sub);
    snprintf(path, sizeof path, "%s/README", folder);
    unlink(path);
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),         cmocka_unit_test(test_gaps_folds_and_carries),
        cmocka_unit_test(test_far_times),     cmocka_unit_test(test_days),
        cmocka_unit_test(test_posix_strings), cmocka_unit_test(test_posix_spans),
        cmocka_unit_test(test_oracle),        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_damage),        cmocka_unit_test(test_folders),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
