/* A pace for work beside threads that answer calls: from pace_begin to pace_end the calling thread runs for 100 us at most, then
 * rests for 400 us, so those threads never wait longer for it than that, on however few cores. Only a system call is not
 * interrupted: read and write in pieces (64 KiB take 50 us or so); giving back 1 MiB of memory takes 40.
 *
 * Priorities cannot promise it. A scheduler keeps them on average only: Linux's EEVDF lets a thread of nice 15 run for its whole
 * slice (3 ms, 4 ms with HZ=250) once its turn has come, SCHED_IDLE too; and they do not count between control groups (Linux makes
 * one of each session), where such a thread was seen to keep a Redis of another session off the core for 19 ms. A rest is a sleep,
 * which is understood everywhere.
 *
 * How: a timer's signal (SIGRTMIN + 3, to this thread alone) whose handler sleeps. So the thread may rest while it holds a lock,
 * the allocator's too; who shares one with it waits for that long. System calls go on after it (SA_RESTART) but for sleeps, poll
 * and the like. Where there are no such timers, or none are left, nothing is paced.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_BASE_PACE_H
#define TACT_BASE_PACE_H
#include <stdint.h>

enum { PACE_RUN_US = 100, PACE_REST_US = 400 };

/* Not nested. */
void pace_begin(void);
void pace_end(void);
/* How often this thread has rested, ever. */
uint64_t pace_rests(void);

#endif
