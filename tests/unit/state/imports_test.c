/* Marks of bulk imports: they come back from a blob, the first goes where there is no room, two customers that become one keep
 * both's, and a mark is of one customer alone.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "context.h"
#include "state/identity.h"
#include "state/imports.h"
#include "state/merge.h"

static void marks_come_back(void **state)
{
    struct context *t = *state;
    struct state s, again;
    struct error e;
    empty_state(&s, &t->schema, &t->arena);
    assert_false(imports_have(&s, 7));
    assert_int_equal(imports_add(&s, 7, NOW), 1);
    assert_int_equal(imports_add(&s, 7, NOW + DAY), 0);
    assert_int_equal(imports_add(&s, 0, -DAY), 1); /* a history from before 1970 */
    assert_int_equal(imports_add(&s, UINT64_MAX, NOW), 1);
    struct str blob = blob_of(&s, 1, &t->arena);
    assert_int_equal(state_decode(&again, &t->schema, blob, &t->arena, &e), 0);
    assert_int_equal(again.import_count, 3);
    assert_true(imports_have(&again, 7) && imports_have(&again, 0) && imports_have(&again, UINT64_MAX));
    assert_false(imports_have(&again, 8));
    assert_int_equal(again.imports[0].day, NOW / DAY);
    assert_int_equal(again.imports[1].day, 0);
    struct str twice = blob_of(&again, 1, &t->arena);
    assert_int_equal(blob.n, twice.n);
    assert_memory_equal(blob.p, twice.p, blob.n);
}

static void the_first_goes(void **state)
{
    struct context *t = *state;
    struct state s;
    empty_state(&s, &t->schema, &t->arena);
    for (uint64_t i = 1; i <= STATE_IMPORTS_MAX + 2; i++)
        assert_int_equal(imports_add(&s, i, NOW - (int64_t)i * DAY), 1); /* however old its history */
    assert_int_equal(s.import_count, STATE_IMPORTS_MAX);
    assert_false(imports_have(&s, 1) || imports_have(&s, 2));
    for (uint64_t i = 3; i <= STATE_IMPORTS_MAX + 2; i++)
        assert_true(imports_have(&s, i));
}

static void merged_customers_keep_both(void **state)
{
    struct context *t = *state;
    struct state a, b;
    uint64_t of_a = import_mark(99, STR("a")), of_b = import_mark(99, STR("b"));
    assert_true(of_a != of_b && of_a != import_mark(98, STR("a")));
    empty_state(&a, &t->schema, &t->arena);
    empty_state(&b, &t->schema, &t->arena);
    assert_int_equal(imports_add(&a, of_a, NOW), 1);
    assert_int_equal(imports_add(&b, of_b, NOW), 1);
    assert_int_equal(imports_add(&b, of_a, NOW), 1);
    assert_int_equal(state_merge(&b, &a, NOW), 0);
    assert_int_equal(b.import_count, 2);
    empty_state(&b, &t->schema, &t->arena);
    assert_int_equal(imports_add(&b, of_b, NOW), 1);
    assert_int_equal(state_merge(&b, &a, NOW), 0);
    assert_true(imports_have(&b, of_a) && imports_have(&b, of_b));
}

/* A person of many names, each of which had the same import: it must be known of every one of them. */
static void each_name_brings_its_marks(void **state)
{
    struct context *t = *state;
    struct state into, from, again;
    struct error e;
    enum { IDS = 40, MANY = STATE_IMPORTS_MOST / STATE_IMPORTS_MAX + 8 };
    uint64_t mark = 0;
    empty_state(&into, &t->schema, &t->arena);
    for (uint64_t id = 0; id < MANY; id++) {
        empty_state(&from, &t->schema, &t->arena);
        for (uint64_t i = 0; i < STATE_IMPORTS_MAX; i++)
            assert_int_equal(imports_add(&from, ++mark, NOW), 1);
        assert_int_equal(state_merge(&into, &from, NOW), 0);
        assert_int_equal(identities_add(&into, &(struct identity){id + 1, NOW, STR("x")}), 1);
        for (uint64_t m = 1; id < IDS && m <= mark; m++)
            assert_true(imports_have(&into, m));
    }
    assert_int_equal(into.import_count, STATE_IMPORTS_MOST);
    assert_true(imports_have(&into, mark) && !imports_have(&into, 1));
    assert_int_equal(state_decode(&again, &t->schema, blob_of(&into, 1, &t->arena), &t->arena, &e), 0);
    assert_int_equal(again.import_count, STATE_IMPORTS_MOST);
    assert_int_equal(imports_add(&again, ++mark, NOW), 1);
    assert_true(imports_have(&again, mark) && again.import_count == STATE_IMPORTS_MOST);
}

/* A payload that no writer of ours makes. */
static void damaged_marks_are_refused(void **state)
{
    struct context *t = *state;
    static const uint8_t twice[] = {1, 7, 0, 0, 0, 0, 0, 0, 0, 1, 7, 0, 0, 0, 0, 0, 0, 0};
    uint8_t many[(STATE_IMPORTS_MOST + 1) * 9] = {0};
    const struct {
        const void *p;
        size_t n;
    } bad[] = {{twice, sizeof twice}, {twice, 8}, {twice, 0}, {many, sizeof many}};
    for (size_t i = 0; i < sizeof many / 9; i++)
        memcpy(&many[i * 9 + 1], &(uint16_t){(uint16_t)i}, 2);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct state s;
        empty_state(&s, &t->schema, &t->arena);
        struct cursor c = cursor_of(bad[i].p, bad[i].n);
        assert_int_equal(imports_get(&c, &s), ERR_CORRUPT);
    }
    struct state s;
    empty_state(&s, &t->schema, &t->arena);
    struct cursor c = cursor_of(many, STATE_IMPORTS_MOST * 9);
    assert_int_equal(imports_get(&c, &s), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(marks_come_back, setup, teardown),
        cmocka_unit_test_setup_teardown(the_first_goes, setup, teardown),
        cmocka_unit_test_setup_teardown(merged_customers_keep_both, setup, teardown),
        cmocka_unit_test_setup_teardown(each_name_brings_its_marks, setup, teardown),
        cmocka_unit_test_setup_teardown(damaged_marks_are_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
