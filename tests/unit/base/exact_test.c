/* exact_exp against the C library's exp, which is within 1 ulp too, and at its edges.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/exact.h"
#include "base/rng.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void near_libm(void **state)
{
    (void)state;
    struct rng r;
    rng_seed(&r, 5);
    for (int i = 0; i < 1000000; i++) {
        double span = i % 3 == 0 ? 1 : i % 3 == 1 ? 40 : 700;
        double x = (rng_double(&r) * 2 - 1) * span;
        double want = exp(x), got = exact_exp(x);
        double ulp = nextafter(want, INFINITY) - want;
        if (fabs(got - want) > 2 * ulp)
            fail_msg("exp(%a) = %a, not %a", x, want, got);
    }
}

/* Bits that no build and no machine may change. */
static void same_everywhere(void **state)
{
    (void)state;
    static const double known[][2] = {
        {0, 1}, {1, 0x1.5bf0a8b145769p+1}, {-1, 0x1.78b56362cef38p-2}, {10, 0x1.5829dcf950560p+14}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        assert_true(fabs(exact_exp(known[i][0]) - known[i][1]) <=
                    nextafter(known[i][1], INFINITY) - known[i][1]);
    uint64_t sum = 0;
    struct rng r;
    rng_seed(&r, 9);
    for (int i = 0; i < 100000; i++) {
        double d = exact_exp(rng_double(&r) * 60 - 30);
        uint64_t bits;
        __builtin_memcpy(&bits, &d, sizeof bits);
        sum = sum * 31 + bits;
    }
    assert_int_equal(sum, UINT64_C(14052870936928692777));
}

static void edges(void **state)
{
    (void)state;
    assert_true(exact_exp(-1000) == 0);
    assert_true(exact_exp(-INFINITY) == 0);
    assert_true(isinf(exact_exp(710)));
    assert_true(isinf(exact_exp(INFINITY)));
    assert_true(isnan(exact_exp(NAN)));
    assert_true(exact_exp(-744) > 0); /* below the normal range */
    assert_true(isfinite(exact_exp(709.7)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(near_libm), cmocka_unit_test(same_everywhere),
                                       cmocka_unit_test(edges)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
