/* Fuzz target: CSV. Whatever the bytes, reading them whole and in pieces gives the same records, lines and
 * errors; every call moves on; fields are text; and records written again are read as the same fields.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/csv.h"
#include "base/hash.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    const char *p;
    size_t n, piece;
};

static long give(void *ctx, char *p, size_t n)
{
    struct input *in = ctx;
    n = n < in->piece ? n : in->piece;
    n = n < in->n ? n : in->n;
    memcpy(p, in->p, n);
    in->p += n;
    in->n -= n;
    return (long)n;
}

static uint64_t mix(uint64_t h, const void *p, size_t n)
{
    return hash64_seed(p, n, h + n);
}

/* A digest of the fields; with `all`, also of lines, raw text and errors. copy: the records written again, or
 * NULL. */
static uint64_t digest(const uint8_t *data, size_t size, size_t piece, bool all, struct buf *copy)
{
    struct input in = {(const char *)data, size, piece};
    struct csv *c = csv_new("fuzz", ',', give, &in);
    struct csv_record r;
    uint64_t h = 0, before = 0;
    for (;;) {
        struct error e = {0};
        enum csv_result rc = csv_next(c, &r, &e);
        if (all || rc == CSV_RECORD)
            h = mix(h, &rc, sizeof rc);
        if (all)
            h = mix(mix(mix(h, e.text, strlen(e.text)), &r.line, sizeof r.line), r.raw.p, r.raw.n);
        ASSERT((rc == CSV_BAD || rc == CSV_FAILED) == (e.code != 0));
        if (rc == CSV_END || rc == CSV_FAILED)
            break;
        ASSERT(csv_offset(c) > before && csv_offset(c) <= size);
        before = csv_offset(c);
        for (size_t i = 0; i < r.count; i++) {
            ASSERT(utf8_bad_at(r.fields[i].p, r.fields[i].n) == 0 &&
                   (!r.fields[i].n || !memchr(r.fields[i].p, 0, r.fields[i].n)));
            h = mix(h, r.fields[i].p, r.fields[i].n);
            if (copy && i)
                buf_byte(copy, ',');
            if (copy)
                csv_write_field(copy, r.fields[i], ',');
        }
        if (copy && rc == CSV_RECORD)
            buf_byte(copy, '\n');
    }
    csv_free(&c);
    return h;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf copy;
    buf_init(&copy, 8 * size + 64);
    buf_str(&copy, STR("\xef\xbb\xbf")); /* so that a first field may begin with the mark's character */
    uint64_t whole = digest(data, size, SIZE_MAX, true, NULL);
    for (size_t piece = 1; piece < 32; piece = piece * 2 + 1)
        ASSERT(digest(data, size, piece, true, NULL) == whole);
    uint64_t fields = digest(data, size, SIZE_MAX, false, &copy);
    ASSERT(buf_ok(&copy));
    ASSERT(digest(copy.p, copy.n, SIZE_MAX, false, NULL) == fields);
    buf_free(&copy);
    return 0;
}
