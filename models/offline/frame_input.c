/* Input of tables; see frame_input.h. Three layers, each with the signature of a source:
 *
 *     raw     the file's bytes, counted; those read to look at the first four are given first
 *     text    raw, or unpacked from it
 *     head    the text's beginning, kept for frame_input_head, given first
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/offline/frame_input.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

enum { RAW = 256 * 1024, MAGIC_MAX = 8 };

struct frame_input {
    char name[256];
    csv_source source;
    void *ctx;
    int fd; /* or -1 */
    frame_progress progress;
    void *user;
    uint64_t done, total;
    char *raw; /* [raw_at, raw_end) is not given yet */
    size_t raw_at, raw_end;
    ZSTD_DStream *zstd; /* NULL: plain */
    size_t zstd_left;   /* 0 between two frames */
    char *head;
    size_t head_at, head_n;
    struct error failed;
};

/* ---- raw ---- */

static long raw_more(struct frame_input *in, char *p, size_t n)
{
    long got = in->source(in->ctx, p, n);
    if (got < 0) {
        error_set(&in->failed, ERR_IO, "%s: reading failed: %s", in->name, strerror((int)-got));
        return got;
    }
    in->done += (uint64_t)got;
    if (in->progress)
        in->progress(in->user, in->done, in->total);
    return got;
}

static long raw_read(struct frame_input *in, char *p, size_t n)
{
    size_t left = in->raw_end - in->raw_at;
    if (left == 0)
        return raw_more(in, p, n);
    n = n < left ? n : left;
    memcpy(p, in->raw + in->raw_at, n);
    in->raw_at += n;
    return (long)n;
}

/* At least n bytes into in->raw, unless there are fewer. False on failure. */
static bool raw_fill(struct frame_input *in, size_t n)
{
    while (in->raw_end < n) {
        long got = raw_more(in, in->raw + in->raw_end, RAW - in->raw_end);
        if (got <= 0)
            return got == 0;
        in->raw_end += (size_t)got;
    }
    return true;
}

/* ---- text ---- */

static long corrupt(struct frame_input *in, const char *why)
{
    error_set(&in->failed, ERR_CORRUPT, "%s: broken zstd data near byte %llu: %s", in->name,
              (unsigned long long)(in->done - (in->raw_end - in->raw_at)), why);
    return -EIO;
}

static long zstd_read(struct frame_input *in, char *p, size_t n)
{
    ZSTD_outBuffer out = {p, n, 0};
    for (;;) {
        if (in->raw_at < in->raw_end || in->zstd_left) {
            ZSTD_inBuffer raw = {in->raw, in->raw_end, in->raw_at};
            size_t left = ZSTD_decompressStream(in->zstd, &out, &raw);
            in->raw_at = raw.pos;
            if (ZSTD_isError(left))
                return corrupt(in, ZSTD_getErrorName(left));
            in->zstd_left = left;
            if (out.pos > 0)
                return (long)out.pos;
        }
        if (in->raw_at < in->raw_end)
            continue;
        in->raw_at = in->raw_end = 0;
        long got = raw_more(in, in->raw, RAW);
        if (got < 0)
            return got;
        if (got == 0)
            return in->zstd_left ? corrupt(in, "it ends in the middle; was the file cut?") : 0;
        in->raw_end = (size_t)got;
    }
}

static long text_read(struct frame_input *in, char *p, size_t n)
{
    return in->zstd ? zstd_read(in, p, n) : raw_read(in, p, n);
}

long frame_input_read(void *ctx, char *p, size_t n)
{
    struct frame_input *in = ctx;
    size_t left = in->head_n - in->head_at;
    if (left == 0)
        return in->failed.code ? -EIO : text_read(in, p, n);
    n = n < left ? n : left;
    memcpy(p, in->head + in->head_at, n);
    in->head_at += n;
    return (long)n;
}

/* ---- the beginning ---- */

static bool is_zstd(const char *p, size_t n)
{
    return n >= 4 && (memcmp(p, "\x28\xB5\x2F\xFD", 4) == 0 ||
                      (((uint8_t)p[0] & 0xF0) == 0x50 && memcmp(p + 1, "\x2A\x4D\x18", 3) == 0));
}

