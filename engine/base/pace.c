/* Work in small portions; see pace.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/pace.h"

#ifdef __linux__
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef sigev_notify_thread_id /* older glibc have no name for it */
#define sigev_notify_thread_id _sigev_un._tid
#endif
#define PACE_SIGNAL (SIGRTMIN + 3)

static _Thread_local timer_t timer;
static _Thread_local volatile sig_atomic_t pacing;
static _Thread_local volatile uint64_t rests;

/* Once; the handler sets it again after each rest, so that a thread that waits for a core gets on by a little each time. */
static void run_on(void)
{
    struct itimerspec once = {.it_value.tv_nsec = PACE_RUN_US * 1000};
    (void)timer_settime(timer, 0, &once, NULL);
}

/* Of what it calls only timer_settime is on POSIX's list of what a handler may call; the other is a bare system call. */
static void on_signal(int number)
{
    (void)number;
    if (!pacing)
        return; /* sent just before the timer's end */
    int saved = errno;
    struct timespec rest = {.tv_nsec = PACE_REST_US * 1000};
    (void)nanosleep(&rest, NULL);
    rests++;
    run_on();
    errno = saved;
}

void pace_begin(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = PACE_SIGNAL};
    event.sigev_notify_thread_id = (int)syscall(SYS_gettid);
    if (sigaction(PACE_SIGNAL, &action, NULL) || timer_create(CLOCK_MONOTONIC, &event, &timer))
        return;
    pacing = true;
    run_on();
}

void pace_end(void)
{
    if (!pacing)
        return;
    pacing = false;
    (void)timer_delete(timer);
}

uint64_t pace_rests(void)
{
    return rests;
}

#else

void pace_begin(void)
{
}

void pace_end(void)
{
}

uint64_t pace_rests(void)
{
    return 0;
}

#endif
