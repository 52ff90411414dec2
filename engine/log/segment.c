/* Segment files; see segment.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "log/segment.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    WINDOW_BYTES = 1 << 20,
    WINDOW_MAX = BLOCK_HEADER_BYTES + BLOCK_STORED_MAX + WINDOW_BYTES,
    /* Looking for a whole block after a bad one may hash this many times what is left of the file, and
     * WINDOW_MAX; bytes made to look like headers everywhere could ask for far more. Past it the file counts
     * as damaged, which loses nothing. */
    SEARCH_FACTOR = 4,
    STRETCH_BYTES = 4096, /* how much one look for the magic goes through */
    MS_DIGITS = 13,
    SEQUENCE_DIGITS = 8,
};

static const uint8_t magic[8] = {'T', 'A', 'C', 'T', 'L', 'O', 'G', '1'};
static const char suffix[] = ".tlog";

bool segment_server_ok(const char *server)
{
    size_t n = server ? strlen(server) : 0;
    return n >= 1 && n <= SEGMENT_SERVER_MAX && strspn(server, "abcdefghijklmnopqrstuvwxyz0123456789_-") == n;
}

void segment_name(char *out, size_t size, const char *server, int64_t created_ms, uint32_t sequence)
{
    snprintf(out, size, "%s-%0*lld-%0*u%s", server, MS_DIGITS, (long long)created_ms, SEQUENCE_DIGITS,
             sequence, suffix);
}

/* Exactly digits decimal digits at *p, which moves past them. */
static bool digits_at(const char **p, int digits, int64_t *out)
{
    *out = 0;
    for (int i = 0; i < digits; i++, (*p)++) {
        if (**p < '0' || **p > '9')
            return false;
        *out = *out * 10 + (**p - '0');
    }
    return true;
}

bool segment_parse(const char *name, const char *server, int64_t *created_ms, uint32_t *sequence)
{
    size_t n = strlen(server);
    int64_t number;
    if (strncmp(name, server, n) != 0 || name[n] != '-')
        return false;
    const char *p = name + n + 1;
    if (!digits_at(&p, MS_DIGITS, created_ms) || *p++ != '-' || !digits_at(&p, SEQUENCE_DIGITS, &number) ||
        strcmp(p, suffix) != 0)
        return false;
    *sequence = (uint32_t)number;
    return true;
}

void segment_header(uint8_t out[SEGMENT_HEADER_BYTES], int64_t created_ms)
{
    memcpy(out, magic, sizeof magic);
    for (int i = 0; i < 8; i++)
        out[8 + i] = (uint8_t)((uint64_t)created_ms >> (8 * i));
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void list_add(struct segment_list *list, const char *name)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity ? list->capacity * 2 : 64;
        list->names = realloc(list->names, list->capacity * sizeof *list->names);
        ASSERT(list->names);
    }
    list->names[list->count] = strdup(name);
    ASSERT(list->names[list->count]);
    list->count++;
}

int segment_list(struct segment_list *out, const char *folder, struct error *e)
{
    *out = (struct segment_list){0};
    DIR *dir = opendir(folder);
    if (!dir)
        return error_set(e, errno == ENOENT ? ERR_NOTFOUND : ERR_IO, "%s: %s", folder, strerror(errno));
    int rc = 0;
    for (struct dirent *entry; rc == 0 && (errno = 0, entry = readdir(dir));) {
        size_t n = strlen(entry->d_name);
        if (entry->d_name[0] == '.' || n < sizeof suffix ||
            strcmp(entry->d_name + n - sizeof suffix + 1, suffix) != 0)
            continue;
        if (out->count == SEGMENTS_MAX)
            rc = error_set(e, ERR_NOSPACE, "%s holds over %d segments", folder, SEGMENTS_MAX);
        else
            list_add(out, entry->d_name);
    }
    if (rc == 0 && errno)
        rc = error_set(e, ERR_IO, "%s: %s", folder, strerror(errno));
    closedir(dir);
    if (rc)
        segment_list_free(out);
    else if (out->count)
        qsort(out->names, out->count, sizeof *out->names, by_name);
    return rc;
}

void segment_list_free(struct segment_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->names[i]);
    free(list->names);
    *list = (struct segment_list){0};
}

/* Makes *out point to n bytes of the file from at, or to NULL when the file is shorter. ERR_IO when reading
 * fails. */
