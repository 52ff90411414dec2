/* The durable log: what is appended is read back, in order and in segments; reports, bounds, locks.
 * SPDX-License-Identifier: Apache-2.0 */
#include "log_files.h"
#include <pthread.h>

static struct log_options options(const char *folder, int *fd)
{
    return (struct log_options){
        .folder = folder, .server = "s1", .sync = true, .wake = fd ? wake_fd : NULL, .wake_user = fd};
}

static struct log_writer *open_log(const struct log_options *o)
{
    struct error e = {0};
    struct log_writer *w;
    if (log_open(&w, o, &e) != 0)
        fail_msg("%s", e.text);
    return w;
}

/* Reads all; the records must be first, first + 1, …; returns how many. */
static uint64_t read_all(const char *path, uint64_t first)
{
    struct error e = {0};
    struct log_reader *r;
    struct str record;
    uint64_t n = 0, done, total;
    if (log_read_open(&r, path, &e) != 0)
        fail_msg("%s", e.text);
    int rc;
    while ((rc = log_read_next(r, &record, &e)) == 1) {
        assert_int_equal(record_number(record), first + n);
        n++;
        const char *file;
        uint64_t offset;
        log_read_where(r, &file, &offset);
        assert_true(strstr(file, ".tlog") && offset >= 16);
    }
    if (rc < 0)
        fail_msg("%s", e.text);
    log_read_progress(r, &done, &total);
    assert_int_equal(done, total);
    log_read_close(&r);
    return n;
}

static void test_round_trip(void **state)
{
    int fd = eventfd(0, EFD_CLOEXEC);
    struct log_options o = options(*state, &fd);
    struct told told = {0};
    struct log_writer *w = open_log(&o);
    char why[128];
    assert_true(log_healthy(w, why));
    assert_string_equal(why, "");
    for (uint64_t i = 0; i < 5000; i++)
        assert_int_equal(append_number(w, &told, i, 2000), 0);
    assert_true(wait_told(w, fd, &told, 5000));
    assert_int_equal(read_all(*state, 0), 5000); /* durable before the close */
    struct log_counts c;
    log_counts(w, &c);
    assert_int_equal(c.records, 5000);
    assert_int_equal(c.failed, 0);
    assert_int_equal(c.queued_bytes, 0);
    assert_true(c.blocks <= 5000 && c.syncs >= c.blocks && c.bytes_stored < c.bytes_raw);
    assert_true(c.largest_block_records >= 1);
    for (uint64_t i = 5000; i < 5100; i++)
        assert_int_equal(append_number(w, &told, i, 2000), 0);
    log_close(&w); /* flushes and delivers */
    assert_null(w);
    assert_int_equal(told.ok, 5100);
    assert_int_equal(told.out_of_order, 0);
    assert_int_equal(read_all(*state, 0), 5100);
    w = open_log(&o); /* goes on in a new segment that sorts after */
    for (uint64_t i = 5100; i < 5200; i++)
        assert_int_equal(append_number(w, &told, i, 2000), 0);
    log_close(&w);
    assert_int_equal(count_segments(*state), 2);
    assert_int_equal(read_all(*state, 0), 5200);
    close(fd);
}

static void test_sizes(void **state)
{
    struct log_options o = options(*state, NULL);
    struct log_writer *w = open_log(&o);
    static char big[LOG_RECORD_MAX + 1];
    struct rng r;
    rng_seed(&r, 3);
    for (size_t i = 0; i < sizeof big; i++)
        big[i] = (char)rng_u64(&r); /* cannot be compressed */
    assert_int_equal(log_append(w, (struct str){big, LOG_RECORD_MAX + 1}, NULL, NULL), ERR_INVALID);
    assert_int_equal(log_append(w, (struct str){NULL, 0}, NULL, NULL), 0);
    for (int i = 0; i < 9; i++) /* more than one block */
        assert_int_equal(log_append(w, (struct str){big, LOG_RECORD_MAX}, NULL, NULL), 0);
    assert_int_equal(log_append(w, (struct str){big, 1}, NULL, NULL), 0);
    log_close(&w);
    struct error e = {0};
    struct log_reader *reader;
    struct str record;
    assert_int_equal(log_read_open(&reader, *state, &e), 0);
    assert_int_equal(log_read_next(reader, &record, &e), 1);
    assert_int_equal(record.n, 0);
    for (int i = 0; i < 9; i++) {
        assert_int_equal(log_read_next(reader, &record, &e), 1);
        assert_int_equal(record.n, LOG_RECORD_MAX);
        assert_memory_equal(record.p, big, LOG_RECORD_MAX);
    }
    assert_int_equal(log_read_next(reader, &record, &e), 1);
    assert_int_equal(record.n, 1);
    assert_int_equal(log_read_next(reader, &record, &e), 0);
    assert_int_equal(log_read_next(reader, &record, &e), 0);
    log_read_close(&reader);
}

