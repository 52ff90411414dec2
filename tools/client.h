/* What the subcommands that call a server share: one call with its errors told on stderr, signals from the
 * command line, event ids. One thread.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_TOOLS_CLIENT_H
#define TACT_TOOLS_CLIENT_H
#include "base/arena.h"
#include "base/hash.h"
#include "base/tz.h"
#include "tact/v1/common.pb-c.h"
#include "tools/options.h"
#include <protobuf-c/protobuf-c.h>

enum {
    CLIENT_MEMORY_MAX = 64 << 20, /* the arena of a subcommand */
    CLIENT_ANSWER_MAX = 32 << 20, /* an answer, decoded */
    CLIENT_TIMEOUT_MS = 5000,
    CLIENT_TIMEOUT_MAX_MS = 600000
};

/* Options that the subcommands share, for their tables. */
#define CLIENT_OPTION_SERVER(target)                                                                         \
    {                                                                                                        \
        .name = "server", .value = "ADDRESS", .help = "host:port or unix:/path (required)",                  \
        .text = &(target)                                                                                    \
    }
#define CLIENT_OPTION_TIME(target)                                                                           \
    {                                                                                                        \
        .name = "time", .value = "TIME", .help = "when it happened, RFC 3339; default: now",                 \
        .text = &(target)                                                                                    \
    }
#define CLIENT_OPTION_AS_OF(target)                                                                          \
    {                                                                                                        \
        .name = "as-of", .value = "TIME", .help = "as if it were sent then (server: --allow-as-of)",         \
        .text = &(target)                                                                                    \
    }
#define CLIENT_OPTION_TIMEOUT(target)                                                                        \
    {                                                                                                        \
        .name = "timeout-ms", .value = "N", .help = "default 5000", .number = &(target), .low = 1,           \
        .high = CLIENT_TIMEOUT_MAX_MS                                                                        \
    }

/* "tact NAME: text" on stderr; returns EXIT_USAGE or EXIT_FAILED. */
int client_usage(const struct command *c, const char *format, ...) PRINTF_LIKE(2, 3);
int client_failed(const struct command *c, const char *format, ...) PRINTF_LIKE(2, 3);

/* Calls path with the message and decodes the answer into the arena. EXIT_OK, or EXIT_FAILED after the gRPC
 * status and its message were told on stderr. *status: that status; GRPC_OK also when no call was made. */
int client_call(const struct command *c, const char *address, const char *path,
                const ProtobufCMessage *request, int64_t timeout_ms, const ProtobufCMessageDescriptor *answer,
                struct arena *arena, ProtobufCMessage **out, int *status) MUST_CHECK;

/* Whether a call that failed with this status may have happened, so that it is sent again with the same id. */
bool client_may_have_happened(int status);

/* The message as JSON, one line. */
int client_print_json(const struct command *c, const ProtobufCMessage *m) MUST_CHECK;

/* A name for an event that nobody named: 32 hexadecimal digits from all it is and 128 random bits. */
void client_event_id(const char *customer, const char *name, int64_t time_ms, char out[ID128_TEXT]);

/* Pairs `name=value` as a signal's properties. */
int client_properties(Tact__V1__Signal *s, const struct str *pairs, size_t count, struct arena *arena,
                      struct error *e) MUST_CHECK;
/* --time-zone: a zone by its name; NULL for no text. ERR_INVALID with a did-you-mean. */
int client_zone(const struct tzdb *zones, const char *name, const struct tz **out,
                struct error *e) MUST_CHECK;
/* "name" or "name:k=v,k=v" as a signal, with an event id of its own. */
int client_signal(struct str text, const char *customer, int64_t now_ms, struct arena *arena,
                  Tact__V1__Signal **out, struct error *e) MUST_CHECK;

#endif
