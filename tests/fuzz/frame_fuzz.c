/* Fuzz target: tables. Whatever the bytes: read whole, in pieces, and compressed, a table is the same, to the last bit and
 * finding; it has as many rows as the CSV reader finds records behind the header; values keep what their types and
 * bounds promise; a number is strtod's; on an error the table is empty and the error says what. The first byte of the
 * input chooses separator and types, the rest is the file; its first record names the wanted columns.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/offline/frame.h"
#include "base/hash.h"
#include <math.h>
#include <stdlib.h>
#include <zstd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { WANTS_MAX = 24, PACKED_MAX = 512 /* of zstd that unpacks to 16 MiB at worst */ };

struct input {
    const char *p;
    size_t n, piece;
};

static long give(void *ctx, char *p, size_t n)
{
    struct input *in = ctx;
    n = n < in->piece ? n : in->piece;
    n = n < in->n ? n : in->n;
    if (n)
        memcpy(p, in->p, n);
    in->p += n;
    in->n -= n;
    return (long)n;
}

static bool is_packed(struct str s)
{
    return s.n >= 4 && (memcmp(s.p, "\x28\xb5\x2f\xfd", 4) == 0 ||
                        (((uint8_t)s.p[0] & 0xF0) == 0x50 && memcmp(s.p + 1, "\x2a\x4d\x18", 3) == 0));
}

static uint64_t mix(uint64_t h, const void *p, size_t n)
{
    return hash64_seed(p, n, h + n);
}

static void check_text(struct str s)
{
    ASSERT(s.p && utf8_bad_at(s.p, s.n) == 0 && (s.n == 0 || !memchr(s.p, 0, s.n)));
}

static uint64_t take_column(const struct frame *f, const struct frame_column *c, const struct frame_want *w,
                            uint64_t h)
{
    size_t missing = 0;
    uint32_t seen = 0;
    for (size_t i = 0; i < f->rows; i++) {
        switch (c->type) {
        case FRAME_DOUBLE:
            missing += isnan(c->numbers[i]);
            ASSERT(!isinf(c->numbers[i]));
            ASSERT(isnan(c->numbers[i]) || w->low >= w->high ||
                   (c->numbers[i] >= w->low && c->numbers[i] <= w->high));
            h = mix(h, &c->numbers[i], sizeof(double));
            break;
        case FRAME_FLOAT:
        case FRAME_BOOL:
            missing += isnan(c->floats[i]);
            ASSERT(!isinf(c->floats[i]));
            ASSERT(c->type == FRAME_FLOAT || isnan(c->floats[i]) || c->floats[i] == 0 || c->floats[i] == 1);
            h = mix(h, &c->floats[i], sizeof(float));
            break;
        case FRAME_CATEGORY:
            missing += c->codes[i] == FRAME_MISSING;
            ASSERT(c->codes[i] == FRAME_MISSING || c->codes[i] <= seen); /* by first appearance */
            seen += c->codes[i] == seen;
            if (c->codes[i] != FRAME_MISSING)
                h = mix(h, c->categories[c->codes[i]].p, c->categories[c->codes[i]].n);
            break;
        case FRAME_TIME:
            missing += c->times[i] == INT64_MIN;
            ASSERT(c->times[i] == INT64_MIN || llabs(c->times[i]) < INT64_C(253402400000000));
            h = mix(h, &c->times[i], sizeof(int64_t));
            break;
        default:
            missing += c->texts[i].n == 0 || str_is(c->texts[i], "NA");
            check_text(c->texts[i]);
            h = mix(h, c->texts[i].p, c->texts[i].n);
        }
    }
    ASSERT(missing == c->missing && (missing == 0 || !w->required));
    ASSERT(seen == c->category_count);
    for (uint32_t i = 0; i < seen; i++)
        check_text(c->categories[i]);
    return h;
}

static void check_sorted(struct frame *f)
{
    struct error e;
    for (size_t i = 0; i < f->column_count; i++) {
        struct frame_column *c = &f->columns[i];
        if (c->type != FRAME_CATEGORY || f->rows == 0 || c->codes[0] == FRAME_MISSING)
            continue;
        struct str first = c->categories[0];
        ASSERT(frame_sort_categories(c, f->rows, &e) == 0);
        ASSERT(str_eq(c->categories[c->codes[0]], first));
        for (size_t k = 1; k < c->category_count; k++)
            ASSERT(str_cmp(c->categories[k - 1], c->categories[k]) < 0);
    }
}

