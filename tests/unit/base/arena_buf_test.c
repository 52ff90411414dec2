/* Text written straight into an arena.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/arena_buf.h"
#include "base/rng.h"

static void text_is_kept_and_the_room_given_back(void **state)
{
    (void)state;
    struct arena a;
    struct arena_buf b;
    arena_init(&a, 1 << 20);
    arena_buf_init(&b, &a, 10000);
    buf_printf(&b.buf, "%d and %s", 5, "more");
    struct str s = arena_buf_take(&b);
    assert_int_equal(s.n, 10);
    assert_string_equal(s.p, "5 and more");
    assert_true(a.used <= 16);
    arena_free(&a);
}

static void too_much_fails_and_keeps_what_was(void **state)
{
    (void)state;
    struct arena a;
    struct arena_buf b;
    arena_init(&a, 1 << 20);
    arena_buf_init(&b, &a, 8);
    buf_str(&b.buf, STR("12345"));
    buf_str(&b.buf, STR("6789"));
    assert_false(buf_ok(&b.buf));
    assert_string_equal(arena_buf_take(&b).p, "12345");
    assert_null(arena_buf_take(&b).p);
    arena_buf_init(&b, &a, 8);
    buf_str(&b.buf, STR("12345678")); /* the whole room */
    assert_true(buf_ok(&b.buf));
    assert_string_equal(arena_buf_take(&b).p, "12345678");
    arena_free(&a);
}

static void dropped_text_leaves_nothing(void **state)
{
    (void)state;
    struct arena a;
    struct arena_buf b;
    arena_init(&a, 1 << 20);
    char *before = arena_strdup(&a, "before");
    size_t used = a.used;
    arena_buf_init(&b, &a, 100);
    buf_str(&b.buf, STR("text"));
    arena_buf_drop(&b);
    assert_int_equal(a.used, used);
    assert_string_equal(before, "before");
    arena_free(&a);
}

static void without_memory(void **state)
{
    (void)state;
    struct arena a;
    struct arena_buf b;
    arena_init(&a, 64);
    arena_buf_init(&b, &a, 65);
    buf_str(&b.buf, STR("x"));
    assert_false(buf_ok(&b.buf));
    assert_null(arena_buf_take(&b).p);
    arena_buf_drop(&b);
    arena_free(&a);
}

/* Texts of any length between other things, over the edges of chunks: all stay as they were written. */
static void many_texts_over_many_chunks(void **state)
{
    (void)state;
    enum { TEXTS = 2000 };
    static struct str texts[TEXTS];
    struct arena a;
    struct rng rng;
    rng_seed(&rng, 1);
    arena_init(&a, 64 << 20);
    for (int i = 0; i < TEXTS; i++) {
        struct arena_buf b;
        size_t n = rng_below(&rng, 3000);
        arena_buf_init(&b, &a, 3000 + rng_below(&rng, 20000));
        for (size_t k = 0; k < n; k++)
            buf_byte(&b.buf, (uint8_t)('a' + (i + k) % 26));
        texts[i] = arena_buf_take(&b);
        assert_int_equal(texts[i].n, n);
        assert_non_null(arena_alloc(&a, rng_below(&rng, 200)));
    }
    for (int i = 0; i < TEXTS; i++)
        for (size_t k = 0; k < texts[i].n; k++)
            assert_int_equal(texts[i].p[k], 'a' + (i + k) % 26);
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_kept_and_the_room_given_back),
        cmocka_unit_test(too_much_fails_and_keeps_what_was),
        cmocka_unit_test(dropped_text_leaves_nothing),
        cmocka_unit_test(without_memory),
        cmocka_unit_test(many_texts_over_many_chunks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
