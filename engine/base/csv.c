/* CSV reader; see csv.h. The buffer is a window of the input; [at, end) is not parsed yet. A record that
 * reaches the end of the window is parsed again from its beginning once more bytes are there, and a long one
 * only when an eighth of its length has come, so that a byte is looked at a few times at most however slowly
 * the input drips. The window never moves while a record is parsed.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/csv.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum {
    RECORD_SEEN = CSV_RECORD_MAX + 2, /* a record and its CRLF; what is longer is bad */
    CHUNK = 256 * 1024,               /* bytes a read: stays in the second cache */
    WINDOW = RECORD_SEEN + CHUNK,
    BLOCK = 64 /* bytes looked at together; so many zeros are behind the window */
};

/* What a byte means in an unquoted field. */
enum byte_class { BYTE_TEXT, BYTE_SEPARATOR, BYTE_LF, BYTE_CR, BYTE_QUOTE };

struct csv {
    char name[CSV_NAME_SHOWN + 1];
    csv_source source;
    void *ctx;
    int fd;            /* of csv_open, or -1 */
    bool begun, ended; /* looked for a byte order mark; no more bytes will come */
    struct error failed;
    char *window;
    size_t at, end;
    uint64_t before; /* bytes of the input before window[0] */
    size_t line;     /* of window[at] */
    struct str *fields;
    size_t field_count;
    char *plain; /* fields with doubled quotes, without them */
    size_t plain_n;
    uint8_t classes[256];
    char separator;
};

/* The record under way; places are offsets in the window. */
struct parse {
    size_t start, limit; /* its first byte; how far to look */
    bool at_end;         /* limit is the input's end */
    size_t end, after;   /* of its text; behind its line break */
    size_t lines;        /* line breaks inside */
    size_t bad_at;       /* where it is bad */
    const char *bad;     /* and why, or NULL */
    size_t open_quote;   /* place + 1 of a quote not closed before limit; 0: none */
};

/* ---- making ---- */

struct csv *csv_new(const char *name, char separator, csv_source source, void *ctx)
{
    unsigned char s = (unsigned char)separator;
    ASSERT(s > 0 && s < 128 && s != '"' && s != '\r' && s != '\n');
    struct csv *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    snprintf(c->name, sizeof c->name, "%s", name);
    c->separator = separator;
    c->source = source;
    c->ctx = ctx;
    c->fd = -1;
    c->line = 1;
    c->window = calloc(1, WINDOW + BLOCK);
    c->plain = malloc(RECORD_SEEN);
    c->fields = malloc(CSV_FIELDS_MAX * sizeof *c->fields);
    if (!c->window || !c->plain || !c->fields) {
        csv_free(&c);
        return NULL;
    }
    c->classes[s] = BYTE_SEPARATOR;
    c->classes['\n'] = BYTE_LF;
    c->classes['\r'] = BYTE_CR;
    c->classes['"'] = BYTE_QUOTE;
    return c;
}

long csv_read_fd(void *ctx, char *p, size_t n)
{
    const int *fd = ctx;
    ssize_t got;
    do
        got = read(*fd, p, n);
    while (got < 0 && errno == EINTR);
    return got < 0 ? -errno : (long)got;
}

int csv_open(struct csv **out, const char *path, char separator, struct error *e)
{
    bool standard = strcmp(path, "-") == 0;
    *out = NULL;
    int fd = standard ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set(e, ERR_IO, "%s: %s", path, strerror(errno));
    struct csv *c = csv_new(standard ? "standard input" : path, separator, csv_read_fd, NULL);
    if (!c) {
        close(fd);
        return error_set(e, ERR_NOSPACE, "out of memory");
    }
    c->fd = fd;
    c->ctx = &c->fd;
    *out = c;
    return 0;
}

void csv_free(struct csv **c)
{
    if (!*c)
        return;
    if ((*c)->fd >= 0)
        close((*c)->fd);
    free((*c)->fields);
    free((*c)->plain);
    free((*c)->window);
    free(*c);
    *c = NULL;
}

uint64_t csv_offset(const struct csv *c)
{
    return c->before + c->at;
}

/* ---- the window ---- */

/* More bytes, at least `least` if there are so many; those before c->at go. False on failure. */
static bool more(struct csv *c, size_t least)
{
    size_t rest = c->end - c->at;
    memmove(c->window, c->window + c->at, rest);
    c->before += c->at;
    c->at = 0;
    c->end = rest;
    size_t most = rest + CHUNK < WINDOW ? rest + CHUNK : WINDOW;
    while (!c->ended && c->end < most && (c->end == rest || c->end < rest + least)) {
        long got = c->source(c->ctx, c->window + c->end, most - c->end);
        if (got < 0) {
            error_set(&c->failed, ERR_IO, "%s: reading failed: %s", c->name, strerror((int)-got));
            return false;
        }
        c->end += (size_t)got;
        c->ended = got == 0;
    }
    return true;
}

