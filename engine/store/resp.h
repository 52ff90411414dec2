/* Redis requests as bytes (RESP arrays of bulk strings), sized first, so that a command and its bytes are one
 * allocation.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_STORE_RESP_H
#define TACT_STORE_RESP_H
#include "base/str.h"

size_t resp_size(const struct str *args, size_t count);
/* Writes resp_size bytes and a NUL after them, which is no part of the request: hiredis looks one byte
 * further. */
void resp_write(char *out, const struct str *args, size_t count);

#endif
