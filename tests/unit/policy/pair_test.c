/* Pair features of a loaded policy: which features look at the action, what they see of each action, their
 * types, and that the constants of an action's own expressions stay constants.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "policy/policy.h"
#include "unit/policy/policy_fixture.h"
#include <stdlib.h>

#define HEAD                                                                                                 \
    "brand: {name: Acme, time_zone: UTC, locales: [en]}\n"                                                   \
    "profile: {likes: string, spend: number}\n"                                                              \
    "channels:\n  web: {direction: inbound}\n"
#define SHOWN "treatments: [{channel: web, title: \"{{ same | default: x }}\"}]}\n"

/* The actions stand in the first file, before the features that look at them. */
static const struct policy_text files[] = {
    {"1.yaml",
     {HEAD "actions:\n"
           "  - {id: sale, issue: sell, group: shop, purpose: promotional, value: \"action.boost\",\n"
           "     suitability: \"same && action.category == 'shoes' && action.id != 'x'\",\n"
           "     features: {category: shoes, boost: 2, vip: true, unseen: 1}, " SHOWN
           "  - {id: help, issue: care, group: desk, purpose: service, value: 1,\n"
           "     features: {category: \"1\", unseen: text}, " SHOWN,
      0}},
    {"2.yaml",
     {"features:\n"
      "  both: {expr: \"same || plain\"}\n"
      "  same: {expr: \"profile.likes == action.category\"}\n"
      "  plain: {expr: \"profile.spend > 10.0\"}\n"
      "  worth: {expr: \"profile.spend * action.boost\"}\n"
      "  vip: {expr: \"action.vip\"}\n"
      "  words: {expr: \"action.id + action.issue + action.group + action.purpose\"}\n"
      "  folded: {expr: \"plain || same || true\"}\n"
      "actions:\n"
      "  - {id: ask, issue: care, group: desk, purpose: ask, value: 1, features: {boost: 0.5}, " SHOWN,
      0}},
};

static struct policy *load_within(const struct policy_text *texts, size_t count, size_t memory_max)
{
    struct policy_text whole[2];
    for (size_t i = 0; i < count; i++)
        whole[i] = (struct policy_text){texts[i].name, str_from(texts[i].text.p)};
    return policy_load_texts("p", whole, count, zones, memory_max, &diags);
}

static struct policy *load(void)
{
    struct policy *p = load_within(files, 2, POLICY_MEMORY_MAX);
    if (!p)
        diags_print(&diags, stderr);
    assert_non_null(p);
    assert_int_equal(diags.count, 0);
    return p;
}

static expr_id feature(const struct policy *p, const char *name)
{
    long at = policy_feature_find(p, str_from(name));
    assert_true(at >= 0);
    return p->features[at].node;
}

/* What features see of an action, as text; "-" for what it lacks. */
static void assert_field(const struct policy *p, const char *action, const char *name, const char *want)
{
    size_t at = 0;
    struct buf text;
    buf_init(&text, 100);
    while (at < p->field_count && !str_is(p->fields[at], name))
        at++;
    assert_true(at < p->field_count);
    struct value v = p->actions[policy_action_find(p, str_from(action))].fields[at];
    if (v.type == VALUE_UNKNOWN)
        buf_str(&text, STR("-"));
    else
        value_format(v, &text);
    buf_byte(&text, 0);
    assert_string_equal((const char *)text.p, want);
    buf_free(&text);
}

static void features_that_look_at_the_action(void **state)
{
    (void)state;
    struct policy *p = load();
    static const struct {
        const char *name;
        bool pair;
        uint8_t type;
    } want[] = {{"both", true, VALUE_BOOL},    {"same", true, VALUE_BOOL}, {"plain", false, VALUE_BOOL},
                {"worth", true, VALUE_DOUBLE}, {"vip", true, VALUE_BOOL},  {"words", true, VALUE_STRING},
                {"folded", false, VALUE_BOOL}};
    assert_int_equal(p->feature_count, sizeof want / sizeof want[0]);
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        assert_int_equal(expr_varies(p->program, feature(p, want[i].name)), want[i].pair);
        assert_int_equal(expr_type_of(p->program, feature(p, want[i].name)).kind, want[i].type);
    }
    policy_free(&p);
}

