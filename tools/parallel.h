/* Jobs on several threads, taken back in the order in which they were given. A job belongs to whoever holds it: the caller
 * until parallel_put, a worker, then the caller again. One caller's thread.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_TOOLS_PARALLEL_H
#define TACT_TOOLS_PARALLEL_H
#include <stdbool.h>
#include <stddef.h>

enum { PARALLEL_THREADS_MAX = 64, PARALLEL_JOBS_MAX = 64 };

struct parallel;

/* run(ctx, thread, job) on thread 0 … threads − 1. wake(ctx), from a worker's thread, after each job; may be NULL. */
struct parallel *parallel_new(size_t threads, void (*run)(void *ctx, size_t thread, void *job), void (*wake)(void *ctx),
                              void *ctx);
/* All jobs must have been taken back. */
void parallel_free(struct parallel **p);
/* At most PARALLEL_JOBS_MAX may be under way (asserted). */
void parallel_put(struct parallel *p, void *job);
size_t parallel_under_way(const struct parallel *p);
/* The job that was put first, when it is done (wait: waits until it is); else, or with none under way, NULL. */
void *parallel_take(struct parallel *p, bool wait);

#endif
