/* Hashes against their published vectors, ids and base64url as text.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"
#include "base/rng.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

/* SipHash-2-4 of the bytes 00 01 02 … (length = index) under the key 00 01 … 0f: vectors_sip64 of the
 * reference implementation; the same from OpenSSL's SIPHASH. */
static const uint64_t sip[64] = {
    0x726fdb47dd0e0e31, 0x74f839c593dc67fd, 0x0d6c8009d9a94f5a, 0x85676696d7fb7e2d, 0xcf2794e0277187b7,
    0x18765564cd99a68d, 0xcbc9466e58fee3ce, 0xab0200f58b01d137, 0x93f5f5799a932462, 0x9e0082df0ba9e4b0,
    0x7a5dbbc594ddb9f3, 0xf4b32f46226bada7, 0x751e8fbc860ee5fb, 0x14ea5627c0843d90, 0xf723ca908e7af2ee,
    0xa129ca6149be45e5, 0x3f2acc7f57c29bdb, 0x699ae9f52cbe4794, 0x4bc1b3f0968dd39c, 0xbb6dc91da77961bd,
    0xbed65cf21aa2ee98, 0xd0f2cbb02e3b67c7, 0x93536795e3a33e88, 0xa80c038ccd5ccec8, 0xb8ad50c6f649af94,
    0xbce192de8a85b8ea, 0x17d835b85bbb15f3, 0x2f2e6163076bcfad, 0xde4daaaca71dc9a5, 0xa6a2506687956571,
    0xad87a3535c49ef28, 0x32d892fad841c342, 0x7127512f72f27cce, 0xa7f32346f95978e3, 0x12e0b01abb051238,
    0x15e034d40fa197ae, 0x314dffbe0815a3b4, 0x027990f029623981, 0xcadcd4e59ef40c4d, 0x9abfd8766a33735c,
    0x0e3ea96b5304a7d0, 0xad0c42d6fc585992, 0x187306c89bc215a9, 0xd4a60abcf3792b95, 0xf935451de4f21df2,
    0xa9538f0419755787, 0xdb9acddff56ca510, 0xd06c98cd5c0975eb, 0xe612a3cb9ecba951, 0xc766e62cfcadaf96,
    0xee64435a9752fe72, 0xa192d576b245165a, 0x0a8787bf8ecb74b2, 0x81b3e73d20b49b6f, 0x7fa8220ba3b2ecea,
    0x245731c13ca42499, 0xb78dbfaf3a8d83bd, 0xea1ad565322a1a0b, 0x60e61c23a3795013, 0x6606d7e446282b93,
    0x6ca4ecb15c5f91e1, 0x9f626da15c9625f3, 0xe51b38608ef25f57, 0x958a324ceb064572,
};

static void test_siphash(void **state)
{
    (void)state;
    uint8_t key[16], input[64];
    for (uint8_t i = 0; i < 16; i++)
        key[i] = i;
    for (uint8_t i = 0; i < 64; i++)
        input[i] = i;
    for (size_t n = 0; n < 64; n++)
        assert_true(siphash24(key, input, n) == sip[n]);
    assert_true(siphash24(key, NULL, 0) == sip[0]);
    assert_true(siphash24(key, input, 15) == 0xa129ca6149be45e5); /* the paper's appendix A */
    key[0] ^= 1;
    assert_true(siphash24(key, input, 15) != sip[15]);
}

static void test_xxh3(void **state)
{
    (void)state;
    assert_true(hash64("", 0) == 0x2d06800538d394c2); /* xxHash 0.8's published values for nothing */
    char text[ID128_TEXT];
    id128_text(hash128("", 0), text);
    assert_string_equal(text, "99aa06d3014798d86001c324468d497f");
    assert_true(hash64_seed("", 0, 0) == hash64("", 0));
    assert_true(hash64_seed("a", 1, 1) != hash64("a", 1));
    static uint8_t bytes[5000];
    struct rng r;
    rng_seed(&r, 5);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)rng_u64(&r);
    for (size_t n = 0; n < sizeof bytes; n += 97) { /* streamed in pieces is the same as at once */
        struct hasher *h = hasher_new();
        for (size_t at = 0; at < n;) {
            size_t piece = 1 + rng_below(&r, 300);
            piece = piece < n - at ? piece : n - at;
            hasher_add(h, bytes + at, piece);
            at += piece;
        }
        assert_true(id128_eq(hasher_take(&h), hash128(bytes, n)));
        assert_null(h);
    }
}

static void test_id_text(void **state)
{
    (void)state;
    struct id128 id = {{0x00, 0x01, 0x7f, 0x80, 0xff, 0xab, 0xcd, 0xef, 1, 2, 3, 4, 5, 6, 7, 8}}, back;
    char text[ID128_TEXT];
    id128_text(id, text);
    assert_string_equal(text, "00017f80ffabcdef0102030405060708");
    assert_true(id128_parse(str_from(text), &back) && id128_eq(id, back));
    static const char *const bad[] = {"",
                                      "00017f80ffabcdef010203040506070",
                                      "00017f80ffabcdef01020304050607089",
                                      "00017F80ffabcdef0102030405060708",
                                      "00017g80ffabcdef0102030405060708",
                                      "0x017f80ffabcdef0102030405060708",
                                      " 0017f80ffabcdef0102030405060708"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(id128_parse(str_from(bad[i]), &back));
}

static void test_base64url(void **state)
{
    (void)state;
    static const struct {
        const char *plain, *encoded;
    } cases[] = {{"", ""},
                 {"f", "Zg"},
                 {"fo", "Zm8"},
                 {"foo", "Zm9v"},
                 {"foob", "Zm9vYg"},
                 {"fooba", "Zm9vYmE"},
                 {"foobar", "Zm9vYmFy"}, /* RFC 4648 section 10 */
                 {"\xfb\xff\xfe", "-__-"}};
    char text[64];
    uint8_t bytes[64];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t n = strlen(cases[i].plain), k = base64url_encode(cases[i].plain, n, text);
        assert_int_equal(k, (n * 4 + 2) / 3);
        assert_int_equal(k, strlen(cases[i].encoded));
        assert_memory_equal(text, cases[i].encoded, k);
        assert_int_equal(base64url_decode(str_from(cases[i].encoded), bytes), n);
        assert_memory_equal(bytes, cases[i].plain, n);
    }
    static const char *const bad[] = {"Z",    "Zm9vY",  "Zg==", "Zg=", "Zm+v",       "Zm/v",
                                      "Zm v", "Zm\n9v", "Zh",   "Zm9", "Zm9vYmF\xff"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(base64url_decode(str_from(bad[i]), bytes), -1);
    struct rng r;
    rng_seed(&r, 6);
    for (int round = 0; round < 2000; round++) {
        uint8_t in[45];
        size_t n = rng_below(&r, sizeof in + 1);
        for (size_t i = 0; i < n; i++)
            in[i] = (uint8_t)rng_u64(&r);
        size_t k = base64url_encode(in, n, text);
        assert_int_equal(base64url_decode((struct str){text, k}, bytes), n);
        assert_memory_equal(bytes, in, n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_siphash), cmocka_unit_test(test_xxh3),
                                       cmocka_unit_test(test_id_text), cmocka_unit_test(test_base64url)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
