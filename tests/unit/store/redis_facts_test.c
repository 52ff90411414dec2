/* What follows from what a Redis says about itself.
 * SPDX-License-Identifier: Apache-2.0 */
#include "store/redis_facts.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

static const char info[] = "# Server\r\nredis_version:7.0.15\r\nredis_git_sha1:0\r\n\r\n# Memory\r\n"
                           "maxmemory_policy:noeviction\r\n# Persistence\r\nloading:0\r\naof_enabled:1\r\n"
                           "# Replication\r\nrole:master\r\n";

static void test_info(void **state)
{
    struct redis_facts f = {.version = ""};
    char text[256];
    (void)state;
    redis_facts_info(&f, str_from(info));
    assert_string_equal(f.version, "7.0.15");
    assert_string_equal(f.policy, "noeviction");
    assert_true(f.aof_enabled);
    assert_false(f.loading || f.replica);
    assert_null(redis_facts_refusal(&f, text, sizeof text));
    assert_null(redis_facts_warning(&f));
    redis_facts_info(&f, STR("redis_version:7.2.4\r\nvalkey_version:8.1.1\r\nrole:slave"));
    assert_string_equal(f.version, "8.1.1");
    assert_true(f.replica);
    assert_non_null(strstr(redis_facts_warning(&f), "replica"));
}

static void test_torn_info(void **state)
{
    (void)state;
    for (size_t n = 0; n < sizeof info; n++) { /* any prefix, at the very end of memory */
        struct redis_facts f = {.version = ""};
        char *copy = malloc(n ? n : 1);
        memcpy(copy, info, n);
        redis_facts_info(&f, (struct str){copy, n});
        assert_true(strlen(f.version) <= strlen("7.0.15"));
        free(copy);
    }
    struct redis_facts f = {.version = ""};
    redis_facts_info(&f, STR(":\r\n::\r\n\n\n\r\nredis_version:0123456789012345678901234567890123456789\n"));
    assert_int_equal(strlen(f.version), sizeof f.version - 1);
}

static void test_refusal(void **state)
{
    struct redis_facts f = {.version = ""};
    char text[256];
    (void)state;
    assert_null(redis_facts_refusal(&f, text, sizeof text)); /* unknown: used, with a warning */
    assert_non_null(strstr(redis_facts_warning(&f), "maxmemory-policy"));
    redis_facts_config(&f, STR("maxmemory-policy"), STR("volatile-ttl"));
    assert_non_null(strstr(redis_facts_refusal(&f, text, sizeof text), "volatile-ttl"));
    redis_facts_config(&f, STR("maxmemory-policy"), STR("noeviction"));
    assert_null(redis_facts_refusal(&f, text, sizeof text));
    f.loading = true;
    assert_non_null(strstr(redis_facts_refusal(&f, text, sizeof text), "loading"));
    f.loading = false;
    f.config_forbidden = true;
    assert_non_null(strstr(redis_facts_warning(&f), "CONFIG"));
}

static void test_loss(void **state)
{
    static const struct {
        bool aof;
        const char *fsync, *save, *words;
    } cases[] = {
        {true, "always", "", "loses nothing"},
        {true, "everysec", "", "two seconds"},
        {true, "everysec", "", "while the disk is busy"},
        {true, "no", "", "half a minute"},
        {true, NULL, NULL, "unknown"},
        {false, "everysec", "3600 1", "snapshots only"},
        {false, "always", "", "loses everything"},
        {false, NULL, NULL, "no append-only file"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct redis_facts f = {.aof_enabled = cases[i].aof};
        if (cases[i].fsync)
            redis_facts_config(&f, STR("appendfsync"), str_from(cases[i].fsync));
        if (cases[i].save)
            redis_facts_config(&f, STR("save"), str_from(cases[i].save));
        assert_non_null(strstr(redis_facts_loss(&f), cases[i].words));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_info), cmocka_unit_test(test_torn_info),
                                       cmocka_unit_test(test_refusal), cmocka_unit_test(test_loss)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