/* What a file is that is no table of text; NULL when it may be one. */
static const char *foreign(const char *p, size_t n)
{
    static const struct {
        const char *bytes;
        size_t n;
        const char *what;
    } kinds[] = {
        {"\xFF\xFE", 2, "this is UTF-16; save it as UTF-8"},
        {"\xFE\xFF", 2, "this is UTF-16; save it as UTF-8"},
        {"\x1F\x8B\x08", 3, "this is gzip; unpack it, or compress with zstd"},
        {"BZh", 3, "this is bzip2; unpack it, or compress with zstd"},
        {"\xFD"
         "7zXZ",
         5, "this is xz; unpack it, or compress with zstd"},
        {"PK\x03\x04", 4,
         "this is a ZIP archive or an Excel workbook; unpack it, or save the sheet as CSV UTF-8"},
        {"\xD0\xCF\x11\xE0", 4, "this is an Excel workbook; save the sheet as CSV UTF-8"},
        {"PAR1\x15", 5, "this is Parquet; write the table as CSV"},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (n >= kinds[i].n && memcmp(p, kinds[i].bytes, kinds[i].n) == 0 &&
            (i != 3 || (n > 7 && memcmp(p + 4, "1AY&", 4) == 0)))
            return kinds[i].what;
    if (n >= 4 && ((p[0] == 0 && p[2] == 0 && p[1] && p[3]) || (p[1] == 0 && p[3] == 0 && p[0] && p[2])))
        return "this is UTF-16 without a mark; save it as UTF-8";
    return NULL;
}

/* Whether the text from `from` on has the line break that ends the header; *quoted goes along. */
static bool has_header(const char *p, size_t from, size_t n, bool *quoted, bool *begun)
{
    for (size_t i = from; i < n; i++) {
        if (p[i] == '"')
            *quoted = !*quoted;
        else if (p[i] == '\n' && !*quoted && *begun)
            return true;
        *begun = *begun || (p[i] != '\n' && p[i] != '\r');
    }
    return false;
}

static int begin(struct frame_input *in, struct error *e)
{
    bool quoted = false, begun = false;
    in->raw = malloc(RAW);
    in->head = malloc(FRAME_INPUT_HEAD);
    if (!in->raw || !in->head)
        return error_set(e, ERR_NOSPACE, "out of memory");
    if (!raw_fill(in, MAGIC_MAX))
        return *e = in->failed, e->code;
    if (is_zstd(in->raw, in->raw_end)) {
        in->zstd = ZSTD_createDStream();
        if (!in->zstd)
            return error_set(e, ERR_NOSPACE, "out of memory");
    }
    while (in->head_n < FRAME_INPUT_HEAD) {
        long got = text_read(in, in->head + in->head_n, FRAME_INPUT_HEAD - in->head_n);
        if (got < 0)
            return *e = in->failed, e->code;
        in->head_n += (size_t)got;
        if (got == 0 || has_header(in->head, in->head_n - (size_t)got, in->head_n, &quoted, &begun))
            break;
    }
    const char *what = foreign(in->head, in->head_n);
    return what ? error_set(e, ERR_INVALID, "%s", what) : 0;
}

/* ---- opening ---- */

static struct frame_input *input_new(const char *name, csv_source source, void *ctx, frame_progress progress,
                                     void *user)
{
    struct frame_input *in = calloc(1, sizeof *in);
    if (!in)
        return NULL;
    snprintf(in->name, sizeof in->name, "%s", name);
    in->source = source;
    in->ctx = ctx;
    in->fd = -1;
    in->progress = progress;
    in->user = user;
    return in;
}

int frame_input_source(struct frame_input **out, const char *name, csv_source source, void *ctx,
                       frame_progress progress, void *user, struct error *e)
{
    *out = input_new(name, source, ctx, progress, user);
    if (!*out)
        return error_set(e, ERR_NOSPACE, "out of memory");
    int rc = begin(*out, e);
    if (rc)
        frame_input_free(out);
    return rc;
}

int frame_input_open(struct frame_input **out, const char *path, frame_progress progress, void *user,
                     struct error *e)
{
    bool standard = strcmp(path, "-") == 0;
    struct stat info;
    *out = NULL;
    int fd = standard ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set(e, errno == ENOENT ? ERR_NOTFOUND : ERR_IO, "%s: %s", path, strerror(errno));
    struct frame_input *in = input_new(standard ? "standard input" : path, csv_read_fd, NULL, progress, user);
    if (!in) {
        close(fd);
        return error_set(e, ERR_NOSPACE, "out of memory");
    }
    in->fd = fd;
    in->ctx = &in->fd;
    if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode)) {
        in->total = (uint64_t)info.st_size;
        posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    }
    int rc = begin(in, e);
    if (rc)
        frame_input_free(&in);
    *out = in;
    return rc;
}

void frame_input_free(struct frame_input **in)
{
    if (!*in)
        return;
    if ((*in)->fd >= 0)
        close((*in)->fd);
    ZSTD_freeDStream((*in)->zstd);
    free((*in)->raw);
    free((*in)->head);
    free(*in);
    *in = NULL;
}

const char *frame_input_name(const struct frame_input *in)
{
    return in->name;
}

struct str frame_input_head(const struct frame_input *in)
{
    return (struct str){in->head, in->head_n};
}

const struct error *frame_input_error(const struct frame_input *in)
{
    return &in->failed;
}
