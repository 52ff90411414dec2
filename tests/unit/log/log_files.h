/* Helpers of the log's tests: scratch folders, whole files, records that name themselves, child processes.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_TESTS_LOG_FILES_H
#define TACT_TESTS_LOG_FILES_H
#include "base/hash.h"
#include "base/rng.h"
#include "log/log.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

/* For child processes, where cmocka's own checks would jump into the parent's frame. */
#define CHILD_CHECK(condition)                                                                               \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: child: not true: %s\n", __FILE__, __LINE__, #condition);                 \
            _exit(1);                                                                                        \
        }                                                                                                    \
    } while (0)

enum { WAIT_MS = 60000 }; /* for any condition; only a broken build waits so long */

static inline int remove_one(const char *path, const struct stat *info, int kind, struct FTW *ftw)
{
    (void)info, (void)kind, (void)ftw;
    return remove(path);
}

static inline int scratch_make(void **state)
{
    char *path = strdup("/tmp/tact_log_XXXXXX");
    *state = path && mkdtemp(path) ? path : NULL;
    return *state ? 0 : -1;
}

static inline int scratch_remove(void **state)
{
    int rc = nftw(*state, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(*state);
    return rc;
}

/* Record i: its number, a checksum of the rest, and bytes that depend on both; compresses somewhat. */
static inline size_t record_make(uint64_t i, uint8_t *out, size_t max)
{
    struct rng r;
    rng_seed(&r, i + 1);
    size_t n = 16 + rng_below(&r, max - 16);
    for (size_t k = 16; k < n; k++)
        out[k] = (uint8_t)('a' + rng_u64(&r) % 6);
    uint64_t hash = hash64(out + 16, n - 16);
    memcpy(out, &i, 8);
    memcpy(out + 8, &hash, 8);
    return n;
}

/* The number of a record that record_make made; UINT64_MAX when it did not. */
static inline uint64_t record_number(struct str record)
{
    uint64_t i, hash;
    if (record.n < 16)
        return UINT64_MAX;
    memcpy(&i, record.p, 8);
    memcpy(&hash, record.p + 8, 8);
    return hash == hash64(record.p + 16, record.n - 16) ? i : UINT64_MAX;
}

/* The only segment of a folder. */
static inline void only_segment(const char *folder, char path[512])
{
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    int found = 0;
    for (struct dirent *entry; (entry = readdir(dir));)
        if (strstr(entry->d_name, ".tlog")) {
            snprintf(path, 512, "%s/%s", folder, entry->d_name);
            found++;
        }
    closedir(dir);
    assert_int_equal(found, 1);
}

static inline int count_segments(const char *folder)
{
    DIR *dir = opendir(folder);
    int found = 0;
    for (struct dirent *entry; dir && (entry = readdir(dir));)
        found += strstr(entry->d_name, ".tlog") != NULL;
    closedir(dir);
    return found;
}

static inline uint8_t *file_read(const char *path, size_t *n)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    fseek(f, 0, SEEK_END);
    *n = (size_t)ftell(f);
    rewind(f);
    uint8_t *p = malloc(*n + 1);
    assert_int_equal(fread(p, 1, *n, f), *n);
    fclose(f);
    return p;
}

static inline void file_write(const char *path, const void *p, size_t n)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(p, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

/* Reports: counted by status; the order is checked by user = record number. */
struct told {
    uint64_t ok, failed, next;
    int last_status, out_of_order;
};

struct told_record {
    struct told *told;
    uint64_t number;
};

static inline void tell(void *user, int status)
{
    struct told_record *r = user;
    r->told->out_of_order += r->number < r->told->next;
    r->told->next = r->number + 1;
    r->told->last_status = status;
    if (status == 0)
        r->told->ok++;
    else
        r->told->failed++;
    free(r);
}

static inline int append_number(struct log_writer *w, struct told *told, uint64_t i, size_t max)
{
    static uint8_t bytes[1 << 20];
    size_t n = record_make(i, bytes, max);
    struct told_record *r = malloc(sizeof *r);
    *r = (struct told_record){told, i};
    int rc = log_append(w, (struct str){(char *)bytes, n}, tell, r);
    if (rc)
        free(r);
    return rc;
}

/* wake through an eventfd. */
static inline void wake_fd(void *user)
{
    uint64_t one = 1;
    (void)!write(*(int *)user, &one, sizeof one);
}

/* Polls until `want` reports have come; false after WAIT_MS. */
static inline bool wait_told(struct log_writer *w, int fd, const struct told *told, uint64_t want)
{
    for (;;) {
        log_poll(w);
        if (told->ok + told->failed >= want)
            return true;
        struct pollfd p = {fd, POLLIN, 0};
        uint64_t drained;
        if (poll(&p, 1, WAIT_MS) <= 0)
            return false;
        (void)!read(fd, &drained, sizeof drained);
    }
}

/* Runs body(argument) in a child: the exit status, or -signal. */
static inline int in_child(void (*body)(void *), void *argument)
{
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        body(argument);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

#endif
