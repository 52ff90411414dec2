/* Values as text: durations and timestamps in and out, doubles in their shortest form.
 * SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"
#include "base/rng.h"
#include <math.h>

static void parses_durations(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
        const char *shown;
    } good[] = {
        {"72h", 259200000, "72h"},
        {"1d12h", 129600000, "1d12h"},
        {"90m", 5400000, "1h30m"},
        {"1.5s", 1500, "1s500ms"},
        {"250ms", 250, "250ms"},
        {"30d", 2592000000, "30d"},
        {"2w", 1209600000, "14d"},
        {"0s", 0, "0s"},
        {"-1h", -3600000, "-1h"},
        {"24h", 86400000, "24h"},
        {"27h", 97200000, "1d3h"},
        {"0.001s", 1, "1ms"},
        {"0.5000000000w", 302400000, "3d12h"},
        {"1h1h", 7200000, "2h"},
        {"3652500d", DURATION_MAX_MS, "3652500d"},
        {"-3652500d", -DURATION_MAX_MS, "-3652500d"},
        {"1.0000ms", 1, "1ms"},
        {"0.125d", 10800000, "3h"},
        {"1s1ms", 1001, "1s1ms"},
    };
    static const char *const bad[] = {"",
                                      "-",
                                      "h",
                                      "72",
                                      "72 h",
                                      "1.h",
                                      ".5h",
                                      "1.5ms",
                                      "1us",
                                      "+1h",
                                      "1h-1m",
                                      "1hm",
                                      "0.0001s",
                                      "1e3s",
                                      "3652501d",
                                      "3652500d1ms",
                                      "99999999999999999999s",
                                      "--1h",
                                      "1h ",
                                      "1H",
                                      "0.33333333333h"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        int64_t ms = -1;
        if (!duration_parse(str_from(good[i].text), &ms) || ms != good[i].ms)
            fail_msg("%s gives %lld", good[i].text, (long long)ms);
        assert_string_equal(harness_show(value_duration(ms)) + strlen("duration "), good[i].shown);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int64_t ms;
        if (duration_parse(str_from(bad[i]), &ms))
            fail_msg("'%s' is taken as %lld", bad[i], (long long)ms);
    }
    struct rng rng;
    rng_seed(&rng, 3);
    for (int i = 0; i < 20000; i++) { /* what is shown reads back */
        int64_t want = (int64_t)(rng_u64(&rng) >> (rng_below(&rng, 50) + 14)) * (rng_below(&rng, 2) ? 1 : -1),
                ms;
        if (want > DURATION_MAX_MS || want < -DURATION_MAX_MS)
            continue;
        const char *text = harness_show(value_duration(want)) + strlen("duration ");
        assert_true(duration_parse(str_from(text), &ms));
        assert_int_equal(ms, want);
    }
}

static void parses_timestamps(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
        const char *shown; /* NULL: as written */
    } good[] = {
        {"1970-01-01T00:00:00Z", 0, NULL},
        {"2025-01-15T12:00:00Z", 1736942400000, NULL},
        {"2025-01-15T12:00:00.5Z", 1736942400500, "2025-01-15T12:00:00.500Z"},
        {"2025-01-15T12:00:00.123456789Z", 1736942400123, "2025-01-15T12:00:00.123Z"},
        {"2025-01-15T12:00:00+03:30", 1736929800000, "2025-01-15T08:30:00Z"},
        {"2025-01-15t12:00:00z", 1736942400000, "2025-01-15T12:00:00Z"},
        {"2024-02-29T23:59:59-00:30", 1709252999000, "2024-03-01T00:29:59Z"},
        {"1969-12-31T23:59:59.999Z", -1, NULL},
        {"0001-01-01T00:00:00Z", TIMESTAMP_MIN_MS, NULL},
        {"9999-12-31T23:59:59.999Z", TIMESTAMP_MAX_MS, NULL},
        {"2000-02-29T00:00:00Z", 951782400000, NULL},
    };
    static const char *const bad[] = {
        "",
        "2025-01-15",
        "2025-01-15T12:00:00",
        "2025-01-15 12:00:00Z",
        "2025-01-15T12:00Z",
        "2025-13-15T12:00:00Z",
        "2025-00-15T12:00:00Z",
        "2025-02-29T12:00:00Z",
        "1900-02-29T12:00:00Z",
        "2025-01-32T12:00:00Z",
        "2025-01-00T12:00:00Z",
        "2025-01-15T24:00:00Z",
        "2025-01-15T12:60:00Z",
        "2025-01-15T12:00:60Z",
        "2025-01-15T12:00:00.Z",
        "2025-01-15T12:00:00ZZ",
        "2025-01-15T12:00:00+3:30",
        "2025-01-15T12:00:00+0330",
        "2025-01-15T12:00:00+24:00",
        "2025-01-15T12:00:00+03:60",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "0000-12-31T23:59:59Z",
        "2025-01-15T12:00:00.",
        "2025-01-15T12:00:00.5",
        "+025-01-15T12:00:00Z",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        int64_t ms = -1;
        if (!timestamp_parse(str_from(good[i].text), &ms) || ms != good[i].ms)
            fail_msg("%s gives %lld", good[i].text, (long long)ms);
        assert_string_equal(harness_show(value_timestamp(ms)) + strlen("timestamp "),
                            good[i].shown ? good[i].shown : good[i].text);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int64_t ms;
        size_t n = strlen(bad[i]);
        char *copy = malloc(n ? n : 1); /* exact, so that a sanitizer sees reads past the end */
        memcpy(copy, bad[i], n);
        if (timestamp_parse((struct str){copy, n}, &ms))
            fail_msg("'%s' is taken as %lld", bad[i], (long long)ms);
        free(copy);
    }
}