static bool begin(struct csv *c)
{
    c->begun = true;
    if (!more(c, 3))
        return false;
    if (c->end >= 2 && (memcmp(c->window, "\xff\xfe", 2) == 0 || memcmp(c->window, "\xfe\xff", 2) == 0)) {
        error_set(&c->failed, ERR_INVALID, "%s:1:1: this is UTF-16; save it as UTF-8", c->name);
        return false;
    }
    if (c->end >= 3 && memcmp(c->window, "\xef\xbb\xbf", 3) == 0)
        c->at = 3;
    return true;
}

static size_t count_lines(const char *from, const char *to)
{
    size_t n = 0;
    while (from < to && (from = memchr(from, '\n', (size_t)(to - from)))) {
        n++;
        from++;
    }
    return n;
}

/* ---- one record: PARSE_MORE when it goes on behind the limit ---- */

enum parse_result { PARSE_DONE, PARSE_MORE, PARSE_BAD };

static enum parse_result bad(struct parse *s, size_t at, const char *why)
{
    s->bad_at = at;
    s->bad = why;
    return PARSE_BAD;
}

/* The field whose opening quote is at *at; *at goes behind the closing one. */
static enum parse_result parse_quoted(struct csv *c, struct parse *s, size_t *at, struct str *field)
{
    const char *end = c->window + s->limit, *from = c->window + *at + 1;
    char *plain = c->plain + c->plain_n; /* no more than the record's length is ever copied */
    size_t kept = 0;
    for (const char *p = from;;) {
        const char *quote = memchr(p, '"', (size_t)(end - p));
        if (!quote || (quote + 1 == end && !s->at_end)) {
            s->open_quote = *at + 1;
            return PARSE_MORE;
        }
        size_t n = (size_t)(quote - p);
        s->lines += count_lines(p, quote);
        bool doubled = quote + 1 < end && quote[1] == '"';
        if (doubled || kept) {
            memcpy(plain + kept, p, n + doubled);
            kept += n + doubled;
        }
        if (doubled) {
            p = quote + 2;
            continue;
        }
        *field = kept ? (struct str){plain, kept} : (struct str){from, n};
        c->plain_n += kept;
        *at = (size_t)(quote + 1 - c->window);
        return PARSE_DONE;
    }
}

/* LF or CRLF at `at`. */
static enum parse_result parse_line_end(const struct csv *c, struct parse *s, size_t at)
{
    s->end = at;
    if (c->window[at] == '\r') {
        if (at + 1 == s->limit && !s->at_end)
            return PARSE_MORE;
        if (at + 1 == s->limit || c->window[at + 1] != '\n')
            return bad(s, at, "a carriage return alone; quote the field, or end lines with LF or CRLF");
        at++;
    }
    s->after = at + 1;
    return PARSE_DONE;
}

#ifdef __SSE2__
/* A bit for each of the 64 bytes at p that ends an unquoted field or is wrong in it. */
static inline uint64_t special_bits(const char *p, char separator)
{
    const __m128i separators = _mm_set1_epi8(separator), quotes = _mm_set1_epi8('"');
    const __m128i lfs = _mm_set1_epi8('\n'), crs = _mm_set1_epi8('\r');
    uint64_t bits = 0;
    for (int i = 0; i < BLOCK; i += 16) {
        __m128i b = _mm_loadu_si128((const __m128i *)(const void *)(p + i));
        __m128i hit = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(b, separators), _mm_cmpeq_epi8(b, quotes)),
                                   _mm_or_si128(_mm_cmpeq_epi8(b, lfs), _mm_cmpeq_epi8(b, crs)));
        bits |= (uint64_t)(unsigned)_mm_movemask_epi8(hit) << i;
    }
    return bits;
}
#endif

/* The special bytes of one block of the window, found once for all the fields that end in it. */
struct scan {
    size_t block;
    uint64_t bits;
};

