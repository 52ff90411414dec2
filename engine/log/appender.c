/* Appending to segments; see appender.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "log/appender.h"
#include "base/clock.h"
#include "base/logging.h"
#include "log/segment.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct appender {
    char folder[SEGMENT_PATH_MAX];
    char server[SEGMENT_SERVER_MAX + 1];
    size_t segment_max;
    int folder_fd, lock_fd;
    int fd; /* the newest segment, -1 before the first block and after closing one */
    char name[SEGMENT_SERVER_MAX + 40];
    uint64_t end;    /* where its last good block ends */
    bool cut_needed; /* bytes past end may be there */
    bool unsynced;
    bool renew; /* the next block begins a new segment */
    int64_t created_ms;
    uint32_t sequence; /* of the newest segment */
};

static int failed(struct error *e, const struct appender *a, const char *doing)
{
    int code = errno;
    bool full = code == ENOSPC || code == EDQUOT || code == EFBIG;
    return error_set(e, full ? ERR_NOSPACE : ERR_IO, "%s %s/%s: %s", doing, a->folder, a->name,
                     strerror(code));
}

/* ---- opening ---- */

static int take_lock(struct appender *a, struct error *e)
{
    char name[SEGMENT_SERVER_MAX + 8];
    snprintf(name, sizeof name, "%s.lock", a->server);
    a->lock_fd = openat(a->folder_fd, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (a->lock_fd < 0)
        return error_set(e, ERR_IO, "%s/%s: %s", a->folder, name, strerror(errno));
    if (flock(a->lock_fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    if (errno != EWOULDBLOCK)
        return error_set(e, ERR_IO, "%s/%s: %s", a->folder, name, strerror(errno));
    return error_set(e, ERR_CONFLICT, "%s: another process writes this log as server \"%s\"", a->folder,
                     a->server);
}

static int cut_file(const char *path, uint64_t size, struct error *e)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    int rc = 0;
    if (fd < 0 || ftruncate(fd, (off_t)size) != 0 || fsync(fd) != 0)
        rc = error_set(e, ERR_IO, "cutting the torn tail of %s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return rc;
}

/* Cuts the segment's torn tail. *blocks says how many whole ones it has. Damage is left alone: it is the
 * reader's to report, and the writer never appends to a segment that it did not begin. */
static int cut_tail(const char *path, size_t *blocks, struct error *e)
{
    struct segment s;
    struct block b;
    const uint8_t *stored;
    uint64_t at;
    *blocks = 0;
    int rc = segment_open(&s, path, e);
    if (rc == 0) {
        while ((rc = segment_next(&s, &b, &stored, &at, e)) == 1)
            ++*blocks;
        if (rc == 0 && s.offset < s.size) {
            logging(LEVEL_WARN, "cut a torn tail of the log", "file=%s offset=%llu bytes=%llu", path,
                    (unsigned long long)s.offset, (unsigned long long)(s.size - s.offset));
            rc = cut_file(path, s.offset, e);
        }
        segment_close(&s);
    }
    if (rc == ERR_CORRUPT) {
        logging(LEVEL_ERROR, "the log is damaged", "error=\"%s\"", e->text);
        *blocks = 1;
        rc = 0;
    }
    return rc;
}

/* Only the newest segment that holds anything can have a torn tail: each earlier one was whole, or was cut,
 * before its successor began. */
static int recover(struct appender *a, struct error *e)
{
    struct segment_list list;
    int rc = segment_list(&list, a->folder, e);
    bool settled = false;
    for (size_t i = list.count; i-- > 0 && rc == 0;) {
        int64_t created_ms;
        uint32_t sequence;
        if (!segment_parse(list.names[i], a->server, &created_ms, &sequence))
            continue;
        if (sequence > a->sequence)
            a->sequence = sequence;
        if (created_ms > a->created_ms)
            a->created_ms = created_ms;
        if (settled)
            continue;
        char path[SEGMENT_PATH_MAX];
        size_t blocks = 0;
        if (snprintf(path, sizeof path, "%s/%s", a->folder, list.names[i]) >= (int)sizeof path)
            rc = error_set(e, ERR_INVALID, "%s: a path of over %d bytes", a->folder, SEGMENT_PATH_MAX);
        else
            rc = cut_tail(path, &blocks, e);
        settled = rc == 0 && blocks > 0;
    }
    segment_list_free(&list);
    return rc;
}

int appender_open(struct appender **out, const char *folder, const char *server, size_t segment_max,
                  struct error *e)
{
    *out = NULL;
    if (!segment_server_ok(server))
        return error_set(e, ERR_INVALID,
                         "the server's name \"%s\" is wrong; allowed are 1 to %d of a-z 0-9 _ -",
                         server ? server : "", SEGMENT_SERVER_MAX);
    if (!folder || strlen(folder) >= SEGMENT_PATH_MAX)
        return error_set(e, ERR_INVALID, "the log's folder is missing or its path is over %d bytes",
                         SEGMENT_PATH_MAX);
    if (mkdir(folder, 0755) != 0 && errno != EEXIST)
        return error_set(e, ERR_IO, "%s: %s", folder, strerror(errno));
    struct appender *a = calloc(1, sizeof *a);
    ASSERT(a);
    struct error mine = {0};
    strcpy(a->folder, folder);
    strcpy(a->server, server);
    a->segment_max = segment_max;
    a->fd = a->lock_fd = -1;
    a->folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = a->folder_fd < 0 ? error_set(&mine, ERR_IO, "%s: %s", folder, strerror(errno)) : 0;
    if (rc == 0)
        rc = take_lock(a, &mine);
    if (rc == 0)
        rc = recover(a, &mine);
    if (rc) {
        appender_close(&a);
        return error_set(e, rc, "%s", mine.text);
    }
    *out = a;
    return 0;
}

/* ---- appending ---- */

/* All n bytes at offset, or -1 and errno. */
static int write_all(int fd, const uint8_t *p, size_t n, uint64_t offset)
{
    while (n > 0) {
        ssize_t k = pwrite(fd, p, n, (off_t)offset);
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0) {
            errno = k == 0 ? ENOSPC : errno;
            return -1;
        }
        p += k;
        n -= (size_t)k;
        offset += (uint64_t)k;
    }
    return 0;
}

static void leave_segment(struct appender *a)
{
    if (a->fd >= 0)
        close(a->fd);
    a->fd = -1;
    a->unsynced = a->renew = false;
}

/* A new segment is named after now, but never before the one before it. */
static int begin_segment(struct appender *a, struct error *e)
{
    int64_t now = clock_wall_ms();
    if (now > a->created_ms)
        a->created_ms = now;
    a->sequence++;
    segment_name(a->name, sizeof a->name, a->server, a->created_ms, a->sequence);
    uint8_t header[SEGMENT_HEADER_BYTES];
    segment_header(header, a->created_ms);
    int fd = openat(a->folder_fd, a->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0)
        return failed(e, a, "creating");
    if (write_all(fd, header, sizeof header, 0) != 0 || fsync(a->folder_fd) != 0) {
        int rc = failed(e, a, "beginning");
        close(fd);
        unlinkat(a->folder_fd, a->name, 0); /* nothing is in it; should it stay, it reads as empty */
        return rc;
    }
    a->fd = fd;
    a->end = sizeof header;
    return 0;
}

static int cut_back(struct appender *a, struct error *e)
{
    if (!a->cut_needed)
        return 0;
    if (ftruncate(a->fd, (off_t)a->end) != 0)
        return failed(e, a, "cutting a failed block from");
    a->cut_needed = false;
    return 0;
}

/* An open segment with room for the block. */
static int ready(struct appender *a, size_t block_bytes, struct error *e)
{
    int rc = cut_back(a, e);
    if (rc)
        return rc;
    bool full = a->end > SEGMENT_HEADER_BYTES && a->end + block_bytes > a->segment_max;
    if (a->fd >= 0 && (a->renew || full)) {
        rc = appender_sync(a, e);
        if (rc)
            return rc;
        leave_segment(a);
    }
    return a->fd >= 0 ? 0 : begin_segment(a, e);
}

int appender_append(struct appender *a, const struct buf *block, bool sync, struct error *e)
{
    int rc = ready(a, block->n, e);
    if (rc)
        return rc;
    a->cut_needed = true;
    if (write_all(a->fd, block->p, block->n, a->end) != 0) {
        a->renew = errno == EFBIG;
        rc = failed(e, a, "writing");
    } else if (sync && fdatasync(a->fd) != 0) {
        a->renew = true;
        rc = failed(e, a, "syncing");
    }
    if (rc) {
        struct error ignored; /* tried again before the next block */
        (void)!cut_back(a, &ignored);
        return rc;
    }
    a->cut_needed = false;
    a->end += block->n;
    a->unsynced = !sync;
    return 0;
}

int appender_sync(struct appender *a, struct error *e)
{
    if (a->fd < 0 || !a->unsynced)
        return 0;
    a->unsynced = false; /* a second try would find nothing to write and lie */
    if (fdatasync(a->fd) == 0)
        return 0;
    a->renew = true;
    return failed(e, a, "syncing");
}

bool appender_unsynced(const struct appender *a)
{
    return a->unsynced;
}

void appender_close(struct appender **a)
{
    if (!*a)
        return;
    struct error e;
    if (cut_back(*a, &e) != 0 || appender_sync(*a, &e) != 0)
        logging(LEVEL_ERROR, "closing the log", "error=\"%s\"", e.text);
    leave_segment(*a);
    if ((*a)->lock_fd >= 0)
        close((*a)->lock_fd);
    if ((*a)->folder_fd >= 0)
        close((*a)->folder_fd);
    free(*a);
    *a = NULL;
}
