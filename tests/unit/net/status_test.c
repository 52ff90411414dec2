/* Names, percent-encoding, timeouts, status mappings, and addresses as text.
 * SPDX-License-Identifier: Apache-2.0 */
#include "net/address.h"
#include "net/grpc_status.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(grpc_status_name(0), "OK");
    assert_string_equal(grpc_status_name(GRPC_RESOURCE_EXHAUSTED), "RESOURCE_EXHAUSTED");
    assert_string_equal(grpc_status_name(16), "UNAUTHENTICATED");
    assert_string_equal(grpc_status_name(17), "?");
    assert_string_equal(grpc_status_name(-1), "?");
    assert_int_equal(grpc_status_parse(STR("0")), 0);
    assert_int_equal(grpc_status_parse(STR("16")), 16);
    assert_int_equal(grpc_status_parse(STR("17")), GRPC_UNKNOWN);
    assert_int_equal(grpc_status_parse(STR("")), GRPC_UNKNOWN);
    assert_int_equal(grpc_status_parse(STR("-1")), GRPC_UNKNOWN);
    assert_int_equal(grpc_status_parse(STR("1x")), GRPC_UNKNOWN);
    assert_int_equal(grpc_status_parse(STR("4294967296")), GRPC_UNKNOWN);
}

static void test_percent(void **state)
{
    (void)state;
    static const char *const table[][2] = {
        {"", ""},
        {"plain text!~", "plain text!~"},
        {"100%", "100%25"},
        {"a\nb\tc", "a%0Ab%09c"},
        {"\x7f\x80", "%7F%80"},
        {"نشد", "%D9%86%D8%B4%D8%AF"},
    };
    char out[600], back[600];
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        size_t n = grpc_percent_encode(str_from(table[i][0]), out);
        assert_int_equal(n, strlen(table[i][1]));
        assert_memory_equal(out, table[i][1], n);
        size_t back_n = grpc_percent_decode((struct str){out, n}, back);
        assert_int_equal(back_n, strlen(table[i][0]));
        assert_memory_equal(back, table[i][0], back_n);
    }
    char all[256];
    for (int i = 0; i < 256; i++)
        all[i] = (char)i;
    size_t n = grpc_percent_encode((struct str){all, 256}, out);
    assert_int_equal(
        n, 256 + 2 * (256 - 95 + 1)); /* all but the 94 printable characters that stand for themselves */
    for (size_t i = 0; i < n; i++)
        assert_in_range(out[i], 0x20, 0x7e);
    assert_int_equal(grpc_percent_decode((struct str){out, n}, out), 256); /* in place */
    assert_memory_equal(out, all, 256);
    static const char *const broken[] = {"%", "%4", "%zz", "100%", "%%", "a%4", "%g1", "%1g"};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        n = grpc_percent_decode(str_from(broken[i]), out);
        assert_int_equal(n, strlen(broken[i]));
        assert_memory_equal(out, broken[i], n);
    }
    assert_int_equal(grpc_percent_decode(STR("%e2%82%aC"), out), 3);
    assert_memory_equal(out, "€", 3);
}

static void test_timeout(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t us; /* -1: refused */
    } table[] = {{"1H", 3600000000}, {"2M", 120000000}, {"3S", 3000000},
                 {"100m", 100000},   {"7u", 7},         {"1n", 1},
                 {"0n", 0},          {"1001n", 2},      {"99999999H", 99999999 * 3600000000},
                 {"100000000S", -1}, {"", -1},          {"S", -1},
                 {"1", -1},          {"-1S", -1},       {"1.5S", -1},
                 {"1s", -1},         {" 1S", -1},       {"1S ", -1},
                 {"1X", -1}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        int64_t us = -1;
        assert_int_equal(grpc_timeout_parse(str_from(table[i].text), &us), table[i].us >= 0);
        if (table[i].us >= 0)
            assert_true(us == table[i].us);
    }
    for (int64_t us = 1; us < INT64_MAX / 13; us = us * 13 + 1) {
        char text[GRPC_TIMEOUT_TEXT];
        int64_t back;
        size_t n = grpc_timeout_write(us, text);
        assert_int_equal(n, strlen(text));
        assert_true(grpc_timeout_parse((struct str){text, n}, &back));
        if (us < 99999999 * 3600000000)
            assert_true(back >= us && back - us <= us / 1000);
        else
            assert_string_equal(text, "99999999H");
    }
    char text[GRPC_TIMEOUT_TEXT];
    grpc_timeout_write(-5, text);
    assert_string_equal(text, "1n");
    grpc_timeout_write(250000, text);
    assert_string_equal(text, "250000u");
}

static void test_mappings(void **state)
{
    (void)state;
    static const int http[][2] = {{400, 13}, {401, 16}, {403, 7},  {404, 12}, {429, 14},
                                  {502, 14}, {503, 14}, {504, 14}, {418, 2},  {200, 2}};
    for (size_t i = 0; i < sizeof http / sizeof *http; i++)
        assert_int_equal(grpc_status_of_http(http[i][0]), http[i][1]);
    static const int h2[][2] = {{0, 13}, {1, 13}, {2, 13}, {3, 13}, {7, 14},
                                {8, 1},  {11, 8}, {12, 7}, {99, 13}};
    for (size_t i = 0; i < sizeof h2 / sizeof *h2; i++)
        assert_int_equal(grpc_status_of_h2((uint32_t)h2[i][0]), h2[i][1]);
}

static void test_addresses(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct address a;
    struct error e = {0};
    char text[ADDRESS_TEXT];
    assert_int_equal(uv_loop_init(&loop), 0);
    static const char *const good[] = {"127.0.0.1:0", "127.0.0.1:65535", "[::1]:50051", "0.0.0.0:80"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(address_parse(good[i], &loop, &a, &e), 0);
        assert_false(a.is_unix);
        address_write((struct sockaddr *)&a.found[0], text);
        assert_string_equal(text, good[i]);
    }
    assert_int_equal(address_parse("unix:/run/x.sock", &loop, &a, &e), 0);
    assert_true(a.is_unix);
    assert_string_equal(a.path, "/run/x.sock");
    static const char *const bad[] = {
        "",      "127.0.0.1", ":80",   "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:1x", "::1:80", "[::1]",
        "[]:80", "[::1:80",   "unix:", "x:-1",       "x:000001"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(address_parse(bad[i], &loop, &a, &e), ERR_INVALID);
    char longest[6 + 120] = "unix:/";
    memset(longest + 6, 'x', 101 + 5);
    assert_int_equal(strlen(longest + 5), 107);
    assert_int_equal(address_parse(longest, &loop, &a, &e), 0);
    strcat(longest, "x");
    assert_int_equal(address_parse(longest, &loop, &a, &e), ERR_INVALID);
    assert_non_null(strstr(e.text, "a socket's path has at most 107"));
    assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),    cmocka_unit_test(test_percent),   cmocka_unit_test(test_timeout),
        cmocka_unit_test(test_mappings), cmocka_unit_test(test_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
