/* Templates: literals and holes, filters, escaping, values that are missing, and where findings point.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "policy/template.h"

/* The names of the test's expressions. */
static const struct {
    const char *name;
    uint8_t type;
} names[] = {{"name", VALUE_STRING},        {"none", VALUE_STRING},  {"empty", VALUE_STRING},
             {"count", VALUE_INT},          {"price", VALUE_DOUBLE}, {"markup", VALUE_STRING},
             {"profile.city", VALUE_STRING}};
enum { NAMES = sizeof names / sizeof *names };

static struct arena arena;
static struct expr_program *program;
static char findings[2000];

static struct value load(void *ctx, uint32_t slot, int64_t now_ms)
{
    (void)ctx;
    (void)now_ms;
    switch (slot) {
    case 0:
        return value_string(STR("Sara & Co"));
    case 2:
        return value_string(STR(""));
    case 3:
        return value_int(3);
    case 4:
        return value_double(12.5);
    case 5:
        return value_string(STR("<b title=\"x\">it's</b>"));
    case 6:
        return value_string(STR("شیراز"));
    default:
        return value_unknown(UNKNOWN_ABSENT);
    }
}

static int ident(void *ctx, struct str path, struct expr_symbol *out)
{
    (void)ctx;
    for (uint32_t i = 0; i < NAMES; i++)
        if (str_is(path, names[i].name)) {
            *out = (struct expr_symbol){.kind = EXPR_SYM_SLOT, .slot = i};
            return 0;
        }
    return ERR_NOTFOUND;
}

static int call(void *ctx, struct str name, const struct expr_arg *args, size_t count, size_t offset,
                const struct expr_report *report, struct expr_symbol *out)
{
    (void)ctx;
    (void)name;
    (void)args;
    (void)count;
    (void)offset;
    (void)report;
    (void)out;
    return ERR_NOTFOUND;
}

static const struct expr_scope scope = {.ident = ident, .call = call};

static void add(void *ctx, enum diag_severity severity, size_t offset, const char *text)
{
    (void)ctx;
    (void)severity;
    size_t n = strlen(findings);
    snprintf(findings + n, sizeof findings - n, "%zu: %s\n", offset, text);
}

static const struct expr_report report = {NULL, add};

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 16u << 20);
    program = expr_program_new(&arena);
    for (size_t i = 0; i < NAMES; i++) {
        struct expr_slot s = {.name = str_from(names[i].name), .type = {names[i].type, 0}};
        assert_int_equal(expr_slot_add(program, &s), i);
    }
    findings[0] = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

static void compile(const char *text, struct template *t)
{
    assert_int_equal(template_compile(str_from(text), program, &scope, &report, &arena, t), 0);
    assert_string_equal(findings, "");
}

/* Renders; "!x" when the value of x is missing. */
static const char *render(const char *text, bool html)
{
    static char out[4000];
    struct template t;
    struct expr_eval ev;
    const struct expr_source source = {.load = load};
    struct buf b;
    struct str missing = {0};
    compile(text, &t);
    assert_int_equal(expr_eval_init(&ev, program, &source, 0, &arena), 0);
    buf_init(&b, sizeof out - 1);
    int rc = template_render(&t, &ev, html, &b, &missing);
    if (rc == 0)
        snprintf(out, sizeof out, "%.*s", (int)b.n, b.n ? (const char *)b.p : "");
    else
        snprintf(out, sizeof out, "!%.*s", STR_ARG(missing));
    assert_true(rc == 0 || rc == ERR_NOTFOUND);
    buf_free(&b);
    return out;
}

static void test_text(void **state)
{
    (void)state;
    assert_string_equal(render("", false), "");
    assert_string_equal(render("plain } text }} { here", false), "plain } text }} { here");
    assert_string_equal(render("Hello {{ name }}!", false), "Hello Sara & Co!");
    assert_string_equal(render("{{name}}{{count}}", false), "Sara & Co3");
    assert_string_equal(render("{{ profile.city }}، {{ price }}", false), "شیراز، 12.5");
    assert_string_equal(render("{{ count > 2 ? 'many' : 'few' }}", false), "many");
    assert_string_equal(render("{{ count > 5 || price > 1.0 }}", false), "true"); /* || is no filter */
    assert_string_equal(render("{{ 'a|b' }}", false), "a|b");
    assert_string_equal(render("{{\n  name\n}}", false), "Sara & Co");
}

