/* Text of unknown length written straight into an arena: a struct buf whose memory is the arena's, so that the decision
 * path formats without malloc. Between arena_buf and arena_buf_take nothing else that must last may be allocated from the
 * arena: taking the text gives back all that came since, then keeps exactly the text.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_BASE_ARENA_BUF_H
#define TACT_BASE_ARENA_BUF_H
#include "base/arena.h"
#include "base/buf.h"

struct arena_buf {
    struct buf buf; /* append here; never buf_free */
    struct arena *arena;
    struct arena_mark mark;
};

/* Room for `room` bytes. When the arena has less left, or more is appended, buf_ok is false. */
void arena_buf_init(struct arena_buf *b, struct arena *arena, size_t room);
/* The text so far, with a NUL after it (not counted); p is NULL without memory. What did not fit is missing: ask buf_ok. */
struct str arena_buf_take(struct arena_buf *b);
/* Gives the memory back. */
void arena_buf_drop(struct arena_buf *b);

#endif
