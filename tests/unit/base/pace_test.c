/* A paced thread rests, goes on, and does not notice. That each test ends shows that it rested.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/pace.h"
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>
#include <cmocka.h>

enum { RESTS = 20 };

static void test_rests(void **state)
{
    (void)state;
    for (int again = 0; again < 3; again++) {
        uint64_t before = pace_rests();
        errno = ENOTEMPTY;
        pace_begin();
        while (pace_rests() < before + RESTS)
            assert_int_equal(errno, ENOTEMPTY);
        pace_end();
        uint64_t after = pace_rests();
        for (volatile int i = 0; i < 20000000; i++)
            ;
        assert_int_equal(pace_rests(), after);
    }
}

struct reader {
    int fd;
    bool rested;
    ssize_t got;
    char byte;
};

static void *read_one(void *arg)
{
    struct reader *r = arg;
    pace_begin();
    r->got = read(r->fd, &r->byte, 1);
    r->rested = pace_rests() >= 3;
    pace_end();
    return NULL;
}

/* The signal comes during the call, many times, and the call goes on. */
static void test_system_calls_go_on(void **state)
{
    (void)state;
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    struct reader r = {.fd = fds[0]};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, read_one, &r), 0);
    usleep(100000);
    assert_int_equal(write(fds[1], "x", 1), 1);
    pthread_join(thread, NULL);
    assert_int_equal(r.got, 1);
    assert_int_equal(r.byte, 'x');
    assert_true(r.rested);
    close(fds[0]);
    close(fds[1]);
}

static void *rest_often(void *arg)
{
    bool *rested = arg;
    pace_begin();
    while (pace_rests() < RESTS)
        ;
    pace_end();
    *rested = true;
    return NULL;
}

/* Each by its own timer. */
static void test_threads(void **state)
{
    (void)state;
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    bool rested[THREADS] = {0};
    uint64_t before = pace_rests();
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, rest_often, &rested[i]), 0);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_true(rested[i]);
    }
    assert_int_equal(pace_rests(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rests),
        cmocka_unit_test(test_system_calls_go_on),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
