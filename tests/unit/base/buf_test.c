/* Buffers and cursors: limits that stick, integers at their edges, varints as protobuf writes and refuses
 * them.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "base/rng.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void test_limit_sticks(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 10);
    buf_append(&b, "12345678", 8);
    assert_true(buf_ok(&b));
    buf_append(&b, "abc", 3);
    assert_false(buf_ok(&b));
    buf_byte(&b, 'x'); /* would fit, but the failure sticks */
    assert_int_equal(b.n, 8);
    assert_null(buf_reserve(&b, 1));
    buf_clear(&b);
    assert_true(buf_ok(&b));
    buf_append(&b, "0123456789", 10);
    assert_true(buf_ok(&b));
    assert_null(buf_reserve(&b, SIZE_MAX));
    buf_free(&b);
    assert_int_equal(b.limit, 10);
    assert_true(buf_ok(&b));
    buf_append(&b, NULL, 0);
    buf_str(&b, (struct str){NULL, 0});
    assert_true(buf_ok(&b) && b.n == 0);
    buf_free(&b);
}

static void test_growth(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1 << 20);
    for (int i = 0; i < 100000; i++)
        buf_byte(&b, (uint8_t)(i * 7));
    assert_int_equal(b.n, 100000);
    for (int i = 0; i < 100000; i++)
        assert_int_equal(b.p[i], (uint8_t)(i * 7));
    buf_clear(&b);
    buf_printf(&b, "%s-%d", "x", 42);
    buf_printf(&b, "%s", "");
    buf_str(&b, STR("!"));
    assert_int_equal(b.n, 5);
    assert_memory_equal(b.p, "x-42!", 5);
    buf_free(&b);
}

static void test_fixed(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 100);
    buf_u32le(&b, 0x01020304);
    buf_u64le(&b, 0x1112131415161718);
    assert_memory_equal(b.p, "\x04\x03\x02\x01\x18\x17\x16\x15\x14\x13\x12\x11", 12);
    struct cursor c = cursor_of(b.p, b.n);
    assert_int_equal(cursor_u32le(&c), 0x01020304);
    assert_int_equal(cursor_left(&c), 8);
    assert_int_equal(cursor_u64le(&c), 0x1112131415161718);
    assert_false(c.failed);
    assert_int_equal(cursor_byte(&c), 0);
    assert_true(c.failed);
    c = cursor_of(b.p, 7);
    cursor_u32le(&c);
    assert_int_equal(cursor_u32le(&c), 0); /* three bytes are no four */
    assert_true(c.failed);
    assert_null(cursor_bytes(&c, 0)); /* sticks */
    c = cursor_of(b.p, 7);
    assert_int_equal(cursor_u64le(&c), 0);
    assert_true(c.failed);
    c = cursor_of(b.p, 3);
    assert_ptr_equal(cursor_bytes(&c, 3), b.p);
    assert_non_null(cursor_bytes(&c, 0));
    assert_null(cursor_bytes(&c, SIZE_MAX));
    c = cursor_of(NULL, 0);
    assert_int_equal(cursor_left(&c), 0);
    cursor_byte(&c);
    assert_true(c.failed);
    buf_free(&b);
}

static void round_trip(uint64_t v, size_t bytes)
{
    struct buf b;
    buf_init(&b, 100);
    buf_varint(&b, v);
    assert_int_equal(b.n, bytes);
    struct cursor c = cursor_of(b.p, b.n);
    assert_true(cursor_varint(&c) == v && !c.failed && cursor_left(&c) == 0);
    for (size_t n = 0; n < b.n; n++) { /* cut short */
        c = cursor_of(b.p, n);
        assert_true(cursor_varint(&c) == 0 && c.failed);
    }
    buf_clear(&b);
    buf_svarint(&b, (int64_t)v);
    c = cursor_of(b.p, b.n);
    assert_true(cursor_svarint(&c) == (int64_t)v && !c.failed && cursor_left(&c) == 0);
    buf_free(&b);
}

static void test_varint(void **state)
{
    (void)state;
    for (unsigned k = 0; k < 64; k++) {
        uint64_t v = (uint64_t)1 << k;
        round_trip(v, k / 7 + 1);
        round_trip(v - 1, k == 0 ? 1 : (k - 1) / 7 + 1);
    }
    round_trip(UINT64_MAX, 10);
    struct rng r;
    rng_seed(&r, 2);
    for (int i = 0; i < 1000; i++) {
        uint64_t v = rng_u64(&r);
        round_trip(v, (size_t)(63 - __builtin_clzll(v)) / 7 + 1);
    }
    struct buf b;
    buf_init(&b, 100);
    static const struct {
        int64_t v;
        uint8_t byte;
    } zigzag[] = {{0, 0}, {-1, 1}, {1, 2}, {-2, 3}, {2, 4}, {-64, 127}};
    for (size_t i = 0; i < sizeof zigzag / sizeof *zigzag; i++) {
        buf_clear(&b);
        buf_svarint(&b, zigzag[i].v);
        assert_true(b.n == 1 && b.p[0] == zigzag[i].byte);
    }
    buf_clear(&b);
    buf_svarint(&b, INT64_MIN);
    assert_memory_equal(b.p, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10);
    buf_free(&b);
}

/* What a reader must do with bytes that no writer of ours makes. As protobuf, a longer form than needed is
 * understood (the value is the same) up to ten bytes; bits beyond the 64th are refused. */
static void test_foreign_varints(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
        bool ok;
        uint64_t v;
    } cases[] = {
        {"\x80\x00", 2, true, 0},
        {"\x81\x80\x80\x00", 4, true, 1},
        {"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", 10, true, 0},
        {"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 10, true, (uint64_t)1 << 63},
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10, true, UINT64_MAX},
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10, false, 0},
        {"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", 11, false, 0},
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, false, 0},
        {"\x80", 1, false, 0},
        {"", 0, false, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cursor c = cursor_of(cases[i].bytes, cases[i].n);
        uint64_t v = cursor_varint(&c);
        assert_int_equal(c.failed, !cases[i].ok);
        assert_true(v == cases[i].v);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_limit_sticks), cmocka_unit_test(test_growth),
                                       cmocka_unit_test(test_fixed), cmocka_unit_test(test_varint),
                                       cmocka_unit_test(test_foreign_varints)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
