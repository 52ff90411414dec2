/* TZif files; see tzif.h. A file is a header and a data block with 32-bit times; from version 2 on another
 * header and data block with 64-bit times and a footer line follow, and the first block is passed over.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/tzif.h"
#include "base/buf.h"

enum { HEADER_BYTES = 44, TYPE_BYTES = 6, COUNT_MAX = 1000000 };

struct header {
    uint8_t version;
    uint32_t ut, std, leaps, times, types, chars;
};

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int64_t time_at(const struct tzif *z, uint32_t i)
{
    const uint8_t *p = z->times + (size_t)i * z->width;
    return z->width == 4 ? (int32_t)be32(p) : (int64_t)((uint64_t)be32(p) << 32 | be32(p + 4));
}

static int32_t type_offset(const struct tzif *z, unsigned type)
{
    return (int32_t)be32(z->types + type * TYPE_BYTES);
}

bool tzif_is(struct str bytes)
{
    return bytes.n >= HEADER_BYTES && memcmp(bytes.p, "TZif", 4) == 0;
}

static int header(struct cursor *c, struct header *h, struct error *e)
{
    const uint8_t *p = cursor_bytes(c, HEADER_BYTES);
    if (!p || memcmp(p, "TZif", 4) != 0)
        return error_set(e, ERR_CORRUPT, "no TZif header");
    *h = (struct header){p[4],         be32(p + 20), be32(p + 24), be32(p + 28),
                         be32(p + 32), be32(p + 36), be32(p + 40)};
    if (h->version != 0 && (h->version < '2' || h->version > '4'))
        return error_set(e, ERR_CORRUPT, "TZif version %d; allowed are 1 to 4", h->version - '0');
    if (h->types == 0 || h->types > 256 || h->chars > COUNT_MAX || h->times > COUNT_MAX ||
        h->leaps > COUNT_MAX || (h->ut != 0 && h->ut != h->types) || (h->std != 0 && h->std != h->types))
        return error_set(e, ERR_CORRUPT, "the TZif header's counts contradict each other");
    return 0;
}

/* Bytes of the data block that a header announces. */
static size_t block_bytes(const struct header *h, size_t width)
{
    return h->times * (width + 1) + h->types * (size_t)TYPE_BYTES + h->chars + h->leaps * (width + 4) +
           h->std + h->ut;
}

static int check(const struct tzif *z, const struct header *h, struct error *e)
{
    for (uint32_t i = 0; i < h->times; i++)
        if (z->kinds[i] >= h->types || (i > 0 && time_at(z, i) <= time_at(z, i - 1)))
            return error_set(e, ERR_CORRUPT, "change %u is out of order or of no known type", i);
    for (uint32_t i = 0; i < h->types; i++) {
        int32_t offset = type_offset(z, i);
        if (offset <= -TZ_OFFSET_MAX_S || offset >= TZ_OFFSET_MAX_S)
            return error_set(e, ERR_CORRUPT, "type %u is %d s from UTC; the limit is 26 h", i, (int)offset);
    }
    return 0;
}

static int footer(struct cursor *c, struct tzif *z, struct error *e)
{
    const uint8_t *p = c->p;
    size_t n = cursor_left(c);
    const uint8_t *end = n > 1 && p[0] == '\n' ? memchr(p + 1, '\n', n - 1) : NULL;
    if (!end)
        return error_set(e, ERR_CORRUPT, "the TZif footer is missing");
    struct str text = {(const char *)p + 1, (size_t)(end - p) - 1};
    if (text.n == 0)
        return 0;
    if (!posixtz_parse(text, &z->footer))
        return error_set(e, ERR_CORRUPT, "the TZif footer \"%.*s\" is no TZ string",
                         text.n > 60 ? 60 : (int)text.n, text.p);
    z->has_footer = true;
    return 0;
}

int tzif_parse(struct str bytes, struct tzif *out, struct error *e)
{
    struct cursor c = cursor_of(bytes.p, bytes.n);
    struct header h;
    *out = (struct tzif){.width = 4};
    int rc = header(&c, &h, e);
    if (rc == 0 && h.version != 0) {
        if (!cursor_bytes(&c, block_bytes(&h, 4)))
            return error_set(e, ERR_CORRUPT, "the TZif file is cut short");
        out->width = 8;
        rc = header(&c, &h, e);
    }
    if (rc)
        return rc;
    if (h.leaps > 0)
        return error_set(e, ERR_INVALID, "the zone counts leap seconds; Tact counts POSIX time");
    const uint8_t *block = cursor_bytes(&c, block_bytes(&h, out->width));
    if (!block)
        return error_set(e, ERR_CORRUPT, "the TZif file is cut short");
    out->count = h.times;
    out->times = block;
    out->kinds = block + (size_t)h.times * out->width;
    out->types = out->kinds + h.times;
    rc = check(out, &h, e);
    if (rc == 0 && out->width == 8)
        rc = footer(&c, out, e);
    return rc;
}

/* How many changes are at or before t. */
static uint32_t changes_until(const struct tzif *z, int64_t t)
{
    uint32_t low = 0, high = z->count;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (time_at(z, mid) <= t)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

struct tz_span tzif_span(const struct tzif *z, int64_t t)
{
    uint32_t n = changes_until(z, t);
    struct tz_span span = {INT64_MIN, INT64_MAX, 0};
    if (n > 0)
        span.start = time_at(z, n - 1);
    if (n < z->count)
        span.end = time_at(z, n);
    if (n == z->count && z->has_footer) {
        struct tz_span rule = posixtz_span(&z->footer, t);
        if (rule.start > span.start)
            span.start = rule.start;
        span.end = rule.end;
        span.offset_s = rule.offset_s;
    } else {
        span.offset_s = type_offset(z, n > 0 ? z->kinds[n - 1] : 0);
    }
    return span;
}
