/* Growing byte buffer with a maximum (every buffer carries its own). A failure sticks: later appends do nothing and
 * buf_ok says false, so that callers check once at the end.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_BASE_BUF_H
#define TACT_BASE_BUF_H
#include "base/error.h"
#include "base/str.h"
#include <stdint.h>

struct buf {
    uint8_t *p;
    size_t n, capacity, limit;
    bool failed;
};

void buf_init(struct buf *b, size_t limit);
void buf_free(struct buf *b);
void buf_clear(struct buf *b); /* empties, keeps the memory, clears failed */
/* Room for n more bytes, or NULL; the caller writes there, then adds to b->n. */
uint8_t *buf_reserve(struct buf *b, size_t n);
void buf_printf(struct buf *b, const char *format, ...) PRINTF_LIKE(2, 3);
/* For what does not fit, or must not. */
void buf_append_slow(struct buf *b, const void *p, size_t n);

static inline bool buf_fits(const struct buf *b, size_t n)
{
    return !b->failed && b->capacity - b->n >= n;
}
static inline void buf_append(struct buf *b, const void *p, size_t n)
{
    if (n == 0 || !buf_fits(b, n)) {
        buf_append_slow(b, p, n);
        return;
    }
    memcpy(b->p + b->n, p, n);
    b->n += n;
}
static inline void buf_str(struct buf *b, struct str s)
{
    buf_append(b, s.p, s.n);
}
static inline void buf_byte(struct buf *b, uint8_t byte)
{
    if (buf_fits(b, 1))
        b->p[b->n++] = byte;
    else
        buf_append_slow(b, &byte, 1);
}
/* Compilers make one store of each. */
static inline void buf_u32le(struct buf *b, uint32_t v)
{
    uint8_t bytes[4] = {(uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24)};
    buf_append(b, bytes, sizeof bytes);
}
static inline void buf_u64le(struct buf *b, uint64_t v)
{
    uint8_t bytes[8] = {(uint8_t)v,         (uint8_t)(v >> 8),  (uint8_t)(v >> 16), (uint8_t)(v >> 24),
                        (uint8_t)(v >> 32), (uint8_t)(v >> 40), (uint8_t)(v >> 48), (uint8_t)(v >> 56)};
    buf_append(b, bytes, sizeof bytes);
}
/* Of two bytes and more. */
void buf_long_varint(struct buf *b, uint64_t v);
static inline void buf_varint(struct buf *b, uint64_t v) /* LEB128, as protobuf */
{
    if (v < 0x80)
        buf_byte(b, (uint8_t)v);
    else
        buf_long_varint(b, v);
}
static inline void buf_svarint(struct buf *b, int64_t v) /* zigzag, as protobuf */
{
    buf_varint(b, ((uint64_t)v << 1) ^ (uint64_t)(v >> 63));
}
static inline bool buf_ok(const struct buf *b)
{
    return !b->failed;
}

/* Reading: a cursor that sticks at the first short or bad read (values are then 0). */
struct cursor {
    const uint8_t *p, *end;
    bool failed;
};

static inline struct cursor cursor_of(const void *p, size_t n)
{
    return (struct cursor){p, n ? (const uint8_t *)p + n : p, false}; /* p may be NULL with n 0 */
}
static inline size_t cursor_left(const struct cursor *c)
{
    return (size_t)(c->end - c->p);
}
/* n bytes, or NULL and failed. */
static inline const uint8_t *cursor_bytes(struct cursor *c, size_t n)
{
    if (c->failed || cursor_left(c) < n) {
        c->failed = true;
        return NULL;
    }
    const uint8_t *p = c->p;
    c->p += n;
    return p;
}
static inline uint8_t cursor_byte(struct cursor *c)
{
    const uint8_t *p = cursor_bytes(c, 1);
    return p ? *p : 0;
}
/* Compilers make one load of each. */
static inline uint32_t cursor_u32le(struct cursor *c)
{
    const uint8_t *p = cursor_bytes(c, 4);
    return p ? (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24 : 0;
}
static inline uint64_t cursor_u64le(struct cursor *c)
{
    const uint8_t *p = cursor_bytes(c, 8);
    if (!p)
        return 0;
    return (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24 |
           (uint64_t)p[4] << 32 | (uint64_t)p[5] << 40 | (uint64_t)p[6] << 48 | (uint64_t)p[7] << 56;
}
/* Of two bytes and more. */
uint64_t cursor_long_varint(struct cursor *c);
/* Refuses more than 10 bytes and bits beyond 64. */
static inline uint64_t cursor_varint(struct cursor *c)
{
    if (!c->failed && c->p < c->end && *c->p < 0x80)
        return *c->p++;
    return cursor_long_varint(c);
}
static inline int64_t cursor_svarint(struct cursor *c)
{
    uint64_t v = cursor_varint(c);
    return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

#endif
