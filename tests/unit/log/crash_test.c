/* The log when things fail: the process killed while it appends, a full disk, a file that may not grow.
 * SPDX-License-Identifier: Apache-2.0 */
#include "log_files.h"
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>

/* Shared with the child that gets killed: how many records it was told are durable. */
struct shared {
    _Atomic uint64_t durable;
};

struct victim {
    const char *folder;
    struct shared *shared;
    uint64_t first;
};

static void tell_parent(void *user, int status)
{
    struct shared *shared = user;
    CHILD_CHECK(status == 0);
    shared->durable++;
}

/* Appends without end; its parent kills it. */
static void append_for_ever(void *argument)
{
    struct victim *v = argument;
    struct log_options o = {.folder = v->folder, .server = "s1", .sync = true, .segment_max = 300000};
    struct log_writer *w;
    struct error e;
    CHILD_CHECK(log_open(&w, &o, &e) == 0);
    static uint8_t bytes[4000];
    for (uint64_t i = v->first;;) {
        size_t n = record_make(i, bytes, sizeof bytes);
        int rc = log_append(w, (struct str){(char *)bytes, n}, tell_parent, v->shared);
        CHILD_CHECK(rc == 0 || rc == ERR_NOSPACE);
        i += rc == 0;
        log_poll(w);
    }
}

static uint64_t count_prefix(const char *folder)
{
    struct log_reader *r;
    struct str record;
    struct error e = {0};
    uint64_t n = 0;
    int rc = log_read_open(&r, folder, &e);
    if (rc)
        fail_msg("%s", e.text);
    while ((rc = log_read_next(r, &record, &e)) == 1)
        assert_int_equal(record_number(record), n++);
    if (rc)
        fail_msg("%s", e.text);
    log_read_close(&r);
    return n;
}

/* kill -9 at some moment while blocks are being written, again and again in the same folder: all that was
 * reported durable is read back, in order; what else is there is a prefix of what was appended. */
static void test_killed(void **state)
{
    struct shared *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(shared != MAP_FAILED);
    struct victim v = {*state, shared, 0};
    struct rng r;
    rng_seed(&r, 11);
    uint64_t lost_tail = 0;
    for (int round = 0; round < 25; round++) {
        shared->durable = 0;
        fflush(NULL);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
            append_for_ever(&v);
        uint64_t wanted = 1 + rng_below(&r, 300);
        int status = 0;
        bool living = true;
        while (living && shared->durable < wanted)
            living = waitpid(pid, &status, WNOHANG) == 0 && sched_yield() == 0;
        assert_true(living); /* else it failed by itself */
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        uint64_t durable = v.first + shared->durable, n = count_prefix(*state);
        assert_true(n >= durable);
        lost_tail += n - durable;
        v.first = n; /* the next one goes on from there */
    }
    printf("killed=25 records=%llu beyond_reports=%llu\n", (unsigned long long)v.first,
           (unsigned long long)lost_tail);
    munmap(shared, sizeof *shared);
}

/* Appends numbered records one by one, each awaited; stops at the first failure. Returns the status of the
 * last. */
static int append_until_failure(struct log_writer *w, int fd, struct told *told, uint64_t *next,
                                uint64_t limit)
{
    told->last_status = 0;
    while (told->last_status == 0 && *next < limit) {
        CHILD_CHECK(append_number(w, told, *next, 4000) == 0);
        CHILD_CHECK(wait_told(w, fd, told, told->ok + told->failed + 1));
        *next += told->last_status == 0;
        told->next = *next;
    }
    return told->last_status;
}

static uint64_t child_count_prefix(const char *folder)
{
    struct log_reader *r;
    struct str record;
    struct error e = {0};
    uint64_t n = 0;
    CHILD_CHECK(log_read_open(&r, folder, &e) == 0);
    int rc;
    while ((rc = log_read_next(r, &record, &e)) == 1)
        CHILD_CHECK(record_number(record) == n++);
    if (rc)
        fprintf(stderr, "%s\n", e.text);
    CHILD_CHECK(rc == 0);
    log_read_close(&r);
    return n;
}

/* Fills a disk through the log, checks what a full one does, makes room through `relieve`, checks that it
 * goes on. */
