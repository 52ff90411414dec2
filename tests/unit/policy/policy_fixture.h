/* What tests of policies stand on: time zones for the group, an arena and findings for each test.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_TESTS_POLICY_FIXTURE_H
#define TACT_TESTS_POLICY_FIXTURE_H
#include "policy/policy.h"

static struct tzdb *zones;
static struct arena arena;
static struct diags diags;

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

static int begin(void **state)
{
    (void)state;
    arena_init(&arena, 16u << 20);
    diags_init(&diags, &arena);
    return 0;
}

static int end(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

#endif