/* Where an unquoted field that begins at `at` < limit ends. */
static inline size_t field_end(const struct csv *c, struct scan *scan, size_t at, size_t limit)
{
#ifdef __SSE2__
    size_t block = at & ~(size_t)(BLOCK - 1);
    if (block != scan->block)
        scan->bits = special_bits(c->window + block, c->separator);
    uint64_t bits = scan->bits >> (at - block) << (at - block);
    for (; !bits; bits = scan->bits) {
        block += BLOCK;
        if (block >= limit) {
            scan->block = SIZE_MAX;
            return limit;
        }
        scan->bits = special_bits(c->window + block, c->separator);
    }
    scan->block = block;
    size_t end = block + (unsigned)__builtin_ctzll(bits);
    return end < limit ? end : limit;
#else
    (void)scan;
    while (at < limit && c->classes[(uint8_t)c->window[at]] == BYTE_TEXT)
        at++;
    return at;
#endif
}

static enum parse_result parse_record(struct csv *c, struct parse *s)
{
    const char *window = c->window;
    const size_t limit = s->limit;
    size_t at = s->start;
    struct scan scan = {.block = SIZE_MAX};
    for (;;) {
        struct str field;
        if (at < limit && window[at] == '"') {
            enum parse_result rc = parse_quoted(c, s, &at, &field);
            if (rc != PARSE_DONE)
                return rc;
        } else {
            size_t from = at;
            if (at < limit)
                at = field_end(c, &scan, at, limit);
            field = (struct str){window + from, at - from};
            if (at < limit && window[at] == '"')
                return bad(
                    s, at,
                    "a quote inside an unquoted field; quote the whole field and double quotes inside it");
        }
        if (c->field_count == CSV_FIELDS_MAX)
            return bad(s, at, "a record of over 16,384 fields");
        c->fields[c->field_count++] = field;
        if (at == limit && !s->at_end)
            return PARSE_MORE;
        if (at == limit) {
            s->end = s->after = at;
            return PARSE_DONE;
        }
        enum byte_class class = c->classes[(uint8_t)window[at]];
        if (class == BYTE_LF || class == BYTE_CR)
            return parse_line_end(c, s, at);
        if (class != BYTE_SEPARATOR)
            return bad(s, at, "text after a closing quote; a quote inside a quoted field is written twice");
        at++;
    }
}

/* How many bytes at p are ASCII and not NUL for sure, by whole steps. */
static size_t plain_ascii(const char *p, size_t n)
{
    size_t i = 0;
#ifdef __SSE2__
    for (; i + 16 <= n; i += 16) {
        __m128i b = _mm_loadu_si128((const __m128i *)(const void *)(p + i));
        if (_mm_movemask_epi8(_mm_cmpgt_epi8(b, _mm_setzero_si128())) !=
            0xFFFF) /* as signed bytes: 1 to 127 */
            return i;
    }
#endif
    for (; i + 8 <= n; i += 8) {
        uint64_t w;
        memcpy(&w, p + i, 8);
        if (((w - UINT64_C(0x0101010101010101)) | w) & UINT64_C(0x8080808080808080))
            break;
    }
    return i;
}

/* 0, or the 1-based place of the first byte that is NUL or not UTF-8. Most text is ASCII. */
static size_t text_bad_at(const char *p, size_t n)
{
    size_t i = plain_ascii(p, n);
    const char *nul = n > i ? memchr(p + i, 0, n - i) : NULL;
    size_t zero = nul ? (size_t)(nul - p) + 1 : 0;
    size_t utf8 = utf8_bad_at(p + i, n - i);
    utf8 = utf8 ? utf8 + i : 0;
    return !utf8 || (zero && zero < utf8) ? zero : utf8;
}

/* ---- bad records ---- */

/* Why a record that goes on behind the limit cannot be had, when no more bytes help. */
static bool hopeless(const struct csv *c, struct parse *s)
{
    bool over = s->limit - s->start == RECORD_SEEN;
    if (!over && !c->ended)
        return false;
    if (s->open_quote)
        bad(s, s->open_quote - 1,
            over ? "a quoted field that does not end within 1 MiB" : "a quote that nobody closes");
    else
        bad(s, s->start, "a record of over 1 MiB");
    return true;
}

static void explain(const struct csv *c, const struct parse *s, struct csv_record *r, struct error *e)
{
    const char *start = c->window + s->start, *at = c->window + s->bad_at, *line = at;
    while (line > start && line[-1] != '\n')
        line--;
    r->bad = s->bad;
    r->bad_line = c->line + count_lines(start, at);
    r->bad_column = (size_t)(at - line) + 1;
    error_set(e, ERR_INVALID, "%s:%zu:%zu: %s", c->name, r->bad_line, r->bad_column, s->bad);
}

/* Goes behind the line break that ends what is bad, wherever it is. raw: what was left out, if it is within
 * the limit. */
