/* The example policies load without a finding and pass their own tests; and a policy's test can fail.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "decide/policy_run.h"

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

/* Number of the policy's tests that fail, printed. */
static size_t tests_failed(struct policy *p)
{
    struct names *names = names_new();
    struct error e = {0};
    size_t failed = 0;
    assert_int_equal(policy_bind_interning(p, names, &e), 0);
    for (size_t i = 0; i < p->test_count; i++) {
        struct arena arena;
        struct str why = {0};
        arena_init(&arena, 64u << 20);
        if (!policy_run_test(p, &p->tests[i], NULL, &arena, &why)) {
            print_message("%s:%d: %.*s: %.*s\n", p->tests[i].file, p->tests[i].line,
                          STR_ARG(p->tests[i].name), STR_ARG(why));
            failed++;
        }
        arena_free(&arena);
    }
    names_free(&names);
    return failed;
}

static struct policy *load(const char *folder, size_t warnings)
{
    struct arena arena;
    struct diags diags;
    arena_init(&arena, 1u << 20);
    diags_init(&diags, &arena);
    struct policy *p = policy_load(folder, zones, &diags);
    diags_print(&diags, stdout);
    assert_non_null(p);
    assert_int_equal(diags.warnings, warnings);
    arena_free(&arena);
    return p;
}

static void test_design(void **state)
{
    (void)state;
    struct policy *p = load("tests/cases/policies/design", 1); /* 'staff' is no tier, on purpose */
    assert_int_equal(p->test_count, 1);
    assert_int_equal(tests_failed(p), 0);
    policy_free(&p);
}

static void test_pair(void **state)
{
    (void)state;
    struct policy *p = load("tests/cases/policies/pair", 0);
    assert_int_equal(p->test_count, 5);
    assert_int_equal(tests_failed(p), 0);
    policy_free(&p);
}

static bool has_treatment(const struct policy_action *a, const struct policy_treatment *like,
                          struct str locale)
{
    for (size_t i = 0; i < a->treatment_count; i++) {
        const struct policy_treatment *t = &a->treatments[i];
        if (t->channel == like->channel && str_eq(t->placement, like->placement) && str_eq(t->locale, locale))
            return true;
    }
    return false;
}

static void test_retail(void **state)
{
    (void)state;
    struct policy *p = load("tools/examples/retail", 0);
    assert_in_range(p->action_count, 14, 30);
    assert_in_range(p->group_count, 4, 30);
    assert_true(p->test_count >= 25);
    assert_int_equal(tests_failed(p), 0);
    for (size_t i = 0; i < p->action_count; i++) {
        const struct policy_action *a = &p->actions[i];
        for (size_t t = 0; t < a->treatment_count; t++)
            for (size_t k = 0; k < p->locale_count; k++)
                assert_true(has_treatment(a, &a->treatments[t], p->locales[k]));
        assert_int_equal(a->attribute_count, 3); /* discount, category, kind: what models are trained on */
    }
    policy_free(&p);
}

/* Each of these expects what is not so. */
static const char wrong[] =
    "brand: {name: Acme, time_zone: UTC, locales: [en]}\n"
    "signals: {ping: }\n"
    "channels: {web: {direction: inbound}, mail: {direction: outbound}}\n"
    "actions:\n"
    "  - {id: a, issue: i, group: g, purpose: promotional, value: 1, treatments: [{channel: web, title: hi}, "
    "{channel: mail, title: hi}]}\n"
    "  - {id: b, issue: i, group: g, purpose: service, value: 0.5, treatments: [{channel: web, title: ho}]}\n"
    "suppressions: [{id: s, when: \"age(ping) < 1h\", block: {everything: true}}]\n"
    "tests:\n"
    "  - {name: another action, expect: {channel: web, action: b}}\n"
    "  - {name: an action where there is none, expect: {channel: mail, action: a}}\n"
    "  - {name: no action where there is one, expect: {channel: web, action: none}}\n"
    "  - {name: not the chosen action, expect: {channel: web, not_action: [b, a]}}\n"
    "  - {name: suppressed by what does not fire, expect: {channel: web, suppressed_by: s}}\n"
    "  - {name: another cause, expect: {channel: mail, suppressed_by: quiet_hours}}\n"
    "  - {name: a rule that fires, given: {signals: [{ping: , ago: 1m}]}, expect: {channel: web, "
    "not_suppressed_by: [s]}}\n"
    "  - {name: too late, given: {signals: [{ping: , ago: 20m}]}, expect: {channel: web, next_eligible_in: "
    "41m}}\n"
    "  - {name: never, given: {signals: [{ping: , ago: 20m}]}, expect: {channel: web, next_eligible_in: "
    "never}}\n"
    "  - {name: eligible now, expect: {channel: web, next_eligible_in: 1m}}\n"
    "  - {name: another text, expect: {channel: web, content: {title: ha}}}\n"
    "  - {name: another field, expect: {channel: web, content: {subject: hi}}}\n"
    "  - {name: text of nothing, expect: {channel: mail, content: {title: hi}}}\n";

static void test_tests_can_fail(void **state)
{
    (void)state;
    struct arena arena;
    struct diags diags;
    arena_init(&arena, 1u << 20);
    diags_init(&diags, &arena);
    const struct policy_text file = {"wrong.yaml", {wrong, sizeof wrong - 1}};
    struct policy *p = policy_load_texts("wrong", &file, 1, zones, POLICY_MEMORY_MAX, &diags);
    diags_print(&diags, stdout);
    assert_non_null(p);
    assert_int_equal(p->test_count, 13);
    assert_int_equal(tests_failed(p), 13);
    policy_free(&p);
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_design), cmocka_unit_test(test_pair),
                                       cmocka_unit_test(test_retail), cmocka_unit_test(test_tests_can_fail)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
