/* Calls of simulated people to a running server, over one connection on a loop of its own. What may succeed when
 * it is tried again (UNAVAILABLE, ABORTED, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED) is: the same bytes with the same ids, at most
 * REMOTE_TRIES_MAX times, after 20 ms, 40 ms and so on up to a second.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_TOOLS_DRIVE_REMOTE_H
#define TACT_TOOLS_DRIVE_REMOTE_H
#include "tools/drive_caller.h"

enum {
    REMOTE_TRIES_MAX = 30,
    REMOTE_TIMEOUT_MS = 5000,
    REMOTE_WAIT_LEAST_MS = 20,
    REMOTE_WAIT_MOST_MS = 1000
};

struct drive_remote;

/* ERR_INVALID, ERR_IO: the address. */
int drive_remote_new(struct drive_remote **out, const char *address, struct error *e) MUST_CHECK;
void drive_remote_free(struct drive_remote **r);
struct drive_caller drive_remote_caller(struct drive_remote *r);
uint64_t drive_remote_retries(const struct drive_remote *r); /* failed tries that were tried again */

#endif
