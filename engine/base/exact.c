/* e to the x without libm; see exact.h.
 *
 * x = k ln 2 + r with |r| ≤ ln 2 / 2; the polynomial's first term left out is r^14 / 14! < 5e-18.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/exact.h"
#include <stdint.h>
#include <string.h>

static const double ln2_high = 0x1.62e42fee00000p-1; /* ln 2 to 32 bits: k × this is exact */
static const double ln2_low = 0x1.a39ef35793c76p-33; /* the rest */
static const double log2_e = 0x1.71547652b82fep+0;

/* 2 to the k for −1022 ≤ k ≤ 1023. */
static double power_of_two(int k)
{
    uint64_t bits = (uint64_t)(k + 1023) << 52;
    double d;
    memcpy(&d, &bits, sizeof d);
    return d;
}

double exact_exp(double x)
{
    if (x != x)
        return x;
    if (x > 709.782712893384)
        return 1e308 * 10;
    if (x < -746)
        return 0;
    int k = (int)(x * log2_e + (x < 0 ? -0.5 : 0.5));
    double r = (x - k * ln2_high) - k * ln2_low;
    double sum = 1.0 / 6227020800.0; /* 1 / 13! */
    static const double inverse[] = {
        1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800, 1.0 / 362880, 1.0 / 40320, 1.0 / 5040,
        1.0 / 720,       1.0 / 120,      1.0 / 24,      1.0 / 6,      0.5};
    for (unsigned i = 0; i < sizeof inverse / sizeof inverse[0]; i++)
        sum = sum * r + inverse[i];
    double e = 1 + (r + r * r * sum);
    /* In two steps, so that results below the normal range come out right too. */
    int half = k / 2;
    return e * power_of_two(half) * power_of_two(k - half);
}
