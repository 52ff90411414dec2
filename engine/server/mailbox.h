/* Work for an event loop from other threads: each piece runs on the loop's thread, in the order of posting.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_SERVER_MAILBOX_H
#define TACT_SERVER_MAILBOX_H
#include "base/error.h"
#include <uv.h>

struct mailbox;

/* Keeps the loop running until it is closed. */
int mailbox_open(struct mailbox **out, uv_loop_t *loop, struct error *e) MUST_CHECK;
/* From any thread. */
void mailbox_post(struct mailbox *m, void (*fn)(void *user), void *user);
/* The same, and returns once it has run. Never from the loop's own thread. */
void mailbox_call(struct mailbox *m, void (*fn)(void *user), void *user);
/* On the loop's thread, when nobody posts any more: what still waits runs first. The memory goes when the loop has closed the
 * handle. */
void mailbox_close(struct mailbox **m);

#endif