static bool skip_bad(struct csv *c, struct parse *s, struct str *raw)
{
    size_t from = s->bad_at - s->start; /* c->at is s->start */
    const char *lf;
    while (!(lf = memchr(c->window + c->at + from, '\n', c->end - c->at - from)) && !c->ended &&
           c->end - c->at < RECORD_SEEN)
        if (!more(c, 1))
            return false;
    size_t after = lf ? (size_t)(lf + 1 - c->window) : c->end;
    c->line += count_lines(c->window + c->at, c->window + after);
    *raw = (struct str){c->window + c->at, after - c->at};
    c->at = after;
    if (lf || c->ended)
        return true;
    *raw = (struct str){0};
    while (!lf && !c->ended) { /* the rest of a line over the limit */
        if (!more(c, 1))
            return false;
        lf = memchr(c->window, '\n', c->end);
        c->at = lf ? (size_t)(lf + 1 - c->window) : c->end;
        c->line += lf != NULL;
    }
    return true;
}

static enum csv_result reject(struct csv *c, struct parse *s, struct csv_record *r, struct error *e)
{
    explain(c, s, r, e);
    if (s->after > s->bad_at) { /* its form is right, so its end is known */
        c->line += count_lines(c->window + s->start, c->window + s->after);
        r->raw = (struct str){c->window + s->start, s->after - s->start};
        c->at = s->after;
    } else if (!skip_bad(c, s, &r->raw)) {
        *e = c->failed;
        return CSV_FAILED;
    }
    while (r->raw.n && (r->raw.p[r->raw.n - 1] == '\n' || r->raw.p[r->raw.n - 1] == '\r'))
        r->raw.n--;
    if (r->raw.n > CSV_RECORD_MAX)
        r->raw = (struct str){0};
    return CSV_BAD;
}

/* ---- the interface ---- */

/* Goes over lines without any character that are whole in the window. */
static void skip_blank(struct csv *c)
{
    for (;; c->line++) {
        if (c->at < c->end && c->window[c->at] == '\n')
            c->at++;
        else if (c->end - c->at >= 2 && c->window[c->at] == '\r' && c->window[c->at + 1] == '\n')
            c->at += 2;
        else
            return;
    }
}

/* One record, with more bytes where it needs them. */
static enum csv_result find_record(struct csv *c, struct parse *s)
{
    for (;;) {
        skip_blank(c);
        size_t there = c->end - c->at, limit = there < RECORD_SEEN ? there : RECORD_SEEN;
        *s = (struct parse){.start = c->at, .limit = c->at + limit, .at_end = c->ended && limit == there};
        c->field_count = c->plain_n = 0;
        if (there == 0 && c->ended)
            return CSV_END;
        switch (there ? parse_record(c, s) : PARSE_MORE) {
        case PARSE_DONE:
            if (s->end - s->start <= CSV_RECORD_MAX)
                return CSV_RECORD;
            bad(s, s->start, "a record of over 1 MiB");
            return CSV_BAD;
        case PARSE_BAD:
            return CSV_BAD;
        default:
            if (there && hopeless(c, s))
                return CSV_BAD;
        }
        if (!more(c, there / 8))
            return CSV_FAILED;
    }
}

enum csv_result csv_next(struct csv *c, struct csv_record *r, struct error *e)
{
    struct parse s;
    *r = (struct csv_record){.line = c->line};
    if (c->failed.code || (!c->begun && !begin(c))) {
        *e = c->failed;
        return CSV_FAILED;
    }
    enum csv_result result = find_record(c, &s);
    r->line = c->line;
    if (result == CSV_FAILED)
        *e = c->failed;
    if (result == CSV_BAD)
        return reject(c, &s, r, e);
    if (result != CSV_RECORD)
        return result;
    size_t at = text_bad_at(c->window + s.start, s.end - s.start);
    if (at) {
        bad(&s, s.start + at - 1, c->window[s.start + at - 1] ? "not valid UTF-8" : "a NUL byte");
        return reject(c, &s, r, e);
    }
    r->fields = c->fields;
    r->count = c->field_count;
    r->raw = (struct str){c->window + s.start, s.end - s.start};
    c->at = s.after;
    c->line += s.lines + (s.after > s.end);
    return CSV_RECORD;
}

void csv_write_field(struct buf *out, struct str text, char separator)
{
    bool plain = text.n > 0;
    for (size_t i = 0; i < text.n && plain; i++)
        plain = text.p[i] != '"' && text.p[i] != '\n' && text.p[i] != '\r' && text.p[i] != separator;
    if (plain) {
        buf_str(out, text);
        return;
    }
    buf_byte(out, '"');
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '"')
            buf_byte(out, '"');
        buf_byte(out, (uint8_t)text.p[i]);
    }
    buf_byte(out, '"');
}
