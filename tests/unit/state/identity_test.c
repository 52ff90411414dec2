/* Where an id leads, and which ids are one customer's: they come back from a blob, whatever else is in it; two customers that
 * become one keep both's; bytes that cannot be are refused.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "context.h"
#include "state/identity.h"
#include "state/merge.h"

static void add(struct state *s, uint64_t merge, const char *id)
{
    assert_int_equal(identities_add(s, &(struct identity){merge, NOW, str_from(id)}), 1);
}

static void identities_come_back(void **state)
{
    struct context *t = *state;
    struct state s, again;
    struct error e;
    empty_state(&s, &t->schema, &t->arena);
    assert_null(identities_find(&s, 7));
    add(&s, 7, "phone:+98");
    assert_int_equal(identities_add(&s, &(struct identity){7, NOW, STR("other")}), 0);
    add(&s, UINT64_MAX, "");
    add(&s, 1, "device:x");
    for (uint64_t i = 100; i < 140; i++)
        add(&s, i * 3, "one of many");
    assert_int_equal(state_decode(&again, &t->schema, blob_of(&s, 1, &t->arena), &t->arena, &e), 0);
    assert_int_equal(again.identity_count, 43);
    assert_true(str_is(identities_find(&again, 7)->id, "phone:+98"));
    assert_true(str_is(identities_find(&again, 1)->id, "device:x"));
    assert_int_equal(identities_find(&again, UINT64_MAX)->id.n, 0);
    assert_true(identities_find(&again, 339)->time_ms == NOW);
    assert_null(identities_find(&again, 340));
    assert_int_equal(again.redirect.target.n, 0);
}

static void a_redirect_comes_back_with_the_rest_and_alone(void **state)
{
    struct context *t = *state;
    struct state s, again, alone;
    struct rng rng;
    struct error e;
    rng_seed(&rng, 3);
    empty_state(&s, &t->schema, &t->arena);
    struct signal g = random_signal(&rng, &t->schema, NOW, HOUR, &t->arena);
    assert_int_equal(state_apply(&s, &g, NOW), 1);
    s.redirect = (struct redirect){.target = STR("42"), .merge = 5, .under_way = true};
    assert_int_equal(state_decode(&again, &t->schema, blob_of(&s, 1, &t->arena), &t->arena, &e), 0);
    assert_true(str_is(again.redirect.target, "42") && again.redirect.merge == 5 && again.redirect.under_way);
    assert_int_equal(again.seen_count, 1);
    struct redirect done = {.target = STR("43"), .merge = 5};
    assert_int_equal(redirect_only(&alone, &t->schema, &t->arena, &done), 0);
    struct str blob = blob_of(&alone, 2, &t->arena);
    assert_true(blob.n < 32);
    assert_int_equal(state_decode(&again, &t->schema, blob, &t->arena, &e), 0);
    assert_true(str_is(again.redirect.target, "43") && !again.redirect.under_way && again.exists);
    assert_int_equal(again.seen_count, 0);
}

/* Each has its own, one is common; where into leads stays. */
static void a_merge_keeps_all(void **state)
{
    struct context *t = *state;
    struct state one, two;
    empty_state(&one, &t->schema, &t->arena);
    empty_state(&two, &t->schema, &t->arena);
    add(&one, 5, "a");
    add(&one, 9, "b");
    add(&two, 1, "c");
    add(&two, 9, "b");
    add(&two, 12, "d");
    two.redirect = (struct redirect){.target = STR("one"), .merge = 77, .under_way = true};
    assert_int_equal(state_merge(&one, &two, NOW), 0);
    assert_int_equal(one.identity_count, 4);
    assert_true(str_is(one.identities[0].id, "c") && str_is(one.identities[3].id, "d"));
    assert_int_equal(one.redirect.target.n, 0);
    assert_int_equal(two.identity_count, 3);
}

static int identities_from(const char *bytes, size_t n, struct context *t)
{
    struct state s;
    empty_state(&s, &t->schema, &t->arena);
    struct cursor c = cursor_of(bytes, n);
    return identities_get(&c, &s);
}

static int redirect_from(const char *bytes, size_t n, struct context *t)
{
    struct state s;
    empty_state(&s, &t->schema, &t->arena);
    struct cursor c = cursor_of(bytes, n);
    return redirect_get(&c, &s);
}

static void what_cannot_be_is_refused(void **state)
{
    struct context *t = *state;
    static const char good[] = "\1\0\0\0\0\0\0\0\2\2ab\2\0\0\0\0\0\0\0\2\1c";
    assert_int_equal(identities_from(good, sizeof good - 1, t), 0);
    for (size_t n = 0; n < sizeof good - 1; n++)
        assert_int_equal(identities_from(good, n, t), n == 12 ? 0 : ERR_CORRUPT);
    static const char twice[] = "\1\0\0\0\0\0\0\0\2\0\1\0\0\0\0\0\0\0\2\0", nothing[] = "\0\0\0\0\0\0\0\0\2\0";
    assert_int_equal(identities_from(twice, sizeof twice - 1, t), ERR_CORRUPT);
    assert_int_equal(identities_from(nothing, sizeof nothing - 1, t), ERR_CORRUPT);
    static const char to[] = "\0\1\0\0\0\0\0\0\0x", flags[] = "\2\1\0\0\0\0\0\0\0x", no_merge[] = "\1\0\0\0\0\0\0\0\0x";
    assert_int_equal(redirect_from(to, sizeof to - 1, t), 0);
    assert_int_equal(redirect_from(to, sizeof to - 2, t), ERR_CORRUPT);
    assert_int_equal(redirect_from(to, 5, t), ERR_CORRUPT);
    assert_int_equal(redirect_from(flags, sizeof flags - 1, t), ERR_CORRUPT);
    assert_int_equal(redirect_from(no_merge, sizeof no_merge - 1, t), ERR_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(identities_come_back, setup, teardown),
        cmocka_unit_test_setup_teardown(a_redirect_comes_back_with_the_rest_and_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(a_merge_keeps_all, setup, teardown),
        cmocka_unit_test_setup_teardown(what_cannot_be_is_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
