/* Any text as a handle; the same bytes again, signed with our key, so that what is behind the signature is reached too. What
 * is read is made again to the same text, unless it holds more than handle_make would write.
 * SPDX-License-Identifier: Apache-2.0 */
#include "decide/handle.h"

enum { HEAD = 9, BYTES_MAX = HANDLE_MAX * 3 / 4 };

static const uint8_t key[HANDLE_KEY_BYTES] = "0123456789abcde";

static void read_text(struct str text)
{
    uint8_t scratch[HANDLE_MAX];
    char again[HANDLE_MAX];
    struct handle h, twice;
    struct error e = {.text = ""};
    if (handle_read(text, key, scratch, &h, &e)) {
        ASSERT(e.text[0]);
        return;
    }
    if (h.customer.n == 0 || h.customer.n > HANDLE_CUSTOMER_MAX || h.server.n > HANDLE_SERVER_MAX)
        return;
    uint8_t other[HANDLE_MAX];
    struct str made = {again, handle_make(&h, key, again)};
    ASSERT(made.n <= HANDLE_MAX);
    ASSERT(handle_read(made, key, other, &twice, &e) == 0);
    ASSERT(id128_eq(h.decision, twice.decision) && h.time_ms == twice.time_ms && h.action == twice.action &&
           h.channel == twice.channel && str_eq(h.customer, twice.customer) &&
           str_eq(h.server, twice.server));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_text((struct str){(const char *)data, size});
    uint8_t bytes[BYTES_MAX] = {1};
    char text[HANDLE_MAX];
    size_t n = size < BYTES_MAX - HEAD ? size : BYTES_MAX - HEAD;
    if (n)
        memcpy(bytes + HEAD, data, n);
    uint64_t mac = siphash24(key, bytes + HEAD, n);
    for (int i = 0; i < 8; i++)
        bytes[1 + i] = (uint8_t)(mac >> (8 * i));
    read_text((struct str){text, base64url_encode(bytes, n + HEAD, text)});
    return 0;
}
