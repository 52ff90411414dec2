/* Who answers the calls of simulated people: a server (drive_remote.h), or the same code in this process
 * (drive_local.h). Requests and answers are those of tact.v1, as bytes. One thread.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_TOOLS_DRIVE_CALLER_H
#define TACT_TOOLS_DRIVE_CALLER_H
#include "server/worker.h"

/* status: enum grpc_status. message: the answer's bytes; text: why it failed. Both valid during the callback. */
typedef void (*drive_cb)(void *user, int status, struct str message, struct str text);

struct drive_caller {
    void *ctx;
    /* cb comes exactly once, from inside or later; request stays as it is until then. */
    void (*call)(void *ctx, enum op_kind kind, struct str request, drive_cb cb, void *user);
    /* Another person begins, of whom nothing is known yet. Nothing is under way. NULL: not of interest. */
    void (*person)(void *ctx);
    /* Returns when no call is under way any more. */
    void (*run)(void *ctx);
};

#endif
