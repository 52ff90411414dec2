/* Lines of a file or a pipe, and whether the next one is there already: so that a tool can acknowledge what it has while
 * the writer of a pipe thinks. One thread.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_TOOLS_LINE_READER_H
#define TACT_TOOLS_LINE_READER_H
#include "base/buf.h"

enum { LINE_READER_MAX = 1 << 20 }; /* bytes of a line */

enum line_result {
    LINE_READ,
    LINE_TOO_LONG, /* it was skipped */
    LINE_LATER,    /* not there yet; only without wait */
    LINE_END,
    LINE_FAILED,
};

struct line_reader {
    int fd;
    struct buf buf;
    size_t at;       /* of buf: where the next line begins */
    size_t seen;     /* of buf: no line break before */
    bool skipping;   /* a line that is too long */
    bool end;
    uint64_t number; /* of the latest line, from 1 */
    uint64_t bytes;  /* read so far */
};

/* fd stays the caller's. */
void line_reader_init(struct line_reader *r, int fd);
void line_reader_free(struct line_reader *r);
/* *line: without its end (\n or \r\n), valid until the next call. wait: until there is one. */
enum line_result line_reader_next(struct line_reader *r, bool wait, struct str *line, struct error *e) MUST_CHECK;

#endif