static void what_they_see_of_each_action(void **state)
{
    (void)state;
    struct policy *p = load();
    assert_int_equal(p->field_count, 7); /* not `unseen`: nothing looks at it, so its types may differ */
    assert_field(p, "sale", "category", "shoes");
    assert_field(p, "help", "category", "1"); /* in quotes: text */
    assert_field(p, "ask", "category", "-");
    assert_field(p, "sale", "boost", "2");
    assert_field(p, "help", "boost", "-");
    assert_field(p, "ask", "boost", "0.5");
    assert_field(p, "sale", "vip", "true");
    assert_field(p, "ask", "vip", "-");
    assert_field(p, "help", "id", "help");
    assert_field(p, "help", "issue", "care");
    assert_field(p, "ask", "group", "desk");
    assert_field(p, "sale", "purpose", "promotional");
    for (size_t i = 0; i < p->slot_count; i++) {
        bool action = p->slots[i].kind == SLOT_ACTION;
        assert_int_equal(expr_slot_at(p->program, (uint32_t)i)->varies, action);
        assert_true(!action || p->slots[i].index < p->field_count);
    }
    policy_free(&p);
}

/* In an action's own expressions action.x is a constant, and a pair feature is still about the action. */
static void own_expressions_fold(void **state)
{
    (void)state;
    struct policy *p = load();
    const struct policy_action *sale = &p->actions[policy_action_find(p, STR("sale"))];
    const struct value *boost = expr_constant(p->program, sale->value);
    assert_true(boost && boost->type == VALUE_DOUBLE && boost->number == 2);
    /* the comparisons with constants are gone; what is left is the feature */
    assert_int_equal(sale->rules[ENGAGEMENT_SUITABILITY][0].when, feature(p, "same"));
    assert_int_equal(sale->treatments[0].content[0].text.parts[0].value, feature(p, "same"));
    policy_free(&p);
}

static void a_policy_without_them_has_no_fields(void **state)
{
    (void)state;
    static const struct policy_text plain = {
        "1.yaml",
        {HEAD
         "features: {same: {expr: \"profile.likes == 'x'\"}}\n"
         "actions:\n"
         "  - {id: a, issue: i, group: g, purpose: ask, value: \"action.boost\", features: {boost: 1}, " SHOWN
         "  - {id: b, issue: i, group: g, purpose: ask, value: 1, features: {boost: yes}, " SHOWN,
         0}};
    struct policy *p = load_within(&plain, 1, POLICY_MEMORY_MAX);
    assert_non_null(p);
    assert_int_equal(p->field_count, 0);
    for (size_t i = 0; i < p->slot_count; i++)
        assert_false(expr_slot_at(p->program, (uint32_t)i)->varies);
    policy_free(&p);
}

/* Wherever memory ends while loading, that is the finding. */
static void out_of_memory(void **state)
{
    (void)state;
    size_t failed = 0;
    for (size_t memory = 0;; memory += 208) {
        arena_reset(&arena);
        diags_init(&diags, &arena);
        struct policy *p = load_within(files, 2, memory);
        if (p) {
            policy_free(&p);
            break;
        }
        assert_true(diags.errors > 0);
        assert_non_null(strstr(diags.items[0].text, "memory"));
        failed++;
        assert_true(memory < POLICY_MEMORY_MAX);
    }
    assert_int_equal(diags.count, 0);
    assert_true(failed > 100);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(features_that_look_at_the_action),
        TEST(what_they_see_of_each_action),
        TEST(own_expressions_fold),
        TEST(a_policy_without_them_has_no_fields),
        TEST(out_of_memory),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
