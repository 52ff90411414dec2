/* Tables read from memory in pieces, and all that is said of them.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_TESTS_FRAME_TOLD_H
#define TACT_TESTS_FRAME_TOLD_H
#include "models/offline/frame.h"
#include "offline_files.h"

struct input {
    const char *p;
    size_t n, piece;
    int fails; /* errno at the end */
};

static inline long give(void *ctx, char *p, size_t n)
{
    struct input *in = ctx;
    if (in->n == 0)
        return -in->fails;
    n = n < in->piece ? n : in->piece;
    n = n < in->n ? n : in->n;
    memcpy(p, in->p, n);
    in->p += n;
    in->n -= n;
    return (long)n;
}

/* All findings, "line:column text" each on a line, then the error's text. */
struct told {
    char findings[8000];
    struct error e;
    int rc;
};

static inline void note_findings(struct told *t, const struct diags *d)
{
    size_t at = 0;
    t->findings[0] = 0;
    for (size_t i = 0; i < d->count; i++)
        at += (size_t)snprintf(t->findings + at, sizeof t->findings - at, "%d:%d %s\n", d->items[i].line,
                               d->items[i].column, d->items[i].text);
    assert_int_equal(d->errors, d->count);
}

static inline struct told read_bytes(struct frame *f, struct str bytes, size_t piece,
                                     const struct frame_want *wants, size_t count,
                                     const struct frame_options *o)
{
    struct told t = {0};
    struct arena arena;
    struct diags diags;
    arena_init(&arena, 1 << 20);
    diags_init(&diags, &arena);
    struct input in = {bytes.p, bytes.n, piece, 0};
    t.rc = frame_read_source(f, "t.csv", give, &in, wants, count, o, &diags, &t.e);
    note_findings(&t, &diags);
    assert_int_equal(t.rc == ERR_INVALID, diags.errors > 0);
    if (t.rc) {
        static const struct frame nothing;
        assert_memory_equal(f, &nothing, sizeof nothing);
        assert_int_equal(t.e.code, t.rc);
    }
    arena_free(&arena);
    return t;
}

static inline struct told read_text(struct frame *f, const char *text, const struct frame_want *wants,
                                    size_t count, const struct frame_options *o)
{
    return read_bytes(f, str_from(text), SIZE_MAX, wants, count, o);
}

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define ANY .low = 1, .high = 0

static inline void expect_read(struct frame *f, const char *text, const struct frame_want *wants,
                               size_t count, const struct frame_options *o)
{
    struct told t = read_text(f, text, wants, count, o);
    if (t.rc)
        fail_msg("%s\n%s", t.e.text, t.findings);
}

#endif
