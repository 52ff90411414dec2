/* Signed handles; see handle.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "decide/handle.h"

enum { FORMAT = 1, MAC_AT = 1, BODY_AT = 9, LONG_CUSTOMER = 255 };

static void put_float(struct buf *b, float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    buf_u32le(b, bits);
}

size_t handle_make(const struct handle *h, const uint8_t key[HANDLE_KEY_BYTES], char text[HANDLE_MAX])
{
    struct str server = h->server;
    if (server.n > HANDLE_SERVER_MAX)
        server.n = HANDLE_SERVER_MAX;
    struct buf b;
    buf_init(&b, HANDLE_MAX);
    buf_byte(&b, FORMAT);
    buf_u64le(&b, 0);
    buf_append(&b, h->decision.bytes, sizeof h->decision.bytes);
    buf_varint(&b, (uint64_t)h->time_ms);
    buf_varint(&b, h->action);
    buf_varint(&b, h->channel);
    put_float(&b, h->probability);
    buf_byte(&b, (uint8_t)server.n);
    buf_str(&b, server);
    if (h->customer.n > HANDLE_CUSTOMER_MAX) {
        buf_byte(&b, LONG_CUSTOMER);
        buf_u64le(&b, hash64(h->customer.p, h->customer.n));
    } else {
        buf_byte(&b, (uint8_t)h->customer.n);
        buf_str(&b, h->customer);
    }
    ASSERT(buf_ok(&b));
    uint64_t mac = siphash24(key, b.p + BODY_AT, b.n - BODY_AT);
    for (int i = 0; i < 8; i++)
        b.p[MAC_AT + i] = (uint8_t)(mac >> (8 * i));
    size_t n = base64url_encode(b.p, b.n, text);
    buf_free(&b);
    return n;
}

static int refuse(struct error *e)
{
    return error_set(e, ERR_INVALID,
                     "handle: not one of ours, or changed; pass it exactly as Decide gave it");
}

int handle_read(struct str text, const uint8_t key[HANDLE_KEY_BYTES], uint8_t scratch[HANDLE_MAX],
                struct handle *out, struct error *e)
{
    long n = text.n > HANDLE_MAX ? -1 : base64url_decode(text, scratch);
    if (n < BODY_AT || scratch[0] != FORMAT)
        return refuse(e);
    struct cursor mac = cursor_of(scratch + MAC_AT, 8);
    if (cursor_u64le(&mac) != siphash24(key, scratch + BODY_AT, (size_t)n - BODY_AT))
        return refuse(e);
    struct cursor c = cursor_of(scratch + BODY_AT, (size_t)n - BODY_AT);
    *out = (struct handle){0};
    const uint8_t *id = cursor_bytes(&c, sizeof out->decision.bytes);
    if (id)
        memcpy(out->decision.bytes, id, sizeof out->decision.bytes);
    out->time_ms = (int64_t)cursor_varint(&c);
    out->action = (uint32_t)cursor_varint(&c);
    out->channel = (uint32_t)cursor_varint(&c);
    uint32_t bits = cursor_u32le(&c);
    memcpy(&out->probability, &bits, sizeof bits);
    size_t length = cursor_byte(&c);
    out->server = (struct str){(const char *)cursor_bytes(&c, length), length};
    length = cursor_byte(&c);
    if (length == LONG_CUSTOMER)
        out->customer_hash = cursor_u64le(&c);
    else
        out->customer = (struct str){(const char *)cursor_bytes(&c, length), length};
    return c.failed || cursor_left(&c) ? refuse(e) : 0;
}
