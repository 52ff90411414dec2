/* Keys, versions, limits, request encoding and the heap: what all stores stand on.
 * SPDX-License-Identifier: Apache-2.0 */
#include "store/heap.h"
#include "store/resp.h"
#include "store/store_key.h"
#include "base/rng.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static void test_keys(void **state)
{
    char key[STORE_KEY_MAX];
    struct id128 id = {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255}};
    (void)state;
    assert_int_equal(store_key_state(key, "tact", STR("c1")), strlen("tact:{c1}:s"));
    assert_string_equal(key, "tact:{c1}:s");
    store_key_state(key, "p", STR("a}b%c{d"));
    assert_string_equal(key, "p:{a%7Db%25c{d}:s");
    store_key_record(key, "tact", STR("c1"), &id);
    assert_string_equal(key, "tact:{c1}:d:000102030405060708090a0b0c0d0eff");
    store_key_names(key, "tact");
    assert_string_equal(key, "tact:names");
    store_key_secret(key, "tact");
    assert_string_equal(key, "tact:secret");

    char worst[STORE_CUSTOMER_MAX], prefix[STORE_PREFIX_MAX + 1];
    memset(worst, '}', sizeof worst);
    memset(prefix, 'p', sizeof prefix - 1);
    prefix[sizeof prefix - 1] = 0;
    size_t n = store_key_record(key, prefix, (struct str){worst, sizeof worst}, &id);
    assert_int_equal(n, STORE_KEY_MAX - 1);
    assert_int_equal(strlen(key), n);
}

static void test_versions(void **state)
{
    char blob[STORE_BLOB_MIN] = {9};
    uint64_t versions[] = {1, 0x0102030405060708, UINT64_MAX, 1ULL << 63};
    (void)state;
    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
        store_version_bytes(versions[i], blob + STORE_VERSION_AT);
        assert_int_equal(store_version((struct str){blob, sizeof blob}), versions[i]);
        assert_int_equal(store_version((struct str){blob, sizeof blob - 1}), 0);
    }
    assert_int_equal(blob[0], 9);
    for (int s = STORE_OK; s <= STORE_REFUSED; s++)
        assert_string_not_equal(store_status_name((enum store_status)s), "?");
}

static void test_requests(void **state)
{
    char big[1234], out[2000];
    struct str args[4] = {STR("SET"), STR(""), STR("a\r\nb"), {big, sizeof big}};
    const char head[] = "*4\r\n$3\r\nSET\r\n$0\r\n\r\n$4\r\na\r\nb\r\n$1234\r\n";
    (void)state;
    memset(big, 'z', sizeof big);
    assert_int_equal(resp_size(args, 4), strlen(head) + sizeof big + 2);
    resp_write(out, args, 4);
    assert_memory_equal(out, head, strlen(head));
    assert_int_equal(out[resp_size(args, 4)], 0);
    assert_memory_equal(out + strlen(head) + sizeof big, "\r\n", 2);
    struct str ten[10] = {STR("1"), STR("2"), STR("3"), STR("4"), STR("5"),
                          STR("6"), STR("7"), STR("8"), STR("9"), STR("10")};
    resp_write(out, ten, 10);
    assert_memory_equal(out, "*10\r\n$1\r\n1\r\n", 12);
    assert_memory_equal(out + resp_size(ten, 10) - 8, "$2\r\n10\r\n", 8);
}

static void test_heap(void **state)
{
    enum { COUNT = 500 };
    struct heap_node nodes[COUNT];
    struct heap h = {0};
    struct rng r;
    bool in[COUNT] = {false};
    (void)state;
    rng_seed(&r, 1);
    assert_null(heap_first(&h));
    for (int round = 0; round < 20000; round++) { /* against a plain search for the smallest */
        size_t i = rng_below(&r, COUNT);
        if (in[i]) {
            heap_remove(&h, &nodes[i]);
            assert_int_equal(nodes[i].at, 0);
        } else {
            nodes[i] =
                (struct heap_node){.key = (int64_t)rng_below(&r, 50) - 25, .tie = rng_below(&r, 1000000)};
            heap_push(&h, &nodes[i]);
        }
        in[i] = !in[i];
        if (round % 10)
            continue;
        const struct heap_node *least = NULL;
        for (size_t k = 0; k < COUNT; k++)
            if (in[k] && (!least || nodes[k].key < least->key ||
                          (nodes[k].key == least->key && nodes[k].tie < least->tie)))
                least = &nodes[k];
        const struct heap_node *first = heap_first(&h);
        assert_true((first == NULL) == (least == NULL));
        assert_true(!first || (first->key == least->key && first->tie == least->tie));
    }
    for (struct heap_node *node; (node = heap_first(&h));)
        heap_remove(&h, node);
    heap_remove(&h, &nodes[0]); /* in none: nothing happens */
    heap_free(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_keys), cmocka_unit_test(test_versions),
                                       cmocka_unit_test(test_requests), cmocka_unit_test(test_heap)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