/* All that a table says. */
static uint64_t digest(struct str bytes, size_t piece, const struct frame_want *wants, size_t count,
                       char separator, bool places, size_t *rows)
{
    static const struct str missing = STR("NA");
    const struct frame_options o = {
        .separator = separator, .missing = &missing, .missing_count = 1, .hash_rows = true};
    struct input in = {bytes.p, bytes.n, piece};
    struct frame f;
    struct arena arena;
    struct diags diags;
    struct error e = {0};
    arena_init(&arena, 16 << 20);
    diags_init(&diags, &arena);
    int rc = frame_read_source(&f, "fuzz", give, &in, wants, count, &o, &diags, &e);
    uint64_t h = mix(0, &rc, sizeof rc);
    ASSERT(diags.errors <= FRAME_FINDINGS_MAX && (rc || diags.errors == 0));
    ASSERT(rc != ERR_INVALID || diags.errors > 0); /* what cannot be read on may have findings before */
    ASSERT(rc ? e.code == rc && *e.text && !f.columns && f.rows == 0 : f.rows > 0 && f.column_count == count);
    for (size_t i = 0; i < diags.count; i++) {
        ASSERT(utf8_bad_at(diags.items[i].text, strlen(diags.items[i].text)) == 0);
        h = mix(mix(h, diags.items[i].text, strlen(diags.items[i].text)), &diags.items[i].line,
                2 * sizeof(int));
    }
    ASSERT(utf8_bad_at(e.text, strlen(e.text)) == 0);
    if (places || rc == ERR_INVALID)
        h = mix(h, e.text, strlen(e.text));
    for (size_t i = 0; i < f.column_count; i++)
        h = take_column(&f, &f.columns[i], &wants[i], h);
    if (f.rows) {
        h = mix(h, f.lines, f.rows * sizeof *f.lines);
        h = mix(h, f.row_hashes, f.rows * sizeof *f.row_hashes);
    }
    check_sorted(&f);
    *rows = f.rows;
    frame_free(&f);
    arena_free(&arena);
    return h;
}

/* The header's columns, with types and bounds that `choice` deals out; the count. Also how many records follow, and
 * whether all are right. */
static size_t choose(struct str bytes, char separator, uint8_t choice, struct frame_want *wants,
                     struct arena *arena, size_t *records, bool *right)
{
    struct input in = {bytes.p, bytes.n, SIZE_MAX};
    struct csv *c = csv_new("fuzz", separator, give, &in);
    struct csv_record r;
    struct error e;
    enum csv_result rc;
    size_t count = 0;
    *records = 0;
    *right = true;
    ASSERT(c);
    for (size_t n = 0; (rc = csv_next(c, &r, &e)) != CSV_END && rc != CSV_FAILED; n++) {
        *right = *right && rc == CSV_RECORD;
        *records += rc == CSV_RECORD && n > 0;
        for (size_t i = 0; n == 0 && i < r.count && i < WANTS_MAX; i++)
            wants[count++] = (struct frame_want){.column = arena_str(arena, r.fields[i]),
                                                 .type = (enum frame_type)((i + choice) % 6),
                                                 .required = (i + choice) % 7 == 0,
                                                 .low = (i + choice) % 5 ? 0 : -100,
                                                 .high = (i + choice) % 5 ? 0 : 1e6,
                                                 .what = i % 2 ? "a feature" : NULL};
    }
    csv_free(&c);
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char separators[] = {',', ';', '\t', '|'};
    if (size < 1)
        return 0;
    struct str bytes = {(const char *)data + 1, size - 1};
    if (bytes.n > PACKED_MAX && is_packed(bytes))
        return 0;
    char separator = separators[data[0] & 3], given = data[0] & 4 ? separator : 0;
    struct frame_want wants[WANTS_MAX];
    struct arena arena;
    size_t records, rows, again;
    bool right;
    arena_init(&arena, 16 << 20);
    size_t count = choose(bytes, separator, data[0] >> 3, wants, &arena, &records, &right);
    uint64_t whole = digest(bytes, SIZE_MAX, wants, count, given, true, &rows);
    ASSERT(rows == 0 || !given || (right && rows == records) || is_packed(bytes));
    /* broken zstd shows more or less of its text before it fails, as it comes */
    for (size_t piece = 1; piece < 32 && (rows || !is_packed(bytes)); piece = piece * 4 + 1)
        ASSERT(digest(bytes, piece, wants, count, given, false, &again) ==
               digest(bytes, SIZE_MAX, wants, count, given, false, &again));
    ASSERT(digest(bytes, SIZE_MAX, wants, count, given, true, &again) == whole && again == rows);
    if (!is_packed(bytes)) {
        size_t room = ZSTD_compressBound(bytes.n);
        char *packed = malloc(room);
        ASSERT(packed);
        size_t n = ZSTD_compress(packed, room, bytes.p, bytes.n, 1);
        ASSERT(!ZSTD_isError(n));
        ASSERT(digest((struct str){packed, n}, 13, wants, count, given, true, &again) == whole);
        free(packed);
    }
    arena_free(&arena);
    return 0;
}
