/* What gRPC writes as text or numbers: status codes, percent-encoded status messages, timeouts, and how
 * HTTP/2 error codes and HTTP statuses become gRPC statuses. Pure; any thread.
 *
 * After PROTOCOL-HTTP2.md, statuscodes.md and http-grpc-status-mapping.md of the gRPC project.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_NET_GRPC_STATUS_H
#define TACT_NET_GRPC_STATUS_H
#include "base/str.h"
#include <stdbool.h>
#include <stdint.h>

/* Status codes of gRPC (grpc/status.h), name, number. */
#define GRPC_STATUSES(X)                                                                                     \
    X(OK, 0)                                                                                                 \
    X(CANCELLED, 1)                                                                                          \
    X(UNKNOWN, 2)                                                                                            \
    X(INVALID_ARGUMENT, 3)                                                                                   \
    X(DEADLINE_EXCEEDED, 4)                                                                                  \
    X(NOT_FOUND, 5)                                                                                          \
    X(ALREADY_EXISTS, 6)                                                                                     \
    X(PERMISSION_DENIED, 7)                                                                                  \
    X(RESOURCE_EXHAUSTED, 8)                                                                                 \
    X(FAILED_PRECONDITION, 9)                                                                                \
    X(ABORTED, 10)                                                                                           \
    X(OUT_OF_RANGE, 11)                                                                                      \
    X(UNIMPLEMENTED, 12)                                                                                     \
    X(INTERNAL, 13)                                                                                          \
    X(UNAVAILABLE, 14)                                                                                       \
    X(DATA_LOSS, 15)                                                                                         \
    X(UNAUTHENTICATED, 16)

enum grpc_status {
#define X(name, number) GRPC_##name = number,
    GRPC_STATUSES(X)
#undef X
};

const char *grpc_status_name(int status); /* "OK" …; "?" for other numbers */
/* The value of grpc-status: decimal, without leading zeros; a number we do not know is UNKNOWN, as gRPC asks;
 * so is text that is no number. */
int grpc_status_parse(struct str text);

/* Bytes below 0x20, above 0x7e and '%' become %XX. out has room for 3 × text.n bytes. Returns the length; no
 * NUL. */
size_t grpc_percent_encode(struct str text, char *out);
/* A broken %-sequence stays as it is. out has room for text.n bytes and may be text.p. */
size_t grpc_percent_decode(struct str text, char *out);

/* "100m" to microseconds, rounded up so that a positive timeout stays positive. False when it is no timeout:
 * 1 to 8 digits, then one of H M S m u n. */
bool grpc_timeout_parse(struct str text, int64_t *us);
enum { GRPC_TIMEOUT_TEXT = 10 };
/* The shortest exact or else next longer timeout; text gets a NUL. us below 1 is written as 1 ns. */
size_t grpc_timeout_write(int64_t us, char text[GRPC_TIMEOUT_TEXT]);

int grpc_status_of_http(int http_status);   /* of an answer that carries no grpc-status */
int grpc_status_of_h2(uint32_t error_code); /* of RST_STREAM */

#endif
