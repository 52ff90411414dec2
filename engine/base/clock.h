/* The machine's clocks. Shell only: the pure core gets its time as an argument.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_BASE_CLOCK_H
#define TACT_BASE_CLOCK_H
#include <pthread.h>
#include <stdint.h>

int64_t clock_wall_ms(void); /* Unix time, UTC */
int64_t clock_mono_us(void); /* monotonic, for deadlines */
int64_t clock_mono_ns(void); /* monotonic, for measuring */

/* A condition whose waits are limited by monotonic time, as clock_mono_us tells it. */
void clock_condition_init(pthread_cond_t *c);

#endif
