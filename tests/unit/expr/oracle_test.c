/* Expressions against an independent oracle, tests/cases/expr_oracle.py: random trees whose values Python
 * computed by walking them. The small file of cases beside it is always run; where python3 is installed,
 * thousands more are made afresh (always the same ones, from a fixed seed).
 * SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"
#include <math.h>

enum { PER_KIND = 4, LINE_MAX_BYTES = 1 << 18, FRESH_CASES = 8000 };

static struct test_slot slots[6 * PER_KIND];

static void declare_slots(void)
{
    static const uint8_t kinds[] = {VALUE_BOOL,   VALUE_INT,       VALUE_DOUBLE,
                                    VALUE_STRING, VALUE_TIMESTAMP, VALUE_DURATION};
    static char names[6 * PER_KIND][16];
    for (int i = 0; i < 6 * PER_KIND; i++) {
        snprintf(names[i], sizeof names[i], "%s%d", value_type_name(kinds[i / PER_KIND]), i % PER_KIND);
        slots[i] = (struct test_slot){.name = names[i], .kind = kinds[i / PER_KIND]};
    }
}

static size_t from_hex(const char *hex, char *out)
{
    size_t n = strlen(hex) / 2;
    for (size_t i = 0; i < n; i++) {
        unsigned byte;
        assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
        out[i] = (char)byte;
    }
    return n;
}

/* "int:5" and the like; text is cut up, and strings of the value live in it. */
static struct value value_of(char *text)
{
    if (!strcmp(text, "error"))
        return value_error("given");
    char *rest = strchr(text, ':');
    assert_non_null(rest);
    *rest++ = 0;
    if (!strcmp(text, "unknown"))
        return value_unknown(strcmp(rest, "absent") ? UNKNOWN_UNREADABLE : UNKNOWN_ABSENT);
    if (!strcmp(text, "bool"))
        return value_bool(!strcmp(rest, "true"));
    if (!strcmp(text, "string"))
        return value_string((struct str){rest, from_hex(rest, rest)});
    if (!strcmp(text, "double")) {
        uint64_t bits = strtoull(rest, NULL, 16);
        struct value v = value_double(0);
        memcpy(&v.number, &bits, sizeof bits);
        return v;
    }
    int64_t i = strtoll(rest, NULL, 10);
    if (!strcmp(text, "timestamp"))
        return value_timestamp(i);
    if (!strcmp(text, "duration"))
        return value_duration(i);
    assert_string_equal(text, "int");
    return value_int(i);
}

static bool agree(struct value got, struct value want)
{
    if (got.type == VALUE_ERROR || (got.type == VALUE_DOUBLE && isnan(got.number)))
        return want.type == got.type && (got.type == VALUE_ERROR || isnan(want.number));
    return value_same(got, want);
}

static void set_slots(struct harness *h, char *text)
{
    for (char *item = strtok(text, ","); item; item = strtok(NULL, ",")) {
        char *value = strchr(item, '=');
        *value++ = 0;
        size_t i = 0;
        while (i < h->count && strcmp(h->slots[i].name, item) != 0)
            i++;
        assert_true(i < h->count);
        h->values[i] = value_of(value);
    }
}

static void check_case(struct harness *h, char *line)
{
    expr_id id;
    struct expr_eval ev;
    char *values = strchr(line, '\t');
    assert_non_null(values);
    *values++ = 0;
    char *expected = strchr(values, '\t');
    assert_non_null(expected);
    *expected++ = 0;
    expected[strcspn(expected, "\n")] = 0;
    for (char *c = line; *c; c++)
        if (*c == '\x1f')
            *c = '\n';
    set_slots(h, values);
    if (harness_compile(h, line, VALUE_UNKNOWN, &id))
        fail_msg("%s: %s", line, h->finding_count ? h->findings[0].text : "no finding");
    arena_reset(&h->request);
    assert_int_equal(expr_eval_init(&ev, h->program, &h->source, 0, &h->request), 0);
    struct value want = value_of(expected), got = expr_eval(&ev, id);
    if (agree(got, want))
        return;
    print_error("%s\n  gives    %s\n", line, harness_show(got));
    print_error("  expected %s\n", harness_show(want));
    for (size_t i = 0; i < h->count; i++)
        if (strstr(line, h->slots[i].name))
            print_error("  %s = %s\n", h->slots[i].name, harness_show(h->values[i]));
    fail();
}

static int check_stream(FILE *in)
{
    static char line[LINE_MAX_BYTES];
    int cases = 0;
    struct harness h;
    harness_init(&h, slots, 6 * PER_KIND);
    for (; fgets(line, sizeof line, in); cases++) {
        if (cases % 500 == 499) { /* many expressions share a program, but not all */
            harness_free(&h);
            harness_init(&h, slots, 6 * PER_KIND);
        }
        check_case(&h, line);
    }
    harness_free(&h);
    return cases;
}

static void agrees_on_kept_cases(void **state)
{
    (void)state;
    FILE *in = fopen("tests/cases/expr_oracle.txt", "r");
    assert_non_null(in);
    assert_int_equal(check_stream(in), 400);
    fclose(in);
}

static void agrees_on_fresh_cases(void **state)
{
    (void)state;
    if (system("python3 -c '' 2>/dev/null") != 0)
        skip();
    char command[128];
    snprintf(command, sizeof command, "python3 tests/cases/expr_oracle.py --seed 20250115 --count %d",
             FRESH_CASES);
    FILE *in = popen(command, "r");
    assert_non_null(in);
    assert_int_equal(check_stream(in), FRESH_CASES);
    assert_int_equal(pclose(in), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_on_kept_cases),
        cmocka_unit_test(agrees_on_fresh_cases),
    };
    declare_slots();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
