/* The handle of a choice: what Outcomes.Record needs to know, in an opaque string that only our servers can make. At most
 * HANDLE_MAX characters: base64url of
 *   u8 format (1) | 8 bytes SipHash-2-4 of what follows, keyed with the store's secret | 16 bytes decision id | varint time ms |
 *   varint action | varint channel (dictionary ids) | f32 action probability | u8 length + server | u8 length + customer id
 * A customer id over HANDLE_CUSTOMER_MAX bytes is not kept (length 255); its 64-bit hash is, and the caller passes the id
 * along.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_DECIDE_HANDLE_H
#define TACT_DECIDE_HANDLE_H
#include "base/buf.h"
#include "base/hash.h"

enum { HANDLE_MAX = 256, HANDLE_CUSTOMER_MAX = 96, HANDLE_SERVER_MAX = 32, HANDLE_KEY_BYTES = 16 };

struct handle {
    struct id128 decision;
    int64_t time_ms;
    uint32_t action, channel;
    float probability;
    struct str server;
    struct str customer;    /* empty when it was too long */
    uint64_t customer_hash; /* then its hash64 */
};

/* Writes the text and returns its length; never more than HANDLE_MAX. customer may be of any length. */
size_t handle_make(const struct handle *h, const uint8_t key[HANDLE_KEY_BYTES], char text[HANDLE_MAX]);
/* Strings of *out point into scratch (HANDLE_MAX bytes). ERR_INVALID: not ours, or changed. */
int handle_read(struct str text, const uint8_t key[HANDLE_KEY_BYTES], uint8_t scratch[HANDLE_MAX],
                struct handle *out, struct error *e) MUST_CHECK;

#endif