static void test_segments(void **state)
{
    int fd = eventfd(0, EFD_CLOEXEC);
    struct log_options o = options(*state, &fd);
    o.segment_max = 20000;
    struct told told = {0};
    struct log_writer *w = open_log(&o);
    for (uint64_t i = 0; i < 200; i++) {
        assert_int_equal(append_number(w, &told, i, 5000), 0);
        if (i % 4 == 3)
            assert_true(wait_told(w, fd, &told, i + 1));
    }
    log_close(&w);
    assert_true(count_segments(*state) >= 5);
    assert_int_equal(read_all(*state, 0), 200);
    close(fd);
}

static void test_several_servers(void **state)
{
    static const char *const names[] = {"a", "a-1", "b"};
    struct log_writer *w[3];
    struct log_options o = options(*state, NULL);
    for (int k = 0; k < 3; k++) {
        o.server = names[k];
        w[k] = open_log(&o);
    }
    for (uint64_t i = 0; i < 30; i++) {
        uint8_t bytes[200];
        size_t n = record_make(i, bytes, sizeof bytes);
        assert_int_equal(log_append(w[i % 3], (struct str){(char *)bytes, n}, NULL, NULL), 0);
    }
    for (int k = 0; k < 3; k++)
        log_close(&w[k]);
    struct error e = {0};
    struct log_reader *r;
    struct str record;
    uint64_t last[3] = {0}, n = 0;
    assert_int_equal(log_read_open(&r, *state, &e), 0);
    for (; log_read_next(r, &record, &e) == 1; n++) {
        uint64_t i = record_number(record);
        assert_true(i < 30 && i + 1 > last[i % 3]); /* each server's in order */
        last[i % 3] = i + 1;
    }
    assert_int_equal(n, 30);
    log_read_close(&r);
}

static void test_options(void **state)
{
    struct error e = {0};
    struct log_writer *w, *second;
    static const char *const bad[] = {"", "A", "a b", "a/b", "..", "abcdefghijklmnopqrstuvwxyz0123456", NULL};
    struct log_options o = options(*state, NULL);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        o.server = bad[i];
        assert_int_equal(log_open(&w, &o, &e), ERR_INVALID);
        assert_null(w);
    }
    o = options("/nonexistent/log", NULL);
    assert_int_equal(log_open(&w, &o, &e), ERR_IO);
    assert_non_null(strstr(e.text, "/nonexistent/log"));
    o = options(*state, NULL);
    w = open_log(&o);
    assert_int_equal(log_open(&second, &o, &e), ERR_CONFLICT);
    assert_non_null(strstr(e.text, "s1"));
    log_close(&w);
    w = open_log(&o); /* the lock is let go */
    log_close(&w);
    log_close(&w);
    struct log_reader *r;
    assert_int_equal(log_read_open(&r, "/nonexistent", &e), ERR_NOTFOUND);
    assert_null(r);
    assert_int_equal(read_all(*state, 0), 0); /* a log without segments */
}

