/* Addresses as people write them: "127.0.0.1:50051", "[::1]:50051", "localhost:50051", "unix:/run/tact.sock".
 * Names are looked up when the address is parsed (blocking: at start only).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_NET_ADDRESS_H
#define TACT_NET_ADDRESS_H
#include "base/error.h"
#include <sys/socket.h>
#include <sys/un.h>
#include <uv.h>

enum { ADDRESS_TEXT = 128, ADDRESS_FOUND_MAX = 4 };

struct address {
    bool is_unix;
    char path[sizeof((struct sockaddr_un *)0)->sun_path]; /* NUL-terminated, when is_unix */
    struct sockaddr_storage
        found[ADDRESS_FOUND_MAX]; /* else: what the name resolved to, in order of preference */
    size_t found_count;
};

/* ERR_INVALID (not an address) or ERR_NOTFOUND (no such host), with text. */
int address_parse(const char *text, uv_loop_t *loop, struct address *out, struct error *e) MUST_CHECK;
/* "127.0.0.1:40123", "[::1]:40123". */
void address_write(const struct sockaddr *a, char text[ADDRESS_TEXT]);

#endif