static int bytes_at(struct segment *s, uint64_t at, size_t n, const uint8_t **out, struct error *e)
{
    *out = NULL;
    if (at > s->size || n > s->size - at)
        return 0;
    if (at < s->window_at || at + n > s->window_at + s->window.n) {
        size_t want = n > WINDOW_BYTES ? n : WINDOW_BYTES;
        if (want > s->size - at)
            want = (size_t)(s->size - at);
        buf_clear(&s->window);
        s->window_at = at;
        if (!buf_reserve(&s->window, want))
            return error_set(e, ERR_INTERNAL, "%s: no memory to read %zu bytes", s->path, want);
        while (s->window.n < want) {
            ssize_t k =
                pread(s->fd, s->window.p + s->window.n, want - s->window.n, (off_t)(at + s->window.n));
            if (k < 0 && errno != EINTR)
                return error_set(e, ERR_IO, "%s: %s", s->path, strerror(errno));
            if (k == 0)
                break; /* cut meanwhile */
            s->window.n += k > 0 ? (size_t)k : 0;
        }
        if (s->window.n < n)
            return 0;
    }
    *out = s->window.p + (at - s->window_at);
    return 0;
}

static bool all_zero(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i])
            return false;
    return true;
}

int segment_open(struct segment *s, const char *path, struct error *e)
{
    *s = (struct segment){.fd = -1, .offset = SEGMENT_HEADER_BYTES};
    buf_init(&s->window, WINDOW_MAX);
    if (strlen(path) >= sizeof s->path)
        return error_set(e, ERR_INVALID, "a path of over %d bytes", SEGMENT_PATH_MAX);
    strcpy(s->path, path);
    s->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat info;
    if (s->fd < 0 || fstat(s->fd, &info) != 0) {
        int rc = error_set(e, errno == ENOENT ? ERR_NOTFOUND : ERR_IO, "%s: %s", path, strerror(errno));
        segment_close(s);
        return rc;
    }
    if (!S_ISREG(info.st_mode)) {
        segment_close(s);
        return error_set(e, ERR_CORRUPT, "%s: not a file", path);
    }
    s->size = (uint64_t)info.st_size;
    const uint8_t *header;
    int rc = bytes_at(s, 0, SEGMENT_HEADER_BYTES, &header, e);
    if (rc == 0 && header && memcmp(header, magic, sizeof magic) != 0 &&
        !all_zero(header, SEGMENT_HEADER_BYTES))
        rc = error_set(e, ERR_CORRUPT, "%s: offset 0: not a segment of the decision log", path);
    if (rc)
        segment_close(s);
    else if (!header)
        s->offset = s->size = 0; /* the header itself was torn */
    return rc;
}

/* Reads the block at `at`: 1 whole, 0 not. Adds to *hashed what the checksum had to read. */
static int block_at(struct segment *s, uint64_t at, struct block *b, const uint8_t **stored, uint64_t *hashed,
                    struct error *e)
{
    const uint8_t *p;
    int rc = bytes_at(s, at, BLOCK_HEADER_BYTES, &p, e);
    if (rc || !p || !block_header(p, b))
        return rc;
    rc = bytes_at(s, at, BLOCK_HEADER_BYTES + (size_t)b->stored_bytes, &p, e);
    if (rc || !p)
        return rc;
    *hashed += b->stored_bytes;
    *stored = p + BLOCK_HEADER_BYTES;
    return block_whole(p, b, *stored);
}

/* Whether any whole block begins after the bad one at `bad`: 1, 0, or an error. */
static int whole_after(struct segment *s, uint64_t bad, struct error *e)
{
    uint64_t hashed = 0, budget = (s->size - bad) * SEARCH_FACTOR + WINDOW_MAX;
    for (uint64_t at = bad + 1; at + BLOCK_HEADER_BYTES <= s->size; at++) {
        const uint8_t *p;
        int rc = bytes_at(s, at, BLOCK_HEADER_BYTES, &p, e);
        if (rc || !p)
            return rc;
        size_t n = (size_t)(s->window_at + s->window.n - at);
        if (n > STRETCH_BYTES)
            n = STRETCH_BYTES;
        const uint8_t *hit = memmem(p, n, "TBLK", 4);
        if (!hit) {
            at += n - 4; /* the magic may straddle two windows */
            continue;
        }
        at += (uint64_t)(hit - p);
        struct block b;
        const uint8_t *stored;
        rc = block_at(s, at, &b, &stored, &hashed, e);
        if (rc || hashed > budget)
            return rc ? rc : 1;
    }
    return 0;
}

int segment_next(struct segment *s, struct block *b, const uint8_t **stored, uint64_t *at, struct error *e)
{
    uint64_t hashed = 0;
    if (s->offset >= s->size)
        return 0;
    *at = s->offset;
    int rc = block_at(s, s->offset, b, stored, &hashed, e);
    if (rc == 1)
        s->offset += BLOCK_HEADER_BYTES + (uint64_t)b->stored_bytes;
    if (rc != 0)
        return rc;
    rc = whole_after(s, s->offset, e);
    if (rc <= 0)
        return rc;
    return error_set(e, ERR_CORRUPT, "%s: offset %llu: a damaged block, with whole ones after it", s->path,
                     (unsigned long long)s->offset);
}

void segment_close(struct segment *s)
{
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
    buf_free(&s->window);
}
