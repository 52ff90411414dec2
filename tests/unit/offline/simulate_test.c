/* The simulated world: its truth as world.h states it, its data as simulate.h states them, the same bytes every time.
 * SPDX-License-Identifier: Apache-2.0 */
#include "offline_files.h"
#include "small_policy.h"
#include "base/rng.h"
#include "models/offline/simulate.h"
#include "models/offline/world.h"
#include <math.h>

static struct tzdb *zones;
static struct names *names;

static int open_all(void **state)
{
    (void)state;
    zones = load_zones();
    names = names_new();
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    names_free(&names);
    tzdb_free(&zones);
    return 0;
}

static struct policy *bound(const char *folder)
{
    struct error e = {0};
    struct policy *p = load_policy(folder, zones);
    if (policy_bind_interning(p, names, &e))
        fail_msg("%s", e.text);
    return p;
}

/* The CSV of a simulation; the caller frees it. */
static struct str run(const struct policy *p, uint32_t customers, uint32_t days, uint64_t seed,
                      struct simulate_result *result)
{
    struct error e = {0};
    char *text = NULL;
    size_t n = 0;
    struct simulate_options o = {.policy = p, .customers = customers, .days = days, .seed = seed};
    o.out = open_memstream(&text, &n);
    assert_non_null(o.out);
    if (simulate(&o, result, &e))
        fail_msg("%s", e.text);
    assert_int_equal(fclose(o.out), 0);
    return (struct str){text, n};
}

static void free_text(struct str s)
{
    free((char *)(uintptr_t)s.p);
}

static void test_same_bytes(void **state)
{
    (void)state;
    struct simulate_result result;
    struct policy *p = bound(RETAIL);
    struct str a = run(p, 20, 20, 7, &result), b = run(p, 20, 20, 7, &result),
               other = run(p, 20, 20, 8, &result);
    assert_true(str_eq(a, b));
    assert_int_equal(hash64(a.p, a.n), hash64(b.p, b.n));
    assert_false(str_eq(a, other));
    /* More people: the same ones first. More days: no other first days. */
    struct str more = run(p, 21, 20, 7, &result);
    assert_true(more.n > a.n && str_starts(more, a));
    struct str one = run(p, 1, 20, 7, &result), longer = run(p, 1, 40, 7, &result);
    assert_true(longer.n > one.n && str_starts(longer, one));
    free_text(a), free_text(b), free_text(other), free_text(more), free_text(one), free_text(longer);
    policy_free(&p);
}

static struct policy *small(const char *folder)
{
    write_text_file(folder, "policy.yaml", small_policy);
    return bound(folder);
}

/* Whatever the compiler, the optimiser and the version of libm: these bytes. */
static void test_golden_hash(void **state)
{
    struct simulate_result result;
    struct policy *p = small(*state);
    struct str a = run(p, 40, 30, 7, &result);
    assert_int_equal(result.rows, 515);
    assert_int_equal(hash64(a.p, a.n), UINT64_C(0x79cf47226bef519d));
    free_text(a);
    policy_free(&p);
}

/* ---- the data ---- */

enum { FIELDS_MAX = 64 };

/* Splits a line in place (its fields hold no commas in the retail policy); the number of fields. */
static size_t split(char *line, char *fields[FIELDS_MAX])
{
    size_t n = 0;
    for (char *p = line; p && n < FIELDS_MAX; n++) {
        fields[n] = p;
        if ((p = strchr(p, ',')))
            *p++ = 0;
    }
    return n;
}

static size_t column(char *const *header, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(header[i], name) == 0)
            return i;
    fail_msg("no column %s", name);
    return 0;
}

static void test_rows(void **state)
{
    (void)state;
    struct simulate_result result;
    struct policy *p = bound(RETAIL);
    struct str csv = run(p, 150, 40, 3, &result);
    char *save, *header[FIELDS_MAX], *fields[FIELDS_MAX];
    size_t columns = split(strtok_r((char *)(uintptr_t)csv.p, "\n", &save), header);
    assert_int_equal(columns, 3 + p->feature_count + 4 + 3);
    size_t action = column(header, columns, "action"), id = column(header, columns, "action.id");
    size_t probability = column(header, columns, "action_probability"),
           truth = column(header, columns, "true_propensity");
    size_t label = column(header, columns, "label"), open = column(header, columns, "support_open");
    uint64_t rows = 0, positives = 0, in_case = 0, promoted_in_case = 0;
    double expected = 0, variance = 0;
    for (char *line; (line = strtok_r(NULL, "\n", &save)); rows++) {
        assert_int_equal(split(line, fields), columns);
        assert_string_equal(fields[action], fields[id]);
        long at = policy_action_find(p, str_from(fields[action]));
        assert_true(at >= 0);
        double share = atof(fields[probability]), t = atof(fields[truth]);
        assert_true(share > 0 && share <= 1 && t >= 0.002 && t <= 0.95);
        assert_true(strcmp(fields[label], "0") == 0 || strcmp(fields[label], "1") == 0);
        positives += fields[label][0] == '1';
        expected += t;
        variance += t * (1 - t);
        bool waits = atof(fields[open]) > 0;
        in_case += waits;
        promoted_in_case += waits && p->actions[at].purpose == PURPOSE_PROMOTIONAL;
        /* Suppressed actions come only by exploring, so they are rare draws. */
        if (waits && p->actions[at].purpose == PURPOSE_PROMOTIONAL)
            assert_true(share <= SIMULATE_EXPLORE);
    }
    assert_int_equal(rows, result.rows);
    assert_int_equal(positives, result.positives);
    assert_true(rows > 2000);
    assert_true(fabs((double)positives - expected) < 4 * sqrt(variance));
    assert_true(fabs(expected / (double)rows - result.truth) < 1e-5);
    assert_true(promoted_in_case > 0 && promoted_in_case * 4 < in_case);
    free_text(csv);
    policy_free(&p);
}

