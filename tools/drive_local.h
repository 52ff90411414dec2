/* The server's own code in this process, for one simulated person at a time: a worker (server/worker.h) over a
 * store in memory, without network, log or waiting. Each person gets an empty store, so memory does not grow with
 * their number. Decisions are those of a server with the same policy, model and time zones, byte for byte.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_TOOLS_DRIVE_LOCAL_H
#define TACT_TOOLS_DRIVE_LOCAL_H
#include "tools/drive_caller.h"

struct drive_local;

/* Takes the snapshot; names are those it is bound to, and outlive it. */
struct drive_local *drive_local_new_take(struct snapshot *snapshot, struct names *names);
void drive_local_free(struct drive_local **l);
struct drive_caller drive_local_caller(struct drive_local *l);

#endif