static void test_queue_bound(void **state)
{
    int fd = eventfd(0, EFD_CLOEXEC);
    struct log_options o = options(*state, &fd);
    o.queue_max = 100000;
    struct told told = {0};
    struct log_writer *w = open_log(&o);
    uint64_t accepted = 0;
    int rc = 0;
    for (uint64_t i = 0; i < 100000 && (rc = append_number(w, &told, accepted, 100)) == 0; i++)
        accepted++; /* nobody polls, so the reports alone fill it in the end */
    assert_int_equal(rc, ERR_NOSPACE);
    struct log_counts c;
    log_counts(w, &c);
    assert_true(c.queued_bytes <= o.queue_max);
    assert_true(accepted >= 100000 / (100 + 10 + LOG_QUEUE_ENTRY));
    assert_true(accepted <= 100000 / LOG_QUEUE_ENTRY);
    assert_true(wait_told(w, fd, &told, accepted));
    assert_int_equal(append_number(w, &told, accepted, 100), 0); /* there is room again */
    log_close(&w);
    assert_int_equal(told.ok, accepted + 1);
    assert_int_equal(read_all(*state, 0), accepted + 1);
    close(fd);
}

/* A callback appends; one that polls does not upset the order; after the close began nothing is taken. */
struct chain {
    struct log_writer *w;
    int left, refused;
};

static void chain_step(void *user, int status)
{
    struct chain *c = user;
    assert_int_equal(status, 0);
    log_poll(c->w);
    if (c->left > 0 && log_append(c->w, STR("link"), chain_step, c) != 0)
        c->refused++;
    else
        c->left--;
}

static void test_callbacks_append(void **state)
{
    int fd = eventfd(0, EFD_CLOEXEC);
    struct log_options o = options(*state, &fd);
    struct log_writer *w = open_log(&o);
    struct chain c = {w, 20, 0};
    assert_int_equal(log_append(w, STR("first"), chain_step, &c), 0);
    while (c.left > 0) {
        struct pollfd p = {fd, POLLIN, 0};
        uint64_t drained;
        assert_true(poll(&p, 1, WAIT_MS) > 0);
        assert_int_equal(read(fd, &drained, sizeof drained), (ssize_t)sizeof drained);
        log_poll(w);
    }
    c.left = 1000;
    assert_int_equal(log_append(w, STR("last"), chain_step, &c), 0);
    log_close(&w);
    assert_int_equal(c.refused, 2); /* the last one, and the link that was under way */
    close(fd);
}

enum { THREADS = 4, EACH = 3000 };
struct appending {
    struct log_writer *w;
    uint64_t thread;
};

static void *append_many(void *user)
{
    struct appending *a = user;
    for (uint64_t i = 0; i < EACH; i++) {
        uint64_t record[2] = {a->thread, i};
        struct log_counts c;
        char why[128];
        if (log_append(a->w, (struct str){(char *)record, sizeof record}, NULL, NULL) != 0 ||
            !log_healthy(a->w, why))
            return a;
        log_counts(a->w, &c);
    }
    return NULL;
}

static void test_threads(void **state)
{
    struct log_options o = options(*state, NULL);
    struct log_writer *w = open_log(&o);
    pthread_t threads[THREADS];
    struct appending a[THREADS];
    for (uint64_t k = 0; k < THREADS; k++) {
        a[k] = (struct appending){w, k};
        assert_int_equal(pthread_create(&threads[k], NULL, append_many, &a[k]), 0);
    }
    for (int k = 0; k < THREADS; k++) {
        void *result;
        pthread_join(threads[k], &result);
        assert_null(result);
    }
    log_close(&w);
    struct error e = {0};
    struct log_reader *r;
    struct str record;
    uint64_t next[THREADS] = {0}, n = 0;
    assert_int_equal(log_read_open(&r, *state, &e), 0);
    for (; log_read_next(r, &record, &e) == 1; n++) {
        uint64_t v[2];
        assert_int_equal(record.n, sizeof v);
        memcpy(v, record.p, sizeof v);
        assert_true(v[0] < THREADS && v[1] == next[v[0]]);
        next[v[0]]++;
    }
    assert_int_equal(n, (uint64_t)THREADS * EACH);
    log_read_close(&r);
}

struct reported {
    struct log_outbox *outbox;
    int fd;
    uint64_t next; /* the record that should be told next */
    bool wrong;
};

struct awaited {
    struct reported *by;
    uint64_t number;
};

