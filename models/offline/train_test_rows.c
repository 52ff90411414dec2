/* The rows of the test part; see train_test_rows.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/offline/train_test_rows.h"
#include "models/offline/frame_input.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_ROOM = 4200 };

struct train_test_rows {
    char path[PATH_ROOM], fresh[PATH_ROOM];
    FILE *file;
    bool placed;
};

static int io_error(const char *path, struct error *e)
{
    return error_set(e, ERR_IO, "%s: %s", path, strerror(errno));
}

/* What stands at the path, if anything, must be a file that may be replaced. */
static int check_place(const char *path, const char *table, struct error *e)
{
    struct stat there, source;
    if (path[0] == 0 || strcmp(path, "-") == 0)
        return error_set(e, ERR_INVALID, "--test-rows needs the name of a file");
    if (stat(path, &there) != 0)
        return 0;
    if (!S_ISREG(there.st_mode))
        return error_set(e, ERR_INVALID, "%s exists already and is no regular file", path);
    int known = strcmp(table, "-") == 0 ? fstat(STDIN_FILENO, &source) : stat(table, &source);
    if (known == 0 && source.st_dev == there.st_dev && source.st_ino == there.st_ino)
        return error_set(e, ERR_INVALID, "%s is the table itself; name another file for the test rows", path);
    return 0;
}

int train_test_rows_new(struct train_test_rows **out, const char *path, const char *table, struct error *e)
{
    *out = NULL;
    int rc = check_place(path, table, e);
    if (rc)
        return rc;
    struct train_test_rows *t = calloc(1, sizeof *t);
    if (!t)
        return error_set(e, ERR_NOSPACE, "out of memory");
    snprintf(t->path, sizeof t->path, "%s", path);
    if (snprintf(t->fresh, sizeof t->fresh, "%s.XXXXXX", path) >= PATH_ROOM) {
        free(t);
        return error_set(e, ERR_INVALID, "the name of the file for the test rows is too long");
    }
    mode_t mask = umask(0);
    umask(mask);
    int fd = mkostemp(t->fresh, O_CLOEXEC);
    t->file = fd >= 0 && fchmod(fd, 0666 & ~mask) == 0 ? fdopen(fd, "wb") : NULL;
    *out = t;
    if (t->file)
        return 0;
    rc = io_error(t->fresh, e);
    if (fd >= 0) {
        close(fd);
        unlink(t->fresh);
    }
    free(t);
    *out = NULL;
    return rc;
}

/* What ends the header's line, looked up where it stands in the table's beginning. */
static const char *line_end(const struct frame_input *in, struct str header)
{
    struct str head = frame_input_head(in);
    const char *at = header.n && header.n < head.n ? memmem(head.p, head.n, header.p, header.n) : NULL;
    return at && at + header.n < head.p + head.n && at[header.n] == '\r' ? "\r\n" : "\n";
}

static int copy_rows(FILE *file, struct frame_input *in, struct csv *csv, const uint8_t *test, size_t records,
                     struct error *e)
{
    const char *end = "\n";
    struct csv_record r;
    for (size_t n = 0;; n++) { /* the header is the first record */
        enum csv_result result = csv_next(csv, &r, e);
        if (result == CSV_FAILED) {
            if (frame_input_error(in)->code)
                *e = *frame_input_error(in);
            return e->code;
        }
        bool over = result == CSV_END, enough = n == records + 1;
        if (over && enough)
            return 0;
        if (over || enough || result == CSV_BAD)
            return error_set(e, ERR_CONFLICT, "%s changed while it was read; try again",
                             frame_input_name(in));
        if (n == 0)
            end = line_end(in, r.raw);
        if (n == 0 || test[n - 1]) {
            fwrite(r.raw.p, 1, r.raw.n, file);
            fputs(end, file);
        }
    }
}

int train_test_rows_write(struct train_test_rows *t, struct train_input *in, char separator,
                          const uint8_t *test, size_t records, struct error *e)
{
    struct frame_input *bytes = NULL;
    struct csv *csv = NULL;
    int rc = train_input_again(in, e);
    if (!rc)
        rc = frame_input_source(&bytes, train_input_name(in), train_input_read, in, NULL, NULL, e);
    if (!rc && !(csv = csv_new(train_input_name(in), separator, frame_input_read, bytes)))
        rc = error_set(e, ERR_NOSPACE, "out of memory");
    if (!rc)
        rc = copy_rows(t->file, bytes, csv, test, records, e);
    if (rc && train_input_failed(in, e))
        rc = e->code;
    if (!rc)
        rc = train_input_unchanged(in, e);
    bool bad = fflush(t->file) != 0 || ferror(t->file) || (!rc && fsync(fileno(t->file)) != 0);
    if (!rc && bad)
        rc = io_error(t->fresh, e);
    csv_free(&csv);
    frame_input_free(&bytes);
    return rc;
}

int train_test_rows_place(struct train_test_rows *t, struct error *e)
{
    if (rename(t->fresh, t->path) != 0)
        return io_error(t->path, e);
    t->placed = true;
    return 0;
}

void train_test_rows_free(struct train_test_rows **t)
{
    if (!*t)
        return;
    fclose((*t)->file);
    if (!(*t)->placed)
        unlink((*t)->fresh);
    free(*t);
    *t = NULL;
}