static void shows_doubles_shortest(void **state)
{
    (void)state;
    static const struct {
        double d;
        const char *text;
    } cases[] = {
        {0.0, "0"},
        {-0.0, "-0"},
        {3.0, "3"},
        {3.5, "3.5"},
        {-2.5, "-2.5"},
        {0.1, "0.1"},
        {0.1 + 0.2, "0.30000000000000004"},
        {1e21, "1e+21"},
        {123456789012345680000.0, "123456789012345680000"},
        {1e-6, "0.000001"},
        {1.5e-7, "1.5e-07"},
        {5e-324, "5e-324"},
        {2.2250738585072014e-308, "2.2250738585072014e-308"},
        {1.7976931348623157e308, "1.7976931348623157e+308"},
        {5.684341886080802e-14, "5.684341886080802e-14"},
        {9007199254740993.0, "9007199254740992"},
        {100.0, "100"},
        {1e20, "100000000000000000000"},
        {1.0 / 3, "0.3333333333333333"},
        {-1e300, "-1e+300"},
        {12.25, "12.25"},
        {INFINITY, "Infinity"},
        {-INFINITY, "-Infinity"},
        {NAN, "NaN"},
        {-NAN, "NaN"},
    };
    char text[DOUBLE_TEXT];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(double_format(cases[i].d, text), strlen(cases[i].text));
        assert_string_equal(text, cases[i].text);
    }
    struct rng rng;
    rng_seed(&rng, 1);
    for (int i = 0; i < 200000; i++) {
        uint64_t bits = rng_u64(&rng);
        double d;
        memcpy(&d, &bits, sizeof d);
        if (!isfinite(d))
            continue;
        if (i % 4 == 0)
            d = ldexp(1, (int)rng_below(&rng, 2098) - 1074); /* powers of two: the lopsided case */
        size_t n = double_format(d, text);
        assert_true(n < DOUBLE_TEXT);
        if (strtod(text, NULL) != d)
            fail_msg("%.17g shows as %s", d, text);
    }
}

static void tells_values_apart(void **state)
{
    (void)state;
    const struct value one[] = {value_int(1)}, two[] = {value_int(2)};
    const struct value list = {.type = VALUE_LIST, .detail = VALUE_INT, .n = 1, .list = one};
    struct value other = list;
    other.list = two;
    assert_true(value_same(list, list));
    assert_false(value_same(list, other));
    assert_false(value_same(value_int(1), value_double(1)));
    assert_false(value_same(value_double(0.0), value_double(-0.0)));
    assert_true(value_same(value_double(NAN), value_double(NAN)));
    assert_false(value_same(value_timestamp(5), value_duration(5)));
    assert_false(value_same(value_unknown(UNKNOWN_ABSENT), value_unknown(UNKNOWN_UNREADABLE)));
    assert_true(value_same(value_string(STR("ab")), value_string((struct str){"abc", 2})));
    assert_true(value_same(value_error("x"), value_error("x")));
    assert_false(value_same(value_bool(true), value_bool(false)));
    assert_string_equal(harness_show(list), "list [1]");
    assert_string_equal(harness_show(value_error("broken")), "error: broken");
    assert_string_equal(value_type_name(VALUE_TIMESTAMP), "timestamp");
    assert_string_equal(value_type_name((enum value_type)200), "?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parses_durations),
        cmocka_unit_test(parses_timestamps),
        cmocka_unit_test(shows_doubles_shortest),
        cmocka_unit_test(tells_values_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
