/* Handles: what goes in comes out, at every length; anything else, down to one changed bit, is refused.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"
#include "decide/handle.h"

static const uint8_t key[HANDLE_KEY_BYTES] = "0123456789abcde",
                     other_key[HANDLE_KEY_BYTES] = "0123456789abcdf";

static struct handle sample(const char *customer)
{
    return (struct handle){.decision = {{1, 2, 3, 255}},
                           .time_ms = NOW,
                           .action = 17,
                           .channel = 3,
                           .probability = 0.125f,
                           .server = STR("server-1"),
                           .customer = str_from(customer)};
}

static void round_trip(const struct handle *h, struct handle *out, uint8_t scratch[HANDLE_MAX])
{
    char text[HANDLE_MAX];
    struct error e = {0};
    size_t n = handle_make(h, key, text);
    assert_true(n > 0 && n <= HANDLE_MAX);
    for (size_t i = 0; i < n; i++)
        assert_true(strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", text[i]) !=
                    NULL);
    assert_int_equal(handle_read((struct str){text, n}, key, scratch, out, &e), 0);
    assert_true(id128_eq(out->decision, h->decision));
    assert_true(out->time_ms == h->time_ms && out->action == h->action && out->channel == h->channel);
    assert_true(out->probability == h->probability);
}

static void customers_of_every_length(void **state)
{
    (void)state;
    char customer[301];
    uint8_t scratch[HANDLE_MAX];
    for (size_t n = 1; n <= 300; n++) {
        memset(customer, 'c', n);
        customer[n] = 0;
        struct handle h = sample(customer), out;
        round_trip(&h, &out, scratch);
        assert_true(str_is(out.server, "server-1"));
        if (n <= HANDLE_CUSTOMER_MAX) {
            assert_true(str_is(out.customer, customer));
        } else {
            assert_int_equal(out.customer.n, 0);
            assert_true(out.customer_hash == hash64(customer, n));
        }
    }
}

/* Every field at its largest. */
static void never_over_256(void **state)
{
    (void)state;
    char customer[HANDLE_CUSTOMER_MAX + 1] = {0}, text[HANDLE_MAX];
    memset(customer, 'x', HANDLE_CUSTOMER_MAX);
    struct handle h = sample(customer), out;
    uint8_t scratch[HANDLE_MAX];
    h.time_ms = INT64_MAX;
    h.action = h.channel = UINT32_MAX;
    h.server = STR("a server's name that is much longer than those that fit");
    round_trip(&h, &out, scratch);
    assert_int_equal(out.server.n, HANDLE_SERVER_MAX);
    assert_true(str_starts(h.server, out.server));
    assert_true(handle_make(&h, key, text) <= HANDLE_MAX);
}

static void assert_refused(struct str text, const uint8_t *k)
{
    uint8_t scratch[HANDLE_MAX];
    struct handle out;
    struct error e = {0};
    assert_int_equal(handle_read(text, k, scratch, &out, &e), ERR_INVALID);
    assert_string_equal(e.text, "handle: not one of ours, or changed; pass it exactly as Decide gave it");
}

static void changed_handles_are_refused(void **state)
{
    (void)state;
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/ .\n";
    const char *const customers[] = {"c", "customer", "a customer with an id of some length, 1234567890"};
    char text[HANDLE_MAX], copy[HANDLE_MAX + 1];
    for (size_t c = 0; c < 3; c++) {
        struct handle h = sample(customers[c]);
        size_t n = handle_make(&h, key, text);
        assert_refused((struct str){text, n}, other_key);
        for (size_t i = 0; i < n; i++) {
            assert_refused((struct str){text, i}, key);
            for (const char *with = alphabet; *with; with++) {
                memcpy(copy, text, n);
                copy[i] = *with;
                if (*with != text[i])
                    assert_refused((struct str){copy, n}, key);
            }
        }
        memcpy(copy, text, n);
        copy[n] = 'A';
        assert_refused((struct str){copy, n + 1}, key);
    }
    memset(copy, 'A', sizeof copy);
    assert_refused((struct str){copy, sizeof copy}, key);
    assert_refused((struct str){copy, HANDLE_MAX}, key);
    assert_refused((struct str){0}, key);
}

/* Signed by us, but not of a form that we make: a key leaked to another program must not crash ours. */
static void signed_nonsense_is_refused(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, 41);
    for (int round = 0; round < 20000; round++) {
        uint8_t bytes[192];
        char text[HANDLE_MAX];
        size_t n = 9 + rng_below(&rng, sizeof bytes - 9);
        for (size_t i = 0; i < n; i++)
            bytes[i] = (uint8_t)rng_u64(&rng);
        bytes[0] = 1;
        uint64_t mac = siphash24(key, bytes + 9, n - 9);
        for (int i = 0; i < 8; i++)
            bytes[1 + i] = (uint8_t)(mac >> (8 * i));
        uint8_t scratch[HANDLE_MAX];
        struct handle out;
        struct error e = {0};
        int rc = handle_read((struct str){text, base64url_encode(bytes, n, text)}, key, scratch, &out, &e);
        assert_true(rc == 0 || rc == ERR_INVALID);
        if (rc == 0)
            assert_true(out.server.n + out.customer.n < n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(customers_of_every_length),
        cmocka_unit_test(never_over_256),
        cmocka_unit_test(changed_handles_are_refused),
        cmocka_unit_test(signed_nonsense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
