/* Reader of the durable log; see log_reader.h. It holds one segment open and one block unpacked.
 * SPDX-License-Identifier: Apache-2.0 */
#include "log/log_reader.h"
#include "log/segment.h"
#include <stdlib.h>
#include <sys/stat.h>

struct log_reader {
    char folder[SEGMENT_PATH_MAX]; /* "" when path was one file */
    struct segment_list list;      /* names below folder, or the one path */
    size_t next;                   /* in the list */
    bool open;
    struct segment segment;
    struct block_unpacker *unpacker;
    struct buf block;
    struct cursor records; /* what is left of the block */
    char file[SEGMENT_PATH_MAX];
    uint64_t block_at;
    uint64_t done, total;
    struct error damage;
};

static int segment_path(const struct log_reader *r, size_t i, char path[SEGMENT_PATH_MAX], struct error *e)
{
    int n = snprintf(path, SEGMENT_PATH_MAX, "%s%s%s", r->folder, r->folder[0] ? "/" : "", r->list.names[i]);
    return n < SEGMENT_PATH_MAX ? 0 : error_set(e, ERR_INVALID, "a path of over %d bytes", SEGMENT_PATH_MAX);
}

static int list_segments(struct log_reader *r, const char *path, struct error *e)
{
    struct stat info;
    int rc = 0;
    if (stat(path, &info) == 0 && S_ISREG(info.st_mode)) {
        r->list.names = calloc(1, sizeof *r->list.names);
        ASSERT(r->list.names);
        r->list.names[0] = strdup(path);
        ASSERT(r->list.names[0]);
        r->list.count = r->list.capacity = 1;
    } else {
        if (strlen(path) >= sizeof r->folder)
            return error_set(e, ERR_INVALID, "a path of over %d bytes", SEGMENT_PATH_MAX);
        strcpy(r->folder, path);
        rc = segment_list(&r->list, path, e);
    }
    for (size_t i = 0; i < r->list.count && rc == 0; i++) {
        char file[SEGMENT_PATH_MAX];
        rc = segment_path(r, i, file, e);
        if (rc == 0 && stat(file, &info) == 0)
            r->total += (uint64_t)info.st_size;
    }
    return rc;
}

int log_read_open(struct log_reader **out, const char *path, struct error *e)
{
    struct log_reader *r = calloc(1, sizeof *r);
    ASSERT(r);
    buf_init(&r->block, LOG_BLOCK_MAX);
    r->unpacker = block_unpacker_new();
    int rc = list_segments(r, path, e);
    if (rc)
        log_read_close(&r);
    *out = r;
    return rc;
}

/* Opens the next segment: 1, or 0 when there is none. */
static int next_segment(struct log_reader *r, struct error *e)
{
    if (r->next == r->list.count)
        return 0;
    char path[SEGMENT_PATH_MAX];
    int rc = segment_path(r, r->next, path, e);
    if (rc == 0)
        rc = segment_open(&r->segment, path, e);
    r->next++;
    r->open = rc == 0;
    return rc ? rc : 1;
}

static void end_segment(struct log_reader *r)
{
    if (!r->open)
        return;
    r->done += r->segment.size;
    segment_close(&r->segment);
    r->open = false;
}

/* Unpacks the next block, of this segment or a later one: 1, 0 at the end. */
static int next_block(struct log_reader *r, struct error *e)
{
    for (;;) {
        int rc = r->open ? 1 : next_segment(r, e);
        if (rc <= 0)
            return rc;
        struct block b;
        const uint8_t *stored;
        rc = segment_next(&r->segment, &b, &stored, &r->block_at, e);
        if (rc == 0) {
            end_segment(r);
            continue;
        }
        if (rc < 0)
            return rc;
        rc = block_unpack(r->unpacker, &b, stored, &r->block, e);
        if (rc) {
            error_prefix(e, "%s: offset %llu", r->segment.path, (unsigned long long)r->block_at);
            return rc;
        }
        memcpy(r->file, r->segment.path, sizeof r->file);
        r->records = cursor_of(r->block.p, r->block.n);
        return 1;
    }
}

int log_read_next(struct log_reader *r, struct str *record, struct error *e)
{
    if (cursor_left(&r->records) == 0 && r->damage.code == 0) {
        struct error damage = {0};
        int rc = next_block(r, &damage);
        if (rc == 0)
            return 0;
        if (rc < 0)
            r->damage = damage;
    }
    if (r->damage.code)
        return error_set(e, r->damage.code, "%s", r->damage.text);
    uint64_t n = cursor_varint(&r->records);
    const uint8_t *p = cursor_bytes(&r->records, (size_t)n);
    ASSERT(!r->records.failed); /* block_unpack checked it */
    *record = (struct str){(const char *)p, (size_t)n};
    return 1;
}

void log_read_skip(struct log_reader *r)
{
    if (r->damage.code == 0)
        return;
    r->damage = (struct error){0};
    r->records = (struct cursor){0};
    end_segment(r);
}

void log_read_where(const struct log_reader *r, const char **file, uint64_t *offset)
{
    *file = r->file;
    *offset = r->block_at;
}

void log_read_progress(const struct log_reader *r, uint64_t *done, uint64_t *total)
{
    *done = r->done + (r->open ? r->segment.offset : 0);
    *total = r->total > *done ? r->total : *done;
}

void log_read_close(struct log_reader **r)
{
    if (!*r)
        return;
    end_segment(*r);
    segment_list_free(&(*r)->list);
    block_unpacker_free(&(*r)->unpacker);
    buf_free(&(*r)->block);
    free(*r);
    *r = NULL;
}
