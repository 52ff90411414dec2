/* The archive beside the log; see archive.h. A put fills a folder of its own, <log>/<kind>/.put-XXXXXX, and
 * renames it into place: rename refuses to replace a folder that holds something, so of two putters of one id
 * the first wins and the other, whose files are the same by the meaning of a content id, throws its own away.
 * SPDX-License-Identifier: Apache-2.0 */
#include "log/archive.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PATH_BYTES = 4096, PART_MAX = 255, ID_MAX = 64, PIECE = 64 * 1024 /* a call; see base/pace.h */ };

static const char temporary[] = ".put-";

struct put {
    char kind_path[PATH_BYTES];
    char temp[sizeof temporary + 6]; /* ".put-XXXXXX", below the kind's folder */
    int kind_fd, temp_fd;
    size_t files;
};

static int io_error(struct error *e, const char *path, const char *name)
{
    int code = errno;
    return error_set(e, code == ENOSPC || code == EDQUOT || code == EFBIG ? ERR_NOSPACE : ERR_IO, "%s/%s: %s",
                     path, name, strerror(code));
}

/* ---- names ---- */

static bool plain_name(const char *name)
{
    return name && strlen(name) <= ID_MAX && str_is_file_name(str_from(name));
}

static int check_names(const char *log_folder, const char *kind, const char *id, struct error *e)
{
    if (!plain_name(kind) || !plain_name(id))
        return error_set(e, ERR_INVALID,
                         "\"%s/%s\" is no name in the archive; allowed are 1 to %d of A-Z a-z 0-9 _ - . each",
                         kind ? kind : "", id ? id : "", ID_MAX);
    if (strlen(log_folder) + strlen(kind) + strlen(id) + 3 > PATH_BYTES)
        return error_set(e, ERR_INVALID, "the log's path is over %d bytes", PATH_BYTES);
    return 0;
}

static bool file_name_ok(const char *name)
{
    size_t n = name ? strlen(name) : 0;
    if (n == 0 || n > ARCHIVE_NAME_MAX)
        return false;
    int depth = 0;
    for (const char *p = name;; p++) {
        size_t part = strcspn(p, "/");
        if (part == 0 || part > PART_MAX || *p == '.' || ++depth > ARCHIVE_DEPTH_MAX)
            return false;
        p += part;
        if (!*p)
            return true;
    }
}

/* ---- removing ---- */

/* Removes what lies below parent/name and that itself; failures leave something behind, nothing worse. */
static void remove_tree(int parent, const char *name, int depth)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        if (fd >= 0)
            close(fd);
        return;
    }
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (unlinkat(fd, entry->d_name, 0) != 0 && depth <= ARCHIVE_DEPTH_MAX)
            remove_tree(fd, entry->d_name, depth + 1);
    }
    closedir(dir);
    unlinkat(parent, name, AT_REMOVEDIR);
}

/* What a killed put left long ago. */
static void remove_stale(int kind_fd)
{
    int fd = openat(kind_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    time_t now = time(NULL);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        struct stat info;
        if (strncmp(entry->d_name, temporary, sizeof temporary - 1) == 0 &&
            fstatat(kind_fd, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
            info.st_mtime + ARCHIVE_STALE_S < now)
            remove_tree(kind_fd, entry->d_name, 0);
    }
    if (dir)
        closedir(dir);
    else if (fd >= 0)
        close(fd);
}

/* ---- one put ---- */

static int sync_folder(int parent, const char *name)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd < 0 ? -1 : fsync(fd);
    if (fd >= 0)
        close(fd);
    return rc;
}

/* Leaves a put, finished or not. */
static void put_end(struct put *p)
{
    if (p->temp_fd >= 0) {
        close(p->temp_fd);
        remove_tree(p->kind_fd, p->temp, 0);
    }
    if (p->kind_fd >= 0)
        close(p->kind_fd);
    p->temp_fd = p->kind_fd = -1;
}