static void test_missing(void **state)
{
    (void)state;
    assert_string_equal(render("Hello {{ none }}", false), "!none");
    assert_string_equal(render("Hello {{ empty }}", false), "!empty");
    assert_string_equal(render("{{ name }} {{ 10 / (count - 3) }}", false), "!10 / (count - 3)");
    assert_string_equal(render("Hello {{ none | default: there }}", false), "Hello there");
    assert_string_equal(render("Hello {{ empty|default:there }}", false), "Hello there");
    assert_string_equal(render("{{ 10 / (count - 3) | default: ? }}", false), "?");
    assert_string_equal(render("{{ name | default: there }}", false), "Sara & Co");
    assert_string_equal(render("{{ none | default: }}.", false), ".");
    assert_string_equal(render("{{ none | default: دوست عزیز }}،", false), "دوست عزیز،");
    assert_string_equal(render("{{ none | default: it's, {so} to say: you }}", false),
                        "it's, {so} to say: you");
}

static void test_escape(void **state)
{
    (void)state;
    assert_string_equal(render("<p>{{ markup }}</p>", true),
                        "<p>&lt;b title=&quot;x&quot;&gt;it&#39;s&lt;/b&gt;</p>");
    assert_string_equal(render("{{ name }}", true), "Sara &amp; Co");
    assert_string_equal(render("{{ markup | raw }}", true), "<b title=\"x\">it's</b>");
    assert_string_equal(render("{{ markup | raw | default: x }}", true), "<b title=\"x\">it's</b>");
    assert_string_equal(render("{{ none | default: <i>you</i> | raw }}", true), "<i>you</i>");
    assert_string_equal(render("{{ none | default: <i>you</i> }}", true),
                        "<i>you</i>"); /* the policy's own text */
    assert_string_equal(render("{{ markup }}", false), "<b title=\"x\">it's</b>");
}

static void refuse(const char *text, const char *expected)
{
    struct template t;
    findings[0] = 0;
    assert_int_equal(template_compile(str_from(text), program, &scope, &report, &arena, &t), ERR_INVALID);
    if (!strstr(findings, expected))
        print_error("got %s", findings);
    assert_non_null(strstr(findings, expected));
}

static void test_refused(void **state)
{
    (void)state;
    refuse("Hello {{ name", "6: '{{' without '}}'");
    refuse("Hello {{ }}", "8: empty {{ }}");
    refuse("Hello {{ | raw }}", "8: empty {{ }}");
    refuse("Hello {{ nam }}", "9: unknown name 'nam'");
    refuse("{{ name | upper }}", "10: unknown filter 'upper'; allowed: default: text, raw");
    refuse("{{ name | Raw }}", "10: unknown filter 'Raw'; did you mean raw?");
    refuse("{{ name | default }}", "10: unknown filter 'default'; did you mean default:?");
    refuse("{{ name || }}", "the expression ends");
    refuse("{{ nam }} and {{ count + 1.5 }}", "3: unknown name"); /* both are found */
    assert_non_null(strstr(findings, "int + double"));
    findings[0] = 0;
}

static void test_limits(void **state)
{
    (void)state;
    static char text[TEMPLATE_TEXT_MAX + 2];
    struct template t;
    memset(text, 'x', TEMPLATE_TEXT_MAX + 1);
    refuse(text, "0: text over 64 KiB");
    findings[0] = 0;
    text[TEMPLATE_TEXT_MAX] = 0;
    compile(text, &t);
    size_t n = 0;
    for (int i = 0; i < 31; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "a{{ name }}");
    compile(text, &t);
    assert_int_equal(t.count, 62);
    snprintf(text + n, sizeof text - n, "a{{ name }}");
    refuse(text, "more than 31 {{ }}");
    findings[0] = 0;
    compile("{{ name }}{{ name }}", &t);
    struct buf tiny;
    struct expr_eval ev;
    struct str missing;
    const struct expr_source source = {.load = load};
    assert_int_equal(expr_eval_init(&ev, program, &source, 0, &arena), 0);
    buf_init(&tiny, 10);
    assert_int_equal(template_render(&t, &ev, true, &tiny, &missing), ERR_NOSPACE);
    buf_free(&tiny);
}

/* Whatever allocation fails: ERR_NOSPACE, never a template with a hole less. */
static void test_memory(void **state)
{
    (void)state;
    struct arena small;
    struct template t;
    int full = 0, rc = ERR_NOSPACE;
    for (size_t limit = 0; rc && limit < 4096; limit += 16) {
        arena_init(&small, limit);
        rc = template_compile(STR("a{{ name | default: b }}c{{ count }}"), program, &scope, &report, &small,
                              &t);
        assert_true(rc == 0 || rc == ERR_NOSPACE);
        full += rc == ERR_NOSPACE;
        if (rc == 0)
            assert_int_equal(t.count, 4);
        arena_free(&small);
    }
    assert_int_equal(rc, 0);
    assert_true(full > 4);
    assert_string_equal(findings, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_text, setup, teardown),
        cmocka_unit_test_setup_teardown(test_missing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_escape, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_memory, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