static void test_quoted_text(void **state)
{
    struct simulate_result result;
    struct policy *p = small(*state);
    struct str csv = run(p, 5, 10, 1, &result);
    assert_non_null(memmem(csv.p, csv.n, ",\"one, two\",", 12));
    free_text(csv);
    policy_free(&p);
}

/* ---- what a policy may lack ---- */

static void refuse(const struct policy *p, const char *part)
{
    struct error e = {0};
    struct simulate_result result;
    char *text = NULL;
    size_t n = 0;
    struct simulate_options o = {.policy = p, .customers = 1, .days = 1, .out = open_memstream(&text, &n)};
    assert_int_equal(simulate(&o, &result, &e), ERR_INVALID);
    assert_non_null(strstr(e.text, part));
    fclose(o.out);
    free(text);
}

/* The small policy with the first `what` replaced. */
static struct policy *changed(const char *folder, const char *what, const char *by)
{
    const char *at = strstr(small_policy, what);
    char *text = NULL;
    assert_non_null(at);
    assert_true(asprintf(&text, "%.*s%s%s", (int)(at - small_policy), small_policy, by, at + strlen(what)) >
                0);
    write_text_file(folder, "policy.yaml", text);
    free(text);
    return bound(folder);
}

static void test_refused(void **state)
{
    static const struct {
        const char *what, *by, *part;
    } cases[] = {
        {"item_returned:", "item_sent_back:", "the signal item_returned"},
        {"case: string, csat: number", "case: string, note: string", "support_resolved with a property csat"},
        {"order: string, days: int}", "order: int, days: number}", "order_delayed.order as a string"},
        {"  busy: {expr", "  time: {expr", "feature time"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct policy *p = changed(*state, cases[i].what, cases[i].by);
        refuse(p, cases[i].part);
        policy_free(&p);
    }
}

/* ---- pair features ---- */

/* Each row has what its own action's constants make of them, as written beside them. */
static void test_pair_features(void **state)
{
    struct simulate_result result;
    struct policy *p = changed(*state, "  busy: {",
                               "  same: {expr: \"last_category == action.category\"}\n"
                               "  gain: {expr: \"action.discount\"}\n"
                               "  who: {expr: \"action.id\"}\n"
                               "  busy: {");
    struct str csv = run(p, 60, 30, 5, &result);
    char *save, *header[FIELDS_MAX], *f[FIELDS_MAX];
    size_t columns = split(strtok_r((char *)(uintptr_t)csv.p, "\n", &save), header);
    size_t same = column(header, columns, "same"), gain = column(header, columns, "gain"),
           who = column(header, columns, "who"), last = column(header, columns, "last_category"),
           discount = column(header, columns, "action.discount"),
           category = column(header, columns, "action.category"), rows = 0, answers[3] = {0};
    for (char *line; (line = strtok_r(NULL, "\n", &save)); rows++) {
        assert_true(split(line, f) >= columns); /* one action has a comma in a constant behind these */
        assert_string_equal(f[who], f[2]);
        assert_string_equal(f[gain], f[discount]);
        bool known = f[last][0] && f[category][0], equal = strcmp(f[last], f[category]) == 0;
        assert_string_equal(f[same], !known ? "" : equal ? "true" : "false");
        answers[known ? equal : 2]++;
    }
    assert_int_equal(rows, result.rows);
    assert_true(answers[0] > 50 && answers[1] > 20 && answers[2] > 5);
    free_text(csv);
    policy_free(&p);
}

/* ---- the shift ---- */

/* The days before it are those of a world without. Line 1 is the header. */
static void test_shift(void **state)
{
    (void)state;
    struct error e = {0};
    struct simulate_result result;
    struct policy *p = bound(RETAIL);
    char *text = NULL;
    size_t n = 0;
    struct simulate_options o = {.policy = p, .customers = 1, .days = 60, .seed = 7, .shift_day = 31};
    struct str plain = run(p, 1, 60, 7, &result), before = run(p, 1, 30, 7, &result);
    o.out = open_memstream(&text, &n);
    assert_int_equal(simulate(&o, &result, &e), 0);
    fclose(o.out);
    assert_true(before.n > 2000 && n > before.n);
    assert_memory_equal(text, before.p, before.n);
    assert_false(str_eq(plain, (struct str){text, n}));
    free(text), free_text(plain), free_text(before);
    policy_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_bytes),
        cmocka_unit_test_setup_teardown(test_golden_hash, scratch_make, scratch_remove),
        cmocka_unit_test(test_rows),
        cmocka_unit_test_setup_teardown(test_quoted_text, scratch_make, scratch_remove),
        cmocka_unit_test_setup_teardown(test_refused, scratch_make, scratch_remove),
        cmocka_unit_test_setup_teardown(test_pair_features, scratch_make, scratch_remove),
        cmocka_unit_test(test_shift),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
