/* Arenas: alignment, limits, what a reset and a rewind keep.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void test_alloc(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 64 << 20);
    unsigned char *before = NULL;
    size_t sizes[] = {0, 1, 15, 16, 17, 1000, 16 * 1024, 100 * 1024, 3 << 20, 1};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        unsigned char *p = arena_alloc(&a, sizes[i]);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 16, 0);
        assert_ptr_not_equal(p, before);
        memset(p, 0xAA, sizes[i]);
        before = p;
    }
    const unsigned char *zero = arena_zalloc(&a, 5000);
    for (int i = 0; i < 5000; i++)
        assert_int_equal(zero[i], 0);
    assert_string_equal(arena_strdup(&a, "text"), "text");
    assert_string_equal(arena_printf(&a, "%d %s", 7, "sevens"), "7 sevens");
    struct str s = arena_str(&a, STR("slice"));
    assert_true(str_is(s, "slice"));
    assert_int_equal(s.p[5], 0);
    s = arena_str(&a, (struct str){NULL, 0});
    assert_true(s.p && s.n == 0);
    assert_memory_equal(arena_memdup(&a, "abc", 3), "abc", 3);
    assert_non_null(arena_memdup(&a, NULL, 0));
    arena_free(&a);
    assert_non_null(arena_alloc(&a, 10)); /* usable again, with its limit */
    assert_int_equal(a.limit, 64 << 20);
    arena_free(&a);
}

static void test_limit(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 1000);
    assert_non_null(arena_alloc(&a, 990));
    assert_null(arena_alloc(&a, 17));
    assert_null(arena_alloc(&a, SIZE_MAX));
    assert_null(arena_alloc(&a, SIZE_MAX - 8));
    assert_null(arena_zalloc(&a, 100));
    assert_null(arena_printf(&a, "%100d", 1));
    assert_null(arena_str(&a, STR("0123456789012345678901234567890")).p);
    arena_reset(&a);
    assert_int_equal(a.used, 0);
    assert_non_null(arena_alloc(&a, 1000 - 1000 % 16));
    arena_free(&a);
    arena_init(&a, 0);
    assert_null(arena_alloc(&a, 1));
    arena_free(&a);
}

/* A request that reuses an arena gets the same memory again, and large chunks are given back. */
static void test_reset(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 64 << 20);
    void *first = arena_alloc(&a, 100), *second = arena_alloc(&a, 20 * 1024);
    for (int round = 0; round < 100; round++) {
        arena_reset(&a);
        assert_ptr_equal(arena_alloc(&a, 100), first);
        assert_ptr_equal(arena_alloc(&a, 20 * 1024), second);
        if (round % 10 == 0)
            assert_non_null(arena_alloc(&a, 10 << 20));
    }
    assert_int_equal(a.used, 112 + 20 * 1024);
    arena_free(&a);
}

static void test_mark(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 64 << 20);
    struct arena_mark empty = arena_mark(&a);
    char *kept = arena_strdup(&a, "kept");
    struct arena_mark mark = arena_mark(&a);
    void *first = arena_alloc(&a, 64);
    for (int round = 0; round < 50; round++) {
        arena_rewind(&a, mark);
        assert_int_equal(a.used, 16);
        assert_ptr_equal(arena_alloc(&a, 64), first);
        for (int i = 0; i < 40; i++) /* over several chunks */
            memset(arena_alloc(&a, 5000), round, 5000);
        assert_string_equal(kept, "kept");
    }
    arena_rewind(&a, empty);
    assert_int_equal(a.used, 0);
    assert_ptr_equal(arena_alloc(&a, 5), kept);
    arena_free(&a);
}

/* Pieces that grow from one rewind to the next do not pile up. */
static void test_growing(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 64 << 20);
    assert_non_null(arena_alloc(&a, 100));
    struct arena_mark mark = arena_mark(&a);
    for (size_t size = 1 << 20; size <= 24 << 20; size += 1 << 20) {
        arena_rewind(&a, mark);
        for (int i = 0; i < 2; i++) {
            char *p = arena_alloc(&a, size - 16);
            assert_non_null(p);
            p[0] = p[size - 17] = 'x';
        }
        assert_true(arena_held(&a) <= a.used + (2 << 20));
    }
    arena_free(&a);
    assert_int_equal(arena_held(&a), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_alloc), cmocka_unit_test(test_limit),
                                       cmocka_unit_test(test_reset), cmocka_unit_test(test_mark),
                                       cmocka_unit_test(test_growing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
