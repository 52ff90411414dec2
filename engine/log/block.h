/* The block, the unit that is written, synced and checked (the layout stands in log.h). Pure: bytes to bytes.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_LOG_BLOCK_H
#define TACT_LOG_BLOCK_H
#include "base/buf.h"

enum {
    LOG_RECORD_MAX = 4 * 1024 * 1024, /* bytes of one record */
    LOG_BLOCK_MAX = 16 * 1024 * 1024, /* bytes of a block before compression */
    BLOCK_HEADER_BYTES = 24,
    /* What zstd may make of LOG_BLOCK_MAX bytes that cannot be compressed (its bound is n + n/256 and a
       little). */
    BLOCK_STORED_MAX = LOG_BLOCK_MAX + LOG_BLOCK_MAX / 128,
};

struct block {
    uint32_t raw_bytes, stored_bytes, records;
    uint64_t check;
};

/* Compresses records (each a varint length and its bytes) into a block that is put into *out, which is
 * cleared first. ERR_INTERNAL when zstd fails or memory is short. */
struct block_packer;
struct block_packer *block_packer_new(void);
void block_packer_free(struct block_packer **p);
int block_pack(struct block_packer *p, struct str raw, uint32_t records, struct buf *out,
               struct error *e) MUST_CHECK;

/* Whether these bytes can be a block's header: magic and lengths within bounds. Nothing is known of the
 * contents. */
bool block_header(const uint8_t header[BLOCK_HEADER_BYTES], struct block *out);
/* Whether the checksum over header and stored bytes is right. */
bool block_whole(const uint8_t header[BLOCK_HEADER_BYTES], const struct block *b, const uint8_t *stored);

/* Decompresses a whole block into *out (cleared first) and checks that it holds exactly the records
 * announced. */
struct block_unpacker;
struct block_unpacker *block_unpacker_new(void);
void block_unpacker_free(struct block_unpacker **u);
int block_unpack(struct block_unpacker *u, const struct block *b, const uint8_t *stored, struct buf *out,
                 struct error *e) MUST_CHECK;

#endif
