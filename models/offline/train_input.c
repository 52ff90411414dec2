/* A source that is read twice; see train_input.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/offline/train_input.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_ROOM = 4200 };

struct train_input {
    char name[256];
    struct train_input_options o;
    int fd;
    int copy; /* of what cannot be read again, or -1 */
    bool is_file, again;
    off_t begin;
    struct stat info; /* at opening */
    uint64_t done, total;
    struct error failed;
};

static int open_copy(struct train_input *in, struct error *e)
{
    char path[PATH_ROOM];
    if (snprintf(path, sizeof path, "%s.XXXXXX", in->o.beside) >= PATH_ROOM)
        return error_set(e, ERR_INVALID, "the file's name is too long: %.100s…", in->o.beside);
    in->copy = mkostemp(path, O_CLOEXEC);
    if (in->copy < 0)
        return error_set(e, ERR_IO, "%s: %s", path, strerror(errno));
    unlink(path);
    return 0;
}

int train_input_open(struct train_input **out, const char *path, const struct train_input_options *o,
                     struct error *e)
{
    bool standard = strcmp(path, "-") == 0;
    struct train_input *in = calloc(1, sizeof *in);
    *out = NULL;
    if (!in)
        return error_set(e, ERR_NOSPACE, "out of memory");
    snprintf(in->name, sizeof in->name, "%s", standard ? "standard input" : path);
    in->o = *o;
    in->copy = -1;
    in->fd = standard ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
    int rc = in->fd < 0 || fstat(in->fd, &in->info) != 0
                 ? error_set(e, errno == ENOENT ? ERR_NOTFOUND : ERR_IO, "%s: %s", in->name, strerror(errno))
                 : 0;
    if (!rc) {
        in->begin = lseek(in->fd, 0, SEEK_CUR);
        in->is_file = S_ISREG(in->info.st_mode) && in->begin >= 0;
    }
    if (!rc && in->is_file) {
        in->total = (uint64_t)in->info.st_size;
        posix_fadvise(in->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    } else if (!rc && o->beside) {
        rc = open_copy(in, e);
    }
    if (rc)
        train_input_free(&in);
    *out = in;
    return rc;
}

void train_input_free(struct train_input **in)
{
    if (!*in)
        return;
    if ((*in)->fd >= 0)
        close((*in)->fd);
    if ((*in)->copy >= 0)
        close((*in)->copy);
    free(*in);
    *in = NULL;
}

const char *train_input_name(const struct train_input *in)
{
    return in->name;
}

static bool cancelled(const struct train_input *in)
{
    return in->o.cancel && *in->o.cancel;
}

static long fail(struct train_input *in, const char *what)
{
    int code = errno;
    error_set(&in->failed, ERR_IO, "%s: %s failed: %s", in->name, what, strerror(code));
    return -code;
}

static long keep(struct train_input *in, const char *p, size_t n)
{
    for (size_t done = 0; done < n;) {
        ssize_t k = write(in->copy, p + done, n - done);
        if (k < 0 && errno != EINTR)
            return fail(in, "keeping a copy");
        done += k > 0 ? (size_t)k : 0;
    }
    return 0;
}

long train_input_read(void *ctx, char *p, size_t n)
{
    struct train_input *in = ctx;
    int fd = in->again && in->copy >= 0 ? in->copy : in->fd;
    ssize_t got = -1;
    errno = EINTR;
    while (got < 0 && errno == EINTR && !cancelled(in))
        got = read(fd, p, n);
    if (cancelled(in)) {
        error_set(&in->failed, ERR_UNAVAILABLE, "stopped before the training was done");
        return -EINTR;
    }
    if (got < 0)
        return fail(in, "reading");
    if (got > 0 && in->copy >= 0 && !in->again) {
        long failed = keep(in, p, (size_t)got);
        if (failed)
            return failed;
    }
    in->done += (uint64_t)got;
    if (in->o.progress)
        in->o.progress(in->o.user, in->done, in->total);
    return (long)got;
}

int train_input_failed(const struct train_input *in, struct error *e)
{
    if (in->failed.code)
        *e = in->failed;
    return in->failed.code;
}

int train_input_again(struct train_input *in, struct error *e)
{
    ASSERT(in->o.beside);
    bool copied = in->copy >= 0;
    if (lseek(copied ? in->copy : in->fd, copied ? 0 : in->begin, SEEK_SET) < 0)
        return error_set(e, ERR_IO, "%s: it cannot be read again: %s", in->name, strerror(errno));
    in->again = true;
    in->done = 0;
    return 0;
}

int train_input_unchanged(const struct train_input *in, struct error *e)
{
    struct stat now;
    const struct stat *then = &in->info;
    if (!in->is_file)
        return 0;
    if (fstat(in->fd, &now) == 0 && now.st_size == then->st_size &&
        now.st_mtim.tv_sec == then->st_mtim.tv_sec && now.st_mtim.tv_nsec == then->st_mtim.tv_nsec)
        return 0;
    return error_set(e, ERR_CONFLICT, "%s changed while it was read; try again", in->name);
}