static int put_begin(struct put *p, const char *log_folder, const char *kind, struct error *e)
{
    *p = (struct put){.kind_fd = -1, .temp_fd = -1};
    snprintf(p->kind_path, sizeof p->kind_path, "%s/%s", log_folder, kind);
    if (mkdir(p->kind_path, 0755) == 0) {
        if (sync_folder(AT_FDCWD, log_folder) != 0)
            return io_error(e, log_folder, "");
    } else if (errno != EEXIST) {
        return io_error(e, log_folder, kind);
    }
    p->kind_fd = open(p->kind_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (p->kind_fd < 0)
        return io_error(e, log_folder, kind);
    remove_stale(p->kind_fd);
    char path[PATH_BYTES + sizeof temporary + 8];
    snprintf(path, sizeof path, "%s/%sXXXXXX", p->kind_path, temporary);
    if (!mkdtemp(path))
        return io_error(e, p->kind_path, temporary);
    memcpy(p->temp, path + strlen(p->kind_path) + 1, sizeof p->temp);
    p->temp_fd = openat(p->kind_fd, p->temp, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (p->temp_fd >= 0 && fchmod(p->temp_fd, 0755) == 0)
        return 0;
    int rc = io_error(e, p->kind_path, p->temp);
    unlinkat(p->kind_fd, p->temp, AT_REMOVEDIR);
    return rc;
}

/* Makes the folders above a file. */
static int make_parents(const struct put *p, const char *name)
{
    char path[ARCHIVE_NAME_MAX + 1];
    for (const char *slash = strchr(name, '/'); slash; slash = strchr(slash + 1, '/')) {
        snprintf(path, sizeof path, "%.*s", (int)(slash - name), name);
        if (mkdirat(p->temp_fd, path, 0755) != 0 && errno != EEXIST)
            return -1;
    }
    return 0;
}

/* Opens a new file of the put; the descriptor, or a negative code. */
static int put_create(struct put *p, const char *name, struct error *e)
{
    if (!file_name_ok(name))
        return error_set(
            e, ERR_INVALID,
            "\"%.200s\" is no name for an archived file; allowed are relative paths of up to %d bytes and "
            "%d parts, none beginning with '.'",
            name ? name : "", ARCHIVE_NAME_MAX, ARCHIVE_DEPTH_MAX);
    p->files++;
    int fd = make_parents(p, name) != 0
                 ? -1
                 : openat(p->temp_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd >= 0)
        return fd;
    if (errno == EEXIST || errno == EISDIR || errno == ENOTDIR)
        return error_set(e, ERR_INVALID, "\"%s\" comes twice, or is both a file and a folder", name);
    return io_error(e, p->kind_path, name);
}

static int put_bytes(const struct put *p, int fd, const char *name, struct str bytes, struct error *e)
{
    const char *at = bytes.p;
    for (size_t n = bytes.n; n > 0;) {
        ssize_t k = write(fd, at, n < PIECE ? n : PIECE);
        if (k < 0 && errno != EINTR)
            return io_error(e, p->kind_path, name);
        at += k > 0 ? k : 0;
        n -= k > 0 ? (size_t)k : 0;
    }
    return 0;
}

static int put_close(const struct put *p, int fd, const char *name, int rc, struct error *e)
{
    if (rc == 0 && fsync(fd) != 0)
        rc = io_error(e, p->kind_path, name);
    close(fd);
    return rc;
}

/* Syncs every folder below parent/name, itself last. */
static int sync_tree(int parent, const char *name)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        if (fd >= 0)
            close(fd);
        return -1;
    }
    int rc = 0;
    for (struct dirent *entry; rc == 0 && (entry = readdir(dir));) {
        struct stat info;
        if (entry->d_name[0] != '.' && fstatat(fd, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISDIR(info.st_mode))
            rc = sync_tree(fd, entry->d_name);
    }
    if (rc == 0)
        rc = fsync(fd);
    closedir(dir);
    return rc;
}

static int put_commit(struct put *p, const char *id, struct error *e)
{
    if (p->files == 0)
        return error_set(e, ERR_INVALID, "nothing to archive as %s", id);
    if (sync_tree(p->kind_fd, p->temp) != 0)
        return io_error(e, p->kind_path, p->temp);
    if (renameat(p->kind_fd, p->temp, p->kind_fd, id) != 0) {
        if (errno != EEXIST && errno != ENOTEMPTY)
            return io_error(e, p->kind_path, id);
    } else {
        close(p->temp_fd);
        p->temp_fd = -1;
    }
    /* also when another put won: its own sync may still be under way */
    return fsync(p->kind_fd) == 0 ? 0 : io_error(e, p->kind_path, id);
}

/* ---- what callers use ---- */

int archive_path(const char *log_folder, const char *kind, const char *id, char path[4096], struct error *e)
{
    int rc = check_names(log_folder, kind, id, e);
    if (rc)
        return rc;
    snprintf(path, PATH_BYTES, "%s/%s/%s", log_folder, kind, id);
    struct stat info;
    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode))
        return 0;
    return error_set(e, ERR_NOTFOUND, "%s: not in the archive", path);
}

/* 1 when the archive has it already, 0 not yet. */
static int already(const char *log_folder, const char *kind, const char *id, struct error *e)
{
    char path[PATH_BYTES];
    int rc = archive_path(log_folder, kind, id, path, e);
    return rc == 0 ? 1 : rc == ERR_NOTFOUND ? 0 : rc;
}

int archive_put(const char *log_folder, const char *kind, const char *id, const struct archive_file *files,
                size_t count, struct error *e)
{
    int rc = already(log_folder, kind, id, e);
    if (rc)
        return rc < 0 ? rc : 0;
    struct put p;
    rc = put_begin(&p, log_folder, kind, e);
    for (size_t i = 0; i < count && rc == 0; i++) {
        int fd = put_create(&p, files[i].name, e);
        rc = fd < 0 ? fd : put_bytes(&p, fd, files[i].name, files[i].bytes, e);
        if (fd >= 0)
            rc = put_close(&p, fd, files[i].name, rc, e);
    }
    if (rc == 0)
        rc = put_commit(&p, id, e);
    put_end(&p);
    return rc;
}
