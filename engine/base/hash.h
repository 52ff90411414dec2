/* Hashing: XXH3 for content ids and tables (not against adversaries), SipHash-2-4 with a key where somebody may choose
 * the input (handles). Values are the same on every machine.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_BASE_HASH_H
#define TACT_BASE_HASH_H
#include "base/str.h"
#include <stdint.h>

struct id128 {
    uint8_t bytes[16];
};

uint64_t hash64(const void *p, size_t n); /* XXH3 64 */
uint64_t hash64_seed(const void *p, size_t n, uint64_t seed);
struct id128 hash128(const void *p, size_t n); /* XXH3 128, canonical (big-endian) bytes */
/* A streaming 128-bit content hash. */
struct hasher;
struct hasher *hasher_new(void);
void hasher_add(struct hasher *h, const void *p, size_t n);
struct id128 hasher_take(struct hasher **h); /* finishes and frees */

/* SipHash-2-4 (Aumasson, Bernstein 2012), 64-bit result, 16-byte key. */
uint64_t siphash24(const uint8_t key[16], const void *p, size_t n);

enum { ID128_TEXT = 33 };
void id128_text(struct id128 id, char text[ID128_TEXT]); /* 32 lower-case hex digits and NUL */
bool id128_parse(struct str text, struct id128 *id);
static inline bool id128_eq(struct id128 a, struct id128 b)
{
    return memcmp(a.bytes, b.bytes, sizeof a.bytes) == 0;
}

/* Base64url without padding (RFC 4648 section 5). Encoded length of n bytes: (n * 4 + 2) / 3. */
size_t base64url_encode(const void *p, size_t n, char *out); /* returns length; no NUL */
/* Returns the length, or -1 on a bad character, length, or non-zero spare bits. out has room for n * 3 / 4 bytes. */
long base64url_decode(struct str text, uint8_t *out);

#endif