static void full_and_again(const char *folder, void (*relieve)(const char *), const char *says)
{
    int fd = eventfd(0, EFD_CLOEXEC);
    struct log_options o = {
        .folder = folder, .server = "s1", .sync = true, .wake = wake_fd, .wake_user = &fd};
    struct log_writer *w;
    struct error e = {0};
    struct told told = {0};
    uint64_t next = 0;
    char why[128];
    CHILD_CHECK(log_open(&w, &o, &e) == 0);
    CHILD_CHECK(append_until_failure(w, fd, &told, &next, 100000) == ERR_NOSPACE);
    CHILD_CHECK(next > 10);
    CHILD_CHECK(!log_healthy(w, why) && strstr(why, says));
    CHILD_CHECK(child_count_prefix(folder) == next); /* the partly written block was cut */
    for (int i = 0; i < 5; i++) {                    /* still full: big ones go on failing */
        told.last_status = 0;
        told.next = next;
        uint64_t before = told.failed;
        static char big[LOG_RECORD_MAX];
        struct rng r;
        rng_seed(&r, 1);
        for (size_t k = 0; k < sizeof big; k++)
            big[k] = (char)rng_u64(&r);
        struct told_record *record = malloc(sizeof *record);
        *record = (struct told_record){&told, next};
        CHILD_CHECK(log_append(w, (struct str){big, sizeof big}, tell, record) == 0);
        CHILD_CHECK(wait_told(w, fd, &told, told.ok + told.failed + 1));
        CHILD_CHECK(told.failed == before + 1 && told.last_status == ERR_NOSPACE);
    }
    CHILD_CHECK(child_count_prefix(folder) == next);
    relieve(folder);
    uint64_t limit = next + 20;
    told.next = next;
    CHILD_CHECK(append_until_failure(w, fd, &told, &next, limit) == 0);
    CHILD_CHECK(log_healthy(w, why));
    CHILD_CHECK(told.out_of_order == 0);
    struct log_counts c;
    log_counts(w, &c);
    CHILD_CHECK(c.failed == told.failed && c.records == told.ok && c.queued_bytes == 0);
    log_close(&w);
    CHILD_CHECK(child_count_prefix(folder) == next);
    close(fd);
}

static void raise_limit(const char *folder)
{
    (void)folder;
    struct rlimit limit;
    CHILD_CHECK(getrlimit(RLIMIT_FSIZE, &limit) == 0);
    limit.rlim_cur = limit.rlim_max;
    CHILD_CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
}

static void under_file_limit(void *folder)
{
    struct rlimit limit;
    signal(SIGXFSZ, SIG_IGN);
    CHILD_CHECK(getrlimit(RLIMIT_FSIZE, &limit) == 0);
    limit.rlim_cur = 100000;
    CHILD_CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    full_and_again(folder, raise_limit, strerror(EFBIG));
}

/* A file that may not grow: writes come back short, then fail. */
static void test_file_limit(void **state)
{
    assert_int_equal(in_child(under_file_limit, *state), 0);
}

enum { NO_MOUNT = 77 };

static void delete_ballast(const char *folder)
{
    char path[300];
    snprintf(path, sizeof path, "%s/ballast", folder);
    CHILD_CHECK(unlink(path) == 0);
}

static void on_full_disk(void *folder)
{
    char path[300];
    static char ballast[400000];
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", folder, "tmpfs", 0, "size=1m") != 0)
        _exit(NO_MOUNT);
    snprintf(path, sizeof path, "%s/ballast", (char *)folder);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    CHILD_CHECK(write(fd, ballast, sizeof ballast) == (ssize_t)sizeof ballast && close(fd) == 0);
    full_and_again(folder, delete_ballast, strerror(ENOSPC));
}

static void test_disk_full(void **state)
{
    int status = in_child(on_full_disk, *state);
    if (status == NO_MOUNT) {
        print_message("not root: the full disk is left out\n");
        skip();
    }
    assert_int_equal(status, 0);
}

/* While the log is broken one record at a time tries again; others are refused at once. */
static void on_broken_log(void *folder)
{
    struct rlimit limit;
    signal(SIGXFSZ, SIG_IGN);
    CHILD_CHECK(getrlimit(RLIMIT_FSIZE, &limit) == 0);
    limit.rlim_cur = 0;
    CHILD_CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    int fd = eventfd(0, EFD_CLOEXEC);
    struct log_options o = {
        .folder = folder, .server = "s1", .sync = true, .wake = wake_fd, .wake_user = &fd};
    struct log_writer *w;
    struct error e = {0};
    struct told told = {0};
    CHILD_CHECK(log_open(&w, &o, &e) == 0);
    uint64_t accepted = 0, refused = 0;
    for (int i = 0; i < 2000; i++) {
        int rc = append_number(w, &told, 0, 4000);
        CHILD_CHECK(rc == 0 || rc == ERR_IO);
        *(rc ? &refused : &accepted) += 1;
    }
    CHILD_CHECK(wait_told(w, fd, &told, accepted));
    CHILD_CHECK(told.ok == 0 && told.failed == accepted && told.last_status == ERR_NOSPACE);
    char why[128];
    CHILD_CHECK(!log_healthy(w, why));
    raise_limit(folder);
    told = (struct told){0};
    uint64_t next = 0;
    CHILD_CHECK(append_until_failure(w, fd, &told, &next, 50) == 0);
    log_close(&w);
    CHILD_CHECK(child_count_prefix(folder) == 50);
    close(fd);
}

static void test_broken(void **state)
{
    assert_int_equal(in_child(on_broken_log, *state), 0);
}

/* A lock of a killed process does not stay. */
static void open_and_die(void *folder)
{
    struct log_options o = {.folder = folder, .server = "s1"};
    struct log_writer *w;
    struct error e;
    CHILD_CHECK(log_open(&w, &o, &e) == 0);
    raise(SIGKILL);
}

static void test_lock_goes(void **state)
{
    assert_int_equal(in_child(open_and_die, *state), -SIGKILL);
    struct log_options o = {.folder = *state, .server = "s1"};
    struct log_writer *w;
    struct error e = {0};
    assert_int_equal(log_open(&w, &o, &e), 0);
    log_close(&w);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_make, scratch_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_killed), TEST(test_file_limit), TEST(test_disk_full),
                                       TEST(test_broken), TEST(test_lock_goes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
