/* Byte buffers and cursors; see buf.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include <stdarg.h>
#include <stdlib.h>

void buf_init(struct buf *b, size_t limit)
{
    *b = (struct buf){.limit = limit};
}

void buf_free(struct buf *b)
{
    free(b->p);
    *b = (struct buf){.limit = b->limit};
}

void buf_clear(struct buf *b)
{
    b->n = 0;
    b->failed = false;
}

uint8_t *buf_reserve(struct buf *b, size_t n)
{
    if (b->failed)
        return NULL;
    if (n > b->limit || b->n > b->limit - n) {
        b->failed = true;
        return NULL;
    }
    if (b->capacity - b->n < n || !b->p) {
        size_t capacity = b->capacity ? b->capacity * 2 : 256;
        while (capacity < b->n + n)
            capacity *= 2;
        if (capacity > b->limit)
            capacity = b->limit; /* what fits is within the limit */
        uint8_t *p = realloc(b->p, capacity);
        if (!p) {
            b->failed = true;
            return NULL;
        }
        b->p = p;
        b->capacity = capacity;
    }
    return b->p + b->n;
}

void buf_append_slow(struct buf *b, const void *p, size_t n)
{
    uint8_t *to = buf_reserve(b, n);
    if (to && n) {
        memcpy(to, p, n);
        b->n += n;
    }
}

void buf_printf(struct buf *b, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    uint8_t *to = n < 0 ? NULL : buf_reserve(b, (size_t)n + 1);
    if (to) {
        vsnprintf((char *)to, (size_t)n + 1, format, again);
        b->n += (size_t)n;
    }
    va_end(again);
}

void buf_long_varint(struct buf *b, uint64_t v)
{
    enum { LONGEST = 10 };
    uint8_t bytes[LONGEST], *to = buf_fits(b, LONGEST) ? b->p + b->n : bytes;
    size_t n = 0;
    while (v >= 0x80) {
        to[n++] = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    to[n++] = (uint8_t)v;
    if (to == bytes)
        buf_append(b, bytes, n);
    else
        b->n += n;
}

uint64_t cursor_long_varint(struct cursor *c)
{
    uint64_t v = 0;
    for (int shift = 0; !c->failed && c->p < c->end && shift < 70; shift += 7) {
        uint8_t byte = *c->p++;
        if (shift == 63 && byte > 1)
            break;
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return v;
    }
    c->failed = true;
    return 0;
}
