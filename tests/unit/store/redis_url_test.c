/* Addresses of stores: every form, every mistake, and that no error text repeats a password.
 * SPDX-License-Identifier: Apache-2.0 */
#include "store/redis_url.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static struct redis_url good(const char *text, const char *place)
{
    struct redis_url u;
    struct error e = {0};
    char out[REDIS_PLACE_MAX];
    if (redis_url_parse(&u, text, &e) != 0)
        fail_msg("%s: %s", text, e.text);
    redis_url_place(&u, out);
    assert_string_equal(out, place);
    return u;
}

static void test_forms(void **state)
{
    (void)state;
    struct redis_url u = good("localhost:6380", "localhost:6380");
    assert_string_equal(u.password, "");
    good("localhost", "localhost:6379");
    good("10.0.0.1", "10.0.0.1:6379");
    good("[::1]", "[::1]:6379");
    good("[fe80::1%eth0]:7", "[fe80::1%eth0]:7");
    good("redis://h", "h:6379");
    good("redis://h/", "h:6379");
    good("redis://h/0", "h:6379");
    good("redis://h:1/15", "h:1/15");
    good("redis://[::1]:65535/65535", "[::1]:65535/65535");
    good("my-host_1.example:1/2", "my-host_1.example:1/2");
    u = good("redis://user:pass@h:1", "h:1");
    assert_string_equal(u.user, "user");
    assert_string_equal(u.password, "pass");
    u = good("redis://:p%40ss%2F%3a%25@h/3", "h:6379/3");
    assert_string_equal(u.user, "");
    assert_string_equal(u.password, "p@ss/:%");
    u = good("redis://:a@b/c:d@h:5/6", "h:5/6"); /* the last @ counts, and / before it is the password's */
    assert_string_equal(u.password, "a@b/c:d");
    u = good("unix:///run/redis.sock", "unix:/run/redis.sock");
    assert_string_equal(u.path, "/run/redis.sock");
    assert_string_equal(u.host, "");
    good("unix:///run/redis.sock?db=7", "unix:/run/redis.sock/7");
    u = good("unix:///a%3Fb%25", "unix:/a?b%");
    good("redis://user:p@[::1]:2/3", "[::1]:2/3");
}

static void bad(const char *text, const char *words)
{
    struct redis_url u;
    struct error e = {0};
    memset(&u, 7, sizeof u);
    assert_int_equal(redis_url_parse(&u, text, &e), ERR_INVALID);
    assert_int_equal(u.port, 0x07070707); /* untouched */
    if (!strstr(e.text, words))
        fail_msg("%s: '%s' does not say '%s'", text, e.text, words);
    assert_null(strstr(e.text, "s3cret"));
}

static void test_mistakes(void **state)
{
    char longest[2000];
    (void)state;
    bad("", "not one of the forms");
    bad("/run/redis.sock", "unix:///path");
    bad("http://h", "not one of the forms");
    bad("rediss://h", "TLS");
    bad("redis://", "no host");
    bad("redis://:1", "no host");
    bad("redis://:s3cret@", "no host");
    bad("redis://h:0", "port");
    bad("redis://h:65536", "port");
    bad("redis://h:123456", "port");
    bad("redis://h:+1", "port");
    bad("redis://h: 1", "port");
    bad("redis://h:1:2", "port");
    bad("redis://h:", "port");
    bad("redis://h/x", "database");
    bad("redis://h/65536", "database");
    bad("redis://h/-1", "database");
    bad("redis://h h", "host holds");
    bad("redis://s3cret\x01@h", "password");
    bad("redis://:s3cret%@h", "hex");
    bad("redis://:s3cret%4@h", "hex");
    bad("redis://:s3cret%4g@h", "hex");
    bad("redis://:s3cret%00@h", "NUL");
    bad("redis://user@h", "without a password");
    bad("redis://user:@h", "without a password");
    bad("[::1", "']'");
    bad("[::1]x", "after ']'");
    bad("[zz]", "host holds");
    bad("::1", "no host");
    bad("unix://", "absolute");
    bad("unix://relative", "absolute");
    bad("unix://?db=1", "absolute");
    bad("unix:///s?x=1", "?db=n");
    bad("unix:///s?db=", "database");
    bad("unix:///s?db=1&x", "database");
    bad("unix:///s%zz", "hex");
    memset(longest, 'a', sizeof longest);
    longest[sizeof longest - 1] = 0;
    bad(longest, "longer");
    memcpy(longest, "unix:///", 8);
    bad(longest, "longer");
    memcpy(longest, "redis://:s3cret", 15);
    memcpy(longest + 1990, "@h", 3);
    bad(longest, "longer");
}

static void test_longest(void **state)
{
    struct redis_url u;
    char text[1200], place[REDIS_PLACE_MAX];
    (void)state;
    int n = snprintf(text, sizeof text, "redis://:");
    memset(text + n, 'p', REDIS_PASSWORD_MAX);
    n += REDIS_PASSWORD_MAX;
    text[n++] = '@';
    memset(text + n, 'h', REDIS_HOST_MAX);
    n += REDIS_HOST_MAX;
    snprintf(text + n, sizeof text - (size_t)n, ":65535/65535");
    assert_int_equal(redis_url_parse(&u, text, NULL), 0);
    assert_int_equal(strlen(u.password), REDIS_PASSWORD_MAX);
    redis_url_place(&u, place);
    assert_int_equal(strlen(place), REDIS_HOST_MAX + strlen(":65535/65535"));
    n = snprintf(text, sizeof text, "unix:///");
    memset(text + n, 'p', REDIS_PATH_MAX - 1);
    text[n + REDIS_PATH_MAX - 1] = 0;
    assert_int_equal(redis_url_parse(&u, text, NULL), 0);
    assert_int_equal(strlen(u.path), REDIS_PATH_MAX);
    strcat(text, "p");
    assert_int_equal(redis_url_parse(&u, text, NULL), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_forms), cmocka_unit_test(test_mistakes),
                                       cmocka_unit_test(test_longest)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
