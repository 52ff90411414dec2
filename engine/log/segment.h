/* Segment files as a sequence of blocks: naming, listing, walking from block to block, and telling a torn
 * tail from damage. Used by the reader and, when the folder is opened for writing, to find where the last
 * segment's whole blocks end.
 *
 * The size is taken when the segment is opened, so that walking a segment that is being written stops at the
 * last whole block and never takes what comes meanwhile for damage.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_LOG_SEGMENT_H
#define TACT_LOG_SEGMENT_H
#include "log/block.h"

enum {
    SEGMENT_HEADER_BYTES = 16,
    SEGMENT_PATH_MAX = 4096,
    SEGMENT_SERVER_MAX = 32,
    SEGMENTS_MAX = 1000000, /* files in a folder */
};

/* ---- names: <server>-<created ms, 13 digits>-<sequence, 8 digits>.tlog ---- */

bool segment_server_ok(const char *server); /* [a-z0-9_-]{1,32} */
void segment_name(char *out, size_t size, const char *server, int64_t created_ms, uint32_t sequence);
/* False when the name is not one of this server's segments. */
bool segment_parse(const char *name, const char *server, int64_t *created_ms, uint32_t *sequence);
void segment_header(uint8_t out[SEGMENT_HEADER_BYTES], int64_t created_ms);

/* The names (not paths) in a folder that end in .tlog, sorted by bytes. ERR_NOTFOUND when there is no such
 * folder. */
struct segment_list {
    char **names;
    size_t count, capacity;
};
int segment_list(struct segment_list *out, const char *folder, struct error *e) MUST_CHECK;
void segment_list_free(struct segment_list *list);

/* ---- walking ---- */

struct segment {
    char path[SEGMENT_PATH_MAX];
    int fd;
    uint64_t size;   /* when it was opened */
    uint64_t offset; /* of the next block; after the end: where the whole blocks end */
    uint64_t window_at;
    struct buf window; /* bytes of the file from window_at */
};

/* ERR_NOTFOUND, ERR_IO, ERR_CORRUPT (not a segment). A header that was torn makes a segment of size 0. */
int segment_open(struct segment *s, const char *path, struct error *e) MUST_CHECK;
/* 1: *b and *stored (valid until the next call) are the next whole block, at *at. 0: the end; offset < size
 * then says that a torn tail follows. ERR_CORRUPT: a bad block with a whole one after it; the text names file
 * and offset. */
int segment_next(struct segment *s, struct block *b, const uint8_t **stored, uint64_t *at,
                 struct error *e) MUST_CHECK;
void segment_close(struct segment *s);

#endif