static void on_reported(void *user, int status)
{
    struct awaited *a = user;
    a->by->wrong |= status != 0 || a->number != a->by->next;
    a->by->next++;
}

/* Appends, and polls its own outbox until all is told. */
static void *append_and_hear(void *user)
{
    struct reported *r = user;
    struct awaited *all = calloc(EACH, sizeof *all);
    for (uint64_t i = 0; i < EACH; i++) {
        all[i] = (struct awaited){r, i};
        r->wrong |= log_append_to(log_outbox_writer(r->outbox), r->outbox, STR("record"), on_reported, &all[i]) != 0;
        if (i % 7 == 0)
            log_outbox_poll(r->outbox);
    }
    while (r->next < EACH && !r->wrong) {
        struct pollfd p = {.fd = r->fd, .events = POLLIN};
        uint64_t woken;
        if (poll(&p, 1, WAIT_MS) != 1 || read(r->fd, &woken, sizeof woken) != sizeof woken)
            r->wrong = true;
        log_outbox_poll(r->outbox);
    }
    free(all);
    return NULL;
}

/* Each thread hears of its own records, in order. */
static void test_outboxes(void **state)
{
    struct log_options o = options(*state, NULL);
    struct log_writer *w = open_log(&o);
    pthread_t threads[THREADS];
    struct reported r[THREADS] = {0};
    for (int k = 0; k < THREADS; k++) {
        r[k].fd = eventfd(0, EFD_CLOEXEC);
        r[k].outbox = log_outbox_new(w, wake_fd, &r[k].fd);
    }
    for (int k = 0; k < THREADS; k++)
        assert_int_equal(pthread_create(&threads[k], NULL, append_and_hear, &r[k]), 0);
    for (int k = 0; k < THREADS; k++) {
        pthread_join(threads[k], NULL);
        assert_false(r[k].wrong);
        assert_int_equal(r[k].next, EACH);
    }
    log_stop(w);
    assert_int_equal(log_append_to(w, r[0].outbox, STR("late"), NULL, NULL), ERR_UNAVAILABLE);
    log_close(&w);
    for (int k = 0; k < THREADS; k++)
        close(r[k].fd);
}

/* Batched: reported after the write; a sync follows by itself within a second, or at the close. */
static void test_batched(void **state)
{
    int fd = eventfd(0, EFD_CLOEXEC);
    struct log_options o = options(*state, &fd);
    o.sync = false;
    struct told told = {0};
    struct log_writer *w = open_log(&o);
    for (uint64_t i = 0; i < 100; i++) {
        assert_int_equal(append_number(w, &told, i, 500), 0);
        assert_true(wait_told(w, fd, &told, i + 1));
    }
    struct log_counts c;
    log_counts(w, &c);
    assert_true(c.blocks == 100 && c.syncs < 100);
    log_close(&w);
    assert_int_equal(told.ok, 100);
    assert_int_equal(read_all(*state, 0), 100);
    close(fd);
}

/* A reader of a log that is being written sees a prefix that grows, never an error. */
static void test_read_while_writing(void **state)
{
    int fd = eventfd(0, EFD_CLOEXEC);
    struct log_options o = options(*state, &fd);
    o.segment_max = 50000;
    o.sync = false;
    struct told told = {0};
    struct log_writer *w = open_log(&o);
    uint64_t seen = 0;
    for (uint64_t i = 0; i < 2000; i++) {
        assert_int_equal(append_number(w, &told, i, 3000), 0);
        if (i % 50 == 0) {
            log_poll(w);
            uint64_t reported = told.ok, n = read_all(*state, 0);
            assert_true(n >= seen && n >= reported && n <= i + 1);
            seen = n;
        }
    }
    log_close(&w);
    assert_int_equal(read_all(*state, 0), 2000);
    close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_make, scratch_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_round_trip),         TEST(test_sizes),   TEST(test_segments),
        TEST(test_several_servers),    TEST(test_options), TEST(test_queue_bound),
        TEST(test_callbacks_append),   TEST(test_threads), TEST(test_batched),
        TEST(test_outboxes),
        TEST(test_read_while_writing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
