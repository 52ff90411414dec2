/* Reading lines; see line_reader.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tools/line_reader.h"
#include <errno.h>
#include <poll.h>
#include <unistd.h>

enum { READ_SIZE = 64 * 1024 };

void line_reader_init(struct line_reader *r, int fd)
{
    *r = (struct line_reader){.fd = fd};
    buf_init(&r->buf, 2 * LINE_READER_MAX + 2 * READ_SIZE);
}

void line_reader_free(struct line_reader *r)
{
    buf_free(&r->buf);
}

/* 1: something came, or the end. 0: nothing is there. */
static int read_more(struct line_reader *r, bool wait, struct error *e)
{
    if (r->at > 0) {
        memmove(r->buf.p, r->buf.p + r->at, r->buf.n - r->at);
        r->buf.n -= r->at;
        r->seen -= r->at;
        r->at = 0;
    }
    uint8_t *room = buf_reserve(&r->buf, READ_SIZE);
    if (!room)
        return error_set(e, ERR_NOSPACE, "out of memory");
    for (;;) {
        struct pollfd p = {.fd = r->fd, .events = POLLIN};
        if (poll(&p, 1, wait ? -1 : 0) == 0)
            return 0;
        ssize_t n = read(r->fd, room, READ_SIZE);
        if (n >= 0) {
            r->buf.n += (size_t)n;
            r->bytes += (uint64_t)n;
            r->end = n == 0;
            return 1;
        }
        if (errno != EINTR && errno != EAGAIN)
            return error_set(e, ERR_IO, "cannot read: %s", strerror(errno));
    }
}

/* The line that ends at `end`, its break not counted; next: where the one after it begins. */
static enum line_result take(struct line_reader *r, size_t end, size_t next, struct str *line)
{
    bool skipped = r->skipping || end - r->at > LINE_READER_MAX;
    *line = (struct str){(const char *)r->buf.p + r->at, end - r->at};
    while (line->n > 0 && line->p[line->n - 1] == '\r')
        line->n--;
    r->at = r->seen = next;
    r->skipping = false;
    r->number++;
    return skipped ? LINE_TOO_LONG : LINE_READ;
}

enum line_result line_reader_next(struct line_reader *r, bool wait, struct str *line, struct error *e)
{
    for (;;) {
        const uint8_t *from = r->buf.p + r->seen;
        const uint8_t *found = r->buf.n > r->seen ? memchr(from, '\n', r->buf.n - r->seen) : NULL;
        if (found) {
            size_t end = (size_t)(found - r->buf.p);
            return take(r, end, end + 1, line);
        }
        r->seen = r->buf.n;
        if (r->end && (r->buf.n > r->at || r->skipping))
            return take(r, r->buf.n, r->buf.n, line);
        if (r->end)
            return LINE_END;
        if (r->buf.n - r->at > LINE_READER_MAX) {
            r->skipping = true;
            r->at = r->seen = r->buf.n;
        }
        int rc = read_more(r, wait, e);
        if (rc <= 0)
            return rc < 0 ? LINE_FAILED : LINE_LATER;
    }
}
