/* Blocks; see block.h. The checksum chains: XXH3 of the stored bytes, seeded with XXH3 of the header's first
 * 16 bytes, so that a flip anywhere in the block is noticed before zstd sees a byte of it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "log/block.h"
#include "base/hash.h"
#include <zstd.h>

enum { LEVEL = 1, CHECKED_BYTES = 16 };

static const uint8_t magic[4] = {'T', 'B', 'L', 'K'};

struct block_packer *block_packer_new(void)
{
    ZSTD_CCtx *z = ZSTD_createCCtx();
    ASSERT(z);
    return (struct block_packer *)z;
}

void block_packer_free(struct block_packer **p)
{
    ZSTD_freeCCtx((ZSTD_CCtx *)*p);
    *p = NULL;
}

static uint64_t check_of(const uint8_t *header, const uint8_t *stored, size_t n)
{
    return hash64_seed(stored, n, hash64(header, CHECKED_BYTES));
}

int block_pack(struct block_packer *p, struct str raw, uint32_t records, struct buf *out, struct error *e)
{
    buf_clear(out);
    size_t bound = ZSTD_compressBound(raw.n);
    if (raw.n > LOG_BLOCK_MAX || bound > BLOCK_STORED_MAX || !buf_reserve(out, BLOCK_HEADER_BYTES + bound))
        return error_set(e, ERR_INTERNAL, "no room to compress a block of %zu bytes", raw.n);
    uint8_t *stored = out->p + BLOCK_HEADER_BYTES;
    size_t n = ZSTD_compressCCtx((ZSTD_CCtx *)p, stored, bound, raw.p, raw.n, LEVEL);
    if (ZSTD_isError(n))
        return error_set(e, ERR_INTERNAL, "zstd: %s", ZSTD_getErrorName(n));
    buf_append(out, magic, sizeof magic);
    buf_u32le(out, (uint32_t)raw.n);
    buf_u32le(out, (uint32_t)n);
    buf_u32le(out, records);
    buf_u64le(out, check_of(out->p, stored, n));
    out->n += n;
    return 0;
}

bool block_header(const uint8_t header[BLOCK_HEADER_BYTES], struct block *out)
{
    if (memcmp(header, magic, sizeof magic) != 0)
        return false;
    struct cursor c = cursor_of(header + sizeof magic, BLOCK_HEADER_BYTES - sizeof magic);
    out->raw_bytes = cursor_u32le(&c);
    out->stored_bytes = cursor_u32le(&c);
    out->records = cursor_u32le(&c);
    out->check = cursor_u64le(&c);
    return out->raw_bytes > 0 && out->raw_bytes <= LOG_BLOCK_MAX && out->stored_bytes > 0 &&
           out->stored_bytes <= BLOCK_STORED_MAX && out->records > 0 && out->records <= out->raw_bytes;
}

bool block_whole(const uint8_t header[BLOCK_HEADER_BYTES], const struct block *b, const uint8_t *stored)
{
    return check_of(header, stored, b->stored_bytes) == b->check;
}

struct block_unpacker *block_unpacker_new(void)
{
    ZSTD_DCtx *z = ZSTD_createDCtx();
    ASSERT(z);
    return (struct block_unpacker *)z;
}

void block_unpacker_free(struct block_unpacker **u)
{
    ZSTD_freeDCtx((ZSTD_DCtx *)*u);
    *u = NULL;
}

int block_unpack(struct block_unpacker *u, const struct block *b, const uint8_t *stored, struct buf *out,
                 struct error *e)
{
    buf_clear(out);
    if (!buf_reserve(out, b->raw_bytes))
        return error_set(e, ERR_INTERNAL, "no memory for a block of %u bytes", b->raw_bytes);
    size_t n = ZSTD_decompressDCtx((ZSTD_DCtx *)u, out->p, b->raw_bytes, stored, b->stored_bytes);
    if (ZSTD_isError(n))
        return error_set(e, ERR_CORRUPT, "zstd: %s", ZSTD_getErrorName(n));
    out->n = n;
    struct cursor c = cursor_of(out->p, n);
    uint32_t records = 0;
    while (cursor_left(&c) > 0 && !c.failed) {
        uint64_t bytes = cursor_varint(&c);
        if (bytes > LOG_RECORD_MAX)
            c.failed = true;
        else
            cursor_bytes(&c, (size_t)bytes);
        records++;
    }
    if (n != b->raw_bytes || c.failed || records != b->records)
        return error_set(e, ERR_CORRUPT, "the block does not hold the records that its header announces");
    return 0;
}
