/* Seeded random numbers (xoshiro256**, Blackman and Vigna 2018, seeded by splitmix64). The same on every machine. Not for
 * secrets.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_BASE_RNG_H
#define TACT_BASE_RNG_H
#include <stdint.h>

struct rng {
    uint64_t s[4];
};

void rng_seed(struct rng *r, uint64_t seed);
uint64_t rng_u64(struct rng *r);
double rng_double(struct rng *r);                  /* [0, 1), 53 bits */
uint64_t rng_below(struct rng *r, uint64_t bound); /* [0, bound), unbiased; bound > 0 */
double rng_normal(struct rng *r);                  /* standard normal, Marsaglia polar */

#endif
